// Holds YAML files against the published schemas of Kubernetes (the version that package.json names) and prints one
// JSON object: {"errors": ["PATH: KIND/NAME: what"], "documents": [{"path", "document"}]}.
//
//   node validate.cjs NODE_MODULES FILE.yaml...
//
// The compiled schemas say what types and values may be; the package's type definitions say which fields exist: the
// server drops a field it does not know without a word, so here one is an error. Kustomizations are only parsed.
"use strict";
const fs = require("fs");
const path = require("path");
const { createRequire } = require("module");

const [given, ...files] = process.argv.slice(2);
const modules = path.resolve(given);
const load = createRequire(path.join(modules, "index.js"));
const yaml = load("js-yaml");
const root = path.join(modules, "kubernetes-models");

const words = { "": "Core", "rbac.authorization.k8s.io": "Rbac", "networking.k8s.io": "Networking" };

function parts(apiVersion) {
  const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
  const word = words[group] ?? group[0].toUpperCase() + group.slice(1);
  return { folder: apiVersion, prefix: word + version[0].toUpperCase() + version.slice(1) };
}

// ---- which fields exist ------------------------------------------------------------------------

const definitions = new Map();

// {imports: name -> file, fields: interface -> field -> type} of a .d.ts file.
function definition(file) {
  if (definitions.has(file)) return definitions.get(file);
  const text = fs.readFileSync(file, "utf8");
  const imports = new Map();
  for (const [, names, from] of text.matchAll(/^import \{([^}]*)\} from "([^"]+)";/gm))
    for (const name of names.split(","))
      imports.set(name.trim(), from.startsWith(".") ? path.join(path.dirname(file), from) : path.join(modules, from));
  const fields = new Map();
  for (const [, name, body] of text.matchAll(/^export interface (\w+)[^{]*\{\n([\s\S]*?)^\}/gm)) {
    const own = new Map();
    for (const [, field, type] of body.matchAll(/^    "([^"]+)"\??: ((?:\{[\s\S]*?^    \}|[^\n]*?));$/gm)) own.set(field, type);
    fields.set(name, own);
  }
  const found = { imports, fields };
  definitions.set(file, found);
  return found;
}

function follow(file, type) {
  const { imports, fields } = definition(file);
  if (imports.has(type)) {
    const next = imports.get(type) + ".d.ts";
    const short = "I" + path.basename(imports.get(type));
    return { file: next, fields: definition(next).fields.get(short) };
  }
  return { file, fields: fields.get(type) };
}

function findUnknown(value, type, file, where, errors) {
  type = type.replace(/ \| null$/, "").trim();
  const list = type.match(/^Array<([\s\S]*)>$/);
  if (list && Array.isArray(value)) {
    value.forEach((item, i) => findUnknown(item, list[1], file, `${where}[${i}]`, errors));
    return;
  }
  if (!/^I\w+$/.test(type) || value === null || typeof value !== "object") return;
  const found = follow(file, type);
  if (!found.fields) return; // an IntOrString, a Quantity: the schema has looked
  for (const [key, inner] of Object.entries(value)) {
    if (!found.fields.has(key)) errors.push(`${where}.${key}: there is no such field`);
    else findUnknown(inner, found.fields.get(key), found.file, `${where}.${key}`, errors);
  }
}

// ---- a document --------------------------------------------------------------------------------

function check(document, errors) {
  if (!document || !document.apiVersion || !document.kind) {
    errors.push("expected apiVersion and kind");
    return;
  }
  if (document.apiVersion.startsWith("kustomize.")) return;
  const { folder, prefix } = parts(document.apiVersion);
  let schema;
  try {
    schema = load(path.join(root, "_schemas", `IoK8sApi${prefix}${document.kind}.js`));
  } catch {
    errors.push(`no schema of ${document.apiVersion} ${document.kind}`);
    return;
  }
  if (!schema.validate(document))
    for (const e of schema.validate.errors) errors.push(`${e.instancePath}: ${e.keyword} ${JSON.stringify(e.params)}`);
  const file = path.join(root, folder, `${document.kind}.d.ts`);
  const own = definition(file).fields.get(`I${document.kind}`);
  for (const [key, value] of Object.entries(document)) {
    if (key === "apiVersion" || key === "kind") continue;
    if (!own.has(key)) errors.push(`.${key}: there is no such field`);
    else findUnknown(value, own.get(key), file, `.${key}`, errors);
  }
}

const answer = { errors: [], documents: [] };
for (const file of files) {
  try {
    for (const document of yaml.loadAll(fs.readFileSync(file, "utf8"))) {
      const errors = [];
      check(document, errors);
      const name = `${document && document.kind}/${document && document.metadata && document.metadata.name}`;
      answer.errors.push(...errors.map((e) => `${file}: ${name}: ${e}`));
      answer.documents.push({ path: file, document });
    }
  } catch (error) {
    answer.errors.push(`${file}: ${error.message}`);
  }
}
process.stdout.write(JSON.stringify(answer) + "\n");
