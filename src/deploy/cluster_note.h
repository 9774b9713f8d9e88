/* cluster_note.h: what one `farspan apply --target kubernetes` remembers, so that the next can take
 * up where it stood: apply.json in the folder of the world, written whole and synced before each
 * action, removed at the end.
 *
 *     {"version":1,"plan":"sha256 of the plan file","epoch":3,"rounds":2,"state":"act","batch":0,
 *      "item":0,"failure":"","contexts":[{"region":"azure-westeurope","context":"eu"}]}
 *
 * What the actions are is not in it: the sets of files lie beside it (now/, round-1/ ...), and
 * deploy/cluster.h makes the same list of them again. */
#ifndef DEPLOY_CLUSTER_NOTE_H
#define DEPLOY_CLUSTER_NOTE_H

#include "base/crypto.h"
#include "base/text.h"
#include "deploy/cluster.h"

enum {
    CLUSTER_CONTEXT_MAX = 253, /* bytes of the name of a kubectl context */
    CLUSTER_CONTEXTS_MAX = 2 * LIMIT_REGIONS,
    CLUSTER_FAILURE_MAX = 512
};

struct cluster_context {
    char region[RENDER_LABEL_MAX + 1]; /* its folder */
    char context[CLUSTER_CONTEXT_MAX + 1];
};

struct cluster_note {
    char plan[2 * CRYPTO_SHA256_SIZE + 1];
    uint64_t epoch; /* of the plan */
    uint32_t rounds;
    struct rollout rollout; /* its list is the caller's */
    char failure[CLUSTER_FAILURE_MAX];
    uint32_t context_count;
    struct cluster_context contexts[CLUSTER_CONTEXTS_MAX];
};

MUST_USE enum err cluster_note_write(const char *path, const struct cluster_note *note,
                                     struct text *why);

/* ERR_NOT_FOUND: none was broken off. ERR_VALUE: it cannot be one. Whether the position is one of
 * the list is for the caller to see: rollout_is_sound(). */
MUST_USE enum err cluster_note_read(const char *path, struct cluster_note *ret_note,
                                    struct text *why);

/* NULL: nobody named one for that region. */
const char *cluster_note_context(const struct cluster_note *note, struct span region);

#endif
