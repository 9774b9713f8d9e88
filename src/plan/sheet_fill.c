#include "plan/sheet_fill.h"

#include <math.h>

#include "base/check.h"
#include "plan/lp.h"

struct filler {
    const struct plan_formulation *made;
    const struct plan_problem *problem;
    const struct plan_answer *answer;
    const struct plan_sheet *running;
    struct arena *arena;
    struct plan_sheet *sheet;
    uint32_t *machines_max; /* of each replica */
    struct span *buckets;   /* of each demand: its size in words */
};

/* Replicas --------------------------------------------------------------------------------- */

/* Shell sort, with the numbers that go along. */
static void sort_replicas(struct filler *filler)
{
    struct plan_sheet_replica *rows = filler->sheet->replicas;
    uint32_t count = filler->sheet->replica_count;
    for (uint32_t gap = count / 2; gap > 0; gap /= 2)
        for (uint32_t i = gap; i < count; i++) {
            struct plan_sheet_replica row = rows[i];
            uint32_t most = filler->machines_max[i], j = i;
            for (; j >= gap && plan_sheet_compare(&rows[j - gap], &row) > 0; j -= gap) {
                rows[j] = rows[j - gap];
                filler->machines_max[j] = filler->machines_max[j - gap];
            }
            rows[j] = row;
            filler->machines_max[j] = most;
        }
}

static void add_replica(struct filler *filler, uint32_t c)
{
    const struct plan_column *column = &filler->problem->columns[c];
    const struct plan_column_origin *origin = &filler->made->columns[c];
    const struct plan_speed *speed = &filler->made->speeds[origin->speed];
    uint32_t service = filler->problem->nodes[column->node].service;
    uint32_t at = filler->sheet->replica_count++;
    filler->machines_max[at] = origin->stock * speed->machines;
    filler->sheet->replicas[at] = (struct plan_sheet_replica){
        .service = filler->problem->services[service].name,
        .region = plan_wish_place_name(filler->made->wish, origin->place),
        .sku = filler->problem->skus[column->sku],
        .market = span_of(plan_market_name((enum plan_market)column->market)),
        .count = filler->answer->counts[c],
        .running = column->running,
        .machines = speed->machines,
        .tensor_parallel = speed->tensor_parallel,
        .usd_h = origin->usd_h,
        .is_estimate = origin->is_estimate};
}

/* Those of the running plan that no column stands for any more: they stop. */
static void add_gone(struct filler *filler)
{
    for (uint32_t i = 0; filler->running && i < filler->running->replica_count; i++) {
        struct plan_sheet_replica row = filler->running->replicas[i];
        bool is_known = row.count == 0;
        for (uint32_t c = 0; c < filler->problem->column_count && !is_known; c++)
            is_known = plan_column_is(filler->made, c, &row);
        if (is_known)
            continue;
        row.running = row.count;
        row.count = 0;
        filler->machines_max[filler->sheet->replica_count] = row.running * row.machines;
        filler->sheet->replicas[filler->sheet->replica_count++] = row;
    }
}

static bool fill_replicas(struct filler *filler)
{
    const struct plan_problem *problem = filler->problem;
    uint32_t most = filler->running ? filler->running->replica_count : 0;
    for (uint32_t c = 0; c < problem->column_count; c++)
        most += filler->answer->counts[c] > 0 || problem->columns[c].running > 0;
    filler->sheet->replicas = ARENA_ARRAY(filler->arena, struct plan_sheet_replica, most + 1);
    filler->machines_max = ARENA_ARRAY(filler->arena, uint32_t, most + 1);
    if (!filler->sheet->replicas || !filler->machines_max)
        return false;
    for (uint32_t c = 0; c < problem->column_count; c++)
        if (filler->answer->counts[c] > 0 || problem->columns[c].running > 0)
            add_replica(filler, c);
    add_gone(filler);
    sort_replicas(filler);
    return true;
}

/* Flows ------------------------------------------------------------------------------------ */

static bool name_buckets(struct filler *filler)
{
    const struct plan_problem *problem = filler->problem;
    filler->buckets = ARENA_ARRAY(filler->arena, struct span, problem->demand_count + 1);
    for (uint32_t d = 0; filler->buckets && d < problem->demand_count; d++) {
        char buffer[64] = "";
        struct text text;
        text_init(&text, buffer, sizeof buffer);
        const struct plan_wish_service *wish =
            &filler->made->wish->services[problem->demands[d].service];
        uint32_t prompt = wish->buckets[filler->made->demands[d].bucket].prompt;
        if (prompt > 0)
            text_add(&text, "prompt to %u tokens", prompt);
        filler->buckets[d] = arena_copy(filler->arena, text_span(&text));
    }
    return filler->buckets && !filler->arena->is_overflown;
}

static double latency_of(const struct plan_demand *demand, uint32_t node)
{
    for (uint32_t i = 0; i < demand->node_count; i++)
        if (demand->nodes[i] == node)
            return (double)demand->latencies_ms[i];
    return (double)NAN;
}

