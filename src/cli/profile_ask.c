#include "cli/profile_ask.h"

#include <string.h>

#include <jansson.h>

#include "base/check.h"
#include "base/crypto.h"
#include "base/rng.h"
#include "http/client_io.h"
#include "http/sse.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/process.h"

enum {
    EVENT_SIZE = 32 * 1024,
    ERROR_SIZE = 2048,
    SAID_MAX = 200, /* of a server's own words */
    BODY_HEAD = 1024,
    WORD_BYTES_MAX = 8, /* with the space */
    TICK_US = 250 * 1000,
    STALL_US = 60 * 1000 * 1000
};

struct answer {
    struct profile_asker *asker;
    struct http_call *http; /* NULL: over */
    struct profile_stream stream;
    struct span body;
    unsigned status;
    bool is_stream, has_usage, is_done, is_broken;
    struct sse_reader sse;
    char event[EVENT_SIZE];
    char error[ERROR_SIZE]; /* what came in place of a stream */
    size_t error_size;
};

struct profile_asker {
    const struct profile_server *server;
    struct net_loop *loop;
    struct net_resolver *resolver;
    struct net_tls_client *tls;
    struct http_client *client;
    struct http_origin *origin;
    struct rng rng;
    bool is_plain;
    char head[PROFILE_KEY_MAX + LIMIT_URL + 256];
    size_t head_size;
    int64_t tick_us; /* when the next is due */
    uint32_t open_count;
    enum profile_answer worst;                        /* of the round */
    char message[512];                                /* of the first that was not good */
    struct answer *answers[PROFILE_BATCH_MAX];        /* made when first needed */
    struct profile_stream streams[PROFILE_BATCH_MAX]; /* of the round, for the caller */
};

/* --- what went wrong --- */

__attribute__((format(printf, 3, 4))) static void
fail(struct profile_asker *asker, enum profile_answer answer, const char *format, ...)
{
    if (asker->worst >= answer)
        return;
    asker->worst = answer;
    struct text text;
    va_list args;
    text_init(&text, asker->message, sizeof asker->message);
    va_start(args, format);
    text_add_v(&text, format, args);
    va_end(args);
}

/* A server's words on one line of a terminal: what is not visible becomes a space. A page is not
 * shown: who sends one is another kind of server. */
static struct span said_by(const struct answer *answer, char buffer[SAID_MAX])
{
    json_t *root = json_loadb(answer->error, answer->error_size, 0, NULL);
    const json_t *error = json_object_get(root, "error");
    const char *message = json_string_value(json_object_get(error, "message"));
    if (!message)
        message = json_string_value(json_object_get(root, "message")); /* vLLM before 0.9 */
    struct span said = message ? span_of(message) : span_from(answer->error, answer->error_size);
    if (!message && span_starts_with(span_trim(said), "<"))
        said = span_of("a web page: is this a server of the OpenAI API?");
    said.n = said.n < SAID_MAX ? said.n : SAID_MAX;
    for (size_t i = 0; i < said.n; i++) {
        unsigned char c = (unsigned char)said.p[i];
        buffer[i] = said.p[i];
        if (c < ' ' || c == 0x7f)
            buffer[i] = ' ';
    }
    json_decref(root);
    return span_trim(span_from(buffer, said.n));
}

static void fail_by_status(struct answer *answer)
{
    char buffer[SAID_MAX];
    struct profile_asker *asker = answer->asker;
    unsigned status = answer->status;
    struct span said = said_by(answer, buffer);
    if (status == 401 || status == 403)
        fail(asker, PROFILE_ANSWER_FAILED, "%s (%u): %.*s",
             asker->server->key.n ? "the server does not take the key"
                                  : "the server wants a key: give it with --key-file FILE",
             status, SPAN_ARG(said));
    else if (status == 404)
        fail(asker, PROFILE_ANSWER_FAILED, "the server has no %s/v1/%s or no model \"%s\": %.*s",
             asker->server->url, asker->server->is_completions ? "completions" : "chat/completions",
             asker->server->model, SPAN_ARG(said));
    else if (status == 400 || status == 413 || status == 422)
        fail(asker, PROFILE_ANSWER_REFUSED, "(%u) %.*s", status, SPAN_ARG(said));
    else if (status == 429 || status == 503)
        fail(asker, PROFILE_ANSWER_BUSY, "(%u) %.*s", status, SPAN_ARG(said));
    else
        fail(asker, PROFILE_ANSWER_FAILED, "the server answered %u: %.*s", status, SPAN_ARG(said));
}

/* --- one answer --- */

static void note_piece(struct answer *answer)
{
    struct profile_stream *stream = &answer->stream;
    if (stream->piece_count < PROFILE_PIECES_MAX)
        stream->piece_us[stream->piece_count++] = os_now_us();
}

