#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/check.h"
#include "cli/load.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "cli/world_client.h"
#include "fleet/layout.h"
#include "fleet/load_io.h"
#include "gateway/offline_io.h"
#include "os/file.h"
#include "os/memory.h"

enum { REQUEST_MAX = 256 * 1024, ANSWER_MAX = 256 * 1024 };

struct explain {
    const char *file, *state, *region, *service, *prompt, *body_file, *path;
    struct option_list zones;
    bool is_json;
    struct arena arena;
};

static bool complain(const char *what, const char *detail)
{
    fprintf(stderr, "farspan explain: %s%s%s\n", what, detail[0] ? ": " : "", detail);
    return false;
}

/* ---- the question ------------------------------------------------------------------------- */

static bool add_body(struct explain *explain, struct text *text)
{
    if (explain->body_file) {
        char message[256];
        struct text why;
        struct span content;
        text_init(&why, message, sizeof message);
        if (os_file_read(explain->body_file, REQUEST_MAX / 2, &explain->arena, &content, &why) !=
            ERR_OK)
            return complain("the body cannot be read", message);
        text_json_raw(text, content);
        return true;
    }
    text_json_object(text);
    text_json_key(text, "model");
    text_json_str(text, explain->service);
    text_json_key(text, "messages");
    text_json_array(text);
    text_json_object(text);
    text_json_key(text, "role");
    text_json_str(text, "user");
    text_json_key(text, "content");
    text_json_str(text, explain->prompt);
    text_json_end(text);
    text_json_end(text);
    text_json_end(text);
    return true;
}

static bool write_question(struct explain *explain, struct text *text)
{
    text_json_object(text);
    text_json_key(text, "path");
    text_json_str(text, explain->path);
    text_json_key(text, "zones");
    text_json_array(text);
    for (size_t i = 0; i < explain->zones.count; i++)
        text_json_str(text, explain->zones.item[i]);
    text_json_end(text);
    text_json_key(text, "body");
    if (!add_body(explain, text))
        return false;
    text_json_end(text);
    return !text->is_cut || complain("the body is longer than 128 KiB", "");
}

/* ---- the answer --------------------------------------------------------------------------- */

static bool find_region(const struct explain *explain, const struct fleet *fleet,
                        uint16_t *ret_region)
{
    *ret_region = 0;
    if (!explain->region)
        return true;
    *ret_region = fleet_find_region(fleet, span_of(explain->region));
    return *ret_region != FLEET_NONE || complain("there is no region", explain->region);
}

static bool ask_world(struct explain *explain, struct span question, struct text *answer,
                      unsigned *ret_status)
{
    struct world_client client;
    char message[256];
    struct text why;
    text_init(&why, message, sizeof message);
    if (!world_client_open(explain->state, &client))
        return false;
    uint16_t region;
    bool is_good = find_region(explain, client.fleet, &region);
    if (is_good) {
        struct span body;
        *ret_status =
            world_client_ask(&client, fleet_port_gateway(client.fleet, client.port_base, region),
                             "POST", "/peer/v1/explain", "Peer", question, &body, &why);
        is_good = *ret_status != 0 || complain("the gateway does not answer", message);
        if (is_good)
            text_add_span(answer, body);
    }
    world_client_close(&client);
    return is_good;
}

static bool ask_file(struct explain *explain, struct span question, struct text *answer,
                     unsigned *ret_status)
{
    const struct fleet *fleet;
    uint16_t region;
    if (!load_fleet(explain->file, NULL, &explain->arena, &fleet) ||
        !find_region(explain, fleet, &region))
        return false;
    if (gateway_explain_offline(fleet, region, question, answer, ret_status) == ERR_OK)
        return true;
    return complain(err_text(ERR_MEMORY), "");
}

/* ---- the table ---------------------------------------------------------------------------- */

static long long term(const json_t *row, const char *key)
{
    return json_integer_value(json_object_get(json_object_get(row, "terms_us"), key));
}

