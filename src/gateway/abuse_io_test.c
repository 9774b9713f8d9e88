/* What peers may do that mean no good, or know no better: nothing of it may reach others. */
#include <sys/resource.h>

#include "gateway/proxy_io.h"
#include "gateway/rig_raw_test.h"
#include "http/buffer_io.h"

/* A large body's first MiB lies in memory of the request. With the refusal the request is over, and
 * what the socket has not taken until then must not be sent from there any more. */
static void a_body_that_is_refused_half_way_is_not_sent_any_further(void **state)
{
    (void)state;
    enum { SIZE = 1500 * 1000 };
    static char body[SIZE + 1], buffer[8192];
    struct rig rig;
    struct rig_answer answer;
    rig_open(&rig, 1, NULL);
    int listener = raw_listen(&rig, 0);
    memset(body, ' ', SIZE);
    memcpy(body, "{\"model\":\"chat\",", strlen("{\"model\":\"chat\","));
    rig_ask_with(&rig, &answer, "POST /v1/chat/completions HTTP/1.1\r\n", span_from(body, SIZE - 1),
                 SIZE);
    int fd = raw_accept(&rig, listener, buffer, sizeof buffer);
    static const char refusal[] = "HTTP/1.1 503 Busy\r\ncontent-length: 100\r\n\r\n";
    assert_int_equal(send(fd, refusal, strlen(refusal), MSG_NOSIGNAL), strlen(refusal));
    RIG_UNTIL(&rig, answer.is_over);
    assert_int_equal(answer.status, 503);

    size_t got = 0;
    bool is_over = false;
    RIG_UNTIL(&rig, is_over || (is_over = raw_has_ended(fd, &got, SIZE)));
    assert_true(got < SIZE / 2);
    close(fd);
    close(listener);
    rig_close(&rig);
}

static void deadlines_of_a_callers_own_choice_take_no_replica_from_others(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_answer answer;
    rig_open(&rig, 1, NULL);
    rig_serve(&rig, 0);
    const struct gateway_targets *targets = &rig.gateway->loops[0]->services[0];
    for (unsigned i = 0; i < 6; i++) {
        rig_ask_with(&rig, &answer,
                     "POST /v1/chat/completions HTTP/1.1\r\nx-farspan-deadline-ms: 20\r\n",
                     span_of(RIG_CHAT), (int64_t)strlen(RIG_CHAT));
        RIG_UNTIL(&rig, answer.is_over);
        assert_int_equal(answer.status, 504);
    }
    assert_int_equal(targets->breakers[0].state, ROUTE_BREAKER_CLOSED);
    assert_int_equal(targets->breakers[0].failure_run, 0);
    rig_close(&rig);
}

static void a_spent_budget_of_held_bodies_is_not_the_clients_fault(void **state)
{
    (void)state;
    enum { BUFFERS_MAX = 2048 };
    struct rig rig;
    struct rig_answer answer;
    struct buffer_pool pool;
    struct buffer *spent[BUFFERS_MAX];
    unsigned count = 0;
    rig_open(&rig, 1, NULL);
    rig_serve(&rig, 0);
    rig.servers[0].status = 200;
    buffer_pool_init(&pool);
    for (unsigned class = BUFFER_CLASSES; class > 0; class --) {
        bool has_room = true;
        while (has_room) {
            assert_true(count < BUFFERS_MAX);
            spent[count] = buffer_take_class(&pool, class - 1);
            has_room = buffer_charge(spent[count++]);
        }
    }
    static char body[100 * 1000];
    snprintf(body, sizeof body, "{\"messages\":[{\"role\":\"user\",\"content\":\"%090000d\"}],%s}",
             0, "\"model\":\"chat\"");
    rig_post(&rig, &answer, "/v1/chat/completions", body);
    RIG_UNTIL(&rig, answer.is_over);
    assert_int_equal(answer.status, 503);
    assert_non_null(strstr(answer.head, "retry-after"));
    assert_non_null(strstr(answer.body, "gateway_full"));
    rig_post(&rig, &answer, "/v1/chat/completions", RIG_CHAT); /* a small one needs no budget */
    RIG_UNTIL(&rig, answer.is_over);
    assert_int_equal(answer.status, 200);
    while (count > 0)
        buffer_unref(spent[--count]);
    buffer_pool_fini(&pool);
    rig_post(&rig, &answer, "/v1/chat/completions", body);
    RIG_UNTIL(&rig, answer.is_over);
    assert_int_equal(answer.status, 200);
    rig_close(&rig);
}

