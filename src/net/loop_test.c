#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"
#include "net/address.h"
#include "net/loop.h"
#include "os/clock.h"
#include "os/fault.h"

enum { SECOND_US = 1000 * 1000 };

static struct net_loop *loop;

static int set_up(void **state)
{
    (void)state;
    return net_loop_new(&loop) == ERR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    os_fault_set(OS_FAULT_SOCKET, 0, false);
    net_loop_free(loop);
    return 0;
}

/* One end of a socket pair that is watched, the other held by the test. */
struct end {
    struct net_watch watch;
    int other_fd;
    int calls;
    unsigned events;
    struct end *removes; /* unwatches that one when called */
};

static void note(struct net_watch *watch, unsigned events)
{
    struct end *end = CONTAINER_OF(watch, struct end, watch);
    end->calls++;
    end->events |= events;
    if (end->removes)
        net_loop_unwatch(loop, &end->removes->watch);
}

static int open_end(struct end *end)
{
    int fds[2];
    *end = (struct end){0};
    net_watch_init(&end->watch);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    end->other_fd = fds[1];
    assert_int_equal(net_loop_watch(loop, &end->watch, fds[0], note), ERR_OK);
    net_loop_run_once(loop, 0);
    end->calls = 0;
    end->events = 0;
    return fds[0];
}

static void close_end(struct end *end, int fd)
{
    net_loop_unwatch(loop, &end->watch);
    net_loop_unwatch(loop, &end->watch);
    close(fd);
    close(end->other_fd);
}

static void an_edge_is_told_once(void **state)
{
    (void)state;
    struct end end;
    int fd = open_end(&end);
    assert_int_equal(write(end.other_fd, "x", 1), 1);
    net_loop_run_once(loop, SECOND_US);
    assert_int_equal(end.calls, 1);
    assert_true(end.events & NET_IN);
    assert_false(end.events & NET_HANGUP);
    net_loop_run_once(loop, 0);
    assert_int_equal(end.calls, 1);
    close_end(&end, fd);
}

static void a_peer_that_ends_is_told_as_in_and_hang_up(void **state)
{
    (void)state;
    struct end end;
    int fd = open_end(&end);
    assert_int_equal(shutdown(end.other_fd, SHUT_WR), 0);
    net_loop_run_once(loop, SECOND_US);
    assert_int_equal(end.events & (NET_IN | NET_HANGUP), NET_IN | NET_HANGUP);
    close_end(&end, fd);
}

static void a_watch_removed_within_a_batch_gets_no_event_of_it(void **state)
{
    (void)state;
    struct end a, b;
    int fd_a = open_end(&a), fd_b = open_end(&b);
    a.removes = &b;
    b.removes = &a;
    assert_int_equal(write(a.other_fd, "x", 1), 1);
    assert_int_equal(write(b.other_fd, "x", 1), 1);
    net_loop_run_once(loop, SECOND_US);
    assert_int_equal(a.calls + b.calls, 1);
    close_end(&a, fd_a);
    close_end(&b, fd_b);
}

static struct end renewed;
static int renewed_fd, renewed_calls_before;

static void close_and_open_under_the_same_number(struct net_watch *watch, unsigned events)
{
    assert_true(events & NET_IN);
    net_loop_unwatch_closing(loop, &renewed.watch);
    assert_int_equal(dup2(watch->fd, renewed_fd), renewed_fd);
    assert_int_equal(net_loop_watch(loop, &renewed.watch, renewed_fd, note), ERR_OK);
    renewed_calls_before = renewed.calls;
    watch->on_ready = note;
}

static void a_number_used_again_within_a_batch_gets_no_event_of_its_former_socket(void **state)
{
    (void)state;
    struct end first;
    int fd = open_end(&first);
    renewed_fd = open_end(&renewed);
    first.watch.on_ready = close_and_open_under_the_same_number;
    assert_int_equal(write(first.other_fd, "x", 1), 1);
    assert_int_equal(write(renewed.other_fd, "x", 1), 1);
    net_loop_run_once(loop, SECOND_US);
    assert_int_equal(renewed.calls, renewed_calls_before);
    close_end(&renewed, renewed_fd);
    close_end(&first, fd);
}

