/* answer.c: what a plan costs. */
#include "plan/answer.h"

#include "plan/lp.h"

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