static void to_head_the_length_of_get_is_told(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_answer answer;
    rig_open(&rig, 1, NULL);
    rig_serve(&rig, 0);
    rig.servers[0].status = 200;
    rig.servers[0].body = "{\"name\":\"chat\"}";
    memset(&answer, 0, sizeof answer);
    struct http_request request = {
        .head = SPAN_LITERAL("HEAD /v2/models/chat HTTP/1.1\r\n"),
        .is_head_method = true,
        .handler = &rig_call_handler,
        .user = &answer,
    };
    answer.call = http_call(rig.door, &request);
    RIG_UNTIL(&rig, answer.is_over);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.head, "content-length: 15\n"));
    assert_int_equal(answer.size, 0);
    rig_close(&rig);
}

static void clients_leave_descriptors_for_targets(void **state)
{
    (void)state;
    enum { FILES = 112, CLIENTS = 44, CAP = (FILES - 32) / 2 };
    struct rlimit before, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){FILES, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    struct rig rig;
    rig_open(&rig, 1, NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    struct http_server *server = rig.gateway->loops[0]->server;
    int clients[CLIENTS];
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = raw_connect(&rig);
    size_t got = 0;
    RIG_UNTIL(&rig, raw_has_ended(clients[CLIENTS - 1], &got, 1));
    assert_int_equal(http_server_connections(server), CAP);
    for (unsigned i = 0; i < CLIENTS; i++)
        close(clients[i]);
    rig_close(&rig);
}

/* Its job travels through the loops; they end while it is under way. */
static void metrics_asked_at_the_very_end_leave_nothing_behind(void **state)
{
    (void)state;
    const struct gateway_config config = {.is_open = true, .threads = 3};
    for (unsigned rounds = 0; rounds < 8; rounds++) {
        struct rig rig;
        struct rig_answer answer;
        rig_open(&rig, 1, &config);
        rig_get(&rig, &answer, "/metrics");
        for (unsigned i = 0; i < rounds; i++)
            net_loop_run_once(rig.loop, 100);
        rig_close(&rig);
    }
}

/* As by callers who announce 1 MiB each and send nothing. */
static void large_bodies_that_never_come_leave_room_for_the_beginnings_of_others(void **state)
{
    (void)state;
    enum { BUFFERS_MAX = 512, SIZE = 300 * 1000 };
    static struct rig_answer answer;
    static char body[SIZE + 1];
    struct rig rig;
    struct buffer_pool pool;
    struct buffer *spent[BUFFERS_MAX];
    unsigned count = 0;
    rig_open(&rig, 1, NULL);
    rig_serve(&rig, 0);
    rig.servers[0].status = 200;
    buffer_pool_init(&pool);
    do
        spent[count] = buffer_take_class(&pool, BUFFER_CLASSES - 1);
    while (buffer_charge(spent[count++]) && count < BUFFERS_MAX);
    snprintf(body, sizeof body,
             "{\"model\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"%0*d\"}]}",
             SIZE - 64, 0);
    for (unsigned i = 0; i < 2; i++) { /* of a known length, and chunked */
        int64_t length = i ? HTTP_LENGTH_CHUNKED : (int64_t)strlen(body);
        rig_ask_with(&rig, &answer, "POST /v1/chat/completions HTTP/1.1\r\n",
                     i ? (struct span){NULL, 0} : span_of(body), length);
        struct span left = i ? span_of(body) : (struct span){NULL, 0};
        while (left.n > 0) {
            size_t n = http_call_send(answer.call, left);
            left = span_from(left.p + n, left.n - n);
            net_loop_run_once(rig.loop, 1000);
        }
        if (i)
            http_call_send_end(answer.call);
        RIG_UNTIL(&rig, answer.is_over);
        assert_int_equal(answer.status, 200);
        assert_int_equal(rig.servers[0].seen_size, strlen(body));
        assert_memory_equal(rig.servers[0].seen_body, body, strlen(body));
    }
    while (count > 0)
        buffer_unref(spent[--count]);
    buffer_pool_fini(&pool);
    assert_int_equal(buffer_held_bytes(), 0);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_that_is_refused_half_way_is_not_sent_any_further),
        cmocka_unit_test(deadlines_of_a_callers_own_choice_take_no_replica_from_others),
        cmocka_unit_test(a_spent_budget_of_held_bodies_is_not_the_clients_fault),
        cmocka_unit_test(large_bodies_that_never_come_leave_room_for_the_beginnings_of_others),
        cmocka_unit_test(to_head_the_length_of_get_is_told),
        cmocka_unit_test(clients_leave_descriptors_for_targets),
        cmocka_unit_test(metrics_asked_at_the_very_end_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
