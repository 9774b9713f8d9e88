#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/fault.h"
#include "os/process.h"

enum { PATIENCE_MS = 10000 };

static struct text why;
static char why_buffer[512];

static int set_up(void **state)
{
    (void)state;
    text_init(&why, why_buffer, sizeof why_buffer);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    os_fault_set(OS_FAULT_PROCESS, 0, false);
    return 0;
}

/* Exit status of `sh -c <script>`, with <fds> as its 3, 4, ... */
static int run(const char *script, const int *fds, unsigned fd_count)
{
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    const struct os_spawn spawn = {
        .argv = argv, .keep_fds = fds, .keep_fd_count = fd_count, .dies_with_parent = true};
    pid_t pid;
    int pidfd, status = -1;
    assert_int_equal(os_spawn(&spawn, &pid, &pidfd, &why), ERR_OK);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    assert_int_equal(poll(&ended, 1, PATIENCE_MS), 1);
    assert_int_equal(os_reap(pid, &status), ERR_OK);
    close(pidfd);
    return status;
}

static void a_childs_status_is_what_a_shell_sees(void **state)
{
    (void)state;
    assert_int_equal(run("exit 7", NULL, 0), 7);
    assert_int_equal(run("kill -KILL $$", NULL, 0), 128 + SIGKILL);
}

static void a_living_child_is_not_reaped(void **state)
{
    (void)state;
    const char *forever[] = {"/bin/sleep", "100", NULL};
    const struct os_spawn spawn = {.argv = forever, .dies_with_parent = true, .own_group = true};
    pid_t pid;
    int pidfd, status;
    assert_int_equal(os_spawn(&spawn, &pid, &pidfd, &why), ERR_OK);
    assert_int_equal(os_reap(pid, &status), ERR_AGAIN);
    assert_int_equal(getpgid(pid), pid);
    assert_int_equal(os_signal(pid, SIGKILL), ERR_OK);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    assert_int_equal(poll(&ended, 1, PATIENCE_MS), 1);
    assert_int_equal(os_reap(pid, &status), ERR_OK);
    assert_int_equal(status, 128 + SIGKILL);
    assert_int_equal(os_reap(pid, &status), ERR_NOT_FOUND);
    close(pidfd);
}

static void a_program_that_cannot_be_started_is_told_at_once(void **state)
{
    (void)state;
    const char *argv[] = {"/nowhere/at/all", NULL};
    const struct os_spawn spawn = {.argv = argv};
    pid_t pid;
    int pidfd;
    assert_int_equal(os_spawn(&spawn, &pid, &pidfd, &why), ERR_NOT_FOUND);
    assert_non_null(strstr(why.p, "/nowhere/at/all"));
}

/* The glob's own descriptor is in its list, and gone when the loop comes to it. */
static void kept_descriptors_arrive_in_order_and_no_others(void **state)
{
    (void)state;
    int first, second;
    assert_int_equal(os_secret_pipe("first", 5, &first), ERR_OK);
    assert_int_equal(os_secret_pipe("second", 6, &second), ERR_OK);
    int stray = open("/dev/null", O_RDONLY); /* would be inherited */
    assert_true(stray >= 0);
    const int fds[] = {second, first};
    assert_int_equal(
        run("read a <&3; read b <&4; [ \"$a$b\" = secondfirst ] || exit 1\n"
            "n=0; for f in /proc/$$/fd/*; do\n"
            "[ -L $f ] || continue; case ${f##*/} in 0|1|2|3|4|10) ;; *) n=1;; esac; done; exit $n",
            fds, 2),
        0);
    close(first);
    close(second);
    close(stray);
}

static void descriptors_that_lie_on_each_others_place_are_not_mixed_up(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(os_secret_pipe("a", 1, &ends[0]), ERR_OK);
    assert_int_equal(os_secret_pipe("b", 1, &ends[1]), ERR_OK);
    int three = dup2(ends[0], 3), four = dup2(ends[1], 4);
    const int swapped[] = {four, three};
    assert_int_equal(run("read a <&3; read b <&4; [ \"$a$b\" = ba ]", swapped, 2), 0);
    for (int i = 0; i < 2; i++) {
        if (ends[i] != 3 && ends[i] != 4)
            close(ends[i]);
    }
    close(3);
    close(4);
}

