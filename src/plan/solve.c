#include "plan/solve.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "plan/place.h"
#include "plan/relax.h"
#include "plan/tree.h"

enum {
    CUTS_MAX = 16384,
    ROUNDS_MAX = 60,
    JOINT_ROUNDS = 2,
    LEAVES_A_TURN = 16,
    ATTEMPTS = 8,
    TRIES = 8
};

struct search {
    const struct plan_problem *problem;
    const struct plan_limits *limits;
    const struct plan_answer *warm;
    struct plan_relax relax;
    struct plan_place place;
    struct plan_tree *trees;
    double *prices;      /* of the rows */
    double priced_usd_h; /* sum of prices x sides */
    uint32_t *order;     /* of services */
    uint32_t *best;      /* counts of the best plan */
    double *values;      /* of the relaxation's columns n */
    double best_usd_h;   /* INFINITY: none yet */
    double bound_usd_h;
};

static bool is_over(struct search *search)
{
    const struct plan_limits *limits = search->limits;
    return (limits->work > 0 && search->relax.work + search->place.work >= limits->work) ||
           (limits->is_over && limits->is_over(limits->context));
}

static bool is_good_enough(const struct search *search)
{
    return search->best_usd_h - search->bound_usd_h <= search->limits->gap * search->best_usd_h;
}

static double cost_of(const struct search *search)
{
    double cost = 0;
    for (uint32_t s = 0; s < search->problem->service_count; s++)
        cost += search->place.services[s].cost_usd_h;
    return cost;
}

static void keep_best(struct search *search)
{
    double cost = cost_of(search);
    if (cost >= search->best_usd_h)
        return;
    search->best_usd_h = cost;
    memcpy(search->best, search->place.counts,
           search->problem->column_count * sizeof *search->best);
}

/* Rounds the relaxation and repairs service after service; one that finds no stock comes first in
 * the next attempt. */
static bool construct(struct search *search, double theta)
{
    uint32_t service_count = search->problem->service_count;
    for (uint32_t attempt = 0; attempt < ATTEMPTS && !is_over(search); attempt++) {
        uint32_t failed = PLAN_NONE;
        for (uint32_t c = 0; c < search->problem->column_count; c++)
            plan_place_set(&search->place, c, search->problem->columns[c].count_min);
        for (uint32_t s = 0; s < service_count; s++)
            plan_place_round(&search->place, s,
                             search->values + search->problem->services[s].column_first,
                             attempt ? 0 : theta);
        for (uint32_t i = 0; i < service_count && failed == PLAN_NONE; i++) {
            uint32_t s = search->order[i];
            if (plan_place_repair(&search->place, s, attempt ? 0.2 : 0))
                plan_place_drop(&search->place, s);
            else
                failed = i;
        }
        if (failed == PLAN_NONE)
            return true;
        uint32_t first = search->order[failed];
        memmove(search->order + 1, search->order, failed * sizeof *search->order);
        search->order[0] = first;
    }
    return false;
}

/* Prices of the common rows from the relaxation; a wrong sign is taken for none. */
static void set_prices(struct search *search)
{
    const struct plan_relax *relax = &search->relax;
    const struct plan_problem *problem = search->problem;
    for (uint32_t r = 0; r < problem->row_count; r++) {
        double price = relax->solution.duals[relax->first_rule + r];
        double side = price > 0 ? problem->rows[r].lower : problem->rows[r].upper;
        bool is_shared = !plan_row_is_of_one_service(problem, &problem->rows[r]);
        bool is_priced = is_shared && price != 0 && __builtin_fabs(side) < PLAN_LP_INFINITY;
        search->prices[r] = is_priced ? price : 0;
        search->priced_usd_h += is_priced ? price * side : 0;
    }
}

static void add_up_bound(struct search *search)
{
    double bound = search->priced_usd_h;
    for (uint32_t s = 0; s < search->problem->service_count; s++)
        bound += search->trees[s].bound_usd_h;
    if (bound > search->bound_usd_h)
        search->bound_usd_h = bound;
}

/* The tree with the most to gain for the leaves it has already cost. */
static uint32_t next_tree(const struct search *search)
{
    uint32_t best = PLAN_NONE;
    double best_score = 0;
    for (uint32_t s = 0; s < search->problem->service_count; s++) {
        const struct plan_tree *tree = &search->trees[s];
        if (tree->is_done)
            continue;
        double gap = tree->best_usd_h - tree->bound_usd_h;
        double score = gap / (tree->solved + 30.0);
        if (best == PLAN_NONE || score > best_score) {
            best = s;
            best_score = score;
        }
    }
    return best;
}

