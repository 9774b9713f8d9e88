/* map.h: where requests of each service can go from here: the targets and the servers behind them,
 * worked out once from the fleet. Pure, immutable after gateway_map_init(), shared by all loops.
 *
 * In a world (port_base > 0) targets are the replicas of the own region and one target for each
 * other region that has the service; a remote replica of another region is reached through that
 * region's gateway. Standing alone (port_base 0: `farspan front`, `farspan gateway -f`) there are
 * no other gateways, so remote replicas of every region are dialled directly. */
#ifndef GATEWAY_MAP_H
#define GATEWAY_MAP_H

#include "base/text.h"
#include "fleet/fleet.h"
#include "route/route.h"

enum gateway_origin_kind { GATEWAY_ORIGIN_WORKER, GATEWAY_ORIGIN_REMOTE, GATEWAY_ORIGIN_GATEWAY };

enum { GATEWAY_REGION_ID = 0x10000, GATEWAY_ORIGINS_MAX = LIMIT_REPLICAS };

/* One server: several targets may stand behind it. */
struct gateway_origin {
    enum gateway_origin_kind kind;
    uint16_t index; /* WORKER: worker; REMOTE: the first replica with this url; GATEWAY: region */
    uint16_t port;  /* WORKER, GATEWAY: of loopback */
};

struct gateway_target {
    uint16_t replica; /* FLEET_NONE: a region */
    uint16_t region;
    uint16_t origin;
};

struct gateway_service {
    uint16_t target_count;
    uint16_t left_out; /* targets beyond LIMIT_TARGETS */
    struct gateway_target targets[LIMIT_TARGETS];
};

struct gateway_map {
    const struct fleet *fleet;
    uint16_t region;
    uint16_t port_base; /* 0: stands alone */
    uint16_t origin_count;
    struct gateway_origin origins[GATEWAY_ORIGINS_MAX];
    struct gateway_service services[LIMIT_SERVICES];
};

/* <region>: the own one, an index into the fleet. */
void gateway_map_init(struct gateway_map *map, const struct fleet *fleet, uint16_t region,
                      uint16_t port_base);

/* The parts of route_target that never move: id, kind, zone, network, weight, price, and what the
 * fleet says of slots, speed and context, which a sample overrides. */
void gateway_map_target(const struct gateway_map *map, uint16_t service, uint16_t target,
                        struct route_target *ret_target);

/* For people and x-farspan-route: "us-a-chat" (worker and service), a remote replica's URL, or the
 * name of a region. */
void gateway_map_name(const struct gateway_map *map, uint16_t service, uint16_t target,
                      struct text *text);

#endif
