#include "plan/question.h"

#include "base/check.h"
#include "plan/formulate_build.h"

enum name_kind { SERVICE = 1, PLACE = 2, PROVIDER = 4, SKU = 8, MARKET = 16, ZONE = 32 };

struct verb {
    const char *word;
    enum plan_lever_kind kind;
    uint32_t names;  /* which kinds of names may follow */
    bool needs_name; /* at least one */
};

static const struct verb verbs[] = {
    {"lose", PLAN_LEVER_GONE, PLACE | PROVIDER, true},
    {"price", PLAN_LEVER_PRICE, PLACE | PROVIDER | SKU | MARKET, false},
    {"demand", PLAN_LEVER_DEMAND, SERVICE, false},
    {"slo", PLAN_LEVER_SLO, SERVICE, false},
    {"stock", PLAN_LEVER_STOCK, PLACE | SKU | MARKET, false},
    {"budget", PLAN_LEVER_BUDGET, 0, false},
    {"carbon", PLAN_LEVER_CARBON, 0, false},
    {"power", PLAN_LEVER_POWER, PLACE, false},
    {"rule", PLAN_LEVER_KINDS, 0, false},
};

static const struct verb rules[] = {
    {"lose", PLAN_LEVER_LOSE, 0, false},
    {"slo", PLAN_LEVER_SLO, SERVICE, false},
    {"residency", PLAN_LEVER_RESIDENCY, SERVICE | ZONE, false},
    {"spread", PLAN_LEVER_SPREAD, SERVICE, false},
    {"spot", PLAN_LEVER_SPOT, SERVICE, false},
    {"spot_spread", PLAN_LEVER_SPOT_SPREAD, SERVICE, false},
    {"hold", PLAN_LEVER_HOLD, SERVICE, false},
    {"replicas", PLAN_LEVER_REPLICAS, SERVICE, false},
    {"regions", PLAN_LEVER_REGIONS, SERVICE, false},
    {"pins", PLAN_LEVER_PIN, 0, false},
    {"forbid", PLAN_LEVER_FORBID, 0, false},
    {"budget", PLAN_LEVER_BUDGET, 0, false},
    {"carbon", PLAN_LEVER_CARBON, 0, false},
    {"power", PLAN_LEVER_POWER, PLACE, false},
    {"stock", PLAN_LEVER_STOCK, PLACE | SKU | MARKET, false},
    {"places", PLAN_LEVER_PLACES, 0, false},
    {"skus", PLAN_LEVER_SKUS, 0, false},
    {"markets", PLAN_LEVER_MARKETS, 0, false},
};

struct reader {
    const struct plan_wish *wish;
    struct arena *arena;
    struct text *why;
    struct span words[PLAN_QUESTION_WORDS_MAX];
    uint32_t count, at;
    struct span *valid; /* words that would have fitted, for "did you mean" */
    uint32_t valid_count;
};

/* Names ------------------------------------------------------------------------------------ */

static void offer(struct reader *reader, struct span word)
{
    for (uint32_t i = 0; i < reader->valid_count; i++)
        if (span_is_equal(reader->valid[i], word))
            return;
    reader->valid[reader->valid_count++] = word;
}

/* Index of <name> among <count>, each found by <get>; every one is noted as valid. */
static uint32_t find(struct reader *reader, struct span name, uint32_t count,
                     struct span (*get)(const struct plan_wish *wish, uint32_t index))
{
    uint32_t found = PLAN_NONE;
    for (uint32_t i = 0; i < count; i++) {
        struct span own = get(reader->wish, i);
        if (found == PLAN_NONE && span_is_equal(own, name))
            found = i;
        if (found == PLAN_NONE)
            offer(reader, own);
    }
    return found;
}

static struct span service_name(const struct plan_wish *wish, uint32_t index)
{
    return wish->services[index].name;
}

static struct span sku_name(const struct plan_wish *wish, uint32_t index)
{
    return wish->catalog->skus[index].name;
}

static struct span market_name(const struct plan_wish *wish, uint32_t index)
{
    CHECK(wish);
    return span_of(plan_market_name((enum plan_market)index));
}

static struct span zone_name(const struct plan_wish *wish, uint32_t index)
{
    return wish->zones[index];
}

