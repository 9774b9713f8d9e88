/* A day, with the real solver, in a world whose best day can be worked out by hand; and what lies
 * between slots checked again from the sheet alone. An _io test since the LP library is opened. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "plan/day.h"
#include "plan/day_wish.h"
#include "plan/wish_lab_test.h"

enum { KEEP = 256 << 20 };

static struct plan_made made;
static char *keep_memory;
static double shares;

static void count_share(void *context, double share)
{
    (void)context;
    assert_true(share > 0 && share <= 1);
    shares += share == 1;
}

static enum err make_from(const char *yaml, uint32_t hour, const struct plan_sheet *running)
{
    static struct arena keep;
    lab_read(yaml);
    free(keep_memory);
    keep_memory = calloc(1, KEEP);
    assert_non_null(keep_memory);
    arena_init(&keep, keep_memory, KEEP);
    shares = 0;
    const struct plan_day_task task = {.wish = world.wish,
                                       .running = running,
                                       .hour = hour,
                                       .lp = &lp,
                                       .limits = {.gap = 1e-4, .work = 1000000000},
                                       .on_solve = count_share,
                                       .keep = &keep,
                                       .scratch = &arena};
    enum err err = plan_day_make(&task, &made, &why);
    if (err && err != ERR_VALUE)
        print_message("%s\n", message);
    return err;
}

static void make(const char *yaml)
{
    enum err err = make_from(yaml, 0, NULL);
    if (err)
        print_message("%s\n", message);
    assert_int_equal(err, ERR_OK);
}

static uint32_t count_of(uint32_t slot, const char *region)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < made.sheet.slots[slot].replica_count; i++)
        if (!region || span_is(made.sheet.slots[slot].replicas[i].region, region))
            count += made.sheet.slots[slot].replicas[i].count;
    return count;
}

/* A byte of traffic a request is left out of the sums by hand. */
static bool is_near(double a, double b)
{
    return fabs(a - b) <= 2e-5 * (1 + fabs(b));
}

/* From the rows of the sheet alone: what ran before is what the slot before has; sums are sums; a
 * bound is below; starts, stops and their money; the ramp. */
static void check_day(double ramp, uint32_t ramp_replicas, double start_usd, double stop_usd,
                      double cold_h)
{
    const struct plan_sheet *sheet = &made.sheet;
    double cost = 0, bound = 0;
    assert_int_equal(sheet->slot_count, world.wish->day.slot_count);
    for (uint32_t t = 0; t < sheet->slot_count; t++) {
        const struct plan_sheet_slot *slot = &sheet->slots[t];
        const struct plan_sheet_slot *before =
            &sheet->slots[(t + sheet->slot_count - 1) % sheet->slot_count];
        double starts = 0, ran = 0, moves = 0, machines = 0;
        for (uint32_t i = 0; i < slot->replica_count; i++) {
            const struct plan_sheet_replica *row = &slot->replicas[i];
            uint32_t there = 0;
            for (uint32_t j = 0; j < before->replica_count; j++)
                if (span_is_equal(before->replicas[j].region, row->region) &&
                    span_is_equal(before->replicas[j].service, row->service) &&
                    span_is_equal(before->replicas[j].sku, row->sku) &&
                    span_is_equal(before->replicas[j].market, row->market))
                    there += before->replicas[j].count;
            assert_int_equal(there, row->running);
            ran += there;
            machines += row->count * row->usd_h;
            if (row->count > there) {
                starts += row->count - there;
                moves += (row->count - there) * (start_usd + cold_h * row->usd_h);
            } else {
                moves += (there - row->count) * stop_usd;
            }
        }
        double most = floor(ramp * ran);
        most = most > ramp_replicas ? most : ramp_replicas;
        assert_true(starts <= (most > 1 ? most : 1));
        assert_true(is_near(moves, slot->moves_usd));
        assert_true(is_near(machines + moves / sheet->day.slot_h, slot->cost_usd_h));
        assert_true(slot->bound_usd_h <= slot->cost_usd_h + 1e-9);
        cost += slot->cost_usd_h * sheet->day.slot_h;
        bound += slot->bound_usd_h * sheet->day.slot_h;
    }
    assert_true(is_near(cost, sheet->day.cost_usd) && is_near(bound, sheet->day.bound_usd));
    if (!isnan(sheet->day.static_usd))
        assert_true(sheet->day.cost_usd <= sheet->day.static_usd + 1e-9);
    assert_true(shares == 1); /* the last solve may take all that is left, and only it */
}

