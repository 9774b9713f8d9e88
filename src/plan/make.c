#include "plan/make.h"

#include <math.h>

#include "base/check.h"
#include "plan/settle.h"

#define NEAR_SHARE 0.1 /* of the gap that is left, for answering nearer */

/* A plan that begins where <sheet> stands; its flows and cost are not looked at. */
static bool warm_start(const struct plan_formulation *made, const struct plan_sheet *sheet,
                       struct arena *arena, struct plan_answer *ret_warm)
{
    uint32_t count = made->problem.column_count;
    *ret_warm = (struct plan_answer){.counts = ARENA_ARRAY(arena, uint32_t, count + 1)};
    for (uint32_t i = 0; ret_warm->counts && i < sheet->replica_count; i++) {
        uint32_t c = 0;
        while (c < count && !plan_column_is(made, c, &sheet->replicas[i]))
            c++;
        if (c < count)
            ret_warm->counts[c] += sheet->replicas[i].count;
    }
    return ret_warm->counts != NULL;
}

static struct plan_sheet infeasible(void)
{
    return (struct plan_sheet){.status = SPAN_LITERAL("infeasible"),
                               .stopped_by = SPAN_LITERAL("done"),
                               .cost_usd_h = (double)NAN,
                               .bound_usd_h = (double)NAN,
                               .gap = (double)NAN,
                               .carbon_kg_h = (double)NAN,
                               .egress_usd_h = (double)NAN};
}

static enum err solve(const struct plan_sheet *warm, const struct plan_lp_api *lp,
                      const struct plan_limits *limits, struct arena *arena, struct plan_made *made,
                      struct text *why)
{
    const struct plan_problem *problem = &made->formulation->problem;
    struct plan_answer begin;
    if (warm && !warm_start(made->formulation, warm, arena, &begin))
        return ERR_MEMORY;
    enum err err = plan_solve(problem, lp, limits, warm ? &begin : NULL, arena, &made->result, why);
    if (err)
        return err;
    if (made->result.status == PLAN_INFEASIBLE)
        return ERR_VALUE;
    if (made->result.status == PLAN_NOTHING_FOUND) {
        text_add(why, "no plan was found within the limits, nor a proof that there is none");
        return ERR_TIMEOUT;
    }
    double gap_usd_h = made->result.answer.cost_usd_h - made->result.bound_usd_h;
    double more_usd_h = made->result.status == PLAN_OPTIMAL ? 0 : NEAR_SHARE * gap_usd_h;
    if (!plan_settle(problem, &made->result.answer, more_usd_h > 0 ? more_usd_h : 0, arena))
        return ERR_MEMORY;
    enum plan_breach breach = PLAN_BREACH_NONE;
    struct text said;
    char buffer[512];
    text_init(&said, buffer, sizeof buffer);
    err = plan_answer_audit(problem, &made->result.answer, arena, &made->cost, &breach, &said);
    if (err != ERR_VALUE)
        return err;
    text_add(why, "the solver's plan breaks a rule, which is an error of farspan: %.*s",
             SPAN_ARG(text_span(&said)));
    return ERR_CORRUPT;
}

enum err plan_make(const struct plan_wish *wish, const struct plan_begin *from,
                   const struct plan_lp_api *lp, const struct plan_limits *limits,
                   struct arena *arena, struct plan_made *ret_made, struct text *why)
{
    struct plan_made made = {0};
    const struct plan_sheet *running = from->running;
    enum err err = plan_formulate(wish, running, arena, &made.formulation, why);
    if (!err) {
        err = plan_problem_check(&made.formulation->problem, why);
        if (err) /* too large: what formulate makes is well formed */
            return ERR_UNSUPPORTED;
        err = solve(from->warm ? from->warm : running, lp, limits, arena, &made, why);
    }
    if (!err && !plan_sheet_fill(made.formulation, &made.result, running, arena, &made.sheet))
        err = ERR_MEMORY;
    if (err == ERR_VALUE)
        made.sheet = infeasible();
    if (!err || err == ERR_VALUE)
        *ret_made = made;
    return err;
}
