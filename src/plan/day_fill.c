/* day_fill.c: the best day into a sheet; each slot is audited before. */
#include <math.h>

#include "base/check.h"
#include "plan/day_run.h"
#include "plan/settle.h"

static enum err audit(struct plan_day_run *run, uint32_t t, const struct plan_answer *answer,
                      struct plan_cost *ret_cost)
{
    char buffer[512];
    struct text said;
    text_init(&said, buffer, sizeof buffer);
    enum plan_breach breach = PLAN_BREACH_NONE;
    enum err err = plan_answer_audit(&run->day.slots[t].made->problem, answer, run->task->scratch,
                                     ret_cost, &breach, &said);
    if (err != ERR_VALUE)
        return err;
    text_add(run->why,
             "the plan of the slot from %02u:00 UTC breaks a rule, which is an error of farspan: "
             "%.*s",
             t * (CATALOG_HOURS / run->day.slot_count), SPAN_ARG(text_span(&said)));
    return ERR_CORRUPT;
}

/* Requests as near as their traffic allows, and the proof that the slot is a plan. */
static enum err settle_slot(struct plan_day_run *run, uint32_t t)
{
    struct plan_day *day = &run->day;
    struct plan_day_plan *plan = &run->best;
    arena_reset(run->task->scratch, run->scratch_mark);
    plan_day_charge(day, t, plan_day_counts(day, plan, plan_day_before(day, t)));
    struct plan_flow *flows =
        ARENA_ARRAY(run->task->scratch, struct plan_flow, plan->flows[t].count + 1);
    if (!flows)
        return ERR_MEMORY;
    for (uint32_t i = 0; i < plan->flows[t].count; i++)
        flows[i] = plan->flows[t].flows[i];
    struct plan_answer answer = {.counts = plan_day_counts(day, plan, t),
                                 .flows = flows,
                                 .flow_count = plan->flows[t].count};
    if (!plan_settle(&day->slots[t].made->problem, &answer, 0, run->task->scratch) ||
        !plan_day_store(run, plan, t, &answer))
        return ERR_MEMORY;
    answer.cost_usd_h =
        plan_day_slot_usd_h(day, plan, t) + plan_day_step_usd(day, plan, t) / day->slot_h;
    struct plan_cost cost;
    return audit(run, t, &answer, &cost);
}

static bool fill_replicas(const struct plan_day_run *run, uint32_t t, struct plan_sheet_slot *row)
{
    const struct plan_day *day = &run->day;
    const struct plan_formulation *made = day->slots[t].made;
    const uint32_t *now = plan_day_counts(day, &run->best, t);
    const uint32_t *before = plan_day_counts(day, &run->best, plan_day_before(day, t));
    uint32_t most = 0;
    for (uint32_t c = 0; c < day->column_count; c++)
        most += now[c] > 0 || before[c] > 0;
    row->replicas = ARENA_ARRAY(run->task->keep, struct plan_sheet_replica, most + 1);
    for (uint32_t c = 0; row->replicas && c < day->column_count; c++) {
        const struct plan_column *column = &day->slots[t].columns[c];
        const struct plan_column_origin *origin = &made->columns[c];
        uint32_t service = made->problem.nodes[column->node].service;
        row->carbon_kg_h += now[c] * column->kg_co2_h;
        if (now[c] == 0 && before[c] == 0)
            continue;
        row->replicas[row->replica_count++] = (struct plan_sheet_replica){
            .service = made->problem.services[service].name,
            .region = plan_wish_place_name(made->wish, origin->place),
            .sku = made->problem.skus[column->sku],
            .market = span_of(plan_market_name((enum plan_market)column->market)),
            .count = now[c],
            .running = before[c],
            .machines = made->speeds[origin->speed].machines,
            .tensor_parallel = made->speeds[origin->speed].tensor_parallel,
            .usd_h = origin->usd_h,
            .is_estimate = origin->is_estimate};
    }
    return row->replicas != NULL;
}

static double rate_of(const struct plan_wish *wish)
{
    double rate = 0;
    for (uint32_t s = 0; s < wish->service_count; s++)
        for (uint32_t c = 0; c < wish->catalog->client_count; c++)
            rate += wish->services[s].rates[c];
    return rate;
}

static double gap_of(double cost, double bound)
{
    return cost > 0 ? (cost - bound) / cost : 0;
}

