/* gateway_io.h: a gateway as a whole: its settings, its threads, its life.
 *
 * A gateway is one set of immutable tables (fleet, map, keys), one set of shared words
 * (gateway/shared.h), and one loop per thread that has everything else of its own. The caller's
 * thread runs the first loop; tests put their own servers and clients on it. */
#ifndef GATEWAY_GATEWAY_IO_H
#define GATEWAY_GATEWAY_IO_H

#include "base/text.h"
#include "fleet/fleet.h"
#include "gateway/identity.h"
#include "net/address.h"
#include "net/loop.h"

enum {
    GATEWAY_THREADS_MAX = 64,
    GATEWAY_DRAIN_US = 4 * 1000 * 1000, /* from SIGTERM to the event that ends open streams */
    GATEWAY_LOG_SIZE_MAX = 64 << 20,    /* of one access log, then it rotates */
    GATEWAY_LOG_KEEP = 4
};

struct gateway_config {
    const struct fleet *fleet; /* stays for the life of the gateway */
    uint16_t region;
    uint16_t port_base; /* of the world; 0: stands alone, remote replicas only */
    struct net_address listen;
    uint16_t threads;            /* 1 .. GATEWAY_THREADS_MAX */
    bool is_insecure;            /* may listen beyond loopback in plain text */
    bool is_open;                /* no key is asked for; refused beyond loopback */
    bool takes_signals;          /* SIGTERM and SIGINT drain it */
    const struct fleet_key *key; /* one more beside the fleet's; NULL: none */
    const uint8_t *peer_secret;  /* CRYPTO_KEY_SIZE bytes; NULL: no peer doors */
    const char *access_log;      /* NULL: none */
    struct span upstream_key;    /* bearer key for remote replicas without their own; or empty */
    const char *ca_file;         /* trust roots instead of the system's; NULL */
    bool has_policy;             /* policy for every service instead of the fleet's */
    enum fleet_policy policy;
};

struct gateway;

/* Checks the settings, reads keys, binds the port, starts the threads beyond the first. <why> says
 * what was wrong. */
MUST_USE enum err gateway_new(const struct gateway_config *config, struct gateway **ret_gateway,
                              struct text *why);

/* The first loop, which the caller runs. */
struct net_loop *gateway_main_loop(struct gateway *gateway);

/* Runs the first loop until SIGTERM or SIGINT, then drains: nothing new is accepted, open requests
 * have GATEWAY_DRAIN_US, streams still open then end with the typed error event. */
void gateway_run(struct gateway *gateway);

/* Starts to drain; gateway_run() returns when it is over. From the first loop's thread. */
void gateway_drain(struct gateway *gateway);

/* Stops the threads, ends what is open, gives everything back. */
void gateway_free(struct gateway *gateway);

#endif
