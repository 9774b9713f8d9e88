/* What each policy buys in worlds that one can work out by hand, and what the judge says of it;
 * that farspan's plan is never dearer than one that keeps all rules. An _io test since the LP
 * library is opened and wishes are read from text. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "plan/rival.h"
#include "plan/rival_judge.h"
#include "plan/rival_speed.h"
#include "plan/solve.h"
#include "plan/wish_lab_test.h"

static struct plan_formulation *made;
static struct plan_sheet_policy verdict;
static uint32_t *counts;

static void formulate(const char *yaml)
{
    lab_read(yaml);
    assert_int_equal(plan_formulate(world.wish, NULL, &arena, &made, &why), ERR_OK);
}

static void place(enum plan_rival rival, bool survives_region)
{
    enum err err = plan_rival_place(made, rival, survives_region, &lp, &arena, &counts);
    assert_int_equal(err, ERR_OK);
    assert_int_equal(plan_rival_judge(made, counts, &arena, &verdict), ERR_OK);
}

/* Replicas in <region> on <sku> of <market>; NULL, PLAN_ANY_MARKET: any. */
static uint32_t count_of(const char *region, const char *sku, uint32_t market)
{
    const struct plan_problem *problem = &made->problem;
    uint32_t count = 0;
    for (uint32_t c = 0; c < problem->column_count; c++) {
        const struct plan_column *column = &problem->columns[c];
        struct span place = problem->regions[problem->nodes[column->node].region].name;
        if ((!region || span_is(place, region)) &&
            (!sku || span_is(problem->skus[column->sku], sku)) &&
            (market == PLAN_ANY_MARKET || column->market == market))
            count += counts[c];
    }
    return count;
}

static void expect(double cost_usd_h, double in_time, double unmet)
{
    const double traffic = 1e-3; /* at most, in USD an hour */
    if (fabs(verdict.cost_usd_h - verdict.egress_usd_h - cost_usd_h) > 1e-9 ||
        verdict.egress_usd_h > traffic)
        fail_msg("$%g with $%g of traffic", verdict.cost_usd_h, verdict.egress_usd_h);
    if (fabs(verdict.in_time - in_time) > 1e-6 || fabs(verdict.unmet - unmet) > 1e-6)
        fail_msg("in time %g, unmet %g", verdict.in_time, verdict.unmet);
}

static void expect_lost(double in_time, double unmet)
{
    if (fabs(verdict.in_time_lost - in_time) > 1e-6 || fabs(verdict.unmet_lost - unmet) > 1e-6)
        fail_msg("without a region in time %g, unmet %g", verdict.in_time_lost, verdict.unmet_lost);
}

/* 8 requests a second, 4 of each group; a replica of 10/s does 5/s at 50 % load, and 9.5/s while a
 * region is lost. */
#define TAG                                                                                        \
    "name: tag, load: 50%, demand: 8req/s, speeds: [{sku: cpu, rate: 10req/s, time: "              \
    "5ms}, {sku: cpub, rate: 10req/s, time: 5ms}]"
#define SLO ", slo: {ttft: 60ms, wait: 10ms}" /* round trip <= 45 ms: one's own continent */

static void test_a_single_region_is_the_cheapest_and_far_for_half(void **state)
{
    (void)state;
    formulate(" {services: [{" TAG SLO "}]}\n");
    place(PLAN_RIVAL_SINGLE_REGION, false);
    assert_int_equal(count_of("b:north", NULL, PLAN_ANY_MARKET), 2);
    expect(2 * 0.18, 0.5, 0);
    expect_lost(0, 1);
    assert_false(verdict.keeps_rules);
}

/* Without b:north one replica in a:east does all of it. */
/* Paris to b:north: 90 ms, and 25 ms there. */
static void test_the_wait_counts_against_the_promise(void **state)
{
    (void)state;
    for (uint32_t k = 0; k < 2; k++) {
        formulate(k ? " {services: [{" TAG ", slo: {ttft: 115ms, wait: 20ms}}]}\n"
                    : " {services: [{" TAG ", slo: {ttft: 110ms, wait: 20ms}}]}\n");
        place(PLAN_RIVAL_SINGLE_REGION, false);
        expect(2 * 0.18, k ? 1 : 0.5, 0);
    }
}

