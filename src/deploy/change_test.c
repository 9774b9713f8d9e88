#include "deploy/change.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"

/* Two regions; chat and embed are computed together, risk alone, far by others. */
enum { CHAT, EMBED, RISK, FAR, SERVICES, US = 0, EU, REGIONS };
enum { US_TEXT, US_RISK, EU_TEXT, WORKERS, ARENA = 1 << 20 };

static struct fleet_region regions[REGIONS] = {{.name = {"us", 2}}, {.name = {"eu", 2}}};
static struct fleet_service services[SERVICES] = {
    {.name = {"chat", 4}, .engine = FLEET_ENGINE_ECHO},
    {.name = {"embed", 5}, .engine = FLEET_ENGINE_ECHO},
    {.name = {"risk", 4}, .engine = FLEET_ENGINE_NATIVE},
    {.name = {"far", 3}, .engine = FLEET_ENGINE_REMOTE},
};
static struct fleet_sku skus[] = {
    {.name = {"big", 3}, .region = US, .price_usd_micro_h = 10000000},
    {.name = {"big", 3}, .region = EU, .price_usd_micro_h = 12000000}};
static struct fleet_worker workers[WORKERS] = {
    {{"us-text", 7}, US, 0, false, FLEET_NONE, 0, 2},
    {{"us-risk", 7}, US, FLEET_NONE, false, FLEET_NONE, 2, 1},
    {{"eu-text", 7}, EU, 1, false, FLEET_NONE, 3, 2}};
static struct fleet_replica replicas[] = {
    {.service = CHAT, .region = US, .worker = US_TEXT, .slots = 4, .weight = 1},
    {.service = EMBED, .region = US, .worker = US_TEXT, .slots = 4, .weight = 1},
    {.service = RISK, .region = US, .worker = US_RISK, .slots = 4, .weight = 1},
    {.service = CHAT, .region = EU, .worker = EU_TEXT, .slots = 4, .weight = 1},
    {.service = EMBED, .region = EU, .worker = EU_TEXT, .slots = 4, .weight = 1}};
static const struct fleet fleet = {.name = {"two", 3},
                                   .epoch = 1,
                                   .region_count = REGIONS,
                                   .service_count = SERVICES,
                                   .sku_count = COUNT_OF(skus),
                                   .worker_count = WORKERS,
                                   .replica_count = COUNT_OF(replicas),
                                   .regions = regions,
                                   .services = services,
                                   .skus = skus,
                                   .workers = workers,
                                   .replicas = replicas};

static struct room room;
static struct roster now;
static struct change change;
static char message[1024];
static struct text why;
static char memory[ARENA];

static void start_with_room(uint16_t count)
{
    struct arena arena;
    arena_init(&arena, memory, sizeof memory);
    text_init(&why, message, sizeof message);
    assert_int_equal(room_make(&fleet, count, 0, &arena, &room, &why), ERR_OK);
    roster_init(&now, &room);
}

static struct plan_sheet_replica wanted(const char *service, const char *region, const char *sku,
                                        uint32_t count)
{
    return (struct plan_sheet_replica){.service = span_of(service),
                                       .region = span_of(region),
                                       .sku = span_of(sku),
                                       .market = span_of(strcmp(sku, "own") ? "on_demand" : "own"),
                                       .count = count,
                                       .machines = 1,
                                       .usd_h = strcmp(sku, "own") ? 11 : 0};
}

static struct plan_sheet sheet_of(struct plan_sheet_replica *rows, uint32_t count)
{
    return (struct plan_sheet){.status = SPAN_LITERAL("feasible"),
                               .world = SPAN_LITERAL("two"),
                               .base_epoch = 1,
                               .replicas = rows,
                               .replica_count = count};
}

static enum err make(const struct plan_sheet *sheet)
{
    text_truncate(&why, 0);
    return change_make(sheet, &room, &now, &change, &why);
}

static bool batch_is(unsigned batch, bool is_start, const char *const *names, unsigned count)
{
    if (batch >= change.list.batch_count || change.list.batches[batch].count != count ||
        change.list.batches[batch].is_start != is_start)
        return false;
    for (unsigned i = 0; i < count; i++) {
        uint16_t worker = change.list.workers[change.list.batches[batch].first + i];
        if (!span_is(room.fleet->workers[worker].name, names[i]))
            return false;
    }
    return true;
}

#define NAMES(...)                                                                                 \
    ((const char *const[]){__VA_ARGS__}), COUNT_OF(((const char *const[]){__VA_ARGS__}))

