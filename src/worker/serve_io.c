/* serve_io.c: the doors of a worker: which path, who may, which replica. */
#include <string.h>

#include "base/check.h"
#include "http/peer.h"
#include "os/clock.h"
#include "os/memory.h"
#include "worker/worker_inner_io.h"

/* What a request is for, by its path. */
enum door {
    DOOR_NONE,
    DOOR_CHAT,
    DOOR_COMPLETION,
    DOOR_EMBEDDINGS,
    DOOR_INFER,
    DOOR_METADATA,
    DOOR_READY,
    DOOR_LOAD,
    DOOR_STATE,
    DOOR_DRAIN,
    DOOR_HEALTH,
    DOOR_METRICS
};

struct route {
    enum door door;
    enum http_method method;
    bool is_open;     /* without the peer secret */
    struct span name; /* /v2/models/{name} */
};

static const struct {
    const char *path;
    enum door door;
    enum http_method method;
    bool is_open;
} doors[] = {{"/v1/chat/completions", DOOR_CHAT, HTTP_POST, false},
             {"/v1/completions", DOOR_COMPLETION, HTTP_POST, false},
             {"/v1/embeddings", DOOR_EMBEDDINGS, HTTP_POST, false},
             {"/peer/v1/load", DOOR_LOAD, HTTP_GET, false},
             {"/peer/v1/state", DOOR_STATE, HTTP_GET, false},
             {"/peer/v1/drain", DOOR_DRAIN, HTTP_POST, false},
             {"/healthz", DOOR_HEALTH, HTTP_GET, true},
             {"/metrics", DOOR_METRICS, HTTP_GET, true}};

static struct route find_route(const struct http_head *head)
{
    for (size_t i = 0; i < COUNT_OF(doors); i++)
        if (span_is(head->path, doors[i].path))
            return (struct route){doors[i].door, doors[i].method, doors[i].is_open, {0, 0}};
    static const char prefix[] = "/v2/models/";
    if (!span_starts_with(head->path, prefix))
        return (struct route){.door = DOOR_NONE};
    struct span rest =
        span_from(head->path.p + sizeof prefix - 1, head->path.n - sizeof prefix + 1);
    struct route route = {.door = DOOR_METADATA, .method = HTTP_GET};
    route.name = span_cut(&rest, '/');
    if (span_is(rest, "infer"))
        route = (struct route){DOOR_INFER, HTTP_POST, false, route.name};
    else if (span_is(rest, "ready"))
        route.door = DOOR_READY;
    else if (rest.n)
        route.door = DOOR_NONE;
    return route;
}

static enum answer_form form_of(const struct http_exchange *exchange)
{
    return span_starts_with(exchange->head->path, "/v2/") ? ANSWER_INFER : ANSWER_CHAT;
}

void worker_refuse(struct worker *worker, struct http_exchange *exchange, enum answer_form form,
                   const struct answer_error *error, uint32_t retry_after_s)
{
    char buffer[128];
    struct text headers;
    text_init(&headers, buffer, sizeof buffer);
    text_add(&headers, "content-type: application/json\r\n");
    if (retry_after_s)
        text_add(&headers, "retry-after: %u\r\n", retry_after_s);
    text_truncate(&worker->scratch, 0);
    answer_error(&worker->scratch, form, error);
    http_answer(exchange, error->status, text_span(&headers), (int64_t)worker->scratch.n,
                text_span(&worker->scratch));
}

static void refuse(struct http_exchange *exchange, unsigned status, const char *code,
                   const char *message)
{
    struct worker *worker = http_server_user(exchange->server);
    struct answer_error error = {message, code, NULL, status};
    worker_refuse(worker, exchange, form_of(exchange), &error, 0);
}

/* Zones that may compute it: the gateway chose so already; a wrong choice must not pass here. */
static bool may_compute(const struct worker *worker, const struct http_head *head)
{
    if (!http_has_header(head, HTTP_HEADER_FARSPAN_ZONES))
        return true;
    struct span zones = http_header_of(head, HTTP_HEADER_FARSPAN_ZONES);
    const struct fleet *fleet = worker->fleet;
    struct span own = fleet->zones[fleet->regions[worker->self->region].zone];
    while (zones.p)
        if (span_is_equal(span_trim(span_cut(&zones, ',')), own))
            return true;
    return false;
}

