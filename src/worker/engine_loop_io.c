#include "worker/engine_loop_io.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

#include "base/check.h"
#include "os/clock.h"
#include "os/memory.h"
#include "worker/engine.h"
#include "worker/engine_request_io.h"
#include "worker/wire_io.h"

enum {
    CALLS_MAX = 2 * LIMIT_WORKER_RUNNING, /* embeddings and inferences that wait for their turn */
    ANSWER_SIZE = 16 << 20,
    TEXT_MAX = 1 << 20, /* of an answer without stream */
    PREFILL_TOKENS = 256,
    LOAD_EVERY_US = 50 * 1000,
    PROGRESS_EVERY_US = 500 * 1000 /* within one long computing */
};

/* What the loop knows of a generating request beside batch.h. */
struct request {
    bool is_stream, is_cancelled;
    struct piece piece;
    uint32_t silent_tokens; /* computed, their text not sent yet */
    uint32_t said_tokens;
    char *answer; /* without stream */
    size_t answer_size, answer_room;
};

struct call {
    uint32_t id;
    bool is_cancelled;
    json_t *root;
    enum engine_op op;
    size_t text_count;
};

enum pending { PENDING_NONE, PENDING_STEP, PENDING_CALL };

struct engine_loop {
    int fd;
    const struct engine_ops *ops;
    void *self;
    struct engine_load load;
    struct engine_info info;
    struct wire_received in;
    uint64_t epoch, step;
    struct engine_progress progress;
    struct batch batch;
    struct batch_step plan;
    int32_t sampled[BATCH_JOBS_MAX];
    struct request requests[BATCH_JOBS_MAX];
    struct call calls[CALLS_MAX]; /* a ring */
    uint32_t call_first, call_count;
    enum pending pending; /* computed, said when due */
    int64_t due_ns;
    struct frame_load totals;
    int64_t load_sent_us;
    bool was_idle;
    struct text answer; /* of the pending call, and of small results */
    enum frame_type answer_type;
    uint32_t answer_id;
    float *vector;
    struct engine_request parsed;
};

static enum err send_frame(struct engine_loop *loop, enum frame_type type, uint32_t request,
                           struct span payload)
{
    struct frame frame = {
        .type = (uint8_t)type, .request = request, .epoch = loop->epoch, .step = loop->step};
    return wire_send(loop->fd, &frame, payload);
}

static enum err send_fail(struct engine_loop *loop, uint32_t request, const char *code,
                          struct span message)
{
    char buffer[2048];
    struct text json;
    text_init(&json, buffer, sizeof buffer);
    text_json_object(&json);
    text_json_key(&json, "code");
    text_json_str(&json, code);
    text_json_key(&json, "message");
    text_json_span(&json, message.n > 1024 ? span_from(message.p, 1024) : message);
    text_json_end(&json);
    return send_frame(loop, FRAME_FAIL, request, text_span(&json));
}

static uint32_t cells_max(const struct engine_loop *loop)
{
    return loop->load.slots * loop->info.context_tokens;
}

static enum err send_load(struct engine_loop *loop)
{
    uint8_t bytes[64];
    loop->totals.running = batch_running(&loop->batch) + loop->call_count;
    loop->totals.waiting = batch_waiting(&loop->batch);
    loop->totals.kv_used = batch_cells(&loop->batch);
    loop->totals.kv_total = cells_max(loop);
    loop->totals.prompt_tokens = loop->batch.prompt_tokens;
    loop->totals.prefix_hit_tokens = loop->batch.hit_tokens;
    loop->totals.output_tokens = loop->batch.output_tokens;
    frame_load_encode(&loop->totals, bytes);
    loop->load_sent_us = os_now_us();
    return send_frame(loop, FRAME_STEP, 0, span_from((char *)bytes, sizeof bytes));
}

