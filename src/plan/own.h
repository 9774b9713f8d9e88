/* own.h: plans of one service as if it were alone, at prices of the rows that services share.
 *
 * Found by rounding, ruin and recreate in a place of its own, so that services can be searched side
 * by side. The cheapest is what a tree need not exceed; all that are good make the pool from which
 * exchange.h puts the whole together. A service that is *pushed* searches at other costs, which
 * keep it off what the others' good plans want. */
#ifndef PLAN_OWN_H
#define PLAN_OWN_H

#include "plan/place.h"

enum { PLAN_POOL_MAX = 64 };

struct plan_pool {
    uint32_t column_count, count;
    uint32_t joined;                   /* ever */
    uint32_t *counts;                  /* of each plan */
    double costs_usd_h[PLAN_POOL_MAX]; /* at list prices, with egress */
    double worths[PLAN_POOL_MAX];      /* the same at prices: the dearest gives way */
};

struct plan_own {
    const struct plan_column *list, *priced; /* the service's columns, at both prices */
    struct plan_place place;
    struct plan_pool pool;
    double *pushed; /* costs of the columns */
    bool is_pushed; /* and has not been searched since */
};

/* <part>: a problem of one service, whose columns are priced in place; <list>: the same columns at
 * list prices. false: the arena is too small. */
bool plan_own_init(struct plan_own *own, const struct plan_problem *part,
                   const struct plan_column *list, uint64_t seed, struct arena *arena);

/* After other prices: for the place, and for what the pool's plans are worth. */
void plan_own_price(struct plan_own *own);

/* Begins with a relaxation's values plus <theta>, rounded down, and ruins and recreates <tries>
 * times. What the plan is worth at prices, which is left in the place; INFINITY: found none. */
double plan_own_start(struct plan_own *own, const double *values, double theta, uint32_t tries);

/* Goes on from the pool's best plan; returns as above. */
double plan_own_resume(struct plan_own *own, uint32_t tries);

/* Prices of the whole's rows for plan_own_search(). */
void plan_own_push(struct plan_own *own, const double *prices, const struct plan_place *whole,
                   uint32_t column_first);

/* Goes on from the pool's best plan at the pushed costs, if they are new; returns as above. */
double plan_own_search(struct plan_own *own);

/* What the plan is worth that has <counts> of each column, which is left in the place; INFINITY: it
 * is none. */
double plan_own_try(struct plan_own *own, const uint32_t *counts);

/* Plans of another pool of the service join. */
void plan_own_gather(struct plan_own *own, const struct plan_pool *from);

/* The plan of <service> in the whole's place joins its pool. */
void plan_own_take(struct plan_own *own, const struct plan_place *whole, uint32_t service);

#endif
