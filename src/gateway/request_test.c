#include "gateway/request.h"

#include <stdio.h>

#include "gateway/parse_test.h"
#include "gateway/world_test.h"

static struct test_world world;
static struct gateway_keys keys;
static struct gateway_law law;
static struct gateway_request request;

#define HEX  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY  "authorization: Bearer k\r\n"
#define PEER "authorization: Peer " HEX "\r\nx-farspan-hop: b:west\r\n"

static int set_up(void **state)
{
    (void)state;
    test_world_init(&world);
    keys = (struct gateway_keys){.count = 1, .has_peer_secret = true};
    keys.row[0] = world.keys[0];
    crypto_sha256(SPAN_LITERAL("k"), keys.row[0].sha256);
    assert_true(crypto_unhex(SPAN_LITERAL(HEX), keys.peer_secret, CRYPTO_KEY_SIZE));
    law = (struct gateway_law){&world.fleet, &keys, 0};
    return 0;
}

/* A whole request; <piece> bytes of the body at a time. */
static enum gateway_error read_pieces(const char *line, const char *headers, const char *body,
                                      size_t piece)
{
    static char lines[2048];
    struct text text;
    text_init(&text, lines, sizeof lines);
    text_add(&text, "%s HTTP/1.1\r\nhost: a\r\n%s\r\n", line, headers);
    struct http_head head = parsed(lines);
    enum gateway_error error = gateway_request_begin(&request, &law, &head, 0xabc, 1000);
    for (size_t i = 0; error == GATEWAY_FINE && i < strlen(body); i += piece) {
        size_t left = strlen(body) - i;
        error = gateway_request_add(&request, span_from(body + i, left < piece ? left : piece));
    }
    return error == GATEWAY_FINE ? gateway_request_resolve(&request, &law, true) : error;
}

static enum gateway_error read_whole(const char *line, const char *headers, const char *body)
{
    return read_pieces(line, headers, body, SIZE_MAX / 2);
}

static enum gateway_error chat(const char *headers, const char *body)
{
    return read_whole("POST /v1/chat/completions", headers, body);
}

#define HELLO "{\"model\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"

static void a_good_chat_knows_its_service_tenant_sizes_and_deadline(void **state)
{
    (void)state;
    assert_int_equal(chat(KEY, HELLO), GATEWAY_FINE);
    assert_int_equal(request.service, TEST_CHAT);
    assert_true(span_is(request.tenant, "acme"));
    assert_int_equal(request.prompt_tokens, 1);
    assert_int_equal(request.output_tokens, 64);
    assert_int_equal(request.deadline_us, 1000 + 30 * 1000 * 1000);
    assert_true(span_is(gateway_request_id(&request), "0000000000000abc"));
}