static uint32_t count_in(const json_t *object, const char *key)
{
    json_int_t count = json_integer_value(json_object_get(object, key));
    return count > 0 && count < UINT32_MAX ? (uint32_t)count : 0;
}

static void note_usage(struct answer *answer, const json_t *usage)
{
    if (!json_is_object(usage)) /* null until the last event */
        return;
    struct profile_stream *stream = &answer->stream;
    stream->prompt_tokens = count_in(usage, "prompt_tokens");
    stream->output_tokens = count_in(usage, "completion_tokens");
    stream->cached_tokens =
        count_in(json_object_get(usage, "prompt_tokens_details"), "cached_tokens");
    answer->has_usage = stream->prompt_tokens > 0;
}

static bool has_text(const json_t *choice)
{
    static const char *const keys[] = {"content", "reasoning_content", "reasoning"};
    const json_t *delta = json_object_get(choice, "delta");
    bool has = json_string_length(json_object_get(choice, "text")) > 0;
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        has |= json_string_length(json_object_get(delta, keys[i])) > 0;
    return has;
}

static void on_event(void *user, struct span name, struct span data, bool is_cut)
{
    struct answer *answer = user;
    (void)name;
    if (is_cut)
        fail(answer->asker, PROFILE_ANSWER_FAILED, "the server sent an event of more than %d KiB",
             EVENT_SIZE / 1024);
    answer->is_done |= span_is(data, "[DONE]");
    json_t *root = json_loadb(data.p, data.n, 0, NULL);
    const json_t *error = json_object_get(root, "error");
    const char *message = json_string_value(json_object_get(error, "message"));
    if (has_text(json_array_get(json_object_get(root, "choices"), 0)))
        note_piece(answer);
    if (error && !json_is_null(error) && !answer->is_broken) {
        answer->is_broken = true;
        fail(answer->asker, PROFILE_ANSWER_FAILED, "the server broke an answer off: %.200s",
             message ? message : "it does not say why");
    }
    note_usage(answer, json_object_get(root, "usage"));
    json_decref(root);
}

static void on_head(struct http_call *call, const struct http_head *head)
{
    static const char wanted[] = "text/event-stream";
    struct answer *answer = http_call_user(call);
    struct span type = http_header_of(head, HTTP_HEADER_CONTENT_TYPE);
    answer->status = head->status;
    answer->is_stream = type.n >= strlen(wanted) &&
                        span_is_equal_nocase(span_from(type.p, strlen(wanted)), span_of(wanted));
    if (head->status == 200 && !answer->is_stream)
        fail(answer->asker, PROFILE_ANSWER_FAILED,
             "the server does not stream: asked for \"stream\": true it answered %.*s in place of "
             "text/event-stream",
             type.n ? (int)(type.n < 80 ? type.n : 80) : 7, type.n ? type.p : "nothing");
}

static void on_body(struct http_call *call, struct span piece)
{
    struct answer *answer = http_call_user(call);
    if (answer->status == 200 && answer->is_stream) {
        sse_reader_add(&answer->sse, piece, on_event, answer);
        return;
    }
    size_t room = ERROR_SIZE - answer->error_size;
    size_t n = piece.n < room ? piece.n : room;
    memcpy(answer->error + answer->error_size, piece.p, n);
    answer->error_size += n;
}

static void close_answer(struct answer *answer)
{
    answer->http = NULL;
    answer->asker->open_count--;
}

static void on_end(struct http_call *call)
{
    struct answer *answer = http_call_user(call);
    close_answer(answer);
    if (answer->status != 200)
        fail_by_status(answer);
    else if (answer->is_stream && !answer->is_broken && !answer->has_usage)
        fail(answer->asker, PROFILE_ANSWER_FAILED, "%s",
             answer->is_done ? "the server's stream says no usage (asked for by "
                               "stream_options.include_usage): tokens cannot be counted"
                             : "the server broke off in the middle of an answer");
}

static void on_error(struct http_call *call, enum err err, enum http_phase phase)
{
    static const char *const when[] = {[HTTP_PHASE_CONNECT] = "it cannot be reached",
                                       [HTTP_PHASE_SENT] = "it gave no answer",
                                       [HTTP_PHASE_ANSWER] =
                                           "it broke off in the middle of an answer"};
    struct answer *answer = http_call_user(call);
    const char *refusal = http_call_refusal(call);
    close_answer(answer);
    if (phase == HTTP_PHASE_CONNECT && err == ERR_CLOSED)
        err = ERR_REFUSED;
    fail(answer->asker, PROFILE_ANSWER_FAILED, "%s: %s: %s", answer->asker->server->url,
         refusal ? "its certificate is not taken" : when[phase],
         refusal                ? refusal
         : err == ERR_NOT_FOUND ? "this name has no address"
                                : err_text(err));
}

