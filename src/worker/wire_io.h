/* wire_io.h: frames over a SOCK_SEQPACKET socketpair: one message a frame, so nothing is ever half
 * read. Used by both ends. */
#ifndef WORKER_WIRE_IO_H
#define WORKER_WIRE_IO_H

#include "base/limits.h"
#include "worker/frame.h"

enum { WIRE_BUFFER_SIZE = FRAME_HEADER_SIZE + LIMIT_FRAME_INLINE };

/* A connected pair, close on exec. */
MUST_USE enum err wire_pair(int ret_fds[2]);

/* Sends the header (length, flags and check are filled in) and the payload; above
 * LIMIT_FRAME_INLINE as a sealed memfd. ERR_AGAIN: the other end is slow (non-blocking descriptors
 * only). ERR_CLOSED, ERR_IO; ERR_FULL: above LIMIT_FRAME_PAYLOAD. */
MUST_USE enum err wire_send(int fd, const struct frame *frame, struct span payload);

struct wire_received {
    struct frame frame;
    struct span payload; /* into the buffer, or mapped */
    void *mapped;
    uint8_t *buffer; /* WIRE_BUFFER_SIZE, the caller's */
};

/* ERR_AGAIN, ERR_CLOSED (end of file), ERR_SYNTAX (not a frame: the peer is broken). After ERR_OK
 * wire_release() before the next one. */
MUST_USE enum err wire_receive(int fd, struct wire_received *received);
void wire_release(struct wire_received *received);

#endif
