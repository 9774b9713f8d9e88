#include "cli/cluster_run.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "os/clock.h"
#include "os/file.h"

enum {
    LIST_BYTES_MAX = RENDER_FILES_MAX * (RENDER_PATH_MAX + 1),
    PLAN_BYTES_MAX = PLAN_SHEET_BYTES_MAX,
    LEAVE_WAIT_S = 15 * 60 /* for the last request of what is deleted */
};

static bool fail(const char *what, const char *why)
{
    fprintf(stderr, "farspan apply: %s: %s\n", what, why);
    return false;
}

bool cluster_run_path(const struct cluster_run *run, const char *name, char ret_path[LIMIT_PATH])
{
    int n = snprintf(ret_path, LIMIT_PATH, "%s/%s", run->folder, name);
    return n > 0 && n < LIMIT_PATH ? true : fail(run->folder, "the path is too long");
}

/* ---- sets on disk ---------------------------------------------------------------------------- */

static void set_name(uint32_t set, char *buffer, size_t size)
{
    if (set == 0)
        snprintf(buffer, size, "now");
    else
        snprintf(buffer, size, "round-%u", set);
}

/* FOLDER/SET/PATH, in the arena; NULL: no room. */
static const char *file_path(struct cluster_run *run, uint32_t set, struct span path)
{
    char name[32], whole[LIMIT_PATH];
    set_name(set, name, sizeof name);
    int n = snprintf(whole, sizeof whole, "%s/%s/%.*s", run->folder, name, SPAN_ARG(path));
    if (n <= 0 || n >= LIMIT_PATH)
        return NULL;
    return arena_copy(&run->job->arena, span_of(whole)).p;
}

static bool load_file(struct cluster_run *run, uint32_t set, struct cluster_file *file)
{
    char message[512];
    struct text why;
    text_init(&why, message, sizeof message);
    const char *path = file_path(run, set, file->path);
    if (!path)
        return fail(run->folder, err_text(ERR_MEMORY));
    enum err err = os_file_read(path, RENDER_REGION_BYTES, &run->job->arena, &file->content, &why);
    return err ? fail(path, why.n ? message : err_text(err)) : true;
}

/* A set that is not there is empty. */
static bool load_set(struct cluster_run *run, uint32_t set)
{
    struct arena *arena = &run->job->arena;
    struct cluster_set *made = &run->sets[set];
    struct span list, rest;
    uint32_t count = 0, line_count = 0;
    *made = (struct cluster_set){0};
    const char *path = file_path(run, set, SPAN_LITERAL("farspan-files"));
    if (!path || !os_file_exists(path))
        return path ? true : fail(run->folder, "the path is too long");
    enum err err = os_file_read(path, LIST_BYTES_MAX, arena, &list, NULL);
    if (err)
        return fail(path, err_text(err));
    for (size_t i = 0; i < list.n; i++)
        line_count += list.p[i] == '\n';
    struct cluster_file *files = ARENA_ARRAY(arena, struct cluster_file, line_count + 1);
    if (!files || line_count > CLUSTER_FILES_MAX)
        return fail(path, "too many files");
    for (rest = list; rest.n;) {
        struct span line = span_cut(&rest, '\n');
        if (!render_path_is_ours(line))
            continue;
        files[count].path = line;
        if (!load_file(run, set, &files[count++]))
            return false;
    }
    *made = (struct cluster_set){.files = files, .count = count};
    return true;
}

bool cluster_run_load(struct cluster_run *run)
{
    /* At the end all is done but to write now/ anew: it may be half of two sets, and the list that
     * was made of it is not needed any more. */
    bool is_end = run->note.rollout.state == ROLLOUT_COMMIT;
    for (uint32_t set = is_end ? run->note.rounds : 0; set <= run->note.rounds; set++)
        if (!load_set(run, set))
            return false;
    run->sets[run->note.rounds].is_whole = true;
    run->list = (struct cluster_list){0};
    enum err err = is_end ? ERR_OK : cluster_list_make(run->sets, run->note.rounds, &run->list);
    if (is_end)
        run->note.rollout.batch = run->note.rollout.item = 0;
    run->note.rollout.list = &run->list.rollout;
    return err ? fail(run->folder, "the plan has too many regions and rounds for one apply") : true;
}

