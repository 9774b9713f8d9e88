/* bench_plan.c: `farspan bench plan`: one planning problem drawn from the catalogue (plan/draw.h),
 * solved within a time, checked by the independent auditor. bench/plan.py runs it over regimes,
 * sizes and seeds, and prints the bars. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/check.h"
#include "catalog/load_io.h"
#include "cli/bench.h"
#include "cli/options.h"
#include "os/memory.h"
#include "plan/audit.h"
#include "plan/draw.h"
#include "plan/mps.h"
#include "plan/solve.h"

enum {
    ARENA_BYTES = 1 << 30,
    WHY_BYTES = 512,
    JSON_BYTES = 4096,
    NOISE_SEED = 1000003,
    REPLANS_MAX = 10000
};

/* A replica started or stopped by a re-plan costs this much of its hour. */
#define MOVE_HOURS 1.0

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

struct wish {
    int64_t services, regions, skus, seed, work, replans;
    int64_t limit_us, first_limit_us;
    const char *regime, *stock, *gap, *warm, *catalog, *mps;
    bool is_n1, is_cpu, is_json;
};

/* A solved problem and what is to be said about it. */
struct outcome {
    struct plan_result result;
    double seconds, cpu_seconds;
    const char *audit; /* "ok", "none" without a plan, or what the plan breaks */
    uint32_t services, sites, rows_full, replicas_median;
    uint64_t replicas;
};

struct bench {
    struct wish wish;
    struct plan_draw draw;
    double gap, noise; /* noise: share of --warm; negative without */
    struct arena arena;
    struct plan_lp_api lp;
    const struct plan_problem *problem;
    double draw_seconds, until;
    struct text why;
    char why_bytes[WHY_BYTES];
};

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    CHECK(clock_gettime(clock, &now) == 0);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static clockid_t clock_of(const struct bench *bench)
{
    return bench->wish.is_cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
}

static bool is_over(void *context)
{
    const struct bench *bench = context;
    return seconds_of(clock_of(bench)) >= bench->until;
}

static int fail(struct bench *bench, const char *what)
{
    fprintf(stderr, "farspan bench plan: %s: %.*s\n", what, SPAN_ARG(text_span(&bench->why)));
    return 1;
}

/* The options ------------------------------------------------------------------------------- */

/* "0.5", or with <may_be_percent> "5%". */
static bool read_number(const char *word, bool may_be_percent, double *ret_value)
{
    struct span digits = span_of(word);
    bool is_percent = may_be_percent && digits.n > 1 && digits.p[digits.n - 1] == '%';
    digits.n -= is_percent;
    double value;
    if (!span_to_double(digits, &value) || !(value >= 0 && value <= 1e6))
        return false;
    *ret_value = is_percent ? value / 100 : value;
    return true;
}

static int read_wish(struct bench *bench, const struct option_usage *usage)
{
    struct wish *wish = &bench->wish;
    size_t regime = 0;
    while (regime < COUNT_OF(regimes) && strcmp(wish->regime, regimes[regime]) != 0)
        regime++;
    if (regime == COUNT_OF(regimes))
        return options_refuse(usage, "--regime: expected small, mix or big, found %s",
                              wish->regime);
    bench->draw = (struct plan_draw){.services = (uint32_t)wish->services,
                                     .regions = (uint32_t)wish->regions,
                                     .skus = (uint32_t)wish->skus,
                                     .regime = (enum plan_regime)regime,
                                     .is_n1 = wish->is_n1,
                                     .seed = (uint64_t)wish->seed};
    bench->noise = -1;
    if (!read_number(wish->stock, false, &bench->draw.stock) || bench->draw.stock == 0)
        return options_refuse(usage, "--stock: expected a factor above 0, found %s", wish->stock);
    if (!read_number(wish->gap, true, &bench->gap))
        return options_refuse(usage, "--gap: expected a share such as 1%%, found %s", wish->gap);
    if (wish->replans > 0 && !wish->warm)
        bench->noise = 0.05;
    if (wish->warm && (!read_number(wish->warm, true, &bench->noise) || bench->noise > 0.9))
        return options_refuse(usage, "--warm: expected a share up to 90%%, found %s", wish->warm);
    return OPTIONS_RUN;
}

