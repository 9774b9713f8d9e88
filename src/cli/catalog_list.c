/* catalog_list.c: `farspan catalog list`: the rows of one kind, filtered, as a table or JSON. */
#include <stdio.h>

#include "base/check.h"
#include "base/crypto.h"
#include "cli/catalog_view.h"

enum list_kind {
    LIST_REGIONS,
    LIST_SKUS,
    LIST_PRICES,
    LIST_STOCK,
    LIST_SPOT,
    LIST_LINKS,
    LIST_CLIENTS,
    LIST_GRIDS,
    LIST_MODELS,
    LIST_PROFILES,
    LIST_KINDS
};

enum list_filter {
    FILTER_REGION = 1,
    FILTER_SKU = 2,
    FILTER_PROVIDER = 4,
    FILTER_ACCELERATOR = 8,
    FILTER_MARKET = 16
};

struct list {
    struct catalog_view view;
    const char *region_name, *sku_name, *provider, *accelerator, *market_name;
    uint16_t region, sku; /* CATALOG_NONE: any */
    enum catalog_market market;
    struct catalog_table table;
};

struct list_about {
    const char *name;
    unsigned filters; /* those that mean something */
    const struct catalog_table_column *columns;
    uint32_t column_count;
    uint32_t (*count)(const struct catalog *catalog);
    void (*add)(struct list *list, uint32_t index); /* the row, when the filters let it */
};

static bool is_provider(const struct list *list, struct span provider)
{
    return !list->provider || span_is(provider, list->provider);
}

static bool is_accelerator(const struct list *list, struct span accelerator)
{
    return !list->accelerator || span_is(accelerator, list->accelerator);
}

static bool is_region(const struct list *list, uint16_t region)
{
    return list->region == CATALOG_NONE || region == list->region;
}

/* --- regions --- */

static const struct catalog_table_column region_columns[] = {
    {"region", "region", CATALOG_TABLE_WORDS, 30, NULL},
    {"zone", "zone", CATALOG_TABLE_WORDS, 8, NULL},
    {"country", "in", CATALOG_TABLE_WORDS, 3, NULL},
    {"latitude", "lat", 1, 6, "place-"},
    {"longitude", "long", 1, 7, "place-"},
    {"grid", "grid", CATALOG_TABLE_WORDS, 10, NULL},
    {"pue", "pue", 2, 5, "pue-"},
    {"egress_usd_gib", "out $/GiB", 4, 9, "internet-"},
    {"skus", "skus", 0, 5, NULL},
};

static uint32_t count_regions(const struct catalog *catalog)
{
    return catalog->region_count;
}

static uint32_t skus_of(const struct catalog *catalog, uint32_t region)
{
    uint32_t count = 0, begin = catalog->region_offers[region];
    for (uint32_t i = begin; i < catalog->region_offers[region + 1]; i++)
        count += i == begin || catalog->offers[i].sku != catalog->offers[i - 1].sku;
    return count;
}

static void add_region(struct list *list, uint32_t index)
{
    const struct catalog *catalog = list->view.catalog;
    const struct catalog_region *region = &catalog->regions[index];
    if (!is_provider(list, region->provider) || !is_region(list, (uint16_t)index))
        return;
    struct catalog_table_cell *cells = catalog_table_add(&list->table, &region->fact);
    cells[0] = catalog_words(region->name);
    cells[1] = catalog_words(region->zone);
    cells[2] = catalog_words(region->country);
    cells[3] = catalog_number(region->latitude);
    cells[4] = catalog_number(region->longitude);
    cells[5] = catalog_words(catalog->grids[region->grid].name);
    cells[6] = catalog_number(region->pue);
    cells[7] = catalog_number(region->egress_usd_gib);
    cells[8] = catalog_number(skus_of(catalog, index));
}

/* --- skus --- */

static const struct catalog_table_column sku_columns[] = {
    {"sku", "sku", CATALOG_TABLE_WORDS, 28, NULL},
    {"provider", "provider", CATALOG_TABLE_WORDS, 8, NULL},
    {"accelerator", "accelerator", CATALOG_TABLE_WORDS, 15, NULL},
    {"accelerator_count", "n", 0, 2, NULL},
    {"accelerator_memory_gib", "GiB", 1, 5, NULL},
    {"vcpu", "vcpu", 0, 4, NULL},
    {"memory_gib", "memory", 0, 6, NULL},
    {"idle_w", "idle W", 0, 6, "watts-"},
    {"peak_w", "peak W", 0, 6, "watts-"},
};

