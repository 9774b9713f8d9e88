#include "plan/solve.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/sort.h"
#include "plan/parts.h"
#include "plan/seek.h"
#include "plan/whole.h"

enum {
    PRICE_ROUNDS = 9,
    ROUNDING_FROM = 2, /* rounds: prices before are far away, and their cuts of no use later */
    THOROUGH_ROUNDS = 24,
    LEAVES_A_TURN = 32,
    LEAVES_AT_FIRST = 96, /* beside the first sweeps, which take long */
    GROWN_AT_ONCE = 4,    /* trees; */
    GROWN_MAX = 12,       /* more, where one of them takes long */
    STALE_MAX = 40,
    MIX_ROUNDS = 2,
    ROOT_PARTS = 2,
    LIFT_PART = 8,   /* a lift takes one of so many parts of the work until then */
    FIRST_PART = 4,  /* plans get one of so many parts of the work until the roots, */
    PLAN_PART = 2,   /* and of that which trees take, */
    ALONE_PART = 16, /* and where nothing has a price */
    JOINT_COLUMNS_MAX = 512
};

/* A plan whose cost is this near to the bound is optimal: trees leave what is not worth a branch.
 */
#define PROVEN_WITHIN 1e-6
/* Prices are looked for as long as they may raise the bound by this share. */
#define PRICE_GAIN    5e-5
#define PRICE_MIN     1e-9   /* USD/h of a replica: less is what rounding leaves of nothing */
#define EFFORT        1.3e10 /* simplex iterations times rows squared: some 130 ms */
#define REPLICAS      50.0   /* of a service: neither small nor large */
#define THOROUGH_GAIN 1e-6

struct search;

/* What a tree, or the search for the plan, may do while others do the same. */
struct turn {
    struct search *search;
    void (*task)(struct search *search, struct turn *turn, uint32_t hand);
    struct plan_tree *tree; /* NULL: the plan's */
    uint64_t others;        /* work of all but this one, when the turn began */
    uint32_t leaves;        /* that a tree may grow by */
    uint64_t expected;      /* work of this one, about: the longest begin */
    enum err err;
};

struct search {
    const struct plan_problem *problem;
    const struct plan_limits *limits;
    const uint32_t *warm;      /* counts of a plan to begin with; NULL: none */
    struct plan_whole whole;   /* of prices */
    struct plan_seeker seeker; /* of the plan */
    struct plan_tree *trees;   /* of each service, at prices: for the bound */
    struct plan_tree joint;    /* all services, for what prices leave open: of a small problem */
    bool has_joint;
    bool is_thorough; /* are cuts for prices looked for to the end? Where no plan is found */
    bool rounds_cuts; /* do services look for rounding cuts for prices? */
    struct plan_knapsack *knapsacks[PLAN_HANDS_MAX]; /* scratch of each hand */
    struct plan_enumerator *enumerators[PLAN_HANDS_MAX];
    struct turn *turns;        /* of each service, and the plan's */
    uint32_t *order, *scratch; /* of turns */
    bool *has_turn;            /* of each service */
    uint32_t turn_count;
    uint32_t part;       /* of the services, whose roots the plan takes */
    int64_t plan_credit; /* of work; below zero: the plan waits for the trees */
    double *prices;      /* of the rows */
    double priced_usd_h; /* sum of prices x sides */
    double *unmet;       /* share of each demand that the relaxation leaves */
    double *values;      /* of the relaxation's columns n */
    double bound_usd_h;
};

static uint64_t work_of(const struct search *search)
{
    uint64_t work = search->whole.work + plan_seeker_work(&search->seeker);
    for (uint32_t s = 0; s < search->problem->service_count; s++)
        work += search->trees[s].relax.work;
    return work + search->joint.relax.work;
}

static bool is_over(struct search *search)
{
    const struct plan_limits *limits = search->limits;
    return (limits->work > 0 && work_of(search) >= limits->work) ||
           (limits->is_over && limits->is_over(limits->context));
}

static bool search_is_over(void *context)
{
    return is_over(context);
}

static uint64_t work_of_turn(const struct turn *turn)
{
    return turn->tree ? turn->tree->relax.work : plan_seeker_work(&turn->search->seeker);
}