/* 20 requests a second of each group at its busiest; a replica of 10/s does 5/s at 50 % load.
 * Round trips keep each continent's requests there. Traffic is left out: bytes are few. */
#define TAG                                                                                        \
    "name: tag, load: 50%, bytes: 1B, demand: 40req/s, speeds: [{sku: cpu, rate: 10req/s, time: "  \
    "5ms}, {sku: cpub, rate: 10req/s, time: 5ms}], slo: {ttft: 60ms, wait: 10ms}"
#define HALVES                                                                                     \
    "factors: [0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0.25, "     \
    "0.25, 0.25, 0.25, 0.25, 0.25]"

/* Paris is 1 h ahead of UTC, York 5 h behind: each needs 4 replicas from 06:00 to 18:00 by its
 * clock, and 1 else. */
static void test_replicas_follow_the_sun(void **state)
{
    (void)state;
    make(" {cold_start: 0s, day: {" HALVES "}, services: [{" TAG "}]}\n");
    check_day(INFINITY, 0, 0, 0, 0);
    for (uint32_t t = 0; t < 24; t++) {
        assert_int_equal(count_of(t, "a:east"), t >= 5 && t < 17 ? 4 : 1);
        assert_int_equal(count_of(t, "b:north"), t >= 11 && t < 23 ? 4 : 1);
    }
    assert_true(is_near(made.sheet.day.cost_usd, 12 * (4 + 1) * (0.20 + 0.18)));
    assert_true(is_near(made.sheet.day.bound_usd, made.sheet.day.cost_usd));
    assert_true(is_near(made.sheet.day.static_usd, 24 * 4 * (0.20 + 0.18)));
    assert_int_equal(made.sheet.day.starts, 6);
    assert_int_equal(made.sheet.day.stops, 6);
}

#define DIP(at)                                                                                    \
    "day: {clock: utc, factors: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, " at                          \
    ", 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}"

/* Half an hour's worth less from 12:00 to 13:00: two replicas of four are not needed in each
 * continent. For an hour they cost 0.20 and 0.18; a start and a stop 0.30. */
static void test_a_dip_is_held_through_when_starting_again_costs_more(void **state)
{
    (void)state;
    make(" {cold_start: 0s, moves: {start: $0.25, stop: $0.05}, " DIP("0.5, 1") ", services: [{" TAG
                                                                                "}]}\n");
    check_day(INFINITY, 0, 0.25, 0.05, 0);
    for (uint32_t t = 0; t < 24; t++)
        assert_int_equal(count_of(t, NULL), 8);
    assert_true(is_near(made.sheet.day.cost_usd, 24 * 4 * 0.38));
    assert_true(is_near(made.sheet.day.bound_usd, 23 * 4 * 0.38 + 2 * 0.38));
    assert_int_equal(made.sheet.day.starts, 0);
}

/* The same for two hours: 0.40 and 0.36 are more than 0.30. */
static void test_a_longer_dip_is_not(void **state)
{
    (void)state;
    make(" {cold_start: 0s, moves: {start: $0.25, stop: $0.05}, " DIP("0.5, 0.5") ", services: "
                                                                                  "[{" TAG "}]}\n");
    check_day(INFINITY, 0, 0.25, 0.05, 0);
    assert_int_equal(count_of(12, NULL), 4);
    assert_int_equal(count_of(13, NULL), 4);
    assert_true(is_near(made.sheet.day.moves_usd, 4 * 0.30));
    assert_true(is_near(made.sheet.day.cost_usd, 22 * 4 * 0.38 + 2 * 2 * 0.38 + 4 * 0.30));
}

/* A machine that warms up for an hour is paid for that hour. */
static void test_machines_are_paid_while_they_warm_up(void **state)
{
    (void)state;
    make(" {cold_start: 30min, day: {" HALVES "}, services: [{" TAG "}]}\n");
    check_day(INFINITY, 0, 0, 0, 0.5);
    assert_true(is_near(made.sheet.day.moves_usd, 3 * 0.5 * (0.20 + 0.18)));
    assert_true(is_near(made.sheet.day.cost_usd, 12 * 5 * 0.38 + made.sheet.day.moves_usd));
    make(" {cold_start: 1h, " DIP("0.5, 1") ", services: [{" TAG "}]}\n");
    check_day(INFINITY, 0, 0, 0, 1); /* a dip of one hour saves just what starting again costs */
    assert_true(is_near(made.sheet.day.cost_usd, 24 * 4 * 0.38));
}

