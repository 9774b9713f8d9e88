/* The default policy: what the request would cost at each target, in microseconds (route.h). */
#include "base/check.h"
#include "route/policy.h"

/* 2000 years: far above any real term, and six of them add up without overflow. 2^32 tokens of
 * 2^32 ns each stay below it by themselves. */
#define TERM_MAX (UINT64_C(1) << 56)

static inline uint64_t limited(uint64_t us)
{
    return us < TERM_MAX ? us : TERM_MAX;
}

static inline int64_t term(uint64_t us)
{
    return (int64_t)limited(us);
}

static inline uint64_t product(uint64_t a, uint64_t b)
{
    uint64_t result;
    return __builtin_mul_overflow(a, b, &result) ? UINT64_MAX : result;
}

/* Most dividends are short, and short divisions take a third of the time. */
static inline uint64_t quotient(uint64_t a, uint32_t b)
{
    return a >> 32 ? a / b : (uint32_t)a / b;
}

/* What the request asks of any target; a copy of its own, so that it stays in registers. */
struct demand {
    uint64_t prompt_tokens, output_tokens;
    uint64_t weighted_tokens; /* all tokens times us a micro-dollar */
    uint32_t load_min;        /* of the candidates */
    int64_t ewma_known_us;
};

static inline struct demand demand_of(const struct policy_field *field,
                                      const struct route_request *request)
{
    uint64_t tokens = (uint64_t)request->prompt_tokens + request->output_tokens;
    return (struct demand){.prompt_tokens = request->prompt_tokens,
                           .output_tokens = request->output_tokens,
                           .weighted_tokens = product(tokens, request->price_weight_us),
                           .load_min = field->load_min,
                           .ewma_known_us = field->ewma_known_us};
}

/* Bounded affinity: a match is worth nothing on a target a whole batch busier than the least busy.
 */
static inline uint64_t missed_tokens(const struct route_target *target, const struct demand *demand,
                                     uint64_t load, uint64_t slack)
{
    uint64_t matched = load > demand->load_min + slack ? 0 : target->matched_tokens;
    return demand->prompt_tokens > matched ? demand->prompt_tokens - matched : 0;
}

/* It tells its speeds, but not how many it computes side by side. */
static inline void add_unslotted(const struct route_target *target, const struct demand *demand,
                                 uint64_t load, struct route_terms *terms)
{
    uint64_t prefill_ns = target->prefill_ns_per_token;
    uint64_t missed = missed_tokens(target, demand, load, ROUTE_AFFINITY_SLACK);
    terms->prefill_us = (int64_t)(prefill_ns * missed / 1000);
    terms->queue_us = (int64_t)(prefill_ns * target->queued_tokens / 1000);
    terms->decode_us = (int64_t)(target->decode_ns_per_token * demand->output_tokens / 1000);
}

/* It tells both. Of <load> requests there, <company> are computed beside this one and <ahead>
 * before it, so that the two waits have one sum:
 *   queue  = (prefill of the prompts ahead + decode * ahead) / slots
 *   decode = decode + decode * company / slots: alone at its own speed, as the last of a full
 *            batch at nearly half of it
 * Not split, both stand in <decode>: the scores only need their sum. */
static inline void add_slotted(const struct route_target *target, const struct demand *demand,
                               uint64_t load, bool is_split, struct route_terms *terms)
{
    uint64_t ahead = load >= target->slots ? load + 1 - target->slots : 0;
    uint64_t prefill_ns = target->prefill_ns_per_token;
    uint64_t prompts = target->queued_tokens + demand->prompt_tokens * ahead;
    uint64_t prompts_us = product(prefill_ns, prompts) / 1000;
    uint64_t alone_us = target->decode_ns_per_token * demand->output_tokens / 1000;
    uint64_t both_us = quotient(prompts_us + limited(product(alone_us, load)), target->slots);
    uint64_t queue_us =
        is_split ? quotient(prompts_us + limited(product(alone_us, ahead)), target->slots) : 0;
    uint64_t missed = missed_tokens(target, demand, load, target->slots);
    terms->prefill_us = (int64_t)(prefill_ns * missed / 1000);
    terms->queue_us = (int64_t)queue_us;
    terms->decode_us = (int64_t)(alone_us + (both_us - queue_us));
}

