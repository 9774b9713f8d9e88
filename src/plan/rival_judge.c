#include "plan/rival_judge.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "plan/audit.h"
#include "plan/audit_flow.h"
#include "plan/rival_speed.h"
#include "plan/settle.h"

#define REQUESTS_H 3600e-6 /* in an hour, at one micro-request per second */

/* Which answers count. */
enum verdict { VERDICT_RULES, VERDICT_IN_TIME, VERDICT_ANY, VERDICTS };

/* One service: flows from its demands to the nodes in which something stands. */
struct court {
    const struct plan_formulation *made;
    const struct plan_service *service;
    const uint32_t *counts;
    const int64_t *speeds; /* of each column that gets all sizes */
    uint32_t *nodes;       /* of each room */
    uint32_t room_count;
    int64_t *supplies, *rooms; /* all that is asked for, all that stands */
    int64_t *rest, *beside;    /* what others leave of both; rooms for all sizes */
    struct plan_audit_flow flows[VERDICTS];
};

/* Edges -------------------------------------------------------------------------------------- */

static bool keeps_rules(const struct court *court, uint32_t d, uint32_t v)
{
    const struct plan_demand *demand = &court->made->problem.demands[d];
    for (uint32_t i = 0; i < demand->node_count; i++)
        if (demand->nodes[i] == v)
            return true;
    return false;
}

/* The longest that a request of demand <d> takes on the machines that stand in <v>; INFINITY: it
 * may not, or cannot, be answered there. */
static double latency_ms(const struct court *court, uint32_t d, uint32_t v)
{
    const struct plan_formulation *made = court->made;
    const struct plan_wish *wish = made->wish;
    const struct plan_node *node = &made->problem.nodes[v];
    const struct plan_wish_service *service = &wish->services[node->service];
    const struct plan_demand_origin *demand = &made->demands[d];
    uint32_t place = made->places[node->region], zone = wish->place_zones[place];
    if (!(service->residency[demand->client] >> zone & 1))
        return INFINITY;
    double worst = 0;
    for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++) {
        const struct plan_speed *speed = &made->speeds[made->columns[c].speed];
        if (court->counts[c] == 0)
            continue;
        if (speed->rates[demand->bucket] <= 0)
            return INFINITY;
        double first_ms = speed->first_ms[demand->bucket];
        worst = first_ms > worst ? first_ms : worst;
    }
    const struct catalog_link *link =
        catalog_link(wish->catalog, wish->catalog->clients[demand->client].region,
                     plan_wish_region(wish, place));
    double margin_ms = service->percentile < 1 ? 0 : link->margin_ms;
    return link->rtt_ms + margin_ms + service->wait_ms + worst;
}

static bool counts_as(const struct court *court, uint32_t d, uint32_t v, enum verdict verdict)
{
    if (verdict == VERDICT_RULES)
        return keeps_rules(court, d, v);
    double ms = latency_ms(court, d, v);
    const struct plan_wish *wish = court->made->wish;
    uint32_t s = court->made->problem.nodes[v].service;
    return ms < INFINITY && (verdict == VERDICT_ANY || ms <= wish->services[s].ttft_ms);
}

/* False: no room. */
static bool list_edges(struct court *court, enum verdict verdict, struct arena *arena)
{
    uint32_t demand_count = court->service->demand_count;
    size_t most = (size_t)demand_count * court->room_count;
    uint32_t *firsts = ARENA_ARRAY(arena, uint32_t, demand_count + 1);
    uint32_t *rooms = ARENA_ARRAY(arena, uint32_t, most + 1);
    uint32_t count = 0;
    if (!firsts || !rooms)
        return false;
    for (uint32_t i = 0; i < demand_count; i++) {
        firsts[i] = count;
        for (uint32_t n = 0; n < court->room_count; n++)
            if (counts_as(court, court->service->demand_first + i, court->nodes[n], verdict))
                rooms[count++] = n;
    }
    firsts[demand_count] = count;
    return plan_audit_flow_init(&court->flows[verdict], demand_count, court->room_count, firsts,
                                rooms, arena);
}

