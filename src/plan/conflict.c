#include "plan/conflict.h"

#include <math.h>

#include "base/check.h"
#include "plan/formulate_build.h"

/* Any plan will do. */
#define GAP_ANY 1e9

enum {
    STOCKS_MAX = 4096,
    STACK_MAX = 128,
    STOCK_MORE_MAX = 1 << 16,
    SHOWN_MAX = 12,
    STOCKS_MENDED_MAX = 4 /* one by one */
};

#define SLO_TIMES_MAX   8.0
#define STOCK_TIMES_MAX 64.0
#define STEP            (1.0 / 128) /* of the demand */

struct range {
    uint32_t first, count;
    bool is_left;   /* half of a range that is needed; the other one is right behind it */
    bool is_needed; /* known, not tried: the left half is off */
    bool is_open;   /* that the two halves are needed is not proven */
};

struct filter {
    struct plan_again *again;
    struct plan_lever *levers;
    bool *is_off, *is_fixed; /* fixed: it stays, and is not asked about */
    uint32_t count;
    struct plan_pull *pulls;
    uint32_t solves_max;
};

/* Solves --------------------------------------------------------------------------------- */

static bool is_spent(const struct filter *filter)
{
    const struct plan_again *again = filter->again;
    return again->solved >= filter->solves_max ||
           (again->is_spent && again->is_spent(again->context));
}

static enum err solve_pulled(struct filter *filter, uint32_t pull_count,
                             struct plan_outcome *ret_outcome)
{
    struct plan_again *again = filter->again;
    double gap = again->limits.gap;
    again->limits.gap = GAP_ANY;
    enum err err = plan_again_solve(again, filter->pulls, pull_count, ret_outcome);
    again->limits.gap = gap;
    return err;
}

/* Without what is off. All stocks together are one pull. */
static enum err solve_without(struct filter *filter, enum plan_verdict *ret_verdict)
{
    uint32_t count = 0, on = 0;
    struct plan_outcome outcome;
    for (uint32_t i = 0; i < filter->count; i++)
        on += filter->levers[i].kind == PLAN_LEVER_STOCK && !filter->is_off[i];
    for (uint32_t i = 0; i < filter->count; i++)
        if (filter->is_off[i] && (on > 0 || filter->levers[i].kind != PLAN_LEVER_STOCK))
            filter->pulls[count++] = (struct plan_pull){filter->levers[i], PLAN_PULL_OFF, 0};
    if (on == 0)
        filter->pulls[count++] =
            (struct plan_pull){plan_lever_any(PLAN_LEVER_STOCK), PLAN_PULL_OFF, 0};
    enum err err = solve_pulled(filter, count, &outcome);
    if (!err)
        *ret_verdict = outcome.verdict;
    return err;
}

static void set_off(struct filter *filter, struct range range, bool is_off)
{
    for (uint32_t i = range.first; i < range.first + range.count; i++)
        filter->is_off[i] = is_off;
}

/* The set -------------------------------------------------------------------------------- */

static bool is_choice(const struct plan_lever *lever)
{
    return lever->kind == PLAN_LEVER_PLACES || lever->kind == PLAN_LEVER_SKUS ||
           lever->kind == PLAN_LEVER_MARKETS;
}

static bool goes_in_halves(enum plan_lever_kind kind)
{
    return kind == PLAN_LEVER_STOCK || kind == PLAN_LEVER_PIN || kind == PLAN_LEVER_FORBID;
}

/* Without any rule a plan must be found, else nothing can be said of single rules. What may be used
 * at all stays as it is if that is enough: without, there would be many more places to look at. */
static enum err solve_bare(struct filter *filter, enum plan_verdict *ret_verdict)
{
    for (uint32_t i = 0; i < filter->count; i++) {
        filter->is_fixed[i] = is_choice(&filter->levers[i]);
        filter->is_off[i] = !filter->is_fixed[i];
    }
    enum err err = solve_without(filter, ret_verdict);
    if (!err && *ret_verdict == PLAN_VERDICT_NONE) {
        for (uint32_t i = 0; i < filter->count; i++) {
            filter->is_fixed[i] = false;
            filter->is_off[i] = true;
        }
        err = solve_without(filter, ret_verdict);
    }
    for (uint32_t i = 0; i < filter->count; i++)
        filter->is_off[i] = false;
    return err;
}

