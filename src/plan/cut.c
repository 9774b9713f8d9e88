/* cut.c: rounding cuts: what whole numbers of replicas add to Hall's rows.
 *
 * For a set of demands U near the nodes N(U), and a failure f, every plan has
 *     sum over columns c of N(U) without f:  T[c] n[c] >= D(U) / share          (T: speeds)
 * and since n is whole, for any divisor t > 0 (mixed-integer rounding, Nemhauser and Wolsey, 1990)
 *     sum (floor(T/t) + min(1, frac(T/t) / frac(b/t))) n >= ceil(b/t)           (b: right side).
 *
 * When every region may be lost alone, some site of N(U) holds at least one replica and may be the
 * lost one, so that T_min can be added to the right side of the row over all of N(U) with the
 * share of the failure; for a size T_q the row is lifted: replicas smaller than T_q count
 * (1 + (T_q - T_min) / (b + T_min)) times, and T_q is added. Rounding follows.
 *
 * Of k sites in N(U) each may be the lost one; the k rows added up say that together they have at
 * least k / (k - 1) of b. That falls and is convex in k, so that the line through two whole
 * numbers of sites is a row in n and sum y, which rounding takes further. It is what stops the
 * relaxation from spreading replicas over many sites that it has hardly opened.
 *
 * Ratios are exact (integers), coefficients are rounded up and right sides are whole, so that no
 * plan is cut off by floating point. */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "plan/relax.h"

enum { SIZES_MAX = 24, FOUND_MAX = 4096, SENT_MAX = 100 };

#define FRACTION_MIN 1e-4
#define EFFICACY_MIN 1e-5

struct plan_cutter {
    uint32_t *columns;
    double *factors; /* of the row, in units of its speeds */
    double *most;    /* of each column */
    bool *is_turned;
    double *plain, *best_values, *values;
    uint32_t count, terms_max;
    uint32_t *there, there_count; /* terms whose columns the solution has any of */
    double side;                  /* the row: sum factor x >= side */
    double slack;                 /* of the row at the solution */
    int64_t near[PLAN_NODES_MAX]; /* rate of the set's demands near each node */
    double best_side, best_efficacy;
    double sizes[SIZES_MAX];
    uint32_t size_count;
    double found[FOUND_MAX]; /* efficacy of each cut of this round */
    uint32_t found_count;
};

struct plan_cutter *plan_cutter_new(const struct plan_problem *problem, struct arena *arena)
{
    struct plan_cutter *cutter = ARENA_NEW(arena, struct plan_cutter);
    uint32_t most = 0;
    for (uint32_t s = 0; s < problem->service_count; s++) {
        uint32_t terms = problem->services[s].column_count + problem->services[s].node_count;
        most = terms > most ? terms : most;
    }
    if (!cutter)
        return NULL;
    cutter->terms_max = most;
    cutter->columns = ARENA_ARRAY(arena, uint32_t, most);
    cutter->there = ARENA_ARRAY(arena, uint32_t, most);
    cutter->is_turned = ARENA_ARRAY(arena, bool, most);
    double **arrays[] = {&cutter->factors, &cutter->most, &cutter->plain, &cutter->best_values,
                         &cutter->values};
    for (size_t i = 0; i < COUNT_OF(arrays); i++)
        *arrays[i] = ARENA_ARRAY(arena, double, most);
    return cutter;
}

static void add_size(struct plan_cutter *cutter, double size)
{
    if (size <= 0)
        return;
    for (uint32_t i = 0; i < cutter->size_count; i++)
        if (cutter->sizes[i] == size)
            return;
    if (cutter->size_count < SIZES_MAX)
        cutter->sizes[cutter->size_count++] = size;
}

/* How a row counts a node: by its replicas, or by whether it is open. */
enum view { VIEW_REPLICAS, VIEW_AS_FOUND, VIEW_OPEN };

