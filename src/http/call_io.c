#include "http/client_conn_io.h"
#include "http/server_conn_io.h"

#include <string.h>

static int64_t now_us(const struct http_call *call)
{
    return net_loop_now_us(call->client->loop);
}

static int64_t due_us(const struct http_call *call)
{
    switch ((enum http_phase)call->phase) {
    case HTTP_PHASE_CONNECT:
        return call->connect_due_us < call->first_byte_due_us ? call->connect_due_us
                                                              : call->first_byte_due_us;
    case HTTP_PHASE_SENT:
        return call->first_byte_due_us;
    case HTTP_PHASE_ANSWER:
        break;
    }
    if (call->is_paused || call->stall_timeout_us == 0)
        return call->end_due_us;
    int64_t stall_due_us = call->read_us + call->stall_timeout_us;
    return stall_due_us < call->end_due_us ? stall_due_us : call->end_due_us;
}

static void queue(struct http_call *call)
{
    if (list_is_empty(&call->queue_link))
        list_push(&call->client->queued, &call->queue_link);
}

static void free_call(struct http_call *call)
{
    struct http_client *client = call->client;
    CHECK(!call->conn);
    wheel_remove(&call->entry);
    list_remove(&call->link);
    list_remove(&call->wait_link);
    list_remove(&call->queue_link);
    buffer_unref(call->request_head);
    buffer_unref(call->in);
    buffer_unref(call->rest);
    out_clear(&call->out);
    call->origin->call_count--;
    os_pool_give(&client->call_pool, call);
}

void call_leave(struct http_call *call)
{
    CHECK(call->depth > 0);
    if (--call->depth > 0)
        return;
    if (call->is_over) {
        free_call(call);
        return;
    }
    if (call->must_run)
        queue(call);
    if (wheel_put(&call->client->call_wheel, &call->entry, due_us(call)) || call->must_run)
        client_arm_timer(call->client);
}

static void lose_conn(struct http_call *call)
{
    if (call->conn)
        origin_drop(call->conn);
    call->conn = NULL;
}

/* No handler is called any more, except by the caller. */
static void end_call(struct http_call *call)
{
    CHECK(!call->is_over);
    lose_conn(call);
    list_remove(&call->wait_link);
    call->is_over = true;
}

void call_fail(struct http_call *call, enum err err)
{
    end_call(call);
    call->handler->on_error(call, err, (enum http_phase)call->phase);
}

void call_fail_later(struct http_call *call, enum err err)
{
    lose_conn(call);
    call->queued_err = err;
    queue(call);
    client_arm_timer(call->client);
}

static bool is_body_whole(const struct http_call *call)
{
    return !call->is_streamed;
}

static size_t whole_size(const struct http_call *call)
{
    return call->request_head->end + call->body.n;
}

static bool is_request_sent(const struct http_call *call)
{
    if (!call->request_head)
        return true; /* whole before the answer began */
    if (call->sent < whole_size(call) || call->out.waiting > 0)
        return false;
    bool is_known = call->body_length >= 0;
    return !call->is_streamed || call->has_send_end || (is_known && call->stream_left == 0);
}

/* A connection broke. May the call go on by another? ERR_OK: it does. */
static enum err try_another(struct http_call *call, enum err err)
{
    struct http_origin *origin = call->origin;
    bool is_connecting = call->phase == HTTP_PHASE_CONNECT;
    bool is_stale = call->phase == HTTP_PHASE_SENT && call->is_reused && is_body_whole(call) &&
                    (err == ERR_RESET || err == ERR_CLOSED);
    bool has_address = is_connecting && call->dial_count < origin->address_count;
    if (!is_stale && !has_address)
        return err;
    if (has_address)
        origin->address_next = (origin->address_next + 1) % origin->address_count;
    lose_conn(call);
    call->sent = 0;
    call->is_write_broken = false;
    call->phase = HTTP_PHASE_CONNECT;
    return origin_connect(origin, call, true);
}

static void break_call(struct http_call *call, enum err err)
{
    if (call->phase != HTTP_PHASE_ANSWER)
        err = try_another(call, err);
    if (err != ERR_OK)
        call_fail(call, err);
}

