#include "plan/group.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/sort.h"

enum {
    LIST_MAX = 16384,
    LINKS_MAX = 1 << 18,
    PART_MAX = 64,    /* points: a group with more is split before its next node; */
    PAIRS_MAX = 4096, /* so is one that would have more, were none beaten */
    WORK_A_LOOK = 100000,
    REPLICAS_MAX = 1024, /* of a column */
    WAYS_MAX = 32768     /* of all nodes */
};

#define REQUESTS(rate) (1e-6 * (double)(rate))
#define NEARLY         (1 + 1e-9) /* what adding up may have lost */
#define LOSS           1e-12      /* the same of prices and sides */

/* So many replicas of a column, and those of <before>. */
struct link {
    uint32_t before, column, count;
};

/* A point that may come: of the list before and an item on top. */
struct listed {
    struct plan_point point;
    uint32_t from, item;
};

struct plan_makings {
    double *rests[PLAN_RESTS]; /* of each column: its cost without what all rows' prices say */
    double *weights[PLAN_TABLES_MAX];
    double *limits; /* of each column: how many replicas there may be */
    struct link *links;
    struct plan_point *replicas; /* of one column: 0, 1, 2 ... */
    struct plan_point *ways;     /* of all nodes */
    uint32_t way_firsts[PLAN_NODES_MAX], way_counts[PLAN_NODES_MAX], way_count;
    double way_leasts[PLAN_NODES_MAX][PLAN_RESTS]; /* of each node's */
    const struct plan_point *items;                /* what may be added: some of those */
    struct plan_point *before;
    struct listed *list;
    uint32_t *order, *scratch;
    const struct listed **stairs; /* the most room so far, by the greatest node */
    uint32_t link_count, item_count, before_count, list_count;
};

struct plan_groups *plan_groups_new(uint32_t columns_max, struct arena *arena)
{
    struct plan_groups *groups = ARENA_NEW(arena, struct plan_groups);
    if (!groups)
        return NULL;
    groups->points = ARENA_ROOM(arena, struct plan_point, PLAN_POINTS_MAX);
    struct plan_makings *makings = groups->makings = ARENA_NEW(arena, struct plan_makings);
    if (!makings)
        return NULL;
    for (uint32_t k = 0; k < PLAN_RESTS; k++)
        makings->rests[k] = ARENA_ROOM(arena, double, columns_max);
    for (uint32_t t = 0; t < PLAN_TABLES_MAX; t++)
        makings->weights[t] = ARENA_ROOM(arena, double, columns_max);
    makings->limits = ARENA_ROOM(arena, double, columns_max);
    makings->links = ARENA_ROOM(arena, struct link, LINKS_MAX);
    makings->replicas = ARENA_ROOM(arena, struct plan_point, REPLICAS_MAX);
    makings->ways = ARENA_ROOM(arena, struct plan_point, WAYS_MAX);
    makings->before = ARENA_ROOM(arena, struct plan_point, LIST_MAX);
    makings->list = ARENA_ROOM(arena, struct listed, LIST_MAX);
    makings->order = ARENA_ROOM(arena, uint32_t, LIST_MAX);
    makings->scratch = ARENA_ROOM(arena, uint32_t, LIST_MAX);
    makings->stairs = ARENA_ROOM(arena, const struct listed *, LIST_MAX);
    return arena->is_overflown ? NULL : groups;
}

static bool is_lost_alone(const struct plan_problem *problem)
{
    for (uint32_t f = 0; f < problem->failure_count; f++)
        if (problem->failures[f].region_count != 1)
            return false;
    for (uint32_t v = 0; v < problem->node_count; v++)
        for (uint32_t u = 0; u < v; u++)
            if (problem->nodes[u].region == problem->nodes[v].region)
                return false;
    return plan_may_all_fail(problem);
}

/* Does the row say no more than how many replicas of a column there may be? */
static bool is_limit(const struct plan_row *row)
{
    return row->term_count == 1 && row->terms[0].factor > 0 && row->lower <= -PLAN_LP_INFINITY;
}

