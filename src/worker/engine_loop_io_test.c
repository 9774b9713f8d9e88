/* An engine child over a real socketpair: this program is the child, too, when started as "engine".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/check.h"
#include "os/clock.h"
#include "os/process.h"
#include "worker/engine_loop_io.h"
#include "worker/wire_io.h"

enum { WAIT_MS = 20000, TEXT_SIZE = 1 << 16 };

static uint8_t buffer[WIRE_BUFFER_SIZE];
static struct wire_received in = {.buffer = buffer};
static int wire = -1;
static pid_t pid;
static char said[TEXT_SIZE]; /* the last payload, NUL-terminated */
static uint64_t step;        /* of the last frame */
static unsigned step_frames; /* in which the count had risen, since the last other frame */

static void start(void)
{
    int fds[2], pidfd;
    assert_int_equal(wire_pair(fds), ERR_OK);
    const char *const argv[] = {os_self_path(), "engine", NULL};
    struct os_spawn spawn = {
        .argv = argv, .keep_fds = &fds[1], .keep_fd_count = 1, .dies_with_parent = true};
    assert_int_equal(os_spawn(&spawn, &pid, &pidfd, NULL), ERR_OK);
    close(pidfd);
    close(fds[1]);
    wire = fds[0];
}

static int end_status(void)
{
    int status = -1;
    int64_t until_us = os_now_us() + WAIT_MS * 1000;
    while (os_reap(pid, &status) == ERR_AGAIN && os_now_us() < until_us)
        usleep(1000);
    if (wire >= 0)
        close(wire);
    wire = -1;
    return status;
}

static void say(enum frame_type type, uint32_t request, const char *payload)
{
    struct frame frame = {.type = (uint8_t)type, .request = request, .epoch = 9};
    assert_int_equal(wire_send(wire, &frame, span_of(payload)), ERR_OK);
}

/* The next frame but STEP; FRAME_NONE: nothing for <wait_ms>. */
static enum frame_type hear_within(int wait_ms)
{
    int64_t until_us = os_now_us() + wait_ms * 1000;
    for (;;) {
        struct pollfd ready = {.fd = wire, .events = POLLIN};
        int left_ms = (int)((until_us - os_now_us()) / 1000);
        if (left_ms < 0 || poll(&ready, 1, left_ms) <= 0)
            return FRAME_NONE;
        enum err err = wire_receive(wire, &in);
        if (err)
            return FRAME_NONE;
        assert_true(in.frame.epoch == 9);
        size_t n = in.payload.n < TEXT_SIZE - 1 ? in.payload.n : TEXT_SIZE - 1;
        memcpy(said, in.payload.p, n);
        said[n] = 0;
        wire_release(&in);
        if (in.frame.type != FRAME_STEP)
            return in.frame.type;
        step_frames += in.frame.step > step;
        step = in.frame.step;
    }
}

static enum frame_type hear(void)
{
    return hear_within(WAIT_MS);
}

static void assert_said(const char *part)
{
    if (!strstr(said, part))
        fail_msg("expected %s in %s", part, said);
}

static void load(const char *json)
{
    start();
    say(FRAME_LOAD, 0, json);
    if (hear() != FRAME_READY)
        fail_msg("expected READY, found %s", said);
}

#define ECHO(more)                                                                                 \
    "{\"engine\":\"echo\",\"models\":[{\"name\":\"chat\"}],\"slots\":2," more "\"generates\":"     \
    "true}"

static void a_stream_stops_at_its_credits_and_goes_on_with_more(void **state)
{
    (void)state;
    load(ECHO(""));
    assert_said("\"context_tokens\":4096");
    say(FRAME_REQUEST, 5,
        "{\"op\":\"generate\",\"text\":\"hi\",\"max_tokens\":10,\"stream\":true,\"credits\":4}");
    for (int i = 0; i < 4; i++)
        assert_int_equal(hear(), FRAME_TOKENS);
    assert_int_equal(hear_within(100), FRAME_NONE);
    struct frame frame = {.type = FRAME_CREDIT, .request = 5, .epoch = 9};
    assert_int_equal(wire_send(wire, &frame, span_from("\x20\0\0\0", 4)), ERR_OK);
    for (int i = 0; i < 6; i++)
        assert_int_equal(hear(), FRAME_TOKENS);
    assert_int_equal(hear(), FRAME_RESULT);
    assert_said("\"finish_reason\":\"length\"");
    assert_said("\"output_tokens\":10");
    say(FRAME_QUIT, 0, NULL);
    assert_int_equal(end_status(), 0);
}

