#include "plan/day_link.h"

#include <math.h>

#include "base/check.h"

/* Costs ------------------------------------------------------------------------------------ */

static const struct plan_problem *problem_of(const struct plan_day *day, uint32_t slot)
{
    return &day->slots[slot].made->problem;
}

double plan_day_start_usd(const struct plan_day *day, uint32_t slot, uint32_t column)
{
    return day->wish->start_usd +
           day->wish->cold_start_h * day->slots[slot].columns[column].cost_usd_h;
}

double plan_day_flows_usd_h(const struct plan_problem *problem, const struct plan_flow *flows,
                            uint32_t count)
{
    double usd_h = 0;
    for (uint32_t i = 0; i < count; i++)
        usd_h += 3600e-6 * (double)flows[i].rate * problem->nodes[flows[i].node].egress_usd;
    for (uint32_t d = 0; d < problem->demand_count; d++) {
        int64_t left = problem->demands[d].rate;
        if (isinf(problem->demands[d].unmet_usd))
            continue;
        for (uint32_t i = 0; i < count; i++)
            left -= flows[i].demand == d ? flows[i].rate : 0;
        usd_h += 3600e-6 * (double)left * problem->demands[d].unmet_usd;
    }
    return usd_h;
}

static uint32_t node_sum(const struct plan_node *node, const uint32_t *counts)
{
    uint32_t sum = 0;
    for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
        sum += counts[c];
    return sum;
}

double plan_day_slot_usd_h(const struct plan_day *day, const struct plan_day_plan *plan,
                           uint32_t slot)
{
    const struct plan_problem *problem = problem_of(day, slot);
    const uint32_t *counts = plan_day_counts(day, plan, slot);
    double usd_h = plan->flows[slot].usd_h;
    for (uint32_t v = 0; v < problem->node_count; v++)
        usd_h += node_sum(&problem->nodes[v], counts) > 0 ? problem->nodes[v].open_usd_h : 0;
    for (uint32_t c = 0; c < day->column_count; c++)
        usd_h += counts[c] * problem->columns[c].cost_usd_h;
    return usd_h;
}

static double column_step_usd(const struct plan_day *day, const struct plan_day_plan *plan,
                              uint32_t slot, uint32_t column)
{
    uint32_t before = plan_day_counts(day, plan, plan_day_before(day, slot))[column];
    uint32_t now = plan_day_counts(day, plan, slot)[column];
    return now > before ? (now - before) * plan_day_start_usd(day, slot, column)
                        : (before - now) * day->wish->stop_usd;
}

double plan_day_step_usd(const struct plan_day *day, const struct plan_day_plan *plan,
                         uint32_t slot)
{
    double usd = 0;
    for (uint32_t c = 0; c < day->column_count; c++)
        usd += column_step_usd(day, plan, slot, c);
    return usd;
}

double plan_day_usd(const struct plan_day *day, const struct plan_day_plan *plan)
{
    double usd = 0;
    for (uint32_t t = 0; t < day->slot_count; t++)
        usd += day->slot_h * plan_day_slot_usd_h(day, plan, t) + plan_day_step_usd(day, plan, t);
    return usd;
}

/* Rules of a slot -------------------------------------------------------------------------- */

static bool keeps_row(const struct plan_row *row, const uint32_t *counts)
{
    double sum = 0;
    for (uint32_t i = 0; i < row->term_count; i++)
        sum += row->terms[i].factor * counts[row->terms[i].column];
    double room = 1e-9;
    return sum <= row->upper + room * (1 + fabs(row->upper)) &&
           sum >= row->lower - room * (1 + fabs(row->lower));
}

/* After <column> of <slot> has changed. */
static bool allows_column(const struct plan_day *day, uint32_t slot, uint32_t column,
                          const uint32_t *counts)
{
    const struct plan_problem *problem = problem_of(day, slot);
    const struct plan_column *own = &problem->columns[column];
    const struct plan_node *node = &problem->nodes[own->node];
    uint32_t sum = node_sum(node, counts);
    if (counts[column] < own->count_min || counts[column] > own->count_max ||
        (sum > 0 && sum < node->replicas_min))
        return false;
    for (uint32_t r = 0; r < problem->row_count; r++)
        if (plan_row_factor(&problem->rows[r], column) != 0 &&
            !keeps_row(&problem->rows[r], counts))
            return false;
    return true;
}