static uint32_t count_skus(const struct catalog *catalog)
{
    return catalog->sku_count;
}

static void add_sku(struct list *list, uint32_t index)
{
    const struct catalog_sku *sku = &list->view.catalog->skus[index];
    if (!is_provider(list, sku->provider) || !is_accelerator(list, sku->accelerator) ||
        (list->sku != CATALOG_NONE && index != list->sku))
        return;
    struct catalog_table_cell *cells = catalog_table_add(&list->table, &sku->fact);
    cells[0] = catalog_words(sku->name);
    cells[1] = catalog_words(sku->provider);
    cells[2] = catalog_words(sku->accelerator);
    cells[3] = catalog_number(sku->accelerator_count);
    cells[4] =
        sku->accelerator_count ? catalog_number(sku->accelerator_memory_gib) : catalog_nothing();
    cells[5] = catalog_number(sku->vcpu);
    cells[6] = catalog_number(sku->memory_gib);
    cells[7] = catalog_number(sku->idle_w);
    cells[8] = catalog_number(sku->peak_w);
}

/* --- prices and stock --- */

static const struct catalog_table_column price_columns[] = {
    {"region", "region", CATALOG_TABLE_WORDS, 28, NULL},
    {"sku", "sku", CATALOG_TABLE_WORDS, 28, NULL},
    {"market", "market", CATALOG_TABLE_WORDS, 9, NULL},
    {"usd_h", "$/h", 4, 10, "price- offer spot- term-"},
    {NULL, "of", CATALOG_TABLE_WORDS, 10, NULL},
};

static const struct catalog_table_column stock_columns[] = {
    {"region", "region", CATALOG_TABLE_WORDS, 28, NULL},
    {"sku", "sku", CATALOG_TABLE_WORDS, 28, NULL},
    {"market", "market", CATALOG_TABLE_WORDS, 9, NULL},
    {"count", "machines", 0, 8, "stock"},
    {NULL, "of", CATALOG_TABLE_WORDS, 10, NULL},
};

static uint32_t count_offers(const struct catalog *catalog)
{
    return catalog->offer_count;
}

static bool is_offer(const struct list *list, const struct catalog_offer *offer)
{
    const struct catalog_sku *sku = &list->view.catalog->skus[offer->sku];
    return is_provider(list, sku->provider) && is_accelerator(list, sku->accelerator) &&
           is_region(list, offer->region) &&
           (list->sku == CATALOG_NONE || offer->sku == list->sku) &&
           (!list->market_name || offer->market == list->market);
}

static struct span day_of(struct list *list, uint32_t date)
{
    char buffer[16];
    struct text day;
    text_init(&day, buffer, sizeof buffer);
    catalog_date_add(date, &day);
    return arena_copy(&list->view.arena, text_span(&day));
}

static void add_offer(struct list *list, const struct catalog_offer *offer, double figure,
                      const struct catalog_fact *fact)
{
    const struct catalog *catalog = list->view.catalog;
    struct catalog_table_cell *cells = catalog_table_add(&list->table, fact);
    cells[0] = catalog_words(catalog->regions[offer->region].name);
    cells[1] = catalog_words(catalog->skus[offer->sku].name);
    cells[2] = catalog_words(span_of(catalog_market_name(offer->market)));
    cells[3] = catalog_number(figure);
    cells[4] = catalog_words(day_of(list, fact->date));
}

static void add_price(struct list *list, uint32_t index)
{
    const struct catalog_offer *offer = &list->view.catalog->offers[index];
    if (is_offer(list, offer))
        add_offer(list, offer, offer->usd_h, &offer->price);
}

static void add_stock(struct list *list, uint32_t index)
{
    const struct catalog_offer *offer = &list->view.catalog->offers[index];
    if (is_offer(list, offer) && offer->in_stock.line > 0)
        add_offer(list, offer, offer->stock, &offer->in_stock);
}

/* --- spot --- */

