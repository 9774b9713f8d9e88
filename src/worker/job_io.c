/* job_io.c: one client's request from its body to its last byte. */
#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "os/clock.h"
#include "os/memory.h"
#include "worker/worker_inner_io.h"

enum { CREDIT_BATCH = 16, UNLOADED_RETRY_S = 10 };

static struct worker *worker_of(const struct worker_job *job)
{
    return job->lane->group->worker;
}

static unsigned label_of(const struct worker_job *job)
{
    return job->lane->service;
}

enum err worker_jobs_make(struct worker *worker)
{
    worker->job_count = 0;
    for (uint32_t i = 0; i < worker->group_count; i++)
        worker->job_count += worker->groups[i]->queue.entry_count;
    worker->job_count++; /* the one that is offered when all places are taken, and refused */
    CHECK(worker->job_count < UINT16_MAX);
    worker->jobs = os_alloc((worker->job_count + 1) * sizeof *worker->jobs);
    if (!worker->jobs) {
        worker->job_count = 0;
        return ERR_MEMORY;
    }
    for (uint32_t i = worker->job_count; i-- > 0;) {
        worker->jobs[i].next = worker->free_jobs;
        worker->free_jobs = &worker->jobs[i];
    }
    return ERR_OK;
}

void worker_jobs_fini(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->job_count; i++) {
        CHECK(!worker->jobs[i].exchange);
        free(worker->jobs[i].request.engine_json);
    }
    os_free(worker->jobs);
}

uint32_t worker_job_name(const struct worker *worker, const struct worker_job *job)
{
    return (uint32_t)job->generation << 16 | ((uint32_t)(job - worker->jobs) + 1);
}

struct worker_job *worker_job_find(struct worker *worker, uint32_t name)
{
    uint32_t index = (name & 0xffff) - 1;
    if (index >= worker->job_count)
        return NULL;
    struct worker_job *job = &worker->jobs[index];
    return job->is_used && job->generation == name >> 16 ? job : NULL;
}

/* From here on the exchange ends by itself: worker_job_gone() is not called for it any more. */
static void leave_exchange(struct worker_job *job)
{
    job->exchange->user = NULL;
    job->exchange = NULL;
}

static void release(struct worker_job *job)
{
    struct worker *worker = worker_of(job);
    if (job->exchange)
        leave_exchange(job);
    free(job->request.engine_json);
    metrics_time(&worker->metrics, METRICS_request_us,
                 label_of(job) < METRICS_HISTOGRAM_LABEL_MAX ? label_of(job)
                                                             : METRICS_HISTOGRAM_LABEL_MAX - 1,
                 (uint64_t)(os_now_us() - job->began_us));
    uint16_t generation = (uint16_t)(job->generation + 1);
    *job = (struct worker_job){.generation = generation, .next = worker->free_jobs};
    worker->free_jobs = job;
    worker->jobs_used--;
}

/* The engine has nothing more to do with it. */
static void finish_entry(struct worker_job *job)
{
    if (job->entry)
        queue_finish(&job->lane->group->queue, job->entry, os_now_us());
    job->entry = NULL;
}

/* An error as the answer, or, when its stream has begun, as its last event: then the connection is
 * broken off, without [DONE] and without the last chunk. */
static void answer_fault(struct worker_job *job, const struct answer_error *error,
                         uint32_t retry_after_s)
{
    struct worker *worker = worker_of(job);
    struct http_exchange *exchange = job->exchange;
    if (!exchange)
        return;
    if (!job->has_begun) {
        leave_exchange(job);
        worker_refuse(worker, exchange, job->subject.form, error, retry_after_s);
        return;
    }
    text_truncate(&worker->scratch, 0);
    answer_error_event(&worker->scratch, error);
    http_answer_body(exchange, text_span(&worker->scratch));
    if (!job->exchange)
        return; /* it left while we wrote */
    leave_exchange(job);
    http_answer_break(exchange);
}