static void refusals_name_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *line, *headers, *body;
        enum gateway_error error;
    } rows[] = {
        {"POST /v1/chat/completions", "", HELLO, GATEWAY_ERROR_NO_KEY},
        {"POST /v1/chat/completions", "authorization: Bearer x\r\n", HELLO, GATEWAY_ERROR_NO_KEY},
        {"POST /v1/chat", KEY, HELLO, GATEWAY_ERROR_NO_PATH},
        {"GET /v1/chat/completions", KEY, "", GATEWAY_ERROR_METHOD},
        {"POST /v1/chat/completions", KEY, "{\"messages\":[]}", GATEWAY_ERROR_NO_MODEL},
        {"POST /v1/chat/completions", KEY, "{\"model\":\"x\"}", GATEWAY_ERROR_MODEL_NOT_FOUND},
        {"POST /v1/chat/completions", KEY, "{\"model\":\"chat\"}", GATEWAY_ERROR_NO_INPUT},
        {"POST /v1/chat/completions", KEY, "{\"model\":\"chat\",\"messages\":[]}",
         GATEWAY_ERROR_BAD_VALUE},
        {"POST /v1/chat/completions", KEY, "{\"model\":\"risk\",\"messages\":[{}]}",
         GATEWAY_ERROR_WRONG_KIND},
        {"POST /v1/chat/completions", KEY, "{\"model\":\"chat\",\"stream\":\"yes\"}",
         GATEWAY_ERROR_BAD_VALUE},
        {"POST /v1/chat/completions", KEY, "{\"model\":\"chat\",\"model\":\"chat\"}",
         GATEWAY_ERROR_BAD_VALUE},
        {"POST /v1/chat/completions", KEY, "{\"model\":\"chat\"", GATEWAY_ERROR_BAD_JSON},
        {"POST /v1/chat/completions", KEY, "", GATEWAY_ERROR_BAD_JSON},
        {"POST /v1/chat/completions", KEY, "[]", GATEWAY_ERROR_BAD_JSON},
        {"POST /v1/chat/completions", KEY, "{\"a\":NaN}", GATEWAY_ERROR_BAD_JSON},
        {"POST /v1/chat/completions", KEY "content-type: text/plain\r\n", HELLO,
         GATEWAY_ERROR_MEDIA},
        {"POST /v1/chat/completions", KEY "content-encoding: gzip\r\n", HELLO, GATEWAY_ERROR_MEDIA},
        {"POST /v1/chat/completions", KEY "x-farspan-zones: mars\r\n", HELLO,
         GATEWAY_ERROR_BAD_HOP},
        {"POST /v1/chat/completions", KEY "x-farspan-deadline-ms: soon\r\n", HELLO,
         GATEWAY_ERROR_BAD_HOP},
        {"POST /v1/embeddings", KEY, "{\"model\":\"chat\",\"input\":\"a\"}",
         GATEWAY_ERROR_WRONG_KIND},
        {"POST /v2/models/risk/infer", KEY, "{}", GATEWAY_ERROR_NO_INPUT},
        {"POST /v2/models/none/infer", KEY, "{\"inputs\":[]}", GATEWAY_ERROR_MODEL_NOT_FOUND},
        {"GET /peer/v1/state", KEY, "", GATEWAY_ERROR_WRONG_DOOR},
        {"GET /peer/v1/state", "", "", GATEWAY_ERROR_NO_KEY},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        enum gateway_error error = read_whole(rows[i].line, rows[i].headers, rows[i].body);
        if (error != rows[i].error)
            fail_msg("row %zu: %s instead of %s", i, gateway_error_code(error),
                     gateway_error_code(rows[i].error));
    }
}

static void cutting_the_body_anywhere_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(chat(KEY, HELLO), GATEWAY_FINE);
    uint64_t affinity = request.affinity;
    for (size_t piece = 1; piece < 20; piece++) {
        assert_int_equal(read_pieces("POST /v1/chat/completions", KEY, HELLO, piece), GATEWAY_FINE);
        assert_true(request.affinity == affinity);
    }
}

static void residency_of_service_key_and_header_all_hold(void **state)
{
    (void)state;
    assert_int_equal(chat(KEY "x-farspan-zones: eu\r\n", HELLO), GATEWAY_FINE);
    assert_int_equal(request.zones, 2);

    keys.row[0].residency = 1; /* the key may go to us only, the caller wants eu: nowhere */
    assert_int_equal(chat(KEY "x-farspan-zones: eu\r\n", HELLO), GATEWAY_ERROR_NO_ZONE);

    world.services[TEST_CHAT].residency = 2;
    assert_int_equal(chat(KEY, HELLO), GATEWAY_ERROR_NO_ZONE);
}

static void only_a_peer_is_believed_about_hop_tenant_and_epoch(void **state)
{
    (void)state;
    const char *said = "x-farspan-tenant: other\r\nx-farspan-epoch: 3\r\nx-farspan-hop: b:west\r\n";
    char headers[512];
    struct text text;
    text_init(&text, headers, sizeof headers);
    text_add(&text, KEY "%s", said);
    assert_int_equal(chat(headers, HELLO), GATEWAY_FINE); /* a client's words count for nothing */
    assert_true(span_is(request.tenant, "acme"));
    struct route_request wanted;
    gateway_request_view(&request, &law, 1000, 0, &wanted);
    assert_true(wanted.may_hop);

    assert_int_equal(chat(PEER "x-farspan-tenant: other\r\nx-farspan-epoch: 7\r\n", HELLO),
                     GATEWAY_FINE);
    assert_true(span_is(request.tenant, "other"));
    gateway_request_view(&request, &law, 1000, 0, &wanted);
    assert_false(wanted.may_hop);
    assert_int_equal(chat(PEER "x-farspan-epoch: 6\r\n", HELLO), GATEWAY_ERROR_STALE_EPOCH);
    assert_int_equal(chat("authorization: Peer " HEX "\r\n", HELLO), GATEWAY_ERROR_NO_KEY);
}

