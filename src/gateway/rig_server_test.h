/* rig_server_test.h: a server behind the gateway of a test: does what the test says. */
#ifndef GATEWAY_RIG_SERVER_TEST_H
#define GATEWAY_RIG_SERVER_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "http/server_io.h"

enum { RIG_BODY_MAX = 2 << 20 };

/* A server that does what its test says: at once by <status>, or step by step through <exchange>.
 */
struct rig_server {
    struct http_server *server;
    struct http_exchange *exchange; /* the last request that waits for an answer */
    unsigned status;                /* answered at once with this; 0: the test answers */
    const char *headers;            /* of such an answer */
    const char *body;
    bool is_deaf;                        /* reads no body */
    const char *load;                    /* what a worker says of itself; NULL: no worker */
    struct http_exchange *load_exchange; /* the stream on which it does */
    unsigned request_count, gone_count, broken_count;
    char seen_head[4096]; /* "name: value\n" lines of the last request */
    char *seen_body;
    size_t seen_size;
};

static void rig_note_head(char *buffer, size_t size, const struct http_head *head)
{
    struct text text;
    text_init(&text, buffer, size);
    text_add(&text, "%.*s\n", SPAN_ARG(head->target));
    for (unsigned i = 0; i < head->header_count; i++)
        text_add(&text, "%.*s: %.*s\n", SPAN_ARG(head->headers[i].name),
                 SPAN_ARG(head->headers[i].value));
}

static bool rig_is_probe(const struct http_exchange *exchange)
{
    return exchange->head->method == HTTP_GET && (span_is(exchange->head->path, "/v1/models") ||
                                                  span_is(exchange->head->path, "/metrics"));
}

static void rig_server_head(struct http_exchange *exchange)
{
    struct rig_server *server = http_server_user(exchange->server);
    if (rig_is_probe(exchange) || span_is(exchange->head->path, "/peer/v1/load"))
        return;
    rig_note_head(server->seen_head, sizeof server->seen_head, exchange->head);
    server->seen_size = 0;
    if (server->is_deaf)
        http_exchange_pause(exchange);
}

static void rig_server_body(struct http_exchange *exchange, struct span piece)
{
    struct rig_server *server = http_server_user(exchange->server);
    assert_true(server->seen_size + piece.n <= RIG_BODY_MAX);
    memcpy(server->seen_body + server->seen_size, piece.p, piece.n);
    server->seen_size += piece.n;
}

static void rig_server_end(struct http_exchange *exchange)
{
    struct rig_server *server = http_server_user(exchange->server);
    if (rig_is_probe(exchange)) {
        http_answer(exchange, 404, (struct span){0, 0}, 0, (struct span){0, 0});
        return;
    }
    if (server->load && span_is(exchange->head->path, "/peer/v1/load")) {
        server->load_exchange = exchange;
        http_answer(exchange, 200, SPAN_LITERAL("content-type: text/event-stream\r\n"),
                    HTTP_LENGTH_CHUNKED, span_of(server->load));
        return;
    }
    server->request_count++;
    if (server->status) {
        struct span body = span_of(server->body ? server->body : "{}");
        http_answer(exchange, server->status, span_of(server->headers), (int64_t)body.n, body);
    } else {
        server->exchange = exchange;
    }
}

static void rig_server_gone(struct http_exchange *exchange, bool was_whole)
{
    struct rig_server *server = http_server_user(exchange->server);
    server->gone_count++;
    server->broken_count += !was_whole;
    if (server->exchange == exchange)
        server->exchange = NULL;
    if (server->load_exchange == exchange)
        server->load_exchange = NULL;
}

static const struct http_handler rig_handler = {
    .on_head = rig_server_head,
    .on_body = rig_server_body,
    .on_body_end = rig_server_end,
    .on_gone = rig_server_gone,
};

#endif
