/* verb_demo.c: the main job in two minutes: a world, a recorded hour's traffic, a region that dies
 * and comes back. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/demo_report.h"
#include "cli/load.h"
#include "cli/options.h"
#include "cli/screen.h"
#include "cli/verbs.h"
#include "cli/world_client.h"
#include "fleet/layout.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/memory.h"
#include "os/process.h"

enum {
    ARENA_SIZE = 128 << 20,
    OUTPUT_MAX = 256 * 1024,
    READY_WAIT_US = 60 * 1000 * 1000,
    REFRESH_US = 500 * 1000,
    LINE_US = 5 * 1000 * 1000,
    CONTEXT_TOKENS = 512,
    /* The trace's busiest two minutes bring 8.2 chats a second. With these, answers (66 tokens in
     * the mean once clipped, about 50 since the model ends some of them itself) and prompts fill
     * the three text workers (16 streams of 19.8 tokens/s each) to a half, and the two that are
     * left after the kill to four fifths. */
    OUTPUT_MEAN = 80,
    OUTPUT_TOKENS_MAX = 144
};

struct demo {
    struct net_loop *loop;
    struct arena arena;
    const struct fleet *fleet;
    struct demo_plan plan;
    struct demo_run *run;
    struct demo_view view;
    struct world_client world;
    pid_t world_pid;
    int world_pidfd;
    struct net_watch world_watch, signals;
    int signal_fd;
    struct net_timer refresh;
    bool is_terminal, is_done, is_broken, is_echo, no_kill, is_json;
    struct screen screen;
    const char *file, *state, *trace, *report;
    int64_t port_base, duration_us, kill_at_us, heal_at_us;
    double speed;
    char folder[STATE_PATH_MAX], file_path[STATE_PATH_MAX];
    char output[OUTPUT_MAX];
};

/* With --json standard output is the report's alone: the rest goes beside it. */
static FILE *talk_to(const struct demo *demo)
{
    return demo->is_json ? stderr : stdout;
}

static void end_demo(struct demo *demo, const char *why)
{
    if (why) {
        fprintf(stderr, "farspan: %s\n", why);
        demo->is_broken = true;
    }
    net_loop_stop(demo->loop);
}

static void fill_view(struct demo *demo)
{
    struct demo_view *view = &demo->view;
    view->fleet = demo->fleet;
    view->plan = &demo->plan;
    view->stats = demo_run_stats(demo->run);
    view->elapsed_us = demo_run_elapsed_us(demo->run);
    view->duration_us = demo->duration_us;
    view->open_count = demo_run_open(demo->run);
    view->is_echo = demo->is_echo;
    view->is_down = view->kill_region != FLEET_NONE && view->elapsed_us >= demo->kill_at_us &&
                    view->elapsed_us < demo->heal_at_us;
    view->explanation = demo_run_explanation(demo->run);
}

static void show(struct demo *demo)
{
    struct text text;
    text_init(&text, demo->output, sizeof demo->output);
    fill_view(demo);
    if (!demo->is_terminal) {
        demo_line_print(&demo->view, &text);
        fputs(demo->output, talk_to(demo));
        fflush(stdout);
        return;
    }
    demo->view.interval_us = REFRESH_US;
    demo_table_print(&demo->view, screen_width(), &text);
    screen_draw(&demo->screen, text_span(&text));
}

static void on_refresh(struct net_timer *timer)
{
    struct demo *demo = CONTAINER_OF(timer, struct demo, refresh);
    show(demo);
    int64_t pause_us = demo->is_terminal ? REFRESH_US : LINE_US;
    if (net_timer_set(demo->loop, timer, os_now_us() + pause_us))
        end_demo(demo, "no room for a timer");
}

static void on_done(void *user)
{
    struct demo *demo = user;
    demo->is_done = true;
    end_demo(demo, NULL);
}

static void on_world_exit(struct net_watch *watch, unsigned events)
{
    struct demo *demo = CONTAINER_OF(watch, struct demo, world_watch);
    int status;
    (void)events;
    if (os_reap(demo->world_pid, &status) == ERR_AGAIN)
        return;
    net_loop_unwatch(demo->loop, watch);
    demo->world_pid = 0;
    end_demo(demo, "the world ended before the demo did; its log is in the state folder");
}

