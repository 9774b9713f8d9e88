#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "http/wheel.h"

enum { COUNT = 500, STEPS = 20000, LONG_US = 100 * 1000 * 1000 };

static void nothing_is_early_and_nothing_later_than_a_tick(void **state)
{
    (void)state;
    static struct wheel wheel;
    static struct wheel_entry entries[COUNT];
    struct rng rng;
    rng_init(&rng, 7);
    int64_t now_us = 12345;
    wheel_init(&wheel, now_us);
    for (int i = 0; i < COUNT; i++)
        wheel_entry_init(&entries[i]);
    for (int step = 0; step < STEPS; step++) {
        struct wheel_entry *moved = &entries[rng_below(&rng, COUNT)];
        switch (rng_below(&rng, 8)) {
        case 0:
            wheel_remove(moved);
            break;
        case 1:
            wheel_put(&wheel, moved, WHEEL_NEVER);
            break;
        default:
            wheel_put(&wheel, moved, now_us + (int64_t)rng_below(&rng, LONG_US));
        }
        now_us += (int64_t)rng_below(&rng, rng_below(&rng, 100) ? 3000 : LONG_US / 2);
        if (wheel_next_us(&wheel) > now_us)
            continue;
        struct wheel_entry *due;
        while ((due = wheel_take_due(&wheel, now_us))) {
            assert_true(due->due_us <= now_us);
            assert_true(list_is_empty(&due->link));
        }
        for (int i = 0; i < COUNT; i++)
            if (!list_is_empty(&entries[i].link))
                assert_true(entries[i].due_us > now_us - WHEEL_TICK_US);
    }
}

static void the_next_look_is_never_later_than_the_first_deadline_asks(void **state)
{
    (void)state;
    static struct wheel wheel;
    struct wheel_entry near, far;
    wheel_init(&wheel, 0);
    wheel_entry_init(&near);
    wheel_entry_init(&far);
    assert_true(wheel_next_us(&wheel) == WHEEL_NEVER);
    wheel_put(&wheel, &far, 75 * 1000 * 1000);
    wheel_put(&wheel, &near, 40 * 1000);
    assert_true(wheel_next_us(&wheel) >= 40 * 1000);
    assert_true(wheel_next_us(&wheel) <= 40 * 1000 + WHEEL_TICK_US);
    assert_ptr_equal(wheel_take_due(&wheel, wheel_next_us(&wheel)), &near);
    assert_null(wheel_take_due(&wheel, 41 * 1000));
    int looks = 0;
    while (!list_is_empty(&far.link)) {
        int64_t next_us = wheel_next_us(&wheel);
        assert_true(next_us <= 75 * 1000 * 1000 + WHEEL_TICK_US);
        if (wheel_take_due(&wheel, next_us))
            break;
        looks++;
    }
    assert_true(list_is_empty(&far.link));
    assert_true(looks <= 75 * 1000 * 1000 / (WHEEL_TICK_US * WHEEL_SLOTS) + 1);
}

static void a_deadline_that_moves_later_is_not_moved_in_the_wheel(void **state)
{
    (void)state;
    static struct wheel wheel;
    struct wheel_entry entry;
    wheel_init(&wheel, 0);
    wheel_entry_init(&entry);
    assert_true(wheel_put(&wheel, &entry, 1000 * 1000));
    const struct list *slot = entry.link.next;
    assert_false(wheel_put(&wheel, &entry, 2000 * 1000));
    assert_ptr_equal(entry.link.next, slot);
    assert_null(wheel_take_due(&wheel, 1900 * 1000));
    assert_ptr_equal(wheel_take_due(&wheel, 2100 * 1000), &entry);
    assert_true(wheel_put(&wheel, &entry, 9000 * 1000));
    assert_true(wheel_put(&wheel, &entry, 3000 * 1000)); /* earlier: it must move */
    assert_ptr_equal(wheel_take_due(&wheel, 3100 * 1000), &entry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_early_and_nothing_later_than_a_tick),
        cmocka_unit_test(the_next_look_is_never_later_than_the_first_deadline_asks),
        cmocka_unit_test(a_deadline_that_moves_later_is_not_moved_in_the_wheel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
