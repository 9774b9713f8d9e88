#include "plan/problem.h"

#include <math.h>

double plan_row_factor(const struct plan_row *row, uint32_t column)
{
    uint32_t low = 0, high = row->term_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (row->terms[middle].column < column)
            low = middle + 1;
        else
            high = middle;
    }
    return low < row->term_count && row->terms[low].column == column ? row->terms[low].factor : 0;
}

bool plan_failure_has(const struct plan_failure *failure, uint32_t region)
{
    for (uint32_t i = 0; i < failure->region_count; i++)
        if (failure->regions[i] == region)
            return true;
    return false;
}

static uint32_t service_of(const struct plan_problem *problem, uint32_t column)
{
    return problem->nodes[problem->columns[column].node].service;
}

bool plan_row_is_of_one_service(const struct plan_problem *problem, const struct plan_row *row)
{
    for (uint32_t i = 1; i < row->term_count; i++)
        if (service_of(problem, row->terms[i].column) != service_of(problem, row->terms[0].column))
            return false;
    return true;
}

/* The check -------------------------------------------------------------------------------- */

static enum err complain(struct text *why, const char *part, uint32_t index, const char *expected)
{
    text_add(why, "%s %u: expected %s", part, index, expected);
    return ERR_VALUE;
}

static bool is_money(double value)
{
    return isfinite(value) && value >= 0;
}

static enum err check_services(const struct plan_problem *problem, struct text *why)
{
    uint32_t node = 0, column = 0, demand = 0;
    if (problem->service_count == 0 || problem->service_count > PLAN_SERVICES_MAX ||
        problem->region_count == 0 || problem->region_count > PLAN_REGIONS_MAX) {
        text_add(why, "expected 1 to %d services and 1 to %d regions, found %u and %u",
                 PLAN_SERVICES_MAX, PLAN_REGIONS_MAX, problem->service_count,
                 problem->region_count);
        return ERR_VALUE;
    }
    for (uint32_t s = 0; s < problem->service_count; s++) {
        const struct plan_service *service = &problem->services[s];
        if (service->node_first != node || service->column_first != column ||
            service->demand_first != demand)
            return complain(why, "service", s, "its parts to follow those of the one before");
        if (service->node_count > PLAN_NODES_MAX || service->demand_count > PLAN_DEMANDS_MAX)
            return complain(why, "service", s, "at most 512 nodes and 128 demands");
        if (service->share_ppm == 0 || service->share_ppm > service->share_lost_ppm ||
            service->share_lost_ppm > 1000000)
            return complain(why, "service", s, "0 < share <= share after a loss <= 1000000");
        node += service->node_count;
        column += service->column_count;
        demand += service->demand_count;
    }
    if (node != problem->node_count || column != problem->column_count ||
        demand != problem->demand_count)
        return complain(why, "service", problem->service_count - 1, "the last parts to be its own");
    return ERR_OK;
}

static enum err check_nodes(const struct plan_problem *problem, struct text *why)
{
    uint32_t column = 0;
    for (uint32_t v = 0; v < problem->node_count; v++) {
        const struct plan_node *node = &problem->nodes[v];
        if (node->service >= problem->service_count || node->region >= problem->region_count)
            return complain(why, "node", v, "a service and a region that exist");
        const struct plan_service *service = &problem->services[node->service];
        if (v < service->node_first || v >= service->node_first + service->node_count)
            return complain(why, "node", v, "to lie among those of its service");
        if (node->column_first != column || node->column_count > problem->column_count - column)
            return complain(why, "node", v, "its columns to follow those of the one before");
        if (node->replicas_min < 1 || !is_money(node->open_usd_h) || !is_money(node->egress_usd))
            return complain(why, "node", v, "replicas_min >= 1 and prices >= 0");
        column += node->column_count;
    }
    return ERR_OK;
}

static enum err check_columns(const struct plan_problem *problem, struct text *why)
{
    for (uint32_t c = 0; c < problem->column_count; c++) {
        const struct plan_column *own = &problem->columns[c];
        if (own->node >= problem->node_count || c < problem->nodes[own->node].column_first ||
            c >= problem->nodes[own->node].column_first + problem->nodes[own->node].column_count)
            return complain(why, "column", c, "to lie among those of its node");
        if (own->speed < 1 || own->count_max > PLAN_COUNT_MAX || own->count_min > own->count_max ||
            own->speed > PLAN_RATE_MAX / 1024)
            return complain(why, "column", c, "a speed above 0 and min <= max <= 1000000");
        if (!isfinite(own->cost_usd_h) || !is_money(own->kg_co2_h) || !is_money(own->start_usd_h) ||
            !is_money(own->stop_usd_h))
            return complain(why, "column", c, "finite prices");
    }
    return ERR_OK;
}

static enum err check_demands(const struct plan_problem *problem, struct text *why)
{
    int64_t sum = 0;
    for (uint32_t d = 0; d < problem->demand_count; d++) {
        const struct plan_demand *demand = &problem->demands[d];
        if (demand->service >= problem->service_count)
            return complain(why, "demand", d, "a service that exists");
        const struct plan_service *service = &problem->services[demand->service];
        if (d < service->demand_first || d >= service->demand_first + service->demand_count)
            return complain(why, "demand", d, "to lie among those of its service");
        if (demand->rate < 1 || demand->rate > PLAN_RATE_MAX - sum)
            return complain(why, "demand", d, "a rate above 0, and a sum below the most");
        if (!(demand->unmet_usd >= 0))
            return complain(why, "demand", d, "a price of unmet requests, or infinity");
        sum += demand->rate;
        for (uint32_t i = 0; i < demand->node_count; i++)
            if (demand->nodes[i] < service->node_first ||
                demand->nodes[i] >= service->node_first + service->node_count ||
                (i > 0 && demand->nodes[i] <= demand->nodes[i - 1]))
                return complain(why, "demand", d, "nodes of its service, ascending");
    }
    return ERR_OK;
}

static enum err check_rules(const struct plan_problem *problem, struct text *why)
{
    for (uint32_t r = 0; r < problem->row_count; r++) {
        const struct plan_row *row = &problem->rows[r];
        if (!(row->lower <= row->upper))
            return complain(why, "row", r, "lower <= upper");
        for (uint32_t i = 0; i < row->term_count; i++)
            if (row->terms[i].column >= problem->column_count || !isfinite(row->terms[i].factor) ||
                (i > 0 && row->terms[i].column <= row->terms[i - 1].column))
                return complain(why, "row", r, "columns that exist, ascending, finite factors");
    }
    for (uint32_t f = 0; f < problem->failure_count; f++) {
        const struct plan_failure *failure = &problem->failures[f];
        for (uint32_t i = 0; i < failure->region_count; i++)
            if (failure->regions[i] >= problem->region_count ||
                (i > 0 && failure->regions[i] <= failure->regions[i - 1]))
                return complain(why, "failure", f, "regions that exist, ascending");
        if (failure->region_count == 0)
            return complain(why, "failure", f, "at least one region");
    }
    return ERR_OK;
}

enum err plan_problem_check(const struct plan_problem *problem, struct text *why)
{
    enum err err = check_services(problem, why);
    if (!err)
        err = check_nodes(problem, why);
    if (!err)
        err = check_columns(problem, why);
    if (!err)
        err = check_demands(problem, why);
    return err ? err : check_rules(problem, why);
}
