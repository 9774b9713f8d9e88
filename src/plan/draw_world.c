#include "plan/draw_world.h"

#include "base/check.h"

#define PROVIDER       "azure"
#define SECOND_MS      3.0
#define SECOND_DEARER  1.2
#define SECOND_CHEAPER 0.85
#define LAST_MILE_MIN  4.0
#define LAST_MILE_MAX  14.0

/* Bytes per second of an accelerator's memory, 1e9, from the vendors' data sheets. */
static const struct {
    const char *accelerator;
    double gb_s;
} bandwidths[] = {
    {"t4-16gb", 320},     {"v100-16gb", 900},     {"v100-32gb", 900},
    {"a10-24gb", 600},    {"a10g-24gb", 600},     {"l4-24gb", 300},
    {"l40s-48gb", 864},   {"a100-40gb", 1555},    {"a100-80gb-pcie", 1935},
    {"a100-80gb", 2039},  {"h100-80gb", 3350},    {"h100-94gb-nvl", 3938},
    {"h200-141gb", 4800}, {"mi300x-192gb", 5300}, {"gb200-186gb", 8000},
};

struct chooser {
    const struct catalog *catalog;
    struct rng *rng;
    bool is_measured[CATALOG_REGIONS_MAX]; /* a region that can be drawn */
    uint32_t sellers[CATALOG_SKUS_MAX];    /* such regions that sell it; 0: taken, or not to be */
};

static double between(struct rng *rng, double low, double high)
{
    return low + (high - low) * rng_unit(rng);
}

static double bandwidth_of(const struct catalog_sku *sku)
{
    for (size_t i = 0; i < COUNT_OF(bandwidths); i++)
        if (span_is(sku->accelerator, bandwidths[i].accelerator))
            return 1e9 / (1 << 30) * bandwidths[i].gb_s * sku->accelerator_count;
    return 0;
}

static bool names_rtt(struct span rule)
{
    while (rule.n > 0)
        if (span_starts_with(span_cut(&rule, '+'), "rtt"))
            return true;
    return false;
}

/* Has it a measured round-trip time to another region of the provider? */
static bool is_measured(const struct catalog *catalog, uint16_t region)
{
    for (uint16_t other = 0; other < catalog->region_count; other++)
        if (other != region && span_is(catalog->regions[other].provider, PROVIDER) &&
            !names_rtt(catalog_link(catalog, region, other)->fact.rule))
            return true;
    return false;
}

static void count_sellers(struct chooser *chooser)
{
    const struct catalog *catalog = chooser->catalog;
    for (uint16_t r = 0; r < catalog->region_count; r++) {
        chooser->is_measured[r] =
            span_is(catalog->regions[r].provider, PROVIDER) && is_measured(catalog, r);
        if (!chooser->is_measured[r])
            continue;
        for (uint32_t o = catalog->region_offers[r]; o < catalog->region_offers[r + 1]; o++) {
            const struct catalog_offer *offer = &catalog->offers[o];
            if (offer->market == CATALOG_ON_DEMAND && bandwidth_of(&catalog->skus[offer->sku]) > 0)
                chooser->sellers[offer->sku]++;
        }
    }
}

/* CATALOG_NONE: none is left. */
static uint16_t choose_sku(struct chooser *chooser)
{
    uint64_t sum = 0;
    for (uint32_t k = 0; k < chooser->catalog->sku_count; k++)
        sum += chooser->sellers[k];
    if (sum == 0)
        return CATALOG_NONE;
    uint64_t at = rng_below(chooser->rng, sum);
    uint16_t k = 0;
    for (; at >= chooser->sellers[k]; k++)
        at -= chooser->sellers[k];
    chooser->sellers[k] = 0;
    return k;
}

static enum err choose_skus(struct chooser *chooser, const struct plan_draw *draw,
                            struct plan_draw_world *world, struct text *why)
{
    bool is_drawn[CATALOG_SKUS_MAX] = {false};
    for (uint32_t i = 0; i < draw->skus; i++) {
        uint16_t k = choose_sku(chooser);
        if (k == CATALOG_NONE) {
            text_add(why,
                     "expected a catalogue with %u accelerated sizes of " PROVIDER
                     " that are sold, found %u",
                     draw->skus, i);
            return ERR_VALUE;
        }
        is_drawn[k] = true;
    }
    for (uint16_t k = 0; k < chooser->catalog->sku_count; k++) {
        const struct catalog_sku *sku = &chooser->catalog->skus[k];
        if (is_drawn[k])
            world->skus[world->sku_count++] = (struct plan_draw_sku){
                .sku = k,
                .memory_gib = sku->accelerator_memory_gib * sku->accelerator_count,
                .bandwidth_gib = bandwidth_of(sku)};
    }
    return ERR_OK;
}

