/* The library's part of a relaxation beside all of it: the same optimum, after other prices, other
 * bounds, cuts and limits of a rest, and a basis of all that is nearly optimal. It is an _io test
 * because the LP library is opened. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plan/tree.h"
#include "plan/world_test.h"

enum { SEEDS = 30, STEPS = 24, ITERATIONS_MAX = 100000 };

static char memory[64 << 20];

struct bed {
    struct world world;
    struct plan_lp_api lp;
    struct arena arena;
    struct rng rng;
    uint32_t solved, infeasible, left_out; /* programmes: of all columns, without some of them */
};

static struct bed bed;

static const struct shape shapes[] = {
    {.name = "open", .has_open = true, .has_egress = true},
    {.name = "stock", .has_stock = true, .has_open = true, .load = 6},
    {.name = "free", .has_egress = true},
    {.name = "rules", .has_stock = true, .has_open = true, .has_spread = true, .has_least = true},
    {.name = "soft", .has_stock = true, .has_soft = true, .load = 6},
    {.name = "moves", .has_stock = true, .has_moves = true, .has_pins = true, .has_open = true},
    {.name = "least", .has_open = true, .has_stock = true, .more_max = 2},
};

static void begin(const struct shape *shape, uint64_t seed)
{
    struct shape own = *shape;
    char message[256];
    struct text why;
    own.services = 1;
    own.regions = 8;
    own.zones = 6;
    own.skus = 3;
    own.classes = 2;
    own.count_max = 6;
    own.load = own.load > 0 ? own.load : 3;
    own.loses_regions = true;
    text_init(&why, message, sizeof message);
    arena_init(&bed.arena, memory, sizeof memory);
    rng_init(&bed.rng, seed);
    assert_int_equal(plan_lp_clp_open(&bed.lp, &why), ERR_OK);
    world_draw(&bed.world, &own, seed);
}

static struct plan_lp *all_of(const struct plan_relax *relax)
{
    static const int32_t starts[4096];
    struct plan_lp_matrix empty = {.column_count = relax->column_count,
                                   .starts = starts,
                                   .indices = starts,
                                   .values = relax->rows.values,
                                   .lower = relax->lower,
                                   .upper = relax->upper,
                                   .cost = relax->cost,
                                   .row_lower = relax->rows.lower,
                                   .row_upper = relax->rows.upper};
    struct plan_lp *lp = bed.lp.create(&empty);
    assert_non_null(lp);
    bed.lp.add_rows(lp, &relax->rows);
    return lp;
}

static void check_solution(const struct plan_relax *relax)
{
    const struct plan_lp_rows *rows = &relax->rows;
    const double *x = relax->solution.x;
    for (uint32_t c = 0; c < relax->column_count; c++)
        assert_true(x[c] >= relax->lower[c] - 1e-6 && x[c] <= relax->upper[c] + 1e-6);
    for (uint32_t r = 0; r < rows->count; r++) {
        double value = 0, size = 1;
        for (int32_t i = rows->starts[r]; i < rows->starts[r + 1]; i++) {
            value += rows->values[i] * x[rows->columns[i]];
            size += fabs(rows->values[i] * x[rows->columns[i]]);
        }
        if (value < rows->lower[r] - 1e-5 * size || value > rows->upper[r] + 1e-5 * size)
            fail_msg("%s, row %u: %.9g", bed.world.label, r, value);
    }
}

/* One solution of the part, beside one of all. */
static void check(struct plan_relax *relax)
{
    struct plan_lp_solution all;
    enum err err = plan_relax_close(relax, 0, 0, NULL, NULL);
    struct plan_lp *lp = all_of(relax);
    bed.lp.solve(lp, ITERATIONS_MAX, &all);
    bool has_none = all.status == PLAN_LP_INFEASIBLE;
    assert_true(has_none || all.status == PLAN_LP_OPTIMAL);
    assert_int_equal(err, has_none ? ERR_VALUE : ERR_OK);
    double optimum = has_none ? 0 : all.objective, within = 1e-6 * (1 + fabs(optimum));
    bed.lp.destroy(lp);
    bed.infeasible += has_none;
    if (has_none)
        return;
    bed.solved++;
    bed.left_out += relax->sieve.column_count < relax->column_count;
    check_solution(relax);
    double bound = plan_relax_bound(relax);
    if (fabs(relax->solution.objective - optimum) > within || bound > optimum + within ||
        bound < optimum - within)
        fail_msg("%s: %.9g, bound %.9g, of all columns %.9g", bed.world.label,
                 relax->solution.objective, bound, optimum);
}

