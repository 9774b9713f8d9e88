#include "plan/tree.h"

#include <math.h>
#include <string.h>

#include "base/check.h"

enum {
    ROWS_OF_A_TREE = 1536,
    LEAVES_OF_ALL = 400000, /* trees; 1,562 and more of one */
    LEAVES_MAX = 65536,
    LEAVES_OF_AN_EXACT = 2048,
    ROUNDS_AT_ROOT = 6,
    KNAPSACK_ROUNDS = 12,
    ROUNDINGS_AT_ROOT = 4,
    CLOSE_ROUNDS = 60,
    ROUND_EVERY = 8,
    OWN_TRIES = 4, /* behind a leaf */
    OWN_TRIES_AT_ROOT = 16,
    OWN_PART = 4,       /* one of so many parts of the tree's work may go to plans of its own, */
    OWN_FREE = 3000000, /* and so much besides: some 20 ms */
    ENUMERATE_FIRST = 8000000,
    RESPONSE = 2000000,
    ENUMERATED_MAX = 100, /* replicas */
    VAIN_MAX = 6,         /* attempts in a row */
    WORK_OF_LEAF = 50000, /* about */
};

#define WHOLE_WITHIN  1e-6 /* a value this near to a whole number is one */
/* Cuts are looked for as long as they raise the bound by these shares: for prices, and at a root.
 */
#define PRICE_GAIN    2e-3
#define ROOT_GAIN     5e-5
#define REST_GAIN     2e-4
#define KNAPSACK_GAIN 1e-3
#define ROUNDING_STEP 0.15 /* of what is added before a relaxation's values are rounded down */
#define GAIN_MIN      0.05 /* of what is open, by an enumeration */
#define WORTH         1e-7 /* share of the cost that a leaf must promise to save */
#define PLUNGE        0.1  /* of what is open: so far a dive goes above the least bound */

/* Nothing is known but the root. */
static void plant(struct plan_tree *tree)
{
    uint32_t count = tree->relax.column_count;
    memcpy(tree->root_lower, tree->first_lower, count * sizeof(double));
    memcpy(tree->root_upper, tree->first_upper, count * sizeof(double));
    tree->leaves[0] = (struct plan_leaf){.parent = PLAN_NONE, .bound = -INFINITY};
    tree->leaf_count = tree->heap_count = 1;
    tree->heap[0] = 0;
    tree->best_usd_h = tree->closed_usd_h = tree->tight_usd_h = INFINITY;
    tree->roots[0].bound_usd_h = tree->roots[1].bound_usd_h = tree->bound_usd_h = -INFINITY;
    tree->is_done = false;
}

static enum err begin(struct plan_tree *tree, const struct plan_lp_api *api, uint32_t leaves_max,
                      struct arena *arena)
{
    enum err err = plan_relax_begin(&tree->relax, &tree->part, api, ROWS_OF_A_TREE, arena);
    if (err)
        return err;
    uint32_t count = tree->relax.column_count;
    tree->root_lower = ARENA_ARRAY(arena, double, count);
    tree->root_upper = ARENA_ARRAY(arena, double, count);
    for (size_t i = 0; i < COUNT_OF(tree->roots); i++)
        tree->roots[i].reduced = ARENA_ARRAY(arena, double, count);
    tree->scratch = ARENA_ARRAY(arena, double, count);
    for (unsigned i = 0; i < 2; i++) {
        tree->sums[i] = ARENA_ARRAY(arena, double, count);
        tree->seen[i] = ARENA_ARRAY(arena, uint32_t, count);
    }
    tree->kept = ARENA_ARRAY(arena, double, tree->part.column_count);
    tree->leaves_max = leaves_max;
    tree->leaves = ARENA_ROOM(arena, struct plan_leaf, tree->leaves_max);
    tree->heap = ARENA_ROOM(arena, uint32_t, tree->leaves_max);
    if (arena->is_overflown)
        return ERR_MEMORY;
    tree->first_lower = ARENA_ARRAY(arena, double, count);
    tree->first_upper = ARENA_ARRAY(arena, double, count);
    if (arena->is_overflown)
        return ERR_MEMORY;
    memcpy(tree->first_lower, tree->relax.lower, count * sizeof(double));
    memcpy(tree->first_upper, tree->relax.upper, count * sizeof(double));
    plant(tree);
    return ERR_OK;
}

