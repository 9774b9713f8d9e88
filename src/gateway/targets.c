#include "gateway/targets.h"

#include "base/check.h"

static const struct route_breaker_rules breaker_rules = {
    .trip_count = 5,
    .heal_count = 2,
    .rest_us = 5 * 1000 * 1000,
    .rest_max_us = 60 * 1000 * 1000,
};

void gateway_targets_init(struct gateway_targets *targets, const struct gateway_map *map,
                          uint16_t service, struct gateway_words *words, struct prefix_index *index,
                          enum fleet_policy policy, uint64_t seed)
{
    const struct gateway_service *row = &map->services[service];
    *targets =
        (struct gateway_targets){.map = map, .service = service, .words = words, .index = index};
    uint16_t groups[LIMIT_TARGETS] = {0};
    for (uint16_t i = 0; i < row->target_count; i++) {
        gateway_map_target(map, service, i, &targets->fixed[i]);
        targets->view.targets[i] = targets->fixed[i];
        bool is_region = targets->fixed[i].kind == ROUTE_REGION;
        groups[i] = is_region ? ROUTE_HEALTH_ALONE : targets->fixed[i].region;
        route_breaker_init(&targets->breakers[i], &breaker_rules);
        route_ewma_init(&targets->latency[i]);
    }
    targets->view.policy = policy;
    targets->view.region = map->region;
    targets->view.target_count = row->target_count;
    route_health_init(&targets->health, row->target_count, groups);
    route_memory_init(&targets->memory, seed);
}

/* Servers of other people send no samples: a probe says whether they are there. */
static bool has_samples(const struct gateway_targets *targets, unsigned target)
{
    const struct gateway_map *map = targets->map;
    const struct gateway_target *row = &map->services[targets->service].targets[target];
    return map->origins[row->origin].kind != GATEWAY_ORIGIN_REMOTE;
}

bool gateway_targets_is_ready(const struct gateway_targets *targets, unsigned target,
                              int64_t now_us)
{
    const struct gateway_words *words = &targets->words[target];
    if (!GATEWAY_LOAD(words->is_ready))
        return false;
    return !has_samples(targets, target) ||
           now_us - GATEWAY_LOAD(words->sampled_us) <= GATEWAY_SAMPLE_LOST_US;
}

bool gateway_targets_is_lost(const struct gateway_targets *targets, unsigned target, int64_t now_us)
{
    const struct gateway_words *words = &targets->words[target];
    if (!has_samples(targets, target))
        return !GATEWAY_LOAD(words->is_ready);
    return GATEWAY_LOAD(words->is_lost) ||
           now_us - GATEWAY_LOAD(words->sampled_us) > GATEWAY_SAMPLE_LOST_US;
}

unsigned gateway_targets_ready_count(const struct gateway_targets *targets, int64_t now_us)
{
    unsigned count = 0;
    for (unsigned i = 0; i < targets->view.target_count; i++)
        count += gateway_targets_is_ready(targets, i, now_us);
    return count;
}

static uint32_t or_fixed(uint32_t sampled, uint32_t fixed)
{
    return sampled ? sampled : fixed;
}

static void refresh_sample(struct gateway_targets *targets, unsigned i, int64_t now_us)
{
    const struct gateway_words *words = &targets->words[i];
    const struct route_target *fixed = &targets->fixed[i];
    struct route_target *target = &targets->view.targets[i];
    int64_t sampled_us = GATEWAY_LOAD(words->sampled_us);
    target->is_ready = gateway_targets_is_ready(targets, i, now_us);
    target->is_sample_fresh = sampled_us && now_us - sampled_us <= GATEWAY_SAMPLE_FRESH_US;
    target->running = GATEWAY_LOAD(words->running);
    target->waiting = GATEWAY_LOAD(words->waiting);
    target->queue_max = GATEWAY_LOAD(words->queue_max);
    target->slots = or_fixed(GATEWAY_LOAD(words->slots), fixed->slots);
    target->context_tokens = or_fixed(GATEWAY_LOAD(words->context_tokens), fixed->context_tokens);
    int64_t price = GATEWAY_LOAD(words->price_usd_micro_mtok);
    target->price_usd_micro_mtok = price ? price : fixed->price_usd_micro_mtok;
    target->prefill_ns_per_token =
        or_fixed(GATEWAY_LOAD(words->prefill_ns_per_token), fixed->prefill_ns_per_token);
    target->decode_ns_per_token =
        or_fixed(GATEWAY_LOAD(words->decode_ns_per_token), fixed->decode_ns_per_token);
}

static void refresh_target(struct gateway_targets *targets, unsigned i, int64_t now_us)
{
    const struct gateway_words *words = &targets->words[i];
    struct route_target *target = &targets->view.targets[i];
    refresh_sample(targets, i, now_us);
    target->in_flight = GATEWAY_LOAD(words->in_flight);
    target->queued_tokens = GATEWAY_LOAD(words->queued_tokens);
    target->assigned = gateway_words_assigned(words);
    target->is_cooling = now_us < GATEWAY_LOAD(words->cooling_until_us);
    target->is_ejected = route_health_is_ejected(&targets->health, i, now_us);
    target->is_breaker_open = !route_breaker_is_ready(&targets->breakers[i], now_us);
    target->ewma_us = route_ewma_read(&targets->latency[i], now_us);
    target->penalty_us = route_ewma_penalty(&targets->latency[i], now_us);
    target->matched_tokens =
        targets->matched_blocks[i] * (uint32_t)(PREFIX_BLOCK / PREFIX_BYTES_PER_TOKEN);
}

