#include "cli/demo_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/check.h"
#include "fleet/layout.h"
#include "http/client_io.h"
#include "http/peer.h"
#include "http/sse.h"
#include "os/clock.h"
#include "os/memory.h"

enum {
    EVENT_MAX = 4096,
    HEAD_MAX = 512,
    CALLS_MAX = 4096,
    FIRST_BYTE_TIMEOUT_US = 20 * 1000 * 1000,
    STALL_TIMEOUT_US = 10 * 1000 * 1000,
    CONNECT_TIMEOUT_US = 1500 * 1000
};

struct zone {
    struct http_origin *origin[LIMIT_REGIONS];
    uint16_t order[LIMIT_REGIONS];
    int64_t dead_until_us[LIMIT_REGIONS];
};

/* One request until it is answered or given up. */
struct call {
    struct demo_run *run;
    const struct demo_request *request;
    struct http_call *http;
    struct net_timer timer;
    uint16_t asked;  /* the region whose gateway is asked */
    uint16_t served; /* the region that computes it; FLEET_NONE before the head */
    uint16_t last_asked;
    uint32_t tries;
    int64_t began_us;       /* of the first try */
    int64_t first_token_us; /* 0: none in this try */
    uint32_t tokens;
    uint16_t status;
    bool is_done, has_error_event;
    struct sse_reader sse;
    char event[EVENT_MAX];
};

struct demo_run {
    struct net_loop *loop;
    struct demo_run_rules rules;
    struct http_client *client;
    struct http_origin *supervisor, *explainer;
    struct zone zone[LIMIT_ZONES];
    struct net_timer arrival, fault;
    int64_t started_us;
    uint32_t next, open_count;
    unsigned faults_done;
    bool is_over;
    struct os_pool calls;
    struct demo_stats stats;
    char fault_body[256], explain_body[16384];
    char explanation[DEMO_EXPLAIN_MAX];
    size_t explanation_size;
};

static void try_call(struct call *call);

static void check_over(struct demo_run *run)
{
    if (run->is_over || run->next < run->rules.plan->count || run->open_count > 0)
        return;
    run->is_over = true;
    run->rules.on_done(run->rules.user);
}

static void finish(struct call *call)
{
    struct demo_run *run = call->run;
    net_timer_clear(run->loop, &call->timer);
    os_pool_give(&run->calls, call);
    run->open_count--;
    check_over(run);
}

/* Who computed the answer: the last element of x-farspan-route up to its slash. */
static uint16_t served_region(const struct fleet *fleet, const struct http_head *head)
{
    struct span route = http_header_of(head, HTTP_HEADER_FARSPAN_ROUTE), last = {0};
    while (route.n)
        last = span_trim(span_cut(&route, ','));
    struct span name = span_cut(&last, ';');
    return fleet_find_region(fleet, span_cut(&name, '/'));
}

static void note_answered(struct call *call)
{
    struct demo_run *run = call->run;
    struct demo_stats *stats = &run->stats;
    const struct demo_request *request = call->request;
    int64_t now_us = os_now_us();
    uint16_t region = call->served == FLEET_NONE ? call->asked : call->served;
    struct demo_zone_stats *zone = &stats->zone[request->zone];
    stats->answered++;
    stats->region[region].answered++;
    zone->served_by[region]++;
    if (run->zone[request->zone].order[0] == region)
        stats->region[region].local++;
    else
        stats->region[region].remote++;
    if (request->kind == DEMO_CHAT)
        histogram_add(&zone->total_us, (uint64_t)(now_us - call->began_us));
    bool is_rerouted = stats->killed_at_us && !stats->rerouted_at_us &&
                       call->began_us >= stats->killed_at_us &&
                       run->zone[request->zone].order[0] == run->rules.kill_region &&
                       region != run->rules.kill_region;
    if (is_rerouted)
        stats->rerouted_at_us = now_us;
    finish(call);
}

static void note_in_flight(struct call *call, int change)
{
    if (call->served != FLEET_NONE)
        call->run->stats.region[call->served].in_flight += change;
}