static bool fill_slots(const struct plan_day_run *run, struct plan_sheet *sheet)
{
    const struct plan_day *day = &run->day;
    struct plan_sheet_day *sums = &sheet->day;
    uint32_t length = CATALOG_HOURS / day->slot_count;
    sums->hour = run->task->hour / length * length;
    sums->slot_h = day->slot_h;
    sums->static_usd = isfinite(run->static_usd) ? run->static_usd : (double)NAN;
    sums->is_estimate = day->wish->day.is_estimate;
    sheet->slots = ARENA_ARRAY(run->task->keep, struct plan_sheet_slot, day->slot_count);
    for (uint32_t t = 0; sheet->slots && t < day->slot_count; t++) {
        struct plan_sheet_slot *row = &sheet->slots[t];
        row->hour = t * length;
        row->rate = rate_of(day->slots[t].wish);
        row->moves_usd = plan_day_step_usd(day, &run->best, t);
        row->cost_usd_h = plan_day_slot_usd_h(day, &run->best, t) + row->moves_usd / day->slot_h;
        row->bound_usd_h = day->slots[t].bound_usd_h;
        row->gap = gap_of(row->cost_usd_h, row->bound_usd_h);
        if (!fill_replicas(run, t, row))
            return false;
        sums->cost_usd += day->slot_h * row->cost_usd_h;
        sums->bound_usd += day->slot_h * row->bound_usd_h;
        sums->moves_usd += row->moves_usd;
        for (uint32_t i = 0; i < row->replica_count; i++) {
            uint32_t now = row->replicas[i].count, before = row->replicas[i].running;
            sums->starts += now > before ? now - before : 0;
            sums->stops += before > now ? before - now : 0;
        }
    }
    sums->gap = gap_of(sums->cost_usd, sums->bound_usd);
    sheet->slot_count = day->slot_count;
    return sheet->slots != NULL;
}

/* The plan of one slot, against the plan in force. */
static enum err fill_plan(struct plan_day_run *run, uint32_t t, struct plan_made *made)
{
    struct plan_day *day = &run->day;
    struct plan_day_slot *slot = &day->slots[t];
    struct plan_problem *problem = &slot->made->problem;
    const uint32_t *counts = plan_day_counts(day, &run->best, t);
    double usd_h = plan_day_slot_usd_h(day, &run->best, t);
    bool is_free = usd_h <= slot->free_usd_h + 1e-9 * (1 + usd_h);
    problem->columns = slot->own;
    for (uint32_t c = 0; c < day->column_count; c++)
        usd_h += counts[c] > slot->own[c].running
                     ? slot->own[c].start_usd_h * (counts[c] - slot->own[c].running)
                     : slot->own[c].stop_usd_h * (slot->own[c].running - counts[c]);
    struct plan_flow *flows =
        ARENA_ARRAY(run->task->keep, struct plan_flow, run->best.flows[t].count + 1);
    if (!flows)
        return ERR_MEMORY;
    for (uint32_t i = 0; i < run->best.flows[t].count; i++)
        flows[i] = run->best.flows[t].flows[i];
    made->formulation = slot->made;
    made->result = (struct plan_result){
        .status = slot->is_free_optimal && is_free ? PLAN_OPTIMAL : PLAN_FEASIBLE,
        .stop = slot->stop,
        .answer = {plan_day_counts(day, &run->best, t), flows, run->best.flows[t].count, usd_h},
        .bound_usd_h = slot->bound_usd_h};
    arena_reset(run->task->scratch, run->scratch_mark);
    enum err err = audit(run, t, &made->result.answer, &made->cost);
    if (!err && !plan_sheet_fill(slot->made, &made->result, run->task->running, run->task->keep,
                                 &made->sheet))
        err = ERR_MEMORY;
    return err;
}

enum err plan_day_fill(struct plan_day_run *run, struct plan_made *ret_made)
{
    struct plan_made made = {0};
    enum err err = ERR_OK;
    CHECK(run->day.slot_count > 0);
    for (uint32_t t = 0; t < run->day.slot_count && !err; t++)
        err = settle_slot(run, t);
    if (!err)
        err = fill_plan(run, run->task->hour / (CATALOG_HOURS / run->day.slot_count), &made);
    if (!err && !fill_slots(run, &made.sheet))
        err = ERR_MEMORY;
    if (!err)
        *ret_made = made;
    return err;
}
