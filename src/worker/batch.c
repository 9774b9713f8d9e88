#include "worker/batch.h"

#include <string.h>

#include "base/check.h"

bool batch_init(struct batch *batch, const struct batch_rules *rules, struct arena *arena)
{
    CHECK(rules->slots >= 1 && rules->slots <= BATCH_JOBS_MAX);
    CHECK(rules->sequences >= rules->slots && rules->sequences <= BATCH_SEQUENCES_MAX);
    CHECK(rules->context_tokens >= 2 && rules->cells_max >= rules->context_tokens);
    CHECK(rules->step_tokens >= rules->slots && rules->prefill_tokens >= 1);
    *batch = (struct batch){.rules = *rules, .prefill_now = rules->prefill_tokens};
    for (uint32_t i = 0; i < rules->slots; i++) {
        batch->jobs[i].prompt = ARENA_ARRAY(arena, int32_t, rules->context_tokens);
        batch->jobs[i].sequence = -1;
    }
    for (uint32_t i = 0; i < rules->sequences; i++) {
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

static uint32_t reserved(const struct batch_job *job)
{
    return job->prompt_count + job->max_tokens;
}

/* Cells spoken for: by admitted jobs in full, by idle sequences as they are. */
static uint32_t cells_taken(const struct batch *batch)
{
    uint32_t cells = 0;
    for (uint32_t i = 0; i < batch->rules.sequences; i++) {
        const struct batch_sequence *sequence = &batch->sequences[i];
        cells += sequence->job < 0 ? sequence->count : reserved(&batch->jobs[sequence->job]);
    }
    return cells;
}

static void check_batch(const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->rules.sequences; i++) {
        const struct batch_sequence *sequence = &batch->sequences[i];
        CHECK(sequence->count <= batch->rules.context_tokens);
        CHECK(sequence->job < 0 || batch->jobs[sequence->job].sequence == (int16_t)i);
    }
    CHECK(cells_taken(batch) <= batch->rules.cells_max);
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

/* The idle sequence that was used longest ago, <but> excepted; empty ones first. -1: none. */
static int oldest_idle(const struct batch *batch, int but, bool is_full_only)
{
    int best = -1;
    for (uint32_t i = 0; i < batch->rules.sequences; i++) {
        const struct batch_sequence *sequence = &batch->sequences[i];
        if (sequence->job >= 0 || (int)i == but || (is_full_only && sequence->count == 0))
            continue;
        if (best < 0)
            best = (int)i;
        const struct batch_sequence *so_far = &batch->sequences[best];
        bool is_emptier = sequence->count == 0 && so_far->count > 0;
        bool is_as_empty = (sequence->count == 0) == (so_far->count == 0);
        if (is_emptier || (is_as_empty && sequence->used < so_far->used))
            best = (int)i;
    }
    return best;
}

/* Makes room for <job> beside what runs, keeping sequence <donor> if it can. false: must wait. */
static bool make_room(struct batch *batch, struct batch_step *step, const struct batch_job *job,
                      int donor, bool takes_over)
{
    for (;;) {
        uint32_t taken = cells_taken(batch);
        if (takes_over)
            taken -= batch->sequences[donor].count;
        if (taken + reserved(job) <= batch->rules.cells_max)
            return true;
        int victim = oldest_idle(batch, donor, true);
        if (victim < 0)
            return false;
        keep(batch, step, (uint32_t)victim, 0);
    }
}

struct donor {
    int sequence; /* -1: none */
    uint32_t count;
};

static struct donor best_donor(const struct batch *batch, const struct batch_job *job, bool is_idle)
{
    struct donor best = {-1, 0};
    for (uint32_t i = 0; i < batch->rules.sequences; i++) {
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

static bool admit(struct batch *batch, struct batch_job *job, struct batch_step *step)
{
    struct donor idle = best_donor(batch, job, true);
    struct donor busy = best_donor(batch, job, false);
    bool copies = busy.count >= BATCH_COPY_MIN && busy.count > idle.count;
    struct donor donor = copies ? busy : idle;
    /* An idle sequence of which little is in common is worth more to others: copy, if there is an
     * empty one. */
    int empty = oldest_idle(batch, donor.sequence, false);
    bool has_empty = empty >= 0 && batch->sequences[empty].count == 0;
    if (!copies && donor.sequence >= 0 && has_empty && donor.count >= BATCH_COPY_MIN &&
        donor.count * 2 < batch->sequences[donor.sequence].count)
        copies = true;
    bool takes_over = !copies && donor.sequence >= 0;
    if (!make_room(batch, step, job, donor.sequence, takes_over)) {
        if (donor.sequence < 0 || batch->sequences[donor.sequence].job >= 0 || takes_over)
            return false;
        takes_over = true; /* no room for a copy beside its origin: take the origin itself */
        copies = false;
        if (!make_room(batch, step, job, donor.sequence, true))
            return false;
    }
    if (takes_over) {
        keep(batch, step, (uint32_t)donor.sequence, donor.count);
        settle(batch, job, (uint32_t)donor.sequence);
        return true;
    }
    int target = oldest_idle(batch, donor.sequence, false);
    if (target < 0)
        return false;
    keep(batch, step, (uint32_t)target, 0);
    if (copies) {
        struct batch_sequence *to = &batch->sequences[target];
        memcpy(to->tokens, job->prompt, donor.count * sizeof *to->tokens);
        to->count = donor.count;
        act(step, BATCH_COPY, (uint32_t)target, (uint32_t)donor.sequence, donor.count);
    }
    settle(batch, job, (uint32_t)target);
    return true;
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
    int victim = batch->must_evict ? oldest_idle(batch, -1, true) : -1;
    if (victim >= 0)
        keep(batch, step, (uint32_t)victim, 0);
    batch->must_evict = false;
    for (struct batch_job *job = NULL;
         (job = next_job(batch, BATCH_WAITING, job ? job->order : 0));)
        if (!admit(batch, job, step))
            break; /* oldest first: a younger, smaller one does not overtake */
    check_batch(batch);

    for (struct batch_job *job = NULL; (job = next_job(batch, BATCH_DECODE, job ? job->order : 0));)
        if (job->credits > 0)
            add_item(batch, step, job, 1, &job->pending, true);

    uint32_t room = batch->rules.step_tokens - step->token_count;
    uint32_t budget = batch->prefill_now < room ? batch->prefill_now : room;
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
    if (batch->prefill_now < batch->rules.prefill_tokens)
        batch->prefill_now++;
    check_batch(batch);
}

bool batch_no_room(struct batch *batch)
{
    bool has_idle = false;
    for (uint32_t i = 0; i < batch->rules.sequences; i++) {
        struct batch_sequence *sequence = &batch->sequences[i];
        has_idle = has_idle || (sequence->job < 0 && sequence->count > 0);
    }
    batch->must_evict = has_idle;
    if (has_idle)
        return true;
    if (batch->prefill_now <= 1)
        return false;
    batch->prefill_now /= 2;
    return true;
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
    for (uint32_t i = 0; i < batch->rules.sequences; i++)
        cells += batch->sequences[i].count;
    return cells;
}
