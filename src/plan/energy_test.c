#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "plan/energy.h"

static void assert_near(double found, double expected, double error_max)
{
    if (!(found >= expected - error_max && found <= expected + error_max))
        fail_msg("found %.9g, expected %.9g", found, expected);
}

static void the_curve_is_that_of_the_paper(void **state)
{
    (void)state;
    assert_near(plan_energy_share(0), 0, 0);
    assert_near(plan_energy_share(1), 1, 0);
    assert_near(plan_energy_share(0.5), 0.621070858, 1e-6); /* 1 - 0.5^1.4 */
    assert_near(plan_energy_share(0.1), 0.160189283, 1e-6);
    assert_near(plan_energy_share(-3), 0, 0);
    assert_near(plan_energy_share(7), 1, 0);
    struct plan_energy energy = {.idle_w = 100, .peak_w = 400};
    assert_near(plan_energy_watts(&energy, 0.5), 100 + 300 * 0.621070858, 1e-3);
}

static void idle_and_peak_of_a_curve_are_found_again(void **state)
{
    (void)state;
    const double loads[] = {0, 0.1, 0.35, 0.7, 1};
    struct plan_energy_pair pairs[COUNT_OF(loads)];
    const struct plan_energy truth = {.idle_w = 71.5, .peak_w = 688};
    for (uint32_t i = 0; i < COUNT_OF(loads); i++)
        pairs[i] = (struct plan_energy_pair){loads[i], plan_energy_watts(&truth, loads[i])};
    struct plan_energy energy;
    assert_int_equal(plan_energy_fit(pairs, COUNT_OF(loads), &energy), ERR_OK);
    assert_near(energy.idle_w, 71.5, 1e-9);
    assert_near(energy.peak_w, 688, 1e-9);
    assert_near(energy.error_w, 0, 1e-9);
}

/* Two pairs at each end, off by 10 W both ways: the ends are met in the middle. */
static void noise_is_averaged_and_said(void **state)
{
    (void)state;
    const struct plan_energy_pair pairs[] = {{0, 90}, {0, 110}, {1, 290}, {1, 310}};
    struct plan_energy energy;
    assert_int_equal(plan_energy_fit(pairs, COUNT_OF(pairs), &energy), ERR_OK);
    assert_near(energy.idle_w, 100, 1e-9);
    assert_near(energy.peak_w, 300, 1e-9);
    assert_near(energy.error_w, 10, 1e-9);
}

static void no_machine_gives_watts_at_rest(void **state)
{
    (void)state;
    const struct plan_energy_pair pairs[] = {{0.1, 1}, {0.5, 100}, {1, 300}};
    struct plan_energy energy;
    assert_int_equal(plan_energy_fit(pairs, COUNT_OF(pairs), &energy), ERR_OK);
    assert_near(energy.idle_w, 0, 0);
    assert_true(energy.peak_w > 200 && energy.peak_w < 300);
}

static void what_gives_no_curve_is_refused(void **state)
{
    (void)state;
    const struct plan_energy_pair same[] = {{0.5, 100}, {0.5, 120}};
    const struct plan_energy_pair falling[] = {{0, 200}, {1, 100}};
    const struct plan_energy_pair outside[] = {{0, 100}, {1.5, 200}};
    const struct plan_energy_pair negative[] = {{0, -1}, {1, 200}};
    struct plan_energy energy = {.idle_w = 7};
    assert_int_equal(plan_energy_fit(same, 0, &energy), ERR_VALUE);
    assert_int_equal(plan_energy_fit(same, 2, &energy), ERR_VALUE);
    assert_int_equal(plan_energy_fit(falling, 2, &energy), ERR_VALUE);
    assert_int_equal(plan_energy_fit(outside, 2, &energy), ERR_VALUE);
    assert_int_equal(plan_energy_fit(negative, 2, &energy), ERR_VALUE);
    assert_near(energy.idle_w, 7, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_curve_is_that_of_the_paper),
        cmocka_unit_test(idle_and_peak_of_a_curve_are_found_again),
        cmocka_unit_test(noise_is_averaged_and_said),
        cmocka_unit_test(no_machine_gives_watts_at_rest),
        cmocka_unit_test(what_gives_no_curve_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