/* Others may be at work: what they do now does not count yet, so that nothing depends on who is
 * faster. */
static bool turn_is_over(void *context)
{
    const struct turn *turn = context;
    const struct plan_limits *limits = turn->search->limits;
    return (limits->work > 0 && turn->others + work_of_turn(turn) >= limits->work) ||
           (limits->is_over && limits->is_over(limits->context));
}

/* <tree>: NULL: the plan's turn, which is one of the longest. Others take as long as they did. */
static struct turn *add_turn(struct search *search, struct plan_tree *tree,
                             void (*task)(struct search *search, struct turn *turn, uint32_t hand))
{
    struct turn *turn = &search->turns[search->turn_count++];
    *turn = (struct turn){.search = search, .task = task, .tree = tree};
    turn->others = work_of(search) - work_of_turn(turn);
    turn->expected = tree ? tree->relax.work : UINT64_MAX;
    if (tree)
        search->has_turn[tree - search->trees] = true;
    return turn;
}

static void add_all_turns(struct search *search,
                          void (*task)(struct search *search, struct turn *turn, uint32_t hand))
{
    for (uint32_t s = 0; s < search->problem->service_count; s++)
        add_turn(search, &search->trees[s], task);
}

static void take_turn(void *context, uint32_t i, uint32_t hand)
{
    struct search *search = context;
    struct turn *turn = &search->turns[search->order[i]];
    turn->task(search, turn, hand);
}

static bool takes_longer(const void *turns, uint32_t left, uint32_t right)
{
    const struct turn *all = turns;
    return all[left].expected > all[right].expected;
}

/* None sees what another one does now, so that the order is of no matter but for the time. */
static void run_turns(struct search *search)
{
    const struct plan_crew *crew = search->limits->crew;
    for (uint32_t i = 0; i < search->turn_count; i++)
        search->order[i] = i;
    sort_indices(search->order, search->scratch, search->turn_count, takes_longer, search->turns);
    if (crew)
        crew->run(crew->context, search->turn_count, take_turn, search);
    for (uint32_t i = 0; !crew && i < search->turn_count; i++)
        take_turn(search, i, 0);
    search->turn_count = 0;
    memset(search->has_turn, 0, search->problem->service_count * sizeof *search->has_turn);
}

static bool is_good_enough(const struct search *search)
{
    double best = search->seeker.best_usd_h;
    return !isinf(best) && best - search->bound_usd_h <= search->limits->gap * best;
}

static enum plan_stop why_stopped(const struct search *search, enum plan_status status)
{
    const struct plan_limits *limits = search->limits;
    if (status == PLAN_OPTIMAL || status == PLAN_INFEASIBLE)
        return PLAN_STOP_DONE;
    if (is_good_enough(search))
        return PLAN_STOP_GAP;
    if (limits->work > 0 && work_of(search) >= limits->work)
        return PLAN_STOP_WORK;
    return limits->is_over && limits->is_over(limits->context) ? PLAN_STOP_TIME : PLAN_STOP_DONE;
}

static double largest_factor(const struct plan_row *row)
{
    double largest = 0;
    for (uint32_t i = 0; i < row->term_count; i++) {
        double factor = __builtin_fabs(row->terms[i].factor);
        largest = factor > largest ? factor : largest;
    }
    return largest;
}

/* Prices of the common rows from the relaxation; a wrong sign is taken for none. */
static void set_prices(struct search *search)
{
    const struct plan_problem *problem = search->problem;
    search->priced_usd_h = 0;
    for (uint32_t r = 0; r < problem->row_count; r++) {
        double price = search->whole.prices[r];
        double side = price > 0 ? problem->rows[r].lower : problem->rows[r].upper;
        bool is_priced = __builtin_fabs(price) * largest_factor(&problem->rows[r]) > PRICE_MIN &&
                         __builtin_fabs(side) < PLAN_LP_INFINITY;
        search->prices[r] = is_priced ? price : 0;
        search->priced_usd_h += is_priced ? price * side : 0;
    }
}

