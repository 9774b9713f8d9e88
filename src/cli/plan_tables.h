/* plan_tables.h: a plan for people. */
#ifndef CLI_PLAN_TABLES_H
#define CLI_PLAN_TABLES_H

#include "plan/sheet.h"

/* Replicas, cost by service, region and item, where requests go, what binds, what misses, what each
 * rule costs. */
void plan_tables_print(const struct plan_sheet *sheet, struct text *text);

/* One row for each, behind the plan's own; nothing when nothing was asked. */
void plan_tables_print_what_ifs(const struct plan_sheet *sheet, struct text *text);

#endif
