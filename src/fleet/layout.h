/* layout.h: which port of this machine stands for what. A pure function of the fleet and one base
 * port, so that every process of a world, and every restart of it, computes the same addresses and
 * nothing has to be handed around. With R regions, W workers, Z zones, from the base up:
 *
 *   first port       ports   what
 *   0                R       gateway of region r: clients and peers
 *   R                W       worker w
 *   R + W            R*R     link from region i to the gateway of region j: i*R + j (i == j unused)
 *   R + W + R*R      Z*R     link from clients of zone z to the gateway of region r: z*R + r
 *   R + W + R*R+Z*R  1       control of the link emulator
 *   the next         1       control of the supervisor (`farspan fault`, `farspan status`) */
#ifndef FLEET_LAYOUT_H
#define FLEET_LAYOUT_H

#include "fleet/fleet.h"

enum { FLEET_PORT_BASE = 18080 };

uint16_t fleet_port_gateway(const struct fleet *fleet, uint16_t port_base, uint16_t region);
uint16_t fleet_port_worker(const struct fleet *fleet, uint16_t port_base, uint16_t worker);
uint16_t fleet_port_link(const struct fleet *fleet, uint16_t port_base, uint16_t from_region,
                         uint16_t to_region);
uint16_t fleet_port_client_link(const struct fleet *fleet, uint16_t port_base, uint16_t zone,
                                uint16_t region);
uint16_t fleet_port_link_control(const struct fleet *fleet, uint16_t port_base);
uint16_t fleet_port_supervisor(const struct fleet *fleet, uint16_t port_base);

/* Ports taken in all; base + count - 1 must be <= 65535: checked when loading for FLEET_PORT_BASE,
 * by the caller for a base of its own. */
uint32_t fleet_port_count(const struct fleet *fleet);

#endif
