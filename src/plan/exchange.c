#include "plan/exchange.h"

#include <string.h>

#include "base/check.h"

enum {
    CURRENT = PLAN_POOL_MAX, /* the plan that a service has */
    CHAIN_MAX = 3,           /* services that give way */
    LOOKS_MAX = 8000000,     /* at rows, a call: some 10 ms */
    LOOKS_A_UNIT = 8,        /* of work */
    USES_A_PLAN = 48,        /* on average */
    ITERATIONS_MAX = 5000,
    BRANCHES_MAX = 64,  /* solved, a call */
    SOLUTION_WORK = 16, /* a row and column */
    DEPTH_MAX = 48
};

#define GAIN_MIN    1e-9 /* share of a plan's cost */
#define BRANCH_GAIN 1e-7 /* share of the cost that a branch must promise to save */
#define WHOLE       1e-6 /* as near to 0 or 1 */
#define SLACK_MAX   1e-9 /* of a row's side: what adding up may have lost */

struct use {
    uint32_t row;
    double amount;
};

struct plan_exchange {
    const struct plan_problem *problem;
    const struct plan_pool *const *pools;
    uint32_t *plan_counts; /* of each service: of its pool, those whose uses are listed */
    struct use *uses;      /* of the rows, plan after plan */
    uint32_t uses_max;
    uint32_t *firsts, *ends; /* of each plan: (CURRENT + 1) a service */
    double *costs;           /* of the plan that each service has at first */
    uint32_t *chosen;        /* plan of each service */
    bool *is_moved;          /* in this chain */
    double *activities;      /* of each row */
    uint32_t *tight;         /* rows that some choice of plans breaks */
    uint32_t tight_count;
    int32_t *place_of;         /* of each row, among those; -1: it cannot be broken */
    double *least, *most;      /* of each row: what all services may take of it */
    double *lowest, *highest;  /* the same of one service */
    uint32_t *counts;          /* before */
    uint64_t looks;            /* at rows, in this call */
    int32_t *starts, *indices; /* of the mixing programme */
    double *values, *bounds, *sides;
    uint32_t *ids;     /* of its columns: service and plan */
    uint32_t *closers; /* of its columns: the depth at which one was left out; NEVER */
    uint32_t *best;    /* plan of each service */
};

/* Branch and bound over the mixing programme. */
struct branching {
    struct plan_exchange *exchange;
    const struct plan_lp_api *api;
    const struct plan_lp_matrix *matrix;
    struct plan_lp *lp;
    uint32_t solved;
    double best_usd_h;
    uint64_t work;
    bool is_better;
    bool (*is_over)(void *);
    void *context;
};

enum { NEVER = UINT32_MAX };

struct plan_exchange *plan_exchange_new(const struct plan_place *place, struct arena *arena)
{
    const struct plan_problem *problem = place->problem;
    struct plan_exchange *exchange = ARENA_NEW(arena, struct plan_exchange);
    if (!exchange)
        return NULL;
    uint32_t services = problem->service_count, plans = services * (CURRENT + 1);
    exchange->problem = problem;
    exchange->uses_max = place->row_firsts[problem->column_count] + plans * USES_A_PLAN;
    exchange->plan_counts = ARENA_ARRAY(arena, uint32_t, services);
    exchange->uses = ARENA_ROOM(arena, struct use, exchange->uses_max);
    exchange->firsts = ARENA_ARRAY(arena, uint32_t, plans);
    exchange->ends = ARENA_ARRAY(arena, uint32_t, plans);
    exchange->costs = ARENA_ARRAY(arena, double, services);
    exchange->chosen = ARENA_ARRAY(arena, uint32_t, services);
    exchange->is_moved = ARENA_ARRAY(arena, bool, services);
    exchange->activities = ARENA_ARRAY(arena, double, problem->row_count);
    exchange->tight = ARENA_ARRAY(arena, uint32_t, problem->row_count);
    exchange->place_of = ARENA_ARRAY(arena, int32_t, problem->row_count);
    exchange->least = ARENA_ARRAY(arena, double, 4 * (size_t)problem->row_count);
    exchange->most = exchange->least + problem->row_count;
    exchange->lowest = exchange->most + problem->row_count;
    exchange->highest = exchange->lowest + problem->row_count;
    exchange->counts = ARENA_ARRAY(arena, uint32_t, problem->column_count);
    exchange->starts = ARENA_ARRAY(arena, int32_t, plans + 1);
    exchange->indices = ARENA_ROOM(arena, int32_t, exchange->uses_max + plans);
    exchange->values = ARENA_ROOM(arena, double, exchange->uses_max + plans);
    exchange->bounds = ARENA_ARRAY(arena, double, 3 * (size_t)plans);
    exchange->sides = ARENA_ARRAY(arena, double, 2 * (size_t)(problem->row_count + services));
    exchange->ids = ARENA_ARRAY(arena, uint32_t, plans);
    exchange->closers = ARENA_ARRAY(arena, uint32_t, plans);
    exchange->best = ARENA_ARRAY(arena, uint32_t, services);
    return arena->is_overflown ? NULL : exchange;
}

