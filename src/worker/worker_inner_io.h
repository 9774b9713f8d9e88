/* worker_inner_io.h: the structs of a worker, shared by its own files only. */
#ifndef WORKER_WORKER_INNER_IO_H
#define WORKER_WORKER_INNER_IO_H

#include <jansson.h>

#include "http/server_io.h"
#include "obs/metrics.h"
#include "worker/answer.h"
#include "worker/api_io.h"
#include "worker/engine_child_io.h"
#include "worker/queue.h"
#include "worker/worker_io.h"

enum { WORKER_WATCHERS_MAX = 64, WORKER_GROUPS_MAX = 64, WORKER_SCRATCH = 64 << 20 };
#define WORKER_DRAIN_US    (INT64_C(4) * 1000 * 1000)
/* After POST /peer/v1/drain the last request may take its time. */
#define WORKER_PATIENCE_US (INT64_C(15) * 60 * 1000 * 1000)
#define WORKER_TICK_US     (INT64_C(100) * 1000)

struct worker;
struct worker_group;

/* A replica, and its place before its engine. */
struct worker_lane {
    uint16_t replica, service; /* of the fleet */
    uint16_t queue_lane;
    struct worker_group *group;
    uint64_t prompt_tokens, hit_tokens, output_tokens; /* since start */
};

struct worker_job {
    struct worker_job *next;        /* free list */
    uint16_t generation;            /* with the index: its name towards the child */
    bool is_used, has_begun;        /* has_begun: the answer's head is out */
    struct http_exchange *exchange; /* NULL: the client is gone */
    struct worker_lane *lane;
    struct queue_entry *entry;
    struct api_request request;
    struct answer_subject subject;
    int64_t began_us, deadline_us; /* deadline 0: none */
    uint32_t credits_owed;
};

/* An open GET /peer/v1/load. */
struct worker_watcher {
    struct http_exchange *exchange;
};

struct worker_group {
    struct worker *worker;
    struct engine_child child;
    struct queue queue;
    struct queue_entry *entries;
    enum fleet_engine engine;
    uint16_t model; /* of the fleet; FLEET_NONE: native (all of them), echo */
    uint32_t slots; /* of the generating lanes, at most BATCH_JOBS_MAX */
    struct text load_json;
    char load_buffer[16384];
    bool generates, embeds;
    struct frame_load load; /* what the child said last */
    struct frame_load load_before;
    uint64_t prefill_ns_per_token,
        decode_ns_per_token; /* measured, or the pace; 0: not known yet */
    uint32_t context_tokens, dimensions;
    json_t *models;    /* native: shapes from READY */
    char failure[512]; /* why it could not be loaded; said once */
};

struct worker {
    const struct worker_options *options;
    const struct fleet *fleet;
    const struct fleet_worker *self;
    struct net_loop *loop;
    struct http_server *server;
    uint32_t group_count, lane_count, watcher_count;
    struct worker_group *groups[WORKER_GROUPS_MAX];
    struct worker_lane *lanes; /* lane_count */
    struct worker_watcher watchers[WORKER_WATCHERS_MAX];
    struct worker_job *jobs, *free_jobs;
    uint32_t job_count, jobs_used;
    bool is_draining;
    int64_t drain_until_us, started_us;
    uint64_t request_count;
    size_t body_bytes; /* of bodies that outgrew what the server holds (serve_io.c) */
    struct net_timer tick;
    struct net_watch signal_watch;
    struct text scratch; /* WORKER_SCRATCH bytes, used between two events only */
    struct metrics metrics;
};

/* group_io.c: engine children */
MUST_USE enum err worker_groups_make(struct worker *worker, struct text *why);
void worker_groups_start(struct worker *worker);
void worker_groups_fini(struct worker *worker);
void worker_group_pump(struct worker_group *group);

/* job_io.c: requests under way */
MUST_USE enum err worker_jobs_make(struct worker *worker);
void worker_jobs_fini(struct worker *worker); /* no exchange is open any more */
void worker_job_offer(struct worker *worker, struct worker_lane *lane,
                      struct http_exchange *exchange, const struct api_request *request,
                      int64_t deadline_us);
uint32_t worker_job_name(const struct worker *worker, const struct worker_job *job);
struct worker_job *worker_job_find(struct worker *worker, uint32_t name);
void worker_job_tokens(struct worker_job *job, struct span payload);
void worker_job_result(struct worker_job *job, struct span payload);
void worker_job_failed(struct worker_job *job, struct span payload);
void worker_job_lost(struct worker *worker, const struct queue_lost *lost);
void worker_job_gone(struct worker_job *job);
void worker_job_drained(struct worker_job *job);
void worker_job_expire(struct worker *worker, int64_t now_us);
/* Those that wait for <group>, which cannot load its model, are refused. */
void worker_jobs_refuse(struct worker_group *group);
void worker_jobs_cut(struct worker *worker, const char *code, const char *message);

/* serve_io.c: the doors */
extern const struct http_handler worker_handler;
void worker_refuse(struct worker *worker, struct http_exchange *exchange, enum answer_form form,
                   const struct answer_error *error, uint32_t retry_after_s);

/* report_io.c: load, metrics, state, metadata */
void worker_report_load(struct worker *worker, struct text *json);
void worker_report_metrics(struct worker *worker, struct text *text);
void worker_report_state(struct worker *worker, struct text *json);
void worker_report_model(struct worker *worker, const struct worker_lane *lane, struct text *json);
void worker_report_send(struct worker *worker); /* the load event to every watcher */

/* Takes nothing new and ends with the last request, or after <patience_us>; a second call can make
 * that shorter, not longer. */
void worker_drain(struct worker *worker, int64_t patience_us);

#endif
