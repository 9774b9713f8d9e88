/* proxy_io.h: one request on its way through a loop: the client's exchange on one side, the call to
 * a target on the other. Internal to the gateway.
 *
 *   proxy_io.c    the client's side: heads, bodies, refusals, the end
 *   relay_io.c    the target's side: choosing, sending, retrying, passing the answer on
 *   local_io.c    what the gateway answers itself
 *
 * A proxy is made for every head and given back in on_gone, which comes exactly once. It may be
 * given back under the feet of a function that is answering: such a function stands between
 * proxy_pin() and proxy_unpin(), and looks at the answer of the latter before it goes on. */
#ifndef GATEWAY_PROXY_IO_H
#define GATEWAY_PROXY_IO_H

#include "gateway/loop_io.h"

enum {
    PROXY_ATTEMPTS_MAX = 3, /* the first and two more */
    PROXY_CONNECT_US = 5 * 1000 * 1000,
    PROXY_REST_US = 50 * 1000,   /* before the same target is asked again; grows by half */
    PROXY_SWEEP_US = 100 * 1000, /* deadlines and lost targets are looked at this often */
    PROXY_LOST_STREAM_US = 5 * 1000 * 1000, /* a silent stream from a lost target is cut */
    PROXY_STALL_US = 120 * 1000 * 1000,     /* between two pieces of any answer */
    PROXY_LET_GO_MAX = 64 * 1024,           /* of an answer that is read to its end for nobody */
    PROXY_LET_GO_US = 1000 * 1000,          /* ... and as long */
    PROXY_RETRY_AFTER_S = 1
};

/* Of a streamed body: what the target has yet to take. Its buffer is of the budget of held bytes.
 */
struct proxy_tail {
    struct buffer *buffer; /* NULL: nothing waits */
    size_t sent, size;     /* bytes [sent, size) of it are still to go */
};

/* What a relayed piece touches stands first, in one cache line. */
struct proxy {
    struct gateway_loop *loop;
    struct http_exchange *exchange;
    int64_t answer_left; /* of a known length, not yet given to the client; negative: unknown */
    int64_t last_byte_us;
    uint64_t chunk_count; /* pieces of the answer that came */
    unsigned pins;
    uint32_t last_bytes;          /* of a stream: the last four that came; 0: none */
    enum gateway_outcome outcome; /* what the attempt will end with, by its status */
    bool is_gone;                 /* given back when the last pin is off */
    bool is_local;                /* the gateway answers itself */
    bool is_streamed;             /* body too large to be held: one attempt */
    bool is_body_over;            /* streamed: the client has sent everything */
    bool is_sse;
    bool is_chunked;   /* the answer to the client */
    bool is_head_sent; /* the answer's first byte is out */
    bool is_paused;    /* reading the answer has stopped for a slow client */

    struct list link;                /* loop->active */
    struct http_call *call;          /* NULL: none under way */
    struct gateway_targets *targets; /* of the service; NULL until it is known */
    struct gateway_attempt attempt;
    uint64_t tried; /* bit i: target i was asked */
    unsigned attempt_count;
    uint16_t upstream_status;
    enum gateway_error last_error;
    struct route_choice choice;
    const struct http_head *upstream; /* from on_head until the call is over */
    struct net_timer rest;
    struct buffer *renamed; /* the client's body with the target's name of the model; or NULL */
    struct proxy_tail tail;
    int64_t ready_us;      /* the request was read in whole */
    int64_t first_byte_us; /* of the answer */
    uint16_t element_size;
    char element[384]; /* of x-farspan-route, written when the target was chosen */
    void *job;         /* local answers that take time */
    void (*on_job_gone)(struct proxy *proxy);
    void (*on_job_stop)(struct proxy *proxy); /* the gateway drains; NULL: it ends by itself */
    struct gateway_request request;
};

_Static_assert(offsetof(struct proxy, link) <= 64, "one cache line");

static inline int64_t proxy_now_us(const struct proxy *proxy)
{
    return net_loop_now_us(proxy->loop->loop);
}

static inline void proxy_pin(struct proxy *proxy)
{
    proxy->pins++;
}

/* False: it is gone and was given back; touch it no more. */
bool proxy_unpin(struct proxy *proxy);

/* Answers with an error. The proxy may be gone afterwards. */
void proxy_refuse(struct proxy *proxy, enum gateway_error error, uint32_t retry_after_s);

/* Answers with JSON or text of our own. The proxy may be gone afterwards. */
void proxy_answer(struct proxy *proxy, unsigned status, const char *content_type, struct span body);

/* proxy_io.c */
extern const struct http_handler gateway_handler;
void gateway_proxy_start(struct gateway_loop *loop);
/* Ends the open requests of a loop: streams with the typed event, others with a refusal. */
void gateway_proxy_stop(struct gateway_loop *loop);
/* Ends the local answers that would never end by themselves (streams of summaries). */
void gateway_proxy_end_jobs(struct gateway_loop *loop);

/* relay_io.c: the rest after a failure is over. */
void relay_again(struct proxy *proxy);

/* The request can be routed (body whole, or streamed with what was seen so far). */
void relay_begin(struct proxy *proxy);
/* Streamed: a further piece; the end. */
void relay_send(struct proxy *proxy, struct span piece);
void relay_send_end(struct proxy *proxy);
/* Stops asking, without a word to the client. */
void relay_cancel(struct proxy *proxy, enum gateway_outcome outcome);
/* Looks at deadline and target. The proxy may be gone afterwards. */
void relay_check(struct proxy *proxy, int64_t now_us);
/* The client can take more. */
void relay_drained(struct proxy *proxy);
/* Breaks off an answer that has begun: with the event when it is a stream. */
void relay_cut(struct proxy *proxy, enum gateway_error error);

/* local_io.c: the request is read in whole. */
void local_answer(struct proxy *proxy);

/* peer_api_io.c */
void peer_summary(struct proxy *proxy);
void peer_state(struct proxy *proxy);
void peer_explain(struct proxy *proxy);
void peer_drain(struct proxy *proxy);

/* access_io.c */
void gateway_access_line(struct gateway_access *access, const struct proxy *proxy, bool was_whole);

#endif
