#include "detectors/portable_math.h"

#include <stdint.h>
#include <string.h>

#include "agent/base/compiler.h"

double portable_log(double x)
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