static bool is_stale(const struct worker *worker, const struct http_head *head)
{
    uint64_t epoch;
    struct span value = http_header_of(head, HTTP_HEADER_FARSPAN_EPOCH);
    return value.n && span_to_u64(value, &epoch) && epoch < worker->fleet->epoch;
}

static void on_head(struct http_exchange *exchange)
{
    struct worker *worker = http_server_user(exchange->server);
    const struct http_head *head = exchange->head;
    struct route route = find_route(head);
    exchange->user = NULL;
    if (!route.is_open && !http_is_peer(head, worker->options->secret)) {
        bool has_key = http_has_header(head, HTTP_HEADER_AUTHORIZATION) ||
                       http_has_header(head, HTTP_HEADER_API_KEY);
        metrics_add(&worker->metrics, METRICS_unauthorized_total, 0, 1);
        if (has_key)
            refuse(exchange, 403, "not_a_peer",
                   "A worker answers to its gateways only; a client key opens no door here.");
        else
            refuse(exchange, 401, "no_credentials", "A worker answers to its gateways only.");
        return;
    }
    if (route.door == DOOR_NONE) {
        refuse(exchange, 404, "unknown_path",
               "There is no such path here: /v1/chat/completions /v1/completions /v1/embeddings "
               "/v2/models/{name} /v2/models/{name}/ready /v2/models/{name}/infer /peer/v1/load "
               "/peer/v1/state /peer/v1/drain /healthz /metrics");
        return;
    }
    if (head->method != route.method && !(route.method == HTTP_GET && head->method == HTTP_HEAD)) {
        refuse(exchange, 405, "method_not_allowed",
               route.method == HTTP_POST ? "Use POST." : "Use GET.");
        return;
    }
    http_exchange_hold(exchange, LIMIT_HTTP_HELD_BODY);
}

static void answer_json(struct http_exchange *exchange, unsigned status)
{
    struct worker *worker = http_server_user(exchange->server);
    http_answer(exchange, status, SPAN_LITERAL("content-type: application/json\r\n"),
                (int64_t)worker->scratch.n, text_span(&worker->scratch));
}

/* The replica of that name with the least work. */
static struct worker_lane *find_lane(struct worker *worker, struct span name)
{
    struct worker_lane *best = NULL;
    uint32_t least = 0;
    for (uint32_t i = 0; i < worker->lane_count; i++) {
        struct worker_lane *lane = &worker->lanes[i];
        if (!span_is_equal(worker->fleet->services[lane->service].name, name))
            continue;
        const struct queue_lane *load = &lane->group->queue.lanes[lane->queue_lane];
        if (!best || load->running + load->waiting < least) {
            best = lane;
            least = load->running + load->waiting;
        }
    }
    return best;
}

static bool is_ready(const struct worker_lane *lane)
{
    return lane->group->child.state == ENGINE_CHILD_READY;
}

static int64_t deadline_of(const struct http_head *head, const struct fleet_service *service)
{
    uint64_t left_ms;
    int64_t now_us = os_now_us(), deadline_us = 0;
    if (service->timeout_us > 0)
        deadline_us = now_us + service->timeout_us;
    if (span_to_u64(http_header_of(head, HTTP_HEADER_FARSPAN_DEADLINE), &left_ms) &&
        left_ms < 1000ull * 3600 * 24) {
        int64_t said_us = now_us + (int64_t)left_ms * 1000;
        deadline_us = deadline_us && deadline_us < said_us ? deadline_us : said_us;
    }
    return deadline_us;
}

static void refuse_fault(struct http_exchange *exchange, const struct api_fault *fault)
{
    struct worker *worker = http_server_user(exchange->server);
    struct answer_error error = {fault->message, fault->code, fault->param, fault->status};
    metrics_add(&worker->metrics, METRICS_bad_requests_total, 0, 1);
    worker_refuse(worker, exchange, form_of(exchange), &error, 0);
}

