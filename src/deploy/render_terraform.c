/* render_terraform.c: node pools for the clusters that run a plan, as Terraform's JSON: one folder
 * a provider. Clusters, networks and credentials are the user's: they come in as variables.
 *
 * A pool has the plan's count of machines, may grow to render_count_max() (a cluster autoscaler
 * does so when the fallback autoscaler of the pods asks), and carries the taints that the pods of
 * render_pods.c tolerate. */
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "deploy/render.h"

enum {
    POOL_BYTES = 8 * 1024,
    DISK_GB = 200,
    AZURE_POOL_NAME = 12,
    GCP_POOL_NAME = 40,
    AWS_POOL_NAME = 63
};

/* A cloud: how its file begins, and how one pool is written. */
struct cloud {
    const char *folder, *provider, *source, *version;
    const char *cluster_type; /* of one element of var.clusters, which is keyed by region */
    const char *resource;
    void (*put_provider)(struct text *json, const struct render_world *world);
    void (*put_pool)(struct text *json, const struct render_world *world,
                     const struct render_region *region, const struct render_workload *workload);
};

static void put(struct text *json, const char *key, const char *value)
{
    text_json_key(json, key);
    text_json_str(json, value);
}

static void put_span(struct text *json, const char *key, struct span value)
{
    text_json_key(json, key);
    text_json_span(json, value);
}

static void put_u64(struct text *json, const char *key, uint64_t value)
{
    text_json_key(json, key);
    text_json_u64(json, value);
}

static void put_bool(struct text *json, const char *key, bool value)
{
    text_json_key(json, key);
    text_json_bool(json, value);
}

static void open_map(struct text *json, const char *key)
{
    text_json_key(json, key);
    text_json_object(json);
}

static void open_list(struct text *json, const char *key)
{
    text_json_key(json, key);
    text_json_array(json);
}

/* "${var.clusters["westeurope"].name}" */
static void put_variable(struct text *json, const char *key, const struct render_region *region,
                         const char *field)
{
    char buffer[256];
    struct text value;
    text_init(&value, buffer, sizeof buffer);
    text_add(&value, "${var.clusters[\"%.*s\"].%s}", SPAN_ARG(region->place), field);
    CHECK(!value.is_cut);
    put_span(json, key, text_span(&value));
}

static void put_name(struct text *json, const char *key, const struct render_workload *workload,
                     size_t size_max)
{
    char name[RENDER_LABEL_MAX + 1];
    render_label(span_of(workload->name), name, size_max + 1);
    put(json, key, name);
}

static void put_labels(struct text *json, const char *key, const struct render_world *world,
                       const struct render_workload *workload)
{
    open_map(json, key);
    put(json, "farspan.dev/world", world->label);
    put(json, "farspan.dev/workload", workload->name);
    put(json, "farspan.dev/market", render_market_name(workload->market));
    text_json_end(json);
}

static void put_tags(struct text *json, const char *key, const struct render_world *world)
{
    char epoch[24];
    struct text text;
    text_init(&text, epoch, sizeof epoch);
    text_add_u64(&text, world->epoch);
    open_map(json, key);
    put(json, "farspan-world", world->label);
    put(json, "farspan-epoch", epoch);
    text_json_end(json);
}

static bool has_accelerator(const struct render_workload *workload)
{
    return workload->sku && workload->sku->accelerator_count > 0;
}

static bool is_spot(const struct render_workload *workload)
{
    return workload->market == RENDER_SPOT;
}

/* ---- AWS ------------------------------------------------------------------------------------ */

static void put_aws_provider(struct text *json, const struct render_world *world)
{
    open_list(json, "aws");
    for (uint32_t i = 0; i < world->region_count; i++) {
        if (world->regions[i].provider != RENDER_AWS)
            continue;
        text_json_object(json);
        put_span(json, "alias", world->regions[i].place);
        put_span(json, "region", world->regions[i].place);
        text_json_end(json);
    }
    text_json_end(json);
}

/* Graviton: a digit, then 'g', before the dot ("m7g.xlarge", "g5g.4xlarge"). */
static bool is_arm(struct span type)
{
    for (size_t i = 0; i + 1 < type.n && type.p[i] != '.'; i++) {
        if (type.p[i] >= '0' && type.p[i] <= '9' && type.p[i + 1] == 'g')
            return true;
    }
    return false;
}

