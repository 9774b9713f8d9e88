#include "deploy/cluster_note.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/check.h"
#include "os/file.h"

static char path[] = "/tmp/farspan-cluster-note-XXXXXX";

static const struct cluster_note whole = {
    .plan = "abc",
    .epoch = 3,
    .rounds = 2,
    .rollout = {.state = ROLLOUT_BACK_AWAIT, .batch = 4, .item = 1},
    .failure = "eu: \"told\" to fail",
    .context_count = 2,
    .contexts = {{"azure-westeurope", "eu"}, {"aws-us-east-1", "arn:aws:eks:us-east-1:1:x"}}};

static void write_text(const char *text)
{
    assert_int_equal(os_file_write(path, span_of(text), 0600, NULL), ERR_OK);
}

static void test_what_is_written_is_read_again(void **state)
{
    struct cluster_note note;
    (void)state;
    assert_int_equal(cluster_note_write(path, &whole, NULL), ERR_OK);
    assert_int_equal(cluster_note_read(path, &note, NULL), ERR_OK);
    assert_string_equal(note.plan, whole.plan);
    assert_int_equal(note.epoch, 3);
    assert_int_equal(note.rounds, 2);
    assert_int_equal(note.rollout.state, ROLLOUT_BACK_AWAIT);
    assert_int_equal(note.rollout.batch, 4);
    assert_int_equal(note.rollout.item, 1);
    assert_string_equal(note.failure, whole.failure);
    assert_string_equal(cluster_note_context(&note, SPAN_LITERAL("aws-us-east-1")),
                        "arn:aws:eks:us-east-1:1:x");
    assert_null(cluster_note_context(&note, SPAN_LITERAL("aws")));
}

static void test_what_cannot_be_a_note_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "{}",
        "[1]",
        "{\"version\":2,\"plan\":\"\",\"epoch\":1,\"rounds\":1,\"state\":\"act\",\"batch\":0,"
        "\"item\":0,\"failure\":\"\",\"contexts\":[]}",
        "{\"version\":1,\"plan\":\"\",\"epoch\":1,\"rounds\":0,\"state\":\"act\",\"batch\":0,"
        "\"item\":0,\"failure\":\"\",\"contexts\":[]}",
        "{\"version\":1,\"plan\":\"\",\"epoch\":1,\"rounds\":17,\"state\":\"act\",\"batch\":0,"
        "\"item\":0,\"failure\":\"\",\"contexts\":[]}",
        "{\"version\":1,\"plan\":\"\",\"epoch\":1,\"rounds\":1,\"state\":\"applied\",\"batch\":0,"
        "\"item\":0,\"failure\":\"\",\"contexts\":[]}",
        "{\"version\":1,\"plan\":\"\",\"epoch\":1,\"rounds\":1,\"state\":\"act\",\"batch\":-1,"
        "\"item\":0,\"failure\":\"\",\"contexts\":[]}",
        "{\"version\":1,\"plan\":\"\",\"epoch\":1,\"rounds\":1,\"state\":\"act\",\"batch\":0,"
        "\"item\":0,\"failure\":\"\",\"contexts\":[{\"region\":7}]}",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct cluster_note note;
        char message[256];
        struct text why;
        text_init(&why, message, sizeof message);
        write_text(texts[i]);
        assert_int_equal(cluster_note_read(path, &note, &why), ERR_VALUE);
        assert_non_null(strstr(message, "remove it"));
    }
}

static void test_no_note_is_no_mistake(void **state)
{
    struct cluster_note note;
    (void)state;
    assert_int_equal(cluster_note_read("/nowhere/apply.json", &note, NULL), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read_again),
        cmocka_unit_test(test_what_cannot_be_a_note_is_refused),
        cmocka_unit_test(test_no_note_is_no_mistake),
    };
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
