/* worker_io.h: the process that runs the replicas of one machine.
 *
 *   POST /v1/..., /v2/...   serve_io.c: who may, which replica
 *        |                  api_io.c: checked, turned into an engine request
 *        v
 *   worker_job  ---------->  queue.h (of the replica's engine child): waits, or starts
 *        ^                        |
 *        |                        v  group_io.c
 *   answer.h  <-- TOKENS, RESULT, FAIL --  engine child (engine_loop_io.h)
 *
 * One loop, one thread. A group is one engine child with the replicas it serves. */
#ifndef WORKER_WORKER_IO_H
#define WORKER_WORKER_IO_H

#include "base/crypto.h"
#include "base/text.h"
#include "fleet/fleet.h"

struct worker_options {
    const struct fleet *fleet;
    uint16_t worker; /* index */
    uint16_t port_base;
    bool is_echo;              /* echo stands in for llama */
    const char *model_file;    /* stands in for every llama model's file; NULL: as the fleet says */
    int64_t hang_us;           /* an engine without progress for so long is killed; 0: 5 s */
    int64_t drain_us;          /* after a signal open streams are cut after so long; 0: 4 s */
    uint64_t services;         /* bit s: computes that service; 0: all that the fleet lets it */
    int64_t price_usd_micro_h; /* of its machine, where the fleet does not say; 0: nothing */
    uint8_t secret[CRYPTO_KEY_SIZE];
};

/* Until drained after SIGTERM or SIGINT: ERR_OK. Says on standard error, once, why an engine died
 * or a model could not be loaded; the worker itself lives on (its replica is not ready). */
MUST_USE enum err worker_run(const struct worker_options *options, struct text *why);

#endif