static void on_signal(struct net_watch *watch, unsigned events)
{
    struct demo *demo = CONTAINER_OF(watch, struct demo, signals);
    (void)events;
    while (os_signals_next(demo->signal_fd) > 0)
        end_demo(demo, "stopped before the end: no verdict");
}

static bool start_world(struct demo *demo)
{
    char port[16], log[STATE_PATH_MAX], logs[STATE_PATH_MAX], message[512];
    struct text why;
    text_init(&why, message, sizeof message);
    snprintf(port, sizeof port, "%lld", (long long)demo->port_base);
    if (!state_file_path(demo->folder, "log", logs) ||
        !state_file_path(demo->folder, "log/up.log", log) || os_folder_make(logs, &why)) {
        fprintf(stderr, "farspan: the state folder: %s\n", message);
        return false;
    }
    const char *argv[16] = {os_self_path(), "up",         "-f",          demo->file_path,
                            "--state",      demo->folder, "--port-base", port};
    if (demo->is_echo)
        argv[8] = "--echo";
    struct os_spawn spawn = {
        .argv = argv, .output_path = log, .dies_with_parent = true, .own_group = true};
    enum err err = os_spawn(&spawn, &demo->world_pid, &demo->world_pidfd, &why);
    if (!err)
        err = net_loop_watch(demo->loop, &demo->world_watch, demo->world_pidfd, on_world_exit);
    if (err)
        fprintf(stderr, "farspan: cannot start the world: %s\n", message);
    return !err;
}

/* Waits for the world's own word. The loop runs meanwhile, so that its death or a Ctrl-C ends the
 * waiting. */
static bool wait_ready(struct demo *demo)
{
    char path[STATE_PATH_MAX];
    if (!state_file_path(demo->folder, "world.json", path))
        return false;
    int64_t until_us = os_now_us() + READY_WAIT_US;
    while (os_now_us() < until_us && demo->world_pid && !demo->is_broken) {
        char buffer[256 * 1024], message[256];
        struct arena arena;
        struct text why;
        struct span content;
        arena_init(&arena, buffer, sizeof buffer);
        text_init(&why, message, sizeof message);
        if (!os_file_read(path, sizeof buffer / 2, &arena, &content, &why) &&
            memmem(content.p, content.n, "\"ready\":true", 12))
            return world_client_open(demo->folder, &demo->world);
        net_loop_run_once(demo->loop, 50 * 1000);
    }
    if (!demo->is_broken)
        fprintf(stderr, "farspan: the world was not ready in time: see %s/log\n", demo->folder);
    return false;
}

static void stop_world(struct demo *demo)
{
    if (!demo->world_pid)
        return;
    net_loop_unwatch(demo->loop, &demo->world_watch);
    if (os_signal(demo->world_pid, SIGTERM))
        return;
    int status;
    int64_t until_us = os_now_us() + 8 * 1000 * 1000;
    while (os_reap(demo->world_pid, &status) == ERR_AGAIN && os_now_us() < until_us)
        usleep(20 * 1000);
}

static bool make_plan(struct demo *demo)
{
    static char paths[4][STATE_PATH_MAX];
    const char *const names[] = {"data/azure-conversations.csv", "data/prompts.txt",
                                 "data/german-credit/german.data", "data/optdigits/optdigits.tes"};
    for (unsigned i = demo->trace ? 1 : 0; i < COUNT_OF(names); i++) {
        if (!world_client_data(names[i], paths[i]))
            return false;
    }
    struct demo_rules rules = {.fleet = demo->fleet,
                               .trace_path = demo->trace ? demo->trace : paths[0],
                               .text_path = paths[1],
                               .risk_path = paths[2],
                               .digits_path = paths[3],
                               .duration_us = demo->duration_us,
                               .speed = demo->speed,
                               .context_tokens = CONTEXT_TOKENS,
                               .output_mean = OUTPUT_MEAN,
                               .output_max = OUTPUT_TOKENS_MAX,
                               .seed = 1};
    char message[512];
    struct text why;
    text_init(&why, message, sizeof message);
    enum err err = demo_plan_make(&rules, &demo->arena, &demo->plan, &why);
    if (err)
        fprintf(stderr, "farspan: the plan of the demo: %s\n",
                message[0] ? message : err_text(err));
    return !err;
}

