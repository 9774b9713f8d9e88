#include "deploy/cluster.h"

#include "base/check.h"

/* ---- rounds ---------------------------------------------------------------------------------- */

/* The round of each step, one after the other: a start behind a stop begins a new one. */
struct walk {
    uint32_t round;
    bool has_stopped;
};

static void walk_on(struct walk *walk, enum plan_action action)
{
    if (action == PLAN_ACTION_START && walk->has_stopped &&
        walk->round + 1 < (uint32_t)CLUSTER_ROUNDS_MAX) {
        walk->round++;
        walk->has_stopped = false;
    }
    walk->has_stopped |= action == PLAN_ACTION_STOP;
}

uint32_t cluster_rounds(const struct plan_sheet *sheet)
{
    struct walk walk = {0};
    for (uint32_t i = 0; i < sheet->step_count; i++)
        walk_on(&walk, sheet->steps[i].action);
    return walk.round + 1;
}

static uint32_t count_after(uint32_t count, const struct plan_sheet_step *step)
{
    if (step->action == PLAN_ACTION_START)
        return count + step->count;
    if (step->action == PLAN_ACTION_STOP)
        return count > step->count ? count - step->count : 0;
    return count;
}

enum err cluster_round_make(const struct plan_sheet *sheet, uint32_t round, struct arena *arena,
                            struct plan_sheet *ret_sheet)
{
    CHECK(round < cluster_rounds(sheet));
    struct plan_sheet made = *sheet;
    struct walk walk = {0};
    if (round + 1 == cluster_rounds(sheet)) {
        *ret_sheet = made;
        return ERR_OK;
    }
    made.replicas = ARENA_ARRAY(arena, struct plan_sheet_replica, sheet->replica_count);
    if (!made.replicas)
        return ERR_MEMORY;
    for (uint32_t i = 0; i < sheet->replica_count; i++) {
        made.replicas[i] = sheet->replicas[i];
        made.replicas[i].count = sheet->replicas[i].running;
    }
    for (uint32_t i = 0; i < sheet->step_count; i++) {
        const struct plan_sheet_step *step = &sheet->steps[i];
        walk_on(&walk, step->action);
        if (walk.round > round)
            break;
        if (step->replica < sheet->replica_count)
            made.replicas[step->replica].count =
                count_after(made.replicas[step->replica].count, step);
    }
    *ret_sheet = made;
    return ERR_OK;
}

/* ---- sets ------------------------------------------------------------------------------------ */

enum err cluster_set_make(const struct render_files *files, struct arena *arena,
                          struct cluster_set *ret_set)
{
    if (files->count > (uint32_t)CLUSTER_FILES_MAX)
        return ERR_FULL;
    struct cluster_file *rows = ARENA_ARRAY(arena, struct cluster_file, files->count);
    if (!rows)
        return ERR_MEMORY;
    for (uint32_t i = 0; i < files->count; i++)
        rows[i] =
            (struct cluster_file){span_of(files->file[i].path), render_file_content(files, i)};
    *ret_set = (struct cluster_set){.files = rows, .count = files->count};
    return ERR_OK;
}

const struct cluster_file *cluster_set_find(const struct cluster_set *set, struct span path)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (span_is_equal(set->files[i].path, path))
            return &set->files[i];
    return NULL;
}

struct span cluster_region(struct span path)
{
    return span_cut(&path, '/');
}

struct span cluster_name(struct span path)
{
    span_cut(&path, '/');
    return path;
}

struct span cluster_deployment(struct span path)
{
    struct span name = cluster_name(path);
    if (span_is(name, "20-gateway.yaml"))
        return SPAN_LITERAL("farspan-gateway");
    if (!span_starts_with(name, "30-") || name.n <= sizeof "30-.yaml" - 1)
        return (struct span){0};
    return span_from(name.p + 3, name.n - (sizeof "30-.yaml" - 1));
}

