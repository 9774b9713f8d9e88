/* verb_apply.c: a plan made real in the running world: shown, asked about, then done in waves. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/apply_cluster.h"
#include "cli/apply_elsewhere.h"
#include "cli/apply_run.h"
#include "cli/apply_show.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "os/file.h"
#include "os/memory.h"

enum { PLAN_BYTES_MAX = 32 << 20, PLAN_ARENA = 4 * PLAN_BYTES_MAX };

/* farspan apply --target local */
struct apply {
    struct apply_wish wish;
    struct world_client world;
    struct arena arena;
    struct span plan; /* bytes of the file */
    char plan_hash[ROSTER_FILE_HEX];
    struct plan_sheet *sheet;
    struct roster now;
    struct change change;
    struct journal journal;
    char output[APPLY_SHOW_MAX];
};

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "farspan: %s: %s\n", what, why);
    return 1;
}

/* ---- the plan file ------------------------------------------------------------------------- */

static void hash(struct span content, char ret_hex[ROSTER_FILE_HEX])
{
    uint8_t digest[CRYPTO_SHA256_SIZE];
    crypto_sha256(content, digest);
    crypto_hex(digest, sizeof digest, ret_hex);
}

static bool read_plan(struct apply *apply)
{
    char message[1024];
    struct text why;
    text_init(&why, message, sizeof message);
    enum err err =
        os_file_read(apply->wish.plan, PLAN_BYTES_MAX, &apply->arena, &apply->plan, &why);
    if (!err) {
        hash(apply->plan, apply->plan_hash);
        err = plan_sheet_read_io(apply->plan, &apply->arena, &apply->sheet, &why);
    }
    if (err)
        fail(apply->wish.plan, why.n ? message : err_text(err));
    return !err;
}

/* The plan of the last apply, and nobody has changed the world since. */
static bool is_in_force(struct apply *apply)
{
    char path[STATE_PATH_MAX], unread[512], own[ROSTER_FILE_HEX];
    struct text why;
    struct span content;
    size_t mark = apply->arena.used;
    text_init(&why, unread, sizeof unread);
    if (!state_file_path(apply->world.state.path, "plan.json", path) ||
        os_file_read(path, PLAN_BYTES_MAX, &apply->arena, &content, &why))
        return false;
    hash(content, own);
    arena_reset(&apply->arena, mark);
    uint64_t base = apply->sheet->base_epoch ? apply->sheet->base_epoch : apply->world.fleet->epoch;
    return strcmp(own, apply->plan_hash) == 0 && apply->now.epoch == base + 1;
}

/* ---- doing it ------------------------------------------------------------------------------ */

static int run_journal(struct apply *apply)
{
    struct apply_run run = {.world = &apply->world,
                            .journal = &apply->journal,
                            .ready_wait_us = apply->wish.ready_wait_us,
                            .is_json = apply->wish.is_json};
    enum apply_end end = apply_run(&run);
    unsigned long long epoch = (unsigned long long)apply->journal.after.epoch;
    if (end == APPLY_APPLIED && apply->wish.is_json)
        printf("{\"event\":\"applied\",\"epoch\":%llu}\n", epoch);
    else if (end == APPLY_APPLIED)
        printf("applied: the world is at epoch %llu\n", epoch);
    else if (end == APPLY_UNDONE)
        fprintf(stderr, "farspan: %s\n  the world is as it was before, at epoch %llu\n",
                apply->journal.failure, epoch - 1);
    return end == APPLY_APPLIED ? 0 : 1;
}

/* What an apply left that was killed. OPTIONS_RUN: there was nothing, or the plan given is another
 * one; else the exit status. */
