#include "plan/relax.h"

#include <math.h>
#include <string.h>

#include "base/check.h"

enum {
    CUT_TERMS = 96,
    SETS_MAX = 63,  /* of one service, a round */
    SETS_KEPT = 96, /* of one service */
    STALLED_MAX = 1,
    PURGE_EVERY = 150
};

#define REQUESTS(rate) (1e-6 * (double)(rate))
/* A cut is worth adding when it is violated by more than this share of its rate. */
#define VIOLATION_MIN  1e-7

/* Columns ----------------------------------------------------------------------------------- */

static double share_of(uint32_t ppm)
{
    return 1e-6 * (double)ppm;
}

static double speed_of(const struct plan_relax *relax, uint32_t column, uint32_t ppm)
{
    return share_of(ppm) * REQUESTS(relax->problem->columns[column].speed);
}

static const struct plan_service *service_of_node(const struct plan_relax *relax, uint32_t node)
{
    return &relax->problem->services[relax->problem->nodes[node].service];
}

/* The rate of all demands that <node> could answer. */
static double demand_near(const struct plan_relax *relax, uint32_t node)
{
    uint32_t service = relax->problem->nodes[node].service;
    const struct plan_graph *graph = &relax->graphs[service];
    uint32_t local = node - relax->problem->services[service].node_first;
    int64_t rate = 0;
    for (uint32_t i = graph->node_links[local]; i < graph->node_links[local + 1]; i++)
        rate += graph->rates[graph->edge_demands[graph->links[i]]];
    return REQUESTS(rate);
}

/* More replicas than answer all demands near the node are of no use to any rule. */
static double useful_max(const struct plan_relax *relax, uint32_t column, double near)
{
    const struct plan_column *own = &relax->problem->columns[column];
    const struct plan_service *service = service_of_node(relax, own->node);
    if (own->count_min > 0 || relax->problem->nodes[own->node].replicas_min > 1 ||
        relax->is_odd[column])
        return own->count_max;
    double enough = near / speed_of(relax, column, service->share_ppm);
    uint32_t count = enough < own->count_max ? (uint32_t)enough + 1 : own->count_max;
    if (own->stop_usd_h > 0 && count < own->running)
        count = own->running; /* to let it run may be cheaper */
    return count < own->count_max ? count : own->count_max;
}

static bool has_moves(const struct plan_column *column)
{
    return (column->running > 0 && column->stop_usd_h > 0) || column->start_usd_h > 0;
}

static void add_column(struct plan_relax *relax, double lower, double upper, double cost)
{
    uint32_t c = relax->column_count++;
    relax->lower[c] = lower;
    relax->upper[c] = upper;
    relax->cost[c] = cost;
}

/* Columns that a rule may want more of than answers demands: spot bounded by the others, say. */
static void mark_odd(struct plan_relax *relax)
{
    for (uint32_t r = 0; r < relax->problem->row_count; r++) {
        const struct plan_row *row = &relax->problem->rows[r];
        for (uint32_t i = 0; i < row->term_count; i++)
            if (row->terms[i].factor < 0 || row->lower > -PLAN_LP_INFINITY)
                relax->is_odd[row->terms[i].column] = true;
    }
}

static void make_columns(struct plan_relax *relax)
{
    const struct plan_problem *problem = relax->problem;
    mark_odd(relax);
    for (uint32_t v = 0; v < problem->node_count; v++) {
        const struct plan_node *node = &problem->nodes[v];
        double near = demand_near(relax, v);
        for (uint32_t i = 0; i < node->column_count; i++) {
            uint32_t c = node->column_first + i;
            add_column(relax, problem->columns[c].count_min, useful_max(relax, c, near),
                       problem->columns[c].cost_usd_h);
        }
    }
    memcpy(relax->upper_first, relax->upper, problem->column_count * sizeof *relax->upper_first);
    memcpy(relax->limits, relax->upper, problem->column_count * sizeof *relax->limits);
    relax->first_open = relax->column_count;
    for (uint32_t v = 0; v < problem->node_count; v++)
        add_column(relax, 0, 1, problem->nodes[v].open_usd_h);
    relax->first_load = relax->column_count;
    for (uint32_t v = 0; v < problem->node_count; v++)
        add_column(relax, 0, demand_near(relax, v), 3600 * problem->nodes[v].egress_usd);
    for (uint32_t d = 0; d < problem->demand_count; d++) {
        const struct plan_demand *demand = &problem->demands[d];
        bool is_soft = demand->unmet_usd < PLAN_LP_INFINITY;
        relax->unmet_columns[d] = is_soft ? relax->column_count : PLAN_NONE;
        if (is_soft)
            add_column(relax, 0, REQUESTS(demand->rate), 3600 * demand->unmet_usd);
    }
    for (uint32_t c = 0; c < problem->column_count; c++)
        if (has_moves(&problem->columns[c])) {
            add_column(relax, 0, problem->columns[c].count_max, problem->columns[c].start_usd_h);
            add_column(relax, 0, problem->columns[c].running, problem->columns[c].stop_usd_h);
        }
}

