#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/parser.h"

/* What came out: data, "|" at each end of a chunk; how it ended, and behind which byte. */
struct outcome {
    char text[512];
    size_t n;
    enum err err;
    size_t used;
};

static void feed(struct http_chunked *chunked, const char *p, size_t n, struct outcome *outcome)
{
    while (n && outcome->err == ERR_OK) {
        size_t used = 0;
        struct span data = {NULL, 0};
        bool has_ended = false;
        outcome->err = http_chunked_next(chunked, span_from(p, n), &used, &data, &has_ended);
        assert_true(used <= n && (used > 0 || outcome->err != ERR_OK));
        assert_true(outcome->n + data.n + 1 < sizeof outcome->text);
        if (data.n)
            memcpy(outcome->text + outcome->n, data.p, data.n);
        outcome->n += data.n;
        if (has_ended)
            outcome->text[outcome->n++] = '|';
        outcome->used += used;
        p += used;
        n -= used;
    }
}

/* <text> in pieces that end at <a>, <b> and its end, each in memory of its own. */
static struct outcome decoded(const char *text, size_t n, size_t a, size_t b)
{
    struct http_chunked chunked;
    struct outcome outcome = {.err = ERR_OK};
    const size_t ends[3] = {a, b, n};
    size_t start = 0;
    http_chunked_init(&chunked);
    for (unsigned i = 0; i < 3; i++) {
        size_t size = ends[i] - start;
        char *copy = malloc(size ? size : 1);
        assert_non_null(copy);
        memcpy(copy, text + start, size);
        feed(&chunked, copy, size, &outcome);
        free(copy);
        start = ends[i];
    }
    return outcome;
}

static void every_cut_gives_the_same_data_and_the_same_chunk_ends(void **state)
{
    (void)state;
    static const char text[] = "5\r\nhello\r\n1 ;a=\"b\"\r\n,\r\n00C; x\r\n wide\r\nworld\r\n"
                               "00000a\r\n0123456789\r\n0000002\r\nhi\r\n"
                               "0\r\nA: b\r\nC:\r\n\r\nNEXT";
    const size_t n = sizeof text - 1;
    for (size_t a = 0; a <= n; a++)
        for (size_t b = a; b <= n; b++) {
            struct outcome outcome = decoded(text, n, a, b);
            assert_int_equal(outcome.err, ERR_CLOSED);
            assert_int_equal(outcome.used, n - 4);
            assert_int_equal(outcome.n, 35);
            assert_memory_equal(outcome.text, "hello|,| wide\r\nworld|0123456789|hi|", 35);
        }
}

static void what_is_cut_short_waits_for_more(void **state)
{
    (void)state;
    static const char text[] = "3;x\r\nabc\r\n0\r\nA: b\r\n\r\n";
    for (size_t n = 0; n < sizeof text - 1; n++) {
        struct outcome outcome = decoded(text, n, n, n);
        assert_int_equal(outcome.err, ERR_OK);
        assert_int_equal(outcome.used, n);
    }
}

static void malformed_chunks_are_refused_at_every_cut(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\r\n",
        "g\r\n",
        "-1\r\n",
        "+1\r\n",
        "0x5\r\nhello",
        " 5\r\nhello",
        "5\nhello\n",
        "5\rhello",
        "5 \r\nhello\r\n",
        "5;a\nhello\r\n",
        "5;a\rb\r\n",
        "5;\x01\r\n",
        ";a\r\n",
        "5\r\nhello\n",
        "5\r\nhellox\r\n",
        "5\r\nhello\r0",
        "5\r\nhello5\r\n",
        "1000000000000000\r\n",
        "0000000000000001\r\n",
        "0\r\nA\r\n\r\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\n A: b\r\n\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\nA: \x01\r\n\r\n",
        "0\r\n\n",
        "0\r\n\rx",
        "0\n\n",
        "5,5\r\nhello\r\n",
        "0\r\n: b\r\n\r\n",
        "0\r\nA: b\r\n c\r\n\r\n",
        "\xff\r\n",
        "5;\x7f\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size_t n = strlen(texts[i]);
        for (size_t a = 0; a <= n; a++) {
            struct outcome outcome = decoded(texts[i], n, a, a);
            if (outcome.err != ERR_SYNTAX)
                fail_msg("was taken: %s", texts[i]);
        }
    }
}

static void a_refusal_stays(void **state)
{
    (void)state;
    struct http_chunked chunked;
    size_t used;
    struct span data;
    bool has_ended;
    http_chunked_init(&chunked);
    assert_int_equal(http_chunked_next(&chunked, SPAN_LITERAL("x"), &used, &data, &has_ended),
                     ERR_SYNTAX);
    assert_int_equal(
        http_chunked_next(&chunked, SPAN_LITERAL("0\r\n\r\n"), &used, &data, &has_ended),
        ERR_SYNTAX);
}

static struct outcome with_filler(const char *before, size_t count, const char *after)
{
    static char text[8192];
    size_t n = strlen(before);
    memcpy(text, before, n);
    memset(text + n, 'a', count);
    memcpy(text + n + count, after, strlen(after));
    return decoded(text, n + count + strlen(after), 1, 2);
}

static void extensions_and_trailers_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(with_filler("0;", 1023, "\r\n\r\n").err, ERR_CLOSED);
    assert_int_equal(with_filler("0;", 1024, "\r\n\r\n").err, ERR_SYNTAX);
    assert_int_equal(with_filler("0\r\nA:", 4092, "\r\n\r\n").err, ERR_SYNTAX);
    assert_int_equal(with_filler("0\r\nA:", 4091, "\r\n\r\n").err, ERR_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_gives_the_same_data_and_the_same_chunk_ends),
        cmocka_unit_test(what_is_cut_short_waits_for_more),
        cmocka_unit_test(malformed_chunks_are_refused_at_every_cut),
        cmocka_unit_test(a_refusal_stays),
        cmocka_unit_test(extensions_and_trailers_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
