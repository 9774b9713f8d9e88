/* json_utf8.h: UTF-8 judged by table look-ups, many bytes at once. Inside http only.
 *
 * A pair of neighbouring bytes is looked up by three of its nibbles: the high and the low one of
 * the first byte, the high one of the second. A bit that all three agree on is an error of that
 * name. Two continuations in a row are none where a character of three or four bytes asks for them:
 * where the byte two before is at least e0 or the byte three before at least f0.
 *
 * Source: J. Keiser, D. Lemire, "Validating UTF-8 in less than one instruction per byte" (2021). */
#ifndef HTTP_JSON_UTF8_H
#define HTTP_JSON_UTF8_H

#include <stdint.h>

enum { JSON_UTF8_TWO_CONTINUATIONS = 1 << 7 };

extern const uint8_t json_utf8_first_high[16];
extern const uint8_t json_utf8_first_low[16];
extern const uint8_t json_utf8_second_high[16];

#endif
