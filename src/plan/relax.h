/* relax.h: the linear relaxation of problem.h, whose optimum no plan can undercut.
 *
 * Columns: n of each column, y and load of each node, unmet of each demand that may stay
 * unanswered, moves of each column that runs or costs to start. There are no flow columns: a load
 * vector (and, after a loss, the capacities that are left) can be routed if and only if Hall's
 * condition holds for every set of demands, and the rows for that are found one by one, by a
 * max-flow of each service and failure at the LP's own solution (routing.h). The flow from demand d
 * to node v is at most rate[d] y[v], so that a row may count a node by its y instead of its room.
 * All rows hold for every feasible plan, so that the bound is valid at any time; at the end of the
 * loop it is that of the LP with one set of flow columns for each failure, at a hundredth of its
 * size.
 *
 * The bound is computed from the duals with clipped signs and does not rest on the library's
 * tolerances: plan_relax_bound(). */
#ifndef PLAN_RELAX_H
#define PLAN_RELAX_H

#include "plan/routing.h"
#include "plan/sieve.h"

/* Key of rows of a rest that hold within its limits of now; those of sets are odd. */
enum { PLAN_KEY_OF_LIMITS = 2 };

struct plan_cut {
    uint32_t service, failure; /* PLAN_NONE: nothing is lost */
    struct plan_demand_set demands;
    uint64_t opened[PLAN_NODES_MAX / 64]; /* nodes that count by y: rate of their demands x y */
    int64_t rate;                         /* of all demands */
};

struct plan_knapsack;
struct plan_probe;
struct plan_cutter;

/* What prices of rows say of every plan: it costs <bound_usd_h> and, for each column, at least its
 * reduced cost times what it is away from its better bound. */
struct plan_root {
    double bound_usd_h; /* -INFINITY: nothing */
    double *reduced;
};

struct plan_relax {
    const struct plan_problem *problem;
    const struct plan_lp_api *api;
    struct plan_sieve sieve;       /* what the library has of it */
    struct plan_graph *graphs;     /* of each service */
    struct plan_routing *routings; /* scratch of each service */
    uint32_t column_count;         /* of the programme */
    uint32_t first_open, first_load;
    uint32_t first_cut;           /* row: cuts begin */
    uint32_t first_rule;          /* row of the problem's first row */
    uint32_t *unmet_columns;      /* of each demand; PLAN_NONE: hard */
    double *lower, *upper, *cost; /* of each column */
    struct plan_lp_rows rows;
    uint32_t rows_max, terms_max;
    double *upper_first; /* of each n, before any branching */
    double *limits;      /* the same; of a rest: what is left of it now */
    bool *is_odd;        /* of each column */
    int32_t *starts;     /* scratch */
    struct plan_probe *probe;
    struct plan_cutter *cutter;
    uint64_t *keys; /* of each row: plan_cut_key() of the set that it speaks of, or PLAN_KEY..;
                       0: none */
    uint64_t key;   /* of the rows that come next */
    bool is_rest;   /* do limits of the columns come and go, and rows that rest on them? */
    double *scratch, *reduced; /* scratch, twice and once of each column */
    struct plan_cut *cuts;     /* of the sets of demands that were found last */
    uint32_t cut_count, cuts_max;
    uint32_t sent;       /* rows that the last solution knows of */
    const double *other; /* another solution whose rows stay; NULL: none */
    struct plan_lp_solution solution;
    uint64_t work;
};

/* <rows_max>: room for cuts. ERR_MEMORY: the arena is too small. plan_relax_end() frees what the
 * library holds. */
MUST_USE enum err plan_relax_begin(struct plan_relax *relax, const struct plan_problem *problem,
                                   const struct plan_lp_api *api, uint32_t rows_max,
                                   struct arena *arena);
void plan_relax_end(struct plan_relax *relax);

