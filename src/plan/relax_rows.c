/* relax_rows.c: rows of a relaxation come and go. */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "plan/relax.h"

#define SLACK_MIN 1e-6

static int32_t *starts_of(struct plan_relax *relax)
{
    return (int32_t *)(uintptr_t)relax->rows.starts;
}

void plan_relax_row(struct plan_relax *relax, double lower, double upper)
{
    uint32_t row = relax->rows.count++;
    CHECK(row < relax->rows_max);
    relax->keys[row] = relax->key;
    relax->sieve.place_of_row[row] = PLAN_NONE;
    relax->sieve.duals[row] = 0;
    ((double *)(uintptr_t)relax->rows.lower)[row] = lower;
    ((double *)(uintptr_t)relax->rows.upper)[row] = upper;
    starts_of(relax)[row + 1] = starts_of(relax)[row];
}

void plan_relax_term(struct plan_relax *relax, uint32_t column, double value)
{
    int32_t *end = &starts_of(relax)[relax->rows.count];
    CHECK((uint32_t)*end < relax->terms_max && isfinite(value)); /* the library refuses others */
    ((int32_t *)(uintptr_t)relax->rows.columns)[*end] = (int32_t)column;
    ((double *)(uintptr_t)relax->rows.values)[*end] = value;
    ++*end;
}

void plan_relax_rule(struct plan_relax *relax, uint32_t rule, double lower, double upper)
{
    uint32_t row = relax->first_rule + rule;
    if (relax->rows.lower[row] == lower && relax->rows.upper[row] == upper)
        return;
    ((double *)(uintptr_t)relax->rows.lower)[row] = lower;
    ((double *)(uintptr_t)relax->rows.upper)[row] = upper;
}

bool plan_relax_has_room(const struct plan_relax *relax, uint32_t terms)
{
    return relax->rows.count < relax->rows_max &&
           (uint32_t)relax->rows.starts[relax->rows.count] + terms <= relax->terms_max;
}

/* Row <from> takes the place of <to>, which is before it or it. */
static void move_row(struct plan_relax *relax, uint32_t from, uint32_t to)
{
    struct plan_lp_rows *rows = &relax->rows;
    int32_t start = rows->starts[from], size = rows->starts[from + 1] - start;
    memmove((int32_t *)(uintptr_t)rows->columns + rows->starts[to], rows->columns + start,
            (size_t)size * sizeof *rows->columns);
    memmove((double *)(uintptr_t)rows->values + rows->starts[to], rows->values + start,
            (size_t)size * sizeof *rows->values);
    relax->keys[to] = relax->keys[from];
    relax->sieve.place_of_row[to] = relax->sieve.place_of_row[from];
    relax->sieve.duals[to] = relax->sieve.duals[from];
    ((double *)(uintptr_t)rows->lower)[to] = rows->lower[from];
    ((double *)(uintptr_t)rows->upper)[to] = rows->upper[from];
    starts_of(relax)[to + 1] = rows->starts[to] + size;
}

void plan_relax_keep(struct plan_relax *relax, uint32_t first, const double *worth, double least)
{
    uint32_t kept = first;
    CHECK(relax->sent <= first);
    for (uint32_t r = first; r < relax->rows.count; r++)
        if (worth[r - first] >= least)
            move_row(relax, r, kept++);
    relax->rows.count = kept;
}

void plan_relax_drop_row(struct plan_relax *relax)
{
    relax->rows.count--;
    relax->sieve.is_stale = true;
    relax->sent = relax->sent > relax->rows.count ? relax->rows.count : relax->sent;
}

/* Cuts of which <goes> says so go. */
static void remove_cuts(struct plan_relax *relax,
                        bool (*goes)(const struct plan_relax *relax, uint32_t row))
{
    struct plan_lp_rows *rows = &relax->rows;
    uint32_t count = 0, kept = relax->first_cut;
    for (uint32_t r = relax->first_cut; r < rows->count; r++) {
        if (!goes(relax, r)) {
            move_row(relax, r, kept++);
            continue;
        }
        if (r < relax->sent)
            count++;
    }
    rows->count = kept;
    relax->sent -= count;
    relax->sieve.is_stale = true;
}

/* By how much does the solution keep the row? */
static double slack_at(const struct plan_relax *relax, uint32_t row, const double *x)
{
    const struct plan_lp_rows *rows = &relax->rows;
    double value = 0, lower = rows->lower[row];
    for (int32_t i = rows->starts[row]; i < rows->starts[row + 1]; i++)
        value += rows->values[i] * x[rows->columns[i]];
    return (value - lower) / (1 + __builtin_fabs(lower));
}

/* Does neither solution lean on the row? One that the library does not have yet stays. */
static bool is_slack(const struct plan_relax *relax, uint32_t row)
{
    return row < relax->sent && slack_at(relax, row, relax->solution.x) > SLACK_MIN &&
           (!relax->other || __builtin_fabs(slack_at(relax, row, relax->other)) > SLACK_MIN);
}

static bool is_of_limits(const struct plan_relax *relax, uint32_t row)
{
    return relax->keys[row] == PLAN_KEY_OF_LIMITS;
}

void plan_relax_purge(struct plan_relax *relax)
{
    CHECK(relax->solution.status == PLAN_LP_OPTIMAL);
    remove_cuts(relax, is_slack);
}

/* Limits ------------------------------------------------------------------------------------ */

void plan_relax_row_of_limit(struct plan_relax *relax, uint32_t column, double most, uint32_t node)
{
    uint64_t key = relax->key;
    relax->key = relax->is_rest ? PLAN_KEY_OF_LIMITS : key;
    plan_relax_row(relax, 0, PLAN_LP_INFINITY);
    plan_relax_term(relax, relax->first_open + node, most);
    plan_relax_term(relax, column, -1);
    relax->key = key;
}

bool plan_relax_has_open(const struct plan_relax *relax, uint32_t v)
{
    const struct plan_node *node = &relax->problem->nodes[v];
    return node->open_usd_h > 0 || node->replicas_min > 1;
}

/* What the replicas that are left of the node's columns can do, in requests per second. */
static double room_of(const struct plan_relax *relax, const struct plan_node *node)
{
    const struct plan_problem *problem = relax->problem;
    double room = 0;
    for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
        room += relax->limits[c] * (double)problem->columns[c].speed;
    return 1e-12 * problem->services[node->service].share_ppm * room * (1 + 1e-12);
}

void plan_relax_limit(struct plan_relax *relax, const double *most)
{
    const struct plan_problem *problem = relax->problem;
    CHECK(relax->is_rest);
    remove_cuts(relax, is_of_limits);
    memcpy(relax->limits, most, problem->column_count * sizeof *most);
    for (uint32_t v = 0; v < problem->node_count; v++) {
        const struct plan_node *node = &problem->nodes[v];
        uint32_t end = node->column_first + node->column_count, load = relax->first_load + v;
        double room = room_of(relax, node);
        if (!plan_relax_has_open(relax, v) || room == 0) /* closed, by its bounds */
            continue;
        for (uint32_t c = node->column_first; c < end; c++)
            if (most[c] > 0 && most[c] < relax->upper_first[c] && plan_relax_has_room(relax, 2))
                plan_relax_row_of_limit(relax, c, most[c], v);
        if (room < relax->upper[load] && plan_relax_has_room(relax, 2))
            plan_relax_row_of_limit(relax, load, room, v);
    }
}
