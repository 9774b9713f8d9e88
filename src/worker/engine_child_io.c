#include "worker/engine_child_io.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/check.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/process.h"

enum { HANG_CHECK_US = 250 * 1000 };
#define LONG_LIFE_US (INT64_C(30) * 1000 * 1000)

struct engine_child_unsent {
    struct engine_child_unsent *next;
    struct frame frame;
    size_t size;
    char payload[];
};

static void on_timer(struct net_timer *timer);
static void on_wire(struct net_watch *watch, unsigned events);
static void on_process(struct net_watch *watch, unsigned events);

void engine_child_init(struct engine_child *child)
{
    child->state = ENGINE_CHILD_DOWN;
    child->pid = 0;
    child->pidfd = child->wire = -1;
    child->rest_us = ENGINE_CHILD_REST_US;
    if (child->hang_us == 0)
        child->hang_us = ENGINE_CHILD_HANG_US;
    child->in.buffer = os_alloc(WIRE_BUFFER_SIZE);
    CHECK(child->in.buffer);
    net_watch_init(&child->process_watch);
    net_watch_init(&child->wire_watch);
    net_timer_init(&child->timer, on_timer);
}

static void set_timer(struct engine_child *child, int64_t after_us)
{
    enum err err = net_timer_set(child->loop, &child->timer, os_now_us() + after_us);
    CHECK(!err); /* a timer that was set once has its place */
}

static void forget_unsent(struct engine_child *child)
{
    while (child->unsent_first) {
        struct engine_child_unsent *next = child->unsent_first->next;
        os_free(child->unsent_first);
        child->unsent_first = next;
    }
    child->unsent_last = NULL;
    child->unsent_bytes = 0;
}

static void close_wire(struct engine_child *child)
{
    net_loop_unwatch(child->loop, &child->wire_watch);
    if (child->wire >= 0)
        close(child->wire);
    child->wire = -1;
    forget_unsent(child);
}

/* After the process is gone, or was never there. */
static void rest(struct engine_child *child, int status)
{
    net_loop_unwatch(child->loop, &child->process_watch);
    if (child->pidfd >= 0)
        close(child->pidfd);
    child->pidfd = -1;
    child->pid = 0;
    close_wire(child);
    if (child->state == ENGINE_CHILD_STOPPED)
        return;
    if (os_now_us() - child->started_us >= LONG_LIFE_US)
        child->rest_us = ENGINE_CHILD_REST_US;
    child->state = ENGINE_CHILD_DOWN;
    child->deaths++;
    set_timer(child, child->rest_us);
    child->rest_us = child->rest_us < ENGINE_CHILD_REST_MAX_US / 2 ? 2 * child->rest_us
                                                                   : ENGINE_CHILD_REST_MAX_US;
    child->on_death(child, status);
}

static enum err spawn(struct engine_child *child, struct text *why)
{
    int fds[2];
    enum err err = wire_pair(fds);
    if (err)
        return err;
    const char *const argv[] = {os_self_path(), "engine", "--fd", "3", NULL};
    struct os_spawn spawn = {
        .argv = argv, .keep_fds = &fds[1], .keep_fd_count = 1, .dies_with_parent = true};
    err = os_spawn(&spawn, &child->pid, &child->pidfd, why);
    close(fds[1]);
    if (err) {
        child->pid = 0;
        child->pidfd = -1;
        close(fds[0]);
        return err;
    }
    child->wire = fds[0];
    if (fcntl(child->wire, F_SETFL, O_NONBLOCK) < 0)
        return ERR_IO;
    err = net_loop_watch(child->loop, &child->wire_watch, child->wire, on_wire);
    if (!err)
        err = net_loop_watch(child->loop, &child->process_watch, child->pidfd, on_process);
    return err;
}

void engine_child_start(struct engine_child *child)
{
    CHECK(child->state == ENGINE_CHILD_DOWN && child->pid == 0);
    char reason[256];
    struct text why;
    text_init(&why, reason, sizeof reason);
    child->epoch++;
    child->step = 0;
    child->started_us = child->step_us = os_now_us();
    child->was_killed_for_hang = false;
    child->state = ENGINE_CHILD_LOADING;
    enum err err = spawn(child, &why);
    if (err && child->pid) {
        engine_child_kill(child); /* half started: its end will be told by the pidfd, or at once */
        if (child->process_watch.fd < 0) {
            int status = 0;
            while (os_reap(child->pid, &status) == ERR_AGAIN)
                usleep(1000);
            rest(child, status);
        }
        return;
    }
    if (err) {
        rest(child, -1);
        return;
    }
    set_timer(child, HANG_CHECK_US);
    engine_child_send(child, FRAME_LOAD, 0, text_span(child->load));
}

void engine_child_kill(struct engine_child *child)
{
    /* One that is gone already is fine: its pidfd tells. */
    if (child->pid && os_signal(child->pid, SIGKILL))
        return;
}

