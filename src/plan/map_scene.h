/* map_scene.h: what the map of a plan shows, by place instead of by row: regions with their
 * replicas, clients with their requests, and the flows between them. */
#ifndef PLAN_MAP_SCENE_H
#define PLAN_MAP_SCENE_H

#include "plan/map_view.h"
#include "plan/sheet.h"
#include "plan/wish.h"

enum { PLAN_MAP_ARCS_MAX = 256 };

struct plan_map_region { /* that has a replica */
    struct span name;    /* without the provider where all have the same */
    struct plan_map_xy flat;
    uint32_t place; /* of the wish */
    uint32_t zone;  /* of the scene */
    uint32_t replicas;
    double usd_h;
};

struct plan_map_client { /* with requests */
    struct span name;
    struct plan_map_xy flat;
    double rate; /* requests per second */
};

struct plan_map_zone { /* where any region computes */
    struct span name;
    uint32_t regions, replicas;
};

struct plan_map_arc {
    uint32_t client, region;
    double rate;
};

struct plan_map_scene {
    struct plan_map_region *regions; /* most replicas first, then by name */
    struct plan_map_client *clients; /* in the catalogue's order */
    struct plan_map_zone *zones;     /* most replicas first, then by name */
    struct plan_map_arc *arcs;       /* most requests first */
    uint32_t region_count, client_count, zone_count, arc_count;
    uint32_t replicas;
    uint32_t service_count;
    double rate;        /* requests per second that are answered, in all */
    double rate_hidden; /* of flows beyond the thickest PLAN_MAP_ARCS_MAX */
};

/* <sheet> was made from <wish>, or names nothing but its regions, sites and clients: other names
 * are passed over. Memory from <arena>; ERR_MEMORY. */
MUST_USE enum err plan_map_scene_fill(const struct plan_sheet *sheet, const struct plan_wish *wish,
                                      struct arena *arena, struct plan_map_scene *ret_scene);

#endif
