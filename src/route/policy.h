/* policy.h: the second stage of a decision, between route.c and the policies: every candidate gets
 * a score, the lowest wins. Not for other modules. */
#ifndef ROUTE_POLICY_H
#define ROUTE_POLICY_H

#include <stdint.h>

#include "route/route.h"

/* What all candidates together say; worked out once a decision. */
struct policy_field {
    uint64_t candidates; /* bit i: targets[i] passed the filters */
    unsigned count;      /* of them */
    uint32_t load[LIMIT_TARGETS];
    uint32_t load_min;
    uint64_t load_sum;
    int64_t ewma_known_us; /* least latency known of a candidate: stands in for unknown ones, so
                              that they are tried, and yet fill up as they are. 0: none is known */
};

struct policy_case {
    const struct route_view *view;
    const struct route_request *request;
    const struct policy_field *field;
    struct route_memory *memory;
};

/* Scores of all candidates; what stands in the other entries means nothing. Advances the memory as
 * far as the choice does not matter for it. */
void policy_score(const struct policy_case *one, int64_t ret_score[LIMIT_TARGETS]);

/* targets[<chosen>] was chosen: advances what depends on that. */
void policy_settle(const struct policy_case *one, unsigned chosen);

/* adaptive.c */
struct route_terms adaptive_terms(const struct policy_field *field,
                                  const struct route_target *target,
                                  const struct route_request *request, uint32_t load);
void adaptive_score(const struct policy_case *one, int64_t ret_score[LIMIT_TARGETS]);

#endif
