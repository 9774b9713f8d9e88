/* queue.h: how much load a pool of servers may carry so that few requests wait too long.
 *
 * Requests arrive as a Poisson stream and are served first come, first served. The chance that all
 * servers are busy is Erlang C; the wait of those that wait is taken as exponential, with the mean
 * of M/G/c by Lee and Longton: that of M/M/c times (1 + cv2) / 2.
 *
 * Sources: Erlang 1917; A. M. Lee, P. A. Longton, "Queueing processes associated with airline
 * passenger check-in", 1959. */
#ifndef PLAN_QUEUE_H
#define PLAN_QUEUE_H

#include <stdint.h>

enum { PLAN_QUEUE_SERVERS_MAX = 4096 };

struct plan_queue {
    uint32_t servers;  /* 1 .. PLAN_QUEUE_SERVERS_MAX; more count as so many */
    double time_ms;    /* mean time of one request at a server, > 0 */
    double cv2;        /* variance of that time over its mean squared: 0 fixed, 1 exponential */
    double budget_ms;  /* a longer wait is late */
    double load_share; /* load of these servers when the whole has load 1; 0 .. 1 */
};

/* Chance that an arriving request finds all servers busy; <load> of each, 0 .. 1. */
double plan_queue_busy(uint32_t servers, double load);

/* Share of requests that wait longer than the budget when the whole has <load>. */
double plan_queue_late(const struct plan_queue *queue, double load);

/* The most load of the whole, 0 .. 1, rounded down to 1e-6, at which the late shares of all queues
 * sum to at most <late_max>. */
double plan_queue_load(const struct plan_queue *queues, uint32_t count, double late_max);

#endif