static const char *string_of(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static void print_cell_us(long long us)
{
    char buffer[32];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    text_add_duration_us(&text, us);
    printf(" %8s", buffer);
}

/* The end of a long name says more than its beginning. */
static const char *tail_of(const char *name, size_t width)
{
    size_t n = strlen(name);
    return n > width ? name + n - width : name;
}

static void print_row(const json_t *row)
{
    static const char *const terms[] = {"network", "prefill", "queue", "decode",
                                        "price",   "penalty", "total"};
    const char *bar = string_of(row, "bar");
    bool is_chosen = json_is_true(json_object_get(row, "chosen"));
    printf("%c %-26s", is_chosen ? '>' : ' ', tail_of(string_of(row, "target"), 26));
    if (bar[0]) {
        printf("  %s\n", bar);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(terms); i++)
        print_cell_us(term(row, terms[i]));
    printf(" %5lld\n", (long long)json_integer_value(json_object_get(row, "matched_tokens")));
}

static int print_table(const char *answer, unsigned status)
{
    json_t *root = json_loads(answer, 0, NULL);
    if (status != 200) {
        const json_t *error = json_object_get(root, "error");
        complain("the request would be refused", string_of(error, "message"));
        json_decref(root);
        return 3;
    }
    const json_t *rows = json_object_get(root, "targets");
    printf("policy  %s\n", string_of(root, "policy"));
    const char *chosen = string_of(root, "chosen");
    if (chosen[0])
        printf("chosen  %s\n\n", chosen);
    else
        printf("chosen  none: %s\n\n", string_of(root, "bar"));
    printf("  %-26s %8s %8s %8s %8s %8s %8s %8s %5s\n", "target", "network", "prefill", "queue",
           "decode", "price", "penalty", "total", "hit");
    for (size_t i = 0; i < json_array_size(rows); i++)
        print_row(json_array_get(rows, i));
    int verdict = chosen[0] ? 0 : 3;
    json_decref(root);
    return verdict;
}

static int run(struct explain *explain)
{
    char *question_buffer = ARENA_ARRAY(&explain->arena, char, REQUEST_MAX);
    char *answer_buffer = ARENA_ARRAY(&explain->arena, char, ANSWER_MAX);
    CHECK(question_buffer && answer_buffer);
    struct text question, answer;
    text_init(&question, question_buffer, REQUEST_MAX);
    text_init(&answer, answer_buffer, ANSWER_MAX);
    unsigned status = 0;
    if (!write_question(explain, &question))
        return 1;
    bool is_good = explain->file ? ask_file(explain, text_span(&question), &answer, &status)
                                 : ask_world(explain, text_span(&question), &answer, &status);
    if (!is_good)
        return 1;
    if (!explain->is_json)
        return print_table(answer_buffer, status);
    puts(answer_buffer);
    return status == 200 ? 0 : 3;
}

int verb_explain(int argc, char **argv)
{
    struct explain explain = {
        .service = "chat", .prompt = "Hello.", .path = "/v1/chat/completions"};
    const struct option_row rows[] = {
        {"--region", "NAME", "asked in this region (default: the first)", OPTION_TEXT,
         &explain.region, 0, 0},
        {"--service", "NAME", "for this service (default chat)", OPTION_TEXT, &explain.service, 0,
         0},
        {"--prompt", "TEXT", "with this message", OPTION_TEXT, &explain.prompt, 0, 0},
        {"--body", "FILE", "or with this request body", OPTION_TEXT, &explain.body_file, 0, 0},
        {"--path", "PATH", "of the API (default /v1/chat/completions)", OPTION_TEXT, &explain.path,
         0, 0},
        {"--zone", "NAME", "may be computed here only; may be given again", OPTION_LIST,
         &explain.zones, 0, 0},
        {"--json", NULL, "the decision as JSON", OPTION_FLAG, &explain.is_json, 0, 0},
        {"--state", "DIR", "state folder of the running world", OPTION_TEXT, &explain.state, 0, 0},
    };
    const struct option_usage usage = {
        "farspan explain [FILE] [--region NAME] [--service NAME] [--prompt TEXT] [--json]",
        "Where would this request go, and why: every candidate with what barred it or what it\n"
        "would cost, in time. Asks the running world; with a FILE, a world of that file in which\n"
        "every replica is ready and idle. Sends no request. Exit 3: it would be refused.",
        "farspan explain --service chat --prompt 'It is a truth universally acknowledged'",
        rows,
        COUNT_OF(rows),
        0,
        1};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;
    explain.file = rest ? argv[0] : NULL;
    size_t size = FLEET_ARENA_SIZE + REQUEST_MAX + ANSWER_MAX;
    char *memory = os_alloc(size);
    if (!memory) {
        complain(err_text(ERR_MEMORY), "");
        return 1;
    }
    arena_init(&explain.arena, memory, size);
    status = run(&explain);
    os_free(memory);
    return status;
}
