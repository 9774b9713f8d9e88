/* A good plan made by hand, and then each rule broken by one change: it must be seen, and said in
 * words that name the rule, the place, what was allowed and what was found.
 *
 *   chat   europe  4/s ---> eu (6 of 8)     embed  europe 10/s, 8 answered
 *          america 3/s ---> us (6 of 8)              5/s ---> eu (7.5 of 10)
 *          asia    2/s ---> asia (3 of 4)            3/s ---> us (7.5 of 10)
 *
 * Without eu, us answers europe and america (7 of 7.6); without us, eu does. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "plan/audit.h"

enum {
    EU,
    US,
    ASIA,
    REGIONS,
    NODES = 5,
    COLUMNS = 6,
    DEMANDS = 4,
    FLOWS = 5,
    FLOWS_MAX = 6,
    PER_S = 1000000
};

struct bed {
    struct plan_problem problem;
    struct plan_service services[2];
    struct plan_region regions[REGIONS];
    struct plan_node nodes[NODES];
    struct plan_column columns[COLUMNS];
    struct plan_demand demands[DEMANDS];
    struct plan_row rows[3];
    struct plan_failure failures[4];
    struct plan_answer answer;
    uint32_t counts[COLUMNS];
    struct plan_flow flows[FLOWS_MAX];
};

static const struct span skus[] = {SPAN_LITERAL("a100"), SPAN_LITERAL("t4")};
static const struct span zones[] = {SPAN_LITERAL("europe"), SPAN_LITERAL("america"),
                                    SPAN_LITERAL("asia")};
static const uint32_t all_regions[] = {EU, US, ASIA};
static const uint32_t from_europe[] = {0, 1}, from_america[] = {0, 1, 2}, from_asia[] = {1, 2},
                      to_embed[] = {3, 4};
static const struct plan_term stock[] = {{0, 1}, {1, 1}}, least[] = {{4, 1}, {5, 1}},
                              spot_share[] = {{0, -0.5}, {1, 0.5}, {2, -0.5}, {3, -0.5}};

static char memory[1 << 16];

static struct plan_column column(uint32_t node, uint16_t sku, int64_t speed, double cost_usd_h)
{
    return (struct plan_column){
        .node = node, .sku = sku, .speed = speed, .cost_usd_h = cost_usd_h, .count_max = 4};
}

static void add_parts(struct bed *bed)
{
    const uint32_t regions[NODES] = {EU, US, ASIA, EU, US};
    const double open_usd_h[NODES] = {0.5, 0.25, 1, 0.1, 0};
    for (uint32_t v = 0; v < NODES; v++)
        bed->nodes[v] = (struct plan_node){.service = v >= 3,
                                           .region = regions[v],
                                           .column_first = v ? v + 1 : 0,
                                           .column_count = v ? 1 : 2,
                                           .replicas_min = v == 1 ? 2 : 1,
                                           .open_usd_h = open_usd_h[v]};
    bed->nodes[2].egress_usd = 0.0001;
    bed->nodes[4].egress_usd = 0.00001;
    bed->columns[0] = column(0, 0, 4 * PER_S, 4);
    bed->columns[1] = column(0, 0, 4 * PER_S, 1.5);
    bed->columns[1].market = PLAN_SPOT;
    bed->columns[2] = column(1, 0, 4 * PER_S, 3);
    bed->columns[3] = column(2, 0, 4 * PER_S, 5);
    bed->columns[4] = column(3, 1, 10 * PER_S, 1);
    bed->columns[5] = column(4, 1, 10 * PER_S, 1.25);
    bed->columns[0].running = 2;
    bed->columns[0].stop_usd_h = 0.4;
    bed->columns[2].start_usd_h = 0.3;
    bed->demands[0] = (struct plan_demand){0, 0, 4 * PER_S, INFINITY, from_europe, NULL, 2};
    bed->demands[1] = (struct plan_demand){0, 1, 3 * PER_S, INFINITY, from_america, NULL, 3};
    bed->demands[2] = (struct plan_demand){0, 2, 2 * PER_S, INFINITY, from_asia, NULL, 2};
    bed->demands[3] = (struct plan_demand){1, 0, 10 * PER_S, 0.001, to_embed, NULL, 2};
    bed->rows[0] = (struct plan_row){
        PLAN_RULE_STOCK, SPAN_LITERAL("stock of a100 in eu"), -INFINITY, 4, stock, 2};
    bed->rows[1] = (struct plan_row){
        PLAN_RULE_SPOT_SHARE, SPAN_LITERAL("spot share of chat"), -INFINITY, 0, spot_share, 4};
    bed->rows[2] = (struct plan_row){
        PLAN_RULE_MIN_REPLICAS, SPAN_LITERAL("least of embed"), 2, INFINITY, least, 2};
    bed->failures[0] = (struct plan_failure){SPAN_LITERAL("eu"), &all_regions[EU], 1};
    bed->failures[1] = (struct plan_failure){SPAN_LITERAL("us"), &all_regions[US], 1};
    bed->failures[2] = (struct plan_failure){SPAN_LITERAL("asia"), &all_regions[ASIA], 1};
    bed->failures[3] = (struct plan_failure){SPAN_LITERAL("both"), &all_regions[EU], 2};
}

static void make(struct bed *bed)
{
    memset(bed, 0, sizeof *bed);
    bed->services[0] =
        (struct plan_service){SPAN_LITERAL("chat"), 0, 3, 0, 4, 0, 3, 750000, 950000};
    bed->services[1] =
        (struct plan_service){SPAN_LITERAL("embed"), 3, 2, 4, 2, 3, 1, 750000, 950000};
    bed->regions[EU].name = SPAN_LITERAL("eu");
    bed->regions[US].name = SPAN_LITERAL("us");
    bed->regions[ASIA].name = SPAN_LITERAL("asia");
    add_parts(bed);
    bed->problem = (struct plan_problem){.service_count = 2,
                                         .region_count = REGIONS,
                                         .sku_count = COUNT_OF(skus),
                                         .zone_count = COUNT_OF(zones),
                                         .node_count = NODES,
                                         .demand_count = DEMANDS,
                                         .column_count = COLUMNS,
                                         .row_count = COUNT_OF(bed->rows),
                                         .failure_count = REGIONS,
                                         .services = bed->services,
                                         .regions = bed->regions,
                                         .skus = skus,
                                         .zones = zones,
                                         .nodes = bed->nodes,
                                         .demands = bed->demands,
                                         .columns = bed->columns,
                                         .rows = bed->rows,
                                         .failures = bed->failures};
    static const uint32_t counts[COLUMNS] = {1, 1, 2, 1, 1, 1};
    memcpy(bed->counts, counts, sizeof counts);
    bed->flows[0] = (struct plan_flow){0, 0, 4 * PER_S};
    bed->flows[1] = (struct plan_flow){1, 1, 3 * PER_S};
    bed->flows[2] = (struct plan_flow){2, 2, 2 * PER_S};
    bed->flows[3] = (struct plan_flow){3, 3, 5 * PER_S};
    bed->flows[4] = (struct plan_flow){3, 4, 3 * PER_S};
    bed->answer = (struct plan_answer){bed->counts, bed->flows, FLOWS, 29.628};
}

struct verdict {
    enum err err;
    enum plan_breach breach;
    struct plan_cost cost;
    char why[256];
};

static struct verdict audit(const struct bed *bed)
{
    struct verdict verdict = {.breach = PLAN_BREACH_COST};
    struct arena arena;
    struct text why;
    arena_init(&arena, memory, sizeof memory);
    text_init(&why, verdict.why, sizeof verdict.why);
    verdict.err = plan_answer_audit(&bed->problem, &bed->answer, &arena, &verdict.cost,
                                    &verdict.breach, &why);
    assert_int_equal(arena.used, 0);
    return verdict;
}

static void assert_good(const struct bed *bed)
{
    struct verdict verdict = audit(bed);
    if (verdict.err)
        fail_msg("%s", verdict.why);
    assert_int_equal(verdict.breach, PLAN_BREACH_NONE);
    assert_string_equal(verdict.why, "");
}

static void assert_breach(const struct bed *bed, enum plan_breach breach, const char *why)
{
    struct verdict verdict = audit(bed);
    assert_string_equal(verdict.why, why);
    assert_int_equal(verdict.err, ERR_VALUE);
    assert_int_equal(verdict.breach, breach);
    assert_true(verdict.cost.machines > 0);
}

static void assert_usd_h(double found, double expected)
{
    if (!(fabs(found - expected) < 1e-9))
        fail_msg("expected %.9f USD/h, found %.9f", expected, found);
}

static void a_good_plan_passes_and_each_part_of_its_cost_is_told(void **state)
{
    (void)state;
    static struct bed bed;
    make(&bed);
    char reason[256];
    struct text why;
    text_init(&why, reason, sizeof reason);
    if (plan_problem_check(&bed.problem, &why))
        fail_msg("%s", reason);
    assert_good(&bed);
    struct plan_cost cost = audit(&bed).cost;
    assert_usd_h(cost.machines, 4 + 1.5 + 2 * 3 + 5 + 1 + 1.25);
    assert_usd_h(cost.open_sites, 0.5 + 0.25 + 1 + 0.1);
    assert_usd_h(cost.egress, 2 * 3600 * 0.0001 + 3 * 3600 * 0.00001);
    assert_usd_h(cost.moves, 0.4 + 2 * 0.3);
    assert_usd_h(cost.unmet, 2 * 3600 * 0.001);
    assert_usd_h(cost.total, 29.628);
}

/* One change each --------------------------------------------------------------------------- */

