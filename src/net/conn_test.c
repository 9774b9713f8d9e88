#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "net/conn.h"
#include "os/clock.h"
#include "os/fault.h"

enum { PATIENCE_US = 10 * 1000 * 1000 };

/* A conn to a listening socket of the test, whose accepted end is <peer_fd>. */
struct caller {
    struct net_conn conn;
    unsigned events;
    int calls;
};

static struct net_loop *loop;
static int listening_fd, peer_fd;
static struct net_address address;

static int set_up(void **state)
{
    (void)state;
    net_address_loopback(0, &address);
    listening_fd = socket(AF_INET, SOCK_STREAM, 0);
    peer_fd = -1;
    socklen_t size = sizeof(struct sockaddr_in);
    if (bind(listening_fd, &address.u.any, address.size) != 0 || listen(listening_fd, 10) != 0 ||
        getsockname(listening_fd, &address.u.any, &size) != 0)
        return -1;
    return net_loop_new(&loop) == ERR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    os_fault_set(OS_FAULT_SOCKET, 0, false);
    close(listening_fd);
    if (peer_fd >= 0)
        close(peer_fd);
    net_loop_free(loop);
    return 0;
}

static void on_event(struct net_conn *conn, unsigned events)
{
    struct caller *caller = CONTAINER_OF(conn, struct caller, conn);
    caller->events |= events;
    caller->calls++;
}

static void run_until(const struct caller *caller, unsigned events)
{
    int64_t until_us = os_now_us() + PATIENCE_US;
    while ((caller->events & events) != events && os_now_us() < until_us)
        net_loop_run_once(loop, PATIENCE_US);
    assert_int_equal(caller->events & events, events);
}

static void dial(struct caller *caller)
{
    *caller = (struct caller){0};
    assert_int_equal(
        net_conn_dial(&caller->conn, loop, &address, NULL, (struct span){NULL, 0}, on_event),
        ERR_OK);
}

static void dial_through(struct caller *caller)
{
    dial(caller);
    run_until(caller, NET_OUT);
    peer_fd = accept(listening_fd, NULL, NULL);
    assert_true(peer_fd >= 0);
    caller->events = 0;
}

static enum err write_text(struct net_conn *conn, const char *text, size_t *ret_n)
{
    struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
    return net_conn_write(conn, &part, 1, ret_n);
}

static void bytes_go_both_ways_in_parts(void **state)
{
    (void)state;
    struct caller caller;
    dial_through(&caller);
    char one[] = "one ", two[] = "two";
    const struct iovec parts[] = {{one, 4}, {NULL, 0}, {two, 3}};
    size_t n;
    char buffer[16] = "";
    assert_int_equal(net_conn_write(&caller.conn, parts, 3, &n), ERR_OK);
    assert_int_equal(n, 7);
    assert_int_equal(recv(peer_fd, buffer, sizeof buffer, MSG_WAITALL | MSG_DONTWAIT), 7);
    assert_memory_equal(buffer, "one two", 7);

    assert_int_equal(send(peer_fd, "answer", 6, 0), 6);
    run_until(&caller, NET_IN);
    assert_int_equal(net_conn_read(&caller.conn, buffer, 4, &n), ERR_OK);
    assert_int_equal(n, 4);
    assert_int_equal(net_conn_read(&caller.conn, buffer, sizeof buffer, &n), ERR_OK);
    assert_memory_equal(buffer, "er", 2);
    assert_int_equal(net_conn_read(&caller.conn, buffer, sizeof buffer, &n), ERR_AGAIN);
    net_conn_close(&caller.conn);
    net_conn_close(&caller.conn);
}

static void a_short_read_costs_no_second_call(void **state)
{
    (void)state;
    struct caller caller;
    dial_through(&caller);
    char buffer[16];
    size_t n;
    assert_int_equal(send(peer_fd, "x", 1, 0), 1);
    run_until(&caller, NET_IN);
    os_fault_set(OS_FAULT_SOCKET, UINT64_MAX, false);
    assert_int_equal(net_conn_read(&caller.conn, buffer, sizeof buffer, &n), ERR_OK);
    assert_int_equal(net_conn_read(&caller.conn, buffer, sizeof buffer, &n), ERR_AGAIN);
    assert_int_equal(os_fault_calls(OS_FAULT_SOCKET), 1);
    net_conn_close(&caller.conn);
}

static void before_it_stands_it_asks_for_patience(void **state)
{
    (void)state;
    struct caller caller;
    dial(&caller);
    size_t n = 1;
    char byte;
    assert_int_equal(write_text(&caller.conn, "x", &n), ERR_AGAIN);
    assert_int_equal(n, 0);
    assert_int_equal(net_conn_read(&caller.conn, &byte, 1, &n), ERR_AGAIN);
    net_conn_close(&caller.conn);
}

static void bytes_and_end_that_come_together_are_both_read(void **state)
{
    (void)state;
    struct caller caller;
    dial_through(&caller);
    char buffer[16];
    size_t n;
    assert_int_equal(send(peer_fd, "last", 4, 0), 4);
    assert_int_equal(shutdown(peer_fd, SHUT_WR), 0);
    run_until(&caller, NET_HANGUP);
    assert_int_equal(net_conn_read(&caller.conn, buffer, sizeof buffer, &n), ERR_OK);
    assert_int_equal(n, 4);
    assert_int_equal(net_conn_read(&caller.conn, buffer, sizeof buffer, &n), ERR_CLOSED);
    assert_int_equal(write_text(&caller.conn, "still heard", &n), ERR_OK);
    assert_int_equal(recv(peer_fd, buffer, sizeof buffer, 0), 11);
    net_conn_close(&caller.conn);
}

