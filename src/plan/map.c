#include "plan/map.h"

#include "base/check.h"
#include "plan/map_label.h"
#include "plan/map_land.h"
#include "plan/map_scene.h"

enum {
    WIDTH = 1600,
    HEIGHT = 900,
    FRAME_TOP = 104,
    FRAME_BOTTOM = 796,
    MARGIN = 40,
    FONT = 15, /* of names; nothing is smaller */
    LINE = 18
};

#define RADIUS_MAX 24.0
#define RADIUS_MIN 5.0
#define WIDTH_MAX  11.0
#define WIDTH_MIN  1.0
#define CLIENT     4.5  /* half a diamond */
#define BEND       0.16 /* of an arc: how far its middle is off the line, a share of its length */
#define FAR        140.0
#define NEAR       12.0
#define LETTER     0.6 /* width of a letter, a share of the font: wide fonts need that much */

static const char *const colours[] = {"#332288", "#C9A31C", "#117733", "#CC6677", "#5AB4E5",
                                      "#882255", "#44AA99", "#AA4499", "#999933"};
#define COLOUR_OTHER "#777777"

struct picture {
    const struct plan_sheet *sheet;
    struct plan_map_scene scene;
    struct plan_map_view view;
    struct plan_map_labels labels;
    uint32_t nameless; /* names without a place */
    struct text *text;
};

static const char *colour_of(uint32_t zone)
{
    return zone < COUNT_OF(colours) ? colours[zone] : COLOUR_OTHER;
}

/* Names are visible ASCII by their readers' rules; what is not would break the file. */
static void add_escaped(struct text *text, struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '&')
            text_add_span(text, SPAN_LITERAL("&amp;"));
        else if (c == '<')
            text_add_span(text, SPAN_LITERAL("&lt;"));
        else if (c == '>')
            text_add_span(text, SPAN_LITERAL("&gt;"));
        else if (c == '"')
            text_add_span(text, SPAN_LITERAL("&quot;"));
        else
            text_add_c(text, c >= ' ' && c <= '~' ? c : '?');
    }
}

static struct plan_map_xy at_of(const struct picture *picture, struct plan_map_xy flat)
{
    return plan_map_place_at(&picture->view, flat);
}

static double radius_of(const struct picture *picture, uint32_t replicas)
{
    double radius =
        RADIUS_MAX * __builtin_sqrt((double)replicas / picture->scene.regions[0].replicas);
    return radius > RADIUS_MIN ? radius : RADIUS_MIN;
}

static double width_of(const struct picture *picture, double rate)
{
    double width = WIDTH_MAX * rate / picture->scene.arcs[0].rate;
    return width > WIDTH_MIN ? width : WIDTH_MIN;
}

/* Words -------------------------------------------------------------------------------------- */

static const char *plural(uint32_t count)
{
    return count == 1 ? "" : "s";
}

static void add_proof(const struct picture *picture)
{
    const struct plan_sheet *sheet = picture->sheet;
    text_add(picture->text, "%sno plan costs less than $%.2f (gap %.2f %%)",
             span_is(sheet->status, "optimal") ? "proven the cheapest: " : "", sheet->bound_usd_h,
             100 * sheet->gap);
}

static void add_size(const struct picture *picture)
{
    const struct plan_map_scene *scene = &picture->scene;
    text_add(picture->text, "%u replica%s of %u service%s in %u region%s, %.4g requests/s",
             scene->replicas, plural(scene->replicas), scene->service_count,
             plural(scene->service_count), scene->region_count, plural(scene->region_count),
             scene->rate);
    if (picture->sheet->carbon_kg_h > 0)
        text_add(picture->text, ", %.3g kg CO2 an hour", picture->sheet->carbon_kg_h);
}

