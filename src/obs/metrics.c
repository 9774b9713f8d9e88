#include "obs/metrics.h"

#include <string.h>

#include "base/check.h"

struct row {
    const char *name;
    enum metrics_label label;
    unsigned cell_count;
    const char *text;
};

static const struct row counter_rows[] = {
#define X(name, label, text) {#name, label, METRICS_LABEL_MAX, text},
    METRICS_COUNTERS(X)
#undef X
};
static const struct row gauge_rows[] = {
#define X(name, label, text) {#name, label, METRICS_LABEL_MAX, text},
    METRICS_GAUGES(X)
#undef X
};
static const struct row histogram_rows[] = {
#define X(name, label, text) {#name, label, METRICS_HISTOGRAM_LABEL_MAX, text},
    METRICS_HISTOGRAMS(X)
#undef X
};

_Static_assert((int)METRICS_LABEL_MAX >= (int)LIMIT_SERVICES &&
                   (int)METRICS_LABEL_MAX >= (int)LIMIT_REGIONS,
               "each service and each region has a cell");

void metrics_init(struct metrics *metrics)
{
    memset(metrics, 0, sizeof *metrics);
    for (unsigned i = 0; i < METRICS_HISTOGRAM_COUNT; i++)
        for (unsigned label = 0; label < METRICS_HISTOGRAM_LABEL_MAX; label++)
            histogram_init(&metrics->histogram[i][label]);
}

void metrics_merge(struct metrics *into, const struct metrics *from)
{
    for (unsigned i = 0; i < METRICS_COUNTER_COUNT; i++)
        for (unsigned label = 0; label < METRICS_LABEL_MAX; label++)
            into->counter[i][label] += from->counter[i][label];
    for (unsigned i = 0; i < METRICS_GAUGE_COUNT; i++)
        for (unsigned label = 0; label < METRICS_LABEL_MAX; label++)
            into->gauge[i][label] += from->gauge[i][label];
    for (unsigned i = 0; i < METRICS_HISTOGRAM_COUNT; i++)
        for (unsigned label = 0; label < METRICS_HISTOGRAM_LABEL_MAX; label++)
            histogram_merge(&into->histogram[i][label], &from->histogram[i][label]);
}

void metrics_time(struct metrics *metrics, enum metrics_histogram histogram, unsigned label,
                  uint64_t value)
{
    unsigned cell = label < METRICS_HISTOGRAM_LABEL_MAX ? label : METRICS_HISTOGRAM_LABEL_MAX - 1;
    histogram_add(&metrics->histogram[histogram][cell], value);
}

/* Backslash, quote and newline, as the text format asks. */
static void add_label_value(struct text *text, struct span value)
{
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '\\' || value.p[i] == '"')
            text_add_c(text, '\\');
        if (value.p[i] == '\n')
            text_add_span(text, SPAN_LITERAL("\\n"));
        else
            text_add_c(text, value.p[i]);
    }
}

static const char *label_name(enum metrics_label label)
{
    static const char *const name[] = {"", "service", "region", "status"};
    CHECK((unsigned)label < COUNT_OF(name));
    return name[label];
}

/* What cell <i> of a row with <cell_count> cells stands for; empty when the fleet has no such
 * thing, or when several share the last cell. */
static struct span label_value(const struct fleet *fleet, enum metrics_label label, unsigned i,
                               unsigned cell_count, char *status_class)
{
    if (label == METRICS_SERVICE && i + 1 == cell_count && fleet->service_count > cell_count)
        return (struct span){"", 0};
    if (label == METRICS_SERVICE && i < fleet->service_count)
        return fleet->services[i].name;
    if (label == METRICS_REGION && i < fleet->region_count)
        return fleet->regions[i].name;
    if (label == METRICS_STATUS && i >= 1 && i <= 5) {
        status_class[0] = (char)('0' + i);
        status_class[1] = status_class[2] = 'x';
        return span_from(status_class, 3);
    }
    return (struct span){"", 0};
}

