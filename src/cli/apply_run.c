#include "cli/apply_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/check.h"
#include "deploy/world.h"
#include "fleet/layout.h"
#include "os/clock.h"
#include "os/file.h"

enum {
    SAY_US = 10 * 1000 * 1000,
    LOOK_US = 200 * 1000,
    RESTARTS_MAX = 3,
    BODY_MAX = 16 * 1024,
    PATIENCE_ASKS = 10
};

/* ---- words --------------------------------------------------------------------------------- */

static const char *name_of(const struct apply_run *run, uint16_t worker, char *buffer, size_t size)
{
    struct span name = run->world->fleet->workers[worker].name;
    snprintf(buffer, size, "%.*s", SPAN_ARG(name));
    return buffer;
}

static struct apply_voice voice_of(const struct apply_run *run)
{
    return (struct apply_voice){run->is_json, "worker"};
}

/* ---- asking -------------------------------------------------------------------------------- */

/* NULL: no answer, or none that is 200. What it took of the arena is given back. */
static json_t *ask(struct world_client *world, uint16_t port, const char *path)
{
    char message[512];
    struct text why;
    struct span body;
    size_t mark = world->arena.used;
    text_init(&why, message, sizeof message);
    unsigned status =
        world_client_ask(world, port, "GET", path, "Peer", (struct span){0}, &body, &why);
    json_t *root = status == 200 ? json_loadb(body.p, body.n, 0, NULL) : NULL;
    arena_reset(&world->arena, mark);
    return root;
}

/* A supervisor that is busy for a moment is asked again. */
static json_t *ask_supervisor(struct world_client *world, const char *path)
{
    uint16_t port = fleet_port_supervisor(world->fleet, world->port_base);
    json_t *root = ask(world, port, path);
    for (unsigned i = 0; !root && i < PATIENCE_ASKS; i++) {
        usleep(LOOK_US);
        root = ask(world, port, path);
    }
    return root;
}

/* <failure> gets what it says against it. */
static enum apply_outcome tell_supervisor(struct apply_run *run, const char *path, struct span body,
                                          struct text *failure)
{
    struct world_client *world = run->world;
    uint16_t port = fleet_port_supervisor(world->fleet, world->port_base);
    char message[512];
    struct text why;
    struct span answer;
    size_t mark = world->arena.used;
    text_init(&why, message, sizeof message);
    unsigned status = 0;
    for (unsigned i = 0; !status && i <= PATIENCE_ASKS; i++) {
        if (i > 0)
            usleep(LOOK_US);
        status = world_client_ask(world, port, "POST", path, "Peer", body, &answer, &why);
    }
    if (status != 0 && status != 200) {
        json_t *root = json_loadb(answer.p, answer.n, 0, NULL);
        const char *error = json_string_value(json_object_get(root, "error"));
        text_add(failure, "the supervisor refused: %s", error ? error : "it gave no reason");
        json_decref(root);
    }
    arena_reset(&world->arena, mark);
    return status == 200 ? APPLY_GOOD : status ? APPLY_BAD : APPLY_NO_ANSWER;
}

bool apply_read_roster(struct world_client *world, struct roster *ret_roster)
{
    char message[512];
    struct text why;
    text_init(&why, message, sizeof message);
    json_t *root = ask_supervisor(world, "/peer/v1/roster");
    enum err err = roster_read(root, &world->room, ret_roster, &why);
    if (!root)
        fprintf(stderr, "farspan: the supervisor (pid %lld) does not answer\n",
                (long long)world->pid);
    else if (err)
        fprintf(stderr, "farspan: the supervisor's roster cannot be read: %s\n", message);
    json_decref(root);
    return !err;
}

/* ---- start and stop ------------------------------------------------------------------------ */

static enum apply_outcome place(struct apply_run *run, uint16_t worker, bool is_start,
                                struct text *failure)
{
    char row[BODY_MAX], body[BODY_MAX];
    struct text json, whole;
    const struct roster_row *wanted = journal_row(run->journal, worker);
    text_init(&json, row, sizeof row);
    text_init(&whole, body, sizeof body);
    if (is_start) {
        roster_print_row(wanted, worker, run->world->fleet, &json);
        CHECK(json.n > 2 && !json.is_cut);
        text_add(&whole, "{\"do\":\"start\",%s", row + 1);
    } else {
        text_json_object(&whole);
        text_json_key(&whole, "do");
        text_json_str(&whole, "stop");
        text_json_key(&whole, "worker");
        text_json_span(&whole, run->world->fleet->workers[worker].name);
        text_json_end(&whole);
    }
    CHECK(!whole.is_cut);
    return tell_supervisor(run, "/peer/v1/place", text_span(&whole), failure);
}

/* ---- waiting ------------------------------------------------------------------------------- */

static const json_t *find_process(const json_t *state, const char *role, struct span name)
{
    size_t i;
    json_t *process;
    size_t role_size = strlen(role);
    json_array_foreach(json_object_get(state, "processes"), i, process)
    {
        const char *whole = json_string_value(json_object_get(process, "process"));
        if (whole && strncmp(whole, role, role_size) == 0 && whole[role_size] == ' ' &&
            span_is(name, whole + role_size + 1))
            return process;
    }
    return NULL;
}