static void draw_head(const struct picture *picture)
{
    struct text *text = picture->text;
    text_add(text,
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
             "viewBox=\"0 0 %d %d\" role=\"img\" aria-labelledby=\"title desc\">\n<title "
             "id=\"title\">Plan of ",
             WIDTH, HEIGHT, WIDTH, HEIGHT);
    add_escaped(text, picture->sheet->world);
    text_add(text, "</title>\n<desc id=\"desc\">");
    add_size(picture);
    text_add(text, ". ");
    add_proof(picture);
    text_add(text,
             ".</desc>\n<style>\n"
             "text { font-family: system-ui, \"Segoe UI\", \"Noto Sans\", sans-serif; font-size: "
             "%dpx; fill: #1f2328; }\n"
             ".head { font-size: 32px; font-weight: 600; } .line { font-size: 19px; }\n"
             ".quiet { fill: #57606a; } .name { paint-order: stroke; stroke: #ffffff; "
             "stroke-width: 3.5px; stroke-linejoin: round; }\n"
             ".count { font-weight: 700; } .land { fill: #dcdfe2; stroke: #dcdfe2; stroke-width: "
             "0.6; }\n"
             ".grid { fill: none; stroke: #e8ebee; } .arc { fill: none; stroke-linecap: round; "
             "stroke-opacity: 0.72; }\n"
             ".region { fill-opacity: 0.9; stroke: #ffffff; stroke-width: 1.5; }\n"
             ".client { fill: #ffffff; stroke: #1f2328; stroke-width: 1.4; }\n"
             ".lead { stroke: #57606a; stroke-width: 1; }\n</style>\n"
             "<clipPath id=\"frame\"><rect y=\"%d\" width=\"%d\" height=\"%d\"/></clipPath>\n"
             "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n"
             "<rect y=\"%d\" width=\"%d\" height=\"%d\" fill=\"#f7f9fb\"/>\n",
             FONT, FRAME_TOP, WIDTH, FRAME_BOTTOM - FRAME_TOP, WIDTH, HEIGHT, FRAME_TOP, WIDTH,
             FRAME_BOTTOM - FRAME_TOP);
}

static void draw_titles(const struct picture *picture)
{
    struct text *text = picture->text;
    text_add(text, "<text class=\"head\" x=\"%d\" y=\"50\">", MARGIN);
    add_escaped(text, picture->sheet->world);
    text_add(text, ": $%.2f an hour</text>\n<text class=\"line quiet\" x=\"%d\" y=\"84\">",
             picture->sheet->cost_usd_h, MARGIN);
    add_proof(picture);
    text_add(text, "; ");
    add_size(picture);
    text_add(text, "</text>\n");
}

/* The map ------------------------------------------------------------------------------------- */

static void draw_land(const struct picture *picture)
{
    struct text *text = picture->text;
    const struct plan_map_point *point = plan_map_land;
    text_add(text, "<g clip-path=\"url(#frame)\">\n<path class=\"land\" fill-rule=\"evenodd\" "
                   "d=\"");
    for (uint32_t ring = 0; ring < PLAN_MAP_RINGS; ring++) {
        for (uint32_t i = 0; i < plan_map_ring_sizes[ring]; i++, point++) {
            struct plan_map_xy at =
                at_of(picture, plan_map_project(point->longitude / 10.0, point->latitude / 10.0));
            text_add(text, "%s%.1f,%.1f", i == 0 ? "M" : i == 1 ? "L" : " ", at.x, at.y);
        }
        text_add(text, "Z\n");
    }
    text_add(text, "\"/>\n");
}

/* Every 30 degrees. */
static void draw_grid(const struct picture *picture)
{
    enum { STEP = 30, FINE = 5, NORTH = 85, SOUTH = -60, WEST = -169, EAST = 190 };
    struct text *text = picture->text;
    text_add(text, "<path class=\"grid\" d=\"");
    for (int longitude = -150; longitude <= 180; longitude += STEP)
        for (int latitude = SOUTH; latitude <= NORTH; latitude += FINE) {
            struct plan_map_xy at = at_of(picture, plan_map_project(longitude, latitude));
            text_add(text, "%s%.1f,%.1f", latitude == SOUTH ? "M" : " ", at.x, at.y);
        }
    for (int latitude = -30; latitude <= 60; latitude += STEP) {
        struct plan_map_xy west = at_of(picture, plan_map_project(WEST, latitude));
        struct plan_map_xy east = at_of(picture, plan_map_project(EAST, latitude));
        text_add(text, "M%.1f,%.1f %.1f,%.1f", west.x, west.y, east.x, east.y);
    }
    text_add(text, "\"/>\n");
}

