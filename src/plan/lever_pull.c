/* lever_pull.c: a wish with levers pulled. */
#include <math.h>

#include "base/check.h"
#include "plan/formulate_build.h"
#include "plan/lever.h"

/* Lowest load and share of the time on spot that "enough machines" reckons with. */
#define LOAD_LEAST 0.05

/* A wish whose parts may be written. */
struct copy {
    struct plan_wish *wish;
    struct arena *arena;
    struct plan_wish_service *services;
    struct plan_wish_site *sites;
    struct plan_wish_stock *stocks, *reserved;
    struct plan_wish_choice *pins, *forbidden;
    bool *is_wanted;
    struct catalog *catalog; /* NULL: not changed yet */
    struct catalog_offer *offers;
};

static void *copy_array(struct arena *arena, const void *from, size_t count, size_t size,
                        size_t more)
{
    void *copy = arena_take_array(arena, count + more + 1, size);
    if (copy && count > 0)
        memcpy(copy, from, count * size);
    return copy;
}

static bool is_of(const struct plan_lever *lever, const struct catalog *catalog,
                  const struct catalog_offer *offer)
{
    uint32_t market = offer->market == CATALOG_SPOT        ? PLAN_SPOT
                      : offer->market == CATALOG_ON_DEMAND ? PLAN_ON_DEMAND
                                                           : PLAN_RESERVED;
    return (lever->place == PLAN_NONE || lever->place == offer->region) &&
           (lever->sku == PLAN_NONE || lever->sku == offer->sku) &&
           (lever->market == PLAN_ANY_MARKET || lever->market == market) &&
           (lever->provider.n == 0 ||
            span_is_equal(lever->provider, catalog->regions[offer->region].provider));
}

/* The offers among which those of <lever> are. */
static void range_of(const struct plan_lever *lever, const struct catalog *catalog,
                     uint32_t *ret_first, uint32_t *ret_end)
{
    bool is_one = lever->place < catalog->region_count;
    *ret_first = is_one ? catalog->region_offers[lever->place] : 0;
    *ret_end = is_one                      ? catalog->region_offers[lever->place + 1]
               : lever->place == PLAN_NONE ? catalog->offer_count
                                           : 0;
}

/* Entries that a pull of stock adds. */
static size_t count_stocks(const struct plan_wish *wish, const struct plan_pull *pull)
{
    size_t count = 0;
    uint32_t first, end;
    range_of(&pull->lever, wish->catalog, &first, &end);
    for (uint32_t i = first; pull->lever.kind == PLAN_LEVER_STOCK && i < end; i++)
        count += is_of(&pull->lever, wish->catalog, &wish->catalog->offers[i]);
    return count;
}

static bool begin(struct copy *copy, const struct plan_wish *wish, size_t more_stocks)
{
    struct arena *arena = copy->arena;
    copy->wish = copy_array(arena, wish, 1, sizeof *wish, 0);
    copy->services =
        copy_array(arena, wish->services, wish->service_count, sizeof *copy->services, 0);
    copy->sites = copy_array(arena, wish->sites, wish->site_count, sizeof *copy->sites, 0);
    copy->stocks =
        copy_array(arena, wish->stocks, wish->stock_count, sizeof *copy->stocks, more_stocks);
    copy->reserved =
        copy_array(arena, wish->reserved, wish->reserved_count, sizeof *copy->reserved, 0);
    copy->pins = copy_array(arena, wish->pins, wish->pin_count, sizeof *copy->pins, 0);
    copy->forbidden =
        copy_array(arena, wish->forbidden, wish->forbidden_count, sizeof *copy->forbidden, 0);
    copy->is_wanted =
        copy_array(arena, wish->is_wanted, wish->catalog->region_count, sizeof(bool), 0);
    if (arena->is_overflown)
        return false;
    copy->wish->services = copy->services;
    copy->wish->sites = copy->sites;
    copy->wish->stocks = copy->stocks;
    copy->wish->reserved = copy->reserved;
    copy->wish->pins = copy->pins;
    copy->wish->forbidden = copy->forbidden;
    copy->wish->is_wanted = copy->is_wanted;
    return true;
}

/* Stock ------------------------------------------------------------------------------------ */

