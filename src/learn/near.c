/* near.c: the models that compare by distance: k-means and k nearest neighbours. */
#include "base/check.h"
#include "base/limits.h"
#include "base/rng.h"
#include "learn/fit.h"

static double square_distance(const double *a, const double *b, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

static const double *row_of(const struct learn_data *data, size_t row)
{
    return data->x + row * data->width;
}

/* k-means++: each further centre is a row, drawn by its square distance to the nearest so far. */
static void seed_centres(const struct learn_data *data, uint32_t k, double *centres,
                         double *nearest, struct rng *rng)
{
    uint32_t width = data->width;
    size_t first = (size_t)rng_below(rng, data->row_count);
    memcpy(centres, row_of(data, first), width * sizeof(double));
    for (size_t i = 0; i < data->row_count; i++)
        nearest[i] = square_distance(row_of(data, i), centres, width);
    for (uint32_t c = 1; c < k; c++) {
        double sum = 0;
        for (size_t i = 0; i < data->row_count; i++)
            sum += nearest[i];
        double mark = rng_unit(rng) * sum;
        size_t pick = 0;
        for (double passed = nearest[0]; passed <= mark && pick + 1 < data->row_count;)
            passed += nearest[++pick];
        double *centre = centres + (size_t)c * width;
        memcpy(centre, row_of(data, pick), width * sizeof(double));
        for (size_t i = 0; i < data->row_count; i++) {
            double d = square_distance(row_of(data, i), centre, width);
            nearest[i] = d < nearest[i] ? d : nearest[i];
        }
    }
}

static uint32_t nearest_centre(const double *x, const double *centres, uint32_t k, uint32_t width,
                               double *ret_square)
{
    uint32_t best = 0;
    double least = square_distance(x, centres, width);
    for (uint32_t c = 1; c < k; c++) {
        double d = square_distance(x, centres + (size_t)c * width, width);
        if (d < least) {
            least = d;
            best = c;
        }
    }
    *ret_square = least;
    return best;
}

/* Lloyd's rounds until nothing moves; answers the inertia. An empty cluster keeps its centre. */
static double settle(const struct learn_data *data, uint32_t k, uint32_t rounds, double *centres,
                     double *sums, uint32_t *counts)
{
    double inertia = -1;
    for (uint32_t round = 0; round < rounds; round++) {
        double before = inertia;
        inertia = 0;
        memset(sums, 0, (size_t)k * data->width * sizeof *sums);
        memset(counts, 0, k * sizeof *counts);
        for (size_t i = 0; i < data->row_count; i++) {
            double square;
            uint32_t c = nearest_centre(row_of(data, i), centres, k, data->width, &square);
            inertia += square;
            counts[c]++;
            for (uint32_t j = 0; j < data->width; j++)
                sums[(size_t)c * data->width + j] += row_of(data, i)[j];
        }
        if (inertia == before)
            break;
        for (uint32_t c = 0; c < k; c++)
            for (uint32_t j = 0; counts[c] && j < data->width; j++)
                centres[(size_t)c * data->width + j] =
                    sums[(size_t)c * data->width + j] / counts[c];
    }
    return inertia;
}

enum err learn_kmeans_fit(const struct learn_data *data, const struct learn_options *options,
                          struct arena *arena, struct learn_model *model)
{
    uint32_t k = options->k;
    if (k < 1 || k > LIMIT_LEARN_CATEGORIES || data->row_count < k)
        return ERR_VALUE;
    size_t n = (size_t)k * data->width;
    double *best = ARENA_ARRAY(arena, double, n);
    size_t mark = arena->used;
    double *centres = ARENA_ARRAY(arena, double, n);
    double *sums = ARENA_ARRAY(arena, double, n);
    double *nearest = ARENA_ARRAY(arena, double, data->row_count);
    uint32_t *counts = ARENA_ARRAY(arena, uint32_t, k);
    if (!best || !centres || !sums || !nearest || !counts)
        return ERR_MEMORY;
    struct rng rng;
    rng_init(&rng, options->seed);
    double least = 0;
    for (uint32_t start = 0; start < (options->starts ? options->starts : 1); start++) {
        seed_centres(data, k, centres, nearest, &rng);
        double inertia = settle(data, k, options->epochs, centres, sums, counts);
        if (start == 0 || inertia < least) {
            least = inertia;
            memcpy(best, centres, n * sizeof *best);
        }
    }
    arena_reset(arena, mark);
    model->kind = LEARN_KMEANS;
    model->shape_count = 2;
    model->shape[0] = data->width;
    model->shape[1] = k;
    model->weights = best;
    model->weight_count = n;
    return ERR_OK;
}

enum err learn_knn_fit(const struct learn_data *data, const struct learn_options *options,
                       struct arena *arena, struct learn_model *model)
{
    size_t n = data->row_count * (data->width + 1);
    if (options->k < 1 || options->k > LIMIT_LEARN_CATEGORIES || data->row_count < options->k ||
        n > LIMIT_LEARN_WEIGHTS)
        return ERR_VALUE;
    double *weights = ARENA_ARRAY(arena, double, n);
    if (!weights)
        return ERR_MEMORY;
    for (size_t i = 0; i < data->row_count; i++) {
        double *row = weights + i * (data->width + 1);
        memcpy(row, row_of(data, i), data->width * sizeof *row);
        row[data->width] = data->y[i];
    }
    model->kind = LEARN_KNN;
    model->shape_count = 3;
    model->shape[0] = data->width;
    model->shape[1] = options->k;
    model->shape[2] = (uint32_t)data->row_count;
    model->weights = weights;
    model->weight_count = n;
    return ERR_OK;
}
