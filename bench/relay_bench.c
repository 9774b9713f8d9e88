/* relay_bench.c: what the HTTP layer costs: the least gateway on top of server_io and client_io.
 *
 *   relay_bench LISTEN_PORT UPSTREAM_PORT
 *
 * Relays every request to 127.0.0.1:UPSTREAM_PORT and its answer back, bodies up to 1 MiB held,
 * longer ones refused; no routing, no keys, no metrics. Beside haproxy and the bare relay in one
 * run (CPU time a request) the difference to the bare relay is parsing,
 * pooling and timeouts; the difference of a full gateway to this one is everything else. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "http/client_io.h"
#include "http/server_io.h"
#include "os/memory.h"

enum { HEAD_SIZE = LIMIT_HTTP_HEAD + 1024 };

struct relay {
    struct net_loop *loop;
    struct http_server *server;
    struct http_client *client;
    struct http_origin *origin;
    char head[HEAD_SIZE];
    char headers[HEAD_SIZE];
};

static struct relay relay;

/* exchange->user: its call, or NULL; call's user: its exchange. */

static size_t add(char *p, size_t n, struct span s)
{
    if (n + s.n > HEAD_SIZE)
        return n;
    memcpy(p + n, s.p, s.n);
    return n + s.n;
}

static bool is_passed_on(const struct http_head *head, unsigned i)
{
    uint8_t known = head->headers[i].known;
    return known != HTTP_HEADER_HOST && known != HTTP_HEADER_CONTENT_LENGTH &&
           known != HTTP_HEADER_EXPECT && !http_header_is_hop_by_hop(head, i);
}

static size_t add_headers(char *p, size_t n, const struct http_head *head)
{
    for (unsigned i = 0; i < head->header_count; i++) {
        if (!is_passed_on(head, i))
            continue;
        n = add(p, n, head->headers[i].name);
        n = add(p, n, SPAN_LITERAL(": "));
        n = add(p, n, head->headers[i].value);
        n = add(p, n, SPAN_LITERAL("\r\n"));
    }
    return n;
}

/* The head of an answer waits for the first piece of its body when that is at hand. */
static void answer(struct http_exchange *exchange, const struct http_head *head, struct span body)
{
    size_t n = add_headers(relay.headers, 0, head);
    int64_t length = head->body_length >= 0 ? head->body_length : HTTP_LENGTH_CHUNKED;
    http_answer(exchange, head->status, span_from(relay.headers, n), length, body);
}

static const struct http_head *waiting_head; /* of the call that is being read */

static void on_answer_head(struct http_call *call, const struct http_head *head)
{
    waiting_head = NULL;
    if (head->body_length != 0 && http_call_has_body_ready(call)) {
        waiting_head = head;
        return;
    }
    if (head->body_length == 0)
        ((struct http_exchange *)http_call_user(call))->user = NULL;
    answer(http_call_user(call), head, (struct span){NULL, 0});
}

static void on_answer_body(struct http_call *call, struct span piece)
{
    struct http_exchange *exchange = http_call_user(call);
    if (!exchange)
        return;
    if (waiting_head) {
        const struct http_head *head = waiting_head;
        waiting_head = NULL;
        answer(exchange, head, piece);
    } else {
        http_answer_body(exchange, piece);
    }
    if (http_call_user(call) && http_answer_backlog(exchange) > LIMIT_STREAM_BACKLOG)
        http_call_pause(call);
}

static void on_answer_end(struct http_call *call)
{
    struct http_exchange *exchange = http_call_user(call);
    if (!exchange || !exchange->user)
        return;
    exchange->user = NULL;
    if (waiting_head) {
        const struct http_head *head = waiting_head;
        waiting_head = NULL;
        answer(exchange, head, (struct span){NULL, 0}); /* chunked, and empty */
    }
    http_answer_end(exchange);
}

static void on_answer_error(struct http_call *call, enum err err, enum http_phase phase)
{
    struct http_exchange *exchange = http_call_user(call);
    if (!exchange)
        return;
    exchange->user = NULL;
    if (exchange->status == 0)
        http_answer(exchange, 502, (struct span){NULL, 0}, (int64_t)strlen(err_text(err)),
                    span_of(err_text(err)));
    else if (phase == HTTP_PHASE_ANSWER)
        http_answer_abort(exchange);
}

static const struct http_call_handler call_handler = {.on_head = on_answer_head,
                                                      .on_body = on_answer_body,
                                                      .on_end = on_answer_end,
                                                      .on_error = on_answer_error};

static void on_head(struct http_exchange *exchange)
{
    http_exchange_hold(exchange, LIMIT_HTTP_HELD_BODY);
}

static void on_overflow(struct http_exchange *exchange, struct span so_far)
{
    CHECK(so_far.n <= LIMIT_HTTP_HELD_BODY);
    http_answer(exchange, 413, (struct span){NULL, 0}, 0, (struct span){NULL, 0});
}

static void on_body_end(struct http_exchange *exchange)
{
    const struct http_head *head = exchange->head;
    size_t n = add(relay.head, 0, head->method_text);
    n = add(relay.head, n, SPAN_LITERAL(" "));
    n = add(relay.head, n, head->target);
    n = add(relay.head, n, SPAN_LITERAL(" HTTP/1.1\r\n"));
    n = add_headers(relay.head, n, head);
    struct span body = http_exchange_body(exchange);
    struct http_request request = {.head = span_from(relay.head, n),
                                   .body = body,
                                   .body_length = (int64_t)body.n,
                                   .is_head_method = head->method == HTTP_HEAD,
                                   .first_byte_timeout_us = 60 * 1000 * 1000,
                                   .stall_timeout_us = 60 * 1000 * 1000,
                                   .handler = &call_handler,
                                   .user = exchange};
    exchange->user = http_call(relay.origin, &request);
    if (!exchange->user)
        http_answer(exchange, 503, (struct span){NULL, 0}, 0, (struct span){NULL, 0});
}

static void on_drained(struct http_exchange *exchange)
{
    if (exchange->user)
        http_call_resume(exchange->user);
}

static void on_gone(struct http_exchange *exchange, bool was_whole)
{
    struct http_call *call = exchange->user;
    if (!call)
        return;
    http_call_set_user(call, NULL);
    if (!was_whole)
        http_call_cancel(call);
}

static const struct http_handler handler = {.on_head = on_head,
                                            .on_overflow = on_overflow,
                                            .on_body_end = on_body_end,
                                            .on_drained = on_drained,
                                            .on_gone = on_gone};

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: relay_bench LISTEN_PORT UPSTREAM_PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    char url[64], why_bytes[256];
    struct text why;
    text_init(&why, why_bytes, sizeof why_bytes);
    snprintf(url, sizeof url, "http://127.0.0.1:%s", argv[2]);
    struct net_address address;
    net_address_loopback((uint16_t)strtoul(argv[1], NULL, 10), &address);
    if (net_loop_new(&relay.loop) != ERR_OK ||
        http_client_new(relay.loop, &relay.client) != ERR_OK ||
        http_origin_new(relay.client, span_of(url), NULL, NULL, &relay.origin, &why) != ERR_OK ||
        http_server_new(relay.loop, &handler, NULL, NULL, &relay.server) != ERR_OK ||
        http_server_listen(relay.server, &address, false, &why) != ERR_OK) {
        fprintf(stderr, "relay_bench: %s\n", why.p);
        return 1;
    }
    net_loop_run(relay.loop);
    return 0;
}
