/* map.h: uint64 key -> uint32 value, open addressing over memory the caller brings. Bounded:
 * map_put refuses when 7/8 full. Key 0 is not allowed (hash first). Iteration order is not offered:
 * nothing may depend on it. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
    uint64_t key; /* 0: free */
    uint32_t value;
    uint32_t reserved;
};

struct map {
    struct map_slot *slots;
    size_t slot_count; /* a power of two */
    size_t count;
};

/* <slots> of <slot_count> (a power of two), zeroed by map_init. */
void map_init(struct map *map, struct map_slot *slots, size_t slot_count);
bool map_find(const struct map *map, uint64_t key, uint32_t *ret_value);
bool map_put(struct map *map, uint64_t key, uint32_t value); /* replaces */
bool map_remove(struct map *map, uint64_t key);              /* backward shift, no tombstones */

#endif
