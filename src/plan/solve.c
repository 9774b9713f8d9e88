#include "plan/solve.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "plan/exchange.h"
#include "plan/parts.h"
#include "plan/place.h"
#include "plan/relax.h"
#include "plan/tree.h"

enum {
    ROWS_MAX = 16384,
    ROWS_KEPT = 2048, /* cuts of the whole: more make it too slow; what is missed comes again */
    PRICE_ROUNDS = 8,
    ROUNDING_ROUNDS = 8,
    THOROUGH_ROUNDS = 24,
    LEAVES_A_TURN = 32,
    GROWN_AT_ONCE = 4, /* trees */
    ATTEMPTS = 8,
    TREE_ATTEMPTS = 18,
    POLISH_LEAVES = 10,
    STALE_MAX = 40,
    TURNS_TO_PLACE = 12, /* of a tree, for a first plan */
    FIRST_TRIES = 64,    /* before its tree grows */
    TRIES = 8,
    MIX_ROUNDS = 2,
    FIRST_PART = 32, /* of the work until then goes to plans before trees grow */
    PLAN_PART = 8,   /* plans get one of so many parts of the work that trees take */
    JOINT_COLUMNS_MAX = 512
};

/* A plan whose cost is this near to the bound is optimal: trees leave what is not worth a branch.
 */
#define PROVEN_WITHIN 1e-6
/* The services' bounds together are this near to the whole's: time for rounding cuts. */
#define PRICES_WITHIN 3e-3
/* Rounding goes on as long as it raises the whole's bound by this share. */
#define ROUNDING_GAIN 1e-4
#define EFFORT        2e10 /* simplex iterations times rows squared: some 200 ms */
#define THOROUGH_GAIN 1e-6

/* What a tree may do while others do the same. */
struct turn {
    struct search *search;
    struct plan_tree *tree;
    uint64_t others; /* work of all but the tree, when the turn began */
    enum err err;
};

struct search {
    const struct plan_problem *problem;
    const struct plan_limits *limits;
    const uint32_t *warm; /* counts of a plan to begin with; NULL: none */
    struct plan_relax relax;
    struct plan_place place;
    struct plan_tree *trees;  /* of each service, at prices: for the bound */
    struct plan_tree *exacts; /* at list prices, on what the others leave: for the plan */
    struct plan_tree joint;   /* all services, for what prices leave open: of a small problem */
    bool has_joint;
    bool is_thorough; /* are cuts for prices looked for to the end? Where no plan is found */
    bool rounds_cuts; /* do services look for rounding cuts for prices? */
    struct plan_knapsack *knapsacks[PLAN_HANDS_MAX]; /* scratch of each hand */
    struct plan_enumerator *enumerators[PLAN_HANDS_MAX];
    struct turn *turns; /* of each service */
    uint32_t turn_count;
    uint32_t turn;      /* of services, for their plans */
    uint32_t change;    /* how often polishing changed the plan */
    uint32_t *polished; /* the change that each service was polished after */
    struct plan_exchange *exchange;
    const struct plan_pool **pools; /* of each service; NULL: it has none */
    double *prices;                 /* of the rows */
    double *pushed; /* the same at which the pools' plans go together, for more of them */
    bool has_pushed;
    uint32_t news;       /* changes and joined plans, when services exchanged theirs last */
    uint32_t branched;   /* the same, when it was branched on them last */
    double priced_usd_h; /* sum of prices x sides */
    uint32_t *order;     /* of services */
    uint32_t *best;      /* counts of the best plan */
    double *unmet;       /* share of each demand that the relaxation leaves */
    double *values;      /* of the relaxation's columns n */
    double best_usd_h;   /* INFINITY: none yet */
    double bound_usd_h;
};

