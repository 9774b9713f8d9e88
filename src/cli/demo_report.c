#include "cli/demo_report.h"

#include <jansson.h>

#include "base/check.h"
#include "cli/decision.h"
#include "cli/options.h"
#include "cli/screen.h"

enum { MEDIAN = 500000, P95 = 950000, P99 = 990000 };

/* Widths of the report's table. */
enum { TERMINAL_COLUMNS = 100, ZONE_COLUMNS = 58, NAME_COLUMNS_MIN = 11, COUNT_COLUMNS = 6 };

int64_t demo_price_usd_micro_h(const struct fleet *fleet, uint16_t region, bool *ret_is_estimate)
{
    int64_t price = 0;
    bool is_estimate = false;
    for (uint16_t i = 0; i < fleet->worker_count; i++) {
        const struct fleet_worker *worker = &fleet->workers[i];
        if (worker->region != region || worker->sku == FLEET_NONE)
            continue;
        price += fleet->skus[worker->sku].price_usd_micro_h;
        is_estimate |= fleet->skus[worker->sku].is_estimate;
    }
    *ret_is_estimate = is_estimate;
    return price;
}

static void add_price(struct text *text, int64_t usd_micro, bool is_estimate)
{
    int64_t cents = (usd_micro + 5000) / 10000;
    text_add(text, "%s$%lld.%02lld", is_estimate ? "~" : "", (long long)(cents / 100),
             (long long)(cents % 100));
}

static void add_ms(struct text *text, uint64_t us)
{
    if (us == 0)
        text_add(text, "%8s", "-");
    else if (us >= 10 * 1000 * 1000)
        text_add(text, "%6.1f s", (double)us / 1e6);
    else
        text_add(text, "%5llu ms", (unsigned long long)(us / 1000));
}

/* The live table's columns, behind the region's name and before the mark of one that is down. */
enum { ANSWERED, OPEN, TOKENS, LOCAL, REMOTE, CUT, COST, COLUMN_COUNT };
enum { MARK_COLUMNS = 5, BAR_COLUMNS_MAX = 60, BAR_FRAME_COLUMNS = 8 };

static const char *const titles[COLUMN_COUNT] = {"answered", "open", "tokens/s", "local",
                                                 "remote",   "cut",  "cost/h"};
static const struct screen_column columns[COLUMN_COUNT] = {
    [ANSWERED] = {9, 0}, [OPEN] = {7, 1},  [CUT] = {6, 2},   [TOKENS] = {9, 3},
    [REMOTE] = {7, 4},   [LOCAL] = {7, 5}, [COST] = {10, 6},
};

static uint64_t tokens_a_second(const struct demo_view *view, uint16_t region)
{
    uint64_t tokens = view->stats->region[region].tokens - view->tokens_before[region];
    return tokens * 1000000 / (uint64_t)(view->interval_us > 0 ? view->interval_us : 1);
}

static void add_region(const struct demo_view *view, uint16_t r, uint32_t shown, struct text *text)
{
    const struct demo_region_stats *region = &view->stats->region[r];
    const uint64_t values[COST] = {
        [ANSWERED] = region->answered,       [OPEN] = (uint64_t)region->in_flight,
        [TOKENS] = tokens_a_second(view, r), [LOCAL] = region->local,
        [REMOTE] = region->remote,           [CUT] = region->cut};
    for (unsigned i = 0; i < COST; i++)
        if (shown >> i & 1)
            text_add(text, "%*lu", columns[i].width, values[i]);
    if (shown >> COST & 1) {
        char buffer[32];
        struct text price;
        bool is_estimate;
        int64_t price_h = demo_price_usd_micro_h(view->fleet, r, &is_estimate);
        text_init(&price, buffer, sizeof buffer);
        add_price(&price, price_h, is_estimate);
        text_add(text, "%*s", columns[COST].width, buffer);
    }
    text_add(text, "%s\n", view->is_down && r == view->kill_region ? " DOWN" : "");
}

