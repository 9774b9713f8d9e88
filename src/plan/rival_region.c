/* rival_region.c: policies that choose machines without a look at where the clients are. */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "plan/rival_shop.h"

enum { SPOT_MORE = 2 }; /* spot replicas above the target: the paper's N_extra */

static struct plan_rival_query anywhere(uint32_t service)
{
    return (struct plan_rival_query){
        service, PLAN_NONE, {true, true, true, true}, false, PLAN_NONE};
}

/* Of the best machine to be had, with rounding allowed for. */
static double best_fit(const struct plan_rival_shop *shop, const struct plan_rival_query *query)
{
    const double same = 1e-9;
    uint32_t c = plan_rival_pick(shop, query, 1);
    return c == PLAN_NONE ? 0 : plan_rival_fit(shop, query, c) - same;
}

/* Single region ---------------------------------------------------------------------------- */

/* Which part of the load finds no machine in <region>, or one that does not do what is asked. */
static double misfit(const struct plan_rival_shop *shop, const struct plan_rival_query *query,
                     int64_t load)
{
    const struct plan_service *service = &shop->problem->services[query->service];
    double done = 0, room = 0;
    for (uint32_t c = service->column_first; c < service->column_first + service->column_count;
         c++) {
        if (shop->problem->nodes[shop->problem->columns[c].node].region != query->region)
            continue;
        double own = (double)plan_rival_capacity(shop, c, shop->counts[c]);
        room += own;
        done += own * plan_rival_fit(shop, query, c);
    }
    return 1 - done / (room > (double)load ? room : (double)load);
}

/* USD per hour of all that was bought. */
static double price_of_all(const struct plan_rival_shop *shop)
{
    double usd_h = 0;
    for (uint32_t v = 0; v < shop->problem->node_count; v++) {
        const struct plan_node *node = &shop->problem->nodes[v];
        uint32_t replicas = 0;
        for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++) {
            usd_h += shop->counts[c] * shop->problem->columns[c].cost_usd_h;
            replicas += shop->counts[c];
        }
        usd_h += replicas > 0 ? node->open_usd_h : 0;
    }
    return usd_h;
}

/* Buys for all services in <region>; answers the misfit, summed over them. */
static double furnish(struct plan_rival_shop *shop, uint32_t region)
{
    double sum = 0;
    for (uint32_t s = 0; s < shop->problem->service_count; s++) {
        struct plan_rival_query query = anywhere(s);
        query.region = region;
        int64_t load = plan_rival_load(shop, s);
        plan_rival_take(shop, &query, load - plan_rival_standing(shop, s, region));
        sum += misfit(shop, &query, load);
    }
    return sum;
}

enum err plan_rival_single_region(struct plan_rival_shop *shop)
{
    const double same = 1e-9;
    const struct plan_problem *problem = shop->problem;
    size_t mark = shop->arena->used;
    size_t counts_size = problem->column_count * sizeof *shop->counts;
    size_t used_size = problem->row_count * sizeof *shop->stock_used;
    uint32_t *counts = ARENA_ARRAY(shop->arena, uint32_t, problem->column_count);
    double *used = ARENA_ARRAY(shop->arena, double, problem->row_count);
    if (!counts || !used)
        return ERR_MEMORY;
    memcpy(counts, shop->counts, counts_size);
    memcpy(used, shop->stock_used, used_size);
    uint32_t best = PLAN_NONE;
    double best_misfit = INFINITY, best_usd_h = INFINITY;
    for (uint32_t r = 0; r < problem->region_count; r++) {
        if (r == shop->lost)
            continue;
        double own_misfit = furnish(shop, r), usd_h = price_of_all(shop);
        memcpy(shop->counts, counts, counts_size);
        memcpy(shop->stock_used, used, used_size);
        if (own_misfit > best_misfit + same ||
            (own_misfit > best_misfit - same && usd_h >= best_usd_h))
            continue;
        best = r;
        best_misfit = own_misfit;
        best_usd_h = usd_h;
    }
    arena_reset(shop->arena, mark);
    if (best != PLAN_NONE)
        furnish(shop, best);
    return ERR_OK;
}

/* The cheapest resource -------------------------------------------------------------------- */

enum err plan_rival_skypilot(struct plan_rival_shop *shop)
{
    for (uint32_t s = 0; s < shop->problem->service_count; s++) {
        struct plan_rival_query query = anywhere(s);
        int64_t load = plan_rival_load(shop, s) - plan_rival_standing(shop, s, PLAN_NONE);
        plan_rival_take(shop, &query, load);
    }
    return ERR_OK;
}

/* Round robin ------------------------------------------------------------------------------ */

/* Equal parts of <load> to the regions that have a machine for it, once. Answers what is left. */
static int64_t deal(struct plan_rival_shop *shop, uint32_t s, int64_t load)
{
    struct plan_rival_query query = anywhere(s);
    query.ignores_residency = true;
    double fit = best_fit(shop, &query);
    uint32_t region_count = shop->problem->region_count, open = 0;
    bool is_open[PLAN_REGIONS_MAX] = {false};
    for (query.region = 0; query.region < region_count; query.region++) {
        uint32_t c = plan_rival_pick(shop, &query, 1);
        is_open[query.region] = c != PLAN_NONE && plan_rival_fit(shop, &query, c) >= fit;
        open += is_open[query.region];
    }
    int64_t part = open > 0 ? (load + open - 1) / open : 0;
    for (query.region = 0; query.region < region_count && load > 0; query.region++) {
        int64_t wanted = part < load ? part : load;
        if (is_open[query.region])
            load -= wanted - plan_rival_take(shop, &query, wanted);
    }
    return load;
}

