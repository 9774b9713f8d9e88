#include "http/test_kit.h"

#include "http/client_io.h"
#include "os/fault.h"

enum { CLIENT_READ = 64 * 1024 }; /* at most this much at once: CLIENT_SCRATCH_SIZE */

/* A client against a raw upstream that says exactly what the test wants it to. */
struct bed {
    struct net_loop *loop;
    struct http_client *client;
    struct http_origin *origin;
    uint16_t port;
    int listen_fd;
};

/* What a call's handler saw, and what it shall do. */
struct seen {
    unsigned heads, ends, errors, pieces, writables;
    unsigned status;
    enum err err;
    enum http_phase phase;
    char body[8192];
    size_t body_size;
    bool cancels_in_head, cancels_in_body, pauses_in_body, had_body_ready;
    struct http_call *call;
};

static void on_head(struct http_call *call, const struct http_head *head)
{
    struct seen *seen = http_call_user(call);
    seen->heads++;
    seen->status = head->status;
    seen->had_body_ready = http_call_has_body_ready(call);
    if (seen->cancels_in_head) {
        seen->call = NULL;
        http_call_cancel(call);
    }
}

static void on_body(struct http_call *call, struct span piece)
{
    struct seen *seen = http_call_user(call);
    seen->pieces++;
    size_t room = sizeof seen->body - seen->body_size;
    size_t n = piece.n < room ? piece.n : room;
    memcpy(seen->body + seen->body_size, piece.p, n);
    seen->body_size += n;
    if (seen->pauses_in_body)
        http_call_pause(call);
    if (seen->cancels_in_body) {
        seen->call = NULL;
        http_call_cancel(call);
    }
}

static void on_end(struct http_call *call)
{
    struct seen *seen = http_call_user(call);
    seen->ends++;
    seen->call = NULL;
}

static void on_error(struct http_call *call, enum err err, enum http_phase phase)
{
    struct seen *seen = http_call_user(call);
    seen->errors++;
    seen->err = err;
    seen->phase = phase;
    seen->call = NULL;
}

static void on_writable(struct http_call *call)
{
    ((struct seen *)http_call_user(call))->writables++;
}

static const struct http_call_handler handler = {.on_head = on_head,
                                                 .on_body = on_body,
                                                 .on_end = on_end,
                                                 .on_error = on_error,
                                                 .on_writable = on_writable};

static void start(struct bed *bed)
{
    *bed = (struct bed){.listen_fd = -1};
    assert_int_equal(net_loop_new(&bed->loop), ERR_OK);
    assert_int_equal(http_client_new(bed->loop, &bed->client), ERR_OK);
    bed->listen_fd = kit_listen(&bed->port);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/base/", (unsigned)bed->port);
    assert_int_equal(http_origin_new(bed->client, span_of(url), NULL, NULL, &bed->origin, NULL),
                     ERR_OK);
}

static void stop(struct bed *bed)
{
    close(bed->listen_fd);
    http_client_free(bed->client);
    net_loop_free(bed->loop);
}

static struct http_request make_request(struct seen *seen, const char *head, const char *body)
{
    return (struct http_request){.head = span_of(head),
                                 .body = span_of(body),
                                 .body_length = (int64_t)strlen(body),
                                 .handler = &handler,
                                 .user = seen};
}

static void call(struct bed *bed, struct seen *seen)
{
    struct http_request request = make_request(seen, "POST /x HTTP/1.1\r\na: b\r\n", "hello");
    seen->call = http_call(bed->origin, &request);
    assert_non_null(seen->call);
}

static void wait_over(struct bed *bed, const struct seen *seen)
{
    int64_t end_us = kit_deadline();
    while (seen->call && os_now_us() < end_us)
        net_loop_run_once(bed->loop, KIT_ROUND_US);
    assert_null(seen->call);
}

/* Receives one request at <fd> and answers it. */
static void serve(struct bed *bed, int fd, const char *answer)
{
    struct kit_inbox inbox = {.n = 0};
    assert_true(kit_receive_text(bed->loop, fd, &inbox, "\r\n\r\nhello", 1));
    kit_inbox_clear(&inbox);
    assert_true(kit_send_text(bed->loop, fd, answer));
}

