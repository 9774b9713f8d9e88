#include "base/check.h"
#include "base/text.h"
#include "http/json_inner.h"

/* Kinds of objects and arrays that are looked into, and what the elements of the arrays are. */
#define PLACE_TABLE(X)                                                                             \
    X(NOWHERE, SKIP) /* all that nobody asks for, at any depth */                                  \
    X(TOP, SKIP)                                                                                   \
    X(OPTIONS, SKIP)                                                                               \
    X(MESSAGES, MESSAGE)                                                                           \
    X(MESSAGE, SKIP)                                                                               \
    X(PARTS, PART)                                                                                 \
    X(PART, SKIP)                                                                                  \
    X(PROMPTS, PROMPT_ITEM)                                                                        \
    X(PROMPT_TOKENS, PROMPT_TOKEN)                                                                 \
    X(EMBEDDED, INPUT_ITEM)                                                                        \
    X(EMBEDDED_TOKENS, INPUT_TOKEN)                                                                \
    X(TENSORS, TENSOR)                                                                             \
    X(TENSOR, SKIP)                                                                                \
    X(DATA, DATUM)

/* What a value is: name, the place it stands in, its key there (empty: an element), the name that
 * refusals give, the types it may have (null comes on top where it has a key), where the text of
 * its string goes, the place it opens. */
#define WANT_TABLE(X)                                                                              \
    X(SKIP, NOWHERE, "", "", JSON_ANY, NONE, NOWHERE)                                              \
    X(MODEL, TOP, "model", "model", JSON_STRING, CAPTURE, NOWHERE)                                 \
    X(USER, TOP, "user", "user", JSON_STRING, CAPTURE, NOWHERE)                                    \
    X(STREAM, TOP, "stream", "stream", JSON_BOOL, NONE, NOWHERE)                                   \
    X(MAX_TOKENS, TOP, "max_tokens", "max_tokens", JSON_NUMBER, NONE, NOWHERE)                     \
    X(MAX_COMPLETION_TOKENS, TOP, "max_completion_tokens", "max_completion_tokens", JSON_NUMBER,   \
      NONE, NOWHERE)                                                                               \
    X(N, TOP, "n", "n", JSON_NUMBER, NONE, NOWHERE)                                                \
    X(STREAM_OPTIONS, TOP, "stream_options", "stream_options", JSON_OBJECT, NONE, OPTIONS)         \
    X(INCLUDE_USAGE, OPTIONS, "include_usage", "stream_options.include_usage", JSON_BOOL, NONE,    \
      NOWHERE)                                                                                     \
    X(MESSAGES, TOP, "messages", "messages", JSON_ARRAY, NONE, MESSAGES)                           \
    X(MESSAGE, MESSAGES, "", "messages", JSON_OBJECT, NONE, MESSAGE)                               \
    X(ROLE, MESSAGE, "role", "messages.role", JSON_STRING, CAPTURE, NOWHERE)                       \
    X(CONTENT, MESSAGE, "content", "messages.content", JSON_STRING | JSON_ARRAY, SINK, PARTS)      \
    X(PART, PARTS, "", "messages.content", JSON_OBJECT, NONE, PART)                                \
    X(PART_TYPE, PART, "type", "messages.content.type", JSON_STRING, CAPTURE, NOWHERE)             \
    X(PART_TEXT, PART, "text", "messages.content.text", JSON_STRING, SINK, NOWHERE)                \
    X(PROMPT, TOP, "prompt", "prompt", JSON_STRING | JSON_ARRAY, SINK, PROMPTS)                    \
    X(PROMPT_ITEM, PROMPTS, "", "prompt", JSON_STRING | JSON_NUMBER | JSON_ARRAY, SINK,            \
      PROMPT_TOKENS)                                                                               \
    X(PROMPT_TOKEN, PROMPT_TOKENS, "", "prompt", JSON_NUMBER, NONE, NOWHERE)                       \
    X(INPUT, TOP, "input", "input", JSON_STRING | JSON_ARRAY, SINK, EMBEDDED)                      \
    X(INPUT_ITEM, EMBEDDED, "", "input", JSON_STRING | JSON_NUMBER | JSON_ARRAY, SINK,             \
      EMBEDDED_TOKENS)                                                                             \
    X(INPUT_TOKEN, EMBEDDED_TOKENS, "", "input", JSON_NUMBER, NONE, NOWHERE)                       \
    X(INPUTS, TOP, "inputs", "inputs", JSON_ARRAY, NONE, TENSORS)                                  \
    X(TENSOR, TENSORS, "", "inputs", JSON_OBJECT, NONE, TENSOR)                                    \
    X(TENSOR_DATA, TENSOR, "data", "inputs.data", JSON_ARRAY, NONE, DATA)                          \
    X(DATUM, DATA, "", "inputs.data", JSON_ANY & ~JSON_OBJECT, SINK, DATA)

