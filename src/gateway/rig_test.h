/* rig_test.h: a gateway, servers behind it and clients before it, all on one loop of one thread:
 * nothing sleeps, nothing races, a test runs the loop until what it waits for has happened. */
#ifndef GATEWAY_RIG_TEST_H
#define GATEWAY_RIG_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "fleet/front.h"
#include "gateway/loop_io.h"
#include "gateway/rig_server_test.h"

enum { RIG_SERVERS_MAX = 4, RIG_WAIT_US = 10 * 1000 * 1000 };

struct rig {
    struct gateway *gateway;
    struct net_loop *loop;
    struct http_client *client;
    struct http_origin *door;
    struct rig_server servers[RIG_SERVERS_MAX];
    unsigned server_count;
    char urls[RIG_SERVERS_MAX][64];
    char *fleet_memory;
    const struct fleet *fleet;
};

/* What a client got. */
struct rig_answer {
    struct http_call *call;
    bool is_over, is_failed;
    enum err err;
    unsigned status, piece_count;
    char head[4096];
    char body[64 * 1024];
    size_t size;
};

#define RIG_UNUSED __attribute__((unused))

/* ---- clients ------------------------------------------------------------------------------ */

static void rig_on_head(struct http_call *call, const struct http_head *head)
{
    struct rig_answer *answer = http_call_user(call);
    answer->status = head->status;
    rig_note_head(answer->head, sizeof answer->head, head);
}

static void rig_on_body(struct http_call *call, struct span piece)
{
    struct rig_answer *answer = http_call_user(call);
    answer->piece_count++;
    assert_true(answer->size + piece.n < sizeof answer->body);
    memcpy(answer->body + answer->size, piece.p, piece.n);
    answer->size += piece.n;
    answer->body[answer->size] = 0;
}

static void rig_on_end(struct http_call *call)
{
    struct rig_answer *answer = http_call_user(call);
    answer->is_over = true;
    answer->call = NULL;
}

static void rig_on_error(struct http_call *call, enum err err, enum http_phase phase)
{
    struct rig_answer *answer = http_call_user(call);
    (void)phase;
    answer->is_over = answer->is_failed = true;
    answer->err = err;
    answer->call = NULL;
}

static const struct http_call_handler rig_call_handler = {
    .on_head = rig_on_head, .on_body = rig_on_body, .on_end = rig_on_end, .on_error = rig_on_error};

/* ---- the rig ------------------------------------------------------------------------------ */

/* Runs the loop until <condition>; fails the test when it does not come true. */
#define RIG_UNTIL(rig, condition)                                                                  \
    do {                                                                                           \
        int64_t rig_end_us = os_now_us() + RIG_WAIT_US;                                            \
        while (!(condition) && os_now_us() < rig_end_us)                                           \
            net_loop_run_once((rig)->loop, 10 * 1000);                                             \
        assert_true(condition);                                                                    \
    } while (0)

RIG_UNUSED static void rig_refuse_fd(struct net_listener *listener, int fd)
{
    (void)listener;
    close(fd);
}

/* Is *port of loopback free (0: *port becomes one that is)? */
RIG_UNUSED static bool rig_is_free(uint16_t *port)
{
    struct net_address address;
    char buffer[128];
    struct text why;
    struct net_loop *loop;
    text_init(&why, buffer, sizeof buffer);
    net_address_loopback(*port, &address);
    assert_int_equal(net_loop_new(&loop), ERR_OK);
    struct net_listener listener = {.on_accept = rig_refuse_fd};
    bool is_free = net_listen(&listener, loop, &address, false, &why) == ERR_OK;
    if (is_free) {
        net_listener_address(&listener, &address);
        *port = net_address_port(&address);
        net_listener_close(&listener);
    }
    net_loop_free(loop);
    return is_free;
}

/* A free port below those that the kernel hands out: nobody's connection takes it before we listen.
 */
RIG_UNUSED static uint16_t rig_take_port(void)
{
    static unsigned turn;
    for (unsigned tries = 0; tries < 8000; tries++) {
        uint16_t port = (uint16_t)(12000 + ((unsigned)getpid() * 61 + turn++) % 8000);
        if (rig_is_free(&port))
            return port;
    }
    fail_msg("no free port from 12000 to 19999");
    return 0;
}

