#include "deploy/rollout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"

enum { STEPS_MAX = 200, WORKERS = 5 };

/* Wave 0 starts 0 and 1, then stops 2; wave 1 starts 3, then stops 4. */
static struct rollout_list two_waves(void)
{
    struct rollout_list list = {0};
    rollout_list_add_batch(&list, true, 0);
    rollout_list_add_worker(&list, 0);
    rollout_list_add_worker(&list, 1);
    rollout_list_add_batch(&list, false, 0);
    rollout_list_add_worker(&list, 2);
    rollout_list_add_batch(&list, true, 1);
    rollout_list_add_worker(&list, 3);
    rollout_list_add_batch(&list, false, 1);
    rollout_list_add_worker(&list, 4);
    return list;
}

/* The world that the actions act on: who runs, and whether the plan was noted. */
struct scene {
    bool runs[WORKERS], is_noted;
    unsigned actions;
};

static const struct scene at_first = {.runs = {false, false, true, false, true}};
static const struct scene at_last = {.runs = {true, true, false, true, false}};

static void act(struct scene *scene, const struct rollout *rollout, struct rollout_action action)
{
    const uint16_t *workers = rollout->list->workers;
    scene->actions++;
    if (action.task == ROLLOUT_START || action.task == ROLLOUT_STOP)
        scene->runs[workers[action.first]] = action.task == ROLLOUT_START;
    if (action.task == ROLLOUT_NOTE)
        scene->is_noted = true;
    for (uint16_t i = 0; i < action.count; i++) { /* what is waited for can come true */
        bool runs = scene->runs[workers[action.first + i]];
        assert_true(action.task != ROLLOUT_AWAIT_READY || runs);
        assert_true(action.task != ROLLOUT_AWAIT_GONE || !runs);
    }
}

static void run_to_the_end(struct scene *scene, struct rollout *rollout)
{
    for (unsigned i = 0; i < STEPS_MAX && !rollout_is_over(rollout); i++) {
        act(scene, rollout, rollout_next(rollout));
        rollout_step(rollout, ROLLOUT_DONE);
    }
    assert_true(rollout_is_over(rollout));
    assert_int_equal(rollout_next(rollout).task, ROLLOUT_NOTHING);
}

static void new_ones_are_ready_before_old_ones_stop_in_every_wave(void **state)
{
    (void)state;
    static const struct {
        enum rollout_task task;
        uint16_t wave, worker, count;
    } expected[] = {
        {ROLLOUT_START, 0, 0, 1},       {ROLLOUT_START, 0, 1, 1},
        {ROLLOUT_AWAIT_READY, 0, 0, 2}, {ROLLOUT_STOP, 0, 2, 1},
        {ROLLOUT_AWAIT_GONE, 0, 2, 1},  {ROLLOUT_START, 1, 3, 1},
        {ROLLOUT_AWAIT_READY, 1, 3, 1}, {ROLLOUT_STOP, 1, 4, 1},
        {ROLLOUT_AWAIT_GONE, 1, 4, 1},  {ROLLOUT_NOTE, 0, 0, 0},
    };
    struct rollout_list list = two_waves();
    struct rollout rollout;
    rollout_init(&rollout, &list);
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        struct rollout_action action = rollout_next(&rollout);
        assert_int_equal(action.task, expected[i].task);
        assert_int_equal(action.wave, expected[i].wave);
        assert_int_equal(action.count, expected[i].count);
        if (action.count)
            assert_int_equal(list.workers[action.first], expected[i].worker);
        rollout_step(&rollout, ROLLOUT_DONE);
    }
    assert_int_equal(rollout.state, ROLLOUT_APPLIED);
}

static void a_failure_at_any_action_leads_back_to_what_was_before(void **state)
{
    (void)state;
    struct rollout_list list = two_waves();
    for (unsigned failing = 0; failing < 9; failing++) {
        struct scene scene = at_first;
        struct rollout rollout;
        rollout_init(&rollout, &list);
        for (unsigned i = 0; i < failing; i++) {
            act(&scene, &rollout, rollout_next(&rollout));
            rollout_step(&rollout, ROLLOUT_DONE);
        }
        act(&scene, &rollout, rollout_next(&rollout)); /* it may have worked half */
        rollout_step(&rollout, ROLLOUT_FAILED);
        assert_true(rollout_is_back(&rollout));
        run_to_the_end(&scene, &rollout);
        assert_int_equal(rollout.state, ROLLOUT_UNDONE);
        assert_memory_equal(scene.runs, at_first.runs, sizeof scene.runs);
        assert_false(scene.is_noted);
    }
}

/* On the way back too: what was stopped serves again before what was started goes. */
static void going_back_starts_the_old_before_it_stops_the_new(void **state)
{
    (void)state;
    struct rollout_list list = two_waves();
    struct rollout rollout;
    rollout_init(&rollout, &list);
    for (unsigned i = 0; i < 6; i++)
        rollout_step(&rollout, ROLLOUT_DONE);
    rollout_step(&rollout, ROLLOUT_FAILED); /* 3 does not become ready */
    static const enum rollout_task expected[] = {
        ROLLOUT_STOP, ROLLOUT_AWAIT_GONE, ROLLOUT_START,     ROLLOUT_AWAIT_READY,
        ROLLOUT_STOP, ROLLOUT_STOP,       ROLLOUT_AWAIT_GONE};
    static const uint16_t workers[] = {3, 3, 2, 2, 1, 0, 0};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        struct rollout_action action = rollout_next(&rollout);
        assert_int_equal(action.task, expected[i]);
        assert_int_equal(list.workers[action.first], workers[i]);
        rollout_step(&rollout, ROLLOUT_DONE);
    }
    assert_int_equal(rollout.state, ROLLOUT_UNDONE);
}

