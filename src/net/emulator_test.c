#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/rng.h"
#include "net/conn.h"
#include "net/emulator.h"
#include "os/clock.h"

/* SLOW_US: when nothing but a busy machine can be the cause. */
enum {
    MS = 1000,
    SLOW_US = 2000 * MS,
    PATIENCE_US = 20 * 1000 * MS,
    BYTES = 10 << 20,
    PEERS = 64,
    READS = 32
};

/* Everything runs on one loop: server, client and the emulator between them. */
static struct net_loop *loop;
static struct emulator *emulator;
static struct net_listener server;
static uint32_t link_index;
static char *pattern; /* BYTES random ones */

/* One end: sends pattern up to <to_send>, notes what it receives. */
struct peer {
    struct net_conn conn;
    bool is_echo, is_deaf; /* echo: sends what it received; deaf: reads nothing */
    size_t sent, to_send, received;
    bool is_wrong; /* received is not the pattern, again and again */
    bool has_ended, is_reset;
    int64_t ended_us;
    size_t read_count, read_sizes[READS];
};

static struct peer peers[PEERS]; /* accepted */
static uint32_t peer_count;

static void push_out(struct peer *peer)
{
    while (peer->sent < peer->to_send && peer->conn.watch.fd >= 0) {
        size_t at = peer->sent % BYTES, left = peer->to_send - peer->sent;
        struct iovec part = {pattern + at, left < BYTES - at ? left : BYTES - at};
        size_t n;
        if (net_conn_write(&peer->conn, &part, 1, &n) != ERR_OK)
            return;
        peer->sent += n;
    }
}

static void note_end(struct peer *peer, enum err err)
{
    peer->is_reset = err == ERR_RESET;
    peer->has_ended = true;
    peer->ended_us = os_now_us();
}

static void note_read(struct peer *peer, const char *bytes, size_t n)
{
    if (peer->read_count < READS)
        peer->read_sizes[peer->read_count++] = n;
    for (size_t i = 0; i < n; i++)
        peer->is_wrong |= bytes[i] != pattern[(peer->received + i) % BYTES];
    peer->received += n;
    if (peer->is_echo)
        peer->to_send += n;
}

static void on_event(struct net_conn *conn, unsigned events)
{
    static char buffer[256 * 1024];
    struct peer *peer = CONTAINER_OF(conn, struct peer, conn);
    assert_true(events != 0);
    while (!peer->is_deaf && !peer->has_ended) {
        size_t n;
        enum err err = net_conn_read(conn, buffer, sizeof buffer, &n);
        if (err == ERR_AGAIN)
            break;
        if (err == ERR_OK)
            note_read(peer, buffer, n);
        else
            note_end(peer, err);
    }
    if (peer->has_ended && net_conn_check(conn) != ERR_OK)
        peer->is_reset = true;
    push_out(peer);
    if (peer->is_echo && peer->has_ended && peer->sent == peer->to_send)
        net_conn_close(conn);
}

static bool server_echoes, server_is_deaf;

static void on_accept(struct net_listener *listener, int fd)
{
    assert_ptr_equal(listener, &server);
    assert_true(peer_count < PEERS);
    struct peer *peer = &peers[peer_count++];
    *peer = (struct peer){.is_echo = server_echoes, .is_deaf = server_is_deaf};
    assert_int_equal(net_conn_adopt(&peer->conn, loop, fd, on_event), ERR_OK);
    on_event(&peer->conn, NET_IN);
}

static int set_up(void **state)
{
    (void)state;
    struct net_address any_port;
    net_address_loopback(0, &any_port);
    server = (struct net_listener){.on_accept = on_accept};
    peer_count = 0;
    server_echoes = true;
    server_is_deaf = false;
    return net_loop_new(&loop) == ERR_OK && emulator_new(loop, &emulator) == ERR_OK &&
                   net_listen(&server, loop, &any_port, false, NULL) == ERR_OK
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < peer_count; i++)
        net_conn_close(&peers[i].conn);
    net_listener_close(&server);
    emulator_free(emulator);
    net_loop_free(loop);
    return 0;
}

