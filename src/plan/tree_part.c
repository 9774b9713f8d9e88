/* tree_part.c: one service as a problem of its own. */
#include <string.h>

#include "plan/tree.h"

/* Rows of the service alone stay; of the others, with <is_whole>, its part of them. */
static bool make_rows(struct plan_tree *tree, const struct plan_problem *whole, bool is_whole,
                      struct arena *arena)
{
    const struct plan_service *own = &whole->services[tree->service];
    struct plan_row *rows = ARENA_ARRAY(arena, struct plan_row, whole->row_count);
    tree->row_of = ARENA_ARRAY(arena, uint32_t, whole->row_count);
    uint32_t count = 0;
    for (uint32_t r = 0; !arena->is_overflown && r < whole->row_count; r++) {
        const struct plan_row *row = &whole->rows[r];
        if (!is_whole && !plan_row_is_of_one_service(whole, row))
            continue;
        struct plan_term *terms = ARENA_ARRAY(arena, struct plan_term, row->term_count);
        uint32_t term_count = 0;
        for (uint32_t i = 0; terms && i < row->term_count; i++)
            if (row->terms[i].column >= own->column_first &&
                row->terms[i].column < own->column_first + own->column_count)
                terms[term_count++] = (struct plan_term){row->terms[i].column - own->column_first,
                                                         row->terms[i].factor};
        if (term_count == 0)
            continue;
        rows[count] = *row;
        rows[count].terms = terms;
        rows[count].term_count = term_count;
        tree->row_of[count++] = r;
    }
    tree->part.rows = rows;
    tree->part.row_count = count;
    return !arena->is_overflown;
}

bool plan_tree_take_part(struct plan_tree *tree, const struct plan_problem *whole, bool is_whole,
                         struct arena *arena)
{
    const struct plan_service *own = &whole->services[tree->service];
    struct plan_service *service = ARENA_NEW(arena, struct plan_service);
    struct plan_node *nodes = ARENA_ARRAY(arena, struct plan_node, own->node_count);
    struct plan_demand *demands = ARENA_ARRAY(arena, struct plan_demand, own->demand_count);
    tree->columns = ARENA_ARRAY(arena, struct plan_column, own->column_count);
    if (arena->is_overflown)
        return false;
    memcpy(nodes, whole->nodes + own->node_first, own->node_count * sizeof *nodes);
    memcpy(tree->columns, whole->columns + own->column_first,
           own->column_count * sizeof *tree->columns);
    memcpy(demands, whole->demands + own->demand_first, own->demand_count * sizeof *demands);
    *service = *own;
    service->node_first = service->column_first = service->demand_first = 0;
    for (uint32_t v = 0; v < own->node_count; v++) {
        nodes[v].service = 0;
        nodes[v].column_first -= own->column_first;
    }
    for (uint32_t c = 0; c < own->column_count; c++)
        tree->columns[c].node -= own->node_first;
    for (uint32_t d = 0; d < own->demand_count; d++) {
        uint32_t *near = ARENA_ARRAY(arena, uint32_t, demands[d].node_count);
        for (uint32_t i = 0; near && i < demands[d].node_count; i++)
            near[i] = demands[d].nodes[i] - own->node_first;
        demands[d].nodes = near;
        demands[d].service = 0;
    }
    tree->part = *whole;
    tree->part.service_count = 1;
    tree->part.node_count = own->node_count;
    tree->part.column_count = own->column_count;
    tree->part.demand_count = own->demand_count;
    tree->part.services = service;
    tree->part.nodes = nodes;
    tree->part.columns = tree->columns;
    tree->part.demands = demands;
    return make_rows(tree, whole, is_whole, arena);
}
