#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "base/check.h"
#include "base/rng.h"
#include "route/route.h"

enum { EU = 1, US = 2, ASIA = 4, MS = 1000 };

static struct route_view view;
static struct route_request request;
static struct route_memory memory;

/* <count> equal, idle local replicas in the EU; a request that may go anywhere. */
static void setup(enum fleet_policy policy, unsigned count)
{
    memset(&view, 0, sizeof view);
    memset(&request, 0, sizeof request);
    view.policy = policy;
    view.target_count = (uint16_t)count;
    for (unsigned i = 0; i < count; i++)
        view.targets[i] = (struct route_target){.id = i,
                                                .kind = ROUTE_REPLICA,
                                                .is_ready = true,
                                                .zones = EU,
                                                .slots = 8,
                                                .is_sample_fresh = true,
                                                .prefill_ns_per_token = 100000,
                                                .decode_ns_per_token = 10000000,
                                                .weight = 1};
    request.zones_allowed = EU | US | ASIA;
    request.prompt_tokens = 1000;
    request.output_tokens = 100;
    request.may_hop = true;
    route_memory_init(&memory, 1);
}

static void make_region(unsigned i, fleet_zones zone, int64_t rtt_us)
{
    view.targets[i].kind = ROUTE_REGION;
    view.targets[i].id = 0x10000 + i;
    view.targets[i].zones = zone;
    view.targets[i].network_us = rtt_us;
}

static int chosen(void)
{
    return route_choose(&view, &request, &memory).target;
}

static enum route_bar bar_of(unsigned target)
{
    return route_bar_of(&view, &request, target);
}

/* --- filters --- */

static void residency_is_fail_closed(void **state)
{
    (void)state;
    for (int policy = 0; policy < FLEET_POLICY_COUNT; policy++) {
        setup((enum fleet_policy)policy, 3);
        view.targets[0].zones = US;
        view.targets[1].zones = 0;         /* says nothing: computes nowhere */
        view.targets[2].zones = EU | ASIA; /* one of its zones is not allowed */
        view.targets[2].network_us = 0;
        request.zones_allowed = EU;
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(bar_of(i), ROUTE_BAR_RESIDENCY);
        struct route_choice choice = route_choose(&view, &request, &memory);
        assert_int_equal(choice.target, -1);
        assert_int_equal(choice.bar, ROUTE_BAR_RESIDENCY);
    }
    setup(FLEET_POLICY_ADAPTIVE, 1);
    request.zones_allowed = 0;
    assert_int_equal(chosen(), -1);
}

static void panic_never_lifts_residency(void **state)
{
    (void)state;
    setup(FLEET_POLICY_ADAPTIVE, 2);
    view.targets[0].zones = US;
    view.targets[0].is_breaker_open = true;
    view.targets[1].is_breaker_open = true;
    request.zones_allowed = EU;
    struct route_choice choice = route_choose(&view, &request, &memory);
    assert_int_equal(choice.target, 1);
    assert_true(choice.is_panic);
}

static void each_filter_bars_and_is_named(void **state)
{
    (void)state;
    setup(FLEET_POLICY_ADAPTIVE, 13);
    view.targets[1].is_ready = false;
    view.targets[2].zones = US;
    request.zones_allowed = EU;
    view.targets[3].is_tenant_barred = true;
    view.targets[4].context_tokens = 1000;
    view.targets[5].context_tokens = 1001;
    request.tried = 1U << 6;
    make_region(7, EU, 0);
    request.may_hop = false;
    view.targets[8].network_us = 50 * MS;
    request.now_us = 1000 * MS;
    request.deadline_us = 1050 * MS;
    view.targets[9].is_cooling = true;
    view.targets[10].is_ejected = true;
    view.targets[11].is_breaker_open = true;
    view.targets[12].queue_max = 4;
    view.targets[12].running = 8;
    view.targets[12].waiting = 3;
    view.targets[12].assigned = 1;
    const enum route_bar expected[] = {ROUTE_BAR_NONE,    ROUTE_BAR_NOT_READY, ROUTE_BAR_RESIDENCY,
                                       ROUTE_BAR_TENANT,  ROUTE_BAR_CONTEXT,   ROUTE_BAR_NONE,
                                       ROUTE_BAR_TRIED,   ROUTE_BAR_HOP,       ROUTE_BAR_DEADLINE,
                                       ROUTE_BAR_COOLING, ROUTE_BAR_EJECTED,   ROUTE_BAR_BREAKER,
                                       ROUTE_BAR_FULL};
    for (unsigned i = 0; i < COUNT_OF(expected); i++)
        assert_int_equal(bar_of(i), expected[i]);
    assert_int_equal(route_choose(&view, &request, &memory).candidate_count, 2);
    for (int bar = 0; bar < ROUTE_BAR_COUNT; bar++)
        assert_true(strlen(route_bar_text((enum route_bar)bar)) > 0);
}

