#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "base/check.h"
#include "cli/profile_cell.h"

static int64_t times[8][PROFILE_PIECES_MAX];

static void assert_near(double found, double expected, double error_max)
{
    if (!(found >= expected - error_max && found <= expected + error_max))
        fail_msg("found %.9g, expected %.9g", found, expected);
}

/* <pieces> of one token each, the first at <first_us>, then one each <gap_us>. */
static struct profile_stream stream_of(int which, int64_t first_us, int64_t gap_us, uint32_t pieces)
{
    for (uint32_t i = 0; i < pieces; i++)
        times[which][i] = first_us + i * gap_us;
    return (struct profile_stream){.piece_us = times[which],
                                   .piece_count = pieces,
                                   .prompt_tokens = 100,
                                   .output_tokens = pieces};
}

static void the_prompt_time_is_that_of_the_last_and_steps_count_side_by_side(void **state)
{
    (void)state;
    /* The first stream runs at 1 ms a token while it is alone, the other starts at 40 ms. */
    struct profile_stream streams[2] = {stream_of(0, 10000, 1000, 30),
                                        stream_of(1, 40000, 5000, 20)};
    for (uint32_t i = 30; i < 50; i++)
        times[0][i] = 40000 + (i - 30) * 5000;
    streams[0].piece_count = streams[0].output_tokens = 50;
    struct profile_round round;
    assert_int_equal(profile_round_fit(streams, 2, 2000, &round), PROFILE_FAULT_NONE);
    assert_near(round.prompt_ms, 38, 1e-9);
    assert_near(round.token_ms, 5, 1e-9);
    assert_int_equal(round.side_by_side, 2);
}

static void pieces_of_several_tokens_are_counted_as_tokens(void **state)
{
    (void)state;
    struct profile_stream stream = stream_of(0, 1000, 6000, 10);
    stream.output_tokens = 30;
    struct profile_round round;
    assert_int_equal(profile_round_fit(&stream, 1, 0, &round), PROFILE_FAULT_NONE);
    assert_near(round.token_ms, 2, 1e-9);
}

static void streams_one_after_the_other_are_no_batch(void **state)
{
    (void)state;
    struct profile_stream streams[3] = {stream_of(0, 1000, 1000, 20), stream_of(1, 1500, 1000, 20),
                                        stream_of(2, 30000, 1000, 20)};
    struct profile_round round = {.prompt_ms = -1};
    assert_int_equal(profile_round_fit(streams, 3, 0, &round), PROFILE_FAULT_APART);
    assert_int_equal(round.side_by_side, 2);
    assert_near(round.prompt_ms, -1, 0);
}

static void an_answer_in_one_piece_is_no_stream(void **state)
{
    (void)state;
    struct profile_stream stream = stream_of(0, 1000, 1000, 1);
    struct profile_round round;
    stream.output_tokens = 64;
    assert_int_equal(profile_round_fit(&stream, 1, 0, &round), PROFILE_FAULT_WHOLE);
    stream.output_tokens = PROFILE_TOKENS_MIN - 1;
    assert_int_equal(profile_round_fit(&stream, 1, 0, &round), PROFILE_FAULT_SHORT);
    stream.piece_count = 0;
    stream.output_tokens = 64;
    assert_int_equal(profile_round_fit(&stream, 1, 0, &round), PROFILE_FAULT_SHORT);
}

static void text_that_comes_at_once_is_not_timed(void **state)
{
    (void)state;
    struct profile_stream stream = stream_of(0, 30000, 12, 64);
    struct profile_round round = {.prompt_ms = -1};
    assert_int_equal(profile_round_fit(&stream, 1, 0, &round), PROFILE_FAULT_BURST);
    assert_near(round.prompt_ms, -1, 0);
}

static void medians_and_their_spread(void **state)
{
    (void)state;
    const double values[] = {5, 1, 3, 2, 4};
    assert_near(profile_quantile(values, 5, 0.5), 3, 0);
    assert_near(profile_quantile(values, 5, 0.25), 2, 0);
    assert_near(profile_quantile(values, 4, 0.5), 2.5, 1e-12);
    assert_near(profile_quantile(values, 1, 0.9), 5, 0);
    assert_near(profile_spread(values, 5), 2 / (3 * 2.2360679775), 1e-9);
    assert_near(profile_spread(values, 1), 0, 0);
}

/* A cell whose rounds have these times. */
static void make_cell(struct profile_cell *cell, uint32_t prompt, uint32_t batch,
                      const double *prompt_ms, const double *token_ms, uint32_t count)
{
    memset(cell, 0, sizeof *cell);
    cell->prompt_wanted = prompt;
    cell->batch = batch;
    cell->state = PROFILE_MEASURED;
    cell->round_count = count;
    cell->request_count = batch * count;
    cell->prompt_tokens = (uint64_t)prompt * cell->request_count;
    memcpy(cell->prompt_ms, prompt_ms, count * sizeof *prompt_ms);
    memcpy(cell->token_ms, token_ms, count * sizeof *token_ms);
}

