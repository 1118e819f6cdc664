#ifndef DRIFTD_DETECTORS_MULTIVARIATE_H
#define DRIFTD_DETECTORS_MULTIVARIATE_H
/*
 * Drift of several features at once and of embeddings (METHODS §6): random Fourier features, principal
 * components, Hotelling, correlations, centroids. Rows are row by row, d numbers each. Undefined is NaN.
 */
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"

/* ---- moments ---- */

/* Mean and covariance (n − 1; NaN for n < 2). Two passes. O(n·d²). */
void rows_moments(const double *rows, size_t n, uint32_t d, double *mean, double *covariance);
/* The same from Σz and the lower triangle of Σzzᵀ (row by row, diagonal included). O(d²). */
void sums_moments(double n, const double *sum, const double *cross, uint32_t d, double *mean,
                  double *covariance);

/* ---- maximum mean discrepancy by random Fourier features ---- */

/*
 * Frequencies of a Gaussian kernel (rff.c). They belong to the reference: what it stores is seed and
 * bandwidth, from which they come without libm, so that they are the same on every machine. Features are
 * 2·frequencies numbers: all cosines, then all sines, of norm 1; fixed-point sums of them are the same
 * everywhere, too.
 */
enum { RFF_LANES = 16, RFF_FREQUENCIES_MAX = 65536 };
struct rff {
    uint32_t d, frequencies;
    double turns[]; /* ω/2π: RFF_LANES frequencies side by side, coordinate by coordinate */
};
/* N(0, σ⁻²I) by splitmix64 and Box–Muller. NULL: out of memory or arguments. */
struct rff *rff_new(uint32_t d, uint32_t frequencies, double sigma, uint64_t seed);
struct rff *rff_from_omega(const double *omega, uint32_t d, uint32_t frequencies);
void rff_free(struct rff *rff);
/* out: 2·frequencies numbers in [−1, 1]. O(frequencies·d). */
void rff_features(const struct rff *rff, const double *x, double *out);
/* The same bits without AVX (tests). */
void rff_features_portable(const struct rff *rff, const double *x, double *out);

/* Median Euclidean distance of all pairs of rows. ERR_INVALID for n < 2, ERR_NOMEM. O(n²(d + log n)). */
int median_distance(const double *rows, size_t n, uint32_t d, double *out) MUST_USE;

struct mmd {
    double biased, unbiased; /* squared; unbiased is NaN with n or M < 2 */
    double p;                /* Satterthwaite's χ² */
};
/* From mean embeddings of `features` numbers; trace and trace2 = tr Σ and tr Σ² of the reference's features.
 */
struct mmd mmd_of(const double *reference_mean, double reference_n, const double *mean, double n,
                  uint32_t features, double trace, double trace2);
/* tr Σ and tr Σ² of a covariance. */
void covariance_traces(const double *covariance, uint32_t d, double *trace, double *trace2);

/* ---- principal components ---- */

struct pca {
    uint32_t d, components;
    double *mean, *scale; /* population sd; 1 for a constant feature */
    double *explained;    /* d shares, descending */
    double *vectors;      /* d×d, columns by share */
};
/* All zero, for components that are known. NULL: no memory. */
struct pca *pca_alloc(uint32_t d);
/* Of standardised features; keeps the fewest components that explain at least `kept`. NULL: no memory, or
 * nothing varies. `covariance` has n − 1. O(d³). */
struct pca *pca_new(const double *mean, const double *covariance, double n, uint32_t d, double kept);
void pca_free(struct pca *pca);
/* ‖z − VVᵀz‖; `scratch` has 2·d numbers. O(d·(d − components)). */
double pca_error(const struct pca *pca, const double *x, double *scratch);
/* Squared Mahalanobis distance of z in the correlations the components come from, D² = Σ_k (v_kᵀz)²/λ_k with
 * λ_k = d·share_k and a ridge of 1e-6, so that directions that never vary do not divide by 0. O(d²). */
double pca_distance(const struct pca *pca, const double *x, double *scratch);

/* ---- Mahalanobis, Hotelling ---- */

/* Cholesky factor of a covariance in place; a singular one gets a ridge of 10⁻⁶·tr/d first. ERR_INVALID when
 * even that does not help. */
int covariance_factor(double *covariance, uint32_t d) MUST_USE;
/* xᵀ S⁻¹ x of x − mean; scratch 2·d. */
double mahalanobis_square(const double *factor, const double *mean, const double *x, uint32_t d,
                          double *scratch);

struct hotelling {
    double t2, f, df1, df2, p;
};
/* NaN when N ≤ d + 2 or the pooled covariance is degenerate. ERR_NOMEM. O(d³). */
int hotelling_test(const double *mean1, const double *covariance1, double n1, const double *mean2,
                   const double *covariance2, double n2, uint32_t d, struct hotelling *out) MUST_USE;

/* ---- correlations ---- */

struct correlation_drift {
    double max_difference; /* max |Δr| over pairs */
    double frobenius;
    double p; /* Bonferroni over all d(d−1)/2 pairs */
};
/* z: d(d−1)/2 Fisher statistics (reference − current) by pair (0,1), (0,2) …, or NULL. Pairs with a constant
 * column are NaN and take no part. */
struct correlation_drift correlation_drift(const double *covariance1, double n1, const double *covariance2,
                                           double n2, uint32_t d, double *z);

/* ---- centroids ---- */

struct centroid_distance {
    double cosine, euclidean; /* 1 − cos; NaN for a zero vector */
};
struct centroid_distance centroid_distance(const double *a, const double *b, uint32_t d);

#endif
