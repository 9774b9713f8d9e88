/* table.h: a CSV file row by row, its cells by the names of their columns.
 *
 * A header line names the columns, in any order; none may be unknown, none given twice, and those
 * expected without <is_optional> must all be there. Lines starting with # and empty lines are
 * skipped, as is a byte order mark; a line ends with LF or CR LF. A cell may stand in double
 * quotes: then commas and spaces are its own, and "" is one quote. A quoted cell ends on its line.
 * Every mistake is complained about at its line and column and its row left out.
 *
 *     fleet_table_init(&table, bytes, file, rows_max, arena, complaints);
 *     fleet_table_expect(&table, "region", false);
 *     if (fleet_table_begin(&table))
 *         while (fleet_table_next(&table))
 *             ... table.cells[0] ...
 *
 * Invariants
 *   1. cells point into <bytes>; only one with "" inside is a copy in <arena>.
 *   2. after fleet_table_next() every expected column has its cell; one that the file does not
 *      have is {NULL, 0} with starts 0. */
#ifndef FLEET_TABLE_H
#define FLEET_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/span.h"
#include "fleet/complaint.h"

enum { FLEET_TABLE_COLUMNS_MAX = 20 };

struct fleet_table {
    struct span file; /* as messages name it */
    struct arena *arena;
    struct fleet_complaints *complaints;
    struct span rest; /* bytes not yet read */
    uint32_t line;    /* of the row, from 1 */
    uint32_t row_count, rows_max;
    uint32_t column_count; /* expected ones */
    uint32_t cell_count;   /* of each line */
    const char *columns[FLEET_TABLE_COLUMNS_MAX];
    bool is_optional[FLEET_TABLE_COLUMNS_MAX];
    uint8_t order[FLEET_TABLE_COLUMNS_MAX];     /* the expected column of the i-th cell of a line */
    struct span cells[FLEET_TABLE_COLUMNS_MAX]; /* of the row, by expected column */
    uint32_t starts[FLEET_TABLE_COLUMNS_MAX];   /* where they begin in their line, from 1 */
};

/* <bytes> must outlive the cells. More than <rows_max> rows are a mistake. */
void fleet_table_init(struct fleet_table *table, struct span bytes, struct span file,
                      uint32_t rows_max, struct arena *arena, struct fleet_complaints *complaints);

/* The next column's index is the number of those expected before it. <column> must stay. */
void fleet_table_expect(struct fleet_table *table, const char *column, bool is_optional);

/* Reads the header; false: there is none, or a bad one (complained). */
bool fleet_table_begin(struct fleet_table *table);

/* The next good row; false behind the last. */
bool fleet_table_next(struct fleet_table *table);

/* Does the file have this expected column? */
bool fleet_table_has(const struct fleet_table *table, uint32_t column);

/* The place of a cell of the row; of a column that the file does not have: of the row. */
struct fleet_place fleet_table_place(const struct fleet_table *table, uint32_t column);

/* "COLUMN: expected WHAT, found "CELL"" at its place. */
void fleet_table_complain(const struct fleet_table *table, uint32_t column, const char *expected);

#endif
