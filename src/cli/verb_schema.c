#include <stdio.h>

#include "base/check.h"
#include "base/err.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "fleet/schema.h"
#include "os/memory.h"

enum { OUTPUT_MAX = 256 * 1024 };

int verb_schema(int argc, char **argv)
{
    bool is_markdown = false;
    const struct option_row rows[] = {
        {"--markdown", NULL, "the table of docs/farspan-yaml.md instead", OPTION_FLAG, &is_markdown,
         0, 0},
    };
    const struct option_usage usage = {
        "farspan schema [--markdown]",
        "Prints the JSON Schema (draft 2020-12) of farspan.yaml. An editor with the YAML language\n"
        "server uses it after a first line such as\n"
        "  # yaml-language-server: $schema=farspan.schema.json\n"
        "`farspan check` finds more: references, prices, links.",
        "farspan schema > farspan.schema.json",
        rows,
        COUNT_OF(rows),
        0,
        0};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;
    char *output = os_alloc(OUTPUT_MAX);
    if (!output) {
        fprintf(stderr, "farspan: %s\n", err_text(ERR_MEMORY));
        return 1;
    }
    struct text text;
    text_init(&text, output, OUTPUT_MAX);
    if (is_markdown)
        fleet_schema_print_markdown(&text);
    else
        fleet_schema_print(&text);
    CHECK(!text.is_cut);
    if (!is_markdown)
        text_add_c(&text, '\n');
    bool is_written = fwrite(text.p, 1, text.n, stdout) == text.n && fflush(stdout) == 0;
    if (!is_written)
        perror("farspan: standard output");
    os_free(output);
    return is_written ? 0 : 1;
}
