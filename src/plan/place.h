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

struct plan_known {
    uint32_t failure; /* PLAN_NONE: nothing is lost */
    uint64_t nodes[PLAN_NODES_MAX / 64];
    int64_t rate, slack;
};

struct plan_place_service {
    struct plan_graph graph;
    struct plan_routing routing;
    int64_t *rates;           /* what must be answered; graph.rates points here */
    struct plan_known *known; /* KNOWN_MAX; the oldest give way */
    uint32_t known_count, known_next, violated_count;
    uint32_t last_failure; /* the one that was violated last is looked at first */
    uint32_t *saved;       /* counts before a trial */
    double cost_usd_h;     /* replicas, open nodes and moves */
};

struct plan_place {
    const struct plan_problem *problem;
    struct plan_place_service *services;
    uint32_t *counts;     /* of each column */
    int64_t *speeds;      /* of each node: sum of its replicas */
    int64_t *rooms;       /* scratch, of the nodes of one service */
    double *activities;   /* of each row */
    uint32_t *row_firsts; /* first entry of each column in row_of; column_count + 1 */
    uint32_t *row_of;
    double *row_factors;
    uint32_t *order; /* scratch */
    struct rng rng;
    uint64_t work;
};

bool plan_place_init(struct plan_place *place, const struct plan_problem *problem,
                     struct arena *arena);

void plan_place_set(struct plan_place *place, uint32_t column, uint32_t count);

/* Counts of one service from a relaxation's values of its columns, plus <theta>, rounded down, as
 * far as the common rows allow. */
void plan_place_round(struct plan_place *place, uint32_t service, const double *values,
                      double theta);

/* Adds replicas until every demand of the service can be answered, also after each failure. false:
 * the rows do not allow it. <noise> 0..1 varies the choices. */
bool plan_place_repair(struct plan_place *place, uint32_t service, double noise);

/* Takes replicas away as long as it holds without. */
void plan_place_drop(struct plan_place *place, uint32_t service);

/* Is everything answered, also after each failure? Exact. */
bool plan_place_holds(struct plan_place *place, uint32_t service);

/* Rounds, repairs and drops; what was there stays when it is not dearer. */
void plan_place_try(struct plan_place *place, uint32_t service, const double *values, double theta);

/* <tries> times ruin and recreate; answers what was saved, in USD per hour. */
double plan_place_search(struct plan_place *place, uint32_t service, uint32_t tries);

#endif