static const struct catalog_table_column spot_columns[] = {
    {"provider", "provider", CATALOG_TABLE_WORDS, 16, NULL},
    {"accelerator", "accelerator", CATALOG_TABLE_WORDS, 20, NULL},
    {"up_h", "hours up", 2, 9, "spot-"},
    {"down_h", "hours down", 2, 10, "spot-"},
    {"share_up", "share up", 3, 8, "spot-"},
};

static uint32_t count_spots(const struct catalog *catalog)
{
    return catalog->spot_count;
}

static void add_spot(struct list *list, uint32_t index)
{
    const struct catalog_spot *spot = &list->view.catalog->spots[index];
    if (!is_provider(list, spot->provider) || !is_accelerator(list, spot->accelerator))
        return;
    struct catalog_table_cell *cells = catalog_table_add(&list->table, &spot->fact);
    cells[0] = catalog_words(spot->provider);
    cells[1] = catalog_words(spot->accelerator);
    cells[2] = catalog_number(spot->up_h);
    cells[3] = catalog_number(spot->down_h);
    cells[4] = catalog_number(spot->up_h / (spot->up_h + spot->down_h));
}

/* --- links: each pair once; with --region those of this region, from it --- */

static const struct catalog_table_column link_columns[] = {
    {"from", "from", CATALOG_TABLE_WORDS, 25, NULL},
    {"to", "to", CATALOG_TABLE_WORDS, 25, NULL},
    {"rtt_ms", "rtt ms", 1, 7, "rtt-"},
    {"rtt_margin_ms", "margin", 1, 6, NULL},
    {"bandwidth_mbps", "Mbit/s", 0, 7, "bw-"},
    {"usd_gib", "$/GiB", 4, 7, "egress-"},
    {"usd_gib_back", "back", 4, 7, "egress-"},
};

static uint32_t count_pairs(const struct catalog *catalog)
{
    return catalog->region_count * catalog->region_count;
}

static void add_link(struct list *list, uint32_t index)
{
    const struct catalog *catalog = list->view.catalog;
    uint16_t from = (uint16_t)(index / catalog->region_count);
    uint16_t to = (uint16_t)(index % catalog->region_count);
    bool is_meant = list->region == CATALOG_NONE ? from <= to : from == list->region;
    if (!is_meant || (!is_provider(list, catalog->regions[from].provider) &&
                      !is_provider(list, catalog->regions[to].provider)))
        return;
    const struct catalog_link *link = catalog_link(catalog, from, to);
    struct catalog_table_cell *cells = catalog_table_add(&list->table, &link->fact);
    cells[0] = catalog_words(catalog->regions[from].name);
    cells[1] = catalog_words(catalog->regions[to].name);
    cells[2] = catalog_number(link->rtt_ms);
    cells[3] = catalog_number(link->margin_ms);
    cells[4] = catalog_number(link->bandwidth_mbps);
    cells[5] = catalog_number(link->usd_gib);
    cells[6] = catalog_number(catalog_link(catalog, to, from)->usd_gib);
}

/* --- clients --- */

static const struct catalog_table_column client_columns[] = {
    {"client", "client", CATALOG_TABLE_WORDS, 24, NULL},
    {"region", "near region", CATALOG_TABLE_WORDS, 30, NULL},
    {"zone", "zone", CATALOG_TABLE_WORDS, 10, NULL},
    {"weight", "share", 4, 7, "clients-"},
};

static uint32_t count_clients(const struct catalog *catalog)
{
    return catalog->client_count;
}

static void add_client(struct list *list, uint32_t index)
{
    const struct catalog *catalog = list->view.catalog;
    const struct catalog_client *client = &catalog->clients[index];
    if (!is_region(list, client->region) ||
        !is_provider(list, catalog->regions[client->region].provider))
        return;
    struct catalog_table_cell *cells = catalog_table_add(&list->table, &client->fact);
    cells[0] = catalog_words(client->name);
    cells[1] = catalog_words(catalog->regions[client->region].name);
    cells[2] = catalog_words(client->zone);
    cells[3] = catalog_number(client->weight);
}

/* --- grids --- */

