/* audit_flow.h: how much of given supplies fits into given rooms: max-flow by push and relabel, for
 * the audit.
 *
 *   supply s --(any amount)--> room v, for each edge (s, v);   room v takes at most rooms[v]
 *
 * What lies at a supply is pushed downhill to rooms and from full rooms back to supplies; a place
 * with nothing below it is lifted. What is lifted above every path to a free room stays where it
 * is: that sum, left over, is exact. First in, first out; heights are set anew from the free rooms
 * (breadth first) at the start and after as many lifts as there are places.
 *
 * The search answers the same question by augmenting paths (routing.h). Nothing is shared, so that
 * one can be trusted to find the other's errors.
 *
 * Source: A. Goldberg, R. Tarjan, A new approach to the maximum-flow problem, JACM 35 (1988). */
#ifndef PLAN_AUDIT_FLOW_H
#define PLAN_AUDIT_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

struct plan_audit_flow {
    uint32_t supply_count, room_count, edge_count;
    const uint32_t *supply_firsts; /* first edge of each supply; supply_count + 1 */
    const uint32_t *edge_rooms;    /* of each edge, by supply */
    uint32_t *edge_supplies;
    uint32_t *room_firsts; /* first entry of each room in room_edges; room_count + 1 */
    uint32_t *room_edges;
    int64_t *flows;  /* of each edge, after a run */
    int64_t *left;   /* of each room */
    int64_t *excess; /* of each place: supplies, then rooms */
    uint32_t *heights;
    uint32_t *queue; /* places with excess: a ring of supply_count + room_count */
    bool *is_queued;
    uint32_t queue_first, queue_count;
};

/* <supply_firsts> and <edge_rooms> stay the caller's and must outlive it. false: <arena> is too
 * small. */
bool plan_audit_flow_init(struct plan_audit_flow *flow, uint32_t supply_count, uint32_t room_count,
                          const uint32_t *supply_firsts, const uint32_t *edge_rooms,
                          struct arena *arena);

/* What of <supplies> (>= 0) no room can take, rooms >= 0; both sums below 2^62. 0: <flows> says how
 * all of it is taken. */
int64_t plan_audit_flow_run(struct plan_audit_flow *flow, const int64_t *supplies,
                            const int64_t *rooms);

#endif
