/* demo_report.h: what a demo shows: a live table, plain lines, the report and its JSON. Pure text,
 * no output of its own. */
#ifndef CLI_DEMO_REPORT_H
#define CLI_DEMO_REPORT_H

#include "base/text.h"
#include "cli/demo_run.h"

struct demo_view {
    const struct fleet *fleet;
    const struct demo_plan *plan;
    struct demo_stats *stats;
    int64_t elapsed_us, duration_us;
    uint64_t open_count;
    uint16_t kill_region; /* FLEET_NONE: none */
    bool is_down;         /* the region is down at this moment */
    bool is_echo;
    struct span explanation; /* JSON */
    /* of the last interval */
    int64_t interval_us;
    uint64_t tokens_before[LIMIT_REGIONS];
};

/* The list price of a region's machines an hour; *ret_is_estimate when any of them is one. */
int64_t demo_price_usd_micro_h(const struct fleet *fleet, uint16_t region, bool *ret_is_estimate);

/* A table of regions x requests, open ones, tokens/s, local/remote, cost/h, with sums, TTFT and a
 * bar of the time below it, in lines of <width>: all of it in 79, columns left out where it is
 * less. */
void demo_table_print(struct demo_view *view, unsigned width, struct text *text);

/* One plain line, for logs and pipes. */
void demo_line_print(const struct demo_view *view, struct text *text);

void demo_report_print(const struct demo_view *view, struct text *text);
void demo_report_json(const struct demo_view *view, struct text *json);

/* Did the demo hold its word? Everything answered, and where a region was killed, a stream was cut.
 */
bool demo_is_good(const struct demo_view *view, const char **ret_reason);

#endif
