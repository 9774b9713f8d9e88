/* render_kubernetes.c: one folder a region: what an administrator applies once (00-setup), the
 * network, the gateway, a file a workload, and a kustomization that names them. */
#include "base/check.h"
#include "deploy/render_kube.h"

static const struct render_paths paths = {"/etc/farspan/keys", "/var/lib/farspan/models"};

void render_kube_address(const struct render_world *world, const struct render_workload *workload,
                         uint32_t index, struct text *url)
{
    (void)index;
    text_add(url, "http://%s.%.*s.svc:%d", workload->name, SPAN_ARG(world->request->space),
             RENDER_WORKER_PORT);
}

/* ---- heads ---------------------------------------------------------------------------------- */

static void put_labels(struct render_kube *kube, const struct render_workload *workload)
{
    struct yaml *yaml = &kube->yaml;
    yaml_put_map(yaml, "labels");
    yaml_put(yaml, "app.kubernetes.io/name", "farspan");
    yaml_put(yaml, "app.kubernetes.io/instance", kube->world->label);
    yaml_put(yaml, "app.kubernetes.io/managed-by", "farspan");
    yaml_put(yaml, "app.kubernetes.io/part-of", kube->world->label);
    yaml_put_span(yaml, "app.kubernetes.io/version", kube->world->request->version);
    yaml_key(yaml, "farspan.dev/epoch");
    yaml_add(yaml, "%llu", (unsigned long long)kube->world->epoch);
    yaml_put(yaml, "farspan.dev/region", kube->region->label);
    if (workload) {
        char label[RENDER_LABEL_MAX + 1];
        render_label(workload->service->name, label, sizeof label);
        yaml_put(yaml, "farspan.dev/service", label);
        yaml_put_span(yaml, "farspan.dev/sku", workload->row->sku);
        yaml_put(yaml, "farspan.dev/market", render_market_name(workload->market));
    }
    yaml_end(yaml);
}

static void begin_document(struct render_kube *kube, const char *api, const char *kind)
{
    yaml_document(&kube->yaml);
    yaml_map(&kube->yaml);
    yaml_put(&kube->yaml, "apiVersion", api);
    yaml_put(&kube->yaml, "kind", kind);
    yaml_put_map(&kube->yaml, "metadata");
}

void render_kube_begin(struct render_kube *kube, const char *api, const char *kind,
                       const char *name, const struct render_workload *workload)
{
    begin_document(kube, api, kind);
    yaml_put(&kube->yaml, "name", name);
    yaml_put_span(&kube->yaml, "namespace", kube->world->request->space);
    put_labels(kube, workload);
    yaml_end(&kube->yaml);
}

void render_kube_begin_global(struct render_kube *kube, const char *api, const char *kind)
{
    begin_document(kube, api, kind);
    yaml_put_span(&kube->yaml, "name", kube->world->request->space);
}

void render_kube_selector(struct render_kube *kube, const char *key, const char *workload)
{
    yaml_put_map(&kube->yaml, key);
    yaml_put(&kube->yaml, "app.kubernetes.io/name", "farspan");
    yaml_put(&kube->yaml, "app.kubernetes.io/instance", kube->world->label);
    yaml_put(&kube->yaml, "farspan.dev/workload", workload);
    yaml_end(&kube->yaml);
}

/* ---- set-up --------------------------------------------------------------------------------- */

static void put_namespace(struct render_kube *kube)
{
    struct yaml *yaml = &kube->yaml;
    render_kube_begin_global(kube, "v1", "Namespace");
    yaml_put_map(yaml, "labels");
    yaml_put(yaml, "app.kubernetes.io/name", "farspan");
    yaml_put(yaml, "app.kubernetes.io/managed-by", "farspan");
    yaml_put(yaml, "pod-security.kubernetes.io/enforce", "restricted");
    yaml_put(yaml, "pod-security.kubernetes.io/warn", "restricted");
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
}

static void put_account(struct render_kube *kube, const char *name)
{
    render_kube_begin(kube, "v1", "ServiceAccount", name, NULL);
    yaml_put_bool(&kube->yaml, "automountServiceAccountToken", false);
    yaml_end(&kube->yaml);
}

