#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "learn/model_file.h"
#include "learn/study.h"

enum { ARENA_SIZE = 4 << 20 };

static char memory[ARENA_SIZE], reason[512], file[65536];
static struct arena arena;
static struct text why, written;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, memory, sizeof memory);
    text_init(&why, reason, sizeof reason);
    text_init(&written, file, sizeof file);
    return 0;
}

static const char rows[] = "colour,size,kind\nred,1,a\nblue,2,b\nred,3,a\nblue,4,b\nred,5,a\n"
                           "blue,6,b\nred,7,a\nblue,8,b\nred,9,a\nblue,10,b\n";

static struct learn_table table_of(const char *text)
{
    struct learn_table table;
    assert_int_equal(learn_table_parse(span_of(text), NULL, 0, false, &arena, &table, &why),
                     ERR_OK);
    return table;
}

static struct learn_study study_of(enum learn_kind kind, const struct learn_table *table)
{
    static struct learn_study study;
    struct learn_study_rules rules = {.kind = kind,
                                      .data = table,
                                      .test_share_ppm = 300000,
                                      .target = span_of(kind == LEARN_KMEANS ? NULL : "kind"),
                                      .is_class = true};
    learn_options_default(&rules.options);
    rules.options.epochs = 50;
    rules.options.k = 2;
    assert_int_equal(learn_study_run(&rules, &arena, &study, &why), ERR_OK);
    memset(study.model.lineage.data_sha256, 'a', 64);
    return study;
}

static void tables_are_read_with_tabs_commas_and_spaces(void **state)
{
    (void)state;
    static const char *const texts[] = {"a,b\n1,2\n", "a\tb\r\n1\t2\r\n", "a b\n\n1   2\n",
                                        "a,b\n1,2"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct learn_table table = table_of(texts[i]);
        assert_int_equal(table.column_count, 2);
        assert_int_equal(table.row_count, 1);
        assert_true(span_is(learn_table_cell(&table, 0, 1), "2"));
    }
}

static void a_row_of_another_length_is_refused_with_its_line(void **state)
{
    (void)state;
    struct learn_table table;
    assert_int_equal(
        learn_table_parse(SPAN_LITERAL("a,b\n1,2\n1,2,3\n"), NULL, 0, false, &arena, &table, &why),
        ERR_SYNTAX);
    assert_non_null(strstr(reason, "line 3"));
    text_truncate(&why, 0);
    assert_int_equal(
        learn_table_parse(SPAN_LITERAL("a,b\n1\n"), NULL, 0, false, &arena, &table, &why),
        ERR_SYNTAX);
    assert_non_null(strstr(reason, "found 1"));
    text_truncate(&why, 0);
    assert_int_equal(
        learn_table_parse(SPAN_LITERAL("a,b\n\"x,y\",2\n"), NULL, 0, false, &arena, &table, &why),
        ERR_SYNTAX);
}

static void categories_become_one_hot_and_numbers_are_standardised(void **state)
{
    (void)state;
    struct learn_table table = table_of(rows);
    uint32_t all[10];
    for (uint32_t i = 0; i < 10; i++)
        all[i] = i;
    struct learn_schema schema;
    struct learn_schema_rules rules = {.target = SPAN_LITERAL("kind"), .is_class = true};
    assert_int_equal(learn_schema_make(&table, all, 10, &rules, &arena, &schema, &why), ERR_OK);
    assert_int_equal(schema.width, 3); /* blue, red, size */
    double row[3];
    assert_int_equal(learn_schema_encode(&schema, &table, 0, row, &why), ERR_OK);
    assert_true(row[0] == 0 && row[1] == 1);
    assert_true(row[2] < -1.5 && row[2] > -1.6); /* (1 - 5.5) / 2.8723 */
    assert_int_equal(learn_schema_encode_category(&schema, 0, SPAN_LITERAL("green"), row),
                     ERR_VALUE);
    assert_int_equal(learn_schema_encode_number(&schema, 1, __builtin_nan(""), row), ERR_VALUE);
}

