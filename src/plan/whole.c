#include "plan/whole.h"

#include <math.h>
#include <string.h>

#include "base/check.h"

enum {
    ROWS_OF_CUTS = 16384, /* and terms of each, as in relax.c */
    TERMS_OF_CUT = 96,
    ITERATIONS_MAX = 1000000
};

/* A replica that is away from being of use by this share of its cost is in. */
#define NEAR  0.01
#define TIGHT 1e-6

static bool make_rows(struct plan_whole *whole, struct arena *arena)
{
    const struct plan_problem *problem = whole->problem;
    whole->rows_max = 2 * problem->column_count + 4 * problem->node_count + ROWS_OF_CUTS;
    whole->terms_max =
        9 * problem->column_count + 5 * problem->node_count + ROWS_OF_CUTS * TERMS_OF_CUT;
    uint32_t rows = whole->rows_max + problem->row_count, terms = whole->terms_max;
    for (uint32_t r = 0; r < problem->row_count; r++)
        terms += problem->rows[r].term_count + 1;
    whole->rows = (struct plan_lp_rows){.starts = ARENA_ROOM(arena, int32_t, rows + 1),
                                        .columns = ARENA_ROOM(arena, int32_t, terms),
                                        .values = ARENA_ROOM(arena, double, terms),
                                        .lower = ARENA_ROOM(arena, double, rows),
                                        .upper = ARENA_ROOM(arena, double, rows)};
    return !arena->is_overflown;
}

enum err plan_whole_init(struct plan_whole *whole, const struct plan_problem *problem,
                         const struct plan_lp_api *api, struct plan_tree *trees,
                         struct arena *arena)
{
    uint32_t services = problem->service_count, count = 0, rows_of_tree = 0;
    *whole = (struct plan_whole){.problem = problem,
                                 .api = api,
                                 .trees = trees,
                                 .first = ARENA_ARRAY(arena, uint32_t, services + 1),
                                 .prices = ARENA_ARRAY(arena, double, problem->row_count),
                                 .used_of = ARENA_ARRAY(arena, uint32_t, problem->row_count)};
    if (arena->is_overflown)
        return ERR_MEMORY;
    for (uint32_t s = 0; s < services; s++) {
        const struct plan_relax *relax = &trees[s].relax;
        uint32_t all = relax->column_count + relax->rows_max;
        whole->first[s] = count;
        count += relax->column_count;
        rows_of_tree = all > rows_of_tree ? all : rows_of_tree;
    }
    whole->first[services] = count;
    uint32_t most = count + problem->row_count;
    whole->x = ARENA_ARRAY(arena, double, count);
    whole->place_of = ARENA_ARRAY(arena, uint32_t, count);
    whole->matrix = (struct plan_lp_matrix){
        .starts = ARENA_ARRAY(arena, int32_t, most + 1), /* rows come later: all zero */
        .lower = ARENA_ARRAY(arena, double, most),
        .upper = ARENA_ARRAY(arena, double, most),
        .cost = ARENA_ARRAY(arena, double, most)};
    whole->basis_of_tree = ARENA_ARRAY(arena, uint8_t, rows_of_tree);
    if (!make_rows(whole, arena))
        return ERR_MEMORY;
    whole->basis = ARENA_ROOM(arena, uint8_t, most + whole->rows_max + problem->row_count);
    return arena->is_overflown ? ERR_MEMORY : ERR_OK;
}

/* Columns ----------------------------------------------------------------------------------- */

static uint32_t add_column(struct plan_whole *whole, double lower, double upper, double cost,
                           uint8_t basis)
{
    uint32_t place = whole->matrix.column_count++;
    ((double *)(uintptr_t)whole->matrix.lower)[place] = lower;
    ((double *)(uintptr_t)whole->matrix.upper)[place] = upper;
    ((double *)(uintptr_t)whole->matrix.cost)[place] = cost;
    whole->basis[place] = basis;
    return place;
}

