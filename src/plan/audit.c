#include "plan/audit.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "plan/audit_flow.h"

#define SLACK      1e-6    /* of a row's bound, and of the cost */
#define REQUESTS_H 3600e-6 /* in an hour, at one micro-request per second */

struct audit {
    const struct plan_problem *problem;
    const struct plan_answer *answer;
    struct text *why;
    uint32_t *edge_firsts; /* first edge of each demand: its nodes in order; demand_count + 1 */
    int64_t *edge_rates;   /* what the answer sends over each edge */
    int64_t *answered;     /* of each demand */
    int64_t *loads;        /* of each node */
    int64_t *rooms;        /* scratch, of the nodes of one service */
    uint32_t *firsts;      /* scratch: edges of one service, counted from 0 */
    uint32_t *edge_rooms;
    const char *fault; /* of the first flow that may not be; NULL: all may */
    uint32_t fault_at;
};

static bool audit_init(struct audit *audit, const struct plan_problem *problem,
                       const struct plan_answer *answer, struct arena *arena, struct text *why)
{
    uint32_t demand_count = problem->demand_count, edge_count = 0;
    *audit = (struct audit){.problem = problem,
                            .answer = answer,
                            .why = why,
                            .edge_firsts = ARENA_ARRAY(arena, uint32_t, demand_count + 1),
                            .answered = ARENA_ARRAY(arena, int64_t, demand_count),
                            .loads = ARENA_ARRAY(arena, int64_t, problem->node_count),
                            .rooms = ARENA_ARRAY(arena, int64_t, problem->node_count),
                            .firsts = ARENA_ARRAY(arena, uint32_t, demand_count + 1)};
    if (arena->is_overflown)
        return false;
    for (uint32_t d = 0; d < demand_count; d++) {
        audit->edge_firsts[d] = edge_count;
        edge_count += problem->demands[d].node_count;
    }
    audit->edge_firsts[demand_count] = edge_count;
    audit->edge_rates = ARENA_ARRAY(arena, int64_t, edge_count);
    audit->edge_rooms = ARENA_ARRAY(arena, uint32_t, edge_count);
    return !arena->is_overflown;
}

/* Words ------------------------------------------------------------------------------------- */

static void say_name(struct text *why, const char *part, const struct span *name, uint32_t index)
{
    if (name && name->n > 0)
        text_add_span(why, *name);
    else
        text_add(why, "%s %u", part, index);
}

static void say_node(const struct audit *audit, uint32_t node)
{
    const struct plan_problem *problem = audit->problem;
    uint32_t service = problem->nodes[node].service, region = problem->nodes[node].region;
    say_name(audit->why, "service", &problem->services[service].name, service);
    text_add(audit->why, " in ");
    say_name(audit->why, "region", &problem->regions[region].name, region);
}

static void say_column(const struct audit *audit, uint32_t column)
{
    static const char *const markets[] = {"on demand", "spot", "reserved", "own"};
    const struct plan_problem *problem = audit->problem;
    const struct plan_column *own = &problem->columns[column];
    say_node(audit, own->node);
    text_add(audit->why, " on ");
    say_name(audit->why, "sku", problem->skus ? &problem->skus[own->sku] : NULL, own->sku);
    if (own->market < COUNT_OF(markets))
        text_add(audit->why, " (%s)", markets[own->market]);
}

static void say_demand(const struct audit *audit, uint32_t demand)
{
    const struct plan_problem *problem = audit->problem;
    const struct plan_demand *own = &problem->demands[demand];
    say_name(audit->why, "service", &problem->services[own->service].name, own->service);
    text_add(audit->why, " from ");
    say_name(audit->why, "zone", problem->zones ? &problem->zones[own->zone] : NULL, own->zone);
}

static enum plan_breach say_rates(const struct audit *audit, const char *rule, int64_t allowed,
                                  int64_t found, enum plan_breach breach)
{
    text_add(audit->why, ": %s ", rule);
    text_add_micro(audit->why, allowed);
    text_add(audit->why, " requests/s, found ");
    text_add_micro(audit->why, found);
    return breach;
}

/* Counts and rows --------------------------------------------------------------------------- */

