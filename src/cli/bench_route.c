/* bench_route.c: what a routing decision costs: each policy with 8 and 64 targets, and the prefix
 * index with 8 .. 512 blocks. One thread, timed by its CPU time (waiting for a core is not
 * counted); rounds of all cases are interleaved and the median of the rounds is printed, so that a
 * noisy neighbour hits all cases alike.
 *
 * Bars: decision with 64 targets and a prompt of 32k tokens 1000 ns, match 2000 ns. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "cli/bench.h"
#include "route/prefix.h"
#include "route/route.h"

enum {
    ROUNDS = 101,
    ROUND_NS = 300 * 1000, /* about, of one case: shorter than a scheduler's slice */
    PROMPTS = 64, /* different ones, so that the index is not read from the first cache alone */
    CASES_MAX = 64,
    PROMPT_TOKENS = 32 * 1024
};

struct bench_case {
    char name[48];
    unsigned targets, blocks;
    unsigned calls; /* in a round */
    double bar_ns;  /* 0: none */
    double round_ns[ROUNDS];
    int64_t (*run)(const struct bench_case *one, unsigned calls); /* answers ns */
    enum fleet_policy policy;
};

static struct route_view view;
static struct route_request request;
static struct route_memory memory;
static struct prefix_index *prefix;
static uint64_t hashes[PROMPTS][LIMIT_PREFIX_BLOCKS];
static char prompt_text[LIMIT_PREFIX_BLOCKS * PREFIX_BLOCK];
static struct prefix_chain chain;
static volatile unsigned sink;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void fill_view(unsigned targets, enum fleet_policy policy)
{
    struct rng rng;
    rng_init(&rng, 1);
    memset(&view, 0, sizeof view);
    view.policy = policy;
    view.target_count = (uint16_t)targets;
    for (unsigned i = 0; i < targets; i++) {
        bool is_region = i >= targets - targets / 4;
        view.targets[i] =
            (struct route_target){.id = is_region ? 0x10000 + i : i,
                                  .kind = is_region ? ROUTE_REGION : ROUTE_REPLICA,
                                  .is_ready = true,
                                  .zones = 1U << (i % 3),
                                  .context_tokens = 128 * 1024,
                                  .slots = 16,
                                  .queue_max = 256,
                                  .running = (uint32_t)rng_below(&rng, 24),
                                  .waiting = (uint32_t)rng_below(&rng, 4),
                                  .assigned = (uint32_t)rng_below(&rng, 4),
                                  .is_sample_fresh = true,
                                  .queued_tokens = (uint32_t)rng_below(&rng, 40000),
                                  .matched_tokens = (uint32_t)rng_below(&rng, PROMPT_TOKENS),
                                  .prefill_ns_per_token = 93800,
                                  .decode_ns_per_token = 12000000,
                                  .weight = 1 + (uint32_t)rng_below(&rng, 4),
                                  .network_us = is_region ? (int64_t)rng_below(&rng, 300000) : 0,
                                  .ewma_us = 1 + (int64_t)rng_below(&rng, 900000),
                                  .price_usd_micro_mtok = (int64_t)rng_below(&rng, 900000)};
    }
    request = (struct route_request){.zones_allowed = 7,
                                     .prompt_tokens = PROMPT_TOKENS,
                                     .output_tokens = 256,
                                     .deadline_us = 60 * 1000 * 1000,
                                     .affinity = 1,
                                     .may_hop = true,
                                     .price_weight_us = 2};
    route_memory_init(&memory, 1);
}

static int64_t run_decisions(const struct bench_case *one, unsigned calls)
{
    fill_view(one->targets, one->policy);
    unsigned sum = 0;
    int64_t start = now_ns();
    for (unsigned i = 0; i < calls; i++) {
        request.affinity = i + 1;
        view.targets[i % one->targets].running = i & 15; /* no two decisions see the same view */
        sum += (unsigned)route_choose(&view, &request, &memory).target;
    }
    sink = sum;
    return now_ns() - start;
}

static int64_t run_matches(const struct bench_case *one, unsigned calls)
{
    uint16_t blocks[LIMIT_TARGETS];
    unsigned sum = 0;
    int64_t start = now_ns();
    for (unsigned i = 0; i < calls; i++) {
        prefix_index_match(prefix, hashes[i % PROMPTS], one->blocks, blocks);
        sum += blocks[i % LIMIT_TARGETS];
    }
    sink = sum;
    return now_ns() - start;
}

static int64_t run_adds(const struct bench_case *one, unsigned calls)
{
    int64_t start = now_ns();
    for (unsigned i = 0; i < calls; i++)
        prefix_index_add(prefix, hashes[i % PROMPTS], one->blocks, i % LIMIT_TARGETS);
    return now_ns() - start;
}

