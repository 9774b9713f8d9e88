#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash_bytes(const void *p, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(p, n, seed);
}

uint64_t hash_pair(uint64_t a, uint64_t b)
{
    /* The finisher of splitmix64 between the two words: order matters, both reach every bit. */
    uint64_t mixed = (a ^ (a >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
    mixed = (mixed ^ (mixed >> 31)) + b * UINT64_C(0x9E3779B97F4A7C15) + 1;
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
    return mixed ^ (mixed >> 31);
}

/* Castagnoli polynomial, reflected: remainders of the 16 half bytes. */
static const uint32_t crc_half_byte[16] = {
    0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1, 0x417B1DBC, 0x5125DAD3, 0x61C69362, 0x7198540D,
    0x82F63B78, 0x92A8FC17, 0xA24BB5A6, 0xB21572C9, 0xC38D26C4, 0xD3D3E1AB, 0xE330A81A, 0xF36E6F75};

uint32_t hash_crc32c(const void *p, size_t n)
{
    const unsigned char *byte = p;
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= byte[i];
        crc = crc >> 4 ^ crc_half_byte[crc & 15];
        crc = crc >> 4 ^ crc_half_byte[crc & 15];
    }
    return ~crc;
}
