/* engines.c: a worker whose engine cannot load its model lives on and tries again, so its process
 * tells the supervisor nothing. Until the world is ready the workers are asked in turn, one every
 * 100 ms, for GET /peer/v1/state; the first engine that says why it failed, or died DEATHS_MAX
 * times, is reported ("engine_failed"), once. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/check.h"
#include "base/crypto.h"
#include "deploy/world_own.h"
#include "os/clock.h"

enum { ASK_PAUSE_US = 100 * 1000, ASK_TIMEOUT_US = 1000 * 1000, DEATHS_MAX = 3 };

static void on_head(struct http_call *call, const struct http_head *head)
{
    struct world_inquiry *inquiry = http_call_user(call);
    inquiry->is_good = head->status == 200;
    inquiry->size = 0;
}

static void on_body(struct http_call *call, struct span piece)
{
    struct world_inquiry *inquiry = http_call_user(call);
    if (piece.n > sizeof inquiry->body - inquiry->size) {
        inquiry->is_good = false; /* no state of ours is as long */
        return;
    }
    memcpy(inquiry->body + inquiry->size, piece.p, piece.n);
    inquiry->size += piece.n;
}

static void report_failure(struct world *world, uint16_t worker, const char *why)
{
    char name[LIMIT_NAME + 16];
    const struct fleet *fleet = world->rules.fleet;
    int n = snprintf(name, sizeof name, "worker %.*s", SPAN_ARG(fleet->workers[worker].name));
    struct world_event event = {.event = "engine_failed",
                                .process = span_from(name, (size_t)n),
                                .region = fleet->regions[fleet->workers[worker].region].name,
                                .detail = why};
    world->inquiry.is_reported = true;
    world_report(world, &event);
}

static void on_end(struct http_call *call)
{
    struct world_inquiry *inquiry = http_call_user(call);
    inquiry->call = NULL;
    if (!inquiry->is_good || inquiry->is_reported)
        return;
    json_t *root = json_loadb(inquiry->body, inquiry->size, 0, NULL);
    const json_t *engine;
    size_t i;
    json_array_foreach(json_object_get(root, "engines"), i, engine)
    {
        const char *why = json_string_value(json_object_get(engine, "failure"));
        if (!why && json_integer_value(json_object_get(engine, "deaths")) >= DEATHS_MAX)
            why = "it died again and again while it loaded (killed for want of memory?); see its "
                  "log in STATE/log";
        if (why && !inquiry->is_reported)
            report_failure(inquiry->world, inquiry->asked, why);
    }
    json_decref(root);
}

static void on_error(struct http_call *call, enum err err, enum http_phase phase)
{
    struct world_inquiry *inquiry = http_call_user(call);
    CHECK(err && phase <= HTTP_PHASE_ANSWER);
    inquiry->call = NULL; /* it is starting still, or dying: its process says so */
}

static const struct http_call_handler handler = {
    .on_head = on_head, .on_body = on_body, .on_end = on_end, .on_error = on_error};

/* The next one in turn where somebody works; false: nobody does. */
static bool find_next(struct world_inquiry *inquiry)
{
    const struct world *world = inquiry->world;
    uint16_t count = world->rules.fleet->worker_count;
    for (uint16_t i = 0; i < count; i++) {
        inquiry->asked = (uint16_t)((inquiry->asked + 1) % count);
        if (world->roster.rows[inquiry->asked].is_wanted)
            return true;
    }
    return false;
}

static void ask_next(struct world_inquiry *inquiry)
{
    struct world *world = inquiry->world;
    char head[256], hex[2 * CRYPTO_KEY_SIZE + 1];
    if (!find_next(inquiry))
        return;
    crypto_hex(world->rules.state->peer_secret, CRYPTO_KEY_SIZE, hex);
    int n = snprintf(head, sizeof head, "GET /peer/v1/state HTTP/1.1\r\nauthorization: Peer %s\r\n",
                     hex);
    struct http_request request = {.head = span_from(head, (size_t)n),
                                   .first_byte_timeout_us = ASK_TIMEOUT_US,
                                   .handler = &handler,
                                   .user = inquiry};
    inquiry->call = http_call(inquiry->origins[inquiry->asked], &request);
    crypto_wipe(head, sizeof head);
    crypto_wipe(hex, sizeof hex);
}

static void on_ask_due(struct net_timer *timer)
{
    struct world_inquiry *inquiry = CONTAINER_OF(timer, struct world_inquiry, timer);
    struct world *world = inquiry->world;
    if (world->is_ready || world->is_stopping || inquiry->is_reported)
        return;
    if (!inquiry->call)
        ask_next(inquiry);
    if (net_timer_set(world->loop, timer, os_now_us() + ASK_PAUSE_US))
        CHECK(false && "a timer of the supervisor had no room");
}

enum err world_engines_new(struct world *world, struct text *why)
{
    const struct fleet *fleet = world->rules.fleet;
    struct world_inquiry *inquiry = &world->inquiry;
    enum err err = ERR_OK;
    inquiry->world = world;
    net_timer_init(&inquiry->timer, on_ask_due);
    for (uint16_t i = 0; i < fleet->worker_count && !err; i++) {
        char url[64];
        int n = snprintf(url, sizeof url, "http://127.0.0.1:%u",
                         fleet_port_worker(fleet, world->rules.port_base, i));
        err = http_origin_new(world->client, span_from(url, (size_t)n), NULL, NULL,
                              &inquiry->origins[i], why);
    }
    if (!err && fleet->worker_count)
        err = net_timer_set(world->loop, &inquiry->timer, os_now_us() + ASK_PAUSE_US);
    return err;
}

void world_engines_free(struct world *world)
{
    struct world_inquiry *inquiry = &world->inquiry;
    if (!inquiry->world)
        return; /* never opened: a port was taken */
    net_timer_clear(world->loop, &inquiry->timer);
    if (inquiry->call)
        http_call_cancel(inquiry->call);
    for (uint16_t i = 0; i < world->rules.fleet->worker_count; i++) {
        if (inquiry->origins[i])
            http_origin_free(inquiry->origins[i]);
    }
}