static uint32_t id_of(uint32_t service, uint32_t plan)
{
    return service * (CURRENT + 1) + plan;
}

static const uint32_t *counts_of(const struct plan_pool *pool, uint32_t plan)
{
    return pool->counts + (size_t)plan * pool->column_count;
}

/* false: no room. */
static bool list_uses(struct plan_exchange *exchange, const struct plan_place *place,
                      uint32_t service, uint32_t plan, const uint32_t *counts, uint32_t *count)
{
    const struct plan_service *own = &place->problem->services[service];
    uint32_t id = id_of(service, plan);
    exchange->firsts[id] = exchange->ends[id] = *count;
    for (uint32_t i = 0; i < own->column_count; i++) {
        uint32_t c = own->column_first + i;
        for (uint32_t r = place->row_firsts[c]; counts[i] && r < place->row_firsts[c + 1]; r++) {
            uint32_t at = exchange->firsts[id];
            while (at < *count && exchange->uses[at].row != place->row_of[r])
                at++;
            if (at == exchange->uses_max)
                return false;
            if (at == *count)
                exchange->uses[(*count)++] = (struct use){place->row_of[r], 0};
            exchange->uses[at].amount += counts[i] * place->row_factors[r];
        }
    }
    exchange->ends[id] = *count;
    return true;
}

static double cost_of_plan(const struct plan_exchange *exchange, uint32_t service, uint32_t plan)
{
    return plan == CURRENT ? exchange->costs[service] : exchange->pools[service]->costs_usd_h[plan];
}

static void add_uses(struct plan_exchange *exchange, uint32_t service, double sign)
{
    uint32_t id = id_of(service, exchange->chosen[service]);
    for (uint32_t i = exchange->firsts[id]; i < exchange->ends[id]; i++)
        exchange->activities[exchange->uses[i].row] += sign * exchange->uses[i].amount;
}

static void choose(struct plan_exchange *exchange, uint32_t service, uint32_t plan)
{
    add_uses(exchange, service, -1);
    exchange->chosen[service] = plan;
    add_uses(exchange, service, 1);
}

static double used(struct plan_exchange *exchange, uint32_t service, uint32_t plan, uint32_t row)
{
    uint32_t id = id_of(service, plan), i = exchange->firsts[id];
    while (i < exchange->ends[id] && exchange->uses[i].row != row)
        i++;
    exchange->looks += i - exchange->firsts[id];
    return i < exchange->ends[id] ? exchange->uses[i].amount : 0;
}

/* By how much the row is above its side; below: less than zero. */
static double excess(const struct plan_exchange *exchange, uint32_t row)
{
    const struct plan_row *own = &exchange->problem->rows[row];
    double activity = exchange->activities[row];
    if (activity > own->upper + SLACK_MAX * (1 + __builtin_fabs(own->upper)))
        return activity - own->upper;
    if (activity < own->lower - SLACK_MAX * (1 + __builtin_fabs(own->lower)))
        return activity - own->lower;
    return 0;
}

/* Services give way until no row is broken, for less than <gain>. false: all is as before. */
static bool make_room(struct plan_exchange *exchange, uint32_t depth, double gain)
{
    uint32_t at = 0;
    double over = 0;
    while (at < exchange->tight_count && (over = excess(exchange, exchange->tight[at])) == 0)
        at++;
    exchange->looks += at;
    if (at == exchange->tight_count)
        return true;
    uint32_t row = exchange->tight[at];
    for (uint32_t s = 0; depth > 0 && s < exchange->problem->service_count; s++) {
        uint32_t had = exchange->chosen[s];
        if (exchange->is_moved[s])
            continue;
        double own = used(exchange, s, had, row), cost = cost_of_plan(exchange, s, had);
        exchange->is_moved[s] = true;
        for (uint32_t p = 0; p < exchange->plan_counts[s] && exchange->looks < LOOKS_MAX; p++) {
            double more = cost_of_plan(exchange, s, p) - cost;
            if (more >= gain || (used(exchange, s, p, row) - own) * over >= 0)
                continue;
            choose(exchange, s, p);
            if (make_room(exchange, depth - 1, gain - more))
                return true;
            choose(exchange, s, had);
        }
        exchange->is_moved[s] = false;
    }
    return false;
}

