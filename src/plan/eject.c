#include <string.h>

#include "base/check.h"
#include "plan/seek.h"

enum {
    GIVERS_MAX = 8,
    GIVER_LEAVES = 24,
    GIVER_TRIES = 4,
    WAIT = 10,           /* rounds, for who took something in vain */
    VAIN_MAX = 10,       /* rounds one after the other, the last */
    ROUNDS_A_SERVICE = 3 /* behind a sweep */
};

#define GAIN_MIN 1e-9 /* of the cost */

/* One service takes what does not fit, and others give way. */
struct chain {
    uint32_t services[1 + GIVERS_MAX];
    uint32_t count;
    double gain_usd_h; /* at the sweep's prices */
};

static double cost_of(const struct plan_place *place, uint32_t service)
{
    return place->services[service].cost_usd_h + place->services[service].egress_usd_h;
}

/* What the service's plan in the place is worth at the relaxation's prices. */
static double worth_of(const struct plan_seeker *seeker, uint32_t service)
{
    const struct plan_own *own = &seeker->owns[service];
    const uint32_t *counts = seeker->place.counts + seeker->problem->services[service].column_first;
    double worth = plan_place_cost_of(&seeker->place, service);
    for (uint32_t c = 0; c < own->pool.column_count; c++)
        worth += counts[c] * (own->priced[c].cost_usd_h - own->list[c].cost_usd_h);
    return worth;
}

/* A plan of the pool at the sweep's prices, which are a part of the relaxation's. */
static double cost_in_pool(const struct plan_seeker *seeker, const struct plan_pool *pool,
                           uint32_t plan)
{
    return pool->costs_usd_h[plan] + seeker->part * (pool->worths[plan] - pool->costs_usd_h[plan]);
}

/* The service that would gain most at the relaxation's prices, and the plan; much is left to
 * chance. PLAN_NONE: there is none that does not wait. */
static uint32_t choose_taker(struct plan_seeker *seeker, uint32_t round, uint32_t *ret_plan)
{
    uint32_t taker = PLAN_NONE;
    double best = 0;
    for (uint32_t s = 0; s < seeker->problem->service_count; s++) {
        const struct plan_pool *pool = seeker->pools[s];
        if (!pool || seeker->waits[s] > round)
            continue;
        double worth = worth_of(seeker, s), cost = cost_of(&seeker->place, s) * (1 - GAIN_MIN);
        for (uint32_t p = 0; p < pool->count; p++) {
            double chance = 0.5 + 0.5 * rng_unit(&seeker->place.rng);
            double value = chance * (worth - pool->worths[p]);
            if (value <= best || cost_in_pool(seeker, pool, p) >= cost)
                continue;
            best = value;
            taker = s;
            *ret_plan = p;
        }
    }
    return taker;
}

/* How far each row is broken. Is any? */
static bool find_lacks(struct plan_seeker *seeker)
{
    bool has_lack = false;
    for (uint32_t r = 0; r < seeker->problem->row_count; r++) {
        seeker->lacks[r] = plan_place_excess(&seeker->place, r);
        has_lack = has_lack || seeker->lacks[r] > 0;
    }
    return has_lack;
}

static bool is_in(const struct chain *chain, uint32_t service)
{
    for (uint32_t i = 0; i < chain->count; i++)
        if (chain->services[i] == service)
            return true;
    return false;
}

/* The service that holds most of what is lacking, by chance. PLAN_NONE: nobody does. */
static uint32_t choose_giver(struct plan_seeker *seeker, const struct chain *chain)
{
    uint32_t giver = PLAN_NONE;
    double best = 0;
    for (uint32_t s = 0; s < seeker->problem->service_count; s++) {
        double held = 0;
        for (uint32_t r = 0; !is_in(chain, s) && r < seeker->problem->row_count; r++) {
            if (seeker->lacks[r] == 0)
                continue;
            double part = plan_place_used(&seeker->place, s, r) / seeker->lacks[r];
            held += part < 1 ? part : 1;
        }
        held *= 0.3 + 0.7 * rng_unit(&seeker->place.rng);
        if (held > best) {
            best = held;
            giver = s;
        }
    }
    return giver;
}

/* What a row lacks although the giver takes nothing of it is for others to give: meanwhile it is as
 * if they had. */
static void lend(struct plan_seeker *seeker)
{
    for (uint32_t r = 0; r < seeker->problem->row_count; r++) {
        const struct plan_row *row = &seeker->problem->rows[r];
        double activity = seeker->place.activities[r], kept = activity;
        if (plan_place_excess(&seeker->place, r) > 0)
            kept = activity > row->upper ? row->upper : row->lower;
        seeker->lent[r] = activity - kept;
        seeker->place.activities[r] = kept;
    }
}

