/* The best plan of one small service, against all that there are: by enumeration and by the tree.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plan/enumerate.h"
#include "plan/tree.h"
#include "plan/world_test.h"

enum {
    SEEDS = 40,
    ROOM_SEEDS = 16,
    ARENA_BYTES = 160 << 20,
    WORK = 50000000,
    TURNS_MAX = 200,
    LEAVES = 32
};

static const struct shape shapes[] = {
    {.name = "few",
     .services = 1,
     .regions = 4,
     .skus = 2,
     .zones = 3,
     .classes = 1,
     .count_max = 2,
     .load = 2,
     .loses_regions = true,
     .has_open = true},
    {.name = "alike",
     .services = 1,
     .regions = 6,
     .skus = 1,
     .zones = 2,
     .classes = 1,
     .count_max = 3,
     .load = 2,
     .loses_regions = true,
     .has_open = true},
    {.name = "traffic",
     .services = 1,
     .regions = 4,
     .skus = 2,
     .zones = 2,
     .classes = 1,
     .count_max = 2,
     .load = 2,
     .loses_regions = true,
     .has_egress = true},
    {.name = "limits", /* replicas at their limit earn something at prices */
     .services = 1,
     .regions = 4,
     .skus = 3,
     .zones = 2,
     .classes = 1,
     .count_max = 1,
     .load = 1,
     .loses_regions = true,
     .has_open = true},
    {.name = "stock",
     .services = 1,
     .regions = 4,
     .skus = 2,
     .zones = 2,
     .classes = 1,
     .count_max = 3,
     .load = 2,
     .loses_regions = true,
     .has_open = true,
     .has_stock = true},
};

struct bed {
    struct world world;
    struct plan_lp_api lp;
    struct plan_tree tree;
    struct plan_own judge; /* of the same problem */
    struct plan_enumerator *enumerator;
    struct arena arena;
    uint32_t counts[COLUMNS_MAX];
};

static struct bed *new_bed(void)
{
    struct bed *bed = calloc(1, sizeof *bed);
    void *memory = malloc(ARENA_BYTES);
    char bytes[200];
    struct text why;
    text_init(&why, bytes, sizeof bytes);
    CHECK(bed && memory);
    if (plan_lp_clp_open(&bed->lp, &why))
        fail_msg("%s", bytes);
    arena_init(&bed->arena, memory, ARENA_BYTES);
    return bed;
}

static void free_bed(struct bed *bed)
{
    free(bed->arena.base);
    free(bed);
}

/* false: the relaxation has no plan. */
static bool begin_drawn(struct bed *bed)
{
    arena_reset(&bed->arena, 0);
    const struct plan_problem *problem = &bed->world.problem;
    assert_int_equal(plan_tree_begin(&bed->tree, problem, &bed->lp, 0, false, &bed->arena), ERR_OK);
    assert_true(plan_own_init(&bed->judge, problem, problem->columns, 1, &bed->arena));
    uint32_t columns = bed->tree.relax.column_count;
    bed->enumerator = plan_enumerator_new(columns, &bed->arena);
    struct plan_knapsack *knapsack = plan_knapsack_new(problem->node_count, columns, &bed->arena);
    assert_true(bed->enumerator && knapsack);
    assert_true(plan_groups_fit(&bed->tree.part));
    if (plan_tree_cut(&bed->tree, knapsack, NULL, NULL) == ERR_OK)
        return true;
    plan_tree_end(&bed->tree);
    return false;
}

static bool begin(struct bed *bed, const struct shape *shape, uint64_t seed)
{
    world_draw(&bed->world, shape, seed);
    return begin_drawn(bed);
}

static bool keeps_rows(const struct bed *bed)
{
    const struct plan_problem *problem = &bed->world.problem;
    for (uint32_t r = 0; r < problem->row_count; r++)
        if (bed->judge.place.activities[r] > problem->rows[r].upper)
            return false;
    return true;
}

