#include "plan/place.h"

#include <math.h>
#include <string.h>

#include "base/check.h"

enum { MENDS_MAX = 4096, COLUMN_WORK = 8 };

/* micro-requests per second at a price for each request */
#define USD_H(rate, usd) (3600e-6 * (double)(rate) * (usd))
#define ROW_SLACK        1e-9 /* of a rule's size: what adding up may have lost */

static void sort_by_egress(struct plan_place *place, uint32_t service)
{
    struct plan_place_service *state = &place->services[service];
    const struct plan_node *nodes =
        place->problem->nodes + place->problem->services[service].node_first;
    for (uint32_t i = 0; i < state->graph.node_count; i++) {
        uint32_t at = i;
        for (; at > 0 && nodes[state->by_egress[at - 1]].egress_usd > nodes[i].egress_usd; at--)
            state->by_egress[at] = state->by_egress[at - 1];
        state->by_egress[at] = i;
        state->has_egress = state->has_egress || nodes[i].egress_usd > 0;
    }
}

bool plan_place_init(struct plan_place *place, const struct plan_problem *problem,
                     struct arena *arena)
{
    uint32_t term_count = 0, at = 0;
    for (uint32_t r = 0; r < problem->row_count; r++)
        term_count += problem->rows[r].term_count;
    *place = (struct plan_place){
        .problem = problem,
        .services = ARENA_ARRAY(arena, struct plan_place_service, problem->service_count),
        .counts = ARENA_ARRAY(arena, uint32_t, problem->column_count),
        .speeds = ARENA_ARRAY(arena, int64_t, problem->node_count),
        .node_counts = ARENA_ARRAY(arena, uint32_t, problem->node_count),
        .is_own_row = ARENA_ARRAY(arena, bool, problem->row_count),
        .rooms = ARENA_ARRAY(arena, int64_t, PLAN_NODES_MAX),
        .activities = ARENA_ARRAY(arena, double, problem->row_count),
        .row_firsts = ARENA_ARRAY(arena, uint32_t, problem->column_count + 2),
        .row_of = ARENA_ARRAY(arena, uint32_t, term_count),
        .row_factors = ARENA_ARRAY(arena, double, term_count),
        .order = ARENA_ARRAY(arena, uint32_t, problem->column_count),
        .costs = ARENA_ARRAY(arena, double, problem->column_count)};
    bool is_whole = !arena->is_overflown;
    for (uint32_t s = 0; is_whole && s < problem->service_count; s++) {
        struct plan_place_service *own = &place->services[s];
        is_whole = plan_graph_init(&own->graph, problem, s, arena) &&
                   plan_routing_init(&own->routing, &own->graph, arena);
        own->rates = ARENA_ARRAY(arena, int64_t, own->graph.demand_count);
        own->known = ARENA_ARRAY(arena, struct plan_known, PLAN_KNOWN_MAX);
        own->by_egress = ARENA_ARRAY(arena, uint32_t, own->graph.node_count);
        own->saved = ARENA_ARRAY(arena, uint32_t, problem->services[s].column_count);
        if (!is_whole || !plan_place_list_lost(place, s, arena))
            return false;
        memcpy(own->rates, own->graph.rates, own->graph.demand_count * sizeof *own->rates);
        own->graph.rates = own->rates;
        sort_by_egress(place, s);
        for (uint32_t i = 0; i < problem->services[s].column_count; i++) {
            const struct plan_column *column =
                &problem->columns[problem->services[s].column_first + i];
            own->cost_usd_h += column->stop_usd_h * column->running;
        }
    }
    if (!is_whole)
        return false;
    for (uint32_t r = 0; r < problem->row_count; r++) {
        place->is_own_row[r] = plan_row_is_of_one_service(problem, &problem->rows[r]);
        for (uint32_t i = 0; i < problem->rows[r].term_count; i++)
            place->row_firsts[problem->rows[r].terms[i].column + 2]++;
    }
    for (uint32_t c = 0; c < problem->column_count; c++)
        place->row_firsts[c + 2] += place->row_firsts[c + 1];
    for (uint32_t r = 0; r < problem->row_count; r++)
        for (uint32_t i = 0; i < problem->rows[r].term_count; i++) {
            at = place->row_firsts[problem->rows[r].terms[i].column + 1]++;
            place->row_of[at] = r;
            place->row_factors[at] = problem->rows[r].terms[i].factor;
        }
    for (uint32_t c = 0; c < problem->column_count; c++) {
        place->costs[c] = problem->columns[c].cost_usd_h;
        plan_place_set(place, c, problem->columns[c].count_min);
    }
    return true;
}

