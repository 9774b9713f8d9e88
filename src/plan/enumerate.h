/* enumerate.h: the best plan of one service, by looking at all that can be better than what is
 * known, as far as there is room.
 *
 * A plan takes one point of each group (group.h). Group by group, partial plans make the *labels*
 * of a layer. A label is left when a bound on all plans that begin so reaches the target:
 *   - by prices: the bound of the relaxation and the rest of what was taken, above the least;
 *   - by tables (table.h): for a set of demands, the least that its rows' weights can sum up to
 * when what is still asked of its groups is filled, in whole points;
 *   - by Hall's condition of sets that are known, if all other groups gave their most;
 * or when another one stands for it: costs no more, and has as much room for each known set
 * (labels.h). A layer that has no room for all keeps those with the least bounds, and the target
 * becomes the least bound of the others: nothing is said of plans that cost more. So the target
 * need not be guessed, and whatever the work, there is a bound at the end.
 *
 * What is left at the end is checked exactly, by routing. A leaf that is no plan breaks a set that
 * was not known; plans that it stood for may keep it, so that all is looked at once more.
 *
 * Sources: labels and their bounds: Irnich and Desaulniers, 2005; sets that become known one by one
 * (decremental state space relaxation): Righini and Salani, 2008; layers of limited width: Morin
 * and Marsten, "Branch-and-bound strategies for dynamic programming", 1976. */
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
 * less where there was no room; -INFINITY when there was no time, or no room for points. */
double plan_enumerate(struct plan_enumerator *enumerator, struct plan_relax *relax,
                      const struct plan_root *root, struct plan_own *own, double target,
                      uint64_t work_max, double *io_best, bool (*is_over)(void *), void *context);

#endif
