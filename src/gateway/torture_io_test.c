/* The n-th allocation, socket call or file call fails, for every n until nothing fails any more: a
 * gateway starts or says why not, a request is answered or ends, and nothing leaks (the sanitizers
 * look). */
#include <stdlib.h>

#include "gateway/proxy_io.h"
#include "gateway/rig_test.h"
#include "os/fault.h"

enum { NTH_MAX = 1000 };

static struct rig_answer answer;

/* Did the fault of the last os_fault_set come to pass? Switches it off. */
static bool has_hit(enum os_fault kind, uint64_t nth)
{
    bool is_hit = os_fault_calls(kind) >= nth;
    os_fault_set(kind, 0, false);
    return is_hit;
}

static void starts_or_says_why_not(enum os_fault kind)
{
    char *memory = os_alloc(4 << 20), log[] = "/tmp/farspan-log-XXXXXX";
    struct arena arena;
    arena_init(&arena, memory, 4 << 20);
    struct span url = SPAN_LITERAL("https://127.0.0.1:9"), service = SPAN_LITERAL("chat");
    const struct fleet *fleet;
    assert_int_equal(fleet_front(&url, 1, &service, 1, &arena, &fleet), ERR_OK);
    int fd = mkstemp(log);
    assert_true(fd >= 0);
    close(fd);
    uint64_t nth = 0;
    bool is_hit = true;
    while (is_hit && ++nth < NTH_MAX) {
        char buffer[512];
        struct text why;
        text_init(&why, buffer, sizeof buffer);
        struct gateway_config config = {
            .fleet = fleet, .threads = 1, .is_open = true, .access_log = log};
        net_address_loopback(0, &config.listen);
        struct gateway *gateway = NULL;
        os_fault_set(kind, nth, false);
        enum err err = gateway_new(&config, &gateway, &why);
        is_hit = has_hit(kind, nth);
        assert_true(is_hit || err == ERR_OK);
        gateway_free(gateway);
    }
    assert_true(nth > 1 && nth < NTH_MAX);
    unlink(log);
    os_free(memory);
}

static void a_gateway_without_memory_starts_or_says_why_not(void **state)
{
    (void)state;
    starts_or_says_why_not(OS_FAULT_MEMORY);
}

static void a_gateway_without_sockets_starts_or_says_why_not(void **state)
{
    (void)state;
    starts_or_says_why_not(OS_FAULT_SOCKET);
}

static void a_gateway_without_files_starts_or_says_why_not(void **state)
{
    (void)state;
    starts_or_says_why_not(OS_FAULT_FILE);
}

/* One chat or stream while the <nth> call of <kind> fails; true: that many were made. */
static bool ask_under_fault(enum os_fault kind, uint64_t nth)
{
    struct rig rig;
    rig_open(&rig, 2, NULL);
    rig_serve(&rig, 0);
    rig_serve(&rig, 1);
    rig.servers[0].status = rig.servers[1].status = 200;
    memset(&answer, 0, sizeof answer);
    struct http_request request = {
        .head = SPAN_LITERAL("POST /v1/chat/completions HTTP/1.1\r\n"),
        .body = SPAN_LITERAL(RIG_CHAT),
        .body_length = (int64_t)strlen(RIG_CHAT),
        .handler = &rig_call_handler,
        .user = &answer,
    };
    os_fault_set(kind, nth, false);
    answer.call = http_call(rig.door, &request);
    bool is_refused = answer.call == NULL;
    RIG_UNTIL(&rig, is_refused || answer.is_over);
    bool is_hit = has_hit(kind, nth);
    assert_true(is_hit || answer.status == 200);
    assert_true(rig.servers[0].request_count + rig.servers[1].request_count <= PROXY_ATTEMPTS_MAX);
    rig_close(&rig);
    return is_hit;
}

static void a_request_without_memory_is_answered_or_ends(void **state)
{
    (void)state;
    uint64_t nth = 1;
    while (nth < NTH_MAX && ask_under_fault(OS_FAULT_MEMORY, nth))
        nth++;
    assert_true(nth > 1 && nth < NTH_MAX);
}

static void a_request_over_failing_sockets_is_answered_or_ends(void **state)
{
    (void)state;
    /* Probes go on as long as the loop runs, so this one is bounded by count. */
    for (uint64_t nth = 1; nth <= 40; nth++)
        if (!ask_under_fault(OS_FAULT_SOCKET, nth))
            break;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gateway_without_memory_starts_or_says_why_not),
        cmocka_unit_test(a_gateway_without_sockets_starts_or_says_why_not),
        cmocka_unit_test(a_gateway_without_files_starts_or_says_why_not),
        cmocka_unit_test(a_request_without_memory_is_answered_or_ends),
        cmocka_unit_test(a_request_over_failing_sockets_is_answered_or_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