/* The engine computes on: its worker shall not take it for hung. */
static void note_progress(struct engine_progress *progress)
{
    struct engine_loop *loop = CONTAINER_OF(progress, struct engine_loop, progress);
    if (os_now_us() - loop->load_sent_us < PROGRESS_EVERY_US)
        return;
    loop->step++;
    if (send_load(loop)) /* the worker is gone: the next frame will find that out */
        loop->load_sent_us = os_now_us();
}

static struct request *request_of(struct engine_loop *loop, const struct batch_job *job)
{
    return &loop->requests[batch_job_index(&loop->batch, job)];
}

/* A request's end --------------------------------------------------------------------------- */

static enum err end_request(struct engine_loop *loop, struct batch_job *job, const char *reason)
{
    struct request *request = request_of(loop, job);
    struct text *json = &loop->answer;
    text_truncate(json, 0);
    text_json_object(json);
    text_json_key(json, "finish_reason");
    text_json_str(json, reason);
    text_json_key(json, "prompt_tokens");
    text_json_u64(json, job->prompt_count);
    text_json_key(json, "cached_tokens");
    text_json_u64(json, job->cached_count);
    text_json_key(json, "output_tokens");
    text_json_u64(json, request->said_tokens);
    if (!request->is_stream) {
        text_json_key(json, "text");
        text_json_span(json, span_from(request->answer, request->answer_size));
    }
    text_json_end(json);
    uint32_t id = job->request;
    loop->ops->end(loop->self, batch_job_index(&loop->batch, job));
    batch_remove(&loop->batch, job);
    os_free(request->answer);
    *request = (struct request){0};
    return send_frame(loop, FRAME_RESULT, id, text_span(json));
}

static enum err say(struct engine_loop *loop, struct batch_job *job, struct span text)
{
    struct request *request = request_of(loop, job);
    if (text.n == 0)
        return ERR_OK;
    if (request->is_stream) {
        char payload[4 + 3 * PIECE_HELD_MAX];
        for (unsigned i = 0; i < 4; i++)
            payload[i] = (char)(request->silent_tokens >> (8 * i));
        memcpy(payload + 4, text.p, text.n);
        request->silent_tokens = 0;
        return send_frame(loop, FRAME_TOKENS, job->request, span_from(payload, 4 + text.n));
    }
    if (request->answer_size + text.n > request->answer_room) {
        size_t room = 2 * (request->answer_room + text.n) + 256;
        char *bigger = room <= TEXT_MAX ? os_resize(request->answer, room) : NULL;
        if (!bigger)
            return ERR_FULL;
        request->answer = bigger;
        request->answer_room = room;
    }
    memcpy(request->answer + request->answer_size, text.p, text.n);
    request->answer_size += text.n;
    return ERR_OK;
}

/* One sampled token of a job, by then part of the batch's count. */
static enum err take_token(struct engine_loop *loop, struct batch_job *job, int32_t token)
{
    struct request *request = request_of(loop, job);
    char bytes[PIECE_ADD_MAX], out[3 * PIECE_HELD_MAX];
    if (request->is_cancelled)
        return ERR_OK;
    bool is_end = loop->ops->is_end(loop->self, token);
    if (!is_end) {
        request->said_tokens++;
        request->silent_tokens++;
        size_t n = loop->ops->bytes(loop->self, token, bytes, sizeof bytes);
        n = piece_add(&request->piece, span_from(bytes, n), out);
        enum err err = say(loop, job, span_from(out, n));
        if (err)
            return err == ERR_FULL ? end_request(loop, job, "length") : err;
    }
    bool is_stopped = is_end || request->piece.is_stopped;
    if (!is_stopped && job->output_count < job->max_tokens)
        return ERR_OK;
    size_t n = piece_end(&request->piece, out);
    enum err err = say(loop, job, span_from(out, n));
    if (err && err != ERR_FULL)
        return err;
    return end_request(loop, job, is_stopped ? "stop" : "length");
}

/* A request's beginning --------------------------------------------------------------------- */

