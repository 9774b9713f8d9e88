#include "deploy/world_own.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/process.h"

void world_report(struct world *world, const struct world_event *event)
{
    if (world->rules.on_event)
        world->rules.on_event(world->rules.user, event);
}

static struct span region_name(const struct world *world, uint16_t region)
{
    return region == FLEET_NONE ? SPAN_LITERAL("") : world->rules.fleet->regions[region].name;
}

static void report_process(struct world_process *process, const char *what, int status,
                           int64_t after_us)
{
    struct world_event event = {.event = what,
                                .process = span_of(process->name),
                                .region = region_name(process->world, process->region),
                                .status = status,
                                .after_us = after_us};
    world_report(process->world, &event);
}

/* STATE/log/<prefix><name>.log, spaces as '-'. state_open() left room for every name. */
static void log_path(const struct state_folder *state, const char *prefix, const char *name,
                     char ret_path[STATE_PATH_MAX])
{
    char file[STATE_NAME_MAX];
    int n = snprintf(file, sizeof file, "log/%s%s.log", prefix, name);
    CHECK(n > 0 && (size_t)n < sizeof file);
    for (char *c = file; *c; c++) {
        if (*c == ' ')
            *c = '-';
    }
    CHECK(state_file_path(state->path, file, ret_path));
}

/* The command line of a process: what it needs to compute everything else from the fleet. */
static unsigned make_arguments(struct world_process *process, const char **argv, char port[8],
                               char key_hash[2 * CRYPTO_SHA256_SIZE + 1], char log[STATE_PATH_MAX],
                               char name[LIMIT_NAME + 1])
{
    const struct world_rules *rules = &process->world->rules;
    unsigned n = 0;
    static const char *const verbs[] = {"link", "worker", "gateway"};
    argv[n++] = os_self_path();
    argv[n++] = verbs[process->role];
    argv[n++] = "--fleet";
    argv[n++] = rules->file;
    argv[n++] = "--port-base";
    snprintf(port, 8, "%u", rules->port_base);
    argv[n++] = port;
    argv[n++] = "--secret-fd";
    argv[n++] = "3";
    if (process->role == WORLD_WORKER) {
        struct span worker = rules->fleet->workers[process->index].name;
        snprintf(name, LIMIT_NAME + 1, "%.*s", SPAN_ARG(worker));
        argv[n++] = "--worker";
        argv[n++] = name;
        if (rules->is_echo)
            argv[n++] = "--engine-echo";
        if (rules->model_file) {
            argv[n++] = "--model";
            argv[n++] = rules->model_file;
        }
    }
    if (process->role == WORLD_GATEWAY) {
        uint8_t digest[CRYPTO_SHA256_SIZE];
        crypto_sha256(span_of(rules->state->client_key), digest);
        crypto_hex(digest, sizeof digest, key_hash);
        struct span region = region_name(process->world, process->region);
        snprintf(name, LIMIT_NAME + 1, "%.*s", SPAN_ARG(region));
        log_path(rules->state, "access-", name, log);
        argv[n++] = "--region";
        argv[n++] = name;
        argv[n++] = "--key-hash";
        argv[n++] = key_hash;
        argv[n++] = "--access-log";
        argv[n++] = log;
    }
    argv[n] = NULL;
    CHECK(n < WORLD_ARGS_MAX);
    return n;
}

static void apply(struct world_process *process, enum child_event event);

static void on_exit_ready(struct net_watch *watch, unsigned events)
{
    struct world_process *process = CONTAINER_OF(watch, struct world_process, watch);
    struct world *world = process->world;
    int status = 0;
    (void)events;
    if (os_reap(process->pid, &status) == ERR_AGAIN)
        return;
    net_loop_unwatch(world->loop, &process->watch);
    close(process->pidfd);
    process->pid = 0;
    process->is_paused = false;
    bool was_wanted = process->child.state == CHILD_RUNNING;
    int64_t ran_us = os_now_us() - process->child.started_at_us;
    apply(process, CHILD_EXITED);
    if (was_wanted || process->child.state == CHILD_HELD)
        report_process(process, "died", status, ran_us);
    if (process->child.state == CHILD_GIVEN_UP)
        report_process(process, "given_up", status, 0);
    if (process->is_spawn_due) {
        process->is_spawn_due = false;
        apply(process, CHILD_RELEASE);
    }
}

