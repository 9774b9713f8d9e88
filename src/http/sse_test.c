#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/sse.h"

/* Events as text: "event=data;" with "!" before the ";" of one that was cut. */
struct log {
    char text[512];
    size_t n;
};

static void add(struct log *log, const char *p, size_t n)
{
    assert_true(log->n + n < sizeof log->text);
    if (n)
        memcpy(log->text + log->n, p, n);
    log->n += n;
}

static void on_event(void *user, struct span event, struct span data, bool is_cut)
{
    struct log *log = user;
    add(log, event.p, event.n);
    add(log, "=", 1);
    add(log, data.p, data.n);
    add(log, is_cut ? "!;" : ";", is_cut ? 2 : 1);
}

static void feed(struct sse_reader *reader, const char *p, size_t n, struct log *log)
{
    char *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, p, n);
    sse_reader_add(reader, span_from(copy, n), on_event, log);
    free(copy);
}

/* Reads <text> whole, cut in two anywhere, and byte by byte: always <expected>. */
static void assert_events(const char *text, size_t buffer_size, const char *expected)
{
    size_t n = strlen(text);
    for (size_t cut = 0; cut <= n + 1; cut++) {
        char buffer[64];
        struct sse_reader reader;
        struct log log = {.n = 0};
        sse_reader_init(&reader, buffer, buffer_size);
        if (cut <= n) {
            feed(&reader, text, cut, &log);
            feed(&reader, text + cut, n - cut, &log);
        }
        for (size_t i = 0; cut == n + 1 && i < n; i++)
            feed(&reader, text + i, 1, &log);
        log.text[log.n] = 0;
        assert_string_equal(log.text, expected);
    }
}

static void events_are_given_out_at_the_empty_line(void **state)
{
    (void)state;
    assert_events("data: {\"a\":1}\n\ndata: [DONE]\n\n", 64, "={\"a\":1};=[DONE];");
    assert_events("event: error\ndata: x\n\ndata: y\n\n", 64, "error=x;=y;");
    assert_events("data: unfinished\n", 64, "");
    assert_events("data: a\nevent: late\n\n", 64, "late=a;");
}

static void lines_end_with_lf_cr_or_both(void **state)
{
    (void)state;
    assert_events("data: a\r\n\r\ndata: b\r\rdata: c\n\n", 64, "=a;=b;=c;");
    assert_events("data: a\r\ndata: b\r\n\r\n", 64, "=a\nb;");
    assert_events("data: a\n\r\ndata: b\r\n\n", 64, "=a;=b;");
}

static void data_lines_are_joined(void **state)
{
    (void)state;
    assert_events("data: a\ndata:b\ndata:  c\ndata\n\n", 64, "=a\nb\n c\n;");
    assert_events("data\n\n", 64, "=;");
    assert_events("data:\n\n", 64, "=;");
    assert_events("data:\ndata:\n\n", 64, "=\n;");
}

static void what_is_no_data_is_passed_over(void **state)
{
    (void)state;
    assert_events(": comment\n\ndata: a\n:\nid: 3\nretry: 5\nunknown: z\ndatabase: q\n\n", 64,
                  "=a;");
    assert_events("event: alone\n\ndata: a\n\n", 64, "=a;");
    assert_events("Data: a\n\n data: b\n\n", 64, "");
    assert_events("\n\n\ndata: a\n\n\n", 64, "=a;");
    assert_events("data: a:b: c\n\n", 64, "=a:b: c;");
}

static void a_byte_order_mark_is_dropped_at_the_start_only(void **state)
{
    (void)state;
    assert_events("\xef\xbb\xbf"
                  "data: a\n\n\xef\xbb\xbf"
                  "data: b\n\n",
                  64, "=a;");
    assert_events("\xef\xbb"
                  "data: a\n\ndata: b\n\n",
                  64, "=b;");
    assert_events("\xef\n\ndata: b\n\n", 64, "=b;");
}

static void data_beyond_the_buffer_is_cut_and_said_so(void **state)
{
    (void)state;
    assert_events("data: 12345\n\ndata: 1234\n\n", 4, "=1234!;=1234;");
    assert_events("data: 1234\ndata: 5\n\ndata: 1\n\n", 4, "=1234!;=1;");
    assert_events("event: abcdefghijklmnopqrstuvwxyz0123456789\ndata: a\n\n", 64,
                  "abcdefghijklmnopqrstuvwxyz012345=a;");
    assert_events("data: 1\n\n", 0, "=!;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_given_out_at_the_empty_line),
        cmocka_unit_test(lines_end_with_lf_cr_or_both),
        cmocka_unit_test(data_lines_are_joined),
        cmocka_unit_test(what_is_no_data_is_passed_over),
        cmocka_unit_test(a_byte_order_mark_is_dropped_at_the_start_only),
        cmocka_unit_test(data_beyond_the_buffer_is_cut_and_said_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
