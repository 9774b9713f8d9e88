/* sheet_fuzz.c: any bytes as a plan file. Refused with a reason, or read; what was read prints and
 * reads back as the same, and renders: YAML that libyaml reads, JSON that jansson reads. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <yaml.h>

#include "base/check.h"
#include "deploy/render.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES = 32 << 20, TEXT_BYTES = 16 << 20, ROWS_MAX = 64 };

static char memory[ARENA_BYTES], output[TEXT_BYTES], printed[TEXT_BYTES];

/* A fleet that has what the plan names, so that names of every kind reach the writers. */
static void fill_fleet(const struct plan_sheet *sheet, struct fleet_service *services,
                       struct fleet *ret_fleet)
{
    *ret_fleet = (struct fleet){.name = sheet->world, .epoch = 1, .services = services};
    for (uint32_t i = 0; i < sheet->replica_count; i++) {
        if (fleet_find_service(ret_fleet, sheet->replicas[i].service) != FLEET_NONE)
            continue;
        services[ret_fleet->service_count++] =
            (struct fleet_service){.name = sheet->replicas[i].service,
                                   .engine = FLEET_ENGINE_ECHO,
                                   .model = FLEET_NONE,
                                   .residency = UINT32_MAX,
                                   .timeout_us = 1000000};
    }
}

static void check_yaml(struct span content)
{
    yaml_parser_t parser;
    yaml_event_t event;
    bool is_over = false;
    CHECK(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (const unsigned char *)content.p, content.n);
    while (!is_over) {
        CHECK(yaml_parser_parse(&parser, &event));
        is_over = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
}

static void check_json(struct span content)
{
    json_t *json = json_loadb(content.p, content.n, JSON_REJECT_DUPLICATES, NULL);
    CHECK(json);
    json_decref(json);
}

static void check_targets(const struct render_world *world, struct arena *arena, struct text *why)
{
    struct render_files files;
    struct text text;
    text_init(&text, output, sizeof output);
    CHECK(render_files_init(&files, &text, ROWS_MAX * 12, arena) == ERR_OK);
    if (render_kubernetes(world, arena, &files, why) == ERR_OK) {
        for (uint32_t i = 0; i < files.count; i++)
            check_yaml(render_file_content(&files, i));
    }
    text_truncate(&text, 0);
    files.count = 0;
    if (render_terraform(world, arena, &files, why) == ERR_OK) {
        for (uint32_t i = 0; i < files.count; i++)
            check_json(render_file_content(&files, i));
    }
    text_truncate(&text, 0);
    files.count = 0;
    enum err err = render_systemd(world, arena, &files, why);
    CHECK(err == ERR_OK || err == ERR_NOT_FOUND || err == ERR_VALUE);
}

static void check_render(const struct plan_sheet *sheet, struct arena *arena, struct text *why)
{
    static struct fleet_service services[LIMIT_SERVICES];
    struct fleet fleet;
    struct render_world *world;
    if (sheet->replica_count > ROWS_MAX)
        return;
    fill_fleet(sheet, services, &fleet);
    struct render_request request = {.sheet = sheet,
                                     .fleet = &fleet,
                                     .image = SPAN_LITERAL("farspan:1"),
                                     .version = SPAN_LITERAL("1"),
                                     .space = SPAN_LITERAL("farspan"),
                                     .claim = SPAN_LITERAL("models"),
                                     .gateway_count = 1};
    if (render_world_make(&request, arena, &world, why) == ERR_OK)
        check_targets(world, arena, why);
    else
        CHECK(why->n > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char reason[1024];
    struct arena arena;
    struct text why, text;
    struct plan_sheet *sheet, *again;
    arena_init(&arena, memory, sizeof memory);
    text_init(&why, reason, sizeof reason);
    enum err err = plan_sheet_read_io(span_from((const char *)data, size), &arena, &sheet, &why);
    CHECK(err == ERR_OK || err == ERR_MEMORY || (err == ERR_VALUE && why.n > 0));
    if (err)
        return 0;
    text_init(&text, printed, sizeof printed);
    plan_sheet_print(sheet, &text);
    CHECK(!text.is_cut);
    err = plan_sheet_read_io(text_span(&text), &arena, &again, &why);
    CHECK(err == ERR_OK || err == ERR_MEMORY);
    CHECK(err ||
          (again->replica_count == sheet->replica_count && again->step_count == sheet->step_count &&
           again->base_epoch == sheet->base_epoch));
    check_render(sheet, &arena, &why);
    return 0;
}
