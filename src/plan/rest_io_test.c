/* A tree within what another service leaves: its bound and its plan against all plans there are,
 * one rest after the other in the same tree. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plan/tree.h"
#include "plan/world_test.h"

enum { SEEDS = 12, RESTS = 5, ROUNDS = 3, HALL_ROUNDS = 20, LEAVES = 2000, COUNT_MAX = 3 };

static char memory[64 << 20];

struct bed {
    struct world world;
    struct plan_lp_api lp;
    struct arena arena;
    struct plan_place place;
    struct plan_tree tree; /* of service 0 */
    struct rng rng;
};

static struct bed bed;

static const struct shape shapes[] = {
    {.name = "stock", .has_stock = true, .has_open = true},
    {.name = "budget", .has_budget = true, .has_open = true, .has_egress = true},
    {.name = "rules", .has_stock = true, .has_open = true, .has_spread = true, .has_least = true},
    {.name = "more", .has_stock = true, .has_open = true, .more_max = 2},
    {.name = "carbon", .has_carbon = true, .has_stock = true},
};

static bool never(void *context)
{
    (void)context;
    return false;
}

static void begin_tree(void)
{
    char message[256];
    struct text why;
    text_init(&why, message, sizeof message);
    arena_init(&bed.arena, memory, sizeof memory);
    assert_int_equal(plan_lp_clp_open(&bed.lp, &why), ERR_OK);
    assert_true(plan_place_init(&bed.place, &bed.world.problem, &bed.arena));
    assert_int_equal(plan_tree_begin(&bed.tree, &bed.world.problem, &bed.lp, 0, true, &bed.arena),
                     ERR_OK);
}

static void begin(const struct shape *shape, uint64_t seed)
{
    struct shape own = *shape;
    own.services = 2;
    own.regions = own.zones = 3;
    own.skus = 2;
    own.classes = 1;
    own.count_max = COUNT_MAX;
    own.load = 3;
    own.loses_regions = true;
    memset(&bed, 0, sizeof bed);
    rng_init(&bed.rng, seed);
    world_draw(&bed.world, &own, seed);
    begin_tree();
}

/* The other service takes something, as far as the rules go. */
static void take(void)
{
    const struct plan_service *other = &bed.world.problem.services[1];
    for (uint32_t c = other->column_first; c < other->column_first + other->column_count; c++)
        plan_place_set(&bed.place, c, 0);
    for (uint32_t c = other->column_first; c < other->column_first + other->column_count; c++) {
        uint32_t most = plan_place_most(&bed.place, c);
        plan_place_set(&bed.place, c, (uint32_t)rng_below(&bed.rng, most + 1));
    }
}

static void clear(void)
{
    for (uint32_t c = 0; c < bed.world.problem.services[0].column_count; c++)
        plan_place_set(&bed.place, c, 0);
    bed.place.services[0].is_unplaced = true;
}

static bool keeps_all(void)
{
    for (uint32_t r = 0; r < bed.world.problem.row_count; r++)
        if (plan_place_excess(&bed.place, r) > 0 && plan_place_used(&bed.place, 0, r) != 0)
            return false;
    for (uint32_t v = 0; v < bed.world.problem.services[0].node_count; v++) {
        uint32_t count = bed.place.node_counts[v];
        if (count > 0 && count < bed.world.problem.nodes[v].replicas_min)
            return false;
    }
    return true;
}

/* The least that service 0 costs on what is left. INFINITY: it has no plan. */
static double best_of_all(uint32_t column)
{
    double best = INFINITY;
    if (column == bed.world.problem.services[0].column_count)
        return keeps_all() && plan_place_holds(&bed.place, 0) ? plan_place_reckon(&bed.place, 0)
                                                              : INFINITY;
    for (uint32_t n = 0; n <= bed.world.problem.columns[column].count_max; n++) {
        plan_place_set(&bed.place, column, n);
        double cost = best_of_all(column + 1);
        best = cost < best ? cost : best;
    }
    plan_place_set(&bed.place, column, 0);
    return best;
}

