#include "plan/map_view.h"

#include "base/check.h"

#define PI             3.14159265358979323846
#define MIDDLE_DEGREES 11.0 /* longitude: 180 degrees before it the map is cut */
#define X_FACTOR       0.8487
#define Y_FACTOR       1.3523
#define ROW_DEGREES    5.0
#define WORLD_NORTH    0.95 /* shares of the pole's height: 81 degrees north, */
#define WORLD_SOUTH    0.71 /* 58 degrees south */
#define ROOM           0.16 /* beside what is shown, a share of the frame */

static const struct plan_map_xy rows[] = {
    {1.0000, 0.0000}, {0.9986, 0.0620}, {0.9954, 0.1240}, {0.9900, 0.1860}, {0.9822, 0.2480},
    {0.9730, 0.3100}, {0.9600, 0.3720}, {0.9427, 0.4340}, {0.9216, 0.4958}, {0.8962, 0.5571},
    {0.8679, 0.6176}, {0.8350, 0.6769}, {0.7986, 0.7346}, {0.7597, 0.7903}, {0.7186, 0.8435},
    {0.6732, 0.8936}, {0.6213, 0.9394}, {0.5722, 0.9761}, {0.5322, 1.0000}};

struct plan_map_xy plan_map_project(double longitude, double latitude)
{
    CHECK(latitude >= -90 && latitude <= 90);
    double height = latitude < 0 ? -latitude : latitude;
    uint32_t row = (uint32_t)(height / ROW_DEGREES);
    if (row > COUNT_OF(rows) - 2)
        row = COUNT_OF(rows) - 2;
    double part = height / ROW_DEGREES - row;
    double x = rows[row].x + part * (rows[row + 1].x - rows[row].x);
    double y = rows[row].y + part * (rows[row + 1].y - rows[row].y);
    double turn = longitude - MIDDLE_DEGREES;
    if (turn < -180)
        turn += 360;
    return (struct plan_map_xy){X_FACTOR * x * turn * PI / 180, Y_FACTOR * (latitude < 0 ? -y : y)};
}

double plan_map_turn(double y)
{
    double height = (y < 0 ? -y : y) / Y_FACTOR;
    uint32_t row = 0;
    while (row < COUNT_OF(rows) - 2 && rows[row + 1].y < height)
        row++;
    double part = (height - rows[row].y) / (rows[row + 1].y - rows[row].y);
    return 2 * PI * X_FACTOR * (rows[row].x + part * (rows[row + 1].x - rows[row].x));
}

static struct plan_map_view world_view(struct plan_map_box frame)
{
    double height = (WORLD_NORTH + WORLD_SOUTH) * Y_FACTOR;
    double wide = (frame.x1 - frame.x0) / plan_map_turn(0);
    double high = (frame.y1 - frame.y0) / height;
    return (struct plan_map_view){.frame = frame,
                                  .middle = {0, WORLD_NORTH * Y_FACTOR - height / 2},
                                  .scale = wide < high ? wide : high};
}

struct plan_map_view plan_map_view_around(struct plan_map_box frame,
                                          const struct plan_map_xy *points, uint32_t count)
{
    struct plan_map_view view = world_view(frame);
    if (count == 0)
        return view;
    struct plan_map_box all = {points[0].x, points[0].y, points[0].x, points[0].y};
    for (uint32_t i = 1; i < count; i++) {
        all.x0 = points[i].x < all.x0 ? points[i].x : all.x0;
        all.x1 = points[i].x > all.x1 ? points[i].x : all.x1;
        all.y0 = points[i].y < all.y0 ? points[i].y : all.y0;
        all.y1 = points[i].y > all.y1 ? points[i].y : all.y1;
    }
    double most = view.scale * PLAN_MAP_ZOOM_MAX;
    double wide = (1 - 2 * ROOM) * (frame.x1 - frame.x0),
           high = (1 - 2 * ROOM) * (frame.y1 - frame.y0);
    double scale = most;
    if (scale * (all.x1 - all.x0) > wide)
        scale = wide / (all.x1 - all.x0);
    if (scale * (all.y1 - all.y0) > high)
        scale = high / (all.y1 - all.y0);
    if (scale <= view.scale * 1.25)
        return view;
    view.scale = scale;
    view.middle = (struct plan_map_xy){(all.x0 + all.x1) / 2, (all.y0 + all.y1) / 2};
    return view;
}

struct plan_map_xy plan_map_place_at(const struct plan_map_view *view, struct plan_map_xy flat)
{
    return (struct plan_map_xy){
        (view->frame.x0 + view->frame.x1) / 2 + view->scale * (flat.x - view->middle.x),
        (view->frame.y0 + view->frame.y1) / 2 - view->scale * (flat.y - view->middle.y)};
}
