/* apply_walk.h: a rollout walked to its end, one action after the other, with a note of where it
 * stands before each, whatever the actions are (deploy/rollout.h has the order).
 *
 * Each action may come twice: the note is written before it, and who is killed in between does it
 * again. For tests: FARSPAN_APPLY_KILL=N kills this process at the N-th of these points: before an
 * action, after it, before the next one, ... */
#ifndef CLI_APPLY_WALK_H
#define CLI_APPLY_WALK_H

#include "base/err.h"
#include "base/text.h"
#include "deploy/rollout.h"

enum { APPLY_FAILURE_MAX = 512 };

enum apply_outcome {
    APPLY_GOOD,
    APPLY_BAD,
    APPLY_NO_ANSWER, /* of who acts for us: the note stays */
    APPLY_NOT_YET    /* for waits within an action; no action ends so */
};

enum apply_end {
    APPLY_APPLIED,
    APPLY_UNDONE, /* an action failed, what was before runs again */
    APPLY_STUCK,  /* it could not go back either: the note stays */
    APPLY_LOST    /* nobody acts for us any more: the note stays */
};

struct apply_voice {
    bool is_json;     /* a JSON line an event instead of sentences */
    const char *noun; /* JSON's key for what an action is about: "worker", "region" */
};

struct apply_walk {
    struct rollout *rollout;
    char *failure; /* APPLY_FAILURE_MAX bytes: why it goes back */
    struct apply_voice voice;
    unsigned kill_points;
    void *context;
    enum err (*keep)(void *context, struct text *why); /* writes the note */
    /* Does it. <failure> gets why not. */
    enum apply_outcome (*perform)(void *context, struct rollout_action action,
                                  struct text *failure);
};

/* Nobody removes the note but the caller, after APPLIED and UNDONE. After STUCK standard error says
 * why. */
enum apply_end apply_walk(struct apply_walk *walk);

/* Nothing is left to take up: apply.json, the note, and plan.next.json, the plan that it speaks of,
 * go from <folder> as far as they are there. What stays is named on standard error and goes with
 * the next apply. */
void apply_forget(const char *folder);

/* On standard output: "start aws:us-east-1+1", or {"event",NOUN,"wave","detail"}. <name> and
 * <detail> may be NULL. */
void apply_say(struct apply_voice voice, const char *event, const char *name, unsigned wave,
               const char *detail);

#endif
