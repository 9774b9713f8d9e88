#include "learn/study.h"

#include "base/check.h"
#include "base/rng.h"

struct part {
    const struct learn_table *table;
    uint32_t *row_of;
    size_t row_count;
    double *x, *y;
};

static enum err all_rows(const struct learn_table *table, struct arena *arena, struct part *part)
{
    part->table = table;
    part->row_count = table->row_count;
    part->row_of = ARENA_ARRAY(arena, uint32_t, table->row_count);
    if (!part->row_of)
        return ERR_MEMORY;
    for (size_t i = 0; i < table->row_count; i++)
        part->row_of[i] = (uint32_t)i;
    return ERR_OK;
}

/* Parts of one table: shuffled by the seed, or cut where the last rows begin. */
static enum err split(const struct learn_study_rules *rules, struct arena *arena,
                      struct part *train, struct part *test, struct text *why)
{
    enum err err = all_rows(rules->data, arena, train);
    if (err)
        return err;
    if (rules->test)
        return all_rows(rules->test, arena, test);
    size_t count = train->row_count;
    if (!rules->is_tail_test) {
        struct rng rng;
        rng_init(&rng, rules->options.seed);
        for (size_t i = count; i > 1; i--) {
            size_t j = (size_t)rng_below(&rng, i);
            uint32_t kept = train->row_of[i - 1];
            train->row_of[i - 1] = train->row_of[j];
            train->row_of[j] = kept;
        }
    }
    size_t test_count = (size_t)((uint64_t)count * rules->test_share_ppm / 1000000);
    if (test_count == 0 || test_count >= count) {
        if (why)
            text_add(why, "expected a test part between 1 and %zu rows, found %zu", count - 1,
                     test_count);
        return ERR_VALUE;
    }
    train->row_count = count - test_count;
    test->table = rules->data;
    test->row_of = train->row_of + train->row_count;
    test->row_count = test_count;
    return ERR_OK;
}

static enum err encode(const struct learn_schema *schema, struct arena *arena, struct part *part,
                       struct text *why)
{
    bool has_target = schema->task != LEARN_CLUSTER;
    part->x = ARENA_ARRAY(arena, double, part->row_count * schema->width);
    part->y = ARENA_ARRAY(arena, double, part->row_count);
    if (!part->x || !part->y)
        return ERR_MEMORY;
    for (size_t i = 0; i < part->row_count; i++) {
        enum err err = learn_schema_encode(schema, part->table, part->row_of[i],
                                           part->x + i * schema->width, why);
        if (!err && has_target)
            err = learn_schema_target(schema, part->table, part->row_of[i], &part->y[i], why);
        if (err)
            return err;
    }
    return ERR_OK;
}

static void standardise_target(struct learn_model *model, struct part *train)
{
    double sum = 0, square = 0, n = (double)train->row_count;
    for (size_t i = 0; i < train->row_count; i++)
        sum += train->y[i];
    model->target_mean = sum / n;
    for (size_t i = 0; i < train->row_count; i++)
        square += (train->y[i] - model->target_mean) * (train->y[i] - model->target_mean);
    model->target_scale = __builtin_sqrt(square / n);
    if (!(model->target_scale > 1e-12))
        model->target_scale = 1;
    for (size_t i = 0; i < train->row_count; i++)
        train->y[i] = (train->y[i] - model->target_mean) / model->target_scale;
}

static void add_metric(struct learn_model *model, const char *name, double value)
{
    struct learn_lineage *lineage = &model->lineage;
    CHECK(lineage->metric_count < LEARN_METRICS_MAX);
    struct learn_metric *metric = &lineage->metrics[lineage->metric_count++];
    CHECK(strlen(name) < sizeof metric->name);
    memcpy(metric->name, name, strlen(name) + 1);
    metric->value = value;
}

static void measure_classes(struct learn_study *study, const struct part *train,
                            const struct part *test)
{
    struct learn_model *model = &study->model;
    uint64_t counts[LIMIT_LEARN_CATEGORIES] = {0};
    for (size_t i = 0; i < train->row_count; i++)
        counts[(uint32_t)train->y[i]]++;
    for (uint32_t i = 1; i < model->schema.class_count; i++)
        study->majority = counts[i] > counts[study->majority] ? i : study->majority;
    study->confusion.class_count = model->schema.class_count;
    uint64_t majority_right = 0;
    for (size_t i = 0; i < test->row_count; i++) {
        struct learn_answer answer;
        uint32_t truth = (uint32_t)test->y[i];
        learn_model_predict(model, test->x + i * model->schema.width, &answer);
        study->confusion.count[truth][answer.label]++;
        majority_right += truth == study->majority;
    }
    struct learn_class_metrics macro;
    learn_confusion_macro(&study->confusion, &macro);
    add_metric(model, "accuracy", learn_confusion_accuracy(&study->confusion));
    add_metric(model, "precision", macro.precision);
    add_metric(model, "recall", macro.recall);
    add_metric(model, "f1", macro.f1);
    add_metric(model, "naive_accuracy", (double)majority_right / (double)test->row_count);
}

