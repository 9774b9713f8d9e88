/* What is left over beside Hall: it is the most that a set of supplies has above the rooms it
 * reaches, looked at set by set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "plan/audit_flow.h"

enum { SUPPLIES_MAX = 8, ROOMS_MAX = 7, EDGES_MAX = SUPPLIES_MAX * ROOMS_MAX, ROUNDS = 6000 };

static char memory[1 << 20];

struct bed {
    uint32_t supply_count, room_count;
    uint32_t firsts[SUPPLIES_MAX + 1], edge_rooms[EDGES_MAX];
    int64_t supplies[SUPPLIES_MAX], rooms[ROOMS_MAX];
};

static void draw(struct bed *bed, struct rng *rng)
{
    const uint64_t sizes[] = {4, 100, 1000000, 100000000000000};
    uint64_t size = sizes[rng_below(rng, 4)], density = 1 + rng_below(rng, 4);
    uint32_t edge_count = 0;
    *bed = (struct bed){.supply_count = 1 + (uint32_t)rng_below(rng, SUPPLIES_MAX),
                        .room_count = (uint32_t)rng_below(rng, ROOMS_MAX + 1)};
    for (uint32_t s = 0; s < bed->supply_count; s++) {
        bed->supplies[s] = (int64_t)rng_below(rng, size);
        for (uint32_t v = 0; v < bed->room_count; v++)
            if (rng_below(rng, 5) < density)
                bed->edge_rooms[edge_count++] = v;
        bed->firsts[s + 1] = edge_count;
    }
    for (uint32_t v = 0; v < bed->room_count; v++)
        bed->rooms[v] = rng_below(rng, 4) ? (int64_t)rng_below(rng, 2 * size) : 0;
}

static int64_t left_by_enumeration(const struct bed *bed)
{
    int64_t worst = 0;
    for (uint32_t set = 1; set < 1U << bed->supply_count; set++) {
        uint32_t reached = 0;
        int64_t lack = 0;
        for (uint32_t s = 0; s < bed->supply_count; s++) {
            lack += set >> s & 1 ? bed->supplies[s] : 0;
            for (uint32_t e = bed->firsts[s]; set >> s & 1 && e < bed->firsts[s + 1]; e++)
                reached |= 1U << bed->edge_rooms[e];
        }
        for (uint32_t v = 0; v < bed->room_count; v++)
            lack -= reached >> v & 1 ? bed->rooms[v] : 0;
        worst = lack > worst ? lack : worst;
    }
    return worst;
}

/* Nothing is made, nothing negative, no room above its size. */
static void assert_is_flow(const struct bed *bed, const struct plan_audit_flow *flow, int64_t left)
{
    int64_t loads[ROOMS_MAX] = {0}, wanted = 0, taken = 0;
    for (uint32_t s = 0; s < bed->supply_count; s++) {
        int64_t sent = 0;
        for (uint32_t e = bed->firsts[s]; e < bed->firsts[s + 1]; e++) {
            assert_true(flow->flows[e] >= 0);
            sent += flow->flows[e];
            loads[bed->edge_rooms[e]] += flow->flows[e];
        }
        assert_true(sent <= bed->supplies[s]);
        assert_true(left > 0 || sent == bed->supplies[s]);
        wanted += bed->supplies[s];
    }
    for (uint32_t v = 0; v < bed->room_count; v++) {
        assert_true(left > 0 || loads[v] <= bed->rooms[v]);
        taken += bed->rooms[v] - flow->left[v];
    }
    assert_int_equal(taken + left, wanted);
}

static void what_is_left_over_is_that_of_the_worst_set(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 5);
    uint32_t whole = 0;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct bed bed;
        struct plan_audit_flow flow;
        struct arena arena;
        draw(&bed, &rng);
        arena_init(&arena, memory, sizeof memory);
        assert_true(plan_audit_flow_init(&flow, bed.supply_count, bed.room_count, bed.firsts,
                                         bed.edge_rooms, &arena));
        int64_t expected = left_by_enumeration(&bed);
        for (uint32_t again = 0; again < 2; again++) {
            int64_t left = plan_audit_flow_run(&flow, bed.supplies, bed.rooms);
            assert_int_equal(left, expected);
            assert_is_flow(&bed, &flow, left);
        }
        whole += expected == 0;
    }
    assert_in_range(whole, ROUNDS / 10, ROUNDS * 9 / 10);
}

/* A chain in which each supply must give way to the one before, up to the free room at its end: the
 * longest way back that push and relabel can meet. */
static void a_long_chain_gives_way_to_its_end(void **state)
{
    (void)state;
    enum { LINKS = 128 };
    static uint32_t firsts[LINKS + 1], edge_rooms[2 * LINKS];
    static int64_t supplies[LINKS], rooms[LINKS + 1];
    for (uint32_t s = 0; s < LINKS; s++) {
        firsts[s + 1] = 2 * (s + 1);
        edge_rooms[2 * s] = s;
        edge_rooms[2 * s + 1] = s + 1;
        supplies[s] = 1000;
        rooms[s] = s ? 1000 : 0;
    }
    rooms[LINKS] = 1000;
    for (int64_t lack = 0; lack < 2; lack++) {
        struct plan_audit_flow flow;
        struct arena arena;
        rooms[LINKS] = 1000 - lack;
        arena_init(&arena, memory, sizeof memory);
        assert_true(plan_audit_flow_init(&flow, LINKS, LINKS + 1, firsts, edge_rooms, &arena));
        assert_int_equal(plan_audit_flow_run(&flow, supplies, rooms), lack);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_over_is_that_of_the_worst_set),
        cmocka_unit_test(a_long_chain_gives_way_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
