/* load.h: a farspan.yaml for a verb: loaded, or its mistakes said on standard error. */
#ifndef CLI_LOAD_H
#define CLI_LOAD_H

#include "base/arena.h"
#include "deploy/state.h"
#include "fleet/fleet.h"

/* <port_base> NULL: ports are not checked; else the layout must fit behind it. */
bool load_fleet(const char *file, const int64_t *port_base, struct arena *arena,
                const struct fleet **ret_fleet);

/* An absolute path, since children may be started again after somebody changed folder. False: there
 * is no such file, and standard error says so. */
bool load_absolute(const char *path, char ret_path[STATE_PATH_MAX]);

#endif
