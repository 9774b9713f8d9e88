#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "http/bytes16.h"
#include "http/parser.h"
#include "http/tokens.h"

#define GET_HEAD  "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST_HEAD "POST / HTTP/1.1\r\nHost: a\r\n"

/* Parses a copy that ends with its allocation, so that a sanitizer sees a read past the end. */
static enum err parse(const char *text, size_t n, struct http_head *ret_head,
                      struct http_refusal *ret_refusal, char **ret_copy)
{
    char *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, text, n);
    *ret_copy = copy;
    return http_parse_request(span_from(copy, n), ret_head, ret_refusal);
}

static void refused_n(const char *text, size_t n, unsigned status)
{
    struct http_head head;
    struct http_refusal refusal = {0, NULL};
    char *copy;
    if (parse(text, n, &head, &refusal, &copy) != ERR_SYNTAX)
        fail_msg("was taken: %s", text);
    if (refusal.status != status)
        fail_msg("expected %u, found %u (%s): %s", status, refusal.status, refusal.reason, text);
    assert_non_null(refusal.reason);
    free(copy);
}

static void refused(const char *text, unsigned status)
{
    refused_n(text, strlen(text), status);
}

static char *held; /* of the last accepted(), whose spans point into it */

static struct http_head accepted(const char *text)
{
    static struct http_head head;
    struct http_refusal refusal = {0, NULL};
    free(held);
    if (parse(text, strlen(text), &head, &refusal, &held) != ERR_OK)
        fail_msg("was refused (%s): %s", refusal.reason, text);
    return head;
}

static int free_held(void **state)
{
    (void)state;
    free(held);
    held = NULL;
    return 0;
}

static void assert_span(struct span s, const char *text)
{
    if (!span_is(s, text))
        fail_msg("expected \"%s\", found \"%.*s\"", text, SPAN_ARG(s));
}

static void a_request_is_split_into_its_parts(void **state)
{
    (void)state;
    struct http_head head =
        accepted("POST /v1/chat/completions?a=1&b=2 HTTP/1.1\r\nHost: example.com:8080\r\n"
                 "Content-Type:application/json\r\nX-Empty:\r\nX-Padded: \t a b \t \r\n"
                 "AUTHORIZATION: Bearer abc\r\nContent-Length: 2048\r\n\r\n");
    assert_int_equal(head.method, HTTP_POST);
    assert_span(head.method_text, "POST");
    assert_span(head.target, "/v1/chat/completions?a=1&b=2");
    assert_span(head.path, "/v1/chat/completions");
    assert_span(head.query, "a=1&b=2");
    assert_int_equal(head.header_count, 6);
    assert_int_equal(head.minor_version, 1);
    assert_true(head.keep_alive);
    assert_false(head.expects_continue);
    assert_int_equal(head.body_length, 2048);
    assert_span(http_header_of(&head, HTTP_HEADER_HOST), "example.com:8080");
    assert_span(http_header_of(&head, HTTP_HEADER_CONTENT_TYPE), "application/json");
    assert_span(http_header_of(&head, HTTP_HEADER_AUTHORIZATION), "Bearer abc");
    assert_span(head.headers[2].value, "");
    assert_span(head.headers[3].value, "a b");
    assert_int_equal(head.headers[3].known, HTTP_HEADER_UNKNOWN);
    assert_false(http_has_header(&head, HTTP_HEADER_EXPECT));
    assert_int_equal(http_header_of(&head, HTTP_HEADER_EXPECT).n, 0);
}