void gateway_targets_refresh(struct gateway_targets *targets, const struct prefix_chain *chain,
                             int64_t now_us)
{
    memset(targets->matched_blocks, 0, sizeof targets->matched_blocks);
    if (chain && chain->hash_count && targets->index)
        prefix_index_match(targets->index, chain->hash, chain->hash_count, targets->matched_blocks);
    for (unsigned i = 0; i < targets->view.target_count; i++)
        refresh_target(targets, i, now_us);
}

bool gateway_targets_begin(struct gateway_targets *targets, const struct prefix_chain *chain,
                           unsigned target, bool is_panic, uint32_t prompt_tokens, int64_t now_us,
                           struct gateway_attempt *ret_attempt)
{
    CHECK(target < targets->view.target_count && !ret_attempt->is_open);
    uint32_t term = 0;
    bool is_admitted = route_breaker_admit(&targets->breakers[target], now_us, &term);
    if (!is_admitted && !is_panic)
        return false;
    uint32_t matched = targets->view.targets[target].matched_tokens;
    uint32_t uncached = prompt_tokens > matched ? prompt_tokens - matched : 0;
    *ret_attempt = (struct gateway_attempt){
        .is_open = true,
        .is_admitted = is_admitted,
        .target = (uint16_t)target,
        .term = term,
        .uncached_tokens = uncached,
        .matched_tokens = matched,
        .assigned = gateway_words_begin(&targets->words[target], uncached),
        .sent_us = now_us,
    };
    if (chain && chain->hash_count && targets->index)
        prefix_index_add(targets->index, chain->hash, chain->hash_count, target);
    return true;
}

void gateway_targets_first_byte(struct gateway_targets *targets, struct gateway_attempt *attempt,
                                int64_t now_us)
{
    if (!attempt->is_open || attempt->has_first_byte)
        return;
    attempt->has_first_byte = true;
    struct route_breaker *breaker = &targets->breakers[attempt->target];
    if (attempt->is_admitted && breaker->state == ROUTE_BREAKER_TRYING) {
        route_breaker_note(breaker, attempt->term, ROUTE_BREAKER_GOOD, now_us);
        attempt->is_admitted = false;
    }
    GATEWAY_SUB(targets->words[attempt->target].queued_tokens, attempt->uncached_tokens);
    route_ewma_note(&targets->latency[attempt->target], now_us - attempt->sent_us, now_us);
}

static enum route_breaker_outcome breaker_outcome(enum gateway_outcome outcome)
{
    if (outcome == GATEWAY_OUTCOME_GOOD)
        return ROUTE_BREAKER_GOOD;
    return outcome == GATEWAY_OUTCOME_FAILED ? ROUTE_BREAKER_BAD : ROUTE_BREAKER_BUSY;
}

static void cool(struct gateway_targets *targets, unsigned target, int64_t retry_after_us,
                 int64_t now_us)
{
    route_health_cool(&targets->health, target, retry_after_us, now_us);
    route_ewma_punish(&targets->latency[target], retry_after_us, now_us);
    GATEWAY_STORE(targets->words[target].cooling_until_us,
                  targets->health.targets[target].cooling_until_us);
}

void gateway_targets_end(struct gateway_targets *targets, struct gateway_attempt *attempt,
                         enum gateway_outcome outcome, int64_t retry_after_us, int64_t now_us)
{
    CHECK(attempt->is_open);
    unsigned target = attempt->target;
    struct gateway_words *words = &targets->words[target];
    attempt->is_open = false;
    if (!attempt->has_first_byte)
        GATEWAY_SUB(words->queued_tokens, attempt->uncached_tokens);
    gateway_words_end(words, attempt->assigned);
    if (attempt->is_admitted)
        route_breaker_note(&targets->breakers[target], attempt->term, breaker_outcome(outcome),
                           now_us);
    switch (outcome) {
    case GATEWAY_OUTCOME_GOOD:
        route_health_note(&targets->health, target, true, now_us);
        break;
    case GATEWAY_OUTCOME_FAILED:
        GATEWAY_ADD(words->failed_total, 1);
        route_health_note(&targets->health, target, false, now_us);
        route_ewma_punish(&targets->latency[target], 0, now_us);
        break;
    case GATEWAY_OUTCOME_BUSY:
        cool(targets, target, retry_after_us, now_us);
        break;
    case GATEWAY_OUTCOME_NONE:
        break;
    }
}

void gateway_targets_judge(struct gateway_targets *targets, int64_t now_us)
{
    int64_t ewma_us[LIMIT_TARGETS];
    if (now_us - targets->health.judged_at_us < ROUTE_HEALTH_PERIOD_US)
        return;
    for (unsigned i = 0; i < targets->view.target_count; i++)
        ewma_us[i] = route_ewma_read(&targets->latency[i], now_us);
    route_health_judge(&targets->health, ewma_us, now_us);
}

int64_t gateway_targets_cooling_us(const struct gateway_targets *targets, int64_t now_us)
{
    int64_t least_us = 0;
    for (unsigned i = 0; i < targets->view.target_count; i++) {
        int64_t left_us = GATEWAY_LOAD(targets->words[i].cooling_until_us) - now_us;
        if (left_us > 0 && (least_us == 0 || left_us < least_us))
            least_us = left_us;
    }
    return least_us;
}
