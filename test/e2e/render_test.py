"""farspan render: what is written is what Kubernetes, Terraform, systemd and farspan itself accept, and it runs.

Manifests are held against the published schemas of a Kubernetes version (test/kubernetes/install.sh), node pools
against slices of the providers' schemas (test/kubernetes/terraform-slices.json), units against systemd-analyze.
"""
import functools
import glob
import json
import os
import re
import shutil
import subprocess
import tempfile

from harness import (FARSPAN, ROOT, chat_body, free_port_base, main, request, test, wait_for)

FIXTURE = os.path.join(ROOT, "test/kubernetes")
WORLD = os.path.join(FIXTURE, "world.yaml")
PLAN = os.path.join(FIXTURE, "plan.json")
KINDS = {"Namespace", "ServiceAccount", "Role", "RoleBinding", "Secret", "NetworkPolicy", "ConfigMap", "Deployment",
         "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler"}
URLS = ("--url", "aws:us-east-1=https://us.example", "--url", "azure:westeurope=https://eu.example/base")


def render(*arguments, plan=PLAN, world=WORLD):
    return subprocess.run([FARSPAN, "render", plan, "-f", world, *arguments], capture_output=True, text=True,
                          timeout=60)


class Rendered:
    """A folder with the files of one target; removed at the end."""

    def __init__(self, target, *arguments, **more):
        self.folder = tempfile.mkdtemp(prefix="farspan-render-")
        self.answer = render("--target", target, "-o", self.folder, *arguments, **more)
        assert self.answer.returncode == 0, self.answer.stderr

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def files(self, pattern="*/*"):
        return sorted(glob.glob(os.path.join(self.folder, pattern)))

    def content(self):
        return {os.path.relpath(f, self.folder): open(f, "rb").read() for f in self.files()}


def changed_plan(change):
    """A plan file, changed; the caller removes its folder."""
    with open(PLAN) as f:
        plan = json.load(f)
    change(plan)
    folder = tempfile.mkdtemp(prefix="farspan-plan-")
    path = os.path.join(folder, "plan.json")
    with open(path, "w") as f:
        json.dump(plan, f)
    return path


