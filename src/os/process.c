#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "os/errno.h"
#include "os/fault.h"

enum { FIRST_KEPT_FD = 3, KEEP_MAX = 16, STATUS_OF_FAILED_EXEC = 127 };

/* What the child needs, made by the parent: between fork and exec only async-signal-safe calls are
 * allowed. All descriptors lie above the child's final ones. */
struct preparation {
    int stdin_fd, output_fd; /* output_fd -1: inherited */
    int error_fd;            /* a pipe that exec closes; an errno is written there when it fails */
    int kept_fds[KEEP_MAX];
    pid_t parent_pid;
};

static bool fails(void)
{
    return os_fault_fails(OS_FAULT_PROCESS);
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* A copy of <fd> above those that the child is given; -1 with errno. Closes <fd> if <is_ours>. */
static int lift(int fd, bool is_ours)
{
    if (fd < 0)
        return -1;
    int high = fails() ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FIRST_KEPT_FD + KEEP_MAX);
    int error_number = errno;
    if (is_ours)
        close(fd);
    errno = error_number;
    return high;
}

static void release(struct preparation *preparation)
{
    close_fd(preparation->stdin_fd);
    close_fd(preparation->output_fd);
    close_fd(preparation->error_fd);
    for (int i = 0; i < KEEP_MAX; i++)
        close_fd(preparation->kept_fds[i]);
}

static enum err prepare(const struct os_spawn *spawn, int error_write_fd,
                        struct preparation *ret_preparation, struct text *why)
{
    struct preparation made = {.output_fd = -1, .parent_pid = getpid()};
    memset(made.kept_fds, 0xff, sizeof made.kept_fds);
    enum err err = ERR_OK;

    made.error_fd = lift(error_write_fd, true);
    made.stdin_fd = lift(open("/dev/null", O_RDONLY | O_CLOEXEC), true);
    if (made.stdin_fd < 0 || made.error_fd < 0)
        err = os_fail(why, "start", spawn->argv[0]);
    if (err == ERR_OK && spawn->output_path) {
        made.output_fd =
            lift(open(spawn->output_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600), true);
        if (made.output_fd < 0)
            err = os_fail(why, "open", spawn->output_path);
    }
    for (unsigned i = 0; err == ERR_OK && i < spawn->keep_fd_count; i++) {
        made.kept_fds[i] = lift(spawn->keep_fds[i], false);
        if (made.kept_fds[i] < 0)
            err = os_fail(why, "hand a descriptor to", spawn->argv[0]);
    }
    if (err == ERR_OK)
        *ret_preparation = made;
    else
        release(&made);
    return err;
}

static bool set_close_on_exec_from(unsigned first)
{
    if (close_range(first, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        return true;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return false;
    for (unsigned fd = first; fd < limit.rlim_cur; fd++)
        fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    return true;
}

static bool place_descriptors(const struct os_spawn *spawn, const struct preparation *preparation)
{
    if (dup2(preparation->stdin_fd, STDIN_FILENO) < 0)
        return false;
    if (preparation->output_fd >= 0 && (dup2(preparation->output_fd, STDOUT_FILENO) < 0 ||
                                        dup2(preparation->output_fd, STDERR_FILENO) < 0))
        return false;
    for (unsigned i = 0; i < spawn->keep_fd_count; i++) {
        if (dup2(preparation->kept_fds[i], FIRST_KEPT_FD + (int)i) < 0)
            return false;
    }
    return set_close_on_exec_from(FIRST_KEPT_FD + spawn->keep_fd_count);
}

/* exec keeps blocked and ignored signals: the child starts with neither. */
static bool restore_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    /* What a shell or nohup had us ignore is not the child's business. SIGKILL, SIGSTOP and those
     * that libc keeps for itself cannot be set: nothing is lost when they are refused. */
    for (int number = 1; number < NSIG; number++) {
        if (signal(number, SIG_DFL) == SIG_ERR && errno != EINVAL)
            return false;
    }
    return sigprocmask(SIG_SETMASK, &none, NULL) == 0;
}

static bool bind_to_parent(const struct preparation *preparation)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return false;
    /* It may have died before the call above. */
    if (getppid() != preparation->parent_pid)
        _exit(STATUS_OF_FAILED_EXEC);
    return true;
}

_Noreturn static void become(const struct os_spawn *spawn, const struct preparation *preparation)
{
    if (place_descriptors(spawn, preparation) && restore_signals() &&
        (!spawn->own_group || setpgid(0, 0) == 0) &&
        (!spawn->dies_with_parent || bind_to_parent(preparation))) {
        union {
            const char *const *given;
            char *const *wanted;
        } argv = {spawn->argv};
        execv(spawn->argv[0], argv.wanted);
    }
    int error_number = errno;
    ssize_t n = write(preparation->error_fd, &error_number, sizeof error_number);
    _exit(n == sizeof error_number ? STATUS_OF_FAILED_EXEC : STATUS_OF_FAILED_EXEC - 1);
}

static void wait_for(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

/* What the child wrote before it could become the program; 0: exec closed the pipe. */
static int read_error(int fd)
{
    int error_number = 0;
    ssize_t n;
    do {
        n = read(fd, &error_number, sizeof error_number);
    } while (n < 0 && errno == EINTR);
    return n == 0 ? 0 : n == sizeof error_number ? error_number : EIO;
}

static enum err start(const struct os_spawn *spawn, struct preparation *preparation,
                      int error_read_fd, pid_t *ret_pid, int *ret_pidfd, struct text *why)
{
    pid_t pid = fails() ? -1 : fork();
    if (pid < 0)
        return os_fail(why, "fork for", spawn->argv[0]);
    if (pid == 0)
        become(spawn, preparation);

    close_fd(preparation->error_fd);
    preparation->error_fd = -1;
    int error_number = read_error(error_read_fd);
    if (error_number != 0) {
        wait_for(pid);
        errno = error_number;
        return os_fail(why, "start", spawn->argv[0]);
    }
    int pidfd = fails() ? -1 : pidfd_open(pid, 0);
    if (pidfd < 0) {
        enum err err = os_fail(why, "watch", spawn->argv[0]);
        kill(pid, SIGKILL);
        wait_for(pid);
        return err;
    }
    *ret_pid = pid;
    *ret_pidfd = pidfd;
    return ERR_OK;
}

enum err os_spawn(const struct os_spawn *spawn, pid_t *ret_pid, int *ret_pidfd, struct text *why)
{
    CHECK(spawn->argv && spawn->argv[0] && spawn->keep_fd_count <= KEEP_MAX);
    int error_pipe[2];
    if (fails() || pipe2(error_pipe, O_CLOEXEC) != 0)
        return os_fail(why, "start", spawn->argv[0]);
    struct preparation preparation;
    enum err err = prepare(spawn, error_pipe[1], &preparation, why);
    if (err == ERR_OK) {
        err = start(spawn, &preparation, error_pipe[0], ret_pid, ret_pidfd, why);
        release(&preparation);
    }
    close(error_pipe[0]);
    return err;
}

enum err os_reap(pid_t pid, int *ret_status)
{
    int status;
    pid_t reaped = fails() ? -1 : waitpid(pid, &status, WNOHANG);
    if (reaped == 0 || (reaped < 0 && errno == EINTR))
        return ERR_AGAIN;
    if (reaped < 0)
        return os_err_of(errno);
    *ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return ERR_OK;
}

enum err os_signal(pid_t pid, int signal_number)
{
    CHECK(pid > 1 || pid < -1);
    if (fails() || kill(pid, signal_number) != 0)
        return os_err_of(errno);
    return ERR_OK;
}
