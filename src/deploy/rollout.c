#include "deploy/rollout.h"

#include <string.h>

#include "base/check.h"

/* What happens to the position with a move. */
enum walk {
    STAY,
    NEXT_ITEM,  /* the batch has more, or its wait is due */
    NEXT_BATCH, /* there is another, or the commit is due */
    TURN,       /* from here back: what was done of this batch first */
    PREVIOUS_ITEM,
    PREVIOUS_BATCH
};

/* <over>: where it goes instead of <to> when there is no next or previous one. */
struct move {
    enum rollout_state from;
    enum rollout_event event;
    enum walk walk;
    enum rollout_state to, over;
};

static const struct move moves[] = {
    {ROLLOUT_ACT, ROLLOUT_DONE, NEXT_ITEM, ROLLOUT_ACT, ROLLOUT_AWAIT},
    {ROLLOUT_ACT, ROLLOUT_FAILED, TURN, ROLLOUT_BACK_ACT, ROLLOUT_BACK_ACT},
    {ROLLOUT_AWAIT, ROLLOUT_DONE, NEXT_BATCH, ROLLOUT_ACT, ROLLOUT_COMMIT},
    {ROLLOUT_AWAIT, ROLLOUT_FAILED, TURN, ROLLOUT_BACK_ACT, ROLLOUT_BACK_ACT},
    {ROLLOUT_COMMIT, ROLLOUT_DONE, STAY, ROLLOUT_APPLIED, ROLLOUT_APPLIED},
    {ROLLOUT_COMMIT, ROLLOUT_FAILED, STAY, ROLLOUT_STUCK, ROLLOUT_STUCK},
    {ROLLOUT_BACK_ACT, ROLLOUT_DONE, PREVIOUS_ITEM, ROLLOUT_BACK_ACT, ROLLOUT_BACK_AWAIT},
    {ROLLOUT_BACK_ACT, ROLLOUT_FAILED, STAY, ROLLOUT_STUCK, ROLLOUT_STUCK},
    {ROLLOUT_BACK_AWAIT, ROLLOUT_DONE, PREVIOUS_BATCH, ROLLOUT_BACK_ACT, ROLLOUT_UNDONE},
    {ROLLOUT_BACK_AWAIT, ROLLOUT_FAILED, STAY, ROLLOUT_STUCK, ROLLOUT_STUCK},
};

void rollout_init(struct rollout *rollout, const struct rollout_list *list)
{
    *rollout =
        (struct rollout){.list = list, .state = list->batch_count ? ROLLOUT_ACT : ROLLOUT_COMMIT};
    CHECK(rollout_is_sound(rollout));
}

void rollout_list_add_batch(struct rollout_list *list, bool is_start, uint16_t wave)
{
    CHECK(list->batch_count < ROLLOUT_BATCHES_MAX);
    list->batches[list->batch_count++] =
        (struct rollout_batch){.is_start = is_start, .wave = wave, .first = list->worker_count};
}

void rollout_list_add_worker(struct rollout_list *list, uint16_t worker)
{
    CHECK(list->batch_count > 0 && list->worker_count < LIMIT_WORKERS);
    for (uint16_t i = 0; i < list->worker_count; i++)
        CHECK(list->workers[i] != worker);
    list->workers[list->worker_count++] = worker;
    list->batches[list->batch_count - 1].count++;
}

bool rollout_is_sound(const struct rollout *rollout)
{
    const struct rollout_list *list = rollout->list;
    for (uint16_t i = 0; i < list->batch_count; i++) {
        const struct rollout_batch *batch = &list->batches[i];
        if (batch->count == 0 || batch->first + batch->count > list->worker_count)
            return false;
    }
    if (rollout->state > ROLLOUT_STUCK)
        return false;
    if (list->batch_count == 0)
        return rollout->batch == 0 && rollout->item == 0 &&
               (rollout->state == ROLLOUT_COMMIT || rollout_is_over(rollout));
    return rollout->batch < list->batch_count &&
           rollout->item < list->batches[rollout->batch].count;
}