static void test_a_single_region_that_may_be_lost_has_another_ready(void **state)
{
    (void)state;
    formulate(" {lose: region, services: [{" TAG SLO "}]}\n");
    place(PLAN_RIVAL_SINGLE_REGION, true);
    assert_int_equal(count_of("b:north", NULL, PLAN_ANY_MARKET), 2);
    assert_int_equal(count_of("a:east", NULL, PLAN_ANY_MARKET), 1);
    expect(2 * 0.18 + 0.20, 1, 0);
    expect_lost(0.5, 0);
    assert_false(verdict.keeps_rules);
}

static void test_a_single_region_holds_all_services(void **state)
{
    (void)state;
    formulate(
        " {stock: [{region: 'b:north', sku: cpub, market: on_demand, count: 3}], services: [{" TAG
        "}, {name: two, load: 50%, demand: 8req/s, speeds: [{sku: cpu, rate: "
        "10req/s, time: 5ms}, {sku: cpub, rate: 10req/s, time: 5ms}]}]}\n");
    place(PLAN_RIVAL_SINGLE_REGION, false);
    assert_int_equal(count_of("a:east", NULL, PLAN_ANY_MARKET), 4);
    expect(4 * 0.20, 1, 0);
}

static void test_the_cheapest_resource_that_is_sold_out_is_followed_by_the_next(void **state)
{
    (void)state;
    formulate(
        " {stock: [{region: 'b:north', sku: cpub, market: on_demand, count: 1}], services: [{" TAG
        "}]}\n");
    place(PLAN_RIVAL_SKYPILOT, false);
    assert_int_equal(count_of("b:north", NULL, PLAN_ANY_MARKET), 1);
    assert_int_equal(count_of("a:east", NULL, PLAN_ANY_MARKET), 1);
    expect(0.18 + 0.20, 1, 0);
    assert_true(verdict.keeps_rules);
}

static void test_what_residency_forbids_is_unmet(void **state)
{
    (void)state;
    formulate(" {services: [{" TAG ", clients: [{zone: eu, residency: [eu]}]}]}\n");
    place(PLAN_RIVAL_SKYPILOT, false);
    assert_int_equal(count_of("a:east", NULL, PLAN_ANY_MARKET), 2);
    expect(2 * 0.20, 1, 0);
    assert_true(verdict.keeps_rules);
    formulate(" {services: [{" TAG ", clients: [{zone: eu, residency: [eu]}, {zone: us, residency: "
              "[us]}]}]}\n");
    place(PLAN_RIVAL_SKYPILOT, false);
    assert_int_equal(count_of("b:north", NULL, PLAN_ANY_MARKET), 2);
    expect(2 * 0.18, 0.5, 0.5);
    assert_false(verdict.keeps_rules);
}

static void test_the_nearest_region_answers_its_clients(void **state)
{
    (void)state;
    formulate(" {services: [{" TAG SLO "}]}\n");
    place(PLAN_RIVAL_NEAREST, false);
    assert_int_equal(count_of("a:east", NULL, PLAN_ANY_MARKET), 1);
    assert_int_equal(count_of("b:north", NULL, PLAN_ANY_MARKET), 1);
    expect(0.20 + 0.18, 1, 0);
    expect_lost(0.5, 0); /* 9.5/s are enough for all, but far */
    assert_true(verdict.keeps_rules);
}

static void test_the_next_nearest_region_is_ready_for_a_loss(void **state)
{
    (void)state;
    formulate(" {lose: region, services: [{" TAG SLO "}]}\n");
    place(PLAN_RIVAL_NEAREST, true);
    static const char *const regions[] = {"a:east", "a:west", "b:north", "b:south"};
    for (size_t i = 0; i < COUNT_OF(regions); i++)
        assert_int_equal(count_of(regions[i], NULL, PLAN_ANY_MARKET), 1);
    expect(0.20 + 0.22 + 0.18 + 0.26, 1, 0);
    expect_lost(1, 0);
    assert_true(verdict.keeps_rules);
}

