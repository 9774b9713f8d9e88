#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/histogram.h"
#include "base/rng.h"

static struct histogram a, b, both;

static void quantiles_never_flatter_and_are_three_percent_off_at_most(void **state)
{
    (void)state;
    enum { COUNT = 10000 };
    histogram_init(&a);
    for (uint64_t i = 1; i <= COUNT; i++)
        histogram_add(&a, i * 100);
    for (uint32_t per_million = 1000; per_million <= 1000000; per_million += 999) {
        uint64_t rank = ((uint64_t)per_million * COUNT + 999999) / 1000000;
        uint64_t exact = rank * 100;
        uint64_t answer = histogram_quantile(&a, per_million);
        assert_true(answer >= exact);
        assert_true(answer <= exact + exact / 31 + 1);
    }
    assert_int_equal(histogram_quantile(&a, 1000000), COUNT * 100);
}

static void small_values_are_exact(void **state)
{
    (void)state;
    histogram_init(&a);
    for (uint64_t i = 0; i < 32; i++)
        histogram_add(&a, i);
    assert_int_equal(histogram_quantile(&a, 500000), 15);
    assert_int_equal(a.min, 0);
    assert_int_equal(a.max, 31);
}

static void empty_and_endless_values(void **state)
{
    (void)state;
    histogram_init(&a);
    assert_int_equal(histogram_quantile(&a, 500000), 0);
    histogram_add(&a, UINT64_MAX);
    assert_true(histogram_quantile(&a, 500000) == UINT64_MAX);
    assert_int_equal(a.bucket[HISTOGRAM_BUCKETS - 1], 1);
}

static void two_halves_merge_into_the_whole(void **state)
{
    (void)state;
    histogram_init(&a);
    histogram_init(&b);
    histogram_init(&both);
    struct rng rng;
    rng_init(&rng, 5);
    for (int i = 0; i < 5000; i++) {
        uint64_t value = rng_next(&rng) >> rng_below(&rng, 64);
        histogram_add(i % 3 ? &a : &b, value);
        histogram_add(&both, value);
    }
    histogram_merge(&a, &b);
    assert_memory_equal(&a, &both, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_never_flatter_and_are_three_percent_off_at_most),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(empty_and_endless_values),
        cmocka_unit_test(two_halves_merge_into_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
