/* catalog_changes.h: what differs between two catalogues, as lines or JSON. */
#ifndef CLI_CATALOG_CHANGES_H
#define CLI_CATALOG_CHANGES_H

#include "base/text.h"
#include "catalog/diff.h"

/* Of each file at most <lines_max> lines. */
void catalog_changes_print(const struct catalog_diff *diff, uint32_t lines_max, struct text *out);

/* An array of {"file","change":"added|removed|changed","key":[...]} and for a changed figure
 * "figure", "before", "after", "percent". */
void catalog_changes_json(const struct catalog_diff *diff, struct text *out);

#endif
