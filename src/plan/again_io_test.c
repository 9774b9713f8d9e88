/* Questions about a plan, with the real solver, on small worlds where the answer is known by hand:
 * what a rule costs, what one unit more is worth, what happens if, and why there is no plan. An _io
 * test since the LP library is opened and wishes are read from text. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "plan/conflict.h"
#include "plan/explain.h"
#include "plan/what_if.h"
#include "plan/wish_lab_test.h"

static struct plan_made made;
static struct plan_again again;
static uint32_t announced;

static void on_solve(void *context, uint32_t done, uint32_t count)
{
    assert_null(context);
    assert_int_equal(done, announced++);
    assert_true(count == 0 || done < count);
}

static enum err make(const char *yaml)
{
    lab_read(yaml);
    announced = 0;
    again = (struct plan_again){.wish = world.wish,
                                .lp = &lp,
                                .limits = {.work = 200000000},
                                .on_solve = on_solve,
                                .arena = &arena};
    enum err err = plan_make(world.wish, &again.from, &lp, &again.limits, &arena, &made, &why);
    again.from.warm = err ? NULL : &made.sheet;
    return err;
}

/* What the explanation says of <rule>; fails when it says nothing. */
static const struct plan_sheet_shadow *shadow_of(const char *rule)
{
    for (uint32_t i = 0; i < made.sheet.shadow_count; i++)
        if (span_is(made.sheet.shadows[i].rule, rule))
            return &made.sheet.shadows[i];
    for (uint32_t i = 0; i < made.sheet.shadow_count; i++)
        print_message("%.*s\n", SPAN_ARG(made.sheet.shadows[i].sentence));
    fail_msg("nothing is said of \"%s\"", rule);
    return NULL;
}

static void assert_usd(double found, double expected)
{
    if (!(fabs(found - expected) < 1e-6))
        fail_msg("expected %.6f USD, found %.6f", expected, found);
}

static void assert_worth(const char *rule, double usd_h, const char *sentence)
{
    const struct plan_sheet_shadow *shadow = shadow_of(rule);
    assert_usd(shadow->usd_h, usd_h);
    assert_true(shadow->low_usd_h <= usd_h + 1e-9 && shadow->high_usd_h >= usd_h - 1e-9);
    if (!span_is(shadow->sentence, sentence))
        fail_msg("expected \"%s\", found \"%.*s\"", sentence, SPAN_ARG(shadow->sentence));
}

static void explain(const char *yaml)
{
    assert_int_equal(make(yaml), ERR_OK);
    assert_int_equal(plan_explain(&again, &made.sheet), ERR_OK);
}

static double cost_with(const char *yaml)
{
    enum err err = make(yaml);
    if (err)
        print_message("%s\n", message);
    assert_int_equal(err, ERR_OK);
    assert_true(span_is(made.sheet.status, "optimal"));
    return made.sheet.cost_usd_h;
}

/* 8 requests a second, 4 of each group; a replica of 10/s does 5/s at 50 % load. cpu $0.20 in
 * a:east, $0.22 in a:west; cpub $0.18 in b:north, $0.26 in b:south. */
#define TAG                                                                                        \
    "name: tag, load: 50%, demand: 8req/s, speeds: [{sku: cpu, rate: 10req/s, time: 5ms}, "        \
    "{sku: cpub, rate: 10req/s, time: 5ms}]"
#define NEAR ", slo: {ttft: 60ms, wait: 10ms}" /* round trip <= 45 ms: one's own continent */

/* Explanations ------------------------------------------------------------------------------- */

/* Two machines: b:north has one, the other is a:east's; one more in b:north saves 2 cents. */
static void test_one_machine_more_is_worth_what_it_saves(void **state)
{
    (void)state;
    explain(" {stock: [{region: 'b:north', count: 1}], services: [{" TAG "}]}\n");
    assert_usd(made.sheet.cost_usd_h, 0.38);
    assert_worth("stock of cpub in b:north", 0.02, "one more cpub in b:north is worth $0.02/h");
    for (uint32_t i = 0; i < made.sheet.rule_count; i++)
        if (span_is(made.sheet.rules[i].rule, "stock of cpub in b:north"))
            assert_usd(made.sheet.rules[i].shadow_usd_h, 0.02);
}

