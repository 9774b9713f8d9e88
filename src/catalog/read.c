/* read.c: the files of a catalogue, from those that define names to those that use them. What a
 * refused row would have defined is not complained about again where it is used. */
#include "base/check.h"
#include "base/crypto.h"
#include "base/text.h"
#include "catalog/row.h"

enum { CARBON, POWER, HOUR_FILES, ALL_HOURS = (1 << CATALOG_HOURS) - 1 };

#define WEIGHT_SUM_ERROR_MAX 0.001

struct reader {
    const struct span *bytes; /* of each file */
    struct span paths[CATALOG_FILES];
    struct arena *arena;
    struct fleet_complaints *complaints;
    struct catalog *catalog;
    bool is_broken[CATALOG_FILES];
    struct catalog_names regions, skus, models, grids;
    uint32_t *hours[HOUR_FILES]; /* of each grid: a bit for each hour read so far */
};

/* How many rows a file may have: room for all of them. */
static uint32_t count_rows(const struct reader *reader, enum catalog_file file)
{
    struct span bytes = reader->bytes[file];
    uint32_t count = 1, most = catalog_schema_of(file)->rows_max;
    for (size_t i = 0; i < bytes.n && count < most; i++)
        count += bytes.p[i] == '\n';
    return count;
}

static void begin(struct reader *reader, enum catalog_file file,
                  struct catalog_row_reader *ret_rows)
{
    *ret_rows = (struct catalog_row_reader){.regions = &reader->regions,
                                            .skus = &reader->skus,
                                            .models = &reader->models,
                                            .grids = &reader->grids};
    catalog_row_begin(ret_rows, file, reader->bytes[file], reader->paths[file], reader->arena,
                      reader->complaints);
}

static void complain_twice(struct catalog_row_reader *rows, uint32_t column, uint32_t first_line)
{
    catalog_row_complain(rows, column, "expected once, found again (first in line %u)", first_line);
}

/* Room for the names of a kind; <names>->name is filled row by row. */
static struct span *begin_names(struct reader *reader, struct catalog_names *names,
                                enum catalog_file file, uint32_t count_max)
{
    struct span *all = ARENA_ARRAY(reader->arena, struct span, count_max);
    *names = (struct catalog_names){.name = all, .file = catalog_file_name(file)};
    return all;
}

/* A name defined again is complained about. */
static bool add_name(struct catalog_names *names, struct span *all, struct span name)
{
    if (catalog_names_find(names, name) != CATALOG_NONE)
        return false;
    all[names->count++] = name;
    return true;
}

/* --- grids: carbon.csv and power.csv --- */

static void read_hours(struct reader *reader, int which, struct span *names, uint32_t grids_max,
                       struct catalog_grid *grids)
{
    enum catalog_file file = which == CARBON ? CATALOG_FILE_CARBON : CATALOG_FILE_POWER;
    struct catalog_row_reader rows;
    union catalog_row row;
    begin(reader, file, &rows);
    while (catalog_row_next(&rows, &row)) {
        const struct catalog_hour_row *hour = &row.hour;
        uint16_t at = catalog_names_find(&reader->grids, hour->grid);
        if (at == CATALOG_NONE && reader->grids.count == grids_max) {
            catalog_row_complain(&rows, 0, "expected at most %u grid zones, found more", grids_max);
            break;
        }
        if (at == CATALOG_NONE) {
            at = (uint16_t)reader->grids.count;
            add_name(&reader->grids, names, hour->grid);
            grids[at].name = hour->grid;
        }
        struct catalog_fact *fact = which == CARBON ? &grids[at].carbon : &grids[at].power;
        uint32_t bit = 1u << hour->hour;
        if (reader->hours[which][at] & bit) {
            catalog_row_complain(&rows, 1, "%.*s %u: expected once, found again",
                                 SPAN_ARG(hour->grid), hour->hour);
            continue;
        }
        reader->hours[which][at] |= bit;
        (which == CARBON ? grids[at].g_per_kwh : grids[at].usd_per_mwh)[hour->hour] = hour->value;
        if (hour->hour == 0 || fact->line == 0)
            *fact = hour->fact;
    }
    reader->is_broken[file] = rows.is_broken;
}

