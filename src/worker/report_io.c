/* report_io.c: what a worker says of itself. */
#include <stdlib.h>
#include <unistd.h>

#include "os/clock.h"
#include "worker/worker_inner_io.h"

static void add_u64(struct text *json, const char *key, uint64_t value)
{
    text_json_key(json, key);
    text_json_u64(json, value);
}

/* Of a million tokens at full load, as gateway/map.c works it out for machines that the fleet
 * names.
 */
static uint64_t price_of(const struct worker *worker, const struct worker_lane *lane)
{
    uint64_t price_h = (uint64_t)worker->options->price_usd_micro_h;
    uint64_t slots = lane->group->queue.lanes[lane->queue_lane].slots;
    return slots ? price_h * lane->group->decode_ns_per_token / (3600000 * slots) : 0;
}

static void add_replica(const struct worker *worker, const struct worker_lane *lane,
                        struct text *json)
{
    const struct worker_group *group = lane->group;
    const struct fleet_service *service = &worker->fleet->services[lane->service];
    const struct queue_lane *queue = &group->queue.lanes[lane->queue_lane];
    bool generates = service->kind == FLEET_GENERATION;
    uint32_t context = group->context_tokens;
    if (service->context_tokens && (context == 0 || service->context_tokens < context))
        context = service->context_tokens;
    text_json_object(json);
    add_u64(json, "replica", lane->replica);
    text_json_key(json, "service");
    text_json_span(json, service->name);
    text_json_key(json, "ready");
    text_json_bool(json, group->child.state == ENGINE_CHILD_READY);
    add_u64(json, "running", queue->running);
    add_u64(json, "waiting", queue->waiting);
    add_u64(json, "slots", queue->slots);
    add_u64(json, "queue_max", queue->waiting_max);
    add_u64(json, "kv_used", generates ? group->load.kv_used : 0);
    add_u64(json, "kv_total", generates ? group->load.kv_total : 0);
    add_u64(json, "prompt_tokens", lane->prompt_tokens);
    add_u64(json, "prefix_hit_tokens", lane->hit_tokens);
    add_u64(json, "output_tokens", lane->output_tokens);
    add_u64(json, "prefill_ns_per_token", group->prefill_ns_per_token);
    add_u64(json, "decode_ns_per_token", generates ? group->decode_ns_per_token : 0);
    add_u64(json, "context_tokens", context);
    add_u64(json, "price_usd_micro_mtok", price_of(worker, lane));
    add_u64(json, "instance", group->child.epoch);
    text_json_end(json);
}

void worker_report_load(struct worker *worker, struct text *json)
{
    text_json_object(json);
    add_u64(json, "epoch", worker->fleet->epoch);
    text_json_key(json, "worker");
    text_json_span(json, worker->self->name);
    text_json_key(json, "draining");
    text_json_bool(json, worker->is_draining);
    text_json_key(json, "replicas");
    text_json_array(json);
    for (uint32_t i = 0; i < worker->lane_count; i++)
        add_replica(worker, &worker->lanes[i], json);
    text_json_end(json);
    text_json_end(json);
}

void worker_report_send(struct worker *worker)
{
    if (worker->watcher_count == 0)
        return;
    text_truncate(&worker->scratch, 0);
    text_add(&worker->scratch, "data: ");
    worker_report_load(worker, &worker->scratch);
    text_add(&worker->scratch, "\n\n");
    /* Backwards: a watcher that turns out to be gone is replaced by the last one. */
    for (uint32_t i = worker->watcher_count; i-- > 0;) {
        struct http_exchange *exchange = worker->watchers[i].exchange;
        if (http_answer_backlog(exchange) < LIMIT_STREAM_BACKLOG)
            http_answer_body(exchange, text_span(&worker->scratch));
    }
}

void worker_report_metrics(struct worker *worker, struct text *text)
{
    for (uint32_t i = 0; i < worker->lane_count; i++) {
        const struct worker_lane *lane = &worker->lanes[i];
        worker->metrics.gauge[METRICS_worker_running][lane->service] = 0;
        worker->metrics.gauge[METRICS_worker_waiting][lane->service] = 0;
    }
    for (uint32_t i = 0; i < worker->lane_count; i++) {
        const struct worker_lane *lane = &worker->lanes[i];
        const struct queue_lane *queue = &lane->group->queue.lanes[lane->queue_lane];
        metrics_gauge_add(&worker->metrics, METRICS_worker_running, lane->service, queue->running);
        metrics_gauge_add(&worker->metrics, METRICS_worker_waiting, lane->service, queue->waiting);
    }
    worker->metrics.gauge[METRICS_connections_open][0] = http_server_connections(worker->server);
    worker->metrics.gauge[METRICS_config_epoch][0] = (int64_t)worker->fleet->epoch;
    worker->metrics.gauge[METRICS_config_age_seconds][0] =
        (os_now_us() - worker->started_us) / 1000000;
    metrics_print(&worker->metrics, worker->fleet, text);
}

