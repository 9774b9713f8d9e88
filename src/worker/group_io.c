/* group_io.c: which engine children a worker has, and what passes between their queue and them. */
#include <stdio.h>

#include "base/check.h"
#include "os/clock.h"
#include "os/memory.h"
#include "worker/batch.h"
#include "worker/worker_inner_io.h"

static bool has_work(struct engine_child *child)
{
    struct worker_group *group = child->user;
    /* A stream whose reader is slow waits for credits: that is no hang. */
    for (uint32_t i = 0; i < group->worker->job_count; i++) {
        const struct worker_job *job = &group->worker->jobs[i];
        if (job->is_used && job->lane->group == group && job->entry &&
            job->entry->state == QUEUE_RUNNING && job->credits_owed < API_CREDITS / 2)
            return true;
    }
    return false;
}

void worker_group_pump(struct worker_group *group)
{
    int64_t now_us = os_now_us();
    bool was_idle = group->queue.running == 0;
    for (struct queue_entry *entry; (entry = queue_next(&group->queue, now_us));) {
        struct worker_job *job = entry->user;
        struct span json = span_from(job->request.engine_json, job->request.engine_json_size);
        if (was_idle)
            engine_child_work_began(&group->child);
        was_idle = false;
        engine_child_send(&group->child, FRAME_REQUEST, worker_job_name(group->worker, job), json);
    }
}

/* ns a token from what the child has added up since its last word, smoothed. */
static void measure_speed(struct worker_group *group)
{
    const struct frame_load *now = &group->load, *before = &group->load_before;
    uint64_t computed = (now->prompt_tokens - now->prefix_hit_tokens) -
                        (before->prompt_tokens - before->prefix_hit_tokens);
    uint64_t written = now->decode_tokens - before->decode_tokens;
    uint64_t prefill_us = now->prefill_us - before->prefill_us;
    uint64_t decode_us = now->decode_us - before->decode_us;
    if (computed >= 16 && computed < UINT32_MAX && prefill_us > 0) {
        uint64_t ns = prefill_us * 1000 / computed;
        uint64_t old = group->prefill_ns_per_token;
        group->prefill_ns_per_token = old ? (3 * old + ns) / 4 : ns;
    }
    if (written >= 4 && written < UINT32_MAX && decode_us > 0) {
        uint64_t ns = decode_us * 1000 / written;
        uint64_t old = group->decode_ns_per_token;
        group->decode_ns_per_token = old ? (3 * old + ns) / 4 : ns;
    }
    if (computed >= 16 || written >= 4)
        group->load_before = *now;
}

static void take_ready(struct worker_group *group, struct span payload)
{
    json_t *root = json_loadb(payload.p, payload.n, JSON_ALLOW_NUL, NULL);
    group->context_tokens = (uint32_t)json_integer_value(json_object_get(root, "context_tokens"));
    group->dimensions = (uint32_t)json_integer_value(json_object_get(root, "dimensions"));
    json_decref(group->models);
    group->models = json_incref(json_object_get(root, "models"));
    json_decref(root);
    group->failure[0] = 0;
    group->load = group->load_before = (struct frame_load){0};
    queue_engine_ready(&group->queue);
    worker_group_pump(group);
}

/* A FAIL without a request: the model could not be loaded. Said once for each reason. */
static void take_load_failure(struct worker_group *group, struct span payload)
{
    json_t *root = json_loadb(payload.p, payload.n, JSON_ALLOW_NUL, NULL);
    const char *message = json_string_value(json_object_get(root, "message"));
    if (message && strncmp(group->failure, message, sizeof group->failure - 1) != 0) {
        struct text text;
        text_init(&text, group->failure, sizeof group->failure);
        text_add(&text, "%s", message);
        fprintf(stderr, "farspan worker: the %s engine could not start: %s\n",
                fleet_engine_name(group->engine), message);
    }
    json_decref(root);
}

static void on_frame(struct engine_child *child, const struct frame *frame, struct span payload)
{
    struct worker_group *group = child->user;
    if (frame->type == FRAME_READY) {
        take_ready(group, payload);
        return;
    }
    if (frame->type == FRAME_STEP) {
        if (!frame_load_decode(payload, &group->load))
            measure_speed(group);
        return;
    }
    if (frame->type == FRAME_FAIL && frame->request == 0) {
        take_load_failure(group, payload);
        return;
    }
    struct worker_job *job = worker_job_find(group->worker, frame->request);
    if (!job || job->lane->group != group)
        return;
    if (frame->type == FRAME_TOKENS)
        worker_job_tokens(job, payload);
    else if (frame->type == FRAME_RESULT)
        worker_job_result(job, payload);
    else if (frame->type == FRAME_FAIL)
        worker_job_failed(job, payload);
    if (frame->type != FRAME_TOKENS)
        worker_group_pump(group);
}

