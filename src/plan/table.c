#include "plan/table.h"

#include <math.h>
#include <string.h>

#include "base/check.h"

enum {
    WORK_OF_UNITS = 64, /* so many sums are one unit of work */
    RANGES_MIN = 2,
    BLOCK = 64 /* sums at once */
};

#define REQUESTS(rate) (1e-6 * (double)(rate))
#define LESS           (1 - 1e-9) /* what adding up may have lost */
#define FLOAT_LOSS     0x1p-24    /* of a sum in single precision, by each term */
#define RANGE_MIN      0.01       /* of what is asked: not halved any more */
#define COARSE         256        /* units are enough to choose ranges */
#define STRIDE         (2 * PLAN_UNITS + 1)

float *plan_table_scratch(struct arena *arena)
{
    return ARENA_ROOM(arena, float, (size_t)(PLAN_GROUPS_MAX + 1) * STRIDE);
}

bool plan_table_init(struct plan_table *table, float *scratch, struct arena *arena)
{
    *table = (struct plan_table){
        .least = ARENA_ROOM(arena, float,
                            (size_t)(PLAN_GROUPS_MAX + 1) * PLAN_RANGES_MAX * (PLAN_UNITS + 1)),
        .sums = scratch,
        .levels = ARENA_ROOM(arena, double, PLAN_POINTS_MAX)};
    return !arena->is_overflown;
}

static double most_weight(const struct plan_table *table, const struct plan_group *group)
{
    double most = 0;
    for (uint32_t i = group->point_first; i < group->point_first + group->point_count; i++) {
        double weight = __builtin_fabs(plan_table_weight(table, &table->groups->points[i]));
        most = weight > most ? weight : most;
    }
    return most;
}

/* Where each depth's sums lie: with those of the next one, if the group in between neither does nor
 * weighs anything. A sum has a term of each group, and terms and result are rounded, too. */
static void lay_out(struct plan_table *table)
{
    const struct plan_groups *groups = table->groups;
    double sum = 0;
    table->rows[groups->group_count] = 0;
    for (uint32_t j = groups->group_count; j-- > 0;) {
        const struct plan_group *group = &groups->groups[table->order[j]];
        double most = most_weight(table, group);
        table->rows[j] = table->rows[j + 1] + (most > 0 || group->useful[table->own] > 0);
        sum += most;
    }
    table->margin = FLOAT_LOSS * (groups->group_count + 6) * sum;
}

static void begin(struct plan_table *table)
{
    const struct plan_groups *groups = table->groups;
    const struct plan_graph *graph = &groups->relax->graphs[0];
    const struct plan_service *service = &groups->relax->problem->services[0];
    const struct plan_demand_set *demands = &groups->weighed[table->own].demands;
    double share = 1e-6 * service->share_ppm, share_lost = 1e-6 * service->share_lost_ppm;
    double rate = 0;
    for (uint32_t d = 0; d < graph->demand_count; d++)
        rate += plan_demand_set_has(demands, d) ? REQUESTS(graph->rates[d]) : 0;
    table->asked = rate / share * LESS;
    table->asked_lost = rate / share_lost * LESS;
    lay_out(table);
}

static float *sums_of(const struct plan_table *table, uint32_t depth)
{
    return table->sums + (size_t)table->rows[depth] * STRIDE + PLAN_UNITS;
}

static void clear_sums(float *sums, uint32_t units, float first)
{
    sums[0] = first;
    for (uint32_t u = 1; u <= units; u++)
        sums[u] = INFINITY;
}

/* The sums below zero, when all are there. */
static void extend(float *sums, uint32_t units)
{
    for (uint32_t u = 1; u <= units; u++)
        sums[-(ptrdiff_t)u] = sums[0];
}

/* <to>: by each number of units up to <units>, also with a point that does <own> of them and weighs
 * <weight> on top of <from>, which goes on below zero as it is there. */
static void take_point(const float *restrict from, float *restrict to, uint32_t units, uint32_t own,
                       float weight)
{
    from -= own;
    to[0] = from[0] + weight < to[0] ? from[0] + weight : to[0];
    from++;
    to++;
    for (uint32_t first = 0; first < units; first += BLOCK, from += BLOCK, to += BLOCK)
        for (size_t u = 0; u < BLOCK; u++) { /* of a size that may not wrap: vector code */
            float sum = from[u] + weight;
            to[u] = sum < to[u] ? sum : to[u];
        }
}