/* Requests per second of a demand as wished, free of the programme's rounding. */
static double requests_of(const struct filler *filler, uint32_t d)
{
    const struct plan_demand_origin *origin = &filler->made->demands[d];
    const struct plan_wish_service *wish =
        &filler->made->wish->services[filler->problem->demands[d].service];
    return wish->rates[origin->client] * wish->buckets[origin->bucket].share;
}

/* One flow as many rows as its node has machine types, in the shares of their speed. */
static void add_flow(struct filler *filler, const struct plan_flow *flow)
{
    const struct plan_problem *problem = filler->problem;
    const struct plan_demand *demand = &problem->demands[flow->demand];
    const struct plan_node *node = &problem->nodes[flow->node];
    double speed = 0;
    for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
        speed += (double)problem->columns[c].speed * filler->answer->counts[c];
    uint32_t first = filler->sheet->flow_count;
    for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++) {
        double part = (double)problem->columns[c].speed * filler->answer->counts[c] / speed;
        struct span sku = problem->skus[problem->columns[c].sku];
        if (filler->answer->counts[c] == 0)
            continue;
        uint32_t at = first;
        while (at < filler->sheet->flow_count && !span_is_equal(filler->sheet->flows[at].sku, sku))
            at++;
        struct plan_sheet_flow *row = &filler->sheet->flows[at];
        if (at == filler->sheet->flow_count) {
            filler->sheet->flow_count++;
            *row = (struct plan_sheet_flow){.service = problem->services[node->service].name,
                                            .zone = problem->zones[demand->zone],
                                            .bucket = filler->buckets[flow->demand],
                                            .region = problem->regions[node->region].name,
                                            .sku = sku,
                                            .latency_ms = latency_of(demand, flow->node)};
        }
        double share = part * (double)flow->rate / (double)demand->rate;
        row->share += share;
        row->rate += share * requests_of(filler, flow->demand);
    }
}

static bool fill_flows(struct filler *filler)
{
    const struct plan_problem *problem = filler->problem;
    uint32_t most = 0;
    for (uint32_t i = 0; i < filler->answer->flow_count; i++)
        most += problem->nodes[filler->answer->flows[i].node].column_count;
    filler->sheet->flows = ARENA_ARRAY(filler->arena, struct plan_sheet_flow, most + 1);
    filler->sheet->misses =
        ARENA_ARRAY(filler->arena, struct plan_sheet_miss, filler->answer->flow_count + 1);
    if (!filler->sheet->flows || !filler->sheet->misses)
        return false;
    for (uint32_t i = 0; i < filler->answer->flow_count; i++)
        add_flow(filler, &filler->answer->flows[i]);
    return true;
}

static void fill_misses(struct filler *filler)
{
    const struct plan_problem *problem = filler->problem;
    for (uint32_t i = 0; i < filler->answer->flow_count; i++) {
        const struct plan_flow *flow = &filler->answer->flows[i];
        const struct plan_demand *demand = &problem->demands[flow->demand];
        const struct plan_wish_service *wish = &filler->made->wish->services[demand->service];
        double latency = latency_of(demand, flow->node), all = 0;
        if (latency <= wish->ttft_ms)
            continue;
        for (uint32_t c = 0; c < filler->made->wish->catalog->client_count; c++)
            all += wish->rates[c];
        filler->sheet->misses[filler->sheet->miss_count++] =
            (struct plan_sheet_miss){.service = wish->name,
                                     .zone = problem->zones[demand->zone],
                                     .bucket = filler->buckets[flow->demand],
                                     .share = (double)flow->rate / (double)demand->rate *
                                              requests_of(filler, flow->demand) / all,
                                     .latency_ms = latency};
    }
}

/* Rules ------------------------------------------------------------------------------------ */

/* No room for one replica more, or less, of any of its columns. */
static bool is_binding(const struct filler *filler, const struct plan_row *row)
{
    double activity = 0, least = INFINITY;
    for (uint32_t i = 0; i < row->term_count; i++) {
        double factor = row->terms[i].factor;
        activity += factor * filler->answer->counts[row->terms[i].column];
        least = fabs(factor) < least ? fabs(factor) : least;
    }
    double room = 1e-9 * (1 + fabs(activity));
    bool has_upper = row->upper<PLAN_LP_INFINITY, has_lower = row->lower> - PLAN_LP_INFINITY;
    return (has_upper && row->upper - activity < least - room) ||
           (has_lower && activity - row->lower < least - room);
}

/* Stock that only one column draws on is no row. */
static bool is_out_of_stock(const struct filler *filler, uint32_t c)
{
    const struct plan_column *column = &filler->problem->columns[c];
    return filler->answer->counts[c] == filler->made->columns[c].stock && column->count_max > 0;
}