static double sum_of_bounds(const struct search *search)
{
    double bound = search->priced_usd_h;
    for (uint32_t s = 0; s < search->problem->service_count; s++)
        bound += search->trees[s].bound_usd_h;
    return bound;
}

static void add_up_bound(struct search *search)
{
    double bound = sum_of_bounds(search);
    if (bound > search->bound_usd_h)
        search->bound_usd_h = bound;
}

/* The tree with the most to gain for the leaves it has already cost, of those without a turn. */
static uint32_t next_tree(const struct search *search)
{
    uint32_t best = PLAN_NONE;
    double best_score = 0;
    for (uint32_t s = 0; s < search->problem->service_count; s++) {
        const struct plan_tree *tree = &search->trees[s];
        if (tree->is_done || search->has_turn[s])
            continue;
        double gap = tree->best_usd_h - tree->bound_usd_h;
        double score = gap / (tree->solved + 30.0);
        if (best == PLAN_NONE || score > best_score) {
            best = s;
            best_score = score;
        }
    }
    return best;
}

static uint64_t longer_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void cut_task(struct search *search, struct turn *turn, uint32_t hand)
{
    turn->err = plan_tree_cut(turn->tree, search->knapsacks[hand], turn_is_over, turn);
}

static void grow_task(struct search *search, struct turn *turn, uint32_t hand)
{
    if (!plan_tree_enumerate(turn->tree, search->enumerators[hand], turn_is_over, turn))
        plan_tree_grow(turn->tree, NULL, turn->leaves, turn_is_over, turn);
}

static void lift_task(struct search *search, struct turn *turn, uint32_t hand)
{
    plan_tree_lift(turn->tree, turn_is_over, turn);
    if (!plan_tree_enumerate(turn->tree, search->enumerators[hand], turn_is_over, turn))
        plan_tree_grow(turn->tree, NULL, 1, turn_is_over, turn);
}

static uint32_t first_of_part(const struct search *search, uint32_t part)
{
    return search->problem->service_count * part / ROOT_PARTS;
}

static void add_cuts(struct search *search, uint32_t part)
{
    for (uint32_t s = first_of_part(search, part); s < first_of_part(search, part + 1); s++)
        add_turn(search, &search->trees[s], cut_task);
}

/* What took long will take long again: that is a part of what is expected. */
static void add_lifts(struct search *search, uint32_t part)
{
    for (uint32_t s = first_of_part(search, part); s < first_of_part(search, part + 1); s++) {
        struct turn *turn = add_turn(search, &search->trees[s], lift_task);
        turn->expected = plan_tree_expect(turn->tree, 1) + turn->tree->relax.work / LIFT_PART;
    }
}

/* Trees grow by <leaves>: <least> of them, and up to <most> as long as another turn would be waited
 * for, and half as long again: what is expected is more than what most take. */
static void add_growths(struct search *search, uint32_t least, uint32_t most, uint32_t leaves)
{
    uint64_t longest = 0, sum = 0;
    for (uint32_t i = 0; i < search->turn_count; i++) {
        longest = longer_of(longest, search->turns[i].expected);
        sum += search->turns[i].expected;
    }
    for (uint32_t i = 0; i < least || (i < most && sum - longest < longest + longest / 2); i++) {
        uint32_t s = next_tree(search);
        if (s == PLAN_NONE)
            return;
        struct plan_tree *tree = &search->trees[s];
        plan_tree_meet(tree, &search->seeker.place);
        plan_seek_push(&search->seeker, s, tree);
        struct turn *turn = add_turn(search, tree, grow_task);
        turn->leaves = leaves;
        turn->expected = plan_tree_expect(tree, leaves);
        longest = longer_of(longest, turn->expected);
        sum += turn->expected;
    }
}

static void root_task(struct search *search, struct turn *turn, uint32_t hand)
{
    (void)hand;
    for (uint32_t s = first_of_part(search, search->part);
         s < first_of_part(search, search->part + 1) && !turn_is_over(turn); s++)
        if (search->trees[s].relax.solution.status == PLAN_LP_OPTIMAL)
            plan_seek_root(&search->seeker, s, &search->trees[s]);
}

