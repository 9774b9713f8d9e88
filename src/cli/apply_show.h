/* apply_show.h: what `farspan apply` says before it does anything. */
#ifndef CLI_APPLY_SHOW_H
#define CLI_APPLY_SHOW_H

#include "base/text.h"
#include "deploy/change.h"

enum { APPLY_SHOW_MAX = 1 << 20 };

/* The difference for a person: replicas, then what starts, stops and moves in each wave, then cost.
 */
void apply_show_text(const struct change *change, const struct plan_sheet *sheet,
                     const struct room *room, struct text *text);

/* {"world","epoch","is_empty","replicas":[...],"actions":[...],"before_usd_h","after_usd_h"} */
void apply_show_json(const struct change *change, const struct room *room, struct text *json);

#endif