static bool sells_one(const struct plan_draw_world *world, uint16_t region)
{
    for (uint32_t k = 0; k < world->sku_count; k++)
        if (catalog_find_offer(world->catalog, region, world->skus[k].sku, CATALOG_ON_DEMAND))
            return true;
    return false;
}

/* <count> of the <total> things, each as likely. */
static void choose_some(struct rng *rng, uint32_t count, uint32_t total, bool *ret_is_in)
{
    for (uint32_t i = 0; i < total; i++) {
        ret_is_in[i] = rng_below(rng, total - i) < count;
        count -= ret_is_in[i];
    }
}

static void add_site(struct plan_draw_world *world, struct rng *rng, uint16_t region,
                     bool is_second, struct arena *arena)
{
    struct plan_draw_site *site = &world->sites[world->site_count++];
    *site = (struct plan_draw_site){
        .name = world->catalog->regions[region].name, .region = region, .price_factor = 1};
    if (!is_second)
        return;
    char room[LIMIT_NAME + 4];
    struct text name;
    text_init(&name, room, sizeof room);
    text_add(&name, "%.*s+2", SPAN_ARG(site->name));
    site->name = arena_copy(arena, text_span(&name));
    site->extra_ms = SECOND_MS;
    site->price_factor = between(rng, SECOND_CHEAPER, SECOND_DEARER);
}

static enum err choose_sites(struct chooser *chooser, const struct plan_draw *draw,
                             struct plan_draw_world *world, struct arena *arena, struct text *why)
{
    uint16_t able[CATALOG_REGIONS_MAX];
    bool is_first[CATALOG_REGIONS_MAX], is_second[CATALOG_REGIONS_MAX];
    uint32_t able_count = 0;
    for (uint16_t r = 0; r < world->catalog->region_count; r++)
        if (chooser->is_measured[r] && sells_one(world, r))
            able[able_count++] = r;
    if (2 * able_count < draw->regions) {
        text_add(why,
                 "expected a catalogue with %u regions of " PROVIDER
                 " with a measured round-trip time that sell a drawn size, found %u",
                 (draw->regions + 1) / 2, able_count);
        return ERR_VALUE;
    }
    uint32_t firsts = draw->regions < able_count ? draw->regions : able_count;
    choose_some(chooser->rng, firsts, able_count, is_first);
    choose_some(chooser->rng, draw->regions - firsts, able_count, is_second);
    for (uint32_t i = 0; i < able_count; i++) {
        if (is_first[i])
            add_site(world, chooser->rng, able[i], false, arena);
        if (is_second[i])
            add_site(world, chooser->rng, able[i], true, arena);
    }
    return ERR_OK;
}

static void fill_prices(struct plan_draw_world *world)
{
    for (uint32_t i = 0; i < world->site_count; i++)
        for (uint32_t k = 0; k < world->sku_count; k++) {
            const struct catalog_offer *offer = catalog_find_offer(
                world->catalog, world->sites[i].region, world->skus[k].sku, CATALOG_ON_DEMAND);
            world->prices[i * world->sku_count + k] =
                offer ? offer->usd_h * world->sites[i].price_factor : 0;
        }
}

enum err plan_draw_world(const struct catalog *catalog, const struct plan_draw *draw,
                         struct rng *rng, struct arena *arena, struct plan_draw_world *ret_world,
                         struct text *why)
{
    struct plan_draw_world world = {
        .catalog = catalog,
        .sites = ARENA_ARRAY(arena, struct plan_draw_site, draw->regions),
        .skus = ARENA_ARRAY(arena, struct plan_draw_sku, draw->skus),
        .zones = ARENA_ARRAY(arena, struct plan_draw_zone, catalog->client_count),
        .prices = ARENA_ARRAY(arena, double, (size_t)draw->regions * draw->skus)};
    struct chooser *chooser = ARENA_NEW(arena, struct chooser);
    if (arena->is_overflown)
        return ERR_MEMORY;
    *chooser = (struct chooser){.catalog = catalog, .rng = rng};
    count_sellers(chooser);
    enum err err = choose_skus(chooser, draw, &world, why);
    if (!err)
        err = choose_sites(chooser, draw, &world, arena, why);
    if (err)
        return err;
    fill_prices(&world);
    for (uint32_t z = 0; z < catalog->client_count; z++)
        world.zones[world.zone_count++] = (struct plan_draw_zone){
            .client = (uint16_t)z, .last_mile_ms = between(rng, LAST_MILE_MIN, LAST_MILE_MAX)};
    *ret_world = world;
    return arena->is_overflown ? ERR_MEMORY : ERR_OK;
}

double plan_draw_rtt_ms(const struct plan_draw_world *world, uint32_t zone, uint32_t site)
{
    const struct plan_draw_zone *from = &world->zones[zone];
    const struct plan_draw_site *to = &world->sites[site];
    uint16_t region = world->catalog->clients[from->client].region;
    return catalog_link(world->catalog, region, to->region)->rtt_ms + from->last_mile_ms +
           to->extra_ms;
}