static void every_known_header_is_found_in_any_case(void **state)
{
    (void)state;
    static const char *const names[] = {
#define X(name, text) text,
        HTTP_HEADER_TABLE(X)
#undef X
    };
    for (unsigned i = 0; i < HTTP_HEADER_COUNT; i++) {
        char name[64];
        size_t n = strlen(names[i]);
        for (size_t k = 0; k <= n; k++)
            name[k] = (char)(names[i][k] >= 'a' && k % 2 ? names[i][k] - 32 : names[i][k]);
        assert_int_equal(http_header_find(span_from(name, n)), i);
        name[n - 1] = '_';
        assert_int_equal(http_header_find(span_from(name, n)), HTTP_HEADER_UNKNOWN);
        assert_int_equal(http_header_find(span_from(names[i], n - 1)), HTTP_HEADER_UNKNOWN);
    }
    assert_int_equal(http_header_find(SPAN_LITERAL("")), HTTP_HEADER_UNKNOWN);
}

static void methods_are_told_apart_and_case_counts(void **state)
{
    (void)state;
    static const char *const names[] = {"GET",    "HEAD",    "POST",  "PUT",
                                        "DELETE", "OPTIONS", "PATCH", "BREW"};
    for (unsigned i = 0; i < 8; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s / HTTP/1.1\r\nHost: a\r\n\r\n", names[i]);
        assert_int_equal(accepted(text).method, i);
    }
    assert_int_equal(accepted("get / HTTP/1.1\r\nHost: a\r\n\r\n").method, HTTP_OTHER);
}