/* All counts of the columns from <column> on. */
static double best_of_all(struct bed *bed, uint32_t column)
{
    double best = INFINITY;
    if (column == bed->world.problem.column_count) {
        double cost = plan_own_try(&bed->judge, bed->counts);
        return keeps_rows(bed) ? cost : INFINITY;
    }
    for (uint32_t n = 0; n <= bed->world.columns[column].count_max; n++) {
        bed->counts[column] = n;
        double cost = best_of_all(bed, column + 1);
        best = cost < best ? cost : best;
    }
    return best;
}

static double enumerate(struct bed *bed, double target, uint64_t work, double *io_best)
{
    assert_int_equal(plan_relax_close(&bed->tree.relax, 0, 0, NULL, NULL), ERR_OK);
    return plan_enumerate(bed->enumerator, &bed->tree.relax, &bed->tree.roots[0], bed->tree.own,
                          target, work, io_best, NULL, NULL);
}

static bool is_near(double a, double b)
{
    return __builtin_fabs(a - b) <= 1e-9 * (__builtin_fabs(a) + __builtin_fabs(b));
}

static void check(struct bed *bed)
{
    double optimum = best_of_all(bed, 0);
    if (isinf(optimum))
        return;
    double best = 1.3 * optimum;
    double bound = enumerate(bed, best, WORK, &best);
    if (!is_near(bound, optimum))
        fail_msg("%s: bound %.9f, optimum %.9f", bed->world.label, bound, optimum);
    assert_true(is_near(best, optimum));
    assert_true(is_near(plan_own_try(&bed->judge, bed->tree.own->place.counts), optimum));
    assert_true(keeps_rows(bed));
    double near = 1.001 * optimum; /* few points are left */
    assert_true(is_near(enumerate(bed, near, WORK, &near), optimum) && is_near(near, optimum));
    double below = optimum * (1 - 1e-4), none = 2 * optimum;
    assert_true(is_near(enumerate(bed, below, WORK, &none), below));
    assert_true(none >= optimum * (1 - 1e-9)); /* whatever it came across */
    double some = 2 * optimum;
    assert_true(isinf(enumerate(bed, 1.3 * optimum, 1, &some)) && some >= optimum * (1 - 1e-9));
}

static void test_best(void **state)
{
    (void)state;
    struct bed *bed = new_bed();
    uint32_t checked = 0;
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            if (!begin(bed, &shapes[i], seed))
                continue;
            check(bed);
            plan_tree_end(&bed->tree);
            checked++;
        }
    assert_true(checked > COUNT_OF(shapes) * SEEDS / 4);
    free_bed(bed);
}

/* Without enumeration: a tree that is done has proven its best plan. */
static void test_tree(void **state)
{
    (void)state;
    struct bed *bed = new_bed();
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            if (!begin(bed, &shapes[i], seed))
                continue;
            double optimum = best_of_all(bed, 0);
            for (uint32_t turn = 0; turn < TURNS_MAX && !bed->tree.is_done; turn++)
                plan_tree_grow(&bed->tree, NULL, LEAVES, NULL, NULL);
            assert_true(bed->tree.is_done);
            if (isfinite(optimum) && __builtin_fabs(bed->tree.bound_usd_h / optimum - 1) > 1e-6)
                fail_msg("%s: bound %.9f, optimum %.9f", bed->world.label, bed->tree.bound_usd_h,
                         optimum);
            plan_tree_end(&bed->tree);
        }
    free_bed(bed);
}

static const struct shape large = {.name = "large",
                                   .services = 1,
                                   .regions = 6,
                                   .skus = 3,
                                   .zones = 4,
                                   .classes = 1,
                                   .count_max = 9,
                                   .load = 12,
                                   .loses_regions = true,
                                   .has_open = true};

static const struct shape wide = {.name = "wide", /* many sets of demands */
                                  .services = 1,
                                  .regions = 8,
                                  .skus = 2,
                                  .zones = 8,
                                  .is_ring = true,
                                  .classes = 1,
                                  .count_max = 4,
                                  .load = 8,
                                  .loses_regions = true,
                                  .has_open = true};

