#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "route/budget.h"

enum { SECOND_US = 1000 * 1000 };

static unsigned spend_all(struct route_budget *budget, int64_t now_us)
{
    unsigned count = 0;
    while (route_budget_spend(budget, now_us))
        count++;
    return count;
}

static void a_quiet_gateway_may_still_retry_ten_times(void **state)
{
    (void)state;
    struct route_budget budget;
    route_budget_init(&budget);
    assert_int_equal(spend_all(&budget, 5 * SECOND_US), 10);
    assert_false(route_budget_spend(&budget, 14 * SECOND_US));
    assert_int_equal(spend_all(&budget, 15 * SECOND_US), 10);
}

static void a_busy_one_a_tenth_of_its_last_ten_seconds(void **state)
{
    (void)state;
    struct route_budget budget;
    route_budget_init(&budget);
    for (int64_t second = 0; second < 10; second++)
        for (int i = 0; i < 100; i++)
            route_budget_note_request(&budget, second * SECOND_US);
    assert_int_equal(spend_all(&budget, 9 * SECOND_US), 100);
    /* A second later 100 of these requests are gone, and no retry is. */
    assert_int_equal(spend_all(&budget, 10 * SECOND_US), 0);
    /* At 19 s the retries of second 9 are gone, and so are all requests. */
    assert_int_equal(spend_all(&budget, 19 * SECOND_US), 10);
}

static void a_long_silence_and_a_late_event_are_fine(void **state)
{
    (void)state;
    struct route_budget budget;
    route_budget_init(&budget);
    for (int i = 0; i < 1000; i++)
        route_budget_note_request(&budget, 0);
    assert_int_equal(spend_all(&budget, INT64_C(1) << 50), 10);
    route_budget_note_request(&budget, 0);
    assert_false(route_budget_spend(&budget, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quiet_gateway_may_still_retry_ten_times),
        cmocka_unit_test(a_busy_one_a_tenth_of_its_last_ten_seconds),
        cmocka_unit_test(a_long_silence_and_a_late_event_are_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
