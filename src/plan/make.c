#include "plan/make.h"

#include <math.h>

#include "base/check.h"
#include "plan/settle.h"

#define NEAR_SHARE 0.1 /* of the gap that is left, for answering nearer */

/* A plan that begins where the running one stands; its flows and cost are not looked at. */
static bool warm_start(const struct plan_problem *problem, struct arena *arena,
                       struct plan_answer *ret_warm)
{
    *ret_warm = (struct plan_answer){.counts = ARENA_ARRAY(arena, uint32_t, problem->column_count)};
    for (uint32_t c = 0; ret_warm->counts && c < problem->column_count; c++) {
        const struct plan_column *column = &problem->columns[c];
        uint32_t count = column->running < column->count_min ? column->count_min : column->running;
        ret_warm->counts[c] = count > column->count_max ? column->count_max : count;
    }
    return ret_warm->counts != NULL;
}

/* What the whole stock could answer at the planned load, without what is in <failure>. */
static double speed_in_stock(const struct plan_problem *problem, uint32_t s,
                             const struct plan_failure *failure)
{
    const struct plan_service *service = &problem->services[s];
    double speed = 0;
    for (uint32_t c = service->column_first; c < service->column_first + service->column_count;
         c++) {
        const struct plan_column *column = &problem->columns[c];
        if (!failure || !plan_failure_has(failure, problem->nodes[column->node].region))
            speed += (double)column->speed * column->count_max;
    }
    uint32_t share = failure ? service->share_lost_ppm : service->share_ppm;
    return speed / 1e6 * share / 1e6;
}

/* Why the solver found none: stock that is too small for a service alone, or else all rules that
 * join things. */
static void say_infeasible(const struct plan_problem *problem, struct text *why)
{
    size_t before = why->n;
    for (uint32_t s = 0; s < problem->service_count; s++) {
        const struct plan_service *service = &problem->services[s];
        double wanted = 0;
        for (uint32_t d = service->demand_first; d < service->demand_first + service->demand_count;
             d++)
            wanted += (double)problem->demands[d].rate / 1e6;
        double most = speed_in_stock(problem, s, NULL);
        struct span name = {NULL, 0};
        for (uint32_t f = 0; f < problem->failure_count; f++) {
            double left = speed_in_stock(problem, s, &problem->failures[f]);
            if (left < most) {
                most = left;
                name = problem->failures[f].name;
            }
        }
        if (wanted <= most)
            continue;
        text_add(why,
                 "\n  %.*s: %.4g requests a second are wanted; all machines in stock answer %.4g",
                 SPAN_ARG(service->name), wanted, most);
        if (name.n > 0)
            text_add(why, " when %.*s is lost", SPAN_ARG(name));
    }
    if (why->n > before)
        return;
    text_add(why, "\n  no single service lacks machines; together stock");
    if (problem->failure_count > 0)
        text_add(why, ", what may be lost");
    static const char *const names[] = {[PLAN_RULE_STOCK] = NULL,
                                        [PLAN_RULE_BUDGET] = ", budget",
                                        [PLAN_RULE_CARBON] = ", CO2",
                                        [PLAN_RULE_POWER] = ", power",
                                        [PLAN_RULE_SPOT_SHARE] = ", spot",
                                        [PLAN_RULE_SPREAD] = ", spread",
                                        [PLAN_RULE_MIN_REPLICAS] = ", least numbers and pins"};
    for (size_t rule = 0; rule < COUNT_OF(names); rule++) {
        bool is_there = false;
        for (uint32_t r = 0; r < problem->row_count; r++)
            is_there = is_there || problem->rows[r].rule == rule;
        if (is_there && names[rule])
            text_add(why, "%s", names[rule]);
    }
    text_add(why, " and what clients can reach in time leave no plan");
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

static enum err solve(const struct plan_problem *problem, const struct plan_sheet *running,
                      const struct plan_lp_api *lp, const struct plan_limits *limits,
                      struct arena *arena, struct plan_made *made, struct text *why)
{
    struct plan_answer warm;
    if (running && !warm_start(problem, arena, &warm))
        return ERR_MEMORY;
    enum err err =
        plan_solve(problem, lp, limits, running ? &warm : NULL, arena, &made->result, why);
    if (err)
        return err;
    if (made->result.status == PLAN_INFEASIBLE) {
        say_infeasible(problem, why);
        return ERR_VALUE;
    }
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

enum err plan_make(const struct plan_wish *wish, const struct plan_sheet *running,
                   const struct plan_lp_api *lp, const struct plan_limits *limits,
                   struct arena *arena, struct plan_made *ret_made, struct text *why)
{
    struct plan_made made = {0};
    enum err err = plan_formulate(wish, running, arena, &made.formulation, why);
    if (!err) {
        err = plan_problem_check(&made.formulation->problem, why);
        if (err) /* too large: what formulate makes is well formed */
            return ERR_UNSUPPORTED;
        err = solve(&made.formulation->problem, running, lp, limits, arena, &made, why);
    }
    if (!err && !plan_sheet_fill(made.formulation, &made.result, running, arena, &made.sheet))
        err = ERR_MEMORY;
    if (err == ERR_VALUE)
        made.sheet = infeasible();
    if (!err || err == ERR_VALUE)
        *ret_made = made;
    return err;
}
