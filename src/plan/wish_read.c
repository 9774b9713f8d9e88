/* wish_read.c: `plan:` of a document into a wish. What one line can say alone was checked by
 * fleet_shape_check(); here are the rules between lines, and the names that the catalogue must
 * know. A node that was complained about is read as if it were not there. */
#include <math.h>

#include "base/check.h"
#include "fleet/units.h"
#include "plan/wish.h"

#define SHARE_SUM_ERROR_MAX 0.001

enum { PAIRS_MAX = PLAN_DEMANDS_MAX, BYTES_A_TOKEN = 250 };

struct names {
    const char *what; /* "region of the catalogue" */
    struct span *name;
    uint32_t count;
};

struct reader {
    struct fleet_document *document;
    struct arena *arena;
    struct fleet_complaints *complaints;
    const struct catalog *catalog;
    struct plan_wish *wish;
    struct names regions, places, skus, models, clients, zones, providers, services;
};

static const char *const market_names[PLAN_MARKETS] = {"on_demand", "spot", "reserved", "own"};

const char *plan_market_name(enum plan_market market)
{
    CHECK((size_t)market < COUNT_OF(market_names));
    return market_names[market];
}

struct span plan_wish_catalog(const struct fleet_document *document)
{
    uint32_t plan = fleet_node_child(document, 0, "plan");
    CHECK(plan != FLEET_NODE_NONE);
    uint32_t folder = fleet_node_child(document, plan, "catalog");
    bool is_good = folder != FLEET_NODE_NONE && !document->nodes[folder].is_bad;
    return is_good ? document->nodes[folder].text : (struct span){NULL, 0};
}

/* Nodes ------------------------------------------------------------------------------------ */

static uint32_t child_of(const struct reader *reader, uint32_t map, const char *key)
{
    uint32_t child = fleet_node_child(reader->document, map, key);
    bool is_good = child != FLEET_NODE_NONE && reader->document->nodes[child].setting &&
                   !(reader->document->nodes[child].kind == FLEET_NODE_SCALAR &&
                     reader->document->nodes[child].is_bad);
    return is_good ? child : FLEET_NODE_NONE;
}

/* The items of the list under <key>: first, and how many. */
static uint32_t items_of(const struct reader *reader, uint32_t map, const char *key,
                         uint32_t *ret_count)
{
    uint32_t list = child_of(reader, map, key);
    bool is_list = list != FLEET_NODE_NONE && reader->document->nodes[list].kind == FLEET_NODE_LIST;
    *ret_count = is_list ? reader->document->nodes[list].child_count : 0;
    return is_list ? reader->document->nodes[list].first : FLEET_NODE_NONE;
}

static uint32_t next_item(const struct reader *reader, uint32_t item)
{
    return reader->document->nodes[item].next;
}

static bool has(const struct reader *reader, uint32_t map, const char *key)
{
    return child_of(reader, map, key) != FLEET_NODE_NONE;
}

static double scaled(const struct reader *reader, uint32_t map, const char *key, double factor,
                     double without)
{
    const struct fleet_setting *setting =
        fleet_setting_find(reader->document->nodes[map].setting, span_of(key));
    CHECK(setting);
    bool is_said = has(reader, map, key) || setting->default_text[0] != '\0';
    return is_said ? factor * (double)fleet_node_number(reader->document, map, key) : without;
}

static uint32_t count_at(const struct reader *reader, uint32_t map, const char *key)
{
    return (uint32_t)fleet_node_number(reader->document, map, key);
}

static void *take(struct reader *reader, size_t count, size_t size)
{
    return arena_take_array(reader->arena, count + 1, size);
}