/* More machines of <sku> than all services together could use in one place. */
static double enough(const struct plan_wish *wish, uint32_t sku)
{
    struct plan_speed speeds[PLAN_SPEEDS_MAX];
    double machines = 1;
    for (uint32_t s = 0; s < wish->service_count; s++) {
        uint32_t count = plan_speed_list(wish->catalog, &wish->services[s], (uint16_t)sku, speeds);
        double rate = 0, most = 0;
        for (uint32_t c = 0; c < wish->catalog->client_count; c++)
            rate += wish->services[s].rates[c];
        for (uint32_t k = 0; k < count; k++) {
            double slowest = INFINITY;
            for (uint32_t b = 0; b < wish->services[s].bucket_count; b++)
                if (speeds[k].rates[b] > 0 && speeds[k].rates[b] < slowest)
                    slowest = speeds[k].rates[b];
            double own = speeds[k].machines * (2 + rate / (LOAD_LEAST * slowest));
            most = own > most ? own : most;
        }
        machines += most + wish->services[s].replicas_min;
    }
    return machines < PLAN_COUNT_MAX ? machines : PLAN_COUNT_MAX;
}

static uint32_t new_stock(const struct plan_pull *pull, uint32_t before, double enough_machines)
{
    double count = pull->how == PLAN_PULL_OFF    ? enough_machines
                   : pull->how == PLAN_PULL_MORE ? before + pull->amount
                                                 : before * pull->amount;
    if (pull->how == PLAN_PULL_OFF && count < before)
        count = before;
    return count > PLAN_COUNT_MAX ? PLAN_COUNT_MAX : count > 0 ? (uint32_t)(count + 1e-9) : 0;
}

static bool is_of_market(const struct plan_lever *lever, enum plan_market market)
{
    return lever->market == PLAN_ANY_MARKET || lever->market == (uint32_t)market;
}

static bool is_at(const struct plan_lever *lever, uint32_t place, uint32_t sku)
{
    return (lever->place == PLAN_NONE || lever->place == place) &&
           (lever->sku == PLAN_NONE || lever->sku == sku);
}

bool plan_lever_reaches(const struct plan_wish *wish, const struct plan_lever *lever)
{
    uint32_t first, end, region_count = wish->catalog->region_count;
    bool is_stock = lever->kind == PLAN_LEVER_STOCK;
    if (!is_stock && lever->kind != PLAN_LEVER_PRICE)
        return true;
    range_of(lever, wish->catalog, &first, &end);
    for (uint32_t i = first; i < end; i++) {
        const struct catalog_offer *offer = &wish->catalog->offers[i];
        enum plan_market market = offer->market == CATALOG_SPOT ? PLAN_SPOT : PLAN_ON_DEMAND;
        if (offer->market != CATALOG_RESERVED && is_of(lever, wish->catalog, offer) &&
            wish->has_market[market] && wish->is_wanted[offer->region] &&
            wish->is_sku_wanted[offer->sku])
            return true;
    }
    for (uint32_t i = 0; is_stock && i < wish->reserved_count; i++)
        if (is_of_market(lever, PLAN_RESERVED) &&
            is_at(lever, wish->reserved[i].region, wish->reserved[i].sku))
            return true;
    for (uint32_t i = 0; is_stock && i < wish->site_count; i++)
        if (is_of_market(lever, PLAN_OWN) && is_at(lever, region_count + i, wish->sites[i].sku))
            return true;
    return false;
}

/* What the catalogue sells: a word of the wish on top of the others. */
static void pull_sold(struct copy *copy, const struct plan_pull *pull, const double *room)
{
    struct plan_wish *wish = copy->wish;
    const struct catalog *catalog = wish->catalog;
    uint32_t first, end;
    range_of(&pull->lever, catalog, &first, &end);
    for (uint32_t i = first; i < end; i++) {
        const struct catalog_offer *offer = &catalog->offers[i];
        enum plan_market market = offer->market == CATALOG_SPOT ? PLAN_SPOT : PLAN_ON_DEMAND;
        if (offer->market == CATALOG_RESERVED || !is_of(&pull->lever, catalog, offer))
            continue;
        uint32_t before = plan_builder_stock(wish, offer, market);
        copy->stocks[wish->stock_count++] =
            (struct plan_wish_stock){.region = offer->region,
                                     .sku = offer->sku,
                                     .market = market,
                                     .count = new_stock(pull, before, room[offer->sku])};
    }
}