/* Three more are needed at once in each continent; one may start an hour: two and one hours
 * earlier. */
static void test_a_ramp_starts_replicas_earlier(void **state)
{
    (void)state;
    make(" {cold_start: 0s, day: {ramp_replicas: 1, " HALVES "}, services: [{" TAG "}]}\n");
    check_day(0, 1, 0, 0, 0);
    assert_int_equal(count_of(3, "a:east"), 2);
    assert_int_equal(count_of(4, "a:east"), 3);
    assert_int_equal(count_of(5, "a:east"), 4);
    assert_int_equal(count_of(9, "b:north"), 2);
    assert_int_equal(count_of(10, "b:north"), 3);
    assert_true(is_near(made.sheet.day.cost_usd, 12 * 5 * 0.38 + 3 * 0.38));
    make(" {cold_start: 0s, day: {ramp: 50%, " HALVES "}, services: [{" TAG "}]}\n");
    check_day(0.5, 0, 0, 0, 0); /* 2 run in all, then 3 and 4; 5 run, then 7 and 8 */
}

static void test_a_slot_of_hours_serves_its_busiest(void **state)
{
    (void)state;
    make(" {cold_start: 0s, day: {slots: 4, " HALVES "}, services: [{" TAG "}]}\n");
    check_day(INFINITY, 0, 0, 0, 0);
    assert_int_equal(count_of(0, "a:east"), 4); /* 05:00 is 06:00 in Paris */
    assert_int_equal(count_of(3, "a:east"), 1);
    assert_int_equal(made.sheet.slots[3].hour, 18);
    assert_true(is_near(made.sheet.slots[3].rate, 5 + 20));
    make(" {cold_start: 0s, day: {slots: 1, " HALVES "}, services: [{" TAG "}]}\n");
    check_day(INFINITY, 0, 0, 0, 0);
    assert_int_equal(count_of(0, NULL), 8);
}

static void test_carbon_and_power_are_those_of_the_hour(void **state)
{
    (void)state;
    make(" {cold_start: 0s, carbon_price: $1/kg, day: {" HALVES "}, services: [{" TAG "}]}\n");
    /* 0.12 kW at 400 g, 0.11 kW at 200 g */
    assert_true(is_near(made.sheet.slots[12].carbon_kg_h, 4 * (0.12 * 0.4 + 0.11 * 0.2)));
    struct catalog_grid grids[2] = {world.catalog->grids[0], world.catalog->grids[1]};
    for (uint32_t h = 0; h < 24; h++)
        grids[0].g_per_kwh[h] = h;
    struct catalog catalog = *world.catalog;
    struct plan_wish wish = *world.wish;
    static char memory[1 << 20];
    struct arena slots;
    arena_init(&slots, memory, sizeof memory);
    catalog.grids = grids;
    wish.catalog = &catalog;
    wish.day.slot_count = 12;
    const struct plan_wish *slot = plan_day_wish(&wish, 3, &slots);
    assert_non_null(slot);
    assert_true(slot->catalog->grids[0].g_per_kwh[0] == 6.5 && slot->day.slot_count == 0);
}

/* Moves from the plan in force count in the plan of the hour, those of the day in the day. */
static void test_the_hour_is_the_plan(void **state)
{
    (void)state;
    const char *yaml = " {cold_start: 0s, moves: {start: $2.40, over: 24h}, day: {" HALVES
                       "}, services: [{" TAG "}]}\n";
    struct plan_sheet_replica rows[] = {{.service = SPAN_LITERAL("tag"),
                                         .region = SPAN_LITERAL("a:east"),
                                         .sku = SPAN_LITERAL("cpu"),
                                         .market = SPAN_LITERAL("on_demand"),
                                         .count = 2,
                                         .machines = 1,
                                         .usd_h = 0.2}};
    const struct plan_sheet running = {.replicas = rows, .replica_count = 1};
    assert_int_equal(make_from(yaml, 12, &running), ERR_OK);
    check_day(INFINITY, 0, 2.4, 0, 0);
    uint32_t count = 0;
    for (uint32_t i = 0; i < made.sheet.replica_count; i++) {
        count += made.sheet.replicas[i].count;
        if (span_is(made.sheet.replicas[i].region, "a:east"))
            assert_int_equal(made.sheet.replicas[i].running, 2);
    }
    assert_int_equal(count, 8);
    assert_true(is_near(made.sheet.costs.moves, 6 * 0.1));
    assert_true(is_near(made.sheet.cost_usd_h, 4 * 0.38 + 6 * 0.1));
    assert_true(made.sheet.step_count > 0 && made.sheet.flow_count > 0);
}

