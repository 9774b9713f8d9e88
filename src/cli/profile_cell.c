#include "cli/profile_cell.h"

#include <math.h>
#include <string.h>

#include "base/check.h"

#define LEVEL_MAX  0.10 /* a fall of the prompt time that counts as noise */
#define NAME_ERROR 0.05 /* of a prompt's length, to count as the one that was asked for */
#define PROMPT_MIN 0.1  /* ms; what profiles.csv takes */

enum { STEPS_MIN = 4 }; /* of a stream while all were side by side */

const char *profile_state_key(enum profile_state state)
{
    static const char *const keys[] = {
#define X(name, key, sentence) key,
        PROFILE_STATES(X)
#undef X
    };
    CHECK((size_t)state < COUNT_OF(keys));
    return keys[state];
}

const char *profile_state_words(enum profile_state state)
{
    static const char *const words[] = {
#define X(name, key, sentence) sentence,
        PROFILE_STATES(X)
#undef X
    };
    CHECK((size_t)state < COUNT_OF(words));
    return words[state];
}

/* --- statistics --- */

static void sort(double *values, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        double value = values[i];
        uint32_t at = i;
        for (; at > 0 && values[at - 1] > value; at--)
            values[at] = values[at - 1];
        values[at] = value;
    }
}

static double quantile_of_sorted(const double *sorted, uint32_t count, double share)
{
    double at = share * (count - 1);
    uint32_t below = (uint32_t)at;
    if (below + 1 >= count)
        return sorted[count - 1];
    return sorted[below] + (at - below) * (sorted[below + 1] - sorted[below]);
}

double profile_quantile(const double *values, uint32_t count, double share)
{
    double sorted[PROFILE_ROUNDS_MAX];
    CHECK(count >= 1 && count <= PROFILE_ROUNDS_MAX);
    memcpy(sorted, values, count * sizeof *values);
    sort(sorted, count);
    return quantile_of_sorted(sorted, count, share);
}

double profile_spread(const double *values, uint32_t count)
{
    double median = profile_quantile(values, count, 0.5);
    double range = profile_quantile(values, count, 0.75) - profile_quantile(values, count, 0.25);
    return median > 0 ? range / (median * sqrt(count)) : 0;
}

/* --- a round --- */

static int64_t first_of(const struct profile_stream *stream)
{
    return stream->piece_us[0];
}

static int64_t last_of(const struct profile_stream *stream)
{
    return stream->piece_us[stream->piece_count - 1];
}

static uint32_t count_side_by_side(const struct profile_stream *streams, uint32_t count)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < count; i++) { /* the most is reached when some stream begins */
        int64_t now = first_of(&streams[i]);
        uint32_t at_once = 0;
        for (uint32_t j = 0; j < count; j++)
            at_once += first_of(&streams[j]) <= now && last_of(&streams[j]) >= now;
        most = at_once > most ? at_once : most;
    }
    return most;
}

/* Us a token of one stream between <begin_us> and <end_us>; 0: too few pieces there. A piece may
 * hold several tokens (half characters are held back). */
static double step_us(const struct profile_stream *stream, int64_t begin_us, int64_t end_us)
{
    uint32_t from = 0, to = stream->piece_count;
    while (from < to && stream->piece_us[from] < begin_us)
        from++;
    while (to > from && stream->piece_us[to - 1] > end_us)
        to--;
    if (to - from < STEPS_MIN + 1)
        return 0;
    double gap = (double)(stream->piece_us[to - 1] - stream->piece_us[from]) / (to - from - 1);
    return gap * stream->piece_count / stream->output_tokens;
}

static bool is_burst(const struct profile_stream *stream)
{
    double us = (double)(last_of(stream) - first_of(stream));
    return us < (stream->output_tokens - 1) * PROFILE_TOKEN_MS_MIN * 1000;
}

static enum profile_fault check_streams(const struct profile_stream *streams, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (streams[i].output_tokens < PROFILE_TOKENS_MIN || streams[i].piece_count == 0)
            return PROFILE_FAULT_SHORT;
        if (streams[i].piece_count < STEPS_MIN)
            return PROFILE_FAULT_WHOLE;
    }
    for (uint32_t i = 0; i < count; i++)
        if (is_burst(&streams[i]))
            return PROFILE_FAULT_BURST;
    return PROFILE_FAULT_NONE;
}

enum profile_fault profile_round_fit(const struct profile_stream *streams, uint32_t count,
                                     int64_t begin_us, struct profile_round *ret_round)
{
    CHECK(count >= 1 && count <= PROFILE_BATCH_MAX);
    enum profile_fault fault = check_streams(streams, count);
    if (fault != PROFILE_FAULT_NONE)
        return fault;
    int64_t all_us = first_of(&streams[0]), end_us = last_of(&streams[0]);
    for (uint32_t i = 1; i < count; i++) {
        all_us = first_of(&streams[i]) > all_us ? first_of(&streams[i]) : all_us;
        end_us = last_of(&streams[i]) < end_us ? last_of(&streams[i]) : end_us;
    }
    double sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        double us = step_us(&streams[i], all_us, end_us);
        if (us <= 0) {
            ret_round->side_by_side = count_side_by_side(streams, count);
            return count > 1 ? PROFILE_FAULT_APART : PROFILE_FAULT_SHORT;
        }
        sum += us;
    }
    *ret_round = (struct profile_round){.prompt_ms = (double)(all_us - begin_us) / 1000,
                                        .token_ms = sum / count / 1000,
                                        .side_by_side = count};
    return PROFILE_FAULT_NONE;
}

