#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"
#include "worker/wire_io.h"

static uint8_t buffer[WIRE_BUFFER_SIZE];
static struct wire_received in = {.buffer = buffer};

static void open_pair(int fds[2])
{
    assert_int_equal(wire_pair(fds), ERR_OK);
}

static void close_pair(int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static void a_small_frame_arrives_in_one_piece(void **state)
{
    (void)state;
    int fds[2];
    struct frame frame = {.type = FRAME_TOKENS, .request = 7, .epoch = 3, .step = 5};
    open_pair(fds);
    assert_int_equal(wire_send(fds[0], &frame, SPAN_LITERAL("hello")), ERR_OK);
    assert_int_equal(wire_receive(fds[1], &in), ERR_OK);
    assert_int_equal(in.frame.request, 7);
    assert_true(span_is(in.payload, "hello"));
    assert_null(in.mapped);
    wire_release(&in);
    close_pair(fds);
}

static void a_large_payload_travels_as_sealed_memory(void **state)
{
    (void)state;
    int fds[2];
    size_t size = LIMIT_FRAME_INLINE + 1;
    char *payload = malloc(size);
    assert_non_null(payload);
    memset(payload, 'x', size);
    struct frame frame = {.type = FRAME_RESULT, .request = 1};
    open_pair(fds);
    assert_int_equal(wire_send(fds[0], &frame, span_from(payload, size)), ERR_OK);
    assert_int_equal(wire_receive(fds[1], &in), ERR_OK);
    assert_non_null(in.mapped);
    assert_int_equal(in.payload.n, size);
    assert_memory_equal(in.payload.p, payload, size);
    wire_release(&in);
    free(payload);
    close_pair(fds);
}

static void a_payload_above_the_limit_is_refused_by_the_sender(void **state)
{
    (void)state;
    struct frame frame = {.type = FRAME_RESULT};
    assert_int_equal(wire_send(-1, &frame, span_from("x", LIMIT_FRAME_PAYLOAD + 1u)), ERR_FULL);
}

static void a_frame_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    int fds[2];
    uint8_t bytes[FRAME_HEADER_SIZE + 5] = {0};
    struct frame frame = {.type = FRAME_CREDIT, .length = 5};
    frame_encode(&frame, bytes);
    for (size_t n = 1; n < sizeof bytes; n++) {
        open_pair(fds);
        assert_int_equal(send(fds[0], bytes, n, 0), n);
        assert_int_equal(wire_receive(fds[1], &in), ERR_SYNTAX);
        close_pair(fds);
    }
}

static void memory_that_is_not_sealed_is_refused(void **state)
{
    (void)state;
    int fds[2];
    uint8_t bytes[FRAME_HEADER_SIZE];
    struct frame frame = {.type = FRAME_RESULT, .flags = FRAME_MEMFD, .length = 4096};
    int memory = memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(memory >= 0 && ftruncate(memory, 4096) == 0);
    frame_encode(&frame, bytes);
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof control.room};
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &memory, sizeof memory);
    open_pair(fds);
    assert_true(sendmsg(fds[0], &message, 0) > 0);
    assert_int_equal(wire_receive(fds[1], &in), ERR_SYNTAX);
    close_pair(fds);
    close(memory);
}

static void the_end_of_the_peer_and_a_slow_peer_are_told_apart(void **state)
{
    (void)state;
    int fds[2];
    struct frame frame = {.type = FRAME_STEP};
    char payload[4096] = {0};
    open_pair(fds);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(wire_receive(fds[0], &in), ERR_AGAIN);
    enum err err = ERR_OK;
    for (int i = 0; i < 100000 && !err; i++)
        err = wire_send(fds[0], &frame, span_from(payload, sizeof payload));
    assert_int_equal(err, ERR_AGAIN);
    close(fds[1]);
    assert_int_equal(wire_receive(fds[0], &in), ERR_CLOSED);
    assert_int_equal(wire_send(fds[0], &frame, (struct span){0, 0}), ERR_CLOSED);
    close(fds[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_frame_arrives_in_one_piece),
        cmocka_unit_test(a_large_payload_travels_as_sealed_memory),
        cmocka_unit_test(a_payload_above_the_limit_is_refused_by_the_sender),
        cmocka_unit_test(a_frame_cut_at_any_byte_is_refused),
        cmocka_unit_test(memory_that_is_not_sealed_is_refused),
        cmocka_unit_test(the_end_of_the_peer_and_a_slow_peer_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
