/* Cells, merge, diff: what import and diff do between reading and writing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "catalog/diff.h"
#include "catalog/merge.h"

enum { MEMORY_SIZE = 16 << 20 };

#define FACT   ",source,date,estimate,rule\n"
#define PRICES "region,sku,market,usd_h" FACT
#define LINKS  "from,to,rtt_ms,rtt_margin_ms,bandwidth_mbps,usd_per_gib,usd_per_gib_back" FACT
#define REGIONS                                                                                    \
    "region,provider,country,continent,zone,latitude,longitude,grid_zone,pue,"                     \
    "egress_internet_usd_per_gib" FACT
#define END ",test,2026-01-31,false,\n"

static struct fleet_complaints complaints;
static struct arena arena;
static const struct span own_fact[CATALOG_FACT_COLUMNS] = {
    {"own.csv", 7}, {"2026-02-01", 10}, {"false", 5}, {NULL, 0}};

static int set_up(void **state)
{
    (void)state;
    void *memory = malloc(MEMORY_SIZE);
    assert_non_null(memory);
    arena_init(&arena, memory, MEMORY_SIZE);
    complaints = (struct fleet_complaints){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(arena.base);
    return 0;
}

static struct catalog_cells read_cells(enum catalog_file file, const char *bytes, bool is_own)
{
    struct catalog_cells cells;
    assert_true(catalog_cells_read(file, span_of(bytes),
                                   is_own ? SPAN_LITERAL("own.csv") : SPAN_LITERAL("base.csv"),
                                   is_own ? own_fact : NULL, &arena, &complaints, &cells));
    return cells;
}

static void expect_printed(const struct catalog_cells *cells, const char *expected)
{
    size_t size = catalog_cells_size(cells);
    char *buffer = arena_take(&arena, size);
    struct text text;
    text_init(&text, buffer, size);
    catalog_cells_print(cells, &text);
    assert_false(text.is_cut);
    assert_string_equal(buffer, expected);
}

static void test_what_is_read_is_printed_again(void **state)
{
    (void)state;
    const char *clients = "client,region,zone,countries,users_million,weight" FACT
                          "a,a:x,eu,\"DE, \"\"FR\"\"\",1,0.5" END "b,a:x,eu,,1,0.5" END
                          "c,a:x,eu,\" padded\",1,0.5" END;
    struct catalog_cells cells = read_cells(CATALOG_FILE_CLIENTS, clients, false);
    assert_int_equal(cells.row_count, 3);
    assert_int_equal(complaints.count, 0);
    expect_printed(&cells, clients);
}

static void test_facts_that_the_file_lacks_are_filled_in(void **state)
{
    (void)state;
    struct catalog_cells cells =
        read_cells(CATALOG_FILE_PRICES, "usd_h,market,sku,region\n1.5,spot,s,a:x\n", true);
    expect_printed(&cells, PRICES "a:x,s,spot,1.5,own.csv,2026-02-01,false,\n");
    cells = read_cells(CATALOG_FILE_PRICES,
                       "usd_h,market,sku,region,source,estimate\n1.5,spot,s,a:x,bill,\n", true);
    expect_printed(&cells, PRICES "a:x,s,spot,1.5,bill,2026-02-01,false,\n");
    assert_int_equal(complaints.count, 0);
}

static void test_the_shipped_files_must_have_their_facts(void **state)
{
    (void)state;
    read_cells(CATALOG_FILE_PRICES, "usd_h,market,sku,region\n1.5,spot,s,a:x\n", false);
    assert_true(span_is(complaints.row[0].message, "expected the column source"));
}

/* A row stands for both directions: whoever writes them the other way round means the same. */
static void test_links_are_turned_with_their_prices(void **state)
{
    (void)state;
    struct catalog_cells cells =
        read_cells(CATALOG_FILE_LINKS, LINKS "b:y,a:x,10,0,100,0.01,0.02" END, false);
    expect_printed(&cells, LINKS "a:x,b:y,10,0,100,0.02,0.01" END);
    read_cells(CATALOG_FILE_LINKS, LINKS "b:y,a:x,1,0,1,0,0" END "a:x,b:y,1,0,1,0,0" END, false);
    assert_true(
        span_is(complaints.row[0].message, "from: expected once, found again (first in line 2)"));
}

static const char base_prices[] =
    PRICES "a:x,s,spot,1.50" END "a:x,s,on_demand,3" END "a:y,s,spot,2" END;

static void test_known_rows_are_replaced_and_others_appended(void **state)
{
    (void)state;
    struct catalog_cells base = read_cells(CATALOG_FILE_PRICES, base_prices, false), merged;
    struct catalog_cells own =
        read_cells(CATALOG_FILE_PRICES,
                   "region,sku,market,usd_h\na:z,s,spot,9\n\na:x,s,on_demand,2.5\n", true);
    assert_true(catalog_merge(&base, &own, &arena, &complaints, &merged));
    expect_printed(&merged,
                   PRICES "a:x,s,spot,1.50" END "a:x,s,on_demand,2.5,own.csv,2026-02-01,false,\n"
                          "a:y,s,spot,2" END "a:z,s,spot,9,own.csv,2026-02-01,false,\n");
    const uint32_t lines[] = {0, 4, 0, 2};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(merged.lines[i], lines[i]);
    assert_int_equal(complaints.count, 0);
}

