#include "base/check.h"
#include "http/test_kit.h"

#include "http/buffer_io.h"
#include "http/server_io.h"
#include "os/fault.h"

/* A server whose handler does what the path says; one exchange at a time is remembered. */
struct bed {
    struct net_loop *loop;
    struct http_server *server;
    uint16_t port;
    unsigned heads, ends, gones, wholes, overflows, drains;
    uint64_t body_bytes;
    size_t overflow_size, backlog_max, pushed, push_size;
    struct http_exchange *later; /* of /later and /push */
};

static struct bed *bed_of(struct http_exchange *exchange)
{
    return http_server_user(exchange->server);
}

static const struct span no_headers = {NULL, 0};
enum { PUSH_SIZE = 4 << 20, PUSH_PIECE = 16 * 1024, HOLD_LIMIT = 300 * 1000 };

static void answer_text(struct http_exchange *exchange, unsigned status, struct span body)
{
    http_answer(exchange, status, SPAN_LITERAL("x-a: 1\r\n"), (int64_t)body.n, body);
}

static bool is_path(struct http_exchange *exchange, const char *path)
{
    return span_is(exchange->head->path, path);
}

static void on_head(struct http_exchange *exchange)
{
    bed_of(exchange)->heads++;
    if (is_path(exchange, "/early"))
        answer_text(exchange, 403, SPAN_LITERAL("no"));
    else if (!is_path(exchange, "/stream") && !is_path(exchange, "/pause"))
        http_exchange_hold(exchange, HOLD_LIMIT);
}

static void on_body(struct http_exchange *exchange, struct span piece)
{
    bed_of(exchange)->body_bytes += piece.n;
    if (is_path(exchange, "/pause")) {
        bed_of(exchange)->later = exchange;
        http_exchange_pause(exchange);
    }
}

static void on_overflow(struct http_exchange *exchange, struct span so_far)
{
    bed_of(exchange)->overflows++;
    bed_of(exchange)->overflow_size = so_far.n;
}

static void push(struct bed *bed)
{
    static const char piece[PUSH_PIECE];
    while (bed->later && bed->pushed < bed->push_size && !http_answer_is_full(bed->later)) {
        bed->pushed += sizeof piece;
        http_answer_body(bed->later, span_from(piece, sizeof piece));
        if (bed->later && http_answer_backlog(bed->later) > bed->backlog_max)
            bed->backlog_max = http_answer_backlog(bed->later);
    }
    if (bed->later && bed->pushed >= bed->push_size)
        http_answer_end(bed->later);
}

static void on_body_end(struct http_exchange *exchange)
{
    struct bed *bed = bed_of(exchange);
    bed->ends++;
    if (is_path(exchange, "/later")) {
        bed->later = exchange;
    } else if (is_path(exchange, "/push")) {
        bed->later = exchange;
        http_answer(exchange, 200, no_headers, HTTP_LENGTH_CHUNKED, no_headers);
        push(bed);
    } else if (is_path(exchange, "/chunks")) {
        http_answer(exchange, 200, no_headers, HTTP_LENGTH_CHUNKED, SPAN_LITERAL("one"));
        http_answer_body(exchange, SPAN_LITERAL("two"));
        http_answer_end(exchange);
    } else if (is_path(exchange, "/abort")) {
        http_answer(exchange, 200, no_headers, HTTP_LENGTH_CHUNKED, SPAN_LITERAL("part"));
        http_answer_abort(exchange);
    } else if (is_path(exchange, "/break")) {
        http_answer(exchange, 200, no_headers, HTTP_LENGTH_CHUNKED, SPAN_LITERAL("part"));
        http_answer_break(exchange);
    } else {
        answer_text(exchange, 200, http_exchange_body(exchange));
    }
}

static void on_drained(struct http_exchange *exchange)
{
    bed_of(exchange)->drains++;
    push(bed_of(exchange));
}

static void on_gone(struct http_exchange *exchange, bool was_whole)
{
    struct bed *bed = bed_of(exchange);
    bed->gones++;
    bed->wholes += was_whole;
    if (bed->later == exchange)
        bed->later = NULL;
}

static const struct http_handler handler = {.on_head = on_head,
                                            .on_body = on_body,
                                            .on_overflow = on_overflow,
                                            .on_body_end = on_body_end,
                                            .on_drained = on_drained,
                                            .on_gone = on_gone};