static void make_subject(struct worker *worker, struct worker_job *job)
{
    static const struct {
        enum answer_form form;
        const char *prefix;
    } rows[] = {[API_CHAT] = {ANSWER_CHAT, "chatcmpl-"},
                [API_COMPLETION] = {ANSWER_COMPLETION, "cmpl-"},
                [API_EMBEDDINGS] = {ANSWER_EMBEDDINGS, "embd-"},
                [API_INFER] = {ANSWER_INFER, "infer-"}};
    struct text id;
    job->subject.form = rows[job->request.kind].form;
    job->subject.model = worker->fleet->services[job->lane->service].name;
    job->subject.created_s = os_wall_us() / 1000000;
    text_init(&id, job->subject.id, sizeof job->subject.id);
    text_add(&id, "%s%016llx", rows[job->request.kind].prefix,
             (unsigned long long)hash_pair((uint64_t)os_wall_us(), ++worker->request_count));
}

/* An engine that cannot even load will not be there soon: somebody else shall answer. */
static const struct answer_error unloaded = {
    "The replica's model cannot be loaded; its worker's log says why.", "engine_unavailable", NULL,
    503};

void worker_job_offer(struct worker *worker, struct worker_lane *lane,
                      struct http_exchange *exchange, const struct api_request *request,
                      int64_t deadline_us)
{
    struct worker_job *job = worker->free_jobs;
    CHECK(job); /* one more than the queues have entries */
    worker->free_jobs = job->next;
    worker->jobs_used++;
    uint16_t generation = job->generation;
    *job = (struct worker_job){.generation = generation,
                               .is_used = true,
                               .exchange = exchange,
                               .lane = lane,
                               .request = *request,
                               .began_us = os_now_us(),
                               .deadline_us = deadline_us};
    make_subject(worker, job);
    exchange->user = job;
    if (lane->group->failure[0]) {
        answer_fault(job, &unloaded, UNLOADED_RETRY_S);
        release(job);
        return;
    }
    struct span json = span_from(request->engine_json, request->engine_json_size);
    struct queue_verdict verdict =
        queue_offer(&lane->group->queue, lane->queue_lane, hash_span(json, 11), job, job->began_us,
                    &job->entry);
    static const struct answer_error refusals[] = {
        [QUEUE_FULL] = {"The replica's queue is full. Retry later.", "queue_full", NULL, 503},
        [QUEUE_QUARANTINED] =
            {"This request has stopped the engine twice and is refused for a while.",
             "request_quarantined", NULL, 422},
        [QUEUE_DRAINING] = {"The worker is draining.", "draining", NULL, 503}};
    if (verdict.refusal != QUEUE_ACCEPTED) {
        if (verdict.refusal == QUEUE_QUARANTINED)
            metrics_add(&worker->metrics, METRICS_worker_quarantined_total, 0, 1);
        answer_fault(job, &refusals[verdict.refusal], verdict.retry_after_s);
        release(job);
        return;
    }
    metrics_add(&worker->metrics, METRICS_worker_requests_total, label_of(job), 1);
    worker_group_pump(lane->group);
}

/* Streaming ---------------------------------------------------------------------------------- */

/* Head and role, with the first event after them. false: the client left meanwhile. */
static bool begin_stream(struct worker_job *job, struct text *text)
{
    struct span headers =
        SPAN_LITERAL("content-type: text/event-stream\r\ncache-control: no-cache\r\n");
    job->has_begun = true;
    queue_streamed(job->entry);
    struct worker *worker = worker_of(job);
    metrics_time(&worker->metrics, METRICS_first_byte_us,
                 label_of(job) < METRICS_HISTOGRAM_LABEL_MAX ? label_of(job)
                                                             : METRICS_HISTOGRAM_LABEL_MAX - 1,
                 (uint64_t)(os_now_us() - job->began_us));
    text_truncate(text, 0);
    answer_event_role(text, &job->subject);
    http_answer(job->exchange, 200, headers, HTTP_LENGTH_CHUNKED, text_span(text));
    return job->exchange != NULL;
}

static void send_credits(struct worker_job *job)
{
    char payload[4];
    for (unsigned i = 0; i < 4; i++)
        payload[i] = (char)(job->credits_owed >> (8 * i));
    /* The engine may have had nothing to do but wait for this reader: that was no hang. */
    if (job->credits_owed >= API_CREDITS / 2)
        engine_child_work_began(&job->lane->group->child);
    job->credits_owed = 0;
    engine_child_send(&job->lane->group->child, FRAME_CREDIT, worker_job_name(worker_of(job), job),
                      span_from(payload, sizeof payload));
}

