/* render_pods.c: what runs in a region's cluster: the gateway, and a Deployment a workload.
 *
 * A worker pod is `farspan up` of one service (render.h). It is ready when its own gateway would
 * answer a request (`farspan explain` ends with 0), alive when that gateway answers /healthz. It is
 * stopped in two steps: the pod leaves its Service and goes on answering what is open (preStop
 * sleeps for the service's timeout), then SIGTERM ends it within 5 s. */
#include "base/check.h"
#include "base/crypto.h"
#include "deploy/render_kube.h"

enum {
    STOP_S = 6,             /* from SIGTERM to the end of `farspan up` */
    LOAD_S_MAX = 900,       /* a model may take so long to load */
    CPU_SHARE_PERCENT = 70, /* of a machine: what a node keeps for itself is beyond it, and a
                               second replica finds no room */
    MEMORY_SHARE_PERCENT = 60,
    GATEWAY_CPU_PERCENT = 80, /* fallback bounds of the autoscaler */
    WORKER_CPU_PERCENT = 90,
    CONFIG_DIGITS = 16
};

static const char program[] = "/usr/bin/farspan";

/* ---- small parts ---------------------------------------------------------------------------- */

static void put_config_hash(struct render_kube *kube, struct span config)
{
    uint8_t digest[CRYPTO_SHA256_SIZE];
    char hex[2 * CRYPTO_SHA256_SIZE + 1];
    crypto_sha256(config, digest);
    crypto_hex(digest, sizeof digest, hex);
    yaml_put_span(&kube->yaml, "farspan.dev/config", span_from(hex, CONFIG_DIGITS));
}

static void put_pod_labels(struct render_kube *kube, const char *component, const char *workload)
{
    struct yaml *yaml = &kube->yaml;
    yaml_put_map(yaml, "labels");
    yaml_put(yaml, "app.kubernetes.io/name", "farspan");
    yaml_put(yaml, "app.kubernetes.io/instance", kube->world->label);
    yaml_put(yaml, "app.kubernetes.io/component", component);
    yaml_put(yaml, "app.kubernetes.io/managed-by", "farspan");
    yaml_put(yaml, "farspan.dev/region", kube->region->label);
    yaml_put(yaml, "farspan.dev/workload", workload);
    yaml_end(yaml);
}

static void put_pod_security(struct yaml *yaml)
{
    yaml_put_map(yaml, "securityContext");
    yaml_put_bool(yaml, "runAsNonRoot", true);
    yaml_put_u64(yaml, "runAsUser", RENDER_USER_ID);
    yaml_put_u64(yaml, "runAsGroup", RENDER_USER_ID);
    yaml_put_u64(yaml, "fsGroup", RENDER_USER_ID);
    yaml_put(yaml, "fsGroupChangePolicy", "OnRootMismatch");
    yaml_put_map(yaml, "seccompProfile");
    yaml_put(yaml, "type", "RuntimeDefault");
    yaml_end(yaml);
    yaml_end(yaml);
}

static void put_container_security(struct yaml *yaml)
{
    yaml_put_map(yaml, "securityContext");
    yaml_put_bool(yaml, "allowPrivilegeEscalation", false);
    yaml_put_bool(yaml, "readOnlyRootFilesystem", true);
    yaml_put_map(yaml, "capabilities");
    yaml_put_list(yaml, "drop");
    yaml_str(yaml, "ALL");
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
}

static void put_mount(struct yaml *yaml, const char *name, const char *path, bool is_read_only)
{
    yaml_map(yaml);
    yaml_put(yaml, "name", name);
    yaml_put(yaml, "mountPath", path);
    if (is_read_only)
        yaml_put_bool(yaml, "readOnly", true);
    yaml_end(yaml);
}

static void put_config_volume(struct yaml *yaml, const char *config_map)
{
    yaml_map(yaml);
    yaml_put(yaml, "name", "config");
    yaml_put_map(yaml, "configMap");
    yaml_put(yaml, "name", config_map);
    yaml_end(yaml);
    yaml_end(yaml);
}

