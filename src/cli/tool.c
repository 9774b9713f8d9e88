#include "cli/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

enum { PIECE_BYTES = 16 * 1024 };

void tool_begin(struct tool *tool, const char *program)
{
    tool->count = 0;
    tool_add(tool, program);
}

void tool_add(struct tool *tool, const char *word)
{
    CHECK(word && tool->count < TOOL_ARGUMENTS_MAX);
    tool->argv[tool->count++] = word;
    tool->argv[tool->count] = NULL;
}

static void close_both(int fds[2])
{
    for (unsigned i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* What the child gets for its descriptor <fd>: the pipe's end, or what we have. */
static bool hand_over(posix_spawn_file_actions_t *actions, int fd, const int pipe_fds[2])
{
    return pipe_fds[1] < 0 || posix_spawn_file_actions_adddup2(actions, pipe_fds[1], fd) == 0;
}

static int spawn(const struct tool *tool, int pipes[2][2], pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return ENOMEM;
    bool is_good =
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0) == 0 &&
        hand_over(&actions, STDOUT_FILENO, pipes[0]) &&
        hand_over(&actions, STDERR_FILENO, pipes[1]);
    /* posix_spawnp() wants words that it may not change: it does not. */
    int error = is_good ? posix_spawnp(ret_pid, tool->argv[0], &actions, NULL,
                                       (char *const *)(uintptr_t)tool->argv, environ)
                        : ENOMEM;
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* Until both ends are closed; what does not fit is read and dropped, so that nobody waits. */
static void drain(int pipes[2][2], struct text *const texts[2])
{
    char piece[PIECE_BYTES];
    struct pollfd polls[2] = {{pipes[0][0], POLLIN, 0}, {pipes[1][0], POLLIN, 0}};
    while (polls[0].fd >= 0 || polls[1].fd >= 0) {
        if (poll(polls, 2, -1) < 0 && errno != EINTR)
            return;
        for (unsigned i = 0; i < 2; i++) {
            if (polls[i].fd < 0 || !polls[i].revents)
                continue;
            ssize_t n = read(polls[i].fd, piece, sizeof piece);
            if (n > 0)
                text_add_span(texts[i], span_from(piece, (size_t)n));
            else if (n == 0 || errno != EINTR)
                polls[i].fd = -1;
        }
    }
}

static int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        CHECK(errno == EINTR);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

enum err tool_run(const struct tool *tool, struct text *out, struct text *errors, int *ret_status)
{
    struct text *const texts[2] = {out, errors};
    int pipes[2][2] = {{-1, -1}, {-1, -1}};
    pid_t pid = 0;
    int error = 0;
    for (unsigned i = 0; i < 2 && !error; i++)
        if (texts[i] && pipe2(pipes[i], O_CLOEXEC) != 0)
            error = errno;
    if (!error)
        error = spawn(tool, pipes, &pid);
    for (unsigned i = 0; i < 2 && !error; i++) {
        if (pipes[i][1] >= 0)
            close(pipes[i][1]);
        pipes[i][1] = -1;
    }
    if (!error) {
        drain(pipes, texts);
        *ret_status = wait_for(pid);
    }
    close_both(pipes[0]);
    close_both(pipes[1]);
    if (error && errors)
        text_add(errors, "%s: %s", tool->argv[0],
                 error == ENOENT ? "not found in PATH" : strerror(error));
    return error == ENOENT ? ERR_NOT_FOUND : error ? ERR_IO : ERR_OK;
}
