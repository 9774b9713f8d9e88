#include "plan/day.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "plan/day_run.h"
#include "plan/day_wish.h"

/* Shares of the effort: the first pass makes the bounds. */
#define WEIGHT_FREE    4.0
#define WEIGHT_STATIC  4.0
#define WEIGHT_FORWARD 1.0
#define WEIGHT_BETWEEN 1.0

#define BETTER_USD 1e-9

/* Plans ------------------------------------------------------------------------------------ */

static bool take_plan(struct plan_day_run *run, struct plan_day_plan *ret_plan)
{
    size_t count = (size_t)run->day.slot_count * run->day.column_count;
    *ret_plan = (struct plan_day_plan){.counts = ARENA_ARRAY(run->task->keep, uint32_t, count + 1)};
    return ret_plan->counts != NULL;
}

static void copy_plan(const struct plan_day *day, const struct plan_day_plan *from,
                      struct plan_day_plan *to)
{
    uint32_t *counts = to->counts;
    memcpy(counts, from->counts, (size_t)day->slot_count * day->column_count * sizeof *counts);
    *to = *from;
    to->counts = counts;
}

/* The day's rules on <plan>, whatever that costs; <spare> is scratch. False: not this one. */
static bool settle_plan(struct plan_day_run *run, struct plan_day_plan *plan,
                        struct plan_day_plan *spare)
{
    copy_plan(&run->day, plan, spare);
    plan_day_hold(&run->day, plan);
    if (plan_day_mend(&run->day, plan, run->why))
        return true;
    copy_plan(&run->day, spare, plan);
    return plan_day_mend(&run->day, plan, run->why);
}

static bool keep_better(struct plan_day_run *run, const struct plan_day_plan *plan)
{
    double usd = plan_day_usd(&run->day, plan);
    if (usd >= run->best_usd - BETTER_USD)
        return false;
    copy_plan(&run->day, plan, &run->best);
    run->best_usd = usd;
    return true;
}

/* Passes ----------------------------------------------------------------------------------- */

static enum err say_when(struct plan_day_run *run, uint32_t slot, enum err err)
{
    char said[1024];
    struct text copy;
    text_init(&copy, said, sizeof said);
    text_add_span(&copy, text_span(run->why));
    text_truncate(run->why, 0);
    uint32_t hour = slot * (CATALOG_HOURS / run->day.slot_count);
    if (err == ERR_TIMEOUT)
        text_add(run->why,
                 "no plan was found within the limits, nor a proof that there is none, "
                 "for the slot from %02u:00 UTC",
                 hour);
    else
        text_add(run->why, "%sin the slot from %02u:00 UTC%s%.*s", err == ERR_VALUE ? "\n  " : "",
                 hour, copy.n > 0 ? ":" : "", SPAN_ARG(text_span(&copy)));
    return err;
}

static enum err plan_free(struct plan_day_run *run, struct plan_day_plan *plan)
{
    for (uint32_t t = 0; t < run->day.slot_count; t++) {
        struct plan_day_slot *slot = &run->day.slots[t];
        struct plan_result result;
        const uint32_t *warm = t > 0 ? plan_day_counts(&run->day, plan, t - 1) : NULL;
        enum err err = plan_day_solve(run, slot, warm, WEIGHT_FREE, false, &result);
        run->failed = err == ERR_VALUE ? slot->made : NULL;
        if (err == ERR_VALUE || err == ERR_TIMEOUT)
            return say_when(run, t, err);
        if (err)
            return err;
        if (!plan_day_store(run, plan, t, &result.answer))
            return ERR_MEMORY;
        slot->bound_usd_h = result.bound_usd_h;
        slot->is_free_optimal = result.status == PLAN_OPTIMAL;
        slot->stop = result.stop;
        slot->free_usd_h = plan_day_slot_usd_h(&run->day, plan, t);
    }
    return ERR_OK;
}

/* A solve that may end without a plan: then <plan> stays as it was. */
static enum err solve_again(struct plan_day_run *run, struct plan_day_plan *plan, uint32_t t,
                            const uint32_t *warm, double weight)
{
    struct plan_result result;
    enum err err = plan_day_solve(run, &run->day.slots[t], warm, weight, true, &result);
    if (!err && !plan_day_store(run, plan, t, &result.answer))
        err = ERR_MEMORY;
    return err == ERR_VALUE || err == ERR_TIMEOUT ? ERR_OK : err;
}

