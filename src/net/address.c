#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/check.h"

_Static_assert(sizeof(struct sockaddr_in) <= sizeof((struct net_address *)0)->u.bytes, "room");
_Static_assert(sizeof(struct sockaddr_in6) <= sizeof((struct net_address *)0)->u.bytes, "room");

static struct sockaddr_in get_v4(const struct net_address *address)
{
    struct sockaddr_in v4;
    memcpy(&v4, address->u.bytes, sizeof v4);
    return v4;
}

static struct sockaddr_in6 get_v6(const struct net_address *address)
{
    struct sockaddr_in6 v6;
    memcpy(&v6, address->u.bytes, sizeof v6);
    return v6;
}

static void set(struct net_address *address, const void *sockaddr, size_t size)
{
    memset(address, 0, sizeof *address);
    memcpy(address->u.bytes, sockaddr, size);
    address->size = (socklen_t)size;
}

bool net_address_set_ip(struct net_address *address, struct span ip, uint16_t port)
{
    char text[INET6_ADDRSTRLEN];
    if (ip.n == 0 || ip.n >= sizeof text || memchr(ip.p, '\0', ip.n))
        return false;
    memcpy(text, ip.p, ip.n);
    text[ip.n] = '\0';

    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        set(address, &v4, sizeof v4);
    else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
        set(address, &v6, sizeof v6);
    else
        return false;
    return true;
}

bool net_address_parse(struct span s, struct net_address *ret_address)
{
    const char *colon = s.n > 0 ? memrchr(s.p, ':', s.n) : NULL;
    if (!colon)
        return false;
    struct span ip = span_from(s.p, (size_t)(colon - s.p));
    struct span digits = span_from(colon + 1, s.n - ip.n - 1);
    uint64_t port;
    if (!span_to_u64(digits, &port) || port > UINT16_MAX)
        return false;

    bool has_brackets = ip.n >= 2 && ip.p[0] == '[' && ip.p[ip.n - 1] == ']';
    if (has_brackets)
        ip = span_from(ip.p + 1, ip.n - 2);
    bool is_v6 = ip.n > 0 && memchr(ip.p, ':', ip.n);
    return is_v6 == has_brackets && net_address_set_ip(ret_address, ip, (uint16_t)port);
}

void net_address_loopback(uint16_t port, struct net_address *ret_address)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    set(ret_address, &v4, sizeof v4);
}

void net_address_print(const struct net_address *address, struct text *text)
{
    char ip[INET6_ADDRSTRLEN];
    if (address->u.any.sa_family == AF_INET) {
        struct sockaddr_in v4 = get_v4(address);
        CHECK(inet_ntop(AF_INET, &v4.sin_addr, ip, sizeof ip));
        text_add(text, "%s:%u", ip, (unsigned)ntohs(v4.sin_port));
    } else {
        struct sockaddr_in6 v6 = get_v6(address);
        CHECK(inet_ntop(AF_INET6, &v6.sin6_addr, ip, sizeof ip));
        text_add(text, "[%s]:%u", ip, (unsigned)ntohs(v6.sin6_port));
    }
}

bool net_address_is_loopback(const struct net_address *address)
{
    if (address->u.any.sa_family == AF_INET)
        return ntohl(get_v4(address).sin_addr.s_addr) >> 24 == 127;
    struct in6_addr ip = get_v6(address).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&ip))
        return ip.s6_addr[12] == 127;
    return IN6_IS_ADDR_LOOPBACK(&ip);
}

uint16_t net_address_port(const struct net_address *address)
{
    if (address->u.any.sa_family == AF_INET)
        return ntohs(get_v4(address).sin_port);
    return ntohs(get_v6(address).sin6_port);
}

void net_address_set_port(struct net_address *address, uint16_t port)
{
    if (address->u.any.sa_family == AF_INET) {
        struct sockaddr_in v4 = get_v4(address);
        v4.sin_port = htons(port);
        memcpy(address->u.bytes, &v4, sizeof v4);
    } else {
        struct sockaddr_in6 v6 = get_v6(address);
        v6.sin6_port = htons(port);
        memcpy(address->u.bytes, &v6, sizeof v6);
    }
}
