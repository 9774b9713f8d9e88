/* fit.h: numbers in, weights out: one function a kind of model. Pure.
 *
 * Every sum runs in a fixed order and every random choice comes from <seed>, so the same rows give
 * the same bits on every machine. Work is bounded by counts (epochs, iterations), never by a clock.
 *
 * Sources: ridge by normal equations and Cholesky (Golub, Van Loan, 4th ed., 4.2); Nesterov's
 * accelerated gradient (1983), step 1/L with L by power iteration; Adam (Kingma, Ba 2015,
 * arXiv:1412.6980); k-means++ (Arthur, Vassilvitskii 2007); CART (Breiman et al. 1984), random
 * forests (Breiman 2001). */
#ifndef LEARN_FIT_H
#define LEARN_FIT_H

#include "learn/model.h"

/* Encoded rows. <y>: class index, or a standardised number; NULL for clustering. */
struct learn_data {
    const double *x; /* rows x width */
    const double *y;
    size_t row_count;
    uint32_t width;
    uint32_t class_count; /* 0: regression or clustering */
};

struct learn_options {
    uint64_t seed;
    uint32_t epochs;    /* mlp: passes over the data; logistic: iterations; kmeans: rounds */
    uint32_t hidden[2]; /* mlp: widths; hidden[1] 0: one layer */
    uint32_t batch;     /* mlp: rows a step */
    uint32_t k;         /* kmeans, knn */
    uint32_t starts;    /* kmeans: tries, the best is kept */
    uint32_t trees, depth, leaf_min;
    double rate; /* mlp: Adam's step at first; falls to a tenth along a cosine-free straight line */
    double l2;   /* weight decay, bias excepted */
};

void learn_options_default(struct learn_options *options);

/* Each sets kind, shape, weights of <model> (weights from <arena>). ERR_MEMORY: the arena is too
 * small; ERR_VALUE: fewer rows than k, or a width beyond the limits. */
MUST_USE enum err learn_linear_fit(const struct learn_data *data,
                                   const struct learn_options *options, struct arena *arena,
                                   struct learn_model *model);
MUST_USE enum err learn_logistic_fit(const struct learn_data *data,
                                     const struct learn_options *options, struct arena *arena,
                                     struct learn_model *model);
MUST_USE enum err learn_mlp_fit(const struct learn_data *data, const struct learn_options *options,
                                struct arena *arena, struct learn_model *model);
MUST_USE enum err learn_kmeans_fit(const struct learn_data *data,
                                   const struct learn_options *options, struct arena *arena,
                                   struct learn_model *model);
MUST_USE enum err learn_knn_fit(const struct learn_data *data, const struct learn_options *options,
                                struct arena *arena, struct learn_model *model);
MUST_USE enum err learn_tree_fit(const struct learn_data *data, const struct learn_options *options,
                                 struct arena *arena, struct learn_model *model);

/* By <kind>. */
MUST_USE enum err learn_fit(enum learn_kind kind, const struct learn_data *data,
                            const struct learn_options *options, struct arena *arena,
                            struct learn_model *model);

/* The raw outputs of an MLP for one row; outputs <= LIMIT_LEARN_CATEGORIES. */
void learn_mlp_forward(const struct learn_model *model, const double *row, double *ret_outputs);

/* Adds the gradient of one row's loss (cross entropy where <class_count> > 0, else half the square
 * of the error), times <share>, to <gradient> (model->weight_count numbers). */
void learn_mlp_gradient(const struct learn_model *model, const double *row, double target,
                        uint32_t class_count, double share, double *gradient);

/* In place; subtracts the maximum first. */
void learn_softmax(double *values, uint32_t count);

#endif