static void put_aws_taint(struct text *json, const char *key, const char *value)
{
    text_json_object(json);
    put(json, "key", key);
    put(json, "value", value);
    put(json, "effect", "NO_SCHEDULE");
    text_json_end(json);
}

static void put_aws_pool(struct text *json, const struct render_world *world,
                         const struct render_region *region, const struct render_workload *workload)
{
    char provider[80];
    struct text text;
    text_init(&text, provider, sizeof provider);
    text_add(&text, "aws.%.*s", SPAN_ARG(region->place));
    put(json, "provider", provider);
    put_variable(json, "cluster_name", region, "cluster_name");
    put_name(json, "node_group_name", workload, AWS_POOL_NAME);
    put_variable(json, "node_role_arn", region, "node_role_arn");
    put_variable(json, "subnet_ids", region, "subnet_ids");
    put(json, "ami_type",
        has_accelerator(workload)    ? "AL2023_x86_64_NVIDIA"
        : is_arm(workload->row->sku) ? "AL2023_ARM_64_STANDARD"
                                     : "AL2023_x86_64_STANDARD");
    put(json, "capacity_type", is_spot(workload) ? "SPOT" : "ON_DEMAND");
    put_u64(json, "disk_size", DISK_GB);
    open_list(json, "instance_types");
    text_json_span(json, workload->row->sku);
    text_json_end(json);
    open_map(json, "scaling_config");
    put_u64(json, "desired_size", workload->row->count);
    put_u64(json, "max_size", render_count_max(workload->row->count));
    put_u64(json, "min_size", workload->row->count);
    text_json_end(json);
    open_map(json, "update_config");
    put_u64(json, "max_unavailable", 1);
    text_json_end(json);
    put_labels(json, "labels", world, workload);
    open_list(json, "taint");
    if (has_accelerator(workload))
        put_aws_taint(json, "nvidia.com/gpu", "present");
    if (is_spot(workload))
        put_aws_taint(json, "farspan.dev/market", "spot");
    text_json_end(json);
    put_tags(json, "tags", world);
}

/* ---- Azure ---------------------------------------------------------------------------------- */

static void put_azure_provider(struct text *json, const struct render_world *world)
{
    (void)world;
    open_map(json, "azurerm");
    open_map(json, "features");
    text_json_end(json);
    text_json_end(json);
}

static void put_azure_spot(struct text *json)
{
    put(json, "priority", "Spot");
    put(json, "eviction_policy", "Delete");
    text_json_key(json, "spot_max_price");
    text_json_i64(json, -1); /* up to the price on demand */
}

static void put_azure_pool(struct text *json, const struct render_world *world,
                           const struct render_region *region,
                           const struct render_workload *workload)
{
    char name[AZURE_POOL_NAME + 1];
    struct text text;
    text_init(&text, name, sizeof name);
    text_add(&text, "f%010llx",
             (unsigned long long)(hash_span(span_of(workload->name), 0) & 0xFFFFFFFFFF));
    put(json, "name", name);
    put_variable(json, "kubernetes_cluster_id", region, "kubernetes_cluster_id");
    put_variable(json, "vnet_subnet_id", region, "vnet_subnet_id");
    put_span(json, "vm_size", workload->row->sku);
    put(json, "mode", "User");
    put(json, "os_type", "Linux");
    put_u64(json, "os_disk_size_gb", DISK_GB);
    put_bool(json, "auto_scaling_enabled", true);
    put_u64(json, "node_count", workload->row->count);
    put_u64(json, "min_count", workload->row->count);
    put_u64(json, "max_count", render_count_max(workload->row->count));
    if (is_spot(workload))
        put_azure_spot(json);
    else
        put(json, "priority", "Regular");
    open_map(json, "node_labels");
    put(json, "farspan.dev/world", world->label);
    put(json, "farspan.dev/workload", workload->name);
    put(json, "farspan.dev/market", render_market_name(workload->market));
    if (is_spot(workload))
        put(json, "kubernetes.azure.com/scalesetpriority", "spot");
    text_json_end(json);
    open_list(json, "node_taints");
    if (has_accelerator(workload))
        text_json_str(json, "nvidia.com/gpu=present:NoSchedule");
    if (is_spot(workload))
        text_json_str(json, "kubernetes.azure.com/scalesetpriority=spot:NoSchedule");
    text_json_end(json);
    put_tags(json, "tags", world);
}

