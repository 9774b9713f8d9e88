/* metrics.h: how good a model is on rows it has not seen. Pure. */
#ifndef LEARN_METRICS_H
#define LEARN_METRICS_H

#include "base/limits.h"
#include "learn/model.h"

/* Rows: the truth; columns: the answer. */
struct learn_confusion {
    uint32_t class_count;
    uint64_t count[LIMIT_LEARN_CATEGORIES][LIMIT_LEARN_CATEGORIES];
};

struct learn_class_metrics {
    double precision, recall, f1; /* 0 where undefined */
    uint64_t support;
};

double learn_confusion_accuracy(const struct learn_confusion *confusion);
void learn_confusion_class(const struct learn_confusion *confusion, uint32_t index,
                           struct learn_class_metrics *ret_metrics);

/* Unweighted mean over the classes. */
void learn_confusion_macro(const struct learn_confusion *confusion,
                           struct learn_class_metrics *ret_metrics);

/* Sums of a regression, row after row. */
struct learn_errors {
    uint64_t count;
    double absolute, square, truth, truth_square;
};

void learn_errors_add(struct learn_errors *errors, double truth, double answer);
double learn_errors_mae(const struct learn_errors *errors);
double learn_errors_rmse(const struct learn_errors *errors);
double learn_errors_r2(const struct learn_errors *errors); /* 1 - residual / total variance */

#endif