static void add_link(const struct link_rules *rules)
{
    struct net_address any_port, target;
    net_address_loopback(0, &any_port);
    net_listener_address(&server, &target);
    assert_int_equal(emulator_add(emulator, &any_port, &target, rules, rules, 7, &link_index, NULL),
                     ERR_OK);
}

static void dial(struct peer *peer)
{
    struct net_address address;
    emulator_address(emulator, link_index, &address);
    *peer = (struct peer){0};
    assert_int_equal(
        net_conn_dial(&peer->conn, loop, &address, NULL, (struct span){NULL, 0}, on_event), ERR_OK);
}

static void send_more(struct peer *peer, size_t n)
{
    peer->to_send += n;
    push_out(peer);
}

static void run_for(int64_t us)
{
    for (int64_t until_us = os_now_us() + us, left_us; (left_us = until_us - os_now_us()) > 0;)
        net_loop_run_once(loop, left_us);
}

#define RUN_UNTIL(condition)                                                                       \
    do {                                                                                           \
        int64_t until_us = os_now_us() + PATIENCE_US;                                              \
        while (!(condition) && os_now_us() < until_us)                                             \
            net_loop_run_once(loop, PATIENCE_US);                                                  \
        assert_true(condition);                                                                    \
    } while (0)

enum { TRIES = 60 };

/* Does the machine let a timer come within 0.2 ms? If not, a late byte says nothing about us. */
static bool is_quiet(void)
{
    int64_t began_us = os_now_us();
    run_for(3 * MS);
    return os_now_us() - began_us < 3 * MS + 200;
}

static int64_t round_trip_us(struct peer *client)
{
    int64_t began_us = os_now_us();
    size_t wanted = client->received + 100;
    send_more(client, 100);
    RUN_UNTIL(client->received == wanted);
    return os_now_us() - began_us;
}

static void a_fresh_request_takes_two_rtts_and_the_next_one(void **state)
{
    (void)state;
    const struct link_rules rules = {.rtt_us = 40 * MS};
    add_link(&rules);
    int quiet_tries = 0;
    bool is_exact = false;
    for (int i = 0; i < TRIES && !is_exact; i++) {
        struct peer client;
        bool was_quiet = is_quiet();
        int64_t began_us = os_now_us();
        dial(&client);
        send_more(&client, 100);
        RUN_UNTIL(client.received == 100);
        int64_t fresh_us = os_now_us() - began_us, next_us = round_trip_us(&client);
        assert_true(fresh_us >= 80 * MS && next_us >= 40 * MS);
        is_exact = fresh_us < 81 * MS && next_us < 40 * MS + 600;
        quiet_tries += was_quiet && is_quiet();
        net_conn_close(&client.conn);
    }
    if (!is_exact && quiet_tries < TRIES / 4)
        skip();
    assert_true(is_exact);
}

static void ten_random_megabytes_come_back_as_they_were(void **state)
{
    (void)state;
    const struct link_rules rules = {.rtt_us = 4 * MS, .jitter_us = 4 * MS, .loss_ppm = 2000};
    add_link(&rules);
    struct peer client;
    dial(&client);
    send_more(&client, BYTES);
    RUN_UNTIL(client.received >= BYTES);
    assert_int_equal(client.received, BYTES);
    assert_false(client.is_wrong || peers[0].is_wrong);
    struct emulator_stats stats;
    emulator_stats(emulator, link_index, &stats);
    assert_int_equal(stats.bytes_there, BYTES);
    assert_int_equal(stats.bytes_back, BYTES);
    assert_int_equal(stats.bridge_count, 1);
    net_conn_close(&client.conn);
    RUN_UNTIL((emulator_stats(emulator, link_index, &stats), stats.bridge_count == 0));
}

