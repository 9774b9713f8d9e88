#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rng.h"
#include "route/health.h"

enum { SECOND_US = 1000 * 1000, FOUR = 4 };

static struct route_health health;
static const int64_t no_latency[LIMIT_TARGETS];

static void fail_in_a_row(unsigned target, int64_t now_us)
{
    for (int i = 0; i < ROUTE_HEALTH_EJECT_RUN; i++)
        route_health_note(&health, target, false, now_us);
}

static bool is_ejected(unsigned target, int64_t now_us)
{
    return route_health_is_ejected(&health, target, now_us);
}

static void failures_in_a_row_eject_for_a_rest(void **state)
{
    (void)state;
    route_health_init(&health, FOUR, NULL);
    for (int i = 0; i < ROUTE_HEALTH_EJECT_RUN - 1; i++)
        route_health_note(&health, 2, false, 0);
    assert_false(is_ejected(2, 0));
    route_health_note(&health, 2, true, 0);
    route_health_note(&health, 2, false, 0);
    assert_false(is_ejected(2, 0));
    fail_in_a_row(2, 0);
    assert_true(is_ejected(2, ROUTE_HEALTH_REST_US - 1));
    assert_false(is_ejected(2, ROUTE_HEALTH_REST_US));
    assert_false(is_ejected(1, 0));
}

static void half_of_a_group_always_stays(void **state)
{
    (void)state;
    route_health_init(&health, FOUR, NULL);
    for (unsigned target = 0; target < FOUR; target++)
        fail_in_a_row(target, 0);
    assert_true(is_ejected(0, 0) && is_ejected(1, 0));
    assert_false(is_ejected(2, 0) || is_ejected(3, 0));

    const uint16_t groups[] = {0, 1, 1, ROUTE_HEALTH_ALONE};
    route_health_init(&health, FOUR, groups);
    for (unsigned target = 0; target < FOUR; target++)
        fail_in_a_row(target, 0);
    assert_false(is_ejected(0, 0) || is_ejected(3, 0)); /* one alone is never ejected */
    assert_true(is_ejected(1, 0));
    assert_false(is_ejected(2, 0));
}

static void rests_grow_and_good_behaviour_shortens_them_again(void **state)
{
    (void)state;
    route_health_init(&health, FOUR, NULL);
    int64_t now_us = 0;
    for (int i = 0; i < 3; i++) {
        fail_in_a_row(0, now_us);
        route_health_judge(&health, no_latency, now_us + ROUTE_HEALTH_PERIOD_US);
        int64_t rest_us = ROUTE_HEALTH_REST_US << i;
        assert_true(is_ejected(0, now_us + rest_us - 1));
        now_us += rest_us;
        assert_false(is_ejected(0, now_us));
    }
    for (int i = 0; i < 3; i++) {
        now_us += ROUTE_HEALTH_FORGIVE_US;
        route_health_judge(&health, no_latency, now_us);
    }
    fail_in_a_row(0, now_us);
    assert_false(is_ejected(0, now_us + ROUTE_HEALTH_REST_US));
    for (int i = 0; i < 10; i++) {
        now_us += ROUTE_HEALTH_REST_MAX_US;
        fail_in_a_row(0, now_us);
    }
    assert_true(is_ejected(0, now_us + ROUTE_HEALTH_REST_MAX_US - 1));
    assert_false(is_ejected(0, now_us + ROUTE_HEALTH_REST_MAX_US));
}

static void half_failures_of_a_period_eject_even_when_mixed(void **state)
{
    (void)state;
    route_health_init(&health, FOUR, NULL);
    for (int i = 0; i < ROUTE_HEALTH_PERIOD_ANSWERS; i++) {
        route_health_note(&health, 0, i % 2, 0);
        route_health_note(&health, 1, i % 3 > 0, 0);
    }
    route_health_judge(&health, no_latency, ROUTE_HEALTH_PERIOD_US - 1);
    assert_false(is_ejected(0, ROUTE_HEALTH_PERIOD_US - 1));
    route_health_judge(&health, no_latency, ROUTE_HEALTH_PERIOD_US);
    assert_true(is_ejected(0, ROUTE_HEALTH_PERIOD_US));
    assert_false(is_ejected(1, ROUTE_HEALTH_PERIOD_US));
    assert_int_equal(health.targets[1].bad, 0);
}

static void too_few_answers_say_nothing(void **state)
{
    (void)state;
    route_health_init(&health, FOUR, NULL);
    for (int i = 0; i < 4; i++)
        route_health_note(&health, 0, false, 0);
    route_health_judge(&health, no_latency, SECOND_US);
    assert_false(is_ejected(0, SECOND_US));
}

static void one_far_slower_than_its_peers_is_ejected(void **state)
{
    (void)state;
    route_health_init(&health, FOUR, NULL);
    int64_t ewma_us[FOUR] = {100000, 110000, 120000, 900000};
    route_health_judge(&health, ewma_us, SECOND_US);
    assert_true(is_ejected(3, SECOND_US));
    assert_false(is_ejected(0, SECOND_US) || is_ejected(1, SECOND_US) || is_ejected(2, SECOND_US));
}

