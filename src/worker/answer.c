#include "worker/answer.h"

#include "base/check.h"

static void begin(struct text *text, const struct answer_subject *subject, bool is_event)
{
    static const char *const objects[][2] = {
        [ANSWER_CHAT] = {"chat.completion", "chat.completion.chunk"},
        [ANSWER_COMPLETION] = {"text_completion", "text_completion"}};
    CHECK(subject->form == ANSWER_CHAT || subject->form == ANSWER_COMPLETION);
    text_json_object(text);
    text_json_key(text, "id");
    text_json_str(text, subject->id);
    text_json_key(text, "object");
    text_json_str(text, objects[subject->form][is_event]);
    text_json_key(text, "created");
    text_json_i64(text, subject->created_s);
    text_json_key(text, "model");
    text_json_span(text, subject->model);
    text_json_key(text, "choices");
    text_json_array(text);
}

static void begin_event(struct text *text, const struct answer_subject *subject)
{
    text_add(text, "data: ");
    begin(text, subject, true);
}

static void begin_choice(struct text *text)
{
    text_json_object(text);
    text_json_key(text, "index");
    text_json_u64(text, 0);
}

static void end_choice(struct text *text, struct span reason)
{
    text_json_key(text, "logprobs");
    text_json_null(text);
    text_json_key(text, "finish_reason");
    if (reason.n)
        text_json_span(text, reason);
    else
        text_json_null(text);
    text_json_end(text);
}

static void end_event(struct text *text)
{
    text_json_end(text); /* choices */
    text_json_end(text);
    text_add(text, "\n\n");
}

void answer_event_role(struct text *text, const struct answer_subject *subject)
{
    if (subject->form != ANSWER_CHAT)
        return;
    begin_event(text, subject);
    begin_choice(text);
    text_json_key(text, "delta");
    text_json_raw(text, SPAN_LITERAL("{\"role\":\"assistant\",\"content\":\"\"}"));
    end_choice(text, (struct span){0, 0});
    end_event(text);
}

void answer_event_piece(struct text *text, const struct answer_subject *subject, struct span piece)
{
    begin_event(text, subject);
    begin_choice(text);
    if (subject->form == ANSWER_CHAT) {
        text_json_key(text, "delta");
        text_json_object(text);
        text_json_key(text, "content");
        text_json_span(text, piece);
        text_json_end(text);
    } else {
        text_json_key(text, "text");
        text_json_span(text, piece);
    }
    end_choice(text, (struct span){0, 0});
    end_event(text);
}

void answer_event_finish(struct text *text, const struct answer_subject *subject,
                         struct span reason)
{
    begin_event(text, subject);
    begin_choice(text);
    text_json_key(text, subject->form == ANSWER_CHAT ? "delta" : "text");
    text_json_raw(text, subject->form == ANSWER_CHAT ? SPAN_LITERAL("{}") : SPAN_LITERAL("\"\""));
    end_choice(text, reason);
    end_event(text);
}

static void add_usage(struct text *text, const struct answer_usage *usage)
{
    text_json_key(text, "usage");
    text_json_object(text);
    text_json_key(text, "prompt_tokens");
    text_json_u64(text, usage->prompt_tokens);
    text_json_key(text, "completion_tokens");
    text_json_u64(text, usage->output_tokens);
    text_json_key(text, "total_tokens");
    text_json_u64(text, usage->prompt_tokens + usage->output_tokens);
    text_json_key(text, "prompt_tokens_details");
    text_json_object(text);
    text_json_key(text, "cached_tokens");
    text_json_u64(text, usage->cached_tokens);
    text_json_end(text);
    text_json_end(text);
}

void answer_event_usage(struct text *text, const struct answer_subject *subject,
                        const struct answer_usage *usage)
{
    begin_event(text, subject);
    text_json_end(text); /* no choices */
    add_usage(text, usage);
    text_json_end(text);
    text_add(text, "\n\n");
}

void answer_event_done(struct text *text)
{
    text_add(text, "data: [DONE]\n\n");
}

void answer_whole(struct text *text, const struct answer_subject *subject, struct span content,
                  struct span reason, const struct answer_usage *usage)
{
    begin(text, subject, false);
    begin_choice(text);
    if (subject->form == ANSWER_CHAT) {
        text_json_key(text, "message");
        text_json_object(text);
        text_json_key(text, "role");
        text_json_str(text, "assistant");
        text_json_key(text, "content");
        text_json_span(text, content);
        text_json_key(text, "refusal");
        text_json_null(text);
        text_json_end(text);
    } else {
        text_json_key(text, "text");
        text_json_span(text, content);
    }
    end_choice(text, reason);
    text_json_end(text); /* choices */
    add_usage(text, usage);
    text_json_end(text);
}

static void add_error(struct text *text, const struct answer_error *error)
{
    text_json_object(text);
    text_json_key(text, "error");
    text_json_object(text);
    text_json_key(text, "message");
    text_json_str(text, error->message);
    text_json_key(text, "type");
    text_json_str(text, error->status >= 500 ? "server_error" : "invalid_request_error");
    text_json_key(text, "param");
    text_json_str(text, error->param);
    text_json_key(text, "code");
    text_json_str(text, error->code);
    text_json_end(text);
    text_json_end(text);
}

void answer_error(struct text *text, enum answer_form form, const struct answer_error *error)
{
    if (form != ANSWER_INFER) {
        add_error(text, error);
        return;
    }
    text_json_object(text);
    text_json_key(text, "error");
    text_json_str(text, error->message);
    text_json_end(text);
}

void answer_error_event(struct text *text, const struct answer_error *error)
{
    text_add(text, "data: ");
    add_error(text, error);
    text_add(text, "\n\n");
}

unsigned answer_status_of(struct span code)
{
    static const struct {
        const char *code;
        unsigned status;
    } rows[] = {{"context_length_exceeded", 400}, {"invalid_input", 400},   {"invalid_prompt", 400},
                {"invalid_request", 400},         {"model_not_found", 404}, {"engine_full", 503}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (span_is(code, rows[i].code))
            return rows[i].status;
    return 500;
}

void answer_base64(struct text *text, const void *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t group = (uint32_t)p[i] << 16;
        group |= i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0;
        group |= i + 2 < n ? p[i + 2] : 0;
        text_add_c(text, digits[group >> 18]);
        text_add_c(text, digits[group >> 12 & 63]);
        text_add_c(text, i + 1 < n ? digits[group >> 6 & 63] : '=');
        text_add_c(text, i + 2 < n ? digits[group & 63] : '=');
    }
}