static void the_child_starts_with_no_signal_blocked_or_ignored(void **state)
{
    (void)state;
    const int signals[] = {SIGTERM, SIGUSR1};
    int fd;
    assert_int_equal(os_signals_open(signals, 2, &fd), ERR_OK);
    /* Signals 32 and 33 are libc's own: it lets nobody touch them, and make leaves them ignored
     * (ThreadSanitizer one of the two). */
    void (*before)(int) = signal(SIGINT, SIG_IGN); /* as a shell leaves it for a job behind '&' */
    assert_int_equal(run("while read name mask; do case $name in SigBlk:|SigIgn:)\n"
                         "case $mask in 0000000[01][08]0000000) ;; *) exit 1;; esac;; esac; "
                         "done < /proc/$$/status",
                         NULL, 0),
                     0);
    signal(SIGINT, before);
    assert_int_equal(os_signals_next(fd), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(os_signals_next(fd), SIGUSR1);
    assert_int_equal(os_signals_next(fd), 0);
    close(fd);
}

static void output_is_appended_to_its_file(void **state)
{
    (void)state;
    char path[] = "/tmp/farspan-output-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    const char *argv[] = {"/bin/sh", "-c", "echo out; echo err >&2; read x || echo empty", NULL};
    const struct os_spawn spawn = {.argv = argv, .output_path = path};
    for (int i = 0; i < 2; i++) {
        pid_t pid;
        int pidfd, status;
        assert_int_equal(os_spawn(&spawn, &pid, &pidfd, &why), ERR_OK);
        struct pollfd ended = {.fd = pidfd, .events = POLLIN};
        assert_int_equal(poll(&ended, 1, PATIENCE_MS), 1);
        assert_int_equal(os_reap(pid, &status), ERR_OK);
        close(pidfd);
    }
    char content[100] = "";
    assert_true(read(fd, content, sizeof content - 1) > 0);
    assert_string_equal(content, "out\nerr\nempty\nout\nerr\nempty\n");
    close(fd);
    unlink(path);
}

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void whichever_call_of_a_start_fails_nothing_is_left_behind(void **state)
{
    (void)state;
    const char *argv[] = {"/bin/true", NULL};
    const int fds[] = {0};
    const struct os_spawn spawn = {
        .argv = argv, .keep_fds = fds, .keep_fd_count = 1, .output_path = "/dev/null"};
    int before = open_descriptors();
    enum err err = ERR_IO;
    uint64_t nth = 1;
    for (; err != ERR_OK; nth++) {
        assert_true(nth < 30);
        pid_t pid;
        int pidfd, status;
        os_fault_set(OS_FAULT_PROCESS, nth, false);
        err = os_spawn(&spawn, &pid, &pidfd, &why);
        os_fault_set(OS_FAULT_PROCESS, 0, false);
        if (err == ERR_OK) {
            struct pollfd ended = {.fd = pidfd, .events = POLLIN};
            assert_int_equal(poll(&ended, 1, PATIENCE_MS), 1);
            assert_int_equal(os_reap(pid, &status), ERR_OK);
            close(pidfd);
        }
        assert_int_equal(open_descriptors(), before);
    }
    assert_true(nth > 7);
}

static void a_secret_of_another_length_is_refused(void **state)
{
    (void)state;
    char secret[8];
    const unsigned asked[] = {3, 5};
    for (int i = 0; i < 2; i++) {
        int fd;
        assert_int_equal(os_secret_pipe("four", 4, &fd), ERR_OK);
        assert_int_equal(os_secret_read(fd, secret, asked[i]), ERR_SYNTAX);
        close(fd);
    }
    int fd;
    assert_int_equal(os_secret_pipe("four", 4, &fd), ERR_OK);
    assert_int_equal(os_secret_read(fd, secret, 4), ERR_OK);
    assert_memory_equal(secret, "four", 4);
    close(fd);
}

static void its_own_path_can_be_executed(void **state)
{
    (void)state;
    assert_int_equal(access(os_self_path(), X_OK), 0);
}

static void random_bytes_differ(void **state)
{
    (void)state;
    unsigned char a[32] = {0}, b[32] = {0};
    assert_int_equal(os_random(a, sizeof a), ERR_OK);
    assert_int_equal(os_random(b, sizeof b), ERR_OK);
    assert_memory_not_equal(a, b, sizeof a);
    os_fault_set(OS_FAULT_PROCESS, 1, false);
    assert_int_not_equal(os_random(a, sizeof a), ERR_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_childs_status_is_what_a_shell_sees),
        TEST(a_living_child_is_not_reaped),
        TEST(a_program_that_cannot_be_started_is_told_at_once),
        TEST(kept_descriptors_arrive_in_order_and_no_others),
        TEST(descriptors_that_lie_on_each_others_place_are_not_mixed_up),
        TEST(the_child_starts_with_no_signal_blocked_or_ignored),
        TEST(output_is_appended_to_its_file),
        TEST(whichever_call_of_a_start_fails_nothing_is_left_behind),
        TEST(a_secret_of_another_length_is_refused),
        TEST(its_own_path_can_be_executed),
        TEST(random_bytes_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
