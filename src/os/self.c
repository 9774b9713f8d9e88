/* self.c: what this process asks of the system about itself: its path, its signals, secrets,
 * randomness. Declared in os/process.h. */
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/crypto.h"
#include "os/errno.h"
#include "os/fault.h"

static bool fails(void)
{
    return os_fault_fails(OS_FAULT_PROCESS);
}

static char self_path[PATH_MAX];
static pthread_once_t self_path_once = PTHREAD_ONCE_INIT;

static void read_self_path(void)
{
    ssize_t n = readlink("/proc/self/exe", self_path, sizeof self_path - 1);
    CHECK(n > 0);
    self_path[n] = '\0';
}

const char *os_self_path(void)
{
    CHECK(pthread_once(&self_path_once, read_self_path) == 0);
    return self_path;
}

enum err os_secret_pipe(const void *secret, unsigned size, int *ret_read_fd)
{
    CHECK(size > 0 && size <= PIPE_BUF);
    int ends[2];
    if (fails() || pipe2(ends, O_CLOEXEC) != 0)
        return os_err_of(errno);
    /* At most PIPE_BUF bytes into an empty pipe: all or nothing, without waiting. */
    ssize_t n = fails() ? -1 : write(ends[1], secret, size);
    enum err err = n == (ssize_t)size ? ERR_OK : n < 0 ? os_err_of(errno) : ERR_IO;
    close(ends[1]);
    if (err == ERR_OK)
        *ret_read_fd = ends[0];
    else
        close(ends[0]);
    return err;
}

/* Reads until <size> bytes or the end; -1 with errno. */
static ssize_t read_up_to(int fd, unsigned char *bytes, size_t size)
{
    size_t n = 0;
    while (n < size) {
        ssize_t got = fails() ? -1 : read(fd, bytes + n, size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    return (ssize_t)n;
}

enum err os_secret_read(int fd, void *ret_secret, unsigned size)
{
    unsigned char bytes[PIPE_BUF + 1];
    CHECK(size > 0 && size <= PIPE_BUF);
    ssize_t n = read_up_to(fd, bytes, size + 1);
    enum err err = n < 0 ? os_err_of(errno) : n == (ssize_t)size ? ERR_OK : ERR_SYNTAX;
    if (err == ERR_OK)
        memcpy(ret_secret, bytes, size);
    crypto_wipe(bytes, sizeof bytes);
    return err;
}

enum err os_signals_open(const int *signals, unsigned count, int *ret_fd)
{
    sigset_t set;
    sigemptyset(&set);
    for (unsigned i = 0; i < count; i++)
        CHECK(sigaddset(&set, signals[i]) == 0);
    if (fails() || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return os_err_of(errno);
    int error_number = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (error_number != 0)
        return os_err_of(error_number);
    int fd = fails() ? -1 : signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return os_err_of(errno);
    *ret_fd = fd;
    return ERR_OK;
}

int os_signals_next(int fd)
{
    struct signalfd_siginfo info;
    ssize_t n = read(fd, &info, sizeof info);
    return n == sizeof info ? (int)info.ssi_signo : 0;
}

enum err os_random(void *ret_bytes, unsigned size)
{
    unsigned char *bytes = ret_bytes;
    unsigned n = 0;
    while (n < size) {
        ssize_t got = fails() ? -1 : getrandom(bytes + n, size - n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return os_err_of(errno);
        n += (unsigned)got;
    }
    return ERR_OK;
}

uint64_t os_file_limit(void)
{
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    return limit.rlim_cur;
}

void os_raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    /* Refused: the lower limit holds, and what runs out of descriptors says so where it happens. */
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
}
