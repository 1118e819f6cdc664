#include "agent/base/digest.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "agent/base/err.h"

static const char HEX[] = "0123456789abcdef";
static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int sha256(const void *bytes, size_t len, unsigned char out[SHA256_BYTES])
{
    if (EVP_Digest(len ? bytes : "", len, out, NULL, EVP_sha256(), NULL) != 1)
        return ERR_NOMEM;
    return 0;
}

int hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
                unsigned char out[SHA256_BYTES])
{
    if (key_len > INT_MAX)
        return ERR_LIMIT;
    /* An empty key is legal, a null pointer would mean "the key of the last call". */
    if (!HMAC(EVP_sha256(), key_len ? key : "", (int)key_len, len ? bytes : (const void *)"", len, out, NULL))
        return ERR_NOMEM;
    return 0;
}

char *hex_encode(const void *bytes, size_t len, char *out)
{
    const unsigned char *in = bytes;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = HEX[in[i] >> 4];
        out[2 * i + 1] = HEX[in[i] & 15];
    }
    out[2 * len] = '\0';
    return out;
}

size_t base64_encode(const void *bytes, size_t len, char *out)
{
    const unsigned char *in = bytes;
    char *to = out;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t bits = (uint32_t)in[i] << 16;
        if (left > 1)
            bits |= (uint32_t)in[i + 1] << 8;
        if (left > 2)
            bits |= in[i + 2];
        *to++ = BASE64[bits >> 18];
        *to++ = BASE64[(bits >> 12) & 63];
        *to++ = left > 1 ? BASE64[(bits >> 6) & 63] : '=';
        *to++ = left > 2 ? BASE64[bits & 63] : '=';
    }
    *to = '\0';
    return (size_t)(to - out);
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

int base64_decode(const char *text, size_t len, unsigned char *out)
{
    if (len % 4 != 0 || len > INT_MAX)
        return -1;
    unsigned char *to = out;
    for (size_t i = 0; i < len; i += 4) {
        size_t padding = 0;
        if (i + 4 == len && text[i + 3] == '=')
            padding = text[i + 2] == '=' ? 2 : 1;
        uint32_t bits = 0;
        for (size_t k = 0; k < 4; k++) {
            int value = k >= 4 - padding ? 0 : base64_value(text[i + k]);
            if (value < 0)
                return -1;
            bits = bits << 6 | (uint32_t)value;
        }
        /* Bits that padding throws away must be zero: one text for one sequence of bytes. */
        if ((padding == 1 && (bits & 0xff)) || (padding == 2 && (bits & 0xffff)))
            return -1;
        *to++ = (unsigned char)(bits >> 16);
        if (padding < 2)
            *to++ = (unsigned char)(bits >> 8);
        if (padding < 1)
            *to++ = (unsigned char)bits;
    }
    return (int)(to - out);
}

bool bytes_equal_constant_time(const void *a, const void *b, size_t len)
{
    return len == 0 || CRYPTO_memcmp(a, b, len) == 0;
}
