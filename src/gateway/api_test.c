#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "gateway/api.h"

static enum gateway_match find(enum http_method method, const char *path, enum gateway_route *route,
                               struct span *name)
{
    return gateway_api_find(method, span_of(path), route, name);
}

static void every_route_is_found_by_its_own_path(void **state)
{
    (void)state;
    for (unsigned i = 0; i < GATEWAY_ROUTE_COUNT; i++) {
        char path[128];
        struct text text;
        text_init(&text, path, sizeof path);
        for (const char *c = gateway_api_of(i)->path; *c; c++)
            if (*c == '*')
                text_add(&text, "risk");
            else
                text_add_c(&text, *c);
        enum gateway_route route;
        struct span name;
        assert_int_equal(find(gateway_api_of(i)->method, path, &route, &name), GATEWAY_MATCH_FOUND);
        assert_int_equal(route, i);
    }
}

static void names_with_a_slash_are_models_of_v1_only(void **state)
{
    (void)state;
    enum gateway_route route;
    struct span name;
    assert_int_equal(find(HTTP_GET, "/v1/models/meta/llama", &route, &name), GATEWAY_MATCH_FOUND);
    assert_true(span_is(name, "meta/llama"));
    assert_int_equal(find(HTTP_POST, "/v2/models/a/b/infer", &route, &name), GATEWAY_MATCH_NONE);
    assert_int_equal(find(HTTP_GET, "/v2/models/", &route, &name), GATEWAY_MATCH_NONE);
}

static void another_method_is_told_from_another_path(void **state)
{
    (void)state;
    enum gateway_route route;
    struct span name;
    assert_int_equal(find(HTTP_GET, "/v1/chat/completions", &route, &name), GATEWAY_MATCH_METHOD);
    assert_int_equal(find(HTTP_GET, "/v1/chat/completion", &route, &name), GATEWAY_MATCH_NONE);
    assert_int_equal(find(HTTP_HEAD, "/v1/models", &route, &name), GATEWAY_MATCH_FOUND);

    char buffer[64];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    gateway_api_allow(GATEWAY_ROUTE_MODELS, &text);
    assert_string_equal(buffer, "allow: GET, HEAD\r\n");
}

static void an_error_is_said_in_the_form_of_its_api(void **state)
{
    (void)state;
    char buffer[1024];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    gateway_error_print(GATEWAY_ERROR_MODEL_NOT_FOUND, GATEWAY_FORM_OPENAI, SPAN_LITERAL("a\"b"),
                        NULL, &text);
    assert_string_equal(buffer,
                        "{\"error\":{\"message\":\"there is no such model; GET /v1/models lists "
                        "them: a\\\"b\",\"type\":\"invalid_request_error\",\"param\":\"model\","
                        "\"code\":\"model_not_found\"}}");
    text_truncate(&text, 0);
    gateway_error_print(GATEWAY_ERROR_NO_KEY, GATEWAY_FORM_INFERENCE, (struct span){0, 0}, NULL,
                        &text);
    assert_string_equal(buffer, "{\"error\":\"no valid key: send 'authorization: Bearer KEY'\"}");
}

static void the_list_of_paths_keeps_the_peers_doors_to_itself(void **state)
{
    (void)state;
    char buffer[2048];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    gateway_error_print_paths(GATEWAY_FORM_OPENAI, &text);
    assert_false(text.is_cut);
    assert_non_null(strstr(buffer, "POST /v1/chat/completions"));
    assert_non_null(strstr(buffer, "POST /v2/models/*/infer"));
    assert_null(strstr(buffer, "/peer/"));
}

static void coded_names_are_decoded_or_refused(void **state)
{
    (void)state;
    static const struct {
        const char *coded, *name; /* NULL: refused */
    } rows[] = {{"a%2Fb", "a/b"}, {"plain", "plain"}, {"%zz", NULL}, {"a%2", NULL}, {"%00", NULL}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char buffer[16];
        struct text text;
        text_init(&text, buffer, sizeof buffer);
        bool is_good = gateway_api_decode(span_of(rows[i].coded), &text);
        assert_int_equal(is_good, rows[i].name != NULL);
        if (rows[i].name)
            assert_string_equal(buffer, rows[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_found_by_its_own_path),
        cmocka_unit_test(names_with_a_slash_are_models_of_v1_only),
        cmocka_unit_test(another_method_is_told_from_another_path),
        cmocka_unit_test(an_error_is_said_in_the_form_of_its_api),
        cmocka_unit_test(the_list_of_paths_keeps_the_peers_doors_to_itself),
        cmocka_unit_test(coded_names_are_decoded_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
