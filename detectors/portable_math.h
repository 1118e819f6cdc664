#ifndef DRIFTD_DETECTORS_PORTABLE_MATH_H
#define DRIFTD_DETECTORS_PORTABLE_MATH_H
/* Functions for counting: the same bits on every machine, which libm does not promise. */

/*
 * Natural logarithm of a positive normal number by basic operations only, so that it has the same bits on
 * every machine: x = m·2^k with m in [√½, √2), ln m = 2·atanh((m−1)/(m+1)) as a series. Error < 1e-15
 * relative to 1 + |ln x|.
 */
double portable_log(double x);

#endif
