/* answer.h: a plan: how many replicas of each column, and where each demand is answered. */
#ifndef PLAN_ANSWER_H
#define PLAN_ANSWER_H

#include "plan/problem.h"

struct plan_place;

struct plan_flow {
    uint32_t demand, node;
    int64_t rate; /* > 0 */
};

struct plan_answer {
    uint32_t *counts; /* of each column */
    struct plan_flow *flows;
    uint32_t flow_count;
    double cost_usd_h;
};

/* What the answer costs at list prices: replicas, open nodes, moves, traffic, and what is left
 * unanswered. */
double plan_answer_cost(const struct plan_problem *problem, const struct plan_answer *answer);

/* Of a plan that <place> has room for: <counts> stay the caller's, the flows are the cheapest, and
 * demands that may stay unmet get what the replicas can answer besides what the place says. false:
 * the arena is too small. */
MUST_USE bool plan_answer_make(struct plan_answer *ret_answer, struct plan_place *place,
                               uint32_t *counts, struct arena *arena);

#endif
