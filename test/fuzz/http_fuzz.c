/* http_fuzz.c: heads and chunked bodies, in one piece and byte by byte: the same answer, and spans
 * that stay inside. The first byte chooses: 0 a request, 1 an answer, 2 an answer to HEAD, 3 a
 * chunked body. */
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "http/parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Memory of its own for each call, so that a sanitizer sees a read past what was given. */
static char *copy_of(const char *p, size_t n)
{
    char *copy = malloc(n ? n : 1);
    CHECK(copy);
    if (n)
        memcpy(copy, p, n);
    return copy;
}

static enum err find_byte_by_byte(const char *p, size_t n, size_t *ret_size)
{
    size_t scanned = 0;
    enum err err = ERR_AGAIN;
    for (size_t k = 0; k <= n && err == ERR_AGAIN; k++) {
        char *copy = copy_of(p, k);
        err = http_head_find(span_from(copy, k), &scanned, ret_size);
        CHECK(scanned <= k);
        free(copy);
    }
    return err;
}

static void check_inside(struct span outer, struct span inner)
{
    CHECK(inner.n == 0 || (inner.p >= outer.p && inner.p + inner.n <= outer.p + outer.n));
}

static void check_head(struct span text, const struct http_head *head)
{
    check_inside(text, head->target);
    check_inside(text, head->query);
    CHECK(head->header_count <= LIMIT_HTTP_HEADERS);
    CHECK(head->body_length >= HTTP_LENGTH_CHUNKED);
    for (unsigned i = 0; i < head->header_count; i++) {
        const struct http_header *header = &head->headers[i];
        check_inside(text, header->name);
        check_inside(text, header->value);
        CHECK(header->name.n > 0);
        if (header->value.n) {
            CHECK(!memchr(header->value.p, '\n', header->value.n));
            CHECK(!memchr(header->value.p, '\r', header->value.n));
            CHECK(!memchr(header->value.p, 0, header->value.n));
        }
        http_header_is_hop_by_hop(head, i);
    }
}

static void try_head(const char *p, size_t n, unsigned kind)
{
    size_t scanned = 0, size = 0, slow_size = 0;
    enum err err = http_head_find(span_from(p, n), &scanned, &size);
    enum err slow = n <= 2048 ? find_byte_by_byte(p, n, &slow_size) : err;
    /* given whole, a break behind the limits or behind the end of the head may be met or not */
    if (n <= 2048)
        CHECK(err == slow && size == slow_size);
    if (err == ERR_FULL || err == ERR_SYNTAX)
        CHECK(http_head_refusal(err, span_from(p, n)).status >= 400);
    struct span text = {p, err == ERR_OK ? size : n}; /* also what find refuses must be safe */
    struct http_head head;
    struct http_refusal refusal;
    enum err parsed = kind == 0 ? http_parse_request(text, &head, &refusal)
                                : http_parse_response(text, kind == 2, &head, &refusal);
    if (parsed == ERR_OK)
        check_head(text, &head);
    else
        CHECK(refusal.status >= 400 && refusal.reason);
    if (parsed == ERR_OK && kind == 0)
        CHECK(err == ERR_OK || err == ERR_FULL); /* the end of what is taken would be found */
}

/* Data, a mark behind each chunk, and where it ended. */
struct decoded {
    uint64_t hash;
    size_t used;
    enum err err;
};

static void mix(struct decoded *decoded, unsigned word)
{
    decoded->hash = (decoded->hash ^ word) * UINT64_C(0x100000001b3);
}

static struct decoded decode(const char *p, size_t n, size_t step)
{
    struct decoded decoded = {.err = ERR_OK};
    struct http_chunked chunked;
    http_chunked_init(&chunked);
    while (decoded.used < n && decoded.err == ERR_OK) {
        size_t piece = n - decoded.used < step ? n - decoded.used : step, used = 0;
        char *copy = copy_of(p + decoded.used, piece);
        struct span data = {NULL, 0};
        bool has_ended = false;
        decoded.err = http_chunked_next(&chunked, span_from(copy, piece), &used, &data, &has_ended);
        check_inside(span_from(copy, piece), data);
        for (size_t i = 0; i < data.n; i++)
            mix(&decoded, (uint8_t)data.p[i]);
        if (has_ended)
            mix(&decoded, 256);
        CHECK(used <= piece && (used || decoded.err != ERR_OK));
        decoded.used += used;
        free(copy);
    }
    return decoded;
}

static void try_chunked(const char *p, size_t n)
{
    struct decoded whole = decode(p, n, n), single = decode(p, n, 1);
    CHECK(whole.err == single.err && whole.hash == single.hash);
    if (whole.err != ERR_SYNTAX)
        CHECK(whole.used == single.used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 64 * 1024)
        return 0;
    char *text = copy_of((const char *)data + 1, size - 1);
    if (data[0] % 4 == 3)
        try_chunked(text, size - 1);
    else
        try_head(text, size - 1, data[0] % 4);
    free(text);
    return 0;
}