static const struct catalog_table_column grid_columns[] = {
    {"grid", "grid", CATALOG_TABLE_WORDS, 16, NULL},
    {"g_per_kwh", "gCO2/kWh", 1, 8, NULL},
    {"g_per_kwh_min", "least", 1, 8, NULL},
    {"g_per_kwh_max", "most", 1, 8, NULL},
    {"usd_per_mwh", "$/MWh", 2, 9, NULL},
    {"usd_per_mwh_min", "least", 2, 9, NULL},
    {"usd_per_mwh_max", "most", 2, 9, NULL},
    {"regions", "regions", 0, 7, NULL},
};

static uint32_t count_grids(const struct catalog *catalog)
{
    return catalog->grid_count;
}

/* Mean, least and most of the day. */
static void add_day(const double hours[CATALOG_HOURS], bool is_estimate,
                    struct catalog_table_cell cells[3])
{
    double sum = 0, least = hours[0], most = hours[0];
    for (size_t i = 0; i < CATALOG_HOURS; i++) {
        sum += hours[i];
        least = hours[i] < least ? hours[i] : least;
        most = hours[i] > most ? hours[i] : most;
    }
    cells[0] = catalog_number(sum / CATALOG_HOURS);
    cells[1] = catalog_number(least);
    cells[2] = catalog_number(most);
    for (size_t i = 0; i < 3; i++)
        cells[i].is_estimate = is_estimate;
}

static void add_grid(struct list *list, uint32_t index)
{
    const struct catalog *catalog = list->view.catalog;
    const struct catalog_grid *grid = &catalog->grids[index];
    uint32_t regions = 0, meant = 0;
    for (uint16_t i = 0; i < catalog->region_count; i++) {
        if (catalog->regions[i].grid != index)
            continue;
        regions++;
        meant += is_region(list, i) && is_provider(list, catalog->regions[i].provider);
    }
    if (meant == 0 && (list->provider || list->region_name))
        return;
    struct catalog_table_cell *cells = catalog_table_add(&list->table, NULL);
    cells[0] = catalog_words(grid->name);
    add_day(grid->g_per_kwh, grid->carbon.is_estimate, &cells[1]);
    add_day(grid->usd_per_mwh, grid->power.is_estimate, &cells[4]);
    cells[7] = catalog_number(regions);
}

/* --- models and profiles --- */

static const struct catalog_table_column model_columns[] = {
    {"model", "model", CATALOG_TABLE_WORDS, 30, NULL},
    {"parameters_million", "million parameters", 0, 18, "model-"},
    {"weights_gib", "weights GiB", 2, 11, "model-"},
    {"kv_bytes_per_token", "cache B/token", 0, 13, "model-"},
    {"profiles", "profiles", 0, 8, NULL},
};

static uint32_t count_models(const struct catalog *catalog)
{
    return catalog->model_count;
}

static void add_model(struct list *list, uint32_t index)
{
    const struct catalog *catalog = list->view.catalog;
    const struct catalog_model *model = &catalog->models[index];
    uint32_t profiles = 0;
    for (uint32_t i = 0; i < catalog->profile_count; i++)
        profiles += catalog->profiles[i].model == index;
    struct catalog_table_cell *cells = catalog_table_add(&list->table, &model->fact);
    cells[0] = catalog_words(model->name);
    cells[1] = catalog_number(model->parameters_million);
    cells[2] = catalog_number(model->weights_gib);
    cells[3] = catalog_number((double)model->kv_bytes_per_token);
    cells[4] = catalog_number(profiles);
}

static const struct catalog_table_column profile_columns[] = {
    {"model", "model", CATALOG_TABLE_WORDS, 20, NULL},
    {"accelerator", "accelerator", CATALOG_TABLE_WORDS, 16, NULL},
    {"tensor_parallel", "tp", 0, 2, NULL},
    {"batch", "batch", 0, 5, NULL},
    {"prompt_tokens", "prompt", 0, 7, NULL},
    {"prompt_ms", "prompt ms", 1, 10, "time-"},
    {"token_ms", "token ms", 2, 9, "time-"},
    {"accelerator_w", "W", 0, 5, "watts-"},
};

static uint32_t count_profiles(const struct catalog *catalog)
{
    return catalog->profile_count;
}