static void targets_in_origin_absolute_and_asterisk_form_are_taken(void **state)
{
    (void)state;
    struct http_head head = accepted("GET http://h:1/a/b?c HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_span(head.path, "/a/b");
    assert_span(head.query, "c");
    head = accepted("GET HTTPS://[::1] HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_span(head.path, "/");
    head = accepted("GET http://h?q HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_span(head.path, "/");
    assert_span(head.query, "q");
    head = accepted("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_span(head.path, "*");
    head = accepted("GET /? HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(head.query.n, 0);
    assert_non_null(head.query.p);
    head = accepted("GET /%7Ea[0] HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_null(head.query.p);
}

static void bad_targets_are_refused(void **state)
{
    (void)state;
    static const char *const targets[] = {
        "*",    "a",     "a/b",    "ftp://h/",    "http://",      "http:///a",  "http:/a", "h:80",
        "/a b", "/a\tb", "/a\x7f", "/\xc3\xa4",   "/a#b",         "/a\"",       "/<a>",    "/a\\b",
        "/a^b", "/a`b",  "/a|b",   "/{a}",        "/%",           "/%a",        "/%g0",    "/%0g",
        "?a",   "",      "//h/ a", "http://a,b/", "https://u@h/", "http://h /",
    };
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", targets[i]);
        refused(text, 400);
    }
    refused("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", 501);
    refused_n("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 28, 400);
}

static void bad_request_lines_and_versions_are_refused(void **state)
{
    (void)state;
    refused("GET /\r\n\r\n", 400); /* HTTP/0.9 */
    refused("GET / \r\n\r\n", 400);
    refused("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    refused("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    refused("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400);
    refused(" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    refused("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    refused("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    refused("GET / http/1.1\r\nHost: a\r\n\r\n", 400);
    refused("GET / HTTP/1,1\r\nHost: a\r\n\r\n", 400);
    refused("GET / HTTP/11\r\nHost: a\r\n\r\n", 400);
    refused("GET / HTTP/1.1.1\r\nHost: a\r\n\r\n", 400);
    refused("GET / HTTPS/1.1\r\nHost: a\r\n\r\n", 400);
    refused("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505);
    refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505);
    refused("GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505);
    refused("PRI * HTTP/2.0\r\n\r\n", 505);
    refused("\x16\x03\x01\x02\r\n\r\n", 400); /* TLS on a plain port */
    refused("\r\n\r\n", 400);
    accepted("\r\n\r\n" GET_HEAD "\r\n");
    refused(GET_HEAD "\r\nX", 400); /* more than the head that was found */
    refused("\r\n\r\n\r\n" GET_HEAD "\r\n", 400);
    refused("", 400);
}

static void bad_header_lines_are_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "A : b",    "A\t: b",      "A b: c", ": b",        "A",          "A;b: c",
        "A\x7f: b", "\xc3\xa4: b", "(a): b", "A: b\x01",   "A: b\x7f",   "A: b\x1b[0m",
        "A: b\rc",  "A: b\nc",     " A: b",  "\tA: b",     "A: b\r\n c", "A: b\r\n\tc",
        "A: b\n",   "\"A\": b",    "A[]: b", "A: b\r\n\r", "A: \x0b",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, GET_HEAD "%s\r\n\r\n", lines[i]);
        refused(text, 400);
    }
    refused_n(GET_HEAD "A: b\0c\r\n\r\n", sizeof(GET_HEAD) - 1 + 10, 400);
    refused_n(GET_HEAD "A\0: b\r\n\r\n", sizeof(GET_HEAD) - 1 + 9, 400);
    refused("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400); /* folded into the request line */
    accepted(GET_HEAD "A: \xc3\xa4 \xff b\tc\r\n\r\n"); /* obs-text is opaque, not wrong */
    accepted(GET_HEAD "!#$%&'*+-.^_`|~09aZ: b\r\n\r\n");
}

static void a_bad_byte_is_found_wherever_it_stands_in_a_value(void **state)
{
    (void)state;
    for (unsigned size = 1; size < 70; size++)
        for (unsigned at = 0; at < size; at++) {
            char text[256];
            int n =
                snprintf(text, sizeof text, GET_HEAD "A: %.*s\r\n\r\n", (int)size,
                         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
            text[sizeof(GET_HEAD) - 1 + 3 + at] = '\x02';
            refused_n(text, (size_t)n, 400);
        }
}

/* 10 options a header; each is compared with every header later. */
static void connection_names_a_bounded_number_of_headers(void **state)
{
    (void)state;
    static const char line[] = "Connection: a,b,c,d,e,f,g,h,i,j\r\n";
    char head[512];
    int n = snprintf(head, sizeof head, GET_HEAD "%s%s%sconnection: k,l\r\n\r\n", line, line, line);
    struct http_head parsed;
    struct http_refusal refusal;
    assert_int_equal(http_parse_request(span_from(head, (size_t)n), &parsed, &refusal), ERR_OK);
    snprintf(head, sizeof head, GET_HEAD "%s%s%sconnection: k,l,close\r\n\r\n", line, line, line);
    refused(head, 431);
    n = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\n%s%s%s%s\r\n", line, line, line, line);
    assert_int_equal(http_parse_response(span_from(head, (size_t)n), false, &parsed, &refusal),
                     ERR_SYNTAX);
    assert_int_equal(refusal.status, 502);
}

static void exactly_one_host_is_wanted(void **state)
{
    (void)state;
    refused("GET / HTTP/1.1\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400);
    refused("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n", 400);
    accepted("GET / HTTP/1.0\r\n\r\n");
    accepted("GET / HTTP/1.1\r\nHost:\r\n\r\n"); /* a target without authority (RFC 9110 7.2) */
    accepted("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n");
}

static void lengths_that_could_be_read_two_ways_are_refused(void **state)
{
    (void)state;
    static const char *const values[] = {"",
                                         "+5",
                                         "-5",
                                         "5 5",
                                         "5,5",
                                         "5, 5",
                                         "0x5",
                                         "5h",
                                         "5.0",
                                         "5e1",
                                         "1234567890123456789",
                                         "\xd9\xa5",
                                         "'5'",
                                         "5;"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, POST_HEAD "Content-Length: %s\r\n\r\n", values[i]);
        refused(text, 400);
    }
    refused(POST_HEAD "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400);
    refused(POST_HEAD "Content-Length: 5\r\ncontent-length: 6\r\n\r\n", 400);
    refused(POST_HEAD "Content-Length : 5\r\n\r\n", 400);
    assert_int_equal(accepted(POST_HEAD "Content-Length: 0\r\n\r\n").body_length, 0);
    assert_int_equal(accepted(POST_HEAD "Content-Length:  007\t\r\n\r\n").body_length, 7);
    assert_int_equal(accepted(POST_HEAD "\r\n").body_length, 0);
    assert_int_equal(accepted(POST_HEAD "Content-Length: 999999999999999999\r\n\r\n").body_length,
                     INT64_C(999999999999999999));
}

static void codings_but_chunked_alone_are_refused(void **state)
{
    (void)state;
    static const char *const values[] = {
        "gzip",
        "identity",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, identity",
        "xchunked",
        "chunked;a=b",
        "chunked,",
        ",chunked",
        "\"chunked\"",
        "chunked chunked",
        "chunke",
        "cow",
        "",
        "chunked, chunked",
        "'chunked'",
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, POST_HEAD "Transfer-Encoding: %s\r\n\r\n", values[i]);
        refused(text, 501);
    }
    refused(POST_HEAD "Transfer-Encoding: \x0b"
                      "chunked\r\n\r\n",
            400);
    refused(POST_HEAD "Transfer-Encoding : chunked\r\n\r\n", 400);
    refused(POST_HEAD "Transfer-Encoding\r\n: chunked\r\n\r\n", 400);
    refused(POST_HEAD "X: x\nTransfer-Encoding: chunked\r\n\r\n", 400);
    refused(POST_HEAD "Transfer-Encoding:\r\n chunked\r\n\r\n", 501);
    refused(POST_HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n", 400);
    refused(POST_HEAD "Transfer-Encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n", 400);
    refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
    assert_int_equal(accepted(POST_HEAD "Transfer-Encoding: Chunked \r\n\r\n").body_length,
                     HTTP_LENGTH_CHUNKED);
}

static void a_length_beside_a_coding_is_refused_in_both_orders(void **state)
{
    (void)state;
    refused(POST_HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
    refused(POST_HEAD "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400);
}

static void keep_alive_follows_version_and_connection(void **state)
{
    (void)state;
    assert_true(accepted(GET_HEAD "\r\n").keep_alive);
    assert_false(accepted(GET_HEAD "Connection: close\r\n\r\n").keep_alive);
    assert_false(accepted(GET_HEAD "Connection: keep-alive, CLOSE\r\n\r\n").keep_alive);
    assert_false(accepted(GET_HEAD "Connection: close,keep-alive\r\n\r\n").keep_alive);
    assert_false(
        accepted(GET_HEAD "Connection: x\r\nA: b\r\nConnection: close\r\n\r\n").keep_alive);
    assert_true(accepted(GET_HEAD "Connection: closed\r\n\r\n").keep_alive);
    assert_false(accepted("GET / HTTP/1.0\r\n\r\n").keep_alive);
    assert_true(accepted("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
    assert_false(accepted("GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n")
                     .keep_alive);
}

static void the_one_expectation_is_100_continue(void **state)
{
    (void)state;
    assert_true(accepted(POST_HEAD "Expect: 100-Continue\r\n\r\n").expects_continue);
    assert_false(accepted("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expects_continue);
    refused(POST_HEAD "Expect: 200-ok\r\n\r\n", 417);
}

static void headers_beyond_the_limit_are_refused(void **state)
{
    (void)state;
    char head[2048], full[4096];
    struct text text;
    text_init(&text, head, sizeof head);
    text_add(&text, GET_HEAD);
    for (unsigned i = 1; i < LIMIT_HTTP_HEADERS; i++)
        text_add(&text, "a: b\r\n");
    snprintf(full, sizeof full, "%s\r\n", head);
    assert_int_equal(accepted(full).header_count, LIMIT_HTTP_HEADERS);
    snprintf(full, sizeof full, "%sa: b\r\n\r\n", head);
    refused(full, 431);
}

static void headers_of_this_hop_are_told_from_those_of_the_whole_way(void **state)
{
    (void)state;
    struct http_head head = accepted(
        GET_HEAD
        "Connection: close, X-One\r\nX-One: 1\r\nKeep-Alive: 1\r\nTE: trailers\r\n"
        "X-Two: 2\r\nConnection: x-three\r\nX-Three: 3\r\nUpgrade: h2c\r\n"
        "Proxy-Connection: close\r\nTrailer: a\r\nProxy-Authorization: b\r\nx-on: 4\r\n\r\n");
    static const bool is[] = {false, true, true, true, true, false, true,
                              true,  true, true, true, true, false};
    assert_int_equal(head.header_count, sizeof is);
    for (unsigned i = 0; i < head.header_count; i++)
        assert_int_equal(http_header_is_hop_by_hop(&head, i), is[i]);
    head = accepted(POST_HEAD "Transfer-Encoding: chunked\r\nA: b\r\n\r\n");
    assert_true(http_header_is_hop_by_hop(&head, 1));
    assert_false(http_header_is_hop_by_hop(&head, 2));
}

static struct http_head answered(const char *text, bool to_head_request)
{
    static struct http_head head;
    struct http_refusal refusal;
    if (http_parse_response(span_of(text), to_head_request, &head, &refusal) != ERR_OK)
        fail_msg("was refused (%s): %s", refusal.reason, text);
    return head;
}

static void not_answered(const char *text)
{
    struct http_head head;
    struct http_refusal refusal;
    if (http_parse_response(span_of(text), false, &head, &refusal) != ERR_SYNTAX)
        fail_msg("was taken: %s", text);
    assert_int_equal(refusal.status, 502);
}

static void answers_have_the_length_that_rfc_9112_gives_them(void **state)
{
    (void)state;
    assert_int_equal(answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false).body_length,
                     5);
    assert_int_equal(answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true).body_length, 0);
    assert_int_equal(answered("HTTP/1.1 204 \r\n\r\n", false).body_length, 0);
    assert_int_equal(answered("HTTP/1.1 304\r\nContent-Length: 5\r\n\r\n", false).body_length, 0);
    assert_int_equal(answered("HTTP/1.1 100 Continue\r\n\r\n", false).body_length, 0);
    struct http_head head =
        answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false);
    assert_int_equal(head.body_length, HTTP_LENGTH_CHUNKED);
    assert_true(head.keep_alive);
    head = answered("HTTP/1.1 200 OK\r\n\r\n", false);
    assert_int_equal(head.body_length, HTTP_LENGTH_UNTIL_CLOSE);
    assert_false(head.keep_alive);
    head = answered("HTTP/1.0 503 \xc3\xa4\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n", false);
    assert_int_equal(head.status, 503);
    assert_span(http_header_of(&head, HTTP_HEADER_RETRY_AFTER), "3");
    assert_false(head.keep_alive);
}

static void malformed_answers_are_refused(void **state)
{
    (void)state;
    not_answered("HTTP/1.1 20 OK\r\n\r\n");
    not_answered("HTTP/1.1 2000 OK\r\n\r\n");
    not_answered("HTTP/1.1 600 OK\r\n\r\n");
    not_answered("HTTP/1.1 099 OK\r\n\r\n");
    not_answered("HTTP/1.1  200 OK\r\n\r\n");
    not_answered("HTTP/2.0 200 OK\r\n\r\n");
    not_answered("HTTP/1.1 200 O\x01K\r\n\r\n");
    not_answered("ICY 200 OK\r\n\r\n");
    not_answered("HTTP/1.1 200 OK\nA: b\r\n\r\n");
    not_answered("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n");
    not_answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n");
    not_answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n");
    not_answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n");
    not_answered("\r\nHTTP/1.1 200 OK\r\n\r\n");
}

static enum err find(const char *text, size_t n, size_t *scanned, size_t *size)
{
    char *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, text, n);
    enum err err = http_head_find(span_from(copy, n), scanned, size);
    free(copy);
    return err;
}

static enum err find_whole(const char *text, size_t n, size_t *size)
{
    size_t scanned = 0;
    return find(text, n, &scanned, size);
}

static void a_head_cut_anywhere_is_waited_for_and_then_found(void **state)
{
    (void)state;
    static const char text[] = "\r\n\r\nPOST /v1/chat/completions HTTP/1.1\r\nHost: example.com\r\n"
                               "Content-Type: application/json\r\nA: b\r\n\r\nbody\r\n\r\n";
    const size_t head_size = sizeof text - 1 - 8;
    size_t one_by_one = 0, size = 0;
    for (size_t n = 0; n < head_size; n++) {
        assert_int_equal(find_whole(text, n, &size), ERR_AGAIN);
        assert_int_equal(find(text, n, &one_by_one, &size), ERR_AGAIN);
        assert_true(one_by_one + 1 >= n); /* no byte twice, but for a last CR */
        size_t scanned = 0;
        assert_int_equal(find(text, n, &scanned, &size), ERR_AGAIN);
        assert_int_equal(find(text, sizeof text - 1, &scanned, &size), ERR_OK);
        assert_int_equal(size, head_size);
    }
    assert_int_equal(find(text, head_size, &one_by_one, &size), ERR_OK);
    assert_int_equal(size, head_size);
    refused_n(text, head_size - 1, 400); /* never past its end, even when called too early */
    for (size_t n = 0; n < head_size; n++) {
        struct http_head head;
        struct http_refusal refusal;
        char *copy;
        assert_int_equal(parse(text, n, &head, &refusal, &copy), ERR_SYNTAX);
        free(copy);
    }
}

static void lone_line_ends_are_refused_before_the_head_is_whole(void **state)
{
    (void)state;
    size_t size;
    assert_int_equal(find_whole("GET / HTTP/1.1\n", 15, &size), ERR_SYNTAX);
    assert_int_equal(find_whole("GET / HTTP/1.1\rX", 16, &size), ERR_SYNTAX);
    assert_int_equal(find_whole("GET / HTTP/1.1\r\r\n", 17, &size), ERR_SYNTAX);
    assert_int_equal(find_whole("GET / HTTP/1.1\r\nA: b\n\r\n", 24, &size), ERR_SYNTAX);
    assert_int_equal(find_whole("\n", 1, &size), ERR_SYNTAX);
    assert_int_equal(find_whole("\r\n\r\n\r\n", 6, &size), ERR_SYNTAX);
    assert_int_equal(find_whole("\r\n\r\n", 4, &size), ERR_AGAIN);
    assert_int_equal(http_head_refusal(ERR_SYNTAX, SPAN_LITERAL("\n")).status, 400);
}

static void heads_and_first_lines_beyond_the_limit_are_refused(void **state)
{
    (void)state;
    static char text[2 * LIMIT_HTTP_HEAD];
    memset(text, 'a', sizeof text);
    size_t size, scanned = 0;
    assert_int_equal(find(text, LIMIT_HTTP_LINE, &scanned, &size), ERR_AGAIN);
    assert_int_equal(find(text, LIMIT_HTTP_LINE + 1, &scanned, &size), ERR_FULL);
    struct span seen = span_from(text, LIMIT_HTTP_LINE + 1);
    assert_int_equal(http_head_refusal(ERR_FULL, seen).status, 414);
    for (size_t n = 0; n <= LIMIT_HTTP_LINE; n += 100) { /* however it came */
        scanned = 0;
        assert_int_equal(find(text, n, &scanned, &size), ERR_AGAIN);
        assert_int_equal(find(text, LIMIT_HTTP_LINE + 50, &scanned, &size), ERR_FULL);
    }

    memcpy(text, "GET / HTTP/1.1\r\n", 16);
    scanned = 0;
    assert_int_equal(find(text, LIMIT_HTTP_HEAD - 1, &scanned, &size), ERR_AGAIN);
    assert_int_equal(find(text, LIMIT_HTTP_HEAD, &scanned, &size), ERR_FULL);
    assert_int_equal(http_head_refusal(ERR_FULL, span_from(text, LIMIT_HTTP_HEAD)).status, 431);
    memcpy(text + LIMIT_HTTP_HEAD - 3, "\r\n\r\n", 4);
    assert_int_equal(find_whole(text, LIMIT_HTTP_HEAD + 1, &size), ERR_FULL);
    memcpy(text + LIMIT_HTTP_HEAD - 4, "\r\n\r\n", 4);
    assert_int_equal(find_whole(text, LIMIT_HTTP_HEAD + 1, &size), ERR_OK);
    assert_int_equal(size, LIMIT_HTTP_HEAD);
}

static void sixteen_bytes_at_once_answer_as_one_by_one(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++)
        for (unsigned at = 0; at < 16; at++) {
            uint8_t bytes[16];
            memset(bytes, 'x', sizeof bytes);
            bytes[at] = (uint8_t)c;
            uint32_t bit = UINT32_C(1) << at;
            bool is_bad = (c < 0x20 && c != '\t') || c == 0x7f;
            bool is_mark = c == '\r' || c == '\n';
            assert_int_equal(bytes16_not_value(bytes), is_bad ? bit : 0);
            assert_int_equal(bytes16_line_mark(bytes), is_mark ? bit : 0);
            assert_int_equal(bytes16_equal(bytes, (uint8_t)c), c == 'x' ? 0xffff : bit);
        }
}

static void every_status_has_a_text(void **state)
{
    (void)state;
    assert_string_equal(http_status_text(200), "OK");
    assert_string_equal(http_status_text(404), "Not Found");
    assert_string_equal(http_status_text(599), "Server Error");
    assert_string_equal(http_status_text(0), "Unknown");
    assert_string_equal(http_status_text(4000000000), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_split_into_its_parts),
        cmocka_unit_test(every_known_header_is_found_in_any_case),
        cmocka_unit_test(methods_are_told_apart_and_case_counts),
        cmocka_unit_test(targets_in_origin_absolute_and_asterisk_form_are_taken),
        cmocka_unit_test(bad_targets_are_refused),
        cmocka_unit_test(bad_request_lines_and_versions_are_refused),
        cmocka_unit_test(bad_header_lines_are_refused),
        cmocka_unit_test(a_bad_byte_is_found_wherever_it_stands_in_a_value),
        cmocka_unit_test(connection_names_a_bounded_number_of_headers),
        cmocka_unit_test(exactly_one_host_is_wanted),
        cmocka_unit_test(lengths_that_could_be_read_two_ways_are_refused),
        cmocka_unit_test(codings_but_chunked_alone_are_refused),
        cmocka_unit_test(a_length_beside_a_coding_is_refused_in_both_orders),
        cmocka_unit_test(keep_alive_follows_version_and_connection),
        cmocka_unit_test(the_one_expectation_is_100_continue),
        cmocka_unit_test(headers_beyond_the_limit_are_refused),
        cmocka_unit_test(headers_of_this_hop_are_told_from_those_of_the_whole_way),
        cmocka_unit_test(answers_have_the_length_that_rfc_9112_gives_them),
        cmocka_unit_test(malformed_answers_are_refused),
        cmocka_unit_test(a_head_cut_anywhere_is_waited_for_and_then_found),
        cmocka_unit_test(lone_line_ends_are_refused_before_the_head_is_whole),
        cmocka_unit_test(heads_and_first_lines_beyond_the_limit_are_refused),
        cmocka_unit_test(sixteen_bytes_at_once_answer_as_one_by_one),
        cmocka_unit_test(every_status_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, free_held);
}
