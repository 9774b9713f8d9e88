/* day_wish.h: a wish for a day into wishes for its slots: each group's demand by its own clock, and
 * electricity and CO2 of those hours.
 *
 * Slot t of n covers the hours UTC t * 24 / n and on. Demand is that of the busiest of them, since
 * every one must be answered; power prices and CO2 are their means. The clock of a group of clients
 * is whole hours from UTC, by the longitude of its region (15 degrees an hour): what the law and
 * summer time make of it is left out. */
#ifndef PLAN_DAY_WISH_H
#define PLAN_DAY_WISH_H

#include "plan/wish.h"

/* Hours that a place at <longitude> is ahead of UTC: -12 .. 12. */
int plan_day_offset_h(double longitude);

/* Demand of <client> in slot <slot>, as a factor of what the wish says. */
double plan_day_factor(const struct plan_wish *wish, uint32_t client, uint32_t slot);

/* The wish of one slot, without a day; what does not change is shared. NULL: no room. */
const struct plan_wish *plan_day_wish(const struct plan_wish *wish, uint32_t slot,
                                      struct arena *arena);

/* Every group at the busiest slot of its own, all at once: what stands all day must do. */
const struct plan_wish *plan_day_wish_busiest(const struct plan_wish *wish, struct arena *arena);

#endif
