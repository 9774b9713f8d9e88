/* emulator.h: wide-area links between ports of this machine, without root: a set of listeners, each
 * passing what it accepts on to a target as net/link.h says a long path would.
 *
 *   client --> [near conn] --there flow--> [far conn] --> target
 *          <--             <--back flow---
 *
 * A bridge is one connection: two conns and two flows. A flow is one direction: the pieces under
 * way, each with the time it arrives. What was read as one piece is written as one piece.
 *
 *   accepted -> HOLDING --one rtt--> DIALLING --> OPEN --both ends, or a reset, have arrived-->
 * gone ^                     | | heal                +--refused--> a reset arrives half an rtt
 * later (cut: hangs)
 *
 * The kernel accepts for us at once, so a client sees its connection stand early; its first bytes
 * are held until one rtt has passed, which comes to the same for a protocol where the client speaks
 * first. Ends (of one side too) and resets travel behind the bytes.
 *
 * Cut: nothing is read, nothing is delivered, nobody is dialled. Healed: what was under way goes on
 * where it stood, as retransmission would bring it; a connection that was cut for 15 s is reset at
 * both ends.
 *
 * Bounds: LIMIT_LINK_CONNECTIONS bridges (more are reset when accepted); LIMIT_LINK_BUFFER bytes
 * under way a flow, or what fills the path up to LIMIT_LINK_BUFFER_MAX, then reading stops; above
 * LIMIT_LINK_HELD_BYTES in all, a flow has one piece (64 KiB) under way.
 *
 * Everything runs on one loop, which owns it. */
#ifndef NET_EMULATOR_H
#define NET_EMULATOR_H

#include "net/address.h"
#include "net/link.h"
#include "net/loop.h"

struct emulator;

struct emulator_stats {
    struct link_rules there, back;
    uint64_t bytes_there, bytes_back; /* delivered */
    uint64_t accepted_count, refused_count, reset_count;
    uint32_t bridge_count; /* now */
};

MUST_USE enum err emulator_new(struct net_loop *loop, struct emulator **ret_emulator);
void emulator_free(struct emulator *emulator); /* resets what is under way; NULL is fine */

/* A listener at <listen> towards <target>. <seed> decides jitter and losses. *ret_index counts from
 * 0 in the order of adding. ERR_EXISTS: the port is in use; ERR_FULL: LIMIT_LINK_LINES. */
MUST_USE enum err emulator_add(struct emulator *emulator, const struct net_address *listen,
                               const struct net_address *target, const struct link_rules *there,
                               const struct link_rules *back, uint64_t seed, uint32_t *ret_index,
                               struct text *why);

/* Other rules from now on; setting and clearing is_cut cuts and heals. */
void emulator_set(struct emulator *emulator, uint32_t index, const struct link_rules *there,
                  const struct link_rules *back);

void emulator_stats(const struct emulator *emulator, uint32_t index,
                    struct emulator_stats *ret_stats);

/* How long a connection outlives being cut: LINK_PATIENCE_US unless set. For tests. */
void emulator_set_patience(struct emulator *emulator, int64_t patience_us);

/* Where <index> listens: tells the port that was asked for as 0. */
void emulator_address(const struct emulator *emulator, uint32_t index,
                      struct net_address *ret_address);

#endif
