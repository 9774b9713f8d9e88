/* The planner beside the audit, on random problems of many shapes: what it answers is a plan, what
 * it proves is true of every plan that anybody finds, and what should not matter does not.
 *
 * Plans of other origin: counts at random, routed by the audit's max-flow, replicas taken away
 * while the audit agrees. It is an _io test because the LP library is opened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "plan/audit.h"
#include "plan/audit_flow.h"
#include "plan/solve.h"
#include "plan/world_test.h"

enum {
    EDGES_MAX = DEMANDS_MAX * NODES_OF_MAX,
    SEEDS = 14, /* of each shape */
    TINY_SEEDS = 12,
    TINY_WORK = 2 * 1000 * 1000,
    BESIDE = 4 /* plans of other origin for each problem */
};

#define SAME 1e-6 /* of a cost, where two must agree */

static const struct shape shapes[] = {
    {"plain", 2, 3, 2, 3, 1, 4, .load = 2},
    {"stock", 3, 3, 2, 3, 1, 4, .load = 2, .has_stock = true},
    {"region", 2, 4, 2, 3, 1, 4, .load = 2, .loses_regions = true, .has_open = true},
    {"provider", 2, 5, 2, 3, 1, 6, .load = 2, .loses_providers = true, .loses_regions = true},
    {"both", 3, 4, 3, 3, 1, 5, .load = 3, .has_stock = true, .loses_regions = true},
    {"budget", 3, 4, 2, 3, 1, 5, .load = 2, .has_budget = true, .loses_regions = true},
    {"spot", 1, 3, 1, 2, 1, 4, .load = 3, .has_spot = true, .loses_regions = true},
    {"spread", 2, 4, 2, 3, 1, 5, .load = 3, .has_spread = true, .has_least = true},
    {"carbon", 2, 4, 2, 3, 2, 4, .load = 3, .has_carbon = true, .has_open = true},
    {"least", 2, 4, 2, 4, 1, 6, .load = 1, .more_max = 2, .loses_regions = true},
    {"egress", 2, 4, 2, 4, 2, 5, .load = 2, .has_egress = true, .loses_regions = true},
    {"big", 2, 5, 3, 4, 1, 200, .load = 90, .has_stock = true, .loses_regions = true},
    {"moves", 2, 4, 2, 3, 1, 5, .load = 2, .has_moves = true, .loses_regions = true},
    {"pins", 2, 4, 2, 3, 1, 5, .load = 2, .has_pins = true, .loses_regions = true},
    {"soft", 2, 3, 2, 3, 1, 4, .load = 2, .has_soft = true, .has_stock = true},
    {"parts", 2, 6, 2, 4, 1, 5, .load = 2, .has_stock = true, .loses_regions = true,
     .has_open = true, .has_parts = true},
    {"parts and rules", 2, 6, 2, 4, 1, 5, .load = 2, .has_least = true, .has_soft = true,
     .has_budget = true, .has_parts = true},
    {"all", 2, 4, 2, 3, 2, 8, .load = 4, .has_spot = true, .has_stock = true, .has_budget = true,
     .has_carbon = true, .loses_regions = true, .has_moves = true, .has_open = true,
     .has_egress = true},
};

/* Solved to the end: where costs of two problems are compared. */
static const struct shape tiny_shapes[] = {
    {"tiny plain", 2, 3, 2, 2, 1, 3, .load = 2, .has_open = true},
    {"tiny stock", 2, 3, 1, 2, 1, 4, .load = 2, .has_stock = true, .loses_regions = true},
    {"tiny spot", 1, 3, 2, 3, 1, 3, .load = 2, .has_spot = true},
    {"tiny budget", 2, 3, 2, 2, 1, 3, .load = 1, .has_budget = true, .loses_regions = true},
    {"tiny least", 1, 4, 2, 3, 1, 4, .load = 1, .more_max = 1, .loses_providers = true},
    {"tiny moves", 1, 4, 2, 3, 1, 4, .load = 1, .has_moves = true, .loses_regions = true},
    {"tiny parts", 2, 4, 2, 2, 1, 3, .load = 1, .loses_regions = true, .has_stock = true,
     .has_egress = true, .has_parts = true},
    {"tiny soft", 1, 3, 2, 3, 1, 3, .load = 2, .has_soft = true, .loses_regions = true},
};

struct plan {
    uint32_t counts[COLUMNS_MAX];
    struct plan_flow flows[EDGES_MAX];
    struct plan_answer answer;
};

