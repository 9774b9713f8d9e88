#include "plan/sieve.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "plan/relax.h"

enum { ITERATIONS_MAX = 1000000, SLIM_LEAST = 24, ROWS_AT_ONCE = 256, TERMS_AT_ONCE = 4096 };

/* A column of a node that joins comes with it where it is this near to paying, as a share of its
 * cost; and goes where it is this far from it. */
#define NEAR         0.02
#define AWAY         0.05
#define PAYS         1e-7 /* USD/h: a reduced cost below zero */
#define BROKEN       1e-7 /* of a row (3), as a share of 1 + n */
#define WHOLE_WITHIN 1e-6

bool plan_sieve_begin(struct plan_relax *relax, struct arena *arena)
{
    struct plan_sieve *sieve = &relax->sieve;
    uint32_t columns = relax->column_count, nodes = relax->problem->node_count;
    uint32_t rows = relax->rows_max, terms = columns > TERMS_AT_ONCE ? columns : TERMS_AT_ONCE;
    *sieve = (struct plan_sieve){.column_at = ARENA_ARRAY(arena, uint32_t, columns),
                                 .row_at = ARENA_ROOM(arena, uint32_t, rows),
                                 .place_of = ARENA_ARRAY(arena, uint32_t, columns),
                                 .place_of_row = ARENA_ROOM(arena, uint32_t, rows),
                                 .is_in = ARENA_ARRAY(arena, bool, columns),
                                 .is_limited = ARENA_ARRAY(arena, bool, nodes),
                                 .is_stale = true,
                                 .row_of_node = ARENA_ARRAY(arena, uint32_t, nodes),
                                 .cheapest = ARENA_ARRAY(arena, uint32_t, nodes),
                                 .binds = ARENA_ARRAY(arena, bool, nodes),
                                 .x = ARENA_ARRAY(arena, double, columns),
                                 .duals = ARENA_ROOM(arena, double, rows),
                                 .reduced = ARENA_ARRAY(arena, double, columns),
                                 .statuses = ARENA_ROOM(arena, uint8_t, columns + rows),
                                 .basis = ARENA_ROOM(arena, uint8_t, columns + rows),
                                 .terms_max = terms,
                                 .some = {.starts = ARENA_ARRAY(arena, int32_t, ROWS_AT_ONCE + 1),
                                          .columns = ARENA_ROOM(arena, int32_t, terms),
                                          .values = ARENA_ROOM(arena, double, terms),
                                          .lower = ARENA_ROOM(arena, double, ROWS_AT_ONCE),
                                          .upper = ARENA_ROOM(arena, double, ROWS_AT_ONCE)}};
    for (uint32_t c = 0; !arena->is_overflown && c < columns; c++) {
        sieve->is_in[c] = true;
        sieve->place_of[c] = PLAN_NONE;
    }
    return !arena->is_overflown;
}

void plan_sieve_end(struct plan_relax *relax)
{
    if (relax->sieve.lp)
        relax->api->destroy(relax->sieve.lp);
    relax->sieve.lp = NULL;
}

/* What there is --------------------------------------------------------------------------------
 */

static int32_t size_of(const struct plan_relax *relax, uint32_t row)
{
    return relax->rows.starts[row + 1] - relax->rows.starts[row];
}

static uint32_t first_of(const struct plan_relax *relax, uint32_t row)
{
    return (uint32_t)relax->rows.columns[relax->rows.starts[row]];
}

static uint32_t last_of(const struct plan_relax *relax, uint32_t row)
{
    return (uint32_t)relax->rows.columns[relax->rows.starts[row + 1] - 1];
}

/* Of a replica, y or a load; PLAN_NONE: of none. */
static uint32_t node_of(const struct plan_relax *relax, uint32_t column)
{
    if (column < relax->first_open)
        return relax->problem->columns[column].node;
    if (column < relax->first_load)
        return column - relax->first_open;
    uint32_t node = column - relax->first_load;
    return node < relax->problem->node_count ? node : PLAN_NONE;
}

static bool is_load(const struct plan_relax *relax, uint32_t column)
{
    return column >= relax->first_load && node_of(relax, column) != PLAN_NONE;
}

/* Row (3) of a replica. */
static bool is_limit(const struct plan_relax *relax, uint32_t row)
{
    return size_of(relax, row) == 2 && last_of(relax, row) < relax->first_open &&
           first_of(relax, row) >= relax->first_open && relax->rows.lower[row] == 0;
}

