/* lp.h: the linear programmes of the planner, behind one table.
 *
 *   min c'x,  row_lower <= Ax <= row_upper,  lower <= x <= upper
 *
 * A library (lp_clp_io.c) fills the table in; the planner stays free of it. A bound that is
 * published never rests on the library's tolerances: it is computed again from the duals
 * (plan_lp_bound). */
#ifndef PLAN_LP_H
#define PLAN_LP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

#define PLAN_LP_INFINITY 1e30

enum { PLAN_LP_WORK = 4000 }; /* units of counted work of an iteration: solve.h */

enum plan_lp_status { PLAN_LP_OPTIMAL, PLAN_LP_INFEASIBLE, PLAN_LP_UNBOUNDED, PLAN_LP_STOPPED };

/* Of a column, or of a row as what it sums up to. */
enum plan_lp_basis { PLAN_LP_AT_LOWER, PLAN_LP_AT_UPPER, PLAN_LP_BASIC };

struct plan_lp_matrix {
    uint32_t column_count, row_count;
    const int32_t *starts;  /* by column: column_count + 1 */
    const int32_t *indices; /* rows */
    const double *values;
    const double *lower, *upper, *cost, *row_lower, *row_upper;
};

struct plan_lp_rows {
    uint32_t count;
    const int32_t *starts; /* count + 1 */
    const int32_t *columns;
    const double *values;
    const double *lower, *upper;
};

struct plan_lp_solution { /* owned by the model, valid until its next call */
    enum plan_lp_status status;
    double objective;
    const double *x, *duals;
    uint32_t iterations;
};

struct plan_lp; /* one model of the library */

struct plan_lp_api {
    const char *name, *version;
    struct plan_lp *(*create)(const struct plan_lp_matrix *matrix); /* NULL: no memory */
    void (*destroy)(struct plan_lp *lp);
    void (*add_rows)(struct plan_lp *lp, const struct plan_lp_rows *rows);
    void (*set_bounds)(struct plan_lp *lp, uint32_t column, double lower, double upper);
    void (*set_cost)(struct plan_lp *lp, uint32_t column, double cost);
    void (*set_row_bounds)(struct plan_lp *lp, uint32_t row, double lower, double upper);
    /* enum plan_lp_basis of each column and row: to begin with, and as the last solution left it.
     */
    void (*set_basis)(struct plan_lp *lp, const uint8_t *columns, const uint8_t *rows);
    void (*get_basis)(struct plan_lp *lp, uint8_t *columns, uint8_t *rows);
    /* Dual simplex from the last basis; at most <iterations_max>. */
    void (*solve)(struct plan_lp *lp, uint32_t iterations_max, struct plan_lp_solution *ret);
};

/* CLP's C interface, opened at first use; ERR_UNSUPPORTED: it is not there, and <why> says what to
 * install. */
MUST_USE enum err plan_lp_clp_open(struct plan_lp_api *ret_api, struct text *why);

#endif
