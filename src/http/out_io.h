/* out_io.h: bytes on their way into a connection, in order. What the socket takes at once is never
 * copied; the rest waits in pooled buffers until the socket has room, charged to the budget of
 * waiting bytes. The owner bounds how much may wait. */
#ifndef HTTP_OUT_IO_H
#define HTTP_OUT_IO_H

#include "base/err.h"
#include "http/buffer_io.h"
#include "net/conn.h"

struct out_queue {
    struct buffer *first, *last;
    size_t waiting; /* bytes */
};

void out_init(struct out_queue *out);
void out_clear(struct out_queue *out);

/* Sends the parts behind what waits already. ERR_OK: all of it is in the socket or kept.
 * ERR_MEMORY: the rest could not be kept, the stream is broken. Other errors: of the connection.
 * <conn> NULL: everything is kept. count <= 8. */
MUST_USE enum err out_send(struct out_queue *out, struct net_conn *conn, struct buffer_pool *pool,
                           const struct iovec *parts, int count);

/* The socket has room again. ERR_OK: nothing waits any more; ERR_AGAIN: some does. */
MUST_USE enum err out_flush(struct out_queue *out, struct net_conn *conn);

#endif
