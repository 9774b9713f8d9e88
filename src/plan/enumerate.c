#include "plan/enumerate.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/sort.h"
#include "plan/labels.h"
#include "plan/table.h"

enum {
    SETS_MAX = 256,
    LABELS_MIN = 64,
    LABELS_MAX = 8192,   /* of a layer */
    ROOMS_MAX = 1 << 18, /* of all of them */
    CANDIDATES_MAX = 1 << 15,
    LEAVES_IN_VAIN = 16, /* no plans: with the sets that they break, once more */
    LABELS_A_LOOK = 256, /* at the clock */
    TABLES_PART = 4,     /* each may take one of so many parts of the work */
    WORK_OF_NODE = 3,
    WORK_OF_LABEL = 32
};

#define REQUESTS(rate) (1e-6 * (double)(rate))
#define LESS           (1 - 1e-9) /* what adding up may have lost */
#define NOISE          1e-12      /* of sums in another order */

/* A set of demands, the groups that may answer them, and what is asked of those. */
struct set {
    struct plan_demand_set demands;
    uint64_t groups; /* bit g */
    int64_t rate;
};

/* What the nodes of a partial plan can answer of a set, or points at most: together, together with
 * something lost, and the greatest of them then. */
struct room {
    int64_t all, lost, greatest;
};

/* A partial plan: a point of each group before some depth. */
struct label {
    double bound; /* on every plan that begins so */
    double cost_usd_h;
    double value;              /* at prices without those of other rows, which are fixed */
    double linear[PLAN_RESTS]; /* bounds by prices alone */
    double speeds[PLAN_TABLES_MAX], fastest[PLAN_TABLES_MAX]; /* near the tables' sets */
    uint32_t ranges[PLAN_TABLES_MAX]; /* bit r: the fastest node may be in it, below the target */
    double asked[PLAN_TABLES_MAX];    /* what the groups that come weigh at least, by each table */
};

/* Those of a depth, and of each one its room for the sets that are open there. */
struct layer {
    uint32_t count;
    struct label *labels;
    struct room *rooms;
};

/* How a label of the next layer was made. */
struct step {
    uint16_t parent, point;
};

struct candidate {
    double bound;
    uint32_t parent, point;
};

/* A set that groups before a depth are in, and groups behind it: where it lies among those of the
 * depth before, if it was open there, and whether the group in between is in it. */
struct open {
    uint16_t set, before;
    bool is_touched;
};

enum { FRESH = UINT16_MAX };

struct plan_enumerator {
    struct plan_groups *groups;
    struct plan_own *own;
    struct plan_table tables[PLAN_TABLES_MAX];
    struct set sets[SETS_MAX];
    uint32_t set_count, set_used;    /* those that were known when the search began */
    uint32_t order[PLAN_GROUPS_MAX]; /* of groups, by depth */
    uint32_t depths;                 /* how many */
    struct open open[PLAN_GROUPS_MAX + 1][SETS_MAX];
    uint32_t open_counts[PLAN_GROUPS_MAX + 1];
    struct open touched[PLAN_GROUPS_MAX][SETS_MAX]; /* sets that the group at a depth is in */
    uint32_t touched_counts[PLAN_GROUPS_MAX];
    uint32_t weighed[PLAN_GROUPS_MAX][PLAN_TABLES_MAX]; /* tables that it is in */
    uint32_t weighed_counts[PLAN_GROUPS_MAX];
    struct room most[PLAN_GROUPS_MAX + 1][SETS_MAX]; /* that the groups from a depth on can do */
    double rests[PLAN_GROUPS_MAX + 1][PLAN_RESTS];   /* and their least rests, and cost */
    double costs[PLAN_GROUPS_MAX + 1];
    double egress_usd_h; /* at least, and how much more it may be */
    double egress_spread_usd_h;
    bool minds_traffic; /* does no label stand for one whose traffic may cost less? */
    struct layer layers[2];
    struct step *steps; /* LABELS_MAX a depth */
    struct candidate *candidates;
    uint32_t candidate_count;
    uint32_t *ranking, *scratch; /* of candidates */
    struct plan_labels labels;
    uint64_t beaten; /* labels that others stand for */
    uint32_t *counts, *best;
    double target; /* what costs as much need not be looked at */
    double found;
    uint64_t work, work_end; /* of this search: then labels become few */
    bool (*is_over)(void *);
    void *context;
};

