#include <stdlib.h>

#include "gateway/rig_test.h"

static const uint8_t peer_secret[CRYPTO_KEY_SIZE] = {1, 2, 3};
#define PEER_HEX "0102030000000000000000000000000000000000000000000000000000000000"

/* With one key "k" and a peer secret. */
static void open_with_keys(struct rig *rig, unsigned threads)
{
    static struct fleet_key key = {.name = {"k", 1}, .residency = UINT32_MAX};
    crypto_sha256(SPAN_LITERAL("k"), key.sha256);
    struct gateway_config config = {
        .threads = (uint16_t)threads, .key = &key, .peer_secret = peer_secret};
    rig_open(rig, 1, &config);
    rig_serve(rig, 0);
    rig->servers[0].status = 200;
}

static void expect(struct rig *rig, const char *head, const char *body, unsigned status,
                   const char *part)
{
    struct rig_answer answer;
    rig_ask_with(rig, &answer, head, span_of(body), (int64_t)strlen(body));
    RIG_UNTIL(rig, answer.is_over);
    if (answer.status != status || !strstr(answer.body, part))
        fail_msg("%s: status %u, %s", head, answer.status, answer.body);
}

#define KEY  "authorization: Bearer k\r\n"
#define PEER "authorization: Peer " PEER_HEX "\r\n"

static void each_door_opens_to_its_own_key_only(void **state)
{
    (void)state;
    struct rig rig;
    open_with_keys(&rig, 1);
    expect(&rig, "POST /v1/chat/completions HTTP/1.1\r\n" KEY, RIG_CHAT, 200, "{}");
    expect(&rig, "POST /v1/chat/completions HTTP/1.1\r\n", RIG_CHAT, 401, "invalid_api_key");
    expect(&rig, "POST /v1/chat/completions HTTP/1.1\r\n" PEER, RIG_CHAT, 401, "invalid_api_key");
    expect(&rig, "GET /v1/models HTTP/1.1\r\n", "", 401, "invalid_api_key");
    expect(&rig, "GET /peer/v1/state HTTP/1.1\r\n" KEY, "", 403, "forbidden");
    expect(&rig, "GET /peer/v1/state HTTP/1.1\r\n" PEER, "", 200, "\"role\":\"gateway\"");
    expect(&rig, "GET /healthz HTTP/1.1\r\n", "", 200, "ok");
    assert_int_equal(rig.servers[0].request_count, 1);
    rig_close(&rig);
}

static void mistakes_get_their_status_and_say_what_to_do(void **state)
{
    (void)state;
    struct rig rig;
    open_with_keys(&rig, 1);
    expect(&rig, "GET /v1/nothing HTTP/1.1\r\n" KEY, "", 404, "POST /v1/chat/completions");
    expect(&rig, "GET /v2/nothing HTTP/1.1\r\n" KEY, "", 404, "{\"error\":\"");
    expect(&rig, "PUT /v1/models HTTP/1.1\r\n" KEY, "{}", 405, "method_not_allowed");
    expect(&rig, "POST /v1/chat/completions HTTP/1.1\r\n" KEY,
           "{\"model\":\"none\",\"messages\":[{}]}", 404, "model_not_found");
    expect(&rig, "POST /v1/chat/completions HTTP/1.1\r\n" KEY,
           "{\"model\":\"chat\",\"stream\":\"yes\"}", 400, "\"param\":\"stream\"");
    expect(&rig, "POST /v1/chat/completions HTTP/1.1\r\n" KEY, "{\"model\":", 400, "invalid_json");
    expect(&rig, "POST /v1/chat/completions HTTP/1.1\r\ncontent-type: text/xml\r\n" KEY, RIG_CHAT,
           415, "unsupported_media_type");
    assert_int_equal(rig.servers[0].request_count, 0);
    rig_close(&rig);
}

static void a_body_of_100_mb_is_refused_at_its_head(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_answer answer;
    open_with_keys(&rig, 1);
    rig_ask_with(&rig, &answer, "POST /v1/chat/completions HTTP/1.1\r\n" KEY, (struct span){0, 0},
                 100 * 1000 * 1000);
    RIG_UNTIL(&rig, answer.is_over || answer.status);
    assert_int_equal(answer.status, 413);
    RIG_UNTIL(&rig, answer.is_over);
    assert_non_null(strstr(answer.body, "request_too_large"));
    rig_close(&rig);
}

static void deep_nesting_and_bad_bytes_are_refused_without_harm(void **state)
{
    (void)state;
    struct rig rig;
    open_with_keys(&rig, 1);
    enum { DEEP = 100 * 1000 };
    char *deep = os_alloc(DEEP + 1);
    memset(deep, '[', DEEP);
    memcpy(deep, "{\"a\":", 5);
    expect(&rig, "POST /v1/chat/completions HTTP/1.1\r\n" KEY, deep, 400, "invalid_json");
    os_free(deep);
    expect(&rig, "POST /v1/chat/completions HTTP/1.1\r\n" KEY,
           "{\"model\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}", 400,
           "invalid_json");
    rig_close(&rig);
}

