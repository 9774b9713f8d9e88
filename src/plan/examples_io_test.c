/* The classic examples of docs/examples/classic.md, whose numbers are those checked here: the best
 * of all plans by enumeration, what ranking picks, and that plan_solve() finds the best and proves
 * it. It is an _io test because the LP library is opened. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "plan/audit.h"
#include "plan/solve.h"

enum {
    SERVICES = 10,
    PROVIDERS = 3,
    COLUMNS = SERVICES * PROVIDERS,
    PLANS = 59049, /* PROVIDERS ^ SERVICES */
    UNIT = 1000000,
    MACHINES = 3
};

#define PROVEN 1e-6 /* of the cost: what may be left between it and the bound */

static char memory[256 << 20], audit_memory[1 << 16];
static struct plan_lp_api lp;
static const uint32_t each[] = {0, 1, 2};

/* A plan must pass the audit; no bound may be above <best>, the cost of the best plan (INFINITY:
 * there is none). The counts are copied. */
static struct plan_result solve(const struct plan_problem *problem, double best, uint32_t *counts)
{
    char reason[256];
    struct text why;
    struct arena arena;
    struct plan_result result = {.status = PLAN_INFEASIBLE};
    struct plan_limits limits = {.work = 50 * 1000 * 1000};
    text_init(&why, reason, sizeof reason);
    arena_init(&arena, memory, sizeof memory);
    if (plan_problem_check(problem, &why) ||
        plan_solve(problem, &lp, &limits, NULL, &arena, &result, &why))
        fail_msg("%s", reason);
    bool has_plan = result.status == PLAN_OPTIMAL || result.status == PLAN_FEASIBLE;
    assert_true(result.status != PLAN_INFEASIBLE || isinf(best));
    assert_true(!has_plan || result.answer.cost_usd_h >= best * (1 - 1e-9));
    if (!(result.bound_usd_h <= best * (1 + 1e-9)))
        fail_msg("a bound of %.9f above the best, %.9f", result.bound_usd_h, best);
    memset(counts, 0, problem->column_count * sizeof *counts);
    if (!has_plan)
        return result;
    struct plan_cost cost;
    enum plan_breach breach;
    struct arena scratch;
    arena_init(&scratch, audit_memory, sizeof audit_memory);
    if (plan_answer_audit(problem, &result.answer, &scratch, &cost, &breach, &why))
        fail_msg("%s", reason);
    memcpy(counts, result.answer.counts, problem->column_count * sizeof *counts);
    return result;
}

static void assert_usd(double found, double expected)
{
    if (!(found == expected || fabs(found - expected) < 1e-6))
        fail_msg("expected %.6f USD, found %.6f", expected, found);
}

/* The best, and proven to be; or proven that there is none. */
static void assert_found(const struct plan_result *result, double best)
{
    if (isinf(best)) {
        assert_int_equal(result->status, PLAN_INFEASIBLE);
        return;
    }
    assert_true(result->status == PLAN_OPTIMAL || result->status == PLAN_FEASIBLE);
    assert_usd(result->answer.cost_usd_h, best);
    assert_true(result->bound_usd_h >= best * (1 - PROVEN));
}

/* Ten services, three providers --------------------------------------------------------------- */

/* USD a month of a GPU, a TB, a Mbps; a month has 730 hours. */
static const double prices[PROVIDERS][3] = {{100, 50, 20}, {80, 40, 15}, {120, 60, 25}};

enum { MONTH_H = 730 };

/* Of service <i> (from 0): i + 1 GPUs, 2 TB, 10 Mbps. */
static double usd_month(uint32_t i, uint32_t provider)
{
    const double *price = prices[provider];
    return (i + 1) * price[0] + 2 * price[1] + 10 * price[2];
}

struct market {
    struct plan_problem problem;
    struct plan_service services[SERVICES];
    struct plan_region regions[PROVIDERS];
    struct plan_node nodes[COLUMNS];
    struct plan_column columns[COLUMNS];
    struct plan_demand demands[SERVICES];
    uint32_t near[SERVICES][PROVIDERS];
    struct plan_row rows[PROVIDERS];
    struct plan_term terms[PROVIDERS][SERVICES];
};

