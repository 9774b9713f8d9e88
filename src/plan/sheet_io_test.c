/* What a sheet prints, plan_sheet_read_io() reads back; and the order of its actions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "plan/sheet_fill.h"

static char memory[8 << 20], output[1 << 20], message[1024];

static struct plan_sheet_replica row(const char *service, const char *region, uint32_t count,
                                     uint32_t running)
{
    return (struct plan_sheet_replica){.service = span_of(service),
                                       .region = span_of(region),
                                       .sku = SPAN_LITERAL("gpu"),
                                       .market = SPAN_LITERAL("on_demand"),
                                       .count = count,
                                       .running = running,
                                       .machines = 1,
                                       .tensor_parallel = 4,
                                       .usd_h = 3.5,
                                       .is_estimate = true};
}

static void test_what_is_printed_is_read_back(void **state)
{
    (void)state;
    struct plan_sheet_replica replicas[] = {row("chat", "a:east", 3, 1), row("chat", "b", 0, 2)};
    struct plan_sheet_flow flows[] = {{SPAN_LITERAL("chat"), SPAN_LITERAL("paris"),
                                       SPAN_LITERAL("prompt to 100 tokens"), SPAN_LITERAL("a:east"),
                                       SPAN_LITERAL("gpu"), 1.25, 0.5, 71.5}};
    struct plan_sheet_rule rules[] = {{SPAN_LITERAL("stock of gpu in a:east"), true, (double)NAN}};
    struct plan_sheet_step steps[] = {
        {0, PLAN_ACTION_START, 0, 2}, {1, PLAN_ACTION_SHIFT, 0, 0}, {2, PLAN_ACTION_STOP, 1, 2}};
    struct plan_sheet_miss misses[] = {{SPAN_LITERAL("chat"), SPAN_LITERAL("paris"),
                                        SPAN_LITERAL("prompt to 100 tokens"), 0.01, 900}};
    const struct plan_sheet sheet = {.status = SPAN_LITERAL("feasible"),
                                     .stopped_by = SPAN_LITERAL("time"),
                                     .build = SPAN_LITERAL("farspan 0.1.0 (abc)"),
                                     .solver = SPAN_LITERAL("CLP 1.17"),
                                     .world = SPAN_LITERAL("w"),
                                     .base_epoch = 7,
                                     .cost_usd_h = 10.5,
                                     .bound_usd_h = 10.25,
                                     .gap = 0.25 / 10.5,
                                     .seconds = 0.5,
                                     .carbon_kg_h = 2,
                                     .egress_usd_h = 0.1,
                                     .replicas = replicas,
                                     .flows = flows,
                                     .rules = rules,
                                     .steps = steps,
                                     .misses = misses,
                                     .replica_count = 2,
                                     .flow_count = 1,
                                     .rule_count = 1,
                                     .step_count = 3,
                                     .miss_count = 1};
    struct arena arena;
    struct text text, why;
    struct plan_sheet *read = NULL;
    arena_init(&arena, memory, sizeof memory);
    text_init(&text, output, sizeof output);
    text_init(&why, message, sizeof message);
    plan_sheet_print(&sheet, &text);
    enum err err = plan_sheet_read_io(text_span(&text), &arena, &read, &why);
    if (err)
        fail_msg("%s", message);
    assert_int_equal(read->base_epoch, 7);
    assert_int_equal(read->replica_count, 2);
    assert_int_equal(read->replicas[1].running, 2);
    assert_int_equal(read->replicas[0].tensor_parallel, 4);
    assert_true(span_is(read->flows[0].sku, "gpu") && read->flows[0].rate == 1.25);
    assert_true(read->rules[0].is_binding && isnan(read->rules[0].shadow_usd_h));
    assert_int_equal(read->steps[2].action, PLAN_ACTION_STOP);
    assert_true(read->cost_usd_h == 10.5 && read->seconds == 0.5);
}

static const uint32_t roomy[] = {100, 100, 100, 100};

static void order(struct plan_sheet *sheet, struct plan_sheet_replica *replicas, uint32_t count,
                  const uint32_t *machines_max)
{
    static struct arena arena;
    arena_init(&arena, memory, sizeof memory);
    *sheet = (struct plan_sheet){.replicas = replicas, .replica_count = count};
    assert_true(plan_sheet_order(sheet, machines_max, &arena));
}

static void test_new_replicas_are_ready_before_old_ones_go(void **state)
{
    (void)state;
    struct plan_sheet sheet;
    struct plan_sheet_replica replicas[] = {row("chat", "a", 0, 2), row("chat", "b", 2, 0)};
    order(&sheet, replicas, 2, roomy);
    assert_int_equal(sheet.step_count, 3);
    assert_int_equal(sheet.steps[0].action, PLAN_ACTION_START);
    assert_int_equal(sheet.steps[0].replica, 1);
    assert_int_equal(sheet.steps[1].action, PLAN_ACTION_SHIFT);
    assert_int_equal(sheet.steps[1].wave, 1);
    assert_int_equal(sheet.steps[2].action, PLAN_ACTION_STOP);
    assert_int_equal(sheet.steps[2].wave, 2);
}

static void test_a_start_waits_for_the_machine_that_another_gives_back(void **state)
{
    (void)state;
    static const uint32_t full[] = {2, 2, 100};
    struct plan_sheet sheet; /* chat leaves a for b; tag wants the machines of a */
    struct plan_sheet_replica replicas[] = {row("chat", "a", 0, 2), row("tag", "a", 2, 0),
                                            row("chat", "b", 2, 0)};
    order(&sheet, replicas, 3, full);
    uint32_t stop = 0, start = 0;
    for (uint32_t i = 0; i < sheet.step_count; i++) {
        if (sheet.steps[i].action == PLAN_ACTION_STOP && sheet.steps[i].replica == 0)
            stop = sheet.steps[i].wave;
        if (sheet.steps[i].action == PLAN_ACTION_START && sheet.steps[i].replica == 1)
            start = sheet.steps[i].wave;
    }
    assert_true(stop > 0 && start > stop);
}