bool rollout_is_over(const struct rollout *rollout)
{
    return rollout->state == ROLLOUT_APPLIED || rollout->state == ROLLOUT_UNDONE ||
           rollout->state == ROLLOUT_STUCK;
}

bool rollout_is_back(const struct rollout *rollout)
{
    return rollout->state == ROLLOUT_BACK_ACT || rollout->state == ROLLOUT_BACK_AWAIT ||
           rollout->state == ROLLOUT_UNDONE;
}

struct rollout_action rollout_next(const struct rollout *rollout)
{
    CHECK(rollout_is_sound(rollout));
    if (rollout_is_over(rollout))
        return (struct rollout_action){.task = ROLLOUT_NOTHING};
    if (rollout->state == ROLLOUT_COMMIT)
        return (struct rollout_action){.task = ROLLOUT_NOTE};
    const struct rollout_batch *batch = &rollout->list->batches[rollout->batch];
    bool is_start = batch->is_start != rollout_is_back(rollout);
    if (rollout->state == ROLLOUT_ACT || rollout->state == ROLLOUT_BACK_ACT)
        return (struct rollout_action){.task = is_start ? ROLLOUT_START : ROLLOUT_STOP,
                                       .wave = batch->wave,
                                       .first = (uint16_t)(batch->first + rollout->item),
                                       .count = 1};
    return (struct rollout_action){.task = is_start ? ROLLOUT_AWAIT_READY : ROLLOUT_AWAIT_GONE,
                                   .wave = batch->wave,
                                   .first = batch->first,
                                   .count = batch->count};
}

static const struct move *find_move(enum rollout_state from, enum rollout_event event)
{
    for (unsigned i = 0; i < COUNT_OF(moves); i++)
        if (moves[i].from == from && moves[i].event == event)
            return &moves[i];
    return NULL;
}

/* False: there is no such item or batch. */
static bool walk(struct rollout *rollout, enum walk how)
{
    const struct rollout_batch *batches = rollout->list->batches;
    switch (how) {
    case STAY:
        return true;
    case NEXT_ITEM:
        if (rollout->item + 1 == batches[rollout->batch].count)
            return false;
        rollout->item++;
        return true;
    case NEXT_BATCH:
        if (rollout->batch + 1 == rollout->list->batch_count)
            return false;
        rollout->batch++;
        rollout->item = 0;
        return true;
    case TURN: /* while it waits the item is the batch's last: all of it was done */
        return true;
    case PREVIOUS_ITEM:
        if (rollout->item == 0)
            return false;
        rollout->item--;
        return true;
    case PREVIOUS_BATCH:
        if (rollout->batch == 0)
            return false;
        rollout->batch--;
        rollout->item = (uint16_t)(batches[rollout->batch].count - 1);
        return true;
    }
    CHECK(false);
}

void rollout_step(struct rollout *rollout, enum rollout_event event)
{
    CHECK(rollout_is_sound(rollout));
    const struct move *move = find_move(rollout->state, event);
    CHECK(move); /* nothing can happen to one that is over */
    rollout->state = walk(rollout, move->walk) ? move->to : move->over;
    CHECK(rollout_is_sound(rollout));
}

static const char *const texts[] = {
    [ROLLOUT_ACT] = "act",
    [ROLLOUT_AWAIT] = "await",
    [ROLLOUT_COMMIT] = "commit",
    [ROLLOUT_BACK_ACT] = "back act",
    [ROLLOUT_BACK_AWAIT] = "back await",
    [ROLLOUT_APPLIED] = "applied",
    [ROLLOUT_UNDONE] = "undone",
    [ROLLOUT_STUCK] = "stuck",
};

const char *rollout_state_text(enum rollout_state state)
{
    CHECK((unsigned)state < COUNT_OF(texts));
    return texts[state];
}

bool rollout_state_find(const char *text, enum rollout_state *ret_state)
{
    for (unsigned i = 0; text && i < COUNT_OF(texts); i++) {
        if (strcmp(text, texts[i]) != 0)
            continue;
        *ret_state = (enum rollout_state)i;
        return true;
    }
    return false;
}