bool plan_groups_fit(const struct plan_problem *problem)
{
    if (problem->service_count != 1)
        return false;
    for (uint32_t r = 0; r < problem->row_count; r++)
        if (!is_limit(&problem->rows[r]))
            return false;
    for (uint32_t v = 0; v < problem->node_count; v++)
        if (problem->nodes[v].replicas_min > 1)
            return false;
    for (uint32_t c = 0; c < problem->column_count; c++) {
        const struct plan_column *column = &problem->columns[c];
        if (column->count_min > 0 || column->start_usd_h > 0 || column->stop_usd_h > 0)
            return false;
    }
    for (uint32_t d = 0; d < problem->demand_count; d++)
        if (problem->demands[d].unmet_usd < PLAN_LP_INFINITY)
            return false;
    return is_lost_alone(problem);
}

/* Prices ------------------------------------------------------------------------------------ */

/* What of a row's price may be split off for its set's table. Rows of n and y alone: all. Others
 * ask for load, which a point has as much of as its nodes can do (group.h): what is left must pay
 * for the traffic of what they do not. */
static double price_of(const struct plan_relax *relax, uint32_t row)
{
    double dearest = 0;
    for (int32_t i = relax->rows.starts[row]; i < relax->rows.starts[row + 1]; i++) {
        const uint32_t c = (uint32_t)relax->rows.columns[i];
        if (c >= relax->first_load && relax->cost[c] > dearest)
            dearest = relax->cost[c];
    }
    double price = relax->solution.duals[row] - dearest;
    return price > 0 ? price : 0;
}

/* What the set's rows add to the optimum by such prices. */
static double worth_of(const struct plan_relax *relax, uint64_t key)
{
    double worth = 0;
    for (uint32_t r = relax->first_cut; r < relax->sent; r++)
        if (relax->keys[r] == key)
            worth += price_of(relax, r) * relax->rows.lower[r];
    return worth;
}

static void choose_sets(struct plan_groups *groups)
{
    const struct plan_relax *relax = groups->relax;
    uint32_t known = relax->cut_count < relax->cuts_max ? relax->cut_count : relax->cuts_max;
    double worths[PLAN_TABLES_MAX];
    groups->weighed_count = 0;
    for (uint32_t i = 0; i < known; i++) {
        uint64_t key = plan_cut_key(&relax->cuts[i]);
        double worth = worth_of(relax, key);
        if (worth <= 0)
            continue;
        uint32_t at =
            groups->weighed_count < PLAN_TABLES_MAX ? groups->weighed_count++ : PLAN_TABLES_MAX;
        for (; at > 0 && worths[at - 1] < worth; at--)
            if (at < PLAN_TABLES_MAX) {
                worths[at] = worths[at - 1];
                groups->weighed[at] = groups->weighed[at - 1];
            }
        if (at < PLAN_TABLES_MAX) {
            worths[at] = worth;
            groups->weighed[at] = (struct plan_weighed){relax->cuts[i].demands, key, 0};
        }
    }
}

/* The table whose set the row speaks of, or the number of tables. */
static uint32_t table_of(const struct plan_groups *groups, uint32_t row)
{
    uint32_t t = 0;
    while (t < groups->weighed_count && groups->weighed[t].key != groups->relax->keys[row])
        t++;
    return t;
}