/* The next rules to be tried together: all stocks, all pins, or one rule. */
static struct range next_range(const struct filter *filter, uint32_t first)
{
    struct range range = {.first = first, .count = 1};
    enum plan_lever_kind kind = filter->levers[first].kind;
    while (goes_in_halves(kind) && first + range.count < filter->count &&
           filter->levers[first + range.count].kind == kind)
        range.count++;
    return range;
}

/* Tries to do without <whole>, then without its halves, and so on. */
static enum err thin_out(struct filter *filter, struct range whole, bool *is_proven)
{
    struct range stack[STACK_MAX];
    uint32_t depth = 0;
    stack[depth++] = whole;
    while (depth > 0) {
        struct range range = stack[--depth];
        enum plan_verdict verdict;
        if (is_spent(filter)) {
            *is_proven = false;
            return ERR_OK;
        }
        set_off(filter, range, true);
        verdict = range.is_open ? PLAN_VERDICT_OPEN : PLAN_VERDICT_FOUND;
        enum err err = range.is_needed ? ERR_OK : solve_without(filter, &verdict);
        if (err)
            return err;
        if (verdict == PLAN_VERDICT_NONE) {
            if (range.is_left)
                stack[depth - 1].is_needed = true;
            continue;
        }
        set_off(filter, range, false);
        bool is_open = verdict == PLAN_VERDICT_OPEN;
        if (range.count == 1) {
            *is_proven = *is_proven && !is_open;
            continue;
        }
        uint32_t half = range.count / 2;
        CHECK(depth + 2 <= STACK_MAX);
        stack[depth++] = (struct range){
            .first = range.first + half, .count = range.count - half, .is_open = is_open};
        stack[depth++] = (struct range){.first = range.first, .count = half, .is_left = true};
    }
    return ERR_OK;
}

static enum err find_set(struct filter *filter, struct plan_conflict *conflict)
{
    enum plan_verdict bare;
    bool is_proven = true;
    enum err err = solve_bare(filter, &bare);
    if (err || bare != PLAN_VERDICT_FOUND) {
        conflict->is_hopeless = !err && bare == PLAN_VERDICT_NONE;
        return err;
    }
    for (uint32_t i = 0; i < filter->count && !err;) {
        struct range range = next_range(filter, i);
        if (!filter->is_fixed[i])
            err = thin_out(filter, range, &is_proven);
        i += range.count;
    }
    struct plan_lever *set =
        ARENA_ARRAY(filter->again->arena, struct plan_lever, filter->count + 1);
    if (err || !set)
        return err ? err : ERR_MEMORY;
    for (uint32_t i = 0; i < filter->count; i++)
        if (!filter->is_off[i] && !filter->is_fixed[i])
            set[conflict->count++] = filter->levers[i];
    conflict->levers = set;
    conflict->is_irreducible = is_proven && conflict->count > 0;
    return ERR_OK;
}

/* What mends it ---------------------------------------------------------------------------- */

static enum err try_mend(struct filter *filter, struct plan_mend *mend)
{
    struct plan_outcome outcome;
    filter->pulls[0] = mend->pull;
    enum err err = solve_pulled(filter, 1, &outcome);
    mend->verdict = outcome.verdict;
    mend->cost_usd_h = outcome.cost_usd_h;
    return err;
}

/* The least amount between <bad> and <good> that leaves a plan, in steps; <good> does. */
static enum err halve(struct filter *filter, double bad, double step, struct plan_mend *mend)
{
    bool is_proven = true;
    double good = mend->pull.amount;
    while (fabs(good - bad) > step * 1.001 && !is_spent(filter)) {
        struct plan_mend middle = *mend;
        middle.pull.amount = bad + (good - bad) / 2;
        if (mend->pull.how == PLAN_PULL_MORE)
            middle.pull.amount = floor(middle.pull.amount);
        enum err err = try_mend(filter, &middle);
        if (err)
            return err;
        if (middle.verdict == PLAN_VERDICT_FOUND) {
            *mend = middle;
            good = middle.pull.amount;
        } else {
            bad = middle.pull.amount;
            is_proven = is_proven && middle.verdict == PLAN_VERDICT_NONE;
        }
    }
    mend->is_least = is_proven && fabs(good - bad) <= step * 1.001;
    return ERR_OK;
}

