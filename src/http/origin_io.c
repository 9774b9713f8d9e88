#include "http/client_conn_io.h"

#include <string.h>

struct url {
    bool is_tls;
    struct span host, name, base; /* host with its port, name without */
    uint16_t port;
};

static bool is_plain(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] == 0x7f || strchr("?#@\\\"<>", s.p[i]))
            return false;
    return true;
}

static bool parse_port(struct span digits, uint16_t *ret_port)
{
    uint64_t port;
    if (!span_to_u64(digits, &port) || port == 0 || port > UINT16_MAX)
        return false;
    *ret_port = (uint16_t)port;
    return true;
}

/* name, name:port, [v6], [v6]:port */
static bool parse_host(struct span host, struct url *url)
{
    url->host = url->name = host;
    url->port = url->is_tls ? 443 : 80;
    const char *colon = host.n > 0 ? memrchr(host.p, ':', host.n) : NULL;
    bool is_v6 = host.n > 0 && host.p[0] == '[';
    if (is_v6 && host.p[host.n - 1] == ']')
        colon = NULL;
    if (colon) {
        url->name.n = (size_t)(colon - host.p);
        if (!parse_port(span_from(colon + 1, host.n - url->name.n - 1), &url->port))
            return false;
    }
    if (is_v6) {
        if (url->name.n < 4 || url->name.p[url->name.n - 1] != ']')
            return false;
        url->name = span_from(url->name.p + 1, url->name.n - 2);
    } else if (url->name.n > 0 && memchr(url->name.p, ':', url->name.n)) {
        return false;
    }
    return url->name.n > 0 && url->name.n <= 253;
}

static bool parse_url(struct span url_text, struct url *ret_url)
{
    struct url url = {.is_tls = span_starts_with(url_text, "https://")};
    if ((!url.is_tls && !span_starts_with(url_text, "http://")) || url_text.n > LIMIT_URL)
        return false;
    size_t skip = url.is_tls ? 8 : 7;
    struct span rest = span_from(url_text.p + skip, url_text.n - skip);
    const char *slash = rest.n > 0 ? memchr(rest.p, '/', rest.n) : NULL;
    size_t host_size = slash ? (size_t)(slash - rest.p) : rest.n;
    url.base = span_from(rest.p + host_size, rest.n - host_size);
    while (url.base.n > 0 && url.base.p[url.base.n - 1] == '/')
        url.base.n--;
    if (!is_plain(rest) || !parse_host(span_from(rest.p, host_size), &url))
        return false;
    *ret_url = url;
    return true;
}

static bool parse_literal(const struct url *url, struct net_address *ret_address)
{
    char bytes[80];
    struct text text;
    text_init(&text, bytes, sizeof bytes);
    bool is_v6 = memchr(url->name.p, ':', url->name.n) != NULL;
    text_add(&text, is_v6 ? "[%.*s]:%u" : "%.*s:%u", SPAN_ARG(url->name), (unsigned)url->port);
    return !text.is_cut && net_address_parse(text_span(&text), ret_address);
}

static struct span place(struct http_origin *origin, size_t *used, const char *format,
                         struct span s)
{
    struct text text;
    text_init(&text, origin->text + *used, 2 * LIMIT_URL);
    text_add(&text, format, SPAN_ARG(s));
    *used += text.n + 1;
    return text_span(&text);
}

static void start_resolving(struct http_origin *origin);