static void a_plan_of_what_runs_changes_nothing(void **state)
{
    (void)state;
    start_with_room(2);
    struct plan_sheet_replica rows[] = {
        wanted("chat", "us", "big", 1), wanted("embed", "us", "big", 1),
        wanted("chat", "eu", "big", 1), wanted("embed", "eu", "big", 1),
        wanted("risk", "us", "own", 1)};
    struct plan_sheet sheet = sheet_of(rows, COUNT_OF(rows));
    assert_int_equal(make(&sheet), ERR_OK);
    assert_true(change_is_empty(&change));
    assert_int_equal(change.after.epoch, 2);
    assert_float_equal(change.before_usd_h, 22, 1e-9); /* two machines, not four */
    assert_float_equal(change.after_usd_h, 22, 1e-9);
}

static void services_that_the_plan_does_not_name_stay(void **state)
{
    (void)state;
    start_with_room(2);
    struct plan_sheet_replica rows[] = {wanted("risk", "us", "own", 2)};
    struct plan_sheet sheet = sheet_of(rows, COUNT_OF(rows));
    assert_int_equal(make(&sheet), ERR_OK);
    assert_int_equal(change.list.batch_count, 1);
    assert_true(batch_is(0, true, NAMES("us+1")));
    const struct roster_row *row = &change.after.rows[WORKERS];
    assert_int_equal(row->services, 1 << RISK);
    assert_int_equal(row->like, US_RISK);
    assert_string_equal(row->sku, "");
    assert_true(change.after.rows[EU_TEXT].is_wanted);
}

static void services_of_a_group_share_a_process(void **state)
{
    (void)state;
    start_with_room(2);
    struct plan_sheet_replica rows[] = {
        wanted("chat", "us", "big", 3), wanted("embed", "us", "big", 2),
        wanted("chat", "eu", "big", 1), wanted("embed", "eu", "big", 1)};
    struct plan_sheet sheet = sheet_of(rows, COUNT_OF(rows));
    assert_int_equal(make(&sheet), ERR_OK);
    assert_int_equal(change.list.batch_count, 1);
    assert_true(batch_is(0, true, NAMES("us+1", "us+2")));
    assert_int_equal(change.after.rows[WORKERS].services, 1 << CHAT | 1 << EMBED);
    assert_int_equal(change.after.rows[WORKERS + 1].services, 1 << CHAT);
    assert_int_equal(change.after.rows[WORKERS].like, US_TEXT);
    assert_string_equal(change.after.rows[WORKERS].sku, "big");
}

static void a_move_starts_there_before_it_stops_here(void **state)
{
    (void)state;
    start_with_room(2);
    struct plan_sheet_replica rows[] = {
        wanted("chat", "us", "big", 0), wanted("embed", "us", "big", 0),
        wanted("chat", "eu", "big", 2), wanted("embed", "eu", "big", 2)};
    struct plan_sheet sheet = sheet_of(rows, COUNT_OF(rows));
    assert_int_equal(make(&sheet), ERR_OK);
    assert_int_equal(change.list.batch_count, 2);
    assert_true(batch_is(0, true, NAMES("eu+1")));
    assert_true(batch_is(1, false, NAMES("us-text")));
    assert_false(change.after.rows[US_TEXT].is_wanted);
}

/* embed leaves the region: the worker that does both goes, and chat gets one of its own first. */
static void a_worker_that_does_too_much_is_replaced(void **state)
{
    (void)state;
    start_with_room(2);
    struct plan_sheet_replica rows[] = {
        wanted("chat", "us", "big", 1), wanted("embed", "us", "big", 0),
        wanted("chat", "eu", "big", 1), wanted("embed", "eu", "big", 1)};
    struct plan_sheet_step steps[] = {{0, PLAN_ACTION_STOP, 1, 1}};
    struct plan_sheet sheet = sheet_of(rows, COUNT_OF(rows));
    sheet.steps = steps;
    sheet.step_count = COUNT_OF(steps);
    assert_int_equal(make(&sheet), ERR_OK);
    assert_int_equal(change.list.batch_count, 2);
    assert_true(batch_is(0, true, NAMES("us+1")));
    assert_true(batch_is(1, false, NAMES("us-text")));
    assert_int_equal(change.after.rows[WORKERS].services, 1 << CHAT);
}

static void a_worker_of_the_file_comes_back_where_it_was(void **state)
{
    (void)state;
    start_with_room(1);
    now.rows[US_TEXT].is_wanted = false;
    struct plan_sheet_replica rows[] = {
        wanted("chat", "us", "big", 1), wanted("embed", "us", "big", 1),
        wanted("chat", "eu", "big", 1), wanted("embed", "eu", "big", 1)};
    struct plan_sheet sheet = sheet_of(rows, COUNT_OF(rows));
    assert_int_equal(make(&sheet), ERR_OK);
    assert_int_equal(change.list.batch_count, 1);
    assert_true(batch_is(0, true, NAMES("us-text")));
    assert_int_equal(change.after.rows[US_TEXT].like, US_TEXT);
}