static bool start_run(struct demo *demo)
{
    char message[512];
    struct text why;
    text_init(&why, message, sizeof message);
    struct demo_run_rules rules = {.fleet = demo->fleet,
                                   .plan = &demo->plan,
                                   .port_base = (uint16_t)demo->port_base,
                                   .client_key = demo->world.state.client_key,
                                   .peer_secret = demo->world.state.peer_secret,
                                   .kill_region = demo->view.kill_region,
                                   .kill_at_us = demo->kill_at_us,
                                   .heal_at_us = demo->heal_at_us,
                                   .on_done = on_done,
                                   .user = demo};
    enum err err = demo_run_new(demo->loop, &rules, &demo->run, &why);
    if (err) {
        fprintf(stderr, "farspan: %s\n", message);
        return false;
    }
    fprintf(talk_to(demo),
            "world ready: %u region%s, %u worker%s; %u request%s (%u chat%s) over %lld s%s\n\n",
            PLURAL(demo->fleet->region_count), PLURAL(demo->fleet->worker_count),
            PLURAL(demo->plan.count), PLURAL(demo->plan.chat_count),
            (long long)(demo->duration_us / 1000000), demo->is_echo ? ", echo engine" : "");
    demo_run_start(demo->run);
    on_refresh(&demo->refresh);
    return true;
}

static bool write_report(const struct demo *demo, struct span json)
{
    char message[512];
    struct text why;
    text_init(&why, message, sizeof message);
    if (os_file_write(demo->report, json, 0644, &why) == ERR_OK)
        return true;
    fprintf(stderr, "farspan: the report: %s\n", message);
    return false;
}

static int conclude(struct demo *demo)
{
    struct text text;
    const char *reason;
    fill_view(demo);
    bool is_good = demo_is_good(&demo->view, &reason);
    text_init(&text, demo->output, sizeof demo->output);
    demo_report_print(&demo->view, &text);
    fputs(demo->output, talk_to(demo));
    text_init(&text, demo->output, sizeof demo->output);
    demo_report_json(&demo->view, &text);
    if (demo->report && !write_report(demo, text_span(&text)))
        return 1;
    if (demo->is_json)
        puts(demo->output);
    if (!is_good) {
        fprintf(stderr, "\nthe demo failed: %s\n  last failure seen: %s\n", reason,
                demo->view.stats->last_failure);
        return 1;
    }
    fprintf(talk_to(demo), "\nevery request was answered\n");
    return 0;
}

static int run(struct demo *demo)
{
    const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    enum err err = net_loop_new(&demo->loop);
    if (!err)
        err = os_signals_open(signals, COUNT_OF(signals), &demo->signal_fd);
    if (!err)
        err = net_loop_watch(demo->loop, &demo->signals, demo->signal_fd, on_signal);
    if (err) {
        fprintf(stderr, "farspan: %s\n", err_text(err));
        return 1;
    }
    int status = 1;
    net_timer_init(&demo->refresh, on_refresh);
    if (make_plan(demo) && start_world(demo) && wait_ready(demo) && start_run(demo)) {
        net_loop_run(demo->loop);
        net_timer_clear(demo->loop, &demo->refresh);
        if (demo->is_done && !demo->is_broken) {
            if (demo->is_terminal)
                show(demo);
            status = conclude(demo);
        }
        demo_run_free(demo->run);
    }
    world_client_close(&demo->world);
    stop_world(demo);
    net_loop_free(demo->loop);
    return status;
}

