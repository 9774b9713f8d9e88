/* answer.h: what a worker says to clients, in their forms: OpenAI's objects and events, Open
 * Inference's errors. Pure: writes JSON into a text.
 *
 * Sources: OpenAI API reference (chat/streaming, completions, embeddings, error codes), Open
 * Inference Protocol v2 inference_rest.md. */
#ifndef WORKER_ANSWER_H
#define WORKER_ANSWER_H

#include "base/text.h"

enum answer_form { ANSWER_CHAT, ANSWER_COMPLETION, ANSWER_EMBEDDINGS, ANSWER_INFER };

/* What all events of one answer share. */
struct answer_subject {
    enum answer_form form;
    char id[40]; /* "chatcmpl-..." */
    struct span model;
    int64_t created_s;
};

struct answer_usage {
    uint64_t prompt_tokens, cached_tokens, output_tokens;
};

/* One server-sent event each, "data: {...}\n\n". The role event is for chat only (others: nothing).
 */
void answer_event_role(struct text *text, const struct answer_subject *subject);
void answer_event_piece(struct text *text, const struct answer_subject *subject, struct span piece);
void answer_event_finish(struct text *text, const struct answer_subject *subject,
                         struct span reason);
void answer_event_usage(struct text *text, const struct answer_subject *subject,
                        const struct answer_usage *usage);
void answer_event_done(struct text *text);

/* The whole answer of a request without stream. */
void answer_whole(struct text *text, const struct answer_subject *subject, struct span content,
                  struct span reason, const struct answer_usage *usage);

struct answer_error {
    const char *message, *code;
    const char *param; /* or NULL */
    unsigned status;   /* decides the type: 4xx invalid_request_error, 5xx server_error */
};

/* OpenAI's form, or with <form> ANSWER_INFER {"error":"..."}. */
void answer_error(struct text *text, enum answer_form form, const struct answer_error *error);

/* As an event, for a stream that cannot go on. */
void answer_error_event(struct text *text, const struct answer_error *error);

/* The status that an engine's failure code stands for. */
unsigned answer_status_of(struct span code);

/* RFC 4648, with padding. */
void answer_base64(struct text *text, const void *bytes, size_t n);

#endif
