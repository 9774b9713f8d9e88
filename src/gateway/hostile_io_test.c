/* Servers and callers that mean harm, each against the one thing it would get: memory beyond its
 * bound, a replica taken from others, an answer that is not its own, a line in the log. */
#include "gateway/proxy_io.h"
#include "gateway/rig_raw_test.h"

static struct gateway_targets *targets_of(const struct rig *rig)
{
    return &rig->gateway->loops[0]->services[0];
}

/* ---- the budget of held bytes ------------------------------------------------------------- */

enum { LARGE = 1500 * 1000 };

/* A body above what is held: the model first, then spaces without end. */
static struct span large_body(void)
{
    static char body[LARGE];
    static const char start[] = "{\"model\":\"chat\",";
    memset(body, ' ', sizeof body);
    memcpy(body, start, sizeof start - 1);
    return span_from(body, sizeof body);
}

static void a_large_body_counts_as_held_until_its_target_has_taken_it(void **state)
{
    (void)state;
    const int64_t lengths[] = {4 * LARGE, HTTP_LENGTH_CHUNKED};
    for (unsigned i = 0; i < COUNT_OF(lengths); i++) {
        struct rig rig;
        static struct rig_answer answer;
        char buffer[2048];
        rig_open(&rig, 1, NULL);
        int listener = raw_listen(&rig, 0);
        rig_ask_with(&rig, &answer, "POST /v1/chat/completions HTTP/1.1\r\n",
                     (struct span){NULL, 0}, lengths[i]);
        struct span left = large_body();
        while (left.n > LARGE / 4) {
            size_t n = http_call_send(answer.call, left);
            left = span_from(left.p + n, left.n - n);
            net_loop_run_once(rig.loop, 1000);
        }
        int fd = raw_accept(&rig, listener, buffer, sizeof buffer); /* and reads no further */
        assert_in_range(buffer_held_bytes(), LIMIT_HTTP_HELD_BODY, 2 * buffer_size_max());
        http_call_cancel(answer.call);
        RIG_UNTIL(&rig, list_is_empty(&rig.gateway->loops[0]->active));
        assert_int_equal(buffer_held_bytes(), 0);
        close(fd);
        close(listener);
        rig_close(&rig);
    }
}

static void a_renamed_body_counts_as_held_or_is_refused(void **state)
{
    (void)state;
    enum { SPENT_MAX = 2048 };
    struct rig rig;
    static struct rig_answer answer;
    struct buffer_pool pool;
    struct buffer *spent[SPENT_MAX];
    unsigned count = 0;
    rig_open(&rig, 1, NULL);
    rig.fleet->replicas[0].model_name = SPAN_LITERAL("org/chat-7b");
    rig_serve(&rig, 0);
    rig_post(&rig, &answer, "/v1/chat/completions", RIG_CHAT);
    RIG_UNTIL(&rig, rig.servers[0].exchange);
    assert_true(buffer_held_bytes() > 0);
    http_call_cancel(answer.call);
    RIG_UNTIL(&rig, buffer_held_bytes() == 0);

    buffer_pool_init(&pool);
    for (unsigned class = BUFFER_CLASSES; class > 0; class --)
        do
            spent[count] = buffer_take_class(&pool, class - 1);
        while (buffer_charge(spent[count++]) && count < SPENT_MAX);
    rig_post(&rig, &answer, "/v1/chat/completions", RIG_CHAT);
    RIG_UNTIL(&rig, answer.is_over);
    assert_int_equal(answer.status, 503);
    assert_non_null(strstr(answer.body, "gateway_full"));
    while (count > 0)
        buffer_unref(spent[--count]);
    buffer_pool_fini(&pool);
    rig_close(&rig);
}

/* ---- a caller's own deadline -------------------------------------------------------------- */

/* A server whose port answers no knock: its backlog is full. */
static int listen_full(const struct rig *rig, int fillers[8])
{
    int listener = raw_listen(rig, 0);
    assert_int_equal(listen(listener, 0), 0);
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    for (unsigned i = 0; i < 8; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (connect(fillers[i], (struct sockaddr *)&address, sizeof address) != 0)
            assert_int_equal(errno, EINPROGRESS);
    }
    return listener;
}

