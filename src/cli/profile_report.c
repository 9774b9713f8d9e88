#include "cli/profile_report.h"

#include "base/check.h"
#include "catalog/schema.h"
#include "cli/catalog_table.h"

static const char source[] = "farspan-profile";

enum { WATTS_MIN = 1, WATTS_MAX = 2000 }; /* of one accelerator, as profiles.csv takes them */

enum { NOTE_COLUMNS = 98 };

/* --- made of it --- */

static double tokens_a_second(const struct profile_cell *cell)
{
    double tokens = (double)(cell->prompt_tokens - cell->cached_tokens + cell->output_tokens);
    return cell->busy_us > 0 ? tokens * 1e6 / (double)cell->busy_us : 0;
}

static double load_of(const struct profile *profile, const struct profile_cell *cell)
{
    double most = 0;
    for (uint32_t i = 0; i < profile->cell_count; i++) {
        const struct profile_cell *other = &profile->cells[i];
        if (other->state != PROFILE_MEASURED || other->prompt_wanted != cell->prompt_wanted)
            continue;
        double rate = tokens_a_second(other);
        most = rate > most ? rate : most;
    }
    return most > 0 ? tokens_a_second(cell) / most : 0;
}

static void fit_energy(struct profile_report *report)
{
    struct plan_energy_pair pairs[PROFILE_CELLS_MAX + 1];
    const struct profile *profile = report->profile;
    uint32_t count = 0;
    if (profile->has_idle)
        pairs[count++] = (struct plan_energy_pair){0, profile->idle_w};
    for (uint32_t i = 0; i < profile->cell_count; i++) {
        const struct profile_cell *cell = &profile->cells[i];
        if (cell->state == PROFILE_MEASURED && cell->has_watts)
            pairs[count++] = (struct plan_energy_pair){load_of(profile, cell), cell->watts};
    }
    report->pair_count = count;
    report->has_energy = plan_energy_fit(pairs, count, &report->energy) == ERR_OK;
}

void profile_report_make(struct profile_report *report, const struct profile_about *about,
                         const struct profile *profile)
{
    *report = (struct profile_report){.about = about, .profile = profile};
    for (uint32_t i = 0; i < profile->cell_count; i++)
        report->measured_count += profile->cells[i].state == PROFILE_MEASURED;
    report->row_count =
        profile_rows_make(profile->cells, profile->cell_count, report->rows, &report->left_out);
    fit_energy(report);
}

/* --- profiles.csv --- */

static const char *rule_of(const struct profile_row *row)
{
    if (row->is_level)
        return row->is_floor ? "profile-level+profile-floor" : "profile-level";
    return row->is_floor ? "profile-floor" : "";
}

static bool has_watts(const struct profile_row *row)
{
    return row->accelerator_w >= WATTS_MIN && row->accelerator_w <= WATTS_MAX;
}

void profile_report_csv(const struct profile_report *report, struct text *out)
{
    const struct profile_about *about = report->about;
    const struct catalog_schema *schema = catalog_schema_of(CATALOG_FILE_PROFILES);
    text_add(out, "# measured by farspan profile: answers of %u tokens; watts: %s\n",
             about->answer_tokens, profile_watts_source_words(report->profile->source));
    for (uint32_t i = 0; i < schema->column_count; i++)
        text_add(out, "%s,", schema->columns[i].name);
    for (uint32_t i = 0; i < CATALOG_FACT_COLUMNS; i++)
        text_add(out, "%s%s", i ? "," : "", catalog_fact_column(i));
    text_add_c(out, '\n');
    for (uint32_t i = 0; i < report->row_count; i++) {
        const struct profile_row *row = &report->rows[i];
        text_add(out, "%s,%.*s,%u,%u,%u,%.2f,%.3f,", about->name, SPAN_ARG(about->accelerator),
                 about->tensor_parallel, row->batch, row->prompt_tokens, row->prompt_ms,
                 row->token_ms);
        if (has_watts(row))
            text_add(out, "%.1f", row->accelerator_w);
        text_add(out, ",%s,", source);
        catalog_date_add(about->date, out);
        text_add(out, ",%s,%s\n", row->is_level || row->is_floor ? "true" : "false", rule_of(row));
    }
}

/* --- JSON --- */

static void add_number(struct text *out, const char *key, double value)
{
    text_json_key(out, key);
    text_json_double(out, value);
}

static void add_count(struct text *out, const char *key, uint64_t value)
{
    text_json_key(out, key);
    text_json_u64(out, value);
}

static void add_words(struct text *out, const char *key, const char *words)
{
    text_json_key(out, key);
    text_json_str(out, words);
}

static void add_quantiles(struct text *out, const char *key, const struct histogram *histogram)
{
    text_json_key(out, key);
    text_json_object(out);
    add_number(out, "p50", (double)histogram_quantile(histogram, 500000) / 1000);
    add_number(out, "p95", (double)histogram_quantile(histogram, 950000) / 1000);
    text_json_end(out);
}

static void add_watts(struct text *out, const char *key, bool has, double watts)
{
    text_json_key(out, key);
    if (has)
        text_json_double(out, watts);
    else
        text_json_null(out);
}

