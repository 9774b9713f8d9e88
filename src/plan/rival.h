/* rival.h: how others would place the same services: policies of the field written anew on the same
 * programme, for `farspan plan --policy`. What each is, from which paper or project, and what of
 * it is not here: docs/rivals.md.
 *
 * Every policy is one function: given the replicas that stand and what is lost, it buys what is
 * missing. Sizes are those of the programme: the same prices, stock, speeds and shares of load.
 * What no policy is asked to know: budgets, CO2, power, spread, least numbers (the audit tells
 * afterwards). Pins are orders to everybody.
 *
 * With a region to be lost, a policy plans for each region of its plan what it would do without
 * it, at the load that is allowed then, and has all of that ready: what stands already counts.
 *
 * Pure and deterministic: ties go to the lower index. */
#ifndef PLAN_RIVAL_H
#define PLAN_RIVAL_H

#include "plan/formulate.h"
#include "plan/lp.h"

enum plan_rival {
    PLAN_RIVAL_SINGLE_REGION, /* the one region that does all services at the lowest price */
    PLAN_RIVAL_NEAREST,       /* each group of clients at its nearest region, one machine type */
    PLAN_RIVAL_SKYPILOT,      /* each service on the cheapest single resource */
    PLAN_RIVAL_MELANGE,       /* as nearest, with the cheapest mix of machine types */
    PLAN_RIVAL_SPOTHEDGE,     /* spot over many regions, two more, on demand for what is missing */
    PLAN_RIVAL_ROUND_ROBIN,   /* an equal part of each service in every region */
    PLAN_RIVALS
};

/* "single-cheapest-region" ... */
const char *plan_rival_name(enum plan_rival rival);

/* <ret_counts> of each column (from <arena>): the policy's replicas; <survives_region>: of a plan
 * that stands the loss of any one of its regions. What no stock can answer is left out. <lp> is
 * used by PLAN_RIVAL_MELANGE alone. ERR_MEMORY; errors of the LP library. */
MUST_USE enum err plan_rival_place(const struct plan_formulation *made, enum plan_rival rival,
                                   bool survives_region, const struct plan_lp_api *lp,
                                   struct arena *arena, uint32_t **ret_counts);

#endif
