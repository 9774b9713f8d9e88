#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "plan/settle.h"

enum { DEMANDS = 5, NODES = 4, ROUNDS = 2000 };

static char memory[4 << 20];

struct bed {
    struct plan_service service;
    struct plan_node nodes[NODES];
    struct plan_column columns[NODES];
    struct plan_demand demands[DEMANDS];
    uint32_t near[DEMANDS][NODES], counts[NODES];
    float latencies[DEMANDS][NODES];
    struct plan_flow flows[DEMANDS * NODES];
    struct plan_problem problem;
    struct plan_answer answer;
};

/* One service whose nodes have room for what a first, careless answer sends to them. */
static void draw(struct bed *bed, struct rng *rng, bool has_traffic)
{
    memset(bed, 0, sizeof *bed);
    bed->service = (struct plan_service){.node_count = NODES,
                                         .column_count = NODES,
                                         .demand_count = DEMANDS,
                                         .share_ppm = 1000000,
                                         .share_lost_ppm = 1000000};
    int64_t rooms[NODES] = {0};
    bed->answer = (struct plan_answer){.counts = bed->counts, .flows = bed->flows};
    for (uint32_t d = 0; d < DEMANDS; d++) {
        struct plan_demand *demand = &bed->demands[d];
        *demand = (struct plan_demand){.rate = 0,
                                       .unmet_usd = INFINITY,
                                       .nodes = bed->near[d],
                                       .latencies_ms = bed->latencies[d]};
        uint32_t but = (uint32_t)rng_below(rng, NODES + 1);
        for (uint32_t n = 0; n < NODES; n++) {
            if (n == but)
                continue;
            bed->near[d][demand->node_count] = n;
            bed->latencies[d][demand->node_count++] = (float)rng_below(rng, 300);
            int64_t rate = (int64_t)rng_below(rng, 4) * 1000000;
            if (rate == 0)
                continue;
            bed->flows[bed->answer.flow_count++] = (struct plan_flow){d, n, rate};
            demand->rate += rate;
            rooms[n] += rate;
        }
    }
    for (uint32_t n = 0; n < NODES; n++) {
        bed->nodes[n] = (struct plan_node){.column_first = n,
                                           .column_count = 1,
                                           .replicas_min = 1,
                                           .egress_usd = has_traffic ? rng_unit(rng) * 1e-5 : 0};
        bed->columns[n] = (struct plan_column){.node = n, .speed = 1000000};
        bed->counts[n] = (uint32_t)(rooms[n] / 1000000 + (int64_t)rng_below(rng, 3));
    }
    bed->problem = (struct plan_problem){.service_count = 1,
                                         .node_count = NODES,
                                         .demand_count = DEMANDS,
                                         .column_count = NODES,
                                         .services = &bed->service,
                                         .nodes = bed->nodes,
                                         .demands = bed->demands,
                                         .columns = bed->columns};
}

static double latency_of(const struct bed *bed, uint32_t d, uint32_t n)
{
    for (uint32_t i = 0; i < bed->demands[d].node_count; i++)
        if (bed->near[d][i] == n)
            return (double)bed->latencies[d][i];
    return INFINITY;
}

static void sum(const struct bed *bed, double *ret_latency, double *ret_traffic)
{
    *ret_latency = *ret_traffic = 0;
    for (uint32_t i = 0; i < bed->answer.flow_count; i++) {
        const struct plan_flow *flow = &bed->answer.flows[i];
        *ret_latency += (double)flow->rate * latency_of(bed, flow->demand, flow->node);
        *ret_traffic += 3600e-6 * (double)flow->rate * bed->nodes[flow->node].egress_usd;
    }
}

