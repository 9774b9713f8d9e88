/* verb_profile.c: `farspan profile`: measures a running server and writes what the planner reads of
 * it. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/check.h"
#include "base/crypto.h"
#include "catalog/row.h"
#include "cli/catalog_view.h"
#include "cli/options.h"
#include "cli/profile_report.h"
#include "cli/screen.h"
#include "cli/verbs.h"
#include "http/client_io.h"
#include "os/file.h"
#include "os/memory.h"

enum { ARENA = 8 << 20, LIST_TIMEOUT_US = 5000 * 1000, NAMES_SHOWN = 8, MODEL_MAX = 256 };

struct command {
    const char *model, *name, *sku, *accelerator, *catalog, *batches, *prompts, *out, *key_file,
        *ca_file;
    int64_t tensor_parallel, answer, limit_us;
    bool is_json, is_completions, is_without_watts;
    struct arena arena;
    struct profile_wish wish;
    struct profile_about about;
    struct screen screen;
};

static int complain(const char *what, const char *detail)
{
    fprintf(stderr, "farspan profile: %s%s%s\n", what, detail[0] ? ": " : "", detail);
    return 1;
}

/* --- the command line --- */

/* "1,2,4" as ascending numbers, each once. False: malformed, too many, out of range. */
static bool parse_list(const char *list, uint64_t max, uint32_t ret_numbers[PROFILE_SIZES_MAX],
                       uint32_t *ret_count)
{
    struct span rest = span_of(list);
    uint32_t numbers[PROFILE_SIZES_MAX], count = 0;
    do {
        uint64_t number;
        if (!span_to_u64(span_trim(span_cut(&rest, ',')), &number) || number < 1 || number > max)
            return false;
        uint32_t at = 0;
        while (at < count && numbers[at] < number)
            at++;
        if (at < count && numbers[at] == number)
            continue;
        if (count == PROFILE_SIZES_MAX)
            return false;
        memmove(&numbers[at + 1], &numbers[at], (count - at) * sizeof numbers[0]);
        numbers[at] = (uint32_t)number;
        count++;
    } while (rest.n > 0);
    memcpy(ret_numbers, numbers, count * sizeof numbers[0]);
    *ret_count = count;
    return true;
}

static int refuse_options(const struct option_usage *usage, struct command *command,
                          const char *url)
{
    struct profile_wish *wish = &command->wish;
    bool is_url =
        span_starts_with(span_of(url), "http://") || span_starts_with(span_of(url), "https://");
    if (!is_url || strlen(url) > LIMIT_URL)
        return options_refuse(usage, "expected http://HOST:PORT or https://HOST, found %s", url);
    if (!parse_list(command->batches, PROFILE_BATCH_MAX, wish->batches, &wish->batch_count))
        return options_refuse(usage, "--batches: expected up to %d numbers from 1 to %d, found %s",
                              PROFILE_SIZES_MAX, PROFILE_BATCH_MAX, command->batches);
    if (!parse_list(command->prompts, PROFILE_PROMPT_MAX, wish->prompts, &wish->prompt_count))
        return options_refuse(usage, "--prompts: expected up to %d numbers from 1 to %d, found %s",
                              PROFILE_SIZES_MAX, PROFILE_PROMPT_MAX, command->prompts);
    if (command->model && (!command->model[0] || strlen(command->model) > MODEL_MAX))
        return options_refuse(usage, "--model: expected a name of at most %d bytes", MODEL_MAX);
    if (command->sku && command->accelerator)
        return options_refuse(usage, "--sku and --accelerator: expected one of them, found both");
    if (command->out && !command->sku && !command->accelerator)
        return options_refuse(usage, "--out: profiles are of an accelerator: name the machine with "
                                     "--sku, or --accelerator NAME");
    if (command->accelerator && !catalog_name_is_valid(span_of(command->accelerator)))
        return options_refuse(usage,
                              "--accelerator: expected a name without space, comma or quote"
                              ", found %s",
                              command->accelerator);
    if (command->name && !catalog_name_is_valid(span_of(command->name)))
        return options_refuse(usage,
                              "--name: expected a name without space, comma or quote, found "
                              "%s",
                              command->name);
    if (command->limit_us < 1000 * 1000 || command->limit_us > 24 * 3600 * INT64_C(1000000))
        return options_refuse(usage, "--limit: expected 1s to 24h");
    return OPTIONS_RUN;
}

