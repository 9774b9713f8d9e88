/* solve.h: the best plan within a given effort, and a bound that proves how good it is.
 *
 * The search is bounded by counted work, so that the same problem gives the same answer bit for bit
 * with one build and one LP library; a clock only stops it earlier, and then the answer says so.
 *
 * Sources and measurements: docs/plan.md. */
#ifndef PLAN_SOLVE_H
#define PLAN_SOLVE_H

#include "plan/answer.h"
#include "plan/lp.h"

enum plan_status { PLAN_OPTIMAL, PLAN_FEASIBLE, PLAN_INFEASIBLE, PLAN_NOTHING_FOUND };
enum plan_stop { PLAN_STOP_GAP, PLAN_STOP_WORK, PLAN_STOP_TIME, PLAN_STOP_DONE };

/* Hands for what can be done at once; the answer does not depend on how many there are. */
enum { PLAN_HANDS_MAX = 8 };

struct plan_crew {
    uint32_t width; /* 1 .. PLAN_HANDS_MAX */
    /* task(argument, i, hand) for each i < <count>, in any order; hand < width, and no two tasks
     * have the same at once. Returns when all are done. */
    void (*run)(void *context, uint32_t count,
                void (*task)(void *argument, uint32_t i, uint32_t hand), void *argument);
    void *context;
};

struct plan_limits {
    double gap;    /* stop at (cost - bound) / cost <= gap; 0: only when proven optimal */
    uint64_t work; /* units: simplex iterations times 4000, cells of a max-flow; 0: none */
    bool (*is_over)(void *context); /* asked now and then, by any of the hands; NULL: never */
    void *context;
    const struct plan_crew *crew; /* NULL: one thing after the other */
};

struct plan_result {
    enum plan_status status;
    enum plan_stop stop;
    struct plan_answer answer;      /* status OPTIMAL or FEASIBLE */
    double bound_usd_h, root_usd_h; /* of every plan; of the LP without cuts by rounding */
    uint64_t work;
    uint32_t cuts, nodes; /* Hall cuts and others; of branch and bound */
};

/* Memory comes from <arena> (and the library's own); ERR_MEMORY when it is too small. <warm>: a
 * plan to begin with, or NULL. */
MUST_USE enum err plan_solve(const struct plan_problem *problem, const struct plan_lp_api *lp,
                             const struct plan_limits *limits, const struct plan_answer *warm,
                             struct arena *arena, struct plan_result *ret_result, struct text *why);

#endif
