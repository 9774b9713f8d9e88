#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <yaml.h>

#include "base/check.h"
#include "base/rng.h"
#include "deploy/render_yaml.h"

static char buffer[1 << 16];

/* What a YAML 1.1 reader takes a plain word for when it is no text (yaml.org/type). */
static bool is_taken_for_something(const char *word)
{
    static const char *const patterns[] = {
        "^(y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$",
        "^[-+]?(0b[01_]+|0o?[0-7_]+|(0|[1-9][0-9_]*)|0x[0-9a-fA-F_]+|[1-9][0-9_]*(:[0-5]?[0-9])+)$",
        "^[-+]?([0-9][0-9_]*([.][0-9_]*)?|[.][0-9][0-9_]*)([eE][-+]?[0-9]+)?$",
        "^[-+]?[.](inf|Inf|INF)$|^[.](nan|NaN|NAN)$",
        "^(~|null|Null|NULL|<<|=)$",
        "^[0-9][0-9][0-9][0-9]-[0-9][0-9]?-[0-9][0-9]?([Tt \t].*)?$",
    };
    static regex_t regex[COUNT_OF(patterns)];
    static bool is_compiled;
    for (size_t i = 0; i < COUNT_OF(patterns) && !is_compiled; i++)
        assert_int_equal(regcomp(&regex[i], patterns[i], REG_EXTENDED | REG_NOSUB), 0);
    is_compiled = true;
    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        if (regexec(&regex[i], word, 0, NULL, 0) == 0)
            return true;
    }
    return word[0] == '\0';
}

/* Written as key, as value and as item; read back by libyaml. */
static void assert_comes_back(struct span s)
{
    struct text out;
    struct yaml yaml;
    char key[256];
    snprintf(key, sizeof key, "%.*s", SPAN_ARG(s));
    text_init(&out, buffer, sizeof buffer);
    yaml_init(&yaml, &out);
    yaml_map(&yaml);
    yaml_put_span(&yaml, key, s);
    yaml_put_list(&yaml, "list");
    yaml_span(&yaml, s);
    yaml_map(&yaml);
    yaml_put_span(&yaml, "inner", s);
    yaml_end(&yaml);
    yaml_end(&yaml);
    yaml_end(&yaml);
    assert_false(out.is_cut);
    for (size_t i = 0; i < out.n; i++)
        assert_true(out.p[i] == '\n' || (out.p[i] >= 0x20 && out.p[i] < 0x7F));

    yaml_parser_t parser;
    yaml_event_t event;
    unsigned found = 0;
    bool is_over = false;
    assert_true(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (const unsigned char *)out.p, out.n);
    while (!is_over) {
        if (!yaml_parser_parse(&parser, &event))
            fail_msg("%s in line %zu of\n%s", parser.problem, parser.problem_mark.line, out.p);
        if (event.type == YAML_SCALAR_EVENT) {
            const char *value = (const char *)event.data.scalar.value;
            found += span_is_equal(span_from(value, event.data.scalar.length), s);
            if (event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE && is_taken_for_something(value))
                fail_msg("plain \"%s\" is no text", value);
        }
        is_over = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (found < 4)
        fail_msg("\"%s\": found %u times in\n%s", key, found, out.p);
}

static void words_that_mean_something_stay_text(void **state)
{
    (void)state;
    static const char *const words[] = {"yes",
                                        "No",
                                        "ON",
                                        "off",
                                        "y",
                                        "N",
                                        "true",
                                        "False",
                                        "null",
                                        "NULL",
                                        "~",
                                        "",
                                        " ",
                                        "a ",
                                        " a",
                                        "1e3",
                                        "0x1F",
                                        "017",
                                        "1_000",
                                        ".inf",
                                        ".NaN",
                                        "-1",
                                        "+1",
                                        "1.5",
                                        "12:30:45",
                                        "2026-01-01",
                                        "<<",
                                        "=",
                                        "- a",
                                        "-",
                                        "---",
                                        "...",
                                        "? a",
                                        ": a",
                                        "a: b",
                                        "a:",
                                        "a #b",
                                        "#a",
                                        "&a",
                                        "*a",
                                        "!a",
                                        "|",
                                        ">",
                                        "'a'",
                                        "\"a\"",
                                        "%a",
                                        "@a",
                                        "`a",
                                        "{a}",
                                        "[a]",
                                        "a,b",
                                        "a\\b",
                                        "a\nb",
                                        "a\tb",
                                        "\r",
                                        "azure:westeurope",
                                        "a\177b",
                                        "caf\xc3\xa9",
                                        "\xe2\x80\xa8",
                                        "\xc2\x85",
                                        "\xef\xbb\277a",
                                        "\xf0\x9f\x9a\x80",
                                        "Standard_NC24ads_A100_v4",
                                        "/healthz",
                                        "farspan.dev/epoch",
                                        "0o17",
                                        "1:2"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        assert_comes_back(span_of(words[i]));
}

static void random_text_comes_back(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a",
                                         "Z",
                                         "0",
                                         "9",
                                         " ",
                                         "-",
                                         ":",
                                         "#",
                                         "'",
                                         "\"",
                                         "\\",
                                         "\n",
                                         "\t",
                                         "\r",
                                         "e",
                                         "{",
                                         "}",
                                         "[",
                                         "]",
                                         ",",
                                         "&",
                                         "*",
                                         "!",
                                         "|",
                                         ">",
                                         "%",
                                         "@",
                                         "`",
                                         "?",
                                         "~",
                                         ".",
                                         "/",
                                         "_",
                                         "x",
                                         "\x01",
                                         "\x7f",
                                         "\xc2\x80",
                                         "\xc3\xbf",
                                         "\xe2\x80\xa9",
                                         "\xf0\x90\x80\x80",
                                         "\xef\xbf\xbf"};
    struct rng rng;
    rng_init(&rng, 1);
    for (unsigned round = 0; round < 20000; round++) {
        char word[128];
        size_t n = 0;
        unsigned count = (unsigned)rng_below(&rng, 12);
        for (unsigned i = 0; i < count; i++) {
            const char *piece = pieces[rng_below(&rng, COUNT_OF(pieces))];
            memcpy(word + n, piece, strlen(piece));
            n += strlen(piece);
        }
        word[n] = '\0';
        assert_comes_back(span_from(word, n));
    }
}

static void long_text_is_not_cut_within_a_character(void **state)
{
    (void)state;
    static char word[250];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(word, 'a', sizeof word);
        for (size_t i = shift; i + 3 < sizeof word; i += 3)
            memcpy(word + i, "\xe2\x82\xac", 3);
        assert_comes_back(span_from(word, sizeof word - 1));
    }
}

