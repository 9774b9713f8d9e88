/* Services that fall apart, and what becomes of their plans. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "plan/parts.h"
#include "plan/world_test.h"

enum { SEEDS = 50 };

static char memory[4 << 20];
static struct world world;

static const struct shape shape = {.name = "parts",
                                   .services = 3,
                                   .regions = 6,
                                   .skus = 2,
                                   .zones = 4,
                                   .classes = 1,
                                   .count_max = 5,
                                   .load = 2,
                                   .has_stock = true,
                                   .has_budget = true,
                                   .has_parts = true};

static struct plan_parts parts_of(struct arena *arena)
{
    struct plan_parts parts;
    char bytes[200];
    struct text why;
    text_init(&why, bytes, sizeof bytes);
    arena_init(arena, memory, sizeof memory);
    assert_true(plan_parts_make(&parts, &world.problem, arena));
    if (plan_problem_check(&parts.problem, &why))
        fail_msg("%s: %s", world.label, bytes);
    return parts;
}

static uint32_t service_of(const struct plan_problem *problem, uint32_t column)
{
    return problem->nodes[problem->columns[column].node].service;
}

static double activity(const struct plan_row *row, const uint32_t *counts)
{
    double sum = 0;
    for (uint32_t i = 0; i < row->term_count; i++)
        sum += row->terms[i].factor * counts[row->terms[i].column];
    return sum;
}

static bool is_near(double a, double b)
{
    return __builtin_fabs(a - b) <= 1e-12 * (__builtin_fabs(a) + __builtin_fabs(b));
}

/* Each node, column and demand is there once, and is what it was. */
static void assert_same(const struct plan_parts *parts)
{
    const struct plan_problem *whole = parts->whole, *own = &parts->problem;
    bool seen[COLUMNS_MAX] = {false};
    for (uint32_t c = 0; c < own->column_count; c++) {
        uint32_t was = parts->columns[c];
        assert_false(seen[was]);
        seen[was] = true;
        assert_int_equal(parts->nodes[own->columns[c].node], whole->columns[was].node);
        assert_int_equal(own->columns[c].speed, whole->columns[was].speed);
        assert_ptr_equal(own->services[service_of(own, c)].name.p,
                         whole->services[service_of(whole, was)].name.p);
    }
    for (uint32_t v = 0; v < own->node_count; v++)
        assert_int_equal(own->nodes[v].region, whole->nodes[parts->nodes[v]].region);
    for (uint32_t d = 0; d < own->demand_count; d++) {
        const struct plan_demand *now = &own->demands[d], *was = &whole->demands[parts->demands[d]];
        assert_int_equal(now->rate, was->rate);
        assert_int_equal(now->node_count, was->node_count);
        for (uint32_t i = 0; i < now->node_count; i++)
            assert_int_equal(parts->nodes[now->nodes[i]], was->nodes[i]);
    }
}

static void test_random_worlds(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct arena arena;
        struct rng rng;
        uint32_t counts[COLUMNS_MAX];
        world_draw(&world, &shape, seed);
        struct plan_parts parts = parts_of(&arena);
        assert_int_equal(parts.problem.service_count, 2 * shape.services);
        assert_same(&parts);
        rng_init(&rng, seed);
        for (uint32_t c = 0; c < world.problem.column_count; c++)
            counts[c] = (uint32_t)rng_below(&rng, 4);
        struct plan_flow flows[DEMANDS_MAX];
        struct plan_answer answer = {.counts = plan_parts_take(&parts, counts, &arena),
                                     .flows = flows};
        for (uint32_t r = 0; r < world.problem.row_count; r++)
            assert_true(is_near(activity(&world.rows[r], counts),
                                activity(&parts.problem.rows[r], answer.counts)));
        for (uint32_t d = parts.problem.demand_count; d-- > 0;)
            flows[answer.flow_count++] =
                (struct plan_flow){d, parts.problem.demands[d].nodes[0], (int64_t)d + 1};
        double cost = plan_answer_cost(&parts.problem, &answer);
        assert_true(plan_parts_join(&parts, &answer, &arena));
        assert_true(is_near(answer.cost_usd_h, cost));
        assert_memory_equal(answer.counts, counts, world.problem.column_count * sizeof *counts);
        assert_int_equal(answer.flow_count, world.problem.demand_count);
        for (uint32_t d = 0; d < world.problem.demand_count; d++) {
            assert_int_equal(answer.flows[d].demand, d); /* in order */
            assert_int_equal(answer.flows[d].node, world.demands[d].nodes[0]);
            assert_int_equal(parts.demands[answer.flows[d].rate - 1], d);
        }
    }
}

static void test_nothing_falls_apart(void **state)
{
    (void)state;
    struct arena arena;
    struct shape together = shape;
    together.has_parts = false;
    world_draw(&world, &together, 1);
    struct plan_parts parts = parts_of(&arena);
    assert_ptr_equal(parts.problem.services, world.services);
    struct plan_answer answer = {.cost_usd_h = 7};
    assert_true(plan_parts_join(&parts, &answer, &arena) && answer.cost_usd_h == 7);
}

/* A rule of one service ties what it speaks of. */
static void test_rules_tie(void **state)
{
    (void)state;
    struct arena arena;
    struct shape one = shape;
    one.services = 1;
    one.has_stock = one.has_budget = false;
    world_draw(&world, &one, 2);
    assert_int_equal(parts_of(&arena).problem.service_count, 2);
    struct plan_row *row = world_add_row(&world, PLAN_RULE_SPOT_SHARE, -PLAN_LP_INFINITY, 0);
    world_add_term(&world, row, 0, 1);
    world_connect(&world);
    assert_int_equal(parts_of(&arena).problem.service_count, 2); /* of one node alone */
    world_add_term(&world, row, world.nodes[1].column_first, -1);
    assert_int_equal(parts_of(&arena).problem.service_count, 1);
}

/* Who has nobody goes with the first part; a service of such alone is one, and so is none at all.
 */
static void test_loners(void **state)
{
    (void)state;
    struct arena arena;
    struct shape two = shape;
    two.services = 2;
    two.has_budget = false;
    two.has_stock = false;
    world_draw(&world, &two, 3);
    world.demands[0].node_count = 0;
    world.demands[2].node_count = 0; /* its nodes have no demand left */
    struct plan_parts parts = parts_of(&arena);
    assert_int_equal(parts.problem.service_count, 3);
    assert_int_equal(parts.problem.services[0].demand_count, two.zones);
    for (uint32_t d = 0; d < world.problem.demand_count; d++)
        world.demands[d].node_count = 0;
    assert_int_equal(parts_of(&arena).problem.service_count, 2);
    world_draw(&world, &two, 3);
    world.services[2] = (struct plan_service){.node_first = world.problem.node_count,
                                              .column_first = world.problem.column_count,
                                              .demand_first = world.problem.demand_count,
                                              .share_ppm = 1,
                                              .share_lost_ppm = 1};
    world.problem.service_count = 3;
    assert_int_equal(parts_of(&arena).problem.service_count, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_worlds),
        cmocka_unit_test(test_nothing_falls_apart),
        cmocka_unit_test(test_rules_tie),
        cmocka_unit_test(test_loners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
