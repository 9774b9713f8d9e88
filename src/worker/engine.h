/* engine.h: what an engine can do, as a table of functions. One table a kind of engine; one loaded
 * engine a child process (engine_loop_io.h), which is its only thread.
 *
 * A generating engine computes the steps that batch.h plans: apply() the actions, compute() the
 * items, and it answers one token for each item that wants one. What it does not do is NULL. Calls
 * may take as long as the computing takes; nothing else blocks. */
#ifndef WORKER_ENGINE_H
#define WORKER_ENGINE_H

#include "base/err.h"
#include "base/text.h"
#include "worker/batch.h"

/* One model of a native child; also what a LOAD frame says of the others. */
struct engine_model {
    struct span name;   /* the service */
    struct span file;   /* NUL-terminated */
    struct span sha256; /* 64 hex digits, or empty: not pinned */
};

/* Whatever may compute or load for long calls note() on its way, as often as it likes and at least
 * each second: a worker takes an engine of which it hears nothing for a hung one. */
struct engine_progress {
    void (*note)(struct engine_progress *progress);
};

struct engine_load {
    struct span engine; /* "echo", "native", "llama" */
    struct engine_model models[LIMIT_SERVICES];
    uint32_t model_count;
    uint32_t slots, context_tokens; /* context 0: as the model says */
    uint32_t threads;               /* 0: one */
    bool generates, embeds;
    uint32_t prefill_ns_per_token, decode_ns_per_token; /* pace; 0: as fast as it goes */
    struct engine_progress *progress;                   /* outlives the engine; never NULL */
};

struct engine_info {
    char version[128];
    char sha256[65];         /* of the model file, or "" */
    uint32_t context_tokens; /* of one request; 0: does not generate */
    uint32_t step_tokens;    /* most tokens of one compute() */
    uint32_t dimensions;     /* of an embedding; 0: none */
};

struct engine_message {
    struct span role, text;
};

struct engine_sampling {
    double temperature, top_p; /* 0: the likeliest token */
    uint64_t seed;
    bool is_seed_given; /* else an engine that draws takes one of its own */
    uint32_t max_tokens;
    bool is_max_given; /* the client said max_tokens */
};

struct json_t;

struct engine_ops {
    const char *name;
    enum err (*load)(const struct engine_load *load, void **ret_self, struct engine_info *ret_info,
                     struct text *why);
    void (*unload)(void *self);

    /* Prompt to tokens, by the model's template; ERR_FULL: more than <room>, and *ret_count says
     * how many (the one exception to "written only on success"). */
    enum err (*tokenize)(void *self, const struct engine_message *messages, size_t count,
                         int32_t *tokens, uint32_t room, uint32_t *ret_count);
    enum err (*begin)(void *self, uint32_t job, const struct engine_sampling *sampling,
                      const int32_t *prompt, uint32_t prompt_count);
    void (*end)(void *self, uint32_t job);
    void (*apply)(void *self, const struct batch_action *action);
    /* false: the child must end. */
    bool (*compute)(void *self, const struct batch_step *step, int32_t *ret_tokens);
    bool (*is_end)(void *self, int32_t token);
    size_t (*bytes)(void *self, int32_t token, char *buffer, size_t room); /* room >= 256 */

    /* One text to a vector of info.dimensions. ERR_FULL: longer than the context. */
    enum err (*embed)(void *self, struct span text, float *ret_vector, uint32_t *ret_tokens,
                      struct text *why);

    /* <request>: {"model":..,"inputs":[..]}; appends {"outputs":[..]} to <answer>. ERR_VALUE,
     * ERR_NOT_FOUND: the request is wrong. */
    enum err (*infer)(void *self, struct json_t *request, struct text *answer, struct text *why);

    /* Appends one JSON array of {"name","platform","inputs":[..],"outputs":[..]}. */
    void (*describe)(void *self, struct text *json);
};

extern const struct engine_ops engine_echo_ops, engine_native_ops;
#ifdef FARSPAN_WITH_LLAMA
extern const struct engine_ops engine_llama_ops;
#endif

#endif