static void test_more_rows_than_the_bound_are_refused(void **state)
{
    (void)state;
    static char bytes[2][32 << 10];
    struct catalog_cells cells[2], merged;
    for (int half = 0; half < 2; half++) {
        struct text text;
        text_init(&text, bytes[half], sizeof bytes[half]);
        text_add(&text, "model,parameters_million,weights_gib,kv_bytes_per_token%s", FACT);
        for (int i = 0; i < CATALOG_MODELS_MAX / 2 + half; i++)
            text_add(&text, "m%d-%d,1,1,1%s", half, i, END);
        assert_false(text.is_cut);
        cells[half] = read_cells(CATALOG_FILE_MODELS, bytes[half], half == 1);
    }
    assert_true(catalog_merge(&cells[0], &cells[1], &arena, &complaints, &merged));
    assert_int_equal(complaints.count, 1);
    assert_true(span_is(complaints.row[0].message,
                        "expected at most 256 rows together with those of base.csv, found 257"));
    assert_int_equal(merged.row_count, CATALOG_MODELS_MAX / 2);
}

static void test_a_diff_names_rows_and_figures(void **state)
{
    (void)state;
    struct catalog_cells before = read_cells(CATALOG_FILE_PRICES, base_prices, false);
    struct catalog_cells after =
        read_cells(CATALOG_FILE_PRICES,
                   PRICES "a:z,s,spot,2" END "a:x,s,on_demand,3.00,new,2026-05-01,false,\n"
                          "a:x,s,spot,1.2" END,
                   false);
    struct catalog_change changes[3];
    struct catalog_diff diff = {0};
    catalog_diff_cells(&before, &after, &diff); /* counted */
    assert_int_equal(diff.count, 3);
    diff = (struct catalog_diff){.changes = changes, .count_max = 3};
    catalog_diff_cells(&before, &after, &diff);
    assert_int_equal(diff.count, 3);
    assert_true(diff.added == 1 && diff.removed == 1 && diff.changed == 1 && diff.confirmed == 1);
    assert_true(changes[0].kind == CATALOG_ADDED && span_is(changes[0].key[0], "a:z"));
    assert_int_equal(changes[1].kind, CATALOG_CHANGED);
    assert_true(span_is(changes[1].key[2], "spot") && span_is(span_of(changes[1].column), "usd_h"));
    assert_true(span_is(changes[1].before, "1.50") && span_is(changes[1].after, "1.2"));
    assert_true(changes[1].has_percent && changes[1].percent > -20.001 &&
                changes[1].percent < -19.999);
    assert_true(changes[2].kind == CATALOG_REMOVED && span_is(changes[2].key[0], "a:y"));
}

static void test_nothing_differs_from_itself(void **state)
{
    (void)state;
    struct catalog_cells cells = read_cells(CATALOG_FILE_PRICES, base_prices, false);
    struct catalog_diff diff = {0};
    catalog_diff_cells(&cells, &cells, &diff);
    assert_true(diff.count == 0 && diff.confirmed == 0);
}

/* A quarter of the equator is 10,007.5 km: 23.1 + 0.01556 x 10,007.5 = 178.8 ms; that to the pole
 * is the same; and 10^4.834 x 178.8^-0.919 = 580.8 Mbit/s. */
static void test_missing_links_are_estimated_from_the_places(void **state)
{
    (void)state;
    struct catalog_cells all, links,
        regions = read_cells(CATALOG_FILE_REGIONS,
                             REGIONS "o:zero,o,XX,africa,africa,0,0,G,1,0.01" END
                                     "o:east,o,XX,asia,asia,0,90,G,1,0.02" END
                                     "o:pole,o,XX,europe,eu,90,-120,G,1,0.03" END,
                             false);
    uint32_t count;
    links =
        read_cells(CATALOG_FILE_LINKS,
                   LINKS "o:pole,o:zero,99,0,100,0,0" END "o:zero,o:zero,2,0,100,0,0" END, false);
    assert_true(
        catalog_estimate_links(&regions, &links, SPAN_LITERAL("2026-03-01"), &arena, &all, &count));
    assert_int_equal(count, 4);
    expect_printed(
        &all,
        LINKS "o:pole,o:zero,99,0,100,0,0" END "o:zero,o:zero,2,0,100,0,0" END
              "o:east,o:zero,178.8,86.0,580.8,0.02,0.01,guess,2026-03-01,true,rtt-line+bw-fit+"
              "egress-net\n"
              "o:east,o:east,1.0,1.0,10000.0,0,0,guess,2026-03-01,true,rtt-inside+bw-inside\n"
              "o:east,o:pole,178.8,86.0,580.8,0.02,0.03,guess,2026-03-01,true,rtt-line+bw-fit+"
              "egress-net\n"
              "o:pole,o:pole,1.0,1.0,10000.0,0,0,guess,2026-03-01,true,rtt-inside+bw-inside\n");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_read_is_printed_again),
        TEST(test_facts_that_the_file_lacks_are_filled_in),
        TEST(test_the_shipped_files_must_have_their_facts),
        TEST(test_links_are_turned_with_their_prices),
        TEST(test_known_rows_are_replaced_and_others_appended),
        TEST(test_more_rows_than_the_bound_are_refused),
        TEST(test_a_diff_names_rows_and_figures),
        TEST(test_nothing_differs_from_itself),
        TEST(test_missing_links_are_estimated_from_the_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
