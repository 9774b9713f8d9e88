#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/maths.h"
#include "base/rng.h"
#include "learn/fit.h"
#include "learn/metrics.h"

enum { ARENA_SIZE = 16 << 20 };

static char memory[ARENA_SIZE];
static struct arena arena;
static struct learn_options options;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, memory, sizeof memory);
    learn_options_default(&options);
    return 0;
}

static void assert_near(double value, double expected, double tolerance)
{
    double miss = value - expected;
    if (!(miss < tolerance && -miss < tolerance))
        fail_msg("expected %.12g, found %.12g", expected, value);
}

/* A schema of numbers as they are. */
static void make_schema(struct learn_model *model, enum learn_task task, uint32_t width,
                        uint32_t classes)
{
    static struct learn_attribute attributes[8];
    for (uint32_t i = 0; i < width; i++)
        attributes[i] = (struct learn_attribute){.kind = LEARN_NUMBER, .scale = 1};
    *model = (struct learn_model){.target_scale = 1};
    model->schema = (struct learn_schema){.task = task,
                                          .attribute_count = width,
                                          .attributes = attributes,
                                          .width = width,
                                          .class_count = classes};
}

static struct learn_answer ask(const struct learn_model *model, double a, double b)
{
    double row[2] = {a, b};
    struct learn_answer answer;
    assert_true(learn_model_is_sound(model));
    learn_model_predict(model, row, &answer);
    return answer;
}

static void linear_finds_the_plane_that_made_the_rows(void **state)
{
    (void)state;
    struct learn_model model;
    double x[20], y[10];
    make_schema(&model, LEARN_REGRESS, 2, 0);
    for (int i = 0; i < 10; i++) {
        x[2 * i] = i;
        x[2 * i + 1] = i * i % 7;
        y[i] = 3 + 2 * x[2 * i] - 5 * x[2 * i + 1];
    }
    options.l2 = 0;
    struct learn_data data = {x, y, 10, 2, 0};
    assert_int_equal(learn_linear_fit(&data, &options, &arena, &model), ERR_OK);
    assert_near(model.weights[0], 2, 1e-6);
    assert_near(model.weights[1], -5, 1e-6);
    assert_near(model.weights[2], 3, 1e-6);
    assert_near(ask(&model, 10, 1).value, 18, 1e-5);
}

static void logistic_predicts_by_the_weights_given(void **state)
{
    (void)state;
    struct learn_model model;
    double weights[6] = {0, 0, 0, 1, -1, 0.5};
    make_schema(&model, LEARN_CLASSIFY, 2, 2);
    model.kind = LEARN_LOGISTIC;
    model.shape_count = 2;
    model.shape[0] = 2;
    model.shape[1] = 2;
    model.weights = weights;
    model.weight_count = 6;
    /* class 1 scores 2 - 1 + 0.5 = 1.5: 1 / (1 + e^-1.5) */
    struct learn_answer answer = ask(&model, 2, 1);
    assert_int_equal(answer.label, 1);
    assert_near(answer.score, 0.81757447619364365, 1e-12);
}

static void logistic_reaches_the_optimum_where_the_gradient_is_zero(void **state)
{
    (void)state;
    struct learn_model model;
    /* One feature of one value: the bias alone decides, and must say the share of the class. */
    double x[4] = {0, 0, 0, 0}, y[4] = {0, 1, 1, 1};
    make_schema(&model, LEARN_CLASSIFY, 1, 2);
    options.epochs = 2000;
    options.l2 = 0;
    struct learn_data data = {x, y, 4, 1, 2};
    assert_int_equal(learn_logistic_fit(&data, &options, &arena, &model), ERR_OK);
    assert_near(ask(&model, 0, 0).score, 0.75, 1e-6);
}

static void an_mlp_forward_pass_is_what_a_hand_computes(void **state)
{
    (void)state;
    struct learn_model model;
    double weights[] = {1, 2, 0, /* hidden 0 */ 0, 1, -1, /* hidden 1 */ 2, -1, 0.5 /* output */};
    make_schema(&model, LEARN_REGRESS, 2, 0);
    model.kind = LEARN_MLP;
    model.shape_count = 3;
    memcpy(model.shape, (uint32_t[]){2, 2, 1}, 3 * sizeof(uint32_t));
    model.weights = weights;
    model.weight_count = 9;
    double expected = 2 * maths_tanh(0.1 + 2 * 0.3) - maths_tanh(0.3 - 1) + 0.5;
    assert_near(ask(&model, 0.1, 0.3).value, expected, 1e-15);
}

