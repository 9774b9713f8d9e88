/* server_io.h: HTTP/1.1 connections from clients, on one loop. Used by gateway, worker, link
 * control alike.
 *
 *   on_head -> on_body* -> on_body_end -> [answer] -> on_gone
 *
 * The handler answers when it likes: in on_head (a refusal; the rest of the body is drained or the
 * connection closed), in on_body_end, or much later from another event. Order of pipelined requests
 * is kept by reading the next head only when the exchange before is over. A connection without a
 * request under way owns no buffer.
 *
 * The body, chosen in on_head by http_exchange_hold():
 *
 *   held      pieces are shown to on_body as they arrive and stay: http_exchange_body() is the
 *             whole, in one piece, until on_gone (it may move until on_body_end). Beyond <limit>
 *             bytes, or when the process has spent its budget of held bytes, it turns into
 *             streamed: on_overflow is called once with what was held so far (perhaps nothing),
 *             to be consumed there; what on_body shows from then on is not part of it.
 *   streamed  pieces are shown once and forgotten (the default); http_exchange_pause() stops
 *             reading.
 *
 * The answer: http_answer() writes a head and perhaps a whole body in one system call; or a head
 * with length unknown (HTTP_LENGTH_CHUNKED; to an HTTP/1.0 client: until close), then
 * http_answer_body() each piece as one chunk, then http_answer_end(). What the socket does not take
 * is kept (bounded); when more than LIMIT_STREAM_BACKLOG waits, http_answer_is_full() says so and
 * on_drained is called when it has gone down to a quarter. When all that waits in the process comes
 * near LIMIT_WAITING_BYTES, any byte that waits makes an answer full; beyond it the answer is cut.
 *
 * A client that closes or half-closes while its answer is due has left: on_gone(false) at once.
 * Handlers may call anything of any exchange from anywhere, except http_server_free().
 *
 * Time: head 10 s, body at least 1 KiB/s after a grace of 10 s, write stall 30 s, idle 75 s:
 * settable. A violation is answered 408 where the head is whole or begun, else closed. Malformed
 * heads get their status and a JSON body by <refuse>. Date is written by us; Server is not. */
#ifndef HTTP_SERVER_IO_H
#define HTTP_SERVER_IO_H

#include "http/parser.h"
#include "net/conn.h"

struct buffer;
struct http_server;
struct http_exchange;

struct http_handler {
    void (*on_head)(struct http_exchange *exchange);
    void (*on_body)(struct http_exchange *exchange, struct span piece);
    void (*on_overflow)(struct http_exchange *exchange, struct span so_far);
    void (*on_body_end)(struct http_exchange *exchange);
    void (*on_drained)(struct http_exchange *exchange);
    /* The exchange is over: <was_whole> the answer's last byte was given to the socket; false: the
     * client left, broke or was timed out. The last call for it, made exactly once for every
     * on_head. It comes from inside the http_answer_* call that gives the last byte, from
     * http_answer_abort and _break, or from the loop: a connection that breaks in an http_answer_*
     * call only makes this and later ones do nothing until then. */
    void (*on_gone)(struct http_exchange *exchange, bool was_whole);
    /* Body of an answer that the server gives on its own (malformed, 408, 431 ...): writes JSON
     * into <text>. May be NULL. */
    void (*refuse)(void *user, unsigned status, const char *reason, struct text *text);
};

struct http_server_rules {
    int64_t head_timeout_us, body_grace_us, write_timeout_us, idle_timeout_us;
    uint32_t body_rate_min; /* bytes a second */
    uint64_t body_max;      /* 413 above */
    uint32_t connections_max;
};

/* What the server knows of one request; <head> lives until on_gone. */
struct http_exchange {
    uint64_t bytes_out;
    uint16_t status; /* answered with; 0: not yet */
    struct http_head *head;
    void *user; /* the handler's */
    struct http_server *server;
    uint64_t body_bytes; /* taken so far, decoded */
    int64_t began_us;    /* when the head was whole */
    struct net_address peer;
};

void http_server_rules_default(struct http_server_rules *rules);
MUST_USE enum err http_server_new(struct net_loop *loop, const struct http_handler *handler,
                                  const struct http_server_rules *rules, void *user,
                                  struct http_server **ret_server);
void *http_server_user(const struct http_server *server);
struct net_loop *http_server_loop(const struct http_server *server);
MUST_USE enum err http_server_listen(struct http_server *server, const struct net_address *address,
                                     bool reuse_port, struct text *why);
uint16_t http_server_port(const struct http_server *server); /* of the first address */
/* No new connections; idle ones are closed; the rest close after their answer (Connection: close).
 */
void http_server_drain(struct http_server *server);
uint32_t http_server_connections(const struct http_server *server);
uint64_t http_server_accepted(const struct http_server *server);  /* since it was made */
uint32_t http_server_exchanges(const struct http_server *server); /* under way */
/* Closes everything; on_gone is called. Not from a handler. */
void http_server_free(struct http_server *server);

void http_exchange_hold(struct http_exchange *exchange, size_t limit);
struct span http_exchange_body(const struct http_exchange *exchange);
/* In on_overflow: keeps what was held, without a copy and with its place in the budget, until the
 * caller's buffer_unref(), which comes before the server's end. NULL: nothing was held. */
struct buffer *http_exchange_keep(struct http_exchange *exchange);
void http_exchange_pause(struct http_exchange *exchange);
void http_exchange_resume(struct http_exchange *exchange);

/* <headers>: whole lines "name: value\r\n", may be empty; Content-Length, Transfer-Encoding, Date
 * and Connection are added. <length> >= 0: that many body bytes in all, <body> is the first part of
 * them (often all: then the exchange is over when it is written); HTTP_LENGTH_CHUNKED: pieces
 * follow. To HEAD the body is left out. */
void http_answer(struct http_exchange *exchange, unsigned status, struct span headers,
                 int64_t length, struct span body);
void http_answer_body(struct http_exchange *exchange, struct span piece);
/* Of a chunked answer. Nothing is left to do for one of known length whose bytes were all given (it
 * may be waiting for the socket still). */
void http_answer_end(struct http_exchange *exchange);
void http_answer_abort(struct http_exchange *exchange); /* RST: the answer cannot be completed */
/* The answer cannot be completed, but what was given must arrive: flushes it, then closes without
 * the last chunk. */
void http_answer_break(struct http_exchange *exchange);
size_t http_answer_backlog(const struct http_exchange *exchange); /* bytes that wait */
bool http_answer_is_full(const struct http_exchange *exchange);   /* on_drained will come */
void http_answer_continue(struct http_exchange *exchange); /* 100, if the client waits for it */

#endif
