#include "cli/apply_cluster.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/apply_show.h"
#include "cli/cluster_run.h"
#include "deploy/state.h"
#include "os/file.h"
#include "os/memory.h"

enum { STATUS_MISUSE = 2, TABLE_BYTES = 16 << 20 };

struct apply {
    const struct apply_wish *wish;
    struct cluster_run run;
    struct span plan; /* bytes of the file */
    char plan_hash[2 * CRYPTO_SHA256_SIZE + 1];
    uint64_t epoch; /* of the clusters; 0: nothing of ours is there */
    bool is_again;  /* the plan is that in force */
};

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "farspan apply: %s: %s\n", what, why);
    return 1;
}

/* ---- what is given ----------------------------------------------------------------------------
 */

/* REGION=CONTEXT; a region's name holds no '='. */
static int take_contexts(struct apply *apply)
{
    struct cluster_note *note = &apply->run.note;
    *note = (struct cluster_note){0};
    for (size_t i = 0; i < apply->wish->contexts.count; i++) {
        struct span context = span_of(apply->wish->contexts.item[i]),
                    region = span_cut(&context, '=');
        struct cluster_context *row = &note->contexts[note->context_count];
        if (!region.n || !context.n || context.n > CLUSTER_CONTEXT_MAX) {
            fprintf(stderr, "farspan apply: --context: expected REGION=CONTEXT, found %s\n",
                    apply->wish->contexts.item[i]);
            return STATUS_MISUSE;
        }
        render_label(region, row->region, sizeof row->region);
        snprintf(row->context, sizeof row->context, "%.*s", SPAN_ARG(context));
        for (uint32_t k = 0; k < note->context_count; k++) {
            if (strcmp(note->contexts[k].region, row->region) != 0 &&
                strcmp(note->contexts[k].context, row->context) != 0)
                continue;
            fprintf(stderr, "farspan apply: --context: a region has one context, and a context is "
                            "of one region\n");
            return STATUS_MISUSE;
        }
        note->context_count++;
    }
    return OPTIONS_RUN;
}

static bool read_plan(struct apply *apply)
{
    uint8_t digest[CRYPTO_SHA256_SIZE];
    struct render_job *job = apply->run.job;
    if (!render_job_read_plan(job, apply->wish->plan))
        return false;
    apply->plan = job->plan_bytes;
    crypto_sha256(apply->plan, digest);
    crypto_hex(digest, sizeof digest, apply->plan_hash);
    return true;
}

/* STATE/kubernetes/WORLD-NAMESPACE, locked. */
static bool open_folder(struct apply *apply, int *ret_lock)
{
    char state[STATE_PATH_MAX], path[LIMIT_PATH], message[512];
    struct cluster_run *run = &apply->run;
    struct text why;
    text_init(&why, message, sizeof message);
    if (apply->wish->state)
        snprintf(state, sizeof state, "%s", apply->wish->state);
    else
        state_default_path(state);
    render_label(run->job->request.fleet->name, run->world, sizeof run->world);
    int n = snprintf(run->folder, sizeof run->folder, "%s/kubernetes/%s-%s", state, run->world,
                     run->job->space);
    if (n <= 0 || n + STATE_NAME_MAX >= LIMIT_PATH)
        return !fail(state, "the path is too long");
    enum err err = os_folder_make(run->folder, &why);
    if (!err && cluster_run_path(run, "lock", path))
        err = os_file_lock(path, ret_lock, &why);
    if (err == ERR_EXISTS)
        return !fail(run->world, "another farspan apply changes it just now");
    return err ? !fail(run->folder, why.n ? message : err_text(err)) : true;
}

/* ---- what runs --------------------------------------------------------------------------------
 */

static bool take_epoch(struct apply *apply, const struct cluster_context *context,
                       struct span label)
{
    struct span world = span_cut(&label, '/');
    uint64_t epoch;
    if (world.n == 0)
        return true;
    if (!span_is(world, apply->run.world)) {
        fprintf(stderr,
                "farspan apply: %s: the namespace %s is that of the world %.*s; give this one "
                "another --namespace\n",
                context->context, apply->run.job->space, SPAN_ARG(world));
        return false;
    }
    if (!span_to_u64(label, &epoch))
        return !fail(context->context, "its gateway has no epoch that we wrote");
    apply->epoch = epoch > apply->epoch ? epoch : apply->epoch;
    return true;
}

