/* apply_run.h: a change made real in the running world: what deploy/rollout.h says, performed by
 * the supervisor (cli/apply_walk.h); where it stands is noted by deploy/journal.h. */
#ifndef CLI_APPLY_RUN_H
#define CLI_APPLY_RUN_H

#include "cli/apply_walk.h"
#include "cli/world_client.h"
#include "deploy/journal.h"

struct apply_run {
    struct world_client *world;
    struct journal *journal;
    int64_t ready_wait_us; /* how long a batch may take until it is seen ready */
    bool is_json;          /* a JSON line an event instead of sentences */
};

enum apply_end apply_run(struct apply_run *run);

/* The roster of the running world. False after a sentence on standard error. */
bool apply_read_roster(struct world_client *world, struct roster *ret_roster);

#endif
