/* api_io.h: what clients ask in the forms of OpenAI and the Open Inference Protocol, checked and
 * turned into one engine request (docs/protocol.md, "Engine requests"). JSON by jansson: the
 * gateway has measured and routed the body already; here it is read once, for its content. */
#ifndef WORKER_API_IO_H
#define WORKER_API_IO_H

#include "base/err.h"
#include "base/text.h"
#include "fleet/fleet.h"

enum { API_INPUTS_MAX = 256, API_CREDITS = 64 };

enum api_kind { API_CHAT, API_COMPLETION, API_EMBEDDINGS, API_INFER };

struct api_request {
    enum api_kind kind;
    char model[LIMIT_NAME + 1];
    bool is_stream, includes_usage, is_base64;
    uint32_t input_count;
    char infer_id[LIMIT_NAME + 1]; /* Open Inference "id", given back */
    char *engine_json;             /* of the REQUEST frame; free() it */
    size_t engine_json_size;
};

struct api_fault {
    unsigned status;
    const char *code;  /* "invalid_request", "model_not_found" ... */
    const char *param; /* the key it is about, or NULL */
    char message[768];
};

/* Reads only "model" (OpenAI forms), to find the service first. false: <ret_fault> says why. */
bool api_model(struct span body, char ret_model[LIMIT_NAME + 1], struct api_fault *ret_fault);

/* <service> is the one that the request is for; <kind> API_INFER depends on its kind: native models
 * take inputs, generation and embeddings take one tensor "text". */
bool api_parse(enum api_kind kind, const struct fleet_service *service, struct span body,
               struct api_request *ret_request, struct api_fault *ret_fault);

__attribute__((format(printf, 5, 6))) bool api_fail(struct api_fault *fault, unsigned status,
                                                    const char *code, const char *param,
                                                    const char *format, ...);

#endif