static void add_profile(struct list *list, uint32_t index)
{
    const struct catalog *catalog = list->view.catalog;
    const struct catalog_profile *profile = &catalog->profiles[index];
    if (!is_accelerator(list, profile->accelerator))
        return;
    struct catalog_table_cell *cells = catalog_table_add(&list->table, &profile->fact);
    cells[0] = catalog_words(catalog->models[profile->model].name);
    cells[1] = catalog_words(profile->accelerator);
    cells[2] = catalog_number(profile->tensor_parallel);
    cells[3] = catalog_number(profile->batch);
    cells[4] = catalog_number(profile->prompt_tokens);
    cells[5] = catalog_number(profile->prompt_ms);
    cells[6] = catalog_number(profile->token_ms);
    cells[7] =
        profile->accelerator_w > 0 ? catalog_number(profile->accelerator_w) : catalog_nothing();
}

/* --- the list --- */

enum {
    PLACE = FILTER_REGION | FILTER_PROVIDER,
    MACHINE = FILTER_SKU | FILTER_PROVIDER | FILTER_ACCELERATOR,
    OFFER = PLACE | MACHINE | FILTER_MARKET
};

#define ROWS(columns, kind) columns, COUNT_OF(columns), count_##kind

static const struct list_about abouts[LIST_KINDS] = {
    [LIST_REGIONS] = {"regions", PLACE, ROWS(region_columns, regions), add_region},
    [LIST_SKUS] = {"skus", MACHINE, ROWS(sku_columns, skus), add_sku},
    [LIST_PRICES] = {"prices", OFFER, ROWS(price_columns, offers), add_price},
    [LIST_STOCK] = {"stock", OFFER, ROWS(stock_columns, offers), add_stock},
    [LIST_SPOT] = {"spot", FILTER_PROVIDER | FILTER_ACCELERATOR, ROWS(spot_columns, spots),
                   add_spot},
    [LIST_LINKS] = {"links", PLACE, ROWS(link_columns, pairs), add_link},
    [LIST_CLIENTS] = {"clients", PLACE, ROWS(client_columns, clients), add_client},
    [LIST_GRIDS] = {"grids", PLACE, ROWS(grid_columns, grids), add_grid},
    [LIST_MODELS] = {"models", 0, ROWS(model_columns, models), add_model},
    [LIST_PROFILES] = {"profiles", FILTER_ACCELERATOR, ROWS(profile_columns, profiles),
                       add_profile},
};

static enum list_kind find_kind(const char *name)
{
    enum list_kind kind = 0;
    while (kind < LIST_KINDS && !span_is(span_of(name), abouts[kind].name))
        kind++;
    return kind;
}

/* Is <name> one of the providers or accelerators? Else says so, with the nearest. */
static bool is_known(const struct list *list, bool is_provider_name, const char *name)
{
    const struct catalog *catalog = list->view.catalog;
    struct span words[CATALOG_SKUS_MAX];
    for (uint32_t i = 0; i < catalog->sku_count; i++) {
        words[i] = is_provider_name ? catalog->skus[i].provider : catalog->skus[i].accelerator;
        if (span_is(words[i], name))
            return true;
    }
    for (uint32_t i = 0; is_provider_name && i < catalog->region_count; i++)
        if (span_is(catalog->regions[i].provider, name))
            return true;
    int nearest = fleet_nearest(span_of(name), words, catalog->sku_count);
    fprintf(stderr, "farspan catalog: there is no %s %.80s\n",
            is_provider_name ? "provider" : "accelerator", name);
    if (nearest >= 0)
        fprintf(stderr, "  did you mean %.*s?\n", SPAN_ARG(words[nearest]));
    return false;
}

/* Names on the command line against the catalogue. */
static bool find_names(struct list *list)
{
    bool is_good = true;
    list->region = list->sku = CATALOG_NONE;
    if (list->region_name) {
        list->region = catalog_view_find_region(&list->view, list->region_name);
        is_good = list->region != CATALOG_NONE;
    }
    if (list->sku_name) {
        list->sku = catalog_view_find_sku(&list->view, list->sku_name);
        is_good = is_good && list->sku != CATALOG_NONE;
    }
    if (list->provider)
        is_good = is_known(list, true, list->provider) && is_good;
    if (list->accelerator)
        is_good = is_known(list, false, list->accelerator) && is_good;
    return is_good;
}

