/* timers.h: the timers of one loop: a binary heap by due time. No clock.
 *
 * A slot's key may lie before its timer's due_us: a time limit is moved later at every sign of
 * life, and that is one store; the slot is put right when it comes up. Invariants
 *   1. slots[i].due_us <= slots[i].timer->due_us
 *   2. slots[i].timer->heap_index == i
 *   3. slots[parent of i].due_us <= slots[i].due_us */
#ifndef NET_TIMERS_H
#define NET_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct net_timer;

struct timers {
    struct timers_slot {
        int64_t due_us;
        struct net_timer *timer;
    } * slots;
    int32_t count, room;
};

void timers_init(struct timers *timers);
void timers_fini(struct timers *timers);

/* Sets or moves. ERR_MEMORY: it is as before. Moving never fails. */
MUST_USE enum err timers_set(struct timers *timers, struct net_timer *timer, int64_t due_us);
void timers_clear(struct timers *timers, struct net_timer *timer); /* twice is fine */

/* When the first is due; false: none is set. */
bool timers_first(struct timers *timers, int64_t *ret_due_us);

/* One that is due at <now_us>, no longer set; NULL: none. Earliest first. */
struct net_timer *timers_take_due(struct timers *timers, int64_t now_us);

#endif
