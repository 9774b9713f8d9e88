#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/check.h"
#include "cli/load.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "cli/world_client.h"
#include "fleet/layout.h"
#include "http/client_io.h"
#include "http/sse.h"
#include "os/clock.h"
#include "os/memory.h"

enum {
    TURNS_MAX = 64,
    WORDS_MAX = 1024,
    LINE_SIZE = 4096,
    ANSWER_SIZE = 32 * 1024,
    BODY_SIZE = 256 * 1024
};

struct chat {
    struct world_client world;
    struct net_loop *loop;
    struct http_client *client;
    struct http_origin *origins[LIMIT_REGIONS]; /* nearest first */
    uint16_t origin_count, origin;              /* the one that is asked */
    const char *service;
    char service_name[LIMIT_API_NAME + 1];
    int64_t max_tokens;
    bool shows_route, is_json;
    char *turns[TURNS_MAX]; /* user, assistant, user ... */
    unsigned turn_count;
    /* of the answer that is being read */
    unsigned status;
    bool is_over, has_failed, is_unreachable;
    int64_t asked_us, first_us;
    char route[1024];
    size_t answer_size;
    char answer[ANSWER_SIZE];
    struct sse_reader sse;
    char event[LINE_SIZE];
    char body[BODY_SIZE];
};

/* What has no room is not kept. */
static void keep(struct chat *chat, struct span piece)
{
    size_t room = sizeof chat->answer - 1 - chat->answer_size;
    size_t n = piece.n < room ? piece.n : room;
    memcpy(chat->answer + chat->answer_size, piece.p, n);
    chat->answer_size += n;
    chat->answer[chat->answer_size] = 0;
}

static void add_piece(struct chat *chat, const char *piece)
{
    if (!chat->first_us)
        chat->first_us = os_now_us();
    if (!chat->is_json) {
        fputs(piece, stdout);
        fflush(stdout);
    }
    keep(chat, span_of(piece));
}

static void on_event(void *user, struct span name, struct span data, bool is_cut)
{
    struct chat *chat = user;
    (void)name;
    (void)is_cut;
    json_t *root = json_loadb(data.p, data.n, 0, NULL);
    const json_t *choice = json_array_get(json_object_get(root, "choices"), 0);
    const char *piece =
        json_string_value(json_object_get(json_object_get(choice, "delta"), "content"));
    const char *error =
        json_string_value(json_object_get(json_object_get(root, "error"), "message"));
    if (piece)
        add_piece(chat, piece);
    if (error) {
        chat->has_failed = true;
        fprintf(stderr, "\nfarspan: %s\n", error);
    }
    json_decref(root);
}

static void on_head(struct http_call *call, const struct http_head *head)
{
    struct chat *chat = http_call_user(call);
    struct span route = http_header_of(head, HTTP_HEADER_FARSPAN_ROUTE);
    chat->status = head->status;
    snprintf(chat->route, sizeof chat->route, "%.*s", SPAN_ARG(route));
}

static void on_body(struct http_call *call, struct span piece)
{
    struct chat *chat = http_call_user(call);
    if (chat->status == 200)
        sse_reader_add(&chat->sse, piece, on_event, chat);
    else
        keep(chat, piece);
}

static void on_end(struct http_call *call)
{
    struct chat *chat = http_call_user(call);
    chat->is_over = true;
    if (chat->status == 200)
        return;
    chat->has_failed = true;
    json_t *root = json_loads(chat->answer, 0, NULL);
    const char *message =
        json_string_value(json_object_get(json_object_get(root, "error"), "message"));
    fprintf(stderr, "farspan: refused (%u): %s\n", chat->status, message ? message : chat->answer);
    json_decref(root);
}

static void on_error(struct http_call *call, enum err err, enum http_phase phase)
{
    struct chat *chat = http_call_user(call);
    chat->is_unreachable = phase != HTTP_PHASE_ANSWER;
    if (!chat->has_failed && !chat->is_unreachable)
        fprintf(stderr, "\nfarspan: the gateway is lost: %s\n", err_text(err));
    chat->is_over = chat->has_failed = true;
}

static const struct http_call_handler handler = {
    .on_head = on_head, .on_body = on_body, .on_end = on_end, .on_error = on_error};