enum json_place {
#define X(name, element) PLACE_##name,
    PLACE_TABLE(X)
#undef X
        PLACE_COUNT
};

enum json_want {
#define X(name, place, key, param, types, use, opens) WANT_##name,
    WANT_TABLE(X)
#undef X
        WANT_COUNT
};

_Static_assert((int)PLACE_COUNT == (int)JSON_SCAN_PLACES, "json_scan.h keeps one word a place");
_Static_assert(WANT_COUNT <= 32, "a key met is one bit of a word");

struct want {
    const char *key, *param;
    uint8_t key_size, place, types, use, opens;
};

static const struct want wants[WANT_COUNT] = {
#define X(name, place, key, param, types, use, opens)                                              \
    {key, param, sizeof(key) - 1, PLACE_##place, types, JSON_USE_##use, PLACE_##opens},
    WANT_TABLE(X)
#undef X
};

static const uint8_t element_of[PLACE_COUNT] = {
#define X(name, element) WANT_##element,
    PLACE_TABLE(X)
#undef X
};

static const struct want *want_of(const struct json_scan *scan)
{
    CHECK(scan->want < WANT_COUNT);
    return &wants[scan->want];
}

static bool refuse_about(struct json_scan *scan, uint64_t offset, const char *param)
{
    scan->param = param;
    return json_refuse(scan, offset, scan->sentence);
}

static const char *type_name(enum json_type type)
{
    switch (type) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_NUMBER:
        return "a number";
    case JSON_BOOL:
        return "a boolean";
    default:
        return "null";
    }
}

static bool refuse_type(struct json_scan *scan, enum json_type found, uint64_t offset)
{
    const struct want *want = want_of(scan);
    struct text text;
    text_init(&text, scan->sentence, sizeof scan->sentence);
    text_add(&text, "Expected");
    const char *join = " ";
    for (unsigned type = JSON_OBJECT; type <= JSON_BOOL; type <<= 1) {
        if (!(want->types & type))
            continue;
        text_add(&text, "%s%s", join, type_name((enum json_type)type));
        join = " or ";
    }
    text_add(&text, " %s `%s`, found %s.", want->key_size ? "for" : "in", want->param,
             type_name(found));
    return refuse_about(scan, offset, want->param);
}

static bool refuse_with(struct json_scan *scan, const char *format)
{
    const struct want *want = want_of(scan);
    struct text text;
    text_init(&text, scan->sentence, sizeof scan->sentence);
    text_add(&text, "`%s` %s", want->param, format);
    return refuse_about(scan, scan->token_offset, want->param);
}

static void tell_role(struct json_scan *scan, struct span role)
{
    if (scan->sink.on_role)
        scan->sink.on_role(scan->sink.user, role);
}

static void tell_message_role(struct json_scan *scan, struct span role)
{
    if (!scan->is_role_told)
        tell_role(scan, role);
    scan->is_role_told = true;
}

/* A prompt of its own begins: a string, an array of token ids, or the first id in a flat array. */
static void begin_prompt(struct json_scan *scan, enum json_type type)
{
    if (type != JSON_NUMBER || !scan->are_tokens_begun)
        tell_role(scan, SPAN_LITERAL("prompt"));
    scan->are_tokens_begun = type == JSON_NUMBER;
}

/* What is known of a value, which is not null, as soon as it begins. */
static void note(struct json_scan *scan, enum json_type type, bool is_true)
{
    struct json_scan_found *found = &scan->found;
    switch (scan->want) {
    case WANT_STREAM:
        found->has_stream = true;
        found->stream = is_true;
        break;
    case WANT_INCLUDE_USAGE:
        found->include_usage = is_true;
        break;
    case WANT_MESSAGES:
        found->has_messages = true;
        break;
    case WANT_INPUTS:
        found->has_inputs = true;
        break;
    case WANT_CONTENT:
        tell_message_role(scan, (struct span){NULL, 0});
        break;
    case WANT_PROMPT:
    case WANT_INPUT:
        found->has_prompt |= scan->want == WANT_PROMPT;
        found->has_input |= scan->want == WANT_INPUT;
        scan->are_tokens_begun = false;
        if (type == JSON_STRING)
            begin_prompt(scan, type);
        break;
    case WANT_PROMPT_ITEM:
    case WANT_INPUT_ITEM:
        begin_prompt(scan, type);
        break;
    case WANT_DATUM:
        if (type == JSON_STRING)
            begin_prompt(scan, type);
        break;
    default:
        break;
    }
}

