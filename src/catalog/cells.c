#include "catalog/cells.h"

#include "base/check.h"
#include "base/hash.h"
#include "fleet/table.h"

enum { FROM, TO, USD_PER_GIB = 5, USD_PER_GIB_BACK = 6, SEEDS_MAX = 8 };

static uint32_t power_of_two(uint32_t least)
{
    uint32_t size = 16;
    while (size < least)
        size *= 2;
    return size;
}

bool catalog_cells_init(struct catalog_cells *cells, enum catalog_file file, struct span path,
                        uint32_t rows_max, struct arena *arena)
{
    const struct catalog_schema *schema = catalog_schema_of(file);
    *cells = (struct catalog_cells){.file = file,
                                    .schema = schema,
                                    .path = path,
                                    .column_count = schema->column_count + CATALOG_FACT_COLUMNS,
                                    .rows_max = rows_max};
    uint32_t slot_count = power_of_two(2 * rows_max);
    struct map_slot *slots = ARENA_ARRAY(arena, struct map_slot, slot_count);
    cells->lines = ARENA_ARRAY(arena, uint32_t, rows_max);
    cells->cells = ARENA_ARRAY(arena, struct span, (size_t)rows_max * cells->column_count);
    if (arena->is_overflown)
        return false;
    map_init(&cells->rows, slots, slot_count);
    return true;
}

static uint64_t hash_key(const struct catalog_cells *cells, const struct span *row, uint64_t seed)
{
    uint64_t hash = seed;
    for (uint32_t i = 0; i < cells->schema->key_count; i++)
        hash = hash_pair(hash, hash_span(row[i], seed));
    return hash ? hash : 1;
}

static bool has_key(const struct catalog_cells *cells, uint32_t at, const struct span *row)
{
    const struct span *there = catalog_cells_row(cells, at);
    for (uint32_t i = 0; i < cells->schema->key_count; i++)
        if (!span_is_equal(there[i], row[i]))
            return false;
    return true;
}

/* Two keys of one hash are told apart by further seeds. */
static bool find_row(const struct catalog_cells *cells, const struct span *row, uint64_t *ret_hash,
                     uint32_t *ret_row)
{
    for (uint64_t seed = 0; seed < SEEDS_MAX; seed++) {
        *ret_hash = hash_key(cells, row, seed);
        if (!map_find(&cells->rows, *ret_hash, ret_row))
            return false;
        if (has_key(cells, *ret_row, row))
            return true;
    }
    *ret_hash = 0;
    return false;
}

bool catalog_cells_find(const struct catalog_cells *cells, const struct span *row,
                        uint32_t *ret_row)
{
    uint64_t hash;
    uint32_t found;
    if (!find_row(cells, row, &hash, &found))
        return false;
    *ret_row = found;
    return true;
}

bool catalog_cells_add(struct catalog_cells *cells, const struct span *row, uint32_t line)
{
    uint64_t hash;
    uint32_t found;
    CHECK(!find_row(cells, row, &hash, &found));
    if (cells->row_count == cells->rows_max || hash == 0 ||
        !map_put(&cells->rows, hash, cells->row_count))
        return false;
    memcpy(catalog_cells_row(cells, cells->row_count), row, cells->column_count * sizeof *row);
    cells->lines[cells->row_count++] = line;
    return true;
}

static void turn_link(struct span *row)
{
    if (span_compare(row[FROM], row[TO]) <= 0)
        return;
    struct span from = row[FROM], usd = row[USD_PER_GIB];
    row[FROM] = row[TO];
    row[TO] = from;
    row[USD_PER_GIB] = row[USD_PER_GIB_BACK];
    row[USD_PER_GIB_BACK] = usd;
}

/* Fills in the fact's cells that the file does not have. */
static void fill_row(const struct fleet_table *table, uint32_t fact_at, const struct span *fact,
                     struct span *row)
{
    const uint32_t estimate = fact_at + 2;
    memcpy(row, table->cells, table->column_count * sizeof *row);
    for (uint32_t i = fact_at; fact && i < table->column_count; i++) {
        bool is_lacking = !fleet_table_has(table, i) || (row[i].n == 0 && i == estimate);
        if (is_lacking)
            row[i] = fact[i - fact_at];
    }
}