static bool has_soft(const struct plan_problem *problem)
{
    for (uint32_t d = 0; d < problem->demand_count; d++)
        if (problem->demands[d].unmet_usd < PLAN_LP_INFINITY)
            return true;
    return false;
}

enum err plan_tree_begin(struct plan_tree *tree, const struct plan_problem *whole,
                         const struct plan_lp_api *api, uint32_t service, bool is_whole,
                         struct arena *arena)
{
    *tree = (struct plan_tree){
        .whole = whole, .service = service, .column_first = whole->services[service].column_first};
    uint32_t leaves_max = LEAVES_OF_ALL / whole->service_count;
    if (is_whole) /* begins again and again */
        leaves_max = LEAVES_OF_AN_EXACT;
    else if (leaves_max > LEAVES_MAX)
        leaves_max = LEAVES_MAX;
    if (!plan_tree_take_part(tree, whole, is_whole, arena))
        return ERR_MEMORY;
    if (!is_whole && !has_soft(&tree->part)) {
        tree->own = ARENA_NEW(arena, struct plan_own);
        if (!tree->own || !plan_own_init(tree->own, &tree->part,
                                         whole->columns + tree->column_first, 1 + service, arena))
            return ERR_MEMORY;
        tree->allowance = ENUMERATE_FIRST;
    }
    tree->may_enumerate = plan_groups_fit(&tree->part);
    enum err err = begin(tree, api, leaves_max, arena);
    tree->relax.is_rest = is_whole;
    return err;
}

enum err plan_tree_begin_joint(struct plan_tree *tree, const struct plan_problem *whole,
                               const struct plan_lp_api *api, struct arena *arena)
{
    *tree = (struct plan_tree){.whole = whole, .part = *whole, .service = PLAN_NONE};
    return begin(tree, api, LEAVES_MAX, arena);
}

void plan_tree_take_cuts(struct plan_tree *tree, const struct plan_tree *from)
{
    CHECK(tree->relax.cuts_max == from->relax.cuts_max);
    tree->relax.cut_count = from->relax.cut_count;
    memcpy(tree->relax.cuts, from->relax.cuts, from->relax.cuts_max * sizeof *tree->relax.cuts);
    for (uint32_t r = from->relax.first_cut; r < from->relax.rows.count; r++) {
        const struct plan_lp_rows *rows = &from->relax.rows;
        if (!plan_relax_has_room(&tree->relax, (uint32_t)(rows->starts[r + 1] - rows->starts[r])))
            return;
        tree->relax.key = from->relax.keys[r];
        plan_relax_row(&tree->relax, rows->lower[r], rows->upper[r]);
        for (int32_t i = rows->starts[r]; i < rows->starts[r + 1]; i++)
            plan_relax_term(&tree->relax, (uint32_t)rows->columns[i], rows->values[i]);
    }
    tree->relax.key = 0;
}

static bool has_credit(const struct plan_row *row)
{
    for (uint32_t i = 0; i < row->term_count; i++)
        if (row->terms[i].factor <= 0)
            return true;
    return false;
}

/* No column has more replicas than any of the rows has room for. */
static void limit_to_rest(struct plan_tree *tree)
{
    for (uint32_t r = 0; r < tree->part.row_count; r++) {
        const struct plan_row *row = &tree->part.rows[r];
        double side = tree->relax.rows.upper[tree->relax.first_rule + r];
        bool is_limit = side < PLAN_LP_INFINITY && !has_credit(row);
        for (uint32_t i = 0; is_limit && i < row->term_count; i++) {
            uint32_t c = row->terms[i].column;
            double most = floor(side / row->terms[i].factor + WHOLE_WITHIN);
            most = most > tree->first_lower[c] ? most : tree->first_lower[c];
            if (most < tree->root_upper[c])
                tree->root_upper[c] = most;
        }
    }
    plan_relax_limit(&tree->relax, tree->root_upper);
}

