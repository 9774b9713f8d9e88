#include "fleet/table.h"

#include "base/check.h"

enum { NO_COLUMN = UINT8_MAX, SHOWN_MAX = 64 /* bytes of a cell in a message */ };

/* A line that is being cut into cells. */
struct cutter {
    struct span line; /* what is left of it */
    const char *begin;
    bool is_last; /* the cell just cut ends the line */
    bool is_torn; /* a quoted cell without its end, or with something behind it */
};

static struct span shown(struct span cell)
{
    return span_from(cell.p, cell.n < SHOWN_MAX ? cell.n : SHOWN_MAX);
}

static struct fleet_place place_at(const struct fleet_table *table, uint32_t column)
{
    return (struct fleet_place){table->file, table->line, column};
}

void fleet_table_init(struct fleet_table *table, struct span bytes, struct span file,
                      uint32_t rows_max, struct arena *arena, struct fleet_complaints *complaints)
{
    if (span_starts_with(bytes, "\xEF\xBB\xBF"))
        bytes = span_from(bytes.p + 3, bytes.n - 3);
    *table = (struct fleet_table){.file = file,
                                  .arena = arena,
                                  .complaints = complaints,
                                  .rest = bytes,
                                  .rows_max = rows_max};
}

void fleet_table_expect(struct fleet_table *table, const char *column, bool is_optional)
{
    CHECK(table->column_count < FLEET_TABLE_COLUMNS_MAX);
    table->is_optional[table->column_count] = is_optional;
    table->columns[table->column_count++] = column;
}

/* Where the quoted cell that begins at p[0] ends: the index of its last quote, n when it has none.
 */
static size_t find_quote(const char *p, size_t n, bool *ret_has_inner)
{
    size_t end = 1;
    *ret_has_inner = false;
    for (; end < n; end++) {
        if (p[end] != '"')
            continue;
        if (end + 1 == n || p[end + 1] != '"')
            return end;
        *ret_has_inner = true;
        end++;
    }
    return n;
}

/* "" -> ". An arena without room is noticed by whoever owns it. */
static struct span undouble(struct span cell, struct arena *arena)
{
    char *copy = arena_take(arena, cell.n);
    size_t n = 0;
    for (size_t i = 0; copy && i < cell.n; i++) {
        copy[n++] = cell.p[i];
        i += cell.p[i] == '"';
    }
    return span_from(copy, n);
}

/* The next cell; the mark behind it is eaten. */
static struct span cut_cell(struct cutter *cutter, struct arena *arena)
{
    const char *p = cutter->line.p;
    size_t n = cutter->line.n, end = 0;
    struct span cell;
    if (n > 0 && p[0] == '"') {
        bool has_inner;
        end = find_quote(p, n, &has_inner);
        cutter->is_torn = end == n || (end + 1 < n && p[end + 1] != ',');
        cell = span_from(p + 1, end - 1);
        if (has_inner && !cutter->is_torn)
            cell = undouble(cell, arena);
        end += end < n;
    } else {
        const char *mark = n > 0 ? memchr(p, ',', n) : NULL;
        end = mark ? (size_t)(mark - p) : n;
        cell = span_trim(span_from(p, end));
    }
    cutter->is_last = end >= n;
    size_t next = cutter->is_last ? n : end + 1;
    cutter->line = span_from(p + next, n - next);
    return cell;
}

/* Cells of one line in their order; false (complained) when it has more than can be. */
static bool cut_cells(struct fleet_table *table, struct span line,
                      struct span cells[FLEET_TABLE_COLUMNS_MAX],
                      uint32_t starts[FLEET_TABLE_COLUMNS_MAX], uint32_t *ret_count)
{
    struct cutter cutter = {.line = line, .begin = line.p};
    uint32_t count = 0;
    while (!cutter.is_last) {
        uint32_t start = (uint32_t)(cutter.line.p - cutter.begin) + 1;
        struct span cell = cut_cell(&cutter, table->arena);
        if (cutter.is_torn) {
            fleet_complain(table->complaints, table->arena, place_at(table, start),
                           "expected a quoted cell that ends with \" before a comma or the end of "
                           "its line, found \"%.*s",
                           SPAN_ARG(shown(cell)));
            return false;
        }
        if (count == FLEET_TABLE_COLUMNS_MAX) {
            fleet_complain(table->complaints, table->arena, place_at(table, start),
                           "expected at most %u cells, found more",
                           table->cell_count > 0 ? table->cell_count : table->column_count);
            return false;
        }
        cells[count] = cell;
        starts[count++] = start;
    }
    *ret_count = count;
    return true;
}

