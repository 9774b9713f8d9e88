#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "plan/routing.h"

enum { DEMANDS = 7, NODES = 6, ROUNDS = 3000 };

static char memory[1 << 20];

struct fixture {
    struct plan_problem problem;
    struct plan_service service;
    struct plan_node nodes[NODES];
    struct plan_demand demands[DEMANDS];
    uint32_t near[DEMANDS][NODES];
    struct plan_graph graph;
    struct plan_routing routing;
    int64_t room[NODES], limits[DEMANDS * NODES];
};

/* Small integers, so that ties and exact fits are common. */
static void draw(struct fixture *f, struct rng *rng)
{
    struct arena arena;
    memset(f, 0, sizeof *f);
    arena_init(&arena, memory, sizeof memory);
    f->service = (struct plan_service){.node_count = NODES, .demand_count = DEMANDS};
    for (uint32_t d = 0; d < DEMANDS; d++) {
        struct plan_demand *demand = &f->demands[d];
        *demand = (struct plan_demand){.rate = 1 + (int64_t)rng_below(rng, 9), .nodes = f->near[d]};
        for (uint32_t v = 0; v < NODES; v++)
            if (rng_below(rng, 3) == 0)
                f->near[d][demand->node_count++] = v;
    }
    for (uint32_t v = 0; v < NODES; v++)
        f->room[v] = (int64_t)rng_below(rng, 16);
    f->problem = (struct plan_problem){.service_count = 1,
                                       .node_count = NODES,
                                       .demand_count = DEMANDS,
                                       .services = &f->service,
                                       .nodes = f->nodes,
                                       .demands = f->demands};
    assert_true(plan_graph_init(&f->graph, &f->problem, 0, &arena));
    assert_true(plan_routing_init(&f->routing, &f->graph, &arena));
    for (uint32_t e = 0; e < f->graph.edge_count; e++)
        f->limits[e] = (int64_t)rng_below(rng, 8);
}

/* What cannot be answered of the set U, at most over all U: max-flow's dual, by enumeration. A node
 * counts with its room, or with the limits of the edges that lead to it from U. */
static int64_t lack_by_enumeration(const struct fixture *f, bool has_limits, uint32_t only)
{
    int64_t worst = 0;
    for (uint32_t set = 0; set < 1U << DEMANDS; set++) {
        if (only && set != only)
            continue;
        int64_t lack = 0, edges[NODES] = {0};
        for (uint32_t d = 0; d < DEMANDS; d++)
            lack += set >> d & 1 ? f->demands[d].rate : 0;
        for (uint32_t e = 0; e < f->graph.edge_count; e++)
            if (set >> f->graph.edge_demands[e] & 1)
                edges[f->graph.edge_nodes[e]] += has_limits ? f->limits[e] : 1 << 20;
        for (uint32_t v = 0; v < NODES; v++)
            lack -= edges[v] < f->room[v] ? edges[v] : f->room[v];
        worst = lack > worst ? lack : worst;
    }
    return worst;
}

static void assert_flow_is_sound(const struct fixture *f, bool has_limits, int64_t left)
{
    int64_t used[NODES] = {0}, answered[DEMANDS] = {0}, rest = 0;
    for (uint32_t e = 0; e < f->graph.edge_count; e++) {
        assert_true(f->routing.flows[e] >= 0);
        assert_true(!has_limits || f->routing.flows[e] <= f->limits[e]);
        used[f->graph.edge_nodes[e]] += f->routing.flows[e];
        answered[f->graph.edge_demands[e]] += f->routing.flows[e];
    }
    for (uint32_t v = 0; v < NODES; v++)
        assert_true(used[v] + f->routing.room[v] == f->room[v]);
    for (uint32_t d = 0; d < DEMANDS; d++) {
        assert_true(answered[d] + f->routing.left[d] == f->demands[d].rate);
        rest += f->routing.left[d];
    }
    assert_true(rest == left);
}

static void what_is_left_over_is_the_worst_lack_of_any_set(void **state)
{
    (void)state;
    static struct fixture f;
    struct rng rng;
    rng_init(&rng, 5);
    unsigned short_of = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        draw(&f, &rng);
        bool has_limits = round % 2;
        f.routing.limits = has_limits ? f.limits : NULL;
        uint64_t work = 0;
        int64_t left = plan_route_all(&f.graph, &f.routing, f.room, &work);
        assert_flow_is_sound(&f, has_limits, left);
        assert_true(left == lack_by_enumeration(&f, has_limits, 0));
        if (left == 0)
            continue;
        struct plan_demand_set set;
        bool is_reached[PLAN_NODES_MAX];
        plan_routing_cut(&f.graph, &f.routing, &set, is_reached);
        assert_true(lack_by_enumeration(&f, has_limits, (uint32_t)set.words[0]) == left);
        short_of++;
    }
    assert_in_range(short_of, ROUNDS / 10, ROUNDS - ROUNDS / 20);
}

static void room_that_is_added_is_used_from_where_it_stood(void **state)
{
    (void)state;
    static struct fixture f;
    struct rng rng;
    rng_init(&rng, 6);
    for (unsigned round = 0; round < ROUNDS; round++) {
        draw(&f, &rng);
        uint64_t work = 0;
        plan_route_all(&f.graph, &f.routing, f.room, &work);
        uint32_t node = (uint32_t)rng_below(&rng, NODES);
        f.routing.room[node] += 5;
        f.room[node] += 5;
        int64_t left = plan_route_more(&f.graph, &f.routing, &work);
        assert_flow_is_sound(&f, false, left);
        assert_true(left == lack_by_enumeration(&f, false, 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_over_is_the_worst_lack_of_any_set),
        cmocka_unit_test(room_that_is_added_is_used_from_where_it_stood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
