#include "net/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "net/address.h"
#include "net/socket.h"
#include "os/errno.h"
#include "os/fault.h"

enum { ACCEPTS_A_ROUND = 64, BACKLOG = 4096, PAUSE_US = 100 * 1000 };

/* The pause is always set, far away when there is none: so it has its place in the loop's heap,
 * and moving it cannot fail where accepting failed for lack of memory. */
static const int64_t never_us = INT64_C(1) << 60;

static void set_pause(struct net_listener *listener, int64_t due_us)
{
    CHECK(net_timer_set(listener->loop, &listener->pause, due_us) == ERR_OK);
}

/* Edge-triggered: what is left now is not told again, so the next round comes back by itself. */
static void accept_some(struct net_listener *listener)
{
    int64_t now_us = net_loop_now_us(listener->loop);
    for (int i = 0; i < ACCEPTS_A_ROUND; i++) {
        int fd = os_fault_fails(OS_FAULT_SOCKET)
                     ? -1
                     : accept4(listener->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            listener->on_accept(listener, fd);
            if (listener->watch.fd < 0)
                return;
            continue;
        }
        if (errno == EAGAIN)
            return;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            set_pause(listener, now_us + PAUSE_US);
            return;
        }
        /* Any other error is of one connection that broke before it was accepted. */
    }
    set_pause(listener, now_us);
}

static void on_ready(struct net_watch *watch, unsigned events)
{
    if (events & NET_IN)
        accept_some(CONTAINER_OF(watch, struct net_listener, watch));
}

static void on_pause_over(struct net_timer *timer)
{
    struct net_listener *listener = CONTAINER_OF(timer, struct net_listener, pause);
    set_pause(listener, never_us);
    accept_some(listener);
}

static enum err open_listening(const struct net_address *address, bool reuse_port, int *ret_fd)
{
    int fd;
    enum err err = net_socket_open(address, &fd);
    if (err != ERR_OK)
        return err;
    const int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) ||
        os_fault_fails(OS_FAULT_SOCKET) || bind(fd, &address->u.any, address->size) != 0 ||
        listen(fd, BACKLOG) != 0) {
        err = os_err_of(errno);
        close(fd);
        return err;
    }
    *ret_fd = fd;
    return ERR_OK;
}

enum err net_listen(struct net_listener *listener, struct net_loop *loop,
                    const struct net_address *address, bool reuse_port, struct text *why)
{
    CHECK(listener->on_accept);
    listener->loop = loop;
    net_watch_init(&listener->watch);
    net_timer_init(&listener->pause, on_pause_over);

    int fd = -1;
    enum err err = open_listening(address, reuse_port, &fd);
    if (err == ERR_OK) {
        err = net_loop_watch(loop, &listener->watch, fd, on_ready);
        if (err != ERR_OK)
            close(fd);
    }
    if (err == ERR_OK) {
        err = net_timer_set(loop, &listener->pause, never_us);
        if (err != ERR_OK)
            net_listener_close(listener);
    }
    if (err != ERR_OK && why) {
        text_add(why, "cannot listen on ");
        net_address_print(address, why);
        text_add(why, ": %s", err == ERR_EXISTS ? "the port is in use" : err_text(err));
    }
    return err;
}

void net_listener_close(struct net_listener *listener)
{
    int fd = listener->watch.fd;
    if (fd < 0)
        return;
    net_timer_clear(listener->loop, &listener->pause);
    net_loop_unwatch_closing(listener->loop, &listener->watch);
    close(fd);
}

void net_listener_address(const struct net_listener *listener, struct net_address *ret_address)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    CHECK(getsockname(listener->watch.fd, (struct sockaddr *)&name, &size) == 0);
    CHECK(size <= sizeof ret_address->u.bytes);
    memset(ret_address, 0, sizeof *ret_address);
    memcpy(ret_address->u.bytes, &name, size);
    ret_address->size = size;
}