/* The most that a node can do for the set: its demands, or all replicas it may have. */
static double most_of(const struct plan_relax *relax, uint32_t node, double near)
{
    const struct plan_node *own = &relax->problem->nodes[node];
    double most = 0;
    for (uint32_t c = own->column_first; c < own->column_first + own->column_count; c++)
        most += relax->limits[c] * (double)relax->problem->columns[c].speed;
    return most < near ? most : near;
}

static void add_term(struct plan_cutter *cutter, uint32_t column, double most, double factor)
{
    CHECK(cutter->count < cutter->terms_max);
    cutter->columns[cutter->count] = column;
    cutter->most[cutter->count] = most;
    cutter->factors[cutter->count++] = factor;
    add_size(cutter, factor);
}

/* The row of <cut>'s demands after <failure>; speeds in micro-requests per second. */
static void load_row(struct plan_cutter *cutter, const struct plan_relax *relax,
                     const struct plan_cut *cut, uint32_t failure, bool takes_lost, enum view view)
{
    const struct plan_problem *problem = relax->problem;
    const struct plan_service *service = &problem->services[cut->service];
    uint32_t share =
        failure == PLAN_NONE && !takes_lost ? service->share_ppm : service->share_lost_ppm;
    cutter->count = cutter->size_count = 0;
    for (uint32_t i = 0; i < service->node_count; i++) {
        const struct plan_node *node = &problem->nodes[service->node_first + i];
        int64_t near = cutter->near[i];
        if (near == 0 ||
            (failure != PLAN_NONE && plan_failure_has(&problem->failures[failure], node->region)))
            continue;
        double factor = (double)near * 1e6 / share * (1 + 1e-15);
        if (view == VIEW_OPEN) {
            factor = most_of(relax, service->node_first + i, factor);
            if (factor > 0)
                add_term(cutter, relax->first_open + service->node_first + i, 1, factor);
        } else if (view == VIEW_AS_FOUND && plan_cut_opens(cut, i)) {
            add_term(cutter, relax->first_open + service->node_first + i, 1, factor);
        } else {
            for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
                add_term(cutter, c, relax->limits[c], (double)problem->columns[c].speed);
        }
    }
    cutter->side = (double)cut->rate * 1e6 / share * (1 - 1e-15);
}

static void load_set(struct plan_cutter *cutter, const struct plan_relax *relax,
                     const struct plan_cut *cut)
{
    const struct plan_service *service = &relax->problem->services[cut->service];
    for (uint32_t i = 0; i < service->node_count; i++)
        cutter->near[i] = plan_cut_rate_near(&relax->graphs[cut->service], cut, i);
}

/* The factor of a term, rounded by <divisor>, where the side leaves <fraction>; of a column that is
 * complemented that of what it lacks. */
static double round_term(const struct plan_cutter *cutter, uint32_t i, double divisor,
                         double fraction)
{
    double ratio = (cutter->is_turned[i] ? -1 : 1) * cutter->factors[i] / divisor;
    double floored = floor(ratio + 1e-13 * __builtin_fabs(ratio));
    double rest = ratio > floored ? (ratio - floored) / fraction * (1 + 1e-12) : 0;
    return floored + (rest < 1 ? rest : 1);
}

/* What a rounded term adds to the left side at the solution. */
static double add_rounded(const struct plan_cutter *cutter, uint32_t i, double value,
                          const double *x)
{
    double column = x[cutter->columns[i]];
    return cutter->is_turned[i] ? value * (cutter->most[i] - column) : value * column;
}

/* Rounds the row by <divisor>, with those columns complemented; kept when it is the best so far:
 * most are not, and the terms that are there at the solution tell. */
