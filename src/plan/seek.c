#include "plan/seek.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/sort.h"

enum {
    ATTEMPTS = 8,
    TREE_ATTEMPTS = 18,
    TURNS_TO_PLACE = 12,  /* of a tree, for a first plan, */
    LEAVES_TO_PLACE = 32, /* in each */
    POLISH_LEAVES = 20,
    POLISH_TRIES = 8,
    FIRST_TRIES = 64, /* before its tree grows */
    TRIES = 8,
    VAIN_MAX = 8,    /* branchings one after the other: the wait grows no more */
    SWEEPS = 5,      /* of the first fall of prices, */
    SWEEPS_MORE = 2, /* and of each that comes, */
    SWEEPS_MAX = 9,
    EXCHANGE_EVERY = 8, /* turns, and behind the last one of a sweep */
    SEED = 1 << 16      /* of the owns: others than the trees' */
};

#define KEEP_GAIN  1e-9 /* of the cost: sums that come and go drift by less */
#define SWEEP_GAIN 5e-5 /* of the cost: a sweep at list prices that saves less is the last */

/* Of the prices, in the first sweep of each fall, in turn; from there to none in equal steps. */
static const double tops[] = {0.9, 0.5};

static uint32_t sweeps_of(const struct plan_seeker *seeker)
{
    uint32_t sweeps = SWEEPS + SWEEPS_MORE * seeker->rise;
    return sweeps < SWEEPS_MAX ? sweeps : SWEEPS_MAX;
}

static bool is_last(const struct plan_seeker *seeker)
{
    return seeker->sweep + 1 >= sweeps_of(seeker);
}

uint64_t plan_seeker_work(const struct plan_seeker *seeker)
{
    uint64_t work = seeker->place.work;
    for (uint32_t s = 0; s < seeker->problem->service_count; s++)
        work += seeker->exacts[s].relax.work;
    return work;
}

bool plan_seeker_has_prices(const struct plan_seeker *seeker)
{
    for (uint32_t r = 0; r < seeker->problem->row_count; r++)
        if (seeker->prices[r] != 0)
            return true;
    return false;
}

static enum err init_services(struct plan_seeker *seeker, const struct plan_tree *trees,
                              struct arena *arena)
{
    const struct plan_problem *problem = seeker->problem;
    for (uint32_t s = 0; s < problem->service_count; s++) {
        enum err err = plan_tree_begin(&seeker->exacts[s], problem, seeker->api, s, true, arena);
        if (err)
            return err;
        seeker->order[s] = s;
        if (!trees[s].own)
            continue;
        if (!plan_own_init(&seeker->owns[s], &trees[s].part,
                           problem->columns + problem->services[s].column_first, SEED + s, arena))
            return ERR_MEMORY;
        seeker->pools[s] = &seeker->owns[s].pool;
    }
    return ERR_OK;
}

enum err plan_seeker_init(struct plan_seeker *seeker, const struct plan_problem *problem,
                          const struct plan_lp_api *api, const struct plan_tree *trees,
                          const double *prices, struct arena *arena)
{
    uint32_t services = problem->service_count;
    *seeker = (struct plan_seeker){.problem = problem,
                                   .api = api,
                                   .prices = prices,
                                   .exacts = ARENA_ARRAY(arena, struct plan_tree, services),
                                   .owns = ARENA_ARRAY(arena, struct plan_own, services),
                                   .pools = ARENA_ARRAY(arena, const struct plan_pool *, services),
                                   .gathered = ARENA_ARRAY(arena, uint32_t, services),
                                   .share = ARENA_ARRAY(arena, double, problem->row_count),
                                   .pushed = ARENA_ARRAY(arena, double, problem->row_count),
                                   .order = ARENA_ARRAY(arena, uint32_t, services),
                                   .scratch = ARENA_ARRAY(arena, uint32_t, services),
                                   .costs = ARENA_ARRAY(arena, double, services),
                                   .best = ARENA_ARRAY(arena, uint32_t, problem->column_count),
                                   .polished = ARENA_ARRAY(arena, uint32_t, services),
                                   .kept = ARENA_ARRAY(arena, uint32_t, problem->column_count),
                                   .lacks = ARENA_ARRAY(arena, double, problem->row_count),
                                   .lent = ARENA_ARRAY(arena, double, problem->row_count),
                                   .waits = ARENA_ARRAY(arena, uint32_t, services),
                                   .best_usd_h = INFINITY};
    if (arena->is_overflown || !plan_place_init(&seeker->place, problem, arena))
        return ERR_MEMORY;
    rng_init(&seeker->place.rng, 1);
    enum err err = init_services(seeker, trees, arena);
    if (err)
        return err;
    seeker->exchange = plan_exchange_new(&seeker->place, arena);
    return seeker->exchange ? ERR_OK : ERR_MEMORY;
}