static uint64_t replicas_of(const struct audit *audit, uint32_t node)
{
    const struct plan_node *own = &audit->problem->nodes[node];
    uint64_t sum = 0;
    for (uint32_t i = 0; i < own->column_count; i++)
        sum += audit->answer->counts[own->column_first + i];
    return sum;
}

static enum plan_breach check_counts(const struct audit *audit)
{
    const struct plan_problem *problem = audit->problem;
    for (uint32_t c = 0; c < problem->column_count; c++) {
        const struct plan_column *column = &problem->columns[c];
        uint32_t count = audit->answer->counts[c];
        if (count >= column->count_min && count <= column->count_max)
            continue;
        say_column(audit, c);
        text_add(audit->why, ": expected %u to %u replicas, found %u", column->count_min,
                 column->count_max, count);
        return PLAN_BREACH_COUNT;
    }
    for (uint32_t v = 0; v < problem->node_count; v++) {
        uint64_t count = replicas_of(audit, v);
        if (count == 0 || count >= problem->nodes[v].replicas_min)
            continue;
        say_node(audit, v);
        text_add(audit->why, ": expected none or at least %u replicas, found %llu",
                 problem->nodes[v].replicas_min, (unsigned long long)count);
        return PLAN_BREACH_COUNT;
    }
    return PLAN_BREACH_NONE;
}

static double slack_of(double bound)
{
    return SLACK * (fabs(bound) > 1 ? fabs(bound) : 1);
}

static enum plan_breach check_rows(const struct audit *audit)
{
    const struct plan_problem *problem = audit->problem;
    for (uint32_t r = 0; r < problem->row_count; r++) {
        const struct plan_row *row = &problem->rows[r];
        double sum = 0;
        for (uint32_t i = 0; i < row->term_count; i++)
            sum += row->terms[i].factor * audit->answer->counts[row->terms[i].column];
        bool is_low = sum < row->lower - slack_of(row->lower);
        if (!is_low && sum <= row->upper + slack_of(row->upper))
            continue;
        say_name(audit->why, "row", &row->name, r);
        text_add(audit->why, ": expected at %s %g, found %g", is_low ? "least" : "most",
                 is_low ? row->lower : row->upper, sum);
        return PLAN_BREACH_ROW;
    }
    return PLAN_BREACH_NONE;
}

/* Flows ------------------------------------------------------------------------------------- */

/* The edge of a flow; PLAN_NONE: it leads where it may not. */
static uint32_t edge_of(const struct audit *audit, const struct plan_flow *flow)
{
    if (flow->demand >= audit->problem->demand_count)
        return PLAN_NONE;
    const struct plan_demand *demand = &audit->problem->demands[flow->demand];
    for (uint32_t i = 0; i < demand->node_count; i++)
        if (demand->nodes[i] == flow->node)
            return audit->edge_firsts[flow->demand] + i;
    return PLAN_NONE;
}

/* Adds up the flows that may be and remembers the first that may not. */
static void take_flows(struct audit *audit)
{
    for (uint32_t i = 0; i < audit->answer->flow_count; i++) {
        const struct plan_flow *flow = &audit->answer->flows[i];
        uint32_t edge = edge_of(audit, flow);
        const char *fault = NULL;
        if (edge == PLAN_NONE)
            fault = "a demand and one of its nodes";
        else if (flow->rate <= 0)
            fault = "a rate above 0";
        else if (audit->edge_rates[edge] > 0)
            fault = "no other flow of this demand to this node";
        else if (flow->rate >
                 audit->problem->demands[flow->demand].rate - audit->answered[flow->demand])
            fault = "at most what the flows before leave of the demand";
        if (!fault) {
            audit->edge_rates[edge] = flow->rate;
            audit->answered[flow->demand] += flow->rate;
            audit->loads[flow->node] += flow->rate;
        } else if (!audit->fault) {
            audit->fault = fault;
            audit->fault_at = i;
        }
    }
}

static enum plan_breach say_fault(const struct audit *audit)
{
    const struct plan_problem *problem = audit->problem;
    const struct plan_flow *flow = &audit->answer->flows[audit->fault_at];
    text_add(audit->why, "flow %u: expected %s, found ", audit->fault_at, audit->fault);
    text_add_micro(audit->why, flow->rate);
    text_add(audit->why, " requests/s of ");
    if (flow->demand < problem->demand_count)
        say_demand(audit, flow->demand);
    else
        text_add(audit->why, "demand %u", flow->demand);
    text_add(audit->why, " to ");
    if (flow->node < problem->node_count)
        say_node(audit, flow->node);
    else
        text_add(audit->why, "node %u", flow->node);
    return PLAN_BREACH_FLOW;
}

