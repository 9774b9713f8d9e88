/* sse.h: server-sent events, read in pieces (WHATWG HTML, 9.2). Pure. */
#ifndef HTTP_SSE_H
#define HTTP_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

struct sse_reader {
    char *buffer; /* the caller's, for one event's data */
    size_t size, used;
    char event[32];
    uint8_t event_size;
    bool is_cut; /* the event was longer than the buffer */
    uint8_t state, field;
    char field_name[8];
    uint8_t field_size;
};

void sse_reader_init(struct sse_reader *reader, char *buffer, size_t size);

/* For each whole event: <on_event>(user, event name or empty, data). */
void sse_reader_add(struct sse_reader *reader, struct span bytes,
                    void (*on_event)(void *user, struct span event, struct span data, bool is_cut),
                    void *user);

#endif
