/* place.h: whole numbers of replicas: construction and local search, one service at a time on what
 * the others leave of the common rows.
 *
 * Feasibility is decided exactly. Each service keeps the Hall sets that have ever been violated
 * (known sets) with their slack up to date, so that most trials are refused by one look; only what
 * passes them is routed, without a failure and with each that takes something away.
 *
 * Moves: add (repair of violated sets, by cost per rate that is covered), drop, and ruin and
 * recreate: a column or a node gives up replicas, repair and drop follow, and what came out stays
 * when it is cheaper. Swapping skus, closing and merging nodes, spot for on demand all are cases of
 * it. Source of the last: Schrimpf et al., 2000. */
#ifndef PLAN_PLACE_H
#define PLAN_PLACE_H

#include "base/rng.h"
#include "plan/routing.h"

enum { PLAN_KNOWN_MAX = 384 };

struct plan_known {
    uint32_t failure; /* PLAN_NONE: nothing is lost */
    uint64_t nodes[PLAN_NODES_MAX / 64];
    int64_t rate, slack;
};

struct plan_place_service {
    struct plan_graph graph;
    struct plan_routing routing;
    int64_t *rates;           /* what must be answered; graph.rates points here */
    struct plan_known *known; /* PLAN_KNOWN_MAX; the oldest give way */
    uint32_t known_count, known_next, violated_count;
    uint32_t short_count;  /* open nodes with fewer replicas than they must have */
    uint32_t last_failure; /* the one that was violated last is looked at first */
    uint32_t *lost_firsts; /* of each failure: its first in <lost>; and the end */
    uint32_t *lost;        /* nodes of the service that go with it */
    uint32_t *saved;       /* counts before a trial */
    uint32_t *by_egress;   /* nodes, those with the cheapest egress first */
    bool has_egress;
    bool is_unplaced;    /* what is there answers nothing: any plan is better */
    double cost_usd_h;   /* replicas at the place's costs, open nodes and moves */
    double egress_usd_h; /* of the plan that was settled last */
    double saved_egress_usd_h;
};

struct plan_place {
    const struct plan_problem *problem;
    struct plan_place_service *services;
    uint32_t *counts; /* of each column */
    int64_t *speeds;  /* of each node: sum of its replicas */
    uint32_t *node_counts;
    bool *is_own_row;     /* of one service alone */
    int64_t *rooms;       /* scratch, of the nodes of one service */
    double *activities;   /* of each row */
    uint32_t *row_firsts; /* first entry of each column in row_of; column_count + 1 */
    uint32_t *row_of;
    double *row_factors;
    double *costs;   /* of each column */
    uint32_t *order; /* scratch */
    struct rng rng;
    uint64_t work;
};

/* Is the node one of those that may answer the set's demands? */
bool plan_known_has(const struct plan_known *known, uint32_t node);

bool plan_place_init(struct plan_place *place, const struct plan_problem *problem,
                     struct arena *arena);

/* Costs of columns with <prices> on the rows (tree.h), which keep replicas off what others need
 * more; NULL: the list's. */
void plan_place_price(struct plan_place *place, const double *prices);

/* Another cost of one column. */
void plan_place_charge(struct plan_place *place, uint32_t column, double cost_usd_h);

/* Of one service and of all, at list prices, with egress. */
double plan_place_cost_of(const struct plan_place *place, uint32_t service);
double plan_place_cost(const struct plan_place *place);

void plan_place_set(struct plan_place *place, uint32_t column, uint32_t count);

/* Counts of one service from a relaxation's values of its columns, plus <theta>, rounded down, as
 * far as the common rows allow. */
void plan_place_round(struct plan_place *place, uint32_t service, const double *values,
                      double theta);

/* Adds replicas until every demand of the service can be answered, also after each failure, and
 * mends the rules that its replicas break. false: found no way. <noise> 0..1 varies the choices. */
bool plan_place_repair(struct plan_place *place, uint32_t service, double noise);

/* Takes replicas away as long as it holds without, and refills. */
void plan_place_drop(struct plan_place *place, uint32_t service);

/* refill.c. Fills each node as cheaply as can be with what is asked of it, where that makes the
 * plan cheaper: single replicas that come and go do not lead from many small ones to few large. The
 * service is placed. Source: knapsacks by branch and bound, by price for speed: Kolesar, 1967. */
void plan_place_refill(struct plan_place *place, uint32_t service);

/* refill.c. One node has a replica more or less, and another one is filled with what is left to it;
 * as long as that makes the plan cheaper. The service is placed. */
void plan_place_shift(struct plan_place *place, uint32_t service);

/* For those: as many replicas of the column as the rules allow, and whether all are kept that it is
 * in. */
uint32_t plan_place_most(const struct plan_place *place, uint32_t column);
bool plan_place_keeps_rules(const struct plan_place *place, uint32_t column);

/* How far the row is broken; 0: it is kept. */
double plan_place_excess(const struct plan_place *place, uint32_t row);

/* Counts and egress of the service, before a trial, and back. */
void plan_place_save(struct plan_place *place, uint32_t service);
void plan_place_restore(struct plan_place *place, uint32_t service);

/* Up to <most> replicas of the column go, where the rules allow it. */
void plan_place_take(struct plan_place *place, uint32_t column, uint32_t most);

/* What the service costs now, with egress, which is noted. All can be answered. */
double plan_place_reckon(struct plan_place *place, uint32_t service);

/* holds.c. Of the service: which nodes go with each failure. false: the arena is too small. */
bool plan_place_list_lost(struct plan_place *place, uint32_t service, struct arena *arena);

/* holds.c. The sets that are known of a service of another place are known of <service>, which is
 * the same one or a copy. */
void plan_place_know(struct plan_place *place, uint32_t service, const struct plan_place *from,
                     uint32_t other);

/* holds.c. Is everything answered, also after each failure? Exact. */
bool plan_place_holds(struct plan_place *place, uint32_t service);

/* Repairs and drops, and reckons what the answers' way out costs. false: as plan_place_repair(). */
bool plan_place_settle(struct plan_place *place, uint32_t service, double noise);

/* Rounds and settles; what was there stays when it is not dearer. Is it better? */
bool plan_place_try(struct plan_place *place, uint32_t service, const double *values, double theta);

/* The same for all services at once; is every one placed? */
bool plan_place_try_all(struct plan_place *place, const double *values, double theta);
bool plan_place_is_whole(const struct plan_place *place);

/* ruin.c. <tries> times ruin and recreate; only what is not dearer stays. Then shifts. */
void plan_place_search(struct plan_place *place, uint32_t service, uint32_t tries);

/* The rate of a demand that must be answered: all of it, unless it may stay unmet. */
int64_t plan_place_answered(const struct plan_place *place, uint32_t demand);
void plan_place_answer(struct plan_place *place, uint32_t demand, int64_t rate);

/* ruin.c. Two services give up something at once, and the first takes what it wants of what is
 * free. Is it better? */
bool plan_place_search_two(struct plan_place *place, uint32_t service, uint32_t other);

/* The cheapest way to answer everything, left in the service's routing: USD per hour of egress. All
 * can be answered. */
double plan_place_route(struct plan_place *place, uint32_t service);

/* What the service takes of a rule. */
double plan_place_used(const struct plan_place *place, uint32_t service, uint32_t row);

#endif