static struct plan_lp_api lp;
static char memory[192 << 20], audit_memory[1 << 20];

/* Plans ------------------------------------------------------------------------------------- */

static enum plan_breach audit(const struct world *world, const struct plan_answer *answer,
                              struct plan_cost *ret_cost, struct text *why)
{
    struct arena arena;
    enum plan_breach breach = PLAN_BREACH_NONE;
    arena_init(&arena, audit_memory, sizeof audit_memory);
    enum err err = plan_answer_audit(&world->problem, answer, &arena, ret_cost, &breach, why);
    assert_int_not_equal(err, ERR_MEMORY);
    assert_true((err == ERR_OK) == (breach == PLAN_BREACH_NONE));
    return breach;
}

/* Answers what the counts can, some soft demands in part or not at all. false: they cannot. */
static bool route(const struct world *world, uint32_t s, const double *answered, struct plan *plan)
{
    const struct plan_service *service = &world->services[s];
    uint32_t firsts[ZONES_MAX + 1] = {0}, edge_rooms[ZONES_MAX * NODES_OF_MAX] = {0};
    int64_t supplies[ZONES_MAX], rooms[NODES_OF_MAX];
    struct plan_audit_flow flow;
    struct arena arena;
    for (uint32_t i = 0; i < service->demand_count; i++) {
        const struct plan_demand *demand = &world->demands[service->demand_first + i];
        double share = isinf(demand->unmet_usd) ? 1 : answered[service->demand_first + i];
        supplies[i] = share < 1 ? (int64_t)(share * (double)demand->rate) : demand->rate;
        firsts[i + 1] = firsts[i] + demand->node_count;
        for (uint32_t k = 0; k < demand->node_count; k++)
            edge_rooms[firsts[i] + k] = demand->nodes[k] - service->node_first;
    }
    for (uint32_t i = 0; i < service->node_count; i++) {
        const struct plan_node *node = &world->nodes[service->node_first + i];
        int64_t speed = 0;
        for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
            speed += world->columns[c].speed * plan->counts[c];
        rooms[i] = plan_capacity(speed, service->share_ppm);
    }
    arena_init(&arena, audit_memory, sizeof audit_memory);
    assert_true(plan_audit_flow_init(&flow, service->demand_count, service->node_count, firsts,
                                     edge_rooms, &arena));
    if (plan_audit_flow_run(&flow, supplies, rooms) > 0)
        return false;
    for (uint32_t e = 0; e < flow.edge_count; e++)
        if (flow.flows[e] > 0)
            plan->flows[plan->answer.flow_count++] =
                (struct plan_flow){service->demand_first + flow.edge_supplies[e],
                                   service->node_first + edge_rooms[e], flow.flows[e]};
    return true;
}

/* The cost of a plan with these counts; INFINITY: there is none. */
static double cost_of(const struct world *world, const double *answered, struct plan *plan)
{
    plan->answer = (struct plan_answer){.counts = plan->counts, .flows = plan->flows};
    for (uint32_t s = 0; s < world->problem.service_count; s++)
        if (!route(world, s, answered, plan))
            return INFINITY;
    char reason[256];
    struct text why;
    struct plan_cost cost;
    text_init(&why, reason, sizeof reason);
    enum plan_breach breach = audit(world, &plan->answer, &cost, &why);
    return breach == PLAN_BREACH_NONE || breach == PLAN_BREACH_COST ? cost.total : INFINITY;
}

/* Counts upwards at random until they make a plan, then downwards while they still do. */
static double cost_of_random_plan(const struct world *world, struct rng *rng)
{
    static struct plan plan;
    double answered[DEMANDS_MAX], best = INFINITY;
    uint32_t column_count = world->problem.column_count;
    for (uint32_t d = 0; d < DEMANDS_MAX; d++)
        answered[d] = 0.5 * (double)rng_below(rng, 3);
    memset(plan.counts, 0, sizeof plan.counts);
    for (uint32_t step = 0; isinf(best) && step < 12; step++) {
        for (uint32_t c = 0; c < column_count; c++) {
            uint64_t more = rng_below(rng, 3) ? 0 : 1 + world->columns[c].count_max / 6;
            uint64_t count = plan.counts[c] + rng_below(rng, more + 1);
            plan.counts[c] =
                count < world->columns[c].count_max ? (uint32_t)count : world->columns[c].count_max;
        }
        best = cost_of(world, answered, &plan);
    }
    for (uint32_t i = 0; !isinf(best) && i < 2 * column_count; i++) {
        uint32_t *count = &plan.counts[rng_below(rng, column_count)];
        uint32_t before = *count;
        *count -= before > 8 ? before / 4 : before > 0;
        double cost = *count < before ? cost_of(world, answered, &plan) : INFINITY;
        if (cost < best)
            best = cost;
        else
            *count = before;
    }
    return best;
}

