/* loop.h: one thread's event loop: edge-triggered epoll, timers, and work that waits for the end of
 * a batch.
 *
 * A loop owns its watches and timers; nobody else touches them. The one door from other threads is
 * net_loop_post(). Each descriptor is given to epoll once (in, out, hang-up, edge-triggered) and
 * never changed: a handler reads or writes until ERR_AGAIN and remembers what it could not do.
 * Handlers may add and remove any watch or timer, their own too: a removed watch gets no further
 * event, not even one of the same batch. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* HANGUP: the peer has ended its side, or the connection broke; reading tells which. It comes with
 * IN, and when broken with OUT too. */
enum { NET_IN = 1, NET_OUT = 2, NET_HANGUP = 4 };

struct net_loop;

struct net_watch {
    int fd; /* -1: not watched */
    void (*on_ready)(struct net_watch *watch, unsigned events);
};

/* Setting one that is set to a later time, the usual life of a time limit, costs one store. One set
 * to now or to the past is due in the next round. */
struct net_timer {
    int64_t due_us;
    int32_t heap_index; /* -1: not set */
    void (*on_due)(struct net_timer *timer);
};

/* Runs once, after the handlers of the current batch; one that is deferred by a running task comes
 * a round later. For freeing what a handler still stands on. */
struct net_task {
    struct net_task *next;
    bool is_queued;
    void (*run)(struct net_task *task);
};

MUST_USE enum err net_loop_new(struct net_loop **ret_loop);
void net_loop_free(struct net_loop *loop); /* NULL is fine */

/* Until net_loop_stop(). A round: wait for events at most until the next timer, handle them, then
 * the timers that are due, then the deferred tasks. */
void net_loop_run(struct net_loop *loop);
void net_loop_run_once(struct net_loop *loop, int64_t wait_max_us);
void net_loop_stop(struct net_loop *loop); /* from a handler; from elsewhere by net_loop_post */

/* Monotonic, read once a round. */
int64_t net_loop_now_us(const struct net_loop *loop);

void net_watch_init(struct net_watch *watch);

/* ERR_FULL: a descriptor beyond LIMIT_LOOP_WATCHES; ERR_MEMORY; ERR_IO. */
MUST_USE enum err net_loop_watch(struct net_loop *loop, struct net_watch *watch, int fd,
                                 void (*on_ready)(struct net_watch *, unsigned));
void net_loop_unwatch(struct net_loop *loop,
                      struct net_watch *watch); /* before closing the fd; twice is fine */

/* The same for a descriptor that is closed right after: saves a system call. */
void net_loop_unwatch_closing(struct net_loop *loop, struct net_watch *watch);

void net_timer_init(struct net_timer *timer, void (*on_due)(struct net_timer *));
MUST_USE enum err net_timer_set(struct net_loop *loop, struct net_timer *timer,
                                int64_t due_us); /* moves one that is set */
void net_timer_clear(struct net_loop *loop, struct net_timer *timer);

void net_loop_defer(struct net_loop *loop, struct net_task *task);

/* From any thread: <run>(<argument>) on the loop's thread. Bounded queue: ERR_FULL. */
MUST_USE enum err net_loop_post(struct net_loop *loop, void (*run)(void *), void *argument);

/* Accepting: each ready connection's fd (non-blocking, TCP_NODELAY, keepalive) to <on_accept>, at
 * most 64 a round; when descriptors run out, accepting pauses 100 ms. reuse_port: several loops
 * share the address. net_listen initialises; <on_accept> and <user> are set before. <on_accept> may
 * close the listener. In listener.c. */
struct net_listener {
    struct net_watch watch;
    struct net_loop *loop;
    struct net_timer pause;
    void *user;
    void (*on_accept)(struct net_listener *listener, int fd);
};

struct net_address;
struct text;
MUST_USE enum err net_listen(struct net_listener *listener, struct net_loop *loop,
                             const struct net_address *address, bool reuse_port, struct text *why);
void net_listener_close(struct net_listener *listener); /* twice is fine */

/* Where it listens: tells the port that was asked for as 0. */
void net_listener_address(const struct net_listener *listener, struct net_address *ret_address);

#endif
