/* The generator on the shipped catalogue: that problems are what draw.h says, the same for the same
 * seed, feasible, and that another solver reads them (mps.h) and agrees. It is an _io test because
 * it reads the catalogue, opens the LP library and runs cbc or glpsol where one is installed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "catalog/load_io.h"
#include "plan/audit.h"
#include "plan/draw.h"
#include "plan/draw_change.h"
#include "plan/mps.h"
#include "plan/relax.h"
#include "plan/solve.h"

enum {
    CUTS_MAX = 16384,
    ROUNDS_MAX = 200,
    CATALOG_BYTES = 16 << 20,
    MEMORY_BYTES = 192 << 20,
    OTHERS_SECONDS = 2,
    OTHERS_SEEDS = 4
};

static struct catalog *catalog;
static struct plan_lp_api lp;
static char catalog_memory[CATALOG_BYTES], memory[MEMORY_BYTES], reason[512];
static struct arena arena;
static struct text why;

static void begin(void)
{
    arena_init(&arena, memory, sizeof memory);
    text_init(&why, reason, sizeof reason);
}

static struct plan_problem *draw(struct plan_draw draw)
{
    struct plan_problem *problem;
    if (plan_draw_problem(catalog, &draw, &lp, &arena, &problem, &why))
        fail_msg("%s", reason);
    return problem;
}

static struct plan_draw usual(uint64_t seed)
{
    return (struct plan_draw){.services = 5,
                              .regions = 10,
                              .skus = 4,
                              .regime = PLAN_REGIME_MIX,
                              .stock = 1,
                              .is_n1 = true,
                              .seed = seed};
}

static void the_same_seed_draws_the_same_problem_and_another_does_not(void **state)
{
    (void)state;
    begin();
    struct plan_problem *one = draw(usual(7)), *same = draw(usual(7)), *other = draw(usual(8));
    assert_int_equal(one->column_count, same->column_count);
    assert_memory_equal(one->columns, same->columns, one->column_count * sizeof *one->columns);
    assert_int_equal(one->demand_count, same->demand_count);
    for (uint32_t d = 0; d < one->demand_count; d++)
        assert_int_equal(one->demands[d].rate, same->demands[d].rate);
    assert_int_not_equal(one->demands[0].rate, other->demands[0].rate);
}

static void
every_demand_has_two_regions_within_an_slo_and_half_of_the_zones_are_wanted(void **state)
{
    (void)state;
    begin();
    struct plan_draw many = {.services = 40,
                             .regions = 40,
                             .skus = 6,
                             .regime = PLAN_REGIME_BIG,
                             .stock = 1,
                             .is_n1 = true,
                             .seed = 3};
    struct plan_problem *problem = draw(many);
    assert_int_equal(problem->zone_count, 25);
    assert_int_equal(problem->region_count, 40);
    assert_int_equal(problem->failure_count, 40);
    for (uint32_t d = 0; d < problem->demand_count; d++) {
        const struct plan_demand *demand = &problem->demands[d];
        assert_in_range(demand->node_count, 2, 40);
        assert_true(isinf(demand->unmet_usd));
        for (uint32_t i = 0; i < demand->node_count; i++)
            assert_true(demand->latencies_ms[i] >= 4 && demand->latencies_ms[i] <= 250);
    }
    uint32_t most = 0;
    for (uint32_t s = 0; s < problem->service_count; s++) {
        assert_in_range(problem->services[s].demand_count, 1, 13);
        most = problem->services[s].demand_count > most ? problem->services[s].demand_count : most;
    }
    assert_in_range(most, 12, 13);
}

/* The catalogue's price of a column, by its names. */
static double list_price(const struct plan_problem *problem, const struct plan_column *column,
                         bool *ret_is_second)
{
    struct span region = problem->regions[problem->nodes[column->node].region].name;
    *ret_is_second = plan_draw_is_second_site(region);
    region.n -= *ret_is_second ? 2 : 0;
    const struct catalog_offer *offer = catalog_find_offer(
        catalog, catalog_find_region(catalog, region),
        catalog_find_sku(catalog, problem->skus[column->sku]), CATALOG_ON_DEMAND);
    assert_non_null(offer);
    return offer->usd_h;
}