static void add_figures(const struct profile_cell *cell, struct text *out)
{
    add_number(out, "prompt_tokens", profile_cell_prompt_mean(cell));
    add_number(out, "cached_share", profile_cell_cached(cell));
    add_number(out, "prompt_ms", profile_cell_prompt_ms(cell));
    add_number(out, "prompt_spread", profile_spread(cell->prompt_ms, cell->round_count));
    add_number(out, "token_ms", profile_cell_token_ms(cell));
    add_number(out, "token_spread", profile_spread(cell->token_ms, cell->round_count));
    text_json_key(out, "is_steady");
    text_json_bool(out, profile_cell_is_steady(cell));
    add_quantiles(out, "first_token_ms", &cell->first_us);
    add_quantiles(out, "next_token_ms", &cell->gap_us);
    add_number(out, "prefill_tokens_s", profile_cell_prefill_rate(cell));
    add_number(out, "decode_tokens_s", profile_cell_decode_rate(cell));
    add_number(out, "decode_tokens_s_stream", profile_cell_decode_rate(cell) / cell->batch);
    add_number(out, "waited_share", profile_cell_waited(cell));
    add_watts(out, "watts", cell->has_watts, cell->watts);
    add_watts(out, "accelerator_w", cell->has_watts, cell->accelerator_w);
}

static void add_cell(const struct profile_cell *cell, struct text *out)
{
    bool is_measured = cell->state == PROFILE_MEASURED;
    text_json_object(out);
    add_count(out, "prompt_wanted", cell->prompt_wanted);
    add_count(out, "batch", cell->batch);
    add_words(out, "state", profile_state_key(cell->state));
    add_words(out, "note", cell->note[0] ? cell->note : NULL);
    add_count(out, "rounds", cell->round_count);
    add_count(out, "requests", cell->request_count);
    if (is_measured)
        add_figures(cell, out);
    text_json_end(out);
}

static void add_row(const struct profile_report *report, const struct profile_row *row,
                    struct text *out)
{
    const struct profile_about *about = report->about;
    const struct catalog_fact fact = {.source = span_of(source),
                                      .date = about->date,
                                      .is_estimate = row->is_level || row->is_floor,
                                      .rule = span_of(rule_of(row))};
    text_json_object(out);
    add_words(out, "model", about->name);
    text_json_key(out, "accelerator");
    text_json_span(out, about->accelerator);
    add_count(out, "tensor_parallel", about->tensor_parallel);
    add_count(out, "batch", row->batch);
    add_count(out, "prompt_tokens", row->prompt_tokens);
    add_number(out, "prompt_ms", row->prompt_ms);
    add_number(out, "token_ms", row->token_ms);
    add_watts(out, "accelerator_w", has_watts(row), row->accelerator_w);
    catalog_fact_json(&fact, out);
    text_json_end(out);
}

static void add_energy(const struct profile_report *report, struct text *out)
{
    const struct profile *profile = report->profile;
    text_json_key(out, "watts");
    text_json_object(out);
    add_words(out, "source", profile->source ? profile_watts_source_words(profile->source) : NULL);
    add_words(out, "why_not", profile->source ? NULL : profile->why_no_watts);
    add_watts(out, "idle_w", profile->has_idle, profile->idle_w);
    text_json_end(out);
    text_json_key(out, "energy");
    if (!report->has_energy) {
        text_json_null(out);
        return;
    }
    text_json_object(out);
    add_number(out, "idle_w", report->energy.idle_w);
    add_number(out, "peak_w", report->energy.peak_w);
    add_number(out, "error_w", report->energy.error_w);
    add_count(out, "pairs", report->pair_count);
    text_json_end(out);
}

void profile_report_json(const struct profile_report *report, struct text *out)
{
    const struct profile_about *about = report->about;
    const struct profile *profile = report->profile;
    text_json_object(out);
    add_words(out, "url", about->url);
    add_words(out, "model", about->model);
    add_words(out, "sku", about->sku);
    add_count(out, "answer_tokens", about->answer_tokens);
    add_number(out, "seconds", (double)profile->took_us / 1e6);
    text_json_key(out, "complete");
    text_json_bool(out, report->measured_count == profile->cell_count);
    add_energy(report, out);
    text_json_key(out, "cells");
    text_json_array(out);
    for (uint32_t i = 0; i < profile->cell_count; i++)
        add_cell(&profile->cells[i], out);
    text_json_end(out);
    text_json_key(out, "rows");
    text_json_array(out);
    for (uint32_t i = 0; about->accelerator.n > 0 && i < report->row_count; i++)
        add_row(report, &report->rows[i], out);
    text_json_end(out);
    add_count(out, "rows_left_out", report->left_out);
    add_words(out, "out", about->out);
    text_json_end(out);
    text_add_c(out, '\n');
}

/* --- the table --- */

