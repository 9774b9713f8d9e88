/* Two gateways of a small world (world_test.h) and the workers behind them, each on the loop of its
 * gateway; the link between them is left out: the second gateway listens where the link would. */
#include "gateway/rig_test.h"

#include "fleet/layout.h"
#include "gateway/world_test.h"

static const uint8_t peer_secret[CRYPTO_KEY_SIZE] = {1, 2, 3};

#define LOAD(replicas)                                                                             \
    "data: {\"epoch\":7,\"worker\":\"w\",\"draining\":false,\"replicas\":[" replicas "]}\n\n"
#define REPLICA(i, ready)                                                                          \
    "{\"replica\":" #i ",\"ready\":" ready ",\"running\":0,\"waiting\":0,\"slots\":4,"             \
    "\"queue_max\":8,\"context_tokens\":512,\"instance\":1}"

struct two {
    struct test_world world;
    int64_t said_us[2];
    bool is_silent[2]; /* the worker of region i says nothing any more, as when it is stopped */
    uint16_t port_base;
    struct rig rigs[2]; /* gateway of region i, its worker as server 0 */
};

static void say(struct two *two, unsigned region)
{
    struct rig_server *worker = &two->rigs[region].servers[0];
    int64_t now_us = os_now_us();
    if (two->is_silent[region] || !worker->load_exchange || now_us < two->said_us[region] + 50000)
        return;
    two->said_us[region] = now_us;
    http_answer_body(worker->load_exchange, span_of(worker->load));
}

static void run_both(struct two *two)
{
    for (unsigned i = 0; i < 2; i++) {
        if (!two->rigs[i].gateway)
            continue;
        net_loop_run_once(two->rigs[i].loop, 1000);
        say(two, i);
    }
}

#define TWO_UNTIL(two, condition)                                                                  \
    do {                                                                                           \
        int64_t two_end_us = os_now_us() + RIG_WAIT_US;                                            \
        while (!(condition) && os_now_us() < two_end_us)                                           \
            run_both(two);                                                                         \
        assert_true(condition);                                                                    \
    } while (0)

/* A range of ports that nobody uses, of which none is dealt out to clients (below 32768). */
static uint16_t find_base(const struct fleet *fleet)
{
    uint32_t count = fleet_port_count(fleet);
    for (uint32_t base = 12000 + (uint32_t)getpid() % 500 * 32; base < 32000; base += 32) {
        uint32_t i = 0;
        for (; i < count; i++) {
            uint16_t port = (uint16_t)(base + i);
            if (!rig_is_free(&port))
                break;
        }
        if (i == count)
            return (uint16_t)base;
    }
    fail_msg("no free ports");
    return 0;
}

static void open_gateway(struct two *two, unsigned region)
{
    struct rig *rig = &two->rigs[region];
    char buffer[512];
    struct text why;
    text_init(&why, buffer, sizeof buffer);
    struct gateway_config config = {.fleet = &two->world.fleet,
                                    .region = (uint16_t)region,
                                    .port_base = two->port_base,
                                    .threads = 1,
                                    .peer_secret = peer_secret};
    net_address_loopback(fleet_port_link(&two->world.fleet, two->port_base, (uint16_t)(1 - region),
                                         (uint16_t)region),
                         &config.listen);
    if (gateway_new(&config, &rig->gateway, &why) != ERR_OK)
        fail_msg("%s", buffer);
    rig->fleet = &two->world.fleet;
    rig->loop = gateway_main_loop(rig->gateway);
    assert_int_equal(http_client_new(rig->loop, &rig->client), ERR_OK);
    snprintf(rig->urls[1], sizeof rig->urls[1], "http://127.0.0.1:%u",
             net_address_port(&config.listen));
    assert_int_equal(http_origin_new(rig->client, span_of(rig->urls[1]), NULL,
                                     rig->gateway->loops[0]->resolver, &rig->door, &why),
                     ERR_OK);
}

static void open_worker(struct two *two, unsigned region, const char *load)
{
    struct rig *rig = &two->rigs[region];
    snprintf(rig->urls[0], sizeof rig->urls[0], "http://127.0.0.1:%u",
             fleet_port_worker(&two->world.fleet, two->port_base, (uint16_t)region));
    rig->server_count = 1;
    rig_serve(rig, 0);
    rig->servers[0].load = load;
    rig->servers[0].status = 200;
    rig->servers[0].body = region == 0 ? "{\"from\":\"east\"}" : "{\"from\":\"west\"}";
}

static bool is_ready(struct two *two, unsigned region, unsigned target)
{
    struct gateway_loop *loop = two->rigs[region].gateway->loops[0];
    return gateway_targets_is_ready(&loop->services[TEST_CHAT], target, os_now_us());
}

