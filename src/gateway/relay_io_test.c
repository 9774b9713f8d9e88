#include "gateway/rig_test.h"

#include "gateway/proxy_io.h"

static void a_chat_is_answered_with_the_servers_bytes_and_says_where(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_answer answer;
    rig_open(&rig, 1, NULL);
    rig_serve(&rig, 0);
    rig.servers[0].status = 200;
    rig.servers[0].headers = "content-type: application/json\r\nx-of-server: 1\r\n";
    rig.servers[0].body = "{\"id\":\"1\"}";
    for (unsigned i = 0; i < 3; i++) {
        rig_post(&rig, &answer, "/v1/chat/completions", RIG_CHAT);
        RIG_UNTIL(&rig, answer.is_over);
        assert_int_equal(answer.status, 200);
        assert_string_equal(answer.body, "{\"id\":\"1\"}");
    }
    assert_non_null(strstr(answer.head, "x-of-server: 1"));
    assert_non_null(strstr(answer.head, "x-farspan-route: local/"));
    assert_non_null(strstr(answer.head, "try=1"));
    assert_non_null(strstr(answer.head, "x-request-id: "));
    assert_int_equal(rig.servers[0].request_count, 3);
    assert_int_equal(rig.servers[0].seen_size, strlen(RIG_CHAT));
    assert_null(strstr(rig.servers[0].seen_head, "authorization"));
    assert_null(strstr(rig.servers[0].seen_head, "x-farspan"));
    rig_close(&rig);
}

/* The server's part of a stream: its head and first chunk. */
static void begin_stream(struct rig *rig, unsigned server)
{
    RIG_UNTIL(rig, rig->servers[server].exchange);
    http_answer(rig->servers[server].exchange, 200,
                SPAN_LITERAL("content-type: text/event-stream\r\n"), HTTP_LENGTH_CHUNKED,
                SPAN_LITERAL("data: 0\n\n"));
}

static void a_stream_is_passed_on_chunk_by_chunk(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_answer answer;
    rig_open(&rig, 1, NULL);
    rig_serve(&rig, 0);
    rig_post(&rig, &answer, "/v1/chat/completions", RIG_STREAM);
    begin_stream(&rig, 0);
    for (unsigned i = 1; i <= 5; i++) {
        RIG_UNTIL(&rig, answer.piece_count == i); /* nothing waits for what comes next */
        http_answer_body(rig.servers[0].exchange, SPAN_LITERAL("data: n\n\n"));
    }
    RIG_UNTIL(&rig, answer.piece_count == 6);
    http_answer_end(rig.servers[0].exchange);
    RIG_UNTIL(&rig, answer.is_over);
    assert_false(answer.is_failed);
    assert_int_equal(answer.size, 6 * strlen("data: n\n\n"));
    rig_close(&rig);
}

static void a_head_without_a_body_yet_is_not_held_back(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_answer answer;
    rig_open(&rig, 1, NULL);
    rig_serve(&rig, 0);
    rig_post(&rig, &answer, "/v1/chat/completions", RIG_STREAM);
    RIG_UNTIL(&rig, rig.servers[0].exchange);
    http_answer(rig.servers[0].exchange, 200, (struct span){0, 0}, HTTP_LENGTH_CHUNKED,
                (struct span){0, 0});
    RIG_UNTIL(&rig, answer.status == 200);
    http_answer_end(rig.servers[0].exchange);
    RIG_UNTIL(&rig, answer.is_over);
    rig_close(&rig);
}

static void a_refused_connection_is_tried_elsewhere(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_answer answer;
    rig_open(&rig, 2, NULL);
    rig_serve(&rig, 1);
    rig.servers[1].status = 200;
    bool was_retried = false;
    for (unsigned i = 0; i < 4; i++) {
        rig_post(&rig, &answer, "/v1/chat/completions", RIG_CHAT);
        RIG_UNTIL(&rig, answer.is_over);
        assert_int_equal(answer.status, 200);
        was_retried |= strstr(answer.head, "try=2") != NULL;
    }
    assert_true(was_retried);
    rig_close(&rig);
}

