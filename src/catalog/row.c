#include "catalog/row.h"

#include <stdarg.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/text.h"

enum { YEAR_MIN = 2015, YEAR_MAX = 2100, SOURCE_MAX = 2 * LIMIT_NAME };

void catalog_row_begin(struct catalog_row_reader *reader, enum catalog_file file, struct span bytes,
                       struct span path, struct arena *arena, struct fleet_complaints *complaints)
{
    reader->schema = catalog_schema_of(file);
    fleet_table_init(&reader->table, bytes, path, reader->schema->rows_max, arena, complaints);
    for (uint32_t i = 0; i < reader->schema->column_count; i++)
        fleet_table_expect(&reader->table, reader->schema->columns[i].name, false);
    for (uint32_t i = 0; i < CATALOG_FACT_COLUMNS; i++)
        fleet_table_expect(&reader->table, catalog_fact_column(i), false);
    if (fleet_table_begin(&reader->table))
        return;
    reader->is_broken = true;
    reader->table.rest = (struct span){NULL, 0};
}

void catalog_row_complain(struct catalog_row_reader *reader, uint32_t column, const char *format,
                          ...)
{
    char buffer[512];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    va_list args;
    va_start(args, format);
    text_add_v(&text, format, args);
    va_end(args);
    fleet_complain(reader->table.complaints, reader->table.arena,
                   fleet_table_place(&reader->table, column), "%s: %.*s",
                   reader->table.columns[column], SPAN_ARG(text_span(&text)));
    reader->is_broken = true;
}

bool catalog_name_is_valid(struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] > '~' || name.p[i] == '"' || name.p[i] == ',')
            return false;
    return name.n > 0 && name.n <= LIMIT_NAME;
}

bool catalog_parse_number(struct span cell, double *ret_number)
{
    for (size_t i = 0; i < cell.n; i++) {
        bool is_digit = cell.p[i] >= '0' && cell.p[i] <= '9';
        if (!is_digit && cell.p[i] != '.' && !(i == 0 && cell.p[i] == '-'))
            return false;
    }
    return span_to_double(cell, ret_number);
}

static uint32_t days_of(uint64_t year, uint64_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : days[month - 1];
}

bool catalog_parse_date(struct span cell, uint32_t *ret_date)
{
    uint64_t year, month, day;
    if (cell.n != 10 || cell.p[4] != '-' || cell.p[7] != '-')
        return false;
    if (!span_to_u64(span_from(cell.p, 4), &year) ||
        !span_to_u64(span_from(cell.p + 5, 2), &month) ||
        !span_to_u64(span_from(cell.p + 8, 2), &day))
        return false;
    if (year < YEAR_MIN || year > YEAR_MAX || month < 1 || month > 12 || day < 1 ||
        day > days_of(year, month))
        return false;
    *ret_date = (uint32_t)(year * 10000 + month * 100 + day);
    return true;
}

uint16_t catalog_names_find(struct catalog_names *names, struct span name)
{
    for (uint32_t i = 0; i < names->count; i++) {
        uint32_t at =
            names->hint + i < names->count ? names->hint + i : names->hint + i - names->count;
        if (!span_is_equal(names->name[at], name))
            continue;
        names->hint = at;
        return (uint16_t)at;
    }
    return CATALOG_NONE;
}

/* --- one cell --- */

static bool read_reference(struct catalog_row_reader *reader, uint32_t column,
                           struct catalog_names *names, uint16_t *ret_index)
{
    struct span cell = reader->table.cells[column];
    CHECK(names);
    *ret_index = catalog_names_find(names, cell);
    if (*ret_index != CATALOG_NONE)
        return true;
    reader->is_broken = true;
    if (names->is_broken)
        return false;
    int nearest = fleet_nearest(cell, names->name, names->count);
    struct span meant = nearest >= 0 ? names->name[nearest] : (struct span){NULL, 0};
    catalog_row_complain(reader, column, "expected a name of %s, found \"%.*s\"%s%.*s%s",
                         names->file, (int)(cell.n < LIMIT_NAME ? cell.n : LIMIT_NAME), cell.p,
                         nearest >= 0 ? ": did you mean " : "", SPAN_ARG(meant),
                         nearest >= 0 ? "?" : "");
    return false;
}

static bool complain_number(struct catalog_row_reader *reader, uint32_t column, const char *what)
{
    const struct catalog_column *row = &reader->schema->columns[column];
    char buffer[96];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    text_add(&text, "%s of ", what);
    text_add_micro(&text, (int64_t)(row->min * 1e6));
    text_add(&text, " .. ");
    text_add_micro(&text, (int64_t)(row->max * 1e6));
    fleet_table_complain(&reader->table, column, buffer);
    return false;
}

static bool read_number(struct catalog_row_reader *reader, uint32_t column, double *ret_number)
{
    const struct catalog_column *row = &reader->schema->columns[column];
    struct span cell = reader->table.cells[column];
    bool is_empty = row->cell == CATALOG_CELL_NUMBER_OR_NONE && cell.n == 0;
    double number = 0;
    if (!is_empty &&
        (!catalog_parse_number(cell, &number) || number < row->min || number > row->max))
        return complain_number(reader, column, "a plain decimal");
    *ret_number = number;
    return true;
}

