#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>

#include <cmocka.h>

#include "base/check.h"
#include "fleet/load_io.h"

#define FOLDER SOURCE_DIR "/test/conformance/yaml/"

enum { OUTPUT_SIZE = 64 * 1024 };

static struct fleet_complaints complaints;
static struct arena arena;
static char *memory;

static int set_up(void **state)
{
    (void)state;
    memory = malloc(FLEET_ARENA_SIZE);
    assert_non_null(memory);
    arena_init(&arena, memory, FLEET_ARENA_SIZE);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(memory);
    return 0;
}

static const struct fleet *load_bytes(const char *yaml, enum err expected)
{
    const struct fleet *fleet = NULL;
    const struct span none[CATALOGUE_KINDS] = {{NULL, 0}};
    arena_reset(&arena, 0);
    enum err err = fleet_load_bytes(span_of(yaml), SPAN_LITERAL("test.yaml"), none, &arena,
                                    &complaints, &fleet);
    if (err != expected && complaints.count > 0)
        print_error("%.*s\n", SPAN_ARG(complaints.row[0].message));
    assert_int_equal(err, expected);
    return fleet;
}

static const struct fleet *load_example(const char *name)
{
    char path[512];
    const struct fleet *fleet = NULL;
    snprintf(path, sizeof path, "%s/examples/%s", SOURCE_DIR, name);
    enum err err = fleet_load(path, &arena, &complaints, &fleet);
    for (uint32_t i = 0; i < complaints.count; i++)
        print_error("%u:%u %.*s\n", complaints.row[i].line, complaints.row[i].column,
                    SPAN_ARG(complaints.row[i].message));
    assert_int_equal(err, ERR_OK);
    return fleet;
}

/* --- broken files: the complaints are word for word those of the .expect beside each --- */

static char *read_whole(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    char *bytes = calloc(1, OUTPUT_SIZE);
    assert_non_null(bytes);
    size_t n = fread(bytes, 1, OUTPUT_SIZE - 1, file);
    bytes[n] = '\0';
    fclose(file);
    return bytes;
}

/* Without the folder of this tree, so that an .expect is the same on every machine. */
static void drop_folder(char *text)
{
    size_t n = strlen(FOLDER);
    for (char *at; (at = strstr(text, FOLDER));)
        memmove(at, at + n, strlen(at + n) + 1);
}

static unsigned check_broken(const char *name)
{
    char path[1024], output[OUTPUT_SIZE];
    const struct fleet *fleet = NULL;
    snprintf(path, sizeof path, "%s%s", FOLDER, name);
    arena_reset(&arena, 0);
    enum err err = fleet_load(path, &arena, &complaints, &fleet);
    struct text text;
    text_init(&text, output, sizeof output);
    fleet_complaints_print(&complaints, false, &text);
    drop_folder(output);
    snprintf(path, sizeof path, "%s%.*s.expect", FOLDER, (int)(strlen(name) - 5), name);
    const char *write = getenv("FARSPAN_TEST_WRITE_EXPECT");
    FILE *file = write ? fopen(path, "wb") : NULL;
    if (file) {
        fputs(output, file);
        fclose(file);
    }
    char *expected = read_whole(path);
    bool is_good = err == ERR_SYNTAX && !fleet && expected && strcmp(expected, output) == 0;
    if (!is_good)
        print_error("%s: %s\n--- expected\n%s--- found\n%s", name, err_text(err),
                    expected ? expected : "(no .expect)\n", output);
    free(expected);
    return is_good ? 0 : 1;
}

static void test_every_mistake_is_said_at_its_place(void **state)
{
    (void)state;
    unsigned count = 0, wrong = 0;
    DIR *folder = opendir(FOLDER);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        size_t n = strlen(entry->d_name);
        if (n < 6 || strcmp(entry->d_name + n - 5, ".yaml") != 0)
            continue;
        count++;
        wrong += check_broken(entry->d_name);
    }
    closedir(folder);
    assert_true(count >= 30);
    assert_int_equal(wrong, 0);
}

/* --- good files --- */