/* As in a leaf: bounds of some replicas and of some y. */
static void branch(struct plan_relax *relax)
{
    memcpy(relax->upper, relax->limits, bed.world.problem.column_count * sizeof *relax->upper);
    for (uint32_t c = 0; c < relax->first_load; c++) {
        double most = c < relax->first_open ? relax->limits[c] : 1;
        bool is_closed = rng_below(&bed.rng, 12) == 0, is_asked = rng_below(&bed.rng, 40) == 0;
        relax->upper[c] = is_closed ? floor(most / 2) : most;
        relax->lower[c] = is_asked && relax->upper[c] >= 1 ? 1 : 0;
    }
}

static void set_prices(struct plan_tree *tree, double *prices)
{
    const struct plan_problem *problem = &bed.world.problem;
    for (uint32_t r = 0; r < problem->row_count; r++) {
        bool is_limit = problem->rows[r].upper < PLAN_LP_INFINITY;
        prices[r] = is_limit ? -rng_unit(&bed.rng) : 0;
    }
    plan_tree_price(tree, prices);
}

static void test_the_same_optimum_as_with_all_columns(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct plan_tree tree;
            double prices[ROWS_MAX];
            begin(&shapes[i], seed);
            assert_int_equal(
                plan_tree_begin(&tree, &bed.world.problem, &bed.lp, 0, false, &bed.arena), ERR_OK);
            for (uint32_t step = 0; step < STEPS; step++) {
                struct plan_closing closing = {.rounds_cuts = step % 2 == 1};
                if (step % 8 == 0)
                    set_prices(&tree, prices);
                if (step % 3 == 0)
                    branch(&tree.relax);
                check(&tree.relax);
                if (step % 4 == 0 && plan_tree_close(&tree, &closing, NULL, NULL) == ERR_OK)
                    check(&tree.relax);
            }
            plan_tree_end(&tree);
        }
    assert_true(bed.solved >= 2000 && bed.infeasible >= 100);
    assert_true(bed.left_out > bed.solved / 2);
}

/* Limits of a rest come and go, and rows (3) of them. */
static void test_the_same_optimum_of_a_rest(void **state)
{
    (void)state;
    memset(&bed, 0, sizeof bed);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct plan_tree tree;
        double most[COLUMNS_MAX];
        begin(&shapes[1], seed);
        const struct plan_problem *problem = &bed.world.problem;
        assert_int_equal(plan_tree_begin(&tree, problem, &bed.lp, 0, true, &bed.arena), ERR_OK);
        for (uint32_t step = 0; step < STEPS; step++) {
            for (uint32_t c = 0; c < problem->column_count; c++)
                most[c] = (double)rng_below(&bed.rng, 2 + (uint32_t)tree.relax.upper_first[c]);
            for (uint32_t c = 0; c < problem->column_count; c++)
                most[c] = fmin(most[c], tree.relax.upper_first[c]);
            if (step % 4 == 0)
                plan_relax_limit(&tree.relax, most);
            if (step % 4 == 2)
                plan_relax_rule(&tree.relax, (uint32_t)rng_below(&bed.rng, tree.part.row_count),
                                -PLAN_LP_INFINITY, (double)rng_below(&bed.rng, 4));
            branch(&tree.relax);
            check(&tree.relax);
        }
        plan_tree_end(&tree);
    }
    assert_true(bed.solved >= 100 && bed.infeasible >= 10);
    assert_true(bed.left_out > bed.solved / 2);
}

/* It is one: as many are basic as there are rows; and the optimum is a few pivots away. */
static void test_the_basis_of_all(void **state)
{
    (void)state;
    uint64_t pivots = 0, size = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct plan_tree tree;
        struct plan_closing closing = {.rounds_cuts = true};
        struct plan_lp_solution all;
        static uint8_t basis[8192];
        begin(&shapes[0], seed);
        assert_int_equal(plan_tree_begin(&tree, &bed.world.problem, &bed.lp, 0, false, &bed.arena),
                         ERR_OK);
        if (plan_tree_close(&tree, &closing, NULL, NULL) == ERR_OK) {
            uint32_t count = tree.relax.column_count + tree.relax.rows.count, basic = 0;
            assert_true(count <= COUNT_OF(basis));
            plan_sieve_basis(&tree.relax, basis, basis + tree.relax.column_count);
            for (uint32_t i = 0; i < count; i++)
                basic += basis[i] == PLAN_LP_BASIC;
            assert_int_equal(basic, tree.relax.rows.count);
            struct plan_lp *lp = all_of(&tree.relax);
            bed.lp.set_basis(lp, basis, basis + tree.relax.column_count);
            bed.lp.solve(lp, ITERATIONS_MAX, &all);
            pivots += all.iterations;
            size += tree.relax.rows.count;
            bed.lp.destroy(lp);
        }
        plan_tree_end(&tree);
    }
    assert_true(size > 1000 && pivots < size / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_optimum_as_with_all_columns),
        cmocka_unit_test(test_the_same_optimum_of_a_rest),
        cmocka_unit_test(test_the_basis_of_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
