#include "http/server_conn_io.h"

#include <sys/socket.h>
#include <unistd.h>

#define STATE(name) (1u << CONN_##name)
#define FAR_US      (INT64_C(1) << 60)

/* Which states may follow. */
static const uint8_t next_states[CONN_STATES] = {
    [CONN_IDLE] = STATE(HEAD) | STATE(BODY) | STATE(LINGER) | STATE(CLOSED),
    [CONN_HEAD] = STATE(BODY) | STATE(LINGER) | STATE(CLOSED),
    [CONN_BODY] = STATE(ANSWER) | STATE(IDLE) | STATE(DRAIN) | STATE(LINGER) | STATE(CLOSED),
    [CONN_ANSWER] = STATE(IDLE) | STATE(LINGER) | STATE(CLOSED),
    [CONN_DRAIN] = STATE(IDLE) | STATE(LINGER) | STATE(CLOSED),
    [CONN_LINGER] = STATE(CLOSED),
    [CONN_CLOSED] = 0,
};

void conn_move(struct server_conn *conn, enum conn_state to)
{
    CHECK(next_states[conn->state] & (1u << to));
    conn->state = (uint8_t)to;
    conn->since_us = net_loop_now_us(conn->server->loop);
}

/* The timer of the loop is never later than the wheel asks, and due now while connections are
 * queued. It is always set, if only far away: so it has its place in the loop's heap and moving it
 * cannot fail. */
static void arm_timer(struct http_server *server)
{
    int64_t next_us = server->queued ? 0 : wheel_next_us(&server->wheel);
    if (next_us > FAR_US)
        next_us = FAR_US;
    if (server->timer.heap_index < 0 || server->timer.due_us > next_us)
        CHECK(net_timer_set(server->loop, &server->timer, next_us) == ERR_OK);
}

static int64_t due_us(const struct server_conn *conn)
{
    const struct http_server_rules *rules = &conn->server->rules;
    if (conn->exchange && conn->exchange->out.waiting > 0)
        return conn->exchange->progress_us + rules->write_timeout_us;
    switch ((enum conn_state)conn->state) {
    case CONN_IDLE:
        return conn->since_us + rules->idle_timeout_us;
    case CONN_HEAD:
        return conn->since_us + rules->head_timeout_us;
    case CONN_BODY:
        return conn->exchange->is_paused ? WHEEL_NEVER : conn->exchange->check_us;
    case CONN_DRAIN:
    case CONN_LINGER:
        return conn->since_us + LINGER_TIMEOUT_US;
    case CONN_ANSWER:
    case CONN_CLOSED:
    case CONN_STATES:
        break;
    }
    return WHEEL_NEVER;
}

static void free_conn(struct server_conn *conn)
{
    struct http_server *server = conn->server;
    wheel_remove(&conn->entry);
    list_remove(&conn->link);
    buffer_unref(conn->in);
    os_pool_give(&server->conn_pool, conn);
}

static void queue_conn(struct server_conn *conn)
{
    struct http_server *server = conn->server;
    conn->is_queued = true;
    conn->next_queued = server->queued;
    server->queued = conn;
}

/* Bytes that were looked at need no buffer; a held body reads on behind itself. */
static void drop_empty_buffer(struct server_conn *conn)
{
    bool reads_on = conn->state == CONN_BODY && conn->exchange->is_held;
    if (conn->in && conn->in_start == conn->in_end && !reads_on) {
        buffer_unref(conn->in);
        conn->in = NULL;
        conn->in_start = conn->in_end = 0;
    }
}

void conn_leave(struct server_conn *conn)
{
    CHECK(conn->depth > 0);
    if (--conn->depth > 0)
        return;
    if (conn->state == CONN_CLOSED) {
        if (!conn->is_queued)
            free_conn(conn);
        return;
    }
    drop_empty_buffer(conn);
    if (conn->must_run && !conn->is_queued)
        queue_conn(conn);
    if (wheel_put(&conn->server->wheel, &conn->entry, due_us(conn)) || conn->is_queued)
        arm_timer(conn->server);
}

/* An end after the request is a client that gave up. Within a body whose reading is paused, a break
 * is, and an end with less on the way than the body still needs; of a chunked one nobody knows, and
 * it would count as left as soon as its end was read. */
static bool has_left(struct server_conn *conn)
{
    if (!conn->net.is_hung_up || conn->state == CONN_ANSWER)
        return conn->net.is_hung_up;
    if (conn->state != CONN_BODY || !conn->exchange->is_paused)
        return false;
    if (conn->exchange->head.body_length == HTTP_LENGTH_CHUNKED)
        return true;
    uint64_t coming = conn->in_end - conn->in_start + net_conn_waiting(&conn->net);
    return net_conn_check(&conn->net) != ERR_OK || coming < conn->exchange->body_left;
}

