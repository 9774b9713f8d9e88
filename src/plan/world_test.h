/* world_test.h: random problems of many shapes, for tests: a world is a problem with the memory of
 * all its parts. The same shape and seed give the same world.
 *
 * A service is sold in most regions, each sku of a node has a speed and a price that vary a little,
 * and each demand may be answered by the first two nodes and most of the others; of a service that
 * falls apart, by every second node. */
#ifndef PLAN_WORLD_TEST_H
#define PLAN_WORLD_TEST_H

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/rng.h"
#include "plan/lp.h"
#include "plan/problem.h"

enum {
    SERVICES_MAX = 4,
    REGIONS_MAX = 8,
    SKUS_MAX = 3,
    ZONES_MAX = 8,
    CLASSES_MAX = 2, /* nodes of a service in one region */
    NODES_OF_MAX = REGIONS_MAX * CLASSES_MAX,
    NODES_MAX = SERVICES_MAX * NODES_OF_MAX,
    COLUMNS_MAX = NODES_MAX * SKUS_MAX * 2,
    DEMANDS_MAX = SERVICES_MAX * ZONES_MAX,
    ROWS_MAX = 64,
    FAILURES_MAX = REGIONS_MAX + 2
};

struct shape {
    const char *name;
    uint32_t services, regions, skus, zones, classes, count_max;
    double load; /* requests per second of a demand: up to 1.5 times this */
    bool has_spot, has_stock, has_budget, has_spread, has_carbon, has_least;
    bool loses_regions, loses_providers;
    bool has_soft, has_moves, has_open, has_egress, has_pins, has_parts;
    bool is_ring;      /* a demand is near three nodes, the next one near the next three */
    uint32_t more_max; /* an open node needs one replica and up to this many more */
};

struct world {
    struct plan_problem problem;
    struct plan_service services[SERVICES_MAX];
    struct plan_region regions[REGIONS_MAX];
    struct plan_node nodes[NODES_MAX];
    struct plan_column columns[COLUMNS_MAX];
    struct plan_demand demands[DEMANDS_MAX];
    uint32_t near[DEMANDS_MAX][NODES_OF_MAX];
    struct plan_row rows[ROWS_MAX];
    struct plan_term terms[ROWS_MAX][COLUMNS_MAX];
    struct plan_failure failures[FAILURES_MAX];
    uint32_t lost[FAILURES_MAX][REGIONS_MAX];
    char label[64]; /* shape and seed */
};

/* The parts point into their own world: to be done again in a copy. */
static inline void world_connect(struct world *world)
{
    struct plan_problem *problem = &world->problem;
    problem->services = world->services;
    problem->regions = world->regions;
    problem->nodes = world->nodes;
    problem->demands = world->demands;
    problem->columns = world->columns;
    problem->rows = world->rows;
    problem->failures = world->failures;
    for (uint32_t d = 0; d < problem->demand_count; d++)
        world->demands[d].nodes = world->near[d];
    for (uint32_t r = 0; r < problem->row_count; r++)
        world->rows[r].terms = world->terms[r];
    for (uint32_t f = 0; f < problem->failure_count; f++)
        world->failures[f].regions = world->lost[f];
}

static inline void world_draw_columns(struct world *world, const struct shape *shape,
                                      struct rng *rng)
{
    struct plan_problem *problem = &world->problem;
    struct plan_node *node = &world->nodes[problem->node_count];
    double region_price = 0.7 + 0.6 * rng_unit(rng);
    node->column_first = problem->column_count;
    for (uint32_t k = 0; k < shape->skus; k++)
        for (uint32_t market = 0; market <= shape->has_spot; market++) {
            double speed = (double)(2 + 3 * k) * (0.9 + 0.2 * rng_unit(rng));
            double price = (1 + 1.2 * k) * region_price * (0.9 + 0.2 * rng_unit(rng));
            double kg_co2_h = rng_unit(rng), start_usd_h = rng_unit(rng);
            double stop_usd_h = rng_unit(rng);
            uint32_t running = (uint32_t)rng_below(rng, shape->count_max / 2 + 1);
            world->columns[problem->column_count++] =
                (struct plan_column){.node = problem->node_count,
                                     .sku = (uint16_t)k,
                                     .market = market ? PLAN_SPOT : PLAN_ON_DEMAND,
                                     .speed = (int64_t)(speed * 1e6),
                                     .cost_usd_h = market ? 0.4 * price : price,
                                     .kg_co2_h = kg_co2_h,
                                     .count_max = shape->count_max,
                                     .running = shape->has_moves ? running : 0,
                                     .start_usd_h = shape->has_moves ? 0.3 * start_usd_h : 0,
                                     .stop_usd_h = shape->has_moves ? 0.2 * stop_usd_h : 0,
                                     .count_min = shape->has_pins && rng_below(rng, 4) == 0};
        }
    node->column_count = problem->column_count - node->column_first;
}

