/* What the map of a plan stands on: places where they are on the globe, and names that cover
 * nothing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "plan/map_label.h"
#include "plan/map_land.h"

static const struct plan_map_box frame = {0, 100, 1600, 800};

static void assert_near(double a, double b)
{
    assert_true(fabs(a - b) < 1e-3);
}

/* Robinson's own figures for 40 degrees north: 0.9216 of the equator's length, 0.4958 of the
 * height. */
static void test_places_are_where_robinson_has_them(void **state)
{
    (void)state;
    struct plan_map_xy middle = plan_map_project(11, 0), north = plan_map_project(11 + 90, 40);
    struct plan_map_xy south = plan_map_project(11 - 90, -40), pole = plan_map_project(11, 90);
    assert_near(middle.x, 0);
    assert_near(middle.y, 0);
    assert_near(north.x, 0.8487 * 0.9216 * 3.14159265 / 2);
    assert_near(north.y, 1.3523 * 0.4958);
    assert_near(south.x, -north.x);
    assert_near(south.y, -north.y);
    assert_near(pole.y, 1.3523);
}

/* Alaska lies west, Chukotka's tip east, and once around leads back. */
static void test_the_map_is_cut_at_the_bering_strait(void **state)
{
    (void)state;
    assert_true(plan_map_project(-168, 65).x < 0);
    assert_true(plan_map_project(-170, 65).x > 0);
    for (int latitude = -60; latitude <= 80; latitude += 7) {
        struct plan_map_xy west = plan_map_project(-100, latitude);
        struct plan_map_xy east = plan_map_project(-100 + 360, latitude);
        assert_near(west.x + plan_map_turn(west.y), east.x);
    }
}

static void test_every_coastline_closes_within_the_map(void **state)
{
    (void)state;
    uint32_t sum = 0;
    for (uint32_t ring = 0; ring < PLAN_MAP_RINGS; ring++) {
        assert_true(plan_map_ring_sizes[ring] > 2);
        sum += plan_map_ring_sizes[ring];
    }
    assert_int_equal(sum, PLAN_MAP_POINTS);
    for (uint32_t i = 0; i < PLAN_MAP_POINTS; i++) {
        assert_in_range(plan_map_land[i].longitude + 1690, 0, 3610);
        assert_in_range(plan_map_land[i].latitude + 600, 0, 1500);
    }
}

static void test_a_small_plan_is_shown_large_and_whole(void **state)
{
    (void)state;
    struct plan_map_xy points[] = {plan_map_project(2, 48), plan_map_project(18, 59)};
    struct plan_map_view world = plan_map_view_around(frame, points, 0);
    struct plan_map_view near = plan_map_view_around(frame, points, COUNT_OF(points));
    struct plan_map_view one = plan_map_view_around(frame, points, 1);
    assert_true(near.scale > 3 * world.scale);
    assert_near(one.scale, PLAN_MAP_ZOOM_MAX * world.scale);
    for (size_t i = 0; i < COUNT_OF(points); i++) {
        struct plan_map_xy at = plan_map_place_at(&near, points[i]);
        assert_true(at.x > 100 && at.x < 1500 && at.y > 150 && at.y < 750);
    }
    points[1] = plan_map_project(151, -34);
    near = plan_map_view_around(frame, points, COUNT_OF(points));
    for (size_t i = 0; i < COUNT_OF(points); i++) {
        struct plan_map_xy at = plan_map_place_at(&near, points[i]);
        assert_true(at.x > 0 && at.x < 1600 && at.y > 100 && at.y < 800);
    }
}

static bool overlap(const struct plan_map_box *a, const struct plan_map_box *b)
{
    return a->x0 < b->x1 && b->x0 < a->x1 && a->y0 < b->y1 && b->y0 < a->y1;
}

static bool covers(const struct plan_map_box *box, const struct plan_map_disc *disc)
{
    double x = fmin(fmax(disc->at.x, box->x0), box->x1) - disc->at.x;
    double y = fmin(fmax(disc->at.y, box->y0), box->y1) - disc->at.y;
    return hypot(x, y) < disc->radius - 1e-9;
}

/* 100 crowds of 60 places in a corner as large as Europe on a slide. */
static void test_names_cover_neither_each_other_nor_a_place(void **state)
{
    (void)state;
    enum { PLACES = 60, CROWDS = 100 };
    static char memory[1 << 16];
    uint32_t placed = 0;
    for (uint64_t seed = 1; seed <= CROWDS; seed++) {
        struct arena arena;
        struct rng rng;
        struct plan_map_labels labels;
        struct plan_map_disc discs[PLACES];
        struct plan_map_box boxes[PLACES];
        uint32_t count = 0;
        arena_init(&arena, memory, sizeof memory);
        rng_init(&rng, seed);
        assert_true(plan_map_labels_init(&labels, frame, PLACES, PLACES, &arena));
        for (uint32_t i = 0; i < PLACES; i++) {
            double x = 500 + 250 * rng_unit(&rng), y = 200 + 200 * rng_unit(&rng);
            discs[i] = (struct plan_map_disc){{x, y}, 4 + 20 * rng_unit(&rng)};
            plan_map_labels_keep_disc(&labels, discs[i]);
        }
        for (uint32_t i = 0; i < PLACES; i++)
            count += plan_map_labels_place(&labels, discs[i], 60 + 80 * rng_unit(&rng), 18, 140,
                                           &boxes[count]);
        placed += count;
        for (uint32_t i = 0; i < count; i++) {
            assert_true(boxes[i].x0 >= frame.x0 && boxes[i].y1 <= frame.y1);
            for (uint32_t k = 0; k < i; k++)
                assert_false(overlap(&boxes[i], &boxes[k]));
            for (uint32_t k = 0; k < PLACES; k++)
                assert_false(covers(&boxes[i], &discs[k]));
        }
    }
    assert_true(placed > CROWDS * PLACES / 2);
}

static void test_a_name_stands_beside_its_place_where_it_can(void **state)
{
    (void)state;
    char memory[1024];
    struct arena arena;
    struct plan_map_labels labels;
    struct plan_map_box box;
    struct plan_map_disc disc = {{800, 400}, 10};
    arena_init(&arena, memory, sizeof memory);
    assert_true(plan_map_labels_init(&labels, frame, 2, 2, &arena));
    plan_map_labels_keep_disc(&labels, disc);
    assert_true(plan_map_labels_place(&labels, disc, 100, 18, 140, &box));
    assert_near(box.x0, 813);
    assert_near((box.y0 + box.y1) / 2, 400);
    assert_true(plan_map_labels_place(&labels, disc, 100, 18, 140, &box));
    assert_near(box.x1, 787);
    plan_map_labels_init(&labels, frame, 2, 2, &arena);
    disc.radius = 900;
    assert_false(plan_map_labels_place(&labels, disc, 100, 18, 140, &box));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places_are_where_robinson_has_them),
        cmocka_unit_test(test_the_map_is_cut_at_the_bering_strait),
        cmocka_unit_test(test_every_coastline_closes_within_the_map),
        cmocka_unit_test(test_a_small_plan_is_shown_large_and_whole),
        cmocka_unit_test(test_names_cover_neither_each_other_nor_a_place),
        cmocka_unit_test(test_a_name_stands_beside_its_place_where_it_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
