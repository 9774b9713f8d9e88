/* relay.c: the floor: bytes through, nothing read. One thread, epoll; each client connection
 * borrows one kept upstream connection for its life. usage: relay LISTEN_PORT UPSTREAM_PORT
 *
 * What a proxy costs above this is what it does; what this costs is the kernel's. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FDS_MAX = 65536, BUFFER_SIZE = 65536, EVENTS_MAX = 256 };

static int peer[FDS_MAX];
static bool is_upstream[FDS_MAX];
static int idle[FDS_MAX], idle_count;
static int epoll_fd;
static struct sockaddr_in upstream_address;
static char buffer[BUFFER_SIZE];

static void watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        perror("epoll_ctl");
}

static int take_upstream(void)
{
    if (idle_count > 0)
        return idle[--idle_count];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&upstream_address, sizeof upstream_address) < 0)
        return -1;
    is_upstream[fd] = true;
    peer[fd] = -1;
    watch(fd);
    return fd;
}

static void write_all(int fd, const char *bytes, ssize_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, bytes, (size_t)size, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return;
        if (n < 0) {
            usleep(20);
            continue;
        }
        bytes += n;
        size -= n;
    }
}

static void close_pair(int fd)
{
    int other = peer[fd];
    if (is_upstream[fd]) {
        for (int i = 0; i < idle_count; i++) {
            if (idle[i] == fd)
                idle[i] = idle[--idle_count];
        }
        if (other >= 0) {
            shutdown(other, SHUT_RDWR);
            peer[other] = -1;
        }
    } else if (other >= 0) {
        peer[other] = -1;
        idle[idle_count++] = other;
    }
    peer[fd] = -1;
    close(fd);
}

static void relay(int fd)
{
    ssize_t n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            close_pair(fd);
        return;
    }
    if (!is_upstream[fd] && peer[fd] < 0) {
        int upstream = take_upstream();
        if (upstream < 0) {
            close(fd);
            return;
        }
        peer[fd] = upstream;
        peer[upstream] = fd;
    }
    if (peer[fd] >= 0)
        write_all(peer[fd], buffer, n);
}

static void accept_all(int listener)
{
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        peer[fd] = -1;
        is_upstream[fd] = false;
        watch(fd);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    upstream_address = address;
    upstream_address.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) {
        perror("listen");
        return 1;
    }
    epoll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[EVENTS_MAX];
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) < 0)
        return 1;
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_all(listener);
            else
                relay(events[i].data.fd);
        }
    }
}
