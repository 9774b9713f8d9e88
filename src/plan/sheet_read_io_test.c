#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "plan/sheet.h"

static const char plan[] =
    "{\"version\":1,\"status\":\"feasible\",\"stopped_by\":\"gap\",\"build\":\"farspan 0.2.0\",\n"
    " \"solver\":\"CLP 1.17.6\",\"catalogue\":\"\",\"world\":\"w\",\"base_epoch\":7,\n"
    " \"cost_usd_h\":12.5,\"bound_usd_h\":12.25,\"gap\":0.02,\"seconds\":0.4,\"carbon_kg_h\":null,"
    "\n"
    " \"egress_usd_h\":0,\"replicas\":[\n"
    "  {\"service\":\"chat\",\"region\":\"azure:swedencentral\",\"sku\":\"NC24\",\n"
    "   \"market\":\"on_demand\",\"count\":3,\"running\":1,\"machines\":1,\"usd_h\":3.67,\n"
    "   \"estimate\":false},\n"
    "  "
    "{\"service\":\"chat\",\"region\":\"azure:swedencentral\",\"sku\":\"NC24\",\"market\":\"spot\","
    "\n"
    "   \"count\":0,\"running\":2,\"machines\":1,\"usd_h\":1,\"estimate\":true}],\n"
    " \"flows\":[{\"service\":\"chat\",\"zone\":\"eu\",\"bucket\":\"short\",\n"
    "   \"region\":\"azure:swedencentral\",\"rate\":1.5,\"share\":1,\"latency_ms\":20}],\n"
    " \"rules\":[{\"rule\":\"stock of \\\"NC24\\\", [all] {of} it\",\"binding\":true,\n"
    "   \"shadow_usd_h\":null}],\n"
    " \"steps\":[{\"wave\":0,\"action\":\"start\",\"replica\":0,\"count\":2},\n"
    "  {\"wave\":1,\"action\":\"shift\",\"replica\":1,\"count\":0},\n"
    "  {\"wave\":2,\"action\":\"stop\",\"replica\":1,\"count\":2}]}";

static char memory[1 << 20], reason[1024];

static enum err read_bytes(struct span json, struct plan_sheet **ret_sheet)
{
    static struct arena arena;
    static struct text why;
    arena_init(&arena, memory, sizeof memory);
    text_init(&why, reason, sizeof reason);
    return plan_sheet_read_io(json, &arena, ret_sheet, &why);
}

/* The plan above with its first <old> replaced. */
static enum err read_changed(const char *old, const char *new, struct plan_sheet **ret_sheet)
{
    static char changed[sizeof plan + 256];
    const char *at = strstr(plan, old);
    assert_non_null(at);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - plan), plan, new, at + strlen(old));
    return read_bytes(span_of(changed), ret_sheet);
}

static void assert_refused(const char *old, const char *new, const char *expected)
{
    struct plan_sheet *sheet = NULL;
    enum err err = read_changed(old, new, &sheet);
    if (err != ERR_VALUE || !strstr(reason, expected))
        print_error("%s -> %s: expected \"%s\", found %d \"%s\"\n", old, new, expected, err,
                    reason);
    assert_int_equal(err, ERR_VALUE);
    assert_non_null(strstr(reason, expected));
    assert_null(sheet);
}

static void a_plan_is_read_whole(void **state)
{
    (void)state;
    struct plan_sheet *sheet = NULL;
    assert_int_equal(read_bytes(span_of(plan), &sheet), ERR_OK);
    assert_true(span_is(sheet->status, "feasible"));
    assert_true(span_is(sheet->build, "farspan 0.2.0"));
    assert_int_equal(sheet->catalogue.n, 0);
    assert_int_equal(sheet->base_epoch, 7);
    assert_true(sheet->cost_usd_h == 12.5 && isnan(sheet->carbon_kg_h));
    assert_int_equal(sheet->replica_count, 2);
    assert_true(span_is(sheet->replicas[1].market, "spot"));
    assert_int_equal(sheet->replicas[0].count, 3);
    assert_int_equal(sheet->replicas[1].running, 2);
    assert_true(sheet->replicas[1].is_estimate && !sheet->replicas[0].is_estimate);
    assert_int_equal(sheet->flow_count, 1);
    assert_true(span_is(sheet->flows[0].bucket, "short") && sheet->flows[0].rate == 1.5);
    assert_true(isnan(sheet->rules[0].shadow_usd_h) && sheet->rules[0].is_binding);
    assert_int_equal(sheet->step_count, 3);
    assert_int_equal(sheet->steps[1].action, PLAN_ACTION_SHIFT);
    assert_int_equal(sheet->steps[2].wave, 2);
}

