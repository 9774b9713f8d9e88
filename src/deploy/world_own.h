/* world_own.h: what the files of the supervisor share. Nobody else includes it. */
#ifndef DEPLOY_WORLD_OWN_H
#define DEPLOY_WORLD_OWN_H

#include <sys/types.h>

#include "deploy/world.h"
#include "fleet/layout.h"
#include "http/client_io.h"
#include "http/server_io.h"

enum { WORLD_PROCESSES_MAX = 1 + LIMIT_REGIONS + LIMIT_WORKERS, WORLD_ARGS_MAX = 24 };

enum world_role { WORLD_LINK, WORLD_WORKER, WORLD_GATEWAY };

struct world_process {
    struct world *world;
    struct child child;
    enum world_role role;
    uint16_t index;  /* worker or region of the fleet */
    uint16_t region; /* FLEET_NONE: of none */
    uint16_t port;
    pid_t pid; /* 0: none alive */
    int pidfd;
    bool is_spawn_due; /* asked for while the one before was still dying */
    bool is_paused;
    bool is_leaving;     /* drained, ends with its last request */
    bool is_drain_taken; /* it said so; else a signal follows */
    struct http_call *drain;
    struct net_watch watch;
    struct net_timer timer;
    char name[LIMIT_NAME + 16];
};

/* Asking one gateway, again and again, whether it can answer for every service. */
struct world_probe {
    struct world *world;
    struct http_origin *origin;
    struct http_call *call;
    bool is_ready;
};

/* Asking the workers in turn whether an engine could not load. */
struct world_inquiry {
    struct world *world;
    struct http_origin *origins[LIMIT_WORKERS];
    struct http_call *call;
    struct net_timer timer;
    uint16_t asked;
    bool is_good, is_reported;
    size_t size;
    char body[64 * 1024];
};

struct world {
    struct net_loop *loop;
    struct world_rules rules;
    struct http_client *client;
    struct http_server *control;
    struct http_origin *link_origin;
    struct world_probe probe[LIMIT_REGIONS];
    struct net_timer probe_timer;
    struct world_inquiry inquiry;
    struct roster roster;
    int64_t started_at_us;
    bool is_ready, is_stopping, is_stopped;
    unsigned process_count;
    struct world_process process[WORLD_PROCESSES_MAX];
};

/* world.c */
void world_report(struct world *world, const struct world_event *event);
void world_report_process(struct world_process *process, const char *what, int status,
                          int64_t after_us);
void world_apply(struct world_process *process, enum child_event event);

/* Is it meant to run? A worker: by the roster; all else: always. */
bool world_is_wanted(const struct world_process *process);

/* places.c: the roster of the folder, or that of the file. */
MUST_USE enum err world_places_new(struct world *world, struct text *why);
/* False: it could not be asked, a signal has to do. */
bool world_place_ask_drain(struct world_process *process);
/* <process> has ended, and was leaving: it may be wanted again. */
void world_place_note_gone(struct world_process *process);
void world_places_free(struct world *world);

/* ready.c: sets is_ready and reports it, once. */
MUST_USE enum err world_ready_new(struct world *world, struct text *why);
void world_ready_free(struct world *world);

/* engines.c: reports "engine_failed" with the reason, once, before the world is ready. */
MUST_USE enum err world_engines_new(struct world *world, struct text *why);
void world_engines_free(struct world *world);

/* control.c */
MUST_USE enum err world_control_new(struct world *world, struct text *why);
void world_control_free(struct world *world);
void world_pass_fault_to_link(struct world *world, struct span region, struct span kind);

#endif