static uint8_t find_column(struct fleet_table *table, struct span name, uint32_t start)
{
    struct span names[FLEET_TABLE_COLUMNS_MAX];
    for (uint32_t i = 0; i < table->column_count; i++) {
        names[i] = span_of(table->columns[i]);
        if (span_is_equal(names[i], name))
            return (uint8_t)i;
    }
    int nearest = fleet_nearest(name, names, table->column_count);
    fleet_complain(table->complaints, table->arena, place_at(table, start),
                   "unknown column \"%.*s\"%s%s%s", SPAN_ARG(shown(name)),
                   nearest >= 0 ? ": did you mean " : "",
                   nearest >= 0 ? table->columns[nearest] : "", nearest >= 0 ? "?" : "");
    return NO_COLUMN;
}

bool fleet_table_has(const struct fleet_table *table, uint32_t column)
{
    for (uint32_t i = 0; i < table->cell_count; i++)
        if (table->order[i] == column)
            return true;
    return false;
}

static bool read_header(struct fleet_table *table, struct span line)
{
    struct span cells[FLEET_TABLE_COLUMNS_MAX];
    uint32_t starts[FLEET_TABLE_COLUMNS_MAX], count;
    if (!cut_cells(table, line, cells, starts, &count))
        return false;
    if (count == 1 && memchr(line.p, ';', line.n)) {
        fleet_complain(table->complaints, table->arena, place_at(table, 1),
                       "expected columns separated by commas, found semicolons");
        return false;
    }
    bool is_good = true;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t column = find_column(table, cells[i], starts[i]);
        if (column != NO_COLUMN && fleet_table_has(table, column)) {
            fleet_complain(table->complaints, table->arena, place_at(table, starts[i]),
                           "column %s: expected once, found again", table->columns[column]);
            is_good = false;
        }
        is_good = is_good && column != NO_COLUMN;
        table->order[i] = column;
        table->cell_count = i + 1;
    }
    for (uint32_t i = 0; is_good && i < table->column_count; i++) {
        if (table->is_optional[i] || fleet_table_has(table, i))
            continue;
        fleet_complain(table->complaints, table->arena, place_at(table, 1),
                       "expected the column %s", table->columns[i]);
        return false;
    }
    return is_good;
}

/* The next line that says something; false: there is none. */
static bool cut_line(struct fleet_table *table, struct span *ret_line)
{
    while (table->rest.n > 0) {
        struct span line = span_cut(&table->rest, '\n');
        table->line++;
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (span_trim(line).n == 0 || line.p[0] == '#')
            continue;
        *ret_line = line;
        return true;
    }
    return false;
}

bool fleet_table_begin(struct fleet_table *table)
{
    CHECK(table->column_count > 0 && table->line == 0);
    struct span line;
    if (!cut_line(table, &line)) {
        fleet_complain(table->complaints, table->arena, (struct fleet_place){table->file, 0, 0},
                       "expected a header line that names the columns, found none");
        return false;
    }
    return read_header(table, line);
}

bool fleet_table_next(struct fleet_table *table)
{
    struct span line, cells[FLEET_TABLE_COLUMNS_MAX];
    uint32_t starts[FLEET_TABLE_COLUMNS_MAX], count;
    CHECK(table->cell_count > 0);
    while (cut_line(table, &line)) {
        if (table->row_count == table->rows_max) {
            fleet_complain(table->complaints, table->arena, place_at(table, 1),
                           "expected at most %u rows", table->rows_max);
            table->rest = (struct span){NULL, 0};
            return false;
        }
        if (!cut_cells(table, line, cells, starts, &count))
            continue;
        if (count != table->cell_count) {
            fleet_complain(table->complaints, table->arena, place_at(table, 1),
                           "expected %u cells, found %u", table->cell_count, count);
            continue;
        }
        for (uint32_t i = 0; i < count; i++) {
            table->cells[table->order[i]] = cells[i];
            table->starts[table->order[i]] = starts[i];
        }
        table->row_count++;
        return true;
    }
    return false;
}

struct fleet_place fleet_table_place(const struct fleet_table *table, uint32_t column)
{
    CHECK(column < table->column_count);
    return place_at(table, table->starts[column] > 0 ? table->starts[column] : 1);
}

void fleet_table_complain(const struct fleet_table *table, uint32_t column, const char *expected)
{
    fleet_complain(table->complaints, table->arena, fleet_table_place(table, column),
                   "%s: expected %s, found \"%.*s\"", table->columns[column], expected,
                   SPAN_ARG(shown(table->cells[column])));
}
