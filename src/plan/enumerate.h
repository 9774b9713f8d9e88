/* enumerate.h: the best plan of one service, by looking at all that can be better than what is
 * known.
 *
 * A plan takes one point of each group (group.h). Depth first, group by group, a partial plan is
 * left when even the cheapest rest of it reaches the target:
 *   - by prices: the bound of the relaxation and the rest of what was taken, above the least;
 *   - by tables: for a set of demands, the least that its rows' weights can sum up to when what is
 *     still asked of its groups is filled, in whole points. For each range of the speed M of the
 *     fastest node, which (1) asks for on top, it is a knapsack, filled group by group from the
 *     last (Bellman); ranges of M of the first set are halved, as knapsack.c does, and each is
 *     searched by itself, with those points left out that no plan below the target can have there;
 *   - by Hall's condition of sets that are known, if all other groups gave their most.
 * What is left at the end is checked exactly, by routing.
 *
 * A cost is split over sets by prices so that each table counts its own share: Lagrangian
 * decomposition (Guignard and Kim, 1987); a part of the plan and a table for the rest: Russian doll
 * search (Verfaillie et al., 1996). */
#ifndef PLAN_ENUMERATE_H
#define PLAN_ENUMERATE_H

#include "plan/group.h"
#include "plan/own.h"

struct plan_enumerator;

/* Scratch; NULL: the arena is too small. <columns_max>: of a relaxation. */
struct plan_enumerator *plan_enumerator_new(uint32_t columns_max, struct arena *arena);

/* Looks for plans that cost less than <target> at the costs of <relax>, whose solution's prices it
 * takes beside those of <root> (plan_groups_fit()), for at most <work_max>. <own>: of the same
 * service; plans that are found join its pool. <io_best>: the cheapest so far; one that is cheaper
 * is left in own's place.
 *
 * A bound on the cost of every plan: <target>, or that of the cheapest, when all was looked at;
 * -INFINITY when there was too much. */
double plan_enumerate(struct plan_enumerator *enumerator, struct plan_relax *relax,
                      const struct plan_root *root, struct plan_own *own, double target,
                      uint64_t work_max, double *io_best, bool (*is_over)(void *), void *context);

#endif
