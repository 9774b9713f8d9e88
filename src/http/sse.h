/* sse.h: server-sent events, read in pieces cut anywhere (WHATWG HTML, 9.2.6). Pure.
 *
 * Lines end with LF, CR or CR LF. An empty line gives out the event if it had any data line.
 * Several data lines are joined with LF. Comments, id, retry and unknown fields are read and
 * dropped; so is an event that the stream leaves unfinished, and one byte order mark at the start.
 */
#ifndef HTTP_SSE_H
#define HTTP_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

struct sse_reader {
    char *buffer; /* the caller's, for one event's data */
    size_t size, used;
    char event[32]; /* a longer name is cut */
    uint8_t event_size;
    bool is_cut;   /* the event's data was longer than the buffer */
    bool has_data; /* the event has a data line, perhaps an empty one */
    uint8_t state, field;
    char field_name[8];
    uint8_t field_size; /* may exceed field_name: then the field is unknown */
    uint8_t mark_size;  /* bytes of the byte order mark met so far */
};

void sse_reader_init(struct sse_reader *reader, char *buffer, size_t size);

/* For each whole event: <on_event>(user, event name or empty, data). The spans live until it
 * returns. */
void sse_reader_add(struct sse_reader *reader, struct span bytes,
                    void (*on_event)(void *user, struct span event, struct span data, bool is_cut),
                    void *user);

#endif
