#include "base/arena.h"

#include <stdint.h>
#include <string.h>

#include "base/check.h"

enum { ARENA_ALIGNMENT = 16 };

void arena_init(struct arena *arena, void *memory, size_t size)
{
    CHECK(memory || size == 0);
    *arena = (struct arena){.base = memory, .size = size};
}

void arena_reset(struct arena *arena, size_t used)
{
    CHECK(used <= arena->used);
    arena->used = used;
    arena->is_overflown = false;
}

/* Where the next take begins: aligned by address, whatever block the caller brought. */
static size_t next_offset(const struct arena *arena)
{
    uintptr_t address = (uintptr_t)arena->base + arena->used;
    uintptr_t aligned = (address + ARENA_ALIGNMENT - 1) & ~(uintptr_t)(ARENA_ALIGNMENT - 1);
    return arena->used + (size_t)(aligned - address);
}

void *arena_take_room(struct arena *arena, size_t count, size_t size)
{
    CHECK(arena->used <= arena->size);
    size_t start = next_offset(arena), bytes;
    if (arena->is_overflown || __builtin_mul_overflow(count, size, &bytes) || start > arena->size ||
        bytes > arena->size - start) {
        arena->is_overflown = true;
        return NULL;
    }
    arena->used = start + bytes;
    return arena->base + start;
}

void *arena_take_array(struct arena *arena, size_t count, size_t size)
{
    void *taken = arena_take_room(arena, count, size);
    return taken ? memset(taken, 0, count * size) : NULL;
}

void *arena_take(struct arena *arena, size_t size)
{
    return arena_take_array(arena, 1, size);
}

struct span arena_copy(struct arena *arena, struct span s)
{
    char *copy = s.n < SIZE_MAX ? arena_take(arena, s.n + 1) : NULL;
    if (!copy)
        return (struct span){NULL, 0};
    if (s.n > 0)
        memcpy(copy, s.p, s.n);
    return (struct span){copy, s.n};
}
