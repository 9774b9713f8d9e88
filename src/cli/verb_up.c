/* verb_up.c: a world on this machine until somebody ends it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/load.h"
#include "cli/options.h"
#include "cli/up_view.h"
#include "cli/verbs.h"
#include "cli/world_client.h"
#include "deploy/world.h"
#include "fleet/layout.h"
#include "os/file.h"
#include "os/memory.h"
#include "os/process.h"

enum { ARENA_SIZE = 16 << 20, OUTPUT_MAX = 256 * 1024 };

#ifdef FARSPAN_WITH_LLAMA
enum { WITH_LLAMA = 1 };
#else
enum { WITH_LLAMA = 0 };
#endif

struct up {
    struct net_loop *loop;
    struct world *world;
    struct up_view *view; /* NULL: not on a terminal */
    struct room room;
    const struct fleet *fleet; /* with its free places */
    struct state_folder state;
    char file[STATE_PATH_MAX];
    char model[STATE_PATH_MAX];
    int64_t port_base, duration_us;
    bool is_json, is_echo;
    struct net_watch signals;
    int signal_fd;
    struct net_timer end;
    int exit_status;
    char output[OUTPUT_MAX];
};

static void write_world_file(struct up *up)
{
    char path[STATE_PATH_MAX], message[512];
    struct text json, why;
    text_init(&json, up->output, sizeof up->output);
    text_init(&why, message, sizeof message);
    world_print_state(up->world, &json);
    if (!state_file_path(up->state.path, "world.json", path) ||
        os_file_write(path, text_span(&json), 0600, &why))
        fprintf(stderr, "farspan: %s\n  farspan status and fault will not find this world\n",
                message);
}

static void json_workers(const struct up *up, uint16_t region, struct text *json)
{
    text_json_key(json, "workers");
    text_json_array(json);
    for (uint16_t w = 0; w < up->fleet->worker_count; w++) {
        const struct fleet_worker *worker = &up->fleet->workers[w];
        const struct roster_row *row = &world_roster(up->world)->rows[w];
        if (worker->region != region || !row->is_wanted)
            continue;
        text_json_object(json);
        text_json_key(json, "name");
        text_json_span(json, worker->name);
        text_json_key(json, "port");
        text_json_u64(json, fleet_port_worker(up->fleet, (uint16_t)up->port_base, w));
        text_json_key(json, "services");
        text_json_array(json);
        for (uint16_t s = 0; s < up->fleet->service_count; s++)
            if (row->services >> s & 1)
                text_json_span(json, up->fleet->services[s].name);
        text_json_end(json);
        text_json_end(json);
    }
    text_json_end(json);
}

static bool is_stand_in(const struct up *up, uint16_t service)
{
    return up->is_echo && up->fleet->services[service].engine == FLEET_ENGINE_LLAMA;
}

static const char *why_echo(void)
{
    return WITH_LLAMA ? "--echo" : "this build has no engine llama";
}

/* {"services":[...],"why":"..."}, or null: every service has its own engine. */
static void json_echo(const struct up *up, struct text *json)
{
    text_json_key(json, "echo");
    if (!up->is_echo) {
        text_json_null(json);
        return;
    }
    text_json_object(json);
    text_json_key(json, "services");
    text_json_array(json);
    for (uint16_t s = 0; s < up->fleet->service_count; s++)
        if (is_stand_in(up, s))
            text_json_span(json, up->fleet->services[s].name);
    text_json_end(json);
    text_json_key(json, "why");
    text_json_str(json, why_echo());
    text_json_end(json);
}

/* An answer of the echo engine looks like one of a model at first. */
static void print_echo(const struct up *up)
{
    unsigned count = 0;
    for (uint16_t s = 0; s < up->fleet->service_count; s++)
        if (is_stand_in(up, s))
            printf("%s%.*s", count++ ? ", " : "\nno model answers for ",
                   SPAN_ARG(up->fleet->services[s].name));
    if (count > 0)
        printf(": the echo engine makes words up (%s)\n", why_echo());
}

