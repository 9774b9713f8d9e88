/* A worker end to end on loopback: this program is the worker and its engines, too, when it is
 * started with such a verb. Paced to a profile, so that streams last long enough to be cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/check.h"
#include "fleet/layout.h"
#include "fleet/load_io.h"
#include "net/address.h"
#include "os/clock.h"
#include "os/process.h"
#include "worker/engine_loop_io.h"
#include "worker/worker_io.h"

enum { ANSWER_SIZE = 1 << 20, WAIT_MS = 8000 };

static const char yaml[] =
    "version: 1\nworld: test\ncatalog:\n"
    "  regions: " SOURCE_DIR "/data/regions.csv\n  prices: " SOURCE_DIR "/data/prices.csv\n"
    "  links: " SOURCE_DIR "/data/links.csv\n  profiles: " SOURCE_DIR "/data/profiles.csv\n"
    "regions:\n  - {name: \"aws:us-east-1\", zone: us}\n"
    "models:\n  - {name: risk, file: " SOURCE_DIR "/models/risk.model}\n"
    "  - {name: digits, file: " SOURCE_DIR "/models/digits.model}\n"
    "services:\n  - {name: chat, kind: generation, engine: echo}\n"
    "  - {name: embed, kind: embeddings, engine: echo}\n"
    "  - {name: risk, kind: classification, engine: native, model: risk}\n"
    "  - {name: digits, kind: classification, engine: native, model: digits}\n"
    "workers:\n  - name: w\n    region: \"aws:us-east-1\"\n    sku: m7i.xlarge\n"
    "    pace: profile\n    profile: llama2-70b/8xa100-80gb/16\n"
    "    services: [chat, embed, risk, digits]\n";

static char file[] = "/tmp/farspan-worker-test-XXXXXX";
static uint16_t port_base, port;
static pid_t worker_pid;
static char answer[ANSWER_SIZE];

#define PEER                                                                                       \
    "authorization: Peer 6161616161616161616161616161616161616161616161616161616161616161\r\n"

/* The worker's own process -------------------------------------------------------------------- */

static int be_worker(const char *path, const char *base)
{
    static struct worker_options options;
    static struct fleet_complaints complaints;
    static char memory[8 << 20], reason[512];
    struct arena arena;
    struct text why;
    arena_init(&arena, memory, sizeof memory);
    text_init(&why, reason, sizeof reason);
    if (fleet_load(path, &arena, &complaints, &options.fleet) ||
        os_secret_read(3, options.secret, sizeof options.secret))
        return 2;
    options.port_base = (uint16_t)strtoul(base, NULL, 10);
    options.hang_us = 800 * 1000;
    options.drain_us = 400 * 1000;
    return worker_run(&options, &why) ? 1 : 0;
}

static uint16_t free_port(void)
{
    struct net_address address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    net_address_loopback(0, &address);
    assert_true(fd >= 0 && bind(fd, &address.u.any, address.size) == 0);
    address.size = sizeof address.u;
    assert_int_equal(getsockname(fd, &address.u.any, &address.size), 0);
    close(fd);
    return net_address_port(&address);
}

static void start_worker(void)
{
    char base[8];
    int secret_fd, pidfd;
    port = free_port();
    port_base = (uint16_t)(port - 1); /* one region: its gateway's port, then the worker's */
    snprintf(base, sizeof base, "%u", port_base);
    assert_int_equal(os_secret_pipe("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 32, &secret_fd), ERR_OK);
    const char *const argv[] = {os_self_path(), "worker", file, base, NULL};
    struct os_spawn spawn = {
        .argv = argv, .keep_fds = &secret_fd, .keep_fd_count = 1, .dies_with_parent = true};
    assert_int_equal(os_spawn(&spawn, &worker_pid, &pidfd, NULL), ERR_OK);
    close(secret_fd);
    close(pidfd);
}

/* A client ------------------------------------------------------------------------------------ */

static int dial(void)
{
    struct net_address address;
    net_address_loopback(port, &address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, &address.u.any, address.size) == 0)
        return fd;
    close(fd);
    return -1;
}

static int ask(const char *method, const char *path, const char *headers, const char *body)
{
    char head[1024];
    int fd = dial();
    if (fd < 0)
        return fd;
    int n = snprintf(head, sizeof head,
                     "%s %s HTTP/1.1\r\nhost: w\r\nconnection: close\r\n%scontent-length: "
                     "%zu\r\n\r\n",
                     method, path, headers, strlen(body));
    assert_int_equal(write(fd, head, (size_t)n), n);
    assert_int_equal(write(fd, body, strlen(body)), (ssize_t)strlen(body));
    return fd;
}

/* Reads until <mark> is there, or the end; false: time is up. */
static bool read_until(int fd, const char *mark)
{
    size_t used = strlen(answer);
    int64_t until_us = os_now_us() + WAIT_MS * 1000;
    while (!mark || !strstr(answer, mark)) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int left_ms = (int)((until_us - os_now_us()) / 1000);
        if (left_ms <= 0 || poll(&ready, 1, left_ms) <= 0)
            return false;
        ssize_t n = read(fd, answer + used, sizeof answer - 1 - used);
        if (n <= 0)
            return mark == NULL;
        used += (size_t)n;
        answer[used] = 0;
    }
    return true;
}