/* <line>, broken at tabs where it would be wider than <width>; the other tabs are spaces. */
static void add_broken(struct span line, unsigned width, struct text *text)
{
    size_t used = 0;
    while (line.n) {
        struct span part = span_cut(&line, '\t');
        bool is_broken = used > 0 && used + 1 + part.n > width;
        if (used > 0)
            text_add_c(text, is_broken ? '\n' : ' ');
        text_add_span(text, part);
        used = is_broken || used == 0 ? part.n : used + 1 + part.n;
    }
    text_add_c(text, '\n');
}

static void add_bar(const struct demo_view *view, unsigned width, struct text *text)
{
    double share = (double)view->elapsed_us / (double)view->duration_us;
    unsigned length = width > BAR_FRAME_COLUMNS ? width - BAR_FRAME_COLUMNS : 0;
    length = length < BAR_COLUMNS_MAX ? length : BAR_COLUMNS_MAX;
    text_add_c(text, '[');
    for (unsigned i = 0; i < length; i++)
        text_add_c(text, i < share * length ? '#' : '.');
    text_add(text, "] %3.0f s\n", (double)view->elapsed_us / 1e6);
}

static void add_sums(const struct demo_view *view, unsigned width, struct text *text)
{
    const struct demo_stats *stats = view->stats;
    char buffer[512];
    struct text line;
    text_init(&line, buffer, sizeof buffer);
    text_add(&line, "%lu of %u offered,\t%lu answered,\t%lu open,\t%lu retries,\t", stats->offered,
             view->plan->count, stats->answered, view->open_count, stats->client_retries);
    text_add(&line, "%lu cut,\t%lu failed", stats->cut_streams, stats->failed);
    add_broken(text_span(&line), width, text);
    text_init(&line, buffer, sizeof buffer);
    text_add(&line, "time to first token, last interval:\tp50");
    add_ms(&line, histogram_quantile(&stats->window_ttft_us, MEDIAN));
    text_add(&line, "\t p95");
    add_ms(&line, histogram_quantile(&stats->window_ttft_us, P95));
    add_broken(text_span(&line), width, text);
}

/* The longest name's, as long as one column and the mark have room beside it. */
static unsigned name_columns_of(const struct fleet *fleet, unsigned width)
{
    unsigned rest = columns[ANSWERED].width + MARK_COLUMNS;
    unsigned most = width > rest + NAME_COLUMNS_MIN ? width - rest : NAME_COLUMNS_MIN;
    size_t longest = NAME_COLUMNS_MIN;
    for (uint16_t r = 0; r < fleet->region_count; r++)
        if (fleet->regions[r].name.n > longest)
            longest = fleet->regions[r].name.n;
    return longest < most ? (unsigned)longest : most;
}

void demo_table_print(struct demo_view *view, unsigned width, struct text *text)
{
    const struct fleet *fleet = view->fleet;
    unsigned name = name_columns_of(fleet, width);
    unsigned room = width > name + MARK_COLUMNS ? width - name - MARK_COLUMNS : 0;
    uint32_t shown = screen_columns_fit(columns, COLUMN_COUNT, room);
    text_add(text, "%-*s", (int)name, "region");
    for (unsigned i = 0; i < COLUMN_COUNT; i++)
        if (shown >> i & 1)
            text_add(text, "%*s", columns[i].width, titles[i]);
    text_add_c(text, '\n');
    for (uint16_t r = 0; r < fleet->region_count; r++) {
        struct span whole = fleet->regions[r].name;
        text_add(text, "%-*.*s", (int)name, (int)(whole.n < name ? whole.n : name), whole.p);
        add_region(view, r, shown, text);
        view->tokens_before[r] = view->stats->region[r].tokens;
    }
    text_add_c(text, '\n');
    add_sums(view, width, text);
    add_bar(view, width, text);
    histogram_init(&view->stats->window_ttft_us);
}

void demo_line_print(const struct demo_view *view, struct text *text)
{
    const struct demo_stats *stats = view->stats;
    text_add(text, "%5.1f s  answered %llu/%llu  in flight %llu  retries %llu  cut %llu  ",
             (double)view->elapsed_us / 1e6, (unsigned long long)stats->answered,
             (unsigned long long)stats->offered, (unsigned long long)view->open_count,
             (unsigned long long)stats->client_retries, (unsigned long long)stats->cut_streams);
    for (uint16_t r = 0; r < view->fleet->region_count; r++)
        text_add(text, "%s%.*s %llu", r ? ", " : "", SPAN_ARG(view->fleet->regions[r].name),
                 (unsigned long long)stats->region[r].answered);
    text_add(text, "%s\n", view->is_down ? "  (one region down)" : "");
}

