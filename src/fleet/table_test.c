#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fleet/table.h"

static struct fleet_complaints complaints;
static struct fleet_table table;
static char memory[1 << 16];
static struct arena arena;

/* Columns "name", "count", and "note" that may be missing. */
static bool begin(const char *bytes)
{
    complaints = (struct fleet_complaints){0};
    arena_init(&arena, memory, sizeof memory);
    fleet_table_init(&table, span_of(bytes), SPAN_LITERAL("t.csv"), 3, &arena, &complaints);
    fleet_table_expect(&table, "name", false);
    fleet_table_expect(&table, "count", false);
    fleet_table_expect(&table, "note", true);
    return fleet_table_begin(&table);
}

static void expect_row(const char *name, const char *count, const char *note)
{
    assert_true(fleet_table_next(&table));
    assert_true(span_is(table.cells[0], name));
    assert_true(span_is(table.cells[1], count));
    assert_true(span_is(table.cells[2], note));
}

static void expect_complaint(uint32_t index, uint32_t line, uint32_t column, const char *message)
{
    assert_true(index < complaints.count);
    assert_true(span_is(complaints.row[index].message, message));
    assert_int_equal(complaints.row[index].line, line);
    assert_int_equal(complaints.row[index].column, column);
}

static void test_cells_are_found_by_the_names_of_their_columns(void **state)
{
    (void)state;
    assert_true(begin("count,note,name\n1,a,x\n 2 ,\tb, y\n"));
    expect_row("x", "1", "a");
    expect_row("y", "2", "b");
    assert_false(fleet_table_next(&table));
    assert_int_equal(complaints.count, 0);
}

static void test_a_missing_optional_column_is_empty(void **state)
{
    (void)state;
    assert_true(begin("count,name\n1,x\n"));
    assert_false(fleet_table_has(&table, 2));
    expect_row("x", "1", "");
    assert_null(table.cells[2].p);
    assert_int_equal(fleet_table_place(&table, 2).column, 1);
}

static void test_quotes_keep_commas_spaces_and_quotes(void **state)
{
    (void)state;
    assert_true(begin("name,count,note\n\" x, y\",\"2\",\"a \"\"b\"\"\"\n"));
    expect_row(" x, y", "2", "a \"b\"");
    assert_int_equal(table.starts[1], 9);
    assert_true(begin("name,count,note\n\"\",\"\"\"\",\"\"\n"));
    expect_row("", "\"", "");
}

static void test_what_spreadsheets_write_is_read(void **state)
{
    (void)state;
    assert_true(begin("\xEF\xBB\xBFname,count\r\n\r\n# by hand\r\nx,1\r\ny,2"));
    expect_row("x", "1", "");
    assert_int_equal(table.line, 4);
    expect_row("y", "2", "");
    assert_false(fleet_table_next(&table));
}

static void test_a_torn_quote_is_complained_about(void **state)
{
    (void)state;
    assert_true(begin("name,count\n\"x,1\n\"x\" y,2\nz,3\n"));
    expect_row("z", "3", "");
    assert_int_equal(complaints.count, 2);
    expect_complaint(0, 2, 1,
                     "expected a quoted cell that ends with \" before a comma or the end of its "
                     "line, found \"x,1");
    assert_int_equal(complaints.row[1].line, 3);
}

static void test_a_bad_header_ends_the_reading(void **state)
{
    (void)state;
    assert_false(begin("name,cuont\n"));
    expect_complaint(0, 1, 6, "unknown column \"cuont\": did you mean count?");
    assert_false(begin("name,count,name\n"));
    expect_complaint(0, 1, 12, "column name: expected once, found again");
    assert_false(begin("name,note\n"));
    expect_complaint(0, 1, 1, "expected the column count");
    assert_false(begin("name;count\nx;1\n"));
    expect_complaint(0, 1, 1, "expected columns separated by commas, found semicolons");
    assert_false(begin("# nothing\n\n"));
    expect_complaint(0, 0, 0, "expected a header line that names the columns, found none");
    assert_false(begin(",,,,,,,,,,,,,,,,,,,,,,,,,\n"));
    assert_true(complaints.count > 0);
}

static void test_rows_of_another_length_are_left_out(void **state)
{
    (void)state;
    assert_true(begin("name,count\nx\ny,1\nz,1,2\n,,,,,,,,,,,,,,,,,,,,,,,,,,,\n"));
    expect_row("y", "1", "");
    assert_false(fleet_table_next(&table));
    expect_complaint(0, 2, 1, "expected 2 cells, found 1");
    expect_complaint(1, 4, 1, "expected 2 cells, found 3");
    expect_complaint(2, 5, 21, "expected at most 2 cells, found more");
}

static void test_what_a_file_holds_does_not_steer_the_terminal(void **state)
{
    (void)state;
    assert_true(begin("name,count\n\"\x1b[31mred\x7f\"x,1\n"));
    assert_false(fleet_table_next(&table));
    assert_int_equal(complaints.count, 1);
    struct span said = complaints.row[0].message;
    assert_true(said.n > 0);
    for (size_t i = 0; i < said.n; i++)
        assert_in_range((unsigned char)said.p[i], ' ', 0x7e);
}

static void test_more_rows_than_the_bound_are_refused(void **state)
{
    (void)state;
    assert_true(begin("name,count\na,1\nb,2\nc,3\nd,4\ne,5\n"));
    for (int i = 0; i < 3; i++)
        assert_true(fleet_table_next(&table));
    assert_false(fleet_table_next(&table));
    assert_false(fleet_table_next(&table));
    assert_int_equal(complaints.count, 1);
    expect_complaint(0, 5, 1, "expected at most 3 rows");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells_are_found_by_the_names_of_their_columns),
        cmocka_unit_test(test_a_missing_optional_column_is_empty),
        cmocka_unit_test(test_quotes_keep_commas_spaces_and_quotes),
        cmocka_unit_test(test_what_spreadsheets_write_is_read),
        cmocka_unit_test(test_a_torn_quote_is_complained_about),
        cmocka_unit_test(test_a_bad_header_ends_the_reading),
        cmocka_unit_test(test_rows_of_another_length_are_left_out),
        cmocka_unit_test(test_what_a_file_holds_does_not_steer_the_terminal),
        cmocka_unit_test(test_more_rows_than_the_bound_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
