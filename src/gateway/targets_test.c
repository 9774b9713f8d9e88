#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "fleet/layout.h"
#include "gateway/targets.h"
#include "gateway/world_test.h"

enum { SECOND_US = 1000 * 1000, BASE = 20000 };

static struct test_world world;
static struct gateway_map map;
static struct gateway_words words[LIMIT_TARGETS];
static struct gateway_targets targets;
static struct gateway_attempt attempt;

static const struct gateway_sample idle = {.is_ready = true, .replicas_ready = 1, .slots = 4};

static int set_up(void **state)
{
    (void)state;
    test_world_init(&world);
    gateway_map_init(&map, &world.fleet, 0, BASE);
    memset(words, 0, sizeof words);
    gateway_targets_init(&targets, &map, TEST_CHAT, words, NULL, FLEET_POLICY_ADAPTIVE, 1);
    attempt = (struct gateway_attempt){0};
    return 0;
}

static void a_world_has_its_own_replicas_and_one_target_for_each_other_region(void **state)
{
    (void)state;
    const struct gateway_service *chat = &map.services[TEST_CHAT];
    assert_int_equal(chat->target_count, 2);
    assert_int_equal(chat->targets[0].replica, 0);
    assert_int_equal(map.origins[chat->targets[0].origin].port,
                     fleet_port_worker(&world.fleet, BASE, 0));
    assert_int_equal(chat->targets[1].replica, FLEET_NONE);
    assert_int_equal(chat->targets[1].region, 1);
    assert_int_equal(map.origins[chat->targets[1].origin].port,
                     fleet_port_link(&world.fleet, BASE, 0, 1));
    assert_int_equal(map.services[TEST_RISK].target_count, 1);
    assert_int_equal(map.origin_count, 2); /* one worker stands behind two services */
    assert_int_equal(targets.fixed[1].network_us, 80000);
    assert_int_equal(targets.fixed[1].zones, 2);
}

static void standing_alone_every_remote_replica_is_dialled(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        world.replicas[i].worker = FLEET_NONE;
        world.replicas[i].url = SPAN_LITERAL("http://127.0.0.1:1");
    }
    gateway_map_init(&map, &world.fleet, 0, 0);
    assert_int_equal(map.services[TEST_CHAT].target_count, 2);
    assert_int_equal(map.origin_count, 1); /* the same server three times */
}

static void no_word_means_not_ready_and_silence_too(void **state)
{
    (void)state;
    assert_false(gateway_targets_is_ready(&targets, 0, SECOND_US));
    gateway_words_sample(&words[0], &idle, SECOND_US);
    assert_true(gateway_targets_is_ready(&targets, 0, SECOND_US));
    assert_true(gateway_targets_is_ready(&targets, 0, SECOND_US + GATEWAY_SAMPLE_LOST_US));
    assert_false(gateway_targets_is_ready(&targets, 0, SECOND_US + GATEWAY_SAMPLE_LOST_US + 1));
    gateway_words_sample(&words[0], &idle, 9 * SECOND_US);
    gateway_words_lose(&words[0]);
    assert_false(gateway_targets_is_ready(&targets, 0, 9 * SECOND_US));
    assert_true(gateway_targets_is_lost(&targets, 0, 9 * SECOND_US));
}

static void a_target_that_drains_is_not_lost(void **state)
{
    (void)state;
    struct gateway_sample draining = idle;
    draining.is_ready = false;
    gateway_words_sample(&words[0], &draining, SECOND_US);
    assert_false(gateway_targets_is_ready(&targets, 0, SECOND_US));
    assert_false(gateway_targets_is_lost(&targets, 0, SECOND_US));
    assert_true(gateway_targets_is_lost(&targets, 0, 4 * SECOND_US)); /* silence is */
}

static void what_is_assigned_counts_until_the_next_sample(void **state)
{
    (void)state;
    gateway_words_sample(&words[0], &idle, SECOND_US);
    assert_true(gateway_targets_begin(&targets, NULL, 0, false, 100, SECOND_US, &attempt));
    gateway_targets_refresh(&targets, NULL, SECOND_US);
    assert_int_equal(targets.view.targets[0].assigned, 1);
    assert_int_equal(targets.view.targets[0].in_flight, 1);
    assert_int_equal(targets.view.targets[0].queued_tokens, 100);

    gateway_words_sample(&words[0], &idle, 2 * SECOND_US); /* it is in the sample now */
    gateway_targets_first_byte(&targets, &attempt, 2 * SECOND_US);
    gateway_targets_refresh(&targets, NULL, 2 * SECOND_US);
    assert_int_equal(targets.view.targets[0].assigned, 0);
    assert_int_equal(targets.view.targets[0].queued_tokens, 0);
    assert_int_equal(targets.view.targets[0].ewma_us, SECOND_US);

    gateway_targets_end(&targets, &attempt, GATEWAY_OUTCOME_GOOD, 0, 2 * SECOND_US);
    gateway_targets_refresh(&targets, NULL, 2 * SECOND_US);
    assert_int_equal(targets.view.targets[0].in_flight, 0);
    assert_int_equal(targets.view.targets[0].assigned, 0);
}