static void push_task(struct search *search, struct turn *turn, uint32_t hand)
{
    (void)search;
    (void)hand;
    plan_tree_search_own(turn->tree);
}

static void plan_task(struct search *search, struct turn *turn, uint32_t hand)
{
    uint64_t work = search->plan_credit > 0 ? (uint64_t)search->plan_credit : 0;
    plan_seek(&search->seeker, work, search->enumerators[hand], turn_is_over, turn);
}

/* What trees found while others were at work. */
static void harvest(struct search *search, uint32_t service)
{
    plan_tree_harvest(&search->trees[service], &search->seeker.place);
    plan_seek_gather(&search->seeker, service, &search->trees[service]);
}

static void harvest_all(struct search *search)
{
    for (uint32_t s = 0; s < search->problem->service_count; s++)
        harvest(search, s);
    plan_seeker_keep_best(&search->seeker);
    add_up_bound(search);
}

/* The plan takes the work that it has credit for, in up to twice the time of trees. */
static void add_plan(struct search *search)
{
    struct turn *turn = add_turn(search, NULL, plan_task);
    turn->expected = search->plan_credit > 0 ? 2 * (uint64_t)search->plan_credit : 0;
}

/* The roots of all trees, and a plan that they have in sight: one part of the services after the
 * other; while the plan takes one, trees of the next are cut, and those of the one before lifted.
 * Then the first sweeps, beside the last. */
static void find_roots(struct search *search)
{
    for (uint32_t part = 0; part <= ROOT_PARTS; part++) {
        if (part > 0) {
            search->part = part - 1;
            add_turn(search, NULL, root_task);
        }
        if (part < ROOT_PARTS)
            add_cuts(search, part);
        if (part > 1)
            add_lifts(search, part - 2);
        run_turns(search);
    }
    add_up_bound(search);
    if (!is_over(search))
        plan_seek_exchange(&search->seeker);
    search->plan_credit = (int64_t)(work_of(search) / FIRST_PART);
    add_plan(search);
    add_lifts(search, ROOT_PARTS - 1);
    add_growths(search, 0, search->problem->service_count, LEAVES_AT_FIRST);
    run_turns(search);
    harvest_all(search);
}

/* Each service looks for plans at prices at which those that there are go together. */
static void mix(struct search *search)
{
    for (uint32_t round = 0; round < MIX_ROUNDS && !is_over(search); round++) {
        for (uint32_t s = 0; s < search->problem->service_count; s++)
            plan_seek_push(&search->seeker, s, &search->trees[s]);
        add_all_turns(search, push_task);
        run_turns(search);
        harvest_all(search);
        plan_seek_exchange(&search->seeker);
    }
}

/* Some trees grow while the plan is looked for. How many did. */
static uint32_t grow_some(struct search *search)
{
    if (search->plan_credit >= 0 || next_tree(search) == PLAN_NONE)
        add_plan(search);
    add_growths(search, GROWN_AT_ONCE, GROWN_MAX, LEAVES_A_TURN);
    uint32_t count = search->turn_count, grown = 0;
    uint64_t work = work_of(search), planned = plan_seeker_work(&search->seeker);
    run_turns(search);
    planned = plan_seeker_work(&search->seeker) - planned;
    uint64_t part = plan_seeker_has_prices(&search->seeker) ? PLAN_PART : ALONE_PART;
    search->plan_credit += (int64_t)((work_of(search) - work - planned) / part);
    search->plan_credit -= (int64_t)planned;
    for (uint32_t i = 0; i < count; i++) {
        const struct plan_tree *tree = search->turns[i].tree;
        if (tree)
            harvest(search, (uint32_t)(tree - search->trees));
        grown += tree != NULL;
    }
    plan_seeker_keep_best(&search->seeker);
    add_up_bound(search);
    return grown;
}

static void improve(struct search *search)
{
    const double *best = &search->seeker.best_usd_h;
    uint32_t stale = 0;
    find_roots(search);
    mix(search);
    search->plan_credit = 0;
    while (!is_over(search) && !is_good_enough(search) &&
           stale < STALE_MAX * search->problem->service_count) {
        double before = *best;
        uint32_t grown = grow_some(search);
        stale = grown > 0 || *best < before ? 0 : stale + 1;
    }
}

