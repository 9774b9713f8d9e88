#include "fleet/fleet.h"

#include "base/check.h"

static const char *const kind_names[] = {"generation", "embeddings", "classification", "clustering",
                                         "regression"};
static const char *const engine_names[] = {"echo", "native", "llama", "remote"};
static const char *const policy_names[] = {
    "adaptive",          "round_robin", "weighted_round_robin",
    "least_connections", "p2c",         "peak_ewma",
    "consistent_hash",   "nearest",     "cheapest"};

_Static_assert(COUNT_OF(policy_names) == FLEET_POLICY_COUNT, "a name for each policy");

const char *fleet_kind_name(enum fleet_kind kind)
{
    CHECK((unsigned)kind < COUNT_OF(kind_names));
    return kind_names[kind];
}

const char *fleet_engine_name(enum fleet_engine engine)
{
    CHECK((unsigned)engine < COUNT_OF(engine_names));
    return engine_names[engine];
}

const char *fleet_policy_name(enum fleet_policy policy)
{
    CHECK((unsigned)policy < COUNT_OF(policy_names));
    return policy_names[policy];
}

bool fleet_policy_find(struct span name, enum fleet_policy *ret_policy)
{
    for (unsigned i = 0; i < COUNT_OF(policy_names); i++) {
        if (!span_is(name, policy_names[i]))
            continue;
        *ret_policy = (enum fleet_policy)i;
        return true;
    }
    return false;
}

uint16_t fleet_find_region(const struct fleet *fleet, struct span name)
{
    for (uint16_t i = 0; i < fleet->region_count; i++)
        if (span_is_equal(fleet->regions[i].name, name))
            return i;
    return FLEET_NONE;
}

uint16_t fleet_find_service(const struct fleet *fleet, struct span name)
{
    for (uint16_t i = 0; i < fleet->service_count; i++)
        if (span_is_equal(fleet->services[i].name, name))
            return i;
    return FLEET_NONE;
}

uint16_t fleet_find_zone(const struct fleet *fleet, struct span name)
{
    for (uint16_t i = 0; i < fleet->zone_count; i++)
        if (span_is_equal(fleet->zones[i], name))
            return i;
    return FLEET_NONE;
}

const struct fleet_link *fleet_find_link(const struct fleet *fleet, uint16_t from_region,
                                         uint16_t to_region)
{
    CHECK(from_region < fleet->region_count && to_region < fleet->region_count);
    if (from_region == to_region)
        return NULL;
    uint32_t row = (uint32_t)from_region * (fleet->region_count - 1u);
    uint32_t index = row + to_region - (to_region > from_region ? 1u : 0u);
    CHECK(index < fleet->link_count);
    return &fleet->links[index];
}

const struct fleet_link *fleet_find_client_link(const struct fleet *fleet, uint16_t zone,
                                                uint16_t region)
{
    CHECK(zone < fleet->zone_count && region < fleet->region_count);
    uint32_t index = (uint32_t)zone * fleet->region_count + region;
    CHECK(index < fleet->client_link_count);
    return &fleet->client_links[index];
}

void fleet_regions_by_distance(const struct fleet *fleet, uint16_t zone,
                               uint16_t ret_order[LIMIT_REGIONS])
{
    CHECK(fleet->region_count <= LIMIT_REGIONS);
    for (uint16_t region = 0; region < fleet->region_count; region++) {
        int64_t rtt_us = fleet_find_client_link(fleet, zone, region)->rtt_us;
        uint16_t at = region;
        for (; at > 0; at--) {
            if (fleet_find_client_link(fleet, zone, ret_order[at - 1])->rtt_us <= rtt_us)
                break;
            ret_order[at] = ret_order[at - 1];
        }
        ret_order[at] = region;
    }
}
