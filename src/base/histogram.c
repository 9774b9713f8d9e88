#include "base/histogram.h"

#include <string.h>

#include "base/check.h"

enum { SUB_BITS = 5 };

static unsigned bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_SUB)
        return (unsigned)value;
    unsigned power = 63U - (unsigned)__builtin_clzll(value);
    unsigned group = power - SUB_BITS;
    if (group >= HISTOGRAM_POWERS)
        return HISTOGRAM_BUCKETS - 1;
    return (group + 1) * HISTOGRAM_SUB + ((unsigned)(value >> group) - HISTOGRAM_SUB);
}

/* The largest value that bucket_of() puts there; the last bucket has none. */
static uint64_t upper_edge(unsigned bucket)
{
    if (bucket == HISTOGRAM_BUCKETS - 1)
        return UINT64_MAX;
    if (bucket < HISTOGRAM_SUB)
        return bucket;
    unsigned group = bucket / HISTOGRAM_SUB - 1;
    uint64_t lead = HISTOGRAM_SUB + bucket % HISTOGRAM_SUB;
    return ((lead + 1) << group) - 1;
}

void histogram_init(struct histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
    histogram->min = UINT64_MAX;
}

static uint32_t add_saturated(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    uint32_t *bucket = &histogram->bucket[bucket_of(value)];
    *bucket = add_saturated(*bucket, 1);
    histogram->count++;
    histogram->sum += value;
    histogram->min = value < histogram->min ? value : histogram->min;
    histogram->max = value > histogram->max ? value : histogram->max;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->bucket[i] = add_saturated(into->bucket[i], from->bucket[i]);
    into->count += from->count;
    into->sum += from->sum;
    into->min = from->min < into->min ? from->min : into->min;
    into->max = from->max > into->max ? from->max : into->max;
}

uint64_t histogram_quantile(const struct histogram *histogram, uint32_t per_million)
{
    CHECK(per_million <= 1000000);
    if (histogram->count == 0)
        return 0;
    /* The rank-th smallest, 1-based, rounded up: a quantile never flatters. */
    unsigned __int128 product = (unsigned __int128)histogram->count * per_million;
    uint64_t rank = (uint64_t)((product + 999999) / 1000000);
    rank = rank > 0 ? rank : 1;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->bucket[i];
        if (seen >= rank) {
            uint64_t edge = upper_edge(i);
            return edge < histogram->max ? edge : histogram->max;
        }
    }
    return histogram->max;
}
