#include "deploy/render_config.h"

#include "base/check.h"
#include "base/crypto.h"

/* Where neither the fleet nor the plan knows a path between two places. */
enum { UNKNOWN_RTT_MS = 100 };

struct span render_base_name(struct span path)
{
    for (size_t i = path.n; i > 0; i--) {
        if (path.p[i - 1] == '/')
            return span_from(path.p + i, path.n - i);
    }
    return path;
}

bool render_key_is_file(const struct fleet_key *key)
{
    return key->file.n > 0 || key->env.n > 0;
}

static void put_time(struct yaml *yaml, const char *key, int64_t us)
{
    bool is_whole = us % 1000 == 0;
    CHECK(us >= 0);
    yaml_key(yaml, key);
    yaml_quantity(yaml, (uint64_t)(is_whole ? us / 1000 : us), is_whole ? "ms" : "us");
}

static void begin_config(struct yaml *yaml, const struct render_world *world, unsigned port,
                         struct text *out)
{
    yaml_init(yaml, out);
    yaml_map(yaml);
    yaml_put_u64(yaml, "version", 1);
    yaml_put_span(yaml, "world", world->request->fleet->name);
    yaml_put_map(yaml, "listen");
    yaml_key(yaml, "address");
    yaml_add(yaml, "0.0.0.0:%u", port);
    yaml_put_bool(yaml, "insecure", true);
    yaml_end(yaml);
}

static void put_inner_key(struct yaml *yaml, const char *name, const struct render_paths *paths)
{
    yaml_map(yaml);
    yaml_put(yaml, "name", name);
    yaml_key(yaml, "file");
    yaml_add(yaml, "%s/inner.key", paths->keys);
    yaml_end(yaml);
}

static void put_region(struct yaml *yaml, const struct render_region *region)
{
    yaml_map(yaml);
    yaml_put_span(yaml, "name", region->name);
    yaml_put_span(yaml, "zone", region->zone.n ? region->zone : SPAN_LITERAL("anywhere"));
    yaml_end(yaml);
}

/* ---- a worker ------------------------------------------------------------------------------- */

static void put_model(struct yaml *yaml, const struct fleet_model *model,
                      const struct render_paths *paths)
{
    yaml_put_list(yaml, "models");
    yaml_map(yaml);
    yaml_put_span(yaml, "name", model->name);
    yaml_put_span(yaml, "version", model->version);
    yaml_key(yaml, "file");
    yaml_add(yaml, "%s/%.*s", paths->models, SPAN_ARG(render_base_name(model->file)));
    if (model->sha256.n)
        yaml_put_span(yaml, "sha256", model->sha256);
    if (model->context_tokens)
        yaml_put_u64(yaml, "context", model->context_tokens);
    yaml_end(yaml);
    yaml_end(yaml);
}

static void put_service_head(struct yaml *yaml, const struct fleet_service *service,
                             enum fleet_engine engine)
{
    yaml_map(yaml);
    yaml_put_span(yaml, "name", service->name);
    yaml_put(yaml, "kind", fleet_kind_name(service->kind));
    yaml_put(yaml, "engine", fleet_engine_name(engine));
    if (service->context_tokens)
        yaml_put_u64(yaml, "context", service->context_tokens);
    yaml_put_u64(yaml, "output", service->output_tokens);
    put_time(yaml, "timeout", service->timeout_us);
}

