/* wish.h: what a user wants planned: services, where their clients are, what is promised, and the
 * rules; the `plan:` part of a farspan.yaml, checked against a catalogue.
 *
 * Plain data in one arena, made by plan_wish_read() and never changed. Regions, skus, models and
 * clients are the catalogue's, by index. A <place> is a region of the catalogue (below its
 * region_count) or one of the sites (region_count + index). Zones are numbered here, so that a set
 * of them is one word. */
#ifndef PLAN_WISH_H
#define PLAN_WISH_H

#include "catalog/catalog.h"
#include "fleet/document.h"
#include "plan/problem.h"

enum { PLAN_BUCKETS_MAX = 16, PLAN_MARKETS = PLAN_OWN + 1, PLAN_ANY_MARKET = PLAN_MARKETS };

enum plan_lose { PLAN_LOSE_NONE, PLAN_LOSE_REGION, PLAN_LOSE_PROVIDER, PLAN_LOSE_BOTH };

/* Requests of about one size. */
struct plan_bucket {
    uint32_t prompt;      /* tokens of the longest: their time counts for ttft */
    uint32_t prompt_mean; /* tokens on average: they count for the load; <= prompt */
    uint32_t answer;      /* tokens on average */
    double share;         /* of all requests; they sum to 1 */
};

struct plan_wish_speed { /* given outright, in place of a model's */
    uint16_t sku;
    uint32_t machines; /* of one replica */
    double rate;       /* requests per second at full load */
    double time_ms;    /* until the first byte, without waiting */
};

struct plan_wish_service {
    struct span name;
    uint16_t model;           /* CATALOG_NONE: speeds are given */
    uint32_t tensor_parallel; /* 0: any that was measured */
    struct plan_bucket buckets[PLAN_BUCKETS_MAX];
    uint32_t bucket_count; /* >= 1 */
    const struct plan_wish_speed *speeds;
    uint32_t speed_count;
    const double *rates;       /* requests per second of each of the catalogue's clients */
    const uint32_t *residency; /* of each client: the set of zones that may compute its requests */
    double ttft_ms, tpot_ms;   /* INFINITY: not promised */
    double percentile;         /* of all its requests that meet ttft; 1: every zone, with margins */
    double wait_ms;
    double load;           /* 0: what the queue allows */
    double bytes;          /* out of the region, a request; 0: by tokens of the answer */
    double open_usd_h;     /* of a place that has any replica */
    double unmet_usd;      /* of a request; INFINITY: all must be answered */
    double spread;         /* most of its speed in one place; 1: no rule */
    double spot;           /* most of its speed on spot machines; 1: no rule */
    double spot_spread;    /* most of its spot speed in one place; 1: no rule */
    uint32_t replicas_min; /* in all */
    uint32_t site_replicas_min, regions_min; /* >= 1 */
    bool is_held;                            /* stays as in the running plan */
};

struct plan_wish_site { /* one's own machines */
    struct span name, provider;
    uint16_t near, sku; /* region, sku */
    uint32_t count;
    double power_max_w; /* INFINITY: no rule */
};

struct plan_wish_stock { /* of the catalogue's regions; CATALOG_NONE: each */
    uint16_t region, sku;
    enum plan_market market;
    uint32_t count;
};

struct plan_wish_choice {    /* of columns: those that fit all that is said */
    uint32_t service;        /* PLAN_NONE: each */
    uint32_t place;          /* PLAN_NONE: each */
    uint16_t sku;            /* CATALOG_NONE: each */
    uint32_t market;         /* PLAN_ANY_MARKET: each */
    uint32_t count;          /* of a pin */
    struct fleet_place said; /* for a message */
};

/* Hours that differ (day.h). */
struct plan_wish_day {
    uint32_t slot_count;           /* 0: one plan for all hours; else it divides 24 */
    double factors[CATALOG_HOURS]; /* of the demand, by the hour of <is_local>; > 0 */
    bool is_local;                 /* hours of each group of clients, by its longitude; else UTC */
    bool is_estimate;              /* the factors are the curve that stands in for given ones */
    double ramp;            /* most that may start, of what ran; INFINITY: any number; one always */
    uint32_t ramp_replicas; /* the same as a number: the larger counts */
};

struct plan_wish {
    const struct catalog *catalog;
    struct span world;
    struct span zones[LIMIT_ZONES];
    uint32_t zone_count;
    const uint32_t *client_zones; /* of each client */
    const uint32_t *place_zones;  /* of each place */
    const bool *is_wanted;        /* each region of the catalogue: may it be used? sites always */
    const bool *is_sku_wanted;
    bool has_market[PLAN_MARKETS];
    enum plan_lose lose;
    double load_lost;                     /* 0 .. 1 */
    double budget_usd_h, carbon_max_kg_h; /* INFINITY: no rule */
    double power_max_w;                   /* INFINITY: no rule */
    double carbon_usd_kg;
    double cold_start_h;
    double start_usd, stop_usd, moves_over_h; /* of one replica */
    struct plan_wish_day day;
    const struct plan_wish_service *services;
    const struct plan_wish_site *sites;
    const struct plan_wish_stock *stocks, *reserved;
    const struct plan_wish_choice *pins, *forbidden;
    uint32_t service_count, site_count, stock_count, reserved_count, pin_count, forbidden_count;
};

static inline uint32_t plan_wish_place_count(const struct plan_wish *wish)
{
    return wish->catalog->region_count + wish->site_count;
}

/* Region of the catalogue whose links, grid and traffic price count for a place. */
static inline uint16_t plan_wish_region(const struct plan_wish *wish, uint32_t place)
{
    return place < wish->catalog->region_count
               ? (uint16_t)place
               : wish->sites[place - wish->catalog->region_count].near;
}

static inline struct span plan_wish_place_name(const struct plan_wish *wish, uint32_t place)
{
    return place < wish->catalog->region_count
               ? wish->catalog->regions[place].name
               : wish->sites[place - wish->catalog->region_count].name;
}

/* "on_demand" "spot" "reserved" "own" */
const char *plan_market_name(enum plan_market market);

/* What the document's `plan:` says of the catalogue's folder, as written; empty: the shipped one.
 */
struct span plan_wish_catalog(const struct fleet_document *document);

/* <document> went through fleet_shape_check(). Memory from <arena>; texts point into the document,
 * which must live as long. ERR_SYNTAX: <complaints> say why, all at once. ERR_MEMORY. */
MUST_USE enum err plan_wish_read(struct fleet_document *document, const struct catalog *catalog,
                                 struct arena *arena, struct fleet_complaints *complaints,
                                 const struct plan_wish **ret_wish);

#endif