void plan_place_charge(struct plan_place *place, uint32_t column, double cost_usd_h)
{
    uint32_t service = place->problem->nodes[place->problem->columns[column].node].service;
    place->services[service].cost_usd_h +=
        place->counts[column] * (cost_usd_h - place->costs[column]);
    place->costs[column] = cost_usd_h;
}

void plan_place_price(struct plan_place *place, const double *prices)
{
    const struct plan_problem *problem = place->problem;
    for (uint32_t c = 0; c < problem->column_count; c++) {
        double cost = problem->columns[c].cost_usd_h;
        for (uint32_t i = place->row_firsts[c]; prices && i < place->row_firsts[c + 1]; i++)
            cost -= prices[place->row_of[i]] * place->row_factors[i];
        plan_place_charge(place, c, cost);
    }
}

double plan_place_cost_of(const struct plan_place *place, uint32_t service)
{
    const struct plan_service *own = &place->problem->services[service];
    const struct plan_place_service *state = &place->services[service];
    double cost = state->cost_usd_h + state->egress_usd_h;
    for (uint32_t c = own->column_first; c < own->column_first + own->column_count; c++)
        cost -= place->counts[c] * (place->costs[c] - place->problem->columns[c].cost_usd_h);
    return cost;
}

double plan_place_cost(const struct plan_place *place)
{
    double cost = 0;
    for (uint32_t s = 0; s < place->problem->service_count; s++)
        cost += plan_place_cost_of(place, s);
    return cost;
}

/* Counts ------------------------------------------------------------------------------------ */

static double moves_cost(const struct plan_column *column, uint32_t count)
{
    return count > column->running ? (count - column->running) * column->start_usd_h
                                   : (column->running - count) * column->stop_usd_h;
}

bool plan_known_has(const struct plan_known *known, uint32_t node)
{
    return known->nodes[node / 64] >> (node % 64) & 1;
}

void plan_place_set(struct plan_place *place, uint32_t column, uint32_t count)
{
    const struct plan_problem *problem = place->problem;
    const struct plan_column *own = &problem->columns[column];
    uint32_t before = place->counts[column];
    if (count == before)
        return;
    const struct plan_node *node = &problem->nodes[own->node];
    const struct plan_service *service = &problem->services[node->service];
    struct plan_place_service *state = &place->services[node->service];
    int64_t speed = place->speeds[own->node];
    int64_t after = speed + own->speed * ((int64_t)count - before);
    double change = (double)count - before;
    uint32_t *sum = &place->node_counts[own->node];
    state->short_count -= *sum > 0 && *sum < node->replicas_min;
    *sum += count - before;
    state->short_count += *sum > 0 && *sum < node->replicas_min;
    place->counts[column] = count;
    place->speeds[own->node] = after;
    state->cost_usd_h +=
        place->costs[column] * change + moves_cost(own, count) - moves_cost(own, before);
    if ((speed > 0) != (after > 0))
        state->cost_usd_h += after > 0 ? node->open_usd_h : -node->open_usd_h;
    for (uint32_t i = place->row_firsts[column]; i < place->row_firsts[column + 1]; i++)
        place->activities[place->row_of[i]] += place->row_factors[i] * change;

    int64_t base =
        plan_capacity(after, service->share_ppm) - plan_capacity(speed, service->share_ppm);
    int64_t lost = plan_capacity(after, service->share_lost_ppm) -
                   plan_capacity(speed, service->share_lost_ppm);
    uint32_t local = own->node - service->node_first;
    place->work += state->known_count;
    for (uint32_t i = 0; i < state->known_count; i++) {
        struct plan_known *known = &state->known[i];
        if (!plan_known_has(known, local))
            continue;
        state->violated_count -= known->slack < 0;
        known->slack += known->failure == PLAN_NONE ? base : lost;
        state->violated_count += known->slack < 0;
    }
}

