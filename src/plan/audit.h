/* audit.h: is this a plan, and does it cost what it says? Every rule of problem.h looked at again.
 *
 * Shares no code with the search (its max-flow is another algorithm than routing.c's), so that an
 * error of the one is seen by the other. */
#ifndef PLAN_AUDIT_H
#define PLAN_AUDIT_H

#include "plan/answer.h"

/* USD per hour of each part; they sum to the plan's cost. */
struct plan_cost {
    double machines, open_sites, egress, moves, unmet, total;
};

/* What a plan breaks first. */
enum plan_breach {
    PLAN_BREACH_NONE,
    PLAN_BREACH_COUNT, /* below its least, above its most, below replicas_min of an open node */
    PLAN_BREACH_ROW,   /* a row out of its bounds */
    PLAN_BREACH_FLOW,  /* a flow where none may be, twice, not positive, more or less than the rate
                        */
    PLAN_BREACH_LOAD,  /* a node asked for more than share_ppm of its speed */
    PLAN_BREACH_FAILURE, /* what is answered can not be answered without the failure's regions */
    PLAN_BREACH_COST     /* cost_usd_h is not the sum of its parts, within 1e-6 of it */
};

/* Rates are compared exactly, in integers; rows within 1e-6 x max(1, |bound|). <ret_cost> is
 * written whatever the verdict; <why> names the rule, the place, what was allowed and found.
 * ERR_VALUE: a breach. ERR_MEMORY: <arena> is too small. */
MUST_USE enum err plan_answer_audit(const struct plan_problem *problem,
                                    const struct plan_answer *answer, struct arena *arena,
                                    struct plan_cost *ret_cost, enum plan_breach *ret_breach,
                                    struct text *why);

#endif