__attribute__((format(printf, 3, 4))) static void complain(struct reader *reader, uint32_t node,
                                                           const char *format, ...)
{
    char buffer[512];
    struct text text;
    va_list arguments;
    text_init(&text, buffer, sizeof buffer);
    va_start(arguments, format);
    text_add_v(&text, format, arguments);
    va_end(arguments);
    fleet_complain(reader->complaints, reader->arena, fleet_node_place(reader->document, node),
                   "%s", buffer);
    fleet_node_spoil(reader->document, node);
}

/* Names ------------------------------------------------------------------------------------ */

/* Index of the name that scalar <node> says, or PLAN_NONE after a complaint. */
static uint32_t refer(struct reader *reader, const struct names *names, uint32_t node)
{
    struct span name = reader->document->nodes[node].text;
    if (reader->document->nodes[node].is_bad)
        return PLAN_NONE;
    for (uint32_t i = 0; i < names->count; i++)
        if (span_is_equal(names->name[i], name))
            return i;
    int nearest = fleet_nearest(name, names->name, names->count);
    if (nearest >= 0)
        complain(reader, node, "expected a %s, found %.*s: did you mean %.*s?", names->what,
                 SPAN_ARG(name), SPAN_ARG(names->name[nearest]));
    else
        complain(reader, node, "expected a %s, found %.*s", names->what, SPAN_ARG(name));
    return PLAN_NONE;
}

static uint32_t refer_child(struct reader *reader, const struct names *names, uint32_t map,
                            const char *key)
{
    uint32_t child = child_of(reader, map, key);
    return child == FLEET_NODE_NONE ? PLAN_NONE : refer(reader, names, child);
}

static uint16_t index16(uint32_t index)
{
    return index == PLAN_NONE ? CATALOG_NONE : (uint16_t)index;
}

static uint32_t add_name(struct names *names, struct span name)
{
    for (uint32_t i = 0; i < names->count; i++)
        if (span_is_equal(names->name[i], name))
            return i;
    names->name[names->count] = name;
    return names->count++;
}

/* What each name of the list under <key> marks; without the list, all. */
static bool *marks_of(struct reader *reader, uint32_t map, const char *key,
                      const struct names *names)
{
    bool *is_marked = take(reader, names->count, sizeof(bool));
    uint32_t count;
    uint32_t item = items_of(reader, map, key, &count);
    for (uint32_t i = 0; is_marked && i < names->count; i++)
        is_marked[i] = !has(reader, map, key);
    for (; is_marked && item != FLEET_NODE_NONE; item = next_item(reader, item)) {
        uint32_t index = refer(reader, names, item);
        if (index != PLAN_NONE)
            is_marked[index] = true;
    }
    return is_marked;
}

static uint32_t zones_of(struct reader *reader, uint32_t map, const char *key)
{
    uint32_t count, zones = 0;
    uint32_t item = items_of(reader, map, key, &count);
    if (!has(reader, map, key))
        return UINT32_MAX;
    for (; item != FLEET_NODE_NONE; item = next_item(reader, item)) {
        uint32_t zone = refer(reader, &reader->zones, item);
        zones |= zone == PLAN_NONE ? 0 : 1U << zone;
    }
    return zones;
}

static bool collect_names(struct reader *reader)
{
    const struct catalog *catalog = reader->catalog;
    uint32_t most = catalog->region_count + catalog->client_count;
    struct names *all[] = {&reader->regions, &reader->skus,  &reader->models,
                           &reader->clients, &reader->zones, &reader->providers};
    const char *const whats[] = {"region of the catalogue", "sku of the catalogue",
                                 "model of the catalogue",  "group of clients of the catalogue",
                                 "zone of the catalogue",   "provider of the catalogue"};
    const uint32_t sizes[] = {catalog->region_count,
                              catalog->sku_count,
                              catalog->model_count,
                              catalog->client_count,
                              most,
                              most};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        *all[i] = (struct names){whats[i], take(reader, sizes[i], sizeof(struct span)), 0};
    if (reader->arena->is_overflown)
        return false;
    for (uint32_t i = 0; i < catalog->region_count; i++) {
        reader->regions.name[reader->regions.count++] = catalog->regions[i].name;
        add_name(&reader->zones, catalog->regions[i].zone);
        add_name(&reader->providers, catalog->regions[i].provider);
    }
    for (uint32_t i = 0; i < catalog->sku_count; i++)
        reader->skus.name[reader->skus.count++] = catalog->skus[i].name;
    for (uint32_t i = 0; i < catalog->model_count; i++)
        reader->models.name[reader->models.count++] = catalog->models[i].name;
    for (uint32_t i = 0; i < catalog->client_count; i++) {
        reader->clients.name[reader->clients.count++] = catalog->clients[i].name;
        add_name(&reader->zones, catalog->clients[i].zone);
    }
    return true;
}

