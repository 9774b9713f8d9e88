#include "cli/up_view.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/check.h"
#include "cli/screen.h"
#include "fleet/layout.h"
#include "http/client_io.h"
#include "http/peer.h"
#include "os/clock.h"
#include "os/memory.h"

enum { PAUSE_US = 1000 * 1000, ANSWER_MAX = 512 * 1024, TABLE_MAX = 16 * 1024 };

/* What one gateway said last. */
struct region_view {
    struct up_view *view;
    struct http_origin *origin;
    struct http_call *call;
    bool is_silent;
    uint64_t sent, sent_before; /* requests given to targets, since its start */
    uint64_t running, waiting, slots, ready, services;
    size_t size;
    char answer[ANSWER_MAX];
};

/* Behind the region's name, which has 24. */
enum { REQUESTS, RUNNING, WAITING, SERVICES, COLUMN_COUNT };

static const char *const titles[COLUMN_COUNT] = {"requests/s", "running/slots", "waiting",
                                                 "services"};
static const struct screen_column columns[COLUMN_COUNT] = {
    [REQUESTS] = {11, 1}, [RUNNING] = {15, 0}, [WAITING] = {8, 2}, [SERVICES] = {13, 3}};

struct up_view {
    struct net_loop *loop;
    const struct fleet *fleet;
    struct http_client *client;
    struct net_timer timer;
    int64_t drawn_us;
    struct screen screen;
    char proof[HTTP_PEER_PROOF_SIZE];
    struct region_view regions[];
};

static uint64_t number(const json_t *object, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(object, key));
    return n > 0 ? (uint64_t)n : 0;
}

static void add_target(struct region_view *region, const json_t *target, bool *is_served)
{
    const char *kind = json_string_value(json_object_get(target, "kind"));
    bool is_ready = json_is_true(json_object_get(target, "ready"));
    region->sent += number(target, "sent_total");
    *is_served |= is_ready;
    if (!kind || strcmp(kind, "replica") != 0)
        return;
    region->running += number(target, "running");
    region->waiting += number(target, "waiting");
    region->slots += is_ready ? number(target, "slots") : 0;
}

static void read_answer(struct region_view *region)
{
    size_t i, j;
    json_t *service, *target;
    json_t *root = json_loadb(region->answer, region->size, 0, NULL);
    region->is_silent = !root;
    region->sent = region->running = region->waiting = region->slots = 0;
    region->ready = region->services = 0;
    json_array_foreach(json_object_get(root, "services"), i, service)
    {
        bool is_served = false;
        json_array_foreach(json_object_get(service, "targets"), j, target)
            add_target(region, target, &is_served);
        region->services++;
        region->ready += is_served;
    }
    json_decref(root);
}

static void on_head(struct http_call *call, const struct http_head *head)
{
    struct region_view *region = http_call_user(call);
    region->size = 0;
    region->is_silent = head->status != 200;
}

static void on_body(struct http_call *call, struct span piece)
{
    struct region_view *region = http_call_user(call);
    size_t room = sizeof region->answer - region->size;
    size_t n = piece.n < room ? piece.n : room;
    memcpy(region->answer + region->size, piece.p, n);
    region->size += n;
}

static void on_end(struct http_call *call)
{
    struct region_view *region = http_call_user(call);
    region->call = NULL;
    if (!region->is_silent)
        read_answer(region);
}

static void on_error(struct http_call *call, enum err err, enum http_phase phase)
{
    struct region_view *region = http_call_user(call);
    (void)err;
    (void)phase;
    region->call = NULL;
    region->is_silent = true;
}

static const struct http_call_handler handler = {
    .on_head = on_head, .on_body = on_body, .on_end = on_end, .on_error = on_error};

static void ask(struct region_view *region)
{
    char head[256];
    if (region->call) /* the last question is still open */
        return;
    int n = snprintf(head, sizeof head, "GET /peer/v1/state HTTP/1.1\r\nauthorization: %s\r\n",
                     region->view->proof);
    struct http_request request = {.head = span_from(head, (size_t)n),
                                   .first_byte_timeout_us = PAUSE_US,
                                   .handler = &handler,
                                   .user = region};
    region->call = http_call(region->origin, &request);
    region->is_silent |= !region->call;
    crypto_wipe(head, sizeof head);
}

