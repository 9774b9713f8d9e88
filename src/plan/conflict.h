/* conflict.h: why there is no plan: an irreducible set of rules that leave none (without any one of
 * them the others of the set leave one), and what would mend it.
 *
 * Deletion filter (Chinneck and Dravnieks 1991) over the rules of a wish: each is left out in turn,
 * for good when the others still leave no plan; stocks, pins and prohibitions are tried in halves,
 * so that many that do not matter go at once. Only a proof that there is no plan lets a rule go: a
 * search that ends without either keeps it, and the set is then called not proven irreducible.
 * Which regions, machines and markets may be used counts as a rule only where the others do not
 * explain it. */
#ifndef PLAN_CONFLICT_H
#define PLAN_CONFLICT_H

#include "plan/again.h"

enum {
    PLAN_CONFLICT_SOLVES_MAX = 160, /* to find the set */
    PLAN_MEND_SOLVES_MAX = 80,      /* to find what mends it */
    PLAN_MENDS_MAX = 12
};

/* One rule off, or looser, or less demand; all other rules of the wish as they are. */
struct plan_mend {
    struct plan_pull pull; /* the least that was found; OFF: the rule as a whole */
    bool is_least;         /* a step less is proven to leave no plan */
    enum plan_verdict verdict;
    double cost_usd_h; /* of a plan then, not the best */
};

struct plan_conflict {
    const struct plan_lever *levers; /* the set */
    uint32_t count;
    bool is_irreducible;
    bool is_hopeless; /* no plan even without any rule: count is 0 */
    struct plan_mend mends[PLAN_MENDS_MAX];
    uint32_t mend_count, unlooked; /* rules of the set that nothing is said of */
};

/* The set. There must be a proof that again->wish has no plan. Memory from again->arena.
 * ERR_MEMORY. */
MUST_USE enum err plan_conflict_find(struct plan_again *again, struct plan_conflict *ret_conflict);

/* What mends it: less demand, more of all stocks, and each rule of the set (its stocks only where
 * they are few). ERR_MEMORY. */
MUST_USE enum err plan_conflict_mend(struct plan_again *again, struct plan_conflict *conflict);

/* Lines, each behind a line feed. */
void plan_conflict_say(const struct plan_wish *wish, const struct plan_conflict *conflict,
                       struct text *text);

#endif
