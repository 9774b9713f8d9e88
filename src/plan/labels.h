/* labels.h: which partial plans need no look, because one that was looked at is no worse in
 * anything.
 *
 * A label is what a partial plan costs and lacks, in numbers of which less is never worse: all that
 * can be put behind it can be put behind one that is no more in any of them, and is no worse there
 * (dominance between labels, Irnich and Desaulniers, "Shortest path problems with resource
 * constraints", 2005). Some are kept, the last ones that were of use first. */
#ifndef PLAN_LABELS_H
#define PLAN_LABELS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

enum {
    PLAN_LABELS_MAX = 256,
    PLAN_LABEL_MAX = 224,    /* numbers of one */
    PLAN_LABEL_SKETCHED = 16 /* of those, in a sketch */
};

/* Of each of the first numbers seven bits, which are no less where the number is not: compared all
 * at once, before the numbers. */
struct plan_sketch {
    uint64_t words[PLAN_LABEL_SKETCHED / 8];
};

struct plan_labels {
    uint32_t width, count;
    double *values; /* PLAN_LABELS_MAX of <width> */
    struct plan_sketch *sketches;
    double first[PLAN_LABEL_SKETCHED]; /* of the first label: sketches count from there */
    uint16_t *order;                   /* where each lies, the last of use first */
};

/* false: the arena is too small. */
bool plan_labels_init(struct plan_labels *labels, struct arena *arena);

/* None is kept; the next ones have <width> numbers, PLAN_LABEL_MAX at most. */
void plan_labels_clear(struct plan_labels *labels, uint32_t width);

/* Is one that is kept no more than <label> in any number? *io_work: and so many were looked at. */
bool plan_labels_beat(struct plan_labels *labels, const double *label, uint64_t *io_work);

/* In place of the one that was of no use for longest, when there is no room. */
void plan_labels_add(struct plan_labels *labels, const double *label);

#endif
