/* whole.h: the relaxation of all services, put together of their own.
 *
 * Each service's relaxation is solved at prices of the rows that services share; the whole is those
 * programmes side by side, and the shared rows. Its library gets what matters of them: columns that
 * a service uses, or nearly would, and rows that bind; and begins where the services ended, which
 * is dual feasible for the whole when what is used of a shared row is a column that earns the row's
 * price. So its simplex has the shared rows to settle, and no cuts. What is missing because nobody
 * was near to it comes the next time (sifting: Bixby, Gregory, Lustig, Marsten, Shanno: Very
 * large-scale linear programming, 1992). No bound rests on it: at its prices the services are asked
 * again. */
#ifndef PLAN_WHOLE_H
#define PLAN_WHOLE_H

#include "plan/tree.h"

struct plan_whole {
    const struct plan_problem *problem;
    const struct plan_lp_api *api;
    struct plan_tree *trees;
    bool has_solution;
    bool is_exact;                /* do cuts count that only the last solution violates? */
    uint32_t *first;              /* of each service: its relaxation's first column in <x> */
    double *x;                    /* the last solution, service by service; 0: was not in */
    double *prices;               /* of the problem's rows: its duals */
    double cost_usd_h;            /* of it */
    uint32_t iterations;          /* of it */
    struct plan_lp_matrix matrix; /* what the library gets */
    struct plan_lp_rows rows;
    uint32_t rows_max, terms_max; /* of services' rows; shared ones have room besides */
    uint32_t *place_of;           /* of the columns of <x>, there; PLAN_NONE: not in */
    uint32_t *used_of; /* of the problem's rows: the column of what is used of it; PLAN_NONE */
    uint8_t *basis;    /* of columns and rows there */
    uint8_t *basis_of_tree;
    uint64_t work;
};

/* <trees>: of each service. ERR_MEMORY: the arena is too small. */
MUST_USE enum err plan_whole_init(struct plan_whole *whole, const struct plan_problem *problem,
                                  const struct plan_lp_api *api, struct plan_tree *trees,
                                  struct arena *arena);

/* Behind plan_tree_close() of every tree at <prices> of the rows: x, prices. ERR_VALUE: no plan
 * exists; ERR_UNSUPPORTED: the library gave up. */
MUST_USE enum err plan_whole_solve(struct plan_whole *whole, const double *prices);

/* The service's part of the last one, as columns of its relaxation; NULL: there is none yet. */
const double *plan_whole_solution(const struct plan_whole *whole, uint32_t service);

/* Of the last solution: replicas of each of the problem's columns; requests per second of <demand>
 * that it leaves unmet. */
void plan_whole_values(const struct plan_whole *whole, double *ret_values);
double plan_whole_unmet(const struct plan_whole *whole, uint32_t demand);

#endif
