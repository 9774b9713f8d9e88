/* bench_balance_draw.c: the picture of `farspan bench balance`. */
#include <string.h>

#include "base/check.h"
#include "cli/bench_balance.h"

enum { WIDTH = 1600, HEIGHT = 900, LEFT = 64, TOP = 160, GAP = 48, FEW = 6, SECONDS = 6 };

/* P. Tol, bright: told apart by people who see fewer colours. */
static const char *const colours[BALANCE_SERVERS] = {"#4477AA", "#EE6677", "#228833", "#CCBB44",
                                                     "#AA3377"};

struct sheet {
    const struct balance_run *const *runs;
    uint32_t count;
    uint32_t panels[BALANCE_PANELS]; /* first run of each; those that did the same share it */
    uint32_t panel_count, columns, most;
    double width, height; /* of a panel */
    struct text *text;
};

static bool is_same(const struct balance_run *a, const struct balance_run *b)
{
    return a->wait_mean_ms == b->wait_mean_ms && a->moment_count == b->moment_count &&
           memcmp(a->moments, b->moments, a->moment_count * sizeof a->moments[0]) == 0;
}

static uint32_t first_same(const struct sheet *sheet, uint32_t run)
{
    uint32_t first = 0;
    while (!is_same(sheet->runs[first], sheet->runs[run]))
        first++;
    return first;
}

static void lay_out(struct sheet *sheet)
{
    sheet->most = 1;
    for (uint32_t r = 0; r < sheet->count; r++) {
        const struct balance_run *run = sheet->runs[r];
        if (first_same(sheet, r) == r)
            sheet->panels[sheet->panel_count++] = r;
        for (uint32_t m = 0; m < run->moment_count; m++)
            for (unsigned i = 0; i < BALANCE_SERVERS; i++)
                if (run->moments[m].loads[i] > sheet->most)
                    sheet->most = run->moments[m].loads[i];
    }
    sheet->columns = sheet->panel_count <= FEW ? 3 : 5;
    sheet->width = (double)(WIDTH - LEFT + GAP - 40) / sheet->columns - GAP;
    sheet->height = 265;
}

static double x_of(const struct sheet *sheet, int64_t at_us)
{
    return (double)(at_us - BALANCE_SHOWN_US) * sheet->width / BALANCE_WINDOW_US;
}

/* Steps; lines of equal loads lie beside each other, not upon. */
static void draw_line(const struct sheet *sheet, const struct balance_run *run, unsigned server)
{
    struct text *text = sheet->text;
    double off = 2.2 * ((double)server - (BALANCE_SERVERS - 1) / 2.0);
    uint32_t before = 0;
    text_add(text, "<path class=\"line\" stroke=\"%s\" d=\"", colours[server]);
    for (uint32_t m = 0; m < run->moment_count; m++) {
        uint32_t load = run->moments[m].loads[server];
        double y = sheet->height - sheet->height / sheet->most * load + off;
        if (m == 0)
            text_add(text, "M0,%.1f", y);
        else if (load != before)
            text_add(text, "H%.1fV%.1f", x_of(sheet, run->moments[m].at_us), y);
        before = load;
    }
    text_add(text, "H%.1f\"/>\n", sheet->width);
}

static void draw_axes(const struct sheet *sheet)
{
    struct text *text = sheet->text;
    for (uint32_t load = 0; load <= sheet->most; load += 2) {
        double y = sheet->height - sheet->height / sheet->most * load;
        text_add(text,
                 "<path class=\"grid\" d=\"M0,%.1f h%.1f\"/><text class=\"quiet\" "
                 "text-anchor=\"end\" x=\"-10\" y=\"%.1f\">%u</text>\n",
                 y, sheet->width, y + 5, load);
    }
    for (int second = 0; second <= SECONDS; second += 2)
        text_add(text,
                 "<text class=\"quiet\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">%d%s</text>\n",
                 sheet->width * second / SECONDS, sheet->height + 24, second,
                 second == SECONDS ? " s" : "");
}

static void draw_panel(const struct sheet *sheet, uint32_t panel)
{
    struct text *text = sheet->text;
    const struct balance_run *run = sheet->runs[sheet->panels[panel]];
    text_add(text, "<g transform=\"translate(%.1f,%u)\">\n<text class=\"name\" y=\"-38\">",
             LEFT + panel % sheet->columns * (sheet->width + GAP),
             TOP + panel / sheet->columns * 370);
    for (uint32_t r = 0; r < sheet->count; r++)
        if (first_same(sheet, r) == sheet->panels[panel])
            text_add(text, "%s%s", r == sheet->panels[panel] ? "" : ", ",
                     balance_name(sheet->runs[r]->policy));
    text_add(text,
             "</text>\n<text class=\"quiet\" y=\"-15\">mean wait %.0f ms, 99 %% below %.0f "
             "ms</text>\n",
             run->wait_mean_ms, run->wait_p99_ms);
    draw_axes(sheet);
    for (unsigned server = 0; server < BALANCE_SERVERS; server++)
        draw_line(sheet, run, server);
    text_add(text, "</g>\n");
}

static void draw_legend(struct text *text)
{
    for (unsigned server = 0; server < BALANCE_SERVERS; server++)
        text_add(text,
                 "<path class=\"line\" style=\"stroke-width: 4\" stroke=\"%s\" d=\"M%u,%d "
                 "h26\"/><text x=\"%u\" y=\"%d\">server %u</text>\n",
                 colours[server], LEFT + server * 140, HEIGHT - 23, LEFT + server * 140 + 34,
                 HEIGHT - 18, server + 1);
    text_add(text,
             "<text class=\"quiet\" text-anchor=\"end\" x=\"%d\" y=\"%d\">up: requests at a "
             "server; across: six seconds, the same requests in each panel</text>\n",
             WIDTH - 40, HEIGHT - 18);
}

void balance_draw(const struct balance_run *const runs[], uint32_t count, struct text *text)
{
    CHECK(count <= BALANCE_PANELS);
    struct sheet sheet = {.runs = runs, .count = count, .text = text};
    lay_out(&sheet);
    text_add(text,
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 "
             "%d %d\" role=\"img\" aria-labelledby=\"title\">\n<title id=\"title\">Load of five "
             "equal servers over time under each balancing policy</title>\n<style>\n"
             "text { font-family: system-ui, \"Segoe UI\", \"Noto Sans\", sans-serif; font-size: "
             "15px; fill: #1f2328; }\n.head { font-size: 30px; font-weight: 600; } .name { "
             "font-size: 17px; font-weight: 600; }\n.quiet { fill: #57606a; } .grid { stroke: "
             "#e3e6e9; } .line { fill: none; stroke-width: 1.8; }\n</style>\n"
             "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n"
             "<text class=\"head\" x=\"%d\" y=\"54\">Five equal servers, equal requests, 80 %% of "
             "what they can do</text>\n",
             WIDTH, HEIGHT, WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT - 24);
    for (uint32_t i = 0; i < sheet.panel_count; i++)
        draw_panel(&sheet, i);
    draw_legend(text);
    text_add(text, "</svg>\n");
}