void plan_seeker_end(struct plan_seeker *seeker)
{
    for (uint32_t s = 0; seeker->exacts && s < seeker->problem->service_count; s++)
        plan_tree_end(&seeker->exacts[s]);
}

void plan_seeker_keep_best(struct plan_seeker *seeker)
{
    double cost = plan_place_cost(&seeker->place);
    if (!plan_place_is_whole(&seeker->place) || cost >= seeker->best_usd_h * (1 - KEEP_GAIN))
        return;
    seeker->best_usd_h = cost;
    memcpy(seeker->best, seeker->place.counts,
           seeker->problem->column_count * sizeof *seeker->best);
}

void plan_seeker_take_best(struct plan_seeker *seeker, const double *prices)
{
    plan_place_price(&seeker->place, prices);
    for (uint32_t c = 0; c < seeker->problem->column_count; c++)
        plan_place_set(&seeker->place, c, seeker->best[c]);
    for (uint32_t s = 0; s < seeker->problem->service_count; s++)
        CHECK(plan_place_settle(&seeker->place, s, 0));
}

/* A first plan ------------------------------------------------------------------------------ */

/* The service that failed comes first in the next attempt. */
static void put_first(struct plan_seeker *seeker, uint32_t failed)
{
    uint32_t first = seeker->order[failed];
    memmove(seeker->order + 1, seeker->order, failed * sizeof *seeker->order);
    seeker->order[0] = first;
}

/* Rounds the relaxation and repairs service after service. */
static bool construct(struct plan_seeker *seeker, const double *values, double theta,
                      bool (*is_over)(void *), void *context)
{
    const struct plan_problem *problem = seeker->problem;
    uint32_t services = problem->service_count;
    for (uint32_t attempt = 0; attempt == 0 || (attempt < ATTEMPTS && !is_over(context));
         attempt++) {
        uint32_t failed = PLAN_NONE;
        for (uint32_t c = 0; c < problem->column_count; c++)
            plan_place_set(&seeker->place, c, problem->columns[c].count_min);
        for (uint32_t s = 0; s < services; s++)
            plan_place_round(&seeker->place, s, values + problem->services[s].column_first,
                             attempt ? 0 : theta);
        for (uint32_t i = 0; i < services && failed == PLAN_NONE; i++)
            if (!plan_place_settle(&seeker->place, seeker->order[i], attempt ? 0.2 : 0))
                failed = i;
        if (failed == PLAN_NONE)
            return true;
        put_first(seeker, failed);
    }
    return false;
}

/* What the relaxation takes of the common rows for <service>, times <part>, kept free for it;
 * below zero: given back. */
static void reserve(struct plan_seeker *seeker, uint32_t service, const double *values, double part)
{
    const struct plan_problem *problem = seeker->problem;
    const struct plan_service *own = &problem->services[service];
    for (uint32_t r = 0; r < problem->row_count; r++)
        for (uint32_t i = 0; i < problem->rows[r].term_count; i++) {
            const struct plan_term *term = &problem->rows[r].terms[i];
            if (term->column >= own->column_first &&
                term->column < own->column_first + own->column_count &&
                !seeker->place.is_own_row[r])
                seeker->place.activities[r] += part * term->factor * values[term->column];
        }
}

