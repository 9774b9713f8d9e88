/* cluster.h: what changes in clusters when one rendered set of files takes the place of another,
 * and in which order. Pure; cli/apply_cluster.h acts.
 *
 *   plan_sheet --cluster_rounds()--> a sheet for each round --render--> a set of files a round
 *   sets --cluster_list_make()--> items in their order, as a rollout (deploy/rollout.h)
 *
 * A set is what `farspan render --target kubernetes` writes: REGION/10-network.yaml,
 * REGION/20-gateway.yaml, REGION/30-WORKLOAD.yaml (one Deployment each). Rounds are those of the
 * plan's steps: a round begins with what starts and ends with what stops. In a round
 *
 *   GROW     workloads that are new, have more replicas or are otherwise changed: applied, awaited
 *   GATEWAY  the regions' gateways, that know the new ones and do not know those that go: the same
 *   SHRINK   workloads with fewer replicas, applied; those that the set has not, deleted, awaited
 *
 * so that what is new answers before what is old goes. An item is all files of one kind in one
 * region and round. Going back, each does the opposite: its files are those of the set before. */
#ifndef DEPLOY_CLUSTER_H
#define DEPLOY_CLUSTER_H

#include "base/arena.h"
#include "base/text.h"
#include "deploy/render.h"
#include "deploy/rollout.h"
#include "plan/sheet.h"

enum { CLUSTER_ROUNDS_MAX = 16, CLUSTER_FILES_MAX = 8192 };

struct cluster_file {
    struct span path, content; /* "REGION/FILE" */
};

struct cluster_set {
    const struct cluster_file *files;
    uint32_t count;
    bool is_whole; /* its files are applied even where the set before has the same: what others
                      changed in the cluster since is put right */
};

enum cluster_kind { CLUSTER_GROW, CLUSTER_GATEWAY, CLUSTER_SHRINK, CLUSTER_NOTHING };

struct cluster_item {
    enum cluster_kind kind;
    uint16_t round;     /* it makes sets[round] of sets[round - 1] */
    struct span region; /* its folder */
};

struct cluster_list {
    struct cluster_item items[LIMIT_WORKERS]; /* by number of the rollout's workers */
    struct rollout_list rollout;
};

/* How many rounds the steps of a sheet have, at least 1; what is beyond CLUSTER_ROUNDS_MAX belongs
 * to the last. */
uint32_t cluster_rounds(const struct plan_sheet *sheet);

/* The sheet as it stands at the end of a round, 0 .. rounds - 1; of the last one: the plan itself.
 */
MUST_USE enum err cluster_round_make(const struct plan_sheet *sheet, uint32_t round,
                                     struct arena *arena, struct plan_sheet *ret_sheet);

MUST_USE enum err cluster_set_make(const struct render_files *files, struct arena *arena,
                                   struct cluster_set *ret_set);

/* NULL: it has no such file. */
const struct cluster_file *cluster_set_find(const struct cluster_set *set, struct span path);

/* The part before the '/', and the one behind it. */
struct span cluster_region(struct span path);
struct span cluster_name(struct span path);

/* The Deployment of a file ("chat-g5-xlarge-spot", "farspan-gateway"); empty: it has none. */
struct span cluster_deployment(struct span path);

/* To what kind of item the file belongs when <before> becomes <after>. */
enum cluster_kind cluster_kind_of(const struct cluster_set *before, const struct cluster_set *after,
                                  struct span path);

/* The regions of all sets, each once, in the order of their first file. ERR_FULL: more than <max>.
 */
MUST_USE enum err cluster_regions(const struct cluster_set sets[], uint32_t set_count, uint32_t max,
                                  struct span ret_regions[], uint32_t *ret_count);

/* From sets[0], which is there (it may be empty), to sets[rounds]. ERR_FULL: too many items. */
MUST_USE enum err cluster_list_make(const struct cluster_set sets[], uint32_t rounds,
                                    struct cluster_list *ret_list);

#endif