/* One stock: doubled until there is a plan, then halved down. */
static enum err mend_stock(struct filter *filter, struct plan_mend *mend)
{
    struct plan_mend more = *mend;
    double bad = 0;
    more.pull.how = PLAN_PULL_MORE;
    for (more.pull.amount = 1; more.pull.amount <= STOCK_MORE_MAX && !is_spent(filter);
         more.pull.amount *= 2) {
        enum err err = try_mend(filter, &more);
        if (err)
            return err;
        if (more.verdict == PLAN_VERDICT_FOUND) {
            *mend = more;
            return halve(filter, bad, 1, mend);
        }
        bad = more.pull.amount;
    }
    return ERR_OK;
}

static enum err mend_slo(struct filter *filter, struct plan_mend *mend)
{
    struct plan_mend later = *mend;
    later.pull.how = PLAN_PULL_TIMES;
    later.pull.amount = SLO_TIMES_MAX;
    enum err err = try_mend(filter, &later);
    if (err || later.verdict != PLAN_VERDICT_FOUND)
        return err;
    *mend = later;
    return halve(filter, 1, 0.01, mend);
}

static enum err mend_demand(struct filter *filter, struct plan_mend *mend)
{
    mend->pull = (struct plan_pull){plan_lever_any(PLAN_LEVER_DEMAND), PLAN_PULL_TIMES, STEP};
    enum err err = try_mend(filter, mend);
    return err || mend->verdict != PLAN_VERDICT_FOUND ? err : halve(filter, 1, STEP, mend);
}

/* So much more of each machine that is in stock. */
static enum err mend_stocks(struct filter *filter, struct plan_mend *mend)
{
    double bad = 1;
    mend->pull = (struct plan_pull){plan_lever_any(PLAN_LEVER_STOCK), PLAN_PULL_TIMES, 2};
    mend->pull.lever.name = SPAN_LITERAL("stock of all machines");
    for (;; mend->pull.amount *= 2) {
        enum err err = try_mend(filter, mend);
        if (err)
            return err;
        if (mend->verdict == PLAN_VERDICT_FOUND)
            return halve(filter, bad, mend->pull.amount / 64, mend);
        if (mend->pull.amount >= STOCK_TIMES_MAX || is_spent(filter))
            return ERR_OK;
        bad = mend->pull.amount;
    }
}

/* How much of a rule that may go has to. */
static enum err refine(struct filter *filter, struct plan_mend *mend)
{
    enum plan_lever_kind kind = mend->pull.lever.kind;
    if (mend->verdict != PLAN_VERDICT_FOUND || mend->pull.how != PLAN_PULL_OFF)
        return ERR_OK;
    if (kind == PLAN_LEVER_STOCK)
        return mend_stock(filter, mend);
    return kind == PLAN_LEVER_SLO ? mend_slo(filter, mend) : ERR_OK;
}

static uint32_t count_stocks(const struct plan_conflict *conflict)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < conflict->count; i++)
        count += conflict->levers[i].kind == PLAN_LEVER_STOCK;
    return count;
}

enum err plan_conflict_mend(struct plan_again *again, struct plan_conflict *conflict)
{
    struct plan_pull pull;
    struct filter filter = {
        .again = again, .pulls = &pull, .solves_max = again->solved + PLAN_MEND_SOLVES_MAX};
    uint32_t stocks = count_stocks(conflict);
    conflict->unlooked = 0;
    if (conflict->count == 0)
        return ERR_OK;
    enum err err = ERR_OK;
    for (uint32_t i = 0; i < conflict->count && !err; i++) {
        const struct plan_lever *lever = &conflict->levers[i];
        bool is_left = lever->kind == PLAN_LEVER_STOCK && stocks > STOCKS_MENDED_MAX;
        if (is_left || is_spent(&filter) || conflict->mend_count + 2 >= PLAN_MENDS_MAX) {
            conflict->unlooked++;
            continue;
        }
        struct plan_mend *mend = &conflict->mends[conflict->mend_count++];
        mend->pull = (struct plan_pull){*lever, PLAN_PULL_OFF, 0};
        err = try_mend(&filter, mend);
    }
    uint32_t rules = conflict->mend_count;
    if (!err)
        err = mend_demand(&filter, &conflict->mends[conflict->mend_count++]);
    if (!err && stocks > 1)
        err = mend_stocks(&filter, &conflict->mends[conflict->mend_count++]);
    for (uint32_t i = 0; i < rules && !err; i++)
        err = refine(&filter, &conflict->mends[i]);
    return err;
}

