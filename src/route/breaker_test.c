#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "route/breaker.h"

enum { SECOND_US = 1000 * 1000 };

static const struct route_breaker_rules rules = {
    .trip_count = 3, .heal_count = 2, .rest_us = 1 * SECOND_US, .rest_max_us = 3 * SECOND_US};

static uint32_t admit(struct route_breaker *breaker, int64_t now_us)
{
    uint32_t term = 0;
    assert_true(route_breaker_is_ready(breaker, now_us));
    assert_true(route_breaker_admit(breaker, now_us, &term));
    return term;
}

static void assert_refuses(struct route_breaker *breaker, int64_t now_us)
{
    uint32_t term;
    assert_false(route_breaker_is_ready(breaker, now_us));
    assert_false(route_breaker_admit(breaker, now_us, &term));
}

static void request(struct route_breaker *breaker, enum route_breaker_outcome outcome,
                    int64_t now_us)
{
    route_breaker_note(breaker, admit(breaker, now_us), outcome, now_us);
}

static struct route_breaker fresh(void)
{
    struct route_breaker breaker;
    route_breaker_init(&breaker, &rules);
    return breaker;
}

static struct route_breaker tripped_at(int64_t now_us)
{
    struct route_breaker breaker = fresh();
    for (uint32_t i = 0; i < rules.trip_count; i++)
        request(&breaker, ROUTE_BREAKER_BAD, now_us);
    assert_int_equal(breaker.state, ROUTE_BREAKER_OPEN);
    return breaker;
}

static void only_failures_in_a_row_open_it(void **state)
{
    (void)state;
    struct route_breaker breaker = fresh();
    for (int i = 0; i < 10; i++) {
        request(&breaker, ROUTE_BREAKER_BAD, 0);
        request(&breaker, ROUTE_BREAKER_BAD, 0);
        request(&breaker, ROUTE_BREAKER_GOOD, 0);
    }
    assert_int_equal(breaker.state, ROUTE_BREAKER_CLOSED);
}

static void nothing_passes_before_the_rest_is_over_and_one_after(void **state)
{
    (void)state;
    struct route_breaker breaker = tripped_at(0);
    assert_refuses(&breaker, 1 * SECOND_US - 1);
    uint32_t term = admit(&breaker, 1 * SECOND_US);
    assert_refuses(&breaker, 1 * SECOND_US);
    assert_refuses(&breaker, 100 * SECOND_US);
    route_breaker_note(&breaker, term, ROUTE_BREAKER_GOOD, 100 * SECOND_US);
    admit(&breaker, 100 * SECOND_US);
}

static void asking_spends_no_trial(void **state)
{
    (void)state;
    struct route_breaker breaker = tripped_at(0);
    for (int i = 0; i < 5; i++)
        assert_true(route_breaker_is_ready(&breaker, 1 * SECOND_US));
    admit(&breaker, 1 * SECOND_US);
}

static void rests_double_up_to_the_longest_and_start_short_after_healing(void **state)
{
    (void)state;
    struct route_breaker breaker = tripped_at(0);
    const int64_t rests_us[] = {1 * SECOND_US, 2 * SECOND_US, 3 * SECOND_US, 3 * SECOND_US};
    int64_t now_us = 0;
    for (size_t i = 0; i < COUNT_OF(rests_us); i++) {
        now_us += rests_us[i];
        assert_refuses(&breaker, now_us - 1);
        request(&breaker, ROUTE_BREAKER_BAD, now_us);
    }
    now_us += 3 * SECOND_US;
    request(&breaker, ROUTE_BREAKER_GOOD, now_us);
    assert_int_equal(breaker.state, ROUTE_BREAKER_TRYING);
    request(&breaker, ROUTE_BREAKER_GOOD, now_us);
    assert_int_equal(breaker.state, ROUTE_BREAKER_CLOSED);
    assert_int_equal(breaker.rest_us, rules.rest_us);
}

