/* targets.h: one service on one loop: what the loop knows of each target, as route_choose() wants
 * it, and what each attempt does to that. Pure.
 *
 * The view is filled once with what never moves; gateway_targets_refresh() copies the moving words
 * (shared counts and samples, the loop's own breakers and latencies, this prompt's prefix matches)
 * right before a decision. That copy is what was decided on.
 *
 *   gateway_targets_begin -> [gateway_targets_first_byte] -> gateway_targets_end
 *
 * Every attempt that begins ends exactly once, on every path (invariant, checked): counts, breaker
 * and health are noted there and nowhere else. */
#ifndef GATEWAY_TARGETS_H
#define GATEWAY_TARGETS_H

#include "gateway/map.h"
#include "gateway/shared.h"
#include "route/breaker.h"
#include "route/ewma.h"
#include "route/health.h"
#include "route/prefix.h"
#include "route/route.h"

enum {
    GATEWAY_SAMPLE_FRESH_US = 1000 * 1000,   /* older: own counts are the truth */
    GATEWAY_SAMPLE_LOST_US = 2 * 1000 * 1000 /* older: not ready */
};

enum gateway_outcome {
    GATEWAY_OUTCOME_GOOD,   /* answered, whole */
    GATEWAY_OUTCOME_FAILED, /* refused the connection, broke, timed out, 5xx */
    GATEWAY_OUTCOME_BUSY,   /* 429, 503: no room; cools down, its breaker is not touched */
    GATEWAY_OUTCOME_NONE    /* no verdict: the client left, the request was wrong */
};

struct gateway_attempt {
    bool is_open, has_first_byte;
    bool is_admitted; /* by the breaker, which waits for its verdict; false in a panic */
    uint16_t target;
    uint32_t term; /* of the breaker */
    uint32_t uncached_tokens, matched_tokens;
    uint64_t assigned;
    int64_t sent_us;
};

struct gateway_targets {
    const struct gateway_map *map;
    uint16_t service;
    struct gateway_words *words; /* shared: words[i] belongs to view.targets[i] */
    struct prefix_index *index;  /* shared; its slots are our target numbers */
    struct route_view view;
    struct route_target fixed[LIMIT_TARGETS]; /* what the fleet says; samples override */
    struct route_memory memory;
    struct route_breaker breakers[LIMIT_TARGETS];
    struct route_ewma latency[LIMIT_TARGETS];
    struct route_health health;
    uint16_t matched_blocks[LIMIT_TARGETS]; /* of the prompt last looked up */
};

/* Compares the targets with each other (outliers); cheap when its period is not over. */
void gateway_targets_judge(struct gateway_targets *targets, int64_t now_us);

/* When the first cooling target is worth asking again, from now; 0: none is cooling. */
int64_t gateway_targets_cooling_us(const struct gateway_targets *targets, int64_t now_us);

void gateway_targets_init(struct gateway_targets *targets, const struct gateway_map *map,
                          uint16_t service, struct gateway_words *words, struct prefix_index *index,
                          enum fleet_policy policy, uint64_t seed);

/* Is <target> alive at <now_us>, by what it says of itself? */
bool gateway_targets_is_ready(const struct gateway_targets *targets, unsigned target,
                              int64_t now_us);

/* Is it beyond reach, so that what waits there should be asked elsewhere? A target that drains is
 * not ready and not lost: it still answers what it has. */
bool gateway_targets_is_lost(const struct gateway_targets *targets, unsigned target,
                             int64_t now_us);

/* How many are ready. */
unsigned gateway_targets_ready_count(const struct gateway_targets *targets, int64_t now_us);

/* Copies the moving words into the view. <chain> NULL: no prompt. */
void gateway_targets_refresh(struct gateway_targets *targets, const struct prefix_chain *chain,
                             int64_t now_us);

/* <target> was chosen. False: its breaker has just admitted somebody else's trial; choose again
 * without it. <is_panic>: the breaker is not asked. */
bool gateway_targets_begin(struct gateway_targets *targets, const struct prefix_chain *chain,
                           unsigned target, bool is_panic, uint32_t prompt_tokens, int64_t now_us,
                           struct gateway_attempt *ret_attempt);

/* The first byte of a good answer: its prompt is no longer queued, and a breaker's trial has its
 * verdict: the answer may go on for minutes, and its client may read as slowly as it likes. */
void gateway_targets_first_byte(struct gateway_targets *targets, struct gateway_attempt *attempt,
                                int64_t now_us);

/* <retry_after_us>: of BUSY (route/health.h bounds it); 0: it did not say. */
void gateway_targets_end(struct gateway_targets *targets, struct gateway_attempt *attempt,
                         enum gateway_outcome outcome, int64_t retry_after_us, int64_t now_us);

#endif
