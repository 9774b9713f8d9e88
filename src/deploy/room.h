/* room.h: room for workers that a plan may start: a fleet with free places behind its own workers.
 *
 * Every process of a world computes the same ports and the same targets from the file and one
 * number, <room>: how many free places a region has. A place is a worker "REGION+1", "REGION+2" ...
 * with a replica row for every service that workers compute. Gateways know all places from their
 * start on and dial them; a place where nobody works is a target that is not ready. So a plan needs
 * no new configuration of a running gateway, and no request is lost to one. */
#ifndef DEPLOY_ROOM_H
#define DEPLOY_ROOM_H

#include "base/arena.h"
#include "base/text.h"
#include "fleet/fleet.h"

enum { ROOM_MAX = 32 }; /* free places a region */

struct room {
    const struct fleet *fleet; /* the file's workers, then the places */
    uint16_t first;            /* index of the first place; fleet->worker_count: none */
    uint16_t count;            /* a region */
};

/* ERR_FULL: more workers, replicas, ports or targets of a service than the limits allow; <why> says
 * which. <port_base> 0: ports are not looked at. <base> stays with the caller. */
MUST_USE enum err room_make(const struct fleet *base, uint16_t count, uint16_t port_base,
                            struct arena *arena, struct room *ret_room, struct text *why);

/* UINT16 index of a worker or place, or FLEET_NONE. */
uint16_t room_find_worker(const struct fleet *fleet, struct span name);

/* What a worker of the file computes; of a place: all it could. Bit s is service s. */
uint64_t room_services(const struct fleet *fleet, uint16_t worker);

/* A process that works in <place> takes pace, profile, slots and weight of the file's <like>; in
 * its own copy of the fleet only. */
MUST_USE enum err room_settle(const struct room *room, uint16_t place, uint16_t like,
                              struct arena *arena, const struct fleet **ret_fleet);

#endif