static void two_connections_share_the_bandwidth(void **state)
{
    (void)state;
    const struct link_rules rules = {.rtt_us = 10 * MS, .bandwidth_bps = 80 * 1000 * 1000};
    server_echoes = false;
    add_link(&rules);
    struct peer clients[2];
    int64_t began_us = os_now_us();
    for (int i = 0; i < 2; i++) {
        dial(&clients[i]);
        send_more(&clients[i], 2000 * 1000);
    }
    RUN_UNTIL(peer_count == 2 && peers[0].received == 2000 * 1000 &&
              peers[1].received == 2000 * 1000);
    /* An rtt to connect, 4 MB at 10 MB/s, half an rtt. */
    assert_in_range(os_now_us() - began_us, 414 * MS, SLOW_US);
    for (int i = 0; i < 2; i++)
        net_conn_close(&clients[i].conn);
}

static const size_t piece_sizes[] = {10, 3000, 1, 20000, 7};

static bool arrives_in_pieces(struct peer *client)
{
    peers[0].read_count = 0;
    for (size_t i = 0; i < COUNT_OF(piece_sizes); i++) {
        send_more(client, piece_sizes[i]);
        run_for(3 * MS);
    }
    RUN_UNTIL(peers[0].received == client->sent);
    if (peers[0].read_count != COUNT_OF(piece_sizes))
        return false;
    for (size_t i = 0; i < COUNT_OF(piece_sizes); i++) {
        if (peers[0].read_sizes[i] != piece_sizes[i])
            return false;
    }
    return true;
}

static void pieces_arrive_as_they_were_sent(void **state)
{
    (void)state;
    const struct link_rules rules = {.rtt_us = 60 * MS};
    server_echoes = false;
    add_link(&rules);
    struct peer client;
    dial(&client);
    send_more(&client, 1);
    RUN_UNTIL(peer_count == 1 && peers[0].received == 1);
    /* A busy machine may make two of them due at once. */
    bool is_seen = false;
    for (int i = 0; i < TRIES && !is_seen; i++)
        is_seen = arrives_in_pieces(&client);
    assert_true(is_seen);
    net_conn_close(&client.conn);
}

static void ends_of_one_side_travel_behind_the_bytes(void **state)
{
    (void)state;
    const struct link_rules rules = {.rtt_us = 30 * MS};
    add_link(&rules);
    struct peer client;
    dial(&client);
    RUN_UNTIL(!client.conn.is_connecting);
    send_more(&client, 5000);
    net_conn_end(&client.conn);
    int64_t began_us = os_now_us();
    RUN_UNTIL(client.has_ended);
    assert_false(client.is_reset);
    assert_int_equal(client.received, 5000);
    assert_in_range(client.ended_us - began_us, 59 * MS, SLOW_US);
    net_conn_close(&client.conn);
}

static void a_reset_of_the_client_arrives_as_a_reset_behind_its_bytes(void **state)
{
    (void)state;
    const struct link_rules rules = {.rtt_us = 30 * MS};
    server_echoes = false;
    add_link(&rules);
    struct peer client;
    dial(&client);
    send_more(&client, 10);
    RUN_UNTIL(peer_count == 1 && peers[0].received == 10);
    send_more(&client, 20);
    run_for(1 * MS);
    net_conn_reset(&client.conn);
    int64_t began_us = os_now_us();
    RUN_UNTIL(peers[0].has_ended);
    assert_true(peers[0].is_reset);
    assert_int_equal(peers[0].received, 30);
    assert_in_range(peers[0].ended_us - began_us, 15 * MS, SLOW_US);
}

static void a_reset_behind_an_end_arrives_too(void **state)
{
    (void)state;
    const struct link_rules rules = {.rtt_us = 10 * MS};
    add_link(&rules);
    struct peer client;
    dial(&client);
    send_more(&client, 10);
    RUN_UNTIL(client.received == 10);
    peers[0].is_echo = false;
    net_conn_end(&client.conn);
    RUN_UNTIL(peers[0].has_ended);
    assert_false(peers[0].is_reset);
    net_conn_reset(&client.conn);
    RUN_UNTIL(peers[0].is_reset);
}

