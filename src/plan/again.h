/* again.h: a wish with levers pulled, planned again: what explanations (explain.h), what-ifs
 * (question.h) and the search for a contradiction (conflict.h) are made of. */
#ifndef PLAN_AGAIN_H
#define PLAN_AGAIN_H

#include "plan/lever.h"
#include "plan/make.h"

enum { PLAN_AGAIN_WHY_MAX = 512 };

/* OPEN: neither a plan nor a proof that there is none, within the limits. */
enum plan_verdict { PLAN_VERDICT_FOUND, PLAN_VERDICT_NONE, PLAN_VERDICT_OPEN };

struct plan_again {
    const struct plan_wish *wish;
    struct plan_begin from; /* warm: the wish's own plan; NULL: none is known */
    const struct plan_lp_api *lp;
    struct plan_limits limits; /* of each solve */
    /* Before each solve, which is number <done> of about <count>: starts the clock of <limits>. */
    void (*on_solve)(void *context, uint32_t done, uint32_t count);
    bool (*is_spent)(void *context); /* no solve may begin any more; NULL: never */
    void *context;
    struct arena *arena;    /* a solve leaves it as it was */
    uint32_t solved, count; /* so far; about how many there will be, 0: not known */
    uint64_t work;          /* of all that was solved */
};

/* The figures of a plan that is gone again. */
struct plan_outcome {
    enum plan_verdict verdict;
    bool is_optimal;
    double cost_usd_h, bound_usd_h; /* INFINITY: proven that there is none; bound of OPEN: 0 */
    double machines_usd_h, carbon_kg_h, egress_usd_h;
    uint32_t regions, replicas;
    char why[PLAN_AGAIN_WHY_MAX]; /* not FOUND: what was said */
};

/* What a change costs, between what is proven: both plans carry a gap. */
struct plan_worth {
    double low_usd_h, high_usd_h; /* -INFINITY, INFINITY: nothing is known */
    double usd_h;                 /* by the two plans; NAN: one is missing */
};

/* ERR_MEMORY: the arena is too small even for the wish. What else goes wrong makes the outcome
 * OPEN. */
MUST_USE enum err plan_again_solve(struct plan_again *again, const struct plan_pull *pulls,
                                   uint32_t count, struct plan_outcome *ret_outcome);

/* The figures of a sheet that was made. */
void plan_outcome_of(const struct plan_sheet *sheet, struct plan_outcome *ret_outcome);

/* <dear> minus <cheap>. */
struct plan_worth plan_worth_between(const struct plan_outcome *dear,
                                     const struct plan_outcome *cheap);

/* Does <pull> only make plans dearer (1), or only cheaper (-1)? 0: not known. */
int plan_pull_sign(const struct plan_pull *pull);

/* What lies on the other side of nothing is cut off: more room never makes the best plan dearer,
 * whatever two gaps leave open. <sign> as of plan_pull_sign(). */
void plan_worth_clip(struct plan_worth *worth, int sign);

/* Is the figure within a cent, or a twentieth, whatever the two gaps hide? */
bool plan_worth_is_sure(const struct plan_worth *worth);

/* "$3.10/h", or "between $0.00 and $5.00/h" where the two gaps leave that open. */
void plan_worth_say(const struct plan_worth *worth, struct text *text);

#endif