/* All services in one tree: prices alone cannot close what whole numbers leave of the common rows.
 */
static void search_jointly(struct search *search)
{
    struct plan_tree *tree = &search->joint;
    if (tree->solved == 0 && plan_tree_cut(tree, NULL, search_is_over, search) == ERR_OK)
        plan_tree_round(tree, &search->seeker.place);
    while (!tree->is_done && !is_over(search) && !is_good_enough(search)) {
        plan_tree_grow(tree, &search->seeker.place, LEAVES_A_TURN, search_is_over, search);
        plan_seeker_keep_best(&search->seeker);
        if (tree->bound_usd_h > search->bound_usd_h)
            search->bound_usd_h = tree->bound_usd_h;
    }
}

static bool begin_hands(struct search *search, uint32_t node_max, uint32_t column_max,
                        struct arena *arena)
{
    uint32_t hands = search->limits->crew ? search->limits->crew->width : 1;
    CHECK(hands >= 1 && hands <= PLAN_HANDS_MAX);
    bool may_enumerate = false;
    for (uint32_t s = 0; s < search->problem->service_count; s++)
        may_enumerate = may_enumerate || search->trees[s].may_enumerate;
    for (uint32_t i = 0; i < hands; i++) {
        search->knapsacks[i] = plan_knapsack_new(node_max, column_max, arena);
        if (may_enumerate)
            search->enumerators[i] = plan_enumerator_new(column_max, arena);
    }
    return !arena->is_overflown;
}

static enum err begin(struct search *search, const struct plan_lp_api *lp, struct arena *arena)
{
    const struct plan_problem *problem = search->problem;
    search->trees = ARENA_ARRAY(arena, struct plan_tree, problem->service_count);
    search->turns = ARENA_ARRAY(arena, struct turn, problem->service_count + 1);
    search->order = ARENA_ARRAY(arena, uint32_t, problem->service_count + 1);
    search->scratch = ARENA_ARRAY(arena, uint32_t, problem->service_count + 1);
    search->has_turn = ARENA_ARRAY(arena, bool, problem->service_count);
    if (arena->is_overflown)
        return ERR_MEMORY;
    uint32_t node_max = 0, column_max = 0;
    for (uint32_t s = 0; s < problem->service_count; s++) {
        enum err err = plan_tree_begin(&search->trees[s], problem, lp, s, false, arena);
        if (err)
            return err;
        uint32_t nodes = problem->services[s].node_count;
        uint32_t columns = search->trees[s].relax.column_count;
        node_max = nodes > node_max ? nodes : node_max;
        column_max = columns > column_max ? columns : column_max;
    }
    if (!begin_hands(search, node_max, column_max, arena))
        return ERR_MEMORY;
    enum err err =
        plan_seeker_init(&search->seeker, problem, lp, search->trees, search->prices, arena);
    if (!err)
        err = plan_whole_init(&search->whole, problem, lp, search->trees, arena);
    search->has_joint = problem->column_count <= JOINT_COLUMNS_MAX;
    if (!err && search->has_joint)
        err = plan_tree_begin_joint(&search->joint, problem, lp, arena);
    return err;
}

static void close_task(struct search *search, struct turn *turn, uint32_t hand)
{
    (void)hand;
    struct plan_closing closing = {.rounds_cuts = search->rounds_cuts,
                                   .other =
                                       plan_whole_solution(&search->whole, turn->tree->service),
                                   .separates_other = search->whole.is_exact};
    plan_tree_price(turn->tree, search->prices);
    turn->err = plan_tree_close(turn->tree, &closing, turn_is_over, turn);
}

/* Each service's relaxation at the prices there are, and what they cost together. */
static enum err close_services(struct search *search, bool rounds_cuts, double *ret_usd_h)
{
    search->rounds_cuts = rounds_cuts;
    add_all_turns(search, close_task);
    run_turns(search);
    for (uint32_t s = 0; s < search->problem->service_count; s++) {
        if (search->turns[s].err)
            return search->turns[s].err;
    }
    *ret_usd_h = sum_of_bounds(search);
    add_up_bound(search);
    return ERR_OK;
}

