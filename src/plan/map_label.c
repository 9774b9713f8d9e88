#include "plan/map_label.h"

#include "base/check.h"

/* Ways around a point: right, left, above, below, then between. x, y: of the label's middle, from
 * -1 to 1 in half widths and heights; y downwards. */
static const struct plan_map_xy ways[] = {
    {1, 0},    {-1, 0},  {0, -1},    {0, 1},    {1, -0.7},  {1, 0.7},  {-1, -0.7},  {-1, 0.7},
    {0.5, -1}, {0.5, 1}, {-0.5, -1}, {-0.5, 1}, {1, -0.35}, {1, 0.35}, {-1, -0.35}, {-1, 0.35}};
static const double gaps[] = {3, 12, 22, 34, 48, 64, 84, 108, 136};

bool plan_map_labels_init(struct plan_map_labels *labels, struct plan_map_box frame,
                          uint32_t disc_max, uint32_t box_max, struct arena *arena)
{
    *labels = (struct plan_map_labels){.frame = frame, .disc_max = disc_max, .box_max = box_max};
    labels->discs = ARENA_ARRAY(arena, struct plan_map_disc, disc_max);
    labels->boxes = ARENA_ARRAY(arena, struct plan_map_box, box_max);
    return labels->discs && labels->boxes;
}

void plan_map_labels_keep_disc(struct plan_map_labels *labels, struct plan_map_disc disc)
{
    CHECK(labels->disc_count < labels->disc_max);
    labels->discs[labels->disc_count++] = disc;
}

void plan_map_labels_keep_box(struct plan_map_labels *labels, struct plan_map_box box)
{
    CHECK(labels->box_count < labels->box_max);
    labels->boxes[labels->box_count++] = box;
}

static bool is_covered(const struct plan_map_box *box, const struct plan_map_disc *disc)
{
    double x = disc->at.x, y = disc->at.y;
    double near_x = x < box->x0 ? box->x0 : x > box->x1 ? box->x1 : x;
    double near_y = y < box->y0 ? box->y0 : y > box->y1 ? box->y1 : y;
    double dx = x - near_x, dy = y - near_y;
    return dx * dx + dy * dy < disc->radius * disc->radius;
}

static bool is_free(const struct plan_map_labels *labels, const struct plan_map_box *box)
{
    const struct plan_map_box *frame = &labels->frame;
    if (box->x0 < frame->x0 || box->x1 > frame->x1 || box->y0 < frame->y0 || box->y1 > frame->y1)
        return false;
    for (uint32_t i = 0; i < labels->box_count; i++) {
        const struct plan_map_box *other = &labels->boxes[i];
        if (box->x0 < other->x1 && other->x0 < box->x1 && box->y0 < other->y1 &&
            other->y0 < box->y1)
            return false;
    }
    for (uint32_t i = 0; i < labels->disc_count; i++)
        if (is_covered(box, &labels->discs[i]))
            return false;
    return true;
}

bool plan_map_labels_place(struct plan_map_labels *labels, struct plan_map_disc disc, double width,
                           double height, double far, struct plan_map_box *ret_box)
{
    for (uint32_t g = 0; g < COUNT_OF(gaps) && gaps[g] <= far; g++)
        for (uint32_t w = 0; w < COUNT_OF(ways); w++) {
            double x = disc.at.x + ways[w].x * (disc.radius + gaps[g] + width / 2);
            double y = disc.at.y + ways[w].y * (disc.radius + gaps[g] + height / 2);
            struct plan_map_box box = {x - width / 2, y - height / 2, x + width / 2,
                                       y + height / 2};
            if (!is_free(labels, &box))
                continue;
            plan_map_labels_keep_box(labels, box);
            *ret_box = box;
            return true;
        }
    return false;
}
