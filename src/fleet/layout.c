#include "fleet/layout.h"

#include "base/check.h"

static uint16_t port_at(uint16_t port_base, uint32_t offset)
{
    CHECK(port_base + offset <= UINT16_MAX);
    return (uint16_t)(port_base + offset);
}

/* Offsets of the blocks behind the gateways. */
static uint32_t worker_first(const struct fleet *fleet)
{
    return fleet->region_count;
}

static uint32_t link_first(const struct fleet *fleet)
{
    return worker_first(fleet) + fleet->worker_count;
}

static uint32_t client_link_first(const struct fleet *fleet)
{
    return link_first(fleet) + (uint32_t)fleet->region_count * fleet->region_count;
}

static uint32_t control_first(const struct fleet *fleet)
{
    return client_link_first(fleet) + (uint32_t)fleet->zone_count * fleet->region_count;
}

uint16_t fleet_port_gateway(const struct fleet *fleet, uint16_t port_base, uint16_t region)
{
    CHECK(region < fleet->region_count);
    return port_at(port_base, region);
}

uint16_t fleet_port_worker(const struct fleet *fleet, uint16_t port_base, uint16_t worker)
{
    CHECK(worker < fleet->worker_count);
    return port_at(port_base, worker_first(fleet) + worker);
}

uint16_t fleet_port_link(const struct fleet *fleet, uint16_t port_base, uint16_t from_region,
                         uint16_t to_region)
{
    CHECK(from_region < fleet->region_count && to_region < fleet->region_count);
    CHECK(from_region != to_region);
    uint32_t pair = (uint32_t)from_region * fleet->region_count + to_region;
    return port_at(port_base, link_first(fleet) + pair);
}

uint16_t fleet_port_client_link(const struct fleet *fleet, uint16_t port_base, uint16_t zone,
                                uint16_t region)
{
    CHECK(zone < fleet->zone_count && region < fleet->region_count);
    uint32_t pair = (uint32_t)zone * fleet->region_count + region;
    return port_at(port_base, client_link_first(fleet) + pair);
}

uint16_t fleet_port_link_control(const struct fleet *fleet, uint16_t port_base)
{
    return port_at(port_base, control_first(fleet));
}

uint16_t fleet_port_supervisor(const struct fleet *fleet, uint16_t port_base)
{
    return port_at(port_base, control_first(fleet) + 1);
}

uint32_t fleet_port_count(const struct fleet *fleet)
{
    return control_first(fleet) + 2;
}