/* Begins with the counts of another plan, as far as the rules allow them now. */
static bool mend(struct search *search, const uint32_t *counts)
{
    const struct plan_problem *problem = search->problem;
    for (uint32_t c = 0; c < problem->column_count; c++)
        search->values[c] = counts[c];
    for (uint32_t s = 0; s < problem->service_count; s++)
        plan_place_round(&search->place, s, search->values + problem->services[s].column_first, 0);
    for (uint32_t s = 0; s < problem->service_count; s++) {
        if (!plan_place_repair(&search->place, s, 0))
            return false;
        plan_place_drop(&search->place, s);
    }
    return true;
}

static bool search_is_over(void *context)
{
    return is_over(context);
}

static enum err improve(struct search *search, struct arena *arena)
{
    set_prices(search);
    search->trees = ARENA_ARRAY(arena, struct plan_tree, search->problem->service_count);
    if (!search->trees)
        return ERR_MEMORY;
    for (uint32_t s = 0; s < search->problem->service_count; s++) {
        enum err err = plan_tree_begin(&search->trees[s], &search->relax, s, search->prices, arena);
        if (err)
            return err;
        plan_tree_grow(&search->trees[s], &search->place, 1, search_is_over, search);
        plan_place_search(&search->place, s, TRIES);
    }
    add_up_bound(search);
    keep_best(search);
    while (!is_over(search) && !is_good_enough(search)) {
        uint32_t s = next_tree(search);
        if (s == PLAN_NONE)
            break;
        plan_tree_grow(&search->trees[s], &search->place, LEAVES_A_TURN, search_is_over, search);
        plan_place_search(&search->place, s, TRIES / 1);
        keep_best(search);
        add_up_bound(search);
    }
    return ERR_OK;
}

/* The cheapest way to answer all demands: nodes give their room in the order of their egress price,
 * and augmenting keeps what the earlier ones give (the loads form a polymatroid: greedy is right).
 */
static void route(struct search *search, uint32_t service, struct plan_answer *answer)
{
    const struct plan_problem *problem = search->problem;
    const struct plan_service *own = &problem->services[service];
    struct plan_place_service *state = &search->place.services[service];
    const struct plan_graph *graph = &state->graph;
    bool is_given[PLAN_NODES_MAX] = {false};
    memset(search->place.rooms, 0, own->node_count * sizeof *search->place.rooms);
    int64_t left = plan_route_all(graph, &state->routing, search->place.rooms, &search->place.work);
    for (uint32_t n = 0; n < own->node_count && left > 0; n++) {
        uint32_t next = PLAN_NONE;
        for (uint32_t i = 0; i < own->node_count; i++)
            if (!is_given[i] &&
                (next == PLAN_NONE || problem->nodes[own->node_first + i].egress_usd <
                                          problem->nodes[own->node_first + next].egress_usd))
                next = i;
        is_given[next] = true;
        state->routing.room[next] =
            plan_capacity(search->place.speeds[own->node_first + next], own->share_ppm);
        left = plan_route_more(graph, &state->routing, &search->place.work);
    }
    CHECK(left == 0);
    for (uint32_t e = 0; e < graph->edge_count; e++)
        if (state->routing.flows[e] > 0)
            answer->flows[answer->flow_count++] =
                (struct plan_flow){.demand = own->demand_first + graph->edge_demands[e],
                                   .node = own->node_first + graph->edge_nodes[e],
                                   .rate = state->routing.flows[e]};
}

static double total_cost(const struct plan_problem *problem, const struct plan_answer *answer)
{
    double cost = 0;
    for (uint32_t v = 0; v < problem->node_count; v++) {
        const struct plan_node *node = &problem->nodes[v];
        bool is_open = false;
        for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++) {
            const struct plan_column *column = &problem->columns[c];
            uint32_t count = answer->counts[c];
            is_open = is_open || count > 0;
            cost += column->cost_usd_h * count;
            cost += count > column->running ? column->start_usd_h * (count - column->running)
                                            : column->stop_usd_h * (column->running - count);
        }
        cost += is_open ? node->open_usd_h : 0;
    }
    for (uint32_t i = 0; i < answer->flow_count; i++)
        cost += 3600e-6 * (double)answer->flows[i].rate *
                problem->nodes[answer->flows[i].node].egress_usd;
    return cost;
}

