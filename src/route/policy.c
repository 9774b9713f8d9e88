/* The classic policies, a function each, and the table of all. What each promises: route.h. */
#include "route/policy.h"

#include "base/check.h"
#include "base/hash.h"

typedef void policy_function(const struct policy_case *one, int64_t ret_score[LIMIT_TARGETS]);

/* For each candidate, lowest index first: its index <i> and its place <n> among them. */
#define EACH_CANDIDATE(one, i)                                                                     \
    uint64_t rest_ = (one)->field->candidates, i = 0;                                              \
    rest_ && (i = (uint64_t)__builtin_ctzll(rest_), true);                                         \
    rest_ &= rest_ - 1

static int64_t clamped(int64_t value, int64_t max)
{
    return value < 0 ? 0 : value < max ? value : max;
}

static void score_round_robin(const struct policy_case *one, int64_t ret_score[LIMIT_TARGETS])
{
    unsigned count = one->field->count;
    unsigned next = (unsigned)(one->memory->turn++ % count);
    unsigned place = 0;
    for (EACH_CANDIDATE(one, i)) {
        ret_score[i] = (int64_t)((place + count - next) % count);
        place++;
    }
}

/* 1 for everybody when no candidate has a weight. */
static int32_t weight_of(const struct policy_case *one, uint64_t target, bool is_flat)
{
    uint32_t weight = one->view->targets[target].weight;
    if (is_flat)
        return 1;
    return (int32_t)(weight < ROUTE_WEIGHT_MAX ? weight : ROUTE_WEIGHT_MAX);
}

static bool is_weightless(const struct policy_case *one)
{
    for (EACH_CANDIDATE(one, i))
        if (one->view->targets[i].weight > 0)
            return false;
    return true;
}

/* nginx's smooth form: everybody earns his weight, the richest wins and pays what all have earned.
 */
static void score_weighted_round_robin(const struct policy_case *one,
                                       int64_t ret_score[LIMIT_TARGETS])
{
    bool is_flat = is_weightless(one);
    for (EACH_CANDIDATE(one, i)) {
        int32_t weight = weight_of(one, i, is_flat);
        one->memory->current_weight[i] += weight;
        ret_score[i] = weight > 0 ? -(int64_t)one->memory->current_weight[i] : INT64_MAX;
    }
}

static void settle_weighted_round_robin(const struct policy_case *one, unsigned chosen)
{
    bool is_flat = is_weightless(one);
    int32_t earned = 0;
    for (EACH_CANDIDATE(one, i))
        earned += weight_of(one, i, is_flat);
    one->memory->current_weight[chosen] -= earned;
}

static void score_least_connections(const struct policy_case *one, int64_t ret_score[LIMIT_TARGETS])
{
    for (EACH_CANDIDATE(one, i))
        ret_score[i] = one->field->load[i];
}

static void score_p2c(const struct policy_case *one, int64_t ret_score[LIMIT_TARGETS])
{
    unsigned count = one->field->count;
    uint64_t first = rng_below(&one->memory->rng, count);
    uint64_t second = count > 1 ? rng_below(&one->memory->rng, count - 1) : first;
    second += count > 1 && second >= first;
    uint64_t place = 0;
    for (EACH_CANDIDATE(one, i)) {
        bool is_drawn = place == first || place == second;
        ret_score[i] = is_drawn ? (int64_t)one->field->load[i] : INT64_MAX;
        place++;
    }
}

static void score_peak_ewma(const struct policy_case *one, int64_t ret_score[LIMIT_TARGETS])
{
    for (EACH_CANDIDATE(one, i)) {
        const struct route_target *target = &one->view->targets[i];
        int64_t known_us = target->ewma_us ? target->ewma_us : one->field->ewma_known_us;
        /* 2^30 us are 18 minutes and 2^32 requests more than there are: no overflow. */
        int64_t cost_us = clamped(known_us, INT64_C(1) << 30) * ((int64_t)one->field->load[i] + 1);
        ret_score[i] = cost_us > target->penalty_us ? cost_us : target->penalty_us;
    }
}

/* Bounded loads (Mirrokni, Thorup, Zadimoghaddam 2018) over the order of rendezvous hashing
 * (Thaler, Ravishankar 1998), which is a ring walk without a ring: of the targets within ceil(1.25
 * * mean), the arriving request counted, the one with the highest hash of (affinity, id). A target
 * that comes or goes moves only its own share, and an overflow always flows to the same next one.
 */
static void score_consistent_hash(const struct policy_case *one, int64_t ret_score[LIMIT_TARGETS])
{
    if (one->request->affinity == 0) {
        score_least_connections(one, ret_score);
        return;
    }
    uint64_t quarters = 4 * (uint64_t)one->field->count;
    uint64_t bound = (5 * (one->field->load_sum + 1) + quarters - 1) / quarters;
    for (EACH_CANDIDATE(one, i)) {
        uint64_t hash = hash_pair(one->request->affinity, one->view->targets[i].id);
        bool is_within = (uint64_t)one->field->load[i] + 1 <= bound;
        ret_score[i] = is_within ? (int64_t)(~hash >> 1) : INT64_MAX;
    }
}

static void score_nearest(const struct policy_case *one, int64_t ret_score[LIMIT_TARGETS])
{
    for (EACH_CANDIDATE(one, i))
        ret_score[i] = one->view->targets[i].network_us;
}

/* The price above, the network below 2^27 us (two minutes). */
static void score_cheapest(const struct policy_case *one, int64_t ret_score[LIMIT_TARGETS])
{
    const int64_t network_end = INT64_C(1) << 27, price_max = (INT64_C(1) << 35) - 1;
    for (EACH_CANDIDATE(one, i)) {
        const struct route_target *target = &one->view->targets[i];
        ret_score[i] = clamped(target->price_usd_micro_mtok, price_max) * network_end +
                       clamped(target->network_us, network_end - 1);
    }
}

static policy_function *const score_of[FLEET_POLICY_COUNT] = {
    [FLEET_POLICY_ADAPTIVE] = adaptive_score,
    [FLEET_POLICY_ROUND_ROBIN] = score_round_robin,
    [FLEET_POLICY_WEIGHTED_ROUND_ROBIN] = score_weighted_round_robin,
    [FLEET_POLICY_LEAST_CONNECTIONS] = score_least_connections,
    [FLEET_POLICY_P2C] = score_p2c,
    [FLEET_POLICY_PEAK_EWMA] = score_peak_ewma,
    [FLEET_POLICY_CONSISTENT_HASH] = score_consistent_hash,
    [FLEET_POLICY_NEAREST] = score_nearest,
    [FLEET_POLICY_CHEAPEST] = score_cheapest,
};

void policy_score(const struct policy_case *one, int64_t ret_score[LIMIT_TARGETS])
{
    CHECK((unsigned)one->view->policy < FLEET_POLICY_COUNT && one->field->count > 0);
    score_of[one->view->policy](one, ret_score);
}

void policy_settle(const struct policy_case *one, unsigned chosen)
{
    if (one->view->policy == FLEET_POLICY_WEIGHTED_ROUND_ROBIN)
        settle_weighted_round_robin(one, chosen);
}
