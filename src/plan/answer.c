#include "plan/answer.h"

#include "plan/lp.h"
#include "plan/place.h"

double plan_answer_cost(const struct plan_problem *problem, const struct plan_answer *answer)
{
    double cost = 0;
    for (uint32_t v = 0; v < problem->node_count; v++) {
        const struct plan_node *node = &problem->nodes[v];
        bool is_open = false;
        for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++) {
            const struct plan_column *column = &problem->columns[c];
            uint32_t count = answer->counts[c];
            is_open = is_open || count > 0;
            cost += column->cost_usd_h * count;
            cost += count > column->running ? column->start_usd_h * (count - column->running)
                                            : column->stop_usd_h * (column->running - count);
        }
        cost += is_open ? node->open_usd_h : 0;
    }
    for (uint32_t d = 0; d < problem->demand_count; d++)
        cost += problem->demands[d].unmet_usd < PLAN_LP_INFINITY
                    ? 3600e-6 * (double)problem->demands[d].rate * problem->demands[d].unmet_usd
                    : 0;
    for (uint32_t i = 0; i < answer->flow_count; i++) {
        double unmet_usd = problem->demands[answer->flows[i].demand].unmet_usd;
        cost -=
            unmet_usd < PLAN_LP_INFINITY ? 3600e-6 * (double)answer->flows[i].rate * unmet_usd : 0;
        cost += 3600e-6 * (double)answer->flows[i].rate *
                problem->nodes[answer->flows[i].node].egress_usd;
    }
    return cost;
}

static void add_flows(struct plan_place *place, uint32_t service, struct plan_answer *answer)
{
    const struct plan_service *own = &place->problem->services[service];
    const struct plan_graph *graph = &place->services[service].graph;
    plan_place_route(place, service);
    for (uint32_t e = 0; e < graph->edge_count; e++)
        if (place->services[service].routing.flows[e] > 0)
            answer->flows[answer->flow_count++] =
                (struct plan_flow){.demand = own->demand_first + graph->edge_demands[e],
                                   .node = own->node_first + graph->edge_nodes[e],
                                   .rate = place->services[service].routing.flows[e]};
}

/* What the replicas that are there can answer all the same. */
static void answer_more(struct plan_place *place)
{
    const struct plan_problem *problem = place->problem;
    for (uint32_t d = 0; d < problem->demand_count; d++) {
        if (problem->demands[d].unmet_usd >= PLAN_LP_INFINITY)
            continue;
        int64_t low = plan_place_answered(place, d), high = problem->demands[d].rate;
        while (low < high) {
            int64_t middle = high - (high - low) / 2;
            plan_place_answer(place, d, middle);
            if (plan_place_holds(place, problem->demands[d].service))
                low = middle;
            else
                high = middle - 1;
        }
        plan_place_answer(place, d, low);
    }
}

bool plan_answer_make(struct plan_answer *ret_answer, struct plan_place *place, uint32_t *counts,
                      struct arena *arena)
{
    const struct plan_problem *problem = place->problem;
    uint32_t flow_count = 0;
    for (uint32_t s = 0; s < problem->service_count; s++)
        flow_count += place->services[s].graph.edge_count;
    *ret_answer = (struct plan_answer){.counts = counts,
                                       .flows = ARENA_ARRAY(arena, struct plan_flow, flow_count)};
    if (!ret_answer->flows)
        return false;
    for (uint32_t c = 0; c < problem->column_count; c++)
        plan_place_set(place, c, counts[c]);
    answer_more(place);
    for (uint32_t s = 0; s < problem->service_count; s++)
        add_flows(place, s, ret_answer);
    ret_answer->cost_usd_h = plan_answer_cost(problem, ret_answer);
    return true;
}