static void take_back(struct plan_seeker *seeker)
{
    for (uint32_t r = 0; r < seeker->problem->row_count; r++)
        seeker->place.activities[r] += seeker->lent[r];
}

/* The service's best answer to what is left, for less than <spare> more than it costs. */
static bool give_way(struct plan_seeker *seeker, uint32_t service, double spare,
                     bool (*is_over)(void *), void *context)
{
    struct plan_place *place = &seeker->place;
    struct plan_place_service *state = &place->services[service];
    struct plan_tree *tree = &seeker->exacts[service];
    const struct plan_service *own = &seeker->problem->services[service];
    double most = cost_of(place, service) + spare;
    for (uint32_t c = own->column_first; c < own->column_first + own->column_count; c++)
        plan_place_set(place, c, seeker->problem->columns[c].count_min);
    state->is_unplaced = true;
    lend(seeker);
    plan_tree_restart(tree, place);
    plan_tree_price(tree, seeker->part > 0 ? seeker->share : NULL);
    if (plan_tree_cut_rest(tree, is_over, context) < most) {
        tree->best_usd_h = most;
        plan_tree_grow(tree, place, GIVER_LEAVES, is_over, context);
    }
    bool is_placed = !state->is_unplaced;
    state->is_unplaced = false;
    if (is_placed)
        plan_place_search(place, service, GIVER_TRIES);
    take_back(seeker);
    return is_placed;
}

/* Others give way until all fits, or it is not worth it. */
static bool close_chain(struct plan_seeker *seeker, struct chain *chain, bool (*is_over)(void *),
                        void *context)
{
    while (find_lacks(seeker)) {
        uint32_t giver = choose_giver(seeker, chain);
        if (chain->count > GIVERS_MAX || giver == PLAN_NONE)
            return false;
        double before = cost_of(&seeker->place, giver);
        chain->services[chain->count++] = giver;
        if (!give_way(seeker, giver, chain->gain_usd_h, is_over, context))
            return false;
        chain->gain_usd_h -= cost_of(&seeker->place, giver) - before;
        if (chain->gain_usd_h <= 0)
            return false;
    }
    return true;
}

static bool eject(struct plan_seeker *seeker, uint32_t taker, uint32_t plan,
                  bool (*is_over)(void *), void *context)
{
    struct plan_place *place = &seeker->place;
    const struct plan_pool *pool = seeker->pools[taker];
    const uint32_t first = seeker->problem->services[taker].column_first;
    const double before = cost_of(place, taker);
    struct chain chain = {.services = {taker}, .count = 1};
    memcpy(seeker->kept, place->counts, seeker->problem->column_count * sizeof *seeker->kept);
    for (uint32_t c = 0; c < pool->column_count; c++)
        plan_place_set(place, first + c, pool->counts[(size_t)plan * pool->column_count + c]);
    bool is_better = plan_place_holds(place, taker);
    if (is_better)
        chain.gain_usd_h = before * (1 - GAIN_MIN) - plan_place_reckon(place, taker);
    is_better = is_better && close_chain(seeker, &chain, is_over, context);
    for (uint32_t c = 0; !is_better && c < seeker->problem->column_count; c++)
        plan_place_set(place, c, seeker->kept[c]);
    for (uint32_t i = 0; !is_better && i < chain.count; i++)
        CHECK(plan_place_settle(place, chain.services[i], 0));
    return is_better;
}

bool plan_seek_eject(struct plan_seeker *seeker, bool (*is_over)(void *), void *context)
{
    const uint32_t services = seeker->problem->service_count;
    if (seeker->round == 0) {
        memset(seeker->waits, 0, services * sizeof *seeker->waits);
        seeker->missed = 0;
    }
    uint32_t plan, taker = PLAN_NONE;
    if (seeker->round < ROUNDS_A_SERVICE * services && seeker->missed < VAIN_MAX)
        taker = choose_taker(seeker, ++seeker->round, &plan);
    if (taker == PLAN_NONE) {
        seeker->round = 0;
        return false;
    }
    bool is_better = eject(seeker, taker, plan, is_over, context);
    seeker->waits[taker] = is_better ? 0 : seeker->round + WAIT;
    seeker->missed = is_better ? 0 : seeker->missed + 1;
    seeker->change += is_better;
    return true;
}