/* Keys are readable by the pod's group only (fsGroup). */
static void begin_keys_volume(struct yaml *yaml)
{
    yaml_map(yaml);
    yaml_put(yaml, "name", "keys");
    yaml_put_map(yaml, "secret");
    yaml_put(yaml, "secretName", "farspan-keys");
    yaml_put_u64(yaml, "defaultMode", 0440);
    yaml_put_list(yaml, "items");
}

static void put_key_item(struct yaml *yaml, const char *name)
{
    yaml_map(yaml);
    yaml_put(yaml, "key", name);
    yaml_put(yaml, "path", name);
    yaml_end(yaml);
}

static void end_keys_volume(struct yaml *yaml)
{
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
}

static void put_times(struct yaml *yaml, unsigned period_s, unsigned timeout_s, unsigned failures)
{
    yaml_put_u64(yaml, "periodSeconds", period_s);
    yaml_put_u64(yaml, "timeoutSeconds", timeout_s);
    yaml_put_u64(yaml, "failureThreshold", failures);
}

static void put_http_probe(struct yaml *yaml, const char *key, const char *port, unsigned failures)
{
    yaml_put_map(yaml, key);
    yaml_put_map(yaml, "httpGet");
    yaml_put(yaml, "path", "/healthz");
    yaml_put(yaml, "port", port);
    yaml_end(yaml);
    put_times(yaml, 5, 2, failures);
    yaml_end(yaml);
}

/* Would a request of the service be answered? Sends none. */
static void put_explain_probe(struct yaml *yaml, const char *key, struct span service,
                              unsigned period_s, unsigned failures)
{
    yaml_put_map(yaml, key);
    yaml_put_map(yaml, "exec");
    yaml_put_list(yaml, "command");
    yaml_str(yaml, program);
    yaml_str(yaml, "explain");
    yaml_str(yaml, "--state");
    yaml_str(yaml, "/var/lib/farspan/state");
    yaml_str(yaml, "--service");
    yaml_span(yaml, service);
    yaml_end(yaml);
    yaml_end(yaml);
    put_times(yaml, period_s, 5, failures);
    yaml_end(yaml);
}

static void put_stop_hook(struct yaml *yaml, uint32_t drain_s)
{
    yaml_put_map(yaml, "lifecycle");
    yaml_put_map(yaml, "preStop");
    yaml_put_map(yaml, "sleep");
    yaml_put_u64(yaml, "seconds", drain_s);
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
}

static void put_container_port(struct yaml *yaml, const char *name, unsigned port)
{
    yaml_put_list(yaml, "ports");
    yaml_map(yaml);
    yaml_put(yaml, "name", name);
    yaml_put_u64(yaml, "containerPort", port);
    yaml_put(yaml, "protocol", "TCP");
    yaml_end(yaml);
    yaml_end(yaml);
}

static void put_spread(struct render_kube *kube, const char *topology, const char *workload)
{
    struct yaml *yaml = &kube->yaml;
    yaml_map(yaml);
    yaml_put_u64(yaml, "maxSkew", 1);
    yaml_put(yaml, "topologyKey", topology);
    yaml_put(yaml, "whenUnsatisfiable", "ScheduleAnyway");
    yaml_put_map(yaml, "labelSelector");
    render_kube_selector(kube, "matchLabels", workload);
    yaml_end(yaml);
    yaml_end(yaml);
}

static void put_spreads(struct render_kube *kube, const char *workload)
{
    yaml_put_list(&kube->yaml, "topologySpreadConstraints");
    put_spread(kube, "topology.kubernetes.io/zone", workload);
    put_spread(kube, "kubernetes.io/hostname", workload);
    yaml_end(&kube->yaml);
}

/* ---- companions ----------------------------------------------------------------------------- */

