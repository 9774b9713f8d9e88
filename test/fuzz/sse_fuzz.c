/* sse_fuzz.c: a stream in one piece, cut in two and byte by byte gives the same events. The first
 * byte is the size of the buffer for an event's data. */
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "http/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    uint64_t hash;
    size_t count, data_max;
};

static void mix(struct seen *seen, struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        seen->hash = (seen->hash ^ (uint8_t)s.p[i]) * UINT64_C(0x100000001b3);
    seen->hash = (seen->hash ^ 256) * UINT64_C(0x100000001b3);
}

static void on_event(void *user, struct span event, struct span data, bool is_cut)
{
    struct seen *seen = user;
    CHECK(data.n <= seen->data_max && event.n <= 32);
    mix(seen, event);
    mix(seen, data);
    seen->hash += is_cut;
    seen->count++;
}

static struct seen read_in_steps(struct span text, size_t first, size_t step, size_t buffer_size)
{
    struct seen seen = {.data_max = buffer_size};
    struct sse_reader reader;
    char *buffer = malloc(buffer_size ? buffer_size : 1);
    CHECK(buffer);
    sse_reader_init(&reader, buffer, buffer_size);
    for (size_t i = 0; i < text.n;) {
        size_t n = i == 0 && first ? first : step;
        if (n > text.n - i)
            n = text.n - i;
        char *copy = malloc(n);
        CHECK(copy);
        memcpy(copy, text.p + i, n);
        sse_reader_add(&reader, span_from(copy, n), on_event, &seen);
        free(copy);
        i += n;
    }
    free(buffer);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 64 * 1024)
        return 0;
    struct span text = {(const char *)data + 1, size - 1};
    size_t buffer_size = data[0];
    struct seen whole = read_in_steps(text, 0, text.n, buffer_size);
    struct seen halves = read_in_steps(text, text.n / 2, text.n, buffer_size);
    struct seen single = read_in_steps(text, 0, 1, buffer_size);
    CHECK(whole.hash == halves.hash && whole.count == halves.count);
    CHECK(whole.hash == single.hash && whole.count == single.count);
    return 0;
}
