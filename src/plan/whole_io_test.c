/* The whole, put together of services' relaxations that are closed at its prices again and again,
 * beside the relaxation of all services in one programme: the same optimum, and never a sum of
 * bounds above it. It is an _io test because the LP library is opened. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plan/whole.h"
#include "plan/world_test.h"

enum { SEEDS = 30, ROUNDS = 60, CUT_ROUNDS = 5, HALL_ROUNDS = 400, ROWS = 8192 };

static char memory[128 << 20];

struct bed {
    struct world world;
    struct plan_lp_api lp;
    struct arena arena;
    struct plan_tree trees[SERVICES_MAX];
    struct plan_whole whole;
    double prices[ROWS_MAX];
    uint32_t solutions, left_out; /* of all: with columns left out */
};

static struct bed bed;

static const struct shape shapes[] = {
    {.name = "stock", .has_stock = true, .has_open = true},
    {.name = "scarce", .has_stock = true, .load = 6, .has_spot = true},
    {.name = "budget", .has_budget = true, .has_open = true, .has_egress = true},
    {.name = "rules", .has_stock = true, .has_open = true, .has_spread = true, .has_least = true},
    {.name = "soft", .has_stock = true, .has_soft = true, .load = 6},
    {.name = "moves", .has_stock = true, .has_moves = true, .has_pins = true, .has_open = true},
    {.name = "carbon", .has_carbon = true, .has_stock = true, .more_max = 2},
    {.name = "free", .has_open = true},
};

static void begin(const struct shape *shape, uint64_t seed)
{
    struct shape own = *shape;
    char message[256];
    struct text why;
    own.services = 4;
    own.regions = 6;
    own.zones = 5;
    own.skus = 3;
    own.classes = 1;
    own.count_max = 4;
    own.load = own.load > 0 ? own.load : 3;
    own.loses_regions = true;
    text_init(&why, message, sizeof message);
    arena_init(&bed.arena, memory, sizeof memory);
    assert_int_equal(plan_lp_clp_open(&bed.lp, &why), ERR_OK);
    world_draw(&bed.world, &own, seed);
    memset(bed.prices, 0, sizeof bed.prices);
    const struct plan_problem *problem = &bed.world.problem;
    for (uint32_t s = 0; s < problem->service_count; s++)
        assert_int_equal(plan_tree_begin(&bed.trees[s], problem, &bed.lp, s, false, &bed.arena),
                         ERR_OK);
    assert_int_equal(plan_whole_init(&bed.whole, problem, &bed.lp, bed.trees, &bed.arena), ERR_OK);
    bed.whole.is_exact = true;
}

static void end(void)
{
    for (uint32_t s = 0; s < bed.world.problem.service_count; s++)
        plan_tree_end(&bed.trees[s]);
}

/* Parts have it from the beginning: an open node has a replica. */
static void add_rows_of_nodes(struct plan_relax *relax)
{
    for (uint32_t v = 0; v < bed.world.problem.node_count; v++) {
        const struct plan_node *node = &bed.world.problem.nodes[v];
        if (!plan_relax_has_open(relax, v))
            continue;
        plan_relax_row(relax, 0, PLAN_LP_INFINITY);
        for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
            plan_relax_term(relax, c, 1);
        plan_relax_term(relax, relax->first_open + v, -(double)node->replicas_min);
    }
    relax->first_cut = relax->rows.count; /* they stay */
}

/* Of all services in one programme, Hall's rows found to the last; INFINITY: there is none. */
static double relaxed(void)
{
    struct plan_relax relax;
    assert_int_equal(plan_relax_begin(&relax, &bed.world.problem, &bed.lp, ROWS, &bed.arena),
                     ERR_OK);
    add_rows_of_nodes(&relax);
    enum err err = plan_relax_close(&relax, HALL_ROUNDS, -1, NULL, NULL);
    assert_true(err == ERR_OK || err == ERR_VALUE);
    double cost = err ? INFINITY : relax.solution.objective;
    plan_relax_end(&relax);
    return cost;
}

/* What the services cost at the prices, and the prices x sides. INFINITY: one has no plan. */
static double sum_of_services(bool rounds_cuts)
{
    const struct plan_problem *problem = &bed.world.problem;
    double sum = 0;
    for (uint32_t r = 0; r < problem->row_count; r++)
        sum += bed.prices[r] == 0  ? 0
               : bed.prices[r] > 0 ? bed.prices[r] * problem->rows[r].lower
                                   : bed.prices[r] * problem->rows[r].upper;
    for (uint32_t s = 0; s < problem->service_count; s++) {
        plan_tree_price(&bed.trees[s], bed.prices);
        struct plan_closing closing = {.rounds_cuts = rounds_cuts,
                                       .other = plan_whole_solution(&bed.whole, s),
                                       .separates_other = bed.whole.is_exact};
        if (plan_tree_close(&bed.trees[s], &closing, NULL, NULL))
            return INFINITY;
        sum += bed.trees[s].bound_usd_h;
    }
    return sum;
}

/* A price of the wrong sign is one of the library's tolerance. */
static void take_prices(void)
{
    const struct plan_problem *problem = &bed.world.problem;
    for (uint32_t r = 0; r < problem->row_count; r++) {
        double price = bed.whole.prices[r];
        double side = price > 0 ? problem->rows[r].lower : problem->rows[r].upper;
        bool is_valid = fabs(side) < PLAN_LP_INFINITY;
        assert_true(is_valid || fabs(price) < 1e-6);
        bed.prices[r] = is_valid ? price : 0;
    }
}