static void keep_unsent(struct engine_child *child, const struct frame *frame, struct span payload)
{
    struct engine_child_unsent *unsent = NULL;
    if (child->unsent_bytes + payload.n <= ENGINE_CHILD_UNSENT_MAX)
        unsent = os_alloc(sizeof *unsent + payload.n);
    if (!unsent) {
        engine_child_kill(child);
        return;
    }
    unsent->next = NULL;
    unsent->frame = *frame;
    unsent->size = payload.n;
    if (payload.n)
        memcpy(unsent->payload, payload.p, payload.n);
    if (child->unsent_last)
        child->unsent_last->next = unsent;
    else
        child->unsent_first = unsent;
    child->unsent_last = unsent;
    child->unsent_bytes += payload.n + sizeof *unsent;
}

static void flush(struct engine_child *child)
{
    while (child->unsent_first) {
        struct engine_child_unsent *unsent = child->unsent_first;
        enum err err =
            wire_send(child->wire, &unsent->frame, span_from(unsent->payload, unsent->size));
        if (err == ERR_AGAIN)
            return;
        if (err) {
            engine_child_kill(child);
            return;
        }
        child->unsent_first = unsent->next;
        if (!child->unsent_first)
            child->unsent_last = NULL;
        child->unsent_bytes -= unsent->size + sizeof *unsent;
        os_free(unsent);
    }
}

bool engine_child_send(struct engine_child *child, enum frame_type type, uint32_t request,
                       struct span payload)
{
    if (child->wire < 0)
        return false;
    struct frame frame = {.type = (uint8_t)type, .request = request, .epoch = child->epoch};
    enum err err = ERR_AGAIN;
    if (!child->unsent_first)
        err = wire_send(child->wire, &frame, payload);
    if (err == ERR_AGAIN)
        keep_unsent(child, &frame, payload);
    else if (err)
        engine_child_kill(child);
    return true;
}

void engine_child_work_began(struct engine_child *child)
{
    child->step_us = os_now_us();
}

static void on_timer(struct net_timer *timer)
{
    struct engine_child *child = CONTAINER_OF(timer, struct engine_child, timer);
    if (child->state == ENGINE_CHILD_DOWN) {
        engine_child_start(child);
        return;
    }
    int64_t now_us = os_now_us();
    bool is_late = child->state == ENGINE_CHILD_LOADING
                       ? now_us - child->step_us > ENGINE_CHILD_LOAD_US
                       : child->has_work(child) && now_us - child->step_us > child->hang_us;
    if (is_late && child->pid) {
        child->was_killed_for_hang = true;
        engine_child_kill(child);
    }
    set_timer(child, HANG_CHECK_US);
}

static void on_wire(struct net_watch *watch, unsigned events)
{
    struct engine_child *child = CONTAINER_OF(watch, struct engine_child, wire_watch);
    if (events & NET_OUT)
        flush(child);
    for (uint64_t life = child->epoch; child->wire >= 0 && child->epoch == life;) {
        enum err err = wire_receive(child->wire, &child->in);
        if (err == ERR_AGAIN)
            return;
        if (err) { /* its end, or nonsense: either way this life is over */
            engine_child_kill(child);
            net_loop_unwatch(child->loop, &child->wire_watch);
            return;
        }
        const struct frame *frame = &child->in.frame;
        if (frame->epoch == child->epoch) {
            if (frame->step > child->step || frame->type == FRAME_READY) {
                child->step = frame->step;
                child->step_us = os_now_us();
            }
            if (frame->type == FRAME_READY)
                child->state = ENGINE_CHILD_READY;
            child->on_frame(child, frame, child->in.payload);
        }
        wire_release(&child->in);
    }
}

static void on_process(struct net_watch *watch, unsigned events)
{
    struct engine_child *child = CONTAINER_OF(watch, struct engine_child, process_watch);
    int status = 0;
    if (!events || os_reap(child->pid, &status) == ERR_AGAIN)
        return;
    /* What it said before it died is still in the socket. */
    if (child->wire_watch.fd >= 0)
        on_wire(&child->wire_watch, NET_IN);
    rest(child, status);
}

void engine_child_fini(struct engine_child *child)
{
    child->state = ENGINE_CHILD_STOPPED;
    net_timer_clear(child->loop, &child->timer);
    net_loop_unwatch(child->loop, &child->process_watch);
    if (child->wire >= 0)
        engine_child_send(child, FRAME_QUIT, 0, (struct span){0, 0});
    close_wire(child);
    int status = 0;
    for (unsigned i = 0; child->pid && os_reap(child->pid, &status) == ERR_AGAIN; i++) {
        if (i == 200)
            engine_child_kill(child);
        usleep(1000);
    }
    rest(child, status);
    os_free(child->in.buffer);
    child->in.buffer = NULL;
}
