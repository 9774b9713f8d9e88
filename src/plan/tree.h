/* tree.h: branch and bound for one service, the common rows priced instead of kept.
 *
 * With prices on the rows that services share (stock, budgets), the programme falls apart: for any
 * prices of the right sign, sum over services of bound[s] + prices x sides is a bound of the whole
 * (Lagrange; Geoffrion, 1974), and a tree may stop anywhere, since its bound is that of its worst
 * open leaf. Best leaf first, diving from each; branching on y, then on n, by pseudo-costs. */
#ifndef PLAN_TREE_H
#define PLAN_TREE_H

#include "plan/enumerate.h"
#include "plan/relax.h"

struct plan_leaf {
    uint32_t parent; /* PLAN_NONE: the root */
    uint32_t column; /* of the programme */
    bool is_upper;
    double value, bound;
    double part; /* how far the parent's value was off: 0 .. 1 */
};

struct plan_closing {
    bool rounds_cuts;     /* a round of rounding cuts, too? */
    const double *other;  /* another solution of the tree's programme; NULL: none */
    bool separates_other; /* are the cuts looked for that it violates? */
};

struct plan_tree {
    const struct plan_problem *whole;
    struct plan_problem part;       /* one service */
    struct plan_column *columns;    /* its columns, at prices */
    uint32_t service, column_first; /* PLAN_NONE: all of them */
    struct plan_relax relax;
    struct plan_own *own; /* NULL: demands may stay unmet, or the rows are not priced */
    uint32_t own_starts;  /* before the root's */
    uint32_t *row_of;     /* of the whole, for each of its rows */
    double *first_lower, *first_upper, *root_lower, *root_upper;
    struct plan_root roots[2]; /* without knapsacks' rows, which take reduced costs away; with */
    double *scratch;
    double *kept; /* values of a leaf that is worth rounding, or the best plan of its own */
    bool has_kept, is_kept_whole;
    double tight_usd_h; /* the cost that the root was tightened for */
    double *sums[2];    /* pseudo-costs down, up: gain per unit, and how often */
    uint32_t *seen[2];
    struct plan_leaf *leaves; /* all that were made */
    uint32_t leaf_count, leaves_max;
    uint32_t *heap; /* open ones by bound */
    uint32_t heap_count;
    double closed_usd_h; /* least bound of the leaves that could be neither split nor proven */
    double best_usd_h;   /* the cheapest known at these prices */
    double bound_usd_h;  /* of the service at these prices */
    bool is_done;
    bool may_enumerate; /* is the service small, as far as is known? */
    uint32_t vain;      /* attempts in a row that proved little */
    uint64_t resume_at; /* work of the tree, before the next */
    uint64_t allowance; /* of work, for that */
    uint32_t solved;
};

MUST_USE enum err plan_tree_begin(struct plan_tree *tree, const struct plan_problem *whole,
                                  const struct plan_lp_api *api, uint32_t service, bool is_whole,
                                  struct arena *arena);

/* All services in one tree, at list prices: for what is small. */
MUST_USE enum err plan_tree_begin_joint(struct plan_tree *tree, const struct plan_problem *whole,
                                        const struct plan_lp_api *api, struct arena *arena);

void plan_tree_end(struct plan_tree *tree);

/* tree_part.c: the tree's service as a problem of its own, indices from 0; with <is_whole> also its
 * part of rows that others have a part in. false: the arena is too small. */
bool plan_tree_take_part(struct plan_tree *tree, const struct plan_problem *whole, bool is_whole,
                         struct arena *arena);

/* <prices> of each row of the whole (dual signs: <= 0 for an upper side; none: 0), until the tree
 * begins to grow; rows of one service alone stay rows. */
void plan_tree_price(struct plan_tree *tree, const double *prices);

/* Hall's cuts at these prices, and bound_usd_h. Only cuts that a solution leans on stay. ERR_VALUE:
 * the service has no plan. */
MUST_USE enum err plan_tree_close(struct plan_tree *tree, const struct plan_closing *closing,
                                  bool (*is_over)(void *), void *context);

/* Behind it: a plan of its own at these prices, which may come near to one at those that follow; a
 * few times. Touches nothing but that, so that others may read the relaxation. */
void plan_tree_look_ahead(struct plan_tree *tree);

/* All cuts of another tree of the service. */
void plan_tree_take_cuts(struct plan_tree *tree, const struct plan_tree *from);

/* A tree with <is_whole>: begins again, within what the other services leave of the common rows. */
void plan_tree_restart(struct plan_tree *tree, const struct plan_place *place);

/* Behind it and the prices: what every plan within that costs at least; of a large service with
 * Hall's cuts and rounding ones for it. INFINITY: there is none. */
double plan_tree_cut_rest(struct plan_tree *tree, bool (*is_over)(void *), void *context);

/* The root's cuts, and bound_usd_h, and plans of its own; <knapsack>: scratch, NULL: no cuts of
 * that kind. ERR_VALUE: as above. */
MUST_USE enum err plan_tree_cut(struct plan_tree *tree, struct plan_knapsack *knapsack,
                                bool (*is_over)(void *), void *context);

/* Behind it: plans by rounding there. */
void plan_tree_round(struct plan_tree *tree, struct plan_place *place);

/* Behind it: rows that hold for all plans that are better than the best so far (lift.c). */
void plan_tree_lift(struct plan_tree *tree, bool (*is_over)(void *), void *context);

/* Proves by enumeration (enumerate.h) as much as the tree's allowance of work does, which doubles.
 * false: nothing is done; the service is too large, or it is another way's turn. */
bool plan_tree_enumerate(struct plan_tree *tree, struct plan_enumerator *enumerator,
                         bool (*is_over)(void *), void *context);

/* What enumerating, or else growing by <count> leaves, will take of work, about. */
uint64_t plan_tree_expect(const struct plan_tree *tree, uint32_t count);

/* A tree with <is_whole>, begun again: the best plan on what the others leave, by enumeration;
 * <own>: of the same service's other tree. Improves the plan in <place>. false: it does not fit. */
bool plan_tree_respond(struct plan_tree *tree, struct plan_own *own,
                       struct plan_enumerator *enumerator, struct plan_place *place,
                       bool (*is_over)(void *), void *context);

/* Solves up to <count> leaves, with <best_usd_h> as the cost not to be exceeded; improves the plan
 * in <place> where a leaf's rounding is better. NULL: what is worth rounding is kept for
 * plan_tree_harvest(), and nothing but the tree is touched. */
void plan_tree_grow(struct plan_tree *tree, struct plan_place *place, uint32_t count,
                    bool (*is_over)(void *), void *context);

/* Plans of its own at pushed prices (own.h), as far as the tree has work to spare for it. */
void plan_tree_search_own(struct plan_tree *tree);

/* The plan in <place> is the cost not to be exceeded, where it is better than what is known. */
void plan_tree_meet(struct plan_tree *tree, const struct plan_place *place);

/* Improves the plan in <place> by what growing without one has kept. */
void plan_tree_harvest(struct plan_tree *tree, struct plan_place *place);

#endif