static enum plan_breach check_flows(const struct audit *audit)
{
    if (audit->fault)
        return say_fault(audit);
    for (uint32_t d = 0; d < audit->problem->demand_count; d++) {
        const struct plan_demand *demand = &audit->problem->demands[d];
        if (audit->answered[d] == demand->rate || isfinite(demand->unmet_usd))
            continue;
        say_demand(audit, d);
        return say_rates(audit, "expected an answer to", demand->rate, audit->answered[d],
                         PLAN_BREACH_FLOW);
    }
    return PLAN_BREACH_NONE;
}

/* Loads and failures ------------------------------------------------------------------------ */

/* Rounded down; no sum of demands is above PLAN_RATE_MAX, and so no room need be. */
static int64_t room_of(const struct audit *audit, uint32_t node, uint32_t share_ppm)
{
    const struct plan_node *own = &audit->problem->nodes[node];
    unsigned __int128 sum = 0;
    for (uint32_t c = own->column_first; c < own->column_first + own->column_count; c++)
        sum += (unsigned __int128)audit->problem->columns[c].speed * audit->answer->counts[c];
    sum = sum * share_ppm / 1000000;
    return sum < (unsigned __int128)PLAN_RATE_MAX ? (int64_t)sum : PLAN_RATE_MAX;
}

static enum plan_breach check_loads(const struct audit *audit)
{
    for (uint32_t v = 0; v < audit->problem->node_count; v++) {
        const struct plan_service *service =
            &audit->problem->services[audit->problem->nodes[v].service];
        int64_t room = room_of(audit, v, service->share_ppm);
        if (audit->loads[v] <= room)
            continue;
        say_node(audit, v);
        return say_rates(audit, "expected at most", room, audit->loads[v], PLAN_BREACH_LOAD);
    }
    return PLAN_BREACH_NONE;
}

static bool is_lost(const struct audit *audit, uint32_t failure, uint32_t node)
{
    const struct plan_failure *own = &audit->problem->failures[failure];
    for (uint32_t i = 0; i < own->region_count; i++)
        if (own->regions[i] == audit->problem->nodes[node].region)
            return true;
    return false;
}

/* What of a service's answered requests nobody could take after the failure. When nothing of the
 * load lies there, the flows as they are show that it holds: the share is not less. */
static int64_t lack_of(struct audit *audit, uint32_t failure, const struct plan_service *service,
                       struct plan_audit_flow *flow)
{
    bool has_load = false;
    for (uint32_t i = 0; i < service->node_count; i++) {
        uint32_t v = service->node_first + i;
        bool goes = is_lost(audit, failure, v);
        audit->rooms[i] = goes ? 0 : room_of(audit, v, service->share_lost_ppm);
        has_load = has_load || (goes && audit->loads[v] > 0);
    }
    return has_load
               ? plan_audit_flow_run(flow, audit->answered + service->demand_first, audit->rooms)
               : 0;
}

static enum plan_breach check_service(struct audit *audit, uint32_t index,
                                      struct plan_audit_flow *flow)
{
    const struct plan_service *service = &audit->problem->services[index];
    int64_t wanted = 0;
    for (uint32_t i = 0; i < service->demand_count; i++)
        wanted += audit->answered[service->demand_first + i];
    for (uint32_t f = 0; f < audit->problem->failure_count; f++) {
        int64_t lack = lack_of(audit, f, service, flow);
        if (lack == 0)
            continue;
        say_name(audit->why, "service", &service->name, index);
        text_add(audit->why, " without ");
        say_name(audit->why, "failure", &audit->problem->failures[f].name, f);
        return say_rates(audit, "expected an answer to", wanted, wanted - lack,
                         PLAN_BREACH_FAILURE);
    }
    return PLAN_BREACH_NONE;
}