/* Of the Deployment of a file that we wrote. */
static uint64_t replicas_of(struct span content)
{
    static const char key[] = "\n  replicas: ";
    uint64_t count = 0;
    const char *at = memmem(content.p, content.n, key, sizeof key - 1);
    if (!at)
        return 0;
    at += sizeof key - 1;
    struct span rest = span_from(at, content.n - (size_t)(at - content.p));
    return span_to_u64(span_cut(&rest, '\n'), &count) ? count : 0;
}

enum cluster_kind cluster_kind_of(const struct cluster_set *before, const struct cluster_set *after,
                                  struct span path)
{
    const struct cluster_file *old = cluster_set_find(before, path),
                              *young = cluster_set_find(after, path);
    struct span name = cluster_name(path);
    bool is_workload = span_starts_with(name, "30-"), is_gateway = span_starts_with(name, "20-");
    if (!(is_workload || is_gateway || span_starts_with(name, "10-")))
        return CLUSTER_NOTHING; /* the administrator's, and the kustomization */
    if (old && young && !after->is_whole && span_is_equal(old->content, young->content))
        return CLUSTER_NOTHING;
    if (!young)
        return old ? CLUSTER_SHRINK : CLUSTER_NOTHING;
    if (is_gateway)
        return CLUSTER_GATEWAY;
    if (is_workload && old && replicas_of(young->content) < replicas_of(old->content))
        return CLUSTER_SHRINK;
    return CLUSTER_GROW;
}

/* ---- the list -------------------------------------------------------------------------------- */

enum err cluster_regions(const struct cluster_set sets[], uint32_t set_count, uint32_t max,
                         struct span ret_regions[], uint32_t *ret_count)
{
    uint32_t count = 0;
    for (uint32_t s = 0; s < set_count; s++) {
        for (uint32_t i = 0; i < sets[s].count; i++) {
            struct span region = cluster_region(sets[s].files[i].path);
            uint32_t known = 0;
            while (known < count && !span_is_equal(ret_regions[known], region))
                known++;
            if (known < count)
                continue;
            if (count == max)
                return ERR_FULL;
            ret_regions[count++] = region;
        }
    }
    *ret_count = count;
    return ERR_OK;
}

static bool has_kind(const struct cluster_set *before, const struct cluster_set *after,
                     struct span region, enum cluster_kind kind)
{
    const struct cluster_set *both[] = {before, after};
    for (unsigned s = 0; s < COUNT_OF(both); s++)
        for (uint32_t i = 0; i < both[s]->count; i++)
            if (span_is_equal(cluster_region(both[s]->files[i].path), region) &&
                cluster_kind_of(before, after, both[s]->files[i].path) == kind)
                return true;
    return false;
}

static enum err add_batch(const struct cluster_set sets[], uint16_t round, enum cluster_kind kind,
                          struct cluster_list *list)
{
    struct span regions[2 * LIMIT_REGIONS];
    uint32_t count;
    bool is_open = false;
    enum err err = cluster_regions(sets + round - 1, 2, COUNT_OF(regions), regions, &count);
    for (uint32_t i = 0; i < count && !err; i++) {
        if (!has_kind(&sets[round - 1], &sets[round], regions[i], kind))
            continue;
        if (list->rollout.worker_count == LIMIT_WORKERS)
            return ERR_FULL;
        if (!is_open)
            rollout_list_add_batch(&list->rollout, kind != CLUSTER_SHRINK, (uint16_t)(round - 1));
        is_open = true;
        uint16_t item = list->rollout.worker_count;
        list->items[item] = (struct cluster_item){kind, round, regions[i]};
        rollout_list_add_worker(&list->rollout, item);
    }
    return err;
}

enum err cluster_list_make(const struct cluster_set sets[], uint32_t rounds,
                           struct cluster_list *ret_list)
{
    CHECK(rounds >= 1 && rounds <= (uint32_t)CLUSTER_ROUNDS_MAX);
    memset(ret_list, 0, sizeof *ret_list);
    for (uint32_t round = 1; round <= rounds; round++) {
        for (unsigned kind = CLUSTER_GROW; kind <= CLUSTER_SHRINK; kind++) {
            enum err err = add_batch(sets, (uint16_t)round, (enum cluster_kind)kind, ret_list);
            if (err)
                return err;
        }
    }
    return ERR_OK;
}
