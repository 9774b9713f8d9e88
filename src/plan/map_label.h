/* map_label.h: where names go on a map so that they cover neither each other nor what is shown:
 * greedily, one after the other, the nearest free place around its point first. */
#ifndef PLAN_MAP_LABEL_H
#define PLAN_MAP_LABEL_H

#include "base/arena.h"
#include "plan/map_view.h"

struct plan_map_disc {
    struct plan_map_xy at;
    double radius;
};

/* What is taken. */
struct plan_map_labels {
    struct plan_map_box frame; /* labels stay inside */
    struct plan_map_disc *discs;
    struct plan_map_box *boxes;
    uint32_t disc_count, box_count, disc_max, box_max;
};

/* False: no room for that many. */
bool plan_map_labels_init(struct plan_map_labels *labels, struct plan_map_box frame,
                          uint32_t disc_max, uint32_t box_max, struct arena *arena);
void plan_map_labels_keep_disc(struct plan_map_labels *labels, struct plan_map_disc disc);
void plan_map_labels_keep_box(struct plan_map_labels *labels, struct plan_map_box box);

/* A free box of that size beside <disc>, at most <far> pixels off it; it is taken then. False: none
 * of the places tried is free. */
bool plan_map_labels_place(struct plan_map_labels *labels, struct plan_map_disc disc, double width,
                           double height, double far, struct plan_map_box *ret_box);

#endif
