/* bench_plan_say.c: what `farspan bench plan` prints: a table for eyes, or one JSON object on one
 * line, whose fields docs/planner-bench.md explains. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/check.h"
#include "cli/bench_plan.h"

enum { JSON_BYTES = 8192 };

static const char *const regimes[] = {
    [PLAN_REGIME_SMALL] = "small", [PLAN_REGIME_MIX] = "mix", [PLAN_REGIME_BIG] = "big"};
static const char *const statuses[] = {[PLAN_OPTIMAL] = "optimal",
                                       [PLAN_FEASIBLE] = "feasible",
                                       [PLAN_INFEASIBLE] = "infeasible",
                                       [PLAN_NOTHING_FOUND] = "nothing_found"};
static const char *const stops[] = {[PLAN_STOP_GAP] = "gap",
                                    [PLAN_STOP_WORK] = "work",
                                    [PLAN_STOP_TIME] = "time",
                                    [PLAN_STOP_DONE] = "done"};

const char *bench_plan_regime(enum plan_regime regime)
{
    return regimes[regime];
}

const char *bench_plan_status(enum plan_status status)
{
    return statuses[status];
}

bool bench_plan_has_plan(const struct bench_plan_outcome *outcome)
{
    return outcome->result.answer.counts != NULL;
}

double bench_plan_gap(const struct bench_plan_outcome *outcome)
{
    double cost = outcome->result.answer.cost_usd_h;
    return cost > 0 ? (cost - outcome->result.bound_usd_h) / cost : 0;
}

static uint64_t changed(const struct plan_problem *problem, const struct bench_plan_outcome *before,
                        const struct bench_plan_outcome *after)
{
    uint64_t sum = 0;
    for (uint32_t c = 0; c < problem->column_count; c++) {
        uint32_t old = before->result.answer.counts[c], new = after->result.answer.counts[c];
        sum += old > new ? old - new : new - old;
    }
    return sum;
}

static uint64_t peak_bytes(void)
{
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (uint64_t)usage.ru_maxrss * 1024;
}

/* JSON -------------------------------------------------------------------------------------- */

static void add_u64(struct text *json, const char *key, uint64_t value)
{
    text_json_key(json, key);
    text_json_u64(json, value);
}

static void add_double(struct text *json, const char *key, double value)
{
    text_json_key(json, key);
    text_json_double(json, value);
}

static void add_str(struct text *json, const char *key, const char *value)
{
    text_json_key(json, key);
    text_json_str(json, value);
}

static uint32_t second_sites(const struct plan_problem *problem)
{
    uint32_t count = 0;
    for (uint32_t r = 0; r < problem->region_count; r++)
        count += plan_draw_is_second_site(problem->regions[r].name);
    return count;
}

static void add_problem(struct text *json, const struct bench_plan *bench)
{
    const struct plan_problem *problem = bench->problem;
    add_u64(json, "services", problem->service_count);
    add_u64(json, "regions", problem->region_count);
    add_u64(json, "second_sites", second_sites(problem));
    add_u64(json, "skus", problem->sku_count);
    text_json_key(json, "n1");
    text_json_bool(json, problem->failure_count > 0);
    add_str(json, "regime", regimes[bench->draw.regime]);
    add_double(json, "stock", bench->draw.stock);
    add_u64(json, "seed", bench->draw.seed);
    add_double(json, "load", 1e-6 * problem->services[0].share_ppm);
    add_double(json, "load_lost", 1e-6 * problem->services[0].share_lost_ppm);
    add_u64(json, "columns", problem->column_count);
    add_u64(json, "nodes", problem->node_count);
    add_u64(json, "demands", problem->demand_count);
    add_u64(json, "stock_rows", problem->row_count);
    add_double(json, "draw_seconds", bench->draw_seconds);
    add_double(json, "time_limit_s", 1e-6 * (double)bench->wish.limit_us);
    add_str(json, "clock", bench->wish.is_cpu ? "cpu" : "wall");
}

