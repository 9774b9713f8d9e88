#include <string.h>

#include "plan/place.h"

enum { OFFERS_MAX = 24, STEPS_MAX = 4096, AGAIN_MAX = 16, ROUNDS_MAX = 4, SHIFT_WORK = 1000000 };

#define GAIN_MIN 1e-9 /* of the cost */

struct offer {
    uint32_t column, most;
    int64_t speed;
    double usd_h; /* of a replica */
};

/* What one node may be filled with, the cheapest for its speed first. */
struct filling {
    struct offer offers[OFFERS_MAX];
    uint32_t counts[OFFERS_MAX], best[OFFERS_MAX], before[OFFERS_MAX];
    uint32_t count, steps;
    double best_usd_h;
};

/* The least speed whose share is <room>. */
static int64_t speed_for(int64_t room, uint32_t share_ppm)
{
    return room <= 0 ? 0 : (int64_t)(((__int128)room * 1000000 + share_ppm - 1) / share_ppm);
}

/* The least speed of the node that no known set is broken with; INT64_MAX: one is, and the node is
 * not in it. */
static int64_t speed_needed(const struct plan_place *place, uint32_t service, uint32_t local)
{
    const struct plan_service *own = &place->problem->services[service];
    const struct plan_place_service *state = &place->services[service];
    int64_t speed = place->speeds[own->node_first + local], needed = 0;
    int64_t base = plan_capacity(speed, own->share_ppm);
    int64_t lost = plan_capacity(speed, own->share_lost_ppm);
    for (uint32_t i = 0; i < state->known_count; i++) {
        const struct plan_known *known = &state->known[i];
        if (!plan_known_has(known, local) && known->slack < 0)
            return INT64_MAX;
        if (!plan_known_has(known, local))
            continue;
        bool is_whole = known->failure == PLAN_NONE;
        int64_t least = is_whole ? speed_for(base - known->slack, own->share_ppm)
                                 : speed_for(lost - known->slack, own->share_lost_ppm);
        needed = least > needed ? least : needed;
    }
    return needed;
}

/* The cheapest of offer <at> and those behind it for the speed that is needed, beside <cost> so
 * far; as far as STEPS_MAX goes. */
static void fill(struct filling *own, uint32_t at, int64_t needed, double cost)
{
    const struct offer *offer = &own->offers[at];
    if (needed <= 0) {
        memset(own->counts + at, 0, (own->count - at) * sizeof *own->counts);
        if (cost < own->best_usd_h) {
            own->best_usd_h = cost;
            memcpy(own->best, own->counts, own->count * sizeof *own->best);
        }
        return;
    }
    own->steps++;
    if (at == own->count ||
        cost + (double)needed * offer->usd_h / (double)offer->speed >= own->best_usd_h)
        return;
    int64_t enough = (needed + offer->speed - 1) / offer->speed;
    uint32_t most = enough < offer->most ? (uint32_t)enough : offer->most;
    for (uint32_t n = most + 1; n-- > 0 && own->steps <= STEPS_MAX;) {
        own->counts[at] = n;
        fill(own, at + 1, needed - n * offer->speed, cost + n * offer->usd_h);
    }
}

static bool is_dearer(const struct offer *a, const struct offer *b)
{
    return a->usd_h * (double)b->speed > b->usd_h * (double)a->speed;
}

/* What the node may have, and has. false: it costs other things than replicas, or must have some.
 */
static bool list_offers(const struct plan_place *place, uint32_t node, struct filling *own)
{
    const struct plan_node *of = &place->problem->nodes[node];
    own->count = 0;
    if (of->replicas_min > 1 || of->column_count > OFFERS_MAX)
        return false;
    for (uint32_t c = of->column_first; c < of->column_first + of->column_count; c++) {
        const struct plan_column *column = &place->problem->columns[c];
        const struct offer offer = {c, plan_place_most(place, c), column->speed, place->costs[c]};
        if (column->start_usd_h > 0 || column->stop_usd_h > 0 || column->count_min > 0 ||
            offer.usd_h <= 0)
            return false;
        uint32_t at = own->count++;
        for (; at > 0 && is_dearer(&own->offers[at - 1], &offer); at--)
            own->offers[at] = own->offers[at - 1];
        own->offers[at] = offer;
    }
    for (uint32_t i = 0; i < own->count; i++)
        own->before[i] = place->counts[own->offers[i].column];
    return true;
}