static void short_deadlines_of_callers_do_not_condemn_a_slow_connection(void **state)
{
    (void)state;
    struct rig rig;
    static struct rig_answer answer;
    int fillers[8];
    rig_open(&rig, 1, NULL);
    int listener = listen_full(&rig, fillers);
    for (unsigned i = 0; i < 6; i++) {
        rig_ask_with(&rig, &answer,
                     "POST /v1/chat/completions HTTP/1.1\r\nx-farspan-deadline-ms: 5\r\n",
                     span_of(RIG_CHAT), (int64_t)strlen(RIG_CHAT));
        RIG_UNTIL(&rig, answer.is_over);
        assert_int_equal(answer.status, 504);
    }
    assert_int_equal(targets_of(&rig)->breakers[0].state, ROUTE_BREAKER_CLOSED);
    assert_int_equal(targets_of(&rig)->breakers[0].failure_run, 0);
    for (unsigned i = 0; i < 8; i++)
        close(fillers[i]);
    close(listener);
    rig_close(&rig);
}

/* ---- servers ------------------------------------------------------------------------------ */

static void the_rest_of_a_refusal_that_never_comes_is_not_waited_for(void **state)
{
    (void)state;
    struct rig rig;
    static struct rig_answer answer;
    char buffer[2048];
    rig_open(&rig, 1, NULL);
    int listener = raw_listen(&rig, 0);
    rig_post(&rig, &answer, "/v1/chat/completions", RIG_CHAT);
    int fd = raw_accept(&rig, listener, buffer, sizeof buffer);
    static const char refusal[] = "HTTP/1.1 503 Busy\r\ncontent-length: 60000\r\n\r\n";
    raw_say(fd, refusal, sizeof refusal - 1);
    RIG_UNTIL(&rig, answer.is_over);
    assert_int_equal(answer.status, 503);
    size_t got = 0;
    bool is_over = false;
    for (unsigned i = 0; !is_over && i < 600; i++) { /* a byte now and then keeps no stall */
        net_loop_run_once(rig.loop, 10 * 1000);
        if (i % 20 == 0)
            is_over = send(fd, "x", 1, MSG_NOSIGNAL) < 0;
        is_over = is_over || raw_has_ended(fd, &got, 1);
    }
    assert_true(is_over);
    close(fd);
    close(listener);
    rig_close(&rig);
}

/* What stands behind an answer is nobody's: that connection is not used again. */
static void a_body_that_an_answer_may_not_have_is_nobodys_answer(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.1 204 No\r\ncontent-length: 4\r\n\r\nEVIL",
        "HTTP/1.1 304 No\r\ncontent-length: 4\r\n\r\nEVIL",
        "HTTP/1.1 304 No\r\ntransfer-encoding: chunked\r\n\r\n4\r\nEVIL\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\na: b\r\n\r\nHTTP/1.1",
        "HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxHTTP/1.1 100",
    };
    struct rig rig;
    static struct rig_answer answer;
    char buffer[2048];
    rig_open(&rig, 1, NULL);
    int listener = raw_listen(&rig, 0);
    for (unsigned i = 0; i < COUNT_OF(answers); i++) {
        GATEWAY_STORE(gateway_words_of(rig.gateway, 0, 0)->is_ready, true);
        rig_post(&rig, &answer, "/v1/chat/completions", RIG_CHAT);
        int fd = raw_accept(&rig, listener, buffer, sizeof buffer);
        raw_say(fd, answers[i], strlen(answers[i]));
        RIG_UNTIL(&rig, answer.is_over);
        assert_false(answer.is_failed);
        assert_null(strstr(answer.body, "EVIL"));
        size_t got = 0;
        RIG_UNTIL(&rig, raw_has_ended(fd, &got, 1));
        assert_int_equal(got, 0); /* no request went that way */
        close(fd);
    }
    close(listener);
    rig_close(&rig);
}