static enum err measure_errors(const struct learn_study_rules *rules, struct learn_study *study,
                               const struct part *test, struct text *why)
{
    struct learn_model *model = &study->model;
    uint32_t column = UINT32_MAX;
    if (rules->baseline.n) {
        column = learn_table_find(test->table, rules->baseline);
        if (column == UINT32_MAX) {
            if (why)
                text_add(why, "expected a column \"%.*s\" for the naive answer",
                         SPAN_ARG(rules->baseline));
            return ERR_NOT_FOUND;
        }
    }
    for (size_t i = 0; i < test->row_count; i++) {
        struct learn_answer answer;
        double naive = model->target_mean;
        learn_model_predict(model, test->x + i * model->schema.width, &answer);
        learn_errors_add(&study->errors, test->y[i], answer.value);
        if (column != UINT32_MAX &&
            !span_to_double(learn_table_cell(test->table, test->row_of[i], column), &naive))
            return ERR_SYNTAX;
        learn_errors_add(&study->naive, test->y[i], naive);
    }
    add_metric(model, "mae", learn_errors_mae(&study->errors));
    add_metric(model, "rmse", learn_errors_rmse(&study->errors));
    add_metric(model, "r2", learn_errors_r2(&study->errors));
    add_metric(model, "naive_mae", learn_errors_mae(&study->naive));
    add_metric(model, "naive_rmse", learn_errors_rmse(&study->naive));
    return ERR_OK;
}

static void measure_clusters(struct learn_study *study, const struct part *test)
{
    struct learn_model *model = &study->model;
    uint32_t width = model->shape[0], k = model->shape[1];
    double inertia = 0, silhouette = 0;
    for (size_t i = 0; i < test->row_count; i++) {
        const double *row = test->x + i * width;
        double first = -1, second = -1;
        for (uint32_t c = 0; c < k; c++) {
            double d = 0;
            for (uint32_t j = 0; j < width; j++) {
                double miss = row[j] - model->weights[(size_t)c * width + j];
                d += miss * miss;
            }
            if (first < 0 || d < first) {
                second = first;
                first = d;
            } else if (second < 0 || d < second) {
                second = d;
            }
        }
        inertia += first;
        if (second > 0)
            silhouette += 1 - __builtin_sqrt(first) / __builtin_sqrt(second);
    }
    study->inertia_per_row = inertia / (double)test->row_count;
    study->silhouette = silhouette / (double)test->row_count;
    add_metric(model, "inertia_per_row", study->inertia_per_row);
    add_metric(model, "silhouette", study->silhouette);
}

static enum err fit(const struct learn_study_rules *rules, struct arena *arena,
                    struct learn_study *study, struct part *train)
{
    struct learn_model *model = &study->model;
    bool is_class = model->schema.task == LEARN_CLASSIFY;
    if (model->schema.task == LEARN_REGRESS)
        standardise_target(model, train);
    struct learn_data data = {.x = train->x,
                              .y = model->schema.task == LEARN_CLUSTER ? NULL : train->y,
                              .row_count = train->row_count,
                              .width = model->schema.width,
                              .class_count = is_class ? model->schema.class_count : 0};
    return learn_fit(rules->kind, &data, &rules->options, arena, model);
}

enum err learn_study_run(const struct learn_study_rules *rules, struct arena *arena,
                         struct learn_study *ret_study, struct text *why)
{
    struct part train = {0}, test = {0};
    enum err err = split(rules, arena, &train, &test, why);
    if (err)
        return err;
    struct learn_study *study = ARENA_NEW(arena, struct learn_study);
    if (!study)
        return ERR_MEMORY;
    struct learn_schema_rules schema_rules = {.description = rules->description,
                                              .target = rules->target,
                                              .is_class = rules->is_class,
                                              .is_vector = rules->is_vector};
    struct learn_schema *schema = &study->model.schema;
    err = learn_schema_make(train.table, train.row_of, train.row_count, &schema_rules, arena,
                            schema, why);
    if (!err)
        err = encode(schema, arena, &train, why);
    if (!err)
        err = encode(schema, arena, &test, why);
    if (!err)
        err = fit(rules, arena, study, &train);
    if (err)
        return err;
    CHECK(learn_model_is_sound(&study->model));
    study->train_rows = train.row_count;
    study->test_rows = test.row_count;
    study->model.lineage.seed = rules->options.seed;
    study->model.lineage.train_rows = train.row_count;
    study->model.lineage.test_rows = test.row_count;
    if (schema->task == LEARN_CLASSIFY)
        measure_classes(study, &train, &test);
    else if (schema->task == LEARN_CLUSTER)
        measure_clusters(study, &test);
    else
        err = measure_errors(rules, study, &test, why);
    if (err)
        return err;
    *ret_study = *study;
    return ERR_OK;
}
