#include "http/server_conn_io.h"

#include <string.h>

enum {
    FIRST_READ_SIZE = 4000,    /* what BUFFER_FIRST holds */
    BEGINNING_SIZE = 60 * 1024 /* held of a body for which as a whole there is no room */
};

static struct span unread(const struct server_conn *conn)
{
    if (!conn->in)
        return (struct span){NULL, 0};
    return span_from(conn->in->data + conn->in_start, conn->in_end - conn->in_start);
}

static void put_in(struct server_conn *conn, struct buffer *buffer, uint32_t start, uint32_t end)
{
    buffer_unref(conn->in);
    conn->in = buffer;
    conn->in_start = start;
    conn->in_end = end;
}

/* Moves the unread bytes to the front of a fresh buffer of <class>. */
static bool move_unread(struct server_conn *conn, unsigned class)
{
    struct buffer *buffer = buffer_take_class(&conn->server->buffers, class);
    if (!buffer)
        return false;
    struct span bytes = unread(conn);
    CHECK(bytes.n <= buffer->size);
    if (bytes.n > 0)
        memcpy(buffer->data, bytes.p, bytes.n);
    put_in(conn, buffer, 0, (uint32_t)bytes.n);
    return true;
}

/* Room behind the unread bytes, for the state that wants them. */
static bool make_room(struct server_conn *conn)
{
    bool is_head = conn->state == CONN_IDLE || conn->state == CONN_HEAD;
    if (conn->in && conn->in_start == conn->in_end) {
        bool reads_on = conn->state == CONN_BODY && conn->exchange->is_held &&
                        conn->exchange->body_buffer == conn->in;
        if (reads_on)
            return conn->in_end < conn->in->size;
        if (!is_head && conn->in->refs == 1 && conn->in->class >= BUFFER_STREAM) {
            conn->in_start = conn->in_end = 0;
            return true;
        }
        put_in(conn, NULL, 0, 0);
    }
    if (!conn->in)
        return move_unread(conn, !is_head       ? BUFFER_STREAM
                                 : conn->is_big ? BUFFER_HEAD
                                                : BUFFER_FIRST);
    if (conn->in_end < conn->in->size)
        return true;
    return move_unread(conn, is_head ? BUFFER_HEAD : BUFFER_STREAM);
}

/* True: new bytes are there. */
static bool read_more(struct server_conn *conn)
{
    if (!conn->is_readable)
        return false;
    if (conn->reads_left == 0) {
        conn->must_run = true;
        return false;
    }
    conn->reads_left--;
    if (!make_room(conn)) {
        conn_close(conn, true);
        return false;
    }
    size_t room = conn->in->size - conn->in_end;
    size_t n;
    enum err err = net_conn_read(&conn->net, conn->in->data + conn->in_end, room, &n);
    if (err == ERR_AGAIN) {
        conn->is_readable = false;
        return false;
    }
    if (err != ERR_OK) {
        conn_close(conn, false);
        return false;
    }
    conn->in_end += (uint32_t)n;
    if (n < room && !conn->net.tls && !conn->net.is_hung_up)
        conn->is_readable = false;
    return true;
}

static struct exchange *new_exchange(struct server_conn *conn)
{
    struct http_server *server = conn->server;
    struct exchange *exchange = os_pool_take(&server->exchange_pool);
    if (!exchange)
        return NULL;
    memset(exchange, 0, offsetof(struct exchange, head));
    exchange->conn = conn;
    exchange->shared.head = &exchange->head;
    exchange->shared.server = server;
    exchange->shared.peer = conn->peer;
    exchange->shared.began_us = net_loop_now_us(server->loop);
    exchange->check_us = exchange->shared.began_us + server->rules.body_grace_us;
    exchange->body_began_us = exchange->shared.began_us;
    return exchange;
}

static bool is_chunked(const struct exchange *exchange)
{
    return exchange->head.body_length == HTTP_LENGTH_CHUNKED;
}

/* A buffer within the budget of held bytes, or NULL. */
static struct buffer *take_held(struct server_conn *conn, size_t size)
{
    struct buffer *buffer = buffer_take(&conn->server->buffers, size);
    if (buffer && buffer_charge(buffer))
        return buffer;
    buffer_unref(buffer);
    return NULL;
}

/* Where a body of known length is held: behind its head if it fits there, else in a buffer of its
 * own into which the rest is read directly. */
static bool hold_known_body(struct server_conn *conn, struct exchange *exchange)
{
    uint64_t length = exchange->body_left;
    size_t size = length < exchange->hold_limit ? (size_t)length : exchange->hold_limit;
    struct span early = unread(conn);
    if (conn->in->size - conn->in_start >= size) {
        exchange->body_buffer = buffer_ref(conn->in);
        exchange->body_offset = conn->in_start;
        return true;
    }
    struct buffer *buffer = take_held(conn, size);
    if (!buffer && size > BEGINNING_SIZE && early.n <= BEGINNING_SIZE) {
        exchange->hold_limit = BEGINNING_SIZE;
        buffer = take_held(conn, BEGINNING_SIZE);
    }
    if (!buffer)
        return false;
    memcpy(buffer->data, early.p, early.n);
    put_in(conn, buffer, 0, (uint32_t)early.n);
    exchange->body_buffer = buffer_ref(buffer);
    exchange->body_offset = 0;
    return true;
}

