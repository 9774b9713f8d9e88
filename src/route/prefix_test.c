#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "base/rng.h"
#include "route/prefix.h"

enum { SLOTS = 1 << 14 };

static _Alignas(64) char memory[SLOTS * 32];
static uint16_t blocks[LIMIT_TARGETS];
static uint64_t hashes[LIMIT_PREFIX_BLOCKS];

static struct prefix_index *empty_index(uint32_t slot_count)
{
    assert_true(prefix_index_size(slot_count) <= sizeof memory);
    memset(memory, 0, sizeof memory);
    return prefix_index_init(memory, slot_count);
}

static void draw_hashes(uint64_t seed)
{
    struct rng rng;
    rng_init(&rng, seed);
    for (unsigned i = 0; i < LIMIT_PREFIX_BLOCKS; i++)
        hashes[i] = rng_next(&rng) | 1;
}

static struct prefix_chain chain_a, chain_b;

static void the_chain_is_the_same_in_whatever_pieces_the_text_arrives(void **state)
{
    (void)state;
    char text[5000];
    struct rng rng;
    rng_init(&rng, 1);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + rng_below(&rng, 26));
    prefix_chain_init(&chain_a, 7);
    prefix_chain_role(&chain_a, PREFIX_USER);
    prefix_chain_add(&chain_a, text, sizeof text);
    for (int round = 0; round < 50; round++) {
        prefix_chain_init(&chain_b, 7);
        prefix_chain_role(&chain_b, PREFIX_USER);
        for (size_t at = 0; at < sizeof text;) {
            size_t n = 1 + rng_below(&rng, 700);
            n = n < sizeof text - at ? n : sizeof text - at;
            prefix_chain_add(&chain_b, text + at, n);
            at += n;
        }
        assert_int_equal(chain_b.hash_count, 5001 / PREFIX_BLOCK);
        assert_memory_equal(chain_a.hash, chain_b.hash,
                            chain_a.hash_count * sizeof chain_a.hash[0]);
    }
    assert_int_equal(prefix_chain_tokens(&chain_a), 1250);
}

static void a_hash_stands_for_its_block_and_all_before_it(void **state)
{
    (void)state;
    char text[4 * PREFIX_BLOCK];
    memset(text, 'x', sizeof text);
    prefix_chain_init(&chain_a, 7);
    prefix_chain_add(&chain_a, text, sizeof text);
    text[PREFIX_BLOCK + 3] = 'y';
    prefix_chain_init(&chain_b, 7);
    prefix_chain_add(&chain_b, text, sizeof text);
    assert_true(chain_a.hash[0] == chain_b.hash[0]);
    for (int i = 1; i < 4; i++)
        assert_true(chain_a.hash[i] != chain_b.hash[i]);
    assert_true(chain_a.hash[0] != chain_a.hash[1]);
}

static void tenants_services_and_roles_never_share(void **state)
{
    (void)state;
    struct span service = SPAN_LITERAL("chat"), a = SPAN_LITERAL("a"), b = SPAN_LITERAL("b");
    assert_true(prefix_seed(service, a) != prefix_seed(service, b));
    assert_true(prefix_seed(a, b) != prefix_seed(b, a));
    assert_true(prefix_seed(SPAN_LITERAL("ab"), SPAN_LITERAL("")) !=
                prefix_seed(SPAN_LITERAL("a"), SPAN_LITERAL("b")));
    char text[PREFIX_BLOCK] = {0};
    prefix_chain_init(&chain_a, prefix_seed(service, a));
    prefix_chain_init(&chain_b, prefix_seed(service, b));
    prefix_chain_add(&chain_a, text, sizeof text);
    prefix_chain_add(&chain_b, text, sizeof text);
    assert_true(chain_a.hash[0] != chain_b.hash[0]);
    prefix_chain_init(&chain_a, 1);
    prefix_chain_init(&chain_b, 1);
    prefix_chain_role(&chain_a, PREFIX_USER);
    prefix_chain_role(&chain_b, PREFIX_SYSTEM);
    prefix_chain_add(&chain_a, text, sizeof text);
    prefix_chain_add(&chain_b, text, sizeof text);
    assert_true(chain_a.hash[0] != chain_b.hash[0]);
}

static void a_chain_is_bound_to_its_service_block_by_block(void **state)
{
    (void)state;
    char text[2 * PREFIX_BLOCK] = "the same beginning";
    uint64_t seed = prefix_seed((struct span){0, 0}, SPAN_LITERAL("tenant"));
    prefix_chain_init(&chain_a, seed);
    prefix_chain_init(&chain_b, seed);
    prefix_chain_add(&chain_a, text, sizeof text);
    text[PREFIX_BLOCK + 1] = 'x';
    prefix_chain_add(&chain_b, text, sizeof text);
    uint64_t unbound = chain_a.hash[0];
    prefix_chain_bind(&chain_a, SPAN_LITERAL("chat"));
    prefix_chain_bind(&chain_b, SPAN_LITERAL("chat"));
    assert_true(chain_a.hash[0] == chain_b.hash[0] && chain_a.hash[0] != unbound);
    assert_true(chain_a.hash[1] != chain_b.hash[1]);
    prefix_chain_init(&chain_b, seed);
    prefix_chain_add(&chain_b, text, PREFIX_BLOCK);
    prefix_chain_bind(&chain_b, SPAN_LITERAL("draft"));
    assert_true(chain_a.hash[0] != chain_b.hash[0]);
}