static void a_child_that_holds_a_closed_socket_open_causes_no_event(void **state)
{
    (void)state;
    struct end end;
    int fd = open_end(&end);
    int held = dup(fd); /* as between fork and exec */
    net_loop_unwatch_closing(loop, &end.watch);
    close(fd);
    assert_int_equal(write(end.other_fd, "x", 1), 1);
    net_loop_run_once(loop, 1000);
    assert_int_equal(end.calls, 0);
    close(held);
    close(end.other_fd);
}

struct alarm_clock {
    struct net_timer timer;
    int rings;
    bool is_endless;
    int64_t rang_us;
};

static void ring(struct net_timer *timer)
{
    struct alarm_clock *alarm_clock = CONTAINER_OF(timer, struct alarm_clock, timer);
    alarm_clock->rings++;
    alarm_clock->rang_us = os_now_us();
    if (alarm_clock->is_endless)
        assert_int_equal(net_timer_set(loop, timer, 0), ERR_OK);
}

static void a_timer_comes_no_sooner_and_hardly_later(void **state)
{
    (void)state;
    struct alarm_clock alarm_clock = {0};
    net_timer_init(&alarm_clock.timer, ring);
    int64_t least_late_us = INT64_MAX;
    for (int i = 0; i < 200 && least_late_us >= 400; i++) {
        int64_t due_us = os_now_us() + 2300;
        assert_int_equal(net_timer_set(loop, &alarm_clock.timer, due_us), ERR_OK);
        while (alarm_clock.rings == i)
            net_loop_run_once(loop, SECOND_US);
        int64_t late_us = alarm_clock.rang_us - due_us;
        assert_true(late_us >= 0);
        least_late_us = late_us < least_late_us ? late_us : least_late_us;
    }
    /* One must have been undisturbed by the rest of the machine. */
    assert_true(least_late_us < 400);
}

static void a_timer_that_sets_itself_does_not_keep_a_round_from_ending(void **state)
{
    (void)state;
    struct alarm_clock alarm_clock = {.is_endless = true};
    net_timer_init(&alarm_clock.timer, ring);
    assert_int_equal(net_timer_set(loop, &alarm_clock.timer, 0), ERR_OK);
    for (int i = 1; i < 5; i++) {
        net_loop_run_once(loop, SECOND_US);
        assert_int_equal(alarm_clock.rings, i);
    }
    net_timer_clear(loop, &alarm_clock.timer);
    net_timer_clear(loop, &alarm_clock.timer);
}

struct chore {
    struct net_task task;
    int runs;
};

static void do_again(struct net_task *task)
{
    CONTAINER_OF(task, struct chore, task)->runs++;
    net_loop_defer(loop, task);
}

static void a_task_that_defers_itself_runs_once_a_round(void **state)
{
    (void)state;
    struct chore chore = {.task.run = do_again};
    net_loop_defer(loop, &chore.task);
    net_loop_defer(loop, &chore.task);
    for (int i = 1; i < 5; i++) {
        net_loop_run_once(loop, SECOND_US);
        assert_int_equal(chore.runs, i);
    }
}

static int posts_run;

static void count_post(void *argument)
{
    posts_run += *(const int *)argument;
    if (posts_run == 10000)
        net_loop_stop(loop);
}

static void *post_many(void *argument)
{
    for (int i = 0; i < 5000; i++) {
        while (net_loop_post(loop, count_post, argument) == ERR_FULL)
            sched_yield();
    }
    return NULL;
}

static void posts_of_two_threads_all_run_on_the_loop(void **state)
{
    (void)state;
    static int one = 1;
    posts_run = 0;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &one), 0);
    net_loop_run(loop);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(posts_run, 10000);
}

static void a_full_queue_of_posts_is_refused(void **state)
{
    (void)state;
    static int none = 0;
    for (int i = 0; i < LIMIT_LOOP_POSTS; i++)
        assert_int_equal(net_loop_post(loop, count_post, &none), ERR_OK);
    assert_int_equal(net_loop_post(loop, count_post, &none), ERR_FULL);
    net_loop_run_once(loop, 0);
    assert_int_equal(net_loop_post(loop, count_post, &none), ERR_OK);
}

static int accepted_count;

static void count_accept(struct net_listener *listener, int fd)
{
    assert_non_null(listener);
    accepted_count++;
    close(fd);
}