void conn_run(struct server_conn *conn)
{
    conn->must_run = false;
    conn->reads_left = READS_A_RUN_MAX;
    conn->chunks_left = CHUNKS_A_RUN_MAX;
    if (conn->exchange && conn->exchange->has_failed)
        conn_close(conn, true);
    while (request_step(conn))
        continue;
    if (has_left(conn))
        conn_close(conn, false);
}

void exchange_over(struct exchange *exchange, bool was_whole)
{
    struct server_conn *conn = exchange->conn;
    struct http_server *server = conn->server;
    CHECK(conn->exchange == exchange);
    conn->exchange = NULL;
    exchange->conn = NULL;
    server->exchange_count--;
    server->handler.on_gone(&exchange->shared, was_whole);
    out_clear(&exchange->out);
    buffer_unref(exchange->head_buffer);
    buffer_unref(exchange->body_buffer);
    os_pool_give(&server->exchange_pool, exchange);
}

void conn_close(struct server_conn *conn, bool with_reset)
{
    if (conn->state == CONN_CLOSED)
        return;
    conn_move(conn, CONN_CLOSED);
    conn->server->conn_count--;
    if (with_reset)
        net_conn_reset(&conn->net);
    else
        net_conn_close(&conn->net);
    wheel_remove(&conn->entry);
    if (conn->exchange)
        exchange_over(conn->exchange, false);
}

void conn_linger(struct server_conn *conn)
{
    conn_move(conn, CONN_LINGER);
    conn->drain_left = LINGER_BYTES_MAX;
    conn->must_run = true;
    net_conn_end(&conn->net);
}

static void run_event(struct net_conn *net, unsigned events)
{
    struct server_conn *conn = CONTAINER_OF(net, struct server_conn, net);
    conn_enter(conn);
    if ((events & NET_IN) || net->is_hung_up)
        conn->is_readable = true;
    if ((events & NET_OUT) && conn->exchange && conn->exchange->out.waiting > 0)
        answer_flush(conn);
    conn_run(conn);
    conn_leave(conn);
}

static void run_queued(struct http_server *server)
{
    struct server_conn *conn = server->queued;
    server->queued = NULL;
    while (conn) {
        struct server_conn *next = conn->next_queued;
        conn->is_queued = false;
        conn_enter(conn);
        if (conn->state != CONN_CLOSED)
            conn_run(conn);
        conn_leave(conn);
        conn = next;
    }
}

static bool is_body_too_slow(const struct server_conn *conn, int64_t now_us)
{
    const struct exchange *exchange = conn->exchange;
    const struct http_server_rules *rules = &conn->server->rules;
    CHECK(exchange);
    int64_t counted_us = now_us - exchange->body_began_us - rules->body_grace_us;
    if (exchange->is_paused || counted_us < 0)
        return false;
    uint64_t due = (uint64_t)counted_us * rules->body_rate_min / (1000 * 1000);
    return exchange->shared.body_bytes <= due;
}

static void run_due(struct server_conn *conn, int64_t now_us)
{
    conn_enter(conn);
    if (due_us(conn) <= now_us && conn->exchange && conn->exchange->out.waiting > 0)
        conn_close(conn, true);
    else if (conn->state == CONN_BODY && is_body_too_slow(conn, now_us))
        answer_refuse(conn, 408, "The body came slower than the least rate.");
    else if (conn->state == CONN_BODY)
        conn->exchange->check_us = now_us + BODY_CHECK_US;
    else if (conn->state == CONN_HEAD)
        answer_refuse(conn, 408, "The head of the request did not come in time.");
    else if (conn->state != CONN_ANSWER)
        conn_close(conn, false);
    conn_leave(conn);
}

static void run_timer(struct net_timer *timer)
{
    struct http_server *server = CONTAINER_OF(timer, struct http_server, timer);
    int64_t now_us = net_loop_now_us(server->loop);
    run_queued(server);
    struct wheel_entry *entry;
    while ((entry = wheel_take_due(&server->wheel, now_us)))
        run_due(CONTAINER_OF(entry, struct server_conn, entry), now_us);
    arm_timer(server);
}

