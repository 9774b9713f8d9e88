#include "base/span.h"

#include "base/check.h"
#include "base/decimal.h"

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool span_is_equal_nocase(struct span a, struct span b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

int span_compare(struct span a, struct span b)
{
    size_t shorter = a.n < b.n ? a.n : b.n;
    int order = shorter > 0 ? memcmp(a.p, b.p, shorter) : 0;
    if (order != 0)
        return order;
    return a.n < b.n ? -1 : a.n > b.n;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct span span_trim(struct span s)
{
    while (s.n > 0 && is_blank(s.p[0]))
        s = span_from(s.p + 1, s.n - 1);
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

struct span span_cut(struct span *s, char mark)
{
    const char *at = s->n > 0 ? memchr(s->p, mark, s->n) : NULL;
    struct span before = *s;
    if (!at) {
        *s = (struct span){NULL, 0};
        return before;
    }
    before.n = (size_t)(at - s->p);
    *s = span_from(at + 1, s->n - before.n - 1);
    return before;
}

bool span_to_u64(struct span s, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.p[i] - '0'), &value))
            return false;
    }
    *ret_value = value;
    return true;
}

bool span_to_double(struct span s, double *ret_value)
{
    return decimal_parse(s, ret_value);
}

unsigned span_distance(struct span a, struct span b)
{
    enum { WORD_MAX = 64 };
    size_t rows = a.n < WORD_MAX ? a.n : WORD_MAX;
    size_t columns = b.n < WORD_MAX ? b.n : WORD_MAX;
    unsigned cost[WORD_MAX + 1];
    for (size_t j = 0; j <= columns; j++)
        cost[j] = (unsigned)j;
    for (size_t i = 1; i <= rows; i++) {
        unsigned diagonal = cost[0];
        cost[0] = (unsigned)i;
        for (size_t j = 1; j <= columns; j++) {
            unsigned replace = diagonal + (a.p[i - 1] != b.p[j - 1]);
            unsigned insert = cost[j - 1] + 1;
            unsigned remove = cost[j] + 1;
            diagonal = cost[j];
            cost[j] = replace < insert ? replace : insert;
            cost[j] = remove < cost[j] ? remove : cost[j];
        }
    }
    return cost[columns];
}