static void put_service(struct render_kube *kube, const struct render_workload *workload,
                        const char *name, const char *selected, unsigned port, const char *target)
{
    struct yaml *yaml = &kube->yaml;
    render_kube_begin(kube, "v1", "Service", name, workload);
    yaml_put_map(yaml, "spec");
    yaml_put(yaml, "type", "ClusterIP");
    render_kube_selector(kube, "selector", selected);
    yaml_put_list(yaml, "ports");
    yaml_map(yaml);
    yaml_put(yaml, "name", target);
    yaml_put_u64(yaml, "port", port);
    yaml_put(yaml, "targetPort", target);
    yaml_put(yaml, "protocol", "TCP");
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
}

/* One in ten may leave at a time, at least one. */
static void put_budget(struct render_kube *kube, const struct render_workload *workload,
                       const char *name, uint32_t count)
{
    struct yaml *yaml = &kube->yaml;
    render_kube_begin(kube, "policy/v1", "PodDisruptionBudget", name, workload);
    yaml_put_map(yaml, "spec");
    yaml_put_u64(yaml, "maxUnavailable", count < 20 ? 1 : count / 10);
    yaml_put_map(yaml, "selector");
    render_kube_selector(kube, "matchLabels", name);
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
}

/* A gateway and a replica without accelerator: by processor. With one the processor says nothing:
 * by requests under way, when all slots of the average replica are taken. */
static void put_metric(struct yaml *yaml, const struct render_workload *workload)
{
    bool has_accelerator = workload && workload->sku && workload->sku->accelerator_count > 0;
    yaml_map(yaml);
    yaml_put(yaml, "type", has_accelerator ? "Pods" : "Resource");
    if (has_accelerator) {
        yaml_put_map(yaml, "pods");
        yaml_put_map(yaml, "metric");
        yaml_put(yaml, "name", "farspan_requests_in_flight");
        yaml_end(yaml);
        yaml_put_map(yaml, "target");
        yaml_put(yaml, "type", "AverageValue");
        yaml_key(yaml, "averageValue");
        yaml_add(yaml, "%u", workload->slots);
    } else {
        yaml_put_map(yaml, "resource");
        yaml_put(yaml, "name", "cpu");
        yaml_put_map(yaml, "target");
        yaml_put(yaml, "type", "Utilization");
        yaml_put_u64(yaml, "averageUtilization",
                     workload ? WORKER_CPU_PERCENT : GATEWAY_CPU_PERCENT);
    }
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
}

/* Never below the plan, never above 1.5 times of it: what the next plan finds is near this one. */
static void put_autoscaler(struct render_kube *kube, const struct render_workload *workload,
                           const char *name, uint32_t count)
{
    struct yaml *yaml = &kube->yaml;
    render_kube_begin(kube, "autoscaling/v2", "HorizontalPodAutoscaler", name, workload);
    yaml_put_map(yaml, "spec");
    yaml_put_map(yaml, "scaleTargetRef");
    yaml_put(yaml, "apiVersion", "apps/v1");
    yaml_put(yaml, "kind", "Deployment");
    yaml_put(yaml, "name", name);
    yaml_end(yaml);
    yaml_put_u64(yaml, "minReplicas", count);
    yaml_put_u64(yaml, "maxReplicas", render_count_max(count));
    yaml_put_list(yaml, "metrics");
    put_metric(yaml, workload);
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
}

/* A new replica is ready before an old one goes: that takes one machine more for a while. */
static void begin_deployment(struct render_kube *kube, const struct render_workload *workload,
                             const char *name, const char *component, uint32_t count)
{
    struct yaml *yaml = &kube->yaml;
    render_kube_begin(kube, "apps/v1", "Deployment", name, workload);
    yaml_put_map(yaml, "spec");
    yaml_put_u64(yaml, "replicas", count);
    yaml_put_u64(yaml, "revisionHistoryLimit", 3);
    yaml_put_u64(yaml, "progressDeadlineSeconds", LOAD_S_MAX + 300);
    yaml_put_map(yaml, "strategy");
    yaml_put(yaml, "type", "RollingUpdate");
    yaml_put_map(yaml, "rollingUpdate");
    yaml_put_u64(yaml, "maxSurge", 1);
    yaml_put_u64(yaml, "maxUnavailable", 0);
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_put_map(yaml, "selector");
    render_kube_selector(kube, "matchLabels", name);
    yaml_end(yaml);
    yaml_put_map(yaml, "template");
    yaml_put_map(yaml, "metadata");
    put_pod_labels(kube, component, name);
    yaml_put_map(yaml, "annotations");
    put_config_hash(kube, text_span(kube->scratch));
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_put_map(yaml, "spec");
    yaml_put(yaml, "serviceAccountName", "farspan");
    yaml_put_bool(yaml, "automountServiceAccountToken", false);
    yaml_put_bool(yaml, "enableServiceLinks", false);
}

