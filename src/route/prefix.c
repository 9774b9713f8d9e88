#include "route/prefix.h"

#include <stdatomic.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"

enum {
    WAYS = 8,
    JUMP = 32, /* blocks between two probes of a match */
    LINE = 64
};

uint64_t prefix_seed(struct span service, struct span tenant)
{
    return hash_pair(hash_span(service, 1), hash_span(tenant, 2));
}

void prefix_chain_init(struct prefix_chain *chain, uint64_t seed)
{
    chain->seed = seed;
    chain->hash_count = 0;
    chain->byte_count = 0;
    chain->partial_size = 0;
}

void prefix_chain_bind(struct prefix_chain *chain, struct span service)
{
    uint64_t word = prefix_seed(service, (struct span){0, 0});
    for (uint32_t i = 0; i < chain->hash_count; i++)
        chain->hash[i] ^= word;
}

/* Blocks are hashed apart and chained after that, so that one need not wait for the one before. */
static void add_block(struct prefix_chain *chain, const void *block)
{
    uint64_t before = chain->hash_count ? chain->hash[chain->hash_count - 1] : chain->seed;
    uint64_t hash = hash_pair(before, hash_bytes(block, PREFIX_BLOCK, 0));
    chain->hash[chain->hash_count++] = hash ? hash : 1; /* 0 marks a free way of the index */
}

static void add_bytes(struct prefix_chain *chain, const char *p, size_t n)
{
    while (n > 0 && chain->hash_count < LIMIT_PREFIX_BLOCKS) {
        if (chain->partial_size == 0 && n >= PREFIX_BLOCK) {
            add_block(chain, p);
            p += PREFIX_BLOCK;
            n -= PREFIX_BLOCK;
            continue;
        }
        size_t room = PREFIX_BLOCK - chain->partial_size;
        size_t part = n < room ? n : room;
        memcpy(chain->partial + chain->partial_size, p, part);
        chain->partial_size += (uint32_t)part;
        p += part;
        n -= part;
        if (chain->partial_size == PREFIX_BLOCK) {
            add_block(chain, chain->partial);
            chain->partial_size = 0;
        }
    }
}

void prefix_chain_role(struct prefix_chain *chain, enum prefix_role role)
{
    char byte = (char)role;
    add_bytes(chain, &byte, 1);
}

void prefix_chain_add(struct prefix_chain *chain, const char *text, size_t n)
{
    chain->byte_count += n;
    add_bytes(chain, text, n);
}

uint32_t prefix_chain_tokens(const struct prefix_chain *chain)
{
    uint64_t tokens = chain->byte_count / PREFIX_BYTES_PER_TOKEN;
    return tokens < 1 ? 1 : tokens > UINT32_MAX ? UINT32_MAX : (uint32_t)tokens;
}

/* Three cache lines; a match reads two of them. */
struct bucket {
    _Atomic uint64_t key[WAYS]; /* 0: free */
    _Atomic uint64_t mask[WAYS];
    _Atomic uint32_t touched[WAYS]; /* turn of the last add */
    uint32_t reserved[WAYS];
};

struct prefix_index {
    uint64_t bucket_mask;
    _Atomic uint32_t turn; /* adds so far; wraps */
    char pad[LINE - sizeof(uint64_t) - sizeof(uint32_t)];
    struct bucket buckets[];
};

_Static_assert(sizeof(struct bucket) == 3 * LINE, "a bucket is whole cache lines");
_Static_assert(offsetof(struct prefix_index, buckets) == LINE, "buckets begin on a cache line");
_Static_assert(LIMIT_TARGETS == 64, "a mask has a bit for each target slot");

size_t prefix_index_size(uint32_t slot_count)
{
    CHECK(slot_count >= WAYS && (slot_count & (slot_count - 1)) == 0);
    return sizeof(struct prefix_index) + slot_count / WAYS * sizeof(struct bucket);
}

struct prefix_index *prefix_index_init(void *memory, uint32_t slot_count)
{
    CHECK((uintptr_t)memory % LINE == 0);
    CHECK(slot_count >= WAYS && (slot_count & (slot_count - 1)) == 0);
    struct prefix_index *index = memory;
    index->bucket_mask = slot_count / WAYS - 1;
    return index;
}

