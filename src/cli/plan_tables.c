#include "cli/plan_tables.h"

#include <math.h>

#include "base/check.h"
#include "plan/again.h"

enum { RULES_SHOWN = 20, MISSES_SHOWN = 12, LATENCY_COLUMNS = 3, WHAT_COLUMNS = 30 };

static const char *how(struct span market)
{
    return span_is(market, "on_demand") ? "on demand"
           : span_is(market, "spot")    ? "spot"
           : span_is(market, "own")     ? "own"
                                        : "reserved";
}

static void add_money(struct text *text, double usd_h, bool is_estimate, int width)
{
    char buffer[48];
    struct text number;
    text_init(&number, buffer, sizeof buffer);
    text_add(&number, "%s%.2f", is_estimate ? "~" : "", usd_h);
    text_add(text, "%*s", width, buffer);
}

static int widest(const struct plan_sheet *sheet, struct span (*get)(const void *), int least)
{
    size_t width = (size_t)least;
    for (uint32_t i = 0; i < sheet->replica_count; i++) {
        size_t n = get(&sheet->replicas[i]).n;
        width = n > width ? n : width;
    }
    return (int)width;
}

static struct span service_of(const void *row)
{
    return ((const struct plan_sheet_replica *)row)->service;
}

static struct span region_of(const void *row)
{
    return ((const struct plan_sheet_replica *)row)->region;
}

static struct span sku_of(const void *row)
{
    return ((const struct plan_sheet_replica *)row)->sku;
}

static void add_cell(struct text *text, struct span s, int width)
{
    text_add_span(text, s);
    for (int n = (int)s.n; n < width + 2; n++)
        text_add_c(text, ' ');
}

static void add_change(struct text *text, const struct plan_sheet_replica *replica)
{
    if (replica->count > replica->running)
        text_add(text, "  +%u", replica->count - replica->running);
    else if (replica->count < replica->running)
        text_add(text, "  -%u", replica->running - replica->count);
}

static void print_replicas(const struct plan_sheet *sheet, struct text *text)
{
    int service = widest(sheet, service_of, 7), region = widest(sheet, region_of, 6);
    int sku = widest(sheet, sku_of, 7);
    bool has_running = false;
    for (uint32_t i = 0; i < sheet->replica_count; i++)
        has_running = has_running || sheet->replicas[i].running > 0;
    add_cell(text, SPAN_LITERAL("service"), service);
    add_cell(text, SPAN_LITERAL("region"), region);
    add_cell(text, SPAN_LITERAL("machine"), sku);
    text_add(text, "%4s  %-10s%5s%12s%s\n", "TP", "how", "count", "$/h",
             has_running ? "  change" : "");
    for (uint32_t i = 0; i < sheet->replica_count; i++) {
        const struct plan_sheet_replica *replica = &sheet->replicas[i];
        char way[16] = "";
        struct text ways;
        text_init(&ways, way, sizeof way);
        if (replica->tensor_parallel > 0)
            text_add(&ways, "x%u", replica->tensor_parallel);
        add_cell(text, replica->service, service);
        add_cell(text, replica->region, region);
        add_cell(text, replica->sku, sku);
        text_add(text, "%4s  %-10s%5u", way, how(replica->market), replica->count);
        add_money(text, replica->count * replica->usd_h, replica->is_estimate, 12);
        if (has_running)
            add_change(text, replica);
        text_add_c(text, '\n');
    }
}

/* Sums over the replicas with the same service, or region: the first of each prints its group. */
static void print_sums(const struct plan_sheet *sheet, struct span (*get)(const void *),
                       const char *title, struct text *text)
{
    int width = widest(sheet, get, (int)span_of(title).n);
    add_cell(text, span_of(title), width);
    text_add(text, "%8s%12s\n", "replicas", "$/h");
    for (uint32_t i = 0; i < sheet->replica_count; i++) {
        struct span name = get(&sheet->replicas[i]);
        bool is_first = true, is_estimate = false;
        for (uint32_t j = 0; j < i && is_first; j++)
            is_first = !span_is_equal(get(&sheet->replicas[j]), name);
        if (!is_first)
            continue;
        uint64_t count = 0;
        double usd_h = 0;
        for (uint32_t j = i; j < sheet->replica_count; j++) {
            const struct plan_sheet_replica *replica = &sheet->replicas[j];
            if (!span_is_equal(get(replica), name) || replica->count == 0)
                continue;
            count += replica->count;
            usd_h += replica->count * replica->usd_h;
            is_estimate = is_estimate || replica->is_estimate;
        }
        add_cell(text, name, width);
        text_add(text, "%8llu", (unsigned long long)count);
        add_money(text, usd_h, is_estimate, 12);
        text_add_c(text, '\n');
    }
}

