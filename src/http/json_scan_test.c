#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "http/json_find.h"
#include "http/json_scan.h"

enum { LOG_SIZE = 1 << 16 };

/* What a scan said: roles as "<role>" and texts as they came. */
struct outcome {
    enum err err;
    uint64_t offset;
    char reason[160], param[64];
    struct json_scan_found found;
    size_t log_size;
    char log[LOG_SIZE];
};

static void add(struct outcome *outcome, const char *p, size_t n)
{
    assert_true(outcome->log_size + n <= sizeof outcome->log);
    if (n)
        memcpy(outcome->log + outcome->log_size, p, n);
    outcome->log_size += n;
}

static void on_role(void *user, struct span role)
{
    add(user, "<", 1);
    add(user, role.p, role.n);
    add(user, ">", 1);
}

static void on_text(void *user, const char *text, size_t n)
{
    assert_true(n > 0);
    add(user, text, n);
}

static enum err add_piece(struct json_scan *scan, const char *p, size_t n)
{
    char *copy = malloc(n ? n : 1); /* so that a sanitizer sees a read past the end */
    assert_non_null(copy);
    memcpy(copy, p, n);
    enum err err = json_scan_add(scan, span_from(copy, n));
    free(copy);
    return err;
}

/* Scans <text> cut behind <a> and <b> bytes; <a> above n: byte by byte. */
static void scan_cut(const char *text, size_t n, size_t a, size_t b, struct outcome *ret_outcome)
{
    static struct json_scan scan; /* it is big, and never to be copied */
    memset(ret_outcome, 0, offsetof(struct outcome, log));
    struct json_scan_sink sink = {ret_outcome, on_role, on_text};
    json_scan_init(&scan, &sink);
    enum err err = ERR_OK;
    if (a <= n) {
        err = add_piece(&scan, text, a);
        if (err == ERR_OK)
            err = add_piece(&scan, text + a, b - a);
        if (err == ERR_OK)
            err = add_piece(&scan, text + b, n - b);
    }
    for (size_t i = 0; a > n && i < n && err == ERR_OK; i++)
        err = add_piece(&scan, text + i, 1);
    if (err == ERR_OK)
        err = json_scan_end(&scan);
    ret_outcome->err = err;
    ret_outcome->offset = scan.offset;
    ret_outcome->found = scan.found;
    assert_true((err == ERR_SYNTAX) == (scan.reason != NULL));
    snprintf(ret_outcome->reason, sizeof ret_outcome->reason, "%s", scan.reason ? scan.reason : "");
    snprintf(ret_outcome->param, sizeof ret_outcome->param, "%s", scan.param ? scan.param : "");
}

static const struct outcome *scanned_n(const char *text, size_t n)
{
    static struct outcome outcome;
    scan_cut(text, n, n, n, &outcome);
    return &outcome;
}

static const struct outcome *scanned(const char *text)
{
    return scanned_n(text, strlen(text));
}

static const struct outcome *accepted(const char *text)
{
    const struct outcome *outcome = scanned(text);
    if (outcome->err != ERR_OK)
        fail_msg("was refused (%s): %s", outcome->reason, text);
    return outcome;
}

static void assert_log(const char *text, const char *expected)
{
    const struct outcome *outcome = accepted(text);
    if (!span_is(span_from(outcome->log, outcome->log_size), expected))
        fail_msg("expected \"%s\", found \"%.*s\"", expected, (int)outcome->log_size, outcome->log);
}

static void assert_refused(const char *text, uint64_t offset, const char *param, const char *reason)
{
    const struct outcome *outcome = scanned(text);
    assert_int_equal(outcome->err, ERR_SYNTAX);
    assert_string_equal(outcome->reason, reason);
    assert_string_equal(outcome->param, param);
    assert_int_equal(outcome->offset, offset);
}

