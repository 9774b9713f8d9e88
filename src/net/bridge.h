/* bridge.h: one connection over an emulated link: see emulator.h for its life. Inside net only. */
#ifndef NET_BRIDGE_H
#define NET_BRIDGE_H

#include "base/list.h"
#include "net/address.h"
#include "net/conn.h"
#include "net/link.h"
#include "os/memory.h"

enum { BRIDGE_PIECE_MAX = 64 * 1024 };

/* What all links of an emulator share. */
struct bridge_store {
    struct os_pool bridges;
    uint64_t held_bytes; /* under way, of all flows */
    int64_t patience_us; /* how long a connection outlives being cut */
    char scratch[BRIDGE_PIECE_MAX];
};

/* One direction of a link. */
struct bridge_path {
    struct link_line line;
    int64_t cut_at_us;     /* while it is cut */
    size_t held_bytes_max; /* under way, of one flow */
    uint64_t byte_count;   /* delivered */
};

struct bridge_link {
    struct net_loop *loop;
    struct bridge_store *store;
    struct net_address target;
    struct bridge_path there, back;
    struct list bridges;
    uint64_t accepted_count, reset_count;
    uint32_t bridge_count;
};

void bridge_store_init(struct bridge_store *store);
void bridge_store_fini(struct bridge_store *store);

void bridge_link_init(struct bridge_link *link, struct net_loop *loop, struct bridge_store *store,
                      const struct net_address *target, uint64_t seed);

/* To be called once before the first bridge; later calls change the rules, cut and heal. */
void bridge_link_set(struct bridge_link *link, const struct link_rules *there,
                     const struct link_rules *back);
void bridge_link_fini(struct bridge_link *link); /* resets all of its bridges */

/* Takes over an accepted fd; false: no room, it was reset. */
bool bridge_start(struct bridge_link *link, int fd);

#endif