static void print_ready_json(struct up *up)
{
    struct text json;
    text_init(&json, up->output, sizeof up->output);
    text_json_object(&json);
    text_json_key(&json, "ready");
    text_json_bool(&json, true);
    text_json_key(&json, "key");
    text_json_str(&json, up->state.client_key);
    text_json_key(&json, "regions");
    text_json_array(&json);
    for (uint16_t r = 0; r < up->fleet->region_count; r++) {
        const struct fleet_region *region = &up->fleet->regions[r];
        char url[64];
        snprintf(url, sizeof url, "http://127.0.0.1:%u",
                 fleet_port_gateway(up->fleet, (uint16_t)up->port_base, r));
        text_json_object(&json);
        text_json_key(&json, "region");
        text_json_span(&json, region->name);
        text_json_key(&json, "zone");
        text_json_span(&json, up->fleet->zones[region->zone]);
        text_json_key(&json, "gateway");
        text_json_str(&json, url);
        json_workers(up, r, &json);
        text_json_end(&json);
    }
    text_json_end(&json);
    text_json_key(&json, "services");
    text_json_array(&json);
    for (uint16_t s = 0; s < up->fleet->service_count; s++)
        text_json_span(&json, up->fleet->services[s].name);
    text_json_end(&json);
    json_echo(up, &json);
    text_json_end(&json);
    puts(up->output);
    fflush(stdout);
}

static unsigned count_workers(const struct up *up)
{
    unsigned count = 0;
    for (uint16_t w = 0; w < up->fleet->worker_count; w++)
        count += world_roster(up->world)->rows[w].is_wanted;
    return count;
}

static void print_ready_text(const struct up *up, int64_t after_us)
{
    const struct fleet *fleet = up->fleet;
    uint16_t base = (uint16_t)up->port_base;
    printf("\n%.*s is up after %.1f s: %u region%s, %u worker%s, %u service%s\n\n",
           SPAN_ARG(fleet->name), (double)after_us / 1e6, PLURAL(fleet->region_count),
           PLURAL(count_workers(up)), PLURAL(fleet->service_count));
    for (uint16_t r = 0; r < fleet->region_count; r++)
        printf("  %-22.*s zone %-6.*s http://127.0.0.1:%u\n", SPAN_ARG(fleet->regions[r].name),
               SPAN_ARG(fleet->zones[fleet->regions[r].zone]), fleet_port_gateway(fleet, base, r));
    print_echo(up);
    printf("\ntry it (the key is in %s/key)\n\n", up->state.path);
    printf("  export KEY=$(cat %s/key)\n", up->state.path);
    printf(
        "  curl -sN http://127.0.0.1:%u/v1/chat/completions -H \"authorization: Bearer $KEY\" \\\n"
        "    -H 'content-type: application/json' \\\n"
        "    -d '{\"model\":\"%.*s\",\"stream\":true,\"max_tokens\":48,\n"
        "         \"messages\":[{\"role\":\"user\",\"content\":\"It was a fine evening\"}]}'\n",
        fleet_port_gateway(fleet, base, 0), SPAN_ARG(fleet->services[0].name));
    printf("  curl -s http://127.0.0.1:%u/v1/models -H \"authorization: Bearer $KEY\"\n",
           fleet_port_gateway(fleet, base, 0));
    printf("\nin another terminal: farspan status, farspan chat, farspan fault %.*s kill\n"
           "Ctrl-C ends it\n\n",
           SPAN_ARG(fleet->regions[0].name));
    fflush(stdout);
}

static void show_ready(struct up *up, int64_t after_us)
{
    print_ready_text(up, after_us);
    if (up->view)
        up_view_start(up->view);
}

static void print_event_json(const struct world_event *event)
{
    char buffer[1024];
    struct text json;
    text_init(&json, buffer, sizeof buffer);
    text_json_object(&json);
    text_json_key(&json, "event");
    text_json_str(&json, event->event);
    text_json_key(&json, "process");
    text_json_span(&json, event->process);
    text_json_key(&json, "region");
    text_json_span(&json, event->region);
    text_json_key(&json, "status");
    text_json_i64(&json, event->status);
    text_json_key(&json, "after_s");
    text_json_double(&json, (double)event->after_us / 1e6);
    text_json_key(&json, "detail");
    text_json_str(&json, event->detail);
    text_json_end(&json);
    puts(buffer);
    fflush(stdout);
}

