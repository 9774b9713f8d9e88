/* NEON is part of arm64: nothing to ask at run time. */
#include "http/json_find.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#include "http/json_utf8.h"

/* Index of the first byte that is not 0; 16 when all are. */
static unsigned first_set(uint8x16_t is)
{
    uint8x8_t nibbles = vshrn_n_u16(vreinterpretq_u16_u8(is), 4); /* four bits a byte */
    uint64_t mask = vget_lane_u64(vreinterpret_u64_u8(nibbles), 0);
    return mask ? (unsigned)__builtin_ctzll(mask) >> 2 : 16;
}

static uint8x16_t is_quote_or_backslash(uint8x16_t v)
{
    return vorrq_u8(vceqq_u8(v, vdupq_n_u8('"')), vceqq_u8(v, vdupq_n_u8('\\')));
}

const char *json_find_neon(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16) {
        uint8x16_t v = vld1q_u8((const uint8_t *)p);
        /* signed: bytes above 0x7f are negative, so one comparison finds them and the controls */
        uint8x16_t outside = vcltq_s8(vreinterpretq_s8_u8(v), vdupq_n_s8(0x20));
        unsigned at = first_set(vorrq_u8(is_quote_or_backslash(v), outside));
        if (at < 16)
            return p + at;
    }
    return json_find_scalar(p, end);
}

/* Is <v>, behind the block <before>, UTF-8 (but for an unfinished last character)? */
static bool is_utf8(uint8x16_t before, uint8x16_t v)
{
    uint8x16_t first = vextq_u8(before, v, 15); /* the byte before each */
    uint8x16_t second = vextq_u8(before, v, 14);
    uint8x16_t third = vextq_u8(before, v, 13);
    uint8x16_t error = vqtbl1q_u8(vld1q_u8(json_utf8_first_high), vshrq_n_u8(first, 4));
    uint8x16_t low = vandq_u8(first, vdupq_n_u8(0x0f));
    error = vandq_u8(error, vqtbl1q_u8(vld1q_u8(json_utf8_first_low), low));
    error = vandq_u8(error, vqtbl1q_u8(vld1q_u8(json_utf8_second_high), vshrq_n_u8(v, 4)));
    uint8x16_t asked =
        vorrq_u8(vcgeq_u8(second, vdupq_n_u8(0xe0)), vcgeq_u8(third, vdupq_n_u8(0xf0)));
    asked = vandq_u8(asked, vdupq_n_u8(JSON_UTF8_TWO_CONTINUATIONS));
    return vmaxvq_u8(veorq_u8(error, asked)) == 0;
}

/* <v> with spaces from byte <from> on. */
static uint8x16_t blank(uint8x16_t v, unsigned from)
{
    static const uint8_t index[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    uint8x16_t keep = vcltq_u8(vld1q_u8(index), vdupq_n_u8((uint8_t)from));
    return vbslq_u8(keep, v, vdupq_n_u8(' '));
}

const char *json_pass_neon(const char *p, const char *end)
{
    const char *start = p;
    uint8x16_t before = vdupq_n_u8(0);
    for (; end - p >= 16; p += 16) {
        uint8x16_t v = vld1q_u8((const uint8_t *)p);
        uint8x16_t control = vcltq_u8(v, vdupq_n_u8(0x20));
        unsigned at = first_set(vorrq_u8(is_quote_or_backslash(v), control));
        if (at < 16)
            return is_utf8(before, blank(v, at)) ? p + at : json_find_boundary(start, p);
        if (vmaxvq_u8(vorrq_u8(before, v)) >= 0x80 && !is_utf8(before, v))
            break;
        before = v;
    }
    return json_find_boundary(start, p);
}
#endif
