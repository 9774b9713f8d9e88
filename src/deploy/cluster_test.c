#include "deploy/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/check.h"

#define FILE_OF(path, content)                                                                     \
    {                                                                                              \
        SPAN_LITERAL(path), SPAN_LITERAL(content)                                                  \
    }
#define REPLICAS(count) "kind: Deployment\nspec:\n  replicas: " #count "\n  strategy:\n"
#define SET(rows)                                                                                  \
    {                                                                                              \
        .files = (rows), .count = COUNT_OF(rows)                                                   \
    }

static const struct cluster_file before_files[] = {
    FILE_OF("eu/00-setup.yaml", "a"),         FILE_OF("eu/10-network.yaml", "a"),
    FILE_OF("eu/20-gateway.yaml", "a"),       FILE_OF("eu/30-falls.yaml", REPLICAS(5)),
    FILE_OF("eu/30-goes.yaml", REPLICAS(1)),  FILE_OF("eu/30-grows.yaml", REPLICAS(2)),
    FILE_OF("eu/30-stays.yaml", REPLICAS(2)), FILE_OF("us/20-gateway.yaml", "a"),
    FILE_OF("us/30-goes.yaml", REPLICAS(1)),
};
static const struct cluster_file after_files[] = {
    FILE_OF("asia/20-gateway.yaml", "b"),     FILE_OF("asia/30-comes.yaml", REPLICAS(1)),
    FILE_OF("eu/00-setup.yaml", "b"),         FILE_OF("eu/10-network.yaml", "a"),
    FILE_OF("eu/20-gateway.yaml", "b"),       FILE_OF("eu/30-comes.yaml", REPLICAS(1)),
    FILE_OF("eu/30-falls.yaml", REPLICAS(3)), FILE_OF("eu/30-grows.yaml", REPLICAS(10)),
    FILE_OF("eu/30-stays.yaml", REPLICAS(2)), FILE_OF("eu/kustomization.yaml", "b"),
};
static const struct cluster_set before = SET(before_files), after = SET(after_files);

/* ---- rounds -----------------------------------------------------------------------------------
 */

static struct plan_sheet_step steps[] = {
    {0, PLAN_ACTION_START, 0, 2}, {1, PLAN_ACTION_SHIFT, 0, 0}, {2, PLAN_ACTION_STOP, 1, 1},
    {3, PLAN_ACTION_START, 0, 1}, {4, PLAN_ACTION_STOP, 1, 2},
};
static struct plan_sheet_replica replicas[] = {{.count = 3, .running = 0},
                                               {.count = 0, .running = 3}};
static const struct plan_sheet sheet = {
    .replicas = replicas, .replica_count = 2, .steps = steps, .step_count = COUNT_OF(steps)};

static void test_a_round_ends_with_what_stops_and_the_last_is_the_plan(void **state)
{
    char memory[4096];
    struct arena arena;
    struct plan_sheet made;
    (void)state;
    arena_init(&arena, memory, sizeof memory);
    assert_int_equal(cluster_rounds(&sheet), 2);
    assert_int_equal(cluster_round_make(&sheet, 0, &arena, &made), ERR_OK);
    assert_int_equal(made.replicas[0].count, 2);
    assert_int_equal(made.replicas[1].count, 2);
    assert_int_equal(cluster_round_make(&sheet, 1, &arena, &made), ERR_OK);
    assert_int_equal(made.replicas[0].count, 3);
    assert_int_equal(made.replicas[1].count, 0);
    assert_int_equal(replicas[0].count, 3); /* the plan itself is as it was */
}

static void test_a_plan_without_steps_is_one_round(void **state)
{
    struct plan_sheet none = sheet;
    (void)state;
    none.step_count = 0;
    assert_int_equal(cluster_rounds(&none), 1);
}

static void test_rounds_have_a_bound_and_the_rest_is_in_the_last(void **state)
{
    struct plan_sheet_step many[100];
    struct plan_sheet long_one = {.steps = many, .step_count = COUNT_OF(many)};
    (void)state;
    for (uint32_t i = 0; i < COUNT_OF(many); i++)
        many[i] = (struct plan_sheet_step){i, i % 2 ? PLAN_ACTION_STOP : PLAN_ACTION_START, 0, 1};
    assert_int_equal(cluster_rounds(&long_one), CLUSTER_ROUNDS_MAX);
}

/* ---- kinds ------------------------------------------------------------------------------------
 */

