/* options.h: the command line of a verb as a table: parsed, checked and explained from the same
 * rows. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The type of <out>: FLAG bool, TEXT const char *, NUMBER int64_t, TIME int64_t in us ("500ms",
 * "2min"; a bare number is seconds), LIST struct option_list (may be given several times). */
enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER, OPTION_TIME, OPTION_LIST };

enum { OPTION_LIST_MAX = 64 };

struct option_list {
    const char *item[OPTION_LIST_MAX];
    size_t count;
};

struct option_row {
    const char *name;     /* "--json"; "-f|--file" for a short form beside it */
    const char *value;    /* "FILE"; NULL for a flag */
    const char *sentence; /* with the default where there is one */
    enum option_kind kind;
    void *out;
    int64_t min, max; /* NUMBER; both 0: any */
};

struct option_usage {
    const char *synopsis; /* "farspan check FILE [--json]" */
    const char *about;    /* what the verb does, lines of at most 90 columns */
    const char *example;  /* ready to be pasted */
    const struct option_row *rows;
    size_t row_count;
    size_t rest_min, rest_max; /* arguments that are no options; those needed stand in the synopsis
                                  right behind the verb, in their order */
};

enum { OPTIONS_RUN = -1 };

/* Two arguments for "%u thing%s". */
#define PLURAL(count) (count), (count) == 1 ? "" : "s"

/* Says on standard error what is wrong with the command line, and the usage; answers 2. */
__attribute__((format(printf, 2, 3))) int options_refuse(const struct option_usage *usage,
                                                         const char *format, ...);

/* argv[0] is the verb. Answers OPTIONS_RUN with the other arguments moved to argv[0 ..
 * *ret_rest_count-1], or the exit status: 0 after --help, 2 after a mistake (said on standard
 * error, with the nearest valid word). */
int options_parse(const struct option_usage *usage, int argc, char **argv, size_t *ret_rest_count);

#endif
