#include "cli/catalog_table.h"

#include "base/check.h"

bool catalog_table_init(struct catalog_table *table, const struct catalog_table_column *columns,
                        uint32_t column_count, uint32_t rows_max, struct arena *arena)
{
    CHECK(column_count <= CATALOG_TABLE_COLUMNS_MAX);
    *table = (struct catalog_table){
        .columns = columns, .column_count = column_count, .rows_max = rows_max};
    table->cells = ARENA_ARRAY(arena, struct catalog_table_cell, (size_t)rows_max * column_count);
    table->facts = ARENA_ARRAY(arena, const struct catalog_fact *, rows_max);
    return table->cells && table->facts;
}

struct catalog_table_cell *catalog_table_add(struct catalog_table *table,
                                             const struct catalog_fact *fact)
{
    CHECK(table->row_count < table->rows_max);
    table->facts[table->row_count] = fact;
    return catalog_table_row(table, table->row_count++);
}

static bool begins_with_one_of(struct span rule, const char *beginnings)
{
    struct span rest = span_of(beginnings);
    while (rest.n > 0) {
        struct span beginning = span_cut(&rest, ' ');
        if (rule.n >= beginning.n && memcmp(rule.p, beginning.p, beginning.n) == 0)
            return true;
    }
    return false;
}

/* A rule that no column of the table knows (somebody's own) estimates every figure. */
static bool is_estimated_by(const struct catalog_table *table, uint32_t column, struct span rule)
{
    if (begins_with_one_of(rule, table->columns[column].rules))
        return true;
    for (uint32_t i = 0; i < table->column_count; i++)
        if (begins_with_one_of(rule, table->columns[i].rules))
            return false;
    return table->columns[column].rules != NULL;
}

static bool is_estimate(const struct catalog_table *table, uint32_t row, uint32_t column)
{
    const struct catalog_fact *fact = table->facts[row];
    const struct catalog_table_cell *cell = &catalog_table_row(table, row)[column];
    if (cell->is_nothing)
        return false;
    if (cell->is_estimate || !fact || !fact->is_estimate)
        return cell->is_estimate;
    struct span rules = fact->rule;
    while (rules.n > 0)
        if (is_estimated_by(table, column, span_cut(&rules, '+')))
            return true;
    return false;
}

/* --- on the terminal --- */

static void add_cell(const struct catalog_table *table, uint32_t row, uint32_t column,
                     struct text *out)
{
    const struct catalog_table_cell *cell = &catalog_table_row(table, row)[column];
    const struct catalog_table_column *about = &table->columns[column];
    if (is_estimate(table, row, column))
        text_add_c(out, '~');
    if (cell->is_nothing) {
        text_add_c(out, '-');
        return;
    }
    switch (about->decimals) {
    case CATALOG_TABLE_WORDS:
        text_add_span(out, cell->words);
        return;
    case 0:
        text_add(out, "%.0f", cell->number);
        return;
    case 1:
        text_add(out, "%.1f", cell->number);
        return;
    case 2:
        text_add(out, "%.2f", cell->number);
        return;
    case 3:
        text_add(out, "%.3f", cell->number);
        return;
    default:
        text_add(out, "%.4f", cell->number);
        return;
    }
}

/* The cell as it stands in a column of <width>: words to the left, numbers to the right. */
static void add_aligned(struct span cell, size_t width, bool is_words, bool is_last,
                        struct text *out)
{
    if (cell.n > width)
        cell.n = width;
    for (size_t n = cell.n; !is_words && n < width; n++)
        text_add_c(out, ' ');
    text_add_span(out, cell);
    for (size_t n = cell.n; is_words && !is_last && n < width; n++)
        text_add_c(out, ' ');
    text_add(out, "%s", is_last ? "\n" : "  ");
}

static void add_spaces(unsigned count, struct text *out)
{
    for (unsigned i = 0; i < count; i++)
        text_add_c(out, ' ');
}

static void measure(const struct catalog_table *table, size_t width[CATALOG_TABLE_COLUMNS_MAX])
{
    char buffer[128];
    struct text cell;
    text_init(&cell, buffer, sizeof buffer);
    for (uint32_t i = 0; i < table->column_count; i++) {
        const struct catalog_table_column *column = &table->columns[i];
        width[i] = strlen(column->title);
        for (uint32_t row = 0; row < table->row_count; row++) {
            text_truncate(&cell, 0);
            add_cell(table, row, i, &cell);
            width[i] = cell.n > width[i] ? cell.n : width[i];
        }
        if (width[i] > column->width_max)
            width[i] = column->width_max;
    }
}

void catalog_table_print(const struct catalog_table *table, unsigned indent, struct text *out)
{
    size_t width[CATALOG_TABLE_COLUMNS_MAX];
    char buffer[128];
    struct text cell;
    text_init(&cell, buffer, sizeof buffer);
    measure(table, width);
    add_spaces(indent, out);
    for (uint32_t i = 0; i < table->column_count; i++)
        add_aligned(span_of(table->columns[i].title), width[i],
                    table->columns[i].decimals == CATALOG_TABLE_WORDS, i + 1 == table->column_count,
                    out);
    for (uint32_t row = 0; row < table->row_count; row++) {
        add_spaces(indent, out);
        for (uint32_t i = 0; i < table->column_count; i++) {
            text_truncate(&cell, 0);
            add_cell(table, row, i, &cell);
            add_aligned(text_span(&cell), width[i],
                        table->columns[i].decimals == CATALOG_TABLE_WORDS,
                        i + 1 == table->column_count, out);
        }
    }
}

/* --- as JSON --- */

void catalog_date_add(uint32_t date, struct text *out)
{
    text_add(out, "%04u-%02u-%02u", date / 10000, date / 100 % 100, date % 100);
}

void catalog_fact_json(const struct catalog_fact *fact, struct text *out)
{
    char buffer[16];
    struct text date;
    text_init(&date, buffer, sizeof buffer);
    catalog_date_add(fact->date, &date);
    text_json_key(out, "source");
    text_json_span(out, fact->source);
    text_json_key(out, "date");
    text_json_span(out, text_span(&date));
    text_json_key(out, "estimate");
    text_json_bool(out, fact->is_estimate);
    text_json_key(out, "rule");
    if (fact->is_estimate)
        text_json_span(out, fact->rule);
    else
        text_json_null(out);
}

static void add_json_cell(const struct catalog_table_column *column,
                          const struct catalog_table_cell *cell, struct text *out)
{
    if (!column->key)
        return;
    text_json_key(out, column->key);
    if (cell->is_nothing)
        text_json_null(out);
    else if (column->decimals == CATALOG_TABLE_WORDS)
        text_json_span(out, cell->words);
    else
        text_json_double(out, cell->number);
}

void catalog_table_json(const struct catalog_table *table, struct text *out)
{
    text_json_array(out);
    for (uint32_t row = 0; row < table->row_count; row++) {
        bool has_estimate = false;
        text_json_object(out);
        for (uint32_t i = 0; i < table->column_count; i++) {
            add_json_cell(&table->columns[i], &catalog_table_row(table, row)[i], out);
            has_estimate |= is_estimate(table, row, i);
        }
        if (table->facts[row]) {
            catalog_fact_json(table->facts[row], out);
        } else {
            text_json_key(out, "estimate");
            text_json_bool(out, has_estimate);
        }
        text_json_end(out);
    }
    text_json_end(out);
}