/* From held to streamed. False: the handler ended the exchange. */
static bool overflow(struct server_conn *conn, struct exchange *exchange)
{
    struct http_handler *handler = &conn->server->handler;
    exchange->is_held = false;
    if (handler->on_overflow)
        handler->on_overflow(&exchange->shared, http_exchange_body(&exchange->shared));
    if (conn->exchange != exchange)
        return false;
    buffer_unref(exchange->body_buffer);
    exchange->body_buffer = NULL;
    exchange->held_size = 0;
    return true;
}

static void start_body(struct server_conn *conn, struct exchange *exchange)
{
    if (exchange->is_body_done)
        return;
    conn->is_big = conn->in_start + exchange->body_left > FIRST_READ_SIZE;
    if (exchange->is_held && !is_chunked(exchange) && !hold_known_body(conn, exchange) &&
        !overflow(conn, exchange))
        return;
    if (!exchange->is_paused)
        answer_continue_if_due(exchange);
}

static bool refuse_head(struct server_conn *conn, struct http_refusal refusal)
{
    answer_refuse(conn, refusal.status, refusal.reason);
    return true;
}

static bool begin_exchange(struct server_conn *conn, size_t head_size)
{
    struct http_server *server = conn->server;
    struct exchange *exchange = new_exchange(conn);
    if (!exchange)
        return refuse_head(conn, (struct http_refusal){503, "No room for another request now."});
    struct http_refusal refusal = {413, "The body is longer than allowed."};
    struct span head = span_from(conn->in->data + conn->in_start, head_size);
    bool is_good = http_parse_request(head, &exchange->head, &refusal) == ERR_OK;
    int64_t length = exchange->head.body_length;
    if (!is_good || (length > 0 && (uint64_t)length > server->rules.body_max)) {
        os_pool_give(&server->exchange_pool, exchange);
        return refuse_head(conn, refusal);
    }
    exchange->head_buffer = buffer_ref(conn->in);
    conn->in_start += (uint32_t)head_size;
    conn->scanned = 0;
    exchange->is_body_done = length == 0;
    exchange->body_left = length > 0 ? (uint64_t)length : 0;
    exchange->may_want_continue = exchange->head.expects_continue && conn->in_start == conn->in_end;
    http_chunked_init(&exchange->chunked);
    conn->exchange = exchange;
    server->exchange_count++;
    conn_move(conn, CONN_BODY);
    server->handler.on_head(&exchange->shared);
    if (conn->exchange == exchange)
        start_body(conn, exchange);
    return true;
}

static bool head_step(struct server_conn *conn)
{
    struct span bytes = unread(conn);
    if (bytes.n == 0)
        return read_more(conn);
    size_t scanned = conn->scanned, size;
    enum err err = http_head_find(bytes, &scanned, &size);
    if (err == ERR_OK && conn->reads_left == 0) {
        conn->must_run = true; /* a long pipeline: the other connections have their turn */
        return false;
    }
    if (err == ERR_OK) {
        conn->reads_left--;
        return begin_exchange(conn, size);
    }
    if (err != ERR_AGAIN)
        return refuse_head(conn, http_head_refusal(err, bytes));
    conn->scanned = (uint32_t)scanned;
    if (conn->state == CONN_IDLE)
        conn_move(conn, CONN_HEAD);
    return read_more(conn);
}

static bool end_body(struct server_conn *conn, struct exchange *exchange)
{
    struct http_handler *handler = &conn->server->handler;
    exchange->is_body_done = true;
    conn_move(conn, CONN_ANSWER);
    if (handler->on_body_end)
        handler->on_body_end(&exchange->shared);
    return true;
}

/* Shows a piece. False: nothing more can be done with this exchange now. */
static bool show_piece(struct server_conn *conn, struct exchange *exchange, struct span piece)
{
    struct http_handler *handler = &conn->server->handler;
    exchange->shared.body_bytes += piece.n;
    exchange->may_want_continue = false;
    if (handler->on_body)
        handler->on_body(&exchange->shared, piece);
    return conn->exchange == exchange;
}

static bool known_body_step(struct server_conn *conn, struct exchange *exchange)
{
    struct span bytes = unread(conn);
    uint64_t take = bytes.n < exchange->body_left ? bytes.n : exchange->body_left;
    if (exchange->is_held && take > exchange->hold_limit - exchange->held_size)
        take = exchange->hold_limit - exchange->held_size;
    if (take == 0)
        return read_more(conn);
    conn->in_start += (uint32_t)take;
    exchange->body_left -= take;
    if (exchange->is_held)
        exchange->held_size += (uint32_t)take;
    if (!show_piece(conn, exchange, span_from(bytes.p, (size_t)take)))
        return true;
    if (exchange->is_held && exchange->body_left > 0 && exchange->held_size == exchange->hold_limit)
        overflow(conn, exchange);
    return true;
}

