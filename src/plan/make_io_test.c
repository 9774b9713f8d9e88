/* From a wish to a sheet, with the real solver: each rule moves the plan of a small world as one
 * can work out by hand; the audit of plan_make() has looked at every plan. An _io test since the LP
 * library is opened and wishes are read from text. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "plan/make.h"
#include "plan/wish_lab_test.h"

static struct plan_made made;

static enum err make_from(const char *yaml, const struct plan_sheet *running)
{
    lab_read(yaml);
    const struct plan_limits limits = {.work = 400000000};
    const struct plan_begin from = {.running = running};
    enum err err = plan_make(world.wish, &from, &lp, &limits, &arena, &made, &why);
    if (err && err != ERR_VALUE)
        print_message("%s\n", message);
    return err;
}

static void make(const char *yaml)
{
    enum err err = make_from(yaml, NULL);
    if (err)
        print_message("%s\n", message);
    assert_int_equal(err, ERR_OK);
}

static void refuse(const char *yaml, const char *said)
{
    assert_int_equal(make_from(yaml, NULL), ERR_VALUE);
    assert_true(span_is(made.sheet.status, "infeasible"));
    if (!strstr(message, said))
        fail_msg("expected \"%s\" in: %s", said, message);
}

/* Replicas of <service> in <region> on <market>; NULL: any. */
static uint32_t count_of(const char *service, const char *region, const char *market)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < made.sheet.replica_count; i++) {
        const struct plan_sheet_replica *row = &made.sheet.replicas[i];
        if ((!service || span_is(row->service, service)) &&
            (!region || span_is(row->region, region)) && (!market || span_is(row->market, market)))
            count += row->count;
    }
    return count;
}

static double share_of(const char *zone, const char *region)
{
    double share = 0;
    for (uint32_t i = 0; i < made.sheet.flow_count; i++)
        if (span_is(made.sheet.flows[i].zone, zone) && span_is(made.sheet.flows[i].region, region))
            share += made.sheet.flows[i].share;
    return share;
}

static bool binds(const char *rule)
{
    for (uint32_t i = 0; i < made.sheet.rule_count; i++)
        if (span_is(made.sheet.rules[i].rule, rule))
            return made.sheet.rules[i].is_binding;
    return false;
}

static bool is_near(double a, double b)
{
    return fabs(a - b) <= 1e-6 * (1 + fabs(b));
}

/* 8 requests a second, 4 of each group; a replica of 10/s does 5/s at 50 % load. */
#define TAG                                                                                        \
    "name: tag, load: 50%, demand: 8req/s, speeds: [{sku: cpu, rate: 10req/s, time: 5ms}, "        \
    "{sku: cpub, rate: 10req/s, time: 5ms}]"
#define NEAR ", slo: {ttft: 60ms, wait: 10ms}" /* round trip <= 45 ms: one's own continent */

static void test_the_cheapest_machines_take_all_without_a_promise(void **state)
{
    (void)state;
    make(" {services: [{" TAG "}]}\n");
    assert_true(span_is(made.sheet.status, "optimal"));
    assert_true(is_near(made.sheet.cost_usd_h, 2 * 0.18));
    assert_int_equal(count_of("tag", "b:north", "on_demand"), 2);
    assert_true(is_near(share_of("paris", "b:north"), 1));
    assert_true(is_near(made.sheet.flows[0].rate, 4));
}

static void test_a_promise_keeps_requests_near(void **state)
{
    (void)state;
    make(" {services: [{" TAG NEAR "}]}\n");
    assert_true(is_near(made.sheet.cost_usd_h, 0.20 + 0.18));
    assert_true(is_near(share_of("paris", "a:east"), 1));
    assert_true(is_near(share_of("york", "b:north"), 1));
    for (uint32_t i = 0; i < made.sheet.flow_count; i++)
        assert_true(is_near(made.sheet.flows[i].latency_ms, 1 + 5 + 10));
}

/* 10 a second, 5 of each group, are just what two replicas do. */
static void test_what_just_fits_fits(void **state)
{
    (void)state;
    make(" {services: [{name: tag, load: 50%, demand: 10req/s, speeds: [{sku: cpu, rate: 10req/s, "
         "time: 5ms}, {sku: cpub, rate: 10req/s, time: 5ms}]" NEAR "}]}\n");
    assert_int_equal(count_of("tag", NULL, NULL), 2);
    make(" {services: [{name: tag, load: 50%, demand: 10.00001req/s, speeds: [{sku: cpu, rate: "
         "10req/s, time: 5ms}, {sku: cpub, rate: 10req/s, time: 5ms}]" NEAR "}]}\n");
    assert_int_equal(count_of("tag", NULL, NULL), 4);
}

