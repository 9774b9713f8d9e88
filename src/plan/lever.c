#include "plan/lever.h"

#include <math.h>

#include "base/check.h"
#include "plan/formulate_build.h"

enum { WORDS_MAX = 256 };

struct list {
    const struct plan_wish *wish;
    struct arena *arena;
    struct plan_lever *levers; /* NULL: they are only counted */
    uint32_t count;
    bool *is_useful; /* each sku: can it compute any service? */
};

struct plan_lever plan_lever_any(enum plan_lever_kind kind)
{
    return (struct plan_lever){.kind = kind,
                               .service = PLAN_NONE,
                               .place = PLAN_NONE,
                               .sku = PLAN_NONE,
                               .market = PLAN_ANY_MARKET,
                               .item = PLAN_NONE};
}

__attribute__((format(printf, 3, 4))) static void add(struct list *list, struct plan_lever lever,
                                                      const char *format, ...)
{
    char buffer[WORDS_MAX];
    struct text text;
    va_list arguments;
    uint32_t at = list->count++;
    if (!list->levers)
        return;
    text_init(&text, buffer, sizeof buffer);
    va_start(arguments, format);
    text_add_v(&text, format, arguments);
    va_end(arguments);
    lever.name = arena_copy(list->arena, text_span(&text));
    list->levers[at] = lever;
}

/* What may be used ------------------------------------------------------------------------- */

static bool has_false(const bool *marks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!marks[i])
            return true;
    return false;
}

static void add_choices(struct list *list)
{
    const struct plan_wish *wish = list->wish;
    if (has_false(wish->is_wanted, wish->catalog->region_count))
        add(list, plan_lever_any(PLAN_LEVER_PLACES), "regions that may be used");
    if (has_false(wish->is_sku_wanted, wish->catalog->sku_count))
        add(list, plan_lever_any(PLAN_LEVER_SKUS), "machines that may be used");
    if (has_false(wish->has_market, PLAN_MARKETS))
        add(list, plan_lever_any(PLAN_LEVER_MARKETS), "markets that may be used");
    for (uint32_t i = 0; i < wish->forbidden_count; i++) {
        struct plan_lever lever = plan_lever_any(PLAN_LEVER_FORBID);
        lever.item = i;
        add(list, lever, "forbid in line %u", wish->forbidden[i].said.line);
    }
    for (uint32_t i = 0; i < wish->pin_count; i++) {
        const struct plan_wish_choice *pin = &wish->pins[i];
        struct plan_lever lever = plan_lever_any(PLAN_LEVER_PIN);
        lever.item = i;
        lever.service = pin->service;
        add(list, lever, "pin of %.*s in %.*s", SPAN_ARG(wish->services[pin->service].name),
            SPAN_ARG(plan_wish_place_name(wish, pin->place)));
    }
}

/* Rules of services ------------------------------------------------------------------------ */

static bool has_rule(const struct plan_wish_service *service, enum plan_lever_kind kind)
{
    switch (kind) {
    case PLAN_LEVER_HOLD:
        return service->is_held;
    case PLAN_LEVER_REPLICAS:
        return service->replicas_min > 0;
    case PLAN_LEVER_REGIONS:
        return service->regions_min > 1;
    case PLAN_LEVER_SPREAD:
        return service->spread < 1;
    case PLAN_LEVER_SPOT:
        return service->spot < 1;
    case PLAN_LEVER_SPOT_SPREAD:
        return service->spot_spread < 1;
    case PLAN_LEVER_SLO:
        return isfinite(service->ttft_ms) || isfinite(service->tpot_ms);
    default:
        return false;
    }
}

static void add_of_services(struct list *list, enum plan_lever_kind kind, const char *what)
{
    for (uint32_t s = 0; s < list->wish->service_count; s++) {
        struct plan_lever lever = plan_lever_any(kind);
        lever.service = s;
        if (has_rule(&list->wish->services[s], kind))
            add(list, lever, "%s of %.*s", what, SPAN_ARG(list->wish->services[s].name));
    }
}

static uint32_t all_zones(const struct plan_wish *wish)
{
    return wish->zone_count >= LIMIT_ZONES ? UINT32_MAX : (1U << wish->zone_count) - 1;
}