/* False: it does not fit. */
static bool write_body(struct chat *chat, struct span *ret_body)
{
    struct text json;
    text_init(&json, chat->body, sizeof chat->body);
    text_json_object(&json);
    text_json_key(&json, "model");
    text_json_str(&json, chat->service);
    text_json_key(&json, "stream");
    text_json_bool(&json, true);
    text_json_key(&json, "max_tokens");
    text_json_i64(&json, chat->max_tokens);
    text_json_key(&json, "messages");
    text_json_array(&json);
    for (unsigned i = 0; i < chat->turn_count; i++) {
        text_json_object(&json);
        text_json_key(&json, "role");
        text_json_str(&json, i % 2 ? "assistant" : "user");
        text_json_key(&json, "content");
        text_json_str(&json, chat->turns[i]);
        text_json_end(&json);
    }
    text_json_end(&json);
    text_json_end(&json);
    *ret_body = text_span(&json);
    return !json.is_cut;
}

/* The oldest question and its answer go. */
static void forget_oldest(struct chat *chat)
{
    free(chat->turns[0]);
    free(chat->turns[1]);
    memmove(chat->turns, chat->turns + 2, (TURNS_MAX - 2) * sizeof chat->turns[0]);
    chat->turn_count -= 2;
}

/* Puts the question to the gateway of the moment and reads the answer to its end. False: there was
 * no memory. */
static bool ask_one(struct chat *chat)
{
    char head[512];
    struct span body;
    while (!write_body(chat, &body)) {
        CHECK(chat->turn_count > 2); /* one line and nothing else always fits */
        forget_oldest(chat);
    }
    int n = snprintf(head, sizeof head,
                     "POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer %s\r\n"
                     "content-type: application/json\r\n",
                     chat->world.state.client_key);
    struct http_request request = {.head = span_from(head, (size_t)n),
                                   .body = body,
                                   .body_length = (int64_t)body.n,
                                   .handler = &handler,
                                   .user = chat};
    chat->is_over = chat->has_failed = chat->is_unreachable = false;
    chat->answer_size = 0;
    chat->answer[0] = chat->route[0] = 0;
    chat->status = 0;
    chat->first_us = 0;
    chat->asked_us = os_now_us();
    sse_reader_init(&chat->sse, chat->event, sizeof chat->event);
    if (!http_call(chat->origins[chat->origin], &request)) {
        fprintf(stderr, "farspan: no memory for a request\n");
        return false;
    }
    while (!chat->is_over)
        net_loop_run_once(chat->loop, 1000 * 1000);
    return true;
}

static long long first_token_ms(const struct chat *chat)
{
    return (long long)((chat->first_us ? chat->first_us - chat->asked_us : 0) / 1000);
}

static void print_json(struct chat *chat)
{
    struct text json;
    text_init(&json, chat->body, sizeof chat->body);
    text_json_object(&json);
    text_json_key(&json, "answer");
    text_json_str(&json, chat->status == 200 ? chat->answer : "");
    text_json_key(&json, "whole");
    text_json_bool(&json, !chat->has_failed);
    text_json_key(&json, "status");
    text_json_u64(&json, chat->status);
    text_json_key(&json, "route");
    text_json_str(&json, chat->route);
    text_json_key(&json, "first_token_ms");
    text_json_i64(&json, first_token_ms(chat));
    text_json_end(&json);
    puts(chat->body);
    fflush(stdout);
}

/* One question and its answer. A gateway that cannot be reached is passed over for the next by
 * distance, as GeoDNS would answer; it stays so for this talk. */
static bool ask(struct chat *chat)
{
    if (!ask_one(chat))
        return false;
    while (chat->is_unreachable && chat->origin + 1 < chat->origin_count) {
        chat->origin++;
        if (!ask_one(chat))
            return false;
    }
    if (chat->is_unreachable)
        fprintf(stderr, "farspan: no gateway can be reached; farspan status shows what runs\n");
    if (chat->is_json)
        print_json(chat);
    else if (chat->answer_size > 0 && chat->status == 200)
        putchar('\n');
    if (chat->shows_route && !chat->is_json && !chat->has_failed)
        printf("  [%s; first token after %lld ms]\n", chat->route, first_token_ms(chat));
    fflush(stdout); /* a program may be talking through a pipe */
    return !chat->has_failed;
}

static bool remember(struct chat *chat, const char *words)
{
    if (chat->turn_count == TURNS_MAX)
        forget_oldest(chat);
    chat->turns[chat->turn_count] = strdup(words);
    return chat->turns[chat->turn_count++] != NULL;
}

static bool exchange(struct chat *chat, const char *question)
{
    if (!remember(chat, question))
        return false;
    if (ask(chat))
        return remember(chat, chat->answer);
    free(chat->turns[--chat->turn_count]);
    return false;
}

