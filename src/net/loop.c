#include "net/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"
#include "net/timers.h"
#include "os/clock.h"
#include "os/errno.h"
#include "os/fault.h"
#include "os/memory.h"

enum { BATCH = 256, SEATS_MIN = 64, WAIT_US_MAX = 60 * 1000 * 1000 };

/* Who watches a descriptor. The generation rises with every watch of it and travels in epoll's word
 * beside the descriptor: an event of an earlier watch (of the same batch, or of a socket that a
 * child held open between fork and exec) is known by it and dropped. */
struct seat {
    struct net_watch *watch; /* NULL: free */
    uint32_t generation;
};

struct post {
    void (*run)(void *argument);
    void *argument;
};

struct net_loop {
    int epoll_fd;
    bool is_stopped, has_no_pwait2;
    int64_t now_us;
    struct seat *seats; /* by descriptor */
    uint32_t seat_count;
    struct timers timers;
    struct net_task *first_task, **last_task;

    struct net_watch post_watch;
    pthread_mutex_t post_lock; /* guards the ring */
    struct post posts[LIMIT_LOOP_POSTS];
    uint32_t post_first, post_count;
};

static unsigned events_of(uint32_t epoll_events)
{
    unsigned events = 0;
    if (epoll_events & EPOLLIN)
        events |= NET_IN;
    if (epoll_events & EPOLLOUT)
        events |= NET_OUT;
    if (epoll_events & EPOLLRDHUP)
        events |= NET_IN | NET_HANGUP;
    if (epoll_events & (EPOLLHUP | EPOLLERR))
        events |= NET_IN | NET_OUT | NET_HANGUP;
    return events;
}

static void run_posts(struct net_watch *watch, unsigned events)
{
    struct net_loop *loop = CONTAINER_OF(watch, struct net_loop, post_watch);
    if (!(events & NET_IN))
        return;
    uint64_t word;
    ssize_t n = read(watch->fd, &word, sizeof word);
    CHECK(n == sizeof word || errno == EAGAIN);

    pthread_mutex_lock(&loop->post_lock);
    uint32_t waiting = loop->post_count;
    pthread_mutex_unlock(&loop->post_lock);
    for (; waiting > 0; waiting--) {
        pthread_mutex_lock(&loop->post_lock);
        struct post post = loop->posts[loop->post_first];
        loop->post_first = (loop->post_first + 1) % LIMIT_LOOP_POSTS;
        loop->post_count--;
        pthread_mutex_unlock(&loop->post_lock);
        post.run(post.argument);
    }
}

enum err net_loop_post(struct net_loop *loop, void (*run)(void *), void *argument)
{
    pthread_mutex_lock(&loop->post_lock);
    bool has_room = loop->post_count < LIMIT_LOOP_POSTS;
    if (has_room) {
        uint32_t place = (loop->post_first + loop->post_count) % LIMIT_LOOP_POSTS;
        loop->posts[place] = (struct post){run, argument};
        loop->post_count++;
        /* Within the lock: afterwards the loop may have run the post and be freed. */
        CHECK(write(loop->post_watch.fd, &(uint64_t){1}, sizeof(uint64_t)) == sizeof(uint64_t));
    }
    pthread_mutex_unlock(&loop->post_lock);
    return has_room ? ERR_OK : ERR_FULL;
}

static enum err open_post(struct net_loop *loop)
{
    int fd = os_fault_fails(OS_FAULT_SOCKET) ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return os_err_of(errno);
    enum err err = net_loop_watch(loop, &loop->post_watch, fd, run_posts);
    if (err != ERR_OK)
        close(fd);
    return err;
}

enum err net_loop_new(struct net_loop **ret_loop)
{
    struct net_loop *loop = os_alloc(sizeof *loop);
    if (!loop)
        return ERR_MEMORY;
    net_watch_init(&loop->post_watch);
    timers_init(&loop->timers);
    loop->last_task = &loop->first_task;
    loop->now_us = os_now_us();
    CHECK(pthread_mutex_init(&loop->post_lock, NULL) == 0);
    loop->epoll_fd = os_fault_fails(OS_FAULT_SOCKET) ? -1 : epoll_create1(EPOLL_CLOEXEC);
    enum err err = loop->epoll_fd < 0 ? os_err_of(errno) : open_post(loop);
    if (err != ERR_OK) {
        net_loop_free(loop);
        return err;
    }
    *ret_loop = loop;
    return ERR_OK;
}

void net_loop_free(struct net_loop *loop)
{
    if (!loop)
        return;
    if (loop->post_watch.fd >= 0)
        close(loop->post_watch.fd);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    CHECK(pthread_mutex_destroy(&loop->post_lock) == 0);
    timers_fini(&loop->timers);
    os_free(loop->seats);
    os_free(loop);
}

static bool make_seat(struct net_loop *loop, uint32_t fd)
{
    if (fd < loop->seat_count)
        return true;
    uint32_t count = loop->seat_count ? loop->seat_count : SEATS_MIN;
    while (count <= fd)
        count *= 2;
    struct seat *seats = os_resize(loop->seats, count * sizeof *seats);
    if (!seats)
        return false;
    for (uint32_t i = loop->seat_count; i < count; i++)
        seats[i] = (struct seat){0};
    loop->seats = seats;
    loop->seat_count = count;
    return true;
}