static int read_options(struct bench *bench, int argc, char **argv)
{
    struct wish *wish = &bench->wish;
    const struct option_row rows[] = {
        {"--services", "N", "1 .. 64 (20)", OPTION_NUMBER, &wish->services, 1,
         PLAN_DRAW_SERVICES_MAX},
        {"--regions", "N", "2 .. 100 (40)", OPTION_NUMBER, &wish->regions, 2,
         PLAN_DRAW_REGIONS_MAX},
        {"--skus", "N", "1 .. 32 (6)", OPTION_NUMBER, &wish->skus, 1, PLAN_DRAW_SKUS_MAX},
        {"--n1", NULL, "the plan survives the loss of any one region", OPTION_FLAG, &wish->is_n1, 0,
         0},
        {"--regime", "NAME", "replicas a service: small, mix (the default) or big", OPTION_TEXT,
         &wish->regime, 0, 0},
        {"--stock", "FACTOR", "of a stock that is surely enough (1.0)", OPTION_TEXT, &wish->stock,
         0, 0},
        {"--seed", "N", "another problem of the same kind (1)", OPTION_NUMBER, &wish->seed, 0,
         INT32_MAX},
        {"--time-limit", "TIME", "of the solver (2s); 0: only draw", OPTION_TIME, &wish->limit_us,
         0, 0},
        {"--cpu", NULL, "limits are CPU time: for a machine that others use too", OPTION_FLAG,
         &wish->is_cpu, 0, 0},
        {"--work", "N", "bound the search by counted work (0: no bound)", OPTION_NUMBER,
         &wish->work, 0, INT64_MAX},
        {"--gap", "SHARE", "stop at this gap (0.01%)", OPTION_TEXT, &wish->gap, 0, 0},
        {"--warm", "SHARE",
         "solve, change every demand by up to this share (5%), and measure the re-plan",
         OPTION_TEXT, &wish->warm, 0, 0},
        {"--first-limit", "TIME", "with --warm: of the plan before (2s)", OPTION_TIME,
         &wish->first_limit_us, 0, 0},
        {"--replans", "N",
         "solve, then N times change every demand by up to --warm's share and plan again from what "
         "runs",
         OPTION_NUMBER, &wish->replans, 0, REPLANS_MAX},
        {"--catalog", "DIR", "CSV files (those of this program)", OPTION_TEXT, &wish->catalog, 0,
         0},
        {"--write-mps", "FILE", "the exact programme, for another solver", OPTION_TEXT, &wish->mps,
         0, 0},
        {"--json", NULL, "one JSON object on one line", OPTION_FLAG, &wish->is_json, 0, 0},
    };
    const struct option_usage usage = {
        "farspan bench plan [--services N] [--regions N] [--skus N] [--n1] [--regime NAME] "
        "[--json] ...",
        "Draws a planning problem from the catalogue's regions, sizes, prices and round-trip\n"
        "times, solves it within a time, and lets the independent checker look at the plan\n"
        "(docs/benchmarks.md). `make bench-plan` of the sources measures all of them.",
        "farspan bench plan --services 20 --regions 40 --skus 6 --n1 --regime mix --seed 1",
        rows,
        COUNT_OF(rows),
        0,
        0};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    return status == OPTIONS_RUN ? read_wish(bench, &usage) : status;
}

/* The problem ------------------------------------------------------------------------------- */

static enum err draw_from(struct bench *bench, const char *folder)
{
    static struct fleet_complaints complaints;
    static char room[CATALOG_FILES * 1024];
    struct catalog *catalog;
    struct plan_problem *problem;
    enum err err = catalog_load_io(folder, &bench->arena, &complaints, &catalog);
    if (err == ERR_VALUE) {
        struct text said;
        text_init(&said, room, sizeof room);
        fleet_complaints_print(&complaints, false, &said);
        fprintf(stderr, "%.*s", SPAN_ARG(text_span(&said)));
        text_add(&bench->why, "the catalogue in %s has mistakes", folder);
    }
    double start = seconds_of(CLOCK_MONOTONIC);
    if (!err)
        err = plan_draw_problem(catalog, &bench->draw, &bench->lp, &bench->arena, &problem,
                                &bench->why);
    bench->problem = err ? NULL : problem;
    bench->draw_seconds = seconds_of(CLOCK_MONOTONIC) - start;
    if (err && bench->why.n == 0)
        text_add(&bench->why, "%s", err_text(err));
    return err;
}