static void end_deployment(struct yaml *yaml)
{
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
}

/* ---- the gateway ---------------------------------------------------------------------------- */

static uint32_t gateway_drain_s(const struct render_kube *kube)
{
    uint32_t longest = 5;
    for (uint32_t i = 0; i < kube->region->workload_count; i++) {
        struct render_workload workload = kube->world->workloads[kube->region->workload_first + i];
        workload.market = RENDER_ON_DEMAND; /* a gateway's own machine is no spot machine */
        uint32_t drain_s = render_drain_s(kube->region, &workload);
        longest = drain_s > longest ? drain_s : longest;
    }
    return longest;
}

static void put_gateway_container(struct render_kube *kube, const char *name, const char *file,
                                  unsigned port, uint32_t drain_s)
{
    struct yaml *yaml = &kube->yaml;
    yaml_map(yaml);
    yaml_put(yaml, "name", name);
    yaml_put_span(yaml, "image", kube->world->request->image);
    yaml_put_list(yaml, "command");
    yaml_str(yaml, program);
    yaml_str(yaml, "gateway");
    yaml_str(yaml, "-f");
    yaml_str(yaml, file);
    yaml_str(yaml, "--region");
    yaml_span(yaml, kube->region->name);
    yaml_end(yaml);
    put_container_port(yaml, name, port);
    put_http_probe(yaml, "readinessProbe", name, 1);
    put_http_probe(yaml, "livenessProbe", name, 6);
    put_stop_hook(yaml, drain_s);
    yaml_put_map(yaml, "resources");
    yaml_put_map(yaml, "requests");
    yaml_put(yaml, "cpu", "500m");
    yaml_put(yaml, "memory", "256Mi");
    yaml_end(yaml);
    yaml_put_map(yaml, "limits");
    yaml_put(yaml, "memory", "1Gi");
    yaml_end(yaml);
    yaml_end(yaml);
    put_container_security(yaml);
    yaml_put_list(yaml, "volumeMounts");
    put_mount(yaml, "config", "/etc/farspan/config", true);
    put_mount(yaml, "keys", "/etc/farspan/keys", true);
    yaml_end(yaml);
    yaml_end(yaml);
}

static void put_gateway_keys(struct render_kube *kube)
{
    struct yaml *yaml = &kube->yaml;
    const struct fleet *fleet = kube->world->request->fleet;
    begin_keys_volume(yaml);
    put_key_item(yaml, "inner.key");
    if (fleet->key_count == 0)
        put_key_item(yaml, "client.key");
    for (uint16_t i = 0; i < fleet->key_count; i++) {
        char name[LIMIT_NAME + 8];
        struct text text;
        if (!render_key_is_file(&fleet->keys[i]) || !render_key_is_used(&kube->gateway, i))
            continue;
        text_init(&text, name, sizeof name);
        text_add(&text, "%.*s.key", SPAN_ARG(fleet->keys[i].name));
        put_key_item(yaml, name);
    }
    end_keys_volume(yaml);
}

