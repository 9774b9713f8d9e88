/* plan_day.h: `farspan plan` of a file with a day (plan/day.h): the effort shared out over its
 * slots, and the day for people. */
#ifndef CLI_PLAN_DAY_H
#define CLI_PLAN_DAY_H

#include "cli/planning.h"

/* As planning_solve(), of planning->wish, which has a day. The sheet is the plan of the slot of
 * <hour>, with the day; planning->wish is that slot's from then on, so that further questions are
 * about it. Without a plan it is the first slot's that has none. */
MUST_USE enum err plan_day_decide(struct planning *planning, const struct planning_effort *effort,
                                  uint32_t hour, struct plan_made *ret_made, struct text *why);

/* Rows that the day has in the plan file. */
size_t plan_day_row_count(const struct plan_sheet *sheet);

/* Slot by slot, regions by the hour, and what the day costs; nothing without a day. */
void plan_day_print(const struct plan_sheet *sheet, struct text *text);

#endif