static int draw(struct bench *bench)
{
    char folder[LIMIT_PATH];
    if (bench->wish.catalog)
        snprintf(folder, sizeof folder, "%s", bench->wish.catalog);
    else if (!catalog_default_folder_io(folder)) {
        fprintf(stderr, "farspan bench plan: the catalogue's files are not found; name their "
                        "folder with --catalog\n");
        return 1;
    }
    if (plan_lp_clp_open(&bench->lp, &bench->why))
        return fail(bench, "no solver of linear programmes");
    return draw_from(bench, folder) ? fail(bench, "no problem") : 0;
}

struct mps_file {
    FILE *file;
    bool is_broken;
};

static void write_lines(void *context, struct span lines)
{
    struct mps_file *out = context;
    out->is_broken |= fwrite(lines.p, 1, lines.n, out->file) != lines.n;
}

static int write_mps(struct bench *bench)
{
    struct mps_file out = {.file = fopen(bench->wish.mps, "w")};
    enum err err = out.file ? ERR_OK : ERR_IO;
    if (!err)
        err = plan_mps_write(bench->problem, &bench->arena,
                             &(struct plan_mps_out){write_lines, &out});
    if (out.file && (fclose(out.file) != 0 || out.is_broken))
        err = ERR_IO;
    if (err)
        fprintf(stderr, "farspan bench plan: %s: %s\n", bench->wish.mps, err_text(err));
    return err ? 1 : 0;
}

/* Solving it -------------------------------------------------------------------------------- */

static const char *verdict(struct bench *bench, const struct plan_answer *answer)
{
    static char said[WHY_BYTES];
    struct text why;
    struct plan_cost cost;
    enum plan_breach breach;
    text_init(&why, said, sizeof said);
    enum err err = plan_answer_audit(bench->problem, answer, &bench->arena, &cost, &breach, &why);
    if (err && why.n == 0)
        text_add(&why, "%s", err_text(err));
    return err ? said : "ok";
}

static uint32_t median_of(uint32_t *values, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t j = i; j > 0 && values[j - 1] > values[j]; j--) {
            uint32_t swap = values[j];
            values[j] = values[j - 1];
            values[j - 1] = swap;
        }
    return values[count / 2];
}

static void count_plan(const struct plan_problem *problem, struct outcome *outcome)
{
    const uint32_t *counts = outcome->result.answer.counts;
    uint32_t of_service[PLAN_DRAW_SERVICES_MAX] = {0};
    for (uint32_t v = 0; v < problem->node_count; v++) {
        const struct plan_node *node = &problem->nodes[v];
        uint32_t replicas = 0;
        for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
            replicas += counts[c];
        outcome->sites += replicas > 0;
        outcome->replicas += replicas;
        of_service[node->service] += replicas;
    }
    for (uint32_t r = 0; r < problem->row_count; r++) {
        const struct plan_row *row = &problem->rows[r];
        double taken = 0;
        for (uint32_t i = 0; i < row->term_count; i++)
            taken += counts[row->terms[i].column];
        outcome->rows_full += taken > 0 && taken >= row->upper;
    }
    outcome->services = problem->service_count;
    outcome->replicas_median = median_of(of_service, problem->service_count);
}

static int solve(struct bench *bench, int64_t limit_us, const struct plan_answer *warm,
                 struct outcome *ret_outcome)
{
    struct outcome outcome = {.audit = "none"};
    struct plan_limits limits = {.gap = bench->gap,
                                 .work = (uint64_t)bench->wish.work,
                                 .is_over = is_over,
                                 .context = bench};
    double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID), start = seconds_of(CLOCK_MONOTONIC);
    bench->until = (bench->wish.is_cpu ? cpu : start) + 1e-6 * (double)limit_us;
    if (plan_solve(bench->problem, &bench->lp, &limits, warm, &bench->arena, &outcome.result,
                   &bench->why))
        return fail(bench, "not solved");
    outcome.seconds = seconds_of(CLOCK_MONOTONIC) - start;
    outcome.cpu_seconds = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    if (outcome.result.status == PLAN_OPTIMAL || outcome.result.status == PLAN_FEASIBLE) {
        count_plan(bench->problem, &outcome);
        outcome.audit = verdict(bench, &outcome.result.answer);
    }
    *ret_outcome = outcome;
    return 0;
}