/* INFINITY: the tree did not end. */
static double best_of_tree(struct bed *bed)
{
    for (uint32_t turn = 0; turn < TURNS_MAX && !bed->tree.is_done; turn++)
        plan_tree_grow(&bed->tree, NULL, LEAVES, NULL, NULL);
    return bed->tree.is_done ? bed->tree.best_usd_h : INFINITY;
}

/* However little room there is, no bound is above the best plan; with enough, it is met. */
static void test_room(void **state)
{
    (void)state;
    static const uint64_t works[] = {300000, 1000000, 3000000, 10000000, WORK};
    struct bed *bed = new_bed();
    uint32_t bounded = 0, met = 0, seeds = 0;
    for (uint32_t pass = 0; pass < 4; pass++)
        for (uint64_t seed = 0; seed < ROOM_SEEDS; seed++) {
            struct shape shape = pass < 2 ? large : wide;
            shape.has_egress = pass % 2 == 1;
            if (!begin(bed, &shape, seed))
                continue;
            double optimum = best_of_tree(bed);
            plan_tree_end(&bed->tree);
            for (size_t i = 0; isfinite(optimum) && i < COUNT_OF(works); i++) {
                double best = 1.2 * optimum;
                assert_true(begin(bed, &shape, seed));
                double bound = enumerate(bed, best, works[i], &best);
                plan_tree_end(&bed->tree);
                if (bound > optimum * (1 + 1e-6) || best < optimum * (1 - 1e-6))
                    fail_msg("%s: bound %.9f, best %.9f, optimum %.9f", bed->world.label, bound,
                             best, optimum);
                bounded += bound > 0;
                met += i + 1 == COUNT_OF(works) && bound > optimum * (1 - 1e-6);
            }
            seeds += !isinf(optimum);
        }
    assert_true(seeds > ROOM_SEEDS && bounded > 3 * seeds && met > seeds / 2);
    free_bed(bed);
}

/* Also where the best one comes up in the middle of a dive. */
static void test_dives(void **state)
{
    (void)state;
    struct bed *bed = new_bed();
    uint32_t done = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        if (!begin(bed, &large, seed))
            continue;
        done += !isinf(best_of_tree(bed));
        if (bed->tree.is_done && bed->tree.bound_usd_h < bed->tree.best_usd_h * (1 - 1e-6))
            fail_msg("%s: done at %.9f, bound %.9f", bed->world.label, bed->tree.best_usd_h,
                     bed->tree.bound_usd_h);
        plan_tree_end(&bed->tree);
    }
    assert_true(done > SEEDS / 2);
    free_bed(bed);
}

enum { SITES = 3 };

/* One zone near all sites, which asks for <rate>; each site sells the same <types>. */
static void sell(struct bed *bed, int64_t rate, const struct plan_column sold[][SITES],
                 uint32_t types)
{
    const struct shape shape = {.name = "sold",
                                .services = 1,
                                .regions = SITES,
                                .skus = types,
                                .zones = 1,
                                .classes = 1,
                                .count_max = 2,
                                .load = 1,
                                .loses_regions = true};
    struct world *world = &bed->world;
    for (uint64_t seed = 0;
         world->problem.column_count != SITES * types || world->demands[0].node_count != SITES;
         seed++)
        world_draw(world, &shape, seed);
    world->services[0].share_ppm = world->services[0].share_lost_ppm = 500000;
    world->demands[0].rate = rate;
    for (uint32_t v = 0; v < SITES; v++)
        for (uint32_t t = 0; t < types; t++) {
            uint32_t c = world->nodes[v].column_first + t;
            world->columns[c] = sold[t][v];
            world->columns[c].node = v;
        }
    assert_true(begin_drawn(bed));
}

/* A node's room is rounded down: two of half of what is asked, and half a micro-request more, have
 * a micro-request less than one of all. The cheapest three nodes in real numbers are no plan. */
