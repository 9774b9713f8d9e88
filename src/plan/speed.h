/* speed.h: what one replica of a service does on one machine type: requests per second at full
 * load, time to the first token, and the load at which few requests wait too long.
 *
 * A replica of a model is one machine with as many engines as its accelerators make groups of
 * <tensor_parallel>. An engine computes <batch> requests side by side and each new prompt alone,
 * while the others stand still (continuous batching). With A answer tokens, token_ms of a decode
 * step and prompt_ms of a prompt alone, a request holds one of the <batch> slots for
 *
 *   A token_ms + batch prompt_ms,    so that    rate = engines batch / that
 *
 * at full load; prompts then take the share  batch prompt_ms / that  of the time, and a further
 * token takes  token_ms + batch prompt_ms / A.  Time to the first token without waiting: the
 * decode step under way, and the longest prompt of its size. Weights and the keys and values of a
 * full batch fit 90 % of the accelerators' memory.
 *
 * The wait has two causes: no free slot (M/G/c, c = all slots of the replicas that a region has at
 * least), and another prompt being computed (M/G/1 of one engine). The most load is the one at
 * which both together are late for no more than a given share of requests (queue.h). Answers vary
 * as an exponential of each size's mean, prompts as evenly between nothing and twice the mean. */
#ifndef PLAN_SPEED_H
#define PLAN_SPEED_H

#include "plan/wish.h"

enum { PLAN_SPEEDS_MAX = 8 }; /* ways to run one service on one machine type */

struct plan_speed {
    uint16_t sku;
    uint32_t machines, engines;
    uint32_t tensor_parallel, batch;    /* 0: the speed is given outright */
    double rates[PLAN_BUCKETS_MAX];     /* requests per second at full load of this size alone;
                                           0: does not fit */
    double first_ms[PLAN_BUCKETS_MAX];  /* without waiting */
    double prompt_ms[PLAN_BUCKETS_MAX]; /* of a prompt of mean length, alone */
    double token_ms[PLAN_BUCKETS_MAX];  /* of a decode step with a full batch */
    bool is_estimate;
};

/* The ways to run <service> on <sku>, none dominated by another (as fast and as soon); 0: none. */
uint32_t plan_speed_list(const struct catalog *catalog, const struct plan_wish_service *service,
                         uint16_t sku, struct plan_speed ret_speeds[PLAN_SPEEDS_MAX]);

/* The load, 0 .. 1, at which at most <late_max> of the requests of the sizes in <set> (bits) wait
 * longer than the service's wait_ms; the service's own load where it has one. */
double plan_speed_load(const struct plan_speed *speed, const struct plan_wish_service *service,
                       uint32_t set, double late_max);

/* Requests per second of the sizes in <set> in the shares of the service. 0: it does none of
 * them. */
double plan_speed_mixed(const struct plan_speed *speed, const struct plan_wish_service *service,
                        uint32_t set);

#endif