/* Each service is whole: one replica, which takes all its GPUs at one provider. */
static void make_market(struct market *market, double gpus_max)
{
    memset(market, 0, sizeof *market);
    for (uint32_t i = 0; i < SERVICES; i++) {
        market->services[i] =
            (struct plan_service){SPAN_LITERAL("service"), 3 * i, 3, 3 * i, 3, i, 1, UNIT, UNIT};
        market->demands[i] =
            (struct plan_demand){i, 0, UNIT, INFINITY, market->near[i], NULL, PROVIDERS};
        for (uint32_t p = 0; p < PROVIDERS; p++) {
            uint32_t at = PROVIDERS * i + p;
            market->near[i][p] = at;
            market->nodes[at] = (struct plan_node){i, p, at, 1, 1, 0, 0};
            market->columns[at] = (struct plan_column){
                .node = at, .speed = UNIT, .cost_usd_h = usd_month(i, p) / MONTH_H, .count_max = 1};
            market->terms[p][i] = (struct plan_term){at, i + 1};
        }
    }
    for (uint32_t p = 0; p < PROVIDERS; p++)
        market->rows[p] = (struct plan_row){.rule = PLAN_RULE_STOCK,
                                            .name = SPAN_LITERAL("GPUs of a provider"),
                                            .lower = -PLAN_LP_INFINITY,
                                            .upper = gpus_max,
                                            .terms = market->terms[p],
                                            .term_count = SERVICES};
    market->problem = (struct plan_problem){.service_count = SERVICES,
                                            .region_count = PROVIDERS,
                                            .sku_count = 1,
                                            .zone_count = 1,
                                            .node_count = COLUMNS,
                                            .demand_count = SERVICES,
                                            .column_count = COLUMNS,
                                            .row_count = PROVIDERS,
                                            .services = market->services,
                                            .regions = market->regions,
                                            .nodes = market->nodes,
                                            .demands = market->demands,
                                            .columns = market->columns,
                                            .rows = market->rows};
}

static double best_by_enumeration(double gpus_max)
{
    double best = INFINITY;
    for (uint32_t code = 0; code < PLANS; code++) {
        double gpus[PROVIDERS] = {0}, cost = 0;
        for (uint32_t i = 0, rest = code; i < SERVICES; i++, rest /= PROVIDERS) {
            gpus[rest % PROVIDERS] += i + 1;
            cost += usd_month(i, rest % PROVIDERS);
        }
        if (gpus[0] <= gpus_max && gpus[1] <= gpus_max && gpus[2] <= gpus_max && cost < best)
            best = cost;
    }
    return best;
}

/* Services in the given order, each to the cheapest provider that has room for it. */
static double cost_by_ranking(double gpus_max, bool largest_first)
{
    static const uint32_t cheapest[PROVIDERS] = {1, 0, 2};
    double left[PROVIDERS] = {gpus_max, gpus_max, gpus_max}, cost = 0;
    for (uint32_t k = 0; k < SERVICES; k++) {
        uint32_t i = largest_first ? SERVICES - 1 - k : k, at = 0;
        while (at < PROVIDERS && left[cheapest[at]] < i + 1)
            at++;
        if (at == PROVIDERS)
            return INFINITY;
        left[cheapest[at]] -= i + 1;
        cost += usd_month(i, cheapest[at]);
    }
    return cost;
}

static const struct {
    double gpus_max, best, smallest_first, largest_first; /* USD a month */
} caps[] = {
    {1000, 6700, 6700, 6700},
    {30, 7410, 7450, 7620},
    {20, 8190, INFINITY, 8470},
    {10, INFINITY, INFINITY, INFINITY},
};

static void ten_services_on_three_providers(void **state)
{
    (void)state;
    static struct market market;
    for (size_t k = 0; k < COUNT_OF(caps); k++) {
        uint32_t counts[COLUMNS];
        assert_usd(best_by_enumeration(caps[k].gpus_max), caps[k].best);
        assert_usd(cost_by_ranking(caps[k].gpus_max, false), caps[k].smallest_first);
        assert_usd(cost_by_ranking(caps[k].gpus_max, true), caps[k].largest_first);
        make_market(&market, caps[k].gpus_max);
        struct plan_result result = solve(&market.problem, caps[k].best / MONTH_H, counts);
        assert_found(&result, caps[k].best / MONTH_H);
    }
}

static void without_a_cap_the_cheapest_provider_takes_all(void **state)
{
    (void)state;
    static struct market market;
    uint32_t counts[COLUMNS];
    make_market(&market, 1000);
    struct plan_result result = solve(&market.problem, caps[0].best / MONTH_H, counts);
    assert_found(&result, caps[0].best / MONTH_H);
    for (uint32_t c = 0; c < COLUMNS; c++)
        assert_int_equal(counts[c], c % PROVIDERS == 1);
}

/* Three nodes --------------------------------------------------------------------------------- */

