#include "fleet/catalogue.h"

#include "base/check.h"
#include "base/limits.h"
#include "fleet/table.h"
#include "fleet/units.h"

enum cell { CELL_TEXT, CELL_NUMBER, CELL_SPEED, CELL_BOOL, CELL_RULE };

/* A column: where its value goes, what one of its unit is in the row's unit, and its range in that.
 */
struct column {
    const char *name;
    enum cell cell;
    unsigned index;
    int64_t factor, min, max;
};

enum { COLUMNS_MAX = 9 };

#define ESTIMATE                                                                                   \
    {"estimate", CELL_BOOL, 0, 0, 0, 0},                                                           \
    {                                                                                              \
        "rule", CELL_RULE, 0, 0, 0, 0                                                              \
    }

static const struct column columns[CATALOGUE_KINDS][COLUMNS_MAX] = {
    [CATALOGUE_REGIONS] = {{"region", CELL_TEXT, 0, 0, 0, 0},
                           {"latitude", CELL_NUMBER, 0, 1000000, -90000000, 90000000},
                           {"longitude", CELL_NUMBER, 1, 1000000, -180000000, 180000000},
                           ESTIMATE},
    [CATALOGUE_PRICES] = {{"region", CELL_TEXT, 0, 0, 0, 0},
                          {"sku", CELL_TEXT, 1, 0, 0, 0},
                          {"usd_per_hour", CELL_NUMBER, 0, 1000000, 0, INT64_C(100000000000)},
                          ESTIMATE},
    [CATALOGUE_LINKS] = {{"from", CELL_TEXT, 0, 0, 0, 0},
                         {"to", CELL_TEXT, 1, 0, 0, 0},
                         {"rtt_ms", CELL_NUMBER, 0, 1000, 0, 60000000},
                         {"jitter_ms", CELL_NUMBER, 1, 1000, 0, 10000000},
                         {"bandwidth_mbit", CELL_NUMBER, 2, 1000000, 1000, INT64_C(1000000000000)},
                         {"loss_percent", CELL_NUMBER, 3, 10000, 0, 500000},
                         {"usd_per_gb", CELL_NUMBER, 4, 1000000, 0, 1000000000},
                         ESTIMATE},
    [CATALOGUE_PROFILES] = {{"profile", CELL_TEXT, 0, 0, 0, 0},
                            {"prefill_tokens_per_s", CELL_SPEED, 0, 0, 1, UINT32_MAX},
                            {"decode_tokens_per_s", CELL_SPEED, 1, 0, 1, UINT32_MAX},
                            {"slots", CELL_NUMBER, 2, 1, 1, LIMIT_WORKER_RUNNING},
                            ESTIMATE},
};

const char *fleet_catalogue_key(enum fleet_catalogue_kind kind)
{
    static const char *const keys[CATALOGUE_KINDS] = {"regions", "prices", "links", "profiles"};
    CHECK(kind < CATALOGUE_KINDS);
    return keys[kind];
}

static bool parse_speed(struct span cell, int64_t *ret_ns)
{
    int64_t micro;
    if (!units_decimal(cell, 1000000, &micro) || micro <= 0)
        return false;
    const int64_t ns_times_micro = INT64_C(1000000000000000);
    *ret_ns = (ns_times_micro + micro / 2) / micro;
    return true;
}

static bool read_number(const struct column *column, struct span cell, int64_t *ret_number)
{
    int64_t number;
    bool is_good = column->cell == CELL_SPEED ? parse_speed(cell, &number)
                                              : units_decimal(cell, column->factor, &number);
    if (!is_good || number < column->min || number > column->max)
        return false;
    *ret_number = number;
    return true;
}

static const char *expectation(const struct column *column)
{
    switch (column->cell) {
    case CELL_TEXT:
        return "a name";
    case CELL_BOOL:
        return "true or false";
    case CELL_RULE:
        return "the rule of the estimate";
    case CELL_SPEED:
        return "tokens a second, a decimal above 0";
    case CELL_NUMBER:
        break;
    }
    return column->min < 0 ? "a decimal within its range"
                           : "a decimal of 0 or more within its range";
}

