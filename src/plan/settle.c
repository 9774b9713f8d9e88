#include "plan/settle.h"

#include <math.h>

#include "base/check.h"

enum { VERTICES_MAX = PLAN_DEMANDS_MAX + PLAN_NODES_MAX, PATHS_A_VERTEX = 64 };

/* Milliseconds of a request that a dollar of its traffic counts as: from nearest at any price to
 * cheapest at any distance. */
static const double usd_in_ms[] = {0, 1e6, 1e7, 1e8, 1e9, 1e10, 1e15};

/* One service. Vertices: its demands, then its nodes. */
struct transport {
    const struct plan_problem *problem;
    const struct plan_service *service;
    uint32_t demand_count, node_count;
    int64_t *flows;      /* demand_count x node_count */
    double *costs;       /* the same; INFINITY: may not be answered there */
    int64_t *rooms;      /* left at each node */
    double *potentials;  /* of each vertex */
    double *distances;   /* scratch, of each vertex */
    uint32_t *before;    /* scratch: the vertex before, on the shortest way */
    bool *is_done;       /* scratch */
    uint64_t paths_left; /* before giving up */
    double usd_in_ms;
};

static size_t at(const struct transport *transport, uint32_t demand, uint32_t node)
{
    return (size_t)demand * transport->node_count + node;
}

static void relax(struct transport *transport, uint32_t from, uint32_t to, double cost)
{
    double reduced = cost + transport->potentials[from] - transport->potentials[to];
    reduced = reduced > 0 ? reduced : 0; /* below only by rounding */
    double distance = transport->distances[from] + reduced;
    if (distance >= transport->distances[to])
        return;
    transport->distances[to] = distance;
    transport->before[to] = from;
}

/* From <vertex> along everything that may carry more. */
static void relax_all(struct transport *transport, uint32_t vertex)
{
    uint32_t demand_count = transport->demand_count;
    if (vertex < demand_count) {
        for (uint32_t n = 0; n < transport->node_count; n++)
            if (transport->costs[at(transport, vertex, n)] < INFINITY)
                relax(transport, vertex, demand_count + n,
                      transport->costs[at(transport, vertex, n)]);
        return;
    }
    uint32_t n = vertex - demand_count;
    for (uint32_t d = 0; d < demand_count; d++)
        if (transport->flows[at(transport, d, n)] > 0)
            relax(transport, vertex, d, -transport->costs[at(transport, d, n)]);
}

/* Dijkstra from <demand>; answers the nearest vertex of a node with room, or PLAN_NONE. */
static uint32_t find_way(struct transport *transport, uint32_t demand)
{
    uint32_t count = transport->demand_count + transport->node_count;
    for (uint32_t i = 0; i < count; i++) {
        transport->distances[i] = INFINITY;
        transport->is_done[i] = false;
    }
    transport->distances[demand] = 0;
    for (;;) {
        uint32_t next = PLAN_NONE;
        for (uint32_t i = 0; i < count; i++)
            if (!transport->is_done[i] && transport->distances[i] < INFINITY &&
                (next == PLAN_NONE || transport->distances[i] < transport->distances[next]))
                next = i;
        if (next == PLAN_NONE)
            return PLAN_NONE;
        transport->is_done[next] = true;
        if (next >= transport->demand_count && transport->rooms[next - transport->demand_count] > 0)
            return next;
        relax_all(transport, next);
    }
}

/* The potentials that keep all reduced costs at 0 or above once the way to <end> is used. */
static void lift(struct transport *transport, uint32_t end)
{
    double farthest = transport->distances[end];
    for (uint32_t i = 0; i < transport->demand_count + transport->node_count; i++) {
        double distance = transport->is_done[i] ? transport->distances[i] : farthest;
        transport->potentials[i] += distance < farthest ? distance : farthest;
    }
}

/* Sends as much as fits along the way to <end>; answers how much. */
static int64_t send(struct transport *transport, uint32_t demand, uint32_t end, int64_t most)
{
    uint32_t demand_count = transport->demand_count;
    int64_t room = transport->rooms[end - demand_count];
    most = room < most ? room : most;
    for (uint32_t v = end; v != demand; v = transport->before[v])
        if (v < demand_count) { /* reached by taking its requests away from the node before */
            int64_t flow = transport->flows[at(transport, v, transport->before[v] - demand_count)];
            most = flow < most ? flow : most;
        }
    for (uint32_t v = end; v != demand; v = transport->before[v]) {
        uint32_t from = transport->before[v];
        if (v < demand_count)
            transport->flows[at(transport, v, from - demand_count)] -= most;
        else
            transport->flows[at(transport, from, v - demand_count)] += most;
    }
    transport->rooms[end - demand_count] -= most;
    return most;
}

/* False: too much work, or no way (which the flows before contradict but for that). */
static bool settle_demand(struct transport *transport, uint32_t demand, int64_t rate)
{
    while (rate > 0) {
        uint32_t end = transport->paths_left > 0 ? find_way(transport, demand) : PLAN_NONE;
        if (end == PLAN_NONE)
            return false;
        transport->paths_left--;
        lift(transport, end);
        rate -= send(transport, demand, end, rate);
    }
    return true;
}