/* ---- GCP ------------------------------------------------------------------------------------ */

const char *render_gke_accelerator(const struct render_workload *workload)
{
    static const struct {
        const char *ours, *theirs;
    } names[] = {{"t4-16gb", "nvidia-tesla-t4"},     {"l4-24gb", "nvidia-l4"},
                 {"v100-16gb", "nvidia-tesla-v100"}, {"a100-40gb", "nvidia-tesla-a100"},
                 {"a100-80gb", "nvidia-a100-80gb"},  {"h100-80gb", "nvidia-h100-80gb"},
                 {"h200-141gb", "nvidia-h200-141gb"}};
    if (!has_accelerator(workload))
        return NULL;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (span_is(workload->sku->accelerator, names[i].ours))
            return names[i].theirs;
    }
    return NULL;
}

static void put_gcp_provider(struct text *json, const struct render_world *world)
{
    (void)world;
    open_map(json, "google");
    put(json, "project", "${var.project}");
    text_json_end(json);
}

static void put_gcp_machine(struct text *json, const struct render_world *world,
                            const struct render_region *region,
                            const struct render_workload *workload)
{
    const char *accelerator = render_gke_accelerator(workload);
    open_map(json, "node_config");
    put_span(json, "machine_type", render_machine_type(region, workload));
    put_bool(json, "spot", is_spot(workload));
    put_u64(json, "disk_size_gb", DISK_GB);
    if (accelerator) {
        open_list(json, "guest_accelerator");
        text_json_object(json);
        put(json, "type", accelerator);
        put_u64(json, "count", workload->sku->accelerator_count);
        open_map(json, "gpu_driver_installation_config");
        put(json, "gpu_driver_version", "DEFAULT");
        text_json_end(json);
        text_json_end(json);
        text_json_end(json);
    }
    put_labels(json, "labels", world, workload);
    if (is_spot(workload)) {
        open_list(json, "taint");
        text_json_object(json);
        put(json, "key", "cloud.google.com/gke-spot");
        put(json, "value", "true");
        put(json, "effect", "NO_SCHEDULE");
        text_json_end(json);
        text_json_end(json);
    }
    put_tags(json, "resource_labels", world);
    text_json_end(json);
}

/* Counts are totals over the zones of the region. */
static void put_gcp_pool(struct text *json, const struct render_world *world,
                         const struct render_region *region, const struct render_workload *workload)
{
    put_name(json, "name", workload, GCP_POOL_NAME);
    put_variable(json, "cluster", region, "cluster");
    put_span(json, "location", region->place);
    put_variable(json, "node_locations", region, "zones");
    open_map(json, "autoscaling");
    put_u64(json, "total_min_node_count", workload->row->count);
    put_u64(json, "total_max_node_count", render_count_max(workload->row->count));
    put(json, "location_policy", "ANY");
    text_json_end(json);
    open_map(json, "management");
    put_bool(json, "auto_repair", true);
    put_bool(json, "auto_upgrade", true);
    text_json_end(json);
    put_gcp_machine(json, world, region, workload);
}

/* ---- the files ------------------------------------------------------------------------------ */

static const struct cloud clouds[] = {
    [RENDER_AWS] = {"aws", "aws", "hashicorp/aws", "5.100.0",
                    "map(object({cluster_name = string, node_role_arn = string, subnet_ids = "
                    "list(string)}))",
                    "aws_eks_node_group", put_aws_provider, put_aws_pool},
    [RENDER_AZURE] = {"azure", "azurerm", "hashicorp/azurerm", "4.34.0",
                      "map(object({kubernetes_cluster_id = string, vnet_subnet_id = "
                      "optional(string)}))",
                      "azurerm_kubernetes_cluster_node_pool", put_azure_provider, put_azure_pool},
    [RENDER_GCP] = {"gcp", "google", "hashicorp/google", "6.40.0",
                    "map(object({cluster = string, zones = optional(list(string))}))",
                    "google_container_node_pool", put_gcp_provider, put_gcp_pool},
};

static bool is_sold(const struct render_workload *workload)
{
    return workload->market != RENDER_OWN;
}

static uint32_t count_pools(const struct render_world *world, enum render_provider provider)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->region_count; i++) {
        const struct render_region *region = &world->regions[i];
        for (uint32_t k = 0; k < region->workload_count && region->provider == provider; k++)
            count += is_sold(&world->workloads[region->workload_first + k]);
    }
    return count;
}