/* Of one column, and kept where that is zero. */
static bool is_of_one(const struct plan_relax *relax, uint32_t row)
{
    return size_of(relax, row) == 1 && relax->rows.lower[row] <= 0 && relax->rows.upper[row] >= 0;
}

/* Of one replica, whose own limit says as much. */
static bool is_idle(const struct plan_relax *relax, uint32_t row)
{
    double factor = relax->rows.values[relax->rows.starts[row]];
    uint32_t c = last_of(relax, row);
    return relax->is_rest && c < relax->first_open && factor > 0 &&
           factor * (relax->limits[c] - WHOLE_WITHIN) <= relax->rows.upper[row];
}

/* Row (2) or y's part of it; or what a rest leaves of them. */
static bool is_of_load(const struct plan_relax *relax, uint32_t row)
{
    return is_load(relax, last_of(relax, row)) &&
           (row < relax->first_rule || relax->keys[row] == PLAN_KEY_OF_LIMITS);
}

/* Rows of what is left out are left out too: they hold at zero. */
static bool is_row_in(const struct plan_relax *relax, uint32_t row)
{
    const struct plan_sieve *sieve = &relax->sieve;
    if (size_of(relax, row) == 0)
        return true;
    uint32_t last = last_of(relax, row);
    if (is_of_one(relax, row))
        return sieve->is_in[last] && !is_idle(relax, row);
    if (is_limit(relax, row))
        return sieve->is_in[last] && sieve->is_limited[node_of(relax, last)];
    return sieve->is_in[last] || !is_of_load(relax, row);
}

/* The library's programme ---------------------------------------------------------------------- */

/* What it does not have is at its lower side, or a row that does not bind. */
static void read_basis(struct plan_relax *relax)
{
    struct plan_sieve *sieve = &relax->sieve;
    uint8_t *rows = sieve->statuses + relax->column_count;
    memset(sieve->statuses, PLAN_LP_AT_LOWER, relax->column_count);
    memset(rows, PLAN_LP_BASIC, relax->rows.count);
    if (!sieve->lp)
        return;
    relax->api->get_basis(sieve->lp, sieve->basis, sieve->basis + sieve->column_count);
    for (uint32_t i = 0; i < sieve->column_count; i++)
        sieve->statuses[sieve->column_at[i]] = sieve->basis[i];
    for (uint32_t r = 0; r < relax->rows.count; r++)
        if (sieve->place_of_row[r] != PLAN_NONE)
            rows[r] = sieve->basis[sieve->column_count + sieve->place_of_row[r]];
}

static void put_columns(struct plan_relax *relax)
{
    struct plan_sieve *sieve = &relax->sieve;
    sieve->column_count = 0;
    for (uint32_t c = 0; c < relax->column_count; c++) {
        sieve->place_of[c] = sieve->is_in[c] ? sieve->column_count : PLAN_NONE;
        if (!sieve->is_in[c])
            continue;
        sieve->basis[sieve->column_count] = sieve->statuses[c];
        sieve->column_at[sieve->column_count++] = c;
    }
}

static void send_rows(struct plan_relax *relax)
{
    struct plan_sieve *sieve = &relax->sieve;
    if (sieve->some.count > 0)
        relax->api->add_rows(sieve->lp, &sieve->some);
    sieve->some.count = 0;
    ((int32_t *)(uintptr_t)sieve->some.starts)[0] = 0;
}

/* Its terms, as far as their columns are in. */
static void put_row(struct plan_relax *relax, uint32_t row)
{
    struct plan_sieve *sieve = &relax->sieve;
    const struct plan_lp_rows *all = &relax->rows;
    if (sieve->some.count == ROWS_AT_ONCE ||
        (uint32_t)(sieve->some.starts[sieve->some.count] + size_of(relax, row)) > sieve->terms_max)
        send_rows(relax);
    uint32_t at = sieve->some.count++;
    int32_t end = sieve->some.starts[at];
    for (int32_t i = all->starts[row]; i < all->starts[row + 1]; i++) {
        uint32_t column = sieve->place_of[all->columns[i]];
        if (column == PLAN_NONE)
            continue;
        ((int32_t *)(uintptr_t)sieve->some.columns)[end] = (int32_t)column;
        ((double *)(uintptr_t)sieve->some.values)[end++] = all->values[i];
    }
    ((int32_t *)(uintptr_t)sieve->some.starts)[at + 1] = end;
    ((double *)(uintptr_t)sieve->some.lower)[at] = all->lower[row];
    ((double *)(uintptr_t)sieve->some.upper)[at] = all->upper[row];
    sieve->basis[sieve->column_count + sieve->row_count] =
        sieve->statuses[relax->column_count + row];
    sieve->row_at[sieve->row_count] = row;
    sieve->place_of_row[row] = sieve->row_count++;
}