static double slack_of(const struct plan_row *row, double activity)
{
    double sides = __builtin_fabs(row->upper) + __builtin_fabs(row->lower);
    return ROW_SLACK * (sides < 1e29 ? sides : __builtin_fabs(activity));
}

/* How far <activity> is out of the row's sides. */
static double excess_of(const struct plan_row *row, double activity)
{
    double slack = slack_of(row, activity);
    if (activity > row->upper + slack)
        return activity - row->upper;
    return activity < row->lower - slack ? row->lower - activity : 0;
}

double plan_place_excess(const struct plan_place *place, uint32_t row)
{
    return excess_of(&place->problem->rows[row], place->activities[row]);
}

/* May <more> replicas be added, as far as the rules go? No rule is broken further. */
static bool rows_allow(const struct plan_place *place, uint32_t column, double more,
                       bool leaves_own)
{
    for (uint32_t i = place->row_firsts[column]; i < place->row_firsts[column + 1]; i++) {
        uint32_t r = place->row_of[i];
        const struct plan_row *row = &place->problem->rows[r];
        double before = place->activities[r];
        double after = excess_of(row, before + place->row_factors[i] * more);
        if (after > 0 && after > excess_of(row, before) && !(leaves_own && place->is_own_row[r]))
            return false;
    }
    return true;
}

/* <count>, or as many as the rules leave; those of the service alone count unless <leaves_own>. */
static uint32_t allowed(const struct plan_place *place, uint32_t column, uint32_t count,
                        bool leaves_own)
{
    uint32_t low = place->counts[column], high = count;
    if (count <= low || rows_allow(place, column, (double)(count - low), leaves_own))
        return count;
    while (low + 1 < high) {
        uint32_t middle = low + (high - low) / 2;
        if (rows_allow(place, column, (double)(middle - place->counts[column]), leaves_own))
            low = middle;
        else
            high = middle;
    }
    return low;
}

void plan_place_round(struct plan_place *place, uint32_t service, const double *values,
                      double theta)
{
    const struct plan_service *own = &place->problem->services[service];
    for (unsigned pass = 0; pass < 2; pass++) /* what shrinks first: it makes room */
        for (uint32_t c = own->column_first; c < own->column_first + own->column_count; c++) {
            const struct plan_column *column = &place->problem->columns[c];
            double value = values[c - own->column_first] + theta;
            value = value > 0 ? value : 0;
            uint32_t count = value < column->count_max ? (uint32_t)value : column->count_max;
            count = count > column->count_min ? count : column->count_min;
            if (count < place->counts[c] || pass == 1)
                plan_place_set(place, c, allowed(place, c, count, true));
        }
}

uint32_t plan_place_most(const struct plan_place *place, uint32_t column)
{
    return allowed(place, column, place->problem->columns[column].count_max, false);
}

bool plan_place_keeps_rules(const struct plan_place *place, uint32_t column)
{
    for (uint32_t i = place->row_firsts[column]; i < place->row_firsts[column + 1]; i++) {
        uint32_t r = place->row_of[i];
        if (excess_of(&place->problem->rows[r], place->activities[r]) > 0)
            return false;
    }
    return true;
}

static bool may_add(const struct plan_place *place, uint32_t column, uint32_t more, bool leaves_own)
{
    uint32_t most = place->problem->columns[column].count_max;
    return place->counts[column] + more <= most && rows_allow(place, column, more, leaves_own);
}