/* List prices of all machines over the time of the demo, for 1,000 answers. */
static int64_t cost_of_thousand_usd_micro(const struct demo_view *view, bool *ret_is_estimate)
{
    int64_t price_h = 0;
    bool is_estimate = false;
    for (uint16_t r = 0; r < view->fleet->region_count; r++) {
        bool region_is_estimate;
        price_h += demo_price_usd_micro_h(view->fleet, r, &region_is_estimate);
        is_estimate |= region_is_estimate;
    }
    *ret_is_estimate = is_estimate;
    if (view->stats->answered == 0)
        return 0;
    double hours = (double)view->elapsed_us / 3.6e9;
    return (int64_t)((double)price_h * hours / (double)view->stats->answered * 1000);
}

bool demo_is_good(const struct demo_view *view, const char **ret_reason)
{
    const struct demo_stats *stats = view->stats;
    const char *reason = NULL;
    if (stats->failed > 0 || stats->answered != stats->offered)
        reason = "a request was not answered";
    else if (view->kill_region != FLEET_NONE && stats->cut_streams == 0)
        reason = "no stream was cut by the kill, so nothing was shown";
    else if (view->kill_region != FLEET_NONE && !stats->rerouted_at_us)
        reason = "no client of the killed region was answered elsewhere";
    *ret_reason = reason;
    return !reason;
}

/* What stands above the columns of "served by": the names; where those are wider than a terminal,
 * without the provider; and where that is too wide too, their last letters. */
static struct span region_title(const struct fleet *fleet, uint16_t region)
{
    size_t whole = ZONE_COLUMNS, local = ZONE_COLUMNS;
    for (uint16_t r = 0; r < fleet->region_count; r++) {
        struct span name = fleet->regions[r].name;
        whole += name.n + 2;
        span_cut(&name, ':');
        local += (name.p ? name.n : fleet->regions[r].name.n) + 2;
    }
    struct span name = fleet->regions[region].name, rest = name;
    if (whole <= TERMINAL_COLUMNS)
        return name;
    span_cut(&rest, ':');
    if (rest.p)
        name = rest;
    if (local <= TERMINAL_COLUMNS || name.n <= NAME_COLUMNS_MIN)
        return name;
    return span_from(name.p + name.n - NAME_COLUMNS_MIN, NAME_COLUMNS_MIN);
}

static int region_columns(const struct fleet *fleet, uint16_t region)
{
    size_t width = region_title(fleet, region).n;
    return (int)(2 + (width < COUNT_COLUMNS ? COUNT_COLUMNS : width));
}

static void print_region_titles(const struct fleet *fleet, struct text *text)
{
    text_add(text, "%*s", ZONE_COLUMNS, "");
    for (uint16_t r = 0; r < fleet->region_count; r++)
        text_add(text, "%*.*s", region_columns(fleet, r), SPAN_ARG(region_title(fleet, r)));
    text_add_c(text, '\n');
}

static void print_zone(const struct demo_view *view, uint16_t z, struct text *text)
{
    const struct demo_zone_stats *zone = &view->stats->zone[z];
    text_add(text, "  %-6.*s", SPAN_ARG(view->fleet->zones[z]));
    const uint32_t quantiles[] = {MEDIAN, P95, P99};
    for (unsigned i = 0; i < COUNT_OF(quantiles); i++)
        add_ms(text, histogram_quantile(&zone->ttft_us, quantiles[i]));
    text_add(text, "  ");
    for (unsigned i = 0; i < COUNT_OF(quantiles); i++)
        add_ms(text, histogram_quantile(&zone->total_us, quantiles[i]));
    for (uint16_t r = 0; r < view->fleet->region_count; r++)
        text_add(text, "%*llu", region_columns(view->fleet, r),
                 (unsigned long long)zone->served_by[r]);
    text_add_c(text, '\n');
}

