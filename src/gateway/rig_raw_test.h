/* rig_raw_test.h: peers of a rig (rig_test.h) that speak raw bytes: they say what no honest server
 * or client would, and stop where they like. */
#ifndef GATEWAY_RIG_RAW_TEST_H
#define GATEWAY_RIG_RAW_TEST_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "gateway/rig_test.h"

/* A server of raw bytes in the place of rig server <i>, into whose sockets little fits. */
RIG_UNUSED static int raw_listen(const struct rig *rig, unsigned i)
{
    const int on = 1, little = 8 * 1024, segment = 536;
    unsigned long port = strtoul(strrchr(rig->urls[i], ':') + 1, NULL, 10);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little), 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

/* The next request that comes there, probes left out: its socket, of which <buffer> was read. */
RIG_UNUSED static int raw_accept(struct rig *rig, int listener, char *buffer, size_t size)
{
    for (;;) {
        int fd = -1;
        RIG_UNTIL(rig, fd >= 0 || (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0);
        ssize_t n = -1;
        RIG_UNTIL(rig, n > 0 || (n = recv(fd, buffer, size - 1, MSG_DONTWAIT)) > 0);
        buffer[n] = 0;
        if (strncmp(buffer, "POST ", 5) == 0)
            return fd;
        close(fd);
    }
}

/* Reads on; true when the peer has ended or given more than <size> bytes. */
RIG_UNUSED static bool raw_has_ended(int fd, size_t *got, size_t size)
{
    static char buffer[64 * 1024];
    ssize_t n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    *got += n > 0 ? (size_t)n : 0;
    return n == 0 || (n < 0 && errno != EAGAIN) || *got > size;
}

/* A client of the gateway. */
RIG_UNUSED static int raw_connect(const struct rig *rig)
{
    struct sockaddr_in door = {.sin_family = AF_INET,
                               .sin_port = htons(http_server_port(rig->gateway->loops[0]->server)),
                               .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&door, sizeof door), 0);
    return fd;
}

/* Bytes that fit the socket's buffers. */
RIG_UNUSED static void raw_say(int fd, const char *bytes, size_t n)
{
    assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
}

/* Leaves orderly, or by a break. */
RIG_UNUSED static void raw_leave(int fd, bool is_reset)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (is_reset)
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    close(fd);
}

#endif
