/* catalog.h: what can be had on this planet and what it costs: regions, machine types, prices,
 * stock, links, clients, electricity, models and their measured speeds.
 *
 * Read by catalog_read() from CSV files (data/catalog/README.md), checked once, trusted after that;
 * one arena, never changed. Parts refer to each other by index. Every row knows its file's line,
 * its sources, its date, and whether a figure of it is an estimate and by which rule.
 *
 * Units are in the names: ms, mbps (10^6 bit/s), GiB, USD per GiB, USD per hour, W, kWh. */
#ifndef CATALOG_CATALOG_H
#define CATALOG_CATALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"
#include "fleet/complaint.h"

enum {
    CATALOG_REGIONS_MAX = 512,
    CATALOG_SKUS_MAX = 1024,
    CATALOG_OFFERS_MAX = 262144,
    CATALOG_CLIENTS_MAX = 512,
    CATALOG_MODELS_MAX = 256,
    CATALOG_PROFILES_MAX = 65536,
    CATALOG_GRIDS_MAX = 512,
    CATALOG_SPOTS_MAX = 4096,
    CATALOG_HOURS = 24
};

#define CATALOG_NONE UINT16_MAX

enum catalog_market { CATALOG_ON_DEMAND, CATALOG_SPOT, CATALOG_RESERVED, CATALOG_MARKETS };

/* Where the figures of one row come from. */
struct catalog_fact {
    struct span source, rule; /* names joined by '+'; the rule empty unless is_estimate */
    uint32_t date;            /* yyyymmdd of the oldest source */
    uint32_t line;            /* of its file, from 1 */
    bool is_estimate;
};

struct catalog_region {
    struct span name, provider, country, continent, zone; /* zone: for residency */
    double latitude, longitude;                           /* degrees */
    uint16_t grid;
    double pue, egress_usd_gib; /* to the internet */
    struct catalog_fact fact;
};

struct catalog_sku {
    struct span name, provider, accelerator; /* accelerator empty: none */
    uint32_t accelerator_count, vcpu;
    double accelerator_memory_gib; /* of one */
    double memory_gib, idle_w, peak_w;
    struct catalog_fact fact;
};

/* One size in one region on one market. Ascending (region, sku, market), each at most once. */
struct catalog_offer {
    uint16_t region, sku;
    enum catalog_market market;
    double usd_h;
    uint32_t stock; /* machines; no row in stock.csv: 0 */
    struct catalog_fact price, in_stock;
};

/* Mean time a spot machine lives, and until one can be had again. accelerator empty: CPU. */
struct catalog_spot {
    struct span provider, accelerator;
    double up_h, down_h;
    struct catalog_fact fact;
};

struct catalog_link {
    double rtt_ms, margin_ms; /* add the margin where a limit is hard */
    double bandwidth_mbps, usd_gib;
    struct catalog_fact fact;
};

struct catalog_client { /* a group of users, near one region */
    struct span name, zone;
    uint16_t region;
    double weight; /* of all clients; they sum to 1 */
    struct catalog_fact fact;
};

struct catalog_grid {
    struct span name;
    double g_per_kwh[CATALOG_HOURS], usd_per_mwh[CATALOG_HOURS]; /* by hour UTC, a typical day */
    struct catalog_fact carbon, power;                           /* of hour 0 */
};

struct catalog_model {
    struct span name;
    double parameters_million, weights_gib;
    uint64_t kv_bytes_per_token;
    struct catalog_fact fact;
};

/* Ascending (model, accelerator, tensor_parallel, prompt_tokens, batch). */
struct catalog_profile {
    uint16_t model;
    struct span accelerator;
    uint32_t tensor_parallel, batch, prompt_tokens;
    double prompt_ms;     /* prefill of the whole batch */
    double token_ms;      /* one decode step: a token of each sequence */
    double accelerator_w; /* of one, mean of a run; 0: not known */
    struct catalog_fact fact;
};

struct catalog {
    uint32_t region_count, sku_count, offer_count, spot_count, client_count, grid_count,
        model_count, profile_count;
    const struct catalog_region *regions;
    const struct catalog_sku *skus;
    const struct catalog_offer *offers;
    const uint32_t *region_offers; /* first offer of each region; region_count + 1 */
    const struct catalog_spot *spots;
    const struct catalog_link *links; /* region_count squared: from * region_count + to */
    const struct catalog_client *clients;
    const struct catalog_grid *grids;
    const struct catalog_model *models;
    const struct catalog_profile *profiles;
    uint8_t sha256[32]; /* of all files, by name and content: which catalogue a plan stood on */
};

enum catalog_file {
    CATALOG_FILE_REGIONS,
    CATALOG_FILE_SKUS,
    CATALOG_FILE_PRICES,
    CATALOG_FILE_STOCK,
    CATALOG_FILE_SPOT,
    CATALOG_FILE_LINKS,
    CATALOG_FILE_CLIENTS,
    CATALOG_FILE_CARBON,
    CATALOG_FILE_POWER,
    CATALOG_FILE_MODELS,
    CATALOG_FILE_PROFILES,
    CATALOG_FILES
};

const char *catalog_file_name(enum catalog_file file);       /* "regions.csv" */
const char *catalog_market_name(enum catalog_market market); /* "on_demand" */
bool catalog_market_find(struct span name, enum catalog_market *ret_market);

/* Reads the files' <bytes>, which must outlive the catalogue (spans point into them); <folder> is
 * how messages name their place. Every mistake of every file is complained about at its line:
 * unknown or missing columns, numbers out of range, names nobody defines, a pair given twice, a
 * missing link, weights that do not sum to 1 within 0.001, a profile whose prompt time falls as its
 * batch grows, an estimate without a rule. ERR_VALUE when there is any, and then no catalogue. */
MUST_USE enum err catalog_read(const struct span bytes[CATALOG_FILES], struct span folder,
                               struct arena *arena, struct fleet_complaints *complaints,
                               struct catalog **ret_catalog);

/* Index or CATALOG_NONE. */
uint16_t catalog_find_region(const struct catalog *catalog, struct span name);
uint16_t catalog_find_sku(const struct catalog *catalog, struct span name);
uint16_t catalog_find_model(const struct catalog *catalog, struct span name);

/* NULL: not sold there. */
const struct catalog_offer *catalog_find_offer(const struct catalog *catalog, uint16_t region,
                                               uint16_t sku, enum catalog_market market);
const struct catalog_spot *catalog_find_spot(const struct catalog *catalog, struct span provider,
                                             struct span accelerator);

/* Do <model>'s weights and the keys and values of <batch> sequences of <tokens_each> tokens fit
 * CATALOG_MEMORY_SHARE of the memory of <tensor_parallel> accelerators of one machine of <sku>?
 * Never when the machine has fewer. Weights and cache are taken to be split evenly. */
#define CATALOG_MEMORY_SHARE 0.9
bool catalog_fits(const struct catalog *catalog, uint16_t model, uint16_t sku,
                  uint32_t tensor_parallel, uint32_t batch, uint32_t tokens_each);

static inline const struct catalog_link *catalog_link(const struct catalog *catalog, uint16_t from,
                                                      uint16_t to)
{
    return &catalog->links[(size_t)from * catalog->region_count + to];
}

#endif
