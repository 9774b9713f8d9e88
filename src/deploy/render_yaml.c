#include "deploy/render_yaml.h"

#include "base/check.h"

enum { INDENT = 2 };

/* ---- scalars -------------------------------------------------------------------------------- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word_char(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '/';
}

/* Words that some reader takes for a truth or for nothing. */
static bool is_reserved(struct span s)
{
    static const char *const words[] = {"y",   "n",    "yes",   "no",  "on",
                                        "off", "true", "false", "null"};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (span_is_equal_nocase(s, span_of(words[i])))
            return true;
    }
    return false;
}

/* No digit, dot, sign or mark begins a plain word, so no reader takes it for a number or a date. */
static bool is_plain(struct span s)
{
    if (s.n == 0 || !(is_letter(s.p[0]) || s.p[0] == '/') || is_reserved(s))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_word_char(s.p[i]))
            return false;
    }
    return true;
}

/* The code point at the head of valid UTF-8 of more than one byte, cut off <s>. */
static uint32_t cut_code_point(struct span *s)
{
    const unsigned char *byte = (const unsigned char *)s->p;
    size_t size = byte[0] >= 0xF0 ? 4 : byte[0] >= 0xE0 ? 3 : 2;
    uint32_t point = byte[0] & (0x7Fu >> size);
    CHECK(size <= s->n);
    for (size_t i = 1; i < size; i++)
        point = point << 6 | (byte[i] & 0x3Fu);
    *s = span_from(s->p + size, s->n - size);
    return point;
}

/* A piece of what text_add_json_escaped() has made valid. */
static void add_quoted_piece(struct text *out, struct span s)
{
    while (s.n) {
        unsigned char c = (unsigned char)s.p[0];
        if (c >= 0x80) {
            uint32_t point = cut_code_point(&s);
            text_add(out, point > 0xFFFF ? "\\U%08x" : "\\u%04x", point);
            continue;
        }
        if (c == 0x7F)
            text_add(out, "\\x7f");
        else
            text_add_c(out, (char)c);
        s = span_from(s.p + 1, s.n - 1);
    }
}

/* Bytes of a sequence, so that pieces are cut between characters only. */
static size_t piece_size(struct span s, size_t size_max)
{
    if (s.n <= size_max)
        return s.n;
    size_t n = size_max;
    while (n > size_max - 4 && ((unsigned char)s.p[n] & 0xC0) == 0x80)
        n--;
    return n;
}

static void add_scalar(struct text *out, struct span s)
{
    char buffer[1024];
    if (is_plain(s)) {
        text_add_span(out, s);
        return;
    }
    text_add_c(out, '"');
    while (s.n) {
        size_t n = piece_size(s, sizeof buffer / 8); /* an escape takes 6 bytes at most */
        struct text piece;
        text_init(&piece, buffer, sizeof buffer);
        text_add_json_escaped(&piece, span_from(s.p, n));
        CHECK(!piece.is_cut);
        add_quoted_piece(out, text_span(&piece));
        s = span_from(s.p + n, s.n - n);
    }
    text_add_c(out, '"');
}

/* ---- groups --------------------------------------------------------------------------------- */

static struct yaml_level *top(struct yaml *yaml)
{
    return yaml->depth ? &yaml->level[yaml->depth - 1] : NULL;
}

static void add_indent(struct yaml *yaml, unsigned indent)
{
    for (unsigned i = 0; i < indent; i++)
        text_add_c(yaml->out, ' ');
}

/* The first item of a group: the line of its key ends. */
static void begin_item(struct yaml *yaml)
{
    struct yaml_level *level = top(yaml);
    if (!level->has_item && !yaml->after_dash && yaml->depth > 1)
        text_add_c(yaml->out, '\n');
    level->has_item = true;
    if (!yaml->after_dash)
        add_indent(yaml, level->indent);
    yaml->after_dash = false;
}

/* What stands before a value: a space behind its key, or the dash of its list. */
static void begin_value(struct yaml *yaml, bool is_group)
{
    struct yaml_level *level = top(yaml);
    CHECK(!level || level->is_list || yaml->after_key);
    if (yaml->after_key && !is_group)
        text_add_c(yaml->out, ' ');
    if (level && level->is_list) {
        begin_item(yaml);
        text_add_span(yaml->out, SPAN_LITERAL("- "));
        yaml->after_dash = is_group;
    }
    yaml->after_key = false;
}