/* Rows -------------------------------------------------------------------------------------- */

static void make_node_rows(struct plan_relax *relax, uint32_t v)
{
    const struct plan_node *node = &relax->problem->nodes[v];
    uint32_t share_ppm = service_of_node(relax, v)->share_ppm;
    plan_relax_row(relax, 0, PLAN_LP_INFINITY); /* (2) */
    for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
        plan_relax_term(relax, c, speed_of(relax, c, share_ppm));
    plan_relax_term(relax, relax->first_load + v, -1);
    if (!plan_relax_has_open(relax, v))
        return;
    plan_relax_row(relax, 0, PLAN_LP_INFINITY);
    plan_relax_term(relax, relax->first_open + v, relax->upper[relax->first_load + v]);
    plan_relax_term(relax, relax->first_load + v, -1);
    bool is_part = relax->problem->service_count == 1;
    for (uint32_t c = node->column_first; is_part && c < node->column_first + node->column_count;
         c++) {
        plan_relax_row(relax, 0, PLAN_LP_INFINITY); /* (3) */
        plan_relax_term(relax, relax->first_open + v, relax->upper[c]);
        plan_relax_term(relax, c, -1);
    }
    if (!is_part && node->replicas_min < 2)
        return; /* of all services that would be too many rows; (3): separate_open() */
    plan_relax_row(relax, 0, PLAN_LP_INFINITY); /* (3), its last part */
    for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
        plan_relax_term(relax, c, 1);
    plan_relax_term(relax, relax->first_open + v, -(double)node->replicas_min);
}

static void make_rows(struct plan_relax *relax)
{
    const struct plan_problem *problem = relax->problem;
    for (uint32_t v = 0; v < problem->node_count; v++) {
        relax->sieve.row_of_node[v] = relax->rows.count;
        make_node_rows(relax, v);
    }
    relax->first_rule = relax->rows.count;
    for (uint32_t r = 0; r < problem->row_count; r++) {
        const struct plan_row *row = &problem->rows[r];
        plan_relax_row(relax, row->lower, row->upper);
        for (uint32_t i = 0; i < row->term_count; i++)
            plan_relax_term(relax, row->terms[i].column, row->terms[i].factor);
    }
    uint32_t move = relax->column_count;
    for (uint32_t c = problem->column_count; c-- > 0;) {
        if (!has_moves(&problem->columns[c]))
            continue;
        move -= 2; /* n - up + down = running */
        plan_relax_row(relax, problem->columns[c].running, problem->columns[c].running);
        plan_relax_term(relax, c, 1);
        plan_relax_term(relax, move, -1);
        plan_relax_term(relax, move + 1, 1);
    }
}

/* Cuts -------------------------------------------------------------------------------------- */

bool plan_cut_opens(const struct plan_cut *cut, uint32_t node)
{
    return cut->opened[node / 64] >> (node % 64) & 1;
}

int64_t plan_cut_rate_near(const struct plan_graph *graph, const struct plan_cut *cut,
                           uint32_t node)
{
    int64_t rate = 0;
    for (uint32_t i = graph->node_links[node]; i < graph->node_links[node + 1]; i++) {
        uint32_t demand = graph->edge_demands[graph->links[i]];
        if (plan_demand_set_has(&cut->demands, demand))
            rate += graph->rates[demand];
    }
    return rate;
}

