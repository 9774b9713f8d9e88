#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "deploy/render.h"

/* Two zones, a region in each, a service anywhere and one of zone eu only. */
static struct fleet_region regions[] = {
    {.name = SPAN_LITERAL("azure:westeurope"), .provider = SPAN_LITERAL("azure"), .zone = 0},
    {.name = SPAN_LITERAL("aws:us-east-1"), .provider = SPAN_LITERAL("aws"), .zone = 1},
};
static struct fleet_service services[] = {
    {.name = SPAN_LITERAL("chat"),
     .engine = FLEET_ENGINE_ECHO,
     .model = FLEET_NONE,
     .residency = UINT32_MAX,
     .timeout_us = 45000001},
    {.name = SPAN_LITERAL("embed"),
     .engine = FLEET_ENGINE_ECHO,
     .model = FLEET_NONE,
     .residency = 1,
     .timeout_us = 900000000},
    {.name = SPAN_LITERAL("theirs"), .engine = FLEET_ENGINE_REMOTE, .residency = UINT32_MAX},
};
static const struct fleet fleet = {.name = SPAN_LITERAL("w"),
                                   .zones = {SPAN_LITERAL("eu"), SPAN_LITERAL("us")},
                                   .zone_count = 2,
                                   .region_count = COUNT_OF(regions),
                                   .service_count = COUNT_OF(services),
                                   .regions = regions,
                                   .services = services};

static char memory[16 << 20], output[4 << 20], reason[1024];
static struct arena arena;
static struct text why;

static struct plan_sheet_replica row(const char *service, const char *region, const char *sku,
                                     const char *market, uint32_t count)
{
    return (struct plan_sheet_replica){.service = span_of(service),
                                       .region = span_of(region),
                                       .sku = span_of(sku),
                                       .market = span_of(market),
                                       .count = count,
                                       .running = count == 0,
                                       .machines = 1,
                                       .usd_h = 1};
}

static struct plan_sheet sheet_of(struct plan_sheet_replica *rows, uint32_t count)
{
    return (struct plan_sheet){.status = SPAN_LITERAL("feasible"),
                               .world = SPAN_LITERAL("w"),
                               .base_epoch = 7,
                               .replicas = rows,
                               .replica_count = count};
}

static const struct render_world *make(const struct plan_sheet *sheet, enum err expected)
{
    static struct render_request request;
    struct render_world *world = NULL;
    request = (struct render_request){.sheet = sheet,
                                      .fleet = &fleet,
                                      .image = SPAN_LITERAL("i"),
                                      .version = SPAN_LITERAL("1"),
                                      .space = SPAN_LITERAL("s"),
                                      .claim = SPAN_LITERAL("c"),
                                      .gateway_count = 2};
    arena_init(&arena, memory, sizeof memory);
    text_init(&why, reason, sizeof reason);
    assert_int_equal(render_world_make(&request, &arena, &world, &why), expected);
    assert_int_equal(world == NULL, expected != ERR_OK);
    return world;
}

static void assert_refused(struct plan_sheet_replica only, const char *expected)
{
    struct plan_sheet sheet = sheet_of(&only, 1);
    make(&sheet, ERR_VALUE);
    if (!strstr(reason, expected))
        fail_msg("expected \"%s\", found \"%s\"", expected, reason);
}