static void put_head(struct text *json, const struct cloud *cloud, const struct render_world *world)
{
    open_map(json, "terraform");
    put(json, "required_version", ">= 1.5.0");
    open_map(json, "required_providers");
    open_map(json, cloud->provider);
    put(json, "source", cloud->source);
    put(json, "version", cloud->version);
    text_json_end(json);
    text_json_end(json);
    text_json_end(json);
    open_map(json, "provider");
    cloud->put_provider(json, world);
    text_json_end(json);
    open_map(json, "variable");
    open_map(json, "clusters");
    put(json, "description", "The cluster of each region, by the provider's name of the region.");
    put(json, "type", cloud->cluster_type);
    text_json_end(json);
    if (strcmp(cloud->provider, "google") == 0) {
        open_map(json, "project");
        put(json, "description", "The project that the clusters belong to.");
        put(json, "type", "string");
        text_json_end(json);
    }
    text_json_end(json);
}

static void put_pools(struct text *json, const struct render_world *world,
                      enum render_provider provider)
{
    for (uint32_t i = 0; i < world->region_count; i++) {
        const struct render_region *region = &world->regions[i];
        for (uint32_t k = 0; k < region->workload_count && region->provider == provider; k++) {
            const struct render_workload *workload = &world->workloads[region->workload_first + k];
            char key[2 * RENDER_LABEL_MAX + 2];
            struct text text;
            if (!is_sold(workload))
                continue;
            text_init(&text, key, sizeof key);
            text_add(&text, "%s_%s", region->label, workload->name);
            open_map(json, key);
            clouds[provider].put_pool(json, world, region, workload);
            text_json_end(json);
        }
    }
}

static void put_file(struct text *json, const struct render_world *world,
                     enum render_provider provider)
{
    text_json_object(json);
    put_head(json, &clouds[provider], world);
    open_map(json, "resource");
    open_map(json, clouds[provider].resource);
    put_pools(json, world, provider);
    text_json_end(json);
    text_json_end(json);
    text_json_end(json);
}

static void add_line(struct text *out, unsigned depth)
{
    text_add_c(out, '\n');
    for (unsigned i = 0; i < depth; i++)
        text_add_span(out, SPAN_LITERAL("  "));
}

/* Compact JSON as a person reads it, and a diff shows it. */
static void add_indented(struct text *out, struct span json)
{
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < json.n; i++) {
        char c = json.p[i];
        bool is_escaped = in_string && c == '\\';
        in_string ^= c == '"';
        bool is_closer = !in_string && (c == '}' || c == ']');
        bool is_empty = is_closer && (json.p[i - 1] == '{' || json.p[i - 1] == '[');
        depth -= is_closer;
        if (is_closer && !is_empty)
            add_line(out, depth);
        text_add_c(out, c);
        if (is_escaped)
            text_add_c(out, json.p[++i]);
        if (in_string)
            continue;
        bool is_opener = c == '{' || c == '[';
        depth += is_opener;
        if (c == ',' || (is_opener && json.p[i + 1] != '}' && json.p[i + 1] != ']'))
            add_line(out, depth);
        if (c == ':')
            text_add_c(out, ' ');
    }
    text_add_c(out, '\n');
}

enum err render_terraform(const struct render_world *world, struct arena *arena,
                          struct render_files *files, struct text *why)
{
    size_t mark = arena->used, size = (size_t)(world->workload_count + 1) * POOL_BYTES;
    uint32_t total = 0;
    struct text json;
    char *memory = arena_take(arena, size);
    if (!memory)
        return ERR_MEMORY;
    for (unsigned i = 0; i < COUNT_OF(clouds); i++) {
        uint32_t count = count_pools(world, (enum render_provider)i);
        total += count;
        if (count == 0)
            continue;
        text_init(&json, memory, size);
        put_file(&json, world, (enum render_provider)i);
        CHECK(!json.is_cut);
        render_file_begin(files, "%s/main.tf.json", clouds[i].folder);
        add_indented(files->text, text_span(&json));
        render_file_end(files);
    }
    arena_reset(arena, mark);
    if (total == 0) {
        text_add(why, "no machine of this plan is rented from aws, azure or gcp");
        return ERR_NOT_FOUND;
    }
    return files->text->is_cut ? ERR_FULL : ERR_OK;
}
