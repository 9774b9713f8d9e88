/* tokens.h: which bytes may stand where in HTTP (RFC 9110 5.6.2, RFC 3986 2), and the search among
 * the known header names. Inside http only. */
#ifndef HTTP_TOKENS_H
#define HTTP_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

enum {
    HTTP_BYTE_TOKEN = 1,  /* of methods and field names */
    HTTP_BYTE_TARGET = 2, /* of a request target; with "[" and "]", which queries do carry */
    HTTP_BYTE_HOST = 4    /* of host and port; without "," which would join two */
};

/* Allowed before a request line (RFC 9112 2.2). */
enum { HTTP_EMPTY_LINES_MAX = 2 };

extern const uint8_t http_byte_kinds[256];

static inline bool http_is_token(uint8_t c)
{
    return http_byte_kinds[c] & HTTP_BYTE_TOKEN;
}

/* enum http_header_name of a token, HTTP_HEADER_UNKNOWN when nobody asks for it. */
uint8_t http_header_find(struct span name);

#endif
