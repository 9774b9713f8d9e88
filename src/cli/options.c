#include "cli/options.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/span.h"
#include "fleet/units.h"

static const struct option_row help_row = {"-h|--help", NULL, "this text", OPTION_FLAG, NULL, 0, 0};

/* Does <word> name <row>? Names are alternatives cut by '|'. */
static bool is_named(const struct option_row *row, struct span word)
{
    struct span names = span_of(row->name);
    while (names.p) {
        if (span_is_equal(span_cut(&names, '|'), word))
            return true;
    }
    return false;
}

static void print_row(const struct option_row *row)
{
    char left[64];
    snprintf(left, sizeof left, "%s%s%s", row->name, row->value ? " " : "",
             row->value ? row->value : "");
    for (char *c = left; *c; c++) {
        if (*c == '|')
            *c = ',';
    }
    printf("  %-26s %s\n", left, row->sentence);
}

static void print_help(const struct option_usage *usage)
{
    printf("%s\n\n%s\n\noptions\n", usage->synopsis, usage->about);
    for (size_t i = 0; i < usage->row_count; i++)
        print_row(&usage->rows[i]);
    print_row(&help_row);
    printf("\nexample\n  %s\n", usage->example);
}

static int mistake(const struct option_usage *usage, const char *what, struct span word)
{
    fprintf(stderr, "farspan: %s: %.*s\n", what, SPAN_ARG(word));
    const char *nearest = NULL;
    unsigned best = 4; /* further away is no typing error */
    for (size_t i = 0; i < usage->row_count; i++) {
        const char *name = strchr(usage->rows[i].name, '|');
        name = name ? name + 1 : usage->rows[i].name;
        unsigned distance = span_distance(word, span_of(name));
        if (distance < best) {
            best = distance;
            nearest = name;
        }
    }
    if (nearest && best > 0)
        fprintf(stderr, "  did you mean %s?\n", nearest);
    fprintf(stderr, "  usage: %s\n", usage->synopsis);
    return 2;
}

static bool parse_number(const struct option_row *row, struct span value)
{
    bool is_negative = value.n && value.p[0] == '-';
    uint64_t number;
    if (!span_to_u64(is_negative ? span_from(value.p + 1, value.n - 1) : value, &number) ||
        number > INT64_MAX)
        return false;
    int64_t n = is_negative ? -(int64_t)number : (int64_t)number;
    if ((row->min || row->max) && (n < row->min || n > row->max))
        return false;
    *(int64_t *)row->out = n;
    return true;
}

static bool parse_time(const struct option_row *row, struct span value)
{
    uint64_t seconds;
    if (span_to_u64(value, &seconds) && seconds <= INT64_MAX / 1000000) {
        *(int64_t *)row->out = (int64_t)seconds * 1000000;
        return true;
    }
    return units_parse(UNITS_TIME, value, row->out);
}

static bool take_value(const struct option_row *row, const char *value)
{
    struct option_list *list = row->out;
    switch (row->kind) {
    case OPTION_FLAG:
        break;
    case OPTION_TEXT:
        *(const char **)row->out = value;
        return true;
    case OPTION_NUMBER:
        return parse_number(row, span_of(value));
    case OPTION_TIME:
        return parse_time(row, span_of(value));
    case OPTION_LIST:
        if (list->count == OPTION_LIST_MAX)
            return false;
        list->item[list->count++] = value;
        return true;
    }
    CHECK(!"a flag takes no value");
    return false;
}

/* Takes the option at argv[*at], moves *at to its last word. */
static int take_option(const struct option_usage *usage, int argc, char **argv, int *at)
{
    struct span word = span_of(argv[*at]);
    struct span name = word;
    if (span_starts_with(word, "--"))
        name = span_cut(&word, '=');
    const char *attached = name.n < strlen(argv[*at]) ? word.p : NULL;
    for (size_t i = 0; i < usage->row_count; i++) {
        const struct option_row *row = &usage->rows[i];
        if (!is_named(row, name))
            continue;
        if (row->kind == OPTION_FLAG) {
            if (attached)
                return mistake(usage, "this option takes no value", span_of(argv[*at]));
            *(bool *)row->out = true;
            return OPTIONS_RUN;
        }
        if (!attached && *at + 1 >= argc)
            return mistake(usage, "a value is missing after", name);
        const char *value = attached ? attached : argv[++*at];
        if (take_value(row, value))
            return OPTIONS_RUN;
        fprintf(stderr, "farspan: %.*s wants %s: %s\n  found: %s\n", SPAN_ARG(name), row->value,
                row->sentence, value);
        return 2;
    }
    return mistake(usage, "no such option", name);
}

int options_parse(const struct option_usage *usage, int argc, char **argv, size_t *ret_rest_count)
{
    size_t rest = 0;
    bool only_rest = false;
    for (int i = 1; i < argc; i++) {
        bool is_option = !only_rest && argv[i][0] == '-' && argv[i][1];
        if (is_option && is_named(&help_row, span_of(argv[i]))) {
            print_help(usage);
            return 0;
        }
        if (is_option && strcmp(argv[i], "--") == 0) {
            only_rest = true;
            continue;
        }
        if (!is_option) {
            if (rest == usage->rest_max)
                return mistake(usage, "one argument too many", span_of(argv[i]));
            argv[rest++] = argv[i];
            continue;
        }
        int status = take_option(usage, argc, argv, &i);
        if (status != OPTIONS_RUN)
            return status;
    }
    if (rest < usage->rest_min)
        return mistake(usage, "an argument is missing", span_of(""));
    *ret_rest_count = rest;
    return OPTIONS_RUN;
}