void plan_tree_restart(struct plan_tree *tree, const struct plan_place *place)
{
    plant(tree);
    for (uint32_t i = 0; i < tree->part.row_count; i++) {
        const struct plan_row *row = &tree->whole->rows[tree->row_of[i]];
        double others = place->activities[tree->row_of[i]] -
                        plan_place_used(place, tree->service, tree->row_of[i]);
        plan_relax_rule(&tree->relax, i, row->lower - others, row->upper - others);
    }
    limit_to_rest(tree);
}

void plan_tree_price(struct plan_tree *tree, const double *prices)
{
    const struct plan_problem *whole = tree->whole;
    uint32_t first = tree->column_first, end = first + tree->part.column_count;
    CHECK(tree->leaf_count == 1);
    for (uint32_t c = first; c < end; c++)
        tree->columns[c - first].cost_usd_h = whole->columns[c].cost_usd_h;
    for (uint32_t r = 0; r < whole->row_count; r++)
        for (uint32_t i = 0; prices && prices[r] != 0 && i < whole->rows[r].term_count; i++) {
            const struct plan_term *term = &whole->rows[r].terms[i];
            if (term->column >= first && term->column < end)
                tree->columns[term->column - first].cost_usd_h -= prices[r] * term->factor;
        }
    for (uint32_t c = 0; c < end - first; c++) {
        tree->relax.cost[c] = tree->columns[c].cost_usd_h;
    }
}

/* Hall's cuts and rounding ones, as long as they raise the bound. */
static enum err cut_root(struct plan_tree *tree, double gain_min, bool (*is_over)(void *),
                         void *context)
{
    double last = -INFINITY;
    for (uint32_t round = 0;; round++) {
        enum err err = plan_relax_close(&tree->relax, CLOSE_ROUNDS, gain_min, is_over, context);
        double bound = err ? last : plan_relax_bound(&tree->relax);
        if (err || bound - last <= gain_min * __builtin_fabs(bound) || round == ROUNDS_AT_ROOT ||
            (is_over && is_over(context)) || plan_relax_round_cuts(&tree->relax) == 0)
            return err;
        last = bound;
    }
}

enum err plan_tree_close(struct plan_tree *tree, const struct plan_closing *closing,
                         bool (*is_over)(void *), void *context)
{
    struct plan_relax *relax = &tree->relax;
    relax->other = closing->other;
    enum err err = closing->rounds_cuts
                       ? cut_root(tree, PRICE_GAIN, is_over, context)
                       : plan_relax_close(relax, CLOSE_ROUNDS, PRICE_GAIN, is_over, context);
    if (!err) {
        tree->bound_usd_h = plan_relax_bound(relax);
        plan_relax_purge(relax);
    }
    if (!err && closing->other && closing->separates_other)
        (void)plan_relax_separate(relax, closing->other);
    relax->other = NULL;
    return err;
}

void plan_tree_end(struct plan_tree *tree)
{
    plan_relax_end(&tree->relax);
}

/* The heap ---------------------------------------------------------------------------------- */

static bool is_before(const struct plan_tree *tree, uint32_t a, uint32_t b)
{
    return tree->leaves[a].bound < tree->leaves[b].bound;
}

static void heap_push(struct plan_tree *tree, uint32_t leaf)
{
    uint32_t at = tree->heap_count++;
    for (; at > 0 && is_before(tree, leaf, tree->heap[(at - 1) / 2]); at = (at - 1) / 2)
        tree->heap[at] = tree->heap[(at - 1) / 2];
    tree->heap[at] = leaf;
}

static uint32_t heap_pop(struct plan_tree *tree)
{
    uint32_t first = tree->heap[0], last = tree->heap[--tree->heap_count], at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= tree->heap_count)
            break;
        if (child + 1 < tree->heap_count &&
            is_before(tree, tree->heap[child + 1], tree->heap[child]))
            child++;
        if (!is_before(tree, tree->heap[child], last))
            break;
        tree->heap[at] = tree->heap[child];
        at = child;
    }
    tree->heap[at] = last;
    return first;
}

/* Leaves ------------------------------------------------------------------------------------ */

