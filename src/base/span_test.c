#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/rng.h"
#include "base/span.h"

static void whole_numbers_only_and_no_overflow(void **state)
{
    (void)state;
    uint64_t value = 5;
    assert_true(span_to_u64(SPAN_LITERAL("18446744073709551615"), &value));
    assert_true(value == UINT64_MAX);
    const char *const bad[] = {"", "18446744073709551616", "-1", "+1", " 1", "1 ", "1.0", "0x1"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        value = 5;
        assert_false(span_to_u64(span_of(bad[i]), &value));
        assert_true(value == 5);
    }
}

static void assert_reads_as_strtod(const char *s)
{
    double value = -1;
    assert_true(span_to_double(span_of(s), &value));
    double expected = strtod(s, NULL);
    if (value != expected || signbit(value) != signbit(expected))
        fail_msg("%s: %.17g, expected %.17g", s, value, expected);
}

static void fractions_read_to_the_nearest_double(void **state)
{
    (void)state;
    const char *const hard[] = {"0",
                                "-0",
                                "1",
                                "0.1",
                                ".5",
                                "5.",
                                "1e3",
                                "-2.5E-3",
                                "1e22",
                                "1e23",
                                "9007199254740993",
                                "9007199254740995",
                                "9007199254740992.5",
                                "9007199254740993.0001",
                                "2.2250738585072014e-308",
                                "2.2250738585072011e-308",
                                "4.9406564584124654e-324",
                                "2.4703282292062327e-324",
                                "2.4703282292062328e-324",
                                "1.7976931348623157e308",
                                "0.000000000000000000000000000000000000001e-300",
                                "1e-400",
                                "179769313486231570000000000000000000000e270",
                                "6.02214076e23",
                                "0.30000000000000004",
                                "123456789012345678901234567890"};
    for (size_t i = 0; i < COUNT_OF(hard); i++)
        assert_reads_as_strtod(hard[i]);
    struct rng rng;
    rng_init(&rng, 3);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = rng_next(&rng);
        double x;
        memcpy(&x, &bits, sizeof x);
        if (!__builtin_isfinite(x))
            continue;
        char s[64];
        snprintf(s, sizeof s, "%.*g", 1 + (int)rng_below(&rng, 20), x);
        double back = strtod(s, NULL);
        if (__builtin_isfinite(back))
            assert_reads_as_strtod(s);
    }
}

static void malformed_or_endless_fractions_are_refused(void **state)
{
    (void)state;
    const char *const bad[] = {
        "",   ".",   "-",   "e5",    "1e",  "1e+",   "1.2.3",          " 1",
        "1 ", "nan", "inf", "0x1p3", "1,5", "1e309", "1e999999999999", "1.7976931348623159e308",
        "--1"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        double value = 5;
        if (span_to_double(span_of(bad[i]), &value))
            fail_msg("\"%s\" was read as %g", bad[i], value);
        assert_true(value == 5);
    }
}

static void cut_walks_over_all_parts(void **state)
{
    (void)state;
    struct span rest = SPAN_LITERAL("a,,b");
    assert_true(span_is(span_cut(&rest, ','), "a"));
    assert_true(span_is(span_cut(&rest, ','), ""));
    assert_non_null(rest.p);
    assert_true(span_is(span_cut(&rest, ','), "b"));
    assert_null(rest.p);
}

static void comparing_and_trimming(void **state)
{
    (void)state;
    assert_true(span_is_equal_nocase(SPAN_LITERAL("Content-TYPE"), SPAN_LITERAL("content-type")));
    assert_false(span_is_equal_nocase(SPAN_LITERAL("a["), SPAN_LITERAL("a{")));
    assert_true(span_compare(SPAN_LITERAL("ab"), SPAN_LITERAL("abc")) < 0);
    assert_true(span_compare(SPAN_LITERAL("b"), SPAN_LITERAL("abc")) > 0);
    assert_int_equal(span_compare(SPAN_LITERAL("ab"), SPAN_LITERAL("ab")), 0);
    assert_true(span_is(span_trim(SPAN_LITERAL(" \t a b\t")), "a b"));
    assert_true(span_is(span_trim(SPAN_LITERAL(" \t ")), ""));
}

static void distance_is_levenshteins(void **state)
{
    (void)state;
    assert_int_equal(span_distance(SPAN_LITERAL("kitten"), SPAN_LITERAL("sitting")), 3);
    assert_int_equal(span_distance(SPAN_LITERAL(""), SPAN_LITERAL("abc")), 3);
    assert_int_equal(span_distance(SPAN_LITERAL("regions"), SPAN_LITERAL("region")), 1);
    assert_int_equal(span_distance(SPAN_LITERAL("abc"), SPAN_LITERAL("abc")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_only_and_no_overflow),
        cmocka_unit_test(fractions_read_to_the_nearest_double),
        cmocka_unit_test(malformed_or_endless_fractions_are_refused),
        cmocka_unit_test(cut_walks_over_all_parts),
        cmocka_unit_test(comparing_and_trimming),
        cmocka_unit_test(distance_is_levenshteins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
