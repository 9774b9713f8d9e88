/* What refilling and shifting leave is compared with all ways to fill one node. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plan/place.h"
#include "plan/world_test.h"

enum { SEEDS = 60, CALLS_MAX = 20 };

static char memory[1 << 24];

struct bed {
    struct world world;
    struct plan_place place;
};

static const struct shape shapes[] = {
    {.name = "plain", .regions = 4, .zones = 3, .loses_regions = true},
    {.name = "open", .regions = 4, .zones = 3, .loses_regions = true, .has_open = true},
    {.name = "ring", .regions = 5, .zones = 5, .loses_regions = true, .is_ring = true},
    {.name = "one", .regions = 1, .zones = 1},
    {.name = "stock", .regions = 4, .zones = 3, .loses_regions = true, .has_stock = true},
    {.name = "egress", .regions = 4, .zones = 3, .loses_regions = true, .has_egress = true},
    {.name = "rules",
     .regions = 4,
     .zones = 3,
     .loses_regions = true,
     .has_budget = true,
     .has_spread = true,
     .has_spot = true,
     .has_least = true,
     .has_egress = true,
     .more_max = 2},
    {.name = "moves", .regions = 4, .zones = 3, .loses_regions = true, .has_moves = true},
    {.name = "pins", .regions = 4, .zones = 3, .loses_regions = true, .has_pins = true},
};

/* Do the shapes up to here have nothing but what a node costs? */
enum { EXACT = 4 };

/* A plan that <noise> made, not refilled; false: there is none. */
static bool begin(struct bed *bed, const struct shape *shape, uint64_t seed)
{
    static struct arena arena;
    struct shape own = *shape;
    own.services = own.classes = 1;
    own.skus = 3;
    own.count_max = 5;
    own.load = 8;
    arena_init(&arena, memory, sizeof memory);
    world_draw(&bed->world, &own, seed);
    assert_true(plan_place_init(&bed->place, &bed->world.problem, &arena));
    rng_init(&bed->place.rng, seed);
    return plan_place_repair(&bed->place, 0, 0.8);
}

static void check_plan(struct bed *bed)
{
    const struct plan_problem *problem = &bed->world.problem;
    assert_true(plan_place_holds(&bed->place, 0));
    for (uint32_t c = 0; c < problem->column_count; c++) {
        assert_true(plan_place_keeps_rules(&bed->place, c));
        assert_in_range(bed->place.counts[c], problem->columns[c].count_min,
                        problem->columns[c].count_max);
    }
}

/* The least that a plan costs with column <c> and those behind it in <node> as cheap as can be. */
static double best_fill(struct bed *bed, uint32_t node, uint32_t c)
{
    const struct plan_node *own = &bed->world.nodes[node];
    if (c == own->column_first + own->column_count) {
        for (uint32_t i = own->column_first; i < c; i++)
            if (!plan_place_keeps_rules(&bed->place, i))
                return INFINITY;
        return plan_place_holds(&bed->place, 0) ? plan_place_reckon(&bed->place, 0) : INFINITY;
    }
    double best = INFINITY;
    uint32_t before = bed->place.counts[c];
    for (uint32_t n = 0; n <= bed->world.columns[c].count_max; n++) {
        plan_place_set(&bed->place, c, n);
        double cost = best_fill(bed, node, c + 1);
        best = cost < best ? cost : best;
    }
    plan_place_set(&bed->place, c, before);
    return best;
}

static double best_refill(struct bed *bed)
{
    double best = INFINITY;
    for (uint32_t v = 0; v < bed->world.problem.node_count; v++) {
        double cost = bed->place.speeds[v] > 0 ? best_fill(bed, v, bed->world.nodes[v].column_first)
                                               : INFINITY;
        best = cost < best ? cost : best;
    }
    return best;
}

/* With a replica of any open node more or less, and one other node filled anew. */
static double best_shift(struct bed *bed)
{
    double best = INFINITY;
    for (uint32_t c = 0; c < bed->world.problem.column_count; c++) {
        uint32_t count = bed->place.counts[c], node = bed->world.columns[c].node;
        bool is_open = bed->place.speeds[node] > 0;
        for (uint32_t n = count > 0 ? count - 1 : 0; is_open && n <= count + 1; n++) {
            if (n == count || n > bed->world.columns[c].count_max)
                continue;
            plan_place_set(&bed->place, c, n);
            for (uint32_t v = 0; v < bed->world.problem.node_count; v++)
                if (v != node && bed->place.speeds[v] > 0) {
                    double cost = best_fill(bed, v, bed->world.nodes[v].column_first);
                    best = cost < best ? cost : best;
                }
            plan_place_set(&bed->place, c, count);
        }
    }
    return best;
}

static void run(void (*step)(struct plan_place *, uint32_t), double (*best_of)(struct bed *))
{
    static struct bed bed;
    uint32_t checked = 0, better = 0;
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            if (!begin(&bed, &shapes[i], seed))
                continue;
            double first = plan_place_reckon(&bed.place, 0), before = INFINITY, cost = first;
            for (uint32_t call = 0; call < CALLS_MAX && cost < before; call++) {
                before = cost;
                step(&bed.place, 0);
                check_plan(&bed);
                double noted = bed.place.services[0].egress_usd_h;
                cost = plan_place_reckon(&bed.place, 0);
                assert_true(cost <= before * (1 + 1e-9));
                assert_true(bed.place.services[0].egress_usd_h == noted);
            }
            double best = i < EXACT ? best_of(&bed) : cost;
            if (best < cost * (1 - 1e-6))
                fail_msg("%s: %.9f, but %.9f can be had", bed.world.label, cost, best);
            checked++;
            better += cost < first;
        }
    assert_true(checked > COUNT_OF(shapes) * SEEDS / 2 && better > checked / 4);
}

static void test_no_node_can_be_filled_for_less(void **state)
{
    (void)state;
    run(plan_place_refill, best_refill);
}

static void test_no_two_nodes_can_be_run_for_less(void **state)
{
    (void)state;
    run(plan_place_shift, best_shift);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_node_can_be_filled_for_less),
        cmocka_unit_test(test_no_two_nodes_can_be_run_for_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
