#include "fleet/units.h"

#include "base/check.h"

/* A unit that may follow a number, and what one of it is in the kind's own unit. */
struct unit {
    enum units_kind kind;
    const char *suffix;
    int64_t factor;
};

static const struct unit units[] = {
    {UNITS_TIME, "us", 1},
    {UNITS_TIME, "ms", 1000},
    {UNITS_TIME, "s", 1000000},
    {UNITS_TIME, "min", INT64_C(60) * 1000000},
    {UNITS_TIME, "h", INT64_C(3600) * 1000000},
    {UNITS_BYTES, "B", 1},
    {UNITS_BYTES, "kB", 1000},
    {UNITS_BYTES, "MB", 1000000},
    {UNITS_BYTES, "GB", 1000000000},
    {UNITS_BYTES, "TB", INT64_C(1000000000000)},
    {UNITS_BYTES, "KiB", 1 << 10},
    {UNITS_BYTES, "MiB", 1 << 20},
    {UNITS_BYTES, "GiB", 1 << 30},
    {UNITS_BYTES, "TiB", INT64_C(1) << 40},
    {UNITS_BANDWIDTH, "bit", 1},
    {UNITS_BANDWIDTH, "kbit", 1000},
    {UNITS_BANDWIDTH, "Mbit", 1000000},
    {UNITS_BANDWIDTH, "Gbit", 1000000000},
    {UNITS_MONEY_H, "/h", 1000000},
    {UNITS_MONEY_GB, "/GB", 1000000},
    {UNITS_SHARE, "%", 10000},
    {UNITS_SHARE, "", 1000000},
    {UNITS_SPEED, "tok/s", 1},
    {UNITS_RATE, "req/s", 1000000},
    {UNITS_MONEY, "", 1000000},
    {UNITS_MONEY_KG, "/kg", 1000000},
    {UNITS_MONEY_REQUEST, "/req", 1000000},
    {UNITS_MASS_H, "kg/h", 1000},
    {UNITS_POWER, "W", 1000},
    {UNITS_POWER, "kW", 1000000},
    {UNITS_POWER, "MW", 1000000000},
};

enum { DIGITS_MAX = 15, PPM_ALL = 1000000 };

/* value = mantissa / 10^decimals */
struct decimal {
    int64_t mantissa;
    int64_t divisor;
};

/* Cuts digits, or digits '.' digits, off the head of <s>. */
static bool cut_decimal(struct span *s, struct decimal *ret_decimal)
{
    struct decimal decimal = {0, 1};
    size_t digits = 0, i = 0;
    bool has_point = false;
    for (; i < s->n; i++) {
        char c = s->p[i];
        if (c == '.' && !has_point && i > 0) {
            has_point = true;
            continue;
        }
        if (c < '0' || c > '9')
            break;
        if (++digits > DIGITS_MAX)
            return false;
        decimal.mantissa = decimal.mantissa * 10 + (c - '0');
        if (has_point)
            decimal.divisor *= 10;
    }
    if (digits == 0 || s->p[i - 1] == '.')
        return false;
    *s = span_from(s->p + i, s->n - i);
    *ret_decimal = decimal;
    return true;
}

/* decimal * factor, rounded to the nearest; false above INT64_MAX / 2. */
static bool scale(struct decimal decimal, int64_t factor, int64_t *ret_value)
{
    __int128 product = (__int128)decimal.mantissa * factor + decimal.divisor / 2;
    __int128 value = product / decimal.divisor;
    if (value > INT64_MAX / 2)
        return false;
    *ret_value = (int64_t)value;
    return true;
}

static bool speed_to_ns(struct decimal speed, int64_t *ret_value)
{
    const int64_t ns_a_second = 1000000000;
    if (speed.mantissa == 0)
        return false;
    __int128 ns = (__int128)ns_a_second * speed.divisor + speed.mantissa / 2;
    __int128 value = ns / speed.mantissa;
    if (value < 1 || value > UINT32_MAX)
        return false;
    *ret_value = (int64_t)value;
    return true;
}

bool units_decimal(struct span s, int64_t factor, int64_t *ret_value)
{
    CHECK(factor > 0);
    struct decimal decimal;
    bool is_negative = s.n > 0 && s.p[0] == '-';
    if (is_negative)
        s = span_from(s.p + 1, s.n - 1);
    int64_t value;
    if (!cut_decimal(&s, &decimal) || s.n > 0 || !scale(decimal, factor, &value))
        return false;
    *ret_value = is_negative ? -value : value;
    return true;
}

static bool is_money(enum units_kind kind)
{
    return kind == UNITS_MONEY_H || kind == UNITS_MONEY_GB || kind == UNITS_MONEY ||
           kind == UNITS_MONEY_KG || kind == UNITS_MONEY_REQUEST;
}

bool units_parse(enum units_kind kind, struct span s, int64_t *ret_value)
{
    if (is_money(kind)) {
        if (!span_starts_with(s, "$"))
            return false;
        s = span_from(s.p + 1, s.n - 1);
    }
    struct decimal decimal;
    if (!cut_decimal(&s, &decimal))
        return false;
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (units[i].kind != kind || !span_is(s, units[i].suffix))
            continue;
        if (kind == UNITS_SPEED)
            return speed_to_ns(decimal, ret_value);
        int64_t value;
        if (!scale(decimal, units[i].factor, &value))
            return false;
        if (kind == UNITS_SHARE && value > PPM_ALL)
            return false;
        *ret_value = value;
        return true;
    }
    return false;
}

const char *units_hint(enum units_kind kind)
{
    switch (kind) {
    case UNITS_TIME:
        return "a time such as 500ms (us, ms, s, min, h)";
    case UNITS_BYTES:
        return "a size such as 8GiB (B, kB, MB, GB, TB, KiB, MiB, GiB, TiB)";
    case UNITS_BANDWIDTH:
        return "a bandwidth such as 200Mbit (bit, kbit, Mbit, Gbit a second)";
    case UNITS_MONEY_H:
        return "a price per hour such as $1.20/h";
    case UNITS_MONEY_GB:
        return "a price per gigabyte such as $0.09/GB";
    case UNITS_SHARE:
        return "a share such as 10% or 0.1";
    case UNITS_SPEED:
        return "a speed such as 1200tok/s";
    case UNITS_RATE:
        return "a rate such as 12.5req/s";
    case UNITS_MONEY:
        return "an amount such as $1.50";
    case UNITS_MONEY_KG:
        return "a price per kilogram such as $0.10/kg";
    case UNITS_MONEY_REQUEST:
        return "a price per request such as $0.02/req";
    case UNITS_MASS_H:
        return "a mass per hour such as 120kg/h";
    case UNITS_POWER:
        return "a power such as 40kW (W, kW, MW)";
    }
    CHECK(kind <= UNITS_POWER);
    return "";
}
