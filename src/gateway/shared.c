#include "gateway/shared.h"

#include "base/check.h"

void gateway_words_sample(struct gateway_words *words, const struct gateway_sample *sample,
                          int64_t now_us)
{
    CHECK(now_us > 0);
    GATEWAY_STORE(words->is_ready, sample->is_ready);
    GATEWAY_STORE(words->is_lost, false);
    GATEWAY_STORE(words->replicas_ready, sample->replicas_ready);
    GATEWAY_STORE(words->running, sample->running);
    GATEWAY_STORE(words->waiting, sample->waiting);
    GATEWAY_STORE(words->slots, sample->slots);
    GATEWAY_STORE(words->queue_max, sample->queue_max);
    GATEWAY_STORE(words->prefill_ns_per_token, sample->prefill_ns_per_token);
    GATEWAY_STORE(words->decode_ns_per_token, sample->decode_ns_per_token);
    GATEWAY_STORE(words->context_tokens, sample->context_tokens);
    GATEWAY_STORE(words->price_usd_micro_mtok, (int64_t)sample->price_usd_micro_mtok);
    GATEWAY_STORE(words->sampled_us, now_us);
    uint64_t number = GATEWAY_LOAD(words->assigned) >> 32;
    GATEWAY_STORE(words->assigned, (number + 1) << 32);
}

void gateway_words_lose(struct gateway_words *words)
{
    GATEWAY_STORE(words->is_ready, false);
    GATEWAY_STORE(words->is_lost, true);
}

uint64_t gateway_words_begin(struct gateway_words *words, uint32_t uncached_tokens)
{
    GATEWAY_ADD(words->in_flight, 1);
    GATEWAY_ADD(words->queued_tokens, uncached_tokens);
    GATEWAY_ADD(words->sent_total, 1);
    return GATEWAY_ADD(words->assigned, 1);
}

void gateway_words_end(struct gateway_words *words, uint64_t assigned)
{
    uint32_t before = GATEWAY_SUB(words->in_flight, 1);
    CHECK(before > 0);
    uint64_t now = GATEWAY_LOAD(words->assigned);
    while (now >> 32 == assigned >> 32 && (uint32_t)now > 0)
        if (atomic_compare_exchange_weak_explicit(&words->assigned, &now, now - 1,
                                                  memory_order_relaxed, memory_order_relaxed))
            return;
}

uint32_t gateway_words_assigned(const struct gateway_words *words)
{
    return (uint32_t)GATEWAY_LOAD(words->assigned);
}