static struct span stock_name(const struct filler *filler, uint32_t c)
{
    const struct plan_column *column = &filler->problem->columns[c];
    enum plan_market market = (enum plan_market)column->market;
    char buffer[256];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    struct span place = plan_wish_place_name(filler->made->wish, filler->made->columns[c].place);
    text_add(&text, "stock of %.*s in %.*s%s%s", SPAN_ARG(filler->problem->skus[column->sku]),
             SPAN_ARG(place), market == PLAN_ON_DEMAND ? "" : ", ",
             market == PLAN_ON_DEMAND ? "" : plan_market_name(market));
    return arena_copy(filler->arena, text_span(&text));
}

static bool fill_rules(struct filler *filler)
{
    const struct plan_problem *problem = filler->problem;
    uint32_t most = problem->row_count;
    for (uint32_t c = 0; c < problem->column_count; c++)
        most += is_out_of_stock(filler, c);
    struct plan_sheet_rule *rules = ARENA_ARRAY(filler->arena, struct plan_sheet_rule, most + 1);
    filler->sheet->rules = rules;
    if (!rules)
        return false;
    uint32_t count = 0;
    for (uint32_t r = 0; r < problem->row_count; r++)
        rules[count++] = (struct plan_sheet_rule){
            problem->rows[r].name, is_binding(filler, &problem->rows[r]), (double)NAN};
    for (uint32_t c = 0; c < problem->column_count; c++) {
        struct span name = {NULL, 0};
        bool is_row = !is_out_of_stock(filler, c);
        if (!is_row)
            name = stock_name(filler, c);
        for (uint32_t r = 0; r < count && !is_row; r++)
            is_row = span_is_equal(rules[r].rule, name);
        if (!is_row)
            rules[count++] = (struct plan_sheet_rule){name, true, (double)NAN};
    }
    filler->sheet->rule_count = count;
    return !filler->arena->is_overflown;
}

/* Figures ---------------------------------------------------------------------------------- */

static void fill_costs(struct filler *filler)
{
    const struct plan_problem *problem = filler->problem;
    struct plan_sheet_costs *costs = &filler->sheet->costs;
    double carbon = 0;
    for (uint32_t v = 0; v < problem->node_count; v++) {
        const struct plan_node *node = &problem->nodes[v];
        uint32_t open = 0;
        for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++) {
            const struct plan_column *column = &problem->columns[c];
            uint32_t count = filler->answer->counts[c];
            costs->machines += count * filler->made->columns[c].usd_h;
            costs->carbon += count * filler->made->columns[c].usd_carbon;
            costs->moves += count > column->running
                                ? column->start_usd_h * (count - column->running)
                                : column->stop_usd_h * (column->running - count);
            carbon += count * column->kg_co2_h;
            open += count;
        }
        costs->sites += open > 0 ? node->open_usd_h : 0;
    }
    for (uint32_t i = 0; i < filler->answer->flow_count; i++)
        costs->egress += 3600e-6 * (double)filler->answer->flows[i].rate *
                         problem->nodes[filler->answer->flows[i].node].egress_usd;
    filler->sheet->carbon_kg_h = carbon;
    filler->sheet->egress_usd_h = costs->egress;
    costs->unmet = filler->answer->cost_usd_h - costs->machines - costs->sites - costs->egress -
                   costs->carbon - costs->moves;
    if (fabs(costs->unmet) < 1e-6 * (1 + fabs(filler->answer->cost_usd_h)))
        costs->unmet = 0;
}

bool plan_sheet_fill(const struct plan_formulation *made, const struct plan_result *result,
                     const struct plan_sheet *running, struct arena *arena,
                     struct plan_sheet *ret_sheet)
{
    static const char *const stops[] = {[PLAN_STOP_GAP] = "gap",
                                        [PLAN_STOP_WORK] = "work",
                                        [PLAN_STOP_TIME] = "time",
                                        [PLAN_STOP_DONE] = "done"};
    CHECK(result->status == PLAN_OPTIMAL || result->status == PLAN_FEASIBLE);
    struct plan_sheet sheet = {.status =
                                   span_of(result->status == PLAN_OPTIMAL ? "optimal" : "feasible"),
                               .stopped_by = span_of(stops[result->stop]),
                               .cost_usd_h = result->answer.cost_usd_h,
                               .bound_usd_h = result->bound_usd_h};
    if (sheet.cost_usd_h > 0)
        sheet.gap = (sheet.cost_usd_h - sheet.bound_usd_h) / sheet.cost_usd_h;
    struct filler filler = {.made = made,
                            .problem = &made->problem,
                            .answer = &result->answer,
                            .running = running,
                            .arena = arena,
                            .sheet = &sheet};
    if (!fill_replicas(&filler) || !name_buckets(&filler) || !fill_flows(&filler))
        return false;
    fill_misses(&filler);
    fill_costs(&filler);
    if (!fill_rules(&filler) || !plan_sheet_order(&sheet, filler.machines_max, arena))
        return false;
    *ret_sheet = sheet;
    return true;
}