static void more_than_the_most(struct bed *bed)
{
    bed->counts[0] = 5;
}

static void less_than_the_least(struct bed *bed)
{
    bed->columns[1].count_min = 2;
}

static void fewer_than_an_open_node_needs(struct bed *bed)
{
    bed->counts[2] = 1;
}

static void too_much_stock(struct bed *bed)
{
    bed->counts[1] = 4;
}

static void too_much_spot(struct bed *bed)
{
    bed->counts[0] = 0;
    bed->counts[1] = 4;
}

static void too_few_over_two_nodes(struct bed *bed)
{
    bed->counts[5] = 0;
}

static void a_demand_that_is_not(struct bed *bed)
{
    bed->flows[1].demand = 4;
}

static void a_node_that_is_not(struct bed *bed)
{
    bed->flows[1].node = NODES;
}

static void a_node_of_another_service(struct bed *bed)
{
    bed->flows[1].node = 4;
}

static void a_node_too_far(struct bed *bed)
{
    bed->flows[0].node = 2;
}

static void nothing_flows(struct bed *bed)
{
    bed->flows[4].rate = 0;
}

static void it_flows_backwards(struct bed *bed)
{
    bed->flows[4].rate = INT64_MIN;
}

static void the_same_edge_twice(struct bed *bed)
{
    bed->flows[4] = bed->flows[3];
}

