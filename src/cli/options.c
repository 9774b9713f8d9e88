#include "cli/options.h"

#include <stdarg.h>
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

int options_refuse(const struct option_usage *usage, const char *format, ...)
{
    va_list arguments;
    fputs("farspan: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n  usage: %s\n", usage->synopsis);
    return 2;
}

/* Further away is no typing error; nor is a word with all its letters changed. */
static unsigned typing_error_max(struct span word)
{
    return word.n < 4 ? (unsigned)word.n / 2 + 1 : 4;
}

static int unknown_option(const struct option_usage *usage, struct span word)
{
    const char *nearest = NULL;
    unsigned best = typing_error_max(word);
    for (size_t i = 0; i < usage->row_count; i++) {
        const char *name = strchr(usage->rows[i].name, '|');
        name = name ? name + 1 : usage->rows[i].name;
        unsigned distance = span_distance(word, span_of(name));
        if (distance < best) {
            best = distance;
            nearest = name;
        }
    }
    if (nearest)
        return options_refuse(usage, "no such option: %.*s\n  did you mean %s?", SPAN_ARG(word),
                              nearest);
    return options_refuse(usage, "no such option: %.*s", SPAN_ARG(word));
}

/* The first argument that was not given, by the word that the synopsis has for it. */
static int missing_argument(const struct option_usage *usage, size_t given)
{
    struct span words = span_of(usage->synopsis), word;
    for (size_t skipped = 0; skipped < 2 + given; skipped++) /* "farspan VERB" */
        span_cut(&words, ' ');
    word = span_cut(&words, ' ');
    return options_refuse(usage, "an argument is missing: %.*s", SPAN_ARG(word));
}

static void print_wanted(const struct option_row *row)
{
    if (row->kind == OPTION_NUMBER && (row->min || row->max))
        fprintf(stderr, "a whole number from %lld to %lld", (long long)row->min,
                (long long)row->max);
    else if (row->kind == OPTION_NUMBER)
        fprintf(stderr, "a whole number");
    else if (row->kind == OPTION_TIME)
        fprintf(stderr, "a time such as 500ms, 30s, 2min");
    else
        fprintf(stderr, "at most %d of them", OPTION_LIST_MAX);
}

static int wrong_value(const struct option_row *row, struct span name, const char *value)
{
    fprintf(stderr, "farspan: %.*s %s: expected ", SPAN_ARG(name), row->value);
    print_wanted(row);
    fprintf(stderr, ", found %s\n  %.*s: %s\n", value[0] ? value : "nothing", SPAN_ARG(name),
            row->sentence);
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
    CHECK(false && "a flag takes no value");
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
                return options_refuse(usage, "this option takes no value: %s", argv[*at]);
            *(bool *)row->out = true;
            return OPTIONS_RUN;
        }
        if (!attached && *at + 1 >= argc)
            return options_refuse(usage, "a value is missing after %.*s", SPAN_ARG(name));
        const char *value = attached ? attached : argv[++*at];
        return take_value(row, value) ? OPTIONS_RUN : wrong_value(row, name, value);
    }
    return unknown_option(usage, name);
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
                return options_refuse(usage, "one argument too many: %s", argv[i]);
            argv[rest++] = argv[i];
            continue;
        }
        int status = take_option(usage, argc, argv, &i);
        if (status != OPTIONS_RUN)
            return status;
    }
    if (rest < usage->rest_min)
        return missing_argument(usage, rest);
    *ret_rest_count = rest;
    return OPTIONS_RUN;
}
