/* control.c: the supervisor's door for `farspan fault`, `apply`, `status` and the demo. Peers only.
 */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/check.h"
#include "deploy/world_own.h"
#include "http/peer.h"

enum { CONTROL_BODY_MAX = 16 * 1024, CONTROL_ANSWER_MAX = 256 * 1024 };

static void answer_json(struct http_exchange *exchange, unsigned status, struct span json)
{
    http_answer(exchange, status, SPAN_LITERAL("content-type: application/json\r\n"),
                (int64_t)json.n, json);
}

static void answer_error(struct http_exchange *exchange, unsigned status, const char *message)
{
    char buffer[1024];
    struct text json;
    text_init(&json, buffer, sizeof buffer);
    text_json_object(&json);
    text_json_key(&json, "error");
    text_json_str(&json, message);
    text_json_end(&json);
    answer_json(exchange, status, text_span(&json));
}

static void answer_state(struct http_exchange *exchange, const struct world *world)
{
    static char buffer[CONTROL_ANSWER_MAX]; /* one loop, one answer at a time */
    struct text json;
    text_init(&json, buffer, sizeof buffer);
    world_print_state(world, &json);
    CHECK(!json.is_cut);
    answer_json(exchange, 200, text_span(&json));
}

static void answer_fault(struct http_exchange *exchange, struct world *world)
{
    struct span body = http_exchange_body(exchange);
    json_t *root = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
    const char *region = json_string_value(json_object_get(root, "region"));
    const char *kind = json_string_value(json_object_get(root, "kind"));
    if (!region || !kind) {
        answer_error(exchange, 400, "expected {\"region\":\"...\",\"kind\":\"...\"}");
    } else {
        char message[512];
        struct text why;
        text_init(&why, message, sizeof message);
        enum err err = world_fault(world, span_of(region), span_of(kind), &why);
        if (err)
            answer_error(exchange, err == ERR_NOT_FOUND ? 404 : 400, message);
        else
            answer_json(exchange, 200, SPAN_LITERAL("{}"));
    }
    json_decref(root);
}

static void answer_roster(struct http_exchange *exchange, const struct world *world)
{
    static char buffer[ROSTER_JSON_MAX]; /* one loop, one answer at a time */
    struct text json;
    text_init(&json, buffer, sizeof buffer);
    roster_print(world_roster(world), world->rules.fleet, &json);
    CHECK(!json.is_cut);
    answer_json(exchange, 200, text_span(&json));
}

static void answer_err(struct http_exchange *exchange, enum err err, const struct text *why)
{
    static const struct {
        enum err err;
        unsigned status;
    } rows[] = {
        {ERR_OK, 200}, {ERR_NOT_FOUND, 404}, {ERR_VALUE, 400}, {ERR_EXISTS, 409}, {ERR_STALE, 409}};
    unsigned status = 500;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].err == err)
            status = rows[i].status;
    if (err)
        answer_error(exchange, status, why->n ? why->p : err_text(err));
    else
        answer_json(exchange, 200, SPAN_LITERAL("{}"));
}

static void answer_place(struct http_exchange *exchange, struct world *world)
{
    struct span body = http_exchange_body(exchange);
    json_t *root = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
    const char *what = json_string_value(json_object_get(root, "do"));
    const char *name = json_string_value(json_object_get(root, "worker"));
    char message[512];
    struct text why;
    struct roster_row row;
    uint16_t worker = room_find_worker(world->rules.fleet, span_of(name));
    enum err err = ERR_VALUE;
    text_init(&why, message, sizeof message);
    if (what && strcmp(what, "start") == 0) {
        err = roster_read_row(root, &world->rules.room, &worker, &row, &why);
        if (!err)
            err = world_place_start(world, worker, &row, &why);
    } else if (!what || strcmp(what, "stop") != 0) {
        text_add(&why, "expected {\"do\":\"start\" or \"stop\",\"worker\":\"...\", ...}");
    } else if (worker == FLEET_NONE) {
        err = ERR_NOT_FOUND;
        text_add(&why, "there is no worker %s in this world", name ? name : "(no name)");
    } else {
        err = world_place_stop(world, worker, &why);
    }
    answer_err(exchange, err, &why);
    json_decref(root);
}

static void answer_epoch(struct http_exchange *exchange, struct world *world)
{
    struct span body = http_exchange_body(exchange);
    json_t *root = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
    json_int_t epoch = json_integer_value(json_object_get(root, "epoch"));
    char message[512];
    struct text why;
    text_init(&why, message, sizeof message);
    enum err err = ERR_VALUE;
    if (epoch > 0)
        err = world_set_epoch(world, (uint64_t)epoch, &why);
    else
        text_add(&why, "expected {\"epoch\":N}");
    answer_err(exchange, err, &why);
    json_decref(root);
}

