/* load.h: a farspan.yaml for a verb: loaded, or its mistakes said on standard error. */
#ifndef CLI_LOAD_H
#define CLI_LOAD_H

#include "base/arena.h"
#include "fleet/fleet.h"

/* <port_base> NULL: ports are not checked; else the layout must fit behind it. */
bool load_fleet(const char *file, const int64_t *port_base, struct arena *arena,
                const struct fleet **ret_fleet);

#endif
