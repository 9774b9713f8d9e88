#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/check.h"
#include "cli/decision.h"
#include "cli/load.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "cli/world_client.h"
#include "fleet/layout.h"
#include "fleet/load_io.h"
#include "gateway/offline_io.h"
#include "os/file.h"
#include "os/memory.h"

enum { REQUEST_MAX = 256 * 1024, ANSWER_MAX = 256 * 1024, NAME_WIDTH_MAX = 44 };

struct explain {
    const char *file, *state, *region_name, *service, *prompt, *body_file, *path;
    struct option_list zones;
    /* what they mean in the world that is asked */
    struct span service_name;
    uint16_t region;
    char infer_path[LIMIT_API_NAME + 32];
    bool is_json;
    struct arena arena;
};

static bool complain(const char *what, const char *detail)
{
    fprintf(stderr, "farspan explain: %s%s%s\n", what, detail[0] ? ": " : "", detail);
    return false;
}

/* ---- the question ------------------------------------------------------------------------- */

static bool add_body_file(struct explain *explain, struct text *text)
{
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

/* The smallest request of the API that <path> belongs to. */
static void add_body(const struct explain *explain, struct text *text)
{
    struct span path = span_of(explain->path);
    text_json_object(text);
    if (span_starts_with(path, "/v2/")) {
        text_json_key(text, "inputs");
        text_json_array(text);
        text_json_end(text);
        text_json_end(text);
        return;
    }
    text_json_key(text, "model");
    text_json_span(text, explain->service_name);
    if (span_is(path, "/v1/embeddings") || span_is(path, "/v1/completions")) {
        text_json_key(text, span_is(path, "/v1/completions") ? "prompt" : "input");
        text_json_str(text, explain->prompt);
    } else {
        text_json_key(text, "messages");
        text_json_array(text);
        text_json_object(text);
        text_json_key(text, "role");
        text_json_str(text, "user");
        text_json_key(text, "content");
        text_json_str(text, explain->prompt);
        text_json_end(text);
        text_json_end(text);
    }
    text_json_end(text);
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
    if (!explain->body_file)
        add_body(explain, text);
    else if (!add_body_file(explain, text))
        return false;
    text_json_end(text);
    return !text->is_cut || complain("the body is longer than 128 KiB", "");
}

/* Names become what they mean in <fleet>; what is not there is said with what is. */
static bool resolve(struct explain *explain, const struct fleet *fleet)
{
    static const char *const paths[] = {
        [FLEET_GENERATION] = "/v1/chat/completions", [FLEET_EMBEDDINGS] = "/v1/embeddings"};
    uint16_t service = load_find_service(fleet, explain->service, FLEET_GENERATION);
    if (service == FLEET_NONE)
        return false;
    for (size_t i = 0; i < explain->zones.count; i++)
        if (load_find_zone(fleet, explain->zones.item[i]) == FLEET_NONE)
            return false;
    explain->region = explain->region_name ? load_find_region(fleet, explain->region_name) : 0;
    explain->service_name = fleet->services[service].name;
    enum fleet_kind kind = fleet->services[service].kind;
    if (!explain->path && kind < COUNT_OF(paths)) {
        explain->path = paths[kind];
    } else if (!explain->path) {
        snprintf(explain->infer_path, sizeof explain->infer_path, "/v2/models/%.*s/infer",
                 SPAN_ARG(explain->service_name));
        explain->path = explain->infer_path;
    }
    return explain->region != FLEET_NONE;
}

/* ---- the answer --------------------------------------------------------------------------- */

static bool ask_gateway(struct explain *explain, struct world_client *client, struct text *question,
                        struct text *answer, unsigned *ret_status)
{
    char message[256];
    struct text why;
    struct span body;
    text_init(&why, message, sizeof message);
    if (!resolve(explain, client->fleet) || !write_question(explain, question))
        return false;
    uint16_t port = fleet_port_gateway(client->fleet, client->port_base, explain->region);
    *ret_status = world_client_ask(client, port, "POST", "/peer/v1/explain", "Peer",
                                   text_span(question), &body, &why);
    if (*ret_status == 0)
        return complain("the gateway does not answer", message);
    text_add_span(answer, body);
    return true;
}

static bool ask_world(struct explain *explain, struct text *question, struct text *answer,
                      unsigned *ret_status)
{
    struct world_client client;
    if (!world_client_open(explain->state, &client))
        return false;
    bool is_good = ask_gateway(explain, &client, question, answer, ret_status);
    world_client_close(&client);
    return is_good;
}

static bool ask_file(struct explain *explain, struct text *question, struct text *answer,
                     unsigned *ret_status)
{
    const struct fleet *fleet;
    if (!load_fleet(explain->file, NULL, &explain->arena, &fleet) || !resolve(explain, fleet) ||
        !write_question(explain, question))
        return false;
    if (gateway_explain_offline(fleet, explain->region, text_span(question), answer, ret_status) ==
        ERR_OK)
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

static const struct {
    const char *name;
    bool is_optional; /* left out where it is nought for every target */
} terms[] = {{"network", false}, {"prefill", false}, {"queue", false}, {"decode", false},
             {"price", true},    {"penalty", true},  {"total", false}};

struct columns {
    size_t name_width;
    bool is_shown[COUNT_OF(terms)];
};

static struct columns plan_columns(const json_t *rows)
{
    struct columns columns = {.name_width = sizeof "target" - 1};
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        size_t n = strlen(string_of(row, "target"));
        columns.name_width = n > columns.name_width ? n : columns.name_width;
        for (size_t t = 0; t < COUNT_OF(terms); t++)
            columns.is_shown[t] |= !terms[t].is_optional || term(row, terms[t].name) != 0;
    }
    if (columns.name_width > NAME_WIDTH_MAX)
        columns.name_width = NAME_WIDTH_MAX;
    return columns;
}

static void print_titles(const struct columns *columns)
{
    printf("  %-*s", (int)columns->name_width, "target");
    for (size_t t = 0; t < COUNT_OF(terms); t++)
        if (columns->is_shown[t])
            printf(" %8s", terms[t].name);
    printf(" %5s\n", "hit");
}

static void print_row(const json_t *row, const struct columns *columns)
{
    const char *bar = string_of(row, "bar");
    bool is_chosen = json_is_true(json_object_get(row, "chosen"));
    printf("%c %-*s", is_chosen ? '>' : ' ', (int)columns->name_width,
           tail_of(string_of(row, "target"), columns->name_width));
    if (bar[0]) {
        printf("  %s\n", bar);
        return;
    }
    for (size_t t = 0; t < COUNT_OF(terms); t++)
        if (columns->is_shown[t])
            print_cell_us(term(row, terms[t].name));
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
    struct columns columns = plan_columns(rows);
    print_titles(&columns);
    for (size_t i = 0; i < json_array_size(rows); i++)
        print_row(json_array_get(rows, i), &columns);
    char note[128];
    struct text text;
    text_init(&text, note, sizeof note);
    decision_note(root, &text);
    fputs(note, stdout);
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
    bool is_good = explain->file ? ask_file(explain, &question, &answer, &status)
                                 : ask_world(explain, &question, &answer, &status);
    if (!is_good)
        return 1;
    if (!explain->is_json)
        return print_table(answer_buffer, status);
    puts(answer_buffer);
    return status == 200 ? 0 : 3;
}

int verb_explain(int argc, char **argv)
{
    struct explain explain = {.prompt = "Hello."};
    const struct option_row rows[] = {
        {"--region", "NAME", "asked in this region (default: the first)", OPTION_TEXT,
         &explain.region_name, 0, 0},
        {"--service", "NAME", "for this service (default: the first that generates)", OPTION_TEXT,
         &explain.service, 0, 0},
        {"--prompt", "TEXT", "with this message", OPTION_TEXT, &explain.prompt, 0, 0},
        {"--body", "FILE", "or with this request body", OPTION_TEXT, &explain.body_file, 0, 0},
        {"--path", "PATH", "of the API (default: what the kind of the service has)", OPTION_TEXT,
         &explain.path, 0, 0},
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