static void print_region(struct up_view *view, struct region_view *region, struct span name,
                         uint32_t shown, struct text *text)
{
    int64_t past_us = os_now_us() - view->drawn_us;
    uint64_t sent = region->sent > region->sent_before ? region->sent - region->sent_before : 0;
    region->sent_before = region->sent;
    if (region->is_silent) {
        text_add(text, "%-24.*s %10s\n", SPAN_ARG(name), "silent");
        return;
    }
    text_add(text, "%-24.*s", SPAN_ARG(name));
    if (shown >> REQUESTS & 1)
        text_add(text, " %10.1f", (double)sent * 1e6 / (double)(past_us > 0 ? past_us : 1));
    if (shown >> RUNNING & 1)
        text_add(text, " %8lu/%-5lu", region->running, region->slots);
    if (shown >> WAITING & 1)
        text_add(text, " %7lu", region->waiting);
    if (shown >> SERVICES & 1)
        text_add(text, " %9lu/%-2lu", region->ready, region->services);
    text_add_c(text, '\n');
}

void up_view_erase(struct up_view *view)
{
    if (view)
        screen_erase(&view->screen);
}

static void on_second(struct net_timer *timer)
{
    struct up_view *view = CONTAINER_OF(timer, struct up_view, timer);
    char buffer[TABLE_MAX];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    unsigned width = screen_width();
    uint32_t shown = screen_columns_fit(columns, COLUMN_COUNT, width > 24 ? width - 24 : 0);
    text_add(&text, "%-24s", "region");
    for (unsigned i = 0; i < COLUMN_COUNT; i++)
        if (shown >> i & 1)
            text_add(&text, "%*s", columns[i].width, titles[i]);
    text_add_c(&text, '\n');
    for (uint16_t r = 0; r < view->fleet->region_count; r++) {
        print_region(view, &view->regions[r], view->fleet->regions[r].name, shown, &text);
        ask(&view->regions[r]);
    }
    view->drawn_us = os_now_us();
    screen_draw(&view->screen, text_span(&text));
    if (net_timer_set(view->loop, timer, view->drawn_us + PAUSE_US))
        CHECK(false && "a timer of the live view had no room");
}

static enum err open_regions(struct up_view *view, uint16_t port_base, struct text *why)
{
    enum err err = ERR_OK;
    for (uint16_t r = 0; r < view->fleet->region_count && !err; r++) {
        char url[64];
        int n = snprintf(url, sizeof url, "http://127.0.0.1:%u",
                         fleet_port_gateway(view->fleet, port_base, r));
        view->regions[r].view = view;
        err = http_origin_new(view->client, span_from(url, (size_t)n), NULL, NULL,
                              &view->regions[r].origin, why);
    }
    return err;
}

enum err up_view_new(struct net_loop *loop, const struct fleet *fleet, uint16_t port_base,
                     const uint8_t peer_secret[CRYPTO_KEY_SIZE], struct up_view **ret_view,
                     struct text *why)
{
    struct up_view *view =
        os_alloc(sizeof *view + fleet->region_count * sizeof(struct region_view));
    if (!view)
        return ERR_MEMORY;
    view->loop = loop;
    view->fleet = fleet;
    http_peer_proof(peer_secret, view->proof);
    net_timer_init(&view->timer, on_second);
    enum err err = http_client_new(loop, &view->client);
    if (!err)
        err = open_regions(view, port_base, why);
    if (err) {
        up_view_free(view);
        return err;
    }
    *ret_view = view;
    return ERR_OK;
}

void up_view_start(struct up_view *view)
{
    view->drawn_us = os_now_us();
    on_second(&view->timer);
}

void up_view_free(struct up_view *view)
{
    if (!view)
        return;
    net_timer_clear(view->loop, &view->timer);
    if (view->client)
        http_client_free(view->client);
    crypto_wipe(view->proof, sizeof view->proof);
    os_free(view);
}
