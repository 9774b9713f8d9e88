/* link.h: what a wide-area path does to the bytes of one connection, as arithmetic. Pure.
 *
 * A pipe is one direction of one connection. Bytes offered at time t leave the near end when the
 * link's rate lets them (token bucket shared by all pipes of a link), and arrive half an rtt plus
 * jitter later, never before what was offered earlier. A lost packet is a retransmission: that
 * segment and all behind it come one rtt (at least 200 ms the first time) later. Closing and
 * resetting travel with the delay. Connecting costs one rtt before the first byte is offered. */
#ifndef NET_LINK_H
#define NET_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"

struct link_rules {
    int64_t rtt_us, jitter_us;
    uint64_t bandwidth_bps; /* 0: not limited */
    uint32_t loss_ppm;      /* of segments of 1448 bytes */
    bool is_cut; /* nothing passes; what was under way is lost with its connection only if it stays
                    cut 15 s */
    uint32_t slow_percent; /* `farspan fault slow`: rtt and 1/bandwidth times this / 100; 100: as it
                              is */
};

/* The shared transmitter of one directed link. */
struct link_line {
    struct link_rules rules;
    int64_t free_at_us; /* when it has sent everything offered so far */
    struct rng rng;
};

struct link_pipe {
    int64_t last_arrival_us; /* order is kept */
};

void link_line_init(struct link_line *line, const struct link_rules *rules, uint64_t seed);

/* When do <bytes> offered at <now_us> arrive at the far end? */
int64_t link_arrival_us(struct link_line *line, struct link_pipe *pipe, uint32_t bytes,
                        int64_t now_us);

/* When does a connection asked for at <now_us> stand (one rtt)? */
int64_t link_connected_us(struct link_line *there, struct link_line *back, int64_t now_us);

#endif
