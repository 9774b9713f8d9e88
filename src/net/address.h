/* address.h: where a socket is: text to sockaddr and back. No name is resolved here (see
 * resolve.h). */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/span.h"
#include "base/text.h"

struct net_address {
    union {
        struct sockaddr any;
        unsigned char bytes[28]; /* sockaddr_in or sockaddr_in6 */
        uint64_t align;
    } u;
    socklen_t size;
};

/* "127.0.0.1:80", "[::1]:80"; numbers only. */
bool net_address_parse(struct span s, struct net_address *ret_address);

/* "127.0.0.1" or "::1", without a port and without brackets; false: not a literal. */
bool net_address_set_ip(struct net_address *address, struct span ip, uint16_t port);
void net_address_loopback(uint16_t port, struct net_address *ret_address);
void net_address_print(const struct net_address *address, struct text *text);
bool net_address_is_loopback(const struct net_address *address);
uint16_t net_address_port(const struct net_address *address);
void net_address_set_port(struct net_address *address, uint16_t port);

#endif
