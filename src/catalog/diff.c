#include "catalog/diff.h"

#include "base/check.h"
#include "catalog/row.h"

static void add_change(struct catalog_diff *diff, struct catalog_change change)
{
    if (diff->changes) {
        CHECK(diff->count < diff->count_max);
        diff->changes[diff->count] = change;
    }
    diff->count++;
}

static struct catalog_change change_of(const struct catalog_cells *cells, const struct span *row,
                                       enum catalog_change_kind kind)
{
    struct catalog_change change = {
        .file = cells->file, .kind = kind, .key_count = cells->schema->key_count};
    memcpy(change.key, row, change.key_count * sizeof *row);
    return change;
}

/* 0.9 and 0.90 are the same figure. */
static bool is_same(struct span before, struct span after, struct catalog_change *change)
{
    double old, new;
    if (span_is_equal(before, after))
        return true;
    if (!catalog_parse_number(before, &old) || !catalog_parse_number(after, &new))
        return false;
    if (old == new)
        return true;
    change->has_percent = old != 0;
    change->percent = old != 0 ? (new - old) / (old > 0 ? old : -old) * 100 : 0;
    return false;
}

static void diff_row(const struct catalog_cells *cells, const struct span *before,
                     const struct span *after, struct catalog_diff *diff)
{
    uint32_t own = cells->schema->column_count;
    bool is_changed = false, is_confirmed = false;
    for (uint32_t i = cells->schema->key_count; i < cells->column_count; i++) {
        struct catalog_change change = change_of(cells, after, CATALOG_CHANGED);
        if (is_same(before[i], after[i], &change))
            continue;
        if (i >= own) {
            is_confirmed = true;
            continue;
        }
        is_changed = true;
        change.column = catalog_cells_column(cells, i);
        change.before = before[i];
        change.after = after[i];
        add_change(diff, change);
    }
    diff->changed += is_changed;
    diff->confirmed += is_confirmed && !is_changed;
}

void catalog_diff_cells(const struct catalog_cells *before, const struct catalog_cells *after,
                        struct catalog_diff *diff)
{
    CHECK(before->file == after->file);
    uint32_t found;
    for (uint32_t i = 0; i < after->row_count; i++) {
        const struct span *row = catalog_cells_row(after, i);
        if (catalog_cells_find(before, row, &found)) {
            diff_row(after, catalog_cells_row(before, found), row, diff);
            continue;
        }
        diff->added++;
        add_change(diff, change_of(after, row, CATALOG_ADDED));
    }
    for (uint32_t i = 0; i < before->row_count; i++) {
        const struct span *row = catalog_cells_row(before, i);
        if (catalog_cells_find(after, row, &found))
            continue;
        diff->removed++;
        add_change(diff, change_of(before, row, CATALOG_REMOVED));
    }
}

bool catalog_diff_files(const struct catalog_cells before[CATALOG_FILES],
                        const struct catalog_cells after[CATALOG_FILES], struct arena *arena,
                        struct catalog_diff *ret_diff)
{
    struct catalog_diff count = {0}, diff = {0};
    for (enum catalog_file file = 0; file < CATALOG_FILES; file++)
        catalog_diff_cells(&before[file], &after[file], &count);
    diff.count_max = count.count;
    diff.changes = ARENA_ARRAY(arena, struct catalog_change, count.count);
    if (!diff.changes)
        return false;
    for (enum catalog_file file = 0; file < CATALOG_FILES; file++)
        catalog_diff_cells(&before[file], &after[file], &diff);
    *ret_diff = diff;
    return true;
}
