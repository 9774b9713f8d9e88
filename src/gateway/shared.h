/* shared.h: the words that a gateway's loops share about each target: fixed-size rows of relaxed
 * atomics, right without being exact.
 *
 * Written by whoever learns something: loops count their own requests, the loop that holds the
 * streams of load (peers_io.c, probe_io.c) writes the samples. Before each decision a loop copies
 * them into its own view; nothing decides on a shared word. A lost race costs a slightly worse
 * choice, never a wrong answer. */
#ifndef GATEWAY_SHARED_H
#define GATEWAY_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What a target last said of itself. */
struct gateway_sample {
    bool is_ready;
    uint32_t replicas_ready; /* of a region; 1 for a replica */
    uint32_t running, waiting, slots, queue_max;
    uint32_t prefill_ns_per_token, decode_ns_per_token; /* 0: not measured yet */
    uint32_t context_tokens;                            /* 0: not limited */
    uint64_t price_usd_micro_mtok; /* of a worker in a free place; 0: the fleet says */
    uint64_t instance;             /* changes when the engine starts anew: its cache is empty */
};

/* One target of one service. Two cache lines: what loops count, what the target says. */
struct gateway_words {
    _Alignas(128) _Atomic uint32_t in_flight;
    _Atomic uint32_t queued_tokens; /* uncached prompt tokens sent, first byte not yet back */
    _Atomic uint64_t assigned;      /* number of the sample << 32 | sent since it and still open */
    _Atomic int64_t cooling_until_us; /* any loop's: a 429 that one has met spares the others */
    _Atomic uint64_t sent_total, failed_total;
    _Alignas(64) _Atomic int64_t sampled_us; /* 0: never */
    _Atomic bool is_ready;
    _Atomic bool is_lost; /* it says nothing any more: what waits there is asked elsewhere */
    _Atomic uint32_t replicas_ready, running, waiting, slots, queue_max;
    _Atomic uint32_t prefill_ns_per_token, decode_ns_per_token, context_tokens;
    _Atomic int64_t price_usd_micro_mtok;
};

#define GATEWAY_LOAD(word)         atomic_load_explicit(&(word), memory_order_relaxed)
#define GATEWAY_STORE(word, value) atomic_store_explicit(&(word), (value), memory_order_relaxed)
#define GATEWAY_ADD(word, n)       atomic_fetch_add_explicit(&(word), (n), memory_order_relaxed)
#define GATEWAY_SUB(word, n)       atomic_fetch_sub_explicit(&(word), (n), memory_order_relaxed)

/* A sample arrived: what was assigned before it is in it. */
void gateway_words_sample(struct gateway_words *words, const struct gateway_sample *sample,
                          int64_t now_us);

/* The stream of samples broke: not ready, and lost, until the next one. */
void gateway_words_lose(struct gateway_words *words);

/* A request is sent there / over. <assigned> is what begin answered, handed back to end. */
uint64_t gateway_words_begin(struct gateway_words *words, uint32_t uncached_tokens);
void gateway_words_end(struct gateway_words *words, uint64_t assigned);

/* Open requests assigned since the last sample. */
uint32_t gateway_words_assigned(const struct gateway_words *words);

#endif
