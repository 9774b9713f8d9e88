/* bench_balance_run.c: the simulation behind `farspan bench balance`. */
#include <string.h>

#include "base/check.h"
#include "base/histogram.h"
#include "base/maths.h"
#include "cli/bench_balance.h"
#include "route/ewma.h"
#include "route/route.h"

enum { QUEUE_MAX = 1024, SESSIONS = 1000, MEAN_US = 100 * 1000, SHORT_US = 50 * 1000 };

#define LONG_US       (INT64_C(550) * 1000) /* one in ten */
#define TOKEN_NS      (1000 * 1000)         /* prompt and answer: half of the time each */
#define TOKEN_PAIR_US 2000

struct job {
    int64_t arrives_us, takes_us;
    uint64_t affinity;
};

struct server {
    struct job jobs[QUEUE_MAX]; /* a ring; the first one is being computed */
    uint32_t first, count;
    int64_t done_us; /* when the first one is */
    int64_t free_us; /* when all are */
    uint32_t queued_tokens;
    struct route_ewma ewma;
};

struct balance {
    struct balance_run *run;
    struct server servers[BALANCE_SERVERS];
    struct rng arrivals, choices;
    struct route_view view;
    struct route_memory memory;
    struct histogram waits_us;
    int64_t now_us, wasted_us, waits_sum_us;
};

const char *balance_name(unsigned policy)
{
    return policy == BALANCE_RANDOM  ? "random"
           : policy == BALANCE_FLOOR ? "(free first)"
                                     : fleet_policy_name((enum fleet_policy)policy);
}

static uint32_t tokens_of(const struct job *job)
{
    return (uint32_t)(job->takes_us / TOKEN_PAIR_US);
}

/* The time until <at_us> passes with the loads as they are. */
static void pass(struct balance *balance, int64_t at_us)
{
    bool is_idle = false, is_waiting = false;
    for (unsigned i = 0; i < BALANCE_SERVERS; i++) {
        is_idle |= balance->servers[i].count == 0;
        is_waiting |= balance->servers[i].count > 1;
    }
    if (is_idle && is_waiting)
        balance->wasted_us += at_us - balance->now_us;
    balance->now_us = at_us;
}

static void note_moment(struct balance *balance)
{
    struct balance_run *run = balance->run;
    if (balance->now_us < BALANCE_SHOWN_US ||
        balance->now_us >= BALANCE_SHOWN_US + BALANCE_WINDOW_US)
        return;
    CHECK(run->moment_count < BALANCE_MOMENTS_MAX);
    struct balance_moment *moment = &run->moments[run->moment_count++];
    moment->at_us = balance->now_us;
    for (unsigned i = 0; i < BALANCE_SERVERS; i++)
        moment->loads[i] = balance->servers[i].count;
}

static void finish(struct balance *balance, struct server *server)
{
    pass(balance, server->done_us);
    const struct job *job = &server->jobs[server->first];
    route_ewma_note(&server->ewma, server->done_us - job->arrives_us, server->done_us);
    server->first = (server->first + 1) % QUEUE_MAX;
    if (--server->count > 0) {
        const struct job *next = &server->jobs[server->first];
        server->done_us += next->takes_us;
        server->queued_tokens -= tokens_of(next);
    }
    note_moment(balance);
}

/* Everything that ends until <at_us>, in its order; of equals the lower server first. */
static void finish_until(struct balance *balance, int64_t at_us)
{
    for (;;) {
        struct server *first = NULL;
        for (unsigned i = 0; i < BALANCE_SERVERS; i++) {
            struct server *server = &balance->servers[i];
            if (server->count > 0 && (!first || server->done_us < first->done_us))
                first = server;
        }
        if (!first || first->done_us > at_us)
            break;
        finish(balance, first);
    }
    pass(balance, at_us);
}

static unsigned choose_first_free(const struct balance *balance)
{
    unsigned first = 0;
    for (unsigned i = 1; i < BALANCE_SERVERS; i++)
        if (balance->servers[i].free_us < balance->servers[first].free_us)
            first = i;
    return first;
}