uint64_t plan_cut_key(const struct plan_cut *cut)
{
    uint64_t key = cut->demands.words[0] * UINT64_C(0x9E3779B97F4A7C15);
    key ^= (cut->demands.words[1] + cut->service + 1) * UINT64_C(0xC2B2AE3D27D4EB4F) + (key >> 29);
    return key | 1;
}

static void cut_row(struct plan_relax *relax, const struct plan_cut *cut)
{
    const struct plan_problem *problem = relax->problem;
    const struct plan_service *service = &problem->services[cut->service];
    const struct plan_failure *failure =
        cut->failure == PLAN_NONE ? NULL : &problem->failures[cut->failure];
    relax->key = plan_cut_key(cut);
    plan_relax_row(relax, REQUESTS(cut->rate), PLAN_LP_INFINITY);
    relax->key = 0;
    for (uint32_t i = 0; i < service->node_count; i++) {
        const struct plan_node *node = &problem->nodes[service->node_first + i];
        int64_t near = plan_cut_rate_near(&relax->graphs[cut->service], cut, i);
        if (near == 0 || (failure && plan_failure_has(failure, node->region)))
            continue;
        if (plan_cut_opens(cut, i)) {
            plan_relax_term(relax, relax->first_open + service->node_first + i, REQUESTS(near));
            continue;
        }
        if (!failure) {
            plan_relax_term(relax, relax->first_load + service->node_first + i, 1);
            continue;
        }
        for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
            plan_relax_term(relax, c, speed_of(relax, c, service->share_lost_ppm));
    }
    for (uint32_t d = 0; d < service->demand_count; d++) {
        uint32_t unmet = relax->unmet_columns[service->demand_first + d];
        if (plan_demand_set_has(&cut->demands, d) && unmet != PLAN_NONE)
            plan_relax_term(relax, unmet, 1);
    }
}

/* Of each set of demands the last cut is remembered; the oldest sets give way. */
static void remember(struct plan_relax *relax, const struct plan_cut *cut)
{
    CHECK(relax->cuts_max > 0);
    uint32_t known = relax->cut_count < relax->cuts_max ? relax->cut_count : relax->cuts_max, i = 0;
    while (i < known && (relax->cuts[i].service != cut->service ||
                         memcmp(&relax->cuts[i].demands, &cut->demands, sizeof cut->demands) != 0))
        i++;
    relax->cuts[i < known ? i : relax->cut_count++ % relax->cuts_max] = *cut;
}

static void cut_add(struct plan_relax *relax, const struct plan_cut *cut)
{
    remember(relax, cut);
    cut_row(relax, cut);
}

static int64_t rate_of(const struct plan_graph *graph, const struct plan_demand_set *set)
{
    int64_t rate = 0;
    for (uint32_t d = 0; d < graph->demand_count; d++)
        if (plan_demand_set_has(set, d))
            rate += graph->rates[d];
    return rate;
}

/* The demands of <left> that hang together with its first one by common nodes move to <ret_part>.
 */
static void take_part(const struct plan_graph *graph, struct plan_demand_set *left,
                      const bool *is_lost, struct plan_demand_set *ret_part)
{
    struct plan_demand_set part = {{0}};
    uint32_t queue[PLAN_DEMANDS_MAX], end = 0;
    while (!plan_demand_set_has(left, end))
        end++;
    queue[0] = end;
    end = 1;
    plan_demand_set_add(&part, queue[0]);
    for (uint32_t at = 0; at < end; at++)
        for (uint32_t e = graph->demand_edges[queue[at]]; e < graph->demand_edges[queue[at] + 1];
             e++) {
            uint32_t node = graph->edge_nodes[e];
            for (uint32_t i = graph->node_links[node];
                 !is_lost[node] && i < graph->node_links[node + 1]; i++) {
                uint32_t next = graph->edge_demands[graph->links[i]];
                if (!plan_demand_set_has(left, next) || plan_demand_set_has(&part, next))
                    continue;
                plan_demand_set_add(&part, next);
                queue[end++] = next;
            }
        }
    for (size_t i = 0; i < COUNT_OF(part.words); i++)
        left->words[i] &= ~part.words[i];
    *ret_part = part;
}

