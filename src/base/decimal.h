/* decimal.h: doubles to decimal digits and back, exactly, by integer arithmetic of our own: the
 * same text on every machine and in every locale. Not for hot paths (some microseconds for extreme
 * exponents); text.h and span.h are the doors to it. */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include <stdbool.h>

#include "base/span.h"

enum {
    DECIMAL_DIGITS = 800,   /* 767 significant digits print any double exactly */
    DECIMAL_PARSE_MAX = 512 /* bytes of a number that decimal_parse() looks at */
};

/* value = 0.d1 d2 d3 ... * 10^point; no leading zero, <count> 0 means zero. */
struct decimal {
    int count;
    int point;
    char digit[DECIMAL_DIGITS]; /* '0' .. '9' */
};

/* The exact value of |x|; x finite. */
void decimal_of(double x, struct decimal *ret_decimal);

/* Keeps <count> digits (may be 0 or negative: then 0 or one digit is left), rounded half to even.
 */
void decimal_round(struct decimal *decimal, int count);

/* [+-] digits [. digits] [e[+-] digits], nothing else; at least one digit before or behind the
 * point. Rounded to the nearest double, ties to even; digits beyond the 40th only count as "more".
 * False when malformed, longer than DECIMAL_PARSE_MAX, or too large for a double. */
bool decimal_parse(struct span s, double *ret_value);

#endif