static bool court_init(struct court *court, const struct plan_formulation *made,
                       const uint32_t *counts, const int64_t *speeds, uint32_t s,
                       struct arena *arena)
{
    const struct plan_service *service = &made->problem.services[s];
    *court = (struct court){.made = made,
                            .service = service,
                            .counts = counts,
                            .speeds = speeds,
                            .nodes = ARENA_ARRAY(arena, uint32_t, service->node_count),
                            .supplies = ARENA_ARRAY(arena, int64_t, service->demand_count),
                            .rooms = ARENA_ARRAY(arena, int64_t, service->node_count),
                            .rest = ARENA_ARRAY(arena, int64_t, service->demand_count),
                            .beside = ARENA_ARRAY(arena, int64_t, service->node_count)};
    if (arena->is_overflown)
        return false;
    for (uint32_t v = service->node_first; v < service->node_first + service->node_count; v++) {
        const struct plan_node *node = &made->problem.nodes[v];
        bool is_used = false;
        for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
            is_used = is_used || counts[c] > 0;
        if (is_used)
            court->nodes[court->room_count++] = v;
    }
    for (uint32_t d = 0; d < service->demand_count; d++)
        court->supplies[d] = made->problem.demands[service->demand_first + d].rate;
    bool has_room = true;
    for (uint32_t verdict = 0; has_room && verdict < VERDICTS; verdict++)
        has_room = list_edges(court, (enum verdict)verdict, arena);
    return has_room;
}

/* Flows -------------------------------------------------------------------------------------- */

static int64_t speed_of(const struct court *court, uint32_t room, bool gets_all_sizes)
{
    const struct plan_problem *problem = &court->made->problem;
    const struct plan_node *node = &problem->nodes[court->nodes[room]];
    int64_t speed = 0;
    for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
        speed += (gets_all_sizes ? court->speeds[c] : problem->columns[c].speed) *
                 (int64_t)court->counts[c];
    return speed;
}

/* PLAN_NONE: nothing is lost. PLAN_REGIONS_MAX: something is, but none of this service's. */
static void set_rooms(struct court *court, uint32_t lost)
{
    const struct plan_service *service = court->service;
    uint32_t share = lost == PLAN_NONE ? service->share_ppm : service->share_lost_ppm;
    for (uint32_t n = 0; n < court->room_count; n++) {
        bool is_lost = court->made->problem.nodes[court->nodes[n]].region == lost;
        court->rooms[n] = is_lost ? 0 : plan_capacity(speed_of(court, n, false), share);
        court->beside[n] = is_lost ? 0 : plan_capacity(speed_of(court, n, true), share);
    }
    memcpy(court->rest, court->supplies, service->demand_count * sizeof *court->rest);
}

/* The most of what is left that can be answered: of each edge in flows. */
static void run(struct court *court, enum verdict verdict)
{
    struct plan_audit_flow *flow = &court->flows[verdict];
    plan_audit_flow_run(flow, court->rest, verdict == VERDICT_ANY ? court->beside : court->rooms);
    /* what stays in a room without a place goes back to where it came from */
    for (uint32_t n = 0; n < court->room_count; n++) {
        int64_t excess = flow->excess[flow->supply_count + n];
        for (uint32_t i = flow->room_firsts[n]; i < flow->room_firsts[n + 1] && excess > 0; i++) {
            int64_t *own = &flow->flows[flow->room_edges[i]];
            int64_t back = *own < excess ? *own : excess;
            *own -= back;
            excess -= back;
        }
        CHECK(excess == 0);
    }
}

static int64_t rate_of(const struct court *court, enum verdict verdict, uint32_t supply)
{
    const struct plan_audit_flow *flow = &court->flows[verdict];
    int64_t rate = 0;
    for (uint32_t e = flow->supply_firsts[supply]; e < flow->supply_firsts[supply + 1]; e++)
        rate += flow->flows[e];
    return rate;
}

/* Takes what <verdict> answers away; its rooms are left to requests of all sizes. */
static void leave_rest(struct court *court, enum verdict verdict)
{
    const struct plan_audit_flow *flow = &court->flows[verdict];
    for (uint32_t i = 0; i < flow->supply_count; i++)
        court->rest[i] -= rate_of(court, verdict, i);
    for (uint32_t n = 0; n < court->room_count; n++) {
        double part = court->rooms[n] > 0 ? (double)flow->left[n] / (double)court->rooms[n] : 0;
        court->beside[n] = (int64_t)(part * (double)court->beside[n]);
    }
}