static void endless_prompts_stop_at_the_limit_and_are_still_counted(void **state)
{
    (void)state;
    static char text[1 << 16];
    prefix_chain_init(&chain_a, 1);
    assert_int_equal(prefix_chain_tokens(&chain_a), 1);
    for (int i = 0; i < 40; i++)
        prefix_chain_add(&chain_a, text, sizeof text);
    assert_int_equal(chain_a.hash_count, LIMIT_PREFIX_BLOCKS);
    assert_int_equal(prefix_chain_tokens(&chain_a), 40 * (1 << 16) / 4);
}

static void a_match_finds_every_length_of_every_target(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 2);
    for (int round = 0; round < 300; round++) {
        struct prefix_index *index = empty_index(SLOTS);
        draw_hashes((uint64_t)round + 1);
        uint32_t held[LIMIT_TARGETS] = {0};
        for (unsigned slot = 0; slot < LIMIT_TARGETS; slot++) {
            if (rng_below(&rng, 3) == 0)
                continue;
            held[slot] = 1 + (uint32_t)rng_below(&rng, LIMIT_PREFIX_BLOCKS);
            prefix_index_add(index, hashes, held[slot], slot);
        }
        uint32_t asked = 1 + (uint32_t)rng_below(&rng, LIMIT_PREFIX_BLOCKS);
        prefix_index_match(index, hashes, asked, blocks);
        for (unsigned slot = 0; slot < LIMIT_TARGETS; slot++)
            assert_int_equal(blocks[slot], held[slot] < asked ? held[slot] : asked);
    }
}

static void an_unknown_prompt_matches_nobody(void **state)
{
    (void)state;
    struct prefix_index *index = empty_index(SLOTS);
    draw_hashes(1);
    prefix_index_add(index, hashes, 100, 5);
    draw_hashes(2);
    prefix_index_match(index, hashes, LIMIT_PREFIX_BLOCKS, blocks);
    for (unsigned slot = 0; slot < LIMIT_TARGETS; slot++)
        assert_int_equal(blocks[slot], 0);
    prefix_index_match(index, hashes, 0, blocks);
    assert_int_equal(blocks[5], 0);
}

static void a_restarted_target_holds_nothing_and_others_keep_theirs(void **state)
{
    (void)state;
    struct prefix_index *index = empty_index(SLOTS);
    draw_hashes(1);
    prefix_index_add(index, hashes, 40, 5);
    prefix_index_add(index, hashes, 30, 63);
    prefix_index_forget(index, 5);
    prefix_index_match(index, hashes, 40, blocks);
    assert_int_equal(blocks[5], 0);
    assert_int_equal(blocks[63], 30);
}

/* One bucket of 8 ways: the prompt in use stays, the one touched longest ago goes. */
static void what_was_touched_longest_ago_goes_first(void **state)
{
    (void)state;
    struct prefix_index *index = empty_index(8);
    for (uint64_t hash = 1; hash <= 8; hash++)
        prefix_index_add(index, &hash, 1, 0);
    uint64_t kept = 1, added = 9, gone = 2;
    prefix_index_add(index, &kept, 1, 0);
    prefix_index_add(index, &added, 1, 3);
    prefix_index_match(index, &kept, 1, blocks);
    assert_int_equal(blocks[0], 1);
    prefix_index_match(index, &gone, 1, blocks);
    assert_int_equal(blocks[0], 0);
    prefix_index_match(index, &added, 1, blocks);
    assert_int_equal(blocks[3], 1);
    assert_int_equal(blocks[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_chain_is_the_same_in_whatever_pieces_the_text_arrives),
        cmocka_unit_test(a_hash_stands_for_its_block_and_all_before_it),
        cmocka_unit_test(tenants_services_and_roles_never_share),
        cmocka_unit_test(a_chain_is_bound_to_its_service_block_by_block),
        cmocka_unit_test(endless_prompts_stop_at_the_limit_and_are_still_counted),
        cmocka_unit_test(a_match_finds_every_length_of_every_target),
        cmocka_unit_test(an_unknown_prompt_matches_nobody),
        cmocka_unit_test(a_restarted_target_holds_nothing_and_others_keep_theirs),
        cmocka_unit_test(what_was_touched_longest_ago_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
