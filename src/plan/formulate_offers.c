/* formulate_offers.c: what can be had where, and how fast each service runs on it. */
#include "base/check.h"
#include "plan/formulate_build.h"

struct span plan_builder_provider(const struct plan_wish *wish, uint32_t place)
{
    return place < wish->catalog->region_count
               ? wish->catalog->regions[place].provider
               : wish->sites[place - wish->catalog->region_count].provider;
}

uint32_t plan_builder_stock(const struct plan_wish *wish, const struct catalog_offer *offer,
                            enum plan_market market)
{
    uint32_t stock = offer->stock;
    for (uint32_t i = 0; i < wish->stock_count; i++) {
        const struct plan_wish_stock *own = &wish->stocks[i];
        if (own->market == market &&
            (own->region == CATALOG_NONE || own->region == offer->region) &&
            (own->sku == CATALOG_NONE || own->sku == offer->sku))
            stock = own->count;
    }
    return stock;
}

static void add_offer(struct plan_builder *builder, struct plan_offer *offers,
                      struct plan_offer offer)
{
    if (offer.stock > 0)
        offers[builder->offer_count++] = offer;
}

static void add_region_offers(struct plan_builder *builder, struct plan_offer *offers,
                              uint32_t place)
{
    static const enum plan_market markets[CATALOG_MARKETS] = {[CATALOG_ON_DEMAND] = PLAN_ON_DEMAND,
                                                              [CATALOG_SPOT] = PLAN_SPOT,
                                                              [CATALOG_RESERVED] = PLAN_RESERVED};
    const struct plan_wish *wish = builder->wish;
    const struct catalog *catalog = wish->catalog;
    for (uint32_t i = catalog->region_offers[place]; i < catalog->region_offers[place + 1]; i++) {
        const struct catalog_offer *own = &catalog->offers[i];
        enum plan_market market = markets[own->market];
        bool is_usable = market != PLAN_RESERVED && wish->has_market[market] &&
                         wish->is_wanted[place] && wish->is_sku_wanted[own->sku];
        if (is_usable)
            add_offer(builder, offers,
                      (struct plan_offer){.place = place,
                                          .sku = own->sku,
                                          .market = market,
                                          .stock = plan_builder_stock(wish, own, market),
                                          .usd_h = own->usd_h,
                                          .is_estimate = own->price.is_estimate});
    }
    for (uint32_t i = 0; i < wish->reserved_count; i++)
        if (wish->reserved[i].region == place && wish->is_wanted[place])
            add_offer(builder, offers,
                      (struct plan_offer){.place = place,
                                          .sku = wish->reserved[i].sku,
                                          .market = PLAN_RESERVED,
                                          .stock = wish->reserved[i].count});
}

static bool collect_offers(struct plan_builder *builder)
{
    const struct plan_wish *wish = builder->wish;
    const struct catalog *catalog = wish->catalog;
    struct plan_offer *offers =
        ARENA_ARRAY(builder->arena, struct plan_offer,
                    catalog->offer_count + wish->reserved_count + wish->site_count);
    builder->offers = offers;
    for (uint32_t p = 0; offers && p < catalog->region_count; p++)
        add_region_offers(builder, offers, p);
    for (uint32_t i = 0; offers && i < wish->site_count; i++)
        add_offer(builder, offers,
                  (struct plan_offer){.place = catalog->region_count + i,
                                      .sku = wish->sites[i].sku,
                                      .market = PLAN_OWN,
                                      .stock = wish->sites[i].count,
                                      .is_estimate = true}); /* by watts and a typical day */
    return offers != NULL;
}

bool plan_builder_forbids(const struct plan_wish *wish, uint32_t service,
                          const struct plan_offer *offer)
{
    for (uint32_t i = 0; i < wish->forbidden_count; i++) {
        const struct plan_wish_choice *rule = &wish->forbidden[i];
        if ((rule->service == PLAN_NONE || rule->service == service) &&
            (rule->place == PLAN_NONE || rule->place == offer->place) &&
            (rule->sku == CATALOG_NONE || rule->sku == offer->sku) &&
            (rule->market == PLAN_ANY_MARKET || rule->market == (uint32_t)offer->market))
            return true;
    }
    return false;
}

/* Speeds of all services on every sku that is offered; and how many columns there can be. */
static bool collect_speeds(struct plan_builder *builder)
{
    const struct plan_wish *wish = builder->wish;
    uint32_t sku_count = wish->catalog->sku_count;
    uint32_t *offered = ARENA_ARRAY(builder->arena, uint32_t, sku_count); /* times */
    uint32_t kinds = 0;
    for (uint32_t i = 0; offered && i < builder->offer_count; i++)
        kinds += offered[builder->offers[i].sku]++ == 0;
    builder->speeds = ARENA_ARRAY(builder->arena, struct plan_speed,
                                  (size_t)wish->service_count * kinds * PLAN_SPEEDS_MAX);
    if (!offered || !builder->speeds)
        return false;
    for (uint32_t s = 0; s < wish->service_count; s++) {
        struct plan_service_origin *origin = &builder->service_origins[s];
        origin->speed_first = builder->made->speed_count;
        for (uint32_t k = 0; k < sku_count; k++) {
            if (offered[k] == 0)
                continue;
            uint32_t count = plan_speed_list(wish->catalog, &wish->services[s], (uint16_t)k,
                                             builder->speeds + builder->made->speed_count);
            builder->made->speed_count += count;
            builder->column_max += count * offered[k];
        }
        origin->speed_count = builder->made->speed_count - origin->speed_first;
    }
    return true;
}

bool plan_builder_offers(struct plan_builder *builder)
{
    return collect_offers(builder) && collect_speeds(builder);
}