static void test_a_promise_costs_what_it_keeps_near(void **state)
{
    (void)state;
    explain(" {services: [{" TAG NEAR "}]}\n");
    assert_worth("promise of tag", 0.02, "the promise of tag (first token in 60 ms) costs $0.02/h");
}

static void test_residency_costs_by_zone_of_clients(void **state)
{
    (void)state;
    explain(" {services: [{" TAG ", clients: [{zone: eu, residency: [eu]}]}]}\n");
    assert_worth("eu residency of tag", 0.02, "the eu residency rule of tag costs $0.02/h");
    explain(" {services: [{" TAG ", residency: [eu]}]}\n");
    assert_worth("residency of tag", 0.04, "the residency rule of tag costs $0.04/h");
}

static void test_surviving_a_loss_costs_a_share(void **state)
{
    (void)state;
    double with = cost_with(" {lose: region, load_lost: 80%, services: [{" TAG "}]}\n");
    double without = cost_with(" {load_lost: 80%, services: [{" TAG "}]}\n");
    assert_true(with > without + 0.01);
    explain(" {lose: region, load_lost: 80%, services: [{" TAG "}]}\n");
    char sentence[128];
    struct text text;
    text_init(&text, sentence, sizeof sentence);
    text_add(&text, "surviving the loss of any one region costs %.3g %% ($%.2f/h)",
             100 * (with - without) / without, with - without);
    assert_worth("loss of any one region", with - without, sentence);
}