/* Why a model of the worker cannot be loaded, if it says so. */
static bool has_engine_failure(struct apply_run *run, uint16_t worker, struct text *failure)
{
    struct world_client *world = run->world;
    uint16_t port = fleet_port_worker(world->fleet, world->port_base, worker);
    json_t *root = ask(world, port, "/peer/v1/state");
    bool has_failed = false;
    size_t i;
    json_t *engine;
    json_array_foreach(json_object_get(root, "engines"), i, engine)
    {
        const char *why = json_string_value(json_object_get(engine, "failure"));
        if (!why || has_failed)
            continue;
        text_add(failure, "its engine cannot start: %s", why);
        has_failed = true;
    }
    json_decref(root);
    return has_failed;
}

/* Is a target of that name ready at a gateway, for <service>? */
static bool is_target_ready(const json_t *gateway, struct span service, const char *key,
                            const char *target)
{
    size_t i, j;
    json_t *row, *candidate;
    json_array_foreach(json_object_get(gateway, "services"), i, row)
    {
        const char *name = json_string_value(json_object_get(row, "service"));
        if (!name || !span_is(service, name))
            continue;
        json_array_foreach(json_object_get(row, "targets"), j, candidate)
        {
            const char *found = json_string_value(json_object_get(candidate, key));
            const char *kind = json_string_value(json_object_get(candidate, "kind"));
            bool is_kind = kind && (strcmp(kind, "region") == 0) == (strcmp(key, "region") == 0);
            if (found && is_kind && strcmp(found, target) == 0)
                return json_is_true(json_object_get(candidate, "ready"));
        }
    }
    return false;
}

/* Does the gateway of <region> send requests there? Its own region's sees the worker itself, the
 * others see the region. */
static bool is_seen_by(struct apply_run *run, const json_t *gateway, uint16_t region,
                       uint16_t worker)
{
    const struct fleet *fleet = run->world->fleet;
    const struct fleet_worker *row = &fleet->workers[worker];
    uint64_t services = journal_row(run->journal, worker)->services;
    char target[2 * LIMIT_NAME + 8];
    for (uint16_t s = 0; s < fleet->service_count; s++) {
        struct span service = fleet->services[s].name;
        if (!(services >> s & 1))
            continue;
        if (row->region == region)
            snprintf(target, sizeof target, "%.*s-%.*s", SPAN_ARG(row->name), SPAN_ARG(service));
        else
            snprintf(target, sizeof target, "%.*s", SPAN_ARG(fleet->regions[row->region].name));
        const char *key = row->region == region ? "target" : "region";
        if (!is_target_ready(gateway, service, key, target))
            return false;
    }
    return true;
}

/* By every gateway that runs; the worker's own region must have one. */
static bool is_seen(struct apply_run *run, const json_t *state, uint16_t worker,
                    struct text *failure)
{
    struct world_client *world = run->world;
    for (uint16_t r = 0; r < world->fleet->region_count; r++) {
        bool is_own = world->fleet->workers[worker].region == r;
        const json_t *process = find_process(state, "gateway", world->fleet->regions[r].name);
        const char *how = json_string_value(json_object_get(process, "state"));
        if (!is_own && (!how || strcmp(how, "running") != 0))
            continue; /* killed or paused by a person: it learns when it is back */
        json_t *gateway =
            ask(world, fleet_port_gateway(world->fleet, world->port_base, r), "/peer/v1/state");
        bool is_good = gateway && is_seen_by(run, gateway, r, worker);
        json_decref(gateway);
        if (is_good)
            continue;
        text_add(failure, "the gateway of %.*s does not see it ready",
                 SPAN_ARG(world->fleet->regions[r].name));
        return false;
    }
    return true;
}

static enum apply_outcome look_ready(struct apply_run *run, const json_t *state, uint16_t worker,
                                     struct text *failure)
{
    const json_t *process = find_process(state, "worker", run->world->fleet->workers[worker].name);
    const char *how = json_string_value(json_object_get(process, "state"));
    json_int_t restarts = json_integer_value(json_object_get(process, "restarts"));
    if (!how) {
        text_add(failure, "somebody else stopped it");
        return APPLY_BAD;
    }
    if (strcmp(how, "given up") == 0 || restarts >= RESTARTS_MAX) {
        text_add(failure, "it dies again and again: see farspan logs");
        return APPLY_BAD;
    }
    if (strcmp(how, "running") != 0) {
        text_add(failure, "it is %s", how);
        return APPLY_NOT_YET;
    }
    if (has_engine_failure(run, worker, failure))
        return APPLY_BAD;
    return is_seen(run, state, worker, failure) ? APPLY_GOOD : APPLY_NOT_YET;
}

