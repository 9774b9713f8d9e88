/* schema.h: the files of a catalogue as tables: columns, ranges, keys, and where a cell goes in the
 * struct of its row. Reader and import work from these rows (data/catalog/README.md says them in
 * words). The four columns source, date, estimate, rule end every file and go into a catalog_fact.
 */
#ifndef CATALOG_SCHEMA_H
#define CATALOG_SCHEMA_H

#include <stddef.h>

#include "catalog/catalog.h"

enum catalog_cell {
    CATALOG_CELL_NAME,           /* struct span: visible, no space or quote, 1 .. LIMIT_NAME */
    CATALOG_CELL_NAME_OR_NONE,   /* the same, or empty */
    CATALOG_CELL_TEXT,           /* for people; not kept */
    CATALOG_CELL_NUMBER,         /* double, a plain decimal within min .. max */
    CATALOG_CELL_NUMBER_OR_NONE, /* the same; empty is 0 */
    CATALOG_CELL_NUMBER_SHOWN,   /* the same; not kept */
    CATALOG_CELL_COUNT,          /* uint32_t within min .. max */
    CATALOG_CELL_SIZE,           /* uint64_t within min .. max */
    CATALOG_CELL_REGION,         /* uint16_t: a name of regions.csv */
    CATALOG_CELL_SKU,
    CATALOG_CELL_MODEL,
    CATALOG_CELL_GRID,  /* uint16_t: a grid_zone of carbon.csv and power.csv */
    CATALOG_CELL_MARKET /* enum catalog_market */
};

struct catalog_column {
    const char *name;
    enum catalog_cell cell;
    size_t offset; /* in the row */
    double min, max;
};

enum { CATALOG_COLUMNS_MAX = 12, CATALOG_FACT_COLUMNS = 4, CATALOG_KEYS_MAX = 5 };

struct catalog_schema {
    struct catalog_column columns[CATALOG_COLUMNS_MAX];
    uint32_t column_count; /* without those of the fact */
    uint32_t key_count;    /* the first ones are the key */
    uint32_t rows_max;
    size_t row_size, fact_offset;
};

/* Rows that are no struct of catalog.h. */
struct catalog_offer_row { /* prices.csv has usd_h, stock.csv the count */
    uint16_t region, sku;
    enum catalog_market market;
    double usd_h;
    uint32_t count;
    struct catalog_fact fact;
};

struct catalog_link_row { /* both directions */
    uint16_t from, to;
    double rtt_ms, margin_ms, bandwidth_mbps, usd_gib, usd_gib_back;
    struct catalog_fact fact;
};

struct catalog_hour_row { /* carbon.csv and power.csv */
    struct span grid;
    uint32_t hour;
    double value;
    struct catalog_fact fact;
};

union catalog_row {
    struct catalog_region region;
    struct catalog_sku sku;
    struct catalog_offer_row offer;
    struct catalog_spot spot;
    struct catalog_link_row link;
    struct catalog_client client;
    struct catalog_hour_row hour;
    struct catalog_model model;
    struct catalog_profile profile;
};

const struct catalog_schema *catalog_schema_of(enum catalog_file file);

/* "source", "date", "estimate", "rule" by index. */
const char *catalog_fact_column(uint32_t index);

#endif
