/* text.h: text put together in a bounded buffer, and JSON written in order.
 *
 * A text is always NUL-terminated within its buffer; what does not fit is dropped and <is_cut> set.
 * Formatting is by fixed rules (no locale). Pure code formats through this file and never through
 * stdio.
 *
 * The JSON writer keeps commas and colons right by itself, and CHECKs that objects and arrays are
 * closed in order (depth at most TEXT_JSON_DEPTH):
 *
 *     text_json_object(t);
 *     text_json_key(t, "cost_usd_h");
 *     text_json_micro(t, 1200000);
 *     text_json_end(t);
 *
 * writes {"cost_usd_h":1.2}. (The prefix keeps clear of jansson's json_object() and its like.) */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

enum { TEXT_JSON_DEPTH = 32 };

struct text {
    char *p;
    size_t n;    /* bytes in use, the NUL not counted */
    size_t size; /* of the buffer, at least 1 */
    bool is_cut;
    uint8_t depth;                  /* JSON: open objects and arrays */
    bool has_item[TEXT_JSON_DEPTH]; /* JSON: a comma is due before the next item */
    char closer[TEXT_JSON_DEPTH];   /* JSON: '}' or ']' */
    bool after_key;                 /* JSON: a value is due */
};

void text_init(struct text *text, char *buffer, size_t size);
struct span text_span(const struct text *text);

/* Back to <n> bytes (at most what is in use); is_cut is cleared. JSON state is reset when n is 0.
 */
void text_truncate(struct text *text, size_t n);

void text_add_span(struct text *text, struct span s);
void text_add_c(struct text *text, char c);

/* printf's %d %u %ld %lu %lld %llu %zu %s %.*s %c %x %016llx %f %.Nf %g %% and widths, nothing
 * else. */
__attribute__((format(printf, 2, 3))) void text_add(struct text *text, const char *format, ...);
void text_add_v(struct text *text, const char *format, va_list args);

void text_add_u64(struct text *text, uint64_t value);
void text_add_i64(struct text *text, int64_t value);

/* <value> millionths as a decimal without trailing zeros: 1200000 -> 1.2 */
void text_add_micro(struct text *text, int64_t value);

/* For people: 1.2 ms, 340 us, 2.5 s; 4.1 MiB; 12.3 k. */
void text_add_duration_us(struct text *text, int64_t us);
void text_add_bytes(struct text *text, uint64_t bytes);

/* <s> with JSON's escapes, without the quotes; bytes that are not UTF-8 become U+FFFD. */
void text_add_json_escaped(struct text *text, struct span s);

void text_json_object(struct text *text);
void text_json_array(struct text *text);
void text_json_end(struct text *text);
void text_json_key(struct text *text, const char *key);
void text_json_span(struct text *text, struct span s);
void text_json_str(struct text *text, const char *c_string); /* NULL is null */
void text_json_u64(struct text *text, uint64_t value);
void text_json_i64(struct text *text, int64_t value);
void text_json_micro(struct text *text, int64_t value);
/* Nine significant digits, without trailing zeros; null when not finite. */
void text_json_double(struct text *text, double value);
void text_json_bool(struct text *text, bool value);
void text_json_null(struct text *text);
void text_json_raw(struct text *text, struct span json); /* one value that is JSON already */

#endif