static void print_items(const struct plan_sheet *sheet, struct text *text)
{
    const struct {
        const char *name;
        double usd_h;
    } items[] = {{"machines", sheet->costs.machines}, {"open sites", sheet->costs.sites},
                 {"traffic", sheet->costs.egress},    {"CO2", sheet->costs.carbon},
                 {"moves", sheet->costs.moves},       {"unmet requests", sheet->costs.unmet}};
    text_add(text, "%-16s%10s\n", "item", "$/h");
    for (size_t i = 0; i < COUNT_OF(items); i++)
        if (i == 0 || items[i].usd_h != 0)
            text_add(text, "%-16s%10.2f\n", items[i].name, items[i].usd_h);
}

static void print_rules(const struct plan_sheet *sheet, struct text *text)
{
    uint32_t shown = 0;
    for (uint32_t i = 0; i < sheet->rule_count; i++) {
        if (!sheet->rules[i].is_binding)
            continue;
        if (shown == 0)
            text_add(text, "\nrules that bind\n");
        if (shown++ < RULES_SHOWN)
            text_add(text, "  %.*s\n", SPAN_ARG(sheet->rules[i].rule));
    }
    if (shown > RULES_SHOWN)
        text_add(text, "  and %u more\n", shown - RULES_SHOWN);
}

static void print_misses(const struct plan_sheet *sheet, struct text *text)
{
    double share = 0;
    for (uint32_t i = 0; i < sheet->miss_count; i++)
        share += sheet->misses[i].share;
    if (sheet->miss_count == 0)
        return;
    text_add(text, "\nlater than promised, as the percentile allows: %.2f %% of the requests\n",
             100 * share);
    for (uint32_t i = 0; i < sheet->miss_count && i < MISSES_SHOWN; i++) {
        const struct plan_sheet_miss *miss = &sheet->misses[i];
        text_add(text, "  %.*s, %.*s, %.*s: %.3f %%, %.0f ms\n", SPAN_ARG(miss->service),
                 SPAN_ARG(miss->zone), SPAN_ARG(miss->bucket), 100 * miss->share, miss->latency_ms);
    }
    if (sheet->miss_count > MISSES_SHOWN)
        text_add(text, "  and %u more (--json has all)\n", sheet->miss_count - MISSES_SHOWN);
}

/* Requests of each service by how long its flows take: mean and longest. */
static void print_latencies(const struct plan_sheet *sheet, struct text *text)
{
    text_add(text, "\nrequests\n");
    for (uint32_t i = 0; i < sheet->flow_count; i++) {
        struct span name = sheet->flows[i].service;
        bool is_first = true;
        for (uint32_t j = 0; j < i && is_first; j++)
            is_first = !span_is_equal(sheet->flows[j].service, name);
        if (!is_first)
            continue;
        double rate = 0, sum = 0, longest = 0;
        for (uint32_t j = i; j < sheet->flow_count; j++) {
            const struct plan_sheet_flow *flow = &sheet->flows[j];
            if (!span_is_equal(flow->service, name))
                continue;
            rate += flow->rate;
            sum += flow->rate * flow->latency_ms;
            longest = flow->latency_ms > longest ? flow->latency_ms : longest;
        }
        text_add(text, "  %.*s: %.4g/s, first token after %.0f ms on average, %.0f ms at most\n",
                 SPAN_ARG(name), rate, sum / rate, longest);
    }
}

static void print_shadows(const struct plan_sheet *sheet, struct text *text)
{
    if (sheet->shadow_count > 0)
        text_add(text, "\nwhy it costs that: each rule looser alone, and planned again\n");
    for (uint32_t i = 0; i < sheet->shadow_count; i++)
        text_add(text, "  %.*s\n", SPAN_ARG(sheet->shadows[i].sentence));
    if (sheet->shadows_left > 0)
        text_add(text, "  %u rules more that bind were not looked at\n", sheet->shadows_left);
}

/* What ifs --------------------------------------------------------------------------------- */

