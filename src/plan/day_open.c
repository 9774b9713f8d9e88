/* day_open.c: the wishes of all slots into programmes with the same columns. */
#include <string.h>

#include "base/check.h"
#include "plan/day_run.h"
#include "plan/day_wish.h"

static bool is_alike(const struct plan_formulation *a, const struct plan_formulation *b)
{
    bool is_same = a->problem.column_count == b->problem.column_count &&
                   a->problem.demand_count == b->problem.demand_count;
    for (uint32_t c = 0; is_same && c < a->problem.column_count; c++)
        is_same = a->problem.columns[c].node == b->problem.columns[c].node &&
                  a->problem.columns[c].sku == b->problem.columns[c].sku &&
                  a->problem.columns[c].market == b->problem.columns[c].market &&
                  a->columns[c].place == b->columns[c].place &&
                  a->columns[c].speed == b->columns[c].speed;
    return is_same;
}

enum err plan_day_open_slot(struct plan_day_run *run, const struct plan_wish *wish,
                            const struct plan_day_slot *like, struct plan_day_slot *ret_slot)
{
    struct arena *keep = run->task->keep;
    struct plan_day_slot slot = {.wish = wish};
    if (!wish)
        return ERR_MEMORY;
    enum err err = plan_formulate(wish, run->task->running, keep, &slot.made, run->why);
    if (err)
        return err;
    if (plan_problem_check(&slot.made->problem, run->why))
        return ERR_UNSUPPORTED;
    if (like && !is_alike(slot.made, like->made)) {
        text_add(run->why, "expected the same machines to be of use all day: the promise of some "
                           "service can be kept in other ways at other hours; plan hours apart");
        return ERR_UNSUPPORTED;
    }
    struct plan_problem *problem = &slot.made->problem;
    slot.own = problem->columns;
    slot.columns = ARENA_ARRAY(keep, struct plan_column, problem->column_count + 1);
    if (!slot.columns)
        return ERR_MEMORY;
    memcpy(slot.columns, slot.own, problem->column_count * sizeof *slot.columns);
    problem->columns = slot.columns;
    for (uint32_t c = 0; c < problem->column_count; c++) {
        slot.columns[c].running = 0;
        slot.columns[c].start_usd_h = slot.columns[c].stop_usd_h = 0;
    }
    *ret_slot = slot;
    return ERR_OK;
}

enum err plan_day_open(struct plan_day_run *run)
{
    const struct plan_wish *wish = run->task->wish;
    struct plan_day *day = &run->day;
    *day = (struct plan_day){.wish = wish,
                             .slot_count = wish->day.slot_count,
                             .slot_h = (double)CATALOG_HOURS / wish->day.slot_count};
    CHECK(day->slot_count > 0 && CATALOG_HOURS % day->slot_count == 0);
    for (uint32_t t = 0; t < day->slot_count; t++) {
        size_t before = run->why->n;
        text_add(run->why,
                 "\n  in the slot from %02u:00 UTC:", t * (CATALOG_HOURS / day->slot_count));
        enum err err = plan_day_open_slot(run, plan_day_wish(wish, t, run->task->keep),
                                          t > 0 ? &day->slots[0] : NULL, &day->slots[t]);
        if (err)
            return err;
        text_truncate(run->why, before);
    }
    day->column_count = day->slots[0].made->problem.column_count;
    return ERR_OK;
}
