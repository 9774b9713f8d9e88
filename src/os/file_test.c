#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/fault.h"
#include "os/file.h"

static char folder[64]; /* a fresh one for every test */
static char memory[1 << 16];
static struct arena arena;
static struct text why;
static char why_buffer[512];

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, memory, sizeof memory);
    text_init(&why, why_buffer, sizeof why_buffer);
    snprintf(folder, sizeof folder, "/tmp/farspan-file-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    os_fault_set(OS_FAULT_FILE, 0, false);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static struct span content_of(const char *path)
{
    struct span content = {NULL, 0};
    assert_int_equal(os_file_read(path, 4096, &arena, &content, &why), ERR_OK);
    return content;
}

static int files_in_folder(void)
{
    DIR *listing = opendir(folder);
    assert_non_null(listing);
    int count = 0;
    const struct dirent *entry;
    while ((entry = readdir(listing)))
        count += entry->d_name[0] != '.';
    closedir(listing);
    return count;
}

static void what_is_written_is_read_with_its_mode(void **state)
{
    (void)state;
    const char *path = path_of("a");
    assert_int_equal(os_file_write(path, SPAN_LITERAL("hello"), 0640, &why), ERR_OK);
    assert_true(span_is(content_of(path), "hello"));
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    assert_int_equal(files_in_folder(), 1);
}

static void a_failed_write_leaves_the_old_file_whole_whichever_call_fails(void **state)
{
    (void)state;
    const char *path = path_of("a");
    uint64_t nth = 1;
    enum err err = ERR_IO;
    for (; err != ERR_OK; nth++) {
        assert_true(nth < 50);
        assert_int_equal(os_file_write(path, SPAN_LITERAL("the old one"), 0600, &why), ERR_OK);
        os_fault_set(OS_FAULT_FILE, nth, false);
        err = os_file_write(path, SPAN_LITERAL("the new one, longer"), 0600, &why);
        uint64_t calls = os_fault_calls(OS_FAULT_FILE);
        os_fault_set(OS_FAULT_FILE, 0, false);

        /* Opening and syncing the folder come behind the rename. */
        bool is_renamed = err == ERR_OK || calls > 5;
        assert_true(span_is(content_of(path), is_renamed ? "the new one, longer" : "the old one"));
        assert_int_equal(files_in_folder(), 1);
    }
    assert_true(nth > 7);
}

static void a_state_file_keeps_content_and_epoch(void **state)
{
    (void)state;
    const char *path = path_of("state");
    struct span content;
    uint64_t epoch;
    assert_int_equal(os_file_write_state(path, SPAN_LITERAL("{}"), 77, &why), ERR_OK);
    assert_int_equal(os_file_read_state(path, 100, &arena, &content, &epoch, &why), ERR_OK);
    assert_true(span_is(content, "{}"));
    assert_int_equal(epoch, 77);
}

static void a_state_file_damaged_or_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    char path[256], bad[256];
    snprintf(path, sizeof path, "%s", path_of("state"));
    snprintf(bad, sizeof bad, "%s", path_of("bad"));
    assert_int_equal(os_file_write_state(path, SPAN_LITERAL("some state"), 3, &why), ERR_OK);
    char whole[64];
    struct span read = content_of(path);
    memcpy(whole, read.p, read.n);
    for (size_t i = 0; i < 2 * read.n; i++) {
        struct span damaged = span_from(whole, i < read.n ? i : read.n);
        if (i >= read.n)
            whole[i - read.n] ^= 0x10;
        struct span content;
        uint64_t epoch;
        arena_reset(&arena, 0);
        assert_int_equal(os_file_write(bad, damaged, 0600, &why), ERR_OK);
        assert_int_equal(os_file_read_state(bad, 100, &arena, &content, &epoch, &why), ERR_CORRUPT);
        if (i >= read.n)
            whole[i - read.n] ^= 0x10;
    }
}