/* Solves, adds the cuts that the solution violates, and so on until there are none, or <rounds> are
 * over, or the optimum rises by less than <gain_min> of itself twice, or <is_over> says so.
 * ERR_VALUE: no plan exists (infeasible). */
MUST_USE enum err plan_relax_close(struct plan_relax *relax, uint32_t rounds, double gain_min,
                                   bool (*is_over)(void *), void *context);

/* Adds the cuts that <x> violates, a solution of another programme with the same columns. */
uint32_t plan_relax_separate(struct plan_relax *relax, const double *x);

/* Room for looking for rounding cuts; NULL: the arena is too small. */
struct plan_cutter *plan_cutter_new(const struct plan_problem *problem, struct arena *arena);

/* The same for the same set of demands of the same service; never 0. */
uint64_t plan_cut_key(const struct plan_cut *cut);

bool plan_cut_opens(const struct plan_cut *cut, uint32_t node);

/* The rate of the cut's demands near a node of the service. */
int64_t plan_cut_rate_near(const struct plan_graph *graph, const struct plan_cut *cut,
                           uint32_t node);

/* Sets of demands that the last solution answers barely, with and without a failure, are remembered
 * for rounding. */
void plan_relax_find_sets(struct plan_relax *relax, uint32_t service);

/* One round of rounding cuts (cut.c) at the last solution: the number of rows that were added. */
uint32_t plan_relax_round_cuts(struct plan_relax *relax);

/* Scratch for knapsack.c, for relaxations of up to so many nodes and columns; NULL: the arena is
 * too small. */
struct plan_knapsack *plan_knapsack_new(uint32_t node_max, uint32_t column_max,
                                        struct arena *arena);

/* knapsack.c: a round of cuts at the last solution of one service of which every region may be
 * lost; how many rows. */
uint32_t plan_relax_cut_knapsacks(struct plan_relax *relax, struct plan_knapsack *scratch);

/* Other sides for a row of the problem. */
void plan_relax_rule(struct plan_relax *relax, uint32_t rule, double lower, double upper);

/* Of a rest: there are at most <most> of each n now, and no row that was made for other limits. */
void plan_relax_limit(struct plan_relax *relax, const double *most);

/* lift.c: rows that hold for every plan of one service that costs at most <best>, where all regions
 * may be lost; how many. <x>: room for a copy of the solution, which is lost. */
uint32_t plan_relax_lift(struct plan_relax *relax, double best, double *x);

/* Of the rows from <first> on, which the library does not have yet, only those stay that are worth
 * at least <least>. */
void plan_relax_keep(struct plan_relax *relax, uint32_t first, const double *worth, double least);

/* The row that was added last goes. */
void plan_relax_drop_row(struct plan_relax *relax);

/* May any demand of the set stay unanswered? Then its rows ask for an amount that is not fixed. */
bool plan_relax_has_soft(const struct plan_relax *relax, const struct plan_cut *cut);

/* Does every region belong to a failure? */
bool plan_may_all_fail(const struct plan_problem *problem);

/* relax_rows.c: a row of the programme, term by term, and whether there is room for another. */
bool plan_relax_has_room(const struct plan_relax *relax, uint32_t terms);
void plan_relax_row(struct plan_relax *relax, double lower, double upper);
void plan_relax_term(struct plan_relax *relax, uint32_t column, double value);

/* Row (3): <most> of the column, a replica or a load, where the node is open. There is room. */
void plan_relax_row_of_limit(struct plan_relax *relax, uint32_t column, double most, uint32_t node);

/* Is its y of any matter? */
bool plan_relax_has_open(const struct plan_relax *relax, uint32_t node);

/* Cuts that the last solution does not lean on go, from the library too. They can be found again.
 */
void plan_relax_purge(struct plan_relax *relax);

/* A valid lower bound on the cost of every plan, from the last duals; rounded towards below. */
double plan_relax_bound(const struct plan_relax *relax);

#endif