static void accept_fd(struct net_listener *listener, int fd)
{
    struct http_server *server = listener->user;
    struct server_conn *conn = NULL;
    if (server->conn_count < server->rules.connections_max)
        conn = os_pool_take(&server->conn_pool);
    if (!conn) {
        close(fd);
        return;
    }
    *conn = (struct server_conn){.server = server, .state = CONN_IDLE};
    list_init(&conn->link);
    conn->since_us = net_loop_now_us(server->loop);
    wheel_entry_init(&conn->entry);
    conn->peer.size = sizeof conn->peer.u;
    if (getpeername(fd, &conn->peer.u.any, &conn->peer.size) != 0)
        conn->peer.size = 0;
    if (net_conn_adopt(&conn->net, server->loop, fd, run_event) != ERR_OK) {
        os_pool_give(&server->conn_pool, conn);
        return;
    }
    list_push(&server->conns, &conn->link);
    server->conn_count++;
    server->accepted_count++;
    wheel_put(&server->wheel, &conn->entry, due_us(conn));
    arm_timer(server);
}

void http_server_rules_default(struct http_server_rules *rules)
{
    *rules = (struct http_server_rules){
        .head_timeout_us = 10 * 1000 * 1000,
        .body_grace_us = 10 * 1000 * 1000,
        .write_timeout_us = 30 * 1000 * 1000,
        .idle_timeout_us = 75 * 1000 * 1000,
        .body_rate_min = 1024,
        .body_max = LIMIT_HTTP_BODY,
        .connections_max = LIMIT_GATEWAY_CONNECTIONS,
    };
}

enum err http_server_new(struct net_loop *loop, const struct http_handler *handler,
                         const struct http_server_rules *rules, void *user,
                         struct http_server **ret_server)
{
    CHECK(handler->on_head && handler->on_gone);
    struct http_server *server = os_alloc(sizeof *server);
    if (!server)
        return ERR_MEMORY;
    server->loop = loop;
    server->handler = *handler;
    if (rules)
        server->rules = *rules;
    else
        http_server_rules_default(&server->rules);
    server->user = user;
    list_init(&server->conns);
    os_pool_init(&server->conn_pool, sizeof(struct server_conn), server->rules.connections_max);
    os_pool_init(&server->exchange_pool, sizeof(struct exchange), server->rules.connections_max);
    buffer_pool_init(&server->buffers);
    wheel_init(&server->wheel, net_loop_now_us(loop));
    net_timer_init(&server->timer, run_timer);
    enum err err = net_timer_set(loop, &server->timer, FAR_US);
    if (err != ERR_OK) {
        os_free(server);
        return err;
    }
    *ret_server = server;
    return ERR_OK;
}

void *http_server_user(const struct http_server *server)
{
    return server->user;
}

struct net_loop *http_server_loop(const struct http_server *server)
{
    return server->loop;
}

enum err http_server_listen(struct http_server *server, const struct net_address *address,
                            bool reuse_port, struct text *why)
{
    if (server->listener_count == SERVER_LISTENERS_MAX)
        return ERR_FULL;
    struct net_listener *listener = &server->listeners[server->listener_count];
    listener->user = server;
    listener->on_accept = accept_fd;
    enum err err = net_listen(listener, server->loop, address, reuse_port, why);
    if (err == ERR_OK)
        server->listener_count++;
    return err;
}

uint16_t http_server_port(const struct http_server *server)
{
    CHECK(server->listener_count > 0);
    struct net_address address;
    net_listener_address(&server->listeners[0], &address);
    return net_address_port(&address);
}

static void close_listeners(struct http_server *server)
{
    while (server->listener_count > 0)
        net_listener_close(&server->listeners[--server->listener_count]);
}

void http_server_drain(struct http_server *server)
{
    server->is_draining = true;
    close_listeners(server);
    struct list *link = server->conns.next;
    while (link != &server->conns) {
        struct server_conn *conn = CONTAINER_OF(link, struct server_conn, link);
        link = link->next;
        conn_enter(conn);
        if (conn->state == CONN_IDLE)
            conn_close(conn, false);
        conn_leave(conn);
    }
}

uint32_t http_server_connections(const struct http_server *server)
{
    return server->conn_count;
}

uint64_t http_server_accepted(const struct http_server *server)
{
    return server->accepted_count;
}

uint32_t http_server_exchanges(const struct http_server *server)
{
    return server->exchange_count;
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    close_listeners(server);
    while (server->queued) {
        server->queued->is_queued = false;
        server->queued = server->queued->next_queued;
    }
    while (!list_is_empty(&server->conns)) {
        struct server_conn *conn = CONTAINER_OF(server->conns.next, struct server_conn, link);
        CHECK(conn->depth == 0);
        conn_enter(conn);
        conn_close(conn, false);
        conn_leave(conn);
    }
    net_timer_clear(server->loop, &server->timer);
    buffer_pool_fini(&server->buffers);
    os_pool_fini(&server->exchange_pool);
    os_pool_fini(&server->conn_pool);
    os_free(server);
}
