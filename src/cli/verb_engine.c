/* verb_engine.c: `farspan engine`: one engine, started by a worker and by nobody else. */
#include <stdio.h>

#include "base/check.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "worker/engine_loop_io.h"

int verb_engine(int argc, char **argv)
{
    int64_t fd = -1;
    const struct option_row rows[] = {
        {"--fd", "N", "the socket to the worker", OPTION_NUMBER, &fd, 3, 1024},
    };
    const struct option_usage usage = {"farspan engine --fd N",
                                       "One engine, child of a worker: frames over an inherited "
                                       "socket (src/worker/frame.h).\nWorkers start it themselves.",
                                       "farspan worker --fleet examples/three-continents.yaml "
                                       "--worker us-a",
                                       rows,
                                       COUNT_OF(rows),
                                       0,
                                       0};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;
    if (fd < 0) {
        fprintf(stderr, "farspan engine: --fd is needed; workers start engines themselves\n");
        return 2;
    }
    return engine_loop_run((int)fd);
}