static void the_first_bar_is_reported_for_a_target_and_the_last_for_all(void **state)
{
    (void)state;
    setup(FLEET_POLICY_ADAPTIVE, 2);
    view.targets[0].is_ready = false;
    view.targets[0].is_breaker_open = true;
    assert_int_equal(bar_of(0), ROUTE_BAR_NOT_READY);
    view.targets[1].is_cooling = true;
    struct route_choice choice = route_choose(&view, &request, &memory);
    assert_int_equal(choice.target, -1);
    assert_int_equal(choice.bar, ROUTE_BAR_COOLING);
    view.target_count = 0;
    assert_int_equal(route_choose(&view, &request, &memory).bar, ROUTE_BAR_NOT_READY);
}

static void a_dead_target_in_the_right_zone_is_named_before_a_living_one_outside_it(void **state)
{
    (void)state;
    setup(FLEET_POLICY_ADAPTIVE, 2);
    request.zones_allowed = 1;
    view.targets[0].zones = 1;
    view.targets[0].is_ready = false;
    view.targets[1].zones = 2;
    struct route_choice choice = route_choose(&view, &request, &memory);
    assert_int_equal(choice.target, -1);
    assert_int_equal(choice.bar, ROUTE_BAR_NOT_READY);
}

static void suspicion_is_ignored_only_when_nobody_else_is_left(void **state)
{
    (void)state;
    setup(FLEET_POLICY_LEAST_CONNECTIONS, 3);
    view.targets[0].is_breaker_open = true;
    view.targets[1].is_ejected = true;
    view.targets[2].running = 7;
    struct route_choice choice = route_choose(&view, &request, &memory);
    assert_int_equal(choice.target, 2);
    assert_false(choice.is_panic);
    view.targets[2].is_ready = false;
    view.targets[0].running = 5;
    choice = route_choose(&view, &request, &memory);
    assert_int_equal(choice.target, 1);
    assert_true(choice.is_panic);
    assert_int_equal(choice.candidate_count, 2);
    view.targets[0].queue_max = view.targets[1].queue_max = 1;
    view.targets[0].waiting = view.targets[1].waiting = 20;
    assert_int_equal(chosen(), -1);
}

/* --- load --- */

static void load_counts_what_was_assigned_since_the_sample(void **state)
{
    (void)state;
    struct route_target target = {.running = 2,
                                  .waiting = 3,
                                  .assigned = 4,
                                  .in_flight = 1,
                                  .slots = 8,
                                  .is_sample_fresh = true};
    assert_int_equal(route_load_of(&target), 9);
    target.is_sample_fresh = false;
    assert_int_equal(route_load_of(&target), 1);
    target.kind = ROUTE_REGION;
    assert_int_equal(route_load_of(&target), 8);
    target.in_flight = 20;
    assert_int_equal(route_load_of(&target), 20);
}