/* Answers its probe for ever, a byte at a time: that is no sign of life. */
static void a_probe_whose_answer_never_ends_is_a_failed_one(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, 1, NULL);
    int listener = raw_listen(&rig, 0), fd = -1;
    RIG_UNTIL(&rig, fd >= 0 || (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0);
    static const char head[] = "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n";
    raw_say(fd, head, sizeof head - 1);
    int64_t began_us = os_now_us(), said_us = began_us;
    bool is_over = false;
    while (!is_over && os_now_us() < began_us + RIG_WAIT_US) {
        net_loop_run_once(rig.loop, 50 * 1000);
        if (os_now_us() < said_us + 100 * 1000)
            continue;
        said_us = os_now_us();
        is_over = send(fd, "x", 1, MSG_NOSIGNAL) < 0;
    }
    assert_true(is_over);
    close(fd);
    close(listener);
    rig_close(&rig);
}

static void a_stream_that_dies_within_an_event_is_broken_and_not_mended(void **state)
{
    (void)state;
    static const char *const cuts[] = {"data: {\"par", "data: 0\n\ndata: {\"par", "data: 0\n"};
    for (unsigned i = 0; i < COUNT_OF(cuts); i++) {
        struct rig rig;
        static struct rig_answer answer;
        char buffer[2048], said[256];
        rig_open(&rig, 1, NULL);
        int listener = raw_listen(&rig, 0);
        rig_post(&rig, &answer, "/v1/chat/completions", RIG_STREAM);
        int fd = raw_accept(&rig, listener, buffer, sizeof buffer);
        snprintf(said, sizeof said,
                 "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                 "transfer-encoding: chunked\r\n\r\n%zx\r\n%s\r\n",
                 strlen(cuts[i]), cuts[i]);
        raw_say(fd, said, strlen(said));
        RIG_UNTIL(&rig, answer.size == strlen(cuts[i]));
        raw_leave(fd, false);
        RIG_UNTIL(&rig, answer.is_over);
        assert_true(answer.is_failed);
        assert_string_equal(answer.body, cuts[i]); /* nothing is glued to half an event */
        close(listener);
        rig_close(&rig);
    }
}

static void a_slow_reader_of_the_trial_does_not_keep_the_breaker_from_closing(void **state)
{
    (void)state;
    struct rig rig;
    static struct rig_answer slow, other;
    rig_open(&rig, 1, NULL);
    rig_serve(&rig, 0);
    struct route_breaker *breaker = &targets_of(&rig)->breakers[0];
    uint32_t term;
    for (unsigned i = 0; i < breaker->rules.trip_count; i++) {
        assert_true(route_breaker_admit(breaker, 1, &term));
        route_breaker_note(breaker, term, ROUTE_BREAKER_BAD, 1);
    }
    rig_post(&rig, &slow, "/v1/chat/completions", RIG_STREAM);
    RIG_UNTIL(&rig, rig.servers[0].exchange);
    http_answer(rig.servers[0].exchange, 200, SPAN_LITERAL("content-type: text/event-stream\r\n"),
                HTTP_LENGTH_CHUNKED, SPAN_LITERAL("data: 0\n\n"));
    RIG_UNTIL(&rig, slow.piece_count == 1);
    http_call_pause(slow.call); /* and never reads on */
    rig.servers[0].status = 200;
    rig_post(&rig, &other, "/v1/chat/completions", RIG_CHAT);
    RIG_UNTIL(&rig, other.is_over);
    assert_int_equal(other.status, 200);
    assert_int_equal(breaker->state, ROUTE_BREAKER_CLOSED);
    rig_close(&rig);
}

static void a_remote_server_does_not_speak_of_the_route(void **state)
{
    (void)state;
    struct rig rig;
    static struct rig_answer answer;
    rig_open(&rig, 1, NULL);
    rig_serve(&rig, 0);
    rig.servers[0].status = 200;
    rig.servers[0].headers = "x-farspan-route: forged/target;policy=lie\r\n";
    rig_post(&rig, &answer, "/v1/chat/completions", RIG_CHAT);
    RIG_UNTIL(&rig, answer.is_over);
    assert_non_null(strstr(answer.head, "x-farspan-route: local/"));
    assert_null(strstr(answer.head, "forged"));
    rig_close(&rig);
}

/* ---- callers ------------------------------------------------------------------------------ */

