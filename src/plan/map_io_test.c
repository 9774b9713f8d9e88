/* The picture of a plan: all of it is there, to scale, and any name leaves it well-formed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "catalog/load_io.h"
#include "plan/map.h"
#include "plan/map_scene.h"
#include "plan/wish_world_test.h"

static struct small_world world;
static char drawn[8 << 20];

static void open_world(void)
{
    assert_int_equal(
        small_world_read(&world, " {zones: [eu, us],\n"
                                 "  sites: [{name: 'own:lab', near: 'a:west', sku: gpu4, count: "
                                 "2}],\n"
                                 "  services: [{name: tag, residency: [eu, us], speeds: [{sku: "
                                 "cpu, rate: 10req/s, time: 5ms}],\n"
                                 "    demands: [{client: york, rate: 3.5req/s}]}]}\n"),
        ERR_OK);
}

static struct plan_sheet_replica replica(const char *region, uint32_t count)
{
    return (struct plan_sheet_replica){.service = SPAN_LITERAL("tag"),
                                       .region = span_of(region),
                                       .sku = SPAN_LITERAL("cpu"),
                                       .market = SPAN_LITERAL("on_demand"),
                                       .count = count,
                                       .machines = 1,
                                       .usd_h = 0.5};
}

static struct plan_sheet_flow flow(const char *client, const char *region, double rate)
{
    return (struct plan_sheet_flow){.service = SPAN_LITERAL("tag"),
                                    .zone = span_of(client),
                                    .region = span_of(region),
                                    .rate = rate,
                                    .share = 1};
}

static const char *draw(const struct plan_sheet *sheet, const struct plan_wish *wish,
                        struct arena *arena)
{
    struct text text;
    size_t size = plan_map_size(wish);
    assert_true(size <= sizeof drawn);
    text_init(&text, drawn, size);
    assert_int_equal(plan_map_draw(sheet, wish, arena, &text), ERR_OK);
    assert_false(text.is_cut);
    return drawn;
}

static uint32_t count_of(const char *text, const char *word)
{
    uint32_t count = 0;
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
        count++;
    return count;
}

/* Elements close in order, attributes are quoted, and '&' begins one of XML's own entities. */
static void assert_well_formed(const char *at)
{
    const char *names[16] = {0};
    size_t sizes[16] = {0};
    uint32_t depth = 0;
    for (; *at; at++) {
        if (*at == '&')
            assert_true(!strncmp(at, "&amp;", 5) || !strncmp(at, "&lt;", 4) ||
                        !strncmp(at, "&gt;", 4) || !strncmp(at, "&quot;", 6));
        if (*at != '<')
            continue;
        bool is_end = at[1] == '/';
        const char *name = at + 1 + is_end;
        size_t size = strcspn(name, " >/");
        for (at = name + size; *at != '>' && *at != '/'; at++) {
            assert_true(*at != '<' && *at != '\0');
            if (*at == '"')
                at = strchr(at + 1, '"');
        }
        if (is_end) {
            assert_true(depth > 0 && sizes[--depth] == size);
            assert_memory_equal(names[depth], name, size);
        } else if (*at == '>') {
            assert_true(depth < 16);
            names[depth] = name;
            sizes[depth++] = size;
        }
    }
    assert_int_equal(depth, 0);
}

static void test_regions_sites_clients_and_flows_are_drawn_to_scale(void **state)
{
    (void)state;
    open_world();
    struct plan_sheet_replica replicas[] = {replica("a:east", 3), replica("a:east", 1),
                                            replica("b:north", 1), replica("own:lab", 2),
                                            replica("b:south", 0)};
    struct plan_sheet_flow flows[] = {flow("paris", "a:east", 8), flow("york", "b:north", 1),
                                      flow("york", "a:east", 1), flow("york", "b:north", 3)};
    struct plan_sheet sheet = {.status = SPAN_LITERAL("feasible"),
                               .world = SPAN_LITERAL("w"),
                               .cost_usd_h = 3.5,
                               .bound_usd_h = 3.4,
                               .gap = 0.1 / 3.5,
                               .replicas = replicas,
                               .replica_count = COUNT_OF(replicas),
                               .flows = flows,
                               .flow_count = COUNT_OF(flows)};
    const char *svg = draw(&sheet, world.wish, &world.arena);
    assert_well_formed(svg);
    assert_int_equal(count_of(svg, "class=\"region\""), 3);
    assert_int_equal(count_of(svg, "class=\"client\""), 2 + 1); /* one in the legend */
    assert_int_equal(count_of(svg, "class=\"arc\""), 3 + 2);
    assert_non_null(strstr(svg, "r=\"24.0\"><title>a:east: 4 replicas, $2.00 an hour<"));
    assert_non_null(strstr(svg, "r=\"12.0\"><title>b:north: 1 replica, $0.50 an hour<"));
    assert_non_null(strstr(svg, "<title>own:lab: 2 replicas"));
    assert_non_null(strstr(svg, "<title>york to b:north: 4 requests/s<"));
    assert_non_null(strstr(svg, "stroke-width=\"11.0\""));
    assert_non_null(strstr(svg, ">eu: 6 replicas<"));
    assert_non_null(strstr(svg, "w: $3.50 an hour<"));
    assert_non_null(strstr(svg, "no plan costs less than $3.40 (gap 2.86 %); 7 replicas of 1 "
                                "service in 3 regions, 13 requests/s<"));
}

