#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <float.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/rng.h"
#include "base/text.h"

#define ASSERT_TEXT(expected, ...)                                                                 \
    do {                                                                                           \
        char buffer_[512];                                                                         \
        struct text text_;                                                                         \
        text_init(&text_, buffer_, sizeof buffer_);                                                \
        text_add(&text_, __VA_ARGS__);                                                             \
        assert_string_equal(buffer_, expected);                                                    \
    } while (0)

static void every_directive_prints_as_printf_does(void **state)
{
    (void)state;
    ASSERT_TEXT("-5 5 -7 7 -9 9 11", "%d %u %ld %lu %lld %llu %zu", -5, 5U, -7L, 7UL, -9LL, 9ULL,
                (size_t)11);
    ASSERT_TEXT("-9223372036854775808", "%ld", INT64_MIN);
    ASSERT_TEXT("ab|cd|   x|x   |", "%s|%.*s|%4s|%-4s|", "ab", 2, "cdef", "x", "x");
    ASSERT_TEXT("00000000deadbeef 1f", "%016llx %x", 0xdeadbeefULL, 0x1fU);
    ASSERT_TEXT("  42|0042|42  |-042", "%4d|%04d|%-4d|%04d", 42, 42, 42, -42);
    ASSERT_TEXT("c%", "%c%%", 'c');
    ASSERT_TEXT("1.500000 2.35 3 nan -inf", "%f %.2f %.0f %f %f", 1.5, 2.345678, 3.4,
                __builtin_nan(""), -__builtin_inf());
}

static void numbers_print_as_the_c_library_prints_them(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 7);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = rng_next(&rng);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!__builtin_isfinite(value))
            continue;
        if (i % 2)
            value = (double)(int64_t)bits / 1e6 / (double)(1 + rng_below(&rng, 1000000));
        char expected[512], general[64];
        snprintf(general, sizeof general, "%.9g", value);
        ASSERT_TEXT(general, "%.9g", value);
        if (value < 1e18 && value > -1e18) {
            snprintf(expected, sizeof expected, "%.3f %12.0f %g", value, value, value);
            ASSERT_TEXT(expected, "%.3f %12.0f %g", value, value, value);
        }
    }
    const double hard[] = {0.5, 1.5, 2.5, 0.125, 9.995, 99.5, 0.05, 0.005, 1e22, 5e-324, DBL_MAX};
    for (size_t i = 0; i < COUNT_OF(hard); i++) {
        char expected[512];
        snprintf(expected, sizeof expected, "%.0f %.1f %.2f %g", hard[i], hard[i], hard[i],
                 hard[i]);
        if (hard[i] < 1e30)
            ASSERT_TEXT(expected, "%.0f %.1f %.2f %g", hard[i], hard[i], hard[i], hard[i]);
    }
    ASSERT_TEXT("1.79769e+308 4.94066e-324", "%g %g", DBL_MAX, 5e-324);
}

static void what_does_not_fit_is_dropped_and_said(void **state)
{
    (void)state;
    char buffer[6] = "######";
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    text_add(&text, "%s", "abcdefgh");
    assert_string_equal(buffer, "abcde");
    assert_true(text.is_cut);
    text_add_c(&text, 'x');
    assert_string_equal(buffer, "abcde");
    text_truncate(&text, 2);
    assert_false(text.is_cut);
    text_add_c(&text, 'x');
    assert_string_equal(buffer, "abx");
}

static void assert_micro(int64_t value, const char *expected)
{
    char buffer[40];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    text_add_micro(&text, value);
    assert_string_equal(buffer, expected);
}

static void micro_units_lose_nothing(void **state)
{
    (void)state;
    assert_micro(1200000, "1.2");
    assert_micro(-1, "-0.000001");
    assert_micro(1000000, "1");
    assert_micro(0, "0");
    assert_micro(10000001, "10.000001");
    assert_micro(INT64_MIN, "-9223372036854.775808");
}

static void people_read_durations_and_sizes(void **state)
{
    (void)state;
    char buffer[200];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    const int64_t us[] = {0, 340, 1200, 2000, 2500000, -15};
    for (size_t i = 0; i < COUNT_OF(us); i++) {
        text_add_duration_us(&text, us[i]);
        text_add_c(&text, ',');
    }
    const uint64_t bytes[] = {512, 1536, 4299776, UINT64_C(3) << 30, UINT64_MAX};
    for (size_t i = 0; i < COUNT_OF(bytes); i++) {
        text_add_bytes(&text, bytes[i]);
        text_add_c(&text, ',');
    }
    assert_string_equal(buffer, "0 us,340 us,1.2 ms,2 ms,2.5 s,-15 us,"
                                "512 B,1.5 KiB,4.1 MiB,3 GiB,16777215.9 TiB,");
}

static void json_keeps_its_commas_and_brackets(void **state)
{
    (void)state;
    char buffer[300];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    text_json_object(&text);
    text_json_key(&text, "a");
    text_json_array(&text);
    text_json_u64(&text, 1);
    text_json_i64(&text, -2);
    text_json_object(&text);
    text_json_end(&text);
    text_json_array(&text);
    text_json_end(&text);
    text_json_end(&text);
    text_json_key(&text, "b");
    text_json_bool(&text, true);
    text_json_key(&text, "c");
    text_json_str(&text, NULL);
    text_json_key(&text, "d");
    text_json_micro(&text, 1500000);
    text_json_key(&text, "e");
    text_json_double(&text, 0.1);
    text_json_key(&text, "f");
    text_json_double(&text, __builtin_inf());
    text_json_key(&text, "g");
    text_json_raw(&text, SPAN_LITERAL("[0]"));
    text_json_end(&text);
    assert_string_equal(buffer, "{\"a\":[1,-2,{},[]],\"b\":true,\"c\":null,\"d\":1.5,\"e\":0.1,"
                                "\"f\":null,\"g\":[0]}");
    text_truncate(&text, 0);
    text_json_array(&text);
    text_json_end(&text);
    assert_string_equal(buffer, "[]");
}

static void assert_escaped(struct span s, const char *expected)
{
    char buffer[100];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    text_add_json_escaped(&text, s);
    assert_string_equal(buffer, expected);
}

static void strings_leave_as_valid_json_whatever_they_hold(void **state)
{
    (void)state;
    assert_escaped(SPAN_LITERAL("a\"\\\n\r\t\x01\x7f"), "a\\\"\\\\\\n\\r\\t\\u0001\x7f");
    assert_escaped(SPAN_LITERAL("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"),
                   "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
    assert_escaped(SPAN_LITERAL("\xC0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD");
    assert_escaped(SPAN_LITERAL("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    assert_escaped(SPAN_LITERAL("x\xE2\x82"), "x\xEF\xBF\xBD\xEF\xBF\xBD");
    assert_escaped((struct span){"a\0b", 3}, "a\\u0000b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_directive_prints_as_printf_does),
        cmocka_unit_test(numbers_print_as_the_c_library_prints_them),
        cmocka_unit_test(what_does_not_fit_is_dropped_and_said),
        cmocka_unit_test(micro_units_lose_nothing),
        cmocka_unit_test(people_read_durations_and_sizes),
        cmocka_unit_test(json_keeps_its_commas_and_brackets),
        cmocka_unit_test(strings_leave_as_valid_json_whatever_they_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
