/* load.h: a farspan.yaml for a verb: loaded, or its mistakes said on standard error. */
#ifndef CLI_LOAD_H
#define CLI_LOAD_H

#include "base/arena.h"
#include "deploy/room.h"
#include "deploy/state.h"
#include "fleet/build.h"
#include "fleet/fleet.h"

/* The fleet as the command line of `up` changed it (struct fleet_load_options). */
bool load_fleet_with(const char *file, const struct fleet_load_options *options,
                     struct arena *arena, const struct fleet **ret_fleet);

/* <port_base> NULL: ports are not checked; else the layout must fit behind it. */
bool load_fleet(const char *file, const int64_t *port_base, struct arena *arena,
                const struct fleet **ret_fleet);

/* The same with <room> free places a region (deploy/room.h). */
bool load_room(const char *file, const int64_t *port_base, int64_t room, struct arena *arena,
               struct room *ret_room);

/* Where nobody says how many: as many as when this world ran last in the state folder (NULL: the
 * default one); else none, but some for a file that holds a plan, so that the plan has room. */
uint16_t load_room_count(const char *file, const char *state);

/* What the engines of a start will open: with <is_echo> or <has_model> (up --model) the files of
 * llama services are not needed. */
struct load_use {
    bool is_echo, has_model;
};

/* Complains of every model that a service needs and whose file cannot be opened or is empty, where
 * <file> names it. Answers how many there were. */
unsigned load_find_missing_models(const char *file, const struct fleet *fleet, struct load_use use,
                                  struct arena *arena, struct fleet_complaints *complaints);

/* The same said on standard error; false: something is missing. */
bool load_has_models(const char *file, const struct fleet *fleet, struct load_use use,
                     struct arena *arena);

/* What a person named: its index, or FLEET_NONE after a sentence on standard error with the nearest
 * and all valid names. */
uint16_t load_find_region(const struct fleet *fleet, const char *name);
uint16_t load_find_zone(const struct fleet *fleet, const char *name);

/* <name> NULL: the first service of <kind>, or else the first. */
uint16_t load_find_service(const struct fleet *fleet, const char *name, enum fleet_kind kind);

/* An absolute path, since children may be started again after somebody changed folder. False: there
 * is no such file, and standard error says so. */
bool load_absolute(const char *path, char ret_path[STATE_PATH_MAX]);

#endif