/* Sends what is left of head and given body. */
static enum err send_whole(struct http_call *call)
{
    size_t head_size = call->request_head->end;
    while (call->sent < whole_size(call)) {
        struct iovec parts[2];
        int count = 0;
        size_t body_sent = call->sent > head_size ? call->sent - head_size : 0;
        if (call->sent < head_size)
            parts[count++] =
                (struct iovec){call->request_head->data + call->sent, head_size - call->sent};
        if (call->body.n > body_sent)
            parts[count++] = (struct iovec){(void *)(uintptr_t)(call->body.p + body_sent),
                                            call->body.n - body_sent};
        size_t n;
        enum err err = net_conn_write(&call->conn->net, parts, count, &n);
        if (err != ERR_OK)
            return err;
        call->sent += n;
    }
    return ERR_OK;
}

/* ERR_OK: all that was given is in the socket; ERR_AGAIN: some waits. */
static enum err send_more(struct http_call *call)
{
    if (!call->request_head)
        return ERR_OK;
    enum err err = send_whole(call);
    if (err == ERR_OK && call->out.waiting > 0)
        err = out_flush(&call->out, &call->conn->net);
    return err;
}

static void tell_writable(struct http_call *call)
{
    if (!call->wants_writable || call->has_send_end || call->out.waiting > 0)
        return;
    call->wants_writable = false;
    if (call->handler->on_writable)
        call->handler->on_writable(call);
}

/* The connection stands or has room again. */
static void run_writing(struct http_call *call)
{
    if (call->is_write_broken)
        return;
    enum err err = send_more(call);
    if (err != ERR_AGAIN && err != ERR_OK) {
        /* A server may answer early and close: its answer, if any, is read first. */
        call->is_write_broken = true;
        call->conn->is_readable = true;
        return;
    }
    if (!call->conn->net.is_connecting && call->phase == HTTP_PHASE_CONNECT) {
        call->phase = HTTP_PHASE_SENT;
        call->refusal = NULL;
    }
    if (err == ERR_OK)
        tell_writable(call);
}

/* The answer is whole. <has_excess>: bytes stand behind it that nobody asked for. Those may also
 * wait in the socket still, where the last read did not empty it: kept there, they would be taken
 * for the next answer. */
static void finish(struct http_call *call, bool has_excess)
{
    bool is_reusable = call->head.keep_alive && !has_excess && is_request_sent(call) &&
                       !call->is_write_broken && call->answer_length != HTTP_LENGTH_UNTIL_CLOSE &&
                       !call->conn->net.is_hung_up;
    if (is_reusable && call->conn->is_readable)
        is_reusable = net_conn_is_quiet(&call->conn->net);
    if (is_reusable) {
        origin_keep(call->conn);
        call->conn = NULL;
    }
    end_call(call);
    call->handler->on_end(call);
}

/* Keeps <bytes> of <owner> (NULL: the scratch) for after the pause, or for the next run. */
static void keep_rest(struct http_call *call, struct buffer *owner, struct span bytes)
{
    if (bytes.n == 0)
        return;
    struct buffer *buffer =
        owner ? buffer_ref(owner) : buffer_take(&call->client->buffers, bytes.n);
    if (!buffer || (!owner && !buffer_charge_to(buffer, BUFFER_WAITING))) {
        buffer_unref(buffer);
        call_fail(call, ERR_MEMORY);
        return;
    }
    call->rest_start = 0;
    if (owner)
        call->rest_start = (uint32_t)(bytes.p - owner->data);
    else
        memcpy(buffer->data, bytes.p, bytes.n);
    call->rest_end = call->rest_start + (uint32_t)bytes.n;
    buffer_unref(call->rest);
    call->rest = buffer;
}

