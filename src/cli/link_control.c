#include "cli/link_control.h"

#include <unistd.h>

#include <jansson.h>

#include "base/check.h"
#include "base/crypto.h"
#include "http/peer.h"
#include "http/server_io.h"
#include "os/memory.h"

enum {
    ANSWER_SIZE_MAX = 4 << 20, /* 8192 lines of at most 512 bytes */
    BODY_SIZE_MAX = 4096,
    CONNECTIONS_MAX = 64
};

struct link_control {
    struct link_world *world;
    const uint8_t *secret;
    struct http_server *server;
    char answer[ANSWER_SIZE_MAX];
};

static void answer_json(struct http_exchange *exchange, unsigned status, struct span json)
{
    http_answer(exchange, status, SPAN_LITERAL("content-type: application/json\r\n"),
                (int64_t)json.n, json);
}

static void refuse(void *user, unsigned status, const char *reason, struct text *text)
{
    CHECK(user && status >= 400);
    text_json_object(text);
    text_json_key(text, "error");
    text_json_str(text, reason);
    text_json_end(text);
}

static void answer_error(struct http_exchange *exchange, unsigned status, const char *reason)
{
    char buffer[512];
    struct text json;
    text_init(&json, buffer, sizeof buffer);
    refuse(http_server_user(exchange->server), status, reason, &json);
    answer_json(exchange, status, text_span(&json));
}

static void answer_state(struct http_exchange *exchange, struct link_control *control)
{
    struct text json;
    text_init(&json, control->answer, ANSWER_SIZE_MAX);
    text_json_object(&json);
    text_json_key(&json, "role");
    text_json_str(&json, "link");
    text_json_key(&json, "pid");
    text_json_i64(&json, getpid());
    text_json_key(&json, "links");
    link_world_print(control->world, &json);
    text_json_end(&json);
    CHECK(!json.is_cut);
    answer_json(exchange, 200, text_span(&json));
}

static void take_fault(struct http_exchange *exchange, const char *region, const char *kind)
{
    struct link_control *control = http_server_user(exchange->server);
    enum err err = link_world_fault(control->world, span_of(region), span_of(kind));
    if (err == ERR_NOT_FOUND)
        answer_error(exchange, 404, "there is no such region");
    else if (err != ERR_OK)
        answer_error(exchange, 400, "expected the kind cut, slow or heal");
    else
        answer_json(exchange, 200, SPAN_LITERAL("{}"));
}

static void answer_fault(struct http_exchange *exchange)
{
    struct span body = http_exchange_body(exchange);
    json_t *root = json_loadb(body.p ? body.p : "", body.n, JSON_REJECT_DUPLICATES, NULL);
    const char *region = json_string_value(json_object_get(root, "region"));
    const char *kind = json_string_value(json_object_get(root, "kind"));
    if (region && kind)
        take_fault(exchange, region, kind);
    else
        answer_error(exchange, 400, "expected {\"region\":\"...\",\"kind\":\"cut|slow|heal\"}");
    json_decref(root);
}

static void on_head(struct http_exchange *exchange)
{
    struct link_control *control = http_server_user(exchange->server);
    const struct http_head *head = exchange->head;
    if (span_is(head->path, "/healthz") && head->method == HTTP_GET)
        answer_json(exchange, 200, SPAN_LITERAL("{\"ok\":true}"));
    else if (!http_is_peer(head, control->secret))
        answer_error(exchange, 403, "peers only");
    else if (span_is(head->path, "/peer/v1/state") && head->method == HTTP_GET)
        answer_state(exchange, control);
    else if (span_is(head->path, "/peer/v1/fault") && head->method == HTTP_POST)
        http_exchange_hold(exchange, BODY_SIZE_MAX);
    else
        answer_error(exchange, 404, "GET /healthz, GET /peer/v1/state, POST /peer/v1/fault");
}

static void on_body(struct http_exchange *exchange, struct span piece)
{
    /* Held: looked at when it is whole. */
    CHECK(exchange && (piece.p || piece.n == 0));
}

static void on_overflow(struct http_exchange *exchange, struct span so_far)
{
    (void)so_far;
    answer_error(exchange, 413, "too long for a fault");
}

static void on_body_end(struct http_exchange *exchange)
{
    if (!exchange->status)
        answer_fault(exchange);
}

static void on_drained(struct http_exchange *exchange)
{
    CHECK(exchange);
}

static void on_gone(struct http_exchange *exchange, bool was_whole)
{
    CHECK(exchange || was_whole);
}

static const struct http_handler handler = {.on_head = on_head,
                                            .on_body = on_body,
                                            .on_overflow = on_overflow,
                                            .on_body_end = on_body_end,
                                            .on_drained = on_drained,
                                            .on_gone = on_gone,
                                            .refuse = refuse};

enum err link_control_new(struct net_loop *loop, struct link_world *world, const uint8_t *secret,
                          uint16_t port, struct link_control **ret_control, struct text *why)
{
    struct link_control *control = os_alloc(sizeof *control);
    if (!control)
        return ERR_MEMORY;
    control->world = world;
    control->secret = secret;
    struct http_server_rules rules;
    http_server_rules_default(&rules);
    rules.connections_max = CONNECTIONS_MAX;
    struct net_address address;
    net_address_loopback(port, &address);
    enum err err = http_server_new(loop, &handler, &rules, control, &control->server);
    if (err == ERR_OK)
        err = http_server_listen(control->server, &address, false, why);
    if (err == ERR_OK)
        *ret_control = control;
    else
        link_control_free(control);
    return err;
}

void link_control_free(struct link_control *control)
{
    if (!control)
        return;
    if (control->server)
        http_server_free(control->server);
    os_free(control);
}
