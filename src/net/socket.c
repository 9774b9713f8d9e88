#include "net/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "os/errno.h"
#include "os/fault.h"

static const struct {
    int level, name, value;
} options[] = {
    {IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1}, {IPPROTO_TCP, TCP_KEEPIDLE, 9},
    {IPPROTO_TCP, TCP_KEEPINTVL, 2}, {IPPROTO_TCP, TCP_KEEPCNT, 3},
};

enum err net_socket_open(const struct net_address *address, int *ret_fd)
{
    int fd = os_fault_fails(OS_FAULT_SOCKET)
                 ? -1
                 : socket(address->u.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return os_err_of(errno);
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        int value = options[i].value;
        if (setsockopt(fd, options[i].level, options[i].name, &value, sizeof value) != 0) {
            enum err err = os_err_of(errno);
            close(fd);
            return err;
        }
    }
    *ret_fd = fd;
    return ERR_OK;
}