static bool improve(struct plan_exchange *exchange, uint32_t service)
{
    uint32_t had = exchange->chosen[service];
    double cost = cost_of_plan(exchange, service, had);
    for (uint32_t p = 0; p < exchange->plan_counts[service]; p++) {
        double gain = cost - cost_of_plan(exchange, service, p) - GAIN_MIN * cost;
        if (p == had || gain <= 0)
            continue;
        memset(exchange->is_moved, 0, exchange->problem->service_count);
        exchange->is_moved[service] = true;
        choose(exchange, service, p);
        if (make_room(exchange, CHAIN_MAX, gain))
            return true;
        choose(exchange, service, had);
    }
    return false;
}

/* The chosen plans, as far as they hold there. */
static bool take_chosen(const struct plan_exchange *exchange, struct plan_place *place)
{
    const struct plan_problem *problem = place->problem;
    for (unsigned pass = 0; pass < 2; pass++) /* what shrinks first: it makes room */
        for (uint32_t s = 0; s < problem->service_count; s++) {
            const struct plan_service *own = &problem->services[s];
            const uint32_t *counts = exchange->counts + own->column_first;
            if (exchange->chosen[s] != CURRENT)
                counts = counts_of(exchange->pools[s], exchange->chosen[s]);
            for (uint32_t i = 0; i < own->column_count; i++)
                if (pass == 1 || counts[i] < place->counts[own->column_first + i])
                    plan_place_set(place, own->column_first + i, counts[i]);
        }
    for (uint32_t s = 0; s < problem->service_count; s++)
        if (exchange->chosen[s] != CURRENT && !plan_place_settle(place, s, 0))
            return false;
    return plan_place_is_whole(place);
}

/* What plans of <service> take of rows at least and at most joins the sums. */
static void add_range(struct plan_exchange *exchange, uint32_t service)
{
    uint32_t rows = exchange->problem->row_count;
    memset(exchange->lowest, 0, rows * sizeof *exchange->lowest);
    memset(exchange->highest, 0, rows * sizeof *exchange->highest);
    for (uint32_t p = 0; p <= CURRENT; p++) {
        uint32_t id = id_of(service, p);
        if (p >= exchange->plan_counts[service] && p != CURRENT)
            continue;
        for (uint32_t i = exchange->firsts[id]; i < exchange->ends[id]; i++) {
            const struct use *use = &exchange->uses[i];
            double *low = &exchange->lowest[use->row], *high = &exchange->highest[use->row];
            *low = use->amount < *low ? use->amount : *low;
            *high = use->amount > *high ? use->amount : *high;
        }
    }
    for (uint32_t r = 0; r < rows; r++) {
        exchange->least[r] += exchange->lowest[r];
        exchange->most[r] += exchange->highest[r];
    }
}

/* Rows that no choice of plans can break need no look. */
static void list_tight(struct plan_exchange *exchange)
{
    const struct plan_problem *problem = exchange->problem;
    memset(exchange->least, 0, 2 * problem->row_count * sizeof *exchange->least);
    for (uint32_t s = 0; s < problem->service_count; s++)
        add_range(exchange, s);
    exchange->tight_count = 0;
    for (uint32_t r = 0; r < problem->row_count; r++) {
        const struct plan_row *row = &problem->rows[r];
        bool is_loose = exchange->most[r] <= row->upper && exchange->least[r] >= row->lower;
        exchange->place_of[r] = is_loose ? -1 : (int32_t)exchange->tight_count;
        if (!is_loose)
            exchange->tight[exchange->tight_count++] = r;
    }
}