/* With rounding cuts, which are else looked for in large services only. */
static double bound_of_rest(void)
{
    struct plan_relax *relax = &bed.tree.relax;
    plan_tree_restart(&bed.tree, &bed.place);
    plan_tree_price(&bed.tree, NULL);
    double bound = plan_tree_cut_rest(&bed.tree, never, NULL);
    for (uint32_t round = 0; round < ROUNDS && !isinf(bound); round++) {
        (void)plan_relax_round_cuts(relax);
        bound = plan_relax_close(relax, HALL_ROUNDS, 0, never, NULL) ? INFINITY
                                                                     : plan_relax_bound(relax);
    }
    return bound;
}

static void test_bound_and_plan(void **state)
{
    (void)state;
    uint32_t planned = 0, none = 0;
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            begin(&shapes[i], seed);
            for (uint32_t rest = 0; rest < RESTS; rest++) {
                take();
                clear();
                double best = best_of_all(0), bound = bound_of_rest();
                plan_tree_grow(&bed.tree, &bed.place, LEAVES, never, NULL);
                const struct plan_place_service *own = &bed.place.services[0];
                double found = own->is_unplaced ? INFINITY : own->cost_usd_h + own->egress_usd_h;
                if (isinf(best)) {
                    none++;
                    assert_true(isinf(found));
                    continue;
                }
                planned++;
                if (bound > best * (1 + 1e-9) || fabs(found - best) > 1e-9 * best)
                    fail_msg("%s, rest %u: bound %.9g, found %.9g, best of all %.9g",
                             bed.world.label, rest, bound, found, best);
            }
            plan_tree_end(&bed.tree);
        }
    assert_true(planned >= 100 && none > 0);
}

/* Two sites of 10 $/h each, ten replicas of 1 $/h wanted at either of them. */
static void make_two_sites(void)
{
    struct world *world = &bed.world;
    static const struct shape shape = {
        .services = 2, .regions = 2, .skus = 1, .zones = 1, .classes = 1, .has_open = true};
    struct shape own = shape;
    own.count_max = 10;
    own.load = 1;
    for (uint64_t seed = 1; world->problem.node_count < 4; seed++)
        world_draw(world, &own, seed);
    for (uint32_t v = 0; v < 4; v++)
        world->nodes[v].open_usd_h = 10;
    for (uint32_t c = 0; c < 4; c++) {
        world->columns[c].speed = 1000000;
        world->columns[c].cost_usd_h = 1;
    }
    for (uint32_t s = 0; s < 2; s++) {
        world->services[s].share_ppm = world->services[s].share_lost_ppm = 1000000;
        world->demands[s].rate = 10000000;
    }
    for (uint32_t region = 0; region < 2; region++) {
        struct plan_row *row = world_add_row(world, PLAN_RULE_STOCK, -PLAN_LP_INFINITY, 10);
        world_add_term(world, row, region, 1);
        world_add_term(world, row, region + 2, 1);
    }
    world_connect(world);
}

/* Half of each is taken: both have to be opened, and no part of one does; when one is given back,
 * it is enough. */
static void test_what_is_left_opens_a_site(void **state)
{
    (void)state;
    memset(&bed, 0, sizeof bed);
    make_two_sites();
    begin_tree();
    plan_place_set(&bed.place, 2, 5);
    plan_place_set(&bed.place, 3, 5);
    assert_float_equal(bound_of_rest(), 10 + 2 * 10, 1e-6);
    plan_place_set(&bed.place, 2, 0);
    assert_float_equal(bound_of_rest(), 10 + 10, 1e-6);
    plan_place_set(&bed.place, 3, 6);
    plan_place_set(&bed.place, 2, 5);
    assert_true(isinf(bound_of_rest()));
    plan_tree_end(&bed.tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound_and_plan),
        cmocka_unit_test(test_what_is_left_opens_a_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