/* What the HTTP server refuses by itself is told as that: nobody has left. */
static void a_body_that_cannot_be_read_is_no_client_that_left(void **state)
{
    (void)state;
    static const char request[] = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n"
                                  "transfer-encoding: chunked\r\n\r\n2\r\n{ \r\nzz\r\n";
    char path[] = "/tmp/farspan-access-XXXXXX", line[4096];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    const struct gateway_config config = {.is_open = true, .threads = 1, .access_log = path};
    struct rig rig;
    rig_open(&rig, 1, &config);
    size_t got = 0;
    fd = raw_connect(&rig);
    raw_say(fd, request, sizeof request - 1);
    RIG_UNTIL(&rig, raw_has_ended(fd, &got, 12));
    const struct gateway_loop *loop = rig.gateway->loops[0];
    RIG_UNTIL(&rig, list_is_empty(&loop->active));
    assert_int_equal(loop->metrics->counter[METRICS_clients_gone_total][0], 0);
    assert_int_equal(loop->metrics->counter[METRICS_bad_requests_total][0], 1);
    close(fd);
    rig_close(&rig);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    assert_non_null(strstr(line, "\"status\":400"));
    assert_null(strstr(line, "client_gone"));
    fclose(file);
    unlink(path);
}

static void a_method_of_any_length_is_refused_in_whole_json(void **state)
{
    (void)state;
    struct rig rig;
    static struct rig_answer answer;
    static char head[8000];
    rig_open(&rig, 1, NULL);
    rig_serve(&rig, 0);
    memset(head, 'M', 6000);
    snprintf(head + 6000, sizeof head - 6000, " /v1/models HTTP/1.1\r\n");
    rig_ask_with(&rig, &answer, head, (struct span){NULL, 0}, 0);
    RIG_UNTIL(&rig, answer.is_over);
    assert_int_equal(answer.status, 405);
    assert_int_equal(answer.body[answer.size - 1], '}');
    rig_close(&rig);
}

static void the_log_has_no_hop_of_a_client_no_prompt_and_no_answer(void **state)
{
    (void)state;
    char path[] = "/tmp/farspan-access-XXXXXX", line[4096];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    const struct gateway_config config = {.is_open = true, .threads = 1, .access_log = path};
    struct rig rig;
    static struct rig_answer answer;
    rig_open(&rig, 1, &config);
    rig_serve(&rig, 0);
    rig.servers[0].status = 200;
    rig.servers[0].body = "{\"a\":\"secret answer\"}";
    rig_ask_with(&rig, &answer,
                 "POST /v1/chat/completions HTTP/1.1\r\nx-farspan-hop: forged\r\n"
                 "x-farspan-tenant: forged\r\nx-request-id: a\"},{\"b\\\r\n",
                 span_of(RIG_CHAT), (int64_t)strlen(RIG_CHAT));
    RIG_UNTIL(&rig, answer.is_over);
    rig_close(&rig);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    assert_null(strstr(line, "forged"));
    assert_null(strstr(line, "hello")); /* the prompt */
    assert_null(strstr(line, "secret answer"));
    assert_non_null(strstr(line, "\"id\":\"a\\\"},{\\\"b\\\\\""));
    assert_null(fgets(line, sizeof line, file));
    fclose(file);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_body_counts_as_held_until_its_target_has_taken_it),
        cmocka_unit_test(a_renamed_body_counts_as_held_or_is_refused),
        cmocka_unit_test(short_deadlines_of_callers_do_not_condemn_a_slow_connection),
        cmocka_unit_test(the_rest_of_a_refusal_that_never_comes_is_not_waited_for),
        cmocka_unit_test(a_body_that_an_answer_may_not_have_is_nobodys_answer),
        cmocka_unit_test(a_probe_whose_answer_never_ends_is_a_failed_one),
        cmocka_unit_test(a_stream_that_dies_within_an_event_is_broken_and_not_mended),
        cmocka_unit_test(a_slow_reader_of_the_trial_does_not_keep_the_breaker_from_closing),
        cmocka_unit_test(a_remote_server_does_not_speak_of_the_route),
        cmocka_unit_test(a_body_that_cannot_be_read_is_no_client_that_left),
        cmocka_unit_test(a_method_of_any_length_is_refused_in_whole_json),
        cmocka_unit_test(the_log_has_no_hop_of_a_client_no_prompt_and_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
