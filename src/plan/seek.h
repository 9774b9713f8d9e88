/* seek.h: the plan of the whole, looked for beside the trees that prove its bound.
 *
 * A place holds a plan of each service. In *sweeps* one service after the other takes what is best
 * for it on what the others leave of the common rows (stock, budgets), at a share of the prices
 * that the relaxation has for them: nearly all at first, less from sweep to sweep, nothing at last.
 * A service that pays for what is scarce leaves it to those that need it most; without prices the
 * first to come takes it, and no change of one or two services mends that. Pools of plans are put
 * together behind each sweep (exchange.h); at list prices services also look for more plans where
 * those go together. Where that saves next to nothing, prices rise again, from the best plan.
 *
 * plan_seek() touches nothing that trees touch, so that both go on at once.
 *
 * Sources: prices that fall as in annealing: Kirkpatrick, Gelatt and Vecchi, 1983; penalties that
 * steer construction: Fisher, The Lagrangian relaxation method, 1981. */
#ifndef PLAN_SEEK_H
#define PLAN_SEEK_H

#include "plan/exchange.h"
#include "plan/tree.h"

struct plan_seeker {
    const struct plan_problem *problem;
    const struct plan_lp_api *api;
    struct plan_place place;
    struct plan_tree *exacts;       /* of each service, on what the others leave */
    struct plan_own *owns;          /* of each service; with no pool where it cannot have one */
    const struct plan_pool **pools; /* of each service; NULL: it has none */
    uint32_t *gathered;             /* plans that had joined its pools, when they met last */
    struct plan_exchange *exchange;
    const double *prices; /* of the rows */
    double part;          /* of the prices: what counts in this sweep, */
    double *share;        /* of each row */
    double *pushed;       /* prices at which the pools' plans go together, for more of them */
    bool has_pushed;
    uint32_t *order;    /* of services, in construction and in each sweep */
    uint32_t *scratch;  /* of it, */
    double *costs;      /* and what each costs */
    uint32_t *best;     /* counts of the best plan */
    double best_usd_h;  /* INFINITY: none yet */
    uint32_t sweep;     /* which share it has */
    uint32_t turn;      /* in the sweep's order */
    uint32_t round;     /* of ejections behind its turns; 0: none yet */
    uint32_t missed;    /* of these, the last ones: nothing was gained */
    uint32_t rise;      /* how often prices rose */
    uint32_t change;    /* how often the plan changed */
    double begun_usd_h; /* what the sweep began with */
    uint32_t *polished; /* the change that each service was polished after, at list prices */
    uint32_t news;      /* changes and joined plans, when services exchanged theirs last */
    uint32_t branched;  /* the same, when it was branched on them last */
    uint64_t branch_at; /* work of the seeker, before the next */
    uint32_t vain;      /* branchings without gain, since the last that had one */
    uint32_t *kept;     /* counts before a trial, */
    double *lacks;      /* of each row in it, */
    double *lent;       /* what of that others will give, */
    uint32_t *waits;    /* and the round until which each service has no other one */
};

/* <trees>: of each service, at prices; they outlive the seeker. <prices>: of each row, 0 where it
 * has none. ERR_MEMORY: the arena is too small. plan_seeker_end() frees what the library holds. */
MUST_USE enum err plan_seeker_init(struct plan_seeker *seeker, const struct plan_problem *problem,
                                   const struct plan_lp_api *api, const struct plan_tree *trees,
                                   const double *prices, struct arena *arena);
void plan_seeker_end(struct plan_seeker *seeker);
uint64_t plan_seeker_work(const struct plan_seeker *seeker);

/* Do services share anything that has a price? */
bool plan_seeker_has_prices(const struct plan_seeker *seeker);

/* The place holds the best plan again, at <prices> (NULL: the list's). */
void plan_seeker_take_best(struct plan_seeker *seeker, const double *prices);

/* The place's plan is the best, where it is cheaper. */
void plan_seeker_keep_best(struct plan_seeker *seeker);

/* A first plan: from <warm> (counts of each column; NULL: nothing) as far as the rules allow them,
 * by rounding <values> of a relaxation, and where that fails by trees. */
void plan_seek_first(struct plan_seeker *seeker, const uint32_t *warm, const double *values,
                     bool (*is_over)(void *), void *context);

/* After the root of the service's tree: its cuts, and a plan by rounding there, for both. */
void plan_seek_root(struct plan_seeker *seeker, uint32_t service, struct plan_tree *tree);

/* Pools of the service's tree and of the seeker give each other what is new. */
void plan_seek_gather(struct plan_seeker *seeker, uint32_t service, struct plan_tree *tree);

/* The tree of the service will look for plans that go together with others'. */
void plan_seek_push(const struct plan_seeker *seeker, uint32_t service, struct plan_tree *tree);

/* Services exchange their plans for others of their pools, where something is new. */
void plan_seek_exchange(struct plan_seeker *seeker);

/* eject.c. A round behind a sweep: a service takes a plan of its pool that does not fit, one that
 * would gain much at the relaxation's prices; others give way one after the other, each with the
 * best answer to what is left when it takes nothing of what is lacking, and who comes next gives
 * the rest. What makes the whole cheaper, at the sweep's prices, stays. false: the rounds are over.
 */
bool plan_seek_eject(struct plan_seeker *seeker, bool (*is_over)(void *), void *context);

/* Behind a first plan: sweeps, for about <work>, one step at least. <enumerator>: scratch; NULL:
 * no service may be enumerated. */
void plan_seek(struct plan_seeker *seeker, uint64_t work, struct plan_enumerator *enumerator,
               bool (*is_over)(void *), void *context);

#endif
