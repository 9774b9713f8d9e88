#include "base/check.h"
#include "base/limits.h"
#include "base/maths.h"
#include "base/rng.h"
#include "learn/fit.h"

enum { LAYERS_MAX = LEARN_SHAPE_MAX - 1 };

/* Activations of one row: level 0 is the input. */
struct levels {
    double a[LEARN_SHAPE_MAX][LIMIT_LEARN_WIDTH];
};

static size_t layer_size(const uint32_t *shape, uint32_t layer)
{
    return (size_t)(shape[layer] + 1) * shape[layer + 1];
}

static void forward(const uint32_t *shape, uint32_t shape_count, const double *weights,
                    struct levels *levels)
{
    for (uint32_t layer = 0; layer + 1 < shape_count; layer++) {
        const double *in = levels->a[layer];
        double *out = levels->a[layer + 1];
        uint32_t n = shape[layer];
        for (uint32_t o = 0; o < shape[layer + 1]; o++) {
            const double *w = weights + (size_t)o * (n + 1);
            double sum = w[n];
            for (uint32_t i = 0; i < n; i++)
                sum += w[i] * in[i];
            out[o] = layer + 2 < shape_count ? maths_tanh(sum) : sum;
        }
        weights += layer_size(shape, layer);
    }
}

void learn_mlp_forward(const struct learn_model *model, const double *row, double *ret_outputs)
{
    struct levels levels;
    memcpy(levels.a[0], row, model->shape[0] * sizeof *row);
    forward(model->shape, model->shape_count, model->weights, &levels);
    uint32_t last = model->shape_count - 1;
    memcpy(ret_outputs, levels.a[last], model->shape[last] * sizeof *ret_outputs);
}

/* Adds the gradient of one row to <gradient>; <levels> is after forward(), its last level replaced
 * by the error there. */
static void backward(const uint32_t *shape, uint32_t shape_count, const double *weights,
                     struct levels *levels, double *gradient)
{
    const double *w_of[LAYERS_MAX];
    double *g_of[LAYERS_MAX];
    for (uint32_t layer = 0; layer + 1 < shape_count; layer++) {
        w_of[layer] = weights;
        g_of[layer] = gradient;
        weights += layer_size(shape, layer);
        gradient += layer_size(shape, layer);
    }
    double error[LIMIT_LEARN_WIDTH], below[LIMIT_LEARN_WIDTH];
    memcpy(error, levels->a[shape_count - 1], shape[shape_count - 1] * sizeof *error);
    for (uint32_t layer = shape_count - 1; layer-- > 0;) {
        uint32_t n = shape[layer];
        const double *in = levels->a[layer];
        memset(below, 0, n * sizeof *below);
        for (uint32_t o = 0; o < shape[layer + 1]; o++) {
            const double *w = w_of[layer] + (size_t)o * (n + 1);
            double *g = g_of[layer] + (size_t)o * (n + 1);
            for (uint32_t i = 0; i < n; i++) {
                g[i] += error[o] * in[i];
                below[i] += error[o] * w[i];
            }
            g[n] += error[o];
        }
        for (uint32_t i = 0; i < n; i++)
            error[i] = below[i] * (1 - in[i] * in[i]);
    }
}

struct adam {
    double *m, *v, *gradient;
    double power1, power2; /* beta^t */
};

static void adam_step(struct adam *adam, double *weights, size_t count, double rate, double l2)
{
    adam->power1 *= 0.9;
    adam->power2 *= 0.999;
    for (size_t i = 0; i < count; i++) {
        double g = adam->gradient[i];
        adam->m[i] = 0.9 * adam->m[i] + 0.1 * g;
        adam->v[i] = 0.999 * adam->v[i] + 0.001 * g * g;
        double m = adam->m[i] / (1 - adam->power1);
        double v = adam->v[i] / (1 - adam->power2);
        weights[i] -= rate * (m / (__builtin_sqrt(v) + 1e-8) + l2 * weights[i]);
        adam->gradient[i] = 0;
    }
}