static void a_failed_trial_takes_back_the_good_ones(void **state)
{
    (void)state;
    struct route_breaker breaker = tripped_at(0);
    request(&breaker, ROUTE_BREAKER_GOOD, 1 * SECOND_US);
    request(&breaker, ROUTE_BREAKER_BAD, 1 * SECOND_US);
    request(&breaker, ROUTE_BREAKER_GOOD, 3 * SECOND_US);
    assert_int_equal(breaker.state, ROUTE_BREAKER_TRYING);
}

static void no_verdict_neither_opens_nor_heals(void **state)
{
    (void)state;
    struct route_breaker breaker = fresh();
    for (int i = 0; i < 100; i++)
        request(&breaker, ROUTE_BREAKER_BUSY, 0);
    assert_int_equal(breaker.state, ROUTE_BREAKER_CLOSED);
    breaker = tripped_at(0);
    for (int i = 0; i < 100; i++)
        request(&breaker, ROUTE_BREAKER_BUSY, 1 * SECOND_US);
    assert_int_equal(breaker.state, ROUTE_BREAKER_TRYING);
}

static void stragglers_of_an_earlier_term_change_nothing(void **state)
{
    (void)state;
    struct route_breaker breaker = fresh();
    uint32_t stragglers[4];
    for (size_t i = 0; i < COUNT_OF(stragglers); i++)
        stragglers[i] = admit(&breaker, 0);
    for (uint32_t i = 0; i < rules.trip_count; i++)
        request(&breaker, ROUTE_BREAKER_BAD, 0);
    uint32_t trial = admit(&breaker, 1 * SECOND_US);
    for (size_t i = 0; i < COUNT_OF(stragglers); i++)
        route_breaker_note(&breaker, stragglers[i], i % 2 ? ROUTE_BREAKER_BAD : ROUTE_BREAKER_GOOD,
                           1 * SECOND_US);
    assert_refuses(&breaker, 1 * SECOND_US);
    route_breaker_note(&breaker, trial, ROUTE_BREAKER_GOOD, 1 * SECOND_US);
    assert_int_equal(breaker.heal_run, 1);
}

/* The invariants of the header are CHECKed at every event; this drives it through many. */
static void no_order_of_events_breaks_an_invariant(void **state)
{
    (void)state;
    enum { OUT_MAX = 16 };
    struct rng rng;
    rng_init(&rng, 9);
    struct route_breaker breaker = fresh();
    uint32_t out[OUT_MAX];
    size_t out_count = 0;
    int64_t now_us = 0;
    for (int i = 0; i < 100000; i++) {
        now_us += (int64_t)rng_below(&rng, SECOND_US / 4);
        bool is_ready = route_breaker_is_ready(&breaker, now_us);
        if (out_count < OUT_MAX && rng_below(&rng, 2)) {
            uint32_t term;
            bool is_admitted = route_breaker_admit(&breaker, now_us, &term);
            assert_int_equal(is_admitted, is_ready);
            if (is_admitted)
                out[out_count++] = term;
        } else if (out_count > 0) {
            size_t one = rng_below(&rng, out_count);
            route_breaker_note(&breaker, out[one], (enum route_breaker_outcome)rng_below(&rng, 3),
                               now_us);
            out[one] = out[--out_count];
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_failures_in_a_row_open_it),
        cmocka_unit_test(nothing_passes_before_the_rest_is_over_and_one_after),
        cmocka_unit_test(asking_spends_no_trial),
        cmocka_unit_test(rests_double_up_to_the_longest_and_start_short_after_healing),
        cmocka_unit_test(a_failed_trial_takes_back_the_good_ones),
        cmocka_unit_test(no_verdict_neither_opens_nor_heals),
        cmocka_unit_test(stragglers_of_an_earlier_term_change_nothing),
        cmocka_unit_test(no_order_of_events_breaks_an_invariant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