/* Is the replica used, or nearly? It opens its part of the node, and pays for that. */
static bool is_of_use(const struct plan_whole *whole, uint32_t s, uint32_t c)
{
    const struct plan_tree *tree = &whole->trees[s];
    const struct plan_relax *relax = &tree->relax;
    if (!whole->has_solution || relax->lower[c] > 0 || whole->x[whole->first[s] + c] > 0 ||
        whole->basis_of_tree[c] != PLAN_LP_AT_LOWER)
        return true;
    if (relax->upper[c] == 0)
        return false;
    double open = relax->reduced[relax->first_open + tree->columns[c].node] / relax->upper[c];
    double away = relax->reduced[c] + (open > 0 ? open : 0);
    return away <= NEAR * tree->whole->columns[tree->column_first + c].cost_usd_h;
}

/* A basic column may be left out with a row that does not bind without it: else it is in, since the
 * basis would lack it. */
static void take_basic(struct plan_whole *whole, uint32_t s)
{
    const struct plan_relax *relax = &whole->trees[s].relax;
    const struct plan_lp_rows *rows = &relax->rows;
    uint32_t *place_of = whole->place_of + whole->first[s];
    uint8_t *basis = whole->basis_of_tree;
    for (uint32_t r = 0; r < rows->count; r++) {
        uint32_t goes = PLAN_NONE;
        if (basis[relax->column_count + r] == PLAN_LP_BASIC)
            continue;
        for (int32_t i = rows->starts[r]; i < rows->starts[r + 1]; i++) {
            uint32_t c = (uint32_t)rows->columns[i];
            if (place_of[c] != PLAN_NONE) {
                goes = PLAN_NONE;
                break;
            }
            if (basis[c] == PLAN_LP_BASIC)
                goes = c;
        }
        if (goes != PLAN_NONE)
            basis[goes] = PLAN_LP_AT_LOWER;
    }
    for (uint32_t c = 0; c < relax->column_count; c++)
        if (basis[c] == PLAN_LP_BASIC)
            place_of[c] = 0;
}

/* Of a node all of whose replicas are left out y and load are, too. What is neither is in. */
static void take_columns(struct plan_whole *whole, uint32_t s)
{
    const struct plan_tree *tree = &whole->trees[s];
    const struct plan_relax *relax = &tree->relax;
    uint32_t *place_of = whole->place_of + whole->first[s];
    for (uint32_t c = 0; c < relax->column_count; c++)
        place_of[c] = c < relax->first_load + tree->part.node_count ? PLAN_NONE : 0;
    for (uint32_t c = 0; c < relax->first_open; c++)
        if (is_of_use(whole, s, c)) {
            uint32_t node = tree->columns[c].node;
            place_of[c] = place_of[relax->first_open + node] = place_of[relax->first_load + node] =
                0;
        }
    take_basic(whole, s);
    for (uint32_t c = 0; c < relax->column_count; c++)
        if (place_of[c] != PLAN_NONE)
            place_of[c] = add_column(whole, relax->lower[c], relax->upper[c], relax->cost[c],
                                     whole->basis_of_tree[c]);
}

/* Rows -------------------------------------------------------------------------------------- */

static void add_term(struct plan_whole *whole, int32_t *end, uint32_t place, double value)
{
    ((int32_t *)(uintptr_t)whole->rows.columns)[*end] = (int32_t)place;
    ((double *)(uintptr_t)whole->rows.values)[(*end)++] = value;
}

static void end_row(struct plan_whole *whole, int32_t end, double lower, double upper,
                    uint8_t basis)
{
    uint32_t row = whole->rows.count++;
    ((double *)(uintptr_t)whole->rows.lower)[row] = lower;
    ((double *)(uintptr_t)whole->rows.upper)[row] = upper;
    ((int32_t *)(uintptr_t)whole->rows.starts)[row + 1] = end;
    whole->basis[whole->matrix.column_count + row] = basis;
}

static bool has_room(const struct plan_whole *whole, int32_t terms)
{
    return whole->rows.count < whole->rows_max &&
           (uint32_t)(whole->rows.starts[whole->rows.count] + terms) <= whole->terms_max;
}

