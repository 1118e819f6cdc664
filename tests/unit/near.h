#ifndef DRIFTD_TESTS_UNIT_NEAR_H
#define DRIFTD_TESTS_UNIT_NEAR_H
/* Near-equality for unit tests: says both values when it fails. Also a small generator for property tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define assert_near(got, want, tolerance) near_at(__FILE__, __LINE__, #got, (got), (want), (tolerance))
#define assert_nan(got)                   near_at(__FILE__, __LINE__, #got, (got), NAN, 0)

static inline void near_at(const char *file, int line, const char *what, double got, double want,
                           double tolerance)
{
    if (isnan(want) ? isnan(got) : got == want || fabs(got - want) <= tolerance)
        return;
    print_error("%s: got %.17g, want %.17g within %g\n", what, got, want, tolerance);
    _fail(file, line);
}

/* xorshift64*; never seed it with 0. */
static inline uint64_t random_bits(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1du;
}

/* Uniform in [0, 1). */
static inline double random_unit(uint64_t *state)
{
    return (double)(random_bits(state) >> 11) * 0x1p-53;
}

#endif