/* Places ----------------------------------------------------------------------------------- */

static void read_site(struct reader *reader, uint32_t item, struct plan_wish_site *ret_site)
{
    uint32_t name = child_of(reader, item, "name");
    struct span rest =
        name == FLEET_NODE_NONE ? (struct span){NULL, 0} : reader->document->nodes[name].text;
    ret_site->name = rest;
    ret_site->provider = span_cut(&rest, ':');
    ret_site->near = index16(refer_child(reader, &reader->regions, item, "near"));
    ret_site->sku = index16(refer_child(reader, &reader->skus, item, "sku"));
    ret_site->count = count_at(reader, item, "count");
    ret_site->power_max_w = scaled(reader, item, "power_max", 1e-3, INFINITY);
    for (uint32_t i = 0; i < reader->places.count && name != FLEET_NODE_NONE; i++)
        if (span_is_equal(reader->places.name[i], ret_site->name))
            complain(reader, name, "name: expected one that no region or site has, found %.*s",
                     SPAN_ARG(ret_site->name));
    reader->places.name[reader->places.count++] = ret_site->name;
}

static void read_places(struct reader *reader, uint32_t plan)
{
    struct plan_wish *wish = reader->wish;
    const struct catalog *catalog = reader->catalog;
    uint32_t item = items_of(reader, plan, "sites", &wish->site_count);
    uint32_t count = catalog->region_count + wish->site_count;
    struct plan_wish_site *sites = take(reader, wish->site_count, sizeof *sites);
    uint32_t *zones = take(reader, count, sizeof *zones);
    uint32_t *client_zones = take(reader, catalog->client_count, sizeof *client_zones);
    reader->places = (struct names){"region or site", take(reader, count, sizeof(struct span)), 0};
    bool *is_wanted = marks_of(reader, plan, "regions", &reader->regions);
    const bool *providers = marks_of(reader, plan, "providers", &reader->providers);
    uint32_t zone_set = zones_of(reader, plan, "zones");
    if (reader->arena->is_overflown)
        return;
    for (uint32_t r = 0; r < catalog->region_count; r++) {
        reader->places.name[reader->places.count++] = catalog->regions[r].name;
        zones[r] = add_name(&reader->zones, catalog->regions[r].zone);
        is_wanted[r] = is_wanted[r] && (zone_set >> zones[r] & 1) &&
                       providers[add_name(&reader->providers, catalog->regions[r].provider)];
    }
    for (uint32_t i = 0; item != FLEET_NODE_NONE; item = next_item(reader, item), i++) {
        read_site(reader, item, &sites[i]);
        uint16_t near = sites[i].near == CATALOG_NONE ? 0 : sites[i].near;
        zones[catalog->region_count + i] = zones[near];
    }
    for (uint32_t c = 0; c < catalog->client_count; c++)
        client_zones[c] = add_name(&reader->zones, catalog->clients[c].zone);
    wish->sites = sites;
    wish->place_zones = zones;
    wish->client_zones = client_zones;
    wish->is_wanted = is_wanted;
}

/* Services --------------------------------------------------------------------------------- */