static void on_death(struct engine_child *child, int status)
{
    struct worker_group *group = child->user;
    struct worker *worker = group->worker;
    static struct queue_lost lost[QUEUE_LANES_MAX * LIMIT_WORKER_RUNNING];
    if (group->failure[0] == 0)
        fprintf(stderr, "farspan worker: the %s engine %s (status %d, %u requests in flight)\n",
                fleet_engine_name(group->engine),
                child->was_killed_for_hang ? "hung and was killed" : "died", status,
                group->queue.running);
    CHECK(group->queue.running <= COUNT_OF(lost));
    metrics_add(&worker->metrics, METRICS_worker_engine_deaths_total, 0, 1);
    uint32_t count = queue_engine_died(&group->queue, os_now_us(), lost);
    for (uint32_t i = 0; i < count; i++)
        worker_job_lost(worker, &lost[i]);
    if (group->failure[0])
        worker_jobs_refuse(group);
}

/* Making them -------------------------------------------------------------------------------- */

static enum fleet_engine engine_of(const struct worker *worker, const struct fleet_service *service)
{
    bool replaces = worker->options->is_echo && service->engine == FLEET_ENGINE_LLAMA;
    return replaces ? FLEET_ENGINE_ECHO : service->engine;
}

/* Native models share one child, echo services another; a llama model file has its own. */
static struct worker_group *find_group(struct worker *worker, enum fleet_engine engine,
                                       uint16_t model)
{
    for (uint32_t i = 0; i < worker->group_count; i++) {
        struct worker_group *group = worker->groups[i];
        if (group->engine == engine && (engine != FLEET_ENGINE_LLAMA || group->model == model))
            return group;
    }
    return NULL;
}

static struct worker_group *new_group(struct worker *worker, enum fleet_engine engine,
                                      uint16_t model)
{
    if (worker->group_count == WORKER_GROUPS_MAX)
        return NULL;
    struct worker_group *group = os_alloc(sizeof *group);
    if (!group)
        return NULL;
    group->worker = worker;
    group->engine = engine;
    group->model = model;
    group->child.loop = worker->loop;
    group->child.user = group;
    group->child.hang_us = worker->options->hang_us;
    group->child.has_work = has_work;
    group->child.on_frame = on_frame;
    group->child.on_death = on_death;
    group->child.load = &group->load_json;
    worker->groups[worker->group_count++] = group;
    return group;
}

static uint32_t lane_slots(const struct worker *worker, const struct worker_lane *lane)
{
    uint32_t slots = worker->fleet->replicas[lane->replica].slots;
    return slots < 1 ? 1 : slots > LIMIT_WORKER_RUNNING ? LIMIT_WORKER_RUNNING : slots;
}

static enum err make_queue(struct worker *worker, struct worker_group *group)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < worker->lane_count; i++)
        if (worker->lanes[i].group == group)
            count += LIMIT_WORKER_QUEUE + lane_slots(worker, &worker->lanes[i]);
    group->entries = os_alloc(count * sizeof *group->entries);
    if (!group->entries)
        return ERR_MEMORY;
    queue_init(&group->queue, group->entries, count);
    for (uint32_t i = 0; i < worker->lane_count; i++) {
        struct worker_lane *lane = &worker->lanes[i];
        if (lane->group != group)
            continue;
        uint32_t slots = lane_slots(worker, lane);
        const struct fleet_service *service = &worker->fleet->services[lane->service];
        bool generates = service->kind == FLEET_GENERATION;
        /* The child's places are shared by the generating lanes: no more may start than it has. */
        if (generates && group->slots + slots > BATCH_JOBS_MAX)
            slots = BATCH_JOBS_MAX > group->slots ? BATCH_JOBS_MAX - group->slots : 0;
        if (slots == 0)
            return ERR_FULL;
        group->slots += generates ? slots : 0;
        group->generates = group->generates || generates;
        group->embeds = group->embeds || service->kind == FLEET_EMBEDDINGS;
        lane->queue_lane = queue_lane_add(&group->queue, slots, LIMIT_WORKER_QUEUE);
    }
    return ERR_OK;
}

