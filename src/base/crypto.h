/* crypto.h: the only door to cryptography (OpenSSL 3 behind it, in crypto_io.c). */
#ifndef BASE_CRYPTO_H
#define BASE_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

enum { CRYPTO_SHA256_SIZE = 32, CRYPTO_KEY_SIZE = 32 };

void crypto_sha256(struct span data, uint8_t ret_digest[CRYPTO_SHA256_SIZE]);

/* In constant time over n. */
bool crypto_is_equal(const void *a, const void *b, size_t n);

/* 2n lower-case hex digits and a NUL. */
void crypto_hex(const uint8_t *bytes, size_t n, char *ret_hex);
bool crypto_unhex(struct span hex, uint8_t *ret_bytes, size_t n);

/* Overwrites secrets in a way that the compiler keeps. */
void crypto_wipe(void *p, size_t n);

#endif
