/* map_land.h: where there is land, for the map of a plan (map.h). Source and licence: map_land.c.
 */
#ifndef PLAN_MAP_LAND_H
#define PLAN_MAP_LAND_H

#include <stdint.h>

enum { PLAN_MAP_RINGS = 125, PLAN_MAP_POINTS = 3559 };

/* Tenths of a degree. Longitudes run from -169.0 on, up to about 191: no ring crosses the edge. */
struct plan_map_point {
    int16_t longitude, latitude;
};

/* Ring after ring; each closes with its first point. A ring inside another is water. */
extern const struct plan_map_point plan_map_land[PLAN_MAP_POINTS];
extern const uint16_t plan_map_ring_sizes[PLAN_MAP_RINGS];

#endif
