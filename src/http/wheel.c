#include "http/wheel.h"

#include <stddef.h>

#include "base/check.h"

/* The first tick at whose start a deadline has passed. */
static int64_t tick_of(int64_t due_us)
{
    return due_us / WHEEL_TICK_US + 1;
}

static void link_in_slot(struct wheel *wheel, struct wheel_entry *entry)
{
    int64_t tick = tick_of(entry->due_us);
    if (tick < wheel->tick)
        tick = wheel->tick;
    unsigned slot = (unsigned)(tick % WHEEL_SLOTS);
    list_push(&wheel->slots[slot], &entry->link);
    wheel->used[slot / 64] |= UINT64_C(1) << (slot % 64);
    entry->at_us = entry->due_us;
    if (tick * WHEEL_TICK_US < wheel->next_us)
        wheel->next_us = tick * WHEEL_TICK_US;
}

static void link_entry(struct wheel *wheel, struct wheel_entry *entry)
{
    if (entry->due_us == WHEEL_NEVER) {
        entry->at_us = WHEEL_NEVER;
        list_push(&wheel->never, &entry->link);
        return;
    }
    link_in_slot(wheel, entry);
}

void wheel_init(struct wheel *wheel, int64_t now_us)
{
    CHECK(now_us >= 0);
    for (unsigned i = 0; i < WHEEL_SLOTS; i++)
        list_init(&wheel->slots[i]);
    for (unsigned i = 0; i < COUNT_OF(wheel->used); i++)
        wheel->used[i] = 0;
    list_init(&wheel->never);
    list_init(&wheel->due);
    wheel->tick = now_us / WHEEL_TICK_US;
    wheel->next_us = WHEEL_NEVER;
}

void wheel_entry_init(struct wheel_entry *entry)
{
    list_init(&entry->link);
    entry->due_us = entry->at_us = WHEEL_NEVER;
}

void wheel_link(struct wheel *wheel, struct wheel_entry *entry)
{
    CHECK(entry->due_us >= 0);
    list_remove(&entry->link);
    link_entry(wheel, entry);
}

void wheel_remove(struct wheel_entry *entry)
{
    list_remove(&entry->link);
}

int64_t wheel_next_us(const struct wheel *wheel)
{
    return wheel->next_us;
}

static void take_slot(struct wheel *wheel, unsigned slot)
{
    struct list *from = &wheel->slots[slot];
    wheel->used[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    if (list_is_empty(from))
        return;
    /* the whole chain goes behind <due> */
    from->next->prev = wheel->due.prev;
    wheel->due.prev->next = from->next;
    from->prev->next = &wheel->due;
    wheel->due.prev = from->prev;
    list_init(from);
}

static void look_at_ticks(struct wheel *wheel, int64_t now_us)
{
    int64_t now_tick = now_us / WHEEL_TICK_US;
    if (now_tick - wheel->tick >= WHEEL_SLOTS)
        wheel->tick = now_tick - WHEEL_SLOTS + 1;
    for (; wheel->tick <= now_tick; wheel->tick++)
        take_slot(wheel, (unsigned)(wheel->tick % WHEEL_SLOTS));
}

/* The next slot that may hold something, at most one turn ahead. */
static int64_t find_next_us(const struct wheel *wheel)
{
    for (int64_t tick = wheel->tick; tick < wheel->tick + WHEEL_SLOTS;) {
        unsigned slot = (unsigned)(tick % WHEEL_SLOTS);
        uint64_t rest = wheel->used[slot / 64] >> (slot % 64);
        if (rest)
            return (tick + __builtin_ctzll(rest)) * WHEEL_TICK_US;
        tick += 64 - slot % 64;
    }
    return WHEEL_NEVER;
}

struct wheel_entry *wheel_take_due(struct wheel *wheel, int64_t now_us)
{
    if (now_us >= wheel->next_us) {
        look_at_ticks(wheel, now_us);
        wheel->next_us = find_next_us(wheel);
    }
    while (!list_is_empty(&wheel->due)) {
        struct wheel_entry *entry = CONTAINER_OF(wheel->due.next, struct wheel_entry, link);
        list_remove(&entry->link);
        if (entry->due_us <= now_us)
            return entry;
        link_entry(wheel, entry);
    }
    return NULL;
}