struct plan_probe {
    uint32_t service, failure, set_count;
    struct plan_demand_set sets[SETS_MAX + 1];
    int64_t room[PLAN_NODES_MAX];
    bool is_lost[PLAN_NODES_MAX], is_reached[PLAN_NODES_MAX];
    int64_t *limits;                 /* of each edge */
    int64_t rates[PLAN_DEMANDS_MAX]; /* of each demand, but for what stays unmet */
    double value[PLAN_NODES_MAX];    /* the same as <room>, in requests per second */
};

/* Room of the nodes at the LP's solution; rounded up, so that no cut is found that rounding made.
 * false: the failure takes nothing away. */
static bool probe_fill(const struct plan_relax *relax, struct plan_probe *probe)
{
    const struct plan_problem *problem = relax->problem;
    const struct plan_service *service = &problem->services[probe->service];
    const struct plan_failure *failure =
        probe->failure == PLAN_NONE ? NULL : &problem->failures[probe->failure];
    bool takes = !failure;
    for (uint32_t i = 0; i < service->node_count; i++) {
        uint32_t v = service->node_first + i;
        const struct plan_node *node = &problem->nodes[v];
        double value = 0;
        if (!failure)
            value = relax->solution.x[relax->first_load + v];
        for (uint32_t c = node->column_first;
             failure && c < node->column_first + node->column_count; c++)
            value += relax->solution.x[c] * speed_of(relax, c, service->share_lost_ppm);
        probe->is_lost[i] = failure && plan_failure_has(failure, node->region);
        if (probe->is_lost[i]) {
            takes = takes || value > 0;
            value = 0;
        }
        probe->value[i] = value > 0 ? value : 0;
        probe->room[i] = (int64_t)(1e6 * probe->value[i]) + 1;
        if (probe->is_lost[i])
            probe->room[i] = 0;
    }
    return takes;
}

/* What <set> lacks after the probe's failure at the LP's solution; <cut> takes which nodes count by
 * their y. */
static double lack_of(const struct plan_relax *relax, const struct plan_probe *probe,
                      const struct plan_demand_set *set, struct plan_cut *cut)
{
    const struct plan_service *service = &relax->problem->services[probe->service];
    const struct plan_graph *graph = &relax->graphs[probe->service];
    const double *x = relax->solution.x;
    *cut = (struct plan_cut){.service = probe->service, .failure = probe->failure, .demands = *set};
    cut->rate = rate_of(graph, set);
    double lack = REQUESTS(cut->rate);
    for (uint32_t i = 0; i < service->node_count; i++) {
        int64_t near = probe->is_lost[i] ? 0 : plan_cut_rate_near(graph, cut, i);
        if (near == 0)
            continue;
        double opened = REQUESTS(near) * x[relax->first_open + service->node_first + i];
        bool is_opened =
            plan_relax_has_open(relax, service->node_first + i) && opened < probe->value[i];
        if (is_opened)
            cut->opened[i / 64] |= UINT64_C(1) << (i % 64);
        lack -= is_opened ? opened : probe->value[i];
    }
    for (uint32_t d = 0; d < service->demand_count; d++) {
        uint32_t unmet = relax->unmet_columns[service->demand_first + d];
        if (plan_demand_set_has(set, d) && unmet != PLAN_NONE)
            lack -= x[unmet];
    }
    return lack;
}

static void set_limits(const struct plan_relax *relax, struct plan_probe *probe)
{
    const struct plan_graph *graph = &relax->graphs[probe->service];
    uint32_t first = relax->problem->services[probe->service].node_first;
    for (uint32_t e = 0; e < graph->edge_count; e++) {
        uint32_t v = first + graph->edge_nodes[e];
        double y = plan_relax_has_open(relax, v) ? relax->solution.x[relax->first_open + v] : 1;
        int64_t rate = graph->rates[graph->edge_demands[e]];
        probe->limits[e] = y < 1 ? (int64_t)((double)rate * (y > 0 ? y : 0)) + 1 : rate;
    }
}