/* Every rule, and the difference by planning both wishes alone. */
static void test_each_shadow_is_the_difference_of_two_plans(void **state)
{
    (void)state;
    static const struct {
        const char *with, *without, *rule;
    } cases[] = {
        {" {services: [{" TAG ", spread: 50%}]}\n", " {services: [{" TAG "}]}\n", "spread of tag"},
        {" {services: [{" TAG ", regions_min: 3}]}\n", " {services: [{" TAG "}]}\n",
         "least regions of tag"},
        {" {services: [{" TAG ", replicas_min: 5}]}\n", " {services: [{" TAG "}]}\n",
         "least replicas of tag"},
        {" {pins: [{service: tag, region: 'b:south', sku: cpub, count: 1}], services: [{" TAG
         "}]}\n",
         " {services: [{" TAG "}]}\n", "pin of tag in b:south"},
        {" {markets: [on_demand, spot], services: [{" TAG ", residency: [eu], spot: 40%}]}\n",
         " {markets: [on_demand, spot], services: [{" TAG ", residency: [eu]}]}\n",
         "spot share of tag"},
        {" {forbid: [{region: 'b:north'}], services: [{" TAG "}]}\n", " {services: [{" TAG "}]}\n",
         "forbid in line 4"},
        {" {stock: [{region: 'b:north', count: 0}, {region: 'a:east', count: 1}], services: "
         "[{" TAG "}]}\n",
         " {stock: [{region: 'b:north', count: 0}, {region: 'a:east', count: 2}], services: "
         "[{" TAG "}]}\n",
         "stock of cpu in a:east"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double dear = cost_with(cases[i].with), cheap = cost_with(cases[i].without);
        if (!(dear > cheap + 0.001))
            fail_msg("%s does not cost anything here", cases[i].rule);
        explain(cases[i].with);
        const struct plan_sheet_shadow *shadow = shadow_of(cases[i].rule);
        assert_usd(shadow->usd_h, dear - cheap);
    }
}

/* Brute force ------------------------------------------------------------------------------ */

enum { PLACES = 4, STOCK_MAX = 3, CASES = 20 };

static const double usd_h[PLACES] = {0.20, 0.22, 0.18, 0.26};
static const char *const places[PLACES] = {"a:east", "a:west", "b:north", "b:south"};

/* May <counts> answer <demand> requests a second, at 5 of a machine, and 8 when any place is lost?
 */
static bool does(const uint32_t counts[PLACES], uint32_t demand, bool is_n1)
{
    uint32_t sum = 0, most = 0;
    for (uint32_t p = 0; p < PLACES; p++) {
        sum += counts[p];
        most = counts[p] > most ? counts[p] : most;
    }
    return 5 * sum >= demand && (!is_n1 || 8 * (sum - most) >= demand);
}

/* The least cost of all plans within <stock>; INFINITY: there is none. */
static double best_of_all(const uint32_t stock[PLACES], uint32_t demand, bool is_n1)
{
    double best = INFINITY;
    uint32_t counts[PLACES] = {0};
    for (uint32_t at = 0; at < PLACES;) {
        double cost = 0;
        for (uint32_t p = 0; p < PLACES; p++)
            cost += counts[p] * usd_h[p];
        if (cost < best && does(counts, demand, is_n1))
            best = cost;
        for (at = 0; at < PLACES && counts[at] == stock[at]; at++)
            counts[at] = 0;
        if (at < PLACES)
            counts[at]++;
    }
    return best;
}

static void write_wish(const uint32_t stock[PLACES], uint32_t demand, bool is_n1, char *yaml,
                       size_t size)
{
    struct text text;
    text_init(&text, yaml, size);
    text_add(&text, " {load_lost: 80%%, %sstock: [", is_n1 ? "lose: region, " : "");
    for (uint32_t p = 0; p < PLACES; p++)
        text_add(&text, "%s{region: '%s', count: %u}", p ? ", " : "", places[p], stock[p]);
    text_add(&text,
             "], services: [{name: tag, load: 50%%, demand: %ureq/s, speeds: [{sku: cpu, rate: "
             "10req/s, time: 5ms}, {sku: cpub, rate: 10req/s, time: 5ms}]}]}\n",
             demand);
}

/* The stock of every place that is used up, and surviving a loss, by trying all plans with one
 * more, and without. */
static void check_shadows(const uint32_t stock[PLACES], uint32_t demand, bool is_n1,
                          uint32_t *priced)
{
    char yaml[1024];
    write_wish(stock, demand, is_n1, yaml, sizeof yaml);
    explain(yaml);
    double best = best_of_all(stock, demand, is_n1);
    assert_usd(made.sheet.cost_usd_h, best);
    if (is_n1)
        assert_usd(shadow_of("loss of any one region")->usd_h,
                   best - best_of_all(stock, demand, false));
    for (uint32_t i = 0; i < made.sheet.shadow_count; i++) {
        const struct plan_sheet_shadow *shadow = &made.sheet.shadows[i];
        uint32_t more[PLACES], p = 0;
        memcpy(more, stock, sizeof more);
        if (!span_starts_with(shadow->rule, "stock"))
            continue;
        while (memcmp(shadow->rule.p + shadow->rule.n - strlen(places[p]), places[p],
                      strlen(places[p])) != 0)
            p++;
        more[p]++;
        assert_usd(shadow->usd_h, best - best_of_all(more, demand, is_n1));
        *priced += shadow->usd_h > 0;
    }
}

static void test_shadows_are_those_of_all_plans(void **state)
{
    (void)state;
    struct rng rng;
    uint32_t priced = 0, cases = 0;
    rng_init(&rng, 7);
    while (cases < CASES) {
        uint32_t stock[PLACES], demand = 1 + (uint32_t)rng_below(&rng, 24);
        bool is_n1 = rng_below(&rng, 2);
        for (uint32_t p = 0; p < PLACES; p++)
            stock[p] = (uint32_t)rng_below(&rng, STOCK_MAX + 1);
        if (isinf(best_of_all(stock, demand, is_n1)))
            continue;
        check_shadows(stock, demand, is_n1, &priced);
        cases++;
    }
    assert_true(priced > CASES / 4);
}

/* A rule that does not bind is not asked about, one that costs nothing says so. */
static void test_what_costs_nothing_is_said_to(void **state)
{
    (void)state;
    explain(" {budget: $9/h, services: [{" TAG "}]}\n");
    assert_worth("budget, $/h", 0, "$1/h more of budget is worth nothing");
    for (uint32_t i = 0; i < made.sheet.shadow_count; i++)
        assert_false(span_starts_with(made.sheet.shadows[i].rule, "stock"));
}

/* What two gaps leave open is never given as a figure. */
static void test_gaps_make_a_range_of_a_figure(void **state)
{
    (void)state;
    struct plan_outcome dear = {.cost_usd_h = 105, .bound_usd_h = 100};
    struct plan_outcome cheap = {.cost_usd_h = 103, .bound_usd_h = 98};
    struct plan_worth worth = plan_worth_between(&dear, &cheap);
    char buffer[128];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    assert_usd(worth.low_usd_h, -3);
    assert_usd(worth.high_usd_h, 7);
    assert_false(plan_worth_is_sure(&worth));
    plan_worth_say(&worth, &text);
    assert_string_equal(buffer, "between -$3.00 and $7.00/h");
    plan_worth_clip(&worth, 1); /* the dear one has a rule more */
    text_truncate(&text, 0);
    plan_worth_say(&worth, &text);
    assert_string_equal(buffer, "between $0.00 and $7.00/h");
    dear.bound_usd_h = 104.99;
    cheap.bound_usd_h = 102.99;
    worth = plan_worth_between(&dear, &cheap);
    text_truncate(&text, 0);
    plan_worth_say(&worth, &text);
    assert_string_equal(buffer, "$2.00/h");
}

/* What if ------------------------------------------------------------------------------------ */

static void ask(const char *const *words, uint32_t count)
{
    static struct plan_question questions[16];
    text_truncate(&why, 0);
    for (uint32_t i = 0; i < count; i++)
        if (plan_question_read(world.wish, span_of(words[i]), &arena, &questions[i], &why))
            fail_msg("%s: %s", words[i], message);
    assert_int_equal(plan_what_if_answer(&again, questions, count, &made.sheet), ERR_OK);
    assert_int_equal(made.sheet.what_if_count, count);
}

static void test_each_what_if_is_a_plan_of_its_own(void **state)
{
    (void)state;
    static const char *const words[] = {"lose b:north",          "lose b",
                                        "price b:north x1.5",    "demand tag x2",
                                        "demand +100%",          "stock b:north cpub x0",
                                        "lose b + price a +50%", "lose a + lose b"};
    static const double costs[] = {0.40, 0.40, 0.40, 0.72, 0.72, 0.40, 0.60};
    assert_int_equal(make(" {services: [{" TAG "}]}\n"), ERR_OK);
    assert_usd(made.sheet.cost_usd_h, 0.36);
    ask(words + 0, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_usd(made.sheet.what_ifs[i].cost_usd_h, costs[i]);
        assert_usd(made.sheet.what_ifs[i].more_usd_h, costs[i] - 0.36);
        assert_true(span_is(made.sheet.what_ifs[i].what, words[i]));
    }
    announced = again.solved;
    ask(words + 6, 2);
    assert_usd(made.sheet.what_ifs[0].cost_usd_h, costs[6]);
    assert_true(span_is(made.sheet.what_ifs[1].status, "infeasible"));
    assert_true(isnan(made.sheet.what_ifs[1].cost_usd_h));
    assert_true(made.sheet.what_ifs[1].why.n > 0);
}

static void test_a_rule_off_is_a_what_if(void **state)
{
    (void)state;
    static const char *const words[] = {"rule slo tag off", "slo tag x10", "rule lose off",
                                        "rule residency off", "budget +1"};
    assert_int_equal(make(" {lose: region, budget: $1/h, services: [{" TAG NEAR
                          ", clients: [{zone: eu, residency: [eu]}]}]}\n"),
                     ERR_OK);
    double base = made.sheet.cost_usd_h;
    ask(words, 5);
    assert_true(made.sheet.what_ifs[0].cost_usd_h < base - 0.01);
    assert_usd(made.sheet.what_ifs[1].cost_usd_h, made.sheet.what_ifs[0].cost_usd_h);
    assert_usd(made.sheet.what_ifs[2].cost_usd_h, 0.38);
    assert_usd(made.sheet.what_ifs[3].cost_usd_h, base);
    assert_usd(made.sheet.what_ifs[4].cost_usd_h, base);
}

static void test_wrong_words_are_refused_with_the_nearest(void **state)
{
    (void)state;
    static const struct {
        const char *words, *said;
    } cases[] = {
        {"loose b:north", "found loose: did you mean lose?"},
        {"lose b:nort", "found b:nort: did you mean b:north?"},
        {"lose", "expected a region, a site or a provider, found nothing"},
        {"lose b x2", "expected nothing more, found x2"},
        {"price spt x2", "found spt: did you mean spot?"},
        {"price b", "found nothing"},
        {"price b x0", "found x0"},
        {"price b +3", "found +3"},
        {"demand tga x2", "found tga: did you mean tag?"},
        {"demand x2 x3", "expected the end or '+', found x3"},
        {"demand x9999999", "found x9999999"},
        {"slo tag off", "found off"},
        {"rule spraed tag off", "found spraed: did you mean spread?"},
        {"rule spread tag off", "found spread of tag, which the file does not have"},
        {"rule slo tag x2", "expected a name or off, found x2"},
        {"budget +5", "found budget, which the file does not have"},
        {"lose b +", "found nothing"},
        {"price spot x2", "found a price of none"}, /* only on demand may be bought */
        {"stock b:north cpu +1", "found a stock of none"},
        {"", "found nothing"},
    };
    assert_int_equal(small_world_read(&world, " {services: [{" TAG NEAR "}]}\n"), ERR_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct plan_question question;
        text_init(&why, message, sizeof message);
        assert_int_equal(
            plan_question_read(world.wish, span_of(cases[i].words), &world.arena, &question, &why),
            ERR_VALUE);
        if (!strstr(message, cases[i].said))
            fail_msg("%s: expected \"%s\" in: %s", cases[i].words, cases[i].said, message);
    }
}

/* No plan ------------------------------------------------------------------------------------ */

static struct plan_conflict conflict;

static void find_conflict(const char *yaml)
{
    struct text text;
    assert_int_equal(make(yaml), ERR_VALUE);
    assert_int_equal(plan_conflict_find(&again, &conflict), ERR_OK);
    assert_int_equal(plan_conflict_mend(&again, &conflict), ERR_OK);
    text_init(&text, message, sizeof message);
    plan_conflict_say(world.wish, &conflict, &text);
}

static bool is_in_set(const char *rule)
{
    for (uint32_t i = 0; i < conflict.count; i++)
        if (span_is(conflict.levers[i].name, rule))
            return true;
    return false;
}

static void assert_said(const char *said)
{
    if (!strstr(message, said))
        fail_msg("expected \"%s\" in: %s", said, message);
}

static void test_scarce_stock_and_promises_name_each_other(void **state)
{
    (void)state;
    find_conflict(" {stock: [{region: 'a:east', count: 0}, {region: 'a:west', count: 0}], budget: "
                  "$50/h, services: [{" TAG NEAR "}]}\n");
    assert_true(conflict.is_irreducible);
    assert_int_equal(conflict.count, 3);
    assert_true(is_in_set("stock of cpu in a:east") && is_in_set("stock of cpu in a:west"));
    assert_true(is_in_set("promise of tag"));
    assert_said("1 more: stock of cpu in a:east (then $0.3");
    assert_said("promise of tag, first token in ");
}

static void test_a_budget_that_is_too_small_is_alone(void **state)
{
    (void)state;
    find_conflict(" {budget: $0.35/h, services: [{" TAG "}]}\n");
    assert_true(conflict.is_irreducible);
    assert_int_equal(conflict.count, 1);
    assert_true(is_in_set("budget, $/h"));
    assert_said("budget, $/h: 0.35");
    assert_said("without budget, $/h (then $0.36/h");
}

/* Two contradictions: one is named, and mending it is said not to be enough. */
static void test_a_second_contradiction_is_told(void **state)
{
    (void)state;
    find_conflict(" {power_max: 0.01kW, carbon_max: 0.001kg/h, services: [{" TAG "}]}\n");
    assert_true(conflict.is_irreducible);
    assert_int_equal(conflict.count, 1);
    assert_said("still none, other rules leave none either");
}

enum { RULES = PLACES + 1, LOSE = PLACES, ENOUGH = 9 };

/* Is there a plan under the rules in <set> alone? A stock that is no rule is large. */
static bool leaves_a_plan(const uint32_t stock[PLACES], uint32_t demand, bool is_n1, uint32_t set)
{
    uint32_t own[PLACES];
    for (uint32_t p = 0; p < PLACES; p++)
        own[p] = set >> p & 1 ? stock[p] : ENOUGH;
    return isfinite(best_of_all(own, demand, is_n1 && set >> LOSE & 1));
}

static uint32_t rule_of(const struct plan_lever *lever)
{
    for (uint32_t p = 0; p < PLACES; p++)
        if (lever->kind == PLAN_LEVER_STOCK &&
            span_is(plan_wish_place_name(world.wish, lever->place), places[p]))
            return p;
    assert_int_equal(lever->kind, PLAN_LEVER_LOSE);
    return LOSE;
}

static void test_sets_are_irreducible_by_trying_all_plans(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 11);
    for (uint32_t cases = 0; cases < CASES / 2;) {
        uint32_t stock[PLACES], demand = 8 + (uint32_t)rng_below(&rng, 24), set = 0;
        bool is_n1 = rng_below(&rng, 4) > 0;
        for (uint32_t p = 0; p < PLACES; p++)
            stock[p] = (uint32_t)rng_below(&rng, STOCK_MAX + 1);
        if (isfinite(best_of_all(stock, demand, is_n1)))
            continue;
        char yaml[1024];
        write_wish(stock, demand, is_n1, yaml, sizeof yaml);
        find_conflict(yaml);
        for (uint32_t i = 0; i < conflict.count; i++)
            set |= 1U << rule_of(&conflict.levers[i]);
        assert_true(conflict.is_irreducible);
        assert_false(leaves_a_plan(stock, demand, is_n1, set));
        for (uint32_t rule = 0; rule < RULES; rule++)
            if (set >> rule & 1)
                assert_true(leaves_a_plan(stock, demand, is_n1, set & ~(1U << rule)));
        cases++;
    }
}

