#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "net/loop.h"
#include "net/timers.h"
#include "os/fault.h"

enum { COUNT = 500 };

static struct timers timers;
static struct net_timer timer[COUNT];

static void never(struct net_timer *due)
{
    assert_null(due);
}

static int set_up(void **state)
{
    (void)state;
    timers_init(&timers);
    for (int i = 0; i < COUNT; i++)
        net_timer_init(&timer[i], never);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    timers_fini(&timers);
    return 0;
}

/* The truth beside the heap: what is set, by looking at all. */
static int64_t least_due_us(void)
{
    int64_t least_us = INT64_MAX;
    for (int i = 0; i < COUNT; i++) {
        if (timer[i].heap_index >= 0 && timer[i].due_us < least_us)
            least_us = timer[i].due_us;
    }
    return least_us;
}

static void any_mix_of_setting_moving_and_clearing_comes_out_in_order(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 5);
    for (int step = 0; step < 50000; step++) {
        struct net_timer *any = &timer[rng_below(&rng, COUNT)];
        switch (rng_below(&rng, 4)) {
        case 0:
        case 1:
            assert_int_equal(timers_set(&timers, any, (int64_t)rng_below(&rng, 1000)), ERR_OK);
            break;
        case 2:
            timers_clear(&timers, any);
            assert_int_equal(any->heap_index, -1);
            break;
        default: {
            int64_t least_us = least_due_us(), first_us = INT64_MAX;
            assert_true(timers_first(&timers, &first_us) == (least_us != INT64_MAX));
            assert_int_equal(first_us, least_us);
            const struct net_timer *due = timers_take_due(&timers, 500);
            assert_true((due != NULL) == (least_us <= 500));
            assert_true(!due || (due->due_us == least_us && due->heap_index == -1));
        }
        }
    }
}

static void without_memory_a_new_one_is_refused_and_a_set_one_still_moves(void **state)
{
    (void)state;
    int count = 0;
    os_fault_set(OS_FAULT_MEMORY, 2, true);
    while (count < COUNT && timers_set(&timers, &timer[count], 100 + count) == ERR_OK)
        count++;
    assert_in_range(count, 1, COUNT - 1);
    assert_int_equal(timer[count].heap_index, -1);
    assert_int_equal(timers_set(&timers, &timer[0], 5000), ERR_OK);
    assert_int_equal(timers_set(&timers, &timer[count - 1], 1), ERR_OK);
    os_fault_set(OS_FAULT_MEMORY, 0, false);
    assert_ptr_equal(timers_take_due(&timers, 10000), &timer[count - 1]);
    assert_ptr_equal(timers_take_due(&timers, 10000), &timer[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(any_mix_of_setting_moving_and_clearing_comes_out_in_order),
        TEST(without_memory_a_new_one_is_refused_and_a_set_one_still_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
