#include "agent/base/hash.h"

/* Multiply-and-fold over 8-byte words (the "mum" construction), little-endian whatever the machine. */
static const uint64_t K0 = UINT64_C(0x9e3779b97f4a7c15);
static const uint64_t K1 = UINT64_C(0xd6e8feb86659fd93);

static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load8(const unsigned char *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof(value));
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

static uint64_t load4(const unsigned char *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    value = __builtin_bswap32(value);
#endif
    return value;
}

/* The last 1–7 bytes as a little-endian number, with fixed-size loads that overlap: `len` bytes of text
 * precede `end`. */
static uint64_t load_tail(const unsigned char *end, size_t left, size_t len)
{
    if (len >= 8)
        return load8(end - 8) >> (8 * (8 - left));
    const unsigned char *at = end - left;
    if (left >= 4)
        return load4(at) | load4(end - 4) << (8 * (left - 4));
    return (uint64_t)at[0] | (uint64_t)at[left / 2] << (8 * (left / 2)) |
           (uint64_t)end[-1] << (8 * (left - 1));
}

uint64_t hash64(const void *bytes, size_t len, uint64_t seed)
{
    const unsigned char *at = bytes;
    uint64_t state = seed ^ K0;
    size_t left = len;
    for (; left >= 16; left -= 16, at += 16)
        state = fold(load8(at) ^ state ^ K1, load8(at + 8) ^ K0) ^ state;
    if (left >= 8) {
        state = fold(load8(at) ^ state, K1) ^ (state >> 32);
        at += 8;
        left -= 8;
    }
    uint64_t tail = left ? load_tail(at + left, left, len) : 0;
    return hash_mix(fold(tail ^ K0, state ^ K1 ^ (uint64_t)len) ^ state);
}
