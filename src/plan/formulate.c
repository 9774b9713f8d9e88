#include "plan/formulate.h"

#include <math.h>

#include "base/check.h"
#include "plan/formulate_build.h"

#define GIB             1073741824.0
#define LATE_HARD       0.01
#define LATE_UNPROMISED 0.05
#define BYTES_A_TOKEN   250.0 /* of an answer, streamed as events of JSON */

enum { WORDS = PLAN_DEMANDS_MAX / 64, SAID_MAX = 12 };

/* Which demands of its service a column may answer. */
struct reach {
    uint64_t demands[WORDS];
};

struct candidate { /* a column of one place before nodes are made */
    const struct plan_offer *offer;
    uint32_t speed;
    struct reach reach;
    uint32_t group;
};

/* Scratch of one service. */
struct work {
    struct plan_builder *builder;
    const struct plan_wish_service *wish;
    uint32_t s;
    uint32_t demand_first, demand_count;
    double works[PLAN_BUCKETS_MAX];
    double *loads;                /* of each of its speeds */
    struct candidate *candidates; /* of one place */
    struct reach *reaches;        /* of each node of all services */
};

/* Reach ------------------------------------------------------------------------------------ */

static double latency_ms(const struct work *work, uint32_t place, uint32_t client,
                         const struct plan_speed *speed, uint32_t bucket)
{
    const struct plan_wish *wish = work->builder->wish;
    const struct catalog_link *link = catalog_link(
        wish->catalog, wish->catalog->clients[client].region, plan_wish_region(wish, place));
    double margin = work->wish->percentile < 1 ? 0 : link->margin_ms;
    return link->rtt_ms + margin + work->wish->wait_ms + speed->first_ms[bucket];
}

/* May <speed> in <place> answer demand <d> of the service, in time or at all? */
static bool can_answer(const struct work *work, uint32_t place, uint32_t speed, uint32_t d,
                       bool in_time)
{
    const struct plan_wish *wish = work->builder->wish;
    const struct plan_demand_origin *origin =
        &work->builder->demand_origins[work->demand_first + d];
    const struct plan_speed *own = &work->builder->speeds[speed];
    uint32_t zone = wish->place_zones[place];
    return own->rates[origin->bucket] > 0 && (work->wish->residency[origin->client] >> zone & 1) &&
           (!in_time ||
            latency_ms(work, place, origin->client, own, origin->bucket) <= work->wish->ttft_ms);
}

static bool has_bit(const struct reach *reach, uint32_t d)
{
    return reach->demands[d / 64] >> (d % 64) & 1;
}

/* The offer's ways, one candidate each, with the demands that each may answer. */
static uint32_t list_candidates(const struct work *work, const struct plan_offer *offer,
                                struct candidate *ret)
{
    const struct plan_builder *builder = work->builder;
    const struct plan_service_origin *origin = &builder->service_origins[work->s];
    uint32_t count = 0;
    if (plan_builder_forbids(builder->wish, work->s, offer))
        return 0;
    for (uint32_t k = origin->speed_first; k < origin->speed_first + origin->speed_count; k++) {
        if (builder->speeds[k].sku != offer->sku || builder->speeds[k].machines > offer->stock)
            continue;
        ret[count] = (struct candidate){.offer = offer, .speed = k};
        for (uint32_t d = 0; d < work->demand_count; d++)
            if (can_answer(work, offer->place, k, d,
                           !builder->demand_origins[work->demand_first + d].may_miss))
                ret[count].reach.demands[d / 64] |= UINT64_C(1) << (d % 64);
        count++;
    }
    return count;
}

