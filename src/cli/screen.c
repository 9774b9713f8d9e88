#include "cli/screen.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/check.h"

enum { ROWS_DEFAULT = 24, COLUMNS_DEFAULT = 80, DRAWING_MAX = 64 * 1024 };

/* Columns of the longest beginning of <line> that has at most <columns>; *ret_bytes: its size. A
 * character is taken for one column; its later bytes (10xxxxxx) are none. */
static unsigned fit(struct span line, unsigned columns, size_t *ret_bytes)
{
    unsigned used = 0;
    size_t at = 0;
    for (; at < line.n; at++) {
        bool is_start = ((unsigned char)line.p[at] & 0xC0) != 0x80;
        if (is_start && used == columns)
            break;
        used += is_start;
    }
    *ret_bytes = at;
    return used;
}

static unsigned columns_of(unsigned columns)
{
    return columns < 2                    ? COLUMNS_DEFAULT
           : columns > SCREEN_COLUMNS_MAX ? SCREEN_COLUMNS_MAX
                                          : columns;
}

/* The last column stays free: a terminal may wrap as soon as it is written to. */
static unsigned width_of(unsigned columns)
{
    return columns_of(columns) - 1;
}

static unsigned rows_taken(const struct screen *screen, unsigned columns)
{
    unsigned rows = 0;
    for (unsigned i = 0; i < screen->line_count; i++) {
        unsigned wrapped = (screen->width[i] + columns - 1) / columns;
        rows += wrapped > 1 ? wrapped : 1;
    }
    return rows;
}

void screen_compose(struct screen *screen, struct span lines, unsigned columns, unsigned rows,
                    struct text *out)
{
    columns = columns_of(columns);
    rows = rows < 2 ? ROWS_DEFAULT : rows;
    unsigned up = rows_taken(screen, columns);
    if (up > rows - 1)
        up = rows - 1;
    if (up)
        text_add(out, "\033[%uA", up);
    text_add_c(out, '\r');
    screen->line_count = 0;
    while (lines.n && screen->line_count < rows - 1 && screen->line_count < SCREEN_LINES_MAX) {
        size_t bytes;
        struct span line = span_cut(&lines, '\n');
        unsigned width = fit(line, width_of(columns), &bytes);
        text_add_span(out, span_from(line.p, bytes));
        text_add(out, "\033[K\n");
        screen->width[screen->line_count++] = (uint16_t)width;
    }
    text_add(out, "\033[J");
}

uint32_t screen_columns_fit(const struct screen_column *columns, unsigned count, unsigned width)
{
    uint32_t shown = 0;
    unsigned used = 0;
    CHECK(count <= 32);
    for (unsigned rank = 0; rank <= count; rank++)
        for (unsigned i = 0; i < count; i++) {
            if (columns[i].rank != rank)
                continue;
            used += columns[i].width;
            if (rank == 0 || used <= width)
                shown |= UINT32_C(1) << i;
        }
    return shown;
}

static void terminal_size(unsigned *ret_columns, unsigned *ret_rows)
{
    struct winsize size = {0};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
        size = (struct winsize){.ws_row = ROWS_DEFAULT, .ws_col = COLUMNS_DEFAULT};
    *ret_columns = size.ws_col;
    *ret_rows = size.ws_row;
}

unsigned screen_width(void)
{
    unsigned columns, rows;
    terminal_size(&columns, &rows);
    return width_of(columns);
}

void screen_draw(struct screen *screen, struct span lines)
{
    static char buffer[DRAWING_MAX];
    struct text out;
    unsigned columns, rows;
    text_init(&out, buffer, sizeof buffer);
    terminal_size(&columns, &rows);
    screen_compose(screen, lines, columns, rows, &out);
    CHECK(!out.is_cut);
    fputs(buffer, stdout);
    fflush(stdout);
}

void screen_erase(struct screen *screen)
{
    if (screen->line_count)
        screen_draw(screen, (struct span){"", 0});
}