/* Bent towards the pole, as the shortest way on the globe is. */
static void draw_arc(const struct picture *picture, const struct plan_map_arc *arc,
                     struct plan_map_xy from, struct plan_map_xy to)
{
    struct text *text = picture->text;
    const struct plan_map_client *client = &picture->scene.clients[arc->client];
    const struct plan_map_region *region = &picture->scene.regions[arc->region];
    double side = from.y + to.y < 0 ? -BEND : BEND;
    if (to.x < from.x)
        side = -side;
    struct plan_map_xy bend = {(from.x + to.x) / 2 - side * (to.y - from.y),
                               (from.y + to.y) / 2 + side * (to.x - from.x)};
    from = at_of(picture, from);
    to = at_of(picture, to);
    bend = at_of(picture, bend);
    text_add(text,
             "<path class=\"arc\" stroke=\"%s\" stroke-width=\"%.1f\" d=\"M%.1f,%.1f Q%.1f,%.1f "
             "%.1f,%.1f\"><title>",
             colour_of(region->zone), width_of(picture, arc->rate), from.x, from.y, bend.x, bend.y,
             to.x, to.y);
    add_escaped(text, client->name);
    text_add(text, " to ");
    add_escaped(text, region->name);
    text_add(text, ": %.3g requests/s</title></path>\n", arc->rate);
}

/* What is nearer the other way around leaves at one edge and comes in at the other. */
static void draw_arcs(const struct picture *picture)
{
    const struct plan_map_scene *scene = &picture->scene;
    for (uint32_t i = 0; i < scene->arc_count; i++) {
        const struct plan_map_arc *arc = &scene->arcs[i];
        struct plan_map_xy from = scene->clients[arc->client].flat;
        struct plan_map_xy to = scene->regions[arc->region].flat;
        double turn = plan_map_turn((from.y + to.y) / 2), way = to.x - from.x;
        double over = way > turn / 2 ? -1 : way < -turn / 2 ? 1 : 0;
        struct plan_map_xy to_beyond = {to.x + over * plan_map_turn(to.y), to.y};
        struct plan_map_xy from_beyond = {from.x - over * plan_map_turn(from.y), from.y};
        draw_arc(picture, arc, from, to_beyond);
        if (over != 0)
            draw_arc(picture, arc, from_beyond, to);
    }
}

/* The largest first, so that none is hidden. */
static void draw_regions(struct picture *picture)
{
    struct text *text = picture->text;
    for (uint32_t i = 0; i < picture->scene.region_count; i++) {
        const struct plan_map_region *region = &picture->scene.regions[i];
        struct plan_map_xy at = at_of(picture, region->flat);
        struct plan_map_disc disc = {at, radius_of(picture, region->replicas)};
        plan_map_labels_keep_disc(&picture->labels, disc);
        text_add(text,
                 "<circle class=\"region\" fill=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"><title>",
                 colour_of(region->zone), at.x, at.y, disc.radius);
        add_escaped(text, region->name);
        text_add(text, ": %u replica%s, $%.2f an hour</title></circle>\n", region->replicas,
                 plural(region->replicas), region->usd_h);
    }
}

static void draw_diamond(struct text *text, struct plan_map_xy at)
{
    text_add(text, "<path class=\"client\" d=\"M%.1f,%.1f l%.1f,%.1f %.1f,%.1f %.1f,%.1fZ\">",
             at.x - CLIENT, at.y, CLIENT, -CLIENT, CLIENT, CLIENT, -CLIENT, CLIENT);
}

static void draw_clients(struct picture *picture)
{
    struct text *text = picture->text;
    for (uint32_t i = 0; i < picture->scene.client_count; i++) {
        const struct plan_map_client *client = &picture->scene.clients[i];
        struct plan_map_xy at = at_of(picture, client->flat);
        plan_map_labels_keep_disc(&picture->labels, (struct plan_map_disc){at, CLIENT});
        draw_diamond(text, at);
        text_add(text, "<title>clients: ");
        add_escaped(text, client->name);
        text_add(text, ", %.3g requests/s</title></path>\n", client->rate);
    }
    text_add(text, "</g>\n");
}

/* Names --------------------------------------------------------------------------------------- */