/* Every demand as before, no node over its room. */
static void assert_valid(const struct bed *bed)
{
    int64_t left[DEMANDS], rooms[NODES];
    for (uint32_t d = 0; d < DEMANDS; d++)
        left[d] = bed->demands[d].rate;
    for (uint32_t n = 0; n < NODES; n++)
        rooms[n] = (int64_t)bed->counts[n] * 1000000;
    for (uint32_t i = 0; i < bed->answer.flow_count; i++) {
        const struct plan_flow *flow = &bed->answer.flows[i];
        assert_true(flow->rate > 0 && latency_of(bed, flow->demand, flow->node) < INFINITY);
        left[flow->demand] -= flow->rate;
        rooms[flow->node] -= flow->rate;
    }
    for (uint32_t d = 0; d < DEMANDS; d++)
        assert_int_equal(left[d], 0);
    for (uint32_t n = 0; n < NODES; n++)
        assert_true(rooms[n] >= 0);
}

/* No ring of moves makes it nearer: Floyd and Warshall over the residual graph; vertices are the
 * demands, the nodes, and what is free. */
static bool is_nearest(const struct bed *bed)
{
    enum { FREE = DEMANDS + NODES, COUNT = FREE + 1 };
    double way[COUNT][COUNT];
    int64_t used[NODES] = {0};
    for (uint32_t i = 0; i < COUNT; i++)
        for (uint32_t j = 0; j < COUNT; j++)
            way[i][j] = i == j ? 0 : INFINITY;
    for (uint32_t d = 0; d < DEMANDS; d++)
        for (uint32_t n = 0; n < NODES; n++)
            way[d][DEMANDS + n] = latency_of(bed, d, n);
    for (uint32_t i = 0; i < bed->answer.flow_count; i++) {
        const struct plan_flow *flow = &bed->answer.flows[i];
        way[DEMANDS + flow->node][flow->demand] = -latency_of(bed, flow->demand, flow->node);
        used[flow->node] += flow->rate;
    }
    for (uint32_t n = 0; n < NODES; n++) {
        if (used[n] < (int64_t)bed->counts[n] * 1000000)
            way[DEMANDS + n][FREE] = 0;
        if (used[n] > 0)
            way[FREE][DEMANDS + n] = 0;
    }
    for (uint32_t k = 0; k < COUNT; k++)
        for (uint32_t i = 0; i < COUNT; i++)
            for (uint32_t j = 0; j < COUNT; j++)
                if (way[i][k] + way[k][j] < way[i][j])
                    way[i][j] = way[i][k] + way[k][j];
    for (uint32_t i = 0; i < COUNT; i++)
        if (way[i][i] < -1e-6)
            return false;
    return true;
}

static void test_requests_are_answered_as_near_as_can_be(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 3);
    uint32_t nearer = 0;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct bed bed;
        struct arena arena;
        double before, after, traffic;
        draw(&bed, &rng, false);
        sum(&bed, &before, &traffic);
        arena_init(&arena, memory, sizeof memory);
        assert_true(plan_settle(&bed.problem, &bed.answer, 0, &arena));
        assert_valid(&bed);
        sum(&bed, &after, &traffic);
        assert_true(after <= before + 1e-6 && is_nearest(&bed));
        nearer += after < before - 1;
    }
    assert_true(nearer > ROUNDS / 2);
}

static void test_traffic_rises_by_no_more_than_allowed(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 4);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct bed bed;
        struct arena arena;
        double latency, before, after, more = round % 2 ? 0.01 * rng_unit(&rng) : 0;
        draw(&bed, &rng, true);
        sum(&bed, &latency, &before);
        bed.answer.cost_usd_h = 1 + before;
        arena_init(&arena, memory, sizeof memory);
        assert_true(plan_settle(&bed.problem, &bed.answer, more, &arena));
        assert_valid(&bed);
        sum(&bed, &latency, &after);
        assert_true(after <= before + more + 1e-9 * (1 + before));
        assert_true(fabs(bed.answer.cost_usd_h - 1 - after) < 1e-9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_are_answered_as_near_as_can_be),
        cmocka_unit_test(test_traffic_rises_by_no_more_than_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