/* Service after service by branch and bound, <part> of what the relaxation gives the others kept
 * for them (whole numbers need more room than it says); the harder way, where rules are tight. */
static bool construct_by_trees(struct plan_seeker *seeker, const double *values, double part,
                               bool (*is_over)(void *), void *context)
{
    const struct plan_problem *problem = seeker->problem;
    struct plan_place *place = &seeker->place;
    uint32_t placed = 0, given = 0; /* services; those that have their share back */
    for (uint32_t c = 0; c < problem->column_count; c++)
        plan_place_set(place, c, problem->columns[c].count_min);
    for (uint32_t s = 0; s < problem->service_count; s++)
        reserve(seeker, s, values, part);
    for (; placed < problem->service_count && !is_over(context); placed++) {
        uint32_t s = seeker->order[placed];
        reserve(seeker, s, values, -part);
        given++;
        place->services[s].is_unplaced = true;
        plan_tree_restart(&seeker->exacts[s], place);
        plan_tree_price(&seeker->exacts[s], seeker->prices);
        for (uint32_t turn = 0; turn < TURNS_TO_PLACE && place->services[s].is_unplaced; turn++)
            plan_tree_grow(&seeker->exacts[s], place, LEAVES_TO_PLACE, is_over, context);
        if (place->services[s].is_unplaced)
            break;
    }
    for (uint32_t i = given; i < problem->service_count; i++)
        reserve(seeker, seeker->order[i], values, -part);
    for (uint32_t s = 0; s < problem->service_count; s++)
        place->services[s].is_unplaced = false;
    if (placed == problem->service_count)
        return true;
    put_first(seeker, placed);
    return false;
}

/* Begins with the counts of another plan, as far as the rules allow them now. */
static bool mend(struct plan_seeker *seeker, const uint32_t *counts)
{
    const struct plan_problem *problem = seeker->problem;
    for (uint32_t c = 0; c < problem->column_count; c++) {
        const struct plan_column *column = &problem->columns[c];
        uint32_t count = counts[c] < column->count_max ? counts[c] : column->count_max;
        plan_place_set(&seeker->place, c, count > column->count_min ? count : column->count_min);
    }
    for (uint32_t s = 0; s < problem->service_count; s++)
        if (!plan_place_settle(&seeker->place, s, 0))
            return false;
    return true;
}

void plan_seek_first(struct plan_seeker *seeker, const uint32_t *warm, const double *values,
                     bool (*is_over)(void *), void *context)
{
    static const double thetas[] = {0.0, 0.3, 0.6, 0.9}, kept[] = {1, 0.98, 0.95, 0.9, 0.8, 0};
    const double *best = &seeker->best_usd_h;
    if (warm && mend(seeker, warm)) {
        plan_seeker_keep_best(seeker);
        seeker->sweep = sweeps_of(seeker) - 1; /* it is too good to begin with other prices */
    }
    plan_place_price(&seeker->place, seeker->prices);
    for (size_t i = 0; i < COUNT_OF(thetas) && (isinf(*best) || !is_over(context)); i++)
        if (construct(seeker, values, thetas[i], is_over, context))
            plan_seeker_keep_best(seeker);
    for (uint32_t i = 0; isinf(*best) && i < TREE_ATTEMPTS && !is_over(context); i++)
        if (construct_by_trees(seeker, values, kept[i % COUNT_OF(kept)], is_over, context))
            plan_seeker_keep_best(seeker);
}

/* Pools ------------------------------------------------------------------------------------- */

void plan_seek_gather(struct plan_seeker *seeker, uint32_t service, struct plan_tree *tree)
{
    const struct plan_pool *pool = seeker->pools[service];
    if (!pool || seeker->gathered[service] == pool->joined + tree->own->pool.joined)
        return;
    plan_own_gather(&seeker->owns[service], &tree->own->pool);
    plan_own_gather(tree->own, pool);
    seeker->gathered[service] = pool->joined + tree->own->pool.joined;
}

