/* bench_plan_replans.c: how much of a plan moves from one re-plan to the next. Each has a noise of
 * its own on the drawn problem's demands; the plan in force is what the next one begins with, and
 * starting or stopping a replica costs hours of its price. */
#include <stdlib.h>
#include <string.h>

#include "cli/bench_plan.h"
#include "plan/draw_change.h"

/* What the plan costs with its moves already paid, beside a plan from nothing in the same time. */
static int compare_with_fresh(struct bench_plan *bench, double cost_usd_h,
                              struct bench_plan_figures *figures)
{
    static struct bench_plan_outcome fresh;
    int status = bench_plan_solve(bench, bench->wish.limit_us, NULL, &fresh);
    if (status)
        return status;
    if (strcmp(fresh.audit, "ok") == 0)
        figures->above[figures->fresh++] = cost_usd_h / fresh.result.answer.cost_usd_h - 1;
    return 0;
}

static void keep(const struct bench_plan_outcome *outcome, uint32_t columns, uint32_t *ret_counts,
                 struct bench_plan_figures *figures)
{
    uint64_t started = 0, stopped = 0;
    for (uint32_t c = 0; c < columns; c++) {
        uint32_t now = outcome->result.answer.counts[c];
        started += now > ret_counts[c] ? now - ret_counts[c] : 0;
        stopped += now < ret_counts[c] ? ret_counts[c] - now : 0;
        ret_counts[c] = now;
    }
    uint32_t at = figures->count++;
    figures->stopped_by[outcome->result.stop]++;
    figures->started[at] = (double)started / (double)outcome->replicas;
    figures->stopped[at] = (double)stopped / (double)outcome->replicas;
    figures->moved[at] = started > stopped ? figures->started[at] : figures->stopped[at];
    figures->gaps[at] = bench_plan_gap(outcome);
    figures->moves_usd_h[at] = outcome->moves_usd_h;
    figures->cpu_seconds[at] = outcome->cpu_seconds;
}

/* One more from what <ret_counts> says is running; that plan stays where no good one is found. */
static int replan(struct bench_plan *bench, const struct plan_problem *base, uint32_t index,
                  uint32_t *ret_counts, struct bench_plan_figures *figures)
{
    static struct bench_plan_outcome outcome;
    struct plan_problem *noisy, *running;
    struct plan_answer warm = {.counts = ret_counts};
    size_t mark = bench->arena.used;
    uint64_t seed = bench->draw.seed + BENCH_PLAN_NOISE_SEED + index;
    if (plan_draw_noise(base, bench->noise, seed, &bench->arena, &noisy) ||
        plan_draw_running(noisy, ret_counts, bench->move_hours, &bench->arena, &running)) {
        text_add(&bench->why, "too little memory");
        return bench_plan_fail(bench, "no further problem");
    }
    bench->problem = running;
    int status = bench_plan_solve(bench, bench->wish.limit_us, &warm, &outcome);
    if (!status && strcmp(outcome.audit, "ok") != 0) {
        figures->failed++;
    } else if (!status) {
        bench->problem = noisy;
        if (bench->wish.is_fresh)
            status = compare_with_fresh(
                bench, outcome.result.answer.cost_usd_h - outcome.moves_usd_h, figures);
        keep(&outcome, base->column_count, ret_counts, figures);
    }
    bench->problem = base;
    arena_reset(&bench->arena, mark);
    return status;
}

int bench_plan_run_replans(struct bench_plan *bench)
{
    static struct bench_plan_outcome first;
    const struct plan_problem *base = bench->problem;
    uint32_t count = (uint32_t)bench->wish.replans;
    struct bench_plan_figures figures = {
        .started = ARENA_ARRAY(&bench->arena, double, count),
        .stopped = ARENA_ARRAY(&bench->arena, double, count),
        .moved = ARENA_ARRAY(&bench->arena, double, count),
        .above = ARENA_ARRAY(&bench->arena, double, count),
        .gaps = ARENA_ARRAY(&bench->arena, double, count),
        .moves_usd_h = ARENA_ARRAY(&bench->arena, double, count),
        .cpu_seconds = ARENA_ARRAY(&bench->arena, double, count),
    };
    if (bench->arena.is_overflown) {
        text_add(&bench->why, "too little memory");
        return bench_plan_fail(bench, "no figures");
    }
    int status = bench_plan_solve_first(bench, &first);
    if (!status && !bench_plan_has_plan(&first)) {
        text_add(&bench->why, "%s", bench_plan_status(first.result.status));
        status = bench_plan_fail(bench, "no plan to begin with");
    }
    for (uint32_t i = 0; i < count && !status; i++)
        status = replan(bench, base, i, first.result.answer.counts, &figures);
    if (!status)
        bench_plan_print_replans(bench, &figures, &first);
    return status;
}
