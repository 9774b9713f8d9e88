/* profile_cell.h: what `farspan profile` makes of the times at which its answers came. Pure.
 *
 *   stream: one answer           when each piece of its text came
 *   round:  <batch> streams      sent at the same moment; over when all have ended
 *   cell:   rounds of one batch and prompt size, until their medians are steady
 *   row:    a cell as profiles.csv has it
 *
 * prompt_ms is from sending to the moment at which every stream of the round had its first piece:
 * the prompts of the whole batch. token_ms is taken only while all streams of the round were
 * answering side by side (from the last first piece to the first end): one decode step of the whole
 * batch. A server with fewer slots than the batch never does that, and gives no row. */
#ifndef CLI_PROFILE_CELL_H
#define CLI_PROFILE_CELL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"

enum {
    PROFILE_BATCH_MAX = 256,
    PROFILE_PIECES_MAX = 2048, /* of one answer that are kept */
    PROFILE_ROUNDS_MIN = 3,
    PROFILE_ROUNDS_MAX = 16,
    PROFILE_TOKENS_MIN = 8, /* of an answer, so that a step can be timed */
    PROFILE_SIZES_MAX = 16, /* prompt sizes, and batches */
    PROFILE_CELLS_MAX = PROFILE_SIZES_MAX * PROFILE_SIZES_MAX
};

/* When a median is steady: its own error is below this share of it. */
#define PROFILE_SPREAD_MAX 0.03

/* What profiles.csv takes; no model is as fast. */
#define PROFILE_TOKEN_MS_MIN 0.1

/* Of the time of a cell's rounds that this program waited for a processor: above it, its times are
 * too long, and the report says so. */
#define PROFILE_WAITED_MAX 0.05

/* Times in us, all of one clock. */
struct profile_stream {
    int64_t *piece_us; /* room for PROFILE_PIECES_MAX, ascending */
    uint32_t piece_count;
    uint32_t prompt_tokens, cached_tokens, output_tokens; /* as the server counted */
};

enum profile_fault {
    PROFILE_FAULT_NONE,
    PROFILE_FAULT_SHORT, /* an answer had too few tokens to time a step */
    PROFILE_FAULT_APART, /* never all side by side */
    PROFILE_FAULT_BURST, /* faster than PROFILE_TOKEN_MS_MIN: held back and sent, or read, at once
                          */
    PROFILE_FAULT_WHOLE  /* the text came in one piece: no stream */
};

struct profile_round {
    double prompt_ms, token_ms;
    uint32_t side_by_side; /* the most streams that were answering at one moment */
};

/* state, key in JSON, words for a person */
#define PROFILE_STATES(X)                                                                          \
    X(PENDING, "pending", "not begun")                                                             \
    X(MEASURED, "measured", "measured")                                                            \
    X(TOO_LONG, "too_long", "the server refuses prompts of this size")                             \
    X(APART, "apart", "the server never answered so many side by side")                            \
    X(REFUSED, "refused", "the server refuses so many at once")                                    \
    X(SHORT, "short", "the answers were too short to time")                                        \
    X(BURST, "burst", "the text came in bursts: held back on its way, or this machine is busy")    \
    X(LATE, "late", "no time was left")

enum profile_state {
#define X(name, key, words) PROFILE_##name,
    PROFILE_STATES(X)
#undef X
};

struct profile_cell {
    uint32_t batch, prompt_wanted;
    enum profile_state state;
    uint32_t round_count, request_count;
    double prompt_ms[PROFILE_ROUNDS_MAX], token_ms[PROFILE_ROUNDS_MAX]; /* of each round */
    uint64_t prompt_tokens, cached_tokens, output_tokens;               /* sums */
    struct histogram first_us, gap_us; /* of each stream; of each token after its first */
    int64_t busy_us;                   /* of the rounds */
    int64_t waited_us;                 /* of it, this program for a processor */
    uint32_t side_by_side;
    bool has_watts;
    double watts, accelerator_w; /* of all that was measured; of one accelerator */
    char note[192];              /* the server's words where it refused */
};

/* A row of profiles.csv. */
struct profile_row {
    uint32_t batch, prompt_tokens;
    double prompt_ms, token_ms;
    double accelerator_w; /* 0: not known */
    bool is_level;        /* raised to the prompt time of the smaller batch */
    bool is_floor;        /* a prompt time below what the catalogue takes was set to that */
};

const char *profile_state_key(enum profile_state state);   /* "too_long" */
const char *profile_state_words(enum profile_state state); /* "the server refuses ..." */

/* Linear between the order statistics; <share> 0 .. 1, count >= 1, at most PROFILE_ROUNDS_MAX. */
double profile_quantile(const double *values, uint32_t count, double share);

/* The error of the median as a share of it: interquartile range / (median sqrt(count)); for normal
 * noise 1.08 standard errors. */
double profile_spread(const double *values, uint32_t count);

/* <begin_us>: when the requests were sent. Writes *ret_round on PROFILE_FAULT_NONE; after
 * PROFILE_FAULT_APART its side_by_side only. */
enum profile_fault profile_round_fit(const struct profile_stream *streams, uint32_t count,
                                     int64_t begin_us, struct profile_round *ret_round);

/* Counts the streams of a good round in. */
void profile_cell_add(struct profile_cell *cell, const struct profile_stream *streams,
                      uint32_t count, int64_t begin_us, const struct profile_round *round);

/* At least PROFILE_ROUNDS_MIN rounds, and both medians steady. */
bool profile_cell_is_steady(const struct profile_cell *cell);

/* Of a measured cell. */
double profile_cell_prompt_ms(const struct profile_cell *cell);
double profile_cell_token_ms(const struct profile_cell *cell);
double profile_cell_prompt_mean(const struct profile_cell *cell);  /* tokens of one prompt */
double profile_cell_cached(const struct profile_cell *cell);       /* share of the prompt tokens */
double profile_cell_prefill_rate(const struct profile_cell *cell); /* computed tokens a second */
double profile_cell_decode_rate(const struct profile_cell *cell);  /* of all streams */
double profile_cell_waited(const struct profile_cell *cell); /* share of the time of its rounds */

/* The measured cells as rows, in the order of the cells; sizes one after the other, batches
 * ascending. A prompt counts as long as was asked for when it was within 5 % of that; else as long
 * as it was. The catalogue takes no prompt time that falls as the batch grows: a fall of at most
 * 10 % is noise and is levelled (marked); a row that falls further is left out, counted in
 * *ret_left_out. */
uint32_t profile_rows_make(const struct profile_cell *cells, uint32_t count,
                           struct profile_row rows[PROFILE_CELLS_MAX], uint32_t *ret_left_out);

#endif
