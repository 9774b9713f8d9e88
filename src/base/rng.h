/* rng.h: xoshiro256++ from a seed. Every random choice of a core comes from one that its owner
 * brings. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_init(struct rng *rng, uint64_t seed);
uint64_t rng_next(struct rng *rng);

/* 0 .. n-1 without bias; n > 0. */
uint64_t rng_below(struct rng *rng, uint64_t n);

/* 0 <= x < 1, 53 bits. */
double rng_unit(struct rng *rng);

/* Standard normal (Box-Muller over base/maths.h). */
double rng_normal(struct rng *rng);

#endif