void plan_seek_push(const struct plan_seeker *seeker, uint32_t service, struct plan_tree *tree)
{
    if (seeker->has_pushed && tree->own)
        plan_own_push(tree->own, seeker->pushed, &seeker->place,
                      seeker->problem->services[service].column_first);
}

static void take_into_pool(struct plan_seeker *seeker, uint32_t service)
{
    if (seeker->pools[service])
        plan_own_take(&seeker->owns[service], &seeker->place, service);
}

void plan_seek_exchange(struct plan_seeker *seeker)
{
    uint32_t news = seeker->change;
    for (uint32_t s = 0; s < seeker->problem->service_count; s++)
        news += seeker->pools[s] ? seeker->pools[s]->joined : 0;
    if (seeker->news == news)
        return;
    seeker->news = news;
    if (plan_exchange_plans(seeker->exchange, &seeker->place, seeker->pools))
        seeker->change++;
    if (plan_exchange_price(seeker->exchange, seeker->api, seeker->pushed, &seeker->place.work))
        seeker->has_pushed = true;
}

/* Which of the services' plans go together best, where something is new: for a third of the work at
 * most, and half of that after each time in vain. */
static void branch(struct plan_seeker *seeker, bool (*is_over)(void *), void *context)
{
    const uint64_t begin = plan_seeker_work(seeker);
    if (seeker->branched == seeker->news || begin < seeker->branch_at)
        return;
    seeker->branched = seeker->news;
    bool is_better = plan_exchange_branch(seeker->exchange, seeker->api, &seeker->place,
                                          seeker->pools, is_over, context);
    const uint64_t end = plan_seeker_work(seeker);
    seeker->change += is_better;
    seeker->vain = is_better ? 0 : seeker->vain + (seeker->vain < VAIN_MAX);
    seeker->branch_at = end + ((end - begin) << (1 + seeker->vain));
    plan_seeker_keep_best(seeker);
}

/* Plans at prices at which those that there are go together. */
static void search_pushed(struct plan_seeker *seeker, uint32_t service)
{
    struct plan_own *own = &seeker->owns[service];
    if (!seeker->pools[service] || !seeker->has_pushed || !plan_seeker_has_prices(seeker))
        return;
    uint64_t work = own->place.work;
    plan_own_push(own, seeker->pushed, &seeker->place,
                  seeker->problem->services[service].column_first);
    plan_own_search(own);
    seeker->place.work += own->place.work - work;
}

void plan_seek_root(struct plan_seeker *seeker, uint32_t service, struct plan_tree *tree)
{
    plan_tree_round(tree, &seeker->place);
    plan_tree_take_cuts(&seeker->exacts[service], tree);
    plan_place_search(&seeker->place, service, FIRST_TRIES);
    plan_tree_meet(tree, &seeker->place);
    take_into_pool(seeker, service);
    plan_seek_gather(seeker, service, tree);
    if (tree->own)
        plan_place_know(&seeker->owns[service].place, 0, &tree->own->place, 0);
}

/* Sweeps ------------------------------------------------------------------------------------ */

/* NULL: the list's. */
static const double *prices_of_sweep(const struct plan_seeker *seeker)
{
    return is_last(seeker) ? NULL : seeker->share;
}

/* The best plan of one service at the sweep's prices, on what the others leave of the common
 * rows. */
static void polish(struct plan_seeker *seeker, uint32_t service, struct plan_enumerator *enumerator,
                   bool (*is_over)(void *), void *context)
{
    struct plan_tree *tree = &seeker->exacts[service];
    const struct plan_place_service *state = &seeker->place.services[service];
    struct plan_own *own = seeker->pools[service] ? &seeker->owns[service] : NULL;
    double before = state->cost_usd_h + state->egress_usd_h;
    plan_tree_restart(tree, &seeker->place);
    plan_tree_price(tree, prices_of_sweep(seeker));
    if (!plan_tree_respond(tree, own, enumerator, &seeker->place, is_over, context)) {
        plan_tree_cut_rest(tree, is_over, context);
        plan_tree_grow(tree, &seeker->place, POLISH_LEAVES, is_over, context);
    }
    plan_place_search(&seeker->place, service, POLISH_TRIES);
    if (state->cost_usd_h + state->egress_usd_h < before)
        seeker->change++;
}

