/* One request is one request: what two readers could take for something else is refused before a
 * target hears of it, and what frames or steers the rest is written anew on its way. */
#include "gateway/rig_raw_test.h"

#define HIDDEN "POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"
#define BEGIN  "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"

static unsigned count_of(const char *text, const char *word)
{
    unsigned count = 0;
    for (const char *p = text; (p = strstr(p, word)); p += strlen(word))
        count++;
    return count;
}

/* Bytes that came; 0: the end; negative: nothing yet. */
static ssize_t read_some(int fd, char *p, size_t size)
{
    ssize_t n = recv(fd, p, size, MSG_DONTWAIT);
    return n < 0 && errno != EAGAIN ? 0 : n;
}

/* Reads on behind <*n> bytes until <word> is there (NULL: until the end). */
static void read_on(struct rig *rig, int fd, char *buffer, size_t size, size_t *n, const char *word)
{
    ssize_t got = 1;
    while (got > 0 && !(word && strstr(buffer, word))) {
        got = -1;
        RIG_UNTIL(rig, got >= 0 || (got = read_some(fd, buffer + *n, size - 1 - *n)) >= 0);
        *n += (size_t)got;
        buffer[*n] = 0;
    }
}

static void a_request_of_two_readings_reaches_nobody(void **state)
{
    (void)state;
    static const char *const requests[] = {
        BEGIN "content-length: 0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN,
        BEGIN "transfer-encoding: chunked\r\ncontent-length: 6\r\n\r\n0\r\n\r\nX" HIDDEN,
        BEGIN "content-length: 0\r\ncontent-length: 61\r\n\r\n" HIDDEN,
        BEGIN "content-length: 0, 61\r\n\r\n" HIDDEN,
        BEGIN "content-length: +0\r\n\r\n" HIDDEN,
        BEGIN "content-length : 61\r\n\r\n" HIDDEN,
        BEGIN "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n" HIDDEN,
        BEGIN "transfer-encoding: identity, chunked\r\n\r\n0\r\n\r\n" HIDDEN,
        BEGIN "transfer-encoding : chunked\r\n\r\n0\r\n\r\n" HIDDEN,
        BEGIN "transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n" HIDDEN,
        BEGIN "transfer-encoding: \"chunked\"\r\n\r\n0\r\n\r\n" HIDDEN,
        BEGIN "x: y\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN,
        BEGIN "x: y\rtransfer-encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN,
        BEGIN "\ttransfer-encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN,
        BEGIN "transfer-encoding: chunked\r\n\r\n0\n\r\n" HIDDEN,
        BEGIN "transfer-encoding: chunked\r\n\r\n0;x\n\r\n\r\n" HIDDEN,
        BEGIN "transfer-encoding: chunked\r\n\r\n0x0\r\n\r\n" HIDDEN,
        BEGIN "transfer-encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n" HIDDEN,
        BEGIN "transfer-encoding: chunked\r\n\r\n1\r\n{0\r\n\r\n" HIDDEN,
        BEGIN "transfer-encoding: chunked\r\n\r\n0\r\na: b\n\r\n" HIDDEN,
        BEGIN "transfer-encoding: chunked\r\n\r\n0\r\na: b\r\n c\r\n\r\n" HIDDEN,
        BEGIN "transfer-encoding: chunked\r\n\r\n10000000000000000\r\n" HIDDEN,
        "POST /v1/chat/completions HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN,
        "GET /v1/models HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n" HIDDEN,
        "GET /v1/models HTTP/1.1 \r\nhost: a\r\n\r\n" HIDDEN,
        "GET  /v1/models HTTP/1.1\r\nhost: a\r\n\r\n" HIDDEN,
    };
    struct rig rig;
    char seen[8192];
    rig_open(&rig, 1, NULL);
    rig_serve(&rig, 0);
    for (unsigned i = 0; i < COUNT_OF(requests); i++) {
        size_t n = 0;
        int fd = raw_connect(&rig);
        seen[0] = 0;
        raw_say(fd, requests[i], strlen(requests[i]));
        read_on(&rig, fd, seen, sizeof seen, &n, NULL);
        if (count_of(seen, "HTTP/1.1 ") != 1 ||
            (seen[9] != '4' && strncmp(seen + 9, "501", 3) != 0))
            fail_msg("request %u: %s", i, seen);
        assert_non_null(strstr(seen, "connection: close\r\n"));
        close(fd);
    }
    assert_int_equal(rig.servers[0].request_count, 0);
    rig_close(&rig);
}

