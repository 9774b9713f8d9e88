#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "plan/queue.h"

static bool is_near(double a, double b, double error)
{
    return fabs(a - b) <= error;
}

/* Tables of Erlang C: A = 8 erlangs on 10 servers 0.4092; one server: the load. */
static void test_busy_is_erlang_c(void **state)
{
    (void)state;
    assert_true(is_near(plan_queue_busy(1, 0.3), 0.3, 1e-12));
    assert_true(is_near(plan_queue_busy(2, 0.5), 1.0 / 3, 1e-12));
    assert_true(is_near(plan_queue_busy(10, 0.8), 0.4092, 5e-5));
    assert_true(plan_queue_busy(4, 0) == 0);
    assert_true(plan_queue_busy(4, 1) == 1);
}

static void test_late_of_one_exponential_server_is_exact(void **state)
{
    (void)state;
    struct plan_queue queue = {1, 100, 1, 250, 1}; /* M/M/1: P(W > t) = load e^(-(1-load) t/S) */
    assert_true(is_near(plan_queue_late(&queue, 0.6), 0.6 * exp(-0.4 * 2.5), 1e-9));
    queue.load_share = 0.5;
    assert_true(is_near(plan_queue_late(&queue, 0.6), 0.3 * exp(-0.7 * 2.5), 1e-9));
}

static void test_the_load_is_the_most_that_keeps_the_budget(void **state)
{
    (void)state;
    struct plan_queue queues[2] = {{16, 9000, 1, 100, 1}, {1, 120, 0.4, 100, 0.3}};
    double load = plan_queue_load(queues, 2, 0.05);
    double at = plan_queue_late(&queues[0], load) + plan_queue_late(&queues[1], load);
    double above =
        plan_queue_late(&queues[0], load + 1e-6) + plan_queue_late(&queues[1], load + 1e-6);
    assert_true(at <= 0.05 && above > 0.05);
    assert_true(plan_queue_load(queues, 2, 0) == 0);
    assert_true(plan_queue_load(queues, 2, 2) == 1);
}

static void test_larger_pools_carry_more(void **state)
{
    (void)state;
    double before = 0;
    for (uint32_t servers = 1; servers <= 256; servers *= 2) {
        struct plan_queue queue = {servers, 5000, 1, 100, 1};
        double load = plan_queue_load(&queue, 1, 0.05);
        assert_true(load > before);
        before = load;
    }
    assert_true(before > 0.85);
}

/* A simulated M/M/c beside the formula, which is exact there. */
static void test_the_formula_agrees_with_a_simulated_queue(void **state)
{
    (void)state;
    enum { SERVERS = 8, ARRIVALS = 400000 };
    struct plan_queue queue = {SERVERS, 1000, 1, 60, 1};
    const double load = 0.75;
    struct rng rng;
    rng_init(&rng, 7);
    double free_at[SERVERS] = {0}, now = 0;
    uint32_t late = 0;
    for (uint32_t i = 0; i < ARRIVALS; i++) {
        now += -log(1 - rng_unit(&rng)) * queue.time_ms / (SERVERS * load);
        uint32_t first = 0;
        for (uint32_t s = 1; s < SERVERS; s++)
            first = free_at[s] < free_at[first] ? s : first;
        double begins = free_at[first] > now ? free_at[first] : now;
        late += begins - now > queue.budget_ms;
        free_at[first] = begins - log(1 - rng_unit(&rng)) * queue.time_ms;
    }
    assert_true(is_near((double)late / ARRIVALS, plan_queue_late(&queue, load), 0.01));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_busy_is_erlang_c),
        cmocka_unit_test(test_late_of_one_exponential_server_is_exact),
        cmocka_unit_test(test_the_load_is_the_most_that_keeps_the_budget),
        cmocka_unit_test(test_larger_pools_carry_more),
        cmocka_unit_test(test_the_formula_agrees_with_a_simulated_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
