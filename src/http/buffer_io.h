/* buffer_io.h: byte buffers of a loop, pooled by size class and counted by reference.
 *
 * A buffer is shared when bytes that were read once serve two owners: a connection reads behind the
 * head that its exchange still points into. Given back, it goes to the free list of its class, of
 * which a bounded number is kept warm: a large buffer that went to the system would cost a page
 * fault every 4 KiB at its next use. (Builds with AddressSanitizer keep none, so that a use after
 * the last unref is seen.) One thread owns a pool.
 *
 * Two budgets, which all pools of the process share: LIMIT_GATEWAY_HELD_BYTES for request bodies
 * that are held, LIMIT_WAITING_BYTES for what waits for a slow peer. A buffer counts whole. Of the
 * first, buffers larger than BUFFER_STREAM leave a quarter to the others. */
#ifndef HTTP_BUFFER_IO_H
#define HTTP_BUFFER_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

enum {
    BUFFER_CLASSES = 5,
    BUFFER_FIRST = 0, /* a request head with a small body */
    BUFFER_HEAD = 1,  /* any head: more than LIMIT_HTTP_HEAD */
    BUFFER_STREAM = 2 /* one read of a stream */
};

enum buffer_budget { BUFFER_HELD, BUFFER_WAITING, BUFFER_BUDGETS };

struct buffer {
    struct buffer *next; /* in a free list or an output queue */
    struct buffer_pool *pool;
    uint32_t size; /* bytes at data */
    uint32_t refs;
    uint16_t class;
    uint16_t budget;     /* enum buffer_budget */
    uint32_t start, end; /* an output queue's bytes */
    uint32_t charged;    /* bytes of the budget that go back with it */
    char data[];
};

struct buffer_pool {
    struct buffer *free_list[BUFFER_CLASSES];
    uint32_t free_count[BUFFER_CLASSES];
    uint32_t out_count; /* given out */
};

void buffer_pool_init(struct buffer_pool *pool);
void buffer_pool_fini(struct buffer_pool *pool); /* all must be back */

/* At least <size> bytes, one reference; NULL: refused by the system, or larger than any class. */
struct buffer *buffer_take(struct buffer_pool *pool, size_t size);
struct buffer *buffer_take_class(struct buffer_pool *pool, unsigned class);
struct buffer *buffer_ref(struct buffer *buffer);
void buffer_unref(struct buffer *buffer); /* NULL is fine */

/* The largest body that can be held: fits the largest class. */
size_t buffer_size_max(void);

/* Charges the whole buffer; false: the budget is spent. Goes back with the last unref. One that is
 * charged already stays as it is. */
bool buffer_charge_to(struct buffer *buffer, enum buffer_budget budget);
bool buffer_charge(struct buffer *buffer); /* as held */
size_t buffer_held_bytes(void);            /* of the process */
size_t buffer_waiting_bytes(void);         /* the same */
/* Is half of the budget of waiting bytes spent? Then nobody should let more wait. */
bool buffer_is_waiting_much(void);

#endif
