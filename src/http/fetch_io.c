#include <string.h>

#include "http/client_io.h"
#include "os/memory.h"

/* The one request of a small loop of its own. */
struct fetch {
    struct net_loop *loop;
    struct net_resolver *resolver;
    struct net_tls_client *tls;
    struct http_client *client;
    struct http_origin *origin;
    unsigned status;
    char *body;
    size_t body_size, body_room;
    enum err err; /* ERR_AGAIN: not over yet */
    const char *refusal;
};

static void on_head(struct http_call *call, const struct http_head *head)
{
    struct fetch *fetch = http_call_user(call);
    fetch->status = head->status;
}

static void stop(struct http_call *call, enum err err)
{
    struct fetch *fetch = http_call_user(call);
    fetch->err = err;
    net_loop_stop(fetch->loop);
}

static void on_body(struct http_call *call, struct span piece)
{
    struct fetch *fetch = http_call_user(call);
    size_t need = fetch->body_size + piece.n;
    if (need > fetch->body_room) {
        size_t room = 2 * need;
        char *body = need <= LIMIT_HTTP_BODY ? os_resize(fetch->body, room) : NULL;
        if (!body) {
            stop(call, need <= LIMIT_HTTP_BODY ? ERR_MEMORY : ERR_FULL);
            http_call_cancel(call);
            return;
        }
        fetch->body = body;
        fetch->body_room = room;
    }
    memcpy(fetch->body + fetch->body_size, piece.p, piece.n);
    fetch->body_size += piece.n;
}

static void on_end(struct http_call *call)
{
    stop(call, ERR_OK);
}

static void on_error(struct http_call *call, enum err err, enum http_phase phase)
{
    struct fetch *fetch = http_call_user(call);
    fetch->refusal = http_call_refusal(call);
    stop(call, phase == HTTP_PHASE_CONNECT && err == ERR_CLOSED ? ERR_REFUSED : err);
}

static const struct http_call_handler handler = {
    .on_head = on_head, .on_body = on_body, .on_end = on_end, .on_error = on_error};

static enum err set_up(struct fetch *fetch, struct span url, const char *ca_file, struct text *why)
{
    enum err err = net_loop_new(&fetch->loop);
    if (err == ERR_OK)
        err = net_resolver_new(fetch->loop, &fetch->resolver);
    if (err == ERR_OK && span_starts_with(url, "https:"))
        err = net_tls_client_new(ca_file, &fetch->tls, why);
    if (err == ERR_OK)
        err = http_client_new(fetch->loop, &fetch->client);
    if (err == ERR_OK)
        err = http_origin_new(fetch->client, url, fetch->tls, fetch->resolver, &fetch->origin, why);
    return err;
}

static void tear_down(struct fetch *fetch)
{
    http_client_free(fetch->client);
    net_tls_client_free(fetch->tls);
    if (fetch->resolver)
        net_resolver_free(fetch->resolver);
    net_loop_free(fetch->loop);
    os_free(fetch->body);
}

static enum err run(struct fetch *fetch, struct span head, struct span body, int64_t timeout_us)
{
    struct http_request request = {.head = head,
                                   .body = body,
                                   .body_length = (int64_t)body.n,
                                   .is_head_method = span_starts_with(head, "HEAD "),
                                   .connect_timeout_us = timeout_us,
                                   .first_byte_timeout_us = timeout_us,
                                   .stall_timeout_us = timeout_us,
                                   .handler = &handler,
                                   .user = fetch};
    int64_t end_us = net_loop_now_us(fetch->loop) + timeout_us;
    fetch->err = ERR_AGAIN;
    if (!http_call(fetch->origin, &request))
        return ERR_MEMORY;
    while (fetch->err == ERR_AGAIN && net_loop_now_us(fetch->loop) < end_us)
        net_loop_run_once(fetch->loop, end_us - net_loop_now_us(fetch->loop));
    return fetch->err == ERR_AGAIN ? ERR_TIMEOUT : fetch->err;
}

enum err http_fetch(struct span url, const char *ca_file, struct span head, struct span body,
                    int64_t timeout_us, struct arena *arena, unsigned *ret_status,
                    struct span *ret_body, struct text *why)
{
    struct fetch fetch = {.status = 0};
    bool has_origin = false;
    enum err err = set_up(&fetch, url, ca_file, why);
    if (err == ERR_OK) {
        has_origin = true;
        err = run(&fetch, head, body, timeout_us);
    }
    struct span copy = {NULL, 0};
    if (err == ERR_OK) {
        copy = arena_copy(arena, span_from(fetch.body, fetch.body_size));
        err = copy.p ? ERR_OK : ERR_FULL;
    }
    if (fetch.refusal && why)
        text_add(why, "%.*s: its certificate is not taken: %s", SPAN_ARG(url), fetch.refusal);
    else if (err != ERR_OK && has_origin && why)
        text_add(why, "%.*s: %s", SPAN_ARG(url),
                 err == ERR_NOT_FOUND ? "this name has no address" : err_text(err));
    unsigned status = fetch.status;
    tear_down(&fetch);
    if (err == ERR_OK) {
        *ret_status = status;
        *ret_body = copy;
    }
    return err;
}
