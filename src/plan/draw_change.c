#include "plan/draw_change.h"

#include "base/check.h"
#include "base/rng.h"

enum err plan_draw_noise(const struct plan_problem *problem, double share, uint64_t seed,
                         struct arena *arena, struct plan_problem **ret_problem)
{
    CHECK(share >= 0 && share <= 0.9);
    struct plan_problem *noisy = ARENA_NEW(arena, struct plan_problem);
    struct plan_demand *demands = ARENA_ARRAY(arena, struct plan_demand, problem->demand_count);
    if (!noisy || !demands)
        return ERR_MEMORY;
    struct rng rng;
    rng_init(&rng, seed);
    for (uint32_t d = 0; d < problem->demand_count; d++) {
        demands[d] = problem->demands[d];
        double factor = 1 - share + 2 * share * rng_unit(&rng);
        demands[d].rate = 1 + (int64_t)((double)demands[d].rate * factor);
    }
    *noisy = *problem;
    noisy->demands = demands;
    *ret_problem = noisy;
    return ERR_OK;
}

enum err plan_draw_running(const struct plan_problem *problem, const uint32_t *counts, double hours,
                           struct arena *arena, struct plan_problem **ret_problem)
{
    CHECK(hours >= 0);
    struct plan_problem *running = ARENA_NEW(arena, struct plan_problem);
    struct plan_column *columns = ARENA_ARRAY(arena, struct plan_column, problem->column_count);
    if (!running || !columns)
        return ERR_MEMORY;
    for (uint32_t c = 0; c < problem->column_count; c++) {
        columns[c] = problem->columns[c];
        columns[c].running = counts[c];
        columns[c].start_usd_h = columns[c].stop_usd_h = hours * columns[c].cost_usd_h;
    }
    *running = *problem;
    running->columns = columns;
    *ret_problem = running;
    return ERR_OK;
}

/* Another order ----------------------------------------------------------------------------- */

struct shuffle {
    const struct plan_problem *from;
    struct plan_problem *to;
    struct rng rng;
    struct arena *arena;
    struct plan_service *services;
    struct plan_node *nodes;
    struct plan_column *columns;
    struct plan_demand *demands;
    struct plan_region *regions;
    uint32_t *regions_to, *nodes_to, *columns_to; /* the new index of each old one */
    uint32_t *order;                              /* scratch: the old index of each new one */
};

/* <ret_order>: first .. first + count - 1, shuffled. */
static void draw_order(struct rng *rng, uint32_t first, uint32_t count, uint32_t *ret_order)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = (uint32_t)rng_below(rng, i + 1);
        ret_order[i] = ret_order[at];
        ret_order[at] = first + i;
    }
}

static void shuffle_regions(struct shuffle *shuffle)
{
    draw_order(&shuffle->rng, 0, shuffle->from->region_count, shuffle->order);
    for (uint32_t i = 0; i < shuffle->from->region_count; i++) {
        shuffle->regions[i] = shuffle->from->regions[shuffle->order[i]];
        shuffle->regions_to[shuffle->order[i]] = i;
    }
}

static void shuffle_node(struct shuffle *shuffle, uint32_t service, uint32_t old)
{
    const struct plan_node *from = &shuffle->from->nodes[old];
    struct plan_node *node = &shuffle->nodes[shuffle->to->node_count];
    *node = *from;
    node->service = service;
    node->region = shuffle->regions_to[from->region];
    node->column_first = shuffle->to->column_count;
    draw_order(&shuffle->rng, from->column_first, from->column_count, shuffle->order);
    for (uint32_t i = 0; i < from->column_count; i++) {
        uint32_t c = shuffle->to->column_count++;
        shuffle->columns[c] = shuffle->from->columns[shuffle->order[i]];
        shuffle->columns[c].node = shuffle->to->node_count;
        shuffle->columns_to[shuffle->order[i]] = c;
    }
    shuffle->nodes_to[old] = shuffle->to->node_count++;
}

/* Its nodes by their new index, ascending. */
static bool shuffle_demand(struct shuffle *shuffle, uint32_t service, uint32_t old)
{
    const struct plan_demand *from = &shuffle->from->demands[old];
    uint32_t *nodes = ARENA_ARRAY(shuffle->arena, uint32_t, from->node_count);
    float *latencies_ms = ARENA_ARRAY(shuffle->arena, float, from->node_count);
    if (!nodes || !latencies_ms)
        return false;
    for (uint32_t i = 0; i < from->node_count; i++) {
        uint32_t node = shuffle->nodes_to[from->nodes[i]], at = i;
        for (; at > 0 && nodes[at - 1] > node; at--) {
            nodes[at] = nodes[at - 1];
            latencies_ms[at] = latencies_ms[at - 1];
        }
        nodes[at] = node;
        latencies_ms[at] = from->latencies_ms[i];
    }
    struct plan_demand *demand = &shuffle->demands[shuffle->to->demand_count++];
    *demand = *from;
    demand->service = service;
    demand->nodes = nodes;
    demand->latencies_ms = latencies_ms;
    return true;
}

