#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/link.h"

enum { SECOND_US = 1000 * 1000, RTT_US = 90 * 1000, JITTER_US = 8 * 1000 };

static const struct link_rules plain = {.rtt_us = RTT_US};
static const struct link_rules jittery = {.rtt_us = RTT_US, .jitter_us = JITTER_US};

static struct link_line line_of(const struct link_rules *rules)
{
    struct link_line line;
    link_line_init(&line, rules, 42);
    return line;
}

static void an_undisturbed_byte_takes_half_an_rtt(void **state)
{
    (void)state;
    struct link_line line = line_of(&plain);
    struct link_pipe pipe = {0};
    assert_int_equal(link_arrival_us(&line, &pipe, 1000, 7), 7 + RTT_US / 2);
}

static void the_mean_rtt_is_what_was_asked_and_jitter_stays_in_its_bounds(void **state)
{
    (void)state;
    struct link_line line = line_of(&jittery);
    const int64_t count = 20000;
    int64_t sum_us = 0, least_us = INT64_MAX, most_us = 0;
    for (int64_t i = 0; i < count; i++) {
        struct link_pipe pipe = {0};
        int64_t us = link_arrival_us(&line, &pipe, 100, i * SECOND_US) - i * SECOND_US;
        sum_us += 2 * us;
        least_us = us < least_us ? us : least_us;
        most_us = us > most_us ? us : most_us;
    }
    assert_in_range(sum_us / count, RTT_US * 98 / 100, RTT_US * 102 / 100);
    assert_in_range(least_us, RTT_US / 2 - JITTER_US / 2, RTT_US / 2 - JITTER_US / 3);
    assert_in_range(most_us, RTT_US / 2 + JITTER_US / 3, RTT_US / 2 + JITTER_US / 2);
}

static void what_is_offered_earlier_never_arrives_later(void **state)
{
    (void)state;
    struct link_rules rules = jittery;
    rules.loss_ppm = 20000;
    rules.bandwidth_bps = 100 * 1000 * 1000;
    struct link_line line = line_of(&rules);
    struct link_pipe pipe = {0};
    struct rng rng;
    rng_init(&rng, 1);
    int64_t now_us = 0, last_us = 0;
    for (int i = 0; i < 20000; i++) {
        now_us += (int64_t)rng_below(&rng, 3000);
        if (i == 10000) {
            rules.rtt_us /= 4;
            rules.jitter_us /= 4;
            link_line_set(&line, &rules);
        }
        int64_t us = link_arrival_us(&line, &pipe, (uint32_t)rng_below(&rng, 3000), now_us);
        assert_true(us >= last_us && us >= now_us);
        last_us = us;
    }
}

/* Seconds that 100 MB take in pieces of <bytes> over two pipes of one line. */
static double seconds_for(struct link_line *line, uint32_t bytes)
{
    struct link_pipe pipes[2] = {{0}, {0}};
    int64_t last_us = 0;
    for (uint32_t sent = 0, i = 0; sent < 100 * 1000 * 1000; sent += bytes, i++)
        last_us = link_arrival_us(line, &pipes[i % 2], bytes, 0);
    int64_t busy_us = last_us - RTT_US / 2;
    return (double)busy_us / SECOND_US;
}

static void bandwidth_is_shared_and_kept_for_pieces_of_any_size(void **state)
{
    (void)state;
    const uint32_t sizes[] = {40, 100, 1448, 65536, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct link_rules rules = plain;
        rules.bandwidth_bps = 1000 * 1000 * 1000;
        struct link_line line = line_of(&rules);
        double seconds = seconds_for(&line, sizes[i]);
        assert_true(seconds > 0.8 * 0.98 && seconds < 0.8 * 1.02);
    }
}

static void an_idle_line_saves_nothing_up(void **state)
{
    (void)state;
    struct link_rules rules = plain;
    rules.bandwidth_bps = 8 * 1000 * 1000;
    struct link_line line = line_of(&rules);
    struct link_pipe pipe = {0};
    int64_t now_us = 100 * (int64_t)SECOND_US;
    assert_int_equal(link_arrival_us(&line, &pipe, 1000000, now_us),
                     now_us + SECOND_US + RTT_US / 2);
}

