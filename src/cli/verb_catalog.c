/* verb_catalog.c: `farspan catalog`: what can be had where, at what price, how far apart. */
#include <string.h>

#include "base/check.h"
#include "cli/catalog_view.h"
#include "cli/verbs.h"

int verb_catalog(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } parts[] = {
        {"list", catalog_list},
        {"show", catalog_show},
        {"import", catalog_import},
        {"diff", catalog_diff},
    };
    for (size_t i = 0; argc > 1 && i < COUNT_OF(parts); i++)
        if (strcmp(argv[1], parts[i].name) == 0)
            return parts[i].run(argc, argv);
    const struct option_usage usage = {
        "farspan catalog list|show|import|diff ... (each has its own --help)",
        "Regions, machines, prices, stock, links, electricity and speeds that plans stand on; "
        "each\n"
        "figure with its source and day, estimates marked ~.\n"
        "  list [WHAT]                       regions, skus, prices, stock, spot, links, clients,\n"
        "                                    grids, models or profiles\n"
        "  show NAME                         a region, a size of machine or a model, in full\n"
        "  import FILE --as WHAT --into DIR  figures of your own, checked, into a catalogue\n"
        "  diff DIR [DIR2]                   what differs from the shipped one, or from DIR2",
        "farspan catalog show azure:swedencentral",
        NULL,
        0,
        1,
        1};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;
    return options_refuse(&usage, "expected list, show, import or diff, found %s", argv[0]);
}