void render_config_worker(const struct render_world *world, const struct render_region *region,
                          const struct render_workload *workload, const struct render_paths *paths,
                          struct text *out)
{
    struct yaml yaml;
    const struct fleet *fleet = world->request->fleet;
    const struct fleet_service *service = workload->service;
    begin_config(&yaml, world, RENDER_WORKER_PORT, out);
    yaml_put_list(&yaml, "keys");
    put_inner_key(&yaml, "inner", paths);
    yaml_end(&yaml);
    yaml_put_list(&yaml, "regions");
    put_region(&yaml, region);
    yaml_end(&yaml);
    if (service->model != FLEET_NONE)
        put_model(&yaml, &fleet->models[service->model], paths);
    yaml_put_list(&yaml, "services");
    put_service_head(&yaml, service, service->engine);
    if (service->model != FLEET_NONE)
        yaml_put_span(&yaml, "model", fleet->models[service->model].name);
    yaml_end(&yaml);
    yaml_end(&yaml);
    yaml_put_list(&yaml, "workers");
    yaml_map(&yaml);
    yaml_put(&yaml, "name", "worker");
    yaml_put_span(&yaml, "region", region->name);
    yaml_put_u64(&yaml, "slots", workload->slots);
    yaml_put_list(&yaml, "services");
    yaml_span(&yaml, service->name);
    yaml_end(&yaml);
    yaml_end(&yaml);
    yaml_end(&yaml);
    yaml_end(&yaml);
    CHECK(yaml.depth == 0);
}

/* ---- a gateway ------------------------------------------------------------------------------ */

static bool is_near(const struct render_gateway *gateway, const struct render_region *region)
{
    return region == gateway->region || (!gateway->is_entry && region->url.n > 0);
}

/* One of the regions that the gateway knows is in the zone. */
static bool has_zone(const struct render_gateway *gateway, uint16_t zone)
{
    const struct render_world *world = gateway->world;
    for (uint32_t i = 0; i < world->region_count; i++) {
        const struct render_region *region = &world->regions[i];
        if (is_near(gateway, region) && region->zone.n &&
            span_is_equal(region->zone, world->request->fleet->zones[zone]))
            return true;
    }
    return false;
}

static bool has_some_zone(const struct render_gateway *gateway, fleet_zones zones)
{
    for (uint16_t i = 0; i < gateway->world->request->fleet->zone_count; i++) {
        if ((zones >> i & 1) && has_zone(gateway, i))
            return true;
    }
    return false;
}

bool render_key_is_used(const struct render_gateway *gateway, uint16_t index)
{
    fleet_zones zones = gateway->world->request->fleet->keys[index].residency;
    return zones == UINT32_MAX || has_some_zone(gateway, zones);
}

static void put_residency(struct yaml *yaml, const struct render_gateway *gateway,
                          fleet_zones zones)
{
    const struct fleet *fleet = gateway->world->request->fleet;
    if (zones == UINT32_MAX)
        return;
    yaml_put_list(yaml, "residency");
    for (uint16_t i = 0; i < fleet->zone_count; i++) {
        if ((zones >> i & 1) && has_zone(gateway, i))
            yaml_span(yaml, fleet->zones[i]);
    }
    yaml_end(yaml);
}

static void put_key(struct yaml *yaml, const struct render_gateway *gateway,
                    const struct fleet_key *key)
{
    char hex[2 * CRYPTO_SHA256_SIZE + 1];
    yaml_map(yaml);
    yaml_put_span(yaml, "name", key->name);
    yaml_put_span(yaml, "tenant", key->tenant);
    if (render_key_is_file(key)) {
        yaml_key(yaml, "file");
        yaml_add(yaml, "%s/%.*s.key", gateway->paths.keys, SPAN_ARG(key->name));
    } else {
        crypto_hex(key->sha256, sizeof key->sha256, hex);
        yaml_put(yaml, "sha256", hex);
    }
    put_residency(yaml, gateway, key->residency);
    yaml_end(yaml);
}

static void put_keys(struct yaml *yaml, const struct render_gateway *gateway)
{
    const struct fleet *fleet = gateway->world->request->fleet;
    yaml_put_list(yaml, "keys");
    if (gateway->is_entry) {
        put_inner_key(yaml, "inner", &gateway->paths);
    } else if (fleet->key_count == 0) {
        yaml_map(yaml);
        yaml_put(yaml, "name", "client");
        yaml_key(yaml, "file");
        yaml_add(yaml, "%s/client.key", gateway->paths.keys);
        yaml_end(yaml);
    }
    for (uint16_t i = 0; i < fleet->key_count && !gateway->is_entry; i++) {
        if (render_key_is_used(gateway, i))
            put_key(yaml, gateway, &fleet->keys[i]);
    }
    yaml_end(yaml);
}

