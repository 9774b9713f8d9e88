/* One connection that says little in very many pieces, each of which may cost a system call further
 * on, must leave the others of its loop their turn. */
#include "http/test_kit.h"

#include "http/client_io.h"
#include "http/server_io.h"

enum {
    CHUNKS = 8000,
    A_ROUND_MAX = 2 * 512 /* an event's run and a queued one */
};

static const char chunk[] = "1\r\nx\r\n", last_chunk[] = "0\r\n\r\n";

static struct {
    struct net_loop *loop;
    unsigned pieces, ends;
} bed;

/* <head>, CHUNKS chunks of a byte each, the last chunk. */
static struct span make_message(const char *head)
{
    static char message[256 + CHUNKS * (sizeof chunk - 1) + sizeof last_chunk];
    size_t n = (size_t)snprintf(message, 256, "%s", head);
    for (unsigned i = 0; i < CHUNKS; i++, n += sizeof chunk - 1)
        memcpy(message + n, chunk, sizeof chunk - 1);
    memcpy(message + n, last_chunk, sizeof last_chunk - 1);
    return span_from(message, n + sizeof last_chunk - 1);
}

static void start(void)
{
    bed.pieces = bed.ends = 0;
    assert_int_equal(net_loop_new(&bed.loop), ERR_OK);
}

/* All is in the sockets: runs the loop until the end, and looks at what each round takes. */
static void assert_turns(void)
{
    unsigned before = bed.pieces, rounds = 0;
    int64_t end_us = kit_deadline();
    while (bed.ends == 0 && os_now_us() < end_us) {
        net_loop_run_once(bed.loop, KIT_ROUND_US);
        assert_true(bed.pieces - before <= A_ROUND_MAX);
        rounds += bed.pieces > before;
        before = bed.pieces;
    }
    assert_int_equal(bed.ends, 1);
    assert_int_equal(bed.pieces, CHUNKS);
    assert_true(rounds >= CHUNKS / A_ROUND_MAX);
}

/* ---- the server's side -------------------------------------------------------------------- */

static void on_request(struct http_exchange *exchange)
{
    (void)exchange;
}

static void on_piece(struct http_exchange *exchange, struct span piece)
{
    (void)exchange;
    assert_int_equal(piece.n, 1);
    bed.pieces++;
}

static void on_request_end(struct http_exchange *exchange)
{
    bed.ends++;
    http_answer(exchange, 200, (struct span){NULL, 0}, 0, (struct span){NULL, 0});
}

static void on_gone(struct http_exchange *exchange, bool was_whole)
{
    (void)exchange;
    assert_true(was_whole);
}

static void a_body_in_very_many_chunks_leaves_the_others_their_turn(void **state)
{
    (void)state;
    static const struct http_handler handler = {.on_head = on_request,
                                                .on_body = on_piece,
                                                .on_body_end = on_request_end,
                                                .on_gone = on_gone};
    struct http_server *server;
    struct net_address address;
    struct kit_inbox inbox = {.n = 0};
    start();
    net_address_loopback(0, &address);
    assert_int_equal(http_server_new(bed.loop, &handler, NULL, NULL, &server), ERR_OK);
    assert_int_equal(http_server_listen(server, &address, false, NULL), ERR_OK);
    int fd = kit_connect(http_server_port(server));
    struct span request = make_message("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked"
                                       "\r\n\r\n");
    assert_int_equal(send(fd, request.p, request.n, MSG_NOSIGNAL), request.n);
    assert_turns();
    assert_true(kit_receive_text(bed.loop, fd, &inbox, "HTTP/1.1 200 OK", 1));
    kit_inbox_clear(&inbox);
    close(fd);
    http_server_free(server);
    net_loop_free(bed.loop);
}

/* ---- the client's side -------------------------------------------------------------------- */

static void on_answer(struct http_call *call, const struct http_head *head)
{
    (void)call;
    assert_int_equal(head->status, 200);
}

static void on_answer_piece(struct http_call *call, struct span piece)
{
    (void)call;
    assert_int_equal(piece.n, 1);
    bed.pieces++;
}

static void on_answer_end(struct http_call *call)
{
    (void)call;
    bed.ends++;
}

static void on_error(struct http_call *call, enum err err, enum http_phase phase)
{
    (void)call;
    fail_msg("error %d in phase %d", (int)err, (int)phase);
}

static void an_answer_in_very_many_chunks_leaves_the_others_their_turn(void **state)
{
    (void)state;
    static const struct http_call_handler handler = {.on_head = on_answer,
                                                     .on_body = on_answer_piece,
                                                     .on_end = on_answer_end,
                                                     .on_error = on_error};
    struct http_client *client;
    struct http_origin *origin;
    struct kit_inbox inbox = {.n = 0};
    uint16_t port;
    char url[64];
    start();
    int listen_fd = kit_listen(&port);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", (unsigned)port);
    assert_int_equal(http_client_new(bed.loop, &client), ERR_OK);
    assert_int_equal(http_origin_new(client, span_of(url), NULL, NULL, &origin, NULL), ERR_OK);
    const struct http_request request = {.head = SPAN_LITERAL("GET / HTTP/1.1\r\n"),
                                         .handler = &handler};
    assert_non_null(http_call(origin, &request));
    int fd = kit_accept(bed.loop, listen_fd);
    assert_true(kit_receive_text(bed.loop, fd, &inbox, "\r\n\r\n", 1));
    struct span answer = make_message("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_int_equal(send(fd, answer.p, answer.n, MSG_NOSIGNAL), answer.n);
    assert_turns();
    kit_inbox_clear(&inbox);
    close(fd);
    close(listen_fd);
    http_client_free(client);
    net_loop_free(bed.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_in_very_many_chunks_leaves_the_others_their_turn),
        cmocka_unit_test(an_answer_in_very_many_chunks_leaves_the_others_their_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