/* After the loss of anything that may be lost, is there still a place for demand <d>? */
static bool is_safe(const struct work *work, uint32_t d, bool in_time)
{
    const struct plan_builder *builder = work->builder;
    const struct plan_wish *wish = builder->wish;
    const struct plan_service_origin *origin = &builder->service_origins[work->s];
    bool needs_place = wish->lose == PLAN_LOSE_REGION || wish->lose == PLAN_LOSE_BOTH;
    bool needs_provider = wish->lose == PLAN_LOSE_PROVIDER || wish->lose == PLAN_LOSE_BOTH;
    uint32_t first = PLAN_NONE;
    for (uint32_t i = 0; i < builder->offer_count; i++) {
        const struct plan_offer *offer = &builder->offers[i];
        uint32_t k = origin->speed_first, end = k + origin->speed_count;
        while (k < end && (builder->speeds[k].sku != offer->sku ||
                           builder->speeds[k].machines > offer->stock ||
                           !can_answer(work, offer->place, k, d, in_time)))
            k++;
        if (k == end || plan_builder_forbids(wish, work->s, offer))
            continue;
        if (first == PLAN_NONE)
            first = offer->place;
        needs_place = needs_place && offer->place == first;
        needs_provider = needs_provider && span_is_equal(plan_builder_provider(wish, offer->place),
                                                         plan_builder_provider(wish, first));
        if (!needs_place && !needs_provider)
            return true;
    }
    return false;
}

/* The soonest answer that any place allowed could give demand <d>. */
static double soonest_ms(const struct work *work, uint32_t d, uint32_t *ret_place)
{
    const struct plan_builder *builder = work->builder;
    const struct plan_demand_origin *demand = &builder->demand_origins[work->demand_first + d];
    const struct plan_service_origin *origin = &builder->service_origins[work->s];
    double best = INFINITY;
    for (uint32_t i = 0; i < builder->offer_count; i++)
        for (uint32_t k = origin->speed_first; k < origin->speed_first + origin->speed_count; k++) {
            const struct plan_offer *offer = &builder->offers[i];
            if (builder->speeds[k].sku != offer->sku ||
                !can_answer(work, offer->place, k, d, false) ||
                plan_builder_forbids(builder->wish, work->s, offer))
                continue;
            double ms =
                latency_ms(work, offer->place, demand->client, &builder->speeds[k], demand->bucket);
            if (ms < best) {
                best = ms;
                *ret_place = offer->place;
            }
        }
    return best;
}

/* One line on why demand <d> cannot be answered as promised. */
static void say_unsafe(const struct work *work, uint32_t d, uint32_t said)
{
    static const char *const losses[] = {"", " after the loss of a region",
                                         " after the loss of a provider",
                                         " after the loss of a region or a provider"};
    const struct plan_builder *builder = work->builder;
    const struct plan_wish *wish = builder->wish;
    const struct plan_demand_origin *demand = &builder->demand_origins[work->demand_first + d];
    uint32_t place = 0;
    double ms = soonest_ms(work, d, &place);
    if (said == SAID_MAX)
        text_add(builder->why, "\n  ...");
    if (said >= SAID_MAX)
        return;
    struct span client = wish->catalog->clients[demand->client].name;
    text_add(builder->why, "\n  %.*s: clients of %.*s", SPAN_ARG(work->wish->name),
             SPAN_ARG(client));
    if (work->wish->bucket_count > 1)
        text_add(builder->why, ", prompts to %u tokens",
                 work->wish->buckets[demand->bucket].prompt);
    struct span name = plan_wish_place_name(wish, place);
    if (isinf(ms))
        text_add(builder->why, ": no region that may compute it has a machine that can");
    else if (ms > work->wish->ttft_ms)
        text_add(builder->why, ": %.0f ms at best (%.*s), promised %.0f ms", ms, SPAN_ARG(name),
                 work->wish->ttft_ms);
    else
        text_add(builder->why, ": in time at %.*s, but nowhere%s", SPAN_ARG(name),
                 losses[wish->lose]);
}

/* Demands ---------------------------------------------------------------------------------- */

static void list_demands(struct work *work)
{
    struct plan_builder *builder = work->builder;
    for (uint32_t c = 0; c < builder->wish->catalog->client_count; c++)
        for (uint32_t b = 0; work->wish->rates[c] > 0 && b < work->wish->bucket_count; b++) {
            CHECK(work->demand_count < PLAN_DEMANDS_MAX);
            builder->demand_origins[work->demand_first + work->demand_count++] =
                (struct plan_demand_origin){.client = c, .bucket = b};
        }
}

