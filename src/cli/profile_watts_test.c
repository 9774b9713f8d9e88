#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/profile_watts.h"
#include "os/clock.h"

static char folder[64];
static struct net_loop *loop;

static void write_number(const char *zone, const char *name, uint64_t number)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, zone);
    if (mkdir(path, 0700) != 0)
        assert_int_equal(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/%s/%s", folder, zone, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fprintf(file, "%llu\n", (unsigned long long)number) > 0);
    assert_int_equal(fclose(file), 0);
}

static void write_zone(const char *zone, uint64_t energy_uj)
{
    write_number(zone, "max_energy_range_uj", 262143328850);
    write_number(zone, "energy_uj", energy_uj);
}

static void assert_near(double found, double expected, double error_max)
{
    if (!(found >= expected - error_max && found <= expected + error_max))
        fail_msg("found %.9g, expected %.9g", found, expected);
}

/* No program of any name is found in an empty folder. */
static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/farspan-watts-XXXXXX");
    if (!mkdtemp(folder) || setenv("PATH", folder, 1) != 0)
        return -1;
    return net_loop_new(&loop) == ERR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1"};
    char path[128];
    (void)state;
    net_loop_free(loop);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s/energy_uj", folder, names[i]);
        unlink(path);
        snprintf(path, sizeof path, "%s/%s/max_energy_range_uj", folder, names[i]);
        unlink(path);
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        rmdir(path);
    }
    return rmdir(folder);
}

static void packages_are_added_up_and_their_parts_are_not(void **state)
{
    (void)state;
    struct profile_watts watts;
    struct profile_drawn drawn;
    write_zone("intel-rapl:0", 1000000);
    write_zone("intel-rapl:0:0", 1000000); /* the cores, within the package */
    write_zone("intel-rapl:1", 5000000);
    profile_watts_open(&watts, loop, folder);
    assert_int_equal(watts.source, PROFILE_WATTS_CPU);
    assert_int_equal(watts.package_count, 2);
    profile_watts_begin(&watts);
    watts.begin_us = os_now_us() - 10 * 1000000; /* ten seconds ago */
    write_zone("intel-rapl:0", 1001000000);
    write_zone("intel-rapl:0:0", 901000000);
    write_zone("intel-rapl:1", 505000000);
    assert_true(profile_watts_end(&watts, 3, &drawn));
    assert_near(drawn.all_w, 150, 2);
    assert_near(drawn.accelerator_w, 50, 1);
    profile_watts_close(&watts);
}

static void a_counter_may_wrap(void **state)
{
    (void)state;
    struct profile_watts watts;
    struct profile_drawn drawn;
    write_zone("intel-rapl:0", 262143328850 - 400000000);
    profile_watts_open(&watts, loop, folder);
    profile_watts_begin(&watts);
    watts.begin_us = os_now_us() - 10 * 1000000;
    write_zone("intel-rapl:0", 600000000);
    assert_true(profile_watts_end(&watts, 1, &drawn));
    assert_near(drawn.all_w, 100, 2);
    profile_watts_close(&watts);
}

static void nothing_is_said_of_a_moment(void **state)
{
    (void)state;
    struct profile_watts watts;
    struct profile_drawn drawn;
    write_zone("intel-rapl:0", 1000000);
    profile_watts_open(&watts, loop, folder);
    profile_watts_begin(&watts);
    watts.begin_us = os_now_us() + 1000000; /* not yet */
    assert_false(profile_watts_end(&watts, 1, &drawn));
    profile_watts_close(&watts);
}

static void a_machine_that_says_nothing_is_named_so(void **state)
{
    (void)state;
    struct profile_watts watts;
    struct profile_drawn drawn;
    profile_watts_open(&watts, loop, folder);
    assert_int_equal(watts.source, PROFILE_WATTS_NONE);
    assert_non_null(strstr(watts.why_not, "has no energy counters"));
    profile_watts_begin(&watts);
    assert_false(profile_watts_end(&watts, 1, &drawn));
    profile_watts_close(&watts);
    profile_watts_omit(&watts, "elsewhere");
    assert_string_equal(watts.why_not, "elsewhere");
    assert_false(profile_watts_end(&watts, 1, &drawn));
    profile_watts_close(&watts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(packages_are_added_up_and_their_parts_are_not, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_counter_may_wrap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_said_of_a_moment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_machine_that_says_nothing_is_named_so, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