/* A replica opens its node; a closed node has none, one that may have none is closed. */
static void imply(const struct plan_tree *tree, double *lower, double *upper)
{
    for (uint32_t v = 0; v < tree->part.node_count; v++) {
        const struct plan_node *node = &tree->part.nodes[v];
        uint32_t open = tree->relax.first_open + v, end = node->column_first + node->column_count;
        double least = 0, most = 0;
        for (uint32_t c = node->column_first; c < end; c++) {
            least += lower[c];
            most += upper[c];
        }
        if (least > 0)
            lower[open] = 1;
        if (most == 0)
            upper[open] = 0;
        for (uint32_t c = node->column_first; upper[open] == 0 && c < end; c++)
            upper[c] = 0;
    }
}

/* Bounds of the leaf: those of the root, and what each branching on the way says. */
static void enter(struct plan_tree *tree, uint32_t leaf)
{
    struct plan_relax *relax = &tree->relax;
    double *lower = relax->lower, *upper = relax->upper;
    memcpy(lower, tree->root_lower, relax->column_count * sizeof *lower);
    memcpy(upper, tree->root_upper, relax->column_count * sizeof *upper);
    for (uint32_t i = leaf; tree->leaves[i].parent != PLAN_NONE; i = tree->leaves[i].parent) {
        const struct plan_leaf *step = &tree->leaves[i];
        if (step->is_upper && step->value < upper[step->column])
            upper[step->column] = step->value;
        if (!step->is_upper && step->value > lower[step->column])
            lower[step->column] = step->value;
    }
    imply(tree, lower, upper);
}

static double fraction_of(double value)
{
    double part = value - floor(value);
    return part < WHOLE_WITHIN || part > 1 - WHOLE_WITHIN ? 0 : part;
}

static double gain_of(const struct plan_tree *tree, uint32_t column, bool is_up, double part)
{
    uint32_t seen = tree->seen[is_up][column];
    double unit = seen ? tree->sums[is_up][column] / seen : tree->relax.cost[column];
    return (unit > 1e-9 ? unit : 1e-9) * (is_up ? 1 - part : part);
}

/* The column to branch on; PLAN_NONE: all are whole. */
static uint32_t choose(const struct plan_tree *tree)
{
    const struct plan_relax *relax = &tree->relax;
    uint32_t best = PLAN_NONE;
    double best_score = 0;
    for (uint32_t c = 0; c < relax->first_load; c++) {
        double part = fraction_of(relax->solution.x[c]);
        if (part == 0 || (c >= relax->first_open && relax->cost[c] <= 0))
            continue;
        double score = gain_of(tree, c, false, part) * gain_of(tree, c, true, part);
        if (score > best_score) {
            best_score = score;
            best = c;
        }
    }
    return best;
}

/* <parent> with <column> rounded from <value>. */
static uint32_t add_leaf(struct plan_tree *tree, uint32_t parent, uint32_t column, bool is_upper,
                         double value)
{
    double whole = is_upper ? floor(value) : floor(value) + 1;
    uint32_t leaf = tree->leaf_count++;
    tree->leaves[leaf] = (struct plan_leaf){.parent = parent,
                                            .column = column,
                                            .is_upper = is_upper,
                                            .value = whole,
                                            .part = __builtin_fabs(value - whole),
                                            .bound = tree->leaves[parent].bound};
    return leaf;
}

/* What the part's plan in <place> costs at the tree's prices. */
static double priced_cost(const struct plan_tree *tree, const struct plan_place *place)
{
    if (tree->service == PLAN_NONE)
        return plan_place_is_whole(place) ? plan_place_cost(place) : INFINITY;
    if (place->services[tree->service].is_unplaced)
        return INFINITY;
    const struct plan_service *own = &place->problem->services[tree->service];
    double cost =
        place->services[tree->service].cost_usd_h + place->services[tree->service].egress_usd_h;
    for (uint32_t i = 0; i < own->column_count; i++)
        cost += place->counts[own->column_first + i] *
                (tree->part.columns[i].cost_usd_h - place->costs[own->column_first + i]);
    return cost;
}

static void try_rounding(struct plan_tree *tree, struct plan_place *place, const double *values,
                         double theta)
{
    if (tree->service == PLAN_NONE)
        plan_place_try_all(place, values, theta);
    else
        plan_place_try(place, tree->service, values, theta);
    double cost = priced_cost(tree, place);
    if (cost < tree->best_usd_h)
        tree->best_usd_h = cost;
}