static void shuffle(uint32_t *order, size_t count, struct rng *rng)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)rng_below(rng, i);
        uint32_t kept = order[i - 1];
        order[i - 1] = order[j];
        order[j] = kept;
    }
}

void learn_mlp_gradient(const struct learn_model *model, const double *row, double target,
                        uint32_t class_count, double share, double *gradient)
{
    struct levels levels;
    uint32_t last = model->shape_count - 1;
    memcpy(levels.a[0], row, model->shape[0] * sizeof *row);
    forward(model->shape, model->shape_count, model->weights, &levels);
    double *out = levels.a[last];
    if (class_count) {
        learn_softmax(out, class_count);
        out[(uint32_t)target] -= 1;
    } else {
        out[0] -= target;
    }
    for (uint32_t i = 0; i < model->shape[last]; i++)
        out[i] *= share;
    backward(model->shape, model->shape_count, model->weights, &levels, gradient);
}

static void train(const struct learn_data *data, const struct learn_options *options,
                  struct learn_model *model, struct adam *adam, uint32_t *order, struct rng *rng)
{
    for (size_t i = 0; i < data->row_count; i++)
        order[i] = (uint32_t)i;
    for (uint32_t epoch = 0; epoch < options->epochs; epoch++) {
        double left = 1 - (double)epoch / (double)options->epochs;
        double rate = options->rate * (0.1 + 0.9 * left);
        shuffle(order, data->row_count, rng);
        for (size_t at = 0; at < data->row_count; at += options->batch) {
            size_t end = at + options->batch;
            end = end < data->row_count ? end : data->row_count;
            double share = 1 / (double)(end - at);
            for (size_t i = at; i < end; i++)
                learn_mlp_gradient(model, data->x + (size_t)order[i] * data->width,
                                   data->y[order[i]], data->class_count, share, adam->gradient);
            adam_step(adam, model->weights, model->weight_count, rate, options->l2);
        }
    }
}

enum err learn_mlp_fit(const struct learn_data *data, const struct learn_options *options,
                       struct arena *arena, struct learn_model *model)
{
    uint32_t count = 0;
    model->kind = LEARN_MLP;
    model->shape[count++] = data->width;
    for (unsigned i = 0; i < 2 && options->hidden[i]; i++)
        model->shape[count++] = options->hidden[i];
    model->shape[count++] = data->class_count ? data->class_count : 1;
    model->shape_count = count;
    if (count < 3 || options->batch == 0)
        return ERR_VALUE;
    size_t size = 0;
    for (uint32_t i = 0; i + 1 < count; i++) {
        if (model->shape[i] > LIMIT_LEARN_WIDTH)
            return ERR_VALUE;
        size += layer_size(model->shape, i);
    }
    double *weights = ARENA_ARRAY(arena, double, size);
    size_t mark = arena->used;
    struct adam adam = {.m = ARENA_ARRAY(arena, double, size),
                        .v = ARENA_ARRAY(arena, double, size),
                        .gradient = ARENA_ARRAY(arena, double, size),
                        .power1 = 1,
                        .power2 = 1};
    uint32_t *order = ARENA_ARRAY(arena, uint32_t, data->row_count);
    if (!weights || !adam.m || !adam.v || !adam.gradient || !order)
        return ERR_MEMORY;

    struct rng rng;
    rng_init(&rng, options->seed);
    double *w = weights;
    for (uint32_t layer = 0; layer + 1 < count; layer++) {
        double spread = 1 / __builtin_sqrt((double)model->shape[layer]);
        for (uint32_t o = 0; o < model->shape[layer + 1]; o++) {
            for (uint32_t i = 0; i < model->shape[layer]; i++)
                *w++ = spread * rng_normal(&rng);
            *w++ = 0;
        }
    }
    model->weights = weights;
    model->weight_count = size;
    train(data, options, model, &adam, order, &rng);
    arena_reset(arena, mark);
    return ERR_OK;
}