/* One name of those that may follow, into the lever. */
static bool take_name(struct reader *reader, uint32_t names, struct plan_lever *lever)
{
    const struct plan_wish *wish = reader->wish;
    uint32_t places = plan_wish_place_count(wish);
    struct span word = reader->words[reader->at];
    uint32_t found = PLAN_NONE;
    if (names & SERVICE && lever->service == PLAN_NONE)
        lever->service = found = find(reader, word, wish->service_count, service_name);
    if (found == PLAN_NONE && names & PLACE && lever->place == PLAN_NONE)
        lever->place = found = find(reader, word, places, plan_wish_place_name);
    if (found == PLAN_NONE && names & SKU && lever->sku == PLAN_NONE)
        lever->sku = found = find(reader, word, wish->catalog->sku_count, sku_name);
    if (found == PLAN_NONE && names & ZONE && lever->item == PLAN_NONE)
        lever->item = found = find(reader, word, wish->zone_count, zone_name);
    if (found == PLAN_NONE && names & MARKET && lever->market == PLAN_ANY_MARKET) {
        found = find(reader, word, PLAN_MARKETS, market_name);
        lever->market = found == PLAN_NONE ? PLAN_ANY_MARKET : found;
    }
    if (found == PLAN_NONE && names & PROVIDER && lever->provider.n == 0) {
        found = find(reader, word, places, plan_builder_provider);
        lever->provider = found == PLAN_NONE ? lever->provider : word;
    }
    return found != PLAN_NONE;
}

static enum err refuse(struct reader *reader, const char *expected)
{
    bool is_word = reader->at < reader->count;
    struct span found = is_word ? reader->words[reader->at] : SPAN_LITERAL("nothing");
    text_add(reader->why, "expected %s, found %.*s", expected, SPAN_ARG(found));
    int nearest = is_word ? fleet_nearest(found, reader->valid, reader->valid_count) : -1;
    if (nearest >= 0)
        text_add(reader->why, ": did you mean %.*s?", SPAN_ARG(reader->valid[nearest]));
    return ERR_VALUE;
}

/* Amounts ---------------------------------------------------------------------------------- */

static bool has_amount(const struct reader *reader)
{
    struct span word = reader->at < reader->count ? reader->words[reader->at] : span_of(NULL);
    bool is_times = word.n > 1 && word.p[0] == 'x' && word.p[1] >= '0' && word.p[1] <= '9';
    return is_times || span_is(word, "off") ||
           (word.n > 0 && (word.p[0] == '+' || word.p[0] == '-'));
}

static bool read_amount(struct span word, struct plan_pull *pull)
{
    bool is_share = word.n > 1 && word.p[word.n - 1] == '%', is_less = word.p[0] == '-';
    double value;
    pull->how = PLAN_PULL_OFF;
    if (span_is(word, "off"))
        return true;
    if (!span_to_double(span_from(word.p + 1, word.n - 1 - is_share), &value) || value < 0)
        return false;
    pull->how = word.p[0] == 'x' || is_share ? PLAN_PULL_TIMES : PLAN_PULL_MORE;
    pull->amount = is_less ? -value : value;
    if (is_share)
        pull->amount = word.p[0] == 'x' ? value / 100 : 1 + pull->amount / 100;
    return pull->how == PLAN_PULL_TIMES
               ? pull->amount > 0 && pull->amount <= PLAN_QUESTION_TIMES_MAX
               : value > 0 && value <= PLAN_QUESTION_MORE_MAX;
}

static const char *amount_words(const struct reader *reader, const struct verb *verb, bool is_rule)
{
    CHECK(reader);
    if (verb->kind == PLAN_LEVER_GONE)
        return "nothing more";
    if (is_rule)
        return verb->names ? "a name or off" : "off";
    if (plan_lever_can(verb->kind, PLAN_PULL_MORE))
        return verb->names ? "a name or an amount (x2 +20% +4 off)" : "an amount (x2 +20% +4 off)";
    return "a name or an amount (x1.5 +20%)";
}

static enum err take_amount(struct reader *reader, const struct verb *verb, bool is_rule,
                            struct plan_pull *pull)
{
    if (verb->kind == PLAN_LEVER_GONE && reader->at == reader->count)
        return ERR_OK;
    bool is_good = has_amount(reader) && read_amount(reader->words[reader->at], pull) &&
                   (!is_rule || pull->how == PLAN_PULL_OFF) &&
                   (is_rule || verb->kind != PLAN_LEVER_SLO || pull->how == PLAN_PULL_TIMES) &&
                   plan_lever_can(verb->kind, pull->how) && verb->kind != PLAN_LEVER_GONE;
    if (!is_good)
        return refuse(reader, amount_words(reader, verb, is_rule));
    reader->at++;
    if (reader->at == reader->count)
        return ERR_OK;
    reader->valid_count = 0;
    return refuse(reader, "the end or '+'");
}

/* Pulls ------------------------------------------------------------------------------------ */

static const struct verb *take_verb(struct reader *reader, const struct verb *from, size_t count)
{
    reader->valid_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (reader->at < reader->count && span_is(reader->words[reader->at], from[i].word)) {
            reader->at++;
            return &from[i];
        }
        offer(reader, span_of(from[i].word));
    }
    return NULL;
}

