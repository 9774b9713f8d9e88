/* histogram.h: counts of positive integers in log-linear buckets (32 a power of two: 3 % wide).
 *
 * Fixed size, no allocation; values above the last bucket count in it. Quantiles answer the upper
 * edge of the bucket, so they never flatter. Two histograms add up bucket by bucket. */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_SUB = 32,
    HISTOGRAM_POWERS = 36,
    HISTOGRAM_BUCKETS = HISTOGRAM_SUB * (HISTOGRAM_POWERS + 1)
};

struct histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t min; /* UINT64_MAX while empty */
    uint64_t max;
    uint32_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_init(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The value that a share of <per_million> of the counts does not exceed; 0 while empty. */
uint64_t histogram_quantile(const struct histogram *histogram, uint32_t per_million);

#endif
