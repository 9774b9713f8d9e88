/* mps.h: the programme of problem.h, whole, in free MPS, so that another solver can check a bound
 * and a plan.
 *
 * With flow columns: x of each demand and node, and a set of them for each failure and service that
 * it takes a node from. That is the exact programme, a hundred times larger than what relax.h
 * solves. Requests are in requests per second, money in USD per hour. Names:
 *
 *   n<column> integer   y<node> binary   u<demand> unmet   p<column>, q<column> started, stopped
 *   x<demand>_<node>    x<failure>_<demand>_<node>
 *   rows: d<demand>, l<node> load, k<column> open, m<node> least, r<row>, v<column> moves,
 *         d<failure>_<demand>, l<failure>_<node>
 *
 * Read by glpsol --freemps and by cbc. Numbers have 15 digits; capacities are not rounded down to
 * micro-requests, so that the optimum may lie below the planner's by that much. */
#ifndef PLAN_MPS_H
#define PLAN_MPS_H

#include "plan/problem.h"

struct plan_mps_out {
    void (*write)(void *context, struct span lines);
    void *context;
};

/* ERR_MEMORY: <arena> (scratch, given back) is too small. */
MUST_USE enum err plan_mps_write(const struct plan_problem *problem, struct arena *arena,
                                 const struct plan_mps_out *out);

#endif
