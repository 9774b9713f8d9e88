#include "plan/enumerate.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/sort.h"

enum {
    UNITS = 1024, /* of what is asked of a set */
    RANGES_MAX = 12,
    STRETCHES_MAX = 4096,
    SETS_MAX = 256,
    WORK_A_LOOK = 100000, /* at the clock */
    WORK_OF_UNITS = 64,   /* so many sums of a table are one unit of work */
    WORK_OF_NODE = 2
};

#define REQUESTS(rate) (1e-6 * (double)(rate))
#define LESS           (1 - 1e-9) /* what adding up may have lost */
#define STRETCH_MIN    0.01       /* of what is asked: not halved any more */
#define FLOAT_LOSS     0x1p-24    /* of a sum in single precision, by each term */

/* A set of demands, and what its groups must do. */
struct set {
    struct plan_demand_set demands;
    uint64_t groups; /* bit g */
    double asked, asked_lost;
};

/* The least weight of a set's points by what is asked of them. */
struct table {
    struct set set;
    double useful[PLAN_GROUPS_MAX]; /* no node of a group can do more for the set */
    double unit;
    double margin;        /* what sums in single precision may be above the true ones */
    uint32_t range_count; /* of the fastest node's speed */
    double lows[RANGES_MAX], highs[RANGES_MAX];
    float *least; /* of the groups from depth j on, by range and units */
};

/* What a partial plan has of each set. */
struct state {
    double speeds[SETS_MAX], fastest[SETS_MAX];
    double table_speeds[PLAN_TABLES_MAX], table_fastest[PLAN_TABLES_MAX];
    double value;              /* at prices without those of other rows, which are fixed */
    double linear[PLAN_RESTS]; /* bounds by prices alone */
    double cost_usd_h;
};

struct stretch { /* of levels, and the least that a plan there may cost */
    uint32_t first, end;
    double bound;
};

struct plan_enumerator {
    struct plan_groups *groups;
    struct plan_own *own;
    struct table tables[PLAN_TABLES_MAX];
    struct set sets[SETS_MAX];
    uint32_t set_count, set_used;                  /* those that were known when the search began */
    uint32_t order[PLAN_GROUPS_MAX];               /* of groups, by depth */
    uint32_t depths;                               /* how many */
    double most[PLAN_GROUPS_MAX + 1][SETS_MAX];    /* that the groups from a depth on can do */
    double rests[PLAN_GROUPS_MAX + 1][PLAN_RESTS]; /* and their least rests, and cost */
    double costs[PLAN_GROUPS_MAX + 1];
    double egress_usd_h;  /* at least */
    bool *is_out;         /* points that no plan below the target has */
    uint32_t *candidates; /* points that may be taken next, where those of their group lie */
    uint32_t *scratch;    /* while they are sorted */
    double *bounds;       /* of the candidates, by point */
    uint32_t picked[PLAN_GROUPS_MAX];
    struct state states[PLAN_GROUPS_MAX + 1];
    float suffixes[PLAN_GROUPS_MAX + 1][2 * UNITS + 1], prefixes[2][2 * UNITS + 1];
    double *levels[2]; /* of the first table; of others */
    struct stretch stretches[STRETCHES_MAX];
    uint32_t *counts, *best;
    double target, found;
    uint64_t work, work_max, look_at;
    bool is_broken_off;
    bool (*is_over)(void *);
    void *context;
};

struct plan_enumerator *plan_enumerator_new(uint32_t columns_max, struct arena *arena)
{
    struct plan_enumerator *e = ARENA_ROOM(arena, struct plan_enumerator, 1);
    if (!e)
        return NULL;
    e->groups = plan_groups_new(columns_max, arena);
    e->is_out = ARENA_ROOM(arena, bool, PLAN_POINTS_MAX);
    e->candidates = ARENA_ROOM(arena, uint32_t, PLAN_POINTS_MAX);
    e->scratch = ARENA_ROOM(arena, uint32_t, PLAN_POINTS_MAX);
    e->bounds = ARENA_ROOM(arena, double, PLAN_POINTS_MAX);
    for (size_t i = 0; i < COUNT_OF(e->levels); i++)
        e->levels[i] = ARENA_ROOM(arena, double, PLAN_POINTS_MAX);
    e->counts = ARENA_ROOM(arena, uint32_t, columns_max);
    e->best = ARENA_ROOM(arena, uint32_t, columns_max);
    for (uint32_t t = 0; t < PLAN_TABLES_MAX; t++)
        e->tables[t].least = ARENA_ROOM(
            arena, float, (size_t)(PLAN_GROUPS_MAX + 1) * (t ? RANGES_MAX : 1) * (UNITS + 1));
    return arena->is_overflown ? NULL : e;
}

