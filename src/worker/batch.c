#include "worker/batch.h"

#include <string.h>

#include "base/check.h"

bool batch_init(struct batch *batch, const struct batch_rules *rules, struct arena *arena)
{
    CHECK(rules->slots >= 1 && rules->slots <= BATCH_JOBS_MAX);
    CHECK(rules->context_tokens >= 2);
    CHECK(rules->step_tokens >= rules->slots && rules->prefill_tokens >= 1);
    *batch = (struct batch){.rules = *rules};
    for (uint32_t i = 0; i < rules->slots; i++) {
        batch->jobs[i].prompt = ARENA_ARRAY(arena, int32_t, rules->context_tokens);
        batch->jobs[i].sequence = -1;
        batch->sequences[i].tokens = ARENA_ARRAY(arena, int32_t, rules->context_tokens);
        batch->sequences[i].job = -1;
    }
    return !arena->is_overflown;
}

struct batch_job *batch_job_free(struct batch *batch)
{
    for (uint32_t i = 0; i < batch->rules.slots; i++)
        if (batch->jobs[i].state == BATCH_FREE)
            return &batch->jobs[i];
    return NULL;
}

struct batch_job *batch_job_find(struct batch *batch, uint32_t request)
{
    for (uint32_t i = 0; i < batch->rules.slots; i++)
        if (batch->jobs[i].state != BATCH_FREE && batch->jobs[i].request == request)
            return &batch->jobs[i];
    return NULL;
}

uint32_t batch_job_index(const struct batch *batch, const struct batch_job *job)
{
    return (uint32_t)(job - batch->jobs);
}

void batch_add(struct batch *batch, struct batch_job *job, uint32_t request, uint32_t prompt_count,
               uint32_t max_tokens, uint32_t credits)
{
    CHECK(job->state == BATCH_FREE && prompt_count >= 1 && max_tokens >= 1);
    CHECK(prompt_count <= batch->rules.context_tokens &&
          max_tokens <= batch->rules.context_tokens - prompt_count);
    *job = (struct batch_job){.state = BATCH_WAITING,
                              .request = request,
                              .prompt = job->prompt,
                              .prompt_count = prompt_count,
                              .max_tokens = max_tokens,
                              .credits = credits,
                              .order = ++batch->tick,
                              .sequence = -1};
}

static void check_batch(const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->rules.slots; i++) {
        const struct batch_sequence *sequence = &batch->sequences[i];
        CHECK(sequence->count <= batch->rules.context_tokens);
        CHECK(sequence->job < 0 || batch->jobs[sequence->job].sequence == (int16_t)i);
    }
}

static uint32_t common_prefix(const struct batch_job *job, const struct batch_sequence *sequence)
{
    uint32_t limit = job->prompt_count - 1;
    if (sequence->count < limit)
        limit = sequence->count;
    uint32_t n = 0;
    while (n < limit && job->prompt[n] == sequence->tokens[n])
        n++;
    return n;
}

static void act(struct batch_step *step, enum batch_action_kind kind, uint32_t sequence,
                uint32_t from, uint32_t count)
{
    CHECK(step->action_count < sizeof step->actions / sizeof step->actions[0]);
    step->actions[step->action_count++] = (struct batch_action){kind, sequence, from, count};
}

static void keep(struct batch *batch, struct batch_step *step, uint32_t index, uint32_t count)
{
    struct batch_sequence *sequence = &batch->sequences[index];
    if (sequence->count == count)
        return;
    CHECK(count < sequence->count);
    sequence->count = count;
    act(step, BATCH_KEEP, index, 0, count);
}

static bool is_beside_busy(const struct batch *batch, uint32_t i)
{
    return (i > 0 && batch->sequences[i - 1].job >= 0) ||
           (i + 1 < batch->rules.slots && batch->sequences[i + 1].job >= 0);
}

/* How gladly an idle sequence is given up; see batch.h. */
static int rank_of(const struct batch *batch, uint32_t i)
{
    return batch->sequences[i].count == 0 ? 2 : is_beside_busy(batch, i) ? 1 : 0;
}

/* The idle sequence to be given up, <but> excepted. -1: none. */
static int pick_idle(const struct batch *batch, int but)
{
    int best = -1;
    for (uint32_t i = 0; i < batch->rules.slots; i++) {
        if (batch->sequences[i].job >= 0 || (int)i == but)
            continue;
        int gain = best < 0 ? 1 : rank_of(batch, i) - rank_of(batch, (uint32_t)best);
        if (gain > 0 || (gain == 0 && batch->sequences[i].used < batch->sequences[best].used))
            best = (int)i;
    }
    return best;
}

struct donor {
    int sequence; /* -1: none */
    uint32_t count;
};

static struct donor best_donor(const struct batch *batch, const struct batch_job *job, bool is_idle)
{
    struct donor best = {-1, BATCH_REUSE_MIN - 1};
    for (uint32_t i = 0; i < batch->rules.slots; i++) {
        const struct batch_sequence *sequence = &batch->sequences[i];
        if ((sequence->job < 0) != is_idle)
            continue;
        uint32_t n = common_prefix(job, sequence);
        if (n > best.count)
            best = (struct donor){(int)i, n};
    }
    return best;
}

static void settle(struct batch *batch, struct batch_job *job, uint32_t index)
{
    struct batch_sequence *sequence = &batch->sequences[index];
    sequence->job = (int16_t)batch_job_index(batch, job);
    job->sequence = (int16_t)index;
    job->state = BATCH_PREFILL;
    job->cached_count = sequence->count;
    batch->prompt_tokens += job->prompt_count;
    batch->hit_tokens += sequence->count;
}