/* Very many stocks are one rule. */
static void join_stocks(struct filter *filter)
{
    uint32_t stocks = 0, kept = 0;
    for (uint32_t i = 0; i < filter->count; i++)
        stocks += filter->levers[i].kind == PLAN_LEVER_STOCK;
    if (stocks <= STOCKS_MAX)
        return;
    for (uint32_t i = 0, seen = 0; i < filter->count; i++) {
        bool is_stock = filter->levers[i].kind == PLAN_LEVER_STOCK;
        if (is_stock && seen++ > 0)
            continue;
        filter->levers[kept] = filter->levers[i];
        if (is_stock) {
            filter->levers[kept] = plan_lever_any(PLAN_LEVER_STOCK);
            filter->levers[kept].name = SPAN_LITERAL("stock of all machines");
        }
        kept++;
    }
    filter->count = kept;
}

enum err plan_conflict_find(struct plan_again *again, struct plan_conflict *ret_conflict)
{
    struct plan_conflict conflict = {0};
    struct filter filter = {.again = again, .solves_max = again->solved + PLAN_CONFLICT_SOLVES_MAX};
    const struct plan_lever *levers;
    if (!plan_levers_list(again->wish, again->arena, &levers, &filter.count))
        return ERR_MEMORY;
    filter.levers = ARENA_ARRAY(again->arena, struct plan_lever, filter.count + 1);
    filter.pulls = ARENA_ARRAY(again->arena, struct plan_pull, filter.count + 1);
    filter.is_off = ARENA_ARRAY(again->arena, bool, filter.count + 1);
    filter.is_fixed = ARENA_ARRAY(again->arena, bool, filter.count + 1);
    if (again->arena->is_overflown)
        return ERR_MEMORY;
    for (uint32_t i = 0; i < filter.count; i++)
        filter.levers[i] = levers[i];
    join_stocks(&filter);
    again->count = 0;
    enum err err = find_set(&filter, &conflict);
    if (!err)
        *ret_conflict = conflict;
    return err;
}

/* Words ------------------------------------------------------------------------------------ */

static uint32_t stock_of(const struct plan_wish *wish, const struct plan_lever *lever)
{
    if (lever->market == PLAN_RESERVED)
        return wish->reserved[lever->item].count;
    if (lever->market == PLAN_OWN)
        return wish->sites[lever->place - wish->catalog->region_count].count;
    const struct catalog_offer *offer =
        catalog_find_offer(wish->catalog, (uint16_t)lever->place, (uint16_t)lever->sku,
                           lever->market == PLAN_SPOT ? CATALOG_SPOT : CATALOG_ON_DEMAND);
    CHECK(offer);
    return plan_builder_stock(wish, offer, (enum plan_market)lever->market);
}

static double power_of(const struct plan_wish *wish, const struct plan_lever *lever)
{
    return lever->place == PLAN_NONE
               ? wish->power_max_w / 1000
               : wish->sites[lever->place - wish->catalog->region_count].power_max_w / 1000;
}

static void say_service_rule(const struct plan_wish_service *service, enum plan_lever_kind kind,
                             struct text *text)
{
    switch (kind) {
    case PLAN_LEVER_SLO:
        if (isfinite(service->ttft_ms))
            text_add(text, ": first token in %g ms", service->ttft_ms);
        return;
    case PLAN_LEVER_REPLICAS:
        text_add(text, ": %u", service->replicas_min);
        return;
    case PLAN_LEVER_REGIONS:
        text_add(text, ": %u", service->regions_min);
        return;
    case PLAN_LEVER_SPREAD:
        text_add(text, ": %g %%", 100 * service->spread);
        return;
    case PLAN_LEVER_SPOT:
        text_add(text, ": %g %%", 100 * service->spot);
        return;
    case PLAN_LEVER_SPOT_SPREAD:
        text_add(text, ": %g %%", 100 * service->spot_spread);
        return;
    default:
        return;
    }
}

