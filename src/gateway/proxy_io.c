#include "gateway/proxy_io.h"

#include "base/check.h"

static struct proxy *proxy_of(struct http_exchange *exchange)
{
    return exchange->user;
}

static void give_back(struct proxy *proxy)
{
    buffer_unref(proxy->renamed);
    buffer_unref(proxy->tail.buffer);
    os_pool_give(&proxy->loop->requests, proxy);
}

bool proxy_unpin(struct proxy *proxy)
{
    CHECK(proxy->pins > 0);
    proxy->pins--;
    if (!proxy->is_gone)
        return true;
    if (proxy->pins == 0)
        give_back(proxy);
    return false;
}

/* ---- answers of our own ------------------------------------------------------------------- */

static void add_id(struct proxy *proxy, struct text *headers)
{
    text_add(headers, "x-request-id: %.*s\r\n", SPAN_ARG(gateway_request_id(&proxy->request)));
}

static void count_answer(struct gateway_loop *loop, unsigned status)
{
    metrics_add(loop->metrics, METRICS_answers_total, status / 100, 1);
}

void proxy_answer(struct proxy *proxy, unsigned status, const char *content_type, struct span body)
{
    char buffer[512];
    struct text headers;
    text_init(&headers, buffer, sizeof buffer);
    text_add(&headers, "content-type: %s\r\n", content_type);
    add_id(proxy, &headers);
    gateway_request_move(&proxy->request, GATEWAY_STEP_SETTLE);
    count_answer(proxy->loop, status);
    http_answer(proxy->exchange, status, text_span(&headers), (int64_t)body.n, body);
}

static void add_error_headers(struct proxy *proxy, enum gateway_error error, uint32_t retry_after_s,
                              struct text *headers)
{
    text_add(headers, "content-type: application/json\r\n");
    add_id(proxy, headers);
    if (retry_after_s)
        text_add(headers, "retry-after: %u\r\n", retry_after_s);
    if (error == GATEWAY_ERROR_METHOD)
        gateway_api_allow(proxy->request.route, headers);
    if (error == GATEWAY_ERROR_NO_KEY)
        text_add(headers, "www-authenticate: Bearer realm=\"farspan\"\r\n");
}

static void count_refusal(struct proxy *proxy, enum gateway_error error, unsigned status)
{
    struct gateway_loop *loop = proxy->loop;
    count_answer(loop, status);
    if (error == GATEWAY_ERROR_NO_KEY)
        metrics_add(loop->metrics, METRICS_unauthorized_total, 0, 1);
    else if (status < 500 && error != GATEWAY_ERROR_BUSY)
        metrics_add(loop->metrics, METRICS_bad_requests_total, 0, 1);
    else if (proxy->request.service != FLEET_NONE)
        metrics_add(loop->metrics, METRICS_refused_total, proxy->request.service, 1);
}

void proxy_refuse(struct proxy *proxy, enum gateway_error error, uint32_t retry_after_s)
{
    const struct gateway_request *request = &proxy->request;
    unsigned status = gateway_error_status(error);
    if ((status == 503 || status == 429) && retry_after_s == 0)
        retry_after_s = PROXY_RETRY_AFTER_S;
    char header_buffer[512], body_buffer[2048];
    struct text headers, body;
    text_init(&headers, header_buffer, sizeof header_buffer);
    text_init(&body, body_buffer, sizeof body_buffer);
    add_error_headers(proxy, error, retry_after_s, &headers);
    if (error == GATEWAY_ERROR_NO_PATH)
        gateway_error_print_paths(request->form, &body);
    else
        gateway_error_print(error, request->form, request->why, request->param, &body);

    gateway_request_move(&proxy->request, GATEWAY_STEP_SETTLE);
    proxy->last_error = error;
    count_refusal(proxy, error, status);
    http_answer(proxy->exchange, status, text_span(&headers), (int64_t)body.n, text_span(&body));
}

/* ---- the client's side -------------------------------------------------------------------- */

static void run_rest(struct net_timer *timer);

static struct proxy *new_proxy(struct gateway_loop *loop, struct http_exchange *exchange)
{
    struct proxy *proxy = os_pool_take(&loop->requests);
    if (!proxy)
        return NULL;
    memset(proxy, 0, offsetof(struct proxy, request));
    proxy->loop = loop;
    proxy->exchange = exchange;
    proxy->last_error = GATEWAY_FINE;
    net_timer_init(&proxy->rest, run_rest);
    list_push(&loop->active, &proxy->link);
    exchange->user = proxy;
    if (loop->sweep.heap_index < 0) {
        int64_t due_us = net_loop_now_us(loop->loop) + PROXY_SWEEP_US;
        if (net_timer_set(loop->loop, &loop->sweep, due_us) != ERR_OK)
            metrics_add(loop->metrics, METRICS_refused_total, 0, 0); /* the next request tries */
    }
    return proxy;
}