static void read_buckets(struct reader *reader, uint32_t map, struct plan_wish_service *service)
{
    uint32_t count;
    uint32_t item = items_of(reader, map, "requests", &count);
    uint32_t list = item;
    double sum = 0;
    service->bucket_count = 0;
    for (; item != FLEET_NODE_NONE && service->bucket_count < PLAN_BUCKETS_MAX;
         item = next_item(reader, item)) {
        struct plan_bucket *bucket = &service->buckets[service->bucket_count++];
        bucket->prompt = count_at(reader, item, "prompt");
        bucket->prompt_mean = count_at(reader, item, "prompt_mean");
        bucket->answer = count_at(reader, item, "answer");
        bucket->share = scaled(reader, item, "share", 1e-6, 0);
        if (bucket->prompt_mean == 0)
            bucket->prompt_mean = bucket->prompt;
        if (bucket->prompt_mean > bucket->prompt)
            complain(reader, item, "prompt_mean: expected at most prompt (%u), found %u",
                     bucket->prompt, bucket->prompt_mean);
        sum += bucket->share;
    }
    if (count > 0 && fabs(sum - 1) > SHARE_SUM_ERROR_MAX)
        complain(reader, list, "share: expected shares that make 100 %%, found %g %%", 100 * sum);
    for (uint32_t b = 0; b < service->bucket_count; b++)
        service->buckets[b].share /= sum > 0 ? sum : 1;
    if (count == 0) {
        service->buckets[0] = (struct plan_bucket){.share = 1};
        service->bucket_count = 1;
    }
}

static void read_speeds(struct reader *reader, uint32_t map, struct plan_wish_service *service)
{
    uint32_t item = items_of(reader, map, "speeds", &service->speed_count);
    struct plan_wish_speed *speeds = take(reader, service->speed_count, sizeof *speeds);
    service->speeds = speeds;
    for (uint32_t i = 0; speeds && item != FLEET_NODE_NONE; item = next_item(reader, item), i++) {
        speeds[i] = (struct plan_wish_speed){
            .sku = index16(refer_child(reader, &reader->skus, item, "sku")),
            .machines = count_at(reader, item, "machines"),
            .rate = scaled(reader, item, "rate", 1e-6, 0),
            .time_ms = scaled(reader, item, "time", 1e-3, 0)};
        if (speeds[i].rate <= 0 && !reader->document->nodes[item].is_bad)
            complain(reader, item, "rate: expected more than 0");
        for (uint32_t j = 0; j < i; j++)
            if (speeds[j].sku == speeds[i].sku && speeds[i].sku != CATALOG_NONE)
                complain(reader, item, "sku: expected once, found again");
    }
}

static void read_rates(struct reader *reader, uint32_t plan, uint32_t map,
                       struct plan_wish_service *service)
{
    const struct catalog *catalog = reader->catalog;
    double *rates = take(reader, catalog->client_count, sizeof *rates);
    const bool *is_client = marks_of(reader, plan, "clients", &reader->clients);
    uint32_t count;
    uint32_t item = items_of(reader, map, "demands", &count);
    if (!rates || !is_client)
        return;
    double all = scaled(reader, map, "demand", 1e-6, 0), weights = 0, sum = 0;
    for (uint32_t c = 0; c < catalog->client_count; c++)
        weights += is_client[c] ? catalog->clients[c].weight : 0;
    for (uint32_t c = 0; c < catalog->client_count && weights > 0; c++)
        rates[c] = is_client[c] ? all * catalog->clients[c].weight / weights : 0;
    for (; item != FLEET_NODE_NONE; item = next_item(reader, item)) {
        uint32_t client = refer_child(reader, &reader->clients, item, "client");
        if (client != PLAN_NONE)
            rates[client] += scaled(reader, item, "rate", 1e-6, 0);
    }
    for (uint32_t c = 0; c < catalog->client_count; c++)
        sum += rates[c];
    service->rates = rates;
    if (reader->document->nodes[map].is_bad)
        return;
    if (has(reader, map, "demand") == (count > 0))
        complain(reader, map, "expected either demand (of all clients) or demands (of each)");
    else if (sum <= 0)
        complain(reader, map, "demand: expected more than 0");
}

