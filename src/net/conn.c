#include "net/conn.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "net/socket.h"
#include "net/tls.h"
#include "os/errno.h"
#include "os/fault.h"

enum { PARTS_MAX = 16 };

static void on_ready(struct net_watch *watch, unsigned events);

void net_conn_init(struct net_conn *conn)
{
    *conn = (struct net_conn){.failure = ERR_OK};
    net_watch_init(&conn->watch);
}

static enum err start(struct net_conn *conn, struct net_loop *loop, int fd,
                      void (*on_event)(struct net_conn *, unsigned))
{
    CHECK(on_event);
    conn->loop = loop;
    conn->on_event = on_event;
    enum err err = net_loop_watch(loop, &conn->watch, fd, on_ready);
    if (err != ERR_OK)
        close(fd);
    return err;
}

enum err net_conn_adopt(struct net_conn *conn, struct net_loop *loop, int fd,
                        void (*on_event)(struct net_conn *, unsigned))
{
    net_conn_init(conn);
    conn->may_read = conn->may_write = true;
    return start(conn, loop, fd, on_event);
}

static enum err open_connecting(const struct net_address *address, int *ret_fd)
{
    int fd;
    enum err err = net_socket_open(address, &fd);
    if (err != ERR_OK)
        return err;
    if (os_fault_fails(OS_FAULT_SOCKET) ||
        (connect(fd, &address->u.any, address->size) != 0 && errno != EINPROGRESS)) {
        err = os_err_of(errno);
        close(fd);
        return err;
    }
    *ret_fd = fd;
    return ERR_OK;
}

enum err net_conn_dial(struct net_conn *conn, struct net_loop *loop,
                       const struct net_address *address, struct net_tls_client *tls,
                       struct span host, void (*on_event)(struct net_conn *, unsigned))
{
    net_conn_init(conn);
    conn->is_connecting = true;
    if (tls) {
        enum err err = net_tls_new(tls, conn, host, &conn->tls);
        if (err != ERR_OK)
            return err;
    }
    int fd = -1;
    enum err err = open_connecting(address, &fd);
    if (err == ERR_OK)
        err = start(conn, loop, fd, on_event);
    if (err != ERR_OK) {
        net_tls_free(conn->tls);
        conn->tls = NULL;
    }
    return err;
}

static enum err socket_error(int fd)
{
    int error_number = 0;
    socklen_t size = sizeof error_number;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error_number, &size) != 0)
        return os_err_of(errno);
    return error_number ? os_err_of(error_number) : ERR_OK;
}

/* A step towards standing; false: not yet. */
static bool is_settled(struct net_conn *conn, unsigned events)
{
    if (!(events & (NET_OUT | NET_HANGUP)) && !conn->tls)
        return false;
    if (events & NET_HANGUP)
        conn->failure = socket_error(conn->watch.fd);
    if (conn->failure == ERR_OK && conn->tls) {
        enum err err = net_tls_shake(conn->tls);
        if (err == ERR_AGAIN)
            return false;
        conn->failure = err;
    }
    return true;
}

static void on_ready(struct net_watch *watch, unsigned events)
{
    struct net_conn *conn = CONTAINER_OF(watch, struct net_conn, watch);
    conn->may_read = conn->may_read || (events & NET_IN);
    conn->may_write = conn->may_write || (events & NET_OUT);
    conn->is_hung_up = conn->is_hung_up || (events & NET_HANGUP);
    if (conn->is_connecting) {
        if (!is_settled(conn, events))
            return;
        conn->is_connecting = false;
        events |= NET_OUT;
    }
    /* TLS may have to read before it can write, and the other way round. */
    if (conn->tls)
        events |= NET_IN | NET_OUT;
    conn->on_event(conn, events);
}

