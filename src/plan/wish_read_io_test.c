#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "plan/wish_world_test.h"

static struct small_world world;

static bool is_near(double a, double b)
{
    return fabs(a - b) <= 1e-9 * (1 + fabs(b));
}

static void test_a_whole_wish_is_read(void **state)
{
    (void)state;
    assert_int_equal(
        small_world_read(
            &world,
            " {zones: [eu, us], regions: ['a:east', 'a:west', 'b:north'], markets: [on_demand, "
            "spot],\n"
            "  lose: region, load_lost: 90%, budget: $500/h, carbon_price: $0.10/kg, carbon_max: "
            "20kg/h,\n"
            "  power_max: 40kW, cold_start: 30min, moves: {start: $2, stop: $1, over: 12h}, hold: "
            "[chat],\n"
            "  sites: [{name: 'own:lab', near: 'a:west', sku: gpu4, count: 2, power_max: 6kW}],\n"
            "  reserved: [{region: 'a:east', sku: gpu4, count: 3}],\n"
            "  stock: [{sku: gpu4, count: 8}, {region: 'a:east', sku: gpu4, market: spot, count: "
            "5}],\n"
            "  pins: [{service: chat, region: 'own:lab', sku: gpu4, market: own, count: 1}],\n"
            "  forbid: [{region: 'a:west', market: spot}],\n"
            "  services: [{name: chat, model: m, demand: 10req/s, residency: [eu, us],\n"
            "    clients: [{zone: eu, residency: [eu]}], replicas_min: 3, regions_min: 2,\n"
            "    site_replicas_min: 2, spread: 60%, spot: 50%, spot_spread: 70%, open: $0.5/h,\n"
            "    unmet: $0.02/req, bytes: 50kB,\n"
            "    slo: {ttft: 800ms, percentile: 95%, tpot: 80ms, wait: 20ms},\n"
            "    requests: [{prompt: 100, answer: 50, share: 75%},\n"
            "               {prompt: 1000, prompt_mean: 550, answer: 100, share: 25%}]},\n"
            "   {name: tag, speeds: [{sku: cpu, rate: 10req/s, machines: 2, time: 5ms}],\n"
            "    demands: [{client: york, rate: 3.5req/s}], load: 60%}]}\n"),
        ERR_OK);
    const struct plan_wish *wish = world.wish;
    assert_int_equal(wish->lose, PLAN_LOSE_REGION);
    assert_true(wish->is_wanted[0] && wish->is_wanted[1] && wish->is_wanted[2]);
    assert_false(wish->is_wanted[3]);
    assert_true(wish->has_market[PLAN_SPOT] && wish->has_market[PLAN_ON_DEMAND]);
    assert_true(is_near(wish->budget_usd_h, 500) && is_near(wish->carbon_usd_kg, 0.1));
    assert_true(is_near(wish->carbon_max_kg_h, 20) && is_near(wish->power_max_w, 40000));
    assert_true(is_near(wish->cold_start_h, 0.5) && is_near(wish->moves_over_h, 12));
    assert_int_equal(wish->site_count, 1);
    assert_int_equal(wish->sites[0].near, 1);
    assert_true(span_is(wish->sites[0].provider, "own"));
    assert_true(is_near(wish->sites[0].power_max_w, 6000));
    assert_int_equal(wish->place_zones[4], wish->place_zones[1]);
    assert_int_equal(wish->reserved[0].count, 3);
    assert_int_equal(wish->stocks[0].region, CATALOG_NONE);
    assert_int_equal(wish->stocks[1].market, PLAN_SPOT);
    assert_int_equal(wish->pins[0].place, 4);
    assert_int_equal(wish->pins[0].market, PLAN_OWN);
    assert_int_equal(wish->forbidden[0].market, PLAN_SPOT);
    assert_int_equal(wish->forbidden[0].service, PLAN_NONE);

    const struct plan_wish_service *chat = &wish->services[0], *tag = &wish->services[1];
    assert_true(chat->is_held && !tag->is_held);
    assert_int_equal(chat->bucket_count, 2);
    assert_int_equal(chat->buckets[0].prompt_mean, 100);
    assert_int_equal(chat->buckets[1].prompt_mean, 550);
    assert_true(is_near(chat->buckets[1].share, 0.25) && is_near(chat->rates[0], 5));
    assert_true(chat->residency[0] != chat->residency[1]);
    assert_true(chat->residency[0] >> wish->place_zones[0] & 1);
    assert_false(chat->residency[0] >> wish->place_zones[2] & 1);
    assert_true(is_near(chat->ttft_ms, 800) && is_near(chat->percentile, 0.95));
    assert_true(is_near(chat->tpot_ms, 80) && is_near(chat->wait_ms, 20));
    assert_true(is_near(chat->unmet_usd, 0.02) && is_near(chat->bytes, 50000));
    assert_int_equal(tag->model, CATALOG_NONE);
    assert_int_equal(tag->speeds[0].machines, 2);
    assert_true(is_near(tag->rates[1], 3.5) && tag->rates[0] == 0);
    assert_true(isinf(tag->ttft_ms) && tag->percentile == 1 && is_near(tag->load, 0.6));
}

