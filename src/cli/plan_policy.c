#include "cli/plan_policy.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "fleet/complaint.h"
#include "plan/rival_judge.h"

bool plan_policy_parse(const char *said, bool ret_is_wanted[PLAN_RIVALS], struct text *why)
{
    struct span words[PLAN_RIVALS + 1] = {[PLAN_RIVALS] = SPAN_LITERAL("all")};
    struct span rest = span_of(said);
    bool is_wanted[PLAN_RIVALS] = {false};
    for (uint32_t i = 0; i < PLAN_RIVALS; i++)
        words[i] = span_of(plan_rival_name((enum plan_rival)i));
    while (rest.p) {
        struct span word = span_cut(&rest, ',');
        bool is_known = false;
        for (uint32_t i = 0; i < COUNT_OF(words); i++)
            if (span_is_equal(word, words[i])) {
                is_known = true;
                for (uint32_t k = 0; k < PLAN_RIVALS; k++)
                    is_wanted[k] = is_wanted[k] || k == i || i == PLAN_RIVALS;
            }
        if (is_known)
            continue;
        int nearest = fleet_nearest(word, words, COUNT_OF(words));
        text_add(why, "expected a policy, found \"%.*s\"", SPAN_ARG(word));
        if (nearest >= 0)
            text_add(why, "; did you mean %.*s?", SPAN_ARG(words[nearest]));
        for (uint32_t i = 0; nearest < 0 && i < COUNT_OF(words); i++)
            text_add(why, "%s%.*s", i ? ", " : "; there are ", SPAN_ARG(words[i]));
        return false;
    }
    memcpy(ret_is_wanted, is_wanted, sizeof is_wanted);
    return true;
}

/* The rows --------------------------------------------------------------------------------- */

/* What cannot be. */
static struct plan_sheet_policy nothing(const char *name, bool survives_region)
{
    return (struct plan_sheet_policy){
        .policy = span_of(name), .survives_region = survives_region, .cost_usd_h = (double)NAN};
}

/* farspan's own: traffic and cost as planned, all else by the judge. */
static enum err add_own(struct planning *planning, const struct plan_made *made,
                        bool survives_region, struct plan_sheet_policy *ret)
{
    *ret = nothing("farspan", survives_region);
    if (!isfinite(made->sheet.cost_usd_h))
        return ERR_OK;
    enum err err =
        plan_rival_judge(made->formulation, made->result.answer.counts, &planning->scratch, ret);
    ret->cost_usd_h = made->sheet.cost_usd_h;
    ret->egress_usd_h = made->sheet.egress_usd_h;
    return err;
}

static enum err add_rival(struct planning *planning, const struct plan_formulation *formulation,
                          enum plan_rival rival, bool survives_region,
                          struct plan_sheet_policy *ret)
{
    uint32_t *counts;
    *ret = nothing(plan_rival_name(rival), survives_region);
    if (!formulation)
        return ERR_OK;
    enum err err = plan_rival_place(formulation, rival, survives_region, &planning->lp,
                                    &planning->scratch, &counts);
    return err ? err : plan_rival_judge(formulation, counts, &planning->scratch, ret);
}

/* The wish with another thing to lose; <made> where that is the same. */
static enum err plan_with(struct planning *planning, enum plan_lose lose,
                          const struct planning_effort *effort, const struct plan_made *made,
                          struct plan_wish *wish, struct plan_made *ret_made, struct text *why)
{
    if (planning->wish->lose == lose) {
        *ret_made = *made;
        return ERR_OK;
    }
    *wish = *planning->wish;
    wish->lose = lose;
    *ret_made = (struct plan_made){.sheet = {.cost_usd_h = (double)NAN}};
    enum err err = planning_solve(planning, wish, effort, ret_made, why);
    if (err == ERR_VALUE) /* no plan: said by the row */
        text_truncate(why, 0);
    return err == ERR_VALUE ? ERR_OK : err;
}

enum err plan_policy_compare(struct planning *planning, const bool is_wanted[PLAN_RIVALS],
                             const struct planning_effort *effort, struct plan_made *made,
                             struct text *why)
{
    static const enum plan_lose losses[] = {PLAN_LOSE_NONE, PLAN_LOSE_REGION};
    struct plan_sheet_policy *rows = ARENA_ARRAY(&planning->scratch, struct plan_sheet_policy,
                                                 COUNT_OF(losses) * (PLAN_RIVALS + 1));
    uint32_t count = 0;
    enum err err = rows ? ERR_OK : ERR_MEMORY;
    for (size_t i = 0; !err && i < COUNT_OF(losses); i++) {
        bool survives = losses[i] == PLAN_LOSE_REGION;
        struct plan_wish wish;
        struct plan_made own;
        err = plan_with(planning, losses[i], effort, made, &wish, &own, why);
        if (!err)
            err = add_own(planning, &own, survives, &rows[count++]);
        for (uint32_t k = 0; !err && k < PLAN_RIVALS; k++)
            if (is_wanted[k])
                err = add_rival(planning, own.formulation, (enum plan_rival)k, survives,
                                &rows[count++]);
    }
    if (err)
        return err;
    made->sheet.policies = rows;
    made->sheet.policy_count = count;
    return ERR_OK;
}

/* The table -------------------------------------------------------------------------------- */

static void print_row(const struct plan_sheet_policy *row, struct text *text)
{
    text_add_span(text, row->policy);
    for (size_t n = row->policy.n; n < 22; n++)
        text_add_c(text, ' ');
    if (!isfinite(row->cost_usd_h)) {
        text_add(text, "%12s\n", "no plan");
        return;
    }
    text_add(text, "%12.2f%7.2f %%%7.2f %%%9.2f %%%7.2f %%%10.1f%9.2f  %s\n", row->cost_usd_h,
             100 * row->in_time, 100 * row->unmet, 100 * row->in_time_lost, 100 * row->unmet_lost,
             row->carbon_kg_h, row->egress_usd_h, row->keeps_rules ? "kept" : "broken");
}

void plan_policy_print(const struct plan_sheet *sheet, struct text *text)
{
    static const char *const titles[] = {"sized for all regions",
                                         "sized so that any one region may be lost"};
    if (sheet->policy_count == 0)
        return;
    text_add(text, "\n%-52s%19s\n", "policies on the same prices, stock and loads",
             "worst region lost");
    text_add(text, "%-22s%12s%9s%9s%11s%9s%10s%9s  %s\n", "policy", "$/h", "in time", "unmet",
             "in time", "unmet", "kg CO2/h", "traffic", "rules");
    for (uint32_t i = 0; i < sheet->policy_count; i++) {
        const struct plan_sheet_policy *row = &sheet->policies[i];
        if (i == 0 || row->survives_region != sheet->policies[i - 1].survives_region)
            text_add(text, "%s\n", titles[row->survives_region]);
        print_row(row, text);
    }
}