static void check_hours(struct reader *reader, int which, enum catalog_file file)
{
    struct catalog *catalog = reader->catalog;
    for (uint32_t i = 0; i < catalog->grid_count && !reader->is_broken[file]; i++) {
        const struct catalog_grid *grid = &catalog->grids[i];
        uint32_t hours = reader->hours[which][i];
        uint32_t line = which == CARBON ? grid->carbon.line : grid->power.line;
        if (hours != ALL_HOURS)
            fleet_complain(reader->complaints, reader->arena,
                           (struct fleet_place){reader->paths[file], line, line > 0},
                           "grid_zone: expected %d hours of %.*s, found %d", CATALOG_HOURS,
                           SPAN_ARG(grid->name), __builtin_popcount(hours));
    }
}

static bool read_grids(struct reader *reader)
{
    uint32_t room =
        count_rows(reader, CATALOG_FILE_CARBON) + count_rows(reader, CATALOG_FILE_POWER);
    uint32_t grids_max = room < CATALOG_GRIDS_MAX ? room : CATALOG_GRIDS_MAX;
    struct span *names = begin_names(reader, &reader->grids, CATALOG_FILE_CARBON, grids_max);
    struct catalog_grid *grids = ARENA_ARRAY(reader->arena, struct catalog_grid, grids_max);
    for (int i = 0; i < HOUR_FILES; i++)
        reader->hours[i] = ARENA_ARRAY(reader->arena, uint32_t, grids_max);
    if (reader->arena->is_overflown)
        return false;
    for (int i = 0; i < HOUR_FILES; i++)
        read_hours(reader, i, names, grids_max, grids);
    reader->catalog->grids = grids;
    reader->catalog->grid_count = reader->grids.count;
    check_hours(reader, CARBON, CATALOG_FILE_CARBON);
    check_hours(reader, POWER, CATALOG_FILE_POWER);
    reader->grids.is_broken =
        reader->is_broken[CATALOG_FILE_CARBON] || reader->is_broken[CATALOG_FILE_POWER];
    return true;
}

/* --- what has a name of its own --- */

static bool is_of_provider(struct span region, struct span provider)
{
    return region.n > provider.n + 1 && memcmp(region.p, provider.p, provider.n) == 0 &&
           region.p[provider.n] == ':';
}

static bool read_regions(struct reader *reader)
{
    uint32_t count_max = count_rows(reader, CATALOG_FILE_REGIONS);
    struct span *names = begin_names(reader, &reader->regions, CATALOG_FILE_REGIONS, count_max);
    struct catalog_region *regions = ARENA_ARRAY(reader->arena, struct catalog_region, count_max);
    if (reader->arena->is_overflown)
        return false;
    struct catalog_row_reader rows;
    union catalog_row row;
    begin(reader, CATALOG_FILE_REGIONS, &rows);
    while (catalog_row_next(&rows, &row)) {
        if (!is_of_provider(row.region.name, row.region.provider)) {
            catalog_row_complain(&rows, 0, "expected %.*s:NAME, found \"%.*s\"",
                                 SPAN_ARG(row.region.provider), SPAN_ARG(row.region.name));
            continue;
        }
        if (add_name(&reader->regions, names, row.region.name))
            regions[reader->regions.count - 1] = row.region;
        else
            complain_twice(&rows, 0, regions[reader->regions.hint].fact.line);
    }
    if (reader->regions.count == 0 && !rows.is_broken)
        fleet_complain(reader->complaints, reader->arena,
                       (struct fleet_place){reader->paths[CATALOG_FILE_REGIONS], 0, 0},
                       "expected at least one region, found none");
    reader->regions.is_broken = rows.is_broken;
    reader->catalog->regions = regions;
    reader->catalog->region_count = reader->regions.count;
    return true;
}

static bool is_good_sku(struct catalog_row_reader *rows, const struct catalog_sku *sku)
{
    bool has_accelerator = sku->accelerator.n > 0;
    if (has_accelerator != (sku->accelerator_count > 0))
        catalog_row_complain(rows, 3, "expected %s, found %u",
                             has_accelerator ? "1 or more, since there is an accelerator"
                                             : "0, since there is no accelerator",
                             sku->accelerator_count);
    else if (has_accelerator != (sku->accelerator_memory_gib > 0))
        catalog_row_complain(rows, 4, "expected %s, found %g",
                             has_accelerator ? "the memory of one accelerator"
                                             : "0, since there is no accelerator",
                             sku->accelerator_memory_gib);
    else if (sku->idle_w >= sku->peak_w)
        catalog_row_complain(rows, 7, "expected less than peak_w (%g), found %g", sku->peak_w,
                             sku->idle_w);
    else
        return true;
    return false;
}