static void the_test_part_does_not_leak_into_the_schema(void **state)
{
    (void)state;
    struct learn_table table = table_of("x,y\n1,2\n2,4\n3,6\n1000,2000\n");
    struct learn_study_rules rules = {.kind = LEARN_LINEAR,
                                      .data = &table,
                                      .test_share_ppm = 250000,
                                      .is_tail_test = true,
                                      .target = SPAN_LITERAL("y")};
    static struct learn_study study;
    learn_options_default(&rules.options);
    assert_int_equal(learn_study_run(&rules, &arena, &study, &why), ERR_OK);
    assert_true(study.model.schema.attributes[0].mean == 2);
}

static void every_kind_writes_and_reads_back_to_the_same_bits(void **state)
{
    (void)state;
    struct learn_table table = table_of(rows);
    for (enum learn_kind kind = LEARN_LOGISTIC; kind < LEARN_KIND_COUNT; kind++) {
        struct learn_study study = study_of(kind, &table);
        struct learn_model read;
        text_truncate(&written, 0);
        assert_int_equal(learn_model_write(&study.model, &written), ERR_OK);
        enum err err = learn_model_read(text_span(&written), &arena, &read, &why);
        if (err)
            fail_msg("%s: %s", learn_kind_name(kind), reason);
        assert_int_equal(read.weight_count, study.model.weight_count);
        assert_memory_equal(read.weights, study.model.weights, read.weight_count * sizeof(double));
        assert_int_equal(read.lineage.train_rows, study.model.lineage.train_rows);
    }
}

static void a_cut_or_changed_file_is_refused_at_every_byte(void **state)
{
    (void)state;
    struct learn_table table = table_of(rows);
    struct learn_study study = study_of(LEARN_LOGISTIC, &table);
    struct learn_model read;
    assert_int_equal(learn_model_write(&study.model, &written), ERR_OK);
    size_t mark = arena.used;
    /* The last newline alone may be missing: what it ends is whole. */
    for (size_t n = 0; n + 1 < written.n; n++) {
        arena_reset(&arena, mark);
        text_truncate(&why, 0);
        assert_int_equal(learn_model_read(span_from(file, n), &arena, &read, &why), ERR_CORRUPT);
    }
    for (size_t i = 0; i + 1 < written.n; i++) {
        arena_reset(&arena, mark);
        text_truncate(&why, 0);
        file[i] ^= 1;
        assert_true(learn_model_read(text_span(&written), &arena, &read, &why) != ERR_OK);
        file[i] ^= 1;
    }
}

static void a_model_whose_parts_do_not_belong_together_is_unsound(void **state)
{
    (void)state;
    struct learn_table table = table_of(rows);
    struct learn_study study = study_of(LEARN_TREE, &table);
    assert_true(learn_model_is_sound(&study.model));
    struct learn_model broken = study.model;
    broken.weight_count--;
    assert_false(learn_model_is_sound(&broken));
    broken = study.model;
    broken.shape[0]++;
    assert_false(learn_model_is_sound(&broken));
    double kept = study.model.weights[0];
    study.model.weights[0] = 1e9; /* a root that is not there */
    assert_false(learn_model_is_sound(&study.model));
    study.model.weights[0] = kept;
}

static void a_description_names_kinds_and_words(void **state)
{
    (void)state;
    static struct learn_description d;
    assert_int_equal(learn_description_parse(SPAN_LITERAL("# x\nheader\na number\nb category\n"
                                                          "r target 1=good 2=bad # y\n"),
                                             &d, &why),
                     ERR_OK);
    assert_int_equal(d.column_count, 3);
    assert_true(d.skips_header && span_is(d.words, "1=good 2=bad"));
    assert_int_equal(learn_description_parse(SPAN_LITERAL("a numbr\n"), &d, &why), ERR_SYNTAX);
    assert_non_null(strstr(reason, "line 1"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(tables_are_read_with_tabs_commas_and_spaces),
        TEST(a_row_of_another_length_is_refused_with_its_line),
        TEST(categories_become_one_hot_and_numbers_are_standardised),
        TEST(the_test_part_does_not_leak_into_the_schema),
        TEST(every_kind_writes_and_reads_back_to_the_same_bits),
        TEST(a_cut_or_changed_file_is_refused_at_every_byte),
        TEST(a_model_whose_parts_do_not_belong_together_is_unsound),
        TEST(a_description_names_kinds_and_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