/* Zones of clients with requests of <service> that may not be computed everywhere. */
static uint32_t bound_zones(const struct plan_wish *wish, const struct plan_wish_service *service,
                            uint32_t *ret_free)
{
    uint32_t bound = 0, all = all_zones(wish);
    *ret_free = 0;
    for (uint32_t c = 0; c < wish->catalog->client_count; c++) {
        uint32_t zone = 1U << wish->client_zones[c];
        if (service->rates[c] <= 0)
            continue;
        if ((service->residency[c] & all) == all)
            *ret_free |= zone;
        else
            bound |= zone;
    }
    return bound;
}

/* One for all clients where all are bound alike, else one for each zone of clients. */
static void add_residency(struct list *list, uint32_t s)
{
    const struct plan_wish *wish = list->wish;
    const struct plan_wish_service *service = &wish->services[s];
    uint32_t free_zones, bound = bound_zones(wish, service, &free_zones), first = PLAN_NONE;
    bool is_alike = free_zones == 0;
    for (uint32_t c = 0; c < wish->catalog->client_count; c++) {
        if (service->rates[c] <= 0)
            continue;
        first = first == PLAN_NONE ? c : first;
        is_alike = is_alike && service->residency[c] == service->residency[first];
    }
    struct plan_lever lever = plan_lever_any(PLAN_LEVER_RESIDENCY);
    lever.service = s;
    if (bound && is_alike) {
        add(list, lever, "residency of %.*s", SPAN_ARG(service->name));
        return;
    }
    for (uint32_t zone = 0; zone < wish->zone_count; zone++) {
        lever.item = zone;
        if (bound >> zone & 1)
            add(list, lever, "%.*s residency of %.*s", SPAN_ARG(wish->zones[zone]),
                SPAN_ARG(service->name));
    }
}

/* Rules of all ----------------------------------------------------------------------------- */

static void add_sums(struct list *list)
{
    const struct plan_wish *wish = list->wish;
    if (isfinite(wish->power_max_w))
        add(list, plan_lever_any(PLAN_LEVER_POWER), "power, kW");
    for (uint32_t i = 0; i < wish->site_count; i++) {
        struct plan_lever lever = plan_lever_any(PLAN_LEVER_POWER);
        lever.place = wish->catalog->region_count + i;
        if (isfinite(wish->sites[i].power_max_w))
            add(list, lever, "power, kW of %.*s", SPAN_ARG(wish->sites[i].name));
    }
    if (isfinite(wish->carbon_max_kg_h))
        add(list, plan_lever_any(PLAN_LEVER_CARBON), "CO2, kg/h");
}

static void add_stock(struct list *list, uint32_t place, uint32_t sku, enum plan_market market,
                      uint32_t item)
{
    struct plan_lever lever = plan_lever_any(PLAN_LEVER_STOCK);
    lever.place = place;
    lever.sku = sku;
    lever.market = market;
    lever.item = item;
    if (list->is_useful[sku])
        add(list, lever, "stock of %.*s in %.*s%s%s", SPAN_ARG(list->wish->catalog->skus[sku].name),
            SPAN_ARG(plan_wish_place_name(list->wish, place)), market == PLAN_ON_DEMAND ? "" : ", ",
            market == PLAN_ON_DEMAND ? "" : plan_market_name(market));
}

static void add_stocks(struct list *list)
{
    const struct plan_wish *wish = list->wish;
    const struct catalog *catalog = wish->catalog;
    for (uint32_t i = 0; i < catalog->offer_count; i++) {
        const struct catalog_offer *offer = &catalog->offers[i];
        enum plan_market market = offer->market == CATALOG_SPOT ? PLAN_SPOT : PLAN_ON_DEMAND;
        if (offer->market != CATALOG_RESERVED && wish->has_market[market] &&
            wish->is_wanted[offer->region] && wish->is_sku_wanted[offer->sku])
            add_stock(list, offer->region, offer->sku, market, PLAN_NONE);
    }
    for (uint32_t i = 0; i < wish->reserved_count; i++)
        add_stock(list, wish->reserved[i].region, wish->reserved[i].sku, PLAN_RESERVED, i);
    for (uint32_t i = 0; i < wish->site_count; i++)
        add_stock(list, catalog->region_count + i, wish->sites[i].sku, PLAN_OWN, PLAN_NONE);
}