/* Which demands may miss the promise, and what is left for waiting. */
static enum err settle_promise(struct work *work)
{
    struct plan_builder *builder = work->builder;
    const struct plan_wish_service *wish = work->wish;
    struct plan_service_origin *origin = &builder->service_origins[work->s];
    size_t before = builder->why->n;
    uint32_t said = 0, lost = 0;
    double all = 0;
    bool is_soft = wish->unmet_usd < INFINITY;
    for (uint32_t d = 0; d < work->demand_count; d++) {
        struct plan_demand_origin *demand = &builder->demand_origins[work->demand_first + d];
        double rate = wish->rates[demand->client] * wish->buckets[demand->bucket].share;
        all += rate;
        if (is_safe(work, d, true))
            continue;
        say_unsafe(work, d, said++);
        origin->missed += rate;
        demand->may_miss = wish->percentile < 1;
        lost += !is_soft && (!demand->may_miss || !is_safe(work, d, false));
    }
    origin->missed /= all;
    bool is_broken = wish->percentile < 1 && origin->missed > 1 - wish->percentile + 1e-12;
    if (lost > 0 || (is_broken && !is_soft)) {
        if (is_broken)
            text_add(builder->why, "\n  %.*s: together %.2f %% of its requests; %.2f %% may miss",
                     SPAN_ARG(wish->name), 100 * origin->missed, 100 * (1 - wish->percentile));
        return ERR_VALUE;
    }
    text_truncate(builder->why, before);
    if (wish->percentile < 1)
        origin->late_max = 1 - wish->percentile / (1 - origin->missed);
    else
        origin->late_max = isinf(wish->ttft_ms) ? LATE_UNPROMISED : LATE_HARD;
    return ERR_OK;
}

/* Loads and work --------------------------------------------------------------------------- */

/* The sizes that <speed> answers anywhere. */
static uint32_t buckets_of(const struct work *work, uint32_t speed)
{
    const struct plan_builder *builder = work->builder;
    uint32_t set = 0;
    for (uint32_t d = 0; d < work->demand_count; d++) {
        const struct plan_demand_origin *demand = &builder->demand_origins[work->demand_first + d];
        uint32_t bit = 1U << demand->bucket;
        for (uint32_t i = 0; i < builder->offer_count && !(set & bit); i++)
            if (builder->offers[i].sku == builder->speeds[speed].sku &&
                can_answer(work, builder->offers[i].place, speed, d, !demand->may_miss))
                set |= bit;
    }
    return set;
}

/* The load of each way; the service's share is the highest, and the others' speeds are lowered by
 * what they lack. */
static bool set_loads(struct work *work)
{
    struct plan_builder *builder = work->builder;
    const struct plan_service_origin *origin = &builder->service_origins[work->s];
    double most = 0;
    work->loads = ARENA_ARRAY(builder->arena, double, origin->speed_count + 1);
    for (uint32_t i = 0; work->loads && i < origin->speed_count; i++) {
        uint32_t k = origin->speed_first + i;
        work->loads[i] =
            plan_speed_load(&builder->speeds[k], work->wish, buckets_of(work, k), origin->late_max);
        most = work->loads[i] > most ? work->loads[i] : most;
    }
    struct plan_service *service = &builder->services[work->s];
    service->share_ppm = (uint32_t)(1e6 * most + 0.5);
    service->share_ppm = service->share_ppm < 1 ? 1 : service->share_ppm;
    service->share_lost_ppm = (uint32_t)(1e6 * builder->wish->load_lost + 0.5);
    if (service->share_lost_ppm < service->share_ppm)
        service->share_lost_ppm = service->share_ppm;
    return work->loads != NULL;
}

