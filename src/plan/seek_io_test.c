/* Eight services want the same cheap machines, of which there are half as many; what another
 * machine costs more differs from service to service, and those that need the cheap ones least come
 * first. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "plan/seek.h"

enum {
    SERVICES = 8,
    NEEDED = 10, /* replicas of each */
    STOCK = SERVICES * NEEDED / 2,
    COLUMNS = 2 * SERVICES /* cheap and dear, of each */
};

static char memory[64 << 20];

struct bed {
    struct plan_service services[SERVICES];
    struct plan_region region;
    struct plan_node nodes[SERVICES];
    struct plan_column columns[COLUMNS];
    struct plan_demand demands[SERVICES];
    uint32_t near[SERVICES];
    struct plan_row row;
    struct plan_term terms[SERVICES];
    struct plan_problem problem;
    struct plan_lp_api lp;
    struct plan_tree trees[SERVICES];
    struct plan_seeker seeker;
    double price;
};

static struct bed bed;

static bool never(void *context)
{
    (void)context;
    return false;
}

static bool always(void *context)
{
    (void)context;
    return true;
}

/* A cheap replica costs 1, a dear one of service s (from 0) 2 + s. */
static void make_problem(void)
{
    for (uint32_t s = 0; s < SERVICES; s++) {
        bed.services[s] = (struct plan_service){.name = SPAN_LITERAL("service"),
                                                .node_first = s,
                                                .node_count = 1,
                                                .column_first = 2 * s,
                                                .column_count = 2,
                                                .demand_first = s,
                                                .demand_count = 1,
                                                .share_ppm = 1000000,
                                                .share_lost_ppm = 1000000};
        bed.nodes[s] = (struct plan_node){
            .service = s, .column_first = 2 * s, .column_count = 2, .replicas_min = 1};
        for (uint32_t i = 0; i < 2; i++)
            bed.columns[2 * s + i] = (struct plan_column){.node = s,
                                                          .sku = (uint16_t)i,
                                                          .speed = 1000000,
                                                          .cost_usd_h = i ? 2 + s : 1,
                                                          .count_max = STOCK};
        bed.near[s] = s;
        bed.demands[s] = (struct plan_demand){.service = s,
                                              .rate = NEEDED * 1000000,
                                              .unmet_usd = INFINITY,
                                              .nodes = &bed.near[s],
                                              .node_count = 1};
        bed.terms[s] = (struct plan_term){2 * s, 1};
    }
    bed.row = (struct plan_row){.rule = PLAN_RULE_STOCK,
                                .name = SPAN_LITERAL("stock"),
                                .lower = -PLAN_LP_INFINITY,
                                .upper = STOCK,
                                .terms = bed.terms,
                                .term_count = SERVICES};
    bed.problem = (struct plan_problem){.service_count = SERVICES,
                                        .region_count = 1,
                                        .sku_count = 2,
                                        .zone_count = 1,
                                        .node_count = SERVICES,
                                        .demand_count = SERVICES,
                                        .column_count = COLUMNS,
                                        .row_count = 1,
                                        .services = bed.services,
                                        .regions = &bed.region,
                                        .nodes = bed.nodes,
                                        .demands = bed.demands,
                                        .columns = bed.columns,
                                        .rows = &bed.row};
}

static void begin_problem(double price, struct arena *arena)
{
    char message[256];
    struct text why;
    memset(&bed, 0, sizeof bed);
    bed.price = price;
    text_init(&why, message, sizeof message);
    arena_init(arena, memory, sizeof memory);
    assert_int_equal(plan_lp_clp_open(&bed.lp, &why), ERR_OK);
    make_problem();
}

/* Those that come first have the cheap ones. */
static void begin(double price)
{
    struct arena arena;
    begin_problem(price, &arena);
    for (uint32_t s = 0; s < SERVICES; s++) {
        assert_int_equal(plan_tree_begin(&bed.trees[s], &bed.problem, &bed.lp, s, false, &arena),
                         ERR_OK);
        plan_tree_price(&bed.trees[s], &bed.price);
        assert_int_equal(plan_tree_cut(&bed.trees[s], NULL, never, NULL), ERR_OK);
    }
    assert_int_equal(
        plan_seeker_init(&bed.seeker, &bed.problem, &bed.lp, bed.trees, &bed.price, &arena),
        ERR_OK);
    for (uint32_t s = 0; s < SERVICES; s++) {
        plan_place_set(&bed.seeker.place, 2 * s + (s >= SERVICES / 2), NEEDED);
        assert_true(plan_place_settle(&bed.seeker.place, s, 0));
        plan_tree_take_cuts(&bed.seeker.exacts[s], &bed.trees[s]);
    }
    plan_seeker_keep_best(&bed.seeker);
    assert_float_equal(bed.seeker.best_usd_h, NEEDED * (4 + 6 + 7 + 8 + 9), 1e-9);
}

