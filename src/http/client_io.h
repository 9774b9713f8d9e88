/* client_io.h: HTTP/1.1 requests to servers, over kept connections, on one loop.
 *
 *   http_call() -> on_head -> on_body* -> on_end          or, once, at any point: on_error
 *
 * An origin is one server: its address, its name, TLS or not. Idle connections are kept per origin
 * (LIMIT_UPSTREAM_IDLE, newest first) and watched: one that the server closes is dropped at once. A
 * call whose kept connection broke before any byte of the answer is tried once more on a fresh
 * connection, if its body was given whole; that is not a failure of the server and on_error is not
 * called for it.
 *
 * 1xx answers are skipped. on_body gives the decoded pieces as the server cut them: each chunk (or
 * part of one that came alone) once, never merged across reads. Handlers may cancel the call or
 * start others. */
#ifndef HTTP_CLIENT_IO_H
#define HTTP_CLIENT_IO_H

#include "base/arena.h"
#include "http/parser.h"
#include "net/conn.h"
#include "net/resolve.h"

struct http_client;
struct http_origin;
struct http_call;
struct http_exchange;

/* How far a failed call had come: decides whether a retry is allowed. */
enum http_phase { HTTP_PHASE_CONNECT, HTTP_PHASE_SENT, HTTP_PHASE_ANSWER };

struct http_call_handler {
    void (*on_head)(struct http_call *call,
                    const struct http_head *head); /* <head> is valid until the call is over */
    void (*on_body)(struct http_call *call, struct span piece);
    void (*on_end)(struct http_call *call);
    void (*on_error)(struct http_call *call, enum err err, enum http_phase phase);
    void (*on_writable)(struct http_call *call); /* streamed body: more may be sent */
};

struct http_request {
    struct span head; /* request line and headers without Content-Length, Transfer-Encoding, Host,
                         Connection and without the blank line: "POST /x HTTP/1.1\r\na: b\r\n";
                         copied before http_call returns */
    struct span body; /* whole: must stay until on_head or the end of the call, whichever is first;
                         or the first part of a streamed one: until the end */
    int64_t body_length; /* = body.n; or longer / HTTP_LENGTH_CHUNKED: the rest comes by
                            http_call_send */
    bool is_head_method;
    int64_t connect_timeout_us;    /* relative; 0: 5 s */
    int64_t first_byte_timeout_us; /* relative, from http_call; 0: none */
    int64_t stall_timeout_us;      /* between two reads of the answer, < 2^32; 0: none */
    const struct http_call_handler *handler;
    void *user;
};

MUST_USE enum err http_client_new(struct net_loop *loop, struct http_client **ret_client);
/* Ends every call by on_error(ERR_CLOSED) and frees the origins that are left. Not from a handler.
 */
void http_client_free(struct http_client *client);

/* <url>: "http://host:port/base" or https. The base path is the caller's business (see
 * http_origin_base). Literals are ready at once; names resolve in the background and calls wait for
 * it. */
MUST_USE enum err http_origin_new(struct http_client *client, struct span url,
                                  struct net_tls_client *tls, struct net_resolver *resolver,
                                  struct http_origin **ret_origin, struct text *why);
struct span http_origin_base(const struct http_origin *origin);
struct span http_origin_host(const struct http_origin *origin); /* as in the Host header */
void http_origin_free(
    struct http_origin *origin); /* no call may be open; idle connections are closed */

/* NULL: refused for lack of memory or descriptors (nothing was sent, no handler is called).
 * Handlers are never called from inside http_call(). */
struct http_call *http_call(struct http_origin *origin, const struct http_request *request);
/* In on_error: why the server's certificate was not taken; NULL: that was not it. */
const char *http_call_refusal(const struct http_call *call);
void *http_call_user(const struct http_call *call);
/* The answer goes on to <exchange>: what a piece of it touches there, and <user>, comes into the
 * processor's cache while the piece is read from the socket. A hint, nothing more. */
void http_call_relays(struct http_call *call, const struct http_exchange *exchange);
void http_call_set_user(struct http_call *call, void *user);
/* The answer, once begun, fails with TIMEOUT when it is not whole at <due_us>. */
void http_call_end_by(struct http_call *call, int64_t due_us);
void http_call_cancel(
    struct http_call *call); /* closes the connection; no handler is called any more */
/* In on_head: does a piece of the body (or the end of an empty one) follow at once from the bytes
 * at hand? Then a relay may wait for it and send both in one system call. */
bool http_call_has_body_ready(const struct http_call *call);
void http_call_pause(struct http_call *call); /* stop reading the answer: backpressure */
void http_call_resume(struct http_call *call);
size_t http_call_send(struct http_call *call,
                      struct span piece); /* bytes taken; the rest after on_writable */
void http_call_send_end(struct http_call *call);

/* One blocking request for command-line verbs: its own small loop inside. The answer's body goes to
 * <arena>. <ca_file>: as of net_tls_client_new(). */
MUST_USE enum err http_fetch(struct span url, const char *ca_file, struct span head,
                             struct span body, int64_t timeout_us, struct arena *arena,
                             unsigned *ret_status, struct span *ret_body, struct text *why);

#endif
