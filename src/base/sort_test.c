#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/sort.h"

enum { COUNT_MAX = 300 };

static bool is_smaller(const void *context, uint32_t a, uint32_t b)
{
    const uint32_t *values = context;
    return values[a] < values[b];
}

/* Every count, few values: what is equal keeps its order. */
static void test_in_order(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 1);
    for (uint32_t count = 0; count <= COUNT_MAX; count++) {
        uint32_t values[COUNT_MAX], order[COUNT_MAX], scratch[COUNT_MAX];
        uint64_t sum = 0;
        for (uint32_t i = 0; i < count; i++) {
            values[i] = (uint32_t)rng_below(&rng, 1 + count / 3);
            order[i] = i;
        }
        sort_indices(order, scratch, count, is_smaller, values);
        for (uint32_t i = 0; i < count; i++) {
            assert_true(order[i] < count);
            sum += order[i];
            if (i > 0)
                assert_true(values[order[i - 1]] < values[order[i]] ||
                            (values[order[i - 1]] == values[order[i]] && order[i - 1] < order[i]));
        }
        assert_true(sum == (uint64_t)count * (count - (count > 0)) / 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_in_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