/* The status; the whole answer is in <answer>. */
static int fetch(const char *method, const char *path, const char *headers, const char *body)
{
    answer[0] = 0;
    int fd = ask(method, path, headers, body);
    if (fd < 0)
        return -1;
    bool is_whole = read_until(fd, NULL);
    close(fd);
    return is_whole && strlen(answer) > 12 ? (int)strtol(answer + 9, NULL, 10) : -1;
}

static void assert_has(const char *part)
{
    if (!strstr(answer, part))
        fail_msg("expected %s in\n%.3000s", part, answer);
}

static void assert_lacks(const char *part)
{
    if (strstr(answer, part))
        fail_msg("did not expect %s in\n%.3000s", part, answer);
}

static void post(int status, const char *path, const char *body, const char *part)
{
    int found = fetch("POST", path, PEER, body);
    if (found != status)
        fail_msg("%s %s: expected %d, found\n%.2000s", path, body, status, answer);
    assert_has(part);
}

static void wait_ready(void)
{
    for (int64_t until_us = os_now_us() + WAIT_MS * 1000; os_now_us() < until_us;) {
        if (fetch("GET", "/healthz", "", "") == 200 && strstr(answer, "\"ready\":4"))
            return;
        usleep(20000);
    }
    fail_msg("the worker did not become ready: %s", answer);
}

static void wait_load(const char *part)
{
    for (int64_t until_us = os_now_us() + WAIT_MS * 1000; os_now_us() < until_us;) {
        assert_int_equal(fetch("GET", "/peer/v1/state", PEER, ""), 200);
        if (strstr(answer, part))
            return;
        usleep(5000);
    }
    fail_msg("expected %s in %s", part, answer);
}

static pid_t engine_pid(void)
{
    static const char mark[] = "{\"engine\":\"echo\",\"state\":\"ready\",\"pid\":";
    wait_load(mark);
    return (pid_t)strtol(strstr(answer, mark) + sizeof mark - 1, NULL, 10);
}

/* Kills the echo engine, and waits until its worker has seen it. */
static void kill_engine(void)
{
    char old[32];
    pid_t pid = engine_pid();
    snprintf(old, sizeof old, "\"pid\":%d,", (int)pid);
    assert_int_equal(kill(pid, SIGKILL), 0);
    for (int64_t until_us = os_now_us() + WAIT_MS * 1000; os_now_us() < until_us;) {
        assert_int_equal(fetch("GET", "/peer/v1/state", PEER, ""), 200);
        if (!strstr(answer, old))
            return;
        usleep(2000);
    }
    fail_msg("the worker has not noticed the death of its engine");
}

static int begin_stream(int max_tokens)
{
    char body[256];
    snprintf(body, sizeof body,
             "{\"model\":\"chat\",\"stream\":true,\"max_tokens\":%d,\"messages\":[{\"role\":"
             "\"user\",\"content\":\"tell me\"}]}",
             max_tokens);
    answer[0] = 0;
    int fd = ask("POST", "/v1/chat/completions", PEER, body);
    assert_true(fd >= 0 && read_until(fd, "\"delta\":{\"content\""));
    return fd;
}

/* Tests --------------------------------------------------------------------------------------- */

#define CHAT "/v1/chat/completions"
#define SAY(more)                                                                                  \
    "{\"model\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]" more "}"

