/* RFC 9112 7.1:
 *
 *   SIZE -> [SPACE -> EXTENSION] -> SIZE_LF -> DATA -> DATA_CR -> DATA_LF -+
 *    ^                                 |                                   |
 *    |                                 | size 0                            |
 *    +---------------------------------|-----------------------------------+
 *                                      v
 *                      TRAILER -> TRAILER_NAME -> TRAILER_VALUE -> TRAILER_LF -> TRAILER ...
 *                         +-----> END_LF -> DONE                                              */
#include "http/parser.h"

#include "http/tokens.h"

enum state {
    SIZE,
    SPACE, /* between the size and the ";" of an extension */
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER, /* at the start of a trailer line */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF,
    DONE,
    REFUSED
};

enum { DIGITS_MAX = 15, EXTENSION_MAX = 1024, TRAILERS_MAX = 4096 };

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_text(uint8_t c)
{
    return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static enum state take_size(struct http_chunked *chunked, uint8_t c)
{
    int digit = hex_digit(c);
    if (digit >= 0) {
        chunked->left = chunked->left << 4 | (uint64_t)digit;
        return ++chunked->digits <= DIGITS_MAX ? SIZE : REFUSED;
    }
    chunked->line_bytes = 0;
    if (chunked->digits == 0)
        return REFUSED;
    if (c == '\r')
        return SIZE_LF;
    if (c == ';')
        return EXTENSION;
    return c == ' ' || c == '\t' ? SPACE : REFUSED;
}

static enum state take_extension(struct http_chunked *chunked, enum state state, uint8_t c)
{
    if (++chunked->line_bytes > EXTENSION_MAX)
        return REFUSED;
    if (state == SPACE)
        return c == ';' ? EXTENSION : c == ' ' || c == '\t' ? SPACE : REFUSED;
    if (c == '\r')
        return SIZE_LF;
    return is_text(c) ? EXTENSION : REFUSED;
}

static enum state take_size_end(struct http_chunked *chunked, uint8_t c)
{
    if (c != '\n')
        return REFUSED;
    chunked->digits = 0;
    chunked->line_bytes = 0;
    return chunked->left ? DATA : TRAILER;
}

static enum state take_trailer(struct http_chunked *chunked, enum state state, uint8_t c)
{
    if (++chunked->line_bytes > TRAILERS_MAX)
        return REFUSED;
    switch (state) {
    case TRAILER:
        if (c == '\r')
            return END_LF;
        return http_is_token(c) ? TRAILER_NAME : REFUSED;
    case TRAILER_NAME:
        if (c == ':')
            return TRAILER_VALUE;
        return http_is_token(c) ? TRAILER_NAME : REFUSED;
    case TRAILER_VALUE:
        if (c == '\r')
            return TRAILER_LF;
        return is_text(c) ? TRAILER_VALUE : REFUSED;
    default:
        return c == '\n' ? TRAILER : REFUSED;
    }
}

/* One byte of anything but data. */
static enum state take(struct http_chunked *chunked, uint8_t c)
{
    enum state state = (enum state)chunked->state;
    switch (state) {
    case SIZE:
        return take_size(chunked, c);
    case SPACE:
    case EXTENSION:
        return take_extension(chunked, state, c);
    case SIZE_LF:
        return take_size_end(chunked, c);
    case DATA_CR:
        return c == '\r' ? DATA_LF : REFUSED;
    case DATA_LF:
        return c == '\n' ? SIZE : REFUSED;
    case END_LF:
        return c == '\n' ? DONE : REFUSED;
    default:
        return take_trailer(chunked, state, c);
    }
}

static bool is_line_end(struct span bytes, size_t at)
{
    return at + 1 < bytes.n && bytes.p[at] == '\r' && bytes.p[at + 1] == '\n';
}

/* "5f CR LF" in one go where it is whole and plain, as nearly all are: the bytes of it, or 0. */
static size_t take_plain_size(struct http_chunked *chunked, struct span bytes)
{
    enum { PLAIN_DIGITS_MAX = 6 };
    uint64_t size = 0;
    size_t i = 0;
    for (int digit; i < PLAIN_DIGITS_MAX && i < bytes.n; i++) {
        if ((digit = hex_digit((uint8_t)bytes.p[i])) < 0)
            break;
        size = size << 4 | (uint64_t)digit;
    }
    if (size == 0 || !is_line_end(bytes, i))
        return 0;
    chunked->left = size;
    chunked->state = DATA;
    return i + 2;
}

void http_chunked_init(struct http_chunked *chunked)
{
    *chunked = (struct http_chunked){.state = SIZE};
}

enum err http_chunked_next(struct http_chunked *chunked, struct span bytes, size_t *ret_used,
                           struct span *ret_data, bool *ret_chunk_ended)
{
    bool is_at_size = chunked->state == SIZE && chunked->digits == 0;
    size_t i = is_at_size ? take_plain_size(chunked, bytes) : 0;
    while (i < bytes.n && chunked->state != DATA && chunked->state < DONE)
        chunked->state = (uint8_t)take(chunked, (uint8_t)bytes.p[i++]);
    if (chunked->state == REFUSED)
        return ERR_SYNTAX;

    struct span data = {bytes.p ? bytes.p + i : NULL, 0};
    bool has_chunk_ended = false;
    if (chunked->state == DATA && i < bytes.n) {
        data.n = bytes.n - i < chunked->left ? bytes.n - i : (size_t)chunked->left;
        i += data.n;
        chunked->left -= data.n;
        has_chunk_ended = chunked->left == 0;
        if (has_chunk_ended)
            chunked->state = DATA_CR;
    }
    if (has_chunk_ended && is_line_end(bytes, i)) {
        chunked->state = SIZE;
        i += 2;
    }
    *ret_used = i;
    *ret_data = data;
    *ret_chunk_ended = has_chunk_ended;
    return chunked->state == DONE ? ERR_CLOSED : ERR_OK;
}