enum err http_origin_new(struct http_client *client, struct span url_text,
                         struct net_tls_client *tls, struct net_resolver *resolver,
                         struct http_origin **ret_origin, struct text *why)
{
    struct url url;
    if (!parse_url(url_text, &url)) {
        if (why)
            text_add(why, "expected http://HOST[:PORT][/BASE] or https://..., found \"%.*s\"",
                     SPAN_ARG(url_text));
        return ERR_SYNTAX;
    }
    if (url.is_tls && !tls) {
        if (why)
            text_add(why, "https needs TLS settings, and none are loaded");
        return ERR_UNSUPPORTED;
    }
    /* name, host, base, "host: HOST\r\n": each at most a URL */
    struct http_origin *origin = os_alloc(sizeof *origin + 8 * LIMIT_URL);
    if (!origin)
        return ERR_MEMORY;
    size_t used = 0;
    origin->name = place(origin, &used, "%.*s", url.name);
    origin->host = place(origin, &used, "%.*s", url.host);
    origin->base = place(origin, &used, "%.*s", url.base);
    origin->host_line = place(origin, &used, "host: %.*s\r\n", url.host);
    origin->client = client;
    origin->tls = url.is_tls ? tls : NULL;
    origin->resolver = resolver;
    origin->port = url.port;
    list_init(&origin->idle);
    list_init(&origin->busy);
    list_init(&origin->waiting);
    origin->is_literal = parse_literal(&url, &origin->addresses[0]);
    origin->address_count = origin->is_literal ? 1 : 0;
    if (!origin->is_literal && !resolver) {
        if (why)
            text_add(why, "\"%.*s\" is a name, and there is no resolver here",
                     SPAN_ARG(origin->name));
        os_free(origin);
        return ERR_UNSUPPORTED;
    }
    list_push(&client->origins, &origin->link);
    if (!origin->is_literal)
        start_resolving(origin);
    *ret_origin = origin;
    return ERR_OK;
}

struct span http_origin_base(const struct http_origin *origin)
{
    return origin->base;
}

struct span http_origin_host(const struct http_origin *origin)
{
    return origin->host;
}

void http_origin_free(struct http_origin *origin)
{
    if (!origin)
        return;
    CHECK(origin->call_count == 0 && list_is_empty(&origin->busy));
    while (!list_is_empty(&origin->idle))
        origin_drop(CONTAINER_OF(origin->idle.next, struct client_conn, link));
    list_remove(&origin->link);
    origin->client = NULL;
    if (!origin->is_resolving)
        os_free(origin);
}

static enum err dial(struct http_origin *origin, struct http_call *call);

static void take_addresses(struct http_origin *origin, const struct net_address *addresses,
                           unsigned count)
{
    if (count > ORIGIN_ADDRESSES_MAX)
        count = ORIGIN_ADDRESSES_MAX;
    memcpy(origin->addresses, addresses, count * sizeof *addresses);
    origin->address_count = count;
    if (origin->address_next >= count)
        origin->address_next = 0;
    origin->resolved_us = net_loop_now_us(origin->client->loop);
}

static void on_resolved(void *user, enum err err, const struct net_address *addresses,
                        unsigned count)
{
    struct http_origin *origin = user;
    origin->is_resolving = false;
    if (!origin->client) {
        os_free(origin);
        return;
    }
    if (count > 0)
        take_addresses(origin, addresses, count);
    while (!list_is_empty(&origin->waiting)) {
        struct http_call *call = CONTAINER_OF(origin->waiting.next, struct http_call, wait_link);
        list_remove(&call->wait_link);
        enum err failure = err == ERR_OK ? ERR_NOT_FOUND : err;
        if (origin->address_count > 0)
            failure = dial(origin, call);
        if (failure != ERR_OK)
            call_fail_later(call, failure);
    }
}

static void start_resolving(struct http_origin *origin)
{
    if (origin->is_resolving)
        return;
    origin->is_resolving = true;
    net_resolve(origin->resolver, origin->name, origin->port, on_resolved, origin);
}

static void on_event(struct net_conn *net, unsigned events)
{
    struct client_conn *conn = CONTAINER_OF(net, struct client_conn, net);
    if ((events & NET_IN) || net->is_hung_up)
        conn->is_readable = true;
    struct http_call *call = conn->call;
    if (call) {
        __builtin_prefetch(&call->chunked);
        __builtin_prefetch(&call->ahead);
        call_enter(call);
        call_run(call, events);
        call_leave(call);
        return;
    }
    if (!conn->is_readable)
        return;
    char byte;
    size_t n;
    conn->is_readable = false;
    if (net_conn_read(net, &byte, 1, &n) != ERR_AGAIN)
        origin_drop(conn);
}