static const char plain_answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";

static void a_request_goes_out_framed_and_its_answer_comes_in(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    struct seen seen = {.heads = 0};
    call(&bed, &seen);
    int fd = kit_accept(bed.loop, bed.listen_fd);
    struct kit_inbox inbox = {.n = 0};
    assert_true(kit_receive_text(bed.loop, fd, &inbox, "hello", 1));
    char expected[128];
    snprintf(expected, sizeof expected,
             "POST /x HTTP/1.1\r\na: b\r\nhost: 127.0.0.1:%u\r\ncontent-length: 5\r\n\r\nhello",
             (unsigned)bed.port);
    assert_string_equal(inbox.p, expected);
    assert_true(span_is(http_origin_base(bed.origin), "/base"));
    kit_inbox_clear(&inbox);
    assert_true(kit_send_text(bed.loop, fd, plain_answer));
    wait_over(&bed, &seen);
    assert_int_equal(seen.status, 200);
    assert_true(seen.had_body_ready);
    assert_true(span_is(span_from(seen.body, seen.body_size), "fine"));
    assert_int_equal(seen.ends, 1);
    close(fd);
    stop(&bed);
}

static void a_connection_is_kept_and_used_again_newest_first(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    struct seen first = {.heads = 0}, second = {.heads = 0}, third = {.heads = 0};
    call(&bed, &first);
    call(&bed, &second);
    int fd_1 = kit_accept(bed.loop, bed.listen_fd);
    int fd_2 = kit_accept(bed.loop, bed.listen_fd);
    serve(&bed, fd_1, plain_answer);
    wait_over(&bed, &first);
    serve(&bed, fd_2, plain_answer);
    wait_over(&bed, &second);
    call(&bed, &third);
    serve(&bed, fd_2, plain_answer);
    wait_over(&bed, &third);
    assert_int_equal(third.ends, 1);
    assert_int_equal(accept4(bed.listen_fd, NULL, NULL, 0), -1);
    close(fd_1);
    close(fd_2);
    stop(&bed);
}

/* Is the next call given a connection of its own? Ends it. */
static bool is_dialled(struct bed *bed, int old_fd)
{
    struct seen seen = {.heads = 0};
    call(bed, &seen);
    kit_settle(bed->loop);
    int fd = accept4(bed->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (seen.call)
        http_call_cancel(seen.call);
    if (fd >= 0)
        close(fd);
    close(old_fd);
    return fd >= 0 && seen.heads == 0;
}

static const char stray_answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray";

/* Behind the answer another one that nobody asked for: were it left on a kept connection, the next
 * request would be given it, and everybody after that the answer of somebody else. */
static void bytes_behind_an_answer_are_nobodys_answer(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    struct seen seen = {.heads = 0};
    call(&bed, &seen);
    int fd = kit_accept(bed.loop, bed.listen_fd);
    serve(&bed, fd, plain_answer);
    wait_over(&bed, &seen);
    /* it comes while the loop looks elsewhere */
    assert_int_equal(send(fd, stray_answer, strlen(stray_answer), 0), strlen(stray_answer));
    assert_true(is_dialled(&bed, fd));

    /* the answer fills a read to its last byte, the stray stays in the socket */
    static char large[CLIENT_READ + sizeof stray_answer];
    memset(large, 'x', CLIENT_READ);
    memcpy(large + CLIENT_READ, stray_answer, sizeof stray_answer);
    seen = (struct seen){.heads = 0};
    call(&bed, &seen);
    fd = kit_accept(bed.loop, bed.listen_fd);
    serve(&bed, fd, "HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n");
    kit_settle(bed.loop);
    assert_int_equal(seen.heads, 1);
    assert_int_equal(send(fd, large, sizeof large - 1, 0), sizeof large - 1);
    wait_over(&bed, &seen);
    assert_int_equal(seen.ends, 1);
    assert_true(is_dialled(&bed, fd));
    stop(&bed);
}

/* The upstream dies after each byte of its answer: an error once, never an end. */
static void an_answer_cut_at_every_byte_is_an_error(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "4\r\nfine\r\n0\r\nt: 1\r\n\r\n",
    };
    struct bed bed;
    start(&bed);
    for (size_t i = 0; i < 2; i++) {
        size_t size = strlen(answers[i]);
        for (size_t n = 0; n <= size; n++) {
            struct seen seen = {.heads = 0};
            call(&bed, &seen);
            int fd = kit_accept(bed.loop, bed.listen_fd);
            serve(&bed, fd, "");
            assert_true(kit_send(bed.loop, fd, answers[i], n));
            close(fd);
            wait_over(&bed, &seen);
            assert_int_equal(seen.ends, n == size);
            assert_int_equal(seen.errors, n < size);
            if (n < size) {
                assert_int_equal(seen.err, ERR_CLOSED);
                assert_int_equal(seen.phase, n == 0 ? HTTP_PHASE_SENT : HTTP_PHASE_ANSWER);
            }
            kit_settle(bed.loop);
        }
    }
    stop(&bed);
}

