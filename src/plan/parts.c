#include "plan/parts.h"

#include <string.h>

#include "base/sort.h"

/* While parts are looked for. A vertex is a node, or a demand, which come behind all nodes. */
struct finder {
    const struct plan_problem *whole;
    uint32_t *parents; /* of vertices, towards the first one of the part */
    bool *is_proper;   /* by first vertex: has the part a demand and a node? */
    uint32_t *part_of; /* by first vertex */
    uint32_t part_count;
};

static uint32_t first_of(struct finder *finder, uint32_t vertex)
{
    uint32_t *parents = finder->parents;
    while (parents[vertex] != vertex)
        vertex = parents[vertex] = parents[parents[vertex]];
    return vertex;
}

static void link_up(struct finder *finder, uint32_t a, uint32_t b)
{
    uint32_t first = first_of(finder, a), second = first_of(finder, b);
    finder->parents[first < second ? second : first] = first < second ? first : second;
}

/* By vertices of the service, nodes first. */
static uint32_t vertex_at(const struct finder *finder, const struct plan_service *service,
                          uint32_t i)
{
    return i < service->node_count
               ? service->node_first + i
               : finder->whole->node_count + service->demand_first + i - service->node_count;
}

static void link_demands(struct finder *finder)
{
    const struct plan_problem *whole = finder->whole;
    for (uint32_t d = 0; d < whole->demand_count; d++)
        for (uint32_t i = 0; i < whole->demands[d].node_count; i++)
            link_up(finder, whole->demands[d].nodes[i], whole->node_count + d);
}

static void link_rules(struct finder *finder)
{
    const struct plan_problem *whole = finder->whole;
    for (uint32_t r = 0; r < whole->row_count; r++) {
        const struct plan_row *row = &whole->rows[r];
        if (!plan_row_is_of_one_service(whole, row))
            continue;
        for (uint32_t i = 1; i < row->term_count; i++)
            link_up(finder, whole->columns[row->terms[i].column].node,
                    whole->columns[row->terms[0].column].node);
    }
}

/* Nodes without a demand and demands without a node go with the first part that has both. */
static void link_loners(struct finder *finder)
{
    const struct plan_problem *whole = finder->whole;
    for (uint32_t d = 0; d < whole->demand_count; d++)
        if (whole->demands[d].node_count > 0)
            finder->is_proper[first_of(finder, whole->node_count + d)] = true;
    for (uint32_t s = 0; s < whole->service_count; s++) {
        const struct plan_service *own = &whole->services[s];
        uint32_t count = own->node_count + own->demand_count, home = 0;
        while (home < count && !finder->is_proper[first_of(finder, vertex_at(finder, own, home))])
            home++;
        if (home == count)
            home = 0;
        for (uint32_t i = 0; i < count; i++)
            if (!finder->is_proper[first_of(finder, vertex_at(finder, own, i))])
                link_up(finder, vertex_at(finder, own, i), vertex_at(finder, own, home));
    }
}

/* A number for each part; a service of nothing is one, too. */
static void number_parts(struct finder *finder)
{
    for (uint32_t s = 0; s < finder->whole->service_count; s++) {
        const struct plan_service *own = &finder->whole->services[s];
        uint32_t count = own->node_count + own->demand_count;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t vertex = vertex_at(finder, own, i);
            if (first_of(finder, vertex) == vertex)
                finder->part_of[vertex] = finder->part_count++;
        }
        finder->part_count += count == 0;
    }
}

/* While parts are laid out. */
struct builder {
    struct finder *finder;
    struct plan_parts *parts;
    struct plan_service *services;
    struct plan_node *nodes;
    struct plan_column *columns;
    struct plan_demand *demands;
    uint32_t *node_at, *column_at; /* of the whole: where it is now */
    uint32_t node_count, column_count, demand_count;
};

