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
 * Ratios are exact (integers), coefficients are rounded up and right sides are whole, so that no
 * plan is cut off by floating point. */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "plan/relax.h"

enum { SETS_MAX = 48, SIZES_MAX = 64, TERMS_MAX = PLAN_NODES_MAX * 32, ADDED_MAX = 24 };

#define FRACTION_MIN 1e-4
#define EFFICACY_MIN 1e-5

struct plan_cutter {
    uint32_t columns[TERMS_MAX];
    double factors[TERMS_MAX]; /* of the row, in units of its speeds */
    double plain[TERMS_MAX], best_values[TERMS_MAX], values[TERMS_MAX];
    uint32_t count;
    double side; /* the row: sum factor x >= side */
    double best_side, best_efficacy;
    double sizes[SIZES_MAX];
    uint32_t size_count;
};

size_t plan_cutter_size(void)
{
    return sizeof(struct plan_cutter);
}

static bool is_new_set(const struct plan_cut *const *sets, uint32_t count,
                       const struct plan_cut *cut)
{
    for (uint32_t i = 0; i < count; i++)
        if (memcmp(&sets[i]->demands, &cut->demands, sizeof cut->demands) == 0 &&
            memcmp(sets[i]->opened, cut->opened, sizeof cut->opened) == 0)
            return false;
    return true;
}

static void add_size(struct plan_cutter *cutter, double size)
{
    for (uint32_t i = 0; i < cutter->size_count; i++)
        if (cutter->sizes[i] == size)
            return;
    if (cutter->size_count < SIZES_MAX)
        cutter->sizes[cutter->size_count++] = size;
}

/* The row of <cut>'s demands after <failure>; speeds in micro-requests per second. */
static void load_row(struct plan_cutter *cutter, const struct plan_relax *relax,
                     const struct plan_cut *cut, uint32_t failure, bool takes_lost)
{
    const struct plan_problem *problem = relax->problem;
    const struct plan_service *service = &problem->services[cut->service];
    uint32_t share =
        failure == PLAN_NONE && !takes_lost ? service->share_ppm : service->share_lost_ppm;
    cutter->count = cutter->size_count = 0;
    for (uint32_t i = 0; i < service->node_count; i++) {
        const struct plan_node *node = &problem->nodes[service->node_first + i];
        int64_t near = plan_cut_rate_near(&relax->graphs[cut->service], cut, i);
        if (near == 0 ||
            (failure != PLAN_NONE && plan_failure_has(&problem->failures[failure], node->region)))
            continue;
        if (plan_cut_opens(cut, i)) {
            cutter->columns[cutter->count] = relax->first_open + service->node_first + i;
            cutter->factors[cutter->count++] = (double)near * 1e6 / share * (1 + 1e-15);
            continue;
        }
        for (uint32_t c = node->column_first;
             c < node->column_first + node->column_count && cutter->count < TERMS_MAX; c++) {
            cutter->columns[cutter->count] = c;
            cutter->factors[cutter->count++] = (double)problem->columns[c].speed;
            add_size(cutter, (double)problem->columns[c].speed);
        }
    }
    cutter->side = (double)cut->rate * 1e6 / share * (1 - 1e-15);
}

/* Rounds the row by <divisor>; kept when it is the best so far. */
static void try_divisor(struct plan_cutter *cutter, const double *x, double divisor)
{
    double side = cutter->side / divisor, whole = floor(side), fraction = side - whole;
    if (fraction < FRACTION_MIN || fraction > 1 - 1e-9)
        return;
    double left = whole + 1, norm = 0;
    for (uint32_t i = 0; i < cutter->count; i++) {
        double ratio = cutter->factors[i] / divisor, floored = floor(ratio * (1 + 1e-15));
        double rest = ratio > floored ? (ratio - floored) / fraction * (1 + 1e-12) : 0;
        cutter->values[i] = floored + (rest < 1 ? rest : 1);
        left -= cutter->values[i] * x[cutter->columns[i]];
        norm += cutter->values[i] * cutter->values[i];
    }
    double efficacy = left / sqrt(norm);
    if (efficacy <= cutter->best_efficacy)
        return;
    cutter->best_efficacy = efficacy;
    cutter->best_side = whole + 1;
    for (uint32_t i = 0; i < cutter->count; i++)
        cutter->best_values[i] = cutter->values[i];
}