/* Rows of single nodes and limits are left out: points keep them by themselves. */
static void weigh(struct plan_groups *groups)
{
    const struct plan_relax *relax = groups->relax;
    struct plan_makings *makings = groups->makings;
    const struct plan_lp_rows *rows = &relax->rows;
    double *rest = makings->rests[0];
    memcpy(rest, relax->cost, relax->column_count * sizeof *rest);
    for (uint32_t t = 0; t < groups->weighed_count; t++)
        memset(makings->weights[t], 0, relax->column_count * sizeof *makings->weights[t]);
    groups->base = 0;
    double sum = 0;
    for (uint32_t r = relax->first_cut; r < relax->sent; r++) {
        double price = relax->solution.duals[r];
        double side = price > 0 ? rows->lower[r] : rows->upper[r];
        if (price == 0 || __builtin_fabs(side) >= PLAN_LP_INFINITY)
            continue;
        uint32_t t = table_of(groups, r);
        double own = t < groups->weighed_count ? price_of(relax, r) : 0;
        groups->base += (price - own) * side;
        sum += __builtin_fabs(price * side);
        if (own > 0)
            groups->weighed[t].value += own * side;
        for (int32_t i = rows->starts[r]; i < rows->starts[r + 1]; i++) {
            rest[rows->columns[i]] -= price * rows->values[i];
            if (own > 0)
                makings->weights[t][rows->columns[i]] += own * rows->values[i];
        }
    }
    groups->base -= LOSS * sum;
    groups->bounds_usd_h[0] = groups->base;
    for (uint32_t t = 0; t < groups->weighed_count; t++)
        groups->bounds_usd_h[0] += groups->weighed[t].value;
}

/* The root's bound counts each column at its better bound; those of n and y are counted by points.
 */
static void take_root(struct plan_groups *groups, const struct plan_root *root)
{
    const struct plan_relax *relax = groups->relax;
    double *rest = groups->makings->rests[1];
    memset(rest, 0, relax->column_count * sizeof *rest);
    groups->bounds_usd_h[1] = root->bound_usd_h;
    for (uint32_t c = 0; isfinite(root->bound_usd_h) && c < relax->first_load; c++) {
        double upper = c < relax->first_open ? relax->limits[c] : 1;
        rest[c] = root->reduced[c];
        groups->bounds_usd_h[1] -= rest[c] < 0 ? rest[c] * upper : 0;
    }
}

static void find_limits(struct plan_groups *groups)
{
    const struct plan_relax *relax = groups->relax;
    double *limits = groups->makings->limits;
    memcpy(limits, relax->limits, relax->problem->column_count * sizeof *limits);
    for (uint32_t r = 0; r < relax->problem->row_count; r++) {
        const struct plan_term *term = relax->problem->rows[r].terms;
        double most = floor(relax->rows.upper[relax->first_rule + r] / term->factor + 1e-9);
        most = most > 0 ? most : 0;
        limits[term->column] = most < limits[term->column] ? most : limits[term->column];
    }
}

/* Points ------------------------------------------------------------------------------------ */

static uint32_t link_up(struct plan_makings *makings, uint32_t before, uint32_t column,
                        uint32_t count)
{
    if (makings->link_count == LINKS_MAX)
        return PLAN_NONE;
    makings->links[makings->link_count] = (struct link){before, column, count};
    return makings->link_count++;
}

static void add(struct plan_point *to, const struct plan_point *more)
{
    to->room += more->room;
    to->room_lost += more->room_lost;
    to->greatest = to->greatest > more->greatest ? to->greatest : more->greatest;
    to->speed += more->speed;
    to->fastest = to->fastest > more->fastest ? to->fastest : more->fastest;
    to->cost_usd_h += more->cost_usd_h;
    for (uint32_t k = 0; k < PLAN_RESTS; k++)
        to->rests[k] += more->rests[k];
    for (uint32_t t = 0; t < PLAN_TABLES_MAX; t++) {
        to->weights[t] += more->weights[t];
        to->speeds[t] += more->speeds[t];
    }
}

/* The cheapest first, of those the roomiest, of those the most even. */
static bool is_cheaper(const void *list, uint32_t left, uint32_t right)
{
    const struct plan_point *a = &((const struct listed *)list)[left].point;
    const struct plan_point *b = &((const struct listed *)list)[right].point;
    if (a->cost_usd_h != b->cost_usd_h)
        return a->cost_usd_h < b->cost_usd_h;
    return a->room_lost != b->room_lost ? a->room_lost > b->room_lost : a->greatest < b->greatest;
}