static void take_node(struct builder *builder, uint32_t part, uint32_t node)
{
    const struct plan_problem *whole = builder->parts->whole;
    const struct plan_node *own = &whole->nodes[node];
    uint32_t to = builder->node_count++;
    builder->nodes[to] = *own;
    builder->nodes[to].service = part;
    builder->nodes[to].column_first = builder->column_count;
    builder->parts->nodes[to] = node;
    builder->node_at[node] = to;
    for (uint32_t c = own->column_first; c < own->column_first + own->column_count; c++) {
        uint32_t at = builder->column_count++;
        builder->columns[at] = whole->columns[c];
        builder->columns[at].node = to;
        builder->parts->columns[at] = c;
        builder->column_at[c] = at;
    }
}

static bool take_demand(struct builder *builder, uint32_t part, uint32_t demand,
                        struct arena *arena)
{
    uint32_t to = builder->demand_count++;
    struct plan_demand *own = &builder->demands[to];
    *own = builder->parts->whole->demands[demand];
    builder->parts->demands[to] = demand;
    uint32_t *near = ARENA_ARRAY(arena, uint32_t, own->node_count);
    for (uint32_t i = 0; near && i < own->node_count; i++)
        near[i] = builder->node_at[own->nodes[i]]; /* still ascending */
    own->service = part;
    own->nodes = near;
    return !arena->is_overflown;
}

static bool take_part(struct builder *builder, const struct plan_service *service, uint32_t part,
                      struct arena *arena)
{
    struct finder *finder = builder->finder;
    struct plan_service *own = &builder->services[part];
    bool is_made = true;
    *own = *service;
    own->node_first = builder->node_count;
    own->column_first = builder->column_count;
    own->demand_first = builder->demand_count;
    for (uint32_t i = 0; i < service->node_count + service->demand_count; i++) {
        uint32_t vertex = vertex_at(finder, service, i);
        if (finder->part_of[first_of(finder, vertex)] != part)
            continue;
        if (i < service->node_count)
            take_node(builder, part, vertex);
        else
            is_made =
                is_made && take_demand(builder, part, vertex - finder->whole->node_count, arena);
    }
    own->node_count = builder->node_count - own->node_first;
    own->column_count = builder->column_count - own->column_first;
    own->demand_count = builder->demand_count - own->demand_first;
    return is_made;
}

static bool is_before(const void *terms, uint32_t a, uint32_t b)
{
    const struct plan_term *all = terms;
    return all[a].column < all[b].column;
}

static bool take_rows(struct builder *builder, struct arena *arena)
{
    const struct plan_problem *whole = builder->parts->whole;
    struct plan_row *rows = ARENA_ARRAY(arena, struct plan_row, whole->row_count);
    struct plan_term *terms = ARENA_ARRAY(arena, struct plan_term, whole->column_count);
    uint32_t *order = ARENA_ARRAY(arena, uint32_t, whole->column_count);
    uint32_t *scratch = ARENA_ARRAY(arena, uint32_t, whole->column_count);
    if (arena->is_overflown)
        return false;
    for (uint32_t r = 0; r < whole->row_count; r++) {
        const struct plan_row *row = &whole->rows[r];
        struct plan_term *own = ARENA_ARRAY(arena, struct plan_term, row->term_count);
        if (!own)
            return false;
        for (uint32_t i = 0; i < row->term_count; i++) {
            terms[i] =
                (struct plan_term){builder->column_at[row->terms[i].column], row->terms[i].factor};
            order[i] = i;
        }
        sort_indices(order, scratch, row->term_count, is_before, terms);
        for (uint32_t i = 0; i < row->term_count; i++)
            own[i] = terms[order[i]];
        rows[r] = *row;
        rows[r].terms = own;
    }
    builder->parts->problem.rows = rows;
    return true;
}