static inline void world_draw_demand(struct world *world, const struct shape *shape, uint32_t zone,
                                     struct rng *rng)
{
    struct plan_problem *problem = &world->problem;
    uint32_t s = problem->service_count;
    const struct plan_service *service = &world->services[s];
    struct plan_demand *demand = &world->demands[problem->demand_count];
    *demand = (struct plan_demand){.service = s,
                                   .zone = (uint16_t)zone,
                                   .rate = 1 + (int64_t)(shape->load * 1.5e6 * rng_unit(rng)),
                                   .unmet_usd = INFINITY};
    if (shape->has_soft && rng_below(rng, 2))
        demand->unmet_usd = 1e-3 * rng_unit(rng) * rng_unit(rng);
    uint32_t *near = world->near[problem->demand_count++];
    for (uint32_t v = 0; v < service->node_count; v++)
        if (shape->is_ring     ? (v + service->node_count - zone) % service->node_count < 3
            : shape->has_parts ? v % 2 == zone % 2
                               : v < 2 || rng_below(rng, 3) > 0)
            near[demand->node_count++] = service->node_first + v;
}

static inline void world_draw_service(struct world *world, const struct shape *shape,
                                      struct rng *rng)
{
    struct plan_problem *problem = &world->problem;
    struct plan_service *service = &world->services[problem->service_count];
    *service = (struct plan_service){.name = SPAN_LITERAL("service"),
                                     .node_first = problem->node_count,
                                     .column_first = problem->column_count,
                                     .demand_first = problem->demand_count,
                                     .share_ppm = 600000 + (uint32_t)rng_below(rng, 200001)};
    service->share_lost_ppm = service->share_ppm + (uint32_t)rng_below(rng, 200001);
    for (uint32_t i = 0; i < shape->regions * shape->classes; i++) {
        double open_usd_h = rng_unit(rng), egress_usd = 1e-4 * rng_unit(rng);
        uint32_t more = (uint32_t)rng_below(rng, shape->more_max + 1);
        world->nodes[problem->node_count] =
            (struct plan_node){.service = problem->service_count,
                               .region = i % shape->regions,
                               .replicas_min = 1 + more,
                               .open_usd_h = shape->has_open ? open_usd_h : 0,
                               .egress_usd = shape->has_egress ? egress_usd : 0};
        if (i > 0 && rng_below(rng, 8) == 0)
            continue; /* not sold there */
        world_draw_columns(world, shape, rng);
        problem->node_count++;
    }
    service->node_count = problem->node_count - service->node_first;
    service->column_count = problem->column_count - service->column_first;
    for (uint32_t z = 0; z < shape->zones; z++)
        world_draw_demand(world, shape, z, rng);
    service->demand_count = shape->zones;
    problem->service_count++;
}

static inline struct plan_row *world_add_row(struct world *world, enum plan_rule rule, double lower,
                                             double upper)
{
    CHECK(world->problem.row_count < ROWS_MAX);
    struct plan_row *row = &world->rows[world->problem.row_count++];
    *row = (struct plan_row){
        .rule = rule, .name = SPAN_LITERAL("rule"), .lower = lower, .upper = upper};
    return row;
}

static inline void world_add_term(struct world *world, struct plan_row *row, uint32_t column,
                                  double factor)
{
    world->terms[row - world->rows][row->term_count++] = (struct plan_term){column, factor};
}

static inline void world_draw_stock(struct world *world, const struct shape *shape, struct rng *rng)
{
    for (uint32_t region = 0; region < shape->regions; region++)
        for (uint32_t k = 0; k < shape->skus; k++) {
            double most = 1 + (double)rng_below(rng, (uint64_t)shape->count_max * shape->services);
            struct plan_row *row = world_add_row(world, PLAN_RULE_STOCK, -PLAN_LP_INFINITY, most);
            for (uint32_t c = 0; c < world->problem.column_count; c++)
                if (world->columns[c].sku == k &&
                    world->nodes[world->columns[c].node].region == region)
                    world_add_term(world, row, c, 1);
        }
}