static const struct http_call_handler handler = {
    .on_head = on_head, .on_body = on_body, .on_end = on_end, .on_error = on_error};

/* --- requests --- */

/* Common words, each a token or two of most vocabularies. The first ones differ from prompt to
 * prompt, so that none begins like another. */
static void add_words(struct rng *rng, uint32_t count, struct text *text)
{
    static const char *const words[] = {
        "time",  "year",  "people", "way",   "day",   "man",  "thing",  "woman", "life",  "child",
        "world", "house", "state",  "hand",  "place", "week", "case",   "point", "water", "room",
        "money", "story", "fact",   "month", "lot",   "book", "eye",    "job",   "word",  "side",
        "kind",  "head",  "night",  "line",  "end",   "game", "member", "law",   "car",   "city",
        "name",  "team",  "minute", "idea",  "body",  "back", "parent", "face",  "level", "office",
        "door",  "art",   "war",    "party", "force", "road", "tree",   "river", "light", "ground"};
    for (uint32_t i = 0; i < count; i++)
        text_add(text, "%s%s", i ? " " : "", words[rng_below(rng, COUNT_OF(words))]);
}

static void write_body(struct profile_asker *asker, const struct profile_round_wish *wish,
                       struct text *json, struct text *prompt)
{
    const struct profile_server *server = asker->server;
    text_truncate(prompt, 0);
    add_words(&asker->rng, wish->words, prompt);
    text_json_object(json);
    text_json_key(json, "model");
    text_json_str(json, server->model);
    text_json_key(json, "stream");
    text_json_bool(json, true);
    text_json_key(json, "stream_options");
    text_json_raw(json, SPAN_LITERAL("{\"include_usage\":true}"));
    text_json_key(json, "max_tokens");
    text_json_u64(json, wish->answer_tokens);
    text_json_key(json, "temperature");
    text_json_u64(json, 1); /* the likeliest words alone soon end or go in circles */
    if (!asker->is_plain) {
        text_json_key(json, "ignore_eos");
        text_json_bool(json, true);
    }
    text_json_key(json, server->is_completions ? "prompt" : "messages");
    if (!server->is_completions) {
        text_json_array(json);
        text_json_object(json);
        text_json_key(json, "role");
        text_json_str(json, "user");
        text_json_key(json, "content");
    }
    text_json_span(json, text_span(prompt));
    if (!server->is_completions) {
        text_json_end(json);
        text_json_end(json);
    }
    text_json_end(json);
    CHECK(!json->is_cut && !prompt->is_cut);
}

/* One block for all bodies of a round. NULL: no memory. */
static char *write_bodies(struct profile_asker *asker, const struct profile_round_wish *wish)
{
    size_t size =
        BODY_HEAD + 6 * strlen(asker->server->model) + (size_t)wish->words * WORD_BYTES_MAX;
    char *block = os_alloc((wish->count + 1) * size);
    if (!block)
        return NULL;
    struct text prompt;
    text_init(&prompt, block + wish->count * size, size);
    for (uint32_t i = 0; i < wish->count; i++) {
        struct text json;
        text_init(&json, block + i * size, size);
        write_body(asker, wish, &json, &prompt);
        asker->answers[i]->body = text_span(&json);
    }
    return block;
}

static bool make_answers(struct profile_asker *asker, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (asker->answers[i])
            continue;
        struct answer *answer = os_alloc(sizeof *answer);
        int64_t *times = os_alloc(PROFILE_PIECES_MAX * sizeof *times);
        if (!answer || !times) {
            os_free(answer);
            os_free(times);
            return false;
        }
        answer->asker = asker;
        answer->stream.piece_us = times;
        asker->answers[i] = answer;
    }
    return true;
}

static void send_one(struct profile_asker *asker, struct answer *answer)
{
    answer->stream = (struct profile_stream){.piece_us = answer->stream.piece_us};
    answer->status = 0;
    answer->error_size = 0;
    answer->is_stream = answer->has_usage = answer->is_done = answer->is_broken = false;
    sse_reader_init(&answer->sse, answer->event, sizeof answer->event);
    struct http_request request = {.head = span_from(asker->head, asker->head_size),
                                   .body = answer->body,
                                   .body_length = (int64_t)answer->body.n,
                                   .stall_timeout_us = STALL_US,
                                   .handler = &handler,
                                   .user = answer};
    answer->http = http_call(asker->origin, &request);
    if (answer->http)
        asker->open_count++;
    else
        fail(asker, PROFILE_ANSWER_FAILED, "%s", err_text(ERR_MEMORY));
}

static void cancel_all(struct profile_asker *asker, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!asker->answers[i]->http)
            continue;
        http_call_cancel(asker->answers[i]->http);
        close_answer(asker->answers[i]);
    }
    CHECK(asker->open_count == 0);
}