static uint64_t changed(const struct plan_problem *problem, const struct outcome *before,
                        const struct outcome *after)
{
    uint64_t sum = 0;
    for (uint32_t c = 0; c < problem->column_count; c++) {
        uint32_t old = before->result.answer.counts[c], new = after->result.answer.counts[c];
        sum += old > new ? old - new : new - old;
    }
    return sum;
}

/* Saying it --------------------------------------------------------------------------------- */

static bool has_plan(const struct outcome *outcome)
{
    return outcome->result.answer.counts != NULL;
}

static double gap_of(const struct outcome *outcome)
{
    double cost = outcome->result.answer.cost_usd_h;
    return cost > 0 ? (cost - outcome->result.bound_usd_h) / cost : 0;
}

static uint64_t peak_bytes(void)
{
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (uint64_t)usage.ru_maxrss * 1024;
}

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

static void add_problem(struct text *json, const struct bench *bench)
{
    const struct plan_problem *problem = bench->problem;
    add_u64(json, "services", problem->service_count);
    add_u64(json, "regions", problem->region_count);
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
}

static void add_outcome(struct text *json, const struct outcome *outcome)
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
    if (!has_plan(outcome))
        return;
    add_double(json, "cost_usd_h", result->answer.cost_usd_h);
    add_double(json, "gap", gap_of(outcome));
    add_u64(json, "replicas", outcome->replicas);
    add_u64(json, "replicas_service", outcome->replicas_median);
    add_double(json, "sites_service", (double)outcome->sites / outcome->services);
    add_u64(json, "stock_rows_full", outcome->rows_full);
}

static void print_json(const struct bench *bench, const struct outcome *first,
                       const struct outcome *last)
{
    static char room[JSON_BYTES];
    struct text json;
    text_init(&json, room, sizeof room);
    text_json_object(&json);
    add_problem(&json, bench);
    add_double(&json, "time_limit_s", 1e-6 * (double)bench->wish.limit_us);
    add_str(&json, "clock", bench->wish.is_cpu ? "cpu" : "wall");
    if (last)
        add_outcome(&json, last);
    if (first) {
        add_double(&json, "noise", bench->noise);
        if (has_plan(first) && has_plan(last))
            add_u64(&json, "replicas_changed", changed(bench->problem, first, last));
        text_json_key(&json, "first");
        text_json_object(&json);
        add_outcome(&json, first);
        text_json_end(&json);
    }
    add_u64(&json, "peak_bytes", peak_bytes());
    text_json_end(&json);
    printf("%.*s\n", SPAN_ARG(text_span(&json)));
}

static void print_outcome(const char *title, const struct outcome *outcome)
{
    const struct plan_result *result = &outcome->result;
    printf("%-8s %s, stopped by %s after %.2f s (%.2f s of CPU)\n", title, statuses[result->status],
           stops[result->stop], outcome->seconds, outcome->cpu_seconds);
    printf("         bound $%.2f/h, without cuts $%.2f/h; %u cuts, %u nodes of the trees\n",
           result->bound_usd_h, result->root_usd_h, result->cuts, result->nodes);
    if (!has_plan(outcome))
        return;
    printf("         cost $%.2f/h, gap %.3f %%\n", result->answer.cost_usd_h,
           100 * gap_of(outcome));
    printf("         %" PRIu64 " replicas, %u a service (median), %.1f sites a service; %u stocks "
           "used up\n",
           outcome->replicas, outcome->replicas_median, (double)outcome->sites / outcome->services,
           outcome->rows_full);
    printf("         audit: %s\n", outcome->audit);
}

static void print_table(const struct bench *bench, const struct outcome *first,
                        const struct outcome *last)
{
    const struct plan_problem *problem = bench->problem;
    printf("problem  %u services x %u regions x %u skus, %s, stock x %g, seed %" PRIu64 ", %s\n",
           problem->service_count, problem->region_count, problem->sku_count,
           regimes[bench->draw.regime], bench->draw.stock, bench->draw.seed,
           problem->failure_count ? "any one region may be lost (load 75 %, then 95 %)"
                                  : "no region is lost (load 75 %)");
    printf("         %u columns, %u nodes, %u demands, %u stocks; drawn in %.2f s\n",
           problem->column_count, problem->node_count, problem->demand_count, problem->row_count,
           bench->draw_seconds);
    if (first)
        print_outcome("before", first);
    if (last)
        print_outcome(first ? "re-plan" : "plan", last);
    if (first && has_plan(first) && has_plan(last))
        printf("         %" PRIu64 " replicas started or stopped\n", changed(problem, first, last));
    printf("memory   %.0f MiB at most\n", (double)peak_bytes() / (1 << 20));
}

