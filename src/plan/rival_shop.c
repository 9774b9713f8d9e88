#include "plan/rival_shop.h"

#include <math.h>

#include "base/check.h"
#include "plan/rival_speed.h"

/* Share of the service's requests that <column> answers in time, the network left out; all are as
 * many as the percentile asks for. */
static double fit_of(const struct plan_rival_shop *shop, uint32_t c)
{
    const struct plan_formulation *made = shop->made;
    uint32_t s = shop->problem->nodes[shop->problem->columns[c].node].service;
    const struct plan_wish_service *wish = &made->wish->services[s];
    const struct plan_speed *speed = &made->speeds[made->columns[c].speed];
    double share = 0;
    for (uint32_t b = 0; b < wish->bucket_count; b++)
        if (speed->rates[b] > 0 && wish->wait_ms + speed->first_ms[b] <= wish->ttft_ms)
            share += wish->buckets[b].share;
    return share < wish->percentile ? share / wish->percentile : 1;
}

static double allowed_of(const struct plan_rival_shop *shop, uint32_t c)
{
    const struct plan_wish *wish = shop->made->wish;
    uint32_t s = shop->problem->nodes[shop->problem->columns[c].node].service;
    uint32_t zone = wish->place_zones[shop->made->columns[c].place];
    double all = 0, allowed = 0;
    for (uint32_t i = 0; i < wish->catalog->client_count; i++) {
        all += wish->services[s].rates[i];
        if (wish->services[s].residency[i] >> zone & 1)
            allowed += wish->services[s].rates[i];
    }
    return all > 0 ? allowed / all : 0;
}

bool plan_rival_shop_open(struct plan_rival_shop *shop, const struct plan_formulation *made,
                          bool gets_all_sizes, const struct plan_lp_api *lp, struct arena *arena)
{
    const struct plan_problem *problem = &made->problem;
    *shop =
        (struct plan_rival_shop){.made = made,
                                 .problem = problem,
                                 .lp = lp,
                                 .arena = arena,
                                 .counts = ARENA_ARRAY(arena, uint32_t, problem->column_count),
                                 .stock_rows = ARENA_ARRAY(arena, uint32_t, problem->column_count),
                                 .stock_used = ARENA_ARRAY(arena, double, problem->row_count),
                                 .speeds = plan_rival_speeds(made, arena),
                                 .fits = ARENA_ARRAY(arena, double, problem->column_count),
                                 .allowed = ARENA_ARRAY(arena, double, problem->column_count),
                                 .lost = PLAN_NONE};
    if (arena->is_overflown)
        return false;
    for (uint32_t c = 0; c < problem->column_count; c++) {
        shop->stock_rows[c] = PLAN_NONE;
        if (!gets_all_sizes)
            shop->speeds[c] = problem->columns[c].speed;
        shop->fits[c] = fit_of(shop, c);
        shop->allowed[c] = allowed_of(shop, c);
    }
    for (uint32_t r = 0; r < problem->row_count; r++)
        for (uint32_t i = 0;
             problem->rows[r].rule == PLAN_RULE_STOCK && i < problem->rows[r].term_count; i++)
            shop->stock_rows[problem->rows[r].terms[i].column] = r;
    for (uint32_t c = 0; c < problem->column_count; c++)
        if (problem->columns[c].count_min > 0)
            plan_rival_buy(shop, c, problem->columns[c].count_min);
    return true;
}

/* What stands ------------------------------------------------------------------------------ */

uint32_t plan_rival_share(const struct plan_rival_shop *shop, uint32_t service)
{
    const struct plan_service *own = &shop->problem->services[service];
    return shop->lost == PLAN_NONE ? own->share_ppm : own->share_lost_ppm;
}

int64_t plan_rival_load(const struct plan_rival_shop *shop, uint32_t service)
{
    const struct plan_service *own = &shop->problem->services[service];
    int64_t load = 0;
    for (uint32_t d = own->demand_first; d < own->demand_first + own->demand_count; d++)
        load += shop->problem->demands[d].rate;
    return load;
}

int64_t plan_rival_capacity(const struct plan_rival_shop *shop, uint32_t column, uint32_t count)
{
    const struct plan_column *own = &shop->problem->columns[column];
    uint32_t service = shop->problem->nodes[own->node].service;
    return plan_capacity(shop->speeds[column] * (int64_t)count, plan_rival_share(shop, service));
}

int64_t plan_rival_node_room(const struct plan_rival_shop *shop, uint32_t node)
{
    const struct plan_node *own = &shop->problem->nodes[node];
    int64_t speed = 0;
    if (own->region == shop->lost)
        return 0;
    for (uint32_t c = own->column_first; c < own->column_first + own->column_count; c++)
        speed += shop->speeds[c] * (int64_t)shop->counts[c];
    return plan_capacity(speed, plan_rival_share(shop, own->service));
}

int64_t plan_rival_standing(const struct plan_rival_shop *shop, uint32_t service, uint32_t region)
{
    const struct plan_service *own = &shop->problem->services[service];
    int64_t room = 0;
    for (uint32_t v = own->node_first; v < own->node_first + own->node_count; v++)
        if (region == PLAN_NONE || shop->problem->nodes[v].region == region)
            room += plan_rival_node_room(shop, v);
    return room;
}

/* What can be had -------------------------------------------------------------------------- */