static void test_less_demand_mends_too(void **state)
{
    (void)state;
    find_conflict(" {regions: ['b:north'], stock: [{count: 1}], services: [{" TAG "}]}\n");
    assert_true(conflict.is_irreducible);
    assert_int_equal(conflict.count, 1);
    assert_true(is_in_set("stock of cpub in b:north"));
    assert_said("  62 % of the demand"); /* 5 of 8 a second, in steps of 1/128 */
}

static void test_what_may_be_used_is_named_where_nothing_else_is(void **state)
{
    (void)state;
    find_conflict(" {skus: [gpu4], lose: region, services: [{" TAG "}]}\n");
    assert_true(conflict.is_irreducible);
    assert_int_equal(conflict.count, 1);
    assert_true(is_in_set("machines that may be used"));
}

static void test_without_any_machine_no_rule_is_to_blame(void **state)
{
    (void)state;
    find_conflict(" {services: [{name: m, model: m, demand: 1req/s, tensor_parallel: 3, requests: "
                  "[{prompt: 100, answer: 10, share: 100%}]}]}\n");
    assert_true(conflict.is_hopeless);
    assert_said("no rule is to blame");
}

static bool is_over(void *context)
{
    (void)context;
    return true;
}

/* A search that ends without plan and proof proves nothing: here none may find anything. */
static void test_no_proof_no_irreducible_set(void **state)
{
    (void)state;
    assert_int_equal(make(" {budget: $0.35/h, services: [{" TAG "}]}\n"), ERR_VALUE);
    again.limits.is_over = is_over;
    assert_int_equal(plan_conflict_find(&again, &conflict), ERR_OK);
    assert_false(conflict.is_irreducible);
    assert_false(conflict.is_hopeless);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_machine_more_is_worth_what_it_saves),
        cmocka_unit_test(test_a_promise_costs_what_it_keeps_near),
        cmocka_unit_test(test_residency_costs_by_zone_of_clients),
        cmocka_unit_test(test_surviving_a_loss_costs_a_share),
        cmocka_unit_test(test_each_shadow_is_the_difference_of_two_plans),
        cmocka_unit_test(test_shadows_are_those_of_all_plans),
        cmocka_unit_test(test_what_costs_nothing_is_said_to),
        cmocka_unit_test(test_gaps_make_a_range_of_a_figure),
        cmocka_unit_test(test_each_what_if_is_a_plan_of_its_own),
        cmocka_unit_test(test_a_rule_off_is_a_what_if),
        cmocka_unit_test(test_wrong_words_are_refused_with_the_nearest),
        cmocka_unit_test(test_scarce_stock_and_promises_name_each_other),
        cmocka_unit_test(test_a_budget_that_is_too_small_is_alone),
        cmocka_unit_test(test_a_second_contradiction_is_told),
        cmocka_unit_test(test_sets_are_irreducible_by_trying_all_plans),
        cmocka_unit_test(test_less_demand_mends_too),
        cmocka_unit_test(test_what_may_be_used_is_named_where_nothing_else_is),
        cmocka_unit_test(test_without_any_machine_no_rule_is_to_blame),
        cmocka_unit_test(test_no_proof_no_irreducible_set),
    };
    return cmocka_run_group_tests(tests, lab_open, lab_close);
}
