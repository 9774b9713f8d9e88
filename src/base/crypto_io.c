#include "base/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/check.h"

void crypto_sha256(struct span data, uint8_t ret_digest[CRYPTO_SHA256_SIZE])
{
    unsigned size = 0;
    int is_good =
        EVP_Digest(data.n > 0 ? data.p : "", data.n, ret_digest, &size, EVP_sha256(), NULL);
    CHECK(is_good == 1);
    CHECK(size == CRYPTO_SHA256_SIZE);
}

bool crypto_is_equal(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

void crypto_hex(const uint8_t *bytes, size_t n, char *ret_hex)
{
    static const char digit[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        ret_hex[2 * i] = digit[bytes[i] >> 4];
        ret_hex[2 * i + 1] = digit[bytes[i] & 15];
    }
    ret_hex[2 * n] = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool crypto_unhex(struct span hex, uint8_t *ret_bytes, size_t n)
{
    if (hex.n != 2 * n)
        return false;
    for (size_t i = 0; i < hex.n; i++)
        if (hex_value(hex.p[i]) < 0)
            return false;
    for (size_t i = 0; i < n; i++)
        ret_bytes[i] = (uint8_t)(hex_value(hex.p[2 * i]) << 4 | hex_value(hex.p[2 * i + 1]));
    return true;
}

void crypto_wipe(void *p, size_t n)
{
    OPENSSL_cleanse(p, n);
}