static void between_two_samples_requests_do_not_herd(void **state)
{
    (void)state;
    setup(FLEET_POLICY_ADAPTIVE, 4);
    unsigned count[4] = {0};
    for (int i = 0; i < 400; i++) {
        int target = chosen();
        assert_true(target >= 0);
        view.targets[target].assigned++;
        count[target]++;
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(count[i], 100);
}

/* --- policies --- */

static void ties_go_to_fewer_in_flight_then_to_the_lower_id(void **state)
{
    (void)state;
    setup(FLEET_POLICY_NEAREST, 3);
    view.targets[0].id = 9;
    view.targets[1].id = 5;
    view.targets[2].id = 7;
    assert_int_equal(chosen(), 1);
    view.targets[1].running = 1;
    assert_int_equal(chosen(), 2);
}

static void round_robin_takes_turns_over_who_is_there(void **state)
{
    (void)state;
    setup(FLEET_POLICY_ROUND_ROBIN, 5);
    view.targets[2].is_ready = false;
    unsigned count[5] = {0};
    for (int i = 0; i < 40; i++)
        count[chosen()]++;
    assert_int_equal(count[2], 0);
    assert_true(count[0] == 10 && count[1] == 10 && count[3] == 10 && count[4] == 10);
}

static void weighted_round_robin_is_exact_and_smooth(void **state)
{
    (void)state;
    setup(FLEET_POLICY_WEIGHTED_ROUND_ROBIN, 4);
    view.targets[0].weight = 5;
    view.targets[1].weight = 1;
    view.targets[2].weight = 1;
    view.targets[3].weight = 0;
    const int expected[] = {0, 0, 1, 0, 2, 0, 0}; /* nginx's published sequence */
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < COUNT_OF(expected); i++)
            assert_int_equal(chosen(), expected[i]);
    setup(FLEET_POLICY_WEIGHTED_ROUND_ROBIN, 2);
    view.targets[0].weight = view.targets[1].weight = 0;
    assert_true(chosen() + chosen() == 1);
}

static void least_connections_takes_the_least_loaded(void **state)
{
    (void)state;
    setup(FLEET_POLICY_LEAST_CONNECTIONS, 3);
    view.targets[0].running = 3;
    view.targets[1].running = 1;
    view.targets[1].assigned = 1;
    view.targets[2].waiting = 4;
    struct route_choice choice = route_choose(&view, &request, &memory);
    assert_int_equal(choice.target, 1);
    assert_int_equal(choice.runner_up, 0);
}

static void p2c_never_takes_the_worst_and_reaches_all_others(void **state)
{
    (void)state;
    setup(FLEET_POLICY_P2C, 5);
    view.targets[3].running = 5;
    unsigned count[5] = {0};
    for (int i = 0; i < 2000; i++)
        count[chosen()]++;
    for (int i = 0; i < 5; i++)
        assert_true(i == 3 ? count[i] == 0 : count[i] > 100);
    setup(FLEET_POLICY_P2C, 1);
    assert_int_equal(chosen(), 0);
}

static void peak_ewma_weighs_latency_with_load_and_shuns_the_punished(void **state)
{
    (void)state;
    setup(FLEET_POLICY_PEAK_EWMA, 3);
    view.targets[0].ewma_us = 10 * MS;
    view.targets[1].ewma_us = 30 * MS;
    view.targets[2].ewma_us = 90 * MS;
    assert_int_equal(chosen(), 0);
    view.targets[0].running = 3; /* 4 * 10 > 1 * 30 */
    assert_int_equal(chosen(), 1);
    view.targets[1].penalty_us = 2000 * MS; /* fails quickly: must not look quick */
    view.targets[0].running = 20;
    assert_int_equal(chosen(), 2);
}

static void peak_ewma_tries_the_unknown_without_flooding_it(void **state)
{
    (void)state;
    setup(FLEET_POLICY_PEAK_EWMA, 2);
    view.targets[0].ewma_us = 10 * MS;
    view.targets[0].running = 1;
    assert_int_equal(chosen(), 1);
    view.targets[1].assigned = 2;
    assert_int_equal(chosen(), 0);
}

static void consistent_hash_keeps_a_session_and_moves_only_its_own_share(void **state)
{
    (void)state;
    enum { SESSIONS = 2000, TARGETS = 8 };
    setup(FLEET_POLICY_CONSISTENT_HASH, TARGETS);
    static int home[SESSIONS];
    unsigned count[TARGETS] = {0};
    for (unsigned i = 0; i < SESSIONS; i++) {
        request.affinity = 1 + i;
        home[i] = chosen();
        assert_int_equal(home[i], chosen());
        count[home[i]]++;
    }
    for (int i = 0; i < TARGETS; i++)
        assert_in_range(count[i], SESSIONS / TARGETS * 8 / 10, SESSIONS / TARGETS * 12 / 10);
    view.targets[3].is_ready = false;
    for (unsigned i = 0; i < SESSIONS; i++) {
        request.affinity = 1 + i;
        assert_true(home[i] == 3 || chosen() == home[i]);
    }
}

