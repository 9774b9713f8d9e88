#include "plan/map_scene.h"

#include "base/check.h"

struct gatherer {
    const struct plan_sheet *sheet;
    const struct plan_wish *wish;
    struct plan_map_scene *scene;
    uint32_t *replicas;   /* of each place */
    double *usd_h;        /* the same */
    uint32_t *regions;    /* of each place: its region of the scene, or PLAN_NONE */
    double *client_rates; /* of each client of the catalogue */
    uint32_t *clients;    /* of each client of the catalogue: that of the scene, or PLAN_NONE */
    double *rates;        /* of each client of the catalogue and region of the scene */
};

static uint32_t find_place(const struct plan_wish *wish, struct span name)
{
    uint16_t region = catalog_find_region(wish->catalog, name);
    if (region != CATALOG_NONE)
        return region;
    for (uint32_t i = 0; i < wish->site_count; i++)
        if (span_is_equal(wish->sites[i].name, name))
            return wish->catalog->region_count + i;
    return PLAN_NONE;
}

static uint32_t find_client(const struct plan_wish *wish, struct span name)
{
    for (uint32_t c = 0; c < wish->catalog->client_count; c++)
        if (span_is_equal(wish->catalog->clients[c].name, name))
            return c;
    return PLAN_NONE;
}

static struct plan_map_xy flat_of(const struct plan_wish *wish, uint16_t region)
{
    const struct catalog_region *row = &wish->catalog->regions[region];
    return plan_map_project(row->longitude, row->latitude);
}

/* Rows are by service: a new one begins where the name changes. */
static void count_replicas(struct gatherer *gatherer)
{
    const struct plan_sheet *sheet = gatherer->sheet;
    struct span service = {0};
    for (uint32_t i = 0; i < sheet->replica_count; i++) {
        const struct plan_sheet_replica *row = &sheet->replicas[i];
        uint32_t place = find_place(gatherer->wish, row->region);
        if (row->count == 0 || place == PLAN_NONE)
            continue;
        gatherer->replicas[place] += row->count;
        gatherer->usd_h[place] += row->count * row->usd_h;
        gatherer->scene->replicas += row->count;
        gatherer->scene->service_count += !span_is_equal(service, row->service);
        service = row->service;
    }
}

static bool comes_before(uint32_t a_replicas, struct span a, uint32_t b_replicas, struct span b)
{
    return a_replicas > b_replicas || (a_replicas == b_replicas && span_compare(a, b) < 0);
}

/* Zones by insertion; answers each zone of the wish its place among them. */
static void gather_zones(struct gatherer *gatherer, uint32_t ret_zones[LIMIT_ZONES])
{
    const struct plan_wish *wish = gatherer->wish;
    struct plan_map_scene *scene = gatherer->scene;
    struct plan_map_zone all[LIMIT_ZONES] = {0};
    for (uint32_t place = 0; place < plan_wish_place_count(wish); place++) {
        struct plan_map_zone *zone = &all[wish->place_zones[place]];
        zone->name = wish->zones[wish->place_zones[place]];
        zone->regions += gatherer->replicas[place] > 0;
        zone->replicas += gatherer->replicas[place];
    }
    for (uint32_t z = 0; z < wish->zone_count; z++) {
        uint32_t at = scene->zone_count;
        if (all[z].replicas == 0)
            continue;
        for (; at > 0 && comes_before(all[z].replicas, all[z].name, scene->zones[at - 1].replicas,
                                      scene->zones[at - 1].name);
             at--)
            scene->zones[at] = scene->zones[at - 1];
        scene->zones[at] = all[z];
        scene->zone_count++;
    }
    for (uint32_t z = 0; z < wish->zone_count; z++)
        for (uint32_t i = 0; i < scene->zone_count; i++)
            if (span_is_equal(scene->zones[i].name, wish->zones[z]))
                ret_zones[z] = i;
}

static void gather_regions(struct gatherer *gatherer)
{
    const struct plan_wish *wish = gatherer->wish;
    struct plan_map_scene *scene = gatherer->scene;
    uint32_t zones[LIMIT_ZONES] = {0};
    gather_zones(gatherer, zones);
    for (uint32_t place = 0; place < plan_wish_place_count(wish); place++) {
        uint32_t replicas = gatherer->replicas[place], at = scene->region_count;
        struct span name = plan_wish_place_name(wish, place);
        gatherer->regions[place] = PLAN_NONE;
        if (replicas == 0)
            continue;
        for (; at > 0 && comes_before(replicas, name, scene->regions[at - 1].replicas,
                                      scene->regions[at - 1].name);
             at--)
            scene->regions[at] = scene->regions[at - 1];
        scene->regions[at] =
            (struct plan_map_region){.name = name,
                                     .place = place,
                                     .flat = flat_of(wish, plan_wish_region(wish, place)),
                                     .zone = zones[wish->place_zones[place]],
                                     .replicas = replicas,
                                     .usd_h = gatherer->usd_h[place]};
        scene->region_count++;
    }
    for (uint32_t i = 0; i < scene->region_count; i++)
        gatherer->regions[scene->regions[i].place] = i;
}