static enum err check_failures(struct audit *audit, struct arena *arena,
                               enum plan_breach *ret_breach)
{
    enum plan_breach breach = PLAN_BREACH_NONE;
    for (uint32_t s = 0; s < audit->problem->service_count && breach == PLAN_BREACH_NONE; s++) {
        const struct plan_service *service = &audit->problem->services[s];
        const uint32_t *firsts = &audit->edge_firsts[service->demand_first];
        size_t mark = arena->used;
        struct plan_audit_flow flow;
        for (uint32_t i = 0; i < service->demand_count; i++) {
            const struct plan_demand *demand = &audit->problem->demands[service->demand_first + i];
            audit->firsts[i] = firsts[i] - firsts[0];
            for (uint32_t k = 0; k < demand->node_count; k++)
                audit->edge_rooms[audit->firsts[i] + k] = demand->nodes[k] - service->node_first;
        }
        audit->firsts[service->demand_count] = firsts[service->demand_count] - firsts[0];
        if (!plan_audit_flow_init(&flow, service->demand_count, service->node_count, audit->firsts,
                                  audit->edge_rooms, arena))
            return ERR_MEMORY;
        breach = check_service(audit, s, &flow);
        arena_reset(arena, mark);
    }
    *ret_breach = breach;
    return ERR_OK;
}

/* Cost -------------------------------------------------------------------------------------- */

static struct plan_cost cost_of(const struct audit *audit)
{
    const struct plan_problem *problem = audit->problem;
    struct plan_cost cost = {0};
    for (uint32_t c = 0; c < problem->column_count; c++) {
        const struct plan_column *column = &problem->columns[c];
        double more = (double)audit->answer->counts[c] - (double)column->running;
        cost.machines += column->cost_usd_h * audit->answer->counts[c];
        cost.moves += more > 0 ? column->start_usd_h * more : column->stop_usd_h * -more;
    }
    for (uint32_t v = 0; v < problem->node_count; v++) {
        cost.open_sites += replicas_of(audit, v) > 0 ? problem->nodes[v].open_usd_h : 0;
        cost.egress += REQUESTS_H * (double)audit->loads[v] * problem->nodes[v].egress_usd;
    }
    for (uint32_t d = 0; d < problem->demand_count; d++) {
        int64_t unmet = problem->demands[d].rate - audit->answered[d];
        if (unmet > 0)
            cost.unmet += REQUESTS_H * (double)unmet * problem->demands[d].unmet_usd;
    }
    cost.total = cost.machines + cost.open_sites + cost.egress + cost.moves + cost.unmet;
    return cost;
}

static enum plan_breach check_cost(const struct audit *audit, const struct plan_cost *cost)
{
    double size =
        fabs(cost->machines) + cost->open_sites + cost->egress + cost->moves + cost->unmet;
    if (fabs(audit->answer->cost_usd_h - cost->total) <= SLACK * size)
        return PLAN_BREACH_NONE;
    text_add(audit->why, "cost: expected %.6f USD/h, the sum of its parts, found %.6f", cost->total,
             audit->answer->cost_usd_h);
    return PLAN_BREACH_COST;
}

enum err plan_answer_audit(const struct plan_problem *problem, const struct plan_answer *answer,
                           struct arena *arena, struct plan_cost *ret_cost,
                           enum plan_breach *ret_breach, struct text *why)
{
    size_t mark = arena->used;
    struct audit audit;
    if (!audit_init(&audit, problem, answer, arena, why))
        return ERR_MEMORY;
    take_flows(&audit);
    struct plan_cost cost = cost_of(&audit);
    enum plan_breach breach = check_counts(&audit);
    if (breach == PLAN_BREACH_NONE)
        breach = check_rows(&audit);
    if (breach == PLAN_BREACH_NONE)
        breach = check_flows(&audit);
    if (breach == PLAN_BREACH_NONE)
        breach = check_loads(&audit);
    if (breach == PLAN_BREACH_NONE && check_failures(&audit, arena, &breach))
        return ERR_MEMORY;
    if (breach == PLAN_BREACH_NONE)
        breach = check_cost(&audit, &cost);
    arena_reset(arena, mark);
    *ret_cost = cost;
    *ret_breach = breach;
    return breach == PLAN_BREACH_NONE ? ERR_OK : ERR_VALUE;
}