static uint64_t read_word(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void write_word(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

/* Which slots hold the block <hash>. */
static uint64_t holders_of(const struct prefix_index *index, uint64_t hash)
{
    const struct bucket *bucket = &index->buckets[hash & index->bucket_mask];
    for (unsigned way = 0; way < WAYS; way++)
        if (read_word(&bucket->key[way]) == hash)
            return read_word(&bucket->mask[way]);
    return 0;
}

/* All of <lost> hold block <first> and none holds block <behind>: finds where each one ends. */
static void find_ends(const struct prefix_index *index, const uint64_t *hash, uint32_t first,
                      uint32_t behind, uint64_t lost, uint16_t ret_blocks[LIMIT_TARGETS])
{
    while (lost) {
        uint32_t low = first, high = behind;
        uint64_t holders = lost; /* of block <low>, among the lost */
        while (high - low > 1) {
            uint32_t middle = low + (high - low) / 2;
            uint64_t held = holders_of(index, hash[middle]) & lost;
            low = held ? middle : low;
            high = held ? high : middle;
            holders = held ? held : holders;
        }
        lost &= ~holders;
        behind = low; /* nobody who is left holds it */
        for (; holders; holders &= holders - 1)
            ret_blocks[__builtin_ctzll(holders)] = (uint16_t)(low + 1);
    }
}

void prefix_index_match(const struct prefix_index *index, const uint64_t *hash, uint32_t hash_count,
                        uint16_t ret_blocks[LIMIT_TARGETS])
{
    memset(ret_blocks, 0, LIMIT_TARGETS * sizeof ret_blocks[0]);
    uint32_t count = hash_count < LIMIT_PREFIX_BLOCKS ? hash_count : LIMIT_PREFIX_BLOCKS;
    if (count == 0)
        return;
    for (uint32_t i = JUMP; i < count; i += JUMP)
        __builtin_prefetch(&index->buckets[hash[i] & index->bucket_mask]);

    uint64_t alive = holders_of(index, hash[0]);
    uint32_t held = 0; /* all alive hold this block */
    while (alive && held + 1 < count) {
        uint32_t probe = held + JUMP < count ? held + JUMP : count - 1;
        uint64_t holders = holders_of(index, hash[probe]) & alive;
        find_ends(index, hash, held, probe, alive & ~holders, ret_blocks);
        alive = holders;
        held = probe;
    }
    for (; alive; alive &= alive - 1)
        ret_blocks[__builtin_ctzll(alive)] = (uint16_t)count;
}

/* Of a bucket without the block: a free way, or the one touched longest ago. */
static unsigned oldest_way(const struct bucket *bucket, uint32_t turn)
{
    unsigned oldest = 0;
    uint32_t age_max = 0;
    for (unsigned way = 0; way < WAYS; way++) {
        if (read_word(&bucket->key[way]) == 0)
            return way;
        /* Turns wrap: only their distance means something. */
        uint32_t age = turn - atomic_load_explicit(&bucket->touched[way], memory_order_relaxed);
        oldest = age > age_max ? way : oldest;
        age_max = age > age_max ? age : age_max;
    }
    return oldest;
}

static void add_hash(struct prefix_index *index, uint64_t hash, uint64_t slot_bit, uint32_t turn)
{
    struct bucket *bucket = &index->buckets[hash & index->bucket_mask];
    unsigned way = 0;
    while (way < WAYS && read_word(&bucket->key[way]) != hash)
        way++;
    if (way == WAYS) {
        way = oldest_way(bucket, turn);
        /* Empty before renamed: a reader in between finds nobody rather than the former holders. */
        write_word(&bucket->mask[way], 0);
        write_word(&bucket->key[way], hash);
    }
    if (!(read_word(&bucket->mask[way]) & slot_bit))
        atomic_fetch_or_explicit(&bucket->mask[way], slot_bit, memory_order_relaxed);
    atomic_store_explicit(&bucket->touched[way], turn, memory_order_relaxed);
}

void prefix_index_add(struct prefix_index *index, const uint64_t *hash, uint32_t hash_count,
                      unsigned slot)
{
    CHECK(slot < LIMIT_TARGETS);
    uint32_t count = hash_count < LIMIT_PREFIX_BLOCKS ? hash_count : LIMIT_PREFIX_BLOCKS;
    uint32_t turn = atomic_fetch_add_explicit(&index->turn, 1, memory_order_relaxed) + 1;
    enum { AHEAD = 8 };
    for (uint32_t i = 0; i < count; i++) {
        if (i + AHEAD < count)
            __builtin_prefetch(&index->buckets[hash[i + AHEAD] & index->bucket_mask], 1);
        add_hash(index, hash[i], UINT64_C(1) << slot, turn);
    }
}

void prefix_index_forget(struct prefix_index *index, unsigned slot)
{
    CHECK(slot < LIMIT_TARGETS);
    uint64_t others = ~(UINT64_C(1) << slot);
    for (uint64_t i = 0; i <= index->bucket_mask; i++)
        for (unsigned way = 0; way < WAYS; way++)
            if (read_word(&index->buckets[i].mask[way]) & ~others)
                atomic_fetch_and_explicit(&index->buckets[i].mask[way], others,
                                          memory_order_relaxed);
}