static void assert_same(const struct outcome *a, const struct outcome *b)
{
    assert_int_equal(a->err, b->err);
    assert_int_equal(a->offset, b->offset);
    assert_string_equal(a->reason, b->reason);
    assert_string_equal(a->param, b->param);
    assert_memory_equal(&a->found, &b->found, sizeof a->found);
    if (a->err == ERR_OK || a->log_size == b->log_size) {
        assert_int_equal(a->log_size, b->log_size);
        assert_memory_equal(a->log, b->log, a->log_size);
    }
}

static void the_values_that_routing_needs_are_found(void **state)
{
    (void)state;
    const struct outcome *outcome = accepted(
        "{\"model\":\"ch\\u0061t\",\"stream\":true,\"max_tokens\":64,\"max_completion_tokens\":32,"
        "\"user\":\"u-1\",\"n\":2,\"stream_options\":{\"include_usage\":true,\"x\":[1]},"
        "\"temperature\":0.5,\"tools\":[{\"model\":1,\"stream\":\"x\"}],"
        "\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},"
        "{\"role\":\"user\",\"content\":\"Hi\"}]}");
    const struct json_scan_found *found = &outcome->found;
    assert_true(found->has_model && found->has_user && found->has_stream && found->has_max_tokens &&
                found->has_n && found->has_messages);
    assert_false(found->has_prompt || found->has_input || found->has_inputs);
    assert_true(span_is(span_from(found->model, found->model_size), "chat"));
    assert_true(span_is(span_from(found->user, found->user_size), "u-1"));
    assert_true(found->stream && found->include_usage);
    assert_int_equal(found->max_tokens, 32);
    assert_int_equal(found->n, 2);
    assert_int_equal(found->message_count, 2);
}

static void null_is_as_absent(void **state)
{
    (void)state;
    const struct outcome *outcome =
        accepted("{\"model\":null,\"stream\":null,\"max_tokens\":null,\"user\":null,\"n\":null,"
                 "\"stream_options\":null,\"messages\":null,\"prompt\":null,\"input\":null,"
                 "\"inputs\":null}");
    struct json_scan_found none = {.n = 0};
    assert_memory_equal(&outcome->found, &none, sizeof none);
    assert_int_equal(outcome->log_size, 0);
    assert_log("{\"messages\":[{\"role\":null,\"content\":null}]}", "");
    assert_log("{\"messages\":[{\"role\":\"assistant\",\"content\":null}]}", "<assistant>");
}

static void prompt_text_comes_decoded_and_in_order(void **state)
{
    (void)state;
    assert_log("{\"messages\":[{\"role\":\"user\",\"content\":\"a\\n\\\"b\\\\\\/\\b\\f\\r\\t\"}]}",
               "<user>a\n\"b\\/\b\f\r\t");
    assert_log(
        "{\"messages\":[{\"role\":\"user\",\"content\":\"\\u00e4\\u4F60\\ud83D\\uDE00\\u0041\"}]}",
        "<user>\xc3\xa4\xe4\xbd\xa0\xf0\x9f\x98\x80"
        "A");
    assert_log(
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
        "{\"type\":\"image_url\",\"image_url\":{\"url\":\"u\",\"text\":\"no\"},\"text\":\"no\"},"
        "{\"type\":\"input_text\",\"text\":\"b\"}]}]}",
        "<user>ab");
    assert_log("{\"messages\":[{\"content\":[{\"type\":\"image_url\",\"text\":\"no\"},{\"text\":"
               "\"a\"}]}]}",
               "<>a");
    assert_log("{\"prompt\":\"abc\"}", "<prompt>abc");
    assert_log("{\"prompt\":[\"a\",\"b\"]}", "<prompt>a<prompt>b");
    assert_log("{\"input\":[\"a\"],\"model\":\"m\"}", "<prompt>a");
    assert_log("{\"inputs\":[{\"name\":\"text\",\"datatype\":\"BYTES\",\"shape\":[1],"
               "\"data\":[\"a\",[\"b\",1,true,null]]},{\"data\":[1,2.5,-3e4]}]}",
               "<prompt>a<prompt>b");
    assert_log("{\"messages\":[],\"other\":{\"messages\":[{\"role\":\"x\",\"content\":\"y\"}]}}",
               "");
}

