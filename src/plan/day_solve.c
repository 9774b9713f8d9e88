/* day_solve.c: one slot solved, within its share of what effort is left. */
#include <string.h>

#include "base/check.h"
#include "plan/day_run.h"

void plan_day_charge(struct plan_day *day, uint32_t slot, const uint32_t *before)
{
    struct plan_column *columns = day->slots[slot].columns;
    for (uint32_t c = 0; c < day->column_count; c++) {
        columns[c].running = before[c];
        columns[c].start_usd_h = plan_day_start_usd(day, slot, c) / day->slot_h;
        columns[c].stop_usd_h = day->wish->stop_usd / day->slot_h;
    }
}

enum err plan_day_solve(struct plan_day_run *run, const struct plan_day_slot *slot,
                        const uint32_t *warm, double weight, bool may_skip, struct plan_result *ret)
{
    const struct plan_day_task *task = run->task;
    struct plan_limits limits = task->limits;
    double share = weight < run->weight_left ? weight / run->weight_left : 1;
    run->weight_left -= weight;
    if (limits.work > 0) /* 1: none is left */
        limits.work = 1 + (uint64_t)(share * (double)run->work_left);
    if (task->on_solve)
        task->on_solve(task->context, share);
    bool is_over = limits.is_over && limits.is_over(limits.context);
    if (may_skip && (is_over || (limits.work > 0 && run->work_left == 0)))
        return ERR_TIMEOUT;
    arena_reset(task->scratch, run->scratch_mark);
    uint32_t count = slot->made->problem.column_count;
    struct plan_answer begin = {.counts = ARENA_ARRAY(task->scratch, uint32_t, count + 1)};
    if (!begin.counts)
        return ERR_MEMORY;
    if (warm)
        memcpy(begin.counts, warm, count * sizeof *warm);
    size_t said = run->why->n;
    enum err err = plan_solve(&slot->made->problem, task->lp, &limits, warm ? &begin : NULL,
                              task->scratch, ret, run->why);
    if (err)
        return err;
    run->work_left -= ret->work < run->work_left ? ret->work : run->work_left;
    if (ret->status == PLAN_INFEASIBLE)
        return ERR_VALUE;
    text_truncate(run->why, said);
    return ret->status == PLAN_NOTHING_FOUND ? ERR_TIMEOUT : ERR_OK;
}

bool plan_day_store(struct plan_day_run *run, struct plan_day_plan *plan, uint32_t slot,
                    const struct plan_answer *answer)
{
    struct plan_flow *flows =
        ARENA_ARRAY(run->task->keep, struct plan_flow, answer->flow_count + 1);
    if (!flows)
        return false;
    memcpy(flows, answer->flows, answer->flow_count * sizeof *flows);
    uint32_t *counts = plan_day_counts(&run->day, plan, slot);
    if (counts != answer->counts)
        memcpy(counts, answer->counts, run->day.column_count * sizeof *counts);
    plan->flows[slot] = (struct plan_day_flows){
        flows, answer->flow_count,
        plan_day_flows_usd_h(&run->day.slots[slot].made->problem, flows, answer->flow_count)};
    return true;
}