static void test_a_nearest_region_that_is_sold_out_sends_the_rest_on(void **state)
{
    (void)state;
    formulate(
        " {stock: [{region: 'a:east', sku: cpu, market: on_demand, count: 1}], services: [{name: "
        "tag, load: 50%, demands: [{client: paris, rate: 12req/s}], speeds: [{sku: "
        "cpu, rate: 10req/s, time: 5ms}]" SLO "}]}\n");
    for (uint32_t k = 0; k < 2; k++) {
        place(k ? PLAN_RIVAL_MELANGE : PLAN_RIVAL_NEAREST, false);
        assert_int_equal(count_of("a:east", NULL, PLAN_ANY_MARKET), 1);
        assert_int_equal(count_of("a:west", NULL, PLAN_ANY_MARKET), 2);
        expect(0.20 + 2 * 0.22, 1, 0);
    }
}

/* 302/s: a gpu4 does 300/s for $10, a cpu 5/s for $0.20; one type alone is 61 cpu. */
#define MIX                                                                                        \
    "name: mix, load: 50%, demands: [{client: paris, rate: 302req/s}], speeds: [{sku: "            \
    "cpu, rate: 10req/s, time: 5ms}, {sku: gpu4, rate: 600req/s, time: 5ms}]"

static void test_a_mix_is_cheaper_than_one_type(void **state)
{
    (void)state;
    formulate(" {services: [{" MIX SLO "}]}\n");
    place(PLAN_RIVAL_NEAREST, false);
    assert_int_equal(count_of("a:east", "cpu", PLAN_ANY_MARKET), 61);
    assert_int_equal(count_of("a:east", "gpu4", PLAN_ANY_MARKET), 0);
    place(PLAN_RIVAL_MELANGE, false);
    assert_int_equal(count_of("a:east", "cpu", PLAN_ANY_MARKET), 1);
    assert_int_equal(count_of("a:east", "gpu4", PLAN_ANY_MARKET), 1);
    assert_true(verdict.keeps_rules);
}

/* York is answered in a:east by gpu4 alone, Paris by both types; 4/s of it are left over by a gpu4
 * that York needs anyhow, 40/s are cheaper on cpu. */
#define FAR                                                                                        \
    "speeds: [{sku: cpu, rate: 10req/s, time: 50ms}, {sku: gpu4, rate: 20req/s, time: 5ms}], "     \
    "load: 50%, slo: {ttft: 110ms, wait: 10ms}"

static void test_one_type_does_all_or_each_its_part_whichever_is_cheaper(void **state)
{
    (void)state;
    formulate(" {services: [{name: far, demands: [{client: paris, rate: 4req/s}, {client: york, "
              "rate: 4req/s}], " FAR "}]}\n");
    place(PLAN_RIVAL_NEAREST, false);
    expect(10, 1, 0);
    formulate(" {services: [{name: far, demands: [{client: paris, rate: 40req/s}, {client: york, "
              "rate: 4req/s}], " FAR "}]}\n");
    place(PLAN_RIVAL_NEAREST, false);
    expect(10 + 8 * 0.20, 1, 0);
    assert_true(verdict.keeps_rules);
}

/* A spot replica does 5/s while it is there, 3.75/s on average. 8/s and two replicas more are 18/s:
 * four of them, 15/s on average; the other 3/s are one on demand, where that is cheapest. */
static void test_spot_is_hedged_by_two_more_and_by_machines_on_demand(void **state)
{
    (void)state;
    formulate(" {markets: [on_demand, spot], cold_start: 0s, services: [{" TAG "}]}\n");
    place(PLAN_RIVAL_SPOTHEDGE, false);
    assert_int_equal(count_of(NULL, NULL, PLAN_SPOT), 4);
    assert_int_equal(count_of("b:north", NULL, PLAN_ON_DEMAND), 1);
    expect(4 * 0.06 + 0.18, 1, 0);
}

static void test_without_spot_all_of_it_is_on_demand(void **state)
{
    (void)state;
    formulate(" {services: [{" TAG "}]}\n");
    place(PLAN_RIVAL_SPOTHEDGE, false);
    assert_int_equal(count_of("b:north", NULL, PLAN_ON_DEMAND), 2);
    expect(2 * 0.18, 1, 0);
}

/* Spot goes to the region with the fewest spot replicas, the cheapest first. */
static void test_spot_is_spread_over_regions(void **state)
{
    (void)state;
    formulate(" {markets: [on_demand, spot], cold_start: 0s, services: [{name: two, load: 50%, "
              "demand: 5req/s, speeds: [{sku: cpu, rate: 10req/s, time: 5ms}, {sku: gpu4, "
              "rate: 10req/s, time: 5ms}]}]}\n");
    place(PLAN_RIVAL_SPOTHEDGE, false);
    assert_int_equal(count_of("a:east", "cpu", PLAN_SPOT), 3);
    assert_int_equal(count_of(NULL, "gpu4", PLAN_ANY_MARKET), 0);
}