static void test_rounding(void **state)
{
    (void)state;
    static const struct plan_column sold[][SITES] = {
        {{.cost_usd_h = 1, .count_max = 2, .speed = 1000001},
         {.cost_usd_h = 2, .count_max = 2, .speed = 1000001},
         {.cost_usd_h = 1, .count_max = 1, .speed = 1000001}}};
    struct bed *bed = new_bed();
    sell(bed, 1000001, sold, COUNT_OF(sold));
    assert_true(best_of_all(bed, 0) == 6); /* two of the first, two of the second */
    check(bed);
    plan_tree_end(&bed->tree);
    free_bed(bed);
}

/* What the tree proves without enumeration is what the enumeration finds and proves. */
static void check_by_tree(struct bed *bed)
{
    double optimum = best_of_tree(bed), best = 1.1 * optimum;
    assert_true(isfinite(optimum));
    plan_tree_end(&bed->tree);
    assert_true(begin_drawn(bed));
    assert_true(__builtin_fabs(enumerate(bed, best, WORK, &best) / optimum - 1) <= 1e-6);
    assert_true(__builtin_fabs(best / optimum - 1) <= 1e-6);
    plan_tree_end(&bed->tree);
}

/* Of a type so weak that 5,000 would answer all, no more are looked at than its price allows. */
static void test_weak(void **state)
{
    (void)state;
    static const struct plan_column sold[][SITES] = {
        {{.cost_usd_h = 3, .count_max = 3, .speed = 1000000},
         {.cost_usd_h = 4, .count_max = 3, .speed = 1000000},
         {.cost_usd_h = 5, .count_max = 3, .speed = 1000000}},
        {{.cost_usd_h = 0.02, .count_max = 9000, .speed = 400},
         {.cost_usd_h = 0.02, .count_max = 9000, .speed = 400},
         {.cost_usd_h = 0.02, .count_max = 9000, .speed = 400}}};
    struct bed *bed = new_bed();
    sell(bed, 1000000, sold, COUNT_OF(sold));
    check_by_tree(bed);
    free_bed(bed);
}

/* Below a target that is far above every plan. */
static struct plan_groups *make_groups(struct bed *bed)
{
    struct plan_groups *groups = plan_groups_new(bed->tree.relax.column_count, &bed->arena);
    assert_non_null(groups);
    assert_true(
        plan_groups_make(groups, &bed->tree.relax, &bed->tree.roots[0], 1e6, WORK, NULL, NULL));
    return groups;
}

/* Nodes alike with 51, 101 and 101 ways to run each: the first two have 5,151 together. */
static void test_split(void **state)
{
    (void)state;
    static const struct plan_column sold[][SITES] = {
        {{.cost_usd_h = 1.00, .count_max = 50, .speed = 20100},
         {.cost_usd_h = 1.01, .count_max = 100, .speed = 20000},
         {.cost_usd_h = 1.02, .count_max = 100, .speed = 20200}}};
    struct bed *bed = new_bed();
    sell(bed, 1000000, sold, COUNT_OF(sold));
    const struct plan_groups *groups = make_groups(bed);
    assert_int_equal(groups->group_count, SITES);
    for (uint32_t g = 0; g < SITES; g++)
        assert_int_equal(groups->groups[g].node_count, 1);
    check_by_tree(bed);
    free_bed(bed);
}

/* For each table's set a point does what its nodes do, but none more than is asked near it. Is any
 * node held back? */
static bool check_speeds(struct bed *bed, const struct plan_groups *groups,
                         const struct plan_group *group, const struct plan_point *point)
{
    bool is_held = false;
    for (uint32_t t = 0; t < groups->weighed_count; t++) {
        double sum = 0;
        for (uint32_t i = 0; i < group->node_count; i++) {
            const struct plan_node *node = &bed->world.nodes[group->nodes[i]];
            double speed = 0, useful = group->useful[t];
            for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
                speed += 1e-6 * (double)bed->world.columns[c].speed * bed->counts[c];
            sum += speed < useful ? speed : useful;
            is_held = is_held || (useful > 0 && speed > useful);
        }
        assert_true(is_near(sum, point->speeds[t]));
    }
    return is_held;
}