static void begin_json(struct list *list, const char *kind)
{
    struct text *out = &list->view.out;
    char hex[2 * CRYPTO_SHA256_SIZE + 1];
    crypto_hex(list->view.catalog->sha256, CRYPTO_SHA256_SIZE, hex);
    text_json_object(out);
    text_json_key(out, "catalog");
    text_json_str(out, list->view.folder);
    text_json_key(out, "sha256");
    text_json_str(out, hex);
    text_json_key(out, "list");
    text_json_str(out, kind);
}

/* All prices that the table shows. */
static void warn(struct list *list, enum list_kind kind)
{
    if (kind == LIST_PRICES)
        catalog_view_warn(&list->view, list->table.facts, list->table.row_count);
}

static bool list_rows(struct list *list, enum list_kind kind)
{
    const struct list_about *about = &abouts[kind];
    struct text *out = &list->view.out;
    uint32_t count = about->count(list->view.catalog);
    if (!catalog_table_init(&list->table, about->columns, about->column_count, count,
                            &list->view.arena)) {
        fprintf(stderr, "farspan catalog: %s\n", err_text(ERR_MEMORY));
        return false;
    }
    for (uint32_t i = 0; i < count; i++)
        about->add(list, i);
    if (list->view.is_json) {
        begin_json(list, about->name);
        text_json_key(out, "rows");
        catalog_table_json(&list->table, out);
        warn(list, kind);
        text_json_end(out);
        text_add_c(out, '\n');
        return true;
    }
    catalog_table_print(&list->table, 0, out);
    warn(list, kind);
    if (list->table.row_count == 0)
        fprintf(stderr, "nothing matches\n");
    return true;
}

/* --- what there is: without a kind --- */

static const struct catalog_table_column overview_columns[] = {
    {"list", "what", CATALOG_TABLE_WORDS, 10, NULL},
    {"rows", "rows", 0, 7, NULL},
    {"estimates", "with ~", 0, 7, NULL},
    {"oldest", "oldest figure", CATALOG_TABLE_WORDS, 13, NULL},
    {"newest", "newest", CATALOG_TABLE_WORDS, 10, NULL},
};

/* A grid has two facts and no row of one file: it is as old as the older. */
static uint32_t date_of_row(const struct list *list, enum list_kind kind, uint32_t row,
                            bool *ret_is_estimate)
{
    if (kind != LIST_GRIDS) {
        *ret_is_estimate = list->table.facts[row]->is_estimate;
        return list->table.facts[row]->date;
    }
    const struct catalog_grid *grid = &list->view.catalog->grids[row];
    *ret_is_estimate = grid->carbon.is_estimate || grid->power.is_estimate;
    return grid->carbon.date < grid->power.date ? grid->carbon.date : grid->power.date;
}

static void add_overview(struct list *list, struct catalog_table *overview, enum list_kind kind)
{
    const struct list_about *about = &abouts[kind];
    uint32_t count = about->count(list->view.catalog), estimates = 0;
    uint32_t oldest = UINT32_MAX, newest = 0;
    if (!catalog_table_init(&list->table, about->columns, about->column_count, count,
                            &list->view.arena))
        return;
    for (uint32_t i = 0; i < count; i++)
        about->add(list, i);
    for (uint32_t i = 0; i < list->table.row_count; i++) {
        bool is_estimate;
        uint32_t date = date_of_row(list, kind, i, &is_estimate);
        estimates += is_estimate;
        oldest = date < oldest ? date : oldest;
        newest = date > newest ? date : newest;
    }
    struct catalog_table_cell *cells = catalog_table_add(overview, NULL);
    cells[0] = catalog_words(span_of(about->name));
    cells[1] = catalog_number(list->table.row_count);
    cells[2] = catalog_number(estimates);
    cells[3] = newest > 0 ? catalog_words(day_of(list, oldest)) : catalog_nothing();
    cells[4] = newest > 0 ? catalog_words(day_of(list, newest)) : catalog_nothing();
}