bool json_extract_begin(struct json_scan *scan, enum json_type type, bool is_true, uint64_t offset)
{
    if (scan->depth == 0)
        return true; /* the body: an object, as the structure demands */
    bool is_object = scan->objects >> (scan->depth - 1) & 1;
    if (!is_object)
        scan->want = element_of[scan->place[scan->depth - 1]];
    if (scan->want == WANT_SKIP) {
        scan->use = JSON_USE_NONE;
        return true;
    }
    const struct want *want = want_of(scan);
    unsigned allowed = want->types | (want->key_size ? JSON_NULL : 0u);
    if (!(allowed & type))
        return refuse_type(scan, type, offset);
    if (type != JSON_NULL)
        note(scan, type, is_true);
    scan->use = want->use;
    if (scan->want == WANT_PART_TEXT && scan->is_part_other)
        scan->use = JSON_USE_NONE;
    return true;
}

void json_extract_open(struct json_scan *scan)
{
    CHECK(scan->depth < LIMIT_JSON_DEPTH);
    uint8_t place = scan->depth == 0 ? (uint8_t)PLACE_TOP : want_of(scan)->opens;
    scan->place[scan->depth] = place;
    scan->seen[place] = 0;
    if (place == PLACE_MESSAGE) {
        scan->found.message_count++;
        scan->is_role_told = false;
    }
    if (place == PLACE_PART)
        scan->is_part_other = false;
}

void json_extract_key_begin(struct json_scan *scan)
{
    CHECK(scan->depth > 0);
    scan->is_key = true;
    scan->use = scan->place[scan->depth - 1] == PLACE_NOWHERE ? JSON_USE_NONE : JSON_USE_CAPTURE;
}

/* Some parsers (Go's) take it for the same key: it would count there and not here. */
static bool is_other_case(const struct want *want, const char *key)
{
    return span_is_equal_nocase(span_from(want->key, want->key_size),
                                span_from(key, want->key_size));
}

bool json_extract_key(struct json_scan *scan)
{
    uint8_t place = scan->place[scan->depth - 1];
    scan->is_key = false;
    scan->want = WANT_SKIP;
    if (place == PLACE_NOWHERE)
        return true;
    for (unsigned i = 0; i < WANT_COUNT; i++) {
        const struct want *want = &wants[i];
        if (want->place != place || want->key_size != scan->capture_size ||
            (want->key[0] | 0x20) != (scan->capture[0] | 0x20))
            continue;
        bool is_same = memcmp(want->key, scan->capture, want->key_size) == 0;
        if (!is_same && !is_other_case(want, scan->capture))
            continue;
        scan->want = (uint8_t)i;
        if (!is_same)
            return refuse_with(scan, "is written in small letters.");
        if (scan->seen[place] >> i & 1)
            return refuse_with(scan, "is given twice.");
        scan->seen[place] |= UINT32_C(1) << i;
        return true;
    }
    return true;
}

bool json_extract_string(struct json_scan *scan)
{
    struct json_scan_found *found = &scan->found;
    if (scan->use != JSON_USE_CAPTURE)
        return true;
    struct span s = {scan->capture, scan->capture_size};
    bool is_long = s.n > sizeof scan->capture;
    if (scan->want == WANT_PART_TYPE) {
        scan->is_part_other = is_long || !(span_is(s, "text") || span_is(s, "input_text"));
        return true;
    }
    if (is_long)
        return refuse_with(scan, "is longer than 128 bytes.");
    switch (scan->want) {
    case WANT_MODEL:
        found->has_model = true;
        found->model_offset = scan->token_offset;
        found->model_size = (uint8_t)s.n;
        memcpy(found->model, s.p, s.n);
        break;
    case WANT_USER:
        found->has_user = true;
        found->user_size = (uint8_t)s.n;
        memcpy(found->user, s.p, s.n);
        break;
    default:
        tell_message_role(scan, s);
        break;
    }
    return true;
}

static void take_token(struct json_scan *scan)
{
    uint32_t token = (uint32_t)scan->number;
    char bytes[4] = {(char)token, (char)(token >> 8), (char)(token >> 16), (char)(token >> 24)};
    scan->found.token_count++;
    if (scan->sink.on_text)
        scan->sink.on_text(scan->sink.user, bytes, sizeof bytes);
}

bool json_extract_number(struct json_scan *scan, bool is_whole)
{
    struct json_scan_found *found = &scan->found;
    if (scan->want == WANT_SKIP || scan->want == WANT_DATUM)
        return true;
    if (!is_whole || scan->number > UINT32_MAX)
        return refuse_with(scan, "must be a whole number from 0 to 4294967295.");
    uint32_t number = (uint32_t)scan->number;
    switch (scan->want) {
    case WANT_MAX_TOKENS:
    case WANT_MAX_COMPLETION_TOKENS:
        if (!found->has_max_tokens || number < found->max_tokens)
            found->max_tokens = number;
        found->has_max_tokens = true;
        break;
    case WANT_N:
        found->has_n = true;
        found->n = number;
        break;
    default:
        take_token(scan);
        break;
    }
    return true;
}
