#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "cli/decision.h"

#define TARGET(kind, candidate, chosen, total)                                                     \
    "{\"kind\":\"" kind "\",\"candidate\":" candidate ",\"chosen\":" chosen                        \
    ",\"terms_us\":{\"total\":" total "}}"

static char buffer[256];

static const char *note_of(const char *policy, const char *targets)
{
    char json[512];
    struct text text;
    text_init(&text, json, sizeof json);
    text_add(&text, "{\"policy\":\"%s\",\"targets\":[%s]}", policy, targets);
    text_init(&text, buffer, sizeof buffer);
    json_t *decision = json_loads(json, 0, NULL);
    assert_non_null(decision);
    decision_note(decision, &text);
    json_decref(decision);
    return buffer;
}

static const char passed_over[] =
    TARGET("replica", "true", "true", "7691566") "," TARGET("region", "true", "false", "7099708");

static void a_cheaper_region_that_was_passed_over_is_accounted_for(void **state)
{
    (void)state;
    assert_string_equal(note_of("adaptive", passed_over),
                        "  (a region must win by 15 %, 20 ms at least, over the replicas here)\n");
}

static void what_the_totals_say_needs_no_note(void **state)
{
    (void)state;
    static const char *const cases[] = {
        (TARGET("replica", "true", "true", "70") "," TARGET("region", "true", "false", "71")),
        (TARGET("replica", "true", "false", "70") "," TARGET("region", "true", "true", "50")),
        (TARGET("replica", "true", "true", "70") "," TARGET("region", "false", "false", "50")),
        TARGET("region", "true", "false", "50"), ""};
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_string_equal(note_of("adaptive", cases[i]), "");
    assert_string_equal(note_of("nearest", passed_over), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cheaper_region_that_was_passed_over_is_accounted_for),
        cmocka_unit_test(what_the_totals_say_needs_no_note),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
