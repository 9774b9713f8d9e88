/* link_world.h: the links of a world as lines of the link emulator, and the faults of its regions.
 *
 * A fault of a region is one of its links, those of clients in its own zone left out: a region that
 * is cut off from the world still serves the people around it. */
#ifndef CLI_LINK_WORLD_H
#define CLI_LINK_WORLD_H

#include "base/text.h"
#include "fleet/fleet.h"
#include "net/emulator.h"

enum { LINK_WORLD_SLOW_PERCENT = 500 };

struct link_world_line;

struct link_world {
    const struct fleet *fleet;
    uint16_t port_base;
    struct emulator *emulator;
    enum link_world_fault { LINK_HEALED, LINK_SLOW, LINK_CUT } faults[LIMIT_REGIONS];
    uint32_t line_count;
    struct link_world_line *lines;
};

/* Listens for every directed pair of regions and every zone of clients and region. */
MUST_USE enum err link_world_open(struct link_world *world, struct net_loop *loop,
                                  const struct fleet *fleet, uint16_t port_base, struct text *why);
void link_world_close(struct link_world *world); /* of one that is all zero too */

/* <kind>: cut, slow or heal; the last one counts. ERR_NOT_FOUND: no such region; ERR_VALUE: no such
 * kind. */
MUST_USE enum err link_world_fault(struct link_world *world, struct span region, struct span kind);

/* A JSON array, an object a line, at most 512 bytes each. */
void link_world_print(const struct link_world *world, struct text *json);

#endif
