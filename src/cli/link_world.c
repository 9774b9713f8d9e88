#include "cli/link_world.h"

#include "base/check.h"
#include "fleet/layout.h"
#include "os/memory.h"

/* One listener: the path from a region, or from the clients of a zone, to the gateway of a region.
 */
struct link_world_line {
    struct span from;
    uint16_t from_region; /* FLEET_NONE: clients of a zone */
    uint16_t to_region;
    bool is_at_home; /* clients in the zone of the region itself: a region that is cut off still
                        serves them */
    struct link_rules there, back;
    uint32_t index; /* in the emulator */
};

static const struct {
    const char *kind;
    enum link_world_fault fault;
} fault_kinds[] = {{"cut", LINK_CUT}, {"slow", LINK_SLOW}, {"heal", LINK_HEALED}};

static struct link_rules rules_of(const struct fleet_link *link)
{
    struct link_rules rules = {.rtt_us = link->rtt_us,
                               .jitter_us = link->jitter_us,
                               .bandwidth_bps = link->bandwidth_bps,
                               .loss_ppm = link->loss_ppm};
    if (rules.jitter_us > rules.rtt_us)
        rules.jitter_us = rules.rtt_us;
    return rules;
}

static enum err add_line(struct link_world *world, const struct link_world_line *line,
                         uint16_t port, struct text *why)
{
    struct net_address listen, target;
    net_address_loopback(port, &listen);
    net_address_loopback(fleet_port_gateway(world->fleet, world->port_base, line->to_region),
                         &target);
    struct link_world_line *added = &world->lines[world->line_count];
    *added = *line;
    /* The seed is the port: the same world has the same jitter. */
    enum err err = emulator_add(world->emulator, &listen, &target, &line->there, &line->back, port,
                                &added->index, why);
    if (err == ERR_OK)
        world->line_count++;
    return err;
}

/* The way back has the bandwidth of the opposite link, and this link's delay: the rtt of a request
 * is what the fleet says of this pair. */
static enum err add_region_lines(struct link_world *world, struct text *why)
{
    const struct fleet *fleet = world->fleet;
    for (uint16_t i = 0; i < fleet->link_count; i++) {
        const struct fleet_link *there = &fleet->links[i];
        const struct fleet_link *back = fleet_find_link(fleet, there->to, there->from);
        struct link_world_line line = {.from = fleet->regions[there->from].name,
                                       .from_region = there->from,
                                       .to_region = there->to,
                                       .there = rules_of(there),
                                       .back = rules_of(there)};
        if (back) {
            line.back.bandwidth_bps = back->bandwidth_bps;
            line.back.loss_ppm = back->loss_ppm;
        }
        uint16_t port = fleet_port_link(fleet, world->port_base, there->from, there->to);
        enum err err = add_line(world, &line, port, why);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static enum err add_client_lines(struct link_world *world, struct text *why)
{
    const struct fleet *fleet = world->fleet;
    for (uint16_t i = 0; i < fleet->client_link_count; i++) {
        const struct fleet_link *link = &fleet->client_links[i];
        const struct link_world_line line = {.from = fleet->zones[link->from],
                                             .from_region = FLEET_NONE,
                                             .to_region = link->to,
                                             .is_at_home =
                                                 fleet->regions[link->to].zone == link->from,
                                             .there = rules_of(link),
                                             .back = rules_of(link)};
        uint16_t port = fleet_port_client_link(fleet, world->port_base, link->from, link->to);
        enum err err = add_line(world, &line, port, why);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static enum link_world_fault fault_of(const struct link_world *world,
                                      const struct link_world_line *line)
{
    enum link_world_fault to = world->faults[line->to_region];
    enum link_world_fault from =
        line->from_region == FLEET_NONE ? LINK_HEALED : world->faults[line->from_region];
    return line->is_at_home ? LINK_HEALED : to > from ? to : from;
}

static void apply_faults(struct link_world *world)
{
    for (uint32_t i = 0; i < world->line_count; i++) {
        struct link_world_line *line = &world->lines[i];
        enum link_world_fault fault = fault_of(world, line);
        struct link_rules there = line->there, back = line->back;
        there.is_cut = back.is_cut = fault == LINK_CUT;
        there.slow_percent = back.slow_percent = fault == LINK_SLOW ? LINK_WORLD_SLOW_PERCENT : 100;
        emulator_set(world->emulator, line->index, &there, &back);
    }
}

static void print_line(const struct link_world *world, const struct link_world_line *line,
                       struct text *json)
{
    struct emulator_stats stats;
    emulator_stats(world->emulator, line->index, &stats);
    text_json_object(json);
    text_json_key(json, "from");
    text_json_span(json, line->from);
    text_json_key(json, "to");
    text_json_span(json, world->fleet->regions[line->to_region].name);
    text_json_key(json, "clients");
    text_json_bool(json, line->from_region == FLEET_NONE);
    text_json_key(json, "rtt_us");
    text_json_i64(json, stats.there.rtt_us * stats.there.slow_percent / 100);
    text_json_key(json, "bytes_there");
    text_json_u64(json, stats.bytes_there);
    text_json_key(json, "bytes_back");
    text_json_u64(json, stats.bytes_back);
    text_json_key(json, "connections");
    text_json_u64(json, stats.bridge_count);
    text_json_key(json, "accepted");
    text_json_u64(json, stats.accepted_count);
    text_json_key(json, "resets");
    text_json_u64(json, stats.reset_count);
    text_json_key(json, "cut");
    text_json_bool(json, stats.there.is_cut);
    text_json_end(json);
}

enum err link_world_open(struct link_world *world, struct net_loop *loop, const struct fleet *fleet,
                         uint16_t port_base, struct text *why)
{
    *world = (struct link_world){.fleet = fleet, .port_base = port_base};
    size_t count = (size_t)fleet->link_count + fleet->client_link_count;
    world->lines = os_alloc(count * sizeof *world->lines);
    if (!world->lines)
        return ERR_MEMORY;
    enum err err = emulator_new(loop, &world->emulator);
    if (err == ERR_OK)
        err = add_region_lines(world, why);
    if (err == ERR_OK)
        err = add_client_lines(world, why);
    if (err == ERR_OK)
        apply_faults(world);
    return err;
}

void link_world_close(struct link_world *world)
{
    emulator_free(world->emulator);
    os_free(world->lines);
    *world = (struct link_world){0};
}

enum err link_world_fault(struct link_world *world, struct span region, struct span kind)
{
    uint16_t index = fleet_find_region(world->fleet, region);
    if (index == FLEET_NONE)
        return ERR_NOT_FOUND;
    for (size_t i = 0; i < COUNT_OF(fault_kinds); i++) {
        if (!span_is(kind, fault_kinds[i].kind))
            continue;
        world->faults[index] = fault_kinds[i].fault;
        apply_faults(world);
        return ERR_OK;
    }
    return ERR_VALUE;
}

void link_world_print(const struct link_world *world, struct text *json)
{
    text_json_array(json);
    for (uint32_t i = 0; i < world->line_count; i++)
        print_line(world, &world->lines[i], json);
    text_json_end(json);
}
