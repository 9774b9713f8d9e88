#include "catalog/schema.h"

#include "base/check.h"

#define AT(type, member) offsetof(type, member)
#define ROW(type)        sizeof(type), offsetof(type, fact)

enum { LINKS_MAX = CATALOG_REGIONS_MAX * (CATALOG_REGIONS_MAX + 1) / 2 };

static const struct catalog_schema schemas[CATALOG_FILES] = {
    [CATALOG_FILE_REGIONS] =
        {{{"region", CATALOG_CELL_NAME, AT(struct catalog_region, name), 0, 0},
          {"provider", CATALOG_CELL_NAME, AT(struct catalog_region, provider), 0, 0},
          {"country", CATALOG_CELL_NAME, AT(struct catalog_region, country), 0, 0},
          {"continent", CATALOG_CELL_NAME, AT(struct catalog_region, continent), 0, 0},
          {"zone", CATALOG_CELL_NAME, AT(struct catalog_region, zone), 0, 0},
          {"latitude", CATALOG_CELL_NUMBER, AT(struct catalog_region, latitude), -90, 90},
          {"longitude", CATALOG_CELL_NUMBER, AT(struct catalog_region, longitude), -180, 180},
          {"grid_zone", CATALOG_CELL_GRID, AT(struct catalog_region, grid), 0, 0},
          {"pue", CATALOG_CELL_NUMBER, AT(struct catalog_region, pue), 1, 3},
          {"egress_internet_usd_per_gib", CATALOG_CELL_NUMBER,
           AT(struct catalog_region, egress_usd_gib), 0, 1}},
         10,
         1,
         CATALOG_REGIONS_MAX,
         ROW(struct catalog_region)},
    [CATALOG_FILE_SKUS] =
        {{{"sku", CATALOG_CELL_NAME, AT(struct catalog_sku, name), 0, 0},
          {"provider", CATALOG_CELL_NAME, AT(struct catalog_sku, provider), 0, 0},
          {"accelerator", CATALOG_CELL_NAME_OR_NONE, AT(struct catalog_sku, accelerator), 0, 0},
          {"accelerator_count", CATALOG_CELL_COUNT, AT(struct catalog_sku, accelerator_count), 0,
           16},
          {"accelerator_memory_gib", CATALOG_CELL_NUMBER,
           AT(struct catalog_sku, accelerator_memory_gib), 0, 512},
          {"vcpu", CATALOG_CELL_COUNT, AT(struct catalog_sku, vcpu), 1, 1024},
          {"memory_gib", CATALOG_CELL_NUMBER, AT(struct catalog_sku, memory_gib), 1, 32768},
          {"idle_w", CATALOG_CELL_NUMBER, AT(struct catalog_sku, idle_w), 0, 20000},
          {"peak_w", CATALOG_CELL_NUMBER, AT(struct catalog_sku, peak_w), 1, 20000}},
         9,
         1,
         CATALOG_SKUS_MAX,
         ROW(struct catalog_sku)},
    [CATALOG_FILE_PRICES] =
        {{{"region", CATALOG_CELL_REGION, AT(struct catalog_offer_row, region), 0, 0},
          {"sku", CATALOG_CELL_SKU, AT(struct catalog_offer_row, sku), 0, 0},
          {"market", CATALOG_CELL_MARKET, AT(struct catalog_offer_row, market), 0, 0},
          {"usd_h", CATALOG_CELL_NUMBER, AT(struct catalog_offer_row, usd_h), 0, 1000}},
         4,
         3,
         CATALOG_OFFERS_MAX,
         ROW(struct catalog_offer_row)},
    [CATALOG_FILE_STOCK] =
        {{{"region", CATALOG_CELL_REGION, AT(struct catalog_offer_row, region), 0, 0},
          {"sku", CATALOG_CELL_SKU, AT(struct catalog_offer_row, sku), 0, 0},
          {"market", CATALOG_CELL_MARKET, AT(struct catalog_offer_row, market), 0, 0},
          {"count", CATALOG_CELL_COUNT, AT(struct catalog_offer_row, count), 0, 100000}},
         4,
         3,
         CATALOG_OFFERS_MAX,
         ROW(struct catalog_offer_row)},
    [CATALOG_FILE_SPOT] =
        {{{"provider", CATALOG_CELL_NAME, AT(struct catalog_spot, provider), 0, 0},
          {"accelerator", CATALOG_CELL_NAME_OR_NONE, AT(struct catalog_spot, accelerator), 0, 0},
          {"up_h", CATALOG_CELL_NUMBER, AT(struct catalog_spot, up_h), 0.01, 8760},
          {"down_h", CATALOG_CELL_NUMBER, AT(struct catalog_spot, down_h), 0, 8760}},
         4,
         2,
         CATALOG_SPOTS_MAX,
         ROW(struct catalog_spot)},
    [CATALOG_FILE_LINKS] =
        {{{"from", CATALOG_CELL_REGION, AT(struct catalog_link_row, from), 0, 0},
          {"to", CATALOG_CELL_REGION, AT(struct catalog_link_row, to), 0, 0},
          {"rtt_ms", CATALOG_CELL_NUMBER, AT(struct catalog_link_row, rtt_ms), 0.1, 1000},
          {"rtt_margin_ms", CATALOG_CELL_NUMBER, AT(struct catalog_link_row, margin_ms), 0, 500},
          {"bandwidth_mbps", CATALOG_CELL_NUMBER, AT(struct catalog_link_row, bandwidth_mbps), 1,
           100000},
          {"usd_per_gib", CATALOG_CELL_NUMBER, AT(struct catalog_link_row, usd_gib), 0, 1},
          {"usd_per_gib_back", CATALOG_CELL_NUMBER, AT(struct catalog_link_row, usd_gib_back), 0,
           1}},
         7,
         2,
         LINKS_MAX,
         ROW(struct catalog_link_row)},
    [CATALOG_FILE_CLIENTS] =
        {{{"client", CATALOG_CELL_NAME, AT(struct catalog_client, name), 0, 0},
          {"region", CATALOG_CELL_REGION, AT(struct catalog_client, region), 0, 0},
          {"zone", CATALOG_CELL_NAME, AT(struct catalog_client, zone), 0, 0},
          {"countries", CATALOG_CELL_TEXT, 0, 0, 0},
          {"users_million", CATALOG_CELL_NUMBER_SHOWN, 0, 0, 5000},
          {"weight", CATALOG_CELL_NUMBER, AT(struct catalog_client, weight), 0, 1}},
         6,
         1,
         CATALOG_CLIENTS_MAX,
         ROW(struct catalog_client)},
    [CATALOG_FILE_CARBON] =
        {{{"grid_zone", CATALOG_CELL_NAME, AT(struct catalog_hour_row, grid), 0, 0},
          {"hour_utc", CATALOG_CELL_COUNT, AT(struct catalog_hour_row, hour), 0, 23},
          {"g_per_kwh", CATALOG_CELL_NUMBER, AT(struct catalog_hour_row, value), 0, 2000}},
         3,
         2,
         CATALOG_GRIDS_MAX *CATALOG_HOURS,
         ROW(struct catalog_hour_row)},
    [CATALOG_FILE_POWER] =
        {{{"grid_zone", CATALOG_CELL_NAME, AT(struct catalog_hour_row, grid), 0, 0},
          {"hour_utc", CATALOG_CELL_COUNT, AT(struct catalog_hour_row, hour), 0, 23},
          {"usd_per_mwh", CATALOG_CELL_NUMBER, AT(struct catalog_hour_row, value), -500, 5000}},
         3,
         2,
         CATALOG_GRIDS_MAX *CATALOG_HOURS,
         ROW(struct catalog_hour_row)},
    [CATALOG_FILE_MODELS] = {{{"model", CATALOG_CELL_NAME, AT(struct catalog_model, name), 0, 0},
                              {"parameters_million", CATALOG_CELL_NUMBER,
                               AT(struct catalog_model, parameters_million), 1, 1e7},
                              {"weights_gib", CATALOG_CELL_NUMBER,
                               AT(struct catalog_model, weights_gib), 0.01, 1e5},
                              {"kv_bytes_per_token", CATALOG_CELL_SIZE,
                               AT(struct catalog_model, kv_bytes_per_token), 1, 1e8}},
                             4,
                             1,
                             CATALOG_MODELS_MAX,
                             ROW(struct catalog_model)},
    [CATALOG_FILE_PROFILES] =
        {{{"model", CATALOG_CELL_MODEL, AT(struct catalog_profile, model), 0, 0},
          {"accelerator", CATALOG_CELL_NAME, AT(struct catalog_profile, accelerator), 0, 0},
          {"tensor_parallel", CATALOG_CELL_COUNT, AT(struct catalog_profile, tensor_parallel), 1,
           16},
          {"batch", CATALOG_CELL_COUNT, AT(struct catalog_profile, batch), 1, 1024},
          {"prompt_tokens", CATALOG_CELL_COUNT, AT(struct catalog_profile, prompt_tokens), 1, 1e6},
          {"prompt_ms", CATALOG_CELL_NUMBER, AT(struct catalog_profile, prompt_ms), 0.1, 1e7},
          {"token_ms", CATALOG_CELL_NUMBER, AT(struct catalog_profile, token_ms), 0.1, 1e5},
          {"accelerator_w", CATALOG_CELL_NUMBER_OR_NONE, AT(struct catalog_profile, accelerator_w),
           1, 2000}},
         8,
         5,
         CATALOG_PROFILES_MAX,
         ROW(struct catalog_profile)},
};

