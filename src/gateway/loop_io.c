#include "gateway/loop_io.h"

#include "base/check.h"
#include "gateway/proxy_io.h"
#include "os/process.h"

enum {
    DRAIN_LOOK_US = 20 * 1000,
    DRAIN_FLUSH_US = 300 * 1000,
    OWN_FILES = 32 /* loops, listeners, logs, name servers, probes */
};

static enum err make_origin(struct gateway_loop *loop, uint16_t index, struct text *why)
{
    const struct gateway *gateway = loop->gateway;
    const struct gateway_origin *row = &gateway->map.origins[index];
    char buffer[64];
    struct text url;
    text_init(&url, buffer, sizeof buffer);
    text_add(&url, "http://127.0.0.1:%u", row->port);
    struct span where = text_span(&url);
    if (row->kind == GATEWAY_ORIGIN_REMOTE)
        where = gateway->config.fleet->replicas[row->index].url;
    return http_origin_new(loop->client, where, gateway->tls, loop->resolver, &loop->origins[index],
                           why);
}

static enum err make_services(struct gateway_loop *loop)
{
    struct gateway *gateway = loop->gateway;
    const struct fleet *fleet = gateway->config.fleet;
    loop->services = os_alloc((fleet->service_count + 1u) * sizeof *loop->services);
    if (!loop->services)
        return ERR_MEMORY;
    for (uint16_t s = 0; s < fleet->service_count; s++) {
        enum fleet_policy policy =
            gateway->config.has_policy ? gateway->config.policy : fleet->services[s].policy;
        gateway_targets_init(&loop->services[s], &gateway->map, s, gateway_words_of(gateway, s, 0),
                             gateway->index, policy, rng_next(&loop->rng));
    }
    return ERR_OK;
}

/* Clients may take half of the descriptors: a request that comes by one needs another for its
 * target. */
static uint32_t connections_max(const struct gateway *gateway)
{
    uint64_t files = os_file_limit();
    uint64_t share = files > 2 * OWN_FILES ? (files - OWN_FILES) / 2 : OWN_FILES / 2;
    share /= gateway->config.threads;
    return share < LIMIT_GATEWAY_CONNECTIONS ? (uint32_t)share : LIMIT_GATEWAY_CONNECTIONS;
}

static enum err fill_loop(struct gateway_loop *loop, struct text *why)
{
    struct gateway *gateway = loop->gateway;
    uint64_t seed;
    enum err err = os_random(&seed, sizeof seed);
    if (err != ERR_OK)
        return err;
    rng_init(&loop->rng, seed);
    route_budget_init(&loop->retries);
    loop->metrics = os_alloc(sizeof *loop->metrics);
    loop->origins = os_alloc((gateway->map.origin_count + 1u) * sizeof(struct http_origin *));
    if (!loop->metrics || !loop->origins)
        return ERR_MEMORY;
    metrics_init(loop->metrics);
    if ((err = net_loop_new(&loop->loop)) != ERR_OK ||
        (err = net_resolver_new(loop->loop, &loop->resolver)) != ERR_OK ||
        (err = http_client_new(loop->loop, &loop->client)) != ERR_OK ||
        (err = make_services(loop)) != ERR_OK)
        return err;
    for (uint16_t i = 0; i < gateway->map.origin_count; i++)
        if ((err = make_origin(loop, i, why)) != ERR_OK)
            return err;
    struct http_server_rules rules;
    http_server_rules_default(&rules);
    rules.connections_max = connections_max(gateway);
    err = http_server_new(loop->loop, &gateway_handler, &rules, loop, &loop->server);
    if (err != ERR_OK)
        return err;
    return http_server_listen(loop->server, &gateway->config.listen, gateway->config.threads > 1,
                              why);
}

static void look_at_drain(struct net_timer *timer);

enum err gateway_loop_new(struct gateway *gateway, unsigned number, struct gateway_loop **ret_loop,
                          struct text *why)
{
    struct gateway_loop *loop = os_alloc(sizeof *loop);
    if (!loop)
        return ERR_MEMORY;
    loop->gateway = gateway;
    loop->number = number;
    net_timer_init(&loop->drain, look_at_drain);
    buffer_pool_init(&loop->bodies);
    gateway_proxy_start(loop);
    enum err err = fill_loop(loop, why);
    if (err != ERR_OK) {
        gateway_loop_free(loop);
        return err;
    }
    *ret_loop = loop;
    return ERR_OK;
}

void gateway_loop_free(struct gateway_loop *loop)
{
    if (!loop)
        return;
    http_server_free(loop->server);
    if (loop->loop) {
        net_timer_clear(loop->loop, &loop->drain);
        net_timer_clear(loop->loop, &loop->sweep);
        net_loop_run_once(loop->loop, 0); /* what waited for the end of a batch */
    }
    http_client_free(loop->client);
    net_resolver_free(loop->resolver);
    net_loop_free(loop->loop);
    os_pool_fini(&loop->requests);
    buffer_pool_fini(&loop->bodies);
    os_free(loop->services);
    os_free(loop->origins);
    os_free(loop->metrics);
    os_free(loop);
}

static void end_loop(struct gateway_loop *loop)
{
    loop->is_stopped = true;
    atomic_fetch_add(&loop->gateway->over, 1);
    if (loop->number > 0)
        net_loop_stop(loop->loop);
}

/* Open requests have until drain_until_us; then they are ended and get a moment to be written. */
static void look_at_drain(struct net_timer *timer)
{
    struct gateway_loop *loop = CONTAINER_OF(timer, struct gateway_loop, drain);
    int64_t now_us = net_loop_now_us(loop->loop);
    bool is_empty = http_server_exchanges(loop->server) == 0;
    if (!loop->is_stopped && (is_empty || now_us >= loop->drain_until_us + DRAIN_FLUSH_US))
        end_loop(loop);
    else if (!loop->is_stopped && now_us >= loop->drain_until_us)
        gateway_proxy_stop(loop);
    bool is_last = atomic_load(&loop->gateway->over) == loop->gateway->loop_count;
    if (loop->is_stopped && (loop->number > 0 || is_last)) {
        net_loop_stop(loop->loop);
        return;
    }
    if (net_timer_set(loop->loop, &loop->drain, now_us + DRAIN_LOOK_US) != ERR_OK)
        net_loop_stop(loop->loop);
}

void gateway_loop_drain(struct gateway_loop *loop)
{
    if (loop->is_draining)
        return;
    loop->is_draining = true;
    loop->drain_until_us = net_loop_now_us(loop->loop) + GATEWAY_DRAIN_US;
    http_server_drain(loop->server);
    gateway_proxy_end_jobs(loop);
    look_at_drain(&loop->drain);
}
