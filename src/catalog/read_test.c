/* A small catalogue of two regions, and every mistake in it once, with its words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "catalog/catalog.h"

enum { MEMORY_SIZE = 8 << 20, BYTES_SIZE = 64 << 10 };

#define END   ",test,2026-01-31,false,\n"
#define GUESS ",test,2026-01-31,true,rule\n"
#define FACT  ",source,date,estimate,rule\n"
#define REGIONS                                                                                    \
    "region,provider,country,continent,zone,latitude,longitude,grid_zone,pue,egress_internet_usd_" \
    "per_gib" FACT
#define SKUS                                                                                       \
    "sku,provider,accelerator,accelerator_count,accelerator_memory_gib,vcpu,memory_gib,idle_w,"    \
    "peak_w" FACT
#define PRICES  "region,sku,market,usd_h" FACT
#define STOCK   "region,sku,market,count" FACT
#define SPOT    "provider,accelerator,up_h,down_h" FACT
#define LINKS   "from,to,rtt_ms,rtt_margin_ms,bandwidth_mbps,usd_per_gib,usd_per_gib_back" FACT
#define CLIENTS "client,region,zone,countries,users_million,weight" FACT
#define CARBON  "grid_zone,hour_utc,g_per_kwh" FACT
#define POWER   "grid_zone,hour_utc,usd_per_mwh" FACT
#define MODELS  "model,parameters_million,weights_gib,kv_bytes_per_token" FACT
#define PROFILES                                                                                   \
    "model,accelerator,tensor_parallel,batch,prompt_tokens,prompt_ms,token_ms,accelerator_w" FACT

static const char regions[] = REGIONS "a:east,a,DE,europe,eu,52.5,13.4,DE,1.2,0.08" END
                                      "a:west,a,US,north-america,us,-37.5,-122.4,US,1.1,0.09" GUESS;
static const char skus[] =
    SKUS "gpu8,a,h100-80gb,8,79.6,96,1900,1500,10200" END
         "gpu1,a,h100-80gb,1,79.6,12,200,200.5,1300" END "cpu,a,,0,0.0,4,16,10,40" END;
static const char prices[] = PRICES "a:west,gpu8,on_demand,98.32" END "a:east,cpu,on_demand,0.2" END
                                    "a:east,gpu8,spot,30.5" GUESS "a:east,gpu8,on_demand,101" END;
static const char stock[] = STOCK "a:east,gpu8,spot,4" GUESS "a:west,gpu8,on_demand,7" END;
static const char spot[] = SPOT "a,h100-80gb,4,1" END "a,,9,0.5" END;
static const char links[] =
    LINKS "a:east,a:east,1,0,10000,0,0" END "a:east,a:west,140.5,2,800,0.02,0.05" END
          "a:west,a:west,1,0,10000,0,0" END;
static const char clients[] =
    CLIENTS "germany,a:east,eu,DE,70,0.4" END "california,a:west,us,\"US, CA\",105,0.6" END;
static const char models[] = MODELS "big,70000,128.5,327680" END "small,8000,15,131072" END;
static const char profiles[] =
    PROFILES "small,h100-80gb,1,1,512,40,7.5,400" END "big,h100-80gb,8,4,512,180,12,300" END
             "big,h100-80gb,8,1,512,60,11,300" END "big,h100-80gb,8,1,128,50,11," END;

static struct fleet_complaints complaints;
static struct arena arena;
static struct span files[CATALOG_FILES];
static char carbon[BYTES_SIZE], power[BYTES_SIZE];

/* 24 hours of DE and US. */
static void fill_hours(const char *header, char *buffer)
{
    struct text text;
    text_init(&text, buffer, BYTES_SIZE);
    text_add(&text, "%s", header);
    for (int zone = 0; zone < 2; zone++)
        for (int hour = 0; hour < CATALOG_HOURS; hour++)
            text_add(&text, "%s,%d,%d.5%s", zone ? "US" : "DE", hour, 100 * zone + hour, END);
    CHECK(!text.is_cut);
}

