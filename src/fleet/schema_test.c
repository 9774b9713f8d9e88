#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "fleet/schema.h"
#include "fleet/setting.h"

static char output[256 * 1024];

static json_t *load_schema(void)
{
    struct text text;
    text_init(&text, output, sizeof output);
    fleet_schema_print(&text);
    assert_false(text.is_cut);
    json_error_t error;
    json_t *schema = json_loads(output, JSON_REJECT_DUPLICATES, &error);
    if (!schema)
        fail_msg("%d:%d %s", error.line, error.column, error.text);
    return schema;
}

/* The part of the schema that stands for a path such as services[].slo.ttft. */
static json_t *find_key(json_t *schema, const char *path)
{
    struct span rest = span_of(path);
    while (schema && rest.n > 0) {
        char key[64];
        struct span word = span_cut(&rest, '.');
        bool is_list = word.n > 2 && word.p[word.n - 1] == ']';
        snprintf(key, sizeof key, "%.*s", (int)(word.n - (is_list ? 2 : 0)), word.p);
        schema = json_object_get(json_object_get(schema, "properties"), key);
        if (is_list)
            schema = json_object_get(schema, "items");
    }
    return schema;
}

static void test_schema_is_json_of_draft_2020_12(void **state)
{
    (void)state;
    json_t *schema = load_schema();
    assert_string_equal(json_string_value(json_object_get(schema, "$schema")),
                        "https://json-schema.org/draft/2020-12/schema");
    assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
    json_decref(schema);
}

static void test_every_key_of_the_table_is_in_the_schema(void **state)
{
    (void)state;
    json_t *schema = load_schema();
    for (size_t i = 0; i < fleet_setting_count; i++) {
        json_t *key = find_key(schema, fleet_settings[i].path);
        if (!key)
            fail_msg("%s is not in the schema", fleet_settings[i].path);
        const char *said = json_string_value(json_object_get(key, "description"));
        assert_non_null(said);
        assert_string_equal(said, fleet_settings[i].sentence);
        bool has_shape = json_object_get(key, "type") || json_object_get(key, "enum");
        assert_true(has_shape);
    }
    json_decref(schema);
}

static void test_required_keys_are_required_there_too(void **state)
{
    (void)state;
    json_t *schema = load_schema();
    json_t *root = json_object_get(schema, "required");
    assert_int_equal(json_array_size(root), 1); /* version */
    json_t *replica = find_key(schema, "services[].replicas[]");
    assert_int_equal(json_array_size(json_object_get(replica, "required")), 1);
    json_decref(schema);
}

/* docs/farspan-yaml.md carries the tables that `farspan schema --markdown` prints. */
static void test_the_page_is_in_step_with_the_table(void **state)
{
    (void)state;
    static char page[256 * 1024];
    struct text text;
    text_init(&text, output, sizeof output);
    fleet_schema_print_markdown(&text);
    assert_false(text.is_cut);
    FILE *file = fopen(SOURCE_DIR "/docs/farspan-yaml.md", "rb");
    assert_non_null(file);
    page[fread(page, 1, sizeof page - 1, file)] = '\0';
    fclose(file);
    if (!strstr(page, output))
        fail_msg("put the output of `farspan schema --markdown` into docs/farspan-yaml.md");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schema_is_json_of_draft_2020_12),
        cmocka_unit_test(test_every_key_of_the_table_is_in_the_schema),
        cmocka_unit_test(test_required_keys_are_required_there_too),
        cmocka_unit_test(test_the_page_is_in_step_with_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