static void a_mistake_names_its_line_and_what_was_expected(void **state)
{
    (void)state;
    assert_refused("\"count\":0,\"running\":2", "\"count\":-1,\"running\":2",
                   "line 8: replicas[1].count: expected 0 .. 1000000, found -1");
    assert_refused("\"machines\":1,\"usd_h\":1,", "\"machines\":0,\"usd_h\":1,",
                   "line 8: replicas[1].machines: expected 1 .. 1000000, found 0");
    assert_refused("\"replica\":1,\"count\":2", "\"replica\":2,\"count\":2",
                   "line 16: steps[2].replica: expected an index below 2, found 2");
    assert_refused("\"rate\":1.5", "\"rate\":\"1\"", "flows[0].rate: expected a number");
    assert_refused("\"version\":1", "\"version\":2", "version: expected 1");
    assert_refused(",\"base_epoch\":7", "", "base_epoch");
    assert_refused("\"base_epoch\":7", "\"base_epoch\":-7", "base_epoch");
    assert_refused("\"spot\"", "\"spots\"", "one of: on_demand spot reserved own");
    assert_refused("\"feasible\"", "\"good\"", "one of: optimal");
    assert_refused("\"catalogue\":\"\"", "\"catalogue\":\"12ab\"", "64 hex digits");
    assert_refused("\"world\":\"w\"", "\"world\":\"\"", "world: expected 1 to");
    assert_refused("\"world\":\"w\"", "\"world\":\"a\\nb\"", "no control characters");
    assert_refused("\"seconds\":0.4", "\"seconds\":null", "seconds: expected a number");
    assert_refused("\"flows\":[", "\"flows\":[7,", "flows[0]: expected an object, found 7");
}

static void a_key_nobody_knows_is_refused_with_the_nearest(void **state)
{
    (void)state;
    assert_refused("\"running\":1", "\"runing\":1", "replicas[0].running: expected a value");
    assert_refused("\"running\":1", "\"running\":1,\"usdh\":1", "did you mean usd_h?");
    assert_refused("\"gap\":0.02", "\"gap\":0.02,\"bound\":1", "there is no such key");
    assert_refused("\"gap\":0.02", "\"gap\":0.02,\"gap\":0.02", "line 3");
}

static void rows_must_fit_together(void **state)
{
    (void)state;
    assert_refused("\"spot\"", "\"on_demand\"", "found as in replicas[0]");
    assert_refused("\"count\":0,\"running\":2", "\"count\":0,\"running\":0", "found neither");
    assert_refused("\"wave\":1", "\"wave\":2", "steps[1].wave: expected waves in their order");
    assert_refused("\"wave\":2", "\"wave\":0", "steps[2].wave: expected waves in their order");
    assert_refused("\"wave\":0", "\"wave\":1", "steps[0].wave: expected waves in their order");
    assert_refused("\"replica\":1,\"count\":0", "\"replica\":1,\"count\":1",
                   "where requests shift");
    assert_refused("\"replica\":0,\"count\":2", "\"replica\":0,\"count\":0", "at least 1, found 0");
}

static void what_is_no_json_says_where(void **state)
{
    (void)state;
    assert_refused("\"gap\":0.02", "\"gap\" 0.02", "line 3, column");
    struct plan_sheet *sheet = NULL;
    assert_int_equal(read_bytes(SPAN_LITERAL("[1]"), &sheet), ERR_VALUE);
    assert_int_equal(read_bytes(SPAN_LITERAL(""), &sheet), ERR_VALUE);
    assert_int_equal(read_bytes((struct span){NULL, 0}, &sheet), ERR_VALUE);
    assert_int_equal(read_bytes(span_from(plan, sizeof plan - 2), &sheet), ERR_VALUE);
    assert_null(sheet);
}

/* Each byte of the plan replaced by a few others: refused or read, never a crash (ASan looks on).
 */
static void no_damage_breaks_the_reader(void **state)
{
    (void)state;
    static const char others[] = {'"', '{', ']', ',', '9', '-', '\\', ' ', '\n', '\x80', '\0'};
    static char damaged[sizeof plan];
    for (size_t i = 0; i < sizeof plan - 1; i++) {
        for (size_t k = 0; k < sizeof others; k++) {
            struct plan_sheet *sheet = NULL;
            memcpy(damaged, plan, sizeof plan);
            damaged[i] = others[k];
            enum err err = read_bytes(span_from(damaged, sizeof plan - 1), &sheet);
            assert_true(err == ERR_OK ? sheet != NULL : err == ERR_VALUE && reason[0]);
        }
    }
}

static void an_arena_that_is_too_small_is_no_crash(void **state)
{
    (void)state;
    for (size_t size = 0; size < 4096; size += 8) {
        struct arena arena;
        struct text why;
        struct plan_sheet *sheet = NULL;
        arena_init(&arena, memory, size);
        text_init(&why, reason, sizeof reason);
        enum err err = plan_sheet_read_io(span_of(plan), &arena, &sheet, &why);
        assert_true(err == ERR_MEMORY ? !sheet : err == ERR_OK);
        if (err == ERR_OK)
            return;
    }
    fail();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_is_read_whole),
        cmocka_unit_test(a_mistake_names_its_line_and_what_was_expected),
        cmocka_unit_test(a_key_nobody_knows_is_refused_with_the_nearest),
        cmocka_unit_test(rows_must_fit_together),
        cmocka_unit_test(what_is_no_json_says_where),
        cmocka_unit_test(no_damage_breaks_the_reader),
        cmocka_unit_test(an_arena_that_is_too_small_is_no_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
