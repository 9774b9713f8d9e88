#include "learn/model.h"

#include "base/check.h"
#include "base/limits.h"
#include "learn/fit.h"

const char *learn_kind_name(enum learn_kind kind)
{
    static const char *const names[] = {
#define X(name, word, text) word,
        LEARN_KIND_TABLE(X)
#undef X
    };
    CHECK(kind < LEARN_KIND_COUNT);
    return names[kind];
}

bool learn_kind_find(struct span name, enum learn_kind *ret_kind)
{
    for (unsigned i = 0; i < LEARN_KIND_COUNT; i++)
        if (span_is(name, learn_kind_name((enum learn_kind)i))) {
            *ret_kind = (enum learn_kind)i;
            return true;
        }
    return false;
}

void learn_options_default(struct learn_options *options)
{
    *options = (struct learn_options){.seed = 1,
                                      .epochs = 60,
                                      .hidden = {48, 0},
                                      .batch = 32,
                                      .k = 10,
                                      .starts = 5,
                                      .trees = 1,
                                      .depth = 12,
                                      .leaf_min = 5,
                                      .rate = 0.003,
                                      .l2 = 1e-4};
}

enum err learn_fit(enum learn_kind kind, const struct learn_data *data,
                   const struct learn_options *options, struct arena *arena,
                   struct learn_model *model)
{
    static enum err (*const fits[LEARN_KIND_COUNT])(const struct learn_data *,
                                                    const struct learn_options *, struct arena *,
                                                    struct learn_model *) = {
        [LEARN_LINEAR] = learn_linear_fit, [LEARN_LOGISTIC] = learn_logistic_fit,
        [LEARN_MLP] = learn_mlp_fit,       [LEARN_KMEANS] = learn_kmeans_fit,
        [LEARN_KNN] = learn_knn_fit,       [LEARN_TREE] = learn_tree_fit};
    CHECK(kind < LEARN_KIND_COUNT);
    return fits[kind](data, options, arena, model);
}

static size_t expected_weights(const struct learn_model *model)
{
    const uint32_t *shape = model->shape;
    size_t n = (size_t)shape[0] + 1;
    switch (model->kind) {
    case LEARN_LINEAR:
        return n;
    case LEARN_LOGISTIC:
        return n * shape[1];
    case LEARN_KMEANS:
        return (size_t)shape[0] * shape[1];
    case LEARN_KNN:
        return n * shape[2];
    case LEARN_TREE:
        return shape[1] + (size_t)shape[2] * LEARN_NODE_SIZE;
    case LEARN_MLP:
        break;
    case LEARN_KIND_COUNT:
        CHECK(false);
    }
    size_t sum = 0;
    for (uint32_t i = 0; i + 1 < model->shape_count; i++)
        sum += ((size_t)shape[i] + 1) * shape[i + 1];
    return sum;
}

static bool is_outputs_sound(const struct learn_model *model)
{
    const struct learn_schema *schema = &model->schema;
    switch (model->kind) {
    case LEARN_LINEAR:
        return schema->task == LEARN_REGRESS;
    case LEARN_LOGISTIC:
        return schema->task == LEARN_CLASSIFY && model->shape[1] == schema->class_count;
    case LEARN_MLP:
        return model->shape[model->shape_count - 1] ==
               (schema->task == LEARN_CLASSIFY ? schema->class_count : 1);
    case LEARN_KMEANS:
        return schema->task == LEARN_CLUSTER && model->shape[1] <= LIMIT_LEARN_CATEGORIES;
    case LEARN_KNN:
        return schema->task != LEARN_CLUSTER && model->shape[1] >= 1 &&
               model->shape[1] <= LIMIT_LEARN_CATEGORIES && model->shape[1] <= model->shape[2];
    case LEARN_TREE:
        return schema->task != LEARN_CLUSTER && model->shape[1] >= 1;
    case LEARN_KIND_COUNT:
        break;
    }
    return false;
}