static void add_engine(const struct worker_group *group, struct text *json)
{
    static const char *const states[] = {[ENGINE_CHILD_DOWN] = "down",
                                         [ENGINE_CHILD_LOADING] = "loading",
                                         [ENGINE_CHILD_READY] = "ready",
                                         [ENGINE_CHILD_STOPPED] = "stopped"};
    text_json_object(json);
    text_json_key(json, "engine");
    text_json_str(json, fleet_engine_name(group->engine));
    text_json_key(json, "state");
    text_json_str(json, states[group->child.state]);
    add_u64(json, "pid", (uint64_t)group->child.pid);
    add_u64(json, "deaths", group->child.deaths);
    add_u64(json, "step", group->child.step);
    if (group->failure[0]) {
        text_json_key(json, "failure");
        text_json_str(json, group->failure);
    }
    text_json_end(json);
}

void worker_report_state(struct worker *worker, struct text *json)
{
    const struct fleet *fleet = worker->fleet;
    text_json_object(json);
    text_json_key(json, "role");
    text_json_str(json, "worker");
    text_json_key(json, "region");
    text_json_span(json, fleet->regions[worker->self->region].name);
    add_u64(json, "epoch", fleet->epoch);
    add_u64(json, "pid", (uint64_t)getpid());
    add_u64(json, "uptime_s", (uint64_t)(os_now_us() - worker->started_us) / 1000000);
    add_u64(json, "connections", http_server_connections(worker->server));
    text_json_key(json, "engines");
    text_json_array(json);
    for (uint32_t i = 0; i < worker->group_count; i++)
        add_engine(worker->groups[i], json);
    text_json_end(json);
    text_json_key(json, "load");
    worker_report_load(worker, json);
    text_json_end(json);
}

/* A native model's tensors, as its engine described them. */
static bool add_described(const struct worker_group *group, struct span name, struct text *json)
{
    size_t i;
    json_t *row;
    json_array_foreach(group->models, i, row)
    {
        const char *own = json_string_value(json_object_get(row, "name"));
        if (!own || !span_is(name, own))
            continue;
        static const char *const keys[] = {"inputs", "outputs"};
        for (unsigned j = 0; j < 2; j++) {
            char *dumped = json_dumps(json_object_get(row, keys[j]), JSON_COMPACT);
            text_json_key(json, keys[j]);
            text_json_raw(json, span_of(dumped ? dumped : "[]"));
            free(dumped);
        }
        return true;
    }
    return false;
}

static void add_text_tensors(const struct worker_group *group, enum fleet_kind kind,
                             struct text *json)
{
    bool embeds = kind == FLEET_EMBEDDINGS;
    text_json_key(json, "inputs");
    text_json_raw(json, embeds ? SPAN_LITERAL("[{\"name\":\"text\",\"datatype\":\"BYTES\","
                                              "\"shape\":[-1]}]")
                               : SPAN_LITERAL("[{\"name\":\"text\",\"datatype\":\"BYTES\","
                                              "\"shape\":[1]}]"));
    text_json_key(json, "outputs");
    if (!embeds) {
        text_json_raw(json,
                      SPAN_LITERAL("[{\"name\":\"text\",\"datatype\":\"BYTES\",\"shape\":[1]},"
                                   "{\"name\":\"finish_reason\",\"datatype\":\"BYTES\","
                                   "\"shape\":[1]}]"));
        return;
    }
    text_json_array(json);
    text_json_object(json);
    text_json_key(json, "name");
    text_json_str(json, "embedding");
    text_json_key(json, "datatype");
    text_json_str(json, "FP32");
    text_json_key(json, "shape");
    text_json_array(json);
    text_json_i64(json, -1);
    text_json_u64(json, group->dimensions);
    text_json_end(json);
    text_json_end(json);
    text_json_end(json);
}

void worker_report_model(struct worker *worker, const struct worker_lane *lane, struct text *json)
{
    const struct fleet_service *service = &worker->fleet->services[lane->service];
    const struct fleet_model *model =
        service->model == FLEET_NONE ? NULL : &worker->fleet->models[service->model];
    char platform[64];
    struct text name;
    text_init(&name, platform, sizeof platform);
    text_add(&name, "farspan_%s", fleet_engine_name(lane->group->engine));
    text_json_object(json);
    text_json_key(json, "name");
    text_json_span(json, service->name);
    text_json_key(json, "versions");
    text_json_array(json);
    text_json_span(json, model && model->version.n ? model->version : SPAN_LITERAL("1"));
    text_json_end(json);
    text_json_key(json, "platform");
    text_json_str(json, platform);
    if (!add_described(lane->group, service->name, json))
        add_text_tensors(lane->group, service->kind, json);
    text_json_end(json);
}