static int set_up(void **state)
{
    (void)state;
    void *memory = malloc(MEMORY_SIZE);
    assert_non_null(memory);
    arena_init(&arena, memory, MEMORY_SIZE);
    fill_hours(CARBON, carbon);
    fill_hours(POWER, power);
    const char *const texts[CATALOG_FILES] = {regions, skus,   prices, stock,  spot,    links,
                                              clients, carbon, power,  models, profiles};
    for (size_t i = 0; i < CATALOG_FILES; i++)
        files[i] = span_of(texts[i]);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(arena.base);
    return 0;
}

static const struct catalog *read_files(enum err expected)
{
    struct catalog *catalog = NULL;
    complaints = (struct fleet_complaints){0};
    enum err err = catalog_read(files, SPAN_LITERAL("f"), &arena, &complaints, &catalog);
    for (uint32_t i = 0; err != expected && i < complaints.count; i++)
        print_error("%.*s:%u:%u: %.*s\n", SPAN_ARG(complaints.row[i].file), complaints.row[i].line,
                    complaints.row[i].column, SPAN_ARG(complaints.row[i].message));
    assert_int_equal(err, expected);
    assert_true((catalog != NULL) == (err == ERR_OK));
    return catalog;
}

static void test_a_good_catalogue_is_read(void **state)
{
    (void)state;
    const struct catalog *catalog = read_files(ERR_OK);
    assert_true(catalog->region_count == 2 && catalog->sku_count == 3);
    assert_true(catalog->client_count == 2 && catalog->grid_count == 2);
    assert_true(catalog->regions[1].latitude == -37.5 && catalog->regions[1].fact.is_estimate);
    assert_true(catalog->grids[1].g_per_kwh[23] == 123.5 &&
                catalog->grids[0].usd_per_mwh[0] == 0.5);
    assert_true(catalog_link(catalog, 0, 1)->usd_gib == 0.02);
    assert_true(catalog_link(catalog, 1, 0)->usd_gib == 0.05);
    assert_true(catalog_link(catalog, 1, 0)->margin_ms == 2);
}

/* Whatever the order of the file. */
static void test_offers_are_in_order_with_their_stock(void **state)
{
    (void)state;
    const struct catalog *catalog = read_files(ERR_OK);
    assert_int_equal(catalog->offer_count, 4);
    assert_int_equal(catalog->region_offers[1], 3);
    assert_int_equal(catalog->region_offers[2], 4);
    const double usd_h[] = {101, 30.5, 0.2, 98.32};
    const uint32_t in_stock[] = {0, 4, 0, 7};
    for (size_t i = 0; i < 4; i++) {
        assert_true(catalog->offers[i].usd_h == usd_h[i]);
        assert_int_equal(catalog->offers[i].stock, in_stock[i]);
    }
    assert_true(catalog->offers[1].in_stock.is_estimate && catalog->offers[1].price.is_estimate);
    assert_int_equal(catalog_find_offer(catalog, 0, 0, CATALOG_SPOT)->stock, 4);
    assert_null(catalog_find_offer(catalog, 0, 1, CATALOG_SPOT));
    assert_null(catalog_find_offer(catalog, 1, 2, CATALOG_RESERVED));
}