static bool read_epochs(struct apply *apply)
{
    char message[KUBECTL_ERRORS];
    const struct cluster_note *note = &apply->run.note;
    struct text why;
    struct span label;
    text_init(&why, message, sizeof message);
    for (uint32_t i = 0; i < note->context_count; i++) {
        if (!kubectl_read_epoch(&apply->run.kubectl, note->contexts[i].context, &label, &why))
            return !fail("the cluster", message);
        if (!take_epoch(apply, &note->contexts[i], label))
            return false;
    }
    return true;
}

static bool is_plan_in_force(struct apply *apply)
{
    char path[LIMIT_PATH];
    struct span content;
    struct arena *arena = &apply->run.job->arena;
    size_t mark = arena->used;
    bool is_same = cluster_run_path(&apply->run, "plan.json", path) && os_file_exists(path) &&
                   !os_file_read(path, PLAN_SHEET_BYTES_MAX, arena, &content, NULL) &&
                   span_is_equal(content, apply->plan);
    arena_reset(arena, mark);
    return is_same;
}

/* A plan follows the epoch it was made from, or makes again what is in force. */
static bool is_fresh(struct apply *apply)
{
    uint64_t wanted = plan_sheet_epoch(apply->run.job->request.sheet);
    char path[LIMIT_PATH];
    apply->is_again = apply->epoch == wanted && is_plan_in_force(apply);
    if (apply->epoch != 0 && apply->epoch + 1 != wanted && !apply->is_again) {
        fprintf(stderr,
                "farspan apply: %s: it is stale: it leads to epoch %llu, and the clusters are at "
                "epoch %llu; plan again, with --from %s/plan.json for what is in force\n",
                apply->wish->plan, (unsigned long long)wanted, (unsigned long long)apply->epoch,
                apply->run.folder);
        return false;
    }
    if (apply->epoch == 0 ||
        (cluster_run_path(&apply->run, "now/farspan-files", path) && os_file_exists(path)))
        return true;
    fprintf(stderr,
            "farspan apply: the clusters are at epoch %llu, but %s has not what is in force there, "
            "so nothing could be undone; apply with the state folder that was used before\n",
            (unsigned long long)apply->epoch, apply->run.folder);
    return false;
}

/* ---- rounds -----------------------------------------------------------------------------------
 */

/* Each round's files into its folder. With nothing there, or what is there already, all in one. */
static bool write_rounds(struct apply *apply)
{
    struct render_job *job = apply->run.job;
    struct plan_sheet whole = *job->request.sheet;
    if (apply->epoch == 0 || apply->is_again)
        whole.step_count = 0;
    apply->run.note.rounds = cluster_rounds(&whole);
    for (uint32_t i = 0; i < apply->run.note.rounds; i++) {
        char name[32], folder[LIMIT_PATH];
        unsigned removed_count;
        struct plan_sheet sheet;
        struct render_output output = {0};
        size_t mark = job->arena.used;
        snprintf(name, sizeof name, "round-%u", i + 1);
        bool is_good = cluster_run_path(&apply->run, name, folder) &&
                       !cluster_round_make(&whole, i, &job->arena, &sheet) &&
                       render_job_make(job, apply->wish->plan, &sheet, &output) &&
                       render_job_write(job, folder, &output.files, &removed_count);
        if (is_good && i + 1 == apply->run.note.rounds)
            render_job_warn(job, output.world);
        render_output_free(&output);
        arena_reset(&job->arena, mark);
        if (!is_good)
            return false;
    }
    return true;
}

/* Each region that is there or will be has its context. */
static int check_contexts(struct apply *apply)
{
    const struct cluster_run *run = &apply->run;
    struct span regions[2 * LIMIT_REGIONS];
    uint32_t count;
    bool is_good = true;
    if (cluster_regions(run->sets, run->note.rounds + 1, COUNT_OF(regions), regions, &count))
        return fail(apply->wish->plan, "too many regions");
    for (uint32_t i = 0; i < count; i++) {
        if (cluster_note_context(&run->note, regions[i]))
            continue;
        fprintf(stderr, "farspan apply: no cluster for %.*s: say --context REGION=CONTEXT\n",
                SPAN_ARG(regions[i]));
        is_good = false;
    }
    return is_good ? OPTIONS_RUN : STATUS_MISUSE;
}

