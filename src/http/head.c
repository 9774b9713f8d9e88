#include "http/parser.h"

#include "base/check.h"
#include "http/bytes16.h"
#include "http/tokens.h"

/* The first CR or LF at or behind <from>; bytes.n when there is none. */
static size_t find_line_mark(struct span bytes, size_t from)
{
    size_t i = from;
    for (; i + 16 <= bytes.n; i += 16) {
        uint32_t mask = bytes16_line_mark(bytes.p + i);
        if (mask)
            return i + (size_t)__builtin_ctz(mask);
    }
    while (i < bytes.n && bytes.p[i] != '\r' && bytes.p[i] != '\n')
        i++;
    return i;
}

/* Bytes of the whole empty lines at the start; one more than allowed is counted too. */
static size_t count_empty_lines(struct span bytes)
{
    size_t n = 0;
    while (n <= 2 * HTTP_EMPTY_LINES_MAX && n + 2 <= bytes.n && memcmp(bytes.p + n, "\r\n", 2) == 0)
        n += 2;
    return n;
}

/* Has the first line passed its limit before <mark>, the next CR or LF? Lines that ended earlier
 * were within it, or we would have stopped then. */
static bool is_first_line_too_long(struct span bytes, size_t start, size_t scanned, size_t mark)
{
    size_t limit = start + LIMIT_HTTP_LINE;
    if (scanned > limit || mark <= limit)
        return false;
    return scanned <= start || !memchr(bytes.p + start, '\n', scanned - start);
}

enum err http_head_find(struct span bytes, size_t *scanned, size_t *ret_size)
{
    CHECK(*scanned <= bytes.n);
    size_t start = count_empty_lines(bytes);
    if (start > 2 * HTTP_EMPTY_LINES_MAX)
        return ERR_SYNTAX;

    size_t from = *scanned > start ? *scanned : start;
    size_t i = find_line_mark(bytes, from);
    if (is_first_line_too_long(bytes, start, from, i))
        return ERR_FULL;
    for (; i < bytes.n; i = find_line_mark(bytes, i)) {
        if (bytes.p[i] == '\n')
            return ERR_SYNTAX;
        if (i + 1 == bytes.n)
            break; /* a CR whose LF has yet to come is looked at again */
        if (bytes.p[i + 1] != '\n')
            return ERR_SYNTAX;
        bool is_empty_line = i > start && bytes.p[i - 1] == '\n';
        i += 2;
        if (!is_empty_line)
            continue;
        if (i > LIMIT_HTTP_HEAD)
            return ERR_FULL;
        *scanned = *ret_size = i;
        return ERR_OK;
    }
    *scanned = i;
    return bytes.n >= LIMIT_HTTP_HEAD ? ERR_FULL : ERR_AGAIN;
}

struct http_refusal http_head_refusal(enum err err, struct span bytes)
{
    if (err == ERR_SYNTAX)
        return (struct http_refusal){400, "Lines of a request end with CR LF, and neither stands "
                                          "alone; at most two empty lines come before it."};
    size_t start = count_empty_lines(bytes);
    size_t first_line_size = find_line_mark(bytes, start) - start;
    if (first_line_size > LIMIT_HTTP_LINE)
        return (struct http_refusal){414, "The request line is longer than 8 KiB."};
    return (struct http_refusal){431, "The request's head is longer than 16 KiB."};
}

static uint64_t load_eight(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

/* Does <name>, a token, equal <known>, lower-case letters and hyphens, but for case? Setting bit 5
 * is exact here: no other token character becomes a letter or a hyphen by it. */
static bool is_name(const char *name, const char *known, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        if ((load_eight(name + i) | UINT64_C(0x2020202020202020)) != load_eight(known + i))
            return false;
    for (; i < n; i++)
        if ((name[i] | 0x20) != known[i])
            return false;
    return true;
}

uint8_t http_header_find(struct span name)
{
    static const char *const text[HTTP_HEADER_COUNT] = {
#define X(name, text) text,
        HTTP_HEADER_TABLE(X)
#undef X
    };
    static const uint8_t length[32] = {
#define X(name, text) sizeof(text) - 1,
        HTTP_HEADER_TABLE(X)
#undef X
    };
    _Static_assert(HTTP_HEADER_COUNT <= sizeof length, "a candidate is one bit of a word");

    if (name.n == 0 || name.n > UINT8_MAX)
        return HTTP_HEADER_UNKNOWN;
    uint32_t candidates = bytes16_equal(length, (uint8_t)name.n);
    candidates |= bytes16_equal(length + 16, (uint8_t)name.n) << 16;
    for (; candidates; candidates &= candidates - 1) {
        unsigned i = (unsigned)__builtin_ctz(candidates);
        if (is_name(name.p, text[i], name.n))
            return (uint8_t)i;
    }
    return HTTP_HEADER_UNKNOWN;
}

static bool is_named_by(struct span list, struct span name)
{
    while (list.p)
        if (span_is_equal_nocase(span_trim(span_cut(&list, ',')), name))
            return true;
    return false;
}

bool http_header_is_hop_by_hop(const struct http_head *head, unsigned i)
{
    CHECK(i < head->header_count);
    switch (head->headers[i].known) {
    case HTTP_HEADER_CONNECTION:
    case HTTP_HEADER_KEEP_ALIVE:
    case HTTP_HEADER_TE:
    case HTTP_HEADER_TRAILER:
    case HTTP_HEADER_TRANSFER_ENCODING:
    case HTTP_HEADER_UPGRADE:
    case HTTP_HEADER_PROXY_CONNECTION:
    case HTTP_HEADER_PROXY_AUTHORIZATION:
        return true;
    default:
        break;
    }
    unsigned first = head->known_index[HTTP_HEADER_CONNECTION];
    if (!first)
        return false;
    for (unsigned k = first - 1; k < head->header_count; k++)
        if (head->headers[k].known == HTTP_HEADER_CONNECTION &&
            is_named_by(head->headers[k].value, head->headers[i].name))
            return true;
    return false;
}
