#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/map.h"
#include "base/rng.h"

static void agrees_with_a_plain_array_through_puts_and_removals(void **state)
{
    (void)state;
    enum { SLOTS = 64, KEYS = 200, FULL = SLOTS * 7 / 8 };
    struct map_slot slots[SLOTS];
    struct map map;
    map_init(&map, slots, SLOTS);
    bool is_there[KEYS + 1] = {false};
    uint32_t held[KEYS + 1] = {0};
    size_t count = 0;
    struct rng rng;
    rng_init(&rng, 11);
    for (int step = 0; step < 50000; step++) {
        uint64_t key = 1 + rng_below(&rng, KEYS);
        if (rng_below(&rng, 5) < 3) {
            uint32_t value = (uint32_t)rng_next(&rng);
            bool is_put = map_put(&map, key, value);
            assert_int_equal(is_put, is_there[key] || count < FULL);
            count += is_put && !is_there[key];
            held[key] = is_put ? value : held[key];
            is_there[key] |= is_put;
        } else {
            assert_int_equal(map_remove(&map, key), is_there[key]);
            count -= is_there[key];
            is_there[key] = false;
        }
        assert_int_equal(map.count, count);
        if (step % 97 != 0)
            continue;
        for (uint64_t k = 1; k <= KEYS; k++) {
            uint32_t value = 0;
            assert_int_equal(map_find(&map, k, &value), is_there[k]);
            if (is_there[k])
                assert_int_equal(value, held[k]);
        }
    }
}

static void refuses_when_seven_eighths_full(void **state)
{
    (void)state;
    struct map_slot slots[8];
    struct map map;
    map_init(&map, slots, 8);
    for (uint64_t key = 1; key <= 7; key++)
        assert_true(map_put(&map, key, 1));
    assert_false(map_put(&map, 8, 1));
    assert_true(map_put(&map, 7, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_plain_array_through_puts_and_removals),
        cmocka_unit_test(refuses_when_seven_eighths_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
