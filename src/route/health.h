/* health.h: which targets of a service are fit to be asked, by three kinds of evidence.
 *
 *   probes    an active probe calls a target down after FALL failures in a row, up again after RISE
 *   outliers  a target is ejected for a rest when it failed EJECT_RUN times in a row, when half of
 *             its answers of a judging period were failures, or when its peak EWMA is far above the
 *             median of its peers. The rest doubles each time it is ejected again, and the memory
 *             of ejections fades, one a FORGIVE period of good behaviour
 *   cooling   a target that refused for lack of room is left alone for as long as it asked, within
 *             bounds. That is no failure: it neither ejects nor opens a breaker
 *
 * Peers are targets of the same group: replicas of one region, whose latencies may be compared.
 * A target of group ROUTE_HEALTH_ALONE (a whole region, reached over its own link) is judged by its
 * failures only; all of them together count as one group for the cap below.
 *
 * Invariants, checked at every event
 *   1. Never more than half of a group is ejected at the same time, so one alone never is.
 *   2. Rests stay within REST_US .. REST_MAX_US, coolings within COOL_MIN_US .. COOL_MAX_US.
 *
 * Pure; one a loop and service. Time is monotonic microseconds and comes in with the event.
 * Source: Envoy's outlier detection, reference constants of HAProxy's fall and rise. */
#ifndef ROUTE_HEALTH_H
#define ROUTE_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

enum {
    ROUTE_HEALTH_FALL = 3,
    ROUTE_HEALTH_RISE = 2,
    ROUTE_HEALTH_EJECT_RUN = 5,
    ROUTE_HEALTH_PERIOD_ANSWERS = 10, /* fewer answers in a period say nothing about their share */
    ROUTE_HEALTH_PEERS_MIN = 3,       /* with latencies known, or a median says nothing */
    ROUTE_HEALTH_SLOW_FACTOR = 3,     /* times the median ... */
    ROUTE_HEALTH_ALONE = 0xFFFF
};

#define ROUTE_HEALTH_SLOW_US     (INT64_C(250) * 1000) /* ... and this much above it */
#define ROUTE_HEALTH_PERIOD_US   (INT64_C(1) * 1000 * 1000)
#define ROUTE_HEALTH_REST_US     (INT64_C(10) * 1000 * 1000)
#define ROUTE_HEALTH_REST_MAX_US (INT64_C(300) * 1000 * 1000)
#define ROUTE_HEALTH_FORGIVE_US  (INT64_C(60) * 1000 * 1000)
#define ROUTE_HEALTH_COOL_MIN_US (INT64_C(1) * 1000 * 1000)
#define ROUTE_HEALTH_COOL_MAX_US (INT64_C(60) * 1000 * 1000)

struct route_health_target {
    uint16_t group;
    bool is_down;             /* by its probe */
    uint8_t probe_run;        /* answers in a row against <is_down> */
    uint8_t failure_run;      /* requests in a row */
    uint8_t ejection_count;   /* remembered ones: the next rest is REST_US doubled so often */
    uint32_t good, bad;       /* answers of this period */
    int64_t ejected_until_us; /* 0: never was */
    int64_t forgiven_at_us;   /* when <ejection_count> last changed or a rest ended */
    int64_t cooling_until_us;
};

struct route_health {
    uint16_t target_count;
    int64_t judged_at_us;
    struct route_health_target targets[LIMIT_TARGETS];
};

/* <groups>: of each target, or NULL: all are peers. */
void route_health_init(struct route_health *health, unsigned target_count, const uint16_t *groups);

/* A request to <target> ended with a verdict. */
void route_health_note(struct route_health *health, unsigned target, bool is_good, int64_t now_us);

/* It answered 429, or 503 with Retry-After; <retry_after_us> 0: it did not say how long. */
void route_health_cool(struct route_health *health, unsigned target, int64_t retry_after_us,
                       int64_t now_us);

/* Its active probe came back. */
void route_health_probe(struct route_health *health, unsigned target, bool is_good);

/* Compares the targets with each other and starts the next period; does nothing when the last one
 * is not over, so that it may be called at every tick. <ewma_us>: of each target, 0: no data. */
void route_health_judge(struct route_health *health, const int64_t *ewma_us, int64_t now_us);

bool route_health_is_up(const struct route_health *health, unsigned target);
bool route_health_is_ejected(const struct route_health *health, unsigned target, int64_t now_us);
bool route_health_is_cooling(const struct route_health *health, unsigned target, int64_t now_us);

#endif
