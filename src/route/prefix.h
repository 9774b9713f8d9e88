/* prefix.h: which targets have the beginning of this prompt in their cache.
 *
 * A prompt is a sequence of decoded text bytes: for each message a role byte, then its text
 * (http/json_scan.h feeds them as they arrive). It is cut into blocks of PREFIX_BLOCK bytes; hash i
 * covers block i and, by chaining, all before it, seeded by service and tenant so that tenants
 * never share. Gateway and worker compute the same chain with this code.
 *
 * The index is one flat table of relaxed atomics, shared by all loops of a process and right
 * without being exact: a lost race costs a cache miss, never a wrong answer. Key: block hash.
 * Value: bit mask of target slots (0 .. 63). Buckets of 8 ways; the way touched longest ago is
 * replaced.
 *
 * Source: NVIDIA Dynamo's positional index (probe ahead, scan back), reference/routing.md §4.5. */
#ifndef ROUTE_PREFIX_H
#define ROUTE_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/span.h"

enum { PREFIX_BLOCK = 256, PREFIX_BYTES_PER_TOKEN = 4 };

enum prefix_role {
    PREFIX_SYSTEM = 1,
    PREFIX_USER = 2,
    PREFIX_ASSISTANT = 3,
    PREFIX_TOOL = 4,
    PREFIX_PROMPT = 5,
    PREFIX_OTHER = 6
};

/* The chain of one prompt while it arrives. */
struct prefix_chain {
    uint64_t seed;
    uint64_t hash[LIMIT_PREFIX_BLOCKS]; /* of whole blocks */
    uint32_t hash_count;
    uint64_t byte_count; /* text bytes in all, beyond the last whole block too */
    uint32_t partial_size;
    uint8_t partial[PREFIX_BLOCK];
};

uint64_t prefix_seed(struct span service, struct span tenant);
void prefix_chain_init(struct prefix_chain *chain, uint64_t seed);
void prefix_chain_role(struct prefix_chain *chain, enum prefix_role role);
void prefix_chain_add(struct prefix_chain *chain, const char *text, size_t n);

/* Binds a whole chain to its service, which is known last: clients write "messages" before "model".
 * Every hash changes, so that services share nothing; prompts that begin alike still do. */
void prefix_chain_bind(struct prefix_chain *chain, struct span service);

/* byte_count / PREFIX_BYTES_PER_TOKEN, at least 1. */
uint32_t prefix_chain_tokens(const struct prefix_chain *chain);

struct prefix_index;

/* Bytes that an index of <slot_count> (a power of two, >= 8) takes; init in zeroed memory of that
 * size, 64-aligned. */
size_t prefix_index_size(uint32_t slot_count);
struct prefix_index *prefix_index_init(void *memory, uint32_t slot_count);

/* For each target slot, how many leading blocks it holds: ret_blocks[0 .. 63]. <hash> is only read
 * up to LIMIT_PREFIX_BLOCKS. */
void prefix_index_match(const struct prefix_index *index, const uint64_t *hash, uint32_t hash_count,
                        uint16_t ret_blocks[LIMIT_TARGETS]);

/* The prompt goes to <slot>: it will hold these blocks. */
void prefix_index_add(struct prefix_index *index, const uint64_t *hash, uint32_t hash_count,
                      unsigned slot);

/* <slot> has lost its cache (restart). Touches every bucket: not for the hot path. */
void prefix_index_forget(struct prefix_index *index, unsigned slot);

#endif