static void open_group(struct yaml *yaml, bool is_list)
{
    struct yaml_level *outer = top(yaml);
    CHECK(yaml->depth < YAML_DEPTH && !(is_list && outer && outer->is_list));
    begin_value(yaml, true);
    yaml->level[yaml->depth] =
        (struct yaml_level){.is_list = is_list, .indent = outer ? outer->indent + INDENT : 0};
    yaml->depth++;
}

void yaml_init(struct yaml *yaml, struct text *out)
{
    *yaml = (struct yaml){.out = out};
}

void yaml_document(struct yaml *yaml)
{
    CHECK(yaml->depth == 0);
    text_add_span(yaml->out, SPAN_LITERAL("---\n"));
}

void yaml_map(struct yaml *yaml)
{
    open_group(yaml, false);
}

void yaml_list(struct yaml *yaml)
{
    open_group(yaml, true);
}

void yaml_end(struct yaml *yaml)
{
    CHECK(yaml->depth > 0 && !yaml->after_key);
    const struct yaml_level *level = top(yaml);
    if (!level->has_item) {
        if (!yaml->after_dash && yaml->depth > 1)
            text_add_c(yaml->out, ' ');
        text_add(yaml->out, "%s\n", level->is_list ? "[]" : "{}");
        yaml->after_dash = false;
    }
    yaml->depth--;
}

void yaml_key(struct yaml *yaml, const char *key)
{
    CHECK(yaml->depth > 0 && !top(yaml)->is_list && !yaml->after_key);
    begin_item(yaml);
    add_scalar(yaml->out, span_of(key));
    text_add_c(yaml->out, ':');
    yaml->after_key = true;
}

/* ---- values --------------------------------------------------------------------------------- */

void yaml_span(struct yaml *yaml, struct span s)
{
    begin_value(yaml, false);
    add_scalar(yaml->out, s);
    text_add_c(yaml->out, '\n');
}

void yaml_str(struct yaml *yaml, const char *c_string)
{
    yaml_span(yaml, span_of(c_string));
}

void yaml_u64(struct yaml *yaml, uint64_t value)
{
    begin_value(yaml, false);
    text_add_u64(yaml->out, value);
    text_add_c(yaml->out, '\n');
}

void yaml_quantity(struct yaml *yaml, uint64_t value, const char *unit)
{
    CHECK(is_letter(unit[0]) && unit[0] != 'e' && unit[0] != 'E' && unit[0] != 'x');
    begin_value(yaml, false);
    text_add(yaml->out, "%llu%s\n", (unsigned long long)value, unit);
}

void yaml_bool(struct yaml *yaml, bool value)
{
    begin_value(yaml, false);
    text_add(yaml->out, "%s\n", value ? "true" : "false");
}

void yaml_add(struct yaml *yaml, const char *format, ...)
{
    char buffer[YAML_FORMAT_MAX + 1];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    va_list args;
    va_start(args, format);
    text_add_v(&text, format, args);
    va_end(args);
    CHECK(!text.is_cut);
    yaml_span(yaml, text_span(&text));
}

void yaml_block(struct yaml *yaml, struct span lines)
{
    const struct yaml_level *level = top(yaml);
    CHECK(level && !level->is_list && lines.n > 0 && lines.p[0] != ' ' && lines.p[0] != '\n' &&
          lines.p[lines.n - 1] == '\n');
    begin_value(yaml, false);
    text_add_span(yaml->out, SPAN_LITERAL("|\n"));
    while (lines.n) {
        struct span line = span_cut(&lines, '\n');
        if (line.n)
            add_indent(yaml, level->indent + INDENT);
        text_add_span(yaml->out, line);
        text_add_c(yaml->out, '\n');
    }
}

/* ---- a key and its value -------------------------------------------------------------------- */

void yaml_put(struct yaml *yaml, const char *key, const char *value)
{
    yaml_key(yaml, key);
    yaml_str(yaml, value);
}

void yaml_put_span(struct yaml *yaml, const char *key, struct span value)
{
    yaml_key(yaml, key);
    yaml_span(yaml, value);
}

void yaml_put_u64(struct yaml *yaml, const char *key, uint64_t value)
{
    yaml_key(yaml, key);
    yaml_u64(yaml, value);
}

void yaml_put_bool(struct yaml *yaml, const char *key, bool value)
{
    yaml_key(yaml, key);
    yaml_bool(yaml, value);
}

void yaml_put_map(struct yaml *yaml, const char *key)
{
    yaml_key(yaml, key);
    yaml_map(yaml);
}

void yaml_put_list(struct yaml *yaml, const char *key)
{
    yaml_key(yaml, key);
    yaml_list(yaml);
}
