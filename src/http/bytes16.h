/* bytes16.h: questions about sixteen bytes at once, answered as a mask (bit i: byte i).
 *
 * SSE2 on x86-64 and NEON on arm64 are part of those architectures, so nothing is chosen at run
 * time here; elsewhere plain loops give the same masks. */
#ifndef HTTP_BYTES16_H
#define HTTP_BYTES16_H

#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>

static inline uint32_t bytes16_equal(const void *p, uint8_t c)
{
    __m128i v = _mm_loadu_si128(p);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8((char)c)));
}

/* CR or LF. */
static inline uint32_t bytes16_line_mark(const void *p)
{
    __m128i v = _mm_loadu_si128(p);
    __m128i cr = _mm_cmpeq_epi8(v, _mm_set1_epi8('\r'));
    __m128i lf = _mm_cmpeq_epi8(v, _mm_set1_epi8('\n'));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(cr, lf));
}

/* Not allowed in a field value (RFC 9110 5.5): controls other than HTAB, and DEL. */
static inline uint32_t bytes16_not_value(const void *p)
{
    __m128i v = _mm_loadu_si128(p);
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
    __m128i tab = _mm_cmpeq_epi8(v, _mm_set1_epi8('\t'));
    __m128i del = _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, control), del));
}

#elif defined(__aarch64__)
#include <arm_neon.h>

static inline uint32_t bytes16_mask(uint8x16_t is)
{
    static const uint8_t weight[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t bits = vandq_u8(is, vld1q_u8(weight));
    return (uint32_t)vaddv_u8(vget_low_u8(bits)) | (uint32_t)vaddv_u8(vget_high_u8(bits)) << 8;
}

static inline uint32_t bytes16_equal(const void *p, uint8_t c)
{
    return bytes16_mask(vceqq_u8(vld1q_u8(p), vdupq_n_u8(c)));
}

static inline uint32_t bytes16_line_mark(const void *p)
{
    uint8x16_t v = vld1q_u8(p);
    return bytes16_mask(vorrq_u8(vceqq_u8(v, vdupq_n_u8('\r')), vceqq_u8(v, vdupq_n_u8('\n'))));
}

static inline uint32_t bytes16_not_value(const void *p)
{
    uint8x16_t v = vld1q_u8(p);
    uint8x16_t control = vbicq_u8(vcltq_u8(v, vdupq_n_u8(0x20)), vceqq_u8(v, vdupq_n_u8('\t')));
    return bytes16_mask(vorrq_u8(control, vceqq_u8(v, vdupq_n_u8(0x7f))));
}

#else

static inline uint32_t bytes16_equal(const void *p, uint8_t c)
{
    uint32_t mask = 0;
    for (unsigned i = 0; i < 16; i++)
        mask |= (uint32_t)(((const uint8_t *)p)[i] == c) << i;
    return mask;
}

static inline uint32_t bytes16_line_mark(const void *p)
{
    return bytes16_equal(p, '\r') | bytes16_equal(p, '\n');
}

static inline uint32_t bytes16_not_value(const void *p)
{
    uint32_t mask = 0;
    for (unsigned i = 0; i < 16; i++) {
        uint8_t c = ((const uint8_t *)p)[i];
        mask |= (uint32_t)((c < 0x20 && c != '\t') || c == 0x7f) << i;
    }
    return mask;
}

#endif
#endif