static void open_two(struct two *two)
{
    memset(two, 0, sizeof *two);
    test_world_init(&two->world);
    crypto_sha256(SPAN_LITERAL("k"), two->world.keys[0].sha256);
    two->port_base = find_base(&two->world.fleet);
    open_gateway(two, 0);
    open_gateway(two, 1);
    open_worker(two, 0, LOAD(REPLICA(0, "true") "," REPLICA(1, "true")));
    open_worker(two, 1, LOAD(REPLICA(2, "true")));
    TWO_UNTIL(two, is_ready(two, 0, 0) && is_ready(two, 0, 1));
    TWO_UNTIL(two, is_ready(two, 1, 0) && is_ready(two, 1, 1));
}

static void close_two(struct two *two)
{
    for (unsigned i = 0; i < 2; i++)
        if (two->rigs[i].gateway)
            rig_close(&two->rigs[i]);
}

static void ask(struct two *two, unsigned region, const char *headers, struct rig_answer *answer)
{
    char head[512];
    snprintf(head, sizeof head,
             "POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer k\r\n%s", headers);
    rig_ask_with(&two->rigs[region], answer, head, span_of(RIG_CHAT), (int64_t)strlen(RIG_CHAT));
    TWO_UNTIL(two, answer->is_over);
}

static void the_own_regions_worker_is_asked_as_a_peer(void **state)
{
    (void)state;
    struct two two;
    struct rig_answer answer;
    open_two(&two);
    ask(&two, 0, "", &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "{\"from\":\"east\"}");
    const char *seen = two.rigs[0].servers[0].seen_head;
    assert_non_null(strstr(seen, "authorization: Peer 010203"));
    assert_non_null(strstr(seen, "x-farspan-tenant: acme"));
    assert_non_null(strstr(seen, "x-farspan-epoch: 7"));
    assert_non_null(strstr(seen, "x-farspan-deadline-ms: "));
    assert_null(strstr(seen, "x-farspan-hop"));
    close_two(&two);
}

static void a_zone_is_reached_by_one_authenticated_hop(void **state)
{
    (void)state;
    struct two two;
    struct rig_answer answer;
    open_two(&two);
    ask(&two, 0, "x-farspan-zones: eu\r\n", &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "{\"from\":\"west\"}");
    /* One element a hop, nearest first. */
    assert_non_null(strstr(answer.head, "x-farspan-route: b:west;"));
    assert_non_null(strstr(answer.head, ", b:west/w1-chat;"));
    assert_non_null(strstr(two.rigs[1].servers[0].seen_head, "x-farspan-zones: eu"));
    assert_non_null(strstr(two.rigs[1].servers[0].seen_head, "x-farspan-tenant: acme"));
    close_two(&two);
}

static void residency_holds_though_the_only_allowed_worker_is_gone(void **state)
{
    (void)state;
    struct two two;
    struct rig_answer answer;
    open_two(&two);
    two.rigs[1].servers[0].load = LOAD(REPLICA(2, "false"));
    TWO_UNTIL(&two, !is_ready(&two, 0, 1));
    unsigned before = two.rigs[0].servers[0].request_count;
    ask(&two, 0, "x-farspan-zones: eu\r\n", &answer);
    assert_int_equal(answer.status, 503);
    assert_non_null(strstr(answer.head, "retry-after: "));
    assert_int_equal(two.rigs[0].servers[0].request_count, before); /* never in the us */
    close_two(&two);
}

static void a_hop_is_never_forwarded(void **state)
{
    (void)state;
    struct two two;
    struct rig_answer answer;
    open_two(&two);
    two.rigs[1].servers[0].load = LOAD(REPLICA(2, "false"));
    TWO_UNTIL(&two, !is_ready(&two, 1, 0));
    rig_ask_with(&two.rigs[1], &answer,
                 "POST /v1/chat/completions HTTP/1.1\r\nx-farspan-hop: a:east\r\n"
                 "authorization: Peer "
                 "0102030000000000000000000000000000000000000000000000000000000000\r\n",
                 span_of(RIG_CHAT), (int64_t)strlen(RIG_CHAT));
    TWO_UNTIL(&two, answer.is_over);
    assert_int_equal(answer.status, 503);
    assert_int_equal(two.rigs[0].servers[0].request_count, 0);
    close_two(&two);
}

static void a_lost_region_is_left_at_once_and_found_again(void **state)
{
    (void)state;
    struct two two;
    struct rig_answer answer;
    open_two(&two);
    two.rigs[0].servers[0].load = LOAD(REPLICA(0, "false")); /* so that the other region is asked */
    TWO_UNTIL(&two, !is_ready(&two, 0, 0));
    ask(&two, 0, "", &answer);
    assert_string_equal(answer.body, "{\"from\":\"west\"}");

    rig_close(&two.rigs[1]);
    memset(&two.rigs[1], 0, sizeof two.rigs[1]);
    int64_t closed_us = os_now_us();
    TWO_UNTIL(&two, !is_ready(&two, 0, 1));
    assert_true(os_now_us() - closed_us <
                GATEWAY_SAMPLE_LOST_US / 2); /* it does not wait for age */
    ask(&two, 0, "", &answer);
    assert_int_equal(answer.status, 503);

    open_gateway(&two, 1);
    open_worker(&two, 1, LOAD(REPLICA(2, "true")));
    TWO_UNTIL(&two, is_ready(&two, 0, 1));
    ask(&two, 0, "", &answer);
    assert_string_equal(answer.body, "{\"from\":\"west\"}");
    close_two(&two);
}

