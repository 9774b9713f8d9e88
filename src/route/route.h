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
 * When there is no candidate, but targets that only our own suspicion bars (breaker, ejection),
 * suspicion is ignored (panic: asking a sick replica beats asking none).
 *
 * adaptive, in us (GORGO x Dynamo, made of one unit; reference/routing.md §4.1, 4.3, 4.4, 4.6):
 *   network  rtt of the target                                  (0 for a replica of the own region)
 *   prefill  prefill_ns_per_token * (prompt_tokens - matched tokens) / 1000
 *   queue    prefill_ns_per_token * queued_tokens / 1000 / slots
 *            + wait for a slot when all are busy: service time * (load + 1 - slots) / slots, where
 *            the service time is this request's own, without a match and without company
 *   decode   decode_ns_per_token * output_tokens / 1000, times 1 alone and nearly 2 in a full batch
 *   price    price_weight_us * price of the request there in micro-dollars
 *   penalty  after recent failures
 * Load is the sample plus what this process assigned since (anti-herd: Dynamo's local assignments).
 * Without a fresh sample it is what this process has in flight; a region of which nothing fresh is
 * known reads as full, never as empty. A match only counts while its target is at most one batch
 * busier than the least busy candidate (bounded affinity: the longest prefix within the bound wins,
 * a hot prompt spreads beyond it). A target that tells no speeds is taken by its peak EWMA instead:
 * prefill = ewma - network, queue = that * load / slots. A remote region must win over the best
 * local target by the larger of ROUTE_HOP_MARGIN_PERCENT and ROUTE_HOP_MARGIN_US (hysteresis).
 *
 * The others, all over the same load:
 *   round_robin           candidates in turn
 *   weighted_round_robin  in turn by weight, smoothly spread (nginx); weight 0: no turn
 *   least_connections     least load
 *   p2c                   the less loaded of two drawn at random
 *   peak_ewma             least max(ewma * (load + 1), penalty)
 *   consistent_hash       rendezvous order of (affinity, id), first within 1.25 of the mean load;
 *                         without affinity least load
 *   nearest               least network
 *   cheapest              least price, then least network */
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/rng.h"
#include "fleet/fleet.h"

enum route_target_kind { ROUTE_REPLICA, ROUTE_REGION };

enum {
    ROUTE_HOP_MARGIN_PERCENT = 15,
    ROUTE_HOP_MARGIN_US = 20 * 1000,
    ROUTE_AFFINITY_SLACK = 32, /* load above the least busy one, where slots are unknown */
    ROUTE_WEIGHT_MAX = 65535
};

/* Why a target is no candidate; also the reason of a decision that found none. Lowest first: that
 * one is reported. */
#define ROUTE_BAR_TABLE(X)                                                                         \
    X(NONE, "candidate")                                                                           \
    X(RESIDENCY, "outside the zones that may compute this request")                                \
    X(TENANT, "not for this tenant")                                                               \
    X(NOT_READY, "not ready")                                                                      \
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

/* One candidate as the loop sees it at this moment. 128 bytes or less. Times are >= 0. */
struct route_target {
    uint32_t id; /* stable over time and restarts: replica index, or 0x10000 + region */
    uint16_t region;
    uint8_t kind; /* enum route_target_kind */
    bool is_ready;
    union {
        struct {
            bool is_breaker_open, is_cooling, is_ejected, is_tenant_barred;
        };
        uint32_t flaws; /* all four at once: 0 when it has none */
    };
    fleet_zones zones; /* where it computes: one bit, or of a region target the bit of its zone */
    /* 0: no limit. Barred when the prompt alone fills it: whether the answer fits too is for the
     * worker to say, since our counts of tokens are estimates. */
    uint32_t context_tokens;
    uint32_t slots;            /* computed side by side; 0: unknown */
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
    uint64_t affinity;   /* hash of session, user or first prompt block; 0: none */
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
    bool is_panic;      /* breakers and ejections were ignored */
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

/* Requests that are there, as this view knows it: see the head of this file. */
uint32_t route_load_of(const struct route_target *target);

/* What <target> would cost as a candidate, whether it is one or not. */
struct route_terms route_terms_of(const struct route_view *view,
                                  const struct route_request *request, unsigned target);

void route_memory_init(struct route_memory *memory, uint64_t seed);

#endif
