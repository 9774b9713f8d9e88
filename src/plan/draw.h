/* draw.h: random problems of known shape from the real catalogue, for benchmarks and tests.
 *
 * Machines. <skus> sizes with accelerators, each with the chance of the number of regions that sell
 * it; then <regions> among Azure's regions that have a measured round-trip time and sell one of
 * them (48 in the catalogue of 2026-11). Where that is not enough, second sites in the same
 * metropolis follow, marked "+2": RTT + 3 ms, price x 0.85-1.2.
 *
 * Clients. The catalogue's client zones (25), each at its region, RTT + 4-14 ms by seed, with the
 * catalogue's weights (users of the Internet).
 *
 * Services. One of six memory classes (weights 6-220 GiB, 16-bit); a sku is usable when the weights
 * leave a tenth of nine tenths of its memory. Speed is that of decoding, bound by memory: all
 * memory is read for a token of each sequence, and what the weights leave holds the sequences (1280
 * tokens each, 256 of them the answer), x 0.9-1.1 by service and sku. Each service is wanted in
 * half of the zones, within an SLO of 100, 150 or 250 ms; a zone only where at least two drawn
 * regions with a usable sku meet it. Its demand fills, at 75 % load, as many replicas of its
 * cheapest sku as the regime says, log-uniform: small 4-9, mix 3-180, big 150-290. Load is 75 % at
 * most, 95 % after a loss. An open site costs 0.05-0.15 of the hour of that sku, by service. An
 * answer is 64 KiB (256 events of a stream) and pays the region's price to the internet.
 *
 * Stock. Each demand asks every node in its reach for an equal share, so that the others carry it
 * when one is lost, spread over the node's usable skus; stock of a sku in a region is the sum of
 * what is asked, x 2-6, raised together by quarters until the linear programme with every
 * region lost is feasible, then multiplied by <stock>. Regions where prices are low run out, others
 * do not. */
#ifndef PLAN_DRAW_H
#define PLAN_DRAW_H

#include "catalog/catalog.h"
#include "plan/lp.h"
#include "plan/problem.h"

enum { PLAN_DRAW_SERVICES_MAX = 64, PLAN_DRAW_REGIONS_MAX = 100, PLAN_DRAW_SKUS_MAX = 32 };

enum plan_regime { PLAN_REGIME_SMALL, PLAN_REGIME_MIX, PLAN_REGIME_BIG }; /* replicas a service */

struct plan_draw {
    uint32_t services, regions, skus; /* 1 .. 64, 2 .. 100, 1 .. 32 */
    enum plan_regime regime;
    double stock; /* > 0 */
    bool is_n1;   /* every region may be lost */
    uint64_t seed;
};

/* The same <draw> and catalogue give the same problem. ERR_VALUE and <why> when the catalogue has
 * too few regions or skus, or no stock makes the programme feasible; ERR_MEMORY: <arena>, which
 * also holds that programme for a while, is too small. */
MUST_USE enum err plan_draw_problem(const struct catalog *catalog, const struct plan_draw *draw,
                                    const struct plan_lp_api *lp, struct arena *arena,
                                    struct plan_problem **ret_problem, struct text *why);

bool plan_draw_is_second_site(struct span region); /* of a problem, by its name */

#endif
