#include "plan/explain.h"

#include <math.h>

#include "base/check.h"

/* Differences of costs are looked at, so each cost must be near its best. */
#define GAP_MOST 1e-4

static bool is_unit(enum plan_lever_kind kind)
{
    return plan_lever_can(kind, PLAN_PULL_MORE);
}

static bool binds(const struct plan_lever *lever, const struct plan_sheet *sheet)
{
    for (uint32_t i = 0; i < sheet->rule_count; i++)
        if (sheet->rules[i].is_binding && plan_lever_is_rule(lever, sheet->rules[i].rule))
            return true;
    return false;
}

/* What may be used at all is a question of its own, for --what-if. */
static bool is_asked(const struct plan_lever *lever, const struct plan_sheet *sheet)
{
    switch (lever->kind) {
    case PLAN_LEVER_PLACES:
    case PLAN_LEVER_SKUS:
    case PLAN_LEVER_MARKETS:
        return false;
    case PLAN_LEVER_STOCK:
    case PLAN_LEVER_POWER:
    case PLAN_LEVER_CARBON:
    case PLAN_LEVER_REPLICAS:
    case PLAN_LEVER_REGIONS:
        return binds(lever, sheet);
    default:
        return true;
    }
}

/* Those asked, promises first, stocks last; as many as fit. */
static uint32_t choose(const struct plan_lever *levers, uint32_t count,
                       const struct plan_sheet *sheet, const struct plan_lever **ret_chosen,
                       uint32_t *ret_left)
{
    uint32_t chosen = 0;
    *ret_left = 0;
    for (uint32_t turn = 0; turn < 2; turn++)
        for (uint32_t i = count; i-- > 0;) {
            bool is_turn = (levers[i].kind == PLAN_LEVER_STOCK) == (turn == 1);
            if (!is_turn || !is_asked(&levers[i], sheet))
                continue;
            if (chosen < PLAN_EXPLAIN_MAX)
                ret_chosen[chosen++] = &levers[i];
            else
                ++*ret_left;
        }
    return chosen;
}

/* Sentences -------------------------------------------------------------------------------- */

static void say_subject(const struct plan_wish *wish, const struct plan_lever *lever,
                        struct text *text)
{
    struct span service =
        lever->service == PLAN_NONE ? span_of(NULL) : wish->services[lever->service].name;
    struct span place =
        lever->place == PLAN_NONE ? span_of(NULL) : plan_wish_place_name(wish, lever->place);
    switch (lever->kind) {
    case PLAN_LEVER_STOCK:
        CHECK(lever->sku != PLAN_NONE);
        text_add(text, "one more %.*s in %.*s", SPAN_ARG(wish->catalog->skus[lever->sku].name),
                 SPAN_ARG(place));
        if (lever->market != PLAN_ON_DEMAND)
            text_add(text, " (%s)", plan_market_name((enum plan_market)lever->market));
        return;
    case PLAN_LEVER_BUDGET:
        text_add(text, "$1/h more of budget");
        return;
    case PLAN_LEVER_CARBON:
        text_add(text, "one kg/h more of CO2");
        return;
    case PLAN_LEVER_POWER:
        text_add(text, "one kW more of power%s%.*s", place.n ? " in " : "", SPAN_ARG(place));
        return;
    case PLAN_LEVER_LOSE:
        text_add(text, "surviving the %.*s", SPAN_ARG(lever->name));
        return;
    case PLAN_LEVER_RESIDENCY:
        text_add(text, "the ");
        if (lever->item != PLAN_NONE)
            text_add(text, "%.*s ", SPAN_ARG(wish->zones[lever->item]));
        text_add(text, "residency rule of %.*s", SPAN_ARG(service));
        return;
    case PLAN_LEVER_SLO:
        text_add(text, "the promise of %.*s", SPAN_ARG(service));
        if (isfinite(wish->services[lever->service].ttft_ms))
            text_add(text, " (first token in %.0f ms)", wish->services[lever->service].ttft_ms);
        return;
    default:
        text_add(text, "the rule \"%.*s\"", SPAN_ARG(lever->name));
    }
}