static void start_with(struct bed *bed, const struct http_server_rules *rules)
{
    *bed = (struct bed){.push_size = PUSH_SIZE};
    struct net_address address;
    net_address_loopback(0, &address);
    assert_int_equal(net_loop_new(&bed->loop), ERR_OK);
    assert_int_equal(http_server_new(bed->loop, &handler, rules, bed, &bed->server), ERR_OK);
    assert_int_equal(http_server_listen(bed->server, &address, false, NULL), ERR_OK);
    bed->port = http_server_port(bed->server);
}

static void start(struct bed *bed)
{
    start_with(bed, NULL);
}

/* on_gone came exactly once for every on_head, and nothing is left. */
static void stop(struct bed *bed)
{
    http_server_free(bed->server);
    assert_int_equal(bed->heads, bed->gones);
    assert_int_equal(buffer_held_bytes(), 0);
    assert_int_equal(buffer_waiting_bytes(), 0);
    net_loop_free(bed->loop);
}

/* Sends <request> and receives until the connection ends. */
static void ask_and_end(struct bed *bed, const char *request, struct kit_inbox *inbox)
{
    int fd = kit_connect(bed->port);
    assert_true(kit_send_text(bed->loop, fd, request));
    kit_receive_all(bed->loop, fd, inbox);
    close(fd);
}

