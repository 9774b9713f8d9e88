#include "http/parser.h"

#include <stddef.h>

#include "http/bytes16.h"
#include "http/tokens.h"

/* A head being read: <p> moves from its first byte to <end>. */
struct reader {
    const char *p, *end;
    struct http_refusal refusal;
};

static bool refuse(struct reader *reader, uint16_t status, const char *reason)
{
    reader->refusal = (struct http_refusal){status, reason};
    return false;
}

/* The bytes up to the first that is not of <kind>. */
static struct span take_kind(struct reader *reader, unsigned kind)
{
    const char *start = reader->p;
    while (reader->p < reader->end && http_byte_kinds[(uint8_t)*reader->p] & kind)
        reader->p++;
    return span_from(start, (size_t)(reader->p - start));
}

/* The bytes up to the first that may not stand in a field value. */
static struct span take_value(struct reader *reader)
{
    const char *start = reader->p;
    while (reader->end - reader->p >= 16) {
        uint32_t mask = bytes16_not_value(reader->p);
        if (mask) {
            reader->p += __builtin_ctz(mask);
            return span_from(start, (size_t)(reader->p - start));
        }
        reader->p += 16;
    }
    while (reader->p < reader->end) {
        uint8_t c = (uint8_t)*reader->p;
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            break;
        reader->p++;
    }
    return span_from(start, (size_t)(reader->p - start));
}

static bool take_exactly(struct reader *reader, const char *text, size_t n)
{
    if ((size_t)(reader->end - reader->p) < n || memcmp(reader->p, text, n) != 0)
        return false;
    reader->p += n;
    return true;
}

static bool take_line_end(struct reader *reader)
{
    return take_exactly(reader, "\r\n", 2);
}

