#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/crypto.h"

static void takes_are_zeroed_and_aligned_wherever_the_block_begins(void **state)
{
    (void)state;
    char block[256];
    memset(block, 0xAA, sizeof block);
    struct arena arena;
    arena_init(&arena, block + 1, sizeof block - 1);
    for (int i = 0; i < 3; i++) {
        char *taken = arena_take(&arena, 17);
        assert_int_equal((uintptr_t)taken % 16, 0);
        for (int j = 0; j < 17; j++)
            assert_int_equal(taken[j], 0);
    }
}

static void the_mark_of_overflow_stays_until_reset(void **state)
{
    (void)state;
    char block[64];
    struct arena arena;
    arena_init(&arena, block, sizeof block);
    assert_null(arena_take(&arena, 65));
    assert_null(arena_take(&arena, 1));
    assert_true(arena.is_overflown);
    arena_reset(&arena, 0);
    assert_non_null(arena_take(&arena, 1));
    assert_null(arena_take_array(&arena, SIZE_MAX / 2, 3));
    assert_true(arena.is_overflown);
}

static void a_copy_ends_in_an_uncounted_nul(void **state)
{
    (void)state;
    char block[64];
    struct arena arena;
    arena_init(&arena, block, sizeof block);
    struct span copy = arena_copy(&arena, SPAN_LITERAL("abc"));
    assert_int_equal(copy.n, 3);
    assert_string_equal(copy.p, "abc");
    assert_string_equal(arena_copy(&arena, (struct span){NULL, 0}).p, "");
}

static void sha256_and_hex_know_the_published_answer(void **state)
{
    (void)state;
    uint8_t digest[CRYPTO_SHA256_SIZE], back[CRYPTO_SHA256_SIZE];
    char hex[2 * CRYPTO_SHA256_SIZE + 1];
    crypto_sha256(SPAN_LITERAL("abc"), digest);
    crypto_hex(digest, sizeof digest, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_true(crypto_unhex(span_of(hex), back, sizeof back));
    assert_true(crypto_is_equal(digest, back, sizeof back));
    hex[63] = 'g';
    assert_false(crypto_unhex(span_of(hex), back, sizeof back));
    assert_false(crypto_unhex(SPAN_LITERAL("ab"), back, sizeof back));
    crypto_wipe(back, sizeof back);
    assert_false(crypto_is_equal(digest, back, sizeof back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_are_zeroed_and_aligned_wherever_the_block_begins),
        cmocka_unit_test(the_mark_of_overflow_stays_until_reset),
        cmocka_unit_test(a_copy_ends_in_an_uncounted_nul),
        cmocka_unit_test(sha256_and_hex_know_the_published_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