/* Units of work of a request of each size, by the way that does most of the sizes. */
static void set_works(struct work *work)
{
    struct plan_builder *builder = work->builder;
    const struct plan_service_origin *origin = &builder->service_origins[work->s];
    const struct plan_speed *speeds = builder->speeds + origin->speed_first;
    double best_share = 0, best_rate = 0;
    uint32_t best = 0;
    for (uint32_t i = 0; i < origin->speed_count; i++) {
        double share = 0,
               rate = work->loads[i] * plan_speed_mixed(&speeds[i], work->wish, UINT32_MAX);
        for (uint32_t b = 0; b < work->wish->bucket_count; b++)
            share += speeds[i].rates[b] > 0 ? work->wish->buckets[b].share : 0;
        if (share > best_share + 1e-9 || (share > best_share - 1e-9 && rate > best_rate)) {
            best = i;
            best_share = share;
            best_rate = rate;
        }
    }
    double mixed =
        origin->speed_count ? plan_speed_mixed(&speeds[best], work->wish, UINT32_MAX) : 0;
    for (uint32_t b = 0; b < work->wish->bucket_count; b++) {
        bool is_known = mixed > 0 && speeds[best].rates[b] > 0;
        work->works[b] = is_known ? mixed / speeds[best].rates[b] : 1;
    }
}

/* Nodes and columns ------------------------------------------------------------------------ */

static uint32_t buckets_reached(const struct work *work, const struct reach *reach)
{
    uint32_t set = 0;
    for (uint32_t d = 0; d < work->demand_count; d++)
        if (has_bit(reach, d))
            set |= 1U << work->builder->demand_origins[work->demand_first + d].bucket;
    return set;
}

/* Share of the time that a spot machine is there to answer. */
static double availability(const struct plan_wish *wish, const struct plan_offer *offer)
{
    if (offer->market != PLAN_SPOT)
        return 1;
    const struct catalog_sku *sku = &wish->catalog->skus[offer->sku];
    const struct catalog_spot *spot =
        catalog_find_spot(wish->catalog, sku->provider, sku->accelerator);
    return spot ? spot->up_h / (spot->up_h + spot->down_h + wish->cold_start_h) : 0.5;
}

static double mean_of(const double hours[CATALOG_HOURS])
{
    double sum = 0;
    for (uint32_t h = 0; h < CATALOG_HOURS; h++)
        sum += hours[h];
    return sum / CATALOG_HOURS;
}

static void price(const struct work *work, const struct plan_offer *offer,
                  const struct plan_speed *speed, struct plan_column *column,
                  struct plan_column_origin *origin)
{
    const struct plan_wish *wish = work->builder->wish;
    const struct catalog *catalog = wish->catalog;
    const struct catalog_region *region = &catalog->regions[plan_wish_region(wish, offer->place)];
    const struct catalog_grid *grid = &catalog->grids[region->grid];
    const struct catalog_sku *sku = &catalog->skus[offer->sku];
    double load = work->builder->services[work->s].share_ppm / 1e6;
    double kw = region->pue * (sku->idle_w + (sku->peak_w - sku->idle_w) * load) / 1000;
    origin->watts = 1000 * kw * speed->machines;
    origin->usd_h = offer->usd_h * speed->machines;
    if (offer->market == PLAN_OWN)
        origin->usd_h = kw * speed->machines * mean_of(grid->usd_per_mwh) / 1000;
    if (origin->usd_h < 0) /* a grid's mean price may be below 0 */
        origin->usd_h = 0;
    column->kg_co2_h = kw * speed->machines * mean_of(grid->g_per_kwh) / 1000;
    origin->usd_carbon = column->kg_co2_h * wish->carbon_usd_kg;
    column->cost_usd_h = origin->usd_h + origin->usd_carbon;
    if (work->builder->running) {
        column->start_usd_h = wish->start_usd / wish->moves_over_h;
        column->stop_usd_h = wish->stop_usd / wish->moves_over_h;
    }
}

/* Millionths, rounded down, or up; a thousandth of one is what computing may have lost. */
static int64_t to_micro(double rate, bool is_up)
{
    const double most = (double)PLAN_RATE_MAX / 1024, lost = 1e-3;
    double micro = 1e6 * rate < most ? 1e6 * rate : most;
    return is_up ? (int64_t)(micro + 1 - lost) : (int64_t)(micro + lost);
}

