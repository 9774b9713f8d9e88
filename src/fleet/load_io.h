/* load_io.h: farspan.yaml and its catalogue files into a checked fleet, with all mistakes at once.
 *
 *   bytes --yaml_io.c--> nodes --shape.c--> settings and numbers --build*.c--> struct fleet
 *                                             catalogue files --catalogue.c--^
 *
 * A fleet is whole or nothing. */
#ifndef FLEET_LOAD_IO_H
#define FLEET_LOAD_IO_H

#include "base/arena.h"
#include "base/text.h"
#include "fleet/build.h"
#include "fleet/complaint.h"
#include "fleet/fleet.h"
#include "fleet/front.h"
#include "fleet/schema.h"

enum { FLEET_ARENA_SIZE = 4 << 20 }; /* enough for any fleet within the limits */

/* Reads <path> and what it names. Everything of the fleet and of the complaints is taken from
 * <arena> (FLEET_ARENA_SIZE is enough within the limits). ERR_OK: *ret_fleet is whole and valid.
 * ERR_SYNTAX: <complaints> says why (count >= 1). ERR_MEMORY: the arena is too small. */
MUST_USE enum err fleet_load(const char *path, struct arena *arena,
                             struct fleet_complaints *complaints, const struct fleet **ret_fleet);

/* The same, changed by what the command line says (struct fleet_load_options in build.h). */
MUST_USE enum err fleet_load_with(const char *path, const struct fleet_load_options *options,
                                  struct arena *arena, struct fleet_complaints *complaints,
                                  const struct fleet **ret_fleet);

/* From memory, for tests and fuzzers: <catalogue> holds the bytes of the files that the document
 * names, in the order of enum fleet_catalogue_kind; those that it does not name are not read. */
MUST_USE enum err fleet_load_bytes(struct span yaml, struct span file,
                                   const struct span catalogue[CATALOGUE_KINDS],
                                   struct arena *arena, struct fleet_complaints *complaints,
                                   const struct fleet **ret_fleet);

#endif