struct rule {
    const char *group;
    const char *resources[3]; /* NULL: no more */
};

/* What `apply` touches, and nothing that holds a secret. */
static const struct rule rules[] = {
    {"", {"configmaps", "services", NULL}},
    {"apps", {"deployments", NULL, NULL}},
    {"autoscaling", {"horizontalpodautoscalers", NULL, NULL}},
    {"networking.k8s.io", {"networkpolicies", NULL, NULL}},
    {"policy", {"poddisruptionbudgets", NULL, NULL}},
};

static void put_list_of(struct yaml *yaml, const char *key, const char *const *words, size_t count)
{
    yaml_put_list(yaml, key);
    for (size_t i = 0; i < count && words[i]; i++)
        yaml_str(yaml, words[i]);
    yaml_end(yaml);
}

static void put_role(struct render_kube *kube)
{
    static const char *const verbs[] = {"get", "list", "watch", "create", "patch", "delete"};
    static const char *const reads[] = {"get", "list", "watch"};
    static const char *const pods[] = {"pods", "events"};
    struct yaml *yaml = &kube->yaml;
    render_kube_begin(kube, "rbac.authorization.k8s.io/v1", "Role", "farspan-deployer", NULL);
    yaml_put_list(yaml, "rules");
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        yaml_map(yaml);
        put_list_of(yaml, "apiGroups", &rules[i].group, 1);
        put_list_of(yaml, "resources", rules[i].resources, COUNT_OF(rules[i].resources));
        put_list_of(yaml, "verbs", verbs, COUNT_OF(verbs));
        yaml_end(yaml);
    }
    yaml_map(yaml);
    put_list_of(yaml, "apiGroups", &rules[0].group, 1);
    put_list_of(yaml, "resources", pods, COUNT_OF(pods));
    put_list_of(yaml, "verbs", reads, COUNT_OF(reads));
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
}

static void put_binding(struct render_kube *kube)
{
    struct yaml *yaml = &kube->yaml;
    render_kube_begin(kube, "rbac.authorization.k8s.io/v1", "RoleBinding", "farspan-deployer",
                      NULL);
    yaml_put_map(yaml, "roleRef");
    yaml_put(yaml, "apiGroup", "rbac.authorization.k8s.io");
    yaml_put(yaml, "kind", "Role");
    yaml_put(yaml, "name", "farspan-deployer");
    yaml_end(yaml);
    yaml_put_list(yaml, "subjects");
    yaml_map(yaml);
    yaml_put(yaml, "kind", "ServiceAccount");
    yaml_put(yaml, "name", "farspan-deployer");
    yaml_put_span(yaml, "namespace", kube->world->request->space);
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
}

/* The names of the keys; their values are the user's. Without a "data" field the server leaves what
 * another field manager has put there alone. */
static void put_secret(struct render_kube *kube)
{
    struct yaml *yaml = &kube->yaml;
    const struct fleet *fleet = kube->world->request->fleet;
    char buffer[4096];
    struct text names;
    text_init(&names, buffer, sizeof buffer);
    text_add(&names, "inner.key");
    if (fleet->key_count == 0)
        text_add(&names, " client.key");
    for (uint16_t i = 0; i < fleet->key_count; i++) {
        if (render_key_is_file(&fleet->keys[i]) && render_key_is_used(&kube->gateway, i))
            text_add(&names, " %.*s.key", SPAN_ARG(fleet->keys[i].name));
    }
    begin_document(kube, "v1", "Secret");
    yaml_put(yaml, "name", "farspan-keys");
    yaml_put_span(yaml, "namespace", kube->world->request->space);
    put_labels(kube, NULL);
    yaml_put_map(yaml, "annotations");
    yaml_put_span(yaml, "farspan.dev/keys", text_span(&names));
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_put(yaml, "type", "Opaque");
    yaml_end(yaml);
}

/* ---- network -------------------------------------------------------------------------------- */

static void put_port(struct yaml *yaml, const char *protocol, unsigned port)
{
    yaml_map(yaml);
    yaml_put(yaml, "protocol", protocol);
    yaml_put_u64(yaml, "port", port);
    yaml_end(yaml);
}