static void an_end_that_comes_after_a_short_read_is_read(void **state)
{
    (void)state;
    struct caller caller;
    dial_through(&caller);
    char buffer[16];
    size_t n;
    assert_int_equal(send(peer_fd, "last", 4, 0), 4);
    run_until(&caller, NET_IN);
    assert_int_equal(net_conn_read(&caller.conn, buffer, sizeof buffer, &n), ERR_OK);
    assert_int_equal(net_conn_read(&caller.conn, buffer, sizeof buffer, &n), ERR_AGAIN);
    assert_int_equal(shutdown(peer_fd, SHUT_WR), 0);
    run_until(&caller, NET_HANGUP);
    assert_int_equal(net_conn_read(&caller.conn, buffer, sizeof buffer, &n), ERR_CLOSED);
    net_conn_close(&caller.conn);
}

static void a_refused_dial_is_told_by_the_next_write(void **state)
{
    (void)state;
    struct caller caller;
    close(listening_fd);
    dial(&caller);
    run_until(&caller, NET_OUT);
    size_t n;
    char byte;
    assert_int_equal(write_text(&caller.conn, "x", &n), ERR_REFUSED);
    assert_int_equal(net_conn_read(&caller.conn, &byte, 1, &n), ERR_REFUSED);
    net_conn_close(&caller.conn);
    listening_fd = socket(AF_INET, SOCK_STREAM, 0);
}

static void a_half_close_lets_the_answer_through(void **state)
{
    (void)state;
    struct caller caller;
    dial_through(&caller);
    char buffer[16];
    size_t n;
    net_conn_end(&caller.conn);
    assert_int_equal(recv(peer_fd, buffer, sizeof buffer, 0), 0);
    assert_int_equal(send(peer_fd, "answer", 6, 0), 6);
    run_until(&caller, NET_IN);
    assert_int_equal(net_conn_read(&caller.conn, buffer, sizeof buffer, &n), ERR_OK);
    assert_int_equal(n, 6);
    net_conn_close(&caller.conn);
}

static void a_reset_is_seen_as_a_reset_by_both(void **state)
{
    (void)state;
    struct caller caller;
    char byte;
    size_t n;
    dial_through(&caller);
    net_conn_reset(&caller.conn);
    net_conn_reset(&caller.conn);
    assert_int_equal(recv(peer_fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(peer_fd);

    dial_through(&caller);
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(peer_fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    close(peer_fd);
    peer_fd = -1;
    run_until(&caller, NET_HANGUP);
    assert_int_equal(net_conn_read(&caller.conn, &byte, 1, &n), ERR_RESET);
    assert_int_equal(write_text(&caller.conn, "x", &n), ERR_RESET);
    net_conn_close(&caller.conn);
}

static void a_full_socket_asks_for_patience_and_says_when_it_goes_on(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20, ROUNDS = 200 };
    struct caller caller;
    dial_through(&caller);
    char *bytes = calloc(1, SIZE);
    struct iovec part = {bytes, SIZE};
    size_t n, sent = 0, received = 0;
    int rounds = 0;
    while (net_conn_write(&caller.conn, &part, 1, &n) == ERR_OK && rounds++ < ROUNDS)
        sent += n;
    assert_true(rounds < ROUNDS);
    assert_int_equal(net_conn_write(&caller.conn, &part, 1, &n), ERR_AGAIN);
    assert_int_equal(n, 0);
    caller.events = 0;
    while (received < sent) {
        ssize_t got = recv(peer_fd, bytes, SIZE, 0);
        assert_true(got > 0);
        received += (size_t)got;
        net_loop_run_once(loop, 0);
    }
    run_until(&caller, NET_OUT);
    assert_int_equal(write_text(&caller.conn, "x", &n), ERR_OK);
    free(bytes);
    net_conn_close(&caller.conn);
}

static void whichever_call_of_a_dial_fails_nothing_is_left_open(void **state)
{
    (void)state;
    int free_before = dup(0);
    close(free_before);
    enum err err = ERR_IO;
    uint64_t nth = 1;
    for (; err != ERR_OK; nth++) {
        struct caller caller = {0};
        os_fault_set(OS_FAULT_SOCKET, nth, false);
        err = net_conn_dial(&caller.conn, loop, &address, NULL, (struct span){NULL, 0}, on_event);
        os_fault_set(OS_FAULT_SOCKET, 0, false);
        net_conn_close(&caller.conn);
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
        TEST(bytes_go_both_ways_in_parts),
        TEST(a_short_read_costs_no_second_call),
        TEST(before_it_stands_it_asks_for_patience),
        TEST(bytes_and_end_that_come_together_are_both_read),
        TEST(an_end_that_comes_after_a_short_read_is_read),
        TEST(a_refused_dial_is_told_by_the_next_write),
        TEST(a_half_close_lets_the_answer_through),
        TEST(a_reset_is_seen_as_a_reset_by_both),
        TEST(a_full_socket_asks_for_patience_and_says_when_it_goes_on),
        TEST(whichever_call_of_a_dial_fails_nothing_is_left_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