/* The service, as good as it gets at list prices; its plan and those of another one. */
static void improve(struct plan_seeker *seeker, uint32_t service,
                    struct plan_enumerator *enumerator, bool (*is_over)(void *), void *context)
{
    struct plan_place *place = &seeker->place;
    if (seeker->polished[service] != seeker->change) {
        polish(seeker, service, enumerator, is_over, context);
        seeker->polished[service] = seeker->change;
    } else {
        plan_place_search(place, service, TRIES);
    }
    take_into_pool(seeker, service);
    search_pushed(seeker, service);
    if (seeker->turn % EXCHANGE_EVERY == EXCHANGE_EVERY - 1)
        plan_seek_exchange(seeker);
    uint32_t other = (uint32_t)rng_below(&place->rng, seeker->problem->service_count);
    if (other != service && plan_place_search_two(place, service, other))
        seeker->change++;
}

static bool costs_less(const void *costs, uint32_t a, uint32_t b)
{
    const double *all = costs;
    return all[a] < all[b];
}

/* The cheapest services come first: those that come last fit into what is left, which small ones
 * cannot. */
static void sort_services(struct plan_seeker *seeker)
{
    for (uint32_t s = 0; s < seeker->problem->service_count; s++) {
        seeker->order[s] = s;
        seeker->costs[s] = plan_place_cost_of(&seeker->place, s);
    }
    sort_indices(seeker->order, seeker->scratch, seeker->problem->service_count, costs_less,
                 seeker->costs);
}

static void begin_sweep(struct plan_seeker *seeker)
{
    sort_services(seeker);
    double top = tops[seeker->rise % COUNT_OF(tops)];
    seeker->part = top * (1 - seeker->sweep / (sweeps_of(seeker) - 1.0));
    for (uint32_t r = 0; r < seeker->problem->row_count; r++)
        seeker->share[r] = seeker->part * seeker->prices[r];
    plan_place_price(&seeker->place, prices_of_sweep(seeker));
    seeker->begun_usd_h = plan_place_cost(&seeker->place);
}

static void end_sweep(struct plan_seeker *seeker)
{
    plan_seek_exchange(seeker);
    plan_seeker_keep_best(seeker);
    double gain = seeker->begun_usd_h - plan_place_cost(&seeker->place);
    bool is_stuck = gain <= SWEEP_GAIN * seeker->begun_usd_h;
    if (!is_last(seeker)) {
        seeker->sweep++;
    } else if (is_stuck && plan_seeker_has_prices(seeker)) {
        plan_seeker_take_best(seeker, NULL);
        seeker->rise++;
        seeker->sweep = 0;
    }
    seeker->turn = 0;
}

static void take_turn(struct plan_seeker *seeker, struct plan_enumerator *enumerator,
                      bool (*is_over)(void *), void *context)
{
    if (seeker->turn == 0)
        begin_sweep(seeker);
    uint32_t service = seeker->order[seeker->turn];
    if (is_last(seeker)) {
        improve(seeker, service, enumerator, is_over, context);
    } else {
        polish(seeker, service, enumerator, is_over, context);
        take_into_pool(seeker, service);
    }
    seeker->turn++;
}

void plan_seek(struct plan_seeker *seeker, uint64_t work, struct plan_enumerator *enumerator,
               bool (*is_over)(void *), void *context)
{
    const uint64_t end = plan_seeker_work(seeker) + work;
    bool is_first = true;
    for (; (is_first || plan_seeker_work(seeker) < end) && !is_over(context); is_first = false) {
        if (seeker->turn < seeker->problem->service_count)
            take_turn(seeker, enumerator, is_over, context);
        else if (!plan_seek_eject(seeker, is_over, context))
            end_sweep(seeker);
        plan_seeker_keep_best(seeker);
    }
    branch(seeker, is_over, context);
}