/* Has none so far as much room together, and no greater node? Then it joins the stairs. */
static bool climbs(const struct listed **stairs, uint32_t *count, const struct listed *next)
{
    uint32_t low = 0, high = *count; /* the first with a greater one */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (stairs[middle]->point.greatest <= next->point.greatest)
            low = middle + 1;
        else
            high = middle;
    }
    if (low > 0 && stairs[low - 1]->point.room_lost >= next->point.room_lost &&
        stairs[low - 1]->point.room >= next->point.room)
        return false;
    uint32_t first = low, end = low;
    while (first > 0 && stairs[first - 1]->point.greatest == next->point.greatest)
        first--;
    while (end < *count && stairs[end]->point.room_lost <= next->point.room_lost)
        end++;
    memmove(stairs + first + 1, stairs + end, (*count - end) * sizeof *stairs);
    stairs[first] = next;
    *count -= end - first - 1;
    return true;
}

/* Those of the list that no other one beats stay. */
static void sift(struct plan_groups *groups)
{
    struct plan_makings *makings = groups->makings;
    uint32_t stair_count = 0, kept = 0;
    for (uint32_t i = 0; i < makings->list_count; i++)
        makings->order[i] = i;
    sort_indices(makings->order, makings->scratch, makings->list_count, is_cheaper, makings->list);
    for (uint32_t i = 0; i < makings->list_count; i++) {
        struct listed *next = &makings->list[makings->order[i]];
        if (!climbs(makings->stairs, &stair_count, next))
            next->from = PLAN_NONE;
    }
    for (uint32_t i = 0; i < makings->list_count; i++)
        if (makings->list[i].from != PLAN_NONE)
            makings->list[kept++] = makings->list[i];
    groups->work += 16 * (uint64_t)makings->list_count;
    makings->list_count = kept;
}

/* What those of the list are made of is noted, and they become the points that the next are made
 * from. */
static bool take_list(struct plan_makings *makings)
{
    for (uint32_t i = 0; i < makings->list_count; i++) {
        struct listed *own = &makings->list[i];
        uint32_t made = makings->before[own->from].made;
        for (uint32_t l = makings->items[own->item].made; l != PLAN_NONE;
             l = makings->links[l].before) {
            made = link_up(makings, made, makings->links[l].column, makings->links[l].count);
            if (made == PLAN_NONE)
                return false;
        }
        own->point.made = made;
    }
    for (uint32_t i = 0; i < makings->list_count; i++)
        makings->before[i] = makings->list[i].point;
    makings->before_count = makings->list_count;
    return true;
}

static bool must_break_off(struct plan_groups *groups)
{
    if (groups->work > groups->work_max)
        return true;
    if (groups->work < groups->look_at || !groups->is_over)
        return false;
    groups->look_at = groups->work + WORK_A_LOOK;
    return groups->is_over(groups->context);
}

/* Each item on top of each point so far, where that is of use: up to room for <most> together, and
 * for <most_lost> without the greatest; those with more of a rest than <rests_max> are left out.
 * Items ascend by the first one. */
static bool combine(struct plan_groups *groups, int64_t most, int64_t most_lost,
                    const double *rests_max)
{
    struct plan_makings *makings = groups->makings;
    makings->list_count = 0;
    for (uint32_t k = 1; k < makings->item_count; k++)
        CHECK(makings->items[k - 1].rests[0] <= makings->items[k].rests[0]);
    for (uint32_t i = 0; i < makings->before_count; i++) {
        const struct plan_point *from = &makings->before[i];
        bool is_enough = from->room >= most && from->room_lost - from->greatest >= most_lost;
        for (uint32_t k = 0; k < makings->item_count; k++) {
            const struct plan_point *item = &makings->items[k];
            if (from->rests[0] + item->rests[0] > rests_max[0])
                break;
            if ((is_enough && item->speed > 0) || from->rests[1] + item->rests[1] > rests_max[1])
                continue;
            if (makings->list_count == LIST_MAX) {
                sift(groups);
                if (makings->list_count > LIST_MAX / 2)
                    return false;
            }
            struct listed *to = &makings->list[makings->list_count++];
            *to = (struct listed){*from, i, k};
            add(&to->point, item);
            groups->work++;
        }
        groups->work++;
        if (must_break_off(groups))
            return false;
    }
    sift(groups);
    return take_list(makings);
}