/* WORDS need no quotes: they are put together again. */
static bool say_words(struct chat *chat, char **words, size_t count)
{
    char line[LINE_SIZE];
    struct text text;
    text_init(&text, line, sizeof line);
    for (size_t i = 0; i < count; i++)
        text_add(&text, "%s%s", i ? " " : "", words[i]);
    if (!text.is_cut)
        return exchange(chat, line);
    fprintf(stderr, "farspan: the question is longer than %d bytes\n", LINE_SIZE - 1);
    return false;
}

static int converse(struct chat *chat)
{
    char line[LINE_SIZE];
    bool is_terminal = isatty(STDIN_FILENO);
    if (is_terminal)
        printf("talking to %s; an empty line ends\n", chat->service);
    for (;;) {
        if (is_terminal) {
            fputs("> ", stdout);
            fflush(stdout);
        }
        if (!fgets(line, sizeof line, stdin))
            return 0;
        line[strcspn(line, "\n")] = 0;
        if (!line[0])
            return 0;
        if (!exchange(chat, line) && !is_terminal)
            return 1;
    }
}

/* Through the link of the zone to its nearest gateway, as a client there would. */
static bool open_chat(struct chat *chat, const char *zone_name)
{
    const struct fleet *fleet = chat->world.fleet;
    uint16_t order[LIMIT_REGIONS], zone = 0;
    uint16_t service = load_find_service(fleet, chat->service, FLEET_GENERATION);
    if (zone_name)
        zone = load_find_zone(fleet, zone_name);
    if (zone == FLEET_NONE || service == FLEET_NONE)
        return false;
    if (fleet->services[service].kind != FLEET_GENERATION) {
        fprintf(stderr, "farspan: the service %.*s does not generate text (kind: %s)\n",
                SPAN_ARG(fleet->services[service].name),
                fleet_kind_name(fleet->services[service].kind));
        return false;
    }
    snprintf(chat->service_name, sizeof chat->service_name, "%.*s",
             SPAN_ARG(fleet->services[service].name));
    chat->service = chat->service_name;
    fleet_regions_by_distance(fleet, zone, order);
    char message[256];
    struct text why;
    text_init(&why, message, sizeof message);
    enum err err = net_loop_new(&chat->loop);
    if (!err)
        err = http_client_new(chat->loop, &chat->client);
    for (uint16_t i = 0; i < fleet->region_count && !err; i++) {
        char url[64];
        int n = snprintf(url, sizeof url, "http://127.0.0.1:%u",
                         fleet_port_client_link(fleet, chat->world.port_base, zone, order[i]));
        err = http_origin_new(chat->client, span_from(url, (size_t)n), NULL, NULL,
                              &chat->origins[i], &why);
    }
    chat->origin_count = fleet->region_count;
    if (err)
        fprintf(stderr, "farspan: %s\n", err_text(err));
    return !err;
}

int verb_chat(int argc, char **argv)
{
    const char *state = NULL, *zone = NULL;
    struct chat *chat OS_FREED = os_alloc(sizeof *chat);
    if (!chat) {
        fprintf(stderr, "farspan: %s\n", err_text(ERR_MEMORY));
        return 1;
    }
    chat->max_tokens = 96;
    const struct option_row rows[] = {
        {"--service", "NAME", "what to talk to (the first that generates)", OPTION_TEXT,
         &chat->service, 0, 0},
        {"--zone", "ZONE", "where you are (the first zone)", OPTION_TEXT, &zone, 0, 0},
        {"--max-tokens", "N", "of an answer (96)", OPTION_NUMBER, &chat->max_tokens, 1, 100000},
        {"--route", NULL, "say which replica answered and why", OPTION_FLAG, &chat->shows_route, 0,
         0},
        {"--json", NULL, "an object an answer: answer whole status route first_token_ms",
         OPTION_FLAG, &chat->is_json, 0, 0},
        {"--state", "DIR", "state folder of the world", OPTION_TEXT, &state, 0, 0},
    };
    const struct option_usage usage = {
        "farspan chat [WORDS ...] [--service NAME] [--zone ZONE] [--max-tokens N] [--route] "
        "[--json]",
        "Talks to the running world: WORDS once, or line by line from standard input. The tokens\n"
        "are shown as they come. A gateway that cannot be reached is passed over for the next by\n"
        "distance.",
        "farspan chat --route 'It was a fine evening'",
        rows,
        COUNT_OF(rows),
        0,
        WORDS_MAX};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;
    if (!world_client_open(state, &chat->world))
        return 1;
    status = 1;
    if (open_chat(chat, zone))
        status = rest ? !say_words(chat, argv, rest) : converse(chat);
    http_client_free(chat->client);
    net_loop_free(chat->loop);
    world_client_close(&chat->world);
    for (unsigned i = 0; i < chat->turn_count; i++)
        free(chat->turns[i]);
    return status;
}
