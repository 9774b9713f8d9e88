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

/* A plan for machines elsewhere: rows that change against what is in force at <epoch> (0: nothing),
 * and what the machines cost. */
void apply_show_sheet(const struct plan_sheet *sheet, uint64_t epoch, struct text *text);

/* Asks a person. OPTIONS_RUN (cli/options.h) for yes, else the exit status, after a sentence. */
int apply_ask(bool is_yes, const char *question);

#endif
