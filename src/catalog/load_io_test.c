/* The shipped catalogue, and folders that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/crypto.h"
#include "catalog/load_io.h"

#define FOLDER SOURCE_DIR "/data/catalog"

static struct fleet_complaints complaints;
static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    void *memory = calloc(1, CATALOG_ARENA_SIZE);
    assert_non_null(memory);
    arena_init(&arena, memory, CATALOG_ARENA_SIZE);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(arena.base);
    return 0;
}

static struct catalog *load(const char *folder, enum err expected)
{
    struct catalog *catalog = NULL;
    arena_reset(&arena, 0);
    enum err err = catalog_load_io(folder, &arena, &complaints, &catalog);
    for (uint32_t i = 0; err != expected && i < complaints.count; i++)
        print_error("%.*s:%u:%u %.*s\n", SPAN_ARG(complaints.row[i].file), complaints.row[i].line,
                    complaints.row[i].column, SPAN_ARG(complaints.row[i].message));
    assert_int_equal(err, expected);
    return catalog;
}

static uint32_t count_lines(enum catalog_file file)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", FOLDER, catalog_file_name(file));
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    uint32_t count = 0;
    for (int c; (c = fgetc(stream)) != EOF;)
        count += c == '\n';
    fclose(stream);
    return count - 1; /* the header */
}

static void test_the_shipped_catalogue_loads_whole(void **state)
{
    (void)state;
    const struct catalog *catalog = load(FOLDER, ERR_OK);
    assert_int_equal(catalog->region_count, count_lines(CATALOG_FILE_REGIONS));
    assert_int_equal(catalog->sku_count, count_lines(CATALOG_FILE_SKUS));
    assert_int_equal(catalog->offer_count, count_lines(CATALOG_FILE_PRICES));
    assert_int_equal(catalog->spot_count, count_lines(CATALOG_FILE_SPOT));
    assert_int_equal(catalog->client_count, count_lines(CATALOG_FILE_CLIENTS));
    assert_int_equal(catalog->grid_count * CATALOG_HOURS, count_lines(CATALOG_FILE_CARBON));
    assert_int_equal(catalog->grid_count * CATALOG_HOURS, count_lines(CATALOG_FILE_POWER));
    assert_int_equal(catalog->model_count, count_lines(CATALOG_FILE_MODELS));
    assert_int_equal(catalog->profile_count, count_lines(CATALOG_FILE_PROFILES));
    uint32_t stocked = 0;
    for (uint32_t i = 0; i < catalog->offer_count; i++)
        stocked += catalog->offers[i].in_stock.line > 0;
    assert_int_equal(stocked, count_lines(CATALOG_FILE_STOCK));
    uint32_t pairs = catalog->region_count * (catalog->region_count + 1) / 2;
    assert_int_equal(pairs, count_lines(CATALOG_FILE_LINKS));
    assert_true(arena.used < CATALOG_ARENA_SIZE / 16);
}

static void test_every_offer_is_found_and_in_order(void **state)
{
    (void)state;
    const struct catalog *catalog = load(FOLDER, ERR_OK);
    for (uint16_t region = 0; region < catalog->region_count; region++)
        for (uint32_t i = catalog->region_offers[region]; i < catalog->region_offers[region + 1];
             i++) {
            const struct catalog_offer *offer = &catalog->offers[i];
            assert_int_equal(offer->region, region);
            assert_ptr_equal(catalog_find_offer(catalog, region, offer->sku, offer->market), offer);
            assert_true(offer->usd_h > 0);
        }
    assert_int_equal(catalog->region_offers[catalog->region_count], catalog->offer_count);
}

/* Values typed off the files: a column mixed up would show. */
static void test_rows_are_what_the_files_say(void **state)
{
    (void)state;
    const struct catalog *catalog = load(FOLDER, ERR_OK);
    uint16_t tokyo = catalog_find_region(catalog, SPAN_LITERAL("aws:ap-northeast-1"));
    uint16_t seoul = catalog_find_region(catalog, SPAN_LITERAL("aws:ap-northeast-2"));
    assert_true(tokyo != CATALOG_NONE && seoul != CATALOG_NONE);
    const struct catalog_region *region = &catalog->regions[tokyo];
    assert_true(span_is(region->country, "JP") && span_is(region->zone, "asia"));
    assert_true(region->latitude > 35 && region->latitude < 36 && region->longitude > 139);
    assert_true(span_is(catalog->grids[region->grid].name, "JP-TK"));
    assert_true(region->fact.is_estimate && span_is(region->fact.rule, "pue-fleet"));
    assert_int_equal(region->fact.date, 20220214);
    assert_int_equal(region->fact.line, 2);

    const struct catalog_link *there = catalog_link(catalog, tokyo, seoul),
                              *back = catalog_link(catalog, seoul, tokyo);
    assert_true(there->rtt_ms == 33.0 && back->rtt_ms == 33.0 && there->bandwidth_mbps == 1941);
    assert_true(there->usd_gib == 0.09 && back->usd_gib == 0.08);

    uint16_t model = catalog_find_model(catalog, SPAN_LITERAL("bloom-176b"));
    assert_true(catalog->models[model].kv_bytes_per_token == 4014080);
    const struct catalog_profile *profile = &catalog->profiles[0];
    assert_int_equal(profile->model, model);
    assert_true(profile->tensor_parallel == 8 && profile->batch == 1);
    assert_true(profile->prompt_tokens == 128 && profile->prompt_ms == 79.7);
    assert_true(profile->token_ms == 47.61 && profile->accelerator_w == 255);

    const struct catalog_spot *spot =
        catalog_find_spot(catalog, SPAN_LITERAL("aws"), SPAN_LITERAL("a10-24gb"));
    assert_true(spot && spot->up_h == 4.05 && spot->down_h == 1.56);
    assert_true(catalog_find_spot(catalog, SPAN_LITERAL("aws"), SPAN_LITERAL("abacus")) == NULL);
}

