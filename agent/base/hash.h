#ifndef DRIFTD_BASE_HASH_H
#define DRIFTD_BASE_HASH_H
/*
 * hash64: a fast 64-bit hash of bytes, the same on every machine, stored in samples and panes: its values are
 * part of the store's format and must never change. Not against an adversary who can choose many inputs;
 * tables that face such input are bounded.
 */
#include <stddef.h>
#include <stdint.h>

#include "agent/base/text.h"

uint64_t hash64(const void *bytes, size_t len, uint64_t seed);

static inline uint64_t hash_text(struct text text, uint64_t seed)
{
    return hash64(text.ptr, text.len, seed);
}

/* A bijective mix of 64 bits (the finaliser of splitmix64): for integer keys. */
static inline uint64_t hash_mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

#endif
