/* fleet_fuzz.c: any bytes as a farspan.yaml, followed after a line "%%" each by the files of its
 * catalogue. Whatever comes: a whole fleet, or complaints; never both, never neither. */
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "fleet/layout.h"
#include "fleet/load_io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Cuts <rest> at the first line that is "%%". */
static struct span cut_part(struct span *rest)
{
    struct span part = *rest;
    for (size_t i = 0; i + 3 <= rest->n; i++) {
        if (memcmp(rest->p + i, "%%\n", 3) != 0 || (i > 0 && rest->p[i - 1] != '\n'))
            continue;
        part.n = i;
        *rest = span_from(rest->p + i + 3, rest->n - i - 3);
        return part;
    }
    *rest = (struct span){NULL, 0};
    return part;
}

/* What every holder of a fleet relies on. */
static void check_fleet(const struct fleet *fleet)
{
    CHECK(fleet->region_count > 0 && fleet->zone_count > 0 && fleet->service_count > 0);
    CHECK(FLEET_PORT_BASE + fleet_port_count(fleet) - 1 <= UINT16_MAX);
    for (uint16_t i = 0; i < fleet->replica_count; i++) {
        const struct fleet_replica *replica = &fleet->replicas[i];
        CHECK(replica->service < fleet->service_count && replica->region < fleet->region_count);
        CHECK(replica->worker == FLEET_NONE || replica->worker < fleet->worker_count);
        CHECK(replica->slots > 0 && replica->weight > 0);
        CHECK((replica->worker == FLEET_NONE) == (replica->url.n > 0));
    }
    for (uint16_t i = 0; i < fleet->worker_count; i++) {
        const struct fleet_worker *worker = &fleet->workers[i];
        CHECK(worker->region < fleet->region_count && worker->replica_count > 0);
        CHECK(worker->sku == FLEET_NONE || worker->sku < fleet->sku_count);
        CHECK(!worker->is_paced || worker->profile < fleet->profile_count);
    }
    uint16_t order[LIMIT_REGIONS];
    for (uint16_t zone = 0; zone < fleet->zone_count; zone++)
        fleet_regions_by_distance(fleet, zone, order);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char memory[FLEET_ARENA_SIZE];
    static struct fleet_complaints complaints;
    struct arena arena;
    arena_init(&arena, memory, sizeof memory);
    struct span rest = span_from((const char *)data, size);
    struct span yaml = cut_part(&rest);
    struct span catalogue[CATALOGUE_KINDS];
    for (size_t i = 0; i < CATALOGUE_KINDS; i++)
        catalogue[i] = cut_part(&rest);

    const struct fleet *fleet = NULL;
    enum err err =
        fleet_load_bytes(yaml, SPAN_LITERAL("fuzz.yaml"), catalogue, &arena, &complaints, &fleet);
    CHECK(err == ERR_OK || err == ERR_SYNTAX);
    CHECK((err == ERR_OK) == (fleet != NULL) && (err == ERR_OK) == (complaints.count == 0));
    if (fleet)
        check_fleet(fleet);
    return 0;
}
