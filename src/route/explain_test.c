#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "route/explain.h"

static struct route_view view;
static struct route_request request;
static struct route_memory memory;
static struct route_labels labels;
static char buffer[65536];
static struct text text;

/* The replica of docs/protocol.md's example, and the region that it names. */
static void setup(void)
{
    memset(&view, 0, sizeof view);
    memset(&request, 0, sizeof request);
    view.policy = FLEET_POLICY_ADAPTIVE;
    view.target_count = 2;
    view.targets[0] = (struct route_target){.is_ready = true,
                                            .zones = 1,
                                            .slots = 8,
                                            .is_sample_fresh = true,
                                            .matched_tokens = 512,
                                            .prefill_ns_per_token = 100000,
                                            .decode_ns_per_token = 1000000};
    view.targets[1] = view.targets[0];
    view.targets[1].id = 0x10001;
    view.targets[1].kind = ROUTE_REGION;
    view.targets[1].zones = 2;
    view.targets[1].network_us = 150000;
    labels.region[0] = SPAN_LITERAL("aws:us-east-1");
    labels.target[0] = SPAN_LITERAL("us-a-chat");
    labels.region[1] = SPAN_LITERAL("gcp:asia-northeast1");
    labels.target[1] = SPAN_LITERAL("");
    request = (struct route_request){
        .zones_allowed = 3, .prompt_tokens = 524, .output_tokens = 48, .may_hop = true};
    route_memory_init(&memory, 1);
    text_init(&text, buffer, sizeof buffer);
}

static void the_element_is_the_one_of_the_protocol(void **state)
{
    (void)state;
    setup();
    struct route_choice choice = route_choose(&view, &request, &memory);
    route_explain_element(&view, &choice, &labels, 1, &text);
    assert_string_equal(buffer, "aws:us-east-1/us-a-chat;policy=adaptive;net=0;prefill=1200;"
                                "queue=0;decode=48000;price=0;penalty=0;total=49200;hit=512;try=1");
}

static void the_terms_of_a_target_that_failed_add_up(void **state)
{
    (void)state;
    setup();
    struct route_choice choice = route_choose(&view, &request, &memory);
    choice.terms.penalty_us = 250;
    choice.terms.total_us += 250;
    route_explain_element(&view, &choice, &labels, 1, &text);
    long total = 0;
    for (const char *at = strchr(strchr(buffer, ';') + 1, ';'); strncmp(at, ";total=", 7) != 0;
         at = strchr(at + 1, ';'))
        total += strtol(strchr(at, '=') + 1, NULL, 10);
    assert_int_equal(total, choice.terms.total_us);
}

static void a_hop_is_named_by_its_region_alone(void **state)
{
    (void)state;
    setup();
    request.zones_allowed = 2;
    struct route_choice choice = route_choose(&view, &request, &memory);
    route_explain_element(&view, &choice, &labels, 2, &text);
    assert_string_equal(buffer,
                        "gcp:asia-northeast1;policy=adaptive;net=150000;prefill=1200;"
                        "queue=0;decode=48000;price=0;penalty=0;total=199200;hit=512;try=2");
}

static void every_target_is_explained_in_valid_json(void **state)
{
    (void)state;
    setup();
    request.zones_allowed = 1;
    struct route_choice choice = route_choose(&view, &request, &memory);
    route_explain_json(&view, &request, &choice, &labels, &text);
    assert_false(text.is_cut);
    json_t *root = json_loads(buffer, 0, NULL);
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "chosen")),
                        "aws:us-east-1/us-a-chat");
    assert_true(json_is_null(json_object_get(root, "runner_up")));
    json_t *targets = json_object_get(root, "targets");
    assert_int_equal(json_array_size(targets), 2);
    json_t *chosen = json_array_get(targets, 0), *barred = json_array_get(targets, 1);
    assert_true(json_is_true(json_object_get(chosen, "chosen")));
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(chosen, "terms_us"), "total")),
        choice.terms.total_us);
    assert_string_equal(json_string_value(json_object_get(barred, "bar")),
                        "outside the zones that may compute this request");
    assert_false(json_is_true(json_object_get(barred, "chosen")));
    json_decref(root);
}

static void a_decision_without_a_target_says_why(void **state)
{
    (void)state;
    setup();
    request.zones_allowed = 0;
    struct route_choice choice = route_choose(&view, &request, &memory);
    route_explain_json(&view, &request, &choice, &labels, &text);
    json_t *root = json_loads(buffer, 0, NULL);
    assert_non_null(root);
    assert_true(json_is_null(json_object_get(root, "chosen")));
    assert_string_equal(json_string_value(json_object_get(root, "bar")),
                        route_bar_text(ROUTE_BAR_RESIDENCY));
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_element_is_the_one_of_the_protocol),
        cmocka_unit_test(the_terms_of_a_target_that_failed_add_up),
        cmocka_unit_test(a_hop_is_named_by_its_region_alone),
        cmocka_unit_test(every_target_is_explained_in_valid_json),
        cmocka_unit_test(a_decision_without_a_target_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