/* Children lie behind their parent, so a walk ends; classes and features exist. */
static bool is_forest_sound(const struct learn_model *model)
{
    uint32_t trees = model->shape[1], nodes = model->shape[2];
    const double *node = model->weights + trees;
    for (uint32_t i = 0; i < trees; i++)
        if (!(model->weights[i] >= 0 && model->weights[i] < nodes))
            return false;
    for (uint32_t i = 0; i < nodes; i++, node += LEARN_NODE_SIZE) {
        bool is_leaf = node[0] == -1;
        if (is_leaf && model->schema.task == LEARN_CLASSIFY &&
            !(node[4] >= 0 && node[4] < model->schema.class_count))
            return false;
        if (!is_leaf && !(node[0] >= 0 && node[0] < model->shape[0] && node[2] > i &&
                          node[2] < nodes && node[3] > i && node[3] < nodes))
            return false;
    }
    return true;
}

static bool is_shape_sound(const struct learn_model *model)
{
    static const uint32_t dimensions[LEARN_KIND_COUNT] = {
        [LEARN_LINEAR] = 1, [LEARN_LOGISTIC] = 2, [LEARN_KMEANS] = 2,
        [LEARN_KNN] = 3,    [LEARN_TREE] = 3,     [LEARN_MLP] = 0};
    if (model->kind >= LEARN_KIND_COUNT)
        return false;
    bool is_mlp = model->kind == LEARN_MLP;
    if (is_mlp ? model->shape_count < 3 || model->shape_count > LEARN_SHAPE_MAX
               : model->shape_count != dimensions[model->kind])
        return false;
    uint32_t most = is_mlp ? LIMIT_LEARN_WIDTH : LIMIT_LEARN_WEIGHTS;
    for (uint32_t i = 0; i < model->shape_count; i++)
        if (model->shape[i] == 0 || model->shape[i] > most)
            return false;
    return true;
}

/* The classes that neighbours stand for exist. */
static bool is_neighbourhood_sound(const struct learn_model *model)
{
    uint32_t width = model->shape[0];
    for (uint32_t i = 0; i < model->shape[2]; i++) {
        double y = model->weights[(size_t)i * (width + 1) + width];
        if (!(y >= 0 && y < model->schema.class_count))
            return false;
    }
    return true;
}

bool learn_model_is_sound(const struct learn_model *model)
{
    if (!is_shape_sound(model) || model->shape[0] != model->schema.width ||
        model->schema.width > LIMIT_LEARN_WIDTH)
        return false;
    if (!is_outputs_sound(model) || expected_weights(model) != model->weight_count)
        return false;
    for (size_t i = 0; i < model->weight_count; i++)
        if (!__builtin_isfinite(model->weights[i]))
            return false;
    if (model->kind == LEARN_KNN && model->schema.task == LEARN_CLASSIFY)
        return is_neighbourhood_sound(model);
    return model->kind != LEARN_TREE || is_forest_sound(model);
}

static double linear_output(const double *w, const double *row, uint32_t n)
{
    double sum = w[n];
    for (uint32_t i = 0; i < n; i++)
        sum += w[i] * row[i];
    return sum;
}

static void pick_class(double *scores, uint32_t count, struct learn_answer *answer)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++)
        if (scores[i] > scores[best])
            best = i;
    answer->label = best;
    answer->score = scores[best];
}

static void predict_outputs(const struct learn_model *model, const double *row,
                            struct learn_answer *answer)
{
    double out[LIMIT_LEARN_CATEGORIES];
    uint32_t n = model->shape[0];
    CHECK(model->kind != LEARN_LOGISTIC || model->schema.task == LEARN_CLASSIFY);
    if (model->kind == LEARN_LINEAR)
        out[0] = linear_output(model->weights, row, n);
    else if (model->kind == LEARN_MLP)
        learn_mlp_forward(model, row, out);
    else
        for (uint32_t c = 0; c < model->shape[1]; c++)
            out[c] = linear_output(model->weights + (size_t)c * (n + 1), row, n);
    if (model->schema.task == LEARN_REGRESS) {
        answer->value = out[0];
        return;
    }
    learn_softmax(out, model->schema.class_count);
    pick_class(out, model->schema.class_count, answer);
}

/* In the attributes' own units: what was divided by the scale is multiplied by it again. */
static double own_distance(const struct learn_schema *schema, const double *a, const double *b)
{
    double sum = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < schema->attribute_count; i++) {
        const struct learn_attribute *attribute = &schema->attributes[i];
        uint32_t width = attribute->kind == LEARN_NUMBER ? 1 : attribute->category_count;
        for (uint32_t j = 0; j < width; j++, at++) {
            double d = (a[at] - b[at]) * attribute->scale;
            sum += d * d;
        }
    }
    return __builtin_sqrt(sum);
}

