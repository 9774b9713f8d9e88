/* Three services and three places, each of which some service wants: what must move, moves, and
 * what does not pay stays. It is an _io test because the LP library is opened. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "plan/exchange.h"

enum { SERVICES = 3, REGIONS = 3, COLUMNS = SERVICES * REGIONS };

enum { X, Y, Z };

static char memory[4 << 20];

/* A service's demand needs one replica, anywhere. X and Y have room for one, Z for all. */
struct bed {
    struct plan_service services[SERVICES];
    struct plan_region regions[REGIONS];
    struct plan_node nodes[COLUMNS];
    struct plan_column columns[COLUMNS];
    struct plan_demand demands[SERVICES];
    uint32_t near[SERVICES][REGIONS];
    struct plan_row rows[2];
    struct plan_term terms[2][SERVICES];
    struct plan_problem problem;
    struct plan_place place;
    struct plan_pool pools[SERVICES];
    uint32_t counts[SERVICES][PLAN_POOL_MAX * REGIONS];
    const struct plan_pool *of_services[SERVICES];
    struct plan_exchange *exchange;
};

static void prepare(struct bed *bed, struct arena *arena)
{
    CHECK(plan_place_init(&bed->place, &bed->problem, arena));
    bed->exchange = plan_exchange_new(&bed->place, arena);
    CHECK(bed->exchange);
}

static void begin(struct bed *bed, const double costs[SERVICES][REGIONS], struct arena *arena)
{
    memset(bed, 0, sizeof *bed);
    for (uint32_t s = 0; s < SERVICES; s++) {
        bed->services[s] = (struct plan_service){.name = SPAN_LITERAL("service"),
                                                 .node_first = s * REGIONS,
                                                 .node_count = REGIONS,
                                                 .column_first = s * REGIONS,
                                                 .column_count = REGIONS,
                                                 .demand_first = s,
                                                 .demand_count = 1,
                                                 .share_ppm = 1000000,
                                                 .share_lost_ppm = 1000000};
        bed->demands[s] = (struct plan_demand){.service = s,
                                               .rate = 1000000,
                                               .unmet_usd = INFINITY,
                                               .nodes = bed->near[s],
                                               .node_count = REGIONS};
        for (uint32_t r = 0; r < REGIONS; r++) {
            uint32_t c = s * REGIONS + r;
            bed->near[s][r] = c;
            bed->nodes[c] = (struct plan_node){
                .service = s, .region = r, .column_first = c, .column_count = 1, .replicas_min = 1};
            bed->columns[c] = (struct plan_column){
                .node = c, .speed = 1000000, .cost_usd_h = costs[s][r], .count_max = 1};
        }
        bed->pools[s] = (struct plan_pool){.column_count = REGIONS, .counts = bed->counts[s]};
        bed->of_services[s] = &bed->pools[s];
    }
    for (uint32_t r = 0; r < 2; r++) {
        for (uint32_t s = 0; s < SERVICES; s++)
            bed->terms[r][s] = (struct plan_term){s * REGIONS + r, 1};
        bed->rows[r] = (struct plan_row){.rule = PLAN_RULE_STOCK,
                                         .name = SPAN_LITERAL("stock"),
                                         .lower = -PLAN_LP_INFINITY,
                                         .upper = 1,
                                         .terms = bed->terms[r],
                                         .term_count = SERVICES};
    }
    bed->problem = (struct plan_problem){.service_count = SERVICES,
                                         .region_count = REGIONS,
                                         .sku_count = 1,
                                         .zone_count = 1,
                                         .node_count = COLUMNS,
                                         .demand_count = SERVICES,
                                         .column_count = COLUMNS,
                                         .row_count = 2,
                                         .services = bed->services,
                                         .regions = bed->regions,
                                         .nodes = bed->nodes,
                                         .demands = bed->demands,
                                         .columns = bed->columns,
                                         .rows = bed->rows};
    prepare(bed, arena);
}

static void put(struct bed *bed, uint32_t service, uint32_t region)
{
    for (uint32_t r = 0; r < REGIONS; r++)
        plan_place_set(&bed->place, service * REGIONS + r, r == region);
}

static void offer(struct bed *bed, uint32_t service, uint32_t region)
{
    struct plan_pool *pool = &bed->pools[service];
    pool->counts[pool->count * REGIONS + region] = 1;
    pool->costs_usd_h[pool->count++] = bed->columns[service * REGIONS + region].cost_usd_h;
}

static uint32_t region_of(const struct bed *bed, uint32_t service)
{
    uint32_t r = 0;
    while (bed->place.counts[service * REGIONS + r] == 0)
        r++;
    return r;
}

/* The first is in Z and would be cheap in X, where the second is; it could go to Y, where the third
 * is, which could go to Z for <last>. */