static void a_server_that_breaks_before_its_first_byte_is_replaced(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_answer answer;
    rig_open(&rig, 2, NULL);
    rig_serve(&rig, 0);
    rig_serve(&rig, 1);
    rig_post(&rig, &answer, "/v1/chat/completions", RIG_CHAT);
    RIG_UNTIL(&rig, rig.servers[0].exchange || rig.servers[1].exchange);
    unsigned first = rig.servers[0].exchange ? 0 : 1;
    rig.servers[1 - first].status = 200;
    http_answer_abort(rig.servers[first].exchange);
    RIG_UNTIL(&rig, answer.is_over);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.head, "try=2"));
    rig_close(&rig);
}

static void nobody_there_is_a_502_after_bounded_attempts(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_answer answer;
    rig_open(&rig, 1, NULL);
    rig_post(&rig, &answer, "/v1/chat/completions", RIG_CHAT);
    RIG_UNTIL(&rig, answer.is_over);
    assert_int_equal(answer.status, 502);
    assert_non_null(strstr(answer.body, "upstream_failed"));
    assert_int_equal(rig.gateway->loops[0]->metrics->counter[METRICS_upstream_failures_total][0],
                     3);
    rig_close(&rig);
}

static void a_busy_server_rests_and_another_answers(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_answer answer;
    rig_open(&rig, 2, NULL);
    rig_serve(&rig, 0);
    rig_serve(&rig, 1);
    rig.servers[0].status = rig.servers[1].status = 429;
    rig.servers[0].headers = rig.servers[1].headers = "retry-after: 30\r\n";
    rig_post(&rig, &answer, "/v1/chat/completions", RIG_CHAT);
    RIG_UNTIL(&rig, answer.is_over);
    assert_int_equal(answer.status, 429); /* both were asked once, then both rest */
    assert_non_null(strstr(answer.head, "retry-after: 30"));
    assert_int_equal(rig.servers[0].request_count, 1);
    assert_int_equal(rig.servers[1].request_count, 1);

    rig_post(&rig, &answer, "/v1/chat/completions", RIG_CHAT);
    RIG_UNTIL(&rig, answer.is_over);
    assert_int_equal(answer.status, 429); /* without asking anybody */
    assert_int_equal(rig.servers[0].request_count + rig.servers[1].request_count, 2);
    rig_close(&rig);
}

static void a_failed_engine_is_not_tried_on_the_next(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_answer answer;
    rig_open(&rig, 2, NULL);
    rig_serve(&rig, 0);
    rig_serve(&rig, 1);
    rig.servers[0].status = rig.servers[1].status = 500;
    rig_post(&rig, &answer, "/v1/chat/completions", RIG_CHAT);
    RIG_UNTIL(&rig, answer.is_over);
    assert_int_equal(answer.status, 500);
    assert_int_equal(rig.servers[0].request_count + rig.servers[1].request_count, 1);
    rig_close(&rig);
}

static void a_client_that_leaves_takes_its_work_with_it(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_answer answer;
    rig_open(&rig, 1, NULL);
    rig_serve(&rig, 0);
    rig_post(&rig, &answer, "/v1/chat/completions", RIG_STREAM);
    begin_stream(&rig, 0);
    RIG_UNTIL(&rig, answer.piece_count == 1);
    http_call_cancel(answer.call);
    RIG_UNTIL(&rig, rig.servers[0].broken_count == 1);
    assert_int_equal(rig.gateway->loops[0]->metrics->counter[METRICS_clients_gone_total][0], 1);
    assert_int_equal(GATEWAY_LOAD(gateway_words_of(rig.gateway, 0, 0)->in_flight), 0);

    rig_post(&rig, &answer, "/v1/chat/completions", RIG_CHAT); /* before the first byte, too */
    RIG_UNTIL(&rig, rig.servers[0].exchange);
    http_call_cancel(answer.call);
    RIG_UNTIL(&rig, rig.servers[0].broken_count == 2);
    rig_close(&rig);
}

