/* holds.c: can all demands of a service be answered, also after each failure? What cannot be is a
 * set that is known from then on. */
#include <string.h>

#include "base/check.h"
#include "plan/place.h"

bool plan_place_list_lost(struct plan_place *place, uint32_t service, struct arena *arena)
{
    const struct plan_problem *problem = place->problem;
    const struct plan_service *own = &problem->services[service];
    struct plan_place_service *state = &place->services[service];
    state->lost_firsts = ARENA_ARRAY(arena, uint32_t, problem->failure_count + 1);
    for (unsigned pass = 0; pass < 2 && !arena->is_overflown; pass++) {
        uint32_t count = 0;
        for (uint32_t f = 0; f < problem->failure_count; f++) {
            state->lost_firsts[f] = count;
            for (uint32_t i = 0; i < own->node_count; i++) {
                if (!plan_failure_has(&problem->failures[f],
                                      problem->nodes[own->node_first + i].region))
                    continue;
                if (pass == 1)
                    state->lost[count] = i;
                count++;
            }
        }
        state->lost_firsts[problem->failure_count] = count;
        if (pass == 0)
            state->lost = ARENA_ARRAY(arena, uint32_t, count);
    }
    return !arena->is_overflown;
}

static void learn_set(struct plan_place *place, uint32_t service, uint32_t failure)
{
    struct plan_place_service *state = &place->services[service];
    const struct plan_graph *graph = &state->graph;
    struct plan_demand_set set;
    bool is_reached[PLAN_NODES_MAX];
    plan_routing_cut(graph, &state->routing, &set, is_reached);
    uint32_t slot = state->known_count < PLAN_KNOWN_MAX ? state->known_count++
                                                        : state->known_next++ % PLAN_KNOWN_MAX;
    struct plan_known *known = &state->known[slot];
    if (known->rate > 0)
        state->violated_count -= known->slack < 0;
    *known = (struct plan_known){.failure = failure};
    for (uint32_t d = 0; d < graph->demand_count; d++) {
        if (!plan_demand_set_has(&set, d))
            continue;
        known->rate += graph->rates[d];
        for (uint32_t e = graph->demand_edges[d]; e < graph->demand_edges[d + 1]; e++) {
            uint32_t node = graph->edge_nodes[e];
            const struct plan_problem *problem = place->problem;
            uint32_t region = problem->nodes[problem->services[service].node_first + node].region;
            if (failure == PLAN_NONE || !plan_failure_has(&problem->failures[failure], region))
                known->nodes[node / 64] |= UINT64_C(1) << (node % 64);
        }
    }
    known->slack = -known->rate;
    for (uint32_t v = 0; v < graph->node_count; v++)
        if (plan_known_has(known, v))
            known->slack += place->rooms[v];
    CHECK(known->slack < 0);
    state->violated_count++;
}

void plan_place_know(struct plan_place *place, uint32_t service, const struct plan_place *from,
                     uint32_t other)
{
    const struct plan_service *own = &place->problem->services[service];
    struct plan_place_service *state = &place->services[service];
    const struct plan_place_service *source = &from->services[other];
    state->known_count = source->known_count;
    state->known_next = source->known_next;
    state->violated_count = 0;
    for (uint32_t i = 0; i < source->known_count; i++) {
        struct plan_known *known = &state->known[i];
        *known = source->known[i];
        bool is_lost = known->failure != PLAN_NONE;
        known->slack = -known->rate;
        for (uint32_t v = 0; v < own->node_count; v++)
            if (plan_known_has(known, v))
                known->slack += plan_capacity(place->speeds[own->node_first + v],
                                              is_lost ? own->share_lost_ppm : own->share_ppm);
        state->violated_count += known->slack < 0;
    }
}

static void fill_rooms(struct plan_place *place, uint32_t service, uint32_t share_ppm)
{
    const struct plan_service *own = &place->problem->services[service];
    for (uint32_t i = 0; i < own->node_count; i++)
        place->rooms[i] = plan_capacity(place->speeds[own->node_first + i], share_ppm);
}

/* Can all be routed to what the rooms say? A set that cannot becomes known. */
static bool routes(struct plan_place *place, uint32_t service, uint32_t failure)
{
    struct plan_place_service *state = &place->services[service];
    if (plan_route_all(&state->graph, &state->routing, place->rooms, &place->work) == 0)
        return true;
    learn_set(place, service, failure);
    return false;
}

/* The same when the failure has happened; the rooms are those of all nodes, and are again. */
static bool survives(struct plan_place *place, uint32_t service, uint32_t failure)
{
    const struct plan_service *own = &place->problem->services[service];
    const struct plan_place_service *state = &place->services[service];
    const uint32_t *lost = state->lost + state->lost_firsts[failure];
    uint32_t count = state->lost_firsts[failure + 1] - state->lost_firsts[failure];
    bool takes = false;
    for (uint32_t i = 0; i < count; i++) {
        takes = takes || place->speeds[own->node_first + lost[i]] > 0;
        place->rooms[lost[i]] = 0;
    }
    if (takes && !routes(place, service, failure))
        return false;
    for (uint32_t i = 0; i < count; i++)
        place->rooms[lost[i]] =
            plan_capacity(place->speeds[own->node_first + lost[i]], own->share_lost_ppm);
    return true;
}

bool plan_place_holds(struct plan_place *place, uint32_t service)
{
    struct plan_place_service *state = &place->services[service];
    const struct plan_service *own = &place->problem->services[service];
    uint32_t count = place->problem->failure_count;
    if (state->short_count > 0 || state->violated_count > 0)
        return false;
    fill_rooms(place, service, own->share_ppm);
    if (!routes(place, service, PLAN_NONE))
        return false;
    fill_rooms(place, service, own->share_lost_ppm);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t failure = (state->last_failure + i) % count;
        if (!survives(place, service, failure)) {
            state->last_failure = failure;
            return false;
        }
    }
    return true;
}