static void test_round_robin_deals_equal_parts(void **state)
{
    (void)state;
    formulate(" {lose: region, services: [{" TAG "}]}\n");
    for (uint32_t survives = 0; survives < 2; survives++) {
        place(PLAN_RIVAL_ROUND_ROBIN, survives > 0);
        assert_int_equal(count_of(NULL, NULL, PLAN_ANY_MARKET), 4);
        expect(0.20 + 0.22 + 0.18 + 0.26, 1, 0);
        expect_lost(1, 0);
    }
    formulate(" {services: [{name: tag, load: 50%, demand: 21req/s, speeds: [{sku: cpu, "
              "rate: 10req/s, time: 5ms}, {sku: cpub, rate: 10req/s, time: 5ms}]}]}\n");
    place(PLAN_RIVAL_ROUND_ROBIN, false);
    assert_int_equal(count_of("b:south", NULL, PLAN_ANY_MARKET), 2); /* 5.25/s a region */
    assert_int_equal(count_of("a:east", NULL, PLAN_ANY_MARKET), 2);
}

/* A machine that is fast enough for all sizes is chosen before a cheaper one that is not. */
static void test_machines_that_are_too_slow_are_not_chosen(void **state)
{
    (void)state;
    formulate(" {services: [{name: tag, load: 50%, demand: 8req/s, slo: {ttft: 200ms, "
              "wait: 10ms, percentile: 50%}, speeds: [{sku: cpu, rate: 10req/s, time: 5ms}, {sku: "
              "cpub, rate: 10req/s, time: 195ms}]}]}\n");
    place(PLAN_RIVAL_SKYPILOT, false);
    assert_int_equal(count_of("a:east", "cpu", PLAN_ANY_MARKET), 2);
}

/* The same machines for two services: what the first takes, the second does not find. */
static void test_no_more_is_bought_than_there_is(void **state)
{
    (void)state;
    formulate(" {stock: [{sku: cpu, market: on_demand, count: 1}, {sku: cpub, market: on_demand, "
              "count: 1}], services: [{name: tag, load: 50%, demand: 40req/s, speeds: "
              "[{sku: cpu, rate: 10req/s, time: 5ms}, {sku: cpub, rate: 10req/s, time: 5ms}], "
              "unmet: $1/req}, {" MIX ", unmet: $1/req}]}\n");
    for (uint32_t k = 0; k < PLAN_RIVALS; k++)
        for (uint32_t survives = 0; survives < 2; survives++) {
            place((enum plan_rival)k, survives > 0);
            assert_true(count_of("a:east", "cpu", PLAN_ANY_MARKET) <= 1);
            assert_true(count_of("b:north", "cpub", PLAN_ANY_MARKET) <= 1);
            assert_true(verdict.unmet > 0);
        }
}

/* 10/s of short requests, which alone are sent there, or 2/s of long ones. */
static void test_a_machine_that_gets_all_sizes_is_as_fast_as_at_the_worst(void **state)
{
    (void)state;
    static char memory[4096];
    struct arena own;
    const uint32_t node = 0;
    const struct plan_service service = {.node_count = 1, .column_count = 1, .demand_count = 2};
    const struct plan_column column = {.speed = 10000000};
    const struct plan_demand demands[] = {{.nodes = &node, .node_count = 1}, {.node_count = 0}};
    const struct plan_demand_origin origins[] = {{.work = 1}, {.bucket = 1, .work = 1}};
    const struct plan_column_origin column_origin = {.speed = 0};
    const struct plan_speed speed = {.rates = {10, 2}};
    const struct plan_formulation small = {.problem = {.service_count = 1,
                                                       .node_count = 1,
                                                       .demand_count = 2,
                                                       .column_count = 1,
                                                       .services = &service,
                                                       .demands = demands,
                                                       .columns = &column},
                                           .demands = origins,
                                           .columns = &column_origin,
                                           .speeds = &speed,
                                           .speed_count = 1};
    arena_init(&own, memory, sizeof memory);
    const int64_t *speeds = plan_rival_speeds(&small, &own);
    assert_non_null(speeds);
    assert_int_equal(speeds[0], 2000000);
}

