#include "plan/audit_flow.h"

#include <string.h>

#include "base/check.h"

bool plan_audit_flow_init(struct plan_audit_flow *flow, uint32_t supply_count, uint32_t room_count,
                          const uint32_t *supply_firsts, const uint32_t *edge_rooms,
                          struct arena *arena)
{
    uint32_t place_count = supply_count + room_count, edge_count = supply_firsts[supply_count];
    *flow = (struct plan_audit_flow){.supply_count = supply_count,
                                     .room_count = room_count,
                                     .edge_count = edge_count,
                                     .supply_firsts = supply_firsts,
                                     .edge_rooms = edge_rooms,
                                     .edge_supplies = ARENA_ARRAY(arena, uint32_t, edge_count),
                                     .room_firsts = ARENA_ARRAY(arena, uint32_t, room_count + 2),
                                     .room_edges = ARENA_ARRAY(arena, uint32_t, edge_count),
                                     .flows = ARENA_ARRAY(arena, int64_t, edge_count),
                                     .left = ARENA_ARRAY(arena, int64_t, room_count),
                                     .excess = ARENA_ARRAY(arena, int64_t, place_count),
                                     .heights = ARENA_ARRAY(arena, uint32_t, place_count),
                                     .queue = ARENA_ARRAY(arena, uint32_t, place_count),
                                     .is_queued = ARENA_ARRAY(arena, bool, place_count)};
    if (arena->is_overflown)
        return false;
    for (uint32_t e = 0; e < edge_count; e++) {
        CHECK(edge_rooms[e] < room_count);
        flow->room_firsts[edge_rooms[e] + 2]++;
    }
    for (uint32_t v = 0; v < room_count; v++)
        flow->room_firsts[v + 2] += flow->room_firsts[v + 1];
    for (uint32_t s = 0; s < supply_count; s++)
        for (uint32_t e = supply_firsts[s]; e < supply_firsts[s + 1]; e++) {
            flow->edge_supplies[e] = s;
            flow->room_edges[flow->room_firsts[edge_rooms[e] + 1]++] = e;
        }
    return true;
}

static uint32_t place_count_of(const struct plan_audit_flow *flow)
{
    return flow->supply_count + flow->room_count;
}

/* The height from which no path leads to a free room. */
static uint32_t top_of(const struct plan_audit_flow *flow)
{
    return place_count_of(flow) + 2;
}

static void enqueue(struct plan_audit_flow *flow, uint32_t place)
{
    if (flow->is_queued[place] || flow->heights[place] >= top_of(flow))
        return;
    CHECK(flow->queue_count < place_count_of(flow));
    flow->queue[(flow->queue_first + flow->queue_count++) % place_count_of(flow)] = place;
    flow->is_queued[place] = true;
}

static uint32_t dequeue(struct plan_audit_flow *flow)
{
    uint32_t place = flow->queue[flow->queue_first];
    flow->queue_first = (flow->queue_first + 1) % place_count_of(flow);
    flow->queue_count--;
    flow->is_queued[place] = false;
    return place;
}

/* Heights: steps to a free room, counted from those; places that reach none lie at the top. The
 * queue serves as the list of places found, and is filled again after. */
