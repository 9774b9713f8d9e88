#include "route/route.h"

#include <string.h>

#include "base/check.h"
#include "route/policy.h"

_Static_assert(sizeof(struct route_target) <= 128, "a target is two cache lines at most");
_Static_assert(sizeof(bool) == 1, "four flaws are one word");

const char *route_bar_text(enum route_bar bar)
{
    static const char *const text[] = {
#define X(name, sentence) sentence,
        ROUTE_BAR_TABLE(X)
#undef X
    };
    CHECK((unsigned)bar < COUNT_OF(text));
    return text[bar];
}

static inline uint32_t load_of(const struct route_target *target)
{
    if (target->is_sample_fresh) {
        uint64_t load = (uint64_t)target->running + target->waiting + target->assigned;
        return load < UINT32_MAX ? (uint32_t)load : UINT32_MAX;
    }
    if (target->kind == ROUTE_REGION && target->in_flight < target->slots)
        return target->slots;
    return target->in_flight;
}

uint32_t route_load_of(const struct route_target *target)
{
    return load_of(target);
}

static inline bool is_full(const struct route_target *target, uint32_t load)
{
    return target->queue_max > 0 && load >= (uint64_t)target->slots + target->queue_max;
}

/* Time that is left for the way there and back; endless without a deadline. */
static int64_t left_us(const struct route_request *request)
{
    return request->deadline_us > 0 ? request->deadline_us - request->now_us : INT64_MAX;
}

/* In the order of the table: the first that bars is the one reported. */
static enum route_bar bar_of(const struct route_target *target, const struct route_request *request,
                             unsigned index, uint32_t load)
{
    /* Fail-closed: a target that does not say where it computes computes nowhere. */
    if (target->zones == 0 || (target->zones & ~request->zones_allowed) != 0)
        return ROUTE_BAR_RESIDENCY;
    if (target->is_tenant_barred)
        return ROUTE_BAR_TENANT;
    if (!target->is_ready)
        return ROUTE_BAR_NOT_READY;
    if (target->context_tokens > 0 && request->prompt_tokens >= target->context_tokens)
        return ROUTE_BAR_CONTEXT;
    if (request->tried >> index & 1)
        return ROUTE_BAR_TRIED;
    if (target->kind == ROUTE_REGION && !request->may_hop)
        return ROUTE_BAR_HOP;
    if (target->network_us >= left_us(request))
        return ROUTE_BAR_DEADLINE;
    if (target->is_cooling)
        return ROUTE_BAR_COOLING;
    if (target->is_ejected)
        return ROUTE_BAR_EJECTED;
    if (target->is_breaker_open)
        return ROUTE_BAR_BREAKER;
    return is_full(target, load) ? ROUTE_BAR_FULL : ROUTE_BAR_NONE;
}

enum route_bar route_bar_of(const struct route_view *view, const struct route_request *request,
                            unsigned target)
{
    CHECK(target < view->target_count && view->target_count <= LIMIT_TARGETS);
    return bar_of(&view->targets[target], request, target, load_of(&view->targets[target]));
}

/* What all targets are held against. */
struct sieve {
    fleet_zones zones_barred;
    uint32_t prompt_tokens;
    int64_t left_us;
    uint8_t kind_barred;
};

/* bar_of() == NONE without its branches, but for <tried>: it decides 64 times a decision. A limit
 * of 0 is none: less one it is the largest word. */
static inline bool passes(const struct sieve *sieve, const struct route_target *target,
                          uint32_t load)
{
    uint32_t flaws = target->flaws | (target->zones & sieve->zones_barred);
    uint64_t load_max = (uint64_t)target->slots + (target->queue_max - 1);
    return target->is_ready & (flaws == 0) & (target->zones != 0) &
           (sieve->prompt_tokens <= target->context_tokens - 1) &
           (target->kind != sieve->kind_barred) & (target->network_us < sieve->left_us) &
           (load <= load_max);
}

/* What the candidates say together, while it is gathered. */
struct sums {
    uint64_t candidates, load_sum;
    uint64_t ewma_least; /* less one: there "no data" is the largest word of all */
    uint32_t load_min;
};

static inline void sums_add(struct sums *sums, const struct route_target *target, unsigned index,
                            uint32_t load, bool is_candidate)
{
    uint64_t outsider = (uint64_t)is_candidate - 1; /* all bits set, or none */
    uint32_t load_or_max = load | (uint32_t)outsider;
    uint64_t ewma_or_max = ((uint64_t)target->ewma_us - 1) | outsider;
    sums->candidates |= (uint64_t)is_candidate << index;
    sums->load_sum += load & ~outsider;
    sums->load_min = load_or_max < sums->load_min ? load_or_max : sums->load_min;
    sums->ewma_least = ewma_or_max < sums->ewma_least ? ewma_or_max : sums->ewma_least;
}