void worker_job_tokens(struct worker_job *job, struct span payload)
{
    struct worker *worker = worker_of(job);
    if (!job->exchange || payload.n < 4)
        return;
    if (!job->has_begun && !begin_stream(job, &worker->scratch))
        return;
    for (unsigned i = 0; i < 4; i++)
        job->credits_owed += (uint32_t)(uint8_t)payload.p[i] << (8 * i);
    text_truncate(&worker->scratch, 0);
    answer_event_piece(&worker->scratch, &job->subject, span_from(payload.p + 4, payload.n - 4));
    http_answer_body(job->exchange, text_span(&worker->scratch));
    if (job->exchange && job->credits_owed >= CREDIT_BATCH &&
        http_answer_backlog(job->exchange) < LIMIT_STREAM_BACKLOG)
        send_credits(job);
}

void worker_job_drained(struct worker_job *job)
{
    if (job->credits_owed)
        send_credits(job);
}

/* Ends ---------------------------------------------------------------------------------------- */

static uint64_t count_of(const json_t *root, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(root, key));
    return value > 0 ? (uint64_t)value : 0;
}

static void account(struct worker_job *job, const struct answer_usage *usage)
{
    struct metrics *metrics = &worker_of(job)->metrics;
    job->lane->prompt_tokens += usage->prompt_tokens;
    job->lane->hit_tokens += usage->cached_tokens;
    job->lane->output_tokens += usage->output_tokens;
    metrics_add(metrics, METRICS_worker_prompt_tokens_total, label_of(job), usage->prompt_tokens);
    metrics_add(metrics, METRICS_worker_prefix_hit_tokens_total, label_of(job),
                usage->cached_tokens);
    metrics_add(metrics, METRICS_worker_output_tokens_total, label_of(job), usage->output_tokens);
}

static struct span string_of(const json_t *value)
{
    return json_is_string(value) ? span_from(json_string_value(value), json_string_length(value))
                                 : (struct span){0, 0};
}

static void end_stream(struct worker_job *job, struct span reason, const struct answer_usage *usage)
{
    struct worker *worker = worker_of(job);
    struct text *text = &worker->scratch;
    if (!job->has_begun && !begin_stream(job, text))
        return;
    struct http_exchange *exchange = job->exchange;
    text_truncate(text, 0);
    answer_event_finish(text, &job->subject, reason);
    http_answer_body(exchange, text_span(text));
    if (job->exchange && job->request.includes_usage) {
        text_truncate(text, 0);
        answer_event_usage(text, &job->subject, usage);
        http_answer_body(exchange, text_span(text));
    }
    if (!job->exchange)
        return;
    text_truncate(text, 0);
    answer_event_done(text);
    http_answer_body(exchange, text_span(text));
    if (!job->exchange)
        return;
    leave_exchange(job);
    http_answer_end(exchange);
}

static void add_vector(struct text *text, const json_t *vector, bool is_base64)
{
    size_t i, n = json_array_size(vector);
    json_t *value;
    if (!is_base64) {
        text_json_array(text);
        json_array_foreach(vector, i, value)
        {
            text_json_double(text, json_number_value(value));
        }
        text_json_end(text);
        return;
    }
    float *floats = os_alloc((n + 1) * sizeof *floats);
    size_t room = n * sizeof *floats * 4 / 3 + 16;
    char *buffer = os_alloc(room);
    struct text encoded;
    if (floats && buffer) {
        json_array_foreach(vector, i, value)
        {
            floats[i] = (float)json_number_value(value);
        }
        text_init(&encoded, buffer, room);
        answer_base64(&encoded, floats, n * sizeof *floats);
        text_json_span(text, text_span(&encoded));
    } else {
        text_json_null(text);
    }
    os_free(floats);
    os_free(buffer);
}