/* A failure to start counts as a quick death, so that back-off and limit hold for it too. */
static void spawn(struct world_process *process)
{
    struct world *world = process->world;
    const char *argv[WORLD_ARGS_MAX];
    char port[8], hash[2 * CRYPTO_SHA256_SIZE + 1], access[STATE_PATH_MAX], name[LIMIT_NAME + 1];
    char output[STATE_PATH_MAX], message[512];
    struct text why;
    int secret_fd = -1;

    make_arguments(process, argv, port, hash, access, name);
    log_path(world->rules.state, "", process->name, output);
    text_init(&why, message, sizeof message);
    enum err err = os_secret_pipe(world->rules.state->peer_secret, CRYPTO_KEY_SIZE, &secret_fd);
    if (!err) {
        struct os_spawn how = {.argv = argv,
                               .keep_fds = &secret_fd,
                               .keep_fd_count = 1,
                               .output_path = output,
                               .dies_with_parent = true,
                               .own_group = true};
        err = os_spawn(&how, &process->pid, &process->pidfd, &why);
        close(secret_fd);
    }
    if (!err)
        err = net_loop_watch(world->loop, &process->watch, process->pidfd, on_exit_ready);
    if (err) {
        fprintf(stderr, "farspan: cannot start %s: %s %.*s\n", process->name, err_text(err),
                SPAN_ARG(text_span(&why)));
        process->pid = 0;
        apply(process, CHILD_EXITED);
        return;
    }
    report_process(process, "started", 0, 0);
}

static void check_stopped(struct world *world)
{
    if (!world->is_stopping || world->is_stopped)
        return;
    bool only_link_left = true;
    for (unsigned i = 0; i < world->process_count; i++) {
        if (world->process[i].role != WORLD_LINK && world->process[i].pid)
            only_link_left = false;
    }
    if (!only_link_left)
        return;
    struct world_process *link = &world->process[0];
    if (link->child.state == CHILD_RUNNING)
        apply(link, CHILD_STOP);
    if (link->pid)
        return;
    world->is_stopped = true;
    if (world->rules.on_stopped)
        world->rules.on_stopped(world->rules.user);
}

static void apply(struct world_process *process, enum child_event event)
{
    struct world *world = process->world;
    if (event == CHILD_RELEASE && process->pid) {
        process->is_spawn_due = true;
        return;
    }
    enum child_action action = child_step(&process->child, event, os_now_us(), WORLD_STOP_WAIT_US);
    if (process->child.due_us == INT64_MAX)
        net_timer_clear(world->loop, &process->timer);
    else if (net_timer_set(world->loop, &process->timer, process->child.due_us))
        CHECK(false && "a timer of the supervisor had no room");
    switch (action) {
    case CHILD_DO_NOTHING:
        break;
    case CHILD_DO_SPAWN:
        spawn(process);
        break;
    case CHILD_DO_KILL:
    case CHILD_DO_TERM:
        /* A process that is gone already will be reaped: nothing to do about it here. */
        if (process->pid && os_signal(process->pid, action == CHILD_DO_KILL ? SIGKILL : SIGTERM))
            break;
        if (process->is_paused && process->pid && !os_signal(process->pid, SIGCONT))
            process->is_paused = false;
        break;
    }
    check_stopped(world);
}

static void on_child_due(struct net_timer *timer)
{
    apply(CONTAINER_OF(timer, struct world_process, timer), CHILD_DUE);
}

