#include "agent/base/hash.h"

/* Multiply-and-fold over 8-byte words (the "mum" construction), little-endian whatever the machine. */
static const uint64_t K0 = UINT64_C(0x9e3779b97f4a7c15);
static const uint64_t K1 = UINT64_C(0xd6e8feb86659fd93);

static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load_le(const unsigned char *bytes, size_t len)
{
    uint64_t value = 0;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(&value, bytes, len);
#else
    for (size_t i = 0; i < len; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
#endif
    return value;
}

uint64_t hash64(const void *bytes, size_t len, uint64_t seed)
{
    const unsigned char *at = bytes;
    uint64_t state = seed ^ K0;
    size_t left = len;
    for (; left >= 16; left -= 16, at += 16)
        state = fold(load_le(at, 8) ^ state ^ K1, load_le(at + 8, 8) ^ K0) ^ state;
    if (left >= 8) {
        state = fold(load_le(at, 8) ^ state, K1) ^ (state >> 32);
        at += 8;
        left -= 8;
    }
    uint64_t tail = left ? load_le(at, left) : 0;
    return hash_mix(fold(tail ^ K0, state ^ K1 ^ (uint64_t)len) ^ state);
}