static bool read_skus(struct reader *reader)
{
    uint32_t count_max = count_rows(reader, CATALOG_FILE_SKUS);
    struct span *names = begin_names(reader, &reader->skus, CATALOG_FILE_SKUS, count_max);
    struct catalog_sku *skus = ARENA_ARRAY(reader->arena, struct catalog_sku, count_max);
    if (reader->arena->is_overflown)
        return false;
    struct catalog_row_reader rows;
    union catalog_row row;
    begin(reader, CATALOG_FILE_SKUS, &rows);
    while (catalog_row_next(&rows, &row)) {
        if (!is_good_sku(&rows, &row.sku))
            continue;
        if (add_name(&reader->skus, names, row.sku.name))
            skus[reader->skus.count - 1] = row.sku;
        else
            complain_twice(&rows, 0, skus[reader->skus.hint].fact.line);
    }
    reader->skus.is_broken = rows.is_broken;
    reader->catalog->skus = skus;
    reader->catalog->sku_count = reader->skus.count;
    return true;
}

static bool read_models(struct reader *reader)
{
    uint32_t count_max = count_rows(reader, CATALOG_FILE_MODELS);
    struct span *names = begin_names(reader, &reader->models, CATALOG_FILE_MODELS, count_max);
    struct catalog_model *models = ARENA_ARRAY(reader->arena, struct catalog_model, count_max);
    if (reader->arena->is_overflown)
        return false;
    struct catalog_row_reader rows;
    union catalog_row row;
    begin(reader, CATALOG_FILE_MODELS, &rows);
    while (catalog_row_next(&rows, &row)) {
        if (add_name(&reader->models, names, row.model.name))
            models[reader->models.count - 1] = row.model;
        else
            complain_twice(&rows, 0, models[reader->models.hint].fact.line);
    }
    reader->models.is_broken = rows.is_broken;
    reader->catalog->models = models;
    reader->catalog->model_count = reader->models.count;
    return true;
}

/* --- offers: prices.csv and stock.csv --- */

/* Where the offer of (region, sku, market) stands: rows in their final order. */
static uint32_t slot_of(const struct catalog *catalog, const struct catalog_offer_row *row)
{
    return ((uint32_t)row->region * catalog->sku_count + row->sku) * CATALOG_MARKETS + row->market;
}

static bool is_sold_by(struct reader *reader, struct catalog_row_reader *rows,
                       const struct catalog_offer_row *row)
{
    const struct catalog_region *region = &reader->catalog->regions[row->region];
    const struct catalog_sku *sku = &reader->catalog->skus[row->sku];
    if (span_is_equal(region->provider, sku->provider))
        return true;
    catalog_row_complain(rows, 1, "expected a sku of %.*s, found %.*s of %.*s",
                         SPAN_ARG(region->provider), SPAN_ARG(sku->name), SPAN_ARG(sku->provider));
    return false;
}

/* <slots>: 1 + index in <offers>, 0 where there is none. */
static uint32_t read_prices(struct reader *reader, uint32_t *slots, struct catalog_offer *offers)
{
    struct catalog_row_reader rows;
    union catalog_row row;
    uint32_t count = 0;
    begin(reader, CATALOG_FILE_PRICES, &rows);
    while (catalog_row_next(&rows, &row)) {
        const struct catalog_offer_row *offer = &row.offer;
        if (!is_sold_by(reader, &rows, offer))
            continue;
        uint32_t *slot = &slots[slot_of(reader->catalog, offer)];
        if (*slot > 0) {
            complain_twice(&rows, 0, offers[*slot - 1].price.line);
            continue;
        }
        offers[count] = (struct catalog_offer){.region = offer->region,
                                               .sku = offer->sku,
                                               .market = offer->market,
                                               .usd_h = offer->usd_h,
                                               .price = offer->fact};
        *slot = ++count;
    }
    reader->is_broken[CATALOG_FILE_PRICES] = rows.is_broken;
    return count;
}