/* Seldom: drawing on a slow terminal would be measured too. */
static void tick(struct profile_asker *asker, const struct profile_round_wish *wish)
{
    if (!wish->on_tick || os_now_us() < asker->tick_us)
        return;
    wish->on_tick(wish->user);
    asker->tick_us = os_now_us() + TICK_US;
}

enum profile_answer profile_ask(struct profile_asker *asker, const struct profile_round_wish *wish,
                                const struct profile_stream **ret_streams, int64_t *ret_begin_us,
                                struct text *why)
{
    CHECK(wish->count >= 1 && wish->count <= PROFILE_BATCH_MAX);
    CHECK(wish->words >= 1 && wish->words <= PROFILE_WORDS_MAX);
    asker->worst = PROFILE_ANSWER_GOOD;
    if (os_now_us() >= wish->due_us) {
        text_add(why, "the time was over before");
        return PROFILE_ANSWER_LATE;
    }
    char *bodies OS_FREED = make_answers(asker, wish->count) ? write_bodies(asker, wish) : NULL;
    if (!bodies) {
        text_add(why, "%s", err_text(ERR_MEMORY));
        return PROFILE_ANSWER_FAILED;
    }
    int64_t begin_us = os_now_us();
    for (uint32_t i = 0; i < wish->count; i++)
        send_one(asker, asker->answers[i]);
    while (asker->open_count > 0 && asker->worst < PROFILE_ANSWER_FAILED) {
        int64_t left_us = wish->due_us - os_now_us();
        if (left_us <= 0)
            fail(asker, PROFILE_ANSWER_LATE, "no whole answer in time");
        if (left_us <= 0)
            break;
        net_loop_run_once(asker->loop, left_us < TICK_US ? left_us : TICK_US);
        tick(asker, wish);
    }
    cancel_all(asker, wish->count);
    if (asker->worst != PROFILE_ANSWER_GOOD) {
        text_add(why, "%s", asker->message);
        return asker->worst;
    }
    for (uint32_t i = 0; i < wish->count; i++)
        asker->streams[i] = asker->answers[i]->stream;
    *ret_streams = asker->streams;
    *ret_begin_us = begin_us;
    return PROFILE_ANSWER_GOOD;
}

bool profile_asker_be_plain(struct profile_asker *asker)
{
    bool was_plain = asker->is_plain;
    asker->is_plain = true;
    return !was_plain;
}

/* --- life --- */

struct net_loop *profile_asker_loop(struct profile_asker *asker)
{
    return asker->loop;
}

static enum err set_up(struct profile_asker *asker, struct text *why)
{
    const struct profile_server *server = asker->server;
    struct span url = span_of(server->url);
    uint64_t seed = 0;
    enum err err = os_random(&seed, sizeof seed);
    if (err == ERR_OK)
        err = net_loop_new(&asker->loop);
    if (err == ERR_OK)
        err = net_resolver_new(asker->loop, &asker->resolver);
    if (err == ERR_OK && span_starts_with(url, "https:"))
        err = net_tls_client_new(server->ca_file, &asker->tls, why);
    if (err == ERR_OK)
        err = http_client_new(asker->loop, &asker->client);
    if (err == ERR_OK)
        err = http_origin_new(asker->client, url, asker->tls, asker->resolver, &asker->origin, why);
    rng_init(&asker->rng, seed);
    struct text head;
    text_init(&head, asker->head, sizeof asker->head);
    text_add(&head, "POST %.*s/v1/%s HTTP/1.1\r\ncontent-type: application/json\r\n",
             SPAN_ARG(server->path), server->is_completions ? "completions" : "chat/completions");
    if (server->key.n > 0)
        text_add(&head, "authorization: Bearer %.*s\r\n", SPAN_ARG(server->key));
    CHECK(!head.is_cut);
    asker->head_size = head.n;
    return err;
}

enum err profile_asker_new(const struct profile_server *server, struct profile_asker **ret_asker,
                           struct text *why)
{
    struct profile_asker *asker = os_alloc(sizeof *asker);
    if (!asker)
        return ERR_MEMORY;
    asker->server = server;
    enum err err = set_up(asker, why);
    if (err == ERR_OK)
        *ret_asker = asker;
    else
        profile_asker_free(asker);
    return err;
}

void profile_asker_free(struct profile_asker *asker)
{
    if (!asker)
        return;
    http_client_free(asker->client);
    net_tls_client_free(asker->tls);
    if (asker->resolver)
        net_resolver_free(asker->resolver);
    net_loop_free(asker->loop);
    for (uint32_t i = 0; i < PROFILE_BATCH_MAX; i++) {
        if (asker->answers[i])
            os_free(asker->answers[i]->stream.piece_us);
        os_free(asker->answers[i]);
    }
    crypto_wipe(asker->head, sizeof asker->head);
    os_free(asker);
}
