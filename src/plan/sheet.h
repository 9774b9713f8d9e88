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

enum {
    PLAN_SHEET_VERSION = 1,
    PLAN_SHEET_REPLICAS_MAX = 65536,
    PLAN_SHEET_FLOWS_MAX = 262144,
    PLAN_SHEET_RULES_MAX = 65536,
    PLAN_SHEET_STEPS_MAX = 262144,
    PLAN_SHEET_COUNT_MAX = 1000000, /* replicas of one row, machines of one replica */
    PLAN_SHEET_BYTES_MAX = 128 << 20
};

struct plan_sheet_replica {
    struct span service, region, sku;
    struct span market;       /* "on_demand" "spot" "reserved" "own" */
    uint32_t count, running;  /* wanted, and in the plan this one follows; not both 0 */
    uint32_t machines;        /* of the sku for one replica, >= 1 */
    uint32_t tensor_parallel; /* accelerators an engine; 0: not said */
    double usd_h;             /* of one replica */
    bool is_estimate;         /* its price */
};

struct plan_sheet_flow {
    struct span service, zone, bucket, region, sku; /* zone: a group of clients */
    double rate;                                    /* requests per second */
    double share; /* of this zone's and bucket's requests, 0 .. 1 */
    double latency_ms;
};

struct plan_sheet_rule {
    struct span rule; /* "stock of NC24ads_A100_v4 in azure:swedencentral" */
    bool is_binding;
    double shadow_usd_h; /* as of its plan_sheet_shadow; NAN: not asked for, or not sure */
};

/* Actions in their order: all of one wave together, the next when those are done. */
enum plan_action { PLAN_ACTION_START, PLAN_ACTION_SHIFT, PLAN_ACTION_STOP };

struct plan_sheet_step {
    uint32_t wave; /* from 0 */
    enum plan_action action;
    uint32_t replica; /* index */
    uint32_t count;   /* started or stopped; SHIFT: 0 */
};

/* Requests that are answered later than promised, as the percentile allows. */
struct plan_sheet_miss {
    struct span service, zone, bucket;
    double share; /* of all requests of the service */
    double latency_ms;
};

/* What one policy makes of the same wish (rival_judge.h), for --policy. */
struct plan_sheet_policy {
    struct span policy;   /* "farspan", "nearest" ... */
    bool survives_region; /* sized so that any one of its regions may be lost */
    bool keeps_rules;     /* all of them, by the audit */
    double cost_usd_h, carbon_kg_h, egress_usd_h; /* cost NAN: no such plan exists, the rest is 0 */
    double in_time, unmet;                        /* shares of the requests, 0 .. 1 */
    double in_time_lost, unmet_lost;              /* without the region whose loss is worst */
};

/* What a rule costs, or what one unit more is worth: between low and high, whatever the gaps of the
 * two plans hide; <usd_h> where that is narrow, else NAN. In a sheet that was read there are none.
 */
struct plan_sheet_shadow {
    struct span rule;     /* as rules[].rule, or a rule that has no row there */
    struct span sentence; /* "one more NC24ads_A100_v4 in azure:swedencentral is worth $3.10/h" */
    double usd_h, low_usd_h, high_usd_h;
};

/* The plan under another assumption. In a sheet that was read there are none. */
struct plan_sheet_what_if {
    struct span what;   /* as asked: "lose azure:westeurope" */
    struct span status; /* as of a sheet; "open": neither a plan nor a proof that there is none */
    double cost_usd_h, bound_usd_h;                     /* NAN: none */
    double more_usd_h, more_low_usd_h, more_high_usd_h; /* than this plan; NAN: not known */
    double carbon_kg_h, egress_usd_h;
    uint32_t regions, replicas;
    struct span why; /* no plan: what stands against it; may be empty */
};

/* One slot of a day (day.h). */
struct plan_sheet_slot {
    uint32_t hour;      /* UTC, its first */
    double rate;        /* requests per second of all services */
    double cost_usd_h;  /* with moves_usd, which is for the whole slot, spread over it */
    double bound_usd_h; /* no day has this slot for less */
    double moves_usd;   /* starts and stops of the step into it */
    double gap, carbon_kg_h;
    struct plan_sheet_replica *replicas; /* in the order of the file and the catalogue */
    uint32_t replica_count;
};