static void begin(struct transport *transport, const struct plan_answer *answer, uint32_t s)
{
    const struct plan_problem *problem = transport->problem;
    const struct plan_service *service = &problem->services[s];
    transport->service = service;
    transport->demand_count = service->demand_count;
    transport->node_count = service->node_count;
    transport->paths_left =
        (uint64_t)PATHS_A_VERTEX * (service->demand_count + service->node_count);
    for (size_t i = 0; i < (size_t)service->demand_count * service->node_count; i++) {
        transport->flows[i] = 0;
        transport->costs[i] = INFINITY;
    }
    for (uint32_t d = 0; d < service->demand_count; d++) {
        const struct plan_demand *demand = &problem->demands[service->demand_first + d];
        transport->potentials[d] = 0;
        for (uint32_t i = 0; i < demand->node_count; i++) {
            uint32_t n = demand->nodes[i] - service->node_first;
            transport->costs[at(transport, d, n)] =
                transport->usd_in_ms * problem->nodes[demand->nodes[i]].egress_usd +
                (demand->latencies_ms ? (double)demand->latencies_ms[i] : 0);
        }
    }
    for (uint32_t n = 0; n < service->node_count; n++) {
        const struct plan_node *node = &problem->nodes[service->node_first + n];
        int64_t speed = 0;
        for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
            speed += problem->columns[c].speed * (int64_t)answer->counts[c];
        transport->rooms[n] = plan_capacity(speed, service->share_ppm);
        transport->potentials[transport->demand_count + n] = 0;
    }
}

/* All demands of one service anew; what does not come out stays as it was. */
static void settle_service(struct transport *transport, const struct plan_answer *answer,
                           uint32_t s, struct plan_flow *flows, uint32_t *flow_count)
{
    begin(transport, answer, s);
    const struct plan_service *service = transport->service;
    bool is_settled = true;
    for (uint32_t d = 0; d < service->demand_count && is_settled; d++) {
        int64_t rate = 0;
        for (uint32_t i = 0; i < answer->flow_count; i++)
            if (answer->flows[i].demand == service->demand_first + d)
                rate += answer->flows[i].rate;
        is_settled = settle_demand(transport, d, rate);
    }
    for (uint32_t i = 0; i < answer->flow_count && !is_settled; i++)
        if (transport->problem->demands[answer->flows[i].demand].service == s)
            flows[(*flow_count)++] = answer->flows[i];
    for (uint32_t d = 0; d < service->demand_count && is_settled; d++)
        for (uint32_t n = 0; n < service->node_count; n++)
            if (transport->flows[at(transport, d, n)] > 0)
                flows[(*flow_count)++] =
                    (struct plan_flow){.demand = service->demand_first + d,
                                       .node = service->node_first + n,
                                       .rate = transport->flows[at(transport, d, n)]};
}

static double traffic_usd_h(const struct plan_problem *problem, const struct plan_flow *flows,
                            uint32_t count)
{
    double usd_h = 0;
    for (uint32_t i = 0; i < count; i++)
        usd_h += 3600e-6 * (double)flows[i].rate * problem->nodes[flows[i].node].egress_usd;
    return usd_h;
}

bool plan_settle(const struct plan_problem *problem, struct plan_answer *answer, double more_usd_h,
                 struct arena *arena)
{
    size_t pairs = 0, flows_max = answer->flow_count;
    for (uint32_t s = 0; s < problem->service_count; s++) {
        size_t own = (size_t)problem->services[s].demand_count * problem->services[s].node_count;
        pairs = own > pairs ? own : pairs;
    }
    for (uint32_t d = 0; d < problem->demand_count; d++)
        flows_max += problem->demands[d].node_count;
    struct transport transport = {.problem = problem,
                                  .flows = ARENA_ARRAY(arena, int64_t, pairs + 1),
                                  .costs = ARENA_ARRAY(arena, double, pairs + 1),
                                  .rooms = ARENA_ARRAY(arena, int64_t, PLAN_NODES_MAX),
                                  .potentials = ARENA_ARRAY(arena, double, VERTICES_MAX),
                                  .distances = ARENA_ARRAY(arena, double, VERTICES_MAX),
                                  .before = ARENA_ARRAY(arena, uint32_t, VERTICES_MAX),
                                  .is_done = ARENA_ARRAY(arena, bool, VERTICES_MAX)};
    struct plan_flow *flows = ARENA_ARRAY(arena, struct plan_flow, flows_max + 1);
    uint32_t flow_count = 0;
    if (arena->is_overflown)
        return false;
    double before = traffic_usd_h(problem, answer->flows, answer->flow_count), after = before;
    for (size_t i = 0; i < COUNT_OF(usd_in_ms); i++) {
        transport.usd_in_ms = usd_in_ms[i];
        flow_count = 0;
        for (uint32_t s = 0; s < problem->service_count; s++)
            settle_service(&transport, answer, s, flows, &flow_count);
        after = traffic_usd_h(problem, flows, flow_count);
        if (after <= before + more_usd_h)
            break;
    }
    if (after > before + more_usd_h + 1e-9 * before) /* the search's own was cheaper */
        return true;
    answer->cost_usd_h += after - before;
    answer->flows = flows;
    answer->flow_count = flow_count;
    return true;
}
