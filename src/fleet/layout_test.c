#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fleet/front.h"
#include "fleet/layout.h"

enum { BASE = 20000, ROOM = 8192 };

static unsigned char taken[ROOM];

static void take(uint16_t port)
{
    assert_in_range(port, BASE, BASE + ROOM - 1);
    taken[port - BASE]++;
}

static void test_no_port_is_given_twice(void **state)
{
    (void)state;
    struct fleet fleet = {.region_count = 5, .worker_count = 7, .zone_count = 3};
    memset(taken, 0, sizeof taken);
    for (uint16_t i = 0; i < 5; i++) {
        take(fleet_port_gateway(&fleet, BASE, i));
        for (uint16_t j = 0; j < 5; j++)
            if (i != j)
                take(fleet_port_link(&fleet, BASE, i, j));
        for (uint16_t zone = 0; zone < 3; zone++)
            take(fleet_port_client_link(&fleet, BASE, zone, i));
    }
    for (uint16_t i = 0; i < 7; i++)
        take(fleet_port_worker(&fleet, BASE, i));
    take(fleet_port_link_control(&fleet, BASE));
    take(fleet_port_supervisor(&fleet, BASE));
    unsigned count = 0;
    for (unsigned i = 0; i < ROOM; i++) {
        assert_true(taken[i] <= 1);
        count += taken[i];
        if (taken[i])
            assert_true(i < fleet_port_count(&fleet));
    }
    assert_int_equal(count, 5 + 7 + 20 + 15 + 2);
    assert_int_equal(fleet_port_gateway(&fleet, BASE, 0), BASE);
}

static void test_the_largest_world_has_ports(void **state)
{
    (void)state;
    struct fleet fleet = {
        .region_count = LIMIT_REGIONS, .worker_count = LIMIT_WORKERS, .zone_count = LIMIT_ZONES};
    assert_true(FLEET_PORT_BASE + fleet_port_count(&fleet) - 1 <= UINT16_MAX);
}

static void test_front_makes_a_fleet_of_remote_replicas(void **state)
{
    (void)state;
    static char memory[1 << 16];
    struct arena arena;
    const struct fleet *fleet = NULL;
    const struct span urls[] = {SPAN_LITERAL("http://127.0.0.1:9"), SPAN_LITERAL("https://h/base")};
    const struct span names[] = {SPAN_LITERAL("a"), SPAN_LITERAL("org/Model-8B")};
    arena_init(&arena, memory, sizeof memory);
    assert_int_equal(fleet_front(urls, 2, names, 2, &arena, &fleet), ERR_OK);
    assert_int_equal(fleet->replica_count, 4);
    assert_int_equal(fleet->replicas[3].service, 1);
    assert_true(span_is(fleet->replicas[3].url, "https://h/base"));
    assert_int_equal(fleet->services[1].engine, FLEET_ENGINE_REMOTE);
    assert_int_equal(fleet_find_client_link(fleet, 0, 0)->rtt_us, 0);
    assert_int_equal(fleet_find_service(fleet, SPAN_LITERAL("org/Model-8B")), 1);
    assert_int_equal(fleet_find_service(fleet, SPAN_LITERAL("b")), FLEET_NONE);
}

static void test_front_refuses_what_a_file_would_not_take(void **state)
{
    (void)state;
    static char memory[1 << 16];
    struct arena arena;
    const struct fleet *fleet = NULL;
    const struct span url = SPAN_LITERAL("http://h"), name = SPAN_LITERAL("a");
    const struct span bad_url = SPAN_LITERAL("127.0.0.1:80"), bad_name = SPAN_LITERAL("a b");
    arena_init(&arena, memory, sizeof memory);
    assert_int_equal(fleet_front(&bad_url, 1, &name, 1, &arena, &fleet), ERR_VALUE);
    assert_int_equal(fleet_front(&url, 1, &bad_name, 1, &arena, &fleet), ERR_VALUE);
    assert_int_equal(fleet_front(&url, 0, &name, 1, &arena, &fleet), ERR_VALUE);
    struct span many[LIMIT_SERVICES + 1];
    for (size_t i = 0; i <= LIMIT_SERVICES; i++)
        many[i] = name;
    assert_int_equal(fleet_front(&url, 1, many, LIMIT_SERVICES + 1, &arena, &fleet), ERR_FULL);
    for (size_t size = 0; size < 1 << 14; size += 16) {
        arena_init(&arena, memory, size);
        if (fleet_front(&url, 1, &name, 1, &arena, &fleet) == ERR_OK)
            return;
        assert_null(fleet);
    }
    fail_msg("it never had room enough");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_port_is_given_twice),
        cmocka_unit_test(test_the_largest_world_has_ports),
        cmocka_unit_test(test_front_makes_a_fleet_of_remote_replicas),
        cmocka_unit_test(test_front_refuses_what_a_file_would_not_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