static void print_event_text(const struct world_event *event)
{
    if (strcmp(event->event, "died") == 0)
        printf("%.*s died after %.1f s (status %d)\n", SPAN_ARG(event->process),
               (double)event->after_us / 1e6, event->status);
    else if (strcmp(event->event, "given_up") == 0)
        printf("%.*s died %d times in a row and is left alone: see farspan logs, then "
               "farspan fault %.*s heal\n",
               SPAN_ARG(event->process), CHILD_DEATHS_MAX, SPAN_ARG(event->region));
    else if (event->detail)
        printf("%s %.*s: %s\n", event->event, SPAN_ARG(event->region), event->detail);
    else
        printf("%s %.*s\n", event->event, SPAN_ARG(event->process));
    fflush(stdout);
}

/* A model that cannot be loaded: the world would never be ready, and the engine's log is far away.
 */
static void fail_start(struct up *up, const struct world_event *event)
{
    fprintf(stderr, "farspan: %.*s: its engine cannot start: %s\n", SPAN_ARG(event->process),
            event->detail);
    up->exit_status = 1;
    world_stop(up->world);
}

static void on_event(void *user, const struct world_event *event)
{
    struct up *up = user;
    bool is_ready = strcmp(event->event, "ready") == 0;
    up_view_erase(up->view);
    if (strcmp(event->event, "engine_failed") == 0) {
        fail_start(up, event);
        return;
    }
    if (is_ready)
        write_world_file(up);
    if (is_ready && up->is_json)
        print_ready_json(up);
    else if (is_ready)
        show_ready(up, event->after_us);
    else if (up->is_json && world_is_ready(up->world))
        print_event_json(event);
    else if (!up->is_json)
        print_event_text(event);
}

static void on_stopped(void *user)
{
    struct up *up = user;
    net_loop_stop(up->loop);
}

static void on_signal(struct net_watch *watch, unsigned events)
{
    struct up *up = CONTAINER_OF(watch, struct up, signals);
    (void)events;
    while (os_signals_next(up->signal_fd) > 0) {
        up_view_free(up->view);
        up->view = NULL;
        if (!up->is_json)
            printf("\nstopping: streams still open have 4 s\n");
        world_stop(up->world);
    }
}

static void on_end_due(struct net_timer *timer)
{
    world_stop(CONTAINER_OF(timer, struct up, end)->world);
}

static bool say(const char *what, enum err err, const char *why)
{
    fprintf(stderr, "farspan: %s: %s\n", what, why[0] ? why : err_text(err));
    return false;
}

static bool open_world(struct up *up)
{
    char message[1024];
    struct text why;
    text_init(&why, message, sizeof message);
    const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    struct world_rules rules = {.file = up->file,
                                .fleet = up->fleet,
                                .room = up->room,
                                .state = &up->state,
                                .port_base = (uint16_t)up->port_base,
                                .is_echo = up->is_echo,
                                .model_file = up->model[0] ? up->model : NULL,
                                .on_event = on_event,
                                .on_stopped = on_stopped,
                                .user = up};
    enum err err = net_loop_new(&up->loop);
    if (!err)
        err = os_signals_open(signals, COUNT_OF(signals), &up->signal_fd);
    if (!err)
        err = net_loop_watch(up->loop, &up->signals, up->signal_fd, on_signal);
    if (!err)
        err = world_new(up->loop, &rules, &up->world, &why);
    if (!err && !up->is_json && isatty(STDOUT_FILENO))
        err = up_view_new(up->loop, up->fleet, (uint16_t)up->port_base, up->state.peer_secret,
                          &up->view, &why);
    net_timer_init(&up->end, on_end_due);
    if (!err && up->duration_us > 0)
        err = net_timer_set(up->loop, &up->end, net_loop_now_us(up->loop) + up->duration_us);
    return err ? say("cannot start the world", err, message) : true;
}

