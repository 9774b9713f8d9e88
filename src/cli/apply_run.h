/* apply_run.h: a change made real in the running world: performs what deploy/rollout.h says, one
 * action after the other, with a note of where it stands before each (deploy/journal.h). */
#ifndef CLI_APPLY_RUN_H
#define CLI_APPLY_RUN_H

#include "cli/world_client.h"
#include "deploy/journal.h"

struct apply_run {
    struct world_client *world;
    struct journal *journal;
    int64_t ready_wait_us; /* how long a batch may take until it is seen ready */
    bool is_json;          /* a JSON line an event instead of sentences */
    unsigned kill_points;  /* for tests, see FARSPAN_APPLY_KILL in apply_run.c */
};

enum apply_end {
    APPLY_APPLIED,
    APPLY_UNDONE, /* a wave failed, what was before runs again */
    APPLY_STUCK,  /* it could not go back either: the journal stays */
    APPLY_LOST    /* the supervisor does not answer: the journal stays */
};

enum apply_end apply_run(struct apply_run *run);

/* The roster of the running world. False after a sentence on standard error. */
bool apply_read_roster(struct world_client *world, struct roster *ret_roster);

#endif