static void more_than_the_rate(struct bed *bed)
{
    bed->flows[2].rate += 1;
}

static void more_than_any_sum(struct bed *bed)
{
    bed->flows[bed->answer.flow_count++] = (struct plan_flow){2, 1, INT64_MAX};
}

static void more_than_the_rate_together(struct bed *bed)
{
    bed->flows[bed->answer.flow_count++] = (struct plan_flow){2, 1, 1};
}

static void less_than_the_rate(struct bed *bed)
{
    bed->flows[2].rate -= 1;
}

static void a_flow_is_missing(struct bed *bed)
{
    bed->flows[2] = bed->flows[4];
    bed->answer.flow_count = 4;
}

static void more_than_the_node_can_take(struct bed *bed)
{
    bed->flows[1].node = 0;
}

static void to_a_closed_node(struct bed *bed)
{
    bed->counts[3] = 0;
}

static void one_micro_request_too_many(struct bed *bed)
{
    bed->services[1].share_ppm = 499999;
}

static void two_regions_lost(struct bed *bed)
{
    bed->problem.failure_count = 4;
}

static void less_room_after_a_loss(struct bed *bed)
{
    bed->columns[4].speed = bed->columns[5].speed = 8421052;
}

static void a_cost_too_low(struct bed *bed)
{
    bed->answer.cost_usd_h = 29.6279;
}

