#include "deploy/child.h"

#include "base/check.h"

/* One move: in <from>, <event> leads to <to> and asks for <action>. */
struct move {
    enum child_state from;
    enum child_event event;
    enum child_state to;
    enum child_action action;
};

/* The end of a run is decided by how it went; this table has its common case. */
static const struct move moves[] = {
    {CHILD_IDLE, CHILD_START, CHILD_RUNNING, CHILD_DO_SPAWN},
    {CHILD_IDLE, CHILD_HOLD, CHILD_HELD, CHILD_DO_NOTHING},
    {CHILD_IDLE, CHILD_STOP, CHILD_STOPPED, CHILD_DO_NOTHING},
    {CHILD_RUNNING, CHILD_EXITED, CHILD_WAITING, CHILD_DO_NOTHING},
    {CHILD_RUNNING, CHILD_HOLD, CHILD_HELD, CHILD_DO_KILL},
    {CHILD_RUNNING, CHILD_STOP, CHILD_STOPPING, CHILD_DO_TERM},
    {CHILD_WAITING, CHILD_DUE, CHILD_RUNNING, CHILD_DO_SPAWN},
    {CHILD_WAITING, CHILD_HOLD, CHILD_HELD, CHILD_DO_NOTHING},
    {CHILD_WAITING, CHILD_STOP, CHILD_STOPPED, CHILD_DO_NOTHING},
    {CHILD_GIVEN_UP, CHILD_RELEASE, CHILD_RUNNING, CHILD_DO_SPAWN},
    {CHILD_GIVEN_UP, CHILD_HOLD, CHILD_HELD, CHILD_DO_NOTHING},
    {CHILD_GIVEN_UP, CHILD_STOP, CHILD_STOPPED, CHILD_DO_NOTHING},
    {CHILD_HELD, CHILD_RELEASE, CHILD_RUNNING, CHILD_DO_SPAWN},
    {CHILD_HELD, CHILD_STOP, CHILD_STOPPED, CHILD_DO_NOTHING},
    {CHILD_STOPPING, CHILD_EXITED, CHILD_STOPPED, CHILD_DO_NOTHING},
    {CHILD_STOPPING, CHILD_DUE, CHILD_STOPPING, CHILD_DO_KILL},
};

static const struct move *find_move(enum child_state from, enum child_event event)
{
    for (unsigned i = 0; i < COUNT_OF(moves); i++) {
        if (moves[i].from == from && moves[i].event == event)
            return &moves[i];
    }
    return 0;
}

static void forgive(struct child *child)
{
    child->quick_deaths = 0;
    child->backoff_us = CHILD_BACKOFF_US;
}

/* A run is over without anybody having asked for it. */
static void note_death(struct child *child, int64_t now_us)
{
    if (now_us - child->started_at_us >= CHILD_GOOD_RUN_US)
        forgive(child);
    if (++child->quick_deaths >= CHILD_DEATHS_MAX) {
        child->state = CHILD_GIVEN_UP;
        return;
    }
    child->due_us = now_us + child->backoff_us;
    child->backoff_us *= 2;
    if (child->backoff_us > CHILD_BACKOFF_MAX_US)
        child->backoff_us = CHILD_BACKOFF_MAX_US;
}

void child_init(struct child *child)
{
    *child = (struct child){.state = CHILD_IDLE, .due_us = INT64_MAX};
    forgive(child);
}

enum child_action child_step(struct child *child, enum child_event event, int64_t now_us,
                             int64_t stop_wait_us)
{
    CHECK(event != CHILD_DUE || child->due_us <= now_us);
    const struct move *move = find_move(child->state, event);
    if (!move)
        return CHILD_DO_NOTHING;

    enum child_state from = child->state;
    child->state = move->to;
    child->due_us = INT64_MAX;
    if (from == CHILD_RUNNING && event == CHILD_EXITED)
        note_death(child, now_us);
    if (event == CHILD_RELEASE)
        forgive(child);
    if (move->action == CHILD_DO_SPAWN) {
        child->started_at_us = now_us;
        child->restarts += from != CHILD_IDLE;
    }
    if (move->action == CHILD_DO_TERM)
        child->due_us = now_us + stop_wait_us;
    return move->action;
}

void child_hasten(struct child *child, int64_t now_us, int64_t stop_wait_us)
{
    if (child->state == CHILD_STOPPING && child->due_us > now_us + stop_wait_us &&
        child->due_us != INT64_MAX) /* that one was killed already */
        child->due_us = now_us + stop_wait_us;
}

const char *child_state_text(enum child_state state)
{
    static const char *const texts[] = {"idle", "running",  "waiting", "given up",
                                        "held", "stopping", "stopped"};
    CHECK((unsigned)state < COUNT_OF(texts));
    return texts[state];
}
