#include "base/crypto.h"

#include <pthread.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/check.h"

/* OpenSSL 3 looks an algorithm up by name and takes locks at each one-shot digest: about 0.6 us of
 * every request. So the algorithm is fetched once, and each thread keeps a context. */
static EVP_MD *sha256;
static pthread_key_t context_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void free_context(void *context)
{
    EVP_MD_CTX_free(context);
}

static void fetch_sha256(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    CHECK(sha256);
    CHECK(pthread_key_create(&context_key, free_context) == 0);
}

static EVP_MD_CTX *context_of_thread(void)
{
    CHECK(pthread_once(&once, fetch_sha256) == 0);
    EVP_MD_CTX *context = pthread_getspecific(context_key);
    if (!context) {
        context = EVP_MD_CTX_new();
        CHECK(context && pthread_setspecific(context_key, context) == 0);
    }
    return context;
}

void crypto_sha256(struct span data, uint8_t ret_digest[CRYPTO_SHA256_SIZE])
{
    unsigned size = 0;
    EVP_MD_CTX *context = context_of_thread();
    CHECK(EVP_DigestInit_ex2(context, sha256, NULL) == 1);
    CHECK(EVP_DigestUpdate(context, data.n > 0 ? data.p : "", data.n) == 1);
    CHECK(EVP_DigestFinal_ex(context, ret_digest, &size) == 1);
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
        ret_bytes[i] = (uint8_t)(hex_value(hex.p[2 * i]) * 16 + hex_value(hex.p[2 * i + 1]));
    return true;
}

void crypto_wipe(void *p, size_t n)
{
    OPENSSL_cleanse(p, n);
}
