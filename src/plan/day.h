/* day.h: a plan for each slot of a day, with what lies between them: starting and stopping cost,
 * machines are paid from before they answer, and only so many may start at a time.
 *
 *   free      each slot by itself, moves left out: plans, and the bounds. The sum of the slots'
 *             bounds is one of the day, since what is left out costs 0 or more and is a rule more.
 *   forward   each slot against the one before: its replicas run, starts and stops cost
 *   between   slot for slot again, against both neighbours: within the two counts of a column
 *             moves cost nothing, beyond them a start and a stop. That never says less than the
 *             day's true cost and is exact where the plan stands, so the day only gets cheaper.
 *
 * After each, short dips are held through and steps are mended (day_link.h); the cheapest day
 * found is kept. Every slot of it is audited. What a day costs is set beside the cheapest of two
 * plans that stand all day: sized for all groups' busiest hours at once, and the largest count of
 * each column of the day. */
#ifndef PLAN_DAY_H
#define PLAN_DAY_H

#include "plan/make.h"

struct plan_day_task {
    const struct plan_wish *wish;     /* with a day */
    const struct plan_sheet *running; /* the plan in force; NULL: none */
    uint32_t hour;                    /* UTC, 0 .. 23: its slot becomes the plan itself */
    const struct plan_lp_api *lp;
    struct plan_limits limits; /* work: of all solves; is_over: of the one under way */
    /* Before each solve: it may take that share of the time that is left. NULL: not asked. */
    void (*on_solve)(void *context, double share);
    void *context;
    struct arena *keep, *scratch; /* what is answered; what a solve needs */
};

/* The sheet is the plan of the hour's slot, as plan_make() would fill it, with slots and day.
 * Errors as plan_make(); ERR_VALUE: some slot has no plan, which <why> names; its formulation is in
 * <made>, or NULL where there is none. ERR_TIMEOUT as well: no day was found that keeps the rules
 * between slots. */
MUST_USE enum err plan_day_make(const struct plan_day_task *task, struct plan_made *ret_made,
                                struct text *why);

#endif