/* The sets of demands that cannot be routed after the probe's failure join its list. */
static void find_sets(struct plan_relax *relax, struct plan_probe *probe, const int64_t *limits)
{
    struct plan_graph *graph = &relax->graphs[probe->service], asked = *graph;
    struct plan_routing *routing = &relax->routings[probe->service];
    asked.rates = probe->rates;
    routing->limits = limits;
    if (plan_route_all(&asked, routing, probe->room, &relax->work) == 0)
        return;
    struct plan_demand_set rest;
    plan_routing_cut(&asked, routing, &rest, probe->is_reached);
    while ((rest.words[0] | rest.words[1]) && probe->set_count < SETS_MAX) {
        struct plan_demand_set *set = &probe->sets[probe->set_count];
        take_part(graph, &rest, probe->is_lost, set);
        uint32_t i = 0;
        while (memcmp(&probe->sets[i], set, sizeof *set) != 0)
            i++;
        probe->set_count += i == probe->set_count;
    }
}

/* What the solution leaves unmet is not to be routed; rounded down, as above. */
static void set_rates(const struct plan_relax *relax, struct plan_probe *probe)
{
    const struct plan_graph *graph = &relax->graphs[probe->service];
    uint32_t first = relax->problem->services[probe->service].demand_first;
    for (uint32_t d = 0; d < graph->demand_count; d++) {
        uint32_t unmet = relax->unmet_columns[first + d];
        double left = unmet == PLAN_NONE ? 0 : 1e6 * relax->solution.x[unmet];
        int64_t rate = left > 0 ? graph->rates[d] - (int64_t)left - 1 : graph->rates[d];
        probe->rates[d] = rate > 0 ? rate : 0;
    }
}

void plan_relax_find_sets(struct plan_relax *relax, uint32_t service)
{
    static const double shares[] = {1.0, 0.97, 0.9, 0.8, 0.65, 0.5};
    struct plan_probe *probe = relax->probe;
    probe->service = service;
    probe->set_count = 0;
    set_rates(relax, probe);
    for (uint32_t f = 0; f <= relax->problem->failure_count; f++) {
        probe->failure = f == 0 ? PLAN_NONE : f - 1;
        if (!probe_fill(relax, probe))
            continue;
        for (size_t i = 0; i < COUNT_OF(shares); i++) {
            for (uint32_t v = 0; v < relax->graphs[service].node_count; v++)
                probe->room[v] = (int64_t)(1e6 * shares[i] * probe->value[v]);
            find_sets(relax, probe, NULL);
        }
    }
    for (uint32_t i = 0; i < probe->set_count; i++) {
        struct plan_cut cut = {.service = service, .failure = PLAN_NONE, .demands = probe->sets[i]};
        cut.rate = rate_of(&relax->graphs[service], &cut.demands);
        remember(relax, &cut);
    }
}

/* Rows (3) that are violated: there are too many to have them all. */
static uint32_t separate_open(struct plan_relax *relax, uint32_t service)
{
    const struct plan_service *own = &relax->problem->services[service];
    const double *x = relax->solution.x;
    uint32_t added = 0;
    for (uint32_t c = own->column_first; c < own->column_first + own->column_count; c++) {
        uint32_t v = relax->problem->columns[c].node;
        double most = relax->limits[c];
        if (x[c] <= most * x[relax->first_open + v] + 1e-6 * (1 + x[c]) ||
            !plan_relax_has_open(relax, v) || !plan_relax_has_room(relax, 2))
            continue;
        plan_relax_row_of_limit(relax, c, most, v);
        added++;
    }
    return added;
}

/* A set that one failure violates is looked at with every other too: the loss of each region in
 * turn is what the programme would try next. */
