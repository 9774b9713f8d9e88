#include "plan/own.h"

#include <math.h>
#include <string.h>

enum { PUSHED_TRIES = 32 };

/* One that is there already does not join again. */
static void join(struct plan_pool *pool, const uint32_t *counts, double cost_usd_h, double worth)
{
    uint32_t to = pool->count;
    for (uint32_t i = 0; i < pool->count; i++)
        if (memcmp(pool->counts + (size_t)i * pool->column_count, counts,
                   pool->column_count * sizeof *counts) == 0)
            return;
    if (to == PLAN_POOL_MAX) {
        to = 0;
        for (uint32_t i = 1; i < pool->count; i++)
            to = pool->worths[i] > pool->worths[to] ? i : to;
        if (pool->worths[to] <= worth)
            return;
    } else {
        pool->count++;
    }
    memcpy(pool->counts + (size_t)to * pool->column_count, counts,
           pool->column_count * sizeof *counts);
    pool->costs_usd_h[to] = cost_usd_h;
    pool->worths[to] = worth;
    pool->joined++;
}

/* What a plan that costs <listed> at list prices costs at the others. */
static double worth_of(const struct plan_own *own, const uint32_t *counts, double listed)
{
    double worth = listed;
    for (uint32_t c = 0; c < own->pool.column_count; c++)
        worth += counts[c] * (own->priced[c].cost_usd_h - own->list[c].cost_usd_h);
    return worth;
}

/* A plan that costs <cost> at <costs> joins; its worth. */
static double add(struct plan_own *own, const uint32_t *counts, const double *costs, double cost)
{
    double listed = cost;
    for (uint32_t c = 0; c < own->pool.column_count; c++)
        listed += counts[c] * (own->list[c].cost_usd_h - costs[c]);
    double worth = worth_of(own, counts, listed);
    join(&own->pool, counts, listed, worth);
    return worth;
}

static double cost_of(const struct plan_place *place, uint32_t service)
{
    return place->services[service].cost_usd_h + place->services[service].egress_usd_h;
}

static double add_placed(struct plan_own *own)
{
    return add(own, own->place.counts, own->place.costs, cost_of(&own->place, 0));
}

bool plan_own_init(struct plan_own *own, const struct plan_problem *part,
                   const struct plan_column *list, uint64_t seed, struct arena *arena)
{
    uint32_t count = part->column_count;
    *own = (struct plan_own){.list = list, .priced = part->columns};
    own->pool.column_count = count;
    own->pool.counts = ARENA_ARRAY(arena, uint32_t, (size_t)PLAN_POOL_MAX * count);
    own->pushed = ARENA_ARRAY(arena, double, count);
    if (arena->is_overflown || !plan_place_init(&own->place, part, arena))
        return false;
    rng_init(&own->place.rng, seed);
    return true;
}

void plan_own_price(struct plan_own *own)
{
    struct plan_pool *pool = &own->pool;
    plan_place_price(&own->place, NULL);
    for (uint32_t p = 0; p < pool->count; p++)
        pool->worths[p] =
            worth_of(own, pool->counts + (size_t)p * pool->column_count, pool->costs_usd_h[p]);
}

double plan_own_start(struct plan_own *own, const double *values, double theta, uint32_t tries)
{
    own->place.services[0].is_unplaced = true; /* whatever comes is better */
    if (!plan_place_try(&own->place, 0, values, theta))
        return INFINITY;
    plan_place_search(&own->place, 0, tries);
    return add_placed(own);
}

double plan_own_resume(struct plan_own *own, uint32_t tries)
{
    const struct plan_pool *pool = &own->pool;
    uint32_t best = 0;
    for (uint32_t p = 1; p < pool->count; p++)
        best = pool->worths[p] < pool->worths[best] ? p : best;
    if (pool->count == 0 ||
        isinf(plan_own_try(own, pool->counts + (size_t)best * pool->column_count)))
        return INFINITY;
    plan_place_search(&own->place, 0, tries);
    return add_placed(own);
}

void plan_own_push(struct plan_own *own, const double *prices, const struct plan_place *whole,
                   uint32_t column_first)
{
    own->is_pushed = true;
    for (uint32_t i = 0; i < own->pool.column_count; i++) {
        uint32_t c = column_first + i;
        own->pushed[i] = own->list[i].cost_usd_h;
        for (uint32_t r = whole->row_firsts[c]; r < whole->row_firsts[c + 1]; r++)
            own->pushed[i] -= prices[whole->row_of[r]] * whole->row_factors[r];
    }
}

/* The pool's best at the pushed costs; NULL: it is empty. */
static const uint32_t *best_pushed(const struct plan_own *own)
{
    const struct plan_pool *pool = &own->pool;
    const uint32_t *best = NULL;
    double least = INFINITY;
    for (uint32_t p = 0; p < pool->count; p++) {
        const uint32_t *counts = pool->counts + (size_t)p * pool->column_count;
        double cost = pool->costs_usd_h[p];
        for (uint32_t c = 0; c < pool->column_count; c++)
            cost += counts[c] * (own->pushed[c] - own->list[c].cost_usd_h);
        if (cost < least) {
            least = cost;
            best = counts;
        }
    }
    return best;
}

double plan_own_search(struct plan_own *own)
{
    const uint32_t *best = own->is_pushed ? best_pushed(own) : NULL;
    double worth = INFINITY;
    own->is_pushed = false;
    if (!best)
        return worth;
    for (uint32_t c = 0; c < own->pool.column_count; c++) {
        plan_place_charge(&own->place, c, own->pushed[c]);
        plan_place_set(&own->place, c, best[c]);
    }
    if (plan_place_settle(&own->place, 0, 0)) {
        plan_place_search(&own->place, 0, PUSHED_TRIES);
        worth = add_placed(own);
    }
    plan_own_price(own);
    return worth;
}

double plan_own_try(struct plan_own *own, const uint32_t *counts)
{
    struct plan_place_service *state = &own->place.services[0];
    for (uint32_t c = 0; c < own->pool.column_count; c++)
        plan_place_set(&own->place, c, counts[c]);
    state->is_unplaced = !plan_place_holds(&own->place, 0);
    if (state->is_unplaced)
        return INFINITY;
    state->egress_usd_h = state->has_egress ? plan_place_route(&own->place, 0) : 0;
    return add_placed(own);
}

void plan_own_gather(struct plan_own *own, const struct plan_pool *from)
{
    for (uint32_t i = 0; i < from->count; i++)
        join(&own->pool, from->counts + (size_t)i * from->column_count, from->costs_usd_h[i],
             from->worths[i]);
}

void plan_own_take(struct plan_own *own, const struct plan_place *whole, uint32_t service)
{
    uint32_t first = whole->problem->services[service].column_first;
    add(own, whole->counts + first, whole->costs + first, cost_of(whole, service));
}