static void read_residency(struct reader *reader, uint32_t map, struct plan_wish_service *service)
{
    const struct catalog *catalog = reader->catalog;
    uint32_t *residency = take(reader, catalog->client_count, sizeof *residency);
    uint32_t count, everywhere = zones_of(reader, map, "residency");
    uint32_t item = items_of(reader, map, "clients", &count);
    if (!residency)
        return;
    for (uint32_t c = 0; c < catalog->client_count; c++)
        residency[c] = everywhere;
    for (; item != FLEET_NODE_NONE; item = next_item(reader, item)) {
        uint32_t zone = refer_child(reader, &reader->zones, item, "zone");
        uint32_t zones = zones_of(reader, item, "residency");
        for (uint32_t c = 0; c < catalog->client_count; c++)
            if (reader->wish->client_zones[c] == zone)
                residency[c] &= zones;
    }
    service->residency = residency;
}

static void read_promise(struct reader *reader, uint32_t map, struct plan_wish_service *service)
{
    uint32_t slo = child_of(reader, map, "slo");
    service->ttft_ms = service->tpot_ms = INFINITY;
    service->percentile = 1;
    service->wait_ms = 100;
    if (slo == FLEET_NODE_NONE || reader->document->nodes[slo].kind != FLEET_NODE_MAP)
        return;
    service->ttft_ms = scaled(reader, slo, "ttft", 1e-3, INFINITY);
    service->tpot_ms = scaled(reader, slo, "tpot", 1e-3, INFINITY);
    service->percentile = scaled(reader, slo, "percentile", 1e-6, 1);
    service->wait_ms = scaled(reader, slo, "wait", 1e-3, 0);
    if (service->percentile < 1 && isinf(service->ttft_ms))
        complain(reader, slo, "percentile: expected ttft beside it");
    if (service->wait_ms >= service->ttft_ms)
        complain(reader, slo, "wait: expected less than ttft");
    if (isfinite(service->tpot_ms) && service->speed_count > 0)
        complain(reader, slo, "tpot: expected a model; speeds given outright say no time a token");
}

/* Rules between the keys of one service. */
static void check_service(struct reader *reader, uint32_t map,
                          const struct plan_wish_service *service)
{
    uint32_t pairs = 0, buckets;
    (void)items_of(reader, map, "requests", &buckets);
    if (reader->document->nodes[map].is_bad || !service->rates)
        return;
    for (uint32_t c = 0; c < reader->catalog->client_count; c++)
        pairs += service->rates[c] > 0 ? service->bucket_count : 0;
    bool has_model = service->model != CATALOG_NONE, has_speeds = service->speed_count > 0;
    if (has_model == has_speeds)
        complain(reader, map, "expected either model (of the catalogue) or speeds (given here)");
    else if (has_model && buckets == 0)
        complain(reader, map, "expected requests (- prompt: tokens): a model's speed is theirs");
    else if (pairs > PAIRS_MAX)
        complain(reader, map,
                 "expected at most %d pairs of a group of clients and a size of requests, found %u",
                 PAIRS_MAX, pairs);
    for (uint32_t s = 0; s < reader->services.count; s++)
        if (span_is_equal(reader->services.name[s], service->name))
            complain(reader, map, "name: expected once, found again: %.*s",
                     SPAN_ARG(service->name));
}