static void labels_are_labels_and_stay_apart(void **state)
{
    (void)state;
    char label[64], cut[12], other[12];
    static const struct {
        const char *from, *to;
    } rows[] = {{"azure:westeurope", "azure-westeurope"},
                {"Standard_NC24ads_A100_v4", "standard-nc24ads-a100-v4"},
                {"--a..b--", "a-b"},
                {"x", "x"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        render_label(span_of(rows[i].from), label, sizeof label);
        assert_string_equal(label, rows[i].to);
    }
    render_label(SPAN_LITERAL("abcdefghijklmn1"), cut, sizeof cut);
    render_label(SPAN_LITERAL("abcdefghijklmn2"), other, sizeof other);
    assert_int_equal(strlen(cut), 11);
    assert_string_not_equal(cut, other);
    render_label(SPAN_LITERAL("..."), label, sizeof label);
    assert_int_equal(label[0], 'x');
    assert_true(render_is_label_value(SPAN_LITERAL("g5.xlarge")));
    assert_false(render_is_label_value(SPAN_LITERAL("g5.")));
    assert_false(render_is_label_value(SPAN_LITERAL("a b")));
    assert_false(render_is_label_value(SPAN_LITERAL("")));
}

static void rows_become_workloads_by_region_and_name(void **state)
{
    (void)state;
    struct plan_sheet_replica rows[] = {
        row("embed", "azure:westeurope", "b", "spot", 1),
        row("chat", "azure:westeurope", "b", "spot", 0),
        row("chat", "azure:westeurope", "a", "spot", 4),
        row("chat", "aws:us-east-1", "g5.xlarge", "on_demand", 2),
        row("chat", "azure:westeurope", "a", "on_demand", 3),
    };
    struct plan_sheet sheet = sheet_of(rows, COUNT_OF(rows));
    const struct render_world *world = make(&sheet, ERR_OK);
    assert_int_equal(world->epoch, 8);
    assert_int_equal(world->region_count, 2);
    assert_string_equal(world->regions[0].label, "aws-us-east-1");
    assert_int_equal(world->regions[1].provider, RENDER_AZURE);
    assert_true(span_is(world->regions[1].zone, "eu"));
    assert_true(span_is(world->regions[1].place, "westeurope"));
    assert_int_equal(world->regions[1].workload_count, 3);
    const struct render_workload *first = &world->workloads[world->regions[1].workload_first];
    assert_string_equal(first[0].name, "chat-a-on-demand");
    assert_string_equal(first[1].name, "chat-a-spot");
    assert_string_equal(first[2].name, "embed-b-spot");
    assert_int_equal(first[1].row->count, 4);
}

static void names_that_would_fall_together_are_kept_apart(void **state)
{
    (void)state;
    struct plan_sheet_replica rows[] = {row("chat", "aws:us-east-1", "m7.x", "spot", 1),
                                        row("chat", "aws:us-east-1", "m7-x", "spot", 1)};
    struct plan_sheet sheet = sheet_of(rows, 2);
    const struct render_world *world = make(&sheet, ERR_OK);
    assert_string_not_equal(world->workloads[0].name, world->workloads[1].name);
    rows[1] = rows[0];
    rows[0].tensor_parallel = 8;
    world = make(&sheet, ERR_OK);
    assert_string_equal(world->workloads[0].name, "chat-m7-x-spot");
    assert_string_equal(world->workloads[1].name, "chat-m7-x-x8-spot");
    rows[0].tensor_parallel = 1;
    world = make(&sheet, ERR_OK);
    assert_string_not_equal(world->workloads[0].name, world->workloads[1].name);
}

static void what_cannot_run_is_refused(void **state)
{
    (void)state;
    struct plan_sheet_replica two = row("chat", "aws:us-east-1", "m", "spot", 1);
    two.machines = 2;
    assert_refused(two, "wants 2 machines");
    assert_refused(row("chatt", "aws:us-east-1", "m", "spot", 1), "did it become chat?");
    assert_refused(row("theirs", "aws:us-east-1", "m", "spot", 1), "engine remote");
    assert_refused(row("embed", "aws:us-east-1", "m", "spot", 1), "may not be computed in");
    assert_refused(row("embed", "gcp:nowhere", "m", "spot", 1), "may not be computed in");
    assert_refused(row("chat", "aws:us-east-1", "m", "spot", 0), "found 0");
}

static void spot_machines_drain_within_their_notice(void **state)
{
    (void)state;
    struct render_region azure = {.provider = RENDER_AZURE}, aws = {.provider = RENDER_AWS},
                         gcp = {.provider = RENDER_GCP};
    struct render_workload chat = {.service = &services[0], .market = RENDER_ON_DEMAND};
    struct render_workload slow = {.service = &services[1], .market = RENDER_ON_DEMAND};
    assert_int_equal(render_drain_s(&azure, &chat), 46);
    assert_int_equal(render_drain_s(&azure, &slow), RENDER_STREAM_S_MAX);
    chat.market = slow.market = RENDER_SPOT;
    assert_int_equal(render_drain_s(&aws, &chat), 46);
    assert_in_range(render_drain_s(&aws, &slow) + 10, 1, 120);
    assert_in_range(render_drain_s(&azure, &slow) + 10, 1, 30);
    assert_in_range(render_drain_s(&gcp, &slow) + 6, 1, 15);
}

static void the_fallback_bound_is_half_as_many_again(void **state)
{
    (void)state;
    assert_int_equal(render_count_max(1), 2);
    assert_int_equal(render_count_max(2), 3);
    assert_int_equal(render_count_max(3), 5);
    assert_int_equal(render_count_max(100), 150);
}

static enum err render_into(const struct render_world *world, size_t size, struct text *text,
                            struct render_files *files)
{
    text_init(text, output, size);
    assert_int_equal(render_files_init(files, text, 64, &arena), ERR_OK);
    return render_kubernetes(world, &arena, files, &why);
}

static void a_text_that_is_too_small_is_said_and_never_half_a_file(void **state)
{
    (void)state;
    struct plan_sheet_replica rows[] = {row("chat", "aws:us-east-1", "m", "spot", 1)};
    struct plan_sheet sheet = sheet_of(rows, 1);
    const struct render_world *world = make(&sheet, ERR_OK);
    struct render_files files;
    struct text text;
    assert_int_equal(render_into(world, sizeof output, &text, &files), ERR_OK);
    size_t whole = text.n, used = 0, mark = arena.used;
    for (uint32_t i = 0; i < files.count; i++)
        used += render_file_content(&files, i).n;
    assert_int_equal(used, whole);
    for (size_t size = 1; size <= whole; size += 97) {
        assert_int_equal(render_into(world, size, &text, &files), ERR_FULL);
        arena_reset(&arena, mark);
    }
}

static void one_workload_stays_within_the_room_that_is_asked_for(void **state)
{
    (void)state;
    static struct plan_sheet_replica rows[40];
    static char names[40][64];
    struct plan_sheet sheet = sheet_of(rows, COUNT_OF(rows));
    struct render_files files;
    struct text text;
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        snprintf(names[i], sizeof names[i],
                 "a-machine-type-with-a-name-as-long-as-a-label-may-be-%02u", i);
        rows[i] = row("chat", "aws:us-east-1", names[i], "spot", 1000000);
    }
    const struct render_world *world = make(&sheet, ERR_OK);
    assert_int_equal(render_into(world, sizeof output, &text, &files), ERR_OK);
    assert_true(text.n < 40u * RENDER_WORKER_BYTES);
}