/* The column of a candidate, unless it would not answer anything. */
static void add_column(struct work *work, uint32_t node, const struct candidate *from)
{
    struct plan_builder *builder = work->builder;
    const struct plan_speed *speed = &builder->speeds[from->speed];
    const struct plan_offer *offer = from->offer;
    uint32_t set = buckets_reached(work, &from->reach);
    double rate = INFINITY;
    for (uint32_t b = 0; b < work->wish->bucket_count; b++)
        if (set >> b & 1 && work->works[b] * speed->rates[b] < rate)
            rate = work->works[b] * speed->rates[b];
    uint32_t first = builder->service_origins[work->s].speed_first;
    double share = builder->services[work->s].share_ppm / 1e6;
    rate *= work->loads[from->speed - first] / share * availability(builder->wish, offer);
    int64_t micro = isinf(rate) ? 0 : to_micro(rate, false);
    if (micro < 1)
        return;
    uint32_t c = builder->problem->column_count++;
    CHECK(c < builder->column_max);
    uint32_t count_max = offer->stock / speed->machines;
    builder->columns[c] =
        (struct plan_column){.node = node,
                             .sku = offer->sku,
                             .market = (uint8_t)offer->market,
                             .speed = micro,
                             .count_max = count_max < PLAN_COUNT_MAX ? count_max : PLAN_COUNT_MAX};
    builder->column_origins[c] = (struct plan_column_origin){.place = offer->place,
                                                             .speed = (uint16_t)from->speed,
                                                             .stock = count_max,
                                                             .is_estimate = offer->is_estimate};
    price(work, offer, speed, &builder->columns[c], &builder->column_origins[c]);
}

/* Traffic out of the place for one unit of work, in USD. */
static double egress_usd(const struct work *work, uint32_t place, uint32_t set)
{
    const struct plan_wish *wish = work->builder->wish;
    double bytes = 0, units = 0;
    for (uint32_t b = 0; b < work->wish->bucket_count; b++) {
        const struct plan_bucket *bucket = &work->wish->buckets[b];
        double own = work->wish->bytes > 0 ? work->wish->bytes : BYTES_A_TOKEN * bucket->answer;
        if (!(set >> b & 1))
            continue;
        bytes += bucket->share * own;
        units += bucket->share * work->works[b];
    }
    bool is_own = place >= wish->catalog->region_count; /* an uplink of one's own is paid */
    double usd_gib = wish->catalog->regions[plan_wish_region(wish, place)].egress_usd_gib;
    return is_own || units <= 0 ? 0 : bytes / units / GIB * usd_gib;
}

/* Candidates of one place, those of one reach together: its nodes. */
static void add_nodes(struct work *work, uint32_t place, uint32_t count)
{
    struct plan_builder *builder = work->builder;
    struct candidate *candidates = work->candidates;
    uint32_t groups = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = 0;
        while (memcmp(&candidates[j].reach, &candidates[i].reach, sizeof(struct reach)) != 0)
            j++;
        candidates[i].group = j == i ? groups++ : candidates[j].group;
    }
    for (uint32_t g = 0; g < groups; g++) {
        uint32_t v = builder->problem->node_count;
        uint32_t column_first = builder->problem->column_count, set = 0;
        struct reach group_reach = {0};
        for (uint32_t i = 0; i < count; i++)
            if (candidates[i].group == g) {
                group_reach = candidates[i].reach;
                set = buckets_reached(work, &candidates[i].reach);
                add_column(work, v, &candidates[i]);
            }
        if (builder->problem->column_count == column_first)
            continue;
        builder->problem->node_count++;
        work->reaches[v] = group_reach;
        builder->nodes[v] =
            (struct plan_node){.service = work->s,
                               .region = place,
                               .column_first = column_first,
                               .column_count = builder->problem->column_count - column_first,
                               .replicas_min = work->wish->site_replicas_min,
                               .open_usd_h = work->wish->open_usd_h,
                               .egress_usd = egress_usd(work, place, set)};
    }
}