static void test_residency_keeps_them_in_their_zone(void **state)
{
    (void)state;
    make(" {services: [{" TAG ", clients: [{zone: eu, residency: [eu]}]}]}\n");
    assert_true(is_near(made.sheet.cost_usd_h, 0.20 + 0.18));
    assert_true(is_near(share_of("paris", "a:east"), 1));
    make(" {services: [{" TAG ", residency: [eu]}]}\n");
    assert_true(is_near(made.sheet.cost_usd_h, 0.40));
}

static void test_a_region_may_be_lost(void **state)
{
    (void)state;
    make(" {lose: region, services: [{" TAG NEAR "}]}\n");
    assert_true(is_near(made.sheet.cost_usd_h, 0.20 + 0.22 + 0.18 + 0.26));
    refuse(" {lose: provider, services: [{" TAG NEAR "}]}\n",
           "clients of paris: in time at a:east, but nowhere after the loss of a provider");
    make(" {lose: provider, services: [{" TAG "}]}\n"); /* 9.5 of 10 a second after a loss */
    assert_true(count_of("tag", "a:east", NULL) >= 1 && count_of("tag", "b:north", NULL) >= 1);
}

static void test_margins_count_where_the_promise_is_hard(void **state)
{
    (void)state;
    /* 100 ms + 5 + 10 would do from a:east to b:south, but for the margin of 40 */
    make(" {regions: ['a:east', 'a:west', 'b:south'], services: [{" TAG
         ", slo: {ttft: 140ms, wait: 10ms}}]}\n");
    assert_true(share_of("paris", "b:south") == 0);
    refuse(" {regions: ['b:south'], services: [{" TAG ", slo: {ttft: 140ms, wait: 10ms}}]}\n",
           "clients of paris: 155 ms at best (b:south), promised 140 ms");
}

static void test_the_percentile_lets_the_far_ones_miss(void **state)
{
    (void)state;
    make(" {regions: ['b:north'], services: [{" TAG
         ", slo: {ttft: 60ms, wait: 10ms, percentile: 50%}}]}\n");
    assert_int_equal(made.sheet.miss_count, 1);
    assert_true(span_is(made.sheet.misses[0].zone, "paris"));
    assert_true(is_near(made.sheet.misses[0].share, 0.5));
    refuse(" {regions: ['b:north'], services: [{" TAG
           ", slo: {ttft: 60ms, wait: 10ms, percentile: 51%}}]}\n",
           "together 50.00 % of its requests; 49.00 % may miss");
}

static void test_stock_sends_the_rest_elsewhere(void **state)
{
    (void)state;
    make(" {stock: [{region: 'b:north', count: 1}], services: [{" TAG "}]}\n");
    assert_true(is_near(made.sheet.cost_usd_h, 0.18 + 0.20));
    assert_true(binds("stock of cpub in b:north"));
    refuse(" {stock: [{count: 0}], services: [{" TAG "}]}\n",
           "no region that may compute it has a machine that can");
    refuse(" {regions: ['b:north'], stock: [{count: 1}], services: [{" TAG "}]}\n", "");
}

static void test_two_services_share_one_stock(void **state)
{
    (void)state;
    make(" {stock: [{region: 'b:north', count: 3}], services: [{" TAG "},\n"
         "  {name: other, load: 50%, demand: 8req/s, speeds: [{sku: cpub, rate: 10req/s}]}]}\n");
    assert_int_equal(count_of(NULL, "b:north", NULL), 3);
    assert_true(is_near(made.sheet.cost_usd_h, 3 * 0.18 + 0.20));
    assert_true(binds("stock of cpub in b:north"));
}

static void test_a_budget_is_kept(void **state)
{
    (void)state;
    make(" {budget: $0.37/h, services: [{" TAG "}]}\n");
    assert_false(binds("budget, $/h") && made.sheet.cost_usd_h > 0.37);
    refuse(" {budget: $0.35/h, services: [{" TAG "}]}\n", "");
}

/* A spot machine is there 3 of 4 hours (cold start 0): 3.75/s at 50 % load. */
static void test_spot_counts_for_the_time_it_is_there(void **state)
{
    (void)state;
    make(" {regions: ['a:east'], markets: [on_demand, spot], cold_start: 0s, services: [{" TAG
         "}]}\n");
    assert_int_equal(count_of("tag", NULL, "spot"), 3);
    assert_true(is_near(made.sheet.cost_usd_h, 3 * 0.06));
    make(" {regions: ['a:east'], markets: [on_demand, spot], cold_start: 0s, services: [{" TAG
         ", spot: 50%}]}\n");
    assert_int_equal(count_of("tag", NULL, "on_demand"), 1);
    assert_int_equal(count_of("tag", NULL, "spot"), 1);
    assert_true(is_near(made.sheet.cost_usd_h, 0.26));
}

