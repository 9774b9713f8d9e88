/* screen.h: a few lines at the bottom of a terminal that are drawn over again and again: the live
 * tables of `up` and `demo`.
 *
 * Invariants
 *   1. a line is cut where the terminal ends, so that none takes two rows.
 *   2. never more lines than the terminal has rows, so that the way back up is never too short.
 *   3. one drawing is one write, and a line is erased behind its new text only: nothing flickers.
 *   4. when the window has become narrower since, old lines are taken to have been wrapped. */
#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include <stdint.h>

#include "base/text.h"

enum { SCREEN_LINES_MAX = 128, SCREEN_COLUMNS_MAX = 1000 };

/* A column of such a table. */
struct screen_column {
    uint8_t width; /* with the space before it */
    uint8_t rank;  /* 1 goes last where the terminal is too narrow for all; 0 never goes */
};

struct screen {
    unsigned line_count;              /* on the terminal now */
    uint16_t width[SCREEN_LINES_MAX]; /* columns of each */
};

/* Pure: appends to <out> what makes a terminal of <columns> x <rows> show <lines> (newlines after
 * each) in place of what was drawn before. */
void screen_compose(struct screen *screen, struct span lines, unsigned columns, unsigned rows,
                    struct text *out);

/* Pure. Bit i: lines of <width> have room for column i. */
uint32_t screen_columns_fit(const struct screen_column *columns, unsigned count, unsigned width);

/* Columns that a line may take on the terminal of standard output. */
unsigned screen_width(void);

/* To standard output, with the size that its terminal has now. */
void screen_draw(struct screen *screen, struct span lines);

/* Takes the lines off, so that others can be printed; the next drawing goes below those. */
void screen_erase(struct screen *screen);

#endif
