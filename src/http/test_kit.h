/* test_kit.h: raw peers on loopback for the tests of server and client: everything runs on one loop
 * in one thread, and every wait is bounded. */
#ifndef HTTP_TEST_KIT_H
#define HTTP_TEST_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/span.h"
#include "net/loop.h"
#include "os/clock.h"

enum { KIT_PATIENCE_US = 5 * 1000 * 1000, KIT_ROUND_US = 2000 };

static inline int64_t kit_deadline(void)
{
    return os_now_us() + KIT_PATIENCE_US;
}

/* A few rounds of the loop, long enough for loopback to deliver. */
static inline void kit_settle(struct net_loop *loop)
{
    for (int i = 0; i < 6; i++)
        net_loop_run_once(loop, KIT_ROUND_US);
}

static inline void kit_run_for(struct net_loop *loop, int64_t us)
{
    int64_t end_us = os_now_us() + us;
    while (os_now_us() < end_us)
        net_loop_run_once(loop, KIT_ROUND_US);
}

static inline struct sockaddr_in kit_loopback(uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
}

static inline int kit_connect_with(uint16_t port, int receive_buffer)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (receive_buffer > 0)
        assert_int_equal(
            setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer), 0);
    struct sockaddr_in address = kit_loopback(port);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    const int on = 1;
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    return fd;
}

static inline int kit_connect(uint16_t port)
{
    return kit_connect_with(port, 0);
}

/* Into whose socket little fits: a slow reader is soon noticed. */
static inline int kit_connect_narrow(uint16_t port)
{
    return kit_connect_with(port, 16 * 1024);
}

static inline int kit_listen(uint16_t *ret_port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    struct sockaddr_in address = kit_loopback(0);
    socklen_t size = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* Runs the loop until somebody connects. */
static inline int kit_accept(struct net_loop *loop, int listen_fd)
{
    int64_t end_us = kit_deadline();
    while (os_now_us() < end_us) {
        int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            return fd;
        net_loop_run_once(loop, KIT_ROUND_US);
    }
    fail_msg("nobody connected");
    return -1;
}

/* What the peer's socket does not take at once goes out while the loop runs. False: it broke. */
static inline bool kit_send(struct net_loop *loop, int fd, const char *p, size_t n)
{
    int64_t end_us = kit_deadline();
    while (n > 0 && os_now_us() < end_us) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent > 0) {
            p += sent;
            n -= (size_t)sent;
        }
        net_loop_run_once(loop, sent > 0 ? 0 : KIT_ROUND_US);
    }
    return n == 0;
}

static inline bool kit_send_text(struct net_loop *loop, int fd, const char *text)
{
    return kit_send(loop, fd, text, strlen(text));
}

/* What a raw peer has received. */
struct kit_inbox {
    char *p;
    size_t n, room;
    bool is_ended, is_reset;
};

static inline void kit_inbox_clear(struct kit_inbox *inbox)
{
    free(inbox->p);
    *inbox = (struct kit_inbox){.n = 0};
}

/* One recv; false when nothing came. */
static inline bool kit_take(struct kit_inbox *inbox, int fd)
{
    if (inbox->room - inbox->n < 65536) {
        inbox->room = 2 * inbox->room + 131072;
        inbox->p = realloc(inbox->p, inbox->room);
        assert_non_null(inbox->p);
    }
    ssize_t n = recv(fd, inbox->p + inbox->n, inbox->room - inbox->n - 1, MSG_DONTWAIT);
    if (n > 0)
        inbox->n += (size_t)n;
    else if (n == 0)
        inbox->is_ended = true;
    else if (errno != EAGAIN)
        inbox->is_ended = inbox->is_reset = true;
    inbox->p[inbox->n] = '\0';
    return n > 0;
}

/* Until <count> bytes are there or the peer has ended. */
static inline void kit_receive(struct net_loop *loop, int fd, struct kit_inbox *inbox, size_t count)
{
    int64_t end_us = kit_deadline();
    while (inbox->n < count && !inbox->is_ended && os_now_us() < end_us)
        if (!kit_take(inbox, fd))
            net_loop_run_once(loop, KIT_ROUND_US);
}

/* How often <needle> stands behind *from, which moves to where a later one may begin. */
static inline unsigned kit_count_from(const struct kit_inbox *inbox, const char *needle,
                                      size_t *from)
{
    unsigned count = 0;
    size_t n = strlen(needle);
    const char *p;
    while (inbox->n > *from && (p = memmem(inbox->p + *from, inbox->n - *from, needle, n))) {
        count++;
        *from = (size_t)(p - inbox->p) + 1;
    }
    if (inbox->n >= *from + n)
        *from = inbox->n - n + 1;
    return count;
}

static inline unsigned kit_count(const struct kit_inbox *inbox, const char *needle)
{
    size_t from = 0;
    return kit_count_from(inbox, needle, &from);
}

/* Until <needle> was received <times> times. */
static inline bool kit_receive_text(struct net_loop *loop, int fd, struct kit_inbox *inbox,
                                    const char *needle, unsigned times)
{
    int64_t end_us = kit_deadline();
    size_t from = 0;
    unsigned count = kit_count_from(inbox, needle, &from);
    while (count < times && !inbox->is_ended && os_now_us() < end_us) {
        if (!kit_take(inbox, fd))
            net_loop_run_once(loop, KIT_ROUND_US);
        count += kit_count_from(inbox, needle, &from);
    }
    return count >= times;
}

static inline void kit_receive_all(struct net_loop *loop, int fd, struct kit_inbox *inbox)
{
    kit_receive(loop, fd, inbox, SIZE_MAX);
    assert_true(inbox->is_ended);
}

#endif