/* One piece of the answer from the front of <bytes>. */
static void feed_piece(struct http_call *call, struct span *bytes)
{
    struct span piece = *bytes;
    size_t used = bytes->n;
    if (call->answer_length == HTTP_LENGTH_CHUNKED) {
        bool is_chunk_end;
        enum err err = http_chunked_next(&call->chunked, *bytes, &used, &piece, &is_chunk_end);
        if (err == ERR_CLOSED) {
            finish(call, used < bytes->n);
            return;
        }
        if (err != ERR_OK) {
            call_fail(call, err);
            return;
        }
    } else if (call->answer_length >= 0) {
        if (used > call->answer_left)
            used = (size_t)call->answer_left;
        call->answer_left -= used;
        piece.n = used;
    }
    *bytes = span_from(bytes->p + used, bytes->n - used);
    if (piece.n > 0)
        call->handler->on_body(call, piece);
}

static bool is_at_known_end(const struct http_call *call)
{
    return call->answer_length >= 0 && call->answer_left == 0;
}

static void feed(struct http_call *call, struct buffer *owner, struct span bytes)
{
    while (!call->is_over && !call->is_paused && call->pieces_left > 0) {
        if (is_at_known_end(call)) {
            finish(call, bytes.n > 0);
            return;
        }
        if (bytes.n == 0)
            return;
        call->pieces_left--;
        feed_piece(call, &bytes);
    }
    if (!call->is_paused)
        call->must_run = true; /* pieces are left for the next run */
    if (!call->is_over)
        keep_rest(call, owner, bytes);
}

/* The head is whole: the first <size> bytes of call->in. */
static void take_head(struct http_call *call, size_t size)
{
    struct http_refusal refusal;
    struct span head = span_from(call->in->data, size);
    enum err err = http_parse_response(head, call->is_head_method, &call->head, &refusal);
    if (err != ERR_OK || call->head.status == 101) {
        call_fail(call, ERR_SYNTAX);
        return;
    }
    uint32_t behind = (uint32_t)size;
    if (call->head.status < 200) {
        if (++call->interim_count > CLIENT_INTERIM_MAX) {
            call_fail(call, ERR_SYNTAX);
            return;
        }
        memmove(call->in->data, call->in->data + behind, call->in_end - behind);
        call->in_end -= behind;
        call->scanned = 0;
        return;
    }
    call->has_head = true;
    call->answer_length = call->head.body_length;
    call->answer_left = call->answer_length > 0 ? (uint64_t)call->answer_length : 0;
    http_chunked_init(&call->chunked);
    if (is_request_sent(call)) {
        buffer_unref(call->request_head);
        call->request_head = NULL;
    } else if (!call->is_streamed) {
        /* The body may go away now, so its rest is not sent; the connection is not kept. */
        call->is_write_broken = true;
    }
    struct span rest = span_from(call->in->data + behind, call->in_end - behind);
    call->rest_start = behind;
    call->rest_end = call->in_end;
    call->handler->on_head(call, &call->head);
    if (!call->is_over)
        feed(call, call->in, rest);
}

/* A server of another protocol may greet with less than a head and then wait for us. */
static bool may_become_head(const struct http_call *call)
{
    static const char start[] = "HTTP/1.";
    size_t n = call->in_end < sizeof start - 1 ? call->in_end : sizeof start - 1;
    return memcmp(call->in->data, start, n) == 0;
}

/* Looks for heads in what was read; behind a 1xx the next may be here already. */
static void run_head(struct http_call *call)
{
    while (!call->is_over && !call->has_head && call->in_end > 0) {
        size_t scanned = call->scanned, size;
        enum err err = http_head_find(span_from(call->in->data, call->in_end), &scanned, &size);
        if (err == ERR_AGAIN && may_become_head(call)) {
            call->scanned = (uint32_t)scanned;
            return;
        }
        if (err == ERR_OK)
            take_head(call, size);
        else
            call_fail(call, ERR_SYNTAX);
    }
}

static bool make_head_room(struct http_call *call)
{
    if (call->in && call->in_end < call->in->size)
        return true;
    struct buffer *buffer =
        buffer_take_class(&call->client->buffers, call->in ? BUFFER_HEAD : BUFFER_FIRST);
    if (!buffer)
        return false;
    if (call->in)
        memcpy(buffer->data, call->in->data, call->in_end);
    buffer_unref(call->in);
    call->in = buffer;
    return true;
}