static double square_distance(const double *a, const double *b, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

static void predict_cluster(const struct learn_model *model, const double *row,
                            struct learn_answer *answer)
{
    uint32_t n = model->shape[0];
    double least = square_distance(row, model->weights, n);
    answer->label = 0;
    for (uint32_t c = 1; c < model->shape[1]; c++) {
        double d = square_distance(row, model->weights + (size_t)c * n, n);
        if (d < least) {
            least = d;
            answer->label = c;
        }
    }
    answer->distance =
        own_distance(&model->schema, row, model->weights + (size_t)answer->label * n);
}

/* Votes of leaves or neighbours: a share a class, or a mean. */
struct votes {
    double share[LIMIT_LEARN_CATEGORIES];
    double sum;
    uint32_t count;
};

static void votes_answer(const struct learn_model *model, struct votes *votes,
                         struct learn_answer *answer)
{
    if (model->schema.task == LEARN_REGRESS) {
        answer->value = votes->sum / votes->count;
        return;
    }
    for (uint32_t i = 0; i < model->schema.class_count; i++)
        votes->share[i] /= votes->count;
    pick_class(votes->share, model->schema.class_count, answer);
}

static void votes_add(const struct learn_model *model, struct votes *votes, double y)
{
    votes->count++;
    if (model->schema.task == LEARN_REGRESS)
        votes->sum += y;
    else
        votes->share[(uint32_t)y] += 1;
}

static void predict_neighbours(const struct learn_model *model, const double *row,
                               struct learn_answer *answer)
{
    uint32_t n = model->shape[0], k = model->shape[1], found = 0;
    double distance[LIMIT_LEARN_CATEGORIES], target[LIMIT_LEARN_CATEGORIES];
    CHECK(k > 0 && k <= LIMIT_LEARN_CATEGORIES);
    for (uint32_t i = 0; i < model->shape[2]; i++) {
        const double *other = model->weights + (size_t)i * (n + 1);
        double d = square_distance(row, other, n);
        if (found == k && d >= distance[k - 1])
            continue;
        uint32_t at = found < k ? found++ : k - 1;
        for (; at > 0 && distance[at - 1] > d; at--) {
            distance[at] = distance[at - 1];
            target[at] = target[at - 1];
        }
        distance[at] = d;
        target[at] = other[n];
    }
    struct votes votes = {.count = 0};
    for (uint32_t i = 0; i < found; i++)
        votes_add(model, &votes, target[i]);
    votes_answer(model, &votes, answer);
}

static void predict_forest(const struct learn_model *model, const double *row,
                           struct learn_answer *answer)
{
    uint32_t trees = model->shape[1];
    const double *nodes = model->weights + trees;
    struct votes votes = {.count = 0};
    for (uint32_t i = 0; i < trees; i++) {
        const double *node = nodes + (size_t)model->weights[i] * LEARN_NODE_SIZE;
        while (node[0] >= 0) {
            bool is_left = row[(uint32_t)node[0]] <= node[1];
            node = nodes + (size_t)node[is_left ? 2 : 3] * LEARN_NODE_SIZE;
        }
        votes_add(model, &votes, node[4]);
    }
    votes_answer(model, &votes, answer);
}

void learn_model_predict(const struct learn_model *model, const double *row,
                         struct learn_answer *ret_answer)
{
    struct learn_answer answer = {0};
    switch (model->kind) {
    case LEARN_LINEAR:
    case LEARN_LOGISTIC:
    case LEARN_MLP:
        predict_outputs(model, row, &answer);
        break;
    case LEARN_KMEANS:
        predict_cluster(model, row, &answer);
        break;
    case LEARN_KNN:
        predict_neighbours(model, row, &answer);
        break;
    case LEARN_TREE:
        predict_forest(model, row, &answer);
        break;
    case LEARN_KIND_COUNT:
        CHECK(false);
    }
    if (model->schema.task == LEARN_REGRESS)
        answer.value = model->target_mean + model->target_scale * answer.value;
    *ret_answer = answer;
}