static void print(const struct bench *bench, const struct outcome *first,
                  const struct outcome *last)
{
    if (bench->wish.is_json)
        print_json(bench, first, last);
    else
        print_table(bench, first, last);
}

/* The plan to begin with; only its counts are kept, what the solver took for it is given back. */
static int solve_first(struct bench *bench, struct outcome *ret_first)
{
    uint32_t columns = bench->problem->column_count;
    uint32_t *counts = ARENA_ARRAY(&bench->arena, uint32_t, columns);
    if (!counts) {
        text_add(&bench->why, "too little memory");
        return fail(bench, "no plan to begin with");
    }
    size_t mark = bench->arena.used;
    int status = solve(bench, bench->wish.first_limit_us, NULL, ret_first);
    if (status)
        return status;
    if (has_plan(ret_first)) {
        memcpy(counts, ret_first->result.answer.counts, columns * sizeof *counts);
        ret_first->result.answer = (struct plan_answer){
            .counts = counts, .cost_usd_h = ret_first->result.answer.cost_usd_h};
    }
    arena_reset(&bench->arena, mark);
    return 0;
}

static int run_warm(struct bench *bench)
{
    static struct outcome first, last;
    struct plan_problem *noisy;
    int status = solve_first(bench, &first);
    if (status)
        return status;
    if (plan_draw_noise(bench->problem, bench->noise, bench->draw.seed + NOISE_SEED, &bench->arena,
                        &noisy)) {
        text_add(&bench->why, "too little memory");
        return fail(bench, "no second problem");
    }
    bench->problem = noisy;
    status =
        solve(bench, bench->wish.limit_us, has_plan(&first) ? &first.result.answer : NULL, &last);
    if (!status)
        print(bench, &first, &last);
    return status;
}

/* Re-plans ---------------------------------------------------------------------------------- */

struct replans {
    uint32_t count, failed; /* failed: no plan, or one that the auditor refuses */
    double
        *moved; /* of each re-plan: replicas started, or stopped if those are more; share of all */
    double moved_sum, gap_sum, seconds_sum, cost_sum;
};

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One more from what <ret_counts> says is running; the plan in force stays where none is found. */
static int replan(struct bench *bench, const struct plan_problem *base, uint32_t index,
                  uint32_t *ret_counts, struct replans *replans)
{
    static struct outcome outcome;
    struct plan_problem *noisy, *running;
    size_t mark = bench->arena.used;
    struct plan_answer warm = {.counts = ret_counts};
    if (plan_draw_noise(base, bench->noise, bench->draw.seed + NOISE_SEED + index, &bench->arena,
                        &noisy) ||
        plan_draw_running(noisy, ret_counts, MOVE_HOURS, &bench->arena, &running)) {
        text_add(&bench->why, "too little memory");
        return fail(bench, "no further problem");
    }
    bench->problem = running;
    int status = solve(bench, bench->wish.limit_us, &warm, &outcome);
    bool is_good = !status && strcmp(outcome.audit, "ok") == 0;
    replans->failed += !is_good;
    uint64_t started = 0, stopped = 0;
    for (uint32_t c = 0; is_good && c < base->column_count; c++) {
        uint32_t now = outcome.result.answer.counts[c];
        started += now > ret_counts[c] ? now - ret_counts[c] : 0;
        stopped += now < ret_counts[c] ? ret_counts[c] - now : 0;
        ret_counts[c] = now;
    }
    if (is_good) {
        double moved = (double)(started > stopped ? started : stopped) / (double)outcome.replicas;
        replans->moved[replans->count++] = moved;
        replans->moved_sum += moved;
        replans->gap_sum += gap_of(&outcome);
        replans->seconds_sum += outcome.seconds;
        replans->cost_sum += outcome.result.answer.cost_usd_h;
    }
    arena_reset(&bench->arena, mark);
    return status;
}

