/* What a processor has is asked once, at run time; only the functions marked with a target use it.
 */
#include "http/json_find.h"
#include "http/json_utf8.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

bool json_find_has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

bool json_find_has_avx512(void)
{
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

static uint32_t special16(const char *p)
{
    __m128i v = _mm_loadu_si128((const void *)p);
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    /* signed: bytes above 0x7f are negative, so one comparison finds them and the controls */
    __m128i outside = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), outside));
}

const char *json_find_sse2(const char *p, const char *end)
{
    const char *start = p;
    for (; end - p >= 16; p += 16) {
        uint32_t mask = special16(p);
        if (mask)
            return p + __builtin_ctz(mask);
    }
    if (end - start < 16)
        return json_find_scalar(p, end);
    uint32_t mask = special16(end - 16); /* again over bytes known to be plain */
    return mask ? end - 16 + __builtin_ctz(mask) : end;
}

__attribute__((target("avx2"))) static __m256i special32(const char *p)
{
    __m256i v = _mm256_loadu_si256((const void *)p);
    __m256i quote = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('"'));
    __m256i backslash = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\'));
    __m256i outside = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), v);
    return _mm256_or_si256(_mm256_or_si256(quote, backslash), outside);
}

__attribute__((target("avx2"))) const char *json_find_avx2(const char *p, const char *end)
{
    const char *start = p;
    for (; end - p >= 64; p += 64) {
        __m256i low = special32(p), high = special32(p + 32);
        if (_mm256_testz_si256(_mm256_or_si256(low, high), _mm256_or_si256(low, high)))
            continue;
        uint64_t mask = (uint32_t)_mm256_movemask_epi8(low);
        mask |= (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
        return p + __builtin_ctzll(mask);
    }
    for (; end - p >= 32; p += 32) {
        uint32_t mask = (uint32_t)_mm256_movemask_epi8(special32(p));
        if (mask)
            return p + __builtin_ctz(mask);
    }
    if (end - start < 32)
        return json_find_sse2(p, end);
    uint32_t mask = (uint32_t)_mm256_movemask_epi8(special32(end - 32));
    return mask ? end - 32 + __builtin_ctz(mask) : end;
}

/* json_utf8.h explains the tables. */
__attribute__((target("avx2"))) static __m256i look_up(const uint8_t *table, __m256i nibbles)
{
    __m256i both = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)table));
    return _mm256_shuffle_epi8(both, nibbles);
}

/* Is <v>, behind the block <before>, UTF-8 (but for an unfinished last character)? */
__attribute__((target("avx2"))) static bool is_utf8(__m256i before, __m256i v)
{
    const __m256i low_nibble = _mm256_set1_epi8(0x0f);
    __m256i across = _mm256_permute2x128_si256(before, v, 0x21);
    __m256i first = _mm256_alignr_epi8(v, across, 15); /* the byte before each */
    __m256i second = _mm256_alignr_epi8(v, across, 14);
    __m256i third = _mm256_alignr_epi8(v, across, 13);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(first, 4), low_nibble);
    __m256i error = look_up(json_utf8_first_high, high);
    error =
        _mm256_and_si256(error, look_up(json_utf8_first_low, _mm256_and_si256(first, low_nibble)));
    high = _mm256_and_si256(_mm256_srli_epi16(v, 4), low_nibble);
    error = _mm256_and_si256(error, look_up(json_utf8_second_high, high));
    /* bit 7 where two or three bytes before stands a lead of three or four bytes */
    __m256i of_three = _mm256_subs_epu8(second, _mm256_set1_epi8((char)(0xe0 - 0x80)));
    __m256i of_four = _mm256_subs_epu8(third, _mm256_set1_epi8((char)(0xf0 - 0x80)));
    __m256i asked = _mm256_and_si256(_mm256_or_si256(of_three, of_four),
                                     _mm256_set1_epi8((char)JSON_UTF8_TWO_CONTINUATIONS));
    error = _mm256_xor_si256(error, asked);
    return _mm256_testz_si256(error, error);
}

/* <v> with spaces from byte <from> on. */
__attribute__((target("avx2"))) static __m256i blank(__m256i v, unsigned from)
{
    static const uint8_t masks[64] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    };
    __m256i keep = _mm256_loadu_si256((const void *)(masks + 32 - from));
    return _mm256_blendv_epi8(_mm256_set1_epi8(' '), v, keep);
}

__attribute__((target("avx2"))) const char *json_pass_avx2(const char *p, const char *end)
{
    const char *start = p;
    __m256i before = _mm256_setzero_si256();
    for (; end - p >= 32; p += 32) {
        __m256i v = _mm256_loadu_si256((const void *)p);
        __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(0x1f)), v);
        __m256i quote = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('"'));
        __m256i backslash = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\'));
        __m256i special = _mm256_or_si256(_mm256_or_si256(quote, backslash), control);
        uint32_t mask = (uint32_t)_mm256_movemask_epi8(special);
        if (mask) {
            unsigned at = (unsigned)__builtin_ctz(mask);
            return is_utf8(before, blank(v, at)) ? p + at : json_find_boundary(start, p);
        }
        if (_mm256_movemask_epi8(_mm256_or_si256(before, v)) && !is_utf8(before, v))
            break;
        before = v;
    }
    return json_find_boundary(start, p);
}

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,bmi,bmi2")))

AVX512 static uint64_t special64(__m512i v)
{
    return _mm512_cmplt_epi8_mask(v, _mm512_set1_epi8(0x20)) |
           _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('"')) |
           _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\\'));
}

AVX512 const char *json_find_avx512(const char *p, const char *end)
{
    for (; end - p >= 64; p += 64) {
        uint64_t mask = special64(_mm512_loadu_si512((const void *)p));
        if (mask)
            return p + __builtin_ctzll(mask);
    }
    /* the rest, up to 63 bytes: the others are not read and count as spaces */
    uint64_t rest = (UINT64_C(1) << (end - p)) - 1;
    __m512i v = _mm512_mask_loadu_epi8(_mm512_set1_epi8(' '), rest, (const void *)p);
    uint64_t mask = special64(v);
    return mask ? p + __builtin_ctzll(mask) : end;
}
#endif
