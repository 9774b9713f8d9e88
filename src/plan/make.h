/* make.h: from a wish to a sheet: formulate, solve, settle, audit, fill. What asks further
 * questions (again.h: explanations, what-ifs) changes the wish and comes here again. */
#ifndef PLAN_MAKE_H
#define PLAN_MAKE_H

#include "plan/audit.h"
#include "plan/sheet_fill.h"

struct plan_made {
    struct plan_formulation *formulation;
    struct plan_result result;
    struct plan_cost cost; /* as the audit added it up */
    struct plan_sheet sheet;
};

struct plan_begin {
    const struct plan_sheet *running; /* the plan in force; NULL: none */
    const struct plan_sheet *warm;    /* a plan to begin the search with; NULL: <running> */
};

/* Memory from <arena>. ERR_VALUE: no plan exists, which is proven; <why> says what stands against
 * it where that is plain before solving (conflict.h finds it otherwise); the sheet then has the
 * status "infeasible" and no rows. ERR_TIMEOUT: none was found within <limits>, which proves
 * nothing; <why> says so. ERR_UNSUPPORTED: <why> says what cannot be expressed. ERR_CORRUPT: the
 * audit refused the solver's plan (an error of ours), <why> says over what. ERR_MEMORY. */
MUST_USE enum err plan_make(const struct plan_wish *wish, const struct plan_begin *from,
                            const struct plan_lp_api *lp, const struct plan_limits *limits,
                            struct arena *arena, struct plan_made *ret_made, struct text *why);

#endif