static const struct plan_group *group_at(const struct plan_enumerator *e, uint32_t depth)
{
    return &e->groups->groups[e->order[depth]];
}

/* Sets -------------------------------------------------------------------------------------- */

static struct set set_of(const struct plan_enumerator *e, const struct plan_demand_set *demands)
{
    const struct plan_relax *relax = e->groups->relax;
    const struct plan_service *service = &relax->problem->services[0];
    struct set set = {.demands = *demands};
    double rate = 0;
    for (uint32_t d = 0; d < relax->graphs[0].demand_count; d++)
        rate += plan_demand_set_has(demands, d) ? REQUESTS(relax->graphs[0].rates[d]) : 0;
    set.asked = rate / (1e-6 * service->share_ppm) * LESS;
    set.asked_lost = rate / (1e-6 * service->share_lost_ppm) * LESS;
    for (uint32_t g = 0; g < e->groups->group_count; g++)
        for (size_t w = 0; w < COUNT_OF(demands->words); w++)
            if (demands->words[w] & e->groups->groups[g].demands.words[w])
                set.groups |= UINT64_C(1) << g;
    return set;
}

static void add_set(struct plan_enumerator *e, const struct plan_demand_set *demands)
{
    for (uint32_t i = 0; i < e->set_count; i++)
        if (memcmp(&e->sets[i].demands, demands, sizeof *demands) == 0)
            return;
    if (e->set_count < SETS_MAX)
        e->sets[e->set_count++] = set_of(e, demands);
}

/* The demands that can be answered by the nodes of a set that the place knows, and by those that
 * its failure takes away, alone. */
static struct plan_demand_set demands_of(const struct plan_enumerator *e,
                                         const struct plan_known *known)
{
    const struct plan_problem *problem = e->groups->relax->problem;
    const struct plan_graph *graph = &e->groups->relax->graphs[0];
    struct plan_demand_set demands = {{0}};
    for (uint32_t d = 0; d < graph->demand_count; d++) {
        bool is_in = true;
        for (uint32_t i = graph->demand_edges[d]; i < graph->demand_edges[d + 1]; i++) {
            uint32_t v = graph->edge_nodes[i];
            bool is_lost =
                known->failure != PLAN_NONE &&
                plan_failure_has(&problem->failures[known->failure], problem->nodes[v].region);
            is_in = is_in && (is_lost || (known->nodes[v / 64] >> (v % 64) & 1));
        }
        if (is_in)
            plan_demand_set_add(&demands, d);
    }
    return demands;
}

static void add_known_sets(struct plan_enumerator *e)
{
    const struct plan_place_service *state = &e->own->place.services[0];
    for (uint32_t i = 0; i < state->known_count; i++) {
        struct plan_demand_set demands = demands_of(e, &state->known[i]);
        add_set(e, &demands);
    }
}

static void find_sets(struct plan_enumerator *e)
{
    const struct plan_relax *relax = e->groups->relax;
    uint32_t known = relax->cut_count < relax->cuts_max ? relax->cut_count : relax->cuts_max;
    e->set_count = 0;
    add_known_sets(e);
    for (uint32_t i = 0; i < known; i++)
        add_set(e, &relax->cuts[i].demands);
}

/* Tables ------------------------------------------------------------------------------------ */

/* The first table counts the rest, too. */
static float weight_in(const struct plan_point *point, uint32_t t)
{
    return (float)(t == 0 ? point->weights[0] + point->rests[0] : point->weights[t]);
}

/* A sum has a term of each group, two more in leave_out(), and terms and result are rounded, too.
 */
