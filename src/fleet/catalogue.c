#include "fleet/catalogue.h"

#include "base/check.h"
#include "base/limits.h"
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

struct reader {
    enum fleet_catalogue_kind kind;
    struct span file;
    struct arena *arena;
    struct fleet_complaints *complaints;
    const struct column *order[COLUMNS_MAX]; /* column of the i-th cell */
    uint32_t column_count;
    uint32_t line;
    struct span cells[COLUMNS_MAX];
    uint32_t starts[COLUMNS_MAX]; /* columns in the line, from 1 */
};

const char *fleet_catalogue_key(enum fleet_catalogue_kind kind)
{
    static const char *const keys[CATALOGUE_KINDS] = {"regions", "prices", "links", "profiles"};
    CHECK(kind < CATALOGUE_KINDS);
    return keys[kind];
}

static struct fleet_place place_at(const struct reader *reader, uint32_t column)
{
    return (struct fleet_place){reader->file, reader->line, column};
}

/* Cuts the next cell off <line>; the mark behind it is eaten. */
static struct span cut_cell(struct span *line, bool *ret_is_last)
{
    const char *p = line->p;
    size_t n = line->n, end = 0;
    bool is_quoted = n > 0 && p[0] == '"';
    if (is_quoted) {
        end = 1;
        while (end < n && !(p[end] == '"' && (end + 1 == n || p[end + 1] == ',')))
            end++;
    } else {
        while (end < n && p[end] != ',')
            end++;
    }
    struct span cell = is_quoted ? span_from(p + 1, end - 1) : span_trim(span_from(p, end));
    size_t behind = is_quoted && end < n ? end + 1 : end;
    *ret_is_last = behind >= n;
    size_t next = *ret_is_last ? n : behind + 1;
    *line = span_from(p + next, n - next);
    return cell;
}

/* Cells of one line; false (complained) when there are more than columns. */
static bool cut_cells(struct reader *reader, struct span line, uint32_t *ret_count)
{
    const char *begin = line.p;
    uint32_t count = 0;
    bool is_last = false;
    while (!is_last) {
        uint32_t start = (uint32_t)(line.p - begin) + 1;
        struct span cell = cut_cell(&line, &is_last);
        if (count == COLUMNS_MAX) {
            fleet_complain(reader->complaints, reader->arena, place_at(reader, start),
                           "expected at most %u cells, found more", reader->column_count);
            return false;
        }
        reader->cells[count] = cell;
        reader->starts[count++] = start;
    }
    *ret_count = count;
    return true;
}

static bool is_column(const struct column *column)
{
    return column->name != NULL;
}

static const struct column *find_column(struct reader *reader, struct span name, uint32_t start)
{
    const struct column *all = columns[reader->kind];
    struct span names[COLUMNS_MAX];
    size_t count = 0;
    for (; count < COLUMNS_MAX && is_column(&all[count]); count++) {
        names[count] = span_of(all[count].name);
        if (span_is_equal(names[count], name))
            return &all[count];
    }
    int nearest = fleet_nearest(name, names, count);
    fleet_complain(reader->complaints, reader->arena, place_at(reader, start),
                   "unknown column \"%.*s\"%s%s%s", (int)(name.n < 64 ? name.n : 64), name.p,
                   nearest >= 0 ? ": did you mean " : "", nearest >= 0 ? all[nearest].name : "",
                   nearest >= 0 ? "?" : "");
    return NULL;
}

static bool read_header(struct reader *reader, struct span line)
{
    uint32_t count;
    if (!cut_cells(reader, line, &count))
        return false;
    bool is_good = true;
    for (uint32_t i = 0; i < count; i++) {
        reader->order[i] = find_column(reader, reader->cells[i], reader->starts[i]);
        is_good = is_good && reader->order[i];
        for (uint32_t j = 0; reader->order[i] && j < i; j++) {
            if (reader->order[j] != reader->order[i])
                continue;
            fleet_complain(reader->complaints, reader->arena, place_at(reader, reader->starts[i]),
                           "column %s: expected once, found again", reader->order[i]->name);
            is_good = false;
        }
    }
    const struct column *all = columns[reader->kind];
    for (uint32_t i = 0; is_good && i < COLUMNS_MAX && is_column(&all[i]); i++) {
        uint32_t at = 0;
        while (at < count && reader->order[at] != &all[i])
            at++;
        if (at < count)
            continue;
        fleet_complain(reader->complaints, reader->arena, place_at(reader, 1),
                       "expected the column %s", all[i].name);
        is_good = false;
    }
    reader->column_count = count;
    return is_good;
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

static bool read_row(struct reader *reader, struct span line, struct fleet_catalogue_row *ret_row)
{
    uint32_t count;
    if (!cut_cells(reader, line, &count))
        return false;
    if (count != reader->column_count) {
        fleet_complain(reader->complaints, reader->arena, place_at(reader, 1),
                       "expected %u cells, found %u", reader->column_count, count);
        return false;
    }
    struct fleet_catalogue_row row = {.line = reader->line};
    bool is_good = true, has_rule = false;
    for (uint32_t i = 0; i < count; i++) {
        struct span cell = reader->cells[i];
        if (read_cell(reader->order[i], cell, &row, &has_rule))
            continue;
        fleet_complain(reader->complaints, reader->arena, place_at(reader, reader->starts[i]),
                       "%s: expected %s, found \"%.*s\"", reader->order[i]->name,
                       expectation(reader->order[i]), (int)(cell.n < 64 ? cell.n : 64), cell.p);
        is_good = false;
    }
    if (is_good && row.is_estimate && !has_rule) {
        fleet_complain(reader->complaints, reader->arena, place_at(reader, 1),
                       "rule: expected the rule of the estimate, found nothing");
        is_good = false;
    }
    if (is_good)
        *ret_row = row;
    return is_good;
}

static struct span cut_line(struct span *bytes)
{
    struct span line = span_cut(bytes, '\n');
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
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
    struct reader reader = {.kind = kind, .file = file, .arena = arena, .complaints = complaints};
    uint32_t room = count_lines(bytes);
    if (room > LIMIT_CATALOGUE_ROWS)
        room = LIMIT_CATALOGUE_ROWS;
    struct fleet_catalogue_file result = {.file = file};
    result.rows = ARENA_ARRAY(scratch, struct fleet_catalogue_row, room);
    if (!result.rows)
        return false;

    uint32_t said = complaints->count + complaints->left_out;
    bool has_header = false;
    while (bytes.n > 0) {
        struct span line = cut_line(&bytes);
        reader.line++;
        if (span_trim(line).n == 0 || line.p[0] == '#')
            continue;
        if (!has_header) {
            has_header = true;
            if (!read_header(&reader, line))
                break;
            continue;
        }
        if (result.count == room) {
            fleet_complain(complaints, arena, place_at(&reader, 1), "expected at most %d rows",
                           LIMIT_CATALOGUE_ROWS);
            break;
        }
        if (read_row(&reader, line, &result.rows[result.count]))
            result.count++;
    }
    if (!has_header)
        fleet_complain(complaints, arena, (struct fleet_place){file, 0, 0},
                       "expected a header line that names the columns, found none");
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