static double theta_of(const struct plan_tree *tree)
{
    return 0.1 * (double)(tree->solved / ROUND_EVERY % 10);
}

/* The plan in the tree's own place, if it is the best so far, is the cost not to be exceeded, and
 * kept for the others. */
static void meet_own(struct plan_tree *tree, double worth)
{
    if (worth >= tree->best_usd_h)
        return;
    tree->best_usd_h = worth;
    for (uint32_t c = 0; c < tree->part.column_count; c++)
        tree->kept[c] = tree->own->place.counts[c];
    tree->has_kept = tree->is_kept_whole = true;
}

/* Plans of its own may take some work, and then a part of the tree's. */
static bool may_search_own(const struct plan_tree *tree)
{
    return tree->own && tree->own->place.work < OWN_FREE + tree->relax.work / OWN_PART;
}

static void start_own(struct plan_tree *tree, double theta, uint32_t tries)
{
    uint64_t work = tree->own->place.work;
    meet_own(tree, plan_own_start(tree->own, tree->relax.solution.x, theta, tries));
    tree->relax.work += tree->own->place.work - work;
}

/* At the root's prices: the best of those that were found at others, and new ones. */
static void start_at_root(struct plan_tree *tree, bool (*is_over)(void *), void *context)
{
    uint64_t work = tree->own->place.work;
    plan_own_price(tree->own);
    if (tree->own_starts > 0)
        meet_own(tree, plan_own_resume(tree->own, OWN_TRIES_AT_ROOT));
    tree->relax.work += tree->own->place.work - work;
    for (uint32_t i = 0; i + tree->own_starts < ROUNDINGS_AT_ROOT && !(is_over && is_over(context));
         i++)
        start_own(tree, ROUNDING_STEP * i, OWN_TRIES_AT_ROOT);
}

/* Prices will be others: what the plan is worth now is of no use. */
void plan_tree_look_ahead(struct plan_tree *tree)
{
    if (!tree->own || tree->own_starts + 1 >= ROUNDINGS_AT_ROOT)
        return;
    uint64_t work = tree->own->place.work;
    plan_own_price(tree->own);
    (void)plan_own_start(tree->own, tree->relax.solution.x, ROUNDING_STEP * tree->own_starts++,
                         OWN_TRIES_AT_ROOT);
    tree->relax.work += tree->own->place.work - work;
}

void plan_tree_search_own(struct plan_tree *tree)
{
    if (!may_search_own(tree))
        return;
    uint64_t work = tree->own->place.work;
    meet_own(tree, plan_own_search(tree->own));
    tree->relax.work += tree->own->place.work - work;
}

/* The last solution is rounded, or kept where there is no place; one of whole values before others.
 */
static void offer(struct plan_tree *tree, struct plan_place *place, bool is_whole)
{
    const double *values = tree->relax.solution.x;
    if (place) {
        try_rounding(tree, place, values, is_whole ? 0.5 : theta_of(tree));
        return;
    }
    if (is_whole ? tree->own != NULL : may_search_own(tree))
        start_own(tree, is_whole ? 0.5 : theta_of(tree), OWN_TRIES);
    if (!tree->is_kept_whole || (is_whole && !tree->own)) {
        memcpy(tree->kept, values, tree->part.column_count * sizeof *values);
        tree->has_kept = true;
        tree->is_kept_whole = is_whole;
    }
}

void plan_tree_meet(struct plan_tree *tree, const struct plan_place *place)
{
    double cost = priced_cost(tree, place);
    tree->best_usd_h = cost < tree->best_usd_h ? cost : tree->best_usd_h;
}

void plan_tree_harvest(struct plan_tree *tree, struct plan_place *place)
{
    if (tree->has_kept)
        try_rounding(tree, place, tree->kept, tree->is_kept_whole ? 0.5 : theta_of(tree));
    tree->has_kept = tree->is_kept_whole = false;
}

static void learn(struct plan_tree *tree, uint32_t leaf, double before)
{
    const struct plan_leaf *own = &tree->leaves[leaf];
    if (own->parent == PLAN_NONE || !isfinite(before) || own->bound <= before)
        return;
    tree->sums[!own->is_upper][own->column] += (own->bound - before) / own->part;
    tree->seen[!own->is_upper][own->column]++;
}