static int run(struct up *up, const char *state)
{
    char folder[STATE_PATH_MAX], message[1024];
    struct text why;
    state_default_path(folder);
    text_init(&why, message, sizeof message);
    enum err err = state_open(state ? state : folder, &up->state, &why);
    if (err) {
        say("the state folder", err, message);
        return 1;
    }
    if (!open_world(up)) {
        state_close(&up->state);
        return 1;
    }
    write_world_file(up);
    world_start(up->world);
    net_loop_run(up->loop);
    up_view_free(up->view);
    world_free(up->world);
    net_loop_free(up->loop);

    char path[STATE_PATH_MAX];
    if (state_file_path(up->state.path, "world.json", path) && os_file_remove(path))
        fprintf(stderr, "farspan: %s could not be removed\n", path);
    state_close(&up->state);
    return up->exit_status;
}

static bool load_all(struct up *up, const char *state, int64_t given_room, struct arena *arena)
{
    int64_t room = given_room < 0 ? load_room_count(up->file, state) : given_room;
    struct load_use use = {.is_echo = up->is_echo, .has_model = up->model[0]};
    if (!load_room(up->file, &up->port_base, room, arena, &up->room))
        return false;
    up->fleet = up->room.fleet;
    return load_has_models(up->file, up->fleet, use, arena);
}

int verb_up(int argc, char **argv)
{
    const char *file = NULL, *state = NULL, *model = NULL;
    struct up *up OS_FREED = os_alloc(sizeof *up);
    int64_t given_room = -1;
    void *memory OS_FREED = os_alloc(ARENA_SIZE);
    if (!up || !memory) {
        fprintf(stderr, "farspan: %s\n", err_text(ERR_MEMORY));
        return 1;
    }
    up->port_base = FLEET_PORT_BASE;
    net_watch_init(&up->signals);
    const struct option_row rows[] = {
        {"-f|--file", "FILE", "the world (examples/three-continents.yaml)", OPTION_TEXT, &file, 0,
         0},
        {"--json", NULL, "one JSON line when ready, then one an event", OPTION_FLAG, &up->is_json,
         0, 0},
        {"--state", "DIR", "state folder (~/.local/state/farspan)", OPTION_TEXT, &state, 0, 0},
        {"--port-base", "N", "first port (18080)", OPTION_NUMBER, &up->port_base, 1024, 65000},
        {"--room", "N", "places a region for workers that apply starts (0; 4 with a plan)",
         OPTION_NUMBER, &given_room, 0, ROOM_MAX},
        {"--duration", "TIME", "end by itself after this time", OPTION_TIME, &up->duration_us, 0,
         0},
        {"--model", "FILE.gguf", "serve this file instead of the shipped one", OPTION_TEXT, &model,
         0, 0},
        {"--echo", NULL, "run llama services on the echo engine", OPTION_FLAG, &up->is_echo, 0, 0},
    };
    const struct option_usage usage = {
        "farspan up [-f FILE] [--model FILE.gguf] [--state DIR] [--port-base N] "
        "[--room N] [--duration TIME]",
        "Runs the world of a farspan.yaml on this machine, without root or containers: a gateway "
        "a\n"
        "region, its workers, and an emulated link for each pair of places. What dies is started\n"
        "again. Ends with Ctrl-C or SIGTERM within 5 s and leaves nothing behind.",
        "farspan up -f examples/three-continents.yaml",
        rows,
        COUNT_OF(rows),
        0,
        0};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;
    up->is_echo |= !WITH_LLAMA;
    if (model && up->is_echo)
        return options_refuse(&usage, "--model needs the engine llama, and %s",
                              WITH_LLAMA ? "--echo stands in for it" : "this build has none");
    char found[STATE_PATH_MAX];
    if (!file && !world_client_data("examples/three-continents.yaml", found))
        return 1;
    if (!load_absolute(file ? file : found, up->file) ||
        (model && !load_absolute(model, up->model)))
        return 1;
    struct arena arena;
    arena_init(&arena, memory, ARENA_SIZE);
    return load_all(up, state, given_room, &arena) ? run(up, state) : 1;
}
