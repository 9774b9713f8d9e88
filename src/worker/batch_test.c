#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "worker/batch.h"

enum { CONTEXT = 64, SLOTS = 4, ARENA_SIZE = 1 << 20 };

/* An engine that knows only what the plan told it: its cache must be right at every step. */
struct engine {
    struct batch batch;
    struct batch_step step;
    int32_t cache[SLOTS][CONTEXT];
    uint32_t cached[SLOTS];
    int32_t sampled[BATCH_JOBS_MAX];
    char memory[ARENA_SIZE];
};

static struct engine *fresh(uint32_t step_tokens, uint32_t prefill_tokens)
{
    static struct engine e;
    struct arena arena;
    memset(e.cached, 0, sizeof e.cached);
    arena_init(&arena, e.memory, sizeof e.memory);
    struct batch_rules rules = {.slots = SLOTS,
                                .context_tokens = CONTEXT,
                                .step_tokens = step_tokens,
                                .prefill_tokens = prefill_tokens};
    assert_true(batch_init(&e.batch, &rules, &arena));
    return &e;
}

static struct batch_job *add(struct engine *e, uint32_t request, const char *prompt,
                             uint32_t max_tokens)
{
    struct batch_job *job = batch_job_free(&e->batch);
    assert_non_null(job);
    uint32_t n = (uint32_t)strlen(prompt);
    for (uint32_t i = 0; i < n; i++)
        job->prompt[i] = (unsigned char)prompt[i];
    batch_add(&e->batch, job, request, n, max_tokens, UINT32_MAX);
    return job;
}

static void compute(struct engine *e)
{
    batch_plan(&e->batch, &e->step);
    for (uint32_t i = 0; i < e->step.action_count; i++) {
        const struct batch_action *a = &e->step.actions[i];
        if (a->kind == BATCH_KEEP) {
            assert_true(a->count <= e->cached[a->sequence]);
        } else {
            assert_int_equal(e->cached[a->sequence], 0);
            assert_true(a->count <= e->cached[a->from]);
            memcpy(e->cache[a->sequence], e->cache[a->from], a->count * sizeof(int32_t));
        }
        e->cached[a->sequence] = a->count;
    }
    for (uint32_t i = 0; i < e->step.item_count; i++) {
        const struct batch_item *item = &e->step.items[i];
        assert_int_equal(e->cached[item->sequence], item->first);
        for (uint32_t j = 0; j < item->count; j++)
            e->cache[item->sequence][e->cached[item->sequence]++] = item->tokens[j];
        e->sampled[i] = 1000 + (int32_t)item->job;
    }
    batch_computed(&e->batch, &e->step, e->sampled);
}

/* Ends jobs that have said all; answers how many. */
static uint32_t reap(struct engine *e)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < SLOTS; i++) {
        struct batch_job *job = &e->batch.jobs[i];
        if (job->state == BATCH_DECODE && job->output_count >= job->max_tokens) {
            batch_remove(&e->batch, job);
            count++;
        }
    }
    return count;
}

static void run_to_end(struct engine *e)
{
    for (unsigned i = 0; i < 1000 && batch_running(&e->batch) + batch_waiting(&e->batch); i++) {
        compute(e);
        reap(e);
    }
    assert_int_equal(batch_running(&e->batch), 0);
}

static void decoding_goes_before_prefill_within_its_budget(void **state)
{
    (void)state;
    struct engine *e = fresh(16, 6);
    add(e, 1, "abc", 8);
    compute(e); /* prompt of 1 */
    add(e, 2, "0123456789", 4);
    add(e, 3, "xyz", 4);
    compute(e);
    assert_int_equal(e->step.item_count, 2);
    assert_int_equal(e->step.items[0].count, 1); /* job 1 decodes */
    assert_int_equal(e->step.items[1].count, 6); /* job 2's first chunk takes the budget */
    assert_false(e->step.items[1].wants_token);
    compute(e);
    assert_int_equal(e->step.decode_count, 1);
    assert_int_equal(e->step.prefill_count, 6); /* 4 of job 2, 2 of job 3 */
    assert_true(e->step.items[1].wants_token);
}

static void a_job_without_credits_is_left_out_and_loses_nothing(void **state)
{
    (void)state;
    struct engine *e = fresh(16, 16);
    struct batch_job *job = add(e, 1, "abc", 8);
    job->credits = 2;
    compute(e);
    compute(e);
    compute(e);
    assert_int_equal(e->step.item_count, 0);
    assert_int_equal(job->output_count, 2);
    job->credits += 1;
    compute(e);
    assert_int_equal(job->output_count, 3);
}

static void the_same_beginning_is_taken_from_an_idle_sequence(void **state)
{
    (void)state;
    struct engine *e = fresh(64, 64);
    add(e, 1, "once upon a time there was", 2);
    run_to_end(e);
    struct batch_job *job = add(e, 2, "once upon a time a river", 2);
    compute(e);
    assert_int_equal(job->cached_count, strlen("once upon a time "));
    assert_int_equal(e->step.prefill_count, strlen("a river"));
    assert_true(e->batch.hit_tokens == 17);
}