static void set_heights(struct plan_audit_flow *flow)
{
    uint32_t found = 0, supply_count = flow->supply_count;
    for (uint32_t place = 0; place < place_count_of(flow); place++) {
        flow->heights[place] = top_of(flow);
        flow->is_queued[place] = false;
    }
    for (uint32_t v = 0; v < flow->room_count; v++)
        if (flow->left[v] > 0) {
            flow->heights[supply_count + v] = 1;
            flow->queue[found++] = supply_count + v;
        }
    for (uint32_t next = 0; next < found; next++) {
        uint32_t place = flow->queue[next], height = flow->heights[place] + 1;
        bool is_supply = place < supply_count;
        const uint32_t *firsts =
            is_supply ? &flow->supply_firsts[place] : &flow->room_firsts[place - supply_count];
        for (uint32_t i = firsts[0]; i < firsts[1]; i++) {
            uint32_t e = is_supply ? i : flow->room_edges[i];
            uint32_t from = is_supply ? supply_count + flow->edge_rooms[e] : flow->edge_supplies[e];
            if (flow->heights[from] <= height || (is_supply && flow->flows[e] == 0))
                continue;
            flow->heights[from] = height;
            flow->queue[found++] = from;
        }
    }
    flow->queue_first = flow->queue_count = 0;
    for (uint32_t place = 0; place < place_count_of(flow); place++)
        if (flow->excess[place] > 0)
            enqueue(flow, place);
}

/* Pushes the excess of <supply> to a lower room; answers the height from which it could. */
static uint32_t push_supply(struct plan_audit_flow *flow, uint32_t supply)
{
    uint32_t least = top_of(flow);
    for (uint32_t e = flow->supply_firsts[supply]; e < flow->supply_firsts[supply + 1]; e++) {
        uint32_t room = flow->supply_count + flow->edge_rooms[e];
        if (flow->heights[room] < flow->heights[supply]) {
            flow->flows[e] += flow->excess[supply];
            flow->excess[room] += flow->excess[supply];
            flow->excess[supply] = 0;
            enqueue(flow, room);
            return flow->heights[supply];
        }
        least = flow->heights[room] + 1 < least ? flow->heights[room] + 1 : least;
    }
    return least;
}

/* The same for a room: first what it has free itself, then back to lower supplies. */
static uint32_t push_room(struct plan_audit_flow *flow, uint32_t room)
{
    uint32_t place = flow->supply_count + room, least = top_of(flow);
    int64_t taken = flow->excess[place] < flow->left[room] ? flow->excess[place] : flow->left[room];
    flow->left[room] -= taken;
    flow->excess[place] -= taken;
    for (uint32_t i = flow->room_firsts[room]; i < flow->room_firsts[room + 1]; i++) {
        uint32_t e = flow->room_edges[i], supply = flow->edge_supplies[e];
        if (flow->excess[place] == 0)
            return flow->heights[place];
        if (flow->flows[e] == 0)
            continue;
        if (flow->heights[supply] < flow->heights[place]) {
            int64_t back =
                flow->excess[place] < flow->flows[e] ? flow->excess[place] : flow->flows[e];
            flow->flows[e] -= back;
            flow->excess[place] -= back;
            flow->excess[supply] += back;
            enqueue(flow, supply);
        } else {
            least = flow->heights[supply] + 1 < least ? flow->heights[supply] + 1 : least;
        }
    }
    return flow->excess[place] == 0 ? flow->heights[place] : least;
}

int64_t plan_audit_flow_run(struct plan_audit_flow *flow, const int64_t *supplies,
                            const int64_t *rooms)
{
    uint32_t lifts = 0;
    int64_t rest = 0;
    memset(flow->flows, 0, flow->edge_count * sizeof *flow->flows);
    memset(flow->excess, 0, place_count_of(flow) * sizeof *flow->excess);
    memcpy(flow->excess, supplies, flow->supply_count * sizeof *supplies);
    memcpy(flow->left, rooms, flow->room_count * sizeof *rooms);
    set_heights(flow);
    while (flow->queue_count > 0) {
        uint32_t place = dequeue(flow);
        uint32_t height = place < flow->supply_count ? push_supply(flow, place)
                                                     : push_room(flow, place - flow->supply_count);
        if (flow->excess[place] == 0)
            continue;
        CHECK(height > flow->heights[place]);
        flow->heights[place] = height;
        enqueue(flow, place);
        if (++lifts % place_count_of(flow) == 0)
            set_heights(flow);
    }
    for (uint32_t place = 0; place < place_count_of(flow); place++)
        rest += flow->excess[place];
    return rest;
}