static void end(void)
{
    plan_seeker_end(&bed.seeker);
    for (uint32_t s = 0; s < SERVICES; s++)
        plan_tree_end(&bed.trees[s]);
}

/* At nine tenths of 4.5, what a cheap machine is worth, the four that need it least give it back,
 * and the others take it as their turn comes: before prices have fallen to nothing. */
static void test_what_is_scarce_goes_where_it_is_needed(void **state)
{
    (void)state;
    begin(-4.5);
    for (uint32_t step = 0; step < 8 * SERVICES && bed.seeker.sweep < 2; step++)
        plan_seek(&bed.seeker, 0, NULL, never, NULL);
    assert_int_equal(bed.seeker.sweep, 2);
    assert_float_equal(bed.seeker.best_usd_h, NEEDED * (4 + 2 + 3 + 4 + 5), 1e-9);
    for (uint32_t s = 0; s < SERVICES; s++)
        assert_int_equal(bed.seeker.best[2 * s], s < SERVICES / 2 ? 0 : NEEDED);
    end();
}

/* At list prices, whatever the sweep's are; what costs the same stays as it was. */
static void test_the_cheapest_come_first(void **state)
{
    (void)state;
    static const uint32_t order[SERVICES] = {1, 2, 3, 4, 0, 5, 6, 7};
    begin(-4.5);
    for (uint32_t s = 0; s < SERVICES; s += 4) { /* 0 gives what it has to 4: 20 and 10 */
        plan_place_set(&bed.seeker.place, 2 * s, s == 0 ? 0 : NEEDED);
        plan_place_set(&bed.seeker.place, 2 * s + 1, s == 0 ? NEEDED : 0);
    }
    plan_seek(&bed.seeker, 0, NULL, never, NULL);
    assert_memory_equal(bed.seeker.order, order, sizeof order);
    end();
}

/* Prices fall to nothing, and rise again where list prices change nothing more; what was best
 * stays. */
static void test_prices_fall_and_rise(void **state)
{
    (void)state;
    begin(-4.5);
    uint32_t rises = 0, sweep = 0;
    for (uint32_t step = 0; step < 200 * SERVICES && rises < 2; step++) {
        double before = bed.seeker.best_usd_h;
        uint32_t rise = bed.seeker.rise;
        plan_seek(&bed.seeker, 0, NULL, never, NULL);
        assert_true(bed.seeker.best_usd_h <= before);
        rises += bed.seeker.rise > rise;
        sweep = bed.seeker.rise > rise ? 0 : sweep;
        assert_true(bed.seeker.sweep == sweep || bed.seeker.sweep == sweep + 1);
        sweep = bed.seeker.sweep;
    }
    assert_int_equal(rises, 2);
    assert_float_equal(bed.seeker.best_usd_h, NEEDED * (4 + 2 + 3 + 4 + 5), 1e-9);
    plan_seeker_take_best(&bed.seeker, NULL);
    assert_float_equal(plan_place_cost(&bed.seeker.place), bed.seeker.best_usd_h, 1e-9);
    end();
}

static void gather_all(void)
{
    for (uint32_t s = 0; s < SERVICES; s++)
        plan_seek_gather(&bed.seeker, s, &bed.trees[s]);
}

static void eject_all(void)
{
    while (plan_seek_eject(&bed.seeker, never, NULL))
        plan_seeker_keep_best(&bed.seeker);
}

/* Nobody has as many cheap ones as are lacking: one gives all that it has, the next one the rest.
 */
static void test_several_give_what_one_has_not(void **state)
{
    (void)state;
    static const uint32_t cheap[SERVICES] = {7, 7, 7, 7, 6, 6, 0, 0};
    begin(-4.5);
    gather_all();
    for (uint32_t s = 0; s < SERVICES; s++) {
        plan_place_set(&bed.seeker.place, 2 * s, cheap[s]);
        plan_place_set(&bed.seeker.place, 2 * s + 1, NEEDED - cheap[s]);
    }
    double before = plan_place_cost(&bed.seeker.place);
    assert_true(plan_place_excess(&bed.seeker.place, 0) == 0);
    bed.seeker.round = bed.seeker.missed = 9;
    assert_true(plan_seek_eject(&bed.seeker, never, NULL));
    assert_int_equal(bed.seeker.change, 1);
    assert_true(bed.seeker.round == 10 && bed.seeker.missed == 0);
    assert_int_equal(bed.seeker.place.counts[2 * 6] + bed.seeker.place.counts[2 * 7], NEEDED);
    uint32_t used = 0;
    for (uint32_t s = 0; s < SERVICES; s++)
        used += bed.seeker.place.counts[2 * s];
    assert_int_equal(used, STOCK);
    assert_float_equal(bed.seeker.place.activities[0], used, 1e-9);
    assert_true(plan_place_cost(&bed.seeker.place) < before);
    bed.seeker.missed = 10; /* the rounds are over, and those behind the next sweep begin anew */
    assert_false(plan_seek_eject(&bed.seeker, never, NULL));
    assert_int_equal(bed.seeker.round, 0);
    assert_true(plan_seek_eject(&bed.seeker, never, NULL));
    assert_true(bed.seeker.round == 1 && bed.seeker.missed < 2);
    end();
}

