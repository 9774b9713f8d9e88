#include "http/out_io.h"

#include <string.h>

#include "base/check.h"

enum { OUT_PARTS_MAX = 16 };

void out_init(struct out_queue *out)
{
    *out = (struct out_queue){.first = NULL};
}

static void drop_first(struct out_queue *out)
{
    struct buffer *buffer = out->first;
    out->first = buffer->next;
    if (!out->first)
        out->last = NULL;
    buffer->next = NULL;
    buffer_unref(buffer);
}

void out_clear(struct out_queue *out)
{
    while (out->first)
        drop_first(out);
    out->waiting = 0;
}

static bool keep(struct out_queue *out, struct buffer_pool *pool, const char *p, size_t n)
{
    while (n > 0) {
        if (!out->last || out->last->end == out->last->size) {
            struct buffer *buffer =
                buffer_take_class(pool, n > LIMIT_HTTP_HEAD ? BUFFER_STREAM : BUFFER_HEAD);
            if (!buffer || !buffer_charge_to(buffer, BUFFER_WAITING)) {
                buffer_unref(buffer);
                return false;
            }
            if (out->last)
                out->last->next = buffer;
            else
                out->first = buffer;
            out->last = buffer;
        }
        struct buffer *last = out->last;
        size_t room = last->size - last->end;
        size_t take = n < room ? n : room;
        memcpy(last->data + last->end, p, take);
        last->end += (uint32_t)take;
        out->waiting += take;
        p += take;
        n -= take;
    }
    return true;
}

enum err out_send(struct out_queue *out, struct net_conn *conn, struct buffer_pool *pool,
                  const struct iovec *parts, int count)
{
    size_t sent = 0;
    if (conn && out->waiting == 0) {
        enum err err = net_conn_write(conn, parts, count, &sent);
        if (err == ERR_AGAIN)
            sent = 0;
        else if (err != ERR_OK)
            return err;
    }
    for (int i = 0; i < count; i++) {
        size_t skip = sent < parts[i].iov_len ? sent : parts[i].iov_len;
        sent -= skip;
        if (skip < parts[i].iov_len &&
            !keep(out, pool, (const char *)parts[i].iov_base + skip, parts[i].iov_len - skip))
            return ERR_MEMORY;
    }
    return ERR_OK;
}

static void drop_sent(struct out_queue *out, size_t sent)
{
    CHECK(sent <= out->waiting);
    out->waiting -= sent;
    while (sent > 0) {
        struct buffer *first = out->first;
        CHECK(first);
        size_t have = first->end - first->start;
        if (sent < have) {
            first->start += (uint32_t)sent;
            return;
        }
        sent -= have;
        drop_first(out);
    }
}

enum err out_flush(struct out_queue *out, struct net_conn *conn)
{
    while (out->waiting > 0) {
        struct iovec parts[OUT_PARTS_MAX];
        int count = 0;
        for (struct buffer *b = out->first; b && count < OUT_PARTS_MAX; b = b->next)
            parts[count++] = (struct iovec){b->data + b->start, b->end - b->start};
        size_t sent;
        enum err err = net_conn_write(conn, parts, count, &sent);
        if (err != ERR_OK)
            return err;
        drop_sent(out, sent);
    }
    return ERR_OK;
}