static void try_divisors(struct plan_cutter *cutter, const double *x)
{
    for (uint32_t i = 0; i < cutter->size_count; i++) {
        try_divisor(cutter, x, cutter->sizes[i]);
        try_divisor(cutter, x, 2 * cutter->sizes[i]);
        try_divisor(cutter, x, cutter->sizes[i] / 2);
    }
}

static uint32_t send_best(struct plan_cutter *cutter, struct plan_relax *relax)
{
    if (cutter->best_efficacy < EFFICACY_MIN || !plan_relax_has_room(relax, cutter->count))
        return 0;
    plan_relax_row(relax, cutter->best_side, PLAN_LP_INFINITY);
    for (uint32_t i = 0; i < cutter->count; i++)
        if (cutter->best_values[i] > 0)
            plan_relax_term(relax, cutter->columns[i], cutter->best_values[i]);
    relax->rounding_count++;
    return 1;
}

static bool has_soft(const struct plan_relax *relax, const struct plan_cut *cut)
{
    const struct plan_service *service = &relax->problem->services[cut->service];
    for (uint32_t d = 0; d < service->demand_count; d++)
        if (plan_demand_set_has(&cut->demands, d) &&
            relax->unmet_columns[service->demand_first + d] != PLAN_NONE)
            return true;
    return false;
}

static bool failure_matters(const struct plan_relax *relax, const struct plan_cut *cut,
                            uint32_t failure)
{
    const struct plan_problem *problem = relax->problem;
    const struct plan_service *service = &problem->services[cut->service];
    for (uint32_t i = 0; i < service->node_count; i++) {
        const struct plan_node *node = &problem->nodes[service->node_first + i];
        if (!plan_failure_has(&problem->failures[failure], node->region) ||
            plan_cut_rate_near(&relax->graphs[cut->service], cut, i) == 0)
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

static uint32_t cut_set(struct plan_cutter *cutter, struct plan_relax *relax,
                        const struct plan_cut *cut, bool all_regions_may_fail)
{
    const double *x = relax->solution.x;
    uint32_t added = 0;
    for (uint32_t f = 0; f <= relax->problem->failure_count; f++) {
        uint32_t failure = f == 0 ? PLAN_NONE : f - 1;
        if (failure != PLAN_NONE && !failure_matters(relax, cut, failure))
            continue;
        load_row(cutter, relax, cut, failure, false);
        cutter->best_efficacy = 0;
        try_divisors(cutter, x);
        added += send_best(cutter, relax);
    }
    static const uint64_t none[PLAN_NODES_MAX / 64];
    if (!all_regions_may_fail || memcmp(cut->opened, none, sizeof none) != 0)
        return added;
    load_row(cutter, relax, cut, PLAN_NONE, true);
    double smallest = INFINITY;
    for (uint32_t i = 0; i < cutter->size_count; i++)
        smallest = cutter->sizes[i] < smallest ? cutter->sizes[i] : smallest;
    cutter->best_efficacy = 0;
    for (uint32_t i = 0; i < cutter->size_count; i++)
        try_largest_site(cutter, x, cutter->sizes[i], smallest);
    return added + send_best(cutter, relax);
}

static bool may_all_fail(const struct plan_problem *problem)
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

uint32_t plan_relax_round_cuts(struct plan_relax *relax)
{
    bool may_fail = may_all_fail(relax->problem);
    uint32_t added = 0, cut_count = relax->cut_count;
    for (uint32_t s = 0; s < relax->problem->service_count; s++) {
        const struct plan_cut *sets[SETS_MAX];
        uint32_t count = 0;
        for (uint32_t i = cut_count; i-- > 0 && count < SETS_MAX;)
            if (relax->cuts[i].service == s && is_new_set(sets, count, &relax->cuts[i]) &&
                !has_soft(relax, &relax->cuts[i]))
                sets[count++] = &relax->cuts[i];
        for (uint32_t i = 0; i < count; i++)
            added += cut_set(relax->cutter, relax, sets[i], may_fail);
    }
    return added;
}