static void add_outcome(struct text *json, const struct bench_plan_outcome *outcome)
{
    const struct plan_result *result = &outcome->result;
    add_str(json, "status", statuses[result->status]);
    add_str(json, "stopped_by", stops[result->stop]);
    add_double(json, "seconds", outcome->seconds);
    add_double(json, "cpu_seconds", outcome->cpu_seconds);
    add_double(json, "bound_usd_h", result->bound_usd_h);
    add_double(json, "root_usd_h", result->root_usd_h);
    add_u64(json, "work", result->work);
    add_u64(json, "cuts", result->cuts);
    add_u64(json, "tree_nodes", result->nodes);
    add_str(json, "audit", outcome->audit);
    if (!bench_plan_has_plan(outcome))
        return;
    add_double(json, "cost_usd_h", result->answer.cost_usd_h);
    add_double(json, "gap", bench_plan_gap(outcome));
    add_u64(json, "replicas", outcome->replicas);
    add_u64(json, "replicas_service", outcome->replicas_median);
    add_double(json, "sites_service", (double)outcome->sites / outcome->services);
    add_u64(json, "stock_rows_full", outcome->rows_full);
}

static void add_first(struct text *json, const struct bench_plan_outcome *first)
{
    text_json_key(json, "first");
    text_json_object(json);
    add_outcome(json, first);
    text_json_end(json);
}

static void end_json(struct text *json)
{
    add_u64(json, "peak_bytes", peak_bytes());
    text_json_end(json);
    printf("%.*s\n", SPAN_ARG(text_span(json)));
}

static void print_json(const struct bench_plan *bench, const struct bench_plan_outcome *first,
                       const struct bench_plan_outcome *last)
{
    static char room[JSON_BYTES];
    struct text json;
    text_init(&json, room, sizeof room);
    text_json_object(&json);
    add_problem(&json, bench);
    if (last)
        add_outcome(&json, last);
    if (first && bench->wish.shuffle > 0) {
        add_u64(&json, "shuffle", (uint64_t)bench->wish.shuffle);
    } else if (first) {
        add_double(&json, "noise", bench->noise);
        if (last && bench_plan_has_plan(first) && bench_plan_has_plan(last))
            add_u64(&json, "replicas_changed", changed(bench->problem, first, last));
    }
    if (first)
        add_first(&json, first);
    end_json(&json);
}

/* The table --------------------------------------------------------------------------------- */

static void print_outcome(const char *title, const struct bench_plan_outcome *outcome)
{
    const struct plan_result *result = &outcome->result;
    printf("%-8s %s, stopped by %s after %.2f s (%.2f s of CPU)\n", title, statuses[result->status],
           stops[result->stop], outcome->seconds, outcome->cpu_seconds);
    printf("         bound $%.2f/h, without cuts $%.2f/h; %u cuts, %u nodes of the trees\n",
           result->bound_usd_h, result->root_usd_h, result->cuts, result->nodes);
    if (!bench_plan_has_plan(outcome))
        return;
    printf("         cost $%.2f/h, gap %.3f %%\n", result->answer.cost_usd_h,
           100 * bench_plan_gap(outcome));
    printf("         %" PRIu64 " replicas, %u a service (median), %.1f sites a service; %u stocks "
           "used up\n",
           outcome->replicas, outcome->replicas_median, (double)outcome->sites / outcome->services,
           outcome->rows_full);
    printf("         audit: %s\n", outcome->audit);
}

static void print_problem(const struct bench_plan *bench)
{
    const struct plan_problem *problem = bench->problem;
    printf("problem  %u services x %u regions x %u skus, %s, stock x %g, seed %" PRIu64 ", %s\n",
           problem->service_count, problem->region_count, problem->sku_count,
           regimes[bench->draw.regime], bench->draw.stock, bench->draw.seed,
           problem->failure_count ? "any one region may be lost (load 75 %, then 95 %)"
                                  : "no region is lost (load 75 %)");
    printf("         %u columns, %u nodes, %u demands, %u stocks; %u second sites; drawn in %.2f "
           "s\n",
           problem->column_count, problem->node_count, problem->demand_count, problem->row_count,
           second_sites(problem), bench->draw_seconds);
}

static void print_both(const struct bench_plan *bench, const struct bench_plan_outcome *first,
                       const struct bench_plan_outcome *last)
{
    bool is_shuffled = bench->wish.shuffle > 0;
    print_outcome(is_shuffled ? "drawn" : "before", first);
    print_outcome(is_shuffled ? "shuffled" : "re-plan", last);
    if (!bench_plan_has_plan(first) || !bench_plan_has_plan(last))
        return;
    if (is_shuffled)
        printf("         cost x %.6f of the order as drawn\n",
               last->result.answer.cost_usd_h / first->result.answer.cost_usd_h);
    else
        printf("         %" PRIu64 " replicas started or stopped\n",
               changed(bench->problem, first, last));
}

