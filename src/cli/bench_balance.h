/* bench_balance.h: five equal servers and a stream of requests, under each balancing policy:
 * route_choose() decides, and all that varies between two runs is the policy.
 *
 * A server computes one request at a time, the others wait in their order. Requests arrive by
 * chance (Poisson) at BALANCE_LOAD of what the five can do, the same ones for every policy: all of
 * 100 ms, or mixed (nine of ten 50 ms, one 550 ms: 100 ms on average). The gateway knows how many
 * requests are at each server; the latencies that peak_ewma goes by are fed to it as they end. */
#ifndef CLI_BENCH_BALANCE_H
#define CLI_BENCH_BALANCE_H

#include "base/text.h"
#include "fleet/fleet.h"

enum {
    BALANCE_SERVERS = 5,
    BALANCE_RANDOM = FLEET_POLICY_COUNT, /* any server, without a look */
    BALANCE_FLOOR, /* the server that is free first: knows every size, as one queue for all does */
    BALANCE_POLICIES,
    BALANCE_MOMENTS_MAX = 2048
};

#define BALANCE_LOAD      0.8
#define BALANCE_SHOWN_US  (INT64_C(80) * 1000 * 1000) /* the moments: from here */
#define BALANCE_WINDOW_US (INT64_C(6) * 1000 * 1000)  /* this long */

struct balance_moment { /* from <at_us> until the next one */
    int64_t at_us;
    uint32_t loads[BALANCE_SERVERS]; /* requests that are there */
};

struct balance_run {
    /* Asked for. */
    unsigned policy; /* enum fleet_policy, RANDOM or FLOOR */
    bool is_mixed;
    uint32_t requests;
    uint64_t seed;
    /* Found. */
    double wait_mean_ms, wait_p99_ms;
    uint32_t load_max; /* most requests that were at one server */
    double wasted;     /* share of time in which a server had nothing to do while another had
                          requests waiting */
    uint32_t moment_count;
    struct balance_moment moments[BALANCE_MOMENTS_MAX];
};

const char *balance_name(unsigned policy);

/* The same run gives the same figures, everywhere. */
void balance_simulate(struct balance_run *run);

/* The load of each server over the window, a panel a run, one scale: an SVG of 1600 x 900. At most
 * ten runs. */
enum { BALANCE_PANELS = 10, BALANCE_SVG_BYTES = 2 << 20 };
void balance_draw(const struct balance_run *const runs[], uint32_t count, struct text *text);

#endif
