/* json_scan.h: a request body validated while it arrives, and the few values in it that routing
 * needs. Pure.
 *
 * RFC 8259 and UTF-8, whole, in pieces cut anywhere; no recursion (a bit stack, LIMIT_JSON_DEPTH
 * levels), no tree, no allocation. Strings are scanned by vector code chosen at run time (AVX-512,
 * AVX2, SSE2, NEON) with a scalar twin of equal results. A second occurrence of an extracted key at
 * its level is refused (parsers differ on which one counts).
 *
 * Extracted at the top level: model (string), stream (bool), max_tokens / max_completion_tokens
 * (integer; the smaller when both), user (string), n (integer), stream_options.include_usage
 * (bool); wrong types are refused, null is as absent. Prompt text goes to the sink in order,
 * decoded: messages[].role, messages[].content as string or as parts with
 * {"type":"text","text":...}; prompt as string or array of strings; input as string or array of
 * strings; for Open Inference Protocol bodies: inputs[].data strings. Numbers elsewhere are only
 * validated. */
#ifndef HTTP_JSON_SCAN_H
#define HTTP_JSON_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/span.h"

enum { JSON_SCAN_STRING_MAX = 128 }; /* of an extracted string, decoded; longer is refused */

/* Called with pieces of decoded prompt text, and at each message's role. */
struct json_scan_sink {
    void *user;
    void (*on_role)(
        void *user,
        struct span role); /* "user", "assistant" ... ; "prompt" before prompt/input texts */
    void (*on_text)(void *user, const char *text, size_t n);
};

struct json_scan_found {
    char model[JSON_SCAN_STRING_MAX];
    char user[JSON_SCAN_STRING_MAX];
    uint8_t model_size, user_size;
    bool has_model, has_user, has_stream, has_max_tokens, has_n, has_messages, has_prompt,
        has_input, has_inputs;
    bool stream, include_usage;
    uint32_t max_tokens, n;
    uint32_t message_count;
};

/* State between pieces; about 1 KiB. Its fields are the scanner's own. */
struct json_scan {
    struct json_scan_found found;
    struct json_scan_sink sink;
    uint64_t offset;    /* bytes taken in all */
    const char *reason; /* after a refusal: a sentence */
    const char *param;  /* the key it is about, or NULL */
    uint64_t state_words[96];
};

/* <sink> may be NULL. */
void json_scan_init(struct json_scan *scan, const struct json_scan_sink *sink);

/* ERR_OK: fine so far. ERR_SYNTAX: refused: scan->reason, scan->param, scan->offset (of the
 * offending byte). */
MUST_USE enum err json_scan_add(struct json_scan *scan, struct span bytes);

/* The body is over: ERR_OK only if one whole value, an object, was read. */
MUST_USE enum err json_scan_end(struct json_scan *scan);

/* For benchmarks and twins' tests: "scalar", "sse2", "avx2", "avx512", "neon"; false when this
 * machine lacks it. */
bool json_scan_use(const char *implementation);
const char *json_scan_implementation(void);

#endif
