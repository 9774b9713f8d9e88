#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "fleet/fleet.h"
#include "fleet/setting.h"

static bool has_scalar(const struct fleet_setting *setting)
{
    return setting->type != SETTING_MAP && setting->type != SETTING_MAPS;
}

static void test_every_row_hangs_below_another(void **state)
{
    (void)state;
    size_t reached = 0, cursor = 0;
    while (fleet_setting_next(NULL, &cursor))
        reached++;
    for (size_t i = 0; i < fleet_setting_count; i++)
        for (cursor = 0; !has_scalar(&fleet_settings[i]);) {
            if (!fleet_setting_next(&fleet_settings[i], &cursor))
                break;
            reached++;
        }
    assert_int_equal(reached, fleet_setting_count);
}

static void test_every_row_is_complete(void **state)
{
    (void)state;
    for (size_t i = 0; i < fleet_setting_count; i++) {
        const struct fleet_setting *setting = &fleet_settings[i];
        struct span sentence = span_of(setting->sentence);
        assert_true(sentence.n > 5 && sentence.p[sentence.n - 1] == '.');
        assert_int_equal(setting->words[0] != '\0', setting->type == SETTING_WORD);
        assert_int_equal(setting->example[0] != '\0', has_scalar(setting));
        assert_false(setting->is_required && setting->default_text[0] != '\0');
        bool is_list = setting->type == SETTING_MAPS || setting->type == SETTING_NAMES;
        if (is_list || setting->type == SETTING_COUNT)
            assert_true(setting->max > 0);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(setting->path, fleet_settings[j].path);
    }
}

static void test_defaults_and_examples_are_valid(void **state)
{
    (void)state;
    for (size_t i = 0; i < fleet_setting_count; i++) {
        const struct fleet_setting *setting = &fleet_settings[i];
        int64_t number;
        if (!has_scalar(setting) || setting->type == SETTING_NAMES)
            continue;
        if (!fleet_setting_parse(setting, span_of(setting->example), &number))
            fail_msg("example of %s: %s", setting->path, setting->example);
        if (setting->default_text[0] != '\0' &&
            !fleet_setting_parse(setting, span_of(setting->default_text), &number))
            fail_msg("default of %s: %s", setting->path, setting->default_text);
    }
}

static const struct fleet_setting *service_setting(const char *key)
{
    const struct fleet_setting *services = fleet_setting_find(NULL, SPAN_LITERAL("services"));
    const struct fleet_setting *setting = fleet_setting_find(services, span_of(key));
    assert_non_null(setting);
    return setting;
}

/* The words of the table and the enums of fleet.h are written in two places. */
static void test_words_stand_in_the_order_of_their_enums(void **state)
{
    (void)state;
    const struct fleet_setting *kind = service_setting("kind");
    const struct fleet_setting *engine = service_setting("engine");
    const struct fleet_setting *policy = service_setting("policy");
    for (size_t i = 0; fleet_setting_word(kind, i).n > 0; i++)
        assert_true(span_is(fleet_setting_word(kind, i), fleet_kind_name((enum fleet_kind)i)));
    for (size_t i = 0; fleet_setting_word(engine, i).n > 0; i++)
        assert_true(
            span_is(fleet_setting_word(engine, i), fleet_engine_name((enum fleet_engine)i)));
    size_t count = 0;
    for (; fleet_setting_word(policy, count).n > 0; count++) {
        enum fleet_policy found;
        struct span word = fleet_setting_word(policy, count);
        assert_true(span_is(word, fleet_policy_name((enum fleet_policy)count)));
        assert_true(fleet_policy_find(word, &found) && found == (enum fleet_policy)count);
    }
    assert_int_equal(count, FLEET_POLICY_COUNT);
}

static void test_scalars_are_strict(void **state)
{
    (void)state;
    static const struct {
        enum fleet_setting_type type;
        const char *good, *bad;
    } cases[] = {
        {SETTING_NAME, "aws:us-east-1", "AWS"},
        {SETTING_NAME, "a", "a b"},
        {SETTING_NAME, "a", ""},
        {SETTING_API_NAME, "meta-llama/Llama-3.1-8B", "a\"b"},
        {SETTING_TEXT, "Standard_D4s_v5", "a b"},
        {SETTING_PATH, "a b/c.gguf", "a\nb"},
        {SETTING_URL, "http://h", "h:8000"},
        {SETTING_URL, "https://h:1/base", "https://"},
        {SETTING_URL, "http://[::1]:80", "http://u@h"},
        {SETTING_URL, "http://h", "http://h?x=1"},
        {SETTING_URL, "http://h", "http://:80"},
        {SETTING_ADDRESS, "127.0.0.1:8080", "127.0.0.1"},
        {SETTING_ADDRESS, "[::1]:8080", "::1:8080"},
        {SETTING_ADDRESS, "localhost:0", "localhost:65536"},
        {SETTING_ADDRESS, "a:1", ":1"},
        {SETTING_ADDRESS, "a:1", "[]:1"},
        {SETTING_BOOL, "true", "yes"},
        {SETTING_DEGREES, "-89.5", "91"},
        {SETTING_COUNT, "7", "007.0"},
        {SETTING_COUNT, "9", "10"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fleet_setting setting = {.type = cases[i].type};
        setting.max = setting.type == SETTING_DEGREES ? 90 : 9;
        int64_t number;
        if (!fleet_setting_parse(&setting, span_of(cases[i].good), &number))
            fail_msg("%s was refused", cases[i].good);
        if (fleet_setting_parse(&setting, span_of(cases[i].bad), &number))
            fail_msg("%s was taken", cases[i].bad);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_hangs_below_another),
        cmocka_unit_test(test_every_row_is_complete),
        cmocka_unit_test(test_defaults_and_examples_are_valid),
        cmocka_unit_test(test_words_stand_in_the_order_of_their_enums),
        cmocka_unit_test(test_scalars_are_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
