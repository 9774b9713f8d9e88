/* head.h: heads rewritten on their way through: the client's for the upstream, the upstream's for
 * the client. Pure.
 *
 * Upstream gets the client's end-to-end headers (RFC 9110 7.6.1) except its credentials and
 * everything that farspan says itself; those are written anew, so that nobody can speak for us.
 * Remote replicas get no x-farspan header at all. */
#ifndef GATEWAY_HEAD_H
#define GATEWAY_HEAD_H

#include "base/text.h"
#include "http/parser.h"
#include "route/route.h"

struct gateway_head_rules {
    struct span base;          /* path prefix of the server, "" or "/x", without a '/' at its end */
    struct span authorization; /* value of our own; empty: the header is left out */
    struct span request_id;
    struct span old_name; /* of the model in the path, part of client->path ... */
    struct span new_name; /* ... and what this server calls it; empty: the same */
    bool is_ours;         /* to a worker or gateway: with the x-farspan headers below */
    struct span hop;      /* the own region when another gateway is asked; empty: no hop */
    struct span tenant;   /* empty: none */
    fleet_zones zones;    /* that may compute it; all bits set: any */
    int64_t deadline_ms;  /* what is left */
    uint64_t epoch;
};

/* "POST /x HTTP/1.1\r\n" and headers, as http_call() takes them. <text> is cut when it is too
 * small: the caller looks. */
void gateway_head_request(const struct http_head *client, const struct gateway_head_rules *rules,
                          const struct fleet *fleet, struct text *text);

/* The upstream's end-to-end headers without those that the server writes itself (Date, lengths) and
 * those written by gateway_head_ours(). */
void gateway_head_answer(const struct http_head *upstream, struct text *text);

/* "x-request-id: ...\r\nx-farspan-route: ...\r\n"; <element>: ours (route/explain.h); <next>: the
 * value that the next hop sent, or empty. */
void gateway_head_ours(struct span request_id, struct span element, struct span next,
                       struct text *text);

/* "eu,us" into bits; false when a name is unknown or empty. */
bool gateway_head_zones(const struct fleet *fleet, struct span value, fleet_zones *ret_zones);

#endif