static void add_model(struct worker *worker, const struct worker_lane *lane, struct text *json)
{
    const struct fleet_service *service = &worker->fleet->services[lane->service];
    text_json_object(json);
    text_json_key(json, "name");
    text_json_span(json, service->name);
    if (service->model != FLEET_NONE) {
        const struct fleet_model *model = &worker->fleet->models[service->model];
        bool is_replaced = worker->options->model_file && lane->group->engine == FLEET_ENGINE_LLAMA;
        text_json_key(json, "file");
        text_json_span(json, is_replaced ? span_of(worker->options->model_file) : model->file);
        text_json_key(json, "sha256");
        text_json_span(json, is_replaced ? (struct span){0, 0} : model->sha256);
    }
    text_json_end(json);
}

static void add_number(struct text *json, const char *key, uint64_t value)
{
    text_json_key(json, key);
    text_json_u64(json, value);
}

/* The LOAD frame. The context is the largest that one of the services wants; 0: the model's. */
static enum err make_load(struct worker *worker, struct worker_group *group)
{
    struct text *json = &group->load_json;
    uint32_t context = 0;
    bool is_replaced = worker->options->model_file && group->engine == FLEET_ENGINE_LLAMA;
    text_init(json, group->load_buffer, sizeof group->load_buffer);
    text_json_object(json);
    text_json_key(json, "engine");
    text_json_str(json, fleet_engine_name(group->engine));
    text_json_key(json, "models");
    text_json_array(json);
    for (uint32_t i = 0; i < worker->lane_count; i++) {
        const struct worker_lane *lane = &worker->lanes[i];
        if (lane->group != group)
            continue;
        const struct fleet_service *service = &worker->fleet->services[lane->service];
        uint32_t wants = service->context_tokens;
        if (wants == 0 && !is_replaced && service->model != FLEET_NONE)
            wants = worker->fleet->models[service->model].context_tokens;
        context = wants > context ? wants : context;
        add_model(worker, lane, json);
    }
    text_json_end(json);
    add_number(json, "slots", group->slots ? group->slots : 1);
    add_number(json, "context_tokens", context);
    add_number(json, "threads", 1);
    text_json_key(json, "generates");
    text_json_bool(json, group->generates);
    text_json_key(json, "embeds");
    text_json_bool(json, group->embeds);
    if (worker->self->is_paced && worker->self->profile != FLEET_NONE &&
        group->engine != FLEET_ENGINE_NATIVE) {
        const struct fleet_profile *profile = &worker->fleet->profiles[worker->self->profile];
        add_number(json, "prefill_ns_per_token", profile->prefill_ns_per_token);
        add_number(json, "decode_ns_per_token", profile->decode_ns_per_token);
        group->prefill_ns_per_token = profile->prefill_ns_per_token;
        group->decode_ns_per_token = profile->decode_ns_per_token;
    }
    text_json_end(json);
    return json->is_cut ? ERR_FULL : ERR_OK;
}

enum err worker_groups_make(struct worker *worker, struct text *why)
{
    const struct fleet_worker *self = worker->self;
    worker->lanes = os_alloc((self->replica_count + 1) * sizeof *worker->lanes);
    if (!worker->lanes)
        return ERR_MEMORY;
    for (uint16_t i = 0; i < self->replica_count; i++) {
        struct worker_lane *lane = &worker->lanes[worker->lane_count];
        lane->replica = (uint16_t)(self->replica_first + i);
        lane->service = worker->fleet->replicas[lane->replica].service;
        const struct fleet_service *service = &worker->fleet->services[lane->service];
        enum fleet_engine engine = engine_of(worker, service);
        uint64_t chosen = worker->options->services;
        if (engine == FLEET_ENGINE_REMOTE || (chosen && !(chosen >> lane->service & 1)))
            continue;
        lane->group = find_group(worker, engine, service->model);
        if (!lane->group)
            lane->group = new_group(worker, engine, service->model);
        if (!lane->group) {
            text_add(why, "the worker has too many models (at most %d)", WORKER_GROUPS_MAX);
            return ERR_FULL;
        }
        worker->lane_count++;
    }
    for (uint32_t i = 0; i < worker->group_count; i++) {
        enum err err = make_queue(worker, worker->groups[i]);
        if (!err)
            err = make_load(worker, worker->groups[i]);
        if (err) {
            text_add(why, "the replicas of %s want more than %d slots together",
                     fleet_engine_name(worker->groups[i]->engine), BATCH_JOBS_MAX);
            return err;
        }
        engine_child_init(&worker->groups[i]->child);
    }
    return ERR_OK;
}

void worker_groups_start(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->group_count; i++)
        engine_child_start(&worker->groups[i]->child);
}

void worker_groups_fini(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->group_count; i++) {
        struct worker_group *group = worker->groups[i];
        if (group->child.in.buffer)
            engine_child_fini(&group->child);
        json_decref(group->models);
        os_free(group->entries);
        os_free(group);
    }
    os_free(worker->lanes);
}
