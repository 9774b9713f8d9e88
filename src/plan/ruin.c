#include "plan/place.h"

static void ruin(struct plan_place *place, uint32_t service)
{
    const struct plan_service *own = &place->problem->services[service];
    uint32_t kind = (uint32_t)rng_below(&place->rng, 4), used = 0;
    for (uint32_t c = own->column_first; c < own->column_first + own->column_count; c++)
        if (place->counts[c] > place->problem->columns[c].count_min)
            place->order[used++] = c;
    if (used == 0)
        return;
    uint32_t column = place->order[rng_below(&place->rng, used)];
    if (kind == 0) { /* a node closes */
        const struct plan_node *node = &place->problem->nodes[place->problem->columns[column].node];
        for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
            plan_place_take(place, c, PLAN_COUNT_MAX);
        return;
    }
    plan_place_take(place, column,
                    kind == 1 ? PLAN_COUNT_MAX : 1 + (uint32_t)rng_below(&place->rng, 2));
    if (kind == 3)
        plan_place_take(place, place->order[rng_below(&place->rng, used)], 1);
}

void plan_place_search(struct plan_place *place, uint32_t service, uint32_t tries)
{
    const struct plan_place_service *state = &place->services[service];
    for (uint32_t i = 0; i < tries; i++) {
        double before = state->cost_usd_h + state->egress_usd_h;
        plan_place_save(place, service);
        ruin(place, service);
        bool is_good = plan_place_repair(place, service, i % 2 ? 0.5 : 0.05);
        if (is_good) {
            plan_place_drop(place, service);
            is_good = plan_place_reckon(place, service) <= before + 1e-12 * before;
        }
        if (!is_good)
            plan_place_restore(place, service);
    }
    plan_place_shift(place, service);
}

bool plan_place_search_two(struct plan_place *place, uint32_t service, uint32_t other)
{
    const struct plan_place_service *a = &place->services[service], *b = &place->services[other];
    double before = a->cost_usd_h + a->egress_usd_h + b->cost_usd_h + b->egress_usd_h;
    plan_place_save(place, service);
    plan_place_save(place, other);
    ruin(place, service);
    ruin(place, other);
    bool is_better =
        plan_place_settle(place, service, 0.3) && plan_place_settle(place, other, 0.1) &&
        a->cost_usd_h + a->egress_usd_h + b->cost_usd_h + b->egress_usd_h < before * (1 - 1e-9);
    if (!is_better) {
        plan_place_restore(place, service);
        plan_place_restore(place, other);
    }
    return is_better;
}
