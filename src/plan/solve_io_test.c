/* The planner beside enumeration: every plan of small problems is tried, feasibility decided by
 * looking at each set of demands, and the best must be what plan_solve() finds and proves. It is an
 * _io test because the LP library is opened. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "plan/relax.h"
#include "plan/solve.h"

enum {
    SERVICES = 2,
    REGIONS = 3,
    SKUS = 2,
    ZONES = 3,
    COLUMNS = REGIONS * SKUS, /* of a service */
    MOST = 2,                 /* replicas of a column */
    PLANS = 729,              /* (MOST + 1) ^ COLUMNS */
    ROUNDS = 60
};

static char memory[384 << 20];
static struct plan_lp_api lp;

struct bed {
    struct plan_problem problem;
    struct plan_service services[SERVICES];
    struct plan_region regions[REGIONS];
    struct plan_node nodes[SERVICES * REGIONS];
    struct plan_column columns[SERVICES * COLUMNS];
    struct plan_demand demands[SERVICES * ZONES];
    uint32_t near[SERVICES * ZONES][REGIONS];
    struct plan_row rows[REGIONS * SKUS];
    struct plan_term terms[REGIONS * SKUS][SERVICES];
    struct plan_failure failures[REGIONS];
    uint32_t lost[REGIONS];
};

static void draw(struct bed *bed, struct rng *rng)
{
    memset(bed, 0, sizeof *bed);
    for (uint32_t s = 0; s < SERVICES; s++) {
        bed->services[s] = (struct plan_service){.name = SPAN_LITERAL("service"),
                                                 .node_first = s * REGIONS,
                                                 .node_count = REGIONS,
                                                 .column_first = s * COLUMNS,
                                                 .column_count = COLUMNS,
                                                 .demand_first = s * ZONES,
                                                 .demand_count = ZONES,
                                                 .share_ppm = 750000,
                                                 .share_lost_ppm = 950000};
        for (uint32_t r = 0; r < REGIONS; r++)
            bed->nodes[s * REGIONS + r] =
                (struct plan_node){.service = s,
                                   .region = r,
                                   .column_first = s * COLUMNS + r * SKUS,
                                   .column_count = SKUS,
                                   .replicas_min = 1,
                                   .open_usd_h = 0.1 * (double)rng_below(rng, 10)};
        for (uint32_t i = 0; i < COLUMNS; i++)
            bed->columns[s * COLUMNS + i] =
                (struct plan_column){.node = s * REGIONS + i / SKUS,
                                     .sku = (uint16_t)(i % SKUS),
                                     .speed = i % SKUS ? 7000000 : 3000000,
                                     .cost_usd_h = (i % SKUS ? 2.0 : 1.0) + rng_unit(rng),
                                     .count_max = MOST};
        for (uint32_t z = 0; z < ZONES; z++) {
            struct plan_demand *demand = &bed->demands[s * ZONES + z];
            *demand = (struct plan_demand){.service = s,
                                           .rate = 500000 + (int64_t)rng_below(rng, 3000000),
                                           .unmet_usd = INFINITY,
                                           .nodes = bed->near[s * ZONES + z]};
            uint32_t but = (uint32_t)rng_below(rng, REGIONS + 1);
            for (uint32_t r = 0; r < REGIONS; r++)
                if (r != but)
                    bed->near[s * ZONES + z][demand->node_count++] = s * REGIONS + r;
        }
    }
    for (uint32_t i = 0; i < COLUMNS; i++) {
        for (uint32_t s = 0; s < SERVICES; s++)
            bed->terms[i][s] = (struct plan_term){s * COLUMNS + i, 1};
        bed->rows[i] = (struct plan_row){.rule = PLAN_RULE_STOCK,
                                         .name = SPAN_LITERAL("stock"),
                                         .lower = -PLAN_LP_INFINITY,
                                         .upper = 1 + (double)rng_below(rng, 3),
                                         .terms = bed->terms[i],
                                         .term_count = SERVICES};
    }
    for (uint32_t r = 0; r < REGIONS; r++) {
        bed->lost[r] = r;
        bed->regions[r].name = SPAN_LITERAL("region");
        bed->failures[r] = (struct plan_failure){SPAN_LITERAL("loss"), &bed->lost[r], 1};
    }
    bed->problem = (struct plan_problem){.service_count = SERVICES,
                                         .region_count = REGIONS,
                                         .sku_count = SKUS,
                                         .zone_count = ZONES,
                                         .node_count = SERVICES * REGIONS,
                                         .demand_count = SERVICES * ZONES,
                                         .column_count = SERVICES * COLUMNS,
                                         .row_count = COLUMNS,
                                         .failure_count = REGIONS,
                                         .services = bed->services,
                                         .regions = bed->regions,
                                         .nodes = bed->nodes,
                                         .demands = bed->demands,
                                         .columns = bed->columns,
                                         .rows = bed->rows,
                                         .failures = bed->failures};
}

