#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <jansson.h>
#include <string.h>

#include "obs/record.h"

static char buffer[OBS_RECORD_SIZE];
static struct text text;

static json_t *printed(const struct obs_record *record)
{
    text_init(&text, buffer, sizeof buffer);
    obs_record_print(record, &text);
    assert_false(text.is_cut);
    assert_null(strchr(buffer, '\n'));
    json_t *root = json_loads(buffer, 0, NULL);
    assert_non_null(root);
    return root;
}

static const char *string_of(const json_t *root, const char *key)
{
    return json_string_value(json_object_get(root, key));
}

static void a_whole_record_reads_back(void **state)
{
    (void)state;
    struct obs_record record = {.wall_time_us = INT64_C(1709210096000007),
                                .request_id = SPAN_LITERAL("00ff"),
                                .method = SPAN_LITERAL("POST"),
                                .path = SPAN_LITERAL("/v1/chat/completions?key=secret"),
                                .status = 200,
                                .service = SPAN_LITERAL("chat"),
                                .tenant = SPAN_LITERAL("acme"),
                                .key_name = SPAN_LITERAL("team-a"),
                                .region = SPAN_LITERAL("aws:us-east-1"),
                                .target = SPAN_LITERAL("us-a-chat"),
                                .route = SPAN_LITERAL("aws:us-east-1/us-a-chat;policy=adaptive"),
                                .hop_from = SPAN_LITERAL("gcp:asia-northeast1"),
                                .outcome = SPAN_LITERAL("answered"),
                                .attempts = 2,
                                .bytes_in = 2048,
                                .bytes_out = 9999,
                                .ttft_us = 1500,
                                .total_us = 250000,
                                .prompt_tokens = 512};
    json_t *root = printed(&record);
    assert_string_equal(string_of(root, "time"), "2024-02-29T12:34:56.000007Z");
    assert_string_equal(string_of(root, "path"), "/v1/chat/completions");
    assert_null(strstr(buffer, "secret"));
    assert_string_equal(string_of(root, "key"), "team-a");
    assert_string_equal(string_of(root, "outcome"), "answered");
    assert_int_equal(json_integer_value(json_object_get(root, "total_us")), 250000);
    assert_int_equal(json_integer_value(json_object_get(root, "prompt_tokens")), 512);
    json_decref(root);
}

static void what_did_not_happen_is_left_out(void **state)
{
    (void)state;
    struct obs_record record = {.ttft_us = -1, .total_us = -1};
    json_t *root = printed(&record);
    assert_null(json_object_get(root, "ttft_us"));
    assert_null(json_object_get(root, "service"));
    assert_string_equal(string_of(root, "time"), "1970-01-01T00:00:00.000000Z");
    json_decref(root);
}

static void hostile_strings_stay_one_bounded_line(void **state)
{
    (void)state;
    static char hostile[100000];
    memset(hostile, '\x01', sizeof hostile);
    hostile[3] = '\n';
    hostile[4] = '"';
    struct span s = span_from(hostile, sizeof hostile);
    struct obs_record record = {.wall_time_us = INT64_MAX,
                                .request_id =
                                    SPAN_LITERAL("visible characters only, by the gateway"),
                                .method = s,
                                .path = s,
                                .status = UINT16_MAX,
                                .hop_from = s,
                                .attempts = UINT32_MAX,
                                .bytes_in = INT64_MAX,
                                .bytes_out = INT64_MAX,
                                .ttft_us = INT64_MAX,
                                .total_us = INT64_MAX,
                                .prompt_tokens = UINT32_MAX};
    json_decref(printed(&record));
}

static void dates_are_those_of_the_calendar(void **state)
{
    (void)state;
    const struct {
        int64_t seconds;
        const char *date;
    } expected[] = {{951782399, "2000-02-28"},  {951782400, "2000-02-29"},
                    {951868800, "2000-03-01"},  {1735689599, "2024-12-31"},
                    {1735689600, "2025-01-01"}, {4107542400, "2100-03-01"}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        struct obs_record record = {.wall_time_us = expected[i].seconds * 1000000};
        json_t *root = printed(&record);
        assert_memory_equal(string_of(root, "time"), expected[i].date, 10);
        json_decref(root);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_record_reads_back),
        cmocka_unit_test(what_did_not_happen_is_left_out),
        cmocka_unit_test(hostile_strings_stay_one_bounded_line),
        cmocka_unit_test(dates_are_those_of_the_calendar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
