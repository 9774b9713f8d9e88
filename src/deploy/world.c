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

void world_report_process(struct world_process *process, const char *what, int status,
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

/* The command line of a process and what its words stand in. */
struct command {
    const char *argv[WORLD_ARGS_MAX];
    unsigned count;
    char port[8], room[8], price[24], name[LIMIT_NAME + 1], like[LIMIT_NAME + 1];
    char key_hash[2 * CRYPTO_SHA256_SIZE + 1], access[STATE_PATH_MAX];
    char services[LIMIT_SERVICES * (LIMIT_NAME + 1)];
};

static void add_words(struct command *command, const char *option, const char *value)
{
    CHECK(command->count + 2 < WORLD_ARGS_MAX);
    command->argv[command->count++] = option;
    if (value)
        command->argv[command->count++] = value;
    command->argv[command->count] = NULL;
}

static void add_worker_words(const struct world_process *process, struct command *command)
{
    const struct world_rules *rules = &process->world->rules;
    const struct fleet *fleet = rules->fleet;
    const struct roster_row *row = &process->world->roster.rows[process->index];
    snprintf(command->name, sizeof command->name, "%.*s",
             SPAN_ARG(fleet->workers[process->index].name));
    add_words(command, "--worker", command->name);
    if (rules->is_echo)
        add_words(command, "--engine-echo", NULL);
    if (rules->model_file)
        add_words(command, "--model", rules->model_file);
    if (process->index < rules->room.first)
        return;
    struct text services;
    text_init(&services, command->services, sizeof command->services);
    for (uint16_t s = 0; s < fleet->service_count; s++)
        if (row->services >> s & 1)
            text_add(&services, "%s%.*s", services.n ? "," : "", SPAN_ARG(fleet->services[s].name));
    snprintf(command->like, sizeof command->like, "%.*s", SPAN_ARG(fleet->workers[row->like].name));
    snprintf(command->price, sizeof command->price, "%lld", (long long)row->price_usd_micro_h);
    add_words(command, "--services", command->services);
    add_words(command, "--like", command->like);
    add_words(command, "--price", command->price);
}

static void add_gateway_words(const struct world_process *process, struct command *command)
{
    const struct state_folder *state = process->world->rules.state;
    uint8_t digest[CRYPTO_SHA256_SIZE];
    crypto_sha256(span_of(state->client_key), digest);
    crypto_hex(digest, sizeof digest, command->key_hash);
    snprintf(command->name, sizeof command->name, "%.*s",
             SPAN_ARG(region_name(process->world, process->region)));
    log_path(state, "access-", command->name, command->access);
    add_words(command, "--region", command->name);
    add_words(command, "--key-hash", command->key_hash);
    add_words(command, "--access-log", command->access);
}

/* What a process needs to compute everything else from the fleet. */
static void make_command(const struct world_process *process, struct command *command)
{
    const struct world_rules *rules = &process->world->rules;
    static const char *const verbs[] = {"link", "worker", "gateway"};
    command->count = 0;
    snprintf(command->port, sizeof command->port, "%u", rules->port_base);
    snprintf(command->room, sizeof command->room, "%u", rules->room.count);
    add_words(command, os_self_path(), verbs[process->role]);
    add_words(command, "--fleet", rules->file);
    add_words(command, "--port-base", command->port);
    add_words(command, "--secret-fd", "3");
    add_words(command, "--room", command->room);
    if (process->role == WORLD_WORKER)
        add_worker_words(process, command);
    if (process->role == WORLD_GATEWAY)
        add_gateway_words(process, command);
}

bool world_is_wanted(const struct world_process *process)
{
    return process->role != WORLD_WORKER || process->world->roster.rows[process->index].is_wanted;
}

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
    bool was_wanted = process->child.state == CHILD_RUNNING, was_leaving = process->is_leaving;
    int64_t ran_us = os_now_us() - process->child.started_at_us;
    world_apply(process, CHILD_EXITED);
    if (was_wanted || process->child.state == CHILD_HELD)
        world_report_process(process, "died", status, ran_us);
    if (process->child.state == CHILD_GIVEN_UP)
        world_report_process(process, "given_up", status, 0);
    if (was_leaving && process->child.state == CHILD_STOPPED && !world->is_stopping) {
        world_place_note_gone(process);
    } else if (process->is_spawn_due) {
        process->is_spawn_due = false;
        world_apply(process, CHILD_RELEASE);
    }
}