/* <request> through a gateway to a raw server: *ret_head and *ret_body as they arrived. */
static void pass_on(struct rig *rig, int listener, const char *request, char *buffer, size_t size,
                    char **ret_body)
{
    int client = raw_connect(rig);
    raw_say(client, request, strlen(request));
    int server = raw_accept(rig, listener, buffer, size);
    size_t n = strlen(buffer), got = 0;
    read_on(rig, server, buffer, size, &n, RIG_CHAT);
    for (unsigned i = 0; i < 5; i++)
        net_loop_run_once(rig->loop, 1000); /* what came behind it would be here */
    ssize_t behind = recv(server, buffer + n, size - 1 - n, MSG_DONTWAIT);
    assert_true(behind < 0 && errno == EAGAIN);
    raw_say(server, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", 40);
    RIG_UNTIL(rig, raw_has_ended(client, &got, 40));
    close(server);
    close(client);
    *ret_body = strstr(buffer, "\r\n\r\n") + 4;
    (*ret_body)[-2] = 0;
}

static void what_frames_and_steers_a_request_is_written_anew(void **state)
{
    (void)state;
    static const char request[] =
        BEGIN "transfer-encoding: Chunked\r\nconnection: keep-alive, X-Secret , te\r\n"
              "x-secret: 1\r\nte: trailers\r\ntrailer: content-length\r\nupgrade: h2c\r\n"
              "keep-alive: timeout=9\r\nproxy-connection: close\r\nproxy-authorization: b\r\n"
              "authorization: Bearer stolen\r\nexpect: 100-continue\r\nx-farspan-hop: eu\r\n"
              "x-farspan-tenant: root\r\nx-farspan-new: 1\r\nx-kept: 1\r\n\r\n"
              "01;x=\"a;b\"\r\n{\r\n3e\t; y\r\n" /* and 62 bytes */;
    static const char trailers[] =
        "\r\n0;z\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\nhost: b\r\n\r\n";
    static const char *const not_passed[] = {
        "transfer-encoding", "x-secret", "te:",       "trailer", "upgrade", "keep-alive", "proxy-",
        "connection",        "expect:",  "x-farspan", "stolen",  "h2c"};
    struct rig rig;
    char whole[2048], seen[8192], *body;
    snprintf(whole, sizeof whole, "%s%s%s", request, &RIG_CHAT[1], trailers);
    rig_open(&rig, 1, NULL);
    int listener = raw_listen(&rig, 0);
    pass_on(&rig, listener, whole, seen, sizeof seen, &body);
    assert_string_equal(body, RIG_CHAT);
    assert_int_equal(count_of(seen, "content-length: 63\r\n"), 1);
    assert_int_equal(count_of(seen, "content-length"), 1);
    assert_int_equal(count_of(seen, "x-kept: 1\r\n"), 1);
    assert_int_equal(count_of(seen, "host: "), 1);
    for (unsigned i = 0; i < COUNT_OF(not_passed); i++)
        if (strcasestr(seen, not_passed[i]))
            fail_msg("%s was passed on: %s", not_passed[i], seen);
    close(listener);
    rig_close(&rig);
}

/* Of an answer, too: and what stands behind it is no part of it. */
static void what_frames_an_answer_is_written_anew(void **state)
{
    (void)state;
    static const char answer[] =
        "HTTP/1.1 200 Fine\r\ntransfer-encoding: CHUNKED\r\nconnection: x-secret\r\nx-secret: 1\r\n"
        "trailer: x-late\r\nupgrade: h3\r\nkeep-alive: timeout=9\r\nx-kept: 1\r\n\r\n"
        "2 ;x\r\n{}\r\n0\r\nx-late: 1\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 Other\r\n\r\n";
    static const char *const not_passed[] = {"x-secret", "trailer", "upgrade",       "keep-alive",
                                             "x-late",   "Other",   "content-length"};
    struct rig rig;
    char buffer[4096], seen[4096] = "";
    size_t n = 0;
    rig_open(&rig, 1, NULL);
    int listener = raw_listen(&rig, 0);
    int client = raw_connect(&rig);
    static const char request[] = BEGIN "content-length: 63\r\n\r\n" RIG_CHAT;
    raw_say(client, request, sizeof request - 1);
    int server = raw_accept(&rig, listener, buffer, sizeof buffer);
    raw_say(server, answer, sizeof answer - 1);
    read_on(&rig, client, seen, sizeof seen, &n, "\r\n0\r\n\r\n");
    assert_int_equal(count_of(seen, "HTTP/1.1 200 OK\r\n"), 1);
    assert_int_equal(count_of(seen, "transfer-encoding: chunked\r\n"), 1);
    assert_int_equal(count_of(seen, "\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), 1);
    assert_int_equal(count_of(seen, "x-kept: 1\r\n"), 1);
    for (unsigned i = 0; i < COUNT_OF(not_passed); i++)
        if (strcasestr(seen, not_passed[i]))
            fail_msg("%s was passed on: %s", not_passed[i], seen);
    size_t more = 0;
    RIG_UNTIL(&rig, raw_has_ended(server, &more, SIZE_MAX - 1)); /* not used again */
    assert_int_equal(more, 0);
    close(server);
    close(client);
    close(listener);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_of_two_readings_reaches_nobody),
        cmocka_unit_test(what_frames_and_steers_a_request_is_written_anew),
        cmocka_unit_test(what_frames_an_answer_is_written_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