/* chat moves from a to b, where tag still stands: until its new place is free, its old one stays.
 */
static void test_nothing_goes_while_its_service_still_waits(void **state)
{
    (void)state;
    static const uint32_t full[] = {2, 2, 2, 2};
    struct plan_sheet sheet;
    struct plan_sheet_replica replicas[] = {row("chat", "a", 0, 2), row("chat", "b", 2, 0),
                                            row("tag", "b", 0, 2), row("tag", "c", 2, 0)};
    order(&sheet, replicas, 4, full);
    uint32_t stop = 0, start = 0;
    for (uint32_t i = 0; i < sheet.step_count; i++) {
        if (sheet.steps[i].action == PLAN_ACTION_STOP && sheet.steps[i].replica == 0)
            stop = sheet.steps[i].wave;
        if (sheet.steps[i].action == PLAN_ACTION_START && sheet.steps[i].replica == 1)
            start = sheet.steps[i].wave;
    }
    assert_true(start > 0 && stop > start);
}

/* Two services that want each other's full places: one has to go first. */
static void test_a_ring_is_cut(void **state)
{
    (void)state;
    static const uint32_t full[] = {2, 2, 2, 2};
    struct plan_sheet sheet;
    struct plan_sheet_replica replicas[] = {row("chat", "a", 0, 2), row("tag", "a", 2, 0),
                                            row("chat", "b", 2, 0), row("tag", "b", 0, 2)};
    order(&sheet, replicas, 4, full);
    assert_true(sheet.step_count > 0);
}

/* After all steps the wanted counts stand, and no place ever holds more than its machines. */
static void test_steps_lead_to_the_plan_within_the_stock(void **state)
{
    (void)state;
    enum { ROWS = 12, PLACES = 4 };
    static const char *const names[PLACES] = {"a", "b", "c", "d"};
    struct rng rng;
    rng_init(&rng, 5);
    for (uint32_t round = 0; round < 500; round++) {
        struct plan_sheet_replica replicas[ROWS];
        uint32_t most[ROWS], wanted[PLACES] = {0}, current[ROWS];
        struct plan_sheet sheet;
        for (uint32_t i = 0; i < ROWS; i++) {
            static const char *const services[] = {"x", "y", "z"};
            replicas[i] = row(services[i / PLACES], names[i % PLACES], (uint32_t)rng_below(&rng, 4),
                              (uint32_t)rng_below(&rng, 4));
            wanted[i % PLACES] += replicas[i].count;
            current[i] = replicas[i].running;
        }
        for (uint32_t i = 0; i < ROWS; i++) {
            uint32_t running = 0;
            for (uint32_t j = i % PLACES; j < ROWS; j += PLACES)
                running += replicas[j].running;
            most[i] = wanted[i % PLACES] > running ? wanted[i % PLACES] : running;
        }
        order(&sheet, replicas, ROWS, most);
        for (uint32_t i = 0; i < sheet.step_count; i++) {
            const struct plan_sheet_step *step = &sheet.steps[i];
            uint32_t used = 0;
            current[step->replica] += step->action == PLAN_ACTION_START  ? step->count
                                      : step->action == PLAN_ACTION_STOP ? -step->count
                                                                         : 0;
            for (uint32_t j = step->replica % PLACES; j < ROWS; j += PLACES)
                used += current[j];
            assert_true(used <= most[step->replica]);
            assert_true(i == 0 || (step->wave >= sheet.steps[i - 1].wave &&
                                   step->wave <= sheet.steps[i - 1].wave + 1));
        }
        for (uint32_t i = 0; i < ROWS; i++)
            assert_int_equal(current[i], replicas[i].count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_printed_is_read_back),
        cmocka_unit_test(test_new_replicas_are_ready_before_old_ones_go),
        cmocka_unit_test(test_a_start_waits_for_the_machine_that_another_gives_back),
        cmocka_unit_test(test_nothing_goes_while_its_service_still_waits),
        cmocka_unit_test(test_a_ring_is_cut),
        cmocka_unit_test(test_steps_lead_to_the_plan_within_the_stock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