/* Reduced-cost fixing: a column so far from its bound at the root that the bound would pass the
 * best known cost need not be looked at. */
static void tighten_by(struct plan_tree *tree, const struct plan_root *root)
{
    double spare = tree->best_usd_h - root->bound_usd_h;
    for (uint32_t c = 0; isfinite(spare) && c < tree->relax.first_load; c++) {
        double reduced = root->reduced[c];
        if (__builtin_fabs(reduced) < 1e-9)
            continue;
        double steps = floor(spare / __builtin_fabs(reduced) + 1e-6);
        double *lower = &tree->root_lower[c], *upper = &tree->root_upper[c];
        if (reduced > 0 && *lower + steps < *upper)
            *upper = *lower + steps;
        if (reduced < 0 && *upper - steps > *lower)
            *lower = *upper - steps;
    }
}

static void tighten(struct plan_tree *tree)
{
    if (!(tree->best_usd_h < tree->tight_usd_h))
        return;
    tree->tight_usd_h = tree->best_usd_h;
    for (size_t i = 0; i < COUNT_OF(tree->roots); i++)
        tighten_by(tree, &tree->roots[i]);
}

static void note_root(struct plan_tree *tree, struct plan_root *root)
{
    root->bound_usd_h = plan_relax_bound(&tree->relax); /* leaves the reduced costs behind */
    memcpy(root->reduced, tree->relax.reduced, tree->relax.column_count * sizeof *root->reduced);
}

/* All values are whole: the leaf is a plan, which the rounding takes over, or nearly one. */
static uint32_t close_leaf(struct plan_tree *tree, struct plan_place *place, uint32_t leaf,
                           bool is_whole)
{
    double bound = tree->leaves[leaf].bound;
    if (is_whole)
        offer(tree, place, true);
    if (bound < tree->best_usd_h * (1 - WORTH) && bound < tree->closed_usd_h)
        tree->closed_usd_h = bound;
    return PLAN_NONE;
}

/* Can the leaf hold anything better than what is known? */
static bool is_worth(const struct plan_tree *tree, uint32_t leaf)
{
    return tree->leaves[leaf].bound < tree->best_usd_h * (1 - WORTH);
}

/* Solves one leaf. The child to dive into, or PLAN_NONE: the leaf is closed. */
static uint32_t solve_leaf(struct plan_tree *tree, struct plan_place *place, uint32_t leaf,
                           bool (*is_over)(void *), void *context)
{
    struct plan_relax *relax = &tree->relax;
    double before = tree->leaves[leaf].bound;
    enter(tree, leaf);
    tree->solved++;
    uint32_t column = PLAN_NONE;
    bool is_closed = false; /* are Hall's sets looked for? Only where all is whole */
    while (column == PLAN_NONE) {
        enum err err =
            plan_relax_close(relax, is_closed ? CLOSE_ROUNDS : 0, ROOT_GAIN, is_over, context);
        if (err == ERR_VALUE)
            return PLAN_NONE;
        double bound = err ? before : plan_relax_bound(relax);
        if (bound > tree->leaves[leaf].bound)
            tree->leaves[leaf].bound = bound;
        if (!is_worth(tree, leaf))
            return PLAN_NONE;
        if (leaf == 0 && !err)
            note_root(tree, &tree->roots[1]);
        column = err ? PLAN_NONE : choose(tree);
        if (column == PLAN_NONE && (err || is_closed))
            return close_leaf(tree, place, leaf, err == ERR_OK);
        is_closed = true;
    }
    learn(tree, leaf, before);
    double value = relax->solution.x[column];
    if (tree->solved % ROUND_EVERY == 0)
        offer(tree, place, false);
    uint32_t down = add_leaf(tree, leaf, column, true, value);
    uint32_t up = add_leaf(tree, leaf, column, false, value);
    bool dives_up = value - floor(value) > 0.5;
    heap_push(tree, dives_up ? down : up);
    return dives_up ? up : down;
}

