/* span.h: bytes that somebody else owns. The string type of farspan: no NUL, no copy. */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const char *p; /* may be NULL when n is 0 */
    size_t n;
};

/* For printf-like text functions: text_add(t, "%.*s", SPAN_ARG(s)). */
#define SPAN_ARG(s) (int)(s).n, (s).p

#define SPAN_LITERAL(literal) ((struct span){"" literal, sizeof(literal) - 1})

static inline struct span span_of(const char *c_string)
{
    return (struct span){c_string, c_string ? strlen(c_string) : 0};
}

static inline struct span span_from(const char *p, size_t n)
{
    return (struct span){p, n};
}

static inline bool span_is_equal(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool span_is(struct span s, const char *c_string)
{
    return span_is_equal(s, span_of(c_string));
}

static inline bool span_starts_with(struct span s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && memcmp(s.p, prefix, n) == 0;
}

/* ASCII case ignored on both sides (RFC 9110 field names, schemes). */
bool span_is_equal_nocase(struct span a, struct span b);

/* <0, 0, >0 as memcmp over the shorter, then by length: a total order. */
int span_compare(struct span a, struct span b);

/* Without spaces and tabs at both ends. */
struct span span_trim(struct span s);

/* Cuts <s> at the first <mark>: the part before it is returned, <s> keeps the part behind it.
 * Without a mark all of <s> is returned and <s> becomes empty with p == NULL. */
struct span span_cut(struct span *s, char mark);

/* Whole span as a decimal number, digits only, no sign, no overflow; false otherwise. */
bool span_to_u64(struct span s, uint64_t *ret_value);

/* Whole span as a decimal fraction with optional sign and exponent, by fixed rules (no locale);
 * false when malformed or not finite. */
bool span_to_double(struct span s, double *ret_value);

/* Levenshtein distance of two short words (at most 64 bytes each count), for "did you mean". */
unsigned span_distance(struct span a, struct span b);

#endif
