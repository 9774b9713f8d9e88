/* breaker.h: leaves a failing target alone and finds out with one request at a time when it is
 * well.
 *
 *              trip_count failures in a row                rest over, first admission
 *     CLOSED -------------------------------> OPEN ------------------------------------> TRYING
 *        ^                                     ^                                         |   |
 *        |                                     +------- trial BAD: rest doubles ---------+   |
 *        +------------------- heal_count trials GOOD in a row -------------------------------+
 *
 * One breaker watches one target for one loop; breakers of different loops know nothing of each
 * other. Pure: time is monotonic microseconds, comes in with the event and never runs backwards.
 *
 * Each admission is noted exactly once, whatever becomes of the request:
 *   GOOD  an answer in whole     BAD  refused connection, reset, timeout, 5xx
 *   BUSY  no verdict: no room (429, 503 with Retry-After), client gone, request shed
 * An admission carries the term it was made in. Opening begins a new term, and notes of older terms
 * change nothing: a straggler from before the failure is not mistaken for the trial.
 *
 * Invariants, checked at every event
 *   1. CLOSED  failure_run < trip_count, and no trial is out.
 *   2. OPEN    nothing is admitted before retry_at_us, and no trial is out.
 *   3. TRYING  at most one trial is out, and heal_run < heal_count.
 *   4. rest_us stays within rules.rest_us .. rules.rest_max_us.
 *
 * Source: M. Nygard, Release It!, 2nd ed. (2018), "Circuit Breaker". */
#ifndef ROUTE_BREAKER_H
#define ROUTE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

/* No rules may ask for a longer rest than a day. */
#define ROUTE_BREAKER_REST_US_MAX (INT64_C(24) * 3600 * 1000 * 1000)

enum route_breaker_state { ROUTE_BREAKER_CLOSED, ROUTE_BREAKER_OPEN, ROUTE_BREAKER_TRYING };

enum route_breaker_outcome { ROUTE_BREAKER_GOOD, ROUTE_BREAKER_BAD, ROUTE_BREAKER_BUSY };

struct route_breaker_rules {
    uint32_t trip_count; /* failures in a row that open it: 1 .. 1000 */
    uint32_t heal_count; /* good trials in a row that close it: 1 .. 100 */
    int64_t rest_us;     /* first rest: > 0 */
    int64_t rest_max_us; /* longest rest: rest_us .. ROUTE_BREAKER_REST_US_MAX */
};

struct route_breaker {
    struct route_breaker_rules rules;
    enum route_breaker_state state;
    uint32_t term; /* rises at each opening; wraps */
    uint32_t failure_run;
    uint32_t heal_run;
    bool is_trial_out;   /* TRYING: admitted and not yet noted */
    int64_t rest_us;     /* what the next opening will take */
    int64_t retry_at_us; /* OPEN: when its rest is over */
};

/* Starts closed. <rules> within the ranges above. */
void route_breaker_init(struct route_breaker *breaker, const struct route_breaker_rules *rules);

/* Would a request be admitted at <now_us>? Changes nothing: loops copy this word into their view
 * before they choose. */
bool route_breaker_is_ready(const struct route_breaker *breaker, int64_t now_us);

/* Admits a request to the target that was chosen. False: choose again without it. On true
 * <ret_term> is what its outcome is noted with; after a rest this request is the one trial. */
bool route_breaker_admit(struct route_breaker *breaker, int64_t now_us, uint32_t *ret_term);

/* The request admitted in <term> is over. */
void route_breaker_note(struct route_breaker *breaker, uint32_t term,
                        enum route_breaker_outcome outcome, int64_t now_us);

#endif