static void a_cost_too_high(struct bed *bed)
{
    bed->answer.cost_usd_h = 29.6281;
}

static void no_number(struct bed *bed)
{
    bed->answer.cost_usd_h = -NAN;
}

static const struct {
    void (*change)(struct bed *bed);
    enum plan_breach breach;
    const char *why;
} breaches[] = {
    {more_than_the_most, PLAN_BREACH_COUNT,
     "chat in eu on a100 (on demand): expected 0 to 4 replicas, found 5"},
    {less_than_the_least, PLAN_BREACH_COUNT,
     "chat in eu on a100 (spot): expected 2 to 4 replicas, found 1"},
    {fewer_than_an_open_node_needs, PLAN_BREACH_COUNT,
     "chat in us: expected none or at least 2 replicas, found 1"},
    {too_much_stock, PLAN_BREACH_ROW, "stock of a100 in eu: expected at most 4, found 5"},
    {too_much_spot, PLAN_BREACH_ROW, "spot share of chat: expected at most 0, found 0.5"},
    {too_few_over_two_nodes, PLAN_BREACH_ROW, "least of embed: expected at least 2, found 1"},
    {a_demand_that_is_not, PLAN_BREACH_FLOW,
     "flow 1: expected a demand and one of its nodes, found 3 requests/s of demand 4 to chat in "
     "us"},
    {a_node_that_is_not, PLAN_BREACH_FLOW,
     "flow 1: expected a demand and one of its nodes, found 3 requests/s of chat from america to "
     "node 5"},
    {a_node_of_another_service, PLAN_BREACH_FLOW,
     "flow 1: expected a demand and one of its nodes, found 3 requests/s of chat from america to "
     "embed in us"},
    {a_node_too_far, PLAN_BREACH_FLOW,
     "flow 0: expected a demand and one of its nodes, found 4 requests/s of chat from europe to "
     "chat in asia"},
    {nothing_flows, PLAN_BREACH_FLOW,
     "flow 4: expected a rate above 0, found 0 requests/s of embed from europe to embed in us"},
    {it_flows_backwards, PLAN_BREACH_FLOW,
     "flow 4: expected a rate above 0, found -9223372036854.775808 requests/s of embed from europe "
     "to embed in us"},
    {the_same_edge_twice, PLAN_BREACH_FLOW,
     "flow 4: expected no other flow of this demand to this node, found 5 requests/s of embed from "
     "europe to embed in eu"},
    {more_than_the_rate, PLAN_BREACH_FLOW,
     "flow 2: expected at most what the flows before leave of the demand, found 2.000001 "
     "requests/s of chat from asia to chat in asia"},
    {more_than_any_sum, PLAN_BREACH_FLOW,
     "flow 5: expected at most what the flows before leave of the demand, found "
     "9223372036854.775807 requests/s of chat from asia to chat in us"},
    {more_than_the_rate_together, PLAN_BREACH_FLOW,
     "flow 5: expected at most what the flows before leave of the demand, found 0.000001 "
     "requests/s of chat from asia to chat in us"},
    {less_than_the_rate, PLAN_BREACH_FLOW,
     "chat from asia: expected an answer to 2 requests/s, found 1.999999"},
    {a_flow_is_missing, PLAN_BREACH_FLOW,
     "chat from asia: expected an answer to 2 requests/s, found 0"},
    {more_than_the_node_can_take, PLAN_BREACH_LOAD,
     "chat in eu: expected at most 6 requests/s, found 7"},
    {to_a_closed_node, PLAN_BREACH_LOAD, "chat in asia: expected at most 0 requests/s, found 2"},
    {one_micro_request_too_many, PLAN_BREACH_LOAD,
     "embed in eu: expected at most 4.99999 requests/s, found 5"},
    {two_regions_lost, PLAN_BREACH_FAILURE,
     "chat without both: expected an answer to 9 requests/s, found 3.8"},
    {less_room_after_a_loss, PLAN_BREACH_FAILURE,
     "embed without eu: expected an answer to 8 requests/s, found 7.999999"},
    {a_cost_too_low, PLAN_BREACH_COST,
     "cost: expected 29.628000 USD/h, the sum of its parts, found 29.627900"},
    {a_cost_too_high, PLAN_BREACH_COST,
     "cost: expected 29.628000 USD/h, the sum of its parts, found 29.628100"},
    {no_number, PLAN_BREACH_COST,
     "cost: expected 29.628000 USD/h, the sum of its parts, found nan"},
};