/* --- a cell --- */

static void add_gaps(struct histogram *gaps, const struct profile_stream *stream)
{
    for (uint32_t i = 1; i < stream->piece_count; i++) {
        int64_t gap_us = stream->piece_us[i] - stream->piece_us[i - 1];
        histogram_add(gaps, gap_us > 0 ? (uint64_t)gap_us : 1);
    }
}

void profile_cell_add(struct profile_cell *cell, const struct profile_stream *streams,
                      uint32_t count, int64_t begin_us, const struct profile_round *round)
{
    CHECK(cell->round_count < PROFILE_ROUNDS_MAX);
    if (cell->round_count == 0) {
        histogram_init(&cell->first_us);
        histogram_init(&cell->gap_us);
    }
    cell->prompt_ms[cell->round_count] = round->prompt_ms;
    cell->token_ms[cell->round_count] = round->token_ms;
    cell->round_count++;
    cell->request_count += count;
    cell->side_by_side = round->side_by_side;
    int64_t end_us = begin_us;
    for (uint32_t i = 0; i < count; i++) {
        const struct profile_stream *stream = &streams[i];
        cell->prompt_tokens += stream->prompt_tokens;
        cell->cached_tokens += stream->cached_tokens;
        cell->output_tokens += stream->output_tokens;
        histogram_add(&cell->first_us, (uint64_t)(first_of(stream) - begin_us));
        add_gaps(&cell->gap_us, stream);
        end_us = last_of(stream) > end_us ? last_of(stream) : end_us;
    }
    cell->busy_us += end_us - begin_us;
}

bool profile_cell_is_steady(const struct profile_cell *cell)
{
    return cell->round_count >= PROFILE_ROUNDS_MIN &&
           profile_spread(cell->prompt_ms, cell->round_count) <= PROFILE_SPREAD_MAX &&
           profile_spread(cell->token_ms, cell->round_count) <= PROFILE_SPREAD_MAX;
}

double profile_cell_prompt_ms(const struct profile_cell *cell)
{
    return profile_quantile(cell->prompt_ms, cell->round_count, 0.5);
}

double profile_cell_token_ms(const struct profile_cell *cell)
{
    return profile_quantile(cell->token_ms, cell->round_count, 0.5);
}

double profile_cell_prompt_mean(const struct profile_cell *cell)
{
    return (double)cell->prompt_tokens / cell->request_count;
}

double profile_cell_cached(const struct profile_cell *cell)
{
    return cell->prompt_tokens > 0 ? (double)cell->cached_tokens / (double)cell->prompt_tokens : 0;
}

double profile_cell_prefill_rate(const struct profile_cell *cell)
{
    double tokens = profile_cell_prompt_mean(cell) * (1 - profile_cell_cached(cell)) * cell->batch;
    double ms = profile_cell_prompt_ms(cell);
    return ms > 0 ? tokens * 1000 / ms : 0;
}

double profile_cell_decode_rate(const struct profile_cell *cell)
{
    double ms = profile_cell_token_ms(cell);
    return ms > 0 ? cell->batch * 1000 / ms : 0;
}

double profile_cell_waited(const struct profile_cell *cell)
{
    return cell->busy_us > 0 ? (double)cell->waited_us / (double)cell->busy_us : 0;
}

/* --- rows --- */

static uint32_t length_of(const struct profile_cell *cell)
{
    double mean = profile_cell_prompt_mean(cell), wanted = cell->prompt_wanted;
    bool is_near = mean >= wanted * (1 - NAME_ERROR) && mean <= wanted * (1 + NAME_ERROR);
    return is_near ? cell->prompt_wanted : (uint32_t)(mean + 0.5);
}

uint32_t profile_rows_make(const struct profile_cell *cells, uint32_t count,
                           struct profile_row rows[PROFILE_CELLS_MAX], uint32_t *ret_left_out)
{
    uint32_t made = 0, left_out = 0, length = 0, wanted = 0;
    CHECK(count <= PROFILE_CELLS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        const struct profile_cell *cell = &cells[i];
        if (cell->state != PROFILE_MEASURED)
            continue;
        bool is_first = cell->prompt_wanted != wanted;
        if (is_first) { /* one length for all batches of a size: they are one curve */
            length = length_of(cell);
            wanted = cell->prompt_wanted;
        }
        double prompt_ms = profile_cell_prompt_ms(cell);
        struct profile_row row = {.batch = cell->batch,
                                  .prompt_tokens = length,
                                  .prompt_ms = prompt_ms < PROMPT_MIN ? PROMPT_MIN : prompt_ms,
                                  .token_ms = profile_cell_token_ms(cell),
                                  .is_floor = prompt_ms < PROMPT_MIN,
                                  .accelerator_w = cell->has_watts ? cell->accelerator_w : 0};
        double before_ms = is_first || made == 0 ? 0 : rows[made - 1].prompt_ms;
        if (row.prompt_ms < before_ms * (1 - LEVEL_MAX)) {
            left_out++;
            continue;
        }
        row.is_level = row.prompt_ms < before_ms;
        row.prompt_ms = row.is_level ? before_ms : row.prompt_ms;
        rows[made++] = row;
    }
    *ret_left_out = left_out;
    return made;
}