static void read_service(struct reader *reader, uint32_t plan, uint32_t map,
                         struct plan_wish_service *service)
{
    uint32_t name = child_of(reader, map, "name");
    if (name != FLEET_NODE_NONE)
        service->name = reader->document->nodes[name].text;
    service->model = index16(refer_child(reader, &reader->models, map, "model"));
    service->tensor_parallel = count_at(reader, map, "tensor_parallel");
    read_buckets(reader, map, service);
    read_speeds(reader, map, service);
    read_rates(reader, plan, map, service);
    read_residency(reader, map, service);
    read_promise(reader, map, service);
    service->load = scaled(reader, map, "load", 1e-6, 0);
    service->bytes = scaled(reader, map, "bytes", 1, 0);
    service->open_usd_h = scaled(reader, map, "open", 1e-6, 0);
    service->unmet_usd = scaled(reader, map, "unmet", 1e-6, INFINITY);
    service->spread = scaled(reader, map, "spread", 1e-6, 1);
    service->spot = scaled(reader, map, "spot", 1e-6, 1);
    service->spot_spread = scaled(reader, map, "spot_spread", 1e-6, 1);
    service->replicas_min = count_at(reader, map, "replicas_min");
    service->site_replicas_min = count_at(reader, map, "site_replicas_min");
    service->regions_min = count_at(reader, map, "regions_min");
    check_service(reader, map, service);
    reader->services.name[reader->services.count++] = service->name;
}

static void read_services(struct reader *reader, uint32_t plan)
{
    struct plan_wish *wish = reader->wish;
    uint32_t item = items_of(reader, plan, "services", &wish->service_count), held_count;
    uint32_t held = items_of(reader, plan, "hold", &held_count);
    struct plan_wish_service *services = take(reader, wish->service_count, sizeof *services);
    reader->services = (struct names){"service of the plan",
                                      take(reader, wish->service_count, sizeof(struct span)), 0};
    wish->services = services;
    if (reader->arena->is_overflown)
        return;
    if (item == FLEET_NODE_NONE && has(reader, plan, "services"))
        complain(reader, child_of(reader, plan, "services"), "services: expected at least one");
    for (uint32_t s = 0; item != FLEET_NODE_NONE; item = next_item(reader, item), s++)
        read_service(reader, plan, item, &services[s]);
    for (; held != FLEET_NODE_NONE; held = next_item(reader, held)) {
        uint32_t s = refer(reader, &reader->services, held);
        if (s != PLAN_NONE)
            services[s].is_held = true;
    }
}

/* Rules ------------------------------------------------------------------------------------ */

static struct plan_wish_stock *read_stocks(struct reader *reader, uint32_t plan, const char *key,
                                           uint32_t *ret_count)
{
    uint32_t item = items_of(reader, plan, key, ret_count);
    bool is_reserved = strcmp(key, "reserved") == 0;
    struct plan_wish_stock *stocks = take(reader, *ret_count, sizeof *stocks);
    for (uint32_t i = 0; stocks && item != FLEET_NODE_NONE; item = next_item(reader, item), i++) {
        stocks[i] = (struct plan_wish_stock){
            .region = index16(refer_child(reader, &reader->regions, item, "region")),
            .sku = index16(refer_child(reader, &reader->skus, item, "sku")),
            .market = is_reserved
                          ? PLAN_RESERVED
                          : (enum plan_market)fleet_node_number(reader->document, item, "market"),
            .count = count_at(reader, item, "count")};
        uint16_t region = stocks[i].region;
        if (is_reserved && region != CATALOG_NONE && !reader->wish->is_wanted[region])
            complain(reader, item, "region: expected one that regions, zones and providers leave");
    }
    return stocks;
}