static void a_request_is_answered_and_its_connection_kept(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    int fd = kit_connect(bed.port);
    struct kit_inbox inbox = {.n = 0};
    for (unsigned i = 1; i <= 3; i++) {
        assert_true(kit_send_text(
            bed.loop, fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"));
        assert_true(kit_receive_text(bed.loop, fd, &inbox, "\r\n\r\nhello", i));
    }
    assert_int_equal(kit_count(&inbox, "HTTP/1.1 200 OK\r\ndate: "), 3);
    assert_int_equal(kit_count(&inbox, " GMT\r\nx-a: 1\r\ncontent-length: 5\r\n\r\n"), 3);
    assert_int_equal(http_server_connections(bed.server), 1);
    kit_inbox_clear(&inbox);
    close(fd);
    kit_settle(bed.loop);
    assert_int_equal(http_server_connections(bed.server), 0);
    assert_int_equal(http_server_accepted(bed.server), 1);
    stop(&bed);
}

static void a_request_cut_at_every_byte_is_no_answer(void **state)
{
    (void)state;
    static const char request[] =
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n3;a=b\r\nyou\r\n0\r\nt: 1\r\n\r\n";
    struct bed bed;
    start(&bed);
    for (size_t n = 0; n < sizeof request - 1; n++) {
        int fd = kit_connect(bed.port);
        assert_true(kit_send(bed.loop, fd, request, n));
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        struct kit_inbox inbox = {.n = 0};
        kit_receive_all(bed.loop, fd, &inbox);
        assert_int_equal(inbox.n, 0);
        kit_inbox_clear(&inbox);
        close(fd);
    }
    assert_int_equal(bed.ends, 0);
    assert_int_equal(bed.wholes, 0);
    stop(&bed);
}

static const char pipeline[] =
    "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
    "chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n"
    "GET /chunks HTTP/1.1\r\nHost: x\r\n\r\n"
    "POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nwxyz"
    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nend";

static void assert_pipeline_answered(const struct kit_inbox *inbox)
{
    assert_int_equal(kit_count(inbox, "HTTP/1.1 200 OK\r\n"), 6);
    const char *abc = strstr(inbox->p, "\r\n\r\nabc"), *def = strstr(inbox->p, "\r\n\r\ndef");
    const char *chunks = strstr(inbox->p, "\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
    const char *end = strstr(inbox->p, "connection: close\r\n\r\nend");
    assert_non_null(abc);
    assert_true(abc < def && def < chunks && chunks < end);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    struct kit_inbox inbox = {.n = 0};
    ask_and_end(&bed, pipeline, &inbox);
    assert_pipeline_answered(&inbox);
    kit_inbox_clear(&inbox);

    int fd = kit_connect(bed.port);
    for (size_t i = 0; i < sizeof pipeline - 1; i++) {
        assert_true(kit_send(bed.loop, fd, pipeline + i, 1));
        net_loop_run_once(bed.loop, KIT_ROUND_US);
    }
    kit_receive_all(bed.loop, fd, &inbox);
    assert_pipeline_answered(&inbox);
    kit_inbox_clear(&inbox);
    close(fd);
    assert_int_equal(bed.wholes, 12);
    stop(&bed);
}

/* Thousands of requests behind one that is answered later from another event: no recursion. */
static void a_long_pipeline_behind_a_late_answer_is_worked_off(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    struct bed bed;
    start(&bed);
    int fd = kit_connect(bed.port);
    assert_true(kit_send_text(bed.loop, fd, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n"));
    for (int i = 0; i < COUNT; i++)
        assert_true(kit_send_text(bed.loop, fd, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"));
    kit_settle(bed.loop);
    assert_non_null(bed.later);
    assert_int_equal(bed.heads, 1);
    answer_text(bed.later, 200, SPAN_LITERAL("late"));
    struct kit_inbox inbox = {.n = 0};
    assert_true(kit_receive_text(bed.loop, fd, &inbox, "HTTP/1.1 200 OK", COUNT + 1));
    kit_inbox_clear(&inbox);
    close(fd);
    stop(&bed);
}

static void a_long_pipeline_leaves_the_others_their_turn(void **state)
{
    (void)state;
    enum { COUNT = 400 };
    struct bed bed;
    struct kit_inbox inbox = {.n = 0};
    start(&bed);
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    static char many[COUNT * (sizeof request - 1)];
    for (size_t i = 0; i < COUNT; i++)
        memcpy(many + i * (sizeof request - 1), request, sizeof request - 1);
    int fd = kit_connect(bed.port);
    assert_int_equal(send(fd, many, sizeof many, MSG_NOSIGNAL), sizeof many);
    unsigned before = bed.heads;
    int64_t end_us = kit_deadline();
    while (bed.heads < COUNT && os_now_us() < end_us) {
        net_loop_run_once(bed.loop, KIT_ROUND_US);
        assert_true(bed.heads - before <= 2 * 16); /* an event's run and a queued one */
        before = bed.heads;
    }
    assert_int_equal(bed.heads, COUNT);
    assert_true(kit_receive_text(bed.loop, fd, &inbox, "200 OK", COUNT));
    kit_inbox_clear(&inbox);
    close(fd);
    stop(&bed);
}

static void assert_refused_with(struct bed *bed, const char *request, const char *status_line)
{
    struct kit_inbox inbox = {.n = 0};
    ask_and_end(bed, request, &inbox);
    if (!strstr(inbox.p, status_line))
        fail_msg("expected %s, found %s", status_line, inbox.p);
    assert_int_equal(kit_count(&inbox, "\r\ndate: "), 1);
    assert_int_equal(kit_count(&inbox, "connection: close\r\n"), 1);
    assert_int_equal(kit_count(&inbox, "{\"error\":"), 1);
    kit_inbox_clear(&inbox);
}

static void malformed_and_oversized_heads_get_their_status_and_the_end(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    assert_refused_with(&bed, "GET / HTTP/1.1\nHost: x\n\n", "HTTP/1.1 400 ");
    assert_refused_with(&bed, "GET / HTTP/1.1\r\nHost : x\r\n\r\n", "HTTP/1.1 400 ");
    assert_refused_with(&bed, "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ");
    assert_refused_with(&bed, "GET / HTTP/2.0\r\nHost: x\r\n\r\n", "HTTP/1.1 505 ");
    assert_refused_with(&bed,
                        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n",
                        "HTTP/1.1 400 ");
    assert_refused_with(&bed, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
                        "HTTP/1.1 413 ");
    char *big = malloc(1 << 20);
    assert_non_null(big);
    memset(big, 'a', (1 << 20) - 1);
    big[(1 << 20) - 1] = '\0';
    memcpy(big, "GET /", 5);
    assert_refused_with(&bed, big, "HTTP/1.1 414 ");
    memcpy(big, "GET / HTTP/1.1\r\nHost: x\r\nx: ", 28);
    assert_refused_with(&bed, big, "HTTP/1.1 431 ");
    free(big);
    assert_int_equal(bed.heads, 0);
    assert_refused_with(&bed,
                        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
                        "HTTP/1.1 400 ");
    assert_int_equal(bed.heads, 1);
    stop(&bed);
}

static char *make_body(size_t n)
{
    char *body = malloc(n);
    assert_non_null(body);
    for (size_t i = 0; i < n; i++)
        body[i] = (char)('a' + i * 7 % 26);
    return body;
}

/* Sends head and body, receives the echo. */
static void assert_echoed(struct bed *bed, int fd, size_t n)
{
    char head[128], *body = make_body(n + 1);
    int head_size = snprintf(head, sizeof head,
                             "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", n);
    assert_true(kit_send(bed->loop, fd, head, (size_t)head_size));
    assert_true(kit_send(bed->loop, fd, body, n));
    struct kit_inbox inbox = {.n = 0};
    assert_true(kit_receive_text(bed->loop, fd, &inbox, "\r\n\r\n", 1));
    size_t head_end = (size_t)(strstr(inbox.p, "\r\n\r\n") + 4 - inbox.p);
    kit_receive(bed->loop, fd, &inbox, head_end + n);
    assert_int_equal(inbox.n, head_end + n);
    assert_memory_equal(inbox.p + head_end, body, n);
    kit_inbox_clear(&inbox);
    free(body);
}

static void bodies_of_every_class_are_held_in_one_piece(void **state)
{
    (void)state;
    /* around the room behind a head in each class */
    static const size_t sizes[] = {0,     1,     3900,  3950,   3970,   3990,   4010,      4030,
                                   4050,  4096,  5000,  16384,  20000,  20300,  20400,     20480,
                                   65000, 65536, 70000, 204800, 262144, 266000, HOLD_LIMIT};
    struct bed bed;
    start(&bed);
    int fd = kit_connect(bed.port);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        assert_echoed(&bed, fd, sizes[i]);
    close(fd);
    assert_int_equal(bed.overflows, 0);
    stop(&bed);
}

static void a_chunked_body_is_held_too(void **state)
{
    (void)state;
    enum { COUNT = 30, SIZE = 9000 };
    struct bed bed;
    start(&bed);
    int fd = kit_connect(bed.port);
    char *body = make_body(COUNT * SIZE);
    assert_true(kit_send_text(
        bed.loop, fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
    for (size_t i = 0; i < COUNT; i++) {
        char line[16];
        int n = snprintf(line, sizeof line, "%x\r\n", SIZE);
        assert_true(kit_send(bed.loop, fd, line, (size_t)n));
        assert_true(kit_send(bed.loop, fd, body + i * SIZE, SIZE));
        assert_true(kit_send_text(bed.loop, fd, "\r\n"));
    }
    assert_true(kit_send_text(bed.loop, fd, "0\r\n\r\n"));
    struct kit_inbox inbox = {.n = 0};
    assert_true(kit_receive_text(bed.loop, fd, &inbox, "\r\n\r\n", 1));
    size_t head_end = (size_t)(strstr(inbox.p, "\r\n\r\n") + 4 - inbox.p);
    kit_receive(bed.loop, fd, &inbox, head_end + COUNT * SIZE);
    assert_memory_equal(inbox.p + head_end, body, COUNT * SIZE);
    kit_inbox_clear(&inbox);
    free(body);
    close(fd);
    stop(&bed);
}

static void a_body_beyond_the_limit_overflows_once_and_streams_on(void **state)
{
    (void)state;
    for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
        struct bed bed;
        start(&bed);
        int fd = kit_connect(bed.port);
        size_t n = 2 * HOLD_LIMIT;
        char head[160], *body = make_body(n);
        int head_size =
            snprintf(head, sizeof head, "POST /echo HTTP/1.1\r\nHost: x\r\n%s%zu%s%zx%s",
                     is_chunked ? "Transfer-Encoding: chunked\r\nx: " : "Content-Length: ", n,
                     "\r\n\r\n", n, "\r\n");
        if (!is_chunked)
            head_size = (int)(strstr(head, "\r\n\r\n") + 4 - head);
        assert_true(kit_send(bed.loop, fd, head, (size_t)head_size));
        assert_true(kit_send(bed.loop, fd, body, n));
        if (is_chunked)
            assert_true(kit_send_text(bed.loop, fd, "\r\n0\r\n\r\n"));
        struct kit_inbox inbox = {.n = 0};
        assert_true(kit_receive_text(bed.loop, fd, &inbox, "content-length: 0", 1));
        assert_int_equal(bed.overflows, 1);
        assert_true(bed.overflow_size <= HOLD_LIMIT && bed.overflow_size > HOLD_LIMIT / 2);
        assert_int_equal(bed.body_bytes, n);
        kit_inbox_clear(&inbox);
        free(body);
        close(fd);
        stop(&bed);
    }
}

static void a_client_is_told_to_continue_when_its_body_is_wanted(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    int fd = kit_connect(bed.port);
    struct kit_inbox inbox = {.n = 0};
    assert_true(kit_send_text(bed.loop, fd,
                              "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                              "Expect: 100-continue\r\n\r\n"));
    assert_true(kit_receive_text(bed.loop, fd, &inbox, "HTTP/1.1 100 Continue\r\n\r\n", 1));
    assert_true(kit_send_text(bed.loop, fd, "ok"));
    assert_true(kit_receive_text(bed.loop, fd, &inbox, "\r\n\r\nok", 1));
    assert_int_equal(kit_count(&inbox, "100 Continue"), 1);
    kit_inbox_clear(&inbox);

    assert_true(kit_send_text(bed.loop, fd,
                              "POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                              "Expect: 100-continue\r\n\r\n"));
    kit_receive_all(bed.loop, fd, &inbox);
    assert_int_equal(kit_count(&inbox, "100 Continue"), 0);
    assert_int_equal(kit_count(&inbox, "HTTP/1.1 403 "), 1);
    kit_inbox_clear(&inbox);
    close(fd);
    stop(&bed);
}

static void an_early_answer_survives_a_body_that_is_still_coming(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    int fd = kit_connect(bed.port);
    struct kit_inbox inbox = {.n = 0};
    /* a small rest is thrown away and the connection goes on */
    assert_true(kit_send_text(
        bed.loop, fd, "POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234"));
    assert_true(kit_receive_text(bed.loop, fd, &inbox, "HTTP/1.1 403 ", 1));
    assert_true(kit_send_text(bed.loop, fd, "56789GET /a HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_true(kit_receive_text(bed.loop, fd, &inbox, "HTTP/1.1 200 ", 1));
    kit_inbox_clear(&inbox);
    /* a large one ends it, but never by a reset before the answer is read */
    size_t n = 8 << 20;
    char *body = make_body(n);
    assert_true(kit_send_text(
        bed.loop, fd, "POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 8388608\r\n\r\n"));
    assert_true(kit_send(bed.loop, fd, body, n));
    kit_receive_all(bed.loop, fd, &inbox);
    assert_int_equal(kit_count(&inbox, "HTTP/1.1 403 "), 1);
    assert_int_equal(kit_count(&inbox, "connection: close\r\n"), 1);
    assert_false(inbox.is_reset);
    kit_inbox_clear(&inbox);
    free(body);
    close(fd);
    stop(&bed);
}

static void old_clients_and_head_requests_get_what_they_can_read(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    struct kit_inbox inbox = {.n = 0};
    ask_and_end(&bed, "GET /chunks HTTP/1.0\r\n\r\n", &inbox);
    assert_int_equal(kit_count(&inbox, "transfer-encoding"), 0);
    assert_int_equal(kit_count(&inbox, "connection: close\r\n\r\nonetwo"), 1);
    kit_inbox_clear(&inbox);
    ask_and_end(&bed,
                "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
                "GET /a HTTP/1.0\r\n\r\n",
                &inbox);
    assert_int_equal(kit_count(&inbox, "connection: keep-alive\r\n"), 1);
    assert_int_equal(kit_count(&inbox, "connection: close\r\n"), 1);
    kit_inbox_clear(&inbox);
    ask_and_end(&bed,
                "HEAD /early HTTP/1.1\r\nHost: x\r\n\r\nHEAD /chunks HTTP/1.1\r\nHost: x\r\n"
                "Connection: close\r\n\r\n",
                &inbox);
    assert_int_equal(kit_count(&inbox, "content-length: 2\r\n\r\nHTTP/1.1 200 OK"), 1);
    assert_string_equal(inbox.p + inbox.n - 4, "\r\n\r\n");
    assert_int_equal(kit_count(&inbox, "one"), 0);
    kit_inbox_clear(&inbox);
    stop(&bed);
}

static void a_client_that_leaves_is_known_at_once(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    for (int how = 0; how < 3; how++) {
        int fd = kit_connect(bed.port);
        assert_true(kit_send_text(bed.loop, fd, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n"));
        if (how == 2)
            assert_true(kit_send_text(bed.loop, fd, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"));
        kit_settle(bed.loop);
        assert_non_null(bed.later);
        const struct linger at_once = {.l_onoff = 1};
        if (how == 1)
            assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
        close(fd);
        int64_t left_us = os_now_us();
        while (bed.later && os_now_us() < left_us + KIT_PATIENCE_US)
            net_loop_run_once(bed.loop, KIT_ROUND_US);
        assert_null(bed.later);
        assert_true(os_now_us() - left_us < 100 * 1000);
    }
    assert_int_equal(bed.wholes, 0);
    stop(&bed);
}

static void a_slow_reader_is_waited_for_within_the_bound(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    int fd = kit_connect_narrow(bed.port);
    assert_true(kit_send_text(bed.loop, fd, "GET /push HTTP/1.1\r\nHost: x\r\n\r\n"));
    kit_settle(bed.loop);
    assert_non_null(bed.later);
    assert_true(bed.pushed < PUSH_SIZE);
    struct kit_inbox inbox = {.n = 0};
    assert_true(kit_receive_text(bed.loop, fd, &inbox, "\r\n0\r\n\r\n", 1));
    assert_int_equal(kit_count(&inbox, "\r\n4000\r\n"), PUSH_SIZE / PUSH_PIECE);
    assert_true(bed.backlog_max <= LIMIT_STREAM_BACKLOG + PUSH_PIECE + 8);
    assert_true(bed.drains > 0);
    assert_int_equal(bed.wholes, 1);
    kit_inbox_clear(&inbox);
    close(fd);
    stop(&bed);
}

/* Of the budget of waiting bytes, about <part> of four parts. */
static unsigned spend_waiting(struct buffer_pool *pool, struct buffer **spent, unsigned part)
{
    unsigned count = 0;
    size_t sum = 0;
    while (sum < (size_t)LIMIT_WAITING_BYTES / 4 * part) {
        spent[count] = buffer_take_class(pool, part < 4 || count < 480 ? BUFFER_CLASSES - 1 : 0);
        if (!buffer_charge_to(spent[count], BUFFER_WAITING)) {
            buffer_unref(spent[count]);
            break;
        }
        sum += spent[count++]->size;
    }
    return count;
}

static void slow_readers_together_have_a_bound_too(void **state)
{
    (void)state;
    enum { SPENT_MAX = 16 * 1024 };
    static struct buffer *spent[SPENT_MAX];
    for (unsigned part = 3; part <= 4; part++) {
        struct bed bed;
        struct buffer_pool pool;
        start(&bed);
        buffer_pool_init(&pool);
        unsigned count = spend_waiting(&pool, spent, part);
        int fd = kit_connect_narrow(bed.port);
        assert_true(kit_send_text(bed.loop, fd, "GET /push HTTP/1.1\r\nHost: x\r\n\r\n"));
        kit_settle(bed.loop);
        if (part == 3) { /* each is held short */
            assert_true(bed.backlog_max <= PUSH_PIECE + 8);
            struct kit_inbox inbox = {.n = 0};
            assert_true(kit_receive_text(bed.loop, fd, &inbox, "\r\n0\r\n\r\n", 1));
            assert_int_equal(bed.wholes, 1);
            kit_inbox_clear(&inbox);
        } else { /* there is nothing left: this one is cut */
            assert_int_equal(bed.gones, 1);
            assert_int_equal(bed.wholes, 0);
        }
        close(fd);
        while (count > 0)
            buffer_unref(spent[--count]);
        buffer_pool_fini(&pool);
        stop(&bed);
    }
}

static void a_client_gone_mid_answer_ends_the_exchange_once(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    int fd = kit_connect_narrow(bed.port);
    assert_true(kit_send_text(bed.loop, fd, "GET /push HTTP/1.1\r\nHost: x\r\n\r\n"));
    kit_settle(bed.loop);
    close(fd);
    kit_settle(bed.loop);
    assert_int_equal(bed.gones, 1);
    assert_int_equal(bed.wholes, 0);
    stop(&bed);
}

static void an_aborted_answer_breaks_and_a_broken_one_ends_without_its_last_chunk(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    struct kit_inbox inbox = {.n = 0};
    ask_and_end(&bed, "GET /abort HTTP/1.1\r\nHost: x\r\n\r\n", &inbox);
    assert_true(inbox.is_reset);
    kit_inbox_clear(&inbox);
    ask_and_end(&bed, "GET /break HTTP/1.1\r\nHost: x\r\n\r\n", &inbox);
    assert_false(inbox.is_reset);
    assert_int_equal(kit_count(&inbox, "4\r\npart\r\n"), 1);
    assert_int_equal(kit_count(&inbox, "\r\n0\r\n"), 0);
    kit_inbox_clear(&inbox);
    assert_int_equal(bed.wholes, 0);
    stop(&bed);
}

static struct http_server_rules hasty_rules(void)
{
    struct http_server_rules rules;
    http_server_rules_default(&rules);
    rules.head_timeout_us = rules.body_grace_us = 60 * 1000;
    rules.idle_timeout_us = 200 * 1000;
    rules.write_timeout_us = 60 * 1000;
    return rules;
}

static void slow_heads_and_bodies_are_answered_408_and_idle_ones_closed(void **state)
{
    (void)state;
    struct http_server_rules rules = hasty_rules();
    struct bed bed;
    start_with(&bed, &rules);
    assert_refused_with(&bed, "GET / HT", "HTTP/1.1 408 ");
    assert_int_equal(bed.heads, 0);
    assert_refused_with(&bed, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
                        "HTTP/1.1 408 ");
    struct kit_inbox inbox = {.n = 0};
    int64_t began_us = os_now_us();
    ask_and_end(&bed, "", &inbox);
    assert_int_equal(inbox.n, 0);
    assert_true(os_now_us() - began_us >= 200 * 1000);
    kit_inbox_clear(&inbox);
    stop(&bed);
}

/* Sends <sent> of a body of <size> and ends; what has become of it after 200 ms at most. */
/* <size> 0: chunked, in one chunk larger than what is sent. */
static void send_paused(struct bed *bed, size_t size, size_t sent, bool is_reset)
{
    static const char body[200 * 1000];
    char head[128];
    int fd = kit_connect(bed->port);
    int n = snprintf(head, sizeof head,
                     "POST /pause HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", size);
    if (size == 0)
        n = snprintf(
            head, sizeof head,
            "POST /pause HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n");
    assert_true(kit_send(bed->loop, fd, head, (size_t)n) && kit_send(bed->loop, fd, body, sent));
    int64_t end_us = kit_deadline();
    while (!bed->later && bed->gones == 0 && os_now_us() < end_us)
        net_loop_run_once(bed->loop, KIT_ROUND_US);
    if (is_reset)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    if (is_reset)
        close(fd);
    else
        shutdown(fd, SHUT_WR);
    end_us = os_now_us() + 200 * 1000;
    while (bed->gones == 0 && os_now_us() < end_us)
        net_loop_run_once(bed->loop, KIT_ROUND_US);
    if (!is_reset)
        close(fd);
}

static void a_client_that_leaves_a_paused_body_is_noticed(void **state)
{
    (void)state;
    static const struct {
        size_t size, sent;
        bool is_reset, leaves;
    } cases[] = {{1000000, 100000, false, true}, {1000000, 100000, true, true},
                 {100000, 100000, true, true},   {100000, 100000, false, false},
                 {0, 100000, false, true},       {0, 100000, true, true}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bed bed;
        start(&bed);
        send_paused(&bed, cases[i].size, cases[i].sent, cases[i].is_reset);
        assert_int_equal(bed.gones, cases[i].leaves);
        stop(&bed);
    }
}

static void a_reader_that_stands_still_is_dropped(void **state)
{
    (void)state;
    struct http_server_rules rules = hasty_rules();
    struct bed bed;
    start_with(&bed, &rules);
    int fd = kit_connect_narrow(bed.port);
    assert_true(kit_send_text(bed.loop, fd, "GET /push HTTP/1.1\r\nHost: x\r\n\r\n"));
    int64_t end_us = kit_deadline();
    while (bed.gones == 0 && os_now_us() < end_us)
        net_loop_run_once(bed.loop, KIT_ROUND_US);
    assert_int_equal(bed.gones, 1);
    assert_int_equal(bed.wholes, 0);
    close(fd);
    stop(&bed);
}

static void draining_closes_idle_connections_and_lets_answers_end(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    int idle = kit_connect(bed.port), busy = kit_connect(bed.port);
    assert_true(kit_send_text(bed.loop, busy, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n"));
    kit_settle(bed.loop);
    assert_int_equal(http_server_connections(bed.server), 2);
    http_server_drain(bed.server);
    struct kit_inbox inbox = {.n = 0};
    kit_receive_all(bed.loop, idle, &inbox);
    assert_int_equal(http_server_connections(bed.server), 1);
    answer_text(bed.later, 200, SPAN_LITERAL("bye"));
    kit_inbox_clear(&inbox);
    kit_receive_all(bed.loop, busy, &inbox);
    assert_int_equal(kit_count(&inbox, "connection: close\r\n"), 1);
    assert_int_equal(bed.wholes, 1);
    kit_inbox_clear(&inbox);
    close(idle);
    close(busy);
    stop(&bed);
}

static void more_connections_than_allowed_are_turned_away(void **state)
{
    (void)state;
    struct http_server_rules rules;
    http_server_rules_default(&rules);
    rules.connections_max = 2;
    struct bed bed;
    start_with(&bed, &rules);
    int fds[3];
    for (int i = 0; i < 3; i++)
        fds[i] = kit_connect(bed.port);
    kit_settle(bed.loop);
    struct kit_inbox inbox = {.n = 0};
    kit_receive_all(bed.loop, fds[2], &inbox);
    assert_int_equal(http_server_connections(bed.server), 2);
    kit_inbox_clear(&inbox);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    stop(&bed);
}

/* The n-th call of <kind> fails, for n = 1, 2, 3 ... until the scene plays untouched. */
static void torture(enum os_fault kind)
{
    char request[6000];
    int head_size = snprintf(request, sizeof request,
                             "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n");
    memset(request + head_size, 'b', 5000);
    for (uint64_t nth = 1; nth < 1000; nth++) {
        struct bed bed;
        start(&bed);
        bed.push_size = PUSH_SIZE / 8;
        os_fault_set(kind, nth, false);
        int fd = kit_connect_narrow(bed.port);
        kit_send(bed.loop, fd, request, (size_t)head_size + 5000);
        kit_send_text(bed.loop, fd, "GET /chunks HTTP/1.1\r\nHost: x\r\n\r\n");
        kit_send_text(bed.loop, fd, "GET /push HTTP/1.1\r\nHost: x\r\n\r\n");
        struct kit_inbox inbox = {.n = 0};
        kit_receive_text(bed.loop, fd, &inbox, "\r\n0\r\n\r\n", 2);
        uint64_t calls = os_fault_calls(kind);
        os_fault_set(kind, 0, false);
        close(fd);
        bool is_untouched = bed.wholes == 3 && calls < nth;
        kit_inbox_clear(&inbox);
        stop(&bed);
        if (is_untouched)
            return;
    }
    fail_msg("the scene never played untouched");
}

static void every_failing_allocation_is_survived(void **state)
{
    (void)state;
    torture(OS_FAULT_MEMORY);
}

static void every_failing_socket_call_is_survived(void **state)
{
    (void)state;
    torture(OS_FAULT_SOCKET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered_and_its_connection_kept),
        cmocka_unit_test(a_request_cut_at_every_byte_is_no_answer),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(a_long_pipeline_behind_a_late_answer_is_worked_off),
        cmocka_unit_test(a_long_pipeline_leaves_the_others_their_turn),
        cmocka_unit_test(malformed_and_oversized_heads_get_their_status_and_the_end),
        cmocka_unit_test(bodies_of_every_class_are_held_in_one_piece),
        cmocka_unit_test(a_chunked_body_is_held_too),
        cmocka_unit_test(a_body_beyond_the_limit_overflows_once_and_streams_on),
        cmocka_unit_test(a_client_is_told_to_continue_when_its_body_is_wanted),
        cmocka_unit_test(an_early_answer_survives_a_body_that_is_still_coming),
        cmocka_unit_test(old_clients_and_head_requests_get_what_they_can_read),
        cmocka_unit_test(a_client_that_leaves_is_known_at_once),
        cmocka_unit_test(a_slow_reader_is_waited_for_within_the_bound),
        cmocka_unit_test(slow_readers_together_have_a_bound_too),
        cmocka_unit_test(a_client_gone_mid_answer_ends_the_exchange_once),
        cmocka_unit_test(an_aborted_answer_breaks_and_a_broken_one_ends_without_its_last_chunk),
        cmocka_unit_test(slow_heads_and_bodies_are_answered_408_and_idle_ones_closed),
        cmocka_unit_test(a_client_that_leaves_a_paused_body_is_noticed),
        cmocka_unit_test(a_reader_that_stands_still_is_dropped),
        cmocka_unit_test(draining_closes_idle_connections_and_lets_answers_end),
        cmocka_unit_test(more_connections_than_allowed_are_turned_away),
        cmocka_unit_test(every_failing_allocation_is_survived),
        cmocka_unit_test(every_failing_socket_call_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