static void a_stream_cut_upstream_ends_with_the_typed_event(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_answer answer;
    rig_open(&rig, 2, NULL);
    rig_serve(&rig, 0);
    rig_serve(&rig, 1);
    rig_post(&rig, &answer, "/v1/chat/completions", RIG_STREAM);
    RIG_UNTIL(&rig, rig.servers[0].exchange || rig.servers[1].exchange);
    unsigned first = rig.servers[0].exchange ? 0 : 1;
    begin_stream(&rig, first);
    RIG_UNTIL(&rig, answer.piece_count == 1);
    http_answer_abort(rig.servers[first].exchange);
    RIG_UNTIL(&rig, answer.is_over);
    assert_true(answer.is_failed); /* no last chunk: a client cannot take it for whole */
    assert_non_null(strstr(answer.body, "\"code\":\"upstream_lost\""));
    assert_null(strstr(answer.body, "[DONE]"));
    assert_int_equal(rig.servers[1 - first].request_count, 0); /* nothing is said twice */
    rig_close(&rig);
}

static void an_answer_without_end_mark_is_cut_visibly(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_answer answer;
    rig_open(&rig, 1, NULL);
    rig_serve(&rig, 0);
    rig_post(&rig, &answer, "/v1/chat/completions", RIG_CHAT);
    RIG_UNTIL(&rig, rig.servers[0].exchange);
    http_answer(rig.servers[0].exchange, 200, (struct span){0, 0}, 100, SPAN_LITERAL("half"));
    RIG_UNTIL(&rig, answer.piece_count == 1);
    http_answer_abort(rig.servers[0].exchange);
    RIG_UNTIL(&rig, answer.is_over);
    assert_true(answer.is_failed);
    assert_string_equal(answer.body, "half");
    rig_close(&rig);
}

static void a_deadline_is_a_504(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_answer answer;
    rig_open(&rig, 1, NULL);
    rig_serve(&rig, 0);
    rig_ask_with(&rig, &answer,
                 "POST /v1/chat/completions HTTP/1.1\r\nx-farspan-deadline-ms: 200\r\n",
                 span_of(RIG_CHAT), (int64_t)strlen(RIG_CHAT));
    RIG_UNTIL(&rig, answer.is_over);
    assert_int_equal(answer.status, 504);
    RIG_UNTIL(&rig, rig.servers[0].broken_count == 1);
    rig_close(&rig);
}

/* A body above 1 MiB: <before> and <after> the model, spaces as the bulk. */
static char *large_body(const char *before, size_t spaces, const char *after)
{
    size_t n = strlen(before) + spaces + strlen(after) + 1;
    char *body = os_alloc(n);
    memcpy(body, before, strlen(before));
    memset(body + strlen(before), ' ', spaces);
    memcpy(body + strlen(before) + spaces, after, strlen(after));
    return body;
}

