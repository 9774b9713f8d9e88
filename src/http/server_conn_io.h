/* server_conn_io.h: the inside of the HTTP server, shared by its three files:
 *
 *   server_io.c    server, accepting, states and deadlines of a connection, its end
 *   request_io.c   bytes from the client: heads, bodies, holding, draining
 *   answer_io.c    bytes to the client: heads, pieces, refusals
 *
 * A connection                                                 deadline
 *   IDLE    no byte of a request is here                       idle_timeout
 *   HEAD    a part of a head is here                           head_timeout, from its first byte
 *   BODY    an exchange is open, its body is coming            body rate, checked once a second
 *   ANSWER  the body is here; the handler's turn               none
 *   DRAIN   answered; the rest of a small body is thrown away  linger
 *   LINGER  answered and half-closed; the client may still be  linger
 *           sending: closing now would reset the connection and take the answer from it
 *   CLOSED  to be freed when nobody stands on it any more
 * While answer bytes wait for the socket the deadline is write_timeout since the last progress.
 *
 * Whoever may call a handler stands between conn_enter() and conn_leave(): handlers may end the
 * exchange or the connection under their caller's feet, and the last conn_leave() frees. A request
 * that came early is not looked at from inside an answer (that would recurse along a pipeline) but
 * by the running conn_run(), or queued for one in the next round of the loop.
 *
 * A client that closes while its exchange is in ANSWER counts as gone, though TCP lets it listen
 * on: HTTP clients do not half-close, and a generation that nobody reads costs a replica (nginx and
 * HAProxy's abortonclose decide alike). An answer given before the bytes were read to their end
 * still goes out.
 *
 * Reading: a recv that brought less than asked for has emptied the socket, so no second one is made
 * to see EAGAIN; what comes later is a new edge (epoll(7), question 9). The end of the stream
 * raises an edge of its own (EPOLLRDHUP), and when it was seen already reading goes on until it. */
#ifndef HTTP_SERVER_CONN_IO_H
#define HTTP_SERVER_CONN_IO_H

#include "base/check.h"
#include "http/buffer_io.h"
#include "http/out_io.h"
#include "http/server_io.h"
#include "http/wheel.h"
#include "os/memory.h"

enum conn_state {
    CONN_IDLE,
    CONN_HEAD,
    CONN_BODY,
    CONN_ANSWER,
    CONN_DRAIN,
    CONN_LINGER,
    CONN_CLOSED,
    CONN_STATES
};

enum {
    SERVER_LISTENERS_MAX = 4,
    DRAIN_BYTES_MAX = 64 * 1024,  /* of a body that is thrown away to keep the connection */
    LINGER_BYTES_MAX = 128 << 20, /* thrown away before a connection is closed under the client */
    READS_A_RUN_MAX = 16,         /* and requests; then the other connections have their turn */
    CHUNKS_A_RUN_MAX = 512,       /* of a body, too: each may cost a system call */
    BODY_CHECK_US = 1000 * 1000,
    LINGER_TIMEOUT_US = 2000 * 1000,
    DATE_LINE_SIZE = 37 /* "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" */
};

enum answer_framing { ANSWER_NO_BODY, ANSWER_LENGTH, ANSWER_CHUNKED, ANSWER_UNTIL_CLOSE };

/* A connection; lives in the server's pool. What each event touches stands first here and in the
 * exchange: with thousands of streams every cache line is a miss. */
struct server_conn {
    struct net_conn net;
    struct exchange *exchange; /* BODY, ANSWER */
    uint8_t state, depth, reads_left;
    bool is_readable; /* the socket may have bytes */
    bool must_run;    /* there is work that no event will announce */
    bool is_queued;
    bool is_big; /* its last request did not fit BUFFER_FIRST */
    struct http_server *server;
    struct buffer *in; /* bytes [in_start, in_end) were read and not looked at */
    uint32_t in_start, in_end;
    struct wheel_entry entry;
    int64_t since_us;     /* in this state */
    uint32_t scanned;     /* HEAD: of the unread bytes, already searched for the head's end */
    uint16_t chunks_left; /* of this run */
    struct server_conn *next_queued;
    struct list link; /* of all connections */
    uint64_t drain_left;
    struct net_address peer;
};

/* An exchange as the server sees it. What a piece of the answer touches lies in one cache line,
 * from <out.waiting> to <shared.status>. */
struct exchange {
    struct buffer *head_buffer;
    struct buffer *body_buffer; /* held: the body is [body_offset, body_offset + held_size) */
    uint32_t body_offset, held_size, hold_limit;
    uint64_t body_left;   /* with Content-Length */
    uint64_t answer_left; /* ANSWER_LENGTH */
    struct out_queue out;
    struct server_conn *conn; /* NULL: over */
    int64_t progress_us;      /* when the socket last took answer bytes */
    uint8_t framing;
    bool is_held, is_paused, is_body_done, may_want_continue;
    bool has_ended;  /* the handler has given everything */
    bool has_failed; /* the connection broke in an answer; on_gone comes from the loop */
    bool is_broken;  /* closes without the last chunk */
    bool closes;     /* the connection ends with this answer */
    bool was_over;   /* on_drained is due */
    struct http_exchange shared;
    struct http_chunked chunked;
    int64_t body_began_us, paused_at_us;
    int64_t check_us; /* BODY: when its rate is looked at next */
    struct http_head head;
};

_Static_assert(offsetof(struct exchange, out.waiting) / 64 ==
                   offsetof(struct exchange, shared.status) / 64,
               "one cache line");

struct http_server {
    struct net_loop *loop;
    struct http_handler handler;
    struct http_server_rules rules;
    void *user;
    struct list conns;
    struct os_pool conn_pool, exchange_pool;
    struct buffer_pool buffers;
    struct wheel wheel;
    struct net_timer timer;
    struct server_conn *queued; /* run by the timer, in the next round */
    uint32_t conn_count, exchange_count;
    uint64_t accepted_count;
    bool is_draining;
    unsigned listener_count;
    struct net_listener listeners[SERVER_LISTENERS_MAX];
    int64_t date_until_us; /* loop time at which date_line is stale */
    char date_line[DATE_LINE_SIZE];
};

static inline struct exchange *exchange_of(const struct http_exchange *shared)
{
    return CONTAINER_OF(shared, struct exchange, shared);
}

/* server_io.c */
static inline void conn_enter(struct server_conn *conn)
{
    CHECK(conn->depth < 8);
    conn->depth++;
}
void conn_leave(struct server_conn *conn);
void conn_move(struct server_conn *conn, enum conn_state to);
void conn_run(struct server_conn *conn);                    /* between enter and leave */
void conn_close(struct server_conn *conn, bool with_reset); /* on_gone(false) if one is open */
void conn_linger(struct server_conn *conn);
void exchange_over(struct exchange *exchange, bool was_whole);

/* request_io.c: one step of a state; true: there may be more to do. */
bool request_step(struct server_conn *conn);

/* answer_io.c */
void answer_flush(struct server_conn *conn); /* the socket has room */
void answer_refuse(struct server_conn *conn, unsigned status, const char *reason);
void answer_continue_if_due(struct exchange *exchange);

#endif