static void an_answer_that_comes_byte_by_byte_is_put_together(void **state)
{
    (void)state;
    static const char answer[] =
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\n"
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    struct bed bed;
    start(&bed);
    struct seen seen = {.heads = 0};
    call(&bed, &seen);
    int fd = kit_accept(bed.loop, bed.listen_fd);
    serve(&bed, fd, "");
    for (size_t i = 0; i < sizeof answer - 1; i++) {
        assert_true(kit_send(bed.loop, fd, answer + i, 1));
        net_loop_run_once(bed.loop, KIT_ROUND_US);
    }
    wait_over(&bed, &seen);
    assert_int_equal(seen.heads, 1);
    assert_int_equal(seen.ends, 1);
    assert_true(span_is(span_from(seen.body, seen.body_size), "abcde"));
    close(fd);
    stop(&bed);
}

static void chunks_are_shown_as_the_server_cut_them(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    struct seen seen = {.heads = 0};
    call(&bed, &seen);
    int fd = kit_accept(bed.loop, bed.listen_fd);
    serve(&bed, fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n");
    kit_settle(bed.loop);
    assert_true(seen.had_body_ready);
    assert_int_equal(seen.pieces, 2);
    assert_true(kit_send_text(bed.loop, fd, "4\r\ndefg\r\n0\r\n\r\n"));
    wait_over(&bed, &seen);
    assert_int_equal(seen.pieces, 3);
    assert_int_equal(seen.ends, 1);
    close(fd);
    stop(&bed);
}

static void a_kept_connection_that_breaks_is_replaced_once_without_a_word(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    struct seen seen = {.heads = 0};
    call(&bed, &seen);
    int fd = kit_accept(bed.loop, bed.listen_fd);
    serve(&bed, fd, plain_answer);
    wait_over(&bed, &seen);

    /* the server takes the next request and closes: once more on a fresh connection */
    seen = (struct seen){.heads = 0};
    call(&bed, &seen);
    serve(&bed, fd, "");
    close(fd);
    fd = kit_accept(bed.loop, bed.listen_fd);
    serve(&bed, fd, plain_answer);
    wait_over(&bed, &seen);
    assert_int_equal(seen.ends, 1);
    assert_int_equal(seen.errors, 0);

    /* the fresh one breaks too: that is a failure */
    seen = (struct seen){.heads = 0};
    call(&bed, &seen);
    serve(&bed, fd, "");
    close(fd);
    fd = kit_accept(bed.loop, bed.listen_fd);
    serve(&bed, fd, "");
    close(fd);
    wait_over(&bed, &seen);
    assert_int_equal(seen.errors, 1);
    assert_int_equal(seen.err, ERR_CLOSED);

    /* after the first byte of an answer there is no second try */
    seen = (struct seen){.heads = 0};
    call(&bed, &seen);
    fd = kit_accept(bed.loop, bed.listen_fd);
    serve(&bed, fd, plain_answer);
    wait_over(&bed, &seen);
    seen = (struct seen){.heads = 0};
    call(&bed, &seen);
    serve(&bed, fd, "H");
    close(fd);
    wait_over(&bed, &seen);
    assert_int_equal(seen.errors, 1);
    assert_int_equal(seen.phase, HTTP_PHASE_ANSWER);
    stop(&bed);
}

static void a_streamed_body_is_never_sent_twice(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    struct seen seen = {.heads = 0};
    call(&bed, &seen);
    int fd = kit_accept(bed.loop, bed.listen_fd);
    serve(&bed, fd, plain_answer);
    wait_over(&bed, &seen);

    seen = (struct seen){.heads = 0};
    struct http_request request = make_request(&seen, "POST /x HTTP/1.1\r\n", "hel");
    request.body_length = 5;
    seen.call = http_call(bed.origin, &request);
    assert_int_equal(http_call_send(seen.call, SPAN_LITERAL("lo")), 2);
    http_call_send_end(seen.call);
    serve(&bed, fd, "");
    close(fd);
    wait_over(&bed, &seen);
    assert_int_equal(seen.errors, 1);
    assert_int_equal(seen.phase, HTTP_PHASE_SENT);
    assert_int_equal(accept4(bed.listen_fd, NULL, NULL, 0), -1);
    stop(&bed);
}

static void an_idle_connection_that_the_server_closes_is_dropped_at_once(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    for (int how = 0; how < 2; how++) {
        struct seen seen = {.heads = 0};
        call(&bed, &seen);
        int fd = kit_accept(bed.loop, bed.listen_fd);
        serve(&bed, fd, plain_answer);
        wait_over(&bed, &seen);
        if (how == 1) /* bytes that nobody asked for */
            assert_true(kit_send_text(bed.loop, fd, "HTTP/1.1 408 Request Timeout\r\n\r\n"));
        else
            assert_int_equal(shutdown(fd, SHUT_WR), 0);
        struct kit_inbox inbox = {.n = 0};
        kit_receive_all(bed.loop, fd, &inbox);
        kit_inbox_clear(&inbox);
        close(fd);
    }
    stop(&bed);
}

static void refusal_and_silence_are_errors_of_their_phase(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    struct seen seen = {.heads = 0};
    struct http_request request = make_request(&seen, "POST /x HTTP/1.1\r\n", "hello");
    request.first_byte_timeout_us = 50 * 1000;
    request.stall_timeout_us = 50 * 1000;

    seen.call = http_call(bed.origin, &request);
    int fd = kit_accept(bed.loop, bed.listen_fd);
    wait_over(&bed, &seen);
    assert_int_equal(seen.err, ERR_TIMEOUT);
    assert_int_equal(seen.phase, HTTP_PHASE_SENT);
    close(fd);

    seen = (struct seen){.heads = 0};
    seen.call = http_call(bed.origin, &request);
    fd = kit_accept(bed.loop, bed.listen_fd);
    serve(&bed, fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfi");
    wait_over(&bed, &seen);
    assert_int_equal(seen.err, ERR_TIMEOUT);
    assert_int_equal(seen.phase, HTTP_PHASE_ANSWER);
    close(fd);

    close(bed.listen_fd);
    seen = (struct seen){.heads = 0};
    seen.call = http_call(bed.origin, &request);
    assert_non_null(seen.call);
    assert_int_equal(seen.errors, 0); /* no handler is called from inside http_call() */
    wait_over(&bed, &seen);
    assert_int_equal(seen.err, ERR_REFUSED);
    assert_int_equal(seen.phase, HTTP_PHASE_CONNECT);
    bed.listen_fd = kit_listen(&bed.port);
    stop(&bed);
}

#define INTERIM "HTTP/1.1 100 C\r\n\r\n"

static void malformed_answers_are_refused(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n",
        INTERIM INTERIM INTERIM INTERIM INTERIM INTERIM INTERIM INTERIM INTERIM,
    };
    struct bed bed;
    start(&bed);
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct seen seen = {.heads = 0};
        call(&bed, &seen);
        int fd = kit_accept(bed.loop, bed.listen_fd);
        serve(&bed, fd, answers[i]);
        wait_over(&bed, &seen);
        assert_int_equal(seen.errors, 1);
        assert_int_equal(seen.err, ERR_SYNTAX);
        close(fd);
    }
    stop(&bed);
}