static enum err plan_forward(struct plan_day_run *run, struct plan_day_plan *plan)
{
    enum err err = ERR_OK;
    for (uint32_t t = 1; t < run->day.slot_count && !err; t++) {
        const uint32_t *before = plan_day_counts(&run->day, plan, t - 1);
        plan_day_charge(&run->day, t, before);
        err = solve_again(run, plan, t, before, WEIGHT_FORWARD);
    }
    return err;
}

static void charge_between(const struct plan_day *day, const struct plan_day_plan *plan, uint32_t t)
{
    struct plan_column *columns = day->slots[t].columns;
    const uint32_t *before = plan_day_counts(day, plan, plan_day_before(day, t));
    const uint32_t *after = plan_day_counts(day, plan, plan_day_after(day, t));
    const uint32_t *now = plan_day_counts(day, plan, t);
    for (uint32_t c = 0; c < day->column_count; c++) {
        uint32_t low = before[c] < after[c] ? before[c] : after[c];
        uint32_t high = before[c] < after[c] ? after[c] : before[c];
        columns[c].running = now[c] < low ? low : now[c] > high ? high : now[c];
        double stop_usd = day->wish->stop_usd;
        double next_usd = plan_day_start_usd(day, plan_day_after(day, t), c);
        columns[c].start_usd_h = (plan_day_start_usd(day, t, c) + stop_usd) / day->slot_h;
        columns[c].stop_usd_h = (next_usd + stop_usd) / day->slot_h;
    }
}

static enum err plan_between(struct plan_day_run *run, struct plan_day_plan *plan,
                             struct plan_day_plan *spare)
{
    for (uint32_t t = 0; t < run->day.slot_count; t++) {
        copy_plan(&run->day, &run->best, plan);
        charge_between(&run->day, plan, t);
        const uint32_t *warm = plan_day_counts(&run->day, &run->best, t);
        enum err err = solve_again(run, plan, t, warm, WEIGHT_BETWEEN);
        if (err)
            return err;
        if (settle_plan(run, plan, spare))
            keep_better(run, plan);
    }
    return ERR_OK;
}

/* All day the same ------------------------------------------------------------------------- */

/* Plan of the busiest wish, in the hours of each slot: its flows, in proportion. */
static double static_usd_h(const struct plan_day_slot *slot, const struct plan_day_slot *busiest,
                           const struct plan_answer *answer)
{
    const struct plan_problem *problem = &slot->made->problem;
    double usd_h = 0;
    for (uint32_t v = 0; v < problem->node_count; v++) {
        const struct plan_node *node = &problem->nodes[v];
        uint32_t sum = 0;
        for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++) {
            sum += answer->counts[c];
            usd_h += answer->counts[c] * problem->columns[c].cost_usd_h;
        }
        usd_h += sum > 0 ? node->open_usd_h : 0;
    }
    for (uint32_t d = 0; d < problem->demand_count; d++) {
        double share_usd = 0, left = 1, all = (double)busiest->made->problem.demands[d].rate;
        for (uint32_t i = 0; i < answer->flow_count; i++) {
            const struct plan_flow *flow = &answer->flows[i];
            double share = flow->demand == d ? (double)flow->rate / all : 0;
            share_usd += share * problem->nodes[flow->node].egress_usd;
            left -= share;
        }
        if (problem->demands[d].unmet_usd < INFINITY && left > 1e-9)
            share_usd += left * problem->demands[d].unmet_usd;
        usd_h += 3600e-6 * (double)problem->demands[d].rate * share_usd;
    }
    return usd_h;
}

static enum err cost_busiest(struct plan_day_run *run)
{
    struct plan_day_slot busiest;
    struct plan_result result;
    size_t said = run->why->n;
    const struct plan_wish *wish = plan_day_wish_busiest(run->task->wish, run->task->keep);
    enum err err = plan_day_open_slot(run, wish, &run->day.slots[0], &busiest);
    if (!err)
        err = plan_day_solve(run, &busiest, NULL, WEIGHT_STATIC, true, &result);
    text_truncate(run->why, said); /* there need not be one */
    if (err)
        return err == ERR_MEMORY ? err : ERR_OK;
    double usd = 0;
    for (uint32_t t = 0; t < run->day.slot_count; t++)
        usd += run->day.slot_h * static_usd_h(&run->day.slots[t], &busiest, &result.answer);
    run->static_usd = usd < run->static_usd ? usd : run->static_usd;
    return ERR_OK;
}