static int64_t run_chains(const struct bench_case *one, unsigned calls)
{
    int64_t start = now_ns();
    for (unsigned i = 0; i < calls; i++) {
        prefix_chain_init(&chain, i);
        prefix_chain_add(&chain, prompt_text, (size_t)one->blocks * PREFIX_BLOCK);
        sink = (unsigned)chain.hash[chain.hash_count - 1];
    }
    return now_ns() - start;
}

/* Each prompt is held by eight targets, each up to another block: a match has ends to find. */
static void fill_index(void)
{
    static _Alignas(64) char room[LIMIT_PREFIX_INDEX_SLOTS * 24 + 64];
    CHECK(prefix_index_size(LIMIT_PREFIX_INDEX_SLOTS) <= sizeof room);
    memset(room, 0, sizeof room);
    prefix = prefix_index_init(room, LIMIT_PREFIX_INDEX_SLOTS);
    struct rng rng;
    rng_init(&rng, 2);
    for (unsigned prompt = 0; prompt < PROMPTS; prompt++) {
        for (unsigned i = 0; i < LIMIT_PREFIX_BLOCKS; i++)
            hashes[prompt][i] = rng_next(&rng) | 1;
        for (unsigned i = 0; i < 8; i++)
            prefix_index_add(prefix, hashes[prompt],
                             1 + (uint32_t)rng_below(&rng, LIMIT_PREFIX_BLOCKS),
                             (unsigned)rng_below(&rng, LIMIT_TARGETS));
    }
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static unsigned make_cases(struct bench_case *cases)
{
    unsigned count = 0;
    for (unsigned policy = 0; policy < FLEET_POLICY_COUNT; policy++)
        for (unsigned targets = 8; targets <= 64; targets += 56) {
            struct bench_case *one = &cases[count++];
            one->run = run_decisions;
            one->policy = (enum fleet_policy)policy;
            one->targets = targets;
            one->bar_ns = targets == 64 ? 1000 : 0;
            snprintf(one->name, sizeof one->name, "choose %s", fleet_policy_name(one->policy));
        }
    for (unsigned blocks = 8; blocks <= LIMIT_PREFIX_BLOCKS; blocks *= 4) {
        struct bench_case *one = &cases[count++];
        *one = (struct bench_case){.name = "match", .run = run_matches, .blocks = blocks};
        one->bar_ns = 2000;
        one = &cases[count++];
        *one = (struct bench_case){.name = "add", .run = run_adds, .blocks = blocks};
        one = &cases[count++];
        *one = (struct bench_case){.name = "hash prompt", .run = run_chains, .blocks = blocks};
    }
    struct bench_case *full = &cases[count++];
    *full = (struct bench_case){
        .name = "match", .run = run_matches, .blocks = LIMIT_PREFIX_BLOCKS, .bar_ns = 2000};
    CHECK(count <= CASES_MAX);
    return count;
}

static void set_calls(struct bench_case *one)
{
    enum { TRIAL = 100 };
    int64_t trial_ns = one->run(one, TRIAL) / TRIAL + 1;
    one->calls = (unsigned)(ROUND_NS / trial_ns) + 1;
}

static void print_case(const struct bench_case *one, bool is_json, bool is_last)
{
    double sorted[ROUNDS];
    memcpy(sorted, one->round_ns, sizeof sorted);
    qsort(sorted, ROUNDS, sizeof sorted[0], compare_doubles);
    double median = sorted[ROUNDS / 2];
    if (is_json) {
        printf("{\"case\":\"%s\",\"targets\":%u,\"blocks\":%u,\"median_ns\":%.1f,\"min_ns\":%.1f,"
               "\"max_ns\":%.1f,\"bar_ns\":%.0f}%s\n",
               one->name, one->targets, one->blocks, median, sorted[0], sorted[ROUNDS - 1],
               one->bar_ns, is_last ? "" : ",");
        return;
    }
    printf("%-32s %8u %8u %10.1f %10.1f %10.1f", one->name, one->targets, one->blocks, median,
           sorted[0], sorted[ROUNDS - 1]);
    if (one->bar_ns > 0)
        printf("   <= %.0f %s", one->bar_ns, median <= one->bar_ns ? "yes" : "NO");
    printf("\n");
}

int bench_route(bool is_json)
{
    static struct bench_case cases[CASES_MAX];
    fill_index();
    unsigned count = make_cases(cases);
    for (unsigned i = 0; i < count; i++)
        set_calls(&cases[i]);
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < count; i++) {
            struct bench_case *one = &cases[i];
            one->round_ns[round] = (double)one->run(one, one->calls) / one->calls;
        }
    if (is_json)
        printf("[");
    else
        printf("%-32s %8s %8s %10s %10s %10s\n", "case", "targets", "blocks", "median ns", "min",
               "max");
    for (unsigned i = 0; i < count; i++)
        print_case(&cases[i], is_json, i + 1 == count);
    if (is_json)
        printf("]");
    return 0;
}