static uint64_t work_of(const struct search *search)
{
    uint64_t work = search->relax.work + search->place.work;
    for (uint32_t s = 0; s < search->problem->service_count; s++)
        work += search->trees[s].relax.work + search->exacts[s].relax.work;
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

/* Other trees may be at work: what they do now does not count yet, so that nothing depends on who
 * is faster. */
static bool turn_is_over(void *context)
{
    const struct turn *turn = context;
    const struct plan_limits *limits = turn->search->limits;
    return (limits->work > 0 && turn->others + turn->tree->relax.work >= limits->work) ||
           (limits->is_over && limits->is_over(limits->context));
}

static void add_turn(struct search *search, uint32_t service)
{
    struct plan_tree *tree = &search->trees[service];
    search->turns[search->turn_count++] =
        (struct turn){.search = search, .tree = tree, .others = work_of(search) - tree->relax.work};
}

static void add_all_turns(struct search *search)
{
    for (uint32_t s = 0; s < search->problem->service_count; s++)
        add_turn(search, s);
}

static void run_turns(struct search *search,
                      void (*task)(void *search, uint32_t turn, uint32_t hand))
{
    const struct plan_crew *crew = search->limits->crew;
    if (crew)
        crew->run(crew->context, search->turn_count, task, search);
    for (uint32_t i = 0; !crew && i < search->turn_count; i++)
        task(search, i, 0);
    search->turn_count = 0;
}

static bool is_good_enough(const struct search *search)
{
    return !isinf(search->best_usd_h) &&
           search->best_usd_h - search->bound_usd_h <= search->limits->gap * search->best_usd_h;
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

static void keep_best(struct search *search)
{
    double cost = plan_place_cost(&search->place);
    if (!plan_place_is_whole(&search->place) || cost >= search->best_usd_h)
        return;
    search->best_usd_h = cost;
    memcpy(search->best, search->place.counts,
           search->problem->column_count * sizeof *search->best);
}

/* The place holds the best plan again, at <prices> (NULL: the list's). */
static void take_best(struct search *search, const double *prices)
{
    plan_place_price(&search->place, prices);
    for (uint32_t c = 0; c < search->problem->column_count; c++)
        plan_place_set(&search->place, c, search->best[c]);
    for (uint32_t s = 0; s < search->problem->service_count; s++)
        CHECK(plan_place_settle(&search->place, s, 0));
}

/* Rounds the relaxation and repairs service after service; one that finds no stock comes first in
 * the next attempt. */
static bool construct(struct search *search, double theta)
{
    uint32_t service_count = search->problem->service_count;
    for (uint32_t attempt = 0; attempt == 0 || (attempt < ATTEMPTS && !is_over(search));
         attempt++) {
        uint32_t failed = PLAN_NONE;
        for (uint32_t c = 0; c < search->problem->column_count; c++)
            plan_place_set(&search->place, c, search->problem->columns[c].count_min);
        for (uint32_t s = 0; s < service_count; s++)
            plan_place_round(&search->place, s,
                             search->values + search->problem->services[s].column_first,
                             attempt ? 0 : theta);
        for (uint32_t i = 0; i < service_count && failed == PLAN_NONE; i++) {
            uint32_t s = search->order[i];
            if (!plan_place_settle(&search->place, s, attempt ? 0.2 : 0))
                failed = i;
        }
        if (failed == PLAN_NONE)
            return true;
        uint32_t first = search->order[failed];
        memmove(search->order + 1, search->order, failed * sizeof *search->order);
        search->order[0] = first;
    }
    return false;
}

/* What the relaxation takes of the common rows for <service>, times <share>, kept free for it;
 * below zero: given back. */
static void reserve(struct search *search, uint32_t service, double share)
{
    const struct plan_problem *problem = search->problem;
    const struct plan_service *own = &problem->services[service];
    for (uint32_t r = 0; r < problem->row_count; r++)
        for (uint32_t i = 0; i < problem->rows[r].term_count; i++) {
            const struct plan_term *term = &problem->rows[r].terms[i];
            if (term->column >= own->column_first &&
                term->column < own->column_first + own->column_count &&
                !search->place.is_own_row[r])
                search->place.activities[r] += share * term->factor * search->values[term->column];
        }
}

/* Service after service by branch and bound, <share> of what the relaxation gives the others kept
 * for them (whole numbers need more room than it says); the harder way, where rules are tight. */
static bool construct_by_trees(struct search *search, double share)
{
    const struct plan_problem *problem = search->problem;
    struct plan_place *place = &search->place;
    uint32_t placed = 0, given = 0; /* services; those that have their share back */
    for (uint32_t c = 0; c < problem->column_count; c++)
        plan_place_set(place, c, problem->columns[c].count_min);
    for (uint32_t s = 0; s < problem->service_count; s++)
        reserve(search, s, share);
    for (; placed < problem->service_count && !is_over(search); placed++) {
        uint32_t s = search->order[placed];
        reserve(search, s, -share);
        given++;
        place->services[s].is_unplaced = true;
        plan_tree_restart(&search->exacts[s], place);
        plan_tree_price(&search->exacts[s], search->prices);
        for (uint32_t turn = 0; turn < TURNS_TO_PLACE && place->services[s].is_unplaced; turn++)
            plan_tree_grow(&search->exacts[s], place, LEAVES_A_TURN, search_is_over, search);
        if (place->services[s].is_unplaced)
            break;
    }
    for (uint32_t i = given; i < problem->service_count; i++)
        reserve(search, search->order[i], -share);
    for (uint32_t s = 0; s < problem->service_count; s++)
        place->services[s].is_unplaced = false;
    if (placed == problem->service_count)
        return true;
    uint32_t first = search->order[placed];
    memmove(search->order + 1, search->order, placed * sizeof *search->order);
    search->order[0] = first;
    return false;
}

/* Prices of the common rows from the relaxation; a wrong sign is taken for none. */
static void set_prices(struct search *search)
{
    const struct plan_relax *relax = &search->relax;
    const struct plan_problem *problem = search->problem;
    search->priced_usd_h = 0;
    for (uint32_t r = 0; r < problem->row_count; r++) {
        double price = relax->solution.duals[relax->first_rule + r];
        double side = price > 0 ? problem->rows[r].lower : problem->rows[r].upper;
        bool is_shared = !plan_row_is_of_one_service(problem, &problem->rows[r]);
        bool is_priced = is_shared && price != 0 && __builtin_fabs(side) < PLAN_LP_INFINITY;
        search->prices[r] = is_priced ? price : 0;
        search->priced_usd_h += is_priced ? price * side : 0;
    }
}

static void add_up_bound(struct search *search)
{
    double bound = search->priced_usd_h;
    for (uint32_t s = 0; s < search->problem->service_count; s++)
        bound += search->trees[s].bound_usd_h;
    if (bound > search->bound_usd_h)
        search->bound_usd_h = bound;
}

/* The tree with the most to gain for the leaves it has already cost, but for <taken>. */
static uint32_t next_tree(const struct search *search, const uint32_t *taken, uint32_t taken_count)
{
    uint32_t best = PLAN_NONE;
    double best_score = 0;
    for (uint32_t s = 0; s < search->problem->service_count; s++) {
        const struct plan_tree *tree = &search->trees[s];
        bool is_taken = tree->is_done;
        for (uint32_t i = 0; i < taken_count; i++)
            is_taken = is_taken || taken[i] == s;
        if (is_taken)
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

/* Begins with the counts of another plan, as far as the rules allow them now. */
static bool mend(struct search *search, const uint32_t *counts)
{
    const struct plan_problem *problem = search->problem;
    for (uint32_t c = 0; c < problem->column_count; c++) {
        const struct plan_column *column = &problem->columns[c];
        uint32_t count = counts[c] < column->count_max ? counts[c] : column->count_max;
        plan_place_set(&search->place, c, count > column->count_min ? count : column->count_min);
    }
    for (uint32_t s = 0; s < problem->service_count; s++)
        if (!plan_place_settle(&search->place, s, 0))
            return false;
    return true;
}

/* The best plan of one service at <prices> (NULL: the list's), on what the others leave of the
 * common rows. */
static void polish(struct search *search, uint32_t service, const double *prices)
{
    struct plan_tree *tree = &search->exacts[service];
    const struct plan_place_service *state = &search->place.services[service];
    double before = state->cost_usd_h + state->egress_usd_h;
    plan_tree_restart(tree, &search->place);
    plan_tree_price(tree, prices);
    if (!plan_tree_respond(tree, search->trees[service].own, search->enumerators[0], &search->place,
                           search_is_over, search))
        plan_tree_grow(tree, &search->place, POLISH_LEAVES, search_is_over, search);
    if (state->cost_usd_h + state->egress_usd_h < before)
        search->change++;
    search->polished[service] = search->change;
}

static void cut_task(void *context, uint32_t i, uint32_t hand)
{
    const struct search *search = context;
    struct turn *turn = &search->turns[i];
    turn->err = plan_tree_cut(turn->tree, search->knapsacks[hand], turn_is_over, turn);
}

static void lift_task(void *context, uint32_t i, uint32_t hand)
{
    const struct search *search = context;
    struct turn *turn = &search->turns[i];
    plan_tree_lift(turn->tree, turn_is_over, turn);
    if (!plan_tree_enumerate(turn->tree, search->enumerators[hand], turn_is_over, turn))
        plan_tree_grow(turn->tree, NULL, 1, turn_is_over, turn);
}

static void grow_task(void *context, uint32_t i, uint32_t hand)
{
    const struct search *search = context;
    struct turn *turn = &search->turns[i];
    if (!plan_tree_enumerate(turn->tree, search->enumerators[hand], turn_is_over, turn))
        plan_tree_grow(turn->tree, NULL, LEAVES_A_TURN, turn_is_over, turn);
}

/* Services exchange their plans for others of their pools, where something is new. */
static void exchange(struct search *search)
{
    uint32_t news = search->change;
    for (uint32_t s = 0; s < search->problem->service_count; s++)
        news += search->pools[s] ? search->pools[s]->joined : 0;
    if (search->news == news)
        return;
    search->news = news;
    if (plan_exchange_plans(search->exchange, &search->place, search->pools))
        search->change++;
    if (plan_exchange_price(search->exchange, search->relax.api, search->pushed,
                            &search->place.work))
        search->has_pushed = true;
}

static void take_into_pool(struct search *search, uint32_t service)
{
    if (search->trees[service].own)
        plan_own_take(search->trees[service].own, &search->place, service);
}

/* The roots of all trees, and a plan that they have in sight. */
static void find_roots(struct search *search)
{
    uint32_t service_count = search->problem->service_count;
    add_all_turns(search);
    run_turns(search, cut_task);
    add_up_bound(search);
    for (uint32_t s = 0; s < service_count && !is_over(search); s++) {
        if (!search->turns[s].err)
            plan_tree_round(&search->trees[s], &search->place);
        plan_tree_take_cuts(&search->exacts[s], &search->trees[s]);
        plan_place_search(&search->place, s, FIRST_TRIES);
        plan_tree_meet(&search->trees[s], &search->place);
        take_into_pool(search, s);
    }
    if (!is_over(search))
        exchange(search);
    add_all_turns(search);
    run_turns(search, lift_task);
    for (uint32_t s = 0; s < service_count; s++)
        plan_tree_harvest(&search->trees[s], &search->place);
    for (uint32_t s = 0; s < service_count && !is_over(search); s++)
        if (!search->trees[s].may_enumerate)
            polish(search, s, search->prices);
    add_up_bound(search);
    keep_best(search);
}

static void push(struct search *search, uint32_t service)
{
    struct plan_own *own = search->trees[service].own;
    if (search->has_pushed && own)
        plan_own_push(own, search->pushed, &search->place,
                      search->problem->services[service].column_first);
}

static void push_task(void *context, uint32_t i, uint32_t hand)
{
    (void)hand;
    const struct search *search = context;
    plan_tree_search_own(search->turns[i].tree);
}

/* Each service looks for plans at prices at which those that there are go together. */
static void mix(struct search *search)
{
    for (uint32_t round = 0; round < MIX_ROUNDS && !is_over(search); round++) {
        for (uint32_t s = 0; s < search->problem->service_count; s++)
            push(search, s);
        add_all_turns(search);
        run_turns(search, push_task);
        exchange(search);
    }
}

/* Some trees grow at once. How many did. */
static uint32_t grow_some(struct search *search)
{
    uint32_t grown[GROWN_AT_ONCE], count = 0;
    while (count < GROWN_AT_ONCE) {
        uint32_t s = next_tree(search, grown, count);
        if (s == PLAN_NONE)
            break;
        plan_tree_meet(&search->trees[s], &search->place);
        push(search, s);
        grown[count++] = s;
        add_turn(search, s);
    }
    run_turns(search, grow_task);
    for (uint32_t i = 0; i < count; i++)
        plan_tree_harvest(&search->trees[grown[i]], &search->place);
    return count;
}

/* One service after the other takes what is best for it now, as long as there is <work> left. */
static void improve_plan(struct search *search, uint64_t work)
{
    uint32_t service_count = search->problem->service_count;
    const uint64_t end = work_of(search) + work;
    for (uint32_t i = 0; i < service_count && (i == 0 || work_of(search) < end); i++) {
        uint32_t p = search->turn++ % service_count;
        if (is_over(search))
            return;
        if (search->polished[p] != search->change)
            polish(search, p, NULL);
        else
            plan_place_search(&search->place, p, TRIES);
        take_into_pool(search, p);
        if (search->trees[p].is_done) {
            push(search, p);
            plan_tree_search_own(&search->trees[p]);
        }
        exchange(search);
        uint32_t other = (uint32_t)rng_below(&search->place.rng, service_count);
        if (other != p && plan_place_search_two(&search->place, p, other))
            search->change++;
        keep_best(search);
    }
}

/* Which of the services' plans go together best, where something is new. */
static void branch(struct search *search)
{
    bool is_new = search->branched != search->news;
    search->branched = search->news;
    if (is_new && plan_exchange_branch(search->exchange, search->relax.api, &search->place,
                                       search->pools, search_is_over, search))
        search->change++;
    keep_best(search);
}

static void improve(struct search *search)
{
    uint32_t stale = 0;
    find_roots(search);
    plan_place_price(&search->place, NULL);
    mix(search);
    improve_plan(search, work_of(search) / FIRST_PART);
    while (!is_over(search) && !is_good_enough(search) &&
           stale < STALE_MAX * search->problem->service_count) {
        double best = search->best_usd_h;
        uint64_t work = work_of(search);
        uint32_t grown = grow_some(search);
        improve_plan(search, (work_of(search) - work) / PLAN_PART);
        branch(search);
        add_up_bound(search);
        stale = grown > 0 || search->best_usd_h < best ? 0 : stale + 1;
    }
}

/* All services in one tree: prices alone cannot close what whole numbers leave of the common rows.
 */
static void search_jointly(struct search *search)
{
    struct plan_tree *tree = &search->joint;
    if (tree->solved == 0 && plan_tree_cut(tree, NULL, search_is_over, search) == ERR_OK)
        plan_tree_round(tree, &search->place);
    while (!tree->is_done && !is_over(search) && !is_good_enough(search)) {
        plan_tree_grow(tree, &search->place, LEAVES_A_TURN, search_is_over, search);
        keep_best(search);
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
    search->exacts = ARENA_ARRAY(arena, struct plan_tree, problem->service_count);
    search->polished = ARENA_ARRAY(arena, uint32_t, problem->service_count);
    search->turns = ARENA_ARRAY(arena, struct turn, problem->service_count);
    if (arena->is_overflown)
        return ERR_MEMORY;
    uint32_t node_max = 0, column_max = 0;
    for (uint32_t s = 0; s < problem->service_count; s++) {
        enum err err = plan_tree_begin(&search->trees[s], problem, lp, s, false, arena);
        if (!err)
            err = plan_tree_begin(&search->exacts[s], problem, lp, s, true, arena);
        if (err)
            return err;
        uint32_t nodes = problem->services[s].node_count;
        uint32_t columns = search->trees[s].relax.column_count;
        node_max = nodes > node_max ? nodes : node_max;
        column_max = columns > column_max ? columns : column_max;
    }
    if (!begin_hands(search, node_max, column_max, arena))
        return ERR_MEMORY;
    search->exchange = plan_exchange_new(&search->place, arena);
    search->pools = ARENA_ARRAY(arena, const struct plan_pool *, problem->service_count);
    if (arena->is_overflown)
        return ERR_MEMORY;
    for (uint32_t s = 0; s < problem->service_count; s++)
        search->pools[s] = search->trees[s].own ? &search->trees[s].own->pool : NULL;
    enum err err = plan_relax_begin(&search->relax, problem, lp, ROWS_MAX, arena);
    search->has_joint = problem->column_count <= JOINT_COLUMNS_MAX;
    if (!err && search->has_joint)
        err = plan_tree_begin_joint(&search->joint, problem, lp, arena);
    return err;
}

static void close_task(void *context, uint32_t i, uint32_t hand)
{
    (void)hand;
    const struct search *search = context;
    struct turn *turn = &search->turns[i];
    plan_tree_price(turn->tree, search->prices);
    turn->err = plan_tree_close(turn->tree, search->rounds_cuts, turn_is_over, turn);
}

/* Each service's relaxation at the prices there are; its cuts go to the whole's. */
static enum err close_services(struct search *search, bool rounds_cuts, uint32_t *ret_new)
{
    *ret_new = 0;
    search->rounds_cuts = rounds_cuts;
    add_all_turns(search);
    run_turns(search, close_task);
    for (uint32_t s = 0; s < search->problem->service_count; s++) {
        if (search->turns[s].err)
            return search->turns[s].err;
        *ret_new += plan_tree_export(&search->trees[s], &search->relax);
    }
    add_up_bound(search);
    return ERR_OK;
}

static void note_unmet(struct search *search)
{
    for (uint32_t d = 0; d < search->problem->demand_count; d++) {
        uint32_t column = search->relax.unmet_columns[d];
        double rate = 1e-6 * (double)search->problem->demands[d].rate;
        double unmet = column == PLAN_NONE ? 0 : search->relax.solution.x[column] / rate;
        search->unmet[d] = unmet < 1e-9 ? 0 : unmet > 1 ? 1 : unmet;
    }
}

/* Of the whole's last solution: 1, or more for a large programme, whose rounds must gain more. */
static double effort_of(const struct search *search)
{
    double rows = search->relax.rows.count;
    double effort = search->relax.solution.iterations * rows * rows / EFFORT;
    return effort > 1 ? effort : 1;
}

/* Prices of the common rows: the whole's relaxation gives them, the services answer with the cuts
 * that they violate there, until they violate none. Each service's cuts are found in a programme
 * of its own, which is small: a tenth of the time of finding them in the whole's. ERR_VALUE: no
 * plan exists. */
static enum err find_prices(struct search *search, double *ret_root_usd_h)
{
    uint32_t rounding = 0;
    double last = 0;
    for (uint32_t round = 0;; round++) {
        uint32_t added;
        enum err err = close_services(search, rounding > 0, &added);
        double bound = search->bound_usd_h;
        if (rounding == 0 && !search->is_thorough)
            *ret_root_usd_h = bound;
        if (err || is_over(search) || (added == 0 && rounding > 0))
            return err;
        err = plan_relax_close(&search->relax, 0, 0, NULL, NULL);
        if (err)
            return err;
        double whole = plan_relax_bound(&search->relax);
        memcpy(search->values, search->relax.solution.x,
               search->problem->column_count * sizeof *search->values);
        note_unmet(search);
        if (whole > search->bound_usd_h)
            search->bound_usd_h = whole;
        bool is_near = whole - bound <= PRICES_WITHIN * whole || round == PRICE_ROUNDS;
        if (rounding > 0 || is_near)
            rounding++;
        double gain_min = search->is_thorough ? THOROUGH_GAIN : ROUNDING_GAIN * effort_of(search);
        if (rounding == (search->is_thorough ? THOROUGH_ROUNDS : ROUNDING_ROUNDS) ||
            (rounding > 2 && whole - last <= gain_min * whole))
            return ERR_OK;
        last = whole;
        set_prices(search);
        if (search->relax.rows.count - search->relax.first_cut > ROWS_KEPT)
            plan_relax_purge(&search->relax);
        plan_relax_separate_nodes(&search->relax);
    }
}

/* Demands that may stay unanswered: as much of them as the relaxation leaves. */
static void leave_unmet(struct search *search)
{
    const struct plan_problem *problem = search->problem;
    for (uint32_t d = 0; d < problem->demand_count; d++)
        if (search->relax.unmet_columns[d] != PLAN_NONE)
            plan_place_answer(&search->place, d,
                              (int64_t)((1 - search->unmet[d]) * (double)problem->demands[d].rate));
}

/* The best of what is found fast; where that is nothing and the problem is small, by one tree. */
static void find_first_plan(struct search *search)
{
    static const double thetas[] = {0.0, 0.3, 0.6, 0.9}, shares[] = {1, 0.98, 0.95, 0.9, 0.8, 0};
    const struct plan_problem *problem = search->problem;
    leave_unmet(search);
    if (search->warm && mend(search, search->warm))
        keep_best(search);
    plan_place_price(&search->place, search->prices);
    for (size_t i = 0; i < COUNT_OF(thetas) && (isinf(search->best_usd_h) || !is_over(search)); i++)
        if (construct(search, thetas[i]))
            keep_best(search);
    for (uint32_t i = 0; isinf(search->best_usd_h) && i < TREE_ATTEMPTS && !is_over(search); i++)
        if (construct_by_trees(search, shares[i % COUNT_OF(shares)]))
            keep_best(search);
    if (!isinf(search->best_usd_h) || !search->has_joint)
        return;
    plan_place_price(&search->place, NULL);
    for (uint32_t s = 0; s < problem->service_count; s++)
        search->place.services[s].is_unplaced = true;
    search_jointly(search);
}

static enum plan_status status_of(const struct search *search)
{
    double cost = search->best_usd_h;
    if (isinf(cost))
        return search->has_joint && search->joint.is_done && isinf(search->joint.bound_usd_h)
                   ? PLAN_INFEASIBLE
                   : PLAN_NOTHING_FOUND;
    return search->bound_usd_h >= cost * (1 - PROVEN_WITHIN) ? PLAN_OPTIMAL : PLAN_FEASIBLE;
}

static enum err find(struct search *search, struct arena *arena, struct plan_result *ret_result)
{
    enum err err = find_prices(search, &ret_result->root_usd_h);
    if (!err)
        find_first_plan(search);
    if (!err && isinf(search->best_usd_h) && !is_over(search)) { /* perhaps there is none */
        search->is_thorough = true;
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
    if (isinf(search->best_usd_h)) {
        ret_result->status = status_of(search);
        return ERR_OK;
    }
    take_best(search, search->prices);
    improve(search);
    if (search->has_joint) {
        take_best(search, NULL);
        search_jointly(search);
    }
    if (!plan_answer_make(&ret_result->answer, &search->place, search->best, arena))
        return ERR_MEMORY;
    search->best_usd_h = ret_result->answer.cost_usd_h; /* answers more, where it may */
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
                              .order = ARENA_ARRAY(arena, uint32_t, problem->service_count),
                              .best = ARENA_ARRAY(arena, uint32_t, problem->column_count),
                              .values = ARENA_ARRAY(arena, double, problem->column_count),
                              .pushed = ARENA_ARRAY(arena, double, problem->row_count),
                              .prices = ARENA_ARRAY(arena, double, problem->row_count),
                              .unmet = ARENA_ARRAY(arena, double, problem->demand_count),
                              .best_usd_h = INFINITY};
    if (arena->is_overflown || !plan_place_init(&search->place, problem, arena))
        return ERR_MEMORY;
    rng_init(&search->place.rng, 1);
    for (uint32_t s = 0; s < problem->service_count; s++)
        search->order[s] = s;
    enum err err = begin(search, lp, arena);
    if (!err)
        err = find(search, arena, &result);
    result.bound_usd_h = search->bound_usd_h;
    result.cuts = search->relax.cut_count;
    if (!err) {
        result.work = work_of(search);
        result.stop = why_stopped(search, result.status);
    }
    plan_relax_end(&search->relax);
    plan_tree_end(&search->joint);
    for (uint32_t s = 0; search->exacts && s < problem->service_count; s++) {
        result.nodes += search->trees[s].solved;
        plan_tree_end(&search->trees[s]);
        plan_tree_end(&search->exacts[s]);
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
