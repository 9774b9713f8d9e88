/* resolve.h: names to addresses without blocking the loop (c-ares). An answer is fresh for 30 s.
 * Last good addresses are kept when the resolver is dead or lies (no answer, empty answer): a name
 * that resolved once stays usable. localhost and names below it never leave the machine (RFC
 * 6761). Only /etc/hosts and DNS are asked. */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include "net/address.h"
#include "net/loop.h"

struct net_resolver;

/* Where the answers come from; for tests and for machines whose resolv.conf is not meant. */
struct net_resolver_rules {
    struct net_address server; /* size 0: the system's */
    int64_t fresh_us;
    int timeout_ms; /* of the first try; two more, each longer, follow */
};

void net_resolver_rules_default(struct net_resolver_rules *rules);

MUST_USE enum err net_resolver_new_by(struct net_loop *loop, const struct net_resolver_rules *rules,
                                      struct net_resolver **ret_resolver);
MUST_USE enum err net_resolver_new(struct net_loop *loop, struct net_resolver **ret_resolver);

/* Questions under way are answered ERR_CLOSED. Not from inside <on_found>. */
void net_resolver_free(struct net_resolver *resolver);

/* Calls <on_found> once, perhaps before returning (literals, cache): count >= 1, or 0 with an
 * error: NOT_FOUND, TIMEOUT, REFUSED, IO, CLOSED, VALUE (no possible name), FULL, MEMORY. At most 8
 * addresses, nearest first (RFC 6724). A literal may stand in brackets. */
void net_resolve(struct net_resolver *resolver, struct span host, uint16_t port,
                 void (*on_found)(void *user, enum err err, const struct net_address *addresses,
                                  unsigned count),
                 void *user);

#endif