static double margin_of(const struct plan_enumerator *e, uint32_t t)
{
    double sum = 0;
    for (uint32_t g = 0; g < e->groups->group_count; g++) {
        const struct plan_group *group = &e->groups->groups[g];
        double most = 0;
        for (uint32_t i = group->point_first; i < group->point_first + group->point_count; i++) {
            double weight = __builtin_fabs(weight_in(&e->groups->points[i], t));
            most = weight > most ? weight : most;
        }
        sum += most;
    }
    return FLOAT_LOSS * (e->groups->group_count + 6) * sum;
}

static void begin_table(struct plan_enumerator *e, uint32_t t)
{
    const struct plan_graph *graph = &e->groups->relax->graphs[0];
    struct table *table = &e->tables[t];
    double share = 1e-6 * e->groups->relax->problem->services[0].share_ppm;
    table->set = set_of(e, &e->groups->weighed[t].demands);
    for (uint32_t g = 0; g < e->groups->group_count; g++) {
        table->useful[g] = 0;
        for (uint32_t d = 0; d < graph->demand_count; d++)
            if (plan_demand_set_has(&table->set.demands, d) &&
                plan_demand_set_has(&e->groups->groups[g].demands, d))
                table->useful[g] += REQUESTS(graph->rates[d]) / share;
    }
    table->margin = margin_of(e, t);
}

static double fastest_in(const struct table *table, uint32_t group, double fastest)
{
    return fastest < table->useful[group] ? fastest : table->useful[group];
}

static bool is_in(const struct table *table, uint32_t group)
{
    return table->set.groups >> group & 1;
}

/* What is asked of the set's nodes together when the fastest one is at least so fast. */
static double asked_with(const struct table *table, double fastest)
{
    double lost = table->set.asked_lost + fastest;
    return table->set.asked > lost ? table->set.asked : lost;
}

static uint32_t units_of(const struct table *table, uint32_t group, double speed)
{
    double units = is_in(table, group) ? ceil(speed / table->unit * LESS) : 0;
    return units < UNITS ? (uint32_t)units : UNITS;
}

/* <to>: by each number of units, also with a point that does <units> of them and weighs <weight> on
 * top of <from>, which goes on below zero as it is there. */
static void take_point(const float *restrict from, float *restrict to, uint32_t units, float weight)
{
    from -= units;
    to[0] = from[0] + weight < to[0] ? from[0] + weight : to[0];
    for (uint32_t u = 1; u <= UNITS; u++) { /* of fixed length: it becomes vector code */
        float sum = from[u] + weight;
        to[u] = sum < to[u] ? sum : to[u];
    }
}

static void clear_sums(float *sums, float first)
{
    sums[0] = first;
    for (uint32_t u = 1; u <= UNITS; u++)
        sums[u] = INFINITY;
}

/* The sums below zero, when all are there. */
static void extend(float *sums)
{
    for (uint32_t u = 1; u <= UNITS; u++)
        sums[-(ptrdiff_t)u] = sums[0];
}

static bool is_taken(const struct plan_enumerator *e, uint32_t t, uint32_t group, uint32_t point,
                     double high)
{
    const struct table *table = &e->tables[t];
    double fastest = e->groups->points[point].fastest;
    return !e->is_out[point] && (!is_in(table, group) || fastest_in(table, group, fastest) <= high);
}

static float *suffix_of(struct plan_enumerator *e, uint32_t depth)
{
    return e->suffixes[depth] + UNITS;
}

/* suffixes: from the last group on; those points count whose fastest node is not above <high>. */
static void fill_suffixes(struct plan_enumerator *e, uint32_t t, double high)
{
    const struct table *table = &e->tables[t];
    clear_sums(suffix_of(e, e->depths), 0);
    for (uint32_t j = e->depths; j-- > 0;) {
        const struct plan_group *group = group_at(e, j);
        extend(suffix_of(e, j + 1));
        clear_sums(suffix_of(e, j), INFINITY);
        for (uint32_t i = group->point_first; i < group->point_first + group->point_count; i++) {
            if (!is_taken(e, t, e->order[j], i, high))
                continue;
            const struct plan_point *point = &e->groups->points[i];
            take_point(suffix_of(e, j + 1), suffix_of(e, j),
                       units_of(table, e->order[j], point->speed), weight_in(point, t));
            e->work += UNITS / WORK_OF_UNITS;
        }
    }
}

