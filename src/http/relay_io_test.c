#include "http/test_kit.h"

#include "http/buffer_io.h"
#include "http/client_io.h"
#include "http/server_io.h"
#include "os/fault.h"

/* Server and client on one loop, joined by the least relay: a raw client before, a raw upstream
 * behind. exchange->user is its call, the call's user its exchange; each forgets the other first.
 */
struct bed {
    struct net_loop *loop;
    struct http_server *server;
    struct http_client *client;
    struct http_origin *origin;
    uint16_t port, upstream_port;
    int listen_fd;
    unsigned heads, gones, wholes, pauses;
    size_t backlog_max;
};

static struct bed *bed_of(const struct http_exchange *exchange)
{
    return http_server_user(exchange->server);
}

static const struct span nothing = {NULL, 0};

static void on_answer_head(struct http_call *call, const struct http_head *head)
{
    struct http_exchange *exchange = http_call_user(call);
    int64_t length = head->body_length >= 0 ? head->body_length : HTTP_LENGTH_CHUNKED;
    if (length == 0)
        exchange->user = NULL;
    http_answer(exchange, head->status, nothing, length, nothing);
}

static void on_answer_body(struct http_call *call, struct span piece)
{
    struct http_exchange *exchange = http_call_user(call);
    http_answer_body(exchange, piece);
    if (!http_call_user(call))
        return; /* it was the last piece, and the exchange is gone */
    struct bed *bed = bed_of(exchange);
    size_t backlog = http_answer_backlog(exchange);
    if (backlog > bed->backlog_max)
        bed->backlog_max = backlog;
    if (backlog > LIMIT_STREAM_BACKLOG) {
        bed->pauses++;
        http_call_pause(call);
    }
}

static void on_answer_end(struct http_call *call)
{
    struct http_exchange *exchange = http_call_user(call);
    if (!exchange || !exchange->user)
        return;
    exchange->user = NULL;
    http_answer_end(exchange);
}

static void on_answer_error(struct http_call *call, enum err err, enum http_phase phase)
{
    struct http_exchange *exchange = http_call_user(call);
    assert_true(err != ERR_OK && phase <= HTTP_PHASE_ANSWER);
    if (!exchange)
        return;
    exchange->user = NULL;
    if (exchange->status == 0)
        http_answer(exchange, 502, nothing, 0, nothing);
    else
        http_answer_break(exchange);
}

static const struct http_call_handler call_handler = {.on_head = on_answer_head,
                                                      .on_body = on_answer_body,
                                                      .on_end = on_answer_end,
                                                      .on_error = on_answer_error};

static void on_head(struct http_exchange *exchange)
{
    bed_of(exchange)->heads++;
    http_exchange_hold(exchange, LIMIT_HTTP_HELD_BODY);
}

static void on_body_end(struct http_exchange *exchange)
{
    struct bed *bed = bed_of(exchange);
    struct http_request request = {.head = SPAN_LITERAL("POST /x HTTP/1.1\r\n"),
                                   .body = http_exchange_body(exchange),
                                   .handler = &call_handler,
                                   .user = exchange};
    request.body_length = (int64_t)request.body.n;
    exchange->user = http_call(bed->origin, &request);
    if (!exchange->user)
        http_answer(exchange, 503, nothing, 0, nothing);
}

static void on_drained(struct http_exchange *exchange)
{
    if (exchange->user)
        http_call_resume(exchange->user);
}

static void on_gone(struct http_exchange *exchange, bool was_whole)
{
    struct bed *bed = bed_of(exchange);
    bed->gones++;
    bed->wholes += was_whole;
    struct http_call *call = exchange->user;
    if (!call)
        return;
    http_call_set_user(call, NULL);
    if (!was_whole)
        http_call_cancel(call);
}

static const struct http_handler handler = {
    .on_head = on_head, .on_body_end = on_body_end, .on_drained = on_drained, .on_gone = on_gone};