static unsigned choose(struct balance *balance, const struct job *job)
{
    if (balance->run->policy == BALANCE_RANDOM)
        return (unsigned)rng_below(&balance->choices, BALANCE_SERVERS);
    if (balance->run->policy == BALANCE_FLOOR)
        return choose_first_free(balance);
    for (unsigned i = 0; i < BALANCE_SERVERS; i++) {
        const struct server *server = &balance->servers[i];
        struct route_target *target = &balance->view.targets[i];
        target->running = server->count > 0;
        target->waiting = server->count > 0 ? server->count - 1 : 0;
        target->in_flight = server->count;
        target->queued_tokens = server->queued_tokens;
        target->ewma_us = route_ewma_read(&server->ewma, balance->now_us);
    }
    const struct route_request request = {.now_us = balance->now_us,
                                          .zones_allowed = 1,
                                          .prompt_tokens = tokens_of(job),
                                          .output_tokens = tokens_of(job),
                                          .affinity = job->affinity};
    int16_t target = route_choose(&balance->view, &request, &balance->memory).target;
    CHECK(target >= 0);
    return (unsigned)target;
}

static void add_job(struct balance *balance, const struct job *job)
{
    struct server *server = &balance->servers[choose(balance, job)];
    CHECK(server->count < QUEUE_MAX);
    server->jobs[(server->first + server->count) % QUEUE_MAX] = *job;
    int64_t wait_us = server->count > 0 ? server->free_us - job->arrives_us : 0;
    server->free_us = job->arrives_us + wait_us + job->takes_us;
    if (server->count++ == 0)
        server->done_us = server->free_us;
    else
        server->queued_tokens += tokens_of(job);
    if (server->count > balance->run->load_max)
        balance->run->load_max = server->count;
    balance->waits_sum_us += wait_us;
    histogram_add(&balance->waits_us, (uint64_t)wait_us);
    note_moment(balance);
}

static void set_up(struct balance *balance, struct balance_run *run)
{
    memset(balance, 0, sizeof *balance);
    balance->run = run;
    rng_init(&balance->arrivals, run->seed);
    rng_init(&balance->choices, run->seed + 1);
    route_memory_init(&balance->memory, run->seed + 2);
    histogram_init(&balance->waits_us);
    balance->view.target_count = BALANCE_SERVERS;
    if (run->policy < FLEET_POLICY_COUNT)
        balance->view.policy = (enum fleet_policy)run->policy;
    for (unsigned i = 0; i < BALANCE_SERVERS; i++) {
        route_ewma_init(&balance->servers[i].ewma);
        balance->view.targets[i] = (struct route_target){.id = i,
                                                         .kind = ROUTE_REPLICA,
                                                         .is_ready = true,
                                                         .zones = 1,
                                                         .slots = 1,
                                                         .is_sample_fresh = true,
                                                         .prefill_ns_per_token = TOKEN_NS,
                                                         .decode_ns_per_token = TOKEN_NS,
                                                         .weight = 1};
    }
    run->load_max = run->moment_count = 0;
}

void balance_simulate(struct balance_run *run)
{
    static struct balance balance;
    CHECK(run->policy < BALANCE_POLICIES && run->requests > 0);
    set_up(&balance, run);
    double gap_us = MEAN_US / (BALANCE_SERVERS * BALANCE_LOAD);
    int64_t at_us = 0;
    for (uint32_t i = 0; i < run->requests; i++) {
        at_us += (int64_t)(-gap_us * maths_log(1 - rng_unit(&balance.arrivals)));
        bool is_long = rng_below(&balance.arrivals, 10) == 0;
        uint64_t session = rng_below(&balance.arrivals, SESSIONS) + 1;
        struct job job = {.arrives_us = at_us,
                          .takes_us = !run->is_mixed ? MEAN_US
                                      : is_long      ? LONG_US
                                                     : SHORT_US,
                          .affinity = session * UINT64_C(0x9E3779B97F4A7C15)};
        finish_until(&balance, at_us);
        add_job(&balance, &job);
    }
    run->wait_mean_ms = (double)balance.waits_sum_us / 1000 / run->requests;
    run->wait_p99_ms = (double)histogram_quantile(&balance.waits_us, 990000) / 1000;
    run->wasted = (double)balance.wasted_us / (double)at_us;
}