static void the_end_of_an_answer_is_found_in_every_framing(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    struct seen seen = {.heads = 0};
    call(&bed, &seen);
    int fd = kit_accept(bed.loop, bed.listen_fd);
    serve(&bed, fd, "HTTP/1.1 200 OK\r\n\r\nuntil close");
    close(fd);
    wait_over(&bed, &seen);
    assert_int_equal(seen.ends, 1);
    assert_true(span_is(span_from(seen.body, seen.body_size), "until close"));

    seen = (struct seen){.heads = 0};
    struct http_request request = make_request(&seen, "HEAD /x HTTP/1.1\r\na: hello\r\n", "");
    request.is_head_method = true;
    seen.call = http_call(bed.origin, &request);
    fd = kit_accept(bed.loop, bed.listen_fd);
    assert_true(kit_send_text(bed.loop, fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"));
    wait_over(&bed, &seen);
    assert_int_equal(seen.ends, 1);

    seen = (struct seen){.heads = 0};
    call(&bed, &seen);
    serve(&bed, fd, "HTTP/1.1 204 No Content\r\n\r\n");
    wait_over(&bed, &seen);
    assert_int_equal(seen.ends, 1);
    assert_int_equal(seen.body_size, 0);
    close(fd);
    stop(&bed);
}

static void a_cancelled_call_closes_its_connection_and_is_silent(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    for (int where = 0; where < 4; where++) {
        struct seen seen = {.cancels_in_head = where == 1, .cancels_in_body = where == 2};
        call(&bed, &seen);
        if (where == 3) {
            http_call_cancel(seen.call);
            kit_settle(bed.loop);
            int fd = accept4(bed.listen_fd, NULL, NULL, 0);
            if (fd >= 0)
                close(fd);
            continue;
        }
        int fd = kit_accept(bed.loop, bed.listen_fd);
        serve(&bed, fd, where == 0 ? "" : plain_answer);
        if (where == 0)
            http_call_cancel(seen.call);
        struct kit_inbox inbox = {.n = 0};
        kit_receive_all(bed.loop, fd, &inbox);
        kit_inbox_clear(&inbox);
        assert_int_equal(seen.ends + seen.errors, 0);
        close(fd);
    }
    stop(&bed);
}

static void a_paused_answer_waits_in_the_middle_of_a_read(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    struct seen seen = {.pauses_in_body = true};
    call(&bed, &seen);
    int fd = kit_accept(bed.loop, bed.listen_fd);
    serve(&bed, fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n");
    assert_true(kit_send_text(bed.loop, fd, "1\r\nc\r\n1\r\nd\r\n0\r\n\r\n"));
    for (unsigned pieces = 1; pieces <= 4; pieces++) {
        kit_settle(bed.loop);
        assert_int_equal(seen.pieces, pieces);
        assert_int_equal(seen.ends, 0);
        http_call_resume(seen.call);
    }
    wait_over(&bed, &seen);
    assert_true(span_is(span_from(seen.body, seen.body_size), "abcd"));
    assert_int_equal(seen.ends, 1);
    close(fd);
    stop(&bed);
}

static void a_streamed_body_goes_out_as_the_server_takes_it(void **state)
{
    (void)state;
    enum { SIZE = 8 << 20 };
    struct bed bed;
    start(&bed);
    struct seen seen = {.heads = 0};
    struct http_request request = make_request(&seen, "POST /x HTTP/1.1\r\n", "");
    request.body_length = SIZE;
    seen.call = http_call(bed.origin, &request);
    static char piece[100 * 1000];
    size_t given = 0, taken;
    bool was_full = false;
    int fd = kit_accept(bed.loop, bed.listen_fd);
    struct kit_inbox inbox = {.n = 0};
    int64_t end_us = kit_deadline();
    while (given < SIZE && os_now_us() < end_us) {
        size_t n = SIZE - given < sizeof piece ? SIZE - given : sizeof piece;
        taken = http_call_send(seen.call, span_from(piece, n));
        given += taken;
        if (taken < n) {
            was_full = true;
            unsigned before = seen.writables;
            while (seen.writables == before && os_now_us() < end_us) {
                kit_take(&inbox, fd);
                net_loop_run_once(bed.loop, KIT_ROUND_US);
            }
        }
    }
    assert_true(was_full);
    http_call_send_end(seen.call);
    assert_true(kit_receive_text(bed.loop, fd, &inbox, "\r\n\r\n", 1));
    size_t head_size = (size_t)(strstr(inbox.p, "\r\n\r\n") + 4 - inbox.p);
    kit_receive(bed.loop, fd, &inbox, head_size + SIZE);
    assert_int_equal(inbox.n, head_size + SIZE);
    kit_inbox_clear(&inbox);
    assert_true(kit_send_text(bed.loop, fd, plain_answer));
    wait_over(&bed, &seen);
    assert_int_equal(seen.ends, 1);
    close(fd);
    stop(&bed);
}

static void a_chunked_body_can_begin_before_the_connection_stands(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    struct seen seen = {.heads = 0};
    struct http_request request = make_request(&seen, "POST /x HTTP/1.1\r\n", "");
    request.body_length = HTTP_LENGTH_CHUNKED;
    seen.call = http_call(bed.origin, &request);
    assert_int_equal(http_call_send(seen.call, SPAN_LITERAL("abc")), 3);
    http_call_send_end(seen.call);
    int fd = kit_accept(bed.loop, bed.listen_fd);
    struct kit_inbox inbox = {.n = 0};
    assert_true(kit_receive_text(bed.loop, fd, &inbox,
                                 "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 1));
    kit_inbox_clear(&inbox);
    assert_true(kit_send_text(bed.loop, fd, plain_answer));
    wait_over(&bed, &seen);
    assert_int_equal(seen.ends, 1);
    close(fd);
    stop(&bed);
}

/* A server may answer and close while the body is still on its way. */
static void an_early_answer_is_read_though_the_body_cannot_be_sent(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    struct seen seen = {.heads = 0};
    size_t size = 16 << 20;
    char *body = calloc(1, size);
    assert_non_null(body);
    struct http_request request = make_request(&seen, "POST /x HTTP/1.1\r\n", "");
    request.body = span_from(body, size);
    request.body_length = (int64_t)size;
    seen.call = http_call(bed.origin, &request);
    int fd = kit_accept(bed.loop, bed.listen_fd);
    kit_settle(bed.loop);
    assert_true(kit_send_text(bed.loop, fd, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    wait_over(&bed, &seen);
    assert_int_equal(seen.ends, 1);
    assert_int_equal(seen.status, 413);
    close(fd);
    free(body);
    stop(&bed);
}

static void urls_are_read_strictly(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "ftp://127.0.0.1",
                                      "http://",
                                      "http://:80",
                                      "http://127.0.0.1:0",
                                      "http://127.0.0.1:70000",
                                      "http://127.0.0.1:8x",
                                      "http://user@127.0.0.1",
                                      "http://127.0.0.1/a?b",
                                      "http://::1/",
                                      "http://[::1",
                                      "http://127.0.0.1/a b",
                                      "https://127.0.0.1",
                                      "http://a.name"};
    struct bed bed;
    start(&bed);
    struct http_origin *origin = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (http_origin_new(bed.client, span_of(bad[i]), NULL, NULL, &origin, NULL) == ERR_OK)
            fail_msg("taken: %s", bad[i]);
    assert_int_equal(
        http_origin_new(bed.client, SPAN_LITERAL("http://[::1]:81/v"), NULL, NULL, &origin, NULL),
        ERR_OK);
    assert_true(span_is(http_origin_host(origin), "[::1]:81"));
    assert_true(span_is(http_origin_base(origin), "/v"));
    http_origin_free(origin);
    stop(&bed);
}

static void a_client_that_is_freed_ends_its_calls(void **state)
{
    (void)state;
    struct bed bed;
    start(&bed);
    struct seen seen[3] = {{.heads = 0}};
    for (int i = 0; i < 3; i++)
        call(&bed, &seen[i]);
    kit_settle(bed.loop);
    stop(&bed);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(seen[i].errors, 1);
        assert_int_equal(seen[i].err, ERR_CLOSED);
    }
}

/* A raw upstream of one connection at a time that answers every request in chunks. */
struct upstream {
    int fd;
    struct kit_inbox inbox;
    bool is_answered;
};

static void run_upstream(struct bed *bed, struct upstream *upstream)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 "1\r\na\r\n1\r\nb\r\n0\r\n\r\n";
    int next = accept4(bed->listen_fd, NULL, NULL, 0);
    if (next >= 0) {
        if (upstream->fd >= 0)
            close(upstream->fd);
        upstream->fd = next;
        kit_inbox_clear(&upstream->inbox);
        upstream->is_answered = false;
    }
    if (upstream->fd < 0 || upstream->is_answered)
        return;
    kit_take(&upstream->inbox, upstream->fd);
    upstream->is_answered = kit_count(&upstream->inbox, "hello") > 0;
    if (upstream->is_answered)
        send(upstream->fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
}

/* Two calls, the second on the kept connection and with pauses. */
static void play(struct bed *bed, struct seen *seen)
{
    struct upstream upstream = {.fd = -1};
    for (int i = 0; i < 2; i++) {
        seen[i] = (struct seen){.pauses_in_body = i == 1};
        upstream.is_answered = false;
        kit_inbox_clear(&upstream.inbox);
        struct http_request request = make_request(&seen[i], "POST /x HTTP/1.1\r\n", "hello");
        seen[i].call = http_call(bed->origin, &request);
        int64_t end_us = kit_deadline();
        while (seen[i].call && os_now_us() < end_us) {
            net_loop_run_once(bed->loop, KIT_ROUND_US);
            run_upstream(bed, &upstream);
            if (seen[i].call)
                http_call_resume(seen[i].call);
        }
        assert_null(seen[i].call);
    }
    kit_inbox_clear(&upstream.inbox);
    if (upstream.fd >= 0)
        close(upstream.fd);
}

static void torture(enum os_fault kind)
{
    for (uint64_t nth = 1; nth < 1000; nth++) {
        struct bed bed;
        start(&bed);
        os_fault_set(kind, nth, false);
        struct seen seen[2];
        play(&bed, seen);
        uint64_t calls = os_fault_calls(kind);
        os_fault_set(kind, 0, false);
        for (int i = 0; i < 2; i++)
            assert_true(seen[i].ends + seen[i].errors <= 1);
        stop(&bed);
        if (calls < nth) {
            assert_int_equal(seen[0].ends + seen[1].ends, 2);
            return;
        }
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
        cmocka_unit_test(a_request_goes_out_framed_and_its_answer_comes_in),
        cmocka_unit_test(a_connection_is_kept_and_used_again_newest_first),
        cmocka_unit_test(bytes_behind_an_answer_are_nobodys_answer),
        cmocka_unit_test(an_answer_cut_at_every_byte_is_an_error),
        cmocka_unit_test(an_answer_that_comes_byte_by_byte_is_put_together),
        cmocka_unit_test(chunks_are_shown_as_the_server_cut_them),
        cmocka_unit_test(a_kept_connection_that_breaks_is_replaced_once_without_a_word),
        cmocka_unit_test(a_streamed_body_is_never_sent_twice),
        cmocka_unit_test(an_idle_connection_that_the_server_closes_is_dropped_at_once),
        cmocka_unit_test(refusal_and_silence_are_errors_of_their_phase),
        cmocka_unit_test(malformed_answers_are_refused),
        cmocka_unit_test(the_end_of_an_answer_is_found_in_every_framing),
        cmocka_unit_test(a_cancelled_call_closes_its_connection_and_is_silent),
        cmocka_unit_test(a_paused_answer_waits_in_the_middle_of_a_read),
        cmocka_unit_test(a_streamed_body_goes_out_as_the_server_takes_it),
        cmocka_unit_test(a_chunked_body_can_begin_before_the_connection_stands),
        cmocka_unit_test(an_early_answer_is_read_though_the_body_cannot_be_sent),
        cmocka_unit_test(urls_are_read_strictly),
        cmocka_unit_test(a_client_that_is_freed_ends_its_calls),
        cmocka_unit_test(every_failing_allocation_is_survived),
        cmocka_unit_test(every_failing_socket_call_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