/* Killed after an action and before it was noted: the action comes twice, the end is the same. */
static void killed_at_any_action_the_next_attempt_ends_the_same(void **state)
{
    (void)state;
    struct rollout_list list = two_waves();
    for (unsigned killed = 0; killed < 10; killed++) {
        struct scene scene = at_first;
        struct rollout rollout;
        rollout_init(&rollout, &list);
        for (unsigned i = 0; i < killed; i++) {
            act(&scene, &rollout, rollout_next(&rollout));
            rollout_step(&rollout, ROLLOUT_DONE);
        }
        act(&scene, &rollout, rollout_next(&rollout));
        struct rollout again = rollout; /* what was remembered */
        assert_true(rollout_is_sound(&again));
        run_to_the_end(&scene, &again);
        assert_int_equal(again.state, ROLLOUT_APPLIED);
        assert_memory_equal(scene.runs, at_last.runs, sizeof scene.runs);
        assert_true(scene.is_noted);
    }
}

static void stuck_on_the_way_back_it_goes_on_from_there(void **state)
{
    (void)state;
    struct rollout_list list = two_waves();
    for (unsigned steps = 0; steps < 7; steps++) {
        struct scene scene = at_first;
        struct rollout rollout;
        rollout_init(&rollout, &list);
        for (unsigned i = 0; i < 6; i++) {
            act(&scene, &rollout, rollout_next(&rollout));
            rollout_step(&rollout, ROLLOUT_DONE);
        }
        rollout_step(&rollout, ROLLOUT_FAILED);
        for (unsigned i = 0; i < steps; i++) {
            act(&scene, &rollout, rollout_next(&rollout));
            rollout_step(&rollout, ROLLOUT_DONE);
        }
        struct rollout remembered = rollout;
        rollout_step(&rollout, ROLLOUT_FAILED);
        assert_int_equal(rollout.state, ROLLOUT_STUCK);
        assert_int_equal(rollout_next(&rollout).task, ROLLOUT_NOTHING);
        rollout = remembered;
        run_to_the_end(&scene, &rollout);
        assert_int_equal(rollout.state, ROLLOUT_UNDONE);
        assert_memory_equal(scene.runs, at_first.runs, sizeof scene.runs);
    }
}

static void a_plan_that_cannot_be_noted_waits_for_the_next_attempt(void **state)
{
    (void)state;
    struct rollout_list list = {0};
    struct rollout rollout;
    rollout_init(&rollout, &list);
    assert_int_equal(rollout_next(&rollout).task, ROLLOUT_NOTE);
    struct rollout remembered = rollout;
    rollout_step(&rollout, ROLLOUT_FAILED);
    assert_int_equal(rollout.state, ROLLOUT_STUCK);
    rollout = remembered;
    assert_int_equal(rollout_next(&rollout).task, ROLLOUT_NOTE);
    rollout_step(&rollout, ROLLOUT_DONE);
    assert_int_equal(rollout.state, ROLLOUT_APPLIED);
}

static void a_position_outside_its_list_is_not_sound(void **state)
{
    (void)state;
    struct rollout_list list = two_waves(), none = {0};
    struct rollout rollout = {.list = &list, .state = ROLLOUT_ACT, .batch = 3};
    assert_true(rollout_is_sound(&rollout));
    rollout.item = 1;
    assert_false(rollout_is_sound(&rollout));
    rollout = (struct rollout){.list = &list, .state = ROLLOUT_ACT, .batch = 4};
    assert_false(rollout_is_sound(&rollout));
    rollout = (struct rollout){.list = &none, .state = ROLLOUT_ACT};
    assert_false(rollout_is_sound(&rollout));
    rollout.state = ROLLOUT_COMMIT;
    assert_true(rollout_is_sound(&rollout));
}

static void every_state_has_a_name_that_is_found_again(void **state)
{
    (void)state;
    for (int i = ROLLOUT_ACT; i <= ROLLOUT_STUCK; i++) {
        enum rollout_state found = ROLLOUT_ACT;
        const char *text = rollout_state_text((enum rollout_state)i);
        assert_true(rollout_state_find(text, &found));
        assert_int_equal(found, i);
    }
    enum rollout_state found;
    assert_false(rollout_state_find("backwards", &found));
    assert_false(rollout_state_find(NULL, &found));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_ones_are_ready_before_old_ones_stop_in_every_wave),
        cmocka_unit_test(a_failure_at_any_action_leads_back_to_what_was_before),
        cmocka_unit_test(going_back_starts_the_old_before_it_stops_the_new),
        cmocka_unit_test(killed_at_any_action_the_next_attempt_ends_the_same),
        cmocka_unit_test(stuck_on_the_way_back_it_goes_on_from_there),
        cmocka_unit_test(a_plan_that_cannot_be_noted_waits_for_the_next_attempt),
        cmocka_unit_test(a_position_outside_its_list_is_not_sound),
        cmocka_unit_test(every_state_has_a_name_that_is_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