/* false: there is no memory. */
static bool assemble(struct plan_relax *relax)
{
    struct plan_sieve *sieve = &relax->sieve;
    read_basis(relax);
    plan_sieve_end(relax);
    put_columns(relax);
    memset(relax->starts, 0, (sieve->column_count + 1) * sizeof *relax->starts);
    struct plan_lp_matrix empty = {.column_count = sieve->column_count,
                                   .starts = relax->starts, /* rows come behind it, */
                                   .indices = relax->starts,
                                   .values = relax->rows.values,
                                   .lower = relax->lower, /* and numbers: send_numbers() */
                                   .upper = relax->upper,
                                   .cost = relax->cost,
                                   .row_lower = relax->rows.lower,
                                   .row_upper = relax->rows.upper};
    sieve->lp = relax->api->create(&empty);
    if (!sieve->lp)
        return false;
    sieve->row_count = 0;
    for (uint32_t r = 0; r < relax->rows.count; r++) {
        sieve->place_of_row[r] = PLAN_NONE;
        if (is_row_in(relax, r))
            put_row(relax, r);
    }
    send_rows(relax);
    relax->api->set_basis(sieve->lp, sieve->basis, sieve->basis + sieve->column_count);
    sieve->is_stale = false;
    return true;
}

/* Bounds, costs and sides of rules: other ones for each leaf. */
static void send_numbers(struct plan_relax *relax)
{
    struct plan_sieve *sieve = &relax->sieve;
    for (uint32_t i = 0; i < sieve->column_count; i++) {
        uint32_t c = sieve->column_at[i];
        relax->api->set_bounds(sieve->lp, i, relax->lower[c], relax->upper[c]);
        relax->api->set_cost(sieve->lp, i, relax->cost[c]);
    }
    for (uint32_t i = 0; i < sieve->row_count; i++) {
        uint32_t r = sieve->row_at[i];
        if (r >= relax->first_rule && r < relax->first_cut)
            relax->api->set_row_bounds(sieve->lp, i, relax->rows.lower[r], relax->rows.upper[r]);
    }
}

static void spread(struct plan_relax *relax, const struct plan_lp_solution *own)
{
    struct plan_sieve *sieve = &relax->sieve;
    memset(sieve->x, 0, relax->column_count * sizeof *sieve->x);
    memset(sieve->duals, 0, relax->rows.count * sizeof *sieve->duals);
    for (uint32_t i = 0; i < sieve->column_count; i++)
        sieve->x[sieve->column_at[i]] = own->x[i];
    for (uint32_t i = 0; i < sieve->row_count; i++)
        sieve->duals[sieve->row_at[i]] = own->duals[i];
    relax->solution.x = sieve->x;
    relax->solution.duals = sieve->duals;
    relax->solution.objective = own->objective;
}

/* What joins ------------------------------------------------------------------------------------
 */

/* With y and the load of its node. */
static void take_in(struct plan_relax *relax, uint32_t column)
{
    struct plan_sieve *sieve = &relax->sieve;
    uint32_t node = node_of(relax, column);
    if (sieve->is_in[column])
        return;
    sieve->is_in[column] = sieve->is_stale = true;
    if (node != PLAN_NONE)
        sieve->is_in[relax->first_open + node] = sieve->is_in[relax->first_load + node] = true;
}

/* What may not be zero. */
static void take_needed(struct plan_relax *relax)
{
    for (uint32_t c = 0; c < relax->first_load; c++)
        if (relax->lower[c] > 0)
            take_in(relax, c);
    for (uint32_t r = relax->first_rule; r < relax->rows.count; r++)
        if (size_of(relax, r) == 1 && !is_of_one(relax, r))
            take_in(relax, last_of(relax, r));
}

/* false: all that may be more than zero are in. */
static bool take_all(struct plan_relax *relax)
{
    struct plan_sieve *sieve = &relax->sieve;
    for (uint32_t c = 0; c < relax->first_open; c++)
        if (relax->upper[c] > 0)
            take_in(relax, c);
    return sieve->is_stale;
}

static void find_reduced(struct plan_relax *relax)
{
    struct plan_sieve *sieve = &relax->sieve;
    const struct plan_lp_rows *all = &relax->rows;
    memcpy(sieve->reduced, relax->cost, relax->column_count * sizeof *sieve->reduced);
    for (uint32_t i = 0; i < sieve->row_count; i++) {
        uint32_t r = sieve->row_at[i];
        double price = sieve->duals[r];
        for (int32_t k = all->starts[r]; price != 0 && k < all->starts[r + 1]; k++)
            sieve->reduced[all->columns[k]] -= price * all->values[k];
    }
}

