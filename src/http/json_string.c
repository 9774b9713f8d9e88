#include "http/json_find.h"
#include "http/json_inner.h"

/* Decoded bytes on their way to the sink: escapes and the short runs of text between them, given
 * out together. */
struct decoded {
    size_t n;
    char bytes[512];
};

enum {
    ESCAPE_BYTES_MAX = 4, /* one escape, decoded */
    COPIED_MAX = 128      /* a longer run of text is given out where it stands */
};

static const char escapes[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                  ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};

static const char *refuse(struct json_scan *scan, const char *p, const char *reason)
{
    json_refuse(scan, json_offset(scan, p), reason);
    return NULL;
}

static void emit(struct json_scan *scan, const char *p, size_t n)
{
    if (n == 0 || scan->use == JSON_USE_NONE)
        return;
    if (scan->use == JSON_USE_SINK) {
        if (scan->sink.on_text)
            scan->sink.on_text(scan->sink.user, p, n);
        return;
    }
    if (scan->capture_size + n > sizeof scan->capture) {
        scan->capture_size = sizeof scan->capture + 1;
        return;
    }
    memcpy(scan->capture + scan->capture_size, p, n);
    scan->capture_size = (uint16_t)(scan->capture_size + n);
}

static void flush(struct json_scan *scan, struct decoded *decoded)
{
    emit(scan, decoded->bytes, decoded->n);
    decoded->n = 0;
}

/* Text without escapes; afterwards there is room for one. */
static void emit_run(struct json_scan *scan, struct decoded *decoded, const char *p, size_t n)
{
    if (decoded->n + n + ESCAPE_BYTES_MAX > sizeof decoded->bytes)
        flush(scan, decoded);
    if (n > COPIED_MAX || scan->use != JSON_USE_SINK) {
        flush(scan, decoded);
        emit(scan, p, n);
    } else if (n) {
        memcpy(decoded->bytes + decoded->n, p, n);
        decoded->n += n;
    }
}

void json_string_begin(struct json_scan *scan, const char *p)
{
    scan->token = JSON_TOKEN_STRING;
    scan->token_offset = json_offset(scan, p);
    scan->capture_size = 0;
}

static bool end_string(struct json_scan *scan)
{
    scan->token = JSON_TOKEN_NONE;
    return scan->is_key ? json_extract_key(scan) : json_extract_string(scan);
}

