/* rival_judge.h: one judge for every policy, farspan's own included: what the replicas cost, and
 * how many requests they could answer.
 *
 * Nobody's own routing counts: the judge sends requests in the best way there is (max-flow), from
 * the wish alone, so that what differs is where the machines stand.
 *
 *   in time   residency allows it, and round trip (with the link's margin where the promise is
 *             hard) + wait + computing are within the promise. That a few of these wait too long
 *             for a free slot is the same for all, since all load their machines alike.
 *   unmet     residency and machines leave no place for it, however late. An answer that residency
 *             forbids is none.
 *
 * Each is the best of all routings, for itself. As much work as can be is answered; shares are of
 * requests. Late requests of all sizes take a machine's room as rival_speed.h says. While a region
 * is lost, machines may be loaded to load_lost. */
#ifndef PLAN_RIVAL_JUDGE_H
#define PLAN_RIVAL_JUDGE_H

#include "plan/formulate.h"

/* <counts> of each column. Writes all of <ret_policy> but its name and survives_region. The rules
 * are those of <made>, by the audit. Cost: machines, open sites, CO2, moves, traffic, and unmet
 * requests where they have a price. Traffic is that of answers that keep the rules; what is
 * answered beside is priced at the mean of all places. ERR_MEMORY. */
MUST_USE enum err plan_rival_judge(const struct plan_formulation *made, uint32_t *counts,
                                   struct arena *arena, struct plan_sheet_policy *ret_policy);

#endif
