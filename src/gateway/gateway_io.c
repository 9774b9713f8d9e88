#include "gateway/gateway_io.h"

#include <signal.h>
#include <unistd.h>

#include "base/check.h"
#include "gateway/loop_io.h"
#include "os/process.h"

static enum err check_config(const struct gateway_config *config, struct text *why)
{
    CHECK(config->fleet && config->region < config->fleet->region_count);
    if (config->threads < 1 || config->threads > GATEWAY_THREADS_MAX) {
        text_add(why, "threads must be 1 to %d", GATEWAY_THREADS_MAX);
        return ERR_VALUE;
    }
    if (net_address_is_loopback(&config->listen))
        return ERR_OK;
    if (!config->is_insecure) {
        text_add(why,
                 "listening beyond loopback would send keys and prompts in plain text: put TLS "
                 "before it, or say --insecure");
        return ERR_DENIED;
    }
    if (config->is_open) {
        text_add(why, "listening beyond loopback needs a key (--key or --key-file)");
        return ERR_DENIED;
    }
    return ERR_OK;
}

static void refuse_fd(struct net_listener *listener, int fd)
{
    (void)listener;
    close(fd);
}

/* With SO_REUSEPORT the kernel would let two gateways share a port without a word. */
static enum err check_port(struct gateway *gateway, struct text *why)
{
    if (gateway->config.threads == 1)
        return ERR_OK; /* its only listener is exclusive */
    struct net_loop *loop;
    enum err err = net_loop_new(&loop);
    if (err != ERR_OK)
        return err;
    struct net_listener listener = {.on_accept = refuse_fd};
    err = net_listen(&listener, loop, &gateway->config.listen, false, why);
    if (err == ERR_OK)
        net_listener_close(&listener);
    net_loop_free(loop);
    return err;
}

static void on_signal(struct net_watch *watch, unsigned events)
{
    struct gateway *gateway = CONTAINER_OF(watch, struct gateway, signal_watch);
    (void)events;
    while (os_signals_next(gateway->signal_fd) != 0)
        gateway_drain(gateway);
}

static enum err open_signals(struct gateway *gateway, struct text *why)
{
    static const int signals[] = {SIGTERM, SIGINT};
    if (!gateway->config.takes_signals)
        return ERR_OK;
    enum err err = os_signals_open(signals, COUNT_OF(signals), &gateway->signal_fd);
    if (err != ERR_OK)
        text_add(why, "signals cannot be watched: %s", err_text(err));
    return err;
}

static void *run_thread(void *argument)
{
    struct gateway_loop *loop = argument;
    net_loop_run(loop->loop);
    return NULL;
}

static enum err start_loops(struct gateway *gateway, struct text *why)
{
    enum err err = ERR_OK;
    for (unsigned i = 0; i < gateway->config.threads; i++) {
        err = gateway_loop_new(gateway, i, &gateway->loops[i], why);
        if (err != ERR_OK)
            return err;
        gateway->loop_count++;
    }
    struct gateway_loop *first = gateway->loops[0];
    if (gateway->signal_fd >= 0)
        err = net_loop_watch(first->loop, &gateway->signal_watch, gateway->signal_fd, on_signal);
    if (err == ERR_OK)
        err = gateway_peers_new(first, &gateway->peers);
    if (err == ERR_OK && gateway->access)
        err = gateway_access_start(gateway->access, first->loop);
    if (err == ERR_OK)
        err = gateway_probes_new(first, &gateway->probes);
    for (unsigned i = 1; err == ERR_OK && i < gateway->loop_count; i++) {
        struct gateway_loop *loop = gateway->loops[i];
        loop->has_thread = pthread_create(&loop->thread, NULL, run_thread, loop) == 0;
        if (!loop->has_thread)
            err = ERR_MEMORY;
    }
    return err;
}

static enum err fill_gateway(struct gateway *gateway, struct text *why)
{
    enum err err;
    if ((err = check_port(gateway, why)) != ERR_OK ||
        (err = open_signals(gateway, why)) != ERR_OK ||
        (err = gateway_setup(gateway, why)) != ERR_OK)
        return err;
    if (gateway->config.access_log) {
        err = gateway_access_new(gateway->config.access_log, &gateway->access, why);
        if (err != ERR_OK)
            return err;
    }
    return start_loops(gateway, why);
}

enum err gateway_new(const struct gateway_config *config, struct gateway **ret_gateway,
                     struct text *why)
{
    enum err err = check_config(config, why);
    if (err != ERR_OK)
        return err;
    struct gateway *gateway = os_alloc(sizeof *gateway);
    if (!gateway)
        return ERR_MEMORY;
    gateway->config = *config;
    gateway->signal_fd = -1;
    gateway->started_us = os_now_us();
    net_watch_init(&gateway->signal_watch);
    err = fill_gateway(gateway, why);
    if (err != ERR_OK) {
        gateway_free(gateway);
        return err;
    }
    *ret_gateway = gateway;
    return ERR_OK;
}

struct net_loop *gateway_main_loop(struct gateway *gateway)
{
    return gateway->loops[0]->loop;
}

void gateway_run(struct gateway *gateway)
{
    net_loop_run(gateway->loops[0]->loop);
}

static void drain_there(void *argument)
{
    gateway_loop_drain(argument);
}

void gateway_drain(struct gateway *gateway)
{
    if (gateway->is_draining)
        return;
    gateway->is_draining = true;
    /* A loop whose queue is full is ended without its grace: it is beyond help. */
    for (unsigned i = 1; i < gateway->loop_count; i++)
        if (net_loop_post(gateway->loops[i]->loop, drain_there, gateway->loops[i]) != ERR_OK)
            atomic_fetch_add(&gateway->over, 1);
    gateway_loop_drain(gateway->loops[0]);
}

static void stop_there(void *argument)
{
    net_loop_stop(argument);
}

static void join_threads(struct gateway *gateway)
{
    for (unsigned i = 1; i < gateway->loop_count; i++) {
        struct gateway_loop *loop = gateway->loops[i];
        if (!loop->has_thread)
            continue;
        /* Full means that it is busy: it takes from the queue all the time. */
        while (net_loop_post(loop->loop, stop_there, loop->loop) == ERR_FULL)
            continue;
        CHECK(pthread_join(loop->thread, NULL) == 0);
        loop->has_thread = false;
    }
}

/* Jobs of /metrics travel from loop to loop: those under way come home while all loops stand. */
static void end_jobs(struct gateway *gateway)
{
    while (atomic_load(&gateway->metrics_jobs) > 0)
        for (unsigned i = 0; i < gateway->loop_count; i++)
            net_loop_run_once(gateway->loops[i]->loop, 0);
}

void gateway_free(struct gateway *gateway)
{
    if (!gateway)
        return;
    join_threads(gateway);
    end_jobs(gateway);
    gateway_access_stop(gateway->access);
    gateway_peers_free(gateway->peers);
    gateway_probes_free(gateway->probes);
    if (gateway->loop_count)
        net_loop_unwatch(gateway->loops[0]->loop, &gateway->signal_watch);
    for (unsigned i = 0; i < gateway->loop_count; i++)
        gateway_loop_free(gateway->loops[i]);
    if (gateway->signal_fd >= 0)
        close(gateway->signal_fd);
    gateway_access_free(gateway->access);
    gateway_setup_free(gateway);
    os_free(gateway);
}
