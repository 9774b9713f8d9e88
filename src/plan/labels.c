#include "plan/labels.h"

#include <string.h>

#include "base/check.h"

enum { MIDDLE = 64, MOST = 127 };

#define TOPS UINT64_C(0x8080808080808080) /* the highest bit of each byte */

bool plan_labels_init(struct plan_labels *labels, struct arena *arena)
{
    *labels = (struct plan_labels){
        .values = ARENA_ROOM(arena, double, (size_t)PLAN_LABELS_MAX *PLAN_LABEL_MAX),
        .sketches = ARENA_ROOM(arena, struct plan_sketch, PLAN_LABELS_MAX),
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

/* A number that is as far above the first label's as that is from zero, or farther, is the
 * greatest; one as far below it the least. */
static uint64_t sketch_number(double first, double number)
{
    double size = __builtin_fabs(first);
    double bits = MIDDLE + (size > 0 ? (number - first) / size * MIDDLE : number > 0 ? MOST : 0);
    return bits < 0 ? 0 : bits > MOST ? MOST : (uint64_t)bits;
}

static struct plan_sketch sketch(const struct plan_labels *labels, const double *label)
{
    struct plan_sketch sketch = {{0}};
    for (uint32_t i = 0; i < labels->width && i < PLAN_LABEL_SKETCHED; i++)
        sketch.words[i / 8] |= sketch_number(labels->first[i], label[i]) << (8 * (i % 8));
    return sketch;
}

static bool may_beat(const struct plan_sketch *own, const struct plan_sketch *other)
{
    bool may = true;
    for (size_t i = 0; i < COUNT_OF(own->words); i++)
        may = may && (((other->words[i] | TOPS) - own->words[i]) & TOPS) == TOPS;
    return may;
}

bool plan_labels_beat(struct plan_labels *labels, const double *label, uint64_t *io_work)
{
    if (labels->count == 0)
        return false;
    const struct plan_sketch other = sketch(labels, label);
    for (uint32_t at = 0; at < labels->count; at++) {
        if (!may_beat(&labels->sketches[labels->order[at]], &other))
            continue;
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
    for (uint32_t i = 0; labels->count == 0 && i < labels->width && i < PLAN_LABEL_SKETCHED; i++)
        labels->first[i] = label[i];
    if (labels->count < PLAN_LABELS_MAX) {
        labels->order[labels->count] = (uint16_t)labels->count;
        labels->count++;
    }
    bring_forward(labels, labels->count - 1);
    memcpy(label_at(labels, 0), label, labels->width * sizeof *label);
    labels->sketches[labels->order[0]] = sketch(labels, label);
}