static void each_breach_is_seen_and_told(void **state)
{
    (void)state;
    static struct bed bed;
    for (size_t i = 0; i < COUNT_OF(breaches); i++) {
        make(&bed);
        breaches[i].change(&bed);
        assert_breach(&bed, breaches[i].breach, breaches[i].why);
    }
}

static void the_first_of_two_breaches_is_told(void **state)
{
    (void)state;
    static struct bed bed;
    make(&bed);
    nothing_flows(&bed);
    a_node_of_another_service(&bed);
    assert_breach(&bed, PLAN_BREACH_FLOW,
                  "flow 1: expected a demand and one of its nodes, found 3 requests/s of chat from "
                  "america to embed in us");
    too_much_stock(&bed);
    assert_int_equal(audit(&bed).breach, PLAN_BREACH_ROW);
    more_than_the_most(&bed);
    assert_int_equal(audit(&bed).breach, PLAN_BREACH_COUNT);
}

/* Edges of what is allowed ------------------------------------------------------------------ */

static void capacity_is_rounded_down_and_full_to_the_last_unit(void **state)
{
    (void)state;
    static struct bed bed;
    make(&bed);
    bed.problem.failure_count = 0;
    bed.columns[3].speed = 2666669; /* x 0.75 = 2000001.75 */
    bed.demands[2].rate = bed.flows[2].rate = 2000001;
    assert_good(&bed);
    bed.demands[2].rate = bed.flows[2].rate = 2000002;
    assert_breach(&bed, PLAN_BREACH_LOAD,
                  "chat in asia: expected at most 2.000001 requests/s, found 2.000002");
}

static void after_a_loss_the_last_unit_of_room_is_found_by_moving_others(void **state)
{
    (void)state;
    static struct bed bed;
    make(&bed);
    bed.services[0].share_lost_ppm = 750000; /* without eu: 6 in us, 3 in asia, 9 wanted */
    assert_good(&bed);
    bed.demands[2].rate = ++bed.flows[2].rate;
    assert_breach(&bed, PLAN_BREACH_FAILURE,
                  "chat without eu: expected an answer to 9.000001 requests/s, found 9");
}

static void what_is_unmet_need_not_be_answered_after_a_loss_either(void **state)
{
    (void)state;
    static struct bed bed;
    make(&bed);
    bed.flows[4].rate = 4500000; /* 9.5 of 10 answered, and 9.5 is the room of the one left */
    bed.answer.cost_usd_h += 1.5 * 3600 * (0.00001 - 0.001);
    assert_good(&bed);
    bed.flows[4].rate += 1;
    assert_breach(&bed, PLAN_BREACH_FAILURE,
                  "embed without eu: expected an answer to 9.500001 requests/s, found 9.5");
}