static void add_process(struct world *world, enum world_role role, uint16_t index, uint16_t region,
                        uint16_t port, struct span name)
{
    static const char *const prefixes[] = {"link", "worker ", "gateway "};
    CHECK(world->process_count < WORLD_PROCESSES_MAX);
    struct world_process *process = &world->process[world->process_count++];
    process->world = world;
    process->role = role;
    process->index = index;
    process->region = region;
    process->port = port;
    process->pidfd = -1;
    snprintf(process->name, sizeof process->name, "%s%.*s", prefixes[role], SPAN_ARG(name));
    child_init(&process->child);
    net_watch_init(&process->watch);
    net_timer_init(&process->timer, on_child_due);
}

static void add_processes(struct world *world)
{
    const struct fleet *fleet = world->rules.fleet;
    uint16_t base = world->rules.port_base;
    add_process(world, WORLD_LINK, 0, FLEET_NONE, fleet_port_link_control(fleet, base),
                SPAN_LITERAL(""));
    for (uint16_t i = 0; i < fleet->worker_count; i++)
        add_process(world, WORLD_WORKER, i, fleet->workers[i].region,
                    fleet_port_worker(fleet, base, i), fleet->workers[i].name);
    for (uint16_t i = 0; i < fleet->region_count; i++)
        add_process(world, WORLD_GATEWAY, i, i, fleet_port_gateway(fleet, base, i),
                    fleet->regions[i].name);
}

/* Somebody reached the port in the moment it was tried out. */
static void turn_away(struct net_listener *listener, int fd)
{
    (void)listener;
    close(fd);
}

/* Every port of the layout must be free before anything starts: half a world helps nobody. */
static enum err check_ports(struct world *world, struct text *why)
{
    uint32_t count = fleet_port_count(world->rules.fleet);
    for (uint32_t i = 0; i < count; i++) {
        struct net_listener probe = {.on_accept = turn_away};
        struct net_address address;
        char unread[256];
        struct text detail;
        text_init(&detail, unread, sizeof unread);
        net_address_loopback((uint16_t)(world->rules.port_base + i), &address);
        enum err err = net_listen(&probe, world->loop, &address, false, &detail);
        if (err) {
            text_add(why,
                     "port %u is in use; this world needs %u to %u: end what holds it, or choose "
                     "others with --port-base N",
                     world->rules.port_base + i, world->rules.port_base,
                     world->rules.port_base + count - 1);
            return ERR_EXISTS;
        }
        net_listener_close(&probe);
    }
    return ERR_OK;
}

enum err world_new(struct net_loop *loop, const struct world_rules *rules, struct world **ret_world,
                   struct text *why)
{
    struct world *world = os_alloc(sizeof *world);
    if (!world)
        return ERR_MEMORY;
    world->loop = loop;
    world->rules = *rules;
    world->started_at_us = os_now_us();
    add_processes(world);
    enum err err = check_ports(world, why);
    if (!err)
        err = http_client_new(loop, &world->client);
    if (!err)
        err = world_control_new(world, why);
    if (!err)
        err = world_ready_new(world, why);
    if (!err)
        err = world_engines_new(world, why);
    if (err) {
        world_free(world);
        return err;
    }
    *ret_world = world;
    return ERR_OK;
}

void world_start(struct world *world)
{
    for (unsigned i = 0; i < world->process_count; i++)
        apply(&world->process[i], CHILD_START);
}

void world_stop(struct world *world)
{
    if (world->is_stopping)
        return;
    world->is_stopping = true;
    for (unsigned i = 0; i < world->process_count; i++) {
        struct world_process *process = &world->process[i];
        process->is_spawn_due = false;
        if (process->is_paused && process->pid && !os_signal(process->pid, SIGCONT))
            process->is_paused = false;
        if (process->role != WORLD_LINK)
            apply(process, CHILD_STOP);
    }
    check_stopped(world);
}

void world_free(struct world *world)
{
    if (!world)
        return;
    for (unsigned i = 0; i < world->process_count; i++) {
        struct world_process *process = &world->process[i];
        net_timer_clear(world->loop, &process->timer);
        if (process->pid) {
            net_loop_unwatch(world->loop, &process->watch);
            if (os_signal(process->pid, SIGKILL))
                continue;
            close(process->pidfd);
        }
    }
    world_engines_free(world);
    world_ready_free(world);
    world_control_free(world);
    http_client_free(world->client);
    os_free(world);
}

