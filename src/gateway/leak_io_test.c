/* Whatever way a request ends, it gives back what it took: places in flight, the breaker's trial,
 * the held bytes, its call, its timer. Peers stop at every byte. */
#include "gateway/proxy_io.h"
#include "gateway/rig_raw_test.h"
#include "http/client_conn_io.h"

#define POST                                                                                       \
    "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"          \
    "content-length: 63\r\n\r\n" RIG_CHAT

/* Nothing is retried, so that each failure is one. */
static void spend_retries(struct rig *rig)
{
    struct route_budget *retries = &rig->gateway->loops[0]->retries;
    while (route_budget_spend(retries, net_loop_now_us(rig->loop)))
        continue;
    retries->retries[retries->second % ROUTE_BUDGET_SECONDS] += 1000;
}

static struct gateway_targets *targets_of(const struct rig *rig)
{
    return &rig->gateway->loops[0]->services[0];
}

static bool is_at_rest(const struct rig *rig)
{
    const struct gateway_loop *loop = rig->gateway->loops[0];
    return list_is_empty(&loop->active) && http_server_exchanges(loop->server) == 0 &&
           list_is_empty(&loop->origins[0]->busy) && loop->origins[0]->call_count == 0;
}

/* The probe that waits at a raw server, if one does, would be waited for too. */
static void turn_probe_away(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
}

/* Waits until the request is over, then looks at everything it may have taken. */
static void assert_nothing_is_left(struct rig *rig)
{
    const struct gateway_loop *loop = rig->gateway->loops[0];
    const struct gateway_words *words = gateway_words_of(rig->gateway, 0, 0);
    RIG_UNTIL(rig, is_at_rest(rig));
    assert_int_equal(GATEWAY_LOAD(words->in_flight), 0);
    assert_int_equal(GATEWAY_LOAD(words->queued_tokens), 0);
    assert_int_equal(gateway_words_assigned(words), 0);
    assert_false(targets_of(rig)->breakers[0].is_trial_out);
    assert_int_equal(loop->metrics->gauge[METRICS_requests_in_flight][0], 0);
    assert_int_equal(buffer_held_bytes(), 0);
    assert_int_equal(buffer_waiting_bytes(), 0);
}

/* One request whose server says the first <n> bytes of <answer> and leaves. */
static void ask_of_one_that_dies(struct rig *rig, int listener, struct span answer, size_t n,
                                 bool is_reset)
{
    static struct rig_answer seen;
    char buffer[2048];
    spend_retries(rig);
    rig_post(rig, &seen, "/v1/chat/completions", RIG_STREAM);
    int fd = raw_accept(rig, listener, buffer, sizeof buffer);
    raw_say(fd, answer.p, n);
    raw_leave(fd, is_reset);
    RIG_UNTIL(rig, seen.is_over);
    assert_true(n == answer.n || seen.is_failed || seen.status == 502);
}

static void a_server_that_dies_at_each_byte_leaves_nothing_open(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{\"a\":\"bcde\"}",
        "HTTP/1.1 103 Hint\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n"
        "content-type: text/event-stream\r\n\r\n"
        "9\r\ndata: 0\n\n\r\n9;x=y\r\ndata: 1\n\n\r\n0\r\na: b\r\n\r\n",
    };
    struct rig rig;
    rig_open(&rig, 1, NULL);
    int listener = raw_listen(&rig, 0);
    const struct gateway_targets fresh = *targets_of(&rig);
    for (unsigned i = 0; i < 2 * COUNT_OF(answers); i++) {
        struct span answer = span_of(answers[i / 2]);
        for (size_t n = 0; n <= answer.n; n++) {
            *targets_of(&rig) = fresh; /* no verdict on the one before */
            GATEWAY_STORE(gateway_words_of(rig.gateway, 0, 0)->is_ready, true);
            ask_of_one_that_dies(&rig, listener, answer, n, i % 2);
            turn_probe_away(listener);
            assert_nothing_is_left(&rig);
        }
    }
    close(listener);
    rig_close(&rig);
}

static void a_client_that_leaves_at_each_byte_leaves_nothing_open(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, 1, NULL);
    rig_serve(&rig, 0);
    for (size_t n = 1; n <= 2 * strlen(POST); n++) {
        int fd = raw_connect(&rig);
        raw_say(fd, POST, (n + 1) / 2);
        net_loop_run_once(rig.loop, 1000);
        raw_leave(fd, n % 2);
        RIG_UNTIL(&rig, http_server_connections(rig.gateway->loops[0]->server) == 0);
        assert_nothing_is_left(&rig);
    }
    rig_close(&rig);
}

/* The trial of a breaker that may try again is an attempt like any other. */
static void open_breaker(struct rig *rig)
{
    struct route_breaker *breaker = &targets_of(rig)->breakers[0];
    uint32_t term;
    for (unsigned i = 0; i < breaker->rules.trip_count; i++) {
        assert_true(route_breaker_admit(breaker, 1, &term));
        route_breaker_note(breaker, term, ROUTE_BREAKER_BAD, 1);
    }
    assert_int_equal(breaker->state, ROUTE_BREAKER_OPEN);
}

