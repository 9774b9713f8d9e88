#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "worker/queue.h"

enum { SECOND_US = 1000 * 1000, ENTRIES = 64 };

struct fixture {
    struct queue queue;
    struct queue_entry entries[ENTRIES];
    int64_t now_us;
};

static struct fixture *fresh(uint32_t slots, uint32_t waiting_max)
{
    static struct fixture f;
    queue_init(&f.queue, f.entries, ENTRIES);
    queue_lane_add(&f.queue, slots, waiting_max);
    queue_engine_ready(&f.queue);
    f.now_us = SECOND_US;
    return &f;
}

static struct queue_entry *offer(struct fixture *f, uint64_t hash)
{
    struct queue_entry *entry = NULL;
    struct queue_verdict verdict =
        queue_offer(&f->queue, 0, hash, (void *)(uintptr_t)hash, f->now_us++, &entry);
    assert_int_equal(verdict.refusal, QUEUE_ACCEPTED);
    return entry;
}

static uint64_t start(struct fixture *f)
{
    struct queue_entry *entry = queue_next(&f->queue, f->now_us);
    return entry ? entry->hash : 0;
}

static void the_oldest_starts_first_and_slots_bound_what_runs(void **state)
{
    (void)state;
    struct fixture *f = fresh(2, 8);
    for (uint64_t i = 1; i <= 3; i++)
        offer(f, i);
    assert_int_equal(start(f), 1);
    assert_int_equal(start(f), 2);
    assert_int_equal(start(f), 0);
    queue_finish(&f->queue, &f->entries[0], f->now_us);
    assert_int_equal(start(f), 3);
}

static void lanes_share_an_engine_by_age(void **state)
{
    (void)state;
    struct fixture *f = fresh(1, 8);
    struct queue_entry *entry;
    queue_lane_add(&f->queue, 1, 8);
    assert_int_equal(queue_offer(&f->queue, 1, 7, NULL, f->now_us++, &entry).refusal,
                     QUEUE_ACCEPTED);
    offer(f, 8);
    assert_int_equal(start(f), 7);
    assert_int_equal(start(f), 8);
}

static void a_full_queue_refuses_with_a_time_from_its_service_rate(void **state)
{
    (void)state;
    struct fixture *f = fresh(1, 2);
    struct queue_entry *first = offer(f, 1), *entry;
    start(f);
    f->now_us += 10 * SECOND_US;
    queue_finish(&f->queue, first, f->now_us); /* ten seconds a request */
    offer(f, 2);
    offer(f, 3);
    struct queue_verdict verdict = queue_offer(&f->queue, 0, 4, NULL, f->now_us, &entry);
    assert_int_equal(verdict.refusal, QUEUE_FULL);
    assert_in_range(verdict.retry_after_s, 29, 31);
}

static void nothing_starts_before_the_engine_is_ready(void **state)
{
    (void)state;
    struct fixture *f = fresh(1, 8);
    f->queue.is_ready = false;
    offer(f, 1);
    assert_int_equal(start(f), 0);
    queue_engine_ready(&f->queue);
    assert_int_equal(start(f), 1);
}

static void a_cancelled_waiting_one_is_forgotten_a_running_one_is_confirmed(void **state)
{
    (void)state;
    struct fixture *f = fresh(1, 8);
    struct queue_entry *running = offer(f, 1), *waiting = offer(f, 2);
    start(f);
    assert_true(queue_cancel(&f->queue, waiting));
    assert_false(queue_cancel(&f->queue, running));
    assert_int_equal(start(f), 0); /* its slot is taken until the engine says so */
    queue_finish(&f->queue, running, f->now_us);
    assert_int_equal(f->queue.running, 0);
}

static void draining_refuses_new_and_finishes_old(void **state)
{
    (void)state;
    struct fixture *f = fresh(1, 8);
    struct queue_entry *entry;
    offer(f, 1);
    queue_drain(&f->queue);
    assert_int_equal(queue_offer(&f->queue, 0, 2, NULL, f->now_us, &entry).refusal, QUEUE_DRAINING);
    assert_int_equal(start(f), 1);
}

static uint32_t die(struct fixture *f, struct queue_lost *lost)
{
    uint32_t count = queue_engine_died(&f->queue, f->now_us, lost);
    queue_engine_ready(&f->queue);
    return count;
}

static void after_a_death_suspects_run_alone_one_at_a_time_before_the_others(void **state)
{
    (void)state;
    struct fixture *f = fresh(3, 8);
    struct queue_lost lost[ENTRIES];
    for (uint64_t i = 1; i <= 4; i++)
        offer(f, i);
    while (start(f))
        continue;
    assert_int_equal(die(f, lost), 0);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(start(f), i);
        assert_int_equal(start(f), 0);
        queue_finish(&f->queue, &f->entries[i - 1], f->now_us);
    }
    assert_int_equal(start(f), 4);
}

static void what_has_streamed_is_cut_and_not_retried(void **state)
{
    (void)state;
    struct fixture *f = fresh(2, 8);
    struct queue_lost lost[ENTRIES];
    queue_streamed((offer(f, 1), start(f), &f->entries[0]));
    offer(f, 2);
    start(f);
    assert_int_equal(die(f, lost), 1);
    assert_ptr_equal(lost[0].user, (void *)(uintptr_t)1);
    assert_false(lost[0].is_quarantined);
    assert_int_equal(start(f), 2);
}

