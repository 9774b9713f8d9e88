/* profile_run.h: drives one server with streaming requests and fills the cells of a profile.
 *
 *   warm up (as many at once as the largest batch: opens the connections)
 *   for each prompt size:  find how many words make so many tokens
 *     for each batch:      rounds of <batch> requests at the same moment, until the medians are
 *                          steady, PROFILE_ROUNDS_MAX or the cell's share of the time is over
 *
 * Every prompt is of words drawn anew, so that no prefix cache helps; what the server says to have
 * cached nevertheless is kept. Tokens are counted by the server's `usage` and by nothing else.
 *
 * A prompt size or batch that the server refuses ends that row of cells, with its words in the
 * cell's note. Everything else that goes wrong (no connection, a key that is not taken, an answer
 * that is no stream, has no usage or breaks off) ends the profile. */
#ifndef CLI_PROFILE_RUN_H
#define CLI_PROFILE_RUN_H

#include "base/err.h"
#include "base/text.h"
#include "cli/profile_ask.h"
#include "cli/profile_cell.h"
#include "cli/profile_watts.h"

enum {
    PROFILE_PROMPT_MAX = 65536, /* tokens */
    PROFILE_ANSWER_MAX = 1024   /* tokens; PROFILE_PIECES_MAX has room for their times */
};

struct profile_wish {
    struct profile_server server;
    uint32_t prompts[PROFILE_SIZES_MAX], batches[PROFILE_SIZES_MAX]; /* ascending, all different */
    uint32_t prompt_count, batch_count;
    uint32_t answer_tokens;
    int64_t limit_us;
    uint32_t accelerator_count; /* of the replica, for the watts */
    const char *no_watts;       /* why they are not measured; NULL: try */
};

struct profile {
    struct profile_cell *cells; /* prompt by prompt, batches ascending */
    uint32_t cell_count;
    enum profile_watts_source source;
    char why_no_watts[160];
    bool has_idle;
    double idle_w; /* of all that was measured, before the first request */
    int64_t took_us;
};

/* Where it stands, for a person; called often. */
struct profile_progress {
    const struct profile_cell *cell; /* NULL: warming up */
    uint32_t cell_number, cell_count;
    int64_t elapsed_us, limit_us;
};

/* Blocks. <ret_profile>: profile_free() it; written on ERR_OK only. */
MUST_USE enum err profile_run(const struct profile_wish *wish,
                              void (*on_progress)(void *user,
                                                  const struct profile_progress *progress),
                              void *user, struct profile *ret_profile, struct text *why);
void profile_free(struct profile *profile);

#endif