static bool build(struct finder *finder, struct plan_parts *parts, struct arena *arena)
{
    const struct plan_problem *whole = parts->whole;
    struct builder builder = {
        .finder = finder,
        .parts = parts,
        .services = ARENA_ARRAY(arena, struct plan_service, finder->part_count),
        .nodes = ARENA_ARRAY(arena, struct plan_node, whole->node_count),
        .columns = ARENA_ARRAY(arena, struct plan_column, whole->column_count),
        .demands = ARENA_ARRAY(arena, struct plan_demand, whole->demand_count),
        .node_at = ARENA_ARRAY(arena, uint32_t, whole->node_count),
        .column_at = ARENA_ARRAY(arena, uint32_t, whole->column_count)};
    parts->nodes = ARENA_ARRAY(arena, uint32_t, whole->node_count);
    parts->columns = ARENA_ARRAY(arena, uint32_t, whole->column_count);
    parts->demands = ARENA_ARRAY(arena, uint32_t, whole->demand_count);
    if (arena->is_overflown)
        return false;
    uint32_t part = 0;
    for (uint32_t s = 0; s < whole->service_count; s++) {
        const struct plan_service *service = &whole->services[s];
        do
            if (!take_part(&builder, service, part++, arena))
                return false;
        while (builder.node_count < service->node_first + service->node_count ||
               builder.demand_count < service->demand_first + service->demand_count);
    }
    parts->problem.services = builder.services;
    parts->problem.service_count = part;
    parts->problem.nodes = builder.nodes;
    parts->problem.columns = builder.columns;
    parts->problem.demands = builder.demands;
    return take_rows(&builder, arena);
}

bool plan_parts_make(struct plan_parts *parts, const struct plan_problem *whole,
                     struct arena *arena)
{
    uint32_t vertex_count = whole->node_count + whole->demand_count;
    struct finder finder = {.whole = whole,
                            .parents = ARENA_ARRAY(arena, uint32_t, vertex_count),
                            .is_proper = ARENA_ARRAY(arena, bool, vertex_count),
                            .part_of = ARENA_ARRAY(arena, uint32_t, vertex_count)};
    *parts = (struct plan_parts){.whole = whole, .problem = *whole};
    if (arena->is_overflown)
        return false;
    for (uint32_t i = 0; i < vertex_count; i++)
        finder.parents[i] = i;
    link_demands(&finder);
    link_rules(&finder);
    link_loners(&finder);
    number_parts(&finder);
    if (finder.part_count == whole->service_count || finder.part_count > PLAN_SERVICES_MAX)
        return true;
    return build(&finder, parts, arena);
}

uint32_t *plan_parts_take(const struct plan_parts *parts, const uint32_t *counts,
                          struct arena *arena)
{
    uint32_t *own = ARENA_ARRAY(arena, uint32_t, parts->problem.column_count);
    for (uint32_t c = 0; own && c < parts->problem.column_count; c++)
        own[c] = counts[parts->columns ? parts->columns[c] : c];
    return own;
}

bool plan_parts_join(const struct plan_parts *parts, struct plan_answer *io_answer,
                     struct arena *arena)
{
    const struct plan_problem *whole = parts->whole;
    if (!parts->columns)
        return true;
    struct plan_answer own = {.counts = ARENA_ARRAY(arena, uint32_t, whole->column_count),
                              .flows = ARENA_ARRAY(arena, struct plan_flow, io_answer->flow_count),
                              .flow_count = io_answer->flow_count};
    uint32_t *ends = ARENA_ARRAY(arena, uint32_t, whole->demand_count + 1);
    if (arena->is_overflown)
        return false;
    for (uint32_t c = 0; c < whole->column_count; c++)
        own.counts[parts->columns[c]] = io_answer->counts[c];
    for (uint32_t i = 0; i < own.flow_count; i++)
        ends[parts->demands[io_answer->flows[i].demand] + 1]++;
    for (uint32_t d = 0; d < whole->demand_count; d++)
        ends[d + 1] += ends[d];
    for (uint32_t i = 0; i < own.flow_count; i++) {
        const struct plan_flow *flow = &io_answer->flows[i];
        uint32_t demand = parts->demands[flow->demand];
        own.flows[ends[demand]++] =
            (struct plan_flow){demand, parts->nodes[flow->node], flow->rate};
    }
    own.cost_usd_h = plan_answer_cost(whole, &own);
    *io_answer = own;
    return true;
}