static bool prepare(struct demo *demo)
{
    char found[STATE_PATH_MAX];
    if (!demo->file && !world_client_data("examples/three-continents.yaml", found))
        return false;
    snprintf(demo->file_path, sizeof demo->file_path, "%s", demo->file ? demo->file : found);
    state_default_path(demo->folder);
    if (demo->state)
        snprintf(demo->folder, sizeof demo->folder, "%s", demo->state);
    struct load_use use = {.is_echo = demo->is_echo};
    if (!load_fleet(demo->file_path, &demo->port_base, &demo->arena, &demo->fleet) ||
        !load_has_models(demo->file_path, demo->fleet, use, &demo->arena))
        return false;
    if (demo->fleet->region_count < 2 && !demo->no_kill) {
        fprintf(stderr, "farspan: this world has one region, and nobody would be left when it is "
                        "killed: give --no-kill\n");
        return false;
    }
    demo->kill_at_us = demo->duration_us / 3;
    demo->heal_at_us = demo->duration_us * 2 / 3;
    demo->view.kill_region = demo->no_kill ? FLEET_NONE : 0;
    demo->is_terminal = !demo->is_json && isatty(STDOUT_FILENO);
    /* Two minutes are long for finding out that there is no such folder. */
    return !demo->report || write_report(demo, SPAN_LITERAL("{}\n"));
}

int verb_demo(int argc, char **argv)
{
    const char *speed = "1";
    struct demo *demo OS_FREED = os_alloc(sizeof *demo);
    void *memory OS_FREED = os_alloc(ARENA_SIZE);
    if (!demo || !memory) {
        fprintf(stderr, "farspan: %s\n", err_text(ERR_MEMORY));
        return 1;
    }
    demo->world.state.lock_fd = -1;
    demo->port_base = FLEET_PORT_BASE;
    demo->duration_us = 120 * 1000 * 1000;
    arena_init(&demo->arena, memory, ARENA_SIZE);
    net_watch_init(&demo->signals);
    net_watch_init(&demo->world_watch);
    const struct option_row rows[] = {
        {"-f|--file", "FILE", "the world (examples/three-continents.yaml)", OPTION_TEXT,
         &demo->file, 0, 0},
        {"--duration", "TIME", "of the replay (2min)", OPTION_TIME, &demo->duration_us, 0, 0},
        {"--speed", "X", "arrivals come X times faster (1)", OPTION_TEXT, &speed, 0, 0},
        {"--trace", "FILE", "arrival_ms,context_tokens,generated_tokens", OPTION_TEXT, &demo->trace,
         0, 0},
        {"--no-kill", NULL, "kill no region", OPTION_FLAG, &demo->no_kill, 0, 0},
        {"--report", "FILE.json", "write the report there", OPTION_TEXT, &demo->report, 0, 0},
        {"--json", NULL, "the report on standard output, the rest on standard error", OPTION_FLAG,
         &demo->is_json, 0, 0},
        {"--echo", NULL, "run llama services on the echo engine", OPTION_FLAG, &demo->is_echo, 0,
         0},
        {"--state", "DIR", "state folder (~/.local/state/farspan)", OPTION_TEXT, &demo->state, 0,
         0},
        {"--port-base", "N", "first port (18080)", OPTION_NUMBER, &demo->port_base, 1024, 65000},
    };
    const struct option_usage usage = {"farspan demo [--duration TIME] [--speed X] [--trace FILE] "
                                       "[--no-kill] [--report FILE.json]",
                                       "Starts three regions on this machine, with the real "
                                       "distances between them, and replays two\n"
                                       "minutes of a recorded hour of conversations from clients "
                                       "on three continents. At one third a\n"
                                       "whole region is killed, at two thirds it comes back. "
                                       "Succeeds if every request is answered.",
                                       "farspan demo --duration 30s --report demo.json",
                                       rows,
                                       COUNT_OF(rows),
                                       0,
                                       0};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;
    bool is_number = span_to_double(span_of(speed), &demo->speed);
    if (!is_number || demo->speed < 0.1 || demo->speed > 100)
        return options_refuse(&usage, "--speed X: expected a number from 0.1 to 100, found %s",
                              speed);
#ifndef FARSPAN_WITH_LLAMA
    demo->is_echo = true;
#endif
    status = prepare(demo) ? run(demo) : 1;
    return status;
}