static void consistent_hash_never_exceeds_a_quarter_above_the_mean(void **state)
{
    (void)state;
    enum { TARGETS = 4, REQUESTS = 400 };
    setup(FLEET_POLICY_CONSISTENT_HASH, TARGETS);
    request.affinity = 77; /* all of one session */
    unsigned first = (unsigned)chosen(), next = TARGETS;
    for (int i = 1; i <= REQUESTS; i++) {
        unsigned target = (unsigned)chosen();
        view.targets[target].running++;
        if (next == TARGETS && target != first)
            next = target;
        unsigned bound = (unsigned)(5 * i + 4 * TARGETS - 1) / (4 * TARGETS);
        assert_true(view.targets[target].running <= bound);
    }
    /* The overflow has a home of its own: the walk, not the least loaded. */
    assert_true(view.targets[first].running >= REQUESTS / TARGETS * 5 / 4 - 1);
    assert_true(view.targets[next].running >= REQUESTS / TARGETS * 5 / 4 - 1);
    request.affinity = 0;
    unsigned least = (unsigned)chosen();
    for (unsigned i = 0; i < TARGETS; i++)
        assert_true(view.targets[least].running <= view.targets[i].running);
}

static void nearest_and_cheapest_look_at_nothing_else(void **state)
{
    (void)state;
    setup(FLEET_POLICY_NEAREST, 3);
    for (unsigned i = 0; i < 3; i++)
        make_region(i, EU, (3 - (int)i) * MS);
    view.targets[2].running = 100;
    assert_int_equal(chosen(), 2);
    view.policy = FLEET_POLICY_CHEAPEST;
    view.targets[0].price_usd_micro_mtok = 100;
    view.targets[1].price_usd_micro_mtok = 99;
    view.targets[2].price_usd_micro_mtok = 100;
    assert_int_equal(chosen(), 1);
    view.targets[1].price_usd_micro_mtok = 100;
    assert_int_equal(chosen(), 2); /* same price: nearer */
}

/* --- adaptive --- */

static void adaptive_terms_are_what_the_header_says(void **state)
{
    (void)state;
    setup(FLEET_POLICY_ADAPTIVE, 2);
    struct route_target *target = &view.targets[0];
    make_region(0, EU, 37 * MS);
    target->matched_tokens = 400;
    target->running = 9; /* of 8 slots */
    view.targets[1].running = 9;
    target->queued_tokens = 800;
    target->price_usd_micro_mtok = 2000000; /* $2 */
    target->penalty_us = 5;
    request.price_weight_us = 3;
    struct route_terms terms = route_terms_of(&view, &request, 0);
    assert_int_equal(terms.network_us, 37 * MS);
    assert_int_equal(terms.prefill_us, 600 * 100);
    /* 800 tokens of others by 8 slots; (9 + 1 - 8) requests of 1000 * 100 + 100 * 10000 us by 8. */
    assert_int_equal(terms.queue_us, (800 * 100 + 2 * 1100000) / 8);
    assert_int_equal(terms.decode_us, 1000000 + 1000000 * 7 / 8);
    assert_int_equal(terms.price_us, 2200 * 3); /* 1100 tokens cost 2200 millionths of a dollar */
    assert_int_equal(terms.penalty_us, 5);
    assert_int_equal(terms.total_us, terms.network_us + terms.prefill_us + terms.queue_us +
                                         terms.decode_us + terms.price_us + terms.penalty_us);
}

static void adaptive_follows_the_prefix_but_not_into_a_crowd(void **state)
{
    (void)state;
    setup(FLEET_POLICY_ADAPTIVE, 3);
    request.prompt_tokens = 100000;
    request.output_tokens = 1;
    view.targets[0].slots = view.targets[1].slots = view.targets[2].slots = 4;
    view.targets[2].matched_tokens = 90000;
    view.targets[1].matched_tokens = 40000;
    assert_int_equal(chosen(), 2);
    view.targets[2].running = 2;
    assert_int_equal(chosen(), 2);
    view.targets[2].running = 5; /* more than a batch above the idle one */
    assert_int_equal(chosen(), 1);
    assert_int_equal(route_terms_of(&view, &request, 2).prefill_us, 100000 * 100);
}