static void test_three_continents_is_the_world_of_the_issue(void **state)
{
    (void)state;
    const struct fleet *fleet = load_example("three-continents.yaml");
    assert_int_equal(fleet->region_count, 3);
    assert_int_equal(fleet->zone_count, 3);
    assert_int_equal(fleet->service_count, 6);
    assert_int_equal(fleet->worker_count, 6);
    assert_int_equal(fleet->replica_count, 18);
    assert_int_equal(fleet->link_count, 6);
    assert_int_equal(fleet->client_link_count, 9);

    uint16_t us = fleet_find_region(fleet, SPAN_LITERAL("aws:us-east-1"));
    uint16_t eu = fleet_find_region(fleet, SPAN_LITERAL("azure:westeurope"));
    uint16_t asia = fleet_find_region(fleet, SPAN_LITERAL("gcp:asia-northeast1"));
    assert_int_equal(fleet_find_link(fleet, us, eu)->rtt_us, 89000);
    assert_int_equal(fleet_find_link(fleet, us, asia)->rtt_us, 165000);
    assert_int_equal(fleet_find_link(fleet, eu, asia)->rtt_us, 229034);
    assert_true(fleet_find_link(fleet, us, eu)->is_estimate);
    assert_false(fleet->regions[us].is_estimate);
    assert_true(fleet->regions[eu].is_estimate);
    assert_int_equal(fleet->regions[eu].lat_micro, 53440000);
    assert_int_equal(fleet->regions[us].lon_micro, -77740000);
    assert_true(span_is(fleet->regions[us].provider, "aws"));

    const struct fleet_worker *text = &fleet->workers[0];
    assert_true(text->is_paced);
    assert_int_equal(fleet->skus[text->sku].price_usd_micro_h, 27447050);
    assert_int_equal(fleet->replicas[text->replica_first].slots, 16);
    assert_int_equal(fleet->workers[5].replica_count, 4);
}

static void test_links_between_all_regions_can_be_found(void **state)
{
    (void)state;
    const struct fleet *fleet = load_example("three-continents.yaml");
    for (uint16_t from = 0; from < fleet->region_count; from++)
        for (uint16_t to = 0; to < fleet->region_count; to++) {
            const struct fleet_link *link = fleet_find_link(fleet, from, to);
            assert_int_equal(link == NULL, from == to);
            if (link)
                assert_true(link->from == from && link->to == to && link->rtt_us > 0);
        }
    for (uint16_t zone = 0; zone < fleet->zone_count; zone++)
        for (uint16_t to = 0; to < fleet->region_count; to++) {
            const struct fleet_link *link = fleet_find_client_link(fleet, zone, to);
            assert_true(link->from == zone && link->to == to && link->bandwidth_bps > 0);
        }
}

static void test_clients_try_their_own_region_first(void **state)
{
    (void)state;
    const struct fleet *fleet = load_example("three-continents.yaml");
    uint16_t order[LIMIT_REGIONS];
    for (uint16_t zone = 0; zone < fleet->zone_count; zone++) {
        fleet_regions_by_distance(fleet, zone, order);
        assert_int_equal(fleet->regions[order[0]].zone, zone);
        for (uint16_t i = 1; i < fleet->region_count; i++)
            assert_true(fleet_find_client_link(fleet, zone, order[i - 1])->rtt_us <=
                        fleet_find_client_link(fleet, zone, order[i])->rtt_us);
    }
}

static void test_paths_stand_beside_the_file_that_names_them(void **state)
{
    (void)state;
    const struct fleet *fleet = load_example("three-continents.yaml");
    assert_true(span_is(fleet->models[0].file, SOURCE_DIR "/examples/../models/austen.gguf"));
    assert_int_equal(fleet->models[0].file.p[fleet->models[0].file.n], '\0');
}

static void test_other_examples_load(void **state)
{
    (void)state;
    assert_int_equal(load_example("laptop.yaml")->worker_count, 1);
    const struct fleet *fleet = load_example("front-existing.yaml");
    assert_int_equal(fleet->replica_count, 2);
    assert_true(span_is(fleet->listen.address, "127.0.0.1:8080"));
    assert_true(span_is(fleet->keys[0].env, "FARSPAN_KEY"));
    assert_int_equal(fleet->services[0].model, FLEET_NONE);
}