static void begin_list(struct plan_makings *makings)
{
    makings->before[0] = (struct plan_point){.made = PLAN_NONE};
    makings->before_count = 1;
}

/* What the least of the points so far leaves of rest <k>. */
static double left_of(const struct plan_makings *makings, uint32_t k, double rest_max)
{
    double least = INFINITY;
    for (uint32_t i = 0; i < makings->before_count; i++)
        least = makings->before[i].rests[k] < least ? makings->before[i].rests[k] : least;
    return (rest_max - least) + 1e-9 * __builtin_fabs(rest_max);
}

/* How many replicas of a column may be of use where <most> is asked for, with no more of a rest
 * than <rests_max>. */
static uint32_t count_useful(const struct plan_groups *groups, uint32_t column, int64_t most,
                             const double *rests_max)
{
    const struct plan_makings *makings = groups->makings;
    int64_t speed = groups->relax->problem->columns[column].speed;
    double count = (double)((most + speed - 1) / speed), limit = makings->limits[column];
    count = limit < count ? limit : count;
    for (uint32_t k = 0; k < PLAN_RESTS; k++) {
        double rest = makings->rests[k][column], left = left_of(makings, k, rests_max[k]);
        if (rest > 0 && count * rest > left)
            count = floor(left / rest);
    }
    return count > 0 ? (uint32_t)count : 0;
}

/* 0, 1, 2 ... replicas of a column become items, the least rest first; their room is at full load.
 */
static bool list_replicas(struct plan_groups *groups, uint32_t column, int64_t most,
                          const double *rests_max)
{
    const struct plan_relax *relax = groups->relax;
    struct plan_makings *makings = groups->makings;
    uint32_t useful = count_useful(groups, column, most, rests_max);
    bool is_earning = makings->rests[0][column] < 0;
    if (useful >= REPLICAS_MAX)
        return false;
    for (uint32_t i = 0; i <= useful; i++) {
        uint32_t count = is_earning ? useful - i : i;
        uint32_t made = count ? link_up(makings, PLAN_NONE, column, count) : PLAN_NONE;
        if (count && made == PLAN_NONE)
            return false;
        int64_t room = relax->problem->columns[column].speed * count;
        struct plan_point *item = &makings->replicas[i];
        *item = (struct plan_point){.room = room,
                                    .room_lost = room,
                                    .speed = REQUESTS(room),
                                    .cost_usd_h = count * relax->cost[column],
                                    .made = made};
        for (uint32_t k = 0; k < PLAN_RESTS; k++)
            item->rests[k] = count * makings->rests[k][column];
        for (uint32_t t = 0; t < groups->weighed_count; t++)
            item->weights[t] = count * makings->weights[t][column];
    }
    makings->items = makings->replicas;
    makings->item_count = useful + 1;
    return true;
}

static int64_t least_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The least speed that has room for so much. */
static int64_t speed_for(int64_t asked, uint32_t share_ppm)
{
    int64_t speed = (int64_t)((double)asked / (1e-6 * share_ppm));
    while (plan_capacity(speed, share_ppm) >= asked)
        speed--;
    while (plan_capacity(speed, share_ppm) < asked)
        speed++;
    return speed;
}

/* The node is open, has room for no more than is asked near it, and answers what it earns most
 * with. */
