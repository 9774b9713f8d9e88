#include "worker/wire_io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL };

enum err wire_pair(int ret_fds[2])
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
        return ERR_IO;
    /* Room for a burst of small frames of many streams. */
    int size = 1 << 20;
    for (int i = 0; i < 2; i++)
        if (setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size) < 0) {
            close(fds[0]);
            close(fds[1]);
            return ERR_IO;
        }
    ret_fds[0] = fds[0];
    ret_fds[1] = fds[1];
    return ERR_OK;
}

static enum err write_all(int fd, struct span payload)
{
    while (payload.n) {
        ssize_t n = write(fd, payload.p, payload.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_IO;
        payload.p += n;
        payload.n -= (size_t)n;
    }
    return ERR_OK;
}

static enum err seal(struct span payload, int *ret_fd)
{
    int fd = memfd_create("farspan-frame", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return ERR_IO;
    if (write_all(fd, payload) || fcntl(fd, F_ADD_SEALS, SEALS) < 0) {
        close(fd);
        return ERR_IO;
    }
    *ret_fd = fd;
    return ERR_OK;
}

static enum err send_message(int fd, struct iovec *parts, size_t count, int memory)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    if (memory >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &memory, sizeof memory);
    }
    for (;;) {
        if (sendmsg(fd, &message, MSG_NOSIGNAL) >= 0)
            return ERR_OK;
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
            return ERR_AGAIN;
        return errno == EPIPE || errno == ECONNRESET ? ERR_CLOSED : ERR_IO;
    }
}

enum err wire_send(int fd, const struct frame *frame, struct span payload)
{
    if (payload.n > LIMIT_FRAME_PAYLOAD)
        return ERR_FULL;
    struct frame full = *frame;
    full.length = (uint32_t)payload.n;
    full.flags = payload.n > LIMIT_FRAME_INLINE ? FRAME_MEMFD : 0;
    uint8_t header[FRAME_HEADER_SIZE];
    frame_encode(&full, header);
    struct iovec parts[2] = {{header, sizeof header}, {(void *)payload.p, payload.n}};
    if (!(full.flags & FRAME_MEMFD))
        return send_message(fd, parts, payload.n ? 2 : 1, -1);
    int memory;
    enum err err = seal(payload, &memory);
    if (err)
        return err;
    err = send_message(fd, parts, 1, memory);
    close(memory);
    return err;
}

static int passed_descriptor(struct msghdr *message)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(message);
    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
        c->cmsg_len != CMSG_LEN(sizeof(int)))
        return -1;
    int fd;
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

/* A sealed memory of exactly the length that the header says: nobody can change or cut it while it
 * is read. */
static enum err map_payload(int memory, struct wire_received *received)
{
    struct stat about;
    if (memory < 0 || fstat(memory, &about) < 0)
        return ERR_SYNTAX;
    int seals = fcntl(memory, F_GET_SEALS);
    if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_WRITE)) != (F_SEAL_SHRINK | F_SEAL_WRITE) ||
        about.st_size != (off_t)received->frame.length || about.st_size == 0)
        return ERR_SYNTAX;
    void *mapped = mmap(NULL, received->frame.length, PROT_READ, MAP_SHARED, memory, 0);
    if (mapped == MAP_FAILED)
        return ERR_MEMORY;
    received->mapped = mapped;
    received->payload = span_from(mapped, received->frame.length);
    return ERR_OK;
}

enum err wire_receive(int fd, struct wire_received *received)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {received->buffer, WIRE_BUFFER_SIZE};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t n;
    do
        n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? ERR_AGAIN : ERR_CLOSED;
    if (n == 0)
        return ERR_CLOSED;

    int memory = passed_descriptor(&message);
    received->mapped = NULL;
    enum err err = n < FRAME_HEADER_SIZE || (message.msg_flags & MSG_TRUNC)
                       ? ERR_SYNTAX
                       : frame_decode(received->buffer, &received->frame);
    size_t inline_size = n < FRAME_HEADER_SIZE ? 0 : (size_t)n - FRAME_HEADER_SIZE;
    if (!err && (received->frame.flags & FRAME_MEMFD))
        err = inline_size ? ERR_SYNTAX : map_payload(memory, received);
    else if (!err && inline_size != received->frame.length)
        err = ERR_SYNTAX;
    else if (!err)
        received->payload = span_from((char *)received->buffer + FRAME_HEADER_SIZE, inline_size);
    if (memory >= 0)
        close(memory);
    return err;
}

void wire_release(struct wire_received *received)
{
    if (received->mapped)
        munmap(received->mapped, received->payload.n);
    received->mapped = NULL;
}
