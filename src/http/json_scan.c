#include "http/json_scan.h"

#include "base/check.h"
#include "http/json_find.h"
#include "http/json_inner.h"

/* Which token may come, and the sentence when another does. */
#define STATE_TABLE(X)                                                                             \
    X(START, "Expected the body to be a JSON object: it begins with {.")                           \
    X(KEY_OR_END, "Expected a key in quotes, or }.")                                               \
    X(KEY, "Expected a key in quotes.")                                                            \
    X(COLON, "Expected a colon behind the key.")                                                   \
    X(VALUE, "Expected a value.")                                                                  \
    X(VALUE_OR_END, "Expected a value, or ].")                                                     \
    X(AFTER_IN_OBJECT, "Expected a comma or } behind the value.")                                  \
    X(AFTER_IN_ARRAY, "Expected a comma or ] behind the value.")                                   \
    X(DONE, "Expected nothing behind the object.")

enum json_state {
#define X(name, expected) STATE_##name,
    STATE_TABLE(X)
#undef X
        STATE_COUNT
};

enum mark {
    OTHER,
    SPACE,
    BRACE,
    BRACE_END,
    BRACKET,
    BRACKET_END,
    COMMA,
    COLON,
    QUOTE,
    DIGIT,
    WORD,
    MARK_COUNT
};

static const uint8_t mark_of[256] = {
    [' '] = SPACE,     ['\t'] = SPACE,  ['\n'] = SPACE,      ['\r'] = SPACE, ['{'] = BRACE,
    ['}'] = BRACE_END, ['['] = BRACKET, [']'] = BRACKET_END, [','] = COMMA,  [':'] = COLON,
    ['"'] = QUOTE,     ['-'] = DIGIT,   ['0'] = DIGIT,       ['1'] = DIGIT,  ['2'] = DIGIT,
    ['3'] = DIGIT,     ['4'] = DIGIT,   ['5'] = DIGIT,       ['6'] = DIGIT,  ['7'] = DIGIT,
    ['8'] = DIGIT,     ['9'] = DIGIT,   ['t'] = WORD,        ['f'] = WORD,   ['n'] = WORD,
};

enum action { REFUSE, OPEN, CLOSE, KEY, TO_VALUE, TO_KEY, STRING, NUMBER, LITERAL };

static const uint8_t action_of[STATE_COUNT][MARK_COUNT] = {
    [STATE_START] = {[BRACE] = OPEN},
    [STATE_KEY_OR_END] = {[QUOTE] = KEY, [BRACE_END] = CLOSE},
    [STATE_KEY] = {[QUOTE] = KEY},
    [STATE_COLON] = {[COLON] = TO_VALUE},
    [STATE_VALUE] =
        {[BRACE] = OPEN, [BRACKET] = OPEN, [QUOTE] = STRING, [DIGIT] = NUMBER, [WORD] = LITERAL},
    [STATE_VALUE_OR_END] = {[BRACE] = OPEN,
                            [BRACKET] = OPEN,
                            [QUOTE] = STRING,
                            [DIGIT] = NUMBER,
                            [WORD] = LITERAL,
                            [BRACKET_END] = CLOSE},
    [STATE_AFTER_IN_OBJECT] = {[COMMA] = TO_KEY, [BRACE_END] = CLOSE},
    [STATE_AFTER_IN_ARRAY] = {[COMMA] = TO_VALUE, [BRACKET_END] = CLOSE},
};

void json_scan_init(struct json_scan *scan, const struct json_scan_sink *sink)
{
    *scan = (struct json_scan){.state = STATE_START, .finder = json_finder_get()};
    if (sink)
        scan->sink = *sink;
}

bool json_scan_use(const char *implementation)
{
    return json_finder_set(implementation);
}

const char *json_scan_implementation(void)
{
    return json_finder_get()->name;
}

bool json_refuse(struct json_scan *scan, uint64_t offset, const char *reason)
{
    scan->offset = offset;
    scan->reason = reason;
    return false;
}

static bool is_in_object(const struct json_scan *scan)
{
    return scan->objects >> (scan->depth - 1) & 1;
}

/* A value ends, or is begun and will end: what may come behind it. */
static void set_state_after(struct json_scan *scan)
{
    if (scan->depth == 0)
        scan->state = STATE_DONE;
    else
        scan->state = is_in_object(scan) ? STATE_AFTER_IN_OBJECT : STATE_AFTER_IN_ARRAY;
}