struct plan_enumerator *plan_enumerator_new(uint32_t columns_max, struct arena *arena)
{
    struct plan_enumerator *e = ARENA_ROOM(arena, struct plan_enumerator, 1);
    if (!e)
        return NULL;
    e->groups = plan_groups_new(columns_max, arena);
    for (size_t i = 0; i < COUNT_OF(e->layers); i++) {
        e->layers[i].labels = ARENA_ROOM(arena, struct label, LABELS_MAX);
        e->layers[i].rooms = ARENA_ROOM(arena, struct room, ROOMS_MAX);
    }
    e->steps = ARENA_ROOM(arena, struct step, (size_t)PLAN_GROUPS_MAX * LABELS_MAX);
    e->candidates = ARENA_ROOM(arena, struct candidate, CANDIDATES_MAX);
    e->ranking = ARENA_ROOM(arena, uint32_t, CANDIDATES_MAX);
    e->scratch = ARENA_ROOM(arena, uint32_t, CANDIDATES_MAX);
    e->counts = ARENA_ROOM(arena, uint32_t, columns_max);
    e->best = ARENA_ROOM(arena, uint32_t, columns_max);
    float *scratch = plan_table_scratch(arena);
    for (uint32_t t = 0; t < PLAN_TABLES_MAX; t++)
        if (!plan_table_init(&e->tables[t], scratch, arena))
            return NULL;
    return plan_labels_init(&e->labels, arena) && !arena->is_overflown ? e : NULL;
}

static const struct plan_group *group_at(const struct plan_enumerator *e, uint32_t depth)
{
    return &e->groups->groups[e->order[depth]];
}

/* Sets -------------------------------------------------------------------------------------- */

