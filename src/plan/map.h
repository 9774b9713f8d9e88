/* map.h: a plan as a picture: a world map with regions sized by replicas and coloured by zone, and
 * arcs from clients to the regions that answer them, as wide as their requests are many. SVG 1.1,
 * 1600 x 900 on a ground of its own, without scripts, fonts or anything else from outside.
 *
 *   sheet, wish --map_scene--> what is where --map_view--> pixels --map_label--> names --> SVG
 *
 * Area of a region and width of an arc are proportional; the largest has RADIUS_MAX and WIDTH_MAX
 * pixels. Zones have P. Tol's muted colours, which differ in lightness as well and are told apart
 * by people who see fewer colours; from the tenth zone on grey. A name that finds no free place is
 * left out and counted below the map; it is still the tooltip of its region. */
#ifndef PLAN_MAP_H
#define PLAN_MAP_H

#include "plan/sheet.h"
#include "plan/wish.h"

/* Enough for any sheet of <wish>. */
size_t plan_map_size(const struct plan_wish *wish);

/* <sheet> is a plan made from <wish>. ERR_MEMORY: <arena> is too small. */
MUST_USE enum err plan_map_draw(const struct plan_sheet *sheet, const struct plan_wish *wish,
                                struct arena *arena, struct text *text);

#endif
