/* json_scan.h: a request body validated while it arrives, and the few values in it that routing
 * needs. Pure.
 *
 *   json_scan.c     structure: which token may follow which
 *   json_string.c   strings: escapes, UTF-8, runs of text
 *   json_number.c   numbers and the three literals
 *   json_extract.c  what a value means by where it stands: the table of extracted keys
 *   json_find.c     the vector code under the strings
 *
 * RFC 8259 and UTF-8, whole, in pieces cut anywhere; no recursion (a bit stack, LIMIT_JSON_DEPTH
 * levels), no tree, no allocation. The body is one object; a byte order mark and lone surrogates
 * are refused. Strings are scanned by vector code chosen at run time (AVX-512, AVX2, SSE2, NEON)
 * with a scalar twin of equal results. A second occurrence of an extracted key at its level is
 * refused (parsers differ on which one counts).
 *
 * Extracted at the top level: model (string), stream (bool), max_tokens / max_completion_tokens
 * (whole number; the smaller when both), user (string), n (whole number),
 * stream_options.include_usage (bool); wrong types are refused, null is as absent.
 *
 * Prompt text goes to the sink in order, decoded:
 *   messages[].role, messages[].content as string or as parts {"type":"text","text":...};
 *   prompt, input as string, array of strings, array of token ids or array of those;
 *   inputs[].data strings of Open Inference Protocol bodies.
 * A token id goes to the sink as four bytes, lowest first. Numbers elsewhere are only validated.
 *
 * Keys come in any order, so: on_role is called once a message, at its role or, when content comes
 * first, before the content with an empty span (a role after it is not told). A part's text that
 * comes before its type is given; behind a type other than text or input_text it is passed over. */
#ifndef HTTP_JSON_SCAN_H
#define HTTP_JSON_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/span.h"

enum { JSON_SCAN_STRING_MAX = 128 }; /* of an extracted string, decoded; longer is refused */

/* Called with pieces of decoded prompt text (a piece may end inside a character), and at each
 * message's role. Either may be NULL. */
struct json_scan_sink {
    void *user;
    /* "user", "assistant" ...; "prompt" before each text of prompt, input and data. */
    void (*on_role)(void *user, struct span role);
    void (*on_text)(void *user, const char *text, size_t n);
};

struct json_finder;

struct json_scan_found {
    char model[JSON_SCAN_STRING_MAX]; /* no NUL behind it */
    char user[JSON_SCAN_STRING_MAX];
    uint8_t model_size, user_size;
    uint64_t model_offset; /* of the value's first quote in the body */
    bool has_model, has_user, has_stream, has_max_tokens, has_n, has_messages, has_prompt,
        has_input, has_inputs;
    bool stream, include_usage;
    uint32_t max_tokens, n;
    uint32_t message_count;
    uint32_t token_count; /* ids in prompt and input */
};

enum {
    JSON_SCAN_PLACES = 14
}; /* json_extract.c: kinds of objects and arrays that are looked into */

/* State between pieces; about 1 KiB. It points into itself after a refusal: not to be copied. */
struct json_scan {
    struct json_scan_found found;
    struct json_scan_sink sink;
    uint64_t offset;    /* bytes taken in all */
    const char *reason; /* after a refusal: a sentence */
    const char *param;  /* the key it is about, or NULL */

    /* structure */
    uint8_t state;         /* enum json_state: which token may come */
    uint8_t token;         /* enum json_token: inside which one we are */
    uint8_t depth;         /* open objects and arrays */
    uint64_t objects;      /* bit i: level i + 1 is an object */
    const char *piece;     /* the bytes being added; NULL between calls */
    uint64_t piece_offset; /* of its first byte */
    uint64_t token_offset; /* of the current string, number or literal */

    /* strings */
    const struct json_finder *finder; /* json_find.h */
    uint8_t use;                      /* enum json_use: where its text goes */
    bool is_key;
    uint8_t utf8_left, utf8_low, utf8_high; /* bytes to come of a character; bounds of the next */
    uint8_t hex_left;                       /* digits to come of \uXXXX */
    uint16_t hex;
    uint16_t high_surrogate; /* whose second half must follow; 0: none */
    char capture[JSON_SCAN_STRING_MAX];
    uint16_t capture_size; /* may exceed the buffer: too long */

    /* numbers, literals */
    uint8_t number_state;
    bool is_negative;
    uint64_t number;     /* integer part, stops growing above UINT32_MAX */
    const char *literal; /* what is left of it */

    /* extraction */
    uint8_t want;                     /* enum json_want: what the next value of an object is */
    uint8_t place[LIMIT_JSON_DEPTH];  /* enum json_place of each open level */
    uint32_t seen[JSON_SCAN_PLACES];  /* bit i: key of want i was met in the open object */
    bool is_role_told, is_part_other; /* of the open message; of the open part */
    bool are_tokens_begun;            /* of an array of token ids */
    char sentence[128];               /* what <reason> points to */
};

/* <sink> may be NULL. */
void json_scan_init(struct json_scan *scan, const struct json_scan_sink *sink);

/* ERR_OK: fine so far. ERR_SYNTAX: refused: scan->reason, scan->param, scan->offset (of the
 * offending byte or of the value's first). However the bytes are cut, the answer is the same. */
MUST_USE enum err json_scan_add(struct json_scan *scan, struct span bytes);

/* The body is over: ERR_OK only if one whole value, an object, was read. */
MUST_USE enum err json_scan_end(struct json_scan *scan);

/* For benchmarks and twins' tests: "scalar", "sse2", "avx2", "avx512", "neon"; false when this
 * machine lacks it. Counts for scans initialised later, in the whole process. */
bool json_scan_use(const char *implementation);
const char *json_scan_implementation(void);

#endif