static void begin(struct plan_exchange *exchange, const struct plan_place *place,
                  const struct plan_pool *const *pools)
{
    const struct plan_problem *problem = exchange->problem;
    uint32_t count = 0;
    memcpy(exchange->counts, place->counts, problem->column_count * sizeof *place->counts);
    memcpy(exchange->activities, place->activities,
           problem->row_count * sizeof *exchange->activities);
    exchange->looks = 0;
    exchange->pools = pools;
    for (uint32_t s = 0; s < problem->service_count; s++) {
        exchange->costs[s] = plan_place_cost_of(place, s);
        exchange->chosen[s] = CURRENT;
        CHECK(list_uses(exchange, place, s, CURRENT,
                        place->counts + problem->services[s].column_first, &count));
    }
    bool has_room = true;
    for (uint32_t s = 0; s < problem->service_count; s++) {
        uint32_t *plans = &exchange->plan_counts[s];
        for (*plans = 0; pools[s] && *plans < pools[s]->count && has_room; ++*plans)
            has_room = list_uses(exchange, place, s, *plans, counts_of(pools[s], *plans), &count);
        *plans -= !has_room && *plans > 0; /* the last has no room */
    }
    list_tight(exchange);
}

/* The chosen plans, or what <place> had when it began. Is it better? */
static bool take_or_restore(const struct plan_exchange *exchange, struct plan_place *place,
                            double before)
{
    const struct plan_problem *problem = place->problem;
    if (take_chosen(exchange, place) && plan_place_cost(place) < before)
        return true;
    for (uint32_t c = 0; c < problem->column_count; c++)
        plan_place_set(place, c, exchange->counts[c]);
    for (uint32_t s = 0; s < problem->service_count; s++)
        CHECK(plan_place_settle(place, s, 0));
    return false;
}

bool plan_exchange_plans(struct plan_exchange *exchange, struct plan_place *place,
                         const struct plan_pool *const *pools)
{
    const struct plan_problem *problem = place->problem;
    double before = plan_place_cost(place);
    bool is_better = false, goes_on = true;
    begin(exchange, place, pools);
    while (goes_on) {
        goes_on = false;
        for (uint32_t s = 0; s < problem->service_count && exchange->looks < LOOKS_MAX; s++)
            goes_on = improve(exchange, s) || goes_on;
        is_better = is_better || goes_on;
    }
    place->work += exchange->looks / LOOKS_A_UNIT;
    return is_better && take_or_restore(exchange, place, before);
}

/* A column for each plan: what it takes of the tight rows, and one of its service's share. */
static struct plan_lp_matrix mix_plans(struct plan_exchange *exchange)
{
    const struct plan_problem *problem = exchange->problem;
    uint32_t plans = problem->service_count * (CURRENT + 1), rows = exchange->tight_count;
    double *lower = exchange->bounds, *upper = lower + plans, *cost = upper + plans;
    double *row_lower = exchange->sides, *row_upper = row_lower + rows + problem->service_count;
    int32_t end = 0;
    uint32_t count = 0;
    for (uint32_t r = 0; r < rows; r++) {
        row_lower[r] = problem->rows[exchange->tight[r]].lower;
        row_upper[r] = problem->rows[exchange->tight[r]].upper;
    }
    for (uint32_t s = 0; s < problem->service_count; s++) {
        row_lower[rows + s] = row_upper[rows + s] = 1;
        for (uint32_t p = 0; p <= CURRENT; p++) {
            uint32_t id = id_of(s, p);
            if (p >= exchange->plan_counts[s] && p != CURRENT)
                continue;
            for (uint32_t i = exchange->firsts[id]; i < exchange->ends[id]; i++) {
                int32_t row = exchange->place_of[exchange->uses[i].row];
                exchange->indices[end] = row;
                exchange->values[end] = exchange->uses[i].amount;
                end += row >= 0;
            }
            exchange->indices[end] = (int32_t)(rows + s);
            exchange->values[end++] = 1;
            lower[count] = 0;
            upper[count] = PLAN_LP_INFINITY;
            cost[count] = cost_of_plan(exchange, s, p);
            exchange->ids[count] = id;
            exchange->starts[++count] = end;
        }
    }
    return (struct plan_lp_matrix){.column_count = count,
                                   .row_count = rows + problem->service_count,
                                   .starts = exchange->starts,
                                   .indices = exchange->indices,
                                   .values = exchange->values,
                                   .lower = lower,
                                   .upper = upper,
                                   .cost = cost,
                                   .row_lower = row_lower,
                                   .row_upper = row_upper};
}

/* Units of one solution: iterations, and what the library does before the first. */
static uint64_t work_of(const struct plan_lp_matrix *matrix, uint32_t iterations)
{
    uint64_t size = (uint64_t)matrix->row_count + matrix->column_count;
    return iterations * (uint64_t)PLAN_LP_WORK + SOLUTION_WORK * size;
}

