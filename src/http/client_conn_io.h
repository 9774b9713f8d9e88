/* client_conn_io.h: the inside of the HTTP client, shared by its three files:
 *
 *   client_io.c    client, its deadlines, its end
 *   origin_io.c    origins: names, connecting, kept connections
 *   call_io.c      one call: its request out, its answer in
 *
 * A call                                                     deadline
 *   CONNECT  waits for a name or a connection                connect_timeout, first_byte_timeout
 *   SENT     a connection stands; no byte of the answer yet  first_byte_timeout
 *   ANSWER   the answer is coming                            stall_timeout since the last read
 * (enum http_phase). Over is a flag beside it: handlers may cancel a call under their caller's
 * feet, so whoever may call a handler stands between call_enter() and call_leave(), and the last
 * leave frees. Failures found inside http_call() or http_call_send() are queued, so that no handler
 * is called from there.
 *
 * A connection has a call or is idle in its origin's list, newest first. What an idle one receives
 * is an end or a violation: it is closed.
 *
 * The head of an answer is read into a buffer of the call, where its spans live; everything later
 * into the client's one scratch, whose bytes are shown to the handler and forgotten, or kept when
 * the handler pauses in their middle or they come in too many pieces for one run. */
#ifndef HTTP_CLIENT_CONN_IO_H
#define HTTP_CLIENT_CONN_IO_H

#include "base/check.h"
#include "http/buffer_io.h"
#include "http/client_io.h"
#include "http/out_io.h"
#include "http/wheel.h"
#include "os/memory.h"

enum {
    ORIGIN_ADDRESSES_MAX = 8,
    CLIENT_SCRATCH_SIZE = 64 * 1024,
    CLIENT_READS_A_RUN_MAX = 16,       /* then the other calls have their turn */
    CLIENT_PIECES_A_RUN_MAX = 512,     /* too: each may cost a system call */
    CLIENT_SEND_QUEUE_MAX = 64 * 1024, /* of a streamed request body */
    CLIENT_IDLE_US = 60 * 1000 * 1000, /* a kept connection that nobody wants */
    CLIENT_INTERIM_MAX = 8,            /* 1xx answers before the real one */
    CLIENT_CONNECT_US = 5 * 1000 * 1000,
    ORIGIN_RESOLVE_US = 30 * 1000 * 1000 /* names are asked for again after that */
};

struct client_conn {
    struct net_conn net;
    struct http_call *call; /* NULL: idle */
    bool is_readable, is_idle;
    struct http_origin *origin;
    struct list link; /* of the origin: idle or busy */
    struct wheel_entry entry;
};

struct http_origin {
    struct http_client *client; /* NULL: gone, only the resolver still knows us */
    struct list link;
    struct list idle, busy; /* connections */
    struct list waiting;    /* calls that wait for the name */
    uint32_t idle_count, call_count;
    struct net_tls_client *tls;
    struct net_resolver *resolver;
    struct net_address addresses[ORIGIN_ADDRESSES_MAX];
    unsigned address_count, address_next;
    int64_t resolved_us;
    bool is_literal, is_resolving;
    uint16_t port;
    struct span name;      /* without port and brackets: SNI */
    struct span host;      /* as in the Host header */
    struct span base;      /* path, without a slash at its end */
    struct span host_line; /* "host: HOST\r\n" */
    char text[];
};

/* What each read touches stands first, in two cache lines; <ahead> is asked for as it begins. */
struct http_call {
    struct http_client *client;
    struct client_conn *conn;
    const struct http_call_handler *handler;
    void *user;
    uint8_t phase, depth, reads_left, dial_count, interim_count;
    bool is_head_method, is_streamed, has_send_end, wants_writable;
    bool is_reused; /* on a kept connection; after a retry false */
    bool has_head, is_paused, must_run, is_over, is_write_broken;
    uint16_t pieces_left;      /* of this run */
    uint32_t stall_timeout_us; /* 0: none */
    struct buffer *rest;       /* bytes that a pause left unseen: [rest_start, rest_end) */

    struct http_chunked chunked;
    int64_t answer_length; /* the head's body_length */
    int64_t read_us, end_due_us;
    struct wheel_entry entry;
    const void *ahead[3]; /* what a relayed piece touches beside <user>; NULL: nothing */

    uint64_t answer_left;
    enum err queued_err; /* != ERR_OK: the call fails with it when its turn comes */
    struct buffer *request_head;
    struct buffer *in; /* the answer's head and what came with it */
    uint32_t in_end, scanned, rest_start, rest_end;

    const char *refusal; /* of its server's certificate; NULL: none */
    struct http_origin *origin;
    struct list link;       /* of the client */
    struct list wait_link;  /* of the origin: waiting for its name */
    struct list queue_link; /* of the client: runs in the next round */
    int64_t connect_timeout_us, connect_due_us, first_byte_due_us;
    struct span body;
    int64_t body_length;
    size_t sent;          /* of head and body */
    uint64_t stream_left; /* streamed body of known length */
    struct out_queue out; /* streamed pieces that the socket did not take */
    struct http_head head;
};

_Static_assert(offsetof(struct http_call, ahead) <= 128 + sizeof(struct list *),
               "two cache lines, and the last link of the deadline");

struct http_client {
    struct net_loop *loop;
    struct os_pool conn_pool, call_pool;
    struct buffer_pool buffers;
    struct wheel conn_wheel, call_wheel;
    struct net_timer timer;
    struct list origins, calls;
    struct list queued; /* calls */
    bool is_closing;
    char scratch[CLIENT_SCRATCH_SIZE];
};

/* client_io.c */
void client_arm_timer(struct http_client *client);

/* origin_io.c */
/* Gives <call> a connection, kept or new, or lets it wait for the name. */
MUST_USE enum err origin_connect(struct http_origin *origin, struct http_call *call,
                                 bool is_fresh_wanted);
void origin_keep(struct client_conn *conn); /* its call is over; it becomes idle */
void origin_drop(struct client_conn *conn); /* closes and frees it */
void origin_end(struct http_origin *origin);

/* call_io.c */
static inline void call_enter(struct http_call *call)
{
    CHECK(call->depth < 8);
    call->depth++;
}
void call_leave(struct http_call *call);
void call_run(struct http_call *call, unsigned events); /* between enter and leave */
void call_fail(struct http_call *call, enum err err);   /* on_error */
void call_fail_later(struct http_call *call, enum err err);
void call_run_due(struct http_call *call);
void call_run_queued(struct http_call *call);

#endif