static bool read_count(struct catalog_row_reader *reader, uint32_t column, uint64_t *ret_count)
{
    const struct catalog_column *row = &reader->schema->columns[column];
    uint64_t count;
    if (!span_to_u64(reader->table.cells[column], &count) || count < (uint64_t)row->min ||
        count > (uint64_t)row->max)
        return complain_number(reader, column, "a whole number");
    *ret_count = count;
    return true;
}

static bool read_name(struct catalog_row_reader *reader, uint32_t column, struct span *ret_name)
{
    struct span cell = reader->table.cells[column];
    bool may_be_empty = reader->schema->columns[column].cell == CATALOG_CELL_NAME_OR_NONE;
    if (!catalog_name_is_valid(cell) && !(may_be_empty && cell.n == 0)) {
        fleet_table_complain(&reader->table, column,
                             "a name of at most 64 visible ASCII characters without spaces");
        return false;
    }
    *ret_name = cell;
    return true;
}

static bool read_market(struct catalog_row_reader *reader, uint32_t column,
                        enum catalog_market *ret_market)
{
    if (catalog_market_find(reader->table.cells[column], ret_market))
        return true;
    fleet_table_complain(&reader->table, column, "on_demand, spot or reserved");
    return false;
}

static bool read_cell(struct catalog_row_reader *reader, uint32_t column, union catalog_row *row)
{
    const struct catalog_column *about = &reader->schema->columns[column];
    void *at = (char *)row + about->offset;
    uint64_t count;
    double number;
    switch (about->cell) {
    case CATALOG_CELL_TEXT:
        return true;
    case CATALOG_CELL_NAME:
    case CATALOG_CELL_NAME_OR_NONE:
        return read_name(reader, column, at);
    case CATALOG_CELL_NUMBER:
    case CATALOG_CELL_NUMBER_OR_NONE:
        return read_number(reader, column, at);
    case CATALOG_CELL_NUMBER_SHOWN:
        return read_number(reader, column, &number);
    case CATALOG_CELL_COUNT:
        if (!read_count(reader, column, &count))
            return false;
        *(uint32_t *)at = (uint32_t)count;
        return true;
    case CATALOG_CELL_SIZE:
        return read_count(reader, column, at);
    case CATALOG_CELL_REGION:
        return read_reference(reader, column, reader->regions, at);
    case CATALOG_CELL_SKU:
        return read_reference(reader, column, reader->skus, at);
    case CATALOG_CELL_MODEL:
        return read_reference(reader, column, reader->models, at);
    case CATALOG_CELL_GRID:
        return read_reference(reader, column, reader->grids, at);
    case CATALOG_CELL_MARKET:
        return read_market(reader, column, at);
    }
    CHECK(about->cell <= CATALOG_CELL_MARKET);
    return false;
}

/* --- source, date, estimate, rule --- */

/* Names joined by '+'. */
static bool is_names(struct span cell)
{
    if (cell.n == 0 || cell.n > SOURCE_MAX)
        return false;
    while (cell.p) {
        struct span name = span_cut(&cell, '+');
        if (!catalog_name_is_valid(name))
            return false;
    }
    return true;
}

static bool read_fact(struct catalog_row_reader *reader, struct catalog_fact *ret_fact)
{
    const struct fleet_table *table = &reader->table;
    uint32_t source = reader->schema->column_count, date = source + 1, estimate = source + 2,
             rule = source + 3;
    struct catalog_fact fact = {.source = table->cells[source],
                                .rule = table->cells[rule],
                                .line = table->line,
                                .is_estimate = span_is(table->cells[estimate], "true")};
    bool is_good = true;
    if (!is_names(fact.source)) {
        fleet_table_complain(table, source, "names of sources, joined by +");
        is_good = false;
    }
    if (!catalog_parse_date(table->cells[date], &fact.date)) {
        fleet_table_complain(table, date, "a day as YYYY-MM-DD from 2015 on");
        is_good = false;
    }
    if (!fact.is_estimate && !span_is(table->cells[estimate], "false")) {
        fleet_table_complain(table, estimate, "true or false");
        return false;
    }
    if (fact.is_estimate ? !is_names(fact.rule) : fact.rule.n > 0) {
        fleet_table_complain(table, rule,
                             fact.is_estimate ? "names of the rules of the estimate, joined by +"
                                              : "nothing, since the row is no estimate");
        is_good = false;
    }
    *ret_fact = fact;
    return is_good;
}

bool catalog_row_next(struct catalog_row_reader *reader, union catalog_row *ret_row)
{
    uint32_t said = reader->table.complaints->count + reader->table.complaints->left_out;
    bool is_found = false;
    while (!is_found && reader->table.rest.n > 0 && fleet_table_next(&reader->table)) {
        memset(ret_row, 0, sizeof *ret_row);
        is_found = true;
        for (uint32_t i = 0; i < reader->schema->column_count; i++)
            is_found = read_cell(reader, i, ret_row) && is_found;
        void *fact = (char *)ret_row + reader->schema->fact_offset;
        is_found = read_fact(reader, fact) && is_found;
    }
    if (reader->table.complaints->count + reader->table.complaints->left_out > said)
        reader->is_broken = true;
    return is_found;
}