static void only_one_that_is_alone_at_a_second_death_is_quarantined(void **state)
{
    (void)state;
    struct fixture *f = fresh(2, 8);
    struct queue_lost lost[ENTRIES];
    struct queue_entry *entry;
    offer(f, 1);
    offer(f, 2);
    start(f);
    start(f);
    assert_int_equal(die(f, lost), 0);
    assert_int_equal(start(f), 1);
    assert_int_equal(die(f, lost), 1);
    assert_true(lost[0].is_quarantined);
    assert_true(queue_is_quarantined(&f->queue, 1, f->now_us));
    assert_false(queue_is_quarantined(&f->queue, 2, f->now_us));
    assert_int_equal(queue_offer(&f->queue, 0, 1, NULL, f->now_us, &entry).refusal,
                     QUEUE_QUARANTINED);
    assert_int_equal(start(f), 2); /* the innocent one is answered */
    assert_false(queue_is_quarantined(&f->queue, 1, f->now_us + QUEUE_QUARANTINE_US));
}

static void a_cancelled_one_is_not_retried_and_tells_nothing_of_the_rate(void **state)
{
    (void)state;
    struct fixture *f = fresh(2, 8);
    struct queue_lost lost[ENTRIES];
    struct queue_entry *first = offer(f, 1), *second = offer(f, 2);
    start(f);
    start(f);
    assert_false(queue_cancel(&f->queue, first));
    queue_finish(&f->queue, first, f->now_us + SECOND_US);
    assert_int_equal(f->queue.lanes[0].service_us, 0);
    assert_false(queue_cancel(&f->queue, second));
    assert_int_equal(die(f, lost), 1);
    assert_true(lost[0].is_cancelled);
    assert_int_equal(start(f), 0);
}

static void quarantine_is_bounded_and_forgets_the_oldest(void **state)
{
    (void)state;
    struct fixture *f = fresh(1, 8);
    struct queue_lost lost[ENTRIES];
    for (uint64_t i = 1; i <= LIMIT_QUARANTINE + 1; i++) {
        offer(f, i);
        for (int death = 0; death < 2; death++) {
            assert_int_equal(start(f), i);
            die(f, lost);
        }
    }
    assert_false(queue_is_quarantined(&f->queue, 1, f->now_us));
    assert_true(queue_is_quarantined(&f->queue, 2, f->now_us));
    assert_true(queue_is_quarantined(&f->queue, LIMIT_QUARANTINE + 1, f->now_us));
}

/* Whatever happens, each accepted request ends exactly once; the queue checks its own invariants.
 */
static void random_lives_end_exactly_once(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 5);
    for (unsigned round = 0; round < 200; round++) {
        struct fixture *f = fresh(1 + (uint32_t)rng_below(&rng, 4), 5);
        struct queue_entry *live[ENTRIES], *entry;
        struct queue_lost lost[ENTRIES];
        uint64_t accepted = 0, ended = 0;
        uint32_t count = 0;
        for (unsigned step = 0; step < 300; step++) {
            f->now_us += 1000;
            uint64_t what = rng_below(&rng, 20);
            uint32_t pick = count ? (uint32_t)rng_below(&rng, count) : 0;
            if (what < 8) {
                uint64_t hash = 1 + rng_below(&rng, 1000);
                if (queue_offer(&f->queue, 0, hash, NULL, f->now_us, &entry).refusal == 0)
                    accepted++;
            } else if (what < 14) {
                entry = queue_next(&f->queue, f->now_us);
                if (entry && rng_below(&rng, 2))
                    queue_streamed(entry);
            } else if (what < 15) {
                ended += queue_engine_died(&f->queue, f->now_us, lost);
            } else if (what < 17) {
                queue_engine_ready(&f->queue);
            } else if (count && live[pick]->state == QUEUE_RUNNING) {
                queue_finish(&f->queue, live[pick], f->now_us);
                ended++;
            } else if (count && queue_cancel(&f->queue, live[pick])) {
                ended++;
            }
            count = 0;
            for (unsigned i = 0; i < ENTRIES; i++)
                if (f->entries[i].state != QUEUE_FREE)
                    live[count++] = &f->entries[i];
            assert_int_equal(accepted, ended + count);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_starts_first_and_slots_bound_what_runs),
        cmocka_unit_test(lanes_share_an_engine_by_age),
        cmocka_unit_test(a_full_queue_refuses_with_a_time_from_its_service_rate),
        cmocka_unit_test(nothing_starts_before_the_engine_is_ready),
        cmocka_unit_test(a_cancelled_waiting_one_is_forgotten_a_running_one_is_confirmed),
        cmocka_unit_test(draining_refuses_new_and_finishes_old),
        cmocka_unit_test(after_a_death_suspects_run_alone_one_at_a_time_before_the_others),
        cmocka_unit_test(what_has_streamed_is_cut_and_not_retried),
        cmocka_unit_test(only_one_that_is_alone_at_a_second_death_is_quarantined),
        cmocka_unit_test(a_cancelled_one_is_not_retried_and_tells_nothing_of_the_rate),
        cmocka_unit_test(quarantine_is_bounded_and_forgets_the_oldest),
        cmocka_unit_test(random_lives_end_exactly_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