bool plan_day_allows(const struct plan_day *day, uint32_t slot, const uint32_t *counts)
{
    const struct plan_problem *problem = problem_of(day, slot);
    for (uint32_t v = 0; v < problem->node_count; v++) {
        uint32_t sum = node_sum(&problem->nodes[v], counts);
        if (sum > 0 && sum < problem->nodes[v].replicas_min)
            return false;
    }
    for (uint32_t c = 0; c < day->column_count; c++)
        if (counts[c] < problem->columns[c].count_min || counts[c] > problem->columns[c].count_max)
            return false;
    for (uint32_t r = 0; r < problem->row_count; r++)
        if (!keeps_row(&problem->rows[r], counts))
            return false;
    return true;
}

/* Dips ------------------------------------------------------------------------------------- */

struct dip { /* <count> slots from <first> on, all with <low>; both neighbours have more */
    uint32_t first, count, low, level; /* level: the smaller of the neighbours */
};

static bool find_dip(const struct plan_day *day, const struct plan_day_plan *plan, uint32_t column,
                     uint32_t first, struct dip *ret_dip)
{
    uint32_t low = plan_day_counts(day, plan, first)[column], count = 1;
    uint32_t before = plan_day_counts(day, plan, plan_day_before(day, first))[column];
    uint32_t next = plan_day_after(day, first);
    if (before <= low)
        return false;
    for (; plan_day_counts(day, plan, next)[column] == low; next = plan_day_after(day, next))
        count++; /* ends: <before> is more */
    uint32_t after = plan_day_counts(day, plan, next)[column];
    if (after < low)
        return false;
    *ret_dip = (struct dip){first, count, low, before < after ? before : after};
    return true;
}

static void set_dip(const struct plan_day *day, struct plan_day_plan *plan, uint32_t column,
                    const struct dip *dip, uint32_t value)
{
    for (uint32_t i = 0; i < dip->count; i++)
        plan_day_counts(day, plan, (dip->first + i) % day->slot_count)[column] = value;
}

/* What the replicas of the dip save when they stay: moves less machines and open sites. */
static double saving_usd(const struct plan_day *day, const struct plan_day_plan *plan,
                         uint32_t column, const struct dip *dip)
{
    uint32_t more = dip->level - dip->low, end = (dip->first + dip->count) % day->slot_count;
    double usd = more * (day->wish->stop_usd + plan_day_start_usd(day, end, column));
    for (uint32_t i = 0; i < dip->count; i++) {
        uint32_t t = (dip->first + i) % day->slot_count;
        const struct plan_problem *problem = problem_of(day, t);
        const struct plan_node *node = &problem->nodes[problem->columns[column].node];
        bool is_shut = node_sum(node, plan_day_counts(day, plan, t)) == 0;
        usd -= day->slot_h *
               (more * problem->columns[column].cost_usd_h + (is_shut ? node->open_usd_h : 0));
    }
    return usd;
}

/* Stays in all slots of the dip, or changes nothing. */
static bool hold_dip(const struct plan_day *day, struct plan_day_plan *plan, uint32_t column,
                     const struct dip *dip)
{
    if (saving_usd(day, plan, column, dip) <= 0)
        return false;
    set_dip(day, plan, column, dip, dip->level);
    for (uint32_t i = 0; i < dip->count; i++) {
        uint32_t t = (dip->first + i) % day->slot_count;
        if (!allows_column(day, t, column, plan_day_counts(day, plan, t))) {
            set_dip(day, plan, column, dip, dip->low);
            return false;
        }
    }
    return true;
}

void plan_day_hold(const struct plan_day *day, struct plan_day_plan *plan)
{
    struct dip dip;
    bool is_changed = day->slot_count > 1;
    while (is_changed) { /* ends: each change raises a column to a count that it has elsewhere */
        is_changed = false;
        for (uint32_t c = 0; c < day->column_count; c++)
            for (uint32_t t = 0; t < day->slot_count; t++)
                if (find_dip(day, plan, c, t, &dip) && hold_dip(day, plan, c, &dip))
                    is_changed = true;
    }
}

/* Rules between slots ---------------------------------------------------------------------- */

