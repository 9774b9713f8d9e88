/* world.h: the supervisor of a world on one machine: makes what the fleet wants true, and keeps it
 * true.
 *
 * Desired: one link emulator, a worker process for each row of the roster (roster.h: at first the
 * workers of the file), a gateway for each region, all running. A world reconciles towards that
 * from its first moment on: starting is the first reconciliation, a death is another. Each process
 * is one struct child (child.h decides); this file only spawns, signals and waits. Children die
 * with the supervisor (PR_SET_PDEATHSIG), so that no orphan stays, whatever kills it.
 *
 * A control door on fleet_port_supervisor() answers peers: GET /peer/v1/state, POST /peer/v1/fault
 * {"region","kind"}, GET /peer/v1/roster, POST /peer/v1/place {"do":"start"|"stop","worker",...},
 * POST /peer/v1/epoch {"epoch"}. A worker that is stopped is asked to drain: it takes nothing new
 * and ends with its last request, or is killed after WORLD_LEAVE_WAIT_US. Faults: kill (SIGKILL of
 * gateway and workers of a region, kept down), pause (SIGSTOP), cut and slow (passed on to the link
 * emulator), heal (undoes all four). */
#ifndef DEPLOY_WORLD_H
#define DEPLOY_WORLD_H

#include "deploy/child.h"
#include "deploy/roster.h"
#include "deploy/state.h"
#include "fleet/fleet.h"
#include "net/loop.h"

struct world;

enum { WORLD_STOP_WAIT_US = 4500 * 1000, WORLD_LEAVE_WAIT_US = 905 * 1000 * 1000 };

/* What happened, for the live view and the JSON lines of `up`. */
struct world_event {
    const char *event;   /* "started" "died" "given_up" "engine_failed" "ready" "fault" "healed"
                            "stopping" "stopped": of a worker; "epoch" */
    struct span process; /* "gateway aws:us-east-1", "worker us-a", "link"; "epoch": its number */
    struct span region;  /* empty: of none */
    int status;          /* of "died": as a shell sees it */
    int64_t after_us;    /* "died": how long it had run; "ready": since the start */
    const char *detail;  /* fault kind; "engine_failed": why; NULL */
};

struct world_rules {
    const char *file;          /* farspan.yaml */
    const struct fleet *fleet; /* with its free places: that of <room> */
    struct room room;
    struct state_folder *state;
    uint16_t port_base;
    bool is_echo;           /* llama services run on the echo engine */
    const char *model_file; /* of the llama services instead of the fleet's; NULL: the fleet's */
    void (*on_event)(void *user, const struct world_event *event);
    void (*on_stopped)(void *user);
    void *user;
};

/* ERR_EXISTS: a port of the layout is in use; <why> names it and what to do. */
MUST_USE enum err world_new(struct net_loop *loop, const struct world_rules *rules,
                            struct world **ret_world, struct text *why);
void world_start(struct world *world);

/* Ask everything to end; on_stopped within 5 s. Twice is fine. */
void world_stop(struct world *world);
void world_free(struct world *world);

bool world_is_ready(
    const struct world *world); /* every gateway has a target for every service, once */

/* ERR_NOT_FOUND: no such region; ERR_VALUE: no such kind. */
MUST_USE enum err world_fault(struct world *world, struct span region, struct span kind,
                              struct text *why);

/* The places of the world last run with this folder and file; 0: none. */
uint16_t world_last_room(const char *state, const char *file);

const struct roster *world_roster(const struct world *world);

/* A worker that works there from now on, or ends with its last request. What is so already is no
 * mistake. ERR_EXISTS: somebody works there on other things. ERR_IO: the roster could not be
 * written. */
MUST_USE enum err world_place_start(struct world *world, uint16_t worker,
                                    const struct roster_row *row, struct text *why);
MUST_USE enum err world_place_stop(struct world *world, uint16_t worker, struct text *why);

/* The next one, or the one it is. ERR_STALE: another. */
MUST_USE enum err world_set_epoch(struct world *world, uint64_t epoch, struct text *why);

/* {"pid","file","port_base","room","epoch","ready","uptime_s",
 *  "processes":[{"process","role","region","state","pid","port","restarts",
 *    "services": of a worker}]} */
void world_print_state(const struct world *world, struct text *json);

#endif
