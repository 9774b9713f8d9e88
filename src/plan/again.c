#include "plan/again.h"

#include <math.h>

#include "base/check.h"

#define SURE_USD_H 0.01
#define SURE_SHARE 0.05

void plan_outcome_of(const struct plan_sheet *sheet, struct plan_outcome *ret_outcome)
{
    struct plan_outcome outcome = {.verdict = PLAN_VERDICT_FOUND,
                                   .is_optimal = span_is(sheet->status, "optimal"),
                                   .cost_usd_h = sheet->cost_usd_h,
                                   .bound_usd_h = sheet->bound_usd_h,
                                   .machines_usd_h = sheet->costs.machines,
                                   .carbon_kg_h = sheet->carbon_kg_h,
                                   .egress_usd_h = sheet->egress_usd_h};
    for (uint32_t i = 0; i < sheet->replica_count; i++) {
        bool is_new = sheet->replicas[i].count > 0; /* its region */
        outcome.replicas += sheet->replicas[i].count;
        for (uint32_t j = 0; j < i && is_new; j++)
            is_new = sheet->replicas[j].count == 0 ||
                     !span_is_equal(sheet->replicas[j].region, sheet->replicas[i].region);
        outcome.regions += is_new;
    }
    *ret_outcome = outcome;
}

/* Whole lines only, without those before and behind. */
static void keep_lines(struct span why, struct text *text)
{
    while (why.n > 0 && (why.p[0] == '\n' || why.p[0] == ' '))
        why = span_from(why.p + 1, why.n - 1);
    text_add_span(text, why);
    size_t n = text->n;
    while (text->is_cut && n > 0 && text->p[n] != '\n')
        n--;
    if (text->is_cut && n > 0)
        text_truncate(text, n);
}

enum err plan_again_solve(struct plan_again *again, const struct plan_pull *pulls, uint32_t count,
                          struct plan_outcome *ret_outcome)
{
    size_t before = again->arena->used;
    struct plan_outcome outcome = {0};
    struct plan_made made = {0};
    char said[4096];
    struct text why;
    text_init(&why, said, sizeof said);
    const struct plan_wish *wish = plan_wish_pull(again->wish, pulls, count, again->arena);
    if (!wish)
        return ERR_MEMORY;
    again->on_solve(again->context, again->solved, again->count);
    again->solved++;
    enum err err =
        plan_make(wish, &again->from, again->lp, &again->limits, again->arena, &made, &why);
    again->work += err && err != ERR_VALUE ? again->limits.work : made.result.work;
    if (!err) {
        plan_outcome_of(&made.sheet, &outcome);
    } else {
        outcome.verdict = err == ERR_VALUE ? PLAN_VERDICT_NONE : PLAN_VERDICT_OPEN;
        outcome.cost_usd_h = INFINITY;
        outcome.bound_usd_h = err == ERR_VALUE ? INFINITY : 0;
        struct text own;
        text_init(&own, outcome.why, sizeof outcome.why);
        if (err != ERR_VALUE || why.n > 0)
            keep_lines(why.n > 0 ? text_span(&why) : span_of(err_text(err)), &own);
    }
    arena_reset(again->arena, before);
    *ret_outcome = outcome;
    return ERR_OK;
}

struct plan_worth plan_worth_between(const struct plan_outcome *dear,
                                     const struct plan_outcome *cheap)
{
    struct plan_worth worth = {-INFINITY, INFINITY, (double)NAN};
    if (isfinite(dear->bound_usd_h) && isfinite(cheap->cost_usd_h))
        worth.low_usd_h = dear->bound_usd_h - cheap->cost_usd_h;
    if (isfinite(dear->cost_usd_h) && isfinite(cheap->bound_usd_h))
        worth.high_usd_h = dear->cost_usd_h - cheap->bound_usd_h;
    if (isfinite(dear->cost_usd_h) && isfinite(cheap->cost_usd_h))
        worth.usd_h = dear->cost_usd_h - cheap->cost_usd_h;
    return worth;
}

/* More of a sum or of stock makes room, less takes it. */
static int sign_of_amount(const struct plan_pull *pull)
{
    double change = pull->how == PLAN_PULL_TIMES ? pull->amount - 1 : pull->amount;
    return change > 0 ? -1 : 1;
}

int plan_pull_sign(const struct plan_pull *pull)
{
    switch (pull->lever.kind) {
    case PLAN_LEVER_SLO: /* without a promise other sizes share machines */
        return 0;
    case PLAN_LEVER_GONE:
        return 1;
    case PLAN_LEVER_DEMAND:
    case PLAN_LEVER_PRICE:
        return pull->amount > 1 ? 1 : -1;
    default:
        return pull->how == PLAN_PULL_OFF ? -1 : sign_of_amount(pull);
    }
}

void plan_worth_clip(struct plan_worth *worth, int sign)
{
    double *ends[] = {&worth->low_usd_h, &worth->high_usd_h, &worth->usd_h};
    for (size_t i = 0; i < COUNT_OF(ends); i++)
        if (*ends[i] * sign < 0)
            *ends[i] = 0;
}

bool plan_worth_is_sure(const struct plan_worth *worth)
{
    double room = worth->high_usd_h - worth->low_usd_h;
    return isfinite(worth->usd_h) &&
           (room <= SURE_USD_H || room <= SURE_SHARE * fabs(worth->usd_h));
}

static void say_money(double usd_h, struct text *text)
{
    double shown = fabs(usd_h) < 0.005 ? 0 : usd_h;
    text_add(text, "%s$%.2f", shown < 0 ? "-" : "", fabs(shown));
}

void plan_worth_say(const struct plan_worth *worth, struct text *text)
{
    if (plan_worth_is_sure(worth)) {
        say_money(worth->usd_h, text);
    } else if (isfinite(worth->low_usd_h) && isfinite(worth->high_usd_h)) {
        text_add(text, "between ");
        say_money(worth->low_usd_h, text);
        text_add(text, " and ");
        say_money(worth->high_usd_h, text);
    } else if (isfinite(worth->low_usd_h)) {
        text_add(text, "at least ");
        say_money(worth->low_usd_h, text);
    } else if (isfinite(worth->high_usd_h)) {
        text_add(text, "at most ");
        say_money(worth->high_usd_h, text);
    } else {
        text_add(text, "an unknown amount");
        return;
    }
    text_add(text, "/h");
}
