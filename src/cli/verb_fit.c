/* verb_fit.c: `farspan fit`: a data file into a model file, with its test figures. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/crypto.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "fleet/units.h"
#include "learn/model_file.h"
#include "learn/study.h"
#include "os/file.h"
#include "os/memory.h"

enum { DATA_BYTES_MAX = 256 << 20, ARENA_BYTES = 1 << 30 };

struct fit {
    const char *kind, *data, *test, *schema, *target, *out, *share, *baseline, *rate, *l2;
    int64_t seed, epochs, k, trees, depth, hidden, hidden2;
    bool is_json, is_vector, is_regression, is_tail_test;
};

static int fail(const char *what, struct text *why)
{
    fprintf(stderr, "farspan fit: %s: %.*s\n", what, (int)why->n, why->p);
    return 1;
}

static void sha256_hex(struct span content, char ret_hex[65])
{
    uint8_t digest[CRYPTO_SHA256_SIZE];
    crypto_sha256(content, digest);
    crypto_hex(digest, sizeof digest, ret_hex);
}

static enum err read_table(const char *path, const struct learn_description *description,
                           struct arena *arena, struct learn_table *ret_table, char ret_sha256[65],
                           struct text *why)
{
    struct span content;
    enum err err = os_file_read(path, DATA_BYTES_MAX, arena, &content, why);
    if (err)
        return err;
    sha256_hex(content, ret_sha256);
    return learn_table_parse(content, description ? description->names : NULL,
                             description ? description->column_count : 0,
                             description && description->skips_header, arena, ret_table, why);
}

static void print_classes(const struct learn_study *study)
{
    const struct learn_schema *schema = &study->model.schema;
    struct learn_class_metrics macro, m;
    learn_confusion_macro(&study->confusion, &macro);
    printf("accuracy %.2f %%  (always \"%.*s\": %.2f %%)\n",
           100 * learn_confusion_accuracy(&study->confusion),
           SPAN_ARG(schema->class_names[study->majority]),
           100 * study->model.lineage.metrics[4].value);
    printf("%-16s %9s %9s %9s %9s\n", "class", "precision", "recall", "F1", "rows");
    for (uint32_t i = 0; i < schema->class_count; i++) {
        learn_confusion_class(&study->confusion, i, &m);
        printf("%-16.*s %9.4f %9.4f %9.4f %9" PRIu64 "\n", SPAN_ARG(schema->class_names[i]),
               m.precision, m.recall, m.f1, m.support);
    }
    printf("%-16s %9.4f %9.4f %9.4f %9" PRIu64 "\n", "mean", macro.precision, macro.recall,
           macro.f1, macro.support);
}

static void print_study(const struct fit *fit, const struct learn_study *study)
{
    printf("%s on %s: %zu rows to learn from, %zu to test on, %u numbers a row\n", fit->kind,
           fit->data, study->train_rows, study->test_rows, study->model.schema.width);
    if (study->model.schema.task == LEARN_CLASSIFY)
        print_classes(study);
    else if (study->model.schema.task == LEARN_CLUSTER)
        printf("inertia %.3f a row, silhouette %.3f (simplified, by centres)\n",
               study->inertia_per_row, study->silhouette);
    else
        printf("MAE %.3f  RMSE %.3f  R2 %.4f   naive (%s): MAE %.3f  RMSE %.3f\n",
               learn_errors_mae(&study->errors), learn_errors_rmse(&study->errors),
               learn_errors_r2(&study->errors), fit->baseline ? fit->baseline : "training mean",
               learn_errors_mae(&study->naive), learn_errors_rmse(&study->naive));
    printf("written %s\n", fit->out);
}

static void print_json(const struct fit *fit, const struct learn_study *study)
{
    char buffer[4096];
    struct text json;
    text_init(&json, buffer, sizeof buffer);
    text_json_object(&json);
    text_json_key(&json, "kind");
    text_json_str(&json, fit->kind);
    text_json_key(&json, "model");
    text_json_str(&json, fit->out);
    text_json_key(&json, "data_sha256");
    text_json_str(&json, study->model.lineage.data_sha256);
    text_json_key(&json, "train_rows");
    text_json_u64(&json, study->train_rows);
    text_json_key(&json, "test_rows");
    text_json_u64(&json, study->test_rows);
    for (uint32_t i = 0; i < study->model.lineage.metric_count; i++) {
        text_json_key(&json, study->model.lineage.metrics[i].name);
        text_json_double(&json, study->model.lineage.metrics[i].value);
    }
    text_json_end(&json);
    puts(buffer);
}

static enum err write_model(const struct fit *fit, const struct learn_model *model,
                            struct text *why)
{
    size_t size =
        64 * 1024 + model->weight_count * 18 +
        (size_t)model->schema.attribute_count * (LIMIT_LEARN_CATEGORIES + 1) * (LIMIT_NAME + 40);
    char *buffer = os_alloc(size);
    if (!buffer)
        return ERR_MEMORY;
    struct text text;
    text_init(&text, buffer, size);
    enum err err = learn_model_write(model, &text);
    if (err == ERR_VALUE)
        text_add(why, "names and categories must be words without white space, 1 to 64 bytes");
    if (!err)
        err = os_file_write(fit->out, text_span(&text), 0644, why);
    os_free(buffer);
    return err;
}

static bool decimal(const char *text, double *value)
{
    return !text || (span_to_double(span_of(text), value) && *value >= 0);
}

/* The rules from the command line; false and a sentence when they make no sense. */
static bool make_rules(const struct fit *fit, struct learn_study_rules *rules, struct text *why)
{
    learn_options_default(&rules->options);
    struct learn_options *o = &rules->options;
    if (!fit->kind || !fit->data || !fit->out) {
        text_add(why, "--kind, --data and --out are needed");
        return false;
    }
    if (!learn_kind_find(span_of(fit->kind), &rules->kind)) {
        text_add(why, "--kind: expected linear, logistic, mlp, kmeans, knn or tree, found %s",
                 fit->kind);
        return false;
    }
    bool clusters = rules->kind == LEARN_KMEANS;
    if (clusters == (fit->target != NULL)) {
        text_add(why, clusters ? "kmeans takes no --target" : "--target is needed");
        return false;
    }
    int64_t share = 0;
    if (!units_parse(UNITS_SHARE, span_of(fit->share), &share) || share <= 0 || share >= 1000000) {
        text_add(why, "--test-share: expected a share such as 30%%, found %s", fit->share);
        return false;
    }
    if (!decimal(fit->rate, &o->rate) || !decimal(fit->l2, &o->l2)) {
        text_add(why, "--rate and --l2: expected a number of at least 0");
        return false;
    }
    static const uint32_t epochs[LEARN_KIND_COUNT] = {
        [LEARN_LOGISTIC] = 1000, [LEARN_MLP] = 60, [LEARN_KMEANS] = 100};
    o->seed = (uint64_t)fit->seed;
    o->epochs = fit->epochs ? (uint32_t)fit->epochs : epochs[rules->kind];
    o->k = (uint32_t)fit->k;
    o->trees = (uint32_t)fit->trees;
    o->depth = (uint32_t)fit->depth;
    o->hidden[0] = (uint32_t)fit->hidden;
    o->hidden[1] = (uint32_t)fit->hidden2;
    rules->test_share_ppm = (uint32_t)share;
    rules->is_tail_test = fit->is_tail_test;
    rules->target = span_of(fit->target);
    rules->baseline = span_of(fit->baseline);
    rules->is_vector = fit->is_vector;
    rules->is_class = !clusters && !fit->is_regression && rules->kind != LEARN_LINEAR;
    return true;
}