static void test_an_hour_without_a_plan_is_named(void **state)
{
    (void)state;
    assert_int_equal(make_from(" {stock: [{region: 'a:east', count: 3}, {region: 'a:west', count: "
                               "0}], day: {" HALVES "}, services: [{" TAG "}]}\n",
                               0, NULL),
                     ERR_VALUE);
    assert_true(span_is(made.sheet.status, "infeasible"));
    assert_non_null(strstr(message, "from 05:00 UTC"));
}

/* Two services share 5 machines: one needs 4 of them from 05:00 to 11:00 UTC, the other from then
 * on. While those of the second warm up the others still stand. */
#define SHARED(cold)                                                                               \
    " {cold_start: " cold ", regions: ['b:north'], stock: [{region: 'b:north', count: 5}], day: "  \
    "{factors: [0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 1, 1, 1, 1, 1, 1, 0.25, 0.25, 0.25, 0.25, "    \
    "0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25]},\n"                                          \
    "  services: [{name: one, load: 50%, bytes: 1B, demands: [{client: paris, rate: 20req/s}], "   \
    "speeds: [{sku: cpub, rate: 10req/s}]},\n"                                                     \
    "  {name: two, load: 50%, bytes: 1B, demands: [{client: york, rate: 20req/s}], speeds: "       \
    "[{sku: cpub, rate: 10req/s}]}]}\n"

static void test_what_warms_up_needs_stock(void **state)
{
    (void)state;
    make(SHARED("0s"));
    check_day(INFINITY, 0, 0, 0, 0);
    assert_int_equal(count_of(10, NULL), 5);
    assert_int_equal(count_of(11, NULL), 5);
    assert_true(isnan(made.sheet.day.static_usd)); /* 8 machines all day */
    assert_int_equal(make_from(SHARED("30min"), 0, NULL), ERR_TIMEOUT);
    assert_non_null(strstr(message, "keeps the stock while new replicas warm up"));
    assert_non_null(strstr(message, "from the slot at 10:00 to 11:00"));
}

static void test_the_same_input_gives_the_same_day(void **state)
{
    (void)state;
    const char *yaml =
        " {moves: {start: $0.1}, lose: region, day: {ramp: 50%}, services: [{" TAG "}]}\n";
    static char first[1 << 20], second[1 << 20];
    struct text a, b;
    make(yaml);
    text_init(&a, first, sizeof first);
    plan_sheet_print(&made.sheet, &a);
    check_day(0.5, 0, 0.1, 0, 1.0 / 6);
    make(yaml);
    text_init(&b, second, sizeof second);
    plan_sheet_print(&made.sheet, &b);
    assert_false(a.is_cut);
    assert_true(span_is_equal(text_span(&a), text_span(&b)));
}

static void test_clocks_follow_the_longitude(void **state)
{
    (void)state;
    assert_int_equal(plan_day_offset_h(0), 0);
    assert_int_equal(plan_day_offset_h(7.4), 0);
    assert_int_equal(plan_day_offset_h(7.6), 1);
    assert_int_equal(plan_day_offset_h(-74), -5);
    assert_int_equal(plan_day_offset_h(139.7), 9);
    assert_int_equal(plan_day_offset_h(-180), -12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replicas_follow_the_sun),
        cmocka_unit_test(test_a_dip_is_held_through_when_starting_again_costs_more),
        cmocka_unit_test(test_a_longer_dip_is_not),
        cmocka_unit_test(test_machines_are_paid_while_they_warm_up),
        cmocka_unit_test(test_a_ramp_starts_replicas_earlier),
        cmocka_unit_test(test_a_slot_of_hours_serves_its_busiest),
        cmocka_unit_test(test_carbon_and_power_are_those_of_the_hour),
        cmocka_unit_test(test_the_hour_is_the_plan),
        cmocka_unit_test(test_an_hour_without_a_plan_is_named),
        cmocka_unit_test(test_what_warms_up_needs_stock),
        cmocka_unit_test(test_the_same_input_gives_the_same_day),
        cmocka_unit_test(test_clocks_follow_the_longitude),
    };
    int failed = cmocka_run_group_tests(tests, lab_open, lab_close);
    free(keep_memory);
    return failed;
}