static void test_speeds(void **state)
{
    (void)state;
    struct bed *bed = new_bed();
    bool is_held = false;
    for (uint64_t seed = 0; seed < 20; seed++) {
        if (!begin(bed, &shapes[1], seed))
            continue;
        const struct plan_groups *groups = make_groups(bed);
        for (uint32_t g = 0; g < groups->group_count; g++) {
            const struct plan_group *group = &groups->groups[g];
            for (uint32_t i = 0; i < group->point_count; i++) {
                const struct plan_point *point = &groups->points[group->point_first + i];
                memset(bed->counts, 0, sizeof bed->counts);
                plan_groups_counts(groups, point, bed->counts);
                is_held = check_speeds(bed, groups, group, point) || is_held;
            }
        }
        plan_tree_end(&bed->tree);
    }
    assert_true(is_held);
    free_bed(bed);
}

/* Each point is what its replicas are. */
static void test_points(void **state)
{
    (void)state;
    struct bed *bed = new_bed();
    uint64_t seed = 0;
    while (!begin(bed, &shapes[1], seed))
        seed++;
    struct plan_groups *groups = make_groups(bed);
    assert_true(groups->group_count < bed->world.problem.node_count); /* some are alike */
    bed->tree.relax.cost[0] -= 100;
    assert_false(plan_groups_make(groups, &bed->tree.relax, &bed->tree.roots[0], 1e6, WORK, NULL,
                                  NULL)); /* it would earn money */
    bed->tree.relax.cost[0] += 100;
    assert_true(
        plan_groups_make(groups, &bed->tree.relax, &bed->tree.roots[0], 1e6, WORK, NULL, NULL));
    for (uint32_t i = 0; i < groups->point_count; i++) {
        const struct plan_point *point = &groups->points[i];
        double speed = 0, cost = 0;
        memset(bed->counts, 0, sizeof bed->counts);
        plan_groups_counts(groups, point, bed->counts);
        for (uint32_t c = 0; c < bed->world.problem.column_count; c++) {
            const struct plan_column *column = &bed->world.columns[c];
            speed += 1e-6 * (double)column->speed * bed->counts[c];
            cost += column->cost_usd_h * bed->counts[c];
            cost += bed->counts[c] > 0 ? bed->world.nodes[column->node].open_usd_h : 0;
        }
        assert_true(speed >= point->speed * (1 - 1e-9)); /* no more than is asked counts */
        assert_true(is_near(cost, point->cost_usd_h));
    }
    plan_tree_end(&bed->tree);
    free_bed(bed);
}

static bool fits(struct shape shape)
{
    static struct world world;
    world_draw(&world, &shape, 3);
    return plan_groups_fit(&world.problem);
}

static void test_fit(void **state)
{
    (void)state;
    struct shape shape = shapes[0];
    assert_true(fits(shape));
    shape.has_stock = true;
    assert_true(fits(shape)); /* of one column each */
    shape.classes = 2;
    assert_false(fits(shape)); /* two nodes of a region are lost together */
    shape = shapes[0];
    shape.loses_providers = true;
    assert_false(fits(shape));
    shape = shapes[0];
    shape.has_soft = true;
    assert_false(fits(shape));
    shape = shapes[0];
    shape.has_moves = true;
    assert_false(fits(shape));
    shape = shapes[0];
    shape.has_budget = true;
    assert_false(fits(shape));
    shape = shapes[0];
    shape.loses_regions = false;
    assert_false(fits(shape));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_best),     cmocka_unit_test(test_tree),
        cmocka_unit_test(test_room),     cmocka_unit_test(test_dives),
        cmocka_unit_test(test_rounding), cmocka_unit_test(test_weak),
        cmocka_unit_test(test_split),    cmocka_unit_test(test_speeds),
        cmocka_unit_test(test_points),   cmocka_unit_test(test_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