/* The best sum of the services' bounds; INFINITY: no plan exists. */
static double settle(double optimum)
{
    double best = 0;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        double sum = sum_of_services(false);
        if (sum > optimum * (1 + 1e-9) + 1e-9)
            fail_msg("%s, round %u: %.9g of services, %.9g of all", bed.world.label, round, sum,
                     optimum);
        enum err err = isinf(sum) ? ERR_VALUE : plan_whole_solve(&bed.whole, bed.prices);
        if (err == ERR_VALUE)
            return INFINITY;
        assert_int_equal(err, ERR_OK);
        bed.solutions++;
        bed.left_out += bed.whole.matrix.column_count < bed.whole.first[4];
        best = sum > best ? sum : best;
        if (best >= optimum * (1 - 1e-7))
            break;
        take_prices();
    }
    return best;
}

/* What the whole's solution uses of each shared row is within its sides. */
static void check_values(void)
{
    const struct plan_problem *problem = &bed.world.problem;
    double values[COLUMNS_MAX];
    plan_whole_values(&bed.whole, values);
    for (uint32_t r = 0; r < problem->row_count; r++) {
        double sum = 0;
        for (uint32_t i = 0; i < problem->rows[r].term_count; i++)
            sum += problem->rows[r].terms[i].factor * values[problem->rows[r].terms[i].column];
        bool is_shared = !plan_row_is_of_one_service(problem, &problem->rows[r]);
        if (is_shared &&
            (sum > problem->rows[r].upper + 1e-5 || sum < problem->rows[r].lower - 1e-5))
            fail_msg("%s, row %u: %.9g", bed.world.label, r, sum);
    }
    for (uint32_t d = 0; d < problem->demand_count; d++)
        assert_true(plan_whole_unmet(&bed.whole, d) <=
                    1e-6 * (double)problem->demands[d].rate + 1e-6);
}

static void test_the_same_optimum_as_in_one_programme(void **state)
{
    (void)state;
    uint32_t settled = 0, none = 0;
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            begin(&shapes[i], seed);
            double optimum = relaxed(), sum = settle(optimum);
            if (isinf(optimum) != isinf(sum) ||
                (!isinf(sum) && fabs(sum - optimum) > 1e-6 * optimum))
                fail_msg("%s: %.9g of services, %.9g of all", bed.world.label, sum, optimum);
            if (!isinf(sum))
                check_values();
            isinf(sum) ? none++ : settled++;
            end();
        }
    assert_true(settled >= 100 && none >= 5);
    assert_true(bed.left_out > bed.solutions / 4);
}

/* Few pivots are left where nothing has changed: it begins where the services ended. */
static void test_it_begins_with_the_services_bases(void **state)
{
    (void)state;
    uint64_t first = 0, again = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(&shapes[0], seed);
        double optimum = relaxed();
        if (!isinf(optimum) && !isinf(settle(optimum))) {
            take_prices();
            (void)sum_of_services(false);
            uint32_t columns = bed.whole.matrix.column_count, rows = bed.whole.rows.count;
            assert_int_equal(plan_whole_solve(&bed.whole, bed.prices), ERR_OK);
            first += columns + rows;
            again += bed.whole.iterations;
        }
        end();
    }
    assert_true(first > 0 && again < first / 10);
}

/* Columns that services use at list prices alone do not fit: then all are in. */
static void test_all_columns_are_in_where_few_have_no_solution(void **state)
{
    (void)state;
    uint32_t again = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(&shapes[1], seed);
        double optimum = relaxed();
        if (!isinf(optimum) && !isinf(settle(optimum))) {
            memset(bed.whole.x, 0, bed.whole.first[4] * sizeof *bed.whole.x);
            memset(bed.prices, 0, sizeof bed.prices);
            (void)sum_of_services(false);
            assert_int_equal(plan_whole_solve(&bed.whole, bed.prices), ERR_OK);
            again += bed.whole.matrix.column_count > bed.whole.first[4];
        }
        end();
    }
    assert_true(again > 0);
}

/* As many columns and rows are basic as there are rows: else the library mends it, and is not dual
 * feasible any more. */
static void check_basis(void)
{
    uint32_t basic = 0, rows = bed.whole.rows.count;
    for (uint32_t i = 0; i < bed.whole.matrix.column_count + rows; i++)
        basic += bed.whole.basis[i] == PLAN_LP_BASIC;
    if (basic != rows)
        fail_msg("%s: %u of %u", bed.world.label, basic, rows);
}

/* Also where a column that is left out is basic in a cut that is in. */
static void test_the_basis_lacks_nothing(void **state)
{
    (void)state;
    uint32_t left_out = 0;
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            begin(&shapes[i], seed);
            for (uint32_t round = 0; round < CUT_ROUNDS && !isinf(sum_of_services(round > 0)) &&
                                     plan_whole_solve(&bed.whole, bed.prices) == ERR_OK;
                 round++) {
                check_basis();
                left_out += bed.whole.matrix.column_count < bed.whole.first[4];
                take_prices();
            }
            end();
        }
    assert_true(left_out > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_optimum_as_in_one_programme),
        cmocka_unit_test(test_it_begins_with_the_services_bases),
        cmocka_unit_test(test_the_basis_lacks_nothing),
        cmocka_unit_test(test_all_columns_are_in_where_few_have_no_solution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