static void write_embeddings(const struct worker_job *job, const json_t *root, struct text *text)
{
    size_t i;
    json_t *vector;
    text_json_object(text);
    text_json_key(text, "object");
    text_json_str(text, "list");
    text_json_key(text, "data");
    text_json_array(text);
    json_array_foreach(json_object_get(root, "vectors"), i, vector)
    {
        text_json_object(text);
        text_json_key(text, "object");
        text_json_str(text, "embedding");
        text_json_key(text, "index");
        text_json_u64(text, i);
        text_json_key(text, "embedding");
        add_vector(text, vector, job->request.is_base64);
        text_json_end(text);
    }
    text_json_end(text);
    text_json_key(text, "model");
    text_json_span(text, job->subject.model);
    text_json_key(text, "usage");
    text_json_object(text);
    text_json_key(text, "prompt_tokens");
    text_json_u64(text, count_of(root, "prompt_tokens"));
    text_json_key(text, "total_tokens");
    text_json_u64(text, count_of(root, "prompt_tokens"));
    text_json_end(text);
    text_json_end(text);
}

static void begin_tensor(struct text *text, const char *name, const char *datatype, size_t rows,
                         size_t columns)
{
    text_json_object(text);
    text_json_key(text, "name");
    text_json_str(text, name);
    text_json_key(text, "datatype");
    text_json_str(text, datatype);
    text_json_key(text, "shape");
    text_json_array(text);
    text_json_u64(text, rows);
    if (columns)
        text_json_u64(text, columns);
    text_json_end(text);
    text_json_key(text, "data");
    text_json_array(text);
}

static void end_tensor(struct text *text)
{
    text_json_end(text);
    text_json_end(text);
}

/* What the engine said, as Open Inference outputs. */
static void write_outputs(const json_t *root, struct text *text)
{
    const json_t *outputs = json_object_get(root, "outputs");
    const json_t *vectors = json_object_get(root, "vectors");
    size_t i, j;
    json_t *row, *value;
    if (outputs) {
        char *dumped = json_dumps(outputs, JSON_COMPACT | JSON_REAL_PRECISION(9));
        text_json_raw(text, span_of(dumped ? dumped : "[]"));
        free(dumped);
        return;
    }
    text_json_array(text);
    if (vectors) {
        begin_tensor(text, "embedding", "FP32", json_array_size(vectors),
                     json_array_size(json_array_get(vectors, 0)));
        json_array_foreach(vectors, i, row)
        {
            json_array_foreach(row, j, value)
            {
                text_json_double(text, json_number_value(value));
            }
        }
        end_tensor(text);
    } else {
        begin_tensor(text, "text", "BYTES", 1, 0);
        text_json_span(text, string_of(json_object_get(root, "text")));
        end_tensor(text);
        begin_tensor(text, "finish_reason", "BYTES", 1, 0);
        text_json_span(text, string_of(json_object_get(root, "finish_reason")));
        end_tensor(text);
    }
    text_json_end(text);
}

static void write_infer(const struct worker_job *job, const json_t *root, struct text *text)
{
    const struct worker *worker = worker_of(job);
    const struct fleet_service *service = &worker->fleet->services[job->lane->service];
    text_json_object(text);
    text_json_key(text, "model_name");
    text_json_span(text, service->name);
    text_json_key(text, "model_version");
    struct span version = service->model == FLEET_NONE
                              ? (struct span){0, 0}
                              : worker->fleet->models[service->model].version;
    text_json_span(text, version.n ? version : SPAN_LITERAL("1"));
    text_json_key(text, "id");
    text_json_str(text, job->request.infer_id[0] ? job->request.infer_id : job->subject.id);
    text_json_key(text, "outputs");
    write_outputs(root, text);
    text_json_end(text);
}

static void end_whole(struct worker_job *job, const json_t *root, const struct answer_usage *usage)
{
    struct worker *worker = worker_of(job);
    struct text *text = &worker->scratch;
    text_truncate(text, 0);
    if (job->request.kind == API_EMBEDDINGS)
        write_embeddings(job, root, text);
    else if (job->request.kind == API_INFER)
        write_infer(job, root, text);
    else
        answer_whole(text, &job->subject, string_of(json_object_get(root, "text")),
                     string_of(json_object_get(root, "finish_reason")), usage);
    struct http_exchange *exchange = job->exchange;
    leave_exchange(job);
    http_answer(exchange, 200, SPAN_LITERAL("content-type: application/json\r\n"), (int64_t)text->n,
                text_span(text));
}