bool world_is_ready(const struct world *world)
{
    return world->is_ready;
}

static void pause_process(struct world_process *process)
{
    if (process->pid && !os_signal(process->pid, SIGSTOP))
        process->is_paused = true;
}

static void heal_process(struct world_process *process)
{
    if (process->is_paused && process->pid && !os_signal(process->pid, SIGCONT))
        process->is_paused = false;
    if (process->child.state == CHILD_HELD || process->child.state == CHILD_GIVEN_UP)
        apply(process, CHILD_RELEASE);
}

enum err world_fault(struct world *world, struct span region, struct span kind, struct text *why)
{
    static const char *const kinds[] = {"kill", "pause", "cut", "slow", "heal"};
    enum { KILL, PAUSE, CUT, SLOW, HEAL, COUNT } which = KILL;
    uint16_t index = fleet_find_region(world->rules.fleet, region);
    if (index == FLEET_NONE) {
        text_add(why, "there is no region %.*s in this world; it has", SPAN_ARG(region));
        for (uint16_t i = 0; i < world->rules.fleet->region_count; i++)
            text_add(why, "%s %.*s", i ? "," : "", SPAN_ARG(world->rules.fleet->regions[i].name));
        return ERR_NOT_FOUND;
    }
    while (which < COUNT && !span_is(kind, kinds[which]))
        which++;
    if (which == COUNT) {
        text_add(why, "expected kill, pause, cut, slow or heal, found %.*s", SPAN_ARG(kind));
        return ERR_VALUE;
    }
    if (which == CUT || which == SLOW || which == HEAL)
        world_pass_fault_to_link(world, region, kind);
    for (unsigned i = 0; i < world->process_count; i++) {
        struct world_process *process = &world->process[i];
        if (process->region != index)
            continue;
        if (which == KILL)
            apply(process, CHILD_HOLD);
        if (which == PAUSE)
            pause_process(process);
        if (which == HEAL)
            heal_process(process);
    }
    struct world_event event = {.event = which == HEAL ? "healed" : "fault",
                                .region = world->rules.fleet->regions[index].name,
                                .detail = kinds[which]};
    world_report(world, &event);
    return ERR_OK;
}

void world_print_state(const struct world *world, struct text *json)
{
    text_json_object(json);
    text_json_key(json, "pid");
    text_json_i64(json, getpid());
    text_json_key(json, "file");
    text_json_str(json, world->rules.file);
    text_json_key(json, "model");
    text_json_str(json, world->rules.model_file);
    text_json_key(json, "echo");
    text_json_bool(json, world->rules.is_echo);
    text_json_key(json, "port_base");
    text_json_u64(json, world->rules.port_base);
    text_json_key(json, "ready");
    text_json_bool(json, world->is_ready);
    text_json_key(json, "uptime_s");
    text_json_i64(json, (os_now_us() - world->started_at_us) / 1000000);
    text_json_key(json, "processes");
    text_json_array(json);
    for (unsigned i = 0; i < world->process_count; i++) {
        const struct world_process *process = &world->process[i];
        static const char *const roles[] = {"link", "worker", "gateway"};
        text_json_object(json);
        text_json_key(json, "process");
        text_json_str(json, process->name);
        text_json_key(json, "role");
        text_json_str(json, roles[process->role]);
        text_json_key(json, "region");
        text_json_span(json, region_name(world, process->region));
        text_json_key(json, "state");
        text_json_str(json, process->is_paused ? "paused" : child_state_text(process->child.state));
        text_json_key(json, "pid");
        text_json_i64(json, process->pid);
        text_json_key(json, "port");
        text_json_u64(json, process->port);
        text_json_key(json, "restarts");
        text_json_u64(json, process->child.restarts);
        text_json_end(json);
    }
    text_json_end(json);
    text_json_end(json);
}