static void test_the_command_line_changes_engine_and_model(void **state)
{
    (void)state;
    const char *path = SOURCE_DIR "/examples/three-continents.yaml";
    struct fleet_load_options options = {.is_all_echo = true};
    const struct fleet *fleet;
    assert_int_equal(fleet_load_with(path, &options, &arena, &complaints, &fleet), ERR_OK);
    assert_int_equal(fleet->services[0].engine, FLEET_ENGINE_ECHO);
    assert_int_equal(fleet->services[0].model, FLEET_NONE);
    assert_int_equal(fleet->services[0].context_tokens, 512);
    assert_int_equal(fleet->services[2].engine, FLEET_ENGINE_NATIVE);

    options = (struct fleet_load_options){.model_file = SPAN_LITERAL("own.gguf")};
    assert_int_equal(fleet_load_with(path, &options, &arena, &complaints, &fleet), ERR_OK);
    assert_true(span_is(fleet->models[fleet->services[0].model].file, "own.gguf"));
    assert_true(span_is(fleet->models[fleet->services[1].model].file, "own.gguf"));
    assert_int_equal(fleet->services[0].context_tokens, 0);
    assert_false(span_is(fleet->models[fleet->services[2].model].file, "own.gguf"));
}

static void test_defaults_come_from_the_table(void **state)
{
    (void)state;
    const struct fleet *fleet = load_bytes(
        "version: 1\nservices: [{name: c, kind: generation, replicas: [{url: 'http://h:1'}]}]\n",
        ERR_OK);
    assert_true(span_is(fleet->name, "world"));
    assert_int_equal(fleet->services[0].policy, FLEET_POLICY_ADAPTIVE);
    assert_int_equal(fleet->services[0].timeout_us, 120000000);
    assert_int_equal(fleet->services[0].residency, UINT32_MAX);
    assert_int_equal(fleet->replicas[0].slots, 64);
    assert_int_equal(fleet->replicas[0].weight, 1);
    assert_int_equal(fleet->replicas[0].worker, FLEET_NONE);
    assert_int_equal(fleet->listen.threads, 1);
    assert_int_equal(fleet->listen.address.n, 0);
    assert_true(span_is(fleet->regions[0].name, "local"));
}

static void test_values_arrive_in_their_units(void **state)
{
    (void)state;
    const struct fleet *fleet = load_bytes(
        "\xEF\xBB\xBFversion: 1\r\n"
        "regions: [{name: a, zone: x, latitude: -1.5, longitude: 2}, {name: b, zone: y, latitude: "
        "0, longitude: 0, estimate: true}]\r\n"
        "profiles: [{name: p, prefill: 5000tok/s, decode: 20tok/s, slots: 3}]\r\n"
        "skus: [{name: m, region: a, price: $1.006/h}]\r\n"
        "services:\r\n"
        "  - {name: c, kind: generation, engine: echo, policy: nearest, residency: [y], timeout: "
        "2min, slo: {ttft: 1.5ms}, price_weight: 7us}\r\n"
        "workers: [{name: w, region: a, sku: m, pace: profile, profile: p, weight: 4, services: "
        "[c]}]\r\n"
        "links:\r\n"
        "  - {from: a, to: b, rtt: 80ms, jitter: 2ms, bandwidth: 200Mbit, loss: 0.1%, price: "
        "$0.09/GB, estimate: true}\r\n"
        "  - {from: b, to: a, rtt: 81ms}\r\n"
        "  - {from: 'zone:x', to: a, rtt: 1ms}\r\n"
        "  - {from: 'zone:x', to: b, rtt: 2ms}\r\n"
        "  - {from: 'zone:y', to: a, rtt: 3ms}\r\n"
        "  - {from: 'zone:y', to: b, rtt: 4ms}\r\n"
        "keys: [{name: k, sha256: "
        "00ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e, residency: [x]}]\r\n",
        ERR_OK);
    const struct fleet_link *link = fleet_find_link(fleet, 0, 1);
    assert_int_equal(link->rtt_us, 80000);
    assert_int_equal(link->jitter_us, 2000);
    assert_int_equal(link->bandwidth_bps, 200000000);
    assert_int_equal(link->loss_ppm, 1000);
    assert_int_equal(link->price_usd_micro_gb, 90000);
    assert_true(link->is_estimate);
    assert_int_equal(fleet_find_link(fleet, 1, 0)->rtt_us, 81000);
    assert_int_equal(fleet_find_client_link(fleet, 1, 0)->rtt_us, 3000);
    assert_int_equal(fleet->regions[0].lat_micro, -1500000);
    assert_true(fleet->regions[1].is_estimate);
    assert_int_equal(fleet->profiles[0].prefill_ns_per_token, 200000);
    assert_int_equal(fleet->profiles[0].decode_ns_per_token, 50000000);
    assert_int_equal(fleet->skus[0].price_usd_micro_h, 1006000);
    assert_int_equal(fleet->services[0].policy, FLEET_POLICY_NEAREST);
    assert_int_equal(fleet->services[0].residency, 2);
    assert_int_equal(fleet->services[0].timeout_us, 120000000);
    assert_int_equal(fleet->services[0].slo_ttft_us, 1500);
    assert_int_equal(fleet->services[0].price_weight_us, 7);
    assert_int_equal(fleet->replicas[0].slots, 3);
    assert_int_equal(fleet->replicas[0].weight, 4);
    assert_int_equal(fleet->keys[0].sha256[1], 0xFF);
    assert_int_equal(fleet->keys[0].sha256[31], 0x1E);
    assert_int_equal(fleet->keys[0].residency, 1);
}