static void a_reset_of_the_server_arrives_as_a_reset(void **state)
{
    (void)state;
    const struct link_rules rules = {.rtt_us = 30 * MS};
    add_link(&rules);
    struct peer client;
    dial(&client);
    send_more(&client, 10);
    RUN_UNTIL(client.received == 10);
    net_conn_reset(&peers[0].conn);
    int64_t began_us = os_now_us();
    RUN_UNTIL(client.has_ended);
    assert_true(client.is_reset);
    assert_in_range(client.ended_us - began_us, 15 * MS, SLOW_US);
    net_conn_close(&client.conn);
    struct emulator_stats stats;
    emulator_stats(emulator, link_index, &stats);
    assert_int_equal(stats.reset_count, 1);
    assert_int_equal(stats.bridge_count, 0);
}

static void a_client_that_leaves_while_the_server_writes_is_told_to_the_server(void **state)
{
    (void)state;
    const struct link_rules rules = {.rtt_us = 10 * MS};
    add_link(&rules);
    struct peer client;
    dial(&client);
    send_more(&client, 10);
    RUN_UNTIL(client.received == 10);
    peers[0].is_echo = false;
    net_conn_close(&client.conn);
    RUN_UNTIL(peers[0].has_ended);
    assert_false(peers[0].is_reset);
    peers[0].has_ended = false;
    send_more(&peers[0], 1000);
    run_for(15 * MS);
    send_more(&peers[0], 1000);
    struct emulator_stats stats;
    RUN_UNTIL((emulator_stats(emulator, link_index, &stats), stats.bridge_count == 0));
    assert_int_equal(stats.reset_count, 1);
}

static void a_refused_connection_is_reset_after_an_rtt_and_a_half(void **state)
{
    (void)state;
    const struct link_rules rules = {.rtt_us = 30 * MS};
    add_link(&rules);
    net_listener_close(&server);
    struct peer client;
    int64_t began_us = os_now_us();
    dial(&client);
    send_more(&client, 10);
    RUN_UNTIL(client.has_ended);
    assert_true(client.is_reset);
    assert_in_range(client.ended_us - began_us, 45 * MS, SLOW_US);
    net_conn_close(&client.conn);
}

static void set_cut(struct link_rules *rules, bool is_cut)
{
    rules->is_cut = is_cut;
    emulator_set(emulator, link_index, rules, rules);
}

static void a_short_cut_delays_what_was_under_way_and_new_connections(void **state)
{
    (void)state;
    struct link_rules rules = {.rtt_us = 200 * MS};
    add_link(&rules);
    struct peer client, late;
    dial(&client);
    send_more(&client, 10);
    RUN_UNTIL(client.received == 10);

    int64_t sent_us = os_now_us();
    send_more(&client, 10);
    run_for(2 * MS);
    set_cut(&rules, true);
    int64_t under_way_us = os_now_us() - sent_us;
    dial(&late);
    send_more(&late, 30);
    send_more(&client, 10);
    run_for(150 * MS);
    assert_int_equal(peers[0].received, 10);
    assert_int_equal(peer_count, 1);

    set_cut(&rules, false);
    int64_t healed_us = os_now_us();
    RUN_UNTIL(client.received >= 20);
    /* What was left of the way there, and then the way back. */
    assert_in_range(os_now_us() - healed_us, 198 * MS - under_way_us, SLOW_US);
    RUN_UNTIL(client.received == 30 && late.received == 30);
    assert_in_range(os_now_us() - healed_us, 399 * MS, SLOW_US);
    assert_false(client.has_ended || client.is_wrong || late.has_ended || late.is_wrong);
    net_conn_close(&client.conn);
    net_conn_close(&late.conn);
}