static void waves_are_those_of_the_plan(void **state)
{
    (void)state;
    start_with_room(2);
    struct plan_sheet_replica rows[] = {
        wanted("chat", "us", "big", 3), wanted("embed", "us", "big", 1),
        wanted("chat", "eu", "big", 0), wanted("embed", "eu", "big", 0)};
    struct plan_sheet_step steps[] = {{0, PLAN_ACTION_START, 0, 1},
                                      {1, PLAN_ACTION_START, 0, 1},
                                      {2, PLAN_ACTION_STOP, 2, 1},
                                      {2, PLAN_ACTION_STOP, 3, 1}};
    struct plan_sheet sheet = sheet_of(rows, COUNT_OF(rows));
    sheet.steps = steps;
    sheet.step_count = COUNT_OF(steps);
    assert_int_equal(make(&sheet), ERR_OK);
    assert_int_equal(change.list.batch_count, 3);
    assert_true(batch_is(0, true, NAMES("us+1")));
    assert_true(batch_is(1, true, NAMES("us+2")));
    assert_true(batch_is(2, false, NAMES("eu-text")));
    assert_int_equal(change.list.batches[1].wave, 1);
    assert_int_equal(change.list.batches[2].wave, 2);
}

static void what_the_world_cannot_do_is_refused_by_words(void **state)
{
    (void)state;
    struct {
        struct plan_sheet_replica row;
        uint64_t epoch;
        const char *world, *status;
        enum err err;
        const char *words;
    } cases[] = {
        {wanted("chat", "us", "big", 2), 2, "two", "optimal", ERR_STALE, "epoch 2"},
        {wanted("chat", "us", "big", 2), 1, "three", "optimal", ERR_VALUE, "world three"},
        {wanted("chat", "us", "big", 2), 1, "two", "infeasible", ERR_VALUE, "no plan"},
        {wanted("chart", "us", "big", 2), 1, "two", "optimal", ERR_NOT_FOUND, "service chart"},
        {wanted("chat", "mars", "big", 2), 1, "two", "optimal", ERR_NOT_FOUND, "has us, eu"},
        {wanted("far", "us", "big", 2), 1, "two", "optimal", ERR_VALUE, "remote"},
        {wanted("chat", "us", "big", 4), 1, "two", "optimal", ERR_FULL, "--room 3"},
        {wanted("chat", "us", "big", 1000000), 1, "two", "optimal", ERR_FULL, "one machine"},
        {wanted("risk", "us", "own", 0), 1, "two", "optimal", ERR_VALUE, "without a replica"},
    };
    start_with_room(2);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct plan_sheet sheet = sheet_of(&cases[i].row, 1);
        sheet.base_epoch = cases[i].epoch;
        sheet.world = span_of(cases[i].world);
        sheet.status = span_of(cases[i].status);
        assert_int_equal(make(&sheet), cases[i].err);
        assert_non_null(strstr(message, cases[i].words));
    }
}

static void a_plan_of_the_file_fits_a_world_that_no_plan_has_changed(void **state)
{
    (void)state;
    start_with_room(2);
    struct plan_sheet_replica rows[] = {wanted("chat", "us", "big", 2)};
    struct plan_sheet sheet = sheet_of(rows, COUNT_OF(rows));
    sheet.base_epoch = 0;
    assert_int_equal(make(&sheet), ERR_OK);
    now.epoch = 2;
    assert_int_equal(make(&sheet), ERR_STALE);
}

static void a_roster_reads_back_as_it_was_printed(void **state)
{
    (void)state;
    static char json[ROSTER_JSON_MAX];
    static struct roster again;
    start_with_room(2);
    now.rows[WORKERS] = (struct roster_row){.is_wanted = true,
                                            .like = US_TEXT,
                                            .services = 1 << CHAT,
                                            .sku = "big",
                                            .price_usd_micro_h = 1250000};
    now.rows[EU_TEXT] = (struct roster_row){0};
    now.epoch = 7;
    struct text text;
    text_init(&text, json, sizeof json);
    roster_print(&now, room.fleet, &text);
    json_t *root = json_loads(json, 0, NULL);
    assert_int_equal(roster_read(root, &room, &again, &why), ERR_OK);
    assert_int_equal(again.epoch, 7);
    for (uint16_t i = 0; i < room.fleet->worker_count; i++)
        assert_true(roster_row_is_equal(&again.rows[i], &now.rows[i]));
    start_with_room(1);
    assert_int_equal(roster_read(root, &room, &again, &why), ERR_OK); /* us+1 is there */
    assert_int_equal(again.room, 1);
    start_with_room(0);
    assert_int_equal(roster_read(root, &room, &again, &why), ERR_NOT_FOUND);
    json_decref(root);
}