struct remote {
    struct span url, region;
    uint32_t slots, weight;
};

static void put_remote(struct yaml *yaml, const struct render_gateway *gateway,
                       const struct remote *remote)
{
    static const uint32_t most = 60000; /* what a replica's slots and weight may be */
    yaml_map(yaml);
    yaml_put_span(yaml, "url", remote->url);
    yaml_key(yaml, "key_file");
    yaml_add(yaml, "%s/inner.key", gateway->paths.keys);
    yaml_put_span(yaml, "region", remote->region);
    yaml_put_u64(yaml, "slots", remote->slots < most ? remote->slots : most);
    yaml_put_u64(yaml, "weight", remote->weight < 1000 ? remote->weight : 1000);
    yaml_end(yaml);
}

static void put_workload(struct yaml *yaml, const struct render_gateway *gateway,
                         const struct render_workload *workload)
{
    uint32_t count = workload->row->count, rows = gateway->is_per_machine ? count : 1;
    for (uint32_t i = 0; i < rows; i++) {
        char buffer[LIMIT_URL + 1];
        struct text url;
        text_init(&url, buffer, sizeof buffer);
        gateway->address(gateway->world, workload, i, &url);
        CHECK(!url.is_cut);
        struct remote remote = {.url = text_span(&url),
                                .region = gateway->region->name,
                                .slots = workload->slots * (count / rows),
                                .weight = count / rows};
        put_remote(yaml, gateway, &remote);
    }
}

static bool runs(const struct render_world *world, const struct render_region *region,
                 const struct fleet_service *service, struct remote *ret_sum)
{
    *ret_sum = (struct remote){.url = region->url, .region = region->name};
    for (uint32_t i = 0; i < region->workload_count; i++) {
        const struct render_workload *workload = &world->workloads[region->workload_first + i];
        if (workload->service != service)
            continue;
        ret_sum->slots += workload->slots * workload->row->count;
        ret_sum->weight += workload->row->count;
    }
    return ret_sum->weight > 0;
}

static bool is_offered(const struct render_gateway *gateway, const struct fleet_service *service)
{
    struct remote sum;
    for (uint32_t i = 0; i < gateway->world->region_count; i++) {
        const struct render_region *region = &gateway->world->regions[i];
        if (is_near(gateway, region) && runs(gateway->world, region, service, &sum))
            return true;
    }
    return false;
}

static void put_service(struct yaml *yaml, const struct render_gateway *gateway,
                        const struct fleet_service *service)
{
    const struct render_world *world = gateway->world;
    struct remote sum;
    put_service_head(yaml, service, FLEET_ENGINE_REMOTE);
    yaml_put(yaml, "policy", fleet_policy_name(service->policy));
    put_time(yaml, "price_weight", service->price_weight_us);
    if (service->slo_ttft_us) {
        yaml_put_map(yaml, "slo");
        put_time(yaml, "ttft", service->slo_ttft_us);
        yaml_end(yaml);
    }
    put_residency(yaml, gateway, service->residency);
    yaml_put_list(yaml, "replicas");
    for (uint32_t i = 0; i < gateway->region->workload_count; i++) {
        const struct render_workload *workload =
            &world->workloads[gateway->region->workload_first + i];
        if (workload->service == service)
            put_workload(yaml, gateway, workload);
    }
    for (uint32_t i = 0; i < world->region_count; i++) {
        const struct render_region *region = &world->regions[i];
        if (region != gateway->region && is_near(gateway, region) &&
            runs(world, region, service, &sum))
            put_remote(yaml, gateway, &sum);
    }
    yaml_end(yaml);
    yaml_end(yaml);
}

/* ---- links ---------------------------------------------------------------------------------- */