static int take_up(struct apply *apply)
{
    char message[1024];
    struct text why;
    const char *state = apply->world.state.path;
    text_init(&why, message, sizeof message);
    enum err err = journal_read(state, &apply->world.room, apply->now.file, &apply->journal, &why);
    if (err == ERR_NOT_FOUND) {
        if (!apply->wish.is_dry)
            apply_forget(state);
        return OPTIONS_RUN;
    }
    if (err == ERR_STALE) {
        fprintf(stderr, "farspan: what an apply to another farspan.yaml left is forgotten\n");
        return OPTIONS_RUN;
    }
    if (err)
        return fail("what the last apply left cannot be read", why.n ? message : err_text(err));
    const struct rollout *rollout = &apply->journal.rollout;
    const struct rollout_list *list = rollout->list;
    if (!apply->wish.is_json)
        printf("an apply was broken off in wave %u of %u, on the way %s: %s\n",
               list->batch_count ? list->batches[rollout->batch].wave + 1u : 1u,
               list->batch_count ? list->batches[list->batch_count - 1].wave + 1u : 1u,
               rollout_is_back(rollout) ? "back" : "forth",
               apply->wish.is_dry ? "farspan apply takes it up" : "it is taken up");
    if (apply->wish.is_dry)
        return APPLY_DIFFERS;
    int status = apply_ask(apply->wish.is_yes, "go on?");
    if (status == OPTIONS_RUN)
        status = run_journal(apply);
    bool is_same = strcmp(apply->plan_hash, apply->journal.plan) == 0;
    if (status != 0 || !apply->wish.plan || is_same)
        return status;
    return apply_read_roster(&apply->world, &apply->now) ? OPTIONS_RUN : 1;
}

static void show(struct apply *apply)
{
    struct text text;
    text_init(&text, apply->output, sizeof apply->output);
    if (apply->wish.is_json)
        apply_show_json(&apply->change, &apply->world.room, &text);
    else
        apply_show_text(&apply->change, apply->sheet, &apply->world.room, &text);
    printf("%s%s", apply->output, apply->wish.is_json ? "\n" : "");
    fflush(stdout);
}

static int begin(struct apply *apply)
{
    char path[STATE_PATH_MAX], message[1024];
    struct text why;
    text_init(&why, message, sizeof message);
    if (!state_file_path(apply->world.state.path, "plan.next.json", path) ||
        os_file_write(path, apply->plan, 0600, &why))
        return fail("the plan cannot be kept", message);
    journal_init(&apply->journal, &apply->change, apply->plan_hash);
    return run_journal(apply);
}

static int apply_plan(struct apply *apply)
{
    char message[1024];
    struct text why;
    text_init(&why, message, sizeof message);
    if (is_in_force(apply)) {
        if (!apply->wish.is_json)
            printf("this plan is in force, since epoch %llu\n",
                   (unsigned long long)apply->now.epoch);
        return 0;
    }
    enum err err = change_make(apply->sheet, &apply->world.room, &apply->now, &apply->change, &why);
    if (err)
        return fail(apply->wish.plan, why.n ? message : err_text(err));
    show(apply);
    if (change_is_empty(&apply->change)) {
        if (!apply->wish.is_json)
            printf("\nno difference: the world runs as planned\n");
        return 0;
    }
    if (apply->wish.is_dry)
        return APPLY_DIFFERS;
    int status = apply_ask(apply->wish.is_yes, "apply it?");
    return status == OPTIONS_RUN ? begin(apply) : status;
}

static int run(struct apply *apply)
{
    char path[STATE_PATH_MAX], message[1024];
    struct text why;
    int lock = -1;
    text_init(&why, message, sizeof message);
    if (apply->wish.plan && !read_plan(apply))
        return 1;
    if (!world_client_open(apply->wish.state, &apply->world))
        return 1;
    if (!state_file_path(apply->world.state.path, "apply.lock", path))
        return fail(apply->world.state.path, "the path is too long");
    enum err err = os_file_lock(path, &lock, &why);
    if (err)
        return fail("the world",
                    err == ERR_EXISTS ? "another farspan apply changes it just now" : message);
    int status = apply_read_roster(&apply->world, &apply->now) ? take_up(apply) : 1;
    if (status == OPTIONS_RUN && !apply->wish.plan)
        status = fail("no apply was broken off", "name a plan: farspan apply plan.json");
    if (status == OPTIONS_RUN)
        status = apply_plan(apply);
    close(lock);
    return status;
}

static int apply_local(const struct apply_wish *wish)
{
    struct apply *apply OS_FREED = os_alloc(sizeof *apply);
    void *memory OS_FREED = os_alloc(PLAN_ARENA);
    if (!apply || !memory)
        return fail("apply", err_text(ERR_MEMORY));
    arena_init(&apply->arena, memory, PLAN_ARENA);
    apply->wish = *wish;
    apply->world.state.lock_fd = -1;
    int status = run(apply);
    world_client_close(&apply->world);
    return status;
}

/* ---- the verb ------------------------------------------------------------------------------- */

