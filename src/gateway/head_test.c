#include "gateway/head.h"

#include "gateway/parse_test.h"
#include "gateway/world_test.h"

static char buffer[4096];

static const char *upstream_of(const char *lines, const struct gateway_head_rules *rules)
{
    static struct test_world world;
    test_world_init(&world);
    struct http_head head = parsed(lines);
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    gateway_head_request(&head, rules, &world.fleet, &text);
    return buffer;
}

#define CLIENT                                                                                     \
    "POST /v1/chat/completions?x=1 HTTP/1.1\r\nhost: gate\r\ncontent-length: 2\r\n"                \
    "Authorization: Bearer secret\r\nX-Api-Key: secret\r\nconnection: keep-alive, x-mine\r\n"      \
    "x-mine: 1\r\nx-farspan-hop: me\r\nX-Farspan-Future: 1\r\nexpect: 100-continue\r\n"            \
    "x-request-id: theirs\r\nuser-agent: t\r\n\r\n"

static void a_remote_server_sees_neither_our_secrets_nor_our_words(void **state)
{
    (void)state;
    struct gateway_head_rules rules = {.request_id = SPAN_LITERAL("id"),
                                       .base = SPAN_LITERAL("/api")};
    assert_string_equal(upstream_of(CLIENT, &rules),
                        "POST /api/v1/chat/completions?x=1 HTTP/1.1\r\nuser-agent: t\r\n"
                        "x-request-id: id\r\n");
}

static void our_own_parts_are_told_what_they_need(void **state)
{
    (void)state;
    struct gateway_head_rules rules = {.request_id = SPAN_LITERAL("id"),
                                       .authorization = SPAN_LITERAL("Peer 00"),
                                       .is_ours = true,
                                       .hop = SPAN_LITERAL("a:east"),
                                       .tenant = SPAN_LITERAL("acme"),
                                       .zones = 3,
                                       .deadline_ms = 900,
                                       .epoch = 7};
    assert_string_equal(upstream_of(CLIENT, &rules),
                        "POST /v1/chat/completions?x=1 HTTP/1.1\r\nuser-agent: t\r\n"
                        "authorization: Peer 00\r\nx-request-id: id\r\nx-farspan-hop: a:east\r\n"
                        "x-farspan-tenant: acme\r\nx-farspan-zones: us,eu\r\n"
                        "x-farspan-deadline-ms: 900\r\nx-farspan-epoch: 7\r\n");
    rules.zones = UINT32_MAX; /* anywhere is said by saying nothing */
    assert_null(strstr(upstream_of(CLIENT, &rules), "zones"));
}

static void a_base_that_ends_in_v1_does_not_double_it(void **state)
{
    (void)state;
    struct gateway_head_rules rules = {.request_id = SPAN_LITERAL("id"),
                                       .base = SPAN_LITERAL("/openai/v1")};
    upstream_of("GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n", &rules);
    assert_non_null(strstr(buffer, "GET /openai/v1/models HTTP/1.1\r\n"));
    upstream_of("GET /v2/models/m HTTP/1.1\r\nhost: a\r\n\r\n", &rules);
    assert_non_null(strstr(buffer, "GET /openai/v1/v2/models/m HTTP/1.1\r\n"));
}

static void a_model_in_the_path_is_called_what_the_server_calls_it(void **state)
{
    (void)state;
    const char *lines = "POST /v2/models/risk/infer HTTP/1.1\r\nhost: a\r\n\r\n";
    struct gateway_head_rules rules = {.request_id = SPAN_LITERAL("id"),
                                       .old_name = {lines + strlen("POST /v2/models/"), 4},
                                       .new_name = SPAN_LITERAL("credit-3")};
    upstream_of(lines, &rules);
    assert_non_null(strstr(buffer, "POST /v2/models/credit-3/infer HTTP/1.1\r\n"));
}

static void an_answer_keeps_its_headers_but_not_this_hops(void **state)
{
    (void)state;
    const char *lines = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nDate: now\r\n"
                        "transfer-encoding: chunked\r\nconnection: close\r\nkeep-alive: 1\r\n"
                        "x-request-id: other\r\nx-farspan-route: far\r\nserver: s\r\n\r\n";
    struct http_head head;
    struct http_refusal refusal;
    assert_int_equal(http_parse_response(span_of(lines), false, &head, &refusal), ERR_OK);
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    gateway_head_answer(&head, &text);
    gateway_head_ours(SPAN_LITERAL("id"), SPAN_LITERAL("near;try=1"),
                      http_header_of(&head, HTTP_HEADER_FARSPAN_ROUTE), &text);
    assert_string_equal(buffer, "Content-Type: text/event-stream\r\nserver: s\r\n"
                                "x-request-id: id\r\nx-farspan-route: near;try=1, far\r\n");
}

static void zones_are_read_whole_or_not_at_all(void **state)
{
    (void)state;
    static struct test_world world;
    test_world_init(&world);
    fleet_zones zones = 0;
    assert_true(gateway_head_zones(&world.fleet, SPAN_LITERAL("eu, us"), &zones));
    assert_int_equal(zones, 3);
    assert_false(gateway_head_zones(&world.fleet, SPAN_LITERAL("eu,"), &zones));
    assert_false(gateway_head_zones(&world.fleet, SPAN_LITERAL("eu,moon"), &zones));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_remote_server_sees_neither_our_secrets_nor_our_words),
        cmocka_unit_test(our_own_parts_are_told_what_they_need),
        cmocka_unit_test(a_base_that_ends_in_v1_does_not_double_it),
        cmocka_unit_test(a_model_in_the_path_is_called_what_the_server_calls_it),
        cmocka_unit_test(an_answer_keeps_its_headers_but_not_this_hops),
        cmocka_unit_test(zones_are_read_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