static void on_head(struct http_exchange *exchange)
{
    struct gateway_loop *loop = http_server_user(exchange->server);
    struct proxy *proxy = new_proxy(loop, exchange);
    if (!proxy) {
        exchange->user = NULL;
        http_answer(exchange, 503, SPAN_LITERAL("retry-after: 1\r\n"), 0, (struct span){0, 0});
        return;
    }
    enum gateway_error error =
        gateway_request_begin(&proxy->request, &loop->gateway->law, exchange->head,
                              rng_next(&loop->rng), proxy_now_us(proxy));
    if (error != GATEWAY_FINE) {
        proxy_refuse(proxy, error, 0);
        return;
    }
    if (exchange->head->method == HTTP_POST)
        http_exchange_hold(exchange, LIMIT_HTTP_HELD_BODY);
    if (!gateway_api_of(proxy->request.route)->is_routed) {
        proxy->is_local = true;
        return;
    }
    if (proxy->request.hop.n)
        metrics_add(loop->metrics, METRICS_hops_in_total, 0, 1);
}

/* A refusal was given already; what still comes of the body is none of ours. */
static bool is_settled(const struct proxy *proxy)
{
    return !proxy || proxy->request.step == GATEWAY_STEP_SETTLE;
}

static void on_body(struct http_exchange *exchange, struct span piece)
{
    struct proxy *proxy = proxy_of(exchange);
    if (is_settled(proxy) || proxy->is_local)
        return;
    enum gateway_error error = gateway_request_add(&proxy->request, piece);
    if (error == GATEWAY_FINE) {
        if (proxy->is_streamed)
            relay_send(proxy, piece);
        return;
    }
    if (proxy->is_head_sent) {
        relay_cut(proxy, error);
        return;
    }
    relay_cancel(proxy, GATEWAY_OUTCOME_NONE);
    proxy_refuse(proxy, error, 0);
}

/* Finds service and targets; false: refused. */
static bool resolve(struct proxy *proxy, bool is_whole)
{
    struct gateway_loop *loop = proxy->loop;
    struct gateway_request *request = &proxy->request;
    enum gateway_error error = gateway_request_resolve(request, &loop->gateway->law, is_whole);
    if (error != GATEWAY_FINE) {
        proxy_refuse(proxy, error, 0);
        return false;
    }
    proxy->targets = &loop->services[request->service];
    proxy->ready_us = proxy_now_us(proxy);
    metrics_add(loop->metrics, METRICS_requests_total, request->service, 1);
    metrics_gauge_add(loop->metrics, METRICS_requests_in_flight, request->service, 1);
    metrics_add(loop->metrics, METRICS_prompt_tokens_total, request->service,
                request->prompt_tokens);
    return true;
}

/* The body is not too large: all bodies together are, and this one cannot be routed without what it
 * has yet to say. */
static bool is_out_of_room(const struct proxy *proxy, struct span so_far)
{
    return so_far.n < LIMIT_HTTP_HELD_BODY / 2 && proxy->request.form == GATEWAY_FORM_OPENAI &&
           !proxy->request.scan.found.has_model;
}

static void on_overflow(struct http_exchange *exchange, struct span so_far)
{
    struct proxy *proxy = proxy_of(exchange);
    if (is_settled(proxy))
        return;
    if (proxy->is_local || is_out_of_room(proxy, so_far)) {
        proxy_refuse(proxy, proxy->is_local ? GATEWAY_ERROR_TOO_LARGE : GATEWAY_ERROR_NO_ROOM, 0);
        return;
    }
    if (!resolve(proxy, false))
        return;
    proxy->is_streamed = true;
    struct buffer *buffer = http_exchange_keep(exchange);
    if (buffer) {
        size_t start = (size_t)(so_far.p - buffer->data);
        proxy->tail = (struct proxy_tail){buffer, start, start + so_far.n};
    }
    relay_begin(proxy);
}

static void on_body_end(struct http_exchange *exchange)
{
    struct proxy *proxy = proxy_of(exchange);
    if (is_settled(proxy))
        return;
    metrics_add(proxy->loop->metrics, METRICS_bytes_in_total, 0, exchange->body_bytes);
    if (proxy->is_local)
        local_answer(proxy);
    else if (!proxy->is_streamed) {
        if (resolve(proxy, true))
            relay_begin(proxy);
    } else {
        relay_send_end(proxy);
    }
}

static void on_drained(struct http_exchange *exchange)
{
    struct proxy *proxy = proxy_of(exchange);
    if (proxy)
        relay_drained(proxy);
}

