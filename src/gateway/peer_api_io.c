/* peer_api_io.c: what a gateway tells its peers: the summary of its region, its state, a decision
 * explained, and that it drains. */
#include <unistd.h>

#include "base/check.h"
#include "gateway/explain_io.h"
#include "gateway/proxy_io.h"

enum { SUMMARY_PERIOD_US = 100 * 1000, SUMMARY_BACKLOG_MAX = 64 * 1024 };

/* ---- summary ------------------------------------------------------------------------------ */

struct summary_stream {
    struct proxy *proxy;
    struct net_timer timer;
};

struct service_sum {
    uint32_t ready, slots, running, waiting, queue_max, context_tokens;
    uint64_t prefill_ns, decode_ns; /* sums over those that know */
    uint32_t prefill_count, decode_count;
};

/* The own region's replicas only: a region speaks for itself. */
static struct service_sum sum_of(const struct gateway_loop *loop, uint16_t service, int64_t now_us)
{
    struct gateway *gateway = loop->gateway;
    const struct gateway_service *row = &gateway->map.services[service];
    struct service_sum sum = {0};
    for (uint16_t i = 0; i < row->target_count; i++) {
        const struct gateway_words *words = gateway_words_of(gateway, service, i);
        if (row->targets[i].replica == FLEET_NONE ||
            !gateway_targets_is_ready(&loop->services[service], i, now_us))
            continue;
        const struct route_target *fixed = &loop->services[service].fixed[i];
        uint32_t slots = GATEWAY_LOAD(words->slots), context = GATEWAY_LOAD(words->context_tokens);
        uint32_t prefill = GATEWAY_LOAD(words->prefill_ns_per_token);
        uint32_t decode = GATEWAY_LOAD(words->decode_ns_per_token);
        sum.ready++;
        sum.slots += slots ? slots : fixed->slots;
        sum.running += GATEWAY_LOAD(words->running);
        sum.waiting += GATEWAY_LOAD(words->waiting);
        sum.queue_max += GATEWAY_LOAD(words->queue_max);
        sum.context_tokens = context > sum.context_tokens ? context : sum.context_tokens;
        sum.prefill_ns += prefill;
        sum.prefill_count += prefill > 0;
        sum.decode_ns += decode;
        sum.decode_count += decode > 0;
    }
    return sum;
}

static void add_u64(struct text *text, const char *key, uint64_t value)
{
    text_json_key(text, key);
    text_json_u64(text, value);
}

static void add_service(const struct gateway_loop *loop, uint16_t service, int64_t now_us,
                        struct text *text)
{
    struct service_sum sum = sum_of(loop, service, now_us);
    text_json_object(text);
    text_json_key(text, "service");
    text_json_span(text, loop->gateway->law.fleet->services[service].name);
    add_u64(text, "ready", sum.ready);
    add_u64(text, "slots", sum.slots);
    add_u64(text, "running", sum.running);
    add_u64(text, "waiting", sum.waiting);
    add_u64(text, "queue_max", sum.queue_max);
    add_u64(text, "prefill_ns_per_token",
            sum.prefill_count ? sum.prefill_ns / sum.prefill_count : 0);
    add_u64(text, "decode_ns_per_token", sum.decode_count ? sum.decode_ns / sum.decode_count : 0);
    add_u64(text, "context_tokens", sum.context_tokens);
    text_json_end(text);
}

static struct span write_summary(struct gateway_loop *loop)
{
    const struct gateway_law *law = &loop->gateway->law;
    int64_t now_us = net_loop_now_us(loop->loop);
    struct text text;
    text_init(&text, loop->scratch, sizeof loop->scratch - 2);
    text_add(&text, "data: ");
    text_json_object(&text);
    add_u64(&text, "epoch", law->fleet->epoch);
    text_json_key(&text, "region");
    text_json_span(&text, law->fleet->regions[law->region].name);
    text_json_key(&text, "services");
    text_json_array(&text);
    for (uint16_t i = 0; i < law->fleet->service_count; i++)
        add_service(loop, i, now_us, &text);
    text_json_end(&text);
    text_json_end(&text);
    text_add(&text, "\n\n");
    CHECK(!text.is_cut); /* 64 services of at most 400 bytes */
    return text_span(&text);
}

