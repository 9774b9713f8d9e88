#include "base/check.h"
#include "base/limits.h"
#include "base/maths.h"
#include "learn/fit.h"

void learn_softmax(double *values, uint32_t count)
{
    double top = values[0];
    for (uint32_t i = 1; i < count; i++)
        top = values[i] > top ? values[i] : top;
    double sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        values[i] = maths_exp(values[i] - top);
        sum += values[i];
    }
    for (uint32_t i = 0; i < count; i++)
        values[i] /= sum;
}

static double column_of(const struct learn_data *data, size_t row, uint32_t column)
{
    return column == data->width ? 1.0 : data->x[row * data->width + column];
}

/* Cholesky in place (lower triangle), then two triangular solves into <b>. */
static void solve(double *a, double *b, uint32_t n)
{
    for (uint32_t j = 0; j < n; j++) {
        double pivot = a[j * n + j];
        for (uint32_t k = 0; k < j; k++)
            pivot -= a[j * n + k] * a[j * n + k];
        CHECK(pivot > 0);
        pivot = __builtin_sqrt(pivot);
        a[j * n + j] = pivot;
        for (uint32_t i = j + 1; i < n; i++) {
            double sum = a[i * n + j];
            for (uint32_t k = 0; k < j; k++)
                sum -= a[i * n + k] * a[j * n + k];
            a[i * n + j] = sum / pivot;
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < i; k++)
            b[i] -= a[i * n + k] * b[k];
        b[i] /= a[i * n + i];
    }
    for (uint32_t i = n; i-- > 0;) {
        for (uint32_t k = i + 1; k < n; k++)
            b[i] -= a[k * n + i] * b[k];
        b[i] /= a[i * n + i];
    }
}

enum err learn_linear_fit(const struct learn_data *data, const struct learn_options *options,
                          struct arena *arena, struct learn_model *model)
{
    uint32_t n = data->width + 1;
    double *weights = ARENA_ARRAY(arena, double, n);
    size_t mark = arena->used;
    double *a = ARENA_ARRAY(arena, double, (size_t)n *n);
    if (!weights || !a)
        return ERR_MEMORY;
    for (size_t row = 0; row < data->row_count; row++)
        for (uint32_t i = 0; i < n; i++) {
            double xi = column_of(data, row, i);
            weights[i] += xi * data->y[row];
            for (uint32_t j = 0; j <= i; j++)
                a[i * n + j] += xi * column_of(data, row, j);
        }
    /* One-hot columns sum to one beside the bias: without a ridge the matrix is singular. */
    double ridge = (options->l2 > 1e-9 ? options->l2 : 1e-9) * (double)data->row_count;
    for (uint32_t i = 0; i < n; i++)
        a[i * n + i] += i + 1 == n ? 1e-9 * (double)data->row_count : ridge;
    solve(a, weights, n);
    arena_reset(arena, mark);
    model->kind = LEARN_LINEAR;
    model->shape_count = 1;
    model->shape[0] = data->width;
    model->weights = weights;
    model->weight_count = n;
    return ERR_OK;
}

/* Largest eigenvalue of X'X / rows, bias column included, by 20 power iterations. */
static double largest_eigenvalue(const struct learn_data *data, double *v, double *next)
{
    uint32_t n = data->width + 1;
    double value = 1;
    for (uint32_t i = 0; i < n; i++)
        v[i] = 1;
    for (unsigned round = 0; round < 20; round++) {
        memset(next, 0, n * sizeof *next);
        for (size_t row = 0; row < data->row_count; row++) {
            double dot = 0;
            for (uint32_t i = 0; i < n; i++)
                dot += column_of(data, row, i) * v[i];
            for (uint32_t i = 0; i < n; i++)
                next[i] += dot * column_of(data, row, i);
        }
        double norm = 0;
        for (uint32_t i = 0; i < n; i++)
            norm += next[i] * next[i];
        norm = __builtin_sqrt(norm);
        if (!(norm > 0))
            return 1;
        value = norm / (double)data->row_count;
        for (uint32_t i = 0; i < n; i++)
            v[i] = next[i] / norm;
        /* v is of unit length from the first round on, so the norm is the eigenvalue. */
    }
    return value;
}

/* gradient of the mean cross entropy at <at>, into <gradient>. */
static void logistic_gradient(const struct learn_data *data, const double *at, double l2,
                              double *gradient)
{
    uint32_t n = data->width + 1, classes = data->class_count;
    double p[LIMIT_LEARN_CATEGORIES];
    memset(gradient, 0, (size_t)n * classes * sizeof *gradient);
    for (size_t row = 0; row < data->row_count; row++) {
        const double *x = data->x + row * data->width;
        for (uint32_t c = 0; c < classes; c++) {
            const double *w = at + (size_t)c * n;
            p[c] = w[data->width];
            for (uint32_t i = 0; i < data->width; i++)
                p[c] += w[i] * x[i];
        }
        learn_softmax(p, classes);
        p[(uint32_t)data->y[row]] -= 1;
        for (uint32_t c = 0; c < classes; c++) {
            double *g = gradient + (size_t)c * n;
            for (uint32_t i = 0; i < data->width; i++)
                g[i] += p[c] * x[i];
            g[data->width] += p[c];
        }
    }
    for (uint32_t c = 0; c < classes; c++)
        for (uint32_t i = 0; i < n; i++) {
            size_t at_i = (size_t)c * n + i;
            gradient[at_i] =
                gradient[at_i] / (double)data->row_count + (i < data->width ? l2 * at[at_i] : 0);
        }
}

enum err learn_logistic_fit(const struct learn_data *data, const struct learn_options *options,
                            struct arena *arena, struct learn_model *model)
{
    CHECK(data->class_count >= 2 && data->class_count <= LIMIT_LEARN_CATEGORIES);
    size_t n = (size_t)(data->width + 1) * data->class_count;
    double *weights = ARENA_ARRAY(arena, double, n);
    size_t mark = arena->used;
    double *ahead = ARENA_ARRAY(arena, double, n);
    double *gradient = ARENA_ARRAY(arena, double, n);
    if (!weights || !ahead || !gradient)
        return ERR_MEMORY;
    /* The Hessian of softmax is at most 1/2 (X'X / rows): Boehning 1992. */
    double step = 1 / (0.5 * largest_eigenvalue(data, ahead, gradient) + options->l2);
    memset(ahead, 0, n * sizeof *ahead);
    for (uint32_t t = 0; t < options->epochs; t++) {
        logistic_gradient(data, ahead, options->l2, gradient);
        double momentum = (double)t / (double)(t + 3);
        for (size_t i = 0; i < n; i++) {
            double next = ahead[i] - step * gradient[i];
            ahead[i] = next + momentum * (next - weights[i]);
            weights[i] = next;
        }
    }
    arena_reset(arena, mark);
    model->kind = LEARN_LOGISTIC;
    model->shape_count = 2;
    model->shape[0] = data->width;
    model->shape[1] = data->class_count;
    model->weights = weights;
    model->weight_count = n;
    return ERR_OK;
}
