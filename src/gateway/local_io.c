/* local_io.c: the paths that a gateway answers itself: lists, health, metrics. */
#include "base/check.h"
#include "gateway/proxy_io.h"
#include "http/buffer_io.h"

enum { METRICS_TEXT_SIZE = 1 << 20 };

/* ---- models ------------------------------------------------------------------------------- */

static void add_model(const struct fleet_service *service, struct text *text)
{
    text_json_object(text);
    text_json_key(text, "id");
    text_json_span(text, service->name);
    text_json_key(text, "object");
    text_json_str(text, "model");
    text_json_key(text, "created");
    text_json_u64(text, 0);
    text_json_key(text, "owned_by");
    text_json_str(text, "farspan");
    if (service->engine != FLEET_ENGINE_REMOTE) {
        text_json_key(text, "kind");
        text_json_str(text, fleet_kind_name(service->kind));
    }
    text_json_end(text);
}

static void answer_json(struct proxy *proxy, unsigned status, const struct text *text)
{
    if (text->is_cut)
        proxy_refuse(proxy, GATEWAY_ERROR_INTERNAL, 0);
    else
        proxy_answer(proxy, status, "application/json", text_span(text));
}

static void answer_models(struct proxy *proxy)
{
    const struct fleet *fleet = proxy->loop->gateway->law.fleet;
    struct text text;
    text_init(&text, proxy->loop->scratch, sizeof proxy->loop->scratch);
    text_json_object(&text);
    text_json_key(&text, "object");
    text_json_str(&text, "list");
    text_json_key(&text, "data");
    text_json_array(&text);
    for (uint16_t i = 0; i < fleet->service_count; i++)
        add_model(&fleet->services[i], &text);
    text_json_end(&text);
    text_json_end(&text);
    answer_json(proxy, 200, &text);
}

/* The service that the path names, or FLEET_NONE after a refusal. */
static uint16_t named_service(struct proxy *proxy)
{
    char buffer[LIMIT_API_NAME + 1];
    struct text name;
    text_init(&name, buffer, sizeof buffer);
    uint16_t service = FLEET_NONE;
    if (gateway_api_decode(proxy->request.name, &name))
        service = fleet_find_service(proxy->loop->gateway->law.fleet, text_span(&name));
    if (service == FLEET_NONE)
        proxy_refuse(proxy, GATEWAY_ERROR_MODEL_NOT_FOUND, 0);
    return service;
}

static void answer_model(struct proxy *proxy)
{
    uint16_t service = named_service(proxy);
    if (service == FLEET_NONE)
        return;
    struct text text;
    text_init(&text, proxy->loop->scratch, sizeof proxy->loop->scratch);
    add_model(&proxy->loop->gateway->law.fleet->services[service], &text);
    answer_json(proxy, 200, &text);
}

/* ---- Open Inference Protocol -------------------------------------------------------------- */

static void answer_v2(struct proxy *proxy)
{
    proxy_answer(proxy, 200, "application/json",
                 SPAN_LITERAL("{\"name\":\"farspan\",\"version\":\"2\",\"extensions\":[]}"));
}

static void answer_live(struct proxy *proxy)
{
    proxy_answer(proxy, 200, "application/json", SPAN_LITERAL("{\"live\":true}"));
}

static void answer_ready_word(struct proxy *proxy, bool is_ready)
{
    proxy_answer(proxy, is_ready ? 200 : 503, "application/json",
                 is_ready ? SPAN_LITERAL("{\"ready\":true}") : SPAN_LITERAL("{\"ready\":false}"));
}

static bool is_served(const struct proxy *proxy, uint16_t service)
{
    return gateway_targets_ready_count(&proxy->loop->services[service], proxy_now_us(proxy)) > 0;
}

static void answer_ready(struct proxy *proxy)
{
    const struct fleet *fleet = proxy->loop->gateway->law.fleet;
    bool is_ready = !proxy->loop->is_draining;
    for (uint16_t i = 0; i < fleet->service_count; i++)
        is_ready = is_ready && is_served(proxy, i);
    answer_ready_word(proxy, is_ready);
}

static void answer_model_ready(struct proxy *proxy)
{
    uint16_t service = named_service(proxy);
    if (service != FLEET_NONE)
        answer_ready_word(proxy, is_served(proxy, service));
}

static void answer_healthz(struct proxy *proxy)
{
    if (proxy->loop->is_draining)
        proxy_answer(proxy, 503, "application/json", SPAN_LITERAL("{\"status\":\"draining\"}"));
    else
        proxy_answer(proxy, 200, "application/json", SPAN_LITERAL("{\"status\":\"ok\"}"));
}

/* ---- metrics ------------------------------------------------------------------------------ */

/* The loops' numbers are theirs alone: the job visits each loop in turn, adds its numbers there,
 * and comes home to be printed. There are so few jobs at a time that no queue of a loop can be full
 * of them. */
struct metrics_job {
    struct gateway *gateway;
    struct gateway_loop *home;
    struct proxy *proxy; /* NULL: the client has left */
    unsigned next;       /* loop to visit */
    struct metrics sum;
};

