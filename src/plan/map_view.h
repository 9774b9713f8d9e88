/* map_view.h: from degrees to pixels: Robinson's projection, and the part of it that is shown.
 *
 *   degrees --project--> flat (radius of the earth 1) --view--> pixels of the picture
 *
 * The map is cut at 169 degrees west, through the Bering Strait.
 *
 * Source: A. Robinson, A New Map Projection, International Yearbook of Cartography 14 (1974): a
 * table for every five degrees of latitude; between its rows straight lines. */
#ifndef PLAN_MAP_VIEW_H
#define PLAN_MAP_VIEW_H

#include <stdbool.h>
#include <stdint.h>

struct plan_map_xy {
    double x, y;
};

struct plan_map_box { /* x0 <= x1, y0 <= y1 */
    double x0, y0, x1, y1;
};

struct plan_map_view {
    struct plan_map_box frame; /* pixels */
    struct plan_map_xy middle; /* flat: what lies in the middle of the frame */
    double scale;              /* pixels for one radius of the earth */
};

/* y upwards. Longitudes below -169 degrees lie at the east end. */
struct plan_map_xy plan_map_project(double longitude, double latitude);

/* How far it is once around the earth at that height, flat: what a point is to be moved by to lie
 * beyond the edge of the map. */
double plan_map_turn(double y);

/* All of the inhabited world, or the part around <count> flat points with room beside them, at
 * most PLAN_MAP_ZOOM_MAX times as large. */
#define PLAN_MAP_ZOOM_MAX 5.0
struct plan_map_view plan_map_view_around(struct plan_map_box frame,
                                          const struct plan_map_xy *points, uint32_t count);

/* y downwards. */
struct plan_map_xy plan_map_place_at(const struct plan_map_view *view, struct plan_map_xy flat);

#endif