/* Traffic ----------------------------------------------------------------------------------- */

/* Nodes give their room in the order of their egress price, those of one price at once, and
 * augmenting keeps what the earlier ones give (the loads form a polymatroid: greedy is right). */
double plan_place_route(struct plan_place *place, uint32_t service)
{
    const struct plan_problem *problem = place->problem;
    const struct plan_service *own = &problem->services[service];
    struct plan_place_service *state = &place->services[service];
    memset(place->rooms, 0, own->node_count * sizeof *place->rooms);
    int64_t left = plan_route_all(&state->graph, &state->routing, place->rooms, &place->work);
    double egress = 0;
    for (uint32_t i = 0; i < own->node_count && left > 0;) {
        double price = problem->nodes[own->node_first + state->by_egress[i]].egress_usd;
        int64_t before = left, room = 0;
        for (; i < own->node_count; i++) {
            uint32_t local = state->by_egress[i], v = own->node_first + local;
            if (problem->nodes[v].egress_usd != price)
                break;
            state->routing.room[local] = plan_capacity(place->speeds[v], own->share_ppm);
            room += state->routing.room[local];
        }
        if (room > 0)
            left = plan_route_more(&state->graph, &state->routing, &place->work);
        egress += USD_H(before - left, price);
    }
    CHECK(left == 0);
    return egress;
}

double plan_place_reckon(struct plan_place *place, uint32_t service)
{
    struct plan_place_service *state = &place->services[service];
    state->egress_usd_h = state->has_egress ? plan_place_route(place, service) : 0;
    return state->cost_usd_h + state->egress_usd_h;
}

int64_t plan_place_answered(const struct plan_place *place, uint32_t demand)
{
    uint32_t service = place->problem->demands[demand].service;
    return place->services[service].rates[demand - place->problem->services[service].demand_first];
}

void plan_place_answer(struct plan_place *place, uint32_t demand, int64_t rate)
{
    uint32_t service = place->problem->demands[demand].service;
    struct plan_place_service *state = &place->services[service];
    int64_t *own = &state->rates[demand - place->problem->services[service].demand_first];
    state->cost_usd_h += USD_H(*own - rate, place->problem->demands[demand].unmet_usd);
    *own = rate;
    state->known_count = state->known_next = state->violated_count = 0; /* of other rates */
}

/* Repair ------------------------------------------------------------------------------------ */

/* The sets that are violated: where in known[]. How many. */
static uint32_t list_violated(const struct plan_place_service *state, uint32_t *violated)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < state->known_count; i++)
        if (state->known[i].slack < 0)
            violated[count++] = i;
    return count;
}

/* What of their lack a replica more would fill. */
static double filled_by(const struct plan_place *place, uint32_t service, uint32_t column,
                        const uint32_t *violated, uint32_t violated_count)
{
    const struct plan_service *own = &place->problem->services[service];
    const struct plan_place_service *state = &place->services[service];
    uint32_t local = place->problem->columns[column].node - own->node_first;
    int64_t speed = place->problem->columns[column].speed;
    int64_t base = plan_capacity(speed, own->share_ppm);
    int64_t lost = plan_capacity(speed, own->share_lost_ppm);
    double filled = 0;
    for (uint32_t i = 0; i < violated_count; i++) {
        const struct plan_known *known = &state->known[violated[i]];
        if (!plan_known_has(known, local))
            continue;
        int64_t room = known->failure == PLAN_NONE ? base : lost;
        filled += (double)(room < -known->slack ? room : -known->slack);
    }
    return filled;
}

static double price_of(const struct plan_place *place, uint32_t column)
{
    const struct plan_column *own = &place->problem->columns[column];
    uint32_t count = place->counts[column];
    double price = place->costs[column] + moves_cost(own, count + 1) - moves_cost(own, count);
    const struct plan_node *node = &place->problem->nodes[own->node];
    if (place->speeds[own->node] == 0)
        price += node->open_usd_h;
    uint32_t share_ppm = place->problem->services[node->service].share_ppm;
    return price + USD_H(plan_capacity(own->speed, share_ppm), node->egress_usd);
}