bool plan_exchange_price(struct plan_exchange *exchange, const struct plan_lp_api *api,
                         double *prices, uint64_t *ret_work)
{
    const struct plan_lp_matrix matrix = mix_plans(exchange);
    struct plan_lp *lp = api->create(&matrix);
    struct plan_lp_solution solution;
    if (!lp)
        return false;
    api->solve(lp, ITERATIONS_MAX, &solution);
    *ret_work += work_of(&matrix, solution.iterations);
    bool is_solved = solution.status == PLAN_LP_OPTIMAL;
    for (uint32_t r = 0; is_solved && r < exchange->problem->row_count; r++)
        prices[r] = exchange->place_of[r] < 0 ? 0 : solution.duals[exchange->place_of[r]];
    api->destroy(lp);
    return is_solved;
}

static void limit(struct branching *own, uint32_t column, double upper)
{
    own->api->set_bounds(own->lp, column, 0, upper);
}

/* The plan of which most is taken, but not all; NEVER: all are whole. */
static uint32_t most_mixed(const struct branching *own, const double *x)
{
    uint32_t best = NEVER;
    for (uint32_t c = 0; c < own->matrix->column_count; c++)
        if (x[c] > WHOLE && x[c] < 1 - WHOLE && (best == NEVER || x[c] > x[best]))
            best = c;
    return best;
}

static void keep(struct branching *own, const struct plan_lp_solution *solution)
{
    struct plan_exchange *exchange = own->exchange;
    for (uint32_t c = 0; c < own->matrix->column_count; c++)
        if (solution->x[c] > 0.5)
            exchange->best[exchange->ids[c] / (CURRENT + 1)] = exchange->ids[c] % (CURRENT + 1);
    own->best_usd_h = solution->objective;
    own->is_better = true;
}

/* The service's other plans are left out at <depth>, or come back. */
static void leave_others(struct branching *own, uint32_t column, uint32_t depth, bool is_left)
{
    struct plan_exchange *exchange = own->exchange;
    uint32_t service = exchange->ids[column] / (CURRENT + 1);
    for (uint32_t c = 0; c < own->matrix->column_count; c++) {
        if (exchange->ids[c] / (CURRENT + 1) != service || c == column ||
            exchange->closers[c] != (is_left ? NEVER : depth))
            continue;
        exchange->closers[c] = is_left ? depth : NEVER;
        limit(own, c, is_left ? 0 : PLAN_LP_INFINITY);
    }
}

/* First all of the plan of which most is taken, then none of it. */
static void branch(struct branching *own, uint32_t depth)
{
    struct plan_lp_solution solution;
    if (own->solved == BRANCHES_MAX || depth == DEPTH_MAX ||
        (own->is_over && own->is_over(own->context)))
        return;
    own->api->solve(own->lp, ITERATIONS_MAX, &solution);
    own->solved++;
    own->work += work_of(own->matrix, solution.iterations);
    if (solution.status != PLAN_LP_OPTIMAL ||
        solution.objective >= own->best_usd_h * (1 - BRANCH_GAIN))
        return;
    uint32_t column = most_mixed(own, solution.x);
    if (column == NEVER) {
        keep(own, &solution);
        return;
    }
    leave_others(own, column, depth, true);
    branch(own, depth + 1);
    leave_others(own, column, depth, false);
    own->exchange->closers[column] = depth;
    limit(own, column, 0);
    branch(own, depth + 1);
    own->exchange->closers[column] = NEVER;
    limit(own, column, PLAN_LP_INFINITY);
}

bool plan_exchange_branch(struct plan_exchange *exchange, const struct plan_lp_api *api,
                          struct plan_place *place, const struct plan_pool *const *pools,
                          bool (*is_over)(void *), void *context)
{
    const struct plan_problem *problem = place->problem;
    double before = plan_place_cost(place);
    begin(exchange, place, pools);
    const struct plan_lp_matrix matrix = mix_plans(exchange);
    struct branching own = {.exchange = exchange,
                            .api = api,
                            .matrix = &matrix,
                            .lp = api->create(&matrix),
                            .best_usd_h = before,
                            .is_over = is_over,
                            .context = context};
    if (!own.lp)
        return false;
    for (uint32_t c = 0; c < matrix.column_count; c++)
        exchange->closers[c] = NEVER;
    branch(&own, 0);
    api->destroy(own.lp);
    place->work += own.work;
    if (!own.is_better)
        return false;
    for (uint32_t s = 0; s < problem->service_count; s++)
        choose(exchange, s, exchange->best[s]);
    return take_or_restore(exchange, place, before);
}
