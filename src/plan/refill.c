#include <math.h>
#include <string.h>

#include "plan/place.h"

enum { COLUMNS_MAX = 24, STEPS_MAX = 4096, AGAIN_MAX = 16, ROUNDS_MAX = 4, SHIFT_WORK = 1000000 };

#define GAIN_MIN 1e-9 /* of the cost */

/* One node's columns, the cheapest for their speed first. */
struct filling {
    uint32_t columns[COLUMNS_MAX], least[COLUMNS_MAX], most[COLUMNS_MAX];
    double prices[COLUMNS_MAX];
    int64_t speeds[COLUMNS_MAX];
    uint32_t counts[COLUMNS_MAX], best[COLUMNS_MAX];
    uint32_t count, steps;
    double best_usd_h;
};

static bool knows(const struct plan_known *known, uint32_t node)
{
    return known->nodes[node / 64] >> (node % 64) & 1;
}

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
        if (!knows(known, local) && known->slack < 0)
            return INT64_MAX;
        if (!knows(known, local))
            continue;
        bool is_whole = known->failure == PLAN_NONE;
        int64_t least = is_whole ? speed_for(base - known->slack, own->share_ppm)
                                 : speed_for(lost - known->slack, own->share_lost_ppm);
        needed = least > needed ? least : needed;
    }
    return needed;
}

/* Of column <at> and those behind it, for <cost> so far. */
static void fill(struct filling *own, uint32_t at, int64_t needed, double cost)
{
    if (needed <= 0) {
        for (uint32_t i = at; i < own->count; i++)
            own->counts[i] = 0;
        if (cost < own->best_usd_h) {
            own->best_usd_h = cost;
            memcpy(own->best, own->counts, own->count * sizeof *own->best);
        }
        return;
    }
    if (at == own->count || ++own->steps > STEPS_MAX ||
        cost + (double)needed * own->prices[at] / (double)own->speeds[at] >= own->best_usd_h)
        return;
    int64_t enough = (needed + own->speeds[at] - 1) / own->speeds[at];
    uint32_t most = enough < own->most[at] ? (uint32_t)enough : own->most[at];
    for (uint32_t n = most + 1; n-- > 0;) {
        own->counts[at] = n;
        fill(own, at + 1, needed - n * own->speeds[at], cost + n * own->prices[at]);
    }
}

/* false: the node is not for us. */
static bool list_columns(const struct plan_place *place, uint32_t node, struct filling *own)
{
    const struct plan_node *of = &place->problem->nodes[node];
    own->count = 0;
    for (uint32_t c = of->column_first; c < of->column_first + of->column_count; c++) {
        const struct plan_column *column = &place->problem->columns[c];
        if (own->count == COLUMNS_MAX || column->start_usd_h > 0 || column->stop_usd_h > 0 ||
            column->count_min > 0 || of->replicas_min > 1)
            return false;
        double price = place->costs[c];
        uint32_t most = plan_place_most(place, c);
        if (most == 0)
            continue;
        if (price <= 0)
            return false;
        uint32_t at = own->count++;
        for (; at > 0 &&
               own->prices[at - 1] * (double)column->speed > price * (double)own->speeds[at - 1];
             at--) {
            own->columns[at] = own->columns[at - 1];
            own->most[at] = own->most[at - 1];
            own->prices[at] = own->prices[at - 1];
            own->speeds[at] = own->speeds[at - 1];
        }
        own->columns[at] = c;
        own->most[at] = most;
        own->prices[at] = price;
        own->speeds[at] = column->speed;
    }
    return own->count > 0;
}

static void set_counts(struct plan_place *place, const struct filling *own, const uint32_t *counts)
{
    for (unsigned pass = 0; pass < 2; pass++) /* what shrinks first */
        for (uint32_t i = 0; i < own->count; i++)
            if (pass == 1 || counts[i] < place->counts[own->columns[i]])
                plan_place_set(place, own->columns[i], counts[i]);
}

/* Is a rule of the columns broken? */
static bool breaks_rule(const struct plan_place *place, const struct filling *own)
{
    for (uint32_t i = 0; i < own->count; i++)
        if (!plan_place_keeps_rules(place, own->columns[i]))
            return true;
    return false;
}

/* Fills the node for less than it costs and <spare>, where all costs less than <io_cost> then. */
static bool refill(struct plan_place *place, uint32_t service, uint32_t local, double spare,
                   double *io_cost)
{
    struct filling own;
    struct plan_place_service *state = &place->services[service];
    uint32_t before[COLUMNS_MAX];
    double cost = 0, egress = state->egress_usd_h;
    if (!list_columns(place, place->problem->services[service].node_first + local, &own))
        return false;
    for (uint32_t i = 0; i < own.count; i++) {
        before[i] = place->counts[own.columns[i]];
        cost += before[i] * own.prices[i];
    }
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
        if (breaks_rule(place, &own))
            break;
        if (!plan_place_holds(place, service))
            continue; /* a set was not known */
        double after = plan_place_reckon(place, service);
        if (after >= *io_cost * (1 - GAIN_MIN))
            break;
        *io_cost = after;
        return true;
    }
    set_counts(place, &own, before);
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