/* Against differences of the loss: the one check that finds a wrong factor. */
static void an_mlps_gradient_is_the_slope_of_its_loss(void **state)
{
    (void)state;
    double x[2] = {0.7, -0.4}, y[1] = {1};
    struct learn_data data = {x, y, 1, 2, 3};
    struct learn_model model;
    double gradient[64] = {0}, outputs[3];
    make_schema(&model, LEARN_CLASSIFY, 2, 3);
    options.hidden[0] = 4;
    options.hidden[1] = 3;
    options.epochs = 1;
    assert_int_equal(learn_mlp_fit(&data, &options, &arena, &model), ERR_OK);
    assert_true(model.weight_count <= COUNT_OF(gradient));
    learn_mlp_gradient(&model, x, 1, 3, 1, gradient);
    for (size_t i = 0; i < model.weight_count; i++) {
        double loss[2], kept = model.weights[i];
        for (int side = 0; side < 2; side++) {
            model.weights[i] = kept + (side ? 1e-5 : -1e-5);
            learn_mlp_forward(&model, x, outputs);
            learn_softmax(outputs, 3);
            loss[side] = -maths_log(outputs[1]);
        }
        model.weights[i] = kept;
        assert_near(gradient[i], (loss[1] - loss[0]) / 2e-5, 1e-8);
    }
}

/* Not linearly separable: a network that learns it has working gradients in both layers. */
static void an_mlp_learns_exclusive_or(void **state)
{
    (void)state;
    double x[8] = {-1, -1, -1, 1, 1, -1, 1, 1}, y[4] = {0, 1, 1, 0};
    struct learn_data data = {x, y, 4, 2, 2};
    options.hidden[0] = 6;
    options.batch = 4;
    options.epochs = 1500;
    options.rate = 0.02;
    for (uint32_t second = 0; second < 6; second += 5) {
        struct learn_model model;
        make_schema(&model, LEARN_CLASSIFY, 2, 2);
        options.hidden[1] = second;
        assert_int_equal(learn_mlp_fit(&data, &options, &arena, &model), ERR_OK);
        for (int i = 0; i < 4; i++)
            assert_int_equal(ask(&model, x[2 * i], x[2 * i + 1]).label, (int)y[i]);
    }
}

static void the_same_seed_gives_the_same_bits(void **state)
{
    (void)state;
    double x[8] = {-1, -1, -1, 1, 1, -1, 1, 1}, y[4] = {0, 1, 1, 0};
    struct learn_data data = {x, y, 4, 2, 2};
    struct learn_model first, second, third;
    make_schema(&first, LEARN_CLASSIFY, 2, 2);
    second = third = first;
    assert_int_equal(learn_mlp_fit(&data, &options, &arena, &first), ERR_OK);
    assert_int_equal(learn_mlp_fit(&data, &options, &arena, &second), ERR_OK);
    assert_memory_equal(first.weights, second.weights, first.weight_count * sizeof(double));
    options.seed = 2;
    assert_int_equal(learn_mlp_fit(&data, &options, &arena, &third), ERR_OK);
    assert_true(memcmp(first.weights, third.weights, first.weight_count * sizeof(double)) != 0);
}

static void kmeans_finds_two_heaps_and_their_centres(void **state)
{
    (void)state;
    struct learn_model model;
    double x[] = {0, 0, 0, 1, 1, 0, 1, 1, 10, 10, 10, 11, 11, 10, 11, 11};
    struct learn_data data = {x, NULL, 8, 2, 0};
    make_schema(&model, LEARN_CLUSTER, 2, 0);
    options.k = 2;
    assert_int_equal(learn_kmeans_fit(&data, &options, &arena, &model), ERR_OK);
    struct learn_answer near = ask(&model, 0.5, 0.5), far = ask(&model, 10.5, 14.5);
    assert_true(near.label != far.label);
    assert_near(near.distance, 0, 1e-12);
    assert_near(far.distance, 4, 1e-12);
}

static void distances_are_in_the_attributes_own_units(void **state)
{
    (void)state;
    struct learn_model model;
    double centre[2] = {0, 0};
    make_schema(&model, LEARN_CLUSTER, 2, 0);
    model.schema.attributes[0].scale = 3;
    model.schema.attributes[1].scale = 4;
    model.kind = LEARN_KMEANS;
    model.shape_count = 2;
    model.shape[0] = 2;
    model.shape[1] = 1;
    model.weights = centre;
    model.weight_count = 2;
    assert_near(ask(&model, 1, 1).distance, 5, 1e-12); /* 3 and 4 in their own units */
}

static void neighbours_vote(void **state)
{
    (void)state;
    struct learn_model model;
    double x[] = {0, 0, 0, 1, 5, 5, 5, 6, 6, 5}, y[] = {0, 0, 1, 1, 1};
    struct learn_data data = {x, y, 5, 2, 2};
    make_schema(&model, LEARN_CLASSIFY, 2, 2);
    options.k = 3;
    assert_int_equal(learn_knn_fit(&data, &options, &arena, &model), ERR_OK);
    struct learn_answer answer = ask(&model, 0, 0.4);
    assert_int_equal(answer.label, 0);
    assert_near(answer.score, 2.0 / 3, 1e-12);
    assert_int_equal(ask(&model, 5.2, 5.2).label, 1);
}

