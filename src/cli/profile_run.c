#include "cli/profile_run.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "os/clock.h"
#include "os/memory.h"

#define LENGTH_ERROR 0.03 /* of a prompt, to be taken */

enum {
    WORDS_SHORT = 8, /* of the two prompts that show how words become tokens */
    WORDS_LONG = 40,
    TRIES_MAX = 6,      /* to find how many words a prompt size needs, */
    PROBES = 4,         /* each of so many prompts, */
    LONG_PROMPT = 1024, /* or of one that is longer than that: its words even out */
    POOR_ROUNDS_MAX = PROFILE_ROUNDS_MAX /* too short or in bursts, before a cell is given up */
};

#define IDLE_US 2000000 /* for which the watts at rest are taken */

struct run {
    const struct profile_wish *wish;
    struct profile_asker *asker;
    struct profile_watts watts;
    struct profile profile;
    void (*on_progress)(void *user, const struct profile_progress *progress);
    void *user;
    struct profile_progress progress;
    int64_t begin_us, end_us;
    double tokens_more, tokens_word; /* of a prompt: beside its words; a word */
    struct text *why;
};

static void tick(void *user)
{
    struct run *run = user;
    run->progress.elapsed_us = os_now_us() - run->begin_us;
    if (run->on_progress)
        run->on_progress(run->user, &run->progress);
}

static enum profile_answer ask(struct run *run, uint32_t count, uint32_t words,
                               uint32_t answer_tokens, const struct profile_stream **ret_streams,
                               int64_t *ret_begin_us, struct text *why)
{
    const struct profile_round_wish wish = {.count = count,
                                            .words = words,
                                            .answer_tokens = answer_tokens,
                                            .due_us = run->end_us,
                                            .on_tick = tick,
                                            .user = run};
    return profile_ask(run->asker, &wish, ret_streams, ret_begin_us, why);
}

/* --- how many words --- */

/* The tokens that a prompt of <words> makes, the mean of <count>: words differ in theirs. */
static enum profile_answer count_tokens(struct run *run, uint32_t words, uint32_t count,
                                        double *ret_tokens, struct text *why)
{
    const struct profile_stream *streams;
    int64_t begin_us;
    enum profile_answer answer =
        ask(run, count, words, PROFILE_TOKENS_MIN, &streams, &begin_us, why);
    if (answer != PROFILE_ANSWER_GOOD)
        return answer;
    double tokens = 0;
    for (uint32_t i = 0; i < count; i++)
        tokens += (double)streams[i].prompt_tokens / count;
    *ret_tokens = tokens;
    return answer;
}

static uint32_t words_for(const struct run *run, uint32_t tokens)
{
    double words = (tokens - run->tokens_more) / run->tokens_word;
    return words < 1 ? 1 : words > PROFILE_WORDS_MAX ? PROFILE_WORDS_MAX : (uint32_t)(words + 0.5);
}

/* Nearer with each try; a server's own beginning may be longer than what was asked for, then the
 * shortest prompt there is. */
static enum profile_answer find_words(struct run *run, uint32_t tokens, uint32_t *ret_words,
                                      struct text *why)
{
    const struct profile_wish *wish = run->wish;
    uint32_t words = words_for(run, tokens), most = wish->batches[wish->batch_count - 1];
    uint32_t count = tokens > LONG_PROMPT ? 1 : most < PROBES ? most : PROBES;
    double found, all_found = 0, all_words = 0;
    for (int i = 0; i < TRIES_MAX; i++) {
        enum profile_answer answer = count_tokens(run, words, count, &found, why);
        if (answer == PROFILE_ANSWER_BUSY && count > 1) {
            text_truncate(why, 0);
            count = 1;
            continue;
        }
        if (answer != PROFILE_ANSWER_GOOD)
            return answer;
        double off = found - tokens;
        if (off <= tokens * LENGTH_ERROR && -off <= tokens * LENGTH_ERROR)
            break;
        all_found += found > run->tokens_more ? found - run->tokens_more : 1;
        all_words += words;
        run->tokens_word = all_found / all_words;
        words = words_for(run, tokens);
    }
    *ret_words = words;
    return PROFILE_ANSWER_GOOD;
}