/* Knapsacks' cuts, as long as they raise the bound. */
static enum err cut_knapsacks(struct plan_tree *tree, struct plan_knapsack *knapsack,
                              bool (*is_over)(void *), void *context)
{
    double last = plan_relax_bound(&tree->relax);
    for (uint32_t round = 0; round < KNAPSACK_ROUNDS; round++) {
        if ((is_over && is_over(context)) || plan_relax_cut_knapsacks(&tree->relax, knapsack) == 0)
            return ERR_OK;
        enum err err =
            plan_relax_close(&tree->relax, CLOSE_ROUNDS, KNAPSACK_GAIN, is_over, context);
        double bound = err ? last : plan_relax_bound(&tree->relax);
        if (err || bound - last <= KNAPSACK_GAIN * __builtin_fabs(bound))
            return err;
        last = bound;
    }
    return ERR_OK;
}

enum err plan_tree_cut(struct plan_tree *tree, struct plan_knapsack *knapsack,
                       bool (*is_over)(void *), void *context)
{
    enum err err = cut_root(tree, ROOT_GAIN, is_over, context);
    if (!err)
        note_root(tree, &tree->roots[0]);
    if (!err && knapsack && plan_may_all_fail(&tree->part))
        err = cut_knapsacks(tree, knapsack, is_over, context);
    double bound = err ? tree->bound_usd_h : plan_relax_bound(&tree->relax);
    tree->bound_usd_h = bound > tree->bound_usd_h ? bound : tree->bound_usd_h;
    if (!err && tree->own)
        start_at_root(tree, is_over, context);
    return err;
}

/* Of large services there are too many points, and their relaxation says nearly all. */
static bool is_small(const struct plan_relax *relax)
{
    double count = 0;
    for (uint32_t c = 0; c < relax->first_open; c++)
        count += relax->solution.x[c];
    return count <= ENUMERATED_MAX;
}

double plan_tree_cut_rest(struct plan_tree *tree, bool (*is_over)(void *), void *context)
{
    enter(tree, 0);
    if (plan_relax_close(&tree->relax, 0, 0, is_over, context) != ERR_OK)
        return INFINITY;
    if (!is_small(&tree->relax) && cut_root(tree, REST_GAIN, is_over, context) != ERR_OK)
        return INFINITY;
    return plan_relax_bound(&tree->relax);
}

void plan_tree_round(struct plan_tree *tree, struct plan_place *place)
{
    plan_tree_meet(tree, place);
    plan_tree_harvest(tree, place);
    for (unsigned i = 0; i < ROUNDINGS_AT_ROOT; i++)
        try_rounding(tree, place, tree->relax.solution.x, ROUNDING_STEP * i);
    plan_relax_purge(&tree->relax);
}

void plan_tree_lift(struct plan_tree *tree, bool (*is_over)(void *), void *context)
{
    struct plan_relax *relax = &tree->relax;
    if (!plan_may_all_fail(&tree->part) || (is_over && is_over(context)))
        return;
    if (plan_relax_close(relax, 0, 0, is_over, context) == ERR_OK &&
        plan_relax_lift(relax, tree->best_usd_h, tree->scratch) > 0 &&
        cut_root(tree, ROOT_GAIN, is_over, context) == ERR_OK)
        plan_relax_purge(relax);
}

/* The tree itself gets half of the last attempt's work, and twice that for each that gained little,
 * of which there may be some in a row. */
static bool may_enumerate(const struct plan_tree *tree)
{
    return tree->may_enumerate && !tree->is_done && isfinite(tree->best_usd_h) &&
           tree->relax.work >= tree->resume_at;
}

uint64_t plan_tree_expect(const struct plan_tree *tree, uint32_t count)
{
    return may_enumerate(tree) ? tree->allowance : (uint64_t)count * WORK_OF_LEAF;
}