void bench_plan_print(const struct bench_plan *bench, const struct bench_plan_outcome *first,
                      const struct bench_plan_outcome *last)
{
    if (bench->wish.is_json) {
        print_json(bench, first, last);
        return;
    }
    print_problem(bench);
    if (first && last)
        print_both(bench, first, last);
    else if (last)
        print_outcome("plan", last);
    printf("memory   %.0f MiB at most\n", (double)peak_bytes() / (1 << 20));
}

/* Re-plans ---------------------------------------------------------------------------------- */

/* Of sorted figures. */
struct spread {
    double mean, median, p95, max;
};

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct spread spread_of(double *figures, uint32_t count)
{
    struct spread spread = {0, 0, 0, 0};
    if (count == 0)
        return spread;
    qsort(figures, count, sizeof *figures, compare_doubles);
    for (uint32_t i = 0; i < count; i++)
        spread.mean += figures[i] / count;
    spread.median = figures[(count - 1) / 2];
    spread.p95 = figures[(19 * count + 19) / 20 - 1];
    spread.max = figures[count - 1];
    return spread;
}

static void add_spread(struct text *json, const char *key, double *figures, uint32_t count)
{
    struct spread spread = spread_of(figures, count);
    text_json_key(json, key);
    text_json_object(json);
    add_double(json, "mean", spread.mean);
    add_double(json, "median", spread.median);
    add_double(json, "p95", spread.p95);
    add_double(json, "max", spread.max);
    text_json_end(json);
}

static void print_replans_json(const struct bench_plan *bench, struct bench_plan_figures *figures,
                               const struct bench_plan_outcome *first)
{
    static char room[JSON_BYTES];
    struct text json;
    text_init(&json, room, sizeof room);
    text_json_object(&json);
    add_problem(&json, bench);
    add_double(&json, "noise", bench->noise);
    add_double(&json, "move_hours", bench->move_hours);
    add_u64(&json, "replans", figures->count);
    add_u64(&json, "failed", figures->failed);
    text_json_key(&json, "stopped_by");
    text_json_object(&json);
    for (size_t i = 0; i < COUNT_OF(stops); i++)
        add_u64(&json, stops[i], figures->stopped_by[i]);
    text_json_end(&json);
    add_spread(&json, "moved", figures->moved, figures->count);
    add_spread(&json, "started", figures->started, figures->count);
    add_spread(&json, "stopped", figures->stopped, figures->count);
    add_spread(&json, "gap", figures->gaps, figures->count);
    add_spread(&json, "moves_usd_h", figures->moves_usd_h, figures->count);
    add_spread(&json, "cpu_seconds", figures->cpu_seconds, figures->count);
    if (bench->wish.is_fresh) {
        add_u64(&json, "fresh_plans", figures->fresh);
        add_spread(&json, "above_fresh", figures->above, figures->fresh);
    }
    add_first(&json, first);
    end_json(&json);
}

static void print_spread(const char *title, double *figures, uint32_t count, double scale)
{
    struct spread spread = spread_of(figures, count);
    printf("  %-24s %10.3f %10.3f %10.3f %10.3f\n", title, scale * spread.mean,
           scale * spread.median, scale * spread.p95, scale * spread.max);
}

void bench_plan_print_replans(const struct bench_plan *bench, struct bench_plan_figures *figures,
                              const struct bench_plan_outcome *first)
{
    uint32_t n = figures->count;
    if (bench->wish.is_json) {
        print_replans_json(bench, figures, first);
        return;
    }
    print_problem(bench);
    printf("%u re-plans, demand +-%g %%, a start or a stop costs %g h of the price; %u without a "
           "plan\n",
           n, 100 * bench->noise, bench->move_hours, figures->failed);
    printf("stopped by");
    for (size_t i = 0; i < COUNT_OF(stops); i++)
        printf(" %s %u", stops[i], figures->stopped_by[i]);
    printf("\n  %-24s %10s %10s %10s %10s\n", "", "mean", "median", "p95", "most");
    print_spread("replicas moved, %", figures->moved, n, 100);
    print_spread("  started, %", figures->started, n, 100);
    print_spread("  stopped, %", figures->stopped, n, 100);
    print_spread("gap, %", figures->gaps, n, 100);
    print_spread("moves, $/h", figures->moves_usd_h, n, 1);
    print_spread("CPU, s", figures->cpu_seconds, n, 1);
    if (bench->wish.is_fresh)
        print_spread("above a fresh plan, %", figures->above, figures->fresh, 100);
    printf("memory   %.0f MiB at most\n", (double)peak_bytes() / (1 << 20));
}