static void a_client_that_leaves_its_trial_does_not_keep_the_breaker_open(void **state)
{
    (void)state;
    struct rig rig;
    static struct rig_answer answer;
    rig_open(&rig, 1, NULL);
    rig_serve(&rig, 0);
    for (unsigned i = 0; i < 3; i++) {
        targets_of(&rig)->breakers[0] = (struct route_breaker){0};
        gateway_targets_init(targets_of(&rig), &rig.gateway->map, 0, targets_of(&rig)->words,
                             targets_of(&rig)->index, FLEET_POLICY_ROUND_ROBIN, 1);
        open_breaker(&rig);
        rig_post(&rig, &answer, "/v1/chat/completions", RIG_STREAM);
        RIG_UNTIL(&rig, rig.servers[0].exchange);
        assert_true(targets_of(&rig)->breakers[0].is_trial_out);
        if (i > 0)
            http_answer(rig.servers[0].exchange, 200, (struct span){0, 0}, HTTP_LENGTH_CHUNKED,
                        i > 1 ? SPAN_LITERAL("x") : (struct span){0, 0});
        RIG_UNTIL(&rig, i < 1 || answer.status == 200);
        http_call_cancel(answer.call);
        RIG_UNTIL(&rig, !rig.servers[0].exchange);
        assert_nothing_is_left(&rig);
    }
    rig_close(&rig);
}

static void a_retry_that_rests_ends_with_its_client(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_answer answer;
    rig_open(&rig, 1, NULL); /* nobody listens: refused at once, then it rests */
    rig_post(&rig, &answer, "/v1/chat/completions", RIG_CHAT);
    const struct list *active = &rig.gateway->loops[0]->active;
    RIG_UNTIL(&rig, !list_is_empty(active) &&
                        CONTAINER_OF(active->next, struct proxy, link)->request.step ==
                            GATEWAY_STEP_PAUSE);
    http_call_cancel(answer.call);
    assert_nothing_is_left(&rig);
    rig_close(&rig);
}

static void each_refusal_gives_back_what_the_request_took(void **state)
{
    (void)state;
    static const struct {
        const char *headers, *body;
        unsigned of_server, status;
    } rows[] = {
        {"", "{\"model\":\"chat\",}", 200, 400},
        {"", "{\"model\":\"none\",\"messages\":[]}", 200, 404},
        {"content-type: text/plain\r\n", RIG_CHAT, 200, 415},
        {"x-farspan-zones: none\r\n", RIG_CHAT, 200, 400},
        {"x-farspan-deadline-ms: 10\r\n", RIG_CHAT, 0, 504},
        {"", RIG_CHAT, 500, 500},
        {"", RIG_CHAT, 502, 502},
        {"", RIG_CHAT, 503, 503},
        {"", RIG_CHAT, 429, 429},
        {"", RIG_CHAT, 400, 400},
    };
    static struct rig_answer answer;
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        struct rig rig;
        char head[256];
        rig_open(&rig, 1, NULL);
        rig_serve(&rig, 0);
        spend_retries(&rig);
        open_breaker(&rig); /* so that the one attempt is a trial */
        rig.servers[0].status = rows[i].of_server;
        snprintf(head, sizeof head, "POST /v1/chat/completions HTTP/1.1\r\n%s", rows[i].headers);
        rig_ask_with(&rig, &answer, head, span_of(rows[i].body), (int64_t)strlen(rows[i].body));
        RIG_UNTIL(&rig, answer.is_over);
        assert_int_equal(answer.status, rows[i].status);
        assert_nothing_is_left(&rig);
        rig_close(&rig);
    }
}

/* A body that is too long, by its word or in the end; an answer that nobody reads; a drain. */
static void what_is_ended_by_us_gives_back_what_it_took(void **state)
{
    (void)state;
    static const char too_long[] = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n"
                                   "content-length: 99999999999\r\n\r\n{";
    static struct rig_answer answer;
    struct rig rig;
    rig_open(&rig, 1, NULL);
    rig_serve(&rig, 0);
    int fd = raw_connect(&rig);
    size_t got = 0;
    raw_say(fd, too_long, sizeof too_long - 1);
    RIG_UNTIL(&rig, raw_has_ended(fd, &got, 12)); /* more came than a status */
    close(fd);
    assert_nothing_is_left(&rig);

    rig_post(&rig, &answer, "/v1/chat/completions", RIG_STREAM);
    RIG_UNTIL(&rig, rig.servers[0].exchange);
    http_answer(rig.servers[0].exchange, 200, (struct span){0, 0}, HTTP_LENGTH_CHUNKED,
                SPAN_LITERAL("x"));
    RIG_UNTIL(&rig, answer.piece_count == 1);
    http_call_pause(answer.call);
    static char piece[32 * 1024];
    const struct list *active = &rig.gateway->loops[0]->active;
    while (!CONTAINER_OF(active->next, struct proxy, link)->is_paused) {
        http_answer_body(rig.servers[0].exchange, span_from(piece, sizeof piece));
        net_loop_run_once(rig.loop, 1000);
    }
    gateway_drain(rig.gateway);
    rig.gateway->loops[0]->drain_until_us = os_now_us();
    net_loop_run_once(rig.loop, 50 * 1000);
    http_call_cancel(answer.call);
    assert_nothing_is_left(&rig);
    rig_close(&rig);
}