static void keys_come_in_any_order(void **state)
{
    (void)state;
    assert_log("{\"messages\":[{\"content\":\"a\",\"role\":\"user\"},{\"content\":[{\"text\":\"b\","
               "\"type\":\"text\"}],\"role\":\"tool\"},{\"role\":\"user\",\"content\":\"c\"}]}",
               "<>a<>b<user>c");
    assert_log("{\"messages\":[{\"name\":\"n\",\"content\":\"a\"}]}", "<>a");
}

static void token_ids_are_given_as_four_bytes(void **state)
{
    (void)state;
    const struct outcome *outcome = accepted("{\"prompt\":[1,513, 4294967295]}");
    assert_int_equal(outcome->log_size, 20);
    assert_memory_equal(outcome->log, "<prompt>\1\0\0\0\1\2\0\0\xff\xff\xff\xff", 20);
    assert_int_equal(outcome->found.token_count, 3);
    assert_true(outcome->found.has_prompt);
    outcome = accepted("{\"input\":[[7],[8]]}");
    assert_int_equal(outcome->log_size, 24);
    assert_memory_equal(outcome->log, "<prompt>\7\0\0\0<prompt>\10\0\0\0", 24);
    assert_true(outcome->found.has_input);
    assert_refused("{\"prompt\":[1,-2]}", 13, "prompt",
                   "`prompt` must be a whole number from 0 to 4294967295.");
    assert_refused("{\"prompt\":[1,true]}", 13, "prompt",
                   "Expected an array or a string or a number in `prompt`, found a boolean.");
    assert_refused("{\"prompt\":[[1,\"a\"]]}", 14, "prompt",
                   "Expected a number in `prompt`, found a string.");
}

static void wrong_types_are_refused_with_name_and_place(void **state)
{
    (void)state;
    assert_refused("{\"stream\":\"yes\"}", 10, "stream",
                   "Expected a boolean for `stream`, found a string.");
    assert_refused("{\"stream\":1}", 10, "stream",
                   "Expected a boolean for `stream`, found a number.");
    assert_refused("{\"model\":{}}", 9, "model", "Expected a string for `model`, found an object.");
    assert_refused("{\"messages\":\"hi\"}", 12, "messages",
                   "Expected an array for `messages`, found a string.");
    assert_refused("{\"messages\":[\"hi\"]}", 13, "messages",
                   "Expected an object in `messages`, found a string.");
    assert_refused("{\"messages\":[null]}", 13, "messages",
                   "Expected an object in `messages`, found null.");
    assert_refused("{\"messages\":[{\"content\":5}]}", 24, "messages.content",
                   "Expected an array or a string for `messages.content`, found a number.");
    assert_refused("{\"messages\":[{\"role\":[]}]}", 21, "messages.role",
                   "Expected a string for `messages.role`, found an array.");
    assert_refused("{\"stream_options\":{\"include_usage\":0}}", 35, "stream_options.include_usage",
                   "Expected a boolean for `stream_options.include_usage`, found a number.");
    assert_refused("{\"max_tokens\":\"5\"}", 14, "max_tokens",
                   "Expected a number for `max_tokens`, found a string.");
    assert_refused("{\"inputs\":[{\"data\":{}}]}", 19, "inputs.data",
                   "Expected an array for `inputs.data`, found an object.");
}

static void counts_are_whole_and_in_range(void **state)
{
    (void)state;
    static const char *const values[] = {"-1",  "-0",         "1.0",
                                         "1e3", "4294967296", "99999999999999999999999999"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char text[80];
        snprintf(text, sizeof text, "{\"max_tokens\":%s}", values[i]);
        assert_refused(text, 14, "max_tokens",
                       "`max_tokens` must be a whole number from 0 to 4294967295.");
    }
    assert_int_equal(accepted("{\"max_tokens\":4294967295}")->found.max_tokens, UINT32_MAX);
    assert_int_equal(accepted("{\"max_completion_tokens\":5,\"max_tokens\":9}")->found.max_tokens,
                     5);
    assert_int_equal(accepted("{\"max_completion_tokens\":0}")->found.max_tokens, 0);
    assert_true(accepted("{\"max_completion_tokens\":0}")->found.has_max_tokens);
}

