#include "deploy/room.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "fleet/layout.h"

enum { PLACE_SLOTS = 8 }; /* until its worker says how many it has */

static bool is_computed(const struct fleet_service *service)
{
    return service->engine != FLEET_ENGINE_REMOTE;
}

static uint32_t count_computed(const struct fleet *fleet)
{
    uint32_t count = 0;
    for (uint16_t s = 0; s < fleet->service_count; s++)
        count += is_computed(&fleet->services[s]);
    return count;
}

/* Targets of the service that has most of them, at the gateway of a region: its replicas there, the
 * places, one for each other region. */
static uint32_t count_targets(const struct fleet *fleet, uint16_t count)
{
    uint32_t most = 0;
    for (uint16_t s = 0; s < fleet->service_count; s++) {
        uint32_t own[LIMIT_REGIONS] = {0};
        if (!is_computed(&fleet->services[s]))
            continue;
        for (uint16_t i = 0; i < fleet->replica_count; i++)
            own[fleet->replicas[i].region] += fleet->replicas[i].service == s;
        for (uint16_t r = 0; r < fleet->region_count; r++)
            most = own[r] > most ? own[r] : most;
    }
    return most + count + fleet->region_count - 1u;
}

static enum err check_limits(const struct fleet *base, uint16_t count, uint16_t port_base,
                             struct text *why)
{
    uint32_t places = (uint32_t)base->region_count * count;
    uint32_t replicas = base->replica_count + places * count_computed(base);
    const struct {
        const char *what;
        uint32_t wanted, max;
    } rows[] = {
        {"workers and free places", base->worker_count + places, LIMIT_WORKERS},
        {"replicas, those of free places counted", replicas, LIMIT_REPLICAS},
        {"targets of one service in a region", count_targets(base, count), LIMIT_TARGETS},
        {"as its last port", port_base + fleet_port_count(base) + places, UINT16_MAX},
    };
    for (size_t i = 0; count > 0 && i < COUNT_OF(rows); i++) {
        if (rows[i].wanted <= rows[i].max)
            continue;
        text_add(why, "room for %u more workers a region would make %u %s: at most %u", count,
                 rows[i].wanted, rows[i].what, rows[i].max);
        return ERR_FULL;
    }
    return ERR_OK;
}

static bool name_place(const struct fleet *fleet, uint16_t region, unsigned number,
                       struct arena *arena, struct span *ret_name)
{
    char buffer[LIMIT_NAME + 16];
    struct text name;
    text_init(&name, buffer, LIMIT_NAME + 1);
    text_add(&name, "%.*s+%u", SPAN_ARG(fleet->regions[region].name), number);
    *ret_name = arena_copy(arena, text_span(&name));
    return !name.is_cut && ret_name->p;
}

static void add_place(struct fleet *fleet, uint16_t region, struct span name)
{
    uint16_t index = fleet->worker_count++;
    fleet->workers[index] = (struct fleet_worker){.name = name,
                                                  .region = region,
                                                  .sku = FLEET_NONE,
                                                  .profile = FLEET_NONE,
                                                  .replica_first = fleet->replica_count};
    for (uint16_t s = 0; s < fleet->service_count; s++) {
        if (!is_computed(&fleet->services[s]))
            continue;
        fleet->replicas[fleet->replica_count++] = (struct fleet_replica){
            .service = s, .region = region, .worker = index, .weight = 1, .slots = PLACE_SLOTS};
        fleet->workers[index].replica_count++;
    }
}

/* <fleet> with its own copies of workers and replicas, and room for more. */
static enum err copy_fleet(const struct fleet *base, uint32_t workers, uint32_t replicas,
                           struct arena *arena, struct fleet **ret_fleet)
{
    struct fleet *fleet = ARENA_NEW(arena, struct fleet);
    struct fleet_worker *worker_rows = ARENA_ARRAY(arena, struct fleet_worker, workers);
    struct fleet_replica *replica_rows = ARENA_ARRAY(arena, struct fleet_replica, replicas);
    if (!fleet || !worker_rows || !replica_rows)
        return ERR_MEMORY;
    *fleet = *base;
    memcpy(worker_rows, base->workers, base->worker_count * sizeof *worker_rows);
    memcpy(replica_rows, base->replicas, base->replica_count * sizeof *replica_rows);
    fleet->workers = worker_rows;
    fleet->replicas = replica_rows;
    *ret_fleet = fleet;
    return ERR_OK;
}

enum err room_make(const struct fleet *base, uint16_t count, uint16_t port_base,
                   struct arena *arena, struct room *ret_room, struct text *why)
{
    *ret_room = (struct room){.fleet = base, .first = base->worker_count};
    if (count == 0)
        return ERR_OK;
    enum err err = check_limits(base, count, port_base, why);
    if (err)
        return err;
    uint32_t places = (uint32_t)base->region_count * count;
    struct fleet *fleet;
    err = copy_fleet(base, base->worker_count + places,
                     base->replica_count + places * count_computed(base), arena, &fleet);
    for (uint16_t r = 0; r < base->region_count && !err; r++) {
        for (unsigned i = 1; i <= count && !err; i++) {
            struct span name;
            if (name_place(base, r, i, arena, &name))
                add_place(fleet, r, name);
            else
                err = ERR_FULL;
        }
    }
    if (err) {
        text_add(why, "there is no memory for places, or a region's name is too long for them");
        return err;
    }
    *ret_room = (struct room){.fleet = fleet, .first = base->worker_count, .count = count};
    return ERR_OK;
}

uint16_t room_find_worker(const struct fleet *fleet, struct span name)
{
    for (uint16_t i = 0; i < fleet->worker_count; i++)
        if (span_is_equal(fleet->workers[i].name, name))
            return i;
    return FLEET_NONE;
}

uint64_t room_services(const struct fleet *fleet, uint16_t worker)
{
    const struct fleet_worker *row = &fleet->workers[worker];
    uint64_t services = 0;
    for (uint16_t i = 0; i < row->replica_count; i++)
        services |= UINT64_C(1) << fleet->replicas[row->replica_first + i].service;
    return services;
}

enum err room_settle(const struct room *room, uint16_t place, uint16_t like, struct arena *arena,
                     const struct fleet **ret_fleet)
{
    struct fleet *fleet;
    CHECK(place >= room->first && like < room->first);
    enum err err = copy_fleet(room->fleet, room->fleet->worker_count, room->fleet->replica_count,
                              arena, &fleet);
    if (err)
        return err;
    const struct fleet_worker *model = &fleet->workers[like];
    struct fleet_worker *worker = &fleet->workers[place];
    worker->is_paced = model->is_paced;
    worker->profile = model->profile;
    for (uint16_t i = 0; i < worker->replica_count && model->replica_count > 0; i++) {
        struct fleet_replica *replica = &fleet->replicas[worker->replica_first + i];
        replica->slots = fleet->replicas[model->replica_first].slots;
        replica->weight = fleet->replicas[model->replica_first].weight;
    }
    *ret_fleet = fleet;
    return ERR_OK;
}
