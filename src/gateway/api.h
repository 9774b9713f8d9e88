/* api.h: what a gateway answers to: one table of routes, one table of errors, and the forms in
 * which an error is said. Pure.
 *
 * A route is method + path; a '*' in the path stands for a name, which may hold '/' under /v1 only
 * ("meta-llama/Llama-3" is a model's name there). gateway_api_find() tells an unknown path (404
 * with the list) from a known path asked with another method (405 with Allow). */
#ifndef GATEWAY_API_H
#define GATEWAY_API_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "http/parser.h"

/* How errors are said: OpenAI's object, or Open Inference Protocol's string. */
enum gateway_form { GATEWAY_FORM_OPENAI, GATEWAY_FORM_INFERENCE };

/* Who may ask (docs/protocol.md, "Who may speak"). */
enum gateway_door { GATEWAY_DOOR_OPEN, GATEWAY_DOOR_CLIENT, GATEWAY_DOOR_PEER };

/* name, method, path, form, door, is it an AI request that goes to a target */
#define GATEWAY_ROUTE_TABLE(X)                                                                     \
    X(CHAT, POST, "/v1/chat/completions", OPENAI, CLIENT, true)                                    \
    X(COMPLETIONS, POST, "/v1/completions", OPENAI, CLIENT, true)                                  \
    X(EMBEDDINGS, POST, "/v1/embeddings", OPENAI, CLIENT, true)                                    \
    X(MODELS, GET, "/v1/models", OPENAI, CLIENT, false)                                            \
    X(MODEL, GET, "/v1/models/*", OPENAI, CLIENT, false)                                           \
    X(V2, GET, "/v2", INFERENCE, CLIENT, false)                                                    \
    X(V2_LIVE, GET, "/v2/health/live", INFERENCE, CLIENT, false)                                   \
    X(V2_READY, GET, "/v2/health/ready", INFERENCE, CLIENT, false)                                 \
    X(V2_INFER, POST, "/v2/models/*/infer", INFERENCE, CLIENT, true)                               \
    X(V2_MODEL_READY, GET, "/v2/models/*/ready", INFERENCE, CLIENT, false)                         \
    X(V2_MODEL, GET, "/v2/models/*", INFERENCE, CLIENT, true)                                      \
    X(HEALTHZ, GET, "/healthz", OPENAI, OPEN, false)                                               \
    X(METRICS, GET, "/metrics", OPENAI, OPEN, false)                                               \
    X(PEER_SUMMARY, GET, "/peer/v1/summary", OPENAI, PEER, false)                                  \
    X(PEER_STATE, GET, "/peer/v1/state", OPENAI, PEER, false)                                      \
    X(PEER_EXPLAIN, POST, "/peer/v1/explain", OPENAI, PEER, false)                                 \
    X(PEER_DRAIN, POST, "/peer/v1/drain", OPENAI, PEER, false)

enum gateway_route {
#define X(name, method, path, form, door, is_routed) GATEWAY_ROUTE_##name,
    GATEWAY_ROUTE_TABLE(X)
#undef X
        GATEWAY_ROUTE_COUNT
};

struct gateway_api {
    enum http_method method;
    const char *path;
    enum gateway_form form;
    enum gateway_door door;
    bool is_routed; /* an AI request: goes to a target */
};

const struct gateway_api *gateway_api_of(enum gateway_route route);

enum gateway_match { GATEWAY_MATCH_FOUND, GATEWAY_MATCH_METHOD, GATEWAY_MATCH_NONE };

/* FOUND: *ret_route and *ret_name (what stands for '*', still percent-coded; empty without one).
 * METHOD: the path exists, not with this method: *ret_route is one of its rows. HEAD is taken for
 * GET. */
enum gateway_match gateway_api_find(enum http_method method, struct span path,
                                    enum gateway_route *ret_route, struct span *ret_name);

/* The form of errors for a path that was not found: by its first segment. */
enum gateway_form gateway_api_form_of(struct span path);

/* "allow: GET, HEAD\r\n" of all rows with the path of <route>. */
void gateway_api_allow(enum gateway_route route, struct text *text);

/* Undoes percent-coding into <text>; false when it is malformed, cut, or holds a control byte. */
bool gateway_api_decode(struct span coded, struct text *text);