static void what_cannot_be_read_says_why(void **state)
{
    (void)state;
    struct span content;
    char path[256];
    snprintf(path, sizeof path, "%s", path_of("long"));
    assert_int_equal(os_file_read(path, 9, &arena, &content, &why), ERR_NOT_FOUND);
    assert_non_null(strstr(why.p, path));
    assert_int_equal(os_file_write(path, SPAN_LITERAL("0123456789"), 0600, &why), ERR_OK);
    assert_int_equal(os_file_read(path, 9, &arena, &content, &why), ERR_FULL);
    assert_int_equal(os_file_read(folder, 9, &arena, &content, &why), ERR_UNSUPPORTED);
    assert_int_equal(mkfifo(path_of("pipe"), 0600), 0);
    assert_int_equal(os_file_read(path_of("pipe"), 9, &arena, &content, &why), ERR_UNSUPPORTED);
    arena_init(&arena, memory, 4);
    assert_int_equal(os_file_read(path, 10, &arena, &content, &why), ERR_MEMORY);
}

static void a_folder_is_made_with_its_parents_and_again(void **state)
{
    (void)state;
    assert_int_equal(os_folder_make(path_of("x/y//z/"), &why), ERR_OK);
    assert_int_equal(os_folder_make(path_of("x/y/z"), &why), ERR_OK);
    assert_true(os_file_exists(path_of("x/y/z")));
    assert_int_equal(os_file_write(path_of("file"), SPAN_LITERAL(""), 0600, &why), ERR_OK);
    assert_int_not_equal(os_folder_make(path_of("file/z"), &why), ERR_OK);
}

static void a_lock_held_by_another_process_is_refused(void **state)
{
    (void)state;
    const char *path = path_of("lock");
    int fd;
    assert_int_equal(os_file_lock(path, &fd, &why), ERR_OK);
    pid_t pid = fork();
    if (pid == 0) {
        int second;
        _exit(os_file_lock(path, &second, NULL) == ERR_EXISTS ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(fd);
    assert_int_equal(os_file_lock(path, &fd, &why), ERR_OK);
    close(fd);
}

static void a_path_that_cannot_be_written_is_known_before(void **state)
{
    (void)state;
    assert_int_equal(os_file_may_write("no-slash", &why), ERR_OK);
    assert_int_equal(os_file_may_write(path_of("new"), &why), ERR_OK);
    assert_false(os_file_exists(path_of("new")));
    assert_int_not_equal(os_file_may_write(path_of("nowhere/new"), &why), ERR_OK);
    assert_non_null(strstr(why.p, "nowhere/new: No such file or directory"));
    assert_int_equal(os_file_may_write("/", &why), ERR_VALUE);
    assert_non_null(strstr(why.p, "it is a folder"));
}

static void what_is_no_file_is_never_replaced(void **state)
{
    (void)state;
    const char *path = path_of("pipe");
    struct stat status;
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(os_file_may_write(path, &why), ERR_VALUE);
    assert_int_equal(os_file_write(path, SPAN_LITERAL("hello"), 0640, &why), ERR_VALUE);
    assert_non_null(strstr(why.p, "expected a file, found a device, pipe or socket"));
    assert_int_equal(stat(path, &status), 0);
    assert_true(S_ISFIFO(status.st_mode));
    assert_int_equal(files_in_folder(), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read_with_its_mode),
        TEST(a_failed_write_leaves_the_old_file_whole_whichever_call_fails),
        TEST(a_state_file_keeps_content_and_epoch),
        TEST(a_state_file_damaged_or_cut_at_any_byte_is_refused),
        TEST(what_cannot_be_read_says_why),
        TEST(a_folder_is_made_with_its_parents_and_again),
        TEST(a_lock_held_by_another_process_is_refused),
        TEST(a_path_that_cannot_be_written_is_known_before),
        TEST(what_is_no_file_is_never_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
