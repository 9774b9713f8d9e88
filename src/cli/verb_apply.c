/* verb_apply.c: a plan made real in the running world: shown, asked about, then done in waves. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/apply_run.h"
#include "cli/apply_show.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "os/file.h"
#include "os/memory.h"

enum { PLAN_BYTES_MAX = 32 << 20, PLAN_ARENA = 4 * PLAN_BYTES_MAX, EXIT_DIFFERS = 2 };

struct apply {
    const char *plan_path, *state, *target;
    bool is_dry, is_yes, is_json;
    int64_t ready_wait_us;
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
        os_file_read(apply->plan_path, PLAN_BYTES_MAX, &apply->arena, &apply->plan, &why);
    if (!err) {
        hash(apply->plan, apply->plan_hash);
        err = plan_sheet_read_io(apply->plan, &apply->arena, &apply->sheet, &why);
    }
    if (err)
        fail(apply->plan_path, why.n ? message : err_text(err));
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

/* ---- asking a person ----------------------------------------------------------------------- */

/* Answers OPTIONS_RUN for yes, else the exit status. */
static int ask_person(const struct apply *apply, const char *question)
{
    char answer[16];
    if (apply->is_yes)
        return OPTIONS_RUN;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return fail("nobody can be asked here", "say --yes to apply, or --dry-run to look");
    printf("\n%s [y/N] ", question);
    fflush(stdout);
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return OPTIONS_RUN;
    printf("nothing was changed\n");
    return 1;
}

/* ---- doing it ------------------------------------------------------------------------------ */

static int run_journal(struct apply *apply)
{
    struct apply_run run = {.world = &apply->world,
                            .journal = &apply->journal,
                            .ready_wait_us = apply->ready_wait_us,
                            .is_json = apply->is_json};
    enum apply_end end = apply_run(&run);
    unsigned long long epoch = (unsigned long long)apply->journal.after.epoch;
    if (end == APPLY_APPLIED && apply->is_json)
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
    if (err == ERR_NOT_FOUND)
        return OPTIONS_RUN;
    if (err == ERR_STALE) {
        fprintf(stderr, "farspan: what an apply to another farspan.yaml left is forgotten\n");
        return OPTIONS_RUN;
    }
    if (err)
        return fail("what the last apply left cannot be read", why.n ? message : err_text(err));
    const struct rollout *rollout = &apply->journal.rollout;
    const struct rollout_list *list = rollout->list;
    if (!apply->is_json)
        printf("an apply was broken off in wave %u of %u, on the way %s: it is taken up\n",
               list->batch_count ? list->batches[rollout->batch].wave + 1u : 1u,
               list->batch_count ? list->batches[list->batch_count - 1].wave + 1u : 1u,
               rollout_is_back(rollout) ? "back" : "forth");
    if (apply->is_dry)
        return EXIT_DIFFERS;
    int status = ask_person(apply, "go on?");
    if (status == OPTIONS_RUN)
        status = run_journal(apply);
    bool is_same = strcmp(apply->plan_hash, apply->journal.plan) == 0;
    if (status != 0 || !apply->plan_path || is_same)
        return status;
    return apply_read_roster(&apply->world, &apply->now) ? OPTIONS_RUN : 1;
}

static void show(struct apply *apply)
{
    struct text text;
    text_init(&text, apply->output, sizeof apply->output);
    if (apply->is_json)
        apply_show_json(&apply->change, &apply->world.room, &text);
    else
        apply_show_text(&apply->change, apply->sheet, &apply->world.room, &text);
    printf("%s%s", apply->output, apply->is_json ? "\n" : "");
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
        if (!apply->is_json)
            printf("this plan is in force, since epoch %llu\n",
                   (unsigned long long)apply->now.epoch);
        return 0;
    }
    enum err err = change_make(apply->sheet, &apply->world.room, &apply->now, &apply->change, &why);
    if (err)
        return fail(apply->plan_path, why.n ? message : err_text(err));
    show(apply);
    if (change_is_empty(&apply->change)) {
        if (!apply->is_json)
            printf("\nno difference: the world runs as planned\n");
        return 0;
    }
    if (apply->is_dry)
        return EXIT_DIFFERS;
    int status = ask_person(apply, "apply it?");
    return status == OPTIONS_RUN ? begin(apply) : status;
}

static int run(struct apply *apply)
{
    char path[STATE_PATH_MAX], message[1024];
    struct text why;
    int lock = -1;
    text_init(&why, message, sizeof message);
    if (apply->plan_path && !read_plan(apply))
        return 1;
    if (!world_client_open(apply->state, &apply->world))
        return 1;
    if (!state_file_path(apply->world.state.path, "apply.lock", path))
        return fail(apply->world.state.path, "the path is too long");
    enum err err = os_file_lock(path, &lock, &why);
    if (err)
        return fail("the world",
                    err == ERR_EXISTS ? "another farspan apply changes it just now" : message);
    if (!apply_read_roster(&apply->world, &apply->now))
        return 1;
    int status = take_up(apply);
    if (status == OPTIONS_RUN && !apply->plan_path)
        status = fail("no apply was broken off", "name a plan: farspan apply plan.json");
    if (status == OPTIONS_RUN)
        status = apply_plan(apply);
    close(lock);
    return status;
}

int verb_apply(int argc, char **argv)
{
    struct apply *apply OS_FREED = os_alloc(sizeof *apply);
    void *memory OS_FREED = os_alloc(PLAN_ARENA);
    if (!apply || !memory)
        return fail("apply", err_text(ERR_MEMORY));
    arena_init(&apply->arena, memory, PLAN_ARENA);
    apply->target = "local";
    apply->ready_wait_us = 120 * 1000 * 1000;
    const struct option_row rows[] = {
        {"--target", "NAME", "where (local)", OPTION_TEXT, &apply->target, 0, 0},
        {"--dry-run", NULL, "show the difference only; exit 2 when there is one", OPTION_FLAG,
         &apply->is_dry, 0, 0},
        {"--yes", NULL, "do not ask", OPTION_FLAG, &apply->is_yes, 0, 0},
        {"--timeout", "TIME", "for new workers to be seen ready, a wave (2min)", OPTION_TIME,
         &apply->ready_wait_us, 0, 0},
        {"--json", NULL, "the difference as JSON, then a line an event", OPTION_FLAG,
         &apply->is_json, 0, 0},
        {"--state", "DIR", "state folder of the world", OPTION_TEXT, &apply->state, 0, 0},
    };
    const struct option_usage usage = {
        "farspan apply [PLAN] [--dry-run] [--yes] [--timeout TIME] [--json] [--state DIR]",
        "Makes a plan of farspan plan real in the world that runs on this machine: shows what\n"
        "starts, stops and moves and what it costs, asks, then acts in waves, new workers ready\n"
        "before old ones drained. A wave that fails is undone. Killed, it is taken up by the next\n"
        "farspan apply.",
        "farspan apply plan.json --dry-run",
        rows,
        COUNT_OF(rows),
        0,
        1};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;
    if (strcmp(apply->target, "local") != 0)
        return options_refuse(&usage,
                              "--target %s: expected local; for Kubernetes, Terraform and "
                              "systemd farspan render writes the files",
                              apply->target);
    apply->plan_path = rest ? argv[0] : NULL;
    apply->world.state.lock_fd = -1;
    status = run(apply);
    world_client_close(&apply->world);
    return status;
}