static void put_link(struct yaml *yaml, const struct fleet_link *link,
                     const struct render_region *to)
{
    yaml_put_span(yaml, "to", to->name);
    if (link)
        put_time(yaml, "rtt", link->rtt_us);
    else
        put_time(yaml, "rtt", UNKNOWN_RTT_MS * INT64_C(1000));
    yaml_put_bool(yaml, "estimate", !link || link->is_estimate);
    yaml_end(yaml);
}

static void put_links_from(struct yaml *yaml, const struct render_gateway *gateway,
                           const struct render_region *from)
{
    const struct fleet *fleet = gateway->world->request->fleet;
    uint16_t source = fleet_find_region(fleet, from->name);
    for (uint32_t i = 0; i < gateway->world->region_count; i++) {
        const struct render_region *to = &gateway->world->regions[i];
        uint16_t target = fleet_find_region(fleet, to->name);
        if (to == from || !is_near(gateway, to))
            continue;
        yaml_map(yaml);
        yaml_put_span(yaml, "from", from->name);
        bool is_known = source != FLEET_NONE && target != FLEET_NONE && fleet->link_count > 0;
        put_link(yaml, is_known ? fleet_find_link(fleet, source, target) : NULL, to);
    }
}

/* From the clients of <from>'s zone; each zone once, by the first of its regions. */
static void put_client_links(struct yaml *yaml, const struct render_gateway *gateway,
                             const struct render_region *from)
{
    const struct render_world *world = gateway->world;
    const struct fleet *fleet = world->request->fleet;
    for (const struct render_region *other = world->regions; other < from; other++) {
        if (is_near(gateway, other) && span_is_equal(other->zone, from->zone))
            return;
    }
    uint16_t zone = from->zone.n ? fleet_find_zone(fleet, from->zone) : FLEET_NONE;
    for (uint32_t i = 0; i < world->region_count; i++) {
        const struct render_region *to = &world->regions[i];
        uint16_t target = fleet_find_region(fleet, to->name);
        if (!is_near(gateway, to))
            continue;
        yaml_map(yaml);
        yaml_key(yaml, "from");
        if (from->zone.n)
            yaml_add(yaml, "zone:%.*s", SPAN_ARG(from->zone));
        else
            yaml_str(yaml, "zone:anywhere");
        bool is_known = zone != FLEET_NONE && target != FLEET_NONE && fleet->client_link_count > 0;
        put_link(yaml, is_known ? fleet_find_client_link(fleet, zone, target) : NULL, to);
    }
}

static uint32_t count_near(const struct render_gateway *gateway)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < gateway->world->region_count; i++)
        count += is_near(gateway, &gateway->world->regions[i]);
    return count;
}

void render_config_gateway(const struct render_gateway *gateway, struct text *out)
{
    struct yaml yaml;
    const struct render_world *world = gateway->world;
    const struct fleet *fleet = world->request->fleet;
    begin_config(&yaml, world, gateway->is_entry ? RENDER_ENTRY_PORT : RENDER_CLIENT_PORT, out);
    put_keys(&yaml, gateway);
    yaml_put_list(&yaml, "regions");
    for (uint32_t i = 0; i < world->region_count; i++) {
        if (is_near(gateway, &world->regions[i]))
            put_region(&yaml, &world->regions[i]);
    }
    yaml_end(&yaml);
    yaml_put_list(&yaml, "services");
    for (uint16_t i = 0; i < fleet->service_count; i++) {
        if (is_offered(gateway, &fleet->services[i]))
            put_service(&yaml, gateway, &fleet->services[i]);
    }
    yaml_end(&yaml);
    if (count_near(gateway) > 1) {
        yaml_put_list(&yaml, "links");
        for (uint32_t i = 0; i < world->region_count; i++) {
            if (!is_near(gateway, &world->regions[i]))
                continue;
            put_links_from(&yaml, gateway, &world->regions[i]);
            put_client_links(&yaml, gateway, &world->regions[i]);
        }
        yaml_end(&yaml);
    }
    yaml_end(&yaml);
    CHECK(yaml.depth == 0);
}