static void test_paid_machines_come_first(void **state)
{
    (void)state;
    make(" {reserved: [{region: 'b:south', sku: cpub, count: 1}], services: [{" TAG "}]}\n");
    assert_int_equal(count_of("tag", "b:south", "reserved"), 1);
    assert_true(is_near(made.sheet.cost_usd_h, 0.18));
    make(" {sites: [{name: 'own:lab', near: 'a:east', sku: cpu, count: 5}], services: [{" TAG
         "}]}\n");
    assert_int_equal(count_of("tag", "own:lab", "own"), 2);
    /* 2 machines, 50 W + half of 100 W, PUE 1.2, $80/MWh */
    assert_true(is_near(made.sheet.cost_usd_h, 2 * 0.1 * 1.2 * 0.08));
    make(" {sites: [{name: 'own:lab', near: 'a:east', sku: cpu, count: 5, power_max: 130W}],\n"
         "  services: [{" TAG "}]}\n");
    assert_int_equal(count_of("tag", "own:lab", "own"), 1);
}

static void test_pins_and_prohibitions_hold(void **state)
{
    (void)state;
    make(" {pins: [{service: tag, region: 'a:west', sku: cpu, count: 1}], services: [{" TAG
         "}]}\n");
    assert_int_equal(count_of("tag", "a:west", NULL), 1);
    assert_true(is_near(made.sheet.cost_usd_h, 0.22 + 0.18));
    make(" {forbid: [{region: 'b:north'}, {sku: cpu, region: 'a:east'}], services: [{" TAG "}]}\n");
    assert_true(is_near(made.sheet.cost_usd_h, 2 * 0.22));
    refuse(" {stock: [{count: 1}], pins: [{service: tag, region: 'a:west', sku: cpu, count: 2}],\n"
           "  services: [{" TAG "}]}\n",
           "2 replicas of tag on cpu in a:west (on_demand), but there can be 1");
}

static void test_least_replicas_hold(void **state)
{
    (void)state;
    make(" {services: [{" TAG ", replicas_min: 5}]}\n");
    assert_int_equal(count_of("tag", NULL, NULL), 5);
}

static void test_least_regions_and_spread_hold(void **state)
{
    (void)state;
    make(" {services: [{" TAG ", regions_min: 2}]}\n");
    assert_true(is_near(made.sheet.cost_usd_h, 0.38));
    make(" {services: [{" TAG ", regions_min: 3}]}\n");
    assert_true(is_near(made.sheet.cost_usd_h, 0.18 + 0.20 + 0.22));
    make(" {services: [{" TAG ", spread: 34%}]}\n");
    assert_true(is_near(made.sheet.cost_usd_h, 0.18 + 0.20 + 0.22));
}

static void test_carbon_has_its_price(void **state)
{
    (void)state;
    /* a: 0.12 kW * 400 g, b: 0.11 kW * 200 g */
    make(" {services: [{" TAG ", residency: [eu]}], carbon_price: $1/kg}\n");
    assert_true(is_near(made.sheet.carbon_kg_h, 2 * 0.048));
    assert_true(is_near(made.sheet.costs.carbon, 2 * 0.048));
    assert_true(is_near(made.sheet.cost_usd_h, 2 * (0.2 + 0.048)));
    refuse(" {services: [{" TAG "}], carbon_max: 0.03kg/h}\n", "");
}

static void test_power_is_kept(void **state)
{
    (void)state;
    /* 0.11 kW each in b, 0.12 kW in a */
    make(" {power_max: 0.225kW, services: [{" TAG "}]}\n");
    assert_int_equal(count_of("tag", "b:north", NULL), 2);
    refuse(" {power_max: 0.225kW, services: [{" TAG ", residency: [eu]}]}\n", "");
}

static void test_open_sites_cost(void **state)
{
    (void)state;
    /* near everybody 0.38 and two sites; alone in b 0.36 and one, but out of reach */
    make(" {services: [{" TAG ", open: $0.5/h}]}\n");
    assert_true(is_near(made.sheet.cost_usd_h, 0.36 + 0.5));
    make(" {services: [{" TAG NEAR ", open: $0.5/h}]}\n");
    assert_true(is_near(made.sheet.cost_usd_h, 0.38 + 1));
    assert_true(is_near(made.sheet.costs.sites, 1));
}

