/* rival_shop.h: inner face of rival.h: the shelf from which policies buy replicas.
 *
 *   rival.c          names, the loss of each region in turn
 *   rival_shop.c     stock, prices, what stands
 *   rival_speed.c    machines that get all sizes of requests
 *   rival_region.c   policies that look at machines: single region, skypilot, spothedge, round
 * robin rival_near.c     policies that look at clients: nearest, melange */
#ifndef PLAN_RIVAL_SHOP_H
#define PLAN_RIVAL_SHOP_H

#include "plan/rival.h"

struct plan_rival_shop {
    const struct plan_formulation *made;
    const struct plan_problem *problem;
    const struct plan_lp_api *lp;
    struct arena *arena;
    uint32_t *counts;     /* of each column: what was bought so far */
    uint32_t *stock_rows; /* of each column: its row of stock; PLAN_NONE: count_max says it */
    double *stock_used;   /* of each row */
    int64_t *speeds;      /* of each column, as the policy reckons */
    double *fits;    /* of each column: how much of the promise it keeps for clients next door */
    double *allowed; /* of each column: share of requests that residency lets it answer */
    uint32_t lost;   /* region that sells and answers nothing; PLAN_NONE */
};

/* Where to look for a machine. */
struct plan_rival_query {
    uint32_t service, region; /* PLAN_NONE: any */
    bool has_market[PLAN_MARKETS];
    bool ignores_residency;
    uint32_t like; /* column with the same accelerators; PLAN_NONE: any */
};

/* All columns at their least count; speeds as in the programme, or with <gets_all_sizes> those of
 * rival_speed.h. False: no room. */
MUST_USE bool plan_rival_shop_open(struct plan_rival_shop *shop,
                                   const struct plan_formulation *made, bool gets_all_sizes,
                                   const struct plan_lp_api *lp, struct arena *arena);

/* What a service's machines may be loaded to now. */
uint32_t plan_rival_share(const struct plan_rival_shop *shop, uint32_t service);

/* Rates in micro-requests per second at that share: wanted; of <count> of one column; of what
 * stands in a node, or in a region (PLAN_NONE: all). */
int64_t plan_rival_load(const struct plan_rival_shop *shop, uint32_t service);
int64_t plan_rival_capacity(const struct plan_rival_shop *shop, uint32_t column, uint32_t count);
int64_t plan_rival_node_room(const struct plan_rival_shop *shop, uint32_t node);
int64_t plan_rival_standing(const struct plan_rival_shop *shop, uint32_t service, uint32_t region);

/* Replicas of a column that are still to be had; those that <load> needs of it, or as many as there
 * are. */
uint32_t plan_rival_left(const struct plan_rival_shop *shop, uint32_t column);
uint32_t plan_rival_need(const struct plan_rival_shop *shop, uint32_t column, int64_t load);

/* USD per hour of <count> more, opening the node included, for each unit of <load> that they
 * answer. INFINITY: none. */
double plan_rival_price(const struct plan_rival_shop *shop, uint32_t column, uint32_t count,
                        int64_t load);

void plan_rival_buy(struct plan_rival_shop *shop, uint32_t column, uint32_t count);

/* How well a column does what is asked, 0 .. 1. */
double plan_rival_fit(const struct plan_rival_shop *shop, const struct plan_rival_query *query,
                      uint32_t column);

/* The machine that answers <load> at the lowest price, of those that fit best; PLAN_NONE: sold out.
 */
uint32_t plan_rival_pick(const struct plan_rival_shop *shop, const struct plan_rival_query *query,
                         int64_t load);

/* Buys that, and the next when it is sold out; answers what is left of <load>. */
int64_t plan_rival_take(struct plan_rival_shop *shop, const struct plan_rival_query *query,
                        int64_t load);

/* The policies. */
MUST_USE enum err plan_rival_single_region(struct plan_rival_shop *shop);
MUST_USE enum err plan_rival_skypilot(struct plan_rival_shop *shop);
MUST_USE enum err plan_rival_spothedge(struct plan_rival_shop *shop);
MUST_USE enum err plan_rival_round_robin(struct plan_rival_shop *shop);
MUST_USE enum err plan_rival_nearest(struct plan_rival_shop *shop);
MUST_USE enum err plan_rival_melange(struct plan_rival_shop *shop);

#endif