/* The largest count of each column, if every slot allows that; <plan> is scratch. */
static void cost_largest(struct plan_day_run *run, struct plan_day_plan *plan)
{
    const struct plan_day *day = &run->day;
    bool is_allowed = true;
    copy_plan(day, &run->best, plan);
    for (uint32_t c = 0; c < day->column_count; c++) {
        uint32_t most = 0;
        for (uint32_t t = 0; t < day->slot_count; t++) {
            uint32_t count = plan_day_counts(day, plan, t)[c];
            most = count > most ? count : most;
        }
        for (uint32_t t = 0; t < day->slot_count; t++)
            plan_day_counts(day, plan, t)[c] = most;
    }
    for (uint32_t t = 0; t < day->slot_count; t++)
        is_allowed = is_allowed && plan_day_allows(day, t, plan_day_counts(day, plan, t));
    double usd = plan_day_usd(day, plan);
    if (is_allowed && usd < run->static_usd)
        run->static_usd = usd;
}

/* The whole -------------------------------------------------------------------------------- */

static bool is_linked(const struct plan_wish *wish)
{
    return wish->day.slot_count > 1 && (wish->start_usd > 0 || wish->stop_usd > 0 ||
                                        wish->cold_start_h > 0 || isfinite(wish->day.ramp));
}

static enum err plan_all(struct plan_day_run *run)
{
    struct plan_day_plan plan, spare;
    uint32_t slots = run->day.slot_count;
    bool has_links = is_linked(run->task->wish);
    if (!take_plan(run, &run->best) || !take_plan(run, &plan) || !take_plan(run, &spare))
        return ERR_MEMORY;
    run->weight_left = WEIGHT_FREE * slots + WEIGHT_STATIC;
    if (has_links)
        run->weight_left += WEIGHT_FORWARD * (slots - 1) + WEIGHT_BETWEEN * slots;
    enum err err = plan_free(run, &plan);
    if (err)
        return err;
    struct plan_day_plan forward;
    if (!take_plan(run, &forward))
        return ERR_MEMORY;
    copy_plan(&run->day, &plan, &forward);
    if (settle_plan(run, &plan, &spare))
        keep_better(run, &plan);
    if (has_links)
        err = plan_forward(run, &forward);
    if (!err && has_links && settle_plan(run, &forward, &spare))
        keep_better(run, &forward);
    if (!err && isinf(run->best_usd))
        return ERR_TIMEOUT; /* what the last mending said */
    text_truncate(run->why, 0);
    if (!err && has_links)
        err = plan_between(run, &plan, &spare);
    text_truncate(run->why, 0);
    if (!err)
        err = cost_busiest(run);
    if (!err)
        cost_largest(run, &plan);
    return err;
}

enum err plan_day_make(const struct plan_day_task *task, struct plan_made *ret_made,
                       struct text *why)
{
    struct plan_day_run run = {.task = task,
                               .scratch_mark = task->scratch->used,
                               .work_left = task->limits.work,
                               .best_usd = INFINITY,
                               .static_usd = INFINITY,
                               .why = why};
    struct plan_made made = {.sheet = {.status = SPAN_LITERAL("infeasible"),
                                       .stopped_by = SPAN_LITERAL("done"),
                                       .cost_usd_h = (double)NAN,
                                       .bound_usd_h = (double)NAN,
                                       .gap = (double)NAN,
                                       .carbon_kg_h = (double)NAN,
                                       .egress_usd_h = (double)NAN}};
    CHECK(task->hour < CATALOG_HOURS);
    enum err err = plan_day_open(&run);
    if (!err)
        err = plan_all(&run);
    if (!err)
        err = plan_day_fill(&run, &made);
    if (err == ERR_VALUE)
        made.formulation = run.failed;
    if (!err || err == ERR_VALUE)
        *ret_made = made;
    return err;
}