/* A failure to start counts as a quick death, so that back-off and limit hold for it too. */
static void spawn(struct world_process *process)
{
    struct world *world = process->world;
    struct command command;
    char output[STATE_PATH_MAX], message[512];
    struct text why;
    int secret_fd = -1;

    make_command(process, &command);
    log_path(world->rules.state, "", process->name, output);
    text_init(&why, message, sizeof message);
    enum err err = os_secret_pipe(world->rules.state->peer_secret, CRYPTO_KEY_SIZE, &secret_fd);
    if (!err) {
        struct os_spawn how = {.argv = command.argv,
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
        world_apply(process, CHILD_EXITED);
        return;
    }
    world_report_process(process, "started", 0, 0);
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
        world_apply(link, CHILD_STOP);
    if (link->pid)
        return;
    world->is_stopped = true;
    if (world->rules.on_stopped)
        world->rules.on_stopped(world->rules.user);
}

void world_apply(struct world_process *process, enum child_event event)
{
    struct world *world = process->world;
    if (event == CHILD_RELEASE && process->pid) {
        process->is_spawn_due = true;
        return;
    }
    int64_t stop_wait_us = process->is_leaving ? WORLD_LEAVE_WAIT_US : WORLD_STOP_WAIT_US;
    enum child_action action = child_step(&process->child, event, os_now_us(), stop_wait_us);
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
    case CHILD_DO_TERM:
        if (process->is_leaving && process->pid && world_place_ask_drain(process))
            break;
        /* fall through */
    case CHILD_DO_KILL:
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
    world_apply(CONTAINER_OF(timer, struct world_process, timer), CHILD_DUE);
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
        err = world_places_new(world, why);
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
        if (world_is_wanted(&world->process[i]))
            world_apply(&world->process[i], CHILD_START);
}

/* One that was given time for its last request has as long as the others now. */
static void hasten(struct world_process *process)
{
    child_hasten(&process->child, os_now_us(), WORLD_STOP_WAIT_US);
    if (process->child.due_us != INT64_MAX &&
        net_timer_set(process->world->loop, &process->timer, process->child.due_us))
        CHECK(false && "a timer of the supervisor had no room");
    if (os_signal(process->pid, SIGTERM))
        return; /* it is gone already, and will be reaped */
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
        if (process->is_leaving && process->pid && process->child.state == CHILD_STOPPING)
            hasten(process);
        else if (process->role != WORLD_LINK)
            world_apply(process, CHILD_STOP);
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
    world_places_free(world);
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
        world_apply(process, CHILD_RELEASE);
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
        if (process->region != index || !world_is_wanted(process))
            continue;
        if (which == KILL)
            world_apply(process, CHILD_HOLD);
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

static void print_process(const struct world_process *process, struct text *json)
{
    static const char *const roles[] = {"link", "worker", "gateway"};
    const struct world *world = process->world;
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
    if (process->role == WORLD_WORKER) {
        const struct fleet *fleet = world->rules.fleet;
        text_json_key(json, "services");
        text_json_array(json);
        for (uint16_t s = 0; s < fleet->service_count; s++)
            if (world->roster.rows[process->index].services >> s & 1)
                text_json_span(json, fleet->services[s].name);
        text_json_end(json);
    }
    text_json_end(json);
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
    text_json_key(json, "room");
    text_json_u64(json, world->rules.room.count);
    text_json_key(json, "epoch");
    text_json_u64(json, world->roster.epoch);
    text_json_key(json, "ready");
    text_json_bool(json, world->is_ready);
    text_json_key(json, "uptime_s");
    text_json_i64(json, (os_now_us() - world->started_at_us) / 1000000);
    text_json_key(json, "processes");
    text_json_array(json);
    for (unsigned i = 0; i < world->process_count; i++) {
        const struct world_process *process = &world->process[i];
        if (world_is_wanted(process) || process->pid) /* else a free place */
            print_process(process, json);
    }
    text_json_end(json);
    text_json_end(json);
}