const struct catalog_schema *catalog_schema_of(enum catalog_file file)
{
    CHECK(file < CATALOG_FILES);
    return &schemas[file];
}

const char *catalog_fact_column(uint32_t index)
{
    static const char *const names[CATALOG_FACT_COLUMNS] = {"source", "date", "estimate", "rule"};
    CHECK(index < CATALOG_FACT_COLUMNS);
    return names[index];
}

const char *catalog_file_name(enum catalog_file file)
{
    static const char *const names[CATALOG_FILES] = {
        [CATALOG_FILE_REGIONS] = "regions.csv",   [CATALOG_FILE_SKUS] = "skus.csv",
        [CATALOG_FILE_PRICES] = "prices.csv",     [CATALOG_FILE_STOCK] = "stock.csv",
        [CATALOG_FILE_SPOT] = "spot.csv",         [CATALOG_FILE_LINKS] = "links.csv",
        [CATALOG_FILE_CLIENTS] = "clients.csv",   [CATALOG_FILE_CARBON] = "carbon.csv",
        [CATALOG_FILE_POWER] = "power.csv",       [CATALOG_FILE_MODELS] = "models.csv",
        [CATALOG_FILE_PROFILES] = "profiles.csv",
    };
    CHECK(file < CATALOG_FILES);
    return names[file];
}
