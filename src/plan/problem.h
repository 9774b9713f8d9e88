/* problem.h: what the planner decides, as numbers: how many replicas of which service on which
 * machine type of which region, and where each demand is answered.
 *
 * A problem is built from a fleet, a catalogue and a forecast, or drawn by a generator; it is plain
 * data in one arena, checked once by plan_problem_check(), and trusted and never changed after
 * that. Parts refer to each other by index. What belongs to one service is consecutive: its nodes,
 * its columns (by node) and its demands.
 *
 *   demand  requests of one service from one client zone: <rate>
 *   node    a place that can answer a service: (service, region, latency class). A demand may be
 *           answered by the nodes of its list: those within its SLO and its residency.
 *   column  an integer variable: replicas of one service on one offer (region, sku, market)
 *   row     a linear rule over columns: stock, budget, share of spot, ...
 *   failure a set of regions that may be lost together (one region, or one provider)
 *
 * The programme. n[c] replicas of column c, y[v] in {0,1} node open, x[d,v] rate of demand d at v:
 *
 *   min  sum n[c] cost[c] + sum y[v] open[v] + sum x[d,v] egress[v]
 *        + sum moves (n above or below the running plan)            + sum unmet[d] price[d]
 *   (1)  sum_v x[d,v] + unmet[d] = rate[d]                          every demand
 *   (2)  sum_d x[d,v] <= share_ppm/1e6 * sum_{c in v} speed[c] n[c] every node
 *   (3)  0 <= n[c] <= max[c] y[v(c)],  n[c] >= min[c],  sum_{c in v} n[c] >= replicas_min y[v]
 *   (4)  lower <= sum a n <= upper                                   every row
 *   (5)  for every failure f there is an x^f, zero on the nodes of f, with (1) (unmet as without
 *        the failure) and (2) with share_lost_ppm
 *
 * Rates and speeds are integers, in micro-requests per second, and capacity is rounded down, so
 * that feasibility is decided exactly: no tolerance anywhere. Money is double, in USD per hour.
 *
 * Sources: reference formulation of Mélange (arXiv 2404.14527) and SageServe (arXiv 2502.14617),
 * widened; Hall's theorem for (5): see cut.h. */
#ifndef PLAN_PROBLEM_H
#define PLAN_PROBLEM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/err.h"
#include "base/span.h"
#include "base/text.h"

enum {
    PLAN_SERVICES_MAX = 256,
    PLAN_REGIONS_MAX = 256,
    PLAN_DEMANDS_MAX = 128, /* of one service */
    PLAN_NODES_MAX = 512,   /* of one service */
    PLAN_COUNT_MAX = 1000000
};

#define PLAN_RATE_MAX INT64_C(1000000000000000) /* sums of all demands and speeds stay below */
#define PLAN_NONE     UINT32_MAX

enum plan_market { PLAN_ON_DEMAND, PLAN_SPOT, PLAN_RESERVED, PLAN_OWN };

struct plan_service {
    struct span name;
    uint32_t node_first, node_count;
    uint32_t column_first, column_count;
    uint32_t demand_first, demand_count;
    uint32_t share_ppm;      /* load of a node that keeps the SLO: 1 .. 1000000 */
    uint32_t share_lost_ppm; /* the same while something is lost; >= share_ppm */
};

struct plan_region {
    struct span name;
    uint16_t provider;
};

struct plan_node {
    uint32_t service, region;
    uint32_t column_first, column_count;
    uint32_t replicas_min; /* when open; 1: any number */
    double open_usd_h;
    double egress_usd; /* per request: traffic out of the region */
};

struct plan_demand {
    uint32_t service;
    uint16_t zone;
    int64_t rate;              /* micro-requests per second, > 0 */
    double unmet_usd;          /* per request left unanswered; INFINITY: all must be answered */
    const uint32_t *nodes;     /* ascending */
    const float *latencies_ms; /* of each: RTT and service time, for the answer */
    uint32_t node_count;
};

struct plan_column {
    uint32_t node;
    uint16_t sku;
    uint8_t market; /* enum plan_market */
    int64_t speed;  /* micro-requests per second of one replica at full load, > 0 */
    double cost_usd_h;
    double kg_co2_h;
    uint32_t count_min, count_max;
    uint32_t running;               /* replicas of the plan in force */
    double start_usd_h, stop_usd_h; /* of a replica more, or less, than running */
};

struct plan_term {
    uint32_t column;
    double factor;
};

enum plan_rule {
    PLAN_RULE_STOCK,
    PLAN_RULE_BUDGET,
    PLAN_RULE_CARBON,
    PLAN_RULE_POWER,
    PLAN_RULE_SPOT_SHARE,
    PLAN_RULE_SPREAD,
    PLAN_RULE_MIN_REPLICAS
};

struct plan_row {
    enum plan_rule rule;
    struct span name; /* "stock of NC24ads_A100_v4 in westeurope" */
    double lower, upper;
    const struct plan_term *terms; /* ascending columns */
    uint32_t term_count;
};

struct plan_failure {
    struct span name;
    const uint32_t *regions; /* ascending */
    uint32_t region_count;
};

struct plan_problem {
    uint32_t service_count, region_count, sku_count, zone_count, node_count, demand_count,
        column_count, row_count, failure_count;
    const struct plan_service *services;
    const struct plan_region *regions;
    const struct span *skus, *zones;
    const struct plan_node *nodes;
    const struct plan_demand *demands;
    const struct plan_column *columns;
    const struct plan_row *rows;
    const struct plan_failure *failures;
};

/* Every index in range, every part where it belongs, every number within its bounds; ERR_VALUE and
 * <why> name the first that is not. */
MUST_USE enum err plan_problem_check(const struct plan_problem *problem, struct text *why);

/* share_ppm/1e6 of <speed_sum>, rounded down: what a node may be asked for. speed_sum <=
 * PLAN_RATE_MAX. */
static inline int64_t plan_capacity(int64_t speed_sum, uint32_t share_ppm)
{
    CHECK(speed_sum >= 0 && speed_sum <= PLAN_RATE_MAX && share_ppm <= 1000000);
    return speed_sum / 1000000 * share_ppm + speed_sum % 1000000 * share_ppm / 1000000;
}

/* Do all its terms belong to one service? */
bool plan_row_is_of_one_service(const struct plan_problem *problem, const struct plan_row *row);

/* What a replica of <column> counts in the row; 0: it is not in it. */
double plan_row_factor(const struct plan_row *row, uint32_t column);

bool plan_failure_has(const struct plan_failure *failure, uint32_t region);

#endif