static bool pull_stock(struct copy *copy, const struct plan_pull *pull)
{
    const struct plan_lever *lever = &pull->lever;
    const struct plan_wish *wish = copy->wish;
    uint32_t region_count = wish->catalog->region_count;
    double *room = ARENA_ARRAY(copy->arena, double, wish->catalog->sku_count + 1);
    if (!room)
        return false;
    for (uint32_t k = 0; k < wish->catalog->sku_count; k++)
        room[k] = lever->sku == PLAN_NONE || lever->sku == k ? enough(wish, k) : 0;
    pull_sold(copy, pull, room);
    for (uint32_t i = 0; is_of_market(lever, PLAN_RESERVED) && i < wish->reserved_count; i++) {
        struct plan_wish_stock *own = &copy->reserved[i];
        if ((lever->item == PLAN_NONE || lever->item == i) && is_at(lever, own->region, own->sku))
            own->count = new_stock(pull, own->count, room[own->sku]);
    }
    for (uint32_t i = 0; is_of_market(lever, PLAN_OWN) && i < wish->site_count; i++) {
        struct plan_wish_site *site = &copy->sites[i];
        if (is_at(lever, region_count + i, site->sku))
            site->count = new_stock(pull, site->count, room[site->sku]);
    }
    return true;
}

/* Other rules ------------------------------------------------------------------------------ */

static void pull_number(const struct plan_pull *pull, double unit, double *value)
{
    *value = pull->how == PLAN_PULL_OFF    ? INFINITY
             : pull->how == PLAN_PULL_MORE ? *value + pull->amount * unit
                                           : *value * pull->amount;
}

static bool pull_sum(struct copy *copy, const struct plan_pull *pull)
{
    struct plan_wish *wish = copy->wish;
    if (pull->lever.kind == PLAN_LEVER_BUDGET)
        pull_number(pull, 1, &wish->budget_usd_h);
    else if (pull->lever.kind == PLAN_LEVER_CARBON)
        pull_number(pull, 1, &wish->carbon_max_kg_h);
    else if (pull->lever.place == PLAN_NONE)
        pull_number(pull, 1000, &wish->power_max_w);
    else
        pull_number(pull, 1000,
                    &copy->sites[pull->lever.place - wish->catalog->region_count].power_max_w);
    return true;
}

static bool pull_choice(struct copy *copy, const struct plan_pull *pull)
{
    struct plan_wish *wish = copy->wish;
    uint32_t item = pull->lever.item;
    bool *is_sku_wanted = NULL;
    switch (pull->lever.kind) {
    case PLAN_LEVER_PLACES:
        memset(copy->is_wanted, true, wish->catalog->region_count * sizeof(bool));
        return true;
    case PLAN_LEVER_SKUS:
        is_sku_wanted = ARENA_ARRAY(copy->arena, bool, wish->catalog->sku_count + 1);
        if (!is_sku_wanted)
            return false;
        memset(is_sku_wanted, true, wish->catalog->sku_count * sizeof(bool));
        wish->is_sku_wanted = is_sku_wanted;
        return true;
    case PLAN_LEVER_MARKETS:
        memset(wish->has_market, true, sizeof wish->has_market);
        return true;
    case PLAN_LEVER_FORBID: /* of nobody: the others keep their numbers */
        for (uint32_t i = 0; i < wish->forbidden_count; i++)
            if (item == PLAN_NONE || item == i)
                copy->forbidden[i].service = PLAN_SERVICES_MAX;
        return true;
    default:
        for (uint32_t i = 0; i < wish->pin_count; i++)
            if (item == PLAN_NONE || item == i) {
                copy->pins[i].place = PLAN_NONE;
                copy->pins[i].count = 0;
            }
        return true;
    }
}

static bool free_residency(struct copy *copy, struct plan_wish_service *service, uint32_t zone)
{
    uint32_t count = copy->wish->catalog->client_count;
    uint32_t *residency = copy_array(copy->arena, service->residency, count, sizeof *residency, 0);
    for (uint32_t c = 0; residency && c < count; c++)
        if (zone == PLAN_NONE || copy->wish->client_zones[c] == zone)
            residency[c] = UINT32_MAX;
    service->residency = residency;
    return residency != NULL;
}

static bool scale_demand(struct copy *copy, struct plan_wish_service *service, double factor)
{
    uint32_t count = copy->wish->catalog->client_count;
    double *rates = copy_array(copy->arena, service->rates, count, sizeof *rates, 0);
    for (uint32_t c = 0; rates && c < count; c++)
        rates[c] *= factor;
    service->rates = rates;
    return rates != NULL;
}