static void set_counts(struct plan_place *place, const struct filling *own, const uint32_t *counts)
{
    for (unsigned pass = 0; pass < 2; pass++) /* what shrinks first */
        for (uint32_t i = 0; i < own->count; i++)
            if (pass == 1 || counts[i] < place->counts[own->offers[i].column])
                plan_place_set(place, own->offers[i].column, counts[i]);
}

static bool keeps_rules(const struct plan_place *place, const struct filling *own)
{
    for (uint32_t i = 0; i < own->count; i++)
        if (!plan_place_keeps_rules(place, own->offers[i].column))
            return false;
    return true;
}

/* Fills the node for less than it costs and <spare>, where all costs less than <io_cost> then. */
static bool refill(struct plan_place *place, uint32_t service, uint32_t local, double spare,
                   double *io_cost)
{
    struct filling own;
    struct plan_place_service *state = &place->services[service];
    double cost = 0, egress = state->egress_usd_h;
    if (!list_offers(place, place->problem->services[service].node_first + local, &own))
        return false;
    for (uint32_t i = 0; i < own.count; i++)
        cost += own.before[i] * own.offers[i].usd_h;
    double most = cost + spare - GAIN_MIN * cost;
    for (uint32_t again = 0; again < AGAIN_MAX; again++) {
        int64_t needed = speed_needed(place, service, local);
        place->work += state->known_count;
        if (needed == INT64_MAX)
            break;
        own.steps = 0;
        own.best_usd_h = most;
        fill(&own, 0, needed, 0);
        place->work += own.steps;
        if (own.best_usd_h >= most)
            break;
        set_counts(place, &own, own.best);
        if (!keeps_rules(place, &own))
            break;
        if (!plan_place_holds(place, service))
            continue; /* a set was not known */
        double after = plan_place_reckon(place, service);
        if (after >= *io_cost * (1 - GAIN_MIN))
            break;
        *io_cost = after;
        return true;
    }
    set_counts(place, &own, own.before);
    state->egress_usd_h = egress;
    return false;
}

void plan_place_refill(struct plan_place *place, uint32_t service)
{
    const struct plan_service *own = &place->problem->services[service];
    double cost = plan_place_reckon(place, service);
    bool goes_on = true;
    for (uint32_t round = 0; goes_on && round < ROUNDS_MAX; round++) {
        goes_on = false;
        for (uint32_t i = 0; i < own->node_count; i++)
            if (place->speeds[own->node_first + i] > 0)
                goes_on = refill(place, service, i, 0, &cost) || goes_on;
    }
}

/* A replica of the column more or less, and another node filled with what is asked of it then. */
static bool shift(struct plan_place *place, uint32_t service, uint32_t column, uint32_t count,
                  double *io_cost)
{
    const struct plan_service *own = &place->problem->services[service];
    const uint32_t before = place->counts[column], node = place->problem->columns[column].node;
    double spare = place->services[service].cost_usd_h;
    plan_place_set(place, column, count);
    spare -= place->services[service].cost_usd_h;
    bool is_kept = plan_place_keeps_rules(place, column);
    for (uint32_t i = 0; i < own->node_count && is_kept; i++)
        if (own->node_first + i != node && place->speeds[own->node_first + i] > 0 &&
            refill(place, service, i, spare, io_cost))
            return true;
    plan_place_set(place, column, before);
    return false;
}

void plan_place_shift(struct plan_place *place, uint32_t service)
{
    const struct plan_service *own = &place->problem->services[service];
    const uint64_t end = place->work + SHIFT_WORK;
    double cost = plan_place_reckon(place, service);
    uint32_t unchanged = 0;
    if (own->column_count == 0)
        return;
    for (uint32_t i = (uint32_t)rng_below(&place->rng, own->column_count);
         unchanged < own->column_count && place->work < end; i = (i + 1) % own->column_count) {
        uint32_t c = own->column_first + i, count = place->counts[c];
        bool is_better = false;
        if (place->speeds[place->problem->columns[c].node] > 0) {
            is_better = count > place->problem->columns[c].count_min &&
                        shift(place, service, c, count - 1, &cost);
            if (!is_better && plan_place_most(place, c) > count)
                is_better = shift(place, service, c, count + 1, &cost);
        }
        if (is_better) {
            plan_place_refill(place, service);
            cost = plan_place_reckon(place, service);
        }
        unchanged = is_better ? 0 : unchanged + 1;
    }
}
