#include "plan/draw.h"

#include <math.h>

#include "base/check.h"
#include "base/maths.h"
#include "plan/draw_world.h"
#include "plan/relax.h"

enum { TRIES_MAX = 256, RAISES_MAX = 60, ROUNDS_MAX = 60, CUTS_MAX = 16384 };

enum { SHARE_PPM = 750000, SHARE_LOST_PPM = 950000 };

#define MEMORY_USED     0.9  /* of an accelerator's, the rest is the system's */
#define ROOM_MIN        0.1  /* of that, besides the weights */
#define BANDWIDTH_USED  0.55 /* of the data sheet's, as measured with llama2-70b */
#define TOKENS_HELD     1280 /* of a request: prompt and answer */
#define TOKENS_ANSWERED 256
#define ANSWER_GIB      (64.0 / (1 << 20)) /* 256 events of 256 bytes */
#define STOCK_MIN       2.0
#define STOCK_MAX       6.0
#define STOCK_RAISE     1.25
#define OPEN_LEAST                                                                                 \
    0.05 /* of a reference machine: two small machines, a load balancer, their watching */
#define OPEN_MOST 0.15

/* A service's weights, and what one token of one request keeps in memory. */
static const struct {
    double weights_gib, kib_per_token;
} classes[] = {{6, 112}, {15, 128}, {28, 160}, {63, 192}, {131, 320}, {220, 400}};

static const double slos_ms[] = {100, 150, 250};

static const struct {
    double least, most;
} replicas[] = {
    [PLAN_REGIME_SMALL] = {4, 9},
    [PLAN_REGIME_MIX] = {3, 180},
    [PLAN_REGIME_BIG] = {150, 290},
};

/* The parts of the problem while they are made; those of <problem> that are const point here. */
struct maker {
    const struct plan_draw *draw;
    struct plan_draw_world world;
    struct rng rng;
    struct arena *arena;
    struct plan_problem *problem;
    struct plan_service *services;
    struct plan_node *nodes;
    struct plan_column *columns;
    struct plan_demand *demands;
    struct plan_row *rows;
    double *wanted; /* stock that each row is asked for */
    /* of the service at hand */
    double slo_ms, speeds[PLAN_DRAW_SKUS_MAX]; /* requests per second; 0: not usable */
    double reference_speed, reference_usd_h, open_usd_h;
    bool is_wanted[PLAN_DEMANDS_MAX], is_able[PLAN_DRAW_REGIONS_MAX];
    uint32_t node_of[PLAN_DRAW_REGIONS_MAX]; /* PLAN_NONE: none */
};

static double between(struct rng *rng, double low, double high)
{
    return low + (high - low) * rng_unit(rng);
}

static double price_at(const struct maker *maker, uint32_t site, uint32_t sku)
{
    return maker->world.prices[site * maker->world.sku_count + sku];
}

static bool is_usable(const struct maker *maker, uint32_t site, uint32_t sku)
{
    return maker->speeds[sku] > 0 && price_at(maker, site, sku) > 0;
}

/* A service --------------------------------------------------------------------------------- */

static double decoding_speed(const struct plan_draw_sku *sku, size_t class)
{
    double used = MEMORY_USED * sku->memory_gib;
    double room = used - classes[class].weights_gib;
    if (room < ROOM_MIN * used)
        return 0;
    double sequences = room / (classes[class].kib_per_token / (1 << 20) * TOKENS_HELD);
    return sequences * BANDWIDTH_USED * sku->bandwidth_gib / used / TOKENS_ANSWERED;
}

/* The sku whose mean price for its speed is lowest. false: none is usable. */
static bool find_reference(struct maker *maker)
{
    double best = INFINITY;
    for (uint32_t k = 0; k < maker->world.sku_count; k++) {
        double sum = 0;
        uint32_t count = 0;
        for (uint32_t i = 0; i < maker->world.site_count; i++)
            if (is_usable(maker, i, k)) {
                sum += price_at(maker, i, k);
                count++;
            }
        if (count == 0 || sum / count / maker->speeds[k] >= best)
            continue;
        best = sum / count / maker->speeds[k];
        maker->reference_speed = maker->speeds[k];
        maker->reference_usd_h = sum / count;
    }
    return best < INFINITY;
}

static bool is_near(const struct maker *maker, uint32_t zone, uint32_t site)
{
    return maker->is_able[site] && plan_draw_rtt_ms(&maker->world, zone, site) <= maker->slo_ms;
}

