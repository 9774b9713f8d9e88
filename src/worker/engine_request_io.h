/* engine_request_io.h: the JSON of LOAD and REQUEST frames into structs (docs/protocol.md). */
#ifndef WORKER_ENGINE_REQUEST_IO_H
#define WORKER_ENGINE_REQUEST_IO_H

#include <jansson.h>

#include "worker/engine.h"
#include "worker/piece.h"

enum { ENGINE_MESSAGES_MAX = 1024 };

enum engine_op { ENGINE_GENERATE, ENGINE_EMBED, ENGINE_INFER };

struct engine_request {
    json_t *root; /* owns the texts; json_decref by the owner */
    enum engine_op op;
    bool is_stream;
    uint32_t credits, context_tokens; /* 0: the engine's */
    struct engine_sampling sampling;
    struct piece piece; /* the stop words */
    size_t message_count;
    struct engine_message messages[ENGINE_MESSAGES_MAX];
};

/* The parent is trusted, but a broken one must not break us: ERR_SYNTAX. Spans point into
 * *ret_root. */
MUST_USE enum err engine_load_parse(struct span json, json_t **ret_root,
                                    struct engine_load *ret_load);
MUST_USE enum err engine_request_parse(struct span json, struct engine_request *ret_request);

#endif
