/* draw_world.h: what draw.c builds its services on: the regions, sizes and client zones that a seed
 * takes from the catalogue. See draw.h for the rules. */
#ifndef PLAN_DRAW_WORLD_H
#define PLAN_DRAW_WORLD_H

#include "base/rng.h"
#include "plan/draw.h"

struct plan_draw_site {
    struct span name; /* "azure:westeurope", a second one "azure:westeurope+2" */
    uint16_t region;
    double extra_ms, price_factor; /* 0 and 1; of a second site others */
};

struct plan_draw_sku {
    uint16_t sku;
    double memory_gib, bandwidth_gib; /* of all its accelerators; per second */
};

struct plan_draw_zone {
    uint16_t client; /* of the catalogue */
    double last_mile_ms;
};

struct plan_draw_world {
    const struct catalog *catalog;
    uint32_t site_count, sku_count, zone_count;
    struct plan_draw_site *sites; /* in the catalogue's order, a second site behind its first */
    struct plan_draw_sku *skus;
    struct plan_draw_zone *zones;
    double *prices; /* USD per hour of site * sku_count + sku; 0: not sold */
};

MUST_USE enum err plan_draw_world(const struct catalog *catalog, const struct plan_draw *draw,
                                  struct rng *rng, struct arena *arena,
                                  struct plan_draw_world *ret_world, struct text *why);

double plan_draw_rtt_ms(const struct plan_draw_world *world, uint32_t zone, uint32_t site);

#endif