static void on_summary_gone(struct proxy *proxy)
{
    struct summary_stream *stream = proxy->job;
    net_timer_clear(proxy->loop->loop, &stream->timer);
    proxy->job = NULL;
    os_free(stream);
}

static void on_summary_stop(struct proxy *proxy)
{
    struct summary_stream *stream = proxy->job;
    net_timer_clear(proxy->loop->loop, &stream->timer);
    http_answer_end(proxy->exchange);
}

static void on_summary_due(struct net_timer *timer)
{
    struct summary_stream *stream = CONTAINER_OF(timer, struct summary_stream, timer);
    struct proxy *proxy = stream->proxy;
    int64_t due_us = proxy_now_us(proxy) + SUMMARY_PERIOD_US;
    if (net_timer_set(proxy->loop->loop, timer, due_us) != ERR_OK) {
        http_answer_abort(proxy->exchange);
        return;
    }
    /* A peer that does not read is told nothing new: old sums are worth nothing. */
    if (http_answer_backlog(proxy->exchange) < SUMMARY_BACKLOG_MAX)
        http_answer_body(proxy->exchange, write_summary(proxy->loop));
}

void peer_summary(struct proxy *proxy)
{
    struct summary_stream *stream = os_alloc(sizeof *stream);
    if (!stream) {
        proxy_refuse(proxy, GATEWAY_ERROR_INTERNAL, 0);
        return;
    }
    stream->proxy = proxy;
    net_timer_init(&stream->timer, on_summary_due);
    int64_t due_us = proxy_now_us(proxy) + SUMMARY_PERIOD_US;
    if (net_timer_set(proxy->loop->loop, &stream->timer, due_us) != ERR_OK) {
        os_free(stream);
        proxy_refuse(proxy, GATEWAY_ERROR_INTERNAL, 0);
        return;
    }
    proxy->job = stream;
    proxy->on_job_gone = on_summary_gone;
    proxy->on_job_stop = on_summary_stop;
    gateway_request_move(&proxy->request, GATEWAY_STEP_SETTLE);
    http_answer(proxy->exchange, 200,
                SPAN_LITERAL("content-type: text/event-stream\r\ncache-control: no-store\r\n"),
                HTTP_LENGTH_CHUNKED, write_summary(proxy->loop));
}

/* ---- state -------------------------------------------------------------------------------- */

static void add_target_state(const struct gateway_loop *loop, uint16_t service, uint16_t index,
                             struct text *text)
{
    const struct gateway_words *words = gateway_words_of(loop->gateway, service, index);
    const struct route_target *target = &loop->services[service].view.targets[index];
    const struct route_labels *labels = &loop->gateway->labels.row[service];
    int64_t now_us = net_loop_now_us(loop->loop), sampled_us = GATEWAY_LOAD(words->sampled_us);
    text_json_object(text);
    text_json_key(text, "region");
    text_json_span(text, labels->region[index]);
    text_json_key(text, "target");
    text_json_span(text, labels->target[index]);
    text_json_key(text, "kind");
    text_json_str(text, target->kind == ROUTE_REGION ? "region" : "replica");
    text_json_key(text, "ready");
    text_json_bool(text, target->is_ready);
    text_json_key(text, "breaker_open");
    text_json_bool(text, target->is_breaker_open);
    text_json_key(text, "cooling");
    text_json_bool(text, target->is_cooling);
    text_json_key(text, "ejected");
    text_json_bool(text, target->is_ejected);
    text_json_key(text, "sample_age_us");
    text_json_i64(text, sampled_us ? now_us - sampled_us : -1);
    add_u64(text, "replicas_ready", GATEWAY_LOAD(words->replicas_ready));
    add_u64(text, "running", target->running);
    add_u64(text, "waiting", target->waiting);
    add_u64(text, "slots", target->slots);
    add_u64(text, "queue_max", target->queue_max);
    add_u64(text, "in_flight", target->in_flight);
    add_u64(text, "assigned", target->assigned);
    add_u64(text, "queued_tokens", target->queued_tokens);
    add_u64(text, "context_tokens", target->context_tokens);
    add_u64(text, "prefill_ns_per_token", target->prefill_ns_per_token);
    add_u64(text, "decode_ns_per_token", target->decode_ns_per_token);
    text_json_key(text, "network_us");
    text_json_i64(text, target->network_us);
    text_json_key(text, "first_byte_ewma_us");
    text_json_i64(text, target->ewma_us);
    text_json_key(text, "penalty_us");
    text_json_i64(text, target->penalty_us);
    add_u64(text, "sent_total", GATEWAY_LOAD(words->sent_total));
    add_u64(text, "failed_total", GATEWAY_LOAD(words->failed_total));
    text_json_end(text);
}

