/* link.h: what a wide-area path does to the bytes of one connection, as arithmetic. Pure.
 *
 * A pipe is one direction of one connection. Bytes offered at time t leave the near end when the
 * link's rate lets them (one transmitter, shared by all pipes of a link, first come first served),
 * and arrive half an rtt plus jitter later, never before what was offered earlier. A lost packet is
 * a retransmission: that segment and all behind it come one rtt (at least 200 ms, the least
 * retransmission timeout that is common) later; lost again, another rtt. Closing and resetting
 * travel with the delay. Connecting costs one rtt before the first byte is offered.
 *
 * Jitter is even over half of jitter_us to both sides of half an rtt, so the mean rtt is rtt_us. */
#ifndef NET_LINK_H
#define NET_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"

enum {
    LINK_SEGMENT_SIZE = 1448,
    LINK_RETRANSMIT_US = 200 * 1000,
    LINK_SYN_RETRANSMIT_US = 1000 * 1000, /* RFC 6298 2.1 */
    LINK_PATIENCE_US = 15 * 1000 * 1000   /* a connection dies when it is cut for so long */
};

/* Of a link that is cut: never. */
#define LINK_NEVER_US INT64_MAX

struct link_rules {
    int64_t rtt_us, jitter_us; /* 0 .. one minute; jitter_us <= rtt_us */
    uint64_t bandwidth_bps;    /* 0: not limited */
    uint32_t loss_ppm;         /* of segments of 1448 bytes; at most 500,000 */
    bool is_cut; /* nothing passes; what was under way is lost with its connection only if it stays
                    cut 15 s */
    uint32_t slow_percent; /* `farspan fault slow`: rtt and 1/bandwidth times this / 100; 0 or 100:
                              as it is; at most 10,000 */
};

/* The shared transmitter of one directed link. */
struct link_line {
    struct link_rules rules;
    int64_t free_at_ns; /* when it has sent everything offered so far */
    struct rng rng;
};

struct link_pipe {
    int64_t last_arrival_us; /* order is kept */
};

/* <rules> must be within the ranges above. */
void link_line_init(struct link_line *line, const struct link_rules *rules, uint64_t seed);

/* From now on by other rules; what was offered before keeps its time. */
void link_line_set(struct link_line *line, const struct link_rules *rules);

/* When do <bytes> (at most 1 GiB; 0: an end or a reset) offered at <now_us> arrive at the far end?
 * LINK_NEVER_US: the link is cut; then nothing changes. */
int64_t link_arrival_us(struct link_line *line, struct link_pipe *pipe, uint32_t bytes,
                        int64_t now_us);

/* When does a connection asked for at <now_us> stand (one rtt; a lost SYN or its answer costs a
 * second more)? LINK_NEVER_US: one of both directions is cut. */
int64_t link_connected_us(struct link_line *there, struct link_line *back, int64_t now_us);

/* Bytes that fill the path: bandwidth times the rtt of both directions; 0: not limited. */
uint64_t link_fill_bytes(const struct link_line *there, const struct link_line *back);

#endif