static struct set set_of(const struct plan_enumerator *e, const struct plan_demand_set *demands)
{
    const struct plan_graph *graph = &e->groups->relax->graphs[0];
    struct set set = {.demands = *demands};
    for (uint32_t d = 0; d < graph->demand_count; d++)
        set.rate += plan_demand_set_has(demands, d) ? graph->rates[d] : 0;
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

/* Bounds ------------------------------------------------------------------------------------ */

static double least_of(double a, double b)
{
    return a < b ? a : b;
}

static double most_of(double a, double b)
{
    return a > b ? a : b;
}

static int64_t least_room(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void add_point(struct room *room, const struct plan_point *point)
{
    room->all += point->room;
    room->lost += point->room_lost;
    room->greatest = room->greatest > point->greatest ? room->greatest : point->greatest;
}

/* By prices, and the cost itself. */
static double bound_by_prices(const struct plan_enumerator *e, uint32_t depth,
                              const struct label *from, const struct plan_point *point)
{
    double bound = from->cost_usd_h + point->cost_usd_h + e->costs[depth + 1];
    for (uint32_t k = 0; k < PLAN_RESTS; k++)
        bound = most_of(bound, from->linear[k] + point->rests[k] + e->rests[depth + 1][k]);
    return bound;
}

/* Behind the group at a depth, of each table that it is in. */
static void begin_queries(const struct plan_enumerator *e, uint32_t depth, const struct label *from,
                          struct plan_query *queries)
{
    for (uint32_t i = 0; i < e->weighed_counts[depth]; i++) {
        const uint32_t t = e->weighed[depth][i];
        plan_table_begin_query(&e->tables[t], depth + 1, from->ranges[t], from->speeds[t],
                               from->fastest[t], &queries[i]);
    }
}

/* <value>: what tables say before the point; those that the group is in may say more with it. No
 * further than to the target. */
static double bound_by_tables(const struct plan_enumerator *e, uint32_t depth,
                              const struct label *from, double value,
                              const struct plan_point *point, struct plan_query *queries)
{
    for (uint32_t i = 0; i < e->weighed_counts[depth] && value < e->target; i++) {
        const struct plan_table *table = queries[i].table;
        const uint32_t t = table->own;
        double own = plan_table_weight(table, point);
        double fastest = plan_table_fastest(table, e->order[depth], point);
        value += own - from->asked[t] +
                 plan_table_query(&queries[i], point->speeds[t], fastest, from->asked[t] - own);
    }
    return value;
}

/* What tables say behind the label. */
static double value_with_tables(const struct plan_enumerator *e, const struct label *label)
{
    double value = label->value;
    for (uint32_t t = 0; t < e->groups->weighed_count; t++)
        value += label->asked[t];
    return value;
}

/* What the groups behind <depth> weigh; ranges where no plan is below the target are left from then
 * on. */
static void ask_tables(const struct plan_enumerator *e, uint32_t depth, struct label *label)
{
    double own[PLAN_TABLES_MAX][PLAN_RANGES_MAX];
    for (uint32_t t = 0; t < e->groups->weighed_count; t++) {
        label->asked[t] = INFINITY;
        for (uint32_t left = label->ranges[t]; left; left &= left - 1) {
            uint32_t r = (uint32_t)__builtin_ctz(left);
            own[t][r] =
                plan_table_ask(&e->tables[t], depth, r, label->speeds[t], label->fastest[t]);
            label->asked[t] = least_of(label->asked[t], own[t][r]);
        }
    }
    const double sum = value_with_tables(e, label);
    for (uint32_t t = 0; t < e->groups->weighed_count; t++)
        for (uint32_t left = label->ranges[t]; left; left &= left - 1) {
            uint32_t r = (uint32_t)__builtin_ctz(left);
            if (sum - label->asked[t] + own[t][r] >= e->target)
                label->ranges[t] &= ~(UINT32_C(1) << r);
        }
}

/* <from> and a point of the group at <depth>. */
static void take(const struct plan_enumerator *e, uint32_t depth, const struct label *from,
                 const struct plan_point *point, struct label *to)
{
    uint32_t g = e->order[depth];
    *to = *from;
    to->cost_usd_h += point->cost_usd_h;
    to->value += point->rests[0];
    for (uint32_t k = 0; k < PLAN_RESTS; k++)
        to->linear[k] += point->rests[k];
    for (uint32_t t = 0; t < e->groups->weighed_count; t++) {
        to->value += point->weights[t];
        to->speeds[t] += point->speeds[t];
        to->fastest[t] = most_of(to->fastest[t], plan_table_fastest(&e->tables[t], g, point));
    }
}

/* Can the known sets still be answered behind <depth>? <rooms>: before the point. */
static bool holds(const struct plan_enumerator *e, uint32_t depth, const struct room *rooms,
                  const struct plan_point *point)
{
    for (uint32_t k = 0; k < e->touched_counts[depth]; k++) {
        const struct open *touched = &e->touched[depth][k];
        const struct room *most = &e->most[depth + 1][touched->set];
        struct room room =
            touched->before == FRESH ? (struct room){0, 0, 0} : rooms[touched->before];
        int64_t rate = e->sets[touched->set].rate;
        add_point(&room, point);
        if (room.all + most->all < rate || room.lost - room.greatest + most->lost < rate)
            return false;
    }
    return true;
}

/* Layers ------------------------------------------------------------------------------------ */

static struct layer *layer_at(struct plan_enumerator *e, uint32_t depth)
{
    return &e->layers[depth % 2];
}

static struct room *rooms_of(struct plan_enumerator *e, uint32_t depth, uint32_t label)
{
    return layer_at(e, depth)->rooms + (size_t)label * e->open_counts[depth];
}

static bool has_less_bound(const void *candidates, uint32_t left, uint32_t right)
{
    const struct candidate *all = candidates;
    return all[left].bound < all[right].bound;
}

static void rank(struct plan_enumerator *e)
{
    for (uint32_t i = 0; i < e->candidate_count; i++)
        e->ranking[i] = i;
    sort_indices(e->ranking, e->scratch, e->candidate_count, has_less_bound, e->candidates);
    e->work += 16 * (uint64_t)e->candidate_count;
}

/* There is no room for the dearer half: nothing is said of plans that cost as much as the first of
 * those. */
static void drop_half(struct plan_enumerator *e)
{
    rank(e);
    e->target = least_of(e->target, e->candidates[e->ranking[CANDIDATES_MAX / 2]].bound);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < e->candidate_count; i++)
        if (e->candidates[i].bound < e->target)
            e->candidates[kept++] = e->candidates[i];
    e->candidate_count = kept;
}

/* What may come behind a label: the group's points are dearer and dearer. */
static void list_candidates(struct plan_enumerator *e, uint32_t depth, uint32_t parent)
{
    const struct plan_group *group = group_at(e, depth);
    const struct label *from = &layer_at(e, depth)->labels[parent];
    const struct room *rooms = rooms_of(e, depth, parent);
    const double value = value_with_tables(e, from);
    struct plan_query queries[PLAN_TABLES_MAX];
    if (value >= e->target)
        return;
    begin_queries(e, depth, from, queries);
    for (uint32_t i = group->point_first; i < group->point_first + group->point_count; i++) {
        const struct plan_point *point = &e->groups->points[i];
        if (from->cost_usd_h + point->cost_usd_h + e->costs[depth + 1] >= e->target)
            break;
        e->work += WORK_OF_NODE;
        double bound = bound_by_prices(e, depth, from, point);
        if (bound >= e->target)
            continue;
        bound = most_of(bound, bound_by_tables(e, depth, from, value, point, queries));
        if (bound >= e->target || !holds(e, depth, rooms, point))
            continue;
        e->candidates[e->candidate_count++] = (struct candidate){bound, parent, i};
        if (e->candidate_count == CANDIDATES_MAX)
            drop_half(e);
    }
}

/* What labels compare: what has noise comes first. */
static uint32_t noisy_count(const struct plan_enumerator *e)
{
    return 2 + PLAN_RESTS + 2 * e->groups->weighed_count;
}

/* What the partial plan costs, and lacks of sets that the groups behind it are in, too: more than
 * enough is enough. */
static void write_label(const struct plan_enumerator *e, uint32_t depth, const struct label *label,
                        const struct room *rooms, double *values)
{
    uint32_t count = 0;
    values[count++] = label->cost_usd_h;
    values[count++] = label->value;
    for (uint32_t k = 0; k < PLAN_RESTS; k++)
        values[count++] = label->linear[k];
    for (uint32_t t = 0; t < e->groups->weighed_count; t++) {
        values[count++] = -label->speeds[t];
        values[count++] = -least_of(label->speeds[t] - label->fastest[t], e->tables[t].asked_lost);
    }
    for (uint32_t k = 0; k < e->open_counts[depth]; k++) {
        int64_t rate = e->sets[e->open[depth][k].set].rate;
        values[count++] = -(double)least_room(rooms[k].all, rate);
        values[count++] = -(double)least_room(rooms[k].lost, rate);
        values[count++] = -(double)least_room(rooms[k].lost - rooms[k].greatest, rate);
    }
    CHECK(count == e->labels.width);
}

/* Does another label stand for this one? Whatever is put behind this, put behind the other one
 * keeps the known sets, too, is met by the same bounds, and costs no more: but for traffic, or
 * whichever way that goes. */
static bool is_beaten(struct plan_enumerator *e, uint32_t depth, const struct label *label,
                      const struct room *rooms)
{
    double own[PLAN_LABEL_MAX], most[PLAN_LABEL_MAX];
    if (e->labels.width == 0)
        return false;
    write_label(e, depth, label, rooms, own);
    for (uint32_t i = 0; i < e->labels.width; i++)
        most[i] = own[i] + (i < noisy_count(e) ? NOISE * __builtin_fabs(own[i]) : 0);
    most[0] -= e->minds_traffic ? e->egress_spread_usd_h : 0;
    if (plan_labels_beat(&e->labels, most, &e->work)) {
        e->beaten++;
        return true;
    }
    plan_labels_add(&e->labels, own);
    return false;
}

/* <rooms> of a label whose parent had <before>. */
static void fill_rooms(const struct plan_enumerator *e, uint32_t depth, const struct room *before,
                       const struct plan_point *point, struct room *rooms)
{
    for (uint32_t k = 0; k < e->open_counts[depth]; k++) {
        const struct open *open = &e->open[depth][k];
        rooms[k] = open->before == FRESH ? (struct room){0, 0, 0} : before[open->before];
        if (open->is_touched)
            add_point(&rooms[k], point);
    }
}

/* For labels behind <depth>: what they may take of the work that is left, in equal parts for all
 * layers, and of memory. */
static uint32_t room_behind(const struct plan_enumerator *e, uint32_t depth)
{
    uint32_t open = e->open_counts[depth + 1], left = e->depths - depth;
    uint32_t points = left > 1 ? group_at(e, depth + 1)->point_count : 0;
    uint64_t part = e->work < e->work_end ? (e->work_end - e->work) / left : 0;
    uint64_t most = part / (WORK_OF_LABEL + WORK_OF_NODE * points);
    most = most < LABELS_MIN ? LABELS_MIN : most < LABELS_MAX ? most : LABELS_MAX;
    return open > 0 && ROOMS_MAX / open < most ? ROOMS_MAX / open : (uint32_t)most;
}

/* The candidates become the labels of the layer behind <depth>, but for those that others stand
 * for; those for which there is no room are the dearest. */
static void fill_layer(struct plan_enumerator *e, uint32_t depth)
{
    struct layer *to = layer_at(e, depth + 1);
    uint32_t open = e->open_counts[depth + 1];
    uint32_t width = noisy_count(e) + 3 * open;
    uint32_t most = room_behind(e, depth);
    plan_labels_clear(&e->labels, width <= PLAN_LABEL_MAX ? width : 0);
    rank(e);
    to->count = 0;
    for (uint32_t i = 0; i < e->candidate_count; i++) {
        const struct candidate *own = &e->candidates[e->ranking[i]];
        const struct plan_point *point = &e->groups->points[own->point];
        if (own->bound >= e->target)
            break;
        if (to->count == most) {
            e->target = own->bound;
            break;
        }
        struct label *label = &to->labels[to->count];
        struct room *rooms = rooms_of(e, depth + 1, to->count);
        e->work += WORK_OF_LABEL;
        take(e, depth, &layer_at(e, depth)->labels[own->parent], point, label);
        label->bound = own->bound;
        fill_rooms(e, depth + 1, rooms_of(e, depth, own->parent), point, rooms);
        if (is_beaten(e, depth + 1, label, rooms))
            continue;
        ask_tables(e, depth + 1, label);
        e->steps[(size_t)depth * LABELS_MAX + to->count++] = (struct step){
            (uint16_t)own->parent, (uint16_t)(own->point - group_at(e, depth)->point_first)};
    }
}

/* Search ------------------------------------------------------------------------------------ */

static void add_counts(struct plan_enumerator *e, uint32_t leaf)
{
    memset(e->counts, 0, e->groups->relax->problem->column_count * sizeof *e->counts);
    for (uint32_t j = e->depths; j-- > 0;) {
        const struct step *step = &e->steps[(size_t)j * LABELS_MAX + leaf];
        const struct plan_point *point =
            &e->groups->points[group_at(e, j)->point_first + step->point];
        plan_groups_counts(e->groups, point, e->counts);
        leaf = step->parent;
    }
}

/* All is taken: is it a plan? Then the target is no more than its cost; if not, a set that it
 * breaks is known from then on. */
static bool close_plan(struct plan_enumerator *e, uint32_t leaf)
{
    uint64_t work = e->own->place.work;
    add_counts(e, leaf);
    bool is_plan = !isinf(plan_own_try(e->own, e->counts));
    e->work += e->own->place.work - work;
    if (!is_plan) {
        add_known_sets(e);
        return false;
    }
    double cost = layer_at(e, e->depths)->labels[leaf].cost_usd_h - e->egress_usd_h +
                  e->own->place.services[0].egress_usd_h;
    if (cost < e->found) {
        e->found = cost;
        memcpy(e->best, e->counts, e->groups->relax->problem->column_count * sizeof *e->best);
    }
    e->target = least_of(e->target, cost);
    return true;
}

/* A bound on every plan: the target, or what plans may cost for which a leaf stands that is none,
 * or is dearer by its traffic. */
static double close_layer(struct plan_enumerator *e)
{
    const struct layer *leaves = layer_at(e, e->depths);
    double bound = INFINITY;
    uint32_t vain = 0;
    for (uint32_t i = 0; i < leaves->count && leaves->labels[i].bound < e->target; i++) {
        bool is_plan = close_plan(e, i);
        vain += !is_plan;
        bool is_exact = e->beaten == 0 || (is_plan && e->minds_traffic);
        if (!is_exact || vain == LEAVES_IN_VAIN)
            bound = least_of(bound, leaves->labels[i].bound);
        if (vain == LEAVES_IN_VAIN)
            break; /* those behind it cost more */
    }
    return least_of(bound, e->target);
}

static uint16_t find_open(const struct plan_enumerator *e, uint32_t depth, uint32_t set)
{
    for (uint32_t k = 0; k < e->open_counts[depth]; k++)
        if (e->open[depth][k].set == set)
            return (uint16_t)k;
    return FRESH;
}

/* Which sets the groups before each depth, at it and behind it are in. */
static void list_sets(struct plan_enumerator *e)
{
    uint64_t before = 0, behind = 0;
    for (uint32_t j = 0; j < e->depths; j++)
        behind |= UINT64_C(1) << e->order[j];
    e->open_counts[0] = 0;
    for (uint32_t j = 0; j < e->depths; j++) {
        uint64_t own = UINT64_C(1) << e->order[j];
        before |= own;
        behind &= ~own;
        e->touched_counts[j] = e->open_counts[j + 1] = 0;
        for (uint32_t i = 0; i < e->set_used; i++) {
            uint64_t groups = e->sets[i].groups;
            struct open open = {(uint16_t)i, find_open(e, j, i), (groups & own) != 0};
            if (groups & own)
                e->touched[j][e->touched_counts[j]++] = open;
            if ((groups & before) && (groups & behind))
                e->open[j + 1][e->open_counts[j + 1]++] = open;
        }
    }
}

/* What the groups behind each depth can do at most, and cost at least. */
static void sum_up(struct plan_enumerator *e)
{
    e->set_used = e->set_count;
    list_sets(e);
    memset(e->most[e->depths], 0, sizeof e->most[e->depths]);
    memset(e->rests[e->depths], 0, sizeof e->rests[e->depths]);
    e->costs[e->depths] = 0;
    for (uint32_t j = e->depths; j-- > 0;) {
        const struct plan_group *group = group_at(e, j);
        struct room most = {0, 0, 0};
        double rests[PLAN_RESTS], cost = INFINITY;
        for (uint32_t k = 0; k < PLAN_RESTS; k++)
            rests[k] = INFINITY;
        for (uint32_t i = group->point_first; i < group->point_first + group->point_count; i++) {
            const struct plan_point *point = &e->groups->points[i];
            most.all = point->room > most.all ? point->room : most.all;
            most.lost = point->room_lost > most.lost ? point->room_lost : most.lost;
            cost = least_of(cost, point->cost_usd_h);
            for (uint32_t k = 0; k < PLAN_RESTS; k++)
                rests[k] = least_of(rests[k], point->rests[k]);
        }
        for (uint32_t k = 0; k < PLAN_RESTS; k++)
            e->rests[j][k] = e->rests[j + 1][k] + rests[k];
        e->costs[j] = e->costs[j + 1] + cost;
        memcpy(e->most[j], e->most[j + 1], e->set_used * sizeof *e->most[j]);
        for (uint32_t k = 0; k < e->touched_counts[j]; k++) {
            struct room *room = &e->most[j][e->touched[j][k].set];
            room->all += most.all;
            room->lost += most.lost;
        }
    }
}

/* Tables in which a point of the group at the depth weighs anything, or answers something. */
static void list_tables(struct plan_enumerator *e, uint32_t depth)
{
    const struct plan_group *group = group_at(e, depth);
    e->weighed_counts[depth] = 0;
    for (uint32_t t = 0; t < e->groups->weighed_count; t++) {
        bool is_in = false;
        for (uint32_t i = group->point_first; i < group->point_first + group->point_count; i++) {
            const struct plan_point *point = &e->groups->points[i];
            is_in = is_in || point->speeds[t] > 0 || plan_table_weight(&e->tables[t], point) != 0;
        }
        if (is_in)
            e->weighed[depth][e->weighed_counts[depth]++] = t;
    }
}

static void fill_tables(struct plan_enumerator *e, uint64_t work_max)
{
    for (uint32_t t = 0; t < e->groups->weighed_count; t++) {
        plan_table_fill(&e->tables[t], e->groups, e->order, t, work_max / TABLES_PART);
        e->work += e->tables[t].work;
    }
    for (uint32_t j = 0; j < e->depths; j++)
        list_tables(e, j);
}

/* Layer by layer. A bound on every plan; -INFINITY: there was no time. */
static double search(struct plan_enumerator *e)
{
    const struct plan_groups *groups = e->groups;
    struct label *first = &layer_at(e, 0)->labels[0];
    sum_up(e);
    e->beaten = 0;
    *first =
        (struct label){.bound = -INFINITY, .value = groups->base, .cost_usd_h = e->egress_usd_h};
    memcpy(first->linear, groups->bounds_usd_h, sizeof groups->bounds_usd_h);
    for (uint32_t t = 0; t < groups->weighed_count; t++)
        first->ranges[t] = (UINT32_C(1) << e->tables[t].range_count) - 1;
    ask_tables(e, 0, first);
    layer_at(e, 0)->count = 1;
    for (uint32_t j = 0; j < e->depths; j++) {
        e->candidate_count = 0;
        for (uint32_t i = 0; i < layer_at(e, j)->count; i++) {
            list_candidates(e, j, i);
            if (i % LABELS_A_LOOK == 0 && e->is_over && e->is_over(e->context))
                return -INFINITY;
        }
        fill_layer(e, j);
    }
    double bound = close_layer(e);
    return e->beaten > 0 ? bound * LESS : bound;
}

static bool must_end(const struct plan_enumerator *e, uint64_t work_max)
{
    return e->work >= 2 * work_max || (e->is_over && e->is_over(e->context));
}

/* Where a leaf stood for others and broke a set that was not known, those others were not looked
 * at: once more, with that set; once more, too, where nothing but traffic is left. */
static double search_again(struct plan_enumerator *e, uint64_t work_max)
{
    const double target = e->target;
    double best = -INFINITY, goal;
    bool goes_on = true;
    e->minds_traffic = e->egress_spread_usd_h == 0;
    while (goes_on) {
        e->target = least_of(target, e->found);
        e->work_end = e->work + work_max;
        best = most_of(best, search(e));
        goal = least_of(target, e->found);
        goes_on = best < goal * LESS && !must_end(e, work_max);
        if (goes_on && e->set_count == e->set_used) {
            goes_on = !e->minds_traffic && best >= goal - e->egress_spread_usd_h;
            e->minds_traffic = true;
        }
    }
    return best;
}

/* Traffic costs at least what the nodes with the cheapest ask for it, and at most the dearest. */
static void find_egress(struct plan_enumerator *e, const struct plan_relax *relax)
{
    const struct plan_graph *graph = &relax->graphs[0];
    double least_usd_h = 0, most_usd_h = 0;
    for (uint32_t d = 0; d < graph->demand_count; d++) {
        double least = INFINITY, most = 0;
        for (uint32_t i = graph->demand_edges[d]; i < graph->demand_edges[d + 1]; i++) {
            double usd = relax->problem->nodes[graph->edge_nodes[i]].egress_usd;
            least = least_of(least, usd);
            most = most_of(most, usd);
        }
        least_usd_h += 3600 * least * REQUESTS(graph->rates[d]);
        most_usd_h += 3600 * most * REQUESTS(graph->rates[d]);
    }
    e->egress_usd_h = least_usd_h * LESS;
    e->egress_spread_usd_h = most_usd_h - least_usd_h;
}

/* Those that are asked for most come first: they are in the most sets; those that are asked for the
 * same come one behind the other. */
static bool comes_before(const struct plan_group *a, const struct plan_group *b)
{
    if (a->asked != b->asked)
        return a->asked > b->asked;
    return memcmp(&a->demands, &b->demands, sizeof a->demands) < 0;
}

static void order_groups(struct plan_enumerator *e)
{
    const struct plan_group *groups = e->groups->groups;
    e->depths = e->groups->group_count;
    for (uint32_t g = 0; g < e->depths; g++) {
        uint32_t at = g;
        while (at > 0 && comes_before(&groups[g], &groups[e->order[at - 1]])) {
            e->order[at] = e->order[at - 1];
            at--;
        }
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
    e->is_over = is_over;
    e->context = context;
    bool is_made = plan_groups_make(e->groups, relax, root, target, work_max, is_over, context);
    double bound = -INFINITY;
    e->work = e->groups->work;
    if (is_made) {
        order_groups(e);
        find_egress(e, relax);
        find_sets(e);
        fill_tables(e, work_max);
        bound = search_again(e, work_max);
    }
    if (e->found < *io_best) {
        *io_best = e->found;
        (void)plan_own_try(own, e->best);
    }
    relax->work += e->work;
    return bound;
}