static void a_large_body_is_passed_on_whole_as_it_comes(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_answer answer;
    rig_open(&rig, 1, NULL);
    rig_serve(&rig, 0);
    rig.servers[0].status = 200;
    char *body = large_body("{\"model\":\"chat\",", 1500 * 1000,
                            "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
    rig_post(&rig, &answer, "/v1/chat/completions", body);
    RIG_UNTIL(&rig, answer.is_over);
    assert_int_equal(answer.status, 200);
    assert_int_equal(rig.servers[0].seen_size, strlen(body));
    assert_memory_equal(rig.servers[0].seen_body, body, strlen(body));

    rig_ask_with(&rig, &answer, "POST /v1/chat/completions HTTP/1.1\r\n", (struct span){0, 0},
                 HTTP_LENGTH_CHUNKED);
    size_t sent = 0;
    while (sent < strlen(body)) {
        sent += http_call_send(answer.call, span_from(body + sent, strlen(body) - sent));
        net_loop_run_once(rig.loop, 1000);
    }
    http_call_send_end(answer.call);
    RIG_UNTIL(&rig, answer.is_over);
    assert_int_equal(answer.status, 200);
    assert_int_equal(rig.servers[0].seen_size, strlen(body));
    assert_memory_equal(rig.servers[0].seen_body, body, strlen(body));
    os_free(body);
    rig_close(&rig);
}

static void a_large_body_that_turns_out_wrong_is_refused_or_cut(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_answer answer;
    rig_open(&rig, 1, NULL);
    rig_serve(&rig, 0);
    char *body = large_body("{\"model\":\"chat\",", 1500 * 1000, "nonsense}");
    rig_post(&rig, &answer, "/v1/chat/completions", body);
    RIG_UNTIL(&rig, answer.is_over);
    assert_int_equal(answer.status, 400);
    os_free(body);
    body = large_body("{", 1500 * 1000, "\"model\":\"chat\"}");
    rig_post(&rig, &answer, "/v1/chat/completions", body);
    RIG_UNTIL(&rig, answer.is_over);
    assert_int_equal(answer.status, 400);
    assert_non_null(strstr(answer.body, "first 1 MiB"));
    os_free(body);
    rig_close(&rig);
}

/* The one request that is open. */
static const struct proxy *open_proxy(const struct rig *rig)
{
    const struct list *active = &rig->gateway->loops[0]->active;
    assert_false(list_is_empty(active));
    return CONTAINER_OF(active->next, struct proxy, link);
}

static void a_server_that_does_not_read_stops_the_reading_of_a_large_body(void **state)
{
    (void)state;
    enum { SIZE = 48 << 20 };
    struct rig rig;
    struct rig_answer answer;
    rig_open(&rig, 1, NULL);
    rig_serve(&rig, 0);
    rig.servers[0].is_deaf = true;
    static char spaces[64 * 1024];
    memset(spaces, ' ', sizeof spaces);
    rig_ask_with(&rig, &answer, "POST /v1/chat/completions HTTP/1.1\r\n",
                 SPAN_LITERAL("{\"model\":\"chat\","), SIZE);
    size_t sent = 0;
    for (unsigned idle = 0; idle < 200 && sent < SIZE - 1024 * 1024; idle++) {
        size_t n = http_call_send(answer.call, span_from(spaces, sizeof spaces));
        sent += n;
        idle = n ? 0 : idle;
        net_loop_run_once(rig.loop, 1000);
    }
    assert_true(sent < SIZE - 1024 * 1024); /* it came to a halt */
    assert_true(open_proxy(&rig)->tail.buffer->size <= buffer_size_max());
    assert_in_range(buffer_held_bytes(), 1, buffer_size_max());
    rig_close(&rig);
}

static void a_server_gets_the_model_under_its_own_name(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_answer answer;
    rig_open(&rig, 1, NULL);
    rig.fleet->replicas[0].model_name = SPAN_LITERAL("org/chat-7b");
    rig_serve(&rig, 0);
    rig.servers[0].status = 200;
    rig_post(&rig, &answer, "/v1/chat/completions",
             "{\"messages\":[{\"role\":\"user\",\"content\":\"model\"}], \"model\" : \"chat\"}");
    RIG_UNTIL(&rig, answer.is_over);
    assert_int_equal(answer.status, 200);
    const char *wanted =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"model\"}], \"model\" : \"org/chat-7b\"}";
    assert_int_equal(rig.servers[0].seen_size, strlen(wanted));
    assert_memory_equal(rig.servers[0].seen_body, wanted, strlen(wanted));

    char *body = large_body("{\"model\":\"chat\",", 1500 * 1000,
                            "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
    rig_post(&rig, &answer, "/v1/chat/completions", body);
    RIG_UNTIL(&rig, answer.is_over);
    assert_int_equal(answer.status, 200);
    assert_int_equal(rig.servers[0].seen_size,
                     strlen(body) + strlen("org/chat-7b") - strlen("chat"));
    os_free(body);
    rig_close(&rig);
}

static void a_server_is_found_gone_and_back_by_its_probe(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, 1, NULL);
    struct gateway_words *words = gateway_words_of(rig.gateway, 0, 0);
    assert_true(GATEWAY_LOAD(words->is_ready)); /* trusted at first */
    RIG_UNTIL(&rig, !GATEWAY_LOAD(words->is_ready));
    rig_serve(&rig, 0);
    RIG_UNTIL(&rig, GATEWAY_LOAD(words->is_ready));
    rig_close(&rig);
}

static void a_slow_reader_stops_the_reading_of_its_stream(void **state)
{
    (void)state;
    struct rig rig;
    static struct rig_answer answer;
    rig_open(&rig, 1, NULL);
    rig_serve(&rig, 0);
    rig_post(&rig, &answer, "/v1/chat/completions", RIG_STREAM);
    begin_stream(&rig, 0);
    RIG_UNTIL(&rig, answer.piece_count == 1);
    http_call_pause(answer.call);
    static char piece[32 * 1024];
    size_t given = 0;
    /* Until nothing more goes through: the server's own backlog grows, the gateway's is bounded. */
    while (given < (64 << 20) && http_answer_backlog(rig.servers[0].exchange) < 512 * 1024) {
        http_answer_body(rig.servers[0].exchange, span_from(piece, sizeof piece));
        given += sizeof piece;
        net_loop_run_once(rig.loop, 0);
    }
    assert_true(http_answer_backlog(rig.servers[0].exchange) >= 512 * 1024);
    http_call_cancel(answer.call);
    RIG_UNTIL(&rig, rig.servers[0].broken_count == 1);
    rig_close(&rig);
}

static void draining_ends_streams_with_the_typed_event(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_answer answer;
    rig_open(&rig, 1, NULL);
    rig_serve(&rig, 0);
    rig_post(&rig, &answer, "/v1/chat/completions", RIG_STREAM);
    begin_stream(&rig, 0);
    RIG_UNTIL(&rig, answer.piece_count == 1);
    gateway_drain(rig.gateway);
    rig.gateway->loops[0]->drain_until_us = os_now_us(); /* the grace is over */
    RIG_UNTIL(&rig, answer.is_over);
    assert_non_null(strstr(answer.body, "\"code\":\"gateway_stopped\""));
    assert_true(answer.is_failed);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chat_is_answered_with_the_servers_bytes_and_says_where),
        cmocka_unit_test(a_stream_is_passed_on_chunk_by_chunk),
        cmocka_unit_test(a_head_without_a_body_yet_is_not_held_back),
        cmocka_unit_test(a_refused_connection_is_tried_elsewhere),
        cmocka_unit_test(a_server_that_breaks_before_its_first_byte_is_replaced),
        cmocka_unit_test(nobody_there_is_a_502_after_bounded_attempts),
        cmocka_unit_test(a_busy_server_rests_and_another_answers),
        cmocka_unit_test(a_failed_engine_is_not_tried_on_the_next),
        cmocka_unit_test(a_client_that_leaves_takes_its_work_with_it),
        cmocka_unit_test(a_stream_cut_upstream_ends_with_the_typed_event),
        cmocka_unit_test(an_answer_without_end_mark_is_cut_visibly),
        cmocka_unit_test(a_deadline_is_a_504),
        cmocka_unit_test(a_large_body_is_passed_on_whole_as_it_comes),
        cmocka_unit_test(a_large_body_that_turns_out_wrong_is_refused_or_cut),
        cmocka_unit_test(a_server_that_does_not_read_stops_the_reading_of_a_large_body),
        cmocka_unit_test(a_server_gets_the_model_under_its_own_name),
        cmocka_unit_test(a_server_is_found_gone_and_back_by_its_probe),
        cmocka_unit_test(a_slow_reader_stops_the_reading_of_its_stream),
        cmocka_unit_test(draining_ends_streams_with_the_typed_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