static void bytes_that_are_no_text_become_marks(void **state)
{
    (void)state;
    struct text out;
    struct yaml yaml;
    text_init(&out, buffer, sizeof buffer);
    yaml_init(&yaml, &out);
    yaml_map(&yaml);
    yaml_put(&yaml, "a", "x\xff\xfey");
    yaml_end(&yaml);
    assert_string_equal(out.p, "a: \"x\\ufffd\\ufffdy\"\n");
}

static void shape_is_as_a_person_writes_it(void **state)
{
    (void)state;
    struct text out;
    struct yaml yaml;
    text_init(&out, buffer, sizeof buffer);
    yaml_init(&yaml, &out);
    yaml_document(&yaml);
    yaml_map(&yaml);
    yaml_put_map(&yaml, "empty");
    yaml_end(&yaml);
    yaml_put_list(&yaml, "none");
    yaml_end(&yaml);
    yaml_put_u64(&yaml, "count", 3);
    yaml_put_bool(&yaml, "on", true);
    yaml_put_list(&yaml, "ports");
    yaml_map(&yaml);
    yaml_put(&yaml, "name", "http");
    yaml_put_map(&yaml, "more");
    yaml_put_u64(&yaml, "port", 80);
    yaml_end(&yaml);
    yaml_end(&yaml);
    yaml_map(&yaml);
    yaml_end(&yaml);
    yaml_str(&yaml, "last");
    yaml_end(&yaml);
    yaml_key(&yaml, "file");
    yaml_block(&yaml, SPAN_LITERAL("a: 1\n\n  b\n"));
    yaml_key(&yaml, "time");
    yaml_quantity(&yaml, 45000, "ms");
    yaml_key(&yaml, "sum");
    yaml_add(&yaml, "%u%%", 50u);
    yaml_end(&yaml);
    assert_string_equal(out.p, "---\nempty: {}\nnone: []\ncount: 3\n\"on\": true\nports:\n"
                               "  - name: http\n    more:\n      port: 80\n  - {}\n  - last\n"
                               "file: |\n  a: 1\n\n    b\ntime: 45000ms\nsum: \"50%\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_that_mean_something_stay_text),
        cmocka_unit_test(random_text_comes_back),
        cmocka_unit_test(long_text_is_not_cut_within_a_character),
        cmocka_unit_test(bytes_that_are_no_text_become_marks),
        cmocka_unit_test(shape_is_as_a_person_writes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