/* The digit's value, or below 0. */
static int hex_digit(uint8_t c)
{
    static const int8_t values[256] = {
        ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
        ['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
        ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
        ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
    };
    return values[c] - 1;
}

/* RFC 3629 3. */
static size_t encode(uint32_t c, char *ret_bytes)
{
    if (c < 0x80) {
        ret_bytes[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        ret_bytes[0] = (char)(0xc0 | c >> 6);
        ret_bytes[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        ret_bytes[0] = (char)(0xe0 | c >> 12);
        ret_bytes[1] = (char)(0x80 | (c >> 6 & 0x3f));
        ret_bytes[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    ret_bytes[0] = (char)(0xf0 | c >> 18);
    ret_bytes[1] = (char)(0x80 | (c >> 12 & 0x3f));
    ret_bytes[2] = (char)(0x80 | (c >> 6 & 0x3f));
    ret_bytes[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* Four digits are read: a character, half of a pair, or nonsense. */
static bool end_hex(struct json_scan *scan, struct decoded *decoded)
{
    uint32_t c = scan->hex;
    bool is_low = (c & 0xfc00) == 0xdc00;
    scan->token = JSON_TOKEN_STRING;
    if ((c & 0xfc00) == 0xd800 && !scan->high_surrogate) {
        scan->high_surrogate = scan->hex;
        scan->token = JSON_TOKEN_PAIR_BACKSLASH;
        return true;
    }
    if (is_low != (scan->high_surrogate != 0))
        return false;
    if (is_low)
        c = 0x10000 + ((uint32_t)(scan->high_surrogate & 0x3ff) << 10 | (c & 0x3ff));
    scan->high_surrogate = 0;
    decoded->n += encode(c, decoded->bytes + decoded->n);
    return true;
}

static const char *take_hex(struct json_scan *scan, const char *p, struct decoded *decoded)
{
    int digit = hex_digit((uint8_t)*p);
    if (digit < 0)
        return refuse(scan, p, "A \\u escape is not followed by four hex digits.");
    scan->hex = (uint16_t)(scan->hex << 4 | digit);
    if (--scan->hex_left == 0 && !end_hex(scan, decoded))
        return refuse(scan, p, "A \\u escape is one half of a surrogate pair without the other.");
    return p + 1;
}

/* One byte of an escape. */
static const char *take_escape_byte(struct json_scan *scan, const char *p, struct decoded *decoded)
{
    switch (scan->token) {
    case JSON_TOKEN_ESCAPE:
        if (escapes[(uint8_t)*p]) {
            decoded->bytes[decoded->n++] = escapes[(uint8_t)*p];
            scan->token = JSON_TOKEN_STRING;
            return p + 1;
        }
        if (*p != 'u')
            return refuse(scan, p, "A backslash is followed by none of \" \\ / b f n r t u.");
        break;
    case JSON_TOKEN_PAIR_BACKSLASH:
        if (*p != '\\')
            return refuse(scan, p,
                          "A \\u escape is one half of a surrogate pair without the other.");
        scan->token = JSON_TOKEN_PAIR_U;
        return p + 1;
    case JSON_TOKEN_PAIR_U:
        if (*p != 'u')
            return refuse(scan, p,
                          "A \\u escape is one half of a surrogate pair without the other.");
        break;
    default:
        return take_hex(scan, p, decoded);
    }
    scan->token = JSON_TOKEN_HEX;
    scan->hex = 0;
    scan->hex_left = 4;
    return p + 1;
}

/* What is left of an escape that was begun. */
static const char *take_escape(struct json_scan *scan, const char *p, const char *end,
                               struct decoded *decoded)
{
    while (p && p < end && scan->token != JSON_TOKEN_STRING)
        p = take_escape_byte(scan, p, decoded);
    return p;
}

/* A whole escape of the usual kinds at <p>: its size, or 0: byte by byte then. */
static size_t take_whole_escape(const char *p, const char *end, struct decoded *decoded)
{
    if (end - p < 2)
        return 0;
    char simple = escapes[(uint8_t)p[1]];
    if (simple) {
        decoded->bytes[decoded->n++] = simple;
        return 2;
    }
    if (end - p < 6 || p[1] != 'u')
        return 0;
    int a = hex_digit((uint8_t)p[2]), b = hex_digit((uint8_t)p[3]);
    int c = hex_digit((uint8_t)p[4]), d = hex_digit((uint8_t)p[5]);
    if ((a | b | c | d) < 0)
        return 0;
    uint32_t character = (uint32_t)(a << 12 | b << 8 | c << 4 | d);
    if ((character & 0xf800) == 0xd800)
        return 0;
    decoded->n += encode(character, decoded->bytes + decoded->n);
    return 6;
}

/* Those that stand side by side from <p> on, as long as there is room; <p> when the first is not of
 * the usual kinds. */
static const char *take_whole_escapes(const char *p, const char *end, struct decoded *decoded)
{
    while (p < end && *p == '\\' && decoded->n + ESCAPE_BYTES_MAX <= sizeof decoded->bytes) {
        size_t n = take_whole_escape(p, end, decoded);
        if (n == 0)
            break;
        p += n;
    }
    return p;
}

/* The lead byte at <p> opens a character of several bytes (Unicode 15, table 3-7). */
static const char *begin_character(struct json_scan *scan, const char *p)
{
    uint8_t c = (uint8_t)*p;
    if (c < 0xc2 || c > 0xf4)
        return refuse(scan, p, "A string is not UTF-8: no character begins with this byte.");
    scan->token = JSON_TOKEN_UTF8;
    scan->utf8_left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    scan->utf8_low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    scan->utf8_high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    return p + 1;
}

static const char *take_character(struct json_scan *scan, const char *p, const char *end)
{
    for (; p < end && scan->utf8_left; p++, scan->utf8_left--) {
        if ((uint8_t)*p < scan->utf8_low || (uint8_t)*p > scan->utf8_high)
            return refuse(scan, p,
                          "A string is not UTF-8: a character is broken off, overlong, a "
                          "surrogate or above U+10FFFF.");
        scan->utf8_low = 0x80;
        scan->utf8_high = 0xbf;
    }
    if (scan->utf8_left == 0)
        scan->token = JSON_TOKEN_STRING;
    return p;
}

/* Size of the good character of 2 to 4 bytes in <word> (lowest byte first), 0 when it is none. */
static unsigned character_size(uint32_t word)
{
    if ((word & 0x00c0c0f0) == 0x008080e0) /* not overlong, no surrogate */
        return (word & 0x200f) != 0 && (word & 0x200f) != 0x200d ? 3 : 0;
    if ((word & 0xc0e0) == 0x80c0)
        return (word & 0x1e) != 0 ? 2 : 0;
    if ((word & 0xc0c0c0f8) == 0x808080f0) /* not overlong, at most U+10FFFF */
        return (word & 0x3007) != 0 && ((word & 7) < 4 || (word & 0x3007) == 4) ? 4 : 0;
    return 0;
}

static uint32_t load_word(const char *p)
{
    uint8_t b[4];
    memcpy(b, p, sizeof b);
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* Characters of several bytes side by side. Byte by byte only at the end of the piece and to find
 * what exactly is wrong. */
static const char *take_characters(struct json_scan *scan, const char *p, const char *end)
{
    p = scan->finder->pass(p, end);
    while (end - p >= 4) {
        unsigned n = character_size(load_word(p));
        if (n == 0)
            break;
        p += n;
    }
    if (p == end || (uint8_t)*p < 0x80)
        return p; /* plain again, or a special byte, which the caller looks at */
    p = begin_character(scan, p);
    return p ? take_character(scan, p, end) : NULL;
}

/* Text up to a quote, a backslash, <end>, or the inside of a character that <end> cuts. */
static const char *take_run(struct json_scan *scan, const char *p, const char *end)
{
    while (p && p < end && scan->token == JSON_TOKEN_STRING && *p != '"' && *p != '\\') {
        p = scan->finder->find(p, end);
        if (p == end || *p == '"' || *p == '\\')
            break;
        if ((uint8_t)*p < 0x20)
            return refuse(scan, p, "A control character in a string is not escaped.");
        p = take_characters(scan, p, end);
    }
    return p;
}

static const char *take_text(struct json_scan *scan, const char *p, const char *end,
                             struct decoded *decoded)
{
    while (p && p < end && scan->token == JSON_TOKEN_STRING) {
        const char *run = p;
        p = take_run(scan, p, end);
        if (!p)
            return NULL;
        emit_run(scan, decoded, run, (size_t)(p - run));
        if (p == end || scan->token != JSON_TOKEN_STRING)
            return p;
        if (*p == '"') {
            flush(scan, decoded);
            return end_string(scan) ? p + 1 : NULL;
        }
        const char *escape = p;
        p = take_whole_escapes(p, end, decoded);
        if (p == escape) {
            scan->token = JSON_TOKEN_ESCAPE;
            p = take_escape(scan, p + 1, end, decoded);
        }
    }
    return p;
}

const char *json_string_take(struct json_scan *scan, const char *p, const char *end)
{
    struct decoded decoded;
    decoded.n = 0;
    if (scan->token == JSON_TOKEN_UTF8) {
        const char *rest = p;
        p = take_character(scan, p, end);
        emit_run(scan, &decoded, rest, p ? (size_t)(p - rest) : 0);
    } else if (scan->token != JSON_TOKEN_STRING) {
        p = take_escape(scan, p, end, &decoded);
    }
    if (p)
        p = take_text(scan, p, end, &decoded);
    flush(scan, &decoded);
    return p;
}