static void a_region_must_win_by_the_margin(void **state)
{
    (void)state;
    setup(FLEET_POLICY_ADAPTIVE, 2);
    make_region(1, US, 0);
    request.output_tokens = 0; /* local: 100 ms of prefill */
    view.targets[0].penalty_us = 0;
    view.targets[1].matched_tokens = 790; /* 21 ms: wins by more than 20 ms and 15 % */
    assert_int_equal(chosen(), 1);
    view.targets[1].matched_tokens = 150; /* 85 ms: 15 %, but only 15 ms */
    assert_int_equal(chosen(), 0);
    view.targets[1].matched_tokens = 199; /* 80.1 ms: not quite 20 ms */
    assert_int_equal(chosen(), 0);
    view.targets[1].matched_tokens = 201;
    assert_int_equal(chosen(), 1);
    view.targets[0].penalty_us = 900 * MS; /* 1 s against 860 ms: 140 ms, but not 15 % */
    view.targets[1].penalty_us = 780 * MS;
    assert_int_equal(chosen(), 0);
    view.targets[1].penalty_us = 700 * MS;
    assert_int_equal(chosen(), 1);
    view.targets[1].penalty_us = 5000 * MS;
    view.targets[0].is_ready = false; /* without a local one there is no margin to win by */
    assert_int_equal(chosen(), 1);
}

static void a_crowd_at_home_spills_to_the_next_region(void **state)
{
    (void)state;
    setup(FLEET_POLICY_ADAPTIVE, 3);
    make_region(1, US, 80 * MS);
    make_region(2, ASIA, 230 * MS);
    assert_int_equal(chosen(), 0);
    view.targets[0].running = 8;
    view.targets[0].waiting = 8;
    assert_int_equal(chosen(), 1);
    view.targets[1].is_sample_fresh = false; /* unknown load reads as full, not as empty */
    assert_int_equal(chosen(), 2);
}

static void opaque_targets_are_taken_by_their_latency(void **state)
{
    (void)state;
    setup(FLEET_POLICY_ADAPTIVE, 3);
    for (unsigned i = 0; i < 3; i++) {
        view.targets[i].prefill_ns_per_token = view.targets[i].decode_ns_per_token = 0;
        view.targets[i].slots = 0;
        view.targets[i].is_sample_fresh = false;
    }
    view.targets[0].ewma_us = 30 * MS;
    view.targets[1].ewma_us = 10 * MS;
    assert_int_equal(chosen(), 1); /* the unknown one is as fast as the fastest: lower id first */
    view.targets[1].in_flight = 1;
    assert_int_equal(chosen(), 2);
    view.targets[1].in_flight = 5;
    view.targets[2].in_flight = 5;
    assert_int_equal(chosen(), 0);
}

static void extremes_saturate_instead_of_wrapping(void **state)
{
    (void)state;
    setup(FLEET_POLICY_ADAPTIVE, 1);
    struct route_target *target = &view.targets[0];
    target->prefill_ns_per_token = target->decode_ns_per_token = UINT32_MAX;
    target->queued_tokens = target->running = target->waiting = UINT32_MAX;
    target->network_us = INT64_MAX - 1;
    target->penalty_us = target->price_usd_micro_mtok = INT64_MAX;
    request.prompt_tokens = request.output_tokens = request.price_weight_us = UINT32_MAX;
    struct route_terms terms = route_terms_of(&view, &request, 0);
    assert_true(terms.prefill_us > 0 && terms.queue_us > 0 && terms.decode_us > 0);
    assert_true(terms.price_us > 0 && terms.total_us > terms.queue_us);
    assert_int_equal(chosen(), 0);
}

/* --- properties --- */