/* The connection answered <err> to a read. False: nothing more to do. */
static bool take_read_error(struct http_call *call, enum err err)
{
    if (err == ERR_AGAIN) {
        call->conn->is_readable = false;
        if (call->is_write_broken && call->phase != HTTP_PHASE_ANSWER)
            break_call(call, ERR_RESET);
    } else if (err == ERR_CLOSED && call->has_head &&
               call->answer_length == HTTP_LENGTH_UNTIL_CLOSE) {
        finish(call, false);
    } else {
        const char *refusal = net_conn_refusal(&call->conn->net);
        if (refusal)
            call->refusal = refusal; /* says more than how its other addresses fail */
        break_call(call, err);
    }
    return false;
}

/* With hundreds of streams what the next piece touches has left the cache; the system call that
 * reads the piece takes longer than the memory to bring it back. */
static void fetch_ahead(const struct http_call *call)
{
    __builtin_prefetch(call->user);
    __builtin_prefetch(call->ahead[0]);
    __builtin_prefetch(call->ahead[1]);
    __builtin_prefetch(call->ahead[2]);
}

/* One read. False: nothing more to do. */
static bool receive(struct http_call *call)
{
    struct client_conn *conn = call->conn;
    char *p = call->client->scratch;
    size_t room = sizeof call->client->scratch, n;
    if (!call->has_head) {
        if (!make_head_room(call)) {
            call_fail(call, ERR_MEMORY);
            return false;
        }
        p = call->in->data + call->in_end;
        room = call->in->size - call->in_end;
    }
    fetch_ahead(call);
    enum err err = net_conn_read(&conn->net, p, room, &n);
    if (err != ERR_OK)
        return take_read_error(call, err);
    if (n < room && !conn->net.tls && !conn->net.is_hung_up)
        conn->is_readable = false;
    call->phase = HTTP_PHASE_ANSWER;
    call->read_us = now_us(call);
    if (call->has_head) {
        feed(call, NULL, span_from(p, n));
    } else {
        call->in_end += (uint32_t)n;
        run_head(call);
    }
    return true;
}

static void feed_rest(struct http_call *call)
{
    struct buffer *rest = call->rest;
    struct span bytes = {NULL, 0};
    if (rest)
        bytes = span_from(rest->data + call->rest_start, call->rest_end - call->rest_start);
    call->rest = NULL;
    feed(call, rest, bytes);
    buffer_unref(rest);
}

void call_run(struct http_call *call, unsigned events)
{
    call->must_run = false;
    call->reads_left = CLIENT_READS_A_RUN_MAX;
    call->pieces_left = CLIENT_PIECES_A_RUN_MAX;
    if (call->has_head && !call->is_paused)
        feed_rest(call);
    if (!call->is_over && call->conn && (events & NET_OUT))
        run_writing(call);
    while (!call->is_over && !call->is_paused && call->conn && call->conn->is_readable) {
        if (call->reads_left-- == 0 || call->pieces_left == 0) {
            call->must_run = true;
            return;
        }
        if (!receive(call))
            return;
    }
}

void call_run_due(struct http_call *call)
{
    call_enter(call);
    bool is_late = call->first_byte_due_us <= now_us(call);
    if (due_us(call) <= now_us(call)) {
        if (call->phase == HTTP_PHASE_CONNECT && !is_late)
            break_call(call, ERR_TIMEOUT);
        else
            call_fail(call, ERR_TIMEOUT);
    }
    call_leave(call);
}

void call_run_queued(struct http_call *call)
{
    call_enter(call);
    if (call->queued_err != ERR_OK)
        call_fail(call, call->queued_err);
    else
        call_run(call, 0);
    call_leave(call);
}

static bool has_length_line(const struct http_request *request)
{
    return request->body_length > 0 ||
           !(span_starts_with(request->head, "GET ") || span_starts_with(request->head, "HEAD "));
}