static void begin_policy(struct render_kube *kube, const char *name)
{
    render_kube_begin(kube, "networking.k8s.io/v1", "NetworkPolicy", name, NULL);
    yaml_put_map(&kube->yaml, "spec");
}

static void put_types(struct yaml *yaml, bool has_egress)
{
    yaml_put_list(yaml, "policyTypes");
    yaml_str(yaml, "Ingress");
    if (has_egress)
        yaml_str(yaml, "Egress");
    yaml_end(yaml);
}

static void put_component(struct render_kube *kube, const char *key, const char *component)
{
    yaml_put_map(&kube->yaml, key);
    yaml_put_map(&kube->yaml, "matchLabels");
    yaml_put(&kube->yaml, "app.kubernetes.io/name", "farspan");
    yaml_put(&kube->yaml, "app.kubernetes.io/instance", kube->world->label);
    yaml_put(&kube->yaml, "app.kubernetes.io/component", component);
    yaml_end(&kube->yaml);
    yaml_end(&kube->yaml);
}

/* Nothing in, nothing out, unless another policy says so. */
static void put_deny(struct render_kube *kube)
{
    begin_policy(kube, "farspan-deny");
    yaml_put_map(&kube->yaml, "podSelector");
    yaml_end(&kube->yaml);
    put_types(&kube->yaml, true);
    yaml_end(&kube->yaml);
    yaml_end(&kube->yaml);
}

/* /metrics for namespaces that carry the label. */
static void put_metrics_reader(struct yaml *yaml, unsigned port)
{
    yaml_map(yaml);
    yaml_put_list(yaml, "from");
    yaml_map(yaml);
    yaml_put_map(yaml, "namespaceSelector");
    yaml_put_map(yaml, "matchLabels");
    yaml_put(yaml, "farspan.dev/metrics", "true");
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_put_list(yaml, "ports");
    put_port(yaml, "TCP", port);
    yaml_end(yaml);
    yaml_end(yaml);
}

/* The cluster's name service, and the cache of it that some clusters run on each node. */
static void put_dns_rule(struct yaml *yaml)
{
    yaml_map(yaml);
    yaml_put_list(yaml, "to");
    yaml_map(yaml);
    yaml_put_map(yaml, "namespaceSelector");
    yaml_put_map(yaml, "matchLabels");
    yaml_put(yaml, "kubernetes.io/metadata.name", "kube-system");
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_map(yaml);
    yaml_put_map(yaml, "ipBlock");
    yaml_put(yaml, "cidr", "169.254.20.10/32");
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_put_list(yaml, "ports");
    put_port(yaml, "UDP", 53);
    put_port(yaml, "TCP", 53);
    yaml_end(yaml);
    yaml_end(yaml);
}

/* Clients come from anywhere; out it goes to the workloads, to names, and to other regions. */
static void put_gateway_policy(struct render_kube *kube)
{
    struct yaml *yaml = &kube->yaml;
    begin_policy(kube, "farspan-gateway");
    put_component(kube, "podSelector", "gateway");
    put_types(yaml, true);
    yaml_put_list(yaml, "ingress");
    yaml_map(yaml);
    yaml_put_list(yaml, "ports");
    put_port(yaml, "TCP", RENDER_CLIENT_PORT);
    if (kube->has_entry)
        put_port(yaml, "TCP", RENDER_ENTRY_PORT);
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_put_list(yaml, "egress");
    put_dns_rule(yaml);
    yaml_map(yaml);
    yaml_put_list(yaml, "to");
    yaml_map(yaml);
    put_component(kube, "podSelector", "worker");
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_put_list(yaml, "ports");
    put_port(yaml, "TCP", RENDER_WORKER_PORT);
    yaml_end(yaml);
    yaml_end(yaml);
    if (kube->has_entry) {
        yaml_map(yaml);
        yaml_put_list(yaml, "ports");
        put_port(yaml, "TCP", 443);
        yaml_end(yaml);
        yaml_end(yaml);
    }
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
}