static void draw_view(struct rng *rng)
{
    setup((enum fleet_policy)rng_below(rng, FLEET_POLICY_COUNT), (unsigned)rng_below(rng, 65));
    for (unsigned i = 0; i < view.target_count; i++) {
        struct route_target *target = &view.targets[i];
        if (rng_below(rng, 3) == 0)
            make_region(i, (fleet_zones)rng_below(rng, 8), (int64_t)rng_below(rng, 300 * MS));
        target->is_ready = rng_below(rng, 4) > 0;
        target->is_breaker_open = rng_below(rng, 3) == 0;
        target->is_cooling = rng_below(rng, 5) == 0;
        target->is_ejected = rng_below(rng, 5) == 0;
        target->is_tenant_barred = rng_below(rng, 8) == 0;
        target->is_sample_fresh = rng_below(rng, 2);
        target->context_tokens = (uint32_t)rng_below(rng, 4000);
        target->slots = (uint32_t)rng_below(rng, 10);
        target->queue_max = (uint32_t)rng_below(rng, 20);
        target->running = (uint32_t)rng_below(rng, 20);
        target->waiting = (uint32_t)rng_below(rng, 20);
        target->assigned = (uint32_t)rng_below(rng, 5);
        target->in_flight = (uint32_t)rng_below(rng, 30);
        target->matched_tokens = (uint32_t)rng_below(rng, 2000);
        target->prefill_ns_per_token = (uint32_t)rng_below(rng, 3) * 100000;
        target->weight = (uint32_t)rng_below(rng, 4);
        target->ewma_us = (int64_t)rng_below(rng, 2) * (int64_t)rng_below(rng, 900 * MS);
        target->penalty_us = (int64_t)rng_below(rng, 2) * (int64_t)rng_below(rng, 900 * MS);
        target->price_usd_micro_mtok = (int64_t)rng_below(rng, 9000000);
    }
    request.zones_allowed = (fleet_zones)rng_below(rng, 8);
    request.may_hop = rng_below(rng, 2);
    request.tried = rng_next(rng);
    request.tried &= rng_next(rng);
    request.tried &= rng_next(rng); /* one in eight */
    request.deadline_us = rng_below(rng, 2) ? (int64_t)rng_below(rng, 300 * MS) + 1 : 0;
    request.affinity = rng_below(rng, 3);
}

static void check_choice(const struct route_choice *choice)
{
    unsigned candidates = 0, suspects = 0;
    for (unsigned i = 0; i < view.target_count; i++) {
        candidates += bar_of(i) == ROUTE_BAR_NONE;
        suspects += bar_of(i) == ROUTE_BAR_BREAKER || bar_of(i) == ROUTE_BAR_EJECTED;
    }
    if (choice->target < 0) {
        assert_int_equal(candidates, 0);
        assert_true(choice->bar != ROUTE_BAR_NONE);
        assert_int_equal(choice->runner_up, -1);
        return;
    }
    enum route_bar bar = bar_of((unsigned)choice->target);
    assert_int_equal(choice->is_panic, candidates == 0);
    if (choice->is_panic)
        assert_true(bar == ROUTE_BAR_BREAKER || bar == ROUTE_BAR_EJECTED);
    else
        assert_int_equal(bar, ROUTE_BAR_NONE);
    assert_int_equal(choice->bar, ROUTE_BAR_NONE);
    if (choice->is_panic)
        assert_true(choice->candidate_count <= suspects);
    else
        assert_int_equal(choice->candidate_count, candidates);
    assert_int_equal(choice->runner_up >= 0, choice->candidate_count > 1);
    assert_true(choice->runner_up != choice->target);
    /* What must never happen, spelled out apart from bar_of(). */
    const struct route_target *target = &view.targets[choice->target];
    assert_true(target->is_ready && target->zones != 0);
    assert_int_equal(target->zones & ~request.zones_allowed, 0);
    assert_false(target->is_tenant_barred || target->is_cooling);
    assert_false(request.tried >> choice->target & 1);
    assert_true(request.may_hop || target->kind == ROUTE_REPLICA);
}

static void whatever_the_view_the_chosen_one_is_never_barred(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 42);
    unsigned found = 0;
    for (int i = 0; i < 50000; i++) {
        draw_view(&rng);
        struct route_choice choice = route_choose(&view, &request, &memory);
        check_choice(&choice);
        found += choice.target >= 0;
    }
    assert_true(found > 5000);
}