static uint32_t sites_near(const struct maker *maker, uint32_t zone)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < maker->world.site_count; i++)
        count += is_near(maker, zone, i);
    return count;
}

/* false: nobody wants it where two regions can answer. */
static bool draw_service(struct maker *maker)
{
    const struct plan_draw_world *world = &maker->world;
    struct rng *rng = &maker->rng;
    size_t class = rng_below(rng, COUNT_OF(classes));
    for (uint32_t k = 0; k < world->sku_count; k++)
        maker->speeds[k] = decoding_speed(&world->skus[k], class) * between(rng, 0.9, 1.1);
    for (uint32_t i = 0; i < world->site_count; i++) {
        maker->is_able[i] = false;
        for (uint32_t k = 0; k < world->sku_count; k++)
            maker->is_able[i] |= is_usable(maker, i, k);
    }
    maker->slo_ms = slos_ms[rng_below(rng, COUNT_OF(slos_ms))];
    uint32_t left = (world->zone_count + (uint32_t)rng_below(rng, 2)) / 2, zones = 0;
    for (uint32_t z = 0; z < world->zone_count; z++) {
        bool is_wanted = rng_below(rng, world->zone_count - z) < left;
        left -= is_wanted;
        maker->is_wanted[z] = is_wanted && sites_near(maker, z) >= 2;
        zones += maker->is_wanted[z];
    }
    return zones > 0 && find_reference(maker);
}

/* Its parts --------------------------------------------------------------------------------- */

static bool answers_any(const struct maker *maker, uint32_t site)
{
    for (uint32_t z = 0; z < maker->world.zone_count; z++)
        if (maker->is_wanted[z] && is_near(maker, z, site))
            return true;
    return false;
}

static void make_nodes(struct maker *maker, uint32_t service)
{
    const struct plan_draw_world *world = &maker->world;
    struct plan_problem *problem = maker->problem;
    for (uint32_t i = 0; i < world->site_count; i++) {
        maker->node_of[i] = PLAN_NONE;
        if (!answers_any(maker, i))
            continue;
        uint32_t v = maker->node_of[i] = problem->node_count++;
        const struct catalog_region *region = &world->catalog->regions[world->sites[i].region];
        maker->nodes[v] = (struct plan_node){.service = service,
                                             .region = i,
                                             .column_first = problem->column_count,
                                             .replicas_min = 1,
                                             .open_usd_h = maker->open_usd_h,
                                             .egress_usd = region->egress_usd_gib * ANSWER_GIB};
        for (uint32_t k = 0; k < world->sku_count; k++)
            if (is_usable(maker, i, k))
                maker->columns[problem->column_count++] =
                    (struct plan_column){.node = v,
                                         .sku = (uint16_t)k,
                                         .market = PLAN_ON_DEMAND,
                                         .speed = (int64_t)(1e6 * maker->speeds[k]),
                                         .cost_usd_h = price_at(maker, i, k)};
        maker->nodes[v].column_count = problem->column_count - maker->nodes[v].column_first;
    }
}

static bool make_demand(struct maker *maker, uint32_t service, uint32_t zone, double rate)
{
    uint32_t count = sites_near(maker, zone);
    uint32_t *nodes = ARENA_ARRAY(maker->arena, uint32_t, count);
    float *latencies_ms = ARENA_ARRAY(maker->arena, float, count);
    if (!nodes || !latencies_ms)
        return false;
    count = 0;
    for (uint32_t i = 0; i < maker->world.site_count; i++)
        if (is_near(maker, zone, i)) {
            nodes[count] = maker->node_of[i];
            latencies_ms[count++] = (float)plan_draw_rtt_ms(&maker->world, zone, i);
        }
    maker->demands[maker->problem->demand_count++] =
        (struct plan_demand){.service = service,
                             .zone = (uint16_t)zone,
                             .rate = 1 + (int64_t)(1e6 * rate),
                             .unmet_usd = INFINITY,
                             .nodes = nodes,
                             .latencies_ms = latencies_ms,
                             .node_count = count};
    return true;
}