static enum apply_outcome look_gone(struct apply_run *run, const json_t *state, uint16_t worker,
                                    struct text *failure)
{
    if (!find_process(state, "worker", run->world->fleet->workers[worker].name))
        return APPLY_GOOD;
    text_add(failure, "its last requests are not over");
    return APPLY_NOT_YET;
}

/* Once, at all workers of the batch. */
static enum apply_outcome look(struct apply_run *run, struct rollout_action action,
                               struct text *failure)
{
    json_t *state = ask_supervisor(run->world, "/peer/v1/state");
    if (!state)
        return APPLY_NO_ANSWER;
    enum apply_outcome outcome = APPLY_GOOD;
    for (uint16_t i = 0; i < action.count && outcome == APPLY_GOOD; i++) {
        uint16_t worker = run->journal->list.workers[action.first + i];
        text_truncate(failure, 0);
        text_add(failure, "%.*s: ", SPAN_ARG(run->world->fleet->workers[worker].name));
        outcome = action.task == ROLLOUT_AWAIT_READY ? look_ready(run, state, worker, failure)
                                                     : look_gone(run, state, worker, failure);
    }
    json_decref(state);
    return outcome;
}

static enum apply_outcome wait_for_batch(struct apply_run *run, struct rollout_action action,
                                         struct text *failure)
{
    bool is_ready = action.task == ROLLOUT_AWAIT_READY;
    int64_t wait_us = is_ready ? run->ready_wait_us : 2 * (int64_t)WORLD_LEAVE_WAIT_US;
    int64_t until_us = os_now_us() + wait_us, say_us = os_now_us() + SAY_US;
    enum apply_outcome outcome;
    while ((outcome = look(run, action, failure)) == APPLY_NOT_YET) {
        if (os_now_us() >= until_us) {
            text_add(failure, " after %lld s", (long long)(wait_us / 1000000));
            return APPLY_BAD;
        }
        if (os_now_us() >= say_us) {
            apply_say(voice_of(run), "waiting", NULL, action.wave, failure->p);
            say_us = os_now_us() + SAY_US;
        }
        usleep(LOOK_US);
    }
    return outcome;
}

/* ---- the end ------------------------------------------------------------------------------- */

static enum apply_outcome note(struct apply_run *run, struct text *failure)
{
    struct world_client *world = run->world;
    char next[STATE_PATH_MAX], path[STATE_PATH_MAX], body[64];
    struct span content;
    size_t mark = world->arena.used;
    if (!state_file_path(world->state.path, "plan.next.json", next) ||
        !state_file_path(world->state.path, "plan.json", path))
        return APPLY_BAD;
    enum err err = os_file_read(next, world->arena.size, &world->arena, &content, failure);
    if (!err)
        err = os_file_write(path, content, 0600, failure);
    arena_reset(&world->arena, mark);
    if (err)
        return APPLY_BAD;
    int n = snprintf(body, sizeof body, "{\"epoch\":%llu}",
                     (unsigned long long)run->journal->after.epoch);
    return tell_supervisor(run, "/peer/v1/epoch", span_from(body, (size_t)n), failure);
}

static enum apply_outcome perform(void *context, struct rollout_action action, struct text *failure)
{
    struct apply_run *run = context;
    uint16_t worker = run->journal->list.workers[action.first];
    char name[LIMIT_NAME + 1];
    bool is_start = action.task == ROLLOUT_START;
    enum apply_outcome outcome;
    switch (action.task) {
    case ROLLOUT_START:
    case ROLLOUT_STOP:
        apply_say(voice_of(run), is_start ? "start" : "stop",
                  name_of(run, worker, name, sizeof name), action.wave, NULL);
        outcome = place(run, worker, is_start, failure);
        break;
    case ROLLOUT_AWAIT_READY:
    case ROLLOUT_AWAIT_GONE:
        outcome = wait_for_batch(run, action, failure);
        if (outcome == APPLY_GOOD)
            apply_say(voice_of(run), action.task == ROLLOUT_AWAIT_READY ? "ready" : "gone", NULL,
                      action.wave, NULL);
        break;
    case ROLLOUT_NOTE:
        outcome = note(run, failure);
        break;
    default:
        CHECK(false);
    }
    return outcome;
}

static enum err keep(void *context, struct text *why)
{
    const struct apply_run *run = context;
    return journal_write(run->world->state.path, run->journal, run->world->fleet, why);
}

enum apply_end apply_run(struct apply_run *run)
{
    struct journal *journal = run->journal;
    struct apply_walk walk = {.rollout = &journal->rollout,
                              .failure = journal->failure,
                              .voice = voice_of(run),
                              .context = run,
                              .keep = keep,
                              .perform = perform};
    enum apply_end end = apply_walk(&walk);
    if (end == APPLY_LOST)
        fprintf(stderr,
                "farspan: the supervisor (pid %lld) does not answer any more; when the "
                "world runs again, farspan apply takes this up\n",
                (long long)run->world->pid);
    if (end == APPLY_APPLIED || end == APPLY_UNDONE)
        apply_forget(run->world->state.path);
    return end;
}