/* Solving ----------------------------------------------------------------------------------- */

static bool has_plan(const struct plan_result *result)
{
    return result->status == PLAN_OPTIMAL || result->status == PLAN_FEASIBLE;
}

static bool is_proven(const struct plan_result *result)
{
    return has_plan(result) && result->bound_usd_h >= result->answer.cost_usd_h -
                                                          SAME * fabs(result->answer.cost_usd_h);
}

/* Solves and audits; the answer lives in <memory>, until the next call. */
static struct plan_result solve(const struct world *world, uint64_t work)
{
    char reason[256];
    struct text why;
    struct arena arena;
    struct plan_result result;
    struct plan_limits limits = {.work = work};
    text_init(&why, reason, sizeof reason);
    if (plan_problem_check(&world->problem, &why))
        fail_msg("%s: %s", world->label, reason);
    arena_init(&arena, memory, sizeof memory);
    if (plan_solve(&world->problem, &lp, &limits, NULL, &arena, &result, &why))
        fail_msg("%s: %s", world->label, reason);
    struct plan_cost cost;
    if (has_plan(&result) && audit(world, &result.answer, &cost, &why))
        fail_msg("%s: %s", world->label, reason);
    if (has_plan(&result) && !(result.bound_usd_h <= result.answer.cost_usd_h * (1 + 1e-9)))
        fail_msg("%s: a bound of %.9f above its own plan's cost of %.9f", world->label,
                 result.bound_usd_h, result.answer.cost_usd_h);
    return result;
}

static void every_answer_is_a_plan_and_no_bound_is_above_any_plan(void **state)
{
    (void)state;
    static struct world world;
    struct rng rng;
    rng_init(&rng, 11);
    uint32_t solved = 0, missed = 0, beside = 0, count = COUNT_OF(shapes) * SEEDS;
    for (uint32_t i = 0; i < count; i++) {
        world_draw(&world, &shapes[i / SEEDS], 1 + i % SEEDS);
        struct plan_result result = solve(&world, 600 * 1000);
        double best = INFINITY;
        for (uint32_t k = 0; k < BESIDE; k++)
            best = fmin(best, cost_of_random_plan(&world, &rng));
        solved += has_plan(&result);
        beside += !isinf(best);
        missed += !isinf(best) && result.status == PLAN_NOTHING_FOUND;
        if (!isinf(best) && result.status == PLAN_INFEASIBLE)
            fail_msg("%s: called infeasible, and a plan costs %.9f", world.label, best);
        if (!(result.bound_usd_h <= best * (1 + 1e-9)))
            fail_msg("%s: a bound of %.9f above a plan's cost of %.9f", world.label,
                     result.bound_usd_h, best);
        if (is_proven(&result) && result.answer.cost_usd_h > best * (1 + 2 * SAME))
            fail_msg("%s: proven at %.9f, and a plan costs %.9f", world.label,
                     result.answer.cost_usd_h, best);
    }
    print_message("%u problems: %u solved, %u beside other plans, %u of those missed\n", count,
                  solved, beside, missed);
    assert_in_range(solved, count / 2, count);
    assert_in_range(beside, count / 2, count);
}

/* What does not matter, and which way things go ---------------------------------------------- */

/* No plan of <first> can be dearer than the best of <second>, say the two results. */
static void assert_not_dearer(const struct world *world, const struct plan_result *first,
                              const struct plan_result *second, uint32_t *compared)
{
    if (!has_plan(second))
        return;
    if (first->status == PLAN_INFEASIBLE)
        fail_msg("%s: called infeasible, but a plan exists", world->label);
    if (!(first->bound_usd_h <= second->answer.cost_usd_h * (1 + SAME)))
        fail_msg("%s: a bound of %.9f above a cost of %.9f", world->label, first->bound_usd_h,
                 second->answer.cost_usd_h);
    if (!is_proven(first) || !is_proven(second))
        return;
    (*compared)++;
    if (!(first->answer.cost_usd_h <= second->answer.cost_usd_h * (1 + 2 * SAME)))
        fail_msg("%s: %.9f above %.9f", world->label, first->answer.cost_usd_h,
                 second->answer.cost_usd_h);
}