uint32_t plan_rival_left(const struct plan_rival_shop *shop, uint32_t column)
{
    const struct plan_column *own = &shop->problem->columns[column];
    if (shop->problem->nodes[own->node].region == shop->lost ||
        shop->counts[column] >= own->count_max)
        return 0;
    uint32_t left = own->count_max - shop->counts[column], r = shop->stock_rows[column];
    if (r == PLAN_NONE)
        return left;
    const struct plan_row *row = &shop->problem->rows[r];
    double factor = plan_row_factor(row, column);
    CHECK(factor > 0);
    double more = floor((row->upper - shop->stock_used[r]) / factor + 1e-9);
    if (more <= 0)
        return 0;
    return more < left ? (uint32_t)more : left;
}

static uint32_t replicas_in(const struct plan_rival_shop *shop, const struct plan_node *node)
{
    uint32_t sum = 0;
    for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
        sum += shop->counts[c];
    return sum;
}

/* The least speed that may be loaded with <load>. */
static int64_t speed_for(int64_t load, uint32_t share_ppm)
{
    const int64_t whole = 1000000;
    if (load / share_ppm >= PLAN_RATE_MAX / whole)
        return PLAN_RATE_MAX;
    return load / share_ppm * whole + (load % share_ppm * whole + share_ppm - 1) / share_ppm;
}

uint32_t plan_rival_need(const struct plan_rival_shop *shop, uint32_t column, int64_t load)
{
    const struct plan_column *own = &shop->problem->columns[column];
    const struct plan_node *node = &shop->problem->nodes[own->node];
    int64_t speed = speed_for(load, plan_rival_share(shop, node->service));
    int64_t need = (speed + shop->speeds[column] - 1) / shop->speeds[column];
    uint32_t left = plan_rival_left(shop, column), standing = replicas_in(shop, node);
    if (standing < node->replicas_min && need < node->replicas_min - standing)
        need = node->replicas_min - standing;
    return need < left ? (uint32_t)need : left;
}

double plan_rival_price(const struct plan_rival_shop *shop, uint32_t column, uint32_t count,
                        int64_t load)
{
    const struct plan_column *own = &shop->problem->columns[column];
    const struct plan_node *node = &shop->problem->nodes[own->node];
    int64_t capacity = plan_rival_capacity(shop, column, count);
    int64_t answered = capacity < load ? capacity : load;
    if (answered == 0)
        return INFINITY;
    double open_usd_h = replicas_in(shop, node) == 0 ? node->open_usd_h : 0;
    return (count * own->cost_usd_h + open_usd_h) / (double)answered;
}

void plan_rival_buy(struct plan_rival_shop *shop, uint32_t column, uint32_t count)
{
    uint32_t r = shop->stock_rows[column];
    shop->counts[column] += count;
    if (r != PLAN_NONE)
        shop->stock_used[r] += count * plan_row_factor(&shop->problem->rows[r], column);
}

double plan_rival_fit(const struct plan_rival_shop *shop, const struct plan_rival_query *query,
                      uint32_t column)
{
    return shop->fits[column] * (query->ignores_residency ? 1 : shop->allowed[column]);
}

/* The same accelerators, as many, split alike? */
static bool is_like(const struct plan_rival_shop *shop, uint32_t a, uint32_t b)
{
    const struct plan_formulation *made = shop->made;
    const struct catalog_sku *skus = made->wish->catalog->skus;
    const struct catalog_sku *one = &skus[shop->problem->columns[a].sku];
    const struct catalog_sku *other = &skus[shop->problem->columns[b].sku];
    return span_is_equal(one->accelerator, other->accelerator) &&
           one->accelerator_count == other->accelerator_count &&
           made->speeds[made->columns[a].speed].tensor_parallel ==
               made->speeds[made->columns[b].speed].tensor_parallel;
}

/* Does <query> ask for column <c>? */
static bool is_asked_for(const struct plan_rival_shop *shop, const struct plan_rival_query *query,
                         uint32_t c)
{
    const struct plan_column *own = &shop->problem->columns[c];
    uint32_t region = shop->problem->nodes[own->node].region;
    return (query->region == PLAN_NONE || region == query->region) &&
           query->has_market[own->market] &&
           (query->like == PLAN_NONE || is_like(shop, c, query->like));
}

uint32_t plan_rival_pick(const struct plan_rival_shop *shop, const struct plan_rival_query *query,
                         int64_t load)
{
    const double same = 1e-9;
    const struct plan_service *service = &shop->problem->services[query->service];
    uint32_t best = PLAN_NONE;
    double best_fit = 0, best_price = INFINITY;
    for (uint32_t c = service->column_first; c < service->column_first + service->column_count;
         c++) {
        double fit = plan_rival_fit(shop, query, c);
        if (!is_asked_for(shop, query, c) || fit < best_fit - same)
            continue;
        double price = plan_rival_price(shop, c, plan_rival_need(shop, c, load), load);
        bool fits_better = fit > best_fit + same && price < INFINITY;
        if (!fits_better && !(price < best_price))
            continue;
        best = c;
        best_fit = fits_better ? fit : best_fit;
        best_price = price;
    }
    return best;
}

int64_t plan_rival_take(struct plan_rival_shop *shop, const struct plan_rival_query *query,
                        int64_t load)
{
    while (load > 0) {
        uint32_t c = plan_rival_pick(shop, query, load);
        if (c == PLAN_NONE)
            break;
        uint32_t count = plan_rival_need(shop, c, load);
        plan_rival_buy(shop, c, count);
        load -= plan_rival_capacity(shop, c, count);
    }
    return load > 0 ? load : 0;
}
