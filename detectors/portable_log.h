#ifndef DRIFTD_DETECTORS_PORTABLE_LOG_H
#define DRIFTD_DETECTORS_PORTABLE_LOG_H
/*
 * Natural logarithm of a positive normal number by basic operations only, so that it has the same bits on
 * every machine: what is counted before the merge may use it (DESIGN §3). x = m·2^k with m in [√½, √2), ln m
 * = 2·atanh((m−1)/(m+1)) as a series. Error < 1e-15 relative to 1 + |ln x|. O(1), some 10 ns.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "agent/base/compiler.h"

static inline double portable_log(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof(bits));
    int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    bits = (bits & UINT64_C(0xfffffffffffff)) | UINT64_C(0x3ff0000000000000);
    double m;
    memcpy(&m, &bits, sizeof(m));
    if (m > 1.4142135623730951) {
        m *= 0.5;
        exponent++;
    }
    double s = (m - 1) / (m + 1), s2 = s * s, sum = 0;
    static const double terms[] = {1.0 / 25, 1.0 / 23, 1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13,
                                   1.0 / 11, 1.0 / 9,  1.0 / 7,  1.0 / 5,  1.0 / 3,  1.0};
    for (size_t i = 0; i < ARRAY_LEN(terms); i++) /* |s| < 0.172: the next term is below 1e-21 */
        sum = sum * s2 + terms[i];
    return (double)exponent * 0.69314718055994530942 + 2 * s * sum;
}

#endif