static bool make_demands(struct maker *maker, uint32_t service)
{
    const struct plan_draw_world *world = &maker->world;
    const struct catalog_client *clients = world->catalog->clients;
    double least = maths_log(replicas[maker->draw->regime].least);
    double most = maths_log(replicas[maker->draw->regime].most);
    double total =
        maths_exp(between(&maker->rng, least, most)) * maker->reference_speed * (1e-6 * SHARE_PPM);
    double weights = 0;
    for (uint32_t z = 0; z < world->zone_count; z++)
        weights += maker->is_wanted[z] ? clients[world->zones[z].client].weight : 0;
    for (uint32_t z = 0; z < world->zone_count; z++)
        if (maker->is_wanted[z] &&
            !make_demand(maker, service, z,
                         total * clients[world->zones[z].client].weight / weights))
            return false;
    return true;
}

static enum err make_service(struct maker *maker, uint32_t s, struct text *why)
{
    struct plan_problem *problem = maker->problem;
    uint32_t tries = 0;
    while (!draw_service(maker))
        if (++tries == TRIES_MAX) {
            text_add(why,
                     "%u regions and %u skus: no service finds two regions in its reach; try "
                     "more of them, or another seed",
                     maker->draw->regions, maker->draw->skus);
            return ERR_VALUE;
        }
    struct plan_service *service = &maker->services[s];
    char room[16];
    struct text name;
    text_init(&name, room, sizeof room);
    text_add(&name, "s%u", s + 1);
    *service = (struct plan_service){.name = arena_copy(maker->arena, text_span(&name)),
                                     .node_first = problem->node_count,
                                     .column_first = problem->column_count,
                                     .demand_first = problem->demand_count,
                                     .share_ppm = SHARE_PPM,
                                     .share_lost_ppm = SHARE_LOST_PPM};
    maker->open_usd_h = maker->reference_usd_h * between(&maker->rng, OPEN_LEAST, OPEN_MOST);
    make_nodes(maker, s);
    if (!make_demands(maker, s))
        return ERR_MEMORY;
    service->node_count = problem->node_count - service->node_first;
    service->column_count = problem->column_count - service->column_first;
    service->demand_count = problem->demand_count - service->demand_first;
    return ERR_OK;
}

/* Stock ------------------------------------------------------------------------------------- */

/* What each column is asked for, added to its row of <wanted> (site * skus + sku). */
static void add_wanted(struct maker *maker)
{
    const struct plan_problem *problem = maker->problem;
    for (uint32_t d = 0; d < problem->demand_count; d++) {
        const struct plan_demand *demand = &maker->demands[d];
        double share = 1 / (1e-6 * SHARE_PPM * demand->node_count);
        double lost = 1 / (1e-6 * SHARE_LOST_PPM * (demand->node_count - 1));
        if (maker->draw->is_n1 && lost > share)
            share = lost;
        for (uint32_t i = 0; i < demand->node_count; i++) {
            const struct plan_node *node = &maker->nodes[demand->nodes[i]];
            for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
                maker->wanted[node->region * maker->world.sku_count + maker->columns[c].sku] +=
                    share * (double)demand->rate /
                    ((double)maker->columns[c].speed * node->column_count);
        }
    }
}

static uint32_t stock_of(double wanted, double factor)
{
    double stock = ceil(wanted * factor);
    return stock < PLAN_COUNT_MAX ? (uint32_t)stock : PLAN_COUNT_MAX;
}

static void set_stock(struct maker *maker, double factor)
{
    const struct plan_problem *problem = maker->problem;
    for (uint32_t r = 0; r < problem->row_count; r++) {
        struct plan_row *row = &maker->rows[r];
        uint32_t stock = stock_of(maker->wanted[r], factor);
        row->upper = stock;
        for (uint32_t i = 0; i < row->term_count; i++)
            maker->columns[row->terms[i].column].count_max = stock;
    }
}

static struct span row_name(struct maker *maker, uint32_t site, uint32_t sku)
{
    const struct catalog *catalog = maker->world.catalog;
    char room[3 * LIMIT_NAME];
    struct text name;
    text_init(&name, room, sizeof room);
    text_add(&name, "stock of %.*s in %.*s",
             SPAN_ARG(catalog->skus[maker->world.skus[sku].sku].name),
             SPAN_ARG(maker->world.sites[site].name));
    return arena_copy(maker->arena, text_span(&name));
}

