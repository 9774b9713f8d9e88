/* An _io test since its catalogue and wish are read from text. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "plan/speed.h"
#include "plan/wish_world_test.h"

static struct small_world world;
static struct plan_speed speeds[PLAN_SPEEDS_MAX];

static uint32_t list_for(const char *further)
{
    char yaml[1024];
    snprintf(yaml, sizeof yaml,
             " {services: [{name: c, model: m, demand: 1req/s%s, requests: [{prompt: 1000, "
             "prompt_mean: 550, answer: 100}]}]}\n",
             further);
    assert_int_equal(small_world_read(&world, yaml), ERR_OK);
    return plan_speed_list(world.catalog, &world.wish->services[0],
                           catalog_find_sku(world.catalog, SPAN_LITERAL("gpu4")), speeds);
}

static bool is_near(double a, double b)
{
    return fabs(a - b) <= 1e-6 * (1 + fabs(b));
}

/* By hand: two accelerators an engine: a prompt of 550 takes 225 ms, a step with 8 requests 40 ms,
 * so a slot is held for 100 * 40 + 8 * 225 = 5800 ms, and 2 engines of 8 slots do 16 / 5.8 s. */
static void test_rates_are_those_of_the_formula(void **state)
{
    (void)state;
    assert_int_equal(list_for(", load: 70%"), 2);
    assert_int_equal(speeds[0].tensor_parallel, 2);
    assert_int_equal(speeds[0].engines, 2);
    assert_int_equal(speeds[0].batch, 8);
    assert_true(is_near(speeds[0].rates[0], 16 / 5.8));
    assert_true(is_near(speeds[0].first_ms[0], 400 + 40));
    assert_int_equal(speeds[1].tensor_parallel, 4);
    assert_true(is_near(speeds[1].rates[0], 8 / 3.8));
    assert_true(is_near(speeds[1].first_ms[0], 220 + 28));
    assert_false(speeds[0].is_estimate);
}

static void test_one_way_may_be_asked_for(void **state)
{
    (void)state;
    assert_int_equal(list_for(", tensor_parallel: 4"), 1);
    assert_int_equal(speeds[0].tensor_parallel, 4);
    assert_int_equal(list_for(", tensor_parallel: 3"), 0);
}

/* 40 + 8 * 225 / 100 = 58 ms a token with 8 side by side, 30 + 225 / 100 alone. */
static void test_slow_tokens_make_the_batch_smaller(void **state)
{
    (void)state;
    assert_int_equal(list_for(", slo: {tpot: 57ms}, tensor_parallel: 2"), 1);
    assert_int_equal(speeds[0].batch, 1);
    assert_true(is_near(speeds[0].rates[0], 2 / 3.225));
    assert_int_equal(list_for(", slo: {tpot: 59ms}, tensor_parallel: 2"), 1);
    assert_int_equal(speeds[0].batch, 8);
}

/* With two accelerators an engine the prompts take so long that queueing eats what is faster. */
static void test_a_way_that_is_slower_and_later_is_left_out(void **state)
{
    (void)state;
    assert_int_equal(list_for(""), 1);
    assert_int_equal(speeds[0].tensor_parallel, 4);
}

static void test_what_does_not_fit_the_memory_does_not_exist(void **state)
{
    (void)state;
    assert_int_equal(list_for(", tensor_parallel: 2"), 1);
    struct catalog_model *model = (struct catalog_model *)(uintptr_t)&world.catalog->models[0];
    const struct plan_wish_service *service = &world.wish->services[0];
    uint16_t sku = catalog_find_sku(world.catalog, SPAN_LITERAL("gpu4"));
    model->weights_gib = 140; /* of 2 * 80 * 0.9 = 144: no room for 8 * 650 tokens of 1 MiB */
    assert_int_equal(plan_speed_list(world.catalog, service, sku, speeds), 1);
    assert_int_equal(speeds[0].batch, 1);
    model->weights_gib = 145;
    assert_int_equal(plan_speed_list(world.catalog, service, sku, speeds), 0);
}

static void test_longer_prompts_than_measured_are_not_known(void **state)
{
    (void)state;
    assert_int_equal(small_world_read(&world, " {services: [{name: c, model: m, demand: 1req/s,\n"
                                              "   requests: [{prompt: 1001, answer: 1}]}]}\n"),
                     ERR_OK);
    assert_int_equal(plan_speed_list(world.catalog, &world.wish->services[0],
                                     catalog_find_sku(world.catalog, SPAN_LITERAL("gpu4")), speeds),
                     0);
}

static void test_less_may_wait_means_less_load(void **state)
{
    (void)state;
    assert_int_equal(list_for(", tensor_parallel: 2"), 1);
    const struct plan_wish_service *service = &world.wish->services[0];
    double strict = plan_speed_load(&speeds[0], service, 1, 0.01);
    double loose = plan_speed_load(&speeds[0], service, 1, 0.2);
    assert_true(strict > 0 && strict < loose && loose < 1);
    assert_int_equal(list_for(", load: 42%"), 2);
    assert_true(is_near(plan_speed_load(&speeds[0], &world.wish->services[0], 1, 0.01), 0.42));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates_are_those_of_the_formula),
        cmocka_unit_test(test_one_way_may_be_asked_for),
        cmocka_unit_test(test_slow_tokens_make_the_batch_smaller),
        cmocka_unit_test(test_a_way_that_is_slower_and_later_is_left_out),
        cmocka_unit_test(test_what_does_not_fit_the_memory_does_not_exist),
        cmocka_unit_test(test_longer_prompts_than_measured_are_not_known),
        cmocka_unit_test(test_less_may_wait_means_less_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
