#include "catalog/catalog.h"

#include "base/check.h"

const char *catalog_market_name(enum catalog_market market)
{
    static const char *const names[CATALOG_MARKETS] = {"on_demand", "spot", "reserved"};
    CHECK(market < CATALOG_MARKETS);
    return names[market];
}

bool catalog_market_find(struct span name, enum catalog_market *ret_market)
{
    for (enum catalog_market market = 0; market < CATALOG_MARKETS; market++) {
        if (!span_is(name, catalog_market_name(market)))
            continue;
        *ret_market = market;
        return true;
    }
    return false;
}

uint16_t catalog_find_region(const struct catalog *catalog, struct span name)
{
    for (uint16_t i = 0; i < catalog->region_count; i++)
        if (span_is_equal(catalog->regions[i].name, name))
            return i;
    return CATALOG_NONE;
}

uint16_t catalog_find_sku(const struct catalog *catalog, struct span name)
{
    for (uint16_t i = 0; i < catalog->sku_count; i++)
        if (span_is_equal(catalog->skus[i].name, name))
            return i;
    return CATALOG_NONE;
}

uint16_t catalog_find_model(const struct catalog *catalog, struct span name)
{
    for (uint16_t i = 0; i < catalog->model_count; i++)
        if (span_is_equal(catalog->models[i].name, name))
            return i;
    return CATALOG_NONE;
}

const struct catalog_offer *catalog_find_offer(const struct catalog *catalog, uint16_t region,
                                               uint16_t sku, enum catalog_market market)
{
    CHECK(region < catalog->region_count);
    uint32_t low = catalog->region_offers[region], high = catalog->region_offers[region + 1];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct catalog_offer *offer = &catalog->offers[middle];
        if (offer->sku == sku && offer->market == market)
            return offer;
        if (offer->sku < sku || (offer->sku == sku && offer->market < market))
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct catalog_spot *catalog_find_spot(const struct catalog *catalog, struct span provider,
                                             struct span accelerator)
{
    for (uint32_t i = 0; i < catalog->spot_count; i++)
        if (span_is_equal(catalog->spots[i].provider, provider) &&
            span_is_equal(catalog->spots[i].accelerator, accelerator))
            return &catalog->spots[i];
    return NULL;
}

bool catalog_fits(const struct catalog *catalog, uint16_t model, uint16_t sku,
                  uint32_t tensor_parallel, uint32_t batch, uint32_t tokens_each)
{
    CHECK(model < catalog->model_count && sku < catalog->sku_count);
    const struct catalog_model *what = &catalog->models[model];
    const struct catalog_sku *where = &catalog->skus[sku];
    const double bytes_per_gib = (double)(1 << 30);
    if (tensor_parallel == 0 || tensor_parallel > where->accelerator_count)
        return false;
    double tokens = (double)batch * tokens_each;
    double needed_gib =
        what->weights_gib + tokens * (double)what->kv_bytes_per_token / bytes_per_gib;
    return needed_gib <= CATALOG_MEMORY_SHARE * where->accelerator_memory_gib * tensor_parallel;
}