/* Both configurations lie in the scratch text when this returns: they make the pods' hash. */
static void put_gateway_config(struct render_kube *kube)
{
    struct yaml *yaml = &kube->yaml;
    text_truncate(kube->scratch, 0);
    render_config_gateway(&kube->gateway, kube->scratch);
    size_t size = kube->scratch->n;
    if (kube->has_entry)
        render_config_gateway(&kube->entry, kube->scratch);
    if (kube->scratch->is_cut) {
        kube->is_too_long = true;
        return;
    }
    render_kube_begin(kube, "v1", "ConfigMap", "farspan-gateway", NULL);
    yaml_put_map(yaml, "data");
    yaml_key(yaml, "gateway.yaml");
    yaml_block(yaml, span_from(kube->scratch->p, size));
    if (kube->has_entry) {
        yaml_key(yaml, "entry.yaml");
        yaml_block(yaml, span_from(kube->scratch->p + size, kube->scratch->n - size));
    }
    yaml_end(yaml);
    yaml_end(yaml);
}

void render_kube_gateway(struct render_kube *kube)
{
    struct yaml *yaml = &kube->yaml;
    uint32_t count = kube->world->request->gateway_count, drain_s = gateway_drain_s(kube);
    put_gateway_config(kube);
    begin_deployment(kube, NULL, "farspan-gateway", "gateway", count);
    yaml_put_u64(yaml, "terminationGracePeriodSeconds", drain_s + STOP_S + 4);
    put_pod_security(yaml);
    put_spreads(kube, "farspan-gateway");
    yaml_put_list(yaml, "containers");
    put_gateway_container(kube, "http", "/etc/farspan/config/gateway.yaml", RENDER_CLIENT_PORT,
                          drain_s);
    if (kube->has_entry)
        put_gateway_container(kube, "entry", "/etc/farspan/config/entry.yaml", RENDER_ENTRY_PORT,
                              drain_s);
    yaml_end(yaml);
    yaml_put_list(yaml, "volumes");
    put_config_volume(yaml, "farspan-gateway");
    put_gateway_keys(kube);
    yaml_end(yaml);
    end_deployment(yaml);
    put_service(kube, NULL, "farspan-gateway", "farspan-gateway", 80, "http");
    if (kube->has_entry)
        put_service(kube, NULL, "farspan-entry", "farspan-gateway", 80, "entry");
    put_budget(kube, NULL, "farspan-gateway", count);
    put_autoscaler(kube, NULL, "farspan-gateway", count);
}

/* ---- a workload ----------------------------------------------------------------------------- */

static void put_match(struct yaml *yaml, const char *key, const char *operator, struct span value)
{
    yaml_map(yaml);
    yaml_put(yaml, "key", key);
    yaml_put(yaml, "operator", operator);
    yaml_put_list(yaml, "values");
    yaml_span(yaml, value);
    yaml_end(yaml);
    yaml_end(yaml);
}

/* How each cloud marks its spot machines. */
static const struct mark {
    const char *key, *value;
} spot_marks[] = {
    [RENDER_AWS] = {"eks.amazonaws.com/capacityType", "SPOT"},
    [RENDER_AZURE] = {"kubernetes.azure.com/scalesetpriority", "spot"},
    [RENDER_GCP] = {"cloud.google.com/gke-spot", "true"},
    [RENDER_OTHER] = {"farspan.dev/market", "spot"},
};

/* The machine type, the market, and the region too: in the cluster of another region nothing would
 * start, so that a wrong context breaks no residency. One's own machines carry labels of ours. */