static void rows_have_a_millionth_of_slack_and_no_more(void **state)
{
    (void)state;
    static struct bed bed;
    make(&bed);
    bed.rows[0].upper = 2 - 1.9e-6;
    assert_good(&bed);
    bed.rows[0].upper = 2 - 2.1e-6;
    assert_int_equal(audit(&bed).breach, PLAN_BREACH_ROW);
    make(&bed);
    bed.rows[2].lower = 2 + 1.9e-6;
    assert_good(&bed);
    bed.rows[2].lower = 2 + 2.1e-6;
    assert_int_equal(audit(&bed).breach, PLAN_BREACH_ROW);
}

static void the_cost_is_told_when_the_plan_is_refused(void **state)
{
    (void)state;
    static struct bed bed;
    make(&bed);
    a_flow_is_missing(&bed);
    struct verdict verdict = audit(&bed);
    assert_int_equal(verdict.breach, PLAN_BREACH_FLOW);
    assert_usd_h(verdict.cost.machines, 18.75);
    assert_usd_h(verdict.cost.open_sites, 1.85);
    assert_true(isinf(verdict.cost.total)); /* what must be answered has no price */
    to_a_closed_node(&bed);
    assert_usd_h(audit(&bed).cost.open_sites, 0.85);
}

static void parts_without_names_are_told_by_number(void **state)
{
    (void)state;
    static struct bed bed;
    make(&bed);
    bed.problem.skus = bed.problem.zones = NULL;
    bed.regions[EU].name = bed.services[0].name = SPAN_LITERAL("");
    more_than_the_most(&bed);
    assert_breach(&bed, PLAN_BREACH_COUNT,
                  "service 0 in region 0 on sku 0 (on demand): expected 0 to 4 replicas, found 5");
}

static void too_little_memory_is_an_error_and_never_a_verdict(void **state)
{
    (void)state;
    static struct bed bed;
    make(&bed);
    uint32_t refused = 0;
    enum err err = ERR_MEMORY;
    for (size_t size = 0; err == ERR_MEMORY; size += 16) {
        struct arena arena;
        struct text why;
        char reason[64];
        struct plan_cost cost = {.total = -1};
        enum plan_breach breach = PLAN_BREACH_COST;
        assert_in_range(size, 0, sizeof memory);
        arena_init(&arena, memory, size);
        text_init(&why, reason, sizeof reason);
        err = plan_answer_audit(&bed.problem, &bed.answer, &arena, &cost, &breach, &why);
        assert_int_equal(breach, err ? PLAN_BREACH_COST : PLAN_BREACH_NONE);
        assert_true((cost.total < 0) == (err == ERR_MEMORY));
        refused++;
    }
    assert_int_equal(err, ERR_OK);
    assert_in_range(refused, 20, 1000);
}

static void a_problem_of_nothing_costs_nothing(void **state)
{
    (void)state;
    static struct bed bed;
    memset(&bed, 0, sizeof bed);
    assert_good(&bed);
    assert_usd_h(audit(&bed).cost.total, 0);
    bed.answer.cost_usd_h = 1e-9;
    assert_int_equal(audit(&bed).breach, PLAN_BREACH_COST);
    bed.answer.flows = bed.flows;
    bed.answer.flow_count = 1;
    assert_int_equal(audit(&bed).breach, PLAN_BREACH_FLOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_plan_passes_and_each_part_of_its_cost_is_told),
        cmocka_unit_test(each_breach_is_seen_and_told),
        cmocka_unit_test(the_first_of_two_breaches_is_told),
        cmocka_unit_test(capacity_is_rounded_down_and_full_to_the_last_unit),
        cmocka_unit_test(after_a_loss_the_last_unit_of_room_is_found_by_moving_others),
        cmocka_unit_test(what_is_unmet_need_not_be_answered_after_a_loss_either),
        cmocka_unit_test(rows_have_a_millionth_of_slack_and_no_more),
        cmocka_unit_test(the_cost_is_told_when_the_plan_is_refused),
        cmocka_unit_test(parts_without_names_are_told_by_number),
        cmocka_unit_test(too_little_memory_is_an_error_and_never_a_verdict),
        cmocka_unit_test(a_problem_of_nothing_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