static void prices_are_the_catalogues_and_second_sites_come_when_regions_run_out(void **state)
{
    (void)state;
    for (uint32_t regions = 10; regions <= 60; regions += 50) {
        begin();
        struct plan_draw wide = usual(4);
        wide.regions = regions;
        wide.skus = 20;
        struct plan_problem *problem = draw(wide);
        uint32_t seconds = 0;
        for (uint32_t c = 0; c < problem->column_count; c++) {
            bool is_second;
            double ratio = problem->columns[c].cost_usd_h /
                           list_price(problem, &problem->columns[c], &is_second);
            assert_true(is_second ? ratio >= 0.85 && ratio <= 1.2 : ratio == 1);
            seconds += is_second;
        }
        assert_int_equal(seconds > 0, regions == 60);
    }
}

static void stock_is_one_row_of_all_services_and_scales(void **state)
{
    (void)state;
    begin();
    struct plan_draw half = usual(5);
    half.stock = 0.5;
    struct plan_problem *whole = draw(usual(5)), *scarce = draw(half);
    uint32_t terms = 0, shared = 0;
    for (uint32_t r = 0; r < whole->row_count; r++) {
        const struct plan_row *row = &whole->rows[r];
        assert_true(scarce->rows[r].upper == ceil(row->upper / 2) ||
                    scarce->rows[r].upper == ceil(row->upper / 2 - 0.5));
        for (uint32_t i = 0; i < row->term_count; i++) {
            const struct plan_column *column = &whole->columns[row->terms[i].column];
            const struct plan_column *first = &whole->columns[row->terms[0].column];
            assert_true(column->count_max == row->upper);
            assert_int_equal(column->sku, first->sku);
            assert_int_equal(whole->nodes[column->node].region, whole->nodes[first->node].region);
        }
        terms += row->term_count;
        shared += row->term_count > 1;
    }
    assert_int_equal(terms, whole->column_count);
    assert_true(shared > 0);
}

static enum plan_status status_of(const struct plan_problem *problem)
{
    struct plan_limits limits = {.gap = 0.01, .work = 300 * 1000 * 1000};
    struct plan_result result;
    assert_int_equal(plan_solve(problem, &lp, &limits, NULL, &arena, &result, &why), ERR_OK);
    if (result.status == PLAN_OPTIMAL || result.status == PLAN_FEASIBLE) {
        struct plan_cost cost;
        enum plan_breach breach;
        if (plan_answer_audit(problem, &result.answer, &arena, &cost, &breach, &why))
            fail_msg("%s", reason);
    }
    return result.status;
}

static void there_is_a_plan_at_full_stock_and_a_proof_that_there_is_none_at_a_tenth(void **state)
{
    (void)state;
    begin();
    struct plan_draw none = usual(6);
    none.stock = 0.1;
    assert_in_range(status_of(draw(usual(6))), PLAN_OPTIMAL, PLAN_FEASIBLE);
    begin();
    assert_int_equal(status_of(draw(none)), PLAN_INFEASIBLE);
}

static void noise_changes_rates_and_nothing_else(void **state)
{
    (void)state;
    begin();
    struct plan_problem *problem = draw(usual(9)), *noisy;
    assert_int_equal(plan_draw_noise(problem, 0.05, 1, &arena, &noisy), ERR_OK);
    bool has_more = false, has_less = false;
    for (uint32_t d = 0; d < problem->demand_count; d++) {
        double ratio = (double)noisy->demands[d].rate / (double)problem->demands[d].rate;
        assert_true(ratio > 0.949 && ratio < 1.051);
        has_more |= ratio > 1.01;
        has_less |= ratio < 0.99;
    }
    assert_true(has_more && has_less);
    assert_ptr_equal(noisy->columns, problem->columns);
    assert_ptr_equal(noisy->rows, problem->rows);
}

static void what_runs_costs_to_change(void **state)
{
    (void)state;
    begin();
    struct plan_problem *problem = draw(usual(9)), *running;
    uint32_t *counts = ARENA_ARRAY(&arena, uint32_t, problem->column_count);
    assert_non_null(counts);
    counts[1] = 7;
    assert_int_equal(plan_draw_running(problem, counts, 0.5, &arena, &running), ERR_OK);
    assert_int_equal(running->columns[0].running, 0);
    assert_int_equal(running->columns[1].running, 7);
    assert_true(running->columns[1].stop_usd_h == problem->columns[1].cost_usd_h / 2);
    assert_true(running->columns[1].start_usd_h == problem->columns[1].cost_usd_h / 2);
    assert_true(problem->columns[1].stop_usd_h == 0);
}

