#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "cli/demo_report.h"
#include "cli/screen.h"

enum { REGIONS = 3 };

static struct fleet_region regions[REGIONS];
static struct fleet fleet;
static struct demo_plan plan;
static struct demo_stats stats;
static struct demo_view view;
static char buffer[4096];

/* The middle of the shipped demo, with the figures of a long one. */
static int set_up(void **state)
{
    (void)state;
    static const char *const names[] = {"aws:us-east-1", "azure:westeurope", "gcp:asia-northeast1"};
    memset(regions, 0, sizeof regions);
    memset(&fleet, 0, sizeof fleet);
    memset(&stats, 0, sizeof stats);
    for (unsigned r = 0; r < REGIONS; r++) {
        regions[r].name = span_of(names[r]);
        stats.region[r] = (struct demo_region_stats){1590, 98304, 1400, 190, 77, 12};
    }
    fleet.regions = regions;
    fleet.region_count = REGIONS;
    plan.count = 14930;
    stats.offered = 7640;
    stats.answered = 7451;
    stats.client_retries = 244;
    stats.cut_streams = 231;
    histogram_init(&stats.window_ttft_us);
    histogram_add(&stats.window_ttft_us, 77000);
    view = (struct demo_view){.fleet = &fleet,
                              .plan = &plan,
                              .stats = &stats,
                              .elapsed_us = 60 * 1000 * 1000,
                              .duration_us = 120 * 1000 * 1000,
                              .open_count = 1889,
                              .kill_region = 0,
                              .is_down = true,
                              .interval_us = 500 * 1000};
    return 0;
}

static size_t widest_line(void)
{
    size_t widest = 0;
    struct span rest = span_of(buffer);
    while (rest.n) {
        struct span line = span_cut(&rest, '\n');
        widest = line.n > widest ? line.n : widest;
    }
    return widest;
}

static void print(unsigned width)
{
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    demo_table_print(&view, width, &text);
    assert_false(text.is_cut);
}

static void assert_has(const char *part)
{
    if (!strstr(buffer, part))
        fail_msg("expected \"%s\" in\n%s", part, buffer);
}

static void assert_lacks(const char *part)
{
    if (strstr(buffer, part))
        fail_msg("did not expect \"%s\" in\n%s", part, buffer);
}

static void a_terminal_of_80_columns_shows_all(void **state)
{
    (void)state;
    print(79);
    assert_true(widest_line() <= 79);
    assert_has("region              answered   open tokens/s  local remote   cut    cost/h\n");
    assert_has("aws:us-east-1           1590     12   196608   1400    190    77     $0.00 DOWN\n");
    assert_has(
        "\n7640 of 14930 offered, 7451 answered, 1889 open, 244 retries, 231 cut, 0 failed\n");
    assert_has("time to first token, last interval: p50   77 ms  p95   77 ms\n");
    assert_has("\n[##############################..............................]  60 s\n");
}

static void a_narrow_terminal_keeps_what_matters_most(void **state)
{
    (void)state;
    print(59);
    assert_true(widest_line() <= 59);
    assert_has("region              answered   open tokens/s   cut\n");
    assert_has("aws:us-east-1           1590     12   196608    77 DOWN\n");
    assert_has("time to first token, last interval: p50   77 ms\n p95   77 ms\n");
    assert_lacks("cost/h");
}

static void no_line_is_wider_than_the_terminal(void **state)
{
    (void)state;
    regions[1].name = SPAN_LITERAL("on-premises:frankfurt-am-main-second-hall-behind-the-station");
    for (unsigned width = 200; width >= 36; width--) {
        print(width);
        if (widest_line() > width)
            fail_msg("%zu columns of %u:\n%s", widest_line(), width, buffer);
        assert_has(" DOWN\n");
        assert_has("answered");
    }
    print(1); /* cut by the screen, but safe */
    assert_has("answered");
}

static void times_of_seconds_stand_apart_in_the_report(void **state)
{
    (void)state;
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    fleet.zones[0] = SPAN_LITERAL("us");
    fleet.zone_count = 1;
    histogram_init(&stats.zone[0].ttft_us);
    histogram_init(&stats.zone[0].total_us);
    histogram_add(&stats.zone[0].total_us, 12 * 1000 * 1000);
    demo_report_print(&view, &text);
    assert_has("      -       -       -    12.0 s  12.0 s  12.0 s ");
}

static void columns_go_by_rank_and_never_come_back_behind_one_that_went(void **state)
{
    (void)state;
    static const struct screen_column columns[] = {{8, 0}, {5, 3}, {9, 1}, {2, 2}};
    assert_int_equal(screen_columns_fit(columns, 4, 24), 0xF);
    assert_int_equal(screen_columns_fit(columns, 4, 23), 0xD);
    assert_int_equal(screen_columns_fit(columns, 4, 18), 0x5);
    assert_int_equal(screen_columns_fit(columns, 4, 16), 0x1); /* the one of rank 2 had room */
    assert_int_equal(screen_columns_fit(columns, 4, 0), 0x1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_terminal_of_80_columns_shows_all, set_up),
        cmocka_unit_test_setup(a_narrow_terminal_keeps_what_matters_most, set_up),
        cmocka_unit_test_setup(no_line_is_wider_than_the_terminal, set_up),
        cmocka_unit_test_setup(times_of_seconds_stand_apart_in_the_report, set_up),
        cmocka_unit_test(columns_go_by_rank_and_never_come_back_behind_one_that_went),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