static uint32_t starts_most(const struct plan_day *day, const struct plan_service *service,
                            const uint32_t *before)
{
    uint64_t running = 0;
    for (uint32_t c = service->column_first; c < service->column_first + service->column_count; c++)
        running += before[c];
    double share = floor(day->wish->day.ramp * (double)running + 1e-9);
    uint32_t most = share < PLAN_COUNT_MAX ? (uint32_t)share : PLAN_COUNT_MAX;
    most = most > day->wish->day.ramp_replicas ? most : day->wish->day.ramp_replicas;
    return most > 1 ? most : 1;
}

/* The cheapest replica of the service that <slot> starts and the slot before may have already, or
 * PLAN_NONE. <before> is left as it was. */
static uint32_t find_early(const struct plan_day *day, const struct plan_service *service,
                           uint32_t slot, uint32_t *before, const uint32_t *now)
{
    uint32_t best = PLAN_NONE, earlier = plan_day_before(day, slot);
    const struct plan_column *columns = day->slots[earlier].columns;
    for (uint32_t c = service->column_first; c < service->column_first + service->column_count;
         c++) {
        if (now[c] <= before[c] ||
            (best != PLAN_NONE && columns[c].cost_usd_h >= columns[best].cost_usd_h))
            continue;
        before[c]++;
        if (allows_column(day, earlier, c, before))
            best = c;
        before[c]--;
    }
    return best;
}

/* False: <slot> starts more than it may, and none of it can start earlier. */
static bool mend_step(const struct plan_day *day, struct plan_day_plan *plan, uint32_t slot,
                      const struct plan_service *service, bool *is_changed)
{
    uint32_t *before = plan_day_counts(day, plan, plan_day_before(day, slot));
    const uint32_t *now = plan_day_counts(day, plan, slot);
    for (;;) {
        uint64_t starts = 0;
        for (uint32_t c = service->column_first; c < service->column_first + service->column_count;
             c++)
            starts += now[c] > before[c] ? now[c] - before[c] : 0;
        if (starts <= starts_most(day, service, before))
            return true;
        uint32_t early = find_early(day, service, slot, before, now);
        if (early == PLAN_NONE)
            return false;
        before[early]++;
        *is_changed = true;
    }
}

static const struct plan_row *find_crowded(const struct plan_day *day,
                                           const struct plan_day_plan *plan, uint32_t slot)
{
    const struct plan_problem *problem = problem_of(day, slot);
    const uint32_t *before = plan_day_counts(day, plan, plan_day_before(day, slot));
    const uint32_t *now = plan_day_counts(day, plan, slot);
    for (uint32_t r = 0; r < problem->row_count; r++) {
        const struct plan_row *row = &problem->rows[r];
        double sum = 0;
        for (uint32_t i = 0; i < row->term_count; i++) {
            uint32_t c = row->terms[i].column;
            sum += row->terms[i].factor * (now[c] > before[c] ? now[c] : before[c]);
        }
        if (row->rule == PLAN_RULE_STOCK && sum > row->upper * (1 + 1e-9))
            return row;
    }
    return NULL;
}

static void say(const struct plan_day *day, uint32_t slot, struct span what, const char *rule,
                struct text *why)
{
    uint32_t hours = CATALOG_HOURS / day->slot_count;
    text_truncate(why, 0);
    text_add(why, "no day was found that keeps the %s (%.*s, from the slot at %02u:00 to %02u:00)",
             rule, SPAN_ARG(what), plan_day_before(day, slot) * hours, slot * hours);
}

bool plan_day_mend(const struct plan_day *day, struct plan_day_plan *plan, struct text *why)
{
    const struct plan_problem *problem = problem_of(day, 0);
    bool is_changed = isfinite(day->wish->day.ramp);
    while (is_changed) { /* ends: counts only rise, to what they are elsewhere */
        is_changed = false;
        for (uint32_t t = day->slot_count; t-- > 0;)
            for (uint32_t s = 0; s < problem->service_count; s++)
                if (!mend_step(day, plan, t, &problem->services[s], &is_changed)) {
                    say(day, t, problem->services[s].name, "ramp", why);
                    return false;
                }
    }
    for (uint32_t t = 0; t < day->slot_count && day->wish->cold_start_h > 0; t++) {
        const struct plan_row *row = find_crowded(day, plan, t);
        if (row) {
            say(day, t, row->name, "stock while new replicas warm up", why);
            return false;
        }
    }
    return true;
}