static uint32_t separate(struct plan_relax *relax, uint32_t service)
{
    struct plan_probe *probe = relax->probe;
    uint32_t added = separate_open(relax, service), failures = relax->problem->failure_count;
    probe->service = service;
    probe->set_count = 0;
    set_limits(relax, probe);
    set_rates(relax, probe);
    for (uint32_t f = 0; f <= failures; f++) {
        probe->failure = f == 0 ? PLAN_NONE : f - 1;
        if (probe_fill(relax, probe))
            find_sets(relax, probe, probe->limits);
    }
    for (uint32_t f = 0; f <= failures && probe->set_count > 0; f++) {
        probe->failure = f == 0 ? PLAN_NONE : f - 1;
        if (!probe_fill(relax, probe))
            continue;
        for (uint32_t i = 0; i < probe->set_count; i++) {
            struct plan_cut cut;
            if (lack_of(relax, probe, &probe->sets[i], &cut) <=
                    VIOLATION_MIN * REQUESTS(cut.rate) ||
                !plan_relax_has_room(relax, relax->column_count))
                continue;
            cut_add(relax, &cut);
            added++;
        }
    }
    return added;
}

/* The loop ---------------------------------------------------------------------------------- */

static bool make_memory(struct plan_relax *relax, uint32_t rows_max, struct arena *arena)
{
    const struct plan_problem *problem = relax->problem;
    uint32_t column_max =
        3 * problem->column_count + 2 * problem->node_count + problem->demand_count;
    uint32_t terms = 6 * problem->column_count + 5 * problem->node_count;
    for (uint32_t r = 0; r < problem->row_count; r++)
        terms += problem->rows[r].term_count;
    relax->rows_max =
        2 * problem->column_count + 4 * problem->node_count + problem->row_count + rows_max;
    relax->terms_max = terms + 3 * problem->column_count + rows_max * CUT_TERMS;
    relax->graphs = ARENA_ARRAY(arena, struct plan_graph, problem->service_count);
    relax->routings = ARENA_ARRAY(arena, struct plan_routing, problem->service_count);
    relax->unmet_columns = ARENA_ARRAY(arena, uint32_t, problem->demand_count);
    relax->lower = ARENA_ARRAY(arena, double, column_max);
    relax->upper = ARENA_ARRAY(arena, double, column_max);
    relax->cost = ARENA_ARRAY(arena, double, column_max);
    relax->upper_first = ARENA_ARRAY(arena, double, problem->column_count);
    relax->limits = ARENA_ARRAY(arena, double, problem->column_count);
    relax->is_odd = ARENA_ARRAY(arena, bool, problem->column_count);
    relax->starts = ARENA_ARRAY(arena, int32_t, relax->rows_max + column_max + 2);
    relax->cutter = plan_cutter_new(problem, arena);
    relax->keys = ARENA_ROOM(arena, uint64_t, relax->rows_max);
    relax->probe = ARENA_NEW(arena, struct plan_probe);
    relax->scratch = ARENA_ARRAY(arena, double, 2 * column_max);
    relax->reduced = ARENA_ARRAY(arena, double, column_max);
    relax->cuts = ARENA_ROOM(arena, struct plan_cut, relax->cuts_max);
    relax->rows = (struct plan_lp_rows){.starts = ARENA_ROOM(arena, int32_t, relax->rows_max + 1),
                                        .columns = ARENA_ROOM(arena, int32_t, relax->terms_max),
                                        .values = ARENA_ROOM(arena, double, relax->terms_max),
                                        .lower = ARENA_ROOM(arena, double, relax->rows_max),
                                        .upper = ARENA_ROOM(arena, double, relax->rows_max)};
    if (relax->rows.starts)
        ((int32_t *)(uintptr_t)relax->rows.starts)[0] = 0;
    bool is_whole = !arena->is_overflown;
    for (uint32_t s = 0; is_whole && s < problem->service_count; s++)
        is_whole = plan_graph_init(&relax->graphs[s], problem, s, arena) &&
                   plan_routing_init(&relax->routings[s], &relax->graphs[s], arena);
    uint32_t edges = 0;
    for (uint32_t s = 0; is_whole && s < problem->service_count; s++)
        edges = relax->graphs[s].edge_count > edges ? relax->graphs[s].edge_count : edges;
    if (is_whole)
        relax->probe->limits = ARENA_ARRAY(arena, int64_t, edges);
    return is_whole && relax->probe->limits;
}