/* Rounded up; no more than <most>. */
static inline uint32_t units_of(double speed, double per_speed, uint32_t most)
{
    double units = speed * per_speed * LESS;
    if (!(units > 0))
        return 0;
    if (units >= most)
        return most;
    uint32_t whole = (uint32_t)units;
    return whole + (whole < units);
}

/* The least weight of the group's points that do so many <units>, none of which has a node above
 * <high>. */
static void weigh_points(struct plan_table *table, uint32_t group, double high, double per_speed,
                         uint32_t units)
{
    const struct plan_group *own = &table->groups->groups[group];
    for (uint32_t u = 0; u <= units; u++)
        table->weights[u] = INFINITY;
    for (uint32_t i = own->point_first; i < own->point_first + own->point_count; i++) {
        const struct plan_point *point = &table->groups->points[i];
        if (plan_table_fastest(table, group, point) > high)
            continue;
        float *least = &table->weights[units_of(point->speeds[table->own], per_speed, units)];
        float weight = (float)plan_table_weight(table, point);
        *least = weight < *least ? weight : *least;
    }
    table->work += own->point_count / 4 + units / WORK_OF_UNITS;
}

/* By depth, from the last group on, where M is from <low> to <high>, in <units> of what is asked
 * then. The least of all, lowered. */
static double fill_sums(struct plan_table *table, double low, double high, uint32_t units)
{
    double per_speed = units / plan_table_asked(table, low);
    clear_sums(sums_of(table, table->groups->group_count), units, 0);
    for (uint32_t j = table->groups->group_count; j-- > 0;) {
        float least = INFINITY;
        if (table->rows[j] == table->rows[j + 1])
            continue;
        extend(sums_of(table, j + 1), units);
        clear_sums(sums_of(table, j), units, INFINITY);
        weigh_points(table, table->order[j], high, per_speed, units);
        for (uint32_t u = units + 1; u-- > 0;) { /* what does less has to weigh less */
            if (table->weights[u] >= least)
                continue;
            least = table->weights[u];
            take_point(sums_of(table, j + 1), sums_of(table, j), units, u, least);
            table->work += units / WORK_OF_UNITS;
        }
    }
    return sums_of(table, 0)[units] - table->margin;
}

/* What is kept of a depth's sums, and those that lie with it. */
static float *least_at(const struct plan_table *table, uint32_t depth, uint32_t range)
{
    size_t at = (size_t)table->rows[depth] * PLAN_RANGES_MAX + range;
    return table->least + at * (PLAN_UNITS + 1);
}

static void keep_sums(struct plan_table *table, uint32_t range)
{
    for (uint32_t j = 0; j <= table->groups->group_count; j++) {
        if (j > 0 && table->rows[j] == table->rows[j - 1])
            continue;
        float *to = least_at(table, j, range);
        for (uint32_t u = 0; u <= PLAN_UNITS; u++)
            to[u] = (float)(sums_of(table, j)[u] - table->margin);
    }
}

static void sort_levels(double *levels, uint32_t count)
{
    for (uint32_t gap = count / 2; gap > 0; gap /= 2)
        for (uint32_t i = gap; i < count; i++) {
            double level = levels[i];
            uint32_t j = i;
            for (; j >= gap && levels[j - gap] > level; j -= gap)
                levels[j] = levels[j - gap];
            levels[j] = level;
        }
}

/* The speeds of fastest nodes near the set, each once, ascending. */
static uint32_t list_levels(struct plan_table *table)
{
    uint32_t all = 0, count = 0;
    double *levels = table->levels;
    for (uint32_t g = 0; g < table->groups->group_count; g++) {
        const struct plan_group *group = &table->groups->groups[g];
        for (uint32_t i = 0; group->useful[table->own] > 0 && i < group->point_count; i++)
            levels[all++] =
                plan_table_fastest(table, g, &table->groups->points[group->point_first + i]);
    }
    sort_levels(levels, all);
    for (uint32_t i = 0; i < all; i++)
        if (count == 0 || levels[i] > levels[count - 1])
            levels[count++] = levels[i];
    table->work += 16 * (uint64_t)all;
    return count;
}

struct range { /* of levels, and the least sum there */
    uint32_t first, end;
    double least;
};

static bool is_short(const struct plan_table *table, const struct range *range)
{
    double length = table->levels[range->end - 1] - table->levels[range->first];
    return range->end - range->first == 1 || length <= RANGE_MIN * table->asked_lost;
}

