/* resolve.h: names to addresses without blocking the loop (c-ares). Last good addresses are kept
 * when the resolver is dead or lies (no answer, empty answer): a name that resolved once stays
 * usable. */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include "net/address.h"
#include "net/loop.h"

struct net_resolver;

MUST_USE enum err net_resolver_new(struct net_loop *loop, struct net_resolver **ret_resolver);
void net_resolver_free(struct net_resolver *resolver);

/* Calls <on_found> once, perhaps before returning (literals, cache): count >= 1, or 0 with an
 * error. At most 8 addresses. */
void net_resolve(struct net_resolver *resolver, struct span host, uint16_t port,
                 void (*on_found)(void *user, enum err err, const struct net_address *addresses,
                                  unsigned count),
                 void *user);

#endif
