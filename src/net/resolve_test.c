#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"
#include "net/resolve.h"
#include "os/clock.h"
#include "os/fault.h"

enum { PATIENCE_US = 20 * 1000 * 1000, FRESH_US = 50 * 1000, HEADER_SIZE = 12 };

/* A name server on the same loop: every A question has the same answer. */
static struct {
    struct net_watch watch;
    enum mood { ANSWERS, IS_EMPTY, FAILS, IS_SILENT } mood;
    uint8_t last_byte; /* of the address it answers */
    int questions;     /* for A */
} server;

static struct net_loop *loop;
static struct net_resolver *resolver;

static struct {
    int calls;
    enum err err;
    unsigned count;
    struct net_address addresses[LIMIT_RESOLVE_ADDRESSES];
} found;

/* RFC 1035 4.1: header, the question again, and an address. */
static size_t make_answer(unsigned char *message, size_t size)
{
    static const unsigned char record[] = {0xc0, HEADER_SIZE, 0, 1, 0,  1, 0, 0,
                                           0,    1,           0, 4, 10, 0, 0};
    bool is_a = message[size - 3] == 1;
    server.questions += is_a;
    message[2] = 0x81;
    message[3] = server.mood == FAILS ? 0x82 : 0x80;
    message[10] = message[11] = 0; /* no additional records */
    if (!is_a || server.mood != ANSWERS)
        return size;
    message[7] = 1;
    memcpy(message + size, record, sizeof record);
    message[size + sizeof record] = server.last_byte;
    return size + sizeof record + 1;
}

static void on_question(struct net_watch *watch, unsigned events)
{
    struct net_address from;
    unsigned char message[600];
    socklen_t size = sizeof from.u.bytes;
    ssize_t n;
    assert_true(events != 0);
    while ((n = recvfrom(watch->fd, message, 500, MSG_DONTWAIT, &from.u.any, &size)) > 0) {
        /* Without the additional record that c-ares may add behind the question. */
        size_t end = HEADER_SIZE + strlen((char *)message + HEADER_SIZE) + 5;
        assert_true(end <= (size_t)n);
        if (server.mood == IS_SILENT)
            continue;
        size_t answer_size = make_answer(message, end);
        assert_int_equal(sendto(watch->fd, message, answer_size, 0, &from.u.any, size),
                         answer_size);
    }
}

static int set_up(void **state)
{
    (void)state;
    found.calls = 0;
    server.mood = ANSWERS;
    server.questions = 0;
    server.last_byte = 7;
    struct net_resolver_rules rules = {.fresh_us = FRESH_US, .timeout_ms = 20};
    net_address_loopback(0, &rules.server);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    socklen_t size = rules.server.size;
    if (bind(fd, &rules.server.u.any, size) != 0 ||
        getsockname(fd, &rules.server.u.any, &size) != 0 || net_loop_new(&loop) != ERR_OK)
        return -1;
    return net_loop_watch(loop, &server.watch, fd, on_question) == ERR_OK &&
                   net_resolver_new_by(loop, &rules, &resolver) == ERR_OK
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    os_fault_set(OS_FAULT_MEMORY, 0, false);
    net_resolver_free(resolver);
    int fd = server.watch.fd;
    net_loop_unwatch(loop, &server.watch);
    close(fd);
    net_loop_free(loop);
    return 0;
}

static void on_found(void *user, enum err err, const struct net_address *addresses, unsigned count)
{
    assert_ptr_equal(user, &found);
    found.calls++;
    found.err = err;
    found.count = count;
    for (unsigned i = 0; i < count; i++)
        found.addresses[i] = addresses[i];
}

static void ask(const char *host)
{
    found.calls = 0;
    net_resolve(resolver, span_of(host), 443, on_found, &found);
}

static void await(void)
{
    int64_t until_us = os_now_us() + PATIENCE_US;
    while (found.calls == 0 && os_now_us() < until_us)
        net_loop_run_once(loop, PATIENCE_US);
    assert_int_equal(found.calls, 1);
}

static void assert_found(unsigned i, const char *expected)
{
    char buffer[80];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    assert_int_equal(found.err, ERR_OK);
    assert_true(found.count > i);
    net_address_print(&found.addresses[i], &text);
    assert_string_equal(buffer, expected);
}

static void let_it_go_stale(void)
{
    int64_t until_us = os_now_us() + FRESH_US + 1000, left_us;
    while ((left_us = until_us - os_now_us()) > 0)
        net_loop_run_once(loop, left_us);
}