static void the_same_input_gives_the_same_choice(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 43);
    for (int i = 0; i < 5000; i++) {
        draw_view(&rng);
        struct route_memory twin = memory;
        for (int j = 0; j < 3; j++) {
            struct route_choice a = route_choose(&view, &request, &memory);
            struct route_choice b = route_choose(&view, &request, &twin);
            assert_int_equal(a.target, b.target);
            assert_int_equal(a.runner_up, b.runner_up);
            assert_memory_equal(&a.terms, &b.terms, sizeof a.terms);
        }
        assert_memory_equal(&memory, &twin, sizeof memory);
    }
}

/* The order in which targets stand in a view is an accident; scores and ids are not. */
static void the_order_of_targets_does_not_decide(void **state)
{
    (void)state;
    static struct route_view shuffled;
    struct rng rng;
    rng_init(&rng, 44);
    for (int i = 0; i < 5000; i++) {
        draw_view(&rng);
        bool has_turns = view.policy == FLEET_POLICY_ROUND_ROBIN ||
                         view.policy == FLEET_POLICY_WEIGHTED_ROUND_ROBIN ||
                         view.policy == FLEET_POLICY_P2C;
        if (has_turns)
            continue;
        request.tried = 0;
        shuffled = view;
        for (unsigned j = view.target_count; j > 1; j--) {
            unsigned k = (unsigned)rng_below(&rng, j);
            struct route_target moved = shuffled.targets[j - 1];
            shuffled.targets[j - 1] = shuffled.targets[k];
            shuffled.targets[k] = moved;
        }
        struct route_choice a = route_choose(&view, &request, &memory);
        struct route_choice b = route_choose(&shuffled, &request, &memory);
        assert_int_equal(a.target >= 0, b.target >= 0);
        if (a.target >= 0)
            assert_int_equal(view.targets[a.target].id, shuffled.targets[b.target].id);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(residency_is_fail_closed),
        cmocka_unit_test(panic_never_lifts_residency),
        cmocka_unit_test(each_filter_bars_and_is_named),
        cmocka_unit_test(the_first_bar_is_reported_for_a_target_and_the_last_for_all),
        cmocka_unit_test(a_dead_target_in_the_right_zone_is_named_before_a_living_one_outside_it),
        cmocka_unit_test(suspicion_is_ignored_only_when_nobody_else_is_left),
        cmocka_unit_test(load_counts_what_was_assigned_since_the_sample),
        cmocka_unit_test(between_two_samples_requests_do_not_herd),
        cmocka_unit_test(ties_go_to_fewer_in_flight_then_to_the_lower_id),
        cmocka_unit_test(round_robin_takes_turns_over_who_is_there),
        cmocka_unit_test(weighted_round_robin_is_exact_and_smooth),
        cmocka_unit_test(least_connections_takes_the_least_loaded),
        cmocka_unit_test(p2c_never_takes_the_worst_and_reaches_all_others),
        cmocka_unit_test(peak_ewma_weighs_latency_with_load_and_shuns_the_punished),
        cmocka_unit_test(peak_ewma_tries_the_unknown_without_flooding_it),
        cmocka_unit_test(consistent_hash_keeps_a_session_and_moves_only_its_own_share),
        cmocka_unit_test(consistent_hash_never_exceeds_a_quarter_above_the_mean),
        cmocka_unit_test(nearest_and_cheapest_look_at_nothing_else),
        cmocka_unit_test(adaptive_terms_are_what_the_header_says),
        cmocka_unit_test(adaptive_follows_the_prefix_but_not_into_a_crowd),
        cmocka_unit_test(a_region_must_win_by_the_margin),
        cmocka_unit_test(a_crowd_at_home_spills_to_the_next_region),
        cmocka_unit_test(opaque_targets_are_taken_by_their_latency),
        cmocka_unit_test(extremes_saturate_instead_of_wrapping),
        cmocka_unit_test(whatever_the_view_the_chosen_one_is_never_barred),
        cmocka_unit_test(the_same_input_gives_the_same_choice),
        cmocka_unit_test(the_order_of_targets_does_not_decide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