/* As row (2) has it: its terms are the node's columns in their order. */
static double speed_of(const struct plan_relax *relax, uint32_t column)
{
    uint32_t v = relax->problem->columns[column].node;
    uint32_t first = (uint32_t)relax->rows.starts[relax->sieve.row_of_node[v]];
    return relax->rows.values[first + column - relax->problem->nodes[v].column_first];
}

/* The least price of a node's speed; INFINITY: it has none. */
static double price_of_speed(struct plan_relax *relax, uint32_t v)
{
    struct plan_sieve *sieve = &relax->sieve;
    const struct plan_node *node = &relax->problem->nodes[v];
    double least = INFINITY;
    for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++) {
        double price = sieve->reduced[c] / speed_of(relax, c);
        if (relax->upper[c] == 0 || price >= least)
            continue;
        least = price;
        sieve->cheapest[v] = c;
    }
    return least;
}

/* Duals of the rows of a node that is left out (sieve.h). Would it pay? Then it joins. */
static void take_node_if_pays(struct plan_relax *relax, uint32_t v)
{
    struct plan_sieve *sieve = &relax->sieve;
    const struct plan_node *node = &relax->problem->nodes[v];
    uint32_t open = relax->first_open + v, row = sieve->row_of_node[v];
    double least = price_of_speed(relax, v), gain = -sieve->reduced[relax->first_load + v];
    double price = gain < least ? gain : least;
    price = price > 0 ? price : 0;
    double more = gain > price ? gain - price : 0, pays = 0;
    sieve->duals[row] = price;
    if (plan_relax_has_open(relax, v)) {
        sieve->duals[row + 1] = more;
        pays = sieve->reduced[open] - more * relax->rows.values[relax->rows.starts[row + 1]];
    } else
        pays = -more;
    if (isinf(least) || (pays >= -PAYS && least >= -PAYS))
        return;
    take_in(relax, open);
    for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
        if (relax->upper[c] > 0 &&
            sieve->reduced[c] - price * speed_of(relax, c) <= NEAR * relax->cost[c])
            take_in(relax, c);
}

static void take_what_pays(struct plan_relax *relax)
{
    struct plan_sieve *sieve = &relax->sieve;
    find_reduced(relax);
    for (uint32_t v = 0; v < relax->problem->node_count; v++)
        if (sieve->place_of[relax->first_load + v] == PLAN_NONE)
            take_node_if_pays(relax, v);
    for (uint32_t c = 0; c < relax->first_open; c++)
        if (sieve->place_of[relax->first_load + node_of(relax, c)] != PLAN_NONE &&
            sieve->place_of[c] == PLAN_NONE && relax->upper[c] > 0 && sieve->reduced[c] < -PAYS)
            take_in(relax, c);
}

static void take_limits(struct plan_relax *relax)
{
    struct plan_sieve *sieve = &relax->sieve;
    for (uint32_t c = 0; c < relax->first_open; c++) {
        uint32_t v = node_of(relax, c);
        double n = sieve->x[c], most = relax->limits[c] * sieve->x[relax->first_open + v];
        if (n > most + BROKEN * (1 + n) && !sieve->is_limited[v] && plan_relax_has_open(relax, v))
            sieve->is_limited[v] = sieve->is_stale = true;
    }
}

/* What goes -------------------------------------------------------------------------------------
 */

static bool is_basic(const struct plan_sieve *sieve, uint32_t i)
{
    return sieve->statuses[i] == PLAN_LP_BASIC;
}

/* It opens its part of the node, and pays for that. */
static bool is_away(const struct plan_relax *relax, uint32_t c)
{
    const struct plan_sieve *sieve = &relax->sieve;
    if (sieve->statuses[c] != PLAN_LP_AT_LOWER || sieve->x[c] != 0 || relax->lower[c] > 0)
        return false;
    double open = sieve->reduced[relax->first_open + node_of(relax, c)];
    return relax->upper[c] == 0 ||
           sieve->reduced[c] + (open > 0 ? open / relax->upper[c] : 0) > AWAY * relax->cost[c];
}