/* Appends to a held body whose length nobody knows; moves it up a class when it is full. */
static bool hold_piece(struct exchange *exchange, struct span piece)
{
    struct buffer *old = exchange->body_buffer;
    size_t need = exchange->held_size + piece.n;
    if (need > exchange->hold_limit)
        return false;
    if (!old || need > old->size) {
        struct buffer *buffer = take_held(exchange->conn, need);
        if (!buffer)
            return false;
        if (old)
            memcpy(buffer->data, old->data, exchange->held_size);
        buffer_unref(old);
        exchange->body_buffer = buffer;
    }
    memcpy(exchange->body_buffer->data + exchange->held_size, piece.p, piece.n);
    exchange->held_size += (uint32_t)piece.n;
    return true;
}

static bool chunked_body_step(struct server_conn *conn, struct exchange *exchange)
{
    struct span bytes = unread(conn);
    if (bytes.n == 0)
        return read_more(conn);
    if (conn->chunks_left == 0) {
        conn->must_run = true;
        return false;
    }
    conn->chunks_left--;
    size_t used;
    struct span data;
    bool is_chunk_end;
    enum err err = http_chunked_next(&exchange->chunked, bytes, &used, &data, &is_chunk_end);
    if (err == ERR_SYNTAX) {
        answer_refuse(conn, 400, "The chunked body is malformed.");
        return true;
    }
    conn->in_start += (uint32_t)used;
    if (err == ERR_CLOSED)
        return end_body(conn, exchange);
    if (data.n == 0)
        return true;
    if (exchange->shared.body_bytes + data.n > conn->server->rules.body_max) {
        answer_refuse(conn, 413, "The body is longer than allowed.");
        return true;
    }
    bool overflows = exchange->is_held && !hold_piece(exchange, data);
    if (overflows && !overflow(conn, exchange))
        return true;
    show_piece(conn, exchange, data);
    return true;
}

static bool body_step(struct server_conn *conn)
{
    struct exchange *exchange = conn->exchange;
    if (exchange->is_body_done)
        return end_body(conn, exchange);
    if (exchange->is_paused)
        return false;
    if (is_chunked(exchange))
        return chunked_body_step(conn, exchange);
    if (exchange->body_left == 0)
        return end_body(conn, exchange);
    return known_body_step(conn, exchange);
}

static bool discard_step(struct server_conn *conn)
{
    struct span bytes = unread(conn);
    if (bytes.n == 0 && conn->drain_left > 0)
        return read_more(conn);
    uint64_t take = bytes.n < conn->drain_left ? bytes.n : conn->drain_left;
    conn->in_start += (uint32_t)take;
    conn->drain_left -= take;
    if (conn->drain_left > 0)
        return true;
    if (conn->state == CONN_LINGER)
        conn_close(conn, true);
    else
        conn_move(conn, CONN_IDLE);
    return true;
}

bool request_step(struct server_conn *conn)
{
    switch ((enum conn_state)conn->state) {
    case CONN_IDLE:
    case CONN_HEAD:
        return head_step(conn);
    case CONN_BODY:
        return body_step(conn);
    case CONN_DRAIN:
    case CONN_LINGER:
        return discard_step(conn);
    case CONN_ANSWER:
    case CONN_CLOSED:
    case CONN_STATES:
        break;
    }
    return false;
}

void http_exchange_hold(struct http_exchange *shared, size_t limit)
{
    struct exchange *exchange = exchange_of(shared);
    CHECK(exchange->conn && shared->body_bytes == 0);
    size_t size_max = buffer_size_max();
    exchange->hold_limit = (uint32_t)(limit < size_max ? limit : size_max);
    exchange->is_held = limit > 0;
}

struct span http_exchange_body(const struct http_exchange *shared)
{
    const struct exchange *exchange = exchange_of(shared);
    if (!exchange->body_buffer)
        return (struct span){NULL, 0};
    return span_from(exchange->body_buffer->data + exchange->body_offset, exchange->held_size);
}

struct buffer *http_exchange_keep(struct http_exchange *shared)
{
    struct exchange *exchange = exchange_of(shared);
    CHECK(exchange->conn && !exchange->is_held);
    return exchange->body_buffer ? buffer_ref(exchange->body_buffer) : NULL;
}

void http_exchange_pause(struct http_exchange *shared)
{
    struct exchange *exchange = exchange_of(shared);
    CHECK(exchange->conn);
    if (exchange->is_paused || exchange->is_body_done)
        return;
    exchange->is_paused = true;
    exchange->paused_at_us = net_loop_now_us(shared->server->loop);
}

void http_exchange_resume(struct http_exchange *shared)
{
    struct exchange *exchange = exchange_of(shared);
    CHECK(exchange->conn);
    if (!exchange->is_paused)
        return;
    struct server_conn *conn = exchange->conn;
    int64_t paused_us = net_loop_now_us(shared->server->loop) - exchange->paused_at_us;
    conn_enter(conn);
    exchange->is_paused = false;
    exchange->body_began_us += paused_us;
    exchange->check_us += paused_us;
    conn->must_run = true;
    answer_continue_if_due(exchange);
    conn_leave(conn);
}
