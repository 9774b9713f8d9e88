/* lp_clp_io.c: CLP (COIN-OR, EPL-2.0) through its C interface, opened at first use. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "plan/lp.h"

#define ADVICE "install it: apt install coinor-libclp-dev (tools/setup.sh does)"

#ifdef FARSPAN_WITH_CLP
#include <Clp_C_Interface.h>

#define CALLS(X)                                                                                   \
    X(Clp_Version)                                                                                 \
    X(Clp_newModel)                                                                                \
    X(Clp_deleteModel)                                                                             \
    X(Clp_setLogLevel)                                                                             \
    X(Clp_scaling)                                                                                 \
    X(Clp_setPerturbation)                                                                         \
    X(Clp_loadProblem)                                                                             \
    X(Clp_addRows)                                                                                 \
    X(Clp_numberColumns)                                                                           \
    X(Clp_numberRows)                                                                              \
    X(Clp_columnLower)                                                                             \
    X(Clp_columnUpper)                                                                             \
    X(Clp_objective)                                                                               \
    X(Clp_rowLower)                                                                                \
    X(Clp_rowUpper)                                                                                \
    X(Clp_copyinStatus)                                                                            \
    X(Clp_getColumnStatus)                                                                         \
    X(Clp_getRowStatus)                                                                            \
    X(Clp_setMaximumIterations)                                                                    \
    X(Clp_dual)                                                                                    \
    X(Clp_status)                                                                                  \
    X(Clp_objectiveValue)                                                                          \
    X(Clp_numberIterations)                                                                        \
    X(Clp_primalColumnSolution)                                                                    \
    X(Clp_dualRowSolution)

enum {
    CLP_SCALING_GEOMETRIC = 2,  /* a fifth fewer iterations than without, as measured */
    CLP_PERTURBATION_AUTO = 50, /* of costs: takes a third of a large solution's time away, */
    CLP_PERTURBATION_OFF = 100, /* but from a good basis it leads away */
    PERTURBED_MIN = 2000,       /* columns; trees of one service find worse plans with it */
    CLP_BASIC = 1,              /* statuses: ClpSimplex.hpp */
    CLP_AT_UPPER = 2,
    CLP_AT_LOWER = 3
};

static struct {
    void *library;
#define MEMBER(name) __typeof__(&name) name;
    CALLS(MEMBER)
#undef MEMBER
} clp;

static Clp_Simplex *model_of(struct plan_lp *lp)
{
    return (Clp_Simplex *)lp;
}

static struct plan_lp *clp_create(const struct plan_lp_matrix *matrix)
{
    Clp_Simplex *model = clp.Clp_newModel();
    if (!model)
        return NULL;
    clp.Clp_setLogLevel(model, 0);
    clp.Clp_scaling(model, CLP_SCALING_GEOMETRIC);
    if (matrix->column_count >= PERTURBED_MIN)
        clp.Clp_setPerturbation(model, CLP_PERTURBATION_AUTO);
    clp.Clp_loadProblem(model, (int)matrix->column_count, (int)matrix->row_count, matrix->starts,
                        matrix->indices, matrix->values, matrix->lower, matrix->upper, matrix->cost,
                        matrix->row_lower, matrix->row_upper);
    return (struct plan_lp *)model;
}

static void clp_destroy(struct plan_lp *lp)
{
    clp.Clp_deleteModel(model_of(lp));
}

static void clp_add_rows(struct plan_lp *lp, const struct plan_lp_rows *rows)
{
    clp.Clp_addRows(model_of(lp), (int)rows->count, rows->lower, rows->upper, rows->starts,
                    rows->columns, rows->values);
}

static void clp_set_bounds(struct plan_lp *lp, uint32_t column, double lower, double upper)
{
    clp.Clp_columnLower(model_of(lp))[column] = lower;
    clp.Clp_columnUpper(model_of(lp))[column] = upper;
}

static void clp_set_cost(struct plan_lp *lp, uint32_t column, double cost)
{
    clp.Clp_objective(model_of(lp))[column] = cost;
}

static void clp_set_row_bounds(struct plan_lp *lp, uint32_t row, double lower, double upper)
{
    CHECK((int)row < clp.Clp_numberRows(model_of(lp)));
    clp.Clp_rowLower(model_of(lp))[row] = lower;
    clp.Clp_rowUpper(model_of(lp))[row] = upper;
}

static enum plan_lp_basis basis_of(int status)
{
    return status == CLP_BASIC      ? PLAN_LP_BASIC
           : status == CLP_AT_UPPER ? PLAN_LP_AT_UPPER
                                    : PLAN_LP_AT_LOWER;
}