static void make_columns(struct work *work)
{
    const struct plan_builder *builder = work->builder;
    for (uint32_t i = 0; i < builder->offer_count;) {
        uint32_t place = builder->offers[i].place, count = 0;
        for (; i < builder->offer_count && builder->offers[i].place == place; i++)
            count += list_candidates(work, &builder->offers[i], work->candidates + count);
        add_nodes(work, place, count);
    }
}

/* The worst that a node's machines would do. */
static float node_latency_ms(const struct work *work, const struct plan_node *node,
                             const struct plan_demand_origin *demand)
{
    const struct plan_builder *builder = work->builder;
    double worst = 0;
    for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++) {
        const struct plan_speed *speed = &builder->speeds[builder->column_origins[c].speed];
        double ms = latency_ms(work, node->region, demand->client, speed, demand->bucket);
        worst = ms > worst ? ms : worst;
    }
    return (float)worst;
}

/* Demands with their rates and nodes. */
static bool make_demands(struct work *work, uint32_t node_first)
{
    struct plan_builder *builder = work->builder;
    uint32_t node_end = builder->problem->node_count;
    for (uint32_t d = 0; d < work->demand_count; d++) {
        struct plan_demand_origin *origin = &builder->demand_origins[work->demand_first + d];
        uint32_t *nodes = ARENA_ARRAY(builder->arena, uint32_t, node_end - node_first + 1);
        float *latencies = ARENA_ARRAY(builder->arena, float, node_end - node_first + 1);
        uint32_t count = 0;
        if (!nodes || !latencies)
            return false;
        for (uint32_t v = node_first; v < node_end; v++)
            if (has_bit(&work->reaches[v], d)) {
                nodes[count] = v;
                latencies[count++] = node_latency_ms(work, &builder->nodes[v], origin);
            }
        origin->work = work->works[origin->bucket];
        double rate = work->wish->rates[origin->client] *
                      work->wish->buckets[origin->bucket].share * origin->work;
        builder->demands[work->demand_first + d] =
            (struct plan_demand){.service = work->s,
                                 .zone = (uint16_t)origin->client,
                                 .rate = to_micro(rate, true),
                                 .unmet_usd = work->wish->unmet_usd / origin->work,
                                 .nodes = nodes,
                                 .latencies_ms = latencies,
                                 .node_count = count};
    }
    return true;
}

static enum err make_service(struct plan_builder *builder, uint32_t s, struct candidate *candidates,
                             struct reach *reaches)
{
    struct plan_problem *problem = builder->problem;
    struct work work = {.builder = builder,
                        .wish = &builder->wish->services[s],
                        .s = s,
                        .demand_first = problem->demand_count,
                        .candidates = candidates,
                        .reaches = reaches};
    uint32_t node_first = problem->node_count, column_first = problem->column_count;
    list_demands(&work);
    enum err err = settle_promise(&work);
    if (err)
        return err;
    if (!set_loads(&work))
        return ERR_MEMORY;
    set_works(&work);
    make_columns(&work);
    if (!make_demands(&work, node_first))
        return ERR_MEMORY;
    problem->demand_count += work.demand_count;
    struct plan_service *service = &builder->services[s];
    service->name = work.wish->name;
    service->node_first = node_first;
    service->node_count = problem->node_count - node_first;
    service->column_first = column_first;
    service->column_count = problem->column_count - column_first;
    service->demand_first = work.demand_first;
    service->demand_count = work.demand_count;
    if (service->node_count <= PLAN_NODES_MAX)
        return ERR_OK;
    text_add(builder->why,
             "%.*s: expected at most %d pairs of a region and a reach of clients, found %u: name "
             "fewer regions or skus",
             SPAN_ARG(service->name), PLAN_NODES_MAX, service->node_count);
    return ERR_UNSUPPORTED;
}