/* What finds no machine, or stands too little after a loss, is dealt again. */
enum err plan_rival_round_robin(struct plan_rival_shop *shop)
{
    for (uint32_t s = 0; s < shop->problem->service_count; s++) {
        int64_t load = plan_rival_load(shop, s) - plan_rival_standing(shop, s, PLAN_NONE);
        int64_t before = load + 1;
        while (load > 0 && load < before) {
            before = load;
            load = deal(shop, s, load);
        }
    }
    return ERR_OK;
}

/* Spot and on demand ----------------------------------------------------------------------- */

/* Speed of a spot column while its machine is there, over its speed on average. */
static double while_up(const struct plan_rival_shop *shop, uint32_t column)
{
    const struct plan_wish *wish = shop->made->wish;
    const struct catalog_sku *sku = &wish->catalog->skus[shop->problem->columns[column].sku];
    const struct catalog_spot *spot =
        catalog_find_spot(wish->catalog, sku->provider, sku->accelerator);
    return spot ? (spot->up_h + spot->down_h + wish->cold_start_h) / spot->up_h : 2;
}

static bool has_spot(const struct plan_rival_shop *shop, uint32_t s, uint32_t region)
{
    const struct plan_service *service = &shop->problem->services[s];
    for (uint32_t c = service->column_first; c < service->column_first + service->column_count; c++)
        if (shop->problem->columns[c].market == PLAN_SPOT && shop->counts[c] > 0 &&
            shop->problem->nodes[shop->problem->columns[c].node].region == region)
            return true;
    return false;
}

/* Dynamic placement: the cheapest region without a spot replica, or else the cheapest of all. One
 * kind of accelerators, <like>, as a service asks for. */
static uint32_t next_spot(const struct plan_rival_shop *shop, uint32_t s, uint32_t like)
{
    struct plan_rival_query query = {s, PLAN_NONE, {[PLAN_SPOT] = true}, false, like};
    double fit = best_fit(shop, &query), best_price = INFINITY;
    bool is_best_used = true;
    uint32_t best = PLAN_NONE;
    for (query.region = 0; query.region < shop->problem->region_count; query.region++) {
        uint32_t c = plan_rival_pick(shop, &query, 1);
        if (c == PLAN_NONE || plan_rival_fit(shop, &query, c) < fit)
            continue;
        bool is_used = has_spot(shop, s, query.region);
        double price = shop->problem->columns[c].cost_usd_h / (double)shop->speeds[c];
        if (is_used > is_best_used || (is_used == is_best_used && price >= best_price))
            continue;
        best = c;
        is_best_used = is_used;
        best_price = price;
    }
    return best;
}

/* What spot replicas answer while all are up. */
static double spot_room(const struct plan_rival_shop *shop, uint32_t s)
{
    const struct plan_service *service = &shop->problem->services[s];
    double room = 0;
    for (uint32_t c = service->column_first; c < service->column_first + service->column_count; c++)
        if (shop->problem->columns[c].market == PLAN_SPOT &&
            shop->problem->nodes[shop->problem->columns[c].node].region != shop->lost)
            room += while_up(shop, c) * (double)plan_rival_capacity(shop, c, shop->counts[c]);
    return room;
}

/* Spot until the target is reached: the load and two replicas. Answers the target. */
static int64_t hedge(struct plan_rival_shop *shop, uint32_t s, int64_t load)
{
    const struct plan_rival_query any = {s, PLAN_NONE, {[PLAN_SPOT] = true}, false, PLAN_NONE};
    uint32_t like = plan_rival_pick(shop, &any, load); /* what is cheapest for all of it */
    if (like == PLAN_NONE)
        return load;
    double one = while_up(shop, like) * (double)plan_rival_capacity(shop, like, 1);
    double target = (double)load + SPOT_MORE * one;
    uint32_t c = next_spot(shop, s, like);
    for (; c != PLAN_NONE && spot_room(shop, s) < target; c = next_spot(shop, s, like))
        plan_rival_buy(shop, c, plan_rival_need(shop, c, 1));
    return (int64_t)target;
}

/* Dynamic fallback: on demand = min(load, target - spot that is ready), with as much of it ready as
 * there is on average. Other machines that stand count as on demand. */
enum err plan_rival_spothedge(struct plan_rival_shop *shop)
{
    for (uint32_t s = 0; s < shop->problem->service_count; s++) {
        struct plan_rival_query steady = anywhere(s);
        steady.has_market[PLAN_SPOT] = false;
        int64_t load = plan_rival_load(shop, s), target = hedge(shop, s, load);
        int64_t missing = target - plan_rival_standing(shop, s, PLAN_NONE);
        plan_rival_take(shop, &steady, missing < load ? missing : load);
    }
    return ERR_OK;
}
