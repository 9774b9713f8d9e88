/* wheel.h: many deadlines, mostly moved before they come due. Pure: time comes in as an argument.
 *
 * A hashed timing wheel (Varghese & Lauck, 1987): WHEEL_SLOTS slots of WHEEL_TICK_US each, a list a
 * slot. Connections and calls move their deadlines with every request; a heap would pay log n for
 * each move, a wheel nothing at all when the deadline only moves later: the entry stays where it is
 * until its slot is looked at, and is put where it belongs then. So an entry is never reported
 * early, and at most one tick late.
 *
 * Invariants
 *   1. an entry that is in the wheel is in exactly one list: a slot, <never> or <due>;
 *   2. at_us <= due_us: the slot that holds an entry is looked at no later than its deadline asks;
 *   3. next_us is a lower bound of every at_us (INT64_MAX: no deadline at all).
 *
 * The owner sets one timer of the loop to wheel_next_us() and takes what is due with
 * wheel_take_due(). Entries belong to the caller. */
#ifndef HTTP_WHEEL_H
#define HTTP_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

enum { WHEEL_TICK_US = 1 << 14, WHEEL_SLOTS = 1024 };

#define WHEEL_NEVER INT64_MAX

struct wheel_entry {
    int64_t due_us; /* WHEEL_NEVER: none */
    int64_t at_us;  /* when its slot is looked at; WHEEL_NEVER: in <never> */
    struct list link;
};

struct wheel {
    struct list slots[WHEEL_SLOTS];
    uint64_t used[WHEEL_SLOTS / 64]; /* a bit a slot: it may hold something */
    struct list never;
    struct list due; /* taken out of their slots, not yet looked at */
    int64_t tick;    /* first one that was not looked at yet */
    int64_t next_us;
};

void wheel_init(struct wheel *wheel, int64_t now_us);

/* An entry that is in no wheel. */
void wheel_entry_init(struct wheel_entry *entry);

/* For wheel_put(): into the slot of its deadline. */
void wheel_link(struct wheel *wheel, struct wheel_entry *entry);

/* Gives <entry> the deadline <due_us> (>= 0; WHEEL_NEVER: none), in the wheel or new in it. Writes
 * one word when the deadline moves later. true: wheel_next_us() may have come closer. */
static inline bool wheel_put(struct wheel *wheel, struct wheel_entry *entry, int64_t due_us)
{
    entry->due_us = due_us;
    if (entry->at_us <= due_us && !list_is_empty(&entry->link))
        return false;
    wheel_link(wheel, entry);
    return true;
}

void wheel_remove(struct wheel_entry *entry); /* twice is fine */

/* When to call wheel_take_due() next: WHEEL_NEVER without any deadline. */
int64_t wheel_next_us(const struct wheel *wheel);

/* One entry whose deadline has come, taken out of the wheel; NULL when there is none left. Between
 * two calls entries may be put and removed. */
struct wheel_entry *wheel_take_due(struct wheel *wheel, int64_t now_us);

#endif