static void attach(struct client_conn *conn, struct http_call *call)
{
    conn->call = call;
    call->conn = conn;
    list_push(&conn->origin->busy, &conn->link);
}

static enum err dial(struct http_origin *origin, struct http_call *call)
{
    struct http_client *client = origin->client;
    struct client_conn *conn = os_pool_take(&client->conn_pool);
    if (!conn)
        return ERR_MEMORY;
    *conn = (struct client_conn){.origin = origin};
    list_init(&conn->link);
    wheel_entry_init(&conn->entry);
    net_conn_init(&conn->net);
    int64_t now_us = net_loop_now_us(client->loop);
    call->connect_due_us = now_us + call->connect_timeout_us;
    enum err err = ERR_NOT_FOUND;
    /* An address that refuses at once gives its place to the next. */
    while (call->dial_count < origin->address_count) {
        const struct net_address *address = &origin->addresses[origin->address_next];
        call->dial_count++;
        err = net_conn_dial(&conn->net, client->loop, address, origin->tls, origin->name, on_event);
        if (err != ERR_REFUSED && err != ERR_RESET)
            break;
        origin->address_next = (origin->address_next + 1) % origin->address_count;
    }
    if (err != ERR_OK) {
        os_pool_give(&client->conn_pool, conn);
        return err;
    }
    attach(conn, call);
    return ERR_OK;
}

/* What an idle connection has said or suffered since the loop last looked is no event yet: a
 * request sent behind it would be given a stray answer, so the socket is asked. */
static struct client_conn *take_idle(struct http_origin *origin)
{
    while (!list_is_empty(&origin->idle)) {
        struct client_conn *conn = CONTAINER_OF(origin->idle.next, struct client_conn, link);
        if (conn->net.is_hung_up || !net_conn_is_quiet(&conn->net)) {
            origin_drop(conn);
            continue;
        }
        list_remove(&conn->link);
        conn->is_idle = false;
        origin->idle_count--;
        return conn;
    }
    return NULL;
}

enum err origin_connect(struct http_origin *origin, struct http_call *call, bool is_fresh_wanted)
{
    struct client_conn *conn = is_fresh_wanted ? NULL : take_idle(origin);
    if (conn) {
        call->is_reused = true;
        attach(conn, call);
        return ERR_OK;
    }
    call->is_reused = false;
    if (origin->address_count > 0 && call->dial_count == 0) {
        int64_t age_us = net_loop_now_us(origin->client->loop) - origin->resolved_us;
        if (!origin->is_literal && age_us > ORIGIN_RESOLVE_US)
            start_resolving(origin);
    }
    if (origin->address_count > 0)
        return dial(origin, call);
    call->connect_due_us = net_loop_now_us(origin->client->loop) + call->connect_timeout_us;
    list_push(&origin->waiting, &call->wait_link);
    start_resolving(origin);
    return ERR_OK;
}

void origin_keep(struct client_conn *conn)
{
    struct http_origin *origin = conn->origin;
    conn->call = NULL;
    if (origin->idle_count >= LIMIT_UPSTREAM_IDLE || conn->net.is_hung_up) {
        origin_drop(conn);
        return;
    }
    list_remove(&conn->link);
    list_push_front(&origin->idle, &conn->link);
    conn->is_idle = true;
    origin->idle_count++;
    struct http_client *client = origin->client;
    wheel_put(&client->conn_wheel, &conn->entry, net_loop_now_us(client->loop) + CLIENT_IDLE_US);
    client_arm_timer(client);
}

void origin_drop(struct client_conn *conn)
{
    struct http_origin *origin = conn->origin;
    if (conn->is_idle)
        origin->idle_count--;
    net_conn_close(&conn->net);
    list_remove(&conn->link);
    wheel_remove(&conn->entry);
    os_pool_give(&origin->client->conn_pool, conn);
}