static bool list_overview(struct list *list)
{
    struct catalog_table overview;
    struct text *out = &list->view.out;
    bool has_room = catalog_table_init(&overview, overview_columns, COUNT_OF(overview_columns),
                                       LIST_KINDS, &list->view.arena);
    for (enum list_kind kind = 0; has_room && kind < LIST_KINDS; kind++)
        add_overview(list, &overview, kind);
    if (list->view.arena.is_overflown) {
        fprintf(stderr, "farspan catalog: %s\n", err_text(ERR_MEMORY));
        return false;
    }
    if (list->view.is_json) {
        begin_json(list, "overview");
        text_json_key(out, "rows");
        catalog_table_json(&overview, out);
        text_json_end(out);
        text_add_c(out, '\n');
        return true;
    }
    char hex[2 * CRYPTO_SHA256_SIZE + 1];
    crypto_hex(list->view.catalog->sha256, CRYPTO_SHA256_SIZE, hex);
    text_add(out, "%s\nsha256 %s\n\n", list->view.folder, hex);
    catalog_table_print(&overview, 0, out);
    return true;
}

/* --- the command line --- */

static unsigned filters_given(const struct list *list)
{
    return (list->region_name ? FILTER_REGION : 0u) | (list->sku_name ? FILTER_SKU : 0u) |
           (list->provider ? FILTER_PROVIDER : 0u) | (list->accelerator ? FILTER_ACCELERATOR : 0u) |
           (list->market_name ? FILTER_MARKET : 0u);
}

static const char *filter_name(unsigned filter)
{
    switch (filter & -filter) {
    case FILTER_REGION:
        return "--region";
    case FILTER_SKU:
        return "--sku";
    case FILTER_PROVIDER:
        return "--provider";
    case FILTER_ACCELERATOR:
        return "--accelerator";
    default:
        return "--market";
    }
}

static int run(const struct option_usage *usage, struct list *list, const char *kind_name)
{
    enum list_kind kind = kind_name ? find_kind(kind_name) : LIST_KINDS;
    if (kind_name && kind == LIST_KINDS)
        return options_refuse(usage,
                              "expected regions, skus, prices, stock, spot, links, clients, grids, "
                              "models or profiles, found %s",
                              kind_name);
    unsigned beyond = filters_given(list) & ~(kind_name ? abouts[kind].filters : 0);
    if (beyond)
        return options_refuse(usage, "%s says nothing about %s", filter_name(beyond),
                              kind_name ? kind_name : "the overview");
    if (list->market_name && !catalog_market_find(span_of(list->market_name), &list->market))
        return options_refuse(usage, "--market: expected on_demand, spot or reserved, found %s",
                              list->market_name);
    if (!catalog_view_open(&list->view))
        return 1;
    bool is_good = find_names(list) && (kind_name ? list_rows(list, kind) : list_overview(list));
    return catalog_view_close(&list->view, is_good ? 0 : 1);
}

int catalog_list(int argc, char **argv)
{
    struct list list = {.region = CATALOG_NONE, .sku = CATALOG_NONE};
    const struct option_row rows[] = {
        {"--region", "NAME", "only of this region (links: from it)", OPTION_TEXT, &list.region_name,
         0, 0},
        {"--sku", "NAME", "only of this size of machine", OPTION_TEXT, &list.sku_name, 0, 0},
        {"--provider", "NAME", "only of this provider", OPTION_TEXT, &list.provider, 0, 0},
        {"--accelerator", "NAME", "only of this accelerator", OPTION_TEXT, &list.accelerator, 0, 0},
        {"--market", "NAME", "only on_demand, spot or reserved", OPTION_TEXT, &list.market_name, 0,
         0},
        {"--catalog", "DIR", "of this folder; default: the shipped catalogue", OPTION_TEXT,
         &list.view.folder, 0, 0},
        {"--json", NULL, "one JSON object", OPTION_FLAG, &list.view.is_json, 0, 0},
    };
    const struct option_usage usage = {
        "farspan catalog list [WHAT] [--region NAME] [--catalog DIR] [--json]",
        "The rows of the catalogue. WHAT is regions, skus, prices, stock, spot, links, clients,\n"
        "grids, models or profiles; without it, how many there are of each. ~ marks an estimate.\n"
        "Prices older than 180 days are warned of.",
        "farspan catalog list prices --region azure:swedencentral --accelerator h100-80gb",
        rows,
        COUNT_OF(rows),
        1,
        2};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;
    return run(&usage, &list, rest > 1 ? argv[1] : NULL);
}
