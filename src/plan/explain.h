/* explain.h: why a plan costs what it costs: each rule that binds, and each promise, is loosened
 * alone, and the wish planned again. What one more machine, dollar or kilogram is worth; what a
 * residency rule, a promise or a loss to be survived costs. */
#ifndef PLAN_EXPLAIN_H
#define PLAN_EXPLAIN_H

#include "plan/again.h"

enum { PLAN_EXPLAIN_MAX = 32 /* rules loosened; the stocks come last */ };

/* <sheet>: the plan of again->wish, where each solve begins. Fills sheet->shadows and the
 * shadow_usd_h of the rules they belong to, from again->arena. The plan itself is solved once more
 * first, as hard as the others are. ERR_MEMORY. */
MUST_USE enum err plan_explain(struct plan_again *again, struct plan_sheet *sheet);

#endif