static void a_second_occurrence_of_an_extracted_key_is_refused(void **state)
{
    (void)state;
    assert_refused("{\"model\":\"a\",\"model\":\"a\"}", 13, "model", "`model` is given twice.");
    assert_refused("{\"model\":\"a\",\"mod\\u0065l\":\"b\"}", 13, "model",
                   "`model` is given twice.");
    assert_refused("{\"model\":null,\"model\":\"b\"}", 14, "model", "`model` is given twice.");
    assert_refused("{\"messages\":[{\"role\":\"a\",\"role\":\"b\"}]}", 25, "messages.role",
                   "`messages.role` is given twice.");
    assert_refused("{\"messages\":[{\"content\":[{\"text\":\"a\",\"text\":\"b\"}]}]}", 37,
                   "messages.content.text", "`messages.content.text` is given twice.");
    assert_refused("{\"model\":\"a\",\"Model\":\"b\"}", 13, "model",
                   "`model` is written in small letters.");
    assert_refused("{\"messages\":[{\"ROLE\":\"a\"}]}", 14, "messages.role",
                   "`messages.role` is written in small letters.");
    accepted("{\"x\":1,\"x\":2}"); /* nobody here reads it: the server decides */
    accepted("{\"messages\":[{\"role\":\"a\"},{\"role\":\"b\"}]}");
    accepted("{\"a\":{\"model\":1,\"model\":2}}");
}

static void extracted_strings_are_bounded(void **state)
{
    (void)state;
    char text[512];
    snprintf(text, sizeof text, "{\"model\":\"%0128d\"}", 0);
    assert_int_equal(accepted(text)->found.model_size, 128);
    snprintf(text, sizeof text, "{\"model\":\"%0129d\"}", 0);
    assert_refused(text, 9, "model", "`model` is longer than 128 bytes.");
    snprintf(text, sizeof text, "{\"%0300d\":1}", 0);
    accepted(text);
    snprintf(text, sizeof text,
             "{\"messages\":[{\"content\":[{\"type\":\"%0300d\",\"text\":\"a\"}]}]}", 0);
    assert_log(text, "<>");
}

static void deep_nesting_is_refused_without_using_the_stack(void **state)
{
    (void)state;
    char text[2 * LIMIT_JSON_DEPTH + 16];
    size_t n = (size_t)snprintf(text, sizeof text, "{\"a\":");
    memset(text + n, '[', LIMIT_JSON_DEPTH - 1);
    memset(text + n + LIMIT_JSON_DEPTH - 1, ']', LIMIT_JSON_DEPTH - 1);
    text[n + 2 * (LIMIT_JSON_DEPTH - 1)] = '}';
    assert_int_equal(scanned_n(text, n + 2 * LIMIT_JSON_DEPTH - 1)->err, ERR_OK);

    enum { DEEP = 100000 };
    static char deep[DEEP + 16];
    static const char *const openers[] = {"[", "{\"a\":"};
    for (unsigned k = 0; k < 2; k++) {
        memcpy(deep, "{\"a\":", 5);
        size_t size = strlen(openers[k]), used = 5;
        for (; used + size < sizeof deep; used += size)
            memcpy(deep + used, openers[k], size);
        const struct outcome *outcome = scanned_n(deep, used);
        assert_int_equal(outcome->err, ERR_SYNTAX);
        assert_string_equal(outcome->reason,
                            "Objects and arrays are nested deeper than 64 levels.");
        assert_int_equal(outcome->offset, 5 + (LIMIT_JSON_DEPTH - 1) * size);
    }
}