static uint32_t count_lines(struct span bytes)
{
    uint32_t count = 1;
    for (size_t i = 0; i < bytes.n; i++)
        count += bytes.p[i] == '\n';
    return count;
}

bool catalog_cells_read(enum catalog_file file, struct span bytes, struct span path,
                        const struct span *fact, struct arena *arena,
                        struct fleet_complaints *complaints, struct catalog_cells *ret_cells)
{
    uint32_t rows_max = catalog_schema_of(file)->rows_max, lines = count_lines(bytes);
    if (!catalog_cells_init(ret_cells, file, path, lines < rows_max ? lines : rows_max, arena))
        return false;
    const struct catalog_schema *schema = ret_cells->schema;
    struct fleet_table table;
    fleet_table_init(&table, bytes, path, rows_max, arena, complaints);
    for (uint32_t i = 0; i < ret_cells->column_count; i++)
        fleet_table_expect(&table, catalog_cells_column(ret_cells, i),
                           fact && i >= schema->column_count);
    if (!fleet_table_begin(&table))
        return !arena->is_overflown;
    while (fleet_table_next(&table)) {
        struct span row[CATALOG_CELLS_MAX];
        uint32_t first;
        fill_row(&table, schema->column_count, fact, row);
        if (file == CATALOG_FILE_LINKS)
            turn_link(row);
        if (catalog_cells_find(ret_cells, row, &first)) {
            fleet_complain(complaints, arena, fleet_table_place(&table, 0),
                           "%s: expected once, found again (first in line %u)", table.columns[0],
                           ret_cells->lines[first]);
            continue;
        }
        CHECK(catalog_cells_add(ret_cells, row, table.line));
    }
    return !arena->is_overflown;
}

const char *catalog_cells_column(const struct catalog_cells *cells, uint32_t column)
{
    uint32_t own = cells->schema->column_count;
    CHECK(column < cells->column_count);
    return column < own ? cells->schema->columns[column].name : catalog_fact_column(column - own);
}

static bool needs_quotes(struct span cell)
{
    if (cell.n == 0)
        return false;
    for (size_t i = 0; i < cell.n; i++)
        if (cell.p[i] == ',' || cell.p[i] == '"')
            return true;
    return cell.p[0] == '#' || span_trim(cell).n < cell.n;
}

static void print_cell(struct span cell, struct text *text)
{
    if (!needs_quotes(cell)) {
        text_add_span(text, cell);
        return;
    }
    text_add_c(text, '"');
    for (size_t i = 0; i < cell.n; i++) {
        if (cell.p[i] == '"')
            text_add_c(text, '"');
        text_add_c(text, cell.p[i]);
    }
    text_add_c(text, '"');
}

void catalog_cells_print(const struct catalog_cells *cells, struct text *text)
{
    for (uint32_t i = 0; i < cells->column_count; i++)
        text_add(text, "%s%s", i ? "," : "", catalog_cells_column(cells, i));
    text_add_c(text, '\n');
    for (uint32_t row = 0; row < cells->row_count; row++) {
        for (uint32_t i = 0; i < cells->column_count; i++) {
            if (i > 0)
                text_add_c(text, ',');
            print_cell(catalog_cells_row(cells, row)[i], text);
        }
        text_add_c(text, '\n');
    }
}

size_t catalog_cells_size(const struct catalog_cells *cells)
{
    size_t size = 2;
    for (uint32_t i = 0; i < cells->column_count; i++)
        size += strlen(catalog_cells_column(cells, i)) + 1;
    for (uint32_t row = 0; row < cells->row_count; row++)
        for (uint32_t i = 0; i < cells->column_count; i++)
            size += 2 * catalog_cells_row(cells, row)[i].n + 3;
    return size;
}