static void clp_set_basis(struct plan_lp *lp, const uint8_t *columns, const uint8_t *rows)
{
    static const unsigned char statuses[] = {[PLAN_LP_AT_LOWER] = CLP_AT_LOWER,
                                             [PLAN_LP_AT_UPPER] = CLP_AT_UPPER,
                                             [PLAN_LP_BASIC] = CLP_BASIC};
    int column_count = clp.Clp_numberColumns(model_of(lp));
    int row_count = clp.Clp_numberRows(model_of(lp));
    unsigned char *all = malloc((size_t)(column_count + row_count));
    if (!all)
        return; /* it begins with none */
    for (int c = 0; c < column_count; c++)
        all[c] = statuses[columns[c]];
    for (int r = 0; r < row_count; r++)
        all[column_count + r] = statuses[rows[r]];
    clp.Clp_copyinStatus(model_of(lp), all);
    clp.Clp_setPerturbation(model_of(lp), CLP_PERTURBATION_OFF);
    free(all);
}

static void clp_get_basis(struct plan_lp *lp, uint8_t *columns, uint8_t *rows)
{
    for (int c = 0; c < clp.Clp_numberColumns(model_of(lp)); c++)
        columns[c] = basis_of(clp.Clp_getColumnStatus(model_of(lp), c));
    for (int r = 0; r < clp.Clp_numberRows(model_of(lp)); r++)
        rows[r] = basis_of(clp.Clp_getRowStatus(model_of(lp), r));
}

static void clp_solve(struct plan_lp *lp, uint32_t iterations_max, struct plan_lp_solution *ret)
{
    static const enum plan_lp_status meanings[] = {PLAN_LP_OPTIMAL, PLAN_LP_INFEASIBLE,
                                                   PLAN_LP_UNBOUNDED, PLAN_LP_STOPPED};
    Clp_Simplex *model = model_of(lp);
    clp.Clp_setMaximumIterations(model, (int)iterations_max);
    clp.Clp_dual(model, 0);
    int status = clp.Clp_status(model);
    *ret = (struct plan_lp_solution){.status = status >= 0 && status <= 3 ? meanings[status]
                                                                          : PLAN_LP_STOPPED,
                                     .objective = clp.Clp_objectiveValue(model),
                                     .x = clp.Clp_primalColumnSolution(model),
                                     .duals = clp.Clp_dualRowSolution(model),
                                     .iterations = (uint32_t)clp.Clp_numberIterations(model)};
}

/* CLP may bring OpenBLAS with it, whose threads spin beside ours and help with nothing so small. */
static enum err open_library(struct text *why)
{
    (void)setenv("OPENBLAS_NUM_THREADS", "1", 0);
    void *library = dlopen("libClp.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        text_add(why, "the planner's LP solver cannot be opened: %s; " ADVICE, dlerror());
        return ERR_UNSUPPORTED;
    }
    void *symbol;
#define FILL(name)                                                                                 \
    symbol = dlsym(library, #name);                                                                \
    if (!symbol) {                                                                                 \
        text_add(why, "libClp.so.1 has no " #name "(); " ADVICE);                                  \
        dlclose(library);                                                                          \
        return ERR_UNSUPPORTED;                                                                    \
    }                                                                                              \
    memcpy(&clp.name, &symbol, sizeof symbol);
    CALLS(FILL)
#undef FILL
    clp.library = library;
    return ERR_OK;
}

enum err plan_lp_clp_open(struct plan_lp_api *ret_api, struct text *why)
{
    enum err err = clp.library ? ERR_OK : open_library(why);
    if (err)
        return err;
    *ret_api = (struct plan_lp_api){.name = "CLP",
                                    .version = clp.Clp_Version(),
                                    .create = clp_create,
                                    .destroy = clp_destroy,
                                    .add_rows = clp_add_rows,
                                    .set_bounds = clp_set_bounds,
                                    .set_cost = clp_set_cost,
                                    .set_row_bounds = clp_set_row_bounds,
                                    .set_basis = clp_set_basis,
                                    .get_basis = clp_get_basis,
                                    .solve = clp_solve};
    return ERR_OK;
}
#else
enum err plan_lp_clp_open(struct plan_lp_api *ret_api, struct text *why)
{
    (void)ret_api;
    text_add(why,
             "farspan was built without CLP, the planner's LP solver; " ADVICE " and build again");
    return ERR_UNSUPPORTED;
}
#endif
