#include "cli/apply_walk.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"
#include "os/file.h"
#include "os/process.h"

void apply_say(struct apply_voice voice, const char *event, const char *name, unsigned wave,
               const char *detail)
{
    char buffer[2048];
    struct text json;
    if (!voice.is_json) {
        printf("%s%s%s%s%s\n", event, name ? " " : "", name ? name : "", detail ? ": " : "",
               detail ? detail : "");
        fflush(stdout);
        return;
    }
    text_init(&json, buffer, sizeof buffer);
    text_json_object(&json);
    text_json_key(&json, "event");
    text_json_str(&json, event);
    text_json_key(&json, voice.noun);
    text_json_str(&json, name);
    text_json_key(&json, "wave");
    text_json_u64(&json, wave);
    text_json_key(&json, "detail");
    text_json_str(&json, detail);
    text_json_end(&json);
    puts(buffer);
    fflush(stdout);
}

static void kill_point(struct apply_walk *walk)
{
    const char *at = getenv("FARSPAN_APPLY_KILL");
    uint64_t nth;
    walk->kill_points++;
    if (at && span_to_u64(span_of(at), &nth) && nth == walk->kill_points &&
        os_signal(getpid(), SIGKILL))
        abort();
}

static enum apply_end step(struct apply_walk *walk, enum apply_outcome outcome,
                           const struct text *failure)
{
    struct rollout *rollout = walk->rollout;
    if (outcome == APPLY_GOOD) {
        rollout_step(rollout, ROLLOUT_DONE);
        return APPLY_APPLIED;
    }
    if (outcome == APPLY_NO_ANSWER)
        return APPLY_LOST;
    if (!rollout_is_back(rollout) && rollout->state != ROLLOUT_COMMIT) {
        snprintf(walk->failure, APPLY_FAILURE_MAX, "%s", failure->p);
        apply_say(walk->voice, "failed, going back", NULL, 0, walk->failure);
    }
    rollout_step(rollout, ROLLOUT_FAILED);
    if (rollout->state != ROLLOUT_STUCK)
        return APPLY_APPLIED;
    fprintf(stderr, "farspan: %s\n  it stays as it is; mend that, and farspan apply goes on\n",
            failure->p);
    return APPLY_STUCK;
}

/* Ctrl-C: it ends as it always did, where the journal stands; a person is told what is next. */
static void say_broken_off(int signal_number)
{
    static const char words[] = "\nbroken off; the next farspan apply goes on from here\n";
    ssize_t written = write(STDERR_FILENO, words, sizeof words - 1);
    if (written < 0 || raise(signal_number)) /* the handler is reset: it ends on return */
        _exit(128 + signal_number);
}

static void speak_when_broken_off(bool is_on)
{
    static const int signals[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        struct sigaction old, wanted = {.sa_flags = (int)SA_RESETHAND};
        wanted.sa_handler = is_on ? say_broken_off : SIG_DFL;
        if (sigaction(signals[i], NULL, &old) || old.sa_handler == SIG_IGN)
            continue;
        CHECK(!sigaction(signals[i], &wanted, NULL));
    }
}

static enum apply_end walk_on(struct apply_walk *walk)
{
    while (!rollout_is_over(walk->rollout)) {
        char reason[APPLY_FAILURE_MAX];
        struct text failure;
        text_init(&failure, reason, sizeof reason);
        if (walk->keep(walk->context, &failure)) {
            fprintf(stderr, "farspan: where it stands cannot be noted: %s\n", reason);
            return APPLY_STUCK;
        }
        kill_point(walk);
        enum apply_outcome outcome =
            walk->perform(walk->context, rollout_next(walk->rollout), &failure);
        kill_point(walk);
        enum apply_end end = step(walk, outcome, &failure);
        if (end != APPLY_APPLIED)
            return end;
    }
    return walk->rollout->state == ROLLOUT_APPLIED ? APPLY_APPLIED : APPLY_UNDONE;
}

enum apply_end apply_walk(struct apply_walk *walk)
{
    speak_when_broken_off(true);
    enum apply_end end = walk_on(walk);
    speak_when_broken_off(false);
    return end;
}

/* The note goes first: as long as it is there, the plan must be too, and the next apply does the
 * last action again. */
void apply_forget(const char *folder)
{
    static const char *const names[] = {"apply.json", "plan.next.json"};
    char path[LIMIT_PATH + 32];
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        int n = snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        CHECK(n > 0 && (size_t)n < sizeof path); /* a folder has less than LIMIT_PATH */
        if (!os_file_exists(path) || !os_file_remove(path))
            continue;
        fprintf(stderr, "farspan apply: %s could not be removed\n", path);
        return;
    }
}