/* A row of each (site, sku) that a service can use; <wanted> is packed to rows. */
static bool make_rows(struct maker *maker)
{
    struct plan_problem *problem = maker->problem;
    const struct plan_draw_world *world = &maker->world;
    uint32_t cells = world->site_count * world->sku_count;
    struct plan_term **ends = ARENA_ARRAY(maker->arena, struct plan_term *, cells);
    struct plan_term *terms =
        ARENA_ARRAY(maker->arena, struct plan_term, (size_t)cells * maker->draw->services);
    maker->rows = ARENA_ARRAY(maker->arena, struct plan_row, cells);
    if (maker->arena->is_overflown)
        return false;
    for (uint32_t cell = 0; cell < cells; cell++)
        ends[cell] = terms + (size_t)cell * maker->draw->services;
    for (uint32_t c = 0; c < problem->column_count; c++)
        *ends[maker->nodes[maker->columns[c].node].region * world->sku_count +
              maker->columns[c].sku]++ = (struct plan_term){c, 1};
    for (uint32_t cell = 0; cell < cells; cell++) {
        const struct plan_term *first = terms + (size_t)cell * maker->draw->services;
        if (ends[cell] == first)
            continue;
        maker->wanted[problem->row_count] =
            maker->wanted[cell] * between(&maker->rng, STOCK_MIN, STOCK_MAX);
        maker->rows[problem->row_count++] = (struct plan_row){
            .rule = PLAN_RULE_STOCK,
            .name = row_name(maker, cell / world->sku_count, cell % world->sku_count),
            .lower = -PLAN_LP_INFINITY,
            .terms = first,
            .term_count = (uint32_t)(ends[cell] - first)};
    }
    return !maker->arena->is_overflown;
}

/* The programme with open sites for nothing has the same plans, and its relaxation fewer rows. */
static const struct plan_problem *for_nothing(struct maker *maker)
{
    struct plan_problem *copy = ARENA_NEW(maker->arena, struct plan_problem);
    struct plan_node *nodes =
        ARENA_ARRAY(maker->arena, struct plan_node, maker->problem->node_count);
    if (!copy || !nodes)
        return NULL;
    *copy = *maker->problem;
    for (uint32_t v = 0; v < copy->node_count; v++) {
        nodes[v] = maker->nodes[v];
        nodes[v].open_usd_h = 0;
    }
    copy->nodes = nodes;
    return copy;
}

static enum err is_relaxation_feasible(struct maker *maker, const struct plan_lp_api *lp,
                                       bool *ret_is_feasible)
{
    size_t mark = maker->arena->used;
    const struct plan_problem *problem = for_nothing(maker);
    struct plan_relax *relax = ARENA_NEW(maker->arena, struct plan_relax);
    if (!problem || !relax)
        return ERR_MEMORY;
    enum err err = plan_relax_begin(relax, problem, lp, CUTS_MAX, maker->arena);
    if (!err)
        err = plan_relax_close(relax, ROUNDS_MAX, -1, NULL, NULL);
    plan_relax_end(relax);
    if (err && err != ERR_VALUE)
        return err;
    *ret_is_feasible = !err;
    arena_reset(maker->arena, mark);
    return ERR_OK;
}

static enum err find_stock(struct maker *maker, const struct plan_lp_api *lp, struct text *why)
{
    double factor = 1;
    for (uint32_t raise = 0; raise < RAISES_MAX; raise++) {
        bool is_feasible;
        set_stock(maker, factor);
        enum err err = is_relaxation_feasible(maker, lp, &is_feasible);
        if (err)
            return err;
        if (is_feasible) {
            set_stock(maker, factor * maker->draw->stock);
            return ERR_OK;
        }
        factor *= STOCK_RAISE;
    }
    text_add(why, "seed %llu: no stock makes the programme feasible",
             (unsigned long long)maker->draw->seed);
    return ERR_VALUE;
}

/* The whole --------------------------------------------------------------------------------- */

static bool make_names(struct maker *maker)
{
    const struct plan_draw_world *world = &maker->world;
    struct plan_problem *problem = maker->problem;
    struct plan_region *regions = ARENA_ARRAY(maker->arena, struct plan_region, world->site_count);
    struct span *skus = ARENA_ARRAY(maker->arena, struct span, world->sku_count);
    struct span *zones = ARENA_ARRAY(maker->arena, struct span, world->zone_count);
    struct plan_failure *failures =
        ARENA_ARRAY(maker->arena, struct plan_failure, world->site_count);
    uint32_t *lost = ARENA_ARRAY(maker->arena, uint32_t, world->site_count);
    if (maker->arena->is_overflown)
        return false;
    for (uint32_t i = 0; i < world->site_count; i++) {
        regions[i].name = world->sites[i].name;
        lost[i] = i;
        failures[i] = (struct plan_failure){world->sites[i].name, &lost[i], 1};
    }
    for (uint32_t k = 0; k < world->sku_count; k++)
        skus[k] = world->catalog->skus[world->skus[k].sku].name;
    for (uint32_t z = 0; z < world->zone_count; z++)
        zones[z] = world->catalog->clients[world->zones[z].client].name;
    problem->region_count = world->site_count;
    problem->sku_count = world->sku_count;
    problem->zone_count = world->zone_count;
    problem->failure_count = maker->draw->is_n1 ? world->site_count : 0;
    problem->regions = regions;
    problem->skus = skus;
    problem->zones = zones;
    problem->failures = failures;
    return true;
}