static struct span trim(struct span s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s.p++, s.n--;
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* "HTTP/1.1" or "HTTP/1.0"; another digit pair is 505. */
static bool take_version(struct reader *reader, struct http_head *head)
{
    if (reader->end - reader->p < 8 || memcmp(reader->p, "HTTP/", 5) != 0 ||
        !is_digit(reader->p[5]) || reader->p[6] != '.' || !is_digit(reader->p[7]))
        return refuse(reader, 400, "The first line does not name the version as HTTP/1.1.");
    if (reader->p[5] != '1' || reader->p[7] > '1')
        return refuse(reader, 505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.");
    head->minor_version = (uint8_t)(reader->p[7] - '0');
    reader->p += 8;
    return true;
}

static enum http_method method_of(struct span text)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (span_is(text, names[i]))
            return (enum http_method)i;
    return HTTP_OTHER;
}

static bool has_good_percents(struct span target)
{
    const char *p = target.p, *end = target.p + target.n;
    while ((p = memchr(p, '%', (size_t)(end - p)))) {
        if (end - p < 3 || !is_hex(p[1]) || !is_hex(p[2]))
            return false;
        p += 3;
    }
    return true;
}

static bool is_host(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (!(http_byte_kinds[(uint8_t)text.p[i]] & HTTP_BYTE_HOST))
            return false;
    return true;
}

/* Path and query of origin-form "/a?b"; of absolute-form "http://host/a?b" what is behind the
 * host. */
static bool split_target(struct reader *reader, struct http_head *head)
{
    struct span rest = head->target;
    if (rest.n == 0)
        return refuse(reader, 400, "The request line has no target.");
    if (rest.p[0] != '/') {
        size_t scheme = 0;
        if (rest.n >= 7 && span_is_equal_nocase(span_from(rest.p, 7), SPAN_LITERAL("http://")))
            scheme = 7;
        if (rest.n >= 8 && span_is_equal_nocase(span_from(rest.p, 8), SPAN_LITERAL("https://")))
            scheme = 8;
        size_t i = scheme;
        while (i < rest.n && rest.p[i] != '/' && rest.p[i] != '?')
            i++;
        if (!scheme || i == scheme || !is_host(span_from(rest.p + scheme, i - scheme)))
            return refuse(reader, 400, "The target is neither a path, nor an http(s) URL, nor *.");
        rest = span_from(rest.p + i, rest.n - i);
    }
    const char *mark = rest.n ? memchr(rest.p, '?', rest.n) : NULL;
    size_t path_size = mark ? (size_t)(mark - rest.p) : rest.n;
    head->path = path_size ? span_from(rest.p, path_size) : SPAN_LITERAL("/");
    head->query = mark ? span_from(mark + 1, rest.n - path_size - 1) : (struct span){NULL, 0};
    return true;
}

static bool take_target(struct reader *reader, struct http_head *head)
{
    head->target = take_kind(reader, HTTP_BYTE_TARGET);
    if (head->method == HTTP_OPTIONS && span_is(head->target, "*")) {
        head->path = head->target;
        head->query = (struct span){NULL, 0};
        return true;
    }
    if (!has_good_percents(head->target))
        return refuse(reader, 400, "A % in the target is not followed by two hex digits.");
    return split_target(reader, head);
}

static bool take_request_line(struct reader *reader, struct http_head *head)
{
    for (unsigned i = 0; i < HTTP_EMPTY_LINES_MAX && take_line_end(reader); i++)
        continue;
    head->method_text = take_kind(reader, HTTP_BYTE_TOKEN);
    if (head->method_text.n == 0 || !take_exactly(reader, " ", 1))
        return refuse(reader, 400, "The request line does not begin with a method and a space.");
    head->method = method_of(head->method_text);
    const char *target_start = reader->p;
    if (span_is(head->method_text, "PRI") && take_exactly(reader, "* HTTP/2.0", 10))
        return refuse(reader, 505, "HTTP/2 is not spoken on this port.");
    reader->p = target_start;
    if (span_is(head->method_text, "CONNECT"))
        return refuse(reader, 501, "CONNECT is not offered.");
    if (!take_target(reader, head))
        return false;
    if (!take_exactly(reader, " ", 1))
        return refuse(
            reader, 400,
            "The target holds a byte that may not stand there, or no version follows it.");
    if (!take_version(reader, head))
        return false;
    return take_line_end(reader) ||
           refuse(reader, 400, "The request line goes on after the version.");
}

static bool take_status_line(struct reader *reader, struct http_head *head)
{
    if (!take_version(reader, head))
        return false;
    const char *p = reader->p;
    if (reader->end - p < 4 || p[0] != ' ' || p[1] < '1' || p[1] > '5' || !is_digit(p[2]) ||
        !is_digit(p[3]))
        return refuse(reader, 502, "The status line has no status from 100 to 599.");
    head->status = (uint16_t)((p[1] - '0') * 100 + (p[2] - '0') * 10 + (p[3] - '0'));
    reader->p += 4;
    if (take_exactly(reader, " ", 1))
        take_value(reader);
    return take_line_end(reader) || refuse(reader, 502, "The status line is malformed.");
}

/* 1*DIGIT, at most 18 of them, so that it fits whatever is added to it later. */
static bool take_length(struct reader *reader, struct http_head *head, struct span value)
{
    if (value.n == 0 || value.n > 18)
        return refuse(reader, 400, "Content-Length is not a number of bytes.");
    int64_t length = 0;
    for (size_t i = 0; i < value.n; i++) {
        if (!is_digit(value.p[i]))
            return refuse(reader, 400, "Content-Length is not a number of bytes.");
        length = length * 10 + (value.p[i] - '0');
    }
    if (http_has_header(head, HTTP_HEADER_CONTENT_LENGTH))
        return refuse(reader, 400, "Content-Length is given twice.");
    head->body_length = length;
    return true;
}

static bool take_coding(struct reader *reader, struct http_head *head, struct span value)
{
    if (http_has_header(head, HTTP_HEADER_TRANSFER_ENCODING))
        return refuse(reader, 400, "Transfer-Encoding is given twice.");
    if (head->minor_version == 0)
        return refuse(reader, 400, "Transfer-Encoding does not exist in HTTP/1.0.");
    if (!span_is_equal_nocase(value, SPAN_LITERAL("chunked")))
        return refuse(reader, 501, "The only transfer coding understood here is chunked.");
    return true;
}

/* What the message means by a header that frames or steers it. */
static bool take_meaning(struct reader *reader, struct http_head *head,
                         const struct http_header *header)
{
    switch (header->known) {
    case HTTP_HEADER_CONTENT_LENGTH:
        return take_length(reader, head, header->value);
    case HTTP_HEADER_TRANSFER_ENCODING:
        return take_coding(reader, head, header->value);
    case HTTP_HEADER_HOST:
        if (http_has_header(head, HTTP_HEADER_HOST))
            return refuse(reader, 400, "Host is given twice.");
        return is_host(header->value) || refuse(reader, 400, "Host is not a name and port.");
    case HTTP_HEADER_EXPECT:
        head->expects_continue = head->minor_version == 1;
        return span_is_equal_nocase(header->value, SPAN_LITERAL("100-continue")) ||
               refuse(reader, 417, "The only expectation met here is 100-continue.");
    default:
        return true;
    }
}

static bool take_header(struct reader *reader, struct http_head *head, struct http_header *header)
{
    header->name = take_kind(reader, HTTP_BYTE_TOKEN);
    if (reader->p == reader->end || *reader->p != ':' || header->name.n == 0) {
        bool is_space = reader->p < reader->end && (*reader->p == ' ' || *reader->p == '\t');
        if (is_space && header->name.n == 0)
            return refuse(reader, 400, "A header line is folded.");
        return refuse(reader, 400,
                      is_space ? "White space stands before the colon of a header."
                               : "A header is not a name, a colon and a value.");
    }
    reader->p++;
    header->value = trim(take_value(reader));
    if (!take_line_end(reader))
        return refuse(reader, 400, "A header's value holds a byte that may not stand there.");
    header->known = http_header_find(header->name);
    return header->known == HTTP_HEADER_UNKNOWN || take_meaning(reader, head, header);
}

static bool take_headers(struct reader *reader, struct http_head *head)
{
    unsigned count = 0;
    while (!take_line_end(reader)) {
        if (count == LIMIT_HTTP_HEADERS)
            return refuse(reader, 431, "There are more than 64 headers.");
        struct http_header *header = &head->headers[count++];
        if (!take_header(reader, head, header))
            return false;
        if (header->known != HTTP_HEADER_UNKNOWN && !head->known_index[header->known])
            head->known_index[header->known] = (uint8_t)count;
    }
    head->header_count = (uint16_t)count;
    if (reader->p != reader->end)
        return refuse(reader, 400, "The head goes on after its empty line.");
    if (http_has_header(head, HTTP_HEADER_TRANSFER_ENCODING)) {
        if (http_has_header(head, HTTP_HEADER_CONTENT_LENGTH))
            return refuse(reader, 400, "Both Content-Length and Transfer-Encoding are given.");
        head->body_length = HTTP_LENGTH_CHUNKED;
    }
    return true;
}

/* What one Connection header says; false: with the others it names too much. Each header is later
 * compared with each option, so a head of nothing but options would cost milliseconds. */
static bool take_options(struct http_head *head, struct span list, unsigned *count, bool *is_close)
{
    enum { OPTIONS_MAX = 32 };
    while (list.p) {
        struct span option = trim(span_cut(&list, ','));
        if (++*count > OPTIONS_MAX)
            return false;
        *is_close = *is_close || span_is_equal_nocase(option, SPAN_LITERAL("close"));
        if (span_is_equal_nocase(option, SPAN_LITERAL("keep-alive")))
            head->keep_alive = true;
    }
    return true;
}

/* RFC 9112 9.3: "close" wins, wherever it stands. */
static bool settle_keep_alive(struct reader *reader, struct http_head *head)
{
    head->keep_alive = head->minor_version == 1;
    unsigned first = head->known_index[HTTP_HEADER_CONNECTION];
    if (!first)
        return true;
    bool is_close = false;
    unsigned count = 0;
    for (unsigned i = first - 1; i < head->header_count; i++) {
        if (head->headers[i].known != HTTP_HEADER_CONNECTION)
            continue;
        if (!take_options(head, head->headers[i].value, &count, &is_close))
            return refuse(reader, 431, "Connection names more than 32 headers.");
    }
    if (is_close)
        head->keep_alive = false;
    return true;
}

/* All but the headers, which stay as they are. */
static void clear(struct http_head *head, int64_t body_length)
{
    memset(head, 0, offsetof(struct http_head, headers));
    head->method = HTTP_OTHER;
    head->body_length = body_length;
}

enum err http_parse_request(struct span head, struct http_head *ret_head,
                            struct http_refusal *ret_refusal)
{
    struct reader reader = {.p = head.p, .end = head.p + head.n};
    clear(ret_head, 0);
    bool is_good = take_request_line(&reader, ret_head);
    is_good = is_good && take_headers(&reader, ret_head);
    if (is_good && ret_head->minor_version == 1 && !http_has_header(ret_head, HTTP_HEADER_HOST))
        is_good = refuse(&reader, 400, "The Host header is missing.");
    is_good = is_good && settle_keep_alive(&reader, ret_head);
    if (!is_good) {
        *ret_refusal = reader.refusal;
        return ERR_SYNTAX;
    }
    return ERR_OK;
}

/* RFC 9112 6.3. */
static void settle_response(struct http_head *head, bool to_head_request)
{
    if (to_head_request || head->status < 200 || head->status == 204 || head->status == 304)
        head->body_length = 0;
    if (head->body_length == HTTP_LENGTH_UNTIL_CLOSE)
        head->keep_alive = false;
}

enum err http_parse_response(struct span head, bool to_head_request, struct http_head *ret_head,
                             struct http_refusal *ret_refusal)
{
    struct reader reader = {.p = head.p, .end = head.p + head.n};
    clear(ret_head, HTTP_LENGTH_UNTIL_CLOSE);
    bool is_good = take_status_line(&reader, ret_head);
    is_good = is_good && take_headers(&reader, ret_head);
    if (is_good && ret_head->status == 101)
        is_good = refuse(&reader, 502, "The server changes to a protocol that nobody asked for.");
    is_good = is_good && settle_keep_alive(&reader, ret_head);
    if (!is_good) {
        *ret_refusal = (struct http_refusal){502, reader.refusal.reason};
        return ERR_SYNTAX;
    }
    settle_response(ret_head, to_head_request);
    return ERR_OK;
}
