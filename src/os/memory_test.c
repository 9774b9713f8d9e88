#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "os/fault.h"
#include "os/memory.h"

static void what_is_given_out_is_zeroed_and_aligned(void **state)
{
    (void)state;
    unsigned char *p = os_alloc_aligned(64, 100);
    assert_non_null(p);
    assert_int_equal((size_t)p % 64, 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
    os_free(p);
    os_free(NULL);
}

static void a_counted_fault_refuses_once_or_from_then_on(void **state)
{
    (void)state;
    os_fault_set(OS_FAULT_MEMORY, 2, false);
    void *first = os_alloc(1), *second = os_alloc(1), *third = os_alloc(1);
    assert_int_equal(os_fault_calls(OS_FAULT_MEMORY), 3);
    os_fault_set(OS_FAULT_MEMORY, 1, true);
    void *fourth = os_alloc(1), *fifth = os_resize(first, 100);
    os_fault_set(OS_FAULT_MEMORY, 0, false);
    assert_non_null(first);
    assert_null(second);
    assert_non_null(third);
    assert_null(fourth);
    assert_null(fifth);
    os_free(first);
    os_free(third);
}

static void a_fault_of_one_kind_leaves_the_others_alone(void **state)
{
    (void)state;
    os_fault_set(OS_FAULT_FILE, 1, true);
    void *p = os_alloc(1);
    os_fault_set(OS_FAULT_FILE, 0, false);
    assert_non_null(p);
    os_free(p);
}

static void malformed_fault_rules_set_nothing(void **state)
{
    (void)state;
    const char *bad[] = {"memory",
                         "memory:",
                         "memory:0",
                         "memory:x",
                         "disk:1",
                         "memory:1,,",
                         "memory:1,file:1,socket:1,process:1,file:2"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(os_fault_parse(span_of(bad[i])));
    void *p = os_alloc(1);
    assert_non_null(p);
    os_free(p);

    assert_true(os_fault_parse(SPAN_LITERAL("file:7,memory:1+")));
    void *first = os_alloc(1), *second = os_alloc(1);
    os_fault_set(OS_FAULT_MEMORY, 0, false);
    os_fault_set(OS_FAULT_FILE, 0, false);
    assert_null(first);
    assert_null(second);
}

static void a_pool_gives_distinct_blocks_up_to_its_bound(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    struct os_pool pool;
    os_pool_init(&pool, 100, COUNT);
    static unsigned char *blocks[COUNT];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < COUNT; i++) {
            blocks[i] = os_pool_take(&pool);
            assert_non_null(blocks[i]);
            memset(blocks[i], i & 0xff, 100);
        }
        assert_null(os_pool_take(&pool));
        for (int i = 0; i < COUNT; i++) {
            assert_int_equal(blocks[i][0], i & 0xff);
            assert_int_equal(blocks[i][99], i & 0xff);
            os_pool_give(&pool, blocks[i]);
        }
    }
    os_pool_fini(&pool);
}

static void a_pool_without_memory_refuses_and_goes_on_later(void **state)
{
    (void)state;
    struct os_pool pool;
    os_pool_init(&pool, 1, 3);
    os_fault_set(OS_FAULT_MEMORY, 1, false);
    void *first = os_pool_take(&pool);
    os_fault_set(OS_FAULT_MEMORY, 0, false);
    assert_null(first);
    assert_non_null(os_pool_take(&pool));
    os_pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_given_out_is_zeroed_and_aligned),
        cmocka_unit_test(a_counted_fault_refuses_once_or_from_then_on),
        cmocka_unit_test(a_fault_of_one_kind_leaves_the_others_alone),
        cmocka_unit_test(malformed_fault_rules_set_nothing),
        cmocka_unit_test(a_pool_gives_distinct_blocks_up_to_its_bound),
        cmocka_unit_test(a_pool_without_memory_refuses_and_goes_on_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
