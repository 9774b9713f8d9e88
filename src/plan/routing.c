#include "plan/routing.h"

#include <string.h>

#include "base/check.h"

enum { UNSEEN = UINT32_MAX };

bool plan_graph_init(struct plan_graph *graph, const struct plan_problem *problem, uint32_t service,
                     struct arena *arena)
{
    const struct plan_service *own = &problem->services[service];
    const struct plan_demand *demands = &problem->demands[own->demand_first];
    uint32_t edge_count = 0;
    for (uint32_t d = 0; d < own->demand_count; d++)
        edge_count += demands[d].node_count;
    int64_t *rates = ARENA_ARRAY(arena, int64_t, own->demand_count);
    uint32_t *firsts = ARENA_ARRAY(arena, uint32_t, own->demand_count + 1);
    uint32_t *edge_nodes = ARENA_ARRAY(arena, uint32_t, edge_count);
    uint32_t *edge_demands = ARENA_ARRAY(arena, uint32_t, edge_count);
    uint32_t *node_links = ARENA_ARRAY(arena, uint32_t, own->node_count + 2);
    uint32_t *links = ARENA_ARRAY(arena, uint32_t, edge_count);
    if (arena->is_overflown)
        return false;
    uint32_t edge = 0;
    for (uint32_t d = 0; d < own->demand_count; d++) {
        rates[d] = demands[d].rate;
        firsts[d] = edge;
        for (uint32_t i = 0; i < demands[d].node_count; i++, edge++) {
            edge_nodes[edge] = demands[d].nodes[i] - own->node_first;
            edge_demands[edge] = d;
            node_links[edge_nodes[edge] + 2]++;
        }
    }
    firsts[own->demand_count] = edge;
    for (uint32_t v = 0; v < own->node_count; v++)
        node_links[v + 2] += node_links[v + 1];
    for (edge = 0; edge < edge_count; edge++)
        links[node_links[edge_nodes[edge] + 1]++] = edge;
    *graph = (struct plan_graph){.demand_count = own->demand_count,
                                 .node_count = own->node_count,
                                 .edge_count = edge_count,
                                 .rates = rates,
                                 .demand_edges = firsts,
                                 .edge_nodes = edge_nodes,
                                 .edge_demands = edge_demands,
                                 .node_links = node_links,
                                 .links = links};
    return true;
}

bool plan_routing_init(struct plan_routing *routing, const struct plan_graph *graph,
                       struct arena *arena)
{
    uint32_t count = graph->demand_count + graph->node_count;
    routing->left = ARENA_ARRAY(arena, int64_t, graph->demand_count);
    routing->room = ARENA_ARRAY(arena, int64_t, graph->node_count);
    routing->flows = ARENA_ARRAY(arena, int64_t, graph->edge_count);
    routing->levels = ARENA_ARRAY(arena, uint32_t, count);
    routing->cursors = ARENA_ARRAY(arena, uint32_t, count);
    routing->queue = ARENA_ARRAY(arena, uint32_t, count);
    routing->path = ARENA_ARRAY(arena, uint32_t, count);
    return !arena->is_overflown;
}

static bool passes(const struct plan_routing *routing, uint32_t edge, bool is_forward)
{
    if (!is_forward)
        return routing->flows[edge] > 0;
    return !routing->limits || routing->flows[edge] < routing->limits[edge];
}

/* Breadth first from what is left; demands come first in <levels>, then nodes. Answers whether a
 * node with room was reached; with <is_cut> all that can be reached is marked. */
static bool find_levels(const struct plan_graph *graph, struct plan_routing *routing, bool is_cut,
                        uint64_t *work)
{
    uint32_t demand_count = graph->demand_count, end = 0, last = UNSEEN;
    memset(routing->levels, 0xff, (demand_count + graph->node_count) * sizeof(uint32_t));
    for (uint32_t d = 0; d < demand_count; d++)
        if (routing->left[d] > 0) {
            routing->levels[d] = 0;
            routing->queue[end++] = d;
        }
    for (uint32_t at = 0; at < end; at++) {
        uint32_t vertex = routing->queue[at], level = routing->levels[vertex] + 1;
        if (level > last && !is_cut)
            break;
        bool is_demand = vertex < demand_count;
        const uint32_t *firsts =
            is_demand ? &graph->demand_edges[vertex] : &graph->node_links[vertex - demand_count];
        *work += firsts[1] - firsts[0];
        for (uint32_t i = firsts[0]; i < firsts[1]; i++) {
            uint32_t edge = is_demand ? i : graph->links[i];
            uint32_t next =
                is_demand ? demand_count + graph->edge_nodes[edge] : graph->edge_demands[edge];
            if (routing->levels[next] != UNSEEN || !passes(routing, edge, is_demand))
                continue;
            routing->levels[next] = level;
            routing->queue[end++] = next;
            if (is_demand && routing->room[next - demand_count] > 0)
                last = level;
        }
    }
    return last != UNSEEN;
}

