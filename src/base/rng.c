#include "base/rng.h"

#include "base/check.h"
#include "base/maths.h"

/* splitmix64, the seeding that the authors of xoshiro ask for. */
static uint64_t next_seed(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

void rng_init(struct rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        rng->s[i] = next_seed(&seed);
}

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

uint64_t rng_next(struct rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = rotate(s[0] + s[3], 23) + s[0];
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t rng_below(struct rng *rng, uint64_t n)
{
    CHECK(n > 0);
    /* Lemire's multiply-and-reject: the low word decides whether a draw is biased. */
    unsigned __int128 product = (unsigned __int128)rng_next(rng) * n;
    uint64_t threshold = -n % n;
    while ((uint64_t)product < threshold)
        product = (unsigned __int128)rng_next(rng) * n;
    return (uint64_t)(product >> 64);
}

double rng_unit(struct rng *rng)
{
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

double rng_normal(struct rng *rng)
{
    double radius = 1.0 - rng_unit(rng); /* 0 < radius <= 1: log is finite */
    double angle = 6.283185307179586477 * rng_unit(rng);
    return __builtin_sqrt(-2.0 * maths_log(radius)) * maths_cos(angle);
}