/* Its sums, in USD. static_usd: the cheapest of the plans looked at that stand all day. */
struct plan_sheet_day {
    uint32_t hour; /* of the slot that the sheet itself is the plan of */
    double slot_h, cost_usd, bound_usd, gap, moves_usd, static_usd; /* static: NAN: none found */
    uint64_t starts, stops;
    bool is_estimate; /* the curve of the demand */
};

/* USD per hour; they sum to the cost. Zero in a sheet that was read. */
struct plan_sheet_costs {
    double machines, sites, egress, carbon, moves, unmet;
};

struct plan_sheet {
    struct span status;        /* "optimal" "feasible" "infeasible" */
    struct span stopped_by;    /* "gap" "work" "time" "done" */
    struct span build, solver; /* "farspan 0.2.0 (abc1234)", "CLP 1.17.6" */
    struct span catalogue;     /* sha256, 64 hex digits; empty: none was used */
    struct span world;         /* of the fleet file */
    uint64_t base_epoch;       /* of the state it was planned from: apply refuses another */
    double cost_usd_h, bound_usd_h, gap, seconds, carbon_kg_h, egress_usd_h;
    struct plan_sheet_replica *replicas; /* by service, region, sku, market, tensor_parallel */
    struct plan_sheet_flow *flows;
    struct plan_sheet_rule *rules;
    struct plan_sheet_step *steps;
    struct plan_sheet_miss *misses;           /* none in a sheet that was read */
    const struct plan_sheet_policy *policies; /* the same */
    struct plan_sheet_shadow *shadows;        /* none unless asked for */
    struct plan_sheet_what_if *what_ifs;      /* as asked */
    uint32_t replica_count, flow_count, rule_count, step_count, miss_count;
    uint32_t shadow_count, shadows_left, what_if_count; /* left: rules not looked at */
    uint32_t policy_count;
    struct plan_sheet_slot *slots; /* none in a sheet that was read, or without a day */
    uint32_t slot_count;
    struct plan_sheet_day day; /* with slots */
    struct plan_sheet_costs costs;
};

/* Of the state that this plan makes: the one after its base. A plan made from a file alone starts
 * at the file's own epoch, which is 1. */
uint64_t plan_sheet_epoch(const struct plan_sheet *sheet);

/* By service, region, sku, market and tensor_parallel, as the rows of a sheet stand; 0: the same
 * way to run the same thing. */
int plan_sheet_compare(const struct plan_sheet_replica *a, const struct plan_sheet_replica *b);

/* One JSON object, keys in the order of docs/plan-file.md. */
void plan_sheet_print(const struct plan_sheet *sheet, struct text *text);

/* ERR_VALUE and <why> ("line 3: replicas[2].count: expected 0 .. 1000000, found -1"): refused
 * whole. ERR_MEMORY: the arena is too small. The keys read, each needed unless said otherwise:
 *
 *   version (1), base_epoch, and of struct plan_sheet by its names: status stopped_by build solver
 *   catalogue ("" or 64 hex digits) world cost_usd_h bound_usd_h gap seconds carbon_kg_h
 *   egress_usd_h (null is NAN but in seconds)
 *   replicas[]: service region sku market count running machines usd_h estimate, and
 *               tensor_parallel (may be left out)
 *   flows[]:    service zone bucket (may be left out) region sku (may be left out) rate share
 *               latency_ms
 *   rules[]:    rule binding shadow_usd_h (null: not asked for)
 *   steps[]:    wave action ("start" "shift" "stop") replica (index in replicas[]) count
 *
 * what_if, explanation, policies, missed, costs, day and slots are passed over; any other key is a
 * mistake. */
MUST_USE enum err plan_sheet_read_io(struct span json, struct arena *arena,
                                     struct plan_sheet **ret_sheet, struct text *why);

#endif
