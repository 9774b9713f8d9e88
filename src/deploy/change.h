/* change.h: what a plan changes in a running world: which workers start and stop, and in which
 * order. Pure.
 *
 * How replicas of a plan become processes on this machine. The plan says how many replicas of a
 * service run in a region on a sku (its markets are added up: a process knows none). A worker of
 * the roster that has all of its services wanted there stays; the others stop. What is left over is
 * started: services that a worker of the file computes together (a group) share a process again, so
 * chat 2 and embed 1 are one worker with both and one with chat alone. A worker of the file that
 * fits is started first, then a free place of the region.
 *
 * Services that the plan does not name stay as they are. A row of the market "own", or with the sku
 * "own", means machines without a sku.
 *
 * The order is the plan's own (its steps): in each wave those that start, then those that stop. */
#ifndef DEPLOY_CHANGE_H
#define DEPLOY_CHANGE_H

#include "base/text.h"
#include "deploy/rollout.h"
#include "deploy/roster.h"
#include "plan/sheet.h"

enum { CHANGE_LINES_MAX = 4096, CHANGE_WAVES_MAX = 4096 };

/* Replicas of one service on one sku of a region, before and after; markets added up. */
struct change_line {
    uint16_t service, region;
    struct span sku; /* "own": machines without a sku */
    uint32_t before, after;
    double price_usd_h; /* of one replica; 0: own, or not known */
    bool is_estimate;   /* of the price */
    bool is_named;      /* by the plan; else it stays as it is */
};

struct change {
    const struct roster *before;
    struct roster after; /* its epoch is one more */
    struct rollout_list list;
    double before_usd_h, after_usd_h; /* of the machines, at the plan's prices where it has them */
    uint32_t line_count;
    struct change_line
        lines[CHANGE_LINES_MAX]; /* named ones in the order of the plan, then others */
};

/* ERR_STALE: planned from another epoch (0: from the file, which is the first epoch). ERR_VALUE:
 * for another world, or no plan at all (infeasible). ERR_NOT_FOUND: a service or region that the
 * world has not. ERR_FULL: no room. <why> says it to a person. <before> and <sheet> stay as long as
 * the change, which is not to be read after an error. */
MUST_USE enum err change_make(const struct plan_sheet *sheet, const struct room *room,
                              const struct roster *before, struct change *ret_change,
                              struct text *why);

/* Nothing starts and nothing stops. */
bool change_is_empty(const struct change *change);

#endif