void net_watch_init(struct net_watch *watch)
{
    *watch = (struct net_watch){.fd = -1};
}

enum err net_loop_watch(struct net_loop *loop, struct net_watch *watch, int fd,
                        void (*on_ready)(struct net_watch *, unsigned))
{
    CHECK(fd >= 0 && on_ready);
    if (fd >= LIMIT_LOOP_WATCHES)
        return ERR_FULL;
    if (!make_seat(loop, (uint32_t)fd))
        return ERR_MEMORY;
    struct seat *seat = &loop->seats[fd];
    CHECK(!seat->watch);
    uint32_t generation = seat->generation + 1;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.u64 = (uint64_t)generation << 32 | (uint32_t)fd};
    if (os_fault_fails(OS_FAULT_SOCKET) ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return os_err_of(errno);
    *seat = (struct seat){watch, generation};
    *watch = (struct net_watch){.fd = fd, .on_ready = on_ready};
    return ERR_OK;
}

void net_loop_unwatch_closing(struct net_loop *loop, struct net_watch *watch)
{
    if (watch->fd < 0)
        return;
    CHECK(loop->seats[watch->fd].watch == watch);
    loop->seats[watch->fd].watch = NULL;
    watch->fd = -1;
}

void net_loop_unwatch(struct net_loop *loop, struct net_watch *watch)
{
    if (watch->fd >= 0)
        CHECK(epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL) == 0);
    net_loop_unwatch_closing(loop, watch);
}

void net_timer_init(struct net_timer *timer, void (*on_due)(struct net_timer *))
{
    *timer = (struct net_timer){.heap_index = -1, .on_due = on_due};
}

enum err net_timer_set(struct net_loop *loop, struct net_timer *timer, int64_t due_us)
{
    /* Later than now: a timer that sets itself again cannot keep a round from ending. */
    return timers_set(&loop->timers, timer, due_us > loop->now_us ? due_us : loop->now_us + 1);
}

void net_timer_clear(struct net_loop *loop, struct net_timer *timer)
{
    timers_clear(&loop->timers, timer);
}

void net_loop_defer(struct net_loop *loop, struct net_task *task)
{
    if (task->is_queued)
        return;
    task->is_queued = true;
    task->next = NULL;
    *loop->last_task = task;
    loop->last_task = &task->next;
}

static void run_tasks(struct net_loop *loop)
{
    struct net_task *task = loop->first_task;
    loop->first_task = NULL;
    loop->last_task = &loop->first_task;
    while (task) {
        struct net_task *next = task->next;
        task->is_queued = false;
        task->run(task);
        task = next;
    }
}

static int64_t wait_us(struct net_loop *loop, int64_t wait_max_us)
{
    if (loop->first_task)
        return 0;
    if (wait_max_us > WAIT_US_MAX)
        wait_max_us = WAIT_US_MAX;
    int64_t due_us;
    if (!timers_first(&loop->timers, &due_us))
        return wait_max_us;
    int64_t left_us = due_us - os_now_us();
    if (left_us < 0)
        return 0;
    return left_us < wait_max_us ? left_us : wait_max_us;
}

static int wait_events(struct net_loop *loop, struct epoll_event *events, int64_t us)
{
    if (!loop->has_no_pwait2) {
        struct timespec wait = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
        int count = epoll_pwait2(loop->epoll_fd, events, BATCH, &wait, NULL);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM))
            return count;
        loop->has_no_pwait2 = true; /* before Linux 5.11, or hidden by a container */
    }
    return epoll_wait(loop->epoll_fd, events, BATCH, (int)((us + 999) / 1000));
}

static void dispatch(struct net_loop *loop, const struct epoll_event *event)
{
    uint32_t fd = (uint32_t)event->data.u64;
    const struct seat *seat = &loop->seats[fd];
    if (seat->watch && seat->generation == (uint32_t)(event->data.u64 >> 32))
        seat->watch->on_ready(seat->watch, events_of(event->events));
}

void net_loop_run_once(struct net_loop *loop, int64_t wait_max_us)
{
    struct epoll_event events[BATCH];
    int count = wait_events(loop, events, wait_us(loop, wait_max_us));
    CHECK(count >= 0 || errno == EINTR);
    loop->now_us = os_now_us();
    for (int i = 0; i < count; i++) {
        if (i + 1 < count) /* it comes while this one is handled */
            __builtin_prefetch(loop->seats[(uint32_t)events[i + 1].data.u64].watch);
        dispatch(loop, &events[i]);
    }
    struct net_timer *timer;
    while ((timer = timers_take_due(&loop->timers, loop->now_us)))
        timer->on_due(timer);
    run_tasks(loop);
}

void net_loop_run(struct net_loop *loop)
{
    loop->is_stopped = false;
    while (!loop->is_stopped)
        net_loop_run_once(loop, WAIT_US_MAX);
}

void net_loop_stop(struct net_loop *loop)
{
    loop->is_stopped = true;
}

int64_t net_loop_now_us(const struct net_loop *loop)
{
    return loop->now_us;
}