static void put_affinity(struct render_kube *kube, const struct render_workload *workload)
{
    struct yaml *yaml = &kube->yaml;
    const struct mark *mark = &spot_marks[kube->region->provider];
    bool is_own = workload->market == RENDER_OWN || kube->region->provider == RENDER_OTHER;
    yaml_put_map(yaml, "affinity");
    yaml_put_map(yaml, "nodeAffinity");
    yaml_put_map(yaml, "requiredDuringSchedulingIgnoredDuringExecution");
    yaml_put_list(yaml, "nodeSelectorTerms");
    yaml_map(yaml);
    yaml_put_list(yaml, "matchExpressions");
    put_match(yaml, is_own ? "farspan.dev/region" : "topology.kubernetes.io/region", "In",
              is_own ? span_of(kube->region->label) : kube->region->place);
    put_match(yaml, is_own ? "farspan.dev/sku" : "node.kubernetes.io/instance-type", "In",
              render_machine_type(kube->region, workload));
    const char *accelerator = render_gke_accelerator(workload);
    if (!is_own && kube->region->provider == RENDER_GCP && accelerator)
        put_match(yaml, "cloud.google.com/gke-accelerator", "In", span_of(accelerator));
    if (workload->market == RENDER_OWN)
        put_match(yaml, "farspan.dev/market", "In", SPAN_LITERAL("own"));
    else
        put_match(yaml, mark->key, workload->market == RENDER_SPOT ? "In" : "NotIn",
                  span_of(mark->value));
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
    yaml_end(yaml);
}

/* What keeps other pods off them. EKS has no taint of its own: render_terraform.c sets ours. */
static const struct mark spot_taints[] = {
    [RENDER_AWS] = {"farspan.dev/market", "spot"},
    [RENDER_AZURE] = {"kubernetes.azure.com/scalesetpriority", "spot"},
    [RENDER_GCP] = {"cloud.google.com/gke-spot", "true"},
    [RENDER_OTHER] = {"farspan.dev/market", "spot"},
};

static void put_toleration(struct yaml *yaml, const char *key, const char *value)
{
    yaml_map(yaml);
    yaml_put(yaml, "key", key);
    yaml_put(yaml, "operator", value ? "Equal" : "Exists");
    if (value)
        yaml_put(yaml, "value", value);
    yaml_put(yaml, "effect", "NoSchedule");
    yaml_end(yaml);
}

static const char *gpu_resource(const struct render_sku *sku)
{
    return span_starts_with(sku->accelerator, "mi") ? "amd.com/gpu" : "nvidia.com/gpu";
}

static void put_tolerations(struct render_kube *kube, const struct render_workload *workload)
{
    struct yaml *yaml = &kube->yaml;
    const struct render_sku *sku = workload->sku;
    bool is_spot = workload->market == RENDER_SPOT, has_gpu = sku && sku->accelerator_count > 0;
    if (!is_spot && !has_gpu)
        return;
    yaml_put_list(yaml, "tolerations");
    if (has_gpu)
        put_toleration(yaml, gpu_resource(sku), NULL);
    if (is_spot) {
        const struct mark *taint = &spot_taints[kube->region->provider];
        put_toleration(yaml, taint->key, taint->value);
    }
    yaml_end(yaml);
}

static void put_worker_resources(struct yaml *yaml, const struct render_sku *sku)
{
    uint32_t gpus = sku ? sku->accelerator_count : 0;
    yaml_put_map(yaml, "resources");
    yaml_put_map(yaml, "requests");
    yaml_key(yaml, "cpu");
    yaml_add(yaml, "%um", sku && sku->vcpu ? sku->vcpu * 10 * CPU_SHARE_PERCENT : 100);
    yaml_key(yaml, "memory");
    yaml_add(yaml, "%uMi",
             sku && sku->memory_gib > 0
                 ? (unsigned)(sku->memory_gib * 1024 * MEMORY_SHARE_PERCENT / 100)
                 : 256);
    yaml_put(yaml, "ephemeral-storage", "1Gi");
    yaml_end(yaml);
    yaml_put_map(yaml, "limits");
    yaml_put(yaml, "ephemeral-storage", "2Gi");
    if (gpus) {
        yaml_key(yaml, gpu_resource(sku));
        yaml_add(yaml, "%u", gpus);
    }
    yaml_end(yaml);
    yaml_end(yaml);
}

