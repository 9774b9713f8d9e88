/* frame.h: what a worker and its engine child say to each other over a socketpair. Pure.
 *
 * A frame is a header of 32 bytes, little endian, then <length> bytes of payload; a payload above
 * LIMIT_FRAME_INLINE comes as a sealed memfd in SCM_RIGHTS instead (flag FRAME_MEMFD, length is its
 * size). Credits: the child writes at most as many tokens of a request as it was given credits, so
 * a slow reader stops one request and not the batch. Progress is counted per step and carried by
 * every frame of the child (no heartbeat thread): a child whose step does not rise while it has
 * work hangs. The parent's end of file is the child's order to exit. */
#ifndef WORKER_FRAME_H
#define WORKER_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

enum { FRAME_VERSION = 1, FRAME_HEADER_SIZE = 32, FRAME_MEMFD = 1 };

/* name, direction, payload */
#define FRAME_TABLE(X)                                                                             \
    X(LOAD, "to child", "JSON: engine, model file, slots, context, threads, pace, seed")           \
    X(READY, "to parent", "JSON: context_tokens, slots, engine version, model sha256, shapes")     \
    X(REQUEST, "to child", "JSON: see docs/protocol.md, one request")                              \
    X(CANCEL, "to child", "none")                                                                  \
    X(CREDIT, "to child", "u32: credits added")                                                    \
    X(TOKENS, "to parent", "u32 tokens in this piece, then UTF-8 text, whole characters")          \
    X(RESULT, "to parent",                                                                         \
      "JSON: outputs of a request without stream (vectors, labels), or usage and finish reason")   \
    X(FAIL, "to parent", "JSON: code, message; the child lives on")                                \
    X(STEP, "to parent", "binary struct frame_load: load and progress, at most every 50 ms")       \
    X(QUIT, "to child", "none: finish nothing, exit 0")

enum frame_type {
    FRAME_NONE,
#define X(name, direction, payload) FRAME_##name,
    FRAME_TABLE(X)
#undef X
        FRAME_TYPE_COUNT
};

struct frame {
    uint8_t version, type;
    uint16_t flags;
    uint32_t request; /* id within the child; 0: none */
    uint64_t epoch;   /* of the child: answers of an earlier child are dropped */
    uint64_t step;    /* child: steps done */
    uint32_t length;  /* of the payload */
    uint32_t check;   /* CRC-32C of the 28 bytes before */
};

/* What a STEP frame carries. */
struct frame_load {
    uint32_t running, waiting;
    uint32_t kv_used, kv_total;                               /* cells */
    uint64_t prompt_tokens, prefix_hit_tokens, output_tokens; /* since start */
    uint64_t prefill_us, decode_us;                           /* busy, since start */
    uint64_t decode_tokens; /* the output tokens that decode_us was spent on: all but the first of
                               each answer, which comes with the prompt */
};

void frame_encode(const struct frame *frame, uint8_t ret_bytes[FRAME_HEADER_SIZE]);

/* ERR_SYNTAX: wrong version, unknown type, too long, bad check. */
MUST_USE enum err frame_decode(const uint8_t bytes[FRAME_HEADER_SIZE], struct frame *ret_frame);

void frame_load_encode(const struct frame_load *load, uint8_t ret_bytes[64]);
MUST_USE enum err frame_load_decode(struct span payload, struct frame_load *ret_load);

#endif