#define TAG     "name: tag, speeds: [{sku: cpu, rate: 1req/s}], demand: 1req/s"
#define OF_CHAT "name: c, model: m, demand: 1req/s, "

struct mistake {
    const char *yaml, *said;
};

/* Each of them is refused, at a line of the plan, with these words. */
static void check_mistakes(const struct mistake *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool is_said = false;
        enum err err = small_world_read(&world, cases[i].yaml);
        for (uint32_t c = 0; c < world.complaints.count; c++) {
            char message[1024];
            snprintf(message, sizeof message, "%.*s", SPAN_ARG(world.complaints.row[c].message));
            is_said =
                is_said || (strstr(message, cases[i].said) && world.complaints.row[c].line >= 4);
            if (!strstr(message, cases[i].said))
                print_message("%s\n", message);
        }
        if (err != ERR_SYNTAX || !is_said)
            fail_msg("%s: expected \"%s\"", cases[i].yaml, cases[i].said);
    }
}

static void test_every_mistake_has_its_words(void **state)
{
    (void)state;
    static const struct mistake cases[] = {
        {" {services: [{" TAG "}], regions: ['a:eats']}\n",
         "expected a region of the catalogue, found a:eats: did you mean a:east?"},
        {" {services: [{" TAG "}], skus: [gpu5]}\n", "did you mean gpu4?"},
        {" {services: [{" TAG "}], markets: [sport]}\n", "did you mean spot?"},
        {" {services: [{" TAG "}], hold: [tug]}\n",
         "expected a service of the plan, found tug: did you mean tag?"},
        {" {services: [{" TAG "}], lose: regions}\n", "did you mean region?"},
        {" {services: []}\n", "services: expected at least one"},
        {" {services: [{name: c, demand: 1req/s}]}\n",
         "expected either model (of the catalogue) or speeds (given here)"},
        {" {services: [{" TAG ", model: m, requests: [{prompt: 10}]}]}\n",
         "expected either model (of the catalogue) or speeds (given here)"},
        {" {services: [{name: c, model: m, demand: 1req/s}]}\n",
         "expected requests (- prompt: tokens)"},
        {" {services: [{" OF_CHAT "requests: [{prompt: 10, share: 60%}]}]}\n",
         "share: expected shares that make 100 %, found 60 %"},
        {" {services: [{" OF_CHAT "requests: [{prompt: 10, prompt_mean: 11}]}]}\n",
         "prompt_mean: expected at most prompt (10), found 11"},
        {" {services: [{name: c, speeds: [{sku: cpu, rate: 1req/s}]}]}\n",
         "expected either demand (of all clients) or demands (of each)"},
        {" {services: [{name: c, speeds: [{sku: cpu, rate: 1req/s}], demand: 0req/s}]}\n",
         "demand: expected more than 0"},
        {" {services: [{" TAG "}, {" TAG "}]}\n", "name: expected once, found again: tag"},
        {" {services: [{" TAG ", slo: {percentile: 95%}}]}\n",
         "percentile: expected ttft beside it"},
        {" {services: [{" TAG ", slo: {ttft: 50ms, wait: 50ms}}]}\n",
         "wait: expected less than ttft"},
        {" {services: [{" TAG ", slo: {tpot: 50ms}}]}\n", "tpot: expected a model"},
        {" {services: [{" TAG
         "}], sites: [{name: 'a:east', near: 'a:west', sku: cpu, count: 1}]}\n",
         "name: expected one that no region or site has"},
        {" {services: [{" TAG "}], forbid: [{}]}\n",
         "expected at least one of service, region, sku, market"},
        {" {zones: [us], reserved: [{region: 'a:east', sku: cpu, count: 1}], services: [{" TAG
         "}]}\n",
         "region: expected one that regions, zones and providers leave"},
        {" {services: [{" TAG ", ttft: 50ms}]}\n", "unknown key \"ttft\""},
        {" {services: [{" TAG ", demands: [{client: pariss, rate: 1req/s}]}]}\n",
         "did you mean paris?"},
    };
    check_mistakes(cases, COUNT_OF(cases));
}

#define SIX_ONES "1, 1, 1, 1, 1, 1, "

