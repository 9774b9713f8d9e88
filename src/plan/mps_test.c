#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "plan/mps.h"

/* One service on two regions; the first may be lost. Of the first node's machines three run, its
 * plan has at least two when it is open; a row holds both columns between 1 and 5. */
static const uint32_t near_nodes[] = {0, 1}, lost[] = {0};
static const float latencies_ms[] = {1, 2};
static const struct plan_term terms[] = {{0, 1}, {1, 2.5}};
static const struct plan_service service = {.node_count = 2,
                                            .column_count = 2,
                                            .demand_count = 1,
                                            .share_ppm = 500000,
                                            .share_lost_ppm = 1000000};
static const struct plan_region regions[2];
static const struct plan_node nodes[] = {
    {.region = 0,
     .column_first = 0,
     .column_count = 1,
     .replicas_min = 2,
     .open_usd_h = 0.5,
     .egress_usd = 0.001},
    {.region = 1, .column_first = 1, .column_count = 1, .replicas_min = 1}};
static const struct plan_column columns[] = {
    {.node = 0,
     .speed = 4000000,
     .cost_usd_h = 1.25,
     .count_min = 1,
     .count_max = 8,
     .running = 3,
     .start_usd_h = 0.1,
     .stop_usd_h = 0.2},
    {.node = 1, .speed = 2000000, .cost_usd_h = 2, .count_max = 6}};
static const struct plan_demand demand = {.rate = 3500000,
                                          .unmet_usd = 0.01,
                                          .nodes = near_nodes,
                                          .latencies_ms = latencies_ms,
                                          .node_count = 2};
static const struct plan_row row = {.lower = 1, .upper = 5, .terms = terms, .term_count = 2};
static const struct plan_failure failure = {.regions = lost, .region_count = 1};

static const char wanted[] = "NAME farspan FREE\n"
                             "ROWS\n"
                             " N cost\n"
                             " E d0\n"
                             " G l0\n"
                             " G m0\n"
                             " G l1\n"
                             " L k0\n"
                             " E v0\n"
                             " L k1\n"
                             " L r0\n"
                             " E d0_0\n"
                             " G l0_1\n"
                             "COLUMNS\n"
                             " M1 'MARKER' 'INTORG'\n"
                             " n0 cost 1.25\n"
                             " n0 l0 2\n"
                             " n0 k0 1\n"
                             " n0 m0 1\n"
                             " n0 v0 1\n"
                             " n0 r0 1\n"
                             " n1 cost 2\n"
                             " n1 l1 1\n"
                             " n1 k1 1\n"
                             " n1 r0 2.5\n"
                             " n1 l0_1 2\n"
                             " y0 cost 0.5\n"
                             " y0 k0 -8\n"
                             " y0 m0 -2\n"
                             " y1 cost 0\n"
                             " y1 k1 -6\n"
                             " M2 'MARKER' 'INTEND'\n"
                             " x0_0 cost 3.6\n"
                             " x0_0 d0 1\n"
                             " x0_0 l0 -1\n"
                             " x0_1 cost 0\n"
                             " x0_1 d0 1\n"
                             " x0_1 l1 -1\n"
                             " x0_0_1 d0_0 1\n"
                             " x0_0_1 l0_1 -1\n"
                             " u0 cost 36\n"
                             " u0 d0 1\n"
                             " u0 d0_0 1\n"
                             " p0 cost 0.1\n"
                             " p0 v0 -1\n"
                             " q0 cost 0.2\n"
                             " q0 v0 1\n"
                             "RHS\n"
                             " RHS d0 3.5\n"
                             " RHS d0_0 3.5\n"
                             " RHS r0 5\n"
                             " RHS v0 3\n"
                             "RANGES\n"
                             " RANGES r0 4\n"
                             "BOUNDS\n"
                             " LO BOUND n0 1\n"
                             " UP BOUND n0 8\n"
                             " UP BOUND q0 3\n"
                             " LO BOUND n1 0\n"
                             " UP BOUND n1 6\n"
                             " BV BOUND y0\n"
                             " BV BOUND y1\n"
                             "ENDATA\n";

static void take(void *context, struct span lines)
{
    text_add_span(context, lines);
}

static void every_rule_of_the_programme_is_in_the_file(void **state)
{
    (void)state;
    struct plan_problem problem = {.service_count = 1,
                                   .region_count = 2,
                                   .sku_count = 1,
                                   .zone_count = 1,
                                   .node_count = 2,
                                   .demand_count = 1,
                                   .column_count = 2,
                                   .row_count = 1,
                                   .failure_count = 1,
                                   .services = &service,
                                   .regions = regions,
                                   .nodes = nodes,
                                   .demands = &demand,
                                   .columns = columns,
                                   .rows = &row,
                                   .failures = &failure};
    static char memory[256 * 1024], said[8192];
    struct arena arena;
    struct text text;
    arena_init(&arena, memory, sizeof memory);
    text_init(&text, said, sizeof said);
    struct plan_mps_out out = {take, &text};
    assert_int_equal(plan_problem_check(&problem, NULL), ERR_OK);
    assert_int_equal(plan_mps_write(&problem, &arena, &out), ERR_OK);
    assert_string_equal(said, wanted);
    assert_int_equal(arena.used, 0);
    arena_init(&arena, memory, 1024);
    assert_int_equal(plan_mps_write(&problem, &arena, &out), ERR_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_of_the_programme_is_in_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