static void try_divisor(struct plan_cutter *cutter, const double *x, double divisor)
{
    double side = cutter->side, norm = 0;
    for (uint32_t k = 0; k < cutter->there_count; k++) {
        uint32_t i = cutter->there[k];
        side -= cutter->is_turned[i] ? cutter->factors[i] * cutter->most[i] : 0;
    }
    side = side / divisor - 1e-12 * cutter->side / divisor;
    double whole = floor(side), fraction = side - whole, left = whole + 1, new_side = whole + 1;
    if (fraction < FRACTION_MIN || fraction > 1 - 1e-9 || side < 0)
        return;
    for (uint32_t k = 0; k < cutter->there_count; k++) {
        double value = round_term(cutter, cutter->there[k], divisor, fraction);
        left -= add_rounded(cutter, cutter->there[k], value, x);
        norm += value * value;
    }
    if (left <= cutter->best_efficacy * sqrt(norm))
        return;
    norm = 0;
    for (uint32_t i = 0; i < cutter->count; i++) {
        double value = round_term(cutter, i, divisor, fraction);
        new_side -= cutter->is_turned[i] ? value * cutter->most[i] : 0;
        cutter->values[i] = cutter->is_turned[i] ? -value : value;
        norm += value * value;
    }
    double efficacy = left / sqrt(norm);
    if (efficacy <= cutter->best_efficacy)
        return;
    cutter->best_efficacy = efficacy;
    cutter->best_side = new_side - 1e-9 * (__builtin_fabs(new_side) + whole + 1);
    for (uint32_t i = 0; i < cutter->count; i++)
        cutter->best_values[i] = cutter->values[i];
}

/* What is rounded is at least the row over the divisor, and its side at most one more: a divisor
 * below the row's slack gives nothing. */
static void try_sizes(struct plan_cutter *cutter, const double *x)
{
    static const double shares[] = {1, 2, 0.5};
    for (uint32_t i = 0; i < cutter->size_count; i++)
        for (size_t k = 0; k < COUNT_OF(shares); k++)
            if (shares[k] * cutter->sizes[i] > cutter->slack)
                try_divisor(cutter, x, shares[k] * cutter->sizes[i]);
}

/* As it is; then with the columns beyond half of their most as what they lack of it (Marchand and
 * Wolsey, 2001). */
static void try_divisors(struct plan_cutter *cutter, const double *x)
{
    bool turns = false;
    cutter->slack = -cutter->side;
    cutter->there_count = 0;
    for (uint32_t i = 0; i < cutter->count; i++) {
        if (x[cutter->columns[i]] == 0)
            continue;
        cutter->there[cutter->there_count++] = i;
        cutter->slack += cutter->factors[i] * x[cutter->columns[i]];
    }
    memset(cutter->is_turned, 0, cutter->count * sizeof *cutter->is_turned);
    try_sizes(cutter, x);
    for (uint32_t k = 0; k < cutter->there_count; k++) {
        uint32_t i = cutter->there[k];
        cutter->is_turned[i] = x[cutter->columns[i]] > cutter->most[i] / 2;
        turns = turns || cutter->is_turned[i];
    }
    if (turns)
        try_sizes(cutter, x);
}

static void send_best(struct plan_cutter *cutter, struct plan_relax *relax)
{
    if (cutter->best_efficacy < EFFICACY_MIN || !plan_relax_has_room(relax, cutter->count) ||
        cutter->found_count == FOUND_MAX)
        return;
    cutter->found[cutter->found_count++] = cutter->best_efficacy;
    plan_relax_row(relax, cutter->best_side, PLAN_LP_INFINITY);
    for (uint32_t i = 0; i < cutter->count; i++)
        if (cutter->best_values[i] != 0)
            plan_relax_term(relax, cutter->columns[i], cutter->best_values[i]);
}

bool plan_relax_has_soft(const struct plan_relax *relax, const struct plan_cut *cut)
{
    const struct plan_service *service = &relax->problem->services[cut->service];
    for (uint32_t d = 0; d < service->demand_count; d++)
        if (plan_demand_set_has(&cut->demands, d) &&
            relax->unmet_columns[service->demand_first + d] != PLAN_NONE)
            return true;
    return false;
}