static void on_retry_due(struct net_timer *timer)
{
    try_call(CONTAINER_OF(timer, struct call, timer));
}

/* This try is over without an answer. <is_gateway_dead>: nobody answered there at all. */
static void try_again(struct call *call, bool is_gateway_dead, int64_t wait_us)
{
    struct demo_run *run = call->run;
    call->http = NULL;
    if (is_gateway_dead)
        run->zone[call->request->zone].dead_until_us[call->asked] = os_now_us() + DEMO_DEAD_US;
    if (call->tries >= DEMO_TRIES_MAX) {
        run->stats.failed++;
        finish(call);
        return;
    }
    run->stats.client_retries++;
    if (net_timer_set(run->loop, &call->timer, os_now_us() + wait_us))
        CHECK(false && "a timer of the demo had no room");
}

static void note_cut(struct call *call)
{
    struct demo_run *run = call->run;
    bool was_begun = call->request->kind == DEMO_CHAT && call->status == 200;
    if (!was_begun)
        return;
    run->stats.cut_streams++;
    run->stats.typed_errors += call->has_error_event;
    if (call->served != FLEET_NONE)
        run->stats.region[call->served].cut++;
}

static void on_head(struct http_call *http, const struct http_head *head)
{
    struct call *call = http_call_user(http);
    call->status = head->status;
    call->served = served_region(call->run->rules.fleet, head);
    note_in_flight(call, 1);
}

static void note_token(struct call *call)
{
    struct demo_run *run = call->run;
    call->tokens++;
    run->stats.output_tokens++;
    if (call->served != FLEET_NONE)
        run->stats.region[call->served].tokens++;
    if (call->first_token_us)
        return;
    call->first_token_us = os_now_us();
    uint64_t ttft_us = (uint64_t)(call->first_token_us - call->began_us);
    histogram_add(&run->stats.zone[call->request->zone].ttft_us, ttft_us);
    histogram_add(&run->stats.window_ttft_us, ttft_us);
}

static void note_usage(struct call *call, const json_t *usage)
{
    const json_t *details = json_object_get(usage, "prompt_tokens_details");
    json_int_t prompt = json_integer_value(json_object_get(usage, "prompt_tokens"));
    json_int_t cached = json_integer_value(json_object_get(details, "cached_tokens"));
    call->run->stats.prompt_tokens += prompt > 0 ? (uint64_t)prompt : 0;
    call->run->stats.cached_tokens += cached > 0 ? (uint64_t)cached : 0;
}

static void on_event(void *user, struct span name, struct span data, bool is_cut)
{
    struct call *call = user;
    (void)name;
    (void)is_cut;
    if (span_is(data, "[DONE]")) {
        call->is_done = true;
        return;
    }
    json_t *root = json_loadb(data.p, data.n, 0, NULL);
    const json_t *error = json_object_get(root, "error");
    const json_t *choice = json_array_get(json_object_get(root, "choices"), 0);
    const json_t *content = json_object_get(json_object_get(choice, "delta"), "content");
    if (error)
        call->has_error_event = true;
    if (json_string_length(content) > 0)
        note_token(call);
    note_usage(call, json_object_get(root, "usage"));
    json_decref(root);
}

static void on_body(struct http_call *http, struct span piece)
{
    struct call *call = http_call_user(http);
    if (call->request->kind == DEMO_CHAT && call->status == 200)
        sse_reader_add(&call->sse, piece, on_event, call);
    else if (call->status != 200)
        snprintf(call->run->stats.last_failure, sizeof call->run->stats.last_failure,
                 "status %u: %.*s", call->status, (int)(piece.n > 200 ? 200 : piece.n), piece.p);
}

static void on_end(struct http_call *http)
{
    struct call *call = http_call_user(http);
    bool is_stream = call->request->kind == DEMO_CHAT;
    note_in_flight(call, -1);
    if (call->status == 200 && (!is_stream || call->is_done)) {
        note_answered(call);
        return;
    }
    note_cut(call);
    bool is_refused_for_good = call->status >= 400 && call->status < 500 && call->status != 429;
    if (is_refused_for_good)
        call->tries = DEMO_TRIES_MAX;
    try_again(call, false, DEMO_RETRY_US);
}

