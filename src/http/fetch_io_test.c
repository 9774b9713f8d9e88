#include "http/test_kit.h"

#include <poll.h>
#include <pthread.h>

#include "base/arena.h"
#include "http/client_io.h"

/* A blocking upstream of one request, on its own thread (the caller of http_fetch blocks). */
struct upstream {
    int listen_fd;
    const char *answer;
};

static void *serve_one(void *argument)
{
    const struct upstream *upstream = argument;
    struct pollfd ready = {.fd = upstream->listen_fd, .events = POLLIN};
    if (poll(&ready, 1, KIT_PATIENCE_US / 1000) != 1)
        return NULL;
    int fd = accept4(upstream->listen_fd, NULL, NULL, 0);
    char bytes[4096];
    ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    if (n > 0 && upstream->answer)
        send(fd, upstream->answer, strlen(upstream->answer), MSG_NOSIGNAL);
    while (!upstream->answer && n > 0) /* silence, until the other side gives up */
        n = recv(fd, bytes, sizeof bytes, 0);
    close(fd);
    return NULL;
}

static enum err fetch(const char *answer, int64_t timeout_us, unsigned *ret_status,
                      struct span *ret_body, struct text *why)
{
    static char memory[65536];
    struct arena arena;
    arena_init(&arena, memory, sizeof memory);
    uint16_t port;
    struct upstream upstream = {.listen_fd = kit_listen(&port), .answer = answer};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, serve_one, &upstream), 0);
    char url[64];
    snprintf(url, sizeof url, "http://localhost:%u", (unsigned)port);
    enum err err = http_fetch(span_of(url), NULL, SPAN_LITERAL("GET /x HTTP/1.1\r\n"),
                              (struct span){0}, timeout_us, &arena, ret_status, ret_body, why);
    assert_int_equal(pthread_join(thread, NULL), 0);
    close(upstream.listen_fd);
    return err;
}

static void an_answer_is_fetched_whole(void **state)
{
    (void)state;
    unsigned status = 0;
    struct span body;
    assert_int_equal(fetch("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
                           KIT_PATIENCE_US, &status, &body, NULL),
                     ERR_OK);
    assert_int_equal(status, 404);
    assert_true(span_is(body, "abcde"));
    assert_int_equal(fetch("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", KIT_PATIENCE_US, &status,
                           &body, NULL),
                     ERR_OK);
    assert_int_equal(status, 200);
    assert_int_equal(body.n, 0);
}

static void silence_and_nonsense_are_errors_with_a_sentence(void **state)
{
    (void)state;
    unsigned status = 0;
    struct span body = {NULL, 0};
    char bytes[256];
    struct text why;
    text_init(&why, bytes, sizeof bytes);
    assert_int_equal(fetch(NULL, 100 * 1000, &status, &body, &why), ERR_TIMEOUT);
    assert_non_null(strstr(why.p, "http://localhost:"));
    assert_int_equal(fetch("nonsense\r\n\r\n", KIT_PATIENCE_US, &status, &body, NULL), ERR_SYNTAX);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_fetched_whole),
        cmocka_unit_test(silence_and_nonsense_are_errors_with_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
