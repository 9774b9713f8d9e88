/* catalogue.h: what exists and costs, read from CSV files that `catalog:` names. A header line
 * names the columns (any order, none missing, none unknown); lines starting with # and empty lines
 * are skipped; a cell may stand in double quotes. Numbers are plain decimals whose unit is in the
 * column's name. A row with estimate = true must say its rule. */
#ifndef FLEET_CATALOGUE_H
#define FLEET_CATALOGUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/span.h"
#include "fleet/complaint.h"

enum fleet_catalogue_kind {
    CATALOGUE_REGIONS,
    CATALOGUE_PRICES,
    CATALOGUE_LINKS,
    CATALOGUE_PROFILES,
    CATALOGUE_KINDS
};

enum { CATALOGUE_TEXTS = 2, CATALOGUE_NUMBERS = 5 };

/* One row, whatever the file: its text columns, then its numbers, in the order of the columns.
 *   regions   region                 latitude, longitude (degrees * 1e6)
 *   prices    region, sku            usd_micro_h
 *   links     from, to               rtt_us, jitter_us, bandwidth_bps, loss_ppm, usd_micro_gb
 *   profiles  profile                prefill_ns_per_token, decode_ns_per_token, slots */
struct fleet_catalogue_row {
    struct span text[CATALOGUE_TEXTS]; /* into the bytes of the file */
    int64_t number[CATALOGUE_NUMBERS];
    bool is_estimate;
    uint32_t line;
};

struct fleet_catalogue_file {
    struct span file; /* as messages name it; empty: the document names no such file */
    struct fleet_catalogue_row *rows;
    uint32_t count;
    bool is_broken; /* rows were left out with a complaint: what is missing may be among them */
};

/* "regions" ...: the key below `catalog`. */
const char *fleet_catalogue_key(enum fleet_catalogue_kind kind);

/* Reads <bytes>; rows come from <scratch>, messages from <arena>. Bad rows are complained about
 * and left out. False: no room in <scratch>. */
bool fleet_catalogue_read(enum fleet_catalogue_kind kind, struct span bytes, struct span file,
                          struct arena *scratch, struct arena *arena,
                          struct fleet_complaints *complaints,
                          struct fleet_catalogue_file *ret_file);

/* The row whose text columns are these (<second> empty: one column); a second such row is
 * complained about. NULL: none. */
const struct fleet_catalogue_row *fleet_catalogue_find(const struct fleet_catalogue_file *file,
                                                       struct span first, struct span second,
                                                       struct arena *arena,
                                                       struct fleet_complaints *complaints);

#endif