/* The base path of a url, without /v1. */
static struct span path_of(struct span url)
{
    CHECK(url.p);
    const char *host = memchr(url.p, ':', url.n);
    CHECK(host);
    struct span rest = span_from(host + 3, url.n - (size_t)(host + 3 - url.p));
    const char *slash = memchr(rest.p, '/', rest.n);
    struct span path = slash ? span_from(slash, rest.n - (size_t)(slash - rest.p)) : span_of("");
    while (path.n && path.p[path.n - 1] == '/')
        path.n--;
    if (path.n >= 3 && memcmp(path.p + path.n - 3, "/v1", 3) == 0)
        path.n -= 3;
    return path;
}

static bool is_here(struct span url)
{
    static const char *const names[] = {"http://127.",  "http://localhost",  "http://[::1]",
                                        "https://127.", "https://localhost", "https://[::1]"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (span_starts_with(url, names[i]))
            return true;
    return false;
}

static bool take_key(struct command *command)
{
    char message[256];
    struct text why;
    struct span content;
    text_init(&why, message, sizeof message);
    if (!command->key_file)
        return true;
    if (os_file_read(command->key_file, PROFILE_KEY_MAX, &command->arena, &content, &why))
        return complain("the key cannot be read", message) == 0;
    struct span key = span_trim(span_cut(&content, '\n'));
    for (size_t i = 0; i < key.n; i++)
        if (key.p[i] <= ' ' || key.p[i] > '~')
            return complain(command->key_file, "expected a key of visible characters") == 0;
    command->wish.server.key = key;
    return key.n > 0 || complain(command->key_file, "expected a key, found nothing") == 0;
}

/* --- the machine --- */

/* What --sku stands for. */
static bool take_sku(struct command *command)
{
    static struct catalog_view view;
    view.folder = command->catalog;
    if (!catalog_view_open(&view))
        return false;
    uint16_t at = catalog_view_find_sku(&view, command->sku);
    bool is_found = at != CATALOG_NONE;
    if (is_found) {
        const struct catalog_sku *sku = &view.catalog->skus[at];
        command->about.accelerator = arena_copy(&command->arena, sku->accelerator);
        if (command->tensor_parallel == 0)
            command->tensor_parallel = sku->accelerator_count;
        if (sku->accelerator_count == 0)
            is_found =
                complain(command->sku, "it has no accelerator, and profiles are of one: give "
                                       "machines of your own a name for it in skus.csv") == 0;
        else if (command->tensor_parallel > sku->accelerator_count)
            is_found =
                complain(command->sku, "it has fewer accelerators than --tensor-parallel") == 0;
    }
    return catalog_view_close(&view, 0) == 0 && is_found;
}

static bool take_machine(struct command *command)
{
    if (command->sku && !take_sku(command))
        return false;
    if (command->accelerator)
        command->about.accelerator = span_of(command->accelerator);
    if (command->tensor_parallel == 0)
        command->tensor_parallel = 1;
    command->about.tensor_parallel = (uint32_t)command->tensor_parallel;
    command->about.sku = command->sku;
    command->wish.accelerator_count = (uint32_t)command->tensor_parallel;
    return true;
}

/* --- the model --- */

/* One that a terminal can show. */
static bool is_shown(const char *id)
{
    for (const char *c = id; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return false;
    return id[0] && strlen(id) <= MODEL_MAX;
}

/* The only one that the server lists. */
static bool choose_model(struct command *command, struct span body)
{
    json_t *root = json_loadb(body.p, body.n, 0, NULL);
    const json_t *rows = json_object_get(root, "data");
    size_t count = json_array_size(rows);
    const char *only = json_string_value(json_object_get(json_array_get(rows, 0), "id"));
    if (count == 1 && only && is_shown(only))
        command->model = arena_copy(&command->arena, span_of(only)).p;
    else if (count > 1)
        fprintf(stderr,
                "farspan profile: the server has %zu models: choose one with --model NAME\n",
                count);
    else
        complain("the server lists no model: name it with --model NAME", "");
    for (size_t i = 0; count > 1 && i < count && i < NAMES_SHOWN; i++) {
        const char *id = json_string_value(json_object_get(json_array_get(rows, i), "id"));
        fprintf(stderr, "  %.90s\n", id && is_shown(id) ? id : "?");
    }
    json_decref(root);
    return command->model != NULL;
}

static bool find_model(struct command *command)
{
    const struct profile_server *server = &command->wish.server;
    char head[PROFILE_KEY_MAX + LIMIT_URL + 128], message[256];
    struct text text, why;
    unsigned status;
    struct span body;
    if (command->model)
        return true;
    text_init(&text, head, sizeof head);
    text_init(&why, message, sizeof message);
    text_add(&text, "GET %.*s/v1/models HTTP/1.1\r\n", SPAN_ARG(server->path));
    if (server->key.n > 0)
        text_add(&text, "authorization: Bearer %.*s\r\n", SPAN_ARG(server->key));
    enum err err =
        http_fetch(span_of(server->url), server->ca_file, text_span(&text), (struct span){0, 0},
                   LIST_TIMEOUT_US, &command->arena, &status, &body, &why);
    crypto_wipe(head, sizeof head);
    if (err)
        return complain(why.n ? message : err_text(err), "") == 0;
    if (status == 401 || status == 403)
        return complain(server->key.n ? "the server does not take the key"
                                      : "the server wants a key: give it with --key-file FILE",
                        "") == 0;
    if (status != 200)
        return complain("the server has no list of models at /v1/models: is it one of the OpenAI "
                        "API? Then name its model with --model NAME",
                        "") == 0;
    return choose_model(command, body);
}

/* --- while it runs, and after --- */

static void show_progress(void *user, const struct profile_progress *progress)
{
    struct command *command = user;
    char buffer[256];
    struct text line;
    text_init(&line, buffer, sizeof buffer);
    if (progress->cell)
        text_add(&line, "prompts of %u tokens, %u at once, round %u (%u of %u), ",
                 progress->cell->prompt_wanted, progress->cell->batch,
                 progress->cell->round_count + 1, progress->cell_number, progress->cell_count);
    else
        text_add(&line, "warming up, ");
    text_add_duration_us(&line, progress->elapsed_us / 1000000 * 1000000);
    text_add(&line, " of at most ");
    text_add_duration_us(&line, progress->limit_us);
    text_add_c(&line, '\n');
    screen_draw(&command->screen, text_span(&line));
}

static int print(const struct text *out)
{
    if (fwrite(out->p, 1, out->n, stdout) == out->n && fflush(stdout) == 0)
        return 0;
    perror("farspan: standard output");
    return 1;
}

static int report(struct command *command, const struct profile *profile)
{
    static struct profile_report report;
    char message[512];
    struct text why, out;
    char *buffer OS_FREED = os_alloc(PROFILE_REPORT_SIZE);
    if (!buffer)
        return complain(err_text(ERR_MEMORY), "");
    text_init(&why, message, sizeof message);
    text_init(&out, buffer, PROFILE_REPORT_SIZE);
    profile_report_make(&report, &command->about, profile);
    bool has_rows = report.row_count > 0;
    if (command->out && has_rows) {
        profile_report_csv(&report, &out);
        CHECK(!out.is_cut);
        if (os_file_write(command->out, text_span(&out), 0644, &why))
            return complain(message, "");
        command->about.out = command->out;
        text_truncate(&out, 0);
    }
    if (command->is_json)
        profile_report_json(&report, &out);
    else if (!profile_report_table(&report, &command->arena, &out))
        return complain(err_text(ERR_MEMORY), "");
    if (command->about.out && !command->is_json)
        text_add(&out,
                 "written %s: %u row%s; into a catalogue of your own:\n"
                 "  farspan catalog import %s --as profiles --into DIR\n",
                 command->out, PLURAL(report.row_count), command->out);
    CHECK(!out.is_cut);
    int status = print(&out);
    return has_rows ? status : complain("nothing could be measured", "");
}

static int run(struct command *command)
{
    char message[1024];
    struct text why;
    struct profile profile;
    text_init(&why, message, sizeof message);
    bool shows_progress = !command->is_json && isatty(STDOUT_FILENO) == 1;
    enum err err =
        profile_run(&command->wish, shows_progress ? show_progress : NULL, command, &profile, &why);
    if (shows_progress)
        screen_erase(&command->screen);
    if (err)
        return complain(why.n ? message : err_text(err), "");
    int status = report(command, &profile);
    profile_free(&profile);
    return status;
}

static int prepare_and_run(struct command *command, const char *url)
{
    void *memory OS_FREED = os_alloc(ARENA);
    if (!memory)
        return complain(err_text(ERR_MEMORY), "");
    arena_init(&command->arena, memory, ARENA);
    command->wish.server.url = command->about.url = url;
    command->wish.server.path = path_of(span_of(url));
    command->wish.server.ca_file = command->ca_file;
    command->wish.server.is_completions = command->is_completions;
    command->wish.answer_tokens = command->about.answer_tokens = (uint32_t)command->answer;
    command->wish.limit_us = command->limit_us;
    if (command->is_without_watts)
        command->wish.no_watts = "--no-watts";
    else if (!is_here(span_of(url)))
        command->wish.no_watts = "the server is on another machine";
    char message[512];
    struct text why;
    text_init(&why, message, sizeof message);
    if (command->out && os_file_may_write(command->out, &why))
        return complain(message, "");
    if (!take_key(command) || !take_machine(command) || !find_model(command))
        return 1;
    command->wish.server.model = command->about.model = command->model;
    command->about.name = command->name ? command->name : command->model;
    command->about.date = catalog_today();
    if (command->out && !catalog_name_is_valid(span_of(command->about.name)))
        return complain("the catalogue cannot hold the server's name of the model: give another "
                        "with --name",
                        command->about.name);
    return run(command);
}

int verb_profile(int argc, char **argv)
{
    static struct command command;
    command = (struct command){.batches = "1,2,4,8",
                               .prompts = "128,512,2048",
                               .answer = 64,
                               .limit_us = 300 * INT64_C(1000000)};
    const struct option_row rows[] = {
        {"--model", "NAME", "what to ask for (the only one that the server lists)", OPTION_TEXT,
         &command.model, 0, 0},
        {"--sku", "NAME", "the machine it runs on, of the catalogue", OPTION_TEXT, &command.sku, 0,
         0},
        {"--accelerator", "NAME", "the accelerator, where no sku of the catalogue fits",
         OPTION_TEXT, &command.accelerator, 0, 0},
        {"--tensor-parallel", "N", "accelerators that compute together (all of the sku; else 1)",
         OPTION_NUMBER, &command.tensor_parallel, 1, 16},
        {"--name", "NAME", "the model's name in the catalogue (that of --model)", OPTION_TEXT,
         &command.name, 0, 0},
        {"--batches", "LIST", "requests at once (1,2,4,8)", OPTION_TEXT, &command.batches, 0, 0},
        {"--prompts", "LIST", "tokens of a prompt (128,512,2048)", OPTION_TEXT, &command.prompts, 0,
         0},
        {"--answer", "N", "tokens of an answer (64)", OPTION_NUMBER, &command.answer,
         2 * PROFILE_TOKENS_MIN, PROFILE_ANSWER_MAX},
        {"--limit", "TIME", "for all of it (5min)", OPTION_TIME, &command.limit_us, 0, 0},
        {"--out", "FILE", "write the rows for the catalogue there (CSV)", OPTION_TEXT, &command.out,
         0, 0},
        {"--json", NULL, "one JSON object with every figure", OPTION_FLAG, &command.is_json, 0, 0},
        {"--key-file", "FILE", "the key that the server wants", OPTION_TEXT, &command.key_file, 0,
         0},
        {"--ca-file", "FILE", "trust these roots for https", OPTION_TEXT, &command.ca_file, 0, 0},
        {"--completions", NULL, "ask /v1/completions: the model has no chat template", OPTION_FLAG,
         &command.is_completions, 0, 0},
        {"--no-watts", NULL, "do not ask this machine what it draws", OPTION_FLAG,
         &command.is_without_watts, 0, 0},
        {"--catalog", "DIR", "where --sku is looked up (the shipped catalogue)", OPTION_TEXT,
         &command.catalog, 0, 0},
    };
    const struct option_usage usage = {
        "farspan profile URL [--sku NAME] [--out profile.csv] [--json]",
        "Measures a running server of the OpenAI API (farspan, llama-server, vLLM, SGLang): time "
        "to\n"
        "the first token, prefill and decode speed against prompt size and requests at once, and\n"
        "watts where this machine says them. What it writes, `farspan catalog import` takes and\n"
        "`farspan plan` reads. The server should have nothing else to do meanwhile.",
        "farspan profile http://127.0.0.1:8000 --sku Standard_NC40ads_H100_v5 --out profile.csv",
        rows,
        COUNT_OF(rows),
        1,
        1};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status == OPTIONS_RUN)
        status = refuse_options(&usage, &command, argv[0]);
    return status == OPTIONS_RUN ? prepare_and_run(&command, argv[0]) : status;
}
