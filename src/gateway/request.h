/* request.h: one request from its head to the moment when it can be routed: who asks, what for,
 * where it may be computed, until when, and which prompt it carries. Pure.
 *
 * Its life is a table of steps. Every move is checked against the table; what comes with later
 * versions has its place in it and no code:
 *
 *   READ ----> CHOOSE ----> SEND ----> RELAY ----> SETTLE
 *    |          ^  |         |  |                    ^
 *    |          |  +--> PAUSE<-+  (before the first byte: another target, perhaps after a rest)
 *    |          +--------+                           |
 *    +---------------------- refused ----------------+
 *
 * Invariants
 *   1. An answer begins at most once (RELAY or SETTLE with a refusal), so nothing is answered
 * twice.
 *   2. From RELAY there is no way back to CHOOSE: nothing is retried after its first byte.
 *   3. SETTLE is reached exactly once. */
#ifndef GATEWAY_REQUEST_H
#define GATEWAY_REQUEST_H

#include "gateway/api.h"
#include "gateway/identity.h"
#include "http/json_scan.h"
#include "route/prefix.h"
#include "route/route.h"

/* name, is it in force, sentence */
#define GATEWAY_STEP_TABLE(X)                                                                      \
    X(READ, true, "identified; the body is validated and scanned as it arrives")                   \
    X(RESERVE, false, "quota and budget are reserved (later)")                                     \
    X(CHOOSE, true, "a target is chosen")                                                          \
    X(PAUSE, true, "rests before it asks the same target again")                                   \
    X(SEND, true, "sent; no byte of an answer yet")                                                \
    X(HEDGE, false, "a second target is asked beside a slow first (later)")                        \
    X(RELAY, true, "the answer has begun and is passed on")                                        \
    X(CONTINUE, false, "a broken stream goes on elsewhere (later)")                                \
    X(SETTLE, true, "over: counted and logged")                                                    \
    X(RECORD, false, "written to the ledger (later)")

enum gateway_step {
#define X(name, is_in_force, text) GATEWAY_STEP_##name,
    GATEWAY_STEP_TABLE(X)
#undef X
        GATEWAY_STEP_COUNT
};

enum {
    GATEWAY_REQUEST_ID_MAX = 128,
    GATEWAY_TIMEOUT_DEFAULT_US = 600 * 1000 * 1000, /* where the service says nothing */
    GATEWAY_CHOICES_MAX = 128                       /* "n" of OpenAI's APIs */
};

struct gateway_request {
    enum gateway_step step;
    enum gateway_route route;
    enum gateway_form form;
    struct gateway_identity identity;
    uint16_t service;           /* FLEET_NONE until the model is known */
    struct span name;           /* V2: the model's name in the path, percent-coded */
    struct span tenant;         /* points into the keys or the head */
    struct span hop;            /* the region that forwarded it; empty: straight from a client */
    fleet_zones zones;          /* that may compute it, by key, header and (once known) service */
    int64_t deadline_us;        /* absolute */
    int64_t header_deadline_us; /* what x-farspan-deadline-ms asked for; 0: nothing */
    uint64_t affinity;
    uint32_t prompt_tokens, output_tokens;
    bool is_scanned; /* the body was read in whole and is right */
    uint8_t id_size;
    char id[GATEWAY_REQUEST_ID_MAX];
    const char *param; /* of the last refusal: the key it is about; NULL: the table's */
    struct span why;   /* of the last refusal: a detail, or empty */
    char why_buffer[192];
    struct json_scan scan;
    struct prefix_chain chain;
};

/* Everything a request is judged by; immutable. */
struct gateway_law {
    const struct fleet *fleet;
    const struct gateway_keys *keys;
    uint16_t region;
};

/* GATEWAY_ERROR_COUNT: fine; anything else: refuse with it (request->why, request->param). */
#define GATEWAY_FINE GATEWAY_ERROR_COUNT

/* Reads a head: route, caller, headers. <fallback_id>: 16 hex digits, used when the client brings
 * no good x-request-id. In every case form, id and step are set, so that a refusal can be written.
 */
enum gateway_error gateway_request_begin(struct gateway_request *request,
                                         const struct gateway_law *law,
                                         const struct http_head *head, uint64_t fallback_id,
                                         int64_t now_us);

/* The next piece of the body. */
enum gateway_error gateway_request_add(struct gateway_request *request, struct span piece);

/* The body is over (is_whole), or as much of it as routing waits for: finds the service, the zones,
 * the sizes, and binds the prompt's chain to service and tenant. */
enum gateway_error gateway_request_resolve(struct gateway_request *request,
                                           const struct gateway_law *law, bool is_whole);

/* The part of it that route_choose() takes. */
void gateway_request_view(const struct gateway_request *request, const struct gateway_law *law,
                          int64_t now_us, uint64_t tried, struct route_request *ret_request);

/* Checked against the table of moves. */
void gateway_request_move(struct gateway_request *request, enum gateway_step step);

static inline struct span gateway_request_id(const struct gateway_request *request)
{
    return span_from(request->id, request->id_size);
}

/* The value of the top-level key "model" in <body>, quotes included: where the scan met it. <body>
 * is what was scanned, or its beginning. Empty when it is not there. */
struct span gateway_request_model_value(const struct gateway_request *request, struct span body);

#endif