static bool failure_matters(const struct plan_cutter *cutter, const struct plan_relax *relax,
                            const struct plan_cut *cut, uint32_t failure)
{
    const struct plan_problem *problem = relax->problem;
    const struct plan_service *service = &problem->services[cut->service];
    for (uint32_t i = 0; i < service->node_count; i++) {
        const struct plan_node *node = &problem->nodes[service->node_first + i];
        if (!plan_failure_has(&problem->failures[failure], node->region) || cutter->near[i] == 0)
            continue;
        for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
            if (relax->solution.x[c] > 1e-6)
                return true;
    }
    return false;
}

/* Lifts the loaded row by the largest site for size <size>, then rounds. */
static void try_largest_site(struct plan_cutter *cutter, const double *x, double size,
                             double smallest)
{
    double base = cutter->side;
    double lift = 1 + (size - smallest) / (base + smallest) * (1 + 1e-12);
    memcpy(cutter->plain, cutter->factors, cutter->count * sizeof *cutter->plain);
    cutter->side = base + size;
    for (uint32_t i = 0; i < cutter->count; i++)
        if (cutter->factors[i] < size)
            cutter->factors[i] *= lift;
    try_divisors(cutter, x);
    memcpy(cutter->factors, cutter->plain, cutter->count * sizeof *cutter->plain);
    cutter->side = base;
}

static void cut_after_failures(struct plan_cutter *cutter, struct plan_relax *relax,
                               const struct plan_cut *cut, enum view view)
{
    for (uint32_t f = 0; f <= relax->problem->failure_count; f++) {
        uint32_t failure = f == 0 ? PLAN_NONE : f - 1;
        if (failure != PLAN_NONE && !failure_matters(cutter, relax, cut, failure))
            continue;
        load_row(cutter, relax, cut, failure, false, view);
        cutter->best_efficacy = 0;
        try_divisors(cutter, relax->solution.x);
        send_best(cutter, relax);
    }
}

static void cut_largest_site(struct plan_cutter *cutter, struct plan_relax *relax,
                             const struct plan_cut *cut, enum view view)
{
    load_row(cutter, relax, cut, PLAN_NONE, true, view);
    double smallest = INFINITY;
    for (uint32_t i = 0; i < cutter->size_count; i++)
        smallest = cutter->sizes[i] < smallest ? cutter->sizes[i] : smallest;
    cutter->best_efficacy = 0;
    for (uint32_t i = 0; i < cutter->size_count; i++)
        try_largest_site(cutter, relax->solution.x, cutter->sizes[i], smallest);
    send_best(cutter, relax);
}

/* The row as it is. */
static void try_plain(struct plan_cutter *cutter, const double *x)
{
    double largest = 0, norm = 0;
    for (uint32_t i = 0; i < cutter->count; i++)
        largest = cutter->factors[i] > largest ? cutter->factors[i] : largest;
    double left = cutter->side / largest * (1 - 1e-12);
    cutter->values[0] = 0;
    for (uint32_t i = 0; i < cutter->count; i++) {
        cutter->values[i] = cutter->factors[i] / largest * (1 + 1e-15);
        left -= cutter->values[i] * x[cutter->columns[i]];
        norm += cutter->values[i] * cutter->values[i];
    }
    if (left / sqrt(norm) <= cutter->best_efficacy)
        return;
    cutter->best_efficacy = left / sqrt(norm);
    cutter->best_side = cutter->side / largest * (1 - 1e-12);
    memcpy(cutter->best_values, cutter->values, cutter->count * sizeof *cutter->values);
}

/* The rate that k sites must have together when any may be lost: k / (k - 1) of what is asked. */
static double sites_need(double side, double k)
{
    return side * k / (k - 1);
}

