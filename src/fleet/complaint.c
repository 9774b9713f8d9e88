#include "fleet/complaint.h"

#include <stdarg.h>

enum { MESSAGE_SIZE = 1024 };

void fleet_complain(struct fleet_complaints *complaints, struct arena *arena,
                    struct fleet_place place, const char *format, ...)
{
    if (complaints->count == LIMIT_CONFIG_ERRORS) {
        complaints->left_out++;
        return;
    }
    char buffer[MESSAGE_SIZE];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    va_list args;
    va_start(args, format);
    text_add_v(&text, format, args);
    va_end(args);
    for (size_t i = 0; i < text.n; i++) /* what a file holds must not steer the terminal */
        if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
            text.p[i] = '?';
    complaints->row[complaints->count++] = (struct fleet_complaint){
        .file = place.file,
        .line = place.line,
        .column = place.column,
        .message = arena_copy(arena, text_span(&text)),
    };
}

static bool is_before(const struct fleet_complaint *a, const struct fleet_complaint *b,
                      struct span first)
{
    int order = span_compare(a->file, b->file);
    if (order != 0) {
        if (span_is_equal(a->file, first))
            return true;
        return !span_is_equal(b->file, first) && order < 0;
    }
    if (a->line != b->line)
        return a->line < b->line;
    return a->column < b->column;
}

void fleet_complaints_sort(struct fleet_complaints *complaints, struct span first)
{
    for (uint32_t i = 1; i < complaints->count; i++) {
        struct fleet_complaint moving = complaints->row[i];
        uint32_t at = i;
        for (; at > 0 && is_before(&moving, &complaints->row[at - 1], first); at--)
            complaints->row[at] = complaints->row[at - 1];
        complaints->row[at] = moving;
    }
}

static void print_json(const struct fleet_complaint *complaint, struct text *text)
{
    text_json_object(text);
    text_json_key(text, "file");
    text_json_span(text, complaint->file);
    text_json_key(text, "line");
    text_json_u64(text, complaint->line);
    text_json_key(text, "column");
    text_json_u64(text, complaint->column);
    text_json_key(text, "message");
    text_json_span(text, complaint->message);
    text_json_end(text);
}

static void print_line(const struct fleet_complaint *complaint, struct text *text)
{
    text_add_span(text, complaint->file);
    if (complaint->line > 0)
        text_add(text, ":%u:%u", complaint->line, complaint->column);
    text_add(text, ": %.*s\n", SPAN_ARG(complaint->message));
}

void fleet_complaints_print(const struct fleet_complaints *complaints, bool is_json,
                            struct text *text)
{
    if (is_json)
        text_json_array(text);
    for (uint32_t i = 0; i < complaints->count; i++) {
        if (is_json)
            print_json(&complaints->row[i], text);
        else
            print_line(&complaints->row[i], text);
    }
    if (is_json)
        text_json_end(text);
    else if (complaints->left_out > 0)
        text_add(text, "... and %u more\n", complaints->left_out);
}

int fleet_nearest(struct span word, const struct span *words, size_t count)
{
    int nearest = -1;
    unsigned best = word.n < 6 ? 2 : (unsigned)(word.n / 3);
    for (size_t i = 0; i < count; i++) {
        unsigned distance = span_distance(word, words[i]);
        if (distance > best || (distance == best && nearest >= 0) || distance >= words[i].n)
            continue;
        best = distance;
        nearest = (int)i;
    }
    return nearest;
}
