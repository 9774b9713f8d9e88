/* frame_fuzz.c: any 32 bytes are a frame or are refused; what is accepted writes back to the same
 * bytes. The rest of the input is tried as a load record and as an engine's text. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "worker/frame.h"
#include "worker/piece.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_header(const uint8_t *data)
{
    struct frame frame;
    uint8_t bytes[FRAME_HEADER_SIZE];
    if (frame_decode(data, &frame))
        return;
    CHECK(frame.type > FRAME_NONE && frame.type < FRAME_TYPE_COUNT);
    CHECK(frame.length <= LIMIT_FRAME_PAYLOAD);
    frame_encode(&frame, bytes);
    CHECK(memcmp(bytes, data, sizeof bytes) == 0);
}

/* The sum is hard to guess: the same header with a right one. */
static void try_summed(const uint8_t *data)
{
    struct frame frame = {.type = data[1], .flags = data[2] & 3};
    uint8_t bytes[FRAME_HEADER_SIZE];
    memcpy(&frame.length, data + 24, sizeof frame.length);
    frame_encode(&frame, bytes);
    try_header(bytes);
}

static void try_piece(const uint8_t *data, size_t size)
{
    static char out[3 * PIECE_HELD_MAX];
    struct piece piece;
    piece_init(&piece);
    size_t stop = size ? data[0] % 8 : 0;
    if (stop && stop < size && !piece_stop_add(&piece, span_from((const char *)data + 1, stop)))
        return;
    for (size_t at = 0; at < size; at += 7) {
        size_t n = size - at < 7 ? size - at : 7;
        CHECK(piece_add(&piece, span_from((const char *)data + at, n), out) <= sizeof out);
    }
    CHECK(piece_end(&piece, out) <= sizeof out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame_load load;
    if (size >= FRAME_HEADER_SIZE) {
        try_header(data);
        try_summed(data);
        data += FRAME_HEADER_SIZE;
        size -= FRAME_HEADER_SIZE;
    }
    if (!frame_load_decode(span_from((const char *)data, size), &load)) {
        uint8_t bytes[64];
        frame_load_encode(&load, bytes);
        CHECK(size == sizeof bytes && memcmp(bytes, data, size) == 0);
    }
    try_piece(data, size);
    return 0;
}