struct verb {
    struct apply_wish wish;
    struct render_job job;
    const char *target;
};

static int apply_elsewhere(struct verb *verb, const struct option_usage *usage)
{
    struct render_job *job = &verb->job;
    if (!render_target_find(verb->target, &job->target))
        return options_refuse(
            usage, "--target %s: expected local, kubernetes, terraform or systemd", verb->target);
    if (!job->file)
        return options_refuse(usage, "--target %s needs -f FILE, the farspan.yaml of the plan",
                              verb->target);
    if (job->target != RENDER_KUBERNETES && (!verb->wish.plan || !verb->wish.folder))
        return options_refuse(usage, "--target %s needs a plan, and -o DIR for its files",
                              verb->target);
    int status = render_job_check(job, usage);
    if (status != OPTIONS_RUN)
        return status;
    if (job->target == RENDER_KUBERNETES)
        status = apply_cluster(&verb->wish, job);
    else if (job->target == RENDER_TERRAFORM)
        status = apply_terraform(&verb->wish, job);
    else
        status = apply_hosts(&verb->wish, job);
    render_job_close(job);
    return status;
}

int verb_apply(int argc, char **argv)
{
    struct verb *verb OS_FREED = os_alloc(sizeof *verb);
    if (!verb)
        return fail("apply", err_text(ERR_MEMORY));
    struct apply_wish *wish = &verb->wish;
    render_job_init(&verb->job, "apply");
    verb->target = "local";
    wish->ready_wait_us = -1;
    enum { OWN_ROWS = 9 };
    struct option_row rows[OWN_ROWS + RENDER_JOB_ROWS] = {
        {"--target", "WHERE", "local (the running world), kubernetes, terraform or systemd",
         OPTION_TEXT, &verb->target, 0, 0},
        {"--dry-run", NULL, "show the difference only; exit 2 when there is one", OPTION_FLAG,
         &wish->is_dry, 0, 0},
        {"--yes", NULL, "do not ask", OPTION_FLAG, &wish->is_yes, 0, 0},
        {"--timeout", "TIME", "for a wave to be ready (local 2min, kubernetes 15min)", OPTION_TIME,
         &wish->ready_wait_us, 0, 0},
        {"--json", NULL, "the difference as JSON, then a line an event", OPTION_FLAG,
         &wish->is_json, 0, 0},
        {"--state", "DIR", "state folder: of the world; for kubernetes, what is in force",
         OPTION_TEXT, &wish->state, 0, 0},
        {"--context", "REGION=NAME", "kubernetes: the kubectl context of a region; one for each",
         OPTION_LIST, &wish->contexts, 0, 0},
        {"-o|--output", "DIR", "terraform, systemd: the folder of the rendered files", OPTION_TEXT,
         &wish->folder, 0, 0},
        {"--keep-old", NULL, "terraform: no pool gets smaller yet; apply again without it later",
         OPTION_FLAG, &wish->keeps_old, 0, 0},
    };
    render_job_rows(&verb->job, rows + OWN_ROWS);
    const struct option_usage usage = {
        "farspan apply [PLAN] [--target WHERE -f FILE] [--dry-run] [--yes] [--json]",
        "Makes a plan of farspan plan real: in the world that runs on this machine, or in "
        "clusters\n"
        "and clouds. Shows what starts, stops and moves and what it costs, asks, then acts in\n"
        "waves, new replicas ready before old ones drained. A wave that fails is undone. Killed,\n"
        "it is taken up by the next farspan apply.",
        "farspan apply plan.json --dry-run",
        rows,
        COUNT_OF(rows),
        0,
        1};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;
    wish->plan = rest ? argv[0] : NULL;
    bool is_local = strcmp(verb->target, "local") == 0;
    if (is_local && (!render_job_is_default(&verb->job) || wish->contexts.count || wish->folder ||
                     wish->keeps_old))
        return options_refuse(&usage,
                              "-f, -o, --catalog, --context, --gateways, --image, --keep-old, "
                              "--models, --namespace and --url belong to --target kubernetes, "
                              "terraform or systemd");
    if (wish->ready_wait_us < 0)
        wish->ready_wait_us = (is_local ? 2 : 15) * (int64_t)60 * 1000 * 1000;
    return is_local ? apply_local(wish) : apply_elsewhere(verb, &usage);
}
