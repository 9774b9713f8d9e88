#include "fleet/front.h"

#include "fleet/setting.h"

enum { SLOTS = 64, OUTPUT_TOKENS = 64 };

static const int64_t timeout_us = INT64_C(120) * 1000 * 1000;

static bool is_valid(const struct span *values, size_t count, const char *list, const char *key)
{
    const struct fleet_setting *services = fleet_setting_find(NULL, SPAN_LITERAL("services"));
    const struct fleet_setting *parent =
        list ? fleet_setting_find(services, span_of(list)) : services;
    const struct fleet_setting *setting = fleet_setting_find(parent, span_of(key));
    for (size_t i = 0; i < count; i++) {
        int64_t number;
        if (!fleet_setting_parse(setting, values[i], &number))
            return false;
    }
    return true;
}

static void fill_place(struct fleet *fleet, struct arena *arena)
{
    struct span local = arena_copy(arena, SPAN_LITERAL("local"));
    fleet->name = arena_copy(arena, SPAN_LITERAL("front"));
    fleet->epoch = 1;
    fleet->listen.threads = 1;
    fleet->zones[0] = local;
    fleet->zone_count = 1;
    fleet->regions = ARENA_NEW(arena, struct fleet_region);
    fleet->client_links = ARENA_NEW(arena, struct fleet_link);
    if (!fleet->regions || !fleet->client_links)
        return;
    fleet->regions[0] =
        (struct fleet_region){.name = local, .provider = local, .is_estimate = true};
    fleet->region_count = 1;
    fleet->client_links[0] =
        (struct fleet_link){.bandwidth_bps = UINT64_C(10000000000), .is_estimate = true};
    fleet->client_link_count = 1;
}

static void fill_service(struct fleet *fleet, struct span name)
{
    fleet->services[fleet->service_count++] = (struct fleet_service){
        .name = name,
        .kind = FLEET_GENERATION,
        .engine = FLEET_ENGINE_REMOTE,
        .model = FLEET_NONE,
        .residency = UINT32_MAX,
        .output_tokens = OUTPUT_TOKENS,
        .timeout_us = timeout_us,
    };
}

enum err fleet_front(const struct span *urls, size_t url_count, const struct span *services,
                     size_t service_count, struct arena *arena, const struct fleet **ret_fleet)
{
    if (!is_valid(urls, url_count, "replicas", "url") ||
        !is_valid(services, service_count, NULL, "name") || url_count == 0 || service_count == 0)
        return ERR_VALUE;
    if (service_count > LIMIT_SERVICES || url_count > LIMIT_REPLICAS / service_count)
        return ERR_FULL;
    struct fleet *fleet = ARENA_NEW(arena, struct fleet);
    if (!fleet)
        return ERR_MEMORY;
    fill_place(fleet, arena);
    fleet->services = ARENA_ARRAY(arena, struct fleet_service, service_count);
    fleet->replicas = ARENA_ARRAY(arena, struct fleet_replica, service_count * url_count);
    if (arena->is_overflown)
        return ERR_MEMORY;
    for (size_t service = 0; service < service_count; service++) {
        fill_service(fleet, arena_copy(arena, services[service]));
        for (size_t url = 0; url < url_count; url++)
            fleet->replicas[fleet->replica_count++] = (struct fleet_replica){
                .service = (uint16_t)service,
                .worker = FLEET_NONE,
                .weight = 1,
                .slots = SLOTS,
                .url = arena_copy(arena, urls[url]),
            };
    }
    if (arena->is_overflown)
        return ERR_MEMORY;
    *ret_fleet = fleet;
    return ERR_OK;
}
