/* json_find.h: the search under JSON strings, by vector code. Inside http only. */
#ifndef HTTP_JSON_FIND_H
#define HTTP_JSON_FIND_H

#include <stdbool.h>

/* Both read nothing outside [p, end). A special byte is a quote, a backslash or a control (below
 * 0x20).
 *
 * find: the first byte that is special or above 0x7f; <end> when there is none.
 *
 * pass: <p> begins a character. Passes over text that is surely UTF-8, special bytes excepted, and
 * answers where it stopped, again at the beginning of a character: at a special byte, near <end>,
 * or before something wrong. It may stop early, even at once: the caller goes on byte by byte. */
struct json_finder {
    const char *name;
    bool (*is_available)(void);
    const char *(*find)(const char *p, const char *end);
    const char *(*pass)(const char *p, const char *end);
};

/* The best of this machine, or what json_scan_use() has set. */
const struct json_finder *json_finder_get(void);
bool json_finder_set(const char *name);

bool json_find_always(void);
const char *json_find_scalar(const char *p, const char *end);
const char *json_pass_nothing(const char *p, const char *end);

/* The last beginning of a character at or before <p>, when [start, p) is UTF-8 but for a character
 * that may be unfinished at <p>. */
const char *json_find_boundary(const char *start, const char *p);

#if defined(__x86_64__)
bool json_find_has_avx2(void);
bool json_find_has_avx512(void);
const char *json_find_sse2(const char *p, const char *end);
const char *json_find_avx2(const char *p, const char *end);
const char *json_find_avx512(const char *p, const char *end);
const char *json_pass_avx2(const char *p, const char *end);
#elif defined(__aarch64__)
const char *json_find_neon(const char *p, const char *end);
const char *json_pass_neon(const char *p, const char *end);
#endif

#endif