static int dial(const struct net_listener *listener)
{
    struct net_address address;
    net_listener_address(listener, &address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, &address.u.any, address.size), 0);
    return fd;
}

static void listen_on_any(struct net_listener *listener)
{
    struct net_address any_port;
    net_address_loopback(0, &any_port);
    *listener = (struct net_listener){.on_accept = count_accept};
    accepted_count = 0;
    assert_int_equal(net_listen(listener, loop, &any_port, false, NULL), ERR_OK);
}

static void connections_beyond_a_rounds_share_are_accepted_in_the_next(void **state)
{
    (void)state;
    enum { COUNT = 150 };
    struct net_listener listener;
    int fds[COUNT];
    listen_on_any(&listener);
    for (int i = 0; i < COUNT; i++)
        fds[i] = dial(&listener);
    net_loop_run_once(loop, SECOND_US);
    assert_int_equal(accepted_count, 64);
    net_loop_run_once(loop, SECOND_US);
    net_loop_run_once(loop, SECOND_US);
    assert_int_equal(accepted_count, COUNT);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    net_listener_close(&listener);
    net_listener_close(&listener);
}

static void when_descriptors_run_out_accepting_pauses_and_goes_on(void **state)
{
    (void)state;
    struct net_listener listener;
    listen_on_any(&listener);
    int fd = dial(&listener);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit none_left = {.rlim_cur = (rlim_t)fd, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none_left), 0);
    net_loop_run_once(loop, SECOND_US);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(accepted_count, 0);
    int64_t began_us = os_now_us();
    while (accepted_count == 0 && os_now_us() < began_us + 10 * SECOND_US)
        net_loop_run_once(loop, SECOND_US);
    assert_int_equal(accepted_count, 1);
    assert_true(os_now_us() - began_us > 50 * 1000);
    close(fd);
    net_listener_close(&listener);
}

static void a_port_in_use_is_told_with_its_address(void **state)
{
    (void)state;
    struct net_listener first, second = {.on_accept = count_accept};
    listen_on_any(&first);
    struct net_address address;
    net_listener_address(&first, &address);
    char buffer[200], expected[200];
    struct text why, wanted;
    text_init(&why, buffer, sizeof buffer);
    text_init(&wanted, expected, sizeof expected);
    assert_int_equal(net_listen(&second, loop, &address, false, &why), ERR_EXISTS);
    text_add(&wanted, "cannot listen on ");
    net_address_print(&address, &wanted);
    text_add(&wanted, ": the port is in use");
    assert_string_equal(buffer, expected);
    net_listener_close(&first);
}

static void whichever_call_of_listening_fails_it_is_closed_again(void **state)
{
    (void)state;
    struct net_address any_port;
    net_address_loopback(0, &any_port);
    enum err err = ERR_IO;
    uint64_t nth = 1;
    int free_before = dup(0);
    close(free_before);
    for (; err != ERR_OK; nth++) {
        struct net_listener listener = {.on_accept = count_accept};
        os_fault_set(OS_FAULT_SOCKET, nth, false);
        err = net_listen(&listener, loop, &any_port, true, NULL);
        os_fault_set(OS_FAULT_SOCKET, 0, false);
        net_listener_close(&listener);
        int free_after = dup(0);
        close(free_after);
        assert_int_equal(free_after, free_before);
    }
    assert_true(nth > 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_edge_is_told_once),
        TEST(a_peer_that_ends_is_told_as_in_and_hang_up),
        TEST(a_watch_removed_within_a_batch_gets_no_event_of_it),
        TEST(a_number_used_again_within_a_batch_gets_no_event_of_its_former_socket),
        TEST(a_child_that_holds_a_closed_socket_open_causes_no_event),
        TEST(a_timer_comes_no_sooner_and_hardly_later),
        TEST(a_timer_that_sets_itself_does_not_keep_a_round_from_ending),
        TEST(a_task_that_defers_itself_runs_once_a_round),
        TEST(posts_of_two_threads_all_run_on_the_loop),
        TEST(a_full_queue_of_posts_is_refused),
        TEST(connections_beyond_a_rounds_share_are_accepted_in_the_next),
        TEST(when_descriptors_run_out_accepting_pauses_and_goes_on),
        TEST(a_port_in_use_is_told_with_its_address),
        TEST(whichever_call_of_listening_fails_it_is_closed_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