static void begin_request(struct http_exchange *exchange, enum api_kind kind, struct span name,
                          struct span body)
{
    struct worker *worker = http_server_user(exchange->server);
    char model[LIMIT_NAME + 1];
    struct api_fault fault = {0};
    struct api_request request;
    if (kind != API_INFER) {
        if (!api_model(body, model, &fault)) {
            refuse_fault(exchange, &fault);
            return;
        }
        name = span_of(model);
    }
    struct worker_lane *lane = find_lane(worker, name);
    if (!lane) {
        bool is_unfit = !api_fail(&fault, 404, "model_not_found", "model",
                                  "The model \"%.*s\" does not exist on this worker.",
                                  (int)(name.n < 128 ? name.n : 128), name.p);
        CHECK(is_unfit);
        refuse_fault(exchange, &fault);
        return;
    }
    const struct fleet_service *service = &worker->fleet->services[lane->service];
    if (!may_compute(worker, exchange->head)) {
        refuse(exchange, 403, "residency", "This request may not be computed in this zone.");
        return;
    }
    if (is_stale(worker, exchange->head)) {
        refuse(exchange, 409, "stale_epoch", "The sender's configuration is older than ours.");
        return;
    }
    if (!api_parse(kind, service, body, &request, &fault)) {
        refuse_fault(exchange, &fault);
        return;
    }
    worker_job_offer(worker, lane, exchange, &request, deadline_of(exchange->head, service));
}

static void begin_watch(struct worker *worker, struct http_exchange *exchange)
{
    if (worker->watcher_count == WORKER_WATCHERS_MAX) {
        refuse(exchange, 503, "too_many_watchers", "Too many peers watch this worker's load.");
        return;
    }
    struct worker_watcher *watcher = &worker->watchers[worker->watcher_count++];
    watcher->exchange = exchange;
    text_truncate(&worker->scratch, 0);
    text_add(&worker->scratch, "data: ");
    worker_report_load(worker, &worker->scratch);
    text_add(&worker->scratch, "\n\n");
    http_answer(exchange, 200,
                SPAN_LITERAL("content-type: text/event-stream\r\ncache-control: no-cache\r\n"),
                HTTP_LENGTH_CHUNKED, text_span(&worker->scratch));
}

static void answer_model(struct worker *worker, struct http_exchange *exchange, struct route route)
{
    const struct worker_lane *lane = find_lane(worker, route.name);
    if (!lane) {
        refuse(exchange, 404, "model_not_found", "There is no such model on this worker.");
        return;
    }
    text_truncate(&worker->scratch, 0);
    if (route.door == DOOR_METADATA) {
        worker_report_model(worker, lane, &worker->scratch);
        answer_json(exchange, 200);
        return;
    }
    text_json_object(&worker->scratch);
    text_json_key(&worker->scratch, "name");
    text_json_span(&worker->scratch, route.name);
    text_json_key(&worker->scratch, "ready");
    text_json_bool(&worker->scratch, is_ready(lane));
    text_json_end(&worker->scratch);
    answer_json(exchange, is_ready(lane) ? 200 : 503);
}

static void answer_health(struct worker *worker, struct http_exchange *exchange)
{
    uint32_t ready = 0;
    for (uint32_t i = 0; i < worker->lane_count; i++)
        ready += is_ready(&worker->lanes[i]);
    text_truncate(&worker->scratch, 0);
    text_json_object(&worker->scratch);
    text_json_key(&worker->scratch, "status");
    text_json_str(&worker->scratch, worker->is_draining ? "draining" : "ok");
    text_json_key(&worker->scratch, "ready");
    text_json_u64(&worker->scratch, ready);
    text_json_key(&worker->scratch, "replicas");
    text_json_u64(&worker->scratch, worker->lane_count);
    text_json_end(&worker->scratch);
    answer_json(exchange, 200);
}

static void answer_report(struct worker *worker, struct http_exchange *exchange, enum door door)
{
    text_truncate(&worker->scratch, 0);
    if (door == DOOR_STATE) {
        worker_report_state(worker, &worker->scratch);
        answer_json(exchange, 200);
        return;
    }
    worker_report_metrics(worker, &worker->scratch);
    http_answer(exchange, 200, SPAN_LITERAL("content-type: text/plain; version=0.0.4\r\n"),
                (int64_t)worker->scratch.n, text_span(&worker->scratch));
}