static void open_node(struct plan_groups *groups, const struct plan_group *group, uint32_t node,
                      struct plan_point *way)
{
    const int64_t asked = group->asked;
    const struct plan_relax *relax = groups->relax;
    const struct plan_service *service = &relax->problem->services[0];
    const struct plan_makings *makings = groups->makings;
    double share = 1e-6 * service->share_ppm;
    uint32_t open = relax->first_open + node, load = relax->first_load + node;
    int64_t speed = way->room;
    way->room = least_of(plan_capacity(speed, service->share_ppm), asked);
    way->room_lost = least_of(plan_capacity(speed, service->share_lost_ppm), asked);
    way->greatest = way->room_lost;
    way->speed = way->speed < REQUESTS(asked) / share ? way->speed : REQUESTS(asked) / share;
    way->fastest = way->speed;
    way->cost_usd_h += relax->cost[open];
    for (uint32_t k = 0; k < PLAN_RESTS; k++) {
        way->rests[k] += makings->rests[k][open];
        if (makings->rests[k][load] < 0)
            way->rests[k] += makings->rests[k][load] * share * way->speed;
    }
    for (uint32_t t = 0; t < groups->weighed_count; t++) {
        way->weights[t] += makings->weights[t][open];
        way->weights[t] += makings->weights[t][load] * share * way->speed;
        way->speeds[t] = way->speed < group->useful[t] ? way->speed : group->useful[t];
    }
}

static bool has_less_rest(const void *points, uint32_t left, uint32_t right)
{
    const struct plan_point *all = points;
    return all[left].rests[0] < all[right].rests[0];
}

/* The least of rest <k> of an open node but for its first <count> columns. */
static double rest_behind(const struct plan_groups *groups, uint32_t k, uint32_t node,
                          int64_t asked, uint32_t count)
{
    const struct plan_relax *relax = groups->relax;
    const struct plan_node *own = &relax->problem->nodes[node];
    const double *rests = groups->makings->rests[k], *limits = groups->makings->limits;
    double load = rests[relax->first_load + node];
    double rest = rests[relax->first_open + node] + (load < 0 ? load * REQUESTS(asked) : 0);
    for (uint32_t c = own->column_first + count; c < own->column_first + own->column_count; c++)
        rest += rests[c] < 0 ? rests[c] * limits[c] : 0;
    return rest;
}

/* Of an open node, or a closed one. */
static double least_rest(const struct plan_groups *groups, uint32_t k, uint32_t node, int64_t asked)
{
    double open = rest_behind(groups, k, node, asked, 0);
    return open < 0 ? open : 0;
}

/* The way counts when none of its rests is above <rests_max>. */
static void take_way(struct plan_makings *makings, uint32_t node, const struct plan_point *way,
                     const double *rests_max)
{
    double *leasts = makings->way_leasts[node];
    bool is_first = makings->way_counts[node] == 0;
    for (uint32_t k = 0; k < PLAN_RESTS; k++)
        if (way->rests[k] > rests_max[k])
            return;
    for (uint32_t k = 0; k < PLAN_RESTS; k++)
        leasts[k] = is_first || way->rests[k] < leasts[k] ? way->rests[k] : leasts[k];
    makings->ways[makings->way_count++] = *way;
    makings->way_counts[node]++;
}

/* The ways to run a node that no other one beats, the least rest first; none has more than <spares>
 * above the least. */
static bool list_ways(struct plan_groups *groups, const struct plan_group *group, uint32_t node,
                      const double *spares)
{
    const int64_t asked = group->asked;
    const struct plan_problem *problem = groups->relax->problem;
    const struct plan_node *own = &problem->nodes[node];
    struct plan_makings *makings = groups->makings;
    int64_t most = speed_for(asked, problem->services[0].share_ppm);
    double rests_max[PLAN_RESTS], left[PLAN_RESTS];
    for (uint32_t k = 0; k < PLAN_RESTS; k++)
        rests_max[k] = least_rest(groups, k, node, asked) + spares[k];
    begin_list(makings);
    for (uint32_t i = 0; i < own->column_count; i++) {
        for (uint32_t k = 0; k < PLAN_RESTS; k++) {
            left[k] = rests_max[k] - rest_behind(groups, k, node, asked, i + 1);
            left[k] = left[k] > 0 ? left[k] : 0; /* to be closed is possible, too */
        }
        if (!list_replicas(groups, own->column_first + i, most, left) ||
            !combine(groups, most, 0, left))
            return false;
    }
    if (makings->way_count + makings->before_count > WAYS_MAX)
        return false;
    for (uint32_t i = 0; i < makings->before_count; i++) {
        if (makings->before[i].speed > 0)
            open_node(groups, group, node, &makings->before[i]);
        makings->order[i] = i;
    }
    sort_indices(makings->order, makings->scratch, makings->before_count, has_less_rest,
                 makings->before);
    makings->way_firsts[node] = makings->way_count;
    makings->way_counts[node] = 0;
    memset(makings->way_leasts[node], 0, sizeof makings->way_leasts[node]);
    for (uint32_t i = 0; i < makings->before_count; i++)
        take_way(makings, node, &makings->before[makings->order[i]], rests_max);
    return true;
}

