/* lift.c: rows that hold for every plan cheaper than one that is known.
 *
 * For a set of demands U whose nodes may each be lost, the rest must do: with T the speeds, b what
 * is asked of them after a loss, and t a bound below on sum T n over N(U) of every plan that costs
 * at most <best>,
 *     sum over N(U) without v:  T n  >=  b        where v is open, and
 *                                    >=  t        where it is closed, since then they are all there
 * are: sum over N(U) without v:  T n + (t - b) y[v]  >=  t. The relaxation likes to fill sites that
 * it has hardly opened; this ties what a site holds to how far it is open, far more closely than n
 * <= most y. t comes from the relaxation itself, with the cost as a row and T n as what is
 * minimised (bounds from optimality: Zamora and Grossmann, 1999).
 *
 * The rows are of no use where costs change: they stay in the tree that they were made for. */
#include <string.h>

#include "base/check.h"
#include "plan/relax.h"

enum { SETS_TRIED = 6 };

#define REQUESTS(rate) (1e-6 * (double)(rate))
#define LIFT_MIN       1e-3 /* share of b that must be gained */

static bool is_near(const struct plan_relax *relax, const struct plan_cut *set, uint32_t node)
{
    return plan_cut_rate_near(&relax->graphs[0], set, node) > 0;
}

/* The least sum of T n near the set that costs at most <best>; 0: nothing is known. */
static double least_speed(struct plan_relax *relax, const struct plan_cut *set, double best)
{
    const struct plan_problem *problem = relax->problem;
    double *own = relax->scratch, *other = relax->scratch + relax->column_count, least = 0;
    if (!plan_relax_has_room(relax, relax->column_count))
        return 0;
    memcpy(own, relax->cost, relax->column_count * sizeof *own);
    memset(other, 0, relax->column_count * sizeof *other);
    for (uint32_t c = 0; c < problem->column_count; c++)
        if (is_near(relax, set, problem->columns[c].node))
            other[c] = REQUESTS(problem->columns[c].speed);
    plan_relax_row(relax, -PLAN_LP_INFINITY, best);
    for (uint32_t c = 0; c < relax->column_count; c++)
        if (own[c] != 0)
            plan_relax_term(relax, c, own[c]);
    memcpy(relax->cost, other, relax->column_count * sizeof *other);
    if (plan_relax_close(relax, 0, 0, NULL, NULL) == ERR_OK)
        least = plan_relax_bound(relax);
    plan_relax_drop_row(relax);
    memcpy(relax->cost, own, relax->column_count * sizeof *own);
    return least;
}

/* The rows of each region that <x> violates. */
static uint32_t add_rows(struct plan_relax *relax, const struct plan_cut *set, double least,
                         double asked, const double *x)
{
    const struct plan_problem *problem = relax->problem;
    double lift = least - asked;
    uint32_t added = 0;
    for (uint32_t r = 0; r < problem->region_count; r++) {
        double left = least, open = 0;
        for (uint32_t v = 0; v < problem->node_count; v++) {
            const struct plan_node *node = &problem->nodes[v];
            if (!is_near(relax, set, v))
                continue;
            if (node->region == r)
                open += lift * x[relax->first_open + v];
            for (uint32_t c = node->column_first;
                 node->region != r && c < node->column_first + node->column_count; c++)
                left -= REQUESTS(problem->columns[c].speed) * x[c];
        }
        if (open == 0 || left - open <= 1e-4 * asked ||
            !plan_relax_has_room(relax, relax->column_count))
            continue;
        plan_relax_row(relax, least * (1 - 1e-9), PLAN_LP_INFINITY);
        for (uint32_t v = 0; v < problem->node_count; v++) {
            const struct plan_node *node = &problem->nodes[v];
            if (!is_near(relax, set, v))
                continue;
            if (node->region == r)
                plan_relax_term(relax, relax->first_open + v, lift);
            for (uint32_t c = node->column_first;
                 node->region != r && c < node->column_first + node->column_count; c++)
                plan_relax_term(relax, c, REQUESTS(problem->columns[c].speed));
        }
        added++;
    }
    return added;
}

/* Of the known sets the largest <SETS_TRIED>. */
static uint32_t choose_sets(const struct plan_relax *relax, const struct plan_cut **ret_sets)
{
    uint32_t known = relax->cut_count < relax->cuts_max ? relax->cut_count : relax->cuts_max;
    uint32_t count = 0;
    for (uint32_t i = 0; i < known; i++) {
        if (plan_relax_has_soft(relax, &relax->cuts[i]))
            continue;
        uint32_t at = count < SETS_TRIED ? count++ : SETS_TRIED;
        for (; at > 0 && ret_sets[at - 1]->rate < relax->cuts[i].rate; at--)
            if (at < SETS_TRIED)
                ret_sets[at] = ret_sets[at - 1];
        if (at < SETS_TRIED)
            ret_sets[at] = &relax->cuts[i];
    }
    return count;
}

uint32_t plan_relax_lift(struct plan_relax *relax, double best, double *x)
{
    const struct plan_cut *sets[SETS_TRIED];
    uint32_t share_ppm = relax->problem->services[0].share_lost_ppm, added = 0;
    CHECK(relax->problem->service_count == 1);
    uint32_t count = choose_sets(relax, sets);
    memcpy(x, relax->solution.x, relax->column_count * sizeof *x);
    for (uint32_t i = 0; i < count; i++) {
        double asked = REQUESTS(sets[i]->rate) / (1e-6 * share_ppm);
        double least = least_speed(relax, sets[i], best);
        if (least > asked * (1 + LIFT_MIN))
            added += add_rows(relax, sets[i], least, asked, x);
    }
    return added;
}
