/* formulate.h: a wish and a catalogue into the programme of problem.h.
 *
 *   demand   one group of clients and one size of requests. Its rate is in units of work, of which
 *            an average request of the service is one: <work> says how many a request of this size
 *            is. Where machine types differ in the ratio between sizes, a column counts with the
 *            size that it is worst at, so that no plan is overloaded.
 *   node     the columns of one place that may answer the same demands
 *   column   one way to run a service (speed.h) on one offer of a place
 *
 * Latency = round trip (and the link's margin where the promise is hard) + wait_ms + first_ms. In
 * the percentile form those demands may miss that no place can answer in time (or not any more
 * after a loss); what they leave of the promise is the share of requests that may wait too long:
 * late_max = 1 - percentile / (1 - missed). In the hard form it is 1 %, without a promise 5 %. */
#ifndef PLAN_FORMULATE_H
#define PLAN_FORMULATE_H

#include "plan/sheet.h"
#include "plan/speed.h"
#include "plan/wish.h"

struct plan_demand_origin {
    uint32_t client, bucket;
    double work;   /* units of rate a request */
    bool may_miss; /* ttft */
};

struct plan_column_origin {
    uint32_t place;
    uint16_t speed;    /* index */
    double usd_h;      /* of one replica: machines, or the power of one's own */
    double usd_carbon; /* of one replica an hour */
    double watts;      /* of one replica, with what the building needs */
    uint32_t stock;    /* replicas; what count_max was before pins */
    bool is_estimate;  /* the price */
};

struct plan_service_origin {
    double missed, late_max; /* shares of requests */
    uint32_t speed_first, speed_count;
};

struct plan_formulation {
    const struct plan_wish *wish;
    struct plan_problem problem;
    const uint32_t *places; /* of each region of the problem */
    const struct plan_demand_origin *demands;
    const struct plan_column_origin *columns;
    const struct plan_service_origin *services;
    const struct plan_speed *speeds;
    uint32_t speed_count;
};

/* <running>: the plan in force, or NULL. Memory from <arena>. ERR_VALUE: no plan can exist, and
 * <why> says which rules forbid it. ERR_UNSUPPORTED: <why> says what cannot be expressed.
 * ERR_MEMORY. */
MUST_USE enum err plan_formulate(const struct plan_wish *wish, const struct plan_sheet *running,
                                 struct arena *arena, struct plan_formulation **ret_formulation,
                                 struct text *why);

/* Is <replica> of another sheet what <column> stands for? */
bool plan_column_is(const struct plan_formulation *made, uint32_t column,
                    const struct plan_sheet_replica *replica);

#endif