static const struct catalog_table_column columns[] = {
    {NULL, "prompt", 0, 8, NULL},     {NULL, "batch", 0, 5, NULL},
    {NULL, "rounds", 0, 6, NULL},     {NULL, "prompt ms", 1, 10, NULL},
    {NULL, "first p95", 1, 10, NULL}, {NULL, "token ms", 2, 9, NULL},
    {NULL, "p95", 2, 9, NULL},        {NULL, "prefill/s", 0, 10, NULL},
    {NULL, "decode/s", 0, 8, NULL},   {NULL, "cached", CATALOG_TABLE_WORDS, 6, NULL},
    {NULL, "W", 0, 6, NULL},
};

static bool fill_row(const struct profile_cell *cell, struct catalog_table *table,
                     struct arena *arena)
{
    char buffer[16];
    struct text cached;
    text_init(&cached, buffer, sizeof buffer);
    text_add(&cached, "%.0f%%", 100 * profile_cell_cached(cell));
    struct catalog_table_cell *cells = catalog_table_add(table, NULL);
    const double numbers[] = {
        profile_cell_prompt_mean(cell),
        cell->batch,
        cell->round_count,
        profile_cell_prompt_ms(cell),
        (double)histogram_quantile(&cell->first_us, 950000) / 1000,
        profile_cell_token_ms(cell),
        (double)histogram_quantile(&cell->gap_us, 950000) / 1000,
        profile_cell_prefill_rate(cell),
        profile_cell_decode_rate(cell),
    };
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        cells[i] = catalog_number(numbers[i]);
    cells[9] = catalog_words(arena_copy(arena, text_span(&cached)));
    cells[10] = cell->has_watts ? catalog_number(cell->watts) : catalog_nothing();
    return !arena->is_overflown;
}

static void add_energy_words(const struct profile_report *report, struct text *out)
{
    const struct profile *profile = report->profile;
    if (profile->source == PROFILE_WATTS_NONE) {
        text_add(out, "watts: not measured: %s\n", profile->why_no_watts);
        return;
    }
    text_add(out, "watts: %s", profile_watts_source_words(profile->source));
    if (profile->has_idle)
        text_add(out, "; %.1f at rest", profile->idle_w);
    if (report->has_energy)
        text_add(out, "; fit of %u pairs: idle %.1f, peak %.1f, off by %.1f", report->pair_count,
                 report->energy.idle_w, report->energy.peak_w, report->energy.error_w);
    else
        text_add(out, "; too few or too even for a curve of idle and peak");
    text_add_c(out, '\n');
}

/* What one batch was refused, the larger ones of its size were not asked (profile_run.h). */
static void add_missing(const struct profile_report *report, struct text *out)
{
    const struct profile_cell *before = NULL;
    for (uint32_t i = 0; i < report->profile->cell_count; i++) {
        const struct profile_cell *cell = &report->profile->cells[i];
        if (cell->state == PROFILE_MEASURED)
            continue;
        if (!before || before->prompt_wanted != cell->prompt_wanted) {
            text_add(out, "not measured: prompt %u from batch %u on: %s\n", cell->prompt_wanted,
                     cell->batch, profile_state_words(cell->state));
            if (cell->note[0])
                text_add(out, "  %.*s\n", NOTE_COLUMNS, cell->note);
        }
        before = cell;
    }
    if (report->left_out > 0)
        text_add(
            out,
            "left out of the rows: %u, whose prompt time falls by more than 10 %% as the batch "
            "grows\n",
            report->left_out);
}

/* Medians that never settled, and times that this machine made longer, are worth a word. */
static void add_doubts(const struct profile_report *report, struct text *out)
{
    uint32_t unsteady = 0, busy = 0;
    for (uint32_t i = 0; i < report->profile->cell_count; i++) {
        const struct profile_cell *cell = &report->profile->cells[i];
        if (cell->state != PROFILE_MEASURED)
            continue;
        unsteady += !profile_cell_is_steady(cell);
        busy += profile_cell_waited(cell) > PROFILE_WAITED_MAX;
    }
    if (unsteady > 0)
        text_add(out, "%u of %u are still moving by more than 3 %%: --json says by how much\n",
                 unsteady, report->measured_count);
    if (busy > 0)
        text_add(out,
                 "%u of %u are longer than they should be: this machine was too busy to read at "
                 "once\n",
                 busy, report->measured_count);
}

bool profile_report_table(const struct profile_report *report, struct arena *arena,
                          struct text *out)
{
    const struct profile *profile = report->profile;
    struct catalog_table table;
    if (!catalog_table_init(&table, columns, COUNT_OF(columns), profile->cell_count, arena))
        return false;
    for (uint32_t i = 0; i < profile->cell_count; i++)
        if (profile->cells[i].state == PROFILE_MEASURED &&
            !fill_row(&profile->cells[i], &table, arena))
            return false;
    text_add(out, "%s at %s, ", report->about->model, report->about->url);
    text_add_duration_us(out, profile->took_us);
    text_add_c(out, '\n');
    if (report->measured_count > 0) {
        catalog_table_print(&table, 0, out);
        text_add(out, "ms: medians of the rounds; prefill and decode: tokens a second of the whole "
                      "batch\n");
    }
    add_missing(report, out);
    add_doubts(report, out);
    add_energy_words(report, out);
    return true;
}
