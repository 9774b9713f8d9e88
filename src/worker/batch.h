/* batch.h: continuous batching: what one step of a generating engine computes. Pure; the same for
 * llama and echo.
 *
 * A job is one request: prompt tokens, then one sampled token after another. A sequence is a place
 * in the engine's cache that holds the tokens of one job, and keeps them when the job is over, so
 * that the next prompt with the same beginning need not be computed again.
 *
 *   batch_add -> [WAITING] -> admitted to a sequence -> [PREFILL] -> [DECODE] -> batch_remove
 *
 * A step: first one token for each decoding job (streams go on evenly), then chunks of prompts,
 * oldest job first, within <prefill_tokens>. A job without credits (slow reader) is left out and
 * keeps its sequence.
 *
 * There are as many sequences as slots, each with <context_tokens> of cache of its own: a job that
 * was taken never waits for room, and no stream attends over the tokens of another.
 *
 * Prefix reuse at admission: the sequence with the longest common beginning wins; an idle one is
 * taken over and cut back to it, a busy one is copied from. At least one prompt token is always
 * computed, since its logits are needed. Without one an empty sequence is taken, else one beside
 * a busy one (engines compute neighbours together), else any; of these that which was used longest
 * ago.
 *
 * Invariants, checked at every step
 *   1. a sequence belongs to at most one job; a job beyond WAITING has exactly one.
 *   2. a sequence holds at most context_tokens tokens.
 *   3. a step holds at most step_tokens tokens and each job at most once.
 *
 * Sources: Orca (OSDI 2022, iteration-level scheduling), Sarathi-Serve (OSDI 2024, chunked prefill
 * beside decode). */
#ifndef WORKER_BATCH_H
#define WORKER_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/limits.h"

enum {
    BATCH_JOBS_MAX = LIMIT_WORKER_RUNNING,
    BATCH_REUSE_MIN = 16 /* tokens in common below which a cached beginning is not looked for */
};

struct batch_rules {
    uint32_t slots;          /* jobs side by side, and sequences: 1 .. BATCH_JOBS_MAX */
    uint32_t context_tokens; /* of one job: prompt + answer */
    uint32_t step_tokens;    /* of one step; >= slots */
    uint32_t prefill_tokens; /* prompt tokens of one step beside decoding jobs */
};

struct batch_sequence {
    int32_t *tokens; /* context_tokens of room */
    uint32_t count;  /* computed: in the engine's cache */
    int16_t job;     /* -1: idle */
    uint64_t used;   /* tick when it last became idle */
};

enum batch_state { BATCH_FREE, BATCH_WAITING, BATCH_PREFILL, BATCH_DECODE };

struct batch_job {
    enum batch_state state;
    uint32_t request; /* the caller's name for it */
    int32_t *prompt;  /* context_tokens of room; the caller writes it before batch_add */
    uint32_t prompt_count, max_tokens;
    uint32_t cached_count; /* prompt tokens that were found in the cache */
    uint32_t output_count;
    uint32_t credits; /* tokens that may be said; UINT32_MAX: without limit */
    int32_t pending;  /* DECODE: sampled, not computed yet */
    uint64_t order;
    int16_t sequence; /* -1: none yet */
};

enum batch_action_kind {
    BATCH_KEEP, /* of <sequence> keep the first <count> tokens, forget the rest */
    BATCH_COPY  /* <sequence> (empty now) begins with the first <count> tokens of <from> */
};

struct batch_action {
    enum batch_action_kind kind;
    uint32_t sequence, from, count;
};

/* A run of one job's tokens. */
struct batch_item {
    uint32_t job, sequence;
    uint32_t first, count; /* positions */
    const int32_t *tokens;
    bool wants_token; /* sample after the last one */
    bool is_prefill;
};

struct batch_step {
    uint32_t action_count, item_count;
    uint32_t token_count, prefill_count, decode_count; /* tokens */
    struct batch_action actions[2 * BATCH_JOBS_MAX];
    struct batch_item items[BATCH_JOBS_MAX];
};

struct batch {
    struct batch_rules rules;
    uint64_t tick;
    uint64_t prompt_tokens, hit_tokens, output_tokens; /* since start */
    struct batch_job jobs[BATCH_JOBS_MAX];
    struct batch_sequence sequences[BATCH_JOBS_MAX];
};

/* Takes 2 * slots * context_tokens int32 from <arena>; false when there is no room. */
bool batch_init(struct batch *batch, const struct batch_rules *rules, struct arena *arena);

/* A free job whose prompt[] may be filled, or NULL when all slots are taken. */
struct batch_job *batch_job_free(struct batch *batch);
struct batch_job *batch_job_find(struct batch *batch, uint32_t request);
uint32_t batch_job_index(const struct batch *batch, const struct batch_job *job);

/* <job> from batch_job_free(), prompt filled: 1 <= prompt_count, prompt_count + max_tokens <=
 * context_tokens, max_tokens >= 1. */
void batch_add(struct batch *batch, struct batch_job *job, uint32_t request, uint32_t prompt_count,
               uint32_t max_tokens, uint32_t credits);

/* What to do now; item_count 0: nothing can be done. Apply the actions in order, then compute. */
void batch_plan(struct batch *batch, struct batch_step *ret_step);

/* The step was computed. For each item that wants one, <sampled>[item] is its token. Items without
 * are ignored. After this the caller looks at its jobs, and ends those that are over. */
void batch_computed(struct batch *batch, const struct batch_step *step, const int32_t *sampled);

/* The job is over or cancelled, in any state. Its tokens stay cached. */
void batch_remove(struct batch *batch, struct batch_job *job);

uint32_t batch_running(const struct batch *batch);
uint32_t batch_waiting(const struct batch *batch);
uint32_t batch_cells(const struct batch *batch); /* tokens in the cache */

#endif