static void test_rows_of_the_document_win_over_the_catalogue(void **state)
{
    (void)state;
    const struct span catalogue[CATALOGUE_KINDS] = {
        [CATALOGUE_PRICES] = SPAN_LITERAL("region,sku,usd_per_hour,estimate,rule\n"
                                          "local,m,1,false,\nlocal,n,2.5,true,\"a, b\"\n"),
    };
    struct span yaml = SPAN_LITERAL("version: 1\n"
                                    "catalog: {prices: p.csv}\n"
                                    "skus: [{name: m, region: local, price: $9/h}]\n"
                                    "services: [{name: c, kind: generation, engine: echo}]\n"
                                    "workers:\n"
                                    "  - {name: v, region: local, sku: m, services: [c]}\n"
                                    "  - {name: w, region: local, sku: n, services: [c]}\n");
    const struct fleet *fleet;
    assert_int_equal(
        fleet_load_bytes(yaml, SPAN_LITERAL("t"), catalogue, &arena, &complaints, &fleet), ERR_OK);
    assert_int_equal(fleet->skus[fleet->workers[0].sku].price_usd_micro_h, 9000000);
    assert_int_equal(fleet->skus[fleet->workers[1].sku].price_usd_micro_h, 2500000);
    assert_true(fleet->skus[fleet->workers[1].sku].is_estimate);
}

static void test_files_that_cannot_be_read_are_complaints(void **state)
{
    (void)state;
    const struct fleet *fleet;
    assert_int_equal(fleet_load(SOURCE_DIR "/nowhere.yaml", &arena, &complaints, &fleet),
                     ERR_SYNTAX);
    assert_int_equal(complaints.count, 1);
    assert_non_null(strstr(complaints.row[0].message.p, "No such file"));
    assert_int_equal(fleet_load(SOURCE_DIR, &arena, &complaints, &fleet), ERR_SYNTAX);
    assert_non_null(strstr(complaints.row[0].message.p, "expected a"));
}

static void test_a_small_arena_is_an_error_and_no_crash(void **state)
{
    (void)state;
    const char *path = SOURCE_DIR "/examples/three-continents.yaml";
    const struct fleet *fleet = NULL;
    enum err err = ERR_MEMORY;
    size_t size = 0;
    for (; err != ERR_OK && size < FLEET_ARENA_SIZE; size += 997) {
        struct arena small;
        char *block = malloc(size ? size : 1);
        assert_non_null(block);
        arena_init(&small, block, size);
        err = fleet_load(path, &small, &complaints, &fleet);
        assert_true(err == ERR_OK || (err == ERR_MEMORY && !fleet));
        free(block);
    }
    assert_int_equal(err, ERR_OK);
    assert_true(size > 10000);
}

