/* sheet.h: a plan with names instead of indices: what `farspan plan -o plan.json` writes, and
 * `apply`, `render` and the next plan read. Format: docs/plan-file.md. */
#ifndef PLAN_SHEET_H
#define PLAN_SHEET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"
#include "base/text.h"

enum { PLAN_SHEET_VERSION = 1, PLAN_SHEET_REPLICAS_MAX = 65536, PLAN_SHEET_FLOWS_MAX = 262144 };

struct plan_sheet_replica {
    struct span service, region, sku;
    struct span market;      /* "on_demand" "spot" "reserved" "own" */
    uint32_t count, running; /* wanted, and in the plan this one follows; not both 0 */
    uint32_t machines;       /* of the sku for one replica, >= 1 */
    double usd_h;            /* of one replica */
    bool is_estimate;        /* its price */
};

struct plan_sheet_flow {
    struct span service, zone, bucket, region;
    double rate;  /* requests per second */
    double share; /* of this zone's and bucket's requests, 0 .. 1 */
    double latency_ms;
};

struct plan_sheet_rule {
    struct span rule; /* "stock of NC24ads_A100_v4 in azure:swedencentral" */
    bool is_binding;
    double shadow_usd_h; /* what one more unit is worth; NAN: not asked for */
};

/* Actions in their order: all of one wave together, the next when those are done. */
enum plan_action { PLAN_ACTION_START, PLAN_ACTION_SHIFT, PLAN_ACTION_STOP };

struct plan_sheet_step {
    uint32_t wave; /* from 0 */
    enum plan_action action;
    uint32_t replica; /* index */
    uint32_t count;   /* started or stopped; SHIFT: 0 */
};

struct plan_sheet {
    struct span status;        /* "optimal" "feasible" "infeasible" */
    struct span stopped_by;    /* "gap" "work" "time" "done" */
    struct span build, solver; /* "farspan 0.2.0 (abc1234)", "CLP 1.17.6" */
    struct span catalogue;     /* sha256, 64 hex digits; empty: none was used */
    struct span world;         /* of the fleet file */
    uint64_t base_epoch;       /* of the state it was planned from: apply refuses another */
    double cost_usd_h, bound_usd_h, gap, seconds, carbon_kg_h, egress_usd_h;
    struct plan_sheet_replica *replicas; /* by service, region, sku, market */
    struct plan_sheet_flow *flows;
    struct plan_sheet_rule *rules;
    struct plan_sheet_step *steps;
    uint32_t replica_count, flow_count, rule_count, step_count;
};

/* One JSON object, keys in the order of docs/plan-file.md. */
void plan_sheet_print(const struct plan_sheet *sheet, struct text *text);

/* ERR_VALUE and <why> ("line 3: replicas[2].count: expected 0 .. 1000000, found -1"): refused
 * whole. */
MUST_USE enum err plan_sheet_read_io(struct span json, struct arena *arena,
                                     struct plan_sheet **ret_sheet, struct text *why);

#endif
