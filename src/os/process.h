/* process.h: starting children by exec (never fork alone), and learning of their end. */
#ifndef OS_PROCESS_H
#define OS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/text.h"

struct os_spawn {
    const char *const *argv; /* argv[0] is the path; ends with NULL */
    const int *keep_fds;     /* child's fd 3, 4, ... in this order; all others are closed */
    unsigned keep_fd_count;
    const char *output_path; /* stdout and stderr are appended there; NULL: inherited */
    bool dies_with_parent;   /* PR_SET_PDEATHSIG SIGKILL */
    bool own_group;          /* setpgid, so that a terminal's Ctrl-C reaches only us */
};

/* The child's pidfd is readable when it ends (give it to the loop). stdin is /dev/null. */
MUST_USE enum err os_spawn(const struct os_spawn *spawn, pid_t *ret_pid, int *ret_pidfd,
                           struct text *why);

/* After the pidfd became readable: exit status as a shell sees it (128 + signal). ERR_AGAIN: still
 * alive. */
MUST_USE enum err os_reap(pid_t pid, int *ret_status);

MUST_USE enum err os_signal(pid_t pid, int signal_number);

/* The path of this program, for exec of itself. NUL-terminated, static. */
const char *os_self_path(void);

/* A pipe whose read end holds <secret> and end of file: the child reads it from its fd. */
MUST_USE enum err os_secret_pipe(const void *secret, unsigned size, int *ret_read_fd);
MUST_USE enum err os_secret_read(int fd, void *ret_secret, unsigned size);

/* Signals as a readable descriptor (signalfd), blocked for the whole process; SIGPIPE is ignored.
 */
MUST_USE enum err os_signals_open(const int *signals, unsigned count, int *ret_fd);
int os_signals_next(int fd); /* a signal number, or 0 */

/* The limit of open files of this process and its children, as far up as the system lets it. */
void os_raise_file_limit(void);
uint64_t os_file_limit(void); /* how many may be open at once */

MUST_USE enum err os_random(void *ret_bytes, unsigned size);

#endif
