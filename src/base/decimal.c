#include "base/decimal.h"

#include <stdint.h>
#include <string.h>

#include "base/check.h"

/* m * 5^1074 with a mantissa of 53 bits has 2547 bits. */
enum { WORDS = 96, WORD_BITS = 32, MANTISSA_BITS = 52, EXPONENT_BIAS = 1075, PARSE_DIGITS = 40 };

/* A natural number, lowest word first, no zero word on top. */
struct big {
    int count;
    uint32_t word[WORDS];
};

static void big_set(struct big *big, uint64_t value)
{
    big->word[0] = (uint32_t)value;
    big->word[1] = (uint32_t)(value >> WORD_BITS);
    big->count = big->word[1] ? 2 : big->word[0] ? 1 : 0;
}

static void big_multiply_add(struct big *big, uint32_t factor, uint32_t summand)
{
    uint64_t carry = summand;
    for (int i = 0; i < big->count; i++) {
        carry += (uint64_t)big->word[i] * factor;
        big->word[i] = (uint32_t)carry;
        carry >>= WORD_BITS;
    }
    if (carry) {
        CHECK(big->count < WORDS);
        big->word[big->count++] = (uint32_t)carry;
    }
}

static void big_multiply_power(struct big *big, uint32_t base, int power)
{
    for (; power > 0; power--)
        big_multiply_add(big, base, 0);
}

static void big_shift_left(struct big *big, int bits)
{
    int words = bits / WORD_BITS;
    big_multiply_add(big, UINT32_C(1) << (bits % WORD_BITS), 0);
    if (words == 0 || big->count == 0)
        return;
    CHECK(big->count + words <= WORDS);
    memmove(big->word + words, big->word, (size_t)big->count * sizeof big->word[0]);
    memset(big->word, 0, (size_t)words * sizeof big->word[0]);
    big->count += words;
}

static uint32_t big_divide(struct big *big, uint32_t divisor)
{
    uint64_t rest = 0;
    for (int i = big->count - 1; i >= 0; i--) {
        rest = rest << WORD_BITS | big->word[i];
        big->word[i] = (uint32_t)(rest / divisor);
        rest %= divisor;
    }
    while (big->count > 0 && big->word[big->count - 1] == 0)
        big->count--;
    return (uint32_t)rest;
}

static int big_compare(const struct big *a, const struct big *b)
{
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    for (int i = a->count - 1; i >= 0; i--)
        if (a->word[i] != b->word[i])
            return a->word[i] < b->word[i] ? -1 : 1;
    return 0;
}

/* |x| = mantissa * 2^exponent. */
static uint64_t split(uint64_t bits, int *ret_exponent)
{
    uint64_t mantissa = bits & ((UINT64_C(1) << MANTISSA_BITS) - 1);
    int biased = (int)(bits >> MANTISSA_BITS & 0x7FF);
    CHECK(biased < 0x7FF);
    *ret_exponent = (biased ? biased : 1) - EXPONENT_BIAS;
    return biased ? mantissa | UINT64_C(1) << MANTISSA_BITS : mantissa;
}

void decimal_of(double x, struct decimal *ret_decimal)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int exponent;
    struct big big;
    big_set(&big, split(bits, &exponent));
    if (exponent >= 0)
        big_shift_left(&big, exponent);
    else
        big_multiply_power(&big, 5, -exponent); /* m / 2^k = m * 5^k / 10^k */

    char *end = ret_decimal->digit + DECIMAL_DIGITS;
    char *start = end;
    while (big.count > 0) {
        uint32_t group = big_divide(&big, 1000000000);
        for (int i = 0; i < 9 && (group > 0 || big.count > 0); i++, group /= 10)
            *--start = (char)('0' + group % 10);
    }
    ret_decimal->count = (int)(end - start);
    ret_decimal->point = ret_decimal->count + (exponent < 0 ? exponent : 0);
    memmove(ret_decimal->digit, start, (size_t)ret_decimal->count);
}

/* Above, at or below half of the last kept digit: 1, 0, -1. */
static int compare_half(const struct decimal *decimal, int from)
{
    if (decimal->digit[from] != '5')
        return decimal->digit[from] > '5' ? 1 : -1;
    for (int i = from + 1; i < decimal->count; i++)
        if (decimal->digit[i] != '0')
            return 1;
    return 0;
}

void decimal_round(struct decimal *decimal, int count)
{
    if (count >= decimal->count)
        return;
    if (count < 0) {
        decimal->count = 0;
        return;
    }
    int half = compare_half(decimal, count);
    bool is_odd = count > 0 && (decimal->digit[count - 1] - '0') % 2 == 1;
    bool is_up = half > 0 || (half == 0 && is_odd);
    decimal->count = count;
    if (!is_up)
        return;
    int i = count - 1;
    while (i >= 0 && decimal->digit[i] == '9')
        decimal->digit[i--] = '0';
    if (i >= 0) {
        decimal->digit[i]++;
        return;
    }
    /* 0.999 -> 1.00: one more place before the point; a fixed count of places needs it too. */
    memmove(decimal->digit + 1, decimal->digit, (size_t)count);
    decimal->digit[0] = '1';
    decimal->count = count + 1;
    decimal->point++;
}

