#include "worker/frame.h"

#include "base/hash.h"
#include "base/limits.h"

enum { CHECKED_SIZE = FRAME_HEADER_SIZE - 4, LOAD_SIZE = 64 };

static void put(uint8_t *at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *at, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = size; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

void frame_encode(const struct frame *frame, uint8_t ret_bytes[FRAME_HEADER_SIZE])
{
    ret_bytes[0] = FRAME_VERSION;
    ret_bytes[1] = frame->type;
    put(ret_bytes + 2, frame->flags, 2);
    put(ret_bytes + 4, frame->request, 4);
    put(ret_bytes + 8, frame->epoch, 8);
    put(ret_bytes + 16, frame->step, 8);
    put(ret_bytes + 24, frame->length, 4);
    put(ret_bytes + 28, hash_crc32c(ret_bytes, CHECKED_SIZE), 4);
}

enum err frame_decode(const uint8_t bytes[FRAME_HEADER_SIZE], struct frame *ret_frame)
{
    struct frame frame = {.version = bytes[0],
                          .type = bytes[1],
                          .flags = (uint16_t)get(bytes + 2, 2),
                          .request = (uint32_t)get(bytes + 4, 4),
                          .epoch = get(bytes + 8, 8),
                          .step = get(bytes + 16, 8),
                          .length = (uint32_t)get(bytes + 24, 4),
                          .check = (uint32_t)get(bytes + 28, 4)};
    if (frame.version != FRAME_VERSION || frame.type == FRAME_NONE ||
        frame.type >= FRAME_TYPE_COUNT || (frame.flags & ~FRAME_MEMFD))
        return ERR_SYNTAX;
    if (frame.length > LIMIT_FRAME_PAYLOAD ||
        (!(frame.flags & FRAME_MEMFD) && frame.length > LIMIT_FRAME_INLINE))
        return ERR_SYNTAX;
    if (frame.check != hash_crc32c(bytes, CHECKED_SIZE))
        return ERR_SYNTAX;
    *ret_frame = frame;
    return ERR_OK;
}

void frame_load_encode(const struct frame_load *load, uint8_t ret_bytes[64])
{
    memset(ret_bytes, 0, 64);
    put(ret_bytes, load->running, 4);
    put(ret_bytes + 4, load->waiting, 4);
    put(ret_bytes + 8, load->kv_used, 4);
    put(ret_bytes + 12, load->kv_total, 4);
    put(ret_bytes + 16, load->prompt_tokens, 8);
    put(ret_bytes + 24, load->prefix_hit_tokens, 8);
    put(ret_bytes + 32, load->output_tokens, 8);
    put(ret_bytes + 40, load->prefill_us, 8);
    put(ret_bytes + 48, load->decode_us, 8);
    put(ret_bytes + 56, load->decode_tokens, 8);
}

enum err frame_load_decode(struct span payload, struct frame_load *ret_load)
{
    if (payload.n != LOAD_SIZE)
        return ERR_SYNTAX;
    uint8_t bytes[64];
    memcpy(bytes, payload.p, sizeof bytes);
    *ret_load = (struct frame_load){.running = (uint32_t)get(bytes, 4),
                                    .waiting = (uint32_t)get(bytes + 4, 4),
                                    .kv_used = (uint32_t)get(bytes + 8, 4),
                                    .kv_total = (uint32_t)get(bytes + 12, 4),
                                    .prompt_tokens = get(bytes + 16, 8),
                                    .prefix_hit_tokens = get(bytes + 24, 8),
                                    .output_tokens = get(bytes + 32, 8),
                                    .prefill_us = get(bytes + 40, 8),
                                    .decode_us = get(bytes + 48, 8),
                                    .decode_tokens = get(bytes + 56, 8)};
    return ERR_OK;
}
