/* socket.h: what every TCP socket of ours is set to; inside net only. */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include "base/err.h"
#include "net/address.h"

/* A TCP socket for <address>'s family: non-blocking, closed on exec, TCP_NODELAY, and keepalive
 * that notices a vanished peer within 15 s. An accepted socket inherits both from its listener. */
MUST_USE enum err net_socket_open(const struct net_address *address, int *ret_fd);

#endif
