#ifndef DRIFTD_BASE_DIGEST_H
#define DRIFTD_BASE_DIGEST_H
/* SHA-256, HMAC-SHA-256, base64 and hex, by OpenSSL's libcrypto. Fallible only by memory. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"

enum { SHA256_BYTES = 32 };

int sha256(const void *bytes, size_t len, unsigned char out[SHA256_BYTES]) MUST_USE;
int hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
                unsigned char out[SHA256_BYTES]) MUST_USE;
/* `out` holds 2·len+1 bytes; lower case. Returns out. */
char *hex_encode(const void *bytes, size_t len, char *out);
/* `out` holds 4·⌈len/3⌉+1 bytes. Returns the length written without the NUL. */
size_t base64_encode(const void *bytes, size_t len, char *out);
/* Strict decoding; returns the number of bytes, or -1. `out` holds 3·len/4 bytes. */
int base64_decode(const char *text, size_t len, unsigned char *out);
/* Constant time in the contents. */
bool bytes_equal_constant_time(const void *a, const void *b, size_t len);

#endif