/* What is not there cannot be changed. */
static enum err check_there(struct reader *reader, const struct verb *verb,
                            const struct plan_lever *lever)
{
    const struct plan_lever *own;
    uint32_t count;
    if (lever->kind == PLAN_LEVER_PRICE || lever->kind == PLAN_LEVER_STOCK) {
        if (plan_lever_reaches(reader->wish, lever))
            return ERR_OK;
        text_add(reader->why, "expected machines that the plan may buy, found a %s of none",
                 verb->word);
        return ERR_VALUE;
    }
    if (lever->kind >= PLAN_LEVER_RULES)
        return ERR_OK;
    if (!plan_levers_list(reader->wish, reader->arena, &own, &count))
        return ERR_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        if (own[i].kind == lever->kind &&
            (lever->service == PLAN_NONE || own[i].service == lever->service) &&
            (lever->item == PLAN_NONE || own[i].item == lever->item || own[i].item == PLAN_NONE) &&
            (lever->kind != PLAN_LEVER_POWER || own[i].place == lever->place))
            return ERR_OK;
    text_add(reader->why, "expected a rule of the plan, found %s", verb->word);
    if (lever->service != PLAN_NONE)
        text_add(reader->why, " of %.*s", SPAN_ARG(reader->wish->services[lever->service].name));
    text_add(reader->why, ", which the file does not have");
    return ERR_VALUE;
}

static enum err read_pull(struct reader *reader, struct plan_pull *ret_pull)
{
    const struct verb *verb = take_verb(reader, verbs, COUNT_OF(verbs));
    if (!verb)
        return refuse(reader, "lose, price, demand, slo, stock, budget, carbon, power or rule");
    bool is_rule = verb->kind == PLAN_LEVER_KINDS;
    if (is_rule)
        verb = take_verb(reader, rules, COUNT_OF(rules));
    if (!verb)
        return refuse(reader, "a rule (such as lose, residency, slo, spread, budget, stock)");
    struct plan_pull pull = {.lever = plan_lever_any(verb->kind)};
    uint32_t first = reader->at;
    reader->valid_count = 0;
    while (verb->names && reader->at < reader->count && !has_amount(reader)) {
        if (verb->needs_name && reader->at > first)
            break;
        reader->valid_count = 0;
        if (!take_name(reader, verb->names, &pull.lever))
            return refuse(reader, verb->needs_name ? "a region, a site or a provider"
                                                   : amount_words(reader, verb, is_rule));
        reader->at++;
    }
    if (verb->needs_name && reader->at == first)
        return refuse(reader, "a region, a site or a provider");
    reader->valid_count = 0;
    enum err err = take_amount(reader, verb, is_rule, &pull);
    if (!err)
        err = check_there(reader, verb, &pull.lever);
    if (!err)
        *ret_pull = pull;
    return err;
}

/* The part before the next '+' that joins: one before a letter, not before a number. */
static struct span cut_part(struct span *rest)
{
    for (size_t i = 0; i < rest->n; i++) {
        size_t next = i + 1;
        while (next < rest->n && rest->p[next] == ' ')
            next++;
        bool is_digit = next < rest->n && rest->p[next] >= '0' && rest->p[next] <= '9';
        if (rest->p[i] != '+' || (is_digit && next == i + 1))
            continue;
        struct span part = span_from(rest->p, i);
        *rest = span_from(rest->p + i + 1, rest->n - i - 1);
        return part;
    }
    struct span part = *rest;
    *rest = span_of(NULL);
    return part;
}

static bool split_words(struct reader *reader, struct span part)
{
    reader->count = reader->at = 0;
    while (part.n > 0) {
        struct span word = span_cut(&part, ' ');
        if (word.n == 0)
            continue;
        if (reader->count == PLAN_QUESTION_WORDS_MAX)
            return false;
        reader->words[reader->count++] = word;
    }
    return true;
}

enum err plan_question_read(const struct plan_wish *wish, struct span text, struct arena *arena,
                            struct plan_question *ret_question, struct text *why)
{
    size_t names = (size_t)wish->service_count + 2 * (size_t)plan_wish_place_count(wish) +
                   wish->catalog->sku_count + wish->zone_count + PLAN_MARKETS + COUNT_OF(rules);
    struct reader reader = {.wish = wish, .arena = arena, .why = why};
    struct plan_question question = {.text = text};
    struct span rest = text;
    reader.valid = ARENA_ARRAY(arena, struct span, names);
    if (!reader.valid)
        return ERR_MEMORY;
    do {
        struct span part = cut_part(&rest);
        if (question.count == PLAN_QUESTION_PULLS_MAX || !split_words(&reader, part)) {
            text_add(why, "expected at most %d parts of %d words, found more",
                     PLAN_QUESTION_PULLS_MAX, PLAN_QUESTION_WORDS_MAX);
            return ERR_VALUE;
        }
        enum err err = read_pull(&reader, &question.pulls[question.count++]);
        if (err)
            return err;
    } while (rest.p);
    *ret_question = question;
    return ERR_OK;
}