static void test_a_name_with_marks_of_xml_leaves_it_well_formed(void **state)
{
    (void)state;
    open_world();
    ((struct catalog_region *)(uintptr_t)world.catalog->regions)[0].name =
        SPAN_LITERAL("a:<&\"'\x01>");
    struct plan_sheet_replica replicas[] = {replica("a:<&\"'\x01>", 1)};
    struct plan_sheet sheet = {.status = SPAN_LITERAL("optimal"),
                               .world = SPAN_LITERAL("</svg><script>&"),
                               .replicas = replicas,
                               .replica_count = 1};
    const char *svg = draw(&sheet, world.wish, &world.arena);
    assert_well_formed(svg);
    assert_null(strstr(svg, "<script>"));
    assert_non_null(strstr(svg, ">&lt;&amp;&quot;'?&gt; <tspan"));
    assert_non_null(strstr(svg, "proven the cheapest"));
}

static void test_a_plan_of_nothing_and_unknown_names_are_no_error(void **state)
{
    (void)state;
    open_world();
    struct plan_sheet_replica replicas[] = {replica("gone:region", 4), replica("a:east", 0)};
    struct plan_sheet_flow flows[] = {flow("nobody", "a:east", 1), flow("york", "a:east", 1)};
    struct plan_sheet sheet = {.status = SPAN_LITERAL("feasible"),
                               .replicas = replicas,
                               .replica_count = 2,
                               .flows = flows,
                               .flow_count = 2};
    const char *svg = draw(&sheet, world.wish, &world.arena);
    assert_well_formed(svg);
    assert_int_equal(count_of(svg, "class=\"region\""), 0);
    assert_int_equal(count_of(svg, "class=\"arc\""), 0);
}

/* Thickest first, and what is not among them is counted. */
static void assert_arcs_are_the_thickest(const struct plan_sheet *sheet,
                                         const struct plan_wish *wish, struct arena *arena)
{
    struct plan_map_scene scene;
    double shown = 0, thicker = 0;
    assert_int_equal(plan_map_scene_fill(sheet, wish, arena, &scene), ERR_OK);
    assert_int_equal(scene.arc_count, PLAN_MAP_ARCS_MAX);
    double thinnest = scene.arcs[PLAN_MAP_ARCS_MAX - 1].rate;
    for (uint32_t i = 0; i < scene.arc_count; i++) {
        assert_true(i == 0 || scene.arcs[i].rate <= scene.arcs[i - 1].rate);
        shown += scene.arcs[i].rate;
    }
    for (uint32_t i = 0; i < sheet->flow_count; i++)
        thicker += sheet->flows[i].rate > thinnest;
    assert_true(thicker < PLAN_MAP_ARCS_MAX);
    assert_true(fabs(shown + scene.rate_hidden - scene.rate) < 1e-6);
}

/* Every region of the shipped catalogue, and a flow from every client to each. */
static void test_the_largest_picture_is_bounded(void **state)
{
    (void)state;
    enum { REGIONS_MAX = 256, CLIENTS_MAX = 64 };
    static struct plan_sheet_replica replicas[REGIONS_MAX];
    static struct plan_sheet_flow flows[REGIONS_MAX * CLIENTS_MAX];
    static uint32_t zones[REGIONS_MAX];
    static struct fleet_complaints complaints;
    size_t size = CATALOG_ARENA_SIZE + (64 << 20);
    void *memory = malloc(size);
    struct arena arena;
    struct catalog *catalog;
    arena_init(&arena, memory, size);
    assert_int_equal(catalog_load_io(SOURCE_DIR "/data/catalog", &arena, &complaints, &catalog),
                     ERR_OK);
    assert_true(catalog->region_count <= REGIONS_MAX && catalog->client_count <= CLIENTS_MAX);
    struct plan_wish wish = {.catalog = catalog, .place_zones = zones};
    struct plan_sheet sheet = {
        .status = SPAN_LITERAL("feasible"), .replicas = replicas, .flows = flows};
    for (uint32_t r = 0; r < catalog->region_count; r++) {
        const struct catalog_region *region = &catalog->regions[r];
        while (zones[r] < wish.zone_count && !span_is_equal(wish.zones[zones[r]], region->zone))
            zones[r]++;
        wish.zones[zones[r]] = region->zone;
        wish.zone_count += zones[r] == wish.zone_count;
        replicas[sheet.replica_count] = replica("", r % 20 + 1);
        replicas[sheet.replica_count++].region = region->name;
        for (uint32_t c = 0; c < catalog->client_count; c++) {
            flows[sheet.flow_count] = flow("", "", 1 + (r * 31 + c * 17) % 100);
            flows[sheet.flow_count].zone = catalog->clients[c].name;
            flows[sheet.flow_count++].region = region->name;
        }
    }
    assert_arcs_are_the_thickest(&sheet, &wish, &arena);
    const char *svg = draw(&sheet, &wish, &arena);
    assert_well_formed(svg);
    assert_int_equal(count_of(svg, "class=\"region\""), catalog->region_count);
    uint32_t arcs = count_of(svg, "class=\"arc\"") - 2;
    assert_in_range(arcs, PLAN_MAP_ARCS_MAX + 1, 2 * PLAN_MAP_ARCS_MAX); /* some go around */
    assert_non_null(strstr(svg, "too thin to show"));
    assert_non_null(strstr(svg, "other zones"));
    arena_init(&arena, memory, 1024);
    struct text text;
    text_init(&text, drawn, sizeof drawn);
    assert_int_equal(plan_map_draw(&sheet, &wish, &arena, &text), ERR_MEMORY);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regions_sites_clients_and_flows_are_drawn_to_scale),
        cmocka_unit_test(test_a_name_with_marks_of_xml_leaves_it_well_formed),
        cmocka_unit_test(test_a_plan_of_nothing_and_unknown_names_are_no_error),
        cmocka_unit_test(test_the_largest_picture_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