static void rows_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{\"worker\":\"us+9\",\"like\":\"us-text\",\"sku\":\"\",\"services\":[\"chat\"]}",
        "{\"worker\":\"us+1\",\"like\":\"us+2\",\"sku\":\"\",\"services\":[\"chat\"]}",
        "{\"worker\":\"us-text\",\"like\":\"us-risk\",\"sku\":\"\",\"services\":[\"chat\"]}",
        "{\"worker\":\"us+1\",\"like\":\"us-text\",\"sku\":\"\",\"services\":[]}",
        "{\"worker\":\"us+1\",\"like\":\"us-text\",\"sku\":\"\",\"services\":[\"chart\"]}",
        "{\"worker\":\"us+1\",\"like\":\"us-text\",\"sku\":\"\",\"services\":[\"far\"]}",
        "{\"worker\":\"us-risk\",\"like\":\"us-risk\",\"sku\":\"\",\"services\":[\"chat\"]}",
        "{\"worker\":\"us+1\",\"like\":\"us-text\",\"services\":[\"chat\"]}",
        "{\"worker\":\"us+1\",\"like\":\"us-text\",\"sku\":\"\",\"price_usd_h\":-1}",
        "{}"};
    start_with_room(2);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint16_t worker;
        struct roster_row row;
        json_t *object = json_loads(rows[i], 0, NULL);
        assert_non_null(object);
        text_truncate(&why, 0);
        assert_int_not_equal(roster_read_row(object, &room, &worker, &row, &why), ERR_OK);
        assert_true(why.n > 0);
        json_decref(object);
    }
}

/* Only in the copy of the process that works there. */
static void a_worker_in_a_place_has_pace_and_slots_of_its_like(void **state)
{
    (void)state;
    static char more[ARENA];
    struct arena arena;
    const struct fleet *settled;
    start_with_room(1);
    arena_init(&arena, more, sizeof more);
    workers[US_TEXT].is_paced = true;
    workers[US_TEXT].profile = 3;
    start_with_room(1);
    assert_int_equal(room_settle(&room, WORKERS, US_TEXT, &arena, &settled), ERR_OK);
    workers[US_TEXT].is_paced = false;
    workers[US_TEXT].profile = FLEET_NONE;
    const struct fleet_worker *worker = &settled->workers[WORKERS];
    assert_true(worker->is_paced);
    assert_int_equal(worker->profile, 3);
    assert_int_equal(worker->replica_count, 3); /* far is not computed here */
    assert_int_equal(settled->replicas[worker->replica_first].slots, 4);
    assert_int_equal(room.fleet->workers[WORKERS].profile, FLEET_NONE);
}

static void room_beyond_the_limits_is_refused_by_words(void **state)
{
    (void)state;
    struct arena arena;
    struct room more;
    static struct fleet wide;
    static struct fleet_region many[40];
    arena_init(&arena, memory, sizeof memory);
    text_init(&why, message, sizeof message);
    wide = fleet;
    wide.regions = many;
    wide.region_count = COUNT_OF(many);
    assert_int_equal(room_make(&wide, 7, 0, &arena, &more, &why), ERR_FULL);
    assert_non_null(strstr(message, "workers and free places"));
    text_truncate(&why, 0);
    assert_int_equal(room_make(&fleet, 2, 65530, &arena, &more, &why), ERR_FULL);
    assert_non_null(strstr(message, "port"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_of_what_runs_changes_nothing),
        cmocka_unit_test(services_that_the_plan_does_not_name_stay),
        cmocka_unit_test(services_of_a_group_share_a_process),
        cmocka_unit_test(a_move_starts_there_before_it_stops_here),
        cmocka_unit_test(a_worker_that_does_too_much_is_replaced),
        cmocka_unit_test(a_worker_of_the_file_comes_back_where_it_was),
        cmocka_unit_test(waves_are_those_of_the_plan),
        cmocka_unit_test(what_the_world_cannot_do_is_refused_by_words),
        cmocka_unit_test(a_plan_of_the_file_fits_a_world_that_no_plan_has_changed),
        cmocka_unit_test(a_roster_reads_back_as_it_was_printed),
        cmocka_unit_test(rows_that_cannot_be_are_refused),
        cmocka_unit_test(a_worker_in_a_place_has_pace_and_slots_of_its_like),
        cmocka_unit_test(room_beyond_the_limits_is_refused_by_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
