#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "base/check.h"
#include "cli/profile_report.h"

enum { CELLS = 4 };

static struct profile_cell cells[CELLS];
static struct profile_report report;
static char buffer[PROFILE_REPORT_SIZE];

static const struct profile_about about = {.url = "http://127.0.0.1:1",
                                           .model = "m",
                                           .name = "tiny",
                                           .accelerator = {"a100-80gb", 9},
                                           .tensor_parallel = 2,
                                           .answer_tokens = 64,
                                           .date = 20261103};

static void assert_near(double found, double expected, double error_max)
{
    if (!(found >= expected - error_max && found <= expected + error_max))
        fail_msg("found %.9g, expected %.9g", found, expected);
}

static void make_cell(int which, uint32_t prompt, uint32_t batch, double prompt_ms, uint64_t tokens,
                      double watts)
{
    cells[which] = (struct profile_cell){.prompt_wanted = prompt,
                                         .batch = batch,
                                         .state = PROFILE_MEASURED,
                                         .round_count = 1,
                                         .request_count = batch,
                                         .prompt_ms = {prompt_ms},
                                         .token_ms = {20},
                                         .prompt_tokens = (uint64_t)prompt * batch,
                                         .output_tokens = tokens,
                                         .busy_us = 1000000,
                                         .has_watts = watts > 0,
                                         .watts = watts,
                                         .accelerator_w = watts / 2};
    histogram_init(&cells[which].first_us);
    histogram_init(&cells[which].gap_us);
}

/* Of one size: 500 and 1,000 tokens a second; of the other one 100 alone. */
static void make_profile(struct profile *profile)
{
    make_cell(0, 100, 1, 50, 400, 0);
    make_cell(1, 100, 4, 49, 600, 0);
    make_cell(2, 50, 1, 30, 50, 0);
    make_cell(3, 50, 2, 60, 0, 0);
    cells[3].state = PROFILE_APART;
    *profile = (struct profile){.cells = cells,
                                .cell_count = CELLS,
                                .source = PROFILE_WATTS_GPU,
                                .has_idle = true,
                                .idle_w = 100};
}

static void the_energy_curve_stands_on_the_share_of_the_busiest_cell_of_a_size(void **state)
{
    (void)state;
    struct profile profile;
    const struct plan_energy truth = {.idle_w = 100, .peak_w = 500};
    make_profile(&profile);
    cells[0].watts = plan_energy_watts(&truth, 0.5);
    cells[1].watts = cells[2].watts = plan_energy_watts(&truth, 1);
    cells[0].has_watts = cells[1].has_watts = cells[2].has_watts = true;
    profile_report_make(&report, &about, &profile);
    assert_true(report.has_energy);
    assert_int_equal(report.pair_count, 4);
    assert_near(report.energy.idle_w, 100, 1e-6);
    assert_near(report.energy.peak_w, 500, 1e-6);
    assert_near(report.energy.error_w, 0, 1e-6);
}

static void rows_are_written_as_the_catalogue_reads_them(void **state)
{
    (void)state;
    struct profile profile;
    struct text out;
    make_profile(&profile);
    cells[0].has_watts = true;
    cells[0].accelerator_w = 310.46;
    profile_report_make(&report, &about, &profile);
    text_init(&out, buffer, sizeof buffer);
    profile_report_csv(&report, &out);
    assert_string_equal(
        buffer, "# measured by farspan profile: answers of 64 tokens; watts: nvidia-smi\n"
                "model,accelerator,tensor_parallel,batch,prompt_tokens,prompt_ms,token_ms,"
                "accelerator_w,source,date,estimate,rule\n"
                "tiny,a100-80gb,2,1,100,50.00,20.000,310.5,farspan-profile,2026-11-03,false,\n"
                "tiny,a100-80gb,2,4,100,50.00,20.000,,farspan-profile,2026-11-03,true,"
                "profile-level\n"
                "tiny,a100-80gb,2,1,50,30.00,20.000,,farspan-profile,2026-11-03,false,\n");
}

/* The largest profile there can be, with the longest words. */
static void everything_fits_its_buffer(void **state)
{
    (void)state;
    static struct profile_cell many[PROFILE_CELLS_MAX];
    static char words[257], memory[1 << 20];
    struct profile profile;
    struct text out;
    struct arena arena;
    make_profile(&profile);
    memset(words, '\x01', sizeof words - 1);
    struct profile_about longest = about;
    longest.model = longest.url = longest.name = words;
    for (uint32_t i = 0; i < PROFILE_CELLS_MAX; i++) {
        many[i] = cells[0];
        many[i].prompt_wanted = 60000 + i / PROFILE_SIZES_MAX;
        many[i].state = i % 2 ? PROFILE_MEASURED : PROFILE_TOO_LONG;
        memset(many[i].note, '\x01', sizeof many[i].note - 1);
    }
    profile.cells = many;
    profile.cell_count = PROFILE_CELLS_MAX;
    profile_report_make(&report, &longest, &profile);
    text_init(&out, buffer, sizeof buffer);
    profile_report_json(&report, &out);
    assert_false(out.is_cut);
    text_truncate(&out, 0);
    profile_report_csv(&report, &out);
    assert_false(out.is_cut);
    text_truncate(&out, 0);
    arena_init(&arena, memory, sizeof memory);
    assert_true(profile_report_table(&report, &arena, &out));
    assert_false(out.is_cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_energy_curve_stands_on_the_share_of_the_busiest_cell_of_a_size),
        cmocka_unit_test(rows_are_written_as_the_catalogue_reads_them),
        cmocka_unit_test(everything_fits_its_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