static enum err make_services(struct plan_builder *builder)
{
    uint32_t longest = 0;
    for (uint32_t i = 0, run = 0; i < builder->offer_count; i++) {
        bool is_next = i > 0 && builder->offers[i].place == builder->offers[i - 1].place;
        run = is_next ? run + 1 : 1;
        longest = run > longest ? run : longest;
    }
    struct candidate *candidates =
        ARENA_ARRAY(builder->arena, struct candidate, (size_t)longest * PLAN_SPEEDS_MAX + 1);
    struct reach *reaches = ARENA_ARRAY(builder->arena, struct reach, builder->column_max + 1);
    if (!candidates || !reaches)
        return ERR_MEMORY;
    enum err worst = ERR_OK; /* what is wrong with each service is said at once */
    for (uint32_t s = 0; s < builder->wish->service_count; s++) {
        enum err err = make_service(builder, s, candidates, reaches);
        if (err && err != ERR_VALUE)
            return err;
        worst = err ? err : worst;
    }
    return worst;
}

/* Regions and failures --------------------------------------------------------------------- */

/* Only the places that have a node become regions of the problem. */
static bool make_regions(struct plan_builder *builder)
{
    const struct plan_wish *wish = builder->wish;
    struct plan_problem *problem = builder->problem;
    uint32_t place_count = plan_wish_place_count(wish), provider_count = 0;
    uint32_t *numbers = ARENA_ARRAY(builder->arena, uint32_t, place_count + 1);
    uint32_t *places = ARENA_ARRAY(builder->arena, uint32_t, place_count + 1);
    struct span *providers = ARENA_ARRAY(builder->arena, struct span, place_count + 1);
    struct plan_region *regions = ARENA_ARRAY(builder->arena, struct plan_region, place_count + 1);
    if (!numbers || !places || !providers || !regions)
        return false;
    for (uint32_t v = 0; v < problem->node_count; v++)
        numbers[builder->nodes[v].region] = 1;
    for (uint32_t p = 0; p < place_count; p++) {
        if (numbers[p] == 0)
            continue;
        uint32_t provider = 0;
        while (provider < provider_count &&
               !span_is_equal(providers[provider], plan_builder_provider(wish, p)))
            provider++;
        if (provider == provider_count)
            providers[provider_count++] = plan_builder_provider(wish, p);
        numbers[p] = problem->region_count;
        places[problem->region_count] = p;
        regions[problem->region_count++] =
            (struct plan_region){plan_wish_place_name(wish, p), (uint16_t)provider};
    }
    for (uint32_t v = 0; v < problem->node_count; v++)
        builder->nodes[v].region = numbers[builder->nodes[v].region];
    problem->regions = regions;
    builder->made->places = places;
    return true;
}

static bool add_failure(struct plan_builder *builder, struct plan_failure *failures,
                        struct span name, uint32_t provider, uint32_t region)
{
    struct plan_problem *problem = builder->problem;
    uint32_t *regions = ARENA_ARRAY(builder->arena, uint32_t, problem->region_count + 1);
    uint32_t count = 0;
    if (!regions)
        return false;
    for (uint32_t r = 0; r < problem->region_count; r++)
        if (region == r || (region == PLAN_NONE && problem->regions[r].provider == provider))
            regions[count++] = r;
    if (count > 0)
        failures[problem->failure_count++] = (struct plan_failure){name, regions, count};
    return true;
}

static bool make_failures(struct plan_builder *builder)
{
    const struct plan_wish *wish = builder->wish;
    struct plan_problem *problem = builder->problem;
    struct plan_failure *failures =
        ARENA_ARRAY(builder->arena, struct plan_failure, 2 * problem->region_count + 1);
    problem->failures = failures;
    if (!failures)
        return false;
    bool loses_region = wish->lose == PLAN_LOSE_REGION || wish->lose == PLAN_LOSE_BOTH;
    bool loses_provider = wish->lose == PLAN_LOSE_PROVIDER || wish->lose == PLAN_LOSE_BOTH;
    bool has_room = true;
    for (uint32_t r = 0; has_room && loses_region && r < problem->region_count; r++)
        has_room = add_failure(builder, failures, problem->regions[r].name, 0, r);
    for (uint32_t r = 0; has_room && loses_provider && r < problem->region_count; r++) {
        bool is_new = true; /* its provider */
        for (uint32_t q = 0; q < r; q++)
            is_new = is_new && problem->regions[q].provider != problem->regions[r].provider;
        if (is_new)
            has_room = add_failure(builder, failures,
                                   plan_builder_provider(wish, builder->made->places[r]),
                                   problem->regions[r].provider, PLAN_NONE);
    }
    return has_room;
}