static void draw_lead(const struct picture *picture, struct plan_map_disc disc,
                      const struct plan_map_box *box)
{
    double x = disc.at.x < box->x0   ? box->x0
               : disc.at.x > box->x1 ? box->x1
                                     : (box->x0 + box->x1) / 2;
    double y = disc.at.y < box->y0   ? box->y0
               : disc.at.y > box->y1 ? box->y1
                                     : (box->y0 + box->y1) / 2;
    double dx = x - disc.at.x, dy = y - disc.at.y, length = __builtin_sqrt(dx * dx + dy * dy);
    if (length > disc.radius + NEAR)
        text_add(picture->text,
                 "<line class=\"lead\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
                 disc.at.x + dx * disc.radius / length, disc.at.y + dy * disc.radius / length, x,
                 y);
}

static void name_region(struct picture *picture, const struct plan_map_region *region)
{
    struct text *text = picture->text;
    char digits[16];
    struct text number;
    text_init(&number, digits, sizeof digits);
    text_add_u64(&number, region->replicas);
    struct plan_map_disc disc = {at_of(picture, region->flat),
                                 radius_of(picture, region->replicas)};
    double width = LETTER * FONT * (double)(region->name.n + 1 + number.n);
    struct plan_map_box box;
    if (!plan_map_labels_place(&picture->labels, disc, width, LINE, FAR, &box)) {
        picture->nameless++;
        return;
    }
    draw_lead(picture, disc, &box);
    bool is_left = box.x1 <= disc.at.x;
    text_add(text, "<text class=\"name\" x=\"%.1f\" y=\"%.1f\"%s>", is_left ? box.x1 : box.x0,
             box.y1 - 4, is_left ? " text-anchor=\"end\"" : "");
    add_escaped(text, region->name);
    text_add(text, " <tspan class=\"count\">%u</tspan></text>\n", region->replicas);
}

/* Of clients only where there is room right beside them. */
static void name_client(struct picture *picture, const struct plan_map_client *client)
{
    struct text *text = picture->text;
    struct plan_map_disc disc = {at_of(picture, client->flat), CLIENT};
    struct plan_map_box box;
    double width = LETTER * FONT * (double)client->name.n;
    if (!plan_map_labels_place(&picture->labels, disc, width, LINE, NEAR, &box))
        return;
    text_add(text,
             "<text class=\"name quiet\" font-style=\"italic\" text-anchor=\"middle\" x=\"%.1f\" "
             "y=\"%.1f\">",
             (box.x0 + box.x1) / 2, box.y1 - 4);
    add_escaped(text, client->name);
    text_add(text, "</text>\n");
}

static void draw_names(struct picture *picture)
{
    for (uint32_t i = 0; i < picture->scene.region_count; i++)
        name_region(picture, &picture->scene.regions[i]);
    for (uint32_t i = 0; i < picture->scene.client_count; i++)
        name_client(picture, &picture->scene.clients[i]);
}

/* Legend -------------------------------------------------------------------------------------- */

static void draw_zones(const struct picture *picture)
{
    enum { ROWS = 3, COLUMN = 205, TOP = 826, STEP = 26 };
    struct text *text = picture->text;
    uint32_t last = COUNT_OF(colours);
    for (uint32_t i = 0; i < picture->scene.zone_count && i <= last; i++) {
        const struct plan_map_zone *zone = &picture->scene.zones[i];
        uint32_t x = MARGIN + i / ROWS * COLUMN, y = TOP + i % ROWS * STEP;
        text_add(text, "<circle fill=\"%s\" cx=\"%u\" cy=\"%u\" r=\"8\"/><text x=\"%u\" y=\"%u\">",
                 colour_of(i), x + 8, y - 5, x + 24, y);
        if (i == last) {
            text_add(text, "other zones</text>\n");
            continue;
        }
        add_escaped(text, zone->name);
        text_add(text, ": %u replica%s</text>\n", zone->replicas, plural(zone->replicas));
    }
}