/* One cell into the row; false when it is malformed. */
static bool read_cell(const struct column *column, struct span cell,
                      struct fleet_catalogue_row *row, bool *has_rule)
{
    switch (column->cell) {
    case CELL_TEXT:
        row->text[column->index] = cell;
        return cell.n > 0 && cell.n <= LIMIT_API_NAME;
    case CELL_BOOL:
        row->is_estimate = span_is(cell, "true");
        return row->is_estimate || span_is(cell, "false");
    case CELL_RULE:
        *has_rule = cell.n > 0;
        return true;
    case CELL_NUMBER:
    case CELL_SPEED:
        break;
    }
    return read_number(column, cell, &row->number[column->index]);
}

static bool read_row(const struct fleet_table *table, const struct column *all,
                     struct fleet_catalogue_row *ret_row)
{
    struct fleet_catalogue_row row = {.line = table->line};
    bool is_good = true, has_rule = false;
    for (uint32_t i = 0; i < table->column_count; i++) {
        if (read_cell(&all[i], table->cells[i], &row, &has_rule))
            continue;
        fleet_table_complain(table, i, expectation(&all[i]));
        is_good = false;
    }
    if (is_good && row.is_estimate && !has_rule) {
        fleet_complain(table->complaints, table->arena,
                       (struct fleet_place){table->file, table->line, 1},
                       "rule: expected the rule of the estimate, found nothing");
        is_good = false;
    }
    if (is_good)
        *ret_row = row;
    return is_good;
}

static uint32_t count_lines(struct span bytes)
{
    uint32_t count = 1;
    for (size_t i = 0; i < bytes.n; i++)
        count += bytes.p[i] == '\n';
    return count;
}

bool fleet_catalogue_read(enum fleet_catalogue_kind kind, struct span bytes, struct span file,
                          struct arena *scratch, struct arena *arena,
                          struct fleet_complaints *complaints,
                          struct fleet_catalogue_file *ret_file)
{
    CHECK(kind < CATALOGUE_KINDS);
    uint32_t room = count_lines(bytes);
    if (room > LIMIT_CATALOGUE_ROWS)
        room = LIMIT_CATALOGUE_ROWS;
    struct fleet_catalogue_file result = {.file = file};
    result.rows = ARENA_ARRAY(scratch, struct fleet_catalogue_row, room);
    if (!result.rows)
        return false;

    uint32_t said = complaints->count + complaints->left_out;
    struct fleet_table table;
    fleet_table_init(&table, bytes, file, LIMIT_CATALOGUE_ROWS, arena, complaints);
    const struct column *all = columns[kind];
    for (uint32_t i = 0; i < COLUMNS_MAX && all[i].name; i++)
        fleet_table_expect(&table, all[i].name, false);
    if (fleet_table_begin(&table))
        while (fleet_table_next(&table))
            if (read_row(&table, all, &result.rows[result.count]))
                result.count++;
    result.is_broken = complaints->count + complaints->left_out > said;
    *ret_file = result;
    return true;
}

const struct fleet_catalogue_row *fleet_catalogue_find(const struct fleet_catalogue_file *file,
                                                       struct span first, struct span second,
                                                       struct arena *arena,
                                                       struct fleet_complaints *complaints)
{
    const struct fleet_catalogue_row *found = NULL;
    for (uint32_t i = 0; i < file->count; i++) {
        const struct fleet_catalogue_row *row = &file->rows[i];
        if (!span_is_equal(row->text[0], first) || !span_is_equal(row->text[1], second))
            continue;
        if (!found) {
            found = row;
            continue;
        }
        fleet_complain(complaints, arena, (struct fleet_place){file->file, row->line, 1},
                       "%.*s %.*s: expected once, found again (first in line %u)", SPAN_ARG(first),
                       SPAN_ARG(second), found->line);
    }
    return found;
}
