#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/fault.h"
#include "os/file.h"

static char folder[64]; /* a fresh one for every test */
static char path[128];
static char memory[1 << 20];

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/farspan-log-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/log", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    os_fault_set(OS_FAULT_FILE, 0, false);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static struct os_log opened(uint64_t size_max, unsigned keep)
{
    struct os_log log;
    assert_int_equal(os_log_open(&log, path, size_max, keep, NULL), ERR_OK);
    return log;
}

static struct span content_of(const char *suffix)
{
    static struct arena arena;
    arena_init(&arena, memory, sizeof memory);
    char name[160];
    snprintf(name, sizeof name, "%s%s", path, suffix);
    struct span content = {NULL, 0};
    assert_int_equal(os_file_read(name, sizeof memory - 16, &arena, &content, NULL), ERR_OK);
    return content;
}

static void lines_are_appended_in_order_over_two_openings(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct os_log log = opened(1000, 1);
        os_log_line(&log, SPAN_LITERAL("one"));
        os_log_line(&log, SPAN_LITERAL("two"));
        os_log_close(&log);
        os_log_close(&log);
    }
    assert_true(span_is(content_of(""), "one\ntwo\none\ntwo\n"));
}

static void it_rotates_at_its_size_and_keeps_so_many(void **state)
{
    (void)state;
    struct os_log log = opened(12, 2);
    const char *lines[] = {"line 1", "line 2", "line 3", "line 4"};
    for (size_t i = 0; i < 4; i++) {
        os_log_line(&log, span_of(lines[i]));
        os_log_flush(&log);
    }
    os_log_close(&log);
    assert_true(span_is(content_of(""), "line 4\n"));
    assert_true(span_is(content_of(".1"), "line 3\n"));
    assert_true(span_is(content_of(".2"), "line 2\n"));
    char name[160];
    snprintf(name, sizeof name, "%s.3", path);
    assert_false(os_file_exists(name));
}

static void without_files_to_keep_it_starts_over(void **state)
{
    (void)state;
    struct os_log log = opened(12, 0);
    os_log_line(&log, SPAN_LITERAL("line 1"));
    os_log_flush(&log);
    os_log_line(&log, SPAN_LITERAL("line 2"));
    os_log_close(&log);
    assert_true(span_is(content_of(""), "line 2\n"));
}

static void a_full_disk_loses_counted_lines_and_never_half_a_line(void **state)
{
    (void)state;
    static char line[1000];
    memset(line, 'x', sizeof line);
    struct os_log log = opened(1 << 20, 1);
    os_log_line(&log, SPAN_LITERAL("before"));
    os_fault_set(OS_FAULT_FILE, 1, true);
    for (int i = 0; i < 100; i++)
        os_log_line(&log, span_from(line, sizeof line));
    os_fault_set(OS_FAULT_FILE, 0, false);
    assert_int_equal(log.lost_count, 100 - 65);
    os_log_close(&log);

    struct span content = content_of("");
    assert_int_equal(content.n, 7 + 65 * 1001);
    assert_true(span_is(span_cut(&content, '\n'), "before"));
    while (content.n > 0)
        assert_int_equal(span_cut(&content, '\n').n, sizeof line);
}

static void a_line_beyond_the_buffer_is_counted_as_lost(void **state)
{
    (void)state;
    static char line[70000];
    struct os_log log = opened(1 << 20, 1);
    os_log_line(&log, span_from(line, sizeof line));
    os_log_line(&log, SPAN_LITERAL("short"));
    assert_int_equal(log.lost_count, 1);
    os_log_close(&log);
    assert_true(span_is(content_of(""), "short\n"));
}

static void every_failing_call_of_a_rotation_is_survived(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 8; nth++) {
        struct os_log log = opened(10, 1);
        os_log_line(&log, SPAN_LITERAL("first line"));
        os_log_flush(&log);
        os_fault_set(OS_FAULT_FILE, nth, false);
        os_log_line(&log, SPAN_LITERAL("second line"));
        os_log_flush(&log);
        os_fault_set(OS_FAULT_FILE, 0, false);
        os_log_close(&log);
        assert_true(span_is(content_of(""), "second line\n"));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_are_appended_in_order_over_two_openings),
        TEST(it_rotates_at_its_size_and_keeps_so_many),
        TEST(without_files_to_keep_it_starts_over),
        TEST(a_full_disk_loses_counted_lines_and_never_half_a_line),
        TEST(a_line_beyond_the_buffer_is_counted_as_lost),
        TEST(every_failing_call_of_a_rotation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