/* Hall's condition for each set of demands, each loss, and without one. */
static bool holds(const struct bed *bed, uint32_t service, const uint32_t *counts)
{
    for (uint32_t set = 1; set < 1U << ZONES; set++)
        for (uint32_t lost = 0; lost <= REGIONS; lost++) {
            int64_t rate = 0, room = 0;
            bool is_near[REGIONS] = {false};
            for (uint32_t z = 0; z < ZONES; z++) {
                const struct plan_demand *demand = &bed->demands[service * ZONES + z];
                rate += set >> z & 1 ? demand->rate : 0;
                for (uint32_t i = 0; set >> z & 1 && i < demand->node_count; i++)
                    is_near[demand->nodes[i] - service * REGIONS] = true;
            }
            for (uint32_t r = 0; r < REGIONS; r++)
                if (is_near[r] && r != lost)
                    room += (3000000 * (int64_t)counts[r * SKUS] +
                             7000000 * (int64_t)counts[r * SKUS + 1]) *
                            (lost < REGIONS ? 95 : 75) / 100;
            if (room < rate)
                return false;
        }
    return true;
}

static double price(const struct bed *bed, uint32_t service, const uint32_t *counts)
{
    double cost = 0;
    for (uint32_t i = 0; i < COLUMNS; i++)
        cost += counts[i] * bed->columns[service * COLUMNS + i].cost_usd_h;
    for (uint32_t r = 0; r < REGIONS; r++)
        if (counts[r * SKUS] + counts[r * SKUS + 1] > 0)
            cost += bed->nodes[service * REGIONS + r].open_usd_h;
    return cost;
}

struct plan {
    uint32_t counts[COLUMNS];
    double cost;
};

static uint32_t all_plans(const struct bed *bed, uint32_t service, struct plan *plans)
{
    uint32_t count = 0;
    for (uint32_t code = 0; code < PLANS; code++) {
        struct plan *plan = &plans[count];
        for (uint32_t i = 0, rest = code; i < COLUMNS; i++, rest /= MOST + 1)
            plan->counts[i] = rest % (MOST + 1);
        plan->cost = price(bed, service, plan->counts);
        count += holds(bed, service, plan->counts);
    }
    return count;
}

static double best_by_enumeration(const struct bed *bed)
{
    static struct plan plans[SERVICES][PLANS + 1];
    uint32_t first = all_plans(bed, 0, plans[0]), second = all_plans(bed, 1, plans[1]);
    double best = INFINITY;
    for (uint32_t a = 0; a < first; a++)
        for (uint32_t b = 0; b < second; b++) {
            double cost = plans[0][a].cost + plans[1][b].cost;
            bool fits = cost < best;
            for (uint32_t i = 0; fits && i < COLUMNS; i++)
                fits = plans[0][a].counts[i] + plans[1][b].counts[i] <= bed->rows[i].upper;
            best = fits ? cost : best;
        }
    return best;
}

static void the_best_of_all_plans_is_found_and_no_bound_is_above_it(void **state)
{
    (void)state;
    static struct bed bed;
    struct rng rng;
    rng_init(&rng, 3);
    unsigned solved = 0, best_found = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        draw(&bed, &rng);
        double best = best_by_enumeration(&bed);
        char reason[256];
        struct text why;
        text_init(&why, reason, sizeof reason);
        if (plan_problem_check(&bed.problem, &why))
            fail_msg("%s", reason);
        struct arena arena;
        arena_init(&arena, memory, sizeof memory);
        struct plan_limits limits = {.work = 20 * 1000 * 1000};
        struct plan_result result;
        if (plan_solve(&bed.problem, &lp, &limits, NULL, &arena, &result, &why))
            fail_msg("%s", reason);
        if (isinf(best)) {
            assert_int_not_equal(result.status, PLAN_OPTIMAL);
            assert_int_not_equal(result.status, PLAN_FEASIBLE);
            continue;
        }
        assert_true(result.bound_usd_h <= best * (1 + 1e-9));
        if (result.status == PLAN_NOTHING_FOUND)
            continue;
        solved++;
        assert_true(result.answer.cost_usd_h >= best * (1 - 1e-9));
        best_found += result.answer.cost_usd_h <= best * (1 + 1e-9);
    }
    assert_in_range(solved, ROUNDS / 2, ROUNDS);
    assert_in_range(best_found, solved * 9 / 10, solved);
}

/* One service of <bed> alone. */
static void keep_one(struct bed *bed)
{
    for (uint32_t i = 0; i < COLUMNS; i++)
        bed->rows[i].term_count = 1;
    bed->problem.service_count = 1;
    bed->problem.node_count = REGIONS;
    bed->problem.demand_count = ZONES;
    bed->problem.column_count = COLUMNS;
}

/* More replicas than are of use (useful_max() of relax.c) are in no plan that matters. */
static bool is_of_use(const struct bed *bed, const struct plan_relax *relax,
                      const struct plan *plan)
{
    bool is = true;
    for (uint32_t i = 0; i < COLUMNS; i++)
        is =
            is && plan->counts[i] <= bed->rows[i].upper && plan->counts[i] <= relax->upper_first[i];
    return is;
}

