/* settle.h: where each demand is answered, once the replicas are settled: as near as traffic
 * allows. The search looks at cost only, and a plan that saves a cent of traffic by answering half
 * a world away is not what anybody wants.
 *
 * A transport problem, by successive shortest paths with potentials (Edmonds and Karp 1972;
 * Tomizawa 1971): for each demand in turn, the best way to a node with room, moving others'
 * requests aside where that is better. */
#ifndef PLAN_SETTLE_H
#define PLAN_SETTLE_H

#include "base/arena.h"
#include "plan/answer.h"

/* Writes new flows of <answer> (from <arena>) and its cost: of the lowest mean latency for which
 * traffic rises by no more than <more_usd_h>, by a few steps of how much traffic counts; with 0
 * traffic is as cheap as can be and latency decides among equals. As much of each demand is
 * answered as before, and no node is asked for more than its share. When the work would be too
 * much, the flows stay as they are. False: no room. */
bool plan_settle(const struct plan_problem *problem, struct plan_answer *answer, double more_usd_h,
                 struct arena *arena);

#endif
