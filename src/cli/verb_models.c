/* verb_models.c: `farspan models`: what a world serves, from which files, how good, whence. */
#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/crypto.h"
#include "cli/load.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "cli/world_client.h"
#include "learn/model_file.h"
#include "os/file.h"
#include "os/memory.h"

enum { FLEET_BYTES = 8 << 20, FILE_BYTES_MAX = 512 << 20, JSON_BYTES = 256 << 10 };

/* What is known of one model without starting an engine. */
struct about {
    bool is_there, is_native;
    uint64_t size;
    char sha256[65];
    struct learn_model native;
};

static bool is_model_of_ours(struct span content)
{
    return span_starts_with(content, "farspan-model ");
}

/* <arena> is emptied by the caller between two models. */
static void look_at(const struct fleet_model *model, struct arena *arena, struct about *about)
{
    char path[1024];
    struct text name;
    struct span content;
    *about = (struct about){0};
    text_init(&name, path, sizeof path);
    text_add_span(&name, model->file);
    if (name.is_cut || os_file_read(path, FILE_BYTES_MAX, arena, &content, NULL))
        return;
    uint8_t digest[CRYPTO_SHA256_SIZE];
    crypto_sha256(content, digest);
    crypto_hex(digest, sizeof digest, about->sha256);
    about->is_there = true;
    about->size = content.n;
    about->is_native = is_model_of_ours(content) &&
                       learn_model_read(content, arena, &about->native, NULL) == ERR_OK;
}

static bool is_used_by(const struct fleet *fleet, uint16_t service, uint16_t model)
{
    return fleet->services[service].model == model;
}

static void print_row(const struct fleet *fleet, uint16_t index, const struct about *about)
{
    const struct fleet_model *model = &fleet->models[index];
    char size[32] = "missing";
    struct text text;
    text_init(&text, size, sizeof size);
    if (about->is_there)
        text_add_bytes(&text, about->size);
    else
        text_add(&text, "missing");
    printf("%-12.*s %-9s %9s  %-12.12s ", SPAN_ARG(model->name),
           about->is_native ? learn_kind_name(about->native.kind) : "gguf", size,
           about->is_there ? about->sha256 : "-");
    for (uint16_t i = 0; i < fleet->service_count; i++)
        if (is_used_by(fleet, i, index))
            printf(" %.*s", SPAN_ARG(fleet->services[i].name));
    for (uint32_t i = 0; about->is_native && i < about->native.lineage.metric_count; i++)
        printf("%s%s %.4g", i ? ", " : "   ", about->native.lineage.metrics[i].name,
               about->native.lineage.metrics[i].value);
    printf("\n");
}

static void add_lineage(const struct learn_model *model, struct text *json)
{
    const struct learn_lineage *lineage = &model->lineage;
    text_json_key(json, "kind");
    text_json_str(json, learn_kind_name(model->kind));
    text_json_key(json, "data_sha256");
    text_json_str(json, lineage->data_sha256);
    text_json_key(json, "seed");
    text_json_u64(json, lineage->seed);
    text_json_key(json, "train_rows");
    text_json_u64(json, lineage->train_rows);
    text_json_key(json, "test_rows");
    text_json_u64(json, lineage->test_rows);
    text_json_key(json, "metrics");
    text_json_object(json);
    for (uint32_t i = 0; i < lineage->metric_count; i++) {
        text_json_key(json, lineage->metrics[i].name);
        text_json_double(json, lineage->metrics[i].value);
    }
    text_json_end(json);
}

static void add_row(const struct fleet *fleet, uint16_t index, const struct about *about,
                    struct text *json)
{
    const struct fleet_model *model = &fleet->models[index];
    text_json_object(json);
    text_json_key(json, "model");
    text_json_span(json, model->name);
    text_json_key(json, "file");
    text_json_span(json, model->file);
    text_json_key(json, "is_there");
    text_json_bool(json, about->is_there);
    text_json_key(json, "bytes");
    text_json_u64(json, about->size);
    text_json_key(json, "sha256");
    text_json_str(json, about->is_there ? about->sha256 : NULL);
    text_json_key(json, "services");
    text_json_array(json);
    for (uint16_t i = 0; i < fleet->service_count; i++)
        if (is_used_by(fleet, i, index))
            text_json_span(json, fleet->services[i].name);
    text_json_end(json);
    if (about->is_native)
        add_lineage(&about->native, json);
    text_json_end(json);
}

static int list(const struct fleet *fleet, bool is_json)
{
    static char buffer[JSON_BYTES];
    static struct about about;
    struct text json;
    struct arena arena;
    size_t size = (size_t)FILE_BYTES_MAX + (64 << 20); /* pages are taken when they are touched */
    void *memory = os_alloc(size);
    if (!memory) {
        fprintf(stderr, "farspan models: the system gave no memory\n");
        return 1;
    }
    text_init(&json, buffer, sizeof buffer);
    text_json_array(&json);
    if (!is_json)
        printf("%-12s %-9s %9s  %-12s  %s\n", "model", "kind", "size", "sha256", "services");
    for (uint16_t i = 0; i < fleet->model_count; i++) {
        arena_init(&arena, memory, size);
        look_at(&fleet->models[i], &arena, &about);
        if (is_json)
            add_row(fleet, i, &about, &json);
        else
            print_row(fleet, i, &about);
    }
    text_json_end(&json);
    if (is_json)
        puts(buffer);
    os_free(memory);
    return 0;
}

static int list_running(const char *state, bool is_json)
{
    static struct world_client client;
    if (!world_client_open(state, &client))
        return 1;
    int status = list(client.fleet, is_json);
    world_client_close(&client);
    return status;
}

static int list_file(const char *file, bool is_json)
{
    char path[STATE_PATH_MAX];
    const struct fleet *fleet;
    struct arena arena;
    if (!file && !world_client_data("examples/three-continents.yaml", path))
        return 1;
    void *memory = os_alloc(FLEET_BYTES);
    if (!memory) {
        fprintf(stderr, "farspan: %s\n", err_text(ERR_MEMORY));
        return 1;
    }
    arena_init(&arena, memory, FLEET_BYTES);
    int status = 1;
    if (load_fleet(file ? file : path, NULL, &arena, &fleet))
        status = list(fleet, is_json);
    os_free(memory);
    return status;
}

int verb_models(int argc, char **argv)
{
    const char *file = NULL, *state = NULL;
    bool is_json = false;
    const struct option_row rows[] = {
        {"-f|--file", "FILE", "of this farspan.yaml; default: the shipped example", OPTION_TEXT,
         &file, 0, 0},
        {"--state", "DIR", "of the world that runs with this state folder", OPTION_TEXT, &state, 0,
         0},
        {"--json", NULL, "one JSON array", OPTION_FLAG, &is_json, 0, 0},
    };
    const struct option_usage usage = {
        "farspan models [-f FILE | --state DIR] [--json]",
        "The models of a world: kind, size, sha256, the services that use them, and for fitted\n"
        "models what they were fitted on and how good they were on rows they had not seen.",
        "farspan models -f examples/three-continents.yaml",
        rows,
        COUNT_OF(rows),
        0,
        0};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;
    return state ? list_running(state, is_json) : list_file(file, is_json);
}
