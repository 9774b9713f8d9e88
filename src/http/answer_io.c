#include "http/server_conn_io.h"

#include <string.h>

#include "os/clock.h"

enum {
    PREFIX_SIZE = 128,       /* status line, date */
    SUFFIX_SIZE = 128,       /* framing, connection, blank line, first chunk's size */
    CHUNK_LINE_SIZE = 20,    /* and the CR LF behind the chunk */
    SMALL_PIECE_SIZE = 1024, /* copied to be sent in one part */
    REFUSAL_SIZE = 1024,
    /* A handler that goes on in spite of http_answer_is_full() is cut here. */
    WAITING_MAX = 4 * LIMIT_STREAM_BACKLOG
};

/* Bytes in order; all puts fit by construction. */
struct line {
    char *p;
    size_t n;
};

static void put(struct line *line, const char *p, size_t n)
{
    memcpy(line->p + line->n, p, n);
    line->n += n;
}

static void put_literal(struct line *line, const char *literal)
{
    put(line, literal, strlen(literal));
}

static void put_number(struct line *line, uint64_t value, unsigned width)
{
    char reversed[20];
    unsigned n = 0;
    do {
        reversed[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0 || n < width);
    while (n > 0)
        line->p[line->n++] = reversed[--n];
}

static void put_hex(struct line *line, uint64_t value)
{
    static const char digits[] = "0123456789abcdef";
    for (int shift = (63 - __builtin_clzll(value | 1)) & ~3; shift >= 0; shift -= 4)
        line->p[line->n++] = digits[value >> shift & 15];
}

/* Days since 1970 to year, month, day (H. Hinnant, "chrono-compatible low-level date algorithms",
 * civil_from_days). */
static void split_days(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    uint64_t z = (uint64_t)days + 719468;
    uint64_t era = z / 146097;
    uint64_t of_era = z % 146097;
    uint64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t m = (5 * of_year + 2) / 153;
    *day = (unsigned)(of_year - (153 * m + 2) / 5 + 1);
    *month = (unsigned)(m < 10 ? m + 3 : m - 9);
    *year = (unsigned)(year_of_era + era * 400 + (*month <= 2 ? 1 : 0));
}

/* RFC 9110 5.6.7, once a second. */
static void write_date(struct http_server *server, int64_t now_us)
{
    static const char week[] = "ThuFriSatSunMonTueWed";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t wall_us = os_wall_us();
    int64_t second = wall_us / (1000 * 1000);
    unsigned year, month, day, of_day = (unsigned)(second % 86400);
    split_days(second / 86400, &year, &month, &day);
    struct line line = {server->date_line, 0};
    put_literal(&line, "date: ");
    put(&line, week + 3 * (second / 86400 % 7), 3);
    put_literal(&line, ", ");
    put_number(&line, day, 2);
    put_literal(&line, " ");
    put(&line, months + 3 * (month - 1), 3);
    put_literal(&line, " ");
    put_number(&line, year, 4);
    put_literal(&line, " ");
    put_number(&line, of_day / 3600, 2);
    put_literal(&line, ":");
    put_number(&line, of_day / 60 % 60, 2);
    put_literal(&line, ":");
    put_number(&line, of_day % 60, 2);
    put_literal(&line, " GMT\r\n");
    CHECK(line.n == DATE_LINE_SIZE);
    server->date_until_us = now_us + 1000 * 1000 - wall_us % (1000 * 1000);
}

static void put_prefix(struct line *line, struct http_server *server, unsigned status)
{
    if (status == 200) {
        put_literal(line, "HTTP/1.1 200 OK\r\n");
    } else {
        put_literal(line, "HTTP/1.1 ");
        put_number(line, status, 3);
        put_literal(line, " ");
        put_literal(line, http_status_text(status));
        put_literal(line, "\r\n");
    }
    int64_t now_us = net_loop_now_us(server->loop);
    if (now_us >= server->date_until_us)
        write_date(server, now_us);
    put(line, server->date_line, DATE_LINE_SIZE);
}

static void put_suffix(struct line *line, const struct exchange *exchange, int64_t length,
                       unsigned status)
{
    bool has_no_length = status < 200 || status == 204 || (status == 304 && length <= 0);
    if (length >= 0 && !has_no_length) {
        put_literal(line, "content-length: ");
        put_number(line, (uint64_t)length, 1);
        put_literal(line, "\r\n");
    } else if (!has_no_length && exchange->head.minor_version > 0) {
        put_literal(line, "transfer-encoding: chunked\r\n");
    }
    if (exchange->closes)
        put_literal(line, "connection: close\r\n");
    else if (exchange->head.minor_version == 0)
        put_literal(line, "connection: keep-alive\r\n");
    put_literal(line, "\r\n");
}

/* What follows the answer: the next request, the rest of this one's body, or the end. */
static void go_on(struct server_conn *conn, bool closes, bool is_body_done, uint64_t body_left)
{
    bool has_more = conn->is_readable || conn->in_start < conn->in_end;
    if (closes && is_body_done && !has_more) {
        conn_close(conn, false);
    } else if (closes) {
        conn_linger(conn);
    } else if (!is_body_done) {
        conn_move(conn, CONN_DRAIN);
        conn->drain_left = body_left;
        conn->must_run = true;
    } else {
        conn_move(conn, CONN_IDLE);
        conn->must_run = has_more;
    }
}

static void finish_if_done(struct server_conn *conn)
{
    struct exchange *exchange = conn->exchange;
    if (!exchange || !exchange->has_ended || exchange->has_failed || exchange->out.waiting > 0)
        return;
    bool closes = exchange->closes;
    bool is_body_done = exchange->is_body_done;
    uint64_t body_left = exchange->body_left;
    exchange_over(exchange, !exchange->is_broken);
    go_on(conn, closes || conn->server->is_draining, is_body_done, body_left);
}

/* A failure is only noted: the handler that called may have more to give and must not lose its
 * exchange before it returns. */
static void fail_later(struct server_conn *conn)
{
    conn->exchange->has_failed = true;
    conn->must_run = true;
}

/* Where slow readers together hold much, each may hold next to nothing. */
static size_t backlog_max(void)
{
    return buffer_is_waiting_much() ? 0 : LIMIT_STREAM_BACKLOG;
}

static void send_parts(struct server_conn *conn, const struct iovec *parts, int count)
{
    struct exchange *exchange = conn->exchange;
    if (exchange->has_failed)
        return;
    if (exchange->out.waiting == 0)
        exchange->progress_us = net_loop_now_us(conn->server->loop);
    for (int i = 0; i < count; i++)
        exchange->shared.bytes_out += parts[i].iov_len;
    bool is_over = exchange->out.waiting > WAITING_MAX;
    if (is_over ||
        out_send(&exchange->out, &conn->net, &conn->server->buffers, parts, count) != ERR_OK) {
        fail_later(conn);
        return;
    }
    if (exchange->out.waiting > 0)
        exchange->was_over |= exchange->out.waiting > backlog_max();
    finish_if_done(conn);
}

void answer_flush(struct server_conn *conn)
{
    struct exchange *exchange = conn->exchange;
    size_t before = exchange->out.waiting;
    enum err err = out_flush(&exchange->out, &conn->net);
    if (err != ERR_OK && err != ERR_AGAIN) {
        conn_close(conn, true);
        return;
    }
    if (exchange->out.waiting < before)
        exchange->progress_us = net_loop_now_us(conn->server->loop);
    if (exchange->was_over && exchange->out.waiting <= backlog_max() / 4) {
        exchange->was_over = false;
        if (!exchange->has_ended && conn->server->handler.on_drained)
            conn->server->handler.on_drained(&exchange->shared);
    }
    if (conn->exchange == exchange)
        finish_if_done(conn);
}

/* Can the connection go on though the answer comes before the body? */
static bool is_drainable(const struct exchange *exchange)
{
    return exchange->is_body_done ||
           (exchange->head.body_length > 0 && exchange->body_left <= DRAIN_BYTES_MAX &&
            !exchange->may_want_continue);
}

static void choose_framing(struct exchange *exchange, unsigned status, int64_t length)
{
    exchange->closes = !exchange->head.keep_alive || exchange->shared.server->is_draining ||
                       !is_drainable(exchange);
    bool has_no_body =
        exchange->head.method == HTTP_HEAD || status < 200 || status == 204 || status == 304;
    if (has_no_body) {
        exchange->framing = ANSWER_NO_BODY;
        exchange->has_ended = length >= 0;
    } else if (length >= 0) {
        exchange->framing = ANSWER_LENGTH;
        exchange->answer_left = (uint64_t)length;
        exchange->has_ended = length == 0;
    } else if (exchange->head.minor_version > 0) {
        exchange->framing = ANSWER_CHUNKED;
    } else {
        exchange->framing = ANSWER_UNTIL_CLOSE;
        exchange->closes = true;
    }
}

/* The body's parts into <parts>; <line> takes the chunk's size. */
static int put_body(struct exchange *exchange, struct span body, struct line *line,
                    struct iovec *parts)
{
    int count = 0;
    if (body.n == 0 || exchange->framing == ANSWER_NO_BODY)
        return 0;
    if (exchange->framing == ANSWER_LENGTH) {
        CHECK(body.n <= exchange->answer_left);
        exchange->answer_left -= body.n;
        exchange->has_ended = exchange->answer_left == 0;
    }
    if (exchange->framing == ANSWER_CHUNKED) {
        put_hex(line, body.n);
        put_literal(line, "\r\n");
    }
    parts[count++] = (struct iovec){(void *)(uintptr_t)body.p, body.n};
    if (exchange->framing == ANSWER_CHUNKED)
        parts[count++] = (struct iovec){(void *)(uintptr_t) "\r\n", 2};
    return count;
}

void http_answer(struct http_exchange *shared, unsigned status, struct span headers, int64_t length,
                 struct span body)
{
    struct exchange *exchange = exchange_of(shared);
    CHECK(exchange->conn && shared->status == 0);
    CHECK(status >= 200 && status <= 999 && length >= HTTP_LENGTH_CHUNKED &&
          length != HTTP_LENGTH_UNTIL_CLOSE);
    struct server_conn *conn = exchange->conn;
    conn_enter(conn);
    shared->status = (uint16_t)status;
    choose_framing(exchange, status, length);

    char prefix_bytes[PREFIX_SIZE], suffix_bytes[SUFFIX_SIZE];
    struct line prefix = {prefix_bytes, 0}, suffix = {suffix_bytes, 0};
    put_prefix(&prefix, shared->server, status);
    put_suffix(&suffix, exchange, length, status);
    struct iovec parts[5];
    int body_count = put_body(exchange, body, &suffix, parts + 3);
    parts[0] = (struct iovec){prefix.p, prefix.n};
    parts[1] = (struct iovec){(void *)(uintptr_t)headers.p, headers.n};
    parts[2] = (struct iovec){suffix.p, suffix.n};
    send_parts(conn, parts, 3 + body_count);
    conn_leave(conn);
}

static void put_chunk(struct line *line, struct span piece)
{
    put_hex(line, piece.n);
    put_literal(line, "\r\n");
    put(line, piece.p, piece.n);
    put_literal(line, "\r\n");
}

void http_answer_body(struct http_exchange *shared, struct span piece)
{
    struct exchange *exchange = exchange_of(shared);
    CHECK(exchange->conn && shared->status != 0);
    if (piece.n == 0 || exchange->framing == ANSWER_NO_BODY || exchange->has_failed)
        return;
    CHECK(!exchange->has_ended);
    struct server_conn *conn = exchange->conn;
    conn_enter(conn);
    char line_bytes[CHUNK_LINE_SIZE + SMALL_PIECE_SIZE];
    struct line line = {line_bytes, 0};
    struct iovec parts[3];
    int count;
    if (exchange->framing == ANSWER_CHUNKED && piece.n <= SMALL_PIECE_SIZE) {
        /* one part is cheaper for the kernel than three, and the copy costs next to nothing */
        put_chunk(&line, piece);
        count = 1;
    } else {
        count = 1 + put_body(exchange, piece, &line, parts + 1);
    }
    parts[0] = (struct iovec){line.p, line.n};
    int skip = line.n > 0 ? 0 : 1;
    send_parts(conn, parts + skip, count - skip);
    conn_leave(conn);
}

void http_answer_end(struct http_exchange *shared)
{
    struct exchange *exchange = exchange_of(shared);
    CHECK(exchange->conn && shared->status != 0);
    if (exchange->has_ended || exchange->has_failed)
        return;
    CHECK(exchange->framing != ANSWER_LENGTH);
    struct server_conn *conn = exchange->conn;
    conn_enter(conn);
    exchange->has_ended = true;
    struct iovec last_chunk = {(void *)(uintptr_t) "0\r\n\r\n", 5};
    if (exchange->framing == ANSWER_CHUNKED)
        send_parts(conn, &last_chunk, 1);
    else
        finish_if_done(conn);
    conn_leave(conn);
}

void http_answer_abort(struct http_exchange *shared)
{
    struct exchange *exchange = exchange_of(shared);
    CHECK(exchange->conn);
    struct server_conn *conn = exchange->conn;
    conn_enter(conn);
    conn_close(conn, true);
    conn_leave(conn);
}

void http_answer_break(struct http_exchange *shared)
{
    struct exchange *exchange = exchange_of(shared);
    CHECK(exchange->conn);
    if (exchange->has_ended || exchange->has_failed)
        return;
    struct server_conn *conn = exchange->conn;
    conn_enter(conn);
    exchange->has_ended = exchange->is_broken = exchange->closes = true;
    finish_if_done(conn);
    conn_leave(conn);
}

size_t http_answer_backlog(const struct http_exchange *shared)
{
    return exchange_of(shared)->out.waiting;
}

bool http_answer_is_full(const struct http_exchange *shared)
{
    return exchange_of(shared)->was_over;
}

void answer_continue_if_due(struct exchange *exchange)
{
    struct server_conn *conn = exchange->conn;
    if (!exchange->may_want_continue || exchange->shared.status != 0)
        return;
    exchange->may_want_continue = false;
    struct iovec part = {(void *)(uintptr_t) "HTTP/1.1 100 Continue\r\n\r\n", 25};
    send_parts(conn, &part, 1);
}

void http_answer_continue(struct http_exchange *shared)
{
    struct exchange *exchange = exchange_of(shared);
    CHECK(exchange->conn);
    struct server_conn *conn = exchange->conn;
    conn_enter(conn);
    answer_continue_if_due(exchange);
    conn_leave(conn);
}

/* The server's own answer. It is small and the first on its way, so what the socket does not take
 * at once is not worth waiting for: the connection ends in any case. */
void answer_refuse(struct server_conn *conn, unsigned status, const char *reason)
{
    struct http_server *server = conn->server;
    struct exchange *exchange = conn->exchange;
    if (exchange && exchange->shared.status != 0) {
        conn_close(conn, true);
        return;
    }
    char body_bytes[REFUSAL_SIZE];
    struct text body;
    text_init(&body, body_bytes, sizeof body_bytes);
    if (server->handler.refuse) {
        server->handler.refuse(server->user, status, reason, &body);
    } else {
        text_json_object(&body);
        text_json_key(&body, "error");
        text_json_str(&body, reason);
        text_json_end(&body);
    }
    char prefix_bytes[PREFIX_SIZE], suffix_bytes[SUFFIX_SIZE];
    struct line prefix = {prefix_bytes, 0}, suffix = {suffix_bytes, 0};
    put_prefix(&prefix, server, status);
    put_literal(&suffix, "content-type: application/json\r\nconnection: close\r\n"
                         "content-length: ");
    put_number(&suffix, body.n, 1);
    put_literal(&suffix, "\r\n\r\n");
    struct iovec parts[3] = {{prefix.p, prefix.n}, {suffix.p, suffix.n}, {body.p, body.n}};
    size_t sent;
    if (net_conn_write(&conn->net, parts, 3, &sent) != ERR_OK) {
        conn_close(conn, true);
        return;
    }
    if (exchange) {
        exchange->shared.status = (uint16_t)status;
        exchange->shared.bytes_out += sent;
        exchange_over(exchange, false);
    }
    conn_linger(conn);
}