static const char *const wishes[] = {
    " {services: [{" TAG "}]}\n",
    " {services: [{" TAG SLO "}]}\n",
    " {lose: region, services: [{" TAG SLO "}]}\n",
    " {lose: region, services: [{" TAG "}]}\n",
    " {lose: region, services: [{" TAG SLO "}, {" MIX "}]}\n",
    " {services: [{" TAG SLO "}, {" MIX SLO "}]}\n",
    " {markets: [on_demand, spot], cold_start: 0s, services: [{" TAG "}]}\n",
    " {markets: [on_demand, spot], lose: region, services: [{" TAG ", spot: 50%}]}\n",
    " {stock: [{sku: cpu, market: on_demand, count: 1}], services: [{" TAG SLO "}]}\n",
    " {lose: region, services: [{name: m, model: m, demand: 3req/s, slo: {ttft: 400ms, percentile: "
    "90%, wait: 50ms}, requests: [{prompt: 100, answer: 50, share: 60%}, {prompt: 900, answer: "
    "80, share: 40%}], clients: [{zone: eu, residency: [eu]}]}]}\n",
};

/* And the judge finds nothing wrong with farspan's own plan. */
static void test_no_policy_that_keeps_the_rules_is_cheaper(void **state)
{
    (void)state;
    uint32_t kept = 0;
    for (size_t i = 0; i < COUNT_OF(wishes); i++) {
        const struct plan_limits limits = {.work = 400000000};
        struct plan_result plan;
        formulate(wishes[i]);
        assert_int_equal(plan_solve(&made->problem, &lp, &limits, NULL, &arena, &plan, &why),
                         ERR_OK);
        assert_int_equal(plan.status, PLAN_OPTIMAL);
        assert_int_equal(plan_rival_judge(made, plan.answer.counts, &arena, &verdict), ERR_OK);
        assert_true(verdict.keeps_rules);
        for (uint32_t k = 0; k < PLAN_RIVALS; k++)
            for (uint32_t survives = 0; survives < 2; survives++) {
                place((enum plan_rival)k, survives > 0);
                kept += verdict.keeps_rules;
                if (verdict.keeps_rules && verdict.cost_usd_h < plan.answer.cost_usd_h - 1e-9)
                    fail_msg("%s of wish %zu: $%g < $%g", plan_rival_name((enum plan_rival)k), i,
                             verdict.cost_usd_h, plan.answer.cost_usd_h);
            }
    }
    print_message("%u plans of other policies keep all rules\n", kept);
    assert_true(kept >= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_single_region_is_the_cheapest_and_far_for_half),
        cmocka_unit_test(test_the_wait_counts_against_the_promise),
        cmocka_unit_test(test_a_single_region_that_may_be_lost_has_another_ready),
        cmocka_unit_test(test_a_single_region_holds_all_services),
        cmocka_unit_test(test_the_cheapest_resource_that_is_sold_out_is_followed_by_the_next),
        cmocka_unit_test(test_what_residency_forbids_is_unmet),
        cmocka_unit_test(test_the_nearest_region_answers_its_clients),
        cmocka_unit_test(test_the_next_nearest_region_is_ready_for_a_loss),
        cmocka_unit_test(test_a_nearest_region_that_is_sold_out_sends_the_rest_on),
        cmocka_unit_test(test_a_mix_is_cheaper_than_one_type),
        cmocka_unit_test(test_one_type_does_all_or_each_its_part_whichever_is_cheaper),
        cmocka_unit_test(test_spot_is_hedged_by_two_more_and_by_machines_on_demand),
        cmocka_unit_test(test_without_spot_all_of_it_is_on_demand),
        cmocka_unit_test(test_spot_is_spread_over_regions),
        cmocka_unit_test(test_round_robin_deals_equal_parts),
        cmocka_unit_test(test_machines_that_are_too_slow_are_not_chosen),
        cmocka_unit_test(test_no_more_is_bought_than_there_is),
        cmocka_unit_test(test_a_machine_that_gets_all_sizes_is_as_fast_as_at_the_worst),
        cmocka_unit_test(test_no_policy_that_keeps_the_rules_is_cheaper),
    };
    return cmocka_run_group_tests(tests, lab_open, lab_close);
}
