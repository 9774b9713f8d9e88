/* hash.h: fast keyed hashes (XXH3, by the xxhash library). Not for secrets: those are in crypto.h.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

uint64_t hash_bytes(const void *p, size_t n, uint64_t seed);

static inline uint64_t hash_span(struct span s, uint64_t seed)
{
    return hash_bytes(s.p, s.n, seed);
}

/* Mixes two words into one (order matters). */
uint64_t hash_pair(uint64_t a, uint64_t b);

/* CRC-32C of small state files and frames. */
uint32_t hash_crc32c(const void *p, size_t n);

#endif