/* The one with the least sum is halved, as long as there is room for more. */
static uint32_t choose_ranges(struct plan_table *table, uint32_t levels, uint32_t most,
                              struct range *ranges)
{
    uint32_t count = levels > 0;
    ranges[0] = (struct range){0, levels, -INFINITY};
    while (count > 0 && count < most) {
        uint32_t at = PLAN_NONE;
        for (uint32_t i = 0; i < count; i++)
            if (!is_short(table, &ranges[i]) &&
                (at == PLAN_NONE || ranges[i].least < ranges[at].least))
                at = i;
        if (at == PLAN_NONE)
            break;
        uint32_t middle = ranges[at].first + (ranges[at].end - ranges[at].first) / 2;
        ranges[count] = (struct range){middle, ranges[at].end, 0};
        ranges[at].end = middle;
        const uint32_t halves[] = {at, count++};
        for (size_t i = 0; i < COUNT_OF(halves); i++) {
            struct range *own = &ranges[halves[i]];
            own->least =
                fill_sums(table, table->levels[own->first], table->levels[own->end - 1], COARSE);
        }
    }
    return count;
}

void plan_table_fill(struct plan_table *table, const struct plan_groups *groups,
                     const uint32_t *order, uint32_t own, uint64_t work_max)
{
    struct range ranges[PLAN_RANGES_MAX];
    table->groups = groups;
    table->order = order;
    table->own = own;
    table->work = 0;
    begin(table);
    uint32_t levels = list_levels(table);
    uint64_t most =
        work_max / ((PLAN_UNITS + 2 * COARSE) / WORK_OF_UNITS * (groups->point_count + 1));
    most = most < RANGES_MIN ? RANGES_MIN : most < PLAN_RANGES_MAX ? most : PLAN_RANGES_MAX;
    table->range_count = choose_ranges(table, levels, (uint32_t)most, ranges);
    for (uint32_t r = 0; r < table->range_count; r++) {
        table->lows[r] = table->levels[ranges[r].first];
        table->highs[r] = table->levels[ranges[r].end - 1];
        table->per_speed[r] = PLAN_UNITS / plan_table_asked(table, table->lows[r]);
        (void)fill_sums(table, table->lows[r], table->highs[r], PLAN_UNITS);
        keep_sums(table, r);
    }
}

static struct plan_ask ask_of(const struct plan_table *table, uint32_t depth, uint32_t range,
                              double speed, double fastest)
{
    double low = table->lows[range] > fastest ? table->lows[range] : fastest;
    return (struct plan_ask){.least = least_at(table, depth, range),
                             .low = low,
                             .high = table->highs[range],
                             .per_speed = table->per_speed[range],
                             .speed = speed,
                             .needed = plan_table_asked(table, low) - speed};
}

static inline double least_of(const struct plan_table *table, const struct plan_ask *ask,
                              double speed, double fastest)
{
    if (fastest > ask->high || ask->low > ask->high)
        return INFINITY;
    double needed =
        fastest > ask->low ? plan_table_asked(table, fastest) - ask->speed : ask->needed;
    return ask->least[units_of(needed - speed, ask->per_speed, PLAN_UNITS)];
}

double plan_table_ask(const struct plan_table *table, uint32_t depth, uint32_t range, double speed,
                      double fastest)
{
    const struct plan_ask ask = ask_of(table, depth, range, speed, fastest);
    return least_of(table, &ask, 0, 0);
}

void plan_table_begin_query(const struct plan_table *table, uint32_t depth, uint32_t ranges,
                            double speed, double fastest, struct plan_query *ret_query)
{
    ret_query->table = table;
    ret_query->count = 0;
    for (; ranges; ranges &= ranges - 1)
        ret_query->asks[ret_query->count++] =
            ask_of(table, depth, (uint32_t)__builtin_ctz(ranges), speed, fastest);
}

double plan_table_query(struct plan_query *query, double speed, double fastest, double enough)
{
    double least = INFINITY;
    for (uint32_t i = 0; i < query->count && least > enough; i++) {
        double own = least_of(query->table, &query->asks[i], speed, fastest);
        if (own >= least)
            continue;
        const struct plan_ask ask = query->asks[i];
        least = own;
        query->asks[i] = query->asks[0];
        query->asks[0] = ask;
    }
    return least;
}