static void a_target_without_machines_says_so(void **state)
{
    (void)state;
    struct plan_sheet_replica rows[] = {row("chat", "lab", "m", "own", 1)};
    struct plan_sheet sheet = sheet_of(rows, 1);
    const struct render_world *world = make(&sheet, ERR_OK);
    struct render_files files;
    struct text text;
    text_init(&text, output, sizeof output);
    assert_int_equal(render_files_init(&files, &text, 64, &arena), ERR_OK);
    assert_int_equal(render_terraform(world, &arena, &files, &why), ERR_NOT_FOUND);
    assert_int_equal(render_systemd(world, &arena, &files, &why), ERR_OK);
    rows[0] = row("chat", "aws:us-east-1", "m", "spot", 1);
    world = make(&sheet, ERR_OK);
    assert_int_equal(render_files_init(&files, &text, 64, &arena), ERR_OK);
    assert_int_equal(render_systemd(world, &arena, &files, &why), ERR_NOT_FOUND);
    rows[0] = row("chat", "lab", "m", "own", LIMIT_TARGETS + 1);
    world = make(&sheet, ERR_OK);
    assert_int_equal(render_files_init(&files, &text, 64, &arena), ERR_OK);
    assert_int_equal(render_systemd(world, &arena, &files, &why), ERR_VALUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_labels_and_stay_apart),
        cmocka_unit_test(rows_become_workloads_by_region_and_name),
        cmocka_unit_test(names_that_would_fall_together_are_kept_apart),
        cmocka_unit_test(what_cannot_run_is_refused),
        cmocka_unit_test(spot_machines_drain_within_their_notice),
        cmocka_unit_test(the_fallback_bound_is_half_as_many_again),
        cmocka_unit_test(a_text_that_is_too_small_is_said_and_never_half_a_file),
        cmocka_unit_test(one_workload_stays_within_the_room_that_is_asked_for),
        cmocka_unit_test(a_target_without_machines_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
