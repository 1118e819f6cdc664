#ifndef DRIFTD_DETECTORS_EDETECTOR_H
#define DRIFTD_DETECTORS_EDETECTOR_H
/*
 * Evidence that may be looked at at any time (METHODS §4): log e-values of windows of bin counts against a
 * ball around the reference, of bounded means against a limit, and their Shiryaev–Roberts sum. Under the null
 * hypothesis E[exp ℓ] ≤ 1 for every fixed window.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Radius of the null hypothesis in nats: max(tolerance, what a reference of M events leaves open). */
double null_radius(double reference_n, uint32_t bins, double delta, double tolerance);
/* The finite-sample form [Agrawal20], about twice as large. */
double null_radius_strict(double reference_n, uint32_t bins, double delta, double tolerance);

/* A reference prepared for e-values. Immutable; owned by the caller. */
struct e_reference;
/* `ordered[j]` says that bin j is one of the ordered bins (missing, invalid … are not); NULL: no order. Takes
 * copies. NULL when there are no bins, the reference is empty, or memory is out. */
struct e_reference *e_reference_new(const uint64_t *counts, const bool *ordered, uint32_t bins);
void e_reference_free(struct e_reference *reference);
size_t e_reference_bytes(const struct e_reference *reference); /* of memory */
uint32_t e_reference_bins(const struct e_reference *reference);
/* Φ⁻¹ of the mid-cumulative share of bin j; 0 for bins without order. */
double e_reference_score(const struct e_reference *reference, uint32_t bin);

struct e_value {
    double log_e;
    double log_numerator, log_denominator;
    double weight; /* of the current frequencies in the least favourable distribution; 1: inside the ball */
};
/* ℓ = η·(num − den) of the counts of a window; an empty one has ℓ = 0. 0 < eta ≤ 1. O(bins). */
struct e_value e_value_of(const struct e_reference *reference, const uint64_t *counts, double rho,
                          double eta);

/* At least ℓ of those counts, and far cheaper: num is at most that of the current frequencies, den at least
 * that of any point of the ball (METHODS §4.3, quick bound). O(bins). */
double e_value_bound(const struct e_reference *reference, const uint64_t *counts, double rho, double eta);

/* ---- bounded means ---- */

enum e_side { E_UP, E_DOWN, E_BOTH };
enum { E_BOUNDED_ALTERNATIVES = 10 };
/* log e-value against E[x | past] ≤ u (up; ≥ u for down) from n values x ∈ [0,1] with sum S. NaN when u is
 * not strictly between 0 and 1. */
double log_e_bounded(double n, double sum, double u, enum e_side side, uint32_t alternatives);
/* Upper confidence limits of a reference mean, for u: of a rate (Clopper–Pearson, one-sided), and of values
 * in [0,1] with this mean and sample variance (empirical Bernstein). */
double rate_upper_limit(double k, double n, double delta);
double mean_upper_limit(double mean, double variance, double n, double delta);

/* ---- sum over starts ---- */

struct e_sum {
    double log_r;  /* log Σ exp ℓ; −inf without terms */
    uint32_t best; /* index of the largest ℓ: the onset */
};
/* NaN terms (starts that do not exist) take no part. */
struct e_sum e_sum_of(const double *log_e, uint32_t count);
/* h = ln(A·F·|S|/s): at most one crossing in A panes for all F series of a family with share s of the budget.
 */
double e_threshold(double panes, double series, double starts, double share);

#endif
