/* queue.h: who is computed next in one engine, who waits, who is refused. Pure.
 *
 * One queue stands before one engine child. A lane is one replica that the child serves: it has
 * slots (requests side by side) and room for waiting ones. The oldest waiting request of a lane
 * with a free slot goes first.
 *
 *                          queue_offer               queue_next
 *     (refused) <--- request ---------> WAITING -----------------> RUNNING ---> queue_finish
 *                                          ^                          |
 *                                          |   the engine died and    |
 *                                          +--------------------------+
 *                                            nothing was said yet: SUSPECT
 *
 * After a death of the engine, what was in flight and had not streamed yet is suspect: suspects go
 * first, alone, one at a time, nothing beside them, so that the guilty one is found and the others
 * are answered. One that is alone at a second death is quarantined by its hash for
 * QUEUE_QUARANTINE_US.
 *
 * Invariants, checked at every event
 *   1. a lane runs at most its slots; it holds at most waiting_max waiting ones, retried ones not
 *      counted (they were admitted before).
 *   2. while a suspect waits or runs, nothing else starts; a suspect starts only when nothing runs.
 *   3. nothing starts while the engine is not ready.
 *
 * Time is monotonic us and comes in with the event. Memory is the caller's. */
#ifndef WORKER_QUEUE_H
#define WORKER_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/list.h"

enum { QUEUE_LANES_MAX = LIMIT_SERVICES };
#define QUEUE_QUARANTINE_US (INT64_C(600) * 1000 * 1000)

enum queue_state { QUEUE_FREE, QUEUE_WAITING, QUEUE_RUNNING };

struct queue_entry {
    struct list link; /* free, waiting of its lane, suspects, or running */
    enum queue_state state;
    uint16_t lane;
    bool is_suspect, has_streamed, is_cancelled;
    uint64_t hash; /* of the request: what quarantine knows it by */
    int64_t offered_us, started_us;
    void *user;
};

struct queue_lane {
    uint32_t slots, waiting_max; /* rules */
    uint32_t running, waiting;   /* now */
    int64_t service_us;          /* of one request, moving mean over about 8; 0: none seen yet */
    struct list waiting_list;    /* oldest first; suspects are in a list of their own */
};

struct queue_quarantined {
    uint64_t hash;
    int64_t until_us;
};

struct queue {
    struct queue_lane lanes[QUEUE_LANES_MAX];
    uint16_t lane_count;
    uint32_t entry_count;
    struct queue_entry *entries; /* the caller's */
    struct list free_list, suspects, running_list;
    uint32_t running, suspects_waiting;
    bool is_ready;    /* the engine takes work */
    bool is_draining; /* nothing new is admitted */
    bool suspect_runs;
    struct queue_quarantined quarantine[LIMIT_QUARANTINE];
    uint32_t quarantine_next;
};

enum queue_refusal { QUEUE_ACCEPTED, QUEUE_FULL, QUEUE_QUARANTINED, QUEUE_DRAINING };

struct queue_verdict {
    enum queue_refusal refusal;
    uint32_t retry_after_s; /* FULL, DRAINING: 1 .. 60, from the lane's service time */
};

/* Entries that <lane_count> lanes may need at once: slots + waiting_max of each. */
void queue_init(struct queue *queue, struct queue_entry *entries, uint32_t entry_count);
uint16_t queue_lane_add(struct queue *queue, uint32_t slots, uint32_t waiting_max);

struct queue_verdict queue_offer(struct queue *queue, uint16_t lane, uint64_t hash, void *user,
                                 int64_t now_us, struct queue_entry **ret_entry);

/* The entry to be started now, or NULL. */
struct queue_entry *queue_next(struct queue *queue, int64_t now_us);

/* A byte of its answer has gone to the client: it cannot be retried any more. */
void queue_streamed(struct queue_entry *entry);

/* Its client is gone. true: it was waiting and is forgotten (the entry is free). false: it runs;
 * tell the engine, and queue_finish() when the engine says that it is over. */
bool queue_cancel(struct queue *queue, struct queue_entry *entry);

/* A running one is over: answered, failed, or its cancelling was confirmed. */
void queue_finish(struct queue *queue, struct queue_entry *entry, int64_t now_us);

void queue_engine_ready(struct queue *queue);

/* What an engine's death took with it. */
struct queue_lost {
    void *user;
    bool is_quarantined; /* else: its stream is cut */
    bool is_cancelled;   /* nobody waits for it */
};

/* <lost> has room for queue->running entries. Answers how many are lost (their entries are free);
 * the others are suspects now. */
uint32_t queue_engine_died(struct queue *queue, int64_t now_us, struct queue_lost *lost);

void queue_drain(struct queue *queue);

bool queue_is_quarantined(const struct queue *queue, uint64_t hash, int64_t now_us);

#endif