static void test_the_largest_world_fits_its_arena(void **state)
{
    (void)state;
    char *yaml = malloc(1 << 20);
    assert_non_null(yaml);
    size_t n = (size_t)sprintf(yaml, "version: 1\nregions:\n");
    for (int i = 0; i < LIMIT_REGIONS; i++)
        n += (size_t)sprintf(yaml + n, "  - {name: r%d, zone: z%d, latitude: 1, longitude: 2}\n", i,
                             i % LIMIT_ZONES);
    n += (size_t)sprintf(yaml + n, "services:\n");
    for (int i = 0; i < LIMIT_SERVICES; i++)
        n += (size_t)sprintf(yaml + n, "  - {name: s%d, kind: generation, engine: echo}\n", i);
    n += (size_t)sprintf(yaml + n, "workers:\n");
    for (int i = 0; i < LIMIT_WORKERS; i++)
        n += (size_t)sprintf(yaml + n, "  - {name: w%d, region: r%d, services: [s%d, s%d]}\n", i,
                             i % LIMIT_REGIONS, i % LIMIT_SERVICES, (i + 1) % LIMIT_SERVICES);
    n += (size_t)sprintf(yaml + n, "links:\n");
    for (int from = 0; from < LIMIT_REGIONS; from++)
        for (int to = 0; to < LIMIT_REGIONS; to++)
            if (from != to)
                n += (size_t)sprintf(yaml + n, "  - {from: r%d, to: r%d, rtt: 9ms}\n", from, to);
    for (int zone = 0; zone < LIMIT_ZONES; zone++)
        for (int to = 0; to < LIMIT_REGIONS; to++)
            n += (size_t)sprintf(yaml + n, "  - {from: 'zone:z%d', to: r%d, rtt: 9ms}\n", zone, to);
    assert_true(n < 1 << 20);
    const struct fleet *fleet = load_bytes(yaml, ERR_OK);
    assert_int_equal(fleet->link_count, LIMIT_REGIONS * (LIMIT_REGIONS - 1));
    free(yaml);
}

static void test_hostile_yaml_costs_little(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    char *yaml = malloc(SIZE + 1);
    assert_non_null(yaml);
    const char *patterns[] = {"[", "{", "- ", "? ", "&a ", "a: ", "!", "\"", "a\n", "%"};
    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        size_t step = strlen(patterns[i]);
        for (size_t at = 0; at + step <= SIZE; at += step)
            memcpy(yaml + at, patterns[i], step);
        yaml[SIZE / step * step] = '\0';
        load_bytes(yaml, ERR_SYNTAX);
    }
    free(yaml);
}

static void test_complaints_are_valid_json_too(void **state)
{
    (void)state;
    char output[4096];
    struct text text;
    load_bytes("version: 1\nbad\"key: 1\nservices: []\n", ERR_SYNTAX);
    text_init(&text, output, sizeof output);
    fleet_complaints_print(&complaints, true, &text);
    assert_non_null(
        strstr(output, "[{\"file\":\"test.yaml\",\"line\":2,\"column\":1,\"message\":"));
    assert_int_equal(output[text.n - 1], ']');
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_every_mistake_is_said_at_its_place),
        TEST(test_three_continents_is_the_world_of_the_issue),
        TEST(test_links_between_all_regions_can_be_found),
        TEST(test_clients_try_their_own_region_first),
        TEST(test_paths_stand_beside_the_file_that_names_them),
        TEST(test_other_examples_load),
        TEST(test_the_command_line_changes_engine_and_model),
        TEST(test_defaults_come_from_the_table),
        TEST(test_values_arrive_in_their_units),
        TEST(test_rows_of_the_document_win_over_the_catalogue),
        TEST(test_files_that_cannot_be_read_are_complaints),
        TEST(test_a_small_arena_is_an_error_and_no_crash),
        TEST(test_the_largest_world_fits_its_arena),
        TEST(test_hostile_yaml_costs_little),
        TEST(test_complaints_are_valid_json_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