/* The whole -------------------------------------------------------------------------------- */

static bool begin(struct plan_builder *builder)
{
    const struct plan_wish *wish = builder->wish;
    struct arena *arena = builder->arena;
    uint32_t services = wish->service_count;
    size_t demands = (size_t)services * PLAN_DEMANDS_MAX;
    builder->made = ARENA_NEW(arena, struct plan_formulation);
    builder->services = ARENA_ARRAY(arena, struct plan_service, services);
    builder->service_origins = ARENA_ARRAY(arena, struct plan_service_origin, services);
    builder->demands = ARENA_ARRAY(arena, struct plan_demand, demands);
    builder->demand_origins = ARENA_ARRAY(arena, struct plan_demand_origin, demands);
    if (arena->is_overflown || !plan_builder_offers(builder))
        return false;
    builder->nodes = ARENA_ARRAY(arena, struct plan_node, builder->column_max + 1);
    builder->columns = ARENA_ARRAY(arena, struct plan_column, builder->column_max + 1);
    builder->column_origins =
        ARENA_ARRAY(arena, struct plan_column_origin, builder->column_max + 1);
    builder->problem = &builder->made->problem;
    return !arena->is_overflown;
}

static bool name_all(struct plan_builder *builder)
{
    const struct catalog *catalog = builder->wish->catalog;
    struct plan_problem *problem = builder->problem;
    struct span *skus = ARENA_ARRAY(builder->arena, struct span, catalog->sku_count + 1);
    struct span *zones = ARENA_ARRAY(builder->arena, struct span, catalog->client_count + 1);
    if (!skus || !zones)
        return false;
    for (uint32_t i = 0; i < catalog->sku_count; i++)
        skus[i] = catalog->skus[i].name;
    for (uint32_t i = 0; i < catalog->client_count; i++)
        zones[i] = catalog->clients[i].name;
    problem->skus = skus;
    problem->zones = zones;
    problem->sku_count = catalog->sku_count;
    problem->zone_count = catalog->client_count;
    problem->service_count = builder->wish->service_count;
    problem->services = builder->services;
    problem->nodes = builder->nodes;
    problem->demands = builder->demands;
    problem->columns = builder->columns;
    builder->made->wish = builder->wish;
    builder->made->demands = builder->demand_origins;
    builder->made->columns = builder->column_origins;
    builder->made->services = builder->service_origins;
    builder->made->speeds = builder->speeds;
    return true;
}

enum err plan_formulate(const struct plan_wish *wish, const struct plan_sheet *running,
                        struct arena *arena, struct plan_formulation **ret_formulation,
                        struct text *why)
{
    struct plan_builder builder = {.wish = wish, .running = running, .arena = arena, .why = why};
    if (!begin(&builder))
        return ERR_MEMORY;
    enum err err = make_services(&builder);
    if (!err && (!name_all(&builder) || !make_regions(&builder) || !make_failures(&builder)))
        err = ERR_MEMORY;
    if (!err && builder.problem->region_count > PLAN_REGIONS_MAX) {
        text_add(why, "expected at most %d regions, found %u: name fewer", PLAN_REGIONS_MAX,
                 builder.problem->region_count);
        err = ERR_UNSUPPORTED;
    }
    if (!err && builder.problem->node_count == 0) {
        text_add(why, "\n  no region that may be used has a machine that can compute any service");
        err = ERR_VALUE;
    }
    if (!err)
        err = plan_builder_fix(&builder);
    if (!err)
        err = plan_builder_rules(&builder);
    if (!err)
        *ret_formulation = builder.made;
    return err;
}