static void put_worker_container(struct render_kube *kube, const struct render_workload *workload)
{
    struct yaml *yaml = &kube->yaml;
    yaml_map(yaml);
    yaml_put(yaml, "name", "worker");
    yaml_put_span(yaml, "image", kube->world->request->image);
    yaml_put_list(yaml, "command");
    yaml_str(yaml, program);
    yaml_str(yaml, "up");
    yaml_str(yaml, "-f");
    yaml_str(yaml, "/etc/farspan/config/farspan.yaml");
    yaml_str(yaml, "--state");
    yaml_str(yaml, "/var/lib/farspan/state");
    yaml_end(yaml);
    put_container_port(yaml, "http", RENDER_WORKER_PORT);
    put_explain_probe(yaml, "startupProbe", workload->service->name, 5, LOAD_S_MAX / 5);
    put_explain_probe(yaml, "readinessProbe", workload->service->name, 10, 2);
    put_http_probe(yaml, "livenessProbe", "http", 6);
    put_stop_hook(yaml, render_drain_s(kube->region, workload));
    put_worker_resources(yaml, workload->sku);
    put_container_security(yaml);
    yaml_put_list(yaml, "volumeMounts");
    put_mount(yaml, "config", "/etc/farspan/config", true);
    put_mount(yaml, "keys", "/etc/farspan/keys", true);
    put_mount(yaml, "state", "/var/lib/farspan", false);
    if (workload->service->model != FLEET_NONE)
        put_mount(yaml, "models", "/var/lib/farspan/models", true);
    put_mount(yaml, "tmp", "/tmp", false);
    yaml_end(yaml);
    yaml_end(yaml);
}

static void put_scratch_volume(struct yaml *yaml, const char *name, const char *size)
{
    yaml_map(yaml);
    yaml_put(yaml, "name", name);
    yaml_put_map(yaml, "emptyDir");
    yaml_put(yaml, "sizeLimit", size);
    yaml_end(yaml);
    yaml_end(yaml);
}

static void put_worker_volumes(struct render_kube *kube, const struct render_workload *workload)
{
    struct yaml *yaml = &kube->yaml;
    yaml_put_list(yaml, "volumes");
    put_config_volume(yaml, workload->name);
    begin_keys_volume(yaml);
    put_key_item(yaml, "inner.key");
    end_keys_volume(yaml);
    put_scratch_volume(yaml, "state", "1Gi");
    put_scratch_volume(yaml, "tmp", "256Mi");
    if (workload->service->model != FLEET_NONE) {
        yaml_map(yaml);
        yaml_put(yaml, "name", "models");
        yaml_put_map(yaml, "persistentVolumeClaim");
        yaml_put_span(yaml, "claimName", kube->world->request->claim);
        yaml_put_bool(yaml, "readOnly", true);
        yaml_end(yaml);
        yaml_end(yaml);
    }
    yaml_end(yaml);
}

void render_kube_workload(struct render_kube *kube, const struct render_workload *workload)
{
    struct yaml *yaml = &kube->yaml;
    uint32_t count = workload->row->count;
    text_truncate(kube->scratch, 0);
    render_config_worker(kube->world, kube->region, workload, &kube->gateway.paths, kube->scratch);
    render_kube_begin(kube, "v1", "ConfigMap", workload->name, workload);
    yaml_put_map(yaml, "data");
    yaml_key(yaml, "farspan.yaml");
    yaml_block(yaml, text_span(kube->scratch));
    yaml_end(yaml);
    yaml_end(yaml);
    begin_deployment(kube, workload, workload->name, "worker", count);
    yaml_put_bool(yaml, "shareProcessNamespace", true);
    yaml_put_u64(yaml, "terminationGracePeriodSeconds",
                 render_drain_s(kube->region, workload) + STOP_S);
    put_pod_security(yaml);
    put_affinity(kube, workload);
    put_tolerations(kube, workload);
    put_spreads(kube, workload->name);
    yaml_put_list(yaml, "containers");
    put_worker_container(kube, workload);
    yaml_end(yaml);
    put_worker_volumes(kube, workload);
    end_deployment(yaml);
    put_service(kube, workload, workload->name, workload->name, RENDER_WORKER_PORT, "http");
    put_budget(kube, workload, workload->name, count);
    put_autoscaler(kube, workload, workload->name, count);
}