static void the_lists_and_healths_answer(void **state)
{
    (void)state;
    struct rig rig;
    open_with_keys(&rig, 1);
    expect(&rig, "GET /v1/models HTTP/1.1\r\n" KEY, "", 200,
           "{\"object\":\"list\",\"data\":[{\"id\":\"chat\"");
    expect(&rig, "GET /v1/models/chat HTTP/1.1\r\n" KEY, "", 200, "{\"id\":\"chat\"");
    expect(&rig, "GET /v1/models/none HTTP/1.1\r\n" KEY, "", 404, "model_not_found");
    expect(&rig, "GET /v2 HTTP/1.1\r\n" KEY, "", 200, "farspan");
    expect(&rig, "GET /v2/ HTTP/1.1\r\n" KEY, "", 200, "farspan");
    expect(&rig, "GET /v2/health/live HTTP/1.1\r\n" KEY, "", 200, "true");
    expect(&rig, "GET /v2/health/ready HTTP/1.1\r\n" KEY, "", 200, "true");
    expect(&rig, "GET /v2/models/chat/ready HTTP/1.1\r\n" KEY, "", 200, "true");
    expect(&rig, "GET /v2/models/chat HTTP/1.1\r\n" KEY, "", 200, "{}");
    expect(&rig, "POST /v2/models/chat/infer HTTP/1.1\r\n" KEY, "{\"inputs\":[]}", 200, "{}");
    rig_close(&rig);
}

static void metrics_add_up_over_all_loops(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_answer answer;
    open_with_keys(&rig, 3);
    for (unsigned i = 0; i < 8; i++) {
        /* Fresh connections, so that the kernel deals them out among the loops. */
        rig_ask_with(&rig, &answer,
                     "POST /v1/chat/completions HTTP/1.1\r\nconnection: close\r\n" KEY,
                     span_of(RIG_CHAT), (int64_t)strlen(RIG_CHAT));
        RIG_UNTIL(&rig, answer.is_over);
        assert_int_equal(answer.status, 200);
    }
    static struct rig_answer metrics;
    rig_get(&rig, &metrics, "/metrics");
    RIG_UNTIL(&rig, metrics.is_over);
    assert_int_equal(metrics.status, 200);
    assert_non_null(strstr(metrics.body, "farspan_requests_total{service=\"chat\"} 8"));
    rig_close(&rig);
}

static void a_decision_is_explained_without_traffic(void **state)
{
    (void)state;
    struct rig rig;
    open_with_keys(&rig, 1);
    expect(&rig, "POST /peer/v1/explain HTTP/1.1\r\n" PEER,
           "{\"path\":\"/v1/chat/completions\",\"body\":" RIG_CHAT "}", 200, "\"chosen\":\"local/");
    expect(&rig, "POST /peer/v1/explain HTTP/1.1\r\n" PEER, "{\"zones\":[\"mars\"],\"body\":{}}",
           400, "error");
    expect(&rig, "POST /peer/v1/explain HTTP/1.1\r\n" PEER, "nonsense", 400, "invalid_json");
    expect(&rig, "POST /peer/v1/explain HTTP/1.1\r\n" KEY, "{}", 403, "forbidden");
    assert_int_equal(rig.servers[0].request_count, 0);
    rig_close(&rig);
}

static void settings_that_would_be_unsafe_are_refused(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, 1, NULL);
    char buffer[512];
    struct text why;
    text_init(&why, buffer, sizeof buffer);
    struct gateway *gateway;
    struct gateway_config config = {.fleet = rig.fleet, .threads = 1, .is_open = true};
    assert_true(net_address_parse(SPAN_LITERAL("0.0.0.0:0"), &config.listen));
    assert_int_equal(gateway_new(&config, &gateway, &why), ERR_DENIED);
    config.is_insecure = true; /* but not without a key */
    assert_int_equal(gateway_new(&config, &gateway, &why), ERR_DENIED);
    net_address_loopback(0, &config.listen);
    config.is_open = false; /* no key and not open: nobody could ask */
    assert_int_equal(gateway_new(&config, &gateway, &why), ERR_VALUE);

    config.is_open = true; /* a port that is in use, with one thread and with several */
    net_address_loopback(http_server_port(rig.gateway->loops[0]->server), &config.listen);
    assert_int_not_equal(gateway_new(&config, &gateway, &why), ERR_OK);
    config.threads = 2;
    assert_int_not_equal(gateway_new(&config, &gateway, &why), ERR_OK);
    rig_close(&rig);
}

static void a_key_in_a_file_is_read_and_an_empty_one_refused(void **state)
{
    (void)state;
    char path[] = "/tmp/farspan-key-XXXXXX", buffer[512];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "k\n", 2), 2);
    struct rig rig;
    struct fleet_key key = {.name = {"k", 1}, .residency = UINT32_MAX, .file = span_of(path)};
    struct gateway_config config = {.key = &key};
    rig_open(&rig, 1, &config);
    rig_serve(&rig, 0);
    rig.servers[0].status = 200;
    expect(&rig, "POST /v1/chat/completions HTTP/1.1\r\n" KEY, RIG_CHAT, 200, "{}");
    expect(&rig, "POST /v1/chat/completions HTTP/1.1\r\n", RIG_CHAT, 401, "invalid_api_key");

    assert_int_equal(ftruncate(fd, 0), 0);
    struct text why;
    text_init(&why, buffer, sizeof buffer);
    struct gateway *gateway;
    config.fleet = rig.fleet;
    config.threads = 1;
    net_address_loopback(0, &config.listen);
    assert_int_equal(gateway_new(&config, &gateway, &why), ERR_NOT_FOUND);
    assert_non_null(strstr(buffer, path));
    close(fd);
    unlink(path);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_door_opens_to_its_own_key_only),
        cmocka_unit_test(mistakes_get_their_status_and_say_what_to_do),
        cmocka_unit_test(a_body_of_100_mb_is_refused_at_its_head),
        cmocka_unit_test(deep_nesting_and_bad_bytes_are_refused_without_harm),
        cmocka_unit_test(the_lists_and_healths_answer),
        cmocka_unit_test(metrics_add_up_over_all_loops),
        cmocka_unit_test(a_decision_is_explained_without_traffic),
        cmocka_unit_test(settings_that_would_be_unsafe_are_refused),
        cmocka_unit_test(a_key_in_a_file_is_read_and_an_empty_one_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