static void list_groups(struct plan_groups *groups)
{
    const struct plan_problem *problem = groups->relax->problem;
    const struct plan_graph *graph = &groups->relax->graphs[0];
    groups->group_count = 0;
    for (uint32_t v = 0; v < problem->node_count && groups->group_count <= PLAN_GROUPS_MAX; v++) {
        struct plan_group own = {.egress_usd = problem->nodes[v].egress_usd};
        for (uint32_t i = graph->node_links[v]; i < graph->node_links[v + 1]; i++) {
            uint32_t d = graph->edge_demands[graph->links[i]];
            plan_demand_set_add(&own.demands, d);
            own.asked += graph->rates[d];
        }
        if (own.asked == 0 || problem->nodes[v].column_count == 0)
            continue;
        uint32_t g = 0;
        while (g < groups->group_count &&
               (memcmp(&groups->groups[g].demands, &own.demands, sizeof own.demands) != 0 ||
                groups->groups[g].egress_usd != own.egress_usd))
            g++;
        if (g == groups->group_count && groups->group_count++ < PLAN_GROUPS_MAX)
            groups->groups[g] = own;
        if (g < PLAN_GROUPS_MAX)
            groups->groups[g].nodes[groups->groups[g].node_count++] = v;
    }
}

/* For each table's set, what its demands near the group may ask of one node. */
static void find_useful(struct plan_groups *groups)
{
    const struct plan_graph *graph = &groups->relax->graphs[0];
    const double share = 1e-6 * groups->relax->problem->services[0].share_ppm;
    for (uint32_t g = 0; g < groups->group_count; g++)
        for (uint32_t t = 0; t < groups->weighed_count; t++) {
            struct plan_group *group = &groups->groups[g];
            int64_t rate = 0;
            for (uint32_t d = 0; d < graph->demand_count; d++)
                if (plan_demand_set_has(&group->demands, d) &&
                    plan_demand_set_has(&groups->weighed[t].demands, d))
                    rate += graph->rates[d];
            group->useful[t] = REQUESTS(rate) / share;
        }
}

static bool costs_less(const void *points, uint32_t left, uint32_t right)
{
    const struct plan_point *all = points;
    return all[left].cost_usd_h < all[right].cost_usd_h;
}

/* The nodes behind the first <count> ones become a group of their own. */
static void split(struct plan_groups *groups, struct plan_group *group, uint32_t count)
{
    struct plan_group *rest = &groups->groups[groups->group_count++];
    *rest = *group;
    rest->node_count = group->node_count - count;
    memmove(rest->nodes, group->nodes + count, rest->node_count * sizeof *rest->nodes);
    group->node_count = count;
}

/* A plan below the target has no more than <spares> of rests above the least. */
static bool list_points(struct plan_groups *groups, struct plan_group *group, const double *spares)
{
    struct plan_makings *makings = groups->makings;
    double rests_max[PLAN_RESTS];
    memcpy(rests_max, spares, sizeof rests_max);
    begin_list(makings);
    for (uint32_t i = 0; i < group->node_count; i++) {
        uint32_t v = group->nodes[i];
        makings->items = makings->ways + makings->way_firsts[v];
        makings->item_count = makings->way_counts[v];
        if (i > 0 && groups->group_count < PLAN_GROUPS_MAX &&
            (uint64_t)makings->before_count * makings->item_count > PAIRS_MAX) {
            split(groups, group, i);
            break;
        }
        for (uint32_t k = 0; k < PLAN_RESTS; k++)
            rests_max[k] += makings->way_leasts[v][k];
        if (!combine(groups, group->asked, group->asked, rests_max))
            return false;
        if (makings->before_count > PART_MAX && i + 1 < group->node_count &&
            groups->group_count < PLAN_GROUPS_MAX)
            split(groups, group, i + 1);
    }
    if (groups->point_count + makings->before_count > PLAN_POINTS_MAX)
        return false;
    group->point_first = groups->point_count;
    group->point_count = makings->before_count;
    for (uint32_t i = 0; i < makings->before_count; i++)
        makings->order[i] = i;
    sort_indices(makings->order, makings->scratch, makings->before_count, costs_less,
                 makings->before);
    for (uint32_t i = 0; i < makings->before_count; i++)
        groups->points[groups->point_count++] = makings->before[makings->order[i]];
    return true;
}

