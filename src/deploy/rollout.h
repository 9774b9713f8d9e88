/* rollout.h: the order in which a running world is changed: one action after the other, forwards
 * until all is as planned, or back to what was before. Pure: the caller acts, waits, and says how
 * it went.
 *
 * A rollout is a list of batches. A batch starts workers or stops them; all of its actions come
 * first, then one wait for all of them. In a wave the batch that starts stands before the one that
 * stops, so that new workers are seen ready before old ones are drained.
 *
 *            DONE, more in the batch              DONE, was the last batch
 *               +--+                                   +------------> COMMIT --DONE--> APPLIED
 *               v  |                                   |
 *   start ---> ACT -+-- DONE, batch over --> AWAIT ----+-- DONE --> ACT of the next batch
 *               |                             |
 *               +---------- FAILED -----------+
 *                             v      DONE: the item before
 *                          BACK_ACT <--+
 *                             |  +-----+
 *                             +-- DONE, batch over --> BACK_AWAIT -- DONE --> BACK_ACT of the batch
 *                                                          |                  before
 *                                                          +-- DONE, was the first --> UNDONE
 *
 *   FAILED on the way back, or at the commit, leads to STUCK: what is running stays as it is, and
 * the next attempt goes on from the position before.
 *
 * Going back does the opposite of each action, the last one first: what was started is stopped,
 * what was stopped is started and waited for. Every action may be done twice (the caller was killed
 * before it could note that it was done): starting what runs and stopping what does not are no
 * mistakes.
 *
 * Invariants (checked): a worker stands in one batch only; a batch is not empty; the position is
 * within the list. */
#ifndef DEPLOY_ROLLOUT_H
#define DEPLOY_ROLLOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

enum { ROLLOUT_BATCHES_MAX = LIMIT_WORKERS };

/* workers[first .. first + count) are all started, or all stopped. */
struct rollout_batch {
    bool is_start;
    uint16_t wave; /* of the plan, for people */
    uint16_t first, count;
};

struct rollout_list {
    uint16_t batch_count, worker_count;
    struct rollout_batch batches[ROLLOUT_BATCHES_MAX];
    uint16_t workers[LIMIT_WORKERS]; /* indexes of the fleet */
};

enum rollout_state {
    ROLLOUT_ACT,
    ROLLOUT_AWAIT,
    ROLLOUT_COMMIT,
    ROLLOUT_BACK_ACT,
    ROLLOUT_BACK_AWAIT,
    ROLLOUT_APPLIED,
    ROLLOUT_UNDONE,
    ROLLOUT_STUCK
};

/* Where it stands: all that has to be remembered beside the list. */
struct rollout {
    const struct rollout_list *list;
    enum rollout_state state;
    uint16_t batch, item;
};

enum rollout_task {
    ROLLOUT_START,       /* one worker */
    ROLLOUT_STOP,        /* one worker: drained, then ended */
    ROLLOUT_AWAIT_READY, /* all of a batch are seen ready by the gateways */
    ROLLOUT_AWAIT_GONE,  /* all of a batch have ended */
    ROLLOUT_NOTE,        /* the plan is in force: the epoch goes up */
    ROLLOUT_NOTHING      /* it is over */
};

struct rollout_action {
    enum rollout_task task;
    uint16_t wave;
    uint16_t first, count; /* into list->workers */
};

enum rollout_event { ROLLOUT_DONE, ROLLOUT_FAILED };

/* At the first action. <list> stays with the caller. An empty list has nothing but its commit. */
void rollout_init(struct rollout *rollout, const struct rollout_list *list);

/* Appends a batch; its workers follow with rollout_list_add_worker(). */
void rollout_list_add_batch(struct rollout_list *list, bool is_start, uint16_t wave);
void rollout_list_add_worker(struct rollout_list *list, uint16_t worker);

/* Can this position, read from a file, be one of <list>? */
bool rollout_is_sound(const struct rollout *rollout);

/* What has to be done now. */
struct rollout_action rollout_next(const struct rollout *rollout);

/* It is done, or it failed. */
void rollout_step(struct rollout *rollout, enum rollout_event event);

bool rollout_is_over(const struct rollout *rollout); /* APPLIED, UNDONE or STUCK */
bool rollout_is_back(const struct rollout *rollout); /* on the way back, or UNDONE */

const char *rollout_state_text(enum rollout_state state); /* "act" ... */
bool rollout_state_find(const char *text, enum rollout_state *ret_state);

#endif