static void slow_stretches_delay_and_transmission_alike(void **state)
{
    (void)state;
    struct link_rules rules = plain;
    rules.bandwidth_bps = 8 * 1000 * 1000;
    rules.slow_percent = 300;
    struct link_line line = line_of(&rules);
    struct link_pipe pipe = {0};
    assert_int_equal(link_arrival_us(&line, &pipe, 100000, 0), 300000 + 3 * RTT_US / 2);
}

static void loss_delays_as_often_as_asked_and_by_a_retransmission(void **state)
{
    (void)state;
    struct link_rules rules = plain;
    rules.loss_ppm = 10000;
    struct link_line line = line_of(&rules);
    int late_count = 0;
    for (int64_t i = 0; i < 100000; i++) {
        struct link_pipe pipe = {0};
        int64_t us = link_arrival_us(&line, &pipe, LINK_SEGMENT_SIZE, i * SECOND_US);
        us -= i * SECOND_US + RTT_US / 2;
        assert_true(us == 0 || us >= LINK_RETRANSMIT_US);
        late_count += us > 0;
    }
    assert_in_range(late_count, 900, 1100);
}

static void a_large_piece_is_lost_as_often_as_its_segments_together(void **state)
{
    (void)state;
    struct link_rules rules = plain;
    rules.loss_ppm = 1000;
    struct link_line line = line_of(&rules);
    int late_count = 0;
    for (int64_t i = 0; i < 100000; i++) {
        struct link_pipe pipe = {0};
        int64_t us = link_arrival_us(&line, &pipe, 40 * LINK_SEGMENT_SIZE, i * SECOND_US);
        late_count += us > i * SECOND_US + RTT_US / 2;
    }
    /* 1 - 0.999^40 = 3.92 % */
    assert_in_range(late_count, 3720, 4120);
}

static void a_cut_link_passes_nothing_and_forgets_nothing(void **state)
{
    (void)state;
    struct link_rules rules = plain;
    rules.is_cut = true;
    struct link_line line = line_of(&rules), other = line_of(&plain);
    struct link_line before = line;
    struct link_pipe pipe = {0};
    assert_true(link_arrival_us(&line, &pipe, 1, 5) == LINK_NEVER_US);
    assert_true(link_connected_us(&line, &other, 5) == LINK_NEVER_US);
    assert_true(link_connected_us(&other, &line, 5) == LINK_NEVER_US);
    assert_memory_equal(&line, &before, sizeof line);
    assert_int_equal(pipe.last_arrival_us, 0);
}

static void connecting_costs_one_rtt(void **state)
{
    (void)state;
    struct link_line there = line_of(&plain), back = line_of(&plain);
    assert_int_equal(link_connected_us(&there, &back, 11), 11 + RTT_US);
}

static void equal_seeds_give_equal_times(void **state)
{
    (void)state;
    struct link_rules rules = jittery;
    rules.loss_ppm = 50000;
    struct link_line a = line_of(&rules), b = line_of(&rules);
    struct link_pipe pipe_a = {0}, pipe_b = {0};
    for (int64_t i = 0; i < 1000; i++)
        assert_int_equal(link_arrival_us(&a, &pipe_a, 5000, i * 100),
                         link_arrival_us(&b, &pipe_b, 5000, i * 100));
}

static void the_path_is_filled_by_bandwidth_times_delay(void **state)
{
    (void)state;
    struct link_rules rules = plain;
    rules.bandwidth_bps = 200 * 1000 * 1000;
    struct link_line there = line_of(&rules), back = line_of(&plain);
    assert_int_equal(link_fill_bytes(&there, &back), 25 * RTT_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_undisturbed_byte_takes_half_an_rtt),
        cmocka_unit_test(the_mean_rtt_is_what_was_asked_and_jitter_stays_in_its_bounds),
        cmocka_unit_test(what_is_offered_earlier_never_arrives_later),
        cmocka_unit_test(bandwidth_is_shared_and_kept_for_pieces_of_any_size),
        cmocka_unit_test(an_idle_line_saves_nothing_up),
        cmocka_unit_test(slow_stretches_delay_and_transmission_alike),
        cmocka_unit_test(loss_delays_as_often_as_asked_and_by_a_retransmission),
        cmocka_unit_test(a_large_piece_is_lost_as_often_as_its_segments_together),
        cmocka_unit_test(a_cut_link_passes_nothing_and_forgets_nothing),
        cmocka_unit_test(connecting_costs_one_rtt),
        cmocka_unit_test(equal_seeds_give_equal_times),
        cmocka_unit_test(the_path_is_filled_by_bandwidth_times_delay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
