#ifndef DRIFTD_DETECTORS_LOGISTIC_H
#define DRIFTD_DETECTORS_LOGISTIC_H
/*
 * Logistic regression with one covariate on grouped data, by Newton with step halving: Platt scaling
 * (METHODS §7.4) and Cox's calibration line (§8). O(points) per step, at most 100 steps.
 */
#include <stddef.h>

struct logistic_point {
    double x, n, positives; /* `n` events at x, `positives` of them with y = 1; both may be fractional */
};

struct logistic {
    double intercept, slope;
    double log_likelihood;
};

double logit(double p);
double logistic_probability(const struct logistic *fit, double x);
/* Maximises log likelihood − ridge/2·slope². NaN with one class, fewer than two different x, or when no
 * maximum is near (separated classes: |slope| beyond 1,000). */
struct logistic logistic_fit(const struct logistic_point *points, size_t count, double ridge);
/* The intercept of y ~ a + x. NaN with one class. */
double logistic_fit_offset(const struct logistic_point *points, size_t count);

#endif