/* A waiting job has a sequence waiting for it: there are as many as jobs. */
static void admit(struct batch *batch, struct batch_job *job, struct batch_step *step)
{
    struct donor idle = best_donor(batch, job, true);
    struct donor busy = best_donor(batch, job, false);
    struct donor donor = busy.sequence >= 0 && busy.count > idle.count ? busy : idle;
    int target = pick_idle(batch, donor.sequence);
    /* An idle sequence of which little is in common is worth more to others: copy, if there is an
     * empty one. */
    bool is_worth_more = donor.sequence >= 0 && target >= 0 &&
                         batch->sequences[target].count == 0 &&
                         donor.count * 2 < batch->sequences[donor.sequence].count;
    bool is_idle = donor.sequence >= 0 && batch->sequences[donor.sequence].job < 0;
    if (is_idle && !is_worth_more) {
        keep(batch, step, (uint32_t)donor.sequence, donor.count);
        settle(batch, job, (uint32_t)donor.sequence);
        return;
    }
    CHECK(target >= 0);
    keep(batch, step, (uint32_t)target, 0);
    if (donor.sequence >= 0) {
        struct batch_sequence *to = &batch->sequences[target];
        memcpy(to->tokens, job->prompt, donor.count * sizeof *to->tokens);
        to->count = donor.count;
        act(step, BATCH_COPY, (uint32_t)target, (uint32_t)donor.sequence, donor.count);
    }
    settle(batch, job, (uint32_t)target);
}

/* The oldest job in <state> that came after <after>. */
static struct batch_job *next_job(struct batch *batch, enum batch_state state, uint64_t after)
{
    struct batch_job *best = NULL;
    for (uint32_t i = 0; i < batch->rules.slots; i++) {
        struct batch_job *job = &batch->jobs[i];
        if (job->state == state && job->order > after && (!best || job->order < best->order))
            best = job;
    }
    return best;
}

static void add_item(struct batch *batch, struct batch_step *step, struct batch_job *job,
                     uint32_t count, const int32_t *tokens, bool wants_token)
{
    const struct batch_sequence *sequence = &batch->sequences[job->sequence];
    bool is_prefill = job->state == BATCH_PREFILL;
    step->items[step->item_count++] = (struct batch_item){.job = batch_job_index(batch, job),
                                                          .sequence = (uint32_t)job->sequence,
                                                          .first = sequence->count,
                                                          .count = count,
                                                          .tokens = tokens,
                                                          .wants_token = wants_token,
                                                          .is_prefill = is_prefill};
    step->token_count += count;
    step->prefill_count += is_prefill ? count : 0;
    step->decode_count += is_prefill ? 0 : count;
}

void batch_plan(struct batch *batch, struct batch_step *ret_step)
{
    struct batch_step *step = ret_step;
    step->action_count = step->item_count = 0;
    step->token_count = step->prefill_count = step->decode_count = 0;
    for (struct batch_job *job; (job = next_job(batch, BATCH_WAITING, 0));)
        admit(batch, job, step);
    check_batch(batch);

    for (struct batch_job *job = NULL; (job = next_job(batch, BATCH_DECODE, job ? job->order : 0));)
        if (job->credits > 0)
            add_item(batch, step, job, 1, &job->pending, true);

    uint32_t room = batch->rules.step_tokens - step->token_count;
    uint32_t budget = batch->rules.prefill_tokens < room ? batch->rules.prefill_tokens : room;
    for (struct batch_job *job = NULL;
         budget > 0 && (job = next_job(batch, BATCH_PREFILL, job ? job->order : 0));) {
        uint32_t done = batch->sequences[job->sequence].count;
        uint32_t left = job->prompt_count - done;
        uint32_t count = left < budget ? left : budget;
        add_item(batch, step, job, count, job->prompt + done, count == left);
        budget -= count;
    }
}

void batch_computed(struct batch *batch, const struct batch_step *step, const int32_t *sampled)
{
    for (uint32_t i = 0; i < step->item_count; i++) {
        const struct batch_item *item = &step->items[i];
        struct batch_job *job = &batch->jobs[item->job];
        struct batch_sequence *sequence = &batch->sequences[item->sequence];
        CHECK(sequence->count == item->first &&
              item->first + item->count <= batch->rules.context_tokens);
        memcpy(sequence->tokens + item->first, item->tokens, item->count * sizeof(int32_t));
        sequence->count += item->count;
        if (!item->wants_token)
            continue;
        job->state = BATCH_DECODE;
        job->pending = sampled[i];
        job->output_count++;
        batch->output_tokens++;
        if (job->credits != UINT32_MAX && job->credits > 0)
            job->credits--;
    }
    check_batch(batch);
}

void batch_remove(struct batch *batch, struct batch_job *job)
{
    CHECK(job->state != BATCH_FREE);
    if (job->sequence >= 0) {
        struct batch_sequence *sequence = &batch->sequences[job->sequence];
        sequence->job = -1;
        sequence->used = ++batch->tick;
    }
    job->state = BATCH_FREE;
    job->sequence = -1;
}

uint32_t batch_running(const struct batch *batch)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < batch->rules.slots; i++)
        count += batch->jobs[i].state >= BATCH_PREFILL;
    return count;
}

uint32_t batch_waiting(const struct batch *batch)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < batch->rules.slots; i++)
        count += batch->jobs[i].state == BATCH_WAITING;
    return count;
}

uint32_t batch_cells(const struct batch *batch)
{
    uint32_t cells = 0;
    for (uint32_t i = 0; i < batch->rules.slots; i++)
        cells += batch->sequences[i].count;
    return cells;
}