static void gather_flows(struct gatherer *gatherer)
{
    const struct catalog *catalog = gatherer->wish->catalog;
    struct plan_map_scene *scene = gatherer->scene;
    for (uint32_t i = 0; i < gatherer->sheet->flow_count; i++) {
        const struct plan_sheet_flow *row = &gatherer->sheet->flows[i];
        uint32_t place = find_place(gatherer->wish, row->region);
        uint32_t c = find_client(gatherer->wish, row->zone);
        if (place == PLAN_NONE || c == PLAN_NONE || gatherer->regions[place] == PLAN_NONE)
            continue;
        gatherer->client_rates[c] += row->rate;
        gatherer->rates[(size_t)c * scene->region_count + gatherer->regions[place]] += row->rate;
        scene->rate += row->rate;
    }
    for (uint32_t c = 0; c < catalog->client_count; c++) {
        if (gatherer->client_rates[c] <= 0)
            continue;
        gatherer->clients[c] = scene->client_count++;
        scene->clients[gatherer->clients[c]] =
            (struct plan_map_client){.name = catalog->clients[c].name,
                                     .flat = flat_of(gatherer->wish, catalog->clients[c].region),
                                     .rate = gatherer->client_rates[c]};
    }
}

/* By insertion; of equals the first stays before. What falls out at the end is hidden. */
static void keep_arc(struct plan_map_scene *scene, struct plan_map_arc arc)
{
    uint32_t at = scene->arc_count;
    if (at == PLAN_MAP_ARCS_MAX) {
        bool is_thin = scene->arcs[at - 1].rate >= arc.rate;
        scene->rate_hidden += is_thin ? arc.rate : scene->arcs[at - 1].rate;
        if (is_thin)
            return;
        at--;
    } else {
        scene->arc_count++;
    }
    for (; at > 0 && scene->arcs[at - 1].rate < arc.rate; at--)
        scene->arcs[at] = scene->arcs[at - 1];
    scene->arcs[at] = arc;
}

static void gather_arcs(struct gatherer *gatherer)
{
    struct plan_map_scene *scene = gatherer->scene;
    for (uint32_t c = 0; c < gatherer->wish->catalog->client_count; c++)
        for (uint32_t region = 0; region < scene->region_count; region++) {
            double rate = gatherer->rates[(size_t)c * scene->region_count + region];
            if (rate > 0)
                keep_arc(scene, (struct plan_map_arc){gatherer->clients[c], region, rate});
        }
}

/* "azure:" goes where every region has it. */
static void shorten_names(struct plan_map_scene *scene)
{
    if (scene->region_count == 0)
        return;
    struct span first = scene->regions[0].name, provider = span_cut(&first, ':');
    if (!first.p)
        return;
    for (uint32_t i = 0; i < scene->region_count; i++) {
        struct span rest = scene->regions[i].name, own = span_cut(&rest, ':');
        if (!rest.p || !span_is_equal(own, provider))
            return;
    }
    for (uint32_t i = 0; i < scene->region_count; i++)
        span_cut(&scene->regions[i].name, ':');
}

enum err plan_map_scene_fill(const struct plan_sheet *sheet, const struct plan_wish *wish,
                             struct arena *arena, struct plan_map_scene *ret_scene)
{
    uint32_t places = plan_wish_place_count(wish), clients = wish->catalog->client_count;
    struct plan_map_scene scene = {.regions = ARENA_ARRAY(arena, struct plan_map_region, places),
                                   .clients = ARENA_ARRAY(arena, struct plan_map_client, clients),
                                   .zones = ARENA_ARRAY(arena, struct plan_map_zone, LIMIT_ZONES),
                                   .arcs =
                                       ARENA_ARRAY(arena, struct plan_map_arc, PLAN_MAP_ARCS_MAX)};
    struct gatherer gatherer = {.sheet = sheet,
                                .wish = wish,
                                .scene = &scene,
                                .replicas = ARENA_ARRAY(arena, uint32_t, places),
                                .usd_h = ARENA_ARRAY(arena, double, places),
                                .regions = ARENA_ARRAY(arena, uint32_t, places),
                                .client_rates = ARENA_ARRAY(arena, double, clients),
                                .clients = ARENA_ARRAY(arena, uint32_t, clients)};
    if (arena->is_overflown)
        return ERR_MEMORY;
    count_replicas(&gatherer);
    gather_regions(&gatherer);
    gatherer.rates = ARENA_ARRAY(arena, double, (size_t)clients *scene.region_count);
    if (!gatherer.rates)
        return ERR_MEMORY;
    gather_flows(&gatherer);
    gather_arcs(&gatherer);
    shorten_names(&scene);
    *ret_scene = scene;
    return ERR_OK;
}
