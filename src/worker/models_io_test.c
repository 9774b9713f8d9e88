/* The shipped models: are they what tools/fit_models.sh makes of the shipped data, do they say what
 * docs/models.md promises? The larger ones are only read: test/e2e/fit_test.py makes all four. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/crypto.h"
#include "learn/model_file.h"
#include "learn/study.h"
#include "os/file.h"
#include "os/memory.h"

enum { ARENA_SIZE = 64 << 20, FILE_SIZE = 1 << 20 };

static struct arena arena;
static char reason[512];
static struct text why;

static int set_up(void **state)
{
    (void)state;
    void *memory = os_alloc(ARENA_SIZE);
    assert_non_null(memory);
    arena_init(&arena, memory, ARENA_SIZE);
    text_init(&why, reason, sizeof reason);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    os_free(arena.base);
    return 0;
}

static struct span content_of(const char *path)
{
    struct span content;
    if (os_file_read(path, 8 << 20, &arena, &content, &why))
        fail_msg("%s: %s", path, reason);
    return content;
}

static void assert_good(enum err err)
{
    if (err)
        fail_msg("%s: %s", err_text(err), reason);
}

static struct learn_model model_of(const char *path)
{
    struct learn_model model;
    assert_good(learn_model_read(content_of(path), &arena, &model, &why));
    return model;
}

static double metric_of(const struct learn_model *model, const char *name)
{
    for (uint32_t i = 0; i < model->lineage.metric_count; i++)
        if (strcmp(model->lineage.metrics[i].name, name) == 0)
            return model->lineage.metrics[i].value;
    fail_msg("no metric %s", name);
    return 0;
}

static struct learn_table table_of(const char *path, const struct learn_description *description,
                                   char ret_sha256[65])
{
    struct learn_table table;
    struct span content = content_of(path);
    uint8_t digest[CRYPTO_SHA256_SIZE];
    crypto_sha256(content, digest);
    crypto_hex(digest, sizeof digest, ret_sha256);
    assert_good(learn_table_parse(content, description->names, description->column_count,
                                  description->skips_header, &arena, &table, &why));
    return table;
}

static void assert_same_file(struct learn_study *study, const char *path)
{
    static char written[FILE_SIZE];
    struct text text;
    text_init(&text, written, sizeof written);
    assert_good(learn_model_write(&study->model, &text));
    assert_true(span_is_equal(text_span(&text), content_of(path)));
}

static void risk_is_made_again_to_the_bit(void **state)
{
    (void)state;
    static struct learn_description description;
    static struct learn_study study;
    assert_good(
        learn_description_parse(content_of(SOURCE_DIR "/models/risk.schema"), &description, &why));
    char sha256[65];
    struct learn_table table =
        table_of(SOURCE_DIR "/data/german-credit/german.data", &description, sha256);
    struct learn_study_rules rules = {.kind = LEARN_LOGISTIC,
                                      .data = &table,
                                      .test_share_ppm = 300000,
                                      .description = &description,
                                      .target = SPAN_LITERAL("risk"),
                                      .is_class = true};
    learn_options_default(&rules.options);
    rules.options.epochs = 1000;
    rules.options.l2 = 0.01;
    assert_good(learn_study_run(&rules, &arena, &study, &why));
    memcpy(study.model.lineage.data_sha256, sha256, sizeof sha256);
    assert_same_file(&study, SOURCE_DIR "/models/risk.model");
}

static void segments_is_made_again_to_the_bit(void **state)
{
    (void)state;
    static struct learn_description description;
    static struct learn_study study;
    assert_good(learn_description_parse(content_of(SOURCE_DIR "/models/segments.schema"),
                                        &description, &why));
    char sha256[65], test_sha256[65];
    struct learn_table data =
        table_of(SOURCE_DIR "/data/optdigits/optdigits.tra", &description, sha256);
    struct learn_table test =
        table_of(SOURCE_DIR "/data/optdigits/optdigits.tes", &description, test_sha256);
    struct learn_study_rules rules = {.kind = LEARN_KMEANS,
                                      .data = &data,
                                      .test = &test,
                                      .description = &description,
                                      .is_vector = true};
    learn_options_default(&rules.options);
    rules.options.epochs = 100;
    assert_good(learn_study_run(&rules, &arena, &study, &why));
    memcpy(study.model.lineage.data_sha256, sha256, sizeof sha256);
    memcpy(study.model.lineage.test_sha256, test_sha256, sizeof test_sha256);
    assert_same_file(&study, SOURCE_DIR "/models/segments.model");
}

/* Measured again with the shipped file on the writers it has not seen. */
static void digits_reads_at_least_95_of_100(void **state)
{
    (void)state;
    static struct learn_description description;
    struct learn_model model = model_of(SOURCE_DIR "/models/digits.model");
    assert_good(learn_description_parse(content_of(SOURCE_DIR "/models/digits.schema"),
                                        &description, &why));
    char sha256[65];
    struct learn_table test =
        table_of(SOURCE_DIR "/data/optdigits/optdigits.tes", &description, sha256);
    assert_string_equal(model.lineage.test_sha256, sha256);
    size_t right = 0;
    for (size_t i = 0; i < test.row_count; i++) {
        double row[LIMIT_LEARN_WIDTH], truth;
        struct learn_answer answer;
        assert_good(learn_schema_encode(&model.schema, &test, i, row, &why));
        assert_good(learn_schema_target(&model.schema, &test, i, &truth, &why));
        learn_model_predict(&model, row, &answer);
        right += answer.label == (uint32_t)truth;
    }
    double accuracy = (double)right / (double)test.row_count;
    assert_true(accuracy >= 0.95);
    assert_true(accuracy == metric_of(&model, "accuracy"));
}

static void demand_is_better_than_its_naive_answer(void **state)
{
    (void)state;
    struct learn_model model = model_of(SOURCE_DIR "/models/demand.model");
    assert_true(metric_of(&model, "mae") < 0.7 * metric_of(&model, "naive_mae"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(risk_is_made_again_to_the_bit),
        TEST(segments_is_made_again_to_the_bit),
        TEST(digits_reads_at_least_95_of_100),
        TEST(demand_is_better_than_its_naive_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
