#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "worker/piece.h"

static char out[3 * PIECE_HELD_MAX];

static void assert_says(struct piece *piece, const char *bytes, const char *expected)
{
    size_t n = piece_add(piece, span_of(bytes), out);
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(out, expected, n);
}

static void assert_ends(struct piece *piece, const char *expected)
{
    size_t n = piece_end(piece, out);
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(out, expected, n);
}

static void plain_text_passes_at_once(void **state)
{
    (void)state;
    struct piece piece;
    piece_init(&piece);
    assert_says(&piece, "hello", "hello");
    assert_ends(&piece, "");
}

static void a_character_waits_for_its_last_byte(void **state)
{
    (void)state;
    struct piece piece;
    piece_init(&piece);
    assert_says(&piece, "a\xE2", "a");
    assert_says(&piece, "\x82", "");
    assert_says(&piece, "\xAC!", "\xE2\x82\xAC!");
}

static void what_is_no_character_is_replaced(void **state)
{
    (void)state;
    struct piece piece;
    piece_init(&piece);
    assert_says(&piece, "a\xFFz", "a\xEF\xBF\xBDz");
    assert_says(&piece, "\xE2\x82", "");
    assert_ends(&piece, "\xEF\xBF\xBD");
}

static void a_stop_word_is_never_said_even_in_pieces(void **state)
{
    (void)state;
    struct piece piece;
    piece_init(&piece);
    assert_true(piece_stop_add(&piece, SPAN_LITERAL("STOP")));
    assert_says(&piece, "one S", "one ");
    assert_says(&piece, "TO", "");
    assert_says(&piece, "P two", "");
    assert_true(piece.is_stopped);
    assert_says(&piece, "three", "");
    assert_ends(&piece, "");
}

static void the_beginning_of_a_stop_word_that_goes_on_otherwise_is_said(void **state)
{
    (void)state;
    struct piece piece;
    piece_init(&piece);
    assert_true(piece_stop_add(&piece, SPAN_LITERAL("aab")));
    assert_says(&piece, "aa", "");
    assert_says(&piece, "a", "a");
    assert_says(&piece, "c", "aac");
    assert_says(&piece, "aa", "");
    assert_ends(&piece, "aa");
}

static void the_earliest_of_several_stop_words_counts(void **state)
{
    (void)state;
    struct piece piece;
    piece_init(&piece);
    assert_true(piece_stop_add(&piece, SPAN_LITERAL("world")));
    assert_true(piece_stop_add(&piece, SPAN_LITERAL("\n")));
    assert_says(&piece, "hello\nworld", "hello");
    assert_true(piece.is_stopped);
}

static void stop_words_are_bounded(void **state)
{
    (void)state;
    struct piece piece;
    char word[PIECE_STOP_SIZE + 1] = {'x'};
    piece_init(&piece);
    assert_false(piece_stop_add(&piece, span_from(word, 0)));
    assert_false(piece_stop_add(&piece, span_from(word, sizeof word)));
    for (int i = 0; i < PIECE_STOPS_MAX; i++)
        assert_true(piece_stop_add(&piece, span_from(word, PIECE_STOP_SIZE)));
    assert_false(piece_stop_add(&piece, span_from(word, 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_passes_at_once),
        cmocka_unit_test(a_character_waits_for_its_last_byte),
        cmocka_unit_test(what_is_no_character_is_replaced),
        cmocka_unit_test(a_stop_word_is_never_said_even_in_pieces),
        cmocka_unit_test(the_beginning_of_a_stop_word_that_goes_on_otherwise_is_said),
        cmocka_unit_test(the_earliest_of_several_stop_words_counts),
        cmocka_unit_test(stop_words_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