static void whole_task(struct search *search, struct turn *turn, uint32_t hand)
{
    (void)hand;
    turn->err = plan_whole_solve(&search->whole, search->prices);
}

static void ahead_task(struct search *search, struct turn *turn, uint32_t hand)
{
    (void)search;
    (void)hand;
    if (!turn_is_over(turn))
        plan_tree_look_ahead(turn->tree);
}

/* One hand solves the whole; the others may look ahead. */
static enum err solve_whole(struct search *search, bool looks_ahead)
{
    struct turn *whole = add_turn(search, NULL, whole_task);
    if (looks_ahead)
        add_all_turns(search, ahead_task);
    run_turns(search);
    return whole->err;
}

static void note_unmet(struct search *search)
{
    for (uint32_t d = 0; d < search->problem->demand_count; d++) {
        double rate = 1e-6 * (double)search->problem->demands[d].rate;
        double unmet = plan_whole_unmet(&search->whole, d) / rate;
        search->unmet[d] = unmet < 1e-9 ? 0 : unmet > 1 ? 1 : unmet;
    }
}

/* Of the whole's last solution. */
static double effort_of(const struct search *search)
{
    double rows = search->whole.rows.count;
    return search->whole.iterations * rows * rows / EFFORT;
}

/* What a round of prices must gain, as a share of the bound: more where it takes long, and more
 * where services are small, since trees have the more to gain in that time. */
static double gain_min_of(const struct search *search)
{
    if (search->is_thorough)
        return THOROUGH_GAIN;
    double replicas = 0;
    for (uint32_t c = 0; c < search->problem->column_count; c++)
        replicas += search->values[c];
    double part = REPLICAS * search->problem->service_count / (replicas + 1);
    double effort = effort_of(search) * (part < 0.5 ? 0.5 : part < 2 ? part : 2);
    return PRICE_GAIN * (effort > 1 ? effort : 1);
}

/* Prices of the common rows: the whole's relaxation gives them, and the services answer with what
 * they cost there and with the cuts that they violate, until neither can raise the bound. The last
 * prices are those that the services were closed at. ERR_VALUE: no plan exists. */
static enum err find_prices(struct search *search, double *ret_root_usd_h)
{
    uint32_t rounds = search->is_thorough ? THOROUGH_ROUNDS : PRICE_ROUNDS;
    double last = 0, whole = 0;
    for (uint32_t round = 0;; round++) {
        double sum = 0;
        enum err err = close_services(search, round >= ROUNDING_FROM, &sum);
        if (round == 0 && !search->is_thorough)
            *ret_root_usd_h = search->bound_usd_h;
        double gain = sum - last > whole - sum ? sum - last : whole - sum;
        if (err || is_over(search) ||
            (round > ROUNDING_FROM && gain <= gain_min_of(search) * sum) || round == rounds)
            return err;
        err = solve_whole(search, round >= ROUNDING_FROM && effort_of(search) > 1);
        if (err)
            return err;
        plan_whole_values(&search->whole, search->values);
        note_unmet(search);
        set_prices(search);
        whole = search->whole.cost_usd_h;
        last = sum;
    }
}

/* Demands that may stay unanswered: as much of them as the relaxation leaves. */
static void leave_unmet(struct search *search)
{
    const struct plan_problem *problem = search->problem;
    for (uint32_t d = 0; d < problem->demand_count; d++)
        if (search->problem->demands[d].unmet_usd < PLAN_LP_INFINITY)
            plan_place_answer(&search->seeker.place, d,
                              (int64_t)((1 - search->unmet[d]) * (double)problem->demands[d].rate));
}

/* The best of what is found fast; where that is nothing and the problem is small, by one tree. */
static void find_first_plan(struct search *search)
{
    struct plan_seeker *seeker = &search->seeker;
    leave_unmet(search);
    plan_seek_first(seeker, search->warm, search->values, search_is_over, search);
    if (!isinf(seeker->best_usd_h) || !search->has_joint)
        return;
    plan_place_price(&seeker->place, NULL);
    for (uint32_t s = 0; s < search->problem->service_count; s++)
        seeker->place.services[s].is_unplaced = true;
    search_jointly(search);
}

