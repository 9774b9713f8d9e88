/* day_run.h: inner face of day.h.
 *
 *   day.c        the passes
 *   day_open.c   slots formulated
 *   day_solve.c  one slot solved, its share of the effort
 *   day_fill.c   the day into a sheet, audited */
#ifndef PLAN_DAY_RUN_H
#define PLAN_DAY_RUN_H

#include "plan/day.h"
#include "plan/day_link.h"

struct plan_day_run {
    const struct plan_day_task *task;
    struct plan_day day;
    size_t scratch_mark;
    uint64_t work_left;
    double weight_left; /* of all solves to come */
    struct plan_day_plan best;
    double best_usd; /* INFINITY: none */
    double static_usd;
    struct plan_formulation *failed; /* of the slot that has no plan */
    struct text *why;
};

/* One wish as a slot. Its columns must be those of <like> (NULL: any). ERR_VALUE, ERR_UNSUPPORTED,
 * ERR_MEMORY as plan_formulate(). */
MUST_USE enum err plan_day_open_slot(struct plan_day_run *run, const struct plan_wish *wish,
                                     const struct plan_day_slot *like,
                                     struct plan_day_slot *ret_slot);

/* All slots of the day. <why> says of which hour. */
MUST_USE enum err plan_day_open(struct plan_day_run *run);

/* The columns of a slot charged for what differs from <before>, spread over the slot. */
void plan_day_charge(struct plan_day *day, uint32_t slot, const uint32_t *before);

/* The slot's problem as its columns stand. The result lives until the next solve. ERR_VALUE: none
 * can be; ERR_TIMEOUT: none was found, or no effort is left for one that <may_skip>; ERR_MEMORY. */
MUST_USE enum err plan_day_solve(struct plan_day_run *run, const struct plan_day_slot *slot,
                                 const uint32_t *warm, double weight, bool may_skip,
                                 struct plan_result *ret);

/* <result> into slot <slot> of <plan>. False: no room. */
MUST_USE bool plan_day_store(struct plan_day_run *run, struct plan_day_plan *plan, uint32_t slot,
                             const struct plan_answer *answer);

/* The best day into a sheet. ERR_CORRUPT: the audit refused a slot. ERR_MEMORY. */
MUST_USE enum err plan_day_fill(struct plan_day_run *run, struct plan_made *ret_made);

#endif