static void cancelling_is_confirmed_and_frees_the_slot(void **state)
{
    (void)state;
    load(ECHO("\"decode_ns_per_token\":5000000,"));
    for (uint32_t i = 1; i <= 3; i++)
        say(FRAME_REQUEST, i, "{\"op\":\"generate\",\"text\":\"hi\",\"max_tokens\":1000}");
    assert_int_equal(hear(), FRAME_FAIL); /* two slots: the third finds none */
    assert_said("engine_full");
    say(FRAME_CANCEL, 1, NULL);
    assert_int_equal(hear(), FRAME_RESULT);
    assert_int_equal(in.frame.request, 1);
    assert_said("\"finish_reason\":\"cancelled\"");
    say(FRAME_REQUEST, 4, "{\"op\":\"generate\",\"text\":\"hi\",\"max_tokens\":1}");
    assert_int_equal(hear(), FRAME_RESULT);
    assert_int_equal(in.frame.request, 4);
    close(wire);
    wire = -1;
    assert_int_equal(end_status(), 0); /* the parent's end is an order to exit */
}

/* The reader stood still, and left while the last token it had credit for was computed. */
static void a_cancelled_stream_without_credits_is_ended_too(void **state)
{
    (void)state;
    load(ECHO("\"decode_ns_per_token\":200000000,"));
    say(FRAME_REQUEST, 1,
        "{\"op\":\"generate\",\"text\":\"hi\",\"max_tokens\":10,\"stream\":true,\"credits\":2}");
    assert_int_equal(hear(), FRAME_TOKENS);
    say(FRAME_CANCEL, 1, NULL);
    assert_int_equal(hear_within(5000), FRAME_RESULT);
    assert_said("\"finish_reason\":\"cancelled\"");
    say(FRAME_QUIT, 0, NULL);
    assert_int_equal(end_status(), 0);
}

static void a_pace_is_kept_by_streams_side_by_side(void **state)
{
    (void)state;
    load(ECHO("\"decode_ns_per_token\":10000000,\"prefill_ns_per_token\":1000000,"));
    int64_t began_us = os_now_us();
    for (uint32_t i = 1; i <= 2; i++)
        say(FRAME_REQUEST, i,
            "{\"op\":\"generate\",\"text\":\"twenty bytes of text\",\"max_tokens\":20}");
    assert_int_equal(hear(), FRAME_RESULT);
    assert_int_equal(hear(), FRAME_RESULT);
    int64_t took_us = os_now_us() - began_us;
    /* 5 + 1 prompt tokens of 1 ms, then 19 or 20 steps of 10 ms for both together. */
    assert_in_range(took_us, 190 * 1000, 400 * 1000);
    say(FRAME_QUIT, 0, NULL);
    assert_int_equal(end_status(), 0);
}

static void what_does_not_fit_is_refused_in_openais_words(void **state)
{
    (void)state;
    load(ECHO("\"context_tokens\":16,"));
    say(FRAME_REQUEST, 1, "{\"op\":\"generate\",\"text\":\"twelve bytes\",\"max_tokens\":14}");
    assert_int_equal(hear(), FRAME_FAIL);
    assert_said("context_length_exceeded");
    assert_said("maximum context length is 16 tokens. However, you requested 17 tokens (3 in");
    say(FRAME_REQUEST, 2, "{\"op\":\"generate\",\"text\":\"twelve bytes\"}");
    assert_int_equal(hear(), FRAME_RESULT); /* without a number: what fits */
    assert_said("\"output_tokens\":13");
    say(FRAME_QUIT, 0, NULL);
    assert_int_equal(end_status(), 0);
}

static void nonsense_from_the_parent_ends_the_child(void **state)
{
    (void)state;
    load(ECHO(""));
    assert_int_equal(write(wire, "not a frame at all", 18), 18);
    assert_int_equal(end_status(), 2);
    load(ECHO(""));
    say(FRAME_REQUEST, 1, "{\"op\":\"generate\""); /* a frame, but no JSON: the child lives on */
    assert_int_equal(hear(), FRAME_FAIL);
    say(FRAME_QUIT, 0, NULL);
    assert_int_equal(end_status(), 0);
}

static void assert_load_fails(const char *json, const char *part)
{
    start();
    say(FRAME_LOAD, 0, json);
    assert_int_equal(hear(), FRAME_FAIL);
    assert_said("load_failed");
    assert_said(part);
    assert_int_equal(end_status(), 1);
}

