/* cells.h: a file of a catalogue as its cells, with rows found by key: for import and diff, which
 * keep what a file says word by word. What the cells mean is checked by catalog_read(). */
#ifndef CATALOG_CELLS_H
#define CATALOG_CELLS_H

#include "base/map.h"
#include "catalog/schema.h"

enum { CATALOG_CELLS_MAX = CATALOG_COLUMNS_MAX + CATALOG_FACT_COLUMNS };

struct catalog_cells {
    enum catalog_file file;
    const struct catalog_schema *schema;
    struct span path;      /* as messages name it */
    uint32_t column_count; /* the schema's, then source, date, estimate, rule */
    uint32_t row_count, rows_max;
    struct span *cells; /* row by row */
    uint32_t *lines;    /* of each row, from 1; 0: of no file */
    struct map rows;    /* by hash of the key */
};

/* Room for <rows_max> rows; false: no room in <arena>. */
bool catalog_cells_init(struct catalog_cells *cells, enum catalog_file file, struct span path,
                        uint32_t rows_max, struct arena *arena);

/* Reads <bytes>, which must outlive the cells. With <fact> (CATALOG_FACT_COLUMNS cells) the columns
 * source, date, estimate and rule may be missing and have these cells then; an estimate that is
 * empty is false. Links are turned so that from <= to. A row whose key was there already is
 * complained about. False: no room in <arena>. */
bool catalog_cells_read(enum catalog_file file, struct span bytes, struct span path,
                        const struct span *fact, struct arena *arena,
                        struct fleet_complaints *complaints, struct catalog_cells *ret_cells);

static inline struct span *catalog_cells_row(const struct catalog_cells *cells, uint32_t row)
{
    return cells->cells + (size_t)row * cells->column_count;
}

/* The row with the key of <row> (its first cells count). */
bool catalog_cells_find(const struct catalog_cells *cells, const struct span *row,
                        uint32_t *ret_row);

/* Appends a row whose key is not there. False: <rows_max> are there. */
bool catalog_cells_add(struct catalog_cells *cells, const struct span *row, uint32_t line);

const char *catalog_cells_column(const struct catalog_cells *cells, uint32_t column);

/* As a CSV file: header, rows in their order; cells are quoted where they must be. */
void catalog_cells_print(const struct catalog_cells *cells, struct text *text);

/* How large the printed file can be. */
size_t catalog_cells_size(const struct catalog_cells *cells);

#endif