static void refusals_point_at_the_byte(void **state)
{
    (void)state;
    assert_refused("", 0, "", "The body is empty: expected a JSON object.");
    assert_refused(" \n", 2, "", "The body is empty: expected a JSON object.");
    assert_refused("[]", 0, "", "Expected the body to be a JSON object: it begins with {.");
    assert_refused("\xef\xbb\xbf{}", 0, "",
                   "Expected the body to be a JSON object: it begins with {.");
    assert_refused("{\"a\":1", 6, "", "The body ends before its JSON object does.");
    assert_refused("{\"a\":\"b", 7, "", "The body ends before its JSON object does.");
    assert_refused("{} x", 3, "", "Expected nothing behind the object.");
    assert_refused("{\"a\":1,}", 7, "", "Expected a key in quotes.");
    assert_refused("{\"a\" 1}", 5, "", "Expected a colon behind the key.");
    assert_refused("{\"a\":tru3}", 8, "", "Expected true, false, null or a quoted string.");
    assert_refused("{\"a\":01}", 6, "", "Expected a comma or } behind the value.");
    assert_refused("{\"a\":1.}", 7, "", "A number is malformed: a digit should stand here.");
    assert_refused("{\"a\":\"\\x\"}", 7, "",
                   "A backslash is followed by none of \" \\ / b f n r t u.");
    assert_refused("{\"a\":\"\n\"}", 6, "", "A control character in a string is not escaped.");
    assert_refused("{\"a\":\"\\ud800x\"}", 12, "",
                   "A \\u escape is one half of a surrogate pair without the other.");
    assert_refused("{\"a\":\"\xc0\x80\"}", 6, "",
                   "A string is not UTF-8: no character begins with this byte.");
    assert_refused("{\"a\":\"\xe4\xbd\"}", 8, "",
                   "A string is not UTF-8: a character is broken off, overlong, a surrogate or "
                   "above U+10FFFF.");
}

/* Every character of Unicode as bytes, and every wrong one of up to three bytes. */
static bool is_good_utf8(const uint8_t *b, unsigned n)
{
    uint32_t c;
    if (n == 1)
        return b[0] >= 0x20 && b[0] < 0x80 && b[0] != '"' && b[0] != '\\';
    for (unsigned i = 1; i < n; i++)
        if ((b[i] & 0xc0) != 0x80)
            return false;
    if (n == 2)
        return (b[0] & 0xe0) == 0xc0 && b[0] >= 0xc2;
    if (n == 3) {
        c = (uint32_t)(b[0] & 0xf) << 12 | (uint32_t)(b[1] & 0x3f) << 6 | (b[2] & 0x3f);
        return (b[0] & 0xf0) == 0xe0 && c >= 0x800 && (c < 0xd800 || c > 0xdfff);
    }
    c = (uint32_t)(b[0] & 7) << 18 | (uint32_t)(b[1] & 0x3f) << 12 | (uint32_t)(b[2] & 0x3f) << 6 |
        (b[3] & 0x3f);
    return (b[0] & 0xf8) == 0xf0 && c >= 0x10000 && c <= 0x10ffff;
}

/* <character> in a string, <gap> bytes behind one that starts the vector code, text behind it. */
static bool takes(const uint8_t *character, unsigned n, unsigned gap)
{
    static struct json_scan scan;
    char text[256] = "{\"a\":\"\xc3\xa4";
    size_t size = 8;
    memset(text + size, 'x', sizeof text - size);
    memcpy(text + size + gap, character, n);
    size += gap + n + 80;
    memcpy(text + size, "\"}", 2);
    size += 2;
    json_scan_init(&scan, NULL);
    return json_scan_add(&scan, span_from(text, size)) == ERR_OK && json_scan_end(&scan) == ERR_OK;
}

static const char *const implementations[] = {"scalar", "sse2", "avx2", "avx512", "neon"};

enum { IMPLEMENTATIONS = sizeof implementations / sizeof implementations[0] };

