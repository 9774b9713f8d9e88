/* The JSON half of text.h: escapes, and a writer that keeps commas, colons and brackets right. */
#include "base/check.h"
#include "base/text.h"

/* Bytes of the UTF-8 sequence (RFC 3629: shortest form, no surrogates) at the head of <s>; 0 when
 * there is none. */
static size_t sequence_size(struct span s)
{
    const unsigned char *byte = (const unsigned char *)s.p;
    size_t size = byte[0] < 0x80                       ? 1
                  : byte[0] >= 0xC2 && byte[0] <= 0xDF ? 2
                  : (byte[0] & 0xF0) == 0xE0           ? 3
                  : byte[0] >= 0xF0 && byte[0] <= 0xF4 ? 4
                                                       : 0;
    if (size == 0 || size > s.n)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((byte[i] & 0xC0) != 0x80)
            return 0;
    bool is_bad = (byte[0] == 0xE0 && byte[1] < 0xA0) || (byte[0] == 0xED && byte[1] > 0x9F) ||
                  (byte[0] == 0xF0 && byte[1] < 0x90) || (byte[0] == 0xF4 && byte[1] > 0x8F);
    return is_bad ? 0 : size;
}

static void add_escape(struct text *text, char c)
{
    switch (c) {
    case '"':
        text_add_span(text, SPAN_LITERAL("\\\""));
        break;
    case '\\':
        text_add_span(text, SPAN_LITERAL("\\\\"));
        break;
    case '\n':
        text_add_span(text, SPAN_LITERAL("\\n"));
        break;
    case '\r':
        text_add_span(text, SPAN_LITERAL("\\r"));
        break;
    case '\t':
        text_add_span(text, SPAN_LITERAL("\\t"));
        break;
    default:
        text_add(text, "\\u%04x", (unsigned)(unsigned char)c);
    }
}

static bool is_plain(char c)
{
    return (unsigned char)c >= 0x20 && (unsigned char)c < 0x80 && c != '"' && c != '\\';
}

void text_add_json_escaped(struct text *text, struct span s)
{
    while (s.n > 0) {
        size_t n = 0;
        while (n < s.n && is_plain(s.p[n]))
            n++;
        text_add_span(text, span_from(s.p, n));
        s = span_from(s.p + n, s.n - n);
        if (s.n == 0)
            break;
        n = 1;
        if ((unsigned char)s.p[0] < 0x80) {
            add_escape(text, s.p[0]);
        } else if (sequence_size(s) == 0) {
            text_add_span(text, SPAN_LITERAL("\xEF\xBF\xBD"));
        } else {
            n = sequence_size(s);
            text_add_span(text, span_from(s.p, n));
        }
        s = span_from(s.p + n, s.n - n);
    }
}

/* A value begins: the comma before it, when it is not the first and no key stands before it. */
static void begin_value(struct text *text)
{
    bool is_in_object = text->depth > 0 && text->closer[text->depth - 1] == '}';
    CHECK(!is_in_object || text->after_key);
    if (text->depth > 0 && !text->after_key) {
        if (text->has_item[text->depth - 1])
            text_add_c(text, ',');
        text->has_item[text->depth - 1] = true;
    }
    text->after_key = false;
}

static void open_group(struct text *text, char opener, char closer)
{
    begin_value(text);
    CHECK(text->depth < TEXT_JSON_DEPTH);
    text_add_c(text, opener);
    text->closer[text->depth] = closer;
    text->has_item[text->depth] = false;
    text->depth++;
}

void text_json_object(struct text *text)
{
    open_group(text, '{', '}');
}

void text_json_array(struct text *text)
{
    open_group(text, '[', ']');
}

void text_json_end(struct text *text)
{
    CHECK(text->depth > 0 && !text->after_key);
    text->depth--;
    text_add_c(text, text->closer[text->depth]);
}

void text_json_key(struct text *text, const char *key)
{
    CHECK(text->depth > 0 && text->closer[text->depth - 1] == '}' && !text->after_key);
    if (text->has_item[text->depth - 1])
        text_add_c(text, ',');
    text->has_item[text->depth - 1] = true;
    text_add_c(text, '"');
    text_add_json_escaped(text, span_of(key));
    text_add_span(text, SPAN_LITERAL("\":"));
    text->after_key = true;
}

void text_json_span(struct text *text, struct span s)
{
    begin_value(text);
    text_add_c(text, '"');
    text_add_json_escaped(text, s);
    text_add_c(text, '"');
}

void text_json_str(struct text *text, const char *c_string)
{
    if (c_string)
        text_json_span(text, span_of(c_string));
    else
        text_json_null(text);
}

void text_json_u64(struct text *text, uint64_t value)
{
    begin_value(text);
    text_add_u64(text, value);
}

void text_json_i64(struct text *text, int64_t value)
{
    begin_value(text);
    text_add_i64(text, value);
}

void text_json_micro(struct text *text, int64_t value)
{
    begin_value(text);
    text_add_micro(text, value);
}

void text_json_double(struct text *text, double value)
{
    begin_value(text);
    if (__builtin_isfinite(value))
        text_add(text, "%.9g", value);
    else
        text_add_span(text, SPAN_LITERAL("null"));
}

void text_json_bool(struct text *text, bool value)
{
    begin_value(text);
    text_add_span(text, value ? SPAN_LITERAL("true") : SPAN_LITERAL("false"));
}

void text_json_null(struct text *text)
{
    begin_value(text);
    text_add_span(text, SPAN_LITERAL("null"));
}

void text_json_raw(struct text *text, struct span json)
{
    begin_value(text);
    text_add_span(text, json);
}