static void single_cuts(struct plan_relax *relax)
{
    for (uint32_t s = 0; s < relax->problem->service_count; s++) {
        struct plan_cut all = {.service = s, .failure = PLAN_NONE};
        for (uint32_t d = 0; d < relax->graphs[s].demand_count; d++) {
            struct plan_cut cut = {.service = s, .failure = PLAN_NONE};
            plan_demand_set_add(&cut.demands, d);
            plan_demand_set_add(&all.demands, d);
            cut.rate = relax->graphs[s].rates[d];
            cut_add(relax, &cut);
        }
        all.rate = rate_of(&relax->graphs[s], &all.demands);
        cut_add(relax, &all);
    }
}

enum err plan_relax_begin(struct plan_relax *relax, const struct plan_problem *problem,
                          const struct plan_lp_api *api, uint32_t rows_max, struct arena *arena)
{
    *relax = (struct plan_relax){
        .problem = problem, .api = api, .cuts_max = problem->service_count * SETS_KEPT};
    if (!make_memory(relax, rows_max, arena))
        return ERR_MEMORY;
    make_columns(relax);
    if (!plan_sieve_begin(relax, arena))
        return ERR_MEMORY;
    make_rows(relax);
    relax->first_cut = relax->rows.count;
    single_cuts(relax);
    return ERR_OK;
}

void plan_relax_end(struct plan_relax *relax)
{
    plan_sieve_end(relax);
}

static uint32_t separate_all(struct plan_relax *relax)
{
    uint32_t added = 0;
    for (uint32_t s = 0; s < relax->problem->service_count; s++)
        added += separate(relax, s);
    return added;
}

uint32_t plan_relax_separate(struct plan_relax *relax, const double *x)
{
    const double *own = relax->solution.x;
    relax->solution.x = x;
    uint32_t added = separate_all(relax);
    relax->solution.x = own;
    return added;
}

enum err plan_relax_close(struct plan_relax *relax, uint32_t rounds, double gain_min,
                          bool (*is_over)(void *), void *context)
{
    double last = -PLAN_LP_INFINITY;
    uint32_t stalled = 0, unpurged = 0;
    for (uint32_t round = 0;; round++) {
        plan_sieve_solve(relax);
        if (relax->solution.status == PLAN_LP_INFEASIBLE)
            return ERR_VALUE;
        if (relax->solution.status != PLAN_LP_OPTIMAL)
            return ERR_UNSUPPORTED;
        if (round >= rounds || (is_over && is_over(context)))
            return ERR_OK;
        double now = relax->solution.objective;
        stalled = now - last > gain_min * __builtin_fabs(now) ? 0 : stalled + 1;
        last = now;
        if (stalled == STALLED_MAX)
            return ERR_OK;
        uint32_t added = separate_all(relax);
        if (added == 0)
            return ERR_OK;
        unpurged += added;
        if (unpurged > PURGE_EVERY) {
            plan_relax_purge(relax);
            unpurged = 0;
        }
    }
}

double plan_relax_bound(const struct plan_relax *relax)
{
    /* Lagrangian bound of any row prices: sum of price x side + each column at its better bound. */
    const struct plan_lp_rows *rows = &relax->rows;
    double bound = 0, size = 0;
    double *reduced = relax->reduced;
    memcpy(reduced, relax->cost, relax->column_count * sizeof *reduced);
    for (uint32_t r = 0; r < rows->count; r++) {
        double price = relax->solution.duals[r];
        double side = price > 0 ? rows->lower[r] : rows->upper[r];
        if (price == 0 || side <= -PLAN_LP_INFINITY || side >= PLAN_LP_INFINITY)
            continue; /* a price of the wrong sign: taken for zero */
        bound += price * side;
        size += __builtin_fabs(price * side);
        for (int32_t i = rows->starts[r]; i < rows->starts[r + 1]; i++)
            reduced[rows->columns[i]] -= price * rows->values[i];
    }
    for (uint32_t c = 0; c < relax->column_count; c++) {
        double part = reduced[c] * (reduced[c] > 0 ? relax->lower[c] : relax->upper[c]);
        bound += part;
        size += __builtin_fabs(part);
    }
    return bound - 1e-12 * size; /* more than the rounding of so many sums */
}
