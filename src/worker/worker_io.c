#include "worker/worker_io.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "fleet/layout.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/process.h"
#include "worker/worker_inner_io.h"

static void end_if_idle(struct worker *worker)
{
    if (worker->is_draining && worker->jobs_used == 0)
        net_loop_stop(worker->loop);
}

void worker_drain(struct worker *worker, int64_t patience_us)
{
    int64_t until_us = os_now_us() + patience_us;
    if (!worker->is_draining || until_us < worker->drain_until_us)
        worker->drain_until_us = until_us;
    if (worker->is_draining)
        return;
    worker->is_draining = true;
    for (uint32_t i = 0; i < worker->group_count; i++)
        queue_drain(&worker->groups[i]->queue);
    worker_report_send(worker); /* so that gateways know before they try */
}

/* Every 100 ms: load to the gateways, deadlines, and the end of draining. */
static void on_tick(struct net_timer *timer)
{
    struct worker *worker = CONTAINER_OF(timer, struct worker, tick);
    int64_t now_us = os_now_us();
    worker_report_send(worker);
    worker_job_expire(worker, now_us);
    if (worker->is_draining && now_us >= worker->drain_until_us)
        worker_jobs_cut(worker, "upstream_lost", "The worker is shutting down.");
    if (worker->is_draining && now_us >= worker->drain_until_us + 2 * WORKER_TICK_US)
        net_loop_stop(worker->loop);
    end_if_idle(worker);
    enum err err = net_timer_set(worker->loop, timer, now_us + WORKER_TICK_US);
    CHECK(!err); /* its place was taken when it was set first */
}

static void on_signal(struct net_watch *watch, unsigned events)
{
    struct worker *worker = CONTAINER_OF(watch, struct worker, signal_watch);
    int64_t drain_us = worker->options->drain_us ? worker->options->drain_us : WORKER_DRAIN_US;
    while (events && os_signals_next(watch->fd))
        worker_drain(worker, drain_us);
}

static enum err open_signals(struct worker *worker)
{
    static const int signals[] = {SIGTERM, SIGINT};
    int fd;
    enum err err = os_signals_open(signals, COUNT_OF(signals), &fd);
    if (err)
        return err;
    net_watch_init(&worker->signal_watch);
    return net_loop_watch(worker->loop, &worker->signal_watch, fd, on_signal);
}

static enum err start(struct worker *worker, struct text *why)
{
    struct http_server_rules rules;
    struct net_address address;
    char *scratch = os_alloc(WORKER_SCRATCH);
    if (!scratch)
        return ERR_MEMORY;
    text_init(&worker->scratch, scratch, WORKER_SCRATCH);
    metrics_init(&worker->metrics);
    net_timer_init(&worker->tick, on_tick);
    enum err err = net_loop_new(&worker->loop);
    if (!err)
        err = open_signals(worker);
    if (!err)
        err = worker_groups_make(worker, why);
    if (!err)
        err = worker_jobs_make(worker);
    if (err)
        return err;
    http_server_rules_default(&rules);
    rules.body_max = LIMIT_WORKER_BODY;
    err = http_server_new(worker->loop, &worker_handler, &rules, worker, &worker->server);
    if (err)
        return err;
    uint16_t port =
        fleet_port_worker(worker->fleet, worker->options->port_base, worker->options->worker);
    net_address_loopback(port, &address);
    err = http_server_listen(worker->server, &address, false, why);
    if (!err)
        err = net_timer_set(worker->loop, &worker->tick, os_now_us() + WORKER_TICK_US);
    return err;
}

enum err worker_run(const struct worker_options *options, struct text *why)
{
    struct worker *worker = os_alloc(sizeof *worker);
    if (!worker)
        return ERR_MEMORY;
    worker->options = options;
    worker->fleet = options->fleet;
    worker->self = &options->fleet->workers[options->worker];
    worker->started_us = os_now_us();
    worker->signal_watch.fd = -1;
    enum err err = start(worker, why);
    if (!err) {
        worker_groups_start(worker);
        net_loop_run(worker->loop);
    } else if (why->n == 0) {
        text_add(why, "%s", err_text(err));
    }
    int signal_fd = worker->signal_watch.fd;
    if (worker->server) {
        http_server_drain(worker->server);
        /* What was written last must still reach the sockets. */
        for (unsigned i = 0;
             i < 20 && http_server_exchanges(worker->server) > worker->watcher_count; i++)
            net_loop_run_once(worker->loop, 10000);
        http_server_free(worker->server);
    }
    worker_groups_fini(worker);
    if (signal_fd >= 0) {
        net_loop_unwatch(worker->loop, &worker->signal_watch);
        close(signal_fd);
    }
    net_loop_free(worker->loop);
    worker_jobs_fini(worker);
    os_free(worker->scratch.p);
    os_free(worker);
    return err;
}
