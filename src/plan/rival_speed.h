/* rival_speed.h: what a column does when any size of requests may come.
 *
 * A column's speed in the programme counts the sizes that it may answer under the rules; a machine
 * that is too slow for long prompts is fast at short ones alone. Whoever sends it all sizes gets
 * what it does of the worst of those that it can compute at all. */
#ifndef PLAN_RIVAL_SPEED_H
#define PLAN_RIVAL_SPEED_H

#include "plan/formulate.h"

/* Micro-requests per second of each column (from <arena>), at most the programme's. NULL: no room.
 */
int64_t *plan_rival_speeds(const struct plan_formulation *made, struct arena *arena);

#endif