/* The number of sites: see the head of this file. */
static void cut_sites(struct plan_cutter *cutter, struct plan_relax *relax,
                      const struct plan_cut *cut)
{
    const struct plan_service *service = &relax->problem->services[cut->service];
    const double *x = relax->solution.x;
    load_row(cutter, relax, cut, PLAN_NONE, true, VIEW_REPLICAS);
    double open = 0, side = cutter->side;
    uint32_t first = cutter->count;
    for (uint32_t i = 0; i < service->node_count; i++) {
        uint32_t y = relax->first_open + service->node_first + i;
        if (cutter->near[i] == 0)
            continue;
        open += x[y];
        add_term(cutter, y, 1, 0);
    }
    double k = floor(open) < 2 ? 2 : floor(open);
    double slope = sites_need(side, k) - sites_need(side, k + 1);
    for (uint32_t i = first; i < cutter->count; i++)
        cutter->factors[i] = slope * (1 + 1e-15);
    cutter->side = (sites_need(side, k) + k * slope) * (1 - 1e-14);
    cutter->best_efficacy = 0;
    try_plain(cutter, x);
    try_divisors(cutter, x);
    send_best(cutter, relax);
}

static void cut_set(struct plan_cutter *cutter, struct plan_relax *relax,
                    const struct plan_cut *cut, bool all_regions_may_fail)
{
    static const uint64_t none[PLAN_NODES_MAX / 64];
    load_set(cutter, relax, cut);
    cut_after_failures(cutter, relax, cut, VIEW_REPLICAS);
    cut_after_failures(cutter, relax, cut, VIEW_OPEN);
    if (memcmp(cut->opened, none, sizeof none) != 0)
        cut_after_failures(cutter, relax, cut, VIEW_AS_FOUND);
    if (!all_regions_may_fail)
        return;
    cut_sites(cutter, relax, cut);
    cut_largest_site(cutter, relax, cut, VIEW_REPLICAS);
    cut_largest_site(cutter, relax, cut, VIEW_OPEN);
}

bool plan_may_all_fail(const struct plan_problem *problem)
{
    for (uint32_t r = 0; r < problem->region_count; r++) {
        bool may = false;
        for (uint32_t f = 0; f < problem->failure_count && !may; f++)
            may = plan_failure_has(&problem->failures[f], r);
        if (!may)
            return false;
    }
    return true;
}

/* The most effective <SENT_MAX> of this round; equal ones are taken for the same cut. */
static double least_to_send(struct plan_cutter *cutter)
{
    double best[SENT_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < cutter->found_count; i++) {
        uint32_t at = 0;
        while (at < count && best[at] > cutter->found[i])
            at++;
        if (at == SENT_MAX || (at < count && best[at] == cutter->found[i])) {
            cutter->found[i] = 0;
            continue;
        }
        count += count < SENT_MAX;
        memmove(best + at + 1, best + at, (count - at - 1) * sizeof *best);
        best[at] = cutter->found[i];
    }
    return count > 0 ? best[count - 1] : 0;
}

uint32_t plan_relax_round_cuts(struct plan_relax *relax)
{
    bool may_fail = plan_may_all_fail(relax->problem);
    struct plan_cutter *cutter = relax->cutter;
    uint32_t first = relax->rows.count;
    cutter->found_count = 0;
    for (uint32_t s = 0; s < relax->problem->service_count; s++)
        plan_relax_find_sets(relax, s);
    uint32_t known = relax->cut_count < relax->cuts_max ? relax->cut_count : relax->cuts_max;
    for (uint32_t i = 0; i < known; i++) {
        relax->key = relax->is_rest ? PLAN_KEY_OF_LIMITS : plan_cut_key(&relax->cuts[i]);
        if (!plan_relax_has_soft(relax, &relax->cuts[i]))
            cut_set(cutter, relax, &relax->cuts[i], may_fail);
    }
    relax->key = 0;
    double least = least_to_send(cutter);
    plan_relax_keep(relax, first, cutter->found, least);
    return relax->rows.count - first;
}
