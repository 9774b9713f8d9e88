/* study.h: from a table to a model and an honest word about it: split, schema from the training
 * part only, fit, and measured on rows the fit never saw, beside a naive answer. Pure. */
#ifndef LEARN_STUDY_H
#define LEARN_STUDY_H

#include "learn/fit.h"
#include "learn/metrics.h"

struct learn_study_rules {
    enum learn_kind kind;
    struct learn_options options; /* seed: of the split, too */
    const struct learn_table *data;
    const struct learn_table *test; /* NULL: a share of <data> */
    uint32_t test_share_ppm;        /* of the rows of <data>, when <test> is NULL */
    bool is_tail_test;              /* the last rows are the test (time series), not random ones */
    const struct learn_description *description; /* may be NULL */
    struct span target;                          /* empty: clustering */
    bool is_class, is_vector;
    struct span baseline; /* regression: the column that a naive person would answer; or empty */
};

struct learn_study {
    struct learn_model model;
    size_t train_rows, test_rows;
    struct learn_confusion confusion;   /* classification: on the test rows */
    uint32_t majority;                  /* the class that is most frequent in training */
    struct learn_errors errors;         /* regression: the model */
    struct learn_errors naive;          /* the baseline column, or the mean of training */
    double inertia_per_row, silhouette; /* clustering, in standardised units; the simplified
                                           silhouette (distances to centres, Hruschka 2004) */
};

/* Model metrics and row counts are filled in; sha256 and writing it are the caller's. <arena> keeps
 * the model and takes what the work needs (rows x width doubles). */
MUST_USE enum err learn_study_run(const struct learn_study_rules *rules, struct arena *arena,
                                  struct learn_study *ret_study, struct text *why);

#endif