enum { METRICS_JOBS_MAX = 16 };

static void free_job(struct metrics_job *job)
{
    if (job->proxy)
        job->proxy->job = NULL;
    atomic_fetch_sub(&job->gateway->metrics_jobs, 1);
    os_free(job);
}

static void add_process(struct metrics_job *job)
{
    struct gateway *gateway = job->gateway;
    const struct fleet *fleet = gateway->law.fleet;
    int64_t now_us = net_loop_now_us(job->home->loop);
    metrics_gauge_add(&job->sum, METRICS_held_bytes, 0, (int64_t)buffer_held_bytes());
    metrics_gauge_add(&job->sum, METRICS_waiting_bytes, 0, (int64_t)buffer_waiting_bytes());
    metrics_gauge_add(&job->sum, METRICS_config_epoch, 0, (int64_t)fleet->epoch);
    metrics_gauge_add(&job->sum, METRICS_config_age_seconds, 0,
                      (now_us - gateway->started_us) / 1000000);
    for (uint16_t i = 0; i < fleet->service_count; i++)
        metrics_gauge_add(&job->sum, METRICS_targets_ready, i,
                          gateway_targets_ready_count(&job->home->services[i], now_us));
}

static void print_job(struct metrics_job *job)
{
    struct proxy *proxy = job->proxy;
    char *buffer = os_alloc(METRICS_TEXT_SIZE);
    struct text text;
    text_init(&text, buffer, buffer ? METRICS_TEXT_SIZE : 1);
    if (buffer) {
        add_process(job);
        metrics_print(&job->sum, job->gateway->law.fleet, &text);
    }
    free_job(job);
    if (buffer)
        proxy_answer(proxy, 200, "text/plain; version=0.0.4; charset=utf-8", text_span(&text));
    else
        proxy_refuse(proxy, GATEWAY_ERROR_INTERNAL, 0);
    os_free(buffer);
}

static void come_home(void *argument)
{
    struct metrics_job *job = argument;
    if (job->proxy)
        print_job(job);
    else
        free_job(job);
}

static void visit(void *argument)
{
    struct metrics_job *job = argument;
    struct gateway *gateway = job->gateway;
    struct gateway_loop *loop = gateway->loops[job->next++];
    metrics_merge(&job->sum, loop->metrics);
    metrics_gauge_add(&job->sum, METRICS_connections_open, 0,
                      http_server_connections(loop->server));
    metrics_add(&job->sum, METRICS_connections_total, 0, http_server_accepted(loop->server));
    bool is_last = job->next == gateway->loop_count;
    struct net_loop *where = is_last ? job->home->loop : gateway->loops[job->next]->loop;
    CHECK(net_loop_post(where, is_last ? come_home : visit, job) == ERR_OK);
}

static void on_job_gone(struct proxy *proxy)
{
    struct metrics_job *job = proxy->job;
    job->proxy = NULL;
}

static void answer_metrics(struct proxy *proxy)
{
    struct gateway *gateway = proxy->loop->gateway;
    struct metrics_job *job = NULL;
    if (atomic_fetch_add(&gateway->metrics_jobs, 1) < METRICS_JOBS_MAX)
        job = os_alloc(sizeof *job);
    if (!job) {
        atomic_fetch_sub(&gateway->metrics_jobs, 1);
        proxy_refuse(proxy, GATEWAY_ERROR_INTERNAL, 0);
        return;
    }
    job->gateway = gateway;
    job->home = proxy->loop;
    job->proxy = proxy;
    metrics_init(&job->sum);
    proxy->job = job;
    proxy->on_job_gone = on_job_gone;
    CHECK(net_loop_post(gateway->loops[0]->loop, visit, job) == ERR_OK);
}

/* ---- the table ---------------------------------------------------------------------------- */

void local_answer(struct proxy *proxy)
{
    static void (*const answers[GATEWAY_ROUTE_COUNT])(struct proxy *) = {
        [GATEWAY_ROUTE_MODELS] = answer_models,
        [GATEWAY_ROUTE_MODEL] = answer_model,
        [GATEWAY_ROUTE_V2] = answer_v2,
        [GATEWAY_ROUTE_V2_LIVE] = answer_live,
        [GATEWAY_ROUTE_V2_READY] = answer_ready,
        [GATEWAY_ROUTE_V2_MODEL_READY] = answer_model_ready,
        [GATEWAY_ROUTE_HEALTHZ] = answer_healthz,
        [GATEWAY_ROUTE_METRICS] = answer_metrics,
        [GATEWAY_ROUTE_PEER_SUMMARY] = peer_summary,
        [GATEWAY_ROUTE_PEER_STATE] = peer_state,
        [GATEWAY_ROUTE_PEER_EXPLAIN] = peer_explain,
        [GATEWAY_ROUTE_PEER_DRAIN] = peer_drain,
    };
    CHECK(answers[proxy->request.route]);
    answers[proxy->request.route](proxy);
}
