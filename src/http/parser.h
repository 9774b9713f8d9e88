/* parser.h: HTTP/1.1 messages, strictly (RFC 9110, 9112): refuse, never guess. Pure.
 *
 *   head.c     where a head ends, which header names are known, which end at this hop
 *   parser.c   a whole head -> struct http_head
 *   chunked.c  chunked coding, piece by piece
 *   status.c   the words behind status codes
 *
 * A head is parsed once it is whole: http_head_find() looks for its end without looking twice at a
 * byte, then http_parse_request() or http_parse_response() fills a struct of spans into the buffer.
 * Refused: bare LF or CR, obs-fold, white space before a colon, bad names and values, two
 * Content-Length, Content-Length with Transfer-Encoding, any coding but chunked, HTTP/1.1 without
 * exactly one Host, targets that are not origin-form, absolute-form (http, https) or "*" (of
 * OPTIONS), versions other than 1.0 and 1.1, Transfer-Encoding with 1.0, expectations but
 * 100-continue. A refusal carries the status to answer with and a sentence. */
#ifndef HTTP_PARSER_H
#define HTTP_PARSER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/span.h"

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_PATCH,
    HTTP_OTHER
};

/* Headers that somebody asks for by name: found while parsing, no search later. The first of a name
 * counts, except where a second one is refused. */
#define HTTP_HEADER_TABLE(X)                                                                       \
    X(HOST, "host")                                                                                \
    X(CONTENT_LENGTH, "content-length")                                                            \
    X(TRANSFER_ENCODING, "transfer-encoding")                                                      \
    X(CONNECTION, "connection")                                                                    \
    X(CONTENT_TYPE, "content-type")                                                                \
    X(CONTENT_ENCODING, "content-encoding")                                                        \
    X(EXPECT, "expect")                                                                            \
    X(AUTHORIZATION, "authorization")                                                              \
    X(API_KEY, "x-api-key")                                                                        \
    X(REQUEST_ID, "x-request-id")                                                                  \
    X(RETRY_AFTER, "retry-after")                                                                  \
    X(UPGRADE, "upgrade")                                                                          \
    X(TE, "te")                                                                                    \
    X(TRAILER, "trailer")                                                                          \
    X(KEEP_ALIVE, "keep-alive")                                                                    \
    X(PROXY_CONNECTION, "proxy-connection")                                                        \
    X(PROXY_AUTHORIZATION, "proxy-authorization")                                                  \
    X(FARSPAN_HOP, "x-farspan-hop")                                                                \
    X(FARSPAN_ROUTE, "x-farspan-route")                                                            \
    X(FARSPAN_TENANT, "x-farspan-tenant")                                                          \
    X(FARSPAN_ZONES, "x-farspan-zones")                                                            \
    X(FARSPAN_DEADLINE, "x-farspan-deadline-ms")                                                   \
    X(FARSPAN_SESSION, "x-farspan-session")                                                        \
    X(FARSPAN_EPOCH, "x-farspan-epoch")

enum http_header_name {
#define X(name, text) HTTP_HEADER_##name,
    HTTP_HEADER_TABLE(X)
#undef X
        HTTP_HEADER_COUNT,
    HTTP_HEADER_UNKNOWN = 255
};

struct http_header {
    struct span name, value; /* value without white space around it */
    uint8_t known;           /* enum http_header_name */
};

enum { HTTP_LENGTH_UNTIL_CLOSE = -1, HTTP_LENGTH_CHUNKED = -2 };

struct http_head {
    enum http_method method;         /* request */
    struct span method_text, target; /* request */
    struct span path;      /* part of target; "/" where an absolute-form has none, "*" as it is */
    struct span query;     /* part of target, behind the first "?"; p == NULL when there is none */
    uint16_t status;       /* response */
    uint8_t minor_version; /* 0 or 1 */
    bool keep_alive;       /* by version and Connection */
    bool expects_continue;
    int64_t body_length; /* >= 0, or one of the above; request without either: 0 */
    uint16_t header_count;
    uint8_t known_index[HTTP_HEADER_COUNT]; /* index + 1 of the first of that name; 0: none */
    struct http_header headers[LIMIT_HTTP_HEADERS];
};

struct http_refusal {
    uint16_t status;    /* 400, 414, 417, 431, 501, 505; 502 for a server's answer */
    const char *reason; /* a sentence */
};

/* Looks for the blank line that ends a head in <bytes>, of which the first *scanned bytes were
 * looked at before (0 at first; updated). ERR_OK: *ret_size is the size of the head. ERR_AGAIN: not
 * there yet. ERR_FULL: longer than LIMIT_HTTP_HEAD (or the first line longer than LIMIT_HTTP_LINE).
 * ERR_SYNTAX: a bare LF or CR stands in it already. Empty lines before a request line are skipped
 * (at most 2: RFC 9112 2.2), counted in the size. */
MUST_USE enum err http_head_find(struct span bytes, size_t *scanned, size_t *ret_size);

/* Status and sentence for a refusal by http_head_find() (ERR_FULL or ERR_SYNTAX) of a request. */
struct http_refusal http_head_refusal(enum err err, struct span bytes);

/* <head>: exactly the bytes that http_head_find() has measured; the spans point into it. ERR_OK, or
 * ERR_SYNTAX: *ret_refusal says why (written only then; *ret_head is then undefined: it is filled
 * in place). */
MUST_USE enum err http_parse_request(struct span head, struct http_head *ret_head,
                                     struct http_refusal *ret_refusal);

/* <to_head_request>: the answer has no body whatever it says; so have 1xx, 204, 304. */
MUST_USE enum err http_parse_response(struct span head, bool to_head_request,
                                      struct http_head *ret_head, struct http_refusal *ret_refusal);

static inline struct span http_header_of(const struct http_head *head, enum http_header_name name)
{
    unsigned i = head->known_index[name];
    return i ? head->headers[i - 1].value : (struct span){0, 0};
}

static inline bool http_has_header(const struct http_head *head, enum http_header_name name)
{
    return head->known_index[name] != 0;
}

/* Is header <i> one that ends at this hop (RFC 9110 7.6.1: Connection and what it names,
 * Keep-Alive, TE, Trailer, Transfer-Encoding, Upgrade, Proxy-*)? */
bool http_header_is_hop_by_hop(const struct http_head *head, unsigned i);

/* "OK", "Not Found" ...; the class's word for a code without an own one. Never NULL. */
const char *http_status_text(unsigned status);

/* Chunked coding, resumable at every byte (RFC 9112 7.1). */
struct http_chunked {
    uint8_t state;       /* chunked.c's enum state */
    uint8_t digits;      /* of the chunk size so far, leading zeros too */
    uint16_t line_bytes; /* of the extension or the trailers so far */
    uint64_t left;       /* of the current chunk's data */
};

void http_chunked_init(struct http_chunked *chunked);

/* Takes from <bytes> up to one run of data: ERR_OK: *ret_used bytes were consumed, *ret_data is the
 * (perhaps empty) data among them; *ret_chunk_ended: the data ends a chunk as the sender cut it.
 * Call it until <bytes> are used up. ERR_CLOSED: the last chunk and trailers are over, *ret_used
 * consumed, no data; what follows is the next message. ERR_SYNTAX: malformed (bad size, extension
 * above 1 KiB, bare LF, trailers above 4 KiB), nothing is written. Extensions and trailers are read
 * and dropped. */
MUST_USE enum err http_chunked_next(struct http_chunked *chunked, struct span bytes,
                                    size_t *ret_used, struct span *ret_data, bool *ret_chunk_ended);

#endif