/* ---- the difference ---------------------------------------------------------------------------
 */

/* Of one region: kubectl's own words, then what goes. False: it cannot be seen. */
static bool show_region(struct apply *apply, const struct cluster_context *context,
                        struct text *json, bool *differs, struct text *why)
{
    struct cluster_run *run = &apply->run;
    bool is_quiet = apply->wish->is_json, is_there, is_other;
    struct kubectl_files files;
    const char *const *names;
    uint32_t count = 0;
    if (!kubectl_has_space(&run->kubectl, context->context, &is_there, why) ||
        !cluster_run_files(run, run->note.rounds, span_of(context->region), &files))
        return false;
    bool has_files = files.count > 0;
    if (!is_quiet && (has_files || is_there))
        printf("\n%s, context %s\n", context->region, context->context);
    if (!is_there && has_files && !is_quiet)
        printf("  the namespace %s is not there: it and %u file%s are applied\n", run->job->space,
               PLURAL(files.count));
    is_other = has_files;
    if (is_there && has_files &&
        !kubectl_diff(&run->kubectl, context->context, files, is_quiet, &is_other, why))
        return false;
    if (is_there && !cluster_run_leftovers(run, context, &names, &count, why))
        return false;
    for (uint32_t i = 0; i < count && !is_quiet; i++)
        printf("  delete %s\n", names[i]);
    text_json_object(json);
    text_json_key(json, "region");
    text_json_str(json, context->region);
    text_json_key(json, "context");
    text_json_str(json, context->context);
    text_json_key(json, "differs");
    text_json_bool(json, is_other || count > 0);
    text_json_key(json, "deletes");
    text_json_u64(json, count);
    text_json_end(json);
    *differs |= is_other || count > 0;
    return true;
}

/* False: it cannot be seen. */
static bool show(struct apply *apply, bool *ret_differs)
{
    char message[KUBECTL_ERRORS];
    struct text why, text;
    struct cluster_run *run = &apply->run;
    bool is_json = apply->wish->is_json, is_good = true;
    char *buffer OS_FREED = os_alloc(TABLE_BYTES);
    if (!buffer)
        return !fail("the difference", err_text(ERR_MEMORY));
    *ret_differs = false;
    text_init(&why, message, sizeof message);
    text_init(&text, buffer, TABLE_BYTES);
    if (!is_json) {
        apply_show_sheet(run->job->request.sheet, apply->epoch, &text);
        printf("%s", buffer);
        text_truncate(&text, 0);
    }
    text_json_object(&text);
    text_json_key(&text, "epoch");
    text_json_u64(&text, apply->epoch);
    text_json_key(&text, "epoch_after");
    text_json_u64(&text, plan_sheet_epoch(run->job->request.sheet));
    text_json_key(&text, "regions");
    text_json_array(&text);
    for (uint32_t i = 0; i < run->note.context_count && is_good; i++) {
        size_t mark = run->job->arena.used;
        is_good = show_region(apply, &run->note.contexts[i], &text, ret_differs, &why);
        arena_reset(&run->job->arena, mark);
    }
    text_json_end(&text);
    text_json_end(&text);
    if (!is_good)
        return !fail("the difference", why.n ? message : err_text(ERR_MEMORY));
    if (is_json)
        puts(buffer);
    fflush(stdout);
    return true;
}

/* ---- doing it ---------------------------------------------------------------------------------
 */

static int walk(struct apply *apply)
{
    struct cluster_run *run = &apply->run;
    unsigned long long epoch = (unsigned long long)run->note.epoch;
    enum apply_end end = cluster_run_walk(run);
    if (end == APPLY_APPLIED && apply->wish->is_json)
        printf("{\"event\":\"applied\",\"epoch\":%llu}\n", epoch);
    else if (end == APPLY_APPLIED)
        printf("applied: the clusters are at epoch %llu\n", epoch);
    else if (end == APPLY_UNDONE)
        fprintf(stderr, "farspan apply: %s\n  what was before runs again\n", run->note.failure);
    return end == APPLY_APPLIED ? 0 : 1;
}

