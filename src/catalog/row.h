/* row.h: the rows of one file of a catalogue, checked cell by cell. What a row says about other
 * rows is checked by read.c. */
#ifndef CATALOG_ROW_H
#define CATALOG_ROW_H

#include "catalog/schema.h"
#include "fleet/table.h"

/* Names that cells may refer to. */
struct catalog_names {
    const struct span *name;
    uint32_t count;
    uint32_t hint;  /* the last one found: files are mostly in order */
    bool is_broken; /* rows that define some were refused: unknown ones are not complained about */
    const char *file; /* that defines them */
};

struct catalog_row_reader {
    const struct catalog_schema *schema;
    struct fleet_table table;
    struct catalog_names *regions, *skus, *models,
        *grids;     /* needed where a column refers to them */
    bool is_broken; /* a row was refused */
};

/* Begins with the header. <reader> has the names already. */
void catalog_row_begin(struct catalog_row_reader *reader, enum catalog_file file, struct span bytes,
                       struct span path, struct arena *arena, struct fleet_complaints *complaints);

/* The next row without a mistake; those with one are complained about. False behind the last. */
bool catalog_row_next(struct catalog_row_reader *reader, union catalog_row *ret_row);

/* Complains of the row just read, at its column <column>. */
__attribute__((format(printf, 3, 4))) void
catalog_row_complain(struct catalog_row_reader *reader, uint32_t column, const char *format, ...);

/* Index or CATALOG_NONE. */
uint16_t catalog_names_find(struct catalog_names *names, struct span name);

/* A plain decimal (no exponent, no sign but -), and a day as yyyymmdd. */
bool catalog_parse_number(struct span cell, double *ret_number);
bool catalog_parse_date(struct span cell, uint32_t *ret_date);

/* Visible ASCII without space, quote and comma, 1 .. LIMIT_NAME bytes. */
bool catalog_name_is_valid(struct span name);

#endif