static void add_signed(struct text *text, double usd_h)
{
    text_add(text, "%s%.2f", usd_h >= 0.005 ? "+" : "", fabs(usd_h) < 0.005 ? 0 : usd_h);
}

/* "+3.10", or "+1.20..+5.00" where the gaps of both plans leave that open. */
static void add_more(struct text *text, const struct plan_sheet_what_if *row)
{
    char buffer[64] = "";
    struct text cell;
    const struct plan_worth worth = {row->more_low_usd_h, row->more_high_usd_h, row->more_usd_h};
    text_init(&cell, buffer, sizeof buffer);
    if (isfinite(row->more_usd_h) && plan_worth_is_sure(&worth)) {
        add_signed(&cell, row->more_usd_h);
    } else if (isfinite(row->more_usd_h)) {
        add_signed(&cell, row->more_low_usd_h);
        text_add(&cell, "..");
        add_signed(&cell, row->more_high_usd_h);
    }
    text_add(text, "%20s", buffer);
}

static void print_what_if(const struct plan_sheet_what_if *row, struct text *text)
{
    text_add_span(text, row->what);
    for (size_t n = row->what.n; n < WHAT_COLUMNS; n++)
        text_add_c(text, ' ');
    if (row->what.n > WHAT_COLUMNS)
        text_add(text, "\n%*s", (int)WHAT_COLUMNS, "");
    if (isfinite(row->cost_usd_h)) {
        text_add(text, "%11.2f", row->cost_usd_h);
        add_more(text, row);
        text_add(text, "%7.2f %%%8u%9u",
                 100 * (row->cost_usd_h - row->bound_usd_h) / row->cost_usd_h, row->regions,
                 row->replicas);
    } else {
        text_add(text, "%*s", 11 + 20 + 9 + 8 + 9, "");
    }
    text_add(text, "  %.*s\n", SPAN_ARG(row->status));
}

void plan_tables_print_what_ifs(const struct plan_sheet *sheet, struct text *text)
{
    if (sheet->what_if_count == 0)
        return;
    struct plan_outcome base;
    plan_outcome_of(sheet, &base);
    const struct plan_sheet_what_if planned = {.what = SPAN_LITERAL("as planned"),
                                               .status = sheet->status,
                                               .cost_usd_h = sheet->cost_usd_h,
                                               .bound_usd_h = sheet->bound_usd_h,
                                               .more_usd_h = (double)NAN,
                                               .regions = base.regions,
                                               .replicas = base.replicas};
    text_add(text, "\n%-*s%11s%20s%9s%8s%9s  status\n", (int)WHAT_COLUMNS, "what if", "$/h",
             "more, $/h", "gap", "regions", "replicas");
    print_what_if(&planned, text);
    for (uint32_t i = 0; i < sheet->what_if_count; i++)
        print_what_if(&sheet->what_ifs[i], text);
    for (uint32_t i = 0; i < sheet->what_if_count; i++)
        if (sheet->what_ifs[i].why.n > 0)
            text_add(text, "%.*s:\n  %.*s\n", SPAN_ARG(sheet->what_ifs[i].what),
                     SPAN_ARG(sheet->what_ifs[i].why));
}

void plan_tables_print(const struct plan_sheet *sheet, struct text *text)
{
    bool is_estimate = false;
    for (uint32_t i = 0; i < sheet->replica_count; i++)
        is_estimate = is_estimate || sheet->replicas[i].is_estimate;
    text_add(text, "%.*s: %.*s plan", SPAN_ARG(sheet->world), SPAN_ARG(sheet->status));
    if (!span_is(sheet->stopped_by, "done"))
        text_add(text, ", stopped by %.*s", SPAN_ARG(sheet->stopped_by));
    text_add(text, " after %.1f s\n", sheet->seconds);
    text_add(text, "cost %s$%.2f/h, no plan below $%.2f/h (gap %.2f %%), CO2 ~%.1f kg/h\n\n",
             is_estimate ? "~" : "", sheet->cost_usd_h, sheet->bound_usd_h, 100 * sheet->gap,
             sheet->carbon_kg_h);
    print_replicas(sheet, text);
    text_add_c(text, '\n');
    print_sums(sheet, service_of, "service", text);
    text_add_c(text, '\n');
    print_sums(sheet, region_of, "region", text);
    text_add_c(text, '\n');
    print_items(sheet, text);
    print_latencies(sheet, text);
    print_misses(sheet, text);
    print_rules(sheet, text);
    print_shadows(sheet, text);
}