static bool shuffle_service(struct shuffle *shuffle, uint32_t service, uint32_t old)
{
    const struct plan_service *from = &shuffle->from->services[old];
    uint32_t *order =
        ARENA_ARRAY(shuffle->arena, uint32_t, (size_t)from->node_count + from->demand_count);
    if (!order)
        return false;
    struct plan_service *to = &shuffle->services[service];
    *to = *from;
    to->node_first = shuffle->to->node_count;
    to->column_first = shuffle->to->column_count;
    to->demand_first = shuffle->to->demand_count;
    draw_order(&shuffle->rng, from->node_first, from->node_count, order);
    for (uint32_t i = 0; i < from->node_count; i++)
        shuffle_node(shuffle, service, order[i]);
    draw_order(&shuffle->rng, from->demand_first, from->demand_count, order);
    for (uint32_t i = 0; i < from->demand_count; i++)
        if (!shuffle_demand(shuffle, service, order[i]))
            return false;
    return true;
}

static bool shuffle_services(struct shuffle *shuffle)
{
    uint32_t count = shuffle->from->service_count;
    uint32_t *order = ARENA_ARRAY(shuffle->arena, uint32_t, count);
    if (!order)
        return false;
    draw_order(&shuffle->rng, 0, count, order);
    for (uint32_t s = 0; s < count; s++)
        if (!shuffle_service(shuffle, s, order[s]))
            return false;
    return true;
}

/* Terms by their new column, ascending. */
static bool shuffle_rows(struct shuffle *shuffle)
{
    uint32_t count = shuffle->from->row_count;
    struct plan_row *rows = ARENA_ARRAY(shuffle->arena, struct plan_row, count);
    uint32_t *order = ARENA_ARRAY(shuffle->arena, uint32_t, count);
    if (!rows || !order)
        return false;
    draw_order(&shuffle->rng, 0, count, order);
    for (uint32_t r = 0; r < count; r++) {
        const struct plan_row *from = &shuffle->from->rows[order[r]];
        struct plan_term *terms = ARENA_ARRAY(shuffle->arena, struct plan_term, from->term_count);
        if (!terms)
            return false;
        for (uint32_t i = 0; i < from->term_count; i++) {
            uint32_t column = shuffle->columns_to[from->terms[i].column], at = i;
            for (; at > 0 && terms[at - 1].column > column; at--)
                terms[at] = terms[at - 1];
            terms[at] = (struct plan_term){column, from->terms[i].factor};
        }
        rows[r] = *from;
        rows[r].terms = terms;
    }
    shuffle->to->rows = rows;
    return true;
}

static bool shuffle_failures(struct shuffle *shuffle)
{
    uint32_t count = shuffle->from->failure_count;
    struct plan_failure *failures = ARENA_ARRAY(shuffle->arena, struct plan_failure, count);
    uint32_t *order = ARENA_ARRAY(shuffle->arena, uint32_t, count);
    if (!failures || !order)
        return false;
    draw_order(&shuffle->rng, 0, count, order);
    for (uint32_t f = 0; f < count; f++) {
        const struct plan_failure *from = &shuffle->from->failures[order[f]];
        uint32_t *regions = ARENA_ARRAY(shuffle->arena, uint32_t, from->region_count);
        if (!regions)
            return false;
        for (uint32_t i = 0; i < from->region_count; i++) {
            uint32_t region = shuffle->regions_to[from->regions[i]], at = i;
            for (; at > 0 && regions[at - 1] > region; at--)
                regions[at] = regions[at - 1];
            regions[at] = region;
        }
        failures[f] = *from;
        failures[f].regions = regions;
    }
    shuffle->to->failures = failures;
    return true;
}

static bool make_room(struct shuffle *shuffle)
{
    const struct plan_problem *from = shuffle->from;
    uint32_t most =
        from->column_count > from->region_count ? from->column_count : from->region_count;
    shuffle->to = ARENA_NEW(shuffle->arena, struct plan_problem);
    shuffle->services = ARENA_ARRAY(shuffle->arena, struct plan_service, from->service_count);
    shuffle->nodes = ARENA_ARRAY(shuffle->arena, struct plan_node, from->node_count);
    shuffle->columns = ARENA_ARRAY(shuffle->arena, struct plan_column, from->column_count);
    shuffle->demands = ARENA_ARRAY(shuffle->arena, struct plan_demand, from->demand_count);
    shuffle->regions = ARENA_ARRAY(shuffle->arena, struct plan_region, from->region_count);
    shuffle->regions_to = ARENA_ARRAY(shuffle->arena, uint32_t, from->region_count);
    shuffle->nodes_to = ARENA_ARRAY(shuffle->arena, uint32_t, from->node_count);
    shuffle->columns_to = ARENA_ARRAY(shuffle->arena, uint32_t, from->column_count);
    shuffle->order = ARENA_ARRAY(shuffle->arena, uint32_t, most);
    return !shuffle->arena->is_overflown;
}

enum err plan_draw_shuffle(const struct plan_problem *problem, uint64_t seed, struct arena *arena,
                           struct plan_problem **ret_problem)
{
    struct shuffle shuffle = {.from = problem, .arena = arena};
    rng_init(&shuffle.rng, seed);
    if (!make_room(&shuffle))
        return ERR_MEMORY;
    *shuffle.to = *problem;
    shuffle.to->node_count = shuffle.to->column_count = shuffle.to->demand_count = 0;
    shuffle_regions(&shuffle);
    if (!shuffle_services(&shuffle) || !shuffle_rows(&shuffle) || !shuffle_failures(&shuffle))
        return ERR_MEMORY;
    shuffle.to->services = shuffle.services;
    shuffle.to->nodes = shuffle.nodes;
    shuffle.to->columns = shuffle.columns;
    shuffle.to->demands = shuffle.demands;
    shuffle.to->regions = shuffle.regions;
    *ret_problem = shuffle.to;
    return ERR_OK;
}
