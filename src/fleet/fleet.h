/* fleet.h: what exists and what is wanted: plain data, checked once, trusted after that.
 *
 * A fleet is made by fleet_load() from one farspan.yaml and the catalogue files it names, or by
 * fleet_front() for servers that already run. It lives in one arena, is never changed afterwards,
 * and refers to its parts by index (a region is a uint16_t into <regions>), so that a view of it
 * can be copied and swapped by pointer.
 *
 * Units: time in us, money in micro-dollars (usd_micro), rates per hour (_h), memory in bytes,
 * bandwidth in bits per second. What the catalogue lacks is an estimate by a stated rule and says
 * so (is_estimate). */
#ifndef FLEET_FLEET_H
#define FLEET_FLEET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/span.h"

enum { FLEET_NONE = 0xFFFF }; /* no such index */

enum fleet_kind {
    FLEET_GENERATION,
    FLEET_EMBEDDINGS,
    FLEET_CLASSIFICATION,
    FLEET_CLUSTERING,
    FLEET_REGRESSION
};
enum fleet_engine {
    FLEET_ENGINE_ECHO,
    FLEET_ENGINE_NATIVE,
    FLEET_ENGINE_LLAMA,
    FLEET_ENGINE_REMOTE
};

/* Order is the order of `farspan help policies`; names in route/policy.h. */
enum fleet_policy {
    FLEET_POLICY_ADAPTIVE,
    FLEET_POLICY_ROUND_ROBIN,
    FLEET_POLICY_WEIGHTED_ROUND_ROBIN,
    FLEET_POLICY_LEAST_CONNECTIONS,
    FLEET_POLICY_P2C,
    FLEET_POLICY_PEAK_EWMA,
    FLEET_POLICY_CONSISTENT_HASH,
    FLEET_POLICY_NEAREST,
    FLEET_POLICY_CHEAPEST,
    FLEET_POLICY_COUNT
};

const char *fleet_kind_name(enum fleet_kind kind);       /* "generation" ... */
const char *fleet_engine_name(enum fleet_engine engine); /* "echo" ... */
const char *fleet_policy_name(enum fleet_policy policy); /* "adaptive" ... */
bool fleet_policy_find(struct span name, enum fleet_policy *ret_policy);

/* A set of zones: bit i is zones[i]. */
typedef uint32_t fleet_zones;

struct fleet_region {
    struct span name;             /* "aws:us-east-1" */
    struct span provider;         /* "aws" */
    uint16_t zone;                /* index into zones */
    bool is_estimate;             /* coordinates */
    int32_t lat_micro, lon_micro; /* degrees * 1e6 */
};

/* Measured or assumed speed of a model on a sku; 0 where it says nothing (an engine runs at its own
 * speed). */
struct fleet_profile {
    struct span name;
    uint32_t prefill_ns_per_token;
    uint32_t decode_ns_per_token; /* of one stream; batch members run side by side up to slots */
    uint32_t slots;               /* streams that run side by side */
    bool is_estimate;
};

struct fleet_sku {
    struct span name; /* "g5.xlarge" */
    uint16_t region;
    int64_t price_usd_micro_h; /* on demand, list price */
    bool is_estimate;
};

struct fleet_model {
    struct span name, version;
    struct span
        file; /* path, resolved against the file that names it; empty: the engine needs none */
    struct span sha256;      /* 64 hex digits, or empty: not pinned */
    uint32_t context_tokens; /* 0: the file says */
    uint32_t line, column;   /* of its key file, for a complaint; 0: no file names it */
};

struct fleet_service {
    struct span name; /* what clients put into "model" */
    enum fleet_kind kind;
    enum fleet_engine engine;
    enum fleet_policy policy;
    uint16_t model;           /* FLEET_NONE for echo and remote */
    fleet_zones residency;    /* where its requests may be computed; all bits set: anywhere */
    uint32_t context_tokens;  /* prompt + answer; 0: not limited by us */
    uint32_t output_tokens;   /* expected a request when the client does not say; for the cost of a
                                 decision */
    int64_t slo_ttft_us;      /* 0: none */
    int64_t timeout_us;       /* of one request, first byte to last */
    uint32_t price_weight_us; /* adaptive: us that one micro-dollar is worth; 0: price is ignored */
};

/* One machine that runs a worker process. */
struct fleet_worker {
    struct span name;
    uint16_t region;
    uint16_t sku;                          /* FLEET_NONE: one's own machine, nothing to pay */
    bool is_paced;                         /* pace: profile */
    uint16_t profile;                      /* FLEET_NONE: none */
    uint16_t replica_first, replica_count; /* its replicas are consecutive */
};

/* One running copy of a service. */
struct fleet_replica {
    uint16_t service;
    uint16_t region;
    uint16_t worker;        /* FLEET_NONE: remote */
    uint16_t weight;        /* weighted round robin; 1 by default */
    uint32_t slots;         /* requests computed side by side */
    struct span url;        /* remote: "https://host:443/base" */
    struct span model_name; /* remote: what its API calls the model; empty: the service's name */
    struct span key_file;   /* remote: bearer key for it; empty: none */
    struct span key_env;
};

/* A directed path. <from> is a region, or for client links a zone. */
struct fleet_link {
    uint16_t from, to;
    int64_t rtt_us, jitter_us;
    uint64_t bandwidth_bps;
    uint32_t loss_ppm;
    int64_t price_usd_micro_gb;
    bool is_estimate; /* the rtt, or what it stands on, is not measured for this very pair */
};

struct fleet_key {
    struct span name;
    struct span tenant;
    struct span file, env; /* where its holder reads the key itself; empty: sha256 is given */
    uint8_t sha256[32];    /* zero as long as it has to be read */
    fleet_zones residency; /* this key's requests may only be computed there */
};

struct fleet {
    struct span name;
    uint64_t epoch;
    struct span zones[LIMIT_ZONES];
    uint16_t zone_count, region_count, sku_count, profile_count, model_count, service_count,
        worker_count, replica_count, link_count, client_link_count, key_count;
    struct fleet_region *regions;
    struct fleet_sku *skus;
    struct fleet_profile *profiles;
    struct fleet_model *models;
    struct fleet_service *services;
    struct fleet_worker *workers;
    struct fleet_replica *replicas;
    struct fleet_link *links; /* every ordered pair of different regions, by from, then to */
    struct fleet_link
        *client_links; /* every zone with every region, ordered by zone, then region */
    struct fleet_key *keys;
    struct fleet_listen {
        struct span address;    /* "127.0.0.1:8080"; empty: the layout decides */
        uint16_t threads;       /* loops of a gateway */
        bool is_insecure;       /* a plain-text listener beyond loopback was asked for */
        struct span access_log; /* path; empty: none */
    } listen;
};

/* UINT16 index or FLEET_NONE. */
uint16_t fleet_find_region(const struct fleet *fleet, struct span name);
uint16_t fleet_find_service(const struct fleet *fleet, struct span name);
uint16_t fleet_find_zone(const struct fleet *fleet, struct span name);
const struct fleet_link *fleet_find_link(const struct fleet *fleet, uint16_t from_region,
                                         uint16_t to_region);
const struct fleet_link *fleet_find_client_link(const struct fleet *fleet, uint16_t zone,
                                                uint16_t region);

/* Regions in the order in which a client of <zone> tries them: by rtt of the client link, ties by
 * index. */
void fleet_regions_by_distance(const struct fleet *fleet, uint16_t zone,
                               uint16_t ret_order[LIMIT_REGIONS]);

#endif