static void a_tree_cuts_between_the_values_that_differ(void **state)
{
    (void)state;
    struct learn_model model;
    double x[] = {1, 9, 2, 9, 3, 9, 7, 9, 8, 9, 9, 9}, y[] = {0, 0, 0, 1, 1, 1};
    struct learn_data data = {x, y, 6, 2, 2};
    make_schema(&model, LEARN_CLASSIFY, 2, 2);
    options.leaf_min = 1;
    assert_int_equal(learn_tree_fit(&data, &options, &arena, &model), ERR_OK);
    assert_int_equal(model.shape[2], 3);
    assert_near(model.weights[1], 0, 1e-12); /* feature */
    assert_near(model.weights[2], 5, 1e-12); /* between 3 and 7 */
    assert_int_equal(ask(&model, 4.9, 0).label, 0);
    assert_int_equal(ask(&model, 5.1, 0).label, 1);
}

static void a_regression_tree_answers_means(void **state)
{
    (void)state;
    struct learn_model model;
    double x[] = {1, 2, 3, 7, 8, 9}, y[] = {1, 2, 3, 11, 12, 13};
    struct learn_data data = {x, y, 6, 1, 0};
    make_schema(&model, LEARN_REGRESS, 1, 0);
    options.leaf_min = 3;
    assert_int_equal(learn_tree_fit(&data, &options, &arena, &model), ERR_OK);
    assert_near(ask(&model, 0, 0).value, 2, 1e-12);
    assert_near(ask(&model, 20, 0).value, 12, 1e-12);
}

static void a_forest_beats_chance_on_noisy_rings(void **state)
{
    (void)state;
    enum { ROWS = 400 };
    static double x[2 * ROWS], y[ROWS];
    struct learn_model model;
    struct rng rng;
    rng_init(&rng, 3);
    for (int i = 0; i < ROWS; i++) {
        x[2 * i] = rng_normal(&rng);
        x[2 * i + 1] = rng_normal(&rng);
        y[i] = x[2 * i] * x[2 * i] + x[2 * i + 1] * x[2 * i + 1] > 1.4;
    }
    struct learn_data data = {x, y, ROWS / 2, 2, 2};
    make_schema(&model, LEARN_CLASSIFY, 2, 2);
    options.trees = 20;
    options.leaf_min = 2;
    assert_int_equal(learn_tree_fit(&data, &options, &arena, &model), ERR_OK);
    int right = 0;
    for (int i = ROWS / 2; i < ROWS; i++)
        right += ask(&model, x[2 * i], x[2 * i + 1]).label == (uint32_t)y[i];
    assert_in_range(right, ROWS / 2 * 85 / 100, ROWS / 2);
}

static void too_little_memory_is_an_answer_not_a_crash(void **state)
{
    (void)state;
    double x[8] = {0}, y[4] = {0, 1, 0, 1};
    struct learn_data data = {x, y, 4, 2, 2};
    for (enum learn_kind kind = LEARN_LINEAR; kind < LEARN_KIND_COUNT; kind++) {
        struct learn_model model = {0};
        struct arena small;
        options.k = 2;
        options.epochs = 1;
        for (size_t size = 0; size < 64; size += 16) {
            arena_init(&small, memory, size);
            assert_int_equal(learn_fit(kind, &data, &options, &small, &model), ERR_MEMORY);
        }
    }
}

static void measures_are_those_of_the_textbook(void **state)
{
    (void)state;
    struct learn_confusion c = {.class_count = 2};
    c.count[0][0] = 50;
    c.count[0][1] = 10;
    c.count[1][0] = 5;
    c.count[1][1] = 35;
    struct learn_class_metrics m;
    learn_confusion_class(&c, 1, &m);
    assert_near(learn_confusion_accuracy(&c), 0.85, 1e-12);
    assert_near(m.precision, 35.0 / 45, 1e-12);
    assert_near(m.recall, 35.0 / 40, 1e-12);
    assert_near(m.f1, 2 * (35.0 / 45) * (35.0 / 40) / (35.0 / 45 + 35.0 / 40), 1e-12);
    struct learn_errors errors = {0};
    learn_errors_add(&errors, 1, 2);
    learn_errors_add(&errors, 3, 3);
    learn_errors_add(&errors, 5, 3);
    assert_near(learn_errors_mae(&errors), 1, 1e-12);
    assert_near(learn_errors_rmse(&errors), 1.2909944487358056, 1e-12);
    assert_near(learn_errors_r2(&errors), 1 - 5.0 / 8, 1e-12);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(linear_finds_the_plane_that_made_the_rows),
        TEST(logistic_predicts_by_the_weights_given),
        TEST(logistic_reaches_the_optimum_where_the_gradient_is_zero),
        TEST(an_mlp_forward_pass_is_what_a_hand_computes),
        TEST(an_mlps_gradient_is_the_slope_of_its_loss),
        TEST(an_mlp_learns_exclusive_or),
        TEST(the_same_seed_gives_the_same_bits),
        TEST(kmeans_finds_two_heaps_and_their_centres),
        TEST(distances_are_in_the_attributes_own_units),
        TEST(neighbours_vote),
        TEST(a_tree_cuts_between_the_values_that_differ),
        TEST(a_regression_tree_answers_means),
        TEST(a_forest_beats_chance_on_noisy_rings),
        TEST(too_little_memory_is_an_answer_not_a_crash),
        TEST(measures_are_those_of_the_textbook),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
