/* model.h: a fitted model: what goes in, its numbers, where it came from; and what it says of a
 * row. Pure.
 *
 * Every kind keeps its numbers in one array of doubles with a small shape, so that a file, a copy
 * and a checksum need no code of their own: linear    shape {width}               weights[width +
 * 1]; the last is the bias logistic  shape {width, classes}      weights[class][width + 1] mlp
 * shape {width, h1[, h2], outputs}  layer after layer [out][in + 1]; tanh inside kmeans    shape
 * {width, k}            centroids[k][width] knn       shape {width, k, rows}      rows[rows][width
 * + 1]; the last is the target tree      shape {width, trees, nodes} root[trees], then nodes
 * {feature, threshold, left, right, value}; feature -1: a leaf; left when x <= threshold Rows are
 * encoded by the schema (standardised, one-hot). Distances of clustering are Euclidean in the
 * attributes' own units, since a caller cannot know ours. */
#ifndef LEARN_MODEL_H
#define LEARN_MODEL_H

#include "learn/schema.h"

/* name, sentence */
#define LEARN_KIND_TABLE(X)                                                                        \
    X(LINEAR, "linear", "ridge regression, closed form")                                           \
    X(LOGISTIC, "logistic", "multinomial logistic regression, accelerated gradient descent")       \
    X(MLP, "mlp", "neural network of one or two hidden layers (tanh), Adam")                       \
    X(KMEANS, "kmeans", "k-means from k-means++ starts, best of several")                          \
    X(KNN, "knn", "k nearest neighbours")                                                          \
    X(TREE, "tree", "decision tree, or a forest with --trees above 1")

enum learn_kind {
#define X(name, word, text) LEARN_##name,
    LEARN_KIND_TABLE(X)
#undef X
        LEARN_KIND_COUNT
};

enum { LEARN_SHAPE_MAX = 4, LEARN_METRICS_MAX = 16, LEARN_NODE_SIZE = 5 };

struct learn_metric {
    char name[24];
    double value;
};

struct learn_lineage {
    char data_sha256[65]; /* of the training file */
    char test_sha256[65]; /* of the test file, or empty */
    uint64_t seed;
    uint64_t train_rows, test_rows;
    uint32_t metric_count;
    struct learn_metric metrics[LEARN_METRICS_MAX];
};

struct learn_model {
    enum learn_kind kind;
    struct learn_schema schema;
    uint32_t shape_count;
    uint32_t shape[LEARN_SHAPE_MAX];
    double target_mean, target_scale; /* regression: answer = mean + scale * output */
    size_t weight_count;
    double *weights;
    struct learn_lineage lineage;
};

/* What a model says of a row. */
struct learn_answer {
    uint32_t label;  /* class or cluster */
    double score;    /* classification: probability, or share of votes, of <label> */
    double distance; /* clustering: to the centre of <label> */
    double value;    /* regression */
};

const char *learn_kind_name(enum learn_kind kind);
bool learn_kind_find(struct span name, enum learn_kind *ret_kind);

/* Do shape, weights and schema belong together? A file that says otherwise is corrupt. */
bool learn_model_is_sound(const struct learn_model *model);

/* <row>: schema.width numbers, encoded. */
void learn_model_predict(const struct learn_model *model, const double *row,
                         struct learn_answer *ret_answer);

#endif
