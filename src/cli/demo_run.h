/* demo_run.h: sends a plan as real clients would, and writes down what came of it.
 *
 * A client of a zone speaks to the nearest gateway through its link. A gateway that refuses or
 * breaks is left alone for DEMO_DEAD_US and the next by distance is asked, as GeoDNS would answer.
 * A request is tried until it is answered or DEMO_TRIES_MAX is reached; a stream that was cut
 * starts again from the beginning. Nothing is answered twice: a request counts once, when its last
 * byte is here. */
#ifndef CLI_DEMO_RUN_H
#define CLI_DEMO_RUN_H

#include "base/histogram.h"
#include "cli/demo_plan.h"
#include "net/loop.h"

enum {
    DEMO_TRIES_MAX = 20,
    DEMO_DEAD_US = 2 * 1000 * 1000,
    DEMO_RETRY_US = 100 * 1000,
    DEMO_ROUTE_MAX = 512,
    DEMO_EXPLAIN_MAX = 64 * 1024
};

struct demo_region_stats {
    uint64_t answered, tokens, local, remote, cut;
    int64_t in_flight;
};

struct demo_zone_stats {
    struct histogram ttft_us, total_us; /* chats */
    uint64_t served_by[LIMIT_REGIONS];  /* answers, all kinds */
};

struct demo_stats {
    uint64_t offered, answered, failed, client_retries, other_region, cut_streams;
    uint64_t typed_errors; /* cut streams that ended in a typed error event */
    uint64_t prompt_tokens, cached_tokens, output_tokens;
    int64_t killed_at_us, rerouted_at_us; /* 0: not yet */
    uint32_t streams_open_at_kill;
    struct demo_region_stats region[LIMIT_REGIONS]; /* by who computed the answer */
    struct demo_zone_stats zone[LIMIT_ZONES];
    struct histogram window_ttft_us; /* since the live view last took it */
    char last_failure[256];
};

struct demo_run;

struct demo_run_rules {
    const struct fleet *fleet;
    const struct demo_plan *plan;
    uint16_t port_base;
    const char *client_key;
    const uint8_t *peer_secret;
    uint16_t kill_region;           /* FLEET_NONE: no fault */
    int64_t kill_at_us, heal_at_us; /* after the start */
    void (*on_done)(void *user);
    void *user;
};

MUST_USE enum err demo_run_new(struct net_loop *loop, const struct demo_run_rules *rules,
                               struct demo_run **ret_run, struct text *why);
void demo_run_start(struct demo_run *run);
void demo_run_free(struct demo_run *run);

int64_t demo_run_elapsed_us(const struct demo_run *run);
uint64_t demo_run_open(const struct demo_run *run); /* requests under way */
struct demo_stats *demo_run_stats(struct demo_run *run);

/* The JSON of one decision, asked for while the region was down; empty when it was not answered. */
struct span demo_run_explanation(const struct demo_run *run);

#endif
