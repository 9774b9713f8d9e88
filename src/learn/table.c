#include "learn/table.h"

#include "base/limits.h"

static struct span next_line(struct span *rest)
{
    struct span line = span_cut(rest, '\n');
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

static char separator_of(struct span line)
{
    static const char candidates[] = {'\t', ','};
    for (size_t i = 0; i < sizeof candidates; i++)
        if (line.n && memchr(line.p, candidates[i], line.n))
            return candidates[i];
    return ' ';
}

/* Splits <line>; a run of spaces separates once. UINT32_MAX: more cells than <room>. */
static uint32_t split(struct span line, char separator, struct span *cells, uint32_t room)
{
    uint32_t count = 0;
    line = span_trim(line);
    while (line.p && (line.n || separator != ' ')) {
        if (count == room)
            return UINT32_MAX;
        struct span cell = span_cut(&line, separator);
        if (separator == ' ')
            line = line.p ? span_trim(line) : line;
        cells[count++] = span_trim(cell);
    }
    return count;
}

static bool is_header(const struct span *cells, const struct span *names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!span_is_equal(cells[i], names[i]))
            return false;
    return true;
}

static size_t count_lines(struct span text)
{
    size_t count = 0;
    while (text.p && text.n)
        count += span_trim(next_line(&text)).n > 0;
    return count;
}

static enum err complain(struct text *why, size_t line, uint32_t expected, uint32_t found)
{
    if (why)
        text_add(why, "line %zu: expected %u cells as in the first line, found %s%u", line,
                 expected, found == UINT32_MAX ? "more than " : "",
                 found == UINT32_MAX ? expected : found);
    return ERR_SYNTAX;
}

static enum err parse_rows(struct span text, char separator, bool skips_first,
                           struct learn_table *table, size_t room, struct text *why)
{
    for (size_t line_number = 1; text.p && text.n; line_number++) {
        struct span line = next_line(&text);
        if (span_trim(line).n == 0)
            continue;
        if (skips_first) {
            skips_first = false;
            continue;
        }
        if (memchr(line.p, '"', line.n)) {
            if (why)
                text_add(why, "line %zu: expected cells without quotes", line_number);
            return ERR_SYNTAX;
        }
        if (table->row_count == room)
            return ERR_FULL;
        struct span *cells = table->cells + table->row_count * table->column_count;
        uint32_t count = split(line, separator, cells, table->column_count);
        if (count != table->column_count)
            return complain(why, line_number, table->column_count, count);
        table->row_count++;
    }
    return ERR_OK;
}

enum err learn_table_parse(struct span text, const struct span *names, uint32_t name_count,
                           bool skips_header, struct arena *arena, struct learn_table *ret_table,
                           struct text *why)
{
    struct span rest = text;
    struct span first = {0, 0};
    while (rest.p && rest.n && first.n == 0)
        first = span_trim(next_line(&rest));
    char separator = separator_of(first);

    struct learn_table table = {0};
    table.names = ARENA_ARRAY(arena, struct span, LIMIT_LEARN_COLUMNS);
    if (!table.names)
        return ERR_MEMORY;
    table.column_count = split(first, separator, table.names, LIMIT_LEARN_COLUMNS);
    if (table.column_count == UINT32_MAX || table.column_count == 0) {
        if (why)
            text_add(why, "line 1: expected 1 to %d cells", LIMIT_LEARN_COLUMNS);
        return ERR_SYNTAX;
    }
    if (names && name_count != table.column_count)
        return complain(why, 1, name_count, table.column_count);
    bool has_header = !names || skips_header || is_header(table.names, names, name_count);
    if (names)
        memcpy(table.names, names, name_count * sizeof *names);

    size_t room = count_lines(text);
    if (room > LIMIT_LEARN_ROWS)
        return ERR_FULL;
    table.cells = ARENA_ARRAY(arena, struct span, room * table.column_count);
    if (!table.cells)
        return ERR_MEMORY;
    enum err err = parse_rows(text, separator, has_header, &table, room, why);
    if (err)
        return err;
    if (table.row_count == 0) {
        if (why)
            text_add(why, "expected at least one row of data, found none");
        return ERR_SYNTAX;
    }
    *ret_table = table;
    return ERR_OK;
}

uint32_t learn_table_find(const struct learn_table *table, struct span name)
{
    for (uint32_t i = 0; i < table->column_count; i++)
        if (span_is_equal(table->names[i], name))
            return i;
    return UINT32_MAX;
}