static void only_peers_come_in(void **state)
{
    (void)state;
    assert_int_equal(fetch("POST", CHAT, "", SAY("")), 401);
    assert_int_equal(fetch("POST", CHAT, "authorization: Bearer sk-client\r\n", SAY("")), 403);
    assert_int_equal(fetch("POST", CHAT, "authorization: Peer 00\r\n", SAY("")), 403);
    assert_int_equal(fetch("GET", "/peer/v1/load",
                           "authorization: Peer "
                           "6161616161616161616161616161616161616161616161616161616161616162\r\n",
                           ""),
                     403);
    assert_int_equal(fetch("GET", "/metrics", "", ""), 200);
    assert_int_equal(fetch("GET", "/v1/nothing", PEER, ""), 404);
    assert_int_equal(fetch("GET", CHAT, PEER, ""), 405);
}

static void zones_and_epochs_are_checked_again(void **state)
{
    (void)state;
    const char *body = SAY(",\"max_tokens\":1");
    assert_int_equal(fetch("POST", CHAT, PEER "x-farspan-zones: eu\r\n", body), 403);
    assert_int_equal(fetch("POST", CHAT, PEER "x-farspan-zones: eu, us\r\n", body), 200);
    assert_int_equal(fetch("POST", CHAT, PEER "x-farspan-epoch: 0\r\n", body), 409);
    assert_int_equal(
        fetch("POST", CHAT, PEER "x-farspan-deadline-ms: 1\r\n", SAY(",\"max_tokens\":40")), 504);
}

static void a_chat_is_answered_whole_and_streamed_with_the_same_words(void **state)
{
    (void)state;
    post(200, CHAT, SAY(",\"max_tokens\":3"), "\"completion_tokens\":3");
    char *content = strstr(answer, "\"content\":\"") + 11;
    char first[32];
    snprintf(first, sizeof first, "%.*s", (int)strcspn(content + 1, " \"") + 1, content);
    post(200, CHAT,
         SAY(",\"max_tokens\":3,\"stream\":true,\"stream_options\":"
             "{\"include_usage\":true}"),
         "data: [DONE]");
    assert_has("\"delta\":{\"role\":\"assistant\",\"content\":\"\"}");
    assert_has("\"finish_reason\":\"length\"");
    assert_has("\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":3");
    assert_has(first);
    post(200, "/v1/completions", "{\"model\":\"chat\",\"prompt\":[\"hi\"],\"max_tokens\":2}",
         "\"text_completion\"");
}

static void stop_words_end_an_answer_before_they_are_said(void **state)
{
    (void)state;
    post(200, CHAT, SAY(",\"max_tokens\":8"), "\"finish_reason\":\"length\"");
    char *content = strstr(answer, "\"content\":\" ") + 12;
    char body[256], second[32];
    content += strcspn(content, " ") + 1;
    snprintf(second, sizeof second, "%.*s", (int)strcspn(content, " \""), content);
    snprintf(body, sizeof body,
             "{\"model\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],"
             "\"max_tokens\":8,\"stop\":\"%s\"}",
             second);
    post(200, CHAT, body, "\"finish_reason\":\"stop\"");
    assert_lacks(second);
}

static void bad_requests_are_told_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *more, *part;
    } rows[] = {{400, ",\"n\":2", "\"param\":\"n\""},
                {400, ",\"stream\":\"yes\"", "\"param\":\"stream\""},
                {400, ",\"max_tokens\":0", "\"param\":\"max_tokens\""},
                {400, ",\"temperature\":3", "\"param\":\"temperature\""},
                {400, ",\"stop\":[\"\"]", "\"param\":\"stop\""},
                {400, ",\"seed\":\"x\"", "\"param\":\"seed\""},
                {400, ",\"tools\":[{}]", "\"param\":\"tools\""},
                {400, ",\"max_tokens\":99999", "\"code\":\"context_length_exceeded\""}};
    char body[256];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(body, sizeof body,
                 "{\"model\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]%s}",
                 rows[i].more);
        post(rows[i].status, CHAT, body, rows[i].part);
        assert_has("\"type\":\"invalid_request_error\"");
    }
    post(404, CHAT, "{\"model\":\"nope\",\"messages\":[]}", "\"code\":\"model_not_found\"");
    post(400, CHAT, "{\"model\":\"chat\",\"messages\":[]}", "\"param\":\"messages\"");
    post(400, CHAT, "{\"model\":\"risk\",\"messages\":[]}", "wrong_kind");
    post(400, CHAT, "{\"model\":", "not valid JSON");
    post(400, CHAT, "[]", "must be a JSON object");
}

