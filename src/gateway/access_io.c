/* access_io.c: one JSON line a request, in a log that rotates, written out at least once a second.
 * Loops share it under a lock: it is off by default and its cost is counted apart (make bench has a
 * table with it on). */
#include <pthread.h>

#include "base/check.h"
#include "gateway/proxy_io.h"

enum { ACCESS_FLUSH_US = 1000 * 1000 };

struct gateway_access {
    pthread_mutex_t lock;
    struct os_log log;
    struct net_loop *loop; /* the first one: flushes */
    struct net_timer timer;
};

static void flush_due(struct net_timer *timer)
{
    struct gateway_access *access = CONTAINER_OF(timer, struct gateway_access, timer);
    CHECK(pthread_mutex_lock(&access->lock) == 0);
    os_log_flush(&access->log);
    CHECK(pthread_mutex_unlock(&access->lock) == 0);
    int64_t due_us = net_loop_now_us(access->loop) + ACCESS_FLUSH_US;
    CHECK(net_timer_set(access->loop, timer, due_us) == ERR_OK); /* its place is made already */
}

enum err gateway_access_start(struct gateway_access *access, struct net_loop *loop)
{
    access->loop = loop;
    net_timer_init(&access->timer, flush_due);
    return net_timer_set(loop, &access->timer, net_loop_now_us(loop) + ACCESS_FLUSH_US);
}

void gateway_access_stop(struct gateway_access *access)
{
    if (access && access->loop)
        net_timer_clear(access->loop, &access->timer);
}

enum err gateway_access_new(const char *path, struct gateway_access **ret_access, struct text *why)
{
    struct gateway_access *access = os_alloc(sizeof *access);
    if (!access)
        return ERR_MEMORY;
    enum err err = os_log_open(&access->log, path, GATEWAY_LOG_SIZE_MAX, GATEWAY_LOG_KEEP, why);
    if (err == ERR_OK && pthread_mutex_init(&access->lock, NULL) != 0) {
        os_log_close(&access->log);
        err = ERR_MEMORY;
    }
    if (err != ERR_OK) {
        os_free(access);
        return err;
    }
    *ret_access = access;
    return ERR_OK;
}

static void add_line(const struct proxy *proxy, bool was_whole, struct text *line)
{
    const struct gateway_request *request = &proxy->request;
    const struct http_exchange *exchange = proxy->exchange;
    const struct fleet *fleet = proxy->loop->gateway->law.fleet;
    int64_t now_us = proxy_now_us(proxy);
    text_json_object(line);
    text_json_key(line, "time_us");
    text_json_i64(line, os_wall_us());
    text_json_key(line, "id");
    text_json_span(line, gateway_request_id(request));
    text_json_key(line, "method");
    text_json_span(line, exchange->head->method_text);
    text_json_key(line, "path");
    text_json_span(line, exchange->head->path);
    text_json_key(line, "status");
    text_json_u64(line, exchange->status);
    text_json_key(line, "whole");
    text_json_bool(line, was_whole);
    text_json_key(line, "us");
    text_json_i64(line, now_us - exchange->began_us);
    text_json_key(line, "bytes_in");
    text_json_u64(line, exchange->body_bytes);
    text_json_key(line, "bytes_out");
    text_json_u64(line, exchange->bytes_out);
    if (request->service != FLEET_NONE) {
        text_json_key(line, "service");
        text_json_span(line, fleet->services[request->service].name);
        text_json_key(line, "tenant");
        text_json_span(line, request->tenant);
        text_json_key(line, "prompt_tokens");
        text_json_u64(line, request->prompt_tokens);
    }
    if (proxy->element_size) {
        text_json_key(line, "route");
        text_json_span(line, span_from(proxy->element, proxy->element_size));
        text_json_key(line, "first_byte_us");
        text_json_i64(line, proxy->is_head_sent ? proxy->first_byte_us - proxy->ready_us : -1);
    }
    if (proxy->last_error != GATEWAY_FINE) {
        text_json_key(line, "error");
        text_json_str(line, gateway_error_code(proxy->last_error));
    }
    text_json_end(line);
}

void gateway_access_line(struct gateway_access *access, const struct proxy *proxy, bool was_whole)
{
    char buffer[4096];
    struct text line;
    text_init(&line, buffer, sizeof buffer);
    add_line(proxy, was_whole, &line);
    if (line.is_cut)
        return; /* a path of several KiB: half a line of JSON would help nobody */
    CHECK(pthread_mutex_lock(&access->lock) == 0);
    os_log_line(&access->log, text_span(&line));
    CHECK(pthread_mutex_unlock(&access->lock) == 0);
}

void gateway_access_free(struct gateway_access *access)
{
    if (!access)
        return;
    os_log_close(&access->log);
    CHECK(pthread_mutex_destroy(&access->lock) == 0);
    os_free(access);
}
