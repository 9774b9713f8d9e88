/* Five equal servers: the simulation agrees with queueing theory, and the policies stand in the
 * order that the docs explain. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "cli/bench_balance.h"

enum { REQUESTS = 60000 };

static struct balance_run runs[2][BALANCE_POLICIES]; /* equal, mixed */

static int set_up(void **state)
{
    (void)state;
    for (unsigned mixed = 0; mixed < 2; mixed++)
        for (unsigned policy = 0; policy < BALANCE_POLICIES; policy++) {
            runs[mixed][policy] = (struct balance_run){
                .policy = policy, .is_mixed = mixed, .requests = REQUESTS, .seed = 1};
            balance_simulate(&runs[mixed][policy]);
        }
    return 0;
}

static double wait_of(unsigned policy)
{
    return runs[0][policy].wait_mean_ms;
}

static double mixed_wait_of(unsigned policy)
{
    return runs[1][policy].wait_mean_ms;
}

/* Pollaczek and Khinchine: each of five servers alone has Poisson arrivals of 8 requests a second;
 * the mean square of the times is 0.01 s2, of the mixed ones 0.9 x 0.05^2 + 0.1 x 0.55^2. */
static void test_random_waits_as_long_as_theory_says(void **state)
{
    (void)state;
    double equal = 8 * 0.01 / (2 * 0.2) * 1000, mixed = 8 * 0.0325 / (2 * 0.2) * 1000;
    assert_true(fabs(wait_of(BALANCE_RANDOM) / equal - 1) < 0.06);
    assert_true(fabs(mixed_wait_of(BALANCE_RANDOM) / mixed - 1) < 0.15);
}

/* Requests of one length leave in the order they came, so that the next in turn is free first. */
static void test_taking_turns_is_the_best_for_equal_requests(void **state)
{
    (void)state;
    assert_true(fabs(wait_of(FLEET_POLICY_ROUND_ROBIN) - wait_of(BALANCE_FLOOR)) < 1e-6);
    assert_true(runs[0][FLEET_POLICY_ROUND_ROBIN].wasted < 1e-9);
    assert_true(runs[0][FLEET_POLICY_LEAST_CONNECTIONS].wasted > 0.01);
}

static void test_the_more_a_policy_knows_the_less_its_requests_wait(void **state)
{
    (void)state;
    for (unsigned policy = 0; policy < BALANCE_FLOOR; policy++) {
        assert_true(wait_of(policy) > wait_of(BALANCE_FLOOR) - 1e-6);
        assert_true(mixed_wait_of(policy) > mixed_wait_of(BALANCE_FLOOR));
    }
    assert_true(wait_of(FLEET_POLICY_P2C) < wait_of(BALANCE_RANDOM) / 2);
    assert_true(wait_of(FLEET_POLICY_LEAST_CONNECTIONS) < wait_of(FLEET_POLICY_P2C));
    assert_true(mixed_wait_of(FLEET_POLICY_LEAST_CONNECTIONS) < mixed_wait_of(FLEET_POLICY_P2C));
    assert_true(mixed_wait_of(FLEET_POLICY_ROUND_ROBIN) >
                2 * mixed_wait_of(FLEET_POLICY_LEAST_CONNECTIONS));
    for (unsigned policy = 1; policy <= BALANCE_RANDOM; policy++)
        assert_true(mixed_wait_of(FLEET_POLICY_ADAPTIVE) < mixed_wait_of(policy));
}

static void test_the_same_run_gives_the_same_figures(void **state)
{
    (void)state;
    static struct balance_run again;
    again = runs[1][FLEET_POLICY_P2C];
    balance_simulate(&again);
    assert_memory_equal(&again, &runs[1][FLEET_POLICY_P2C], sizeof again);
    again.seed = 2;
    balance_simulate(&again);
    assert_true(fabs(again.wait_mean_ms - mixed_wait_of(FLEET_POLICY_P2C)) > 1e-9);
}

static void test_policies_that_did_the_same_share_a_panel(void **state)
{
    (void)state;
    static char svg[BALANCE_SVG_BYTES];
    const struct balance_run *shown[BALANCE_PANELS];
    struct text text;
    text_init(&text, svg, sizeof svg);
    for (unsigned i = 0; i < BALANCE_PANELS; i++)
        shown[i] = &runs[0][i];
    balance_draw(shown, BALANCE_PANELS, &text);
    assert_false(text.is_cut);
    unsigned panels = 0;
    for (const char *at = svg; (at = strstr(at, "class=\"name\"")); at++)
        panels++;
    assert_in_range(panels, 4, BALANCE_PANELS - 2);
    assert_non_null(strstr(svg, ">round_robin, weighted_round_robin<"));
    assert_non_null(strstr(svg, ">random<"));
    assert_null(strstr(svg, "nan"));
    assert_string_equal(svg + text.n - strlen("</svg>\n"), "</svg>\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_waits_as_long_as_theory_says),
        cmocka_unit_test(test_taking_turns_is_the_best_for_equal_requests),
        cmocka_unit_test(test_the_more_a_policy_knows_the_less_its_requests_wait),
        cmocka_unit_test(test_the_same_run_gives_the_same_figures),
        cmocka_unit_test(test_policies_that_did_the_same_share_a_panel),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