static void check_characters(void)
{
    static const uint8_t edges[] = {0x20, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    static const unsigned gaps[] = {0, 10, 11, 12, 13, 26, 27, 28, 29, 30, 31};
    const unsigned count = sizeof edges;
    for (unsigned first = 0x80; first < 0x100; first++) {
        unsigned n = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
        unsigned cases = n == 2 ? count : n == 3 ? count * count : count * count * count;
        for (unsigned i = 0; i < cases * COUNT_OF(gaps); i++) {
            unsigned k = i / (unsigned)COUNT_OF(gaps);
            uint8_t bytes[4] = {(uint8_t)first, edges[k % count], edges[k / count % count],
                                edges[k / count / count]};
            if (takes(bytes, n, gaps[i % COUNT_OF(gaps)]) != is_good_utf8(bytes, n))
                fail_msg("%s: %02x %02x %02x %02x", json_scan_implementation(), bytes[0], bytes[1],
                         bytes[2], bytes[3]);
        }
    }
}

static void exactly_the_characters_of_unicode_are_taken(void **state)
{
    (void)state;
    const char *best = json_scan_implementation();
    for (unsigned k = 0; k < IMPLEMENTATIONS; k++)
        if (json_scan_use(implementations[k]))
            check_characters();
    assert_true(json_scan_use(best));
}

/* What pass() passes over is right, and it does pass over what is right. */
static void vector_code_passes_over_long_text_of_any_script(void **state)
{
    (void)state;
    static const char *const characters[] = {"\xc3\xa4", "\xe4\xbd\xa0", "\xf0\x9f\x98\x80", "x"};
    const char *best = json_scan_implementation();
    for (unsigned k = 0; k < IMPLEMENTATIONS; k++) {
        if (!json_scan_use(implementations[k]))
            continue;
        const struct json_finder *finder = json_finder_get();
        for (unsigned kind = 0; kind < 4 * 4; kind++) {
            char text[800];
            size_t n = 0, size;
            for (unsigned i = 0; i < 160; i++, n += size) {
                const char *c = characters[i % 2 ? kind / 4 : kind % 4];
                size = strlen(c);
                memcpy(text + n, c, size);
            }
            const char *stop = finder->pass(text, text + n);
            assert_true(finder->pass == json_pass_nothing ? stop == text : text + n - stop < 36);
            text[n / 2] = '"';
            stop = finder->pass(text, text + n);
            assert_true(stop <= text + n / 2);
            assert_true(((uint8_t)*stop & 0xc0) != 0x80);
        }
    }
    assert_true(json_scan_use(best));
}

static const char *const documents[] = {
    "{\"model\":\"chat\",\"stream\":true,\"max_tokens\":64,\"stream_options\":{\"include_usage\":"
    "true},"
    "\"messages\":[{\"role\":\"user\",\"content\":\"Say \\\"hi\\\" "
    "\\u4f60\\ud83d\\ude00\\n\xe4\xbd\xa0"
    "\xc3\xa4\xf0\x9f\x98\x80!\"},{\"content\":[{\"text\":\"a\",\"type\":\"text\"}]}]}",
    (" { \"prompt\" : [ [ 1 , 22 ] , \"a\" , 333 ] , \"n\" : 12 , \"x\" : [ -0.5e+10 , true , null "
     "] } "),
    "{\"inputs\":[{\"name\":\"x\",\"data\":[[1.5,2],[\"\\u0041b\",false]]}],\"user\":\"u\"}",
    "{\"a\":\"\\ud83d\\u0041\"}",
    "{\"a\":\"\xe0\x80\x80\"}",
    "{\"a\":\"\xed\xa0\x80\"}",
    "{\"a\":\"\xf4\x90\x80\x80\"}",
    "{\"a\":\"\xf0\x9f\x98\"}",
    "{\"stream\":\"no\"}",
    "{\"max_tokens\":1e5}",
    "{\"a\":nul}",
    "{\"a\":1e}",
    "{\"messages\":[{\"role\":\"user\",\"role\":\"user\"}]}",
    "{\"a\":[1,2",
};

static void every_cut_gives_the_same_answer(void **state)
{
    (void)state;
    static struct outcome whole, cut;
    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++) {
        size_t n = strlen(documents[i]);
        scan_cut(documents[i], n, n, n, &whole);
        scan_cut(documents[i], n, n + 1, n, &cut);
        assert_same(&whole, &cut);
        for (size_t a = 0; a <= n; a++)
            for (size_t b = a; b <= n; b += 1 + (b - a) / 8) {
                scan_cut(documents[i], n, a, b, &cut);
                assert_same(&whole, &cut);
            }
    }
}