/* Rows that speak of loads hold for some loads: they are left out. */
static bool keeps_rows(const struct plan_relax *relax, const uint32_t *counts)
{
    for (uint32_t r = 0; r < relax->rows.count; r++) {
        double sum = 0;
        bool has_load = false;
        for (int32_t i = relax->rows.starts[r]; i < relax->rows.starts[r + 1]; i++) {
            uint32_t c = (uint32_t)relax->rows.columns[i], v = c - relax->first_open;
            has_load = has_load || c >= relax->first_load;
            double value =
                c < relax->first_open ? counts[c] : counts[v * SKUS] + counts[v * SKUS + 1] > 0;
            sum += has_load ? 0 : relax->rows.values[i] * value;
        }
        double room = 1e-9 * (1 + __builtin_fabs(sum));
        if (!has_load && (sum < relax->rows.lower[r] - room || sum > relax->rows.upper[r] + room))
            return false;
    }
    return true;
}

static void no_cut_takes_a_plan_away(void **state)
{
    (void)state;
    static struct bed bed;
    static struct plan plans[PLANS + 1];
    struct rng rng;
    rng_init(&rng, 5);
    uint32_t rounded = 0, knapsacks = 0;
    for (unsigned round = 0; round < 4 * ROUNDS; round++) {
        draw(&bed, &rng);
        keep_one(&bed);
        uint32_t count = all_plans(&bed, 0, plans);
        struct plan_relax relax;
        struct arena arena;
        arena_init(&arena, memory, sizeof memory);
        assert_int_equal(plan_relax_begin(&relax, &bed.problem, &lp, 512, &arena), ERR_OK);
        struct plan_knapsack *scratch = plan_knapsack_new(REGIONS, relax.column_count, &arena);
        assert_non_null(scratch);
        enum err err = plan_relax_close(&relax, 30, 0, NULL, NULL);
        for (unsigned i = 0; i < 4 && !err; i++) {
            double before = relax.solution.objective;
            uint32_t found = plan_relax_cut_knapsacks(&relax, scratch);
            knapsacks += found;
            err = plan_relax_close(&relax, 30, 0, NULL, NULL);
            assert_true(err || relax.solution.objective >= before * (1 + (found ? 5e-5 : -1e-9)));
            rounded += err ? 0 : plan_relax_round_cuts(&relax);
            err = err ? err : plan_relax_close(&relax, 30, 0, NULL, NULL);
        }
        for (uint32_t i = 0; i < count; i++)
            assert_true(!is_of_use(&bed, &relax, &plans[i]) || keeps_rows(&relax, plans[i].counts));
        plan_relax_end(&relax);
    }
    assert_in_range(rounded, 100, UINT32_MAX);
    assert_in_range(knapsacks, 100, UINT32_MAX);
}

/* The last first, and each with another hand. */
static void run_backwards(void *context, uint32_t count,
                          void (*task)(void *argument, uint32_t i, uint32_t hand), void *argument)
{
    const struct plan_crew *crew = context;
    for (uint32_t i = count; i-- > 0;)
        task(argument, i, i % crew->width);
}

/* Whatever the limit of work interrupts. */
static void the_same_problem_gives_the_same_plan_with_any_hands(void **state)
{
    (void)state;
    static struct bed bed;
    static uint32_t counts[SERVICES * COLUMNS];
    struct plan_crew crew = {.width = 3, .run = run_backwards, .context = &crew};
    unsigned planned = 0;
    struct rng rng;
    rng_init(&rng, 8);
    for (uint64_t work = 20000; work < 2000000; work += 1 + work / 16) {
        struct plan_result first = {0};
        draw(&bed, &rng);
        for (unsigned round = 0; round < 3; round++) {
            struct arena arena;
            arena_init(&arena, memory, sizeof memory);
            struct plan_limits limits = {.work = work, .crew = round == 2 ? &crew : NULL};
            struct plan_result result;
            assert_int_equal(plan_solve(&bed.problem, &lp, &limits, NULL, &arena, &result, NULL),
                             ERR_OK);
            if (round == 0) {
                first = result;
                if (result.answer.counts)
                    memcpy(counts, result.answer.counts, sizeof counts);
                planned += result.answer.counts != NULL;
            }
            assert_true(result.status == first.status && result.work == first.work &&
                        result.bound_usd_h == first.bound_usd_h);
            if (result.answer.counts)
                assert_memory_equal(counts, result.answer.counts, sizeof counts);
        }
    }
    assert_in_range(planned, 20, UINT32_MAX);
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
        cmocka_unit_test(the_best_of_all_plans_is_found_and_no_bound_is_above_it),
        cmocka_unit_test(no_cut_takes_a_plan_away),
        cmocka_unit_test(the_same_problem_gives_the_same_plan_with_any_hands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
