/* bench_plan.h: what the parts of `farspan bench plan` share: the drawn problem, how it is to be
 * solved, and what came out. bench_plan.c reads the options, draws and solves; bench_plan_replans.c
 * follows a plan through many re-plans; bench_plan_say.c prints. The fields of --json are explained
 * in docs/planner-bench.md. */
#ifndef CLI_BENCH_PLAN_H
#define CLI_BENCH_PLAN_H

#include "plan/draw.h"
#include "plan/solve.h"

enum { BENCH_PLAN_WHY_BYTES = 512, BENCH_PLAN_NOISE_SEED = 1000003 };

struct bench_plan_wish {
    int64_t services, regions, skus, seed, work, replans, shuffle;
    int64_t limit_us, first_limit_us;
    const char *regime, *stock, *gap, *warm, *move_hours, *catalog, *mps;
    bool is_n1, is_cpu, is_json, is_fresh;
};

/* A solved problem and what is to be said about it. */
struct bench_plan_outcome {
    struct plan_result result;
    double seconds, cpu_seconds;
    const char *audit; /* "ok", "none" without a plan, or what the plan breaks */
    double moves_usd_h;
    uint32_t services, sites, rows_full, replicas_median;
    uint64_t replicas;
};

struct bench_plan {
    struct bench_plan_wish wish;
    struct plan_draw draw;
    double gap, noise; /* noise: share of --warm; negative without */
    double move_hours;
    struct arena arena;
    struct plan_lp_api lp;
    const struct plan_problem *problem;
    double draw_seconds, until;
    struct text why;
    char why_bytes[BENCH_PLAN_WHY_BYTES];
};

/* <count> figures, one of each good re-plan. */
struct bench_plan_figures {
    double *started, *stopped; /* replicas; share of all that the re-plan has */
    double *moved;             /* the larger of both: replaced by another, and what is left */
    double *gaps, *moves_usd_h, *cpu_seconds;
    double *above; /* <fresh>: cost without moves / cost of a plan from nothing - 1; --fresh */
    uint32_t count, failed; /* failed: no plan, or one that the auditor refuses */
    uint32_t stopped_by[PLAN_STOP_DONE + 1];
    uint32_t fresh; /* plans from nothing that were found in the same time */
};

/* Of bench_plan.c. Exit status 0, or 1 with a line on standard error. */
int bench_plan_fail(struct bench_plan *bench, const char *what);
int bench_plan_solve(struct bench_plan *bench, int64_t limit_us, const struct plan_answer *warm,
                     struct bench_plan_outcome *ret_outcome);
/* The plan to begin with; only its counts are kept, the solver's memory is given back. */
int bench_plan_solve_first(struct bench_plan *bench, struct bench_plan_outcome *ret_first);

/* Of bench_plan_replans.c. */
int bench_plan_run_replans(struct bench_plan *bench);

/* Of bench_plan_say.c: to standard output. <first>: NULL without --warm and --shuffle; <last>: NULL
 * when nothing was solved. */
bool bench_plan_has_plan(const struct bench_plan_outcome *outcome);
double bench_plan_gap(const struct bench_plan_outcome *outcome);
void bench_plan_print(const struct bench_plan *bench, const struct bench_plan_outcome *first,
                      const struct bench_plan_outcome *last);
/* Sorts the figures. */
void bench_plan_print_replans(const struct bench_plan *bench, struct bench_plan_figures *figures,
                              const struct bench_plan_outcome *first);
const char *bench_plan_regime(enum plan_regime regime);
const char *bench_plan_status(enum plan_status status);

#endif
