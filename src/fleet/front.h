/* front.h: the fleet of `farspan front`: servers that already run, and nothing else. */
#ifndef FLEET_FRONT_H
#define FLEET_FRONT_H

#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"
#include "fleet/fleet.h"

/* A fleet of one region "local" in zone "local" with remote replicas: one replica for each
 * (service, url). Used by `farspan front`. <services>: names; every url serves every service.
 * ERR_VALUE: a name or a url that farspan.yaml would refuse too. ERR_FULL: more than the limits
 * allow. ERR_MEMORY: the arena is too small. */
MUST_USE enum err fleet_front(const struct span *urls, size_t url_count,
                              const struct span *services, size_t service_count,
                              struct arena *arena, const struct fleet **ret_fleet);

#endif