static void read_stock(struct reader *reader, const uint32_t *slots, struct catalog_offer *offers)
{
    struct catalog_row_reader rows;
    union catalog_row row;
    begin(reader, CATALOG_FILE_STOCK, &rows);
    while (catalog_row_next(&rows, &row)) {
        if (!is_sold_by(reader, &rows, &row.offer))
            continue;
        uint32_t slot = slots[slot_of(reader->catalog, &row.offer)];
        if (slot == 0) {
            if (!reader->is_broken[CATALOG_FILE_PRICES])
                catalog_row_complain(&rows, 0, "expected a row of prices.csv for it, found none");
            continue;
        }
        struct catalog_offer *offer = &offers[slot - 1];
        if (offer->in_stock.line > 0) {
            complain_twice(&rows, 0, offer->in_stock.line);
            continue;
        }
        offer->stock = row.offer.count;
        offer->in_stock = row.offer.fact;
    }
}

static bool read_offers(struct reader *reader)
{
    struct catalog *catalog = reader->catalog;
    size_t slot_count = (size_t)catalog->region_count * catalog->sku_count * CATALOG_MARKETS;
    uint32_t count_max = count_rows(reader, CATALOG_FILE_PRICES);
    struct catalog_offer *offers = ARENA_ARRAY(reader->arena, struct catalog_offer, count_max);
    uint32_t *first = ARENA_ARRAY(reader->arena, uint32_t, catalog->region_count + 1);
    uint32_t *slots = ARENA_ARRAY(reader->arena, uint32_t, slot_count);
    struct catalog_offer *read = ARENA_ARRAY(reader->arena, struct catalog_offer, count_max);
    if (reader->arena->is_overflown)
        return false;
    uint32_t count = read_prices(reader, slots, read);
    read_stock(reader, slots, read);
    uint32_t at = 0;
    size_t of_region = (size_t)catalog->sku_count * CATALOG_MARKETS;
    for (size_t i = 0; i < slot_count; i++) {
        if (i % of_region == 0)
            first[i / of_region] = at;
        if (slots[i] > 0)
            offers[at++] = read[slots[i] - 1];
    }
    CHECK(at == count);
    first[catalog->region_count] = at;
    catalog->offers = offers;
    catalog->offer_count = count;
    catalog->region_offers = first;
    return true;
}

static bool read_spots(struct reader *reader)
{
    uint32_t count = 0, count_max = count_rows(reader, CATALOG_FILE_SPOT);
    struct catalog_spot *spots = ARENA_ARRAY(reader->arena, struct catalog_spot, count_max);
    if (!spots)
        return false;
    struct catalog_row_reader rows;
    union catalog_row row;
    reader->catalog->spots = spots;
    begin(reader, CATALOG_FILE_SPOT, &rows);
    while (catalog_row_next(&rows, &row)) {
        const struct catalog_spot *first =
            catalog_find_spot(reader->catalog, row.spot.provider, row.spot.accelerator);
        if (first)
            complain_twice(&rows, 0, first->fact.line);
        else
            spots[count++] = row.spot;
        reader->catalog->spot_count = count;
    }
    return true;
}

/* --- links --- */

static struct catalog_link link_of(const struct catalog_link_row *row, double usd_gib)
{
    return (struct catalog_link){.rtt_ms = row->rtt_ms,
                                 .margin_ms = row->margin_ms,
                                 .bandwidth_mbps = row->bandwidth_mbps,
                                 .usd_gib = usd_gib,
                                 .fact = row->fact};
}

static void check_links(struct reader *reader)
{
    const struct catalog *catalog = reader->catalog;
    struct fleet_place place = {reader->paths[CATALOG_FILE_LINKS], 0, 0};
    for (uint16_t from = 0; from < catalog->region_count; from++)
        for (uint16_t to = from; to < catalog->region_count; to++)
            if (catalog_link(catalog, from, to)->fact.line == 0)
                fleet_complain(reader->complaints, reader->arena, place,
                               "expected a link of %.*s and %.*s, found none",
                               SPAN_ARG(catalog->regions[from].name),
                               SPAN_ARG(catalog->regions[to].name));
}