static enum err refuse_length(struct engine_loop *loop, uint32_t id, uint32_t context,
                              uint32_t prompt, uint32_t answer)
{
    char buffer[512];
    struct text why;
    text_init(&why, buffer, sizeof buffer);
    text_add(&why,
             "This model's maximum context length is %u tokens. However, you requested %u tokens "
             "(%u in the prompt, %u in the completion). Please reduce the length of the prompt or "
             "of the completion.",
             context, prompt + answer, prompt, answer);
    return send_fail(loop, id, "context_length_exceeded", text_span(&why));
}

static enum err begin_generate(struct engine_loop *loop, uint32_t id)
{
    const struct engine_request *parsed = &loop->parsed;
    struct batch_job *job = batch_job_free(&loop->batch);
    if (!job || !loop->ops->tokenize)
        return send_fail(loop, id, "engine_full", span_of("the engine has no free slot"));
    uint32_t context = loop->info.context_tokens, count = 0;
    if (parsed->context_tokens && parsed->context_tokens < context)
        context = parsed->context_tokens;
    enum err err = loop->ops->tokenize(loop->self, parsed->messages, parsed->message_count,
                                       job->prompt, context, &count);
    uint32_t wanted = parsed->sampling.is_max_given ? parsed->sampling.max_tokens : 1;
    if (err == ERR_FULL || (!err && (count >= context || wanted > context - count)))
        return refuse_length(loop, id, context, count, wanted);
    if (err || count == 0)
        return send_fail(loop, id, "invalid_prompt", span_of("the prompt has no tokens"));

    struct engine_sampling sampling = parsed->sampling;
    if (!sampling.is_max_given)
        sampling.max_tokens = context - count;
    uint32_t index = batch_job_index(&loop->batch, job);
    err = loop->ops->begin(loop->self, index, &sampling, job->prompt, count);
    if (err)
        return send_fail(loop, id, "engine_error", span_of(err_text(err)));
    uint32_t credits = parsed->is_stream && parsed->credits ? parsed->credits : UINT32_MAX;
    batch_add(&loop->batch, job, id, count, sampling.max_tokens, credits);
    loop->requests[index] =
        (struct request){.is_stream = parsed->is_stream, .piece = parsed->piece};
    return ERR_OK;
}

static enum err take_request(struct engine_loop *loop, uint32_t id, struct span payload)
{
    if (engine_request_parse(payload, &loop->parsed))
        return send_fail(loop, id, "invalid_request", span_of("the engine's request is malformed"));
    struct engine_request *parsed = &loop->parsed;
    if (parsed->op == ENGINE_GENERATE) {
        enum err err = begin_generate(loop, id);
        json_decref(parsed->root);
        return err;
    }
    if (loop->call_count == CALLS_MAX) {
        json_decref(parsed->root);
        return send_fail(loop, id, "engine_full", span_of("the engine has too many calls"));
    }
    struct call *call = &loop->calls[(loop->call_first + loop->call_count++) % CALLS_MAX];
    *call = (struct call){
        .id = id, .root = parsed->root, .op = parsed->op, .text_count = parsed->message_count};
    return ERR_OK;
}

static void take_cancel(struct engine_loop *loop, uint32_t id)
{
    struct batch_job *job = batch_job_find(&loop->batch, id);
    if (job)
        request_of(loop, job)->is_cancelled = true;
    for (uint32_t i = 0; i < loop->call_count; i++) {
        struct call *call = &loop->calls[(loop->call_first + i) % CALLS_MAX];
        if (call->id == id)
            call->is_cancelled = true;
    }
}

static void take_credit(struct engine_loop *loop, uint32_t id, struct span payload)
{
    struct batch_job *job = batch_job_find(&loop->batch, id);
    if (!job || payload.n != 4 || job->credits == UINT32_MAX)
        return;
    uint32_t added = 0;
    for (unsigned i = 4; i-- > 0;)
        added = added << 8 | (uint8_t)payload.p[i];
    job->credits = added < UINT32_MAX - 1 - job->credits ? job->credits + added : UINT32_MAX - 1;
}