static void shuffle(uint32_t *order, uint32_t first, uint32_t count, struct rng *rng)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = (uint32_t)rng_below(rng, i + 1);
        order[i] = order[at];
        order[at] = first + i;
    }
}

/* Of numbers, or of terms, which begin with one. */
static int by_number(const void *a, const void *b)
{
    uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;
    return (first > second) - (first < second);
}

/* Where each part of a world went. */
struct moved {
    uint32_t regions[REGIONS_MAX], nodes[NODES_MAX], columns[COLUMNS_MAX];
};

static void permute_node(const struct world *from, struct world *to, uint32_t v,
                         struct moved *moved, struct rng *rng)
{
    struct plan_problem *problem = &to->problem;
    struct plan_node *node = &to->nodes[problem->node_count];
    uint32_t columns[COLUMNS_MAX];
    *node = from->nodes[v];
    node->service = problem->service_count;
    node->region = moved->regions[node->region];
    shuffle(columns, node->column_first, node->column_count, rng);
    node->column_first = problem->column_count;
    for (uint32_t i = 0; i < node->column_count; i++) {
        moved->columns[columns[i]] = problem->column_count;
        to->columns[problem->column_count] = from->columns[columns[i]];
        to->columns[problem->column_count++].node = problem->node_count;
    }
    moved->nodes[v] = problem->node_count++;
}

static void permute_service(const struct world *from, struct world *to, uint32_t s,
                            struct moved *moved, struct rng *rng)
{
    struct plan_problem *problem = &to->problem;
    struct plan_service *service = &to->services[problem->service_count];
    uint32_t nodes[NODES_OF_MAX], demands[ZONES_MAX];
    *service = from->services[s];
    shuffle(nodes, service->node_first, service->node_count, rng);
    shuffle(demands, service->demand_first, service->demand_count, rng);
    service->node_first = problem->node_count;
    service->column_first = problem->column_count;
    service->demand_first = problem->demand_count;
    for (uint32_t i = 0; i < service->node_count; i++)
        permute_node(from, to, nodes[i], moved, rng);
    for (uint32_t i = 0; i < service->demand_count; i++) {
        struct plan_demand *demand = &to->demands[problem->demand_count];
        uint32_t *near = to->near[problem->demand_count++];
        *demand = from->demands[demands[i]];
        demand->service = problem->service_count;
        for (uint32_t k = 0; k < demand->node_count; k++)
            near[k] = moved->nodes[from->near[demands[i]][k]];
        qsort(near, demand->node_count, sizeof *near, by_number);
    }
    problem->service_count++;
}

/* The same problem, told in another order. */
static void permute(const struct world *from, struct world *to, struct rng *rng)
{
    static struct moved moved;
    uint32_t services[SERVICES_MAX], regions[REGIONS_MAX];
    uint32_t rows[ROWS_MAX] = {0}, failures[FAILURES_MAX] = {0};
    *to = *from;
    struct plan_problem *problem = &to->problem;
    problem->service_count = problem->node_count = problem->column_count = problem->demand_count =
        0;
    shuffle(services, 0, from->problem.service_count, rng);
    shuffle(regions, 0, problem->region_count, rng);
    shuffle(rows, 0, problem->row_count, rng);
    shuffle(failures, 0, problem->failure_count, rng);
    for (uint32_t r = 0; r < problem->region_count; r++) {
        moved.regions[regions[r]] = r;
        to->regions[r] = from->regions[regions[r]];
    }
    for (uint32_t s = 0; s < from->problem.service_count; s++)
        permute_service(from, to, services[s], &moved, rng);
    for (uint32_t r = 0; r < problem->row_count; r++) {
        to->rows[r] = from->rows[rows[r]];
        for (uint32_t i = 0; i < to->rows[r].term_count; i++) {
            to->terms[r][i] = from->terms[rows[r]][i];
            to->terms[r][i].column = moved.columns[to->terms[r][i].column];
        }
        qsort(to->terms[r], to->rows[r].term_count, sizeof *to->terms[r], by_number);
    }
    for (uint32_t f = 0; f < problem->failure_count; f++) {
        to->failures[f] = from->failures[failures[f]];
        for (uint32_t i = 0; i < to->failures[f].region_count; i++)
            to->lost[f][i] = moved.regions[from->lost[failures[f]][i]];
        qsort(to->lost[f], to->failures[f].region_count, sizeof *to->lost[f], by_number);
    }
    world_connect(to);
}

