/* diff.h: what differs between two catalogues, row by row and figure by figure, by key. */
#ifndef CATALOG_DIFF_H
#define CATALOG_DIFF_H

#include "catalog/cells.h"

enum catalog_change_kind { CATALOG_ADDED, CATALOG_REMOVED, CATALOG_CHANGED, CATALOG_CHANGE_KINDS };

/* One row added or removed, or one figure of a row changed. Numbers differ by their value. */
struct catalog_change {
    enum catalog_file file;
    enum catalog_change_kind kind;
    uint32_t key_count;
    struct span key[CATALOG_KEYS_MAX];
    const char *column;        /* CHANGED */
    struct span before, after; /* CHANGED */
    bool has_percent;          /* both are numbers, the one before is not 0 */
    double percent;
};

struct catalog_diff {
    struct catalog_change *changes; /* by file; changed and added rows in their order, then removed
                                       ones; NULL: only counted */
    uint32_t count, count_max;
    uint32_t added, removed, changed; /* rows */
    uint32_t confirmed;               /* rows with the same figures from another source or date */
};

/* What makes <after> of <before>, appended to <diff>: count first without an array, then with one
 * that has room for all. */
void catalog_diff_cells(const struct catalog_cells *before, const struct catalog_cells *after,
                        struct catalog_diff *diff);

/* All files. False: no room in <arena>. */
bool catalog_diff_files(const struct catalog_cells before[CATALOG_FILES],
                        const struct catalog_cells after[CATALOG_FILES], struct arena *arena,
                        struct catalog_diff *ret_diff);

#endif
