/* day_link.h: the slots of a day side by side: what lies between them costs money and has rules.
 *
 * The day repeats itself: the first slot follows the last. A replica that slot t has and the slot
 * before had not is started in the slot before, early enough to be warm; the pair (before, t) is
 * called the step into t.
 *
 *   cost   a start: start_usd and the machine for cold_start_h; a stop: stop_usd
 *   ramp   starts of one service in one step <= max(ramp_replicas, ramp x its replicas before, 1)
 *   cold   while they warm up, what stops later and what starts draw on stock together: each stock
 *          row holds for the larger of both counts of each column
 *
 * A slot may always have more replicas than it needs, if its rows and its stock allow: that is how
 * both kinds of rules are mended (starting earlier) and how short dips are held through. */
#ifndef PLAN_DAY_LINK_H
#define PLAN_DAY_LINK_H

#include "plan/formulate.h"
#include "plan/solve.h"

struct plan_day_slot {
    const struct plan_wish *wish;
    struct plan_formulation *made; /* its columns are <columns> */
    struct plan_column *columns;   /* running, start_usd_h and stop_usd_h are the day's to set */
    const struct plan_column *own; /* as formulated: against the plan in force */
    double bound_usd_h;            /* of its cost, moves left out */
    double free_usd_h;             /* of the plan found that thinks of no other slot */
    bool is_free_optimal;          /* that one */
    enum plan_stop stop;
};

struct plan_day { /* columns are the same ones in every slot */
    const struct plan_wish *wish;
    uint32_t slot_count, column_count;
    double slot_h;
    struct plan_day_slot slots[CATALOG_HOURS];
};

struct plan_day_flows {
    const struct plan_flow *flows;
    uint32_t count;
    double usd_h; /* traffic, and what is not answered */
};

struct plan_day_plan {
    uint32_t *counts; /* slot_count x column_count */
    struct plan_day_flows flows[CATALOG_HOURS];
};

static inline uint32_t *plan_day_counts(const struct plan_day *day,
                                        const struct plan_day_plan *plan, uint32_t slot)
{
    return plan->counts + (size_t)slot * day->column_count;
}

static inline uint32_t plan_day_before(const struct plan_day *day, uint32_t slot)
{
    return slot == 0 ? day->slot_count - 1 : slot - 1;
}

static inline uint32_t plan_day_after(const struct plan_day *day, uint32_t slot)
{
    return slot + 1 == day->slot_count ? 0 : slot + 1;
}

/* Of one replica of <column> in the step into <slot>. */
double plan_day_start_usd(const struct plan_day *day, uint32_t slot, uint32_t column);

/* Traffic, and what is not answered. */
double plan_day_flows_usd_h(const struct plan_problem *problem, const struct plan_flow *flows,
                            uint32_t count);

/* Of one slot, moves left out; of the step into it, in USD; of the whole day, in USD. */
double plan_day_slot_usd_h(const struct plan_day *day, const struct plan_day_plan *plan,
                           uint32_t slot);
double plan_day_step_usd(const struct plan_day *day, const struct plan_day_plan *plan,
                         uint32_t slot);
double plan_day_usd(const struct plan_day *day, const struct plan_day_plan *plan);

/* Keeps replicas through dips where that costs less than stopping and starting them again. */
void plan_day_hold(const struct plan_day *day, struct plan_day_plan *plan);

/* Starts replicas earlier until every step keeps its ramp. False: no such way keeps all rules, the
 * cold ones included, and <why> says between which hours. */
MUST_USE bool plan_day_mend(const struct plan_day *day, struct plan_day_plan *plan,
                            struct text *why);

/* May slot <slot> have these counts, as far as columns, nodes and rows go? Loads and flows are not
 * looked at. */
bool plan_day_allows(const struct plan_day *day, uint32_t slot, const uint32_t *counts);

#endif