static int run(const struct fit *fit, struct learn_study_rules *rules, struct arena *arena,
               struct text *why)
{
    static struct learn_description description;
    static struct learn_study study;
    static struct learn_table data, test;
    char data_sha256[65], test_sha256[65] = "";
    enum err err = ERR_OK;
    if (fit->schema) {
        struct span content;
        err = os_file_read(fit->schema, LIMIT_CONFIG_BYTES, arena, &content, why);
        if (!err)
            err = learn_description_parse(content, &description, why);
        if (err)
            return fail(fit->schema, why);
        rules->description = &description;
        if (span_is(description.words, "number"))
            rules->is_class = false;
    }
    err = read_table(fit->data, rules->description, arena, &data, data_sha256, why);
    if (err)
        return fail(fit->data, why);
    rules->data = &data;
    if (fit->test) {
        err = read_table(fit->test, rules->description, arena, &test, test_sha256, why);
        if (err)
            return fail(fit->test, why);
        rules->test = &test;
    }
    err = learn_study_run(rules, arena, &study, why);
    if (err && why->n == 0)
        text_add(why, "%s", err_text(err));
    if (err)
        return fail(fit->data, why);
    memcpy(study.model.lineage.data_sha256, data_sha256, sizeof data_sha256);
    memcpy(study.model.lineage.test_sha256, test_sha256, sizeof test_sha256);
    err = write_model(fit, &study.model, why);
    if (err)
        return fail(fit->out, why);
    if (fit->is_json)
        print_json(fit, &study);
    else
        print_study(fit, &study);
    return 0;
}