/* The smallest lack of a violated set that the node is in, in replicas of the column: as many can
 * be added at once without overshooting. */
static uint32_t stride_of(const struct plan_place *place, uint32_t service, uint32_t column)
{
    const struct plan_service *own = &place->problem->services[service];
    const struct plan_place_service *state = &place->services[service];
    uint32_t local = place->problem->columns[column].node - own->node_first;
    int64_t least = INT64_MAX;
    for (uint32_t i = 0; i < state->known_count; i++) {
        const struct plan_known *known = &state->known[i];
        if (known->slack < 0 && plan_known_has(known, local) && -known->slack < least)
            least = -known->slack;
    }
    int64_t stride = least / (place->problem->columns[column].speed + 1) / 2;
    return stride < 1 ? 1 : stride < PLAN_COUNT_MAX ? (uint32_t)stride : PLAN_COUNT_MAX;
}

/* The best column to fill what is violated; PLAN_NONE: none may have more. */
static uint32_t best_to_add(struct plan_place *place, uint32_t service, double noise,
                            bool leaves_own)
{
    const struct plan_service *own = &place->problem->services[service];
    uint32_t violated[PLAN_KNOWN_MAX], count = list_violated(&place->services[service], violated);
    double best_score = INFINITY;
    uint32_t best = PLAN_NONE;
    place->work += place->services[service].known_count;
    for (uint32_t c = own->column_first; c < own->column_first + own->column_count; c++) {
        place->work += COLUMN_WORK + count;
        double filled = filled_by(place, service, c, violated, count);
        if (filled <= 0 || !may_add(place, c, 1, leaves_own))
            continue;
        double score = price_of(place, c) / filled;
        if (noise > 0)
            score *= 1 + noise * rng_unit(&place->rng);
        if (score < best_score) {
            best_score = score;
            best = c;
        }
    }
    return best;
}

static bool add_best(struct plan_place *place, uint32_t service, double noise)
{
    bool leaves_own = false; /* rules of the service alone can be mended afterwards */
    uint32_t best = best_to_add(place, service, noise, leaves_own);
    if (best == PLAN_NONE) {
        leaves_own = true;
        best = best_to_add(place, service, noise, leaves_own);
    }
    if (best == PLAN_NONE)
        return false;
    uint32_t stride = stride_of(place, service, best);
    while (stride > 1 && !may_add(place, best, stride, leaves_own))
        stride /= 2;
    plan_place_set(place, best, place->counts[best] + stride);
    return true;
}

/* Open nodes get the least number of replicas, of their cheapest column. */
static bool fill_nodes(struct plan_place *place, uint32_t service)
{
    const struct plan_problem *problem = place->problem;
    const struct plan_service *own = &problem->services[service];
    for (uint32_t v = own->node_first; v < own->node_first + own->node_count; v++) {
        const struct plan_node *node = &problem->nodes[v];
        while (place->node_counts[v] > 0 && place->node_counts[v] < node->replicas_min) {
            uint32_t best = PLAN_NONE;
            for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
                if (may_add(place, c, 1, true) &&
                    (best == PLAN_NONE || price_of(place, c) < price_of(place, best)))
                    best = c;
            if (best == PLAN_NONE)
                return false;
            plan_place_set(place, best, place->counts[best] + 1);
        }
    }
    return true;
}