static void a_shorter_deadline_wins(void **state)
{
    (void)state;
    assert_int_equal(chat(KEY "x-farspan-deadline-ms: 5\r\n", HELLO), GATEWAY_FINE);
    assert_int_equal(request.deadline_us, 1000 + 5000);
    assert_int_equal(chat(KEY "x-farspan-deadline-ms: 99999999\r\n", HELLO), GATEWAY_FINE);
    assert_int_equal(request.deadline_us, 1000 + 30 * 1000 * 1000);
}

/* A prompt of several blocks in the two orders in which clients write it. */
static void key_order_does_not_change_the_prompts_chain(void **state)
{
    (void)state;
    static char long_text[1024], first[1400], second[1400];
    memset(long_text, 'a', sizeof long_text - 1);
    snprintf(first, sizeof first,
             "{\"model\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
             long_text);
    snprintf(second, sizeof second,
             "{\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}],\"model\":\"chat\"}",
             long_text);
    assert_int_equal(chat(KEY, first), GATEWAY_FINE);
    assert_int_equal(request.chain.hash_count, 4);
    uint64_t hash = request.chain.hash[3];
    assert_int_equal(chat(KEY, second), GATEWAY_FINE);
    assert_true(request.chain.hash[3] == hash);
    keys.row[0].tenant = SPAN_LITERAL("other"); /* tenants share nothing */
    assert_int_equal(chat(KEY, second), GATEWAY_FINE);
    assert_true(request.chain.hash[3] != hash);
}

static void an_id_of_the_client_is_kept_when_it_is_fit(void **state)
{
    (void)state;
    assert_int_equal(chat(KEY "x-request-id: my-id\r\n", HELLO), GATEWAY_FINE);
    assert_true(span_is(gateway_request_id(&request), "my-id"));
    assert_int_equal(chat(KEY "x-request-id: my id\r\n", HELLO), GATEWAY_FINE);
    assert_true(span_is(gateway_request_id(&request), "0000000000000abc"));
}

static void the_models_value_is_found_where_it_stands(void **state)
{
    (void)state;
    static const struct {
        const char *body, *value;
    } rows[] = {
        {"{\"model\":\"a\"}", "\"a\""},
        {"{ \"x\" : {\"model\":\"no\"}, \"y\":[\"model\"], \"model\" :  \"a\\\"b\" , \"z\":1}",
         "\"a\\\"b\""},
        {"{\"m\":\"\\\"model\\\":\",\"model\":\"a\"}", "\"a\""},
        {"{\"mod\\u0065l\":\"\\u0061\"}", "\"\\u0061\""},
        {"{\"x\":1}", ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct span body = span_of(rows[i].body);
        json_scan_init(&request.scan, NULL);
        assert_int_equal(gateway_request_add(&request, body), GATEWAY_FINE);
        assert_true(span_is(gateway_request_model_value(&request, body), rows[i].value));
    }
}

static void no_step_leads_back_from_an_answer(void **state)
{
    (void)state;
    request.step = GATEWAY_STEP_READ;
    static const enum gateway_step life[] = {
        GATEWAY_STEP_CHOOSE, GATEWAY_STEP_SEND, GATEWAY_STEP_CHOOSE, GATEWAY_STEP_PAUSE,
        GATEWAY_STEP_CHOOSE, GATEWAY_STEP_SEND, GATEWAY_STEP_RELAY,  GATEWAY_STEP_SETTLE};
    for (size_t i = 0; i < COUNT_OF(life); i++)
        gateway_request_move(&request, life[i]);
    assert_int_equal(request.step, GATEWAY_STEP_SETTLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_good_chat_knows_its_service_tenant_sizes_and_deadline, set_up),
        cmocka_unit_test_setup(refusals_name_what_is_wrong, set_up),
        cmocka_unit_test_setup(cutting_the_body_anywhere_changes_nothing, set_up),
        cmocka_unit_test_setup(residency_of_service_key_and_header_all_hold, set_up),
        cmocka_unit_test_setup(only_a_peer_is_believed_about_hop_tenant_and_epoch, set_up),
        cmocka_unit_test_setup(a_shorter_deadline_wins, set_up),
        cmocka_unit_test_setup(key_order_does_not_change_the_prompts_chain, set_up),
        cmocka_unit_test_setup(an_id_of_the_client_is_kept_when_it_is_fit, set_up),
        cmocka_unit_test_setup(the_models_value_is_found_where_it_stands, set_up),
        cmocka_unit_test_setup(no_step_leads_back_from_an_answer, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