/* The head as it goes out: the caller's lines, host, framing, blank line. */
static bool build_head(struct http_call *call, const struct http_request *request)
{
    struct span host_line = call->origin->host_line;
    enum { FRAMING_SIZE = 64 };
    struct buffer *buffer =
        buffer_take(&call->client->buffers, request->head.n + host_line.n + FRAMING_SIZE);
    if (!buffer)
        return false;
    char *p = buffer->data;
    memcpy(p, request->head.p, request->head.n);
    p += request->head.n;
    memcpy(p, host_line.p, host_line.n);
    p += host_line.n;
    struct text framing;
    text_init(&framing, p, FRAMING_SIZE);
    if (request->body_length == HTTP_LENGTH_CHUNKED) {
        text_add_span(&framing, SPAN_LITERAL("transfer-encoding: chunked\r\n"));
    } else if (has_length_line(request)) {
        text_add_span(&framing, SPAN_LITERAL("content-length: "));
        text_add_u64(&framing, (uint64_t)request->body_length);
        text_add_span(&framing, SPAN_LITERAL("\r\n"));
    }
    text_add_span(&framing, SPAN_LITERAL("\r\n"));
    CHECK(!framing.is_cut);
    buffer->end = (uint32_t)(request->head.n + host_line.n + framing.n);
    call->request_head = buffer;
    return true;
}

static struct http_call *new_call(struct http_origin *origin, const struct http_request *request)
{
    struct http_client *client = origin->client;
    CHECK(request->body_length == HTTP_LENGTH_CHUNKED ||
          request->body_length >= (int64_t)request->body.n);
    CHECK(request->body_length >= 0 || request->body.n == 0);
    CHECK(request->stall_timeout_us >= 0 && request->stall_timeout_us <= UINT32_MAX);
    struct http_call *call = client->is_closing ? NULL : os_pool_take(&client->call_pool);
    if (!call)
        return NULL;
    memset(call, 0, offsetof(struct http_call, head));
    call->client = client;
    call->origin = origin;
    call->handler = request->handler;
    call->user = request->user;
    list_init(&call->wait_link);
    list_init(&call->queue_link);
    wheel_entry_init(&call->entry);
    list_push(&client->calls, &call->link);
    origin->call_count++;
    call->body = request->body;
    call->body_length = request->body_length;
    call->is_streamed = request->body_length != (int64_t)request->body.n;
    call->stream_left =
        request->body_length > 0 ? (uint64_t)request->body_length - request->body.n : 0;
    call->is_head_method = request->is_head_method;
    call->connect_timeout_us =
        request->connect_timeout_us > 0 ? request->connect_timeout_us : CLIENT_CONNECT_US;
    call->stall_timeout_us = (uint32_t)request->stall_timeout_us;
    call->end_due_us = WHEEL_NEVER;
    call->first_byte_due_us = request->first_byte_timeout_us > 0
                                  ? now_us(call) + request->first_byte_timeout_us
                                  : WHEEL_NEVER;
    return call;
}

/* The kept connection is written to at once; a new one when it stands. */
static enum err start_call(struct http_call *call)
{
    enum err err = origin_connect(call->origin, call, false);
    if (err != ERR_OK || !call->is_reused)
        return err;
    call->phase = HTTP_PHASE_SENT;
    err = send_whole(call);
    if (err == ERR_OK || err == ERR_AGAIN)
        return ERR_OK;
    return try_another(call, err);
}

struct http_call *http_call(struct http_origin *origin, const struct http_request *request)
{
    struct http_call *call = new_call(origin, request);
    if (!call)
        return NULL;
    call_enter(call);
    enum err err = build_head(call, request) ? start_call(call) : ERR_MEMORY;
    bool is_refused = err == ERR_MEMORY || err == ERR_FULL;
    if (is_refused)
        end_call(call);
    else if (err != ERR_OK)
        call_fail_later(call, err);
    call_leave(call);
    return is_refused ? NULL : call;
}

const char *http_call_refusal(const struct http_call *call)
{
    return call->refusal;
}

void http_call_relays(struct http_call *call, const struct http_exchange *shared)
{
    const struct exchange *exchange = exchange_of(shared);
    call->ahead[0] = &exchange->out.waiting;
    call->ahead[1] = exchange->conn;
    call->ahead[2] = &exchange->conn->entry;
}