/* The optimum of the relaxation, its rows found to the last. */
static double relaxed(const struct plan_problem *problem)
{
    struct plan_relax *relax = ARENA_NEW(&arena, struct plan_relax);
    assert_non_null(relax);
    assert_int_equal(plan_problem_check(problem, &why), ERR_OK);
    assert_int_equal(plan_relax_begin(relax, problem, &lp, CUTS_MAX, &arena), ERR_OK);
    assert_int_equal(plan_relax_close(relax, ROUNDS_MAX, -1, NULL, NULL), ERR_OK);
    double cost = relax->solution.objective;
    plan_relax_end(relax);
    return cost;
}

static void another_order_of_all_parts_is_the_same_problem(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        begin();
        struct plan_problem *problem = draw(usual(seed)), *shuffled;
        assert_int_equal(plan_draw_shuffle(problem, seed, &arena, &shuffled), ERR_OK);
        assert_int_equal(shuffled->column_count, problem->column_count);
        bool is_moved = false;
        for (uint32_t c = 0; c < problem->column_count; c++)
            is_moved |= shuffled->columns[c].cost_usd_h != problem->columns[c].cost_usd_h;
        assert_true(is_moved);
        double one = relaxed(problem), other = relaxed(shuffled);
        assert_true(other > one * (1 - 1e-6) && other < one * (1 + 1e-6));
    }
}

static void more_than_the_catalogue_has_is_refused_with_a_reason(void **state)
{
    (void)state;
    struct plan_problem *problem;
    struct plan_draw skus = usual(1), regions = usual(1), stock = usual(1);
    skus.skus = 32;
    regions.regions = 1;
    stock.stock = 0;
    begin();
    assert_int_equal(plan_draw_problem(catalog, &skus, &lp, &arena, &problem, &why), ERR_VALUE);
    assert_non_null(strstr(reason, "32 accelerated sizes"));
    begin();
    assert_int_equal(plan_draw_problem(catalog, &regions, &lp, &arena, &problem, &why), ERR_VALUE);
    begin();
    assert_int_equal(plan_draw_problem(catalog, &stock, &lp, &arena, &problem, &why), ERR_VALUE);
    struct plan_draw good = usual(1);
    arena_init(&arena, memory, 64 * 1024);
    assert_int_equal(plan_draw_problem(catalog, &good, &lp, &arena, &problem, &why), ERR_MEMORY);
}

/* Another solver ---------------------------------------------------------------------------- */

static void write_lines(void *context, struct span lines)
{
    assert_int_equal(fwrite(lines.p, 1, lines.n, context), lines.n);
}

static bool is_installed(const char *program)
{
    char command[64];
    snprintf(command, sizeof command, "command -v %s >/dev/null", program);
    return system(command) == 0;
}

static bool number_behind(const char *line, const char *label, double *ret_value)
{
    size_t n = strlen(label);
    char *end;
    if (strncmp(line, label, n) != 0)
        return false;
    *ret_value = strtod(line + n, &end);
    return end > line + n;
}

/* glpsol's "s mip ROWS COLUMNS STATUS COST": the status, 0 when the line is another. */
static char glpsol_status(char *line, double *ret_cost)
{
    if (strncmp(line, "s mip ", 6) != 0)
        return 0;
    char *word = line + 6;
    for (unsigned i = 0; i < 2 && word; i++) {
        word = strchr(word, ' ');
        word += word != NULL;
    }
    return word && number_behind(word + 1, " ", ret_cost) ? word[0] : 0;
}

