/* draw.h: random problems of known shape from the real catalogue, for benchmarks and tests.
 *
 * Regions are drawn from the catalogue's Azure regions that have a measured round-trip time and
 * sell accelerators; above their number, second sites in the same metropolis (RTT + 3 ms, price x
 * 0.85-1.2) are added and marked "+2". Skus are drawn from those sold. 25 client zones of the
 * catalogue, each at its region, RTT + 4-14 ms by seed. Each service is wanted in half of the
 * zones, within an SLO of 100, 150 or 250 ms; a zone only where at least two drawn regions with a
 * usable sku meet it. Load 75 %, 95 % after a loss; sites cost something to open; egress is paid.
 * Stock is raised until the linear programme with every region lost is feasible, then multiplied
 * by <stock>. */
#ifndef PLAN_DRAW_H
#define PLAN_DRAW_H

#include "catalog/catalog.h"
#include "plan/lp.h"
#include "plan/problem.h"

enum plan_regime { PLAN_REGIME_SMALL, PLAN_REGIME_MIX, PLAN_REGIME_BIG }; /* replicas a service */

struct plan_draw {
    uint32_t services, regions, skus; /* 1 .. 64, 2 .. 100, 1 .. 32 */
    enum plan_regime regime;
    double stock; /* > 0 */
    bool is_n1;   /* every region may be lost */
    uint64_t seed;
};

/* The same <draw> and catalogue give the same problem. ERR_VALUE and <why> when the catalogue has
 * too few regions or skus, or no stock makes the programme feasible. */
MUST_USE enum err plan_draw_problem(const struct catalog *catalog, const struct plan_draw *draw,
                                    const struct plan_lp_api *lp, struct arena *arena,
                                    struct plan_problem **ret_problem, struct text *why);

/* The same problem with every rate times 1 +- <share>, uniform, by <seed>; stock as before. */
MUST_USE enum err plan_draw_noise(const struct plan_problem *problem, double share, uint64_t seed,
                                  struct arena *arena, struct plan_problem **ret_problem);

#endif