/* One target of the explanation: what barred it, or what it would have cost. */
static void print_target(const json_t *row, struct text *text)
{
    static const char *const terms[] = {"network", "prefill", "queue",
                                        "decode",  "price",   "penalty"};
    const char *name = json_string_value(json_object_get(row, "target"));
    const char *bar = json_string_value(json_object_get(row, "bar"));
    const json_t *us = json_object_get(row, "terms_us");
    bool is_chosen = json_is_true(json_object_get(row, "chosen"));
    text_add(text, "%c %-30.30s  ", is_chosen ? '>' : ' ', name ? name : "");
    if (bar) {
        text_add(text, "%s\n", bar);
        return;
    }
    text_add_duration_us(text, json_integer_value(json_object_get(us, "total")));
    for (unsigned i = 0; i < COUNT_OF(terms); i++) {
        int64_t term_us = json_integer_value(json_object_get(us, terms[i]));
        if (term_us == 0)
            continue;
        text_add(text, ", %s ", terms[i]);
        text_add_duration_us(text, term_us);
    }
    text_add_c(text, '\n');
}

/* Every target of the explained decision, the chosen one marked. */
static void print_decision(const struct demo_view *view, struct text *text)
{
    json_t *root = json_loadb(view->explanation.p, view->explanation.n, 0, NULL);
    const json_t *rows = json_object_get(root, "targets");
    size_t i;
    const json_t *row;
    if (json_array_size(rows))
        text_add(text, "\none decision while the region was down (all of it in the JSON report)\n");
    json_array_foreach(rows, i, row)
    {
        print_target(row, text);
    }
    decision_note(root, text);
    json_decref(root);
}

void demo_report_print(const struct demo_view *view, struct text *text)
{
    const struct demo_stats *stats = view->stats;
    const struct fleet *fleet = view->fleet;
    bool is_estimate;
    int64_t cost = cost_of_thousand_usd_micro(view, &is_estimate);
    text_add(text, "\n%llu requests offered, %llu answered, %llu failed\n",
             (unsigned long long)stats->offered, (unsigned long long)stats->answered,
             (unsigned long long)stats->failed);
    text_add(text, "%llu client %s, %llu at another region's gateway\n",
             (unsigned long long)stats->client_retries,
             stats->client_retries == 1 ? "retry" : "retries",
             (unsigned long long)stats->other_region);
    if (view->kill_region != FLEET_NONE) {
        text_add(text,
                 "%.*s was killed with %u stream%s open: %llu cut in all (%llu told so by an error "
                 "event)\n",
                 SPAN_ARG(fleet->regions[view->kill_region].name),
                 PLURAL(stats->streams_open_at_kill), (unsigned long long)stats->cut_streams,
                 (unsigned long long)stats->typed_errors);
        if (stats->rerouted_at_us)
            text_add(text, "first rerouted answer whole %lld ms after the kill\n",
                     (long long)((stats->rerouted_at_us - stats->killed_at_us) / 1000));
    }
    text_add(text, "\n  %-6s%24s  %24s  served by\n", "zone", "first token p50/p95/p99",
             "answer p50/p95/p99");
    print_region_titles(fleet, text);
    for (uint16_t z = 0; z < fleet->zone_count; z++)
        print_zone(view, z, text);
    text_add(text,
             "\n%llu prompt tokens, %llu of them found in a prefix cache; %llu tokens written\n",
             (unsigned long long)stats->prompt_tokens, (unsigned long long)stats->cached_tokens,
             (unsigned long long)stats->output_tokens);
    text_add(text, "%u prompt%s and %u answer%s clipped to the model's context\n",
             PLURAL(view->plan->clipped_contexts), PLURAL(view->plan->clipped_outputs));
    text_add(text, "cost per 1,000 requests at this load: ");
    add_price(text, cost, is_estimate);
    text_add(text, " at list prices of the machines%s\n", is_estimate ? " (~ an estimate)" : "");
    print_decision(view, text);
}

