/* access_io.c: one JSON line a request, in a log that rotates, written out at least once a second.
 * Loops share it under a lock: it is off by default and its cost is counted apart (make bench has a
 * table with it on). */
#include <pthread.h>

#include "base/check.h"
#include "gateway/proxy_io.h"
#include "obs/record.h"

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

/* One word for how it ended: the error that was answered or met, else whether all of it went out.
 */
static struct span outcome_of(const struct proxy *proxy, bool was_whole)
{
    if (proxy->last_error != GATEWAY_FINE)
        return span_of(gateway_error_code(proxy->last_error));
    return was_whole ? SPAN_LITERAL("answered") : SPAN_LITERAL("client_gone");
}

static void fill_record(const struct proxy *proxy, bool was_whole, struct obs_record *record)
{
    const struct gateway_request *request = &proxy->request;
    const struct http_exchange *exchange = proxy->exchange;
    const struct gateway *gateway = proxy->loop->gateway;
    *record = (struct obs_record){
        .wall_time_us = os_wall_us(),
        .request_id = gateway_request_id(request),
        .method = exchange->head->method_text,
        .path = exchange->head->path,
        .status = exchange->status,
        .outcome = outcome_of(proxy, was_whole),
        .hop_from = request->hop,
        .attempts = proxy->attempt_count,
        .bytes_in = exchange->body_bytes,
        .bytes_out = exchange->bytes_out,
        .ttft_us = -1,
        .total_us = proxy_now_us(proxy) - exchange->began_us,
        .prompt_tokens = request->prompt_tokens,
    };
    if (request->service != FLEET_NONE) {
        record->service = gateway->law.fleet->services[request->service].name;
        record->tenant = request->tenant;
    }
    if (proxy->element_size) {
        const struct route_labels *labels = &gateway->labels.row[request->service];
        record->region = labels->region[proxy->attempt.target];
        record->target = labels->target[proxy->attempt.target];
        record->route = span_from(proxy->element, proxy->element_size);
        if (proxy->is_head_sent)
            record->ttft_us = proxy->first_byte_us - proxy->ready_us;
    }
}

/* What our own parts read of each other each second would bury what clients do. */
static bool is_our_own_reading(const struct http_exchange *exchange)
{
    return span_starts_with(exchange->head->path, "/peer/") && exchange->status == 200;
}

void gateway_access_line(struct gateway_access *access, const struct proxy *proxy, bool was_whole)
{
    char buffer[OBS_RECORD_SIZE];
    struct text line;
    struct obs_record record;
    if (is_our_own_reading(proxy->exchange))
        return;
    text_init(&line, buffer, sizeof buffer);
    fill_record(proxy, was_whole, &record);
    obs_record_print(&record, &line);
    CHECK(!line.is_cut);
    CHECK(pthread_mutex_lock(&access->lock) == 0);
    uint64_t lost = access->log.lost_count;
    os_log_line(&access->log, text_span(&line));
    lost = access->log.lost_count - lost;
    CHECK(pthread_mutex_unlock(&access->lock) == 0);
    if (lost)
        metrics_add(proxy->loop->metrics, METRICS_access_lines_lost_total, 0, lost);
}

void gateway_access_free(struct gateway_access *access)
{
    if (!access)
        return;
    os_log_close(&access->log);
    CHECK(pthread_mutex_destroy(&access->lock) == 0);
    os_free(access);
}