bool cluster_run_files(struct cluster_run *run, uint32_t set, struct span region,
                       struct kubectl_files *ret_files)
{
    const struct cluster_set *from = &run->sets[set];
    const char **paths = ARENA_ARRAY(&run->job->arena, const char *, from->count + 1);
    uint32_t count = 0;
    static const struct cluster_set none;
    for (uint32_t i = 0; paths && i < from->count; i++) {
        struct span path = from->files[i].path;
        if (!span_is_equal(cluster_region(path), region) ||
            cluster_kind_of(&none, from, path) == CLUSTER_NOTHING)
            continue;
        paths[count] = file_path(run, set, path);
        if (!paths[count++])
            return fail(run->folder, "the path is too long");
    }
    *ret_files = (struct kubectl_files){paths, count};
    return paths ? true : fail(run->folder, err_text(ERR_MEMORY));
}

/* ---- an item --------------------------------------------------------------------------------- */

/* What an item applies, from which set, and what it deletes. */
struct task {
    const char *context;
    uint32_t set, other;
    struct kubectl_files apply, remove;
    struct span *deployments; /* of those applied */
    uint32_t deployment_count;
};

static bool add_path(struct cluster_run *run, struct task *task, const char **paths, uint32_t set,
                     struct span path)
{
    bool is_applied = set == task->set;
    struct kubectl_files *files = is_applied ? &task->apply : &task->remove;
    uint32_t capacity = run->sets[task->set].count;
    const char **at = is_applied ? paths : paths + capacity;
    at[files->count] = file_path(run, set, path);
    if (!at[files->count])
        return false;
    files->paths = at;
    files->count++;
    if (is_applied && cluster_deployment(path).n)
        task->deployments[task->deployment_count++] = cluster_deployment(path);
    return true;
}

/* Forwards the files of the round's set, backwards those of the set before it. */
static bool make_task(struct cluster_run *run, uint16_t index, struct task *ret_task)
{
    const struct cluster_item *item = &run->list.items[index];
    bool is_back = rollout_is_back(&run->note.rollout);
    const struct cluster_set *before = &run->sets[item->round - 1],
                             *after = &run->sets[item->round];
    struct task task = {.context = cluster_note_context(&run->note, item->region),
                        .set = is_back ? item->round - 1u : item->round,
                        .other = is_back ? item->round : item->round - 1u};
    const struct cluster_set *target = &run->sets[task.set], *other = &run->sets[task.other];
    uint32_t most = target->count + other->count;
    const char **paths = ARENA_ARRAY(&run->job->arena, const char *, most + 1);
    task.deployments = ARENA_ARRAY(&run->job->arena, struct span, target->count + 1);
    if (!paths || !task.deployments || !task.context)
        return false;
    for (uint32_t i = 0; i < most; i++) {
        bool is_target = i < target->count;
        struct span path = is_target ? target->files[i].path : other->files[i - target->count].path;
        bool is_again = !is_target && cluster_set_find(target, path);
        if (is_again || !span_is_equal(cluster_region(path), item->region) ||
            cluster_kind_of(before, after, path) != item->kind)
            continue;
        if (!add_path(run, &task, paths, is_target ? task.set : task.other, path))
            return false;
    }
    *ret_task = task;
    return true;
}

/* The first that comes to a cluster makes the namespace, if it may. */
static bool set_up(struct cluster_run *run, const struct task *task, struct span region,
                   struct text *failure)
{
    char path[RENDER_PATH_MAX + 1];
    bool is_there;
    if (!kubectl_has_space(&run->kubectl, task->context, &is_there, failure))
        return false;
    snprintf(path, sizeof path, "%.*s/00-setup.yaml", SPAN_ARG(region));
    const char *whole = file_path(run, task->set, span_of(path));
    if (is_there || !whole)
        return is_there;
    if (!run->is_json)
        printf("  %s: the namespace %s is made; its pods wait until the secret farspan-keys has "
               "its keys (docs/render.md)\n",
               task->context, run->kubectl.space);
    return kubectl_apply(&run->kubectl, task->context, (struct kubectl_files){&whole, 1}, failure);
}