/* What was read: digits * 10^exponent. */
struct number {
    bool is_negative;
    int digit_count; /* significant ones kept */
    int exponent;
    uint8_t digit[PARSE_DIGITS + 1];
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void number_take_digit(struct number *number, char c, bool is_fraction)
{
    int digit = c - '0';
    if (number->digit_count == 0 && digit == 0) {
        number->exponent -= is_fraction;
        return;
    }
    if (number->digit_count < PARSE_DIGITS) {
        number->digit[number->digit_count++] = (uint8_t)digit;
        number->exponent -= is_fraction;
        return;
    }
    number->exponent += !is_fraction;
    if (digit > 0 && number->digit_count == PARSE_DIGITS) {
        number->digit[number->digit_count++] = 1;
        number->exponent--;
    }
}

static bool read_exponent(struct span s, int *ret_exponent)
{
    bool is_negative = s.n > 0 && s.p[0] == '-';
    if (s.n > 0 && (s.p[0] == '-' || s.p[0] == '+'))
        s = span_from(s.p + 1, s.n - 1);
    if (s.n == 0)
        return false;
    int value = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_digit(s.p[i]))
            return false;
        value = value < 100000 ? value * 10 + (s.p[i] - '0') : value;
    }
    *ret_exponent = is_negative ? -value : value;
    return true;
}

static bool read_number(struct span s, struct number *ret_number)
{
    struct number number = {.is_negative = s.n > 0 && s.p[0] == '-'};
    size_t i = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+');
    bool is_fraction = false, has_digit = false;
    for (; i < s.n && (is_digit(s.p[i]) || (s.p[i] == '.' && !is_fraction)); i++) {
        if (s.p[i] == '.') {
            is_fraction = true;
            continue;
        }
        has_digit = true;
        number_take_digit(&number, s.p[i], is_fraction);
    }
    if (!has_digit)
        return false;
    if (i < s.n) {
        int exponent;
        if ((s.p[i] != 'e' && s.p[i] != 'E') ||
            !read_exponent(span_from(s.p + i + 1, s.n - i - 1), &exponent))
            return false;
        number.exponent += exponent;
    }
    *ret_number = number;
    return true;
}

/* Compares the number with mantissa * 2^exponent. */
static int compare_number(const struct number *number, uint64_t mantissa, int exponent)
{
    struct big left = {0}, right;
    for (int i = 0; i < number->digit_count; i++)
        big_multiply_add(&left, 10, number->digit[i]);
    big_set(&right, mantissa);
    /* 10^e = 5^e * 2^e: powers of two of both sides meet on one. */
    big_multiply_power(number->exponent > 0 ? &left : &right, 5,
                       number->exponent > 0 ? number->exponent : -number->exponent);
    int twos = number->exponent - exponent;
    big_shift_left(twos > 0 ? &left : &right, twos > 0 ? twos : -twos);
    return big_compare(&left, &right);
}

/* Is the number above the middle between the doubles <bits> and <bits> + 1 (or on it, where <bits>
 * is odd, since ties go to even)? */
static bool is_above(const struct number *number, uint64_t bits)
{
    int exponent;
    uint64_t mantissa = split(bits, &exponent);
    int order = compare_number(number, 2 * mantissa + 1, exponent - 1);
    return order > 0 || (order == 0 && (bits & 1));
}

static double estimate(const struct number *number)
{
    double value = 0;
    for (int i = 0; i < number->digit_count && i < 17; i++)
        value = value * 10 + number->digit[i];
    int exponent = number->exponent + (number->digit_count > 17 ? number->digit_count - 17 : 0);
    double power = exponent < 0 ? 0.1 : 10;
    for (int rest = exponent < 0 ? -exponent : exponent; rest > 0; rest >>= 1, power *= power)
        if (rest & 1)
            value *= power;
    return value;
}

/* The bits of the nearest double: a search over bit patterns, which are ordered as their values. */
static uint64_t nearest_bits(const struct number *number)
{
    const uint64_t infinity = UINT64_C(0x7FF) << MANTISSA_BITS;
    double guess = estimate(number);
    uint64_t bits;
    memcpy(&bits, &guess, sizeof bits);
    uint64_t low = bits > 64 ? bits - 64 : 0, high = bits < infinity - 64 ? bits + 64 : infinity;
    if (low >= infinity || (low > 0 && !is_above(number, low - 1)))
        low = 0;
    if (high < infinity && is_above(number, high))
        high = infinity;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (is_above(number, middle))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Up to 15 digits and a power of ten up to 22 are exact doubles: one rounding, the right one. */
static bool parse_short(const struct number *number, double *ret_value)
{
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (number->digit_count > 15 || number->exponent < -22 || number->exponent > 22)
        return false;
    double value = 0;
    for (int i = 0; i < number->digit_count; i++)
        value = value * 10 + number->digit[i];
    *ret_value =
        number->exponent < 0 ? value / power[-number->exponent] : value * power[number->exponent];
    return true;
}

bool decimal_parse(struct span s, double *ret_value)
{
    struct number number;
    if (s.n > DECIMAL_PARSE_MAX || !read_number(s, &number))
        return false;
    double value;
    int top = number.exponent + number.digit_count;
    if (number.digit_count == 0 || top < -330) {
        value = 0;
    } else if (top > 310) {
        return false;
    } else if (!parse_short(&number, &value)) {
        uint64_t bits = nearest_bits(&number);
        if (bits >> MANTISSA_BITS == 0x7FF)
            return false;
        memcpy(&value, &bits, sizeof value);
    }
    *ret_value = number.is_negative ? -value : value;
    return true;
}