static void begin_chain(struct bed *bed, double last, struct arena *arena)
{
    const double costs[SERVICES][REGIONS] = {{2, 30, 10}, {5, 5.5, 30}, {30, 5, last}};
    begin(bed, costs, arena);
    put(bed, 0, Z);
    put(bed, 1, X);
    put(bed, 2, Y);
    offer(bed, 0, X);
    offer(bed, 1, Y);
    offer(bed, 2, Z);
}

static void test_chain(void **state)
{
    (void)state;
    struct arena arena;
    struct bed bed;
    arena_init(&arena, memory, sizeof memory);
    begin_chain(&bed, 6.5, &arena);
    assert_true(plan_exchange_plans(bed.exchange, &bed.place, bed.of_services));
    assert_int_equal(region_of(&bed, 0), X);
    assert_int_equal(region_of(&bed, 1), Y);
    assert_int_equal(region_of(&bed, 2), Z);
    assert_float_equal(plan_place_cost(&bed.place), 14, 1e-9);
    assert_false(plan_exchange_plans(bed.exchange, &bed.place, bed.of_services));
}

static void test_chain_does_not_pay(void **state)
{
    (void)state;
    struct arena arena;
    struct bed bed;
    arena_init(&arena, memory, sizeof memory);
    begin_chain(&bed, 12.6, &arena); /* 8 are gained, 0.5 and 7.6 are lost */
    assert_false(plan_exchange_plans(bed.exchange, &bed.place, bed.of_services));
    assert_int_equal(region_of(&bed, 0), Z);
    assert_int_equal(region_of(&bed, 1), X);
    assert_int_equal(region_of(&bed, 2), Y);
    assert_float_equal(plan_place_cost(&bed.place), 20, 1e-9);
    for (uint32_t r = 0; r < 2; r++)
        assert_float_equal(bed.place.activities[r], 1, 0);
}

/* A row that no choice of plans can break has no price; the one behind it has its own. */
static void test_loose_row_has_no_price(void **state)
{
    (void)state;
    const double costs[SERVICES][REGIONS] = {{2, 30, 10}, {5, 1, 30}, {30, 5, 6.5}};
    struct arena arena;
    struct bed bed;
    struct plan_lp_api lp;
    char message[256];
    struct text why;
    double prices[2] = {7, 7};
    uint64_t work = 0;
    text_init(&why, message, sizeof message);
    arena_init(&arena, memory, sizeof memory);
    assert_int_equal(plan_lp_clp_open(&lp, &why), ERR_OK);
    begin(&bed, costs, &arena);
    bed.rows[X].upper = SERVICES;
    put(&bed, 0, Z);
    put(&bed, 1, X);
    put(&bed, 2, Y);
    offer(&bed, 0, X);
    offer(&bed, 1, Y);
    offer(&bed, 2, Z);
    offer(&bed, 1, X);
    offer(&bed, 2, Y);
    assert_true(plan_exchange_plans(bed.exchange, &bed.place, bed.of_services));
    assert_float_equal(plan_place_cost(&bed.place), 2 + 1 + 6.5, 1e-9);
    (void)plan_exchange_plans(bed.exchange, &bed.place, bed.of_services);
    assert_true(plan_exchange_price(bed.exchange, &lp, prices, &work));
    assert_true(prices[X] == 0);
    assert_true(prices[Y] >= -4 - 1e-9 && prices[Y] <= -1.5 + 1e-9); /* what 1 and 2 would pay */
    assert_true(work > 0);
}

/* Somebody has to be in X: who leaves it needs another one there. */
static void test_lower_side(void **state)
{
    (void)state;
    const double costs[SERVICES][REGIONS] = {{8, 30, 5}, {5, 1, 30}, {30, 30, 1}};
    struct arena arena;
    struct bed bed;
    arena_init(&arena, memory, sizeof memory);
    begin(&bed, costs, &arena);
    bed.rows[X].lower = 1;
    bed.rows[X].upper = SERVICES;
    put(&bed, 0, Z);
    put(&bed, 1, X);
    put(&bed, 2, Z);
    offer(&bed, 0, X);
    offer(&bed, 1, Y);
    assert_true(plan_exchange_plans(bed.exchange, &bed.place, bed.of_services));
    assert_int_equal(region_of(&bed, 0), X);
    assert_int_equal(region_of(&bed, 1), Y);
    assert_float_equal(plan_place_cost(&bed.place), 8 + 1 + 1, 1e-9);
}

static void test_without_pools(void **state)
{
    (void)state;
    struct arena arena;
    struct bed bed;
    arena_init(&arena, memory, sizeof memory);
    begin_chain(&bed, 6.5, &arena);
    bed.of_services[1] = NULL; /* nothing that it could go to */
    assert_false(plan_exchange_plans(bed.exchange, &bed.place, bed.of_services));
    assert_float_equal(plan_place_cost(&bed.place), 20, 1e-9);
}

static struct plan_lp_api open_lp(void)
{
    struct plan_lp_api lp;
    char bytes[200];
    struct text why;
    text_init(&why, bytes, sizeof bytes);
    if (plan_lp_clp_open(&lp, &why))
        fail_msg("%s", bytes);
    return lp;
}

