/* ready.c: a world is ready when every gateway says that it can answer for every service (GET
 * /v2/health/ready is 200). Asked every 50 ms until then, never after. */
#include <stdio.h>

#include "base/check.h"
#include "deploy/world_own.h"
#include "os/clock.h"

enum { PROBE_PAUSE_US = 50 * 1000, PROBE_TIMEOUT_US = 1000 * 1000 };

static void note_all_ready(struct world *world)
{
    for (unsigned i = 0; i < world->rules.fleet->region_count; i++) {
        if (!world->probe[i].is_ready)
            return;
    }
    if (world->is_ready)
        return;
    world->is_ready = true;
    struct world_event event = {.event = "ready", .after_us = os_now_us() - world->started_at_us};
    world_report(world, &event);
}

static void on_head(struct http_call *call, const struct http_head *head)
{
    struct world_probe *probe = http_call_user(call);
    probe->is_ready = head->status == 200;
}

static void on_body(struct http_call *call, struct span piece)
{
    (void)call;
    (void)piece;
}

static void on_end(struct http_call *call)
{
    struct world_probe *probe = http_call_user(call);
    probe->call = NULL;
    note_all_ready(probe->world);
}

static void on_error(struct http_call *call, enum err err, enum http_phase phase)
{
    struct world_probe *probe = http_call_user(call);
    (void)err;
    (void)phase;
    probe->call = NULL;
    probe->is_ready = false;
}

static const struct http_call_handler handler = {
    .on_head = on_head, .on_body = on_body, .on_end = on_end, .on_error = on_error};

static void on_probe_due(struct net_timer *timer)
{
    struct world *world = CONTAINER_OF(timer, struct world, probe_timer);
    if (world->is_ready || world->is_stopping)
        return;
    for (unsigned i = 0; i < world->rules.fleet->region_count; i++) {
        struct world_probe *probe = &world->probe[i];
        if (probe->call || probe->is_ready)
            continue;
        char head[256];
        int n = snprintf(head, sizeof head,
                         "GET /v2/health/ready HTTP/1.1\r\nauthorization: Bearer %s\r\n",
                         world->rules.state->client_key);
        struct http_request request = {.head = span_from(head, (size_t)n),
                                       .first_byte_timeout_us = PROBE_TIMEOUT_US,
                                       .handler = &handler,
                                       .user = probe};
        probe->call = http_call(probe->origin, &request);
        crypto_wipe(head, sizeof head);
    }
    if (net_timer_set(world->loop, timer, os_now_us() + PROBE_PAUSE_US))
        CHECK(false && "a timer of the supervisor had no room");
}

static enum err open_origin(struct world *world, uint16_t port, struct http_origin **ret_origin,
                            struct text *why)
{
    char url[64];
    int n = snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
    return http_origin_new(world->client, span_from(url, (size_t)n), NULL, NULL, ret_origin, why);
}

enum err world_ready_new(struct world *world, struct text *why)
{
    const struct fleet *fleet = world->rules.fleet;
    enum err err = open_origin(world, fleet_port_link_control(fleet, world->rules.port_base),
                               &world->link_origin, why);
    for (uint16_t i = 0; i < fleet->region_count && !err; i++) {
        world->probe[i].world = world;
        err = open_origin(world, fleet_port_gateway(fleet, world->rules.port_base, i),
                          &world->probe[i].origin, why);
    }
    net_timer_init(&world->probe_timer, on_probe_due);
    if (!err)
        err = net_timer_set(world->loop, &world->probe_timer, os_now_us() + PROBE_PAUSE_US);
    return err;
}

void world_ready_free(struct world *world)
{
    if (!world->link_origin)
        return; /* never opened: a port was taken */
    net_timer_clear(world->loop, &world->probe_timer);
    for (unsigned i = 0; i < world->rules.fleet->region_count; i++) {
        struct world_probe *probe = &world->probe[i];
        if (probe->call)
            http_call_cancel(probe->call);
        if (probe->origin)
            http_origin_free(probe->origin);
    }
    http_origin_free(world->link_origin);
}
