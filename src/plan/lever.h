/* lever.h: what can be changed about a wish, one thing at a time: a rule of it taken off or given
 * more room, its demand, its prices, a place that is not there any more.
 *
 * Explanations, what-ifs and the search for rules that contradict each other are all the same:
 * pull levers, plan again. Pulling leaves the wish as it is and answers a changed copy. */
#ifndef PLAN_LEVER_H
#define PLAN_LEVER_H

#include "plan/wish.h"

/* The rules first, in the order in which a search for a contradiction tries to do without them. */
enum plan_lever_kind {
    PLAN_LEVER_PLACES,  /* regions, zones and providers that may be used */
    PLAN_LEVER_SKUS,    /* machines that may be used */
    PLAN_LEVER_MARKETS, /* on demand, spot */
    PLAN_LEVER_FORBID,
    PLAN_LEVER_PIN,
    PLAN_LEVER_HOLD,
    PLAN_LEVER_REPLICAS,
    PLAN_LEVER_REGIONS,
    PLAN_LEVER_SPREAD,
    PLAN_LEVER_SPOT,
    PLAN_LEVER_SPOT_SPREAD,
    PLAN_LEVER_POWER, /* of all, or of a site */
    PLAN_LEVER_CARBON,
    PLAN_LEVER_STOCK, /* of one sku in one place on one market, or of all */
    PLAN_LEVER_BUDGET,
    PLAN_LEVER_RESIDENCY, /* of a service's clients in one zone, or in all */
    PLAN_LEVER_SLO,
    PLAN_LEVER_LOSE,
    PLAN_LEVER_RULES, /* how many kinds of rules there are */
    PLAN_LEVER_DEMAND = PLAN_LEVER_RULES,
    PLAN_LEVER_PRICE,
    PLAN_LEVER_GONE, /* a place, or all of a provider */
    PLAN_LEVER_KINDS
};

struct plan_lever {
    enum plan_lever_kind kind;
    uint32_t service;     /* PLAN_NONE: each */
    uint32_t place;       /* PLAN_NONE: each */
    uint32_t sku;         /* PLAN_NONE: each */
    uint32_t market;      /* PLAN_ANY_MARKET: each */
    uint32_t item;        /* pin, forbid, entry of reserved; zone of clients; PLAN_NONE: each */
    struct span provider; /* empty: each */
    struct span name;     /* "stock of NC24ads_A100_v4 in azure:swedencentral" */
};

enum plan_pull_how { PLAN_PULL_OFF, PLAN_PULL_MORE, PLAN_PULL_TIMES };

/* MORE: machines, USD an hour, kg an hour, kW. TIMES: SLO, stock, demand, prices and budgets. */
struct plan_pull {
    struct plan_lever lever;
    enum plan_pull_how how;
    double amount; /* OFF: not used */
};

/* A lever of <kind> that means all of it. */
struct plan_lever plan_lever_any(enum plan_lever_kind kind);

/* Every rule of <wish>, those of a kind side by side. Memory from <arena>; false: no room. */
MUST_USE bool plan_levers_list(const struct plan_wish *wish, struct arena *arena,
                               const struct plan_lever **ret_levers, uint32_t *ret_count);

/* Is <rule> of a sheet (rules[].rule) this rule, or one of its rows? */
bool plan_lever_is_rule(const struct plan_lever *lever, struct span rule);

/* Stock and prices: is there anything that is meant, which the wish may use? Others: yes. */
bool plan_lever_reaches(const struct plan_wish *wish, const struct plan_lever *lever);

/* Can it be pulled that way? */
bool plan_lever_can(enum plan_lever_kind kind, enum plan_pull_how how);

/* <wish> with all of <pulls>, in their order. The copy shares what is not changed and lives in
 * <arena>. NULL: no room. */
const struct plan_wish *plan_wish_pull(const struct plan_wish *wish, const struct plan_pull *pulls,
                                       uint32_t count, struct arena *arena);

#endif
