/* One service, two regions: the cheap one, and the one that others leave free. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "plan/lp.h"
#include "plan/own.h"

enum { REGIONS = 2, MOST = 40 };

static char memory[1 << 20];

struct bed {
    struct plan_service service;
    struct plan_region regions[REGIONS];
    struct plan_node nodes[REGIONS];
    struct plan_column list[REGIONS], priced[REGIONS];
    struct plan_demand demand;
    uint32_t near[REGIONS];
    struct plan_row row; /* of the whole: stock of the cheap one */
    struct plan_term term;
    struct plan_problem whole, part;
    struct plan_place place; /* of the whole */
    struct plan_own own;
};

/* A replica is 1 USD an hour in the first region and 3 in the second; the row's price makes it 2.
 */
static void begin(struct bed *bed, struct arena *arena)
{
    memset(bed, 0, sizeof *bed);
    bed->service = (struct plan_service){.name = SPAN_LITERAL("service"),
                                         .node_count = REGIONS,
                                         .column_count = REGIONS,
                                         .demand_count = 1,
                                         .share_ppm = 1000000,
                                         .share_lost_ppm = 1000000};
    for (uint32_t r = 0; r < REGIONS; r++) {
        bed->near[r] = r;
        bed->nodes[r] = (struct plan_node){
            .region = r, .column_first = r, .column_count = 1, .replicas_min = 1};
        bed->list[r] = bed->priced[r] = (struct plan_column){
            .node = r, .speed = 1000000, .cost_usd_h = r ? 3 : 1, .count_max = MOST};
    }
    bed->priced[0].cost_usd_h = 2;
    bed->demand = (struct plan_demand){
        .rate = 4000000, .unmet_usd = INFINITY, .nodes = bed->near, .node_count = REGIONS};
    bed->term = (struct plan_term){0, 1};
    bed->row = (struct plan_row){.rule = PLAN_RULE_STOCK,
                                 .name = SPAN_LITERAL("stock"),
                                 .lower = -PLAN_LP_INFINITY,
                                 .upper = MOST,
                                 .terms = &bed->term,
                                 .term_count = 1};
    bed->whole = (struct plan_problem){.service_count = 1,
                                       .region_count = REGIONS,
                                       .sku_count = 1,
                                       .zone_count = 1,
                                       .node_count = REGIONS,
                                       .demand_count = 1,
                                       .column_count = REGIONS,
                                       .row_count = 1,
                                       .services = &bed->service,
                                       .regions = bed->regions,
                                       .nodes = bed->nodes,
                                       .demands = &bed->demand,
                                       .columns = bed->list,
                                       .rows = &bed->row};
    bed->part = bed->whole;
    bed->part.columns = bed->priced;
    bed->part.row_count = 0;
    CHECK(plan_place_init(&bed->place, &bed->whole, arena));
    CHECK(plan_own_init(&bed->own, &bed->part, bed->list, 1, arena));
    plan_own_price(&bed->own);
}

static void test_starts(void **state)
{
    (void)state;
    struct arena arena;
    struct bed bed;
    const double values[REGIONS] = {0, 0};
    arena_init(&arena, memory, sizeof memory);
    begin(&bed, &arena);
    assert_float_equal(plan_own_start(&bed.own, values, 0, 4), 8, 1e-9); /* four at 2 */
    assert_int_equal(bed.own.place.counts[0], 4);
    assert_int_equal(bed.own.pool.count, 1);
    assert_float_equal(bed.own.pool.costs_usd_h[0], 4, 1e-9); /* at 1 */
    assert_float_equal(bed.own.pool.worths[0], 8, 1e-9);
    (void)plan_own_start(&bed.own, values, 0, 4);
    assert_int_equal(bed.own.pool.count, 1); /* is there already */
}

static void test_pushed(void **state)
{
    (void)state;
    struct arena arena;
    struct bed bed;
    const double values[REGIONS] = {4, 0}, prices[] = {-2.5};
    arena_init(&arena, memory, sizeof memory);
    begin(&bed, &arena);
    (void)plan_own_start(&bed.own, values, 0, 4);
    assert_true(isinf(plan_own_search(&bed.own))); /* nobody has pushed */
    plan_own_push(&bed.own, prices, &bed.place, 0);
    assert_float_equal(plan_own_search(&bed.own), 12, 1e-9); /* 3.5 against 3: it goes */
    assert_int_equal(bed.own.place.counts[1], 4);
    assert_int_equal(bed.own.pool.count, 2);
    assert_float_equal(bed.own.pool.costs_usd_h[1], 12, 1e-9);
    assert_float_equal(bed.own.place.costs[0], 2, 0); /* the prices of the bound again */
    assert_true(isinf(plan_own_search(&bed.own)));    /* searched already */
}