/* What peers may ask. */
static const struct {
    enum http_method method;
    const char *path;
    void (*look)(struct http_exchange *exchange, const struct world *world);
    void (*act)(struct http_exchange *exchange, struct world *world);
} doors[] = {{HTTP_GET, "/peer/v1/state", answer_state, NULL},
             {HTTP_GET, "/peer/v1/roster", answer_roster, NULL},
             {HTTP_POST, "/peer/v1/fault", NULL, answer_fault},
             {HTTP_POST, "/peer/v1/place", NULL, answer_place},
             {HTTP_POST, "/peer/v1/epoch", NULL, answer_epoch}};

/* COUNT_OF(doors): there is none. */
static size_t find_door(const struct http_head *head)
{
    size_t i = 0;
    while (i < COUNT_OF(doors) &&
           !(head->method == doors[i].method && span_is(head->path, doors[i].path)))
        i++;
    return i;
}

static void on_head(struct http_exchange *exchange)
{
    struct world *world = http_server_user(exchange->server);
    size_t door = find_door(exchange->head);
    if (!http_is_peer(exchange->head, world->rules.state->peer_secret))
        answer_error(exchange, 403, "peers only");
    else if (door == COUNT_OF(doors))
        answer_error(exchange, 404,
                     "GET /peer/v1/state, /peer/v1/roster; POST /peer/v1/fault, "
                     "/peer/v1/place, /peer/v1/epoch");
    else if (doors[door].look)
        doors[door].look(exchange, world);
    else
        http_exchange_hold(exchange, CONTROL_BODY_MAX);
}

static void on_body(struct http_exchange *exchange, struct span piece)
{
    (void)exchange;
    (void)piece;
}

static void on_overflow(struct http_exchange *exchange, struct span so_far)
{
    (void)so_far;
    answer_error(exchange, 413, "too long for any of these");
}

static void on_body_end(struct http_exchange *exchange)
{
    size_t door = find_door(exchange->head);
    if (!exchange->status && door < COUNT_OF(doors) && doors[door].act)
        doors[door].act(exchange, http_server_user(exchange->server));
}

static void on_drained(struct http_exchange *exchange)
{
    (void)exchange;
}

static void on_gone(struct http_exchange *exchange, bool was_whole)
{
    (void)exchange;
    (void)was_whole;
}

static const struct http_handler handler = {.on_head = on_head,
                                            .on_body = on_body,
                                            .on_overflow = on_overflow,
                                            .on_body_end = on_body_end,
                                            .on_drained = on_drained,
                                            .on_gone = on_gone};

enum err world_control_new(struct world *world, struct text *why)
{
    struct http_server_rules rules;
    struct net_address address;
    http_server_rules_default(&rules);
    rules.connections_max = 64;
    enum err err = http_server_new(world->loop, &handler, &rules, world, &world->control);
    if (err)
        return err;
    net_address_loopback(fleet_port_supervisor(world->rules.fleet, world->rules.port_base),
                         &address);
    return http_server_listen(world->control, &address, false, why);
}

void world_control_free(struct world *world)
{
    if (world->control)
        http_server_free(world->control);
}

/* What the link emulator answers is of no use to the one who asked long ago: a failure is said on
 * the console. */
static void on_link_head(struct http_call *call, const struct http_head *head)
{
    (void)call;
    if (head->status != 200)
        fprintf(stderr, "farspan: the link emulator refused a fault: status %u\n", head->status);
}

static void on_link_error(struct http_call *call, enum err err, enum http_phase phase)
{
    (void)call;
    (void)phase;
    fprintf(stderr, "farspan: the link emulator did not take a fault: %s\n", err_text(err));
}

static void on_link_body(struct http_call *call, struct span piece)
{
    (void)call;
    (void)piece;
}

static void on_link_end(struct http_call *call)
{
    (void)call;
}

static const struct http_call_handler link_handler = {.on_head = on_link_head,
                                                      .on_body = on_link_body,
                                                      .on_end = on_link_end,
                                                      .on_error = on_link_error};

void world_pass_fault_to_link(struct world *world, struct span region, struct span kind)
{
    /* The call keeps no copy of its body: a ring, since a fault is answered long before 8 more were
     * asked for. */
    static char bodies[8][256];
    static unsigned turn;
    char head[256], proof[HTTP_PEER_PROOF_SIZE];
    char *body = bodies[turn++ % COUNT_OF(bodies)];
    http_peer_proof(world->rules.state->peer_secret, proof);
    int head_size = snprintf(head, sizeof head,
                             "POST /peer/v1/fault HTTP/1.1\r\nauthorization: %s\r\n"
                             "content-type: application/json\r\n",
                             proof);
    int body_size = snprintf(body, sizeof bodies[0], "{\"region\":\"%.*s\",\"kind\":\"%.*s\"}",
                             SPAN_ARG(region), SPAN_ARG(kind));
    struct http_request request = {.head = span_from(head, (size_t)head_size),
                                   .body = span_from(body, (size_t)body_size),
                                   .body_length = body_size,
                                   .first_byte_timeout_us = 2 * 1000 * 1000,
                                   .handler = &link_handler};
    if (!http_call(world->link_origin, &request))
        fprintf(stderr, "farspan: the link emulator could not be asked\n");
    crypto_wipe(proof, sizeof proof);
    crypto_wipe(head, sizeof head);
}