static void a_break_found_while_the_way_back_is_cut_arrives_after_healing(void **state)
{
    (void)state;
    const struct link_rules rules = {.rtt_us = 30 * MS};
    struct link_rules back = rules;
    add_link(&rules);
    struct peer client;
    dial(&client);
    send_more(&client, 10);
    RUN_UNTIL(client.received == 10);
    back.is_cut = true;
    emulator_set(emulator, link_index, &rules, &back);
    net_conn_reset(&peers[0].conn);
    send_more(&client, 10);
    run_for(50 * MS);
    assert_false(client.has_ended);
    emulator_set(emulator, link_index, &rules, &rules);
    /* 15 ms until the bytes found it broken, 15 ms back; healing moves both behind the cut. */
    int64_t healed_us = os_now_us();
    RUN_UNTIL(client.is_reset);
    assert_in_range(os_now_us() - healed_us, 29 * MS, SLOW_US);
    net_conn_close(&client.conn);
}

static void a_long_cut_breaks_connections_at_both_ends(void **state)
{
    (void)state;
    struct link_rules rules = {.rtt_us = 20 * MS};
    add_link(&rules);
    emulator_set_patience(emulator, 500 * MS);
    struct peer client, late;
    dial(&client);
    send_more(&client, 10);
    RUN_UNTIL(client.received == 10);
    set_cut(&rules, true);
    run_for(510 * MS);
    dial(&late);
    send_more(&late, 30);
    run_for(10 * MS);
    assert_false(client.has_ended || peers[0].has_ended);
    set_cut(&rules, false);
    RUN_UNTIL(client.is_reset && peers[0].is_reset);
    RUN_UNTIL(late.received == 30);
    net_conn_close(&client.conn);
    net_conn_close(&late.conn);
}

static void a_reader_that_does_not_read_stops_the_writer_and_loses_nothing(void **state)
{
    (void)state;
    const struct link_rules rules = {.rtt_us = 2 * MS};
    server_is_deaf = true;
    server_echoes = false;
    add_link(&rules);
    struct peer client;
    dial(&client);
    client.to_send = (size_t)20 * BYTES;
    for (int quiet = 0; quiet < 5;) {
        size_t before = client.sent;
        run_for(10 * MS);
        quiet = client.sent == before ? quiet + 1 : 0;
        assert_true(client.sent < client.to_send);
    }
    /* Our own megabyte and what the kernel holds of one socket. */
    struct emulator_stats stats;
    emulator_stats(emulator, link_index, &stats);
    assert_true(client.sent - stats.bytes_there < 20 << 20);

    client.to_send = client.sent;
    peers[0].is_deaf = false;
    on_event(&peers[0].conn, NET_IN);
    RUN_UNTIL(peers[0].received == client.sent);
    assert_false(peers[0].is_wrong);
    net_conn_close(&client.conn);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_fresh_request_takes_two_rtts_and_the_next_one),
        TEST(ten_random_megabytes_come_back_as_they_were),
        TEST(two_connections_share_the_bandwidth),
        TEST(pieces_arrive_as_they_were_sent),
        TEST(ends_of_one_side_travel_behind_the_bytes),
        TEST(a_reset_of_the_client_arrives_as_a_reset_behind_its_bytes),
        TEST(a_reset_behind_an_end_arrives_too),
        TEST(a_reset_of_the_server_arrives_as_a_reset),
        TEST(a_client_that_leaves_while_the_server_writes_is_told_to_the_server),
        TEST(a_refused_connection_is_reset_after_an_rtt_and_a_half),
        TEST(a_short_cut_delays_what_was_under_way_and_new_connections),
        TEST(a_break_found_while_the_way_back_is_cut_arrives_after_healing),
        TEST(a_long_cut_breaks_connections_at_both_ends),
        TEST(a_reader_that_does_not_read_stops_the_writer_and_loses_nothing),
    };
    struct rng rng;
    rng_init(&rng, 99);
    pattern = malloc(BYTES);
    for (size_t i = 0; i < BYTES; i++)
        pattern[i] = (char)rng_next(&rng);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(pattern);
    return failed;
}
