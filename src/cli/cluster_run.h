/* cluster_run.h: one apply to clusters under way: its sets of files, the list made of them, and the
 * actions done with kubectl. */
#ifndef CLI_CLUSTER_RUN_H
#define CLI_CLUSTER_RUN_H

#include "cli/apply_walk.h"
#include "cli/kubectl.h"
#include "cli/render_job.h"
#include "deploy/cluster.h"
#include "deploy/cluster_note.h"

struct cluster_run {
    struct render_job *job;
    char folder[LIMIT_PATH];
    char world[RENDER_LABEL_MAX + 1];
    bool is_json;
    int64_t ready_wait_us;
    struct cluster_set sets[CLUSTER_ROUNDS_MAX + 1]; /* as they lie on disk */
    struct cluster_list list;
    struct cluster_note note;
    struct kubectl kubectl;
};

/* FOLDER/NAME. False: too long, said on standard error. */
bool cluster_run_path(const struct cluster_run *run, const char *name, char ret_path[LIMIT_PATH]);

/* now/ and round-1/ .. round-<note.rounds>/, and the list of them. False after a sentence. */
bool cluster_run_load(struct cluster_run *run);

/* The files of a set that belong to a region and may be applied by who may deploy (all but
 * 00-setup). The paths live in the job's arena. */
bool cluster_run_files(struct cluster_run *run, uint32_t set, struct span region,
                       struct kubectl_files *ret_files);

/* What the last set has not, of all that wears our labels: names as kubectl_list() has them, in the
 * job's arena. */
bool cluster_run_leftovers(struct cluster_run *run, const struct cluster_context *context,
                           const char *const **ret_names, uint32_t *ret_count, struct text *why);

/* Walks note.rollout to its end; forgets the note when it is over. */
enum apply_end cluster_run_walk(struct cluster_run *run);

#endif