static int begin(struct apply *apply)
{
    char path[LIMIT_PATH], message[512];
    struct cluster_run *run = &apply->run;
    struct text why;
    text_init(&why, message, sizeof message);
    if (!cluster_run_path(run, "plan.next.json", path) ||
        os_file_write(path, apply->plan, 0600, &why))
        return fail("the plan cannot be kept", message);
    memcpy(run->note.plan, apply->plan_hash, sizeof run->note.plan);
    run->note.epoch = plan_sheet_epoch(run->job->request.sheet);
    rollout_init(&run->note.rollout, &run->list.rollout);
    return walk(apply);
}

static int apply_plan(struct apply *apply)
{
    bool differs = false;
    int status = take_contexts(apply);
    if (status != OPTIONS_RUN)
        return status;
    if (!read_epochs(apply) || !is_fresh(apply) || !write_rounds(apply) ||
        !cluster_run_load(&apply->run))
        return 1;
    status = check_contexts(apply);
    if (status != OPTIONS_RUN)
        return status;
    if (!show(apply, &differs))
        return 1;
    if (!differs) {
        if (!apply->wish->is_json)
            printf("\nno difference: the clusters run as planned\n");
        return 0;
    }
    if (apply->wish->is_dry)
        return APPLY_DIFFERS;
    status = apply_ask(apply->wish->is_yes, "apply it?");
    return status == OPTIONS_RUN ? begin(apply) : status;
}

/* What an apply left that was killed. OPTIONS_RUN: there was nothing, or the plan given is another
 * one; else the exit status. */
static int take_up(struct apply *apply)
{
    char path[LIMIT_PATH], message[512];
    struct cluster_run *run = &apply->run;
    struct text why;
    text_init(&why, message, sizeof message);
    if (!cluster_run_path(run, "apply.json", path))
        return 1;
    enum err err = cluster_note_read(path, &run->note, &why);
    if (err == ERR_NOT_FOUND) {
        if (!apply->wish->is_dry)
            apply_forget(run->folder);
        return OPTIONS_RUN;
    }
    if (err)
        return fail("what the last apply left cannot be read", why.n ? message : err_text(err));
    if (!cluster_run_load(run))
        return 1;
    if (!rollout_is_sound(&run->note.rollout))
        return fail(path, "it does not fit to the files beside it; remove it");
    bool is_back = rollout_is_back(&run->note.rollout);
    if (!apply->wish->is_json)
        printf("an apply was broken off on the way %s: it is taken up\n",
               is_back ? "back" : "forth");
    if (apply->wish->is_dry)
        return APPLY_DIFFERS;
    int status = apply_ask(apply->wish->is_yes, "go on?");
    if (status == OPTIONS_RUN)
        status = walk(apply);
    bool is_same = strcmp(apply->plan_hash, run->note.plan) == 0;
    return status != 0 || !apply->wish->plan || is_same ? status : OPTIONS_RUN;
}

static int run(struct apply *apply, int *ret_lock)
{
    char message[KUBECTL_ERRORS];
    struct text why;
    text_init(&why, message, sizeof message);
    if (!kubectl_is_here(&apply->run.kubectl, &why))
        return fail("kubernetes", message);
    if (!render_job_open(apply->run.job) || (apply->wish->plan && !read_plan(apply)) ||
        !open_folder(apply, ret_lock))
        return 1;
    int status = take_up(apply);
    if (status == OPTIONS_RUN && !apply->wish->plan)
        status = fail("no apply was broken off", "name a plan: farspan apply plan.json");
    return status == OPTIONS_RUN ? apply_plan(apply) : status;
}

int apply_cluster(const struct apply_wish *wish, struct render_job *job)
{
    struct apply *apply OS_FREED = os_alloc(sizeof *apply);
    int lock = -1;
    if (!apply)
        return fail("kubernetes", err_text(ERR_MEMORY));
    apply->wish = wish;
    apply->run.job = job;
    apply->run.is_json = wish->is_json;
    apply->run.ready_wait_us = wish->ready_wait_us;
    apply->run.kubectl.space = job->space;
    int status = run(apply, &lock);
    if (lock >= 0)
        close(lock);
    return status;
}
