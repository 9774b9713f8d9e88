/* table.h: rows and columns of a text file, as written: CSV, tab or space separated. Pure.
 *
 * The separator is the first of tab, comma, space that stands in the first line. Cells are spans
 * into the text (nothing is copied), trimmed, without quoting: a file with quotes is refused, since
 * a guess would shift columns in silence. Every row must have as many cells as the first. */
#ifndef LEARN_TABLE_H
#define LEARN_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"
#include "base/text.h"

struct learn_table {
    uint32_t column_count;
    size_t row_count;
    struct span *names; /* column_count; from the header line, or given */
    struct span *cells; /* row after row */
};

/* <names> NULL: the first line is a header. Else the file has none, or one whose cells all equal
 * the names, or with <skips_header> one that is passed over. ERR_SYNTAX with line and what was
 * expected; ERR_FULL beyond LIMIT_LEARN_*; ERR_MEMORY when <arena> is too small. */
MUST_USE enum err learn_table_parse(struct span text, const struct span *names, uint32_t name_count,
                                    bool skips_header, struct arena *arena,
                                    struct learn_table *ret_table, struct text *why);

/* Column of that name, or UINT32_MAX. */
uint32_t learn_table_find(const struct learn_table *table, struct span name);

static inline struct span learn_table_cell(const struct learn_table *table, size_t row,
                                           uint32_t column)
{
    return table->cells[row * table->column_count + column];
}

#endif