/* A replica more or less of the column that does most for its price against the broken <row>. */
static bool mend_row(struct plan_place *place, uint32_t service, uint32_t row)
{
    const struct plan_service *own = &place->problem->services[service];
    const struct plan_row *rule = &place->problem->rows[row];
    double excess = excess_of(rule, place->activities[row]), best_score = INFINITY;
    bool wants_less = place->activities[row] > rule->upper, best_adds = false;
    uint32_t best = PLAN_NONE;
    for (uint32_t i = 0; i < rule->term_count; i++) {
        uint32_t c = rule->terms[i].column;
        bool adds = (rule->terms[i].factor < 0) == wants_less;
        if (c < own->column_first || c >= own->column_first + own->column_count ||
            rule->terms[i].factor == 0 ||
            (adds ? !may_add(place, c, 1, true)
                  : place->counts[c] <= place->problem->columns[c].count_min))
            continue;
        double gain = __builtin_fabs(rule->terms[i].factor);
        double price = adds ? price_of(place, c) : 1e-3 * price_of(place, c);
        double score = price / (gain < excess ? gain : excess);
        if (score < best_score) {
            best_score = score;
            best = c;
            best_adds = adds;
        }
    }
    if (best == PLAN_NONE)
        return false;
    plan_place_set(place, best, place->counts[best] + (best_adds ? 1 : -1U));
    return true;
}

/* A rule that the service has a part in and that is broken; PLAN_NONE: none. */
static uint32_t broken_row(const struct plan_place *place, uint32_t service)
{
    const struct plan_service *own = &place->problem->services[service];
    for (uint32_t c = own->column_first; c < own->column_first + own->column_count; c++)
        for (uint32_t i = place->row_firsts[c]; i < place->row_firsts[c + 1]; i++) {
            uint32_t r = place->row_of[i];
            if (excess_of(&place->problem->rows[r], place->activities[r]) > 0)
                return r;
        }
    return PLAN_NONE;
}

bool plan_place_repair(struct plan_place *place, uint32_t service, double noise)
{
    for (uint32_t mended = 0; mended < MENDS_MAX; mended++) {
        if (!fill_nodes(place, service))
            return false;
        while (!plan_place_holds(place, service))
            if (!add_best(place, service, noise) || !fill_nodes(place, service))
                return false;
        uint32_t row = broken_row(place, service);
        if (row == PLAN_NONE)
            return true;
        if (!mend_row(place, service, row))
            return false;
    }
    return false;
}

/* Drop -------------------------------------------------------------------------------------- */

/* To stop one that runs may cost more than it saves. */
static bool may_take(const struct plan_place *place, uint32_t column, uint32_t less)
{
    const struct plan_column *own = &place->problem->columns[column];
    uint32_t count = place->counts[column], least = own->count_min;
    if (own->running > least && own->stop_usd_h >= place->costs[column])
        least = own->running;
    return count >= least + less && rows_allow(place, column, -(double)less, false);
}

/* Most replicas first that can go; answers whether any did. */
static bool drop_column(struct plan_place *place, uint32_t service, uint32_t column)
{
    bool has_dropped = false;
    uint32_t less = 1;
    while (less > 0) {
        uint32_t count = place->counts[column];
        bool goes = may_take(place, column, less);
        if (goes) {
            plan_place_set(place, column, count - less);
            goes = plan_place_holds(place, service);
            if (!goes)
                plan_place_set(place, column, count);
        }
        has_dropped = has_dropped || goes;
        less = goes ? 2 * less : less / 2;
    }
    return has_dropped;
}

static void sort_by_price(const struct plan_place *place, uint32_t *order, uint32_t count)
{
    const struct plan_column *columns = place->problem->columns;
    for (uint32_t i = 1; i < count; i++) { /* dearest for its speed first */
        uint32_t c = order[i], at = i;
        double value = place->costs[c] / (double)columns[c].speed;
        while (at > 0 &&
               place->costs[order[at - 1]] / (double)columns[order[at - 1]].speed < value) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = c;
    }
}

void plan_place_drop(struct plan_place *place, uint32_t service)
{
    const struct plan_service *own = &place->problem->services[service];
    uint32_t count = 0;
    for (uint32_t c = own->column_first; c < own->column_first + own->column_count; c++)
        if (place->counts[c] > place->problem->columns[c].count_min)
            place->order[count++] = c;
    sort_by_price(place, place->order, count);
    bool has_dropped = true;
    while (has_dropped) {
        has_dropped = false;
        for (uint32_t i = 0; i < count; i++)
            has_dropped = drop_column(place, service, place->order[i]) || has_dropped;
    }
    plan_place_refill(place, service);
}

