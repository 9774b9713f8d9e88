/* link_control.h: the door of the link emulator, for the supervisor of its world.
 *
 *   GET  /healthz         anyone
 *   GET  /peer/v1/state   role, pid, links: link_world_print()
 *   POST /peer/v1/fault   {"region":"...","kind":"cut|slow|heal"}
 *
 * Peers only (authorization: Peer HEX64), as docs/protocol.md says. */
#ifndef CLI_LINK_CONTROL_H
#define CLI_LINK_CONTROL_H

#include "cli/link_world.h"

struct link_control;

/* <secret>: CRYPTO_KEY_SIZE bytes; it and <world> outlive the door. */
MUST_USE enum err link_control_new(struct net_loop *loop, struct link_world *world,
                                   const uint8_t *secret, uint16_t port,
                                   struct link_control **ret_control, struct text *why);
void link_control_free(struct link_control *control); /* NULL is fine */

#endif