static void test_every_mistake_of_a_day_has_its_words(void **state)
{
    (void)state;
    static const struct mistake cases[] = {
        {" {day: {slots: 7}, services: [{" TAG "}]}\n",
         "slots: expected 1, 2, 3, 4, 6, 8, 12 or 24, found 7"},
        {" {day: {slots: 0}, services: [{" TAG "}]}\n",
         "slots: expected a whole number from 1 to 24, found \"0\""},
        {" {day: {slots: 48}, services: [{" TAG "}]}\n",
         "slots: expected a whole number from 1 to 24, found \"48\""},
        {" {day: {factors: [1, 2]}, services: [{" TAG "}]}\n",
         "factors: expected 24, one an hour, found 2"},
        {" {day: {factors: [" SIX_ONES SIX_ONES SIX_ONES SIX_ONES "1]}, services: [{" TAG "}]}\n",
         "factors: expected at most 24 items, found 25"},
        {" {day: {factors: [" SIX_ONES SIX_ONES SIX_ONES "1, 1, 1, 1, 1, 0]}, services: [{" TAG
         "}]}\n",
         "factors: expected numbers from 0.01 to 100, found 0"},
        {" {day: {factors: [101, 1, 1, 1, 1, 1, " SIX_ONES SIX_ONES SIX_ONES "]}, services: [{" TAG
         "}]}\n",
         "factors: expected numbers from 0.01 to 100, found 101"},
        {" {day: {factors: [full, 1, 1, 1, 1, 1, " SIX_ONES SIX_ONES SIX_ONES "]}, services: [{" TAG
         "}]}\n",
         "factors: expected numbers from 0.01 to 100, found full"},
        {" {day: {low: 0%}, services: [{" TAG "}]}\n",
         "low: expected a share such as 10% or 0.1, found \"0%\""},
        {" {day: {clock: locale}, services: [{" TAG "}]}\n", "did you mean local?"},
        {" {day: {ramp: fast}, services: [{" TAG "}]}\n",
         "ramp: expected a share such as 10% or 0.1, found \"fast\""},
        {" {day: {ramp_replicas: 0}, services: [{" TAG "}]}\n",
         "expected a whole number from 1 to 1000000, found \"0\""},
        {" {day: {rampe: 20%}, services: [{" TAG "}]}\n", "did you mean ramp?"},
        {" {day: 24, services: [{" TAG "}]}\n",
         "day: expected a mapping (key: value), found \"24\""},
    };
    check_mistakes(cases, COUNT_OF(cases));
}

static void test_a_day_is_read_as_given(void **state)
{
    (void)state;
    assert_int_equal(
        small_world_read(&world, " {day: {slots: 12, clock: utc, ramp: 20%, ramp_replicas: 4,\n"
                                 "  factors: [0.5, 2, 1, 1, 1, 1, " SIX_ONES SIX_ONES
                                 "1, 1, 1, 1, 1, 0.01]}, services: [{" TAG "}]}\n"),
        ERR_OK);
    const struct plan_wish_day *day = &world.wish->day;
    assert_true(day->slot_count == 12 && !day->is_local && !day->is_estimate);
    assert_true(is_near(day->ramp, 0.2) && day->ramp_replicas == 4);
    assert_true(is_near(day->factors[0], 0.5) && is_near(day->factors[1], 2));
    assert_true(is_near(day->factors[2], 1) && is_near(day->factors[23], 0.01));
}

static void test_a_day_of_nothing_is_the_curve(void **state)
{
    (void)state;
    assert_int_equal(small_world_read(&world, " {day: {}, services: [{" TAG "}]}\n"), ERR_OK);
    const struct plan_wish_day *day = &world.wish->day;
    assert_true(day->slot_count == 24 && day->is_local && day->is_estimate);
    assert_true(isinf(day->ramp) && day->ramp_replicas == 0);
    for (uint32_t h = 0; h < CATALOG_HOURS; h++) {
        double curve = 0.65 - 0.35 * cos((h - 3.0) * 3.14159265358979 / 12);
        assert_true(fabs(day->factors[h] - curve) < 1e-5);
    }

    assert_int_equal(
        small_world_read(&world, " {day: {ramp_replicas: 3}, services: [{" TAG "}]}\n"), ERR_OK);
    assert_true(world.wish->day.ramp == 0 && world.wish->day.ramp_replicas == 3);
    assert_int_equal(small_world_read(&world, " {services: [{" TAG "}]}\n"), ERR_OK);
    assert_int_equal(world.wish->day.slot_count, 0);
}

static void test_all_mistakes_come_at_once_with_their_places(void **state)
{
    (void)state;
    assert_int_equal(small_world_read(&world, "  regions: ['a:eats']\n"
                                              "  zones: [ue]\n"
                                              "  services:\n"
                                              "    - name: c\n"
                                              "      model: n\n"
                                              "      demand: 1\n"),
                     ERR_SYNTAX);
    assert_true(world.complaints.count >= 4);
    bool is_found[8] = {false};
    for (uint32_t c = 0; c < world.complaints.count; c++)
        is_found[world.complaints.row[c].line - 3] = true;
    assert_true(is_found[1] && is_found[2] && is_found[5] && is_found[6]);
}

static void test_a_file_without_a_plan_is_told_so(void **state)
{
    (void)state;
    small_world_open(&world);
    assert_int_equal(plan_wish_open_io(SPAN_LITERAL("version: 1\n"), SPAN_LITERAL("f.yaml"),
                                       &world.arena, &world.complaints, &world.document),
                     ERR_SYNTAX);
    assert_int_equal(world.complaints.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_wish_is_read),
        cmocka_unit_test(test_every_mistake_has_its_words),
        cmocka_unit_test(test_every_mistake_of_a_day_has_its_words),
        cmocka_unit_test(test_a_day_is_read_as_given),
        cmocka_unit_test(test_a_day_of_nothing_is_the_curve),
        cmocka_unit_test(test_all_mistakes_come_at_once_with_their_places),
        cmocka_unit_test(test_a_file_without_a_plan_is_told_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