static void slowness_needs_peers_a_factor_and_a_distance(void **state)
{
    (void)state;
    const int64_t quick_us[FOUR] = {1000, 1000, 1000, 100000}; /* 100 times, but nobody minds */
    route_health_init(&health, FOUR, NULL);
    route_health_judge(&health, quick_us, SECOND_US);
    assert_false(is_ejected(3, SECOND_US));

    const int64_t near_us[FOUR] = {1000000, 1000000, 1000000, 2900000}; /* less than 3 times */
    route_health_judge(&health, near_us, 2 * SECOND_US);
    assert_false(is_ejected(3, 2 * SECOND_US));

    const int64_t pair_us[FOUR] = {100000, 0, 0, 9000000}; /* no median of one peer */
    route_health_judge(&health, pair_us, 3 * SECOND_US);
    assert_false(is_ejected(3, 3 * SECOND_US));
}

static void regions_are_not_compared_by_latency(void **state)
{
    (void)state;
    const uint16_t groups[FOUR] = {ROUTE_HEALTH_ALONE, ROUTE_HEALTH_ALONE, ROUTE_HEALTH_ALONE,
                                   ROUTE_HEALTH_ALONE};
    const int64_t ewma_us[FOUR] = {100000, 110000, 120000, 9000000};
    route_health_init(&health, FOUR, groups);
    route_health_judge(&health, ewma_us, SECOND_US);
    assert_false(is_ejected(3, SECOND_US));
}

static void cooling_keeps_to_its_bounds_and_is_no_failure(void **state)
{
    (void)state;
    route_health_init(&health, FOUR, NULL);
    for (int i = 0; i < 100; i++)
        route_health_cool(&health, 0, 0, 0);
    assert_false(is_ejected(0, 0));
    assert_true(route_health_is_cooling(&health, 0, SECOND_US - 1));
    assert_false(route_health_is_cooling(&health, 0, SECOND_US));
    route_health_cool(&health, 1, INT64_C(3600) * SECOND_US, 0);
    assert_true(route_health_is_cooling(&health, 1, 60 * INT64_C(1000000) - 1));
    assert_false(route_health_is_cooling(&health, 1, 60 * INT64_C(1000000)));
    route_health_cool(&health, 1, 0, 0); /* a shorter wish does not take the longer one back */
    assert_true(route_health_is_cooling(&health, 1, 30 * INT64_C(1000000)));
}

static void probes_take_three_to_fall_and_two_to_rise(void **state)
{
    (void)state;
    route_health_init(&health, FOUR, NULL);
    const bool answers[] = {false, false, true, false, false, false, true, false, true, true};
    const bool up_after[] = {true, true, true, true, true, false, false, false, false, true};
    for (unsigned i = 0; i < sizeof answers; i++) {
        route_health_probe(&health, 1, answers[i]);
        assert_int_equal(route_health_is_up(&health, 1), up_after[i]);
    }
}

static void whatever_happens_half_of_each_group_stays(void **state)
{
    (void)state;
    enum { COUNT = 9, GROUPS = 3 };
    uint16_t groups[COUNT];
    int64_t ewma_us[LIMIT_TARGETS] = {0};
    for (unsigned i = 0; i < COUNT; i++)
        groups[i] = i % 2 ? 1 : i % GROUPS ? 2 : ROUTE_HEALTH_ALONE;
    route_health_init(&health, COUNT, groups);
    struct rng rng;
    rng_init(&rng, 4);
    int64_t now_us = 0;
    for (int step = 0; step < 50000; step++) {
        now_us += (int64_t)rng_below(&rng, SECOND_US / 5);
        unsigned target = (unsigned)rng_below(&rng, COUNT);
        route_health_note(&health, target, rng_below(&rng, 4) == 0, now_us);
        ewma_us[target] = (int64_t)rng_below(&rng, 10 * SECOND_US);
        route_health_judge(&health, ewma_us, now_us);
        for (unsigned i = 0; i < COUNT; i++) {
            unsigned size = 0, ejected = 0;
            for (unsigned j = 0; j < COUNT; j++) {
                size += groups[j] == groups[i];
                ejected += groups[j] == groups[i] && is_ejected(j, now_us);
            }
            assert_true(2 * ejected <= size);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_in_a_row_eject_for_a_rest),
        cmocka_unit_test(half_of_a_group_always_stays),
        cmocka_unit_test(rests_grow_and_good_behaviour_shortens_them_again),
        cmocka_unit_test(half_failures_of_a_period_eject_even_when_mixed),
        cmocka_unit_test(too_few_answers_say_nothing),
        cmocka_unit_test(one_far_slower_than_its_peers_is_ejected),
        cmocka_unit_test(slowness_needs_peers_a_factor_and_a_distance),
        cmocka_unit_test(regions_are_not_compared_by_latency),
        cmocka_unit_test(cooling_keeps_to_its_bounds_and_is_no_failure),
        cmocka_unit_test(probes_take_three_to_fall_and_two_to_rise),
        cmocka_unit_test(whatever_happens_half_of_each_group_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