static void test_a_site_has_its_least_number(void **state)
{
    (void)state;
    make(" {services: [{" TAG NEAR ", site_replicas_min: 2}]}\n");
    assert_int_equal(count_of("tag", "a:east", NULL), 2);
    assert_int_equal(count_of("tag", "b:north", NULL), 2);
}

static void test_spot_is_spread(void **state)
{
    (void)state;
    make(" {regions: ['a:east'], markets: [on_demand, spot], services: [{" TAG
         ", spot_spread: 60%}]}\n"); /* the only region with spot may not hold all of it */
    assert_int_equal(count_of("tag", NULL, "spot"), 0);
}

/* 36 seconds' worth: $0.0001 a request is $1.44/h for 4/s, far more than a replica. */
static void test_what_is_dear_to_answer_may_stay_unmet(void **state)
{
    (void)state;
    make(" {services: [{" TAG NEAR ", unmet: $0.0001/req}]}\n");
    assert_true(is_near(made.sheet.cost_usd_h, 0.38) && made.sheet.costs.unmet == 0);
    make(" {stock: [{region: 'a:east', count: 0}, {region: 'a:west', count: 0}], services: [{" TAG
             NEAR ", unmet: $0.0001/req}]}\n");
    assert_true(is_near(made.sheet.costs.unmet, 4 * 3600 * 0.0001));
    assert_true(is_near(made.sheet.cost_usd_h, 0.18 + 1.44));
}

/* A model by its profiles: sizes are demands of their own, in units of work. */
#define CHAT                                                                                       \
    "name: chat, model: m, demand: 20req/s, load: 60%, requests: [{prompt: 100, answer: 50, "      \
    "share: 75%}, {prompt: 1000, prompt_mean: 550, answer: 100, share: 25%}]"

static void test_sizes_of_requests_are_told_apart(void **state)
{
    (void)state;
    make(" {lose: region, services: [{" CHAT ", slo: {ttft: 400ms}}]}\n");
    double rate = 0;
    for (uint32_t i = 0; i < made.sheet.flow_count; i++)
        rate += made.sheet.flows[i].rate;
    assert_true(fabs(rate - 20) < 1e-4);
    const struct plan_formulation *formulation = made.formulation;
    assert_int_equal(formulation->problem.demand_count, 4);
    assert_true(formulation->demands[1].work > formulation->demands[0].work);
    double work = 0.75 * formulation->demands[0].work + 0.25 * formulation->demands[1].work;
    assert_true(fabs(work - 1) < 1e-9);
}

/* Whatever the mix of sizes at a node, its machines are not asked for more than their load. */
static void test_no_node_is_overloaded_in_true_time(void **state)
{
    (void)state;
    make(" {services: [{" CHAT ", slo: {ttft: 400ms}}]}\n");
    const struct plan_formulation *f = made.formulation;
    const struct plan_problem *problem = &f->problem;
    for (uint32_t v = 0; v < problem->node_count; v++) {
        double asked[PLAN_BUCKETS_MAX] = {0}, worst = 0, engines = 0;
        const struct plan_node *node = &problem->nodes[v];
        for (uint32_t i = 0; i < made.result.answer.flow_count; i++) {
            const struct plan_flow *flow = &made.result.answer.flows[i];
            const struct plan_demand_origin *origin = &f->demands[flow->demand];
            if (flow->node == v)
                asked[origin->bucket] += (double)flow->rate / 1e6 / origin->work;
        }
        for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
            engines += made.result.answer.counts[c];
        for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++) {
            const struct plan_speed *speed = &f->speeds[f->columns[c].speed];
            double busy = asked[0] / speed->rates[0] + asked[1] / speed->rates[1];
            if (engines > 0 && made.result.answer.counts[c] == engines) /* the only kind there */
                worst = busy / engines;
        }
        assert_true(worst <= 0.6 + 1e-9);
    }
}

/* A column counts with the size that it is worst at. */
static void test_no_column_is_counted_faster_than_it_is(void **state)
{
    (void)state;
    make(" {services: [{" CHAT ", slo: {ttft: 800ms}}]}\n");
    const struct plan_formulation *f = made.formulation;
    uint32_t looked = 0, ways = 0;
    for (uint32_t d = 0; d < f->problem.demand_count; d++)
        for (uint32_t i = 0; i < f->problem.demands[d].node_count; i++) {
            const struct plan_node *node = &f->problem.nodes[f->problem.demands[d].nodes[i]];
            for (uint32_t c = node->column_first; c < node->column_first + node->column_count;
                 c++, looked++) {
                double rate = f->speeds[f->columns[c].speed].rates[f->demands[d].bucket];
                double true_work = rate * f->demands[d].work;
                assert_true((double)f->problem.columns[c].speed / 1e6 <= true_work * (1 + 1e-9));
                ways |= 1U << f->speeds[f->columns[c].speed].tensor_parallel;
            }
        }
    assert_true(looked > 8 && ways == (1U << 2 | 1U << 4)); /* whose sizes differ in their ratio */
}

