/* verb_link.c: `farspan link`: the link emulator of a world as a process, with its control door. */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/check.h"
#include "base/crypto.h"
#include "cli/link_control.h"
#include "cli/load.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "fleet/layout.h"
#include "fleet/load_io.h"
#include "os/memory.h"
#include "os/process.h"

enum { TIMER_SLACK_NS = 1000 };

struct link_process {
    const char *file;
    int64_t port_base, secret_fd, room;
    const struct fleet *fleet;
    uint8_t secret[CRYPTO_KEY_SIZE];
    struct net_loop *loop;
    struct link_world world;
    struct link_control *control;
    struct net_watch signals;
};

static void on_signal(struct net_watch *watch, unsigned events)
{
    struct link_process *process = CONTAINER_OF(watch, struct link_process, signals);
    if ((events & NET_IN) && os_signals_next(watch->fd) != 0)
        net_loop_stop(process->loop);
}

static enum err watch_signals(struct link_process *process)
{
    const int signals[] = {SIGTERM, SIGINT};
    int fd = -1;
    enum err err = os_signals_open(signals, COUNT_OF(signals), &fd);
    if (err != ERR_OK)
        return err;
    err = net_loop_watch(process->loop, &process->signals, fd, on_signal);
    if (err != ERR_OK)
        close(fd);
    return err;
}

/* Exact timers; the world runs without, only worse. */
static void ask_the_system(void)
{
    if (prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS) != 0)
        perror("farspan: timers stay coarse");
}

static bool read_secret(struct link_process *process)
{
    if (process->secret_fd < 0) {
        fprintf(stderr, "farspan: expected --secret-fd N: who may cut links must show a secret\n");
        return false;
    }
    enum err err = os_secret_read((int)process->secret_fd, process->secret, sizeof process->secret);
    if (err == ERR_OK)
        close((int)process->secret_fd);
    else
        fprintf(stderr, "farspan: --secret-fd %d: expected %d bytes there: %s\n",
                (int)process->secret_fd, CRYPTO_KEY_SIZE, err_text(err));
    return err == ERR_OK;
}

static enum err open_links(struct link_process *process, struct text *why)
{
    uint16_t port_base = (uint16_t)process->port_base;
    enum err err = link_world_open(&process->world, process->loop, process->fleet, port_base, why);
    if (err != ERR_OK)
        return err;
    return link_control_new(process->loop, &process->world, process->secret,
                            fleet_port_link_control(process->fleet, port_base), &process->control,
                            why);
}

static bool open_process(struct link_process *process)
{
    char buffer[256];
    struct text why;
    text_init(&why, buffer, sizeof buffer);
    if (!read_secret(process))
        return false;
    enum err err = net_loop_new(&process->loop);
    if (err == ERR_OK)
        err = watch_signals(process);
    if (err == ERR_OK)
        err = open_links(process, &why);
    if (err != ERR_OK)
        fprintf(stderr, "farspan: %s\n", why.n > 0 ? buffer : err_text(err));
    return err == ERR_OK;
}

static void close_process(struct link_process *process)
{
    link_control_free(process->control);
    link_world_close(&process->world);
    int fd = process->signals.fd;
    if (fd >= 0) {
        net_loop_unwatch_closing(process->loop, &process->signals);
        close(fd);
    }
    net_loop_free(process->loop);
    crypto_wipe(process->secret, sizeof process->secret);
}

static int run(struct link_process *process)
{
    bool is_open = open_process(process);
    if (is_open)
        net_loop_run(process->loop);
    close_process(process);
    return is_open ? 0 : 1;
}

int verb_link(int argc, char **argv)
{
    struct link_process process = {.port_base = FLEET_PORT_BASE, .secret_fd = -1};
    const struct option_row rows[] = {
        {"--fleet", "FILE", "farspan.yaml of the world", OPTION_TEXT, &process.file, 0, 0},
        {"--port-base", "N", "first port of the world; default 18080", OPTION_NUMBER,
         &process.port_base, 1, 65535},
        {"--room", "N", "free places a region, as of farspan up", OPTION_NUMBER, &process.room, 0,
         ROOM_MAX},
        {"--secret-fd", "N", "descriptor from which the peer secret is read", OPTION_NUMBER,
         &process.secret_fd, 0, 65535},
    };
    const struct option_usage usage = {
        "farspan link --fleet FILE --port-base N --secret-fd N",
        "The link emulator of a world: a port for every directed pair of regions and for every\n"
        "zone of clients and region, each with its delay, jitter, bandwidth and losses. Started\n"
        "by farspan up.",
        "farspan link --fleet examples/three-continents.yaml --secret-fd 3 3< <(xxd -r -p "
        "peer.key)",
        rows,
        COUNT_OF(rows),
        0,
        0};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;
    if (!process.file) {
        fprintf(stderr, "farspan: expected --fleet FILE\n");
        return 2;
    }
    struct arena arena;
    void *memory = os_alloc(FLEET_ARENA_SIZE);
    if (!memory) {
        fprintf(stderr, "farspan: %s\n", err_text(ERR_MEMORY));
        return 1;
    }
    arena_init(&arena, memory, FLEET_ARENA_SIZE);
    net_watch_init(&process.signals);
    ask_the_system();
    struct room room;
    bool is_loaded = load_room(process.file, &process.port_base, process.room, &arena, &room);
    process.fleet = is_loaded ? room.fleet : NULL;
    status = is_loaded ? run(&process) : 1;
    os_free(memory);
    return status;
}