static void every_truncation_is_refused_at_the_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(documents[i]) - (i == 1); /* without the space behind */
        for (size_t k = 0; k < n; k++) {
            const struct outcome *outcome = scanned_n(documents[i], k);
            assert_int_equal(outcome->err, ERR_SYNTAX);
            assert_int_equal(outcome->offset, k);
        }
    }
}

static void every_implementation_finds_the_same_byte(void **state)
{
    (void)state;
    static const char specials[] = {'"', '\\', '\0', '\n', '\x1f', '\x80', '\xff', '\xe4'};
    const char *best = json_scan_implementation();
    for (unsigned k = 0; k < IMPLEMENTATIONS; k++) {
        if (!json_scan_use(implementations[k]))
            continue;
        const struct json_finder *finder = json_finder_get();
        for (size_t n = 0; n <= 200; n++) {
            char *bytes = malloc(n ? n : 1);
            assert_non_null(bytes);
            memset(bytes, 'x', n);
            assert_ptr_equal(finder->find(bytes, bytes + n), bytes + n);
            for (size_t at = 0; at < n; at++) {
                bytes[at] = specials[at % sizeof specials];
                assert_ptr_equal(finder->find(bytes, bytes + n), bytes + at);
                assert_ptr_equal(finder->find(bytes + at / 2, bytes + n), bytes + at);
                bytes[at] = at % 2 ? ' ' : '\x7f';
            }
            free(bytes);
        }
    }
    assert_false(json_scan_use("mmx"));
    assert_true(json_scan_use(best));
    assert_string_equal(json_scan_implementation(), best);
}

/* A string of plain text, characters of several bytes and escapes; now and then a wrong byte. */
static size_t random_document(struct rng *rng, char *ret_text, size_t size)
{
    static const char *const words[] = {"plain words of the text ",
                                        "\\n",
                                        "\\u4f60",
                                        "\xe4\xbd\xa0",
                                        "\xc3\xa4",
                                        "\xf0\x9f\x98\x80",
                                        "\\ud83d\\ude00",
                                        "x",
                                        "0123456789012345678901234567890123456789",
                                        "\\\""};
    static const char *const wrong[] = {"\x80", "\xe4", "\x01", "\\q", "\\ud800", "\"", "\xc0\xaf"};
    const char *opening = "{\"messages\":[{\"role\":\"user\",\"content\":\"";
    size_t n = strlen(opening);
    memcpy(ret_text, opening, n);
    bool is_wrong = rng_below(rng, 2);
    while (n + 64 < size && rng_below(rng, 60)) {
        const char *word = words[rng_below(rng, sizeof words / sizeof words[0])];
        if (is_wrong && rng_below(rng, 40) == 0)
            word = wrong[rng_below(rng, sizeof wrong / sizeof wrong[0])];
        memcpy(ret_text + n, word, strlen(word));
        n += strlen(word);
    }
    memcpy(ret_text + n, "\"}]}", 4);
    return n + 4;
}

static void every_implementation_gives_the_same_answer(void **state)
{
    (void)state;
    static struct outcome expected, found;
    const char *best = json_scan_implementation();
    struct rng rng;
    rng_init(&rng, 7);
    for (unsigned round = 0; round < 2000; round++) {
        char text[4096];
        size_t n = random_document(&rng, text, sizeof text);
        assert_true(json_scan_use("scalar"));
        scan_cut(text, n, n, n, &expected);
        for (unsigned k = 1; k < IMPLEMENTATIONS; k++) {
            if (!json_scan_use(implementations[k]))
                continue;
            size_t a = rng_below(&rng, n + 2), b = a > n ? a : a + rng_below(&rng, n - a + 1);
            scan_cut(text, n, a, b, &found);
            assert_same(&expected, &found);
        }
    }
    assert_true(json_scan_use(best));
}

