#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "worker/answer.h"

static char buffer[4096];
static struct text text;
static const struct answer_subject chat = {
    .form = ANSWER_CHAT, .id = "chatcmpl-1", .model = {"m", 1}, .created_s = 5};
static const struct answer_usage usage = {
    .prompt_tokens = 10, .cached_tokens = 8, .output_tokens = 3};

static void assert_text(const char *expected)
{
    assert_string_equal(buffer, expected);
    text_truncate(&text, 0);
}

static void a_stream_has_openais_form(void **state)
{
    (void)state;
    text_init(&text, buffer, sizeof buffer);
    answer_event_role(&text, &chat);
    assert_text("data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":5,"
                "\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
                "\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n");
    answer_event_piece(&text, &chat, SPAN_LITERAL("a\"b"));
    assert_text("data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":5,"
                "\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\\\"b\"},"
                "\"logprobs\":null,\"finish_reason\":null}]}\n\n");
    answer_event_usage(&text, &chat, &usage);
    assert_text("data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":5,"
                "\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":10,"
                "\"completion_tokens\":3,\"total_tokens\":13,\"prompt_tokens_details\":"
                "{\"cached_tokens\":8}}}\n\n");
    answer_event_done(&text);
    assert_text("data: [DONE]\n\n");
}

static void a_completion_is_no_chat(void **state)
{
    (void)state;
    struct answer_subject subject = chat;
    subject.form = ANSWER_COMPLETION;
    text_init(&text, buffer, sizeof buffer);
    answer_event_role(&text, &subject);
    assert_text("");
    answer_whole(&text, &subject, SPAN_LITERAL("x"), SPAN_LITERAL("stop"), &usage);
    assert_non_null(strstr(buffer, "\"object\":\"text_completion\""));
    assert_non_null(strstr(buffer, "\"choices\":[{\"index\":0,\"text\":\"x\",\"logprobs\":null,"
                                   "\"finish_reason\":\"stop\"}]"));
}

static void errors_have_the_form_of_the_door(void **state)
{
    (void)state;
    struct answer_error error = {"No.", "model_not_found", "model", 404};
    text_init(&text, buffer, sizeof buffer);
    answer_error(&text, ANSWER_CHAT, &error);
    assert_text("{\"error\":{\"message\":\"No.\",\"type\":\"invalid_request_error\","
                "\"param\":\"model\",\"code\":\"model_not_found\"}}");
    answer_error(&text, ANSWER_INFER, &error);
    assert_text("{\"error\":\"No.\"}");
    error.status = 500;
    answer_error_event(&text, &error);
    assert_non_null(strstr(buffer, "data: {"));
    assert_non_null(strstr(buffer, "\"type\":\"server_error\""));
}

static void base64_is_that_of_rfc_4648(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"", ""},
                                          {"f", "Zg=="},
                                          {"fo", "Zm8="},
                                          {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg=="},
                                          {"fooba", "Zm9vYmE="},
                                          {"foobar", "Zm9vYmFy"}};
    text_init(&text, buffer, sizeof buffer);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        answer_base64(&text, rows[i][0], strlen(rows[i][0]));
        assert_text(rows[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_has_openais_form),
        cmocka_unit_test(a_completion_is_no_chat),
        cmocka_unit_test(errors_have_the_form_of_the_door),
        cmocka_unit_test(base64_is_that_of_rfc_4648),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