static void say(const struct plan_wish *wish, const struct plan_lever *lever,
                const struct plan_worth *worth, const struct plan_outcome *without,
                struct text *text)
{
    say_subject(wish, lever, text);
    if (without->verdict != PLAN_VERDICT_FOUND) {
        text_add(text, ": not settled within the limits");
        return;
    }
    text_add(text, is_unit(lever->kind) ? " is worth " : " costs ");
    bool is_share =
        lever->kind == PLAN_LEVER_LOSE && plan_worth_is_sure(worth) && without->cost_usd_h > 0;
    if (worth->high_usd_h < 0.005 && worth->low_usd_h > -0.005) {
        text_add(text, "nothing");
        return;
    }
    if (is_share)
        text_add(text, "%.3g %% (", 100 * worth->usd_h / without->cost_usd_h);
    plan_worth_say(worth, text);
    text_add(text, "%s", is_share ? ")" : "");
}

/* The whole -------------------------------------------------------------------------------- */

static enum err explain_one(struct plan_again *again, const struct plan_lever *lever,
                            const struct plan_outcome *with, struct plan_sheet *sheet)
{
    struct plan_pull pull = {*lever, is_unit(lever->kind) ? PLAN_PULL_MORE : PLAN_PULL_OFF, 1};
    struct plan_outcome without;
    enum err err = plan_again_solve(again, &pull, 1, &without);
    if (err)
        return err;
    struct plan_worth worth = plan_worth_between(with, &without);
    plan_worth_clip(&worth, -plan_pull_sign(&pull));
    char buffer[512];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    say(again->wish, lever, &worth, &without, &text);
    struct plan_sheet_shadow *shadow = &sheet->shadows[sheet->shadow_count++];
    *shadow = (struct plan_sheet_shadow){
        .rule = lever->name,
        .sentence = arena_copy(again->arena, text_span(&text)),
        .usd_h = plan_worth_is_sure(&worth) ? worth.usd_h : (double)NAN,
        .low_usd_h = isfinite(worth.low_usd_h) ? worth.low_usd_h : (double)NAN,
        .high_usd_h = isfinite(worth.high_usd_h) ? worth.high_usd_h : (double)NAN};
    for (uint32_t i = 0; i < sheet->rule_count; i++)
        if (plan_lever_is_rule(lever, sheet->rules[i].rule))
            sheet->rules[i].shadow_usd_h = shadow->usd_h;
    return shadow->sentence.p ? ERR_OK : ERR_MEMORY;
}

/* The better of two answers to the same question. */
static void join(struct plan_outcome *ours, const struct plan_outcome *again)
{
    if (again->cost_usd_h < ours->cost_usd_h)
        ours->cost_usd_h = again->cost_usd_h;
    if (again->bound_usd_h > ours->bound_usd_h)
        ours->bound_usd_h = again->bound_usd_h;
}

enum err plan_explain(struct plan_again *again, struct plan_sheet *sheet)
{
    const struct plan_lever *levers, *chosen[PLAN_EXPLAIN_MAX];
    struct plan_outcome with, twice;
    double gap = again->limits.gap;
    uint32_t count;
    sheet->shadow_count = 0;
    sheet->shadows = ARENA_ARRAY(again->arena, struct plan_sheet_shadow, PLAN_EXPLAIN_MAX);
    if (!sheet->shadows || !plan_levers_list(again->wish, again->arena, &levers, &count))
        return ERR_MEMORY;
    count = choose(levers, count, sheet, chosen, &sheet->shadows_left);
    again->count = again->solved + count + 1;
    again->limits.gap = gap < GAP_MOST ? gap : GAP_MOST;
    plan_outcome_of(sheet, &with);
    enum err err = ERR_OK;
    if (count > 0)
        err = plan_again_solve(again, NULL, 0, &twice);
    if (!err && count > 0 && twice.verdict == PLAN_VERDICT_FOUND)
        join(&with, &twice);
    for (uint32_t i = 0; i < count && !err; i++)
        err = explain_one(again, chosen[i], &with, sheet);
    again->limits.gap = gap;
    return err;
}