static void keep_suffixes(struct plan_enumerator *e, uint32_t t, uint32_t range)
{
    struct table *table = &e->tables[t];
    for (uint32_t j = 0; j <= e->depths; j++) {
        float *to = table->least + ((size_t)j * table->range_count + range) * (UNITS + 1);
        for (uint32_t u = 0; u <= UNITS; u++)
            to[u] = (float)(suffix_of(e, j)[u] - table->margin);
    }
}

/* The least weight of the groups from <depth> on, when those before do <speed>, the fastest of them
 * <fastest>. */
static double ask_table(const struct table *table, uint32_t depth, double speed, double fastest)
{
    double least = INFINITY;
    for (uint32_t r = 0; r < table->range_count; r++) {
        if (table->highs[r] < fastest)
            continue;
        double low = table->lows[r] > fastest ? table->lows[r] : fastest;
        double left = ceil((asked_with(table, low) - speed) / table->unit * LESS);
        uint32_t units = left > 0 ? (uint32_t)left : 0;
        CHECK(units <= UNITS);
        double own = table->least[((size_t)depth * table->range_count + r) * (UNITS + 1) + units];
        least = own < least ? own : least;
    }
    return least;
}

/* Points go that make even the cheapest plan around them reach the target: the groups before by
 * prefix, those behind by suffix. <others>: what is outside the first table. */