static void a_server_that_speaks_garbage_is_a_502_and_leaves_nothing_open(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 OK\ncontent-length: 2\n\n{}",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 999 No\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: y\r\n z\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx : y\r\n\r\n",
    };
    static char endless[24 * 1024];
    struct rig rig;
    rig_open(&rig, 1, NULL);
    int listener = raw_listen(&rig, 0);
    const struct gateway_targets fresh = *targets_of(&rig);
    memset(endless, 'a', sizeof endless);
    memcpy(endless, "HTTP/1.1 200 OK\r\nx: ", 20);
    for (unsigned i = 0; i <= COUNT_OF(answers); i++) {
        struct span answer =
            i < COUNT_OF(answers) ? span_of(answers[i]) : span_from(endless, sizeof endless);
        static struct rig_answer seen;
        char buffer[2048];
        *targets_of(&rig) = fresh;
        spend_retries(&rig);
        rig_post(&rig, &seen, "/v1/chat/completions", RIG_CHAT);
        int fd = raw_accept(&rig, listener, buffer, sizeof buffer);
        raw_say(fd, answer.p, answer.n);
        RIG_UNTIL(&rig, seen.is_over); /* though the server stays */
        assert_int_equal(seen.status, 502);
        turn_probe_away(listener);
        assert_nothing_is_left(&rig);
        close(fd);
    }
    close(listener);
    rig_close(&rig);
}

/* The server says what it has to say when it has seen the head of a body that goes on for ever. */
static void an_early_answer_to_a_body_on_its_way_leaves_nothing_open(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        unsigned status;
        bool ends; /* by itself; else the client leaves when it has begun */
    } rows[] = {
        {"HTTP/1.1 413 No\r\ncontent-length: 2\r\n\r\n{}", 413, true},
        {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", 200, true},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 200, true},
        {"HTTP/1.1 503 Busy\r\ncontent-length: 100\r\n\r\n", 503, true},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n", 200, false},
        {"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", 200, false},
    };
    enum { SIZE = 1100 * 1000 }; /* what is beyond the held part fits the socket: so does the end */
    static char body[SIZE];
    memset(body, ' ', SIZE);
    memcpy(body, "{\"model\":\"chat\",", strlen("{\"model\":\"chat\","));
    for (unsigned i = 0; i < 4 * COUNT_OF(rows); i++) {
        struct rig rig;
        static struct rig_answer seen;
        char buffer[2048];
        bool closes = i & 1, is_chunked = i & 2;
        rig_open(&rig, 1, NULL);
        int listener = raw_listen(&rig, 0);
        rig_ask_with(&rig, &seen, "POST /v1/chat/completions HTTP/1.1\r\n",
                     is_chunked ? (struct span){NULL, 0} : span_from(body, SIZE),
                     is_chunked ? HTTP_LENGTH_CHUNKED : 4 * SIZE);
        struct span left = span_from(body, is_chunked ? SIZE : 0);
        while (left.n > 0) {
            size_t n = http_call_send(seen.call, left);
            left = span_from(left.p + n, left.n - n);
            net_loop_run_once(rig.loop, 1000);
        }
        int fd = raw_accept(&rig, listener, buffer, sizeof buffer);
        raw_say(fd, rows[i / 4].answer, strlen(rows[i / 4].answer));
        if (closes)
            shutdown(fd, SHUT_WR);
        RIG_UNTIL(&rig, seen.is_over || (!rows[i / 4].ends && seen.status));
        if (!closes || rows[i / 4].ends)
            assert_int_equal(seen.status, rows[i / 4].status);
        if (!seen.is_over)
            http_call_cancel(seen.call);
        RIG_UNTIL(&rig, (turn_probe_away(listener), is_at_rest(&rig)));
        assert_nothing_is_left(&rig);
        close(fd);
        close(listener);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_dies_at_each_byte_leaves_nothing_open),
        cmocka_unit_test(a_server_that_speaks_garbage_is_a_502_and_leaves_nothing_open),
        cmocka_unit_test(an_early_answer_to_a_body_on_its_way_leaves_nothing_open),
        cmocka_unit_test(a_client_that_leaves_at_each_byte_leaves_nothing_open),
        cmocka_unit_test(a_client_that_leaves_its_trial_does_not_keep_the_breaker_open),
        cmocka_unit_test(a_retry_that_rests_ends_with_its_client),
        cmocka_unit_test(each_refusal_gives_back_what_the_request_took),
        cmocka_unit_test(what_is_ended_by_us_gives_back_what_it_took),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