static void raise_stock(const struct world *from, struct world *to, struct rng *rng)
{
    *to = *from;
    for (uint32_t r = 0; r < to->problem.row_count; r++)
        if (to->rows[r].rule == PLAN_RULE_STOCK)
            to->rows[r].upper += (double)rng_below(rng, 3);
    for (uint32_t c = 0; c < to->problem.column_count; c++)
        to->columns[c].count_max += (uint32_t)rng_below(rng, 2);
    world_connect(to);
}

static void lift_failure(const struct world *from, struct world *to, struct rng *rng)
{
    *to = *from;
    uint32_t lifted = (uint32_t)rng_below(rng, FAILURES_MAX), count = to->problem.failure_count;
    if (count > 0) {
        to->failures[lifted % count] = to->failures[count - 1];
        memcpy(to->lost[lifted % count], to->lost[count - 1], sizeof to->lost[0]);
        to->problem.failure_count--;
    }
    world_connect(to);
}

static void double_costs(const struct world *from, struct world *to, struct rng *rng)
{
    (void)rng;
    *to = *from;
    for (uint32_t c = 0; c < to->problem.column_count; c++) {
        to->columns[c].cost_usd_h *= 2;
        to->columns[c].start_usd_h *= 2;
        to->columns[c].stop_usd_h *= 2;
    }
    for (uint32_t v = 0; v < to->problem.node_count; v++) {
        to->nodes[v].open_usd_h *= 2;
        to->nodes[v].egress_usd *= 2;
    }
    for (uint32_t d = 0; d < to->problem.demand_count; d++)
        to->demands[d].unmet_usd *= 2;
    world_connect(to);
}

/* Worlds and results as drawn: every comparison begins with them. */
static struct plan_result first_results[COUNT_OF(tiny_shapes) * TINY_SEEDS];

static int solve_tiny(void **state)
{
    (void)state;
    static struct world world;
    for (uint32_t i = 0; i < COUNT_OF(first_results); i++) {
        const struct shape *shape = &tiny_shapes[i / TINY_SEEDS];
        world_draw(&world, shape, 1 + i % TINY_SEEDS);
        first_results[i] = solve(&world, TINY_WORK);
        first_results[i].answer.counts = NULL; /* gone with the next call */
        first_results[i].answer.flows = NULL;
    }
    return 0;
}

/* Solves each tiny world changed: its cost times <factor> must not be above that of the world as
 * drawn; <is_same>: nor below. */
static void compare(void (*change)(const struct world *, struct world *, struct rng *),
                    double factor, bool is_same)
{
    static struct world world, changed;
    struct rng rng;
    rng_init(&rng, 7);
    uint32_t compared = 0, count = COUNT_OF(first_results);
    for (uint32_t i = 0; i < count; i++) {
        const struct shape *shape = &tiny_shapes[i / TINY_SEEDS];
        world_draw(&world, shape, 1 + i % TINY_SEEDS);
        change(&world, &changed, &rng);
        const struct plan_result *before = &first_results[i];
        struct plan_result after = solve(&changed, TINY_WORK);
        after.bound_usd_h *= factor;
        after.answer.cost_usd_h *= factor;
        assert_not_dearer(&world, &after, before, &compared);
        if (is_same)
            assert_not_dearer(&world, before, &after, &compared);
    }
    print_message("%u of %u compared to the end\n", compared, is_same ? 2 * count : count);
    assert_in_range(compared, count / 5, 2 * count);
}

static void the_order_of_parts_changes_no_cost(void **state)
{
    (void)state;
    compare(permute, 1, true);
}

static void more_stock_is_never_dearer(void **state)
{
    (void)state;
    compare(raise_stock, 1, false);
}

static void one_failure_less_is_never_dearer(void **state)
{
    (void)state;
    compare(lift_failure, 1, false);
}

static void twice_the_prices_are_twice_the_cost(void **state)
{
    (void)state;
    compare(double_costs, 0.5, true);
}

int main(void)
{
    char reason[256];
    struct text why;
    text_init(&why, reason, sizeof reason);
    if (plan_lp_clp_open(&lp, &why)) {
        print_message("SKIPPED: %s\n", reason);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_is_a_plan_and_no_bound_is_above_any_plan),
        cmocka_unit_test(the_order_of_parts_changes_no_cost),
        cmocka_unit_test(more_stock_is_never_dearer),
        cmocka_unit_test(one_failure_less_is_never_dearer),
        cmocka_unit_test(twice_the_prices_are_twice_the_cost),
    };
    return cmocka_run_group_tests(tests, solve_tiny, NULL);
}
