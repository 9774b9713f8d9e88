#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/link_world.h"
#include "fleet/layout.h"
#include "fleet/load_io.h"

enum { PRINT_SIZE = 64 * 1024 };

static struct net_loop *loop;
static struct arena arena;
static const struct fleet *fleet;
static struct link_world world;
static json_t *lines;

/* The first stretch of ports that is free. */
static int set_up(void **state)
{
    (void)state;
    if (net_loop_new(&loop) != ERR_OK)
        return -1;
    for (uint16_t port_base = 30000; port_base < 60000; port_base += 97) {
        enum err err = link_world_open(&world, loop, fleet, port_base, NULL);
        if (err == ERR_OK)
            return 0;
        link_world_close(&world);
        if (err != ERR_EXISTS)
            return -1;
    }
    return -1;
}

static int tear_down(void **state)
{
    (void)state;
    json_decref(lines);
    lines = NULL;
    link_world_close(&world);
    net_loop_free(loop);
    return 0;
}

static void look(void)
{
    static char buffer[PRINT_SIZE];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    link_world_print(&world, &text);
    json_decref(lines);
    lines = json_loads(buffer, 0, NULL);
    assert_non_null(lines);
    assert_int_equal(json_array_size(lines), fleet->link_count + fleet->client_link_count);
}

static const json_t *line_of(const char *from, const char *to)
{
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i);
        if (strcmp(json_string_value(json_object_get(line, "from")), from) == 0 &&
            strcmp(json_string_value(json_object_get(line, "to")), to) == 0)
            return line;
    }
    fail_msg("there is no link from %s to %s", from, to);
    return NULL;
}

static bool is_cut(const char *from, const char *to)
{
    return json_is_true(json_object_get(line_of(from, to), "cut"));
}

static int64_t rtt_us(const char *from, const char *to)
{
    return json_integer_value(json_object_get(line_of(from, to), "rtt_us"));
}

static enum err fault(const char *region, const char *kind)
{
    return link_world_fault(&world, span_of(region), span_of(kind));
}

static void every_link_has_the_rtt_of_the_fleet(void **state)
{
    (void)state;
    look();
    for (uint16_t i = 0; i < fleet->link_count; i++) {
        const struct fleet_link *link = &fleet->links[i];
        assert_int_equal(rtt_us(fleet->regions[link->from].name.p, fleet->regions[link->to].name.p),
                         link->rtt_us);
    }
}

static void a_region_that_is_cut_off_still_serves_its_own_zone(void **state)
{
    (void)state;
    assert_int_equal(fault("aws:us-east-1", "cut"), ERR_OK);
    look();
    assert_true(is_cut("aws:us-east-1", "azure:westeurope"));
    assert_true(is_cut("gcp:asia-northeast1", "aws:us-east-1"));
    assert_true(is_cut("eu", "aws:us-east-1"));
    assert_false(is_cut("us", "aws:us-east-1"));
    assert_false(is_cut("us", "azure:westeurope"));
    assert_false(is_cut("azure:westeurope", "gcp:asia-northeast1"));
}

static void healing_one_end_leaves_the_fault_of_the_other(void **state)
{
    (void)state;
    assert_int_equal(fault("aws:us-east-1", "cut"), ERR_OK);
    assert_int_equal(fault("azure:westeurope", "slow"), ERR_OK);
    assert_int_equal(fault("aws:us-east-1", "heal"), ERR_OK);
    look();
    const struct fleet_link *link = &fleet->links[0];
    assert_false(is_cut("aws:us-east-1", "azure:westeurope"));
    assert_int_equal(rtt_us("aws:us-east-1", "azure:westeurope"),
                     link->rtt_us * LINK_WORLD_SLOW_PERCENT / 100);
    assert_int_equal(fault("azure:westeurope", "heal"), ERR_OK);
    look();
    assert_int_equal(rtt_us("aws:us-east-1", "azure:westeurope"), link->rtt_us);
}

static void what_is_not_known_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(fault("aws:us-east-9", "cut"), ERR_NOT_FOUND);
    assert_int_equal(fault("aws:us-east-1", "kill"), ERR_VALUE);
    look();
    assert_false(is_cut("aws:us-east-1", "azure:westeurope"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_link_has_the_rtt_of_the_fleet),
        TEST(a_region_that_is_cut_off_still_serves_its_own_zone),
        TEST(healing_one_end_leaves_the_fault_of_the_other),
        TEST(what_is_not_known_changes_nothing),
    };
    void *memory = malloc(FLEET_ARENA_SIZE);
    static struct fleet_complaints complaints;
    arena_init(&arena, memory, FLEET_ARENA_SIZE);
    if (fleet_load(SOURCE_DIR "/examples/three-continents.yaml", &arena, &complaints, &fleet))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(memory);
    return failed;
}