/* NAN: it has none. */
static void run_other(const char *path, bool is_cbc, double *ret_cost, double *ret_bound)
{
    char command[256], line[512];
    snprintf(command, sizeof command,
             is_cbc ? "cbc %s -seconds %d -ratioGap 0 -allowableGap 0 solve 2>&1"
                    : "glpsol --freemps %s --tmlim %d --write /dev/stdout 2>&1",
             path, OTHERS_SECONDS);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    double cost = NAN, bound = NAN, value = NAN;
    bool is_optimal = false;
    while (fgets(line, sizeof line, out)) {
        is_optimal |= strstr(line, "Optimal solution found") != NULL;
        if (number_behind(line, "Objective value:", &value))
            cost = value;
        if (number_behind(line, "Lower bound:", &value))
            bound = value;
        char status = glpsol_status(line, &value);
        if (status == 'o' || status == 'f')
            cost = value;
        is_optimal |= status == 'o';
    }
    assert_int_equal(pclose(out), 0);
    *ret_cost = cost;
    *ret_bound = is_optimal ? cost : bound;
}

static void check_with_other(uint64_t seed, bool is_cbc, const char *path, unsigned *ret_agreed)
{
    begin();
    struct plan_draw tiny = usual(seed);
    tiny.services = 3;
    tiny.regions = 6;
    tiny.skus = 2;
    tiny.regime = PLAN_REGIME_SMALL;
    struct plan_problem *problem = draw(tiny);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(plan_mps_write(problem, &arena, &(struct plan_mps_out){write_lines, file}),
                     ERR_OK);
    assert_int_equal(fclose(file), 0);
    struct plan_limits limits = {.gap = 0.001, .work = 100 * 1000 * 1000};
    struct plan_result result;
    assert_int_equal(plan_solve(problem, &lp, &limits, NULL, &arena, &result, &why), ERR_OK);
    assert_in_range(result.status, PLAN_OPTIMAL, PLAN_FEASIBLE);
    double cost, bound, ours = result.answer.cost_usd_h;
    run_other(path, is_cbc, &cost, &bound);
    print_message("seed %u: ours %.4f .. %.4f, the other's %.4f .. %.4f\n", (unsigned)seed,
                  result.bound_usd_h, ours, bound, cost);
    if (!isnan(cost)) /* a plan of the other's is above our bound */
        assert_true(cost >= result.bound_usd_h * (1 - 1e-6));
    /* A solver that errs about its optimum has been seen: counted, not taken for our error. */
    *ret_agreed += !isnan(bound) && bound <= ours * (1 + 1e-6);
}

static void another_solver_reads_the_programme_and_agrees_with_bound_and_plan(void **state)
{
    (void)state;
    bool is_cbc = is_installed("cbc");
    if (!is_cbc && !is_installed("glpsol")) {
        print_message("SKIPPED: neither cbc nor glpsol is installed (tools/setup.sh --bench)\n");
        skip();
    }
    char path[] = "/tmp/farspan-draw-XXXXXX.mps";
    int file = mkstemps(path, 4);
    assert_true(file >= 0);
    assert_int_equal(close(file), 0);
    unsigned agreed = 0;
    for (uint64_t seed = 1; seed <= OTHERS_SEEDS; seed++)
        check_with_other(seed, is_cbc, path, &agreed);
    assert_int_equal(unlink(path), 0);
    assert_in_range(agreed, 1, OTHERS_SEEDS); /* glpsol ends one in time, cbc four */
}

int main(void)
{
    static struct fleet_complaints complaints;
    struct arena room;
    arena_init(&room, catalog_memory, sizeof catalog_memory);
    CHECK(catalog_load_io(SOURCE_DIR "/data/catalog", &room, &complaints, &catalog) == ERR_OK);
    text_init(&why, reason, sizeof reason);
    if (plan_lp_clp_open(&lp, &why)) {
        print_message("SKIPPED: %s\n", reason);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_draws_the_same_problem_and_another_does_not),
        cmocka_unit_test(
            every_demand_has_two_regions_within_an_slo_and_half_of_the_zones_are_wanted),
        cmocka_unit_test(prices_are_the_catalogues_and_second_sites_come_when_regions_run_out),
        cmocka_unit_test(stock_is_one_row_of_all_services_and_scales),
        cmocka_unit_test(there_is_a_plan_at_full_stock_and_a_proof_that_there_is_none_at_a_tenth),
        cmocka_unit_test(noise_changes_rates_and_nothing_else),
        cmocka_unit_test(what_runs_costs_to_change),
        cmocka_unit_test(another_order_of_all_parts_is_the_same_problem),
        cmocka_unit_test(more_than_the_catalogue_has_is_refused_with_a_reason),
        cmocka_unit_test(another_solver_reads_the_programme_and_agrees_with_bound_and_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