static void literals_and_localhost_are_answered_at_once(void **state)
{
    (void)state;
    server.mood = FAILS;
    ask("192.0.2.1");
    assert_found(0, "192.0.2.1:443");
    ask("[2001:db8::1]");
    assert_found(0, "[2001:db8::1]:443");
    ask("LocalHost");
    assert_found(0, "127.0.0.1:443");
    assert_found(1, "[::1]:443");
    ask("world.localhost");
    assert_found(0, "127.0.0.1:443");
    assert_int_equal(server.questions, 0);
}

static void a_name_is_asked_once_while_its_answer_is_fresh(void **state)
{
    (void)state;
    ask("good.test");
    await();
    assert_found(0, "10.0.0.7:443");
    assert_int_equal(found.count, 1);
    ask("GOOD.test");
    assert_int_equal(found.calls, 1);
    assert_found(0, "10.0.0.7:443");
    assert_int_equal(server.questions, 1);
}

static void a_stale_answer_is_asked_for_again(void **state)
{
    (void)state;
    ask("good.test");
    await();
    server.last_byte = 8;
    let_it_go_stale();
    ask("good.test");
    await();
    assert_found(0, "10.0.0.8:443");
}

static void a_name_that_resolved_once_stays_usable_whatever_the_server_does(void **state)
{
    (void)state;
    ask("good.test");
    await();
    const enum mood moods[] = {FAILS, IS_EMPTY, IS_SILENT};
    for (int i = 0; i < 3; i++) {
        server.mood = moods[i];
        let_it_go_stale();
        ask("good.test");
        await();
        assert_found(0, "10.0.0.7:443");
    }
}

static void a_name_never_seen_fails_with_the_servers_failure(void **state)
{
    (void)state;
    const enum mood moods[] = {IS_EMPTY, IS_SILENT};
    const enum err errs[] = {ERR_NOT_FOUND, ERR_TIMEOUT};
    for (int i = 0; i < 2; i++) {
        server.mood = moods[i];
        ask("new.test");
        await();
        assert_int_equal(found.err, errs[i]);
        assert_int_equal(found.count, 0);
    }
}

static void what_cannot_be_a_name_is_refused_at_once(void **state)
{
    (void)state;
    char longest[300];
    memset(longest, 'a', sizeof longest);
    const struct span hosts[] = {{NULL, 0}, {longest, sizeof longest}, {"a\0b", 3}};
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        found.calls = 0;
        net_resolve(resolver, hosts[i], 443, on_found, &found);
        assert_int_equal(found.calls, 1);
        assert_int_equal(found.err, ERR_VALUE);
    }
}

static void without_memory_it_is_said_at_once(void **state)
{
    (void)state;
    os_fault_set(OS_FAULT_MEMORY, 1, false);
    ask("good.test");
    os_fault_set(OS_FAULT_MEMORY, 0, false);
    assert_int_equal(found.calls, 1);
    assert_int_equal(found.err, ERR_MEMORY);
}

static void questions_under_way_are_answered_when_it_is_freed(void **state)
{
    (void)state;
    server.mood = IS_SILENT;
    ask("good.test");
    net_loop_run_once(loop, 1000);
    net_resolver_free(resolver);
    resolver = NULL;
    assert_int_equal(found.calls, 1);
    assert_int_equal(found.err, ERR_CLOSED);
}

static void more_names_than_it_remembers_push_out_the_oldest(void **state)
{
    (void)state;
    for (int i = 0; i <= LIMIT_RESOLVE_NAMES; i++) {
        char host[] = "n000.test";
        host[1] = (char)('0' + i / 100);
        host[2] = (char)('0' + i / 10 % 10);
        host[3] = (char)('0' + i % 10);
        ask(host);
        await();
        assert_found(0, "10.0.0.7:443");
    }
    assert_int_equal(server.questions, LIMIT_RESOLVE_NAMES + 1);

    server.mood = FAILS;
    let_it_go_stale();
    ask("n001.test");
    await();
    assert_found(0, "10.0.0.7:443");
    ask("n000.test");
    await();
    assert_int_not_equal(found.err, ERR_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(literals_and_localhost_are_answered_at_once),
        TEST(a_name_is_asked_once_while_its_answer_is_fresh),
        TEST(a_stale_answer_is_asked_for_again),
        TEST(a_name_that_resolved_once_stays_usable_whatever_the_server_does),
        TEST(a_name_never_seen_fails_with_the_servers_failure),
        TEST(what_cannot_be_a_name_is_refused_at_once),
        TEST(without_memory_it_is_said_at_once),
        TEST(questions_under_way_are_answered_when_it_is_freed),
        TEST(more_names_than_it_remembers_push_out_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