static bool read_links(struct reader *reader)
{
    size_t count = reader->catalog->region_count;
    struct catalog_link *links = ARENA_ARRAY(reader->arena, struct catalog_link, count * count);
    if (!links)
        return false;
    struct catalog_row_reader rows;
    union catalog_row row;
    begin(reader, CATALOG_FILE_LINKS, &rows);
    while (catalog_row_next(&rows, &row)) {
        const struct catalog_link_row *link = &row.link;
        struct catalog_link *there = &links[link->from * count + link->to],
                            *back = &links[link->to * count + link->from];
        if (there->fact.line > 0) {
            complain_twice(&rows, 0, there->fact.line);
        } else {
            *back = link_of(link, link->usd_gib_back);
            *there = link_of(link, link->usd_gib);
        }
    }
    reader->catalog->links = links;
    if (!rows.is_broken && !reader->regions.is_broken)
        check_links(reader);
    return true;
}

static bool read_clients(struct reader *reader)
{
    uint32_t count_max = count_rows(reader, CATALOG_FILE_CLIENTS);
    struct span *names = ARENA_ARRAY(reader->arena, struct span, count_max);
    struct catalog_client *clients = ARENA_ARRAY(reader->arena, struct catalog_client, count_max);
    if (reader->arena->is_overflown)
        return false;
    struct catalog_names seen = {.name = names};
    struct catalog_row_reader rows;
    union catalog_row row;
    double sum = 0;
    begin(reader, CATALOG_FILE_CLIENTS, &rows);
    while (catalog_row_next(&rows, &row)) {
        if (!add_name(&seen, names, row.client.name)) {
            complain_twice(&rows, 0, clients[seen.hint].fact.line);
            continue;
        }
        clients[seen.count - 1] = row.client;
        sum += row.client.weight;
    }
    bool is_one = sum > 1 - WEIGHT_SUM_ERROR_MAX && sum < 1 + WEIGHT_SUM_ERROR_MAX;
    if (!rows.is_broken && !is_one)
        fleet_complain(reader->complaints, reader->arena,
                       (struct fleet_place){reader->paths[CATALOG_FILE_CLIENTS], 0, 0},
                       "weight: expected a sum of 1 over all clients, found %.4f", sum);
    reader->catalog->clients = clients;
    reader->catalog->client_count = seen.count;
    return true;
}

/* --- profiles --- */

static int compare_u32(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

/* By the key without the batch. */
static int compare_curves(const struct catalog_profile *a, const struct catalog_profile *b)
{
    int order = compare_u32(a->model, b->model);
    if (order == 0)
        order = span_compare(a->accelerator, b->accelerator);
    if (order == 0)
        order = compare_u32(a->tensor_parallel, b->tensor_parallel);
    return order ? order : compare_u32(a->prompt_tokens, b->prompt_tokens);
}

static int compare_profiles(const struct catalog_profile *a, const struct catalog_profile *b)
{
    int order = compare_curves(a, b);
    return order ? order : compare_u32(a->batch, b->batch);
}

/* Merges runs of doubling length; equal rows keep their order. The result is in <profiles>. */
static void sort_profiles(struct catalog_profile *profiles, struct catalog_profile *other,
                          uint32_t count)
{
    for (uint32_t run = 1; run < count; run *= 2) {
        for (uint32_t begin = 0; begin < count; begin += 2 * run) {
            uint32_t middle = begin + run < count ? begin + run : count;
            uint32_t end = middle + run < count ? middle + run : count;
            for (uint32_t at = begin, left = begin, right = middle; at < end; at++) {
                bool is_left =
                    left < middle &&
                    (right == end || compare_profiles(&profiles[left], &profiles[right]) <= 0);
                other[at] = is_left ? profiles[left++] : profiles[right++];
            }
        }
        memcpy(profiles, other, count * sizeof *profiles);
    }
}

static void check_curves(struct reader *reader, const struct catalog_profile *profiles,
                         uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        const struct catalog_profile *before = &profiles[i - 1], *row = &profiles[i];
        struct fleet_place place = {reader->paths[CATALOG_FILE_PROFILES], row->fact.line, 1};
        if (compare_curves(before, row) != 0)
            continue;
        if (before->batch == row->batch)
            fleet_complain(reader->complaints, reader->arena, place,
                           "model: expected once, found again (first in line %u)",
                           before->fact.line);
        else if (row->prompt_ms < before->prompt_ms)
            fleet_complain(reader->complaints, reader->arena, place,
                           "prompt_ms: expected at least that of batch %u (%g), found %g: it "
                           "falls as the batch grows",
                           before->batch, before->prompt_ms, row->prompt_ms);
    }
}