static bool make_answer(struct search *search, struct arena *arena, struct plan_answer *ret_answer)
{
    const struct plan_problem *problem = search->problem;
    uint32_t flow_count = 0;
    for (uint32_t s = 0; s < problem->service_count; s++)
        flow_count += search->place.services[s].graph.edge_count;
    *ret_answer = (struct plan_answer){.counts = search->best,
                                       .flows = ARENA_ARRAY(arena, struct plan_flow, flow_count)};
    if (!ret_answer->flows)
        return false;
    for (uint32_t c = 0; c < problem->column_count; c++)
        plan_place_set(&search->place, c, search->best[c]);
    for (uint32_t s = 0; s < problem->service_count; s++)
        route(search, s, ret_answer);
    ret_answer->cost_usd_h = total_cost(problem, ret_answer);
    return true;
}

/* The relaxation with all its Hall cuts and a few rounding ones; ERR_VALUE: no plan exists. */
static enum err relax(struct search *search, double *ret_root_usd_h)
{
    for (uint32_t round = 0;; round++) {
        enum err err = plan_relax_close(&search->relax, ROUNDS_MAX, search->limits->is_over,
                                        search->limits->context);
        if (err)
            return err;
        double bound = plan_relax_bound(&search->relax);
        if (round == 0)
            *ret_root_usd_h = search->bound_usd_h = bound;
        if (bound > search->bound_usd_h)
            search->bound_usd_h = bound;
        if (round == JOINT_ROUNDS || is_over(search) || plan_relax_round_cuts(&search->relax) == 0)
            return ERR_OK;
    }
}

static enum err find(struct search *search, struct arena *arena, struct plan_result *ret_result)
{
    const struct plan_problem *problem = search->problem;
    enum err err = relax(search, &ret_result->root_usd_h);
    if (err == ERR_VALUE) {
        ret_result->status = PLAN_INFEASIBLE;
        return ERR_OK;
    }
    if (err)
        return err;
    static const double thetas[] = {0.0, 0.3, 0.6, 0.9};
    if (search->warm && mend(search, search->warm->counts))
        keep_best(search);
    memcpy(search->values, search->relax.solution.x, problem->column_count * sizeof(double));
    for (size_t i = 0; i < COUNT_OF(thetas); i++)
        if (construct(search, thetas[i]))
            keep_best(search);
    if (isinf(search->best_usd_h)) {
        ret_result->status = PLAN_NOTHING_FOUND;
        return ERR_OK;
    }
    for (uint32_t c = 0; c < problem->column_count; c++)
        plan_place_set(&search->place, c, search->best[c]);
    err = improve(search, arena);
    if (err)
        return err;
    if (!make_answer(search, arena, &ret_result->answer))
        return ERR_MEMORY;
    double cost = ret_result->answer.cost_usd_h;
    ret_result->status = search->bound_usd_h >= cost * (1 - 1e-9) ? PLAN_OPTIMAL : PLAN_FEASIBLE;
    return ERR_OK;
}

enum err plan_solve(const struct plan_problem *problem, const struct plan_lp_api *lp,
                    const struct plan_limits *limits, const struct plan_answer *warm,
                    struct arena *arena, struct plan_result *ret_result, struct text *why)
{
    struct plan_result result = {0};
    struct search *search = ARENA_NEW(arena, struct search);
    if (!search)
        return ERR_MEMORY;
    *search = (struct search){.problem = problem,
                              .limits = limits,
                              .warm = warm,
                              .order = ARENA_ARRAY(arena, uint32_t, problem->service_count),
                              .best = ARENA_ARRAY(arena, uint32_t, problem->column_count),
                              .values = ARENA_ARRAY(arena, double, problem->column_count),
                              .prices = ARENA_ARRAY(arena, double, problem->row_count),
                              .best_usd_h = INFINITY};
    if (arena->is_overflown || !plan_place_init(&search->place, problem, arena))
        return ERR_MEMORY;
    rng_init(&search->place.rng, 1);
    for (uint32_t s = 0; s < problem->service_count; s++)
        search->order[s] = s;
    enum err err = plan_relax_begin(&search->relax, problem, lp, CUTS_MAX, arena);
    if (!err)
        err = find(search, arena, &result);
    result.bound_usd_h = search->bound_usd_h;
    result.cuts = search->relax.cut_count;
    result.work = search->relax.work + search->place.work;
    plan_relax_end(&search->relax);
    for (uint32_t s = 0; search->trees && s < problem->service_count; s++) {
        result.nodes += search->trees[s].solved;
        plan_tree_end(&search->trees[s]);
    }
    if (err)
        text_add(why, "the plan could not be computed: %s", err_text(err));
    else
        *ret_result = result;
    return err;
}
