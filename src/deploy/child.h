/* child.h: when a process of a world is started, waited for, started again, given up or stopped.
 * Pure.
 *
 *                       START                    EXITED, ran CHILD_GOOD_RUN_US or less than
 *            IDLE ---------------> RUNNING ----- CHILD_DEATHS_MAX quick deaths ----> WAITING
 *                                  ^  |  |                                             |
 *                                  |  |  +-- EXITED, too many quick deaths --> GIVEN_UP| DUE:
 * back-off over
 *                                  +--|------------------------------------------------+
 *                                     | STOP
 *                                     v
 *                                 STOPPING -- EXITED --> STOPPED        (DUE: kill, once)
 *
 *   HOLD from IDLE, RUNNING, WAITING, GIVEN_UP goes to HELD (killed, kept down by a person);
 * RELEASE starts it again.
 *
 * The back-off doubles from CHILD_BACKOFF_US to CHILD_BACKOFF_MAX_US and starts afresh after a good
 * run. The moves are one table in child.c; an event that a state has no row for is ignored (a late
 * exit, a second stop). */
#ifndef DEPLOY_CHILD_H
#define DEPLOY_CHILD_H

#include <stdint.h>

enum {
    CHILD_BACKOFF_US = 100 * 1000,
    CHILD_BACKOFF_MAX_US = 5 * 1000 * 1000,
    CHILD_GOOD_RUN_US = 10 * 1000 * 1000,
    CHILD_DEATHS_MAX = 8
};

enum child_state {
    CHILD_IDLE,
    CHILD_RUNNING,
    CHILD_WAITING,
    CHILD_GIVEN_UP,
    CHILD_HELD,
    CHILD_STOPPING,
    CHILD_STOPPED
};

enum child_event { CHILD_START, CHILD_EXITED, CHILD_DUE, CHILD_HOLD, CHILD_RELEASE, CHILD_STOP };

enum child_action { CHILD_DO_NOTHING, CHILD_DO_SPAWN, CHILD_DO_KILL, CHILD_DO_TERM };

struct child {
    enum child_state state;
    uint32_t quick_deaths; /* in a row */
    uint32_t restarts;     /* in all */
    int64_t backoff_us;
    int64_t started_at_us;
    int64_t due_us; /* WAITING: start again; STOPPING: kill. INT64_MAX: nothing is due */
};

void child_init(struct child *child);

/* Takes <event> at <now_us>; answers what the shell must do now. <stop_wait_us>: how long STOP
 * waits before it kills. */
enum child_action child_step(struct child *child, enum child_event event, int64_t now_us,
                             int64_t stop_wait_us);

/* One that is STOPPING is killed <stop_wait_us> from now, unless that was to come earlier anyway.
 */
void child_hasten(struct child *child, int64_t now_us, int64_t stop_wait_us);

const char *child_state_text(enum child_state state);

#endif
