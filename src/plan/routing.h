/* routing.h: can the demands of one service be answered by nodes of given room? Exact, in integers.
 *
 * A bipartite max-flow (Dinic): demands on one side, nodes on the other. When demand is left over,
 * the demands that still reach from it are a set U with rate(U) > room(N(U)): Hall's condition
 * fails there, and that is the cut which cut.h turns into a row.
 *
 * Sources: Hall, 1935; Dinic, 1970; Gale, 1957 (demand and supply). */
#ifndef PLAN_ROUTING_H
#define PLAN_ROUTING_H

#include "plan/problem.h"

struct plan_demand_set { /* bit i: demand_first + i */
    uint64_t words[PLAN_DEMANDS_MAX / 64];
};

/* The edges of one service, both ways; indices are local to the service. */
struct plan_graph {
    uint32_t demand_count, node_count, edge_count;
    const int64_t *rates;         /* of demands */
    const uint32_t *demand_edges; /* first edge of each demand; demand_count + 1 */
    const uint32_t *edge_nodes, *edge_demands;
    const uint32_t *node_links; /* first link of each node; node_count + 1 */
    const uint32_t *links;      /* edges that enter it */
};

/* Where the flow is; all zero to begin with. */
struct plan_routing {
    const int64_t *limits;                     /* most flow of each edge; NULL: no limits */
    int64_t *left;                             /* of each demand: not answered yet */
    int64_t *room;                             /* of each node: not used yet */
    int64_t *flows;                            /* of each edge */
    uint32_t *levels, *cursors, *queue, *path; /* scratch */
};

/* NULL-free parts from <arena>; false when it is full. */
bool plan_graph_init(struct plan_graph *graph, const struct plan_problem *problem, uint32_t service,
                     struct arena *arena);
bool plan_routing_init(struct plan_routing *routing, const struct plan_graph *graph,
                       struct arena *arena);

/* Routes all demands from nothing, given <room> of each node. The rate left over. <ret_work> grows
 * by the edges looked at. */
int64_t plan_route_all(const struct plan_graph *graph, struct plan_routing *routing,
                       const int64_t *room, uint64_t *work);

/* Goes on with what is there, after room was added. */
int64_t plan_route_more(const struct plan_graph *graph, struct plan_routing *routing,
                        uint64_t *work);

/* After a routing that left something: the demands of the cut, and which nodes they reach. Nodes
 * near them that are not reached are behind edges at their limit. */
void plan_routing_cut(const struct plan_graph *graph, struct plan_routing *routing,
                      struct plan_demand_set *ret_set, bool *ret_is_reached);

static inline bool plan_demand_set_has(const struct plan_demand_set *set, uint32_t demand)
{
    return set->words[demand / 64] >> (demand % 64) & 1;
}

static inline void plan_demand_set_add(struct plan_demand_set *set, uint32_t demand)
{
    set->words[demand / 64] |= UINT64_C(1) << (demand % 64);
}

#endif
