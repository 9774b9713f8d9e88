/* group.h: what the nodes of one service can do together, as few choices.
 *
 * Nodes that the same demands may be answered from, at the same price of traffic, are a *group*.
 * Where every region may be lost alone, Hall's condition for a set U of demands is
 *     sum over N(U) of S  >=  D(U) / share,        sum S - max S  >=  D(U) / share_lost       (1)
 * with S[v] the speed of the replicas of node v, no more than its demands ask for. N(U) is made of
 * whole groups: of each, nothing counts but the sum of S and the greatest one. A *point* is a way
 * to run a group that no other one beats in sum, greatest and cost, in whole micro-requests as a
 * node's room is rounded down; every plan can be exchanged, group by group, for one of points that
 * costs no more. Some hundred points stand for what are millions of ways to fill the nodes. Where
 * that were too many, the nodes are split over several groups of the same demands.
 *
 * Prices of rows that hold for every plan below <target> (relax.h) split a point's cost: what rows
 * of the sets that were chosen for tables say, and the *rest*, of which no plan below <target> has
 * more than <target> exceeds the bound by (reduced-cost fixing): such points are left out. Left out
 * are also those whose rest is too much at the prices of an earlier solution, the root: rows that
 * came since may have taken in reduced costs that say much of single nodes.
 *
 * A row that asks for load asks for nodes that can bear it: its price counts as one of theirs, but
 * for as much as the dearest traffic among them costs, which stays with the load. */
#ifndef PLAN_GROUP_H
#define PLAN_GROUP_H

#include "plan/relax.h"

enum { PLAN_GROUPS_MAX = 64, PLAN_TABLES_MAX = 8, PLAN_RESTS = 2, PLAN_POINTS_MAX = 16384 };

struct plan_point {
    int64_t room, room_lost, greatest; /* exact: what its nodes can answer, with something lost */
    double speed, fastest;             /* requests per second, at full load; no more than asked */
    double speeds[PLAN_TABLES_MAX];    /* each node's no more than the table's set asks near it */
    double cost_usd_h;
    double rests[PLAN_RESTS];        /* of the cost, at prices of the relaxation, and of the root */
    double weights[PLAN_TABLES_MAX]; /* parts of it that rows of each table's set stand for */
    uint32_t made;                   /* how: plan_groups_counts() */
};

struct plan_group {
    struct plan_demand_set demands; /* that its nodes may answer */
    double egress_usd;              /* of a request */
    int64_t asked;                  /* by all its demands, micro-requests per second */
    double useful[PLAN_TABLES_MAX]; /* speed of one node for each table's set; 0: none of it */
    uint32_t nodes[PLAN_NODES_MAX], node_count;
    uint32_t point_first, point_count; /* the cheapest first */
};

/* A set whose rows' prices are kept apart. */
struct plan_weighed {
    struct plan_demand_set demands;
    uint64_t key;
    double value; /* sum of price x side of its rows */
};

struct plan_makings;

struct plan_groups {
    const struct plan_relax *relax;
    struct plan_group groups[PLAN_GROUPS_MAX];
    struct plan_point *points;
    uint32_t group_count, point_count;
    struct plan_weighed weighed[PLAN_TABLES_MAX];
    uint32_t weighed_count;
    double base;                     /* sum of price x side of all other rows */
    double bounds_usd_h[PLAN_RESTS]; /* of every plan, without rests */
    struct plan_makings *makings;
    uint64_t work, work_max, look_at; /* at the clock */
    bool (*is_over)(void *);
    void *context;
};

/* Scratch; NULL: the arena is too small. <columns_max>: of a relaxation. */
struct plan_groups *plan_groups_new(uint32_t columns_max, struct arena *arena);

/* One service, hard demands, no moves, each region lost alone, no rules but limits of columns. */
bool plan_groups_fit(const struct plan_problem *problem);

/* Groups and points at the last solution of <relax>, which fits, for plans below <target>; <root>:
 * of the same relaxation, at the same costs. false: there are too many, it takes more than
 * <work_max> or time, or a price makes a replica cost less than nothing. */
bool plan_groups_make(struct plan_groups *groups, const struct plan_relax *relax,
                      const struct plan_root *root, double target, uint64_t work_max,
                      bool (*is_over)(void *), void *context);

/* Adds the replicas of a point to <counts> of each column. */
void plan_groups_counts(const struct plan_groups *groups, const struct plan_point *point,
                        uint32_t *counts);

#endif