/* Trials ------------------------------------------------------------------------------------ */

void plan_place_save(struct plan_place *place, uint32_t service)
{
    const struct plan_service *own = &place->problem->services[service];
    struct plan_place_service *state = &place->services[service];
    memcpy(state->saved, place->counts + own->column_first,
           own->column_count * sizeof *place->counts);
    state->saved_egress_usd_h = state->egress_usd_h;
}

void plan_place_restore(struct plan_place *place, uint32_t service)
{
    const struct plan_service *own = &place->problem->services[service];
    struct plan_place_service *state = &place->services[service];
    for (uint32_t i = 0; i < own->column_count; i++)
        plan_place_set(place, own->column_first + i, state->saved[i]);
    state->egress_usd_h = state->saved_egress_usd_h;
}

void plan_place_take(struct plan_place *place, uint32_t column, uint32_t most)
{
    uint32_t above = place->counts[column] - place->problem->columns[column].count_min;
    uint32_t less = above < most ? above : most;
    if (less > 0 && rows_allow(place, column, -(double)less, false))
        plan_place_set(place, column, place->counts[column] - less);
}

bool plan_place_try(struct plan_place *place, uint32_t service, const double *values, double theta)
{
    struct plan_place_service *state = &place->services[service];
    double before = state->is_unplaced ? INFINITY : state->cost_usd_h + state->egress_usd_h;
    plan_place_save(place, service);
    plan_place_round(place, service, values, theta);
    bool is_better = plan_place_repair(place, service, 0);
    if (is_better) {
        plan_place_drop(place, service);
        is_better = plan_place_reckon(place, service) < before;
    }
    if (!is_better)
        plan_place_restore(place, service);
    state->is_unplaced = state->is_unplaced && !is_better;
    return is_better;
}

bool plan_place_is_whole(const struct plan_place *place)
{
    for (uint32_t s = 0; s < place->problem->service_count; s++)
        if (place->services[s].is_unplaced)
            return false;
    return true;
}

bool plan_place_try_all(struct plan_place *place, const double *values, double theta)
{
    const struct plan_problem *problem = place->problem;
    double before = plan_place_is_whole(place) ? plan_place_cost(place) : INFINITY;
    bool is_better = true;
    for (uint32_t s = 0; s < problem->service_count; s++)
        plan_place_save(place, s);
    for (uint32_t c = 0; c < problem->column_count; c++)
        plan_place_set(place, c, problem->columns[c].count_min);
    for (uint32_t s = 0; s < problem->service_count; s++)
        plan_place_round(place, s, values + problem->services[s].column_first, theta);
    for (uint32_t s = 0; s < problem->service_count && is_better; s++)
        is_better = plan_place_settle(place, s, 0);
    is_better = is_better && plan_place_cost(place) < before;
    for (uint32_t s = 0; s < problem->service_count; s++) {
        struct plan_place_service *state = &place->services[s];
        state->is_unplaced = state->is_unplaced && !is_better;
        if (!is_better)
            plan_place_restore(place, s);
    }
    return is_better;
}

bool plan_place_settle(struct plan_place *place, uint32_t service, double noise)
{
    if (!plan_place_repair(place, service, noise))
        return false;
    plan_place_drop(place, service);
    plan_place_reckon(place, service);
    return true;
}

double plan_place_used(const struct plan_place *place, uint32_t service, uint32_t row)
{
    const struct plan_service *own = &place->problem->services[service];
    const struct plan_row *rule = &place->problem->rows[row];
    double used = 0;
    for (uint32_t i = 0; i < rule->term_count; i++)
        if (rule->terms[i].column >= own->column_first &&
            rule->terms[i].column < own->column_first + own->column_count)
            used += rule->terms[i].factor * place->counts[rule->terms[i].column];
    return used;
}