static void on_error(struct http_call *http, enum err err, enum http_phase phase)
{
    struct call *call = http_call_user(http);
    snprintf(call->run->stats.last_failure, sizeof call->run->stats.last_failure, "%s, asked %.*s",
             err_text(err), SPAN_ARG(call->run->rules.fleet->regions[call->asked].name));
    if (phase == HTTP_PHASE_ANSWER) {
        note_in_flight(call, -1);
        note_cut(call);
    }
    try_again(call, !call->has_error_event, 0);
}

static const struct http_call_handler handler = {
    .on_head = on_head, .on_body = on_body, .on_end = on_end, .on_error = on_error};

/* The nearest gateway that is not known to be dead; all dead: the nearest. */
static uint16_t nearest_alive(const struct demo_run *run, uint16_t zone)
{
    int64_t now_us = os_now_us();
    for (uint16_t i = 0; i < run->rules.fleet->region_count; i++) {
        uint16_t region = run->zone[zone].order[i];
        if (run->zone[zone].dead_until_us[region] <= now_us)
            return region;
    }
    return run->zone[zone].order[0];
}

static void try_call(struct call *call)
{
    struct demo_run *run = call->run;
    const struct demo_request *request = call->request;
    char head[HEAD_MAX];
    call->tries++;
    call->asked = nearest_alive(run, request->zone);
    run->stats.other_region += call->tries > 1 && call->asked != call->last_asked;
    call->last_asked = call->asked;
    call->served = FLEET_NONE;
    call->status = 0;
    call->is_done = call->has_error_event = false;
    call->first_token_us = 0;
    call->tokens = 0;
    sse_reader_init(&call->sse, call->event, sizeof call->event);
    int n = snprintf(head, sizeof head,
                     "POST %s HTTP/1.1\r\nauthorization: Bearer %s\r\n"
                     "content-type: application/json\r\n",
                     demo_kind_path(request->kind), run->rules.client_key);
    struct http_request http = {.head = span_from(head, (size_t)n),
                                .body = request->body,
                                .body_length = (int64_t)request->body.n,
                                .connect_timeout_us = CONNECT_TIMEOUT_US,
                                .first_byte_timeout_us = FIRST_BYTE_TIMEOUT_US,
                                .stall_timeout_us = STALL_TIMEOUT_US,
                                .handler = &handler,
                                .user = call};
    call->http = http_call(run->zone[request->zone].origin[call->asked], &http);
    if (!call->http)
        try_again(call, false, DEMO_RETRY_US);
}

static void begin(struct demo_run *run, const struct demo_request *request)
{
    struct call *call = os_pool_take(&run->calls);
    run->stats.offered++;
    if (!call) {
        run->stats.failed++;
        snprintf(run->stats.last_failure, sizeof run->stats.last_failure,
                 "more than %d requests under way", CALLS_MAX);
        return;
    }
    *call = (struct call){
        .run = run, .request = request, .began_us = os_now_us(), .last_asked = FLEET_NONE};
    net_timer_init(&call->timer, on_retry_due);
    run->open_count++;
    try_call(call);
}

static void on_arrival(struct net_timer *timer)
{
    struct demo_run *run = CONTAINER_OF(timer, struct demo_run, arrival);
    int64_t elapsed_us = demo_run_elapsed_us(run);
    const struct demo_plan *plan = run->rules.plan;
    while (run->next < plan->count && plan->requests[run->next].at_us <= elapsed_us)
        begin(run, &plan->requests[run->next++]);
    if (run->next < plan->count &&
        net_timer_set(run->loop, timer, run->started_us + plan->requests[run->next].at_us))
        CHECK(false && "a timer of the demo had no room");
    check_over(run);
}

