/* route.h: which target answers this request, and why.
 *
 * Pure: route_choose() depends on its arguments only. Before each decision the loop copies what its
 * tables say about every candidate into a view of its own (struct route_view); that copy is the
 * logged event. Targets of a decision are the replicas of the own region and one summed target per
 * other region and service (DESIGN, "View").
 *
 * Two stages. Hard filters first, fail-closed: a target that is not ready, outside the residency
 * set, not for this tenant, behind an open breaker, cooling down after a 429, too small for the
 * context, further away than the deadline, or tried before, is no candidate whatever it would cost
 * (reference: DESIGN §4, "A request"). Then one policy of fleet_policy ranks the rest; ties go to
 * fewer in flight, then to the lower id.
 *
 * When every candidate is only barred by its breaker, breakers are ignored (panic: asking a sick
 * replica beats asking none).
 *
 * adaptive, in us (GORGO x Dynamo, made of one unit):
 *   network  = rtt of the target                                         (0 for a replica of the
 * own region) prefill  = prefill_ns_per_token * (prompt_tokens - matched tokens) / 1000 queue    =
 * prefill_ns_per_token * tokens dispatched there and not yet at first token, / slots ...
 *              + wait for a slot when all are busy: mean service time * (in flight + 1 - slots) /
 * slots decode   = decode_ns_per_token * output_tokens, slowed by the batch it joins price    =
 * price_weight_us * price of the request there in micro-dollars penalty  = after recent failures A
 * remote region must win by ROUTE_HOP_MARGIN (15 % and 20 ms) over the best local target
 * (hysteresis). Load is the sample plus what this process assigned since the sample (anti-herd:
 * Dynamo's local assignments). */
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/rng.h"
#include "fleet/fleet.h"

enum route_target_kind { ROUTE_REPLICA, ROUTE_REGION };

/* Why a target is no candidate; also the reason of a decision that found none. Lowest first: that
 * one is reported. */
#define ROUTE_BAR_TABLE(X)                                                                         \
    X(NONE, "candidate")                                                                           \
    X(NOT_READY, "not ready")                                                                      \
    X(RESIDENCY, "outside the zones that may compute this request")                                \
    X(TENANT, "not for this tenant")                                                               \
    X(CONTEXT, "its context is too short")                                                         \
    X(TRIED, "tried before for this request")                                                      \
    X(HOP, "the request has made its one hop")                                                     \
    X(DEADLINE, "too far for the deadline")                                                        \
    X(COOLING, "cooling down after it refused for lack of room")                                   \
    X(EJECTED, "ejected: an outlier among its peers")                                              \
    X(BREAKER, "its breaker is open")                                                              \
    X(FULL, "its queue is full")

enum route_bar {
#define X(name, text) ROUTE_BAR_##name,
    ROUTE_BAR_TABLE(X)
#undef X
        ROUTE_BAR_COUNT
};

const char *route_bar_text(enum route_bar bar);

/* One candidate as the loop sees it at this moment. 128 bytes or less. */
struct route_target {
    uint32_t id; /* stable over time and restarts: replica index, or 0x10000 + region */
    uint16_t region;
    uint8_t kind; /* enum route_target_kind */
    bool is_ready, is_breaker_open, is_cooling, is_ejected, is_tenant_barred;
    fleet_zones zones; /* where it computes: one bit, or of a region target the bit of its zone */
    uint32_t context_tokens;   /* 0: no limit */
    uint32_t slots;            /* computed side by side */
    uint32_t queue_max;        /* waiting requests it accepts; 0: unknown */
    uint32_t running, waiting; /* of the last sample */
    uint32_t assigned;         /* by this process since that sample, still open */
    uint32_t in_flight;        /* by this process, all loops: the truth where no sample is fresh */
    bool is_sample_fresh;
    uint32_t
        queued_tokens; /* uncached prompt tokens dispatched there, not yet at their first token */
    uint32_t matched_tokens; /* of this request's prompt, in its prefix cache by our index */
    uint32_t prefill_ns_per_token, decode_ns_per_token;
    uint32_t weight;
    int64_t network_us; /* rtt from here */
    int64_t ewma_us;    /* peak EWMA of time to first byte; 0: no data */
    int64_t penalty_us;
    int64_t price_usd_micro_mtok; /* list price of a million tokens there at full load; 0: none */
};

struct route_request {
    int64_t now_us;
    fleet_zones zones_allowed; /* residency of the service and of the key, both */
    uint32_t prompt_tokens, output_tokens;
    int64_t deadline_us; /* absolute; 0: none */
    uint64_t affinity;   /* hash of session, user or first prompt block; consistent_hash */
    uint64_t tried;      /* bit i: targets[i] was tried */
    bool may_hop;        /* false when it came from another gateway */
    uint32_t price_weight_us;
};

struct route_view {
    enum fleet_policy policy;
    uint16_t region;       /* where this gateway stands */
    uint16_t target_count; /* <= LIMIT_TARGETS */
    struct route_target targets[LIMIT_TARGETS];
};

/* What policies remember between decisions; one a loop and service. */
struct route_memory {
    struct rng rng;                        /* p2c */
    uint64_t turn;                         /* round robin */
    int32_t current_weight[LIMIT_TARGETS]; /* smooth weighted round robin */
};

struct route_terms {
    int64_t network_us, prefill_us, queue_us, decode_us, price_us, penalty_us;
    int64_t total_us;
};

struct route_choice {
    int16_t target;     /* index into the view; -1: none */
    enum route_bar bar; /* why none: what barred the most hopeful; NONE when there is one */
    bool is_panic;      /* breakers were ignored */
    uint8_t candidate_count;
    int16_t runner_up;        /* -1: none */
    struct route_terms terms; /* of the target, whatever the policy */
    struct route_terms runner_up_terms;
};

/* Chooses. Never blocks, fails or allocates. <memory> advances (the policies that take turns). */
struct route_choice route_choose(const struct route_view *view, const struct route_request *request,
                                 struct route_memory *memory);

/* Why is <target> no candidate for <request>? NONE when it is one. */
enum route_bar route_bar_of(const struct route_view *view, const struct route_request *request,
                            unsigned target);

struct route_terms route_terms_of(const struct route_view *view,
                                  const struct route_request *request, unsigned target);

void route_memory_init(struct route_memory *memory, uint64_t seed);

#endif