static void put_worker_policy(struct render_kube *kube)
{
    struct yaml *yaml = &kube->yaml;
    begin_policy(kube, "farspan-worker");
    put_component(kube, "podSelector", "worker");
    put_types(yaml, false);
    yaml_put_list(yaml, "ingress");
    yaml_map(yaml);
    yaml_put_list(yaml, "from");
    yaml_map(yaml);
    put_component(kube, "podSelector", "gateway");
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_put_list(yaml, "ports");
    put_port(yaml, "TCP", RENDER_WORKER_PORT);
    yaml_end(yaml);
    yaml_end(yaml);
    put_metrics_reader(yaml, RENDER_WORKER_PORT);
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
}

/* ---- files ---------------------------------------------------------------------------------- */

static void put_kustomization(struct render_kube *kube, const struct render_files *files,
                              uint32_t first)
{
    struct yaml *yaml = &kube->yaml;
    yaml_map(yaml);
    yaml_put(yaml, "apiVersion", "kustomize.config.k8s.io/v1beta1");
    yaml_put(yaml, "kind", "Kustomization");
    yaml_put_list(yaml, "resources");
    for (uint32_t i = first; i < files->count; i++)
        yaml_span(yaml, render_base_name(span_of(files->file[i].path)));
    yaml_end(yaml);
    yaml_end(yaml);
}

static void write_region(struct render_kube *kube, struct render_files *files)
{
    const char *folder = kube->region->label;
    uint32_t first = files->count;
    render_file_begin(files, "%s/00-setup.yaml", folder);
    put_namespace(kube);
    put_account(kube, "farspan");
    put_account(kube, "farspan-deployer");
    put_role(kube);
    put_binding(kube);
    put_secret(kube);
    render_file_end(files);
    render_file_begin(files, "%s/10-network.yaml", folder);
    put_deny(kube);
    put_gateway_policy(kube);
    put_worker_policy(kube);
    render_file_end(files);
    render_file_begin(files, "%s/20-gateway.yaml", folder);
    render_kube_gateway(kube);
    render_file_end(files);
    for (uint32_t i = 0; i < kube->region->workload_count; i++) {
        const struct render_workload *workload =
            &kube->world->workloads[kube->region->workload_first + i];
        render_file_begin(files, "%s/30-%s.yaml", folder, workload->name);
        render_kube_workload(kube, workload);
        render_file_end(files);
    }
    render_file_begin(files, "%s/kustomization.yaml", folder);
    put_kustomization(kube, files, first);
    render_file_end(files);
}

/* A gateway that nobody may use would not start. */
static enum err check_keys(const struct render_kube *kube, struct text *why)
{
    const struct fleet *fleet = kube->world->request->fleet;
    for (uint16_t i = 0; i < fleet->key_count; i++) {
        if (render_key_is_used(&kube->gateway, i))
            return ERR_OK;
    }
    if (fleet->key_count == 0)
        return ERR_OK;
    text_add(why, "region %.*s: the residency of every key forbids its zone %.*s",
             SPAN_ARG(kube->region->name), SPAN_ARG(kube->region->zone));
    return ERR_VALUE;
}

enum err render_kubernetes(const struct render_world *world, struct arena *arena,
                           struct render_files *files, struct text *why)
{
    char *memory = arena_take(arena, LIMIT_CONFIG_BYTES);
    if (!memory)
        return ERR_MEMORY;
    struct text scratch;
    text_init(&scratch, memory, LIMIT_CONFIG_BYTES);
    for (uint32_t i = 0; i < world->region_count; i++) {
        const struct render_region *region = &world->regions[i];
        struct render_kube kube = {
            .world = world,
            .region = region,
            .gateway = {world, region, paths, render_kube_address, false, false},
            .entry = {world, region, paths, render_kube_address, true, false},
            .has_entry = world->request->url_count > 0,
            .scratch = &scratch,
        };
        yaml_init(&kube.yaml, files->text);
        enum err err = check_keys(&kube, why);
        if (err)
            return err;
        write_region(&kube, files);
        if (kube.is_too_long) {
            text_add(why, "region %.*s: the gateway's farspan.yaml would be longer than %d bytes",
                     SPAN_ARG(region->name), LIMIT_CONFIG_BYTES);
            return ERR_VALUE;
        }
    }
    return files->text->is_cut ? ERR_FULL : ERR_OK;
}