/* name, status, type, code, param, sentence */
#define GATEWAY_ERROR_TABLE(X)                                                                     \
    X(BAD_HEAD, 400, "invalid_request_error", "bad_request", NULL, "the request is malformed")     \
    X(BAD_JSON, 400, "invalid_request_error", "invalid_json", NULL,                                \
      "the body is not the JSON object that this path takes")                                      \
    X(BAD_VALUE, 400, "invalid_request_error", "invalid_value", NULL,                              \
      "a value has the wrong type or is out of its range")                                         \
    X(NO_MODEL, 400, "invalid_request_error", "missing_required_parameter", "model",               \
      "the body must name a 'model'; GET /v1/models lists them")                                   \
    X(LATE_MODEL, 400, "invalid_request_error", "missing_required_parameter", "model",             \
      "in a body above 1 MiB 'model' must come within the first 1 MiB")                            \
    X(NO_INPUT, 400, "invalid_request_error", "missing_required_parameter", NULL,                  \
      "the body lacks what is to be computed")                                                     \
    X(WRONG_KIND, 400, "invalid_request_error", "model_not_supported", "model",                    \
      "this model does not serve this path")                                                       \
    X(CONTEXT, 400, "invalid_request_error", "context_length_exceeded", "messages",                \
      "the prompt and the answer are longer than the model's context")                             \
    X(BAD_HOP, 400, "invalid_request_error", "bad_request", NULL,                                  \
      "an x-farspan header does not read")                                                         \
    X(NO_KEY, 401, "invalid_request_error", "invalid_api_key", NULL,                               \
      "no valid key: send 'authorization: Bearer KEY'")                                            \
    X(WRONG_DOOR, 403, "invalid_request_error", "forbidden", NULL,                                 \
      "this path is for farspan's own parts; a client's key does not open it")                     \
    X(NO_ZONE, 403, "invalid_request_error", "residency", NULL,                                    \
      "the rules of key and model leave no zone where this request may be computed")               \
    X(NO_PATH, 404, "invalid_request_error", "unknown_path", NULL, "there is no such path")        \
    X(MODEL_NOT_FOUND, 404, "invalid_request_error", "model_not_found", "model",                   \
      "there is no such model; GET /v1/models lists them")                                         \
    X(METHOD, 405, "invalid_request_error", "method_not_allowed", NULL,                            \
      "this path does not take that method")                                                       \
    X(TIMEOUT, 408, "invalid_request_error", "request_timeout", NULL,                              \
      "the request did not arrive in time")                                                        \
    X(STALE_EPOCH, 409, "server_error", "stale_epoch", NULL,                                       \
      "the sender's configuration is older than ours")                                             \
    X(TOO_LARGE, 413, "invalid_request_error", "request_too_large", NULL,                          \
      "the body is longer than 64 MiB")                                                            \
    X(MEDIA, 415, "invalid_request_error", "unsupported_media_type", NULL,                         \
      "send the body as 'content-type: application/json', without content-encoding")               \
    X(BUSY, 429, "rate_limit_error", "rate_limit_exceeded", NULL,                                  \
      "every replica of this model is busy; try again later")                                      \
    X(HEAD_SIZE, 431, "invalid_request_error", "headers_too_large", NULL,                          \
      "the request's headers are longer than 16 KiB")                                              \
    X(INTERNAL, 500, "server_error", "internal_error", NULL, "the gateway failed")                 \
    X(UPSTREAM, 502, "server_error", "upstream_failed", NULL,                                      \
      "the model's replica failed before it answered; the request may be sent again")              \
    X(NO_TARGET, 503, "server_error", "no_replica", NULL,                                          \
      "no replica of this model can take the request now; try again later")                        \
    X(NO_ROOM, 503, "server_error", "gateway_full", NULL,                                          \
      "the gateway holds as many request bodies as it may; try again later")                       \
    X(DRAINING, 503, "server_error", "draining", NULL, "this gateway is stopping; try again")      \
    X(DEADLINE, 504, "server_error", "deadline_exceeded", NULL,                                    \
      "no answer within the request's deadline")                                                   \
    X(UPSTREAM_LOST, 502, "server_error", "upstream_lost", NULL,                                   \
      "the replica was lost in mid-stream; the request may be sent again")                         \
    X(STOPPED, 503, "server_error", "gateway_stopped", NULL,                                       \
      "the gateway stopped in mid-stream; the request may be sent again")                          \
    X(STREAM_DEADLINE, 504, "server_error", "deadline_exceeded", NULL,                             \
      "the stream was longer than the request's deadline")

enum gateway_error {
#define X(name, status, type, code, param, text) GATEWAY_ERROR_##name,
    GATEWAY_ERROR_TABLE(X)
#undef X
        GATEWAY_ERROR_COUNT
};

unsigned gateway_error_status(enum gateway_error error);
const char *gateway_error_code(enum gateway_error error);

/* One error as JSON in <form>. <detail> is added to the table's sentence after a colon (empty:
 * nothing); <param> replaces the table's when not NULL. */
void gateway_error_print(enum gateway_error error, enum gateway_form form, struct span detail,
                         const char *param, struct text *text);

/* The whole error of an unknown path: says which there are. */
void gateway_error_print_paths(enum gateway_form form, struct text *text);

/* The event that ends a stream which cannot go on: "data: {...}\n\n". */
void gateway_error_print_event(enum gateway_error error, struct text *text);

/* The error for a status that the HTTP server refuses with on its own. */
enum gateway_error gateway_error_of_status(unsigned status);

#endif