static void add_lose(struct list *list)
{
    static const char *const what[] = {"", "region", "provider", "region or provider"};
    if (list->wish->lose != PLAN_LOSE_NONE)
        add(list, plan_lever_any(PLAN_LEVER_LOSE), "loss of any one %s", what[list->wish->lose]);
}

static void add_all(struct list *list)
{
    add_choices(list);
    add_of_services(list, PLAN_LEVER_HOLD, "hold");
    add_of_services(list, PLAN_LEVER_REPLICAS, "least replicas");
    add_of_services(list, PLAN_LEVER_REGIONS, "least regions");
    add_of_services(list, PLAN_LEVER_SPREAD, "spread");
    add_of_services(list, PLAN_LEVER_SPOT, "spot share");
    add_of_services(list, PLAN_LEVER_SPOT_SPREAD, "spread of spot");
    add_sums(list);
    add_stocks(list);
    if (isfinite(list->wish->budget_usd_h))
        add(list, plan_lever_any(PLAN_LEVER_BUDGET), "budget, $/h");
    for (uint32_t s = 0; s < list->wish->service_count; s++)
        add_residency(list, s);
    add_of_services(list, PLAN_LEVER_SLO, "promise");
    add_lose(list);
}

static bool mark_useful(struct list *list)
{
    const struct plan_wish *wish = list->wish;
    struct plan_speed speeds[PLAN_SPEEDS_MAX];
    list->is_useful = ARENA_ARRAY(list->arena, bool, wish->catalog->sku_count + 1);
    for (uint32_t k = 0; list->is_useful && k < wish->catalog->sku_count; k++)
        for (uint32_t s = 0; s < wish->service_count && !list->is_useful[k]; s++)
            list->is_useful[k] =
                plan_speed_list(wish->catalog, &wish->services[s], (uint16_t)k, speeds) > 0;
    return list->is_useful != NULL;
}

bool plan_levers_list(const struct plan_wish *wish, struct arena *arena,
                      const struct plan_lever **ret_levers, uint32_t *ret_count)
{
    struct list list = {.wish = wish, .arena = arena};
    if (!mark_useful(&list))
        return false;
    add_all(&list);
    list.levers = ARENA_ARRAY(arena, struct plan_lever, list.count + 1);
    list.count = 0;
    if (!list.levers)
        return false;
    add_all(&list);
    *ret_levers = list.levers;
    *ret_count = list.count;
    return !arena->is_overflown;
}

bool plan_lever_is_rule(const struct plan_lever *lever, struct span rule)
{
    static const struct span in = SPAN_LITERAL(" in ");
    size_t n = lever->name.n;
    if (rule.n < n || !span_is_equal(span_from(rule.p, n), lever->name))
        return false;
    return rule.n == n || (rule.n > n + in.n && memcmp(rule.p + n, in.p, in.n) == 0);
}

bool plan_lever_can(enum plan_lever_kind kind, enum plan_pull_how how)
{
    enum { OFF = 1 << PLAN_PULL_OFF, MORE = 1 << PLAN_PULL_MORE, TIMES = 1 << PLAN_PULL_TIMES };
    static const uint8_t ways[PLAN_LEVER_KINDS] = {[PLAN_LEVER_POWER] = OFF | MORE | TIMES,
                                                   [PLAN_LEVER_CARBON] = OFF | MORE | TIMES,
                                                   [PLAN_LEVER_STOCK] = OFF | MORE | TIMES,
                                                   [PLAN_LEVER_BUDGET] = OFF | MORE | TIMES,
                                                   [PLAN_LEVER_SLO] = OFF | TIMES,
                                                   [PLAN_LEVER_DEMAND] = TIMES,
                                                   [PLAN_LEVER_PRICE] = TIMES,
                                                   [PLAN_LEVER_GONE] = OFF};
    CHECK((size_t)kind < COUNT_OF(ways));
    uint8_t own = ways[kind] ? ways[kind] : OFF;
    return own >> how & 1;
}