static void serve(struct worker *worker, struct http_exchange *exchange, struct span body)
{
    struct route route = find_route(exchange->head);
    switch (route.door) {
    case DOOR_CHAT:
        begin_request(exchange, API_CHAT, route.name, body);
        return;
    case DOOR_COMPLETION:
        begin_request(exchange, API_COMPLETION, route.name, body);
        return;
    case DOOR_EMBEDDINGS:
        begin_request(exchange, API_EMBEDDINGS, route.name, body);
        return;
    case DOOR_INFER:
        begin_request(exchange, API_INFER, route.name, body);
        return;
    case DOOR_METADATA:
    case DOOR_READY:
        answer_model(worker, exchange, route);
        return;
    case DOOR_LOAD:
        begin_watch(worker, exchange);
        return;
    case DOOR_STATE:
    case DOOR_METRICS:
        answer_report(worker, exchange, route.door);
        return;
    case DOOR_HEALTH:
        answer_health(worker, exchange);
        return;
    case DOOR_DRAIN:
        text_truncate(&worker->scratch, 0);
        text_add(&worker->scratch, "{\"draining\":true}");
        answer_json(exchange, 202);
        worker_drain(worker, WORKER_PATIENCE_US);
        return;
    case DOOR_NONE:
        break;
    }
    CHECK(false);
}

/* Bodies that outgrow what the server holds (many texts, many rows) are gathered here. ----------
 */

struct big_body {
    size_t size, room;
    char *bytes;
};

static bool is_job(const struct worker *worker, const void *user)
{
    const struct worker_job *job = user;
    return job && job >= worker->jobs && job < worker->jobs + worker->job_count;
}

static void big_body_free(struct worker *worker, struct big_body *body)
{
    worker->body_bytes -= body->room;
    os_free(body->bytes);
    os_free(body);
}

static bool big_body_add(struct worker *worker, struct big_body *body, struct span piece)
{
    if (body->size + piece.n > body->room) {
        size_t room = 2 * (body->size + piece.n);
        if (worker->body_bytes - body->room + room > LIMIT_WORKER_BODY_BYTES)
            return false;
        char *bigger = os_resize(body->bytes, room);
        if (!bigger)
            return false;
        worker->body_bytes += room - body->room;
        body->bytes = bigger;
        body->room = room;
    }
    memcpy(body->bytes + body->size, piece.p, piece.n);
    body->size += piece.n;
    return true;
}

static void gather(struct http_exchange *exchange, struct big_body *body, struct span piece)
{
    struct worker *worker = http_server_user(exchange->server);
    if (piece.n == 0 || (body && big_body_add(worker, body, piece)))
        return;
    refuse(exchange, 503, "overloaded", "The worker has no room for the request's body.");
}

/* A body above LIMIT_WORKER_BODY is refused by the server itself (413). */
static void on_overflow(struct http_exchange *exchange, struct span so_far)
{
    if (exchange->status)
        return;
    struct big_body *body = os_alloc(sizeof *body);
    exchange->user = body;
    if (body)
        gather(exchange, body, so_far);
    else
        refuse(exchange, 503, "overloaded", "The worker has no room for the request's body.");
}

static void on_body(struct http_exchange *exchange, struct span piece)
{
    if (exchange->user && !exchange->status)
        gather(exchange, exchange->user, piece);
}

static void on_body_end(struct http_exchange *exchange)
{
    struct worker *worker = http_server_user(exchange->server);
    struct big_body *big = exchange->user;
    if (exchange->status)
        return; /* refused before; the rest of the body was only drained */
    exchange->user = NULL;
    serve(worker, exchange, big ? span_from(big->bytes, big->size) : http_exchange_body(exchange));
    if (big)
        big_body_free(worker, big);
}

static void on_drained(struct http_exchange *exchange)
{
    struct worker *worker = http_server_user(exchange->server);
    if (is_job(worker, exchange->user))
        worker_job_drained(exchange->user);
}

static void on_gone(struct http_exchange *exchange, bool was_whole)
{
    struct worker *worker = http_server_user(exchange->server);
    for (uint32_t i = 0; i < worker->watcher_count; i++)
        if (worker->watchers[i].exchange == exchange) {
            worker->watchers[i] = worker->watchers[--worker->watcher_count];
            return;
        }
    if (!was_whole && is_job(worker, exchange->user))
        worker_job_gone(exchange->user);
    else if (exchange->user && !is_job(worker, exchange->user))
        big_body_free(worker, exchange->user);
}

static void write_refusal(void *user, unsigned status, const char *reason, struct text *text)
{
    CHECK(user);
    struct answer_error error = {reason, "bad_request", NULL, status};
    answer_error(text, ANSWER_CHAT, &error);
}

const struct http_handler worker_handler = {.on_head = on_head,
                                            .on_body = on_body,
                                            .on_overflow = on_overflow,
                                            .on_body_end = on_body_end,
                                            .on_drained = on_drained,
                                            .on_gone = on_gone,
                                            .refuse = write_refusal};