/* What all demands would cost at one price of a request, about. */
static inline double world_rough_cost(const struct world *world, const struct shape *shape)
{
    double rate = 0;
    for (uint32_t d = 0; d < world->problem.demand_count; d++)
        rate += (double)world->demands[d].rate / 1e6;
    return 0.5 * rate / 0.7 * (shape->loses_regions || shape->loses_providers ? 1.4 : 1);
}

static inline void world_draw_shares(struct world *world, const struct shape *shape, uint32_t s)
{
    const struct plan_service *service = &world->services[s];
    uint32_t first = service->column_first, last = first + service->column_count;
    for (uint32_t region = 0; shape->has_spread && region < shape->regions; region++) {
        struct plan_row *row = world_add_row(world, PLAN_RULE_SPREAD, -PLAN_LP_INFINITY, 0);
        for (uint32_t c = first; c < last; c++)
            world_add_term(world, row, c,
                           world->nodes[world->columns[c].node].region == region ? 0.5 : -0.5);
    }
    if (shape->has_spot) {
        struct plan_row *row = world_add_row(world, PLAN_RULE_SPOT_SHARE, -PLAN_LP_INFINITY, 0);
        for (uint32_t c = first; c < last; c++)
            world_add_term(world, row, c, world->columns[c].market == PLAN_SPOT ? 0.6 : -0.4);
    }
    if (shape->has_least) {
        struct plan_row *row = world_add_row(world, PLAN_RULE_MIN_REPLICAS, 3, PLAN_LP_INFINITY);
        for (uint32_t c = first; c < last; c++)
            world_add_term(world, row, c, 1);
    }
}

static inline void world_draw_rows(struct world *world, const struct shape *shape, struct rng *rng)
{
    if (shape->has_stock)
        world_draw_stock(world, shape, rng);
    for (uint32_t s = 0; s < shape->services; s++)
        world_draw_shares(world, shape, s);
    double usd_h = world_rough_cost(world, shape);
    if (shape->has_budget) {
        double most = (0.9 + rng_unit(rng)) * usd_h;
        struct plan_row *row = world_add_row(world, PLAN_RULE_BUDGET, -PLAN_LP_INFINITY, most);
        for (uint32_t c = 0; c < world->problem.column_count; c++)
            world_add_term(world, row, c, world->columns[c].cost_usd_h);
    }
    if (shape->has_carbon) {
        double most = (0.3 + rng_unit(rng)) * usd_h;
        struct plan_row *row = world_add_row(world, PLAN_RULE_CARBON, -PLAN_LP_INFINITY, most);
        for (uint32_t c = 0; c < world->problem.column_count; c++)
            world_add_term(world, row, c, world->columns[c].kg_co2_h);
    }
}

static inline struct plan_failure *world_add_failure(struct world *world)
{
    CHECK(world->problem.failure_count < FAILURES_MAX);
    struct plan_failure *failure = &world->failures[world->problem.failure_count++];
    *failure = (struct plan_failure){.name = SPAN_LITERAL("loss")};
    return failure;
}

static inline void world_lose(struct world *world, struct plan_failure *failure, uint32_t region)
{
    world->lost[failure - world->failures][failure->region_count++] = region;
}

static inline void world_draw_failures(struct world *world, const struct shape *shape)
{
    for (uint32_t region = 0; shape->loses_regions && region < shape->regions; region++)
        world_lose(world, world_add_failure(world), region);
    for (uint16_t provider = 0; shape->loses_providers && provider < 2; provider++) {
        struct plan_failure *failure = world_add_failure(world);
        for (uint32_t region = 0; region < shape->regions; region++)
            if (world->regions[region].provider == provider)
                world_lose(world, failure, region);
    }
}

static inline void world_draw(struct world *world, const struct shape *shape, uint64_t seed)
{
    struct rng rng;
    struct text label;
    rng_init(&rng, seed);
    memset(world, 0, sizeof *world);
    text_init(&label, world->label, sizeof world->label);
    text_add(&label, "%s %llu", shape->name, (unsigned long long)seed);
    for (uint32_t region = 0; region < shape->regions; region++)
        world->regions[region] =
            (struct plan_region){.name = SPAN_LITERAL("region"), .provider = region % 2};
    world->problem.region_count = shape->regions;
    world->problem.sku_count = shape->skus;
    world->problem.zone_count = shape->zones;
    for (uint32_t s = 0; s < shape->services; s++)
        world_draw_service(world, shape, &rng);
    world_draw_rows(world, shape, &rng);
    world_draw_failures(world, shape);
    world_connect(world);
}

#endif