static bool has_accelerator(const struct catalog *catalog, struct span accelerator, uint32_t *hint)
{
    for (uint32_t i = 0; i < catalog->sku_count; i++) {
        uint32_t at = (*hint + i) % catalog->sku_count;
        if (!span_is_equal(catalog->skus[at].accelerator, accelerator))
            continue;
        *hint = at;
        return true;
    }
    return false;
}

static bool read_profiles(struct reader *reader)
{
    uint32_t count = 0, hint = 0, count_max = count_rows(reader, CATALOG_FILE_PROFILES);
    struct catalog_profile *all = ARENA_ARRAY(reader->arena, struct catalog_profile, count_max);
    struct catalog_profile *other = ARENA_ARRAY(reader->arena, struct catalog_profile, count_max);
    if (reader->arena->is_overflown)
        return false;
    struct catalog_row_reader rows;
    union catalog_row row;
    begin(reader, CATALOG_FILE_PROFILES, &rows);
    while (catalog_row_next(&rows, &row)) {
        if (!reader->skus.is_broken &&
            !has_accelerator(reader->catalog, row.profile.accelerator, &hint))
            catalog_row_complain(&rows, 1, "expected an accelerator of skus.csv, found \"%.*s\"",
                                 SPAN_ARG(row.profile.accelerator));
        else
            all[count++] = row.profile;
    }
    sort_profiles(all, other, count);
    check_curves(reader, all, count);
    reader->catalog->profiles = all;
    reader->catalog->profile_count = count;
    return true;
}

/* --- all of them --- */

static struct span path_of(struct arena *arena, struct span folder, enum catalog_file file)
{
    char buffer[LIMIT_PATH];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    text_add_span(&text, folder);
    text_add(&text, "%s%s", folder.n > 0 ? "/" : "", catalog_file_name(file));
    return arena_copy(arena, text_span(&text));
}

/* The hash of what `sha256sum regions.csv skus.csv ...` prints, in the order of the files. */
static void hash_files(const struct span bytes[CATALOG_FILES], uint8_t ret_digest[32])
{
    char buffer[CATALOG_FILES * 96], hex[2 * CRYPTO_SHA256_SIZE + 1];
    uint8_t digest[CRYPTO_SHA256_SIZE];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    for (enum catalog_file file = 0; file < CATALOG_FILES; file++) {
        crypto_sha256(bytes[file], digest);
        crypto_hex(digest, sizeof digest, hex);
        text_add(&text, "%s  %s\n", hex, catalog_file_name(file));
    }
    CHECK(!text.is_cut);
    crypto_sha256(text_span(&text), ret_digest);
}

enum err catalog_read(const struct span bytes[CATALOG_FILES], struct span folder,
                      struct arena *arena, struct fleet_complaints *complaints,
                      struct catalog **ret_catalog)
{
    static bool (*const steps[])(struct reader *) = {read_grids,  read_regions, read_skus,
                                                     read_models, read_offers,  read_spots,
                                                     read_links,  read_clients, read_profiles};
    struct reader reader = {.bytes = bytes, .arena = arena, .complaints = complaints};
    uint32_t said = complaints->count + complaints->left_out;
    for (enum catalog_file file = 0; file < CATALOG_FILES; file++)
        reader.paths[file] = path_of(arena, folder, file);
    reader.catalog = ARENA_NEW(arena, struct catalog);
    bool has_room = !arena->is_overflown;
    for (size_t i = 0; i < COUNT_OF(steps) && has_room; i++)
        has_room = steps[i](&reader);
    if (!has_room || arena->is_overflown)
        return ERR_MEMORY;
    if (complaints->count + complaints->left_out > said)
        return ERR_VALUE;
    hash_files(bytes, reader.catalog->sha256);
    *ret_catalog = reader.catalog;
    return ERR_OK;
}