/* Plans found at other prices are worth what they cost at these, and the best of them goes on. */
static void test_resumes(void **state)
{
    (void)state;
    struct arena arena;
    struct bed bed;
    arena_init(&arena, memory, sizeof memory);
    begin(&bed, &arena);
    assert_true(isinf(plan_own_resume(&bed.own, 4))); /* there is none */
    for (uint32_t r = 0; r < REGIONS; r++) {          /* four in the first, five in the second */
        plan_place_set(&bed.place, 0, r ? 0 : 4);
        plan_place_set(&bed.place, 1, r ? 5 : 0);
        plan_own_take(&bed.own, &bed.place, 0);
    }
    assert_float_equal(bed.own.pool.worths[0], 8, 1e-9);
    assert_float_equal(bed.own.pool.worths[1], 15, 1e-9);
    bed.priced[0].cost_usd_h = 5;
    plan_own_price(&bed.own);
    assert_float_equal(bed.own.pool.worths[0], 20, 1e-9);
    assert_float_equal(bed.own.pool.worths[1], 15, 1e-9);
    assert_float_equal(bed.own.pool.costs_usd_h[0], 4, 1e-9); /* at list prices, as ever */
    assert_float_equal(plan_own_resume(&bed.own, 0), 15, 1e-9);
    assert_float_equal(plan_own_resume(&bed.own, 4), 12, 1e-9);
    assert_int_equal(bed.own.place.counts[1], 4); /* one too many was there */
    assert_int_equal(bed.own.pool.count, 3);
}

/* The pool is bounded: of what is dearer at prices nothing stays when it is full. */
static void test_full_pool(void **state)
{
    (void)state;
    struct arena arena;
    struct bed bed;
    arena_init(&arena, memory, sizeof memory);
    begin(&bed, &arena);
    for (uint32_t i = 0; i < PLAN_POOL_MAX + 5; i++) {
        plan_place_set(&bed.place, 0, PLAN_POOL_MAX + 5 - i); /* ever cheaper */
        plan_own_take(&bed.own, &bed.place, 0);
        assert_true(bed.own.pool.count == (i < PLAN_POOL_MAX ? i + 1 : PLAN_POOL_MAX));
    }
    double worst = 0, best = INFINITY;
    for (uint32_t p = 0; p < PLAN_POOL_MAX; p++) {
        worst = fmax(worst, bed.own.pool.worths[p]);
        best = fmin(best, bed.own.pool.worths[p]);
    }
    assert_float_equal(best, 2, 1e-9);
    assert_float_equal(worst, 2 * PLAN_POOL_MAX, 1e-9);
    plan_place_set(&bed.place, 0, MOST);
    plan_own_take(&bed.own, &bed.place, 0);
    for (uint32_t p = 0; p < PLAN_POOL_MAX; p++)
        assert_true(bed.own.pool.worths[p] <= worst);
}

/* <other>: of the same service. */
static void begin_two(struct bed *bed, struct plan_own *other, struct arena *arena)
{
    arena_init(arena, memory, sizeof memory);
    begin(bed, arena);
    CHECK(plan_own_init(other, &bed->part, bed->list, 2, arena));
}

/* Plans of another pool of the service join, each once. */
static void test_gathers(void **state)
{
    (void)state;
    struct arena arena;
    struct bed bed;
    struct plan_own other;
    begin_two(&bed, &other, &arena);
    for (uint32_t i = 0; i < 3; i++) {
        plan_place_set(&bed.place, 0, 4 + i);
        plan_own_take(&bed.own, &bed.place, 0);
    }
    plan_own_take(&other, &bed.place, 0); /* has the last one already */
    plan_own_gather(&other, &bed.own.pool);
    assert_int_equal(other.pool.count, 3);
    assert_int_equal(other.pool.joined, 3);
    double sum = 0, worth = 0;
    for (uint32_t p = 0; p < other.pool.count; p++) {
        assert_true(other.pool.costs_usd_h[p] == other.pool.counts[p * REGIONS]);
        sum += other.pool.costs_usd_h[p];
        worth += other.pool.worths[p];
    }
    assert_true(sum == 4 + 5 + 6);
    assert_true(worth == 2 * sum); /* at prices */
    plan_own_gather(&other, &bed.own.pool);
    assert_int_equal(other.pool.joined, 3);
}

/* What one place has learnt another one knows, at its own counts. */
static void test_knows_what_another_learnt(void **state)
{
    (void)state;
    struct arena arena;
    struct bed bed;
    struct plan_own other;
    begin_two(&bed, &other, &arena);
    plan_place_set(&bed.own.place, 0, 2);
    assert_false(plan_place_holds(&bed.own.place, 0)); /* learns that two are too few of four */
    const struct plan_place_service *known = &other.place.services[0];
    plan_place_set(&other.place, 1, 3);
    assert_false(plan_place_holds(&other.place, 0)); /* what it knew is no more than that */
    plan_place_know(&other.place, 0, &bed.own.place, 0);
    assert_int_equal(known->known_count, 1);
    assert_int_equal(known->violated_count, 1);
    assert_int_equal(known->known[0].slack, -1000000); /* three of four */
    uint64_t work = other.place.work;
    assert_false(plan_place_holds(&other.place, 0));
    assert_true(other.place.work == work); /* at one look, without a max-flow */
    plan_place_set(&other.place, 0, 1);
    assert_int_equal(known->violated_count, 0);
    assert_true(plan_place_holds(&other.place, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts),  cmocka_unit_test(test_pushed),
        cmocka_unit_test(test_resumes), cmocka_unit_test(test_full_pool),
        cmocka_unit_test(test_gathers), cmocka_unit_test(test_knows_what_another_learnt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
