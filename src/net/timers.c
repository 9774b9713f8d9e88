#include "net/timers.h"

#include "base/check.h"
#include "net/loop.h"
#include "os/memory.h"

enum { ROOM_MIN = 64, ROOM_MAX = 1 << 24 };

void timers_init(struct timers *timers)
{
    *timers = (struct timers){0};
}

void timers_fini(struct timers *timers)
{
    os_free(timers->slots);
    timers_init(timers);
}

static void put(struct timers *timers, int32_t index, struct timers_slot slot)
{
    timers->slots[index] = slot;
    slot.timer->heap_index = index;
}

static void rise(struct timers *timers, int32_t index)
{
    struct timers_slot slot = timers->slots[index];
    while (index > 0) {
        int32_t parent = (index - 1) / 2;
        if (timers->slots[parent].due_us <= slot.due_us)
            break;
        put(timers, index, timers->slots[parent]);
        index = parent;
    }
    put(timers, index, slot);
}

static void sink(struct timers *timers, int32_t index)
{
    struct timers_slot slot = timers->slots[index];
    for (;;) {
        int32_t child = 2 * index + 1;
        if (child >= timers->count)
            break;
        if (child + 1 < timers->count &&
            timers->slots[child + 1].due_us < timers->slots[child].due_us)
            child++;
        if (slot.due_us <= timers->slots[child].due_us)
            break;
        put(timers, index, timers->slots[child]);
        index = child;
    }
    put(timers, index, slot);
}

static enum err make_room(struct timers *timers)
{
    if (timers->count < timers->room)
        return ERR_OK;
    if (timers->room == ROOM_MAX)
        return ERR_FULL;
    int32_t room = timers->room ? 2 * timers->room : ROOM_MIN;
    struct timers_slot *slots = os_resize(timers->slots, (size_t)room * sizeof *slots);
    if (!slots)
        return ERR_MEMORY;
    timers->slots = slots;
    timers->room = room;
    return ERR_OK;
}

enum err timers_set(struct timers *timers, struct net_timer *timer, int64_t due_us)
{
    if (timer->heap_index < 0) {
        enum err err = make_room(timers);
        if (err != ERR_OK)
            return err;
        timer->due_us = due_us;
        put(timers, timers->count++, (struct timers_slot){due_us, timer});
        rise(timers, timer->heap_index);
        return ERR_OK;
    }
    struct timers_slot *slot = &timers->slots[timer->heap_index];
    CHECK(slot->timer == timer);
    timer->due_us = due_us;
    if (due_us < slot->due_us) {
        slot->due_us = due_us;
        rise(timers, timer->heap_index);
    }
    return ERR_OK;
}

void timers_clear(struct timers *timers, struct net_timer *timer)
{
    int32_t index = timer->heap_index;
    if (index < 0)
        return;
    CHECK(timers->slots[index].timer == timer);
    timer->heap_index = -1;
    struct timers_slot last = timers->slots[--timers->count];
    if (last.timer == timer)
        return;
    put(timers, index, last);
    rise(timers, index);
    sink(timers, last.timer->heap_index);
}

bool timers_first(struct timers *timers, int64_t *ret_due_us)
{
    while (timers->count > 0) {
        struct timers_slot *first = &timers->slots[0];
        if (first->due_us == first->timer->due_us) {
            *ret_due_us = first->due_us;
            return true;
        }
        first->due_us = first->timer->due_us;
        sink(timers, 0);
    }
    return false;
}

struct net_timer *timers_take_due(struct timers *timers, int64_t now_us)
{
    int64_t due_us;
    if (!timers_first(timers, &due_us) || due_us > now_us)
        return NULL;
    struct net_timer *timer = timers->slots[0].timer;
    timers_clear(timers, timer);
    return timer;
}