static void embeddings_come_as_floats_and_as_base64(void **state)
{
    (void)state;
    post(200, "/v1/embeddings", "{\"model\":\"embed\",\"input\":[\"a b\",\"c\"]}",
         "\"index\":1,\"embedding\":[");
    post(200, "/v1/embeddings",
         "{\"model\":\"embed\",\"input\":\"a b\",\"encoding_format\":\"base64\"}",
         "\"embedding\":\"");
    post(400, "/v1/embeddings", "{\"model\":\"embed\",\"input\":[1,2]}", "\"param\":\"input\"");
    post(400, "/v1/embeddings", "{\"model\":\"embed\",\"input\":\"a\",\"encoding_format\":\"hex\"}",
         "\"param\":\"encoding_format\"");
}

static void models_answer_by_the_open_inference_protocol(void **state)
{
    (void)state;
    char body[1024];
    struct text json;
    text_init(&json, body, sizeof body);
    text_add(&json,
             "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,64],\"data\":[8");
    for (int i = 1; i < 64; i++)
        text_add(&json, ",8");
    text_add(&json, "]}]}");
    post(200, "/v2/models/digits/infer", body, "\"name\":\"score\",\"datatype\":\"FP32\"");
    assert_int_equal(fetch("GET", "/v2/models/risk", PEER, ""), 200);
    assert_has("{\"name\":\"checking\",\"datatype\":\"BYTES\",\"shape\":[-1]}");
    assert_int_equal(fetch("GET", "/v2/models/risk/ready", PEER, ""), 200);
    post(200, "/v2/models/chat/infer",
         "{\"inputs\":[{\"name\":\"text\",\"datatype\":\"BYTES\",\"shape\":[1],\"data\":[\"hi\"]}],"
         "\"parameters\":{\"max_tokens\":2}}",
         "\"name\":\"text\",\"datatype\":\"BYTES\",\"shape\":[1]");
    post(200, "/v2/models/embed/infer",
         "{\"inputs\":[{\"name\":\"text\",\"datatype\":\"BYTES\",\"shape\":[2],\"data\":[\"a\","
         "\"b\"]}]}",
         "\"shape\":[2,64]");
}

static void wrong_tensors_are_named_with_what_was_expected(void **state)
{
    (void)state;
    static const struct {
        const char *input, *part;
    } rows[] = {
        {"\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[1,64],\"data\":[]", "expected once"},
        {"\"name\":\"x\",\"datatype\":\"BYTES\",\"shape\":[1,64],\"data\":[]",
         "expected datatype FP32, found \\\"BYTES\\\""},
        {"\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,63],\"data\":[]", "found [1,63]"},
        {"\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[0,64],\"data\":[]", "found [0,64]"},
        {"\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,64],\"data\":[1]",
         "expected 64 values for its shape, found 1"}};
    char body[512];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(body, sizeof body, "{\"inputs\":[{%s}]}", rows[i].input);
        post(400, "/v2/models/digits/infer", body, rows[i].part);
        assert_has("{\"error\":\"");
    }
    post(400, "/v2/models/digits/infer",
         "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,64],\"data\":[NaN]}]}",
         "not valid JSON");
    post(400, "/v2/models/risk/infer",
         "{\"inputs\":[{\"name\":\"checking\",\"datatype\":\"BYTES\",\"shape\":[1],\"data\":"
         "[\"A11\"]}]}",
         "input \\\"duration\\\": expected once");
    post(404, "/v2/models/nope/infer", "{}", "{\"error\":\"");
}

static void a_client_that_leaves_frees_its_slot(void **state)
{
    (void)state;
    int fd = begin_stream(2000);
    wait_load("\"service\":\"chat\",\"ready\":true,\"running\":1");
    close(fd);
    int64_t left_us = os_now_us();
    wait_load("\"service\":\"chat\",\"ready\":true,\"running\":0");
    assert_true(os_now_us() - left_us < 500 * 1000);
}

static void a_dead_engine_cuts_its_streams_with_a_typed_error_and_comes_back(void **state)
{
    (void)state;
    int fd = begin_stream(2000);
    assert_int_equal(kill(engine_pid(), SIGKILL), 0);
    answer[0] = 0;
    assert_true(read_until(fd, NULL));
    close(fd);
    assert_has("\"code\":\"upstream_lost\"");
    assert_has("\"type\":\"server_error\"");
    assert_lacks("[DONE]");
    assert_lacks("\r\n0\r\n");
    post(200, CHAT, SAY(",\"max_tokens\":2"), "\"completion_tokens\":2");
}