/* What is left until <x> breaks the row; below zero: it does. */
static double room_of(const struct plan_lp_rows *rows, uint32_t row, const double *x)
{
    double value = 0, lower = rows->lower[row], upper = rows->upper[row];
    for (int32_t i = rows->starts[row]; i < rows->starts[row + 1]; i++)
        value += rows->values[i] * x[rows->columns[i]];
    double above = (value - lower) / (1 + __builtin_fabs(lower));
    double below = (upper - value) / (1 + __builtin_fabs(upper));
    return above < below ? above : below;
}

static bool matters(const struct plan_whole *whole, uint32_t s, uint32_t r)
{
    const struct plan_relax *relax = &whole->trees[s].relax;
    const struct plan_lp_rows *rows = &relax->rows;
    const double *x = whole->x + whole->first[s];
    uint32_t last = (uint32_t)rows->columns[rows->starts[r + 1] - 1];
    if (whole->basis_of_tree[relax->column_count + r] != PLAN_LP_BASIC)
        return true;
    bool is_limit = rows->starts[r + 1] - rows->starts[r] == 2 && last < relax->first_open;
    bool is_near = whole->has_solution && (!is_limit || x[last] > 0);
    double room = is_near ? room_of(rows, r, x) : INFINITY;
    if (room <= TIGHT && (room >= -TIGHT || r < relax->first_cut || whole->is_exact))
        return true;
    return !is_limit && room_of(rows, r, relax->solution.x) <= TIGHT;
}

static void take_rows(struct plan_whole *whole, uint32_t s)
{
    const struct plan_relax *relax = &whole->trees[s].relax;
    const struct plan_lp_rows *rows = &relax->rows;
    const uint8_t *basis = whole->basis_of_tree + relax->column_count;
    for (uint32_t r = 0; r < rows->count; r++) {
        int32_t size = rows->starts[r + 1] - rows->starts[r];
        int32_t begin = whole->rows.starts[whole->rows.count], end = begin;
        if (!matters(whole, s, r) || !has_room(whole, size))
            continue;
        for (int32_t i = rows->starts[r]; i < rows->starts[r + 1]; i++) {
            uint32_t place = whole->place_of[whole->first[s] + (uint32_t)rows->columns[i]];
            if (place != PLAN_NONE)
                add_term(whole, &end, place, rows->values[i]);
        }
        if (end > begin)
            end_row(whole, end, rows->lower[r], rows->upper[r], basis[r]);
    }
}

/* What is used of a shared row is a column, which earns the price: at that the services are
 * dual feasible for the whole, however much they ask for together. */
static void take_shared(struct plan_whole *whole, const double *prices)
{
    const struct plan_problem *problem = whole->problem;
    for (uint32_t r = 0; r < problem->row_count; r++) {
        const struct plan_row *row = &problem->rows[r];
        uint8_t side = prices[r] > 0   ? PLAN_LP_AT_LOWER
                       : prices[r] < 0 ? PLAN_LP_AT_UPPER
                                       : PLAN_LP_BASIC;
        whole->used_of[r] = plan_row_is_of_one_service(problem, row)
                                ? PLAN_NONE
                                : add_column(whole, row->lower, row->upper, prices[r], side);
    }
}

/* The place of a replica of the problem's. */
static uint32_t place_of(const struct plan_whole *whole, uint32_t column)
{
    uint32_t s = whole->problem->nodes[whole->problem->columns[column].node].service;
    return whole->place_of[whole->first[s] + column - whole->problem->services[s].column_first];
}

static void take_shared_rows(struct plan_whole *whole)
{
    const struct plan_problem *problem = whole->problem;
    for (uint32_t r = 0; r < problem->row_count; r++) {
        const struct plan_row *row = &problem->rows[r];
        uint32_t used = whole->used_of[r];
        int32_t end = whole->rows.starts[whole->rows.count];
        if (used == PLAN_NONE)
            continue;
        for (uint32_t i = 0; i < row->term_count; i++) {
            uint32_t place = place_of(whole, row->terms[i].column);
            if (place != PLAN_NONE)
                add_term(whole, &end, place, row->terms[i].factor);
        }
        add_term(whole, &end, used, -1);
        end_row(whole, end, 0, 0,
                whole->basis[used] == PLAN_LP_BASIC ? PLAN_LP_AT_LOWER : PLAN_LP_BASIC);
    }
}

