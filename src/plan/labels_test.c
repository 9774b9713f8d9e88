/* Labels: which one beats a new one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "plan/labels.h"

static char memory[1 << 20];

static struct plan_labels labels_of(uint32_t width)
{
    struct arena arena;
    struct plan_labels labels;
    arena_init(&arena, memory, sizeof memory);
    assert_true(plan_labels_init(&labels, &arena));
    plan_labels_clear(&labels, width);
    return labels;
}

static void test_beat(void **state)
{
    (void)state;
    static const double kept[] = {3, 1}, other[] = {1, 3};
    static const double same[] = {3, 1}, more[] = {3, 2}, less[] = {2, 2}, most[] = {4, 4};
    struct plan_labels labels = labels_of(2);
    uint64_t work = 0;
    assert_false(plan_labels_beat(&labels, kept, &work));
    assert_true(work == 0);
    plan_labels_add(&labels, kept);
    plan_labels_add(&labels, other);
    assert_true(plan_labels_beat(&labels, same, &work));
    assert_true(plan_labels_beat(&labels, more, &work));
    assert_true(plan_labels_beat(&labels, most, &work));
    assert_false(plan_labels_beat(&labels, less, &work));
    assert_true(work > 0);
    plan_labels_clear(&labels, 2);
    assert_false(plan_labels_beat(&labels, most, &work));
}

/* The one that was of no use for longest gives way. */
static void test_full(void **state)
{
    (void)state;
    struct plan_labels labels = labels_of(2);
    uint64_t work = 0;
    for (uint32_t i = 0; i < PLAN_LABELS_MAX; i++) { /* none beats another */
        double own[] = {i, -(double)i};
        assert_false(plan_labels_beat(&labels, own, &work));
        plan_labels_add(&labels, own);
    }
    double first[] = {0, 0}, second[] = {1, -1}, next[] = {PLAN_LABELS_MAX, -PLAN_LABELS_MAX};
    assert_true(plan_labels_beat(&labels, first, &work)); /* the oldest is of use */
    plan_labels_add(&labels, next);
    assert_true(plan_labels_beat(&labels, first, &work));
    assert_true(plan_labels_beat(&labels, next, &work));
    assert_false(plan_labels_beat(&labels, second, &work)); /* this one gave way */
}

static bool is_no_more(const double *own, const double *other, uint32_t width)
{
    for (uint32_t i = 0; i < width; i++)
        if (own[i] > other[i])
            return false;
    return true;
}

/* With as many numbers as are sketched, and more and fewer: as all compared with all say. */
static void test_all(void **state)
{
    (void)state;
    enum { WIDTH_MAX = 20, KEPT = 200, TRIES = 2000 };
    static double kept[KEPT][WIDTH_MAX];
    struct rng rng;
    rng_init(&rng, 11);
    uint32_t beaten = 0, all = 0;
    for (uint32_t width = 1; width <= WIDTH_MAX; width++) {
        struct plan_labels labels = labels_of(width);
        uint64_t work = 0;
        uint32_t count = 0;
        for (uint32_t t = 0; t < TRIES && count < KEPT; t++, all++) {
            double *own = kept[count], size = rng_unit(&rng) < 0.1 ? 1e6 : 1;
            for (uint32_t i = 0; i < width; i++)
                own[i] = size * (double)((int64_t)rng_below(&rng, 1 + 3 * i) - i);
            bool is_beaten = false;
            for (uint32_t k = 0; k < count; k++)
                is_beaten = is_beaten || is_no_more(kept[k], own, width);
            assert_int_equal(plan_labels_beat(&labels, own, &work), is_beaten);
            beaten += is_beaten;
            if (is_beaten)
                continue;
            plan_labels_add(&labels, own);
            count++;
        }
    }
    assert_true(beaten > all / 20 && beaten < all / 2 + all / 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beat),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