static void what_had_not_streamed_when_the_engine_died_is_answered_after_all(void **state)
{
    (void)state;
    answer[0] = 0;
    int fd = ask("POST", CHAT, PEER, SAY(",\"max_tokens\":30"));
    wait_load("\"running\":1");
    kill_engine();
    answer[0] = 0;
    assert_true(read_until(fd, NULL));
    close(fd);
    assert_has("HTTP/1.1 200");
    assert_has("\"completion_tokens\":30");
}

static void a_request_that_is_alone_at_a_second_death_is_quarantined(void **state)
{
    (void)state;
    answer[0] = 0;
    int fd = ask("POST", CHAT, PEER, SAY(",\"max_tokens\":300"));
    for (int death = 0; death < 2; death++) {
        wait_load("\"running\":1");
        kill_engine();
    }
    answer[0] = 0;
    assert_true(read_until(fd, NULL));
    close(fd);
    assert_has("HTTP/1.1 422");
    wait_ready();
    post(422, CHAT, SAY(",\"max_tokens\":300"), "request_quarantined");
    post(200, CHAT, SAY(",\"max_tokens\":2"), "\"completion_tokens\":2");
}

static void an_engine_that_hangs_is_killed_and_replaced(void **state)
{
    (void)state;
    int fd = begin_stream(2000);
    assert_int_equal(kill(engine_pid(), SIGSTOP), 0);
    answer[0] = 0;
    assert_true(read_until(fd, NULL));
    close(fd);
    assert_has("\"code\":\"upstream_lost\"");
    post(200, CHAT, SAY(",\"max_tokens\":2"), "\"completion_tokens\":2");
}

static void an_idle_stopped_engine_is_left_alone(void **state)
{
    (void)state;
    wait_ready();
    pid_t pid = engine_pid();
    assert_int_equal(kill(pid, SIGSTOP), 0);
    usleep(1200 * 1000); /* longer than the hang limit of this test */
    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_int_equal(engine_pid(), pid);
}

static void draining_lets_streams_end_then_cuts_them_and_exits_well(void **state)
{
    (void)state;
    wait_ready();
    int fd = begin_stream(2000), status = -1;
    assert_int_equal(kill(worker_pid, SIGTERM), 0);
    answer[0] = 0;
    assert_true(read_until(fd, NULL));
    close(fd);
    assert_has("\"code\":\"upstream_lost\"");
    int64_t until_us = os_now_us() + 3 * 1000 * 1000;
    while (os_reap(worker_pid, &status) == ERR_AGAIN && os_now_us() < until_us)
        usleep(5000);
    assert_int_equal(status, 0);
    worker_pid = 0;
}

static int set_up(void **state)
{
    (void)state;
    int fd = mkstemp(file);
    if (fd < 0 || write(fd, yaml, sizeof yaml - 1) != (ssize_t)sizeof yaml - 1)
        return -1;
    close(fd);
    start_worker();
    wait_ready();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    int status;
    if (worker_pid) {
        kill(worker_pid, SIGKILL);
        while (os_reap(worker_pid, &status) == ERR_AGAIN)
            usleep(5000);
    }
    return unlink(file);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && strcmp(argv[1], "engine") == 0)
        return engine_loop_run(3);
    if (argc > 3 && strcmp(argv[1], "worker") == 0)
        return be_worker(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_peers_come_in),
        cmocka_unit_test(zones_and_epochs_are_checked_again),
        cmocka_unit_test(a_chat_is_answered_whole_and_streamed_with_the_same_words),
        cmocka_unit_test(stop_words_end_an_answer_before_they_are_said),
        cmocka_unit_test(bad_requests_are_told_what_is_wrong),
        cmocka_unit_test(embeddings_come_as_floats_and_as_base64),
        cmocka_unit_test(models_answer_by_the_open_inference_protocol),
        cmocka_unit_test(wrong_tensors_are_named_with_what_was_expected),
        cmocka_unit_test(a_client_that_leaves_frees_its_slot),
        cmocka_unit_test(a_dead_engine_cuts_its_streams_with_a_typed_error_and_comes_back),
        cmocka_unit_test(what_had_not_streamed_when_the_engine_died_is_answered_after_all),
        cmocka_unit_test(a_request_that_is_alone_at_a_second_death_is_quarantined),
        cmocka_unit_test(an_engine_that_hangs_is_killed_and_replaced),
        cmocka_unit_test(an_idle_stopped_engine_is_left_alone),
        cmocka_unit_test(draining_lets_streams_end_then_cuts_them_and_exits_well),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
