#include "plan/labels.h"

#include <string.h>

#include "base/check.h"

bool plan_labels_init(struct plan_labels *labels, struct arena *arena)
{
    *labels = (struct plan_labels){
        .values = ARENA_ROOM(arena, double, (size_t)PLAN_LABELS_MAX *PLAN_LABEL_MAX),
        .order = ARENA_ROOM(arena, uint16_t, PLAN_LABELS_MAX)};
    return !arena->is_overflown;
}

void plan_labels_clear(struct plan_labels *labels, uint32_t width)
{
    CHECK(width <= PLAN_LABEL_MAX);
    labels->width = width;
    labels->count = 0;
}

static double *label_at(const struct plan_labels *labels, uint32_t at)
{
    return labels->values + (size_t)labels->order[at] * labels->width;
}

/* The one at <at> comes first; those before it one place later. */
static void bring_forward(struct plan_labels *labels, uint32_t at)
{
    uint16_t own = labels->order[at];
    memmove(labels->order + 1, labels->order, at * sizeof *labels->order);
    labels->order[0] = own;
}

bool plan_labels_beat(struct plan_labels *labels, const double *label, uint64_t *io_work)
{
    for (uint32_t at = 0; at < labels->count; at++) {
        const double *own = label_at(labels, at);
        uint32_t i = 0;
        while (i < labels->width && own[i] <= label[i])
            i++;
        if (i < labels->width)
            continue;
        bring_forward(labels, at);
        *io_work += at + 1;
        return true;
    }
    *io_work += labels->count;
    return false;
}

void plan_labels_add(struct plan_labels *labels, const double *label)
{
    if (labels->count < PLAN_LABELS_MAX) {
        labels->order[labels->count] = (uint16_t)labels->count;
        labels->count++;
    }
    bring_forward(labels, labels->count - 1);
    memcpy(label_at(labels, 0), label, labels->width * sizeof *label);
}