static void say_rule(const struct plan_wish *wish, const struct plan_lever *lever,
                     struct text *text)
{
    text_add_span(text, lever->name);
    switch (lever->kind) {
    case PLAN_LEVER_STOCK:
        if (lever->place != PLAN_NONE)
            text_add(text, ": %u", stock_of(wish, lever));
        return;
    case PLAN_LEVER_BUDGET:
        text_add(text, ": %g", wish->budget_usd_h);
        return;
    case PLAN_LEVER_CARBON:
        text_add(text, ": %g", wish->carbon_max_kg_h);
        return;
    case PLAN_LEVER_POWER:
        text_add(text, ": %g", power_of(wish, lever));
        return;
    default:
        if (lever->service != PLAN_NONE)
            say_service_rule(&wish->services[lever->service], lever->kind, text);
    }
}

static void say_mend(const struct plan_wish *wish, const struct plan_mend *mend, struct text *text)
{
    const struct plan_lever *lever = &mend->pull.lever;
    if (mend->pull.how == PLAN_PULL_OFF)
        text_add(text, "\n  without %.*s", SPAN_ARG(lever->name));
    else if (lever->kind == PLAN_LEVER_DEMAND && mend->verdict != PLAN_VERDICT_FOUND)
        text_add(text, "\n  next to no demand");
    else if (lever->kind == PLAN_LEVER_DEMAND)
        text_add(text, "\n  %.3g %% of the demand", floor(1000 * mend->pull.amount) / 10);
    else if (mend->pull.how == PLAN_PULL_MORE)
        text_add(text, "\n  %.0f more: %.*s", mend->pull.amount, SPAN_ARG(lever->name));
    else
        text_add(text, "\n  x%.3g: %.*s", mend->pull.amount, SPAN_ARG(lever->name));
    double ttft_ms =
        lever->kind == PLAN_LEVER_SLO ? wish->services[lever->service].ttft_ms : INFINITY;
    if (mend->pull.how == PLAN_PULL_TIMES && isfinite(ttft_ms))
        text_add(text, ", first token in %.0f ms", ceil(ttft_ms * mend->pull.amount));
    if (mend->verdict == PLAN_VERDICT_FOUND)
        text_add(text, " (then $%.2f/h or less%s)", mend->cost_usd_h,
                 mend->is_least || mend->pull.how == PLAN_PULL_OFF ? "" : "; less may do too");
    else if (mend->verdict == PLAN_VERDICT_NONE)
        text_add(text, ": still none%s",
                 lever->kind == PLAN_LEVER_DEMAND ? "" : ", other rules leave none either");
    else
        text_add(text, ": not settled within the limits");
}

void plan_conflict_say(const struct plan_wish *wish, const struct plan_conflict *conflict,
                       struct text *text)
{
    if (conflict->is_hopeless) {
        text_add(text, "\n  no rule is to blame: without any of them no machine that can be had "
                       "answers all requests");
        return;
    }
    if (conflict->count == 0) {
        text_add(text, "\n  which rules, could not be found within the limits");
        return;
    }
    text_add(text, "\n%s",
             conflict->is_irreducible
                 ? "these rules leave none; without any one of them the others would:"
                 : "among these rules (not proven irreducible: some may be beside the point):");
    uint32_t stocks = count_stocks(conflict), said = 0;
    for (uint32_t i = 0; i < conflict->count; i++) {
        bool is_stock = conflict->levers[i].kind == PLAN_LEVER_STOCK;
        if ((is_stock && stocks > SHOWN_MAX) || said++ >= SHOWN_MAX)
            continue;
        text_add(text, "\n  ");
        say_rule(wish, &conflict->levers[i], text);
    }
    if (stocks > SHOWN_MAX)
        text_add(text, "\n  stock of %u pairs of a machine and a place", stocks);
    if (said > SHOWN_MAX)
        text_add(text, "\n  and %u rules more", said - SHOWN_MAX);
    if (conflict->mend_count > 0)
        text_add(text, "\nwhat would mend it, each alone:");
    for (uint32_t i = 0; i < conflict->mend_count; i++)
        say_mend(wish, &conflict->mends[i], text);
    if (conflict->unlooked > 0)
        text_add(text, "\n  (%u of the rules were not tried alone)", conflict->unlooked);
}
