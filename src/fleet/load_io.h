/* load_io.h: farspan.yaml and its catalogue files into a checked fleet, with all mistakes at once.
 */
#ifndef FLEET_LOAD_IO_H
#define FLEET_LOAD_IO_H

#include "base/arena.h"
#include "base/text.h"
#include "fleet/fleet.h"

/* One mistake in one file. */
struct fleet_complaint {
    struct span file;
    uint32_t line, column; /* from 1; 0: of the file as a whole */
    struct span message;   /* what was expected, what was found, the nearest valid word */
};

struct fleet_complaints {
    struct fleet_complaint row[LIMIT_CONFIG_ERRORS];
    uint32_t count;    /* kept */
    uint32_t left_out; /* found beyond the room */
};

/* Reads <path> and what it names. Everything of the fleet and of the complaints is taken from
 * <arena> (4 MiB is enough within the limits). ERR_OK: *ret_fleet is whole and valid. ERR_SYNTAX:
 * <complaints> says why (count >= 1). ERR_MEMORY: the arena is too small. */
MUST_USE enum err fleet_load(const char *path, struct arena *arena,
                             struct fleet_complaints *complaints, const struct fleet **ret_fleet);

/* Prints "FILE:LINE:COLUMN: message" lines, or with <is_json> one JSON array. */
void fleet_complaints_print(const struct fleet_complaints *complaints, bool is_json,
                            struct text *text);

/* The JSON Schema (draft 2020-12) of farspan.yaml, from the same table that the loader reads by. */
void fleet_schema_print(struct text *text);

/* A fleet of one region "local" in zone "local" with remote replicas: one replica for each
 * (service, url). Used by `farspan front`. <services>: names; every url serves every service. */
MUST_USE enum err fleet_front(const struct span *urls, size_t url_count,
                              const struct span *services, size_t service_count,
                              struct arena *arena, const struct fleet **ret_fleet);

#endif
