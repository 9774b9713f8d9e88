/* loop_io.h: what one thread of a gateway owns, and what all of them share. Internal to the
 * gateway.
 *
 *   gateway (immutable tables + shared words)
 *      +-- loop 0  server, client, targets of each service, open requests, metrics; peers, probes
 *      +-- loop 1  server, client, targets of each service, open requests, metrics
 *      ...
 *
 * A request lives on the loop that accepted its connection and nowhere else. */
#ifndef GATEWAY_LOOP_IO_H
#define GATEWAY_LOOP_IO_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/rng.h"
#include "gateway/gateway_io.h"
#include "gateway/labels_io.h"
#include "gateway/request.h"
#include "gateway/targets.h"
#include "http/buffer_io.h"
#include "http/client_io.h"
#include "http/server_io.h"
#include "obs/metrics.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/memory.h"
#include "route/budget.h"

enum { GATEWAY_CREDENTIAL_MAX = 4096, GATEWAY_SCRATCH_SIZE = 2 * LIMIT_HTTP_HEAD + 4096 };

/* What one server is shown by us: the value of Authorization. */
struct gateway_credential {
    char *value; /* NULL: nothing is shown */
    size_t size;
};

struct gateway_access;
struct gateway_peers;
struct gateway_probes;

struct gateway {
    struct gateway_config config;
    struct gateway_keys keys;
    struct gateway_law law;
    struct gateway_map map;
    struct gateway_words *words; /* service * LIMIT_TARGETS + target */
    struct prefix_index *index;
    struct gateway_credential *credentials; /* one an origin */
    struct gateway_labels labels;
    void *index_memory;            /* what <index> stands in */
    struct net_tls_client *tls;    /* NULL: no https origin */
    struct gateway_access *access; /* NULL: no access log */
    struct gateway_peers *peers;   /* loop 0's */
    struct gateway_probes *probes; /* loop 0's */
    struct gateway_loop *loops[GATEWAY_THREADS_MAX];
    unsigned loop_count;
    int64_t started_us;
    int signal_fd; /* -1: none */
    struct net_watch signal_watch;
    bool is_draining;      /* loop 0's */
    _Atomic unsigned over; /* loops that have drained */
    _Atomic unsigned metrics_jobs;
};

struct gateway_loop {
    struct gateway *gateway;
    unsigned number;
    pthread_t thread; /* of loops beyond the first */
    struct net_loop *loop;
    struct net_resolver *resolver;
    struct http_server *server;
    struct http_client *client;
    struct http_origin **origins;     /* map.origin_count */
    struct gateway_targets *services; /* fleet->service_count */
    struct route_budget retries;
    struct os_pool requests;
    struct buffer_pool bodies; /* renamed ones, and what targets are slow to take */
    struct list active;        /* struct proxy */
    struct net_timer sweep;
    struct net_timer drain; /* looks whether the last request is over */
    bool is_draining, is_stopped, has_thread;
    int64_t drain_until_us;
    uint32_t decision_count;
    struct rng rng;
    struct metrics *metrics;
    char scratch[GATEWAY_SCRATCH_SIZE]; /* heads on their way out; never kept across a call */
};

static inline struct gateway_words *gateway_words_of(const struct gateway *gateway,
                                                     uint16_t service, uint16_t target)
{
    return &gateway->words[(size_t)service * LIMIT_TARGETS + target];
}

/* setup_io.c: what is read or made once, from the settings. */
MUST_USE enum err gateway_setup(struct gateway *gateway, struct text *why);
void gateway_setup_free(struct gateway *gateway);

/* loop_io.c */
MUST_USE enum err gateway_loop_new(struct gateway *gateway, unsigned number,
                                   struct gateway_loop **ret_loop, struct text *why);
void gateway_loop_free(struct gateway_loop *loop); /* NULL is fine */
void gateway_loop_drain(struct gateway_loop *loop);

/* peers_io.c, probe_io.c: on the first loop. */
MUST_USE enum err gateway_peers_new(struct gateway_loop *loop, struct gateway_peers **ret_peers);
void gateway_peers_free(struct gateway_peers *peers); /* NULL is fine */
MUST_USE enum err gateway_probes_new(struct gateway_loop *loop, struct gateway_probes **ret_probes);
void gateway_probes_free(struct gateway_probes *probes); /* NULL is fine */

/* access_io.c */
MUST_USE enum err gateway_access_new(const char *path, struct gateway_access **ret_access,
                                     struct text *why);
MUST_USE enum err gateway_access_start(struct gateway_access *access, struct net_loop *loop);
void gateway_access_stop(struct gateway_access *access); /* before the loop goes; NULL is fine */
void gateway_access_free(struct gateway_access *access); /* NULL is fine */

#endif