/* Opens the connections, sees whether the server knows what it is asked, and how long its words
 * are. */
static enum err warm_up(struct run *run)
{
    const struct profile_stream *streams;
    const struct profile_wish *wish = run->wish;
    char message[512];
    struct text why;
    int64_t begin_us;
    double few = 0, many = 0;
    text_init(&why, message, sizeof message);
    enum profile_answer answer = count_tokens(run, WORDS_SHORT, 1, &few, &why);
    if (answer == PROFILE_ANSWER_REFUSED && profile_asker_be_plain(run->asker)) {
        text_truncate(&why, 0);
        answer = count_tokens(run, WORDS_SHORT, 1, &few, &why);
    }
    if (answer == PROFILE_ANSWER_GOOD)
        answer = count_tokens(run, WORDS_LONG, 1, &many, &why);
    if (answer == PROFILE_ANSWER_GOOD) /* that it may refuse so many is found out later */
        answer = ask(run, wish->batches[wish->batch_count - 1], WORDS_SHORT, PROFILE_TOKENS_MIN,
                     &streams, &begin_us, &why);
    else if (answer != PROFILE_ANSWER_FAILED)
        text_add(run->why, "a first request gets no answer: ");
    if (answer == PROFILE_ANSWER_FAILED || many <= 0) {
        text_add(run->why, "%s", message);
        return ERR_VALUE;
    }
    run->tokens_word = many > few ? (many - few) / (WORDS_LONG - WORDS_SHORT) : 1;
    run->tokens_more =
        few > run->tokens_word * WORDS_SHORT ? few - run->tokens_word * WORDS_SHORT : 0;
    return ERR_OK;
}

/* --- cells --- */

/* What one cell goes through. */
struct trial {
    struct profile_cell *cell;
    uint32_t words, answer_tokens, poor_rounds, side_by_side;
    int64_t enough_us; /* with PROFILE_ROUNDS_MIN rounds no more after that */
};

/* Did the model itself end an answer of the round? */
static bool has_ended_early(const struct profile_stream *streams, const struct trial *trial)
{
    for (uint32_t i = 0; i < trial->cell->batch; i++)
        if (streams[i].output_tokens < trial->answer_tokens)
            return true;
    return false;
}

/* A server that starts the first answers long before the last is asked longer ones, as long as that
 * brings more side by side. */
static void ask_longer(struct trial *trial, uint32_t side_by_side)
{
    struct profile_cell *cell = trial->cell;
    bool is_more = side_by_side == cell->batch || side_by_side > trial->side_by_side;
    trial->side_by_side = cell->side_by_side = side_by_side;
    if (!is_more || 2 * trial->answer_tokens > PROFILE_ANSWER_MAX) {
        cell->state = PROFILE_APART;
        snprintf(cell->note, sizeof cell->note, "at most %u of %u", side_by_side, cell->batch);
    }
    trial->answer_tokens *= 2;
}

/* False: the server cannot be measured. */
static bool take_fault(struct run *run, struct trial *trial, enum profile_fault fault,
                       const struct profile_stream *streams, uint32_t side_by_side)
{
    if (fault == PROFILE_FAULT_WHOLE) {
        text_add(run->why, "the server does not stream: an answer of %u tokens came in %u piece%s",
                 streams[0].output_tokens, streams[0].piece_count,
                 streams[0].piece_count == 1 ? "" : "s");
        return false;
    }
    bool is_poor = fault == PROFILE_FAULT_SHORT || fault == PROFILE_FAULT_BURST ||
                   (side_by_side == trial->cell->batch && has_ended_early(streams, trial));
    if (!is_poor)
        ask_longer(trial, side_by_side);
    else if (++trial->poor_rounds == POOR_ROUNDS_MAX)
        trial->cell->state = trial->cell->round_count >= PROFILE_ROUNDS_MIN ? PROFILE_MEASURED
                             : fault == PROFILE_FAULT_BURST                 ? PROFILE_BURST
                                                                            : PROFILE_SHORT;
    return true;
}

/* A longer message is cut. */
static void set_note(struct profile_cell *cell, const char *message)
{
    struct text note;
    text_init(&note, cell->note, sizeof cell->note);
    text_add(&note, "%s", message);
}