/* Requests per second of demand <d>, and of those the answered. */
static double requests_of(const struct court *court, uint32_t d)
{
    const struct plan_demand_origin *demand = &court->made->demands[d];
    const struct plan_wish_service *wish =
        &court->made->wish->services[court->made->problem.demands[d].service];
    return wish->rates[demand->client] * wish->buckets[demand->bucket].share;
}

static double answered_by(const struct court *court, enum verdict verdict)
{
    double sum = 0;
    for (uint32_t i = 0; i < court->service->demand_count; i++)
        sum += (double)rate_of(court, verdict, i) / (double)court->supplies[i] *
               requests_of(court, court->service->demand_first + i);
    return sum;
}

/* Requests per second that are answered in time, and at all, when <lost> is gone. */
struct answered {
    double in_time, any;
};

/* What <first> answers, and in what it leaves all sizes beside; the rooms are set. */
static double answered_after(struct court *court, enum verdict first, double *ret_first)
{
    run(court, first);
    *ret_first = answered_by(court, first);
    leave_rest(court, first);
    run(court, VERDICT_ANY);
    return *ret_first + answered_by(court, VERDICT_ANY);
}

/* At all: the best of three ways, since what fits beside depends on what comes first. */
static struct answered hear(struct court *court, uint32_t lost)
{
    struct answered answered;
    double by_rules;
    set_rooms(court, lost);
    double in_time_first = answered_after(court, VERDICT_IN_TIME, &answered.in_time);
    set_rooms(court, lost);
    double rules_first = answered_after(court, VERDICT_RULES, &by_rules);
    set_rooms(court, lost);
    run(court, VERDICT_ANY);
    answered.any = answered_by(court, VERDICT_ANY);
    answered.any = in_time_first > answered.any ? in_time_first : answered.any;
    answered.any = rules_first > answered.any ? rules_first : answered.any;
    return answered;
}

static bool stands_in(const struct court *court, uint32_t region)
{
    for (uint32_t n = 0; n < court->room_count; n++)
        if (court->made->problem.nodes[court->nodes[n]].region == region)
            return true;
    return false;
}

/* The whole ---------------------------------------------------------------------------------- */

struct judge {
    const struct plan_formulation *made;
    struct arena *arena;
    const int64_t *speeds;
    double requests;        /* of all services */
    struct answered normal; /* summed over the services */
    struct answered *lost;  /* the same without each region */
    struct plan_answer answer;
    int64_t beside;  /* rate that is answered, but not by the rules */
    double room_usd; /* egress of a request, times room, summed */
    double room;     /* of all nodes that stand */
};

/* Answers by the rules into <answer>; what can be answered beside is counted. */
static void route(struct judge *judge, struct court *court)
{
    const struct plan_problem *problem = &judge->made->problem;
    const struct plan_audit_flow *flow = &court->flows[VERDICT_RULES];
    double by_rules;
    set_rooms(court, PLAN_NONE);
    answered_after(court, VERDICT_RULES, &by_rules);
    for (uint32_t i = 0; i < flow->supply_count; i++) {
        judge->beside += rate_of(court, VERDICT_ANY, i);
        for (uint32_t e = flow->supply_firsts[i]; e < flow->supply_firsts[i + 1]; e++)
            if (flow->flows[e] > 0)
                judge->answer.flows[judge->answer.flow_count++] =
                    (struct plan_flow){court->service->demand_first + i,
                                       court->nodes[flow->edge_rooms[e]], flow->flows[e]};
    }
    for (uint32_t n = 0; n < court->room_count; n++) {
        judge->room += (double)court->rooms[n];
        judge->room_usd += (double)court->rooms[n] * problem->nodes[court->nodes[n]].egress_usd;
    }
}