static void what_cannot_be_loaded_is_said(void **state)
{
    (void)state;
    assert_load_fails("{\"engine\":\"abacus\",\"models\":[{}],\"slots\":1}", "abacus");
    assert_load_fails("{\"engine\":\"native\",\"slots\":1,\"models\":[{\"name\":\"a\",\"file\":"
                      "\"/nowhere/x.model\"}]}",
                      "/nowhere/x.model");
    assert_load_fails("{\"engine\":\"native\",\"slots\":1,\"models\":[{\"name\":\"a\",\"file\":"
                      "\"" SOURCE_DIR "/models/risk.schema\"}]}",
                      "expected \\\"farspan-model 1\\\"");
    assert_load_fails("{\"engine\":\"native\",\"slots\":1,\"models\":[{\"name\":\"a\",\"file\":"
                      "\"" SOURCE_DIR "/models/risk.model\",\"sha256\":"
                      "\"0000000000000000000000000000000000000000000000000000000000000000\"}]}",
                      "not the one with sha256");
}

#ifdef FARSPAN_WITH_LLAMA

#define GGUF SOURCE_DIR "/models/austen.gguf"
#define LLAMA(file)                                                                                \
    "{\"engine\":\"llama\",\"models\":[{\"name\":\"chat\",\"file\":\"" file                        \
    "\"}],\"slots\":2,\"generates\":true,\"embeds\":true}"

static char path[64];

static void assert_file_refused(const char *part)
{
    char json[512];
    snprintf(json, sizeof json,
             "{\"engine\":\"llama\",\"models\":[{\"name\":\"chat\",\"file\":\"%s\"}],\"slots\":2,"
             "\"generates\":true,\"embeds\":true}",
             path);
    assert_load_fails(json, part);
    assert_int_equal(unlink(path), 0);
}

static void write_file(const void *content, size_t n, off_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && write(fd, content, n) == (ssize_t)n && ftruncate(fd, size) == 0);
    close(fd);
}

static void bad_gguf_files_are_refused_with_the_reason(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/farspan-engine-test-%d.gguf", (int)getpid());
    write_file("MZ not a model", 14, 14);
    assert_file_refused("expected a GGUF file");
    write_file("GGUF\3\0\0\0", 8, (off_t)1 << 42);
    assert_file_refused("too big for memory");
    static char start_of_model[1 << 20];
    FILE *file = fopen(GGUF, "rb");
    assert_non_null(file);
    size_t n = fread(start_of_model, 1, sizeof start_of_model, file);
    fclose(file);
    write_file(start_of_model, n, (off_t)n);
    assert_file_refused("is damaged, cut off");
}

static void text_of(uint32_t request, const char *json, char *ret_text, uint32_t *ret_cached)
{
    say(FRAME_REQUEST, request, json);
    assert_int_equal(hear(), FRAME_RESULT);
    char *text = strstr(said, "\"text\":\""), *cached = strstr(said, "\"cached_tokens\":");
    assert_true(text && cached);
    snprintf(ret_text, 1024, "%s", text);
    *ret_cached = (uint32_t)strtoul(cached + 16, NULL, 10);
}

static void a_second_prompt_finds_its_beginning_cached_and_says_the_same(void **state)
{
    (void)state;
    static const char request[] = "{\"op\":\"generate\",\"text\":\"She was not at all surprised to "
                                  "see him at the door of the house\",\"max_tokens\":24,"
                                  "\"temperature\":0}";
    char first[1024], second[1024];
    uint32_t cached;
    load(LLAMA(GGUF));
    assert_said("\"context_tokens\":512");
    text_of(1, request, first, &cached);
    assert_int_equal(cached, 0);
    text_of(2, request, second, &cached);
    assert_in_range(cached, 8, 64);
    assert_string_equal(first, second);
    say(FRAME_QUIT, 0, NULL);
    assert_int_equal(end_status(), 0);
}

static void ask_one_of_four(uint32_t request)
{
    static const char *const ends[] = {"the door", "a window", "some tea", "his horse"};
    char json[512];
    bool is_long = request % 4 == 0 || request % 4 == 3;
    snprintf(
        json, sizeof json,
        "{\"op\":\"generate\",\"text\":\"She was not at all surprised to see him come into the "
        "room, and spoke of %s\",\"max_tokens\":%d,\"temperature\":0}",
        ends[request % 4], is_long ? 60 : 5);
    say(FRAME_REQUEST, request, json);
}

/* Prompts copied from a sequence that is busy, and two streams with two idle sequences between. */
static void streams_side_by_side_say_what_each_says_alone(void **state)
{
    (void)state;
    char alone[4][1024];
    uint32_t cached_in_all = 0;
    load("{\"engine\":\"llama\",\"models\":[{\"name\":\"chat\",\"file\":\"" GGUF
         "\"}],\"slots\":4,\"generates\":true}");
    for (uint32_t i = 0; i < 8; i++) {
        ask_one_of_four(i);
        if (i < 4) {
            assert_int_equal(hear(), FRAME_RESULT);
            snprintf(alone[i], sizeof alone[i], "%s", strstr(said, "\"text\":\""));
        }
    }
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(hear(), FRAME_RESULT);
        assert_string_equal(strstr(said, "\"text\":\""), alone[in.frame.request % 4]);
        cached_in_all += (uint32_t)strtoul(strstr(said, "\"cached_tokens\":") + 16, NULL, 10);
    }
    assert_true(cached_in_all > 4 * 16);
    say(FRAME_QUIT, 0, NULL);
    assert_int_equal(end_status(), 0);
}