static void draw_scales(const struct picture *picture)
{
    enum { X = 1010, TOP = 826, STEP = 26, ARC = 330 };
    struct text *text = picture->text;
    const struct plan_map_scene *scene = &picture->scene;
    uint32_t most = scene->regions[0].replicas;
    text_add(text,
             "<circle cx=\"%d\" cy=\"%d\" r=\"%.1f\" fill=\"none\" stroke=\"#1f2328\"/>"
             "<text x=\"%d\" y=\"%d\">%u replica%s</text>\n",
             X, TOP + 13, radius_of(picture, most), X + 34, TOP + 9, most, plural(most));
    if (most > 1)
        text_add(text,
                 "<circle cx=\"%d\" cy=\"%.1f\" r=\"%.1f\" fill=\"none\" stroke=\"#1f2328\"/>"
                 "<text x=\"%d\" y=\"%d\">1 replica</text>\n",
                 X, TOP + 13 + radius_of(picture, most) - radius_of(picture, 1),
                 radius_of(picture, 1), X + 34, TOP + 9 + STEP);
    draw_diamond(text, (struct plan_map_xy){X + ARC + 24, TOP - 5});
    text_add(text, "</path><text x=\"%d\" y=\"%d\">clients</text>\n", X + ARC + 62, TOP);
    for (int i = 0; i < 2 && scene->arc_count > 0; i++) {
        double rate = scene->arcs[0].rate / (i == 0 ? 1 : 4);
        int y = TOP + STEP * (i + 1);
        text_add(text,
                 "<path class=\"arc\" stroke=\"#57606a\" stroke-width=\"%.1f\" "
                 "d=\"M%d,%d h46\"/><text x=\"%d\" y=\"%d\">%.2g requests/s</text>\n",
                 width_of(picture, rate), X + ARC, y - 5, X + ARC + 62, y, rate);
    }
}

static void draw_notes(const struct picture *picture)
{
    struct text *text = picture->text;
    double hidden = picture->scene.rate_hidden;
    text_add(text,
             "<text class=\"quiet name\" x=\"%d\" y=\"%d\">An arc runs from clients to the "
             "region that answers them, in the colour of its zone.</text>\n",
             MARGIN, FRAME_BOTTOM - 10);
    text_add(text, "<text class=\"quiet name\" text-anchor=\"end\" x=\"%d\" y=\"%d\">",
             WIDTH - MARGIN, FRAME_BOTTOM - 10);
    if (picture->nameless > 0)
        text_add(text, "%u name%s had no room. ", picture->nameless, plural(picture->nameless));
    if (hidden > 0)
        text_add(text, "Flows of %.2g %% of the requests are too thin to show.",
                 100 * hidden / picture->scene.rate);
    text_add(text, "</text>\n");
}

/* All of it ----------------------------------------------------------------------------------- */

size_t plan_map_size(const struct plan_wish *wish)
{
    enum { GROUND = 256 * 1024, PLACE = 2048, CLIENT_ROW = 1536, ARC = 1024 };
    return GROUND + (size_t)plan_wish_place_count(wish) * PLACE +
           (size_t)wish->catalog->client_count * CLIENT_ROW + 2 * PLAN_MAP_ARCS_MAX * ARC;
}

static bool find_view(struct picture *picture, struct arena *arena)
{
    const struct plan_map_scene *scene = &picture->scene;
    uint32_t count = scene->region_count + scene->client_count;
    struct plan_map_box frame = {0, FRAME_TOP, WIDTH, FRAME_BOTTOM};
    struct plan_map_xy *points = ARENA_ARRAY(arena, struct plan_map_xy, count);
    struct plan_map_box names = {8, FRAME_TOP + 4, WIDTH - 8, FRAME_BOTTOM - 32};
    if (!points || !plan_map_labels_init(&picture->labels, names, count, count, arena))
        return false;
    for (uint32_t i = 0; i < scene->region_count; i++)
        points[i] = scene->regions[i].flat;
    for (uint32_t i = 0; i < scene->client_count; i++)
        points[scene->region_count + i] = scene->clients[i].flat;
    picture->view = plan_map_view_around(frame, points, count);
    return true;
}

enum err plan_map_draw(const struct plan_sheet *sheet, const struct plan_wish *wish,
                       struct arena *arena, struct text *text)
{
    struct picture picture = {.sheet = sheet, .text = text};
    enum err err = plan_map_scene_fill(sheet, wish, arena, &picture.scene);
    if (err)
        return err;
    if (!find_view(&picture, arena))
        return ERR_MEMORY;
    draw_head(&picture);
    draw_titles(&picture);
    draw_land(&picture);
    draw_grid(&picture);
    draw_arcs(&picture);
    draw_regions(&picture);
    draw_clients(&picture);
    draw_names(&picture);
    if (picture.scene.region_count > 0) {
        draw_zones(&picture);
        draw_scales(&picture);
    }
    draw_notes(&picture);
    text_add(text, "</svg>\n");
    return ERR_OK;
}