void *http_call_user(const struct http_call *call)
{
    return call->user;
}

void http_call_set_user(struct http_call *call, void *user)
{
    call->user = user;
}

void http_call_end_by(struct http_call *call, int64_t due_us)
{
    if (call->is_over)
        return;
    call_enter(call);
    call->end_due_us = due_us;
    call_leave(call);
}

void http_call_cancel(struct http_call *call)
{
    if (call->is_over)
        return;
    call_enter(call);
    end_call(call);
    call_leave(call);
}

bool http_call_has_body_ready(const struct http_call *call)
{
    CHECK(call->has_head);
    if (is_at_known_end(call))
        return true;
    const char *p = call->in->data + call->rest_start;
    size_t left = call->rest_end - call->rest_start;
    if (call->answer_length != HTTP_LENGTH_CHUNKED)
        return left > 0;
    struct http_chunked ahead = call->chunked;
    while (left > 0) {
        size_t used;
        struct span data = {NULL, 0};
        bool is_chunk_end;
        enum err err = http_chunked_next(&ahead, span_from(p, left), &used, &data, &is_chunk_end);
        if (err != ERR_OK || data.n > 0)
            return true;
        p += used;
        left -= used;
    }
    return false;
}

void http_call_pause(struct http_call *call)
{
    call->is_paused = true;
}

void http_call_resume(struct http_call *call)
{
    if (!call->is_paused || call->is_over)
        return;
    call_enter(call);
    call->is_paused = false;
    call->read_us = now_us(call);
    call->must_run = true;
    call_leave(call);
}

/* Frames and sends, or keeps for when the connection stands. */
static enum err send_piece(struct http_call *call, struct span piece)
{
    char size_line[24];
    struct text text;
    text_init(&text, size_line, sizeof size_line);
    struct iovec parts[3];
    int count = 0;
    bool is_chunked = call->body_length == HTTP_LENGTH_CHUNKED;
    if (is_chunked) {
        text_add(&text, "%zx\r\n", piece.n);
        parts[count++] = (struct iovec){text.p, text.n};
    } else {
        CHECK(piece.n <= call->stream_left);
        call->stream_left -= piece.n;
    }
    if (piece.n > 0)
        parts[count++] = (struct iovec){(void *)(uintptr_t)piece.p, piece.n};
    if (is_chunked)
        parts[count++] = (struct iovec){(void *)(uintptr_t) "\r\n", 2};
    bool may_write = call->conn && !call->conn->net.is_connecting && call->sent == whole_size(call);
    return out_send(&call->out, may_write ? &call->conn->net : NULL, &call->client->buffers, parts,
                    count);
}

static bool is_sending_over(const struct http_call *call)
{
    return call->is_over || call->is_write_broken || call->queued_err != ERR_OK;
}

size_t http_call_send(struct http_call *call, struct span piece)
{
    CHECK(call->is_streamed && !call->has_send_end);
    size_t taken = 0;
    while (taken < piece.n && !is_sending_over(call) && call->out.waiting < CLIENT_SEND_QUEUE_MAX) {
        size_t n = piece.n - taken;
        if (n > CLIENT_SEND_QUEUE_MAX / 2)
            n = CLIENT_SEND_QUEUE_MAX / 2;
        enum err err = send_piece(call, span_from(piece.p + taken, n));
        if (err != ERR_OK)
            call_fail_later(call, err);
        taken += n;
    }
    if (is_sending_over(call))
        return piece.n;
    call->wants_writable = taken < piece.n;
    return taken;
}

void http_call_send_end(struct http_call *call)
{
    CHECK(call->is_streamed && !call->has_send_end);
    call->has_send_end = true;
    if (is_sending_over(call))
        return;
    CHECK(call->stream_left == 0);
    if (call->body_length != HTTP_LENGTH_CHUNKED)
        return;
    enum err err = send_piece(call, (struct span){NULL, 0});
    if (err != ERR_OK)
        call_fail_later(call, err);
}