static void start(struct bed *bed)
{
    *bed = (struct bed){.port = 0};
    struct net_address address;
    net_address_loopback(0, &address);
    bed->listen_fd = kit_listen(&bed->upstream_port);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u", (unsigned)bed->upstream_port);
    assert_int_equal(net_loop_new(&bed->loop), ERR_OK);
    assert_int_equal(http_client_new(bed->loop, &bed->client), ERR_OK);
    assert_int_equal(http_origin_new(bed->client, span_of(url), NULL, NULL, &bed->origin, NULL),
                     ERR_OK);
    assert_int_equal(http_server_new(bed->loop, &handler, NULL, bed, &bed->server), ERR_OK);
    assert_int_equal(http_server_listen(bed->server, &address, false, NULL), ERR_OK);
    bed->port = http_server_port(bed->server);
}

static void stop(struct bed *bed)
{
    http_server_free(bed->server);
    http_client_free(bed->client);
    net_loop_free(bed->loop);
    close(bed->listen_fd);
    assert_int_equal(bed->heads, bed->gones);
    assert_int_equal(buffer_held_bytes(), 0);
}

static const char request[] = "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
static const char stream_head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/* A client's request is under way at the upstream. */
static void open_stream(struct bed *bed, bool is_narrow, int *ret_client, int *ret_upstream)
{
    *ret_client = is_narrow ? kit_connect_narrow(bed->port) : kit_connect(bed->port);
    assert_true(kit_send_text(bed->loop, *ret_client, request));
    *ret_upstream = kit_accept(bed->loop, bed->listen_fd);
    struct kit_inbox inbox = {.n = 0};
    assert_true(kit_receive_text(bed->loop, *ret_upstream, &inbox, "\r\n\r\nhello", 1));
    kit_inbox_clear(&inbox);
}

static void chunks_pass_one_by_one_as_they_come(void **state)
{
    (void)state;
    struct bed bed;
    int client, upstream;
    start(&bed);
    open_stream(&bed, false, &client, &upstream);
    assert_true(kit_send_text(bed.loop, upstream, stream_head));
    struct kit_inbox inbox = {.n = 0};
    for (unsigned i = 1; i <= 20; i++) {
        assert_true(kit_send_text(bed.loop, upstream, "6\r\ndata:\n\r\n"));
        assert_true(kit_receive_text(bed.loop, client, &inbox, "\r\n6\r\ndata:\n\r\n", i));
    }
    assert_true(kit_send_text(bed.loop, upstream, "0\r\n\r\n"));
    assert_true(kit_receive_text(bed.loop, client, &inbox, "\r\n0\r\n\r\n", 1));
    kit_inbox_clear(&inbox);
    assert_int_equal(bed.wholes, 1);
    close(client);
    close(upstream);
    stop(&bed);
}

static void a_client_that_leaves_ends_the_work_upstream_at_once(void **state)
{
    (void)state;
    for (int is_streaming = 0; is_streaming < 2; is_streaming++) {
        struct bed bed;
        int client, upstream;
        start(&bed);
        open_stream(&bed, false, &client, &upstream);
        struct kit_inbox inbox = {.n = 0};
        if (is_streaming) {
            assert_true(kit_send_text(bed.loop, upstream, stream_head));
            assert_true(kit_receive_text(bed.loop, client, &inbox, "chunked", 1));
        }
        close(client);
        int64_t left_us = os_now_us();
        kit_inbox_clear(&inbox);
        kit_receive_all(bed.loop, upstream, &inbox);
        assert_true(os_now_us() - left_us < 100 * 1000);
        kit_inbox_clear(&inbox);
        close(upstream);
        stop(&bed);
    }
}