static void a_cell_is_steady_when_both_medians_are(void **state)
{
    (void)state;
    struct profile_cell cell;
    const double even[] = {100, 101, 100, 99}, wild[] = {100, 200, 50, 150};
    make_cell(&cell, 128, 1, even, even, 4);
    assert_true(profile_cell_is_steady(&cell));
    make_cell(&cell, 128, 1, even, even, PROFILE_ROUNDS_MIN - 1);
    assert_false(profile_cell_is_steady(&cell));
    make_cell(&cell, 128, 1, wild, even, 4);
    assert_false(profile_cell_is_steady(&cell));
    make_cell(&cell, 128, 1, even, wild, 4);
    assert_false(profile_cell_is_steady(&cell));
}

static void a_round_is_counted_in(void **state)
{
    (void)state;
    static struct profile_cell cell = {.batch = 2, .prompt_wanted = 100};
    struct profile_stream streams[2] = {stream_of(0, 20000, 5000, 11),
                                        stream_of(1, 30000, 5000, 11)};
    struct profile_round round;
    streams[1].cached_tokens = 50;
    assert_int_equal(profile_round_fit(streams, 2, 10000, &round), PROFILE_FAULT_NONE);
    profile_cell_add(&cell, streams, 2, 10000, &round);
    assert_int_equal(cell.round_count, 1);
    assert_int_equal(cell.request_count, 2);
    assert_int_equal(cell.busy_us, 70000); /* 10 ms .. 80 ms */
    assert_int_equal(cell.first_us.count, 2);
    assert_int_equal(cell.gap_us.count, 20);
    assert_near(profile_cell_cached(&cell), 0.25, 1e-12);
    assert_near(profile_cell_prompt_ms(&cell), 20, 1e-9);
    assert_near(profile_cell_prefill_rate(&cell), 150 * 1000 / 20.0, 1e-6);
    assert_near(profile_cell_decode_rate(&cell), 400, 1e-6);
}

static void rows_are_what_the_catalogue_takes(void **state)
{
    (void)state;
    static struct profile_cell cells[6];
    static struct profile_row rows[PROFILE_CELLS_MAX];
    const double p[] = {100, 97, 80, 50, 40, 0.01};
    const double t[] = {10, 10, 10, 10, 10, 0.2};
    make_cell(&cells[0], 128, 1, &p[0], &t[0], 1);
    make_cell(&cells[1], 128, 2, &p[1], &t[1], 1); /* noise: levelled */
    make_cell(&cells[2], 128, 4, &p[2], &t[2], 1); /* falls: left out */
    make_cell(&cells[3], 512, 1, &p[3], &t[3], 1); /* another size: its own curve */
    make_cell(&cells[4], 512, 2, &p[4], &t[4], 1);
    cells[4].state = PROFILE_APART;
    make_cell(&cells[5], 600, 1, &p[5], &t[5], 1); /* faster than the catalogue believes */
    cells[5].has_watts = true;
    cells[5].accelerator_w = 250;
    uint32_t left_out;
    assert_int_equal(profile_rows_make(cells, COUNT_OF(cells), rows, &left_out), 4);
    assert_int_equal(left_out, 1);
    assert_near(rows[0].prompt_ms, 100, 0);
    assert_true(!rows[0].is_level && !rows[0].is_floor && rows[0].accelerator_w <= 0);
    assert_near(rows[1].prompt_ms, 100, 0);
    assert_true(rows[1].is_level && rows[1].batch == 2);
    assert_near(rows[2].prompt_ms, 50, 0);
    assert_true(!rows[2].is_level && rows[2].prompt_tokens == 512);
    assert_near(rows[3].prompt_ms, 0.1, 0);
    assert_near(rows[3].token_ms, 0.2, 0);
    assert_true(rows[3].is_floor && rows[3].accelerator_w >= 250);
}

static void a_prompt_is_as_long_as_the_server_counted(void **state)
{
    (void)state;
    static struct profile_cell cells[2];
    static struct profile_row rows[PROFILE_CELLS_MAX];
    const double ms[] = {10};
    uint32_t left_out;
    make_cell(&cells[0], 128, 1, ms, ms, 1);
    make_cell(&cells[1], 512, 1, ms, ms, 1);
    cells[0].prompt_tokens = 131; /* near enough */
    cells[1].prompt_tokens = 470;
    assert_int_equal(profile_rows_make(cells, 2, rows, &left_out), 2);
    assert_int_equal(rows[0].prompt_tokens, 128);
    assert_int_equal(rows[1].prompt_tokens, 470);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_prompt_time_is_that_of_the_last_and_steps_count_side_by_side),
        cmocka_unit_test(pieces_of_several_tokens_are_counted_as_tokens),
        cmocka_unit_test(streams_one_after_the_other_are_no_batch),
        cmocka_unit_test(an_answer_in_one_piece_is_no_stream),
        cmocka_unit_test(text_that_comes_at_once_is_not_timed),
        cmocka_unit_test(medians_and_their_spread),
        cmocka_unit_test(a_cell_is_steady_when_both_medians_are),
        cmocka_unit_test(a_round_is_counted_in),
        cmocka_unit_test(rows_are_what_the_catalogue_takes),
        cmocka_unit_test(a_prompt_is_as_long_as_the_server_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
