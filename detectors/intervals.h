#ifndef DRIFTD_DETECTORS_INTERVALS_H
#define DRIFTD_DETECTORS_INTERVALS_H
/*
 * Uncertainty of rates and means, comparisons of two of them, and corrections for many tests (METHODS §4.9,
 * §7.3, §9, §10, §12). Pure functions of counts and summaries; O(1) unless said otherwise. Undefined (no
 * trials, no variance) is NaN, never an error. `alpha` is two-sided: an interval covers 1 − alpha.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/compiler.h"

struct interval {
    double low, high;
};

/* A proportion k/n, 0 ≤ k ≤ n. */
struct interval interval_wilson(double k, double n, double alpha);
struct interval interval_clopper_pearson(double k, double n, double alpha);
struct interval interval_jeffreys(double k, double n, double alpha);

/* k1/n1 − k2/n2: square-and-add of Wilson limits [Newcombe98, method 10]. */
struct interval interval_newcombe(double k1, double n1, double k2, double n2, double alpha);
/* (k1/n1)/(k2/n2) on the log scale (Katz). interval_ratio adds ½ to every cell when a count is 0;
 * interval_ratio_plain is NaN then. */
struct interval interval_ratio(double k1, double n1, double k2, double n2, double alpha);
struct interval interval_ratio_plain(double k1, double n1, double k2, double n2, double alpha);
/* Ranks (from 0, both inside the sample) whose order statistics enclose quantile q of n values, and the usual
 * estimate of it, rank q(n − 1); `z` is in standard deviations: 3.29 for 99.9 %. */
struct interval interval_order_ranks(double n, double q, double z);

struct test_result {
    double statistic, p; /* two-sided */
};
/* Pooled z; both rates 0 or both 1: z = 0, p = 1. */
struct test_result two_proportion_z(double k1, double n1, double k2, double n2);
/* Fisher's exact p, two-sided: all tables at most as probable as this one. O(spread of the hypergeometric).
 */
double fisher_exact_p(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2);
/* Two models on the same events: `only_first` and `only_second` count what just one of them got right. Exact
 * binomial p, two-sided; 1 when they never differ. */
double mcnemar_p(uint64_t only_first, uint64_t only_second);
/* Effect size 2·asin√p1 − 2·asin√p2. */
double cohen_h(double p1, double p2);

struct welch {
    double difference, t, df, p;
    struct interval interval;
};
/* From means, sample standard deviations (n − 1) and sizes; n < 2 or both deviations 0: NaN. */
struct welch welch_test(double mean1, double sd1, double n1, double mean2, double sd2, double n2,
                        double alpha);

struct confidence_sequence {
    double rho2, half_width;
};
/* Of a running mean of n values, tightest at n = n_opt [WSR24a]. */
struct confidence_sequence asymptotic_confidence_sequence(double n, double sd, double alpha, double n_opt);

/*
 * Many p-values. `adjusted` (count entries) may not alias `p`. NaN p-values take no part: they are not
 * counted among the tests and come back as NaN. O(n log n); ERR_NOMEM.
 */
int adjust_benjamini_hochberg(const double *p, uint32_t count, double *adjusted) MUST_USE;
int adjust_holm(const double *p, uint32_t count, double *adjusted) MUST_USE;
void adjust_bonferroni(const double *p, uint32_t count, double *adjusted);
/* Which are rejected at `alpha`: step-up of BH95 (largest k with p_(k) ≤ k·alpha/F). */
int reject_benjamini_hochberg(const double *p, uint32_t count, double alpha, bool *rejected) MUST_USE;
/* e-BH [Wang22] on log e-values (an e-value overflows long before its logarithm): the k* largest, k* = max
 * {k : e_(k) ≥ F/(alpha·k)}. */
int reject_e_benjamini_hochberg(const double *log_e, uint32_t count, double alpha, bool *rejected) MUST_USE;

#endif