static void at_least_one_prompt_token_is_computed(void **state)
{
    (void)state;
    struct engine *e = fresh(64, 64);
    add(e, 1, "once upon a time there was", 2);
    run_to_end(e);
    struct batch_job *job = add(e, 2, "once upon a time there was", 2);
    compute(e);
    assert_int_equal(job->cached_count, strlen("once upon a time there was") - 1);
    assert_int_equal(e->step.prefill_count, 1);
}

static void a_busy_sequence_is_copied_from(void **state)
{
    (void)state;
    struct engine *e = fresh(64, 64);
    add(e, 1, "the system prompt of all: first", 20);
    compute(e);
    struct batch_job *job = add(e, 2, "the system prompt of all: other", 20);
    compute(e);
    assert_int_equal(job->cached_count, strlen("the system prompt of all: "));
    run_to_end(e);
}

static void a_few_common_tokens_leave_cached_prompts_alone(void **state)
{
    (void)state;
    struct engine *e = fresh(64, 64);
    add(e, 1, "a prompt that will come again soon", 2);
    run_to_end(e);
    for (uint32_t i = 0; i < SLOTS - 1; i++)
        add(e, 2 + i, "a prompt", 2);
    run_to_end(e);
    struct batch_job *job = add(e, 9, "a prompt that will come again later", 2);
    compute(e);
    assert_int_equal(job->cached_count, strlen("a prompt that will come again "));
}

static void the_sequence_used_longest_ago_gives_way(void **state)
{
    (void)state;
    struct engine *e = fresh(64, 64);
    const char *prompts[SLOTS] = {"a first prompt of twenty", "b second one of some twenty",
                                  "c third one of more than twenty", "d fourth one, as the third"};
    for (uint32_t i = 0; i < SLOTS; i++) {
        add(e, 1 + i, prompts[i], 2);
        run_to_end(e);
    }
    add(e, 9, "e something else", 2);
    run_to_end(e);
    for (uint32_t i = SLOTS; i-- > 0;) {
        struct batch_job *job = add(e, 10 + i, prompts[i], 2);
        compute(e);
        assert_int_equal(job->cached_count, i ? strlen(prompts[i]) - 1 : 0);
        run_to_end(e);
    }
}

static void jobs_side_by_side_take_neighbouring_sequences(void **state)
{
    (void)state;
    struct engine *e = fresh(64, 64);
    static const char *const prompts[SLOTS] = {"aaaa", "bbbb", "cccc", "dddd"};
    static const uint32_t lengths[SLOTS] = {2, 5, 3, 4}; /* ends 0, 2, 3, 1 */
    for (uint32_t i = 0; i < SLOTS; i++)
        add(e, 1 + i, prompts[i], lengths[i]);
    run_to_end(e);
    add(e, 11, "eeee", 3);
    add(e, 12, "ffff", 3);
    compute(e);
    assert_int_equal(e->step.items[0].sequence, 0);
    assert_int_equal(e->step.items[1].sequence, 1); /* 2 was used longer ago */
}

/* Random jobs, cancels and stalls: the engine's cache always agrees, and every job ends. */
static void random_work_keeps_the_cache_right(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 17);
    for (unsigned round = 0; round < 60; round++) {
        struct engine *e =
            fresh(SLOTS + (uint32_t)rng_below(&rng, 30), 1 + (uint32_t)rng_below(&rng, 20));
        uint32_t request = 0;
        for (unsigned step = 0; step < 400; step++) {
            char prompt[CONTEXT];
            uint32_t n = 1 + (uint32_t)rng_below(&rng, CONTEXT / 2);
            for (uint32_t i = 0; i < n; i++)
                prompt[i] = (char)('a' + (i < n / 2 ? i % 3 : rng_below(&rng, 2)));
            prompt[n] = 0;
            if (batch_job_free(&e->batch) && rng_below(&rng, 3) == 0)
                add(e, ++request, prompt, 1 + (uint32_t)rng_below(&rng, CONTEXT / 2));
            compute(e);
            reap(e);
            struct batch_job *job = &e->batch.jobs[rng_below(&rng, SLOTS)];
            if (job->state != BATCH_FREE && rng_below(&rng, 20) == 0)
                batch_remove(&e->batch, job);
            for (uint32_t i = 0; i < SLOTS; i++)
                assert_int_equal(e->batch.sequences[i].count, e->cached[i]);
            for (uint32_t i = 0; i < SLOTS; i++)
                assert_memory_equal(e->batch.sequences[i].tokens, e->cache[i],
                                    e->cached[i] * sizeof(int32_t));
        }
        run_to_end(e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoding_goes_before_prefill_within_its_budget),
        cmocka_unit_test(a_job_without_credits_is_left_out_and_loses_nothing),
        cmocka_unit_test(the_same_beginning_is_taken_from_an_idle_sequence),
        cmocka_unit_test(at_least_one_prompt_token_is_computed),
        cmocka_unit_test(a_busy_sequence_is_copied_from),
        cmocka_unit_test(a_few_common_tokens_leave_cached_prompts_alone),
        cmocka_unit_test(the_sequence_used_longest_ago_gives_way),
        cmocka_unit_test(jobs_side_by_side_take_neighbouring_sequences),
        cmocka_unit_test(random_work_keeps_the_cache_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
