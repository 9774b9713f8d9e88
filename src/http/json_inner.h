/* json_inner.h: what the files of json_scan.h share among themselves. Inside http only.
 *
 * Functions that may refuse answer false or NULL then, after json_refuse() has set the reason. */
#ifndef HTTP_JSON_INNER_H
#define HTTP_JSON_INNER_H

#include "http/json_scan.h"

/* Inside which token the next byte stands. */
enum json_token {
    JSON_TOKEN_NONE, /* between tokens */
    JSON_TOKEN_STRING,
    JSON_TOKEN_ESCAPE, /* behind a backslash */
    JSON_TOKEN_HEX,
    JSON_TOKEN_PAIR_BACKSLASH, /* the backslash of the second half of a surrogate pair */
    JSON_TOKEN_PAIR_U,
    JSON_TOKEN_UTF8, /* inside a character of several bytes */
    JSON_TOKEN_NUMBER,
    JSON_TOKEN_LITERAL
};

/* Bits, for sets. */
enum json_type {
    JSON_OBJECT = 1,
    JSON_ARRAY = 2,
    JSON_STRING = 4,
    JSON_NUMBER = 8,
    JSON_BOOL = 16,
    JSON_NULL = 32,
    JSON_ANY = 63
};

/* Where the text of a string goes. */
enum json_use { JSON_USE_NONE, JSON_USE_CAPTURE, JSON_USE_SINK };

static inline uint64_t json_offset(const struct json_scan *scan, const char *p)
{
    return scan->piece_offset + (uint64_t)(p - scan->piece);
}

/* Ends the scan: <reason> is a constant, or scan->sentence. */
bool json_refuse(struct json_scan *scan, uint64_t offset, const char *reason);

/* Take bytes of the token that scan->token names, from p < end on; the first byte not taken, or
 * NULL when refused. */
const char *json_string_take(struct json_scan *scan, const char *p, const char *end);
const char *json_number_take(struct json_scan *scan, const char *p, const char *end);
const char *json_literal_take(struct json_scan *scan, const char *p, const char *end);

/* A string, number or literal begins at <p>; the next call takes its first byte. */
void json_string_begin(struct json_scan *scan, const char *p);
void json_number_begin(struct json_scan *scan, const char *p);
void json_literal_begin(struct json_scan *scan, const char *p);

/* Extraction: a value begins (its type is known), a key or a scalar is whole, a level opens or
 * closes. scan->depth is that of the level in which the value stands. */
bool json_extract_begin(struct json_scan *scan, enum json_type type, bool is_true, uint64_t offset);
void json_extract_open(struct json_scan *scan);
void json_extract_key_begin(struct json_scan *scan);
bool json_extract_key(struct json_scan *scan);
bool json_extract_string(struct json_scan *scan);
bool json_extract_number(struct json_scan *scan, bool is_whole);

#endif