/* One path of rising levels from demand <start> to a node with room; pushes as much as it takes.
 * Answers what was pushed; 0: none is left. */
static int64_t push_path(const struct plan_graph *graph, struct plan_routing *routing,
                         uint32_t start, uint64_t *work)
{
    uint32_t demand_count = graph->demand_count, depth = 0, vertex = start;
    for (;;) {
        bool is_demand = vertex < demand_count;
        if (!is_demand && routing->room[vertex - demand_count] > 0)
            break;
        const uint32_t *firsts =
            is_demand ? &graph->demand_edges[vertex] : &graph->node_links[vertex - demand_count];
        bool has_moved = false;
        for (uint32_t *i = &routing->cursors[vertex]; firsts[0] + *i < firsts[1]; (*i)++) {
            uint32_t edge = is_demand ? firsts[0] + *i : graph->links[firsts[0] + *i];
            uint32_t next =
                is_demand ? demand_count + graph->edge_nodes[edge] : graph->edge_demands[edge];
            ++*work;
            if (routing->levels[next] != routing->levels[vertex] + 1 ||
                !passes(routing, edge, is_demand))
                continue;
            routing->path[depth++] = edge;
            vertex = next;
            has_moved = true;
            break;
        }
        if (has_moved)
            continue;
        if (depth == 0)
            return 0;
        uint32_t edge = routing->path[--depth]; /* back: the edge that led here is used up */
        vertex = is_demand ? demand_count + graph->edge_nodes[edge] : graph->edge_demands[edge];
        routing->cursors[vertex]++;
    }
    uint32_t node = vertex - demand_count;
    int64_t amount = routing->left[start];
    if (routing->room[node] < amount)
        amount = routing->room[node];
    for (uint32_t i = 0; i < depth; i++) {
        uint32_t edge = routing->path[i];
        int64_t most = i % 2             ? routing->flows[edge]
                       : routing->limits ? routing->limits[edge] - routing->flows[edge]
                                         : amount;
        amount = most < amount ? most : amount;
    }
    for (uint32_t i = 0; i < depth; i++)
        routing->flows[routing->path[i]] += i % 2 ? -amount : amount;
    routing->left[start] -= amount;
    routing->room[node] -= amount;
    return amount;
}

int64_t plan_route_more(const struct plan_graph *graph, struct plan_routing *routing,
                        uint64_t *work)
{
    while (find_levels(graph, routing, false, work)) {
        memset(routing->cursors, 0,
               (graph->demand_count + graph->node_count) * sizeof *routing->cursors);
        for (uint32_t d = 0; d < graph->demand_count; d++)
            while (routing->left[d] > 0 && push_path(graph, routing, d, work) > 0)
                continue;
    }
    int64_t left = 0;
    for (uint32_t d = 0; d < graph->demand_count; d++)
        left += routing->left[d];
    return left;
}

int64_t plan_route_all(const struct plan_graph *graph, struct plan_routing *routing,
                       const int64_t *room, uint64_t *work)
{
    memcpy(routing->left, graph->rates, graph->demand_count * sizeof *routing->left);
    memcpy(routing->room, room, graph->node_count * sizeof *routing->room);
    memset(routing->flows, 0, graph->edge_count * sizeof *routing->flows);
    return plan_route_more(graph, routing, work);
}

void plan_routing_cut(const struct plan_graph *graph, struct plan_routing *routing,
                      struct plan_demand_set *ret_set, bool *ret_is_reached)
{
    uint64_t work = 0;
    CHECK(!find_levels(graph, routing, true, &work));
    *ret_set = (struct plan_demand_set){{0}};
    for (uint32_t d = 0; d < graph->demand_count; d++)
        if (routing->levels[d] != UNSEEN)
            plan_demand_set_add(ret_set, d);
    for (uint32_t v = 0; v < graph->node_count; v++)
        ret_is_reached[v] = routing->levels[graph->demand_count + v] != UNSEEN;
}