/* Mixed, X is worth what the first saves there beside what the second must pay more elsewhere. */
static void test_prices(void **state)
{
    (void)state;
    struct arena arena;
    struct bed bed;
    struct plan_lp_api lp = open_lp();
    double prices[2] = {1, 1};
    uint64_t work = 0;
    arena_init(&arena, memory, sizeof memory);
    const double costs[SERVICES][REGIONS] = {{2, 30, 10}, {5, 30, 6}, {30, 5, 30}};
    begin(&bed, costs, &arena);
    put(&bed, 0, Z);
    put(&bed, 1, X);
    put(&bed, 2, Y);
    offer(&bed, 0, X);
    (void)plan_exchange_plans(bed.exchange, &bed.place, bed.of_services);
    assert_true(plan_exchange_price(bed.exchange, &lp, prices, &work));
    assert_true(prices[X] <= -8 + 1e-6); /* the second has no other plan: nobody can make room */
    assert_float_equal(prices[Y], 0, 1e-6);
    offer(&bed, 1, Z);
    assert_true(plan_exchange_plans(bed.exchange, &bed.place, bed.of_services));
    assert_true(plan_exchange_price(bed.exchange, &lp, prices, &work));
    assert_true(prices[X] <= -1 + 1e-6 && prices[X] >= -8 - 1e-6);
    assert_true(work > 0);
}

/* One of each service's places, of all ways to choose. */
static double best_of_all(const struct bed *bed)
{
    double best = INFINITY;
    for (uint32_t way = 0; way < REGIONS * REGIONS * REGIONS; way++) {
        const uint32_t chosen[SERVICES] = {way % REGIONS, way / REGIONS % REGIONS,
                                           way / REGIONS / REGIONS};
        double cost = 0, used[REGIONS] = {0};
        for (uint32_t s = 0; s < SERVICES; s++) {
            cost += bed->columns[s * REGIONS + chosen[s]].cost_usd_h;
            used[chosen[s]] += chosen[s] == Z ? 0 : bed->terms[chosen[s]][s].factor;
        }
        bool holds = used[X] <= bed->rows[X].upper && used[Y] <= bed->rows[Y].upper;
        best = holds && cost < best ? cost : best;
    }
    return best;
}

/* Replicas take more or less of X and Y than others: the mixing programme's best is no plan. */
static void test_branches(void **state)
{
    (void)state;
    struct arena arena;
    struct bed bed;
    struct plan_lp_api lp = open_lp();
    struct rng rng;
    uint32_t better = 0;
    rng_init(&rng, 1);
    for (uint32_t round = 0; round < 300; round++) {
        double costs[SERVICES][REGIONS];
        for (uint32_t i = 0; i < SERVICES * REGIONS; i++)
            costs[i / REGIONS][i % REGIONS] = 1 + (double)rng_below(&rng, 12);
        arena_init(&arena, memory, sizeof memory);
        begin(&bed, costs, &arena);
        for (uint32_t r = 0; r < 2; r++) {
            bed.rows[r].upper = 4 + (double)rng_below(&rng, 4);
            for (uint32_t s = 0; s < SERVICES; s++)
                bed.terms[r][s].factor = 2 + (double)rng_below(&rng, 4);
        }
        prepare(&bed, &arena);
        for (uint32_t s = 0; s < SERVICES; s++) {
            put(&bed, s, Z);
            for (uint32_t r = 0; r < REGIONS; r++)
                offer(&bed, s, r);
        }
        double before = plan_place_cost(&bed.place), best = best_of_all(&bed);
        bool is_better =
            plan_exchange_branch(bed.exchange, &lp, &bed.place, bed.of_services, NULL, NULL);
        assert_float_equal(plan_place_cost(&bed.place), best, 1e-9);
        assert_true(is_better == (best < before));
        better += is_better;
        for (uint32_t r = 0; r < 2; r++)
            assert_true(bed.place.activities[r] <= bed.rows[r].upper);
    }
    assert_true(better > 200);
}

static bool is_over(void *context)
{
    (void)context;
    return true;
}

static void test_no_time(void **state)
{
    (void)state;
    struct arena arena;
    struct bed bed;
    struct plan_lp_api lp = open_lp();
    arena_init(&arena, memory, sizeof memory);
    begin_chain(&bed, 6.5, &arena);
    assert_false(
        plan_exchange_branch(bed.exchange, &lp, &bed.place, bed.of_services, is_over, NULL));
    assert_float_equal(plan_place_cost(&bed.place), 20, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_chain_does_not_pay),
        cmocka_unit_test(test_loose_row_has_no_price),
        cmocka_unit_test(test_lower_side),
        cmocka_unit_test(test_without_pools),
        cmocka_unit_test(test_prices),
        cmocka_unit_test(test_branches),
        cmocka_unit_test(test_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