/* One that does not is taken by its latency so far. */
static inline void add_opaque(const struct route_target *target, const struct demand *demand,
                              uint64_t load, struct route_terms *terms)
{
    int64_t ewma_us = target->ewma_us ? target->ewma_us : demand->ewma_known_us;
    terms->prefill_us = ewma_us > terms->network_us ? ewma_us - terms->network_us : 0;
    terms->queue_us = term(
        quotient(product((uint64_t)terms->prefill_us, load), target->slots ? target->slots : 1));
}

/* Micro-dollars a million tokens, times tokens, times us a micro-dollar. */
static inline int64_t price_us(const struct route_target *target, const struct demand *demand)
{
    if (demand->weighted_tokens == 0)
        return 0;
    uint64_t millionths = product((uint64_t)target->price_usd_micro_mtok, demand->weighted_tokens);
    return (int64_t)(millionths / 1000000);
}

/* Always inlined: where only the total is wanted, nothing else is stored. */
static inline __attribute__((always_inline)) struct route_terms
terms_of(const struct demand *demand, const struct route_target *target, uint64_t load,
         bool is_split)
{
    struct route_terms terms = {.network_us = term((uint64_t)target->network_us),
                                .price_us = price_us(target, demand),
                                .penalty_us = term((uint64_t)target->penalty_us)};
    if ((target->prefill_ns_per_token | target->decode_ns_per_token) == 0)
        add_opaque(target, demand, load, &terms);
    else if (target->slots == 0)
        add_unslotted(target, demand, load, &terms);
    else
        add_slotted(target, demand, load, is_split, &terms);
    terms.total_us = terms.network_us + terms.prefill_us + terms.queue_us + terms.decode_us +
                     terms.price_us + terms.penalty_us;
    return terms;
}

struct route_terms adaptive_terms(const struct policy_field *field,
                                  const struct route_target *target,
                                  const struct route_request *request, uint32_t load)
{
    struct demand demand = demand_of(field, request);
    return terms_of(&demand, target, load, true);
}

/* What a region must win by over the best local target; 0 when there is none. */
static int64_t hop_margin(int64_t best_local_us)
{
    if (best_local_us == INT64_MAX)
        return 0;
    int64_t share_us = best_local_us / 100 * ROUTE_HOP_MARGIN_PERCENT;
    return share_us > ROUTE_HOP_MARGIN_US ? share_us : ROUTE_HOP_MARGIN_US;
}

/* Straight over all targets, since nearly all are candidates: the scores of the others are unused.
 */
void adaptive_score(const struct policy_case *one, int64_t ret_score[LIMIT_TARGETS])
{
    const struct policy_field *field = one->field;
    const struct demand demand = demand_of(field, one->request);
    const struct route_target *target = one->view->targets;
    uint64_t candidates = field->candidates;
    uint64_t regions = 0;
    int64_t best_local_us = INT64_MAX;
    for (unsigned i = 0, count = one->view->target_count; i < count; i++, target++) {
        int64_t total_us = terms_of(&demand, target, field->load[i], false).total_us;
        bool is_region = target->kind == ROUTE_REGION;
        bool is_local = (candidates >> i & 1) & (target->kind != ROUTE_REGION);
        ret_score[i] = total_us;
        regions |= (uint64_t)is_region << i;
        best_local_us = is_local && total_us < best_local_us ? total_us : best_local_us;
    }
    int64_t margin_us = hop_margin(best_local_us);
    for (; regions; regions &= regions - 1)
        ret_score[__builtin_ctzll(regions)] += margin_us;
}