static enum apply_outcome act(struct cluster_run *run, uint16_t index, struct text *failure)
{
    const struct cluster_item *item = &run->list.items[index];
    struct kubectl *kubectl = &run->kubectl;
    struct task task;
    if (!make_task(run, index, &task)) {
        text_add(failure, "%.*s: no memory, or no context", SPAN_ARG(item->region));
        return APPLY_BAD;
    }
    bool is_good = true;
    if (item->kind == CLUSTER_GROW && task.apply.count > 0)
        is_good = set_up(run, &task, item->region, failure);
    if (is_good && task.apply.count > 0)
        is_good = kubectl_apply(kubectl, task.context, task.apply, failure);
    if (is_good && task.remove.count > 0)
        is_good = kubectl_delete(kubectl, task.context, task.remove, 0, failure);
    return is_good ? APPLY_GOOD : APPLY_BAD;
}

static int64_t seconds_until(int64_t until_us)
{
    int64_t left_s = (until_us - os_now_us()) / 1000000;
    return left_s > 1 ? left_s : 1;
}

static enum apply_outcome await(struct cluster_run *run, uint16_t index, int64_t until_us,
                                struct text *failure)
{
    struct kubectl *kubectl = &run->kubectl;
    struct task task;
    if (!make_task(run, index, &task))
        return APPLY_BAD;
    for (uint32_t i = 0; i < task.deployment_count; i++)
        if (!kubectl_await(kubectl, task.context, task.deployments[i], seconds_until(until_us),
                           failure))
            return APPLY_BAD;
    if (task.remove.count > 0 &&
        !kubectl_delete(kubectl, task.context, task.remove, LEAVE_WAIT_S, failure))
        return APPLY_BAD;
    return APPLY_GOOD;
}

/* ---- the end --------------------------------------------------------------------------------- */

static bool is_of_set(const struct cluster_set *set, struct span region, struct span name)
{
    bool has_region = false;
    for (uint32_t i = 0; i < set->count; i++) {
        if (!span_is_equal(cluster_region(set->files[i].path), region))
            continue;
        has_region = true;
        if (span_is_equal(cluster_deployment(set->files[i].path), name))
            return true;
    }
    /* What the gateway and the network policies are called is ours to know: they stay as long as
     * the region has work. */
    return has_region && span_starts_with(name, "farspan-");
}

bool cluster_run_leftovers(struct cluster_run *run, const struct cluster_context *context,
                           const char *const **ret_names, uint32_t *ret_count, struct text *why)
{
    char labels[3 * KUBECTL_WORD];
    struct span names, region = span_of(context->region);
    uint32_t count = 0, line_count = 0;
    snprintf(labels, sizeof labels,
             "app.kubernetes.io/managed-by=farspan,app.kubernetes.io/instance=%s,"
             "farspan.dev/region=%s",
             run->world, context->region);
    if (!kubectl_list(&run->kubectl, context->context, labels, &names, why))
        return false;
    names = arena_copy(&run->job->arena, names);
    for (size_t i = 0; i < names.n; i++)
        line_count += names.p[i] == '\n';
    const char **rows = ARENA_ARRAY(&run->job->arena, const char *, line_count + 1);
    while (rows && names.n) {
        struct span line = span_trim(span_cut(&names, '\n')), name = line;
        span_cut(&name, '/');
        if (name.n == 0 || is_of_set(&run->sets[run->note.rounds], region, name))
            continue;
        rows[count] = arena_copy(&run->job->arena, line).p;
        if (!rows[count++] || count > CLUSTER_FILES_MAX)
            break;
    }
    *ret_names = rows;
    *ret_count = count;
    if (!run->job->arena.is_overflown && count <= CLUSTER_FILES_MAX)
        return true;
    text_add(why, "%s: too many leftovers", context->context);
    return false;
}

static bool prune(struct cluster_run *run, struct text *failure)
{
    for (uint32_t i = 0; i < run->note.context_count; i++) {
        const struct cluster_context *context = &run->note.contexts[i];
        const char *const *names;
        uint32_t count;
        if (!cluster_run_leftovers(run, context, &names, &count, failure))
            return false;
        if (count > 0 &&
            !kubectl_delete_named(&run->kubectl, context->context, names, count, failure))
            return false;
    }
    return true;
}

