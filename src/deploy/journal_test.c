#include "deploy/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/check.h"

enum { ARENA = 1 << 20, FILE_MAX = 64 * 1024 };

static struct fleet_region regions[] = {{.name = {"us", 2}}};
static struct fleet_service services[] = {{.name = {"chat", 4}, .engine = FLEET_ENGINE_ECHO}};
static struct fleet_worker workers[] = {{{"a", 1}, 0, FLEET_NONE, false, FLEET_NONE, 0, 1}};
static struct fleet_replica replicas[] = {{.service = 0, .region = 0, .worker = 0, .slots = 4}};
static const struct fleet fleet = {.name = {"one", 3},
                                   .epoch = 1,
                                   .region_count = 1,
                                   .service_count = 1,
                                   .worker_count = 1,
                                   .replica_count = 1,
                                   .regions = regions,
                                   .services = services,
                                   .workers = workers,
                                   .replicas = replicas};

static char folder[] = "/tmp/farspan-journal-XXXXXX";
static char path[sizeof folder + 16], bytes[FILE_MAX], message[512], memory[ARENA];
static struct room room;
static struct roster before;
static struct change change;
static struct journal journal, again;
static struct text why;

/* The world starts a place and stops its only worker of the file. */
static int set_up(void **state)
{
    (void)state;
    struct arena arena;
    static bool has_folder;
    if (!has_folder && !mkdtemp(folder))
        return -1;
    has_folder = true;
    snprintf(path, sizeof path, "%s/apply.json", folder);
    arena_init(&arena, memory, sizeof memory);
    text_init(&why, message, sizeof message);
    if (room_make(&fleet, 2, 0, &arena, &room, &why))
        return -1;
    roster_init(&before, &room);
    strcpy(before.file, "f1");
    memset(&change, 0, sizeof change);
    change.before = &before;
    change.after = before;
    change.after.epoch = 2;
    change.after.rows[0] = (struct roster_row){0};
    change.after.rows[1] =
        (struct roster_row){.is_wanted = true, .services = 1, .sku = "big", .price_usd_micro_h = 5};
    rollout_list_add_batch(&change.list, true, 0);
    rollout_list_add_worker(&change.list, 1);
    rollout_list_add_batch(&change.list, false, 3);
    rollout_list_add_worker(&change.list, 0);
    journal_init(&journal, &change, "0123");
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return unlink(path) == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void save(const char *content, size_t size)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static size_t load(void)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof bytes - 1, file);
    bytes[size] = 0;
    assert_int_equal(fclose(file), 0);
    return size;
}

static enum err read_again(const char *hash)
{
    text_truncate(&why, 0);
    return journal_read(folder, &room, hash, &again, &why);
}

static void every_position_reads_back_as_it_was_written(void **state)
{
    (void)state;
    for (unsigned failing = 0; failing < 5; failing++) {
        rollout_init(&journal.rollout, &journal.list);
        for (unsigned i = 0; !rollout_is_over(&journal.rollout); i++) {
            assert_int_equal(journal_write(folder, &journal, room.fleet, &why), ERR_OK);
            assert_int_equal(read_again("f1"), ERR_OK);
            assert_int_equal(again.rollout.state, journal.rollout.state);
            assert_int_equal(again.rollout.batch, journal.rollout.batch);
            assert_int_equal(again.rollout.item, journal.rollout.item);
            assert_memory_equal(&again.list, &journal.list, sizeof again.list);
            assert_string_equal(again.plan, "0123");
            assert_true(roster_row_is_equal(&again.after.rows[1], &change.after.rows[1]));
            assert_true(roster_row_is_equal(&again.before.rows[0], &before.rows[0]));
            rollout_step(&journal.rollout, i == failing && i < 4 ? ROLLOUT_FAILED : ROLLOUT_DONE);
        }
    }
}

static void forwards_rows_are_those_of_the_plan_and_backwards_those_of_before(void **state)
{
    (void)state;
    assert_true(journal_row(&journal, 1)->is_wanted);
    assert_false(journal_row(&journal, 0)->is_wanted);
    rollout_step(&journal.rollout, ROLLOUT_FAILED);
    assert_false(journal_row(&journal, 1)->is_wanted);
    assert_true(journal_row(&journal, 0)->is_wanted);
}

static void without_a_file_nothing_was_broken_off(void **state)
{
    (void)state;
    assert_int_equal(journal_write(folder, &journal, room.fleet, &why), ERR_OK);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(read_again("f1"), ERR_NOT_FOUND);
    assert_int_equal(journal_write(folder, &journal, room.fleet, &why), ERR_OK);
}

static void that_of_another_file_is_told_apart(void **state)
{
    (void)state;
    assert_int_equal(journal_write(folder, &journal, room.fleet, &why), ERR_OK);
    assert_int_equal(read_again("f2"), ERR_STALE);
}

static void a_file_cut_anywhere_is_refused_by_words(void **state)
{
    (void)state;
    assert_int_equal(journal_write(folder, &journal, room.fleet, &why), ERR_OK);
    size_t size = load();
    for (size_t cut = 0; cut < size; cut++) {
        save(bytes, cut);
        assert_int_not_equal(read_again("f1"), ERR_OK);
        assert_true(why.n > 0);
    }
    save(bytes, size);
    assert_int_equal(read_again("f1"), ERR_OK);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
    } changes[] = {
        {"\"version\":1", "\"version\":2"},
        {"\"state\":\"act\"", "\"state\":\"odd\""},
        {"\"state\":\"act\"", "\"state\":\"undone\""},
        {"\"batch\":0", "\"batch\":9"},
        {"\"item\":0", "\"item\":-1"},
        {"[\"us+1\"]", "[\"us+7\"]"},
        {"[\"us+1\"]", "[\"us+1\",\"us+1\"]"},
        {"[\"us+1\"]", "[]"},
        {"\"wave\":3", "\"wave\":-3"},
        {"\"epoch\":1", "\"epoch\":0"},
        {"\"plan\":\"0123\"", "\"plan\":7"},
    };
    assert_int_equal(journal_write(folder, &journal, room.fleet, &why), ERR_OK);
    size_t size = load();
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        static char edited[FILE_MAX + 64];
        const char *at = strstr(bytes, changes[i].from);
        assert_non_null(at);
        size_t head = (size_t)(at - bytes), skip = strlen(changes[i].from);
        int n = snprintf(edited, sizeof edited, "%.*s%s%.*s", (int)head, bytes, changes[i].to,
                         (int)(size - head - skip), at + skip);
        save(edited, (size_t)n);
        assert_int_equal(read_again("f1"), ERR_VALUE);
        assert_true(why.n > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_position_reads_back_as_it_was_written, set_up),
        cmocka_unit_test_setup(forwards_rows_are_those_of_the_plan_and_backwards_those_of_before,
                               set_up),
        cmocka_unit_test_setup(without_a_file_nothing_was_broken_off, set_up),
        cmocka_unit_test_setup(that_of_another_file_is_told_apart, set_up),
        cmocka_unit_test_setup(a_file_cut_anywhere_is_refused_by_words, set_up),
        cmocka_unit_test_setup(what_cannot_be_is_refused, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, remove_folder);
}
