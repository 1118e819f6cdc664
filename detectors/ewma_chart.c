/* Charts of an exponentially weighted mean: against the running mean (EWMA) and for error rates (ECDD
 * [Ross12]).
 */
#include <math.h>

#include "detectors/sequential_kinds.h"

struct ewma {
    uint64_t n;
    double mean; /* of all values */
    double z;    /* weighted mean */
    double z2;   /* weighted mean of squares */
};

static size_t ewma_bytes(const double *values)
{
    (void)values;
    return sizeof(struct ewma);
}

static void ewma_start(void *state, const double *values)
{
    (void)state;
    (void)values;
}

/* α/(2−α)·(1 − (1−α)^2n): the variance of z in units of the variance of one value. */
static double weighted_variance(double alpha, uint64_t n)
{
    return alpha / (2 - alpha) * -expm1(2 * (double)n * log1p(-alpha));
}

enum { ALPHA, THRESHOLD, MIN_INSTANCES };

static enum sequential_state ewma_update(void *state, const double *values, double x)
{
    struct ewma *s = state;
    double alpha = values[ALPHA];
    s->n++;
    s->mean += (x - s->mean) / (double)s->n;
    s->z = s->n == 1 ? x : alpha * x + (1 - alpha) * s->z;
    s->z2 = s->n == 1 ? x * x : alpha * x * x + (1 - alpha) * s->z2;
    if ((double)s->n < values[MIN_INSTANCES])
        return SEQUENTIAL_QUIET;
    double sd = sqrt(fmax(0, s->z2 - s->z * s->z));
    double limit = values[THRESHOLD] * sd * sqrt(weighted_variance(alpha, s->n));
    return fabs(s->z - s->mean) > limit ? SEQUENTIAL_DRIFT : SEQUENTIAL_QUIET;
}

static double ewma_statistic(const void *state, const double *values)
{
    const struct ewma *s = state;
    (void)values;
    return s->n ? s->z : (double)NAN;
}

const struct sequential_kind_ops ewma_ops = {
    .description = {.name = "ewma",
                    .summary = "exponentially weighted mean against the running mean",
                    .parameters = {{"alpha", 0.1, 1e-9, 1},
                                   {"threshold", 4, 0, 1e6},
                                   {"min_instances", 30, 1, 1e9},
                                   {NULL, 0, 0, 0}}},
    .state_bytes = ewma_bytes,
    .start = ewma_start,
    .update = ewma_update,
    .statistic = ewma_statistic,
};

enum { ECDD_LAMBDA, ECDD_MIN_INSTANCES, ECDD_RUN_LENGTH };

/* Control limits as polynomials of the error rate, for average run lengths of 100, 400 and 1,000. */
static double ecdd_limit(double p, double run_length)
{
    static const double coefficients[3][5] = {{2.76, -6.23, 18.12, -312.45, 1002.18},
                                              {3.97, -6.56, 48.73, -330.13, 848.18},
                                              {1.17, 7.56, -21.24, 112.12, -987.23}};
    const double *c = coefficients[run_length <= 100 ? 0 : run_length <= 400 ? 1 : 2];
    double p2 = p * p;
    return c[0] + p * (c[1] + p2 * (c[2] + p2 * (c[3] + p2 * c[4])));
}

static enum sequential_state ecdd_update(void *state, const double *values, double x)
{
    struct ewma *s = state;
    double lambda = values[ECDD_LAMBDA];
    s->n++;
    s->mean += (x - s->mean) / (double)s->n;
    s->z += lambda * (x - s->z);
    if ((double)s->n < values[ECDD_MIN_INSTANCES])
        return SEQUENTIAL_QUIET;
    double p = s->mean;
    double sd = sqrt(fmax(0, p * (1 - p)) * weighted_variance(lambda, s->n));
    double limit = ecdd_limit(p, values[ECDD_RUN_LENGTH]) * sd;
    if (s->z > p + limit)
        return SEQUENTIAL_DRIFT;
    return s->z > p + limit / 2 ? SEQUENTIAL_WARNING : SEQUENTIAL_QUIET;
}

const struct sequential_kind_ops ecdd_ops = {
    .description = {.name = "ecdd",
                    .binary = true,
                    .summary = "exponentially weighted error rate against the running error rate",
                    .parameters = {{"lambda", 0.2, 1e-9, 1},
                                   {"min_instances", 30, 1, 1e9},
                                   {"run_length", 400, 100, 1000},
                                   {NULL, 0, 0, 0}}},
    .state_bytes = ewma_bytes,
    .start = ewma_start,
    .update = ecdd_update,
    .statistic = ewma_statistic,
};