static void take_refusal(const struct run *run, struct trial *trial, enum profile_answer answer,
                         const char *message)
{
    struct profile_cell *cell = trial->cell;
    if (cell->round_count >= PROFILE_ROUNDS_MIN)
        cell->state = PROFILE_MEASURED;
    else if (answer == PROFILE_ANSWER_LATE)
        cell->state = PROFILE_LATE;
    else if (answer == PROFILE_ANSWER_BUSY)
        cell->state = PROFILE_REFUSED;
    else if (trial->answer_tokens > run->wish->answer_tokens)
        cell->state = PROFILE_APART;
    else
        cell->state = PROFILE_TOO_LONG;
    if (cell->state != PROFILE_MEASURED)
        set_note(cell, message);
}

/* How long this program has waited for a processor since it began; 0 where the kernel does not
 * say. */
static int64_t waited_us(void)
{
    char buffer[96];
    uint64_t waited_ns;
    FILE *file = fopen("/proc/self/schedstat", "re");
    size_t n = file ? fread(buffer, 1, sizeof buffer, file) : 0;
    if (file)
        fclose(file);
    struct span rest = span_from(buffer, n);
    span_cut(&rest, ' '); /* ran */
    return span_to_u64(span_cut(&rest, ' '), &waited_ns) ? (int64_t)(waited_ns / 1000) : 0;
}

/* One round. False: the server cannot be measured. */
static bool try_round(struct run *run, struct trial *trial)
{
    struct profile_cell *cell = trial->cell;
    const struct profile_stream *streams;
    struct profile_round round = {0};
    char message[512];
    struct text why;
    int64_t begin_us;
    text_init(&why, message, sizeof message);
    int64_t waited_before_us = waited_us();
    enum profile_answer answer =
        ask(run, cell->batch, trial->words, trial->answer_tokens, &streams, &begin_us, &why);
    if (answer == PROFILE_ANSWER_FAILED) {
        text_add(run->why, "%s (%u at once, prompts of %u tokens)", message, cell->batch,
                 cell->prompt_wanted);
        return false;
    }
    if (answer != PROFILE_ANSWER_GOOD) {
        take_refusal(run, trial, answer, message);
        return true;
    }
    enum profile_fault fault = profile_round_fit(streams, cell->batch, begin_us, &round);
    if (fault != PROFILE_FAULT_NONE)
        return take_fault(run, trial, fault, streams, round.side_by_side);
    profile_cell_add(cell, streams, cell->batch, begin_us, &round);
    cell->waited_us += waited_us() - waited_before_us;
    bool is_enough = cell->round_count >= PROFILE_ROUNDS_MIN && os_now_us() >= trial->enough_us;
    if (is_enough || cell->round_count == PROFILE_ROUNDS_MAX || profile_cell_is_steady(cell))
        cell->state = PROFILE_MEASURED;
    return true;
}

static bool measure_cell(struct run *run, struct profile_cell *cell, uint32_t words)
{
    int64_t now_us = os_now_us();
    uint32_t left = run->progress.cell_count - run->progress.cell_number + 1;
    struct trial trial = {.cell = cell,
                          .words = words,
                          .answer_tokens = run->wish->answer_tokens,
                          .enough_us = now_us + (run->end_us - now_us) / left};
    struct profile_drawn drawn;
    profile_watts_begin(&run->watts);
    while (cell->state == PROFILE_PENDING)
        if (!try_round(run, &trial))
            return false;
    cell->has_watts = cell->state == PROFILE_MEASURED &&
                      profile_watts_end(&run->watts, run->wish->accelerator_count, &drawn);
    if (cell->has_watts) {
        cell->watts = drawn.all_w;
        cell->accelerator_w = drawn.accelerator_w;
    }
    return true;
}

/* What one batch was refused is not tried with a larger one. */
static void pass_on(const struct profile_cell *from, struct profile_cell *to)
{
    to->state = from->state;
    to->side_by_side = from->side_by_side;
    memcpy(to->note, from->note, sizeof to->note);
}