/* One frame; ERR_CLOSED: QUIT or end of file. */
static enum err take_frame(struct engine_loop *loop)
{
    enum err err = wire_receive(loop->fd, &loop->in);
    if (err)
        return err;
    const struct frame *frame = &loop->in.frame;
    switch (frame->type) {
    case FRAME_REQUEST:
        err = take_request(loop, frame->request, loop->in.payload);
        break;
    case FRAME_CANCEL:
        take_cancel(loop, frame->request);
        break;
    case FRAME_CREDIT:
        take_credit(loop, frame->request, loop->in.payload);
        break;
    case FRAME_QUIT:
        err = ERR_CLOSED;
        break;
    default:
        err = ERR_SYNTAX;
        break;
    }
    wire_release(&loop->in);
    return err;
}

/* Takes what has come; waits at most <wait_ns> for the first (-1: for ever). */
static enum err take_frames(struct engine_loop *loop, int64_t wait_ns)
{
    for (;;) {
        struct pollfd ready = {.fd = loop->fd, .events = POLLIN};
        struct timespec wait = {.tv_sec = wait_ns / 1000000000, .tv_nsec = wait_ns % 1000000000};
        int n = ppoll(&ready, 1, wait_ns < 0 ? NULL : &wait, NULL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? ERR_OK : ERR_IO;
        enum err err = take_frame(loop);
        if (err)
            return err;
        wait_ns = 0;
    }
}

/* Calls: one at a time ---------------------------------------------------------------------- */

static enum err embed_texts(struct engine_loop *loop, const struct call *call, uint64_t *ret_tokens,
                            struct text *why)
{
    struct text *json = &loop->answer;
    uint64_t tokens = 0;
    size_t i;
    json_t *row;
    text_json_object(json);
    text_json_key(json, "vectors");
    text_json_array(json);
    json_array_foreach(json_object_get(call->root, "texts"), i, row)
    {
        uint32_t count;
        struct span text = span_from(json_string_value(row), json_string_length(row));
        enum err err = loop->ops->embed(loop->self, text, loop->vector, &count, why);
        if (err)
            return err;
        note_progress(&loop->progress);
        tokens += count;
        text_json_array(json);
        for (uint32_t j = 0; j < loop->info.dimensions; j++)
            text_json_double(json, (double)loop->vector[j]);
        text_json_end(json);
    }
    text_json_end(json);
    text_json_key(json, "prompt_tokens");
    text_json_u64(json, tokens);
    text_json_end(json);
    *ret_tokens = tokens;
    return ERR_OK;
}

static const char *code_of(enum err err)
{
    return err == ERR_VALUE       ? "invalid_input"
           : err == ERR_NOT_FOUND ? "model_not_found"
           : err == ERR_FULL      ? "context_length_exceeded"
                                  : "engine_error";
}

static enum err run_call(struct engine_loop *loop, const struct call *call, uint64_t *ret_tokens,
                         struct text *why)
{
    text_truncate(&loop->answer, 0);
    if (call->op == ENGINE_EMBED && loop->ops->embed && loop->info.dimensions)
        return embed_texts(loop, call, ret_tokens, why);
    if (call->op == ENGINE_INFER && loop->ops->infer)
        return loop->ops->infer(loop->self, call->root, &loop->answer, why);
    text_add(why, "the engine %s cannot do this", loop->ops->name);
    return ERR_UNSUPPORTED;
}

static void compute_call(struct engine_loop *loop)
{
    struct call call = loop->calls[loop->call_first];
    loop->call_first = (loop->call_first + 1) % CALLS_MAX;
    loop->call_count--;
    char reason[1024];
    struct text why;
    text_init(&why, reason, sizeof reason);
    uint64_t tokens = 0;
    int64_t began_ns = os_now_ns();
    enum err err = call.is_cancelled ? ERR_CLOSED : run_call(loop, &call, &tokens, &why);
    json_decref(call.root);
    if (!err && loop->answer.is_cut) {
        err = ERR_VALUE;
        text_add(&why, "the answer would be larger than %d bytes", ANSWER_SIZE);
    }
    if (err) {
        text_truncate(&loop->answer, 0);
        text_json_object(&loop->answer);
        text_json_key(&loop->answer, "code");
        text_json_str(&loop->answer, err == ERR_CLOSED ? "cancelled" : code_of(err));
        text_json_key(&loop->answer, "message");
        text_json_span(&loop->answer, text_span(&why));
        text_json_end(&loop->answer);
    }
    loop->answer_type = err ? FRAME_FAIL : FRAME_RESULT;
    loop->answer_id = call.id;
    int64_t cost_ns = (int64_t)tokens * loop->load.prefill_ns_per_token;
    loop->due_ns = (loop->due_ns > began_ns ? loop->due_ns : began_ns) + cost_ns;
    loop->totals.prompt_tokens += tokens;
    loop->pending = PENDING_CALL;
}

/* Steps ------------------------------------------------------------------------------------- */

/* Due times follow each other without the poll's slack adding up, unless there was a pause. */
static int64_t step_begin_ns(const struct engine_loop *loop, int64_t now_ns)
{
    bool is_fresh = now_ns - loop->due_ns > 2000000;
    return is_fresh || loop->load.decode_ns_per_token == 0 ? now_ns : loop->due_ns;
}

static bool compute_step(struct engine_loop *loop)
{
    int64_t now_ns = os_now_ns(), began_ns = step_begin_ns(loop, now_ns);
    batch_plan(&loop->batch, &loop->plan);
    for (uint32_t i = 0; i < loop->plan.action_count; i++)
        loop->ops->apply(loop->self, &loop->plan.actions[i]);
    if (loop->plan.item_count == 0)
        return true;
    if (!loop->ops->compute(loop->self, &loop->plan, loop->sampled))
        return false;
    int64_t cost_ns = (int64_t)loop->plan.prefill_count * loop->load.prefill_ns_per_token;
    int64_t decode_cost_ns = loop->plan.decode_count ? loop->load.decode_ns_per_token : 0;
    loop->due_ns = began_ns + cost_ns + decode_cost_ns;
    loop->pending = PENDING_STEP;

    /* Shares of the step: what prefill took, and what each stream waited for its token. */
    int64_t end_ns = os_now_ns();
    int64_t took_ns = (end_ns > loop->due_ns ? end_ns : loop->due_ns) - began_ns;
    int64_t prefill_ns = cost_ns + decode_cost_ns
                             ? took_ns * cost_ns / (cost_ns + decode_cost_ns)
                             : took_ns * loop->plan.prefill_count / loop->plan.token_count;
    loop->totals.prefill_us += (uint64_t)prefill_ns / 1000;
    loop->totals.decode_us += (uint64_t)(took_ns - prefill_ns) / 1000 * loop->plan.decode_count;
    loop->totals.decode_tokens += loop->plan.decode_count;
    return true;
}

static enum err deliver(struct engine_loop *loop)
{
    enum pending pending = loop->pending;
    loop->pending = PENDING_NONE;
    loop->step++;
    if (pending == PENDING_CALL)
        return send_frame(loop, loop->answer_type, loop->answer_id, text_span(&loop->answer));
    batch_computed(&loop->batch, &loop->plan, loop->sampled);
    for (uint32_t i = 0; i < loop->plan.item_count; i++) {
        const struct batch_item *item = &loop->plan.items[i];
        if (!item->wants_token)
            continue;
        enum err err = take_token(loop, &loop->batch.jobs[item->job], loop->sampled[i]);
        if (err)
            return err;
    }
    return ERR_OK;
}

static enum err drop_cancelled(struct engine_loop *loop)
{
    for (uint32_t i = 0; i < loop->batch.rules.slots; i++) {
        struct batch_job *job = &loop->batch.jobs[i];
        if (job->state == BATCH_FREE || !loop->requests[i].is_cancelled)
            continue;
        enum err err = end_request(loop, job, "cancelled");
        if (err)
            return err;
    }
    return ERR_OK;
}

/* Is there a job that a step could bring forward, or one to be dropped? Streams without credits
 * only wait. */
static bool has_work(const struct engine_loop *loop)
{
    for (uint32_t i = 0; i < loop->batch.rules.slots; i++) {
        const struct batch_job *job = &loop->batch.jobs[i];
        if (job->state != BATCH_FREE && loop->requests[i].is_cancelled)
            return true;
        if (job->state == BATCH_WAITING || job->state == BATCH_PREFILL ||
            (job->state == BATCH_DECODE && job->credits > 0))
            return true;
    }
    return false;
}

/* A STEP frame when the loop becomes idle or busy, and every LOAD_EVERY_US while it is busy. */
static enum err tell_load(struct engine_loop *loop, bool is_idle)
{
    bool has_turned = is_idle != loop->was_idle;
    bool is_due = !is_idle && os_now_us() - loop->load_sent_us >= LOAD_EVERY_US;
    loop->was_idle = is_idle;
    return has_turned || is_due ? send_load(loop) : ERR_OK;
}

/* How long frames may be waited for: until what was computed is due, at most until the next STEP.
 */
static int64_t patience_ns(const struct engine_loop *loop, bool is_idle)
{
    if (is_idle)
        return -1;
    if (loop->pending == PENDING_NONE)
        return 0;
    int64_t left_ns = loop->due_ns - os_now_ns(), most_ns = LOAD_EVERY_US * INT64_C(1000);
    return left_ns < 0 ? 0 : left_ns < most_ns ? left_ns : most_ns;
}

static enum err one_round(struct engine_loop *loop, bool *prefers_call)
{
    bool is_idle = loop->pending == PENDING_NONE && loop->call_count == 0 && !has_work(loop);
    enum err err = tell_load(loop, is_idle);
    if (!err)
        err = take_frames(loop, patience_ns(loop, is_idle));
    if (err)
        return err;
    if (loop->pending != PENDING_NONE)
        return os_now_ns() >= loop->due_ns ? deliver(loop) : ERR_OK;
    err = drop_cancelled(loop);
    if (err)
        return err;
    bool takes_call = loop->call_count > 0 && (*prefers_call || !has_work(loop));
    *prefers_call = !takes_call;
    if (takes_call) {
        compute_call(loop);
        return ERR_OK;
    }
    return !has_work(loop) || compute_step(loop) ? ERR_OK : ERR_DEAD;
}

/* Loading ----------------------------------------------------------------------------------- */

static const struct engine_ops *find_ops(struct span name)
{
    static const struct engine_ops *const all[] = {
        &engine_echo_ops,
        &engine_native_ops,
#ifdef FARSPAN_WITH_LLAMA
        &engine_llama_ops,
#endif
    };
    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (span_is(name, all[i]->name))
            return all[i];
    return NULL;
}

static enum err send_ready(struct engine_loop *loop)
{
    struct text *json = &loop->answer;
    text_truncate(json, 0);
    text_json_object(json);
    text_json_key(json, "engine");
    text_json_str(json, loop->ops->name);
    text_json_key(json, "version");
    text_json_str(json, loop->info.version);
    text_json_key(json, "sha256");
    text_json_str(json, loop->info.sha256);
    text_json_key(json, "slots");
    text_json_u64(json, loop->load.slots);
    text_json_key(json, "context_tokens");
    text_json_u64(json, loop->info.context_tokens);
    text_json_key(json, "cells");
    text_json_u64(json, cells_max(loop));
    text_json_key(json, "dimensions");
    text_json_u64(json, loop->info.dimensions);
    text_json_key(json, "models");
    if (loop->ops->describe)
        loop->ops->describe(loop->self, json);
    else
        text_json_null(json);
    text_json_end(json);
    return send_frame(loop, FRAME_READY, 0, text_span(json));
}

static bool make_batch(struct engine_loop *loop, struct arena *arena)
{
    uint32_t slots = loop->load.slots, context = loop->info.context_tokens;
    struct batch_rules rules = {.slots = slots,
                                .context_tokens = context,
                                .step_tokens = loop->info.step_tokens,
                                .prefill_tokens = PREFILL_TOKENS};
    if (context == 0) /* it does not generate: a batch of the smallest size stays empty */
        rules = (struct batch_rules){
            .slots = 1, .context_tokens = 2, .step_tokens = 1, .prefill_tokens = 1};
    if (rules.prefill_tokens > rules.step_tokens)
        rules.prefill_tokens = rules.step_tokens;
    size_t size = (size_t)2 * rules.slots * (rules.context_tokens * sizeof(int32_t) + 64);
    void *memory = os_alloc(size);
    if (!memory)
        return false;
    arena_init(arena, memory, size);
    return batch_init(&loop->batch, &rules, arena);
}

static enum err load_engine(struct engine_loop *loop, json_t **ret_root, struct arena *arena)
{
    struct pollfd ready = {.fd = loop->fd, .events = POLLIN};
    while (poll(&ready, 1, -1) < 0 && errno == EINTR)
        continue;
    enum err err = wire_receive(loop->fd, &loop->in);
    if (err)
        return err;
    char reason[1024];
    struct text why;
    text_init(&why, reason, sizeof reason);
    loop->epoch = loop->in.frame.epoch;
    err = loop->in.frame.type == FRAME_LOAD
              ? engine_load_parse(loop->in.payload, ret_root, &loop->load)
              : ERR_SYNTAX;
    wire_release(&loop->in);
    if (err)
        return err;
    loop->progress.note = note_progress;
    loop->load.progress = &loop->progress;
    loop->ops = find_ops(loop->load.engine);
    if (!loop->ops) {
        text_add(&why,
                 "engine \"%.*s\" is not built in: build with llama.cpp (tools/setup.sh), or use "
                 "the echo engine",
                 SPAN_ARG(loop->load.engine));
        err = ERR_UNSUPPORTED;
    } else {
        err = loop->ops->load(&loop->load, &loop->self, &loop->info, &why);
    }
    if (!err) {
        loop->vector = os_alloc((loop->info.dimensions + 1) * sizeof *loop->vector);
        if (!loop->vector || !make_batch(loop, arena))
            err = ERR_MEMORY;
    }
    if (err) {
        if (why.n == 0)
            text_add(&why, "%s", err_text(err));
        enum err sent = send_fail(loop, 0, "load_failed", text_span(&why));
        return sent ? sent : ERR_DEAD;
    }
    return send_ready(loop);
}

int engine_loop_run(int fd)
{
    static struct engine_loop loop;
    loop.fd = fd;
    loop.was_idle = true;
    loop.in.buffer = os_alloc(WIRE_BUFFER_SIZE);
    char *answer = os_alloc(ANSWER_SIZE);
    if (!loop.in.buffer || !answer)
        return 1;
    text_init(&loop.answer, answer, ANSWER_SIZE);
    json_t *root = NULL;
    struct arena arena = {0};
    enum err err = load_engine(&loop, &root, &arena);
    bool prefers_call = true, was_loaded = !err;
    while (!err)
        err = one_round(&loop, &prefers_call);
    if (was_loaded)
        loop.ops->unload(loop.self);
    for (uint32_t i = 0; i < BATCH_JOBS_MAX; i++)
        os_free(loop.requests[i].answer);
    for (uint32_t i = 0; i < loop.call_count; i++)
        json_decref(loop.calls[(loop.call_first + i) % CALLS_MAX].root);
    json_decref(root);
    os_free(loop.vector);
    os_free(arena.base);
    os_free(answer);
    os_free(loop.in.buffer);
    return err == ERR_CLOSED ? 0 : err == ERR_SYNTAX ? 2 : 1;
}