static void leave_out(struct plan_enumerator *e, double high, double others)
{
    const struct table *table = &e->tables[0];
    float *before = e->prefixes[0] + UNITS, *next = e->prefixes[1] + UNITS;
    clear_sums(before, 0);
    for (uint32_t j = 0; j < e->depths; j++) {
        const struct plan_group *group = group_at(e, j);
        extend(before);
        clear_sums(next, INFINITY);
        for (uint32_t i = group->point_first; i < group->point_first + group->point_count; i++) {
            const struct plan_point *point = &e->groups->points[i];
            float weight = weight_in(point, 0), least = INFINITY;
            uint32_t units = units_of(table, e->order[j], point->speed);
            if (!is_taken(e, 0, e->order[j], i, high)) {
                e->is_out[i] = true;
                continue;
            }
            const float *behind = suffix_of(e, j + 1) + (UNITS - units);
            for (uint32_t u = 0; u <= UNITS - units; u++) {
                float sum = before[u] + behind[-(ptrdiff_t)u];
                least = sum < least ? sum : least;
            }
            e->work += 2 * UNITS / WORK_OF_UNITS;
            e->is_out[i] = others + (weight + least - table->margin) >= e->target;
            if (!e->is_out[i])
                take_point(before, next, units, weight);
        }
        float *swap = before;
        before = next;
        next = swap;
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

/* The speeds of fastest nodes near the table's set, each once, ascending. */
static uint32_t list_levels(struct plan_enumerator *e, uint32_t t, double *levels)
{
    const struct table *table = &e->tables[t];
    uint32_t all = 0, count = 0;
    for (uint32_t g = 0; g < e->groups->group_count; g++) {
        const struct plan_group *group = &e->groups->groups[g];
        for (uint32_t i = group->point_first;
             is_in(table, g) && i < group->point_first + group->point_count; i++)
            if (!e->is_out[i])
                levels[all++] = fastest_in(table, g, e->groups->points[i].fastest);
    }
    sort_levels(levels, all);
    for (uint32_t i = 0; i < all; i++)
        if (count == 0 || levels[i] > levels[count - 1])
            levels[count++] = levels[i];
    e->work += 16 * (uint64_t)all;
    return count;
}

static void fill_table(struct plan_enumerator *e, uint32_t t)
{
    struct table *table = &e->tables[t];
    const double *levels = e->levels[1];
    uint32_t count = list_levels(e, t, e->levels[1]),
             ranges = count < RANGES_MAX ? count : RANGES_MAX;
    table->range_count = ranges;
    table->unit = ranges > 0 ? asked_with(table, levels[count - 1]) / UNITS : 1;
    for (uint32_t r = 0; r < ranges; r++) {
        table->lows[r] = levels[(size_t)r * count / ranges];
        table->highs[r] = levels[(size_t)(r + 1) * count / ranges - 1];
    }
    for (uint32_t r = 0; r < ranges; r++) {
        fill_suffixes(e, t, table->highs[r]);
        keep_suffixes(e, t, r);
    }
}

/* Search ------------------------------------------------------------------------------------ */

/* All is taken: is it a plan, and how dear? */
static void close_plan(struct plan_enumerator *e)
{
    uint32_t columns = e->groups->relax->problem->column_count;
    uint64_t work = e->own->place.work;
    memset(e->counts, 0, columns * sizeof *e->counts);
    for (uint32_t j = 0; j < e->depths; j++)
        plan_groups_counts(e->groups, &e->groups->points[e->picked[j]], e->counts);
    bool is_plan = !isinf(plan_own_try(e->own, e->counts));
    e->work += e->own->place.work - work;
    if (!is_plan) {
        add_known_sets(e);
        return;
    }
    double cost = e->own->place.services[0].egress_usd_h;
    for (uint32_t j = 0; j < e->depths; j++)
        cost += e->groups->points[e->picked[j]].cost_usd_h;
    if (cost < e->found) {
        e->found = cost;
        memcpy(e->best, e->counts, columns * sizeof *e->best);
    }
    e->target = cost < e->target ? cost : e->target;
}

/* A bound on every plan with the partial one and the point; what it is of then goes to <to>. */
static double take(const struct plan_enumerator *e, uint32_t depth, const struct plan_point *point,
                   struct state *to)
{
    const struct state *from = &e->states[depth];
    uint32_t g = e->order[depth];
    to->cost_usd_h = from->cost_usd_h + point->cost_usd_h;
    to->value = from->value + point->rests[0];
    double bound = to->cost_usd_h + e->costs[depth + 1];
    for (uint32_t k = 0; k < PLAN_RESTS; k++) {
        to->linear[k] = from->linear[k] + point->rests[k];
        double linear = to->linear[k] + e->rests[depth + 1][k];
        bound = linear > bound ? linear : bound;
    }
    for (uint32_t t = 0; t < e->groups->weighed_count; t++)
        to->value += point->weights[t];
    double value = to->value;
    if (bound >= e->target)
        return bound;
    for (uint32_t t = 0; t < e->groups->weighed_count; t++) { /* all: some may be below zero */
        const struct table *table = &e->tables[t];
        bool counts = is_in(table, g);
        double fastest = counts ? fastest_in(table, g, point->fastest) : 0;
        to->table_speeds[t] = from->table_speeds[t] + (counts ? point->speed : 0);
        to->table_fastest[t] = fastest > from->table_fastest[t] ? fastest : from->table_fastest[t];
        value += ask_table(table, depth + 1, to->table_speeds[t], to->table_fastest[t]);
    }
    return value > bound ? value : bound;
}

/* Can the known sets still be answered? What they have then goes to <to>. */
static bool holds(const struct plan_enumerator *e, uint32_t depth, const struct plan_point *point,
                  struct state *to)
{
    const struct state *from = &e->states[depth];
    uint64_t own = UINT64_C(1) << e->order[depth];
    for (uint32_t i = 0; i < e->set_used; i++) {
        const struct set *set = &e->sets[i];
        double speed = from->speeds[i], fastest = from->fastest[i];
        if (set->groups & own) {
            speed += point->speed;
            fastest = fastest > point->fastest ? fastest : point->fastest;
            double all = speed + e->most[depth + 1][i];
            if (all < set->asked || all - fastest < set->asked_lost)
                return false;
        }
        to->speeds[i] = speed;
        to->fastest[i] = fastest;
    }
    return true;
}

static bool has_less_bound(const void *bounds, uint32_t left, uint32_t right)
{
    const double *all = bounds;
    return all[left] < all[right];
}

/* The points of the group at <depth> that may be taken, the least bound first; of equal ones the
 * first point. */
static uint32_t list_candidates(struct plan_enumerator *e, uint32_t depth)
{
    const struct plan_group *group = group_at(e, depth);
    uint32_t *candidates = e->candidates + group->point_first;
    uint32_t count = 0;
    for (uint32_t i = group->point_first; i < group->point_first + group->point_count; i++) {
        if (e->is_out[i])
            continue;
        e->work += WORK_OF_NODE;
        const struct plan_point *point = &e->groups->points[i];
        e->bounds[i] = take(e, depth, point, &e->states[depth + 1]);
        if (e->bounds[i] < e->target && holds(e, depth, point, &e->states[depth + 1]))
            candidates[count++] = i;
    }
    sort_indices(candidates, e->scratch, count, has_less_bound, e->bounds);
    return count;
}

static bool must_break_off(struct plan_enumerator *e)
{
    e->is_broken_off = e->is_broken_off || e->work > e->work_max ||
                       (e->work >= e->look_at && e->is_over && e->is_over(e->context));
    e->look_at = e->work >= e->look_at ? e->work + WORK_A_LOOK : e->look_at;
    return e->is_broken_off;
}

static void search(struct plan_enumerator *e, uint32_t depth)
{
    if (depth == e->depths) {
        close_plan(e);
        return;
    }
    const uint32_t *candidates = e->candidates + group_at(e, depth)->point_first;
    uint32_t count = list_candidates(e, depth);
    for (uint32_t i = 0; i < count && e->bounds[candidates[i]] < e->target; i++) {
        if (must_break_off(e))
            return;
        const struct plan_point *point = &e->groups->points[candidates[i]];
        (void)take(e, depth, point, &e->states[depth + 1]);
        (void)holds(e, depth, point, &e->states[depth + 1]);
        e->picked[depth] = candidates[i];
        search(e, depth + 1);
    }
}

/* What the groups behind each depth can do at most, and cost at least. */
static void sum_up(struct plan_enumerator *e)
{
    e->set_used = e->set_count;
    memset(e->most[e->depths], 0, sizeof e->most[e->depths]);
    memset(e->rests[e->depths], 0, sizeof e->rests[e->depths]);
    e->costs[e->depths] = 0;
    for (uint32_t j = e->depths; j-- > 0;) {
        const struct plan_group *group = group_at(e, j);
        double speed = 0, rests[PLAN_RESTS], cost = INFINITY;
        for (uint32_t k = 0; k < PLAN_RESTS; k++)
            rests[k] = INFINITY;
        for (uint32_t i = group->point_first; i < group->point_first + group->point_count; i++) {
            const struct plan_point *point = &e->groups->points[i];
            if (e->is_out[i])
                continue;
            speed = point->speed > speed ? point->speed : speed;
            cost = point->cost_usd_h < cost ? point->cost_usd_h : cost;
            for (uint32_t k = 0; k < PLAN_RESTS; k++)
                rests[k] = point->rests[k] < rests[k] ? point->rests[k] : rests[k];
        }
        for (uint32_t k = 0; k < PLAN_RESTS; k++)
            e->rests[j][k] = e->rests[j + 1][k] + rests[k];
        e->costs[j] = e->costs[j + 1] + cost;
        for (uint32_t i = 0; i < e->set_used; i++)
            e->most[j][i] = e->most[j + 1][i] + (e->sets[i].groups >> e->order[j] & 1 ? speed : 0);
    }
}

/* Of the tables' sets but the first, what their rows say of every plan. */
static double value_of_others(const struct plan_enumerator *e)
{
    double value = e->groups->base;
    for (uint32_t t = 1; t < e->groups->weighed_count; t++)
        value += e->groups->weighed[t].value;
    return value;
}

/* All plans of the points that are left in. */
static void search_points(struct plan_enumerator *e)
{
    const struct plan_groups *groups = e->groups;
    sum_up(e);
    e->states[0] = (struct state){.value = groups->base, .cost_usd_h = e->egress_usd_h};
    memcpy(e->states[0].linear, groups->bounds_usd_h, sizeof groups->bounds_usd_h);
    search(e, 0);
}

/* All plans of the stretch that the first table was filled for. */
static void search_stretch(struct plan_enumerator *e)
{
    leave_out(e, e->tables[0].highs[0], value_of_others(e));
    keep_suffixes(e, 0, 0);
    for (uint32_t t = 1; t < e->groups->weighed_count; t++)
        fill_table(e, t);
    search_points(e);
}

/* A bound on all plans of which the fastest node near the first set is from <low> to <high>. */
static double bound_stretch(struct plan_enumerator *e, double low, double high)
{
    struct table *table = &e->tables[0];
    table->range_count = 1;
    table->lows[0] = low;
    table->highs[0] = high;
    table->unit = asked_with(table, low) / UNITS;
    memset(e->is_out, 0, e->groups->point_count * sizeof *e->is_out);
    fill_suffixes(e, 0, high);
    return value_of_others(e) + (suffix_of(e, 0)[UNITS] - table->margin);
}

/* The stretch with the least bound comes first; it is halved until it is short. */
static void search_all(struct plan_enumerator *e)
{
    const double *levels = e->levels[0];
    struct stretch *stretches = e->stretches;
    stretches[0] = (struct stretch){0, list_levels(e, 0, e->levels[0]), -INFINITY};
    for (uint32_t open = stretches[0].end > 0; open > 0 && !must_break_off(e);) {
        uint32_t at = 0;
        for (uint32_t i = 1; i < open; i++)
            at = stretches[i].bound < stretches[at].bound ? i : at;
        const struct stretch own = stretches[at];
        if (own.bound >= e->target)
            return;
        stretches[at] = stretches[--open];
        double low = levels[own.first], high = levels[own.end - 1];
        double bound = bound_stretch(e, low, high);
        if (bound >= e->target)
            continue;
        if (own.end - own.first == 1 || high - low <= STRETCH_MIN * e->tables[0].set.asked_lost) {
            search_stretch(e);
            continue;
        }
        uint32_t middle = own.first + (own.end - own.first) / 2;
        CHECK(open + 2 <= STRETCHES_MAX); /* each is at least one level long */
        stretches[open++] = (struct stretch){own.first, middle, bound};
        stretches[open++] = (struct stretch){middle, own.end, bound};
    }
}

/* Traffic costs at least what the nodes with the cheapest ask for it. */
static double least_egress(const struct plan_relax *relax)
{
    const struct plan_graph *graph = &relax->graphs[0];
    double usd_h = 0;
    for (uint32_t d = 0; d < graph->demand_count; d++) {
        double least = INFINITY;
        for (uint32_t i = graph->demand_edges[d]; i < graph->demand_edges[d + 1]; i++) {
            double usd = relax->problem->nodes[graph->edge_nodes[i]].egress_usd;
            least = usd < least ? usd : least;
        }
        usd_h += 3600 * least * REQUESTS(graph->rates[d]);
    }
    return usd_h * LESS;
}

/* Those that are asked for most come first: they are in the most sets. */
static void order_groups(struct plan_enumerator *e)
{
    const struct plan_group *groups = e->groups->groups;
    e->depths = e->groups->group_count;
    for (uint32_t g = 0; g < e->depths; g++) {
        uint32_t at = g;
        for (; at > 0 && groups[e->order[at - 1]].asked < groups[g].asked; at--)
            e->order[at] = e->order[at - 1];
        e->order[at] = g;
    }
}

double plan_enumerate(struct plan_enumerator *e, struct plan_relax *relax,
                      const struct plan_root *root, struct plan_own *own, double target,
                      uint64_t work_max, double *io_best, bool (*is_over)(void *), void *context)
{
    e->own = own;
    e->target = target;
    e->found = *io_best;
    e->look_at = 0;
    e->work_max = work_max;
    e->is_over = is_over;
    e->context = context;
    bool is_made = plan_groups_make(e->groups, relax, root, target, work_max);
    e->is_broken_off = !is_made;
    e->work = e->groups->work;
    if (is_made) {
        order_groups(e);
        e->egress_usd_h = least_egress(relax);
        find_sets(e);
        for (uint32_t t = 0; t < e->groups->weighed_count; t++)
            begin_table(e, t);
        memset(e->is_out, 0, e->groups->point_count * sizeof *e->is_out);
        if (e->groups->weighed_count > 0)
            search_all(e);
        else
            search_points(e);
    }
    if (e->found < *io_best) {
        *io_best = e->found;
        (void)plan_own_try(own, e->best);
    }
    relax->work += e->work;
    return e->is_broken_off ? -INFINITY : e->target;
}