static bool copy_plan(struct cluster_run *run, struct text *failure)
{
    char next[LIMIT_PATH], path[LIMIT_PATH];
    struct span content;
    if (!cluster_run_path(run, "plan.next.json", next) || !cluster_run_path(run, "plan.json", path))
        return false;
    return !os_file_read(next, PLAN_BYTES_MAX, &run->job->arena, &content, failure) &&
           !os_file_write(path, content, 0600, failure);
}

/* The last set becomes now/: written over it, so that it may be done twice. */
static bool keep_set(struct cluster_run *run)
{
    char folder[LIMIT_PATH];
    unsigned removed_count;
    const struct cluster_set *set = &run->sets[run->note.rounds];
    struct arena *arena = &run->job->arena;
    struct text text;
    struct render_files files;
    size_t size = 1;
    for (uint32_t i = 0; i < set->count; i++)
        size += set->files[i].content.n;
    char *memory = arena_take(arena, size);
    if (!memory || !cluster_run_path(run, "now", folder) ||
        render_files_init(&files, &text, set->count, arena))
        return false;
    text_init(&text, memory, size);
    for (uint32_t i = 0; i < set->count; i++) {
        render_file_begin(&files, "%.*s", SPAN_ARG(set->files[i].path));
        text_add_span(&text, set->files[i].content);
        render_file_end(&files);
    }
    return render_job_write(run->job, folder, &files, &removed_count);
}

static enum apply_outcome note(struct cluster_run *run, struct text *failure)
{
    if (!prune(run, failure))
        return APPLY_BAD;
    if (keep_set(run) && copy_plan(run, failure))
        return APPLY_GOOD;
    if (failure->n == 0)
        text_add(failure, "what is in force now cannot be kept in %s", run->folder);
    return APPLY_BAD;
}

/* ---- the walk -------------------------------------------------------------------------------- */

static const char *const kind_words[] = {"start", "gateway", "stop"};

static enum apply_outcome perform_batch(struct cluster_run *run, struct rollout_action action,
                                        struct text *failure)
{
    const struct apply_voice voice = {run->is_json, "region"};
    bool is_wait = action.task == ROLLOUT_AWAIT_READY || action.task == ROLLOUT_AWAIT_GONE;
    bool is_back = rollout_is_back(&run->note.rollout);
    int64_t until_us = os_now_us() + run->ready_wait_us;
    enum apply_outcome outcome = APPLY_GOOD;
    for (uint16_t i = 0; i < action.count && outcome == APPLY_GOOD; i++) {
        uint16_t index = run->list.rollout.workers[action.first + i];
        const struct cluster_item *item = &run->list.items[index];
        char region[RENDER_LABEL_MAX + 1];
        snprintf(region, sizeof region, "%.*s", SPAN_ARG(item->region));
        if (!is_wait)
            apply_say(voice, is_back ? "back" : kind_words[item->kind], region, action.wave, NULL);
        outcome = is_wait ? await(run, index, until_us, failure) : act(run, index, failure);
    }
    if (is_wait && outcome == APPLY_GOOD)
        apply_say(voice, action.task == ROLLOUT_AWAIT_READY ? "ready" : "gone", NULL, action.wave,
                  NULL);
    return outcome;
}

static enum apply_outcome perform(void *context, struct rollout_action action, struct text *failure)
{
    struct cluster_run *run = context;
    size_t mark = run->job->arena.used;
    enum apply_outcome outcome =
        action.task == ROLLOUT_NOTE ? note(run, failure) : perform_batch(run, action, failure);
    arena_reset(&run->job->arena, mark);
    return outcome;
}

static enum err keep(void *context, struct text *why)
{
    struct cluster_run *run = context;
    char path[LIMIT_PATH];
    if (!cluster_run_path(run, "apply.json", path))
        return ERR_VALUE;
    return cluster_note_write(path, &run->note, why);
}

enum apply_end cluster_run_walk(struct cluster_run *run)
{
    struct apply_walk walk = {.rollout = &run->note.rollout,
                              .failure = run->note.failure,
                              .voice = {run->is_json, "region"},
                              .context = run,
                              .keep = keep,
                              .perform = perform};
    enum apply_end end = apply_walk(&walk);
    if (end == APPLY_APPLIED || end == APPLY_UNDONE)
        apply_forget(run->folder);
    return end;
}
