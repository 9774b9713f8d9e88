#include "base/map.h"

#include <string.h>

#include "base/check.h"

void map_init(struct map *map, struct map_slot *slots, size_t slot_count)
{
    CHECK(slot_count > 0 && (slot_count & (slot_count - 1)) == 0);
    memset(slots, 0, slot_count * sizeof slots[0]);
    *map = (struct map){.slots = slots, .slot_count = slot_count};
}

static size_t home_of(const struct map *map, uint64_t key)
{
    /* Keys that count up, as ids do, would otherwise form one long run. */
    uint64_t mixed = key * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(mixed ^ mixed >> 32) & (map->slot_count - 1);
}

/* The slot of <key>, or the free one where it would go. There always is a free one. */
static size_t slot_of(const struct map *map, uint64_t key)
{
    CHECK(key != 0);
    size_t at = home_of(map, key);
    while (map->slots[at].key != 0 && map->slots[at].key != key)
        at = (at + 1) & (map->slot_count - 1);
    return at;
}

bool map_find(const struct map *map, uint64_t key, uint32_t *ret_value)
{
    const struct map_slot *slot = &map->slots[slot_of(map, key)];
    if (slot->key == 0)
        return false;
    *ret_value = slot->value;
    return true;
}

bool map_put(struct map *map, uint64_t key, uint32_t value)
{
    struct map_slot *slot = &map->slots[slot_of(map, key)];
    if (slot->key == 0) {
        if (map->count + 1 > map->slot_count * 7 / 8)
            return false;
        slot->key = key;
        map->count++;
    }
    slot->value = value;
    return true;
}

bool map_remove(struct map *map, uint64_t key)
{
    size_t mask = map->slot_count - 1;
    size_t hole = slot_of(map, key);
    if (map->slots[hole].key == 0)
        return false;
    /* Whoever stands behind the hole moves into it, unless its home lies behind the hole too. */
    for (size_t at = (hole + 1) & mask; map->slots[at].key != 0; at = (at + 1) & mask) {
        size_t distance_from_home = (at - home_of(map, map->slots[at].key)) & mask;
        size_t distance_from_hole = (at - hole) & mask;
        if (distance_from_home < distance_from_hole)
            continue;
        map->slots[hole] = map->slots[at];
        hole = at;
    }
    map->slots[hole] = (struct map_slot){0};
    map->count--;
    return true;
}