static bool judge_service(struct judge *judge, uint32_t s)
{
    const struct plan_problem *problem = &judge->made->problem;
    struct court court;
    size_t mark = judge->arena->used;
    if (!court_init(&court, judge->made, judge->answer.counts, judge->speeds, s, judge->arena))
        return false;
    for (uint32_t i = 0; i < court.service->demand_count; i++)
        judge->requests += requests_of(&court, court.service->demand_first + i);
    route(judge, &court);
    struct answered normal = hear(&court, PLAN_NONE), elsewhere = hear(&court, PLAN_REGIONS_MAX);
    judge->normal.in_time += normal.in_time;
    judge->normal.any += normal.any;
    for (uint32_t r = 0; r < problem->region_count; r++) {
        struct answered own = stands_in(&court, r) ? hear(&court, r) : elsewhere;
        judge->lost[r].in_time += own.in_time;
        judge->lost[r].any += own.any;
    }
    arena_reset(judge->arena, mark);
    return true;
}

/* A share between nothing and all; what rounding left is taken away. */
static double share_of(double part, double whole)
{
    const double rounding = 1e-9;
    double share = whole > 0 ? part / whole : 0;
    if (share > 1 - rounding)
        return 1;
    return share < rounding ? 0 : share;
}

static void say_shares(const struct judge *judge, struct plan_sheet_policy *policy)
{
    struct answered worst = judge->normal;
    for (uint32_t r = 0; r < judge->made->problem.region_count; r++) {
        const struct answered *own = &judge->lost[r];
        worst.in_time = r == 0 || own->in_time < worst.in_time ? own->in_time : worst.in_time;
        worst.any = r == 0 || own->any < worst.any ? own->any : worst.any;
    }
    policy->in_time = share_of(judge->normal.in_time, judge->requests);
    policy->unmet = share_of(judge->requests - judge->normal.any, judge->requests);
    policy->in_time_lost = share_of(worst.in_time, judge->requests);
    policy->unmet_lost = share_of(judge->requests - worst.any, judge->requests);
}

/* Two audits: the first adds up what the second looks at. */
static enum err say_cost(struct judge *judge, struct plan_sheet_policy *policy)
{
    const struct plan_problem *problem = &judge->made->problem;
    char message[512];
    struct text why;
    struct plan_cost cost;
    enum plan_breach breach;
    text_init(&why, message, sizeof message);
    if (!plan_settle(problem, &judge->answer, 0, judge->arena))
        return ERR_MEMORY;
    enum err err = plan_answer_audit(problem, &judge->answer, judge->arena, &cost, &breach, &why);
    if (err == ERR_MEMORY)
        return err;
    judge->answer.cost_usd_h = cost.total;
    text_truncate(&why, 0);
    err = plan_answer_audit(problem, &judge->answer, judge->arena, &cost, &breach, &why);
    if (err == ERR_MEMORY)
        return err;
    double mean_usd = judge->room > 0 ? judge->room_usd / judge->room : 0;
    double unmet = isfinite(cost.unmet) ? cost.unmet : 0; /* where it may not be, it has no price */
    policy->keeps_rules = !err;
    policy->egress_usd_h = cost.egress + REQUESTS_H * (double)judge->beside * mean_usd;
    policy->cost_usd_h =
        cost.machines + cost.open_sites + cost.moves + policy->egress_usd_h + unmet;
    policy->carbon_kg_h = 0;
    for (uint32_t c = 0; c < problem->column_count; c++)
        policy->carbon_kg_h += judge->answer.counts[c] * problem->columns[c].kg_co2_h;
    return ERR_OK;
}

enum err plan_rival_judge(const struct plan_formulation *made, uint32_t *counts,
                          struct arena *arena, struct plan_sheet_policy *ret_policy)
{
    const struct plan_problem *problem = &made->problem;
    size_t mark = arena->used, edges = 0;
    for (uint32_t d = 0; d < problem->demand_count; d++)
        edges += problem->demands[d].node_count;
    struct judge judge = {
        .made = made,
        .speeds = plan_rival_speeds(made, arena),
        .arena = arena,
        .lost = ARENA_ARRAY(arena, struct answered, problem->region_count),
        .answer = {.counts = counts, .flows = ARENA_ARRAY(arena, struct plan_flow, edges + 1)}};
    bool has_room = judge.speeds && judge.lost && judge.answer.flows;
    for (uint32_t s = 0; has_room && s < problem->service_count; s++)
        has_room = judge_service(&judge, s);
    enum err err = has_room ? say_cost(&judge, ret_policy) : ERR_MEMORY;
    if (!err)
        say_shares(&judge, ret_policy);
    arena_reset(arena, mark);
    return err;
}