/* Escapes and the text between them are gathered in a buffer: many of them, in every place. */
static void thousands_of_escapes_are_decoded(void **state)
{
    (void)state;
    static const char *const gaps[] = {"", "x", "between two escapes stands some text",
                                       "0123456789012345678901234567890123456789012345678901234567"
                                       "8901234567890123456789012345678901234567890123456789012345"
                                       "678901234567890123456789"};
    static const char *const escaped[] = {"\\n", "\\u4f60", "\\ud83d\\ude00"};
    static const char *const plain[] = {"\n", "\xe4\xbd\xa0", "\xf0\x9f\x98\x80"};
    for (unsigned kind = 0; kind < 3 * COUNT_OF(gaps); kind++) {
        static char text[1 << 17], expected[1 << 16];
        const char *gap = gaps[kind / 3];
        size_t n = (size_t)sprintf(text, "{\"messages\":[{\"role\":\"u\",\"content\":\"");
        size_t expected_size = (size_t)sprintf(expected, "<u>");
        for (unsigned i = 0; i < 300; i++) {
            n += (size_t)sprintf(text + n, "%s%s", escaped[kind % 3], gap);
            expected_size +=
                (size_t)sprintf(expected + expected_size, "%s%s", plain[kind % 3], gap);
        }
        n += (size_t)sprintf(text + n, "\"}],\"");
        for (unsigned i = 0; i < 300; i++) /* a key, and a value that nobody wants */
            n += (size_t)sprintf(text + n, "%s%s", escaped[kind % 3], i == 150 ? "\":\"" : gap);
        sprintf(text + n, "\"}");
        assert_log(text, expected);
    }
}

static void the_corpus_is_judged_by_its_names(void **state)
{
    (void)state;
    const char *path = SOURCE_DIR "/test/conformance/json";
    DIR *folder = opendir(path);
    assert_non_null(folder);
    unsigned good = 0, bad = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        static char name[512], text[1 << 20];
        static struct outcome whole, single;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        FILE *file = fopen(name, "rb");
        assert_non_null(file);
        size_t n = fread(text, 1, sizeof text, file);
        fclose(file);
        scan_cut(text, n, n, n, &whole);
        scan_cut(text, n, n + 1, n, &single);
        assert_same(&whole, &single);
        bool is_good = entry->d_name[0] == 'y';
        if ((whole.err == ERR_OK) != is_good)
            fail_msg("%s: %s", entry->d_name, whole.reason);
        good += is_good;
        bad += !is_good;
    }
    closedir(folder);
    assert_true(good >= 40 && bad >= 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_values_that_routing_needs_are_found),
        cmocka_unit_test(null_is_as_absent),
        cmocka_unit_test(prompt_text_comes_decoded_and_in_order),
        cmocka_unit_test(keys_come_in_any_order),
        cmocka_unit_test(token_ids_are_given_as_four_bytes),
        cmocka_unit_test(wrong_types_are_refused_with_name_and_place),
        cmocka_unit_test(counts_are_whole_and_in_range),
        cmocka_unit_test(a_second_occurrence_of_an_extracted_key_is_refused),
        cmocka_unit_test(extracted_strings_are_bounded),
        cmocka_unit_test(deep_nesting_is_refused_without_using_the_stack),
        cmocka_unit_test(refusals_point_at_the_byte),
        cmocka_unit_test(exactly_the_characters_of_unicode_are_taken),
        cmocka_unit_test(vector_code_passes_over_long_text_of_any_script),
        cmocka_unit_test(every_cut_gives_the_same_answer),
        cmocka_unit_test(every_truncation_is_refused_at_the_end),
        cmocka_unit_test(every_implementation_finds_the_same_byte),
        cmocka_unit_test(every_implementation_gives_the_same_answer),
        cmocka_unit_test(thousands_of_escapes_are_decoded),
        cmocka_unit_test(the_corpus_is_judged_by_its_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
