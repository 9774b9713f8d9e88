#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "deploy/child.h"

enum { STOP_WAIT_US = 4 * 1000 * 1000 };

static enum child_action step(struct child *child, enum child_event event, int64_t now_us)
{
    return child_step(child, event, now_us, STOP_WAIT_US);
}

static struct child started_at(int64_t now_us)
{
    struct child child;
    child_init(&child);
    assert_int_equal(step(&child, CHILD_START, now_us), CHILD_DO_SPAWN);
    return child;
}

static void a_death_is_followed_by_a_restart_after_the_back_off(void **state)
{
    (void)state;
    struct child child = started_at(0);
    assert_int_equal(step(&child, CHILD_EXITED, 1000), CHILD_DO_NOTHING);
    assert_int_equal(child.state, CHILD_WAITING);
    assert_int_equal(child.due_us, 1000 + CHILD_BACKOFF_US);
    assert_int_equal(step(&child, CHILD_DUE, child.due_us), CHILD_DO_SPAWN);
    assert_int_equal(child.restarts, 1);
}

static void the_back_off_doubles_up_to_its_longest(void **state)
{
    (void)state;
    struct child child = started_at(0);
    int64_t now_us = 0, expected_us = CHILD_BACKOFF_US;
    for (int i = 0; i < CHILD_DEATHS_MAX - 1; i++) {
        step(&child, CHILD_EXITED, now_us);
        assert_int_equal(child.due_us - now_us, expected_us);
        now_us = child.due_us;
        step(&child, CHILD_DUE, now_us);
        expected_us =
            expected_us * 2 > CHILD_BACKOFF_MAX_US ? CHILD_BACKOFF_MAX_US : expected_us * 2;
    }
}

static void a_crash_loop_is_given_up(void **state)
{
    (void)state;
    struct child child = started_at(0);
    int64_t now_us = 0;
    for (int i = 0; i < CHILD_DEATHS_MAX - 1; i++) {
        step(&child, CHILD_EXITED, now_us);
        now_us = child.due_us;
        assert_int_equal(step(&child, CHILD_DUE, now_us), CHILD_DO_SPAWN);
    }
    step(&child, CHILD_EXITED, now_us);
    assert_int_equal(child.state, CHILD_GIVEN_UP);
    assert_int_equal(child.due_us, INT64_MAX);
    assert_int_equal(step(&child, CHILD_RELEASE, now_us), CHILD_DO_SPAWN);
    assert_int_equal(child.quick_deaths, 0);
}

static void a_good_run_forgives_earlier_deaths(void **state)
{
    (void)state;
    struct child child = started_at(0);
    step(&child, CHILD_EXITED, 0);
    step(&child, CHILD_DUE, child.due_us);
    int64_t end_us = child.started_at_us + CHILD_GOOD_RUN_US;
    step(&child, CHILD_EXITED, end_us);
    assert_int_equal(child.quick_deaths, 1);
    assert_int_equal(child.due_us - end_us, CHILD_BACKOFF_US);
}

static void a_held_child_is_killed_and_stays_down_until_released(void **state)
{
    (void)state;
    struct child child = started_at(0);
    assert_int_equal(step(&child, CHILD_HOLD, 5), CHILD_DO_KILL);
    assert_int_equal(step(&child, CHILD_EXITED, 6), CHILD_DO_NOTHING);
    assert_int_equal(child.state, CHILD_HELD);
    assert_int_equal(child.due_us, INT64_MAX);
    assert_int_equal(step(&child, CHILD_RELEASE, 7), CHILD_DO_SPAWN);
    assert_int_equal(child.state, CHILD_RUNNING);
}

static void stopping_asks_first_and_kills_at_the_deadline(void **state)
{
    (void)state;
    struct child child = started_at(0);
    assert_int_equal(step(&child, CHILD_STOP, 10), CHILD_DO_TERM);
    assert_int_equal(child.due_us, 10 + STOP_WAIT_US);
    assert_int_equal(step(&child, CHILD_STOP, 11), CHILD_DO_NOTHING);
    assert_int_equal(step(&child, CHILD_DUE, child.due_us), CHILD_DO_KILL);
    assert_int_equal(child.due_us, INT64_MAX);
    step(&child, CHILD_EXITED, 11 + STOP_WAIT_US);
    assert_int_equal(child.state, CHILD_STOPPED);
}

static void one_that_was_given_time_can_be_hastened_but_not_delayed(void **state)
{
    (void)state;
    struct child child = started_at(0);
    child_hasten(&child, 5, STOP_WAIT_US);
    assert_int_equal(child.due_us, INT64_MAX); /* it runs */
    step(&child, CHILD_STOP, 10);
    child_hasten(&child, 11, STOP_WAIT_US);
    assert_int_equal(child.due_us, 10 + STOP_WAIT_US);
    child_hasten(&child, 11, 3);
    assert_int_equal(child.due_us, 14);
    assert_int_equal(step(&child, CHILD_DUE, 14), CHILD_DO_KILL);
    child_hasten(&child, 15, 3);
    assert_int_equal(child.due_us, INT64_MAX);
}

static void nothing_that_stopped_starts_again(void **state)
{
    (void)state;
    struct child child = started_at(0);
    step(&child, CHILD_STOP, 1);
    step(&child, CHILD_EXITED, 2);
    for (enum child_event event = CHILD_START; event <= CHILD_STOP; event++) {
        if (event != CHILD_DUE)
            assert_int_equal(step(&child, event, 3), CHILD_DO_NOTHING);
    }
    assert_int_equal(child.state, CHILD_STOPPED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_death_is_followed_by_a_restart_after_the_back_off),
        cmocka_unit_test(the_back_off_doubles_up_to_its_longest),
        cmocka_unit_test(a_crash_loop_is_given_up),
        cmocka_unit_test(a_good_run_forgives_earlier_deaths),
        cmocka_unit_test(a_held_child_is_killed_and_stays_down_until_released),
        cmocka_unit_test(stopping_asks_first_and_kills_at_the_deadline),
        cmocka_unit_test(one_that_was_given_time_can_be_hastened_but_not_delayed),
        cmocka_unit_test(nothing_that_stopped_starts_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