static void a_seed_repeats_an_answer_and_another_changes_it(void **state)
{
    (void)state;
    char texts[3][1024], json[256];
    uint32_t cached;
    load(LLAMA(GGUF));
    for (uint32_t i = 0; i < 3; i++) {
        snprintf(json, sizeof json,
                 "{\"op\":\"generate\",\"text\":\"It was\",\"max_tokens\":24,\"temperature\":1.0,"
                 "\"top_p\":1.0,\"seed\":%u}",
                 i == 2 ? 8 : 7);
        text_of(i + 1, json, texts[i], &cached);
    }
    assert_string_equal(texts[0], texts[1]);
    assert_string_not_equal(texts[0], texts[2]);
    say(FRAME_QUIT, 0, NULL);
    assert_int_equal(end_status(), 0);
}

/* <count> texts of about 300 tokens. */
static void ask_embeddings(uint32_t request, unsigned count)
{
    static char json[1 << 19];
    struct text text;
    text_init(&text, json, sizeof json);
    text_add(&text, "{\"op\":\"embed\",\"texts\":[");
    for (unsigned i = 0; i < count; i++) {
        text_add(&text, "%s\"", i ? "," : "");
        for (unsigned word = 0; word < 150; word++)
            text_add(&text, "evening ");
        text_add(&text, "\"");
    }
    text_add(&text, "]}");
    assert_false(text.is_cut);
    say(FRAME_REQUEST, request, json);
}

/* Else its worker would take it for hung, kill it, and refuse the request after a second try. */
static void long_computing_is_heard_of_before_its_end(void **state)
{
    (void)state;
    load(LLAMA(GGUF));
    int64_t took_us = 0;
    for (unsigned count = 16; count <= 256 && took_us < 1500 * 1000; count *= 2) {
        int64_t began_us = os_now_us();
        step_frames = 0;
        step = in.frame.step;
        ask_embeddings(count, count);
        assert_int_equal(hear(), FRAME_RESULT);
        took_us = os_now_us() - began_us;
    }
    if (took_us >= 1500 * 1000)
        assert_true(step_frames > 0);
    say(FRAME_QUIT, 0, NULL);
    assert_int_equal(end_status(), 0);
}

static void embeddings_and_streams_share_a_child(void **state)
{
    (void)state;
    load(LLAMA(GGUF));
    say(FRAME_REQUEST, 1,
        "{\"op\":\"generate\",\"text\":\"It was\",\"max_tokens\":60,\"temperature\":1,\"top_p\":1,"
        "\"seed\":3,\"stream\":true,\"credits\":1000}");
    say(FRAME_REQUEST, 2, "{\"op\":\"embed\",\"texts\":[\"the garden\",\"the house\"]}");
    unsigned results = 0, tokens = 0;
    bool had_vectors = false;
    while (results < 2) {
        enum frame_type type = hear();
        assert_true(type == FRAME_TOKENS || type == FRAME_RESULT);
        tokens += type == FRAME_TOKENS;
        results += type == FRAME_RESULT;
        had_vectors = had_vectors || strstr(said, "\"vectors\":[[");
    }
    assert_true(had_vectors && tokens > 5);
    say(FRAME_QUIT, 0, NULL);
    assert_int_equal(end_status(), 0);
}
#endif

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "engine") == 0)
        return engine_loop_run(3);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_stops_at_its_credits_and_goes_on_with_more),
        cmocka_unit_test(cancelling_is_confirmed_and_frees_the_slot),
        cmocka_unit_test(a_cancelled_stream_without_credits_is_ended_too),
        cmocka_unit_test(a_pace_is_kept_by_streams_side_by_side),
        cmocka_unit_test(what_does_not_fit_is_refused_in_openais_words),
        cmocka_unit_test(nonsense_from_the_parent_ends_the_child),
        cmocka_unit_test(what_cannot_be_loaded_is_said),
#ifdef FARSPAN_WITH_LLAMA
        cmocka_unit_test(bad_gguf_files_are_refused_with_the_reason),
        cmocka_unit_test(a_second_prompt_finds_its_beginning_cached_and_says_the_same),
        cmocka_unit_test(streams_side_by_side_say_what_each_says_alone),
        cmocka_unit_test(a_seed_repeats_an_answer_and_another_changes_it),
        cmocka_unit_test(embeddings_and_streams_share_a_child),
        cmocka_unit_test(long_computing_is_heard_of_before_its_end),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
