/* plan_policy.h: `farspan plan --policy`: the same wish under policies of others (plan/rival.h),
 * side by side with farspan's plan. */
#ifndef CLI_PLAN_POLICY_H
#define CLI_PLAN_POLICY_H

#include "cli/planning.h"
#include "plan/rival.h"

/* "nearest,melange-like", or "all". False: <why> names the word and the nearest valid one. */
bool plan_policy_parse(const char *said, bool ret_is_wanted[PLAN_RIVALS], struct text *why);

/* Fills the policies of <made>'s sheet: farspan's row and one for each that is wanted, twice: sized
 * for what is, and so that any one region may be lost. What <made> (of planning->wish) does not
 * say is planned anew with <effort>. Errors as planning_solve(). */
MUST_USE enum err plan_policy_compare(struct planning *planning, const bool is_wanted[PLAN_RIVALS],
                                      const struct planning_effort *effort, struct plan_made *made,
                                      struct text *why);

/* A table; nothing when there is none. */
void plan_policy_print(const struct plan_sheet *sheet, struct text *text);

#endif