static void test_moves_are_paid_and_ordered(void **state)
{
    (void)state;
    struct plan_sheet_replica rows[] = {{.service = SPAN_LITERAL("tag"),
                                         .region = SPAN_LITERAL("a:east"),
                                         .sku = SPAN_LITERAL("cpu"),
                                         .market = SPAN_LITERAL("on_demand"),
                                         .count = 2,
                                         .machines = 1},
                                        {.service = SPAN_LITERAL("gone"),
                                         .region = SPAN_LITERAL("a:east"),
                                         .sku = SPAN_LITERAL("gpu4"),
                                         .market = SPAN_LITERAL("on_demand"),
                                         .count = 1,
                                         .machines = 1}};
    struct plan_sheet running = {.replicas = rows, .replica_count = 2};
    assert_int_equal(
        make_from(" {moves: {start: $1, over: 1h}, services: [{" TAG "}]}\n", &running), ERR_OK);
    assert_int_equal(count_of("tag", "a:east", NULL), 2); /* $0.04/h less is not worth $2 */
    assert_int_equal(
        make_from(" {moves: {start: $1, over: 1000h}, services: [{" TAG "}]}\n", &running), ERR_OK);
    assert_int_equal(count_of("tag", "b:north", NULL), 2);
    assert_true(is_near(made.sheet.costs.moves, 2.0 / 1000));
    assert_int_equal(made.sheet.replica_count, 3);
    assert_int_equal(made.sheet.step_count, 4); /* start, shift, two stops */
    assert_int_equal(made.sheet.steps[0].action, PLAN_ACTION_START);
    assert_int_equal(made.sheet.steps[1].action, PLAN_ACTION_SHIFT);
    bool has_late_stop = false;
    for (uint32_t i = 0; i < made.sheet.step_count; i++)
        has_late_stop = has_late_stop || (made.sheet.steps[i].action == PLAN_ACTION_STOP &&
                                          made.sheet.steps[i].wave >= 2);
    assert_true(has_late_stop);
    assert_int_equal(make_from(" {hold: [tag], services: [{" TAG "}]}\n", &running), ERR_OK);
    assert_int_equal(count_of("tag", "a:east", NULL), 2);
    assert_int_equal(
        make_from(" {hold: [tag], stock: [{region: 'a:east', count: 0}], services: [{" TAG "}]}\n",
                  &running),
        ERR_VALUE);
    assert_non_null(strstr(message, "2 replicas run on cpu in a:east, which cannot be had"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_cheapest_machines_take_all_without_a_promise),
        cmocka_unit_test(test_a_promise_keeps_requests_near),
        cmocka_unit_test(test_what_just_fits_fits),
        cmocka_unit_test(test_residency_keeps_them_in_their_zone),
        cmocka_unit_test(test_a_region_may_be_lost),
        cmocka_unit_test(test_margins_count_where_the_promise_is_hard),
        cmocka_unit_test(test_the_percentile_lets_the_far_ones_miss),
        cmocka_unit_test(test_stock_sends_the_rest_elsewhere),
        cmocka_unit_test(test_two_services_share_one_stock),
        cmocka_unit_test(test_a_budget_is_kept),
        cmocka_unit_test(test_spot_counts_for_the_time_it_is_there),
        cmocka_unit_test(test_paid_machines_come_first),
        cmocka_unit_test(test_pins_and_prohibitions_hold),
        cmocka_unit_test(test_least_replicas_hold),
        cmocka_unit_test(test_least_regions_and_spread_hold),
        cmocka_unit_test(test_carbon_has_its_price),
        cmocka_unit_test(test_power_is_kept),
        cmocka_unit_test(test_open_sites_cost),
        cmocka_unit_test(test_a_site_has_its_least_number),
        cmocka_unit_test(test_spot_is_spread),
        cmocka_unit_test(test_what_is_dear_to_answer_may_stay_unmet),
        cmocka_unit_test(test_sizes_of_requests_are_told_apart),
        cmocka_unit_test(test_no_node_is_overloaded_in_true_time),
        cmocka_unit_test(test_no_column_is_counted_faster_than_it_is),
        cmocka_unit_test(test_moves_are_paid_and_ordered),
    };
    return cmocka_run_group_tests(tests, lab_open, lab_close);
}
