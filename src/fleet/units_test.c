#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "fleet/units.h"

static void test_units_mean_what_they_say(void **state)
{
    (void)state;
    static const struct {
        enum units_kind kind;
        const char *text;
        int64_t value;
    } cases[] = {
        {UNITS_TIME, "10us", 10},
        {UNITS_TIME, "500ms", 500000},
        {UNITS_TIME, "2s", 2000000},
        {UNITS_TIME, "5min", 300000000},
        {UNITS_TIME, "1h", INT64_C(3600000000)},
        {UNITS_TIME, "1.5ms", 1500},
        {UNITS_TIME, "0s", 0},
        {UNITS_TIME, "0.4us", 0},
        {UNITS_TIME, "0.5us", 1},
        {UNITS_BYTES, "512B", 512},
        {UNITS_BYTES, "16KiB", 16384},
        {UNITS_BYTES, "8GiB", INT64_C(8) << 30},
        {UNITS_BYTES, "10kB", 10000},
        {UNITS_BYTES, "1MB", 1000000},
        {UNITS_BANDWIDTH, "200Mbit", 200000000},
        {UNITS_BANDWIDTH, "1Gbit", 1000000000},
        {UNITS_BANDWIDTH, "256kbit", 256000},
        {UNITS_MONEY_H, "$1.20/h", 1200000},
        {UNITS_MONEY_H, "$27.447050/h", 27447050},
        {UNITS_MONEY_GB, "$0.09/GB", 90000},
        {UNITS_SHARE, "10%", 100000},
        {UNITS_SHARE, "0.1", 100000},
        {UNITS_SHARE, "100%", 1000000},
        {UNITS_SHARE, "1", 1000000},
        {UNITS_SPEED, "5000tok/s", 200000},
        {UNITS_SPEED, "20tok/s", 50000000},
        {UNITS_SPEED, "0.5tok/s", 2000000000},
        {UNITS_RATE, "12.5req/s", 12500000},
        {UNITS_MONEY, "$1.50", 1500000},
        {UNITS_MONEY_KG, "$0.10/kg", 100000},
        {UNITS_MONEY_REQUEST, "$0.02/req", 20000},
        {UNITS_MASS_H, "120kg/h", 120000},
        {UNITS_POWER, "750W", 750000},
        {UNITS_POWER, "40kW", 40000000},
        {UNITS_POWER, "1.2MW", 1200000000},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t value = -1;
        assert_true(units_parse(cases[i].kind, span_of(cases[i].text), &value));
        assert_int_equal(value, cases[i].value);
    }
}

static void test_anything_else_is_refused(void **state)
{
    (void)state;
    static const struct {
        enum units_kind kind;
        const char *text;
    } cases[] = {
        {UNITS_TIME, ""},
        {UNITS_TIME, "5"},
        {UNITS_TIME, "s"},
        {UNITS_TIME, "-5s"},
        {UNITS_TIME, "+5s"},
        {UNITS_TIME, "5 s"},
        {UNITS_TIME, " 5s"},
        {UNITS_TIME, "5s "},
        {UNITS_TIME, ".5s"},
        {UNITS_TIME, "5.s"},
        {UNITS_TIME, "5..5s"},
        {UNITS_TIME, "5.5.5s"},
        {UNITS_TIME, "1e3s"},
        {UNITS_TIME, "5S"},
        {UNITS_TIME, "5MiB"},
        {UNITS_TIME, "0x5s"},
        {UNITS_TIME, "9999999999999999s"},
        {UNITS_TIME, "999999999999999h"},
        {UNITS_BYTES, "1mb"},
        {UNITS_BYTES, "1Mbit"},
        {UNITS_BYTES, "999999999999999TiB"},
        {UNITS_BANDWIDTH, "200Mbps"},
        {UNITS_MONEY_H, "1.20/h"},
        {UNITS_MONEY_H, "$1.20"},
        {UNITS_MONEY_H, "$/h"},
        {UNITS_MONEY_H, "$-1/h"},
        {UNITS_MONEY_H, "$1/GB"},
        {UNITS_MONEY_GB, "$1/h"},
        {UNITS_SHARE, "101%"},
        {UNITS_SHARE, "1.1"},
        {UNITS_SPEED, "0tok/s"},
        {UNITS_SPEED, "5"},
        {UNITS_SPEED, "0.0001tok/s"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t value = -1;
        if (units_parse(cases[i].kind, span_of(cases[i].text), &value))
            fail_msg("\"%s\" was read as %lld", cases[i].text, (long long)value);
        assert_int_equal(value, -1);
    }
}

static void test_decimals_of_catalogues(void **state)
{
    (void)state;
    int64_t value;
    assert_true(units_decimal(SPAN_LITERAL("-77.74"), 1000000, &value));
    assert_int_equal(value, -77740000);
    assert_true(units_decimal(SPAN_LITERAL("229.034"), 1000, &value));
    assert_int_equal(value, 229034);
    assert_true(units_decimal(SPAN_LITERAL("0"), 1, &value));
    assert_int_equal(value, 0);
    const char *bad[] = {"", "-", "--1", "1,5", "1.", "nan", "inf", "1e5", "1 "};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(units_decimal(span_of(bad[i]), 1000, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_units_mean_what_they_say),
        cmocka_unit_test(test_anything_else_is_refused),
        cmocka_unit_test(test_decimals_of_catalogues),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