static struct sums add_candidates(const struct route_view *view,
                                  const struct route_request *request,
                                  uint32_t ret_load[LIMIT_TARGETS])
{
    CHECK(view->target_count <= LIMIT_TARGETS);
    const struct sieve sieve = {.zones_barred = ~request->zones_allowed,
                                .prompt_tokens = request->prompt_tokens,
                                .left_us = left_us(request),
                                .kind_barred = request->may_hop ? UINT8_MAX : ROUTE_REGION};
    struct sums sums = {.load_min = UINT32_MAX, .ewma_least = UINT64_MAX};
    const struct route_target *target = view->targets;
    uint64_t tried = request->tried;
    for (unsigned i = 0, count = view->target_count; i < count; i++, target++, tried >>= 1) {
        uint32_t load = load_of(target);
        ret_load[i] = load;
        sums_add(&sums, target, i, load, passes(&sieve, target, load) & !(tried & 1));
    }
    return sums;
}

/* There is no candidate: those whom only our own suspicion bars, and what bars the most hopeful. */
static struct sums add_suspects(const struct route_view *view, const struct route_request *request,
                                const uint32_t load[LIMIT_TARGETS], enum route_bar *ret_bar)
{
    struct sums sums = {.load_min = UINT32_MAX, .ewma_least = UINT64_MAX};
    enum route_bar highest = view->target_count ? ROUTE_BAR_RESIDENCY : ROUTE_BAR_NOT_READY;
    for (unsigned i = 0; i < view->target_count; i++) {
        const struct route_target *target = &view->targets[i];
        enum route_bar bar = bar_of(target, request, i, load[i]);
        CHECK(bar != ROUTE_BAR_NONE);
        highest = bar > highest ? bar : highest;
        bool is_suspect = bar == ROUTE_BAR_BREAKER || bar == ROUTE_BAR_EJECTED;
        sums_add(&sums, target, i, load[i], is_suspect && !is_full(target, load[i]));
    }
    *ret_bar = highest;
    return sums;
}

/* The first stage: who is a candidate, and what they say together. */
static void fill_field(const struct route_view *view, const struct route_request *request,
                       struct policy_field *ret_field, struct route_choice *choice)
{
    struct sums sums = add_candidates(view, request, ret_field->load);
    if (sums.candidates == 0) {
        enum route_bar bar;
        sums = add_suspects(view, request, ret_field->load, &bar);
        choice->is_panic = sums.candidates != 0;
        choice->bar = choice->is_panic ? ROUTE_BAR_NONE : bar;
    }
    ret_field->candidates = sums.candidates;
    ret_field->count = (unsigned)__builtin_popcountll(sums.candidates);
    ret_field->load_sum = sums.load_sum;
    ret_field->load_min = sums.load_min;
    ret_field->ewma_known_us = (int64_t)(sums.ewma_least + 1);
}

/* Order of two candidates: score, then fewer in flight, then the lower id. */
static inline bool is_better(const struct route_view *view, const struct policy_field *field,
                             const int64_t *score, unsigned a, int b)
{
    if (b < 0 || score[a] < score[b])
        return true;
    if (score[a] > score[b])
        return false;
    if (field->load[a] != field->load[b])
        return field->load[a] < field->load[b];
    return view->targets[a].id < view->targets[b].id;
}

static void pick(const struct policy_case *one, const int64_t *score, struct route_choice *choice)
{
    int best = -1, second = -1;
    for (uint64_t rest = one->field->candidates; rest; rest &= rest - 1) {
        unsigned i = (unsigned)__builtin_ctzll(rest);
        if (!is_better(one->view, one->field, score, i, second))
            continue;
        bool is_best = is_better(one->view, one->field, score, i, best);
        second = is_best ? best : (int)i;
        best = is_best ? (int)i : best;
    }
    choice->target = (int16_t)best;
    choice->runner_up = (int16_t)second;
}

struct route_choice route_choose(const struct route_view *view, const struct route_request *request,
                                 struct route_memory *memory)
{
    struct route_choice choice = {.target = -1, .runner_up = -1};
    struct policy_field field;
    fill_field(view, request, &field, &choice);
    if (field.count == 0)
        return choice;

    struct policy_case one = {view, request, &field, memory};
    int64_t score[LIMIT_TARGETS];
    policy_score(&one, score);
    pick(&one, score, &choice);
    policy_settle(&one, (unsigned)choice.target);

    choice.candidate_count = (uint8_t)field.count;
    choice.terms =
        adaptive_terms(&field, &view->targets[choice.target], request, field.load[choice.target]);
    if (choice.runner_up >= 0)
        choice.runner_up_terms = adaptive_terms(&field, &view->targets[choice.runner_up], request,
                                                field.load[choice.runner_up]);
    return choice;
}

struct route_terms route_terms_of(const struct route_view *view,
                                  const struct route_request *request, unsigned target)
{
    CHECK(target < view->target_count);
    struct policy_field field;
    struct route_choice unused;
    fill_field(view, request, &field, &unused);
    return adaptive_terms(&field, &view->targets[target], request, field.load[target]);
}

void route_memory_init(struct route_memory *memory, uint64_t seed)
{
    memset(memory, 0, sizeof *memory);
    rng_init(&memory->rng, seed);
}