static void end_attempt(enum gateway_outcome outcome, int64_t now_us)
{
    assert_true(gateway_targets_begin(&targets, NULL, 0, false, 1, now_us, &attempt));
    gateway_targets_end(&targets, &attempt, outcome, 0, now_us);
}

static void failures_open_the_breaker_and_departures_do_not(void **state)
{
    (void)state;
    gateway_words_sample(&words[0], &idle, SECOND_US);
    for (unsigned i = 0; i < 100; i++)
        end_attempt(GATEWAY_OUTCOME_NONE, SECOND_US);
    gateway_targets_refresh(&targets, NULL, SECOND_US);
    assert_false(targets.view.targets[0].is_breaker_open);
    assert_int_equal(targets.view.targets[0].penalty_us, 0);
    for (unsigned i = 0; i < 5; i++)
        end_attempt(GATEWAY_OUTCOME_FAILED, SECOND_US);
    gateway_targets_refresh(&targets, NULL, SECOND_US);
    assert_true(targets.view.targets[0].is_breaker_open);
    assert_true(targets.view.targets[0].penalty_us > 0);
    assert_false(gateway_targets_begin(&targets, NULL, 0, false, 1, SECOND_US, &attempt));
    assert_true(gateway_targets_begin(&targets, NULL, 0, true, 1, SECOND_US, &attempt)); /* panic */
    gateway_targets_end(&targets, &attempt, GATEWAY_OUTCOME_GOOD, 0, SECOND_US);
}

static void a_busy_target_cools_for_every_loop(void **state)
{
    (void)state;
    static struct gateway_targets other_loop;
    gateway_targets_init(&other_loop, &map, TEST_CHAT, words, NULL, FLEET_POLICY_ADAPTIVE, 2);
    gateway_words_sample(&words[0], &idle, SECOND_US);
    assert_true(gateway_targets_begin(&targets, NULL, 0, false, 1, SECOND_US, &attempt));
    gateway_targets_end(&targets, &attempt, GATEWAY_OUTCOME_BUSY, 5 * SECOND_US, SECOND_US);
    gateway_targets_refresh(&other_loop, NULL, 5 * SECOND_US);
    assert_true(other_loop.view.targets[0].is_cooling);
    assert_int_equal(gateway_targets_cooling_us(&other_loop, 5 * SECOND_US), SECOND_US);
    gateway_targets_refresh(&other_loop, NULL, 6 * SECOND_US);
    assert_false(other_loop.view.targets[0].is_cooling);
}

static void a_sample_overrides_what_the_fleet_says_and_its_absence_does_not(void **state)
{
    (void)state;
    gateway_targets_refresh(&targets, NULL, SECOND_US);
    assert_int_equal(targets.view.targets[0].context_tokens, 512);
    struct gateway_sample sample = idle;
    sample.context_tokens = 2048;
    gateway_words_sample(&words[0], &sample, SECOND_US);
    gateway_targets_refresh(&targets, NULL, SECOND_US);
    assert_int_equal(targets.view.targets[0].context_tokens, 2048);
    assert_int_equal(targets.view.targets[0].slots, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_world_has_its_own_replicas_and_one_target_for_each_other_region,
                               set_up),
        cmocka_unit_test_setup(standing_alone_every_remote_replica_is_dialled, set_up),
        cmocka_unit_test_setup(no_word_means_not_ready_and_silence_too, set_up),
        cmocka_unit_test_setup(a_target_that_drains_is_not_lost, set_up),
        cmocka_unit_test_setup(what_is_assigned_counts_until_the_next_sample, set_up),
        cmocka_unit_test_setup(failures_open_the_breaker_and_departures_do_not, set_up),
        cmocka_unit_test_setup(a_busy_target_cools_for_every_loop, set_up),
        cmocka_unit_test_setup(a_sample_overrides_what_the_fleet_says_and_its_absence_does_not,
                               set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
