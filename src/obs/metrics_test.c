#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "obs/metrics.h"

static struct metrics one, other;
static struct fleet_service services[20];
static struct fleet_region regions[2];
static struct fleet fleet;
static char buffer[1 << 20];
static struct text text;

static int setup(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT_OF(services); i++)
        services[i].name = SPAN_LITERAL("more");
    services[0].name = SPAN_LITERAL("chat");
    services[1].name = SPAN_LITERAL("a\"b\\c\nd");
    regions[0].name = SPAN_LITERAL("aws:us-east-1");
    regions[1].name = SPAN_LITERAL("gcp:asia-northeast1");
    fleet.services = services;
    fleet.service_count = COUNT_OF(services);
    fleet.regions = regions;
    fleet.region_count = COUNT_OF(regions);
    metrics_init(&one);
    metrics_init(&other);
    return 0;
}

static const char *printed(void)
{
    text_init(&text, buffer, sizeof buffer);
    metrics_print(&one, &fleet, &text);
    assert_false(text.is_cut);
    return buffer;
}

/* The value of the line that begins with <head> and a space; -1: there is none. */
static long long value_of(const char *page, const char *head)
{
    size_t n = strlen(head);
    for (const char *line = page; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
        if (strncmp(line, head, n) == 0 && line[n] == ' ')
            return strtoll(line + n, NULL, 10);
    return -1;
}

static void counters_and_gauges_carry_their_labels(void **state)
{
    (void)state;
    metrics_add(&one, METRICS_requests_total, 0, 7);
    metrics_add(&one, METRICS_requests_total, 1, 3);
    metrics_add(&one, METRICS_answers_total, 2, 9);
    metrics_add(&one, METRICS_routed_total, 1, 4);
    metrics_gauge_add(&one, METRICS_requests_in_flight, 0, -2);
    const char *page = printed();
    assert_int_equal(value_of(page, "farspan_requests_total{service=\"chat\"}"), 7);
    assert_int_equal(value_of(page, "farspan_requests_total{service=\"a\\\"b\\\\c\\nd\"}"), 3);
    assert_int_equal(value_of(page, "farspan_answers_total{status=\"2xx\"}"), 9);
    assert_int_equal(value_of(page, "farspan_routed_total{region=\"gcp:asia-northeast1\"}"), 4);
    assert_int_equal(value_of(page, "farspan_requests_in_flight{service=\"chat\"}"), -2);
    assert_int_equal(value_of(page, "farspan_retries_total"), 0);
    assert_int_equal(value_of(page, "farspan_routed_total{region=\"aws:us-east-1\"}"), -1);
}

static void every_row_of_the_tables_is_on_the_page(void **state)
{
    (void)state;
    const char *page = printed();
#define X(name, label, text)                                                                       \
    assert_non_null(strstr(page, "# HELP farspan_" #name " "));                                    \
    assert_non_null(strstr(page, "# TYPE farspan_" #name " "));
    METRICS_COUNTERS(X)
    METRICS_GAUGES(X)
    METRICS_HISTOGRAMS(X)
#undef X
}

static void a_histogram_adds_up_and_its_edges_are_right(void **state)
{
    (void)state;
    const uint64_t values[] = {1, 63, 64, 1000, 1023, 1024, UINT64_C(1) << 40};
    for (size_t i = 0; i < COUNT_OF(values); i++)
        metrics_time(&one, METRICS_request_us, 0, values[i]);
    const char *page = printed();
    const char *const head = "farspan_request_us_bucket{service=\"chat\",le=\"";
    char line[128];
    const struct {
        const char *edge;
        long long count;
    } expected[] = {{"63", 2}, {"127", 3}, {"1023", 5}, {"2047", 6}, {"134217727", 6}, {"+Inf", 7}};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        struct text name;
        text_init(&name, line, sizeof line);
        text_add(&name, "%s%s\"}", head, expected[i].edge);
        assert_int_equal(value_of(page, line), expected[i].count);
    }
    assert_int_equal(value_of(page, "farspan_request_us_count{service=\"chat\"}"), 7);
    assert_int_equal(value_of(page, "farspan_request_us_sum{service=\"chat\"}"),
                     1 + 63 + 64 + 1000 + 1023 + 1024 + (1LL << 40));
}

static void services_beyond_the_last_cell_share_it(void **state)
{
    (void)state;
    metrics_time(&one, METRICS_request_us, METRICS_HISTOGRAM_LABEL_MAX - 1, 5);
    metrics_time(&one, METRICS_request_us, LIMIT_SERVICES - 1, 5);
    assert_int_equal(one.histogram[METRICS_request_us][METRICS_HISTOGRAM_LABEL_MAX - 1].count, 2);
    assert_int_equal(value_of(printed(), "farspan_request_us_count{service=\"other\"}"), 2);
    fleet.service_count = METRICS_HISTOGRAM_LABEL_MAX; /* now the last cell has but one owner */
    assert_int_equal(value_of(printed(), "farspan_request_us_count{service=\"more\"}"), 2);
}

static void merging_adds_every_cell(void **state)
{
    (void)state;
    metrics_add(&one, METRICS_requests_total, 5, 2);
    metrics_add(&other, METRICS_requests_total, 5, 40);
    metrics_gauge_add(&other, METRICS_connections_open, 0, -3);
    metrics_time(&other, METRICS_decision_ns, 0, 800);
    metrics_merge(&one, &other);
    assert_int_equal(one.counter[METRICS_requests_total][5], 42);
    assert_int_equal(one.gauge[METRICS_connections_open][0], -3);
    assert_int_equal(one.histogram[METRICS_decision_ns][0].count, 1);
}

/* name{labels} number, or a comment: nothing else may stand on the page. */
static void every_line_is_a_sample_or_a_comment(void **state)
{
    (void)state;
    metrics_add(&one, METRICS_requests_total, 1, 3);
    metrics_time(&one, METRICS_first_byte_us, 0, 800);
    char *page = buffer;
    printed();
    for (char *line = strtok(page, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, "# HELP farspan_", 15) == 0 || strncmp(line, "# TYPE farspan_", 15) == 0)
            continue;
        assert_int_equal(strncmp(line, "farspan_", 8), 0);
        size_t name = strspn(line, "abcdefghijklmnopqrstuvwxyz_");
        assert_true(line[name] == '{' || line[name] == ' ');
        char *end = strrchr(line, ' ');
        assert_non_null(end);
        assert_true(line[name] == ' ' || end[-1] == '}');
        char *rest;
        strtoll(end + 1, &rest, 10);
        assert_true(rest > end + 1 && *rest == '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(counters_and_gauges_carry_their_labels, setup),
        cmocka_unit_test_setup(every_row_of_the_tables_is_on_the_page, setup),
        cmocka_unit_test_setup(a_histogram_adds_up_and_its_edges_are_right, setup),
        cmocka_unit_test_setup(services_beyond_the_last_cell_share_it, setup),
        cmocka_unit_test_setup(merging_adds_every_cell, setup),
        cmocka_unit_test_setup(every_line_is_a_sample_or_a_comment, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