/* At list prices, where no service alone can change anything: those that gain most take what they
 * need, and those that lose least give way. Then nobody gives way any more, and all is as it was.
 */
static void test_who_needs_it_least_gives_way(void **state)
{
    (void)state;
    begin(-4.5);
    gather_all();
    eject_all();
    assert_float_equal(bed.seeker.best_usd_h, NEEDED * (4 + 2 + 3 + 4 + 5), 1e-9);
    uint32_t changes = bed.seeker.change;
    assert_int_equal(changes, SERVICES / 2);
    bed.price = 0; /* everybody would like to have the cheap ones */
    for (uint32_t s = 0; s < SERVICES; s++)
        for (uint32_t p = 0; p < bed.seeker.owns[s].pool.count; p++)
            bed.seeker.owns[s].pool.worths[p] = bed.seeker.owns[s].pool.costs_usd_h[p];
    eject_all();
    assert_int_equal(bed.seeker.change, changes);
    for (uint32_t c = 0; c < COLUMNS; c++)
        assert_int_equal(bed.seeker.place.counts[c], bed.seeker.best[c]);
    end();
}

/* It ends where it is told to, with the plan it has. */
static void test_is_over_at_once(void **state)
{
    (void)state;
    begin(-4.5);
    plan_seek(&bed.seeker, UINT64_MAX / 2, NULL, always, NULL);
    assert_int_equal(bed.seeker.turn, 0);
    assert_float_equal(bed.seeker.best_usd_h, NEEDED * (4 + 6 + 7 + 8 + 9), 1e-9);
    end();
}

/* Plans found while prices are not yet the last prove nothing; the root takes them for what they
 * are worth at its own. */
static void test_a_tree_looks_ahead(void **state)
{
    (void)state;
    struct arena arena;
    struct plan_tree *tree = &bed.trees[0];
    begin_problem(-4.5, &arena); /* a cheap one is 5.5, a dear one 2 */
    assert_int_equal(plan_tree_begin(tree, &bed.problem, &bed.lp, 0, false, &arena), ERR_OK);
    plan_tree_price(tree, &bed.price);
    assert_int_equal(plan_tree_close(tree, &(struct plan_closing){0}, never, NULL), ERR_OK);
    double bound = tree->bound_usd_h;
    uint64_t work = tree->relax.work;
    for (uint32_t i = 0; i < 2 * SERVICES; i++)
        plan_tree_look_ahead(tree);
    assert_int_equal(tree->own_starts, 3); /* one is left for the root */
    assert_true(tree->own->pool.count > 0 && tree->relax.work > work);
    assert_int_equal(tree->own->pool.counts[1], NEEDED);
    assert_true(isinf(tree->best_usd_h) && !tree->has_kept && tree->bound_usd_h == bound);
    bed.price = 0;
    plan_tree_price(tree, &bed.price);
    assert_int_equal(plan_tree_cut(tree, NULL, always, NULL), ERR_OK); /* no time for new ones */
    assert_float_equal(tree->own->pool.worths[0], 2 * NEEDED, 1e-9);
    assert_true(tree->best_usd_h <= 2 * NEEDED);
    assert_int_equal(plan_tree_cut(tree, NULL, never, NULL), ERR_OK);
    assert_float_equal(tree->best_usd_h, NEEDED, 1e-9);
    plan_tree_end(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_scarce_goes_where_it_is_needed),
        cmocka_unit_test(test_the_cheapest_come_first),
        cmocka_unit_test(test_prices_fall_and_rise),
        cmocka_unit_test(test_who_needs_it_least_gives_way),
        cmocka_unit_test(test_several_give_what_one_has_not),
        cmocka_unit_test(test_is_over_at_once),
        cmocka_unit_test(test_a_tree_looks_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
