/* catalog_table.h: rows of figures for `farspan catalog`: the same cells as a table of at most 100
 * columns or as JSON. An estimated figure has ~ before it; in JSON its row says "estimate" and
 * "rule". */
#ifndef CLI_CATALOG_TABLE_H
#define CLI_CATALOG_TABLE_H

#include "base/text.h"
#include "catalog/catalog.h"

enum { CATALOG_TABLE_COLUMNS_MAX = 12, CATALOG_TABLE_WORDS = -1 };

struct catalog_table_column {
    const char *key, *title; /* in JSON (NULL: not there), on the terminal */
    int decimals;            /* of a number; CATALOG_TABLE_WORDS: words */
    unsigned width_max;      /* on the terminal; longer words are cut */
    const char *rules; /* beginnings of the rules that estimate this figure, separated by spaces */
};

struct catalog_table_cell {
    struct span words;
    double number;
    bool is_nothing;  /* "-", null */
    bool is_estimate; /* beside what the fact of the row says */
};

struct catalog_table {
    const struct catalog_table_column *columns;
    uint32_t column_count, row_count, rows_max;
    struct catalog_table_cell *cells;
    const struct catalog_fact **facts; /* of each row; NULL: none of its own */
};

/* False: no room in <arena>. */
bool catalog_table_init(struct catalog_table *table, const struct catalog_table_column *columns,
                        uint32_t column_count, uint32_t rows_max, struct arena *arena);

/* The cells of the next row, to be filled in; <fact> (may be NULL) must stay. */
struct catalog_table_cell *catalog_table_add(struct catalog_table *table,
                                             const struct catalog_fact *fact);

/* The <which>-th row's cells. */
static inline struct catalog_table_cell *catalog_table_row(const struct catalog_table *table,
                                                           uint32_t which)
{
    return table->cells + (size_t)which * table->column_count;
}

/* Header and rows, each line indented by <indent>. */
void catalog_table_print(const struct catalog_table *table, unsigned indent, struct text *out);

/* An array of objects. */
void catalog_table_json(const struct catalog_table *table, struct text *out);

/* The keys "source", "date" (YYYY-MM-DD), "estimate", "rule". */
void catalog_fact_json(const struct catalog_fact *fact, struct text *out);

/* yyyymmdd -> YYYY-MM-DD */
void catalog_date_add(uint32_t date, struct text *out);

static inline struct catalog_table_cell catalog_words(struct span words)
{
    return (struct catalog_table_cell){.words = words, .is_nothing = words.n == 0};
}

static inline struct catalog_table_cell catalog_number(double number)
{
    return (struct catalog_table_cell){.number = number};
}

static inline struct catalog_table_cell catalog_nothing(void)
{
    return (struct catalog_table_cell){.is_nothing = true};
}

#endif
