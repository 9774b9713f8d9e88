#include <stdio.h>

#include "base/check.h"
#include "base/span.h"
#include "cli/bench.h"
#include "cli/options.h"
#include "cli/verbs.h"

static const struct {
    const char *name, *title;
    int (*run)(bool is_json);
} parts[] = {
    {"decision", "decision and prefix index, CPU time of one thread", bench_route},
    {"scan", "request body and head, CPU time of one thread", bench_scan},
};

/* <only>: the part asked for, NULL: all. One JSON object, a key a part. */
static int run(const char *only, bool is_json)
{
    const char *before = "{";
    int status = 0;
    for (size_t i = 0; i < COUNT_OF(parts) && status == 0; i++) {
        if (only && !span_is_equal(span_of(only), span_of(parts[i].name)))
            continue;
        if (is_json)
            printf("%s\"%s\":", before, parts[i].name);
        else
            printf("%s%s\n", before[0] == ',' ? "\n" : "", parts[i].title);
        before = ",";
        status = parts[i].run(is_json);
    }
    if (is_json)
        printf("}\n");
    return status;
}

int verb_bench(int argc, char **argv)
{
    if (argc > 1 && span_is(span_of(argv[1]), "plan"))
        return bench_plan(argc - 1, argv + 1);
    if (argc > 1 && span_is(span_of(argv[1]), "balance"))
        return bench_balance(argc - 1, argv + 1);
    bool is_json = false;
    const struct option_row rows[] = {
        {"--json", NULL, "one JSON object, a key a part", OPTION_FLAG, &is_json, 0, 0},
    };
    const struct option_usage usage = {
        "farspan bench [decision|scan|plan|balance] [--json]",
        "What the hot path costs on this machine, in CPU time: a routing decision, a look into "
        "the\n"
        "prefix index, reading a request. Both without an argument. Bars are printed beside the\n"
        "figures. bench/run.sh of the sources measures the whole program beside other proxies.\n"
        "`farspan bench plan --help`: the planner, one problem at a time; `farspan bench balance\n"
        "--help`: five equal servers under each policy.",
        "farspan bench decision",
        rows,
        COUNT_OF(rows),
        0,
        1};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;
    const char *only = rest ? argv[0] : NULL;
    bool is_known = !only;
    for (size_t i = 0; only && i < COUNT_OF(parts); i++)
        is_known |= span_is_equal(span_of(only), span_of(parts[i].name));
    if (!is_known) {
        fprintf(stderr, "farspan bench: expected decision, scan, plan or balance, found: %s\n",
                only);
        return 2;
    }
    return run(only, is_json);
}