/* Calls whose answer matters to nobody but for the explanation. */
static void on_aside_head(struct http_call *http, const struct http_head *head)
{
    struct demo_run *run = http_call_user(http);
    if (head->status >= 300)
        snprintf(run->stats.last_failure, sizeof run->stats.last_failure,
                 "the supervisor or a gateway refused the demo's wish: status %u", head->status);
}

static void on_aside_body(struct http_call *http, struct span piece)
{
    struct demo_run *run = http_call_user(http);
    size_t room = sizeof run->explanation - run->explanation_size;
    size_t n = piece.n < room ? piece.n : room;
    memcpy(run->explanation + run->explanation_size, piece.p, n);
    run->explanation_size += n;
}

static void on_fault_body(struct http_call *http, struct span piece)
{
    (void)http;
    (void)piece;
}

static void on_aside_end(struct http_call *http)
{
    (void)http;
}

static void on_aside_error(struct http_call *http, enum err err, enum http_phase phase)
{
    struct demo_run *run = http_call_user(http);
    (void)phase;
    snprintf(run->stats.last_failure, sizeof run->stats.last_failure, "aside: %s", err_text(err));
}

static const struct http_call_handler fault_handler = {.on_head = on_aside_head,
                                                       .on_body = on_fault_body,
                                                       .on_end = on_aside_end,
                                                       .on_error = on_aside_error};
static const struct http_call_handler explain_handler = {.on_head = on_aside_head,
                                                         .on_body = on_aside_body,
                                                         .on_end = on_aside_end,
                                                         .on_error = on_aside_error};

static void ask_aside(struct demo_run *run, struct http_origin *origin, const char *path,
                      struct span body, const struct http_call_handler *aside)
{
    char head[HEAD_MAX], proof[HTTP_PEER_PROOF_SIZE];
    http_peer_proof(run->rules.peer_secret, proof);
    int n = snprintf(head, sizeof head,
                     "POST %s HTTP/1.1\r\nauthorization: %s\r\n"
                     "content-type: application/json\r\n",
                     path, proof);
    struct http_request http = {.head = span_from(head, (size_t)n),
                                .body = body,
                                .body_length = (int64_t)body.n,
                                .first_byte_timeout_us = 3 * 1000 * 1000,
                                .handler = aside,
                                .user = run};
    if (!http_call(origin, &http))
        snprintf(run->stats.last_failure, sizeof run->stats.last_failure, "no room for %s", path);
    crypto_wipe(proof, sizeof proof);
    crypto_wipe(head, sizeof head);
}

static uint32_t streams_open_in(const struct demo_run *run, uint16_t region)
{
    int64_t n = run->stats.region[region].in_flight;
    return n > 0 ? (uint32_t)n : 0;
}

static void ask_explanation(struct demo_run *run)
{
    const struct demo_plan *plan = run->rules.plan;
    const struct demo_request *chat = NULL;
    for (uint32_t i = run->next; i < plan->count && !chat; i++) {
        if (plan->requests[i].kind == DEMO_CHAT)
            chat = &plan->requests[i];
    }
    if (!chat)
        return;
    int n = snprintf(run->explain_body, sizeof run->explain_body,
                     "{\"path\":\"/v1/chat/completions\",\"body\":%.*s}", SPAN_ARG(chat->body));
    if (n > 0 && (size_t)n < sizeof run->explain_body)
        ask_aside(run, run->explainer, "/peer/v1/explain", span_from(run->explain_body, (size_t)n),
                  &explain_handler);
}

/* First the kill, then (a moment later) the question why requests go where they go, then the
 * healing. */