/* `sha256sum` of the files in their order, hashed again: anyone can check it. */
static void test_the_hash_names_every_byte(void **state)
{
    (void)state;
    char lines[4096], hex[65];
    struct text text;
    text_init(&text, lines, sizeof lines);
    for (enum catalog_file file = 0; file < CATALOG_FILES; file++) {
        char command[600];
        snprintf(command, sizeof command, "cd %s && sha256sum %s", FOLDER, catalog_file_name(file));
        FILE *stream = popen(command, "r");
        assert_non_null(stream);
        char line[256];
        assert_non_null(fgets(line, sizeof line, stream));
        assert_int_equal(pclose(stream), 0);
        text_add_span(&text, span_of(line));
    }
    uint8_t digest[32];
    crypto_sha256(text_span(&text), digest);
    const struct catalog *catalog = load(FOLDER, ERR_OK);
    crypto_hex(catalog->sha256, 32, hex);
    assert_memory_equal(digest, catalog->sha256, 32);
}

static void test_every_missing_file_is_named(void **state)
{
    (void)state;
    load("/nowhere", ERR_VALUE);
    assert_int_equal(complaints.count, CATALOG_FILES);
    assert_true(span_is(complaints.row[0].file, "/nowhere/regions.csv"));
    assert_true(span_is(complaints.row[0].message,
                        "expected a readable file, found: No such file or directory"));
}

static void test_a_path_without_bound_is_refused(void **state)
{
    (void)state;
    char path[2000];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    load(path, ERR_VALUE);
}

static void test_an_arena_too_small_is_said_so(void **state)
{
    (void)state;
    struct arena small;
    struct catalog *catalog = NULL;
    /* By steps: each place that takes memory is once the one that finds none. */
    enum err err = ERR_MEMORY;
    size_t size = 4096;
    for (; err == ERR_MEMORY; size += 64 << 10) {
        assert_null(catalog);
        arena_init(&small, arena.base, size);
        err = catalog_load_io(FOLDER, &small, &complaints, &catalog);
    }
    assert_int_equal(err, ERR_OK);
    assert_true(catalog && size > (1 << 20));
}

/* All bytes and every array of read.c at its bound, with two copies where it sorts. */
static void test_the_arena_holds_the_largest_catalogue(void **state)
{
    (void)state;
    const size_t regions = CATALOG_REGIONS_MAX, skus = CATALOG_SKUS_MAX;
    size_t names = (regions + skus + CATALOG_MODELS_MAX + CATALOG_GRIDS_MAX + CATALOG_CLIENTS_MAX) *
                   sizeof(struct span);
    size_t size = LIMIT_CATALOG_BYTES + names + regions * sizeof(struct catalog_region) +
                  skus * sizeof(struct catalog_sku) +
                  2 * (size_t)CATALOG_OFFERS_MAX * sizeof(struct catalog_offer) +
                  regions * skus * CATALOG_MARKETS * sizeof(uint32_t) +
                  CATALOG_SPOTS_MAX * sizeof(struct catalog_spot) +
                  regions * regions * sizeof(struct catalog_link) +
                  CATALOG_CLIENTS_MAX * sizeof(struct catalog_client) +
                  CATALOG_GRIDS_MAX * sizeof(struct catalog_grid) +
                  CATALOG_MODELS_MAX * sizeof(struct catalog_model) +
                  2 * (size_t)CATALOG_PROFILES_MAX * sizeof(struct catalog_profile);
    assert_true(size + (8 << 20) < CATALOG_ARENA_SIZE);
}

/* Eleven files of 6 MiB: each alone would be read. */
static void test_more_bytes_than_the_bound_are_refused(void **state)
{
    (void)state;
    char folder[] = "/tmp/farspan-test-XXXXXX", path[64];
    struct span bytes[CATALOG_FILES];
    assert_non_null(mkdtemp(folder));
    for (enum catalog_file file = 0; file < CATALOG_FILES; file++) {
        snprintf(path, sizeof path, "%s/%s", folder, catalog_file_name(file));
        FILE *stream = fopen(path, "wb");
        assert_non_null(stream);
        assert_int_equal(ftruncate(fileno(stream), 6 << 20), 0);
        assert_int_equal(fclose(stream), 0);
    }
    complaints = (struct fleet_complaints){0};
    enum err err = catalog_load_bytes_io(folder, &arena, &complaints, bytes);
    for (enum catalog_file file = 0; file < CATALOG_FILES; file++) {
        snprintf(path, sizeof path, "%s/%s", folder, catalog_file_name(file));
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(err, ERR_VALUE);
    assert_int_equal(complaints.count, 1);
    assert_true(span_is(complaints.row[0].message,
                        "expected at most 64 MiB of all files, and that nobody writes them now"));
}

static void test_the_shipped_catalogue_is_found(void **state)
{
    (void)state;
    char folder[LIMIT_PATH];
    assert_int_equal(chdir("/"), 0);
    assert_true(catalog_default_folder_io(folder));
    load(folder, ERR_OK);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_the_shipped_catalogue_loads_whole),
        TEST(test_every_offer_is_found_and_in_order),
        TEST(test_rows_are_what_the_files_say),
        TEST(test_the_hash_names_every_byte),
        TEST(test_every_missing_file_is_named),
        TEST(test_a_path_without_bound_is_refused),
        TEST(test_an_arena_too_small_is_said_so),
        TEST(test_the_shipped_catalogue_is_found),
        TEST(test_the_arena_holds_the_largest_catalogue),
        TEST(test_more_bytes_than_the_bound_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