int verb_fit(int argc, char **argv)
{
    struct fit fit = {.share = "30%", .seed = 1, .k = 10, .trees = 1, .depth = 12, .hidden = 48};
    const struct option_row rows[] = {
        {"--kind", "KIND", "linear, logistic, mlp, kmeans, knn or tree", OPTION_TEXT, &fit.kind, 0,
         0},
        {"--data", "FILE", "rows to learn from: CSV, tabs or spaces", OPTION_TEXT, &fit.data, 0, 0},
        {"--test", "FILE", "rows to test on; else a share of the data", OPTION_TEXT, &fit.test, 0,
         0},
        {"--test-share", "SHARE", "held back for the test, 30%", OPTION_TEXT, &fit.share, 0, 0},
        {"--last", NULL, "the last rows are the test (time series)", OPTION_FLAG, &fit.is_tail_test,
         0, 0},
        {"--schema", "FILE", "columns: NAME number|category|ignore|target [VALUE=WORD ...]",
         OPTION_TEXT, &fit.schema, 0, 0},
        {"--target", "COLUMN", "what to predict (not for kmeans)", OPTION_TEXT, &fit.target, 0, 0},
        {"--regression", NULL, "the target is a number (linear: always)", OPTION_FLAG,
         &fit.is_regression, 0, 0},
        {"--baseline", "COLUMN", "regression: the naive answer to compare with", OPTION_TEXT,
         &fit.baseline, 0, 0},
        {"--vector", NULL, "serve it as one tensor x [rows, attributes]", OPTION_FLAG,
         &fit.is_vector, 0, 0},
        {"--out", "FILE", "the model file", OPTION_TEXT, &fit.out, 0, 0},
        {"--seed", "N", "of split, start and order, 1", OPTION_NUMBER, &fit.seed, 0, INT64_MAX},
        {"--epochs", "N", "passes (mlp 60), steps (logistic 1000), rounds (kmeans 100)",
         OPTION_NUMBER, &fit.epochs, 1, 100000},
        {"--hidden", "N", "mlp: width of the hidden layer, 48", OPTION_NUMBER, &fit.hidden, 1,
         1024},
        {"--hidden2", "N", "mlp: width of a second one", OPTION_NUMBER, &fit.hidden2, 1, 1024},
        {"--rate", "X", "mlp: first step of Adam, 0.003", OPTION_TEXT, &fit.rate, 0, 0},
        {"--l2", "X", "weight decay, 0.0001", OPTION_TEXT, &fit.l2, 0, 0},
        {"--k", "N", "kmeans: clusters; knn: neighbours; 10", OPTION_NUMBER, &fit.k, 1, 64},
        {"--trees", "N", "tree: more than 1 is a forest", OPTION_NUMBER, &fit.trees, 1, 1000},
        {"--depth", "N", "tree: deepest level, 12", OPTION_NUMBER, &fit.depth, 1, 64},
        {"--json", NULL, "one JSON object", OPTION_FLAG, &fit.is_json, 0, 0},
    };
    const struct option_usage usage = {
        "farspan fit --kind KIND --data FILE --target COLUMN --out FILE.model [options]",
        "Fits a small model to a data file, tests it on rows it has not seen, and writes it.\n"
        "The same file and seed give the same bytes on every machine.",
        "farspan fit --kind tree --trees 50 --data data/german-credit/german.data \\\n"
        "    --schema models/risk.schema --target risk --out /tmp/risk.model",
        rows,
        COUNT_OF(rows),
        0,
        0};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;

    char reason[1024];
    struct text why;
    text_init(&why, reason, sizeof reason);
    static struct learn_study_rules rules;
    if (!make_rules(&fit, &rules, &why)) {
        fprintf(stderr, "farspan fit: %s\n", reason);
        return 2;
    }
    void *memory = os_alloc(ARENA_BYTES);
    if (!memory) {
        fprintf(stderr, "farspan fit: the system gave no memory\n");
        return 1;
    }
    struct arena arena;
    arena_init(&arena, memory, ARENA_BYTES);
    status = run(&fit, &rules, &arena, &why);
    os_free(memory);
    return status;
}