static void add_service_state(struct gateway_loop *loop, uint16_t service, struct text *text)
{
    struct gateway_targets *targets = &loop->services[service];
    gateway_targets_refresh(targets, NULL, net_loop_now_us(loop->loop));
    text_json_object(text);
    text_json_key(text, "service");
    text_json_span(text, loop->gateway->law.fleet->services[service].name);
    text_json_key(text, "policy");
    text_json_str(text, fleet_policy_name(targets->view.policy));
    text_json_key(text, "targets");
    text_json_array(text);
    for (uint16_t i = 0; i < targets->view.target_count; i++)
        add_target_state(loop, service, i, text);
    text_json_end(text);
    text_json_end(text);
}

static void add_state(struct gateway_loop *loop, struct text *text)
{
    const struct gateway_law *law = &loop->gateway->law;
    text_json_object(text);
    text_json_key(text, "role");
    text_json_str(text, "gateway");
    text_json_key(text, "region");
    text_json_span(text, law->fleet->regions[law->region].name);
    add_u64(text, "epoch", law->fleet->epoch);
    add_u64(text, "pid", (uint64_t)getpid());
    add_u64(text, "uptime_us", (uint64_t)(net_loop_now_us(loop->loop) - loop->gateway->started_us));
    add_u64(text, "threads", loop->gateway->loop_count);
    add_u64(text, "loop", loop->number);
    add_u64(text, "connections", http_server_connections(loop->server));
    text_json_key(text, "draining");
    text_json_bool(text, loop->is_draining);
    text_json_key(text, "services");
    text_json_array(text);
    for (uint16_t i = 0; i < law->fleet->service_count; i++)
        add_service_state(loop, i, text);
    text_json_end(text);
    text_json_end(text);
}

void peer_state(struct proxy *proxy)
{
    enum { TARGET_BYTES = 1024 };
    size_t rows = 2;
    const struct gateway_map *map = &proxy->loop->gateway->map;
    for (uint16_t i = 0; i < map->fleet->service_count; i++)
        rows += 1u + map->services[i].target_count;
    char *buffer = os_alloc(rows * TARGET_BYTES);
    if (!buffer) {
        proxy_refuse(proxy, GATEWAY_ERROR_INTERNAL, 0);
        return;
    }
    struct text text;
    text_init(&text, buffer, rows * TARGET_BYTES);
    add_state(proxy->loop, &text);
    if (text.is_cut)
        proxy_refuse(proxy, GATEWAY_ERROR_INTERNAL, 0);
    else
        proxy_answer(proxy, 200, "application/json", text_span(&text));
    os_free(buffer);
}

/* ---- explain, drain ----------------------------------------------------------------------- */

void peer_explain(struct proxy *proxy)
{
    enum { EXPLAIN_BYTES = 64 * 1024 };
    struct gateway_loop *loop = proxy->loop;
    char *buffer = os_alloc(EXPLAIN_BYTES);
    if (!buffer) {
        proxy_refuse(proxy, GATEWAY_ERROR_INTERNAL, 0);
        return;
    }
    struct text text;
    text_init(&text, buffer, EXPLAIN_BYTES);
    unsigned status =
        gateway_explain(&loop->gateway->law, loop->services, loop->gateway->labels.row,
                        http_exchange_body(proxy->exchange), proxy_now_us(proxy), &text);
    proxy_answer(proxy, status, "application/json", text_span(&text));
    os_free(buffer);
}

static void drain_all(void *argument)
{
    gateway_drain(argument);
}

void peer_drain(struct proxy *proxy)
{
    struct gateway *gateway = proxy->loop->gateway;
    if (net_loop_post(gateway->loops[0]->loop, drain_all, gateway) != ERR_OK) {
        proxy_refuse(proxy, GATEWAY_ERROR_NO_TARGET, 0);
        return;
    }
    proxy_answer(proxy, 202, "application/json", SPAN_LITERAL("{\"draining\":true}"));
}