/* A row that binds keeps its columns, or its node. */
static void keep_what_binds(struct plan_relax *relax)
{
    struct plan_sieve *sieve = &relax->sieve;
    memset(sieve->binds, 0, relax->problem->node_count * sizeof *sieve->binds);
    for (uint32_t i = 0; i < sieve->row_count; i++) {
        uint32_t r = sieve->row_at[i];
        if (is_basic(sieve, relax->column_count + r) || size_of(relax, r) == 0)
            continue;
        uint32_t last = last_of(relax, r);
        if (is_limit(relax, r) || (r >= relax->first_rule && is_of_load(relax, r)))
            sieve->binds[node_of(relax, last)] = true;
        if (is_limit(relax, r) || is_of_one(relax, r))
            sieve->is_in[last] = true;
    }
}

/* Nothing of it is used, and the basis keeps its size without its part of it. */
static bool may_node_go(const struct plan_relax *relax, uint32_t v)
{
    const struct plan_sieve *sieve = &relax->sieve;
    const struct plan_node *node = &relax->problem->nodes[v];
    uint32_t open = relax->first_open + v, load = relax->first_load + v;
    uint32_t row = relax->column_count + sieve->row_of_node[v];
    for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
        if (sieve->is_in[c])
            return false;
    unsigned basic = is_basic(sieve, open) + is_basic(sieve, load), missing = !is_basic(sieve, row);
    if (plan_relax_has_open(relax, v))
        missing += !is_basic(sieve, row + 1);
    return sieve->x[open] == 0 && sieve->x[load] == 0 && relax->lower[open] <= 0 &&
           basic == missing && !sieve->binds[v];
}

static void leave_out(struct plan_relax *relax)
{
    struct plan_sieve *sieve = &relax->sieve;
    uint32_t count = 0;
    read_basis(relax);
    find_reduced(relax);
    for (uint32_t c = 0; c < relax->first_open; c++)
        sieve->is_in[c] = sieve->is_in[c] && !is_away(relax, c);
    keep_what_binds(relax);
    for (uint32_t v = 0; v < relax->problem->node_count; v++) {
        bool stays = sieve->is_in[relax->first_load + v] && !may_node_go(relax, v);
        sieve->is_in[relax->first_open + v] = sieve->is_in[relax->first_load + v] = stays;
        sieve->is_limited[v] = sieve->is_limited[v] && sieve->binds[v];
    }
    for (uint32_t c = 0; c < relax->column_count; c++)
        count += sieve->is_in[c];
    sieve->slim_above = count + count / 2 + SLIM_LEAST;
    sieve->is_stale = true;
}

/* ---------------------------------------------------------------------------------------------- */

void plan_sieve_solve(struct plan_relax *relax)
{
    struct plan_sieve *sieve = &relax->sieve;
    struct plan_lp_solution own = {.status = PLAN_LP_STOPPED};
    sieve->is_stale = sieve->is_stale || relax->sent != relax->rows.count;
    relax->solution.iterations = 0;
    take_needed(relax);
    do {
        if (sieve->is_stale && !assemble(relax))
            break;
        send_numbers(relax);
        relax->api->solve(sieve->lp, ITERATIONS_MAX, &own);
        relax->solution.iterations += own.iterations;
        relax->work += (uint64_t)own.iterations * PLAN_LP_WORK;
        if (own.status == PLAN_LP_INFEASIBLE && take_all(relax))
            continue;
        if (own.status != PLAN_LP_OPTIMAL)
            break;
        spread(relax, &own);
        take_what_pays(relax);
        take_limits(relax);
    } while (sieve->is_stale);
    relax->solution.status = own.status;
    relax->sent = relax->rows.count;
    if (own.status == PLAN_LP_OPTIMAL && sieve->column_count > sieve->slim_above)
        leave_out(relax);
}

void plan_sieve_basis(struct plan_relax *relax, uint8_t *columns, uint8_t *rows)
{
    struct plan_sieve *sieve = &relax->sieve;
    read_basis(relax);
    for (uint32_t v = 0; v < relax->problem->node_count; v++) {
        uint32_t load = relax->first_load + v, row = sieve->row_of_node[v];
        if (sieve->place_of[load] != PLAN_NONE || sieve->duals[row] == 0)
            continue;
        sieve->statuses[load] = PLAN_LP_BASIC;
        sieve->statuses[relax->column_count + row] = PLAN_LP_AT_LOWER;
        if (!plan_relax_has_open(relax, v) || sieve->duals[row + 1] == 0)
            continue;
        sieve->statuses[sieve->cheapest[v]] = PLAN_LP_BASIC;
        sieve->statuses[relax->column_count + row + 1] = PLAN_LP_AT_LOWER;
    }
    memcpy(columns, sieve->statuses, relax->column_count);
    memcpy(rows, sieve->statuses + relax->column_count, relax->rows.count);
}
