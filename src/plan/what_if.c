#include "plan/what_if.h"

#include <math.h>

static const char *status_of(const struct plan_outcome *outcome)
{
    if (outcome->verdict == PLAN_VERDICT_FOUND)
        return outcome->is_optimal ? "optimal" : "feasible";
    return outcome->verdict == PLAN_VERDICT_NONE ? "infeasible" : "open";
}

static double finite_or_nan(double value)
{
    return isfinite(value) ? value : (double)NAN;
}

static struct plan_sheet_what_if row_of(const struct plan_question *question,
                                        const struct plan_outcome *outcome)
{
    bool is_found = outcome->verdict == PLAN_VERDICT_FOUND;
    return (struct plan_sheet_what_if){.what = question->text,
                                       .status = span_of(status_of(outcome)),
                                       .cost_usd_h = is_found ? outcome->cost_usd_h : (double)NAN,
                                       .bound_usd_h = is_found ? outcome->bound_usd_h : (double)NAN,
                                       .more_usd_h = (double)NAN,
                                       .more_low_usd_h = (double)NAN,
                                       .more_high_usd_h = (double)NAN,
                                       .carbon_kg_h = is_found ? outcome->carbon_kg_h : (double)NAN,
                                       .egress_usd_h =
                                           is_found ? outcome->egress_usd_h : (double)NAN,
                                       .regions = outcome->regions,
                                       .replicas = outcome->replicas};
}

/* Of all its pulls, where they agree. */
static int sign_of(const struct plan_question *question)
{
    int sign = plan_pull_sign(&question->pulls[0]);
    for (uint32_t i = 1; i < question->count; i++)
        if (plan_pull_sign(&question->pulls[i]) != sign)
            return 0;
    return sign;
}

enum err plan_what_if_answer(struct plan_again *again, const struct plan_question *questions,
                             uint32_t count, struct plan_sheet *sheet)
{
    struct plan_outcome base, outcome;
    bool has_base = isfinite(sheet->cost_usd_h);
    plan_outcome_of(sheet, &base);
    sheet->what_if_count = 0;
    sheet->what_ifs = ARENA_ARRAY(again->arena, struct plan_sheet_what_if, count + 1);
    if (!sheet->what_ifs)
        return ERR_MEMORY;
    again->count = again->solved + count;
    for (uint32_t i = 0; i < count; i++) {
        enum err err = plan_again_solve(again, questions[i].pulls, questions[i].count, &outcome);
        if (err)
            return err;
        struct plan_sheet_what_if *row = &sheet->what_ifs[sheet->what_if_count++];
        *row = row_of(&questions[i], &outcome);
        row->why = arena_copy(again->arena, span_of(outcome.why));
        if (!has_base || outcome.verdict != PLAN_VERDICT_FOUND)
            continue;
        struct plan_worth worth = plan_worth_between(&outcome, &base);
        plan_worth_clip(&worth, sign_of(&questions[i]));
        row->more_usd_h = finite_or_nan(worth.usd_h);
        row->more_low_usd_h = finite_or_nan(worth.low_usd_h);
        row->more_high_usd_h = finite_or_nan(worth.high_usd_h);
    }
    return again->arena->is_overflown ? ERR_MEMORY : ERR_OK;
}