static bool pull_of_service(struct copy *copy, struct plan_wish_service *service,
                            const struct plan_pull *pull)
{
    switch (pull->lever.kind) {
    case PLAN_LEVER_HOLD:
        service->is_held = false;
        return true;
    case PLAN_LEVER_REPLICAS:
        service->replicas_min = 0;
        return true;
    case PLAN_LEVER_REGIONS:
        service->regions_min = 1;
        return true;
    case PLAN_LEVER_SPREAD:
        service->spread = 1;
        return true;
    case PLAN_LEVER_SPOT:
        service->spot = 1;
        return true;
    case PLAN_LEVER_SPOT_SPREAD:
        service->spot_spread = 1;
        return true;
    case PLAN_LEVER_RESIDENCY:
        return free_residency(copy, service, pull->lever.item);
    case PLAN_LEVER_SLO:
        pull_number(pull, 1, &service->ttft_ms);
        pull_number(pull, 1, &service->tpot_ms);
        return true;
    default:
        CHECK(pull->lever.kind == PLAN_LEVER_DEMAND);
        return scale_demand(copy, service, pull->amount);
    }
}

static bool pull_of_services(struct copy *copy, const struct plan_pull *pull)
{
    bool has_room = true;
    for (uint32_t s = 0; has_room && s < copy->wish->service_count; s++)
        if (pull->lever.service == PLAN_NONE || pull->lever.service == s)
            has_room = pull_of_service(copy, &copy->services[s], pull);
    return has_room;
}

/* Prices and places ------------------------------------------------------------------------ */

static bool pull_price(struct copy *copy, const struct plan_pull *pull)
{
    const struct catalog *before = copy->wish->catalog;
    if (!copy->catalog) {
        copy->catalog = copy_array(copy->arena, before, 1, sizeof *before, 0);
        copy->offers =
            copy_array(copy->arena, before->offers, before->offer_count, sizeof *before->offers, 0);
        if (!copy->catalog || !copy->offers)
            return false;
        copy->catalog->offers = copy->offers;
        copy->wish->catalog = copy->catalog;
    }
    for (uint32_t i = 0; i < copy->catalog->offer_count; i++)
        if (is_of(&pull->lever, copy->catalog, &copy->offers[i]))
            copy->offers[i].usd_h *= pull->amount;
    return true;
}

/* A place that is gone has no machines; what was pinned there is pinned no more. */
static bool pull_gone(struct copy *copy, const struct plan_pull *pull)
{
    const struct plan_lever *lever = &pull->lever;
    struct plan_wish *wish = copy->wish;
    for (uint32_t p = 0; p < plan_wish_place_count(wish); p++) {
        bool is_gone = lever->place == PLAN_NONE
                           ? span_is_equal(plan_builder_provider(wish, p), lever->provider)
                           : lever->place == p;
        if (!is_gone)
            continue;
        if (p < wish->catalog->region_count)
            copy->is_wanted[p] = false;
        else
            copy->sites[p - wish->catalog->region_count].count = 0;
        for (uint32_t i = 0; i < wish->pin_count; i++)
            if (copy->pins[i].place == p) {
                copy->pins[i].place = PLAN_NONE;
                copy->pins[i].count = 0;
            }
    }
    return true;
}

static bool pull_one(struct copy *copy, const struct plan_pull *pull)
{
    switch (pull->lever.kind) {
    case PLAN_LEVER_PLACES:
    case PLAN_LEVER_SKUS:
    case PLAN_LEVER_MARKETS:
    case PLAN_LEVER_FORBID:
    case PLAN_LEVER_PIN:
        return pull_choice(copy, pull);
    case PLAN_LEVER_POWER:
    case PLAN_LEVER_CARBON:
    case PLAN_LEVER_BUDGET:
        return pull_sum(copy, pull);
    case PLAN_LEVER_STOCK:
        return pull_stock(copy, pull);
    case PLAN_LEVER_LOSE:
        copy->wish->lose = PLAN_LOSE_NONE;
        return true;
    case PLAN_LEVER_PRICE:
        return pull_price(copy, pull);
    case PLAN_LEVER_GONE:
        return pull_gone(copy, pull);
    default:
        return pull_of_services(copy, pull);
    }
}

const struct plan_wish *plan_wish_pull(const struct plan_wish *wish, const struct plan_pull *pulls,
                                       uint32_t count, struct arena *arena)
{
    struct copy copy = {.arena = arena};
    size_t more_stocks = 0;
    for (uint32_t i = 0; i < count; i++)
        more_stocks += count_stocks(wish, &pulls[i]);
    if (!begin(&copy, wish, more_stocks))
        return NULL;
    for (uint32_t i = 0; i < count; i++) {
        CHECK(plan_lever_can(pulls[i].lever.kind, pulls[i].how));
        if (!pull_one(&copy, &pulls[i]))
            return NULL;
    }
    return copy.wish;
}
