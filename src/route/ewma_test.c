#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "route/ewma.h"

enum { SECOND_US = 1000 * 1000 };

static struct route_ewma noted(int64_t sample_us)
{
    struct route_ewma ewma;
    route_ewma_init(&ewma);
    route_ewma_note(&ewma, sample_us, 0);
    return ewma;
}

static void no_data_is_not_zero_latency(void **state)
{
    (void)state;
    struct route_ewma ewma;
    route_ewma_init(&ewma);
    assert_int_equal(route_ewma_read(&ewma, 5), 0);
    route_ewma_note(&ewma, 0, 5);
    assert_int_equal(route_ewma_read(&ewma, 5), 1);
    assert_int_equal(route_ewma_read(&ewma, 1000000LL * SECOND_US), 1);
}

static void a_peak_counts_at_once_and_is_forgiven_slowly(void **state)
{
    (void)state;
    struct route_ewma ewma = noted(1000);
    route_ewma_note(&ewma, 9000, 1);
    assert_int_equal(route_ewma_read(&ewma, 1), 9000);
    route_ewma_note(&ewma, 1000, ROUTE_EWMA_HALF_US + 1);
    assert_in_range(route_ewma_read(&ewma, ROUTE_EWMA_HALF_US + 1), 4990, 5000);
}

static void an_unasked_target_looks_faster_with_time(void **state)
{
    (void)state;
    struct route_ewma ewma = noted(8000);
    int64_t before = route_ewma_read(&ewma, 0);
    for (int64_t second = 1; second < 200; second++) {
        int64_t now = route_ewma_read(&ewma, second * SECOND_US);
        assert_true(now <= before && now >= 1);
        before = now;
    }
    assert_int_equal(route_ewma_read(&ewma, ROUTE_EWMA_HALF_US), 4000);
    assert_int_equal(route_ewma_read(&ewma, 2 * ROUTE_EWMA_HALF_US), 2000);
    assert_int_equal(before, 1);
}

static void penalties_double_fade_and_end(void **state)
{
    (void)state;
    struct route_ewma ewma = noted(1000);
    assert_int_equal(route_ewma_penalty(&ewma, 0), 0);
    route_ewma_punish(&ewma, 0, 0);
    assert_int_equal(route_ewma_penalty(&ewma, 0), ROUTE_PENALTY_MIN_US);
    route_ewma_punish(&ewma, 0, 0);
    assert_int_equal(route_ewma_penalty(&ewma, 0), 2 * ROUTE_PENALTY_MIN_US);
    assert_int_equal(route_ewma_penalty(&ewma, ROUTE_EWMA_HALF_US), ROUTE_PENALTY_MIN_US);
    route_ewma_note(&ewma, 1000, ROUTE_EWMA_HALF_US);
    assert_int_equal(route_ewma_penalty(&ewma, ROUTE_EWMA_HALF_US), ROUTE_PENALTY_MIN_US / 2);
    assert_int_equal(route_ewma_penalty(&ewma, 20 * ROUTE_EWMA_HALF_US), 0);
    for (int i = 0; i < 20; i++)
        route_ewma_punish(&ewma, 0, 0);
    assert_int_equal(route_ewma_penalty(&ewma, 0), ROUTE_PENALTY_MAX_US);
}

static void retry_after_is_believed_within_bounds(void **state)
{
    (void)state;
    struct route_ewma ewma = noted(1000);
    route_ewma_punish(&ewma, 30 * SECOND_US, 0);
    assert_int_equal(route_ewma_penalty(&ewma, 0), 30 * SECOND_US);
    route_ewma_punish(&ewma, INT64_C(3600) * SECOND_US, 0);
    assert_int_equal(route_ewma_penalty(&ewma, 0), ROUTE_PENALTY_MAX_US);
}

static void late_and_endless_samples_do_no_harm(void **state)
{
    (void)state;
    struct route_ewma ewma = noted(1000);
    route_ewma_note(&ewma, 500, 10 * SECOND_US);
    int64_t before = route_ewma_read(&ewma, 10 * SECOND_US);
    route_ewma_note(&ewma, 100, 5 * SECOND_US);
    assert_true(route_ewma_read(&ewma, 10 * SECOND_US) <= before);
    route_ewma_note(&ewma, INT64_MAX, 10 * SECOND_US);
    assert_int_equal(route_ewma_read(&ewma, 10 * SECOND_US), ROUTE_EWMA_SAMPLE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_data_is_not_zero_latency),
        cmocka_unit_test(a_peak_counts_at_once_and_is_forgiven_slowly),
        cmocka_unit_test(an_unasked_target_looks_faster_with_time),
        cmocka_unit_test(penalties_double_fade_and_end),
        cmocka_unit_test(retry_after_is_believed_within_bounds),
        cmocka_unit_test(late_and_endless_samples_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