struct machines {
    struct plan_problem problem;
    struct plan_service services[1];
    struct plan_region regions[MACHINES];
    struct plan_node nodes[MACHINES];
    struct plan_column columns[MACHINES];
    struct plan_demand demands[1];
    struct plan_failure failures[MACHINES];
};

static const uint32_t tasks_h[MACHINES] = {200, 150, 100};
static const double usd_h[MACHINES] = {1000, 800, 500};

/* One of each, each in a region of its own. A unit of rate is a millionth of a task per hour. */
static void make_machines(struct machines *machines, uint32_t wanted_h, bool is_n1)
{
    memset(machines, 0, sizeof *machines);
    machines->services[0] =
        (struct plan_service){SPAN_LITERAL("tasks"), 0, 3, 0, 3, 0, 1, UNIT, UNIT};
    machines->demands[0] =
        (struct plan_demand){0, 0, (int64_t)wanted_h * UNIT, INFINITY, each, NULL, MACHINES};
    for (uint32_t m = 0; m < MACHINES; m++) {
        machines->nodes[m] = (struct plan_node){0, m, m, 1, 1, 0, 0};
        machines->columns[m] = (struct plan_column){
            .node = m, .speed = (int64_t)tasks_h[m] * UNIT, .cost_usd_h = usd_h[m], .count_max = 1};
        machines->failures[m] = (struct plan_failure){SPAN_LITERAL("loss"), &each[m], 1};
    }
    machines->problem = (struct plan_problem){.service_count = 1,
                                              .region_count = MACHINES,
                                              .sku_count = 1,
                                              .zone_count = 1,
                                              .node_count = MACHINES,
                                              .demand_count = 1,
                                              .column_count = MACHINES,
                                              .failure_count = is_n1 ? MACHINES : 0,
                                              .services = machines->services,
                                              .regions = machines->regions,
                                              .nodes = machines->nodes,
                                              .demands = machines->demands,
                                              .columns = machines->columns,
                                              .failures = machines->failures};
}

static double best_of_sets(uint32_t wanted_h, bool is_n1)
{
    double best = INFINITY;
    for (uint32_t set = 0; set < 1U << MACHINES; set++) {
        uint32_t sum = 0, largest = 0;
        double cost = 0;
        for (uint32_t m = 0; m < MACHINES; m++) {
            sum += set >> m & 1 ? tasks_h[m] : 0;
            largest = set >> m & 1 && tasks_h[m] > largest ? tasks_h[m] : largest;
            cost += set >> m & 1 ? usd_h[m] : 0;
        }
        if (sum >= wanted_h + (is_n1 ? largest : 0) && cost < best)
            best = cost;
    }
    return best;
}

/* The most tasks for a dollar first; of equals, the larger. */
static double cost_of_the_most_efficient(uint32_t wanted_h)
{
    static const uint32_t order[MACHINES] = {0, 2, 1};
    uint32_t sum = 0;
    double cost = 0;
    for (uint32_t k = 0; k < MACHINES && sum < wanted_h; k++) {
        sum += tasks_h[order[k]];
        cost += usd_h[order[k]];
    }
    return sum < wanted_h ? INFINITY : cost;
}

static const struct {
    uint32_t wanted_h;
    double ranked, best, best_n1; /* USD/h */
} demands[] = {
    {100, 1000, 500, 1300},      {150, 1000, 800, 1800},      {200, 1000, 1000, 2300},
    {250, 1500, 1300, 2300},     {300, 1500, 1500, INFINITY}, {350, 2300, 1800, INFINITY},
    {400, 2300, 2300, INFINITY}, {450, 2300, 2300, INFINITY}, {451, INFINITY, INFINITY, INFINITY},
};

static void three_nodes_and_what_efficiency_picks(void **state)
{
    (void)state;
    static struct machines machines;
    for (size_t i = 0; i < COUNT_OF(demands); i++) {
        uint32_t counts[MACHINES];
        assert_usd(cost_of_the_most_efficient(demands[i].wanted_h), demands[i].ranked);
        for (uint32_t is_n1 = 0; is_n1 < 2; is_n1++) {
            double best = is_n1 ? demands[i].best_n1 : demands[i].best;
            assert_usd(best_of_sets(demands[i].wanted_h, is_n1), best);
            make_machines(&machines, demands[i].wanted_h, is_n1);
            struct plan_result result = solve(&machines.problem, best, counts);
            assert_found(&result, best);
        }
    }
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
        cmocka_unit_test(ten_services_on_three_providers),
        cmocka_unit_test(without_a_cap_the_cheapest_provider_takes_all),
        cmocka_unit_test(three_nodes_and_what_efficiency_picks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