static void a_slow_reader_slows_its_upstream_and_fills_no_memory(void **state)
{
    (void)state;
    enum { COUNT = 1000, SIZE = 16 * 1024 };
    struct bed bed;
    int client, upstream;
    start(&bed);
    open_stream(&bed, true, &client, &upstream);
    assert_true(kit_send_text(bed.loop, upstream, stream_head));
    char *chunk = calloc(1, SIZE + 8);
    assert_non_null(chunk);
    memcpy(chunk, "4000\r\n", 6);
    memcpy(chunk + SIZE + 6, "\r\n", 2);
    struct kit_inbox inbox = {.n = 0};
    size_t sent = 0, size = (size_t)COUNT * (SIZE + 8);
    int64_t end_us = kit_deadline();
    while (sent < size && os_now_us() < end_us) {
        size_t at = sent % (SIZE + 8);
        ssize_t n = send(upstream, chunk + at, SIZE + 8 - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += n > 0 ? (size_t)n : 0;
        net_loop_run_once(bed.loop, 0);
        if (n < 0 && bed.pauses > 0)
            kit_take(&inbox, client);
    }
    assert_int_equal(sent, size);
    assert_true(kit_send_text(bed.loop, upstream, "0\r\n\r\n"));
    assert_true(kit_receive_text(bed.loop, client, &inbox, "\r\n0\r\n\r\n", 1));
    assert_true(inbox.n > (size_t)COUNT * SIZE);
    assert_true(bed.pauses > 0);
    assert_true(bed.backlog_max <= LIMIT_STREAM_BACKLOG + 64 * 1024 + 64);
    assert_int_equal(bed.wholes, 1);
    kit_inbox_clear(&inbox);
    free(chunk);
    close(client);
    close(upstream);
    stop(&bed);
}

static void an_upstream_that_dies_never_looks_like_a_whole_answer(void **state)
{
    (void)state;
    static const char answer[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
    struct bed bed;
    start(&bed);
    for (size_t n = 0; n < sizeof answer - 1; n++) {
        int client, upstream;
        open_stream(&bed, false, &client, &upstream);
        assert_true(kit_send(bed.loop, upstream, answer, n));
        close(upstream);
        struct kit_inbox inbox = {.n = 0};
        if (n < strlen(stream_head)) {
            assert_true(kit_receive_text(bed.loop, client, &inbox, "HTTP/1.1 502 ", 1));
        } else {
            kit_receive_all(bed.loop, client, &inbox);
            assert_int_equal(kit_count(&inbox, "\r\n0\r\n"), 0);
        }
        kit_inbox_clear(&inbox);
        close(client);
        kit_settle(bed.loop);
    }
    stop(&bed);
}

/* One relayed request under faults; the answer may fail, nothing may hang or leak. */
static void play(struct bed *bed)
{
    int client = kit_connect(bed->port), upstream = -1;
    struct kit_inbox asked = {.n = 0}, answered = {.n = 0};
    send(client, request, sizeof request - 1, MSG_NOSIGNAL);
    int64_t end_us = kit_deadline();
    bool is_served = false;
    while (!answered.is_ended && kit_count(&answered, "\r\n\r\n") == 0 && os_now_us() < end_us) {
        net_loop_run_once(bed->loop, KIT_ROUND_US);
        if (upstream < 0)
            upstream = accept4(bed->listen_fd, NULL, NULL, 0);
        if (upstream >= 0 && !is_served) {
            kit_take(&asked, upstream);
            is_served = kit_count(&asked, "hello") > 0;
            if (is_served)
                send(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine", 42,
                     MSG_NOSIGNAL);
        }
        kit_take(&answered, client);
    }
    assert_true(os_now_us() < end_us);
    kit_inbox_clear(&asked);
    kit_inbox_clear(&answered);
    close(client);
    if (upstream >= 0)
        close(upstream);
    kit_settle(bed->loop);
}

static void every_counted_fault_is_survived(void **state)
{
    (void)state;
    static const enum os_fault kinds[] = {OS_FAULT_MEMORY, OS_FAULT_SOCKET};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        uint64_t nth = 0, calls;
        do {
            struct bed bed;
            start(&bed);
            os_fault_set(kinds[i], ++nth, false);
            play(&bed);
            calls = os_fault_calls(kinds[i]);
            os_fault_set(kinds[i], 0, false);
            stop(&bed);
        } while (calls >= nth && nth < 500);
        assert_true(nth > 3 && nth < 500);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_pass_one_by_one_as_they_come),
        cmocka_unit_test(a_client_that_leaves_ends_the_work_upstream_at_once),
        cmocka_unit_test(a_slow_reader_slows_its_upstream_and_fills_no_memory),
        cmocka_unit_test(an_upstream_that_dies_never_looks_like_a_whole_answer),
        cmocka_unit_test(every_counted_fault_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