static void settle(struct proxy *proxy, bool was_whole)
{
    struct gateway_loop *loop = proxy->loop;
    const struct gateway_request *request = &proxy->request;
    int64_t now_us = proxy_now_us(proxy);
    metrics_add(loop->metrics, METRICS_bytes_out_total, 0, proxy->exchange->bytes_out);
    if (proxy->chunk_count)
        metrics_add(loop->metrics, METRICS_chunks_relayed_total, 0, proxy->chunk_count);
    if (proxy->targets) {
        metrics_gauge_add(loop->metrics, METRICS_requests_in_flight, request->service, -1);
        if (proxy->is_head_sent && was_whole)
            metrics_time(loop->metrics, METRICS_request_us, request->service,
                         (uint64_t)(now_us - proxy->ready_us));
    }
    if (loop->gateway->access)
        gateway_access_line(loop->gateway->access, proxy, was_whole);
}

static void on_gone(struct http_exchange *exchange, bool was_whole)
{
    struct proxy *proxy = proxy_of(exchange);
    if (!proxy)
        return;
    if (proxy->call || proxy->attempt.is_open)
        relay_cancel(proxy, GATEWAY_OUTCOME_NONE);
    if (proxy->job)
        proxy->on_job_gone(proxy);
    /* The server has refused what it could not read. */
    if (!was_whole && proxy->last_error == GATEWAY_FINE && exchange->status >= 400 &&
        !proxy->is_head_sent)
        proxy->last_error = gateway_error_of_status(exchange->status);
    /* A stream that we cut ourselves is not whole either, but its client has not left. */
    if (!was_whole && proxy->last_error == GATEWAY_FINE && !proxy->is_local)
        metrics_add(proxy->loop->metrics, METRICS_clients_gone_total, 0, 1);
    if (proxy->request.step != GATEWAY_STEP_SETTLE)
        gateway_request_move(&proxy->request, GATEWAY_STEP_SETTLE);
    settle(proxy, was_whole);
    net_timer_clear(proxy->loop->loop, &proxy->rest);
    list_remove(&proxy->link);
    proxy->exchange = NULL;
    proxy->is_gone = true;
    if (proxy->pins == 0)
        give_back(proxy);
}

static void refuse_by_server(void *user, unsigned status, const char *reason, struct text *text)
{
    struct gateway_loop *loop = user;
    count_answer(loop, status);
    metrics_add(loop->metrics, METRICS_bad_requests_total, 0, 1);
    gateway_error_print(gateway_error_of_status(status), GATEWAY_FORM_OPENAI, span_of(reason), NULL,
                        text);
}

const struct http_handler gateway_handler = {
    .on_head = on_head,
    .on_body = on_body,
    .on_overflow = on_overflow,
    .on_body_end = on_body_end,
    .on_drained = on_drained,
    .on_gone = on_gone,
    .refuse = refuse_by_server,
};

/* ---- what time brings --------------------------------------------------------------------- */

static void run_rest(struct net_timer *timer)
{
    relay_again(CONTAINER_OF(timer, struct proxy, rest));
}

static void run_sweep(struct net_timer *timer)
{
    struct gateway_loop *loop = CONTAINER_OF(timer, struct gateway_loop, sweep);
    int64_t now_us = net_loop_now_us(loop->loop);
    struct list *link = loop->active.next;
    while (link != &loop->active) {
        struct proxy *proxy = CONTAINER_OF(link, struct proxy, link);
        link = link->next; /* a check ends at most its own proxy */
        relay_check(proxy, now_us);
    }
    if (list_is_empty(&loop->active))
        return; /* an idle loop sleeps */
    if (net_timer_set(loop->loop, &loop->sweep, now_us + PROXY_SWEEP_US) != ERR_OK)
        return; /* the next request sets it */
}

void gateway_proxy_start(struct gateway_loop *loop)
{
    list_init(&loop->active);
    net_timer_init(&loop->sweep, run_sweep);
    os_pool_init(&loop->requests, sizeof(struct proxy), LIMIT_GATEWAY_CONNECTIONS);
}

void gateway_proxy_stop(struct gateway_loop *loop)
{
    struct list *link = loop->active.next;
    while (link != &loop->active) {
        struct proxy *proxy = CONTAINER_OF(link, struct proxy, link);
        link = link->next;
        if (proxy->is_head_sent)
            relay_cut(proxy, GATEWAY_ERROR_STOPPED);
        else if (!proxy->job && proxy->request.step != GATEWAY_STEP_SETTLE) {
            relay_cancel(proxy, GATEWAY_OUTCOME_NONE);
            proxy_refuse(proxy, GATEWAY_ERROR_DRAINING, 0);
        }
    }
}

void gateway_proxy_end_jobs(struct gateway_loop *loop)
{
    struct list *link = loop->active.next;
    while (link != &loop->active) {
        struct proxy *proxy = CONTAINER_OF(link, struct proxy, link);
        link = link->next;
        if (proxy->job && proxy->on_job_stop)
            proxy->on_job_stop(proxy);
    }
}