static bool open_level(struct json_scan *scan, const char *p)
{
    bool is_object = *p == '{';
    uint64_t offset = json_offset(scan, p);
    if (!json_extract_begin(scan, is_object ? JSON_OBJECT : JSON_ARRAY, false, offset))
        return false;
    if (scan->depth == LIMIT_JSON_DEPTH)
        return json_refuse(scan, offset, "Objects and arrays are nested deeper than 64 levels.");
    uint64_t bit = UINT64_C(1) << scan->depth;
    scan->objects = is_object ? scan->objects | bit : scan->objects & ~bit;
    json_extract_open(scan);
    scan->depth++;
    scan->state = is_object ? STATE_KEY_OR_END : STATE_VALUE_OR_END;
    return true;
}

static bool begin_scalar(struct json_scan *scan, enum action action, const char *p)
{
    enum json_type type = action == STRING ? JSON_STRING : JSON_NUMBER;
    if (action == LITERAL)
        type = *p == 'n' ? JSON_NULL : JSON_BOOL;
    if (!json_extract_begin(scan, type, *p == 't', json_offset(scan, p)))
        return false;
    set_state_after(scan);
    if (action == STRING)
        json_string_begin(scan, p);
    else if (action == NUMBER)
        json_number_begin(scan, p);
    else
        json_literal_begin(scan, p);
    return true;
}

static bool act(struct json_scan *scan, enum action action, const char *p)
{
    static const char *const expected[] = {
#define X(name, expected) expected,
        STATE_TABLE(X)
#undef X
    };
    switch (action) {
    case REFUSE:
        return json_refuse(scan, json_offset(scan, p), expected[scan->state]);
    case OPEN:
        return open_level(scan, p);
    case CLOSE:
        CHECK(scan->depth > 0);
        scan->depth--;
        set_state_after(scan);
        return true;
    case KEY:
        json_extract_key_begin(scan);
        json_string_begin(scan, p);
        scan->state = STATE_COLON;
        return true;
    case TO_VALUE:
        scan->state = STATE_VALUE;
        return true;
    case TO_KEY:
        scan->state = STATE_KEY;
        return true;
    default:
        return begin_scalar(scan, action, p);
    }
}

/* Between tokens: up to the first byte of a string, number or literal, or <end>. */
static const char *take_structure(struct json_scan *scan, const char *p, const char *end)
{
    for (; p < end; p++) {
        enum mark mark = (enum mark)mark_of[(uint8_t)*p];
        if (mark == SPACE)
            continue;
        if (!act(scan, (enum action)action_of[scan->state][mark], p))
            return NULL;
        if (scan->token == JSON_TOKEN_STRING)
            return p + 1;
        if (scan->token != JSON_TOKEN_NONE)
            return p;
    }
    return p;
}

static const char *take(struct json_scan *scan, const char *p, const char *end)
{
    switch (scan->token) {
    case JSON_TOKEN_NONE:
        return take_structure(scan, p, end);
    case JSON_TOKEN_NUMBER:
        return json_number_take(scan, p, end);
    case JSON_TOKEN_LITERAL:
        return json_literal_take(scan, p, end);
    default:
        return json_string_take(scan, p, end);
    }
}

enum err json_scan_add(struct json_scan *scan, struct span bytes)
{
    if (scan->reason)
        return ERR_SYNTAX;
    if (bytes.n == 0)
        return ERR_OK;
    scan->piece = bytes.p;
    scan->piece_offset = scan->offset;
    const char *p = bytes.p, *end = bytes.p + bytes.n;
    while (p && p < end)
        p = take(scan, p, end);
    scan->piece = NULL;
    CHECK(!p == !!scan->reason);
    if (!p)
        return ERR_SYNTAX;
    scan->offset += bytes.n;
    return ERR_OK;
}

enum err json_scan_end(struct json_scan *scan)
{
    if (scan->reason)
        return ERR_SYNTAX;
    if (scan->state == STATE_DONE)
        return ERR_OK;
    json_refuse(scan, scan->offset,
                scan->state == STATE_START ? "The body is empty: expected a JSON object."
                                           : "The body ends before its JSON object does.");
    return ERR_SYNTAX;
}