/* <suffix> of the name; <edge>: the value of le, or NULL. Without the number. */
static void add_sample_head(struct text *text, const struct row *row, const char *suffix,
                            const struct fleet *fleet, unsigned cell, const char *edge)
{
    text_add(text, "farspan_%s%s", row->name, suffix);
    char status_class[4];
    struct span value = label_value(fleet, row->label, cell, row->cell_count, status_class);
    bool has_label = row->label != METRICS_NONE;
    if (has_label || edge)
        text_add_c(text, '{');
    if (has_label) {
        text_add(text, "%s=\"", label_name(row->label));
        add_label_value(text, value.n > 0 ? value : SPAN_LITERAL("other"));
        text_add_c(text, '"');
    }
    if (edge)
        text_add(text, "%sle=\"%s\"", has_label ? "," : "", edge);
    if (has_label || edge)
        text_add_c(text, '}');
    text_add_c(text, ' ');
}

static void add_row_head(struct text *text, const struct row *row, const char *type)
{
    text_add(text, "# HELP farspan_%s %s\n# TYPE farspan_%s %s\n", row->name, row->text, row->name,
             type);
}

static void print_counters(const struct metrics *metrics, const struct fleet *fleet,
                           struct text *text)
{
    for (unsigned i = 0; i < METRICS_COUNTER_COUNT; i++) {
        const struct row *row = &counter_rows[i];
        add_row_head(text, row, "counter");
        for (unsigned cell = 0; cell < METRICS_LABEL_MAX; cell++) {
            bool is_shown = metrics->counter[i][cell] || (row->label == METRICS_NONE && cell == 0);
            if (!is_shown)
                continue;
            add_sample_head(text, row, "", fleet, cell, NULL);
            text_add_u64(text, metrics->counter[i][cell]);
            text_add_c(text, '\n');
        }
    }
}

static void print_gauges(const struct metrics *metrics, const struct fleet *fleet,
                         struct text *text)
{
    for (unsigned i = 0; i < METRICS_GAUGE_COUNT; i++) {
        const struct row *row = &gauge_rows[i];
        add_row_head(text, row, "gauge");
        for (unsigned cell = 0; cell < METRICS_LABEL_MAX; cell++) {
            bool is_shown = metrics->gauge[i][cell] || (row->label == METRICS_NONE && cell == 0);
            if (!is_shown)
                continue;
            add_sample_head(text, row, "", fleet, cell, NULL);
            text_add_i64(text, metrics->gauge[i][cell]);
            text_add_c(text, '\n');
        }
    }
}

enum { EDGE_POWER_FIRST = 6, EDGE_POWER_LAST = 27 }; /* 63 us .. 134 s, doubling */

/* Counts of all values below 2^power. */
static uint64_t count_below(const struct histogram *histogram, unsigned power)
{
    uint64_t count = 0;
    unsigned end = (power - 4) * HISTOGRAM_SUB; /* first bucket of 2^power and above */
    for (unsigned i = 0; i < end; i++)
        count += histogram->bucket[i];
    return count;
}

static void print_histogram(const struct row *row, const struct histogram *histogram,
                            const struct fleet *fleet, unsigned cell, struct text *text)
{
    for (unsigned power = EDGE_POWER_FIRST; power <= EDGE_POWER_LAST; power++) {
        char buffer[24];
        struct text edge;
        text_init(&edge, buffer, sizeof buffer);
        text_add_u64(&edge, (UINT64_C(1) << power) - 1);
        add_sample_head(text, row, "_bucket", fleet, cell, buffer);
        text_add(text, "%llu\n", (unsigned long long)count_below(histogram, power));
    }
    add_sample_head(text, row, "_bucket", fleet, cell, "+Inf");
    text_add(text, "%llu\n", (unsigned long long)histogram->count);
    add_sample_head(text, row, "_sum", fleet, cell, NULL);
    text_add(text, "%llu\n", (unsigned long long)histogram->sum);
    add_sample_head(text, row, "_count", fleet, cell, NULL);
    text_add(text, "%llu\n", (unsigned long long)histogram->count);
}

void metrics_print(const struct metrics *metrics, const struct fleet *fleet, struct text *text)
{
    print_counters(metrics, fleet, text);
    print_gauges(metrics, fleet, text);
    for (unsigned i = 0; i < METRICS_HISTOGRAM_COUNT; i++) {
        add_row_head(text, &histogram_rows[i], "histogram");
        for (unsigned cell = 0; cell < METRICS_HISTOGRAM_LABEL_MAX; cell++) {
            const struct histogram *histogram = &metrics->histogram[i][cell];
            if (histogram->count || (histogram_rows[i].label == METRICS_NONE && cell == 0))
                print_histogram(&histogram_rows[i], histogram, fleet, cell, text);
        }
    }
}
