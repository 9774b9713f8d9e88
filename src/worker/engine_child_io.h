/* engine_child_io.h: one engine child as its worker sees it: started, spoken to, watched, started
 * again.
 *
 *            engine_child_start                READY                     end of process
 *   DOWN ------------------> LOADING ----------> READY --------------------------> DOWN (rest)
 *     ^                         |                  |  hangs: SIGKILL                  |
 *     +-------------------------+------------------+----------------------------------+
 *                      rest doubles from 100 ms to 10 s; a life of 30 s resets it
 *
 * A child hangs when it has work (the owner says so by <has_work>) and its step count has not risen
 * for ENGINE_CHILD_HANG_US, or has not for ENGINE_CHILD_LOAD_US while it loads. Long computing is
 * no hang: the count rises within it too (engine.h, struct engine_progress). Sending never blocks:
 * what the socket does not take is kept, bounded; a child that lets it overflow is broken and is
 * killed. All on the owner's loop. */
#ifndef WORKER_ENGINE_CHILD_IO_H
#define WORKER_ENGINE_CHILD_IO_H

#include <sys/types.h>

#include "net/loop.h"
#include "worker/wire_io.h"

#define ENGINE_CHILD_HANG_US     (INT64_C(5) * 1000 * 1000)
#define ENGINE_CHILD_LOAD_US     (INT64_C(180) * 1000 * 1000)
#define ENGINE_CHILD_REST_US     (INT64_C(100) * 1000)
#define ENGINE_CHILD_REST_MAX_US (INT64_C(10) * 1000 * 1000)

enum { ENGINE_CHILD_UNSENT_MAX = 4 << 20 /* bytes */ };

enum engine_child_state {
    ENGINE_CHILD_DOWN,
    ENGINE_CHILD_LOADING,
    ENGINE_CHILD_READY,
    ENGINE_CHILD_STOPPED
};

struct engine_child_unsent;

struct engine_child {
    struct net_loop *loop;
    enum engine_child_state state;
    pid_t pid; /* 0: none */
    struct net_watch process_watch, wire_watch;
    struct net_timer timer; /* hang check, or the end of the rest */
    int pidfd, wire;
    uint64_t epoch; /* rises with each start: "instance" */
    uint64_t step;
    int64_t step_us;    /* when <step> last rose, or work began */
    int64_t started_us; /* of this life */
    int64_t rest_us;
    int64_t hang_us; /* the owner's; 0: ENGINE_CHILD_HANG_US */
    uint64_t deaths;
    struct wire_received in;
    struct engine_child_unsent *unsent_first, *unsent_last;
    size_t unsent_bytes;
    bool was_killed_for_hang;
    struct text *load; /* JSON of the LOAD frame, the owner's */
    void *user;
    bool (*has_work)(struct engine_child *child);
    void (*on_frame)(struct engine_child *child, const struct frame *frame, struct span payload);
    void (*on_death)(struct engine_child *child, int status); /* state is DOWN already */
};

/* loop, load, user and the three functions are set by the owner before. */
void engine_child_init(struct engine_child *child);

/* Starts the process; a failure is a death: it rests and tries again. */
void engine_child_start(struct engine_child *child);

/* To a living child; false: there is none. */
bool engine_child_send(struct engine_child *child, enum frame_type type, uint32_t request,
                       struct span payload);

/* Work was given to an idle child: the hang clock begins now. */
void engine_child_work_began(struct engine_child *child);

void engine_child_kill(struct engine_child *child);

/* QUIT, then SIGKILL; waits for the end. No handler is called any more. */
void engine_child_fini(struct engine_child *child);

#endif