static struct plan_wish_choice *read_choices(struct reader *reader, uint32_t plan, const char *key,
                                             uint32_t *ret_count)
{
    uint32_t item = items_of(reader, plan, key, ret_count);
    bool is_pin = strcmp(key, "pins") == 0;
    struct plan_wish_choice *choices = take(reader, *ret_count, sizeof *choices);
    for (uint32_t i = 0; choices && item != FLEET_NODE_NONE; item = next_item(reader, item), i++) {
        choices[i] = (struct plan_wish_choice){
            .service = refer_child(reader, &reader->services, item, "service"),
            .place = refer_child(reader, &reader->places, item, "region"),
            .sku = index16(refer_child(reader, &reader->skus, item, "sku")),
            .market = PLAN_ANY_MARKET,
            .said = fleet_node_place(reader->document, item)};
        if (is_pin || has(reader, item, "market"))
            choices[i].market = count_at(reader, item, "market");
        if (is_pin)
            choices[i].count = count_at(reader, item, "count");
        else if (reader->document->nodes[item].child_count == 0)
            complain(reader, item, "expected at least one of service, region, sku, market");
    }
    return choices;
}

static void read_markets(struct reader *reader, uint32_t plan)
{
    static const struct span words[] = {{"on_demand", 9}, {"spot", 4}};
    struct span copies[COUNT_OF(words)];
    memcpy(copies, words, sizeof words);
    struct names names = {"market (on_demand, spot)", copies, COUNT_OF(words)};
    uint32_t count;
    uint32_t item = items_of(reader, plan, "markets", &count);
    bool *has_market = reader->wish->has_market;
    has_market[PLAN_RESERVED] = has_market[PLAN_OWN] = true;
    has_market[PLAN_ON_DEMAND] = !has(reader, plan, "markets");
    for (; item != FLEET_NODE_NONE; item = next_item(reader, item)) {
        uint32_t market = refer(reader, &names, item);
        if (market != PLAN_NONE)
            has_market[market] = true;
    }
}

/* A typical day: busiest at 15:00, quietest at 03:00, a cosine between. */
static void fill_curve(double low, double factors[CATALOG_HOURS])
{
    static const double by_hour[] = {0,       0.01704, 0.06699, 0.14645, 0.25,    0.37059, 0.5,
                                     0.62941, 0.75,    0.85355, 0.93301, 0.98296, 1}; /* from 3 */
    for (uint32_t h = 0; h < CATALOG_HOURS; h++) {
        uint32_t from_low = (h + CATALOG_HOURS - 3) % CATALOG_HOURS;
        uint32_t at = from_low <= 12 ? from_low : CATALOG_HOURS - from_low;
        factors[h] = low + (1 - low) * by_hour[at];
    }
}

static void read_factors(struct reader *reader, uint32_t map, struct plan_wish_day *day)
{
    uint32_t count, h = 0;
    uint32_t item = items_of(reader, map, "factors", &count);
    day->is_estimate = item == FLEET_NODE_NONE;
    if (day->is_estimate)
        fill_curve(scaled(reader, map, "low", 1e-6, 1), day->factors);
    if (count > 0 && count != CATALOG_HOURS)
        complain(reader, item, "factors: expected %d, one an hour, found %u", CATALOG_HOURS, count);
    for (; item != FLEET_NODE_NONE && h < CATALOG_HOURS; item = next_item(reader, item)) {
        const struct fleet_node *node = &reader->document->nodes[item];
        int64_t ppm = 0;
        if (!node->is_bad &&
            (!units_decimal(node->text, 1000000, &ppm) || ppm < 10000 || ppm > 100000000))
            complain(reader, item, "factors: expected numbers from 0.01 to 100, found %.*s",
                     SPAN_ARG(node->text));
        day->factors[h++] = (double)ppm / 1e6;
    }
}

static void read_day(struct reader *reader, uint32_t plan)
{
    struct plan_wish_day *day = &reader->wish->day;
    uint32_t map = child_of(reader, plan, "day");
    if (map == FLEET_NODE_NONE || reader->document->nodes[map].kind != FLEET_NODE_MAP)
        return;
    day->slot_count = count_at(reader, map, "slots");
    if (day->slot_count == 0 || CATALOG_HOURS % day->slot_count != 0)
        complain(reader, map, "slots: expected 1, 2, 3, 4, 6, 8, 12 or 24, found %u",
                 day->slot_count);
    day->is_local = fleet_node_number(reader->document, map, "clock") == 0;
    day->ramp_replicas =
        has(reader, map, "ramp_replicas") ? count_at(reader, map, "ramp_replicas") : 0;
    day->ramp = scaled(reader, map, "ramp", 1e-6, day->ramp_replicas > 0 ? 0 : INFINITY);
    read_factors(reader, map, day);
}

