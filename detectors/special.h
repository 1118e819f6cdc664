#ifndef DRIFTD_DETECTORS_SPECIAL_H
#define DRIFTD_DETECTORS_SPECIAL_H
/*
 * Special functions and the tails of the distributions that the tests need (METHODS §16). Pure, reentrant
 * (lgamma_r, never signgam). `cdf` is P(X ≤ x), `sf` is P(X > x) computed without the subtraction from 1,
 * `ppf` is the quantile, `isf` the upper quantile. A NaN argument or a parameter outside its domain gives
 * NaN; an argument beyond the support gives the limit (0 or 1).
 *
 * Relative errors seen against 40-digit references: 1e-13 for parameters up to 1e3, 1e-11 up to 1e6.
 * Quantiles are bracketed and stop at 1e-14.
 */
#include <stdint.h>

/* log |Γ(x)|. */
double log_gamma(double x);
/* log of the binomial coefficient C(n, k), 0 ≤ k ≤ n. */
double log_choose(double n, double k);

/* Standard normal. ppf by Wichura's AS 241 (1988), relative error 1e-15. */
double normal_cdf(double x);
double normal_sf(double x);
double normal_ppf(double p);

/* Regularised incomplete gamma P(a,x) and Q(a,x) = 1 − P, a > 0, x ≥ 0: power series below a+1, Lentz's
 * continued fraction above. O(√a) steps near the mean. */
double gamma_lower(double a, double x);
double gamma_upper(double a, double x);
/* χ² with df > 0 degrees of freedom. isf: alpha 0 gives +inf, 1 gives 0. */
double chi2_sf(double x, double df);
double chi2_isf(double alpha, double df);

/* Regularised incomplete beta I_x(a,b), a, b > 0, by Lentz's continued fraction; O(√max(a,b)) steps. */
double beta_cdf(double x, double a, double b);
double beta_ppf(double p, double a, double b);
/* Student's t, df > 0 (inf is the normal); F with d1, d2 > 0. */
double t_sf(double x, double df);
double t_ppf(double p, double df);
double f_sf(double x, double d1, double d2);

/* Binomial(n, p): P(X ≤ k), P(X > k) and the smallest k with P(X ≤ k) ≥ q. O(√n) and O(√n·log n). */
double binomial_cdf(double k, uint64_t n, double p);
double binomial_sf(double k, uint64_t n, double p);
uint64_t binomial_ppf(double q, uint64_t n, double p);

/* Kolmogorov's limit: P(√n·D > x); both theta series, absolute error 1e-15. */
double kolmogorov_sf(double x);
/* Limit of the Cramér–von Mises statistic: P(T > x) (Anderson & Darling 1952, eq. 4.35), absolute error
 * 1e-13. */
double cvm_limit_sf(double x);

#endif