@functools.lru_cache
def schemas():
    done = subprocess.run([os.path.join(FIXTURE, "install.sh")], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return os.path.join(done.stdout.strip(), "node_modules")


def validate(files):
    done = subprocess.run(["node", os.path.join(FIXTURE, "validate.cjs"), schemas(), *files], capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return answer["errors"], answer["documents"]


def by_region(rendered):
    """{folder: [documents]} of valid manifests."""
    errors, rows = validate(rendered.files("*/*.yaml"))
    assert not errors, "\n".join(errors[:20])
    regions = {}
    for row in rows:
        regions.setdefault(os.path.basename(os.path.dirname(row["path"])), []).append(row["document"])
    return regions


def named(documents, kind):
    return {d["metadata"]["name"]: d for d in documents if d["kind"] == kind}


# ---- the command line ----------------------------------------------------------------------------------------------

@test
def wrong_use_ends_with_2_and_secrets_are_never_written():
    for arguments, expected in (((), "--target"), (("--target", "nomad"), "kubernetes, terraform or systemd"),
                                (("--target", "kubernetes", "--with-secrets"), "never written"),
                                (("--target", "kubernetes", "--namespace", "A_b"), "--namespace"),
                                (("--target", "kubernetes", "--url", "nowhere"), "REGION=https://")):
        done = render(*arguments)
        assert done.returncode == 2 and expected in done.stderr, (arguments, done.stderr)
    done = subprocess.run([FARSPAN, "render", "--help"], capture_output=True, text=True, timeout=10)
    assert done.returncode == 0 and "example" in done.stdout


@test
def a_plan_that_does_not_fit_is_refused_with_the_reason():
    def replica(plan, **more):
        plan["replicas"][0].update(more)
    for change, expected in ((lambda p: replica(p, service="chatt"), "did it become chat?"),
                             (lambda p: p.update(world="other"), "is of the world other"),
                             (lambda p: p.update(status="infeasible"), "infeasible"),
                             (lambda p: replica(p, machines=2), "wants 2 machines"),
                             (lambda p: p["replicas"][3].update(service="yes"), "may not be computed in"),
                             (lambda p: replica(p, count=-1), "replicas[0].count: expected 0 .. 1000000"),
                             (lambda p: replica(p, sku="a b"), "not usable as a label"),
                             (lambda p: replica(p, region="azure-westeurope"), "share the folder"),
                             (lambda p: p.update(replicas=[]), "found 0")):
        path = changed_plan(change)
        done = render("--target", "kubernetes", plan=path)
        shutil.rmtree(os.path.dirname(path))
        assert done.returncode == 1 and expected in done.stderr, (expected, done.stderr)
        assert done.stdout == ""


# ---- Kubernetes ----------------------------------------------------------------------------------------------------

@test
def every_manifest_fits_the_published_schema():
    for arguments in ((), URLS):
        with Rendered("kubernetes", *arguments) as rendered:
            regions = by_region(rendered)
            assert sorted(regions) == ["aws-us-east-1", "azure-westeurope", "gcp-us-central1", "own-lab"], sorted(regions)
            for region, documents in regions.items():
                assert {d["kind"] for d in documents} == KINDS | {"Kustomization"}, region


@test
def a_broken_manifest_is_noticed():
    with Rendered("kubernetes") as rendered:
        path = next(f for f in rendered.files("azure-westeurope/30-*") if "spot" in f)
        with open(path) as f:
            good = f.read()
        for old, new, expected in (("replicas: 2", "replicas: two", "/spec/replicas"),
                                   ("seconds: 20", "secondz: 20", "secondz"),
                                   ("readOnlyRootFilesystem", "readOnlyRootFileSystem", "no such field"),
                                   ("apiVersion: apps/v1", "apiVersion: apps/v2", "no schema of apps/v2"),
                                   ("      labels:", "     labels:", "bad indentation")):
            assert old in good
            with open(path, "w") as f:
                f.write(good.replace(old, new, 1))
            errors, _ = validate([path])
            assert any(expected in e for e in errors), (expected, errors)


def check_references(documents):
    """What schemas cannot say: names that must meet."""
    deployments, services = named(documents, "Deployment"), named(documents, "Service")
    maps, budgets = named(documents, "ConfigMap"), named(documents, "PodDisruptionBudget")
    scalers = named(documents, "HorizontalPodAutoscaler")
    assert set(deployments) == set(budgets) == set(scalers) and set(deployments) <= set(services), sorted(services)
    for name, deployment in deployments.items():
        spec = deployment["spec"]
        pod, labels = spec["template"]["spec"], spec["template"]["metadata"]["labels"]
        for selector in (spec["selector"]["matchLabels"], budgets[name]["spec"]["selector"]["matchLabels"],
                         *(c["labelSelector"]["matchLabels"] for c in pod["topologySpreadConstraints"])):
            assert selector.items() <= labels.items(), (name, selector)
        assert scalers[name]["spec"]["scaleTargetRef"]["name"] == name
        assert scalers[name]["spec"]["minReplicas"] == spec["replicas"]
        assert scalers[name]["spec"]["maxReplicas"] == (3 * spec["replicas"] + 1) // 2
        volumes = {v["name"]: v for v in pod["volumes"]}
        assert volumes["config"]["configMap"]["name"] in maps
        for container in pod["containers"]:
            assert {m["name"] for m in container["volumeMounts"]} == set(volumes), name
            sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert pod["terminationGracePeriodSeconds"] >= sleep + 6, name
            file = next(a for a in container["command"] if a.startswith("/etc/farspan/config/"))
            assert os.path.basename(file) in maps[volumes["config"]["configMap"]["name"]]["data"]
            assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    for name, service in services.items():
        target = [d for d in deployments.values()
                  if service["spec"]["selector"].items() <= d["spec"]["template"]["metadata"]["labels"].items()]
        assert len(target) == 1, name
        ports = {p["name"] for c in target[0]["spec"]["template"]["spec"]["containers"] for p in c["ports"]}
        assert {p["targetPort"] for p in service["spec"]["ports"]} <= ports, name


@test
def names_labels_and_references_meet():
    name_form = re.compile(r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")
    value_form = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")
    with Rendered("kubernetes", *URLS) as rendered:
        for region, documents in by_region(rendered).items():
            check_references(documents)
            for d in documents:
                if d["kind"] == "Kustomization":
                    continue
                assert name_form.match(d["metadata"]["name"]), d["metadata"]["name"]
                for key, value in d["metadata"].get("labels", {}).items():
                    assert isinstance(value, str) and value_form.match(value), (key, value)
                if d["kind"] != "Namespace":
                    assert d["metadata"]["labels"]["farspan.dev/epoch"] == "8"
                    assert d["metadata"]["labels"]["farspan.dev/region"] == region
            kustomization = next(d for d in documents if d["kind"] == "Kustomization")
            files = [os.path.basename(f) for f in rendered.files(region + "/*") if "kustomization" not in f]
            assert kustomization["resources"] == files


@test
def pods_run_with_the_least_rights():
    with Rendered("kubernetes", *URLS) as rendered:
        for documents in by_region(rendered).values():
            for deployment in named(documents, "Deployment").values():
                pod = deployment["spec"]["template"]["spec"]
                assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] >= 1000
                assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
                assert pod["automountServiceAccountToken"] is False
                for container in pod["containers"]:
                    context = container["securityContext"]
                    assert context["readOnlyRootFilesystem"] and context["allowPrivilegeEscalation"] is False
                    assert context["capabilities"] == {"drop": ["ALL"]}
            policies = named(documents, "NetworkPolicy")
            assert policies["farspan-deny"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
            assert "egress" not in policies["farspan-worker"]["spec"]
            touched = {r for rule in named(documents, "Role")["farspan-deployer"]["rules"] for r in rule["resources"]}
            assert not touched & {"secrets", "*", "roles"}
            secret = named(documents, "Secret")["farspan-keys"]
            assert "data" not in secret and "stringData" not in secret
            assert "inner.key" in secret["metadata"]["annotations"]["farspan.dev/keys"]


@test
def machines_are_those_of_the_plan():
    with Rendered("kubernetes") as rendered:
        regions = by_region(rendered)
        azure, gcp, own = (named(regions[r], "Deployment") for r in ("azure-westeurope", "gcp-us-central1", "own-lab"))
        spot = azure["chat-standard-nc24ads-a100-v4-spot"]["spec"]["template"]["spec"]
        assert spot["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
        terms = spot["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
        wanted = {e["key"]: (e["operator"], e["values"]) for e in terms[0]["matchExpressions"]}
        assert wanted["node.kubernetes.io/instance-type"] == ("In", ["Standard_NC24ads_A100_v4"])
        assert wanted["topology.kubernetes.io/region"] == ("In", ["westeurope"])
        assert wanted["kubernetes.azure.com/scalesetpriority"] == ("In", ["spot"])
        assert {t["key"] for t in spot["tolerations"]} == {"nvidia.com/gpu", "kubernetes.azure.com/scalesetpriority"}
        on_demand = azure["chat-standard-nc24ads-a100-v4-on-demand"]["spec"]
        assert on_demand["replicas"] == 3 and "NotIn" in json.dumps(on_demand)
        assert "chat-standard-d4s-v5-on-demand" not in azure, "a row with count 0 runs nothing"
        text = json.dumps(gcp["chat-n1-standard-4-t4-spot"])
        assert '"n1-standard-4"' in text and "nvidia-tesla-t4" in text and "cloud.google.com/gke-spot" in text
        assert "farspan.dev/sku" in json.dumps(own["chat-box-own"])
        claim = json.dumps(azure["yes-standard-d4s-v5-on-demand"])
        assert "farspan-models" in claim and "nvidia.com/gpu" not in claim


@test
def the_same_plan_gives_the_same_bytes():
    def reverse(plan):
        plan["replicas"].reverse()
    path = changed_plan(reverse)
    for target in ("kubernetes", "terraform", "systemd"):
        with Rendered(target) as one, Rendered(target) as two, Rendered(target, plan=path) as other:
            assert one.content() == two.content() == other.content(), target
    shutil.rmtree(os.path.dirname(path))


@test
def standard_output_holds_the_same_documents():
    with Rendered("kubernetes") as rendered, tempfile.NamedTemporaryFile("w", suffix=".yaml") as printed:
        printed.write(render("--target", "kubernetes").stdout)
        printed.flush()
        errors, rows = validate([printed.name])
        assert not errors, errors[:3]
        _, files = validate([f for f in rendered.files("*/*.yaml") if "kustomization" not in f])
        assert [r["document"] for r in rows] == [r["document"] for r in files]
        as_json = json.loads(render("--target", "kubernetes", "--json").stdout)
        assert {k: v.encode() for k, v in as_json.items()} == rendered.content()


@test
def no_key_reaches_the_output():
    folder = tempfile.mkdtemp(prefix="farspan-keys-")
    marker = "fs-do-not-print-me-0123456789"
    shutil.copy(WORLD, os.path.join(folder, "world.yaml"))
    with open(os.path.join(folder, "app.key"), "w") as f:
        f.write(marker + "\n")
    os.environ["EUKEY"] = marker
    for target in ("kubernetes", "terraform", "systemd"):
        done = render("--target", target, "--json", world=os.path.join(folder, "world.yaml"))
        assert done.returncode == 0 and marker not in done.stdout + done.stderr
    del os.environ["EUKEY"]
    shutil.rmtree(folder)


@test
def files_of_an_earlier_plan_go_and_others_stay():
    def fewer(plan):
        plan["replicas"] = [r for r in plan["replicas"] if r["market"] != "spot"]
    path = changed_plan(fewer)
    with Rendered("kubernetes") as rendered:
        before = set(rendered.content())
        alien = os.path.join(rendered.folder, "azure-westeurope", "mine.yaml")
        with open(alien, "w") as f:
            f.write("mine\n")
        with open(os.path.join(rendered.folder, "farspan-files"), "a") as f:
            f.write("../outside\n/etc/passwd\na/../../b\n.git/config\n")
        done = render("--target", "kubernetes", "-o", rendered.folder, "--json", plan=path)
        summary = json.loads(done.stdout)
        gone = before - set(rendered.content())
        assert gone and all("spot" in g or g.startswith("gcp-") for g in gone), gone
        assert summary["removed"] == len(gone) and summary["epoch"] == 8
        assert os.path.exists(alien)
        times = {f: os.stat(f).st_mtime_ns for f in rendered.files()}
        assert render("--target", "kubernetes", "-o", rendered.folder, plan=path).returncode == 0
        assert times == {f: os.stat(f).st_mtime_ns for f in rendered.files()}, "files that are right are not written"
    shutil.rmtree(os.path.dirname(path))


# ---- what is rendered runs -----------------------------------------------------------------------------------------

def configs(rendered):
    """[(what, text)] of every farspan.yaml in the manifests."""
    found = []
    for region, documents in by_region(rendered).items():
        for name, m in named(documents, "ConfigMap").items():
            found += [(f"{region} {name} {file}", text) for file, text in m["data"].items()]
    return found


@test
def every_configuration_is_a_valid_farspan_yaml():
    for arguments in ((), URLS):
        with Rendered("kubernetes", *arguments) as rendered, tempfile.TemporaryDirectory() as folder:
            found = configs(rendered)
            assert len(found) >= 11
            for what, text in found:
                path = os.path.join(folder, "farspan.yaml")
                with open(path, "w") as f:
                    f.write(text.replace("/var/lib/farspan/models", os.path.join(ROOT, "models")))
                done = subprocess.run([FARSPAN, "check", path], capture_output=True, text=True, timeout=10)
                assert done.returncode == 0, (what, done.stdout)


def with_keys(text, folder, port, address):
    return text.replace("/etc/farspan/keys", folder).replace(f"0.0.0.0:{port}", address)


def is_open(port):
    try:
        return request(port, "GET", "/healthz")[0] == 200
    except OSError:
        return False


@test
def the_rendered_pod_and_gateway_answer_requests():
    folder = tempfile.mkdtemp(prefix="farspan-run-")
    base = free_port_base()
    for name in ("inner", "app", "eu-only"):
        with open(os.path.join(folder, name + ".key"), "w") as f:
            f.write(f"fs-{name}-0123456789abcdef\n")
    with Rendered("kubernetes", *URLS) as rendered:
        regions = by_region(rendered)
    data = {n: m["data"] for n, m in named(regions["azure-westeurope"], "ConfigMap").items()}
    deployments = named(regions["azure-westeurope"], "Deployment")
    us = named(regions["aws-us-east-1"], "ConfigMap")["farspan-gateway"]["data"]["gateway.yaml"]
    name = "chat-standard-nc24ads-a100-v4-spot"
    files = {"worker": with_keys(data[name]["farspan.yaml"], folder, 18080, f"0.0.0.0:{base}"),
             "gateway": with_keys(data["farspan-gateway"]["gateway.yaml"], folder, 8080, f"127.0.0.1:{base + 30}"),
             "entry": with_keys(data["farspan-gateway"]["entry.yaml"], folder, 8081, f"127.0.0.1:{base + 31}")}
    for file, text in files.items():
        with open(os.path.join(folder, file + ".yaml"), "w") as f:
            f.write(re.sub(r"http://[a-z0-9.-]*\.svc:18080", f"http://127.0.0.1:{base}", text))
    # In the other region nothing runs: its gateway goes to this one's entry.
    us = re.sub(r"http://[a-z0-9.-]*\.svc:18080", f"http://127.0.0.1:{base + 40}", us)
    with open(os.path.join(folder, "us.yaml"), "w") as f:
        f.write(with_keys(us, folder, 8080, f"127.0.0.1:{base + 32}").replace("https://eu.example/base",
                                                                             f"http://127.0.0.1:{base + 31}"))
    state = os.path.join(folder, "state")
    place = {"/usr/bin/farspan": FARSPAN, "/etc/farspan/config/farspan.yaml": os.path.join(folder, "worker.yaml"),
             "/etc/farspan/config/gateway.yaml": os.path.join(folder, "gateway.yaml"),
             "/etc/farspan/config/entry.yaml": os.path.join(folder, "entry.yaml"), "/var/lib/farspan/state": state}
    pods = [deployments[d]["spec"]["template"]["spec"]["containers"] for d in (name, "farspan-gateway")]
    probe = [place.get(w, w) for w in pods[0][0]["readinessProbe"]["exec"]["command"]]
    commands = [[place.get(w, w) for w in c["command"]] for pod in pods for c in pod]
    commands[0] += ["--port-base", str(base)]
    assert len(commands) == 3
    commands.append([FARSPAN, "gateway", "-f", os.path.join(folder, "us.yaml"), "--region", "aws:us-east-1"])
    log = open(os.path.join(folder, "log"), "w")
    running = [subprocess.Popen(command, stdout=log, stderr=log) for command in commands]
    try:
        wait_for("the readiness probe", lambda: subprocess.run(probe, capture_output=True).returncode == 0, 20, 0.2)
        for port in (base + 30, base + 31, base + 32):
            wait_for("a gateway", lambda: is_open(port))
        body = json.dumps(chat_body(tokens=8, stream=False)).encode()
        for port, key, expected in ((base + 30, "app", 200), (base + 30, "inner", 401), (base + 31, "inner", 200),
                                    (base + 31, "app", 401), (base, "inner", 200), (base, "app", 401),
                                    (base + 32, "app", 200)):
            status, answer = request(port, "POST", "/v1/chat/completions", body,
                                     authorization=f"Bearer fs-{key}-0123456789abcdef")
            assert status == expected, (port - base, key, status, answer)
        for port in (base, base + 30, base + 31):
            assert request(port, "GET", "/healthz")[0] == 200
        assert b"farspan_requests_in_flight" in request(base, "GET", "/metrics")[1], "the autoscaler's metric"
    except Exception:
        print(open(os.path.join(folder, "log")).read()[-4000:], flush=True)
        raise
    finally:
        for process in reversed(running):
            process.terminate()
        status = [process.wait(timeout=15) for process in running]
        log.close()
    assert status == [0, 0, 0, 0], (status, open(os.path.join(folder, "log")).read()[-2000:])
    shutil.rmtree(folder)


@test
def kustomize_puts_a_region_together():
    if not shutil.which("kubectl"):
        print("SKIPPED kubectl kustomize: kubectl is not here", flush=True)
        return
    with Rendered("kubernetes") as rendered, tempfile.NamedTemporaryFile("w", suffix=".yaml") as whole:
        folder = os.path.join(rendered.folder, "azure-westeurope")
        done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        whole.write(done.stdout)
        whole.flush()
        errors, rows = validate([whole.name])
        assert not errors, errors[:3]
        own = [d for d in by_region(rendered)["azure-westeurope"] if d["kind"] != "Kustomization"]
        key = lambda d: (d["kind"], d["metadata"]["name"])
        assert sorted((r["document"] for r in rows), key=key) == sorted(own, key=key)


@test
def the_image_holds_all_that_the_program_needs():
    with open(os.path.join(ROOT, "Containerfile")) as f:
        text = f.read()
    assert re.search(r"^FROM scratch$", text, re.M) and re.search(r"^USER 65532:65532$", text, re.M)
    folder = tempfile.mkdtemp(prefix="farspan-image-")
    try:
        done = subprocess.run([os.path.join(ROOT, "tools/image_root.sh"), FARSPAN, folder], capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        files = {os.path.relpath(os.path.join(d, f), folder) for d, _, fs in os.walk(folder) for f in fs}
        assert "usr/bin/farspan" in files and not any(f.endswith(("/sh", "/bash")) for f in files)
        enter = ["chroot", "--userspec=65532:65532"] if os.geteuid() == 0 else ["unshare", "-r", "chroot"]
        if any("libasan" in f for f in files) or subprocess.run([*enter, "/", "/bin/true"], capture_output=True).returncode:
            print("SKIPPED starting the image's root: no chroot here, or a sanitizer that wants /proc", flush=True)
            return
        start = [*enter, folder, "/usr/bin/farspan", "version"]
        done = subprocess.run(start, capture_output=True, text=True, timeout=10)
        assert done.returncode == 0 and "farspan" in done.stdout, done.stderr
        library = next(os.path.join(folder, f) for f in files if "libjansson" in f)
        os.unlink(library)
        assert subprocess.run(start, capture_output=True, timeout=10).returncode != 0, "a missing library is noticed"
    finally:
        shutil.rmtree(folder)


# ---- Terraform -----------------------------------------------------------------------------------------------------

def check_slice(block, schema, where, errors):
    for key in schema.get("required", []):
        if key not in block:
            errors.append(f"{where}: {key} is missing")
    known = set(schema.get("required", [])) | set(schema.get("optional", []))
    for key, value in block.items():
        here = f"{where}.{key}"
        if key == "provider" and where.count(".") == 1:
            continue
        if key not in known:
            errors.append(f"{here}: there is no such argument")
        if value not in schema.get("values", {}).get(key, [value]):
            errors.append(f"{here}: {value}")
        if key in schema.get("numbers", []) and (isinstance(value, bool) or not isinstance(value, (int, float))):
            errors.append(f"{here}: expected a number")
        if key in schema.get("lists", []) and not isinstance(value, list):
            errors.append(f"{here}: expected a list")
        if len(str(value)) > schema.get("longest", {}).get(key, 1 << 20):
            errors.append(f"{here}: too long")
        if not re.search(schema.get("patterns", {}).get(key, ""), str(value)):
            errors.append(f"{here}: {value} has not the form")
        if key in schema.get("only_with", {}):
            other, wanted = schema["only_with"][key]
            if block.get(other) != wanted:
                errors.append(f"{here}: only with {other} {wanted}")
        if key in schema.get("blocks", {}):
            for i, inner in enumerate(value if isinstance(value, list) else [value]):
                check_slice(inner, schema["blocks"][key], f"{here}[{i}]", errors)


def check_terraform(files):
    with open(os.path.join(FIXTURE, "terraform-slices.json")) as f:
        slices = json.load(f)
    errors = []
    for path, content in files.items():
        (provider, needed), = content["terraform"]["required_providers"].items()
        if not re.fullmatch(r"\d+\.\d+\.\d+", needed["version"]):
            errors.append(f"{path}: the version of {provider} is not pinned")
        aliases = content["provider"][provider]
        aliases = {f"{provider}.{a['alias']}" for a in aliases} if isinstance(aliases, list) else None
        for kind, pools in content["resource"].items():
            for name, pool in pools.items():
                check_slice(pool, slices[kind], f"{kind}.{name}", errors)
                if aliases is not None and pool.get("provider") not in aliases:
                    errors.append(f"{kind}.{name}: no provider {pool.get('provider')}")
        for variable in set(re.findall(r"var\.(\w+)", json.dumps(content))):
            if variable not in content["variable"]:
                errors.append(f"{path}: no variable {variable}")
    return errors


def terraform_files():
    done = render("--target", "terraform")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@test
def node_pools_fit_the_providers_schemas():
    files = terraform_files()
    assert sorted(files) == ["aws/main.tf.json", "azure/main.tf.json", "gcp/main.tf.json"]
    assert check_terraform(files) == []
    text = json.dumps(files)
    assert not re.search(r"(access_key|secret|password|token|credentials)", text), "no credentials"
    pools = files["aws/main.tf.json"]["resource"]["aws_eks_node_group"]
    spot = next(p for n, p in pools.items() if "spot" in n)
    assert spot["capacity_type"] == "SPOT" and spot["scaling_config"] == {"desired_size": 40, "max_size": 60, "min_size": 40}
    azure = files["azure/main.tf.json"]["resource"]["azurerm_kubernetes_cluster_node_pool"].values()
    assert len({p["name"] for p in azure}) == len(azure)
    gcp = list(files["gcp/main.tf.json"]["resource"]["google_container_node_pool"].values())[0]["node_config"]
    assert gcp["machine_type"] == "n1-standard-4" and gcp["spot"] is True
    assert gcp["guest_accelerator"][0]["type"] == "nvidia-tesla-t4"


@test
def a_broken_node_pool_is_noticed():
    def pool(files, path):
        return next(iter(next(iter(files[path]["resource"].values())).values()))
    for path, change, expected in (
            ("aws/main.tf.json", lambda p: p.pop("subnet_ids"), "subnet_ids is missing"),
            ("aws/main.tf.json", lambda p: p.update(capacity_typ="SPOT"), "no such argument"),
            ("aws/main.tf.json", lambda p: p["scaling_config"].update(min_size="1"), "expected a number"),
            ("aws/main.tf.json", lambda p: p.update(provider="aws.elsewhere"), "no provider"),
            ("azure/main.tf.json", lambda p: p.update(priority="Regular", spot_max_price=-1), "only with"),
            ("azure/main.tf.json", lambda p: p.update(name="thirteen-char"), "too long"),
            ("gcp/main.tf.json", lambda p: p["node_config"]["taint"][0].update(effect="NoSchedule"), "NoSchedule")):
        files = terraform_files()
        change(pool(files, path))
        errors = check_terraform(files)
        assert any(expected in e for e in errors), (expected, errors)


@test
def terraform_reads_the_files():
    """Without any plug-in: structure, names of settings, provider and variable blocks."""
    if not shutil.which("terraform"):
        print("SKIPPED terraform providers: terraform is not here", flush=True)
        return
    with Rendered("terraform") as rendered:
        for path in rendered.files("*/main.tf.json"):
            def read():
                return subprocess.run(["terraform", "providers"], cwd=os.path.dirname(path), capture_output=True,
                                      text=True, timeout=60)
            done = read()
            assert done.returncode == 0 and "hashicorp/" in done.stdout, done.stderr
            with open(path) as f:
                text = f.read()
            with open(path, "w") as f:
                f.write(text.replace("required_version", "requird_version"))
            assert read().returncode != 0, "a broken file must be noticed"


@test
def terraform_itself_agrees_where_its_plug_ins_are():
    plugins = os.environ.get("TF_PLUGIN_CACHE_DIR") or os.path.expanduser("~/.terraform.d/plugins")
    if not shutil.which("terraform") or not os.path.isdir(os.path.join(plugins, "registry.terraform.io")):
        print("SKIPPED terraform validate: no terraform, or no providers under TF_PLUGIN_CACHE_DIR or "
              "~/.terraform.d/plugins", flush=True)
        return
    with Rendered("terraform") as rendered:
        for folder in rendered.files("*"):
            if not os.path.isdir(folder):
                continue
            for words in (("init", "-backend=false", "-input=false", f"-plugin-dir={plugins}"), ("validate",)):
                done = subprocess.run(["terraform", *words], cwd=folder, capture_output=True, text=True, timeout=300)
                assert done.returncode == 0, (folder, done.stdout + done.stderr)


# ---- systemd -------------------------------------------------------------------------------------------------------

@test
def units_are_what_systemd_accepts_and_calls_safe():
    with Rendered("systemd") as rendered:
        names = sorted(os.path.basename(f) for f in rendered.files())
        assert names == ["chat-box-own.service", "chat-box-own.yaml", "farspan-gateway.service", "farspan.env",
                         "farspan.sysusers", "farspan.target", "gateway.yaml", "hosts", "yes-box-own.service",
                         "yes-box-own.yaml"], names
        with open(os.path.join(rendered.folder, "own-lab/hosts")) as f:
            assert f.read().count("ADDRESS") == 3
        for path in rendered.files("*/*.yaml"):
            with open(path) as f:
                text = f.read().replace("/var/lib/farspan/models", os.path.join(ROOT, "models"))
            with open(path, "w") as f:
                f.write(text)
            done = subprocess.run([FARSPAN, "check", path], capture_output=True, text=True, timeout=10)
            assert done.returncode == 0, (path, done.stdout)
        if not shutil.which("systemd-analyze"):
            print("SKIPPED systemd-analyze verify: it is not here", flush=True)
            return
        units = rendered.files("*/*.service")
        for path in units:
            with open(path) as f:
                text = f.read().replace("/usr/bin/farspan", FARSPAN)
            with open(path, "w") as f:
                f.write(text)
        verify = ["systemd-analyze", "verify", "--man=no", *units, *rendered.files("*/*.target")]
        done = subprocess.run(verify, capture_output=True, text=True, timeout=60)
        complaints = [line for line in done.stderr.splitlines() if rendered.folder in line or ".service:" in line]
        assert not complaints, complaints
        for path in units:
            done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", path],
                                  capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, (path, done.stdout[-200:] + done.stderr)
        with open(units[0], "a") as f:
            f.write("[Service]\nProtectSistem=strict\n")
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", units[0]], capture_output=True, text=True,
                              timeout=60)
        assert "ProtectSistem" in done.stderr, "a broken unit must be noticed"


if __name__ == "__main__":
    raise SystemExit(main())