void worker_job_result(struct worker_job *job, struct span payload)
{
    json_t *root = json_loadb(payload.p, payload.n, JSON_ALLOW_NUL, NULL);
    struct span reason = string_of(json_object_get(root, "finish_reason"));
    struct answer_usage usage = {.prompt_tokens = count_of(root, "prompt_tokens"),
                                 .cached_tokens = count_of(root, "cached_tokens"),
                                 .output_tokens = count_of(root, "output_tokens")};
    account(job, &usage);
    static const struct answer_error broken = {"The engine's answer is malformed.", "engine_error",
                                               NULL, 500};
    if (job->exchange && !root)
        answer_fault(job, &broken, 0);
    else if (job->exchange && job->request.is_stream)
        end_stream(job, reason, &usage);
    else if (job->exchange)
        end_whole(job, root, &usage);
    json_decref(root);
    finish_entry(job);
    release(job);
}

void worker_job_failed(struct worker_job *job, struct span payload)
{
    json_t *root = json_loadb(payload.p, payload.n, JSON_ALLOW_NUL, NULL);
    const char *message = json_string_value(json_object_get(root, "message"));
    const char *code = json_string_value(json_object_get(root, "code"));
    struct answer_error error = {.message = message ? message : "The engine failed.",
                                 .code = code ? code : "engine_error"};
    error.status = answer_status_of(span_of(error.code));
    if (span_is(span_of(error.code), "context_length_exceeded"))
        error.param = job->request.kind == API_CHAT ? "messages" : "prompt";
    answer_fault(job, &error, error.status == 503 ? 1 : 0);
    json_decref(root);
    finish_entry(job);
    release(job);
}

void worker_job_lost(struct worker *worker, const struct queue_lost *lost)
{
    static const struct answer_error cut = {"The engine died while it was answering.",
                                            "upstream_lost", NULL, 500};
    static const struct answer_error guilty = {
        "This request has stopped the engine twice and is refused for a while.",
        "request_quarantined", NULL, 422};
    struct worker_job *job = lost->user;
    job->entry = NULL; /* freed by the queue */
    if (lost->is_quarantined)
        metrics_add(&worker->metrics, METRICS_worker_quarantined_total, 0, 1);
    answer_fault(job, lost->is_quarantined ? &guilty : &cut, 0);
    release(job);
}

/* Its client left. A running one stays until the engine confirms that it has stopped. */
void worker_job_gone(struct worker_job *job)
{
    struct worker *worker = worker_of(job);
    struct worker_group *group = job->lane->group;
    job->exchange = NULL;
    metrics_add(&worker->metrics, METRICS_worker_cancelled_total, label_of(job), 1);
    if (!job->entry)
        return;
    if (queue_cancel(&group->queue, job->entry)) {
        job->entry = NULL;
        release(job);
        return;
    }
    engine_child_send(&group->child, FRAME_CANCEL, worker_job_name(worker, job),
                      (struct span){0, 0});
}

static void stop(struct worker_job *job, const struct answer_error *error, uint32_t retry_after_s)
{
    struct worker_group *group = job->lane->group;
    answer_fault(job, error, retry_after_s);
    if (queue_cancel(&group->queue, job->entry)) {
        job->entry = NULL;
        release(job);
        return;
    }
    engine_child_send(&group->child, FRAME_CANCEL, worker_job_name(worker_of(job), job),
                      (struct span){0, 0});
}

void worker_job_expire(struct worker *worker, int64_t now_us)
{
    static const struct answer_error late = {"The request's deadline has passed.",
                                             "deadline_exceeded", NULL, 504};
    for (uint32_t i = 0; i < worker->job_count; i++) {
        struct worker_job *job = &worker->jobs[i];
        if (job->is_used && job->exchange && job->deadline_us && job->deadline_us <= now_us)
            stop(job, &late, 0);
    }
}

void worker_jobs_refuse(struct worker_group *group)
{
    struct worker *worker = group->worker;
    for (uint32_t i = 0; i < worker->job_count; i++) {
        struct worker_job *job = &worker->jobs[i];
        if (job->is_used && job->exchange && job->lane->group == group)
            stop(job, &unloaded, UNLOADED_RETRY_S);
    }
}

void worker_jobs_cut(struct worker *worker, const char *code, const char *message)
{
    struct answer_error error = {message, code, NULL, 503};
    for (uint32_t i = 0; i < worker->job_count; i++) {
        struct worker_job *job = &worker->jobs[i];
        if (job->is_used && job->exchange)
            stop(job, &error, 0);
    }
}