bool plan_tree_enumerate(struct plan_tree *tree, struct plan_enumerator *enumerator,
                         bool (*is_over)(void *), void *context)
{
    if (!may_enumerate(tree))
        return false;
    const uint64_t begin = tree->relax.work;
    const double before = tree->bound_usd_h;
    enter(tree, 0);
    if (plan_relax_close(&tree->relax, 0, 0, is_over, context) != ERR_OK)
        return false;
    tree->may_enumerate = is_small(&tree->relax);
    if (!tree->may_enumerate)
        return false;
    plan_tree_search_own(tree);
    double best = tree->best_usd_h;
    double bound = plan_enumerate(enumerator, &tree->relax, &tree->roots[0], tree->own, best,
                                  tree->allowance, &best, is_over, context);
    meet_own(tree, best);
    tree->bound_usd_h = bound > before ? bound : before;
    tree->is_done = tree->bound_usd_h >= tree->best_usd_h * (1 - WORTH);
    tree->allowance *= 2;
    bool is_vain = tree->bound_usd_h - before < GAIN_MIN * (tree->best_usd_h - before);
    tree->vain = is_vain ? tree->vain + 1 : 0;
    uint64_t spent = tree->relax.work - begin;
    tree->resume_at = tree->relax.work + (spent << tree->vain) / 2;
    tree->may_enumerate = tree->vain < VAIN_MAX;
    tree->solved += (uint32_t)(spent / WORK_OF_LEAF);
    return true;
}

bool plan_tree_respond(struct plan_tree *tree, struct plan_own *own,
                       struct plan_enumerator *enumerator, struct plan_place *place,
                       bool (*is_over)(void *), void *context)
{
    if (!own || !tree->may_enumerate)
        return false;
    plan_tree_meet(tree, place);
    enter(tree, 0);
    double best = tree->best_usd_h;
    if (!isfinite(best) || plan_relax_close(&tree->relax, 0, 0, is_over, context) != ERR_OK)
        return false;
    tree->may_enumerate = is_small(&tree->relax);
    if (!tree->may_enumerate)
        return false;
    double bound = plan_enumerate(enumerator, &tree->relax, &tree->roots[0], own, best, RESPONSE,
                                  &best, is_over, context);
    if (best >= tree->best_usd_h) {
        tree->may_enumerate = !isinf(bound); /* it will be too much the next time, too */
        return true;
    }
    for (uint32_t c = 0; c < tree->part.column_count; c++)
        tree->kept[c] = own->place.counts[c];
    try_rounding(tree, place, tree->kept, 0.5);
    return true;
}

/* Is the leaf far above the worst one, whose bound is all that is proven? Where plans are looked
 * for (a rest, all services) a dive goes to its end. */
static bool is_far(const struct plan_tree *tree, uint32_t leaf)
{
    if (tree->relax.is_rest || tree->service == PLAN_NONE || tree->heap_count == 0)
        return false;
    double least = tree->leaves[tree->heap[0]].bound;
    return tree->leaves[leaf].bound > least + PLUNGE * (tree->best_usd_h - least);
}

void plan_tree_grow(struct plan_tree *tree, struct plan_place *place, uint32_t count,
                    bool (*is_over)(void *), void *context)
{
    uint32_t leaf = PLAN_NONE;
    if (place)
        plan_tree_meet(tree, place);
    plan_tree_search_own(tree);
    for (uint32_t i = 0; i < count && !tree->is_done; i++) {
        if (is_over && is_over(context))
            break;
        if (leaf != PLAN_NONE && !is_worth(tree, leaf))
            leaf = PLAN_NONE; /* a better plan was found on the way; others may have less */
        if (leaf != PLAN_NONE && is_far(tree, leaf)) {
            heap_push(tree, leaf);
            leaf = PLAN_NONE;
        }
        if (leaf == PLAN_NONE && tree->heap_count > 0)
            leaf = heap_pop(tree);
        if (leaf == PLAN_NONE || !is_worth(tree, leaf) || tree->leaf_count + 2 > tree->leaves_max) {
            tree->is_done = true;
            break;
        }
        tighten(tree);
        leaf = solve_leaf(tree, place, leaf, is_over, context);
    }
    if (leaf != PLAN_NONE)
        heap_push(tree, leaf);
    double bound = tree->heap_count > 0 ? tree->leaves[tree->heap[0]].bound : tree->best_usd_h;
    bound = bound < tree->closed_usd_h ? bound : tree->closed_usd_h;
    if (bound > tree->best_usd_h * (1 - WORTH))
        bound = tree->best_usd_h * (1 - WORTH);
    tree->bound_usd_h = bound > tree->bound_usd_h ? bound : tree->bound_usd_h;
}
