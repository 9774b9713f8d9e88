#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/check.h"
#include "base/rng.h"

/* From a C program of the authors' own xoshiro256plusplus.c with state {1, 2, 3, 4}. */
static void draws_the_published_numbers(void **state)
{
    (void)state;
    struct rng rng = {{1, 2, 3, 4}};
    const uint64_t expected[] = {41943041, 58720359, UINT64_C(3588806011781223),
                                 UINT64_C(3591011842654386)};
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        assert_true(rng_next(&rng) == expected[i]);
}

/* splitmix64 from state 0 is known: the first of its numbers seeds s[0]. */
static void seeds_by_splitmix64(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 0);
    assert_true(rng.s[0] == UINT64_C(0xE220A8397B1DCDAF));
    assert_true(rng.s[1] == UINT64_C(0x6E789E6AA1B965F4));
}

static void below_is_within_and_even(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 2);
    unsigned count[7] = {0};
    for (int i = 0; i < 70000; i++)
        count[rng_below(&rng, 7)]++;
    for (int i = 0; i < 7; i++)
        assert_in_range(count[i], 9600, 10400);
    assert_int_equal(rng_below(&rng, 1), 0);
}

static void normal_has_mean_0_and_variance_1(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 3);
    double sum = 0, squares = 0;
    enum { COUNT = 100000 };
    for (int i = 0; i < COUNT; i++) {
        double x = rng_normal(&rng);
        sum += x;
        squares += x * x;
        double unit = rng_unit(&rng);
        assert_true(unit >= 0 && unit < 1);
    }
    assert_true(sum / COUNT > -0.02 && sum / COUNT < 0.02);
    assert_true(squares / COUNT > 0.97 && squares / COUNT < 1.03);
}

static void hashes_are_the_published_ones(void **state)
{
    (void)state;
    assert_int_equal(hash_crc32c("123456789", 9), 0xE3069283);
    assert_true(hash_bytes("", 0, 0) == UINT64_C(0x2D06800538D394C2)); /* XXH3, xxhash's own test */
    assert_true(hash_pair(1, 2) != hash_pair(2, 1));
    assert_true(hash_pair(0, 0) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_the_published_numbers),
        cmocka_unit_test(seeds_by_splitmix64),
        cmocka_unit_test(below_is_within_and_even),
        cmocka_unit_test(normal_has_mean_0_and_variance_1),
        cmocka_unit_test(hashes_are_the_published_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