static void test_files_are_told_apart_by_what_becomes_of_them(void **state)
{
    static const struct {
        const char *path;
        enum cluster_kind kind;
    } rows[] = {
        {"eu/00-setup.yaml", CLUSTER_NOTHING},   {"eu/kustomization.yaml", CLUSTER_NOTHING},
        {"eu/10-network.yaml", CLUSTER_NOTHING}, {"eu/20-gateway.yaml", CLUSTER_GATEWAY},
        {"eu/30-comes.yaml", CLUSTER_GROW},      {"eu/30-grows.yaml", CLUSTER_GROW},
        {"eu/30-falls.yaml", CLUSTER_SHRINK},    {"eu/30-goes.yaml", CLUSTER_SHRINK},
        {"eu/30-stays.yaml", CLUSTER_NOTHING},   {"us/20-gateway.yaml", CLUSTER_SHRINK},
        {"asia/30-comes.yaml", CLUSTER_GROW},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(cluster_kind_of(&before, &after, span_of(rows[i].path)), rows[i].kind);
}

static void test_a_whole_set_applies_what_is_the_same_too(void **state)
{
    struct cluster_set whole = after;
    (void)state;
    whole.is_whole = true;
    assert_int_equal(cluster_kind_of(&before, &whole, SPAN_LITERAL("eu/30-stays.yaml")),
                     CLUSTER_GROW);
    assert_int_equal(cluster_kind_of(&before, &whole, SPAN_LITERAL("eu/00-setup.yaml")),
                     CLUSTER_NOTHING);
}

static void test_a_file_names_its_deployment(void **state)
{
    (void)state;
    assert_true(span_is(cluster_deployment(SPAN_LITERAL("eu/30-chat-x.yaml")), "chat-x"));
    assert_true(span_is(cluster_deployment(SPAN_LITERAL("eu/20-gateway.yaml")), "farspan-gateway"));
    assert_int_equal(cluster_deployment(SPAN_LITERAL("eu/10-network.yaml")).n, 0);
    assert_int_equal(cluster_deployment(SPAN_LITERAL("eu/30-.yaml")).n, 0);
}

/* ---- the list ---------------------------------------------------------------------------------
 */

static void test_what_is_new_is_there_and_known_before_what_is_old_goes(void **state)
{
    static const struct {
        enum cluster_kind kind;
        const char *region;
    } rows[] = {{CLUSTER_GROW, "eu"},      {CLUSTER_GROW, "asia"}, {CLUSTER_GATEWAY, "eu"},
                {CLUSTER_GATEWAY, "asia"}, {CLUSTER_SHRINK, "eu"}, {CLUSTER_SHRINK, "us"}};
    static struct cluster_list list;
    struct cluster_set sets[] = {before, after};
    (void)state;
    assert_int_equal(cluster_list_make(sets, 1, &list), ERR_OK);
    assert_int_equal(list.rollout.worker_count, COUNT_OF(rows));
    assert_int_equal(list.rollout.batch_count, 3);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(list.items[i].kind, rows[i].kind);
        assert_int_equal(list.items[i].round, 1);
        assert_true(span_is(list.items[i].region, rows[i].region));
    }
    assert_true(list.rollout.batches[1].is_start);
    assert_false(list.rollout.batches[2].is_start);
}

static void test_the_same_set_again_is_no_change(void **state)
{
    static struct cluster_list list;
    struct cluster_set sets[] = {after, after, after};
    (void)state;
    assert_int_equal(cluster_list_make(sets, 2, &list), ERR_OK);
    assert_int_equal(list.rollout.batch_count, 0);
}

static void test_too_many_regions_are_refused(void **state)
{
    enum { REGIONS = 2 * LIMIT_REGIONS + 1 };
    static char paths[REGIONS][32];
    static struct cluster_file files[REGIONS];
    static struct cluster_list list;
    (void)state;
    for (int i = 0; i < REGIONS; i++) {
        snprintf(paths[i], sizeof paths[i], "region-%d/30-a.yaml", i);
        files[i] = (struct cluster_file){span_of(paths[i]), SPAN_LITERAL(REPLICAS(1))};
    }
    struct cluster_set sets[] = {{0}, SET(files)};
    assert_int_equal(cluster_list_make(sets, 1, &list), ERR_FULL);
    sets[1].count = LIMIT_REGIONS;
    assert_int_equal(cluster_list_make(sets, 1, &list), ERR_OK);
    assert_int_equal(list.rollout.worker_count, LIMIT_REGIONS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_round_ends_with_what_stops_and_the_last_is_the_plan),
        cmocka_unit_test(test_a_plan_without_steps_is_one_round),
        cmocka_unit_test(test_rounds_have_a_bound_and_the_rest_is_in_the_last),
        cmocka_unit_test(test_files_are_told_apart_by_what_becomes_of_them),
        cmocka_unit_test(test_a_whole_set_applies_what_is_the_same_too),
        cmocka_unit_test(test_a_file_names_its_deployment),
        cmocka_unit_test(test_what_is_new_is_there_and_known_before_what_is_old_goes),
        cmocka_unit_test(test_the_same_set_again_is_no_change),
        cmocka_unit_test(test_too_many_regions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
