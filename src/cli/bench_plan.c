/* bench_plan.c: `farspan bench plan`: one planning problem drawn from the catalogue (plan/draw.h),
 * solved within a time, checked by the independent auditor. bench/plan.py runs it over regimes,
 * sizes and seeds, and prints the bars. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "catalog/load_io.h"
#include "cli/bench.h"
#include "cli/bench_plan.h"
#include "cli/options.h"
#include "os/crew.h"
#include "os/memory.h"
#include "plan/audit.h"
#include "plan/draw_change.h"
#include "plan/mps.h"

enum { ARENA_BYTES = 3 << 29, REPLANS_MAX = 10000 };

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    CHECK(clock_gettime(clock, &now) == 0);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static clockid_t clock_of(const struct bench_plan *bench)
{
    return bench->wish.is_cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
}

static bool is_over(void *context)
{
    const struct bench_plan *bench = context;
    return seconds_of(clock_of(bench)) >= bench->until;
}

int bench_plan_fail(struct bench_plan *bench, const char *what)
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

static int read_wish(struct bench_plan *bench, const struct option_usage *usage)
{
    struct bench_plan_wish *wish = &bench->wish;
    unsigned regime = PLAN_REGIME_SMALL;
    while (regime <= PLAN_REGIME_BIG && strcmp(wish->regime, bench_plan_regime(regime)) != 0)
        regime++;
    if (regime > PLAN_REGIME_BIG)
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
    if (!read_number(wish->move_hours, false, &bench->move_hours))
        return options_refuse(usage, "--move-hours: expected a number of hours, found %s",
                              wish->move_hours);
    return OPTIONS_RUN;
}

static int read_options(struct bench_plan *bench, int argc, char **argv)
{
    struct bench_plan_wish *wish = &bench->wish;
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
        {"--stock", "FACTOR", "of the stock where the relaxation has a plan (1.0)", OPTION_TEXT,
         &wish->stock, 0, 0},
        {"--seed", "N", "another problem of the same kind (1)", OPTION_NUMBER, &wish->seed, 0,
         INT32_MAX},
        {"--time-limit", "TIME", "of the solver (2s); 0: only draw", OPTION_TIME, &wish->limit_us,
         0, 0},
        {"--cpu", NULL, "limits are CPU time: for a machine that others use too", OPTION_FLAG,
         &wish->is_cpu, 0, 0},
        {"--work", "N", "bound the search by counted work (0: no bound)", OPTION_NUMBER,
         &wish->work, 0, INT64_MAX},
        {"--gap", "SHARE", "stop at this gap (0.01%)", OPTION_TEXT, &wish->gap, 0, 0},
        {"--warm", "SHARE", "solve, change each demand by up to this share (5%), and re-plan",
         OPTION_TEXT, &wish->warm, 0, 0},
        {"--first-limit", "TIME", "with --warm: of the plan before (2s)", OPTION_TIME,
         &wish->first_limit_us, 0, 0},
        {"--replans", "N", "solve, then so often: --warm's noise on every demand, and a re-plan",
         OPTION_NUMBER, &wish->replans, 0, REPLANS_MAX},
        {"--move-hours", "H", "of a re-plan: a start or stop costs H hours of the price (1)",
         OPTION_TEXT, &wish->move_hours, 0, 0},
        {"--fresh", NULL, "of a re-plan: also plan from nothing, and compare the costs",
         OPTION_FLAG, &wish->is_fresh, 0, 0},
        {"--shuffle", "N", "solve, then the same problem with its parts in another order",
         OPTION_NUMBER, &wish->shuffle, 0, INT32_MAX},
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
        "(docs/planner-bench.md). `make bench-plan` of the sources measures all of them.",
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

static enum err draw_from(struct bench_plan *bench, const char *folder)
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

static int draw(struct bench_plan *bench)
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
        return bench_plan_fail(bench, "no solver of linear programmes");
    return draw_from(bench, folder) ? bench_plan_fail(bench, "no problem") : 0;
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

static int write_mps(struct bench_plan *bench)
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

static const char *verdict(struct bench_plan *bench, const struct plan_answer *answer,
                           double *ret_moves_usd_h)
{
    static char said[BENCH_PLAN_WHY_BYTES];
    struct text why;
    struct plan_cost cost;
    enum plan_breach breach;
    text_init(&why, said, sizeof said);
    enum err err = plan_answer_audit(bench->problem, answer, &bench->arena, &cost, &breach, &why);
    if (err && why.n == 0)
        text_add(&why, "%s", err_text(err));
    *ret_moves_usd_h = err ? 0 : cost.moves;
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

static void count_plan(const struct plan_problem *problem, struct bench_plan_outcome *outcome)
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

int bench_plan_solve(struct bench_plan *bench, int64_t limit_us, const struct plan_answer *warm,
                     struct bench_plan_outcome *ret_outcome)
{
    struct bench_plan_outcome outcome = {.audit = "none"};
    struct os_crew *hands = os_crew_new();
    if (!hands) {
        text_add(&bench->why, "too little memory");
        return bench_plan_fail(bench, "not solved");
    }
    const struct plan_crew crew = {os_crew_width(hands), os_crew_run, hands};
    const struct plan_limits limits = {.gap = bench->gap,
                                       .work = (uint64_t)bench->wish.work,
                                       .is_over = is_over,
                                       .context = bench,
                                       .crew = &crew};
    double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID), start = seconds_of(CLOCK_MONOTONIC);
    bench->until = (bench->wish.is_cpu ? cpu : start) + 1e-6 * (double)limit_us;
    enum err err = plan_solve(bench->problem, &bench->lp, &limits, warm, &bench->arena,
                              &outcome.result, &bench->why);
    os_crew_free(hands);
    if (err)
        return bench_plan_fail(bench, "not solved");
    outcome.seconds = seconds_of(CLOCK_MONOTONIC) - start;
    outcome.cpu_seconds = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    if (outcome.result.status == PLAN_OPTIMAL || outcome.result.status == PLAN_FEASIBLE) {
        count_plan(bench->problem, &outcome);
        outcome.audit = verdict(bench, &outcome.result.answer, &outcome.moves_usd_h);
    }
    *ret_outcome = outcome;
    return 0;
}

int bench_plan_solve_first(struct bench_plan *bench, struct bench_plan_outcome *ret_first)
{
    uint32_t columns = bench->problem->column_count;
    uint32_t *counts = ARENA_ARRAY(&bench->arena, uint32_t, columns);
    if (!counts) {
        text_add(&bench->why, "too little memory");
        return bench_plan_fail(bench, "no plan to begin with");
    }
    size_t mark = bench->arena.used;
    int status = bench_plan_solve(bench, bench->wish.first_limit_us, NULL, ret_first);
    if (status)
        return status;
    if (bench_plan_has_plan(ret_first)) {
        memcpy(counts, ret_first->result.answer.counts, columns * sizeof *counts);
        ret_first->result.answer = (struct plan_answer){
            .counts = counts, .cost_usd_h = ret_first->result.answer.cost_usd_h};
    }
    arena_reset(&bench->arena, mark);
    return 0;
}

static int run_warm(struct bench_plan *bench)
{
    static struct bench_plan_outcome first, last;
    struct plan_problem *noisy;
    int status = bench_plan_solve_first(bench, &first);
    if (status)
        return status;
    if (plan_draw_noise(bench->problem, bench->noise, bench->draw.seed + BENCH_PLAN_NOISE_SEED,
                        &bench->arena, &noisy)) {
        text_add(&bench->why, "too little memory");
        return bench_plan_fail(bench, "no second problem");
    }
    bench->problem = noisy;
    status = bench_plan_solve(bench, bench->wish.limit_us,
                              bench_plan_has_plan(&first) ? &first.result.answer : NULL, &last);
    if (!status)
        bench_plan_print(bench, &first, &last);
    return status;
}

static int run_shuffled(struct bench_plan *bench)
{
    static struct bench_plan_outcome first, last;
    struct plan_problem *shuffled;
    int status = bench_plan_solve(bench, bench->wish.limit_us, NULL, &first);
    if (status)
        return status;
    if (plan_draw_shuffle(bench->problem, (uint64_t)bench->wish.shuffle, &bench->arena,
                          &shuffled)) {
        text_add(&bench->why, "too little memory");
        return bench_plan_fail(bench, "no other order");
    }
    bench->problem = shuffled;
    status = bench_plan_solve(bench, bench->wish.limit_us, NULL, &last);
    if (!status)
        bench_plan_print(bench, &first, &last);
    return status;
}

static int run(struct bench_plan *bench)
{
    static struct bench_plan_outcome outcome;
    int status = draw(bench);
    if (!status && bench->wish.mps)
        status = write_mps(bench);
    if (status)
        return status;
    if (bench->wish.limit_us == 0 && bench->wish.work == 0) {
        bench_plan_print(bench, NULL, NULL);
        return 0;
    }
    if (bench->wish.replans > 0)
        return bench_plan_run_replans(bench);
    if (bench->noise >= 0)
        return run_warm(bench);
    if (bench->wish.shuffle > 0)
        return run_shuffled(bench);
    status = bench_plan_solve(bench, bench->wish.limit_us, NULL, &outcome);
    if (!status)
        bench_plan_print(bench, NULL, &outcome);
    return status;
}

int bench_plan(int argc, char **argv)
{
    static struct bench_plan bench;
    bench = (struct bench_plan){.wish = {.services = 20,
                                         .regions = 40,
                                         .skus = 6,
                                         .seed = 1,
                                         .limit_us = 2000000,
                                         .first_limit_us = 2000000,
                                         .regime = "mix",
                                         .stock = "1.0",
                                         .gap = "0.01%",
                                         .move_hours = "1"}};
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