/* The solution ------------------------------------------------------------------------------ */

/* The first begins with none: that is faster where prices are far away. */
static void read_basis(struct plan_whole *whole, uint32_t s)
{
    const struct plan_relax *relax = &whole->trees[s].relax;
    uint8_t *columns = whole->basis_of_tree, *rows = columns + relax->column_count;
    memset(columns, PLAN_LP_AT_LOWER, relax->column_count);
    memset(rows, PLAN_LP_BASIC, relax->rows.count);
    if (whole->has_solution)
        plan_sieve_basis(&whole->trees[s].relax, columns, rows);
}

static void put_together(struct plan_whole *whole, const double *prices)
{
    uint32_t services = whole->problem->service_count;
    whole->matrix.column_count = whole->rows.count = 0;
    ((int32_t *)(uintptr_t)whole->rows.starts)[0] = 0;
    for (unsigned pass = 0; pass < 2; pass++) {
        for (uint32_t s = 0; s < services; s++) {
            read_basis(whole, s);
            pass == 0 ? take_columns(whole, s) : take_rows(whole, s);
        }
        pass == 0 ? take_shared(whole, prices) : take_shared_rows(whole);
    }
}

static void give_back(struct plan_whole *whole, const struct plan_lp_solution *solution,
                      const double *prices)
{
    const struct plan_problem *problem = whole->problem;
    uint32_t row = whole->rows.count;
    for (uint32_t c = 0; c < whole->first[problem->service_count]; c++)
        whole->x[c] = whole->place_of[c] == PLAN_NONE ? 0 : solution->x[whole->place_of[c]];
    for (uint32_t r = problem->row_count; r-- > 0;)
        whole->prices[r] = whole->used_of[r] == PLAN_NONE ? 0 : prices[r] + solution->duals[--row];
    whole->cost_usd_h = solution->objective;
    whole->iterations = solution->iterations;
    whole->has_solution = true;
}

static enum err solve(struct plan_whole *whole, const double *prices)
{
    struct plan_lp_solution solution;
    put_together(whole, prices);
    struct plan_lp *lp = whole->api->create(&whole->matrix);
    if (!lp)
        return ERR_MEMORY;
    whole->api->add_rows(lp, &whole->rows);
    if (whole->has_solution)
        whole->api->set_basis(lp, whole->basis, whole->basis + whole->matrix.column_count);
    whole->api->solve(lp, ITERATIONS_MAX, &solution);
    whole->work += (uint64_t)solution.iterations * PLAN_LP_WORK;
    if (solution.status == PLAN_LP_OPTIMAL)
        give_back(whole, &solution, prices);
    whole->api->destroy(lp);
    return solution.status == PLAN_LP_OPTIMAL      ? ERR_OK
           : solution.status == PLAN_LP_INFEASIBLE ? ERR_VALUE
                                                   : ERR_UNSUPPORTED;
}

enum err plan_whole_solve(struct plan_whole *whole, const double *prices)
{
    bool is_all = !whole->has_solution;
    enum err err = solve(whole, prices);
    if (err != ERR_VALUE || is_all)
        return err;
    whole->has_solution = false;
    return solve(whole, prices);
}

const double *plan_whole_solution(const struct plan_whole *whole, uint32_t service)
{
    return whole->has_solution ? whole->x + whole->first[service] : NULL;
}

void plan_whole_values(const struct plan_whole *whole, double *ret_values)
{
    for (uint32_t s = 0; s < whole->problem->service_count; s++) {
        const struct plan_service *service = &whole->problem->services[s];
        memcpy(ret_values + service->column_first, whole->x + whole->first[s],
               service->column_count * sizeof *ret_values);
    }
}

double plan_whole_unmet(const struct plan_whole *whole, uint32_t demand)
{
    uint32_t s = whole->problem->demands[demand].service;
    uint32_t local = demand - whole->problem->services[s].demand_first;
    uint32_t column = whole->trees[s].relax.unmet_columns[local];
    return column == PLAN_NONE ? 0 : whole->x[whole->first[s] + column];
}