/* Of what earns money, more than enough may be best: then points would leave it out. */
static bool earns(const struct plan_relax *relax)
{
    for (uint32_t c = 0; c < relax->first_load; c++)
        if (relax->cost[c] < 0)
            return true;
    return false;
}

/* What a plan below the target may have of rest <k> above the <least> of all nodes. */
static double spare_of(const struct plan_groups *groups, uint32_t k, double target, double least)
{
    return (target - groups->bounds_usd_h[k] - least) * NEARLY + 1e-9 * __builtin_fabs(target);
}

static bool list_all_ways(struct plan_groups *groups, double target)
{
    double leasts[PLAN_RESTS] = {0}, spares[PLAN_RESTS];
    for (uint32_t k = 0; k < PLAN_RESTS; k++) {
        for (uint32_t g = 0; g < groups->group_count; g++)
            for (uint32_t i = 0; i < groups->groups[g].node_count; i++)
                leasts[k] +=
                    least_rest(groups, k, groups->groups[g].nodes[i], groups->groups[g].asked);
        spares[k] = spare_of(groups, k, target, leasts[k]);
    }
    for (uint32_t g = 0; g < groups->group_count; g++)
        for (uint32_t i = 0; i < groups->groups[g].node_count; i++)
            if (!list_ways(groups, &groups->groups[g], groups->groups[g].nodes[i], spares))
                return false;
    return true;
}

static bool list_all_points(struct plan_groups *groups, double target)
{
    double leasts[PLAN_RESTS] = {0}, spares[PLAN_RESTS];
    for (uint32_t k = 0; k < PLAN_RESTS; k++) {
        for (uint32_t g = 0; g < groups->group_count; g++)
            for (uint32_t i = 0; i < groups->groups[g].node_count; i++)
                leasts[k] += groups->makings->way_leasts[groups->groups[g].nodes[i]][k];
        spares[k] = spare_of(groups, k, target, leasts[k]);
    }
    for (uint32_t g = 0; g < groups->group_count; g++) /* there may be more and more */
        if (!list_points(groups, &groups->groups[g], spares))
            return false;
    return true;
}

bool plan_groups_make(struct plan_groups *groups, const struct plan_relax *relax,
                      const struct plan_root *root, double target, uint64_t work_max,
                      bool (*is_over)(void *), void *context)
{
    struct plan_makings *makings = groups->makings;
    groups->relax = relax;
    groups->work = groups->look_at = 0;
    groups->is_over = is_over;
    groups->context = context;
    groups->work_max = work_max;
    groups->point_count = makings->link_count = makings->way_count = 0;
    choose_sets(groups);
    weigh(groups);
    take_root(groups, root);
    find_limits(groups);
    list_groups(groups);
    if (groups->group_count > PLAN_GROUPS_MAX || earns(relax))
        return false;
    find_useful(groups);
    return list_all_ways(groups, target) && list_all_points(groups, target);
}

void plan_groups_counts(const struct plan_groups *groups, const struct plan_point *point,
                        uint32_t *counts)
{
    const struct link *links = groups->makings->links;
    for (uint32_t l = point->made; l != PLAN_NONE; l = links[l].before)
        counts[links[l].column] += links[l].count;
}
