#include "gateway/map.h"

#include "base/check.h"
#include "fleet/layout.h"

static uint16_t add_origin(struct gateway_map *map, enum gateway_origin_kind kind, uint16_t index,
                           uint16_t port)
{
    CHECK(map->origin_count < GATEWAY_ORIGINS_MAX);
    map->origins[map->origin_count] = (struct gateway_origin){kind, index, port};
    return map->origin_count++;
}

/* The same server asked with the same key is one origin. */
static bool is_same_server(const struct fleet_replica *a, const struct fleet_replica *b)
{
    return span_is_equal(a->url, b->url) && span_is_equal(a->key_file, b->key_file) &&
           span_is_equal(a->key_env, b->key_env);
}

static uint16_t origin_of_replica(struct gateway_map *map, uint16_t replica)
{
    const struct fleet *fleet = map->fleet;
    const struct fleet_replica *row = &fleet->replicas[replica];
    for (uint16_t i = 0; i < map->origin_count; i++) {
        const struct gateway_origin *origin = &map->origins[i];
        if (row->worker == FLEET_NONE && origin->kind == GATEWAY_ORIGIN_REMOTE &&
            is_same_server(row, &fleet->replicas[origin->index]))
            return i;
        if (row->worker != FLEET_NONE && origin->kind == GATEWAY_ORIGIN_WORKER &&
            origin->index == row->worker)
            return i;
    }
    if (row->worker == FLEET_NONE)
        return add_origin(map, GATEWAY_ORIGIN_REMOTE, replica, 0);
    return add_origin(map, GATEWAY_ORIGIN_WORKER, row->worker,
                      fleet_port_worker(fleet, map->port_base, row->worker));
}

static uint16_t origin_of_region(struct gateway_map *map, uint16_t region)
{
    for (uint16_t i = 0; i < map->origin_count; i++)
        if (map->origins[i].kind == GATEWAY_ORIGIN_GATEWAY && map->origins[i].index == region)
            return i;
    return add_origin(map, GATEWAY_ORIGIN_GATEWAY, region,
                      fleet_port_link(map->fleet, map->port_base, map->region, region));
}

static void add_target(struct gateway_service *service, struct gateway_target target)
{
    if (service->target_count < LIMIT_TARGETS)
        service->targets[service->target_count++] = target;
    else
        service->left_out++;
}

static bool is_direct(const struct gateway_map *map, const struct fleet_replica *replica)
{
    if (map->port_base == 0)
        return replica->worker == FLEET_NONE;
    return replica->region == map->region;
}

static bool is_region_listed(const struct gateway_service *service, uint16_t region)
{
    for (uint16_t i = 0; i < service->target_count; i++)
        if (service->targets[i].replica == FLEET_NONE && service->targets[i].region == region)
            return true;
    return false;
}

void gateway_map_init(struct gateway_map *map, const struct fleet *fleet, uint16_t region,
                      uint16_t port_base)
{
    CHECK(region < fleet->region_count);
    *map = (struct gateway_map){.fleet = fleet, .region = region, .port_base = port_base};
    for (uint16_t i = 0; i < fleet->replica_count; i++) {
        const struct fleet_replica *replica = &fleet->replicas[i];
        if (is_direct(map, replica))
            add_target(&map->services[replica->service],
                       (struct gateway_target){i, replica->region, origin_of_replica(map, i)});
    }
    if (port_base == 0)
        return;
    for (uint16_t i = 0; i < fleet->replica_count; i++) {
        const struct fleet_replica *replica = &fleet->replicas[i];
        struct gateway_service *service = &map->services[replica->service];
        if (replica->region != region && !is_region_listed(service, replica->region))
            add_target(service, (struct gateway_target){FLEET_NONE, replica->region,
                                                        origin_of_region(map, replica->region)});
    }
}

/* What the fleet says of one replica: profile, slots, price of a million tokens at full load. */
static void add_replica(const struct fleet *fleet, const struct fleet_replica *replica,
                        struct route_target *target)
{
    target->slots += replica->slots;
    target->weight += replica->weight;
    if (replica->worker == FLEET_NONE)
        return;
    const struct fleet_worker *worker = &fleet->workers[replica->worker];
    if (worker->profile == FLEET_NONE)
        return;
    const struct fleet_profile *profile = &fleet->profiles[worker->profile];
    target->prefill_ns_per_token = profile->prefill_ns_per_token;
    target->decode_ns_per_token = profile->decode_ns_per_token;
    if (worker->sku == FLEET_NONE || replica->slots == 0)
        return;
    /* micro-dollars an hour over tokens an hour: price * ns / (slots * 3.6e12), a million of them
     */
    target->price_usd_micro_mtok = fleet->skus[worker->sku].price_usd_micro_h *
                                   profile->decode_ns_per_token /
                                   (3600000 * (int64_t)replica->slots);
}

void gateway_map_target(const struct gateway_map *map, uint16_t service, uint16_t target,
                        struct route_target *ret_target)
{
    const struct fleet *fleet = map->fleet;
    CHECK(service < fleet->service_count && target < map->services[service].target_count);
    const struct gateway_target *row = &map->services[service].targets[target];
    bool is_region = row->replica == FLEET_NONE;
    struct route_target view = {
        .id = is_region ? GATEWAY_REGION_ID + (uint32_t)row->region : row->replica,
        .region = row->region,
        .kind = is_region ? ROUTE_REGION : ROUTE_REPLICA,
        .zones = UINT32_C(1) << fleet->regions[row->region].zone,
        .context_tokens = fleet->services[service].context_tokens,
    };
    if (row->region != map->region) {
        const struct fleet_link *link = fleet_find_link(fleet, map->region, row->region);
        view.network_us = link ? link->rtt_us : 0;
    }
    for (uint16_t i = 0; i < fleet->replica_count; i++) {
        const struct fleet_replica *replica = &fleet->replicas[i];
        if (is_region ? replica->region == row->region && replica->service == service
                      : i == row->replica)
            add_replica(fleet, replica, &view);
    }
    *ret_target = view;
}

void gateway_map_name(const struct gateway_map *map, uint16_t service, uint16_t target,
                      struct text *text)
{
    const struct fleet *fleet = map->fleet;
    const struct gateway_target *row = &map->services[service].targets[target];
    if (row->replica == FLEET_NONE) {
        text_add_span(text, fleet->regions[row->region].name);
        return;
    }
    const struct fleet_replica *replica = &fleet->replicas[row->replica];
    if (replica->worker == FLEET_NONE)
        text_add_span(text, replica->url);
    else
        text_add(text, "%.*s-%.*s", SPAN_ARG(fleet->workers[replica->worker].name),
                 SPAN_ARG(fleet->services[service].name));
}
