/* complaint.h: what is wrong with a configuration, all of it at once, each at its place. */
#ifndef FLEET_COMPLAINT_H
#define FLEET_COMPLAINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/span.h"
#include "base/text.h"

/* A place in a file. */
struct fleet_place {
    struct span file;
    uint32_t line, column; /* from 1; 0: the file as a whole */
};

/* One mistake in one file. */
struct fleet_complaint {
    struct span file;
    uint32_t line, column; /* from 1; 0: of the file as a whole */
    struct span message;   /* what was expected, what was found, the nearest valid word */
};

struct fleet_complaints {
    struct fleet_complaint row[LIMIT_CONFIG_ERRORS];
    uint32_t count;    /* kept */
    uint32_t left_out; /* found beyond the room */
};

/* Formats as text_add() does; the words are copied into <arena>. Beyond the room it only counts. */
__attribute__((format(printf, 4, 5))) void fleet_complain(struct fleet_complaints *complaints,
                                                          struct arena *arena,
                                                          struct fleet_place place,
                                                          const char *format, ...);

/* By file (<first> before all others), line and column; complaints of one place keep their order.
 */
void fleet_complaints_sort(struct fleet_complaints *complaints, struct span first);

/* Prints "FILE:LINE:COLUMN: message" lines, or with <is_json> one JSON array. */
void fleet_complaints_print(const struct fleet_complaints *complaints, bool is_json,
                            struct text *text);

/* The nearest of <count> words to <word> for "did you mean"; -1 when none is near enough. */
int fleet_nearest(struct span word, const struct span *words, size_t count);

#endif