static void print_replans(const struct bench *bench, const struct replans *replans,
                          const struct outcome *first)
{
    uint32_t n = replans->count;
    double mean = n ? 1.0 / n : 0, p95 = n ? replans->moved[n - 1 - n / 20] : 0;
    double most = n ? replans->moved[n - 1] : 0, cost = first->result.answer.cost_usd_h;
    if (!bench->wish.is_json) {
        printf("%u re-plans after demand +-%g %%, %u without a plan: %.2f %% of the replicas "
               "moved\n(p95 %.2f %%, most %.2f %%), cost x %.4f, gap %.3f %%, %.3f "
               "s\n",
               n, 100 * bench->noise, replans->failed, 100 * replans->moved_sum * mean, 100 * p95,
               100 * most, replans->cost_sum * mean / cost, 100 * replans->gap_sum * mean,
               replans->seconds_sum * mean);
        return;
    }
    static char room[JSON_BYTES];
    struct text json;
    text_init(&json, room, sizeof room);
    text_json_object(&json);
    add_problem(&json, bench);
    add_double(&json, "noise", bench->noise);
    add_u64(&json, "replans", n);
    add_u64(&json, "failed", replans->failed);
    add_double(&json, "moved_mean", replans->moved_sum * mean);
    add_double(&json, "moved_p95", p95);
    add_double(&json, "moved_max", most);
    add_double(&json, "cost_ratio_mean", replans->cost_sum * mean / cost);
    add_double(&json, "gap_mean", replans->gap_sum * mean);
    add_double(&json, "seconds_mean", replans->seconds_sum * mean);
    add_u64(&json, "peak_bytes", peak_bytes());
    text_json_key(&json, "first");
    text_json_object(&json);
    add_outcome(&json, first);
    text_json_end(&json);
    text_json_end(&json);
    printf("%.*s\n", SPAN_ARG(text_span(&json)));
}

static int run_replans(struct bench *bench)
{
    static struct outcome first;
    const struct plan_problem *base = bench->problem;
    uint32_t count = (uint32_t)bench->wish.replans;
    struct replans replans = {.moved = ARENA_ARRAY(&bench->arena, double, count)};
    int status = replans.moved ? solve_first(bench, &first) : 1;
    if (!status && !has_plan(&first)) {
        text_add(&bench->why, "%s", statuses[first.result.status]);
        status = fail(bench, "no plan to begin with");
    }
    for (uint32_t i = 0; i < count && !status; i++)
        status = replan(bench, base, i, first.result.answer.counts, &replans);
    if (status)
        return status;
    bench->problem = base;
    qsort(replans.moved, replans.count, sizeof *replans.moved, compare_doubles);
    print_replans(bench, &replans, &first);
    return 0;
}

static int run(struct bench *bench)
{
    static struct outcome outcome;
    int status = draw(bench);
    if (!status && bench->wish.mps)
        status = write_mps(bench);
    if (status)
        return status;
    if (bench->wish.limit_us == 0 && bench->wish.work == 0) {
        print(bench, NULL, NULL);
        return 0;
    }
    if (bench->wish.replans > 0)
        return run_replans(bench);
    if (bench->noise >= 0)
        return run_warm(bench);
    status = solve(bench, bench->wish.limit_us, NULL, &outcome);
    if (!status)
        print(bench, NULL, &outcome);
    return status;
}

int bench_plan(int argc, char **argv)
{
    static struct bench bench;
    bench = (struct bench){.wish = {.services = 20,
                                    .regions = 40,
                                    .skus = 6,
                                    .seed = 1,
                                    .limit_us = 2000000,
                                    .first_limit_us = 2000000,
                                    .regime = "mix",
                                    .stock = "1.0",
                                    .gap = "0.01%"}};
    text_init(&bench.why, bench.why_bytes, sizeof bench.why_bytes);
    int status = read_options(&bench, argc, argv);
    if (status != OPTIONS_RUN)
        return status;
    void *memory OS_FREED = os_alloc(ARENA_BYTES);
    if (!memory) {
        fprintf(stderr, "farspan bench plan: the system gave no memory\n");
        return 1;
    }
    arena_init(&bench.arena, memory, ARENA_BYTES);
    return run(&bench);
}
