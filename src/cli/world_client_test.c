#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/world_client.h"

static void where_no_world_runs_nothing_is_left_to_close(void **state)
{
    (void)state;
    struct world_client client;
    assert_false(world_client_open("/nonexistent/farspan", &client));
    assert_null(client.arena.base);
    assert_int_equal(client.state.lock_fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_no_world_runs_nothing_is_left_to_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
