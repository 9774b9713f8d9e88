/* draw_change.h: a drawn problem once more with something changed: what a re-plan meets, and what
 * must not matter. Each shares what it leaves alone with <problem>, which must outlive it.
 * ERR_MEMORY: <arena> is too small. */
#ifndef PLAN_DRAW_CHANGE_H
#define PLAN_DRAW_CHANGE_H

#include "plan/problem.h"

/* Every rate times 1 +- <share> (0 .. 0.9), uniform, each demand by itself, by <seed>; stock as
 * before. */
MUST_USE enum err plan_draw_noise(const struct plan_problem *problem, double share, uint64_t seed,
                                  struct arena *arena, struct plan_problem **ret_problem);

/* While <counts> (of each column) run: one replica more than that, or less, costs <hours> (>= 0) of
 * its price. */
MUST_USE enum err plan_draw_running(const struct plan_problem *problem, const uint32_t *counts,
                                    double hours, struct arena *arena,
                                    struct plan_problem **ret_problem);

/* Services, their nodes, columns and demands, regions, rows and failures in another order by
 * <seed>: every plan of the one is a plan of the other at the same cost. */
MUST_USE enum err plan_draw_shuffle(const struct plan_problem *problem, uint64_t seed,
                                    struct arena *arena, struct plan_problem **ret_problem);

#endif
