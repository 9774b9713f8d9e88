/* ewma.h: how fast a target has answered lately, remembered with suspicion: a slow answer counts at
 * once, quick ones win the trust back over seconds (peak EWMA). Beside it a penalty after failures,
 * so that a target which fails quickly does not look quick.
 *
 * Integers only. The weight of the past halves every ROUTE_EWMA_HALF_US (between two halvings a
 * straight line stands in for the exponential: 6 % off at most). Reading decays too: a target that
 * got no request because it was slow is tried again in the end. Time is monotonic microseconds and
 * comes in with the event; an event that is older than the last one counts as if it came with it.
 *
 * Source: Finagle and Linkerd "peak EWMA" (tau of 10 s, which is a half-life of 7 s); the penalty
 * follows linkerd2-proxy's failure-aware load. */
#ifndef ROUTE_EWMA_H
#define ROUTE_EWMA_H

#include <stdint.h>

#define ROUTE_EWMA_HALF_US    (INT64_C(7) * 1000 * 1000)
#define ROUTE_PENALTY_MIN_US  (INT64_C(1) * 1000 * 1000) /* after the first failure */
#define ROUTE_PENALTY_MAX_US  (INT64_C(60) * 1000 * 1000)
#define ROUTE_EWMA_SAMPLE_MAX (INT64_C(24) * 3600 * 1000 * 1000)

struct route_ewma {
    int64_t value_us; /* 0: no data yet */
    int64_t noted_at_us;
    int64_t penalty_us; /* as of punished_at_us */
    int64_t punished_at_us;
};

void route_ewma_init(struct route_ewma *ewma);

/* A good answer whose first byte took <sample_us> (>= 0; above ROUTE_EWMA_SAMPLE_MAX counts as
 * that). Also halves the penalty. */
void route_ewma_note(struct route_ewma *ewma, int64_t sample_us, int64_t now_us);

/* An attempt failed, or was refused for lack of room and <retry_after_us> (0: not said) was asked
 * for. Doubles what is left of the penalty, within MIN and MAX, and at least to <retry_after_us>.
 */
void route_ewma_punish(struct route_ewma *ewma, int64_t retry_after_us, int64_t now_us);

/* The estimate at <now_us>; 0: no data yet, 1 at least otherwise. */
int64_t route_ewma_read(const struct route_ewma *ewma, int64_t now_us);

/* What is left of the penalty; 0 once it is below a millisecond. */
int64_t route_ewma_penalty(const struct route_ewma *ewma, int64_t now_us);

#endif
