/* plan_map.h: `farspan plan --map FILE`: the plan as a picture (plan/map.h). */
#ifndef CLI_PLAN_MAP_H
#define CLI_PLAN_MAP_H

#include "cli/planning.h"

/* Writes the SVG of a plan made from planning->wish. False: standard error says why. */
bool plan_map_write(struct planning *planning, const struct plan_sheet *sheet, const char *path);

#endif