static enum plan_status status_of(const struct search *search)
{
    double cost = search->seeker.best_usd_h;
    if (isinf(cost))
        return search->has_joint && search->joint.is_done && isinf(search->joint.bound_usd_h)
                   ? PLAN_INFEASIBLE
                   : PLAN_NOTHING_FOUND;
    return search->bound_usd_h >= cost * (1 - PROVEN_WITHIN) ? PLAN_OPTIMAL : PLAN_FEASIBLE;
}

static enum err find(struct search *search, struct arena *arena, struct plan_result *ret_result)
{
    struct plan_seeker *seeker = &search->seeker;
    enum err err = find_prices(search, &ret_result->root_usd_h);
    if (!err)
        find_first_plan(search);
    if (!err && isinf(seeker->best_usd_h) && !is_over(search)) { /* perhaps there is none */
        search->is_thorough = search->whole.is_exact = true;
        err = find_prices(search, &ret_result->root_usd_h);
        if (!err)
            find_first_plan(search);
    }
    if (err == ERR_VALUE) {
        ret_result->status = PLAN_INFEASIBLE;
        return ERR_OK;
    }
    if (err)
        return err;
    if (isinf(seeker->best_usd_h)) {
        ret_result->status = status_of(search);
        return ERR_OK;
    }
    plan_seeker_take_best(seeker, search->prices);
    improve(search);
    if (search->has_joint) {
        plan_seeker_take_best(seeker, NULL);
        search_jointly(search);
    }
    if (!plan_answer_make(&ret_result->answer, &seeker->place, seeker->best, arena))
        return ERR_MEMORY;
    seeker->best_usd_h = ret_result->answer.cost_usd_h; /* answers more, where it may */
    ret_result->status = status_of(search);
    return ERR_OK;
}

/* <warm>: counts. */
static enum err solve(const struct plan_problem *problem, const struct plan_lp_api *lp,
                      const struct plan_limits *limits, const uint32_t *warm, struct arena *arena,
                      struct plan_result *ret_result, struct text *why)
{
    struct plan_result result = {0};
    struct search *search = ARENA_NEW(arena, struct search);
    if (!search)
        return ERR_MEMORY;
    *search = (struct search){.problem = problem,
                              .limits = limits,
                              .warm = warm,
                              .values = ARENA_ARRAY(arena, double, problem->column_count),
                              .prices = ARENA_ARRAY(arena, double, problem->row_count),
                              .unmet = ARENA_ARRAY(arena, double, problem->demand_count)};
    if (arena->is_overflown)
        return ERR_MEMORY;
    enum err err = begin(search, lp, arena);
    if (!err)
        err = find(search, arena, &result);
    result.bound_usd_h = search->bound_usd_h;
    if (!err) {
        result.work = work_of(search);
        result.stop = why_stopped(search, result.status);
    }
    plan_tree_end(&search->joint);
    plan_seeker_end(&search->seeker);
    for (uint32_t s = 0; search->trees && s < problem->service_count; s++) {
        result.nodes += search->trees[s].solved;
        result.cuts += search->trees[s].relax.cut_count;
        plan_tree_end(&search->trees[s]);
    }
    if (err)
        text_add(why, "the plan could not be computed: %s", err_text(err));
    else
        *ret_result = result;
    return err;
}

enum err plan_solve(const struct plan_problem *problem, const struct plan_lp_api *lp,
                    const struct plan_limits *limits, const struct plan_answer *warm,
                    struct arena *arena, struct plan_result *ret_result, struct text *why)
{
    struct plan_parts parts;
    if (!plan_parts_make(&parts, problem, arena))
        return ERR_MEMORY;
    uint32_t *begin = warm ? plan_parts_take(&parts, warm->counts, arena) : NULL;
    if (warm && !begin)
        return ERR_MEMORY;
    enum err err = solve(&parts.problem, lp, limits, begin, arena, ret_result, why);
    bool has_plan = !err && ret_result->answer.counts;
    return has_plan && !plan_parts_join(&parts, &ret_result->answer, arena) ? ERR_MEMORY : err;
}