static bool measure_size(struct run *run, struct profile_cell *cells, uint32_t tokens)
{
    const struct profile_wish *wish = run->wish;
    char message[512];
    struct text why;
    uint32_t words = 0;
    text_init(&why, message, sizeof message);
    run->progress.cell = &cells[0];
    enum profile_answer answer = find_words(run, tokens, &words, &why);
    if (answer == PROFILE_ANSWER_FAILED) {
        text_add(run->why, "%s (prompts of %u tokens)", message, tokens);
        return false;
    }
    for (uint32_t i = 0; i < wish->batch_count; i++) {
        struct profile_cell *cell = &cells[i];
        run->progress.cell = cell;
        run->progress.cell_number++;
        if (answer != PROFILE_ANSWER_GOOD) {
            struct trial none = {.cell = cell};
            take_refusal(run, &none, answer, message);
        } else if (i > 0 && cells[i - 1].state != PROFILE_MEASURED) {
            pass_on(&cells[i - 1], cell);
        } else if (!measure_cell(run, cell, words)) {
            return false;
        }
    }
    return true;
}

/* --- all of it --- */

static void measure_idle(struct run *run)
{
    struct profile_drawn drawn;
    if (run->watts.source == PROFILE_WATTS_NONE)
        return;
    profile_watts_begin(&run->watts);
    int64_t end_us = os_now_us() + IDLE_US;
    while (os_now_us() < end_us)
        net_loop_run_once(profile_asker_loop(run->asker), end_us - os_now_us());
    run->profile.has_idle = profile_watts_end(&run->watts, run->wish->accelerator_count, &drawn);
    run->profile.idle_w = run->profile.has_idle ? drawn.all_w : 0;
}

static void open_watts(struct run *run)
{
    if (run->wish->no_watts)
        profile_watts_omit(&run->watts, run->wish->no_watts);
    else
        profile_watts_open(&run->watts, profile_asker_loop(run->asker), "/sys/class/powercap");
    run->profile.source = run->watts.source;
    snprintf(run->profile.why_no_watts, sizeof run->profile.why_no_watts, "%s", run->watts.why_not);
}

static enum err measure_all(struct run *run)
{
    const struct profile_wish *wish = run->wish;
    run->begin_us = os_now_us();
    run->end_us = run->begin_us + wish->limit_us;
    open_watts(run);
    tick(run);
    measure_idle(run);
    enum err err = warm_up(run);
    for (uint32_t i = 0; i < wish->prompt_count && !err; i++)
        if (!measure_size(run, run->profile.cells + i * wish->batch_count, wish->prompts[i]))
            err = ERR_VALUE;
    run->profile.took_us = os_now_us() - run->begin_us;
    profile_watts_close(&run->watts);
    return err;
}

enum err profile_run(const struct profile_wish *wish,
                     void (*on_progress)(void *user, const struct profile_progress *progress),
                     void *user, struct profile *ret_profile, struct text *why)
{
    struct run run = {
        .wish = wish, .on_progress = on_progress, .user = user, .why = why, .tokens_word = 1};
    CHECK(wish->prompt_count >= 1 && wish->prompt_count <= PROFILE_SIZES_MAX);
    CHECK(wish->batch_count >= 1 && wish->batch_count <= PROFILE_SIZES_MAX);
    run.profile.cell_count = wish->prompt_count * wish->batch_count;
    run.profile.cells = os_alloc(run.profile.cell_count * sizeof *run.profile.cells);
    if (!run.profile.cells)
        return ERR_MEMORY;
    for (uint32_t i = 0; i < run.profile.cell_count; i++) {
        run.profile.cells[i].prompt_wanted = wish->prompts[i / wish->batch_count];
        run.profile.cells[i].batch = wish->batches[i % wish->batch_count];
    }
    run.progress.cell_count = run.profile.cell_count;
    run.progress.limit_us = wish->limit_us;
    enum err err = profile_asker_new(&wish->server, &run.asker, why);
    if (err == ERR_OK) {
        err = measure_all(&run);
        profile_asker_free(run.asker);
    }
    if (err == ERR_OK)
        *ret_profile = run.profile;
    else
        os_free(run.profile.cells);
    return err;
}

void profile_free(struct profile *profile)
{
    os_free(profile->cells);
    profile->cells = NULL;
}