static void test_profiles_are_in_order(void **state)
{
    (void)state;
    const struct catalog *catalog = read_files(ERR_OK);
    const double prompt_ms[] = {50, 60, 180, 40};
    assert_int_equal(catalog->profile_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(catalog->profiles[i].prompt_ms == prompt_ms[i]);
    assert_true(catalog->profiles[0].accelerator_w == 0); /* not known */
}

static void test_columns_may_stand_in_any_order(void **state)
{
    (void)state;
    files[CATALOG_FILE_MODELS] =
        SPAN_LITERAL("# by hand\n\nrule,estimate,date,source,kv_bytes_per_token,weights_gib,"
                     "parameters_million,model\r\n,false,2026-01-31,test,327680,\"128.5\",70000,"
                     "big\r\n\r\n,false,2026-01-31,test,131072,15,8000,small");
    const struct catalog *catalog = read_files(ERR_OK);
    assert_true(catalog->models[0].weights_gib == 128.5);
    assert_int_equal(catalog->models[1].fact.line, 6);
}

/* --- one mistake at a time --- */

struct mistake {
    enum catalog_file file;
    const char *text; /* of the whole file */
    uint32_t line, column;
    const char *message;
};

#define R1 "a:east,a,DE,europe,eu,52.5,13.4,DE,1.2,0.08" END
#define R2 "a:west,a,US,north-america,us,37.5,-122.4,US,1.1,0.09" END
#define S1 "gpu8,a,h100-80gb,8,79.6,96,1900,1500,10200" END
#define M1 "big,70000,128.5,327680" END "small,8000,15,131072" END

static const struct mistake mistakes[] = {
    {CATALOG_FILE_MODELS, "", 0, 0, "expected a header line that names the columns, found none"},
    {CATALOG_FILE_MODELS, "model,parameters_million,weights,kv_bytes_per_token" FACT, 1, 26,
     "unknown column \"weights\""},
    {CATALOG_FILE_MODELS, "model,parameters_milion,weights_gib,kv_bytes_per_token" FACT, 1, 7,
     "unknown column \"parameters_milion\": did you mean parameters_million?"},
    {CATALOG_FILE_MODELS, "model,parameters_million,weights_gib" FACT, 1, 1,
     "expected the column kv_bytes_per_token"},
    {CATALOG_FILE_MODELS, "model,model,parameters_million,weights_gib,kv_bytes_per_token" FACT, 1,
     7, "column model: expected once, found again"},
    {CATALOG_FILE_MODELS, MODELS M1 "tiny,1,2\n", 4, 1, "expected 8 cells, found 3"},
    {CATALOG_FILE_MODELS, MODELS M1 "\"tiny,1,2\n", 4, 1,
     "expected a quoted cell that ends with \" before a comma or the end of its line, found "
     "\"tiny,1,2"},
    {CATALOG_FILE_MODELS, MODELS M1 "tiny,7e3,2,3" END, 4, 6,
     "parameters_million: expected a plain decimal of 1 .. 10000000, found \"7e3\""},
    {CATALOG_FILE_MODELS, MODELS M1 "tiny,0.5,2,3" END, 4, 6,
     "parameters_million: expected a plain decimal of 1 .. 10000000, found \"0.5\""},
    {CATALOG_FILE_MODELS, MODELS M1 "tiny,5,2,1.5" END, 4, 10,
     "kv_bytes_per_token: expected a whole number of 1 .. 100000000, found \"1.5\""},
    {CATALOG_FILE_MODELS, MODELS M1 "a b,5,2,1" END, 4, 1,
     "model: expected a name of at most 64 visible ASCII characters without spaces, found \"a b\""},
    {CATALOG_FILE_MODELS, MODELS M1 "big,5,2,1" END, 4, 1,
     "model: expected once, found again (first in line 2)"},
    {CATALOG_FILE_MODELS, MODELS M1 "tiny,5,2,1,,2026-01-31,false,\n", 4, 12,
     "source: expected names of sources, joined by +, found \"\""},
    {CATALOG_FILE_MODELS, MODELS M1 "tiny,5,2,1,a+,2026-01-31,false,\n", 4, 12,
     "source: expected names of sources, joined by +, found \"a+\""},
    {CATALOG_FILE_MODELS, MODELS M1 "tiny,5,2,1,test,2026-02-29,false,\n", 4, 17,
     "date: expected a day as YYYY-MM-DD from 2015 on, found \"2026-02-29\""},
    {CATALOG_FILE_MODELS, MODELS M1 "tiny,5,2,1,test,2026-01-31,no,\n", 4, 28,
     "estimate: expected true or false, found \"no\""},
    {CATALOG_FILE_MODELS, MODELS M1 "tiny,5,2,1,test,2026-01-31,true,\n", 4, 33,
     "rule: expected names of the rules of the estimate, joined by +, found \"\""},
    {CATALOG_FILE_MODELS, MODELS M1 "tiny,5,2,1,test,2026-01-31,false,guess\n", 4, 34,
     "rule: expected nothing, since the row is no estimate, found \"guess\""},

    {CATALOG_FILE_REGIONS, REGIONS R1 R2 "b:north,a,DE,europe,eu,5,1,DE,1.2,0" END, 4, 1,
     "region: expected a:NAME, found \"b:north\""},
    {CATALOG_FILE_REGIONS, REGIONS R1 R2 "a:north,a,DE,europe,eu,91,1,DE,1.2,0" END, 4, 24,
     "latitude: expected a plain decimal of -90 .. 90, found \"91\""},
    {CATALOG_FILE_REGIONS, REGIONS R1 R2 "a:north,a,DE,europe,eu,9,1,FR,1.2,0" END, 4, 28,
     "grid_zone: expected a name of carbon.csv, found \"FR\""},
    {CATALOG_FILE_REGIONS, REGIONS R1 R2 R1, 4, 1,
     "region: expected once, found again (first in line 2)"},
    {CATALOG_FILE_SKUS, SKUS S1 "cpu,a,,0,0,4,16,10,40" END "x,a,,1,0,4,16,10,40" END, 4, 6,
     "accelerator_count: expected 0, since there is no accelerator, found 1"},
    {CATALOG_FILE_SKUS, SKUS S1 "cpu,a,,0,0,4,16,10,40" END "x,a,gpu,1,0,4,16,10,40" END, 4, 11,
     "accelerator_memory_gib: expected the memory of one accelerator, found 0"},
    {CATALOG_FILE_SKUS, SKUS S1 "cpu,a,,0,0,4,16,10,40" END "x,a,gpu,1,2,4,16,50,40" END, 4, 18,
     "idle_w: expected less than peak_w (40), found 50"},

    {CATALOG_FILE_PRICES,
     PRICES "a:west,gpu8,on_demand,98.32" END "a:east,gpu8,spot,30.5" END
            "a:eest,gpu8,spot,30.5" END,
     4, 1, "region: expected a name of regions.csv, found \"a:eest\": did you mean a:east?"},
    {CATALOG_FILE_PRICES,
     PRICES "a:west,gpu8,on_demand,98.32" END "a:east,gpu8,spot,30.5" END
            "a:east,gpu7,spot,30.5" END,
     4, 8, "sku: expected a name of skus.csv, found \"gpu7\": did you mean gpu8?"},
    {CATALOG_FILE_PRICES,
     PRICES "a:west,gpu8,on_demand,98.32" END "a:east,gpu8,spot,30.5" END
            "a:east,gpu8,sopt,30.5" END,
     4, 13, "market: expected on_demand, spot or reserved, found \"sopt\""},
    {CATALOG_FILE_PRICES,
     PRICES "a:west,gpu8,on_demand,98.32" END "a:east,gpu8,spot,30.5" END "a:east,gpu8,spot,31" END,
     4, 1, "region: expected once, found again (first in line 3)"},
    {CATALOG_FILE_PRICES, PRICES "a:west,gpu8,on_demand,98.32" END "a:east,gpu8,spot,-1" END, 3, 18,
     "usd_h: expected a plain decimal of 0 .. 1000, found \"-1\""},
    {CATALOG_FILE_STOCK, STOCK "a:east,gpu8,spot,4" END "a:east,gpu8,reserved,4" END, 3, 1,
     "region: expected a row of prices.csv for it, found none"},
    {CATALOG_FILE_STOCK, STOCK "a:east,gpu8,spot,4" END "a:east,gpu8,spot,4" END, 3, 1,
     "region: expected once, found again (first in line 2)"},
    {CATALOG_FILE_SPOT, SPOT "a,,9,0.5" END "a,,9,0.5" END, 3, 1,
     "provider: expected once, found again (first in line 2)"},

    {CATALOG_FILE_LINKS, LINKS "a:east,a:east,1,0,10000,0,0" END "a:west,a:west,1,0,10000,0,0" END,
     0, 0, "expected a link of a:east and a:west, found none"},
    {CATALOG_FILE_LINKS,
     LINKS "a:east,a:east,1,0,10000,0,0" END "a:east,a:west,1,0,10000,0,0" END
           "a:west,a:west,1,0,10000,0,0" END "a:west,a:east,1,0,10000,0,0" END,
     5, 1, "from: expected once, found again (first in line 3)"},
    {CATALOG_FILE_CLIENTS, CLIENTS "germany,a:east,eu,DE,70,0.4" END, 0, 0,
     "weight: expected a sum of 1 over all clients, found 0.4000"},
    {CATALOG_FILE_CLIENTS,
     CLIENTS "germany,a:east,eu,DE,70,0.4" END "germany,a:east,eu,DE,70,0.6" END, 3, 1,
     "client: expected once, found again (first in line 2)"},
    {CATALOG_FILE_CARBON, CARBON "DE,0,1" END, 2, 1, "grid_zone: expected 24 hours of DE, found 1"},
    {CATALOG_FILE_POWER, POWER "DE,24,1" END, 2, 4,
     "hour_utc: expected a whole number of 0 .. 23, found \"24\""},
    {CATALOG_FILE_POWER, POWER "DE,2,1" END "DE,2,1" END, 3, 4,
     "hour_utc: DE 2: expected once, found again"},

    {CATALOG_FILE_PROFILES, PROFILES "huge,h100-80gb,8,1,512,60,11,300" END, 2, 1,
     "model: expected a name of models.csv, found \"huge\""},
    {CATALOG_FILE_PROFILES, PROFILES "big,h200-141gb,8,1,512,60,11,300" END, 2, 5,
     "accelerator: expected an accelerator of skus.csv, found \"h200-141gb\""},
    {CATALOG_FILE_PROFILES, PROFILES "big,h100-80gb,8,1,512,60,11,0" END, 2, 29,
     "accelerator_w: expected a plain decimal of 1 .. 2000, found \"0\""},
    {CATALOG_FILE_PROFILES,
     PROFILES "big,h100-80gb,2,64,512,60,11,300" END "big,h100-80gb,2,32,512,480,11,300" END, 2, 1,
     "prompt_ms: expected at least that of batch 32 (480), found 60: it falls as the batch grows"},
    {CATALOG_FILE_PROFILES,
     PROFILES "big,h100-80gb,8,1,512,60,11,300" END "big,h100-80gb,8,1,512,61,11,300" END, 3, 1,
     "model: expected once, found again (first in line 2)"},
};

/* The first complaint is that of the mistake; of some mistakes more follow. */
static void test_each_mistake_has_its_words(void **state)
{
    for (size_t i = 0; i < COUNT_OF(mistakes); i++) {
        const struct mistake *mistake = &mistakes[i];
        tear_down(state);
        set_up(state);
        files[mistake->file] = span_of(mistake->text);
        read_files(ERR_VALUE);
        const struct fleet_complaint *row = &complaints.row[0];
        char path[64];
        struct text text;
        text_init(&text, path, sizeof path);
        text_add(&text, "f/%s", catalog_file_name(mistake->file));
        bool is_same = span_is_equal(row->file, text_span(&text)) && row->line == mistake->line &&
                       row->column == mistake->column && span_is(row->message, mistake->message);
        if (!is_same)
            print_error("%zu expected %s:%u:%u: %s\n  found %.*s:%u:%u: %.*s\n", i, path,
                        mistake->line, mistake->column, mistake->message, SPAN_ARG(row->file),
                        row->line, row->column, SPAN_ARG(row->message));
        assert_true(is_same);
    }
}

/* Else one bad region would hide its cause behind a hundred unknown names. */
static void test_a_refused_row_is_not_complained_about_where_it_is_used(void **state)
{
    (void)state;
    files[CATALOG_FILE_REGIONS] = SPAN_LITERAL(REGIONS R1 "a:west,a,US,n,us,137,-122,US,1.1,0" END);
    read_files(ERR_VALUE);
    assert_int_equal(complaints.count, 1);
}

static void test_mistakes_of_all_files_are_said_at_once(void **state)
{
    (void)state;
    files[CATALOG_FILE_SPOT] = SPAN_LITERAL(SPOT "a,,0,0.5" END);
    files[CATALOG_FILE_CLIENTS] = SPAN_LITERAL(CLIENTS "germany,a:east,eu,DE,70,1.4" END);
    files[CATALOG_FILE_MODELS] = SPAN_LITERAL(MODELS "big,1,1,0" END "big,x,1,0" END);
    read_files(ERR_VALUE);
    assert_int_equal(complaints.count, 5);
}

static void test_more_rows_than_the_bound_are_refused(void **state)
{
    (void)state;
    static char buffer[BYTES_SIZE];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    text_add(&text, "%s", MODELS M1);
    for (int i = 0; i < CATALOG_MODELS_MAX - 2; i++)
        text_add(&text, "m%d,1,1,1%s", i, END);
    files[CATALOG_FILE_MODELS] = text_span(&text);
    assert_int_equal(read_files(ERR_OK)->model_count, CATALOG_MODELS_MAX);
    text_add(&text, "one-more,1,1,1%s", END);
    assert_false(text.is_cut);
    files[CATALOG_FILE_MODELS] = text_span(&text);
    read_files(ERR_VALUE);
    assert_true(span_is(complaints.row[0].message, "expected at most 256 rows"));
    assert_int_equal(complaints.row[0].line, CATALOG_MODELS_MAX + 2);
}

static void test_the_hash_depends_on_every_file(void **state)
{
    (void)state;
    uint8_t first[32];
    memcpy(first, read_files(ERR_OK)->sha256, 32);
    files[CATALOG_FILE_SPOT] = SPAN_LITERAL(SPOT "a,h100-80gb,4,1" END "a,,9,0.6" END);
    assert_memory_not_equal(first, read_files(ERR_OK)->sha256, 32);
}

/* big: 128.5 GiB of weights, 327,680 bytes of cache a token; 0.9 x 79.6 = 71.64 GiB each. */
static void test_what_fits_is_weights_and_cache(void **state)
{
    (void)state;
    const struct catalog *catalog = read_files(ERR_OK);
    const uint16_t big = 0, small = 1, gpu8 = 0, gpu1 = 1, cpu = 2;
    assert_false(catalog_fits(catalog, big, gpu8, 1, 1, 1));
    assert_true(catalog_fits(catalog, big, gpu8, 2, 1, 1));
    /* (143.28 - 128.5) GiB / 327,680 B = 48,431.1 tokens */
    assert_true(catalog_fits(catalog, big, gpu8, 2, 1, 48431));
    assert_false(catalog_fits(catalog, big, gpu8, 2, 1, 48432));
    assert_true(catalog_fits(catalog, big, gpu8, 2, 3, 16143));
    assert_false(catalog_fits(catalog, big, gpu8, 2, 3, 16144));
    assert_true(catalog_fits(catalog, small, gpu1, 1, 1, 1000));
    assert_false(catalog_fits(catalog, small, gpu1, 2, 1, 1)); /* the machine has one */
    assert_false(catalog_fits(catalog, small, gpu1, 0, 1, 1));
    assert_false(catalog_fits(catalog, small, cpu, 1, 1, 1));
    assert_false(catalog_fits(catalog, small, gpu8, 8, UINT32_MAX, UINT32_MAX));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_good_catalogue_is_read),
        TEST(test_offers_are_in_order_with_their_stock),
        TEST(test_profiles_are_in_order),
        TEST(test_columns_may_stand_in_any_order),
        TEST(test_each_mistake_has_its_words),
        TEST(test_a_refused_row_is_not_complained_about_where_it_is_used),
        TEST(test_mistakes_of_all_files_are_said_at_once),
        TEST(test_more_rows_than_the_bound_are_refused),
        TEST(test_the_hash_depends_on_every_file),
        TEST(test_what_fits_is_weights_and_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