/* The servers stand on a loop that the gateway gives: so first the gateway, over addresses that are
 * taken beforehand. */
RIG_UNUSED static void rig_open(struct rig *rig, unsigned server_count,
                                const struct gateway_config *wanted)
{
    memset(rig, 0, sizeof *rig);
    rig->server_count = server_count;
    struct span urls[RIG_SERVERS_MAX], service = SPAN_LITERAL("chat");
    for (unsigned i = 0; i < server_count; i++) {
        uint16_t port = rig_take_port();
        snprintf(rig->urls[i], sizeof rig->urls[i], "http://127.0.0.1:%u", port);
        urls[i] = span_of(rig->urls[i]);
    }
    struct arena arena;
    rig->fleet_memory = os_alloc(4 << 20);
    arena_init(&arena, rig->fleet_memory, 4 << 20);
    assert_int_equal(fleet_front(urls, server_count, &service, 1, &arena, &rig->fleet), ERR_OK);

    char buffer[512];
    struct text why;
    text_init(&why, buffer, sizeof buffer);
    struct gateway_config config = wanted ? *wanted : (struct gateway_config){.is_open = true};
    config.fleet = rig->fleet;
    if (config.threads == 0)
        config.threads = 1;
    net_address_loopback(0, &config.listen);
    if (gateway_new(&config, &rig->gateway, &why) != ERR_OK)
        fail_msg("%s", buffer);
    rig->loop = gateway_main_loop(rig->gateway);
    assert_int_equal(http_client_new(rig->loop, &rig->client), ERR_OK);
    char door[64];
    snprintf(door, sizeof door, "http://127.0.0.1:%u",
             http_server_port(rig->gateway->loops[0]->server));
    assert_int_equal(http_origin_new(rig->client, span_of(door), NULL,
                                     rig->gateway->loops[0]->resolver, &rig->door, &why),
                     ERR_OK);
}

/* Server <i> begins to listen. */
static void rig_serve(struct rig *rig, unsigned i)
{
    struct rig_server *server = &rig->servers[i];
    struct net_address address;
    char buffer[256];
    struct text why;
    text_init(&why, buffer, sizeof buffer);
    server->seen_body = os_alloc(RIG_BODY_MAX);
    assert_true(net_address_parse(span_of(rig->urls[i] + strlen("http://")), &address));
    assert_int_equal(http_server_new(rig->loop, &rig_handler, NULL, server, &server->server),
                     ERR_OK);
    if (http_server_listen(server->server, &address, false, &why) != ERR_OK)
        fail_msg("%s", buffer);
}

static void rig_close(struct rig *rig)
{
    http_client_free(rig->client);
    for (unsigned i = 0; i < rig->server_count; i++) {
        http_server_free(rig->servers[i].server);
        os_free(rig->servers[i].seen_body);
    }
    gateway_free(rig->gateway);
    os_free(rig->fleet_memory);
}

static void rig_ask_with(struct rig *rig, struct rig_answer *answer, const char *head,
                         struct span body, int64_t length)
{
    memset(answer, 0, sizeof *answer);
    struct http_request request = {
        .head = span_of(head),
        .body = body,
        .body_length = length,
        .handler = &rig_call_handler,
        .user = answer,
    };
    answer->call = http_call(rig->door, &request);
    assert_non_null(answer->call);
}

RIG_UNUSED static void rig_post(struct rig *rig, struct rig_answer *answer, const char *path,
                                const char *body)
{
    char head[512];
    snprintf(head, sizeof head,
             "POST %s HTTP/1.1\r\ncontent-type: application/json\r\nauthorization: Bearer k\r\n",
             path);
    rig_ask_with(rig, answer, head, span_of(body), (int64_t)strlen(body));
}

RIG_UNUSED static void rig_get(struct rig *rig, struct rig_answer *answer, const char *path)
{
    char head[512];
    snprintf(head, sizeof head, "GET %s HTTP/1.1\r\n", path);
    rig_ask_with(rig, answer, head, (struct span){0, 0}, 0);
}

#define RIG_CHAT "{\"model\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"
#define RIG_STREAM                                                                                 \
    "{\"model\":\"chat\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]" \
    "}"

#endif