static void json_quantiles(struct text *json, const char *key, const struct histogram *histogram)
{
    const struct {
        const char *name;
        uint32_t per_million;
    } rows[] = {{"p50_ms", MEDIAN}, {"p95_ms", P95}, {"p99_ms", P99}};
    text_json_key(json, key);
    text_json_object(json);
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        text_json_key(json, rows[i].name);
        text_json_double(json, (double)histogram_quantile(histogram, rows[i].per_million) / 1000);
    }
    text_json_key(json, "count");
    text_json_u64(json, histogram->count);
    text_json_end(json);
}

static void json_number(struct text *json, const char *key, uint64_t value)
{
    text_json_key(json, key);
    text_json_u64(json, value);
}

static void json_zones(const struct demo_view *view, struct text *json)
{
    text_json_key(json, "zones");
    text_json_array(json);
    for (uint16_t z = 0; z < view->fleet->zone_count; z++) {
        const struct demo_zone_stats *zone = &view->stats->zone[z];
        text_json_object(json);
        text_json_key(json, "zone");
        text_json_span(json, view->fleet->zones[z]);
        json_quantiles(json, "ttft", &zone->ttft_us);
        json_quantiles(json, "total", &zone->total_us);
        text_json_key(json, "served_by");
        text_json_object(json);
        for (uint16_t r = 0; r < view->fleet->region_count; r++) {
            char name[LIMIT_NAME + 1];
            struct text key;
            text_init(&key, name, sizeof name);
            text_add_span(&key, view->fleet->regions[r].name);
            json_number(json, name, zone->served_by[r]);
        }
        text_json_end(json);
        text_json_end(json);
    }
    text_json_end(json);
}

static void json_kill(const struct demo_view *view, struct text *json)
{
    const struct demo_stats *stats = view->stats;
    text_json_key(json, "kill");
    if (view->kill_region == FLEET_NONE) {
        text_json_null(json);
        return;
    }
    text_json_object(json);
    text_json_key(json, "region");
    text_json_span(json, view->fleet->regions[view->kill_region].name);
    json_number(json, "streams_open", stats->streams_open_at_kill);
    text_json_key(json, "first_rerouted_answer_ms");
    if (stats->rerouted_at_us)
        text_json_double(json, (double)(stats->rerouted_at_us - stats->killed_at_us) / 1000);
    else
        text_json_null(json);
    text_json_end(json);
}

void demo_report_json(const struct demo_view *view, struct text *json)
{
    const struct demo_stats *stats = view->stats;
    const char *reason;
    bool is_estimate;
    text_json_object(json);
    text_json_key(json, "good");
    text_json_bool(json, demo_is_good(view, &reason));
    text_json_key(json, "reason");
    text_json_str(json, reason);
    text_json_key(json, "engine");
    text_json_str(json, view->is_echo ? "echo" : "llama");
    text_json_key(json, "seconds");
    text_json_double(json, (double)view->elapsed_us / 1e6);
    json_number(json, "offered", stats->offered);
    json_number(json, "answered", stats->answered);
    json_number(json, "client_retries", stats->client_retries);
    json_number(json, "other_region", stats->other_region);
    json_number(json, "failed", stats->failed);
    json_number(json, "cut_streams", stats->cut_streams);
    json_number(json, "cut_with_error_event", stats->typed_errors);
    json_kill(view, json);
    json_zones(view, json);
    json_number(json, "prompt_tokens", stats->prompt_tokens);
    json_number(json, "prefix_tokens_reused", stats->cached_tokens);
    json_number(json, "output_tokens", stats->output_tokens);
    json_number(json, "clipped_contexts", view->plan->clipped_contexts);
    json_number(json, "clipped_outputs", view->plan->clipped_outputs);
    text_json_key(json, "context_scale");
    text_json_double(json, view->plan->context_scale);
    text_json_key(json, "output_scale");
    text_json_double(json, view->plan->output_scale);
    text_json_key(json, "cost_usd_per_1000_requests");
    text_json_micro(json, cost_of_thousand_usd_micro(view, &is_estimate));
    text_json_key(json, "cost_is_estimate");
    text_json_bool(json, is_estimate);
    text_json_key(json, "last_failure_seen");
    text_json_str(json, stats->last_failure);
    text_json_key(json, "decision");
    if (view->explanation.n)
        text_json_raw(json, view->explanation);
    else
        text_json_null(json);
    text_json_end(json);
}