static void on_fault_due(struct net_timer *timer)
{
    struct demo_run *run = CONTAINER_OF(timer, struct demo_run, fault);
    static const char *const kinds[] = {"kill", NULL, "heal"};
    const int64_t times_us[] = {run->rules.kill_at_us, run->rules.kill_at_us + 3000000,
                                run->rules.heal_at_us, INT64_MAX};
    unsigned turn = run->faults_done++;
    if (turn == 0) {
        run->stats.streams_open_at_kill = streams_open_in(run, run->rules.kill_region);
        run->stats.killed_at_us = os_now_us();
    }
    if (turn == 1) {
        ask_explanation(run);
    } else {
        struct span region = run->rules.fleet->regions[run->rules.kill_region].name;
        int n = snprintf(run->fault_body, sizeof run->fault_body,
                         "{\"region\":\"%.*s\",\"kind\":\"%s\"}", SPAN_ARG(region), kinds[turn]);
        ask_aside(run, run->supervisor, "/peer/v1/fault", span_from(run->fault_body, (size_t)n),
                  &fault_handler);
    }
    if (times_us[turn + 1] != INT64_MAX &&
        net_timer_set(run->loop, timer, run->started_us + times_us[turn + 1]))
        CHECK(false && "a timer of the demo had no room");
}

static enum err open_origin(struct demo_run *run, uint16_t port, struct http_origin **ret_origin,
                            struct text *why)
{
    char url[64];
    int n = snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
    return http_origin_new(run->client, span_from(url, (size_t)n), NULL, NULL, ret_origin, why);
}

static enum err open_origins(struct demo_run *run, struct text *why)
{
    const struct fleet *fleet = run->rules.fleet;
    uint16_t base = run->rules.port_base;
    enum err err = open_origin(run, fleet_port_supervisor(fleet, base), &run->supervisor, why);
    for (uint16_t z = 0; z < fleet->zone_count && !err; z++) {
        fleet_regions_by_distance(fleet, z, run->zone[z].order);
        for (uint16_t r = 0; r < fleet->region_count && !err; r++)
            err = open_origin(run, fleet_port_client_link(fleet, base, z, r),
                              &run->zone[z].origin[r], why);
    }
    /* The question is put to a gateway that lives while the killed one is down. */
    uint16_t other = run->rules.kill_region == 0 && fleet->region_count > 1 ? 1 : 0;
    if (!err)
        err = open_origin(run, fleet_port_gateway(fleet, base, other), &run->explainer, why);
    return err;
}

enum err demo_run_new(struct net_loop *loop, const struct demo_run_rules *rules,
                      struct demo_run **ret_run, struct text *why)
{
    struct demo_run *run = os_alloc(sizeof *run);
    if (!run)
        return ERR_MEMORY;
    run->loop = loop;
    run->rules = *rules;
    os_pool_init(&run->calls, sizeof(struct call), CALLS_MAX);
    net_timer_init(&run->arrival, on_arrival);
    net_timer_init(&run->fault, on_fault_due);
    histogram_init(&run->stats.window_ttft_us);
    for (uint16_t z = 0; z < rules->fleet->zone_count; z++) {
        histogram_init(&run->stats.zone[z].ttft_us);
        histogram_init(&run->stats.zone[z].total_us);
    }
    enum err err = http_client_new(loop, &run->client);
    if (!err)
        err = open_origins(run, why);
    if (err) {
        demo_run_free(run);
        return err;
    }
    *ret_run = run;
    return ERR_OK;
}

void demo_run_start(struct demo_run *run)
{
    run->started_us = os_now_us();
    if (run->rules.kill_region != FLEET_NONE &&
        net_timer_set(run->loop, &run->fault, run->started_us + run->rules.kill_at_us))
        CHECK(false && "a timer of the demo had no room");
    on_arrival(&run->arrival);
}

void demo_run_free(struct demo_run *run)
{
    if (!run)
        return;
    net_timer_clear(run->loop, &run->arrival);
    net_timer_clear(run->loop, &run->fault);
    http_client_free(run->client);
    os_pool_fini(&run->calls);
    os_free(run);
}

int64_t demo_run_elapsed_us(const struct demo_run *run)
{
    return run->started_us ? os_now_us() - run->started_us : 0;
}

uint64_t demo_run_open(const struct demo_run *run)
{
    return run->open_count;
}

struct demo_stats *demo_run_stats(struct demo_run *run)
{
    return &run->stats;
}

struct span demo_run_explanation(const struct demo_run *run)
{
    return span_from(run->explanation, run->explanation_size);
}
