/* sieve.h: what the library gets of a relaxation: the columns that are of use or nearly, and the
 * rows that say something of them.
 *
 * Of a service's 200 to 700 columns a solution uses some ten, and a leaf of its tree takes five
 * pivots: with all of them most of the time goes into what the library does before the first. A
 * solution of a part is one of all if no column that is left out would pay; those that would join,
 * and the library goes on from there (sifting: Bixby, Gregory, Lustig, Marsten, Shanno: Very
 * large-scale linear programming, Operations Research 40, 1992).
 *
 * A node of which nothing is in has no rows either. The duals of its rows follow from those of the
 * others: a load that earns g is worth min(g, p) to its row (2), where p is the least price of
 * speed among its replicas, and the rest of g to y's part of it; if y does not pay then, nothing of
 * the node does. So the bound counts all columns, and does not rest on what is left out
 * (plan_relax_bound). Rows (3) are in for nodes where one of them was broken. */
#ifndef PLAN_SIEVE_H
#define PLAN_SIEVE_H

#include "plan/lp.h"

struct arena;
struct plan_relax;

struct plan_sieve {
    struct plan_lp *lp; /* NULL: none yet */
    uint32_t column_count, row_count;
    uint32_t *column_at, *row_at; /* of the library's: which of the relaxation's */
    uint32_t *place_of;           /* of each column: its place there; PLAN_NONE: left out */
    uint32_t *place_of_row;       /* the same; moves with the row */
    bool *is_in;                  /* each column, from the next solution on */
    bool *is_limited;             /* each node: are its rows (3) in? */
    bool is_stale;                /* has the library other columns or rows than it should? */
    uint32_t slim_above;          /* columns: where there are more, those that are away go */
    uint32_t *row_of_node;        /* row (2) of each, with y's part of it behind */
    uint32_t *cheapest;           /* of each node that is left out: the column of the price p */
    bool *binds;                  /* scratch, of each node */
    double *x, *duals, *reduced;  /* of all */
    uint8_t *statuses;            /* of all columns, then rows (enum plan_lp_basis) */
    uint8_t *basis;               /* of the library's */
    struct plan_lp_rows some;     /* rows on their way to it */
    uint32_t terms_max;           /* of those */
};

/* Behind the relaxation's columns, before its rows, of which there may be <rows_max>. false: the
 * arena is too small. */
bool plan_sieve_begin(struct plan_relax *relax, struct arena *arena);
void plan_sieve_end(struct plan_relax *relax);

/* Dual simplex from the last basis, until no column that is left out pays and no row (3) is broken:
 * fills relax->solution. */
void plan_sieve_solve(struct plan_relax *relax);

/* The last basis, of all columns and rows (enum plan_lp_basis). */
void plan_sieve_basis(struct plan_relax *relax, uint8_t *columns, uint8_t *rows);

#endif