enum err net_conn_read_plain(struct net_conn *conn, void *buffer, size_t size, size_t *ret_n)
{
    if (!conn->may_read)
        return ERR_AGAIN;
    ssize_t n;
    do {
        n = os_fault_fails(OS_FAULT_SOCKET) ? -1 : recv(conn->watch.fd, buffer, size, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        if (errno == EAGAIN)
            conn->may_read = false;
        return os_err_of(errno);
    }
    if (n == 0)
        return ERR_CLOSED;
    /* A short read has emptied the socket: asking again would only say so. What comes later is a
     * new event; an end that has come already is still to be read. */
    if ((size_t)n < size && !conn->is_hung_up)
        conn->may_read = false;
    *ret_n = (size_t)n;
    return ERR_OK;
}

static size_t size_of(const struct iovec *parts, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += parts[i].iov_len;
    return size;
}

/* One part, as most chunks of streams are, is spared the copying in of a message header: measured
 * 10 % of a relayed chunk. */
static ssize_t send_parts(int fd, const struct iovec *parts, int count)
{
    const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
    if (count == 1)
        return send(fd, parts->iov_base, parts->iov_len, flags);
    const struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts,
                                   .msg_iovlen = (size_t)count};
    return sendmsg(fd, &message, flags);
}

enum err net_conn_write_plain(struct net_conn *conn, const struct iovec *parts, int count,
                              size_t *ret_n)
{
    if (!conn->may_write) {
        *ret_n = 0;
        return ERR_AGAIN;
    }
    ssize_t n;
    do {
        n = os_fault_fails(OS_FAULT_SOCKET) ? -1 : send_parts(conn->watch.fd, parts, count);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        enum err err = os_err_of(errno);
        if (err == ERR_AGAIN) {
            conn->may_write = false;
            *ret_n = 0;
        }
        return err;
    }
    if ((size_t)n < size_of(parts, count))
        conn->may_write = false;
    *ret_n = (size_t)n;
    return ERR_OK;
}

enum err net_conn_read(struct net_conn *conn, void *buffer, size_t size, size_t *ret_n)
{
    CHECK(conn->watch.fd >= 0 && size > 0);
    if (conn->failure != ERR_OK)
        return conn->failure;
    if (conn->is_connecting)
        return ERR_AGAIN;
    if (conn->tls)
        return net_tls_read(conn->tls, buffer, size, ret_n);
    return net_conn_read_plain(conn, buffer, size, ret_n);
}

enum err net_conn_write(struct net_conn *conn, const struct iovec *parts, int count, size_t *ret_n)
{
    CHECK(conn->watch.fd >= 0 && count > 0 && count <= PARTS_MAX);
    if (conn->failure != ERR_OK)
        return conn->failure;
    if (conn->is_connecting) {
        *ret_n = 0;
        return ERR_AGAIN;
    }
    if (conn->tls)
        return net_tls_write(conn->tls, parts, count, ret_n);
    return net_conn_write_plain(conn, parts, count, ret_n);
}

enum err net_conn_check(struct net_conn *conn)
{
    CHECK(conn->watch.fd >= 0);
    return conn->failure != ERR_OK ? conn->failure : socket_error(conn->watch.fd);
}

const char *net_conn_refusal(const struct net_conn *conn)
{
    return conn->tls && conn->failure == ERR_DENIED ? net_tls_refusal(conn->tls) : NULL;
}

bool net_conn_is_quiet(struct net_conn *conn)
{
    char byte;
    size_t n;
    conn->may_read = true;
    return net_conn_read(conn, &byte, 1, &n) == ERR_AGAIN;
}

uint64_t net_conn_waiting(const struct net_conn *conn)
{
    int waiting = 0;
    return ioctl(conn->watch.fd, FIONREAD, &waiting) == 0 && waiting > 0 ? (uint64_t)waiting : 0;
}

void net_conn_end(struct net_conn *conn)
{
    CHECK(conn->watch.fd >= 0);
    if (conn->tls)
        net_tls_end(conn->tls);
    /* Fails where the peer has reset already, which the next read tells. */
    if (shutdown(conn->watch.fd, SHUT_WR) != 0)
        conn->is_hung_up = conn->may_read = true;
}

void net_conn_close(struct net_conn *conn)
{
    int fd = conn->watch.fd;
    if (fd < 0)
        return;
    if (conn->tls)
        net_tls_end(conn->tls);
    net_tls_free(conn->tls);
    conn->tls = NULL;
    net_loop_unwatch_closing(conn->loop, &conn->watch);
    close(fd);
}

void net_conn_reset(struct net_conn *conn)
{
    int fd = conn->watch.fd;
    if (fd < 0)
        return;
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    net_tls_free(conn->tls);
    conn->tls = NULL;
    net_conn_close(conn);
}
