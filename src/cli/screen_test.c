#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "cli/screen.h"

static struct screen screen;
static char buffer[4096];
static struct text out;

static const char *drawn(const char *lines, unsigned columns, unsigned rows)
{
    text_init(&out, buffer, sizeof buffer);
    screen_compose(&screen, span_of(lines), columns, rows, &out);
    return buffer;
}

static int set_up(void **state)
{
    (void)state;
    screen = (struct screen){0};
    return 0;
}

static void the_second_drawing_goes_over_the_first(void **state)
{
    (void)state;
    assert_string_equal(drawn("one\ntwo\n", 80, 24), "\rone\033[K\ntwo\033[K\n\033[J");
    assert_string_equal(drawn("three\n", 80, 24), "\033[2A\rthree\033[K\n\033[J");
    assert_string_equal(drawn("", 80, 24), "\033[1A\r\033[J");
    assert_string_equal(drawn("four\n", 80, 24), "\rfour\033[K\n\033[J");
}

static void a_line_never_takes_two_rows(void **state)
{
    (void)state;
    assert_string_equal(drawn("0123456789\n", 10, 24), "\r012345678\033[K\n\033[J");
    screen = (struct screen){0};
    assert_string_equal(drawn("\xC3\xA4\xC3\xB6\xC3\xBC\n", 3, 24),
                        "\r\xC3\xA4\xC3\xB6\033[K\n\033[J");
}

static void a_table_higher_than_the_terminal_is_cut(void **state)
{
    (void)state;
    assert_string_equal(drawn("1\n2\n3\n4\n", 80, 3), "\r1\033[K\n2\033[K\n\033[J");
    assert_string_equal(drawn("1\n2\n3\n4\n", 80, 3), "\033[2A\r1\033[K\n2\033[K\n\033[J");
}

static void lines_that_a_narrower_window_wrapped_are_all_drawn_over(void **state)
{
    (void)state;
    drawn("0123456789012345678\n\n0123456789\n", 80, 24);
    const char *again = drawn("x\n", 10, 24);
    assert_memory_equal(again, "\033[4A\rx", 6);
}

static void a_terminal_that_does_not_know_its_size_has_24_rows_of_80(void **state)
{
    (void)state;
    char line[102];
    memset(line, 'a', 100);
    memcpy(line + 100, "\n", 2);
    drawn(line, 0, 0);
    assert_int_equal(screen.width[0], 79);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_second_drawing_goes_over_the_first, set_up),
        cmocka_unit_test_setup(a_line_never_takes_two_rows, set_up),
        cmocka_unit_test_setup(a_table_higher_than_the_terminal_is_cut, set_up),
        cmocka_unit_test_setup(lines_that_a_narrower_window_wrapped_are_all_drawn_over, set_up),
        cmocka_unit_test_setup(a_terminal_that_does_not_know_its_size_has_24_rows_of_80, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