static bool make_room(struct maker *maker)
{
    size_t nodes = (size_t)maker->draw->services * maker->draw->regions;
    maker->problem = ARENA_NEW(maker->arena, struct plan_problem);
    maker->services = ARENA_ARRAY(maker->arena, struct plan_service, maker->draw->services);
    maker->nodes = ARENA_ARRAY(maker->arena, struct plan_node, nodes);
    maker->columns = ARENA_ARRAY(maker->arena, struct plan_column, nodes * maker->draw->skus);
    maker->demands = ARENA_ARRAY(maker->arena, struct plan_demand,
                                 (size_t)maker->draw->services * maker->world.zone_count);
    maker->wanted =
        ARENA_ARRAY(maker->arena, double, (size_t)maker->draw->regions * maker->draw->skus);
    return !maker->arena->is_overflown && make_names(maker);
}

static enum err make(struct maker *maker, const struct plan_lp_api *lp, struct text *why)
{
    if (!make_room(maker))
        return ERR_MEMORY;
    for (uint32_t s = 0; s < maker->draw->services; s++) {
        maker->problem->service_count++;
        enum err err = make_service(maker, s, why);
        if (err)
            return err;
    }
    maker->problem->services = maker->services;
    maker->problem->nodes = maker->nodes;
    maker->problem->demands = maker->demands;
    maker->problem->columns = maker->columns;
    add_wanted(maker);
    if (!make_rows(maker))
        return ERR_MEMORY;
    maker->problem->rows = maker->rows;
    enum err err = find_stock(maker, lp, why);
    return err ? err : plan_problem_check(maker->problem, why);
}

static enum err check(const struct catalog *catalog, const struct plan_draw *draw, struct text *why)
{
    if (draw->services < 1 || draw->services > PLAN_DRAW_SERVICES_MAX || draw->regions < 2 ||
        draw->regions > PLAN_DRAW_REGIONS_MAX || draw->skus < 1 ||
        draw->skus > PLAN_DRAW_SKUS_MAX || !(draw->stock > 0 && draw->stock <= 1000)) {
        text_add(why,
                 "expected 1 .. %d services, 2 .. %d regions, 1 .. %d skus and stock above 0, at "
                 "most 1000, found %u, %u, %u, %g",
                 PLAN_DRAW_SERVICES_MAX, PLAN_DRAW_REGIONS_MAX, PLAN_DRAW_SKUS_MAX, draw->services,
                 draw->regions, draw->skus, draw->stock);
        return ERR_VALUE;
    }
    if (catalog->client_count < 2 || catalog->client_count > PLAN_DEMANDS_MAX) {
        text_add(why, "expected a catalogue with 2 .. %d groups of clients, found %u",
                 PLAN_DEMANDS_MAX, catalog->client_count);
        return ERR_VALUE;
    }
    return ERR_OK;
}

enum err plan_draw_problem(const struct catalog *catalog, const struct plan_draw *draw,
                           const struct plan_lp_api *lp, struct arena *arena,
                           struct plan_problem **ret_problem, struct text *why)
{
    enum err err = check(catalog, draw, why);
    if (err)
        return err;
    struct maker *maker = ARENA_NEW(arena, struct maker);
    if (!maker)
        return ERR_MEMORY;
    *maker = (struct maker){.draw = draw, .arena = arena};
    rng_init(&maker->rng, draw->seed);
    err = plan_draw_world(catalog, draw, &maker->rng, arena, &maker->world, why);
    if (!err)
        err = make(maker, lp, why);
    if (!err)
        *ret_problem = maker->problem;
    return err;
}

bool plan_draw_is_second_site(struct span region)
{
    return region.n > 2 && region.p[region.n - 2] == '+' && region.p[region.n - 1] == '2';
}
