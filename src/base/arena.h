/* arena.h: memory that goes all at once. The caller brings the block; an arena never grows by
 * itself.
 *
 * A request, a loaded file, a view of the fleet each own one. When it is full, arena_take() answers
 * NULL and <is_overflown> stays set until arena_reset(), so that a chain of takes needs one check
 * at its end (Varnish's workspace). */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

struct arena {
    char *base;
    size_t size;
    size_t used;
    bool is_overflown;
};

void arena_init(struct arena *arena, void *memory, size_t size);

/* Forgets everything taken since <used> was the given mark (0: everything). */
void arena_reset(struct arena *arena, size_t used);

/* <size> zeroed bytes, aligned for any type; NULL when there is no room. size 0 gives a valid
 * pointer. */
void *arena_take(struct arena *arena, size_t size);

/* count * size with overflow checked. */
void *arena_take_array(struct arena *arena, size_t count, size_t size);

/* The same, but whatever was there before stays: for what is large and written before it is read.
 */
void *arena_take_room(struct arena *arena, size_t count, size_t size);

/* A copy of <s> followed by a NUL that is not counted; {NULL, 0} when there is no room. */
struct span arena_copy(struct arena *arena, struct span s);

#define ARENA_NEW(arena, type)          ((type *)arena_take((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_take_array((arena), (count), sizeof(type)))
#define ARENA_ROOM(arena, type, count)  ((type *)arena_take_room((arena), (count), sizeof(type)))

#endif