static void a_request_that_waits_on_a_silent_worker_goes_elsewhere(void **state)
{
    (void)state;
    struct two two;
    struct rig_answer answer;
    open_two(&two);
    two.rigs[0].servers[0].status = 0; /* takes the request */
    two.is_silent[0] = true;
    ask(&two, 0, "", &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "{\"from\":\"west\"}");
    assert_int_equal(two.rigs[0].servers[0].request_count, 1);
    close_two(&two);
}

static void a_workers_word_on_a_callers_deadline_condemns_nobody(void **state)
{
    (void)state;
    static struct two two;
    static struct rig_answer answer;
    open_two(&two);
    two.rigs[0].servers[0].status = 504;
    for (unsigned i = 0; i < 6; i++) {
        ask(&two, 0, "x-farspan-deadline-ms: 5000\r\nx-farspan-zones: us\r\n", &answer);
        assert_int_equal(answer.status, 504);
    }
    assert_int_equal(two.rigs[0].servers[0].request_count, 6); /* nobody was asked again */
    const struct gateway_targets *targets = &two.rigs[0].gateway->loops[0]->services[TEST_CHAT];
    assert_int_equal(targets->breakers[0].state, ROUTE_BREAKER_CLOSED);
    assert_int_equal(targets->breakers[0].failure_run, 0);
    two.rigs[0].servers[0].status = 200;
    ask(&two, 0, "x-farspan-zones: us\r\n", &answer);
    assert_int_equal(answer.status, 200);
    close_two(&two);
}

static void a_hop_that_is_refused_gives_back_its_places(void **state)
{
    (void)state;
    static struct two two;
    static struct rig_answer answer;
    open_two(&two);
    two.rigs[1].servers[0].status = 503;
    for (unsigned i = 0; i < 3; i++)
        ask(&two, 0, "x-farspan-zones: eu\r\n", &answer);
    assert_true(answer.status == 503 || answer.status == 429); /* it cools by now */
    assert_true(two.rigs[1].servers[0].request_count > 0);
    for (unsigned i = 0; i < 4; i++) {
        struct gateway *gateway = two.rigs[i / 2].gateway;
        const struct gateway_words *words = gateway_words_of(gateway, TEST_CHAT, i % 2);
        TWO_UNTIL(&two, GATEWAY_LOAD(words->in_flight) == 0);
        assert_int_equal(GATEWAY_LOAD(words->queued_tokens), 0);
        assert_int_equal(gateway->loops[0]->metrics->gauge[METRICS_requests_in_flight][0], 0);
    }
    close_two(&two);
}

static void words_of_an_older_epoch_are_not_believed(void **state)
{
    (void)state;
    struct two two;
    open_two(&two);
    two.is_silent[0] = true;
    struct http_exchange *stream = two.rigs[0].servers[0].load_exchange;
    http_answer_body(stream, SPAN_LITERAL("data: {\"epoch\":6,\"draining\":false,\"replicas\":"
                                          "[" REPLICA(0, "false") "]}\n\n"));
    /* What comes behind it, of the other replica, shows that it was read. */
    http_answer_body(stream, SPAN_LITERAL("data: {\"epoch\":7,\"draining\":false,\"replicas\":"
                                          "[" REPLICA(1, "false") "]}\n\n"));
    struct gateway_words *risk = gateway_words_of(two.rigs[0].gateway, TEST_RISK, 0);
    TWO_UNTIL(&two, !GATEWAY_LOAD(risk->is_ready));
    assert_true(is_ready(&two, 0, 0));
    close_two(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_own_regions_worker_is_asked_as_a_peer),
        cmocka_unit_test(a_zone_is_reached_by_one_authenticated_hop),
        cmocka_unit_test(residency_holds_though_the_only_allowed_worker_is_gone),
        cmocka_unit_test(a_hop_is_never_forwarded),
        cmocka_unit_test(a_lost_region_is_left_at_once_and_found_again),
        cmocka_unit_test(a_request_that_waits_on_a_silent_worker_goes_elsewhere),
        cmocka_unit_test(a_workers_word_on_a_callers_deadline_condemns_nobody),
        cmocka_unit_test(a_hop_that_is_refused_gives_back_its_places),
        cmocka_unit_test(words_of_an_older_epoch_are_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
