/* apply_cluster.h: `farspan apply --target kubernetes`: a plan made real in clusters, one kubectl
 * context a region: shown, asked about, then done in waves.
 *
 * Its folder is STATE/kubernetes/WORLD-NAMESPACE:
 *
 *   now/            the files of the plan in force, as farspan render writes them
 *   plan.json       that plan
 *   round-N/        the files at the end of each round of the plan that is being applied
 *   plan.next.json  that plan
 *   apply.json      only while an apply is under way or broken off (deploy/cluster_note.h)
 *   lock            held by an apply */
#ifndef CLI_APPLY_CLUSTER_H
#define CLI_APPLY_CLUSTER_H

#include "cli/render_job.h"

struct apply_wish {
    const char *plan; /* path; NULL: only take up what was broken off */
    const char *state;
    struct option_list contexts; /* REGION=CONTEXT */
    const char *folder;          /* of Terraform's and systemd's files */
    bool is_dry, is_yes, is_json;
    bool keeps_old;        /* Terraform: nothing gets smaller yet */
    int64_t ready_wait_us; /* for each batch of a wave to be ready */
};

enum { APPLY_DIFFERS = 2 }; /* exit status of --dry-run when there is a difference */

/* Exit status: 0 done or nothing to do, 1 refused, failed or declined, 2 a region without a
 * context, or a difference with --dry-run. */
int apply_cluster(const struct apply_wish *wish, struct render_job *job);

#endif
