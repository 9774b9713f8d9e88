/* sheet_fill.h: the solver's answer, in indices, into a sheet, in names. */
#ifndef PLAN_SHEET_FILL_H
#define PLAN_SHEET_FILL_H

#include "plan/formulate.h"
#include "plan/sheet.h"
#include "plan/solve.h"

/* Everything but who made it and from what (build, solver, catalogue, world, base_epoch, seconds),
 * which the caller writes. <running>: the plan in force, or NULL. Texts point into the wish, the
 * catalogue and <arena>. False: no room. */
MUST_USE bool plan_sheet_fill(const struct plan_formulation *made, const struct plan_result *result,
                              const struct plan_sheet *running, struct arena *arena,
                              struct plan_sheet *ret_sheet);

/* The order of actions from <running> to <count> of each replica: what is new is ready before what
 * goes; starts that find no machine left wait until others have gone. <machines_max> of each
 * replica: what its stock allows of its kind, together with those of the same region, sku and
 * market. A ring of services that wait for each other's machines is cut by stopping first. False:
 * no room. */
MUST_USE bool plan_sheet_order(struct plan_sheet *sheet, const uint32_t *machines_max,
                               struct arena *arena);

#endif