static void read_rules(struct reader *reader, uint32_t plan)
{
    struct plan_wish *wish = reader->wish;
    wish->lose = (enum plan_lose)fleet_node_number(reader->document, plan, "lose");
    wish->load_lost = scaled(reader, plan, "load_lost", 1e-6, 1);
    wish->budget_usd_h = scaled(reader, plan, "budget", 1e-6, INFINITY);
    wish->carbon_usd_kg = scaled(reader, plan, "carbon_price", 1e-6, 0);
    wish->carbon_max_kg_h = scaled(reader, plan, "carbon_max", 1e-3, INFINITY);
    wish->power_max_w = scaled(reader, plan, "power_max", 1e-3, INFINITY);
    wish->cold_start_h = scaled(reader, plan, "cold_start", 1e-6 / 3600, 0);
    wish->moves_over_h = 24;
    uint32_t moves = child_of(reader, plan, "moves");
    if (moves != FLEET_NODE_NONE && reader->document->nodes[moves].kind == FLEET_NODE_MAP) {
        wish->start_usd = scaled(reader, moves, "start", 1e-6, 0);
        wish->stop_usd = scaled(reader, moves, "stop", 1e-6, 0);
        wish->moves_over_h = scaled(reader, moves, "over", 1e-6 / 3600, 24);
    }
    read_day(reader, plan);
    read_markets(reader, plan);
    wish->stocks = read_stocks(reader, plan, "stock", &wish->stock_count);
    wish->reserved = read_stocks(reader, plan, "reserved", &wish->reserved_count);
    wish->pins = read_choices(reader, plan, "pins", &wish->pin_count);
    wish->forbidden = read_choices(reader, plan, "forbid", &wish->forbidden_count);
}

enum err plan_wish_read(struct fleet_document *document, const struct catalog *catalog,
                        struct arena *arena, struct fleet_complaints *complaints,
                        const struct plan_wish **ret_wish)
{
    uint32_t plan = fleet_node_child(document, 0, "plan");
    CHECK(plan != FLEET_NODE_NONE && document->nodes[plan].kind == FLEET_NODE_MAP);
    struct plan_wish *wish = ARENA_NEW(arena, struct plan_wish);
    struct reader reader = {.document = document,
                            .arena = arena,
                            .complaints = complaints,
                            .catalog = catalog,
                            .wish = wish};
    if (!wish || !collect_names(&reader))
        return ERR_MEMORY;
    if (reader.zones.count > LIMIT_ZONES) {
        complain(&reader, plan, "expected a catalogue of at most %d zones, found %u", LIMIT_ZONES,
                 reader.zones.count);
        return ERR_SYNTAX;
    }
    wish->catalog = catalog;
    wish->world = fleet_node_text(document, 0, "world");
    memcpy(wish->zones, reader.zones.name, reader.zones.count * sizeof(struct span));
    wish->zone_count = reader.zones.count;
    read_places(&reader, plan);
    if (arena->is_overflown)
        return ERR_MEMORY;
    wish->is_sku_wanted = marks_of(&reader, plan, "skus", &reader.skus);
    read_services(&reader, plan);
    if (arena->is_overflown)
        return ERR_MEMORY;
    read_rules(&reader, plan);
    if (arena->is_overflown)
        return ERR_MEMORY;
    if (complaints->count > 0)
        return ERR_SYNTAX;
    *ret_wish = wish;
    return ERR_OK;
}
